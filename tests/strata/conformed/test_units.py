"""Lines that look booked in another unit: out of the demand, their periods unknown, the identity whole."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from expectations.reconciliation import SIGNS
from strata.conformed.history import View, intake_summary
from tests.strata.conformed.past import demand_history
from tests.strata.conformed.place import Place


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """I1 in pieces of 2 EUR, ten lines a month, from October to January; from 11 February in cases of 12."""
    here = Place(tmp_path)
    here.item("I2")
    for month in ("2025-10", "2025-11", "2025-12", "2026-01", "2026-02", "2026-03"):
        for day in range(1, 21, 2):
            is_case = f"{month}-{day:02d}" >= "2026-02-11"
            quantity = Decimal(12 if not is_case else 1)
            here.sale(f"{month}-{day:02d}T10:00:00Z", quantity=quantity, net_amount=Decimal(24))
            here.sale(f"{month}-{day:02d}T10:00:00Z", sku_id="I2", quantity=Decimal(6), net_amount=Decimal(12))
    return here


def months(view: View, sku_id: str) -> dict[str, tuple[Any, ...]]:
    history, reconciliation = demand_history(view)
    residual = sum(SIGNS[row["line"]] * row["units"] for row in reconciliation.to_pylist() if row["bucket"] == "month")
    assert residual == 0
    return {
        str(row["period_start"])[:7]: (int(row["demand_units"]), row["is_censored"], row["adjustment_reason"])
        for row in history.to_pylist()
        if row["bucket"] == "month" and row["sku_id"] == sku_id
    }


@pytest.mark.capability("2.2", part="a jump by a pack factor without a unit event is found and set aside")
def test_b24_lines_in_another_unit_are_set_aside_and_their_periods_unknown(here: Place) -> None:
    found = months(here.view("2026-04"), "I1")
    assert found["2026-01"] == (120, False, None)
    assert found["2026-02"] == (60, True, "unit_jump")  # five lines in pieces; the five in cases are left out
    assert found["2026-03"] == (0, True, "unit_jump")
    assert set(months(here.view("2026-04"), "I2").values()) == {(60, False, None)}
    summary = intake_summary(here.view("2026-04")).iloc[0]
    assert (summary["refused_rows"], summary["sales_rows"]) == (10, 20)


def test_b24_a_unit_that_is_stated_is_converted_and_no_jump(here: Place) -> None:
    for row in here.rows["fct_sales_line"]:
        if row["sku_id"] == "I1" and row["quantity"] == 1:
            row["unit"] = "CS"
    here.unit("CS", "12")
    assert set(months(here.view("2026-04"), "I1").values()) == {(120, False, None)}


@pytest.mark.parametrize("change", [{"exempt": ["I1"]}, None])
def test_the_scheme_may_exempt_an_item_or_make_no_test(here: Place, change: dict[str, Any] | None) -> None:
    here.scheme["unit_jump"] = here.scheme["unit_jump"] | change if change else None
    assert months(here.view("2026-04"), "I1")["2026-03"] == (10, False, None)


def test_before_the_jump_is_known_nothing_is_set_aside(here: Place) -> None:
    for row in here.rows["fct_sales_line"]:
        row["known_from"] = row["ordered_at"]
    assert {reason for _, _, reason in months(here.view("2026-02"), "I1").values()} == {None}
