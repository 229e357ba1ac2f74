"""Generated demand as the order lines and master data of a company.

Belongs here: turning weekly ground truth into lines on weekdays, with a few dirty ones. Does not: drawing the truth
(`strata.sample.generator`).
"""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from strata.sample.demand import (
    CUSTOMER_SCHEMA,
    DECIMAL,
    ITEM_SCHEMA,
    PROMOTION_SCHEMA,
    SITE_SCHEMA,
    Demand,
    line_schema,
)
from strata.sample.generator import GroundTruth

HOUR = 3600
DAY = 86_400
SALES_DAYS = 6  # closed on Sundays
FIRST_SALES_HOUR = 8
SALES_HOURS = 10


def as_demand(truth: GroundTruth) -> Demand:
    """The generated demand as order lines: one per item-location and week, on a drawn weekday, plus dirty lines."""
    spec, table = truth.spec, truth.demand
    rng = np.random.default_rng([truth.seed, 32])
    rows = table.num_rows
    seconds = (
        rng.integers(0, SALES_DAYS, rows) * DAY + FIRST_SALES_HOUR * HOUR + rng.integers(0, SALES_HOURS * HOUR, rows)
    )
    moment = table.column("period_start").to_numpy().astype("datetime64[s]") + seconds
    dirty = np.flatnonzero(rng.random(rows) < spec.dirty_share)
    take = pa.array(np.concatenate([np.arange(rows), dirty]))
    is_dirty = pa.array(np.arange(rows + len(dirty)) >= rows)
    zero = pa.scalar(Decimal(0), DECIMAL)
    order = pc.binary_join_element_wise("S", pc.utf8_lpad(take.cast(pa.string()), 9, "0"), "")
    lines = pa.table(
        {
            "order_id": order,
            "order_line": pc.add(pc.cast(is_dirty, pa.int64()), 1),
            "sku_id": table.column("sku_id").take(take),
            "location_id": table.column("location_id").take(take),
            "customer_id": pc.binary_join_element_wise("C", table.column("location_id").take(take), "-"),
            "channel": pa.array(["wholesale"] * len(take)),
            "ordered_at": pc.assume_timezone(pa.array(moment.astype("datetime64[us]")), spec.zone).take(take),
            "quantity": pc.if_else(is_dirty, zero, table.column("quantity").take(take)),
            "unit": pa.array(["EA"] * len(take)),
            "net_amount": pc.if_else(is_dirty, zero, table.column("net_amount").take(take)),
            "currency": pa.array([spec.currency] * len(take)),
            "line_type": pa.array(["sale"] * len(take)),
            "promotion_id": pa.nulls(len(take), pa.string()),
        }
    ).cast(line_schema(spec.zone))
    regions = [region for region in spec.regions for _ in range(spec.locations_per_region)]
    last = spec.first_monday + timedelta(weeks=spec.weeks, days=-1)
    return Demand(
        name="generator",
        origin="simulated",
        zone=spec.zone,
        currency=spec.currency,
        grain="event",
        first_day=spec.first_monday,
        last_day=last,
        lines=lines.sort_by([("ordered_at", "ascending"), ("order_id", "ascending"), ("order_line", "ascending")]),
        items=_items(truth),
        customers=pa.table(
            {
                "customer_id": [f"C-{code}" for code in spec.locations],
                "customer_name": [f"Customers of {code}" for code in spec.locations],
                "region": regions,
                "channel": ["wholesale"] * len(regions),
                "priority": [2] * len(regions),
            },
            CUSTOMER_SCHEMA,
        ),
        sites=pa.table(
            {
                "location_id": spec.locations,
                "location_name": spec.locations,
                "region": regions,
                "location_type": ["dc"] * len(regions),
                "time_zone": [spec.zone] * len(regions),
            },
            SITE_SCHEMA,
        ),
        promotions=PROMOTION_SCHEMA.empty_table(),
        not_stocked_categories=frozenset(),
        not_stocked_families=frozenset(),
        knows_life=True,
    )


def _items(truth: GroundTruth) -> pa.Table:
    spec = truth.spec
    rng = np.random.default_rng([truth.seed, 33])
    category = rng.integers(spec.categories, size=spec.items)
    family = rng.integers(spec.families_per_category, size=spec.items)
    first = truth.truth.take(pa.array(np.arange(spec.items) * len(spec.locations)))
    names = pc.binary_join_element_wise("Generated item", first.column("sku_id"), " ")
    return pa.table(
        {
            "sku_id": first.column("sku_id"),
            "item_name": names,
            "category": pa.array([f"CATEGORY {c + 1}" for c in category]),
            "family": pa.array([f"FAMILY {c + 1}.{f + 1}" for c, f in zip(category, family, strict=True)]),
            "launch_date": first.column("launch_date"),
            "end_date": first.column("end_date"),
        }
    ).cast(ITEM_SCHEMA)
