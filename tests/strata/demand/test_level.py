"""Levels: a slow second computation, false alarms and power as stated, and the edges of what can be known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from strata.demand.level import level_value, levels
from strata.scheme.model import Level
from tests.strata.banded import SHIPPED

RULE = Level(
    window_periods=36, min_before=4, min_after=3, recent_periods=8, z=3.0, ratio=2.0, dispersion=0.5, prior_periods=4,
    rationale="bounds of a test, the same as the shipped ones",
)  # fmt: skip


def slow(series: list[float]) -> tuple[int, float, float, float]:
    """Start of the later level, z, CV within both sides, CV of the whole: one series, term by term."""
    count, mean = len(series), sum(series) / len(series)

    def spread(part: list[float]) -> float:
        middle = sum(part) / len(part)
        if middle <= 0:
            return 0.0
        logs = [math.log(y + mean / 20) for y in part]
        return max(sum((y - middle) * log for y, log in zip(part, logs, strict=True)) / middle, 0.0)

    def gain(cut: int) -> float:
        roots = [math.sqrt(y) for y in series]
        before, after = roots[:cut], roots[cut:]
        gap = sum(before) / len(before) - sum(after) / len(after)
        return gap * gap * len(before) * len(after)

    cut = max(range(RULE.min_before, count - RULE.min_after + 1), key=gain)
    sides = [series[:cut], series[cut:]]
    freedom = sum(len(side) - 1 for side in sides if sum(side) > 0)
    poisson = sum((len(side) - 1) / (sum(side) / len(side)) for side in sides if sum(side) > 0)
    both = sum(spread(side) for side in sides)
    a = (max(1.025**2 * both - poisson, 0.0) + RULE.prior_periods * RULE.dispersion) / (freedom + RULE.prior_periods)
    a = max(a * (1 + 0.4 * a), 0.02)

    def log_likelihood(part: list[float]) -> float:
        middle = sum(part) / len(part)
        probability = (1 / a) / (1 / a + middle)
        return float(sum(stats.nbinom.logpmf(y, 1 / a, probability) for y in part))

    twice = 2 * (log_likelihood(sides[0]) + log_likelihood(sides[1]) - log_likelihood(series))
    sign = 1 if sum(sides[1]) / len(sides[1]) > sum(sides[0]) / len(sides[0]) else -1
    whole = 1.025 * math.sqrt(spread(series) / (count - 1))
    return cut, sign * math.sqrt(max(twice, 0.0)), 1.025 * math.sqrt(both / max(freedom, 1)), whole


@given(st.lists(st.integers(0, 60), min_size=8, max_size=16).filter(any))
@settings(max_examples=60, deadline=None)
def test_the_test_is_the_likelihood_ratio_of_the_negative_binomial(series: list[int]) -> None:
    y = np.array([series], dtype=float)
    found = levels(y, np.ones_like(y, dtype=bool), rule=RULE)
    cut, z, within, whole = slow([float(one) for one in series])
    assert abs(found.z[0]) == pytest.approx(abs(z), abs=1e-5)
    if found.is_shift[0]:
        assert found.periods[0] == len(series) - cut
        assert math.copysign(1, found.z[0]) == math.copysign(1, z)
        assert found.cv[0] == pytest.approx(within, rel=1e-9, abs=1e-9)
    else:
        assert found.periods[0] == len(series)
        assert found.cv[0] == pytest.approx(whole, rel=1e-9, abs=1e-9)


@given(st.lists(st.integers(0, 60), min_size=8, max_size=14), st.lists(st.integers(0, 13), max_size=3))
@settings(max_examples=40, deadline=None)
def test_periods_that_are_not_observed_are_as_if_they_were_not_there(series: list[int], hidden: list[int]) -> None:
    y = np.array([series], dtype=float)
    seen = np.ones_like(y, dtype=bool)
    seen[0, [at for at in hidden if at < len(series)]] = False
    whole, left = levels(y, seen, rule=RULE), levels(y[:, seen[0]], np.ones((1, seen.sum()), bool), rule=RULE)
    for name in ("periods", "units_period", "cv", "cv_periods", "z", "ratio", "is_shift", "is_recent"):
        np.testing.assert_allclose(getattr(whole, name), getattr(left, name), equal_nan=True)


def counts(rng: np.random.Generator, mean: np.ndarray, size: float) -> np.ndarray:
    return rng.poisson(rng.gamma(size, mean / size)).astype(float)


@pytest.mark.capability("3.3", part="a level-shift test for counts with its false alarms and its power stated")
def test_false_alarms_and_power_are_as_documented() -> None:
    rng = np.random.default_rng(1)
    rule = SHIPPED.level
    assert rule is not None
    still = counts(rng, np.full((3000, 36), 20.0), 2.0)
    seen = np.ones(still.shape, dtype=bool)
    assert 0.002 < levels(still, seen, rule=rule).is_shift.mean() < 0.04
    for factor, least in ((4.0, 0.7), (0.25, 0.35)):
        mean = np.full((1000, 36), 20.0)
        mean[:, -4:] *= factor
        found = levels(counts(rng, mean, 2.0), seen[:1000], rule=rule)
        assert found.is_recent.mean() > least
        assert (np.sign(found.z[found.is_recent]) == np.sign(factor - 1)).all()


def test_the_cv_by_logarithms_is_sharper_than_the_sample_cv_and_as_sharp_as_likelihood() -> None:
    rng = np.random.default_rng(2)
    y = rng.gamma(1.0, 30.0, (3000, 24))
    sharp = levels(y, np.ones(y.shape, bool), rule=RULE.model_copy(update={"z": 9.9})).cv
    raw = y.std(axis=1, ddof=1) / y.mean(axis=1)
    assert np.mean(np.log(sharp)) == pytest.approx(0.0, abs=0.08)
    assert np.std(np.log(sharp)) < 0.85 * np.std(np.log(raw))
    gap = np.log(y.mean(axis=1)) - np.log(y).mean(axis=1)
    likely = [
        optimize.brentq(lambda k, g=g: math.log(k) - special.digamma(k) - g, 1e-3, 1e3) ** -0.5 for g in gap[:400]
    ]
    assert np.std(np.log(sharp[:400])) < 1.15 * np.std(np.log(likely))


def test_a_passed_shift_is_no_variation() -> None:
    y = np.array([[10.0, 12, 9, 11, 10, 12, 9, 11, 40, 48, 36, 44]])
    found = levels(y, np.ones(y.shape, bool), rule=RULE)
    assert (found.periods[0], found.units_period[0], bool(found.is_recent[0])) == (4, 42.0, True)
    assert found.cv[0] < 0.15 < 0.6 < y.std(ddof=1) / y.mean()
    old = np.concatenate([y[:, :8], np.tile(y[:, 8:], 3)], axis=1)
    later = levels(old, np.ones(old.shape, bool), rule=RULE)
    assert (bool(later.is_shift[0]), bool(later.is_recent[0]), later.periods[0]) == (True, False, 12)


def test_edges() -> None:
    y = np.array([[0.0] * 12, [8.0] * 12, [8.0] * 6 + [0.0] * 6, [np.nan] * 9 + [5.0, 6.0, 7.0], [np.nan] * 12])
    seen = np.isfinite(y)
    found = levels(np.where(seen, y, 0.0), seen, rule=RULE)
    assert found.is_shift.tolist() == [False, False, True, False, False]
    assert found.periods.tolist() == [12, 12, 6, 3, 0]
    assert found.units_period[:4].tolist() == [0.0, 8.0, 0.5 / 6, 6.0]  # what died is small, not nothing
    assert np.isnan(found.units_period[4])
    assert np.isnan(found.cv[[0, 4]]).all()
    assert found.cv[1] == found.cv[2] == 0.0
    assert np.isnan(found.z[[3, 4]]).all()
    none = levels(np.zeros((2, 0)), np.zeros((2, 0), bool), rule=RULE)
    assert none.periods.tolist() == [0, 0]
    assert levels(np.zeros((0, 5)), np.zeros((0, 5), bool), rule=RULE).z.shape == (0,)


def test_the_value_at_a_level_is_that_of_the_window_at_its_pace() -> None:
    found = level_value(
        np.array([120.0, np.nan, 0.0]), np.array([60.0, 6.0, 0.0]), np.array([10.0, 1.0, 2.0]), periods=12
    )
    assert found[[0, 2]].tolist() == [240.0, 0.0]
    assert np.isnan(found[1])
