"""The forecast of every item-location: method by demand class, quantiles, one row per period ahead.

Belongs here: routing of series to methods with its reasons, and the frame of `tables.DEMAND_FORECAST`. Does not: the
methods (`strata.forecast.smoothing`), the predictive families (`strata.forecast.quantiles`).
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strata.calendar import PERIODS_PER_YEAR, Bucket, next_period
from strata.derivation import Derivation, Step, aggregated, computed, copied, copies
from strata.forecast import smoothing
from strata.forecast.quantiles import PredictiveKind, horizon_variance, predictive_quantiles
from strata.partition import Partition
from strata.scheme.model import DEMAND_CLASSES, RUNGS, ForecastMethod, Scheme
from strata.tables import DEMAND_FORECAST, QUANTILE_COLUMNS, QUANTILE_LEVELS

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Rows = NDArray[np.intp]

# Quantities of steady movers; the other classes are counted (docs/methods/forecast.md).
_PREDICTIVE: dict[str, PredictiveKind] = {"smooth": "gamma", "erratic": "gamma"}
_ENDED = ("dead", "eol")
_KEYS = (
    "sku_id", "location_id", "demand_class", "lifecycle_state", "seasonal_strength", "fallback_level",
    "expected_units_period", "expected_cv",
)  # fmt: skip
LENT_METHOD = "lent_rate"
_TOLERANCE = 1.05

_SERIES = ("panel.units", "panel.hidden", "panel.launch_index")
_ROUTE = (
    "series_trait.demand_class", "series_trait.lifecycle_state", "series_trait.seasonal_strength",
    "series_trait.fallback_level", "rule.forecast",
    "rule.seasonality",
)  # fmt: skip
_LENT = ("series_trait.expected_units_period", "series_trait.expected_cv")
STEPS: tuple[Step, ...] = (
    Derivation(
        "demand_forecast",
        {
            **copies("series_trait", "sku_id", "location_id"),
            "period_start": computed("run.cutoff", "rule.forecast.horizon_periods", when=("rule.buckets",)),
            "bucket": copied("rule.buckets"),
            "horizon": computed("rule.forecast.horizon_periods"),
            **{
                name: aggregated(*_SERIES, *_LENT, when=_ROUTE)
                for name in ("mean_units", *QUANTILE_COLUMNS, "error_sd_units")
            },
            "method": computed(*_ROUTE, when=(*_SERIES, *_LENT)),
            "forecast_level": computed("series_trait.fallback_level", when=_LENT),
            "decision_reason": computed(*_ROUTE, when=_SERIES),
        },
        rows=("series_trait.sku_id", "panel.units"),
    ),
)


@dataclass(frozen=True, slots=True)
class _Route:
    """Method of each series and the notes that its reason carries beside class and method."""

    method: NDArray[np.object_]
    note: NDArray[np.object_]


def forecast(
    units: FloatArray,
    censored: BoolArray,
    launch_index: NDArray[np.int64],
    keys: pd.DataFrame,
    *,
    scheme: Scheme,
    partition: Partition,
    first_period: date,
    bucket: Bucket,
) -> pd.DataFrame:
    """Predictive distribution of demand for the scheme's horizon, one row per series and period ahead.

    Args:
        units: demand per closed period [n, T], base units, oldest first.
        censored: [n, T] true where stock was out: the period is unknown, not zero.
        launch_index: [n] first period of the series' life; periods before it do not count.
        keys: n rows of sku_id, location_id, demand_class, lifecycle_state, seasonal_strength (null: unknown),
            fallback_level, expected_units_period, expected_cv (of a series below its own history: what is lent to it).
        scheme: methods and constants (`forecast`), bounds of a season (`seasonality`).
        partition: region and cycle of the rows.
        first_period: start of the first period not closed, the first one forecast.
        bucket: length of a period.

    Returns:
        The columns of `tables.DEMAND_FORECAST`, n x horizon rows, series by series. `decision_reason` names class,
        method, and what departs from the plain rule: `fallback:` a method that the history is too short for,
        `bounded:` a mean, or an error, held to what was ever observed, `lifecycle:` an ended item, `fallback:` the rung
        of the ladder that lends its mean and variability (method `lent_rate`).

    Raises:
        ValueError: shapes do not fit, a column of `keys` is missing, or a demand class is unknown.
    """
    _check(units, censored, launch_index, keys)
    count, horizon = len(keys), scheme.forecast.horizon_periods
    seen = ~censored.astype(bool) & (np.arange(units.shape[1]) >= np.asarray(launch_index)[:, None])
    route = _route(seen, keys, scheme, PERIODS_PER_YEAR[bucket])
    mean, error_sd, variance = _points(units, seen, route.method, scheme, PERIODS_PER_YEAR[bucket])
    most = np.where(seen, units, 0.0).max(axis=1, initial=0.0)
    bounded = (mean > most[:, None] * (1 + 1e-9)).any(axis=1)  # beyond rounding
    mean = np.minimum(mean, most[:, None])
    error_sd, variance, tamed = _bounded_error(mean, error_sd, variance, most)
    lent = route.method == LENT_METHOD
    bounded, tamed = bounded & ~lent, tamed & ~lent
    mean[lent] = keys["expected_units_period"].to_numpy(dtype=np.float64)[lent, None]
    error_sd[lent] = mean[lent, 0] * np.nan_to_num(keys["expected_cv"].to_numpy(dtype=np.float64)[lent])
    variance[lent] = error_sd[lent, None] ** 2
    classes = keys["demand_class"].to_numpy(dtype=object)
    quantiles = _quantiles(mean, variance, classes)
    notes = route.note + np.where(bounded, ";bounded:max_observed", "").astype(object)
    notes = notes + np.where(tamed, ";bounded:error_sd", "").astype(object)
    reason = "demand_class:" + classes + ";method:" + route.method + notes
    starts = np.array([next_period(first_period, bucket, ahead) for ahead in range(horizon)], dtype=object)
    columns = {
        "sku_id": np.repeat(keys["sku_id"].to_numpy(dtype=object), horizon),
        "location_id": np.repeat(keys["location_id"].to_numpy(dtype=object), horizon),
        "region": partition.region,
        "cycle": partition.cycle,
        "period_start": np.tile(starts, count),
        "bucket": bucket,
        "horizon": np.tile(np.arange(1, horizon + 1), count),
        "mean_units": mean.ravel(),
        **{name: quantiles[:, :, level].ravel() for level, name in enumerate(QUANTILE_COLUMNS)},
        "error_sd_units": np.repeat(error_sd, horizon),
        "method": np.repeat(route.method, horizon),
        "forecast_level": np.repeat(np.where(lent, keys["fallback_level"].to_numpy(dtype=object), "item"), horizon),
        "valid_for_cycle": partition.cycle,
        "scheme_version": scheme.version,
        "decision_reason": np.repeat(reason, horizon),
        "is_suspended": False,
        "suspended_since": None,
        "suspension_reason": None,
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(count * horizon))[DEMAND_FORECAST.names]


def _bounded_error(
    mean: FloatArray, error_sd: FloatArray, variance: FloatArray, most: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Errors held to what demand between zero and the largest ever observed can vary; who was held.

    Var <= m (M - m) (Bhatia and Davis 2000) and <= M^2 / 4 (Popoviciu 1935). A regular seller gone silent keeps the
    errors of its old level while its mean goes to zero; taken together they would ask for millions in stock.
    """
    low = np.minimum(mean, most[:, None] / 2)
    ceiling = low * (most[:, None] - low)
    # Sample variances of a bounded variable pass the bound by n / (n - 1): that is no reason to speak up.
    held = (error_sd > _TOLERANCE * np.sqrt(ceiling[:, 0])) & mean.any(axis=1)
    error_sd = np.where(held, np.sqrt(ceiling[:, 0]), error_sd)
    return error_sd, np.where(held[:, None], np.minimum(variance, ceiling), variance), held


