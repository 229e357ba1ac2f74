"""Periods into matrices: the panel against a loop over every row, on histories drawn at random."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from strata.calendar import Bucket, closed_periods, first_open_period, next_period, period_start
from strata.conformed.history import View
from strata.conformed.profile import Window, demand_profile, panel
from strata.demand.panel import Panel
from strata.tables import DEMAND_HISTORY
from tests.strata.conformed.place import Place

CYCLE = "2026-04"
FIRST = {"month": date(2025, 1, 1), "week": date(2025, 9, 1)}


def history_row(sku: str, place: str, bucket: str, start: date, **change: Any) -> dict[str, Any]:
    row = {
        "sku_id": sku, "location_id": place, "region": "HERE", "cycle": CYCLE, "bucket": bucket, "period_start": start,
        "is_partial": False, "demand_units": Decimal(0), "baseline_units": Decimal(0), "revenue": Decimal(0),
        "margin": Decimal(0), "order_lines": 0, "is_promotion": False, "is_outlier": False, "is_censored": False,
        "adjustment_reason": None, "valid_for_cycle": CYCLE, "scheme_version": "2017.1",
    }  # fmt: skip
    return row | change


def drawn(seed: int) -> list[dict[str, Any]]:
    """Rows with demand, with a flag only, with both, and open ones; one item never sells."""
    rng = np.random.default_rng(seed)
    rows = []
    stops = {"month": date(2026, 4, 1), "week": date(2026, 3, 30)}
    for number in range(8):
        for place in ("L1", "L2"):
            for bucket in ("month", "week"):
                start = next_period(FIRST[bucket], bucket, int(rng.integers(0, 8)))
                while start <= stops[bucket]:
                    kind = rng.choice(["demand", "flag", "both", "none"], p=[0.5, 0.15, 0.1, 0.25])
                    sells = kind in ("demand", "both") and number != 7
                    units = Decimal(int(rng.integers(1, 60))) / 4 if sells else Decimal(0)
                    if kind != "none":
                        row = history_row(
                            f"I{number}", place, bucket, start,
                            is_partial=start == stops[bucket], demand_units=units, baseline_units=units,
                            revenue=units * 3, order_lines=2 if sells else 0,
                            margin=None if rng.random() < 0.05 else units, is_censored=kind in ("flag", "both"),
                        )  # fmt: skip
                        rows.append(row)
                    start = next_period(start, bucket)
    return rows


def slow(rows: list[dict[str, Any]], view: View, *, level: str, bucket: Bucket, length: int) -> dict[str, Any]:
    """What `panel` says, one row after the other."""
    zone = view.calendar.zone("HERE")
    closed = [row for row in rows if row["bucket"] == bucket and not row["is_partial"]]
    sold = [row["period_start"] for row in rows if row["bucket"] == bucket and row["order_lines"]]
    stop = first_open_period(view.cutoff, zone, bucket)
    begin = max(next_period(stop, bucket, -length), min(sold))
    starts = closed_periods(begin, view.cutoff, zone, bucket).starts
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in closed:
        groups.setdefault((row["sku_id"], "*" if level == "region" else row["location_id"]), []).append(row)
    found: dict[str, Any] = {
        "starts": starts,
        "keys": [],
        "units": [],
        "censored": [],
        "revenue": [],
        "margin": [],
        "sales": [],
    }
    for key in sorted(groups):
        series = groups[key]
        if not any(row["order_lines"] for row in series):
            continue
        found["keys"].append(key)
        cells = [[row for row in series if row["period_start"] == start] for start in starts]
        found["units"].append([float(sum(row["demand_units"] for row in cell)) for cell in cells])
        found["censored"].append([bool(cell) and all(row["is_censored"] for row in cell) for cell in cells])
        inside = [row for cell in cells for row in cell]
        margins = [row["margin"] for row in inside]
        found["revenue"].append(sum((row["revenue"] for row in inside), Decimal(0)))
        found["margin"].append(None if None in margins else sum(margins, Decimal(0)))
        days = [row["period_start"] for row in series if row["order_lines"]]
        found["sales"].append((min(days), max(days)))
    return found


def taken(place: Place, rows: list[dict[str, Any]], **how: Any) -> tuple[Panel, View]:
    view = place.view(CYCLE)
    table = DEMAND_HISTORY.conform(pa.Table.from_pylist(rows, schema=DEMAND_HISTORY.schema))
    return panel(view, table, Window(**how)), view


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("level", "bucket", "length"), [("region", "month", 12), ("location", "week", 10), ("location", "week", 200)]
)
def test_the_panel_is_what_a_loop_says(tmp_path: Path, seed: int, level: str, bucket: Bucket, length: int) -> None:
    place, rows = Place(tmp_path), drawn(seed)
    found, view = taken(place, rows, level=level, bucket=bucket, length=length)
    wanted = slow(rows, view, level=level, bucket=bucket, length=length)
    assert list(found.keys[["sku_id", "location_id"]].itertuples(index=False, name=None)) == wanted["keys"]
    assert found.periods.starts == wanted["starts"]
    np.testing.assert_array_equal(found.units, np.array(wanted["units"]))
    np.testing.assert_array_equal(found.censored, np.array(wanted["censored"]))
    assert found.keys["revenue"].tolist() == wanted["revenue"]
    assert [None if pd.isna(value) else value for value in found.keys["margin"]] == wanted["margin"]
    sales = list(found.keys[["first_sale", "last_sale"]].itertuples(index=False, name=None))
    assert sales == wanted["sales"]
    launches = [_slow_between(found.periods.starts[0], first, bucket) for first, _ in wanted["sales"]]
    assert found.launch_index.tolist() == launches


def _slow_between(begin: date, day: date, bucket: Bucket) -> int:
    count, start, target = 0, period_start(begin, bucket), period_start(day, bucket)
    while start < target:
        start, count = next_period(start, bucket), count + 1
    while start > target:
        start, count = next_period(start, bucket, -1), count - 1
    return count


def test_a_launch_date_of_the_master_comes_before_the_first_sale(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.rows["int_item_version"].clear()
    place.item("I1", launch_date=date(2025, 12, 15))
    rows = [history_row("I1", "L1", "month", date(2026, 2, 1), demand_units=Decimal(4), order_lines=1)]
    rows += [history_row("I2", "L1", "month", date(2025, 6, 1), demand_units=Decimal(4), order_lines=1)]
    found, _ = taken(place, rows, level="region", bucket="month", length=3)
    assert found.periods.starts == (date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1))
    assert found.launch_index.tolist() == [-1, -7]
    assert found.units.tolist() == [[0, 4, 0], [0, 0, 0]]


def test_a_region_is_censored_only_where_all_its_locations_are(tmp_path: Path) -> None:
    rows = [
        history_row("I1", place, "month", date(2026, 1, 1), demand_units=Decimal(1), order_lines=1)
        for place in ("L1", "L2")
    ]
    rows += [
        history_row("I1", place, "month", date(2026, 2, 1), is_censored=True, demand_units=Decimal(1), order_lines=1)
        for place in ("L1", "L2")
    ]
    rows += [history_row("I1", "L1", "month", date(2026, 3, 1), is_censored=True)]
    rows += [history_row("I1", "L2", "month", date(2026, 3, 1), demand_units=Decimal(2), order_lines=1)]
    found, _ = taken(Place(tmp_path), rows, level="region", bucket="month", length=12)
    assert found.censored.tolist() == [[False, True, False]]
    assert found.units.tolist() == [[2, 2, 2]]


@pytest.mark.capability("2.5", part="a censored period is left out of the profile, not counted as zero")
def test_a_month_without_stock_does_not_lower_the_mean(tmp_path: Path) -> None:
    def profile_of(march: dict[str, Any]) -> dict[str, Any]:
        months = [date(2025, 10, 1), date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1)]
        rows = [
            history_row("I1", "L1", "month", month, demand_units=Decimal(10), revenue=Decimal(30), order_lines=1)
            for month in months
        ]
        rows.append(history_row("I1", "L1", "month", date(2026, 3, 1), **march))
        rows.append(history_row("I2", "L1", "month", date(2026, 3, 1), demand_units=Decimal(1), order_lines=1))
        view = Place(tmp_path).view(CYCLE)
        table = DEMAND_HISTORY.conform(pa.Table.from_pylist(rows, schema=DEMAND_HISTORY.schema))
        return next(row for row in demand_profile(view, table, None).to_pylist() if row["location_id"] == "*")

    known, unknown = profile_of({}), profile_of({"is_censored": True, "adjustment_reason": "stockout"})
    assert (known["periods_observed"], known["periods_censored"]) == (6, 0)
    assert (unknown["periods_observed"], unknown["periods_censored"]) == (5, 1)
    assert known["mean_units_period"] == pytest.approx(50 / 6)
    assert unknown["mean_units_period"] == 10
    assert unknown["cv"] == 0 < known["cv"]


def test_a_partition_without_demand_has_no_profile(tmp_path: Path) -> None:
    assert demand_profile(Place(tmp_path).view(CYCLE), DEMAND_HISTORY.empty(), None).num_rows == 0
