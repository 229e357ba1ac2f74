"""How long data took from event to class, feed by feed, and whether the planning cadence could wait for it.

Belongs here: quantiles and verdicts over hops that were recorded. Does not: reading them from a snapshot
(`strata.conformed.latency`), what an old class costs (`strata.review.staleness`).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEED = ["system", "feed"]
PERCENTS = (50, 95)
IN_TIME, LATE, NOT_MEASURED = "in_time", "late_rows", "not_measured"
# Hop, from, to: instants of a row in seconds. The first three add up to the last.
HOPS = (
    ("event_to_known", "event", "known"),
    ("known_to_extracted", "known", "extracted"),
    ("extracted_to_class", "extracted", "decided"),
    ("event_to_class", "event", "decided"),
)
WALL_HOPS = (
    ("extracted_to_landed", "extracted", "landed"),
    ("landed_to_conformed", "landed", "conformed"),
    ("conformed_to_published", "conformed", "published"),
    ("extracted_to_published", "extracted", "published"),
)
_HOUR = 3600.0


def weighted_quantiles(values: Floats, weights: Ints, groups: Ints, *, percent: int, count: int) -> Floats:
    """Per group the smallest value at or below which at least `percent` % of the weight lies.

    It is the inverse of the empirical distribution (type 1 of Hyndman and Fan): always a value that was observed,
    whatever the order of the rows, and exact, since weights are whole numbers.

    Args:
        values: one per row [n].
        weights: rows that each stands for [n], zero or more.
        groups: group of each row [n], 0 to `count` - 1.
        percent: 1 to 100.
        count: number of groups.

    Returns:
        One per group [count]; NaN where a group has no weight.

    Raises:
        ValueError: lengths differ, a weight is negative, or a value that counts is not a number.

    Examples:
        Three rows took 2 hours, one took 30: the median is 2, and the 95 % quantile the 30.

        >>> hours, rows, feed = np.array([30.0, 2.0]), np.array([1, 3]), np.array([0, 0])
        >>> [weighted_quantiles(hours, rows, feed, percent=p, count=1).item() for p in (50, 75, 95)]
        [2.0, 2.0, 30.0]

    Reference: Hyndman and Fan (1996), The American Statistician 50:361, definition 1.
    """
    if not len(values) == len(weights) == len(groups):
        raise ValueError(f"values {len(values)}, weights {len(weights)} and groups {len(groups)} must be of one length")
    if (weights < 0).any():
        raise ValueError("weights: a row stands for zero rows or more")
    counted = weights > 0
    values, weights, groups = values[counted], weights[counted], groups[counted]
    if np.isnan(values).any():
        raise ValueError("values: NaN has no place in an order; leave such rows out")
    order = np.lexsort((values, groups))
    values, weights, groups = values[order], weights[order], groups[order]
    total = np.bincount(groups, weights=weights, minlength=count).astype(np.int64)
    running = np.cumsum(weights)
    before = np.concatenate([[0], np.cumsum(total)[:-1]]).astype(np.int64)
    reached = (running - before[groups]) * 100 >= percent * total[groups]
    found = np.full(count, np.nan)
    at = np.flatnonzero(reached)
    # The first row of each group that reaches it.
    named, first = np.unique(groups[at], return_index=True)
    found[named] = values[at[first]]
    return found


def feed_latency(
    rows: pd.DataFrame, extracts: pd.DataFrame, terms: pd.DataFrame, *, since: float, cutoff: float, needed: float
) -> pd.DataFrame:
    """One row per feed of `terms`: its hops, how many rows were late, and how often it came.

    Args:
        rows: what these classes see first, rows of equal instants together: system, feed, event (NaN where a row has
            none), known, extracted, close (end of the event's classification period), is_assumed, count, and
            is_overdue (an earlier cut-off decided on that period already). Instants are epoch seconds.
        extracts: system, feed, taken (epoch seconds) of all extracts taken by the cut-off.
        terms: system, feed, normal_lag_hours, refresh_sla_hours; each feed once.
        since: the cut-off before, epoch seconds.
        cutoff: the cut-off, epoch seconds.
        needed: hours from the close of the last classification period to the cut-off.

    Returns:
        The columns of `tables.FEED_LATENCY` but for region, cycle and stamp, in the order of `terms`. A row of a
        period that another cut-off decided on is missed; so is one that was extracted after this one.

    Raises:
        ValueError: a feed stands twice in `terms`, or rows name a feed that is not in it.
    """
    index = pd.MultiIndex.from_frame(terms[FEED])
    if index.has_duplicates:
        raise ValueError(f"terms: {index[index.duplicated()][0]} stands more than once; a feed has one contract")
    feed, taken_of = _feeds(rows, index, "rows"), _feeds(extracts, index, "extracts")
    size = len(terms)
    count = rows["count"].to_numpy(np.int64)
    assumed, undated = rows["is_assumed"].to_numpy(bool), rows["event"].isna().to_numpy()
    measured = np.where(assumed | undated, 0, count)
    at = {name: rows[name].to_numpy(np.float64) for name in ("event", "known", "extracted", "close")}
    at["decided"] = np.full(len(rows), cutoff)
    totals = {
        "measured_rows": _total(feed, measured, size),
        "assumed_rows": _total(feed, np.where(assumed, count, 0), size),
        "undated_rows": _total(feed, np.where(undated & ~assumed, count, 0), size),
    }
    columns: dict[str, Any] = {name: terms[name].to_numpy() for name in FEED} | totals
    for hop, start, end in HOPS:
        # Rows without an event still say how old their extraction was.
        weight = np.where(assumed, 0, count) if start == "extracted" else measured
        columns |= _quantiles(f"{hop}_p{{}}_hours", (at[end] - at[start]) / _HOUR, weight, feed, size)
    lag = np.where(measured > 0, (at["known"] - at["event"]) / _HOUR, 0.0)
    normal = terms["normal_lag_hours"].to_numpy(np.float64)
    columns["normal_lag_hours"] = terms["normal_lag_hours"].to_numpy(np.int64)
    late, overdue = lag > normal[feed], rows["is_overdue"].to_numpy(bool) | (at["extracted"] > cutoff)
    columns["late_share"] = _share(_total(feed, measured * late, size), totals["measured_rows"])
    columns["needed_hours"] = np.full(size, needed)
    after = (at["extracted"] - at["close"]) / _HOUR
    behind = weighted_quantiles(_filled(after, measured), measured, feed, percent=PERCENTS[-1], count=size)
    columns["close_to_extracted_p95_hours"] = behind
    columns["missed_share"] = _share(_total(feed, measured * overdue, size), totals["measured_rows"])
    columns |= _refreshes(extracts["taken"].to_numpy(np.float64), taken_of, terms, since=since, cutoff=cutoff)
    is_late = np.greater(behind, needed, where=~np.isnan(behind), out=np.zeros(size, bool))
    columns["verdict"] = np.select([totals["measured_rows"] == 0, is_late], [NOT_MEASURED, LATE], IN_TIME)
    columns["reason"] = _reasons(totals, behind, is_late, needed)
    return pd.DataFrame(columns)


def _feeds(frame: pd.DataFrame, index: pd.MultiIndex, what: str) -> Ints:
    found = index.get_indexer(pd.MultiIndex.from_frame(frame[FEED]))
    if (found < 0).any():
        raise ValueError(f"{what}: {frame.loc[found < 0, FEED].iloc[0].tolist()} has no contract among the terms")
    return found.astype(np.int64)


def _total(feed: Ints, counts: Ints, size: int) -> Ints:
    return np.bincount(feed, weights=counts, minlength=size).astype(np.int64)


def _share(part: Ints, whole: Ints) -> Floats:
    found: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return found


def _filled(values: Floats, weights: Ints) -> Floats:
    return np.where(weights > 0, values, 0.0)


def _quantiles(name: str, values: Floats, weights: Ints, groups: Ints, size: int) -> dict[str, Floats]:
    known = _filled(values, weights)
    return {
        name.format(percent): weighted_quantiles(known, weights, groups, percent=percent, count=size)
        for percent in PERCENTS
    }


def _refreshes(taken: Floats, feed: Ints, terms: pd.DataFrame, *, since: float, cutoff: float) -> dict[str, Any]:
    """How often each feed came between two cut-offs, and how long it was older than its contract promises.

    A gap counts where it ends after the cut-off before; the age at the cut-off is an open gap and counts as time over
    the promise, but is no time between extracts. Before its first extract a feed is not yet there.
    """
    size = len(terms)
    sla = terms["refresh_sla_hours"].to_numpy(np.float64) * _HOUR
    order = np.lexsort((taken, feed))
    taken, feed = taken[order], feed[order]
    is_first = np.concatenate([[True], feed[1:] != feed[:-1]]) if len(feed) else np.zeros(0, bool)
    gaps = np.where(is_first, np.nan, taken - np.concatenate([[0.0], taken[:-1]])) if len(feed) else taken
    recent = taken > since
    weight = (recent & ~is_first).astype(np.int64)
    newest = np.full(size, np.nan)
    newest[feed] = taken  # in order of time, so the last one stays
    until = np.where(np.concatenate([~is_first[1:], [False]]), np.roll(taken, -1), cutoff) if len(feed) else taken
    over = np.clip(np.minimum(until, cutoff) - np.maximum(taken + sla[feed], since), 0.0, None)
    first = np.full(size, np.nan)
    first[feed[is_first]] = taken[is_first]
    watched = cutoff - np.maximum(first, since)
    return {
        "extracts": _total(feed, recent.astype(np.int64), size),
        "age_hours": (cutoff - newest) / _HOUR,
        **_quantiles("refresh_p{}_hours", gaps / _HOUR, weight, feed, size),
        "refresh_sla_hours": terms["refresh_sla_hours"].to_numpy(np.int64),
        "over_sla_share": np.divide(
            np.bincount(feed, weights=over, minlength=size), watched, out=np.full(size, np.nan), where=watched > 0
        ),
    }


def _reasons(
    totals: dict[str, Ints], behind: Floats, is_late: npt.NDArray[np.bool_], needed: float
) -> list[str | None]:
    words = np.select(
        [totals["assumed_rows"] > 0, totals["undated_rows"] > 0],
        ["first load: known times are assumed, not measured", "rows carry no event time"],
        "nothing new since the cut-off before",
    )
    return [
        str(word)
        if not rows
        else f"p95 is extracted {hours:.1f} h after its period closed, the cut-off is {needed:.1f} h after"
        if late
        else None
        for word, rows, hours, late in zip(words, totals["measured_rows"], behind, is_late, strict=True)
    ]


def wall_latency(extracts: pd.DataFrame, *, cutoff: float) -> pd.DataFrame:
    """One row per feed: hours by the wall clock from extraction to the release that shows it first.

    An extract that landed after the cut-off was back-cast: the cycle had passed, so its hours measure no operation.

    Args:
        extracts: one row each: system, feed, extracted, landed (NaN where no clock was kept), conformed, published
            (NaN where nothing was); epoch seconds.
        cutoff: the cut-off, epoch seconds.

    Returns:
        system, feed, live, back_cast, unstamped (numbers of extracts), and p50 and p95 of each of `WALL_HOPS`, hours,
        over the live ones; NaN where there is none.
    """
    terms = extracts[FEED].drop_duplicates().sort_values(FEED, ignore_index=True)
    feed, size = _feeds(extracts, pd.MultiIndex.from_frame(terms), "extracts"), len(terms)
    stamped = extracts[["landed", "conformed", "published"]].notna().all(axis=1).to_numpy()
    past = stamped & (extracts["landed"].to_numpy(np.float64) > cutoff)
    live = (stamped & ~past).astype(np.int64)
    columns: dict[str, Any] = {
        **{name: terms[name].to_numpy() for name in FEED},
        "live": _total(feed, live, size),
        "back_cast": _total(feed, past.astype(np.int64), size),
        "unstamped": _total(feed, (~stamped).astype(np.int64), size),
    }
    for hop, start, end in WALL_HOPS:
        hours = (extracts[end].to_numpy(np.float64) - extracts[start].to_numpy(np.float64)) / _HOUR
        columns |= _quantiles(f"{hop}_p{{}}_hours", hours, live, feed, size)
    return pd.DataFrame(columns)
