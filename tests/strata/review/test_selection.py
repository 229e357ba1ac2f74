"""Cost of a division into classes against a numerical optimiser; the rule that recommends a method, case by case."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strata.classify.criteria import cost_criterion
from strata.classify.ranking import Cuts, ranked_classes
from strata.review.selection import StockTerms, class_cost, method_selection

LEVELS = {"fill_rate": 0.97, "least_cycle_service": 0.5}


def company(items: int, seed: int) -> StockTerms:
    rng = np.random.default_rng(seed)
    year = rng.lognormal(6, 1.2, items)
    return StockTerms(
        demand_units_year=year,
        order_units=year / rng.integers(2, 26, items),
        protection_sd_units=year / 12 * rng.uniform(0.2, 1.2, items),
        holding_cost_per_unit_year=rng.lognormal(1, 1.2, items),
    )


def by_score(score: np.ndarray) -> np.ndarray:
    cuts = Cuts("share", (0.5, 0.8))
    return ranked_classes(score, np.arange(len(score)), counted=score > 0, cuts=cuts).value_class


def given_by(terms: StockTerms, z: np.ndarray) -> tuple[float, float]:
    """Cost and fill rate of safety factors, written out with scipy's normal."""
    from scipy.stats import norm

    short = terms.demand_units_year / terms.order_units * terms.protection_sd_units * (norm.pdf(z) - z * norm.sf(z))
    cost = (terms.holding_cost_per_unit_year * terms.protection_sd_units * z).sum()
    return float(cost), float(1 - short.sum() / terms.demand_units_year.sum())


DEAR = 1e12  # of what cannot be reached; infinity stops the search


@given(st.integers(0, 10_000), st.sampled_from([0.9, 0.97, 0.995]))
@settings(max_examples=15, deadline=None)
@example(618, 0.9)
def test_no_pair_of_levels_of_two_classes_costs_less(seed: int, fill_rate: float) -> None:
    from scipy.optimize import brentq, minimize_scalar

    terms = company(12, seed)
    classes = np.where(np.random.default_rng(seed + 1).random(12) < 0.5, "A", "B")
    found = class_cost(classes, terms, fill_rate=fill_rate, least_cycle_service=0.5)

    def cost_of(first: float) -> float:
        def lack(second: float) -> float:
            return given_by(terms, np.where(classes == "A", first, second))[1] - fill_rate

        if lack(0.0) >= 0:
            return given_by(terms, np.where(classes == "A", first, 0.0))[0]
        return given_by(terms, np.where(classes == "A", first, brentq(lack, 0, 12)))[0] if lack(12) > 0 else DEAR

    tried = [cost_of(first) for first in np.linspace(0, 6, 61)]
    near = np.linspace(0, 6, 61)[int(np.argmin(tried))]
    least = minimize_scalar(cost_of, bounds=(max(near - 0.1, 0), near + 0.1), method="bounded").fun
    assert found.cost_year <= min(least, min(tried)) * (1 + 1e-6) + 1e-9
    from scipy.stats import norm

    z = norm.ppf([found.cycle_service[name] for name in classes])
    assert given_by(terms, z) == pytest.approx((found.cost_year, found.fill_rate), rel=1e-6, abs=1e-9)
    assert found.fill_rate >= fill_rate - 1e-9


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_finer_classes_never_cost_more_and_items_alone_cost_least(seed: int) -> None:
    terms = company(40, seed)
    coarse = np.random.default_rng(seed).integers(0, 3, 40)
    fine = coarse * 10 + np.random.default_rng(seed + 1).integers(0, 3, 40)
    one, some, more, each = (
        class_cost(classes, terms, **LEVELS).cost_year for classes in (np.zeros(40), coarse, fine, np.arange(40))
    )
    assert each <= more * (1 + 1e-9) and more <= some * (1 + 1e-9) and some <= one * (1 + 1e-9)


