"""What the class would be without promotions and outliers.

Belongs here: values and metrics measured again on the baseline. Does not: finding outliers (`strata.demand.outliers`).
"""

from dataclasses import replace

import numpy as np

from strata.classify.sampling import Booleans, Floats
from strata.classify.stability import Items
from strata.demand.level import levels
from strata.demand.outliers import Cleaned
from strata.scheme.model import Level


def cleaned_items(
    items: Items, units: Floats, observed: Booleans, found: Cleaned, *, level: Level | None, is_within: bool
) -> Items:
    """The items with the value and the variability of their baseline; those of which nothing was adjusted as they are.

    Value moves with the units (those of the level where there is one, else all observed ones) at the same money per
    unit; the metric moves with the CV (within levels, or of all observed periods).

    Args:
        items: as decided.
        units: demand per period, items x periods.
        observed: same shape; periods that the class rests on.
        found: baseline of the same shape.
        level: the search for the level that values rest on; None where they rest on all observed periods.
        is_within: variability is the CV within levels.

    Raises:
        ValueError: variability within levels is asked for without a level.
    """
    if is_within and level is None:
        raise ValueError("is_within: variability within levels needs the scheme part `level`")
    touched = np.flatnonzero((found.reason != 0).any(axis=1))
    if not len(touched):
        return items
    measured = []
    for demand in (units[touched], found.baseline[touched]):
        sold, seen = np.where(observed[touched], np.maximum(demand, 0.0), 0.0), observed[touched]
        total, cv = sold.sum(axis=1), _cv(sold, seen)
        if level is not None:
            at = levels(sold, seen, rule=level)
            total, cv = at.units_period, at.cv if is_within else cv
        measured.append((total, cv))
    (before, noise), (after, calm) = measured
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(before > 0, after / before, 1.0) * items.value[touched]
        metric = np.where(noise > 0, calm / noise, 1.0) * items.metric[touched]
    values, metrics = items.value.copy(), items.metric.copy()
    values[touched], metrics[touched] = value, metric
    return replace(items, value=values, metric=metrics)


def _cv(sold: Floats, seen: Booleans) -> Floats:
    """Sample standard deviation over mean."""
    count = seen.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sold.sum(axis=1) / count
        squares = np.where(seen, (sold - mean[:, None]) ** 2, 0.0).sum(axis=1)
        found: Floats = np.sqrt(squares / (count - 1.0)) / mean
    return found
