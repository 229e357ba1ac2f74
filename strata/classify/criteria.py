"""One score of several criteria, in closed form: weighted sum, Ng, Hadi-Vencheh, EDAS, and the cost criterion.

Belongs here: scores that need no linear programme. Does not: those that do (`strata.classify.envelope`), classes
(`strata.classify.ranking`).

Matrices are items x criteria, finite, in any units; a score is higher for items that matter more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_DECIMALS = 12  # of a score around 1: equal items stay equal whatever the order in which a sum was taken


@dataclass(frozen=True, slots=True)
class CostCriterion:
    """Per item: the ratio b D / (h Q), and the cycle service level at which a unit more in stock pays no longer."""

    ratio: Floats
    cycle_service: Floats


def unit_scaled(criteria: Floats, *, is_gain: Sequence[bool]) -> Floats:
    """Scale every criterion to 0..1, 1 the most important: (x - least) / (most - least), turned round for a loss.

    A criterion that is the same for all items says nothing and is 0 for all.

    Args:
        criteria: items x criteria.
        is_gain: per criterion, whether more of it makes an item more important.

    Raises:
        ValueError: shapes do not fit together, or a number is not finite.

    Examples:
        >>> unit_scaled(np.array([[10.0, 1], [20, 7], [15, 1]]), is_gain=[True, False]).tolist()
        [[0.0, 1.0], [1.0, 0.0], [0.5, 1.0]]
    """
    checked_criteria(criteria, len(is_gain))
    if not len(criteria):
        return criteria.copy()
    least, most = criteria.min(axis=0), criteria.max(axis=0)
    width = most - least
    scaled = (criteria - least) / np.where(width > 0, width, 1.0)
    turned: Floats = np.where((width > 0) & ~np.array(is_gain), 1.0 - scaled, scaled)
    return turned


def weighted_scores(scaled: Floats, *, weights: Sequence[float]) -> Floats:
    """Sum of criteria scaled to 0..1, by weights that are scaled to a sum of 1.

    Raises:
        ValueError: one weight per criterion is not given, one is negative, or all are 0.

    Examples:
        >>> weighted_scores(np.array([[0.0, 1.0], [1.0, 0.5]]), weights=[3, 1]).tolist()
        [0.25, 0.875]
    """
    scores: Floats = np.round(scaled @ _shares(weights, scaled), _DECIMALS)
    return scores


def ng_scores(scaled: Floats) -> Floats:
    """Score by the best weights that fall from criterion to criterion: max over j of the mean of the first j.

    Columns stand in falling importance. The weights w1 >= w2 >= ... >= 0 with sum 1 that suit an item best have
    their optimum in a corner, so no programme needs solving. An item may score by its first criterion alone.

    Args:
        scaled: items x criteria, each 0..1, the most important first.

    Examples:
        >>> ng_scores(np.array([[1.0, 0.2, 0.9], [0.1, 1.0, 0.1]])).round(4).tolist()
        [1.0, 0.55]

    References:
        Ng (2007), European Journal of Operational Research 177:344-353, equation 5.
    """
    checked_criteria(scaled, scaled.shape[1])
    means = np.cumsum(scaled, axis=1) / np.arange(1, scaled.shape[1] + 1)
    scores: Floats = np.round(means.max(axis=1), _DECIMALS)
    return scores


def hadi_vencheh_scores(scaled: Floats) -> Floats:
    """Score by the best falling weights of length 1: max w.y with w1 >= w2 >= ... >= 0 and sum of w^2 = 1.

    The best weights point where y stands when it is brought into falling order (isotonic regression), and the score
    is the length of that. Regression by its minimax form, w_j = min over a <= j of max over b >= j of the mean of
    y_a..y_b: for all items at once.

    Args:
        scaled: items x criteria, each 0..1, the most important first.

    Examples:
        >>> hadi_vencheh_scores(np.array([[0.6, 0.8], [0.8, 0.6], [0.0, 1.0]])).round(4).tolist()
        [0.9899, 1.0, 0.7071]

    References:
        Hadi-Vencheh (2010), European Journal of Operational Research 201:962-965; Barlow and Brunk (1972), JASA
        67:140-147 (minimax form).
    """
    checked_criteria(scaled, scaled.shape[1])
    count = scaled.shape[1]
    running = np.concatenate([np.zeros((len(scaled), 1)), np.cumsum(scaled, axis=1)], axis=1)
    falling = np.empty_like(scaled)
    for at in range(count):  # loops over few criteria, arrays over items
        means = [
            np.max([(running[:, b + 1] - running[:, a]) / (b + 1 - a) for b in range(at, count)], axis=0)
            for a in range(at + 1)
        ]
        falling[:, at] = np.min(means, axis=0)
    scores: Floats = np.round(np.sqrt((np.maximum(falling, 0.0) ** 2).sum(axis=1)), _DECIMALS)
    return scores


def edas_scores(criteria: Floats, *, weights: Sequence[float], is_gain: Sequence[bool]) -> Floats:
    """Score by distances above and below the average item, 0..1 (EDAS).

    PDA = max(0, x - mean) / mean and NDA = max(0, mean - x) / mean per criterion (turned round for a loss); their
    weighted sums SP and SN are divided by the largest; score = (SP + 1 - SN) / 2. A criterion that is 0 for all
    items counts nothing; where no item is above (below) the average, SP (SN) is 0 for all.

    Args:
        criteria: items x criteria, not negative: a distance is measured in averages.
        weights: per criterion, scaled to a sum of 1.
        is_gain: per criterion, whether more of it makes an item more important.

    Raises:
        ValueError: shapes do not fit together, or a number is negative or not finite.

    Examples:
        >>> edas_scores(np.array([[1.0, 2], [2, 2], [3, 5]]), weights=[1, 1], is_gain=[True, True]).round(4).tolist()
        [0.0, 0.3, 1.0]

    References:
        Keshavarz Ghorabaee, Zavadskas, Olfat and Turskis (2015), Informatica 26(3):435-451, equations 2-10.
    """
    checked_criteria(criteria, len(is_gain), least=0.0)
    share = _shares(weights, criteria)
    if not len(criteria):
        return np.zeros(0)
    mean = criteria.mean(axis=0)
    distance = (criteria - mean) / np.where(mean > 0, mean, 1.0) * np.where(np.array(is_gain), 1.0, -1.0)
    above, below = np.maximum(distance, 0.0) @ share, np.maximum(-distance, 0.0) @ share
    above, below = (side / side.max() if side.max() > 0 else side for side in (above, below))
    scores: Floats = np.round(0.5 * (above + 1.0 - below), _DECIMALS)
    return scores


def cost_criterion(
    demand_year: Floats, shortage_cost_per_unit: Floats, holding_cost_per_unit_year: Floats, order_units: Floats
) -> CostCriterion:
    """Rank by b D / (h Q): the criterion that follows from least cost, with the cycle service level that it implies.

    CSL = 1 - h Q / (b D) is where a unit more of stock costs in holding what it saves in backorders. Where holding
    costs more than all shortages (ratio <= 1) no safety pays and the level is 0. A ratio is NaN where D, b, h or Q is
    not above 0.

    Args:
        demand_year: D, units a year [n].
        shortage_cost_per_unit: b, cost of a unit short [n].
        holding_cost_per_unit_year: h [n].
        order_units: Q, usual order quantity [n].

    Raises:
        ValueError: lengths differ.

    Examples:
        >>> found = cost_criterion(np.array([1200.0, 60, 24]), np.array([20.0, 20, 200]),
        ...                        np.array([2.0, 2, 50]), np.array([100.0, 20, 4]))
        >>> found.ratio.tolist(), found.cycle_service.round(5).tolist()
        ([120.0, 30.0, 24.0], [0.99167, 0.96667, 0.95833])

    References:
        Teunter, Babai and Syntetos (2010), Production and Operations Management 19:343-352, equations 3 and 4.
    """
    parts = (demand_year, shortage_cost_per_unit, holding_cost_per_unit_year, order_units)
    if len({part.shape for part in parts}) != 1 or demand_year.ndim != 1:
        raise ValueError(f"cost criterion: {[part.shape for part in parts]} must be four columns of one length")
    known = np.logical_and.reduce([np.isfinite(part) & (part > 0) for part in parts])
    with np.errstate(all="ignore"):
        ratio = shortage_cost_per_unit * demand_year / (holding_cost_per_unit_year * order_units)
    ratio = np.where(known & np.isfinite(ratio) & (ratio > 0), ratio, np.nan)
    return CostCriterion(ratio=ratio, cycle_service=np.maximum(1.0 - 1.0 / ratio, 0.0))


def checked_criteria(criteria: Floats, count: int, *, least: float | None = None) -> None:
    """Raise ValueError unless `criteria` is a finite items x `count` matrix with no number below `least`."""
    if criteria.ndim != 2 or criteria.shape[1] != count or not count:
        raise ValueError(f"criteria {criteria.shape} must be items x {count} criteria, one at least")
    bad = ~np.isfinite(criteria)
    if least is not None:
        bad |= criteria < least
    if bad.any():
        item, column = (int(axis[0]) for axis in np.nonzero(bad))
        bound = "" if least is None else f" and at least {least:g}"
        raise ValueError(
            f"criteria: item {item}, criterion {column} is {criteria[item, column]}; it must be finite{bound}"
        )


def _shares(weights: Sequence[float], criteria: Floats) -> Floats:
    given = np.array(weights, dtype=np.float64)
    if given.shape != (criteria.shape[1],) or not np.isfinite(given).all() or (given < 0).any() or given.sum() <= 0:
        raise ValueError(f"weights {list(weights)}: give {criteria.shape[1]} that are not negative, not all 0")
    shares: Floats = given / given.sum()
    return shares
