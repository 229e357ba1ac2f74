"""Runs inside this process: recorded, and ended whatever interrupts them."""

from pathlib import Path

import dagster as dg
import pytest

from orchestration.execution import execute


@dg.op
def nothing() -> None:
    """Do nothing."""


@dg.job
def idle() -> None:
    """A job of one step."""
    nothing()


@pytest.mark.capability("9.6", part="a run that is interrupted before its first step has an end")
def test_a_run_that_was_only_created_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dagster._core.execution.execute_in_process.ExecuteRunWithPlanIterable", interrupted)
    with dg.instance_for_test() as instance:
        with pytest.raises(KeyboardInterrupt):
            execute(idle, instance, None, tmp_path / "runs.log")
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.CANCELED]


def test_a_run_that_ends_is_recorded_as_it_ended(tmp_path: Path) -> None:
    with dg.instance_for_test() as instance:
        execute(idle, instance, None, tmp_path / "runs.log")
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.SUCCESS]
