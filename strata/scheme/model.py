"""What a scheme may say: every number of the product that a planner owns, typed, bounded and with its rationale.

Belongs here: shape and cross-field rules. Does not: reading files (`strata.scheme.load`), using the numbers.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from strata.calendar import Bucket
from strata.partition import CYCLE_PATTERN
from strata.scheme.customers import Customers
from strata.scheme.evidence import Evidence
from strata.scheme.outliers import Outliers
from strata.scheme.part import Part, Share
from strata.scheme.rules import Rules, refuse_expired
from strata.scheme.stability import Dossier, Stability
from strata.scheme.targets import KpiTable, ServiceTargets

Cycle = Annotated[str, Field(pattern=CYCLE_PATTERN.pattern)]

VALUE_CLASSES = ("A", "B", "C", "U")
VARIABILITY_CLASSES = ("X", "Y", "Z", "U")
DEMAND_CLASSES = ("smooth", "erratic", "intermittent", "lumpy", "none")
DemandClass = Literal["smooth", "erratic", "intermittent", "lumpy", "none"]
ForecastMethod = Literal["ses", "seasonal_naive", "sba", "tsb", "mean_rate", "zero"]
Distribution = Literal["normal", "gamma", "negative_binomial"]
RUNGS = ("predecessor", "like_item", "family_region", "last_class")


class Buckets(Part):
    """Period lengths: classes are judged on `classification`, forecasts and policies run on `planning`."""

    classification: Bucket
    planning: Bucket
    planning_periods: int = Field(ge=2, le=520)


class Exclusion(Part):
    """Items that are no part of the plan: all whose `column` of the item master holds one of `values`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    column: Literal["category", "family", "status", "sku_id"]
    values: tuple[str, ...] = Field(min_length=1)


class Value(Part):
    """Value class by cumulative share of `basis` over the last `window_cycles` closed months."""

    basis: Literal["revenue", "margin"]
    window_cycles: int = Field(ge=1, le=60)
    cuts: dict[Literal["A", "B"], Share]

    @model_validator(mode="after")
    def _cuts_increase(self) -> Self:
        if set(self.cuts) != {"A", "B"} or not self.cuts["A"] < self.cuts["B"]:
            raise ValueError(f"value.cuts must name A and B with A < B, not {self.cuts}")
        return self


class Variability(Part):
    """Variability class by coefficient of variation, or scaled forecast error, per classification period."""

    basis: Literal["cv", "cv_deseasonalised", "cv_level", "forecast_error"]
    cuts: dict[Literal["X", "Y"], Annotated[float, Field(gt=0, le=10)]]
    min_periods: int = Field(ge=2, le=60)

    @model_validator(mode="after")
    def _cuts_increase(self) -> Self:
        if set(self.cuts) != {"X", "Y"} or not self.cuts["X"] < self.cuts["Y"]:
            raise ValueError(f"variability.cuts must name X and Y with X < Y, not {self.cuts}")
        return self


class ForecastError(Part):
    """Benchmarks behind the scaled forecast error: smoothing constants tried, and forecasts that are judged.

    Forecasts begin after `warm_up` observed classification periods; fewer than `min_forecasts` of them give no error.
    """

    alphas: tuple[Share, ...] = Field(min_length=1)
    warm_up: int = Field(ge=1, le=60)
    min_forecasts: int = Field(ge=2, le=60)


class DemandPattern(Part):
    """Syntetos-Boylan cuts on mean interval and squared CV of sizes; fewer demands than `min_demands` is `none`."""

    adi_cut: float = Field(gt=1, le=5)
    cv2_cut: float = Field(gt=0, le=5)
    min_demands: int = Field(ge=3, le=24)


class Hysteresis(Part):
    """When a class may be left. Dead bands: `value_band` in share points, `variability_band` as a part of the cut.

    What is left out is off. `posterior`: least probability that the true metric is beyond the boundary that is left.
    `confirmations`: runs in a row that must propose the move. `dwell_cycles`: least cycles between two moves of an
    axis. `bypass_posterior`: takes the place of all of them for an item whose level truly shifted.
    """

    value_band: float = Field(ge=0, lt=0.2)
    variability_band: float = Field(ge=0, lt=1)
    posterior: Annotated[float, Field(ge=0.5, lt=1)] | None = None
    bypass_posterior: Annotated[float, Field(ge=0.5, lt=1)] | None = None
    confirmations: int | None = Field(default=None, ge=1, le=12)
    dwell_cycles: int | None = Field(default=None, ge=1, le=24)
    budget: "ChurnBudget | None" = None


class ChurnBudget(Part):
    """At most `max_share` of the ranked items (or of their value) move in one run; the largest values go first.

    True shifts, new items and items without a class before are outside it.
    """

    max_share: Share
    of: Literal["items", "value"]


