"""Hierarchy: where sources disagree about the place of an item, and what would be decided otherwise."""

from pathlib import Path

import dagster as dg
import pyarrow as pa

from orchestration.partitions import Grid
from orchestration.resources import Workspace
from strata.conformed import crosswalk
from strata.partition import Partition

SNAPSHOT = ("fct_exchange_rate", "fct_sales_line", "int_hierarchy_version", "int_item_unit_version", "int_item_version")


def make(grid: Grid) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""

    @dg.asset(
        ins={name: dg.AssetIn(partition_mapping=grid.same) for name in ("demand_profile", "segment_assignment")},
        deps=[dg.AssetDep(key, partition_mapping=grid.whole) for key in SNAPSHOT],
        partitions_def=grid.region_cycle,
    )
    def hierarchy_conflict(
        context: dg.AssetExecutionContext, workspace: Workspace, demand_profile: Path, segment_assignment: Path
    ) -> pa.Table:
        """Items whose hierarchy sources disagree, with the class under each candidate; what decides stands first."""
        view = workspace.view(Partition.from_key(context.partition_key), context.run.run_id)
        return crosswalk.hierarchy_conflict(view, assignment=segment_assignment, profile=demand_profile)

    return [hierarchy_conflict]
