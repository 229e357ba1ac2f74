"""What the ERP system of the sample company plans with: planning views, parameters, kits, and the stock budget.

Belongs here: rows of `erp/item_sites`, `planning_parameters`, `bill_of_materials` and `inventory_budget`. Does not:
what planners and the meeting change (`strata.sample.consensus`), the numbers (`strata.sample.departments`).
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from strata.sample.activity import Activity, Bools, Rows, abc, codes, dates, day_of, decimals, picked
from strata.sample.demand import Demand, day_number, month_first_day, positions
from strata.sample.departments import PlanningSpec
from strata.sample.documents import groups
from strata.sample.extracts import as_decimal, as_scaled
from strata.sample.operations import Operations
from strata.sample.replenishment import NEVER, UNIT, Floats, Ints

DAYS_A_MONTH = 365 / 12
REVIEW_DAYS = 7
STATUS = ("active", "phase_out")


@dataclass(frozen=True, slots=True)
class Desk:
    """Who plans what: planner and buyer per item-location, the item that succeeds an item (-1: none), kits.

    `launch`, `end` are days of an item from the first day of data, NEVER where there is none.
    """

    planner: Ints
    buyer: Ints
    successor: Ints
    launch: Ints
    end: Ints
    critical: Bools
    kit: Ints
    component: Ints
    component_units: Ints


def staff(demand: Demand, operations: Operations, activity: Activity, spec: PlanningSpec, *, seed: int) -> Desk:
    """Deal items out to planners by category, pair ended items with launched ones, choose kits."""
    items = operations.items
    category = pc.fill_null(items.column("category"), "").combine_chunks()
    group = pc.index_in(category, pc.unique(category)).to_numpy().astype(np.int64)
    base = day_number(demand.first_day)
    launch, end = (
        pc.fill_null(items.column(name).cast(pa.int32()), base + NEVER).to_numpy().astype(np.int64) - base
        for name in ("launch_date", "end_date")
    )
    rng = np.random.default_rng([seed, 70])
    kit, component, units = _kits(operations, activity, spec, rng)
    return Desk(
        planner=group[operations.item_of] % spec.planners + 1,
        buyer=operations.supplier_of % spec.buyers + 1,
        successor=_successors(items, launch, end),
        launch=launch,
        end=end,
        critical=np.random.default_rng([seed, 71]).random(items.num_rows) < spec.critical_share,
        kit=kit,
        component=component,
        component_units=units,
    )


def _successors(items: pa.Table, launch: Ints, end: Ints) -> Ints:
    """Within a family the first item to end is followed by the first that was launched after it, and so on."""
    family = pc.fill_null(items.column("family"), "").combine_chunks()
    code = pc.index_in(family, pc.unique(family)).to_numpy().astype(np.int64)
    successor = np.full(items.num_rows, -1, dtype=np.int64)
    ended, started = np.flatnonzero(end >= 0), np.flatnonzero(launch >= 0)
    ended = ended[np.lexsort((end[ended], code[ended]))]
    started = started[np.lexsort((launch[started], code[started]))]
    for which in (ended, started):
        if not len(which):
            return successor
    rank = [np.arange(len(w)) - np.searchsorted(code[w], code[w], side="left") for w in (ended, started)]
    span = int(max(rank[0].max(), rank[1].max())) + 1
    keys = [code[w] * span + r for w, r in zip((ended, started), rank, strict=True)]
    place = np.minimum(np.searchsorted(keys[1], keys[0]), len(started) - 1)
    met = (keys[1][place] == keys[0]) & (end[started[place]] < 0)
    successor[ended[met]] = started[place[met]]
    return successor


def _kits(
    operations: Operations, activity: Activity, spec: PlanningSpec, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    """Kits out of goods of one family: parent, component and units, one row per component."""
    family = operations.items.column("family").combine_chunks()
    code = pc.fill_null(pc.index_in(family, pc.unique(family.drop_null())), -1).to_numpy(zero_copy_only=False)
    usable = np.flatnonzero(
        (code >= 0) & activity.stocked & operations.items.column("supplier_id").is_valid().to_numpy()
    )
    known, first, count = np.unique(code[usable], return_index=True, return_counts=True)
    large = known[count > spec.kit_components[1]]
    chosen = rng.choice(large, min(spec.kits, len(large)), replace=False) if len(large) else large
    kit, component, units = [], [], []
    for number in np.sort(chosen):
        members = usable[code[usable] == number]
        size = int(rng.integers(*spec.kit_components, endpoint=True))
        some = rng.choice(members, size + 1, replace=False)
        kit.append(np.full(size, some[0]))
        component.append(some[1:])
        units.append(rng.integers(1, 3, size, endpoint=True))
    none = np.empty(0, dtype=np.int64)
    return tuple(np.concatenate(part).astype(np.int64) if part else none for part in (kit, component, units))  # type: ignore[return-value]


def item_sites(demand: Demand, operations: Operations, activity: Activity, desk: Desk) -> Rows:
    """Planning views of what is kept by then; an item that has ended names its successor from that day on."""
    supplier_ids = operations.suppliers.column("supplier_id")
    skus, sites = operations.items.column("sku_id"), demand.sites.column("location_id")
    is_kit = np.zeros(operations.items.num_rows, dtype=np.bool_)
    is_kit[desk.kit] = True

    def rows(first: int, stop: int) -> pa.Table:
        today = day_of(demand, stop)
        cell = np.flatnonzero(activity.listed < today)
        item, size = operations.item_of[cell], len(cell)
        ended = (desk.end[item] >= 0) & (desk.end[item] <= today)
        successor = np.where(ended, desk.successor[item], -1)
        replaced = successor >= 0
        return pa.table(
            {
                "sku_id": skus.take(pa.array(item)),
                "location_id": sites.take(pa.array(operations.location_of[cell])),
                "mrp_type": picked(("reorder_point", "none"), ended.astype(np.int64)),
                "planner_id": codes("PL", desk.planner[cell], 2),
                "buyer_id": codes("BU", desk.buyer[cell], 2),
                "procurement_type": picked(("external", "both"), is_kit[item].astype(np.int64)),
                "supplier_id": supplier_ids.take(pa.array(operations.supplier_of[cell])),
                "supplying_location_id": pa.nulls(size, pa.string()),
                "lot_size_rule": pa.array(["replenish_to_max"] * size, pa.string()),
                "planning_fence_days": pa.nulls(size, pa.int64()),
                "fulfilment_strategy": pa.array(["to_stock"] * size, pa.string()),
                "availability_group": pa.array(["02"] * size, pa.string()),
                "is_critical": pa.array(desk.critical[item]),
                "status": picked(STATUS, ended.astype(np.int64)),
                "status_from": dates(demand, np.where(ended, desk.end[item], NEVER)),
                "successor_sku_id": skus.take(pa.array(successor, mask=~replaced)),
                "discontinued_on": dates(demand, np.where(replaced, desk.end[item], NEVER)),
            }
        )

    return rows


def planning_parameters(
    demand: Demand, operations: Operations, activity: Activity, desk: Desk, spec: PlanningSpec, *, seed: int
) -> Rows:
    """What MRP holds: a rule of thumb in days of demand, looked at twice a year and stale in between.

    An item that came after the last look has no safety stock yet; some delivery times are those of long ago.
    """
    terms = operations.supplier_items
    row = positions(operations.items.column("sku_id"), terms.column("sku_id").combine_chunks())[operations.item_of]
    bought, row = row >= 0, np.maximum(row, 0)
    pack, minimum, lead = (np.zeros(len(row), dtype=np.int64) for _ in range(3))
    if terms.num_rows:
        pack, minimum = (as_scaled(terms.column(name))[row] for name in ("order_multiple", "min_order_quantity"))
        lead = terms.column("planned_lead_time_days").to_numpy()[row]
    rng = np.random.default_rng([seed, 72])
    old = rng.random(len(row)) < spec.stale_lead_share
    factor = rng.uniform(*spec.stale_lead_factor, len(row))
    lead = np.where(old, np.maximum(np.rint(lead * factor), 1).astype(np.int64), lead)
    skus, sites = operations.items.column("sku_id"), demand.sites.column("location_id")

    def rows(first: int, stop: int) -> pa.Table:
        cell = np.flatnonzero(activity.listed < day_of(demand, stop))
        size = len(cell)
        reviewed = stop - (stop - desk.planner) % spec.review_months
        mean, value = np.zeros(len(row)), np.zeros(len(row))
        for month in np.unique(reviewed):
            which = reviewed == month
            mean[which] = activity.before(activity.units, int(month), spec.look_back_months)[which] / DAYS_A_MONTH
            value[which] = activity.before(activity.value, int(month), spec.look_back_months)[which]
        known = (mean > 0)[cell] & bought[cell]
        grade = abc(value, spec.abc_shares)[cell]
        safety = np.ceil(mean[cell] * np.array(spec.safety_days)[grade])
        reorder = np.ceil(mean[cell] * (lead[cell] + spec.goods_receipt_days)) + safety
        upper = reorder + np.maximum(np.ceil(mean[cell] * DAYS_A_MONTH), minimum[cell] / UNIT)
        looked = np.array([(month_first_day(int(m)) - demand.first_day).days for m in reviewed[cell]], dtype=np.int64)
        return pa.table(
            {
                "sku_id": skus.take(pa.array(operations.item_of[cell])),
                "location_id": sites.take(pa.array(operations.location_of[cell])),
                "abc_indicator": picked(("A", "B", "C"), np.where(known, grade, -1)),
                "safety_stock_units": decimals(safety, ~known),
                "reorder_point_units": decimals(reorder, ~known),
                "max_stock_units": decimals(upper, ~known),
                "min_lot_units": as_decimal(minimum[cell], ~bought[cell]),
                "max_lot_units": pa.nulls(size, pa.decimal128(18, 4)),
                "fixed_lot_units": pa.nulls(size, pa.decimal128(18, 4)),
                "rounding_units": as_decimal(pack[cell], ~bought[cell]),
                "planned_delivery_days": pa.array(lead[cell], mask=~bought[cell]),
                "goods_receipt_days": pa.array(np.full(size, spec.goods_receipt_days)),
                "in_house_days": pa.nulls(size, pa.int64()),
                "safety_time_days": pa.nulls(size, pa.int64()),
                "review_days": pa.array(np.full(size, REVIEW_DAYS)),
                "service_level": pa.nulls(size, pa.decimal128(18, 4)),
                "changed_on": dates(demand, np.where(known, np.maximum(looked, 0), NEVER)),
                "changed_by": codes("PL", np.where(known, desk.planner[cell], -1), 2),
            }
        )

    return rows


def bill_of_materials(demand: Demand, operations: Operations, activity: Activity, desk: Desk) -> Rows:
    """Kits at the locations that keep them; a kit is put together where its supplier does not deliver."""
    order = np.argsort(operations.item_of, kind="stable")
    begin = np.searchsorted(operations.item_of[order], desk.kit, side="left")
    end = np.searchsorted(operations.item_of[order], desk.kit, side="right")
    line = np.repeat(np.arange(len(desk.kit)), end - begin)
    within = np.arange(len(line)) - np.repeat(np.cumsum(end - begin) - (end - begin), end - begin)
    cell = order[begin[line] + within] if len(line) else np.empty(0, dtype=np.int64)
    _, number = groups(desk.kit)
    skus, sites = operations.items.column("sku_id"), demand.sites.column("location_id")

    def rows(first: int, stop: int) -> pa.Table:
        kept = activity.listed[cell] < day_of(demand, stop)
        which, part = cell[kept], line[kept]
        size = len(which)
        return pa.table(
            {
                "sku_id": skus.take(pa.array(operations.item_of[which])),
                "location_id": sites.take(pa.array(operations.location_of[which])),
                "alternative": pa.array(["1"] * size, pa.string()),
                "bom_position": pa.array((number[part] + 1) * 10),
                "component_sku_id": skus.take(pa.array(desk.component[part])),
                "quantity": as_decimal(desk.component_units[part] * UNIT),
                "unit": pa.array(["EA"] * size, pa.string()),
                "base_quantity": as_decimal(np.full(size, UNIT)),
                "scrap_share": pa.nulls(size, pa.decimal128(18, 4)),
                "is_phantom": pa.array(np.zeros(size, dtype=np.bool_)),
                "valid_from": dates(demand, np.zeros(size, dtype=np.int64)),
                "valid_to": pa.nulls(size, pa.date32()),
            }
        )

    return rows


def inventory_budget(demand: Demand, operations: Operations, spec: PlanningSpec) -> Rows:
    """Budgets by region and family: the plan of each year from its first month, and its revision in the middle."""
    years = range(demand.first_day.year, demand.last_day.year + 2)
    first_month = demand.first_day.year * 12 + demand.first_day.month - 1
    books = [("plan", year, 1, max(year * 12 - 1, first_month), 1.0) for year in years] + [
        ("revision", year, spec.budget_month, year * 12 + spec.budget_month - 2, spec.budget_cut) for year in years
    ]
    region, family, level = _stock_value(demand, operations)

    def rows(first: int, stop: int) -> pa.Table:
        parts = [
            _budget(demand, region, family, level * factor * spec.budget_growth, name, year, month)
            for name, year, month, agreed, factor in books
            if first <= agreed < stop
        ]
        return (
            pa.concat_tables(parts)
            if parts
            else _budget(demand, region, family, level, "plan", years[0], 1).slice(0, 0)
        )

    return rows


def _stock_value(demand: Demand, operations: Operations) -> tuple[list[str], list[str], Floats]:
    """Region, family and mean value of stock at standard cost over the first quarter of data."""
    cost = pc.fill_null(operations.items.column("standard_cost"), 0).cast(pa.float64()).to_numpy()
    early = operations.stock.on_hand[:13] if len(operations.stock.days) else np.zeros((1, len(cost)), dtype=np.int64)
    value = np.maximum(early, 0).mean(axis=0) / UNIT * cost[operations.item_of]
    frame = pa.table(
        {
            "region": demand.sites.column("region").take(pa.array(operations.location_of)),
            "family": operations.items.column("family").take(pa.array(operations.item_of)),
            "value": pa.array(value),
        }
    )
    frame = frame.filter(pc.is_valid(frame.column("family")))
    total = frame.group_by(["region", "family"]).aggregate([("value", "sum")])
    total = total.sort_by([("region", "ascending"), ("family", "ascending")])
    total = total.filter(pc.greater(total.column("value_sum"), 0))
    return total["region"].to_pylist(), total["family"].to_pylist(), total["value_sum"].to_numpy()


def _budget(
    demand: Demand, region: list[str], family: list[str], level: Floats, name: str, year: int, month: int
) -> pa.Table:
    """Lines of one budget from a month of its year to the last, stock growing a little towards the year's end."""
    months = np.arange(month - 1, 12)
    scope, period = np.repeat(np.arange(len(region)), len(months)), np.tile(months, len(region))
    start = np.datetime64(f"{year}-01", "M") + period
    value = np.round(level[scope] * (1 + 0.1 * np.sin(np.pi * period / 11)), -1) + 10
    size = len(scope)
    return pa.table(
        {
            "budget_version": pa.array([f"{year}-{name}"] * size, pa.string()),
            "region": picked(region, scope),
            "scope_type": pa.array(["family"] * size, pa.string()),
            "scope_value": picked(family, scope),
            "period_start": pa.array(start.astype("datetime64[D]")),
            "period_end": pa.array((start + 1).astype("datetime64[D]") - 1),
            "fiscal_year": pa.array(np.full(size, year)),
            "fiscal_period": pa.array(period + 1),
            "budget_value": decimals(value),
            "currency": pa.array([demand.currency] * size, pa.string()),
            "status": pa.array(["approved"] * size, pa.string()),
            "approved_on": pa.array(
                np.full(size, np.datetime64(f"{year}-{month:02d}", "M")).astype("datetime64[D]") - 20
            ),
        }
    )
