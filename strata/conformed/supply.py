"""What the policy stage needs from a snapshot: orders and receipts, and the supply side of every item-location.

Belongs here: as-known reads and joins. Does not: lead-time statistics and policies (`strata.inventory`).
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from strata.conformed.build import ITEM_VALUE
from strata.conformed.engine import engine, query
from strata.conformed.history import View
from strata.derivation import Query, Step
from strata.durable import read_parquet
from strata.inventory.lead_time import lead_time_profile as profile_lanes
from strata.inventory.lead_time import line_lead_times, resolve_lead_time
from strata.inventory.policy import policies
from strata.tables import INVENTORY_POLICY, LEAD_TIME_PROFILE

_CONVERSION = ("fct_exchange_rate", "int_item_unit_version", "int_item_version")
# What a function reads, for the graph: `lead_time_profile` and `terms` of the snapshot, `stocked` of the partition.
LANES = (*_CONVERSION, "fct_goods_receipt", "fct_purchase_order_line", "int_location_version")
TERMS = (*_CONVERSION, "int_supplier_item_version")
STOCKED = ("demand_profile", "demand_forecast", "segment_assignment", "lead_time_profile")
_ORDERS = """
select o.po_id, o.po_line, o.supplier_id, o.sku_id, o.location_id, o.ordered_at,
    o.quantity::double as quantity, o.status
from fct_purchase_order_line as o
inner join int_location_version as l
    on o.location_id = l.location_id and l.region = getvariable('region')
    and l.known_from <= getvariable('known_at') and (l.known_to is null or l.known_to > getvariable('known_at'))
where o.known_from <= getvariable('known_at') and (o.known_to is null or o.known_to > getvariable('known_at'))
order by o.po_id, o.po_line
"""
# In the unit of the order line; null where it came in another one and a factor of either is not known.
_RECEIPTS = """
with receipt as (
    select *, cast(timezone(getvariable('zone'), received_at) as date) as local_date
    from fct_goods_receipt
    where known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
),

ordered as (
    select po_id, po_line, sku_id, unit, cast(timezone(getvariable('zone'), ordered_at) as date) as local_date
    from fct_purchase_order_line
    where known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
),

item as (
    select sku_id, base_unit
    from int_item_version
    where known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
)

select
    r.po_id,
    r.po_line,
    r.received_at,
    case
        when r.unit = o.unit then r.quantity::double
        else
            r.quantity::double * case when r.unit = i.base_unit then 1 else rf.factor::double end
            / case when o.unit = i.base_unit then 1 else orf.factor::double end
    end as quantity
from receipt as r
inner join ordered as o on r.po_id = o.po_id and r.po_line = o.po_line
left join item as i on o.sku_id = i.sku_id
left join unit_factor as rf
    on o.sku_id = rf.sku_id and r.unit = rf.unit and r.local_date >= rf.valid_from and r.local_date < rf.valid_until
left join unit_factor as orf
    on o.sku_id = orf.sku_id and o.unit = orf.unit and o.local_date >= orf.valid_from and o.local_date < orf.valid_until
order by r.po_id, r.po_line, r.received_at, r.receipt_id, r.receipt_line
"""
# One main supplier per item: the item master's; its terms from supplier_items where it has an entry. Cost and lots at
# the rate and factor of the cut-off; a lot in a unit without a factor is not known, and says so.
_TERMS = """
select
    i.sku_id,
    i.supplier_id,
    case
        when i.currency = getvariable('currency') then i.standard_cost else converted(i.standard_cost, r.rate)
    end::double as unit_cost,
    case
        when coalesce(s.order_unit, i.base_unit) = i.base_unit then s.min_order_quantity
        else converted(s.min_order_quantity, u.factor)
    end::double as min_order_quantity,
    case
        when coalesce(s.order_unit, i.base_unit) = i.base_unit then s.order_multiple
        else converted(s.order_multiple, u.factor)
    end::double as order_multiple,
    coalesce(s.order_unit, i.base_unit) <> i.base_unit
    and u.factor is null
    and (s.min_order_quantity > 0 or s.order_multiple > 0) as is_lot_unknown,
    s.planned_lead_time_days::double as planned_lead_time_days
from int_item_version as i
left join int_supplier_item_version as s
    on i.supplier_id = s.supplier_id and i.sku_id = s.sku_id
    and s.known_from <= getvariable('known_at') and (s.known_to is null or s.known_to > getvariable('known_at'))
left join unit_factor as u
    on i.sku_id = u.sku_id and s.order_unit = u.unit
    and cast(timezone(getvariable('zone'), getvariable('cutoff')) as date) >= u.valid_from
    and cast(timezone(getvariable('zone'), getvariable('cutoff')) as date) < u.valid_until
left join currency_rate as r
    on i.currency = r.currency and r.day = cast(timezone(getvariable('zone'), getvariable('cutoff')) as date)
