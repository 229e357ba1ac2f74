"""Segmentation: the class of every item, held against flicker, and who moved."""

from pathlib import Path

import dagster as dg
import pyarrow as pa

from orchestration.partitions import Grid
from orchestration.resources import Workspace
from strata.conformed import decide
from strata.partition import Partition


def make(grid: Grid) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""
    previous_classes = dg.AssetIn(
        "segment_assignment", partition_mapping=grid.previous_cycle, input_manager_key="previous_classes"
    )

    @dg.asset(
        ins={"demand_profile": dg.AssetIn(partition_mapping=grid.same), "previous": previous_classes},
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

    return [segment_assignment, segment_migration]
