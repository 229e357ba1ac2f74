"""Losses and quantiles against tables, recorded calls of stockpyl, textbook figures, numerical sums and properties."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from strata.inventory.distributions import Demand, demand

ORACLE = Path(__file__).resolve().parents[3] / "../shared/oracle/single_echelon"
needs_oracle = pytest.mark.skipif(not ORACLE.exists(), reason="shared oracles are not beside the project")
KINDS = ("normal", "gamma", "negative_binomial")

moments = st.tuples(st.floats(0.05, 1e5), st.floats(0.05, 40)).map(lambda pair: (pair[0], pair[0] * pair[1]))


def _of_trials(r: float, p: float) -> tuple[float, float]:
    return r * (1 - p) / p, r * (1 - p) / p**2


def law(kind: str, mean: float, variance: float) -> Any:
    if kind == "normal":
        return stats.norm(mean, np.sqrt(variance))
    if kind == "gamma":
        return stats.gamma(mean**2 / variance, scale=variance / mean)
    if variance <= mean:
        return stats.poisson(mean)
    return stats.nbinom(mean**2 / (variance - mean), mean / variance)


@needs_oracle
def test_standard_normal_loss_equals_the_table() -> None:
    """First- and second-order loss of the standard normal, G(k) and L2(k)."""
    with (ORACLE / "standard_normal_loss.csv").open(encoding="utf-8") as file:
        rows = np.array([[float(cell) for cell in row] for row in list(csv.reader(file))[1:]])
    k, cdf, first, second = rows[:, 0], rows[:, 2], rows[:, 4], rows[:, 5]
    # A demand may not be negative, so the standard normal is moved by 10: losses depend on the distance only.
    found = demand("normal", np.full(k.shape, 10.0), np.ones(k.shape)).losses(k + 10)
    np.testing.assert_allclose(1 - found.survival, cdf, atol=1e-12)
    np.testing.assert_allclose(found.first, first, atol=1e-12)
    np.testing.assert_allclose(found.second, second, atol=1e-11)


@needs_oracle
def test_losses_equal_the_recorded_calls_of_stockpyl() -> None:
    """E[(X - x)+] and half E[(X - x)+^2] (counts: half E[(X - x)+ (X - x - 1)+]), as stockpyl defines them."""
    calls = [
        call
        for test in json.loads((ORACLE / "stockpyl_unittest_calls.json").read_text())["tests"]
        for call in test["calls"]
    ]
    moments_of = {
        "normal": lambda a: (a["mean"], a["sd"] ** 2),
        "gamma": lambda a: (a["a"] * a["b"], a["a"] * a["b"] ** 2),
        "negative_binomial": lambda a: (a["mean"], a["sd"] ** 2) if "mean" in a else _of_trials(a["r"], a["p"]),
        "poisson": lambda a: (a["mean"], a["mean"]),
    }
    checked = 0
    for call in calls:
        name = call["fn"].removeprefix("loss_functions.")
        kind = name.removesuffix("_loss").removesuffix("_second")
        if kind not in moments_of or "mean" in call["args"] and call["args"]["mean"] <= 0:
            continue
        mean, variance = moments_of[kind](call["args"])
        row = demand("negative_binomial" if kind == "poisson" else kind, [mean], [variance])
        found = row.losses([call["args"]["x"]])
        expected = call["result"][0]
        assert (found.second if "second" in name else found.first)[0] == pytest.approx(expected, rel=1e-6), call
        checked += 1
    assert checked >= 25


@needs_oracle
def test_expected_shortage_equals_textbook_and_exact_examples() -> None:
    """Burgin's gamma loss n(s) and n(s + Q); Chopra's normal expected shortage per cycle."""
    examples = {e["id"]: e for e in json.loads((ORACLE / "textbook_and_exact_examples.json").read_text())}
    for name in ("gamma_fill_50_30_100_60", "gamma_fill_50_60_100_120", "gamma_fill_10_12_20_25"):
        given_, expected = examples[name]["inputs"], examples[name]["recomputed"]
        row = demand("gamma", [given_["mean_LTD"]], [given_["sd_LTD"] ** 2])
        assert row.expected_shortage([given_["s"]])[0] == pytest.approx(expected["n_s"], rel=1e-9)
        assert row.expected_shortage([given_["s"] + given_["Q"]])[0] == pytest.approx(expected["n_sQ"], rel=1e-8)
        assert row.cdf([given_["s"]])[0] == pytest.approx(expected["CSL"], rel=1e-9)


def test_gamma_and_negative_binomial_moments_are_the_published_ones() -> None:
    gamma = demand("gamma", [900.0], [208.8061**2])
    assert gamma.shape[0] == pytest.approx(18.57798, rel=1e-5)
    assert gamma.dispersion[0] == pytest.approx(48.44444, rel=1e-5)
    counts = demand("negative_binomial", [4.0], [40.0])
    assert counts.shape[0] == pytest.approx(0.444444, rel=1e-5)
    assert 1 / counts.dispersion[0] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("mean", "variance"),
    [(4, 40), (0.3, 0.9), (100, 150), (2000, 2000.5), (1e5, 3e5), (3, 2), (50, 50), (1e6, 1e6 + 1)],
)
def test_count_losses_equal_summation(mean: float, variance: float) -> None:
    """Survival, E[(X-k)+] and half E[(X-k)+(X-k-1)+] summed over scipy's probabilities; variance <= mean is Poisson."""
    exact, sd = law("negative_binomial", mean, variance), np.sqrt(max(variance, mean))
    k = np.unique(np.maximum(np.floor(mean + np.array([-3, -1, 0, 0.5, 1, 2, 4]) * sd), 0))
    grid = np.arange(max(0, np.floor(mean - 12 * sd)), np.ceil(mean + 60 * sd) + 60)
    mass = exact.pmf(grid)
    found = demand("negative_binomial", np.full(k.shape, float(mean)), np.full(k.shape, float(variance))).losses(k)
    above = np.maximum(grid[None, :] - k[:, None], 0)
    np.testing.assert_allclose(found.survival, exact.sf(k), atol=1e-9)
    np.testing.assert_allclose(found.first, (above * mass).sum(axis=1), atol=1e-8 * max(1.0, sd))
    np.testing.assert_allclose(
        found.second, (above * np.maximum(above - 1, 0) * mass).sum(axis=1) / 2, atol=1e-6 * sd**2
    )


