"""Evidence: which criterion, method and dimension this cycle's data speak for, each with the rule that says so."""

from pathlib import Path

import dagster as dg
import pyarrow as pa

from orchestration.partitions import Grid
from orchestration.resources import Workspace
from strata.conformed import customers, dimensions, evidence, supply
from strata.partition import Partition


def make(grid: Grid) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""

    @dg.multi_asset(
        name="criteria_report",
        outs={
            "criteria_report": dg.AssetOut(
                description="Every criterion that items could be classed by: what it says, how sure, at what cost."
            ),
            "method_selection": dg.AssetOut(
                description="Classification methods compared: cost at equal service, stability, words."
            ),
        },
        ins={name: dg.AssetIn(partition_mapping=grid.same) for name in ("demand_history", *supply.STOCKED)},
        deps=[dg.AssetDep(key, partition_mapping=grid.whole) for key in supply.TERMS],
        partitions_def=grid.region_cycle,
    )
    def criteria_report(
        context: dg.AssetExecutionContext,
        workspace: Workspace,
        demand_history: Path,
        demand_profile: Path,
        demand_forecast: Path,
        segment_assignment: Path,
        lead_time_profile: Path,
    ) -> tuple[pa.Table, pa.Table]:
        """Measure every candidate criterion and method on the same items and other samples of them."""
        return evidence.evidence(
            workspace.view(Partition.from_key(context.partition_key), context.run.run_id),
            history=demand_history,
            profile=demand_profile,
            forecast=demand_forecast,
            assignment=segment_assignment,
            lead_times=lead_time_profile,
        )

    @dg.asset(
        ins={
            name: dg.AssetIn(partition_mapping=grid.same)
            for name in ("segment_assignment", "customer_segment", "channel_segment")
        },
        deps=[dg.AssetDep(key, partition_mapping=grid.whole) for key in customers.SNAPSHOT],
        partitions_def=grid.region_cycle,
    )
    def dimension_comparison(
        context: dg.AssetExecutionContext,
        workspace: Workspace,
        segment_assignment: Path,
        customer_segment: Path,
        channel_segment: Path,
    ) -> pa.Table:
        """Sum the same order lines by product, customer, channel and product x customer, and say which one to take."""
        partition, run_id = Partition.from_key(context.partition_key), context.run.run_id
        return dimensions.dimension_comparison_table(
            workspace.view(partition, run_id),
            assignment=segment_assignment,
            customers=customer_segment,
            channels=channel_segment,
            kept=workspace.kept_sales(partition, run_id),
        )

    return [criteria_report, dimension_comparison]
