"""Values and metrics of the baseline, against measuring them on it."""

import numpy as np
import pytest

from strata.classify.cleaned import cleaned_items
from strata.classify.stability import Items
from strata.demand.level import level_value, levels
from strata.demand.outliers import Cleaned
from tests.strata.banded import SHIPPED

LEVEL = SHIPPED.level
PRICE = np.array([2.0, 5.0, 3.0])


def adjusted() -> tuple[np.ndarray, np.ndarray, Cleaned]:
    """Three items of 18 months; a spike of the first and a dip of the second are replaced, the third stays."""
    units = np.round(np.random.default_rng(2).gamma(9, 10, (3, 18)), 1)
    usual, reason = units.copy(), np.zeros(units.shape, dtype=np.int8)
    units[0, 6], units[1, 9] = 900.0, 1.0
    usual[0, 6], usual[1, 9] = 80.0, 95.0
    reason[0, 6], reason[1, 9] = 2, 3
    return units, np.ones(units.shape, dtype=bool), Cleaned(usual, reason, reason > 9)


def decided(units: np.ndarray, is_leveled: bool) -> Items:
    every = np.ones(len(units), dtype=bool)
    found = levels(units, np.ones(units.shape, dtype=bool), rule=LEVEL)
    sold = units.sum(axis=1)
    value = level_value(sold * PRICE, sold, found.units_period, periods=12) if is_leveled else sold * PRICE
    metric = found.cv if is_leveled else units.std(axis=1, ddof=1) / units.mean(axis=1)
    return Items(value, metric, np.zeros(len(units), dtype=np.int64), every, every)


@pytest.mark.parametrize("is_leveled", [True, False])
def test_the_class_without_outliers_is_that_of_the_baseline(is_leveled: bool) -> None:
    units, seen, found = adjusted()
    level = LEVEL if is_leveled else None
    items = cleaned_items(decided(units, is_leveled), units, seen, found, level=level, is_within=is_leveled)
    expected = decided(found.baseline, is_leveled)
    assert items.value == pytest.approx(expected.value) and items.metric == pytest.approx(expected.metric)
    kept = decided(units, is_leveled)
    assert (items.value[2], items.metric[2]) == (kept.value[2], kept.metric[2])
    assert items.metric[0] < 0.6 * kept.metric[0]


def test_where_nothing_is_adjusted_the_items_are_those_that_came() -> None:
    units, seen, found = adjusted()
    items = decided(units, True)
    none = Cleaned(units, np.zeros(units.shape, dtype=np.int8), found.is_gap)
    assert cleaned_items(items, units, seen, none, level=LEVEL, is_within=True) is items
    with pytest.raises(ValueError, match="needs the scheme part `level`"):
        cleaned_items(items, units, seen, found, level=None, is_within=True)
