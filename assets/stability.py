"""Stability: how sure every class is, and what the policies of other likely classes would cost."""

from pathlib import Path

import dagster as dg
import pyarrow as pa

from orchestration.partitions import Grid
from orchestration.resources import Workspace
from strata.conformed import stability, supply
from strata.partition import Partition


def make(grid: Grid) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""

    @dg.multi_asset(
        name="class_stability",
        outs={
            "class_stability": dg.AssetOut(
                description="P(class) of every item over other samples, forecasts with errors and biased demand."
            ),
            "class_agreement": dg.AssetOut(
                description="Kappa of decided and drawn classes, items at risk, and the spread of policy cost."
            ),
        },
        ins={name: dg.AssetIn(partition_mapping=grid.same) for name in ("demand_history", *supply.STOCKED)},
        deps=[dg.AssetDep(key, partition_mapping=grid.whole) for key in supply.TERMS],
        partitions_def=grid.region_cycle,
    )
    def class_stability(
        context: dg.AssetExecutionContext,
        workspace: Workspace,
        demand_history: Path,
        demand_profile: Path,
        demand_forecast: Path,
        segment_assignment: Path,
        lead_time_profile: Path,
    ) -> tuple[pa.Table, pa.Table]:
        """Class every item again on drawn samples, forecasts and biases, and compare with what was decided."""
        return stability.class_stability(
            workspace.view(Partition.from_key(context.partition_key), context.run.run_id),
            history=demand_history,
            profile=demand_profile,
            forecast=demand_forecast,
            assignment=segment_assignment,
            lead_times=lead_time_profile,
        )

    return [class_stability]
