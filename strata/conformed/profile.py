"""From periods to a row per series: history of a partition into matrices, the pure profile, the declared table.

Belongs here: reading one partition's history into series x periods. Does not: statistics (`strata.demand`), what the
ladder needs to know beside them (`strata.conformed.ladder`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from strata.calendar import (
    Bucket,
    Periods,
    closed_periods,
    first_open_period,
    next_period,
    period_start,
)
from strata.conformed.engine import engine
from strata.conformed.grid import Grid, Level, read_grids
from strata.conformed.history import View
from strata.conformed.ladder import heirs, last_classes
from strata.demand.lines import SCALE
from strata.demand.panel import REGION_LEVEL, Panel, profile_columns, shape_periods, unreported
from strata.demand.profile import in_bucket
from strata.derivation import Derivation, Query, Step, aggregated, computed, copied, copies
from strata.tables import DEMAND_PROFILE

# Series with a sale, and items that are to replace another: those have no history of their own, and are planned too.
_SERIES = """
with sold as (
    select * from series_total
    where first_sale is not null
),

heir_series as (
    select distinct sku_id, {location} as location_id from heir
),

series as (
    select * from sold
    union all by name
    select h.sku_id, h.location_id, 0::decimal(18, 4) as margin
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
    s.grid_row,
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
    s.margin,
    coalesce(s.demand_units, 0)::decimal(18, 4) as demand_units,
    coalesce(s.order_lines, 0)::bigint as order_lines
from series as s
left join item as i on s.sku_id = i.sku_id
order by series
"""
_FACTS = (
    "sku_id", "location_id", "launch", "first_sale", "last_sale", "revenue", "margin", "demand_units", "order_lines",
)  # fmt: skip
_MEASURES = (
    "periods_observed", "demand_periods", "mean_units_period", "cv", "cv_deseasonalised", "forecast_error", "adi",
    "cv2_nonzero", "trend_strength", "seasonal_strength", "demand_class", "lifecycle_state",
)  # fmt: skip
_SHIFT = ("recent_ratio", "shift_z", "is_true_shift")
_LEVEL = ("cv_level", "level_units_period", "level_periods", "level_cv_periods")
_RUNG = (
    "fallback_level", "fallback_reason", "fallback_source", "fallback_valid_until_cycle", "expected_units_period",
    "expected_cv", "expected_value",
)  # fmt: skip
_PLACE = {"region": f"'{REGION_LEVEL}'", "location": "location_id"}
_WINDOW = ("rule.buckets", "rule.value.window_cycles", "run.cutoff", "calendar.zone", "demand_history.order_lines")
_CENSORED = ("demand_history.is_censored",)
_SILENT = ("series_key.last_sale", "series_key.location_id")
_AT = ("demand_history.period_start", "demand_history.sku_id", "demand_history.location_id", *_WINDOW)
_SOLD = ("demand_history.period_start", "demand_history.order_lines")
_SUMMED = ("demand_history.period_start", "demand_history.is_partial", "rule.buckets", "rule.value.window_cycles")
STEPS: tuple[Step, ...] = (
    Derivation(
        "series_total",
        {
            **copies("demand_history", "sku_id", "location_id"),
            "grid_row": computed("demand_history.sku_id", "demand_history.location_id"),
            **dict.fromkeys(("first_sale", "last_sale"), aggregated(*_SOLD, when=("rule.buckets",))),
            **{
                name: aggregated(f"demand_history.{name}", when=_SUMMED)
                for name in ("revenue", "margin", "demand_units", "order_lines")
            },
        },
        rows=("demand_history.sku_id", "rule.buckets"),
    ),
    Query("series_key", _SERIES.format(location=_PLACE["location"])),
    Derivation(
        "panel",
        {
            "units": aggregated("demand_history.demand_units", when=_AT),
            "censored": aggregated(*_CENSORED, when=_AT),
            "unreported": aggregated(*_SILENT, when=(*_AT, *_CENSORED, "rule.fallback")),
            "hidden": aggregated(*_CENSORED, *_SILENT, when=(*_AT, "rule.fallback")),
            "launch_index": computed("series_key.launch", when=_WINDOW),
            "is_ended": computed("series_key.status", "series_key.end_date", when=("run.cutoff", "calendar.zone")),
        },
        rows=("series_key.series", "rule.class_level"),
    ),
    Derivation(
        "demand_profile",
        {
            **copies("series_key", *_FACTS),
            **copies("demand_shape", *_MEASURES),
            # Where levels are looked for, the shift is theirs.
            **{name: computed(f"demand_shape.{name}", f"demand_level.{name}", when=("rule.level",)) for name in _SHIFT},
            **copies("rung", *_RUNG),
            "periods_censored": aggregated("panel.censored", "panel.launch_index"),
            "periods_unreported": aggregated("panel.unreported", "panel.launch_index"),
            **copies("demand_level", *_LEVEL),
            "level_value": aggregated(
                "series_key.revenue",
                "series_key.margin",
                "series_key.demand_units",
                "demand_level.level_units_period",
                when=("rule.value",),
            ),
            "confidence": computed("demand_shape.confidence", "rung.confidence", when=("rung.fallback_level",)),
            "bucket": copied("rule.buckets"),
        },
        rows=("series_key.series",),
    ),
)


@dataclass(frozen=True, slots=True)
class Window:
    """What a panel shows: the last `length` closed periods of a bucket, at a level.

    Revenue, margin, units and lines are summed over the last `value_length` of them; None is all.
    """

    level: Level
    bucket: Bucket
    length: int
    value_length: int | None = None


def panel(view: View, history: Path | pa.Table, window: Window) -> Panel:
    """The closed periods of every series of a partition that a window shows.

    Args:
        view: partition, cut-off and item master.
        history: rows of `demand_history` of this partition, in the order of its key.
        window: level (`region`: one series per item), bucket and length.
    """
    return panels(view, history, [window])[0]


def panels(view: View, history: Path | pa.Table, windows: Sequence[Window]) -> list[Panel]:
    """One panel per window; windows of one bucket and value length share one pass over the history."""
    shared: dict[tuple[Bucket, int], list[Window]] = {}
    for window in windows:
        shared.setdefault((window.bucket, window.value_length or window.length), []).append(window)
    found: dict[Window, Panel] = {}
    for (bucket, value_length), some in shared.items():
        stop = first_open_period(view.cutoff, view.calendar.zone(view.partition.region), bucket)
        first = _first_period(history, bucket) or stop
        begin = {window: max(next_period(stop, bucket, -window.length), first) for window in some}
        starts = _periods(view, min(begin.values()), bucket).starts
        value_since = max(next_period(stop, bucket, -value_length), first)
        levels = [window.level for window in some]
        grids = read_grids(history, bucket=bucket, starts=starts, value_since=value_since, levels=levels)
        for window in some:
            periods = _periods(view, begin[window], bucket)
            found[window] = _as_panel(view, history, window.level, grids.pop(window.level), periods, begin[window])
    return [found[window] for window in windows]


def _first_period(history: Path | pa.Table, bucket: Bucket) -> date | None:
    with engine({"demand_history": history}) as connection:
        first = connection.execute(
            "select min(period_start) from demand_history where bucket = $1 and order_lines > 0", [bucket]
        ).fetchone()
    return first[0] if first else None


def _periods(view: View, begin: date, bucket: Bucket) -> Periods:
    return closed_periods(begin, view.cutoff, view.calendar.zone(view.partition.region), bucket)


def _as_panel(view: View, history: Path | pa.Table, level: Level, grid: Grid, periods: Periods, begin: date) -> Panel:
    """The series to plan, with what the item master says of them, and their last periods."""
    totals = grid.totals.append_column("grid_row", pa.array(np.arange(grid.totals.num_rows)))
    items = view.snapshot.table("int_item_version")
    tables = {"int_item_version": items, "series_total": totals, "heir": heirs(view, history)}
    with engine(tables, **view.variables()) as connection:
        series = connection.execute(_SERIES.format(location=_PLACE[level])).to_arrow_table()
    row = series["grid_row"].fill_null(-1).to_numpy()
    skipped = grid.units.shape[1] - len(periods)
    units, censored = grid.units[:, skipped:], grid.is_censored[:, skipped:]
    if not np.array_equal(row, np.arange(len(units))):
        heir = row < 0
        units, censored = units[row], censored[row]
        units[heir], censored[heir] = 0, False
    keys: pd.DataFrame = series.drop_columns(["grid_row"]).to_pandas(types_mapper=_exact)
    silent = unreported(
        keys["location_id"].to_numpy(dtype=object),
        _periods_between(begin, series["last_sale"], periods.bucket),
        len(periods),
        stale_periods=in_bucket(view.scheme.fallback.stale_periods, view.scheme, periods.bucket),
    )
    launch_index = _periods_between(begin, series["launch"], periods.bucket)
    return Panel(keys, units / SCALE, censored, silent & ~censored, launch_index, periods)


def _exact(kind: pa.DataType) -> pd.ArrowDtype | None:
    """Decimals and dates stay what they are, column-wise."""
    return pd.ArrowDtype(kind) if pa.types.is_decimal(kind) or pa.types.is_date(kind) else None


def _periods_between(begin: date, days: pa.ChunkedArray, bucket: Bucket) -> np.ndarray:
    """Whole periods from the period of `begin` to that of each day; negative where it lies before it or is null."""
    begin = period_start(begin, bucket)
    known = days.fill_null(begin - timedelta(days=31)).to_numpy().astype("datetime64[D]")
    if bucket == "month":
        months: np.ndarray = (known.astype("datetime64[M]") - np.datetime64(begin, "M")).astype(np.int64)
        return months
    between: np.ndarray = (known - np.datetime64(begin, "D")).astype(np.int64)
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
    asked = [Window("region", buckets.classification, window, window)]
    if scheme.class_level == "location":
        asked.append(Window("location", buckets.classification, shape_periods(scheme), window))
    else:
        asked.append(Window("location", buckets.planning, buckets.planning_periods, buckets.planning_periods))
    rules = [scheme.level if at.bucket == buckets.classification else None for at in asked]
    looked_at = [
        replace(at, length=max(at.length, rule.window_periods)) if rule else at
        for at, rule in zip(asked, rules, strict=True)
    ]
    tables = []
    for at, rule, whole in zip(asked, rules, panels(view, history, looked_at), strict=True):
        if not len(whole.keys):
            continue
        cutoff_day = view.cutoff.astimezone(view.calendar.zone(partition.region)).date()
        columns = profile_columns(
            whole,
            scheme=scheme,
            cycle=partition.cycle,
            on=cutoff_day,
            length=at.length,
            value_length=at.value_length or at.length,
            level=rule,
            last=last_classes(whole.keys, previous if at.level == scheme.class_level else None),
        )
        tables.append(DEMAND_PROFILE.conform(pd.DataFrame({**columns, **view.stamp, "bucket": at.bucket}, copy=False)))
    return DEMAND_PROFILE.conform(pa.concat_tables(tables)) if tables else DEMAND_PROFILE.empty()
