"""Memory of classes: an item leaves its class only where its metric is clearly beyond the boundary.

Belongs here: the decision to hold or move, with its reason. Does not: the metric and the proposed class
(`strata.classify.value`, `.variability`), the bypass for true shifts (`strata.classify.assign` opens the band).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

UNDEFINED = "U"
REASONS = ("undefined", "new_item", "was_undefined", "unchanged", "held_margin", "moved")


@dataclass(frozen=True, slots=True)
class Decision:
    """Per item the class held and why (one of `REASONS`)."""

    held: npt.NDArray[np.str_]
    reason: npt.NDArray[np.str_]


def hold_classes(
    proposed: npt.NDArray[np.str_],
    previous: npt.NDArray[np.object_] | None,
    metric: npt.NDArray[np.float64],
    *,
    cuts: tuple[float, ...],
    classes: tuple[str, ...],
    band: float | npt.NDArray[np.float64],
) -> Decision:
    """Hold the previous class unless the metric is beyond its boundary by the band.

    The boundary is the one through which the item leaves its previous class: the upper cut where the metric grew,
    the lower one where it fell. Beyond by the band, the item takes the proposed class, also where that is more than
    one step away; short of it, the item stays. So the result is always the proposed or the previous class.

    Args:
        proposed: class by the metric alone; `U` where the metric is undefined.
        previous: class before; None where the item is new. None altogether means that there is no previous cycle.
        metric: the number that was cut; may be NaN where proposed is `U`.
        cuts: ascending boundaries between neighbouring `classes`.
        classes: ordered by the metric, without `U`; one more than cuts.
        band: width of the dead band on each side of a cut, in units of the metric: a number, one per cut, or an
            items x cuts matrix (or items x 1).

    Returns:
        Reasons, the first that applies: `undefined` (proposed `U`), `new_item` (no class before), `was_undefined` (`U`
        before), `unchanged`, `held_margin`, `moved`.

    Raises:
        ValueError: a class is unknown, a band is negative, or a proposed class contradicts its metric.

    Examples:
        >>> result = hold_classes(np.array(["B", "B", "A", "C"]), np.array(["A", "A", "B", None], dtype=object),
        ...                       np.array([0.81, 0.83, 0.79, 0.99]), cuts=(0.80, 0.95), classes=("A", "B", "C"),
        ...                       band=0.02)
        >>> result.held.tolist(), result.reason.tolist()
        (['A', 'B', 'B', 'C'], ['held_margin', 'moved', 'held_margin', 'new_item'])
    """
    items = len(proposed)
    before = np.full(items, None, dtype=object) if previous is None else np.asarray(previous, dtype=object)
    if len(before) != items or len(metric) != items:
        raise ValueError(f"proposed {items}, previous {len(before)} and metric {len(metric)} must be of one length")
    is_new = pd.isna(before)
    now = _codes(proposed.astype(str), classes, "proposed")
    old = _codes(np.where(is_new, UNDEFINED, before).astype(str), classes, "previous")
    bounds = np.asarray(cuts, dtype=np.float64)
    bands = np.broadcast_to(np.asarray(band, dtype=np.float64), (items, len(bounds)))
    _check(now, metric, bounds, bands, classes)
    rising, falling = (now > old) & (old >= 0), (now < old) & (now >= 0)
    rows = np.arange(items)
    cut = np.where(rising, old, np.where(falling, old - 1, 0))
    beyond = np.where(rising, metric - bounds[cut], bounds[cut] - metric)
    holds = (rising | falling) & (beyond < bands[rows, cut])
    reason = np.select(
        [now < 0, is_new, old < 0, now == old, holds],
        ["undefined", "new_item", "was_undefined", "unchanged", "held_margin"],
        default="moved",
    )
    named = np.array([*classes, UNDEFINED])
    return Decision(held=named[np.where(holds, old, now)], reason=reason.astype(np.str_))


def _codes(named: npt.NDArray[np.str_], classes: tuple[str, ...], what: str) -> npt.NDArray[np.int64]:
    """Position of each class in `classes`, -1 for `U`."""
    codes = np.full(len(named), -2, dtype=np.int64)
    codes[named == UNDEFINED] = -1
    for position, name in enumerate(classes):  # one step per class, not per item
        codes[named == name] = position
    if (codes == -2).any():
        unknown = sorted(set(named[codes == -2].tolist()))[:3]
        raise ValueError(f"{what}: classes {unknown} are none of {[*classes, UNDEFINED]}; map old classes first")
    return codes


def _check(
    now: npt.NDArray[np.int64],
    metric: npt.NDArray[np.float64],
    bounds: npt.NDArray[np.float64],
    bands: npt.NDArray[np.float64],
    classes: tuple[str, ...],
) -> None:
    if len(classes) != len(bounds) + 1 or (np.diff(bounds) <= 0).any():
        raise ValueError(f"{len(classes)} classes need {len(classes) - 1} ascending cuts, not {bounds.tolist()}")
    if (bands < 0).any() or np.isnan(bands).any():
        raise ValueError("band: a dead band is a number >= 0")
    low = np.concatenate([[-np.inf], bounds])[np.maximum(now, 0)]
    high = np.concatenate([bounds, [np.inf]])[np.maximum(now, 0)]
    wrong = (now >= 0) & ~((metric >= low) & (metric <= high))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"proposed: row {row} is {classes[now[row]]} but its metric {metric[row]} is outside "
            f"{low[row]} to {high[row]}; propose by the same cuts as you hold by"
        )