where i.known_from <= getvariable('known_at') and (i.known_to is null or i.known_to > getvariable('known_at'))
"""
# Every unit that stock may be counted in; the base unit goes by its name and without one.
_VALUES = """
with item as (
    select
        i.sku_id,
        i.base_unit,
        case
            when i.currency = getvariable('currency') then i.standard_cost else converted(i.standard_cost, r.rate)
        end as unit_cost
    from int_item_version as i
    left join currency_rate as r
        on i.currency = r.currency and r.day = cast(timezone(getvariable('zone'), getvariable('cutoff')) as date)
    where i.known_from <= getvariable('known_at') and (i.known_to is null or i.known_to > getvariable('known_at'))
),

counted as (
    select
        sku_id, cast(null as varchar) as unit, cast(null as date) as valid_from, cast(null as date) as valid_until,
        cast(1 as decimal(24, 14)) as factor
    from item
    union all
    select sku_id, base_unit, null, null, 1
    from item
    where base_unit is not null
    union all
    select sku_id, unit, valid_from, valid_until, factor
    from unit_factor
)

select
    i.sku_id,
    cast(getvariable('region') as varchar) as region,
    c.unit,
    c.valid_from,
    c.valid_until,
    cast(c.factor as decimal(24, 14)) as factor,
    cast(i.unit_cost as decimal(18, 4)) as unit_cost
from item as i
inner join counted as c on i.sku_id = c.sku_id
order by i.sku_id, c.unit, c.valid_from
"""
# The forecast's first period carries level and error; the class comes from the location, else from its region.
_PAIRS = """
select
    f.sku_id,
    f.location_id,
    coalesce(own.segment, region.segment) as segment,
    p.demand_class,
    coalesce(own.lifecycle_state, region.lifecycle_state) as lifecycle_state,
    f.mean_units,
    f.error_sd_units
from demand_forecast as f
left join demand_profile as p on f.sku_id = p.sku_id and f.location_id = p.location_id
left join segment_assignment as own on f.sku_id = own.sku_id and f.location_id = own.location_id
left join segment_assignment as region on f.sku_id = region.sku_id and region.location_id = '*'
where f.horizon = 1
order by f.sku_id, f.location_id
"""
STEPS: tuple[Step, ...] = (
    Query("order_line", _ORDERS),
    Query("receipt", _RECEIPTS),
    Query("supply_term", _TERMS),
    Query("stocked_pair", _PAIRS),
    Query("item_value", _VALUES),
)


def lead_time_profile(view: View) -> pa.Table:
    """`lead_time_profile` of a partition from the orders and receipts known at the cut-off."""
    with engine(view.only(*LANES), **view.variables()) as connection:
        connection.execute(query("conversion"))
        orders = connection.execute(_ORDERS).df()
        receipts = connection.execute(_RECEIPTS).df()
    lines = line_lead_times(orders, receipts)
    rows = profile_lanes(
        lines, rule=view.scheme.inventory.lead_time, partition=view.partition, scheme_version=view.scheme.version
    )
    return LEAD_TIME_PROFILE.conform(rows)


def terms(view: View) -> pd.DataFrame:
    """Cost, lots and planned days of every item known at the cut-off, in base units and group currency.

    Columns: sku_id, supplier_id, unit_cost, min_order_quantity, order_multiple, is_lot_unknown,
    planned_lead_time_days; null where nothing is stated, or a cost has no rate.
    """
    with engine(view.only(*TERMS), **view.variables()) as connection:
        connection.execute(query("conversion"))
        found: pd.DataFrame = connection.execute(_TERMS).df()
    return found


def item_values(view: View) -> pa.Table:
    """`ITEM_VALUE` of a partition: what stock of its items is worth, whatever unit and currency it is stated in."""
    with engine(view.only(*_CONVERSION), **view.variables()) as connection:
        connection.execute(query("conversion"))
        return connection.execute(_VALUES).to_arrow_table().cast(ITEM_VALUE)


def stocked(view: View, *, forecast: Path, profile: Path, assignment: Path, lead_times: Path) -> pd.DataFrame:
    """What a policy is computed from, a row per item-location with a forecast: `strata.inventory.policy.policies`."""
    tables = {"demand_forecast": forecast, "demand_profile": profile, "segment_assignment": assignment}
    with engine(tables, **view.variables()) as connection:
        pairs = connection.execute(_PAIRS).df()
    keys = pairs.merge(terms(view), on="sku_id", how="left", validate="many_to_one")
    lanes = resolve_lead_time(
        keys[["sku_id", "location_id", "supplier_id", "planned_lead_time_days"]],
        read_parquet(lead_times).to_pandas(),
        rule=view.scheme.inventory.lead_time,
    )
    return keys.assign(
        lead_time_mean_days=lanes["mean_days"].to_numpy(),
        lead_time_sd_days=lanes["sd_days"].to_numpy(),
        lead_time_level=lanes["level"].to_numpy(),
    )


def inventory_policy(view: View, *, forecast: Path, profile: Path, assignment: Path, lead_times: Path) -> pa.Table:
    """`inventory_policy` of a partition: one row for every item-location with a forecast."""
    keys = stocked(view, forecast=forecast, profile=profile, assignment=assignment, lead_times=lead_times)
    rows = policies(keys, scheme=view.scheme, partition=view.partition, bucket=view.scheme.buckets.planning)
    return INVENTORY_POLICY.conform(rows)
