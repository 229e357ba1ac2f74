"""The segment of every item of a partition: value and variability class, held against flicker, overrides applied.

Belongs here: putting the two axes, memory, bypass and overrides together into `segment_assignment`. Does not: the
measures (`strata.demand`), which overrides are in force (`strata.governance` resolves them at the cut-off).
"""

from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.classify.hysteresis import Decision, hold_classes
from strata.classify.value import ValueClasses, placed_classes, value_classes
from strata.classify.variability import variability_classes
from strata.derivation import Derivation, Inputs, Step, aggregated, computed, copied, copies
from strata.partition import Partition
from strata.scheme.model import RUNGS, VALUE_CLASSES, VARIABILITY_CLASSES, Scheme
from strata.tables import SEGMENT_ASSIGNMENT

KEY = ["sku_id", "location_id"]
OWN, DEFAULT, LAST_CLASS = "own", "default", "last_class"
FALLBACK = ["fallback_level", "fallback_reason", "confidence", "fallback_valid_until_cycle"]

# The basis is one of these columns; which one, the scheme says. A ranking sees the value of every item of the location.
_VALUE = ("class_level.revenue", "class_level.margin", "class_level.expected_value")
_CV = (
    "class_level.cv", "class_level.cv_deseasonalised", "class_level.forecast_error", "class_level.expected_cv",
)  # fmt: skip
_SAME = tuple(f"{table}.{key}" for table in ("class_level", "previous") for key in KEY)
_OVERRIDDEN = tuple(f"override.{key}" for key in KEY)
_RUNG = ("class_level.fallback_level", "rule.fallback")
_BY_VALUE = (*_SAME, *_RUNG, "class_level.is_true_shift", "rule.value", "rule.hysteresis")
_BY_CV = (
    *_SAME, *_RUNG, "class_level.is_true_shift", "class_level.periods_observed", "rule.variability", "rule.hysteresis",
)  # fmt: skip
_BY_BOTH = tuple(dict.fromkeys((*_BY_VALUE, *_BY_CV)))
_COMPUTED = (*_VALUE, *_CV, "previous.value_class", "previous.variability_class")
_OVERRIDE = ("override.value_class", "override.variability_class")
STEPS: tuple[Step, ...] = (
    Derivation(
        "segment_assignment",
        {
            **copies("class_level", "sku_id", "location_id", "demand_class", "lifecycle_state", "revenue", *FALLBACK),
            "value_class": aggregated(
                *_VALUE, "previous.value_class", "override.value_class", when=(*_BY_VALUE, *_OVERRIDDEN)
            ),
            "variability_class": computed(
                *_CV, "previous.variability_class", "override.variability_class", when=(*_BY_CV, *_OVERRIDDEN)
            ),
            "segment": aggregated(*_COMPUTED, *_OVERRIDE, when=(*_BY_BOTH, *_OVERRIDDEN)),
            "computed_segment": aggregated(*_COMPUTED, when=_BY_BOTH),
            "previous_segment": computed("previous.segment", when=_SAME),
            "cumulative_share": aggregated(
                *_VALUE, when=("class_level.sku_id", "class_level.location_id", "rule.value", *_RUNG)
            ),
            "class_probability": Inputs("copy", ()),
            "override_id": computed("override.override_id", when=_OVERRIDDEN),
            "as_known_at": copied("run.known_at"),
            "decision_reason": aggregated(*_COMPUTED, "override.override_id", when=(*_BY_BOTH, *_OVERRIDDEN)),
        },
        rows=("class_level.sku_id",),
    ),
)

