"""From tables of one stage to the arguments of a pure method, and back into a declared table.

Belongs here: reading a partition's files and handing rows to `strata.{classify,forecast,review}`. Does not: rules.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from strata.calendar import first_open_period
from strata.classify.assign import assign
from strata.conformed.engine import engine
from strata.conformed.history import View
from strata.conformed.overrides import resolved
from strata.conformed.profile import Window, panel
from strata.derivation import Query, Step
from strata.forecast.forecast import forecast
from strata.review.migration import migration
from strata.tables import DEMAND_FORECAST, SEGMENT_ASSIGNMENT, SEGMENT_MIGRATION

_CLASS_LEVEL = """
select * from demand_profile where (location_id = '*') = (getvariable('level') = 'region') order by sku_id, location_id
"""
_SHIFTED = """
select a.sku_id, a.location_id, a.segment, a.revenue, p.is_true_shift
from segment_assignment as a
inner join demand_profile as p on a.sku_id = p.sku_id and a.location_id = p.location_id
order by a.sku_id, a.location_id
"""
_TRAITS = """
select
    sku_id, location_id, demand_class, lifecycle_state, seasonal_strength, fallback_level, expected_units_period,
    expected_cv
from demand_profile
"""
STEPS: tuple[Step, ...] = (
    Query("class_level", _CLASS_LEVEL),
    Query("shifted", _SHIFTED),
    Query("series_trait", _TRAITS),
)


def _frame(sql: str, tables: dict[str, Path | pa.Table], **parameters: str) -> pd.DataFrame:
    with engine(tables, **parameters) as connection:
        frame: pd.DataFrame = connection.execute(sql).to_arrow_table().to_pandas(date_as_object=True)
    return frame


def segment_assignment(view: View, profile: Path, previous: pa.Table | None, overrides: pd.DataFrame) -> pa.Table:
    """`segment_assignment` of a partition at the scheme's class level, held against the effective classes before.

    `overrides`: those of people, the earliest known first; they go before the rules of the scheme.
    """
    rows = _frame(_CLASS_LEVEL, {"demand_profile": profile}, level=view.scheme.class_level)
    if rows.empty:
        return SEGMENT_ASSIGNMENT.empty()
    before = None if previous is None else previous.to_pandas(date_as_object=True)
    bounds = resolved(view, rows, overrides).bounds
    decided = assign(rows, before, bounds, scheme=view.scheme, partition=view.partition, cutoff=view.known_at)
    return SEGMENT_ASSIGNMENT.conform(decided)


def segment_migration(view: View, assignment: Path, profile: Path, previous: pa.Table | None) -> pa.Table:
    """`segment_migration` of a partition: from the effective segments before to those decided now."""
    now = _frame(_SHIFTED, {"segment_assignment": assignment, "demand_profile": profile})
    before = None if previous is None else previous.to_pandas(date_as_object=True)
    rows = migration(now, before, partition=view.partition, scheme_version=view.scheme.version)
    return SEGMENT_MIGRATION.conform(rows)


def demand_forecast(view: View, history: Path, profile: Path) -> pa.Table:
    """`demand_forecast` of a partition: every item-location that sold or replaces one that did, in planning buckets."""
    buckets = view.scheme.buckets
    data = panel(view, history, Window("location", buckets.planning, buckets.planning_periods))
    if not len(data.keys):
        return DEMAND_FORECAST.empty()
    traits = _frame(_TRAITS, {"demand_profile": profile})
    keys = data.keys[["sku_id", "location_id"]].merge(
        traits, on=["sku_id", "location_id"], how="left", validate="one_to_one"
    )
    rows = forecast(
        data.units,
        data.hidden,
        np.maximum(data.launch_index, 0),
        keys,
        scheme=view.scheme,
        partition=view.partition,
        first_period=first_open_period(view.cutoff, view.calendar.zone(view.partition.region), buckets.planning),
        bucket=buckets.planning,
    )
    return DEMAND_FORECAST.conform(rows)


def active_items(history: Path | pa.Table) -> pa.Array:
    """Items with demand in a closed period of a partition's history: each needs a profile and a class."""
    with engine({"demand_history": history}) as connection:
        rows = connection.execute(
            "select distinct sku_id from demand_history where order_lines > 0 and not is_partial order by sku_id"
        ).to_arrow_table()
    return rows["sku_id"].combine_chunks()
