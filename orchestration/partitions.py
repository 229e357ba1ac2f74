"""The partitions of the pipeline and the mappings between them: all of them, and no others anywhere.

Belongs here: Dagster's partition definitions. Does not: what a key means (`strata.partition`).
"""

from dataclasses import dataclass

import dagster as dg

from strata.calendar import Calendar
from strata.partition import Partition


@dataclass(frozen=True, slots=True)
class Grid:
    """Region x cycle of one company, and how its assets look at each other across it."""

    cycles: dg.TimeWindowPartitionsDefinition
    region_cycle: dg.MultiPartitionsDefinition
    same: dg.PartitionMapping
    previous_cycle: dg.PartitionMapping
    all_regions: dg.PartitionMapping
    whole: dg.PartitionMapping


def grid(calendar: Calendar) -> Grid:
    """Partitions of a company: monthly cycles from its first one to the present month, its regions."""
    cycles = dg.MonthlyPartitionsDefinition(start_date=calendar.first_cycle, fmt="%Y-%m", end_offset=1)
    regions = dg.StaticPartitionsDefinition(calendar.region_codes)
    return Grid(
        cycles=cycles,
        region_cycle=dg.MultiPartitionsDefinition({"cycle": cycles, "region": regions}),
        same=dg.IdentityPartitionMapping(),
        # Hysteresis: the same region one cycle earlier; the first cycle has none.
        previous_cycle=dg.MultiPartitionMapping(
            {
                "cycle": dg.DimensionPartitionMapping(
                    "cycle",
                    dg.TimeWindowPartitionMapping(
                        start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True
                    ),
                ),
                "region": dg.DimensionPartitionMapping("region", dg.IdentityPartitionMapping()),
            }
        ),
        all_regions=dg.MultiToSingleDimensionPartitionMapping("cycle"),
        # What has no partitions, such as a snapshot's tables, is read whole.
        whole=dg.AllPartitionMapping(),
    )


def partition_key(key: str) -> dg.MultiPartitionKey:
    """`2026-07|EMEA` as Dagster wants it in Python."""
    partition = Partition.from_key(key)
    return dg.MultiPartitionKey({"cycle": partition.cycle, "region": partition.region})
