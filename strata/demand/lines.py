"""Lines of demand of one file, booked into closed periods: which period a line stands for, matrices, sums.

Belongs here: days to periods, the last period that is whole, sums per series. Does not: reading files
(`strata.panel.demand`), a company's history (`strata.conformed`), classes (`strata.classify.panel`).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from strata.calendar import Bucket, Periods

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]

SCALE = 10_000  # decimals have four places: everything is summed as whole ten-thousandths
_ORDER: tuple[Bucket, ...] = ("day", "week", "month")
_MONDAY = 3  # days from the Monday before 1970-01-01, a Thursday


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of one file, all arrays of one length but the names and what is known per item.

    Attributes:
        sku_id: names of items, ascending; `item` are places in it.
        location_id: names of locations, ascending; None where the file names none. `place` are places in it.
        day: days since 1970-01-01.
        units: demand in ten-thousandths, above or equal zero.
        revenue: money in ten-thousandths; None where the file has no prices.
        margin: likewise; None where it has no costs. `has_margin`: the line's cost is known.
        is_out: stock was out; None where the file does not say.
        family: per item; None unknown.
        price: per item, the last one known; NaN unknown.
    """

    sku_id: Objects
    location_id: Objects | None
    item: Ints
    place: Ints
    day: Ints
    units: Ints
    revenue: Ints | None
    margin: Ints | None
    has_margin: Booleans
    is_out: Booleans | None
    family: Objects
    price: Floats

    def only(self, kept: Booleans) -> "Lines":
        """Some of the lines; names stay."""
        return replace(
            self,
            item=self.item[kept],
            place=self.place[kept],
            day=self.day[kept],
            units=self.units[kept],
            revenue=None if self.revenue is None else self.revenue[kept],
            margin=None if self.margin is None else self.margin[kept],
            has_margin=self.has_margin[kept],
            is_out=None if self.is_out is None else self.is_out[kept],
        )


@dataclass(frozen=True, slots=True)
class Booked:
    """Lines booked into periods: `period` is the number of each line's, `booked` the day it counts on.

    `stop` is the number of the first period that is not closed; `is_whole` is false where the only period there is
    had to be closed although days of it are missing.
    """

    lines: Lines
    grain: Bucket
    bucket: Bucket
    booked: Ints
    period: Ints
    stop: int
    is_whole: bool

    @property
    def first(self) -> int:
        """Number of the first period in which anything was asked for, else of the first with a line."""
        sold = self.lines.units > 0
        return int((self.period[sold] if sold.any() else self.period).min())

    def periods(self, count: int) -> Periods:
        """The last `count` closed periods."""
        days = first_days(np.arange(self.stop - count, self.stop), self.bucket)
        return Periods(self.bucket, tuple(days.astype("datetime64[D]").tolist()))


@dataclass(frozen=True, slots=True)
class Summed:
    """One row per series: demand per closed period, and sums over the value window in ten-thousandths.

    `first_sale` and `last_sale` are closed periods with demand (`NEVER` and `-NEVER` where there is none), `last_line`
    the last closed one with any line, `first_line` the first one, open ones included; all counted from the first period
    of the matrices, so that those before it are negative.
    """

    units: Floats
    censored: Booleans
    first_sale: Ints
    last_sale: Ints
    first_line: Ints
    last_line: Ints
    sums: dict[str, Ints]


