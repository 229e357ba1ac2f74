"""Classes of items from a table of criteria, by any method of this package, with the reason of each.

Belongs here: which items a method can rank, from criteria to score to class, the sentence per item. Does not: reading
and writing files (`strata.panel.items`), the methods themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from strata.classify.breaks import natural_breaks
from strata.classify.clusters import assigned, cluster, features
from strata.classify.criteria import (
    cost_criterion,
    edas_scores,
    hadi_vencheh_scores,
    ng_scores,
    unit_scaled,
    weighted_scores,
)
from strata.classify.envelope import best_scores, zhou_fan_scores
from strata.classify.ranking import Cuts, ranked_classes

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Method = Literal["share", "ng", "hadi_vencheh", "zhou_fan", "ramanathan", "edas", "cost", "breaks", "kmeans", "gmm"]
METHODS: tuple[Method, ...] = get_args(Method)
COST_PARTS = ("demand a year", "shortage cost per unit", "holding cost per unit and year", "order quantity")
# Methods in which a negative amount means nothing.
_AMOUNTS = frozenset({"zhou_fan", "ramanathan", "edas", "cost"})


@dataclass(frozen=True, slots=True)
class Criterion:
    """One column: its name, its weight (None where nobody gave one), and whether more of it matters more."""

    name: str
    weight: float | None
    is_gain: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """What a method needs beside criteria and cuts; every number is the caller's.

    Attributes:
        log: natural breaks of logarithms.
        balance: share of the best weights in Zhou and Fan's score.
        skew: skewness from which clusters see logarithms.
        restarts: starts of k-means.
        sample: items that clusters are fitted on, where there are more; all are then assigned.
        seed: of everything drawn.
    """

    log: bool
    balance: float
    skew: float
    restarts: int
    sample: int
    seed: int


@dataclass(frozen=True, slots=True)
class ItemClasses:
    """Per item, in input order: score (NaN for `U`), rank (1 = first; 0 for `U`), class and the reason for it."""

    score: Floats
    rank: npt.NDArray[np.int64]
    value_class: npt.NDArray[np.str_]
    reason: pa.StringArray
    notes: tuple[str, ...]


def item_classes(
    values: Floats,
    name_rank: npt.NDArray[np.int64],
    *,
    criteria: Sequence[Criterion],
    method: Method,
    cuts: Cuts,
    settings: Settings,
) -> ItemClasses:
    """Score, rank and class items by one method.

    `share` and `breaks` rank by one criterion as it is, or by the weighted sum of several scaled to 0..1. `ng` and
    `hadi_vencheh` take criteria in falling importance. `zhou_fan` and `ramanathan` know neither weights nor order; a
    criterion of which less matters more is mirrored between its least and most (least + most - x). `cost` takes
    `COST_PARTS`, in this order. `breaks`, `kmeans` and `gmm` take from `cuts` how many classes there are, not where.
    Clusters rank by cluster first, then by the weighted mean of the comparable features, which is their score.

    An item that lacks a number, or whose number the method cannot rank, is `U` and no part of any total.

    Args:
        values: items x criteria; NaN where unknown.
        name_rank: place of each item's name in the order of all names [n].
        criteria: what the columns are.
        method: one of `METHODS`.
        cuts: where classes end.
        settings: parameters of methods.

    Raises:
        ValueError: the criteria do not suit the method.

    Examples:
        >>> usage = np.array([[5840.64, 2], [5670, 5], [34.4, 7], [np.nan, 1]])
        >>> made = item_classes(usage, np.arange(4), method="ng", cuts=Cuts("share", (0.5, 0.9)),
        ...                     criteria=[Criterion("usage", None, True), Criterion("lead_time", None, True)],
        ...                     settings=Settings(log=False, balance=0.5, skew=1.0, restarts=5, sample=10_000, seed=1))
        >>> "".join(made.value_class), made.rank.tolist(), made.score[:3].round(4).tolist()
        ('AABU', [1, 2, 3, 0], [1.0, 0.9706, 0.5])
        >>> made.reason.to_pylist()[2:]
        ['share before 0.797620906576 >= 0.5 and < 0.9', 'usage: no value']
    """
    if values.ndim != 2 or values.shape != (len(name_rank), len(criteria)) or not criteria:
        raise ValueError(f"values {values.shape}, {len(name_rank)} names, {len(criteria)} criteria do not fit together")
    _check(method, criteria)
    counted, why = _usable(values, criteria, method)
    score = np.full(len(values), np.nan)
    used = values[counted]
    notes = _notes(method, criteria)
    if method == "kmeans" or method == "gmm":
        return _by_cluster(values, name_rank, counted, why, criteria, method, cuts, settings, notes)
    extra: pa.Array | None = None
    if method == "cost":
        found = cost_criterion(*used.T)
        score[counted] = found.ratio
        extra = _text(np.round(found.cycle_service[np.isfinite(found.ratio)], 6))
    else:
        score[counted] = _scores(used, criteria, method, settings)
    if (beyond := counted & ~np.isfinite(score)).any():
        counted, why = counted & ~beyond, pc.if_else(pa.array(beyond), pa.scalar("score: not finite"), why)
    if method == "breaks" and counted.any():
        made = natural_breaks(score[counted], classes=len(cuts.classes), log=settings.log)
        scale = "logarithms" if settings.log else "the values"
        notes += (f"natural breaks of {scale} explain {made.fit:.4f} of their variance",)
        # A single distinct score has no break: all items are in the first class.
        cuts = Cuts("value", made.least) if made.least else Cuts("value", (float(score[counted].min()),))
    ranked = ranked_classes(score, name_rank, counted=counted, cuts=cuts)
    reason = _because(ranked.measure[counted], ranked.value_class[counted], cuts)
    if extra is not None:
        reason = pc.binary_join_element_wise(reason, pa.scalar("; cycle service level "), extra, "")
    whole = _placed(why, counted, reason)
    return ItemClasses(score, ranked.rank, ranked.value_class, whole, notes)


def _check(method: Method, criteria: Sequence[Criterion]) -> None:
    if method == "cost":
        told = ", ".join(COST_PARTS)
        if len(criteria) != len(COST_PARTS):
            raise ValueError(f"--criteria: cost needs {len(COST_PARTS)} columns in this order: {told}")
        if any(not criterion.is_gain or criterion.weight is not None for criterion in criteria):
            raise ValueError(f"--criteria: cost has no weights and directions; name the columns of {told}")


def _notes(method: Method, criteria: Sequence[Criterion]) -> tuple[str, ...]:
    weighted = [criterion.name for criterion in criteria if criterion.weight is not None]
    if method in ("ng", "hadi_vencheh", "zhou_fan", "ramanathan") and weighted:
        return (f"{method} finds its own weights: those of {', '.join(weighted)} were not used",)
    if method in ("share", "breaks") and len(criteria) == 1 and weighted:
        return ("the weight of a single criterion changes nothing",)
    return ()


def _usable(values: Floats, criteria: Sequence[Criterion], method: Method) -> tuple[Booleans, pa.StringArray]:
    """Items that the method can rank, and per item the first reason why not (null where it can)."""
    raw = method in ("share", "breaks") and len(criteria) == 1 and criteria[0].is_gain
    counted = np.ones(len(values), dtype=bool)
    why: pa.Array = pa.nulls(len(values), pa.string())
    for column, criterion in zip(values.T, criteria, strict=True):
        checks = [(np.isnan(column), "no value"), (np.isinf(column), "not finite")]
        if raw or method in _AMOUNTS:
            checks.append((column < 0, "negative"))
        if raw or method == "cost":
            checks.append((column == 0, "zero"))
        for bad, word in checks:
            new = bad & counted
            if new.any():
                text = pa.scalar(f"{criterion.name}: {word}")
                why = pc.if_else(pa.array(new), text, why)
                counted &= ~bad
    return counted, why


def _scores(used: Floats, criteria: Sequence[Criterion], method: Method, settings: Settings) -> Floats:
    is_gain = [criterion.is_gain for criterion in criteria]
    weights = [1.0 if criterion.weight is None else criterion.weight for criterion in criteria]
    if method in ("share", "breaks"):
        if len(criteria) == 1 and is_gain[0]:
            return used[:, 0]
        return weighted_scores(unit_scaled(used, is_gain=is_gain), weights=weights)
    if method == "ng":
        return ng_scores(unit_scaled(used, is_gain=is_gain))
    if method == "hadi_vencheh":
        return hadi_vencheh_scores(unit_scaled(used, is_gain=is_gain))
    if method == "edas":
        return edas_scores(used, weights=weights, is_gain=is_gain)
    if len(used):
        used = np.where(is_gain, used, used.min(axis=0) + used.max(axis=0) - used)
    return best_scores(used) if method == "ramanathan" else zhou_fan_scores(used, balance=settings.balance)


def _by_cluster(
    values: Floats,
    name_rank: npt.NDArray[np.int64],
    counted: Booleans,
    why: pa.StringArray,
    criteria: Sequence[Criterion],
    method: Literal["kmeans", "gmm"],
    cuts: Cuts,
    settings: Settings,
    notes: tuple[str, ...],
) -> ItemClasses:
    """Clusters of comparable features, fitted on a sample where there are many items."""
    weights = np.array([1.0 if criterion.weight is None else criterion.weight for criterion in criteria])
    score, rank = np.full(len(values), np.nan), np.zeros(len(values), dtype=np.int64)
    value_class = np.full(len(values), "U", dtype="<U1")
    used = np.flatnonzero(counted)
    if not len(used):
        return ItemClasses(score, rank, value_class, why, notes)
    made = features(values[used], is_gain=[criterion.is_gain for criterion in criteria], skew=settings.skew)
    rng = np.random.default_rng(settings.seed)
    # Chance sees items in the order of their names, so the order of rows changes nothing.
    by_name = np.argsort(name_rank[used], kind="stable")
    seen = by_name
    if len(used) > settings.sample:
        seen = by_name[np.sort(rng.choice(len(used), settings.sample, replace=False))]
        notes += (f"clusters were fitted on {settings.sample:,} of {len(used):,} items",)
    fit = cluster(
        made.values[seen], method=method, clusters=len(cuts.classes), restarts=settings.restarts, rng=rng,
        weights=weights.tolist(),
    )  # fmt: skip
    label = assigned(made.values, fit)
    score[used] = np.round(made.values @ (weights / weights.sum()), 12)
    value_class[used] = np.array(cuts.classes)[label]
    rank[used[np.lexsort((name_rank[used], -score[used], label))]] = np.arange(1, len(used) + 1)
    logs = [criterion.name for criterion, taken in zip(criteria, made.is_log, strict=True) if taken]
    notes += (f"logarithms of {', '.join(logs)}" if logs else "no logarithms",)
    texts = pa.array([f"cluster {at + 1} of {len(fit.centre)} by {method}" for at in range(len(fit.centre))])
    return ItemClasses(score, rank, value_class, _placed(why, counted, texts.take(pa.array(label))), notes)


def _text(numbers: Floats) -> pa.Array:
    """Numbers as the shortest text that reads back the same, whole ones without a point."""
    return pc.replace_substring_regex(pa.array(numbers).cast(pa.string()), r"\.0$", "")


def _because(measure: Floats, value_class: npt.NDArray[np.str_], cuts: Cuts) -> pa.Array:
    """What each item was judged by and the bounds that it lies between."""
    what = {"share": "share before ", "count": "items before ", "value": "score "}[cuts.kind]
    bounds = [f"{bound:.12g}" for bound in cuts.bounds]
    above, below = (" >= ", " < ") if cuts.kind != "value" else (" < ", " >= ")
    told = []
    for at in range(len(bounds) + 1):
        parts = [f"{above}{bounds[at - 1]}"] if at else []
        parts += [f"{below}{bounds[at]}"] if at < len(bounds) else []
        told.append(" and".join(parts))
    place = np.searchsorted(np.array(cuts.classes), value_class)
    shown = measure if cuts.kind == "value" else np.round(measure, 12)
    return pc.binary_join_element_wise(pa.scalar(what), _text(shown), pa.array(told).take(pa.array(place)), "")


def _placed(why: pa.StringArray, counted: Booleans, reason: pa.Array) -> pa.StringArray:
    """Reasons of the ranked items among those of the others."""
    return pc.replace_with_mask(why, pa.array(counted), reason)
