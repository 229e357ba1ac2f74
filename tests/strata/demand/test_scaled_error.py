"""Scaled forecast error against loops over each series, and what it sees that a CV does not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strata.demand.scaled_error import scaled_error

RULE = {"season": 3, "alphas": (0.2, 0.5), "warm_up": 2, "min_forecasts": 3}
matrices = hnp.arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(0, 14)), elements=st.integers(0, 6))


def slow(units: list[float], observed: list[bool], *, season: int | None) -> tuple[float, int]:
    """Every forecast written out from the periods before it."""
    errors: dict[str, dict[int, float]] = {"mean": {}, "0.2": {}, "0.5": {}, "seasonal": {}}
    for at in range(len(units)):
        past = [(t, units[t]) for t in range(at) if observed[t]]
        if not observed[at] or len(past) < RULE["warm_up"]:
            continue
        errors["mean"][at] = units[at] - sum(y for _, y in past) / len(past)
        for alpha in RULE["alphas"]:
            level = past[0][1]
            for _, y in past[1:]:
                level = alpha * y + (1 - alpha) * level
            errors[str(alpha)][at] = units[at] - level
        same = [y for t, y in past if season and t % season == at % season]
        if same:
            errors["seasonal"][at] = units[at] - sum(same) / len(same)
    judged = set(errors["seasonal"]) if len(errors["seasonal"]) >= RULE["min_forecasts"] else set(errors["mean"])
    known = [y for y, seen in zip(units, observed, strict=True) if seen]
    mean = sum(known) / len(known) if known else 0
    if len(judged) < RULE["min_forecasts"] or mean <= 0:
        return float("nan"), len(judged)
    rmse = [
        (sum(error[at] ** 2 for at in judged) / len(judged)) ** 0.5 for error in errors.values() if judged <= set(error)
    ]
    return min(rmse) / mean, len(judged)


@pytest.mark.capability("3.1", part="variability as scaled forecast error")
@given(matrices, st.integers(0, 2**32 - 1), st.sampled_from([None, 3]))
@settings(max_examples=80, deadline=None)
def test_every_series_agrees_with_forecasts_written_out(units: np.ndarray, seed: int, season: int | None) -> None:
    observed = np.random.default_rng(seed).random(units.shape) < 0.8
    made = scaled_error(units.astype(float), observed, **{**RULE, "season": season})
    for row in range(len(units)):
        error, forecasts = slow(units[row].tolist(), observed[row].tolist(), season=season)
        np.testing.assert_allclose(made.error[row], error, atol=1e-9)
        assert made.forecasts[row] == forecasts
        assert (made.benchmark[row] == "") == np.isnan(error)


@given(matrices, st.floats(1e-3, 1e4))
@settings(max_examples=30, deadline=None)
def test_neither_the_unit_nor_what_is_not_observed_matters(units: np.ndarray, factor: float) -> None:
    observed = np.arange(units.shape[1])[None, :] % 4 != 2
    observed = np.broadcast_to(observed, units.shape)
    one = scaled_error(units.astype(float), observed, **RULE)
    other = scaled_error(np.where(observed, units * factor, 1e9), observed, **RULE)
    np.testing.assert_allclose(one.error, other.error, atol=1e-7)


def test_season_and_trend_are_no_variability_and_noise_is() -> None:
    rng = np.random.default_rng(1)
    month = np.arange(48)
    season = 100 + 60 * np.sin(2 * np.pi * month / 12)
    series = np.array([season, 20.0 + 5 * month, season + rng.normal(0, 10, 48), rng.normal(100, 30, 48)])
    made = scaled_error(series, np.ones(series.shape, bool), season=12, alphas=(0.3, 0.9), warm_up=3, min_forecasts=12)
    cv = series.std(axis=1, ddof=1) / series.mean(axis=1)
    assert cv[0] > 0.4 and made.error[0] < 1e-9
    assert made.error[1] < 0.1 < cv[1]
    assert made.benchmark.tolist()[:3] == ["seasonal", "ses 0.9", "seasonal"]
    assert 0.08 < made.error[2] < 0.15
    assert made.error[3] == pytest.approx(cv[3], rel=0.2)


@pytest.mark.parametrize("change", [{"warm_up": 0}, {"min_forecasts": 0}, {"season": 1}, {"alphas": (0.0,)}])
def test_parameters_out_of_bounds_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        scaled_error(np.ones((1, 5)), np.ones((1, 5), bool), **{**RULE, **change})  # type: ignore[arg-type]


def test_no_series_no_periods_and_nothing_sold() -> None:
    for shape in ((0, 5), (2, 0)):
        assert len(scaled_error(np.zeros(shape), np.zeros(shape, bool), **RULE).error) == shape[0]
    assert np.isnan(scaled_error(np.zeros((1, 12)), np.ones((1, 12), bool), **RULE).error[0])
