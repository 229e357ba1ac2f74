"""Point methods for many series at once: exponential smoothing, Croston's family, seasonal naive, mean rate.

Belongs here: recursions over periods with arrays across series, and the spread of their one-step errors. Does not:
which series gets which method (`strata.forecast.forecast`), predictive quantiles (`strata.forecast.quantiles`).

Shapes: `units` [n, T] demand per period in base units, oldest first; `observed` [n, T] false where a period does not
count (before launch, censored by a stock-out). An unobserved period is skipped: the state is carried over it, and it
is no part of an interval between demands. A series without any observed period has mean 0 and error 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fit:
    """Forecast of n series: `mean` and `error_sd` (root mean squared one-step error) in units, `alpha` used."""

    mean: FloatArray
    error_sd: FloatArray
    alpha: FloatArray


def ses(units: FloatArray, observed: BoolArray, *, alphas: tuple[float, ...]) -> Fit:
    """Simple exponential smoothing, alpha of each series from `alphas` by least squared one-step error.

    level <- level + alpha (y - level), started at the first observed value; on equal errors the first alpha wins.

    Examples:
        >>> fit = ses(np.array([[4.0, 8.0, 6.0]]), np.ones((1, 3), bool), alphas=(0.5,))
        >>> fit.mean.tolist()
        [6.0]

    Raises:
        ValueError: shapes differ, an observed value is negative or not finite, or a constant is not in (0, 1].

    Reference: Brown (1956); Gardner (2006), IJF 22:637, equation N-N.
    """
    y, seen = _checked(units, observed, alphas)
    grid = np.asarray(alphas, dtype=np.float64)[:, None]
    level = np.zeros((grid.size, y.shape[0]))
    squares = np.zeros_like(level)
    errors = np.zeros(y.shape[0])
    started = np.zeros(y.shape[0], dtype=bool)
    # One loop over periods: the level of a period is the input of the next. Arrays across alphas and series.
    for t in range(y.shape[1]):
        first, later = seen[:, t] & ~started, seen[:, t] & started
        error = np.where(later, y[:, t] - level, 0.0)
        squares += error**2
        level = np.where(first, y[:, t], level + grid * error)
        errors += later
        started |= first
    best = np.argmin(squares, axis=0)
    pick = np.arange(y.shape[0])
    sd = np.sqrt(squares[best, pick] / np.maximum(errors, 1.0))
    return Fit(level[best, pick], sd, grid[best, 0])


def croston(units: FloatArray, observed: BoolArray, *, alpha: float) -> Fit:
    """Croston's method: smoothed size of a demand / smoothed interval between demands.

    At each demand, size <- size + alpha (y - size) and interval <- interval + alpha (q - interval), with q the
    observed periods since the demand before. Started at the first demand, its interval counted from the first
    observed period; periods up to it are judged by that starting rate (else a late first demand would leave no error).

    Examples:
        >>> y = np.array([[0, 0, 5, 0, 0, 0, 3, 0, 4, 0, 0, 6.0]])
        >>> croston(y, np.ones(y.shape, bool), alpha=0.1).mean.round(5).tolist()
        [1.62086]

    Reference: Croston (1972), ORQ 23:289; biased upwards (Syntetos and Boylan 2001), see `sba`.
    """
    return _croston(units, observed, alpha, 1.0)


def sba(units: FloatArray, observed: BoolArray, *, alpha: float) -> Fit:
    """Syntetos-Boylan approximation: Croston's rate times (1 - alpha / 2), which takes out most of its bias.

    Examples:
        >>> y = np.array([[0, 0, 5, 0, 0, 0, 3, 0, 4, 0, 0, 6.0]])
        >>> sba(y, np.ones(y.shape, bool), alpha=0.1).mean.round(5).tolist()
        [1.53982]

    Reference: Syntetos and Boylan (2005), IJF 21:303, equation 6.
    """
    return _croston(units, observed, alpha, 1.0 - alpha / 2)


def tsb(units: FloatArray, observed: BoolArray, *, alpha: float, beta: float) -> Fit:
    """Teunter-Syntetos-Babai: smoothed size x smoothed probability of demand, which falls in every period without.

    probability <- probability + beta (occurred - probability) each period, size <- size + alpha (y - size) at each
    demand. Started with the size of the first demand and the share of observed periods with demand (the `mean` start
    of tsintermittent: the alternative, 0 or 1 by the first period, is still felt after a year at small beta).

    Examples:
        >>> y = np.array([[0, 2, 0, 1.0]])
        >>> tsb(y, np.ones(y.shape, bool), alpha=0.1, beta=0.05).mean.round(5).tolist()
        [0.99524]

    Reference: Teunter, Syntetos and Babai (2011), EJOR 214:606, equations 3 to 5.
    """
    y, seen = _checked(units, observed, (alpha, beta))
    occurred = (y > 0) & seen
    size = _first_size(y, occurred)
    chance = occurred.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    squares, errors = np.zeros(y.shape[0]), np.zeros(y.shape[0])
    started = np.zeros(y.shape[0], dtype=bool)
    # One loop over periods: the state of a period is the input of the next. Arrays across series.
    for t in range(y.shape[1]):
        later = seen[:, t] & started
        squares += np.where(later, y[:, t] - size * chance, 0.0) ** 2
        errors += later
        size = np.where(later & occurred[:, t], size + alpha * (y[:, t] - size), size)
        chance = np.where(later, chance + beta * (occurred[:, t] - chance), chance)
        started |= seen[:, t]
    return _fit(size * chance, squares, errors, alpha)


def mean_rate(units: FloatArray, observed: BoolArray) -> Fit:
    """Mean of the observed periods with their sample standard deviation; one period alone is taken as Poisson.

    Examples:
        >>> fit = mean_rate(np.array([[0, 0, 3.0, 1]]), np.array([[True, True, True, False]]))
        >>> fit.mean.tolist(), fit.error_sd.round(4).tolist()
        ([1.0], [1.7321])
    """
    y, seen = _checked(units, observed, ())
    count = seen.sum(axis=1)
    mean = y.sum(axis=1) / np.maximum(count, 1)
    squares = (np.where(seen, y - mean[:, None], 0.0) ** 2).sum(axis=1)
    sd = np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.sqrt(mean))
    return Fit(mean, sd, np.zeros(y.shape[0]))


def seasonal_naive(units: FloatArray, observed: BoolArray, *, season: int, horizon: int) -> FloatArray:
    """Mean [n, horizon]: the last observed value one or more whole seasons before each period ahead.

    Where no such period was observed, the mean rate of the series stands in.

    Examples:
        >>> y = np.array([[1.0, 2, 3, 4, 5, 6]])
        >>> seasonal_naive(y, np.ones(y.shape, bool), season=3, horizon=4).tolist()
        [[4.0, 5.0, 6.0, 4.0]]
    """
    y, seen = _checked(units, observed, ())
    if season < 1 or horizon < 1:
        raise ValueError(f"season {season} and horizon {horizon} must be at least 1 period")
    length = y.shape[1]
    last = np.repeat(mean_rate(y, seen).mean[:, None], season, axis=1)
    # One loop over the last periods that can matter: later observations overwrite earlier ones of the same phase.
    for t in range(length):
        phase = (t - length) % season
        last[:, phase] = np.where(seen[:, t], y[:, t], last[:, phase])
    return np.asarray(last[:, np.arange(horizon) % season])


def seasonal_naive_error_sd(units: FloatArray, observed: BoolArray, *, season: int) -> FloatArray:
    """Root mean squared difference [n] between periods one season apart, both observed; 0 where there are none."""
    y, seen = _checked(units, observed, ())
    both = seen[:, season:] & seen[:, :-season]
    squares = np.where(both, y[:, season:] - y[:, :-season], 0.0) ** 2
    return np.asarray(np.sqrt(squares.sum(axis=1) / np.maximum(both.sum(axis=1), 1)))


def _croston(units: FloatArray, observed: BoolArray, alpha: float, factor: float) -> Fit:
    y, seen = _checked(units, observed, (alpha,))
    occurred = (y > 0) & seen
    any_demand = occurred.any(axis=1)
    first = np.where(any_demand, occurred.argmax(axis=1), y.shape[1])
    size = _first_size(y, occurred)
    interval = np.maximum((seen & (np.arange(y.shape[1]) <= first[:, None])).sum(axis=1), 1).astype(np.float64)
    squares, since = np.zeros(y.shape[0]), np.zeros(y.shape[0])
    # One loop over periods: the state of a period is the input of the next. Arrays across series.
    for t in range(y.shape[1]):
        now = seen[:, t]
        squares += np.where(now, y[:, t] - factor * size / interval, 0.0) ** 2
        since += now
        update = occurred[:, t] & (t > first)
        size = np.where(update, size + alpha * (y[:, t] - size), size)
        interval = np.where(update, interval + alpha * (since - interval), interval)
        since = np.where(occurred[:, t], 0.0, since)
    return _fit(factor * size / interval, squares, seen.sum(axis=1) - 1.0, alpha)


def _first_size(y: FloatArray, occurred: BoolArray) -> FloatArray:
    sizes = y[np.arange(y.shape[0]), occurred.argmax(axis=1)]
    return np.where(occurred.any(axis=1), sizes, 0.0)


def _fit(mean: FloatArray, squares: FloatArray, errors: FloatArray, alpha: float) -> Fit:
    sd = np.where(errors > 0, np.sqrt(squares / np.maximum(errors, 1.0)), np.sqrt(mean))
    return Fit(mean, sd, np.full(mean.shape, alpha))


def _checked(units: FloatArray, observed: BoolArray, constants: tuple[float, ...]) -> tuple[FloatArray, BoolArray]:
    if units.ndim != 2 or units.shape != observed.shape or not units.shape[1]:
        raise ValueError(
            f"units {units.shape} and observed {observed.shape} must both be series x periods, one or more periods"
        )
    if any(not 0 < constant <= 1 for constant in constants):
        raise ValueError(f"smoothing constants {constants} must lie in (0, 1]")
    seen = observed.astype(bool)
    y = np.where(seen, units, 0.0).astype(np.float64)
    if (bad := ~(np.isfinite(y) & (y >= 0))).any():
        row, period = (int(index[0]) for index in np.nonzero(bad))
        raise ValueError(f"series {row}, period {period}: observed demand {y[row, period]} is negative or not finite")
    return y, seen
