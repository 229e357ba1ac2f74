"""Which churn controls suit a company: its own past decided again under each, churn against lag, and the choice marked.

Belongs here: the table of candidates and its frontier, and its drawing. Does not: deciding past cycles
(`strata.review.staleness`), changing a scheme (a person proposes one).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.demand.level import levels
from strata.partition import Partition
from strata.review.staleness import ClassRows, History, class_rows, held_path
from strata.scheme.model import Scheme

CHURN, LAG = "noise_churn", "lag_cycles"

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]


def tuning(
    history: History,
    stops: Sequence[int],
    candidates: Mapping[str, Scheme],
    *,
    chosen: str,
    partition: Partition,
    cutoff: Any,
) -> pd.DataFrame:
    """Decide the past cycles again under every candidate, and judge them by what was known only later.

    Hindsight is the whole history under the chosen scheme: series whose level shifted between the first and the last
    stop (found with all periods, so also those since), and the right class of each, the one that the scheme proposes
    at the last stop without any control. Noise churn counts series without a shift; a class is wrong where it is not
    the right one, and that is asked only after the last shift.

    Args:
        history: series at the class level with their closed periods.
        stops: number of closed periods at each cut-off, ascending; at least two.
        candidates: schemes by name; they may differ in every part that classes rest on.
        chosen: the candidate in force, marked in the table.
        partition: region and cycle; they only fill columns.
        cutoff: instant with time zone; likewise.

    Returns:
        One row per candidate, in order: candidate, is_chosen, churn (share of series per run), churn_value (the same by
        value), noise_churn, lag_cycles (mean runs from a shift to the right segment, open ones counted to the end),
        lag_median, wrong_share, wrong_value_share (of value, per run), shifted (series judged for lag), is_frontier
        (no other candidate has less noise churn at no more lag). NaN where nothing could be judged.

    Raises:
        ValueError: fewer than two stops, the choice is no candidate, or its scheme has no `level`.
    """
    if len(stops) < 2 or chosen not in candidates:
        raise ValueError(
            f"{len(stops)} stops, choice {chosen!r}: give two stops or more, and a choice among candidates"
        )
    rule = candidates[chosen].level
    if rule is None:
        raise ValueError(f"candidate {chosen!r} has no part `level`: hindsight needs to know what a shift is")
    observed = np.arange(history.units.shape[1])[None, :] >= history.launch_index[:, None]
    found = levels(history.units, observed & ~history.hidden, rule=rule)
    begins = np.where(found.is_shift, _since(observed & ~history.hidden, found.periods), -1)
    named = {"partition": partition, "cutoff": cutoff}
    free = candidates[chosen].hysteresis.model_copy(update=_OFF)
    profiles: dict[str, ClassRows] = {}

    def path_of(scheme: Scheme) -> Texts:
        """Profiles are made once for all candidates that differ in controls only."""
        same = scheme.model_copy(update={"hysteresis": free}).model_dump_json()
        if same not in profiles:
            profiles[same] = class_rows(history, stops, scheme=scheme)
        return held_path(profiles[same], scheme=scheme, **named)

    right = path_of(candidates[chosen].model_copy(update={"hysteresis": free}))[-1]
    worth = _worth(history, stops, candidates[chosen].value.window_cycles)
    rows = [
        {"candidate": name, "is_chosen": name == chosen} | _judged(path_of(scheme), right, begins, stops, worth)
        for name, scheme in candidates.items()
    ]
    table = pd.DataFrame(rows)
    return table.assign(is_frontier=on_frontier(table[CHURN].to_numpy(), table[LAG].to_numpy()))


_OFF: dict[str, Any] = {
    "value_band": 0.0, "variability_band": 0.0, "posterior": None, "bypass_posterior": None, "confirmations": None,
    "dwell_cycles": None, "budget": None,
}  # fmt: skip


def _since(observed: Booleans, periods: Ints) -> Ints:
    """First period of the last `periods` observed ones of every series."""
    behind = np.cumsum(observed[:, ::-1], axis=1)[:, ::-1]
    return np.asarray((behind > periods[:, None]).sum(axis=1), dtype=np.int64)


def _worth(history: History, stops: Sequence[int], window: int) -> Floats:
    """Positive value of every series in the window before each stop, stops x series."""
    zero = np.zeros((len(history.keys), 1))
    running = np.concatenate([zero, np.cumsum(np.nan_to_num(history.value), axis=1)], axis=1)
    parts = [running[:, stop] - running[:, max(0, stop - window)] for stop in stops]
    return np.asarray(np.maximum(np.array(parts), 0.0), dtype=np.float64)


def _judged(path: Texts, right: Texts, begins: Ints, stops: Sequence[int], worth: Floats) -> dict[str, float]:
    known = ~pd.isna(path)
    pairs = known[1:] & known[:-1]
    moved = pairs & (path[1:] != path[:-1])
    at = np.asarray(stops, dtype=np.int64)[:, None]
    stirred = (begins >= stops[0]) & (begins < stops[-1])
    quiet = pairs & ~stirred[None, :]
    settled = known & ~pd.isna(right)[None, :] & (begins[None, :] < at)
    wrong = settled & (path != right[None, :])
    first = (at > begins[None, :]).argmax(axis=0)  # the first stop that saw a period of the new level
    last_before = np.maximum(first - 1, 0)
    series = np.arange(len(begins))
    judged = stirred & known.all(axis=0) & (path[last_before, series] != right) & ~pd.isna(right)
    reached = (path == right[None, :]) & (np.arange(len(stops))[:, None] >= first[None, :])
    lag = np.where(reached.any(axis=0), reached.argmax(axis=0), len(stops)) - first + 1
    return {
        "churn": _share(moved, pairs),
        "churn_value": _share(moved * worth[1:], pairs * worth[1:]),
        CHURN: _share(moved & quiet, quiet),
        LAG: float(lag[judged].mean()) if judged.any() else float("nan"),
        "lag_median": float(np.median(lag[judged])) if judged.any() else float("nan"),
        "wrong_share": _share(wrong, settled),
        "wrong_value_share": _share(wrong * worth, settled * worth),
        "shifted": float(judged.sum()),
    }


def _share(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> float:
    total = float(whole.sum())
    return float(part.sum()) / total if total > 0 else float("nan")


def on_frontier(churn: Floats, lag: Floats) -> Booleans:
    """Candidates that no other beats in one figure without losing in the other; NaN is never on it."""
    less = (churn[None, :] <= churn[:, None]) & (lag[None, :] <= lag[:, None])
    strict = (churn[None, :] < churn[:, None]) | (lag[None, :] < lag[:, None])
    return np.asarray(~(less & strict).any(axis=1) & ~np.isnan(churn) & ~np.isnan(lag), dtype=np.bool_)


def frontier_picture(table: pd.DataFrame, *, title: str) -> str:
    """The candidates as an SVG: lag to the right, noise churn upward, the frontier joined, the choice ringed.

    Args:
        table: candidate, is_chosen, is_frontier, noise_churn (fraction), lag_cycles; rows of unknown figures are left
            out.
        title: one line of text.

    Examples:
        >>> rows = pd.DataFrame({"candidate": ["a", "b<c"], "is_chosen": [False, True], "is_frontier": [True, True],
        ...                      "noise_churn": [0.1, 0.01], "lag_cycles": [2.0, 4.0]})
        >>> text = frontier_picture(rows, title="Two controls")
        >>> text.count("<circle"), "b&lt;c: 1.00 % a run, lag 4.0" in text
        (3, True)
    """
    from xml.sax.saxutils import escape

    shown = table[table[CHURN].notna() & table[LAG].notna()]
    width, height, left, bottom, top = 720, 420, 70, 60, 40
    most_lag = max(float(shown[LAG].max()) if len(shown) else 1.0, 1.0) * 1.08
    most_churn = max(float(shown[CHURN].max()) if len(shown) else 0.01, 1e-6) * 1.08

    def x(lag: float) -> float:
        return left + (width - left - 20) * lag / most_lag

    def y(churn: float) -> float:
        return height - bottom - (height - bottom - top) * churn / most_churn

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="22" font-size="14">{escape(title)}</text>',
        f'<path d="M{left} {top} V{height - bottom} H{width - 20}" fill="none" stroke="#444"/>',
        f'<text x="{width / 2}" y="{height - 14}" text-anchor="middle">mean lag after a true shift, cycles</text>',
        f'<text transform="translate(18 {height / 2}) rotate(-90)" text-anchor="middle">cells changed by noise, % a '
        "run</text>",
    ]
    for step in range(5):  # five ticks an axis
        lag, churn = most_lag * step / 4, most_churn * step / 4
        parts.append(f'<text x="{x(lag):.1f}" y="{height - bottom + 18}" text-anchor="middle">{lag:.1f}</text>')
        parts.append(f'<text x="{left - 8}" y="{y(churn) + 4:.1f}" text-anchor="end">{100 * churn:.2f}</text>')
    line = shown[shown["is_frontier"]].sort_values([LAG, CHURN])
    points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(line[LAG], line[CHURN], strict=True))
    parts.append(f'<polyline points="{points}" fill="none" stroke="#1f77b4"/>')
    for row in shown.to_dict("records"):  # a point per candidate
        at = f'cx="{x(row[LAG]):.1f}" cy="{y(row[CHURN]):.1f}"'
        text = f"{escape(str(row['candidate']))}: {100 * row[CHURN]:.2f} % a run, lag {row[LAG]:.1f}"
        colour = "#1f77b4" if row["is_frontier"] else "#bbb"
        parts.append(f'<circle {at} r="4" fill="{colour}"><title>{text}</title></circle>')
        if row["is_chosen"]:
            parts.append(f'<circle {at} r="9" fill="none" stroke="#d62728" stroke-width="2"/>')
            parts.append(f'<text x="{x(row[LAG]) + 13:.1f}" y="{y(row[CHURN]) - 8:.1f}">{text}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
