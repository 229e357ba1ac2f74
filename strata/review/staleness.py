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
from strata.demand.profile import profile
from strata.derivation import Derivation, Step, aggregated, copied
from strata.partition import Partition
from strata.scheme.model import Cadence, Scheme

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
    path: Texts = np.full((len(stops), len(history.keys)), None, dtype=object)
    previous: pd.DataFrame | None = None
    none = pd.DataFrame(columns=["override_id", *KEY, "value_class", "variability_class"])
    for row, stop in enumerate(stops):  # memory runs from stop to stop; each step takes all series at once
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
        if not len(own):
            continue
        value = history.value[own, window].sum(axis=1)
        rows = shape.iloc[own].reset_index(drop=True)
        rows = rows.assign(
            **{name: history.keys[name].to_numpy()[own] for name in KEY},
            revenue=value, margin=value, expected_cv=np.nan, expected_value=np.nan,
            fallback_level=OWN, fallback_reason=None, fallback_valid_until_cycle=None,
        )  # fmt: skip
        previous = assign(rows, previous, none, scheme=scheme, partition=partition, cutoff=cutoff)
        path[row, own] = previous["segment"].to_numpy()
    return path


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
    if pairs.duplicated(["item", "cutoff", "delay_days"]).any():
        raise ValueError("pairs: an item is compared once per cut-off and delay")
    names = [EVERY, *segments]
    unknown = set(pairs["held"]) - set(segments) | set(pairs["delay_days"]) - set(rule.delay_days)
    if unknown:
        raise ValueError(f"pairs: {sorted(map(str, unknown))} are no segments or delays of the scheme")
    pairs = pairs.astype(dict.fromkeys(_MONEY, "float64"))  # an empty frame has no types
    changed = (pairs["held"] != pairs["right"]).to_numpy()
    priced = (pairs["holding_excess"].notna() & pairs["margin_missed"].notna()).to_numpy()
    counted = pairs.assign(
        one=1, changed=changed, value=pairs["value"].clip(lower=0.0), unpriced=~priced,
        revenue=pairs["revenue"].clip(lower=0.0) * priced,
        value_changed=pairs["value"].clip(lower=0.0) * changed,
        holding_excess=pairs["holding_excess"] * (changed & priced),
        margin_missed=pairs["margin_missed"] * (changed & priced),
    )  # fmt: skip
    both = pd.concat([counted, counted.assign(held=EVERY)], ignore_index=True)
    both = both.sort_values(["held", "delay_days", "item", "cutoff"], ignore_index=True)  # sums run in one order
    grouped = both.groupby(["held", "delay_days"], sort=True)
    measures = ["one", "changed", "value", "value_changed", "revenue", "holding_excess", "margin_missed", "unpriced"]
    sums = grouped[measures].sum()
    sums[["cutoffs", "items"]] = grouped[["cutoff", "item"]].nunique()
    grid = pd.MultiIndex.from_product([names, rule.delay_days], names=["segment", "delay_days"])
    rows = sums.reindex(grid)
    pairs_of, items, cutoffs = (rows[name].fillna(0).to_numpy(np.int64) for name in ("one", "items", "cutoffs"))
    share = _ratio(rows["changed"], rows["one"])
    low, high = wilson(share, items, confidence=rule.confidence)
    unpriced = rows["unpriced"].fillna(0).to_numpy(np.int64)
    is_priced = pairs_of > unpriced
    holding, missed = (
        np.divide(rows[name].to_numpy(), cutoffs, out=np.full(len(rows), np.nan), where=is_priced)
        for name in ("holding_excess", "margin_missed")
    )
    cost = _ratio(rows["holding_excess"] + rows["margin_missed"], rows["revenue"])
    found = pd.DataFrame(
        {
            "segment": grid.get_level_values(0), "delay_days": grid.get_level_values(1).to_numpy(np.int64),
            "cutoffs": cutoffs, "items": items, "pairs": pairs_of, "changed_share": share, "changed_low": low,
            "changed_high": high, "changed_value_share": _ratio(rows["value_changed"], rows["value"]),
            "holding_excess_year": holding, "margin_missed_year": missed,
            "unpriced_pairs": unpriced, "cost_share": cost,
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


def _ratio(part: "pd.Series[Any]", whole: "pd.Series[Any]") -> Floats:
    above, below = part.to_numpy(np.float64), whole.to_numpy(np.float64)
    found: Floats = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
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
            "not_priced:no_revenue_to_weigh_the_cost_by",
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
