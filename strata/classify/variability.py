"""Variability class of every item by its coefficient of variation, or scaled forecast error (XYZ).

Belongs here: cutting a CV. Does not: computing it (`strata.demand`), memory (`strata.classify.hysteresis`).
"""

import numpy as np
import numpy.typing as npt

from strata.scheme.model import Variability

UNOBSERVED = "U"


def variability_classes(
    cv: npt.NDArray[np.float64], periods_observed: npt.NDArray[np.int64], *, variability: Variability
) -> npt.NDArray[np.str_]:
    """Class items by CV per period: X up to and with the first cut, Y up to and with the second, Z above.

    Args:
        cv: coefficient of variation, or scaled error, by the scheme's basis; NaN where undefined.
        periods_observed: closed, uncensored periods behind it; fewer than `variability.min_periods` gives `U`.
        variability: cuts and least number of periods.

    Raises:
        ValueError: lengths differ.

    Examples:
        >>> rule = Variability(basis="cv", cuts={"X": 0.5, "Y": 1.0}, min_periods=4, rationale="customary cuts on CV")
        >>> cv = np.array([0.5, 0.51, 1.0, 1.01, 0.2, np.nan])
        >>> "".join(variability_classes(cv, np.array([12, 12, 12, 12, 3, 12]), variability=rule))
        'XYYZUU'
    """
    if cv.shape != periods_observed.shape:
        raise ValueError(f"cv {cv.shape} and periods_observed {periods_observed.shape} must be of one length")
    undefined = ~np.isfinite(cv) | (periods_observed < variability.min_periods)
    named = np.select(
        [undefined, cv <= variability.cuts["X"], cv <= variability.cuts["Y"]],
        [UNOBSERVED, "X", "Y"],
        default="Z",
    )
    return named.astype(np.str_)
