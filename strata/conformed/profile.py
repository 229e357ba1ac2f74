"""From periods to a row per series: history of a partition into matrices, the pure profile, the declared table.

Belongs here: reading one partition's history into series x periods. Does not: statistics (`strata.demand`), what the
ladder needs to know beside them (`strata.conformed.ladder`).
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from strata.calendar import (
    PERIODS_PER_YEAR,
    Bucket,
    Periods,
    closed_periods,
    first_open_period,
    next_period,
    period_start,
)
from strata.conformed.engine import engine
from strata.conformed.history import View
from strata.conformed.ladder import heirs, on_ladder, unreported
from strata.demand.fallback import OWN
from strata.demand.lifecycle import ended
from strata.demand.profile import in_bucket, profile
from strata.derivation import Derivation, Query, Step, aggregated, computed, copied, copies
from strata.tables import DEMAND_PROFILE

REGION_LEVEL = "*"

_SERIES = """
with period as (
    select
        sku_id,
        {location} as location_id,
        period_start,
        sum(demand_units) as units,
        sum(revenue) as revenue,
        case when count(*) = count(margin) then sum(margin) end as margin,
        cast(sum(order_lines) as bigint) as order_lines,
        {censored} as is_censored
    from demand_history
    where bucket = $bucket and not is_partial
    group by all
),

-- An item that is to replace another has no history of its own, and is planned all the same.
heir_period as (
    select distinct sku_id, {location} as location_id, $begin as period_start from heir
)

select
    p.*,
    cast(dense_rank() over (order by p.sku_id, p.location_id) - 1 as integer) as series
from (
    select * from period
    where (sku_id, location_id) in (select (sku_id, location_id) from period where order_lines > 0)
    union all
    select sku_id, location_id, period_start, 0, 0, 0, 0, false from heir_period
    where (sku_id, location_id) not in (select (sku_id, location_id) from period where order_lines > 0)
) as p
order by series, p.period_start
"""
_KEYS = """
with first as (
    select sku_id, cast(min(known_from) as date) as first_known from int_item_version group by sku_id
),

item as (
    select i.*, f.first_known
    from int_item_version as i
    inner join first as f on i.sku_id = f.sku_id
    where known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
)
select
    s.series,
    any_value(s.sku_id) as sku_id,
    any_value(s.location_id) as location_id,
    coalesce(
        any_value(i.launch_date),
        min(s.period_start) filter (where s.order_lines > 0),
        any_value(i.first_known)
    ) as launch,
    min(s.period_start) filter (where s.order_lines > 0) as first_sale,
    max(s.period_start) filter (where s.order_lines > 0) as last_sale,
    any_value(i.end_date) as end_date,
    any_value(i.status) as status,
    any_value(coalesce(i.family, i.category)) as family,
    any_value(coalesce(i.list_price, i.standard_cost))::double as price,
    any_value(i.currency) as currency,
    any_value(i.predecessor_sku_id) as predecessor_sku_id,
    coalesce(sum(s.revenue) filter (where s.period_start >= $begin), 0)::decimal(18, 4) as revenue,
    case
        when count(*) filter (where s.period_start >= $begin and s.margin is null) = 0
            then coalesce(sum(s.margin) filter (where s.period_start >= $begin), 0)
    end::decimal(18, 4) as margin,
    coalesce(sum(s.units) filter (where s.period_start >= $begin), 0)::decimal(18, 4) as demand_units,
    coalesce(sum(s.order_lines) filter (where s.period_start >= $begin), 0)::bigint as order_lines