@pytest.mark.capability("3.1", part="methods ranked by cost at equal service, stability and words")
def test_the_cost_criterion_beats_a_ranking_by_value_and_chance_is_not_eligible() -> None:
    """Ranked by b D/(h Q) against by value; and by a number that says nothing of the items and changes each time."""
    terms = company(400, 3)
    criteria = np.column_stack([terms.demand_units_year, terms.holding_cost_per_unit_year, terms.order_units])
    chance = np.random.default_rng(1)
    methods = {
        "cost": lambda x: by_score(cost_criterion(x[:, 0], np.ones(len(x)), x[:, 1], x[:, 2]).ratio),
        "value": lambda x: by_score(x[:, 0] * x[:, 1]),
        "chance": lambda x: chance.choice(np.array(list("ABC")), len(x)),
    }
    draws = np.random.default_rng(2)
    resampled = [criteria * draws.lognormal(0, [0.1, 0, 0], criteria.shape) for _ in range(8)]
    arguments = {
        "methods": methods, "names": ["demand", "holding", "order"], "resampled": resampled, "least_kappa": 0.6,
        "least_explained": 0.8, "most_depth": 4, "least_items": 5, "equal_cost": 0.02, **LEVELS,
    }  # fmt: skip
    found = method_selection(criteria, terms, **arguments)  # type: ignore[arg-type]
    assert found.recommended == "cost" and found.table["method"].tolist()[0] == "cost"
    rows = found.table.set_index("method")
    assert (rows["regret_share"] > 0).all() and abs(rows.loc["chance", "kappa"]) < 0.2
    assert rows["is_stable"].to_dict() == {"cost": True, "value": True, "chance": False}
    assert "cost is the most stable" in found.rule and "optimum per item" in found.rule
    # Where a large difference of cost counts as none, the more stable one is taken.
    steadier = rows.loc[["cost", "value"], "kappa"].idxmax()
    assert method_selection(criteria, terms, **{**arguments, "equal_cost": 10.0}).recommended == steadier  # type: ignore[arg-type]
    kept = method_selection(criteria, terms, **{**arguments, "equal_cost": 10.0}, in_use="value")  # type: ignore[arg-type]
    assert kept.recommended == "value" and "value is in use" in kept.rule
    assert method_selection(criteria, terms, **arguments, in_use="value").recommended == "cost"  # type: ignore[arg-type]
    one = {**methods, "one": lambda x: np.full(len(x), "A")}
    found = method_selection(criteria, terms, **{**arguments, "methods": one, "equal_cost": 10.0})  # type: ignore[arg-type]
    assert found.recommended != "one" and found.table.set_index("method").loc["one", "kappa"] == 1.0
    none = method_selection(criteria, terms, **{**arguments, "least_kappa": 1.1})  # type: ignore[arg-type]
    assert none.recommended is None and "kappa >= 1.1" in none.rule


def test_an_item_stocked_at_two_places_has_the_class_of_the_item_at_both() -> None:
    """Items 0..n-1 at two places each are as many items with their criteria twice; the same with no places at all."""
    terms = company(60, 4)
    criteria = np.repeat(np.column_stack([terms.demand_units_year[::2], terms.order_units[::2]]), 2, axis=0)
    arguments = {
        "methods": {"value": lambda x: by_score(x[:, 0])}, "names": ["demand", "order"], "least_kappa": 0.1,
        "least_explained": 0.5, "most_depth": 2, "least_items": 1, "equal_cost": 0.0, **LEVELS,
    }  # fmt: skip
    apart = method_selection(criteria, terms, resampled=[criteria], **arguments)  # type: ignore[arg-type]
    once = method_selection(
        criteria[::2], terms, resampled=[criteria[::2]], place=np.repeat(np.arange(30), 2), **arguments  # type: ignore[arg-type]
    )  # fmt: skip
    for name in ("cost_year", "regret_share", "saved_share"):
        assert once.table[name].tolist() == pytest.approx(apart.table[name].tolist())
    with pytest.raises(ValueError, match="an item each"):
        method_selection(criteria, terms, resampled=[criteria], place=np.arange(60) + 1, **arguments)  # type: ignore[arg-type]


@given(st.integers(0, 10_000), st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_neither_currency_nor_unit_of_demand_changes_what_classes_cost(seed: int, factor: float) -> None:
    terms = company(30, seed)
    classes = np.random.default_rng(seed).integers(0, 3, 30)
    cost = class_cost(classes, terms, **LEVELS).cost_year
    units = StockTerms(
        terms.demand_units_year * factor, terms.order_units * factor, terms.protection_sd_units * factor,
        terms.holding_cost_per_unit_year / factor,
    )  # fmt: skip
    assert class_cost(classes, units, **LEVELS).cost_year == pytest.approx(cost, rel=1e-9)
    dearer = StockTerms(
        terms.demand_units_year, terms.order_units, terms.protection_sd_units,
        terms.holding_cost_per_unit_year * factor,
    )  # fmt: skip
    assert class_cost(classes, dearer, **LEVELS).cost_year == pytest.approx(cost * factor, rel=1e-9)


def test_terms_that_have_no_cost_are_refused_with_their_place() -> None:
    terms = company(2, 1)
    flat = StockTerms(
        terms.demand_units_year, terms.order_units, np.array([1.0, 0.0]), terms.holding_cost_per_unit_year
    )  # fmt: skip
    with pytest.raises(ValueError, match="protection_sd_units: item 1 is not above 0"):
        class_cost(np.array(["A", "B"]), flat, **LEVELS)
    with pytest.raises(ValueError, match="one of each per item"):
        class_cost(np.array(["A"]), terms, **LEVELS)
    with pytest.raises(ValueError, match="fractions below 1"):
        class_cost(np.array(["A", "B"]), terms, fill_rate=98.0, least_cycle_service=0.5)
    with pytest.raises(ValueError, match="at least one of each"):
        method_selection(np.ones((2, 1)), terms, methods={}, names=["a"], resampled=[], least_kappa=0.5,
                         least_explained=0.9, most_depth=2, least_items=1, equal_cost=0.0, **LEVELS)  # fmt: skip
