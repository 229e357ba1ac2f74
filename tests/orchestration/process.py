"""Steps of the pipeline in processes of their own, for tests that kill them.

They fork from a server that has imported everything once: a step costs what it does, not four seconds of imports.
"""

import contextlib
import io
import multiprocessing
import os
import resource

from orchestration import landing, pipeline
from orchestration.publication import publish_cycle
from orchestration.resources import Workspace
from strata.home import Home

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__, "expectations.report"])
WAIT_SECONDS = 180


def land(home: Home) -> None:
    """Accept what lies in the landing folder."""
    landing.land(home)


def conform(home: Home) -> None:
    """One conform pass."""
    landing.conform(home, f"conform-{os.getpid()}")


def decide(home: Home, cycle: str, region: str) -> None:
    """Compute and judge one partition, in Dagster."""
    pipeline.run(home, [cycle], regions=[region])


def publish(home: Home, cycle: str, run_id: str) -> None:
    """Publish a cycle whose marts lie in the scratch folder of the run."""
    publish_cycle(Workspace(root=str(home.root)), cycle, run_id)


def publish_within(home: Home, cycle: str, run_id: str, bytes_a_file: str) -> None:
    """Publish where no file may grow beyond a size."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(bytes_a_file), int(bytes_a_file)))
    publish(home, cycle, run_id)


STEPS = {step.__name__: step for step in (land, conform, decide, publish, publish_within)}


def exit_code(step: str, home: Home, *arguments: str, failpoint: str = "") -> int:
    """Run a step to its end, with a failpoint set or not; -9 where it was killed."""
    process = CONTEXT.Process(target=_run, args=(step, home, arguments, failpoint))
    process.start()
    process.join(WAIT_SECONDS)
    code = process.exitcode
    assert code is not None, f"{step} did not end"
    process.close()
    return code


def _run(step: str, home: Home, arguments: tuple[str, ...], failpoint: str) -> None:
    if failpoint:
        os.environ["STRATA_FAILPOINT"] = failpoint
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        STEPS[step](home, *arguments)
