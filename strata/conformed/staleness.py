"""What the cost of old classes is computed from: a partition's history and profile, and policies under other classes.

Belongs here: reading, which cut-offs and delays are compared, pricing the changes. Does not: classes and shares
(`strata.review.staleness`), policies (`strata.inventory`).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from strata.calendar import PERIODS_PER_YEAR, Periods, closed_periods, first_open_period, next_period
from strata.conformed.engine import engine
from strata.conformed.history import View
from strata.conformed.supply import stocked
from strata.demand.panel import unreported
from strata.demand.profile import in_bucket
from strata.derivation import Query, Step
from strata.inventory.policy import PERIOD_DAYS, policies
from strata.partition import shifted
from strata.review.staleness import History, class_path, staleness
from strata.scheme.model import VALUE_CLASSES, VARIABILITY_CLASSES, Cadence
from strata.tables import NOT_SUSPENDED, SEGMENT_CADENCE

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SEGMENTS = tuple(value + variability for value in VALUE_CLASSES for variability in VARIABILITY_CLASSES)
_CLASSED = """
select
    sku_id, location_id, launch, last_sale, margin::double as margin, demand_units::double as demand_units,
    revenue::double as revenue
from demand_profile
where (location_id = '*') = (getvariable('level') = 'region')
order by sku_id, location_id
"""
_VALUE = """
case
    when getvariable('basis') = 'revenue' then sum(h.revenue)
    when count(*) = count(h.margin) then sum(h.margin)
end::double as value
"""


def period_sums(sums: str, *, order: str) -> str:
    """Query of the closed periods of every series at the class level: series, period_start, units, `sums`, is_censored.

    Series are numbered in `order`: names per period would take more memory than all the numbers. A region's period is
    censored where every location that sells the item was out of stock.
    """
    return f"""
with classed as (
    select sku_id, location_id, row_number() over (order by {order}) - 1 as series
    from demand_profile
    where (location_id = '*') = (getvariable('level') = 'region')
)

select
    c.series,
    h.period_start,
    sum(h.demand_units)::double as units,
    {sums},
    case
        when getvariable('level') = 'region' then bool_and(h.is_censored) else bool_or(h.is_censored)
    end as is_censored
