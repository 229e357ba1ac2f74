"""Which promise binds, by hand, by properties, and by a slow reading of the same sentence; risk by enumeration."""

from itertools import product
from math import comb
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.inventory.breach import breach_probability, sla_register
from strata.inventory.policy import policies
from strata.inventory.service import binding, scoped, service_targets
from strata.scheme.model import Scheme
from strata.tables import SERVICE_TARGET, SLA_REGISTER
from tests.strata.inventory.test_policy import EAST, SCHEME, keys, with_policy

assert SCHEME.service is not None
RULE = SCHEME.service
TERM: dict[str, Any] = {
    "scope_type": "total", "scope_value": None, "metric": "fill_rate", "target_share": 0.99, "target_hours": None,
    "priority": 1, "basis": "line", "measurement_window": "month", "penalty_type": "none", "penalty_share": None,
    "penalty_amount": None, "currency": None, "valid_from": pd.Timestamp("2017-01-01").date(), "valid_until": None,
    "account_id": "A1", "customer_id": None,
}  # fmt: skip
ITEMS = pd.DataFrame(
    [("00000", "MEAT", "BEEF"), ("00001", "meat ", "PORK"), ("00002", None, None)],
    columns=["sku_id", "category", "family"],
)
BOUGHT = pd.DataFrame(
    [("*", "00000", 100, 1000), ("*", "00001", 100, 500), ("*", "00002", 10, 10), ("A1", "00000", 50, 500),
     ("A1", "00001", 4, 20), ("A2", "00000", 10, 100), ("A2", "00002", 10, 10)],
    columns=["holder_id", "sku_id", "lines", "revenue"],
).astype({"lines": float, "revenue": float})  # fmt: skip


def terms(*changes: dict[str, Any]) -> pd.DataFrame:
    rows = [
        {**TERM, "contract_id": f"K{at}", "term_id": "t", "holder_id": "A1", **one} for at, one in enumerate(changes)
    ]
    frame = pd.DataFrame(rows)
    frame["sla_id"] = frame["contract_id"] + "/" + frame["term_id"]
    frame["scope_id"] = pd.factorize(pd.MultiIndex.from_frame(frame[["holder_id", "scope_type", "scope_value"]]))[0]
    return frame


def bound(*changes: dict[str, Any]) -> pd.DataFrame:
    told = terms(*changes)
    return binding(scoped(told, BOUGHT, ITEMS), told, rule=RULE)


def targets(places: pd.DataFrame, *changes: dict[str, Any], scheme: Scheme = SCHEME) -> pd.DataFrame:
    return service_targets(places, bound(*changes), scheme=scheme, partition=EAST, bucket="week")


def test_scopes_hold_what_they_name() -> None:
    scopes = [
        {}, {"scope_type": "category", "scope_value": " Meat"}, {"scope_type": "family", "scope_value": "PORK"},
        {"scope_type": "item", "scope_value": "00000"}, {"scope_type": "category", "scope_value": "FISH"},
        {"scope_type": "category", "scope_value": None}, {"holder_id": "A3"},
    ]  # fmt: skip
    found = scoped(terms(*scopes), BOUGHT, ITEMS).groupby("scope_id")["sku_id"].apply(list).to_dict()
    assert found == {0: ["00000", "00001"], 1: ["00000", "00001"], 2: ["00001"], 3: ["00000"]}
    assert scoped(terms({}), BOUGHT, ITEMS)["line_share"].tolist() == [0.5, 0.04]


@pytest.mark.capability("1.2", part="the strictest promise of customers that weigh enough binds, by hand")
def test_the_strictest_promise_of_customers_that_weigh_enough_binds() -> None:
    found = bound(
        {"target_share": 0.98},
        {"holder_id": "A2", "target_share": 0.99},
        {"target_share": 0.995, "priority": 3},
        {"target_share": 0.999, "metric": "otif"},
        {"metric": "lead_time", "target_share": None, "target_hours": 48.0},
        {"holder_id": "A2", "metric": "lead_time", "target_share": None, "target_hours": 36.0, "priority": 2},
    )
    assert found.loc["00000"].tolist() == ["K1/t", "fill_rate", 0.99, 0.1, 1.5]
    assert "00001" not in found.index, "4 of 100 lines are fewer than one in twenty"
    assert found.loc["00002", ["binding_sla_id", "sla_line_share"]].tolist() == ["K1/t", 1.0]


def test_of_equal_promises_the_better_priority_binds_then_the_first_by_id() -> None:
    assert bound({"priority": 2}, {"holder_id": "A2", "priority": 1}).loc["00000", "binding_sla_id"] == "K1/t"
    assert bound({}, {"holder_id": "A2"}).loc["00000", "binding_sla_id"] == "K0/t"


SHARES = st.sampled_from([0.9, 0.95, 0.97, 0.99])


