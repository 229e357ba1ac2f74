"""What a snapshot keeps of the way of each row from event to class, reduced to rows of equal instants.

Belongs here: which rows the classes of a cycle see first, and when they happened, were known and extracted. Does not:
quantiles and verdicts (`strata.review.latency`). No wall clock: a replay finds the same rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

import pandas as pd
import pyarrow as pa

from strata.calendar import first_open_period
from strata.conformed.build import SNAPSHOT_KEYS
from strata.conformed.engine import engine
from strata.conformed.history import View, locations
from strata.derivation import Derivation, Step, aggregated
from strata.partition import shifted
from strata.review.latency import feed_latency as measured
from strata.tables import FEED_LATENCY


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a feed's rows are kept: conformed table, column of its event time, and how a row names its region."""

    table: str
    event: str | None = None
    place: str | None = None


# Event times that are days.
_DAYS = frozenset({"period_start", "snapshot_date", "starts_on", "valid_from"})
_BY_PLACE, _BY_REGION = "location_id", "region"
FEED_TABLES: Mapping[tuple[str, str], Kept] = {
    ("crm", "accounts"): Kept("int_account_version", place=_BY_REGION),
    ("crm", "contracts"): Kept("int_contract_version"),
    ("crm", "incentives"): Kept("int_incentive_version", place=_BY_REGION),
    ("crm", "item_hierarchy"): Kept("int_hierarchy_version", "valid_from"),
    ("crm", "promotions"): Kept("fct_promotion", "starts_on", _BY_PLACE),
    ("crm", "sla_terms"): Kept("int_sla_term_version"),
    ("erp", "bill_of_materials"): Kept("int_bom_position_version", place=_BY_PLACE),
    ("erp", "customers"): Kept("int_customer_version", place=_BY_REGION),
    ("erp", "exchange_rates"): Kept("fct_exchange_rate", "valid_from"),
    ("erp", "goods_receipts"): Kept("fct_goods_receipt", "received_at", _BY_PLACE),
    ("erp", "inventory_budget"): Kept("fct_inventory_budget", "period_start", _BY_REGION),
    ("erp", "item_sites"): Kept("int_item_site_version", place=_BY_PLACE),
    ("erp", "item_units"): Kept("int_item_unit_version"),
    ("erp", "items"): Kept("int_item_version"),
    ("erp", "planning_parameters"): Kept("int_planning_parameter_version", place=_BY_PLACE),
    ("erp", "price_conditions"): Kept("fct_price_condition", "valid_from"),
    ("erp", "purchase_order_lines"): Kept("fct_purchase_order_line", "ordered_at", _BY_PLACE),
    ("erp", "sales_order_lines"): Kept("fct_sales_line", "ordered_at", _BY_PLACE),
    ("erp", "supplier_items"): Kept("int_supplier_item_version"),
    ("erp", "suppliers"): Kept("int_supplier_version"),
    ("planning", "consensus_decisions"): Kept("fct_consensus_decision", "decided_at", _BY_REGION),
    ("planning", "forecast_overrides"): Kept("fct_forecast_override", "entered_at", _BY_REGION),
    ("planning", "resource_plan"): Kept("fct_resource_plan", "period_start", _BY_PLACE),
    ("tms", "lanes"): Kept("int_lane_version"),
    ("tms", "rates"): Kept("fct_freight_rate", "valid_from"),
    ("tms", "shipments"): Kept("fct_shipment", "planned_arrival_at", _BY_PLACE),
    ("wms", "item_handling"): Kept("int_item_handling_version"),
    ("wms", "pick_tasks"): Kept("fct_pick_task", "created_at", _BY_PLACE),
    ("wms", "sites"): Kept("int_location_version", place=_BY_REGION),
    ("wms", "slots"): Kept("int_slot_version", place=_BY_PLACE),
    ("wms", "stock_movements"): Kept("fct_stock_movement", "moved_at", _BY_PLACE),
    ("wms", "stock_snapshots"): Kept("fct_stock_snapshot", "snapshot_date", _BY_PLACE),
}
# Rows that the classes of a cycle see first. Bounds are instants: a zone per row would cost more than all the rest.
_FRESH = """
with fresh as (
    select
        {key}, t.known_from, t.known_basis, t.source_batch_id,
        {event} as event, {day} as local_event, {is_overdue} as is_overdue
    from {table} as t
    where t.known_from <= getvariable('known_at') and ({fresh}) and ({region})
    qualify not {is_dated} or row_number() over (partition by {key} order by t.known_from) = 1
)

select
    source_batch_id as batch_id,
    known_basis = 'assumed' as is_assumed,
    60.0 * (epoch(event)::bigint // 60) as event,
    60.0 * (epoch(known_from)::bigint // 60) as known,
    epoch(timezone(getvariable('zone'), (date_trunc('{bucket}', local_event) + {length})::timestamp))::double as close,
    is_overdue,
    count(*) as count
from fresh as f
{first}
group by all
"""
# A row that was known before is corrected now: it did not arrive late.
_FIRST = """
where not is_overdue
    or not exists (
        select 1 from {table} as o where {same} and o.known_from <= getvariable('since')
    )
"""
_DATED = "{column} < {now} and ({column} >= {before} or t.known_from > getvariable('since'))"
_REGION = {
    None: "true",
    _BY_REGION: "t.region = getvariable('region') or t.region is null",
    _BY_PLACE: "t.location_id in (select unnest(getvariable('places')))",
}
_LENGTH = {"day": "interval 1 day", "week": "interval 7 days", "month": "interval 1 month"}
_INPUTS = tuple(
    f"{kept.table}.{column}"
    for kept in FEED_TABLES.values()
    for column in ("known_from", "known_basis", "source_batch_id", *([kept.event] if kept.event else []))
)
_CONTRACT = ("normal_lag_hours", "refresh_sla_hours")
_COUNTED = tuple(
    name for name in FEED_LATENCY.names if name.endswith(("_rows", "_hours", "_share", "verdict", "reason"))
)
STEPS: tuple[Step, ...] = (
    Derivation(
        "feed_latency",
        {
            **{name: aggregated(f"run.{name}") for name in ("system", "feed", "extracts", *_CONTRACT)},
            **{
                name: aggregated("run.extracts") for name in FEED_LATENCY.names if name.startswith(("age", "refresh_p"))
            },
            "over_sla_share": aggregated("run.extracts", "run.refresh_sla_hours"),
            "needed_hours": aggregated("run.cutoff", "calendar.zone", "rule.buckets"),
            **{
                name: aggregated(*_INPUTS, when=("run.cutoff", "calendar.zone", "rule.buckets"))
                for name in _COUNTED
                if not name.startswith(("age", "refresh", "over", "needed", "normal"))
            },
        },
        rows=("run.feed",),
    ),
)


