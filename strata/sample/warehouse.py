"""Warehouses of the sample company: how goods are handled, slots, postings of stock, pick tasks.

Belongs here: rows of the feeds of the warehouse system beyond stock counts. Does not: stock itself
(`strata.sample.replenishment`), the numbers behind all this (`strata.sample.departments`).
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from strata.sample.activity import (
    DAY,
    Activity,
    Rows,
    abc,
    codes,
    dates_text,
    day_of,
    decimals,
    instants,
    picked,
)
from strata.sample.demand import Demand, day_number, months_of, positions
from strata.sample.departments import PlanningSpec, WarehouseSpec
from strata.sample.documents import Papers, groups
from strata.sample.extracts import as_decimal, as_scaled
from strata.sample.operations import Operations
from strata.sample.replenishment import UNIT, Floats, Ints

CLIMATES = ("ambient", "chilled", "frozen")
ZONES = ("A", "C", "F")
HOUR = 3600
TUESDAY_BEFORE, THURSDAY_BEFORE = 5, 3  # days before a count on Sunday


@dataclass(frozen=True, slots=True)
class Handling:
    """Physical facts per item: volume in litres, weight in kg, climate (index into CLIMATES), units per pack."""

    litres: Floats
    kilograms: Floats
    sides_mm: Floats
    climate: Ints
    case: Ints
    layer: Ints
    pallet: Ints


@dataclass(frozen=True, slots=True)
class Slots:
    """Slots of all locations: those of item-locations first, in their order, then free ones.

    `cell` is the item-location that stands there, -1 in a free slot.
    """

    slot_id: pa.Array
    location: Ints
    zone: Ints
    aisle: Ints
    level: Ints
    travel_m: Floats
    cell: Ints


def handle(demand: Demand, operations: Operations, spec: WarehouseSpec, *, seed: int) -> Handling:
    """Draw what every item measures; the case is the pack that it is ordered in."""
    items = operations.items.num_rows
    rng = np.random.default_rng([seed, 40])
    low, high = np.log(spec.litres)
    litres = np.exp(rng.uniform(low, high, items))
    shape = rng.uniform(0.6, 1.6, (3, items))
    sides = np.rint(shape * np.cbrt(litres * 1e6 / shape.prod(axis=0)))
    terms = operations.supplier_items
    row = positions(operations.items.column("sku_id"), terms.column("sku_id").combine_chunks())
    pack = np.where(row >= 0, (as_scaled(terms.column("order_multiple")) // UNIT)[row], 1) if terms.num_rows else row
    case = np.maximum(pack, 1)
    layer = case * rng.integers(*spec.cases_per_layer, items, endpoint=True)
    return Handling(
        litres=sides.prod(axis=0) / 1e6,
        kilograms=np.maximum(np.round(litres * rng.uniform(*spec.kg_per_litre, items), 3), 0.001),
        sides_mm=sides,
        climate=_climate(demand, spec),
        case=case,
        layer=layer,
        pallet=layer * rng.integers(*spec.layers_per_pallet, items, endpoint=True),
    )


def _climate(demand: Demand, spec: WarehouseSpec) -> Ints:
    """Index into CLIMATES, from words in category and family."""
    text = pc.binary_join_element_wise(
        pc.fill_null(demand.items.column("category"), ""), pc.fill_null(demand.items.column("family"), ""), " "
    )
    found = np.zeros(demand.items.num_rows, dtype=np.int64)
    for index, words in ((1, spec.chilled), (2, spec.frozen)):
        for word in words:
            found[pc.match_substring(text, word).to_numpy(zero_copy_only=False)] = index
    return found


def lay_out(demand: Demand, operations: Operations, handling: Handling, spec: WarehouseSpec, *, seed: int) -> Slots:
    """Give every item-location a slot in the zone of its climate, in a seeded order that knows nothing of turnover."""
    rng = np.random.default_rng([seed, 43])
    cells = len(operations.item_of)
    location, zone = operations.location_of, handling.climate[operations.item_of]
    count = np.zeros((demand.sites.num_rows, len(ZONES)), dtype=np.int64)
    np.add.at(count, (location, zone), 1)
    free = np.ceil(count * spec.free_slots).astype(np.int64)
    place = np.arange(count.size)
    location = np.concatenate([location, np.repeat(place // len(ZONES), free.ravel())])
    zone = np.concatenate([zone, np.repeat(place % len(ZONES), free.ravel())])
    order = np.lexsort((rng.random(len(location)), zone, location))
    _, within = groups(location[order], zone[order])
    number = np.empty(len(location), dtype=np.int64)
    number[order] = within
    per_aisle = spec.bays * spec.levels
    aisle, bay, level = number // per_aisle + 1, number % per_aisle // spec.levels + 1, number % spec.levels
    text = pc.binary_join_element_wise(
        picked(ZONES, zone), _digits(aisle, 2), "-", _digits(bay, 3), "-", _digits(level, 1), ""
    )
    travel = spec.dock_m + aisle * spec.aisle_m + bay * spec.bay_m
    cell = np.concatenate([np.arange(cells), np.full(len(location) - cells, -1)])
    return Slots(text, location, zone, aisle, level, travel, cell)


def _digits(numbers: Ints, width: int) -> pa.Array:
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")


def item_handling(
    demand: Demand, operations: Operations, activity: Activity, handling: Handling, planning: PlanningSpec
) -> Rows:
    """Items kept anywhere by then; the velocity code is that of the last half-yearly report."""

    def rows(first: int, stop: int) -> pa.Table:
        listed = np.full(operations.items.num_rows, demand.days, dtype=np.int64)
        np.minimum.at(listed, operations.item_of, activity.listed)
        which = np.flatnonzero(activity.stocked & (listed < day_of(demand, stop)))
        reviewed = stop - stop % planning.review_months
        units = np.bincount(
            operations.item_of,
            activity.before(activity.units, reviewed, planning.look_back_months),
            operations.items.num_rows,
        ).astype(np.float64)
        packed = handling.case[which] > 1
        return pa.table(
            {
                "sku_id": operations.items.column("sku_id").take(pa.array(which)),
                **{
                    f"{side}_mm": decimals(handling.sides_mm[number][which])
                    for number, side in enumerate(("length", "width", "height"))
                },
                "weight_kg": decimals(handling.kilograms[which]),
                "units_per_case": as_decimal(handling.case[which] * UNIT, ~packed),
                "units_per_layer": as_decimal(handling.layer[which] * UNIT),
                "units_per_pallet": as_decimal(handling.pallet[which] * UNIT),
                "temperature_class": picked(CLIMATES, handling.climate[which]),
                "hazard_class": pa.nulls(len(which), pa.string()),
                "shelf_life_days": pa.array(
                    np.array([0, 14, 180])[handling.climate[which]], pa.int64(), mask=handling.climate[which] == 0
                ),
                "is_stackable": pa.array(handling.climate[which] != 1),
                "handling_unit": picked(("piece", "case"), (handling.case[which] >= 12).astype(np.int64)),
                "velocity_code": picked(("A", "B", "C"), abc(units, planning.abc_shares)[which]),
            }
        )

    return rows


def slots(
    demand: Demand, operations: Operations, activity: Activity, handling: Handling, layout: Slots,
    spec: WarehouseSpec, *, seed: int,
) -> Rows:  # fmt: skip
    """All slots, each with the item that is kept there by then."""
    blocked = (layout.cell < 0) & (np.random.default_rng([seed, 44]).random(len(layout.cell)) < spec.blocked_share)
    litres = np.prod(np.array(spec.slot_mm, dtype=np.float64)) / 1e6
    fits = np.maximum(np.floor(litres * spec.slot_fill / handling.litres), 1)
    size = len(layout.cell)
    sides = {
        f"{side}_mm": decimals(np.full(size, float(spec.slot_mm[number])))
        for number, side in enumerate(("length", "width", "height"))
    }

    def rows(first: int, stop: int) -> pa.Table:
        cell = np.maximum(layout.cell, 0)
        empty = (layout.cell < 0) | (activity.listed[cell] >= day_of(demand, stop))
        item = np.where(empty, -1, operations.item_of[cell])
        return pa.table(
            {
                "location_id": demand.sites.column("location_id").take(pa.array(layout.location)),
                "slot_id": layout.slot_id,
                "zone": picked(ZONES, layout.zone),
                "aisle": _digits(layout.aisle, 2),
                "rack_level": pa.array(layout.level),
                "slot_type": pa.array(["pick"] * size, pa.string()),
                "temperature_class": picked(CLIMATES, layout.zone),
                **sides,
                "max_weight_kg": decimals(np.full(size, float(spec.slot_kg))),
                "travel_m": decimals(layout.travel_m),
                "is_golden_zone": pa.array((layout.level == 1) | (layout.level == 2)),
                "sku_id": operations.items.column("sku_id").take(pa.array(item, mask=empty)),
                "capacity_units": decimals(fits[np.maximum(item, 0)], empty),
                "status": picked(("active", "blocked"), blocked.astype(np.int64)),
            }
        )

    return rows


def movements(
    demand: Demand, operations: Operations, activity: Activity, papers: Papers, spec: WarehouseSpec, *, seed: int
) -> Rows:
    """Issues of a day per item and location, receipts, and units that are lost and found between two counts."""
    lines, base = activity.lines, day_number(demand.first_day)
    day = lines.second // DAY
    line_month = months_of(day + base)
    lost, found_cell, lost_day = _misplaced(operations, spec, seed)
    lost_month = months_of(lost_day + base)
    skus, sites = operations.items.column("sku_id"), demand.sites.column("location_id")

    def posted(prefix: str, day: Ints, cell: Ints, quantity: Ints, kind: Ints, hour: int) -> pa.Table:
        location = operations.location_of[cell]
        order = np.lexsort((cell, location, kind, day))
        day, cell, quantity, kind, location = (v[order] for v in (day, cell, quantity, kind, location))
        group, within = groups(day, kind, location)
        size = len(cell)
        number = pc.binary_join_element_wise(
            prefix, dates_text(demand, day), _digits(location + 1, 3), picked(("", "L", "F"), kind), ""
        )
        return pa.table(
            {
                "movement_id": number,
                "movement_line": pa.array(within + 1),
                "sku_id": skus.take(pa.array(operations.item_of[cell])),
                "location_id": sites.take(pa.array(location)),
                "movement_type": picked(("issue_sale", "count_loss", "count_gain"), kind),
                "moved_at": instants(demand, day * DAY + hour * HOUR + group % 60 * 60),
                "quantity": as_decimal(quantity),
                "unit": pa.array(["EA"] * size, pa.string()),
                "stock_status": pa.array(["unrestricted"] * size, pa.string()),
                "reference_type": picked(("count",), np.where(kind > 0, 0, -1)),
                "reference_id": pa.nulls(size, pa.string()),
                "reason_code": picked(("MISPLACED",), np.where(kind > 0, 0, -1)),
            }
        )

    def rows(first: int, stop: int) -> pa.Table:
        begin = max(first, stop - spec.posting_months)
        sold = (line_month >= begin) & (line_month < stop)
        key, where = np.unique(day[sold] * len(operations.item_of) + lines.cell[sold], return_inverse=True)
        quantity = np.bincount(where, lines.quantity[sold], len(key)).astype(np.int64)
        issue_day, issue_cell = np.divmod(key, max(len(operations.item_of), 1))
        issues = posted("GI", issue_day, issue_cell, quantity, np.zeros(len(key), dtype=np.int64), 19)
        counted = (lost_month >= begin) & (lost_month < stop)
        counts = posted(
            "IC", lost_day[counted], found_cell[counted], np.full(int(counted.sum()), UNIT), lost[counted], 15
        )
        received = papers.receipts.filter(pa.array((papers.receipts_month >= begin) & (papers.receipts_month < stop)))
        size = received.num_rows
        receipts = pa.table(
            {
                "movement_id": pc.binary_join_element_wise("GR", received.column("receipt_id"), ""),
                "movement_line": received.column("receipt_line"),
                "sku_id": received.column("sku_id"),
                "location_id": received.column("location_id"),
                "movement_type": pa.array(["receipt"] * size, pa.string()),
                "moved_at": received.column("received_at"),
                "quantity": received.column("quantity"),
                "unit": received.column("unit"),
                "stock_status": pa.array(["unrestricted"] * size, pa.string()),
                "reference_type": pa.array(["receipt"] * size, pa.string()),
                "reference_id": received.column("receipt_id"),
                "reason_code": pa.nulls(size, pa.string()),
            }
        )
        return pa.concat_tables([issues, counts, receipts.cast(issues.schema)])

    return rows


def _misplaced(operations: Operations, spec: WarehouseSpec, seed: int) -> tuple[Ints, Ints, Ints]:
    """Kind (1 lost, 2 found), item-location and day of units that are missed for two days of a week."""
    stock = operations.stock
    kinds, cells, days = [], [], []
    # one draw per week, so that a week does not depend on how many there are
    for number in range(1, len(stock.days)):
        kept = np.flatnonzero((stock.on_hand[number - 1] >= UNIT) & (stock.on_hand[number] >= UNIT))
        rng = np.random.default_rng([seed, 41, number])
        some = rng.choice(kept, int(np.ceil(len(kept) * spec.misplaced_share)), replace=False)
        for kind, back in ((1, TUESDAY_BEFORE), (2, THURSDAY_BEFORE)):
            kinds.append(np.full(len(some), kind))
            cells.append(some)
            days.append(np.full(len(some), stock.days[number] - back))
    none = np.empty(0, dtype=np.int64)
    return (
        np.concatenate(kinds) if kinds else none,
        np.concatenate(cells) if cells else none,
        np.concatenate(days) if days else none,
    )


def pick_tasks(
    demand: Demand, operations: Operations, activity: Activity, layout: Slots, spec: WarehouseSpec, *, seed: int
) -> Rows:
    """Tasks of the last days of the month before `stop`: one per sales line, released in waves, priority first."""
    lines = activity.lines
    day = lines.second // DAY
    priority_of = pc.fill_null(demand.customers.column("priority"), 5).to_numpy()

    def rows(first: int, stop: int) -> pa.Table:
        end = day_of(demand, stop)
        begin = max(end - spec.task_days, day_of(demand, stop - 1))
        taken = np.flatnonzero((day >= begin) & (day < end))
        rng = np.random.default_rng([seed, 42, stop])
        cell, size = lines.cell[taken], len(taken)
        customer = lines.customer[taken]
        priority = np.where(customer >= 0, priority_of[np.maximum(customer, 0)], 5)
        wave = (lines.second[taken] // (spec.wave_hours * HOUR) + 1) * spec.wave_hours * HOUR
        wait = rng.exponential(spec.pick_wait_minutes * 60, size) * priority
        start = wave + np.rint(wait).astype(np.int64)
        units = lines.quantity[taken] / UNIT
        work = spec.pick_seconds + spec.pick_seconds_metre * layout.travel_m[cell] + spec.pick_seconds_unit * units
        done = start + np.rint(work * rng.uniform(0.8, 1.3, size)).astype(np.int64)
        short = (rng.random(size) < spec.short_share) & (lines.quantity[taken] > UNIT)
        # a short task is followed by one for the unit that was missing
        again = np.flatnonzero(short)
        row = np.concatenate([np.arange(size), again])
        follows = np.arange(len(row)) >= size
        quantity = np.where(follows, UNIT, lines.quantity[taken][row])
        source = pa.array(lines.row[taken][row])
        later = np.where(follows, 2 * spec.wave_hours * HOUR, 0)
        task = pc.binary_join_element_wise(
            "T", _digits(lines.row[taken][row], 9), picked(("1", "2"), follows.astype(np.int64)), ""
        )
        picker = rng.integers(1, spec.pickers, len(row), endpoint=True)
        return pa.table(
            {
                "location_id": demand.sites.column("location_id").take(pa.array(operations.location_of[cell[row]])),
                "task_id": task,
                "wave_id": pc.binary_join_element_wise("W", _digits(wave[row] // HOUR, 6), ""),
                "order_id": demand.lines.column("order_id").take(source),
                "order_line": demand.lines.column("order_line").take(source),
                "customer_id": demand.lines.column("customer_id").take(source),
                "sku_id": operations.items.column("sku_id").take(pa.array(operations.item_of[cell[row]])),
                "slot_id": layout.slot_id.take(pa.array(cell[row])),
                "priority": pa.array(priority[row]),
                "quantity": as_decimal(quantity),
                "picked_quantity": as_decimal(np.where(~follows & short[row], quantity - UNIT, quantity)),
                "unit": demand.lines.column("unit").take(source),
                "created_at": instants(demand, wave[row] + later),
                "due_at": instants(demand, (wave[row] + later) // DAY * DAY + 20 * HOUR + later),
                "started_at": instants(demand, start[row] + later),
                "confirmed_at": instants(demand, done[row] + later),
                "picker_id": codes("PK", picker, 2),
                "status": picked(("done", "short"), (~follows & short[row]).astype(np.int64)),
            }
        )

    return rows
