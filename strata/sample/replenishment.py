"""Stock and orders around given sales: a weekly (R, s, nQ) review simulated day by day over all item-locations.

Belongs here: the stock simulation in arrays. Does not: names, documents and files (`strata.sample.operations`).
The sales are real, so they were served: where stock would not do, an emergency order line brings what is missing.
Quantities are int64 in units of 0.0001, so that opening stock + receipts - sales is exact.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
UNIT = 10_000
NEVER = -1


@dataclass(frozen=True, slots=True)
class Sales:
    """Units sold per day and item-location, sorted by day; `starts[d]:starts[d+1]` are the rows of day d."""

    starts: Ints
    item_location: Ints
    quantity: Ints


@dataclass(frozen=True, slots=True)
class Terms:
    """How every item-location is replenished; arrays of one length.

    `listed`, `stop`: first day and day after the last on which it may be ordered. `multiple`, `minimum`: in units of
    0.0001. `lead_mean`, `lead_cv`: of the lane, in days. `planned`: planned lead time, days. `weekday`: of its
    review, Monday 0. `floor`: smallest reorder point, whole units. `mean`, `variance`: first estimate per week.
    `cover`: days of demand an order adds to the reorder point.
    """

    listed: Ints
    stop: Ints
    multiple: Ints
    minimum: Ints
    lead_mean: Floats
    lead_cv: Floats
    planned: Ints
    weekday: Ints
    floor: Floats
    mean: Floats
    variance: Floats
    cover: Floats


@dataclass(frozen=True, slots=True)
class Rules:
    """Habits of the buyers and suppliers; see `assumptions.OperationsSpec` for each."""

    safety_factor: float
    smoothing: float
    review_days: int
    expedite_days: int
    partial_share: float
    partial_first: tuple[float, float]
    partial_gap_days: tuple[int, int]
    cancelled_share: float


@dataclass(frozen=True, slots=True)
class Orders:
    """One row per order line: days counted from the first day, NEVER (-1) where something does not happen.

    `second` day and quantity are of a partial receipt. Days at or after the horizon have not happened yet.
    """

    item_location: Ints
    ordered: Ints
    promised: Ints
    quantity: Ints
    first: Ints
    first_quantity: Ints
    second: Ints
    second_quantity: Ints
    cancelled: Ints
    is_expedited: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Stock:
    """Snapshots: row = snapshot, column = item-location. `on_hand` -1 marks "not stocked here yet"."""

    days: Ints
    on_hand: Ints
    stockout_days: NDArray[np.int8]


def simulate(
    sales: Sales,
    terms: Terms,
    rules: Rules,
    *,
    days: int,
    first_weekday: int,
    rng: np.random.Generator,
) -> tuple[Orders, Stock]:
    """Replay the sales day by day and order weekly.

    Day: receipts, then sales, then (on the item's review day) the order decision, then on Sundays the snapshot. A
    day counts as out of stock if the item-location was stocked before, is empty at the end, and neither received
    nor sold anything that day.

    Args:
        sales: what left the shelf.
        terms: one entry per item-location.
        rules: habits of buyers and suppliers.
        days: length of the horizon.
        first_weekday: weekday of day 0, Monday 0.
        rng: draws lead times, partial receipts, cancellations and opening stock.

    Returns:
        All order lines in order of ordering within kind, and the weekly snapshots.
    """
    size = len(terms.listed)
    opening = _reorder_point(terms.mean, terms.variance, terms, rules) + rng.random(size) * terms.cover / 7 * terms.mean
    on_hand = np.where(terms.listed <= 0, _up_to(np.maximum(opening * UNIT, UNIT), np.full(size, UNIT)), 0)
    on_order = np.zeros(size, dtype=np.int64)
    is_stocked = on_hand > 0
    mean, variance = terms.mean.copy(), terms.variance.copy()
    week = np.zeros(size, dtype=np.int64)
    empty_days = np.zeros(size, dtype=np.int8)
    due: list[list[tuple[Ints, Ints, bool]]] = [[] for _ in range(days)]
    groups = [np.flatnonzero(terms.weekday == weekday) for weekday in range(7)]
    lines: list[Orders] = []
    snapshot_days: list[int] = []
    snapshots: list[Ints] = []
    stockouts: list[NDArray[np.int8]] = []
    # one loop over days, arrays across item-locations: stock of a day follows from the day before
    for day in range(days):
        weekday = (first_weekday + day) % 7
        for which, quantity, is_receipt in due[day]:
            on_order[which] -= quantity
            if is_receipt:
                on_hand[which] += quantity
                is_stocked[which] = True
        due[day] = []
        sold = sales.item_location[sales.starts[day] : sales.starts[day + 1]]
        quantity = sales.quantity[sales.starts[day] : sales.starts[day + 1]]
        short = quantity - on_hand[sold]
        if (short > 0).any():
            lines.append(_expedite(sold[short > 0], short[short > 0], day, terms, rules, first_weekday))
            on_hand[lines[-1].item_location] += lines[-1].quantity
            is_stocked[lines[-1].item_location] = True
        on_hand[sold] -= quantity
        week[sold] += quantity
        empty = (on_hand == 0) & is_stocked
        empty[sold] = False
        empty_days += empty
        reviewed = groups[weekday]
        if len(reviewed):
            reviewed = reviewed[(terms.listed[reviewed] <= day) & (day < terms.stop[reviewed])]
            placed = _review(reviewed, on_hand, on_order, mean, variance, terms, rules, day, first_weekday, rng)
            if placed is not None:
                lines.append(placed)
                on_order[placed.item_location] += placed.quantity
                _schedule(placed, due, days)
        if weekday == 6:
            snapshot_days.append(day)
            snapshots.append(np.where(is_stocked, on_hand, NEVER))
            stockouts.append(empty_days.copy())
            empty_days[:] = 0
            units = week / UNIT
            deviation = units - mean
            is_known = terms.listed <= day
            mean += np.where(is_known, rules.smoothing * deviation, 0.0)
            variance += np.where(is_known, rules.smoothing * ((1 - rules.smoothing) * deviation**2 - variance), 0.0)
            week[:] = 0
    stock = Stock(np.array(snapshot_days), np.array(snapshots), np.array(stockouts, dtype=np.int8))
    return _joined(lines), stock


def _reorder_point(mean: Floats, variance: Floats, terms: Terms, rules: Rules, which: Ints | None = None) -> Floats:
    """Units: demand over lead time and review plus safety stock, at least the floor."""
    planned = terms.planned if which is None else terms.planned[which]
    floor = terms.floor if which is None else terms.floor[which]
    weeks = (planned + rules.review_days) / 7
    point: Floats = np.maximum(np.floor(mean * weeks + rules.safety_factor * np.sqrt(variance * weeks)), floor)
    return point


def _up_to(quantity: Ints | Floats, multiple: Ints) -> Ints:
    """Smallest multiples that are at least `quantity`."""
    lots: Ints = np.ceil(np.round(np.asarray(quantity, dtype=np.float64) / multiple, 9)).astype(np.int64) * multiple
    return lots


def _expedite(which: Ints, short: Ints, day: int, terms: Terms, rules: Rules, first_weekday: int) -> Orders:
    """Emergency lines that arrive before today's sales, on any weekday; nobody orders on a Sunday."""
    quantity = _up_to(short, terms.multiple[which])
    ordered_on = day - rules.expedite_days
    ordered_on -= (first_weekday + ordered_on) % 7 == 6
    ordered = np.full(len(which), max(ordered_on, 0))
    today = np.full(len(which), day)
    never = np.full(len(which), NEVER)
    none = np.zeros(len(which), dtype=np.int64)
    return Orders(
        which, ordered, today, quantity, today, quantity, never, none, never, np.ones(len(which), dtype=np.bool_)
    )


def _review(
    which: Ints,
    on_hand: Ints,
    on_order: Ints,
    mean: Floats,
    variance: Floats,
    terms: Terms,
    rules: Rules,
    day: int,
    first_weekday: int,
    rng: np.random.Generator,
) -> Orders | None:
    """Order where the inventory position has fallen to the reorder point."""
    position = on_hand[which] + on_order[which]
    point = _reorder_point(mean[which], np.maximum(variance[which], 0.0), terms, rules, which)
    wanted = position <= point * UNIT
    which, position, point = which[wanted], position[wanted], point[wanted]
    if not len(which):
        return None
    target = (point + terms.cover[which] / 7 * mean[which]) * UNIT
    quantity = _up_to(np.maximum(target - position, terms.minimum[which]), terms.multiple[which])
    spread = terms.lead_cv[which] ** 2
    lead = np.maximum(np.rint(rng.gamma(1 / spread, terms.lead_mean[which] * spread)).astype(np.int64), 1)
    first = _workday(day + lead, first_weekday)
    is_partial = (rng.random(len(which)) < rules.partial_share) & (quantity > terms.multiple[which])
    share = rng.uniform(*rules.partial_first, len(which))
    part = np.maximum(np.floor(quantity * share / terms.multiple[which]).astype(np.int64), 1) * terms.multiple[which]
    first_quantity = np.where(is_partial, np.minimum(part, quantity - terms.multiple[which]), quantity)
    gap = rng.integers(rules.partial_gap_days[0], rules.partial_gap_days[1], len(which), endpoint=True)
    is_cancelled = rng.random(len(which)) < rules.cancelled_share
    is_partial &= ~is_cancelled
    return Orders(
        item_location=which,
        ordered=np.full(len(which), day),
        promised=_workday(day + terms.planned[which], first_weekday),
        quantity=quantity,
        first=np.where(is_cancelled, NEVER, first),
        first_quantity=np.where(is_cancelled, 0, np.where(is_partial, first_quantity, quantity)),
        second=np.where(is_partial, _workday(first + gap, first_weekday), NEVER),
        second_quantity=np.where(is_partial, quantity - first_quantity, 0),
        cancelled=np.where(is_cancelled, first, NEVER),
        is_expedited=np.zeros(len(which), dtype=np.bool_),
    )


def _workday(day: Ints, first_weekday: int) -> Ints:
    """Goods-in is closed on Sundays: the Monday after."""
    moved: Ints = day + ((first_weekday + day) % 7 == 6)
    return moved


def _schedule(orders: Orders, due: list[list[tuple[Ints, Ints, bool]]], days: int) -> None:
    """Note receipts and cancellations on their days; within one entry an item-location stands once."""
    for when, quantity, is_receipt in (
        (orders.first, orders.first_quantity, True),
        (orders.second, orders.second_quantity, True),
        (orders.cancelled, orders.quantity, False),
    ):
        order = np.argsort(when, kind="stable")
        begin = int(np.searchsorted(when[order], 0))
        end = int(np.searchsorted(when[order], days))
        order = order[begin:end]
        if len(order):
            cuts = np.flatnonzero(np.diff(when[order])) + 1
            for rows in np.split(order, cuts):
                due[int(when[rows[0]])].append((orders.item_location[rows], quantity[rows], is_receipt))


def _joined(lines: list[Orders]) -> Orders:
    if not lines:
        none = np.empty(0, dtype=np.int64)
        return Orders(none, none, none, none, none, none, none, none, none, none.astype(np.bool_))
    return Orders(*(np.concatenate([getattr(part, field.name) for part in lines]) for field in fields(Orders)))
