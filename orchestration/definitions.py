"""The code location: `build_definitions(home)` puts everything together; `defs` is that of the environment's home.

Loading reads this home's calendar and regions and dbt's parsed manifest: no data, no network, no credentials.
"""

import dagster as dg

from assets import demand, forecast, gate, inventory, release, segmentation
from orchestration.checks import gate_checks, judge, point
from orchestration.dbt import ensure_manifest, make_conform_assets, make_marts_assets
from orchestration.io import LakeIOManager, PreviousClassesIOManager
from orchestration.jobs import jobs
from orchestration.landing import conform_request
from orchestration.partitions import grid as make_grid
from orchestration.publication import marts_request, release_asset
from orchestration.resources import Workspace
from orchestration.schedules import schedules
from orchestration.sensors import sensors
from strata.conformed.build import SNAPSHOT_KEYS
from strata.home import Home

OWNERS = {
    "demand": "team:demand-planning",
    "segmentation": "team:segmentation",
    "forecast": "team:demand-planning",
    "inventory": "team:inventory",
    "gate": "team:data-engineering",
    "release": "team:segmentation",
}


def build_definitions(home: Home, workspace: Workspace | None = None) -> dg.Definitions:
    """All assets, checks, jobs, schedules, sensors and resources of one company.

    Args:
        home: its calendar and regions make the partitions.
        workspace: what a run shares; None is the plain one of `home`.
    """
    grid = make_grid(home.calendar())
    shared = workspace or Workspace(root=str(home.root))
    manifest = ensure_manifest()
    conform = make_conform_assets(manifest, collect=lambda context: conform_request(home))
    marts = make_marts_assets(
        manifest,
        grid.cycles,
        collect=lambda context: marts_request(shared, context.partition_key, context.run.run_id),
        lake_mapping=grid.all_regions,
    )
    snapshot = [dg.AssetKey(name) for name in SNAPSHOT_KEYS]
    stages = {
        "demand": demand.make(grid, snapshot),
        "segmentation": segmentation.make(grid),
        "forecast": forecast.make(grid),
        "inventory": inventory.make(grid, snapshot),
        "gate": gate.make(grid, judge, point),
        "release": release.make(grid, list(marts.keys), release_asset),
    }
    owned = {name: [_owned(asset, name) for asset in assets] for name, assets in stages.items()}
    decided = [asset for name, assets in owned.items() if name != "release" for asset in assets]
    return dg.Definitions(
        assets=[conform, marts, *decided, *owned["release"]],
        asset_checks=gate_checks(grid),
        jobs=jobs(conform, decided, [marts, *owned["release"]]),
        schedules=schedules(home),
        sensors=sensors(home, grid),
        resources={
            "workspace": shared,
            "io_manager": LakeIOManager(workspace=shared),
            "previous_classes": PreviousClassesIOManager(workspace=shared),
            "no_io": dg.mem_io_manager,
        },
    )


def _owned(asset: dg.AssetsDefinition, stage: str) -> dg.AssetsDefinition:
    """The asset in the group of its stage, with the stage's owner."""

    def stamp(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(group_name=stage, owners=[OWNERS[stage]], kinds={"python", "parquet"})

    return asset.map_asset_specs(stamp)


def __getattr__(name: str) -> dg.Definitions:
    # `defs` is made when it is asked for, so that importing this module reads nothing.
    if name == "defs":
        return build_definitions(Home.from_environment())
    raise AttributeError(name)
