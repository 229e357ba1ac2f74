"""What the departments of the sample company can look back on: sales by line, and units and value by month.

Belongs here: indices of lines into items, locations and customers, monthly sums, when an item was first kept at a
location. Does not: what a department makes of it (`strata.sample.planning`, `warehouse`, `transport`, `accounts`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from strata.sample.demand import Demand, day_number, month_first_day, months_of, positions
from strata.sample.extracts import as_decimal, as_scaled
from strata.sample.operations import Operations, is_stocked
from strata.sample.replenishment import NEVER, UNIT, Floats, Ints

Bools = NDArray[np.bool_]
Rows = Callable[[int, int], pa.Table]
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Lines:
    """Sales lines that took goods from a shelf, in order of time.

    `row` is the row in `Demand.lines`; `cell` the item-location; `customer` an index into `Demand.customers`, -1 for
    one without a row there; `second` counts from midnight of the first day of data, local time; `quantity` and
    `amount` are in units of 0.0001.
    """

    row: Ints
    cell: Ints
    customer: Ints
    second: Ints
    quantity: Ints
    amount: Ints


@dataclass(frozen=True, slots=True)
class Activity:
    """Sales lines and their monthly sums per item-location; month 0 is that of the first day of data.

    `units` and `value` have one row per item-location and one column per month; `listed` is the first day on which
    the item was kept or sold at the location, counted from the first day of data.
    """

    lines: Lines
    first_month: int
    months: int
    units: Floats
    value: Floats
    listed: Ints
    stocked: Bools

    def before(self, of: Floats, month: int, window: int) -> Floats:
        """Mean per month of the `window` months before a month number; of fewer at the beginning, zero before it."""
        stop = min(max(month - self.first_month, 0), self.months)
        start = max(stop - window, 0)
        if stop == start:
            return np.zeros(len(of))
        mean: Floats = of[:, start:stop].mean(axis=1)
        return mean


def observe(demand: Demand, operations: Operations) -> Activity:
    """The activity of a company over its whole horizon."""
    locations = demand.sites.num_rows
    item = positions(demand.lines.column("sku_id"), operations.items.column("sku_id").combine_chunks())
    location = positions(demand.lines.column("location_id"), demand.sites.column("location_id").combine_chunks())
    quantity = as_scaled(demand.lines.column("quantity"))
    stocked = is_stocked(demand)
    row = np.flatnonzero((item >= 0) & (location >= 0) & (quantity > 0) & stocked[np.maximum(item, 0)])
    keys = operations.item_of * locations + operations.location_of
    cell = np.searchsorted(keys, item[row] * locations + location[row])
    lines = Lines(
        row=row,
        cell=cell,
        customer=positions(
            demand.lines.column("customer_id").take(pa.array(row)),
            demand.customers.column("customer_id").combine_chunks(),
        ),
        second=_local_seconds(demand)[row],
        quantity=quantity[row],
        amount=as_scaled(demand.lines.column("net_amount"))[row],
    )
    first = months_of(np.array([day_number(demand.first_day)]))[0]
    month = months_of(lines.second // DAY + day_number(demand.first_day)) - first
    months = int(months_of(np.array([day_number(demand.last_day)]))[0] - first) + 1
    size = len(keys)
    place = cell * months + month
    units = np.bincount(place, lines.quantity / UNIT, size * months).astype(np.float64).reshape(size, months)
    value = np.bincount(place, lines.amount / UNIT, size * months).astype(np.float64).reshape(size, months)
    return Activity(lines, int(first), months, units, value, _listed(operations, lines, demand.days), stocked)


def _local_seconds(demand: Demand) -> Ints:
    local = pc.local_timestamp(demand.lines.column("ordered_at")).cast(pa.int64()).to_numpy()
    seconds: Ints = np.floor_divide(local, 1_000_000) - day_number(demand.first_day) * DAY
    return seconds


def _listed(operations: Operations, lines: Lines, days: int) -> Ints:
    first = np.full(len(operations.item_of), days, dtype=np.int64)
    np.minimum.at(first, lines.cell, lines.second // DAY)
    if len(operations.stock.days):
        kept = operations.stock.on_hand >= 0
        counted = np.where(kept.any(axis=0), operations.stock.days[kept.argmax(axis=0)], days)
        first = np.minimum(first, counted)
    return first


def day_of(demand: Demand, month: int) -> int:
    """Days from the first day of data to the first of a month number."""
    return (month_first_day(month) - demand.first_day).days


def dates(demand: Demand, days: Ints) -> pa.Array:
    """Days counted from the first day of data as dates; negative ones (NEVER) are null."""
    whole = (np.datetime64(demand.first_day, "D") + days).astype("datetime64[D]")
    return pa.array(whole, mask=days <= NEVER)


def dates_text(demand: Demand, days: Ints) -> pa.Array:
    """Days counted from the first day of data as text `20170131`."""
    known, where = np.unique(days, return_inverse=True)
    text = pc.strftime(dates(demand, known), "%Y%m%d")
    return text.take(pa.array(where))


def codes(prefix: str, numbers: Ints, digits: int) -> pa.Array:
    """Codes such as `PL-03` out of numbers; a negative number is null."""
    text = pc.utf8_lpad(pa.array(numbers, mask=numbers < 0).cast(pa.string()), digits, "0")
    return pc.binary_join_element_wise(prefix, text, "-")


def picked(values: Sequence[str], index: Ints) -> pa.Array:
    """`values[index]` as text; a negative index is null."""
    return pa.array(values, pa.string()).take(pa.array(index, mask=index < 0))


def decimals(values: Floats, missing: Bools | None = None) -> pa.Array:
    """Floats as decimal128(18, 4), rounded half to even; `missing` marks nulls."""
    return as_decimal(np.rint(values * UNIT).astype(np.int64), missing)


def instants(demand: Demand, second: Ints, missing: Bools | None = None) -> pa.Array:
    """Local seconds since midnight of the first day as instants in the demand's zone."""
    local = (np.datetime64(demand.first_day, "s") + second).astype("datetime64[us]")
    return pc.assume_timezone(pa.array(local, mask=missing), demand.zone, ambiguous="earliest", nonexistent="latest")


def abc(value: Floats, shares: tuple[float, float]) -> Ints:
    """0, 1, 2 by cumulative share of value, largest first; what has no value is 2."""
    order = np.argsort(-value, kind="stable")
    total = value.sum()
    before = np.concatenate([[0.0], np.cumsum(value[order])[:-1]]) / total if total > 0 else np.ones(len(value))
    found = np.empty(len(value), dtype=np.int64)
    found[order] = np.searchsorted(np.array(shares), before, side="right")
    return np.where(value > 0, found, 2)
