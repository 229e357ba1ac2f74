"""Sums over source rows and how they are said."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from strata.review.origins import Group, demand_of, left_out, sentences

SINCE, UNTIL = date(2026, 1, 1), date(2026, 4, 1)


def line(day: str, quantity: str, amount: str, kind: str = "demand", reason: str | None = None, **more: Any) -> Any:
    return {
        "local_date": date.fromisoformat(day), "quantity": Decimal(quantity), "net_amount": Decimal(amount),
        "line": kind, "reason": reason, "batch_id": "b1",
    } | more  # fmt: skip


ROWS = [
    line("2025-12-31", "1", "10"),
    line("2026-01-01", "2", "20.01", batch_id="b2"),
    line("2026-03-31", "3", "30.02"),
    line("2026-04-01", "4", "40"),
    line("2026-02-01", "5", "50", "excluded", "return"),
    line("2026-02-02", "6", "60", "excluded", "return"),
    line("2026-02-03", "0", "7", "quarantined", "orphan_item"),
]


def test_only_the_window_counts_and_the_rest_is_told() -> None:
    found = demand_of(ROWS, since=SINCE, until=UNTIL, stated=Decimal("50.03"))
    assert (found.order_lines, found.units, found.revenue, found.batches) == (2, Decimal(5), Decimal("50.03"), 2)
    assert (found.lines_before, found.lines_open, found.ties) == (1, 1, True)
    (said,) = sentences(found, [])
    assert said == (
        "Source: 2 order lines from 2026-01-01 until before 2026-04-01, out of 2 extracts, give 5 units and revenue "
        "50.03: that is the profile's revenue to the last decimal. Besides: 1 more before 2026-01-01; 1 more from "
        "2026-04-01 on, in a period still open."
    )


@pytest.mark.parametrize("stated", ["50.0299", "50.04"])
def test_a_sum_that_does_not_tie_says_by_how_much(stated: str) -> None:
    found = demand_of(ROWS, since=SINCE, until=UNTIL, stated=Decimal(stated))
    assert not found.ties
    assert f"differs by {Decimal(stated) - Decimal('50.03')}" in sentences(found, [])[0]


def test_converted_figures_count_where_the_line_has_them() -> None:
    rows = [line("2026-01-01", "2", "20", demand_units=Decimal(24), revenue=Decimal("18.5"))]
    found = demand_of(rows, since=SINCE, until=UNTIL, stated=Decimal("18.5"))
    assert (found.units, found.revenue, found.ties) == (Decimal(24), Decimal("18.5"), True)


def test_what_is_left_out_is_grouped_by_reason_largest_first() -> None:
    groups = left_out(ROWS)
    assert groups == [
        Group("excluded", "return", 2, Decimal(11), Decimal(110)),
        Group("quarantined", "orphan_item", 1, Decimal(0), Decimal(7)),
    ]
    said = sentences(demand_of(ROWS, since=SINCE, until=UNTIL, stated=None), groups)
    assert said[1].startswith("Left out: 2 order lines over 11 units and 110 were excluded (return): they are returns")
    assert "1 order line over 0 units and 7 was quarantined (orphan_item): the item was not in the item" in said[2]


def test_no_demand_in_the_window_is_said() -> None:
    found = demand_of(ROWS[:1], since=SINCE, until=UNTIL, stated=None)
    assert sentences(found, [])[0].startswith("Source: no order line from 2026-01-01 until before 2026-04-01")
