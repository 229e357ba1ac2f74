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
from strata.conformed.history import BATCH_ROWS, View
from strata.conformed.ladder import heirs, on_ladder, unreported
from strata.demand.fallback import OWN
from strata.demand.lifecycle import ended
from strata.demand.profile import in_bucket, profile
from strata.derivation import Derivation, Query, Step, aggregated, computed, copied, copies
from strata.tables import DEMAND_PROFILE

REGION_LEVEL = "*"

_SERIES = """
with sold as (
    select
        sku_id,
        {location} as location_id,
        min(period_start) filter (where order_lines > 0) as first_sale,
        max(period_start) filter (where order_lines > 0) as last_sale,
        sum(revenue) filter (where period_start >= $begin) as revenue,
        sum(margin) filter (where period_start >= $begin) as margin,
        count(*) filter (where period_start >= $begin and margin is null) as unknown_margins,
        sum(demand_units) filter (where period_start >= $begin) as demand_units,
        sum(order_lines) filter (where period_start >= $begin) as order_lines
    from demand_history
    where bucket = $bucket and not is_partial
    group by all
    having first_sale is not null
),

-- An item that is to replace another has no history of its own, and is planned all the same.
heir_series as (
    select distinct sku_id, {location} as location_id from heir
),

series as (
    select * from sold
    union all by name
    select h.sku_id, h.location_id, 0 as unknown_margins
    from heir_series as h
    anti join sold as s on h.sku_id = s.sku_id and h.location_id = s.location_id
),

first as (
    select sku_id, cast(min(known_from) as date) as first_known from int_item_version group by sku_id
),

item as (
    select i.*, f.first_known
    from int_item_version as i
    inner join first as f on i.sku_id = f.sku_id
    where known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
)

select
    cast(row_number() over (order by s.sku_id, s.location_id) - 1 as integer) as series,
    s.sku_id,
    s.location_id,
    coalesce(i.launch_date, s.first_sale, i.first_known) as launch,
    s.first_sale,
    s.last_sale,
    i.end_date,
    i.status,
    coalesce(i.family, i.category) as family,
    coalesce(i.list_price, i.standard_cost)::double as price,
    i.currency,
    i.predecessor_sku_id,
    coalesce(s.revenue, 0)::decimal(18, 4) as revenue,
    case when s.unknown_margins = 0 then coalesce(s.margin, 0) end::decimal(18, 4) as margin,
    coalesce(s.demand_units, 0)::decimal(18, 4) as demand_units,
    coalesce(s.order_lines, 0)::bigint as order_lines
from series as s
left join item as i on s.sku_id = i.sku_id
order by series
"""
_PERIODS = """
select
    k.series,
    h.period_start,
    {units} as units,
    {censored} as is_censored
from demand_history as h
inner join series_key as k on h.sku_id = k.sku_id and {same_place}
where h.bucket = $bucket and not h.is_partial and h.period_start >= $begin
{grouped}
"""
_AT_LOCATION = {
    "location": "location_id",
    "same_place": "h.location_id = k.location_id",
    "units": "h.demand_units",
    "censored": "h.is_censored",
    "grouped": "",
}
# A region's period is censored where every location that sells the item was out of stock.
_AT_REGION = {
    "location": f"'{REGION_LEVEL}'",
    "same_place": "true",
    "units": "sum(h.demand_units)",
    "censored": "bool_and(h.is_censored)",
    "grouped": "group by all",
}
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
    Query("series_key", _SERIES.format(**_AT_LOCATION)),
    Query("series_period", _PERIODS.format(**_AT_LOCATION)),
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
    zone = view.calendar.zone(view.partition.region)
    words = _AT_REGION if level == "region" else _AT_LOCATION
    stop = first_open_period(view.cutoff, zone, bucket)
    items = view.snapshot.table("int_item_version")
    tables = {"int_item_version": items, "demand_history": history, "heir": heirs(view, history)}
    with engine(tables, **view.variables()) as connection:
        first = connection.execute(
            "select min(period_start) from demand_history where bucket = $1 and order_lines > 0", [bucket]
        ).fetchone()
        begin = max(next_period(stop, bucket, -length), first[0] if first and first[0] else stop)
        value_begin = begin if value_length is None else max(begin, next_period(stop, bucket, -value_length))
        series = connection.execute(_SERIES.format(**words), {"bucket": bucket, "begin": value_begin}).to_arrow_table()
        connection.register("series_key", series)
        periods = closed_periods(begin, view.cutoff, zone, bucket)
        units = np.zeros((series.num_rows, len(periods)))
        censored = np.zeros((series.num_rows, len(periods)), dtype=bool)
        sql = _PERIODS.format(**words)
        starts = np.array(periods.starts, dtype="datetime64[D]")
        for rows in connection.execute(sql, {"bucket": bucket, "begin": begin}).to_arrow_reader(BATCH_ROWS):
            days = rows["period_start"].to_numpy(zero_copy_only=False).astype("datetime64[D]")
            cell = rows["series"].to_numpy(), np.searchsorted(starts, days)
            units[cell] = rows["units"].cast(pa.float64()).to_numpy(zero_copy_only=False)
            censored[cell] = rows["is_censored"].to_numpy(zero_copy_only=False)
    keys: pd.DataFrame = series.to_pandas(date_as_object=True)
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
