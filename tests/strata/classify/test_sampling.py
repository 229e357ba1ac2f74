"""What a draw of periods makes of value and variability: against plain loops, and a draw of every period once."""

import math
from fractions import Fraction
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.classify.sampling import (
    about_mean,
    ahead,
    at_level,
    forecast_worth,
    money_in,
    period_counts,
    within_levels,
)
from strata.demand.level import level_value, levels
from tests.strata.banded import SHIPPED

LEVEL = SHIPPED.level
assert LEVEL is not None


def panel(seed: int, items: int = 8, periods: int = 18) -> tuple[np.ndarray, np.ndarray]:
    """Whole units, some of them sporadic, some shifted, and what was seen of them: a launch and a gap or two."""
    rng = np.random.default_rng(seed)
    mean = rng.lognormal(2.0, 1.2, (items, 1)) * np.where(
        np.arange(periods) < rng.integers(4, periods, (items, 1)), 1.0, rng.choice([1.0, 1.0, 0.2, 5.0], (items, 1))
    )
    units = rng.poisson(rng.gamma(1.5, mean / 1.5)).astype(float)
    observed = np.arange(periods) >= rng.integers(0, periods // 2, (items, 1))
    observed &= rng.random((items, periods)) > 0.05
    return units, observed


def split(units: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Periods since the last shift and before it."""
    rests_on = levels(units, observed, rule=LEVEL).periods
    since = observed & (np.cumsum(observed[:, ::-1], axis=1)[:, ::-1] <= rests_on[:, None])
    return since, observed & ~since


@pytest.mark.parametrize("block", [1, 3, 5])
def test_a_draw_is_as_long_as_what_it_is_drawn_from(block: int) -> None:
    counts = period_counts(13, 4000, block=block, rng=np.random.default_rng(3))
    assert (counts.sum(axis=1) == 13).all() and counts.min() >= 0
    assert np.abs(counts.mean(axis=0) - 1.0).max() < 0.06  # no period is dearer than another
    assert np.array_equal(counts, period_counts(13, 4000, block=block, rng=np.random.default_rng(3)))


def test_blocks_keep_neighbours_together() -> None:
    single, blocks = (period_counts(24, 3000, block=block, rng=np.random.default_rng(5)) for block in (1, 6))
    near = [float(np.corrcoef(counts[:, 4], counts[:, 5])[0, 1]) for counts in (single, blocks)]
    assert near[0] < 0.1 < 0.6 < near[1]


@pytest.mark.parametrize(("periods", "block"), [(0, 1), (4, 5), (4, 0)])
def test_blocks_that_do_not_fit_are_refused(periods: int, block: int) -> None:
    with pytest.raises(ValueError, match="1 <= block <= periods"):
        period_counts(periods, 3, block=block, rng=np.random.default_rng(1))


@pytest.mark.parametrize("seed", range(6))
def test_a_draw_of_every_period_once_gives_what_was_decided(seed: int) -> None:
    units, observed = panel(seed, items=60, periods=30)
    once = np.ones((1, units.shape[1]))
    found = levels(units, observed, rule=LEVEL)
    since, before = split(units, observed)
    assert before.any() and not before.any(axis=1).all()  # both kinds
    value = level_value(units.sum(axis=1) * 3.0, units.sum(axis=1), found.units_period, periods=12)
    enough = since.sum(axis=1) >= 2
    assert at_level(value, units, since).drawn(once)[0] == pytest.approx(value)
    metric, says = within_levels(found.cv, units, since, before).drawn(once)
    assert (says[0] == enough).all()
    assert metric[0][enough] == pytest.approx(found.cv[enough], nan_ok=True)
    cv = np.array([stdev(u[o]) / fmean(u[o]) if sum(u[o]) else np.nan for u, o in zip(units, observed, strict=True)])
    assert about_mean(cv, units, units, observed).drawn(once)[0][0] == pytest.approx(cv, nan_ok=True)
    money = units * 3.0
    assert money_in(money.sum(axis=1), money, observed).drawn(once)[0] == pytest.approx(money.sum(axis=1))


def expanded(row: np.ndarray, counts: np.ndarray, seen: np.ndarray) -> list[float]:
    """What was drawn of a row, each value as often as its period came up."""
    return [
        float(value) for value, times, here in zip(row, counts, seen, strict=True) if here for _ in range(int(times))
    ]


def freedom(counts: np.ndarray, seen: np.ndarray) -> float:
    drawn = [int(times) for times, here in zip(counts, seen, strict=True) if here]
    return float(sum(drawn) - Fraction(sum(times * times for times in drawn), sum(drawn))) if sum(drawn) else 0.0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_draws_are_those_of_plain_loops(seed: int) -> None:
    units, observed = panel(seed)
    since, before = split(units, observed)
    counts = period_counts(units.shape[1], 5, block=1, rng=np.random.default_rng(seed + 1))
    value = np.arange(1.0, 9.0) * 100
    worth, flat = at_level(value, units, since).drawn(counts), money_in(value, units * 2.5, since).drawn(counts)
    within, heard = within_levels(np.zeros(8), units, since, before).drawn(counts)
    cv = np.array([stdev(u[o]) / fmean(u[o]) if o.sum() > 1 and sum(u[o]) else np.nan
                   for u, o in zip(units, observed, strict=True)])  # fmt: skip
    about, said = about_mean(cv, units, units, observed).drawn(counts)
    for item in range(8):
        own, here, earlier = units[item], since[item], before[item]
        now = expanded(own, np.ones(len(own)), here)
        for draw, times in enumerate(counts):
            again = expanded(own, times, here)
            assert heard[draw, item] == (freedom(times, here) > 0)
            assert said[draw, item] == (freedom(times, observed[item]) > 0)
            if not again:
                assert math.isnan(worth[draw, item]) and math.isnan(flat[draw, item])
            else:
                per_period = (sum(again) or 0.5) / len(again)
                assert worth[draw, item] == pytest.approx(value[item] / ((sum(now) or 0.5) / len(now)) * per_period)
                rest = value[item] - 2.5 * sum(now)
                assert flat[draw, item] == pytest.approx(rest + len(now) * 2.5 * fmean(again))
            spread = free = 0.0
            offset = fmean(expanded(own, np.ones(len(own)), observed[item])) / 20 if observed[item].any() else 0.0
            for side in (here, earlier):
                drawn = expanded(own, times, side)
                if sum(drawn) > 0:
                    mean, logs = fmean(drawn), [math.log(y + offset) for y in drawn]
                    product = sum((y - mean) * (log - fmean(logs)) for y, log in zip(drawn, logs, strict=True))
                    spread += max(product / mean, 0.0)
                    free += freedom(times, side)
            known = free > 0
            assert math.isnan(within[draw, item]) != known
            if known:
                assert within[draw, item] == pytest.approx(1.025 * math.sqrt(spread / free), abs=1e-7)
            drawn = expanded(own, times, observed[item])
            free = freedom(times, observed[item])
            if free > 0 and sum(drawn) > 0:
                squares = sum((y - fmean(drawn)) ** 2 for y in drawn)
                assert about[draw, item] == pytest.approx(math.sqrt(squares / free) / fmean(drawn), abs=1e-9)
            else:
                assert math.isnan(about[draw, item])


def test_draws_do_not_lean_to_the_steadier_class() -> None:
    # Variance 1 in truth: over many series and draws it stays 1; divided by n - 1 it would be 11 / 12.
    rng = np.random.default_rng(6)
    units = 100 + rng.normal(size=(3000, 12))
    seen = np.ones(units.shape, dtype=bool)
    cv = units.std(axis=1, ddof=1) / units.mean(axis=1)
    metric, _ = about_mean(cv, units, units, seen).drawn(period_counts(12, 40, block=1, rng=rng))
    assert float((metric**2).mean() / (cv**2).mean()) == pytest.approx(1.0, abs=0.02)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), alpha=st.sampled_from([0.1, 0.3, 0.9]), warm_up=st.integers(1, 5))
def test_what_comes_as_forecast_is_that_of_a_plain_loop(seed: int, alpha: float, warm_up: int) -> None:
    units, observed = panel(seed)
    made = ahead(units, observed, alpha=alpha, warm_up=warm_up)
    for item in range(len(units)):
        seen = np.flatnonzero(observed[item])
        level, forecasts = 0.0, {}
        for rank, period in enumerate(seen, start=1):
            if rank > warm_up:
                forecasts[period] = level
            level += max(alpha, 1 / rank) * (units[item, period] - level)
        usual = fmean(forecasts.values()) if forecasts else 0.0
        now = fmean(units[item, seen]) if len(seen) else 0.0
        can = len(forecasts) >= 2 and usual > 0 and now > 0
        assert made.can[item] == can
        assert np.flatnonzero(made.judged[item]).tolist() == (list(forecasts) if can else [])
        if can:
            errors = [(units[item, at] - forecast) / usual for at, forecast in forecasts.items()]
            bias, variance = fmean(errors), stdev(errors) ** 2
            kept = max(0.0, 1.0 - variance / (len(errors) * bias**2)) if bias else 0.0
            errors = [error - bias * (1.0 - kept) for error in errors]
            assert made.units[item, list(forecasts)] == pytest.approx([now * (1 + error) for error in errors])


def test_a_trend_that_forecasts_lag_behind_brings_more_than_the_level() -> None:
    units = np.array([np.full(24, 12.5), np.arange(1.0, 25.0)])
    made = ahead(units, np.ones(units.shape, dtype=bool), alpha=0.2, warm_up=3)
    drawn = made.units.sum(axis=1) / made.judged.sum(axis=1)
    assert drawn[0] == pytest.approx(12.5) and 15 < drawn[1] < 24


def test_a_mean_error_that_is_noise_does_not_count() -> None:
    units = np.random.default_rng(4).gamma(2, 10, (2000, 12))
    made = ahead(units, np.ones(units.shape, dtype=bool), alpha=0.2, warm_up=3)
    error = made.units.sum(axis=1) / made.judged.sum(axis=1) / units.mean(axis=1) - 1
    assert np.median(np.abs(error)) < 0.01 and abs(error.mean()) < 0.02


def test_a_forecast_that_was_right_brings_the_value_that_was_decided() -> None:
    units, seen = np.full((1, 10), 7.0), np.ones((1, 10), dtype=bool)
    made = ahead(units, seen, alpha=0.2, warm_up=3)
    counts = period_counts(10, 20, block=1, rng=np.random.default_rng(2))
    assert forecast_worth(np.array([840.0]), units, seen, made).drawn(counts) == pytest.approx(840.0, nan_ok=True)


def test_a_level_at_which_nothing_was_sold_keeps_its_small_value() -> None:
    units, seen = np.zeros((1, 6)), np.ones((1, 6), dtype=bool)
    counts = period_counts(6, 5, block=1, rng=np.random.default_rng(2))
    assert at_level(np.array([3.0]), units, seen).drawn(counts) == pytest.approx(3.0)


def test_matrices_that_do_not_fit_are_refused() -> None:
    square = np.ones((3, 4))
    with pytest.raises(ValueError, match="matrices of one shape"):
        at_level(np.ones(3), square, np.ones((3, 5), dtype=bool))
    with pytest.raises(ValueError, match="one row per item"):
        money_in(np.ones(2), square, np.ones((3, 4), dtype=bool))
