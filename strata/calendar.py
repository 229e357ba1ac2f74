"""When a cycle is cut off, and which periods are closed by then. No clock: the cycle is the time.

Belongs here: cut-offs, time zones of regions, period starts. Does not: reading files (`strata.home`).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from strata.partition import checked_cycle, checked_region

CURRENCY = r"^[A-Z]{3}$"
Bucket = Literal["day", "week", "month"]
PERIODS_PER_YEAR: dict[Bucket, int] = {"day": 365, "week": 52, "month": 12}


class Region(BaseModel):
    """A region of the company and the time zone its periods are cut in."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    region: str
    name: str
    time_zone: str

    @field_validator("region")
    @classmethod
    def _allowed(cls, value: str) -> str:
        return checked_region(value)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        ZoneInfo(value)
        return value


class CutOff(BaseModel):
    """Day of the cycle's month and local time from which later knowledge belongs to the next cycle."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    day: int = Field(ge=1, le=28)
    local_time: time


class Exchange(BaseModel):
    """Which stated rates convert money: their type, the currency that crosses go through, and how long one holds.

    A rate holds until the next one of its pair, and at most `max_age_days` after its first day.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    rate_type: str = Field(min_length=1)
    pivot_currency: str = Field(pattern=CURRENCY)
    max_age_days: int = Field(ge=0, le=366)
    rationale: str = Field(min_length=20)


class Calendar(BaseModel):
    """First cycle, cut-off, money and regions of one company (config/calendar.yml and config/regions.yml).

    Without `exchange` no rate is used, and money in another currency is set aside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    first_cycle: str
    cut_off: CutOff
    currency: str = Field(pattern=CURRENCY)
    exchange: Exchange | None = None
    regions: tuple[Region, ...] = Field(min_length=1)
    rationale: str = Field(min_length=20)

    @field_validator("first_cycle")
    @classmethod
    def _month(cls, value: str) -> str:
        return checked_cycle(value)

    @field_validator("regions")
    @classmethod
    def _distinct(cls, value: tuple[Region, ...]) -> tuple[Region, ...]:
        names = [region.region for region in value]
        if len(set(names)) != len(names):
            raise ValueError(f"regions.yml names a region twice: {sorted(names)}")
        return value

    @property
    def region_codes(self) -> list[str]:
        """Codes of all regions, sorted."""
        return sorted(region.region for region in self.regions)

    def zone(self, region: str) -> ZoneInfo:
        """Time zone of a region; KeyError naming the known ones otherwise."""
        for known in self.regions:
            if known.region == region:
                return ZoneInfo(known.time_zone)
        raise KeyError(f"region {region!r} is not in regions.yml, which has {self.region_codes}")

    def cutoff(self, cycle: str, region: str) -> datetime:
        """The UTC instant at which `cycle` stops learning in `region`."""
        year, month = map(int, checked_cycle(cycle).split("-"))
        local = datetime.combine(date(year, month, self.cut_off.day), self.cut_off.local_time, self.zone(region))
        return local.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Periods:
    """Consecutive closed periods: `starts[i]` is the first day of period i; all have one bucket."""

    bucket: Bucket
    starts: tuple[date, ...]

    def __len__(self) -> int:
        return len(self.starts)


def period_start(day: date, bucket: Bucket) -> date:
    """First day of the period that holds `day`; weeks start on Monday."""
    if bucket == "day":
        return day
    if bucket == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1)


def next_period(start: date, bucket: Bucket, count: int = 1) -> date:
    """First day of the period `count` after the one that starts on `start` (before it, where negative)."""
    if bucket == "day":
        return start + timedelta(days=count)
    if bucket == "week":
        return start + timedelta(weeks=count)
    index = start.year * 12 + start.month - 1 + count
    return date(index // 12, index % 12 + 1, 1)


def first_open_period(cutoff: datetime, zone: ZoneInfo, bucket: Bucket) -> date:
    """Start of the first period that has not ended at the cut-off, in the region's local time."""
    return period_start(cutoff.astimezone(zone).date(), bucket)


def closed_periods(first: date, cutoff: datetime, zone: ZoneInfo, bucket: Bucket) -> Periods:
    """All closed periods from the one holding `first` to the last one ended at the cut-off."""
    starts = []
    start, stop = period_start(first, bucket), first_open_period(cutoff, zone, bucket)
    while start < stop:
        starts.append(start)
        start = next_period(start, bucket)
    return Periods(bucket, tuple(starts))
