"""Release: the gate-passed candidates of a cycle, published whole or not at all."""

from collections.abc import Callable, Sequence

import dagster as dg

from orchestration.partitions import Grid
from orchestration.resources import Workspace


def make(
    grid: Grid,
    marts: Sequence[dg.AssetKey],
    publish: Callable[[Workspace, str, str], dg.MaterializeResult],  # type: ignore[type-arg]
) -> list[dg.AssetsDefinition]:
    """The assets of this stage; `publish` carries out the publish protocol for a cycle."""

    @dg.asset(
        deps=[
            dg.AssetDep("candidate", partition_mapping=grid.all_regions),
            *(dg.AssetDep(key, partition_mapping=grid.same) for key in marts),
        ],
        partitions_def=grid.cycles,
        backfill_policy=dg.BackfillPolicy.multi_run(),
        io_manager_key="no_io",
        pool="publish",
    )
    def release(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """The immutable release of a cycle: suspended or missing regions keep their last good rows."""
        return publish(workspace, context.partition_key, context.run.run_id)

    return [release]
