"""Forecast: the predictive distribution of every item-location."""

from pathlib import Path

import dagster as dg
import pyarrow as pa

from orchestration.partitions import Grid
from orchestration.resources import Workspace
from strata.conformed import decide
from strata.partition import Partition


def make(grid: Grid) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""

    @dg.asset(
        ins={
            "demand_history": dg.AssetIn(partition_mapping=grid.same),
            "demand_profile": dg.AssetIn(partition_mapping=grid.same),
        },
        partitions_def=grid.region_cycle,
    )
    def demand_forecast(
        context: dg.AssetExecutionContext, workspace: Workspace, demand_history: Path, demand_profile: Path
    ) -> pa.Table:
        """Mean and quantiles of demand per planning period, by the method that the demand class asks for."""
        view = workspace.view(Partition.from_key(context.partition_key), context.run.run_id)
        return decide.demand_forecast(view, demand_history, demand_profile)

    return [demand_forecast]
