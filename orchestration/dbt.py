"""dbt inside Dagster: the conformed tables and the marts as assets, their data tests as checks.

Belongs here: the manifest, names, groups and owners of dbt's assets, and starting a pass through dagster-dbt. Does
not: what a pass reads, how its result is promoted (`strata.conformed.build`, the same code that the command line
calls), and which batches or candidates are taken: the caller says that with `collect`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets
from packaging.version import Version

from orchestration.columns import AssetColumns
from orchestration.partitions import Grid
from strata.conformed.build import (
    ReleasePart,
    Snapshot,
    find_snapshot,
    finish_marts,
    prepare_conform,
    prepare_marts,
    promote_snapshot,
)
from strata.conformed.dbt_pass import (
    DBT_EXECUTABLE,
    ConformError,
    arguments,
    failure_message,
    parse_project,
    selection,
)
from strata.home import REPOSITORY, Home

DBT_PROJECT = REPOSITORY / "dbt_project"
DBT_POOL = "dbt"
NO_UNIT_TESTS = "resource_type:unit_test"


@dataclass(frozen=True, slots=True)
class ConformRequest:
    """What one conform pass takes in; fields as in `strata.conformed.build.build_snapshot`."""

    home: Home
    batches: Sequence[Mapping[str, Any]]
    inputs: Mapping[str, Sequence[Path]]
    empties: Mapping[str, pa.Table]
    held: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class MartsRequest:
    """What one marts pass takes in; fields as in `strata.conformed.build.build_marts`."""

    home: Home
    snapshot: Snapshot
    parts: Sequence[ReleasePart]
    tables: Mapping[str, Sequence[Path]]


class StrataDbtTranslator(DagsterDbtTranslator):
    """Asset key = dbt model = folder = table; group = the pass and layer; owner = the team of the dbt group."""

    def __init__(self, columns: AssetColumns, grid: Grid | None = None) -> None:
        super().__init__()
        self._columns = columns
        self._grid = grid

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "source" and dbt_resource_props["source_name"] == "lake":
            return dg.AssetKey(dbt_resource_props["name"])
        return super().get_asset_key(dbt_resource_props)

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return str(dbt_resource_props["description"])  # without the SQL, which dagster-dbt puts below it

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        # From the compiled SQL as definitions load; dagster-dbt's own way asks the database once a model in every run.
        return {**super().get_metadata(dbt_resource_props), **self._columns.lineage(dbt_resource_props["name"])}

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, str]:
        return {**super().get_tags(dbt_resource_props), **self._columns.tags(dbt_resource_props["name"])}

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        # One group per pass: the facts that are conformed and the tables of a release are both marts to dbt, but the
        # decisions lie between them.
        layer, tags = str(dbt_resource_props["fqn"][1]), dbt_resource_props.get("tags", ())
        if "marts" in tags:
            return "marts"
        return "staging" if layer == "staging" else "conformed"

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str] | None:
        group = dbt_resource_props.get("group")
        return [f"team:{group['owner']['name']}"] if isinstance(group, Mapping) else None

    def get_partition_mapping(
        self, dbt_resource_props: Mapping[str, Any], dbt_parent_resource_props: Mapping[str, Any]
    ) -> dg.PartitionMapping | None:
        if self._grid is None:
            return None
        parent = dbt_parent_resource_props
        if parent.get("source_name") == "lake":
            return self._grid.all_regions
        return self._grid.same if parent["fqn"][1:3] == ["staging", "lake"] else self._grid.whole


class _ScratchDbt(DbtCliResource):
    """dagster-dbt's resource without what a pass does not need.

    It is told the dbt version: asking the executable costs 2.5 s and calls the package index. And it makes no adapter
    in this process, 1.7 s: it would read row counts of dbt's database, while ours are those of the promoted tables.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(Version(installed_version("dbt-core")).base_version)

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        return None


def ensure_manifest(project: Path = DBT_PROJECT) -> Path:
    """Path of the project's manifest, which must be there when definitions load; parsed where absent or outdated."""
    return parse_project(project)


