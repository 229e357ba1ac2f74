"""What becomes of runs: a run whose process died is ended, a failed one is told of, an alert is sent until it arrives.

Belongs here: looking after runs and the outbox. Does not: starting runs (`orchestration.sensors`).

Dagster's own failure sensors tell at most once; this one looks back, and the outbox keeps one alert per run.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from orchestration.promises import tell_now
from strata.governance.alerts import FileSink
from strata.governance.store import GovernanceStore
from strata.home import Home

STARTED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
OVERLAP = timedelta(minutes=5)
FIRST_LOOK_BACK = timedelta(days=1)
LONGEST_ERROR = 2000
# What Dagster says of a run that it ends itself; the reason is in the event before.
FROM_OUTSIDE = "This run has been marked as failed"


def watch(home: Home) -> dg.SensorDefinition:
    """The sensor that looks after the runs of one company."""

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Ends runs whose process died, puts failed runs into the outbox, delivers what is in it.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = datetime.now(UTC)
        since = datetime.fromisoformat(context.cursor) - OVERLAP if context.cursor else now - FIRST_LOOK_BACK
        store = GovernanceStore(home)
        ended = end_dead_runs(context.instance)
        told = enqueue_failures(context.instance, store, since)
        sent = store.deliver_alerts(FileSink(home))
        return dg.SensorResult(
            skip_reason=f"{ended} dead runs ended, {told} failed runs put into the outbox; {sent.delivered} alerts "
            f"delivered, {sent.failed} to be tried again, {sent.dead} given up",
            cursor=now.isoformat(),
        )

    return alerts


def promises(home: Home) -> dg.SensorDefinition:
    """The sensor that looks whether feeds refresh as promised, between one cut-off and the next.

    A trial home lives in the past of its sample or import, so that only its cut-offs are judged.
    """

    @dg.sensor(
        name="promises",
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Puts overdue refreshes and grants that end into the outbox, once each; in company homes.",
    )
    def promises(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if GovernanceStore(home).profile() != "company":
            return dg.SkipReason("a trial home is judged at its cut-offs only")
        return dg.SkipReason(f"{tell_now(home, datetime.now(UTC))} new alerts on refreshes and grants")

    return promises


def end_dead_runs(instance: dg.DagsterInstance) -> int:
    """Fail runs whose process is gone: Dagster itself would hold them for started until their longest time is over."""
    ended = 0
    for run in instance.get_runs(dg.RunsFilter(statuses=STARTED)):
        pid = _process_of(instance, run.run_id)
        if pid is None or _is_alive(pid):
            continue
        again = instance.get_run_by_id(run.run_id)  # it may have ended well between the two looks
        if again is not None and again.status in STARTED:
            instance.report_run_failed(
                again, f"process {pid} of the run is gone; nothing of it is a candidate or release"
            )
            ended += 1
    return ended


def _process_of(instance: dg.DagsterInstance, run_id: str) -> int | None:
    found = None
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if pid is not None:
            found = int(str(pid.value))
    return found


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A killed child keeps its number until its parent asks for it.
    status = Path(f"/proc/{pid}/stat")
    return not status.is_file() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def enqueue_failures(instance: dg.DagsterInstance, store: GovernanceStore, since: datetime) -> int:
    """Put every run that failed since a moment into the outbox, each once; how many are new there."""
    told = 0
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since)):
        payload = {
            "job": run.job_name,
            "partition": run.tags.get("dagster/partition"),
            "error": _cause(instance, run.run_id),
        }
        told += store.enqueue_alert("run_failed", f"run:{run.run_id}", payload)
    return told


def _cause(instance: dg.DagsterInstance, run_id: str) -> str:
    """What the first step that failed said; where none did, why the run ended."""
    steps = [entry.get_dagster_event() for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)]
    for event in steps:
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            return f"{event.step_key}: {error.message.strip()}"[:LONGEST_ERROR]
    kinds = {dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.ENGINE_EVENT}
    said = [str(entry.get_dagster_event().message) for entry in instance.all_logs(run_id, of_type=kinds)]
    why = [text for text in said if not text.startswith(FROM_OUTSIDE)]
    return (why[-1] if why else "no failure event")[:LONGEST_ERROR]
