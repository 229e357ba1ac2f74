"""Natural breaks: the classes of one number that differ least within themselves (Fisher-Jenks, exact).

Belongs here: the breaks and how well they fit. Does not: cutting by them (`strata.classify.ranking`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NaturalBreaks:
    """Least value of every class but the lowest, falling; and the share of variance between classes (0..1).

    There are fewer breaks than asked for where fewer distinct values exist.
    """

    least: tuple[float, ...]
    fit: float


def natural_breaks(value: Floats, *, classes: int, log: bool) -> NaturalBreaks:
    """Find the classes of least squared deviation from their means: no other division of the numbers has less.

    Equal values stand in one class. `log` takes logarithms first: of money and units, whose few large numbers
    otherwise make classes of their own (docs/methods/breaks.md); it needs values above 0.

    Exact by dynamic programming over sorted distinct values. The best start of the last class does not fall as values
    are added, so each layer is solved by halving: O(classes n log n), all middles of a halving at once.

    Args:
        value: finite numbers [n], in any unit.
        classes: number of classes, at least 1.
        log: whether to take logarithms.

    Raises:
        ValueError: no value, one that is not finite, one not above 0 under `log`, or no class asked for.

    Examples:
        >>> found = natural_breaks(np.array([1.0, 2, 3, 10, 11, 12, 50, 51]), classes=3, log=False)
        >>> found.least, round(found.fit, 4)
        ((50.0, 10.0), 0.9985)

    References:
        Fisher (1958), JASA 53:789-798; Jenks (1977), Optimal data classification for choropleth maps; halving as in
        Wang and Song (2011), Ckmeans.1d.dp, R Journal 3(2):29-33.
    """
    if not len(value) or not np.isfinite(value).all() or (log and (value <= 0).any()) or classes < 1:
        raise ValueError(
            f"{len(value)} values in {classes} classes: natural breaks need finite numbers"
            f"{' above 0' if log else ''}, one at least, and one class at least"
        )
    distinct, weight = np.unique(value, return_counts=True)
    x = np.log(distinct) if log else distinct
    count = len(x)
    x = x - np.average(x, weights=weight)
    spread = np.abs(x).max()
    x = x / spread if spread > 0 else x
    sums = tuple(np.concatenate([[0.0], np.cumsum(weight * x**power)]) for power in (0, 1, 2))
    best, starts = _within(sums, np.zeros(count, dtype=np.intp), np.arange(1, count + 1)), []
    best = np.concatenate([[0.0], best])
    for _ in range(min(classes, count) - 1):
        best, start = _with_one_more(best, sums)
        starts.append(start)
    end, found = count, []
    for start in reversed(starts):
        end = int(start[end])
        found.append(float(distinct[end]))
    whole = float(sums[2][-1])
    return NaturalBreaks(tuple(found), 1.0 - max(float(best[-1]), 0.0) / whole if whole > 0 else 1.0)


def _within(sums: tuple[Floats, ...], start: npt.NDArray[np.intp], end: npt.NDArray[np.intp]) -> Floats:
    """Sum of squared deviations from their mean of values start..end-1."""
    weight, first, second = (total[end] - total[start] for total in sums)
    return np.maximum(second - first**2 / weight, 0.0)


def _with_one_more(before: Floats, sums: tuple[Floats, ...]) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Least cost of the first 0..n values with one class more than `before`, and where that class starts.

    One class of nothing is impossible; the first layer has one class, so 0 values cost 0 there and infinity later.
    """
    count = len(before) - 1
    least, start = np.full(count + 1, np.inf), np.zeros(count + 1, dtype=np.intp)
    before = np.where(np.arange(count + 1) == 0, np.inf, before)
    stride = 1 << count.bit_length()
    while stride := stride >> 1:  # a loop over halvings: every middle lies between two that are solved
        middle = np.arange(stride, count + 1, 2 * stride)
        after = middle + stride
        high = np.minimum(np.where(after <= count, start[np.minimum(after, count)], count), middle - 1)
        low = np.minimum(start[middle - stride], high)
        length = high - low + 1
        first = np.cumsum(length) - length
        tried = np.arange(length.sum()) - np.repeat(first - low, length)
        cost = before[tried] + _within(sums, tried, np.repeat(middle, length))
        least[middle] = np.minimum.reduceat(cost, first)
        is_least = np.flatnonzero(cost == np.repeat(least[middle], length))
        start[middle] = tried[is_least[np.searchsorted(is_least, first)]]
    return least, start
