"""What customers and channels bought and cost, from a snapshot to their classes and the product x customer matrix.

Belongs here: as-known reads, windows, sums. Does not: the classes themselves (`strata.classify.customers`).
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from strata.calendar import closed_periods, next_period
from strata.classify.customers import AXES, MEMORY, Accounts, account_classes, service_cells
from strata.classify.keyed import floats
from strata.conformed.engine import QUERIES, engine, query
from strata.conformed.history import View, sales
from strata.derivation import Derivation, Query, Step, aggregated, computed, copied, copies
from strata.scheme.customers import Customers
from strata.tables import CHANNEL_SEGMENT, CUSTOMER_SEGMENT, NOT_SUSPENDED, SERVICE_MATRIX

SNAPSHOT = (
    "fct_exchange_rate", "fct_refused_row", "fct_sales_line", "fct_shipment", "int_account_version",
    "int_customer_version", "int_item_unit_version", "int_item_version", "int_location_version",
)  # fmt: skip
NOT_STATED = "?"  # stands for sales that name no customer or channel: counted, in no ranking
_KNOWN = "known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))"
# Sums over the value window; an account is dormant where there are none, and stays in the table while it has history.
_ACCOUNT = """
select
    {key} as name,
    coalesce(sum(revenue) filter (where is_in), 0)::decimal(18, 4) as revenue,
    case
        when coalesce(sum(unknown_costs) filter (where is_in), 0) = 0
            then coalesce(sum(margin) filter (where is_in), 0)::decimal(18, 4)
    end as margin,
    coalesce(sum(order_lines) filter (where is_in), 0)::bigint as order_lines,
    coalesce(sum(return_lines) filter (where is_in), 0)::bigint as return_lines,
    count(distinct sku_id) filter (where is_in and order_lines > 0) as items,
    count(distinct customer_id) filter (where is_in and order_lines > 0) as customers,
    min(period_start) filter (where order_lines > 0) as first_period,
    max(period_start) filter (where order_lines > 0) as last_period,
    arg_max(channel, revenue) as channel
from (select *, period_start >= getvariable('value_since') as is_in from customer_sale)
group by all
order by name
"""
_MONTHLY = """
select {key} as name, period_start, sum(revenue)::double as revenue
from customer_sale
where order_lines > 0
group by all
"""
# Freight of a customer is split over its channels by revenue; in one channel it is all there.
_COST = """
with share as (
    select
        customer_id,
        channel,
        sum(revenue) / nullif(sum(sum(revenue)) over (partition by customer_id), 0) as share
    from customer_sale
    where period_start >= getvariable('value_since')
    group by customer_id, channel
),

served as (
    select customer_id, channel, orders, 0 as freight, 0 as shipments, 0 as unpriced_shipments from customer_order
    union all by name
    select
        s.customer_id,
        s.channel,
        0 as orders,
        f.freight::double * coalesce(s.share::double, 1) as freight,
        f.shipments,
        f.unpriced_shipments
    from share as s
    inner join customer_freight as f on s.customer_id = f.customer_id
)

select
    {key} as name,
    sum(orders)::bigint as orders,
    sum(freight)::double as freight,
    sum(shipments)::bigint as shipments,
    sum(unpriced_shipments)::bigint as unpriced_shipments
from served
group by all
"""
_TERMS = f"""
with account as (
    select customer_id, arg_min(tier, struct_pack(inactive := status <> 'active', account_id)) as tier
    from int_account_version
    where {_KNOWN} and customer_id is not null
    group by customer_id
)

select c.customer_id as name, a.tier as sla_tier, c.priority
from int_customer_version as c
left join account as a on c.customer_id = a.customer_id
where c.known_from <= getvariable('known_at') and (c.known_to is null or c.known_to > getvariable('known_at'))
"""
_MATRIX = """
select
    a.segment as item_segment,
    c.value_class as customer_class,
    count(distinct s.sku_id) as items,
    count(distinct s.customer_id) as customers,
    sum(s.order_lines)::bigint as order_lines,
    sum(s.revenue)::decimal(18, 4) as revenue,
    case when sum(s.unknown_costs) = 0 then sum(s.margin)::decimal(18, 4) end as margin
