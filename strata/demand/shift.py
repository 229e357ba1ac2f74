"""Whether the level of demand has truly changed: recent periods against those before.

Belongs here: the level-shift test and the ratio it reports. Does not: what a shift releases
(`strata.classify.assign` opens the dead band), streaming drift detectors.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from strata.demand.intermittency import checked_matrix
from strata.scheme.model import Shift

Z_LIMIT = 99.0  # reported where both sides are constant and differ: the statistic would be infinite
_LEAST_RECENT = 2  # a single period cannot show a level
_LEAST_FREEDOM = 3  # Student's t has a finite variance from three degrees of freedom on
_ROUNDING = 1e-12  # differences below this part of the level are binary rounding, not demand

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ShiftResult:
    """Per series: `ratio` recent/before (NaN where undefined), `z` (NaN where untestable), `is_shift`."""

    ratio: Floats
    z: Floats
    is_shift: Booleans


def recent_ratio(units: Floats, observed: Booleans, *, recent_periods: int) -> Floats:
    """Mean of the last `recent_periods` / mean of the observed periods before; NaN where either has no period.

    A mean of zero before gives infinity if anything was sold recently, else NaN.
    """
    checked_matrix(units, observed)
    before, recent, _, _ = _two_means(units, observed, recent_periods)
    return _ratio(before, recent)


def level_shift(units: Floats, observed: Booleans, *, shift: Shift) -> ShiftResult:
    """Test whether the last `shift.recent_periods` sell at another level than the observed periods before.

    z = sqrt((v - 2)/v) (mean of sqrt(y) recent - mean before) / (s sqrt(1/n1 + 1/n0)), v = n0 + n1 - 2, s the pooled
    standard deviation of sqrt(y). The square root evens out the variance of counts, so that a fall is seen as well
    as a rise, and keeps z free of the unit of measure; the first factor gives Student's t the variance of z. A true
    shift passes both bounds: |z| > shift.z, and the ratio of the plain means above shift.ratio or below its inverse.

    Args:
        units: demand per period, series x periods; negative demand counts as zero inside the square root.
        observed: same shape; unobserved periods are in neither mean.
        shift: bounds; `recent_periods` counts columns of `units`.

    Returns:
        `is_shift` is False where untestable: fewer than two recent observed periods, fewer before than recent, or
        fewer than five in all.

    Assumptions:
        Periods are independent and not seasonal. A season whose peak fills the recent periods reads as a shift.

    Examples:
        >>> rule = Shift(recent_periods=4, z=3.5, ratio=2.0, rationale="doubling or halving in four months")
        >>> y = np.array([[9, 16, 9, 16, 9, 16, 9, 16, 36, 64, 36, 64]], dtype=float)
        >>> found = level_shift(y, np.ones_like(y, dtype=bool), shift=rule)
        >>> float(found.ratio[0]), round(float(found.z[0]), 3), bool(found.is_shift[0])
        (4.0, 6.6, True)
    """
    checked_matrix(units, observed)
    before, recent, n_before, n_recent = _two_means(units, observed, shift.recent_periods)
    ratio = _ratio(before, recent)
    roots = np.sqrt(np.maximum(np.where(observed, units, 0.0), 0.0))
    root_before, root_recent, _, _ = _two_means(roots, observed, shift.recent_periods)
    cut = max(units.shape[1] - shift.recent_periods, 0)
    centre = np.where(np.arange(units.shape[1])[None, :] < cut, root_before[:, None], root_recent[:, None])
    squares = np.where(observed, (roots - centre) ** 2, 0.0).sum(axis=1)
    freedom = (n_before + n_recent - 2).astype(np.float64)
    testable = (n_recent >= _LEAST_RECENT) & (n_before >= n_recent) & (freedom >= _LEAST_FREEDOM)
    tiny = _ROUNDING * (np.abs(root_recent) + np.abs(root_before))
    difference = np.where(np.abs(root_recent - root_before) > tiny, root_recent - root_before, 0.0)
    squares = np.where(squares > tiny**2, squares, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(squares / freedom * (1.0 / n_before + 1.0 / n_recent))
        z = np.sqrt((freedom - 2.0) / freedom) * difference / error
    z = np.where(error > 0, np.clip(z, -Z_LIMIT, Z_LIMIT), np.sign(difference) * Z_LIMIT)
    z = np.where(testable, z, np.nan)
    beyond = (ratio > shift.ratio) | (ratio < 1.0 / shift.ratio)
    is_shift = testable & beyond & (np.abs(z) > shift.z)
    return ShiftResult(ratio=np.where(np.isfinite(ratio), ratio, np.nan), z=z, is_shift=is_shift)


def _two_means(
    values: Floats, observed: Booleans, recent_periods: int
) -> tuple[Floats, Floats, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Means before and in the recent periods (NaN where none is observed) and how many periods each has."""
    cut = max(values.shape[1] - recent_periods, 0)
    known = np.where(observed, values, 0.0)
    n_before, n_recent = observed[:, :cut].sum(axis=1), observed[:, cut:].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        before = np.where(n_before > 0, known[:, :cut].sum(axis=1) / n_before, np.nan)
        recent = np.where(n_recent > 0, known[:, cut:].sum(axis=1) / n_recent, np.nan)
    return before, recent, n_before, n_recent


def _ratio(before: Floats, recent: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return recent / before
