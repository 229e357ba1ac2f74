"""The segment of every item of a partition: value and variability class, held against flicker, overrides applied.

Belongs here: putting the two axes, memory, controls and overrides together into `segment_assignment`. Does not: the
measures (`strata.demand`), which overrides are in force (`strata.governance` resolves them at the cut-off).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.classify.control import REASONS, UNDEFINED, Decision, Memory, displaced, keep, spend, weigh
from strata.classify.keyed import KEY, checked, floats, positions, taken
from strata.classify.memory import CARRIED, carried, positions_of, remembered
from strata.classify.posterior import above_cuts, below_values, held_probability
from strata.classify.rules import applied, joined, resolve
from strata.classify.value import ValueClasses, placed_classes, value_classes
from strata.classify.variability import variability_classes
from strata.derivation import Derivation, Step, aggregated, computed, copied, copies
from strata.partition import Partition
from strata.scheme.model import RUNGS, VALUE_CLASSES, VARIABILITY_CLASSES, Scheme
from strata.tables import SEGMENT_ASSIGNMENT

OWN, DEFAULT, LAST_CLASS = "own", "default", "last_class"
FALLBACK = ["fallback_level", "fallback_reason", "confidence", "fallback_valid_until_cycle"]
AXES = {"value": VALUE_CLASSES[:-1], "variability": VARIABILITY_CLASSES[:-1]}
MEMORY = tuple(f"{axis}_{name}" for axis in AXES for name in CARRIED)

# The basis is one of these columns; which one, the scheme says. A ranking sees the value of every item of the location.
_VALUE = ("class_level.revenue", "class_level.margin", "class_level.level_value", "class_level.expected_value")
_CV = (
    "class_level.cv", "class_level.cv_deseasonalised", "class_level.cv_level", "class_level.forecast_error",
    "class_level.expected_cv",
)  # fmt: skip
_SAME = tuple(f"{table}.{key}" for table in ("class_level", "previous") for key in KEY)
_OVERRIDDEN = tuple(f"override_bound.{key}" for key in KEY)
_RUNG = ("class_level.fallback_level", "rule.fallback")
_SURE = ("class_level.periods_observed", "class_level.level_periods", "class_level.level_cv_periods")
_BOTH = (
    *_SAME, *_RUNG, *_SURE, "class_level.is_true_shift", "rule.value", "rule.variability", "rule.hysteresis",
    "rule.level", *(f"previous.{name}" for name in MEMORY),
)  # fmt: skip
_WAS = ("previous.value_class", "previous.variability_class")
_COMPUTED = (*_VALUE, *_CV, *_WAS)
_OVERRIDE = ("override_bound.value_class", "override_bound.variability_class")
_EFFECTIVE = aggregated(*_COMPUTED, *_OVERRIDE, when=(*_BOTH, *_OVERRIDDEN))
STEPS: tuple[Step, ...] = (
    Derivation(
        "segment_assignment",
        {
            **copies("class_level", "sku_id", "location_id", "demand_class", "lifecycle_state", "revenue", *FALLBACK),
            **dict.fromkeys(("value_class", "variability_class", "segment", *MEMORY), _EFFECTIVE),
            "computed_segment": aggregated(*_COMPUTED, when=_BOTH),
            "previous_segment": computed("previous.segment", when=_SAME),
            "cumulative_share": aggregated(
                *_VALUE, when=("class_level.sku_id", "class_level.location_id", "rule.value", "rule.level", *_RUNG)
            ),
            "class_probability": aggregated(*_COMPUTED, when=_BOTH),
            "override_id": computed("override_bound.override_id", when=_OVERRIDDEN),
            "as_known_at": copied("run.known_at"),
            "decision_reason": aggregated(*_COMPUTED, "override_bound.override_id", when=(*_BOTH, *_OVERRIDDEN)),
        },
        rows=("class_level.sku_id",),
    ),
)

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]
Ints = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis before it is decided: memory, proposed class, what was cut, and how sure it is beyond each cut.

    Classes are positions in the order of the axis, -1 is `U`. `beyond` is items x cuts; it and `metric` are NaN where
    unknown. `band` is the dead band per cut, in units of the metric.
    """

    before: Memory
    proposed: Codes
    metric: Floats
    beyond: Floats
    cuts: tuple[float, ...]
    band: Floats