NEVER = int(np.iinfo(np.int64).max // 2)


def grain_of(day: Ints) -> Bucket:
    """The period that lines stand for, by their days: month, week, or day.

    Months where all days are the first, or all the last, of a month, or the same day of at least two months; weeks
    where at least two days lie whole weeks apart.

    Examples:
        >>> days = np.array(["2024-01-01", "2024-02-01", "2024-02-01"], dtype="datetime64[D]").astype(np.int64)
        >>> grain_of(days), grain_of(days[:1] + 7 * np.arange(3)), grain_of(days + np.arange(3))
        ('month', 'week', 'day')
    """
    days = np.unique(day).astype("datetime64[D]")
    month = days.astype("datetime64[M]")
    of_month = (days - month.astype("datetime64[D]")).astype(np.int64)
    last = (month + 1).astype("datetime64[D]") - 1
    if (of_month == 0).all() or (days == last).all() or (len(days) > 1 and (of_month == of_month[0]).all()):
        return "month"
    weekday = days.astype(np.int64) % 7
    return "week" if len(days) > 1 and (weekday == weekday[0]).all() else "day"


def number_of(day: Ints, bucket: Bucket) -> Ints:
    """Number of the period that holds each day; consecutive periods have consecutive numbers."""
    if bucket == "day":
        return day
    if bucket == "week":
        return (day + _MONDAY) // 7
    months: Ints = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months


def first_days(number: Ints, bucket: Bucket) -> Ints:
    """First day of each period, in days since 1970-01-01."""
    if bucket == "day":
        return number
    if bucket == "week":
        return number * 7 - _MONDAY
    days: Ints = number.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return days


def last_days(day: Ints, grain: Bucket) -> Ints:
    """Last day of the period that holds each day."""
    return first_days(number_of(day, grain) + 1, grain) - 1


def book(lines: Lines, *, grain: Bucket, bucket: Bucket, since: int | None, until: int | None) -> Booked:
    """Book lines on the last day of the period that they stand for, and that into its bucket.

    A bucket is closed once no later line can be booked in it: after `until`, else after the last line. Where no bucket
    is, the last one counts as it is.

    Args:
        lines: of any order.
        grain: period that a line stands for.
        bucket: period wanted, not finer than the grain.
        since: lines booked before this day are left out.
        until: last day that the lines cover; those booked after it are left out.

    Raises:
        ValueError: the bucket is finer than the grain, or no line is left.
    """
    if _ORDER.index(bucket) < _ORDER.index(grain):
        raise ValueError(
            f"the rows stand for a {grain} each and the scheme's buckets.classification is {bucket}: demand is summed, "
            f"never split; give a scheme with {grain}"
        )
    booked = last_days(lines.day, grain)
    kept = np.ones(len(booked), dtype=bool)
    if since is not None:
        kept &= booked >= since
    if until is not None:
        kept &= booked <= until
    if not kept.any():
        raise ValueError("no row is left between --since and --until")
    lines, booked = lines.only(kept), booked[kept]
    covered = int(booked.max()) if until is None else until
    # The next day on which a line of this grain could be booked.
    following = int(last_days(np.array([covered + 1]), grain)[0])
    period = number_of(booked, bucket)
    stop = int(number_of(np.array([following]), bucket)[0])
    is_whole = stop > int(period.min())
    return Booked(lines, grain, bucket, booked, period, stop if is_whole else stop + 1, is_whole)


def summed(
    booked: Booked,
    series: Ints,
    count: int,
    *,
    periods: int,
    value_periods: int,
    min_stockout_share: float,
) -> Summed:
    """Sum lines per series and closed period.

    A period is censored where stock was out on at least `min_stockout_share` of its days; a line of a week or a month
    stands for all days of it. Where a series is that of several places, it is censored where all places with a line
    in the period are.

    Args:
        booked: lines and their periods.
        series: row of each line.
        count: number of rows.
        periods: closed periods of the matrices.
        value_periods: closed periods that money, units and lines are summed over.
        min_stockout_share: fraction of days.

    Raises:
        ValueError: a sum has more than 18 digits.
    """
    lines = booked.lines
    at = booked.period - (booked.stop - periods)
    closed = at < periods
    inside = closed & (at >= 0)
    units = np.zeros((count, periods), dtype=np.int64)
    _checked(lines.units, "quantity")
    np.add.at(units, (series[inside], at[inside]), lines.units[inside])
    sold = closed & (lines.units > 0)
    first_sale, first_line = np.full(count, NEVER), np.full(count, NEVER)
    last_sale, last_line = np.full(count, -NEVER), np.full(count, -NEVER)
    np.minimum.at(first_sale, series[sold], at[sold])
    np.maximum.at(last_sale, series[sold], at[sold])
    np.minimum.at(first_line, series, at)
    np.maximum.at(last_line, series[closed], at[closed])
    valued = closed & (at >= periods - value_periods)
    sums = {
        "demand_units": _sum(lines.units, series, valued, count),
        "order_lines": _sum((lines.units > 0).astype(np.int64), series, valued, count),
        "unknown_margins": _sum((~lines.has_margin & (lines.units > 0)).astype(np.int64), series, valued, count),
    }
    for name in ("revenue", "margin"):
        money = getattr(lines, name)
        if money is not None:
            _checked(money, name)
            sums[name] = _sum(money, series, valued, count)
    censored = _censored(booked, series, at, inside, (count, periods), min_stockout_share)
    return Summed(units / SCALE, censored, first_sale, last_sale, first_line, last_line, sums)


def decimals(whole: npt.NDArray[Any], name: str) -> pa.Array:
    """Whole ten-thousandths as decimals of 18 digits.

    Raises:
        ValueError: a number has more.
    """
    if len(whole) and max(abs(int(whole.max())), abs(int(whole.min()))) >= 10**18:
        raise ValueError(f"a series' {name} has more than 14 digits before the point; count in larger units")
    whole = whole.astype(np.int64)
    halves = np.stack([whole, whole >> 63], axis=1)
    return pa.Array.from_buffers(pa.decimal128(18, 4), len(whole), [None, pa.py_buffer(halves)])


def _sum(amount: Ints, series: Ints, wanted: Booleans, count: int) -> Ints:
    found = np.zeros(count, dtype=np.int64)
    np.add.at(found, series[wanted], amount[wanted])
    return found


def _checked(amount: Ints, name: str) -> None:
    """Whole numbers are exact as long as no sum of them leaves 62 bits."""
    if np.abs(amount).sum(dtype=np.float64) >= 2.0**62:
        raise ValueError(f"{name}: the sum of all rows has more than 14 digits before the point; count in larger units")


def _censored(
    booked: Booked, series: Ints, at: Ints, inside: Booleans, shape: tuple[int, int], share: float
) -> Booleans:
    lines = booked.lines
    if lines.is_out is None or not (lines.is_out & inside).any():
        return np.zeros(shape, dtype=bool)
    places = 1 if lines.location_id is None else len(lines.location_id)
    rows = np.flatnonzero(inside)
    # One cell per series, place and period that has a line; days out of stock are counted once each.
    cell = (series[rows] * places + lines.place[rows]) * shape[1] + at[rows]
    cells, back = np.unique(cell, return_inverse=True)
    out = lines.is_out[rows]
    pairs = np.unique(np.stack([back[out], booked.booked[rows][out]], axis=1), axis=0)
    starts = first_days(number_of(pairs[:, 1], booked.grain), booked.grain)
    days = np.bincount(pairs[:, 0], weights=pairs[:, 1] - starts + 1, minlength=len(cells))
    number = cells % shape[1] + booked.stop - shape[1]
    length = first_days(number + 1, booked.bucket) - first_days(number, booked.bucket)
    is_censored = (days > 0) & (days >= share * length)
    owner, column = cells // shape[1] // places, cells % shape[1]
    found, is_open = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    found[owner[is_censored], column[is_censored]] = True
    is_open[owner[~is_censored], column[~is_censored]] = True
    return found & ~is_open
