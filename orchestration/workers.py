"""Partitions of one cycle decided at once, each a full Dagster run in a process of its own.

Belongs here: starting, feeding and stopping worker processes. Does not: what a decision is (`assets`), the order of
cycles (`orchestration.pipeline`). A worker reads tasks from its standard input, one JSON line each, and answers with
one; it ends when its input ends, so that no worker outlives who started it.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TextIO

import dagster as dg

from strata.conformed.engine import MEMORY_VARIABLE, THREADS_VARIABLE, memory_limit, threads
from strata.home import Home
from strata.partition import Partition

# A run that was interrupted writes its last events; what takes longer is killed.
GRACE_SECONDS = 30
# Below this many partitions a worker's start (5 s of imports) costs more than it saves (measured November 2026).
WORTHWHILE_PARTITIONS = 6


def workers_for(partitions: int, regions: int) -> int:
    """Processes worth starting: one where little is to be done, else one per core, or one more.

    One more where the cores do not divide the regions: with three regions on two cores the last one would run alone
    while a core idles (measured November 2026: three processes decide 12 partitions in 75 s, two in 90 s).
    """
    if partitions < WORTHWHILE_PARTITIONS:
        return 1
    cores = os.cpu_count() or 1
    return max(1, min(regions, cores if regions % cores == 0 else cores + 1))


class Workers:
    """Processes that decide partitions. As a context manager: leaving it ends them, an error interrupts their runs."""

    def __init__(self, home: Home, count: int) -> None:
        """Start `count` processes; they load their code while the caller goes on."""
        share = {
            THREADS_VARIABLE: str(max(1, threads() // count)),
            MEMORY_VARIABLE: f"{max(1, _gigabytes(memory_limit()) // count)}GB",
        }
        self._log = (home.root / "logs" / "runs.log").open("a", encoding="utf-8") if _made(home) else None
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "orchestration.workers", str(home.root)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**os.environ, **share},
                text=True,
                start_new_session=True,  # Ctrl-C reaches it once, through `__exit__`
            )
            for _ in range(count)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        for process in self._processes:
            if kind is not None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGINT)
            if process.stdin is not None:
                with suppress(BrokenPipeError):
                    process.stdin.close()
        for process in self._processes:
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        if self._log is not None:
            self._log.close()

    def decide(
        self, partitions: Sequence[Partition], settings: Mapping[str, str], told: Callable[[Partition], None]
    ) -> dict[Partition, str]:
        """Run ids of the partitions, decided in no particular order.

        Args:
            partitions: independent of each other.
            settings: fields of the runs' workspace.
            told: called with each partition as it begins.

        Raises:
            dg.Failure: a partition failed, or its process died; those under way were finished, no other was begun.
        """
        waiting, lock = list(reversed(partitions)), threading.Lock()
        done: dict[Partition, str] = {}
        faults: list[str] = []

        def serve(process: subprocess.Popen[str]) -> None:
            while True:
                with lock:
                    if not waiting or faults:
                        return
                    partition = waiting.pop()
                    told(partition)
                answer = _ask(process, {"partition": partition.key, "workspace": dict(settings)})
                with lock:
                    if "run_id" in answer:
                        done[partition] = answer["run_id"]
                    else:
                        faults.append(f"{partition.key}: {answer['error']}")

        hands = [threading.Thread(target=serve, args=(process,), daemon=True) for process in self._processes]
        for hand in hands:
            hand.start()
        for hand in hands:
            hand.join()
        if faults:
            raise dg.Failure("; ".join(faults))
        return done


def _made(home: Home) -> bool:
    (home.root / "logs").mkdir(parents=True, exist_ok=True)
    return True


def _gigabytes(limit: str) -> int:
    digits = limit.strip().upper().removesuffix("GB")
    return int(digits) if digits.isdigit() else 1


def _ask(process: subprocess.Popen[str], task: Mapping[str, Any]) -> dict[str, str]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a worker without pipes")
    try:
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except BrokenPipeError:
        line = ""
    if not line:
        return {"error": f"its process ended with code {process.wait()}; logs/runs.log says more, a rerun begins anew"}
    answer: dict[str, str] = json.loads(line)
    return answer


def serve(home: Home, tasks: TextIO, answers: TextIO) -> None:
    """What a worker does: decide each partition it is told of, in runs recorded in the home's Dagster instance."""
    from orchestration.definitions import build_definitions
    from orchestration.execution import execute
    from orchestration.instance import instance
    from orchestration.jobs import DECIDE
    from orchestration.partitions import partition_key
    from orchestration.resources import Workspace

    build_definitions(home).resolve_job_def(DECIDE)  # loaded before the first task comes
    jobs: dict[str, dg.JobDefinition] = {}
    with instance(home) as ready:
        for line in _until_closed(tasks):
            task = json.loads(line)
            settings = json.dumps(task["workspace"], sort_keys=True)
            if settings not in jobs:
                workspace = Workspace(root=str(home.root), **task["workspace"])
                jobs[settings] = build_definitions(home, workspace).resolve_job_def(DECIDE)
            try:
                log = home.root / "logs" / "runs.log"
                run_id = execute(jobs[settings], ready, partition_key(task["partition"]), log).run_id
                answer = {"run_id": run_id}
            except Exception as error:  # noqa: BLE001 - told to who asked, who raises it
                answer = {"error": str(getattr(error, "description", None) or error)}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def _until_closed(tasks: TextIO) -> Any:
    """Lines of standard input; where it closes during a run, nobody waits for the answer and the run is interrupted."""
    import queue

    lines: queue.Queue[str | None] = queue.Queue()
    main = threading.main_thread()
    busy = threading.Event()

    def read() -> None:
        for line in tasks:
            lines.put(line)
        lines.put(None)
        if busy.is_set() and main.ident is not None:
            signal.pthread_kill(main.ident, signal.SIGINT)

    threading.Thread(target=read, daemon=True).start()
    while (line := lines.get()) is not None:
        busy.set()
        yield line
        busy.clear()


if __name__ == "__main__":
    # A shell's background job ignores it, and so would its children: who started this one could not stop it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Only answers go to the pipe; whatever libraries print goes where errors go.
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        serve(Home(Path(sys.argv[1])), sys.stdin, pipe)
    except KeyboardInterrupt:
        sys.exit(130)
