"""What a number says of many items: how few hold most of it, how it parts them, whether another says the same.

Belongs here: concentration, effect sizes of a division, rank correlation. Does not: classes (`strata.classify`),
which number to take (`strata.review.criteria`).
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def gini(values: Floats) -> float:
    """Gini coefficient: 0 all alike, towards 1 one item holds all; half the mean difference of pairs over the mean.

    Args:
        values: not negative [n], any unit.

    Returns:
        NaN where there is no value, or all are 0.

    Raises:
        ValueError: a value is negative or not finite.

    Examples:
        >>> gini(np.array([1.0, 1, 1, 5])), gini(np.array([2.0, 2]))
        (0.375, 0.0)

    References:
        Gini (1912), Variabilità e mutabilità; by ranks as in Sen (1973), On Economic Inequality.
    """
    _check(values)
    total, count = values.sum(), len(values)
    if not total > 0:
        return float("nan")
    place = 2.0 * np.arange(1, count + 1) - count - 1.0
    return float((place * np.sort(values)).sum() / (count * total))


def holders(values: Floats, *, share: float) -> float:
    """Least share of the items that together hold `share` of the total: 0.2 for 80 % is Pareto's rule.

    Args:
        values: not negative [n].
        share: of the total, 0..1.

    Returns:
        NaN where there is no value, or all are 0.

    Raises:
        ValueError: a value is negative or not finite.

    Examples:
        >>> holders(np.array([1.0, 1, 1, 5, 2]), share=0.7)
        0.4
    """
    _check(values)
    running = np.cumsum(-np.sort(-values))
    if not len(values) or not running[-1] > 0:
        return float("nan")
    # A share that is met exactly is met, however the sum was rounded.
    reached = np.round(running / running[-1], 12) >= share
    return float((int(reached.argmax()) + 1) / len(values))


def eta_squared(values: Floats, group: Ints) -> float:
    """Share of the variance of `values` that lies between groups: 0 groups tell nothing, 1 they tell all.

    Args:
        values: finite [n].
        group: number of the group of each, from 0.

    Returns:
        NaN where all values are equal, or there is none.

    Examples:
        >>> eta_squared(np.array([1.0, 3, 7, 9]), np.array([0, 0, 1, 1]))
        0.9

    References:
        Fisher (1925), Statistical Methods for Research Workers (correlation ratio).
    """
    if not len(values) or np.ptp(values) == 0:
        return float("nan")
    centred = values - values.mean()
    size, total = np.bincount(group), np.bincount(group, centred)
    used = size > 0
    between = (total[used] ** 2 / size[used]).sum()
    return float(min(between / (centred**2).sum(), 1.0))


def omega_squared(lines: Floats, total: Floats, squares: Floats) -> float:
    """Share of variance between cells, free of what many cells explain by chance: (SSB - (k - 1) MSW) / (SST + MSW).

    Its expectation is 0 where cells do not differ, however many there are: slightly negative values are chance.

    Args:
        lines: observations per cell [k], above 0.
        total: sum of the observations per cell.
        squares: sum of their squares per cell.

    Returns:
        NaN where no cell has two observations, all observations are equal, or there are none.

    Examples:
        >>> round(omega_squared(np.array([2.0, 2]), np.array([4.0, 16]), np.array([10.0, 130])), 4)
        0.8095

    References:
        Hays (1963), Statistics for Psychologists; Olejnik and Algina (2003), Psychological Methods 8:434-447, eq. 3.
    """
    count, cells = float(lines.sum()), len(lines)
    if cells == 0 or count <= cells:
        return float("nan")
    mean = total.sum() / count
    # Sums of squares about the grand mean: those about 0 would lose digits.
    within = max(float((squares - total**2 / lines).sum()), 0.0)
    between = float((lines * (total / lines - mean) ** 2).sum())
    whole = between + within
    if whole <= 1e-12 * max(float(squares.sum()), 1e-300):
        return float("nan")
    error = within / (count - cells)
    return (between - (cells - 1) * error) / (whole + error)


def rank_correlations(columns: Floats) -> Floats:
    """Spearman's correlation of every pair of columns over the items that have both; equal values share a rank.

    Args:
        columns: items x columns; NaN where unknown.

    Returns:
        Columns x columns, NaN on the diagonal and where a pair has fewer than three items or one says nothing.

    Examples:
        >>> rank_correlations(np.array([[1.0, 10], [2, 30], [3, 20], [4, np.nan]])).round(2)[0, 1]
        np.float64(0.5)

    References:
        Spearman (1904), American Journal of Psychology 15:72-101.
    """
    count = columns.shape[1]
    known = np.isfinite(columns)
    found = np.full((count, count), np.nan)
    whole = {at: _ranks(columns[known[:, at], at]) for at in range(count)}
    for first in range(count):  # few columns
        for second in range(first + 1, count):
            both = known[:, first] & known[:, second]
            if both.sum() < 3:
                continue
            ranks = [
                whole[at] if both.sum() == known[:, at].sum() else _ranks(columns[both, at]) for at in (first, second)
            ]
            x, y = (part - part.mean() for part in ranks)
            scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
            if scale > 0:
                found[first, second] = found[second, first] = float((x * y).sum()) / scale
    return found


def _ranks(values: Floats) -> Floats:
    """Rank of each value, equal ones the mean of theirs."""
    _, place, size = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(size) - (size - 1) / 2.0)[place]
    return ranks


def _check(values: Floats) -> None:
    if (bad := ~(np.isfinite(values) & (values >= 0))).any():
        raise ValueError(f"value {int(bad.argmax())} is {values[bad.argmax()]}: it must be finite and not negative")
