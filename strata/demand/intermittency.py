"""How often an item is asked for and how much the sizes vary: mean interval, squared CV, demand class.

Belongs here: Syntetos-Boylan-Croston classification of period demand. Does not: variability classes
(`strata.classify.variability`), forecasting of intermittent demand (`strata.forecast`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from strata.scheme.model import DemandPattern


@dataclass(frozen=True, slots=True)
class Intermittency:
    """Per series: mean interval `adi` (periods), `cv2` of the non-zero sizes, count of `demands`.

    `adi` is NaN without any demand, `cv2` below two demands.
    """

    adi: npt.NDArray[np.float64]
    cv2: npt.NDArray[np.float64]
    demands: npt.NDArray[np.int64]


def interval_and_size(units: npt.NDArray[np.float64], observed: npt.NDArray[np.bool_]) -> Intermittency:
    """Compute mean interval between demands and squared coefficient of variation of their sizes.

    ADI = (position of the last demand, counted in observed periods since launch) / (number of demands): the mean of
    the intervals, the first counted from launch; silence after the last demand is not an interval. CV2 = sample
    variance of the non-zero sizes / their squared mean. A period that is not observed (before launch, or out of
    stock) is skipped: it is neither a zero nor a step of an interval.

    Args:
        units: demand per period in base units, series x periods, finite where observed.
        observed: same shape; False before launch and where the period is censored.

    Raises:
        ValueError: shapes differ, or an observed period holds no finite number.

    Examples:
        >>> y = np.array([[0, 0, 5, 0, 0, 0, 3, 0, 4, 0, 0, 6]], dtype=float)
        >>> result = interval_and_size(y, np.ones_like(y, dtype=bool))
        >>> float(result.adi[0]), round(float(result.cv2[0]), 5), int(result.demands[0])
        (3.0, 0.0823, 4)

    References:
        Syntetos, Boylan and Croston (2005), JORS 56:495-503; R package tsintermittent, `idclass` (sample variance,
        first interval counted from the start).
    """
    checked_matrix(units, observed)
    is_demand = observed & (units > 0)
    demands = is_demand.sum(axis=1).astype(np.int64)
    position = np.where(is_demand, np.cumsum(observed, axis=1), 0)
    last = position.max(axis=1, initial=0)
    sizes = np.where(is_demand, units, 0.0)
    count = demands.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        adi = np.where(demands > 0, last / count, np.nan)
        mean = sizes.sum(axis=1) / count
        squares = np.where(is_demand, (units - mean[:, None]) ** 2, 0.0).sum(axis=1)
        cv2 = np.where(demands > 1, squares / (count - 1.0) / mean**2, np.nan)
    return Intermittency(adi=adi, cv2=cv2, demands=demands)


def demand_class(intermittency: Intermittency, *, pattern: DemandPattern) -> npt.NDArray[np.str_]:
    """Name the demand class of every series: smooth, erratic, intermittent, lumpy, or none.

    Above a cut means strictly above. A series with fewer demands than `pattern.min_demands` is `none`: a single
    demand has no variance, so it is never called smooth or intermittent.

    Examples:
        >>> cuts = DemandPattern(adi_cut=1.32, cv2_cut=0.49, min_demands=3, rationale="as published in 2005")
        >>> shape = Intermittency(adi=np.array([1.0, 1.32, 1.33, 2.4]), cv2=np.array([0.9, 0.49, 0.5, 0.02]),
        ...                       demands=np.array([9, 9, 9, 2]))
        >>> demand_class(shape, pattern=cuts).tolist()
        ['erratic', 'smooth', 'lumpy', 'none']
    """
    is_rare = intermittency.adi > pattern.adi_cut
    is_varied = intermittency.cv2 > pattern.cv2_cut
    named = np.select(
        [intermittency.demands < pattern.min_demands, is_rare & is_varied, is_rare, is_varied],
        ["none", "lumpy", "intermittent", "erratic"],
        default="smooth",
    )
    return named.astype(np.str_)


def checked_matrix(units: npt.NDArray[np.float64], observed: npt.NDArray[np.bool_]) -> None:
    """Raise ValueError unless both are matrices of one shape and every observed period holds a finite number."""
    if units.ndim != 2 or units.shape != observed.shape:
        raise ValueError(f"units {units.shape} and observed {observed.shape} must be one series x periods shape")
    bad = observed & ~np.isfinite(units)
    if bad.any():
        row, column = (int(axis[0]) for axis in np.nonzero(bad))
        raise ValueError(
            f"units: series {row}, period {column} is {units[row, column]}; "
            f"give a finite number, or mark the period as not observed"
        )
