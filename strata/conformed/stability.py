"""What the stability lab draws from: a partition's history, its decided classes, and what other segments would cost.

Belongs here: reading, seeds, pricing. Does not: the draws (`strata.classify.stability`), what is said of them
(`strata.review.stability`).
"""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from strata.calendar import PERIODS_PER_YEAR, first_open_period, next_period
from strata.classify.assign import OWN, earned_values
from strata.classify.cleaned import cleaned_items
from strata.classify.keyed import floats
from strata.classify.sampling import (
    Ahead,
    Booleans,
    Floats,
    Ints,
    Sample,
    Spread,
    WithinLevels,
    about_mean,
    ahead,
    at_level,
    forecast_worth,
    money_in,
    period_counts,
    within_levels,
)
from strata.classify.stability import (
    SEGMENTS,
    Codes,
    Items,
    Stability,
    axis_codes,
    biased,
    drawn_again,
    proposed_codes,
    segment_codes,
)
from strata.conformed.engine import engine
from strata.conformed.history import View
from strata.conformed.staleness import class_history, policy_costs
from strata.conformed.supply import stocked
from strata.demand.outliers import PROMOTION, clean
from strata.demand.panel import shape_periods
from strata.demand.seasonality import decompose
from strata.derivation import Query, Step
from strata.review.stability import Proposed, agreement_rows, stability_rows
from strata.review.staleness import History
from strata.scheme.model import Scheme
from strata.scheme.stability import Stability as Rule
from strata.tables import CLASS_AGREEMENT, CLASS_STABILITY, NOT_SUSPENDED

_TESTED = """
with item as (
    select sku_id, coalesce(family, category) as family
    from int_item_version
    where known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
)

select
    p.sku_id, p.location_id, p.revenue, p.margin, p.cv, p.cv_deseasonalised, p.cv_level, p.forecast_error,
    p.level_value, p.level_periods, p.periods_observed, p.fallback_level, p.demand_class, a.computed_segment,
    a.override_id, i.family
from demand_profile as p
inner join segment_assignment as a on p.sku_id = a.sku_id and p.location_id = a.location_id
left join item as i on p.sku_id = i.sku_id
where (p.location_id = '*') = (getvariable('level') = 'region')
order by p.sku_id, p.location_id
"""
# Of what is classed, numbered as its history is: the months that a promotion touched at any of its places.
_PROMOTED = """
with classed as (
    select sku_id, location_id, row_number() over (order by sku_id, location_id) - 1 as series
    from demand_profile
    where (location_id = '*') = (getvariable('level') = 'region')
)

select distinct c.series, h.period_start
from demand_history as h
inner join classed as c on h.sku_id = c.sku_id and c.location_id in ('*', h.location_id)
where h.is_promotion and h.bucket = getvariable('bucket') and not h.is_partial
order by c.series, h.period_start
"""
SELDOM = ("intermittent", "lumpy")
STEPS: tuple[Step, ...] = (Query("class_tested", _TESTED), Query("class_promotion", _PROMOTED))


