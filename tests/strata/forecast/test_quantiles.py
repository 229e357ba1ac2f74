"""Predictive quantiles: finite, not negative, rising; equal to scipy's where it has the same law."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from strata.forecast.quantiles import horizon_variance, predictive_quantiles
from strata.tables import QUANTILE_LEVELS


def test_quantiles_equal_scipy() -> None:
    levels = np.array(QUANTILE_LEVELS)
    counts = predictive_quantiles([4.0], [40.0], kind="negative_binomial", levels=QUANTILE_LEVELS)[0]
    assert counts.tolist() == stats.nbinom(4 / 9, 0.1).ppf(levels).tolist()
    thin = predictive_quantiles([4.0], [2.0], kind="negative_binomial", levels=QUANTILE_LEVELS)[0]
    assert thin.tolist() == stats.poisson(4).ppf(levels).tolist()
    assert predictive_quantiles([4.0], [99.0], kind="poisson", levels=QUANTILE_LEVELS)[0].tolist() == thin.tolist()
    amounts = predictive_quantiles([10.0], [25.0], kind="gamma", levels=QUANTILE_LEVELS)[0]
    np.testing.assert_allclose(amounts, stats.gamma(4, scale=2.5).ppf(levels), rtol=1e-9)


@pytest.mark.parametrize("kind", ["gamma", "negative_binomial", "poisson"])
@given(mean=st.floats(0, 1e6), ratio=st.floats(0, 100))
def test_quantiles_are_finite_not_negative_and_rising(kind: Any, mean: float, ratio: float) -> None:
    found = predictive_quantiles([mean], [mean * ratio], kind=kind, levels=QUANTILE_LEVELS)
    assert found.shape == (1, len(QUANTILE_LEVELS))
    assert np.isfinite(found).all() and (found >= 0).all() and (np.diff(found) >= 0).all()


@pytest.mark.parametrize("kind", ["gamma", "negative_binomial"])
@pytest.mark.capability("5.1", part="quantiles for every series, intermittent ones too")
def test_simulated_demand_falls_below_its_quantiles_as_often_as_promised(kind: Any) -> None:
    rng = np.random.default_rng(5)
    draws = rng.gamma(4, 2.5, 50_000) if kind == "gamma" else rng.negative_binomial(10 / 1.5, 0.4, 50_000)
    found = predictive_quantiles([10.0], [25.0], kind=kind, levels=QUANTILE_LEVELS)[0]
    for level, bound in zip(QUANTILE_LEVELS, found, strict=True):
        share = (draws <= bound).mean()
        assert share >= level - 0.01
        assert (draws < bound).mean() <= level + 0.01


def test_the_normal_cut_at_zero_would_move_the_mean() -> None:
    """Why it is rejected: at sd = mean the mean of what is left is 29 % higher."""
    assert stats.truncnorm(-1, np.inf, loc=1, scale=1).mean() == pytest.approx(1.288, abs=1e-3)
    kept = predictive_quantiles([1.0], [1.0], kind="gamma", levels=tuple((np.arange(4000) + 0.5) / 4000))
    assert kept.mean() == pytest.approx(1.0, abs=2e-3)


def test_variance_of_smoothing_grows_with_the_horizon() -> None:
    """The error of h steps ahead, simulated from the innovation form of simple smoothing."""
    rng = np.random.default_rng(9)
    shocks = rng.normal(0, 2.0, (200_000, 4))
    ahead = shocks[:, 3] + 0.3 * shocks[:, :3].sum(axis=1)
    assert horizon_variance(np.array([2.0]), np.array([0.3]), horizon=4)[0, 3] == pytest.approx(ahead.var(), rel=0.02)


@pytest.mark.parametrize("levels", [(), (0.5, 0.5), (0.9, 0.1), (0.0, 0.5), (0.5, 95.0)])
def test_levels_that_are_no_probabilities_are_refused(levels: Any) -> None:
    with pytest.raises(ValueError, match="must increase and lie between 0 and 1"):
        predictive_quantiles([1.0], [1.0], kind="gamma", levels=levels)
