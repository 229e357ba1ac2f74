"""Inventory: how long suppliers take, and the stocking policy that each segment implies."""

from pathlib import Path

import dagster as dg
import pyarrow as pa

from orchestration.partitions import Grid
from orchestration.resources import Workspace
from strata.conformed import sla, supply
from strata.partition import Partition


def make(grid: Grid) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""

    @dg.asset(
        deps=[dg.AssetDep(key, partition_mapping=grid.whole) for key in supply.LANES],
        partitions_def=grid.region_cycle,
    )
    def lead_time_profile(context: dg.AssetExecutionContext, workspace: Workspace) -> pa.Table:
        """Lead time per supplier and location from the orders and receipts known at the cut-off."""
        return supply.lead_time_profile(workspace.view(Partition.from_key(context.partition_key), context.run.run_id))

    @dg.asset(
        ins={name: dg.AssetIn(partition_mapping=grid.same) for name in supply.STOCKED},
        deps=[dg.AssetDep(key, partition_mapping=grid.whole) for key in supply.TERMS],
        partitions_def=grid.region_cycle,
    )
    def inventory_policy(
        context: dg.AssetExecutionContext,
        workspace: Workspace,
        demand_forecast: Path,
        demand_profile: Path,
        segment_assignment: Path,
        lead_time_profile: Path,
    ) -> pa.Table:
        """Reorder point, order-up-to level and expected service of every item-location, as its segment implies."""
        return supply.inventory_policy(
            workspace.view(Partition.from_key(context.partition_key), context.run.run_id),
            forecast=demand_forecast,
            profile=demand_profile,
            assignment=segment_assignment,
            lead_times=lead_time_profile,
        )

    @dg.asset(
        ins={name: dg.AssetIn(partition_mapping=grid.same) for name in supply.STOCKED},
        deps=[dg.AssetDep(key, partition_mapping=grid.whole) for key in dict.fromkeys((*sla.READ, *supply.TERMS))],
        partitions_def=grid.region_cycle,
    )
    def service_target(
        context: dg.AssetExecutionContext,
        workspace: Workspace,
        demand_forecast: Path,
        demand_profile: Path,
        segment_assignment: Path,
        lead_time_profile: Path,
    ) -> pa.Table:
        """Service that every item-location is to give: its segment's or a stricter promise, and if it can be kept."""
        return sla.service_target(
            workspace.view(Partition.from_key(context.partition_key), context.run.run_id),
            forecast=demand_forecast,
            profile=demand_profile,
            assignment=segment_assignment,
            lead_times=lead_time_profile,
        )

    @dg.asset(
        ins={name: dg.AssetIn(partition_mapping=grid.same) for name in ("service_target", "inventory_policy")},
        deps=[dg.AssetDep(key, partition_mapping=grid.whole) for key in sla.READ],
        partitions_def=grid.region_cycle,
    )
    def sla_register(
        context: dg.AssetExecutionContext, workspace: Workspace, service_target: Path, inventory_policy: Path
    ) -> pa.Table:
        """Terms of service in force at the cut-off, what they are about, and the risk of breaking them."""
        view = workspace.view(Partition.from_key(context.partition_key), context.run.run_id)
        return sla.sla_register(view, targets=service_target, policy=inventory_policy)

    return [lead_time_profile, inventory_policy, service_target, sla_register]
