"""What a map may say, and how it is told what is wrong."""

from pathlib import Path
from typing import Any

import pytest

from strata.panel.company import scheme_variant
from strata.panel.mapping import MapError, load_map
from strata.scheme.model import Scheme
from tests.strata.panel.companies import BASE, panel_map, write_map


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"columns": BASE["columns"] | {"price": "price2"}}, r"columns: \['price'\] are none of sku_id"),
        ({"columns": {"sku_id": "item", "date": "day"}}, "columns: location_id, quantity must be named"),
        ({"columns": BASE["columns"] | {"category": "item"}}, r"columns: \['item'\] is named for two things"),
        ({"columns": BASE["columns"] | {"order_id": "o"}}, "name both or neither"),
        ({"time_zone": "CET/Berlin"}, "is not an IANA time zone such as Europe/Berlin"),
        ({"currency": "dollars"}, "currency: String should match"),
        ({"cycles": 0}, "cycles: Input should be greater"),
        ({"drop": {}}, "drop: say before, after or both"),
        ({"drop": {"before": "2015-02-01", "after": "2015-01-31"}}, "nothing is left between"),
        ({"regions": {"ca": {}}}, "region 'ca' is not allowed"),
        ({"regions": {"CA": {"values": ["X"]}, "TX": {"values": ["X"]}}}, r"values \['X'\] stand in two regions"),
        ({"unit_price": {"constant": 1.0}}, "one of the two"),
        ({"unit_cost": {"share_of_price": 1.2}}, "unit_cost.share_of_price: Input should be less than 1"),
        ({"value_basis": "margin"}, "margin needs a cost: name a column unit_cost, say unit_cost"),
        ({"planning_bucket": "week"}, "planning_bucket: week cannot be made of demand by month, .* choose month"),
        ({"classification_bucket": "day"}, "classification_bucket: day cannot be made of demand by month"),
        ({"grain": "week", "classification_bucket": "month"}, "month cannot be made of demand by week.* choose week"),
    ],
)  # fmt: skip
def test_a_wrong_map_is_told_file_key_and_advice(changes: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(MapError, match=told) as caught:
        load_map(write_map(tmp_path / "MAP.yml", **changes))
    assert str(tmp_path / "MAP.yml") in str(caught.value)


def test_a_map_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MapError, match=r"none\.yml: no such map"):
        load_map(tmp_path / "none.yml")


@pytest.mark.parametrize(
    ("grain", "classification", "planning", "planning_periods", "horizon", "window"),
    [
        ("event", "month", "week", 104, 13, 12),
        ("day", "month", "week", 104, 13, 12),
        ("month", "month", "month", 24, 3, 12),
        ("week", "week", "week", 104, 13, 52),
    ],
)
def test_periods_of_the_scheme_keep_their_length_in_time(
    grain: str, classification: str, planning: str, planning_periods: int, horizon: int, window: int
) -> None:
    """A year stays a year: 12 months are 52 weeks, two years of weeks are 24 months."""
    scheme = Scheme.model_validate(scheme_variant(panel_map(grain=grain), "panel.csv"))
    assert (scheme.buckets.classification, scheme.buckets.planning) == (classification, planning)
    assert scheme.buckets.planning_periods == planning_periods
    assert scheme.forecast.horizon_periods == horizon
    assert scheme.value.window_cycles == window
    assert scheme.fallback.min_periods == scheme.variability.min_periods
    assert (scheme.class_level, scheme.exclusions) == ("location", ())


def test_what_the_map_assumes_stands_in_the_scheme() -> None:
    margin = scheme_variant(panel_map(value_basis="margin", unit_cost={"share_of_price": 0.7}), "panel.csv")
    assert "assumed to be 0.7 of" in margin["value"]["rationale"]
    assert margin["value"]["basis"] == "margin"
    columns = {key: name for key, name in BASE["columns"].items() if key != "unit_price"}
    volume = scheme_variant(panel_map(columns=columns, unit_price={"constant": 1.0}), "panel.csv")
    assert "classes rank by volume" in volume["value"]["rationale"]
    with pytest.raises(MapError, match="a day is too short a period for a class; choose week or month"):
        scheme_variant(panel_map(grain="day", classification_bucket="day"), "panel.csv")
