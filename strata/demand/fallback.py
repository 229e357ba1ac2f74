"""Where demand comes from when an item's own history is not enough: the ladder of rungs, with reason and expiry.

Belongs here: which rung a series stands on and what it lends. Does not: reading history and item master
(`strata.conformed.borrowed`), classes (`strata.classify`), forecasts.

own -> predecessor -> like_item -> family_region -> last_class -> default. A series stands on the first rung that the
scheme offers, that has something to lend, and that has not expired.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.partition import shifted
from strata.scheme.model import RUNGS, Fallback

OWN, DEFAULT = "own", "default"
BORROWED = ("predecessor", "like_item", "family_region")
LEVELS = (OWN, *RUNGS, DEFAULT)
LENT = ("units_period", "cv", "value_period")
NEEDED = (
    "sku_id", "location_id", "family", "price", "currency", "predecessor_sku_id", "is_lender", "periods_observed",
    "periods_censored", "periods_unreported", "cycles_unobserved", "units_period", "units_period_alive", "cv",
    "value_period", "last_value_class", "last_variability_class",
)  # fmt: skip
_MAX_CHAIN = 8  # item masters hold rings of predecessors; nobody renumbers an item that often within one window

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class _Loan:
    """What one rung has to offer: the measures per series (NaN: nothing), from whom, and why not where it has none."""

    lent: dict[str, Floats]
    source: Objects
    missing: Objects

    @property
    def given(self) -> Booleans:
        return np.asarray(pd.isna(self.missing), dtype=np.bool_)


def fall_back(series: pd.DataFrame, *, rule: Fallback, min_periods: int, cycle: str) -> pd.DataFrame:
    """Put every series on its rung of the ladder.

    own: at least `min_periods` observed (closed, uncensored, reported) periods, and where the place has stopped
    reporting, no more than `rule.max_stale_cycles` cycles since.
    predecessor: of the item master, at the same location; if that has no own history itself, its predecessor, and so
    on. It lends its mean up to its last sale (the run-down after it is not demand for the successor), shared evenly
    among the items that name it.
    like_item: the medians of the `rule.like_items` items of the same family at the same location, with own history,
    whose price (in the same currency) is nearest in ratio, none farther than `rule.max_price_ratio`; of two equally
    near the cheaper.
    family_region: the medians of at least `rule.min_peers` series of the family with own history.
    last_class: the last class that the item earned itself is held; it lends the medians of the series with own
    history in that class.
    default: nothing is lent.

    What a rung lends is blended with what the item itself showed: own mean x n / (n + k) + lent x k / (n + k) with n
    observed periods and k = `rule.prior_periods` (Buhlmann's credibility). The variability is the lender's.

    Args:
        series: one row per series with the columns `NEEDED`; counts in periods of one bucket. `units_period_alive` is
            the mean up to the last sale. `cycles_unobserved` are whole cycles since the last observed period, or since
            launch. `is_lender` is false for items that end. `value_period` is money per observed period. Family,
            price, currency, predecessor, measures and last classes may be null. Last classes are those that the item
            earned by its own history, null or `U` where there are none.
        rule: the scheme's part.
        min_periods: `rule.min_periods` in periods of this bucket.
        cycle: cycle that decides, `YYYY-MM`.

    Returns:
        One row per series, in order: fallback_level, fallback_reason (null on the rung own, unless its place is
        stale), fallback_source (who lends), confidence (null on the rung own), fallback_valid_until_cycle (last cycle
        in which this rung may be used if nothing more is observed; null where it does not expire),
        expected_units_period, expected_cv, expected_value_period (NaN unknown).

    Raises:
        ValueError: a column is missing or a series stands twice.

    References:
        Buhlmann and Gisler (2005), A Course in Credibility Theory, section 3.1; docs/methods/fallback.md.
    """
    _check(series)
    observed = series["periods_observed"].to_numpy(dtype=np.int64)
    waited = series["cycles_unobserved"].to_numpy(dtype=np.int64)
    stale = series["periods_unreported"].to_numpy(dtype=np.int64) > 0
    enough = observed >= min_periods
    own = enough & ~(stale & (waited > rule.max_stale_cycles))
    measures = {name: series[name].to_numpy(dtype=np.float64) for name in (*LENT, "units_period_alive")}
    short = np.flatnonzero(~own)
    level = np.full(len(series), OWN, dtype=object)
    source = np.full(len(series), None, dtype=object)
    confidence = np.full(len(series), np.nan)
    reason = _where(own & stale, _count("stale_feed:", series["periods_unreported"], "_periods"))
    left = np.where(own & stale, rule.max_stale_cycles - waited, -1)
    expected = {name: measures[name].copy() for name in LENT}
    if len(short):
        lender = own & series["is_lender"].to_numpy(dtype=np.bool_)
        why = _why_short(series, short, enough, min_periods)
        open_rows = np.ones(len(short), dtype=np.bool_)
        level[short], confidence[short] = DEFAULT, rule.default_confidence
        for name, rung in sorted(rule.rungs.items(), key=lambda one: RUNGS.index(one[0])):  # a step per rung
            expired = waited[short] > rung.max_cycles
            loan = _loan(name, series, measures, short, own=own, lender=lender, rule=rule)
            stands = open_rows & ~expired & loan.given
            missed = np.where(expired, "expired", loan.missing)
            why = np.where(open_rows & ~stands, why + f";{name}:" + missed.astype(str).astype(object), why)
            rows = short[stands]
            level[rows], source[rows], confidence[rows] = name, loan.source[stands], rung.confidence
            left[rows] = rung.max_cycles - waited[rows]
            weight = observed[rows] / (observed[rows] + rule.prior_periods)
            for measure in LENT:
                lent = loan.lent[measure][stands]
                shown = measures[measure][rows]
                blend = (measure != "cv") & np.isfinite(shown) & (observed[rows] > 0)
                known = blend & np.isfinite(lent)
                mixed = weight * np.where(known, shown, 0.0) + (1 - weight) * np.where(known, lent, 0.0)
                mixed = np.where(known, mixed, np.where(blend, shown, lent))
                expected[measure][rows] = mixed
            open_rows &= ~stands
        reason[short] = why
        expected["cv"][short[open_rows]] = np.nan
    return pd.DataFrame(
        {
            "fallback_level": level,
            "fallback_reason": reason,
            "fallback_source": source,
            "confidence": confidence,
            "fallback_valid_until_cycle": _cycles_ahead(cycle, left),
            **{f"expected_{name}": values for name, values in expected.items()},
        },
        index=pd.RangeIndex(len(series)),
    )


def _loan(
    name: str,
    series: pd.DataFrame,
    measures: dict[str, Floats],
    short: Ints,
    *,
    own: Booleans,
    lender: Booleans,
    rule: Fallback,
) -> _Loan:
    if name == "predecessor":
        return _predecessor(series, measures, short, own)
    if name == "like_item":
        return _like_items(series, measures, short, lender, rule)
    if name == "family_region":
        family = series["family"].to_numpy(dtype=object)
        return _medians(family, family[short], measures, lender, rule.min_peers, "family:", "no_family")
    value, variability = (series[f"last_{axis}_class"].to_numpy(dtype=object) for axis in ("value", "variability"))
    known = ~pd.isna(value) & (value != "U") & ~pd.isna(variability)
    segment = np.full(len(series), None, dtype=object)
    segment[known] = value[known] + variability[known]
    found = _medians(segment, segment[short], measures, lender, 1, "segment:", "none_earned")
    # The class itself is what is held: without a peer in it there is still a class, only no rate.
    has = known[short]
    named = _where(has, np.asarray("segment:" + np.where(has, segment[short], "").astype(object), dtype=object))
    return _Loan(found.lent, named, _where(~has, np.full(len(short), "none_earned", dtype=object)))


def _predecessor(series: pd.DataFrame, measures: dict[str, Floats], short: Ints, own: Booleans) -> _Loan:
    """The nearest predecessor with own history along the chain, at the same location."""
    named = series["predecessor_sku_id"].to_numpy(dtype=object)
    has = ~pd.isna(named)
    ahead = np.full(len(series), -1, dtype=np.int64)
    if has.any():
        keys = pd.MultiIndex.from_arrays([series["location_id"].astype(object), series["sku_id"].astype(object)])
        places = series["location_id"].to_numpy(dtype=object)
        ahead[has] = keys.get_indexer(pd.MultiIndex.from_arrays([places[has], named[has]]))
    alive = measures["units_period_alive"]
    usable = own & (alive > 0)
    at = ahead[short]
    for _ in range(_MAX_CHAIN):  # one step per link of the chain, all series at once
        step = (at >= 0) & ~usable[at]
        at = np.where(step, ahead[at], at)
    found = (at >= 0) & usable[at]
    heirs = np.bincount(ahead[ahead >= 0], minlength=len(series)).astype(np.float64)
    # Only the last link is shared among heirs: a chain in between has one heir at each step, or none of them sells.
    share = 1.0 / np.maximum(heirs[at], 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        lived = alive / measures["units_period"]
    scale = {"units_period": lived * np.ones(len(series)), "cv": np.ones(len(series)), "value_period": lived}
    lent = {}
    for measure in LENT:
        offer = (measures[measure] * scale[measure])[at] * (1.0 if measure == "cv" else share)
        lent[measure] = np.where(found, offer, np.nan)
    source = _where(found, series["sku_id"].to_numpy(dtype=object)[at])
    missing = _where(~found, np.where(has[short], "no_history", "none").astype(object))
    return _Loan(lent, source, missing)


def _like_items(
    series: pd.DataFrame, measures: dict[str, Floats], short: Ints, lender: Booleans, rule: Fallback
) -> _Loan:
    """Medians of the items nearest in price within family and location."""
    price = series["price"].to_numpy(dtype=np.float64)
    family = series["family"].to_numpy(dtype=object)
    priced = np.isfinite(price) & (price > 0) & ~pd.isna(family)
    group = np.zeros(len(series))
    for name in ("location_id", "currency", "family"):
        codes = pd.factorize(series[name].to_numpy(dtype=object))[0] + 1
        group = group * (codes.max(initial=0) + 1.0) + codes
    logs = np.log(np.where(priced, price, 1.0))
    reach = float(np.log(rule.max_price_ratio))
    spread = float(logs.max() - logs.min()) + 2 * reach + 1.0
    axis = group * spread + logs  # groups lie apart by more than the reach, so one sorted axis serves all of them
    lenders = np.flatnonzero(lender & priced)
    names = pd.factorize(series["sku_id"].to_numpy(dtype=object), sort=True)[0]
    lenders = lenders[np.lexsort((names[lenders], axis[lenders]))]
    lent = {measure: np.full(len(short), np.nan) for measure in LENT}
    source = np.full(len(short), None, dtype=object)
    unplaced = np.where(pd.isna(family[short]), "no_family", "no_price")
    missing = np.where(priced[short], "none_near", unplaced).astype(object)
    asking = np.flatnonzero(priced[short])
    if not len(lenders) or not len(asking):
        return _Loan(lent, source, missing)
    wanted = short[asking]
    start = np.searchsorted(axis[lenders], axis[wanted], side="left")
    offsets = np.arange(-rule.like_items, rule.like_items)
    window = start[:, None] + offsets[None, :]
    inside = (window >= 0) & (window < len(lenders))
    member = lenders[np.clip(window, 0, len(lenders) - 1)]
    distance = np.abs(axis[member] - axis[wanted][:, None])
    near = inside & (distance <= reach)
    rank = np.argsort(np.where(near, distance, np.inf), axis=1, kind="stable")[:, : rule.like_items]
    chosen, kept = np.take_along_axis(member, rank, axis=1), np.take_along_axis(near, rank, axis=1)
    some = kept.any(axis=1)
    rows = asking[some]
    for measure in LENT:
        lent[measure][rows] = _nanmedian(np.where(kept, measures[measure][chosen], np.nan)[some])
    nearest = series["sku_id"].to_numpy(dtype=object)[chosen[some, 0]]
    others = kept[some].sum(axis=1) - 1
    source[rows] = np.where(others > 0, nearest + _count("+", others, ""), nearest)
    missing[rows] = None
    return _Loan(lent, source, missing)


def _medians(
    groups: Objects,
    wanted: Objects,
    measures: dict[str, Floats],
    lender: Booleans,
    min_peers: int,
    label: str,
    absent: str,
) -> _Loan:
    """Medians of each group's lenders with demand; none below `min_peers` of them."""
    usable = lender & ~pd.isna(groups) & np.isfinite(measures["units_period"])
    peers = pd.DataFrame({measure: measures[measure][usable] for measure in LENT})
    peers["group"] = groups[usable]
    table = peers.groupby("group")[list(LENT)].median()
    count = peers.groupby("group").size()
    at = table.index.get_indexer(pd.Index(wanted, dtype=object))
    number = np.where(at >= 0, count.to_numpy(dtype=np.int64)[at] if len(count) else 0, 0)
    found = number >= min_peers
    lent = {
        measure: np.where(found, table[measure].to_numpy(dtype=np.float64)[at], np.nan)
        if len(table)
        else np.full(len(wanted), np.nan)
        for measure in LENT
    }
    source = np.full(len(wanted), None, dtype=object)
    source[found] = label + wanted[found] + _count("/", number[found], "_series")
    few = np.where(pd.isna(wanted), absent, _count("peers_", number, f"_of_{min_peers}"))
    missing = _where(~found, few.astype(object))
    return _Loan(lent, source, missing)


def _nanmedian(values: Floats) -> Floats:
    """Median of each row's known values, NaN where there is none."""
    ordered = np.sort(values, axis=1)  # NaN last
    known = np.isfinite(values).sum(axis=1)
    rows = np.arange(len(values))
    low, high = np.maximum((known - 1) // 2, 0), np.minimum(known // 2, values.shape[1] - 1)
    middle: Floats = (ordered[rows, low] + ordered[rows, high]) / 2
    return np.where(known > 0, middle, np.nan)


def _why_short(series: pd.DataFrame, short: Ints, enough: Booleans, min_periods: int) -> Objects:
    """Why own history is not enough: the place stopped reporting, stock was out, or there is too little of it."""
    part = series.iloc[short]
    seen, out, silent = (
        part[name].to_numpy(dtype=np.int64) for name in ("periods_observed", "periods_censored", "periods_unreported")
    )
    words = np.select(
        [enough[short] | ((silent > 0) & (seen + silent >= min_periods)), seen + out >= min_periods],
        [_count("stale_feed:", silent, "_periods"), _count("stockout:", out, "_periods")],
        default=_count("short_history:", seen, f"_of_{min_periods}_periods"),
    )
    return np.asarray(words, dtype=object)


def _where(mask: Booleans, values: Objects) -> Objects:
    """The values where the mask holds, None elsewhere."""
    chosen = np.full(len(mask), None, dtype=object)
    chosen[mask] = values[mask]
    return chosen


def _count(before: str, counts: Any, after: str) -> Objects:
    """`before<count>after` per row."""
    numbers: Any = np.asarray(counts, dtype=np.int64).astype(str).astype(object)
    text: Objects = before + numbers + after
    return text


def _cycles_ahead(cycle: str, left: Ints) -> Objects:
    """The cycle that lies `left` cycles ahead; None where that is negative."""
    steps, at = np.unique(left, return_inverse=True)
    ahead = np.array([shifted(cycle, int(step)) if step >= 0 else None for step in steps] + [None], dtype=object)
    return np.asarray(ahead[at], dtype=object)


def _check(series: pd.DataFrame) -> None:
    if missing := [name for name in NEEDED if name not in series.columns]:
        raise ValueError(f"series: columns {missing} are missing; fall_back needs {list(NEEDED)}")
    twice = series.duplicated(["sku_id", "location_id"])
    if twice.any():
        example = series.loc[twice, ["sku_id", "location_id"]].iloc[0].tolist()
        raise ValueError(f"series: sku_id, location_id {example} stands more than once; give one row per series")
