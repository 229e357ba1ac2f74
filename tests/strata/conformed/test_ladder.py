"""The ladder read from a snapshot: heirs, silent places, stock-outs, and what becomes of them in class and forecast."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.conformed import decide
from strata.conformed.history import View
from strata.conformed.profile import demand_profile
from strata.demand.panel import unreported
from strata.durable import write_parquet
from strata.tables import SEGMENT_ASSIGNMENT
from tests.strata.conformed.past import demand_history
from tests.strata.conformed.place import Place

CYCLE = "2026-07"
NO_OVERRIDE = pd.DataFrame(
    columns=["override_id", "sku_id", "location_id", "value_class", "variability_class"], dtype=object
)


def sell(place: Place, sku_id: str, months: range, quantity: int, location_id: str = "L1") -> None:
    """One order a month, counted from January 2025, in every week of it."""
    for month in months:
        for day in (3, 10, 17, 24):
            moment = f"{2025 + (month - 1) // 12}-{(month - 1) % 12 + 1:02d}-{day:02d}T10:00:00"
            amounts = {"quantity": Decimal(quantity), "net_amount": Decimal(10 * quantity)}
            place.sale(moment, sku_id=sku_id, location_id=location_id, **amounts)


def decided(view: View, folder: Path, previous: pa.Table | None = None) -> dict[str, pd.DataFrame]:
    """Profile, assignment and forecast of the partition."""
    paths = {name: folder / f"{name}.parquet" for name in ("history", "profile")}
    history, _ = demand_history(view)
    write_parquet(paths["history"], history)
    rows = demand_profile(view, paths["history"], previous)
    write_parquet(paths["profile"], rows)
    assignment = decide.segment_assignment(view, paths["profile"], previous, NO_OVERRIDE)
    forecast = decide.demand_forecast(view, paths["history"], paths["profile"])
    return {"profile": rows.to_pandas(), "assignment": assignment.to_pandas(), "forecast": forecast.to_pandas()}


def of(frame: pd.DataFrame, sku_id: str, location_id: str = "*") -> dict[str, Any]:
    found = frame[(frame.sku_id == sku_id) & (frame.location_id == location_id)]
    assert len(found) > 0, (sku_id, location_id)
    return found.iloc[0].to_dict()


@pytest.mark.capability("2.5", part="a launched item is classed and forecast from its predecessor before it sells")
def test_an_item_that_never_sold_stands_on_its_predecessor(tmp_path: Path) -> None:
    place = Place(tmp_path / "s")
    sell(place, "I1", range(1, 19), 20)
    place.item("SMALL", family="OTHER")
    sell(place, "SMALL", range(1, 19), 1)
    place.item("HEIR", predecessor_sku_id="I1", launch_date=date(2026, 7, 15))
    place.item("LATER", predecessor_sku_id="I1", launch_date=date(2026, 9, 1))
    place.item("BLOCKED", predecessor_sku_id="I1", launch_date=date(2026, 6, 1), status="blocked")
    place.item("COUPON", predecessor_sku_id="I1", launch_date=date(2026, 6, 1), category="COUPON")
    found = decided(place.view(CYCLE), tmp_path)
    assert set(found["assignment"].sku_id) == {"I1", "SMALL", "HEIR"}
    row = of(found["assignment"], "HEIR")
    assert (row["segment"], row["fallback_level"]) == ("AX", "predecessor")
    assert row["decision_reason"] == "value:new_item;variability:new_item;fallback:predecessor"
    profile = of(found["profile"], "HEIR")
    assert profile["fallback_source"] == "I1"
    assert profile["expected_units_period"] == pytest.approx(80.0)
    ahead = of(found["forecast"], "HEIR", "L1")
    assert (ahead["method"], ahead["forecast_level"]) == ("lent_rate", "predecessor")
    assert ahead["mean_units"] == pytest.approx(of(found["profile"], "I1", "L1")["mean_units_period"])
    own = of(found["assignment"], "I1")
    assert (own["fallback_level"], own["fallback_reason"], own["segment"]) == ("own", None, "AX")


def test_an_heir_that_began_to_sell_is_one_series_of_its_region(tmp_path: Path) -> None:
    place = Place(tmp_path / "s")
    place.add("int_location_version", location_id="L2", region="HERE")
    for location in ("L1", "L2"):
        sell(place, "I1", range(1, 19), 20, location)
    place.item("HEIR", predecessor_sku_id="I1", launch_date=date(2026, 5, 1))
    sell(place, "HEIR", range(17, 19), 20)
    found = decided(place.view(CYCLE), tmp_path)
    heir = found["profile"][found["profile"].sku_id == "HEIR"].set_index("location_id")
    # Sold from one place, heir at both; the region is one series.
    assert sorted(heir.index) == ["*", "L1", "L2"]
    assert heir["order_lines"].to_dict() == {"*": 8, "L1": 8, "L2": 0}


@pytest.mark.capability("2.5", part="a silent place is unknown, not zero")
def test_a_site_that_stopped_reporting_keeps_its_rate(tmp_path: Path) -> None:
    place = Place(tmp_path / "s")
    place.add("int_location_version", location_id="L2", region="HERE")
    sell(place, "I1", range(1, 19), 5)
    sell(place, "I1", range(1, 17), 5, "L2")
    found = decided(place.view(CYCLE), tmp_path)
    silent, fed = of(found["profile"], "I1", "L2"), of(found["profile"], "I1", "L1")
    assert silent["periods_unreported"] > 7
    assert fed["periods_unreported"] == 0
    assert silent["mean_units_period"] == pytest.approx(fed["mean_units_period"], rel=0.05)
    assert silent["fallback_level"] == "own"
    assert silent["fallback_reason"].startswith("stale_feed:")
    assert silent["fallback_valid_until_cycle"] >= CYCLE
    assert of(found["forecast"], "I1", "L2")["mean_units"] == pytest.approx(5, rel=0.2)


def out_of_stock(place: Place, sku_id: str, first: date, last: date) -> None:
    for day in pd.date_range(first, last, freq="7D"):
        place.count(day.date().isoformat(), 7, 7, sku_id=sku_id)


@pytest.mark.capability("2.5", part="stock-out is censored demand; the last class is held until it expires")
def test_an_item_without_stock_keeps_its_class_and_then_loses_it(tmp_path: Path) -> None:
    place = Place(tmp_path / "s")
    rungs = place.scheme["fallback"]["rungs"]
    place.scheme["fallback"]["rungs"] = {"last_class": rungs["last_class"] | {"max_cycles": 11}}
    place.item("I2")
    sell(place, "I1", range(1, 19), 5)
    sell(place, "I2", range(1, 8), 50)
    out_of_stock(place, "I2", date(2025, 8, 4), date(2026, 7, 6))
    before = decided(place.view("2025-08"), tmp_path)["assignment"]
    assert of(before, "I2")["segment"] == "AX"
    previous = SEGMENT_ASSIGNMENT.conform(before)
    # Eleven of the twelve months are out of stock: one is observed, four are asked for.
    held = decided(place.view("2026-07"), tmp_path, previous)
    row = of(held["assignment"], "I2")
    assert (row["segment"], row["fallback_level"], row["fallback_valid_until_cycle"]) == ("AX", "last_class", "2026-07")
    assert row["fallback_reason"].startswith("stockout:11_periods")
    place.scheme["fallback"]["rungs"]["last_class"]["max_cycles"] = 10
    lost = of(decided(place.view("2026-07"), tmp_path, previous)["assignment"], "I2")
    assert (lost["variability_class"], lost["fallback_level"]) == ("U", "default")
    assert lost["fallback_reason"].endswith("last_class:expired")


@pytest.mark.capability("2.5", part="a new item is never a silent C")
def test_two_months_of_a_strong_seller_are_read_as_a_rate(tmp_path: Path) -> None:
    place = Place(tmp_path / "s")
    place.scheme["fallback"]["rungs"] = {}
    for number in range(2, 6):
        place.item(f"I{number}")
        sell(place, f"I{number}", range(1, 19), 10)
    sell(place, "I1", range(1, 19), 20)
    place.item("NEW")
    sell(place, "NEW", range(17, 19), 16)
    by_rate = of(decided(place.view(CYCLE), tmp_path)["assignment"], "NEW")
    assert (by_rate["value_class"], by_rate["fallback_level"]) == ("A", "default")
    assert by_rate["fallback_reason"] == "short_history:2_of_4_periods"
    place.scheme["fallback"]["default"] = "observed_total"
    assert of(decided(place.view(CYCLE), tmp_path)["assignment"], "NEW")["value_class"] == "C"


@pytest.mark.capability("2.5", part="a silent place is unknown, not zero")
@settings(max_examples=80, deadline=None)
@given(
    last=st.lists(st.tuples(st.sampled_from(["L1", "L2", "L3"]), st.integers(-3, 9)), min_size=1, max_size=8),
    stale=st.integers(1, 5),
)
def test_a_place_is_silent_after_the_last_line_of_any_item(last: list[tuple[str, int]], stale: int) -> None:
    count = 10
    places = np.array([place for place, _ in last], dtype=object)
    found = unreported(places, np.array([at for _, at in last]), count, stale_periods=stale)
    for row, (place, _) in enumerate(last):
        newest = max(max(at for other, at in last if other == place), -1)
        silent = count - 1 - newest
        wanted = [period > newest and silent >= stale for period in range(count)]
        assert found[row].tolist() == wanted
