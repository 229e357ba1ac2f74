"""Steps in processes of their own, for tests that kill them or run several at once.

Processes fork from a server that has imported everything once and started no thread: a step costs what it does, not
two seconds of imports.
"""

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from strata.governance.plan import plan_release
from strata.governance.publisher import publish, rollback
from strata.governance.records import StaleCandidateError
from strata.governance.store import GovernanceStore
from strata.home import Home
from tests.strata.governance import factory

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])
WAIT_SECONDS = 120

Step = Callable[..., object]


@dataclass(frozen=True)
class Running:
    """A step under way."""

    process: BaseProcess
    answers: Connection

    def answer(self) -> object:
        """What the step returned; fails where it was killed or raised."""
        assert self.answers.poll(WAIT_SECONDS), "the step neither answered nor ended"
        answer = self.answers.recv()
        self.ended()
        return answer

    def ended(self) -> int:
        """Exit code, once it has one."""
        self.process.join(WAIT_SECONDS)
        assert self.process.exitcode is not None, "the step did not end"
        self.answers.close()
        code = self.process.exitcode
        self.process.close()
        return code


def start(step: Step, home: Home, *arguments: object, failpoint: str | None = None) -> Running:
    """Run `step(home, *arguments)` in a process of its own, with a failpoint set or not."""
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_run, args=(theirs, failpoint, step, home, arguments))
    process.start()
    theirs.close()
    return Running(process, ours)


def _run(answers: Connection, failpoint: str | None, step: Step, home: Home, arguments: tuple[object, ...]) -> None:
    if failpoint:
        os.environ["STRATA_FAILPOINT"] = failpoint
    answers.send(step(home, *arguments))


def initialise(home: Home) -> str:
    """Initialise as soon as `go` appears."""
    wait_for(home.root / "go")
    store = GovernanceStore(home)
    store.initialise("trial", "tester")
    return store.profile()


def append(home: Home, name: str, count: int) -> int:
    """Append `count` entries as soon as `go` appears."""
    store = GovernanceStore(home)
    wait_for(home.root / "go")
    for number in range(count):
        with store.transaction() as change:
            change.append("test.appended", f"object:{name}:{number}", name, reason="race")
    return count


def point(home: Home, version: int) -> int | None:
    """Point at a candidate as soon as `go` appears; None where another was first."""
    store = GovernanceStore(home)
    made = factory.make_candidate(store, home, "EAST", "2017-10", version=version)
    (home.root / f"ready-{version}").touch()
    wait_for(home.root / "go")
    try:
        return store.point_candidate(made, 0).generation
    except StaleCandidateError:
        return None


def publish_cycle(home: Home, cycle: str, regions: list[str] | None, run_id: str, together: bool) -> tuple[object, ...]:
    """Plan, wait for `go` if `together`, and publish."""
    store = GovernanceStore(home)
    plan, marts = plan_release(store, home, cycle, regions), factory.make_marts(home, cycle)
    if together:
        (home.root / f"ready-{run_id}").touch()
        wait_for(home.root / "go")
    result = publish(
        store, home, plan, marts, run_id=run_id, actor="tester", reason="test", required_gates=factory.REQUIRED
    )
    return result.outcome, result.release_id, result.reasons


def roll_back(home: Home, release_id: str) -> tuple[object, ...]:
    """Roll back."""
    result = rollback(GovernanceStore(home), home, release_id, reason="test", actor="tester")
    return result.outcome, result.release_id, result.reasons


def wait_for(*paths: Path) -> None:
    """Wait until files appear."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not all(path.exists() for path in paths):
        assert time.monotonic() < deadline, f"{paths} did not appear"
        time.sleep(0.005)
