"""Lines into periods: against a loop over every line, the period that lines stand for, and the last whole one."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.calendar import Bucket, next_period, period_start
from strata.demand.lines import NEVER, SCALE, Lines, book, decimals, first_days, grain_of, number_of, summed

EPOCH = date(1970, 1, 1)


def number(day: date) -> int:
    return (day - EPOCH).days


def lines(rows: list[tuple[int, int, date, int, bool]], *, places: int = 2) -> Lines:
    """Lines of (item, place, day, units, out of stock) at a price of 3 and a cost of 1, unknown at place 1."""
    item, place, day, units, out = (list(part) for part in zip(*rows, strict=True))
    whole = np.array(units, dtype=np.int64) * SCALE
    return Lines(
        sku_id=np.array(["A", "B", "C"], dtype=object),
        location_id=np.array([f"L{at}" for at in range(places)], dtype=object),
        item=np.array(item, dtype=np.int64),
        place=np.array(place, dtype=np.int64),
        day=np.array([number(one) for one in day], dtype=np.int64),
        units=whole,
        revenue=whole * 3,
        margin=whole * 2,
        has_margin=np.array(place) != 1,
        is_out=np.array(out, dtype=bool),
        family=np.full(3, None, dtype=object),
        price=np.full(3, np.nan),
    )


@given(st.integers(0, 100_000), st.sampled_from(["week", "month"]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_sums_are_those_of_a_loop(seed: int, bucket: Bucket, by_place: bool) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        (int(rng.integers(3)), int(rng.integers(2)), date(2024, 1, 1) + timedelta(int(rng.integers(200))),
         int(rng.integers(0, 4)), bool(rng.random() < 0.3))
        for _ in range(40)
    ]  # fmt: skip
    data = lines(rows)
    booked = book(data, grain="day", bucket=bucket, since=None, until=None)
    last = max(row[2] for row in rows)
    stop = period_start(last + timedelta(1), bucket)
    assert date.fromordinal(EPOCH.toordinal() + int(first_days(np.array([booked.stop]), bucket)[0])) == stop
    periods, value, share = 3, 2, 0.1
    series = data.item * 2 + data.place if by_place else data.item
    found = summed(booked, series, 6, periods=periods, value_periods=value, min_stockout_share=share)
    starts = [next_period(stop, bucket, -at) for at in range(periods, 0, -1)]
    assert list(booked.periods(periods).starts) == starts
    for one in range(6):
        own = [(*row, period_start(row[2], bucket)) for row, at in zip(rows, series, strict=True) if at == one]
        for column, start in enumerate(starts):
            cell = [row for row in own if row[5] == start]
            assert found.units[one, column] == sum(row[3] for row in cell)
            shut = []
            for place in {row[1] for row in cell}:
                days = {row[2] for row in cell if row[1] == place and row[4]}
                shut.append(bool(days) and len(days) >= share * (next_period(start, bucket) - start).days)
            assert found.censored[one, column] == (bool(shut) and all(shut))
        closed = [row for row in own if row[5] < stop]
        inside = [row for row in closed if row[5] >= starts[periods - value]]
        assert found.sums["revenue"][one] == sum(row[3] for row in inside) * 3 * SCALE
        assert found.sums["margin"][one] == sum(row[3] for row in inside) * 2 * SCALE
        assert found.sums["demand_units"][one] == sum(row[3] for row in inside) * SCALE
        assert found.sums["order_lines"][one] == sum(row[3] > 0 for row in inside)
        assert found.sums["unknown_margins"][one] == sum(row[3] > 0 and row[1] == 1 for row in inside)
        sold = [row[5] for row in closed if row[3] > 0]
        places = [
            _between(starts[0], day, bucket)
            for day in (min(sold, default=None), max(sold, default=None))
        ]  # fmt: skip
        assert [found.first_sale[one], found.last_sale[one]] == [places[0] or NEVER if not sold else places[0],
                                                                 -NEVER if not sold else places[1]]  # fmt: skip
        assert found.first_line[one] == (_between(starts[0], min(row[5] for row in own), bucket) if own else NEVER)


def _between(begin: date, day: date | None, bucket: Bucket) -> int:
    if day is None:
        return 0
    count = 0
    while next_period(begin, bucket, count) < day:
        count += 1
    while next_period(begin, bucket, count) > day:
        count -= 1
    return count


@pytest.mark.parametrize(
    ("days", "grain"),
    [
        (["2024-01-01", "2024-02-01"], "month"),
        (["2024-01-31", "2024-02-29"], "month"),
        (["2024-01-15", "2024-02-15", "2024-05-15"], "month"),
        (["2024-01-01"], "month"),
        (["2024-01-15"], "day"),
        (["2024-01-07", "2024-01-14", "2024-02-04"], "week"),
        (["2024-01-07", "2024-01-15"], "day"),
    ],
)
def test_days_show_what_a_line_stands_for(days: list[str], grain: str) -> None:
    assert grain_of(np.array(days, dtype="datetime64[D]").astype(np.int64)) == grain


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.sampled_from(["day", "week", "month"]))
def test_numbers_of_periods_are_those_of_the_calendar(day: date, bucket: Bucket) -> None:
    mine = number_of(np.array([number(day)]), bucket)
    assert int(first_days(mine, bucket)[0]) == number(period_start(day, bucket))
    assert int(first_days(mine + 1, bucket)[0]) == number(next_period(period_start(day, bucket), bucket))


def test_sums_beyond_18_digits_are_refused() -> None:
    data = lines([(0, 0, date(2024, 1, day), 9 * 10**13, False) for day in range(1, 20)])
    booked = book(data, grain="day", bucket="month", since=None, until=None)
    with pytest.raises(ValueError, match="count in larger units"):
        summed(booked, data.item, 3, periods=1, value_periods=1, min_stockout_share=0.25)
    with pytest.raises(ValueError, match="a series' revenue has more than 14 digits"):
        decimals(np.array([10**18]), "revenue")
