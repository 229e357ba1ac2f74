"""What it costs to keep a class: classes back-cast over past cut-offs, compared with those of some days before.

Belongs here: the path of classes, shares of change with their interval, the longest tolerated delay. Does not: reading
history and policies (`strata.conformed.staleness`), how late data comes (`strata.review.latency`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.calendar import Periods
from strata.classify.assign import OWN, assign
from strata.demand.level import level_measures, level_value
from strata.demand.profile import profile
from strata.derivation import Derivation, Step, aggregated, copied
from strata.partition import Partition
from strata.scheme.model import Cadence, Level, Scheme

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]

KEY = ["sku_id", "location_id"]
EVERY = "*"
_MONEY = ("value", "revenue", "holding_excess", "margin_missed")
_PATH = ("series_value.value", "panel.units", "panel.hidden", "panel.launch_index", "rule.cadence")
_COST = (
    "inventory_policy.holding_cost_year", "inventory_policy.expected_fill_rate", "stocked_pair.mean_units",
    "demand_profile.margin", "demand_profile.demand_units",
)  # fmt: skip
STEPS: tuple[Step, ...] = (
    Derivation(
        "segment_cadence",
        {
            "segment": aggregated(*_PATH),
            "delay_days": copied("rule.cadence"),
            "max_cost_share": copied("rule.cadence"),
            **{name: aggregated(*_PATH) for name in ("cutoffs", "items", "pairs")},
            "unpriced_pairs": aggregated(*_COST, when=_PATH),
            **{name: aggregated(*_PATH) for name in ("changed_share", "changed_low", "changed_high")},
            "changed_value_share": aggregated(*_PATH),
            "holding_excess_year": aggregated(*_COST[:1], when=_PATH),
            "margin_missed_year": aggregated(*_COST[1:], when=_PATH),
            **{
                name: aggregated(*_COST, *_PATH)
                for name in ("cost_share", "is_tolerated", "tolerated_delay_days", "recommended_cadence_days")
            },
            "decision_reason": aggregated(*_COST, *_PATH),
        },
        rows=_PATH,
    ),
)


@dataclass(frozen=True, slots=True)
class History:
    """Closed periods of every series at the class level, as known at the cut-off.

    `units`, `hidden`, `value` are series x periods; `value` is money on the scheme's basis, NaN where unknown.
    `launch_index` is the launch's period, negative before the first one.
    """

    keys: pd.DataFrame
    units: Floats
    hidden: Booleans
    value: Floats
    launch_index: Ints
    periods: Periods


def class_path(history: History, stops: Sequence[int], *, scheme: Scheme, partition: Partition, cutoff: Any) -> Texts:
    """The class that every series had when its periods up to each stop were closed; None where it had no own history.

    Every class is decided as in the cycle itself, by the same functions and against the class of the stop before, so
    with hysteresis. Overrides and what is lent by the fallback ladder are not in it: neither comes from the item's own
    data. What is known is what is known at the last cut-off: corrections that came later are in every stop.

    Args:
        history: series at the class level.
        stops: number of closed periods at each cut-off, strictly ascending.
        scheme: cuts, bands, windows.
        partition: region and cycle; they only fill columns.
        cutoff: instant with time zone; likewise.

    Returns:
        Segments [stops, series].

    Raises:
        ValueError: stops do not ascend, or lie outside the periods.
    """
    if list(stops) != sorted(set(stops)) or (len(stops) and not 0 <= stops[0] <= stops[-1] <= len(history.periods)):
        raise ValueError(f"stops {list(stops)} must ascend within 0 and {len(history.periods)} periods")
    return held_path(class_rows(history, stops, scheme=scheme), scheme=scheme, partition=partition, cutoff=cutoff)


@dataclass(frozen=True, slots=True)
class ClassRows:
    """What classes rest on at each stop: rows of `demand_profile` of the series `own`, those with own history."""

    series: int
    own: list[Ints]
    rows: list[pd.DataFrame]


def class_rows(history: History, stops: Sequence[int], *, scheme: Scheme) -> ClassRows:
    """Profile every series at every stop. Churn controls have no part in it: one profile serves many of them."""
    found = ClassRows(len(history.keys), [], [])
    for stop in stops:
        begin = max(0, stop - scheme.value.window_cycles)
        window = slice(begin, stop)
        shape = profile(
            history.units[:, window],
            history.hidden[:, window],
            history.launch_index - begin,
            scheme=scheme,
            periods=Periods(history.periods.bucket, history.periods.starts[window]),
            is_ended=np.zeros(len(history.keys), dtype=bool),
        )
        own = np.flatnonzero(shape["periods_observed"].to_numpy() >= scheme.fallback.min_periods)
        value = history.value[own, window].sum(axis=1)
        rows = shape.iloc[own].reset_index(drop=True)
        if scheme.level is not None:
            rows = rows.drop(columns=["recent_ratio", "shift_z", "is_true_shift"])
            rows = rows.join(_levels(history, own, stop, scheme.level, value, window))
        rows = rows.assign(
            **{name: history.keys[name].to_numpy()[own] for name in KEY},
            revenue=value, margin=value, expected_cv=np.nan, expected_value=np.nan,
            fallback_level=OWN, fallback_reason=None, fallback_valid_until_cycle=None,
        )  # fmt: skip
        found.own.append(own)
        found.rows.append(rows)
    return found


def held_path(of: ClassRows, *, scheme: Scheme, partition: Partition, cutoff: Any) -> Texts:
    """The segments [stops, series] that the scheme's controls make of the profiles; None without own history."""
    path: Texts = np.full((len(of.rows), of.series), None, dtype=object)
    previous: pd.DataFrame | None = None
    none = pd.DataFrame(columns=["override_id", *KEY, "value_class", "variability_class"])
    for row, (own, rows) in enumerate(zip(of.own, of.rows, strict=True)):  # memory runs from stop to stop
        if not len(own):
            continue
        previous = assign(rows, previous, none, scheme=scheme, partition=partition, cutoff=cutoff)
        path[row, own] = previous["segment"].to_numpy()
    return path