from demand_history as h
inner join classed as c on h.sku_id = c.sku_id and c.location_id in ('*', h.location_id)
where h.bucket = getvariable('bucket') and not h.is_partial and h.period_start >= getvariable('begin')
group by c.series, h.period_start
order by c.series, h.period_start
"""


_VALUED = period_sums(_VALUE, order="sku_id, location_id")
STEPS: tuple[Step, ...] = (Query("classed_series", _CLASSED), Query("series_value", _VALUED))


@dataclass(frozen=True, slots=True)
class _Compared:
    """One cut-off with the classes of one delay before: closed periods at both."""

    cutoff: int
    delay_days: int
    stop: int
    stale_stop: int


def segment_cadence(
    view: View, *, history: Path, profile: Path, forecast: Path, assignment: Path, lead_times: Path
) -> pa.Table:
    """`segment_cadence` of a partition: every segment of the scheme x delay; no rows where the scheme has no `cadence`.

    Costs are those of today: what the policy of the older class would hold and serve, at the demand, lead times and
    costs of this cycle.
    """
    rule, scheme, partition = view.scheme.cadence, view.scheme, view.partition
    if rule is None:
        return SEGMENT_CADENCE.empty()
    keys, series = class_history(view, history, profile, begin=_begin(view, rule))
    compared = _comparisons(view, rule, series.periods)
    stops = sorted({stop for one in compared for stop in (one.stop, one.stale_stop)})
    stops = list(range(stops[0], stops[-1] + 1)) if stops else []  # memory runs through the periods in between
    path = class_path(series, stops, scheme=scheme, partition=partition, cutoff=view.cutoff)
    pairs = _pairs(series, path, stops, compared, window=scheme.value.window_cycles)
    years = min(scheme.value.window_cycles, len(series.periods)) / PERIODS_PER_YEAR[series.periods.bucket]
    pairs["revenue"] = keys["revenue"].to_numpy()[pairs["item"]] / max(years, 1 / 365)
    pairs = _priced(
        view,
        pairs,
        keys,
        stocked(view, forecast=forecast, profile=profile, assignment=assignment, lead_times=lead_times),
    )
    rows = staleness(
        pairs,
        segments=SEGMENTS,
        rule=rule,
        least_days=round(PERIOD_DAYS[series.periods.bucket]),
        expected_cutoffs=rule.lookback_cycles,
    )
    return SEGMENT_CADENCE.conform(rows.assign(**view.stamp, **NOT_SUSPENDED))


def _begin(view: View, rule: Cadence) -> date:
    """First period that the oldest classes compared need."""
    bucket, zone = view.scheme.buckets.classification, view.calendar.zone(view.partition.region)
    oldest = view.calendar.cutoff(shifted(view.partition.cycle, 1 - rule.lookback_cycles), view.partition.region)
    oldest -= timedelta(days=rule.delay_days[-1])
    length = max(view.scheme.value.window_cycles, view.scheme.level.window_periods if view.scheme.level else 0)
    return next_period(first_open_period(oldest, zone, bucket), bucket, -length)


def class_history(view: View, history: Path, profile: Path, *, begin: date) -> tuple[pd.DataFrame, History]:
    """Keys and closed classification periods from `begin` on of every series at the class level, value included."""
    scheme, bucket = view.scheme, view.scheme.buckets.classification
    variables = {"level": scheme.class_level, "basis": scheme.value.basis, "bucket": bucket, "begin": begin}
    with engine({"demand_history": history, "demand_profile": profile}, **variables) as connection:
        keys: pd.DataFrame = connection.execute(_CLASSED).df()
        found = connection.execute(_VALUED).to_arrow_table()
    return keys, placed(view, keys, found)


def placed(view: View, keys: pd.DataFrame, found: pa.Table) -> History:
    """Rows per series and closed classification period as matrices, hidden where stock was out or the place silent.

    Args:
        view: scheme, calendar and cut-off.
        keys: sku_id, location_id, launch, last_sale of every series.
        found: series (a row of `keys`), period_start, units, value, is_censored.
    """
    scheme, bucket = view.scheme, view.scheme.buckets.classification
    zone = view.calendar.zone(view.partition.region)
    days = found["period_start"].to_numpy().astype("datetime64[D]")
    first = days.min().item() if len(days) else first_open_period(view.cutoff, zone, bucket)
    periods = closed_periods(first, view.cutoff, zone, bucket)
    starts = np.array(periods.starts, dtype="datetime64[D]")
    at = found["series"].to_numpy(), np.searchsorted(starts, days)
    shape = (len(keys), len(periods))
    units, value, censored = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool)
    units[at], value[at], censored[at] = (found[name].to_numpy() for name in ("units", "value", "is_censored"))
    silent = unreported(
        keys["location_id"].to_numpy(dtype=object),
        _index(starts, keys["last_sale"]),
        len(periods),
        stale_periods=in_bucket(scheme.fallback.stale_periods, scheme, bucket),
    )
    return History(keys, units, censored | silent, value, _index(starts, keys["launch"]), periods)


def _index(starts: npt.NDArray[Any], days: "pd.Series[Any]") -> Ints:
    """Period of each day; -1 before the first one or where the day is unknown."""
    known = days.notna().to_numpy()
    stamps = days.where(known, pd.Timestamp(0)).to_numpy().astype("datetime64[D]")
    return np.where(known, np.searchsorted(starts, stamps, side="right") - 1, -1).astype(np.int64)


def _comparisons(view: View, rule: Cadence, periods: Periods) -> list[_Compared]:
    """Every cut-off looked back at x delay, where the older classes had any closed period."""
    zone = view.calendar.zone(view.partition.region)
    starts = np.array(periods.starts, dtype="datetime64[D]")
    found = []
    for back in range(rule.lookback_cycles):
        cutoff = view.calendar.cutoff(shifted(view.partition.cycle, -back), view.partition.region)
        for days in rule.delay_days:
            stops = (
                int(np.searchsorted(starts, np.datetime64(first_open_period(instant, zone, periods.bucket))))
                for instant in (cutoff, cutoff - timedelta(days=days))
            )
            one = _Compared(back, days, *stops)
            if one.stale_stop > 0:
                found.append(one)
    return found


def _pairs(
    series: History, path: npt.NDArray[np.object_], stops: list[int], compared: list[_Compared], *, window: int
) -> pd.DataFrame:
    """One row per item, cut-off and delay where both classes are known."""
    running = np.concatenate([np.zeros((len(series.keys), 1)), np.cumsum(np.nan_to_num(series.value), axis=1)], axis=1)
    parts = []
    for one in compared:
        held, right = path[stops.index(one.stale_stop)], path[stops.index(one.stop)]
        item = np.flatnonzero(~pd.isna(held) & ~pd.isna(right))
        value = running[item, one.stop] - running[item, max(0, one.stop - window)]
        parts.append(
            pd.DataFrame(
                {
                    "item": item, "cutoff": one.cutoff, "delay_days": one.delay_days, "value": value,
                    "held": pd.Categorical(held[item], categories=SEGMENTS),
                    "right": pd.Categorical(right[item], categories=SEGMENTS),
                }
            )
        )  # fmt: skip
    if not parts:
        names = ["item", "cutoff", "delay_days", "held", "right", "value"]
        return pd.DataFrame(columns=names).astype(dict.fromkeys(names[:3], "int64"))
    return pd.concat(parts, ignore_index=True)


def _priced(view: View, pairs: pd.DataFrame, keys: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """The pairs with what the older class holds beyond the right one, and the margin that it serves less, a year.

    Only items that changed have their policies computed, under either class. Null where an item is stocked nowhere, or
    its margin is unknown.
    """
    changed = (pairs["held"] != pairs["right"]).to_numpy()
    pairs = pairs.assign(holding_excess=np.where(changed, np.nan, 0.0), margin_missed=np.where(changed, np.nan, 0.0))
    moved = pairs.loc[changed, ["item", "held", "right"]].astype({"held": object, "right": object})
    wanted = pd.concat([moved[["item", name]].set_axis(["item", "segment"], axis=1) for name in ("held", "right")])
    wanted = wanted.drop_duplicates().sort_values(["item", "segment"], ignore_index=True)
    if wanted.empty:
        return pairs
    costs = policy_costs(view, wanted, keys, places)
    if costs.empty:
        return pairs
    of = {
        name: costs.reindex(pd.MultiIndex.from_frame(moved[["item", name]])).to_numpy(np.float64)
        for name in ("held", "right")
    }
    pairs.loc[changed, "holding_excess"] = np.maximum(of["held"][:, 0] - of["right"][:, 0], 0.0)
    pairs.loc[changed, "margin_missed"] = np.maximum(of["right"][:, 1] - of["held"][:, 1], 0.0)
    return pairs


def policy_costs(view: View, wanted: pd.DataFrame, keys: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """What policies of other segments hold and serve a year: `holding` and `served` (margin) by item and segment.

    Args:
        view: scheme and partition.
        wanted: item (a row of `keys`) and segment, each pair once.
        keys: sku_id, location_id at the class level, margin and demand_units of the window.
        places: `strata.conformed.supply.stocked`.

    Returns:
        Sums over the places of the item; no row where it is stocked nowhere, NaN where a margin is unknown.
    """
    place = places.drop(columns="segment")
    place["item"] = item_of(place, keys, at_region=view.scheme.class_level == "region")
    rows = wanted.merge(place, on="item", how="inner", validate="many_to_many")
    if rows.empty:
        return pd.DataFrame({"holding": [], "served": []})
    bucket = view.scheme.buckets.planning
    found = policies(rows, scheme=view.scheme, partition=view.partition, bucket=bucket)
    with np.errstate(divide="ignore", invalid="ignore"):
        unit_margin = (keys["margin"] / keys["demand_units"]).to_numpy()[rows["item"]]
    a_year = rows["mean_units"].to_numpy(np.float64) * 365 / PERIOD_DAYS[bucket]
    # Nothing is held and served where the segment's policy is none.
    return pd.DataFrame(
        {
            "item": rows["item"], "segment": rows["segment"],
            "holding": np.nan_to_num(found["holding_cost_year"].to_numpy(np.float64)),
            "served": np.nan_to_num(found["expected_fill_rate"].to_numpy(np.float64)) * a_year * unit_margin,
        }
    ).groupby(["item", "segment"], sort=True).sum(min_count=1)  # fmt: skip


def item_of(places: pd.DataFrame, keys: pd.DataFrame, *, at_region: bool) -> Ints:
    """Row of `keys` whose class each item-location has; those without one are left out by the join that follows."""
    named = places[["sku_id", "location_id"]].assign(**({"location_id": "*"} if at_region else {}))
    index = pd.MultiIndex.from_frame(keys[["sku_id", "location_id"]])
    return index.get_indexer(pd.MultiIndex.from_frame(named)).astype(np.int64)