def assign(
    profile: pd.DataFrame,
    previous: pd.DataFrame | None,
    overrides: pd.DataFrame,
    *,
    scheme: Scheme,
    partition: Partition,
    cutoff: datetime,
) -> pd.DataFrame:
    """Assign a segment to every row of the profile.

    Value: cumulative share of `scheme.value.basis`, at the item's level where the scheme has a `level`, ranked within a
    location. Variability: CV on `scheme.variability.basis`, `U` where that is unknown. Both are held against the
    effective classes of the cycle before by the controls of `scheme.hysteresis` (`strata.classify.control`); the dead
    band is `value_band` in share points and `variability_band` times the cut. The budget is spent per location.

    An item below its own history (`fallback_level`) is placed in the ranking by its expected value and moves nobody;
    its variability is the expected one, and how sure it is nobody knows. On the rung `last_class` it keeps the class
    before. On `default` its variability is `U`, and its value class rests on what the scheme's `fallback.default` says.

    Args:
        profile: rows of `demand_profile` at the scheme's class level.
        previous: effective rows before: sku_id, location_id, value_class, variability_class, segment, and the columns
            `MEMORY` (without them nothing is pending); None in the first cycle. Rows of items that are no longer in
            the profile have no effect.
        overrides: what overrides and rules leave of each class (`strata.classify.rules.resolve(...).bounds`); or those
            of people in force, the earliest known first: override_id, sku_id, location_id, value_class,
            variability_class (null leaves the axis alone). Those of items without a profile have no effect.
        scheme: cuts, controls, basis.
        partition: region and cycle of the rows.
        cutoff: instant, with time zone, after which nothing was known.

    Returns:
        One row per profile row with the columns of `segment_assignment`, in the profile's order. `decision_reason` is
        `value:<reason>;variability:<reason>` and, where they apply, `;fallback:<rung>` and `;override:<override_id>`
        (two ids joined by `+` where different ones decide value and variability).

    Raises:
        ValueError: a key stands twice, a column is missing, an override or a previous row names an unknown class, or
            the cut-off has no time zone.
    """
    if cutoff.tzinfo is None:
        raise ValueError(f"cutoff {cutoff} has no time zone: pass the instant that the calendar gives")
    measures = [scheme.value.basis, scheme.variability.basis, "is_true_shift", "expected_cv", "expected_value"]
    leveled = ["level_value", "level_periods", "level_cv_periods", "cv_level"] if scheme.level else []
    checked(profile, "profile", [*KEY, *measures, *FALLBACK, *leveled])
    at = _found(previous, profile)
    level = profile["fallback_level"].to_numpy(dtype=object)
    ranked, worth, bounds = _ranked(profile, level, scheme)
    axes = {
        "value": _value_axis(
            profile, level, ranked, worth, bounds, remembered(previous, at, "value", AXES["value"]), scheme
        ),
        "variability": _variability_axis(
            profile, level, remembered(previous, at, "variability", AXES["variability"]), scheme
        ),
    }
    decided = _decided(profile, level, axes, worth, scheme)
    effective, override_id = _overridden(decided, profile, overrides, scheme, partition)
    held = {name: decided[name].held for name in AXES}
    chances = [held_probability(axis.beyond, held[name]) for name, axis in axes.items()]
    none = np.full(len(profile), None, dtype=object)
    columns: dict[str, Any] = {
        "sku_id": profile["sku_id"].to_numpy(),
        "location_id": profile["location_id"].to_numpy(),
        "region": partition.region,
        "cycle": partition.cycle,
        "demand_class": profile["demand_class"].to_numpy(),
        "lifecycle_state": profile["lifecycle_state"].to_numpy(),
        "segment": _segments(effective["value"].held, effective["variability"].held),
        "computed_segment": _segments(held["value"], held["variability"]),
        "previous_segment": none if previous is None else taken(previous["segment"], at),
        "cumulative_share": ranked.cumulative_share,
        "class_probability": chances[0] * chances[1],
        "override_id": override_id,
        "as_known_at": pd.Timestamp(cutoff).tz_convert("UTC"),
        "revenue": profile["revenue"].to_numpy(),
        **{name: profile[name].to_numpy() for name in FALLBACK},
        **{name: column for axis in AXES for name, column in carried(effective[axis], axis, AXES[axis]).items()},
        "valid_for_cycle": partition.cycle,
        "scheme_version": scheme.version,
        "decision_reason": _reasons(decided, level, override_id),
        "is_suspended": False,
        "suspended_since": none,
        "suspension_reason": none,
    }
    # Copied into blocks of one type, a million rows take a second longer.
    return pd.DataFrame(
        {name: columns[name] for name in SEGMENT_ASSIGNMENT.names}, index=pd.RangeIndex(len(profile)), copy=False
    )


