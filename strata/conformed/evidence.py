"""What criteria and methods are judged on: every item's numbers, other samples of them, and what stocking it costs.

Belongs here: reading, seeds, terms of stock. Does not: measures and rules (`strata.review.{criteria,selection}`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from strata.calendar import PERIODS_PER_YEAR
from strata.classify.keyed import floats
from strata.classify.sampling import money_in, period_counts
from strata.conformed.engine import engine
from strata.conformed.history import View
from strata.conformed.stability import first_period, noise, seen_periods
from strata.conformed.staleness import item_of, period_sums, placed
from strata.conformed.supply import stocked
from strata.derivation import Query, Step
from strata.inventory.policy import PERIOD_DAYS, span_variance
from strata.inventory.reorder import order_quantity
from strata.review.criteria import VARIABILITY, Assortment, Candidate, criteria_report
from strata.review.methods import method_rows
from strata.review.selection import StockTerms
from strata.scheme.evidence import Evidence
from strata.tables import CRITERIA_REPORT, METHOD_SELECTION, NOT_SUSPENDED

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SUMMED = ("revenue", "margin", "demand_units", "order_lines")
_ITEMS = """
select
    sku_id, location_id, launch, last_sale, level_periods, revenue::double as revenue, margin::double as margin,
    demand_units::double as demand_units, order_lines::double as order_lines,
    case getvariable('basis')
        when 'cv' then cv
        when 'cv_deseasonalised' then cv_deseasonalised
        when 'cv_level' then cv_level
        else forecast_error
    end as metric
from demand_profile
where (location_id = '*') = (getvariable('level') = 'region')
order by location_id, sku_id
"""
_PERIODS = period_sums(
    """
    sum(h.revenue)::double as revenue,
    case when count(*) = count(h.margin) then sum(h.margin) end::double as margin,
    sum(h.order_lines)::double as order_lines
    """,
    order="location_id, sku_id",
)
STEPS: tuple[Step, ...] = (Query("criterion_item", _ITEMS), Query("criterion_period", _PERIODS))


@dataclass(frozen=True, slots=True)
class _Stock:
    """Terms of every place that can be priced, in money of the scheme's basis, and the item each belongs to.

    Per item: unit cost, lead time in days (means over its places), and the cost criterion b D / (h Q), b = value of a
    unit on the scheme's basis.
    """

    terms: StockTerms
    place: Ints
    unit_cost: Floats
    lead_time: Floats
    ratio: Floats


def evidence(
    view: View, *, history: Path, profile: Path, forecast: Path, assignment: Path, lead_times: Path
) -> tuple[pa.Table, pa.Table]:
    """`criteria_report` and `method_selection` of a partition; no rows where the scheme has no such part."""
    rule, scheme = view.scheme.evidence, view.scheme
    if rule is None:
        return CRITERIA_REPORT.empty(), METHOD_SELECTION.empty()
    items, found = _read(view, history, profile)
    if items.empty:
        return CRITERIA_REPORT.empty(), METHOD_SELECTION.empty()
    stock = _stock(
        view, items, stocked(view, forecast=forecast, profile=profile, assignment=assignment, lead_times=lead_times)
    )
    rngs = [np.random.default_rng([rule.seed, part, *view.partition.key.encode()]) for part in range(3)]
    candidates = _candidates(view, rule, items, found, stock, rngs[0])
    _, ranking = np.unique(items["location_id"].to_numpy(dtype=str), return_inverse=True)
    weight = rngs[1].multinomial(len(items), np.full(len(items), 1.0 / len(items)), size=rule.draws)
    assortment = Assortment(ranking.astype(np.int64), weight.astype(np.float64), stock.terms, stock.place)
    cuts = {str(name): cut for name, cut in scheme.value.cuts.items()}
    cv_cuts = {str(name): cut for name, cut in scheme.variability.cuts.items()}
    rows = criteria_report(
        candidates, assortment, rule=rule, cuts=cuts, cv_cuts=cv_cuts, in_use=(scheme.value.basis, VARIABILITY)
    )
    report = CRITERIA_REPORT.conform(rows.assign(**view.stamp, **NOT_SUSPENDED))
    if rule.methods is None:
        return report, METHOD_SELECTION.empty()
    compared = method_rows(candidates, assortment, rule=rule, cuts=cuts, basis=scheme.value.basis, rng=rngs[2])
    return report, METHOD_SELECTION.conform(compared.assign(**view.stamp, **NOT_SUSPENDED))


def _read(view: View, history: Path, profile: Path) -> tuple[pd.DataFrame, pa.Table]:
    scheme = view.scheme
    variables = {
        "level": scheme.class_level,
        "basis": scheme.variability.basis,
        "bucket": scheme.buckets.classification,
        "begin": first_period(view),
    }
    with engine({"demand_history": history, "demand_profile": profile}, **variables) as connection:
        return connection.execute(_ITEMS).df(), connection.execute(_PERIODS).to_arrow_table()


def _candidates(
    view: View, rule: Evidence, items: pd.DataFrame, found: pa.Table, stock: _Stock, rng: np.random.Generator
) -> list[Candidate]:
    """The scheme's criteria, as they are and on other samples of periods; what a draw says nothing of stays."""
    found = found.append_column("value", found[view.scheme.value.basis])
    series = placed(view, items, found)
    seen = seen_periods(view, items, series)
    count = series.units.shape[1]
    counts = period_counts(count, rule.draws, block=1, rng=rng)
    rows = found["series"].to_numpy()
    days = found["period_start"].to_numpy().astype("datetime64[D]")
    column = np.searchsorted(np.array(series.periods.starts, dtype="datetime64[D]"), days)
    value: dict[str, Floats] = {name: floats(items[name]) for name in SUMMED}
    drawn: dict[str, Floats] = {}
    for name in SUMMED:
        each = np.zeros(series.units.shape)
        each[rows, column] = found["units" if name == "demand_units" else name].to_numpy(zero_copy_only=False)
        drawn[name] = money_in(value[name], each, seen.value).drawn(counts)
    value[VARIABILITY] = floats(items["metric"])
    drawn[VARIABILITY] = noise(view.scheme, value[VARIABILITY], seen, series).drawn(counts)[0]
    value |= {"unit_cost": stock.unit_cost, "lead_time": stock.lead_time}
    value["cost_ratio"], basis = stock.ratio, view.scheme.value.basis
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn["cost_ratio"] = value["cost_ratio"] * drawn[basis] / value[basis]
    return [
        Candidate(
            name,
            value[name],
            np.where(np.isnan(drawn[name]), value[name], drawn[name]) if name in drawn else value[name][None, :],
        )
        for name in rule.criteria
    ]