@pytest.mark.parametrize("kind", ["normal", "gamma"])
@pytest.mark.parametrize(("mean", "variance"), [(4, 40), (900, 43600), (10, 0.5), (1e6, 1e6)])
def test_continuous_losses_equal_integration(kind: Any, mean: float, variance: float) -> None:
    exact, sd = law(kind, mean, variance), np.sqrt(variance)
    for x in mean + np.array([-0.5, 0.0, 1.0, 3.0]) * sd:
        if x < 0:
            continue
        found = demand(kind, [mean], [variance]).losses([x])
        first = integrate.quad(exact.sf, x, mean + 60 * sd, limit=500, points=[mean + 3 * sd])[0]
        second = integrate.quad(
            lambda y, at=x: (y - at) * exact.sf(y), x, mean + 60 * sd, limit=500, points=[mean + 3 * sd]
        )[0]
        assert found.survival[0] == pytest.approx(exact.sf(x), abs=1e-10)
        assert found.first[0] == pytest.approx(first, rel=1e-6, abs=1e-9 * sd)
        assert found.second[0] == pytest.approx(second, rel=1e-6, abs=1e-9 * sd**2)


@pytest.mark.parametrize("kind", KINDS)
def test_shortage_agrees_with_monte_carlo(kind: Any) -> None:
    rng = np.random.default_rng(7)
    draws = law(kind, 60.0, 900.0).rvs(200_000, random_state=rng)
    short = np.maximum(draws - 90, 0)
    expected = demand(kind, [60.0], [900.0]).expected_shortage([90.0])[0]
    assert abs(short.mean() - expected) < 4 * short.std() / np.sqrt(short.size)


