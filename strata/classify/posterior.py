"""How sure a class is: the probability that the true metric lies beyond a boundary, from its sampling error alone.

Belongs here: closed forms for the value and the variability axis. Does not: drawn distributions
(`strata.classify.stability`), what a probability decides (`strata.classify.control`).
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]


def below_values(value: Floats, bounds: Floats, cv: Floats, periods: Floats) -> Floats:
    """P(true value < bound) per item and bound: log value is normal with standard error cv / sqrt(periods).

    Args:
        value: money at the item's level; not positive or NaN gives NaN.
        bounds: value at each boundary between classes, items x cuts: the least value of the class above it.
        cv: coefficient of variation of demand per period.
        periods: observed periods behind the value.

    Returns:
        Items x cuts; NaN where the error is unknown. A series without variation is sure of its side.

    Examples:
        >>> sure = below_values(np.array([90.0, 90.0]), np.full((2, 1), 100.0), np.array([1.0, 0.1]), np.full(2, 25.0))
        >>> sure.round(3).ravel().tolist()
        [0.701, 1.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.log(bounds) - np.log(np.where(value > 0, value, np.nan))[:, None]
        error = cv / np.sqrt(np.where(periods > 1, periods, np.nan))
    return _probability(gap, error)


def above_cuts(cv: Floats, periods: Floats, *, cuts: tuple[float, ...], is_sharp: bool) -> Floats:
    """P(true CV > cut) per item and cut: log CV is normal.

    Its standard error is sqrt((1 + cv^2) / 2n) for the sample CV of n gamma-like periods and, where `is_sharp`,
    1 / sqrt(2n) for the estimator of `strata.demand.level`.

    Examples:
        >>> sure = above_cuts(np.array([0.6, 0.6]), np.array([12.0, 36.0]), cuts=(0.5,), is_sharp=True)
        >>> sure.round(3).ravel().tolist()
        [0.814, 0.939]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.log(cv)[:, None] - np.log(np.asarray(cuts, dtype=np.float64))[None, :]
        error = np.sqrt((1.0 if is_sharp else 1.0 + cv * cv) / (2.0 * np.where(periods > 1, periods, np.nan)))
    return _probability(gap, error)


def held_probability(beyond: Floats, held: Codes) -> Floats:
    """Probability of the class held, given P(beyond each boundary); NaN where that is unknown or the class is `U`."""
    rows = np.arange(len(held))
    edges = np.column_stack([np.ones(len(held)), beyond, np.zeros(len(held))])
    at = np.maximum(held, 0)
    inside = np.maximum(edges[rows, at] - edges[rows, at + 1], 0.0)
    unknown = (held < 0) | np.isnan(beyond).any(axis=1)
    return np.where(unknown, np.nan, inside)


def _probability(gap: Floats, error: Floats) -> Floats:
    from scipy.special import ndtr

    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(gap == 0, 0.0, gap / error[:, None])
    found: Floats = ndtr(np.where(np.isnan(error)[:, None], np.nan, z))
    return found
