"""Raw demand, usual demand and the reason side by side: against the tests called by hand, series for series."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from strata.conformed import history
from strata.conformed.baseline import Judged, beside
from strata.demand.outliers import REASONS, clean
from tests.strata.conformed.past import demand_history
from tests.strata.conformed.place import Place

MONTHS = [date(2025 + at // 12, at % 12 + 1, 1) for at in range(1, 16)]  # February 2025 to April 2026
STEADY = [100, 104, 97, 101, 99, 300, 103, 98, 102, 100, 240, 96, 101, 20, 99]
SELDOM = [5, 0, 0, 6, 0, 4, 0, 5, 0, 0, 6, 0, 90, 5, 4]


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """Two series of fifteen closed months and the open one: July 2025 is a spike, December a promotion, March a dip."""
    place = Place(tmp_path)
    place.item("SELDOM")
    for sku, sizes in (("I1", STEADY), ("SELDOM", SELDOM)):
        for month, size in zip(MONTHS, sizes, strict=True):
            if size:
                place.sale(f"{month:%Y-%m}-10T10:00:00Z", sku_id=sku, quantity=Decimal(size))
        place.sale("2026-05-02T10:00:00Z", sku_id=sku, quantity=Decimal(500))
    place.promotion("2025-12-05", "2025-12-20")
    return place


def judged(place: Place) -> list[dict[str, Any]]:
    table, _ = demand_history(place.view("2026-05"))
    return table.to_pylist()


def changed(rows: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[Decimal, float, str, bool]]:
    return {
        (row["sku_id"], f"{row['period_start']:%Y-%m}"): (
            row["demand_units"], float(row["baseline_units"]), row["adjustment_reason"], row["is_outlier"]
        )
        for row in rows
        if row["baseline_units"] != row["demand_units"]
    }  # fmt: skip


@pytest.mark.capability("3.4", part="raw demand, baseline and reason are kept, by item, location and period")
def test_raw_demand_baseline_and_reason_stand_side_by_side(here: Place) -> None:
    rows = judged(here)
    found = changed(rows)
    assert {key: (one[0], one[2], one[3]) for key, one in found.items()} == {
        ("I1", "2025-07"): (300, "spike", True), ("I1", "2025-12"): (240, "promotion", False),
        ("I1", "2026-03"): (20, "dip", True), ("SELDOM", "2026-02"): (90, "large_demand", True),
    }  # fmt: skip
    assert all(95 < one[1] < 105 for key, one in found.items() if key[0] == "I1")
    assert 6 < found[("SELDOM", "2026-02")][1] < 90
    # The other bucket and the open month are as they were asked for, and no demand is lost.
    assert all(row["baseline_units"] == row["demand_units"] for row in rows if row["bucket"] == "week")
    assert [row["is_partial"] for row in rows if row["demand_units"] == 500] == [True] * 4
    assert sum(row["demand_units"] for row in rows if row["bucket"] == "month") == sum(STEADY) + sum(SELDOM) + 1000


def test_every_series_is_what_its_own_test_says(here: Place) -> None:
    rows = [row for row in judged(here) if row["bucket"] == "month" and not row["is_partial"]]
    rule = here.view("2026-05").scheme.outliers
    assert rule is not None
    for sku, sizes, seldom in (("I1", STEADY, False), ("SELDOM", SELDOM, True)):
        promoted = np.array([[sku == "I1" and month == date(2025, 12, 1) for month in MONTHS]])
        by_hand = clean(
            np.array([sizes], dtype=float), np.ones(promoted.shape, dtype=bool), promoted, np.array([seldom]),
            rule=rule, season=12,
        )  # fmt: skip
        own = {row["period_start"]: row for row in rows if row["sku_id"] == sku}
        for at, month in enumerate(MONTHS):
            if month in own:
                assert float(own[month]["baseline_units"]) == pytest.approx(by_hand.baseline[0, at], abs=1e-4)
                assert (own[month]["adjustment_reason"] or "") == REASONS[by_hand.reason[0, at]]


def test_rows_that_come_in_small_batches_are_the_same(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = judged(here)
    monkeypatch.setattr(history, "BATCH_ROWS", 1)
    assert judged(here) == whole


def test_a_period_without_stock_is_not_judged(here: Place) -> None:
    here.count("2025-07-31", 31, 31)
    found = changed(judged(here))
    assert ("I1", "2025-07") not in found and ("I1", "2026-03") in found


def test_a_scheme_without_the_part_leaves_demand_as_it_is(here: Place) -> None:
    del here.scheme["outliers"]
    rows = judged(here)
    assert not changed(rows) and not any(row["is_outlier"] or row["adjustment_reason"] for row in rows)


@pytest.mark.parametrize("count", [1, 3])
def test_rows_that_were_not_judged_are_refused(count: int) -> None:
    batch = pa.record_batch({"bucket": ["month", "week", "month"]})
    with pytest.raises(ValueError, match=f"2 rows of bucket month, {count} were judged"):
        list(beside([batch], Judged("month", np.zeros(count, np.int8), np.zeros(count))))