class Level(Part):
    """The level that a class rests on: demand since the last shift found in `window_periods` classification periods.

    A shift needs `min_before` observed periods before and `min_after` since; it is true where the root of twice the
    log likelihood ratio exceeds `z` and the means differ by more than `ratio`; it opens the controls for
    `recent_periods`. `dispersion` (squared CV beyond Poisson) counts as if seen in `prior_periods`.
    """

    window_periods: int = Field(ge=6, le=120)
    min_before: int = Field(ge=2, le=24)
    min_after: int = Field(ge=1, le=12)
    recent_periods: int = Field(ge=1, le=24)
    z: float = Field(gt=1, le=10)
    ratio: float = Field(ge=1, le=10)
    dispersion: float = Field(gt=0, le=10)
    prior_periods: float = Field(gt=0, le=60)


class Lifecycle(Part):
    """States from data: intro, growth, mature, decline, eol, dead (in classification periods)."""

    intro_periods: int = Field(ge=1, le=24)
    dead_periods: int = Field(ge=1, le=36)
    recent_periods: int = Field(ge=1, le=12)
    growth_ratio: float = Field(gt=1, le=10)
    decline_ratio: Share


class Censoring(Part):
    """A period in which stock was out for at least this share of its days is censored: unknown, not zero."""

    min_stockout_share: Share


class Rung(Part):
    """A rung of the ladder: cycles since the item was last observed for which it may be used, and how far to trust it.

    `confidence` is how often the rung gave the segment that the item later earned, as measured.
    """

    max_cycles: int = Field(ge=0, le=60)
    confidence: Share


class Fallback(Part):
    """The ladder below own history: `rungs` are tried in the order of `RUNGS`, those left out are not used.

    `min_periods` and `stale_periods` are classification periods: fewer observed ones are not enough; a place without
    any line for that long has stopped reporting. `max_stale_cycles`: own history of such a place is used no longer.
    `prior_periods`: what a rung lends counts as much as that many observed periods of the item itself.
    `default`: what the value class of an item without a rung rests on, its mean per observed period times the window
    (`observed_rate`) or what it sold so far (`observed_total`).
    """

    min_periods: int = Field(ge=1, le=60)
    stale_periods: int = Field(ge=1, le=24)
    max_stale_cycles: int = Field(ge=0, le=60)
    prior_periods: float = Field(gt=0, le=60)
    like_items: int = Field(ge=1, le=50)
    max_price_ratio: float = Field(gt=1, le=100)
    min_peers: int = Field(ge=1, le=1000)
    rungs: dict[Literal["predecessor", "like_item", "family_region", "last_class"], Rung]
    default: Literal["observed_rate", "observed_total"]
    default_confidence: Share


class Shift(Part):
    """Level-shift test: the last `recent_periods` against those before; a true shift passes both bounds."""

    recent_periods: int = Field(ge=2, le=12)
    z: float = Field(gt=1, le=10)
    ratio: float = Field(gt=1, le=10)


class Seasonality(Part):
    """Strength from which a series counts as seasonal, and the seasons of history needed to say so."""

    min_strength: Share
    min_seasons: int = Field(ge=2, le=10)


class UnitJump(Part):
    """Test for lines booked in another unit than stated: `least_factor` is the smallest jump that is looked at.

    `pack_factors` are usual packs beside those that the master data state; `exempt` items are known to be right.
    """

    window_periods: int = Field(ge=1, le=24)
    min_lines: int = Field(ge=2, le=1000)
    value_tolerance: Share
    size_tolerance: float = Field(gt=0, le=3)
    least_factor: float = Field(ge=2, le=100)
    pack_factors: tuple[Annotated[float, Field(ge=2)], ...] = Field(min_length=1)
    exempt: tuple[str, ...]


class Hierarchy(Part):
    """Sources per level in the order in which they are believed; `item_master` is what the item master itself says."""

    precedence: dict[Literal["category", "family"], Annotated[tuple[str, ...], Field(min_length=1)]]


class Forecast(Part):
    """Method per demand class and its smoothing constants; `ses_alphas` is the grid searched per series."""

    horizon_periods: int = Field(ge=1, le=104)
    methods: dict[DemandClass, ForecastMethod]
    seasonal_method: ForecastMethod
    ses_alphas: tuple[Share, ...] = Field(min_length=1)
    sba_alpha: Share
    tsb_alpha: Share
    tsb_beta: Share

    @model_validator(mode="after")
    def _all_classes(self) -> Self:
        if missing := set(DEMAND_CLASSES) - set(self.methods):
            raise ValueError(f"forecast.methods lacks demand classes {sorted(missing)}")
        return self


class LeadTime(Part):
    """A lane needs `min_receipts` of its own; else its supplier's, else the region's, else the item's planned days."""

    min_receipts: int = Field(ge=2, le=100)
    max_days: int = Field(ge=1, le=1000)


class Inventory(Part):
    """Distribution per demand class, cost rates and lead-time rule behind every policy.

    An item-location expected to sell fewer than `min_demand_units_year` is not stocked by rule.
    """

    distributions: dict[DemandClass, Distribution]
    holding_rate_year: Share
    order_cost: float = Field(ge=0)
    min_demand_units_year: float = Field(ge=0)
    lead_time: LeadTime

    @model_validator(mode="after")
    def _all_classes(self) -> Self:
        if missing := set(DEMAND_CLASSES) - set(self.distributions):
            raise ValueError(f"inventory.distributions lacks demand classes {sorted(missing)}")
        return self


