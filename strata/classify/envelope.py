"""Scores by the weights that suit each item best, and worst: the linear programmes of Ramanathan and of Zhou and Fan.

Belongs here: both programmes for all items at once. Does not: scores in closed form (`strata.classify.criteria`).

The programmes of all items share their constraints, so they share their corners: v.y_n <= 1 for all n means that v
is a direction divided by the best item along it. Over all directions that best is a convex, piecewise linear surface;
its corners are found once, and an item's score is the best of one matrix product. The worst programme is the same
with the least item along a direction.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from strata.classify.criteria import checked_criteria

Floats = npt.NDArray[np.float64]

_CELLS = 4_000_000  # of items x corners at once: 32 MB stay near the cache
_MOST_CRITERIA = 6  # the number of corners grows about tenfold with each criterion
_MOST_CORNERS = 100_000  # 100,000 items against as many corners take minutes
_DIGITS = 10
_WIDE = 1e6  # from here on corners are looked for in several units
_STEPS = 3_000  # a longer frontier is passed on unthinned: finding all of it costs more than it saves
_ROUNDING = 1e-13  # of a weight: below it a corner's weight is zero but for rounding


def best_scores(criteria: Floats) -> Floats:
    """Score every item by the weights that suit it best: max v.y_i with v.y_n <= 1 for all items n and v >= 0.

    Scores are in 0..1. Neither units nor an order of criteria matter, and nothing keeps an item from putting all
    weight on one criterion: an item that leads in one only, a long lead time say, scores 1 whatever it is worth.

    Args:
        criteria: items x criteria, not negative, more of it more important.

    Raises:
        ValueError: the matrix is not finite, has a negative number, more than six criteria, or too many corners.

    Examples:
        >>> best_scores(np.array([[4.0, 1], [1, 2], [2, 1.5], [1, 1]])).round(4).tolist()
        [1.0, 1.0, 0.9286, 0.5714]

    References:
        Ramanathan (2006), Computers and Operations Research 33:695-700.
    """
    _checked(criteria)
    largest = criteria.max(axis=0, initial=0.0)
    told = largest > 0
    if not told.any():
        return np.zeros(len(criteria))
    scaled = criteria[:, told] / largest[told]
    front = _front(scaled)
    directions = _corners(front)
    return _settled(_over(scaled, directions / _over(directions, front, best=True)[:, None], best=True))


def worst_scores(criteria: Floats) -> Floats:
    """Score every item by the weights that suit it least: min v.y_i with v.y_n >= 1 for all items n and v >= 0.

    Scores are 1 or more; an item without anything in any criterion scores 0 and sets no bound for others (with it
    the programme has no solution).

    Args:
        criteria: items x criteria, not negative, more of it more important.

    Raises:
        ValueError: the matrix is not finite, has a negative number, more than six criteria, or too many corners.

    Examples:
        >>> worst_scores(np.array([[4.0, 1], [1, 2], [3, 2.5], [0, 0]])).round(4).tolist()
        [1.0, 1.0, 1.5, 0.0]

    References:
        Zhou and Fan (2007), European Journal of Operational Research 182:1488-1491, model 2.
    """
    _checked(criteria)
    scores = np.zeros(len(criteria))
    counted = (criteria > 0).any(axis=1)
    if not counted.any():
        return scores
    front = -_front(-criteria[counted])
    scale = front.max(axis=0)
    told = scale > 0
    if not told.all():
        # A criterion in which no item of the frontier has anything takes all weight: it costs them nothing.
        scale = np.where(told, scale, criteria[counted].max(axis=0))
        scale = np.where(scale > 0, scale, 1.0)
    front, scaled = front / scale, criteria[counted] / scale
    directions = np.vstack([_corners(front / unit, least=True) / unit for unit in _units(front)])
    reached = _over(directions, front, best=False)
    usable = reached > 0
    scores[counted] = _settled(_over(scaled, directions[usable] / reached[usable, None], best=False))
    return scores


def zhou_fan_scores(criteria: Floats, *, balance: float) -> Floats:
    """Score by the best and the worst weights together, each scaled to 0..1: balance x best + (1 - balance) x worst.

    The worst weights take back what the best gave an item that leads in one criterion only. Where all items score
    alike by one of the two, that one adds 0.

    Args:
        criteria: items x criteria, not negative, more of it more important.
        balance: share of the best weights, 0..1 (lambda in the paper).

    Raises:
        ValueError: as for both programmes, or `balance` is not in 0..1.

    Examples:
        >>> zhou_fan_scores(np.array([[4.0, 1], [1, 2], [2, 1.5], [1, 1]]), balance=0.5).round(4).tolist()
        [0.5, 0.5, 0.9167, 0.0]

    References:
        Zhou and Fan (2007), European Journal of Operational Research 182:1488-1491, equation 3.
    """
    if not 0 <= balance <= 1:
        raise ValueError(f"balance {balance} is not in 0..1")
    parts = (best_scores(criteria), worst_scores(criteria))
    widths = [np.ptp(part) if len(part) else 0.0 for part in parts]
    best, worst = (
        (part - part.min()) / width if width > 0 else np.zeros(len(part))
        for part, width in zip(parts, widths, strict=True)
    )
    scores: Floats = np.round(balance * best + (1 - balance) * worst, 12)
    return scores


def _checked(criteria: Floats) -> None:
    checked_criteria(criteria, criteria.shape[1] if criteria.ndim == 2 else 0, least=0.0)
    if criteria.shape[1] > _MOST_CRITERIA:
        raise ValueError(
            f"criteria: {criteria.shape[1]} are given and at most {_MOST_CRITERIA} are solved; leave out those that "
            "say the same, or use ng or edas"
        )


def _over(rows: Floats, others: Floats, *, best: bool) -> Floats:
    """Per row, the largest (or least) of its products with all of `others`, in blocks of rows."""
    step = max(1, _CELLS // len(others))
    blocks = (rows[at : at + step] @ others.T for at in range(0, len(rows), step))
    return np.concatenate([block.max(axis=1) if best else block.min(axis=1) for block in blocks])


def _units(front: Floats) -> list[Floats]:
    """Units per criterion in which corners are looked for: one, and more where amounts differ by orders of magnitude.

    A corner whose weights differ by more than ten orders is lost to rounding in one unit and found in another.
    """
    least = np.where(front > 0, front, np.inf).min(axis=0)
    least = np.where(np.isfinite(least), least, 1.0)
    most = np.where(front.max(axis=0) > 0, front.max(axis=0), 1.0)
    units = [np.ones(front.shape[1])]
    if (most > _WIDE * least).any():
        logs = np.log(np.where(front > 0, front, 1.0)).sum(axis=0) / np.maximum((front > 0).sum(axis=0), 1)
        units += [np.exp(logs), least, np.sqrt(np.exp(logs) * least), np.sqrt(np.exp(logs) * most)]
    return units


def _settled(scores: Floats) -> Floats:
    """Scores to ten digits, so that rounding neither ranks equal items nor is stretched to a difference."""
    digits = _DIGITS - np.ceil(np.log10(np.where(scores > 0, scores, 1.0)))
    settled: Floats = np.rint(scores * 10.0**digits) / 10.0**digits
    return settled


def _front(scaled: Floats) -> Floats:
    """Distinct items that no other one matches or beats in every criterion; their number may be far below n.

    One step per item of the frontier (the largest sum left cannot be beaten), each over all items left.
    """
    left = np.unique(scaled, axis=0)
    left = left[np.argsort(-left.sum(axis=1), kind="stable")]
    kept: list[Floats] = []
    while len(left) and len(kept) < _STEPS:
        kept.append(left[0])
        left = left[(left > left[0]).any(axis=1)]
    return np.concatenate([np.array(kept), left])


def _corners(front: Floats, *, least: bool = False) -> Floats:
    """Directions (weights with sum 1) in which the best, or least, item of `front` changes, corners x criteria.

    Coordinates are all weights but the last, and the height of the surface. For the best items the space is bounded
    above by a ceiling that no surface reaches; corners on it are directions too, and harm nothing.
    """
    count = front.shape[1]
    if count == 1:
        return np.ones((1, 1))
    free = count - 1
    # a.x + b <= 0: each weight >= 0, their sum <= 1, height against every item's line over the weights.
    slopes, offsets = front[:, :free] - front[:, free:], front[:, free:]
    sign = 1.0 if least else -1.0
    lines = np.hstack([-sign * slopes, np.full((len(front), 1), sign), -sign * offsets])
    weights = np.hstack([-np.eye(free), np.zeros((free, 2))])
    last = np.hstack([np.ones((1, free)), [[0.0, -1.0]]])
    middle = front.mean(axis=1)
    if least:
        bound, height = [[0.0] * free + [-1.0, 0.0]], middle.min() / 2
    else:
        ceiling = 2 * front.max() + middle.max()
        bound, height = [[0.0] * free + [1.0, -ceiling]], (middle.max() + ceiling) / 2
    found = _intersections(np.vstack([lines, weights, last, bound]), np.array([1 / count] * free + [height]))
    directions = np.column_stack([found[:, :free], 1.0 - found[:, :free].sum(axis=1)])
    directions = np.where(directions < _ROUNDING, 0.0, directions)
    directions = np.vstack([directions, np.eye(count)])
    if len(directions) > _MOST_CORNERS:
        raise ValueError(
            f"criteria: the best items meet in {len(directions):,} corners, at most {_MOST_CORNERS:,} are solved; "
            "use fewer criteria, or ng or edas"
        )
    rounded: Floats = np.unique(directions / directions.sum(axis=1, keepdims=True), axis=0)
    return rounded


def _intersections(halfspaces: Floats, inside: Floats) -> Floats:
    """Corners of the intersection of half-spaces, given a point inside."""
    from scipy.spatial import HalfspaceIntersection, QhullError

    try:
        found: Any = HalfspaceIntersection(halfspaces, inside)
    except QhullError:
        # Precision: facets that all but coincide. Joggled input moves corners by about 1e-11.
        found = HalfspaceIntersection(halfspaces, inside, qhull_options="QJ")
    corners: Floats = found.intersections
    return corners[np.isfinite(corners).all(axis=1)]