from customer_sale as s
inner join segment_assignment as a on s.sku_id = a.sku_id and (a.location_id = '*' or a.location_id = s.location_id)
inner join customer_segment as c on s.customer_id = c.customer_id
where s.period_start >= getvariable('value_since') and s.order_lines > 0
group by all
order by all
"""

_CELL = ("service_cell.item_segment", "service_cell.customer_class")
_SALE = ("customer_sale.revenue", "customer_sale.margin", "customer_sale.unknown_costs", "customer_sale.period_start")
_WINDOW = ("rule.value.window_cycles", "rule.buckets", "run.cutoff", "calendar.zone")
_BY = ("rule.customers", "rule.hysteresis", "rule.level", *_WINDOW)


def _steps(name: str, key: str) -> Derivation:
    """Lineage of one account table: sums of what was bought, costs at rates, classes from both."""
    cost = (
        "customer_order.orders", "customer_sale.order_lines", "customer_sale.return_lines", "customer_freight.freight",
        "customer_freight.unpriced_shipments",
    )  # fmt: skip
    axes = tuple(f"{axis}_class" for axis in AXES)
    was = tuple(f"previous_account.{column}" for column in (key, *axes, *MEMORY))
    return Derivation(
        name,
        {
            key: copied(f"customer_sale.{key}"),
            **(
                {"channel": aggregated("customer_sale.channel", when=("customer_sale.revenue",))}
                if key != "channel"
                else {}
            ),
            **({"customers": aggregated("customer_sale.customer_id", when=_WINDOW)} if key == "channel" else {}),
            **(
                {
                    "sla_tier": computed("customer_terms.sla_tier", when=("customer_terms.name",)),
                    "priority": computed("customer_terms.priority", when=("customer_terms.name",)),
                }
                if key != "channel"
                else {}
            ),
            **{
                column: aggregated(f"customer_sale.{column}", when=("customer_sale.period_start", *_WINDOW))
                for column in ("revenue", "order_lines", "return_lines")
            },
            "margin": aggregated("customer_sale.margin", when=("customer_sale.unknown_costs", *_SALE[3:], *_WINDOW)),
            "items": aggregated("customer_sale.sku_id", when=_WINDOW),
            "last_period": aggregated("customer_sale.period_start", when=_WINDOW),
            "orders": aggregated("customer_order.orders"),
            "shipments": aggregated("customer_freight.shipments"),
            "unpriced_shipments": aggregated("customer_freight.unpriced_shipments"),
            "freight": aggregated("customer_freight.freight"),
            "cost_to_serve": aggregated(*cost, when=("rule.customers",)),
            "cost_share": aggregated(*cost, *_SALE, when=_BY),
            "cumulative_share": aggregated(*_SALE, when=_BY),
            **dict.fromkeys((*axes, "segment", *MEMORY, "decision_reason"), aggregated(*_SALE, *cost, *was, when=_BY)),
            "class_probability": aggregated(*_SALE, *was, when=_BY),
            "previous_segment": computed("previous_account.segment", when=(f"previous_account.{key}",)),
        },
        rows=(f"customer_sale.{key}",),
    )


STEPS: tuple[Step, ...] = (
    *(Query(name, QUERIES / "customer_sale.sql") for name in ("customer_sale", "customer_order", "customer_freight")),
    Query("customer_terms", _TERMS),
    _steps(CUSTOMER_SEGMENT.name, "customer_id"),
    _steps(CHANNEL_SEGMENT.name, "channel"),
    Query("service_cell", _MATRIX),
    Derivation(
        SERVICE_MATRIX.name,
        {
            **copies(
                "service_cell", "item_segment", "customer_class", "items", "customers", "order_lines", "revenue",
                "margin",
            ),
            "revenue_share": aggregated("service_cell.revenue"),
            **{
                name: computed("rule.policies", "rule.customers", when=_CELL)
                for name in ("service_metric", "segment_target", "customer_floor", "service_target", "decision_reason")
            },
        },
        rows=("service_cell.item_segment",),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CustomerTables:
    """The three tables of a partition's customer dimension."""

    customer_segment: pa.Table
    channel_segment: pa.Table
    service_matrix: pa.Table


def customer_tables(
    view: View,
    assignment: Path,
    previous: pa.Table | None,
    previous_channels: pa.Table | None,
    kept: Path | None = None,
) -> CustomerTables:
    """Customer and channel segments of a partition and its service matrix; no rows where the scheme has no `customers`.

    Args:
        view: partition, cut-off, scheme and snapshot.
        assignment: `segment_assignment` of the partition.
        previous: `customer_segment` in force in the cycle before; None in the first.
        previous_channels: `channel_segment` in force then.
        kept: sales rows as `demand_history` left them in this run.
    """
    rule = view.scheme.customers
    if rule is None:
        return CustomerTables(CUSTOMER_SEGMENT.empty(), CHANNEL_SEGMENT.empty(), SERVICE_MATRIX.empty())
    since, value_since, periods = _windows(view)
    tables = {**view.tables(), "segment_assignment": assignment}
    variables = {**view.variables(), "since": since, "value_since": value_since}
    with engine(tables, **variables) as connection:
        sales(connection, view, kept)
        connection.execute(query("customer_sale"))
        terms: pd.DataFrame = connection.execute(_TERMS).df()
        customers = _decided(connection, view, rule, periods, "customer_id", previous)
        channels = _decided(connection, view, rule, periods, "channel", previous_channels)
        known = customers.merge(terms.rename(columns={"name": "customer_id"}), on="customer_id", how="left")
        found = CUSTOMER_SEGMENT.conform(_stamped(known.drop(columns="customers"), view))
        connection.register(CUSTOMER_SEGMENT.name, found)
        cells: pd.DataFrame = connection.execute(_MATRIX).to_arrow_table().to_pandas()
    total = float(cells["revenue"].sum()) if len(cells) else 0.0
    share = floats(cells["revenue"]) / total if total > 0 else np.full(len(cells), np.nan)
    matrix = pd.concat([cells, service_cells(cells, rule=rule, scheme=view.scheme)], axis=1).assign(revenue_share=share)
    return CustomerTables(
        found,
        CHANNEL_SEGMENT.conform(_stamped(channels, view)),
        SERVICE_MATRIX.conform(_stamped(matrix, view)),
    )


