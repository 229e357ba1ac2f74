"""Decomposition against statsmodels, strengths on series whose answer is known, noise without a season."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.demand.seasonality import decompose


def seen(units: np.ndarray) -> np.ndarray:
    return np.ones(units.shape, dtype=bool)


@pytest.mark.parametrize(("periods", "season"), [(24, 12), (31, 12), (48, 12), (30, 7), (104, 52), (40, 5)])
def test_components_and_strengths_agree_with_statsmodels(periods: int, season: int) -> None:
    from statsmodels.tsa.seasonal import seasonal_decompose

    rng = np.random.default_rng(periods)
    units = (
        rng.gamma(2.0, 10.0, (6, periods)) + np.arange(periods) + 15 * np.sin(2 * np.pi * np.arange(periods) / season)
    )
    parts = decompose(units, seen(units), season=season)
    for row in range(len(units)):
        other = seasonal_decompose(units[row], model="additive", period=season, extrapolate_trend="period")
        np.testing.assert_allclose(parts.trend[row], other.trend, rtol=1e-9)
        np.testing.assert_allclose(parts.seasonal[row], other.seasonal, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(parts.remainder[row], other.resid, rtol=1e-9, atol=1e-9)
        noise = (other.resid**2).sum() / (periods - season - periods / season + 1)
        strength = [max(0.0, 1 - noise / np.var(other.resid + part, ddof=1)) for part in (other.seasonal, other.trend)]
        assert [parts.seasonal_strength[row], parts.trend_strength[row]] == pytest.approx(strength, rel=1e-9)
        assert parts.remainder_cv[row] == pytest.approx(np.sqrt(noise) / units[row].mean(), rel=1e-9)


@pytest.mark.parametrize(("periods", "season"), [(24, 12), (48, 12), (104, 52)])
def test_noise_has_no_season_and_keeps_its_cv(periods: int, season: int) -> None:
    units = 100 + 10 * np.random.default_rng(5).standard_normal((3000, periods))
    parts = decompose(units, seen(units), season=season)
    assert np.mean(parts.seasonal_strength > 0.6) < 0.02  # the plain formula says 26 % at two years of months
    assert parts.remainder_cv.mean() == pytest.approx(0.1, rel=0.02)


def test_a_seasonal_item_is_steady_once_its_season_is_taken_out() -> None:
    rng = np.random.default_rng(7)
    month = np.arange(36)
    units = (100 + 80 * np.sin(2 * np.pi * month / 12) + 5 * rng.standard_normal((200, 36))).clip(0)
    parts = decompose(units, seen(units), season=12)
    raw = units.std(axis=1, ddof=1) / units.mean(axis=1)
    assert raw.min() > 0.5
    assert parts.remainder_cv.max() < 0.1
    assert parts.seasonal_strength.min() > 0.95


def test_below_two_full_seasons_nothing_is_said() -> None:
    units = np.full((4, 25), 10.0) + np.arange(25)
    observed = seen(units)
    observed[1, :2] = False  # launched in the third month: 23 months
    observed[2, 4] = False  # 25 months, one censored whose phase is seen once more only
    parts = decompose(units, observed, season=12)
    assert parts.ok.tolist() == [True, False, False, True]
    for strength in (parts.seasonal_strength, parts.trend_strength, parts.remainder_cv):
        assert np.isnan(strength).tolist() == [False, True, True, False]
    assert not decompose(units, seen(units), season=12, min_seasons=3).ok.any()
    assert not decompose(units[:, :0], observed[:, :0], season=12).ok.any()


def test_a_constant_series_has_neither_trend_nor_season_nor_remainder() -> None:
    units = np.vstack([np.full(36, 0.1), np.zeros(36)])
    parts = decompose(units, seen(units), season=12)
    assert parts.seasonal_strength.tolist() == [0.0, 0.0]
    assert parts.trend_strength.tolist() == [0.0, 0.0]
    assert parts.remainder_cv[0] == 0.0
    assert np.isnan(parts.remainder_cv[1])


def test_a_censored_year_and_what_stands_in_it_change_nothing_outside() -> None:
    month = np.arange(60)
    units = (100 + 30 * np.sin(2 * np.pi * month / 12))[None, :] * np.ones((2, 1))
    observed = seen(units)
    observed[:, 20:34] = False
    units[1, 20:34] = 1e6
    parts = decompose(units, observed, season=12)
    assert parts.ok.all()
    np.testing.assert_array_equal(parts.remainder_cv[0], parts.remainder_cv[1])
    assert parts.seasonal_strength.min() > 0.9
    assert np.isnan(parts.trend[:, 20:34]).all()


def test_a_season_of_one_period_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 periods"):
        decompose(np.ones((1, 9)), np.ones((1, 9), dtype=bool), season=1)


@given(st.integers(0, 1000), st.floats(1e-3, 1e4))
@settings(max_examples=25, deadline=None)
def test_the_unit_of_measure_changes_nothing(seed: int, factor: float) -> None:
    units = np.random.default_rng(seed).poisson(4.0, (3, 30)).astype(float)
    first, second = (decompose(units * scale, seen(units), season=12) for scale in (1.0, factor))
    np.testing.assert_allclose(first.seasonal_strength, second.seasonal_strength, atol=1e-9)
    np.testing.assert_allclose(first.remainder_cv, second.remainder_cv, rtol=1e-9)