def _route(seen: BoolArray, keys: pd.DataFrame, scheme: Scheme, season: int) -> _Route:
    classes = keys["demand_class"].to_numpy(dtype=object)
    method = np.array([scheme.forecast.methods[name] for name in classes], dtype=object)
    note = np.full(len(keys), "", dtype=object)
    strength = pd.to_numeric(keys["seasonal_strength"]).to_numpy(dtype=np.float64, na_value=np.nan)
    rule = scheme.seasonality
    seasonal = np.isin(classes, list(_PREDICTIVE)) & (strength >= rule.min_strength)
    short = seen.sum(axis=1) < max(rule.min_seasons, 2) * season
    method[seasonal] = scheme.forecast.seasonal_method
    too_short = (method == "seasonal_naive") & short
    method[too_short] = _unseasonal(scheme)
    note[too_short] = f";fallback:seasonal_naive_needs_{max(rule.min_seasons, 2) * season}_observed_periods"
    unseen = ~seen.any(axis=1)
    method[unseen], note[unseen] = "zero", ";fallback:no_observed_period"
    level = keys["fallback_level"].to_numpy(dtype=object)
    lent = np.isin(level, RUNGS) & keys["expected_units_period"].notna().to_numpy()
    method[lent], note[lent] = LENT_METHOD, ";fallback:" + level[lent]
    for state in _ENDED:
        ended = keys["lifecycle_state"].to_numpy(dtype=object) == state
        method[ended], note[ended] = "zero", f";lifecycle:{state}"
    return _Route(method, note)


