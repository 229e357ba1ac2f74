"""What the sample company invents around its demand: every number of the simulated operations, in one place.

Belongs here: declared assumptions, each with its meaning; docs/sample.md prints them. Does not: the simulation.
"""

from dataclasses import dataclass

from strata.sample import departments
from strata.sample.departments import FRESH, PlanningSpec, PromiseSpec, TransportSpec, TroubleSpec, WarehouseSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyClass:
    """Suppliers of one kind of goods.

    Attributes:
        name: of the class; part of the supplier's name.
        categories: item categories it supplies; the class without categories supplies all others.
        suppliers: number of suppliers; an item's supplier follows from a hash of its family.
        countries: ISO codes the suppliers are drawn from.
        lead_days: range of a supplier's mean lead time, in days, drawn log-uniformly.
        lead_cv: range of the coefficient of variation of the lead time on a lane (supplier to DC).
        cover_days: demand that an order brings on top of the reorder point, in days.
    """

    name: str
    categories: tuple[str, ...]
    suppliers: int
    countries: tuple[str, ...]
    lead_days: tuple[float, float]
    lead_cv: tuple[float, float]
    cover_days: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsSpec:
    """Assumptions about purchasing, stock, cost, and the habits of the source systems.

    Attributes:
        supply: classes of suppliers; exactly one has no categories.
        lane_factor: range of a lane's mean lead time over its supplier's.
        pack_sizes: order multiples in use, in base units.
        pack_cover_days, pack_share: a pack holds at most so many days of the item's mean demand per DC, times a share
            drawn from this range; the next smaller size in use is taken.
        min_packs: largest minimum order, in packs.
        cost_share: range of standard cost over mean selling price, drawn per category.
        cost_noise: half-width of an item's deviation from its category's share.
        purchase_discount: largest discount of the purchase price on standard cost.
        safety_factor: standard deviations of demand over lead time and review that the buyers hold.
        sold_out_share: share of item-locations that are reordered only when the last unit is gone.
        smoothing: weight of the last week in the buyers' running mean and variance of weekly demand.
        review_days: days between two reviews of an item.
        expedite_days: days between an emergency order and its receipt.
        partial_share, partial_first, partial_gap_days: share of lines received in two parts, range of the first
            part, range of days to the second.
        cancelled_share: share of lines the supplier cancels.
        listing_lead_days: range of days between listing an item at a DC and its first sale there.
        launch_quiet_days, launch_density: an item is a launch if its first sale is later than so many days after
            the first day of data and it then sells in at least this share of the weeks left.
        ended_quiet_days, phase_out_days: an item has ended if its last sale is earlier than so many days before the
            last day of data; its status becomes phase_out so many days after that sale.
        late_share: share of a month's sales lines that arrive with the extract of the month after.
        misbooked_share: share of a month's sales lines first sent with a wrong quantity or amount.
        misbooked_amount_share: of those, the share with only the amount wrong (the others are scanned twice).
        restated_second_month_share: of those, the share restated two months later, not one.
        duplicate_events: change events sent twice in every extract of changes.
        warehouse, transport, promises, planning: assumptions of the other departments.
        troubles: what goes wrong on purpose; None where nothing does.
    """

    supply: tuple[SupplyClass, ...]
    lane_factor: tuple[float, float]
    pack_sizes: tuple[int, ...]
    pack_cover_days: float
    pack_share: tuple[float, float]
    min_packs: int
    cost_share: tuple[float, float]
    cost_noise: float
    purchase_discount: float
    safety_factor: float
    sold_out_share: float
    smoothing: float
    review_days: int
    expedite_days: int
    partial_share: float
    partial_first: tuple[float, float]
    partial_gap_days: tuple[int, int]
    cancelled_share: float
    listing_lead_days: tuple[int, int]
    launch_quiet_days: int
    launch_density: float
    ended_quiet_days: int
    phase_out_days: int
    late_share: float
    misbooked_share: float
    misbooked_amount_share: float
    restated_second_month_share: float
    duplicate_events: int
    warehouse: WarehouseSpec
    transport: TransportSpec
    promises: PromiseSpec
    planning: PlanningSpec
    troubles: TroubleSpec | None


GENERAL = (
    "DRUG GM", "COSMETICS", "NUTRITION", "GARDEN CENTER", "TOYS", "PHOTO & VIDEO", "AUTOMOTIVE", "TRAVEL & LEISURE",
    "ELECT &PLUMBING", "CNTRL/STORE SUP", "HOUSEWARES", "GM MERCH EXP",
)  # fmt: skip

SHIPPED = OperationsSpec(
    supply=(
        SupplyClass(
            name="Fresh",
            categories=FRESH,
            suppliers=10,
            countries=("US", "US", "US", "MX"),
            lead_days=(1.5, 4.0),
            lead_cv=(0.15, 0.40),
            cover_days=7,
        ),
        SupplyClass(
            name="Grocery",
            categories=(),
            suppliers=18,
            countries=("US", "US", "US", "CA", "MX"),
            lead_days=(4.0, 12.0),
            lead_cv=(0.20, 0.50),
            cover_days=28,
        ),
        SupplyClass(
            name="General",
            categories=GENERAL,
            suppliers=12,
            countries=("US", "US", "CA", "DE", "CN"),
            lead_days=(8.0, 30.0),
            lead_cv=(0.25, 0.55),
            cover_days=42,
        ),
    ),
    lane_factor=(0.85, 1.20),
    pack_sizes=(1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48),
    pack_cover_days=42,
    pack_share=(0.25, 1.0),
    min_packs=3,
    cost_share=(0.58, 0.82),
    cost_noise=0.05,
    purchase_discount=0.04,
    safety_factor=2.05,
    sold_out_share=0.12,
    smoothing=0.10,
    review_days=7,
    expedite_days=2,
    partial_share=0.08,
    partial_first=(0.40, 0.85),
    partial_gap_days=(2, 9),
    cancelled_share=0.004,
    listing_lead_days=(28, 182),
    launch_quiet_days=56,
    launch_density=0.50,
    ended_quiet_days=182,
    phase_out_days=91,
    late_share=0.005,
    misbooked_share=0.001,
    misbooked_amount_share=0.30,
    restated_second_month_share=0.20,
    duplicate_events=3,
    warehouse=departments.WAREHOUSE,
    transport=departments.TRANSPORT,
    promises=departments.PROMISES,
    planning=departments.PLANNING,
    troubles=departments.TROUBLES,
)
