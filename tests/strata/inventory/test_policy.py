"""Every item-location gets a row: its policy with the service that it truly gives, or none with the reason."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.inventory.distributions import demand
from strata.inventory.policy import policies, span_variance
from strata.inventory.reorder import Control, service
from strata.partition import Partition
from strata.scheme.load import load_scheme
from strata.scheme.model import Scheme
from strata.tables import INVENTORY_POLICY

SCHEME = load_scheme(Path(__file__).resolve().parents[3] / "config/schemes/2017.1.yml").scheme
EAST = Partition("EAST", "2017-05")
ITEM: dict[str, Any] = {
    "sku_id": "00042", "location_id": "d1", "segment": "AX", "demand_class": "erratic", "lifecycle_state": "mature",
    "unit_cost": 4.0, "min_order_quantity": 1.0, "order_multiple": 6.0, "mean_units": 20.0, "error_sd_units": 16.0,
    "lead_time_mean_days": 14.0, "lead_time_sd_days": 3.5, "lead_time_level": "lane",
}  # fmt: skip


def keys(*changes: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([{**ITEM, "sku_id": f"{i:05d}", **change} for i, change in enumerate(changes)])


def run(*changes: dict[str, Any], scheme: Scheme = SCHEME) -> pd.DataFrame:
    return policies(keys(*changes), scheme=scheme, partition=EAST, bucket="week")


def with_policy(**policy: Any) -> Scheme:
    """The shipped scheme with another policy for AX."""
    changed = SCHEME.policies["AX"].model_copy(update=policy)
    return SCHEME.model_copy(update={"policies": {**SCHEME.policies, "AX": changed}})


def test_variance_over_a_random_lead_time() -> None:
    """methods.md fixture: mu 100, sd 20, L 9, sL 2."""
    assert np.sqrt(span_variance(100.0, 20.0, 9.0, 2.0)) == pytest.approx(208.8061, abs=1e-4)


@pytest.mark.capability("4.2", part="reorder point over lead time and review, lot rules kept")
def test_a_row_is_what_its_formula_says() -> None:
    """RS, gamma: lead time 2 weeks sd 0.5, review 1 week, sixes; P mean 60, variance 3 x 16^2 + (20 x 0.5)^2."""
    row = run({}).iloc[0]
    assert row["protection_mean_units"] == 60
    assert row["protection_sd_units"] == pytest.approx(np.sqrt(868))
    assert (row["policy_type"], row["service_metric"], row["service_target"], row["review_days"]) == (
        "RS",
        "fill_rate",
        0.98,
        7,
    )
    assert row["order_up_to_units"] == pytest.approx(row["reorder_point_units"] + 6)
    assert row["safety_stock_units"] == pytest.approx(row["order_up_to_units"] - 60)
    control = Control(demand("gamma", [40.0], [868 * 2 / 3]), demand("gamma", [60.0], [868.0]), np.array([6.0]))
    expected = service(control, [row["reorder_point_units"]])
    assert row["expected_fill_rate"] == pytest.approx(expected.fill_rate[0], abs=1e-12)
    assert row["expected_fill_rate"] == pytest.approx(0.98, abs=1e-6)
    assert row["expected_stock_units"] == pytest.approx(expected.expected_stock[0])
    assert row["holding_cost_year"] == pytest.approx(row["expected_stock_units"] * 4.0 * 0.20)
    assert row["decision_reason"] == "segment:AX;policy:RS;distribution:gamma;lead_time:lane"
    assert row["binding_constraint"] == "service"
    assert row["effective_from"] == date(2017, 5, 1)


def test_every_row_without_a_policy_says_why() -> None:
    found = run(
        {"segment": "UX"}, {"lifecycle_state": "dead"}, {"lifecycle_state": "eol"}, {"mean_units": 0.0},
        {"lead_time_mean_days": None, "lead_time_sd_days": None, "lead_time_level": "none"}, {"segment": None},
        {"mean_units": None}, {"error_sd_units": None}, {"mean_units": 0.9 / 52}, {},
    )  # fmt: skip
    starts = found["decision_reason"].str.split(";").str[0].tolist()
    assert starts == [
        "no_policy:segment", "no_policy:lifecycle_dead", "no_policy:lifecycle_eol", "no_policy:zero_demand",
        "no_policy:no_lead_time", "no_policy:no_segment", "no_policy:no_forecast", "no_policy:no_forecast_error",
        "no_policy:demand_below_minimum", "segment:AX",
    ]  # fmt: skip
    assert found["policy_type"].tolist() == ["none"] * 9 + ["RS"]
    assert (
        found.loc[:8, ["reorder_point_units", "expected_fill_rate", "review_days", "service_target"]].isna().all().all()
    )
    table = INVENTORY_POLICY.conform(found)
    assert table.num_rows == 10


def test_what_was_assumed_is_said() -> None:
    row = run({"order_multiple": None, "min_order_quantity": None, "lead_time_sd_days": None, "unit_cost": None}).iloc[
        0
    ]
    assert row["decision_reason"] == (
        "segment:AX;policy:RS;distribution:gamma;lead_time:lane;lead_time_sd:assumed_0;multiple:assumed_1"
        ";minimum:assumed_none;holding_cost:unit_cost_unknown"
    )
    assert row["order_multiple_units"] == 1
    assert np.isnan(row["holding_cost_year"])
    assert row["protection_sd_units"] == pytest.approx(16 * np.sqrt(3))


def test_lots_of_a_fixed_quantity_policy() -> None:
    """EOQ sqrt(2 x 20 x 52 x 25 / (4 x .2)) = 254.95 -> 258 in sixes; minimum 400 -> 402; no cost: one review."""
    scheme = with_policy(policy_type="sQ")
    found = run({}, {"min_order_quantity": 400.0}, {"unit_cost": None}, {"order_multiple": 600.0}, scheme=scheme)
    assert found["order_quantity_units"].tolist() == [258.0, 402.0, 24.0, 600.0]
    assert found["binding_constraint"].tolist() == ["service", "minimum_lot", "service", "order_multiple"]
    assert found["order_up_to_units"].isna().all()
    assert (found["expected_fill_rate"] >= 0.98).all()
    assert ";lot:review_demand" in found["decision_reason"][2]
    np.testing.assert_allclose(found["max_units"], found["reorder_point_units"] + found["order_quantity_units"])


def test_distribution_follows_the_demand_class_and_counts_are_whole() -> None:
    found = run(
        {"demand_class": "smooth", "error_sd_units": 5.0}, {"demand_class": "erratic"},
        {"demand_class": "lumpy", "mean_units": 0.7, "error_sd_units": 2.0, "order_multiple": 1.0},
        {"demand_class": "intermittent", "mean_units": 0.7, "error_sd_units": 0.5, "order_multiple": 1.0,
         "lead_time_sd_days": 0.0},
    )  # fmt: skip
    assert found["demand_distribution"].tolist() == ["normal", "gamma", "negative_binomial", "poisson"]
    points = found["reorder_point_units"].to_numpy()
    assert (points[2:] == np.floor(points[2:])).all()
    assert (found["expected_fill_rate"] >= found["service_target"] - 1e-12).all()


def test_cycle_service_targets_are_met_too() -> None:
    found = run(
        *[
            {"demand_class": kind, "mean_units": mean}
            for kind in ("smooth", "erratic", "lumpy")
            for mean in (0.4, 20.0)
        ],
        scheme=with_policy(service_metric="csl", service_target=0.95),
    )
    assert (found["expected_csl"] >= 0.95 - 1e-12).all()
    assert found["service_metric"].unique().tolist() == ["csl"]


item = st.fixed_dictionaries(
    {
        "segment": st.sampled_from(sorted(SCHEME.policies)),
        "demand_class": st.sampled_from(["smooth", "erratic", "intermittent", "lumpy", "none"]),
        "lifecycle_state": st.sampled_from(["intro", "mature", "decline", "eol", "dead"]),
        "unit_cost": st.one_of(st.none(), st.floats(0, 1e4)),
        "min_order_quantity": st.one_of(st.none(), st.floats(0, 1000)),
        "order_multiple": st.one_of(st.none(), st.sampled_from([0.0, 0.25, 1.0, 12.0, 500.0])),
        "mean_units": st.one_of(st.none(), st.floats(0, 1e5)),
        "error_sd_units": st.one_of(st.none(), st.floats(0, 1e5)),
        "lead_time_mean_days": st.one_of(st.none(), st.floats(0, 300)),
        "lead_time_sd_days": st.one_of(st.none(), st.floats(0, 60)),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(item, min_size=1, max_size=12), st.sampled_from(["RS", "sQ"]), st.sampled_from(["fill_rate", "csl"]))
def test_any_input_gives_a_row_that_meets_its_target(items: list[dict[str, Any]], kind: Any, metric: Any) -> None:
    found = run(*items, scheme=with_policy(policy_type=kind, service_metric=metric))
    INVENTORY_POLICY.conform(found)
    assert len(found) == len(items)
    live = found[found["policy_type"] != "none"]
    got = np.where(live["service_metric"] == "csl", live["expected_csl"], live["expected_fill_rate"])
    assert (got >= live["service_target"].to_numpy(dtype=float) - 1e-9).all()
    assert (live["expected_stock_units"] >= -1e-6 * (1 + live["max_units"])).all()
    multiples = live["order_quantity_units"] / live["order_multiple_units"]
    np.testing.assert_allclose(multiples, multiples.round(), rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.1, 200), st.floats(0.05, 3), st.floats(1.02, 1.6), st.sampled_from(["smooth", "erratic"]))
def test_safety_stock_rises_with_target_and_forecast_error(mean: float, cv: float, more: float, kind: str) -> None:
    base = {"mean_units": mean, "error_sd_units": mean * cv, "demand_class": kind, "order_multiple": 1.0}
    low, wide = run(base, {**base, "error_sd_units": mean * cv * more})["safety_stock_units"]
    high = run(base, scheme=with_policy(service_target=0.99))["safety_stock_units"][0]
    tiny = 1e-6 * (1 + mean)
    assert low <= wide + tiny and low <= high + tiny


def test_decimals_and_nullable_columns_are_read() -> None:
    frame = keys({}, {})
    frame["order_multiple"] = [Decimal("6.0000"), None]
    frame["mean_units"] = pd.array([20.0, None], dtype="Float64")
    found = policies(frame, scheme=SCHEME, partition=EAST, bucket="week")
    assert found["policy_type"].tolist() == ["RS", "none"]


def test_order_of_rows_does_not_matter() -> None:
    changes = [{"mean_units": float(m), "demand_class": c} for m in (1, 7, 90) for c in ("smooth", "erratic", "lumpy")]
    frame = keys(*changes)
    straight = INVENTORY_POLICY.conform(policies(frame, scheme=SCHEME, partition=EAST, bucket="week"))
    turned = INVENTORY_POLICY.conform(policies(frame.iloc[::-1], scheme=SCHEME, partition=EAST, bucket="week"))
    assert straight.equals(turned)


def test_no_rows_give_no_rows() -> None:
    assert len(policies(keys({}).iloc[:0], scheme=SCHEME, partition=EAST, bucket="week")) == 0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"segment": "QQ"}, "row 1, column segment: 'QQ'"),
        ({"demand_class": "wild"}, "row 1, column demand_class: 'wild'"),
        ({"mean_units": -1.0}, "row 1, column mean_units"),
        ({"unit_cost": np.inf}, "row 1, column unit_cost"),
    ],
)
def test_input_that_cannot_be_is_named(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        run({}, change)
