"""The planning system of the sample company: overrides of forecasts, decisions of the meeting, what sites can do.

Belongs here: rows of the feeds of the planning system. Does not: what MRP plans with (`strata.sample.planning`), the
numbers behind bias and slack (`strata.sample.departments`).
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from strata.sample.accounts import largest_categories
from strata.sample.activity import DAY, Activity, Rows, codes, dates, day_of, decimals, instants, picked
from strata.sample.demand import Demand, month_first_day
from strata.sample.departments import PlanningSpec, WarehouseSpec
from strata.sample.operations import Operations
from strata.sample.planning import Desk
from strata.sample.replenishment import UNIT, Floats
from strata.sample.warehouse import CLIMATES, ZONES, Handling

HOUR = 3600
MEETING_DAY = 22
ENTRY_DAY = 19
WEEK = 7
REASONS = ("promotion", "customer_information", "market", "correction")


def forecast_overrides(
    demand: Demand, operations: Operations, activity: Activity, desk: Desk, spec: PlanningSpec, *, seed: int
) -> Rows:
    """Overrides that planners enter in a month for the next: half of the planners lean to one side."""
    bias = np.ones(spec.planners + 1)
    drawn = np.random.default_rng([seed, 80]).uniform(*spec.bias, spec.planners + 1)
    bias[2::2] = drawn[2::2]
    regions = demand.sites.column("region")
    campaign = _campaigns(demand, operations)

    def entered(month: int) -> pa.Table:
        rng = np.random.default_rng([seed, 81, month])
        base = activity.before(activity.units, month, spec.look_back_months)
        wanted = int(np.ceil(len(base) * spec.override_share))
        luck = base * rng.lognormal(0.0, 1.0, len(base))
        cell = np.sort(np.argsort(-luck, kind="stable")[:wanted])
        cell = cell[base[cell] > 0]
        size = len(cell)
        factor = bias[desk.planner[cell]] * rng.lognormal(0.0, spec.override_noise, size)
        promotion = campaign.get(month + 1, {})
        evidence = [promotion.get(int(c)) for c in cell]
        other = rng.integers(1, len(REASONS), size)
        reason = np.where(np.array([e is None for e in evidence], dtype=np.bool_), other, 0)
        day = day_of(demand, month) + ENTRY_DAY - 1
        second = day * DAY + rng.integers(8 * HOUR, 17 * HOUR, size)
        after = day_of(demand, month + 2) - 1
        return pa.table(
            {
                "override_id": pa.array([f"OV{_label(month)}-{n + 1:05d}" for n in range(size)], pa.string()),
                "sku_id": operations.items.column("sku_id").take(pa.array(operations.item_of[cell])),
                "location_id": demand.sites.column("location_id").take(pa.array(operations.location_of[cell])),
                "region": regions.take(pa.array(operations.location_of[cell])),
                "period_start": pa.array([month_first_day(month + 1)] * size, pa.date32()),
                "bucket": pa.array(["month"] * size, pa.string()),
                "baseline_units": decimals(np.round(base[cell], 2)),
                "override_units": decimals(np.ceil(base[cell] * factor)),
                "reason_code": picked(REASONS, reason),
                "evidence_id": pa.array(evidence, pa.string()),
                "comment": pa.nulls(size, pa.string()),
                "planner_id": codes("PL", desk.planner[cell], 2),
                "entered_at": instants(demand, second),
                "expires_on": dates(demand, np.full(size, after)),
                "status": pa.array(["active"] * size, pa.string()),
            }
        )

    def rows(first: int, stop: int) -> pa.Table:
        # nothing to look back on in the first month of data
        months = range(max(first, activity.first_month + 1), stop)
        parts = [entered(month) for month in months]
        return pa.concat_tables(parts) if parts else entered(activity.first_month).slice(0, 0)

    return rows


def _label(month: int) -> str:
    return f"{month // 12}{month % 12 + 1:02d}"


def _campaigns(demand: Demand, operations: Operations) -> dict[int, dict[int, str]]:
    """The first promotion of each item-location in each month, by month number and item-location."""
    promotions = demand.promotions
    if not promotions.num_rows:
        return {}
    skus = operations.items.column("sku_id").combine_chunks()
    item = pc.fill_null(pc.index_in(promotions.column("sku_id"), skus), -1).to_numpy()
    sites = demand.sites.column("location_id").combine_chunks()
    place = pc.fill_null(pc.index_in(promotions.column("location_id"), sites), -1).to_numpy()
    keys = operations.item_of * demand.sites.num_rows + operations.location_of
    wanted = item.astype(np.int64) * demand.sites.num_rows + place
    cell = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    good = np.flatnonzero((item >= 0) & (place >= 0) & (keys[cell] == wanted))
    starts = promotions.column("starts_on").to_numpy()[good].astype("datetime64[M]").astype(np.int64) + 1970 * 12
    ids = promotions.column("promotion_id").take(pa.array(good)).to_pylist()
    found: dict[int, dict[int, str]] = {}
    for month, where, name in zip(starts.tolist(), cell[good].tolist(), ids, strict=True):
        found.setdefault(month, {}).setdefault(where, name)
    return found


def consensus_decisions(
    demand: Demand, operations: Operations, activity: Activity, spec: PlanningSpec, *, seed: int
) -> Rows:
    """Once a month the largest categories of every region are talked about, for the month after."""
    regions = sorted(set(demand.sites.column("region").to_pylist()))
    region_of = np.array([regions.index(name) for name in demand.sites.column("region").to_pylist()])
    region_of = region_of[operations.location_of]
    category_of = operations.items.column("category").take(pa.array(operations.item_of)).combine_chunks()
    scopes: list[tuple[str, str]] = []
    scope_of = np.full(len(region_of), -1)
    for number, region in enumerate(regions):
        here = region_of == number
        value = np.where(here, activity.value.sum(axis=1), 0.0)
        for category in largest_categories(operations, value)[: spec.consensus_categories]:
            member = pc.fill_null(pc.equal(category_of, category), False).to_numpy(zero_copy_only=False)
            scope_of[here & member] = len(scopes)
            scopes.append((region, category))
    is_in = scope_of >= 0

    def decided(month: int) -> pa.Table:
        rng = np.random.default_rng([seed, 82, month])
        base = activity.before(activity.units, month, spec.look_back_months)
        size = len(scopes)
        statistical = np.bincount(scope_of[is_in], base[is_in], size).astype(np.float64)
        sales = np.ceil(statistical * spec.sales_optimism * rng.lognormal(0.0, 0.03, size))
        finance = np.ceil(statistical * spec.finance_caution * rng.lognormal(0.0, 0.02, size))
        weight = rng.uniform(0.0, 1.0, size)
        agreed = np.ceil(weight * sales + (1 - weight) * finance)
        change = agreed / np.maximum(statistical, 1) - 1
        kind = np.where(np.abs(change) <= spec.agreement_share, 0, np.where(change > 0, 1, 2))
        agreed = np.where(kind == 0, np.ceil(statistical), agreed)
        day = day_of(demand, month) + MEETING_DAY - 1
        dated = np.full(size, day)
        return pa.table(
            {
                "decision_id": pa.array([f"CD{_label(month)}-{n + 1:03d}" for n in range(size)], pa.string()),
                "meeting_date": dates(demand, dated),
                "region": pa.array([region for region, _ in scopes], pa.string()),
                "scope_type": pa.array(["category"] * size, pa.string()),
                "scope_value": pa.array([category for _, category in scopes], pa.string()),
                "period_start": pa.array([month_first_day(month + 1)] * size, pa.date32()),
                "decision": picked(("accept", "raise", "lower"), kind),
                "statistical_units": decimals(np.round(statistical, 2)),
                "sales_units": decimals(sales),
                "finance_units": decimals(finance),
                "agreed_units": decimals(agreed),
                "owner_id": codes("PL", np.arange(size) % spec.planners + 1, 2),
                "due_on": dates(demand, dated + WEEK),
                "decided_at": instants(demand, dated * DAY + 15 * HOUR + np.arange(size) * 60),
                "rationale": pa.nulls(size, pa.string()),
            }
        )

    def rows(first: int, stop: int) -> pa.Table:
        parts = [decided(month) for month in range(max(first, activity.first_month + 1), stop)]
        return pa.concat_tables(parts) if parts else decided(activity.first_month).slice(0, 0)

    return rows


def resource_plan(
    demand: Demand, operations: Operations, activity: Activity, handling: Handling, spec: PlanningSpec,
    warehouse: WarehouseSpec, *, seed: int,
) -> Rows:  # fmt: skip
    """Hours and pallet places per location and week, planned in a month for the weeks that begin in the next.

    What is planned is what was used on average in the weeks of the two months before the plan was made.
    """
    locations = demand.sites.num_rows
    weeks = demand.days // WEEK + 1
    monday = (-demand.first_day.weekday()) % WEEK
    use = _weekly_use(demand, operations, activity, handling, warehouse, weeks)
    kinds: tuple[tuple[str, str, str | None, str, float], ...] = tuple(
        (f"PAL-{zone}", "pallet_places", climate, "pallets", spec.pallet_cost)
        for zone, climate in zip(ZONES, CLIMATES, strict=True)
    )
    kinds = (("PICK", "picking", None, "hours", spec.hour_cost), *kinds)
    slack = np.random.default_rng([seed, 83]).uniform(1.0, spec.resource_slack, (len(kinds), locations))

    def planned(month: int) -> pa.Table:
        start, stop = day_of(demand, month), day_of(demand, month + 1)
        begins = np.arange(start + (monday - start) % WEEK, stop, WEEK)
        back = [max(day_of(demand, month - 3), 0) // WEEK, max(day_of(demand, month - 1), WEEK) // WEEK]
        mean = use[:, :, back[0] : max(back[1], back[0] + 1)].mean(axis=2)
        kind, place, week = (
            v.ravel()
            for v in np.meshgrid(np.arange(len(kinds)), np.arange(locations), np.arange(len(begins)), indexing="ij")
        )
        size = len(kind)
        available = np.ceil(mean * slack)[kind, place]
        hourly = kind == 0
        first = np.array([item[4] for item in kinds])
        return pa.table(
            {
                "location_id": demand.sites.column("location_id").take(pa.array(place)),
                "resource_id": picked([item[0] for item in kinds], kind),
                "resource_type": picked([item[1] for item in kinds], kind),
                "temperature_class": pa.array([item[2] for item in kinds], pa.string()).take(pa.array(kind)),
                "period_start": dates(demand, begins[week]),
                "period_end": dates(demand, begins[week] + WEEK - 1),
                "capacity_unit": picked([item[3] for item in kinds], kind),
                "available_quantity": decimals(available),
                "planned_quantity": decimals(np.round(mean[kind, place], 2)),
                "overtime_quantity": decimals(np.floor(available * spec.overtime_share), ~hourly),
                "unit_cost": decimals(first[kind]),
                "currency": pa.array([demand.currency] * size, pa.string()),
            }
        )

    def rows(first: int, stop: int) -> pa.Table:
        begin = first if first > activity.first_month else first - 1
        return pa.concat_tables([planned(month + 1) for month in range(begin, stop)])

    return rows


def _weekly_use(
    demand: Demand, operations: Operations, activity: Activity, handling: Handling, warehouse: WarehouseSpec, weeks: int
) -> Floats:
    """Picking hours and pallets in stock by climate: resources x locations x weeks."""
    locations, lines = demand.sites.num_rows, activity.lines
    use = np.zeros((4, locations, weeks))
    work = warehouse.pick_seconds + warehouse.pick_seconds_unit * lines.quantity / UNIT
    key = operations.location_of[lines.cell] * weeks + lines.second // DAY // WEEK
    use[0] = np.bincount(key, work / HOUR, locations * weeks).reshape(locations, weeks)
    climate = handling.climate[operations.item_of]
    stock = operations.stock
    for number in range(len(stock.days)):
        pallets = np.maximum(stock.on_hand[number], 0) / UNIT / handling.pallet[operations.item_of]
        place = operations.location_of * 3 + climate
        week = min(int(stock.days[number]) // WEEK, weeks - 1)
        use[1:, :, week] = np.bincount(place, pallets, locations * 3).reshape(locations, 3).T
    return use