@settings(max_examples=40)
@given(
    st.lists(
        st.fixed_dictionaries({
            "holder_id": st.sampled_from(["A1", "A2", "A3"]), "target_share": SHARES, "priority": st.integers(1, 4),
            "metric": st.sampled_from(["fill_rate", "availability", "otif", "lead_time"]),
            "target_hours": st.sampled_from([24.0, 48.0, 72.0]),
            "scope_type": st.sampled_from(["total", "category"]), "scope_value": st.sampled_from(["MEAT", "FISH"]),
        }),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_what_binds_is_what_the_sentence_says(some: list[dict[str, Any]]) -> None:
    """The rule read aloud, item by item and term by term; and no term makes a target less strict."""
    told = terms(*some)
    found = binding(scoped(told, BOUGHT, ITEMS), told, rule=RULE)
    for sku, category in (("00000", "meat"), ("00001", "meat"), ("00002", "")):
        total = BOUGHT.query("holder_id == '*' and sku_id == @sku")["lines"].iloc[0]
        best, hours = None, []
        for term in told.to_dict("records"):
            mine = BOUGHT[(BOUGHT["holder_id"] == term["holder_id"]) & (BOUGHT["sku_id"] == sku)]["lines"].sum()
            reaches = term["scope_type"] == "total" or term["scope_value"].lower() == category
            if term["priority"] > 2 or not reaches or mine == 0 or mine / total < 0.05:
                continue
            if term["metric"] in ("fill_rate", "availability"):
                mark = (-term["target_share"], term["priority"], term["sla_id"])
                best = mark if best is None else min(best, mark)
            elif term["metric"] == "lead_time":
                hours.append(term["target_hours"])
        if best is None and not hours:
            assert sku not in found.index
            continue
        row = found.loc[sku]
        assert (
            (row["binding_sla_id"] == best[2] and row["sla_target"] == -best[0]) if best else pd.isna(row["sla_target"])
        )
        assert row["promised_lead_time_days"] * 24 == min(hours) if hours else pd.isna(row["promised_lead_time_days"])


@pytest.mark.capability(
    "1.2", part="the effective target is the larger of segment and promise, with the term that binds"
)
def test_the_larger_of_segment_and_promise_is_the_target() -> None:
    places = keys({}, {"segment": "CZ"}, {"segment": "CZ", "sku_id": "00009"})
    found = targets(places, {"target_share": 0.97}, {"holder_id": "A2", "target_share": 0.96})
    assert list(found.columns) == SERVICE_TARGET.names and SERVICE_TARGET.conform(found).num_rows == 3
    assert found["service_target"].tolist() == [0.98, 0.85, 0.85]
    assert found["decision_reason"].tolist() == ["segment;sla:below_segment", "segment", "segment"]
    strict = targets(places, {"target_share": 0.99}, {"holder_id": "A2", "target_share": 0.96})
    assert strict["binding_sla_id"].tolist()[0] == "K0/t" and strict["service_target"].tolist()[0] == 0.99
    assert strict["segment_target"].tolist() == [0.98, 0.85, 0.85]


def test_the_policy_for_a_target_is_that_of_a_segment_with_it() -> None:
    row = targets(keys({}), {"target_share": 0.99}).iloc[0]
    same = policies(keys({}), scheme=with_policy(service_target=0.99), partition=EAST, bucket="week").iloc[0]
    assert row["holding_cost_year"] == pytest.approx(same["holding_cost_year"])
    assert row["required_csl"] == pytest.approx(same["expected_csl"])


def test_a_promise_by_another_measure_binds_where_the_policy_gives_less() -> None:
    scheme = with_policy(service_metric="csl", service_target=0.9)
    given_fill = policies(keys({}), scheme=scheme, partition=EAST, bucket="week")["expected_fill_rate"].iloc[0]
    for share, binds in ((given_fill - 0.001, False), (given_fill + 0.001, True)):
        row = targets(keys({}), {"target_share": share}, scheme=scheme).iloc[0]
        assert (row["service_metric"], row["service_target"]) == (("fill_rate", share) if binds else ("csl", 0.9))


@pytest.mark.capability("1.2", part="a target that no policy reaches is named with its reason")
def test_targets_out_of_reach_are_named() -> None:
    promise = {"target_share": 0.9995}
    quick = {"metric": "lead_time", "target_share": None, "target_hours": 48.0}
    dead = {"lifecycle_state": "dead"}
    assert targets(keys({}), promise)["decision_reason"].tolist() == ["sla;infeasible:csl_above_maximum"]
    found = targets(keys(dead), promise).iloc[0]
    assert (found["decision_reason"], found["is_feasible"]) == ("sla;infeasible:not_stocked:lifecycle_dead", False)
    found = targets(keys({"segment": "UU", "lead_time_mean_days": 3.0}), quick).iloc[0]
    assert (found["decision_reason"], found["is_feasible"]) == ("none;infeasible:lead_time_above_promise", False)
    assert targets(keys({"segment": "UU", "lead_time_mean_days": 2.0}), quick).iloc[0]["is_feasible"] is True
    nothing = targets(keys({"segment": "UU", "sku_id": "00009"}), quick).iloc[0]
    assert nothing["is_feasible"] is None and nothing["decision_reason"] == "none"


@settings(max_examples=15)
@given(st.lists(SHARES, min_size=1, max_size=3), st.sampled_from(["AX", "BY", "CZ", "UU"]))
def test_a_promise_more_never_lowers_a_target(shares: list[float], segment: str) -> None:
    places = keys({"segment": segment})
    fewer = targets(places, *({"target_share": share} for share in shares))["service_target"].iloc[0]
    more = targets(places, *({"target_share": share} for share in [*shares, 0.96]))["service_target"].iloc[0]
    assert more >= fewer and more >= 0.96


CASES = list(product([1, 2, 7, 30], [0.0, 0.6, 0.95, 1.0], [0.5, 0.9, 1.0]))


@pytest.mark.parametrize(("lines", "service", "target"), CASES)
def test_the_risk_is_that_of_so_many_lines_one_by_one(lines: int, service: float, target: float) -> None:
    short = sum(
        comb(lines, served) * service**served * (1 - service) ** (lines - served)
        for served in range(lines + 1)
        if served < target * lines - 1e-9
    )
    found = breach_probability(np.array([service]), np.array([target]), np.array([float(lines)]))
    assert found[0] == pytest.approx(short)


@pytest.mark.capability("1.2", part="breach risk of every term in force and what it is expected to cost")
def test_the_register_says_what_a_term_is_about_and_risks() -> None:
    told = terms(
        {"penalty_type": "share_of_value", "penalty_share": 0.03, "target_share": 0.95},
        {"metric": "otif"},
        {"holder_id": "A2", "penalty_type": "per_event", "penalty_amount": 100, "measurement_window": "year"},
        {"holder_id": "A3"},
        {"holder_id": "A2", "penalty_type": "per_day", "penalty_amount": 5, "priority": 3},
    )
    pairs = scoped(told, BOUGHT, ITEMS)
    places = keys({}, {"sku_id": "00001"}, {"sku_id": "00001", "location_id": "d2", "mean_units": 60.0})
    policy = policies(places, scheme=SCHEME, partition=EAST, bucket="week")
    policy.loc[0, "expected_fill_rate"] = 0.9
    policy.loc[1:, "expected_fill_rate"] = [0.8, 0.96]
    wanted = targets(places, {"target_share": 0.99})
    found = sla_register(told, pairs, wanted, policy, years=0.5, scheme=SCHEME, partition=EAST)
    assert SLA_REGISTER.conform(found).num_rows == 5
    first, otif, event, none, low = found.to_dict("records")
    # Item 1 is sold three times as much at d2: (0.8 + 3 x 0.96) / 4 = 0.92; 50 and 4 lines in half a year.
    assert first["expected_service"] == pytest.approx((50 * 0.9 + 4 * 0.92) / 54)
    assert (first["items"], first["lines_year"], first["revenue_year"], first["bound_places"]) == (2, 108, 1040, 1)
    risk = breach_probability(np.array([first["expected_service"]]), np.array([0.95]), np.array([9.0]))[0]
    assert first["breach_probability"] == pytest.approx(risk) and 0 < risk < 1
    assert first["expected_penalty_year"] == pytest.approx(risk * 0.03 * 1040)
    assert first["shortfall"] == pytest.approx(0.95 - first["expected_service"])
    assert otif["decision_reason"] == "metric_not_of_stock" and np.isnan(otif["breach_probability"])
    # Item 2 is not planned: only the ten lines of item 0 count, twenty a year in one window.
    assert (event["items"], event["lines_year"]) == (1, 20) and event["expected_service"] == pytest.approx(0.9)
    assert event["expected_penalty_year"] == pytest.approx(100 * event["breach_probability"])
    assert none["decision_reason"] == "nothing_ordered_in_scope" and none["lines_year"] == 0
    assert low["decision_reason"] == "priority_below_rule" and np.isnan(low["expected_penalty_year"])


def test_what_no_place_stocks_serves_nothing() -> None:
    told = terms({})
    policy = policies(keys({"segment": "UU"}, {}), scheme=SCHEME, partition=EAST, bucket="week")
    found = sla_register(
        told, scoped(told, BOUGHT, ITEMS), targets(keys({}), {}), policy, years=1, scheme=SCHEME, partition=EAST
    ).iloc[0]
    assert found["unstocked_line_share"] == pytest.approx(50 / 54)
    assert found["expected_service"] == pytest.approx(4 / 54 * policy["expected_fill_rate"].iloc[1])


def test_a_scheme_without_the_rule_has_no_rows() -> None:
    scheme = SCHEME.model_copy(update={"service": None})
    assert targets(keys({}), {}, scheme=scheme).empty
    told = terms({})
    assert sla_register(
        told, scoped(told, BOUGHT, ITEMS), targets(keys({}), {}), pd.DataFrame(), years=1, scheme=scheme, partition=EAST
    ).empty
