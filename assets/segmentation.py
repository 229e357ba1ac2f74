"""Segmentation: the class of every item, held against flicker, who moved, and what overrides cost."""

from pathlib import Path

import dagster as dg
import pyarrow as pa

from orchestration.partitions import Grid
from orchestration.resources import Workspace
from strata.conformed import decide, overrides, supply
from strata.partition import Partition


def make(grid: Grid) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""
    previous_classes = dg.AssetIn(
        "segment_assignment", partition_mapping=grid.previous_cycle, input_manager_key="previous_classes"
    )

    @dg.asset(
        ins={"demand_profile": dg.AssetIn(partition_mapping=grid.same), "previous": previous_classes},
        deps=[dg.AssetDep("int_item_version", partition_mapping=grid.whole)],
        partitions_def=grid.region_cycle,
    )
    def segment_assignment(
        context: dg.AssetExecutionContext, workspace: Workspace, demand_profile: Path, previous: pa.Table | None
    ) -> pa.Table:
        """Value, variability and demand class of every item, held by the scheme's hysteresis, with the reason."""
        view = workspace.view(Partition.from_key(context.partition_key), context.run.run_id)
        return decide.segment_assignment(view, demand_profile, previous, workspace.overrides(view))

    @dg.asset(
        ins={
            "segment_assignment": dg.AssetIn(partition_mapping=grid.same),
            "demand_profile": dg.AssetIn(partition_mapping=grid.same),
        },
        partitions_def=grid.region_cycle,
    )
    def segment_migration(
        context: dg.AssetExecutionContext, workspace: Workspace, segment_assignment: Path, demand_profile: Path
    ) -> pa.Table:
        """How many items went from which segment to which since the cycle before: true shifts and noise."""
        view = workspace.view(Partition.from_key(context.partition_key), context.run.run_id)
        previous = workspace.previous_classes(view.partition)
        return decide.segment_migration(view, segment_assignment, demand_profile, previous)

    @dg.asset(
        ins={name: dg.AssetIn(partition_mapping=grid.same) for name in supply.STOCKED},
        deps=[dg.AssetDep(key, partition_mapping=grid.whole) for key in supply.TERMS],
        partitions_def=grid.region_cycle,
    )
    def override(
        context: dg.AssetExecutionContext,
        workspace: Workspace,
        demand_profile: Path,
        demand_forecast: Path,
        segment_assignment: Path,
        lead_time_profile: Path,
    ) -> pa.Table:
        """Every override and rule per item: whether it decides the class, until when, and what it costs a year."""
        view = workspace.view(Partition.from_key(context.partition_key), context.run.run_id)
        return overrides.override_table(
            view,
            workspace.overrides(view),
            profile=demand_profile,
            forecast=demand_forecast,
            assignment=segment_assignment,
            lead_times=lead_time_profile,
        )

    return [segment_assignment, segment_migration, override]
