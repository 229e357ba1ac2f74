"""Measures of one number against hand-computed cases, slow second computations and statsmodels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.review.measures import eta_squared, gini, holders, omega_squared, rank_correlations

amounts = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=2, max_size=40).map(np.array)


def by_pairs(values: np.ndarray) -> float:
    """Mean difference of all pairs over twice the mean."""
    return float(np.abs(values[:, None] - values[None, :]).mean() / (2 * values.mean()))


@given(amounts, st.floats(0.001, 1000), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_gini_is_the_mean_difference_whatever_unit_and_order(values: np.ndarray, unit: float, chance: object) -> None:
    if values.sum() < 1e-3:
        return
    assert gini(values) == pytest.approx(by_pairs(values), abs=1e-9)
    assert gini(values * unit) == pytest.approx(gini(values), abs=1e-9)
    assert gini(np.array(sorted(values, key=lambda _: chance.random()))) == pytest.approx(gini(values), abs=1e-12)  # type: ignore[attr-defined]


def test_gini_of_one_owner_and_of_equals() -> None:
    assert gini(np.array([0.0, 0, 0, 8])) == 0.75  # (n - 1) / n
    assert gini(np.full(7, 3.0)) == 0.0
    assert np.isnan(gini(np.zeros(3))) and np.isnan(gini(np.zeros(0)))
    with pytest.raises(ValueError, match="value 1 is -1"):
        gini(np.array([1.0, -1]))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.sampled_from([50, 80, 100]))
@settings(max_examples=40, deadline=None)
def test_the_holders_of_a_share_are_the_fewest_that_hold_it(values: list[int], percent: int) -> None:
    if not sum(values):
        return
    largest = sorted(values, reverse=True)
    fewest = next(n for n in range(1, len(largest) + 1) if 100 * sum(largest[:n]) >= percent * sum(largest))
    assert holders(np.array(values, dtype=float), share=percent / 100) == fewest / len(values)


def one_way(values: np.ndarray, group: np.ndarray) -> tuple[float, float]:
    """Eta and omega squared from the analysis of variance that statsmodels makes."""
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    table = anova_lm(ols("y ~ C(g)", pd.DataFrame({"y": values, "g": group})).fit())
    between, within = table["sum_sq"].iloc[0], table["sum_sq"].iloc[1]
    error = table["mean_sq"].iloc[1]
    return between / (between + within), (between - table["df"].iloc[0] * error) / (between + within + error)


def cells_of(values: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, ...]:
    of = [values[group == one] for one in np.unique(group)]
    return tuple(np.array([float(part) for part in parts]) for parts in (
        [len(cell) for cell in of], [cell.sum() for cell in of], [(cell**2).sum() for cell in of]
    ))  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_shares_of_variance_are_those_of_an_analysis_of_variance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 5, 60)
    values = rng.normal(group * 0.4, 1.0)
    eta, omega = one_way(values, group)
    assert eta_squared(values, group) == pytest.approx(eta)
    assert omega_squared(*cells_of(values, group)) == pytest.approx(omega)
    assert omega_squared(*cells_of(values + 100, group)) == pytest.approx(omega)


@pytest.mark.capability("1.3", part="many cells that mean nothing explain nothing")
def test_cells_at_random_explain_nothing_however_many_there_are() -> None:
    rng = np.random.default_rng(7)
    values = rng.normal(size=3000)
    for cells in (3, 30, 1000):
        group = rng.integers(0, cells, len(values))
        assert abs(omega_squared(*cells_of(values, group))) < 0.02
    assert eta_squared(values, np.unique(group, return_inverse=True)[1]) > 0.25  # a thousand cells, uncorrected


def test_measures_of_nothing_are_unknown() -> None:
    assert np.isnan(eta_squared(np.full(3, 2.0), np.array([0, 1, 1])))
    assert np.isnan(omega_squared(np.array([1.0, 1]), np.array([1.0, 2]), np.array([1.0, 4])))  # one line a cell
    assert np.isnan(omega_squared(np.array([2.0]), np.array([2.0]), np.array([2.0])))  # all equal


@pytest.mark.parametrize("seed", range(3))
def test_rank_correlations_are_spearmans_on_what_both_columns_know(seed: int) -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(seed)
    columns = np.round(rng.normal(size=(50, 4)) + rng.normal(size=(50, 1)), 1)
    columns[rng.random((50, 4)) < 0.1] = np.nan
    found = rank_correlations(columns)
    for first in range(4):
        assert np.isnan(found[first, first])
        for second in set(range(4)) - {first}:
            both = np.isfinite(columns[:, [first, second]]).all(axis=1)
            assert found[first, second] == pytest.approx(spearmanr(columns[both, first], columns[both, second])[0])
    assert np.isnan(rank_correlations(np.array([[1.0, 2], [1, 3], [1, 4]]))[0, 1])