@pytest.mark.parametrize("kind", KINDS)
@given(pair=moments, p=st.floats(0.01, 0.999))
def test_quantile_is_the_least_stock_that_covers(kind: Any, pair: tuple[float, float], p: float) -> None:
    row = demand(kind, [pair[0]], [pair[1]])
    stock = row.quantile([p])
    assert np.isfinite(stock).all() and (stock[0] >= 0 or kind == "normal")
    if kind == "gamma" and stock[0] < 1e-200:
        return  # below what double precision can hold
    assert row.cdf(stock)[0] >= p - 1e-9
    below = stock - 1 if row.is_count else stock - 1e-6 * (np.abs(stock) + np.sqrt(row.variance))
    if row.is_count and stock[0] > 0:
        assert row.cdf(below)[0] < p + 1e-12
    if not row.is_count:
        assert row.cdf(stock)[0] == pytest.approx(p, abs=1e-8)


@pytest.mark.parametrize("kind", KINDS)
@given(pair=moments, at=st.floats(0, 4))
def test_shortage_is_convex_decreasing_and_bounded(kind: Any, pair: tuple[float, float], at: float) -> None:
    mean, sd = pair[0], np.sqrt(max(pair))
    x = (
        np.floor(np.array([at, at + 0.5, at + 1.0]) * (mean + sd))
        if kind == "negative_binomial"
        else np.array([at, at + 0.5, at + 1.0]) * (mean + sd)
    )
    a, b, c = demand(kind, np.full(3, mean), np.full(3, pair[1])).expected_shortage(x)
    tiny = 1e-9 * (mean + sd)
    assert a >= b - tiny and b >= c - tiny and c >= -tiny
    if x[2] > x[0]:
        weight = (x[1] - x[0]) / (x[2] - x[0])
        assert b <= (1 - weight) * a + weight * c + tiny
    assert a >= mean - x[0] - tiny


@pytest.mark.parametrize("kind", ["normal", "gamma"])
@given(pair=moments, factor=st.floats(0.01, 1000))
def test_shortage_scales_with_the_unit(kind: Any, pair: tuple[float, float], factor: float) -> None:
    small = demand(kind, [pair[0]], [pair[1]])
    large = demand(kind, [pair[0] * factor], [pair[1] * factor**2])
    x = pair[0] * 1.3
    ratio = large.expected_shortage([x * factor])[0] / factor
    assert ratio == pytest.approx(small.expected_shortage([x])[0], rel=1e-6, abs=1e-9 * pair[0])


def test_no_demand_is_never_short() -> None:
    for kind in KINDS:
        row = demand(kind, [0.0], [0.0])
        assert row.expected_shortage([0.0])[0] == 0
        assert row.expected_shortage([-2.0])[0] == 2
        assert row.cdf([0.0])[0] == 1
        assert row.quantile([0.99])[0] == 0


def test_rows_of_mixed_dispersion_keep_their_own_law() -> None:
    mixed = demand("negative_binomial", [3.0, 3.0, 0.0], [2.0, 9.0, 0.0])
    alone = [law("negative_binomial", 3, 2).ppf(0.9), law("negative_binomial", 3, 9).ppf(0.9), 0]
    assert mixed.quantile(np.full(3, 0.9)).tolist() == alone
    assert isinstance(mixed.take(np.array([1])), Demand)


@pytest.mark.parametrize(("mean", "variance"), [(-1.0, 1.0), (1.0, np.nan), (np.inf, 1.0)])
def test_a_moment_that_is_no_number_is_refused_by_row(mean: float, variance: float) -> None:
    with pytest.raises(ValueError, match="row 1 is"):
        demand("gamma", [1.0, mean], [1.0, variance])


def test_a_percentage_as_probability_is_refused() -> None:
    with pytest.raises(ValueError, match="97.5 % is 0.975"):
        demand("normal", [1.0], [1.0]).quantile([97.5])
