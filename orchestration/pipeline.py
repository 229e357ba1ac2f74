"""The whole chain as functions: what the command line, the demo and a replay call. Every run is a Dagster run.

Belongs here: the order of the passes and what is reported about them. Does not: the passes.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import pyarrow as pa

from orchestration.dbt import DBT_PROJECT
from orchestration.definitions import build_definitions
from orchestration.execution import execute
from orchestration.instance import instance
from orchestration.jobs import CONFORM, DECIDE, PUBLISH
from orchestration.landing import conform_request
from orchestration.partitions import partition_key
from orchestration.publication import publish_cycle
from orchestration.resources import Workspace
from orchestration.workers import Workers, workers_for
from strata.conformed.build import find_snapshot
from strata.durable import read_parquet, write_bytes
from strata.governance.alerts import FileSink
from strata.governance.plan import plan_release
from strata.governance.records import RestatementNeedsApproval
from strata.governance.releases import Manifest, lineage
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.partition import Partition, checked_cycle, checked_region
from strata.tables import TABLES

DAGSTER_CONFIG = Path(__file__).parent / "dagster.yaml"
Profile = Literal["trial", "company"]
Progress = Callable[[str], None]


@dataclass(slots=True)
class Stages:
    """Wall-clock seconds per stage, added up in the order in which stages first ran."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the time of a block to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Decided:
    """One partition that was computed: its candidate's verdict and rows."""

    partition: Partition
    run_id: str
    verdict: str
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class Published:
    """How the publication of one cycle ended."""

    cycle: str
    outcome: str
    release_id: str | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one `strata run` did."""

    snapshot_id: str
    decided: tuple[Decided, ...]
    releases: tuple[Published, ...]
    reconciliation: pa.Table
    stages: Stages


def initialise(home: Home, *, profile: Profile) -> None:
    """Make the home and its stores; safe to repeat. Dagster's SQLite is set up here, alone, before anything starts."""
    for folder in (home.landing, home.raw, home.quarantine, home.conformed, home.lake, home.releases, home.staging):
        folder.mkdir(parents=True, exist_ok=True)
    config = home.dagster / "dagster.yaml"
    if not config.is_file():
        write_bytes(config, DAGSTER_CONFIG.read_bytes())
    GovernanceStore(home).initialise(profile, os.environ.get("USER") or "installer")
    with instance(home) as ready:
        ready.get_runs(limit=1)


def run(
    home: Home,
    cycles: Sequence[str],
    *,
    regions: Sequence[str] | None = None,
    as_known: Literal["cutoff", "now"] = "cutoff",
    publish: bool = False,
    workers: int | None = None,
    progress: Progress = lambda message: None,
) -> RunReport:
    """Conform what was accepted, decide every partition, judge it, and publish each cycle if asked to.

    Args:
        home: data root, initialised.
        cycles: in the order to compute; each sees the effective classes of the one before.
        regions: None: all of the home.
        as_known: `now` makes a restatement: it ends as a candidate, publishing it needs an approval.
        publish: publish each cycle after its partitions.
        workers: processes that decide the regions of a cycle at once; 1: this one, one after the other; None: as many
            as are worth it. The results are the same, bit for bit.
        progress: told of each step.

    Raises:
        RestatementNeedsApproval: `publish` with `as_known` `now`.
        GovernanceError: the home was not initialised.
        dg.Failure, or the error of the stage that failed.
    """
    if publish and as_known == "now":
        raise RestatementNeedsApproval(
            "a restatement is published through an approved proposal only; run it without --publish and look at it"
        )
    chosen = [checked_region(region) for region in regions] if regions else home.calendar().region_codes
    stages, decided, releases = Stages(), [], []
    store = GovernanceStore(home)
    store.profile()  # says so where the home was never initialised
    count = workers_for(len(cycles) * len(chosen), len(chosen)) if workers is None else workers
    with instance(home) as ready, ExitStack() as stack:
        # Started first: they load their code while dbt conforms.
        helpers = stack.enter_context(Workers(home, count)) if count > 1 else None
        with stages.timed("conform"):
            progress("conform")
            snapshot_id = _conform(home, ready)
        workspace = Workspace(root=str(home.root), as_known=as_known, snapshot_id=snapshot_id)
        settings = {"as_known": as_known, "snapshot_id": snapshot_id}
        definitions = build_definitions(home, workspace)
        decide, release = definitions.resolve_job_def(DECIDE), definitions.resolve_job_def(PUBLISH)
        for cycle in map(checked_cycle, cycles):
            partitions = [Partition(region, cycle) for region in chosen]
            with stages.timed("decide"):
                if helpers is not None:
                    runs = helpers.decide(partitions, settings, lambda partition: progress(f"decide {partition.key}"))
                else:
                    runs = {}
                    for partition in partitions:
                        progress(f"decide {partition.key}")
                        runs[partition] = execute(decide, ready, partition_key(partition.key), _log(home)).run_id
            decided += [_decided(store, partition, runs[partition], as_known) for partition in partitions]
            if publish:
                progress(f"publish {cycle}")
                with stages.timed("publish"):
                    releases.append(_publish(home, store, release, ready, cycle))
    store.deliver_alerts(FileSink(home))
    reconciliation = _reconciliation(home, store, decided, as_known)
    return RunReport(snapshot_id, tuple(decided), tuple(releases), reconciliation, stages)


