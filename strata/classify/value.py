"""Value class of every item by its cumulative share of value (ABC).

Belongs here: ranking and cutting. Does not: memory of earlier classes (`strata.classify.hysteresis`), what counts as
value (scheme part `value`, summed in SQL).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

UNVALUED = "U"
SHARE_DECIMALS = 12  # shares are judged to 1e-12, so that decimals which meet a cut exactly are not split by rounding


@dataclass(frozen=True, slots=True)
class ValueClasses:
    """Per item, in input order: class, share of value up to and with it, and share before it (ties: before the tie).

    Shares are fractions of the positive value of all items; NaN for class `U`.
    """

    value_class: npt.NDArray[np.str_]
    cumulative_share: npt.NDArray[np.float64]
    share_before: npt.NDArray[np.float64]


def value_classes(
    value: npt.NDArray[np.float64], sku_id: npt.NDArray[np.object_], *, cuts: Mapping[str, float]
) -> ValueClasses:
    """Class items by cumulative share of value, largest first; the item that crosses a cut keeps the higher class.

    An item belongs to the first class whose cut exceeds the share *before* it; beyond the last cut it is `C`. Items
    of equal value share the class of the first of them, so that a name never decides. Items without positive, finite
    value are `U` and no part of the total. Sums run in the order of value, then `sku_id`: the order of the rows
    changes nothing.

    Args:
        value: value per item over the window, group currency; NaN where unknown.
        sku_id: name per item, unique within the ranking.
        cuts: upper cumulative share of each class, ascending: `{"A": 0.80, "B": 0.95}`.

    Raises:
        ValueError: lengths differ or a name stands twice.

    Examples:
        >>> usage = np.array([5840.64, 5670.0, 5037.12, 4769.56, 3478.8, 2936.67, 2820.0, 2640.0, 2423.52, 2407.5])
        >>> result = value_classes(usage, np.array([f"S{i}" for i in range(10)], dtype=object),
        ...                        cuts={"A": 0.50, "B": 0.80})
        >>> "".join(result.value_class), result.share_before[:4].round(4).tolist()
        ('AAAABBBCCC', [0.0, 0.1536, 0.3027, 0.4352])

    References:
        The ten largest annual usages of the 47-item benchmark of Flores, Olson and Dorai (1992), Mathematical and
        Computer Modelling 16(12):71-82.
    """
    if value.shape != sku_id.shape or value.ndim != 1:
        raise ValueError(f"value {value.shape} and sku_id {sku_id.shape} must be two columns of one length")
    name_rank = _name_rank(sku_id)
    count = len(value)
    order = ranking(value, name_rank, counted=np.isfinite(value) & (value > 0))
    ranked = value[order]
    share_with = running_shares(ranked)
    before = np.concatenate([[0.0], share_with[:-1]])[: len(order)][first_of_equals(ranked)]
    classes = np.array([*cuts, "C"])
    bounds = np.array([*cuts.values()])
    value_class = np.full(count, UNVALUED, dtype=classes.dtype)
    cumulative_share, share_before = np.full(count, np.nan), np.full(count, np.nan)
    value_class[order] = classes[np.searchsorted(bounds, before, side="right")]
    cumulative_share[order], share_before[order] = share_with, before
    return ValueClasses(value_class=value_class, cumulative_share=cumulative_share, share_before=share_before)


def ranking(
    value: npt.NDArray[np.float64], name_rank: npt.NDArray[np.int64], *, counted: npt.NDArray[np.bool_]
) -> npt.NDArray[np.intp]:
    """Rows of the counted items, the largest value first; equal values stand in the order of `name_rank`."""
    return np.lexsort((name_rank, -np.where(counted, value, -np.inf)))[: int(counted.sum())]


def first_of_equals(ranked: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Per place in a ranking, the place of the first item of equal value: ties share what is decided by place."""
    is_first = np.concatenate([[True], ranked[1:] != ranked[:-1]])[: len(ranked)]
    return np.maximum.accumulate(np.where(is_first, np.arange(len(ranked)), 0))


def running_shares(ranked: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Share of the total up to and with each item, in the order given; all 0 where the total is 0."""
    running = np.cumsum(ranked)
    if not len(running) or running[-1] <= 0:
        return np.zeros(len(running))
    shares: npt.NDArray[np.float64] = np.round(running / running[-1], SHARE_DECIMALS)
    return shares


def _name_rank(sku_id: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
    """Rank of each name in alphabetical order; names in order already are not sorted again."""
    if (sku_id[1:] > sku_id[:-1]).all():
        return np.arange(len(sku_id), dtype=np.int64)
    names, rank = np.unique(sku_id.astype(str), return_inverse=True)
    if len(names) != len(sku_id):
        twice = names[np.bincount(rank) > 1][:3].tolist()
        raise ValueError(f"sku_id: {twice} stand more than once in one ranking; give one row per item")
    return rank.astype(np.int64)


def placed_classes(
    value: npt.NDArray[np.float64], ranked: npt.NDArray[np.float64], *, cuts: Mapping[str, float]
) -> ValueClasses:
    """Class items by where their expected value would stand in a ranking, without changing the ranking.

    The share before an item is the share of the ranked items of larger value; so a guess never moves another item.

    Args:
        value: expected value per item; NaN or not positive gives `U`.
        ranked: values of the ranked items, with at least one above zero.
        cuts: as for `value_classes`.

    Raises:
        ValueError: no ranked item has a value.

    Examples:
        >>> placed = placed_classes(np.array([500.0, 35.0, np.nan]), np.array([600.0, 300.0, 60.0, 40.0]),
        ...                         cuts={"A": 0.80, "B": 0.95})
        >>> "".join(placed.value_class), placed.share_before.tolist()[:2]
        ('ACU', [0.6, 1.0])
    """
    positive = np.sort(ranked[np.isfinite(ranked) & (ranked > 0)])[::-1]
    if not len(positive):
        raise ValueError("ranked: no item has a value, so there is no ranking to be placed in")
    running = np.concatenate([[0.0], np.cumsum(positive)])
    known = np.isfinite(value) & (value > 0)
    larger = running[np.searchsorted(-positive, -np.where(known, value, 0.0), side="left")]
    before = np.where(known, np.round(larger / running[-1], SHARE_DECIMALS), np.nan)
    share = np.where(known, np.minimum((larger + value) / running[-1], 1.0), np.nan)
    classes, bounds = np.array([*cuts, "C"]), np.array([*cuts.values()])
    named = classes[np.searchsorted(bounds, np.where(known, before, 1.0), side="right")]
    return ValueClasses(np.where(known, named, UNVALUED), cumulative_share=share, share_before=before)