from series_period as s
left join item as i on s.sku_id = i.sku_id
group by s.series
order by s.series
"""
_FACTS = (
    "sku_id", "location_id", "launch", "first_sale", "last_sale", "revenue", "margin", "demand_units", "order_lines",
)  # fmt: skip
_MEASURES = (
    "periods_observed", "demand_periods", "mean_units_period", "cv", "cv_deseasonalised", "adi", "cv2_nonzero",
    "trend_strength", "seasonal_strength", "demand_class", "recent_ratio", "shift_z", "is_true_shift",
    "lifecycle_state",
)  # fmt: skip
_RUNG = (
    "fallback_level", "fallback_reason", "fallback_source", "fallback_valid_until_cycle", "expected_units_period",
    "expected_cv", "expected_value",
)  # fmt: skip
_WINDOW = ("rule.buckets", "rule.value.window_cycles", "run.cutoff", "calendar.zone", "demand_history.order_lines")
_CENSORED = ("series_period.is_censored",)
_SILENT = ("series_key.last_sale", "series_key.location_id")
_AT = ("series_period.period_start", *_WINDOW)
STEPS: tuple[Step, ...] = (
    Query("series_period", _SERIES.format(location="location_id", censored="bool_or(is_censored)")),
    Query("series_key", _KEYS),
    Derivation(
        "panel",
        {
            "units": aggregated("series_period.units", when=_AT),
            "censored": aggregated(*_CENSORED, when=_AT),
            "unreported": aggregated(*_SILENT, when=(*_AT, *_CENSORED, "rule.fallback")),
            "hidden": aggregated(*_CENSORED, *_SILENT, when=(*_AT, "rule.fallback")),
            "launch_index": computed("series_key.launch", when=_WINDOW),
            "is_ended": computed("series_key.status", "series_key.end_date", when=("run.cutoff", "calendar.zone")),
        },
        rows=("series_period.series", "rule.class_level"),
    ),
    Derivation(
        "demand_profile",
        {
            **copies("series_key", *_FACTS),
            **copies("demand_shape", *_MEASURES),
            **copies("rung", *_RUNG),
            "periods_censored": aggregated("panel.censored", "panel.launch_index"),
            "periods_unreported": aggregated("panel.unreported", "panel.launch_index"),
            "confidence": computed("demand_shape.confidence", "rung.confidence", when=("rung.fallback_level",)),
            "bucket": copied("rule.buckets"),
        },
        rows=("series_key.series",),
    ),
)


@dataclass(frozen=True, slots=True)
class Panel:
    """One partition's closed history as matrices: `units[i, t]`, `censored[i, t]` of series i in period t.

    `unreported[i, t]`: the place of the series has sent nothing since before t. `keys` has a row per series, sorted:
    sku_id, location_id, launch, first and last sale, revenue, margin, units and lines of the periods looked at, and
    what the item master says. `launch_index[i]` is the launch's period; negative before the first one.
    """

    keys: pd.DataFrame
    units: np.ndarray
    censored: np.ndarray
    unreported: np.ndarray
    launch_index: np.ndarray
    periods: Periods

    @property
    def hidden(self) -> np.ndarray:
        """Periods in which demand is unknown, not zero."""
        return np.asarray(self.censored | self.unreported)


def panel(
    view: View, history: Path | pa.Table, *, level: str, bucket: Bucket, length: int, value_length: int | None = None
) -> Panel:
    """The last `length` closed periods of every series of a partition.

    Args:
        view: partition, cut-off and item master.
        history: rows of `demand_history` of this partition.
        level: `region` (one series per item) or `location`.
        bucket: period length.
        length: periods looked back.
        value_length: periods that revenue, margin, units and lines are summed over; None is `length`.
    """
    at_region = level == "region"
    zone = view.calendar.zone(view.partition.region)
    # A region's period is censored where every location that sells the item was out of stock.
    sql = _SERIES.format(
        location=f"'{REGION_LEVEL}'" if at_region else "location_id",
        censored="bool_and(is_censored)" if at_region else "bool_or(is_censored)",
    )
    stop = first_open_period(view.cutoff, zone, bucket)
    with engine({"demand_history": history, "heir": heirs(view, history)}) as connection:
        first = connection.execute(
            "select min(period_start) from demand_history where bucket = $1 and order_lines > 0", [bucket]
        ).fetchone()
        begin = max(next_period(stop, bucket, -length), first[0] if first and first[0] else stop)
        rows = connection.execute(sql, {"bucket": bucket, "begin": begin}).to_arrow_table()
    periods = closed_periods(begin, view.cutoff, zone, bucket)
    series = rows["series"].to_numpy()
    count = int(series.max()) + 1 if len(series) else 0
    starts = rows["period_start"].to_numpy(zero_copy_only=False).astype("datetime64[D]")
    period_at = np.searchsorted(np.array(periods.starts, dtype="datetime64[D]"), starts)
    inside = starts >= np.datetime64(begin)
    units = np.zeros((count, len(periods)))
    censored = np.zeros((count, len(periods)), dtype=bool)
    amounts = rows["units"].cast(pa.float64()).to_numpy(zero_copy_only=False)
    units[series[inside], period_at[inside]] = amounts[inside]
    censored[series[inside], period_at[inside]] = rows["is_censored"].to_numpy(zero_copy_only=False)[inside]
    value_begin = begin if value_length is None else max(begin, next_period(stop, bucket, -value_length))
    keys = _keys(view, rows, begin=value_begin)
    launch_index = _periods_between(begin, keys["launch"], bucket)
    silent = unreported(
        keys["location_id"].to_numpy(dtype=object),
        _periods_between(begin, keys["last_sale"], bucket),
        len(periods),
        stale_periods=in_bucket(view.scheme.fallback.stale_periods, view.scheme, bucket),
    )
    return Panel(keys, units, censored, silent & ~censored, launch_index, periods)


def _periods_between(begin: date, days: pd.Series, bucket: Bucket) -> np.ndarray:
    """Whole periods from the period of `begin` to that of each day; negative where it lies before it or is null."""
    begin = period_start(begin, bucket)
    stamps = pd.to_datetime(days).fillna(pd.Timestamp(begin) - pd.Timedelta(days=31))
    if bucket == "month":
        return ((stamps.dt.year - begin.year) * 12 + stamps.dt.month - begin.month).to_numpy(np.int64)
    between = (stamps - pd.Timestamp(begin)).dt.days.to_numpy(np.int64)
    return between // 7 if bucket == "week" else between


def _keys(view: View, rows: pa.Table, *, begin: date) -> pd.DataFrame:
    with engine({"series_period": rows, **view.tables()}, **view.variables()) as connection:
        keys = connection.execute(_KEYS, {"begin": begin}).to_arrow_table()
    frame: pd.DataFrame = keys.to_pandas(date_as_object=True)
    return frame


def demand_profile(view: View, history: Path | pa.Table, previous: pa.Table | None) -> pa.Table:
    """`demand_profile` of a partition: the class level in classification buckets, other locations in planning buckets.

    Where classes are those of locations, a location's row is what they are drawn from: shape over the planning history
    in classification buckets, value over the scheme's value window.

    Args:
        view: partition, cut-off, scheme and item master.
        history: rows of `demand_history` of this partition.
        previous: effective classes of the cycle before, to hold where nothing else is known; None in the first.
    """
    scheme, partition = view.scheme, view.partition
    buckets, window = scheme.buckets, scheme.value.window_cycles
    levels: list[tuple[str, Bucket, int, int | None]] = [("region", buckets.classification, window, None)]
    if scheme.class_level == "location":
        years = buckets.planning_periods / PERIODS_PER_YEAR[buckets.planning]
        length = max(window, round(years * PERIODS_PER_YEAR[buckets.classification]))
        levels.append(("location", buckets.classification, length, window))
    else:
        levels.append(("location", buckets.planning, buckets.planning_periods, None))
    frames = []
    for level, bucket, length, value_length in levels:
        data = panel(view, history, level=level, bucket=bucket, length=length, value_length=value_length)
        if not len(data.keys):
            continue
        cutoff_day = view.cutoff.astimezone(view.calendar.zone(partition.region)).date()
        shape = profile(
            data.units,
            data.hidden,
            data.launch_index,
            scheme=scheme,
            periods=data.periods,
            is_ended=ended(data.keys["status"].tolist(), data.keys["end_date"].tolist(), on=cutoff_day),
        )
        facts = data.keys.drop(
            columns=["series", "end_date", "status", "family", "price", "currency", "predecessor_sku_id"]
        )
        # First and last sale are facts of the whole history, not of the window.
        measures = shape.drop(columns=["first_sale", "last_sale"])
        launched = np.arange(len(data.periods))[None, :] >= data.launch_index[:, None]
        measures["periods_censored"] = (launched & data.censored).sum(axis=1)
        measures["periods_unreported"] = (launched & data.unreported).sum(axis=1)
        lent = on_ladder(
            view,
            data,
            measures,
            previous if level == scheme.class_level else None,
            value_periods=min(value_length or length, len(data.periods)),
        )
        measures["confidence"] = measures["confidence"].where(lent["fallback_level"] == OWN, lent["confidence"])
        parts = [facts, measures, lent.drop(columns="confidence")]
        frames.append(pd.concat(parts, axis=1).assign(bucket=bucket))
    if not frames:
        return DEMAND_PROFILE.empty()
    rows = pd.concat(frames, ignore_index=True)
    return DEMAND_PROFILE.conform(
        rows.assign(
            region=partition.region,
            cycle=partition.cycle,
            valid_for_cycle=partition.cycle,
            scheme_version=scheme.version,
        )
    )
