"""Predictive quantiles of demand per period from a mean and an error variance.

Belongs here: the predictive family per kind of demand and how its variance grows with the horizon. Does not: point
methods (`strata.forecast.smoothing`), demand over a lead time (`strata.inventory`).
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strata.inventory.distributions import demand

FloatArray = NDArray[np.float64]
PredictiveKind = Literal["gamma", "negative_binomial", "poisson"]


def predictive_quantiles(
    mean: ArrayLike, variance: ArrayLike, *, kind: PredictiveKind, levels: tuple[float, ...]
) -> FloatArray:
    """Quantiles of demand in one period: finite, not negative, not decreasing in the level.

    Counts (`negative_binomial`; Poisson where variance <= mean) give whole units; `gamma` gives quantities; `poisson`
    ignores the variance. A normal cut off at zero is not offered: cutting moves its mean up and its variance down,
    so its quantiles no longer belong to the forecast (at sd = mean, the mean rises by 29 %).

    Args:
        mean: expected units [n] or [n, h], finite and not negative.
        variance: error variance, units squared, of the same shape or one that broadcasts to it.
        kind: predictive family.
        levels: increasing probabilities between 0 and 1.

    Returns:
        [..., len(levels)] units.

    Examples:
        >>> predictive_quantiles([2.0], [2.0], kind="negative_binomial", levels=(0.5, 0.95)).tolist()
        [[2.0, 5.0]]

    Raises:
        ValueError: levels are not increasing within (0, 1), or a moment is negative, missing or infinite.
    """
    if kind not in get_args(PredictiveKind):
        raise ValueError(f"predictive kind {kind!r} is not one of {get_args(PredictiveKind)}")
    if not levels or any(a >= b for a, b in zip((0.0, *levels), (*levels, 1.0), strict=True)):
        raise ValueError(f"levels {levels} must increase and lie between 0 and 1")
    means, variances = np.broadcast_arrays(np.asarray(mean, np.float64), np.asarray(variance, np.float64))
    if kind == "poisson":
        variances = means
    flat, spread = means.ravel(), variances.ravel()
    count = len(levels)
    rows = demand("gamma" if kind == "gamma" else "negative_binomial", np.repeat(flat, count), np.repeat(spread, count))
    found = rows.quantile(np.tile(levels, flat.size)).reshape(*means.shape, count)
    return np.asarray(np.maximum.accumulate(np.maximum(found, 0.0), axis=-1))


def horizon_variance(error_sd: FloatArray, alpha: FloatArray, *, horizon: int) -> FloatArray:
    """Variance [n, horizon] of the error h periods ahead of simple exponential smoothing: sd^2 (1 + (h - 1) alpha^2).

    `alpha` 0 (a fixed rate) keeps it constant.

    Examples:
        >>> horizon_variance(np.array([2.0]), np.array([0.5]), horizon=3).tolist()
        [[4.0, 5.0, 6.0]]

    Reference: Hyndman, Koehler, Ord and Snyder (2008), Forecasting with Exponential Smoothing, table 6.1, ETS(A,N,N).
    """
    ahead = np.arange(horizon, dtype=np.float64)
    return np.asarray((error_sd**2)[:, None] * (1 + ahead[None, :] * (alpha**2)[:, None]))
