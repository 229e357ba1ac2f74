"""Region x cycle: the unit of computing. The only module that spells a partition's key and folder.

Belongs here: naming and arithmetic of cycles and partitions. Does not: cut-offs and time zones
(`strata.calendar`), Dagster's partition definitions (`orchestration.partitions`).
"""

import re
from dataclasses import dataclass

REGION_PATTERN = re.compile(r"[A-Z0-9_-]{1,16}")
CYCLE_PATTERN = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


def checked_cycle(cycle: str) -> str:
    """Return `cycle` if it is a planning month such as `2026-07`; raise ValueError otherwise."""
    if not CYCLE_PATTERN.fullmatch(cycle):
        raise ValueError(f"cycle {cycle!r} is not a planning month; write it as YYYY-MM, such as 2026-07")
    return cycle


def checked_region(region: str) -> str:
    """Return `region` if its code is allowed (`[A-Z0-9_-]`, 1 to 16 long); raise ValueError otherwise."""
    if not REGION_PATTERN.fullmatch(region):
        raise ValueError(f"region {region!r} is not allowed; use 1 to 16 of A-Z, 0-9, '_' and '-'")
    return region


def months(cycle: str) -> int:
    """Months from the start of the calendar to `cycle`: the difference of two is their distance."""
    year, month = map(int, checked_cycle(cycle).split("-"))
    return year * 12 + month - 1


def shifted(cycle: str, by: int) -> str:
    """The cycle `by` months after `cycle` (before it, where negative)."""
    index = months(cycle) + by
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def cycle_range(first: str, last: str) -> list[str]:
    """All cycles from `first` to `last`, both included; empty where `last` is before `first`."""
    cycles = []
    cycle = checked_cycle(first)
    while cycle <= checked_cycle(last):
        cycles.append(cycle)
        cycle = shifted(cycle, 1)
    return cycles


@dataclass(frozen=True, order=True, slots=True)
class Partition:
    """One region in one planning cycle: key `2026-07|EMEA`, folder `cycle=2026-07/region=EMEA`."""

    region: str
    cycle: str

    def __post_init__(self) -> None:
        checked_region(self.region)
        checked_cycle(self.cycle)

    @classmethod
    def from_key(cls, key: str) -> "Partition":
        """Parse `2026-07|EMEA`."""
        cycle, separator, region = key.partition("|")
        if not separator:
            raise ValueError(f"partition key {key!r} is not of the form 2026-07|EMEA")
        return cls(region=region, cycle=cycle)

    @property
    def key(self) -> str:
        """The Dagster key, dimensions sorted by name."""
        return f"{self.cycle}|{self.region}"

    @property
    def folder(self) -> str:
        """The Hive-style folder below a table."""
        return f"cycle={self.cycle}/region={self.region}"

    def previous(self) -> "Partition":
        """The same region one cycle earlier."""
        return Partition(self.region, shifted(self.cycle, -1))
