"""Scores in closed form: the published tables, and a numerical optimiser or plain loops as second computation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strata.classify.criteria import (
    cost_criterion,
    edas_scores,
    hadi_vencheh_scores,
    ng_scores,
    unit_scaled,
    weighted_scores,
)
from tests.strata.classify.benchmark47 import EDAS, ITEMS

SHAPES = st.tuples(st.integers(1, 8), st.integers(1, 4))
units = hnp.arrays(float, SHAPES, elements=st.integers(0, 8).map(lambda v: v / 8))
amounts = hnp.arrays(float, SHAPES, elements=st.integers(0, 9).map(float))
# Keshavarz Ghorabaee and others (2015): tables 5 (10 alternatives), 6 (weights) and 7 (ranks by EDAS).
TABLE_5 = [
    [23, 264, 2.37, 0.05, 167, 8900, 8.71], [20, 220, 2.2, 0.04, 171, 9100, 8.23],
    [17, 231, 1.98, 0.15, 192, 10800, 9.91], [12, 210, 1.73, 0.2, 195, 12300, 10.21],
    [15, 243, 2, 0.14, 187, 12600, 9.34], [14, 222, 1.89, 0.13, 180, 13200, 9.22],
    [21, 262, 2.43, 0.06, 160, 10300, 8.93], [20, 256, 2.6, 0.07, 163, 11400, 8.44],
    [19, 266, 2.1, 0.06, 157, 11200, 9.04], [8, 218, 1.94, 0.11, 190, 13400, 10.11],
]  # fmt: skip
TABLE_6 = {
    (0.250, 0.214, 0.179, 0.143, 0.107, 0.071, 0.036): [1, 4, 6, 10, 7, 8, 2, 3, 5, 9],
    (0.139, 0.167, 0.194, 0.167, 0.139, 0.111, 0.083): [1, 3, 7, 10, 6, 8, 2, 4, 5, 9],
    (0.108, 0.135, 0.162, 0.189, 0.162, 0.135, 0.108): [1, 2, 7, 10, 6, 8, 3, 4, 5, 9],
    (0.036, 0.071, 0.107, 0.143, 0.179, 0.214, 0.250): [1, 2, 6, 10, 7, 8, 3, 4, 5, 9],
}


def best_by_corners(row: np.ndarray) -> float:
    """Ng's programme over its corners: the first j criteria weighted alike."""
    return max(sum(row[:j]) / j for j in range(1, len(row) + 1))


@pytest.mark.capability("3.1", part="multi-criteria score of Ng")
@given(units)
@settings(max_examples=15, deadline=None)
def test_ng_solves_its_linear_programme(scaled: np.ndarray) -> None:
    from scipy.optimize import linprog

    count = scaled.shape[1]
    falling = np.eye(count, k=1)[: count - 1] - np.eye(count)[: count - 1]
    found = ng_scores(scaled)
    for row, score in zip(scaled, found, strict=True):
        solved = linprog(-row, falling if count > 1 else None, np.zeros(count - 1) if count > 1 else None,
                         np.ones((1, count)), [1.0])  # fmt: skip
        assert score == pytest.approx(-solved.fun, abs=1e-9)
        assert score == pytest.approx(best_by_corners(row))


@pytest.mark.capability("3.1", part="multi-criteria score of Hadi-Vencheh")
@given(units)
@settings(max_examples=60, deadline=None)
def test_hadi_vencheh_has_the_best_falling_weights(scaled: np.ndarray) -> None:
    """Pool adjacent violators item by item; and no falling weights of length 1 on a grid score more."""
    count = scaled.shape[1]
    grid = np.random.default_rng(1).random((400, count))
    grid = -np.sort(-grid, axis=1)
    grid /= np.linalg.norm(grid, axis=1, keepdims=True)
    for row, score in zip(scaled, hadi_vencheh_scores(scaled), strict=True):
        pools: list[list[float]] = []
        for value in row:
            pools.append([value])
            while len(pools) > 1 and np.mean(pools[-2]) < np.mean(pools[-1]):
                pools[-2:] = [pools[-2] + pools[-1]]
        fitted = np.concatenate([[np.mean(pool)] * len(pool) for pool in pools])
        assert score == pytest.approx(float(np.linalg.norm(fitted)), abs=1e-9)
        assert score >= (grid @ row).max() - 1e-9
        if score:
            assert (fitted / np.linalg.norm(fitted)) @ row == pytest.approx(score)