def _unseasonal(scheme: Scheme) -> ForecastMethod:
    """What stands in for a season that is too short: the method of smooth demand, if that is not seasonal itself."""
    plain = scheme.forecast.methods["smooth"]
    return "ses" if plain == "seasonal_naive" else plain


def _points(
    units: FloatArray, seen: BoolArray, method: NDArray[np.object_], scheme: Scheme, season: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean [n, h], one-step error sd [n] and error variance [n, h] by the method of each series."""
    rule, horizon = scheme.forecast, scheme.forecast.horizon_periods
    mean = np.zeros((len(method), horizon))
    sd = np.zeros(len(method))
    variance = np.zeros_like(mean)
    for name in sorted(set(method) - {"zero", LENT_METHOD}):
        rows: Rows = np.flatnonzero(method == name)
        y, here = units[rows], seen[rows]
        if name == "seasonal_naive":
            mean[rows] = smoothing.seasonal_naive(y, here, season=season, horizon=horizon)
            sd[rows] = smoothing.seasonal_naive_error_sd(y, here, season=season)
            variance[rows] = sd[rows, None] ** 2 * (1 + np.arange(horizon) // season)  # one more season, one more step
            continue
        fit = _flat(name, y, here, scheme)
        growth = fit.alpha if name == "ses" else np.zeros_like(fit.alpha)
        mean[rows] = fit.mean[:, None]
        sd[rows] = fit.error_sd
        variance[rows] = horizon_variance(fit.error_sd, growth, horizon=rule.horizon_periods)
    return mean, sd, variance


def _flat(name: str, y: FloatArray, seen: BoolArray, scheme: Scheme) -> smoothing.Fit:
    rule = scheme.forecast
    if name == "ses":
        return smoothing.ses(y, seen, alphas=rule.ses_alphas)
    if name == "sba":
        return smoothing.sba(y, seen, alpha=rule.sba_alpha)
    if name == "tsb":
        return smoothing.tsb(y, seen, alpha=rule.tsb_alpha, beta=rule.tsb_beta)
    return smoothing.mean_rate(y, seen)


def _quantiles(mean: FloatArray, variance: FloatArray, classes: NDArray[np.object_]) -> FloatArray:
    """[n, h, levels]; a series whose mean and variance stay equal over the horizon is computed once and repeated."""
    found = np.zeros((*mean.shape, len(QUANTILE_LEVELS)))
    flat = (mean == mean[:, :1]).all(axis=1) & (variance == variance[:, :1]).all(axis=1)
    gamma = np.array([_PREDICTIVE.get(name) == "gamma" for name in classes], dtype=bool)
    some = mean.any(axis=1)
    for kind, members in (("gamma", gamma & some), ("negative_binomial", ~gamma & some)):
        family: PredictiveKind = "gamma" if kind == "gamma" else "negative_binomial"
        once, each = np.flatnonzero(members & flat), np.flatnonzero(members & ~flat)
        first = predictive_quantiles(mean[once, 0], variance[once, 0], kind=family, levels=QUANTILE_LEVELS)
        found[once] = first[:, None, :]
        found[each] = predictive_quantiles(mean[each], variance[each], kind=family, levels=QUANTILE_LEVELS)
    return found


def _check(units: FloatArray, censored: BoolArray, launch_index: NDArray[np.int64], keys: pd.DataFrame) -> None:
    if missing := [name for name in _KEYS if name not in keys.columns]:
        raise ValueError(f"forecast keys lack columns {missing}; they need {list(_KEYS)}")
    rows = len(keys)
    if units.ndim != 2 or units.shape != censored.shape or units.shape[0] != rows or len(launch_index) != rows:
        raise ValueError(
            f"units {units.shape}, censored {censored.shape}, launch_index ({len(launch_index)},) and keys "
            f"({rows} rows) must describe the same series"
        )
    unknown = ~keys["demand_class"].isin(DEMAND_CLASSES).to_numpy()
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise ValueError(
            f"forecast keys, row {row}, column demand_class: {keys['demand_class'].iloc[row]!r} is not one of "
            f"{DEMAND_CLASSES}"
        )