Floats = npt.NDArray[np.float64]
Objects = npt.NDArray[np.object_]


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

    Value: cumulative share of `scheme.value.basis`, ranked within a location. Variability: CV on
    `scheme.variability.basis`, `U` where that is unknown. Both are held against the effective classes of the cycle
    before; the dead band is `value_band` in share points and `variability_band` times the cut. An item whose
    level-shift test fired has no dead band (`moved_shift`).

    An item below its own history (`fallback_level`) is placed in the ranking by its expected value and moves nobody;
    its variability is the expected one. On the rung `last_class` it keeps the class before. On `default` its
    variability is `U`, and its value class rests on what the scheme's `fallback.default` says.

    Args:
        profile: rows of `demand_profile` at the scheme's class level.
        previous: effective classes before: sku_id, location_id, value_class, variability_class, segment; None in the
            first cycle. Rows of items that are no longer in the profile have no effect.
        overrides: those in force at the cut-off: override_id, sku_id, location_id, value_class, variability_class (null
            leaves the axis alone); at most one per item. Overrides of items without a profile have no effect.
        scheme: cuts, bands, basis.
        partition: region and cycle of the rows.
        cutoff: instant, with time zone, after which nothing was known.

    Returns:
        One row per profile row with the columns of `segment_assignment`, in the profile's order. `decision_reason` is
        `value:<reason>;variability:<reason>` and, where they apply, `;fallback:<rung>` and `;override:<override_id>`.

    Raises:
        ValueError: a key stands twice, a column is missing, an override names an unknown class, or the cut-off has no
            time zone.
    """
    if cutoff.tzinfo is None:
        raise ValueError(f"cutoff {cutoff} has no time zone: pass the instant that the calendar gives")
    measures = [scheme.value.basis, scheme.variability.basis, "is_true_shift", "expected_cv", "expected_value"]
    _check_keys(profile, "profile", [*KEY, *measures, *FALLBACK])
    _check_keys(overrides, "overrides", [*KEY, "override_id", "value_class", "variability_class"])
    ranked = _ranked(profile, scheme)
    before = _aligned(previous, profile, ["value_class", "variability_class", "segment"], "previous")
    value = _held_value(ranked, before, profile, scheme)
    variability = _held_variability(before, profile, scheme)
    override = _aligned(overrides, profile, ["override_id", "value_class", "variability_class"], "overrides")
    value_effective = _overridden(value.held, override["value_class"], VALUE_CLASSES)
    variability_effective = _overridden(variability.held, override["variability_class"], VARIABILITY_CLASSES)
    segment = _joined(value_effective, variability_effective)
    frame = pd.DataFrame(
        {
            "sku_id": profile["sku_id"].to_numpy(),
            "location_id": profile["location_id"].to_numpy(),
            "region": partition.region,
            "cycle": partition.cycle,
            "value_class": value_effective,
            "variability_class": variability_effective,
            "demand_class": profile["demand_class"].to_numpy(),
            "lifecycle_state": profile["lifecycle_state"].to_numpy(),
            "segment": segment,
            "computed_segment": _joined(value.held.astype(object), variability.held.astype(object)),
            "previous_segment": before["segment"],
            "cumulative_share": ranked.cumulative_share,
            "class_probability": np.full(len(profile), np.nan),
            "override_id": override["override_id"],
            "as_known_at": pd.Timestamp(cutoff).tz_convert("UTC"),
            "revenue": profile["revenue"].to_numpy(),
            **{name: profile[name].to_numpy() for name in FALLBACK},
            "valid_for_cycle": partition.cycle,
            "scheme_version": scheme.version,
            "decision_reason": _reasons(value, variability, profile, override["override_id"]),
            "is_suspended": False,
            "suspended_since": np.full(len(profile), None, dtype=object),
            "suspension_reason": np.full(len(profile), None, dtype=object),
        }
    )
    return frame[SEGMENT_ASSIGNMENT.names]


def _ranked(profile: pd.DataFrame, scheme: Scheme) -> ValueClasses:
    """Value classes, one ranking per location (one in all where the class level is the region).

    Ranked are the items of own history, by what they earned; the others are placed by what they are expected to.
    """
    level = profile["fallback_level"].to_numpy(dtype=object)
    is_ranked = (level == OWN) | ((level == DEFAULT) & (scheme.fallback.default == "observed_total"))
    value = np.where(is_ranked, floats(profile[scheme.value.basis]), floats(profile["expected_value"]))
    value[level == LAST_CLASS] = np.nan  # its class is held, not computed
    sku_id = profile["sku_id"].to_numpy(dtype=object)
    cuts: dict[str, float] = dict(scheme.value.cuts.items())
    locations, group = np.unique(profile["location_id"].to_numpy(dtype=object).astype(str), return_inverse=True)
    value_class = np.full(len(profile), "U", dtype="<U1")
    cumulative, before = np.full(len(profile), np.nan), np.full(len(profile), np.nan)
    for location in range(len(locations)):  # a ranking sums within one location: one step per location, not item
        here = group == location
        rows, placed = np.flatnonzero(here & is_ranked), np.flatnonzero(here & ~is_ranked)
        if not (value[rows] > 0).any():  # nobody has a history yet: the expectations are ranked among themselves
            rows, placed = np.flatnonzero(here), placed[:0]
        part = value_classes(value[rows], sku_id[rows], cuts=cuts)
        value_class[rows], cumulative[rows], before[rows] = part.value_class, part.cumulative_share, part.share_before
        if len(placed):
            part = placed_classes(value[placed], value[rows], cuts=cuts)
            value_class[placed], cumulative[placed] = part.value_class, part.cumulative_share
            before[placed] = part.share_before
    return ValueClasses(value_class, cumulative, before)


def _held_value(ranked: ValueClasses, before: dict[str, Objects], profile: pd.DataFrame, scheme: Scheme) -> Decision:
    cuts = (scheme.value.cuts["A"], scheme.value.cuts["B"])
    decision = _hold(
        ranked.value_class,
        before["value_class"],
        ranked.share_before,
        is_shift=profile["is_true_shift"].to_numpy(dtype=bool),
        cuts=cuts,
        classes=VALUE_CLASSES[:-1],
        width=np.full(len(cuts), scheme.hysteresis.value_band),
    )
    decision = Decision(decision.held, np.where(decision.reason == "undefined", "no_value", decision.reason))
    return _last_class(decision, before["value_class"], profile)


def _held_variability(before: dict[str, Objects], profile: pd.DataFrame, scheme: Scheme) -> Decision:
    is_own = profile["fallback_level"].to_numpy(dtype=object) == OWN
    observed = profile["periods_observed"].to_numpy(dtype=np.int64)
    # What is lent rests on the lender's periods, of which there are enough.
    observed = np.where(is_own, observed, scheme.variability.min_periods)
    metric = np.where(is_own, floats(profile[scheme.variability.basis]), floats(profile["expected_cv"]))
    proposed = variability_classes(metric, observed, variability=scheme.variability)
    cuts = (scheme.variability.cuts["X"], scheme.variability.cuts["Y"])
    decision = _hold(
        proposed,
        before["variability_class"],
        metric,
        is_shift=profile["is_true_shift"].to_numpy(dtype=bool),
        cuts=cuts,
        classes=VARIABILITY_CLASSES[:-1],
        width=scheme.hysteresis.variability_band * np.array(cuts),
    )
    return _last_class(decision, before["variability_class"], profile)


def _last_class(decision: Decision, before: Objects, profile: pd.DataFrame) -> Decision:
    """The decision, but for items on the rung `last_class`, which keep the class before."""
    kept = (profile["fallback_level"].to_numpy(dtype=object) == LAST_CLASS) & ~pd.isna(before)
    held = np.where(kept, before, decision.held.astype(object)).astype(np.str_)
    return Decision(held, np.where(kept, LAST_CLASS, decision.reason))


def _hold(
    proposed: npt.NDArray[np.str_],
    previous: Objects,
    metric: Floats,
    *,
    is_shift: npt.NDArray[np.bool_],
    cuts: tuple[float, ...],
    classes: tuple[str, ...],
    width: Floats,
) -> Decision:
    """Hold classes with the dead band open for items whose level truly shifted."""
    strict = hold_classes(proposed, previous, metric, cuts=cuts, classes=classes, band=width)
    bands = np.where(is_shift[:, None], 0.0, width[None, :])
    opened = hold_classes(proposed, previous, metric, cuts=cuts, classes=classes, band=bands)
    by_shift = (opened.reason == "moved") & (strict.reason == "held_margin")
    return Decision(opened.held, np.where(by_shift, "moved_shift", opened.reason))


def _aligned(frame: pd.DataFrame | None, profile: pd.DataFrame, columns: list[str], what: str) -> dict[str, Objects]:
    """Columns of `frame` in the order of the profile's rows, None where an item is not in it."""
    if frame is None or frame.empty:
        return {column: np.full(len(profile), None, dtype=object) for column in columns}
    _check_keys(frame, what, [*KEY, *columns])
    index = pd.MultiIndex.from_frame(frame[KEY].astype(object))
    position = index.get_indexer(pd.MultiIndex.from_frame(profile[KEY].astype(object)))
    found: dict[str, Objects] = {}
    for column in columns:
        values = frame[column].astype(object).where(frame[column].notna(), None).to_numpy(dtype=object)
        aligned: Objects = values[position]
        aligned[position < 0] = None
        found[column] = aligned
    return found