class Policy(Part):
    """What one segment implies. `none` needs no numbers; every other type needs metric, target and review."""

    policy_type: Literal["sQ", "RS", "none"]
    service_metric: Literal["csl", "fill_rate"] | None = None
    service_target: float | None = None
    review_days: int | None = Field(default=None, ge=1, le=91)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        numbers = (self.service_metric, self.service_target, self.review_days)
        if self.policy_type == "none":
            if any(number is not None for number in numbers):
                raise ValueError("a policy of type none has no service metric, target or review")
            return self
        if any(number is None for number in numbers):
            raise ValueError(f"a {self.policy_type} policy needs service_metric, service_target and review_days")
        if self.service_target is not None and not 0.5 <= self.service_target < 1:
            raise ValueError(
                f"service_target {self.service_target} is not a fraction between 0.5 and 1: write 0.975 for 97.5 %"
            )
        return self


class Cadence(Part):
    """How old a class may grow: delays looked at, and the cost that a segment may bear before it is decided again.

    Classes are back-cast over the last `lookback_cycles` cut-offs. A segment is judged from `min_items` items and
    `min_cutoffs` cut-offs on; `max_cost_share` is a part of its revenue a year.
    """

    delay_days: tuple[Annotated[int, Field(ge=1, le=730)], ...] = Field(min_length=1)
    lookback_cycles: int = Field(ge=1, le=24)
    max_cost_share: Share
    min_items: int = Field(ge=1)
    min_cutoffs: int = Field(ge=1, le=24)
    confidence: Share

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if list(self.delay_days) != sorted(set(self.delay_days)):
            raise ValueError(f"cadence.delay_days must ascend, each once, not {list(self.delay_days)}")
        if self.min_cutoffs > self.lookback_cycles:
            raise ValueError(
                f"cadence.min_cutoffs {self.min_cutoffs} is more than lookback_cycles {self.lookback_cycles}: "
                "no segment would ever be judged"
            )
        return self


class Gates(Part):
    """Bounds that the gates judge a candidate by; beyond them the region is suspended."""

    min_items: int = Field(ge=1)
    max_refused_share: Share
    max_volume_drop: Share
    max_feed_age_days: int = Field(ge=1, le=366)
    max_class_churn: Share
    class_share: dict[Literal["A", "B", "C"], tuple[float, float]]


class Scheme(Part):
    """One version of every decision rule. Immutable once approved; identified by its file's content hash."""

    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")
    effective_from: Cycle
    supersedes: str | None
    owner: str = Field(min_length=3)
    class_level: Literal["region", "location"]
    buckets: Buckets
    exclusions: tuple[Exclusion, ...]
    value: Value
    variability: Variability
    demand_pattern: DemandPattern
    hysteresis: Hysteresis
    level: Level | None = None
    lifecycle: Lifecycle
    censoring: Censoring
    fallback: Fallback
    shift: Shift
    unit_jump: UnitJump | None = None
    hierarchy: Hierarchy | None = None
    cadence: Cadence | None = None
    customers: Customers | None = None
    forecast_error: ForecastError | None = None
    stability: Stability | None = None
    dossier: Dossier | None = None
    service: ServiceTargets | None = None
    kpis: KpiTable | None = None
    outliers: Outliers | None = None
    evidence: Evidence | None = None
    seasonality: Seasonality
    forecast: Forecast
    inventory: Inventory
    policies: dict[str, Policy]
    rules: Rules = ()
    gates: Gates

    @model_validator(mode="after")
    def _rules_can_hold(self) -> Self:
        refuse_expired(self.rules, self.version, self.effective_from)
        return self

    @model_validator(mode="after")
    def _basis_is_measured(self) -> Self:
        if self.variability.basis == "forecast_error" and self.forecast_error is None:
            raise ValueError("variability.basis forecast_error needs the part forecast_error: alphas and what to judge")
        return self

    @model_validator(mode="after")
    def _own_history_is_classed(self) -> Self:
        if self.fallback.min_periods < self.variability.min_periods:
            raise ValueError(
                f"fallback.min_periods {self.fallback.min_periods} is below variability.min_periods "
                f"{self.variability.min_periods}: items in between would have own history and no class"
            )
        return self

    @model_validator(mode="after")
    def _level_is_declared(self) -> Self:
        if self.variability.basis == "cv_level" and self.level is None:
            raise ValueError("variability.basis cv_level needs the part `level`: say since when a level counts")
        return self

    @model_validator(mode="after")
    def _every_cell(self) -> Self:
        cells = {value + variability for value in VALUE_CLASSES for variability in VARIABILITY_CLASSES}
        if missing := cells - set(self.policies):
            raise ValueError(
                f"policies lacks segments {sorted(missing)}: give each a policy, or type none with a reason"
            )
        if unknown := set(self.policies) - cells:
            raise ValueError(f"policies names segments that cannot occur: {sorted(unknown)}")
        return self
