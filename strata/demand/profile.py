"""The shape of demand of every series in one pass over its period matrix.

Belongs here: putting the measures of this package together per series. Does not: keys, money and launch dates
(the caller joins them), classes (`strata.classify`).
"""

from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.calendar import PERIODS_PER_YEAR, Bucket, Periods
from strata.demand.intermittency import checked_matrix, demand_class, interval_and_size
from strata.demand.lifecycle import lifecycle_state
from strata.demand.scaled_error import scaled_error
from strata.demand.seasonality import decompose
from strata.demand.shift import level_shift, recent_ratio
from strata.derivation import Derivation, Step, aggregated
from strata.scheme.model import Lifecycle, Scheme

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

_BLOCK = 10_000
_SEEN = ("panel.units", "panel.hidden", "panel.launch_index")
STEPS: tuple[Step, ...] = (
    Derivation(
        "demand_shape",
        {
            "periods_observed": aggregated("panel.hidden", "panel.launch_index"),
            "periods_censored": aggregated("panel.hidden", "panel.launch_index"),
            "demand_periods": aggregated(*_SEEN),
            "mean_units_period": aggregated(*_SEEN),
            "cv": aggregated(*_SEEN),
            "cv_deseasonalised": aggregated(*_SEEN, when=("rule.seasonality",)),
            "forecast_error": aggregated(*_SEEN, when=("rule.forecast_error",)),
            "adi": aggregated(*_SEEN),
            "cv2_nonzero": aggregated(*_SEEN),
            "trend_strength": aggregated(*_SEEN, when=("rule.seasonality",)),
            "seasonal_strength": aggregated(*_SEEN, when=("rule.seasonality",)),
            "demand_class": aggregated(*_SEEN, when=("rule.demand_pattern",)),
            "recent_ratio": aggregated(*_SEEN, when=("rule.shift",)),
            "shift_z": aggregated(*_SEEN, when=("rule.shift",)),
            "is_true_shift": aggregated(*_SEEN, when=("rule.shift",)),
            "lifecycle_state": aggregated(*_SEEN, "panel.is_ended", when=("rule.lifecycle",)),
            "confidence": aggregated("panel.hidden", "panel.launch_index"),
        },
        rows=("panel.units",),
    ),
)


def profile(
    units: Floats,
    censored: Booleans,
    launch_index: npt.NDArray[np.int64],
    *,
    scheme: Scheme,
    periods: Periods,
    is_ended: Booleans,
) -> pd.DataFrame:
    """Measure every series over its closed, uncensored periods since launch.

    Args:
        units: demand per closed period in base units, series x periods.
        censored: same shape; True where stock was out: unknown, not zero.
        launch_index: column of the launch period per series; negative for a launch before the window, the number of
            periods or more for one still ahead. Periods before it do not count.
        scheme: cuts and bounds. Its lifecycle and shift periods are classification periods and are converted to
            `periods.bucket` (4 months are 17 weeks); the season is one year of the bucket.
        periods: the columns' bucket and first days.
        is_ended: per series, whether the item master ends it (`strata.demand.lifecycle.ended`).

    Returns:
        One row per series, in order, with the columns of `demand_profile` that the matrix determines. Unknown floats
        are NaN (null after `Table.conform`), unknown dates None. `recent_ratio` and `shift_z` are those of the
        level-shift test; the lifecycle state uses its own, shorter, recent window. `first_sale` and `last_sale` are
        facts and take every period with demand, censored or before the stated launch as well.

    Raises:
        ValueError: shapes do not fit together, or an observed period is not a finite number.

    Examples:
        >>> import strata.home
        >>> from pathlib import Path
        >>> from strata.calendar import closed_periods
        >>> from strata.scheme.load import load_scheme
        >>> from datetime import UTC, datetime
        >>> root = Path(strata.home.__file__).parents[1]
        >>> year = closed_periods(date(2026, 1, 1), datetime(2027, 1, 2, tzinfo=UTC), UTC, "month")
        >>> y = np.array([[0, 0, 5, 0, 0, 0, 3, 0, 4, 0, 0, 6], [0, 0, 5, 5, 5, 0, 5, 5, 5, 5, 5, 5]], dtype=float)
        >>> empty = np.zeros(y.shape, dtype=bool)
        >>> empty[1, 5] = True  # June of the second item: the shelf was empty
        >>> rows = profile(y, empty, np.array([0, 2]), scheme=load_scheme(root / "config/schemes/2017.1.yml").scheme,
        ...                periods=year, is_ended=np.array([False, False]))
        >>> rows[["periods_observed", "periods_censored", "adi", "demand_class", "lifecycle_state"]].values.tolist()
        [[12, 0, 3.0, 'intermittent', 'growth'], [9, 1, 1.0, 'smooth', 'mature']]
        >>> rows["cv"].round(4).tolist()
        [1.544, 0.0]
    """
    series, count = units.shape
    if count != len(periods) or launch_index.shape != (series,) or is_ended.shape != (series,):
        raise ValueError(
            f"units {units.shape}, {len(periods)} periods, launch_index {launch_index.shape} and "
            f"is_ended {is_ended.shape} do not fit together: one row per series, one column per period"
        )
    if censored.shape != units.shape:
        raise ValueError(f"units {units.shape} and censored {censored.shape} must have one shape")
    launched = np.arange(count)[None, :] >= launch_index[:, None]
    observed = launched & ~censored
    checked_matrix(units, observed)
    cuts = range(0, max(series, 1), _BLOCK)  # series are independent: blocks bound the memory and stay in the cache
    blocks = [
        _measured(units[at], observed[at], (launched & censored)[at], launch_index[at], is_ended[at], scheme, periods)
        for at in (slice(start, start + _BLOCK) for start in cuts)
    ]
    return pd.concat(blocks, ignore_index=True) if len(blocks) > 1 else blocks[0]


