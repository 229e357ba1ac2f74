"""The methods of a scheme on one assortment: what each classes by, sizes, samples, and the rows they give."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from strata.classify.criteria import ng_scores, unit_scaled
from strata.classify.value import value_classes
from strata.review.criteria import Assortment, Candidate, criteria_report
from strata.review.methods import method_rows
from strata.review.selection import StockTerms, class_cost
from strata.scheme.evidence import Evidence
from strata.tables import CRITERIA_REPORT, METHOD_SELECTION, NOT_SUSPENDED
from tests.strata.review.test_criteria import COUNT, CUTS, assortment, ratio

NAMES = (
    "share_revenue", "share_margin", "share_demand_units", "cost_ratio", "breaks", "ng", "hadi_vencheh", "zhou_fan",
    "ramanathan", "edas", "kmeans",
)  # fmt: skip


def rule(**change: Any) -> Evidence:
    methods = {
        "names": NAMES, "criteria": ("margin", "order_lines"), "sample": 1000, "draws": 2, "restarts": 2, "skew": 1.0,
        "balance": 0.5, "least_explained": 0.8, "most_depth": 4, "least_items": 5,
        "rationale": "All methods, for a test of what each sees.",
    } | change  # fmt: skip
    return Evidence.model_validate({
        "criteria": ("revenue", "margin", "demand_units", "order_lines", "cost_ratio"), "draws": 2, "seed": 1,
        "fill_rate": 0.95, "least_cycle_service": 0.5, "least_completeness": 0.9, "least_kappa": 0.5,
        "equal_cost": 0.02, "methods": methods, "rationale": "For a test of the comparison of methods.",
    })  # fmt: skip


def candidates(items: Assortment) -> list[Candidate]:
    rng = np.random.default_rng(9)
    sold = items.terms.demand_units_year
    numbers = {
        "revenue": sold * 3, "margin": sold * rng.uniform(0.1, 1.2, COUNT), "demand_units": sold / 2,
        "order_lines": np.ceil(sold**0.6), "cost_ratio": ratio(items),
    }  # fmt: skip
    return [Candidate(name, value, value * rng.lognormal(0, 0.05, (2, COUNT))) for name, value in numbers.items()]


def compared(items: Assortment, given: list[Candidate], evidence: Evidence) -> pd.DataFrame:
    chance = np.random.default_rng(1)
    return method_rows(given, items, rule=evidence, cuts=CUTS, basis="revenue", rng=chance).set_index("method")


@pytest.mark.capability("3.1", part="every method on the same items, with cost, stability, words and a recommendation")
def test_every_method_has_its_row_and_the_cheapest_sure_one_is_recommended() -> None:
    items = assortment()
    found = compared(items, candidates(items), rule())
    assert sorted(found.index) == sorted(NAMES) and sorted(found["rank"]) == list(range(1, len(NAMES) + 1))
    assert found.index[found["is_recommended"]].tolist() == ["cost_ratio"] and found.loc["cost_ratio", "rank"] == 1
    assert found.index[found["is_in_use"]].tolist() == ["share_revenue"]
    assert (found["regret_share"] > -1e-9).all() and found["kappa"].between(-1, 1).all()
    assert found.loc["cost_ratio", "words"].startswith("A if cost_ratio >= ")
    assert "optimum per item" in found.loc["cost_ratio", "decision_reason"]
    assert found["decision_reason"].str.len().min() > 10


def test_classes_are_as_large_as_those_in_use_and_hold_the_first_by_score() -> None:
    """Ng's classes written out: as many A and B items as by share of revenue, the largest scores first."""
    items = assortment()
    given = candidates(items)
    names = np.array([f"S{at:03d}" for at in range(COUNT)], dtype=object)
    by_share = value_classes(given[0].value, names, cuts=CUTS).value_class
    score = ng_scores(unit_scaled(np.column_stack([given[1].value, given[3].value]), is_gain=[True, True]))
    made = np.full(COUNT, "C")
    order = np.argsort(-score)
    a, b = ((by_share == name).sum() for name in "AB")
    made[order[:a]], made[order[a : a + b]] = "A", "B"
    found = compared(items, given, rule())
    for name, classes in (("ng", made), ("share_revenue", by_share)):
        cost = class_cost(classes, items.terms, fill_rate=0.95, least_cycle_service=0.5).cost_year
        assert found.loc[name, "cost_year"] == pytest.approx(cost), name


def test_items_without_a_number_or_a_priced_place_are_not_compared_and_a_sample_is_drawn() -> None:
    items = assortment()
    given = candidates(items)
    given[1].value[:7] = np.nan
    kept = Assortment(items.ranking, items.weight, items.terms, np.minimum(items.place, COUNT - 11))
    assert set(compared(kept, given, rule())["items"]) == {COUNT - 17}
    sampled = compared(items, given, rule(sample=120))
    assert set(sampled["items"]) == {120}
    again = compared(items, given, rule(sample=120))
    pd.testing.assert_frame_equal(sampled, again)
    given[1].value[:] = np.nan
    assert compared(items, given, rule()).empty


def test_without_an_eligible_method_nothing_is_recommended_and_every_row_says_why() -> None:
    items = assortment()
    found = compared(items, candidates(items), rule(least_explained=0.999, most_depth=1, least_items=100))
    assert not found["is_recommended"].any()
    assert found["decision_reason"].str.contains("no method has").all()


@pytest.mark.parametrize("kind", ["spread", "alike", "zeros", "gaps", "signs"])
def test_no_company_is_too_small_or_too_odd_to_be_told_about(kind: str) -> None:
    """One to eight items, in one or two rankings, some or none with a price: rows that conform, and no warning."""
    stamp = {"region": "R", "cycle": "2026-01", "valid_for_cycle": "2026-01", "scheme_version": "1"} | NOT_SUSPENDED
    evidence = rule()
    for seed in range(6):
        rng = np.random.default_rng(seed)
        count = int(rng.integers(1, 9))
        given = []
        for name in evidence.criteria:
            value = rng.normal(0, 5, count) if kind == "signs" else rng.lognormal(2, 1, count)
            value = np.full(count, 3.0) if kind == "alike" else value
            value[rng.random(count) < 0.4] = {"zeros": 0.0, "gaps": np.nan}.get(kind, value[0])
            given.append(Candidate(name, value, value * rng.lognormal(0, 0.2, (2, count))))
        place = np.sort(rng.choice(count, int(rng.integers(0, count + 1)), replace=False))
        year = rng.lognormal(3, 1, len(place))
        ranking = np.unique(np.sort(rng.integers(0, 2, count)), return_inverse=True)[1].astype(np.int64)
        weight = rng.multinomial(count, np.full(count, 1 / count), size=2).astype(float)
        items = Assortment(ranking, weight, StockTerms(year, year / 5, year / 10, np.ones(len(place))), place)
        found = criteria_report(
            given, items, rule=evidence, cuts=CUTS, cv_cuts={"X": 0.5, "Y": 1.0}, in_use=("revenue",)
        )
        assert CRITERIA_REPORT.conform(found.assign(**stamp)).num_rows == len(evidence.criteria)
        compared = method_rows(given, items, rule=evidence, cuts=CUTS, basis="revenue", rng=rng)
        assert METHOD_SELECTION.conform(compared.assign(**stamp)).num_rows in (0, len(NAMES))
