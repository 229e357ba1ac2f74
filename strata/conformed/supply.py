"""What the policy stage needs from a snapshot: orders and receipts, and the supply side of every item-location.

Belongs here: as-known reads and joins. Does not: lead-time statistics and policies (`strata.inventory`).
"""

from pathlib import Path

import pyarrow as pa

from strata.conformed.engine import engine
from strata.conformed.history import View
from strata.durable import read_parquet
from strata.inventory.lead_time import lead_time_profile as profile_lanes
from strata.inventory.lead_time import line_lead_times, resolve_lead_time
from strata.inventory.policy import policies
from strata.tables import INVENTORY_POLICY, LEAD_TIME_PROFILE

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
_RECEIPTS = """
select r.po_id, r.po_line, r.received_at, r.quantity::double as quantity
from fct_goods_receipt as r
where r.known_from <= getvariable('known_at') and (r.known_to is null or r.known_to > getvariable('known_at'))
order by r.po_id, r.po_line, r.received_at, r.receipt_id, r.receipt_line
"""
# One main supplier per item: the item master's; its terms from supplier_items where it has an entry.
_TERMS = """
select
    i.sku_id,
    i.supplier_id,
    i.standard_cost::double as unit_cost,
    s.min_order_quantity::double as min_order_quantity,
    s.order_multiple::double as order_multiple,
    s.planned_lead_time_days::double as planned_lead_time_days
from int_item_version as i
left join int_supplier_item_version as s
    on i.supplier_id = s.supplier_id and i.sku_id = s.sku_id
    and s.known_from <= getvariable('known_at') and (s.known_to is null or s.known_to > getvariable('known_at'))
where i.known_from <= getvariable('known_at') and (i.known_to is null or i.known_to > getvariable('known_at'))
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


def lead_time_profile(view: View) -> pa.Table:
    """`lead_time_profile` of a partition from the orders and receipts known at the cut-off."""
    with engine(view.tables(), **view.variables()) as connection:
        orders = connection.execute(_ORDERS).df()
        receipts = connection.execute(_RECEIPTS).df()
    lines = line_lead_times(orders, receipts)
    rows = profile_lanes(
        lines, rule=view.scheme.inventory.lead_time, partition=view.partition, scheme_version=view.scheme.version
    )
    return LEAD_TIME_PROFILE.conform(rows)


def inventory_policy(view: View, *, forecast: Path, profile: Path, assignment: Path, lead_times: Path) -> pa.Table:
    """`inventory_policy` of a partition: one row for every item-location with a forecast."""
    with engine(
        {**view.tables(), "demand_forecast": forecast, "demand_profile": profile, "segment_assignment": assignment},
        **view.variables(),
    ) as connection:
        pairs = connection.execute(_PAIRS).df()
        terms = connection.execute(_TERMS).df()
    keys = pairs.merge(terms, on="sku_id", how="left", validate="many_to_one")
    lanes = resolve_lead_time(
        keys[["sku_id", "location_id", "supplier_id", "planned_lead_time_days"]],
        read_parquet(lead_times).to_pandas(),
        rule=view.scheme.inventory.lead_time,
    )
    keys = keys.assign(
        lead_time_mean_days=lanes["mean_days"].to_numpy(),
        lead_time_sd_days=lanes["sd_days"].to_numpy(),
        lead_time_level=lanes["level"].to_numpy(),
    )
    rows = policies(keys, scheme=view.scheme, partition=view.partition, bucket=view.scheme.buckets.planning)
    return INVENTORY_POLICY.conform(rows)