def _stock(view: View, items: pd.DataFrame, places: pd.DataFrame) -> _Stock:
    """Terms of the places with forecast, cost, lead time and value, under one review for all: the scheme's shortest.

    A place orders the demand of a review, at least the supplier's minimum, in its multiples. Units count by what one
    is worth on the scheme's basis, so that a fill rate over all items is a share of value, not of bolts and machines.
    """
    scheme, bucket = view.scheme, view.scheme.buckets.planning
    item = item_of(places, items, at_region=scheme.class_level == "region")
    reviews = [policy.review_days for policy in scheme.policies.values() if policy.review_days is not None]
    number: Mapping[str, Floats] = {
        name: floats(places[name])
        for name in (
            "mean_units", "error_sd_units", "unit_cost", "min_order_quantity", "order_multiple",
            "lead_time_mean_days", "lead_time_sd_days",
        )
    }  # fmt: skip
    mean, days = number["mean_units"], PERIOD_DAYS[bucket]
    review = (min(reviews) if reviews else days) / days
    year = mean * PERIODS_PER_YEAR[bucket]
    holding = number["unit_cost"] * scheme.inventory.holding_rate_year
    multiple = np.where(number["order_multiple"] > 0, number["order_multiple"], 1.0)
    lot = order_quantity(mean * review, np.nan_to_num(number["min_order_quantity"]), multiple)
    lead_sd = np.nan_to_num(number["lead_time_sd_days"]) / days
    spread = np.sqrt(
        span_variance(mean, number["error_sd_units"], number["lead_time_mean_days"] / days + review, lead_sd)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        worth = (floats(items[scheme.value.basis]) / floats(items["demand_units"]))[item]
    ended = places["lifecycle_state"].isin(["eol", "dead"]).to_numpy(dtype=bool)
    usable = (item >= 0) & ~ended & ~places["is_lot_unknown"].fillna(value=False).to_numpy(dtype=bool)
    usable &= np.nan_to_num(year) >= max(scheme.inventory.min_demand_units_year, np.finfo(float).tiny)
    for part in (lot, spread, holding, worth):
        usable &= np.isfinite(part) & (part > 0)
    at = np.flatnonzero(usable)
    # In the order of the items, so that sums are always taken in the same order.
    at = at[np.lexsort((places["location_id"].to_numpy(dtype=str)[at], item[at]))]
    terms = StockTerms(worth[at] * year[at], worth[at] * lot[at], worth[at] * spread[at], holding[at] / worth[at])
    known = np.where(number["unit_cost"] > 0, number["unit_cost"], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        worthwhile = year / lot * np.where(worth > 0, worth, np.nan) / (known * scheme.inventory.holding_rate_year)
    parts = (known, number["lead_time_mean_days"], worthwhile)
    return _Stock(terms, item[at], *(_mean_of(item, part, len(items)) for part in parts))


def _mean_of(item: Ints, part: Floats, count: int) -> Floats:
    """Mean over the places of each item where the number is known; NaN where it is nowhere."""
    known = np.flatnonzero((item >= 0) & np.isfinite(part))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: Floats = np.bincount(item[known], part[known], count) / np.bincount(item[known], minlength=count)
    return mean