def proposals(profile: pd.DataFrame, scheme: Scheme) -> dict[str, Axis]:
    """What the profile alone proposes on either axis (`AXES`), without memory, controls and overrides: see `assign`."""
    level = profile["fallback_level"].to_numpy(dtype=object)
    ranked, worth, bounds = _ranked(profile, level, scheme)
    new = Memory.none(len(profile))
    return {
        "value": _value_axis(profile, level, ranked, worth, bounds, new, scheme),
        "variability": _variability_axis(profile, level, new, scheme),
    }


def _found(previous: pd.DataFrame | None, profile: pd.DataFrame) -> Ints:
    """Row of the cycle before of every item, -1 where it had none."""
    if previous is None:
        return np.full(len(profile), -1, dtype=np.int64)
    checked(previous, "previous", [*KEY, *(f"{axis}_class" for axis in AXES), "segment"])
    return positions(profile, previous)


def earned_values(profile: pd.DataFrame, scheme: Scheme) -> tuple[Floats, Booleans]:
    """What every item earned (at its level, where the scheme has one), and whether its ranking counts it."""
    level = profile["fallback_level"].to_numpy(dtype=object)
    own = level == OWN
    earned = floats(profile[scheme.value.basis])
    if scheme.level is not None:
        earned = np.where(own, floats(profile["level_value"]), earned)
    return earned, own | ((level == DEFAULT) & (scheme.fallback.default == "observed_total"))


def _ranked(profile: pd.DataFrame, level: Objects, scheme: Scheme) -> tuple[ValueClasses, Floats, Floats]:
    """Value classes, one ranking per location (one in all where the class level is the region).

    Ranked are the items of own history, by what they earned (at their level, where the scheme has one); the others are
    placed by what they are expected to. Beside the classes: the value of every item, and the least value that is above
    each cut where it is ranked, items x cuts.
    """
    earned, is_ranked = earned_values(profile, scheme)
    value = np.where(is_ranked, earned, floats(profile["expected_value"]))
    value[level == LAST_CLASS] = np.nan  # its class is held, not computed
    sku_id = profile["sku_id"].to_numpy(dtype=object)
    cuts: dict[str, float] = dict(scheme.value.cuts.items())
    group, locations = pd.factorize(profile["location_id"].to_numpy(dtype=object))
    value_class = np.full(len(profile), "U", dtype="<U1")
    cumulative, before = np.full(len(profile), np.nan), np.full(len(profile), np.nan)
    bounds = np.full((len(profile), len(cuts)), np.nan)
    for location in range(len(locations)):  # a ranking sums within one location: one step per location, not item
        here = group == location
        rows, placed = np.flatnonzero(here & is_ranked), np.flatnonzero(here & ~is_ranked)
        if not (value[rows] > 0).any():  # nobody has a history yet: the expectations are ranked among themselves
            rows, placed = np.flatnonzero(here), placed[:0]
        part = value_classes(value[rows], sku_id[rows], cuts=cuts)
        value_class[rows], cumulative[rows], before[rows] = part.value_class, part.cumulative_share, part.share_before
        for column, cut in enumerate(cuts.values()):  # a step per cut
            bounds[here, column] = value[rows][part.share_before < cut].min(initial=np.inf)
        if len(placed):
            part = placed_classes(value[placed], value[rows], cuts=cuts)
            value_class[placed], cumulative[placed] = part.value_class, part.cumulative_share
            before[placed] = part.share_before
    return ValueClasses(value_class, cumulative, before), value, bounds


def _value_axis(
    profile: pd.DataFrame,
    level: Objects,
    ranked: ValueClasses,
    worth: Floats,
    bounds: Floats,
    before: Memory,
    scheme: Scheme,
) -> Axis:
    cuts = (scheme.value.cuts["A"], scheme.value.cuts["B"])
    spread, periods = ("cv_level", "level_periods") if scheme.level else ("cv", "periods_observed")
    sure = np.where(level == OWN, floats(profile[spread]), np.nan)
    return Axis(
        before,
        positions_of(ranked.value_class, AXES["value"]),
        ranked.share_before,
        below_values(worth, bounds, sure, floats(profile[periods])),
        cuts,
        np.full(len(cuts), scheme.hysteresis.value_band),
    )


