"""How far a simple forecast misses a series: variability that season and level do not explain.

Belongs here: rolling one-step errors of simple benchmarks, scaled by mean demand. Does not: forecasts that are used
(`strata.forecast`), classes (`strata.classify.variability`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from strata.demand.intermittency import checked_matrix

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScaledError:
    """Per series: least scaled error, the benchmark that had it, and the number of forecasts it rests on.

    `error` is NaN and `benchmark` empty where fewer forecasts than asked for could be made or nothing was sold.
    """

    error: Floats
    benchmark: npt.NDArray[np.str_]
    forecasts: npt.NDArray[np.int64]


def scaled_error(
    units: Floats,
    observed: npt.NDArray[np.bool_],
    *,
    season: int | None,
    alphas: Sequence[float],
    warm_up: int,
    min_forecasts: int,
) -> ScaledError:
    """Measure every series by the least root mean squared one-step error of simple forecasts / mean demand.

    Benchmarks, each made of the observed periods before: `mean` of all, `ses <alpha>` (simple exponential smoothing,
    started at the first), `seasonal` (mean of the same phase). A series is judged by all of them on the periods where
    the seasonal one exists, if there are `min_forecasts` of those; else by the others on all periods. So a seasonal
    item is no erratic one (its CV says so), and a steady trend or a step costs little.

    Args:
        units: demand per period, series x periods.
        observed: same shape; False before launch and where censored. Such a period is neither forecast nor learnt
            from.
        season: periods per season; None for no seasonal benchmark.
        alphas: smoothing constants to try, each in 0..1; may be empty.
        warm_up: observed periods before the first forecast, at least 1: early forecasts rest on next to nothing.
        min_forecasts: fewer give no error, at least 1.

    Raises:
        ValueError: shapes differ, an observed period is not finite, or a parameter is out of its bounds.

    Examples:
        >>> month = np.arange(36)
        >>> y = np.array([100 + 50 * np.sin(2 * np.pi * month / 12), np.tile([90.0, 110.0], 18)])
        >>> made = scaled_error(y, np.ones_like(y, dtype=bool), season=12, alphas=(0.1, 0.3), warm_up=3,
        ...                     min_forecasts=6)
        >>> made.error.round(3).tolist(), made.benchmark.tolist(), made.forecasts.tolist()
        ([0.0, 0.0], ['seasonal', 'seasonal'], [24, 24])

    References:
        Kourentzes (2016), ABC-XYZ analysis for forecasting (scaled forecast error in place of CV); Hyndman and
        Koehler (2006), International Journal of Forecasting 22:679-688 (scaling by the series itself).
    """
    checked_matrix(units, observed)
    if warm_up < 1 or min_forecasts < 1 or (season is not None and season < 2) or not all(0 < a <= 1 for a in alphas):
        raise ValueError(
            f"warm_up {warm_up} and min_forecasts {min_forecasts} must be at least 1, season {season} at least 2, "
            f"alphas {list(alphas)} in 0..1"
        )
    series, periods = units.shape
    names = np.array(["mean", *(f"ses {alpha:g}" for alpha in alphas), "seasonal", ""])
    learning, seen, total = np.array(alphas), np.zeros(series), np.zeros(series)
    level = np.zeros((series, len(alphas)))
    phase_total, phase_seen = (np.zeros((series, season or 1)) for _ in range(2))
    # Squared errors per benchmark: over all forecast periods, and over those with a seasonal forecast.
    over_all, over_seasonal = (np.zeros((series, len(names) - 1)) for _ in range(2))
    made_all, made_seasonal = (np.zeros(series, dtype=np.int64) for _ in range(2))
    for at in range(periods):  # each forecast needs the period before; arrays over series
        now, y, phase = observed[:, at], np.where(observed[:, at], units[:, at], 0.0), at % (season or 1)
        is_forecast = now & (seen >= warm_up)
        is_seasonal = is_forecast & (phase_seen[:, phase] > 0) & (season is not None)
        forecasts = np.column_stack(
            [total / np.maximum(seen, 1.0), level, phase_total[:, phase] / np.maximum(phase_seen[:, phase], 1.0)]
        )
        squares = (y[:, None] - forecasts) ** 2
        over_all += np.where(is_forecast[:, None], squares, 0.0)
        over_seasonal += np.where(is_seasonal[:, None], squares, 0.0)
        made_all += is_forecast
        made_seasonal += is_seasonal
        step = np.where((seen == 0)[:, None], 1.0, learning[None, :])
        level += np.where(now[:, None], step * (y[:, None] - level), 0.0)
        total, seen = total + y, seen + now
        phase_total[:, phase] += y
        phase_seen[:, phase] += now
    by_season = made_seasonal >= min_forecasts
    squares = np.where(by_season[:, None], over_seasonal, over_all)
    squares[:, -1] = np.where(by_season, squares[:, -1], np.inf)
    forecasts_made = np.where(by_season, made_seasonal, made_all)
    best = squares.argmin(axis=1)
    mean = total / np.maximum(seen, 1.0)
    known = (forecasts_made >= min_forecasts) & (mean > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(squares[np.arange(series), best] / forecasts_made) / mean
    return ScaledError(
        error=np.where(known, error, np.nan),
        benchmark=names[np.where(known, best, len(names) - 1)],
        forecasts=forecasts_made,
    )
