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
    names, name_rank = np.unique(sku_id.astype(str), return_inverse=True)
    if len(names) != len(sku_id):
        twice = names[np.bincount(name_rank) > 1][:3].tolist()
        raise ValueError(f"sku_id: {twice} stand more than once in one ranking; give one row per item")
    count = len(value)
    counted = np.isfinite(value) & (value > 0)
    order = np.lexsort((name_rank, -np.where(counted, value, 0.0)))[: int(counted.sum())]
    ranked = value[order]
    running = np.cumsum(ranked)
    share_with = np.round(running / running[-1], SHARE_DECIMALS) if len(order) else running
    before = np.concatenate([[0.0], share_with[:-1]]) if len(order) else running
    is_first = np.concatenate([[True], ranked[1:] != ranked[:-1]]) if len(order) else np.zeros(0, dtype=bool)
    before = before[np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))]
    classes = np.array([*cuts, "C"])
    bounds = np.array([*cuts.values()])
    value_class = np.full(count, UNVALUED, dtype=classes.dtype)
    cumulative_share, share_before = np.full(count, np.nan), np.full(count, np.nan)
    value_class[order] = classes[np.searchsorted(bounds, before, side="right")]
    cumulative_share[order], share_before[order] = share_with, before
    return ValueClasses(value_class=value_class, cumulative_share=cumulative_share, share_before=share_before)
