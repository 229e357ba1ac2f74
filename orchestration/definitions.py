"""The code location: `build_definitions(home)` puts everything together; `defs` is that of the environment's home.

Loading reads this home's calendar, regions and feed contracts, and dbt's parsed manifest: no data, no network, no
credentials.
"""

import warnings
from functools import cache
from pathlib import Path

import dagster as dg

from assets import (
    customers,
    demand,
    evidence,
    forecast,
    gate,
    hierarchy,
    inventory,
    landing,
    latency,
    release,
    segmentation,
    stability,
)
from orchestration.checks import gate_checks, judge, point
from orchestration.columns import AssetColumns
from orchestration.dbt import ensure_manifest, make_conform_assets, make_marts_assets
from orchestration.io import LakeIOManager, PreviousClassesIOManager
from orchestration.jobs import jobs
from orchestration.landing import ACCEPTED_CHECK, conform_request, receive
from orchestration.partitions import grid as make_grid
from orchestration.publication import marts_request, release_asset
from orchestration.resources import Workspace, contracts
from orchestration.schedules import schedules
from orchestration.sensors import sensors
from orchestration.watch import promises, watch
from strata.home import Home
from strata.lineage.registry import registry_of

OWNERS = {
    "demand": "team:demand-planning",
    "segmentation": "team:segmentation",
    "hierarchy": "team:master-data",
    "forecast": "team:demand-planning",
    "inventory": "team:inventory",
    "latency": "team:data-engineering",
    "customers": "team:sales",
    "stability": "team:segmentation",
    "evidence": "team:segmentation",
    "gate": "team:data-engineering",
    "release": "team:segmentation",
}
# What an asset is stored as, where that is not a Parquet file.
KINDS: dict[str, tuple[str, ...]] = {"candidate": (), "release": ("parquet", "duckdb")}


def build_definitions(home: Home, workspace: Workspace | None = None) -> dg.Definitions:
    """All assets, checks, jobs, schedules, sensors and resources of one company.

    Args:
        home: its calendar and regions make the partitions.
        workspace: what a run shares; None is the plain one of `home`.
    """
    grid = make_grid(home.calendar())
    shared = workspace or Workspace(root=str(home.root))
    manifest = ensure_manifest()
    columns = AssetColumns(registry_of(home).checked())
    conform = make_conform_assets(manifest, columns, collect=lambda context: conform_request(home))
    marts = make_marts_assets(
        manifest,
        grid,
        columns,
        collect=lambda context: marts_request(shared, context.partition_key, context.run.run_id),
    )
    feeds = landing.make(contracts(home).values(), ACCEPTED_CHECK, lambda log: receive(home, log))
    landed = [asset.map_asset_specs(lambda spec: _described(spec, ".".join(spec.key.path), columns)) for asset in feeds]
    stages = {
        "demand": demand.make(grid),
        "segmentation": segmentation.make(grid),
        "hierarchy": hierarchy.make(grid),
        "forecast": forecast.make(grid),
        "inventory": inventory.make(grid),
        "latency": latency.make(grid),
        "customers": customers.make(grid),
        "stability": stability.make(grid),
        "evidence": evidence.make(grid),
        "gate": gate.make(grid, judge, point),
        "release": release.make(grid, list(marts.keys), release_asset),
    }
    owned = {name: [_owned(asset, name, columns) for asset in assets] for name, assets in stages.items()}
    decided = [asset for name, assets in owned.items() if name != "release" for asset in assets]
    return dg.Definitions(
        assets=[*landed, conform, marts, *decided, *owned["release"]],
        asset_checks=gate_checks(grid),
        jobs=jobs(landed, conform, decided, [marts, *owned["release"]]),
        schedules=schedules(home),
        sensors=[*sensors(home), watch(home), promises(home)],
        resources={
            "workspace": shared,
            "io_manager": LakeIOManager(workspace=shared),
            "previous_classes": PreviousClassesIOManager(workspace=shared),
            "no_io": dg.mem_io_manager,
        },
    )


def _owned(asset: dg.AssetsDefinition, stage: str, columns: AssetColumns) -> dg.AssetsDefinition:
    """The asset in the group of its stage, with the stage's owner and what is known of its columns."""

    def stamp(spec: dg.AssetSpec) -> dg.AssetSpec:
        name = spec.key.path[-1]
        stamped = spec.replace_attributes(
            group_name=stage, owners=[OWNERS[stage]], kinds={"python", *KINDS.get(name, ("parquet",))}
        )
        return _described(stamped, name, columns)

    return asset.map_asset_specs(stamp)


def _described(spec: dg.AssetSpec, table: str, columns: AssetColumns) -> dg.AssetSpec:
    """The spec with its table's column schema, column lineage and criticality."""
    return spec.merge_attributes(metadata=columns.metadata(table), tags=columns.tags(table))


@cache
def _code_location(root: Path) -> dg.Definitions:
    with warnings.catch_warnings():
        # Dagster's minor is pinned for the partition mappings and checks that it calls beta and preview.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return build_definitions(Home(root))


def __getattr__(name: str) -> dg.Definitions:
    # `defs` is made when it is asked for, so that importing this module reads nothing; Dagster asks several times.
    if name == "defs":
        return _code_location(Home.from_environment().root)
    raise AttributeError(name)
