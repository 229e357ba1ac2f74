"""Demand: what was asked for, period by period, and the shape it has."""

from pathlib import Path

import dagster as dg
import pyarrow as pa

from orchestration.partitions import Grid
from orchestration.resources import Workspace
from strata.conformed import history, profile
from strata.partition import Partition

SNAPSHOT = (
    "fct_exchange_rate",
    "fct_promotion",
    "fct_refused_row",
    "fct_sales_line",
    "fct_stock_snapshot",
    "int_item_unit_version",
    "int_item_version",
    "int_location_version",
)


def make(grid: Grid) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""

    @dg.multi_asset(
        name="demand_history",
        outs={
            "demand_history": dg.AssetOut(
                description="Demand per item, location and period as known at the cut-off, in both buckets."
            ),
            "reconciliation": dg.AssetOut(
                description="Accepted less quarantined less excluded equals demand history, to the cent and unit."
            ),
        },
        deps=[dg.AssetDep(key, partition_mapping=grid.whole) for key in SNAPSHOT],
        partitions_def=grid.region_cycle,
    )
    def demand_history(context: dg.AssetExecutionContext, workspace: Workspace) -> tuple[Path, pa.Table]:
        """Sum the sales lines known at the cut-off by period, and prove that none was lost."""
        partition, run_id = Partition.from_key(context.partition_key), context.run.run_id
        path = workspace.lake_file("demand_history", partition, run_id)
        kept = workspace.kept_sales(partition, run_id)
        return path, history.demand_history(workspace.view(partition, run_id), path, kept)

    @dg.asset(
        ins={"demand_history": dg.AssetIn(partition_mapping=grid.same)},
        deps=[dg.AssetDep("int_item_version", partition_mapping=grid.whole)],
        partitions_def=grid.region_cycle,
    )
    def demand_profile(context: dg.AssetExecutionContext, workspace: Workspace, demand_history: Path) -> pa.Table:
        """Level, variability, interval and lifecycle of every item and item-location; below own history, its rung."""
        view = workspace.view(Partition.from_key(context.partition_key), context.run.run_id)
        # Not an input: the classes before rest on a profile themselves, and Dagster knows no circle over cycles.
        return profile.demand_profile(view, demand_history, workspace.previous_classes(view.partition))

    @dg.asset(
        deps=[dg.AssetDep("fct_refused_row", partition_mapping=grid.whole)],
        partitions_def=grid.region_cycle,
    )
    def control_total(context: dg.AssetExecutionContext, workspace: Workspace) -> pa.Table:
        """What every extract known at the cut-off states, against what was accepted, refused and repeated."""
        return history.control_total(workspace.view(Partition.from_key(context.partition_key), context.run.run_id))

    return [demand_history, demand_profile, control_total]