def class_stability(
    view: View, *, history: Path, profile: Path, forecast: Path, assignment: Path, lead_times: Path
) -> tuple[pa.Table, pa.Table]:
    """`class_stability` and `class_agreement` of a partition; no rows where the scheme has no `stability`."""
    rule, scheme = view.scheme.stability, view.scheme
    if rule is None:
        return CLASS_STABILITY.empty(), CLASS_AGREEMENT.empty()
    tested, promotions = _tested(view, history, profile, assignment)
    if tested.empty:
        return CLASS_STABILITY.empty(), CLASS_AGREEMENT.empty()
    keys, series = class_history(view, history, profile, begin=first_period(view))
    promoted = _at(promotions, series)
    # Rankings lie together: by location, then item.
    order = np.lexsort((tested["sku_id"].to_numpy(dtype=str), tested["location_id"].to_numpy(dtype=str)))
    back = np.argsort(order)
    held = segment_codes(tested["computed_segment"].to_numpy(dtype=object))
    there = tested.iloc[order]
    series = _ordered(series, order)
    lab = _Lab(view, there, _items(scheme, there), seen_periods(view, there, series), series)
    found = _drawn(lab, rule, held[order])
    drawn = {name: Stability(one.codes[:, back], one.draws[back], one.probability[back]) for name, one in found.items()}
    said = _proposed(lab, promoted[order]).taken(back)
    places = stocked(view, forecast=forecast, profile=profile, assignment=assignment, lead_times=lead_times)
    costs = _costs(view, held, drawn, keys, places)
    rows = stability_rows(tested, held, said, drawn, rule=rule).assign(**view.stamp, **NOT_SUSPENDED)
    summary = agreement_rows(held, drawn, floats(tested["revenue"]), costs, rule=rule).assign(**view.stamp)
    return CLASS_STABILITY.conform(rows), CLASS_AGREEMENT.conform(summary)


@dataclass(frozen=True, slots=True)
class _Lab:
    """A partition's items as they are drawn again; rows lie by location."""

    view: View
    tested: pd.DataFrame
    items: Items
    seen: "Seen"
    series: History

    @property
    def cuts(self) -> tuple[dict[str, float], dict[str, float]]:
        """Cuts of the value and of the variability class."""
        return dict(self.view.scheme.value.cuts.items()), dict(self.view.scheme.variability.cuts.items())


def _tested(view: View, history: Path, profile: Path, assignment: Path) -> tuple[pd.DataFrame, pa.Table]:
    tables = {
        "demand_history": history, "demand_profile": profile, "segment_assignment": assignment,
        **view.only("int_item_version"),
    }  # fmt: skip
    scheme = view.scheme
    variables = {"level": scheme.class_level, "bucket": scheme.buckets.classification, "known_at": view.known_at}
    with engine(tables, **variables) as connection:
        frame: pd.DataFrame = connection.execute(_TESTED).to_arrow_table().to_pandas(date_as_object=True)
        return frame, connection.execute(_PROMOTED).to_arrow_table()


def _at(promotions: pa.Table, series: History) -> Booleans:
    """Promoted periods as a matrix like that of the units."""
    promoted = np.zeros(series.units.shape, dtype=bool)
    days = promotions["period_start"].to_numpy().astype("datetime64[D]")
    starts = np.array(series.periods.starts, dtype="datetime64[D]")
    inside = np.isin(days, starts)
    promoted[promotions["series"].to_numpy()[inside], np.searchsorted(starts, days[inside])] = True
    return promoted


def _proposed(lab: _Lab, promoted: Booleans) -> Proposed:
    """What the metrics alone say, and what they would say without promotions and outliers; rows lie by location."""
    scheme, items, seen = lab.view.scheme, lab.items, lab.seen
    cuts, cv_cuts = lab.cuts
    now = proposed_codes(items, cuts=cuts, cv_cuts=cv_cuts)
    none = np.zeros(len(now), dtype=np.int64)
    if scheme.outliers is None:
        return Proposed(now, now, none, none, np.full(len(now), np.nan))
    looked_at = seen.shape | seen.since | seen.before
    seldom = lab.tested["demand_class"].isin(SELDOM).to_numpy(dtype=bool)
    season = PERIODS_PER_YEAR[scheme.buckets.classification]
    found = clean(lab.series.units, looked_at, promoted, seldom, rule=scheme.outliers, season=season)
    rests_on = seen.since | seen.before if scheme.level is not None else seen.shape
    is_within = scheme.variability.basis == "cv_level"
    usual = cleaned_items(items, lab.series.units, rests_on, found, level=scheme.level, is_within=is_within)
    sums = [np.where(looked_at, part, 0.0).sum(axis=1) for part in (found.baseline, lab.series.units)]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(items.is_drawn & (sums[1] > 0), sums[0] / sums[1], np.nan)
    return Proposed(
        now, proposed_codes(usual, cuts=cuts, cv_cuts=cv_cuts), (found.reason == PROMOTION).sum(axis=1),
        found.is_outlier.sum(axis=1), share,
    )  # fmt: skip


