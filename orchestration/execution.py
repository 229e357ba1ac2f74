"""Running a job inside this process, quietly. Belongs here: that. Does not: which job and why."""

import uuid
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import dagster as dg


def execute(
    job: dg.JobDefinition, instance: dg.DagsterInstance, key: str | None, log: Path, **more: Any
) -> dg.ExecuteInProcessResult:
    """Run a job; what Dagster and dbt say is appended to `log`, what went wrong is raised.

    Args:
        job: resolved job.
        instance: where the run is recorded.
        key: partition key, or None.
        log: text file.
        more: further arguments of `execute_in_process`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    run_id = str(uuid.uuid4())
    with log.open("a", encoding="utf-8") as told, redirect_stdout(told), redirect_stderr(told):
        try:
            return job.execute_in_process(
                instance=instance,
                partition_key=key,
                run_config={"loggers": {"console": {"config": {"log_level": "INFO"}}}},
                raise_on_error=True,
                run_id=run_id,
                **more,
            )
        except KeyboardInterrupt:
            # Dagster ends the run of a step that is interrupted, but not one that was only just created.
            begun = instance.get_run_by_id(run_id)
            if begun is not None and not begun.is_finished:
                instance.report_run_canceled(begun, "interrupted")
            raise