def in_bucket(count: int, scheme: Scheme, bucket: Bucket) -> int:
    """A number of classification periods as periods of `bucket`, at least one: 4 months are 17 weeks."""
    return max(1, round(count * PERIODS_PER_YEAR[bucket] / PERIODS_PER_YEAR[scheme.buckets.classification]))


def _measured(
    units: Floats,
    observed: Booleans,
    censored: Booleans,
    launch_index: npt.NDArray[np.int64],
    is_ended: Booleans,
    scheme: Scheme,
    periods: Periods,
) -> pd.DataFrame:
    """The measures of one block of series; `censored` since launch only."""
    series, count = units.shape
    bucket = periods.bucket
    seen = observed.sum(axis=1).astype(np.int64)
    mean, cv = mean_and_cv(units, observed)
    rhythm = interval_and_size(units, observed)
    parts = decompose(units, observed, season=PERIODS_PER_YEAR[bucket], min_seasons=scheme.seasonality.min_seasons)
    shift_rule = scheme.shift.model_copy(
        update={"recent_periods": in_bucket(scheme.shift.recent_periods, scheme, bucket)}
    )
    shifted = level_shift(units, observed, shift=shift_rule)
    return pd.DataFrame(
        {
            "periods_observed": seen,
            "periods_censored": censored.sum(axis=1).astype(np.int64),
            "demand_periods": rhythm.demands,
            "mean_units_period": mean,
            "cv": cv,
            "cv_deseasonalised": parts.remainder_cv,
            "forecast_error": _error(units, observed, scheme, bucket),
            "adi": rhythm.adi,
            "cv2_nonzero": rhythm.cv2,
            "trend_strength": parts.trend_strength,
            "seasonal_strength": parts.seasonal_strength,
            "demand_class": demand_class(rhythm, pattern=scheme.demand_pattern).astype(object),
            "first_sale": _sale_dates(units, periods, last=False),
            "last_sale": _sale_dates(units, periods, last=True),
            "recent_ratio": shifted.ratio,
            "shift_z": shifted.z,
            "is_true_shift": shifted.is_shift,
            "lifecycle_state": _states(units, observed, launch_index, is_ended, rule=_lifecycle(scheme, bucket)),
            "confidence": seen / count if count else np.zeros(series),
        }
    )


def _error(units: Floats, observed: Booleans, scheme: Scheme, bucket: Bucket) -> Floats:
    """Scaled forecast error by the scheme's benchmarks; NaN where the scheme names none."""
    rule = scheme.forecast_error
    if rule is None:
        return np.full(len(units), np.nan)
    return scaled_error(
        units,
        observed,
        season=PERIODS_PER_YEAR[bucket],
        alphas=rule.alphas,
        warm_up=in_bucket(rule.warm_up, scheme, bucket),
        min_forecasts=in_bucket(rule.min_forecasts, scheme, bucket),
    ).error


def mean_and_cv(units: Floats, observed: Booleans) -> tuple[Floats, Floats]:
    """Mean per observed period and sample CV, zeros included; NaN below one, or two, periods, or mean not positive."""
    count = observed.sum(axis=1).astype(np.float64)
    known = np.where(observed, units, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(count > 0, known.sum(axis=1) / count, np.nan)
        squares = np.where(observed, (units - mean[:, None]) ** 2, 0.0).sum(axis=1)
        cv = np.sqrt(squares / (count - 1.0)) / mean
    return mean, np.where((count > 1) & (mean > 0), cv, np.nan)


def _sale_dates(units: Floats, periods: Periods, *, last: bool) -> npt.NDArray[Any]:
    """First day of the first (or last) period with demand; None where there is none."""
    sold = units > 0
    if not sold.shape[1]:
        return np.full(len(sold), None, dtype=object)
    index = sold.shape[1] - 1 - sold[:, ::-1].argmax(axis=1) if last else sold.argmax(axis=1)
    starts: npt.NDArray[Any] = np.empty(len(periods), dtype=object)
    starts[:] = [date(day.year, day.month, day.day) for day in periods.starts]
    dates: npt.NDArray[Any] = starts[index]
    dates[~sold.any(axis=1)] = None
    return dates


def _lifecycle(scheme: Scheme, bucket: Bucket) -> Lifecycle:
    """The scheme's lifecycle part with its periods converted to `bucket`."""
    names = ("intro_periods", "dead_periods", "recent_periods")
    return scheme.lifecycle.model_copy(
        update={name: in_bucket(getattr(scheme.lifecycle, name), scheme, bucket) for name in names}
    )


def _states(
    units: Floats,
    observed: Booleans,
    launch_index: npt.NDArray[np.int64],
    is_ended: Booleans,
    *,
    rule: Lifecycle,
) -> npt.NDArray[Any]:
    count = units.shape[1]
    sold = units > 0
    after_last = np.where(sold, np.arange(count)[None, :], -1).max(axis=1, initial=-1)
    idle = (observed & (np.arange(count)[None, :] > after_last[:, None])).sum(axis=1)
    ratio = recent_ratio(units, observed, recent_periods=rule.recent_periods)
    states = lifecycle_state(count - launch_index, idle, ratio, is_ended, lifecycle=rule)
    return states.astype(object)
