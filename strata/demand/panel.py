"""Series over closed periods, and the row of `demand_profile` that each gives: shape, level, rung of the ladder.

Belongs here: putting measures of this package together per series. Does not: where periods come from
(`strata.conformed.profile`, `strata.demand.lines`), the statistics themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.calendar import PERIODS_PER_YEAR, Periods
from strata.demand.fallback import OWN, fall_back
from strata.demand.level import level_measures, level_value
from strata.demand.lifecycle import ended
from strata.demand.profile import in_bucket, profile
from strata.scheme.model import Level, Scheme

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]

REGION_LEVEL = "*"
LAST = ("last_value_class", "last_variability_class")
_LEVEL = ("cv_level", "level_units_period", "level_periods", "level_cv_periods")
_MASTER = ("end_date", "status", "family", "price", "currency", "predecessor_sku_id")


@dataclass(frozen=True, slots=True)
class Panel:
    """One partition's closed history as matrices: `units[i, t]`, `censored[i, t]` of series i in period t.

    `unreported[i, t]`: the place of the series has sent nothing since before t. `keys` has a row per series, sorted:
    sku_id, location_id, launch, first and last sale, revenue, margin, units and lines of the periods looked at, and
    what the item master says. `launch_index[i]` is the launch's period; negative before the first one.
    """

    keys: pd.DataFrame
    units: Floats
    censored: Booleans
    unreported: Booleans
    launch_index: Ints
    periods: Periods

    @property
    def hidden(self) -> Booleans:
        """Periods in which demand is unknown, not zero."""
        return np.asarray(self.censored | self.unreported)

    def last(self, length: int) -> "Panel":
        """The same series over the last `length` periods only."""
        dropped = max(len(self.periods) - length, 0)
        if not dropped:
            return self
        starts = Periods(self.periods.bucket, self.periods.starts[dropped:])
        units, at = self.units[:, dropped:], self.launch_index - dropped
        return Panel(self.keys, units, self.censored[:, dropped:], self.unreported[:, dropped:], at, starts)


def shape_periods(scheme: Scheme) -> int:
    """Last classification periods that the shape of what is classed rests on; at a location, all that is planned."""
    buckets, window = scheme.buckets, scheme.value.window_cycles
    if scheme.class_level == "region":
        return window
    years = buckets.planning_periods / PERIODS_PER_YEAR[buckets.planning]
    return max(window, round(years * PERIODS_PER_YEAR[buckets.classification]))


def unreported(location_id: Objects, last_sale: Ints, count: int, *, stale_periods: int) -> Booleans:
    """Periods of each series [n, count] since its place last sent any line, once there are `stale_periods` of them.

    Args:
        location_id: place of each series.
        last_sale: period of the series' last line; negative before the first one.
        count: number of periods.
        stale_periods: silence that is no coincidence any more.
    """
    places, at = np.unique(location_id.astype(str), return_inverse=True)
    last = np.full(len(places), -1, dtype=np.int64)
    np.maximum.at(last, at, np.minimum(last_sale, count - 1))
    silent = np.arange(count)[None, :] > last[:, None]
    silent &= (count - 1 - last >= stale_periods)[:, None]
    return np.asarray(silent[at])


def profile_columns(
    whole: Panel,
    *,
    scheme: Scheme,
    cycle: str,
    on: date,
    length: int,
    value_length: int,
    level: Level | None,
    last: Mapping[str, Objects],
) -> dict[str, Any]:
    """What `demand_profile` says of every series of a panel, but for partition, bucket and scheme version.

    Args:
        whole: the series' closed periods, as many as level and shape look at.
        scheme: bounds of every measure, the ladder.
        cycle: cycle that decides.
        on: day on which the item master is looked at.
        length: periods that the shape rests on; fewer where the panel has fewer.
        value_length: periods that money and units of `keys` were summed over; fewer likewise.
        level: the scheme's part where levels are looked for in these periods; None where they are not.
        last: `LAST`, per series: classes that it earned itself, to hold where nothing else is known.

    Returns:
        Columns by name, in the panel's order.
    """
    data = whole.last(length)
    keys = data.keys
    end = keys["end_date"].astype(object).where(keys["end_date"].notna(), None).tolist()
    shape = profile(
        data.units,
        data.hidden,
        data.launch_index,
        scheme=scheme,
        periods=data.periods,
        is_ended=ended(keys["status"].tolist(), end, on=on),
    )
    facts = keys.drop(columns=["series", *_MASTER])
    # First and last sale are facts of the whole history, not of the window.
    measures = shape.drop(columns=["first_sale", "last_sale"])
    launched = np.arange(len(data.periods))[None, :] >= data.launch_index[:, None]
    measures["periods_censored"] = (launched & data.censored).sum(axis=1)
    measures["periods_unreported"] = (launched & data.unreported).sum(axis=1)
    value_periods = min(value_length, len(data.periods))
    measures = _at_level(measures, whole, scheme.value.basis, level, value_periods=value_periods)
    lent = _on_ladder(data, measures, scheme=scheme, cycle=cycle, value_periods=value_periods, last=last)
    measures["confidence"] = measures["confidence"].where(lent["fallback_level"] == OWN, lent["confidence"])
    # Columns as they are: joined as a frame, they would be copied into blocks of one type, and back again.
    parts = [facts, measures, lent.drop(columns="confidence")]
    return {str(name): part[name] for part in parts for name in part.columns}


def _at_level(
    measures: pd.DataFrame, data: Panel, basis: str, rule: Level | None, *, value_periods: int
) -> pd.DataFrame:
    """The measures with those of the level since the last shift; unknown where no level is asked for."""
    if rule is None:
        return measures.assign(**dict.fromkeys((*_LEVEL, "level_value"), np.nan))
    length = min(len(data.periods), rule.window_periods)
    data = data.last(length)
    observed = ~data.hidden & (np.arange(length)[None, :] >= data.launch_index[:, None])
    found = level_measures(data.units, observed, rule=rule)
    units = data.keys["demand_units"].to_numpy(dtype=np.float64)
    found["level_value"] = level_value(
        _money(data.keys, basis), units, found["level_units_period"].to_numpy(), periods=value_periods
    )
    return measures.drop(columns=[name for name in found if name in measures]).join(found)


def _on_ladder(
    data: Panel,
    measures: pd.DataFrame,
    *,
    scheme: Scheme,
    cycle: str,
    value_periods: int,
    last: Mapping[str, Objects],
) -> pd.DataFrame:
    """What `fall_back` returns of every series, with `expected_value` over the value window instead of per period."""
    count, bucket = len(data.periods), data.periods.bucket
    observed = ~data.hidden & (np.arange(count)[None, :] >= data.launch_index[:, None])
    seen = np.where(observed, np.arange(count)[None, :], -1).max(axis=1, initial=-1)
    begun = np.clip(data.launch_index, 0, count)
    waited = np.where(seen >= 0, count - 1 - seen, count - begun) * PERIODS_PER_YEAR["month"]
    mean = measures["mean_units_period"].to_numpy(dtype=np.float64)
    series = pd.DataFrame(
        {
            "sku_id": data.keys["sku_id"],
            "location_id": data.keys["location_id"],
            "family": data.keys["family"],
            "price": data.keys["price"],
            "currency": data.keys["currency"],
            "predecessor_sku_id": data.keys["predecessor_sku_id"],
            "is_lender": ~measures["lifecycle_state"].isin(["eol", "dead"]),
            "periods_observed": measures["periods_observed"],
            "periods_censored": measures["periods_censored"],
            "periods_unreported": measures["periods_unreported"],
            "cycles_unobserved": waited // PERIODS_PER_YEAR[bucket],
            "units_period": mean,
            "units_period_alive": _alive(data.units, observed),
            # Levels are looked for in classification periods only.
            "cv": measures[scheme.variability.basis if scheme.variability.basis in measures else "cv"],
            "value_period": mean * _unit_value(data.keys, scheme.value.basis),
            **last,
        }
    )
    least = in_bucket(scheme.fallback.min_periods, scheme, bucket)
    lent = fall_back(series, rule=scheme.fallback, min_periods=least, cycle=cycle)
    return lent.assign(expected_value=lent["expected_value_period"] * value_periods).drop(
        columns="expected_value_period"
    )


def _alive(units: Floats, observed: Booleans) -> Floats:
    """Mean per observed period up to the last one with demand; NaN where nothing was sold."""
    at = np.arange(units.shape[1])[None, :]
    last = np.where(observed & (units > 0), at, -1).max(axis=1, initial=-1)
    lived = observed & (at <= last[:, None])
    with np.errstate(invalid="ignore"):
        mean: Floats = np.where(lived, units, 0.0).sum(axis=1) / lived.sum(axis=1)
    return mean


def _money(keys: pd.DataFrame, basis: str) -> Floats:
    """Money of each series in the window; NaN where it is unknown."""
    return keys[basis].astype(object).where(keys[basis].notna(), np.nan).to_numpy(dtype=np.float64)


def _unit_value(keys: pd.DataFrame, basis: str) -> Floats:
    """Money per unit sold in the window; zero where nothing was sold, NaN where the money is unknown."""
    units = keys["demand_units"].astype(np.float64).to_numpy()
    earned = _money(keys, basis)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(units > 0, earned / units, np.where(np.isnan(earned), np.nan, 0.0))