def make_conform_assets(
    manifest_path: Path,
    columns: AssetColumns,
    *,
    collect: Callable[[dg.AssetExecutionContext], ConformRequest],
    required_resource_keys: set[str] | None = None,
) -> dg.AssetsDefinition:
    """All staging views and conformed tables as one unpartitioned multi-asset; its run pins one snapshot.

    Args:
        manifest_path: from `ensure_manifest`.
        columns: what is known of the models' columns.
        collect: says, when the asset runs, which batches are conformed.
        required_resource_keys: resources that `collect` reads from the context.
    """

    @dbt_assets(
        manifest=manifest_path,
        select=selection("conform"),
        exclude=NO_UNIT_TESTS,
        name="conform",
        dagster_dbt_translator=StrataDbtTranslator(columns),
        required_resource_keys=required_resource_keys,
        pool=DBT_POOL,
    )
    def conform(context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Conform the accepted batches into one snapshot."""
        request = collect(context)
        found = find_snapshot(request.home, request.batches, DBT_PROJECT)
        if found is not None:
            for key in _upstream_first(context):
                yield dg.MaterializeResult(asset_key=key, metadata=_metadata(key.path[-1], found))
            return
        work = prepare_conform(
            request.home,
            run_id=context.run.run_id,
            batches=request.batches,
            inputs=request.inputs,
            empties=request.empties,
            project=DBT_PROJECT,
            held=request.held,
        )
        events, succeeded = _run(context, work.folder)
        if not succeeded:
            yield from _checks(events)
            raise ConformError(failure_message(work.folder, "conform", ""))
        snapshot = promote_snapshot(work)
        name_of = {
            context.assets_def.get_output_name_for_asset_key(key): key.path[-1] for key in context.assets_def.keys
        }
        yield from (_of_snapshot(event, name_of, snapshot) for event in events)

    return conform


def make_marts_assets(
    manifest_path: Path,
    grid: Grid,
    columns: AssetColumns,
    *,
    collect: Callable[[dg.AssetExecutionContext], MartsRequest],
    required_resource_keys: set[str] | None = None,
) -> dg.AssetsDefinition:
    """The tables that only a whole release can have, as one multi-asset partitioned by cycle.

    Args:
        manifest_path: from `ensure_manifest`.
        grid: the marts are partitioned by its cycles and look at the lake across its regions.
        columns: what is known of the models' columns.
        collect: says, when the asset runs, which parts the release has.
        required_resource_keys: resources that `collect` reads from the context.
    """

    @dbt_assets(
        manifest=manifest_path,
        select=selection("marts"),
        exclude=NO_UNIT_TESTS,
        name="marts",
        partitions_def=grid.cycles,
        backfill_policy=dg.BackfillPolicy.multi_run(),  # one run per cycle: a release is of one cycle
        dagster_dbt_translator=StrataDbtTranslator(columns, grid),
        required_resource_keys=required_resource_keys,
        pool=DBT_POOL,
    )
    def marts(context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Build dimensions and key figures of a release from its parts."""
        request = collect(context)
        folder = prepare_marts(
            request.home,
            run_id=context.run.run_id,
            snapshot=request.snapshot,
            parts=request.parts,
            tables=request.tables,
            project=DBT_PROJECT,
        )
        events, succeeded = _run(context, folder)
        if not succeeded:
            yield from _checks(events)
            raise ConformError(failure_message(folder, "marts", ""))
        finish_marts(folder)
        yield from events

    return marts


def _run(context: dg.AssetExecutionContext, folder: Path) -> tuple[list[Any], bool]:
    """Run dbt in a prepared scratch folder: the events of its nodes, and whether it succeeded.

    The events are held back because no table is materialized before its snapshot stands in place.
    """
    dbt = _ScratchDbt(project_dir=str(folder), profiles_dir=str(folder), dbt_executable=str(DBT_EXECUTABLE))
    invocation = dbt.cli(arguments(), context=context, target_path=folder / "target", raise_on_error=False)
    events = list(invocation.stream())
    return events, invocation.is_successful()


def _checks(events: Sequence[Any]) -> Iterator[dg.AssetCheckResult]:
    return (event for event in events if isinstance(event, dg.AssetCheckResult))


def _of_snapshot(event: Any, name_of: Mapping[str, str], snapshot: Snapshot) -> Any:
    """The event of a dbt model with the snapshot it is part of; other events as they are."""
    if not isinstance(event, dg.Output):
        return event
    return event.with_metadata({**event.metadata, **_metadata(name_of[event.output_name], snapshot)})


def _upstream_first(context: dg.AssetExecutionContext) -> list[dg.AssetKey]:
    graph = {spec.key: {dep.asset_key for dep in spec.deps} for spec in context.assets_def.specs}
    return [key for key in TopologicalSorter(graph).static_order() if key in context.selected_asset_keys]


def _metadata(name: str, snapshot: Snapshot) -> dict[str, Any]:
    metadata: dict[str, Any] = {"snapshot_id": snapshot.snapshot_id}
    if name in snapshot.tables:
        content = snapshot.tables[name]
        metadata |= {
            "dagster/row_count": content.rows,
            "content_hash": content.content_hash,
            "path": dg.MetadataValue.path(snapshot.table(name)),
        }
    return metadata


if __name__ == "__main__":
    print(ensure_manifest())
