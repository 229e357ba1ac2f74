"""Demand with known truth: patterns, spikes, shifts, launches and ends of life that somebody planted.

Belongs here: drawing demand and the table that says what was drawn. Does not: reading it back by classification
(`strata.classify`), order lines (`strata.sample.generated`), operations around it.
Demand is weekly: at most one line per item-location and week. Every chunk has its own random stream, so a chunk can
be drawn alone and nothing depends on how many are held at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from strata.sample.extracts import as_decimal
from strata.sample.replenishment import UNIT, Ints

CENT = 100
WEEKS_PER_YEAR = 52


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One kind of demand.

    Attributes:
        name: smooth, erratic, intermittent or lumpy, by mean interval and variation of the sizes.
        share: of the items.
        interval_weeks: range of the mean number of weeks between demands (1 = every week).
        size_cv2: range of the squared coefficient of variation of a demand's size, seasons and trends apart.
        mean_size: range of the mean size of a demand, units, drawn log-uniformly.
    """

    name: str
    share: float
    interval_weeks: tuple[float, float]
    size_cv2: tuple[float, float]
    mean_size: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorSpec:
    """What is drawn. Shares are of items; what happens to an item happens at all its locations in the same week.

    Attributes:
        items, regions, locations_per_region: size of the company; each item sells at every location.
        first_monday, weeks: the horizon.
        zone, currency: of all locations.
        patterns: kinds of demand; their shares sum to 1.
        seasonal_share, seasonal_amplitude: share of smooth and erratic items with a yearly sine, range of amplitude.
        trend_share, trend_per_year: share of smooth and erratic items with a linear trend, range of change a year
            (fraction of the mean; either sign).
        shift_share, shift_factor: share of items whose level changes once, range of the factor (or its inverse).
        spike_share, spikes, spike_factor: share of items with spikes, largest number, range of the factor on size.
        launch_share, end_share: share of items that begin, or cease, inside the horizon.
        quiet_weeks: weeks at both ends in which no shift, launch or end falls.
        price_log_mean, price_log_sd: of the selling price (lognormal).
        location_sd: lognormal standard deviation of a location's size.
        value_cuts: cumulative revenue shares that part the true classes A, B and C.
        dirty_share: share of lines sent again with quantity 0, which a contract refuses.
        categories: number of item categories, each with `families_per_category` families.
        chunk_items: items drawn at a time; part of the truth, since every chunk has its own stream.
    """

    items: int
    regions: tuple[str, ...]
    locations_per_region: int
    first_monday: date
    weeks: int
    zone: str
    currency: str
    patterns: tuple[Pattern, ...]
    seasonal_share: float
    seasonal_amplitude: tuple[float, float]
    trend_share: float
    trend_per_year: tuple[float, float]
    shift_share: float
    shift_factor: tuple[float, float]
    spike_share: float
    spikes: int
    spike_factor: tuple[float, float]
    launch_share: float
    end_share: float
    quiet_weeks: int
    price_log_mean: float
    price_log_sd: float
    location_sd: float
    value_cuts: tuple[float, float]
    dirty_share: float
    categories: int
    families_per_category: int
    chunk_items: int

    def __post_init__(self) -> None:
        total = sum(pattern.share for pattern in self.patterns)
        if abs(total - 1) > 1e-9:
            raise ValueError(f"shares of the patterns sum to {total}, not 1")
        if self.first_monday.weekday() != 0:
            raise ValueError(f"first_monday {self.first_monday} is no Monday")
        if self.weeks <= 2 * self.quiet_weeks or min(self.items, self.locations_per_region, self.chunk_items) < 1:
            raise ValueError("the horizon must be longer than twice quiet_weeks, and all sizes at least 1")

    @property
    def locations(self) -> list[str]:
        """Location codes, region by region."""
        return [f"DC-{region}-{n}" for region in self.regions for n in range(1, self.locations_per_region + 1)]


