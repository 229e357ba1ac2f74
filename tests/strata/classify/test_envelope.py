"""Best and worst weights against a linear programme per item, degenerate cases included; the defect of the first."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strata.classify.criteria import ng_scores, unit_scaled
from strata.classify.envelope import best_scores, worst_scores, zhou_fan_scores
from tests.strata.classify.benchmark47 import ITEMS

SHAPES = st.tuples(st.integers(1, 7), st.integers(1, 5))
matrices = st.one_of(
    hnp.arrays(float, SHAPES, elements=st.integers(0, 3).map(float)),  # duplicate rows, zeros, constant criteria
    hnp.arrays(float, SHAPES, elements=st.sampled_from([0.0, 0.001, 0.3, 1.0, 7.0, 5000.0])),
)


def programme(criteria: np.ndarray, item: int, *, best: bool) -> float:
    """The programme of one item, as the paper writes it."""
    from scipy.optimize import linprog

    counted = criteria[(criteria > 0).any(axis=1)]
    if not (criteria[item] > 0).any():
        return 0.0
    sign = 1.0 if best else -1.0
    # A criterion in which no item has anything would leave its weight free without changing a score.
    bounds = [(0, None if column.any() else 1) for column in counted.T]
    solved = linprog(-sign * criteria[item], sign * counted, sign * np.ones(len(counted)), bounds=bounds)
    assert solved.status == 0, solved.message
    return float(-sign * solved.fun)


@pytest.mark.capability("3.1", part="multi-criteria score of Ramanathan")
@given(matrices)
@example(np.array([[1.0, 2.0, 3.0]]))
@example(np.array([[2.0, 5.0], [2.0, 5.0], [0.0, 5.0], [0.0, 0.0]]))
@settings(max_examples=40, deadline=None)
def test_best_weights_solve_every_items_programme(criteria: np.ndarray) -> None:
    solved = [programme(criteria, item, best=True) for item in range(len(criteria))]
    np.testing.assert_allclose(best_scores(criteria), solved, atol=1e-8)


@pytest.mark.capability("3.1", part="multi-criteria score of Zhou and Fan")
@given(matrices, st.sampled_from([0.0, 0.5, 1.0]))
@example(np.array([[1.0, 2.0, 3.0]]), 0.5)
@example(np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), 0.5)
@settings(max_examples=40, deadline=None)
def test_worst_weights_solve_every_items_programme(criteria: np.ndarray, balance: float) -> None:
    best, worst = (
        np.array([programme(criteria, item, best=kind) for item in range(len(criteria))]) for kind in (True, False)
    )
    np.testing.assert_allclose(worst_scores(criteria), worst, rtol=1e-8, atol=1e-8)
    scaled = [(part - part.min()) / (np.ptp(part) if np.ptp(part) > 1e-9 else 1.0) for part in (best, worst)]
    found = zhou_fan_scores(criteria, balance=balance)
    if all(np.ptp(part) > 1e-9 or np.ptp(part) == 0 for part in (best, worst)):
        np.testing.assert_allclose(found, balance * scaled[0] + (1 - balance) * scaled[1], atol=1e-6)


@given(matrices, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_neither_units_nor_order_change_a_score(criteria: np.ndarray, random: object) -> None:
    columns = list(range(criteria.shape[1]))
    random.shuffle(columns)  # type: ignore[attr-defined]
    other = criteria[::-1, columns] * np.array([0.01, 1.0, 60.0, 1e4, 3.0])[: len(columns)]
    np.testing.assert_allclose(best_scores(other)[::-1], best_scores(criteria), atol=1e-8)
    np.testing.assert_allclose(worst_scores(other)[::-1], worst_scores(criteria), rtol=1e-8, atol=1e-8)


def test_thousands_of_items_share_corners() -> None:
    """Random items of them solved alone."""
    rng = np.random.default_rng(3)
    criteria = np.column_stack([rng.lognormal(3, 2, 5000), rng.integers(1, 60, 5000), rng.random(5000)])
    best, worst = best_scores(criteria), worst_scores(criteria)
    for item in rng.integers(0, 5000, 6):
        assert best[item] == pytest.approx(programme(criteria, item, best=True), abs=1e-8)
        assert worst[item] == pytest.approx(programme(criteria, item, best=False), rel=1e-8)


def test_amounts_over_ten_orders_of_magnitude_have_no_better_weights() -> None:
    """The programme solved in several units (a solver's tolerance is lost in one); each solution is made to fit."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(9)
    for _ in range(4):
        criteria = 10 ** rng.uniform(0, 10, (12, 3))
        for best, scores in ((True, best_scores(criteria)), (False, worst_scores(criteria))):
            sign = 1.0 if best else -1.0
            for item in range(12):
                reached = []
                for unit in (criteria.max(axis=0), np.sqrt(criteria.max(axis=0) * criteria.min(axis=0))):
                    scaled = criteria / unit
                    weights = linprog(-sign * scaled[item], sign * scaled, sign * np.ones(12)).x
                    along = scaled @ np.maximum(weights, 0)
                    reached.append(along[item] / (along.max() if best else along.min()))
                assert sign * scores[item] >= sign * (max(reached) if best else min(reached)) * (1 - sign * 1e-8)


@pytest.mark.capability("3.1", part="known defect of best weights shown")
def test_an_item_with_only_a_long_lead_time_is_a_best_item() -> None:
    """S34 and S45 sell 190.89 and 34.40 a year and lead in lead time; worst weights and an order take that back."""
    best = best_scores(ITEMS)
    assert ITEMS[[33, 44], 0].tolist() == [190.89, 34.4]
    np.testing.assert_allclose(best[[33, 44]], 1.0)
    both = zhou_fan_scores(ITEMS, balance=0.5)
    ranks = np.argsort(np.argsort(-both)) + 1
    assert (ranks[[33, 44]] > 10).all()
    ng = ng_scores(unit_scaled(ITEMS, is_gain=[True] * 3))
    assert ((np.argsort(np.argsort(-ng)) + 1)[[33, 44]] > 10).all()


def test_items_without_anything_score_nothing_and_bind_nobody() -> None:
    criteria = np.array([[0.0, 0.0], [1.0, 2.0]])
    assert best_scores(criteria).tolist() == [0.0, 1.0]
    assert worst_scores(criteria).tolist() == [0.0, 1.0]
    assert best_scores(np.zeros((2, 3))).tolist() == worst_scores(np.zeros((2, 3))).tolist() == [0.0, 0.0]
    assert len(best_scores(np.zeros((0, 2)))) == len(zhou_fan_scores(np.zeros((0, 2)), balance=0.5)) == 0


def test_what_has_no_score_is_refused() -> None:
    with pytest.raises(ValueError, match="item 0, criterion 1 is -1.0"):
        best_scores(np.array([[1.0, -1.0]]))
    with pytest.raises(ValueError, match="at most 6"):
        worst_scores(np.ones((2, 7)))
    with pytest.raises(ValueError, match="balance 1.5"):
        zhou_fan_scores(np.ones((2, 2)), balance=1.5)


def test_too_many_corners_are_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Items on a sphere are each the best of some direction: no data of a company, and no hours of waiting."""
    monkeypatch.setattr("strata.classify.envelope._MOST_CORNERS", 300)
    points = np.abs(np.random.default_rng(4).normal(size=(200, 4)))
    with pytest.raises(ValueError, match="use fewer criteria, or ng or edas"):
        best_scores(points / np.linalg.norm(points, axis=1, keepdims=True))


def test_equal_items_score_alike_wherever_they_stand() -> None:
    rng = np.random.default_rng(6)
    criteria = np.repeat(rng.lognormal(2, 1, (300, 4)), 7, axis=0)[rng.permutation(2100)]
    for scores in (best_scores(criteria), worst_scores(criteria)):
        assert len(np.unique(scores)) <= 300
        assert len(np.unique(np.column_stack([criteria, scores]), axis=0)) == 300