def _windows(view: View) -> tuple[date, date, tuple[date, ...]]:
    """First day looked at, first day of the value window, and the closed periods from the first on."""
    scheme, bucket = view.scheme, view.scheme.buckets.classification
    zone = view.calendar.zone(view.partition.region)
    stop = view.variables()["open_classification"]
    length = max(scheme.value.window_cycles, scheme.level.window_periods if scheme.level else 0)
    since = next_period(stop, bucket, -length)
    periods = closed_periods(since, view.cutoff, zone, bucket)
    return since, value_since(view), tuple(periods.starts)


def value_since(view: View) -> date:
    """First day of the value window."""
    scheme = view.scheme
    stop = view.variables()["open_classification"]
    return next_period(stop, scheme.buckets.classification, -scheme.value.window_cycles)


def _decided(
    connection: duckdb.DuckDBPyConnection,
    view: View,
    rule: Customers,
    periods: tuple[date, ...],
    key: str,
    previous: pa.Table | None,
) -> pd.DataFrame:
    """Accounts of one kind with their sums, costs and classes."""
    rows = connection.execute(_ACCOUNT.format(key=key)).to_arrow_table().to_pandas(date_as_object=True)
    cost: pd.DataFrame = connection.execute(_COST.format(key=key)).df()
    rows = rows.merge(cost, on="name", how="left")
    for name in ("orders", "shipments", "unpriced_shipments"):
        rows[name] = rows[name].fillna(0).astype("int64")
    freight = rows["freight"].fillna(0.0).to_numpy(np.float64)
    activities = (
        rule.cost_per_order * rows["orders"]
        + rule.cost_per_line * rows["order_lines"]
        + rule.cost_per_return_line * rows["return_lines"]
    ).to_numpy(np.float64)
    spent = np.where(rows["unpriced_shipments"] > 0, np.nan, activities + freight).round(4)
    monthly, observed = _monthly(connection, key, rows, periods)
    stated = (rows["name"] != NOT_STATED).to_numpy()
    accounts = Accounts(
        names=rows["name"].to_numpy(dtype=object),
        revenue=floats(rows["revenue"]),
        margin=floats(rows["margin"]),
        cost=spent,
        monthly=monthly,
        observed=observed,
        window=view.scheme.value.window_cycles,
        is_named=stated,
    )
    before = None if previous is None else previous.to_pandas(date_as_object=True)
    decided = account_classes(accounts, before, key=key, rule=rule, scheme=view.scheme)
    drop = [key] if key == "channel" else []
    facts = rows.drop(columns=["first_period", *drop]).assign(
        cost_to_serve=spent, freight=np.where(rows["unpriced_shipments"] > 0, np.nan, freight.round(4))
    )
    joined: pd.DataFrame = facts.drop(columns="name").join(decided)
    return joined


def _monthly(
    connection: duckdb.DuckDBPyConnection, key: str, rows: pd.DataFrame, periods: tuple[date, ...]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Revenue, accounts x periods, and the periods since the first purchase."""
    found = connection.execute(_MONTHLY.format(key=key)).to_arrow_table().to_pandas(date_as_object=True)
    starts = pd.Index(list(periods))
    row = pd.Index(rows["name"]).get_indexer(pd.Index(found["name"]))
    column = starts.get_indexer(pd.Index(found["period_start"]))
    monthly = np.zeros((len(rows), len(periods)))
    np.add.at(monthly, (row, column), found["revenue"].to_numpy(np.float64))
    first = starts.get_indexer(pd.Index(rows["first_period"]))
    # Who only ever sent goods back has bought nothing yet.
    first = np.where(rows["first_period"].isna(), len(periods), first)
    return monthly, np.arange(len(periods))[None, :] >= first[:, None]


def _stamped(rows: pd.DataFrame, view: View) -> pd.DataFrame:
    return rows.assign(**view.stamp, **NOT_SUSPENDED)
