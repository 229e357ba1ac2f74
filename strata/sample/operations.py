"""Operations around the demand: suppliers, terms, cost and prices, purchase orders, receipts, stock.

Belongs here: turning demand and assumptions into the rows of the simulated feeds over the whole horizon. Does not:
the stock simulation itself (`strata.sample.replenishment`), when which row is sent (`strata.sample.build`).
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from strata.sample.assumptions import OperationsSpec
from strata.sample.demand import Demand, day_number, months_of, positions
from strata.sample.extracts import as_decimal, as_scaled
from strata.sample.replenishment import NEVER, UNIT, Ints, Orders, Rules, Sales, Stock, Terms, simulate

CENT = 100  # units of 0.0001 in a cent


@dataclass(frozen=True, slots=True)
class Operations:
    """Everything simulated, over the whole horizon.

    `items` are the demand's items with supplier, cost, life and last sale; `item_locations` says which item (index
    into `items`) and location (index into `demand.sites`) each column of `stock` is. Suppliers, supplier_items and
    prices are canonical feed tables; `prices` have one row per stocked item and month with sales.
    """

    items: pa.Table
    suppliers: pa.Table
    supplier_items: pa.Table
    prices: pa.Table
    item_of: Ints
    location_of: Ints
    supplier_of: Ints
    orders: Orders
    stock: Stock


def operate(demand: Demand, spec: OperationsSpec, *, seed: int) -> Operations:
    """Simulate the operations that could have served `demand`.

    Args:
        demand: lines, items and sites.
        spec: the assumptions.
        seed: draws suppliers' terms, lead times and everything else random; independent of what is sent when.
    """
    skus = demand.items.column("sku_id").combine_chunks()
    has_stock = is_stocked(demand)
    rng = np.random.default_rng([seed, 10])
    suppliers, supplier_class, lead_mean, lead_cv = _suppliers(spec, demand.sites.num_rows, rng)
    supplier_of_item = _supplier_of_item(demand.items, spec)
    prices = _prices(demand, skus.filter(pa.array(has_stock)))
    cost = np.where(has_stock, _standard_cost(demand, skus, spec, seed), NEVER)

    day, item, location, quantity = _sold(demand, skus, has_stock)
    life = _life(demand, day, item, spec)
    cells, cell = np.unique(item * demand.sites.num_rows + location, return_inverse=True)
    item_of, location_of = np.divmod(cells, demand.sites.num_rows)
    sales = _by_day(day, cell, quantity, len(cells), demand.days)
    pack, minimum = _packs(day, item, quantity, len(skus), demand, spec, np.random.default_rng([seed, 11]))
    terms = _terms(
        sales, item_of, location_of, supplier_of_item, supplier_class, lead_mean, lead_cv, pack, minimum, life,
        demand, spec, np.random.default_rng([seed, 12]),
    )  # fmt: skip
    rules = Rules(
        safety_factor=spec.safety_factor,
        smoothing=spec.smoothing,
        review_days=spec.review_days,
        expedite_days=spec.expedite_days,
        partial_share=spec.partial_share,
        partial_first=spec.partial_first,
        partial_gap_days=spec.partial_gap_days,
        cancelled_share=spec.cancelled_share,
    )
    weekday = demand.first_day.weekday()
    rng = np.random.default_rng([seed, 13])
    orders, stock = simulate(sales, terms, rules, days=demand.days, first_weekday=weekday, rng=rng)
    supplier_ids = suppliers.column("supplier_id").combine_chunks()
    supplier_column = pc.if_else(pa.array(has_stock), supplier_ids.take(pa.array(supplier_of_item)), None)
    items = demand.items.set_column(4, "launch_date", _dates(life.launch, demand.first_day))
    items = items.set_column(5, "end_date", _dates(life.end, demand.first_day))
    items = items.append_column("supplier_id", supplier_column)
    items = items.append_column("standard_cost", as_decimal(cost, cost < 0))
    purchase = _purchase_terms(
        skus, supplier_column, cost, pack, minimum, lead_mean, supplier_of_item, demand, spec, seed
    )
    return Operations(
        items, suppliers, purchase, prices, item_of, location_of, supplier_of_item[item_of], orders, stock
    )


@dataclass(frozen=True, slots=True)
class _Life:
    """Per item, day numbers from the first day of data: launch and end, NEVER where there is none."""

    launch: Ints
    end: Ints


def is_stocked(demand: Demand) -> NDArray[np.bool_]:
    """Which items of the demand are goods that are kept in stock."""
    categories = pa.array(sorted(demand.not_stocked_categories), pa.string())
    families = pa.array(sorted(demand.not_stocked_families), pa.string())
    category = pc.is_in(demand.items.column("category"), value_set=categories)
    family = pc.is_in(demand.items.column("family"), value_set=families)
    flags: NDArray[np.bool_] = pc.invert(pc.or_(category, family)).to_numpy()
    return flags


def _suppliers(spec: OperationsSpec, locations: int, rng: np.random.Generator) -> tuple[pa.Table, Ints, Any, Any]:
    """Suppliers, their class, and mean and CV of the lead time (suppliers x locations)."""
    rows: list[dict[str, str]] = []
    classes: list[int] = []
    means, cvs = [], []
    for number, kind in enumerate(spec.supply):
        for within in range(1, kind.suppliers + 1):
            country = kind.countries[int(rng.integers(len(kind.countries)))]
            rows.append(
                {
                    "supplier_id": f"SUP-{len(rows) + 1:03d}",
                    "supplier_name": f"{kind.name} Supply {within:02d}",
                    "country": country,
                }
            )
            classes.append(number)
            mean = np.exp(rng.uniform(np.log(kind.lead_days[0]), np.log(kind.lead_days[1])))
            means.append(mean * rng.uniform(*spec.lane_factor, locations))
            cvs.append(rng.uniform(*kind.lead_cv, locations))
    schema = pa.schema([("supplier_id", pa.string()), ("supplier_name", pa.string()), ("country", pa.string())])
    return pa.Table.from_pylist(rows, schema=schema), np.array(classes), np.array(means), np.array(cvs)


def _supplier_of_item(items: pa.Table, spec: OperationsSpec) -> Ints:
    """Index of the item's supplier: within its category's class by a hash of its family."""
    default = next(number for number, kind in enumerate(spec.supply) if not kind.categories)
    class_of = {category: number for number, kind in enumerate(spec.supply) for category in kind.categories}
    first = np.cumsum([0] + [kind.suppliers for kind in spec.supply])
    memo: dict[tuple[str | None, str | None], int] = {}
    chosen = np.empty(items.num_rows, dtype=np.int64)
    for row, key in enumerate(zip(items["category"].to_pylist(), items["family"].to_pylist(), strict=True)):
        if key not in memo:
            number = class_of.get(key[0] or "", default)
            digest = zlib.crc32((key[1] or key[0] or "").encode())
            memo[key] = int(first[number]) + digest % spec.supply[number].suppliers
        chosen[row] = memo[key]
    return chosen


def _sold(demand: Demand, skus: pa.Array, has_stock: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints, Ints]:
    """Day, item, location and quantity (0.0001) of every line that took goods from a shelf."""
    item = positions(demand.lines.column("sku_id"), skus)
    location = positions(demand.lines.column("location_id"), demand.sites.column("location_id").combine_chunks())
    quantity = as_scaled(demand.lines.column("quantity"))
    day = demand.day_numbers()
    moved = (item >= 0) & (location >= 0) & (quantity > 0) & has_stock[np.maximum(item, 0)]
    return day[moved], item[moved], location[moved], quantity[moved]


def _by_day(day: Ints, cell: Ints, quantity: Ints, cells: int, days: int) -> Sales:
    """Lines summed to day x item-location."""
    key = day * cells + cell
    order = np.argsort(key, kind="stable")
    unique, starts = np.unique(key[order], return_index=True)
    total = np.add.reduceat(quantity[order], starts) if len(unique) else quantity[:0]
    sold_day, sold_cell = np.divmod(unique, cells) if cells else (unique, unique)
    return Sales(np.searchsorted(sold_day, np.arange(days + 1)), sold_cell, total)


def _first_last(group: Ints, day: Ints, groups: int, days: int) -> tuple[Ints, Ints]:
    first, last = np.full(groups, days, dtype=np.int64), np.full(groups, NEVER, dtype=np.int64)
    np.minimum.at(first, group, day)
    np.maximum.at(last, group, day)
    return first, last


def _life(demand: Demand, day: Ints, item: Ints, spec: OperationsSpec) -> _Life:
    """Launch and end as the item master states them, else inferred from the sales of the whole horizon."""
    base = day_number(demand.first_day)
    launch = pc.fill_null(demand.items.column("launch_date").cast(pa.int32()), base + NEVER).to_numpy() - base
    end = pc.fill_null(demand.items.column("end_date").cast(pa.int32()), base + NEVER).to_numpy() - base
    if demand.knows_life:
        return _Life(launch.astype(np.int64), end.astype(np.int64))
    items = demand.items.num_rows
    first, last = _first_last(item, day, items, demand.days)
    weeks = np.bincount(np.unique(item * 1000 + day // 7) // 1000, minlength=items)
    left = np.maximum((demand.days - first) / 7, 1)
    is_launch = (first > spec.launch_quiet_days) & (weeks / left >= spec.launch_density) & (left > spec.review_days)
    launch = np.where(is_launch, first, NEVER)
    ended = (last >= 0) & (last < demand.days - spec.ended_quiet_days)
    return _Life(launch, np.where(ended, last + spec.phase_out_days, NEVER))


def _packs(
    day: Ints, item: Ints, quantity: Ints, items: int, demand: Demand, spec: OperationsSpec, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Order multiple and minimum order of every item, in units of 0.0001."""
    per_day = np.bincount(item, quantity, items) / UNIT / demand.days / demand.sites.num_rows
    wanted = per_day * spec.pack_cover_days * rng.uniform(*spec.pack_share, items)
    sizes = np.array(spec.pack_sizes)
    pack = sizes[np.maximum(np.searchsorted(sizes, wanted, side="right") - 1, 0)].astype(np.int64)
    packs = rng.integers(1, spec.min_packs, items, endpoint=True)
    return pack * UNIT, pack * np.where(pack > 1, packs, 1) * UNIT


