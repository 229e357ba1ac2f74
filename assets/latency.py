"""Latency: how long data takes from event to class, and how old a class may grow."""

from pathlib import Path

import dagster as dg
import pyarrow as pa

from orchestration.partitions import Grid
from orchestration.resources import Workspace
from strata.conformed import latency, staleness, supply
from strata.partition import Partition

KEPT = tuple(dict.fromkeys(kept.table for kept in latency.FEED_TABLES.values()))


def make(grid: Grid) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""

    @dg.asset(deps=[dg.AssetDep(key, partition_mapping=grid.whole) for key in KEPT], partitions_def=grid.region_cycle)
    def feed_latency(context: dg.AssetExecutionContext, workspace: Workspace) -> pa.Table:
        """Hours from event to known, extracted and classed per feed, against the contract and the planning cadence."""
        view = workspace.view(Partition.from_key(context.partition_key), context.run.run_id)
        return latency.feed_latency(view, workspace.feed_terms())

    @dg.asset(
        ins={name: dg.AssetIn(partition_mapping=grid.same) for name in ("demand_history", *supply.STOCKED)},
        deps=[dg.AssetDep(key, partition_mapping=grid.whole) for key in supply.TERMS],
        partitions_def=grid.region_cycle,
    )
    def segment_cadence(
        context: dg.AssetExecutionContext,
        workspace: Workspace,
        demand_history: Path,
        demand_profile: Path,
        demand_forecast: Path,
        segment_assignment: Path,
        lead_time_profile: Path,
    ) -> pa.Table:
        """What classes of some days before cost today, and how long each segment may keep them."""
        return staleness.segment_cadence(
            workspace.view(Partition.from_key(context.partition_key), context.run.run_id),
            history=demand_history,
            profile=demand_profile,
            forecast=demand_forecast,
            assignment=segment_assignment,
            lead_times=lead_time_profile,
        )

    return [feed_latency, segment_cadence]
