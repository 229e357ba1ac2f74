"""The criteria report: classes on drawn samples against plain ones, every column by hand, the rule case by case."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.classify.agreement import cohen_kappa
from strata.classify.value import value_classes
from strata.review.criteria import Assortment, Candidate, criteria_report, share_codes
from strata.review.selection import StockTerms, class_cost
from strata.scheme.evidence import Evidence

CUTS, CV_CUTS = {"A": 0.8, "B": 0.95}, {"X": 0.5, "Y": 1.0}
RULE = Evidence(
    criteria=("revenue", "cost_ratio"), draws=2, seed=1, fill_rate=0.95, least_cycle_service=0.5,
    least_completeness=0.9, least_kappa=0.6, equal_cost=0.02, rationale="For a test of every column and rule.",
)  # fmt: skip
COUNT = 300


def assortment(seed: int = 3, count: int = COUNT) -> Assortment:
    rng = np.random.default_rng(seed)
    year = rng.lognormal(6, 1.2, count)
    terms = StockTerms(
        year, year / rng.integers(2, 26, count), year / 12 * rng.uniform(0.2, 1.2, count), rng.lognormal(0, 1, count)
    )
    return Assortment(np.zeros(count, dtype=np.int64), np.ones((2, count)), terms, np.arange(count))


def candidate(name: str, value: np.ndarray, noise: float = 0.05) -> Candidate:
    rng = np.random.default_rng(len(name))
    return Candidate(name, value, value * rng.lognormal(0, noise, (2, len(value))))


def report(candidates: list[Candidate], items: Assortment | None = None, **change: Any) -> pd.DataFrame:
    rule = RULE.model_copy(update=change)
    return criteria_report(
        candidates, items or assortment(), rule=rule, cuts=CUTS, cv_cuts=CV_CUTS, in_use=("revenue",)
    )


def ratio(items: Assortment) -> np.ndarray:
    terms = items.terms
    return terms.demand_units_year / (terms.order_units * terms.holding_cost_per_unit_year)


@given(st.lists(st.sampled_from([0.0, -1.0, 1.0, 2.0, 2.5, 40.0, 7.0, np.nan]), min_size=1, max_size=25))
@settings(max_examples=60, deadline=None)
def test_classes_of_a_draw_are_those_of_the_items_repeated(values: list[float]) -> None:
    value = np.array(values)
    names = np.array([f"S{at:02d}" for at in range(len(value))], dtype=object)
    once = share_codes(value[None, :], np.ones((1, len(value))), np.zeros(len(value), dtype=np.int64), cuts=CUTS)
    assert "".join("ABCU"[code] for code in once[0]) == "".join(value_classes(value, names, cuts=CUTS).value_class)
    # Each twice and thrice: no share moves. Drawn unevenly: as an assortment that holds the item so often.
    thrice = share_codes(value[None, :], np.full((1, len(value)), 3.0), np.zeros(len(value), dtype=np.int64), cuts=CUTS)
    assert (once == thrice).all()
    weight = np.arange(len(value)) % 3 + 1.0
    uneven = share_codes(value[None, :], weight[None, :], np.zeros(len(value), dtype=np.int64), cuts=CUTS)[0]
    many = np.repeat(value, weight.astype(int))
    repeated = value_classes(many, np.array([f"R{at:03d}" for at in range(len(many))], dtype=object), cuts=CUTS)
    first = np.cumsum(np.concatenate([[0], weight[:-1]])).astype(int)
    assert "".join("ABCU"[code] for code in uneven) == "".join(repeated.value_class[first])


def test_every_location_is_a_ranking_of_its_own() -> None:
    value = np.array([[100.0, 1, 1, 8, 1, 1]])
    apart = share_codes(value, np.ones((1, 6)), np.array([0, 0, 0, 1, 1, 1]), cuts=CUTS)[0]
    assert apart.tolist() == [0, 2, 2, 0, 1, 1]
    assert share_codes(value, np.ones((1, 6)), np.zeros(6, dtype=np.int64), cuts=CUTS)[0, 3] == 1


@pytest.mark.capability("1.1", part="every column of the criteria report, computed a second time")
def test_every_column_of_a_criterion_is_what_it_says() -> None:
    items = assortment()
    sold = np.random.default_rng(1).lognormal(4, 1.5, COUNT)
    sold[:9] = np.nan
    made = candidate("revenue", sold)
    other = Candidate("cost_ratio", np.sqrt(sold), np.sqrt(made.drawn))
    row = report([made, other]).set_index("criterion").loc["revenue"]
    known = sold[9:]
    assert row["completeness"] == pytest.approx((COUNT - 9) / COUNT) and row["items"] == COUNT
    assert row["gini"] == pytest.approx(np.abs(known[:, None] - known).mean() / (2 * known.mean()))
    names = np.array([f"S{at:03d}" for at in range(COUNT)], dtype=object)
    held = value_classes(sold, names, cuts=CUTS).value_class
    drawn = [value_classes(draw, names, cuts=CUTS).value_class for draw in made.drawn]
    assert row["kappa"] == pytest.approx(np.mean([cohen_kappa(held, again) for again in drawn]))
    assert row["top_items_share"] == pytest.approx((held == "A").sum() / (COUNT - 9), abs=1 / COUNT)
    whole = ((np.log(known) - np.log(known).mean()) ** 2).sum()
    within = sum(((part - part.mean()) ** 2).sum() for name in "ABC" for part in [np.log(sold[held == name])])
    assert row["separation"] == pytest.approx(1 - within / whole)
    assert (row["correlated_with"], row["correlation"]) == ("cost_ratio", pytest.approx(1.0))
    stocked = np.where(held == "U", "C", held)  # without a class it is stocked like the lowest
    cost, best, worst = (
        class_cost(one, items.terms, fill_rate=0.95, least_cycle_service=0.5).cost_year
        for one in (stocked, np.arange(COUNT), np.zeros(COUNT))
    )
    assert row["saved_share"] == pytest.approx((worst - cost) / (worst - best))
    assert row["cost_year"] == pytest.approx(cost) and row["regret_share"] == pytest.approx(cost / best - 1)
    assert row["is_in_use"] and row["priced_places"] == COUNT


@pytest.mark.capability("1.1", part="a recommendation with the rule that made it")
def test_the_cheapest_of_the_sure_criteria_is_recommended_and_the_others_say_why_not() -> None:
    items = assortment()
    rng = np.random.default_rng(5)
    gap = ratio(items).copy()
    gap[: COUNT // 5] = np.nan
    found = report([
        candidate("revenue", items.terms.demand_units_year),
        candidate("cost_ratio", ratio(items)),
        candidate("margin", gap),
        Candidate("order_lines", ratio(items), rng.lognormal(0, 3, (2, COUNT))),
    ]).set_index("criterion")  # fmt: skip
    assert found.index[found["is_recommended"]].tolist() == ["cost_ratio"] and found.loc["cost_ratio", "rank"] == 1
    why = found["decision_reason"]
    assert "2 of 4 criteria" in why["cost_ratio"] and "above the optimum per item" in why["cost_ratio"]
    assert "more than the least" in why["revenue"]
    assert why["margin"] == "known for 80.0% of the items, 90.0% asked for"
    assert "not stable: kappa" in why["order_lines"]
    assert sorted(found["rank"]) == [1, 2, 3, 4] and found.loc[["margin", "order_lines"], "rank"].min() == 3


def test_of_criteria_that_cost_the_same_the_most_stable_is_taken() -> None:
    items = assortment()
    shaken = [candidate("cost_ratio", ratio(items), 0.3), candidate("margin", ratio(items), 0.01)]
    found = report(shaken, least_kappa=0.01).set_index("criterion")
    assert found.loc["margin", "is_recommended"] and found.loc["cost_ratio", "rank"] == 2
    assert "within 2.0% of the least cost, but kappa" in found.loc["cost_ratio", "decision_reason"]


def test_what_is_in_use_stays_where_nothing_is_cheaper_by_more_than_the_bound() -> None:
    items = assortment()
    given = [candidate("margin", ratio(items), 0.01), candidate("revenue", ratio(items), 0.3)]
    found = report(given, least_kappa=0.01).set_index("criterion")
    assert found.loc["revenue", "is_recommended"] and "revenue is in use" in found.loc["revenue", "decision_reason"]
    assert found.loc["margin", "decision_reason"].endswith("but revenue is in use")


def test_a_number_that_is_the_same_for_all_is_not_recommended_for_its_stability() -> None:
    items = assortment()
    flat = Candidate("lead_time", np.full(COUNT, 7.0), np.full((1, COUNT), 7.0))
    row = report([flat, candidate("revenue", ratio(items))]).set_index("criterion").loc["lead_time"]
    assert row["kappa"] == 1.0 and not row["is_recommended"]
    assert row["decision_reason"] == "says nothing: all items are in one class"


def test_nothing_is_recommended_without_a_price_or_a_sure_criterion() -> None:
    items = assortment()
    one = candidate("revenue", items.terms.demand_units_year)
    none = np.zeros(0)
    poor = replace(items, terms=StockTerms(none, none, none, none), place=np.zeros(0, dtype=np.int64))
    found = report([one], poor).iloc[0]
    assert not found["is_recommended"] and "no class has a price" in found["decision_reason"]
    assert pd.isna(found["cost_year"]) and found["priced_places"] == 0
    unsure = report([one], least_kappa=0.9999).iloc[0]
    assert not unsure["is_recommended"] and "no criterion is known" in unsure["decision_reason"]


def test_where_lots_alone_give_the_service_no_class_costs_anything() -> None:
    items = assortment()
    large = replace(items.terms, order_units=items.terms.demand_units_year * 10)
    found = report([candidate("revenue", items.terms.demand_units_year)], replace(items, terms=large)).iloc[0]
    assert found["cost_year"] == 0 and pd.isna(found["regret_share"]) and pd.isna(found["saved_share"])
    assert found["is_recommended"] and "no safety stock is needed" in found["decision_reason"]


@given(st.integers(0, 1000), st.floats(0.01, 100))
@settings(max_examples=10, deadline=None)
def test_neither_the_unit_of_a_criterion_nor_the_order_of_items_matters(seed: int, unit: float) -> None:
    items = assortment(seed, 40)
    one = candidate("revenue", items.terms.demand_units_year)
    base = report([one], items).iloc[0]
    order = np.random.default_rng(seed).permutation(40)
    other = replace(items, place=np.argsort(order)[items.place])
    scaled = Candidate("revenue", one.value[order] * unit, one.drawn[:, order] * unit)
    again = report([scaled], other).iloc[0]
    for name in ("gini", "separation", "kappa", "cost_year", "regret_share", "top_items_share"):
        assert again[name] == pytest.approx(base[name], rel=1e-9, nan_ok=True), name


def test_a_scheme_part_that_cannot_work_is_refused() -> None:
    content = RULE.model_dump() | {"methods": {
        "names": ["share_margin", "ng"], "criteria": ["revenue", "cost_ratio"], "sample": 50, "draws": 2, "restarts": 1,
        "skew": 1.0, "balance": 0.5, "least_explained": 0.9, "most_depth": 3, "least_items": 2,
        "rationale": "For a test of what is refused.",
    }}  # fmt: skip
    with pytest.raises(ValueError, match=r"needs \['margin'\], which evidence.criteria does not list"):
        Evidence.model_validate(content)
    content["criteria"] = ["revenue", "margin", "cost_ratio"]
    Evidence.model_validate(content)
    content["methods"] |= {"draws": 3}
    with pytest.raises(ValueError, match="more than evidence.draws 2"):
        Evidence.model_validate(content)
    with pytest.raises(ValueError, match="names one twice"):
        Evidence.model_validate(content | {"criteria": ["revenue", "revenue"], "methods": None})
