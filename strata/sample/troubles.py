"""What goes wrong on purpose in the sample company, and the feeds that say how to put it right.

Belongs here: sales lines in other units and currencies, exchange rates, unit factors, hierarchies that disagree, the
feed that stays away, the one that is late, the column nobody agreed. Does not: how much of it (`TroubleSpec`), what
the feeds say otherwise.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from strata.sample.activity import Activity, Rows, decimals, picked
from strata.sample.demand import Demand, day_number, local_days, month_first_day, months_of, positions
from strata.sample.departments import TroubleSpec
from strata.sample.extracts import as_decimal, as_scaled
from strata.sample.operations import CENT, Operations
from strata.sample.replenishment import UNIT, Floats, Ints
from strata.sample.warehouse import Handling

CASE, PIECE = "CS", "PC"
ALWAYS = date(1970, 1, 1)
RATE_TYPE = "M"
MASTER, TRADE = "pim", "gdsn"
GTIN_DIGITS = 12
MONTH_OF_SWING = 91
DRIFT_KG = 0.1  # per kilogram and 1,000 km
Express = Callable[[pa.Table], pa.Table]


def month_back(demand: Demand, months: int) -> int:
    """Month number of so many months before the last month of data."""
    return demand.last_day.year * 12 + demand.last_day.month - 1 - months


def gtins(size: int) -> pa.Array:
    """GTIN-13 of every item by its number, check digit included (GS1 General Specifications, 7.9)."""
    number = 200_000_000_000 + np.arange(size, dtype=np.int64)
    digits = number[:, None] // 10 ** np.arange(GTIN_DIGITS - 1, -1, -1) % 10
    total = (digits * np.where(np.arange(GTIN_DIGITS) % 2 == 0, 1, 3)).sum(axis=1)
    return pa.array(number * 10 + (-total) % 10).cast(pa.string())


def best_sellers(operations: Operations, activity: Activity) -> Ints:
    """Items that are kept in stock, most units first."""
    units = np.bincount(operations.item_of, activity.units.sum(axis=1), operations.items.num_rows)
    order: Ints = np.argsort(-units, kind="stable")
    return order[activity.stocked[order] & (units[order] > 0)]


def _chosen(
    operations: Operations, activity: Activity, handling: Handling, spec: TroubleSpec | None
) -> tuple[Ints, Ints]:
    """Items that are sold by the piece, and items that are sold in cases."""
    if spec is None:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    by_piece = best_sellers(operations, activity)[: spec.piece_items]
    item = operations.item_of[activity.lines.cell]
    whole = (handling.case[item] > 1) & (activity.lines.quantity % (handling.case[item] * UNIT) == 0)
    cases = np.bincount(item[whole], minlength=operations.items.num_rows)
    cases[by_piece] = 0
    in_cases = np.argsort(-cases, kind="stable")[: spec.case_items]
    return by_piece, in_cases[cases[in_cases] > 0]


def expressed(
    demand: Demand,
    operations: Operations,
    activity: Activity,
    handling: Handling,
    spec: TroubleSpec | None,
    *,
    seed: int,
) -> Express:
    """Sales lines as the order desk states them: from a month on some in other units, some billed in other money.

    Quantities stay exact. Amounts are in whole cents of the other currency, so each may be off by half a cent of it.
    """
    if spec is None:
        return lambda lines: lines
    by_piece, in_cases = _chosen(operations, activity, handling, spec)
    items = operations.items.column("sku_id").combine_chunks()
    ids = demand.customers.column("customer_id").combine_chunks()
    billed = _billed(demand, spec, seed)
    change = month_back(demand, spec.change_month)
    is_piece, is_case = (np.isin(np.arange(len(items) + 1), which) for which in (by_piece, in_cases))

    def express(lines: pa.Table) -> pa.Table:
        day = local_days(lines.column("ordered_at"))
        item, customer = positions(lines.column("sku_id"), items), positions(lines.column("customer_id"), ids)
        quantity, amount = as_scaled(lines.column("quantity")), as_scaled(lines.column("net_amount"))
        after = months_of(day) >= change
        piece = after & is_piece[item] & (item >= 0)
        pack = handling.case[np.maximum(item, 0)]
        whole = after & is_case[item] & (item >= 0) & (quantity > 0) & (quantity % (pack * UNIT) == 0)
        foreign = after & billed[customer] & (customer >= 0)
        rate = rate_of(demand, spec.billed_in, day, spec, seed=seed)
        abroad = np.rint(amount / rate / CENT).astype(np.int64) * CENT
        quantity = np.where(piece, quantity * spec.pieces, np.where(whole, quantity // pack, quantity))
        unit = np.where(piece, 1, np.where(whole, 2, 0))
        stated: dict[str, Any] = {
            "quantity": as_decimal(quantity),
            "unit": pc.if_else(pa.array(unit > 0), picked((PIECE, CASE), unit - 1), lines.column("unit")),
            "net_amount": as_decimal(np.where(foreign, abroad, amount)),
            "currency": pc.if_else(pa.array(foreign), spec.billed_in, lines.column("currency")),
        }
        for name, column in stated.items():
            lines = lines.set_column(lines.column_names.index(name), name, column)
        return lines

    return express


def _billed(demand: Demand, spec: TroubleSpec, seed: int) -> np.ndarray:
    """Customers of the last region that are billed in the other currency; the last entry is for no customer."""
    regions = demand.customers.column("region").to_pylist()
    here = np.array([region == max(regions) for region in regions] + [False], dtype=np.bool_)
    drawn = np.random.default_rng([seed, 90]).random(len(regions) + 1) < spec.billed_share
    return here & drawn & (spec.billed_in != demand.currency)


def rate_of(demand: Demand, currency: str, days: Ints, spec: TroubleSpec, *, seed: int) -> Floats:
    """What a unit of a currency is worth on days since 1970-01-01: at weekends as on Friday, to four decimals."""
    low, high = spec.rates[currency]
    weekday = (days + 3) % 7
    booked = days - np.maximum(weekday - 4, 0)
    swing = np.sin(booked / MONTH_OF_SWING) + 0.3 * np.sin(booked * 1.7 + seed % 7)
    found: Floats = np.round((low + high) / 2 + (high - low) / 2 * swing / 1.3, 4)
    return found


def exchange_rates(demand: Demand, spec: TroubleSpec | None, *, seed: int) -> Rows:
    """Rates of the working days of a month, and of the first day of data."""
    base = day_number(demand.first_day)

    def rows(first: int, stop: int) -> pa.Table:
        begin, end = (day_number(month_first_day(month)) for month in (first, stop))
        days = np.arange(begin, end)
        days = days[((days + 3) % 7 < 5) | (days == base) | (days == begin)]
        currencies = [code for code in (spec.rates if spec else ()) if code != demand.currency]
        day = np.repeat(days, len(currencies))
        which = np.tile(np.arange(len(currencies)), len(days))
        rate = np.zeros(len(day))
        for number, code in enumerate(currencies):
            if spec is not None:
                rate[which == number] = rate_of(demand, code, day[which == number], spec, seed=seed)
        return pa.table(
            {
                "from_currency": picked(currencies, which),
                "to_currency": pa.array([demand.currency] * len(day), pa.string()),
                "rate_type": pa.array([RATE_TYPE] * len(day), pa.string()),
                "valid_from": pa.array(day.astype("datetime64[D]")),
                "rate": decimals(rate),
                "from_units": pa.array(np.ones(len(day), dtype=np.int64)),
            }
        )

    return rows


def item_unit_rows(
    demand: Demand, operations: Operations, activity: Activity, handling: Handling, spec: TroubleSpec | None
) -> pa.Table:
    """Cases of all items in packs, and pieces of those that are sold by the piece."""
    by_piece, _ = _chosen(operations, activity, handling, spec)
    packed = np.flatnonzero(activity.stocked & (handling.case > 1))
    item = np.concatenate([packed, by_piece])
    piece = np.arange(len(item)) >= len(packed)
    size = len(item)
    pieces = spec.pieces if spec else 1
    return pa.table(
        {
            "sku_id": operations.items.column("sku_id").take(pa.array(item)),
            "unit": picked((CASE, PIECE), piece.astype(np.int64)),
            "valid_from": pa.array([ALWAYS] * size, pa.date32()),
            "valid_to": pa.nulls(size, pa.date32()),
            "numerator": as_decimal(np.where(piece, 1, handling.case[item]) * UNIT),
            "denominator": as_decimal(np.where(piece, pieces, 1) * UNIT),
            "to_unit": pa.nulls(size, pa.string()),
        }
    )


def hierarchy_rows(
    demand: Demand, operations: Operations, activity: Activity, spec: TroubleSpec | None, *, seed: int
) -> pa.Table:
    """Category and family of stocked items as product information and the data pool of the trade have them.

    Product information knows the item number; the data pool knows the GTIN and agrees with the item master.
    """
    items = operations.items
    category, family = (np.array(items.column(name).to_pylist(), dtype=object) for name in ("category", "family"))
    there = {"category": category.copy(), "family": family.copy()}
    stocked = np.flatnonzero(activity.stocked)
    if spec is not None and len(stocked):
        rng = np.random.default_rng([seed, 91])
        draw = rng.random(len(stocked))
        moved = stocked[draw < spec.moved_families]
        there["family"][moved] = _neighbour(family, category, moved)
        elsewhere = stocked[draw > 1 - spec.moved_categories]
        there["category"][elsewhere] = _neighbour(category, np.zeros(len(category), dtype=object), elsewhere)
        if demand.not_stocked_categories:
            ranked = best_sellers(operations, activity)
            lost = ranked[len(ranked) // 3 : len(ranked) // 3 + spec.excluded_items]
            there["category"][lost] = min(demand.not_stocked_categories)
    traded = stocked[np.random.default_rng([seed, 92]).random(len(stocked)) < (spec.trade_share if spec else 0.0)]
    codes = gtins(items.num_rows)
    parts = []
    for source, which in ((MASTER, stocked), (TRADE, traded)):
        for level, own in (("category", category), ("family", family)):
            node = (there[level] if source == MASTER else own)[which]
            known = np.array([value is not None for value in node], dtype=np.bool_)
            row, size = which[known], int(known.sum())
            sku = items.column("sku_id").take(pa.array(row)).combine_chunks()
            number = sku if source == MASTER else codes.take(pa.array(row))
            parts.append(
                pa.table(
                    {
                        "hierarchy_source": pa.array([source] * size, pa.string()),
                        "source_item_id": number,
                        "level": pa.array([level] * size, pa.string()),
                        "valid_from": pa.array([demand.first_day] * size, pa.date32()),
                        "valid_to": pa.nulls(size, pa.date32()),
                        "sku_id": sku if source == MASTER else pa.nulls(size, pa.string()),
                        "gtin": codes.take(pa.array(row)),
                        "manufacturer_part_number": pa.nulls(size, pa.string()),
                        "item_text": items.column("item_name").take(pa.array(row)).combine_chunks(),
                        "node_code": pa.array(node[known].tolist(), pa.string()),
                        "node_name": pa.array(node[known].tolist(), pa.string()),
                    }
                )
            )
    return pa.concat_tables(parts)


def _neighbour(values: Any, within: Any, which: Ints) -> list[str | None]:
    """For each item the next value, in order of name, that another item of the same group has; its own if alone."""
    groups: dict[Any, list[str]] = {}
    for value, group in sorted(
        {(v, g) for v, g in zip(values.tolist(), within.tolist(), strict=True) if v and g is not None}
    ):
        groups.setdefault(group, []).append(value)
    found: list[str | None] = []
    for item in which.tolist():
        names = groups.get(within[item], [])
        found.append(names[(names.index(values[item]) + 1) % len(names)] if values[item] in names else values[item])
    return found


def drifted(rows: Rows, demand: Demand, spec: TroubleSpec | None) -> Rows:
    """Shipments with a column nobody agreed: an estimate of emissions, from a month on."""
    if spec is None:
        return rows

    def with_column(first: int, stop: int) -> pa.Table:
        table = rows(first, stop)
        if stop <= month_back(demand, spec.drift_month):
            return table
        work = as_scaled(table.column("weight_kg")) / UNIT * as_scaled(table.column("distance_km")) / UNIT / 1000
        return table.append_column(spec.drift_column, decimals(work * DRIFT_KG))

    return with_column