def _terms(
    sales: Sales, item_of: Ints, location_of: Ints, supplier_of_item: Ints, supplier_class: Ints, lead_mean: Any,
    lead_cv: Any, pack: Ints, minimum: Ints, life: _Life, demand: Demand, spec: OperationsSpec,
    rng: np.random.Generator,
) -> Terms:  # fmt: skip
    """Terms of every item-location that ever sold."""
    cells = len(item_of)
    day = np.repeat(np.arange(demand.days), np.diff(sales.starts))
    first, _ = _first_last(sales.item_location, day, cells, demand.days)
    launch, end = life.launch[item_of], life.end[item_of]
    supplier = supplier_of_item[item_of]
    mean_lead = lead_mean[supplier, location_of]
    planned = np.maximum(np.rint(lead_mean.mean(axis=1)), 1).astype(np.int64)[supplier]
    low, high = spec.listing_lead_days
    listed = first - rng.integers(low, high, cells, endpoint=True)
    listed = np.where(launch >= 0, np.maximum(listed, launch - 2 * planned - spec.review_days), listed)
    listed = np.minimum(listed, first)
    weeks = np.maximum((demand.days - np.maximum(listed, 0)) / 7, 1)
    week = day // 7
    # sums per item-location and week, only where something sold
    key, where = np.unique(sales.item_location * (demand.days // 7 + 1) + week, return_inverse=True)
    units = np.bincount(where, sales.quantity / UNIT, len(key))
    cell = key // (demand.days // 7 + 1)
    mean = np.bincount(cell, units, cells) / weeks
    variance = np.maximum(np.bincount(cell, units**2, cells) / weeks - mean**2, mean * 0.5)
    class_of = supplier_class[supplier]
    cover = np.array([kind.cover_days for kind in spec.supply])[class_of]
    return Terms(
        listed=listed,
        stop=np.where(end >= 0, end, demand.days),
        multiple=pack[item_of],
        minimum=minimum[item_of],
        lead_mean=mean_lead,
        lead_cv=lead_cv[supplier, location_of],
        planned=planned,
        weekday=supplier % 5,
        floor=np.where(rng.random(cells) < spec.sold_out_share, 0.0, 1.0),
        mean=mean,
        variance=variance,
        cover=cover,
    )


def _dates(days: Ints, first: date) -> pa.Array:
    whole = pa.array((np.datetime64(first, "D") + days).astype("datetime64[D]"))
    return pc.if_else(pa.array(days >= 0), whole, pa.scalar(None, pa.date32()))


def _prices(demand: Demand, stocked: pa.Array) -> pa.Table:
    """Median real price per stocked item and month, in whole cents; `month` is a month number."""
    first = pa.array(months_of(demand.day_numbers() + day_number(demand.first_day)))
    rows = demand.lines.select(["sku_id", "quantity", "net_amount"]).append_column("month", first)
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        found = connection.sql(
            """select sku_id, month, round(median(net_amount::double / quantity::double), 2) as price
            from rows where quantity > 0 and net_amount > 0 group by sku_id, month order by month, sku_id"""
        ).to_arrow_table()
    cents = np.maximum(np.rint(found.column("price").to_numpy() * CENT), 1).astype(np.int64)
    known = positions(found.column("sku_id"), stocked) >= 0
    table = pa.table(
        {"sku_id": found.column("sku_id"), "month": found.column("month"), "unit_price": as_decimal(cents * CENT)}
    )
    return table.filter(pa.array(known))


def _standard_cost(demand: Demand, skus: pa.Array, spec: OperationsSpec, seed: int) -> Ints:
    """Standard cost per item in units of 0.0001 (whole cents), -1 where no price is known."""
    item = positions(demand.lines.column("sku_id"), skus)
    quantity, amount = as_scaled(demand.lines.column("quantity")), as_scaled(demand.lines.column("net_amount"))
    good = (item >= 0) & (quantity > 0) & (amount > 0)
    units = np.bincount(item[good], quantity[good], len(skus))
    value = np.bincount(item[good], amount[good], len(skus))
    categories = [category or "" for category in demand.items.column("category").to_pylist()]
    low, high = spec.cost_share
    share_of = {
        category: low + (high - low) * np.random.default_rng([seed, zlib.crc32(category.encode())]).random()
        for category in set(categories)
    }
    share = np.array([share_of[category] for category in categories])
    noise = np.random.default_rng([seed, 14]).uniform(1 - spec.cost_noise, 1 + spec.cost_noise, len(skus))
    with np.errstate(divide="ignore", invalid="ignore"):
        price = np.where(units > 0, value / units, 0.0)
    cents = np.maximum(np.rint(price * share * noise * CENT), 1).astype(np.int64)
    return np.where(units > 0, cents * CENT, NEVER)


def _purchase_terms(
    skus: pa.Array, supplier: pa.Array, cost: Ints, pack: Ints, minimum: Ints, lead_mean: Any, supplier_of_item: Ints,
    demand: Demand, spec: OperationsSpec, seed: int,
) -> pa.Table:  # fmt: skip
    """`supplier_items`: one row per stocked item, its main source."""
    planned = np.maximum(np.rint(lead_mean.mean(axis=1)), 1).astype(np.int64)[supplier_of_item]
    discount = np.random.default_rng([seed, 15]).uniform(0, spec.purchase_discount, len(skus))
    price = np.maximum(np.rint(cost * (1 - discount) / CENT), 1).astype(np.int64) * CENT
    table = pa.table(
        {
            "supplier_id": supplier,
            "sku_id": skus,
            "min_order_quantity": as_decimal(minimum),
            "order_multiple": as_decimal(pack),
            "planned_lead_time_days": pa.array(planned),
            "unit_price": as_decimal(price, cost < 0),
            "currency": pa.array([demand.currency] * len(skus)),
        }
    )
    return table.filter(pc.is_valid(supplier)).sort_by([("supplier_id", "ascending"), ("sku_id", "ascending")])


def life_status(items: pa.Table, as_of: date) -> Sequence[str]:
    """Planning status of every item as of a day: `phase_out` from its end date on."""
    ended = pc.fill_null(pc.less_equal(items.column("end_date"), pa.scalar(as_of)), False).to_numpy()
    return ["phase_out" if flag else "active" for flag in ended]