def _check_keys(frame: pd.DataFrame, what: str, columns: list[str]) -> None:
    if missing := [column for column in columns if column not in frame.columns]:
        raise ValueError(f"{what}: columns {missing} are missing; it has {sorted(frame.columns)}")
    twice = frame.duplicated(KEY)
    if twice.any():
        example = frame.loc[twice, KEY].iloc[0].tolist()
        raise ValueError(f"{what}: sku_id, location_id {example} stands more than once; give one row per item")


def _overridden(held: npt.NDArray[np.str_], wanted: Objects, allowed: tuple[str, ...]) -> Objects:
    given = ~pd.isna(wanted)
    unknown = set(wanted[given].tolist()) - set(allowed)
    if unknown:
        raise ValueError(f"overrides: classes {sorted(unknown)} are none of {list(allowed)}; correct or expire them")
    return np.where(given, wanted, held.astype(object))


def _joined(value: Objects, variability: Objects) -> Objects:
    joined: Objects = value + variability
    return joined


def _reasons(value: Decision, variability: Decision, profile: pd.DataFrame, override_id: Objects) -> Objects:
    text: Any = "value:" + value.reason.astype(object) + ";variability:" + variability.reason.astype(object)
    level = profile["fallback_level"].to_numpy(dtype=object)
    text = text + np.where(np.isin(level, RUNGS), ";fallback:" + level, "")
    reasons: Objects = text + np.where(pd.isna(override_id), "", ";override:" + override_id.astype(str).astype(object))
    return reasons


def floats(column: "pd.Series[Any]") -> Floats:
    """A column of decimals, floats or nulls as float64, NaN where null."""
    values: Floats = column.astype(object).where(column.notna(), np.nan).to_numpy(dtype=np.float64)
    return values