def feed_latency(view: View, terms: pd.DataFrame) -> pa.Table:
    """`feed_latency` of a partition: one row for every feed that has a contract and a conformed table.

    The classes of a cycle see first what happened in the periods that closed since the cut-off before, and what
    happened earlier and was not known then. Of these only the first version of a row counts: a correction is no late
    arrival. Of feeds without an event time every version counts that was known since.

    Args:
        view: snapshot, partition and cut-off.
        terms: system, feed, normal_lag_hours, refresh_sla_hours and time_zone of the contracts.
    """
    partition, bucket = view.partition, view.scheme.buckets.classification
    zone = view.calendar.zone(partition.region)
    since = view.calendar.cutoff(shifted(partition.cycle, -1), partition.region)
    opened = first_open_period(since, zone, bucket), first_open_period(view.cutoff, zone, bucket)
    closed = [datetime.combine(day, time(), zone).astimezone(UTC) for day in opened]
    known = [pair in FEED_TABLES for pair in zip(terms["system"], terms["feed"], strict=True)]
    kept = terms[known].sort_values(["system", "feed"], ignore_index=True)
    places = sorted(place for place, region in locations(view).items() if region == partition.region)
    bounds = {"open_before": opened[0], "open_now": opened[1], "closed_before": closed[0], "closed_now": closed[1]}
    feeds = kept[["system", "feed", "time_zone"]].values.tolist()
    if not feeds:
        return FEED_LATENCY.empty()
    with engine({}, **view.variables(), **bounds, since=since, places=places) as connection:
        rows: pd.DataFrame = connection.execute(_together(view, feeds)).df()
        # Whether a row was known before takes a look at the whole table: only where one comes late.
        overdue = set(rows.loc[rows["is_overdue"], ["system", "feed"]].itertuples(index=False, name=None))
        if again := [feed for feed in feeds if tuple(feed[:2]) in overdue]:
            others = rows[[pair not in overdue for pair in zip(rows["system"], rows["feed"], strict=True)]]
            found = connection.execute(_together(view, again, look_back=True)).df()
            rows = pd.concat([others, found], ignore_index=True)
    batches = pd.DataFrame(
        [
            (
                batch["system"],
                batch["feed"],
                batch["batch_id"],
                datetime.fromisoformat(batch["extracted_at"]).timestamp(),
            )
            for batch in view.snapshot.batches
            if (batch["system"], batch["feed"]) in FEED_TABLES
        ],
        columns=["system", "feed", "batch_id", "taken"],
    )
    rows["extracted"] = rows["batch_id"].map(batches.set_index("batch_id")["taken"]).astype("float64")
    latency = measured(
        rows,
        batches[batches["taken"] <= view.cutoff.timestamp()],
        kept,
        since=since.timestamp(),
        cutoff=view.cutoff.timestamp(),
        needed=(view.cutoff - closed[1]).total_seconds() / 3600,
    )
    return FEED_LATENCY.conform(latency.assign(**view.stamp))


