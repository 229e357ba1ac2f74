"""What the sample company invents about warehouses, transport, sales and planning: every number, in one place.

Belongs here: declared assumptions, each with its meaning. Does not: purchasing and stock (`strata.sample.assumptions`),
the rows themselves.
"""

from dataclasses import dataclass

FRESH = (
    "PRODUCE", "MEAT", "MEAT-PCKGD", "DELI", "SEAFOOD", "SEAFOOD-PCKGD", "PASTRY", "SALAD BAR", "FLORAL",
    "CHEF SHOPPE", "RESTAURANT",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseSpec:
    """Warehouses: what goods measure, where they stand, what is posted and picked.

    Attributes:
        chilled, frozen: words in a category or family that say in which climate the goods are kept.
        litres: range of the volume of a base unit, drawn log-uniformly.
        kg_per_litre: range of the density.
        cases_per_layer, layers_per_pallet: ranges of whole numbers.
        slot_mm: inner length, width and height of a pick slot.
        slot_kg: weight that it bears.
        slot_fill: share of a slot's volume that goods can take.
        bays, levels: slots of an aisle are so many bays of so many levels; levels 1 and 2 are the golden zone.
        dock_m, aisle_m, bay_m: way from the dock to the first aisle, between aisles, between bays.
        free_slots, blocked_share: free slots per pick slot, and the share of them that is blocked.
        posting_months: months of postings that the initial load holds; older ones are archived.
        task_days: days before the end of a month whose pick tasks are sent; older ones are archived.
        misplaced_share: share of item-locations of which a unit is lost on a Tuesday and found on Thursday, per week.
        wave_hours: hours between two releases of tasks.
        pick_wait_minutes: mean wait of a task of priority 1; it grows in proportion to the priority number.
        pick_seconds, pick_seconds_unit, pick_seconds_metre: time of a task, per unit and per metre of the way.
        short_share: share of tasks for more than a unit that end a unit short; a second task picks it.
        pickers: number of pickers at a location.
    """

    chilled: tuple[str, ...]
    frozen: tuple[str, ...]
    litres: tuple[float, float]
    kg_per_litre: tuple[float, float]
    cases_per_layer: tuple[int, int]
    layers_per_pallet: tuple[int, int]
    slot_mm: tuple[int, int, int]
    slot_kg: int
    slot_fill: float
    bays: int
    levels: int
    dock_m: float
    aisle_m: float
    bay_m: float
    free_slots: float
    blocked_share: float
    posting_months: int
    task_days: int
    misplaced_share: float
    wave_hours: int
    pick_wait_minutes: float
    pick_seconds: float
    pick_seconds_unit: float
    pick_seconds_metre: float
    short_share: float
    pickers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportSpec:
    """Transport: lanes, rates, shipments.

    Attributes:
        inbound_km: range of distances from a supplier to a location, by the supplier's country.
        overseas: countries that goods come from by ship, or by air at need.
        outbound_km: range of distances from a location to a customer.
        speed_km_hour: by mode; hours at the ends come on top.
        handling_hours: by mode, at both ends together.
        delivery_weekdays: weekdays of deliveries to customers, Monday 0.
        breaks_kg: weights from which a rate holds.
        rate_km: rate per kilogram and 1,000 km in the lowest break, by mode.
        break_discount: factor on the rate from one break to the next.
        minimum_charge: by mode.
        fuel_share: fuel surcharge.
        rate_month, rate_rise: month of the year in which rates rise, and by how much.
        full_load_kg: weight from which an inbound load fills a truck.
        parcel_share: share of deliveries that go by parcel service.
        late_share, late_hours: share of shipments that arrive late, and the mean delay of these.
        invoice_noise: half-width of the deviation of charged from rated freight.
    """

    inbound_km: dict[str, tuple[float, float]]
    overseas: tuple[str, ...]
    outbound_km: tuple[float, float]
    speed_km_hour: dict[str, float]
    handling_hours: dict[str, float]
    delivery_weekdays: tuple[int, ...]
    breaks_kg: tuple[int, ...]
    rate_km: dict[str, float]
    break_discount: float
    minimum_charge: dict[str, float]
    fuel_share: float
    rate_month: int
    rate_rise: float
    full_load_kg: float
    parcel_share: float
    late_share: float
    late_hours: float
    invoice_noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseSpec:
    """Sales: accounts, contracts, promises of service, incentives.

    Attributes:
        banners: parent accounts in each region; its customers are dealt out to them.
        tiers: tier of an account by the delivery priority of its customer; the last one is for all others.
        fill_rate, otif, lead_time_hours: promise to each tier; a tier that is not named is promised nothing.
        penalty_share: share of the month's value that a broken promise to a tier costs.
        category_promises: categories by value for which a parent is promised a higher fill rate.
        category_fill_rate: that fill rate.
        bonus_share: bonus on revenue of the categories that sell least.
        bonus_categories: how many of them in each region.
        forecast_bonus: yearly bonus of a planner for an accurate forecast.
    """

    banners: int
    tiers: tuple[str, ...]
    fill_rate: dict[str, float]
    otif: dict[str, float]
    lead_time_hours: dict[str, float]
    penalty_share: dict[str, float]
    category_promises: int
    category_fill_rate: float
    bonus_share: float
    bonus_categories: int
    forecast_bonus: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningSpec:
    """Planning: what MRP holds, kits, budgets, what planners and the meeting change, what sites can do.

    Attributes:
        planners, buyers: number of planners and buyers.
        review_months: months between two looks of a planner at the parameters of an item.
        look_back_months: months of sales that a planner or the ERP report looks back on.
        abc_shares: cumulative shares of value that end class A and B in the ERP system's own report.
        safety_days: safety stock in days of demand by that class; the rule knows nothing of variability.
        stale_lead_share, stale_lead_factor: share of item-locations whose planned delivery time is an old one, and
            the range of old over present.
        goods_receipt_days: days from receipt to stock.
        critical_share: share of items that the master calls critical.
        kits, kit_components: number of kits, and the range of components of one.
        budget_growth: budgeted over present value of stock.
        budget_month, budget_cut: month of the year in which the budget is revised, and the factor of the revision.
        override_share: share of item-locations that a planner changes in a month, largest first with some luck.
        bias: range of a planner's mean factor on the statistical forecast; half of the planners have none.
        override_noise: spread of a factor around the planner's mean.
        consensus_categories: largest categories of a region that are talked about in a month.
        sales_optimism, finance_caution: factors of sales and finance on the statistical forecast.
        agreement_share: deviation below which the statistical forecast is accepted.
        resource_slack: capacity over mean use in the weeks before.
        overtime_share: what overtime adds to capacity.
        hour_cost, pallet_cost: cost of an hour, and of a pallet place in a week.
    """

    planners: int
    buyers: int
    review_months: int
    look_back_months: int
    abc_shares: tuple[float, float]
    safety_days: tuple[int, int, int]
    stale_lead_share: float
    stale_lead_factor: tuple[float, float]
    goods_receipt_days: int
    critical_share: float
    kits: int
    kit_components: tuple[int, int]
    budget_growth: float
    budget_month: int
    budget_cut: float
    override_share: float
    bias: tuple[float, float]
    override_noise: float
    consensus_categories: int
    sales_optimism: float
    finance_caution: float
    agreement_share: float
    resource_slack: float
    overtime_share: float
    hour_cost: float
    pallet_cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleSpec:
    """What goes wrong on purpose, so that it is seen to be named, kept and counted.

    Months are counted back from the last month of data: 2 is the second before it.

    Attributes:
        change_month: month from which units and billing change.
        piece_items, pieces: how many of the best selling items are then sold by the piece, and pieces to a base unit.
        case_items: how many items are then sold in cases where a line is whole cases: those with most such lines.
        rates: currencies with the range of what a unit of them is worth in the group currency.
        billed_in, billed_share: currency in which a share of the customers of one region are billed from then on.
        moved_families, moved_categories: shares of items whose family or category another source has otherwise.
        excluded_items: items that another source has among what the company does not keep.
        trade_share: share of items that the data pool of the trade knows, by GTIN alone.
        stale_feed, stale_month: state feed whose extract about that month never comes.
        late_feed, late_month, late_days: feed whose extract about that month comes so many days late.
        drift_feed, drift_column, drift_month: feed that brings a column nobody agreed, from that month on.
    """

    change_month: int
    piece_items: int
    pieces: int
    case_items: int
    rates: dict[str, tuple[float, float]]
    billed_in: str
    billed_share: float
    moved_families: float
    moved_categories: float
    excluded_items: int
    trade_share: float
    stale_feed: str
    stale_month: int
    late_feed: str
    late_month: int
    late_days: int
    drift_feed: str
    drift_column: str
    drift_month: int


WAREHOUSE = WarehouseSpec(
    chilled=(*FRESH, "MILK", "CHEESE", "YOGURT", "EGGS", "REFRGRATD"),
    frozen=("FROZEN", "FRZN", "ICE CREAM"),
    litres=(0.2, 8.0),
    kg_per_litre=(0.25, 1.0),
    cases_per_layer=(4, 12),
    layers_per_pallet=(4, 8),
    slot_mm=(1200, 800, 600),
    slot_kg=400,
    slot_fill=0.70,
    bays=24,
    levels=5,
    dock_m=15.0,
    aisle_m=3.5,
    bay_m=1.3,
    free_slots=0.15,
    blocked_share=0.05,
    posting_months=1,
    task_days=14,
    misplaced_share=0.002,
    wave_hours=2,
    pick_wait_minutes=12.0,
    pick_seconds=14.0,
    pick_seconds_unit=2.5,
    pick_seconds_metre=0.8,
    short_share=0.01,
    pickers=24,
)
TRANSPORT = TransportSpec(
    inbound_km={
        "US": (80, 1800),
        "CA": (700, 2600),
        "MX": (1200, 3200),
        "DE": (7200, 9500),
        "CN": (11500, 15500),
    },
    overseas=("DE", "CN"),
    outbound_km=(5, 260),
    speed_km_hour={"own_fleet": 45, "parcel": 30, "ltl": 40, "ftl": 60, "ocean": 30, "air": 500},
    handling_hours={"own_fleet": 1, "parcel": 12, "ltl": 10, "ftl": 4, "ocean": 96, "air": 36},
    delivery_weekdays=(2, 5),
    breaks_kg=(0, 100, 500, 2000),
    rate_km={"own_fleet": 0.35, "parcel": 2.40, "ltl": 0.24, "ftl": 0.11, "ocean": 0.018, "air": 0.62},
    break_discount=0.82,
    minimum_charge={"own_fleet": 18, "parcel": 7, "ltl": 65, "ftl": 320, "ocean": 140, "air": 95},
    fuel_share=0.12,
    rate_month=7,
    rate_rise=0.04,
    full_load_kg=4000,
    parcel_share=0.04,
    late_share=0.09,
    late_hours=16.0,
    invoice_noise=0.06,
)
PROMISES = PromiseSpec(
    banners=4,
    tiers=("key", "standard", "transactional"),
    fill_rate={"strategic": 0.985, "key": 0.970, "standard": 0.950},
    otif={"strategic": 0.950, "key": 0.930},
    lead_time_hours={"strategic": 48, "key": 72, "standard": 96},
    penalty_share={"strategic": 0.03, "key": 0.02},
    category_promises=2,
    category_fill_rate=0.99,
    bonus_share=0.015,
    bonus_categories=3,
    forecast_bonus=2500,
)
PLANNING = PlanningSpec(
    planners=8,
    buyers=5,
    review_months=6,
    look_back_months=3,
    abc_shares=(0.80, 0.95),
    safety_days=(7, 14, 28),
    stale_lead_share=0.20,
    stale_lead_factor=(0.5, 2.0),
    goods_receipt_days=1,
    critical_share=0.01,
    kits=6,
    kit_components=(2, 4),
    budget_growth=1.04,
    budget_month=7,
    budget_cut=0.96,
    override_share=0.01,
    bias=(0.75, 1.40),
    override_noise=0.12,
    consensus_categories=8,
    sales_optimism=1.08,
    finance_caution=0.97,
    agreement_share=0.04,
    resource_slack=1.20,
    overtime_share=0.15,
    hour_cost=24.0,
    pallet_cost=2.2,
)
TROUBLES = TroubleSpec(
    change_month=2,
    piece_items=6,
    pieces=6,
    case_items=20,
    rates={"CAD": (0.74, 0.81), "EUR": (1.06, 1.20)},
    billed_in="CAD",
    billed_share=0.20,
    moved_families=0.02,
    moved_categories=0.004,
    excluded_items=3,
    trade_share=0.30,
    stale_feed="crm/sla_terms",
    stale_month=2,
    late_feed="planning/consensus_decisions",
    late_month=1,
    late_days=6,
    drift_feed="tms/shipments",
    drift_column="co2e_kg",
    drift_month=2,
)
