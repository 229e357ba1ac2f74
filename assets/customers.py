"""Customers: what customers and channels are worth and cost, and the service of each product x customer cell."""

from pathlib import Path

import dagster as dg
import pyarrow as pa

from orchestration.partitions import Grid
from orchestration.resources import Workspace
from strata.conformed import customers
from strata.partition import Partition


def make(grid: Grid) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""

    @dg.multi_asset(
        name="customer_segment",
        outs={
            "customer_segment": dg.AssetOut(
                description="Customers by value and by what serving them costs, held against flicker, with the reason."
            ),
            "channel_segment": dg.AssetOut(description="Channels, by the same rules."),
            "service_matrix": dg.AssetOut(
                description="Product x customer: what each cell sells, and the service that it may expect."
            ),
        },
        ins={"segment_assignment": dg.AssetIn(partition_mapping=grid.same)},
        deps=[dg.AssetDep(key, partition_mapping=grid.whole) for key in customers.SNAPSHOT],
        partitions_def=grid.region_cycle,
    )
    def customer_segment(
        context: dg.AssetExecutionContext, workspace: Workspace, segment_assignment: Path
    ) -> tuple[pa.Table, pa.Table, pa.Table]:
        """Sum what was bought and what it cost to serve, class it, and cross it with the items' segments."""
        partition = Partition.from_key(context.partition_key)
        # Not inputs: they come from where the items' classes of the cycle before come from, once for all three.
        before, channels = workspace.previous_tables(partition, "customer_segment", "channel_segment")
        view, kept = workspace.view(partition, context.run.run_id), workspace.kept_sales(partition, context.run.run_id)
        found = customers.customer_tables(view, segment_assignment, before, channels, kept)
        return found.customer_segment, found.channel_segment, found.service_matrix

    return [customer_segment]
