"""Gate: the verdicts over a candidate, and the pointer that says which run's tables the candidate is."""

from collections.abc import Callable

import dagster as dg
import pyarrow as pa

from orchestration.partitions import Grid
from orchestration.resources import Workspace
from strata.partition import Partition

STAGES = (
    "demand_history",
    "reconciliation",
    "control_total",
    "demand_profile",
    "segment_assignment",
    "segment_migration",
    "hierarchy_conflict",
    "feed_latency",
    "segment_cadence",
    "customer_segment",
    "channel_segment",
    "service_matrix",
    "class_stability",
    "class_agreement",
    "criteria_report",
    "method_selection",
    "dimension_comparison",
    "demand_forecast",
    "lead_time_profile",
    "inventory_policy",
    "override",
    "service_target",
    "sla_register",
)


def make(
    grid: Grid,
    judge: Callable[[Workspace, Partition, str], pa.Table],
    point: Callable[[Workspace, Partition, str], dg.MaterializeResult],  # type: ignore[type-arg]
) -> list[dg.AssetsDefinition]:
    """The assets of this stage; `judge` runs all gates of a run, `point` moves the candidate pointer to it."""

    @dg.asset(
        deps=[dg.AssetDep(name, partition_mapping=grid.same) for name in STAGES],
        partitions_def=grid.region_cycle,
    )
    def gate_result(context: dg.AssetExecutionContext, workspace: Workspace) -> pa.Table:
        """Verdict of every gate over this run's tables, stored in the governance store with their content hashes."""
        return judge(workspace, Partition.from_key(context.partition_key), context.run.run_id)

    @dg.asset(
        deps=[dg.AssetDep("gate_result", partition_mapping=grid.same)],
        partitions_def=grid.region_cycle,
        io_manager_key="no_io",
    )
    def candidate(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """The run whose tables are this partition's candidate, passed or not; moved by compare-and-swap."""
        return point(workspace, Partition.from_key(context.partition_key), context.run.run_id)

    return [gate_result, candidate]
