"""The stock simulation: exact stock identity, served sales, honest stock-out days."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.sample.replenishment import NEVER, UNIT, Orders, Rules, Sales, Stock, Terms, simulate

RULES = Rules(
    safety_factor=1.0,
    smoothing=0.1,
    review_days=7,
    expedite_days=2,
    partial_share=0.3,
    partial_first=(0.3, 0.8),
    partial_gap_days=(2, 9),
    cancelled_share=0.05,
)


def terms(cells: int, lead: float, cv: float, *, multiple: int = 4, floor: float = 0.0, mean: float = 2.0) -> Terms:
    def full(value: float) -> np.ndarray:
        return np.full(cells, value, dtype=np.float64)

    def whole(value: int) -> np.ndarray:
        return np.full(cells, value, dtype=np.int64)

    return Terms(
        listed=whole(0), stop=whole(10_000), multiple=whole(multiple * UNIT), minimum=whole(multiple * UNIT),
        lead_mean=full(lead), lead_cv=full(cv), planned=whole(round(lead)), weekday=np.arange(cells) % 5,
        floor=full(floor), mean=full(mean), variance=full(mean), cover=full(14.0),
    )  # fmt: skip


def sales_of(units: np.ndarray) -> Sales:
    """From units[day, cell]."""
    day, cell = np.nonzero(units)
    return Sales(np.searchsorted(day, np.arange(len(units) + 1)), cell, units[day, cell].astype(np.int64) * UNIT)


def received(orders: Orders, days: int, cells: int) -> np.ndarray:
    arrived = np.zeros((days, cells), dtype=np.int64)
    for when, quantity in ((orders.first, orders.first_quantity), (orders.second, orders.second_quantity)):
        happened = (when >= 0) & (when < days)
        np.add.at(arrived, (when[happened], orders.item_location[happened]), quantity[happened])
    return arrived


def check_identity(units: np.ndarray, orders: Orders, stock: Stock) -> None:
    arrived = received(orders, *units.shape)
    moved = np.cumsum(arrived - units * UNIT, axis=0)[stock.days]
    known = stock.on_hand[:-1] != NEVER
    assert ((stock.on_hand[1:] - stock.on_hand[:-1]) == (moved[1:] - moved[:-1]))[known].all()
    assert (stock.on_hand[stock.on_hand != NEVER] >= 0).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.02, 1.0), st.floats(1, 20), st.floats(0.1, 0.8), st.sampled_from([1, 3, 12]))
def test_stock_identity_holds_and_stock_outs_contradict_no_sale(
    seed: int, density: float, lead: float, cv: float, multiple: int
) -> None:
    rng = np.random.default_rng(seed)
    units = rng.integers(1, 9, (140, 7)) * (rng.random((140, 7)) < density)
    conditions = terms(7, lead, cv, multiple=multiple, mean=float(units.mean()) * 7)
    orders, stock = simulate(sales_of(units), conditions, RULES, days=140, first_weekday=0, rng=rng)
    check_identity(units, orders, stock)
    # rebuild the days of every week from the first snapshot on: an empty day has no sale, no receipt, no stock
    arrived = received(orders, 140, 7)
    level = stock.on_hand[0].copy()
    for week, (start, stop) in enumerate(zip(stock.days[:-1] + 1, stock.days[1:] + 1, strict=True), start=1):
        empty = np.zeros(7, dtype=np.int64)
        for day in range(start, stop):
            level = level + arrived[day] - units[day] * UNIT
            empty += (level == 0) & (units[day] == 0)
        assert (stock.stockout_days[week] == empty).all()
    assert (orders.quantity % (multiple * UNIT) == 0).all()
    whole = (orders.cancelled == NEVER) & (orders.first_quantity + orders.second_quantity == orders.quantity)
    assert (whole | (orders.cancelled != NEVER)).all()
    assert (orders.second[orders.second != NEVER] > orders.first[orders.second != NEVER]).all()
    regular = ~orders.is_expedited
    assert (orders.ordered[regular] % 7 < 5).all() and (orders.ordered % 7 != 6).all()


def test_steady_demand_and_sure_lead_times_need_no_emergency() -> None:
    """One unit a day, ten days of lead time: cover of lead time and review suffices, orders are 28 days apart."""
    units = np.ones((364, 5), dtype=np.int64)
    conditions = terms(5, lead=10, cv=0.01, multiple=1, mean=7.0)
    sure = Rules(2.0, 0.1, 7, 2, 0.0, (0.5, 0.5), (2, 9), 0.0)
    rng = np.random.default_rng(1)
    orders, stock = simulate(sales_of(units), conditions, sure, days=364, first_weekday=0, rng=rng)
    check_identity(units, orders, stock)
    late = orders.is_expedited & (orders.ordered > 30)
    assert not late.any() and not stock.stockout_days[5:].any()
    # what is ordered in the long run is what is sold
    settled = orders.ordered >= 60
    assert abs(orders.quantity[settled].sum() / UNIT / 5 / (364 - 60) - 1) < 0.1


def test_a_missing_unit_arrives_by_emergency_before_the_sale() -> None:
    units = np.zeros((60, 1), dtype=np.int64)
    units[40, 0] = 500
    orders, stock = simulate(
        sales_of(units), terms(1, 10, 0.2), RULES, days=60, first_weekday=0, rng=np.random.default_rng(2)
    )
    check_identity(units, orders, stock)
    (rush,) = np.flatnonzero(orders.is_expedited)
    assert (orders.ordered[rush], orders.first[rush], orders.promised[rush]) == (38, 40, 40)


def test_no_sales_at_all_are_simulated_too() -> None:
    empty = Sales(np.zeros(15, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    orders, stock = simulate(empty, terms(0, 5, 0.2), RULES, days=14, first_weekday=0, rng=np.random.default_rng(3))
    assert len(orders.quantity) == 0 and stock.on_hand.shape == (2, 0)