def _decided(store: GovernanceStore, partition: Partition, run_id: str, as_known: str) -> Decided:
    candidate = store.candidate(partition) if as_known == "cutoff" else store.restatement(partition)
    if candidate is None:
        raise dg.Failure(f"{partition.key}: the run ended without a candidate")
    return Decided(partition, run_id, candidate.verdict, {name: ref.rows for name, ref in candidate.tables.items()})


def _log(home: Home) -> Path:
    return home.root / "logs" / "runs.log"


def _conform(home: Home, ready: dg.DagsterInstance) -> str:
    found = find_snapshot(home, conform_request(home).batches, DBT_PROJECT)
    if found is not None:
        return found.snapshot_id
    made = execute(build_definitions(home).resolve_job_def(CONFORM), ready, None, _log(home))
    return str(made.asset_materializations_for_node("conform")[0].metadata["snapshot_id"].value)


def _publish(
    home: Home, store: GovernanceStore, job: dg.JobDefinition, ready: dg.DagsterInstance, cycle: str
) -> Published:
    line = lineage(home)
    if line and line[0]["cycle"] > cycle:
        return _closed(store, line, cycle)
    plan = plan_release(store, home, cycle, None)
    if not plan.is_publishable and not plan.is_unchanged:
        # Every region failed its gates: the release stays; suspensions and alerts are written by the publisher.
        result = publish_cycle(Workspace(root=str(home.root)), cycle, f"publish-{uuid.uuid4().hex}")
        return Published(cycle, result.outcome, result.release_id, result.reasons)
    try:
        run = execute(job, ready, cycle, _log(home))
    except dg.Failure as failure:
        if "outcome" not in failure.metadata:
            raise
        # The publisher said no, which is an answer; the run is shown as failed, because nothing was published.
        told: dict[str, Any] = {name: value.value for name, value in failure.metadata.items()}
        return Published(cycle, str(told["outcome"]), None, tuple(told["reasons"]))
    metadata = run.asset_materializations_for_node("release")[-1].metadata
    return Published(cycle, str(metadata["outcome"].value), str(metadata["release_id"].value), ())


def _closed(store: GovernanceStore, line: Sequence[Manifest], cycle: str) -> Published:
    """A cycle that a later release has closed: nothing to do where it says the same, else refused."""
    held = next((manifest for manifest in line if manifest["cycle"] == cycle), None)
    changed = []
    for region, part in sorted(held["partitions"].items()) if held else []:
        candidate = store.candidate(Partition(region, cycle))
        published = {name: table["content_hash"] for name, table in part["tables"].items()}
        if candidate and part["kind"] == "candidate" and candidate.content() != published:
            changed.append(region)
    if held and not changed:
        return Published(cycle, "noop", held["release_id"], ())
    why = f"its content changed in {', '.join(changed)}" if held else "it was never published"
    return Published(
        cycle,
        "refused",
        None,
        (f"release {line[0]['release_id']} serves {line[0]['cycle']}, so {cycle} is closed, and {why}",),
    )


def _reconciliation(home: Home, store: GovernanceStore, decided: Sequence[Decided], as_known: str) -> pa.Table:
    rows = [TABLES["reconciliation"].empty()]
    for entry in decided:
        read = store.candidate if as_known == "cutoff" else store.restatement
        candidate = read(entry.partition)
        if candidate is not None:
            rows.append(read_parquet(home.root / candidate.tables["reconciliation"].path))
    return pa.concat_tables(rows)