SHIPPED = GeneratorSpec(
    items=400,
    regions=("CENTRAL", "EAST", "WEST"),
    locations_per_region=2,
    first_monday=date(2014, 1, 6),
    weeks=208,
    zone="America/New_York",
    currency="USD",
    patterns=(
        Pattern(name="smooth", share=0.35, interval_weeks=(1, 1), size_cv2=(0.03, 0.20), mean_size=(20, 400)),
        Pattern(name="erratic", share=0.15, interval_weeks=(1, 1), size_cv2=(0.90, 1.60), mean_size=(20, 300)),
        Pattern(name="intermittent", share=0.30, interval_weeks=(2, 5), size_cv2=(0.03, 0.20), mean_size=(12, 60)),
        Pattern(name="lumpy", share=0.20, interval_weeks=(2, 5), size_cv2=(0.90, 1.60), mean_size=(12, 120)),
    ),
    seasonal_share=0.30,
    seasonal_amplitude=(0.30, 0.60),
    trend_share=0.15,
    trend_per_year=(0.10, 0.25),
    shift_share=0.05,
    shift_factor=(2.0, 3.5),
    spike_share=0.10,
    spikes=3,
    spike_factor=(6.0, 12.0),
    launch_share=0.06,
    end_share=0.06,
    quiet_weeks=26,
    price_log_mean=2.0,
    price_log_sd=1.1,
    location_sd=0.35,
    value_cuts=(0.80, 0.95),
    dirty_share=0.001,
    categories=8,
    families_per_category=6,
    chunk_items=5_000,
)


def resized(spec: GeneratorSpec, items: int) -> GeneratorSpec:
    """The same company with another number of items."""
    return replace(spec, items=items)