def _variability_axis(profile: pd.DataFrame, level: Objects, before: Memory, scheme: Scheme) -> Axis:
    basis, own = scheme.variability.basis, level == OWN
    observed = profile["periods_observed"].to_numpy(dtype=np.int64)
    # What is lent rests on the lender's periods, of which there are enough.
    observed = np.where(own, observed, scheme.variability.min_periods)
    metric = np.where(own, floats(profile[basis]), floats(profile["expected_cv"]))
    proposed = variability_classes(metric, observed, variability=scheme.variability)
    cuts = (scheme.variability.cuts["X"], scheme.variability.cuts["Y"])
    is_sharp = basis == "cv_level"
    periods = floats(profile["level_cv_periods"]) if is_sharp else observed.astype(np.float64)
    return Axis(
        before,
        positions_of(proposed, AXES["variability"]),
        metric,
        above_cuts(np.where(own, metric, np.nan), periods, cuts=cuts, is_sharp=is_sharp),
        cuts,
        scheme.hysteresis.variability_band * np.array(cuts),
    )


def _decided(
    profile: pd.DataFrame, level: Objects, axes: dict[str, Axis], worth: Floats, scheme: Scheme
) -> dict[str, Decision]:
    """Both axes by all controls, the budget last and per location."""
    is_shift = profile["is_true_shift"].to_numpy(dtype=bool)
    kept = level == LAST_CLASS
    rule = scheme.hysteresis
    weighed = tuple(
        keep(
            weigh(axis.proposed, axis.metric, axis.before, cuts=axis.cuts, band=axis.band, beyond=axis.beyond,
                  is_shift=is_shift, rule=rule),
            axis.before,
            kept,
        )
        for axis in axes.values()
    )  # fmt: skip
    befores = tuple(axis.before for axis in axes.values())
    group, locations = pd.factorize(profile["location_id"].to_numpy(dtype=object))
    names = profile["sku_id"].to_numpy(dtype=object)
    spent = spend(weighed, befores, worth, names, group.astype(np.int64), budget=rule.budget, rule=rule)
    return dict(zip(axes, spent, strict=True))


def _overridden(
    decided: dict[str, Decision], profile: pd.DataFrame, overrides: pd.DataFrame, scheme: Scheme, partition: Partition
) -> tuple[dict[str, Memory], Objects]:
    """Both axes as overrides leave them, what they displace waiting; and whose overrides decide each item."""
    effective = {name: decision.memory for name, decision in decided.items()}
    bounds = overrides
    if "value_class_best" not in overrides.columns:
        names = [f"{axis}_class" for axis in AXES]
        if missing := [name for name in (*KEY, "override_id", *names) if name not in overrides.columns]:
            raise ValueError(f"overrides: columns {missing} are missing; it has {sorted(overrides.columns)}")
        bounds = resolve(profile[KEY], overrides, (), cycle=partition.cycle).bounds
    if bounds.empty:
        return effective, np.full(len(profile), None, dtype=object)
    checked(bounds, "overrides", KEY)
    at, ids = positions(profile, bounds), []
    for name, memory in effective.items():
        held = applied(memory.held, bounds, at, f"{name}_class", undefined=UNDEFINED)  # type: ignore[arg-type]
        effective[name] = displaced(memory, held.held, held.given, rule=scheme.hysteresis)
        ids.append(held.override_id)
    return effective, joined(*ids)


def _segments(value: Codes, variability: Codes) -> Objects:
    named = np.array([v + c for v in VALUE_CLASSES for c in VARIABILITY_CLASSES], dtype=object)
    width = len(VARIABILITY_CLASSES)
    found: Objects = named[(value.astype(np.int64) % len(VALUE_CLASSES)) * width + variability % width]
    return found


def _reasons(decided: dict[str, Decision], level: Objects, override_id: Objects) -> Objects:
    """Reasons as text: one text per combination that can occur, not per item."""
    rungs = ["", *(f";fallback:{rung}" for rung in RUNGS)]
    words = [*REASONS]
    texts = np.array(
        [
            f"value:{'no_value' if value == 'undefined' else value};variability:{variability}{rung}"
            for value in words
            for variability in words
            for rung in rungs
        ],
        dtype=object,
    )
    value, variability = (decided[axis].reason.astype(np.int64) for axis in AXES)
    rung = pd.Categorical(level, categories=list(RUNGS)).codes + 1
    found: Objects = texts[(value * len(words) + variability) * len(rungs) + rung]
    given = np.flatnonzero(~pd.isna(override_id))
    found[given] = found[given] + ";override:" + override_id[given].astype(str).astype(object)
    return found