@pytest.mark.capability("3.1", part="multi-criteria score EDAS")
def test_edas_gives_the_published_scores_and_ranks() -> None:
    found = edas_scores(ITEMS, weights=[1, 1, 1], is_gain=[True] * 3)
    np.testing.assert_allclose(found, EDAS, atol=0.006)  # the paper rounds to cents before it adds
    assert (found.argmax(), found.argmin()) == (1, 40)
    for weights, ranks in TABLE_6.items():
        scores = edas_scores(np.array(TABLE_5), weights=weights, is_gain=[True] * 3 + [False] * 4)
        assert (np.argsort(np.argsort(-scores)) + 1).tolist() == ranks


@given(amounts, st.integers(0, 15), st.sampled_from([0.01, 7.0]))
@settings(max_examples=60, deadline=None)
def test_edas_agrees_with_loops_and_knows_no_unit(criteria: np.ndarray, directions: int, factor: float) -> None:
    items, count = criteria.shape
    gain = [bool(directions >> at & 1) for at in range(count)]
    weights = [at + 1 for at in range(count)]
    above, below = [0.0] * items, [0.0] * items
    for column in range(count):
        mean = sum(criteria[:, column]) / items
        for item in range(items):
            away = (criteria[item, column] - mean) * (1 if gain[column] else -1) / (mean or 1)
            above[item] += weights[column] * max(0, away)
            below[item] += weights[column] * max(0, -away)
    slow = [(a / (max(above) or 1) + 1 - b / (max(below) or 1)) / 2 for a, b in zip(above, below, strict=True)]
    np.testing.assert_allclose(edas_scores(criteria, weights=weights, is_gain=gain), slow, atol=1e-9)
    scaled = edas_scores(criteria * factor, weights=weights, is_gain=gain)
    np.testing.assert_allclose(scaled, slow, atol=1e-9)


@pytest.mark.capability("3.1", part="cost criterion bD/(hQ) with its service level")
def test_cost_criterion_of_the_worked_example() -> None:
    found = cost_criterion(np.array([1200.0, 60, 24]), np.array([20.0, 20, 200]), np.array([2.0, 2, 50]),
                           np.array([100.0, 20, 4]))  # fmt: skip
    assert found.ratio.tolist() == [120.0, 30.0, 24.0]
    np.testing.assert_allclose(found.cycle_service, [0.99167, 0.96667, 0.95833], atol=5e-6)


@given(st.floats(1, 1e5), st.floats(0.1, 500), st.floats(0.01, 50), st.floats(1, 1e4))
@settings(max_examples=40, deadline=None)
def test_the_service_level_of_the_criterion_costs_least(demand: float, short: float, hold: float, lot: float) -> None:
    """Marginal cost of safety: h a year against b for each of D/Q cycles that would have been short."""
    found = cost_criterion(*(np.array([part]) for part in (demand, short, hold, lot)))
    level = found.cycle_service[0]
    marginal = hold - short * demand / lot * (1 - level)
    assert (marginal == pytest.approx(0.0, abs=1e-6 * hold)) if level > 0 else (hold >= short * demand / lot - 1e-9)


def test_cost_criterion_is_unknown_where_a_part_is() -> None:
    found = cost_criterion(np.array([1.0, 0, np.nan, 1]), np.ones(4), np.array([1.0, 1, 1, -2]), np.full(4, 4.0))
    assert np.isnan(found.ratio).tolist() == [False, True, True, True]
    assert found.cycle_service[0] == 0.0  # holding costs more than all shortages


@given(amounts)
@settings(max_examples=40, deadline=None)
def test_scaling_is_between_0_and_1_and_turns_losses_round(criteria: np.ndarray) -> None:
    gain = unit_scaled(criteria, is_gain=[True] * criteria.shape[1])
    loss = unit_scaled(criteria, is_gain=[False] * criteria.shape[1])
    constant = np.ptp(criteria, axis=0) == 0
    assert ((gain >= 0) & (gain <= 1)).all()
    np.testing.assert_allclose(loss[:, ~constant], 1 - gain[:, ~constant])
    assert (gain[:, constant] == 0).all() and (loss[:, constant] == 0).all()
    np.testing.assert_allclose(weighted_scores(gain, weights=[1.0] * gain.shape[1]), gain.mean(axis=1))


@pytest.mark.parametrize("weights", [[1.0], [0.0, 0.0], [1.0, -1.0], [1.0, np.nan]])
def test_weights_that_weigh_nothing_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="give 2 that are not negative"):
        weighted_scores(np.ones((3, 2)), weights=weights)


def test_a_criterion_that_is_no_number_is_refused_with_its_place() -> None:
    with pytest.raises(ValueError, match="item 1, criterion 0 is nan"):
        ng_scores(np.array([[1.0], [np.nan]]))
    with pytest.raises(ValueError, match="item 0, criterion 1 is -1.0; it must be finite and at least 0"):
        edas_scores(np.array([[1.0, -1.0]]), weights=[1, 1], is_gain=[True, True])