@dataclass(frozen=True, slots=True)
class ItemTruth:
    """What was drawn per item; arrays over items, weeks counted from 0, -1 where something does not happen."""

    pattern: NDArray[np.int64]
    interval: NDArray[np.float64]
    size_cv2: NDArray[np.float64]
    mean_size: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    phase: NDArray[np.float64]
    trend: NDArray[np.float64]
    shift_week: Ints
    shift_factor: NDArray[np.float64]
    spikes: NDArray[np.int64]
    spike_factor: NDArray[np.float64]
    launch_week: Ints
    end_week: Ints
    cents: Ints
    value_class: NDArray[np.str_]
    location_factor: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Demand of items `first_item` .. : units[item, location, week], whole units, and where a spike was planted."""

    first_item: int
    units: NDArray[np.int64]
    is_spike: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """Demand and what is true of it.

    `demand` is long (sku_id, location_id, region, period_start, quantity, net_amount), without zero weeks; `truth`
    has one row per item-location: pattern, interval, size_cv2, value_class, spikes (list of first days), shift_date,
    shift_factor, launch_date, end_date, price.
    """

    spec: GeneratorSpec
    seed: int
    demand: pa.Table
    truth: pa.Table


def item_truth(spec: GeneratorSpec, *, seed: int) -> ItemTruth:
    """Draw what is true of every item. One row per item, whatever the number of locations and weeks."""
    rng = np.random.default_rng([seed, 30])
    size = spec.items
    shares = np.cumsum([pattern.share for pattern in spec.patterns])
    pattern = np.minimum(np.searchsorted(shares, rng.random(size), side="right"), len(spec.patterns) - 1)

    def ranged(name: str, is_log: bool) -> NDArray[np.float64]:
        low, high = np.array([getattr(p, name) for p in spec.patterns], dtype=np.float64)[pattern].T
        draw = rng.random(size)
        drawn: NDArray[np.float64] = low * (high / low) ** draw if is_log else low + draw * (high - low)
        return drawn

    interval, cv2, mean_size = ranged("interval_weeks", False), ranged("size_cv2", False), ranged("mean_size", True)
    is_regular = interval <= 1
    kind = rng.random(size)
    is_seasonal = is_regular & (kind < spec.seasonal_share)
    is_trending = is_regular & ~is_seasonal & (kind < spec.seasonal_share + spec.trend_share)
    amplitude = np.where(is_seasonal, rng.uniform(*spec.seasonal_amplitude, size), 0.0)
    trend = np.where(is_trending, rng.uniform(*spec.trend_per_year, size) * rng.choice([-1, 1], size), 0.0)
    event = rng.random(size)  # at most one of shift, spikes, launch, end, so that each can be told apart
    bounds = np.cumsum([spec.shift_share, spec.spike_share, spec.launch_share, spec.end_share])
    what = np.searchsorted(bounds, event, side="right")
    week = rng.integers(spec.quiet_weeks, spec.weeks - spec.quiet_weeks, size)
    factor = rng.uniform(*spec.shift_factor, size)
    spikes = np.where(np.arange(spec.spikes) < rng.integers(1, spec.spikes + 1, (size, 1)), 0, -1)
    where = rng.integers(spec.quiet_weeks, spec.weeks - spec.quiet_weeks, (size, spec.spikes))
    cents = np.maximum(np.rint(np.exp(rng.normal(spec.price_log_mean, spec.price_log_sd, size)) * 100), 1)
    location_factor = np.exp(rng.normal(0, spec.location_sd, (size, len(spec.locations))))
    launch = np.where(what == 2, week, -1)
    end = np.where(what == 3, week, -1)
    weeks_alive = np.where(end >= 0, end, spec.weeks) - np.maximum(launch, 0)
    value = mean_size / interval * weeks_alive * cents * location_factor.sum(axis=1)
    return ItemTruth(
        pattern, interval, cv2, mean_size, amplitude, rng.uniform(0, WEEKS_PER_YEAR, size), trend,
        np.where(what == 0, week, -1), np.where(rng.random(size) < 0.5, factor, 1 / factor),
        np.where((what == 1)[:, None] & (spikes == 0), where, -1), rng.uniform(*spec.spike_factor, size),
        launch, end, cents.astype(np.int64), _value_classes(value, spec.value_cuts), location_factor,
    )  # fmt: skip


def _value_classes(value: NDArray[np.float64], cuts: tuple[float, float]) -> NDArray[np.str_]:
    """Class by cumulative share of expected revenue; the item that crosses a cut belongs to the higher class."""
    order = np.argsort(-value, kind="stable")
    before = (np.cumsum(value[order]) - value[order]) / value.sum()
    classes = np.empty(len(value), dtype="<U1")
    classes[order] = np.array(["A", "B", "C"])[np.searchsorted(np.array(cuts), before, side="right")]
    return classes


def demand_chunks(spec: GeneratorSpec, truth: ItemTruth, *, seed: int) -> Iterator[Chunk]:
    """Demand, `spec.chunk_items` items at a time; memory is bounded by one chunk (int64 per cell)."""
    for number, first in enumerate(range(0, spec.items, spec.chunk_items)):
        stop = min(first + spec.chunk_items, spec.items)
        yield _chunk(spec, truth, first, stop, np.random.default_rng([seed, 31, number]))


def _chunk(spec: GeneratorSpec, truth: ItemTruth, first: int, stop: int, rng: np.random.Generator) -> Chunk:
    rows = slice(first, stop)
    week = np.arange(spec.weeks)
    level = 1 + truth.amplitude[rows, None] * np.sin(2 * np.pi * (week + truth.phase[rows, None]) / WEEKS_PER_YEAR)
    level *= np.maximum(1 + truth.trend[rows, None] * (week - spec.weeks / 2) / WEEKS_PER_YEAR, 0.05)
    shift = truth.shift_week[rows, None]
    level *= np.where((shift >= 0) & (week >= shift), truth.shift_factor[rows, None], 1.0)
    launch, end = truth.launch_week[rows, None], truth.end_week[rows, None]
    alive = (week >= launch) & ((end < 0) | (week < end))
    mean = truth.mean_size[rows, None, None] * truth.location_factor[rows, :, None] * level[:, None, :]
    # 1 + negative binomial (a gamma mixture of Poisson): size >= 1, and the Poisson part of the variance allowed for
    spread = np.maximum(truth.size_cv2[rows, None, None] - 1 / np.maximum(mean, 1), 0.01)
    rate = rng.gamma(1 / spread, np.maximum(mean - 1, 0.01) * spread)
    units = 1 + rng.poisson(rate)
    units *= (rng.random(units.shape) < 1 / truth.interval[rows, None, None]) & alive[:, None, :]
    is_spike = np.zeros(units.shape, dtype=np.bool_)
    which, slot = np.nonzero(truth.spikes[rows] >= 0)
    when = truth.spikes[rows][which, slot]
    is_spike[which, :, when] = True
    # a spike is a multiple of the usual size also where nothing would have been asked for
    planted = np.rint(mean * truth.spike_factor[rows, None, None]).astype(np.int64)
    return Chunk(first, np.where(is_spike, planted, units), is_spike)


def generate(spec: GeneratorSpec, *, seed: int) -> GroundTruth:
    """Draw everything at once; for sizes that fit into memory (otherwise `item_truth` and `demand_chunks`)."""
    truth = item_truth(spec, seed=seed)
    tables = [chunk_table(spec, truth, chunk) for chunk in demand_chunks(spec, truth, seed=seed)]
    return GroundTruth(spec, seed, pa.concat_tables(tables).combine_chunks(), _truth_table(spec, truth))


def chunk_table(spec: GeneratorSpec, truth: ItemTruth, chunk: Chunk) -> pa.Table:
    """Weeks with demand of one chunk as rows, sorted by item, location and week."""
    item, location, week = np.nonzero(chunk.units)
    units = chunk.units[item, location, week]
    codes = pa.array(spec.locations)
    regions = pa.array([region for region in spec.regions for _ in range(spec.locations_per_region)])
    monday = np.datetime64(spec.first_monday, "D") + 7 * week
    return pa.table(
        {
            "sku_id": sku_ids(item + chunk.first_item),
            "location_id": codes.take(pa.array(location)),
            "region": regions.take(pa.array(location)),
            "period_start": pa.array(monday),
            "quantity": as_decimal(units * UNIT),
            "net_amount": as_decimal(units * truth.cents[chunk.first_item + item] * CENT),
        }
    )


def sku_ids(numbers: Ints) -> pa.Array:
    """Item codes `G0000001`, counted from 1."""
    return pc.binary_join_element_wise("G", pc.utf8_lpad(pa.array(numbers + 1).cast(pa.string()), 7, "0"), "")


def _truth_table(spec: GeneratorSpec, truth: ItemTruth) -> pa.Table:
    locations = len(spec.locations)
    item = np.repeat(np.arange(spec.items), locations)
    regions = [region for region in spec.regions for _ in range(spec.locations_per_region)]
    first = spec.first_monday
    spikes = [[first + timedelta(weeks=w) for w in sorted({int(w) for w in row if w >= 0})] for row in truth.spikes]
    return pa.table(
        {
            "sku_id": sku_ids(item),
            "location_id": pa.array(spec.locations * spec.items),
            "region": pa.array(regions * spec.items),
            "pattern": pa.array([spec.patterns[p].name for p in truth.pattern]).take(pa.array(item)),
            "interval_weeks": pa.array(truth.interval[item]),
            "size_cv2": pa.array(truth.size_cv2[item]),
            "mean_size": pa.array((truth.mean_size[:, None] * truth.location_factor).ravel()),
            "seasonal_amplitude": pa.array(truth.amplitude[item]),
            "trend_per_year": pa.array(truth.trend[item]),
            "value_class": pa.array(truth.value_class[item]),
            "spikes": pa.array(spikes, pa.list_(pa.date32())).take(pa.array(item)),
            "shift_date": _week_dates(truth.shift_week, first).take(pa.array(item)),
            "shift_factor": pa.array(np.where(truth.shift_week >= 0, truth.shift_factor, 1.0)[item]),
            "launch_date": _week_dates(truth.launch_week, first).take(pa.array(item)),
            "end_date": _week_dates(truth.end_week, first).take(pa.array(item)),
            "price": as_decimal(truth.cents[item] * CENT),
        }
    )


def _week_dates(week: Ints, first_monday: date) -> pa.Array:
    dates = pa.array((np.datetime64(first_monday, "D") + 7 * week).astype("datetime64[D]"))
    return pc.if_else(pa.array(week >= 0), dates, pa.scalar(None, pa.date32()))