def first_period(view: View) -> date:
    """First period that the classes rest on."""
    scheme, bucket = view.scheme, view.scheme.buckets.classification
    stop = first_open_period(view.cutoff, view.calendar.zone(view.partition.region), bucket)
    length = max(shape_periods(scheme), scheme.level.window_periods if scheme.level else 0)
    return next_period(stop, bucket, -length)


def _ordered(series: History, order: Ints) -> History:
    return History(
        series.keys.iloc[order], series.units[order], series.hidden[order], series.value[order],
        series.launch_index[order], series.periods,
    )  # fmt: skip


def _drawn(lab: _Lab, rule: Rule, held: Codes) -> dict[str, Stability]:
    """The classes of every draw by source; rows lie by location."""
    view, items, series, count = lab.view, lab.items, lab.series, lab.series.units.shape[1]
    cuts, cv_cuts = lab.cuts
    rngs = [np.random.default_rng([rule.seed, part, *view.partition.key.encode()]) for part in range(3)]
    counts = [period_counts(count, rule.draws, block=min(rule.block_periods, count), rng=rng) for rng in rngs[:2]]
    made = ahead(series.units, lab.seen.since, alpha=rule.benchmark_alpha, warm_up=rule.warm_up_periods)
    forecastable = replace(items, is_drawn=items.is_drawn & made.can)
    years, forecasts = (
        _other_years(view, items, lab.seen, series),
        _forecasts(view.scheme, items, lab.seen, series, made),
    )
    steady, family = axis_codes(held, "variability")[0], _groups(lab.tested)
    return {
        "bootstrap": drawn_again(items, years, counts[0], cuts=cuts, cv_cuts=cv_cuts),
        "forecast_error": drawn_again(forecastable, forecasts, counts[1], cuts=cuts, cv_cuts=cv_cuts),
        "bias": biased(items, family, steady, draws=rule.draws, bias=rule.bias, rng=rngs[2], cuts=cuts),
    }


@dataclass(frozen=True, slots=True)
class Seen:
    """Periods of every item: those its shape is measured on, its value, its level now, and the levels before."""

    shape: Booleans
    value: Booleans
    since: Booleans
    before: Booleans


def _items(scheme: Scheme, tested: pd.DataFrame) -> Items:
    """What was decided: the value that was ranked and the metric that was cut."""
    earned, is_ranked = earned_values(tested, scheme)
    own = tested["fallback_level"].to_numpy(dtype=object) == OWN
    _, ranking = np.unique(tested["location_id"].to_numpy(dtype=str), return_inverse=True)
    too_few = tested["periods_observed"].to_numpy(dtype=np.int64) < scheme.variability.min_periods
    metric = np.where(too_few, np.nan, floats(tested[scheme.variability.basis]))
    return Items(earned, metric, ranking.astype(np.int64), is_ranked=is_ranked, is_drawn=own)


def seen_periods(view: View, tested: pd.DataFrame, series: History) -> Seen:
    """Which periods of every item its shape, its value and its level rest on; rows of both in one order."""
    count = series.units.shape[1]
    shape, rule = shape_periods(view.scheme), view.scheme.level
    at = np.arange(count)[None, :]
    observed = ~series.hidden & (at >= series.launch_index[:, None])
    value = observed & (at >= count - view.scheme.value.window_cycles)
    if rule is None:
        return Seen(observed & (at >= count - shape), value, value, np.zeros_like(value))
    looked_at = observed & (at >= count - rule.window_periods)
    rests_on = np.nan_to_num(floats(tested["level_periods"]))
    since = looked_at & (np.cumsum(looked_at[:, ::-1], axis=1)[:, ::-1] <= rests_on[:, None])
    return Seen(observed & (at >= count - shape), value, since, looked_at & ~since)