def _levels(history: History, own: Ints, stop: int, rule: Level, value: Floats, window: slice) -> pd.DataFrame:
    """Levels of the series `own` when their periods up to `stop` were closed."""
    at = slice(max(0, stop - rule.window_periods), stop)
    launched = np.arange(at.start, stop)[None, :] >= history.launch_index[own, None]
    found = level_measures(history.units[own, at], launched & ~history.hidden[own, at], rule=rule)
    sold = history.units[own, window].sum(axis=1)
    level = level_value(value, sold, found["level_units_period"].to_numpy(), periods=window.stop - window.start)
    return found.assign(level_value=level)


def staleness(
    pairs: pd.DataFrame, *, segments: Sequence[str], rule: Cadence, least_days: int, expected_cutoffs: int
) -> pd.DataFrame:
    """What each delay costs each segment, and how long the segment may keep its classes.

    Args:
        pairs: one row per item, cut-off and delay compared: item (a number), cutoff (a number), delay_days, held (the
            segment so many days before), right (the one at the cut-off), value (of the window, money), and per year
            revenue, holding_excess and margin_missed in money; the last two NaN where no policy tells.
        segments: all that the scheme can produce, in order; each has its rows, with nulls where none was compared.
        rule: delays, tolerance, least items and confidence of the interval.
        least_days: length of a classification period: classes cannot change more often.
        expected_cutoffs: cut-offs that were asked for.

    Returns:
        The columns of `tables.SEGMENT_CADENCE` but for region, cycle, stamp and suspension.

    Raises:
        ValueError: a pair stands twice, or names a segment or delay that is not asked for.
    """
    held, right = (pd.Categorical(pairs[name], categories=list(segments)).codes for name in ("held", "right"))
    delay = pd.Index(rule.delay_days).get_indexer(pd.Index(pairs["delay_days"].astype("int64")))
    if (held < 0).any() or (right < 0).any() or (delay < 0).any():
        at = int(np.flatnonzero((held < 0) | (right < 0) | (delay < 0))[0])
        named = pairs.iloc[at][["held", "right", "delay_days"]].tolist()
        raise ValueError(f"pairs: {named} are no segments and delay of the scheme")
    item, cutoff = (pd.factorize(pairs[name], sort=True)[0].astype(np.int64) for name in ("item", "cutoff"))
    once = (item * (cutoff.max(initial=0) + 1) + cutoff) * len(rule.delay_days) + delay
    order = np.argsort(once, kind="stable")  # sums run in one order
    if (np.diff(once[order]) == 0).any():
        raise ValueError("pairs: an item is compared once per cut-off and delay")
    item, cutoff, delay = item[order], cutoff[order], delay[order]
    cell = held[order].astype(np.int64) * len(rule.delay_days) + delay
    changed = (held != right)[order]
    value, revenue, excess, margin = (pairs[name].to_numpy(np.float64)[order] for name in _MONEY)
    priced = ~np.isnan(excess) & ~np.isnan(margin)
    cells, delays = len(segments) * len(rule.delay_days), len(rule.delay_days)

    def total(weights: Floats) -> Floats:
        """Sums per segment and delay; those of all segments before them."""
        own = np.bincount(cell, weights=weights, minlength=cells)
        return np.concatenate([own.reshape(-1, delays).sum(axis=0), own])

    def distinct(numbers: Ints) -> Ints:
        size = int(numbers.max(initial=0)) + 1
        parts = ((delay, delays), (cell, cells))
        return np.concatenate([np.bincount(np.unique(of * size + numbers) // size, minlength=n) for of, n in parts])

    pairs_of, unpriced = (total(flags.astype(np.float64)).astype(np.int64) for flags in (delay >= 0, ~priced))
    items, cutoffs = distinct(item), distinct(cutoff)
    share = _ratio(total(changed.astype(np.float64)), pairs_of)
    low, high = wilson(share, items, confidence=rule.confidence)
    worth = np.clip(np.nan_to_num(value), 0.0, None)
    costs = [total(np.where(changed & priced, of, 0.0)) for of in (excess, margin)]
    scale = total(np.where(priced, np.clip(np.nan_to_num(revenue), 0.0, None), 0.0))
    holding, missed = (np.where(pairs_of > unpriced, _ratio(cost, cutoffs), np.nan) for cost in costs)
    names = np.repeat(np.array([EVERY, *segments], dtype=object), delays)
    found = pd.DataFrame(
        {
            "segment": names, "delay_days": np.tile(np.array(rule.delay_days, np.int64), len(segments) + 1),
            "cutoffs": cutoffs, "items": items, "pairs": pairs_of, "changed_share": share, "changed_low": low,
            "changed_high": high, "changed_value_share": _ratio(total(worth * changed), total(worth)),
            "holding_excess_year": holding, "margin_missed_year": missed,
            "unpriced_pairs": unpriced, "cost_share": _ratio(costs[0] + costs[1], scale),
            "max_cost_share": rule.max_cost_share,
        }
    )  # fmt: skip
    return _recommended(found, rule, least_days, expected_cutoffs)


def wilson(share: Floats, count: Ints, *, confidence: float) -> tuple[Floats, Floats]:
    """Wilson score interval of a share seen in `count` independent trials; NaN where there was none.

    Examples:
        >>> low, high = wilson(np.array([0.1, 0.0]), np.array([50, 50]), confidence=0.95)
        >>> low.round(4).tolist(), high.round(4).tolist()
        ([0.0435, 0.0], [0.2136, 0.0713])

    Reference: Wilson (1927), Journal of the American Statistical Association 22:209; Brown, Cai and DasGupta (2001),
    Statistical Science 16:101.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (share + z * z / (2 * count)) / (1 + z * z / count)
        width = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4.0 * count**2))
    # An end that is 0 or 1 by the formula is so, whatever rounding left.
    low, high = np.where(share == 0, 0.0, middle - width), np.where(share == 1, 1.0, middle + width)
    return np.where(count > 0, low, np.nan), np.where(count > 0, high, np.nan)


def _ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Floats:
    found: Floats = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return found


def _recommended(found: pd.DataFrame, rule: Cadence, least_days: int, expected_cutoffs: int) -> pd.DataFrame:
    """The longest delay of each segment that costs no more than the tolerance, as does every shorter one."""
    size = len(rule.delay_days)
    shape = (-1, size)
    cost = found["cost_share"].to_numpy().reshape(shape)
    items, cutoffs = found["items"].to_numpy().reshape(shape), found["cutoffs"].to_numpy().reshape(shape)
    seen = (items >= rule.min_items) & (cutoffs >= rule.min_cutoffs)
    enough = seen & ~np.isnan(cost)
    within = np.logical_and.accumulate(enough & (np.nan_to_num(cost, nan=np.inf) <= rule.max_cost_share), axis=1)
    days = np.asarray(rule.delay_days, dtype=np.float64)
    longest = np.where(within, days, 0.0).max(axis=1)
    measured = enough[:, 0]
    exceeded = (enough & ~within).any(axis=1)
    reasons = np.select(
        [~items.any(axis=1), ~seen[:, 0], ~measured, ~exceeded & ~within.all(axis=1), ~exceeded, longest < least_days],
        [
            "insufficient_history:no_item_compared",
            f"insufficient_history:below_{rule.min_items}_items_or_{rule.min_cutoffs}_of_{expected_cutoffs}_cutoffs",
            "not_priced:no_revenue_or_no_policy",
            "longest_measured_tolerated",
            "longest_of_grid_tolerated",
            "every_period:one_period_costs_more_than_tolerated",
        ],
        default="longest_tolerated",
    )
    known = np.repeat(measured, size)
    return found.assign(
        is_tolerated=pd.Series(within.ravel()).astype("boolean").where(enough.ravel()),
        tolerated_delay_days=pd.array(np.where(known, np.repeat(longest, size), np.nan), dtype="Int64"),
        recommended_cadence_days=pd.array(
            np.where(known, np.repeat(np.maximum(longest, least_days), size), np.nan), dtype="Int64"
        ),
        decision_reason=np.repeat(reasons.astype(object), size),
    )
