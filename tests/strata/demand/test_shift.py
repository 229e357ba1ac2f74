"""Level-shift test: a slow second computation, its error rates by simulation, and what must not matter."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.demand.shift import Z_LIMIT, level_shift, recent_ratio
from strata.scheme.model import Shift

RULE = Shift(recent_periods=4, z=3.5, ratio=2.0, rationale="doubling or halving within four months")
STATIONARY = [(1.0, 1.2), (2.0, 1.0), (5.0, 0.6), (10.0, 0.4), (20.0, 0.5), (50.0, 0.3), (50.0, 0.7), (50.0, 1.0)]


def negative_binomial(rng: np.random.Generator, mean: float, cv: float, shape: tuple[int, int]) -> np.ndarray:
    dispersion = mean**2 / max((cv * mean) ** 2 - mean, 1e-3 * mean)
    return rng.poisson(rng.gamma(dispersion, mean / dispersion, shape)).astype(float)


def seen(units: np.ndarray) -> np.ndarray:
    return np.ones(units.shape, dtype=bool)


def slow_z(before: list[float], recent: list[float]) -> float:
    a, b = [math.sqrt(y) for y in before], [math.sqrt(y) for y in recent]
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    freedom = len(a) + len(b) - 2
    pooled = (sum((y - mean_a) ** 2 for y in a) + sum((y - mean_b) ** 2 for y in b)) / freedom
    error = math.sqrt(pooled * (1 / len(a) + 1 / len(b)))
    return math.sqrt((freedom - 2) / freedom) * (mean_b - mean_a) / error


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_z_agrees_with_a_slow_second_computation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    units = rng.poisson(3.0, (1, 14)).astype(float)
    observed = rng.random((1, 14)) < 0.8
    result = level_shift(units, observed, shift=RULE)
    before = units[0, :10][observed[0, :10]].tolist()
    recent = units[0, 10:][observed[0, 10:]].tolist()
    if len(recent) < 2 or len(before) < len(recent) or len(before) + len(recent) < 5:
        assert math.isnan(result.z[0])
        assert not result.is_shift[0]
    elif abs(result.z[0]) < Z_LIMIT and len(set(before)) + len(set(recent)) > 2:
        assert result.z[0] == pytest.approx(slow_z(before, recent), abs=1e-9)


@pytest.mark.parametrize("months", [12, 24])
def test_stationary_demand_hardly_ever_shifts(months: int) -> None:
    rng = np.random.default_rng(months)
    rates = []
    for mean, cv in STATIONARY:
        units = negative_binomial(rng, mean, cv, (10_000, months))
        rates.append(level_shift(units, seen(units), shift=RULE).is_shift.mean())
    assert np.mean(rates) < 0.004, rates
    assert max(rates) < 0.0065, rates


@pytest.mark.capability("3.3", part="true shifts are told from noise")
@pytest.mark.parametrize(("factor", "least"), [(4.0, 0.93), (0.25, 0.70)])
def test_a_fourfold_rise_or_fall_is_seen_within_four_months(factor: float, least: float) -> None:
    rng = np.random.default_rng(11)
    units = negative_binomial(rng, 20.0, 0.35, (4000, 24))
    units[:, 20:] = negative_binomial(rng, 20.0 * factor, 0.35, (4000, 4))
    assert level_shift(units, seen(units), shift=RULE).is_shift.mean() > least


@given(st.integers(0, 10_000), st.floats(1e-3, 1e4))
@settings(max_examples=30, deadline=None)
def test_the_unit_of_measure_changes_nothing(seed: int, factor: float) -> None:
    units = np.random.default_rng(seed).poisson(5.0, (3, 12)).astype(float)
    first, second = (level_shift(units * scale, seen(units), shift=RULE) for scale in (1.0, factor))
    np.testing.assert_allclose(first.z, second.z, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(first.is_shift, second.is_shift)


def test_a_change_between_constant_levels_is_a_shift_of_finite_z() -> None:
    units = np.array([[10.0] * 8 + [25.0] * 4, [10.0] * 8 + [4.0] * 4, [0.1] * 12, [0.0] * 12, [0.0] * 8 + [3.0] * 4])
    result = level_shift(units, seen(units), shift=RULE)
    assert result.z.tolist() == [Z_LIMIT, -Z_LIMIT, 0.0, 0.0, Z_LIMIT]
    assert result.is_shift.tolist() == [True, True, False, False, True]
    assert np.isnan(result.ratio).tolist() == [False, False, False, True, True]


def test_the_ratio_must_be_beyond_the_bound_not_at_it() -> None:
    units = np.array([[10.0] * 8 + [20.0] * 4, [10.0] * 8 + [5.0] * 4])
    assert not level_shift(units, seen(units), shift=RULE).is_shift.any()


def test_too_little_history_is_untestable_not_a_shift() -> None:
    units = np.array([[1.0] * 3 + [50.0] * 4])
    assert math.isnan(level_shift(units, seen(units), shift=RULE).z[0])
    short = units[:, :3]
    assert math.isnan(level_shift(short, seen(short), shift=RULE).z[0])
    assert math.isnan(recent_ratio(short, seen(short), recent_periods=4)[0])


def test_recent_ratio_counts_observed_periods_only() -> None:
    units = np.array([[2.0, 99.0, 4.0, 6.0, 99.0]])
    observed = np.array([[True, False, True, True, False]])
    assert recent_ratio(units, observed, recent_periods=2)[0] == 2.0
