"""Which number the items should be classed by: every candidate criterion measured, and the rule that recommends one.

Belongs here: classes by a criterion on other samples, what they cost, the rule. Does not: the numbers themselves
(`strata.conformed.evidence`), measures of one number (`strata.review.measures`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.classify.stability import agreement_tables, kappa, steady_codes
from strata.classify.value import SHARE_DECIMALS
from strata.derivation import Derivation, Step, aggregated, copied
from strata.review.measures import eta_squared, gini, holders, rank_correlations
from strata.review.selection import StockTerms, class_cost
from strata.scheme.evidence import Evidence

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]

CLASSES = 4  # A, B, C and U; X, Y, Z and U
LOWEST, UNUSABLE = 2, 3
VARIABILITY = "variability"

ITEM_NUMBERS = tuple(
    f"criterion_item.{name}" for name in ("revenue", "margin", "demand_units", "order_lines", "metric")
) + tuple(f"criterion_period.{name}" for name in ("units", "revenue", "margin", "order_lines"))  # fmt: skip
PLACE_NUMBERS = tuple(
    f"{table}.{name}"
    for table, names in (
        ("stocked_pair", ("mean_units", "error_sd_units")),
        ("supply_term", ("unit_cost", "min_order_quantity", "order_multiple")),
        ("lead_time_profile", ("mean_days", "sd_days")),
    )
    for name in names
)
JUDGED_BY = ("rule.evidence", "rule.value", "rule.variability", "rule.inventory", "rule.policies", "rule.class_level")


def judged_step(table: str, key: str, columns: tuple[str, ...]) -> Derivation:
    """Lineage of a table whose rows are names of the part `evidence`, each judged on all items and their places."""
    judged = aggregated(*ITEM_NUMBERS, *PLACE_NUMBERS, when=JUDGED_BY)
    return Derivation(table, {key: copied("rule.evidence"), **dict.fromkeys(columns, judged)}, rows=("rule.evidence",))


STEPS: tuple[Step, ...] = (
    judged_step(
        "criteria_report", "criterion",
        (
            "items", "completeness", "gini", "top_items_share", "separation", "kappa", "correlation",
            "correlated_with", "cost_year", "regret_share", "saved_share", "priced_places", "rank", "is_in_use",
            "is_recommended", "decision_reason",
        ),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """One criterion of all items: as it is, NaN where unknown [n]; and on other samples [draws, n], or [1, n] as is."""

    name: str
    value: Floats
    drawn: Floats


@dataclass(frozen=True, slots=True)
class Assortment:
    """The items that are classed, those of one ranking together, and what stocking them costs.

    Attributes:
        ranking: number of the ranking of each item [n], ascending.
        weight: how often each item came up in each draw of items [draws, n].
        terms: per place where an item is stocked and its cost known.
        place: item of each row of `terms`.
    """

    ranking: Ints
    weight: Floats
    terms: StockTerms
    place: Ints


def criteria_report(
    candidates: Sequence[Candidate],
    items: Assortment,
    *,
    rule: Evidence,
    cuts: Mapping[str, float],
    cv_cuts: Mapping[str, float],
    in_use: Sequence[str],
) -> pd.DataFrame:
    """Measure every candidate and recommend one.

    Classes by a criterion are those of the scheme's cuts: by cumulative share of the criterion within a ranking, by
    `cv_cuts` for `variability`. What has no class is stocked like the lowest one. A draw is another sample of periods
    and of items; where a criterion has no periods (unit cost, lead time), only the cuts move.

    Eligible is a criterion that enough items have, that makes two classes at least, and whose classes come back (mean
    kappa over the draws); of the eligible the one whose classes cost least at equal service (`class_cost`). Of those
    within `equal_cost` of that the one in use, for a change costs too; else the most stable, then the more
    concentrated, then the name. Without costs nothing is recommended.

    Args:
        candidates: criteria in the order of the scheme.
        items: rankings, draws of items, and terms of stock.
        rule: bounds.
        cuts: cumulative shares `{"A": .., "B": ..}`.
        cv_cuts: `{"X": .., "Y": ..}`.
        in_use: criteria that the scheme classes by now.

    Returns:
        The columns of `tables.CRITERIA_REPORT` but for the stamp, a row per candidate, the best first.

    References:
        docs/methods/criteria_report.md.
    """
    best, one_class = 0.0, 0.0
    if count := len(items.place):
        best, one_class = (
            class_cost(held, items.terms, **_levels(rule)).cost_year for held in (np.arange(count), np.zeros(count))
        )
    rows = [_measured(one, items, best, one_class, rule=rule, cuts=cuts, cv_cuts=cv_cuts) for one in candidates]
    related = rank_correlations(np.column_stack([one.value for one in candidates]))
    nearest = np.where(np.isnan(related), -1.0, np.abs(related)).argmax(axis=1)
    for at, row in enumerate(rows):
        found = float(related[at, nearest[at]])
        named = None if np.isnan(found) else candidates[nearest[at]].name
        row |= {"correlation": found, "correlated_with": named, "is_in_use": row["criterion"] in in_use}
    return pd.DataFrame(_judged(rows, rule))


def share_codes(value: Floats, weight: Floats, ranking: Ints, *, cuts: Mapping[str, float]) -> Codes:
    """Class by cumulative share in every draw, draws x items: 0 A, 1 B, 2 C, 3 where the value is not above 0.

    The convention of `strata.classify.value.value_classes`, with items that count as often as they came up: who
    crosses a cut keeps the higher class, equals share one, and an item that did not come up stands where it would.

    Args:
        value: draws x items, or 1 x items.
        weight: how often an item came up, draws x items, or 1 x items.
        ranking: number of the ranking per item, ascending.
        cuts: cumulative shares `{"A": .., "B": ..}`.

    Examples:
        >>> share_codes(np.array([[60.0, 25, 10, 5, 0]]), np.ones((1, 5)), np.zeros(5, int), cuts={"A": 0.8, "B": 0.9})
        array([[0, 0, 1, 2, 3]], dtype=int8)
    """
    positive = np.where(np.isfinite(value) & (value > 0), value, 0.0)
    draws = max(len(value), len(weight))
    found = np.repeat(np.where(positive > 0, LOWEST, UNUSABLE).astype(np.int8), draws // len(positive), axis=0)
    edges = np.flatnonzero(np.diff(ranking, prepend=-1, append=-1))
    for start, stop in zip(edges[:-1], edges[1:], strict=True):  # one step per ranking (location), not per item
        part = positive[:, start:stop]
        order = np.argsort(-part, axis=1)
        ordered = np.take_along_axis(part, order, axis=1)
        held = np.broadcast_to(weight[:, start:stop], (draws, stop - start))
        held = np.take_along_axis(held, np.broadcast_to(order, held.shape), axis=1) * ordered
        running = np.cumsum(held, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            before = np.round((running - held) / running[:, -1:], SHARE_DECIMALS)
        for code, bound in ((1, cuts["B"]), (0, cuts["A"])):
            inside = ((before < bound) & (ordered > 0)).sum(axis=1)
            least = np.take_along_axis(np.broadcast_to(ordered, before.shape), np.maximum(inside - 1, 0)[:, None], 1)
            found[:, start:stop][(part >= least) & (part > 0) & (inside > 0)[:, None]] = code
    return found


def _measured(
    one: Candidate,
    items: Assortment,
    best: float,
    one_class: float,
    *,
    rule: Evidence,
    cuts: Mapping[str, float],
    cv_cuts: Mapping[str, float],
) -> dict[str, Any]:
    """What is said of one candidate; null where nothing can be."""
    known = np.isfinite(one.value)
    if one.name == VARIABILITY:
        codes, drawn = steady_codes(one.value, cv_cuts), steady_codes(one.drawn, cv_cuts)
    else:
        codes = share_codes(one.value[None, :], np.ones((1, len(known))), items.ranking, cuts=cuts)[0]
        drawn = share_codes(one.drawn, items.weight, items.ranking, cuts=cuts)
    sized = np.maximum(one.value[known], 0.0)
    classed = (codes != UNUSABLE) & (np.nan_to_num(one.value) > 0)
    agreed = kappa(agreement_tables(codes, drawn, classes=CLASSES))[0] if len(codes) else np.array([np.nan])
    cost = None
    if len(items.place):
        cost = class_cost(np.minimum(codes, LOWEST)[items.place], items.terms, **_levels(rule)).cost_year
    return {
        "criterion": one.name,
        "classes": len(np.unique(codes[codes != UNUSABLE])),
        "items": len(known),
        "completeness": float(known.mean()) if len(known) else 0.0,
        "gini": gini(sized),
        "top_items_share": holders(sized, share=cuts["A"]),
        "separation": eta_squared(np.log(one.value[classed]), codes[classed].astype(np.int64)),
        "kappa": float(agreed.mean()),
        "cost_year": cost,
        "regret_share": None if cost is None or best <= 0 else cost / best - 1.0,
        "saved_share": None if cost is None or one_class <= best else (one_class - cost) / (one_class - best),
        "priced_places": len(items.place),
    }


def _levels(rule: Evidence) -> dict[str, float]:
    return {"fill_rate": rule.fill_rate, "least_cycle_service": rule.least_cycle_service}


def _judged(rows: list[dict[str, Any]], rule: Evidence) -> list[dict[str, Any]]:
    """The rows by rank, with the recommendation and the reason of each."""
    for row in rows:
        row["lacks"] = "; ".join(_lacking(row, rule))
    able = [row for row in rows if not row["lacks"] and row["cost_year"] is not None]
    least = min((row["cost_year"] for row in able), default=0.0)
    near = [row for row in able if row["cost_year"] <= least * (1.0 + rule.equal_cost)]
    near.sort(key=lambda row: (not row["is_in_use"], -row["kappa"], -row["gini"], row["criterion"]))
    chosen = near[0] if near else None
    asked = f"known for {rule.least_completeness:.0%} of the items with kappa >= {rule.least_kappa:g}"
    if chosen is not None:
        above = chosen["regret_share"]
        beside = "no safety stock is needed" if above is None else f"{above:.1%} above the optimum per item"
        best = "is in use" if chosen["is_in_use"] else "is the most stable"
        told = (
            f"{len(able)} of {len(rows)} criteria are {asked} on {rule.draws} other samples; safety stock of the "
            f"cheapest costs {least:,.0f} a year at fill rate {rule.fill_rate:g}; of {len(near)} within "
            f"{rule.equal_cost:.1%} of that {chosen['criterion']} {best} (kappa {chosen['kappa']:.3f}, {beside})"
        )
    elif all(row["cost_year"] is None for row in rows):
        told = "nothing is recommended: no place has forecast, cost, lead time and value, so no class has a price"
    else:
        told = f"nothing is recommended: no criterion is {asked}"
    for row in rows:
        row["is_recommended"] = row is chosen
        if row is chosen:
            row["decision_reason"] = told
        elif row["lacks"]:
            row["decision_reason"] = row["lacks"] if chosen else f"{row['lacks']}; {told}"
        elif chosen is None:
            row["decision_reason"] = told
        elif any(row is one for one in near):
            but = f"{chosen['criterion']} is in use"
            if not chosen["is_in_use"] or row["is_in_use"]:
                but = f"kappa {row['kappa']:.3f} against {chosen['kappa']:.3f} of {chosen['criterion']}"
            row["decision_reason"] = f"within {rule.equal_cost:.1%} of the least cost, but {but}"
        else:
            row["decision_reason"] = f"its classes cost {row['cost_year'] / least - 1.0:.1%} more than the least"
    others = [row for row in rows if not any(row is one for one in near)]
    others.sort(key=lambda row: (bool(row["lacks"]), row["cost_year"] or 0.0, row["criterion"]))
    ranked = [*near, *others]
    for at, row in enumerate(ranked):
        row["rank"] = at + 1
        del row["lacks"], row["classes"]
    return ranked


def _lacking(row: dict[str, Any], rule: Evidence) -> list[str]:
    lacks = []
    if row["completeness"] < rule.least_completeness:
        lacks.append(f"known for {row['completeness']:.1%} of the items, {rule.least_completeness:.1%} asked for")
    if row["classes"] < 2:
        lacks.append("says nothing: all items are in one class")
    if not row["kappa"] >= rule.least_kappa:
        lacks.append(f"not stable: kappa {row['kappa']:.3f}, {rule.least_kappa:g} asked for")
    return lacks
