"""What starts runs without a person: an extract, a snapshot, a decided cycle.

Run keys and cursors are hints: what was accepted is known from raw/ and quarantine/, what was conformed from the
snapshots, what was decided and published from the governance store. So a tick that comes twice, a restart or a second
daemon asks for nothing twice, and work whose run failed is asked for again, `ATTEMPTS` times in all.

Belongs here: asking for runs. Does not: which partitions news touches (`orchestration.touched`), what becomes of runs
(`orchestration.watch`).
"""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from orchestration.dbt import DBT_PROJECT
from orchestration.jobs import CONTENT_TAG, DECIDE, PUBLISH, RECEIVE, REGION_TAG
from orchestration.partitions import partition_key
from orchestration.resources import newest_snapshot
from orchestration.touched import newest_decided, open_cycles, touched_partitions
from strata.conformed.dbt_pass import project_sha256
from strata.governance.plan import plan_release
from strata.governance.releases import current_manifest
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.identity import sha256_json
from strata.intake.batches import accepted_batches
from strata.intake.chain import released
from strata.intake.land import REFUSAL_NAME, pending
from strata.intake.manifest import batch_id, parse_manifest, read_manifest_bytes
from strata.intake.reasons import RefusedExtractError
from strata.partition import cycle_range

ATTEMPTS = 3
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def sensors(home: Home) -> list[dg.SensorDefinition]:
    """The sensors of one company."""

    @dg.sensor(
        name="landing",
        job_name=RECEIVE,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Extracts wait in the landing folder, or are accepted and not conformed yet: lands and conforms.",
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        waiting = pending(home)
        batches = accepted_batches(home)
        accepted = sorted(batch.batch_id for batch in batches)
        ready = {batch.batch_id for batch in released(batches)}
        if not waiting and not ready - _conformed(home):
            held = f", {len(accepted) - len(ready)} wait for missing changes" if len(ready) < len(accepted) else ""
            return dg.SkipReason(f"nothing new in {home.landing}; {len(ready)} accepted extracts are conformed{held}")
        if _runs(context, RECEIVE, {"dagster/sensor_name": "landing"}, UNFINISHED):
            return dg.SkipReason("a landing is under way; what it does not take is asked for after it")
        content = _content(home, waiting, accepted)
        return _ask(context, [_Work(RECEIVE, content)])

    @dg.sensor(
        name="snapshot",
        job_name=DECIDE,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="A snapshot brings news: decides the open cycle of the regions that it touches, and no others.",
    )
    def snapshot(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if not any(home.conformed.glob("*/snapshot.json")):
            return dg.SkipReason("nothing was conformed yet")
        newest, calendar = newest_snapshot(home), home.calendar()
        # Looked at first: a run that ends now has its candidate by the time that the partitions are looked at.
        busy = {r for r in calendar.region_codes if _runs(context, DECIDE, {REGION_TAG: r}, UNFINISHED)}
        work = [
            _Work(
                DECIDE,
                f"{newest.snapshot_id}:{partition.key}",
                partition_key(partition.key),
                {REGION_TAG: partition.region},
            )
            for partition in touched_partitions(home, newest, datetime.now(UTC))
            if partition.region not in busy
        ]
        if not work:
            return dg.SkipReason(f"snapshot {newest.snapshot_id} has no news that is not decided or being decided")
        return _ask(context, work)

    @dg.sensor(
        name="release",
        job_name=PUBLISH,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Publishes a cycle once its cut-off has come and all regions are decided. Off until turned on.",
    )
    def release(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if _runs(context, DECIDE, {}, UNFINISHED) or _runs(context, PUBLISH, {}, UNFINISHED):
            return dg.SkipReason("partitions are being decided or published")
        return _release_to_ask_for(home)

    return [landing, snapshot, release]


@dataclass(frozen=True, slots=True)
class _Work:
    """One run to ask for: `content` says what it works on, so that the same work is known again."""

    job: str
    content: str
    partition: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


def _ask(context: dg.SensorEvaluationContext, work: list[_Work]) -> dg.SensorResult | dg.SkipReason:
    """Requests for work that has not failed too often and that nobody cancelled; the others with their reason."""
    requests, held = [], []
    for item in work:
        tags = {CONTENT_TAG: item.content}
        failed = len(_runs(context, item.job, tags, [dg.DagsterRunStatus.FAILURE]))
        if failed >= ATTEMPTS:
            held.append(f"{item.content} failed {failed} times: see the alerts, then start {item.job} by hand")
        elif _runs(context, item.job, tags, [dg.DagsterRunStatus.CANCELED]):
            held.append(f"{item.content} was cancelled: start {item.job} by hand")
        else:
            requests.append(
                dg.RunRequest(
                    run_key=f"{item.content}:{failed}",
                    partition_key=item.partition,
                    tags={**tags, **item.tags},
                )
            )
    for reason in held:
        context.log.warning(reason)
    return dg.SensorResult(run_requests=requests) if requests else dg.SkipReason("; ".join(held))


def _runs(
    context: dg.SensorEvaluationContext, job: str, tags: dict[str, str], statuses: list[dg.DagsterRunStatus]
) -> list[dg.DagsterRun]:
    return list(context.instance.get_runs(dg.RunsFilter(job_name=job, tags=tags, statuses=statuses)))


def _conformed(home: Home) -> set[str]:
    if not any(home.conformed.glob("*/snapshot.json")):
        return set()
    return {str(batch["batch_id"]) for batch in newest_snapshot(home).batches}


def _content(home: Home, waiting: list[Path], accepted: list[str]) -> str:
    """Identity of what a landing works on: equal before and after its extracts were accepted or refused."""
    refused = {file.parent.name for file in home.quarantine.glob(f"*/*/*/{REFUSAL_NAME}")}
    delivered = {_identity(folder): folder for folder in waiting}
    again = [_looks(folder) for identity, folder in sorted(delivered.items()) if identity in refused]
    known = sorted({*accepted, *refused, *delivered})
    return sha256_json({"extracts": known, "again": again, "dbt": project_sha256(DBT_PROJECT)})[:16]


def _identity(folder: Path) -> str:
    data = b""
    try:
        data = read_manifest_bytes(folder)
        return batch_id(parse_manifest(data))
    except RefusedExtractError:
        return hashlib.sha256(data or str(folder.resolve()).encode()).hexdigest()


def _looks(folder: Path) -> list[list[str | int]]:
    """What an extract looks like from outside; another one once any of its files was delivered anew."""
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in sorted(folder.iterdir())]


def _release_to_ask_for(home: Home) -> dg.SensorResult | dg.SkipReason:
    """The oldest cycle not before the current release that is decided everywhere and says something else by now."""
    now, calendar, store = datetime.now(UTC), home.calendar(), GovernanceStore(home)
    cycles = open_cycles(calendar, now)
    decided = {region: newest_decided(home, region, cycles) for region in calendar.region_codes}
    absent = sorted(region for region, newest in decided.items() if newest is None)
    if absent:
        return dg.SkipReason(f"regions {', '.join(absent)} have no candidate yet")
    last = min(newest.cycle for newest in decided.values() if newest is not None)
    undecided = touched_partitions(home, newest_snapshot(home), now)
    current = current_manifest(home)
    for cycle in cycle_range(current["cycle"], last) if current else [last]:
        if any(calendar.cutoff(cycle, region) > now for region in decided):
            return dg.SkipReason(f"the cut-off of {cycle} has not come")
        if any(partition.cycle <= cycle for partition in undecided):
            return dg.SkipReason(f"{cycle} has news that is not decided yet")
        plan = plan_release(store, home, cycle, None)
        if plan.is_unchanged:
            continue
        if plan.is_publishable or any(region.why == "suspended" for region in plan.regions):
            # Asked for once: what a publisher refuses is for a person to look at.
            return dg.SensorResult(run_requests=[dg.RunRequest(run_key=plan.release_id, partition_key=cycle)])
    return dg.SkipReason(f"the current release says all there is to say up to {last}")
