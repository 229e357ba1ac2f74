"""What starts runs without a person: a new extract, a new snapshot; and what tells people when a run fails.

Cursors and run keys are hints: what was processed is known from raw/ and quarantine/, what was decided from the
governance store. A failed run is asked for again under a new attempt.
"""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from orchestration.jobs import CONFORM, DECIDE
from orchestration.landing import land
from orchestration.partitions import Grid, partition_key
from orchestration.resources import newest_snapshot
from strata.conformed.build import Snapshot, load_snapshot
from strata.durable import read_parquet
from strata.governance.alerts import FileSink
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.intake.batches import accepted_batches
from strata.intake.land import pending
from strata.partition import Partition, cycle_range

ATTEMPTS = 3


def sensors(home: Home, grid: Grid) -> list[dg.SensorDefinition]:
    """The sensors of one company."""

    @dg.sensor(
        name="landing",
        job_name=CONFORM,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Accepts new extracts in the landing folder and asks for a conform pass.",
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if pending(home):
            result = land(home)
            context.log.info(f"landed: {result.counts}")
        batches = [batch.batch_id for batch in accepted_batches(home)]
        known = {
            batch["batch_id"]
            for file in home.conformed.glob("*/snapshot.json")
            for batch in _batches(home, file.parent.name)
        }
        fresh = sorted(set(batches) - known)
        if not fresh:
            return dg.SkipReason("no accepted extract that is not conformed yet")
        attempt = _attempts(context, CONFORM, fresh[-1])
        if attempt >= ATTEMPTS:
            return dg.SkipReason(f"conform failed {attempt} times for batch {fresh[-1][:12]}; see the alerts")
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(run_key=f"{fresh[-1]}:{len(fresh)}:{attempt}", tags={"strata/batch": fresh[-1]})
            ]
        )

    @dg.sensor(
        name="snapshot",
        job_name=DECIDE,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for the partitions a new snapshot touches: the open cycle of the regions it brings news of.",
    )
    def snapshot(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if not any(home.conformed.glob("*/snapshot.json")):
            return dg.SkipReason("nothing was conformed yet")
        newest = newest_snapshot(home)
        if context.cursor == newest.snapshot_id:
            return dg.SkipReason("no new snapshot")
        touched = touched_partitions(home, newest, datetime.now(UTC))
        requests = [
            dg.RunRequest(
                run_key=f"{newest.snapshot_id}:{partition.key}",
                partition_key=partition_key(partition.key),
                tags={"strata/snapshot": newest.snapshot_id},
            )
            for partition in touched
        ]
        return dg.SensorResult(run_requests=requests, cursor=newest.snapshot_id)

    @dg.run_failure_sensor(
        name="failure_alert",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Puts a failed run into the alert outbox, which is delivered again until it arrives.",
    )
    def failure_alert(context: dg.RunFailureSensorContext) -> None:
        store = GovernanceStore(home)
        store.enqueue_alert(
            "run_failed",
            f"run:{context.dagster_run.run_id}",
            {
                "job": context.dagster_run.job_name,
                "partition": context.dagster_run.tags.get("dagster/partition"),
                "error": context.failure_event.message,
            },
        )
        store.deliver_alerts(FileSink(home))

    return [landing, snapshot, failure_alert]


def touched_partitions(home: Home, snapshot: Snapshot, now: datetime) -> list[Partition]:
    """Partitions whose answer a snapshot can change: the open cycle, in the regions of batches no candidate has seen.

    The open cycle is the first whose cut-off is not before the news was known; a cycle whose cut-off lies ahead of
    `now` is computed on what is known so far. Closed cycles keep what they knew.
    """
    store, calendar = GovernanceStore(home), home.calendar()
    batches = {batch.batch_id: batch for batch in accepted_batches(home)}
    places = read_parquet(snapshot.table("int_location_version")).select(["location_id", "region"]).to_pylist()
    region_of = {place["location_id"]: place["region"] for place in places}
    found: set[Partition] = set()
    last = f"{now.year:04d}-{now.month:02d}"
    cycles = cycle_range(calendar.first_cycle, last)
    for region in calendar.region_codes:
        seen: set[str] = set()
        for cycle in cycles:
            candidate = store.candidate(Partition(region, cycle))
            if candidate is not None:
                seen |= {batch["batch_id"] for batch in _batches(home, candidate.snapshot_id)}
        for record in snapshot.batches:
            batch = batches.get(record["batch_id"])
            if batch is None or record["batch_id"] in seen:
                continue
            touched = {*batch.touched_regions, *(region_of.get(place, region) for place in batch.touched_locations)}
            if touched and region not in touched:
                continue
            known = datetime.fromisoformat(record["extracted_at"])
            waiting = next((c for c in cycles if calendar.cutoff(c, region) >= known), None)
            if waiting is not None:
                found.add(Partition(region, waiting))
    return sorted(found, key=lambda partition: (partition.cycle, partition.region))


def _batches(home: Home, snapshot_id: str) -> tuple[dict[str, Any], ...]:
    return tuple(dict(batch) for batch in load_snapshot(home, snapshot_id).batches)


def _attempts(context: dg.SensorEvaluationContext, job: str, batch_id: str) -> int:
    runs = context.instance.get_runs(
        dg.RunsFilter(job_name=job, tags={"strata/batch": batch_id}, statuses=[dg.DagsterRunStatus.FAILURE])
    )
    return len(runs)