def _other_years(view: View, items: Items, seen: Seen, series: History) -> Sample:
    """Other samples of the periods that value and variability rest on."""
    scheme = view.scheme
    if scheme.level is None:
        worth = money_in(items.value, series.value, seen.value)
    else:
        worth = at_level(items.value, series.units, seen.since)
    return Sample(worth, noise(scheme, items.metric, seen, series))


def noise(scheme: Scheme, metric: Floats, seen: Seen, series: History) -> Spread | WithinLevels:
    """What other samples of the periods make of the variability, on the scheme's basis."""
    if scheme.variability.basis == "cv_level":
        return within_levels(metric, series.units, seen.since, seen.before)
    spread = series.units
    if scheme.variability.basis == "cv_deseasonalised":
        season = PERIODS_PER_YEAR[scheme.buckets.classification]
        parts = decompose(series.units, seen.shape, season=season, min_seasons=scheme.seasonality.min_seasons)
        spread = np.nan_to_num(parts.remainder)
    return about_mean(metric, series.units, spread, seen.shape)


def _forecasts(scheme: Scheme, items: Items, seen: Seen, series: History, made: Ahead) -> Sample:
    """The periods of the value as forecast, with errors; a season that was taken out of the variability stays out."""
    counted = seen.value if scheme.level is None else seen.since
    worth = forecast_worth(items.value, series.units, counted, made)
    if scheme.variability.basis == "cv_level":
        return Sample(worth, within_levels(items.metric, made.units, made.judged, np.zeros_like(made.judged)))
    usual = about_mean(items.metric, series.units, series.units, seen.shape).scale
    return Sample(worth, replace(about_mean(items.metric, made.units, made.units, made.judged), scale=usual))


def _groups(tested: pd.DataFrame) -> Ints:
    """Number of the family of each item, in the order of names; an item without one is a group of its own."""
    names = tested["family"].where(tested["family"].notna(), "\0" + tested["sku_id"].astype(str))
    groups: npt.NDArray[np.intp] = np.unique(names.to_numpy(dtype=str), return_inverse=True)[1]
    return groups.astype(np.int64)


def _costs(
    view: View, held: Codes, drawn: dict[str, Stability], keys: pd.DataFrame, places: pd.DataFrame
) -> dict[str, Floats]:
    """Holding cost and margin served a year, items x `SEGMENTS`, where a segment is held or came up in a draw."""
    wanted = np.zeros((len(held), len(SEGMENTS)), dtype=bool)
    wanted[np.arange(len(held)), held] = True
    for one in drawn.values():
        wanted |= np.nan_to_num(one.probability) > 0
    priced = _like_policies(view.scheme)  # segments of one policy are priced once
    item, segment = np.nonzero(wanted)
    once = np.zeros_like(wanted)
    once[item, priced[segment]] = True
    each, policy = np.nonzero(once)
    names = pd.DataFrame({"item": each, "segment": np.array(SEGMENTS, dtype=object)[policy]})
    found = policy_costs(view, names, keys, places)
    costs = {}
    for name, column in (("holding_cost", "holding"), ("margin_served", "served")):
        cost = np.full(wanted.shape, np.nan)
        if not found.empty:
            cost[each, policy] = found[column].reindex(pd.MultiIndex.from_frame(names)).to_numpy(np.float64)
        costs[name] = np.where(wanted, cost[:, priced], np.nan)
    return costs


def _like_policies(scheme: Scheme) -> Ints:
    """Per segment, the first of `SEGMENTS` that has the same policy."""
    stated = [scheme.policies.get(name) for name in SEGMENTS]
    terms = [None if one is None else one.model_dump(exclude={"rationale"}) for one in stated]
    return np.array([terms.index(one) for one in terms], dtype=np.int64)
