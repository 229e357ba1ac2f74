"""Publishing a cycle inside a run: the parts of a release for dbt's marts, then the publish protocol.

Belongs here: handing a plan to the marts pass and to `strata.governance.publisher`. Does not: the protocol itself.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg

from expectations.gate import REQUIRED_GATES
from orchestration.dbt import MartsRequest
from orchestration.promises import tell_at_cutoff, write_feed_sla
from orchestration.resources import Workspace, newest_of
from strata.conformed.build import MARTS, MARTS_INPUTS, ReleasePart, Snapshot, load_snapshot
from strata.conformed.history import View
from strata.conformed.supply import item_values
from strata.durable import write_parquet
from strata.governance.evidence import carried_rows
from strata.governance.plan import RegionPlan, ReleasePlan, plan_release
from strata.governance.publisher import PublishResult, publish
from strata.governance.releases import current_manifest, published_table, region_rows
from strata.home import Home
from strata.lineage.registry import registry_of
from strata.partition import Partition
from strata.tables import FEED_SLA, LINEAGE_FIELD, TABLES


def marts_request(workspace: Workspace, cycle: str, run_id: str) -> MartsRequest:
    """What the marts pass of the next release of `cycle` reads: candidates, and carried rows of the one before."""
    home, store = workspace.home, workspace.store
    plan = plan_release(store, home, cycle, None)
    held = [region for region in plan.regions if region.kind != "absent"]
    tables: dict[str, list[Path]] = {name: [] for name in MARTS_INPUTS}
    parts = []
    for region in held:
        parts.append(_part(workspace, plan, region))
        for name in MARTS_INPUTS:
            tables[name].append(_rows_file(home, plan, region, name, run_id))
    snapshot = _snapshot(home, held)
    values = item_value_files(workspace, snapshot, parts, home.scratch(run_id) / "parts")
    return MartsRequest(home, snapshot, parts, {**tables, "item_value": values})


def item_value_files(
    workspace: Workspace, snapshot: Snapshot, parts: Sequence[ReleasePart], folder: Path
) -> list[Path]:
    """What items are worth in each part of a release, as its own cut-off knew it; one file per part."""
    files = []
    for part in parts:
        scheme = workspace.scheme(part.cycle).scheme
        view = View(snapshot, Partition(part.region, part.cycle), part.cutoff, scheme, workspace.home.calendar())
        files.append(folder / f"item_value-{part.region}.parquet")
        write_parquet(files[-1], item_values(view))
    return files


def publish_cycle(workspace: Workspace, cycle: str, run_id: str) -> PublishResult:
    """Publish the candidates of a cycle with the marts of this run."""
    home, store = workspace.home, workspace.store
    folder = home.scratch(run_id) / "dbt-marts" / "outputs"
    marts = {name: folder / f"{name}.parquet" for name in MARTS}
    plan = plan_release(store, home, cycle, None, as_known=workspace.as_known)
    return publish(
        store,
        home,
        plan,
        {
            **marts,
            LINEAGE_FIELD.name: _lineage_file(workspace, cycle, run_id),
            **_promise_file(workspace, plan, cycle, run_id),
        },
        run_id=run_id,
        actor="pipeline",
        reason=f"cycle {cycle}",
        required_gates=REQUIRED_GATES,
    )


def release_asset(workspace: Workspace, cycle: str, run_id: str) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """`publish_cycle` as the release asset shows it; a refusal fails the step with its reasons."""
    result = publish_cycle(workspace, cycle, run_id)
    if result.outcome in ("refused", "stale"):
        raise dg.Failure(
            f"release of {cycle} {result.outcome}: {'; '.join(result.reasons)}",
            metadata=_metadata(result),
            allow_retries=False,
        )
    return dg.MaterializeResult(metadata=_metadata(result))


def _metadata(result: PublishResult) -> Mapping[str, str | list[str]]:
    return {
        "outcome": result.outcome,
        "release_id": result.release_id or "-",
        "reasons": list(result.reasons),
        "suspended_regions": list(result.suspended),
        "regions": ", ".join(f"{r.region}: {r.kind} {r.cycle or '-'} ({r.why})" for r in result.plan.regions),
    }


def _lineage_file(workspace: Workspace, cycle: str, run_id: str) -> Path:
    """`lineage_field` as the contracts, models and code of this release say it."""
    version = workspace.scheme(cycle).scheme.version
    file = workspace.home.scratch(run_id) / f"{LINEAGE_FIELD.name}.parquet"
    registry = registry_of(workspace.home).checked()
    write_parquet(file, registry.table(valid_for_cycle=cycle, scheme_version=version))
    return file


def _promise_file(workspace: Workspace, plan: ReleasePlan, cycle: str, run_id: str) -> Mapping[str, Path]:
    """`feed_sla` at the cut-off, and its alerts: a miss is one whether or not the release comes out."""
    held = [region for region in plan.regions if region.kind != "absent"]
    if not held:
        return {}
    home, snapshot = workspace.home, _snapshot(workspace.home, held)
    file = home.scratch(run_id) / f"{FEED_SLA.name}.parquet"
    write_feed_sla(home, snapshot, cycle, workspace.scheme(cycle).scheme.version, file)
    tell_at_cutoff(home, snapshot, cycle)
    return {FEED_SLA.name: file}


def _part(workspace: Workspace, plan: ReleasePlan, region: RegionPlan) -> ReleasePart:
    computed = region.cycle or plan.cycle
    return ReleasePart(
        region=region.region,
        cycle=computed,
        valid_for_cycle=plan.cycle,
        cutoff=workspace.home.calendar().cutoff(computed, region.region),
        scheme_version=workspace.scheme(computed).scheme.version,
    )


def _rows_file(home: Home, plan: ReleasePlan, region: RegionPlan, name: str, run_id: str) -> Path:
    if region.kind == "candidate" and region.candidate is not None:
        return home.root / region.candidate.tables[name].path
    parent = current_manifest(home)
    if parent is None:
        raise dg.Failure(f"region {region.region} is to be carried forward, but there is no release to carry it from")
    rows = region_rows(published_table(home, parent, name), region.region)
    file = home.scratch(run_id) / "carried" / f"{name}-{region.region}.parquet"
    write_parquet(file, carried_rows(TABLES[name], rows, plan.cycle, region))
    return file


def _snapshot(home: Home, held: Sequence[RegionPlan]) -> Snapshot:
    """The newest snapshot that any of the release's parts was computed from."""
    parent = current_manifest(home)
    ids = {region.candidate.snapshot_id for region in held if region.kind == "candidate" and region.candidate}
    if parent is not None:
        ids |= {parent["partitions"][region.region]["snapshot_id"] for region in held if region.kind == "carried"}
    if not ids:
        raise dg.Failure("no region has a candidate or last good rows: run the partitions of this cycle first")
    return newest_of(load_snapshot(home, snapshot_id) for snapshot_id in ids)
