"""How much of a series is trend and season, and how variable it is without them.

Belongs here: classical decomposition and the strengths read from it. Does not: seasonal forecasts
(`strata.forecast`), the decision that a series counts as seasonal (scheme part `seasonality`, used by the caller).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from strata.demand.intermittency import checked_matrix

LEAST_SEASONS = 2  # one observation per phase leaves no remainder at all, whatever the data
_ROUNDING = 1e-20  # a variance below this part of the mean square is rounding, not demand

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Decomposition:
    """Per series strengths in 0..1 and CV of the remainder; NaN where `ok` is False.

    `trend`, `seasonal` and `remainder` are series x periods, NaN where not observed or not ok.
    """

    trend_strength: Floats
    seasonal_strength: Floats
    remainder_cv: Floats
    ok: npt.NDArray[np.bool_]
    trend: Floats
    seasonal: Floats
    remainder: Floats


def decompose(
    units: Floats, observed: npt.NDArray[np.bool_], *, season: int, min_seasons: int | None = None
) -> Decomposition:
    """Split every series into trend + season + remainder and measure how strong trend and season are.

    Trend = centred moving average over one season (half weights at both ends where the season is even), continued to
    both ends of the series along the least-squares line through its nearest `season` values. Season = mean of
    (units - trend) per phase, centred. Strengths: F_trend = max(0, 1 - var(R)/var(T+R)), F_season =
    max(0, 1 - var(R)/var(S+R)), where var(R) is the sum of squares over the degrees of freedom that the seasonal
    means and the moving average leave: without that, two seasons of pure noise would show a strength of about 0.5.
    `remainder_cv` = square root of var(R) / mean demand.

    Args:
        units: demand per period, series x periods.
        observed: same shape; False before launch and where censored. A censored period has no part in any average.
        season: periods per season (12 months, 52 weeks).
        min_seasons: every phase must be observed this often, else the series is not ok; None asks for the two
            below which no remainder exists.

    Raises:
        ValueError: shapes differ, an observed period is not finite, or `season` is below 2.

    References:
        Wang, Smith and Hyndman (2006), Data Mining and Knowledge Discovery 13:335; Hyndman and Athanasopoulos,
        Forecasting: Principles and Practice (3rd ed.), sections 3.4 and 4.3. Components agree with statsmodels
        `seasonal_decompose(model="additive", extrapolate_trend="freq")` where every period is observed.

    Examples:
        >>> month = np.arange(36)
        >>> y = (100 + month + 20 * np.sin(2 * np.pi * month / 12))[None, :]
        >>> parts = decompose(y, np.ones_like(y, dtype=bool), season=12)
        >>> round(float(parts.seasonal_strength[0]), 3), round(float(parts.trend_strength[0]), 3)
        (1.0, 1.0)
    """
    checked_matrix(units, observed)
    if season < 2:
        raise ValueError(f"season {season}: a season has at least 2 periods")
    needed = max(LEAST_SEASONS, min_seasons or LEAST_SEASONS)
    series, periods = units.shape
    ok = _phase_sums(observed.astype(np.float64), season).min(axis=1) >= needed if series else np.zeros(0, dtype=bool)
    nan = np.full(series, np.nan)
    blank = np.full((series, periods), np.nan)
    if not ok.any():
        return Decomposition(nan, nan.copy(), nan.copy(), ok, blank, blank.copy(), blank.copy())
    seen = observed[ok]
    y = np.where(seen, units[ok], 0.0)
    trend = _trend(y, seen, season)
    detrended = np.where(seen, y - trend, 0.0)
    seasonal = _seasonal(detrended, seen, season)
    remainder = np.where(seen, detrended - seasonal, 0.0)
    count = seen.sum(axis=1).astype(np.float64)
    freedom = np.maximum(count - season - count / season + 1.0, 1.0)
    noise = (remainder**2).sum(axis=1) / freedom
    mean = y.sum(axis=1) / count
    floor = _ROUNDING * ((y**2).sum(axis=1) / count)
    result = Decomposition(nan, nan.copy(), nan.copy(), ok, blank, blank.copy(), blank.copy())
    result.seasonal_strength[ok] = _strength(noise, _variance(remainder + seasonal, seen), floor)
    result.trend_strength[ok] = _strength(noise, _variance(remainder + trend, seen), floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        result.remainder_cv[ok] = np.where(mean > 0, np.sqrt(np.where(noise > floor, noise, 0.0)) / mean, np.nan)
    result.trend[ok] = np.where(seen, trend, np.nan)
    result.seasonal[ok] = np.where(seen, seasonal, np.nan)
    result.remainder[ok] = np.where(seen, remainder, np.nan)
    return result


def _phase_sums(values: Floats, season: int) -> Floats:
    """Sum per phase of the season, series x season."""
    series, periods = values.shape
    short = -periods % season
    filled = np.pad(values, ((0, 0), (0, short))).reshape(series, (periods + short) // season, season)
    sums: Floats = filled.sum(axis=1)
    return sums


def _trend(y: Floats, seen: npt.NDArray[np.bool_], season: int) -> Floats:
    """Centred moving average over observed periods, both ends continued along the nearest straight line.

    The line at the end leaves out the very last average, as statsmodels does: one convention, one oracle.
    """
    periods = y.shape[1]
    half = season // 2
    weight = _window_sum(seen.astype(np.float64), season)
    start = seen.argmax(axis=1)[:, None]
    index = np.arange(periods)[None, :]
    valid = (index >= start + half) & (index < periods - half) & (weight > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        average = np.where(valid, _window_sum(y, season) / weight, 0.0)
    first = valid.argmax(axis=1)[:, None]
    last = periods - 1 - valid[:, ::-1].argmax(axis=1)[:, None]
    head = valid & (index < np.minimum(first + season, last))
    tail = valid & (index >= np.maximum(last - season, first)) & (index < last)
    filled = np.where(index < first, _line(average, head, index), average)
    filled = np.where(index > last, _line(average, tail, index), filled)
    gap = (index > first) & (index < last) & ~valid
    return np.where(gap, np.nan, filled) if not gap.any() else _bridged(filled, gap)


def _window_sum(values: Floats, season: int) -> Floats:
    """Sum over one season centred on each period, half weights at both ends where the season is even."""
    series, periods = values.shape
    half = season // 2
    total: Floats = np.concatenate([np.zeros((series, 1)), np.cumsum(values, axis=1)], axis=1)
    index = np.arange(periods)
    low = np.clip(index - half, 0, periods)
    high = np.clip(index + half + 1, 0, periods)
    full: Floats = total[:, high] - total[:, low]
    if season % 2:
        return full
    left = np.where(index - half >= 0, values[:, np.clip(index - half, 0, periods - 1)], 0.0)
    right = np.where(index + half < periods, values[:, np.clip(index + half, 0, periods - 1)], 0.0)
    return full - 0.5 * (left + right)


def _line(average: Floats, use: npt.NDArray[np.bool_], index: npt.NDArray[np.int64]) -> Floats:
    """Least-squares line through the used points of each series, at every period; level where one point is used."""
    count = np.maximum(use.sum(axis=1, keepdims=True), 1)
    x_mean = np.where(use, index, 0).sum(axis=1, keepdims=True) / count
    y_mean = np.where(use, average, 0.0).sum(axis=1, keepdims=True) / count
    x = np.where(use, index - x_mean, 0.0)
    spread = (x**2).sum(axis=1, keepdims=True)
    slope = (x * (average - y_mean)).sum(axis=1, keepdims=True) / np.where(spread > 0, spread, 1.0)
    line: Floats = y_mean + slope * (index - x_mean)
    return line


def _bridged(trend: Floats, gap: npt.NDArray[np.bool_]) -> Floats:
    """Carry the last moving average over periods whose whole window was censored."""
    position = np.where(gap, 0, np.arange(trend.shape[1])[None, :])
    return np.take_along_axis(trend, np.maximum.accumulate(position, axis=1), axis=1)


def _seasonal(detrended: Floats, seen: npt.NDArray[np.bool_], season: int) -> Floats:
    """Mean per phase, centred so that the season sums to zero, at every period."""
    means: Floats = _phase_sums(detrended, season) / _phase_sums(seen.astype(np.float64), season)
    means -= means.mean(axis=1, keepdims=True)
    return means[:, np.arange(detrended.shape[1]) % season]


def _variance(values: Floats, seen: npt.NDArray[np.bool_]) -> Floats:
    count = seen.sum(axis=1)
    mean = np.where(seen, values, 0.0).sum(axis=1) / count
    squares = np.where(seen, (values - mean[:, None]) ** 2, 0.0).sum(axis=1)
    variance: Floats = squares / (count - 1)
    return variance


def _strength(noise: Floats, whole: Floats, floor: Floats) -> Floats:
    """1 - noise/whole held in 0..1; 0 where there is nothing to explain."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = 1.0 - np.where(noise > floor, noise, 0.0) / whole
    return np.where(whole > floor, np.clip(share, 0.0, 1.0), 0.0)