def _together(view: View, feeds: list[list[Any]], *, look_back: bool = False) -> str:
    """One statement over several feeds: each its own would cost twice the time."""
    return " union all ".join(
        f"(select '{system}' as system, '{feed}' as feed, * from ({_fresh(view, system, feed, zone, look_back)}))"
        for system, feed, zone in feeds
    )


def _fresh(view: View, system: str, feed: str, time_zone: str | None, look_back: bool) -> str:
    """Rows of one feed that the classes see first, rows of equal instants together."""
    kept = FEED_TABLES[system, feed]
    bucket = view.scheme.buckets.classification
    path = str(view.snapshot.table(kept.table)).replace("'", "''")
    key = [name for name in SNAPSHOT_KEYS[kept.table] if name != "known_from"]
    parts = {
        "table": f"read_parquet('{path}')",
        "key": ", ".join(f"t.{name}" for name in key),
        "bucket": bucket,
        "length": _LENGTH[bucket],
        "region": _REGION[kept.place],
        "is_dated": str(kept.event is not None).lower(),
    }
    if kept.event is None:
        parts |= {"event": "null::timestamptz", "day": "null::timestamp", "is_overdue": "false"}
        parts["fresh"] = "t.known_from > getvariable('since')"
    else:
        column, is_day = f"t.{kept.event}", kept.event in _DAYS
        now, before = (f"getvariable('{'open' if is_day else 'closed'}_{when}')" for when in ("now", "before"))
        # A day begins at its midnight, as for a first load, but its period is that of the day wherever it is.
        parts["event"] = f"timezone('{time_zone or 'UTC'}', {column}::timestamp)" if is_day else column
        parts["day"] = f"{column}::timestamp" if is_day else f"timezone(getvariable('zone'), {column})"
        parts["is_overdue"] = f"{column} < {before}"
        parts["fresh"] = _DATED.format(column=column, now=now, before=before)
    same = " and ".join(f"o.{name} = f.{name}" for name in key)
    return _FRESH.format(**parts, first=_FIRST.format(table=parts["table"], same=same) if look_back else "")
