"""Why an item has the class and the policy it has, in plain sentences with the numbers behind them.

Belongs here: wording decided rows. Does not: deciding anything, reading tables (`strata explain` passes the rows).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pandas as pd

from strata.scheme.model import Scheme
from strata.scheme.rules import Rule

Row = Mapping[str, Any]
T = TypeVar("T")

_BASIS = {
    "cv": "CV of demand per period",
    "cv_deseasonalised": "CV after trend and season",
    "forecast_error": "scaled forecast error",
    "cv_level": "CV of demand per period within levels",
}
_METRIC = {"csl": "cycle service level", "fill_rate": "fill rate"}
_REASONS = {
    "new_item": "It has no class from the cycle before, so nothing is held.",
    "unchanged": "That is the class it had.",
    "moved": "{passed}, so it moved from {before}.",
    "held_margin": "{within}, so {before} is held.",
    "held_posterior": "That it is beyond the boundary is less probable than {posterior}, so {before} is held.",
    "held_confirmation": "It is run {count} in a row of the {confirmations} that a move needs, so {before} is held.",
    "held_dwell": "It moved {rest} ago, and a class is kept for {dwell}, so {before} is held.",
    "held_budget": "The moves that this run may make went to items of larger value, so {before} is held for now.",
    "moved_shift": "The controls alone would hold {before}, but its demand truly shifted, so it moved from {before}.",
    "last_class": "Too little is known of it now, so {before} is kept as the last class that it earned.",
}
_VALUE_REASONS = {
    **_REASONS,
    "no_value": "It has no positive value in the window, so no share can be given.",
    "was_undefined": "It had no value class before, so nothing is held.",
}
_VARIABILITY_REASONS = {
    **_REASONS,
    "undefined": "Too little was observed for a CV that means anything.",
    "was_undefined": "It had no variability class before, so nothing is held.",
}


def explain(
    assignment_row: Row,
    profile_row: Row,
    previous_row: Row | None,
    policy_rows: Sequence[Row],
    *,
    scheme: Scheme,
) -> list[str]:
    """Say why a row of `segment_assignment` says what it says, one sentence group per line.

    Args:
        assignment_row: the row to explain.
        profile_row: its row of `demand_profile`.
        previous_row: the item's effective row of the cycle before; None where it is new.
        policy_rows: the rows of `inventory_policy` that follow from it, one per location; may be empty.
        scheme: the scheme that decided the row.

    Returns:
        Lines in a fixed order: segment, value, variability, demand class, lifecycle and level, observation and
        censoring, override, suspension, policies.

    Raises:
        ValueError: the row was decided by another version than `scheme`.
    """
    if assignment_row["scheme_version"] != scheme.version:
        raise ValueError(
            f"segment_assignment of {assignment_row['sku_id']} was decided by scheme "
            f"{assignment_row['scheme_version']}, not {scheme.version}: pass the scheme of its cycle"
        )
    reasons = dict(part.split(":", 1) for part in str(assignment_row["decision_reason"]).split(";") if ":" in part)
    lines = [_segment(assignment_row, scheme), _value(assignment_row, previous_row, reasons, scheme)]
    lines.append(_variability(assignment_row, profile_row, previous_row, reasons, scheme))
    lines.append(_demand_class(profile_row, scheme))
    lines.append(_level(profile_row, scheme))
    lines.append(_observation(profile_row, scheme))
    lines.extend(_override(assignment_row))
    lines.extend(_suspension(assignment_row))
    lines.extend(_policy(row) for row in policy_rows)
    return lines


def _segment(row: Row, scheme: Scheme) -> str:
    place = f"region {row['region']}" if row["location_id"] == "*" else f"{row['location_id']} in {row['region']}"
    before = _known(row.get("previous_segment"), str) or "none (new item)"
    chance = _known(row.get("class_probability"), float)
    sure = "" if chance is None else f" Computed {row['computed_segment']} with probability {chance:.2f}."
    return (
        f"{row['sku_id']} in {place}, cycle {row['cycle']}: segment {row['segment']}; the cycle before: {before}. "
        f"Decided by scheme {scheme.version} on what was known at {row['as_known_at']}.{sure}"
    )


def _value(row: Row, previous: Row | None, reasons: Mapping[str, str], scheme: Scheme) -> str:
    share = _known(row.get("cumulative_share"), float)
    computed = str(row["computed_segment"])[0]
    level = " at its level" if scheme.level else ""
    start = f"Value: computed class {computed} by cumulative share of {scheme.value.basis}{level}"
    if share is None:
        return f"{start}. {_VALUE_REASONS['no_value']}"
    cuts: dict[str, float] = dict(scheme.value.cuts.items())
    distances = "; ".join(_distance(share, cut, f"cut {name}") for name, cut in cuts.items())
    held = _said(_VALUE_REASONS, reasons.get("value"), row, previous, "value", scheme)
    reason = reasons.get("value")
    crosses = not str(reason).startswith("held_") and share > cuts.get(computed, 1.0)
    rule = " The item that crosses a cut keeps the higher class." if crosses else ""
    return f"{start}: {_number(share)} with the item counted ({distances}).{rule} {held}"


def _variability(row: Row, profile: Row, previous: Row | None, reasons: Mapping[str, str], scheme: Scheme) -> str:
    basis = scheme.variability.basis
    metric = _known(profile.get(basis), float)
    computed = str(row["computed_segment"])[1]
    held = _said(_VARIABILITY_REASONS, reasons.get("variability"), row, previous, "variability", scheme)
    if metric is None:
        return f"Variability: computed class {computed}; the {_BASIS[basis]} is unknown. {held}"
    distances = "; ".join(_distance(metric, cut, f"cut {name}") for name, cut in scheme.variability.cuts.items())
    return f"Variability: computed class {computed} by {_BASIS[basis]}: {_number(metric)} ({distances}). {held}"


def _demand_class(profile: Row, scheme: Scheme) -> str:
    pattern = scheme.demand_pattern
    demands = int(profile["demand_periods"])
    if demands < pattern.min_demands:
        return (
            f"Demand class {profile['demand_class']}: {_plural(demands, 'period')} with demand, and "
            f"{pattern.min_demands} are needed to tell a pattern."
        )
    adi, cv2 = (_known(profile.get(name), float) for name in ("adi", "cv2_nonzero"))
    return (
        f"Demand class {profile['demand_class']}: a demand every {_number(adi)} periods (cut "
        f"{_number(pattern.adi_cut)}), squared CV of sizes {_number(cv2)} (cut {_number(pattern.cv2_cut)}), "
        f"from {demands} periods with demand."
    )


def _level(profile: Row, scheme: Scheme) -> str:
    state = f"Lifecycle {profile['lifecycle_state']}"
    ratio, z = (_known(profile.get(name), float) for name in ("recent_ratio", "shift_z"))
    rule = scheme.level or scheme.shift
    bounds = f"bounds {_number(rule.ratio)} times and {_number(rule.z)}"
    if z is None:
        return f"{state}. Too little was observed to test for a level shift ({bounds})."
    verdict = "a true shift" if profile["is_true_shift"] else "no true shift"
    times = "undefined: nothing was sold before" if ratio is None else f"{_number(ratio)} times those before"
    if scheme.level is None:
        return f"{state}. Recent demand is {times}, z = {_number(z)} ({bounds}): {verdict}."
    rests = _known(profile.get("level_periods"), int)
    since = "" if rests is None else f" The level rests on {_plural(rests, 'period')}."
    lately = f" in the last {_plural(scheme.level.recent_periods, 'period')}"
    return (
        f"{state}. At the likeliest change of level demand is {times}, z = {_number(z)} ({bounds}): "
        f"{verdict}{lately}.{since}"
    )


def _observation(profile: Row, scheme: Scheme) -> str:
    observed, censored = int(profile["periods_observed"]), int(profile["periods_censored"])
    last = _known(profile.get("last_sale"), str) or "none"
    text = f"Observed: {_plural(observed, 'closed period')} since launch; last period with a sale: {last}."
    if not censored:
        return text
    share = _number(100 * scheme.censoring.min_stockout_share)
    return (
        f"{text} {_plural(censored, 'period')} left out as censored: stock was out for {share} % of the days or more, "
        f"so demand there is unknown, not zero."
    )


def _override(row: Row) -> Iterator[str]:
    name = _known(row.get("override_id"), str)
    if name is not None:
        computed, effective = row["computed_segment"], row["segment"]
        yield f"Override {name} is in force: the scheme alone says {computed}, the override makes it {effective}."


def rule_line(rule: Rule) -> str:
    """What a rule of the scheme does, why, by whom and for how long."""
    axes = [
        f"{axis.removesuffix('_class')} {' '.join(f'{word} {name}' for word, name in bound.said.items())}"
        for axis, bound in rule.effect.bounds.items()
    ]
    return (
        f"Rule {rule.id} ({rule.kind}, priority {rule.priority}): {' and '.join(axes)} from {rule.valid_from} until "
        f"{rule.valid_until}: {rule.reason} (owner {rule.owner}, approved by {rule.approved_by})."
    )


def override_line(override: Any) -> str:
    """Who set an override, why and for how long; `override` as `strata.governance.records.Override`."""
    until = override.end_cycle or "revoked"
    axes = [
        f"{axis} {value}"
        for axis, value in (("value", override.value_class), ("variability", override.variability_class))
        if value is not None
    ]
    revoked = f" It was revoked at {override.revoked_at}." if override.revoked_at else ""
    return (
        f"Override {override.override_id} sets {' and '.join(axes)} from {override.start_cycle} until {until}: "
        f"{override.reason} (owner {override.owner}, approved by {override.approved_by}).{revoked}"
    )


def _suspension(row: Row) -> Iterator[str]:
    if row.get("is_suspended"):
        yield (
            f"Suspended since {row.get('suspended_since')}: {row.get('suspension_reason')}. "
            f"The row is the last good one, computed in cycle {row['cycle']}."
        )


def _policy(row: Row) -> str:
    place = f"Policy at {row['location_id']}"
    if row["policy_type"] == "none":
        return f"{place}: none. {row.get('decision_reason') or ''}".rstrip(" .") + "."
    metric = _METRIC.get(str(row["service_metric"]), str(row["service_metric"]))
    text = (
        f"{place}: {row['policy_type']} for {100 * float(row['service_target']):g} % {metric}, "
        f"review every {_plural(int(row['review_days']), 'day')}"
    )
    parts = (("safety_stock_units", "safety stock"), ("reorder_point_units", "reorder point"),
             ("order_up_to_units", "order up to"), ("order_quantity_units", "order quantity"))  # fmt: skip
    amounts = [(label, _known(row.get(column), float)) for column, label in parts]
    text += "".join(f", {label} {_number(amount)}" for label, amount in amounts if amount is not None)
    fill = _known(row.get("expected_fill_rate"), float)
    expected = "" if fill is None else f" Expected fill rate {100 * fill:.1f} %."
    binding = _known(row.get("binding_constraint"), str)
    bound = "" if binding is None else f" Binding: {binding}."
    return f"{text}.{expected}{bound}"


def _distance(metric: float, cut: float, name: str) -> str:
    gap = metric - cut
    side = "at" if gap == 0 else f"{_number(abs(gap))} {'above' if gap > 0 else 'below'}"
    return f"{side} {name} = {_number(cut)}"


def _said(
    reasons: Mapping[str, str], reason: str | None, row: Row, previous: Row | None, axis: str, scheme: Scheme
) -> str:
    """The sentence of a reason, with the scheme's numbers and the item's own."""
    column, rule = f"{axis}_class", scheme.hysteresis
    rest = _known(previous.get(f"{axis}_dwell_cycles"), int) if previous is not None else None
    band = _number(rule.value_band) if axis == "value" else f"{_number(100 * rule.variability_band)} %"
    of = "The share before it is" if axis == "value" else "It is"
    to = "the boundary" if axis == "value" else "the cut"
    passed = []
    if max(rule.value_band, rule.variability_band):
        passed.append(f"{of} beyond the boundary by at least {band}{'' if axis == 'value' else ' of the cut'}")
    if rule.posterior is not None:
        passed.append(f"{'it is' if passed else of} beyond the boundary with probability {_number(rule.posterior)}")
    if rule.confirmations is not None and rule.confirmations > 1:
        passed.append(f"{'' if passed else 'It is so '}in {rule.confirmations} runs in a row")
    words = {
        "before": str(previous[column]) if previous is not None and previous.get(column) else "its former class",
        "within": f"{of} within {band} of {to}",
        "passed": " and ".join(passed).replace(" and in ", " in ") or f"{of} beyond the boundary",
        "posterior": _number(rule.posterior),
        "count": row.get(f"{axis}_confirmations"),
        "confirmations": rule.confirmations,
        "rest": _plural((rest or 0) + 1, "cycle"),
        "dwell": _plural(rule.dwell_cycles or 0, "cycle"),
    }
    return reasons.get(reason or "", f"Reason: {reason}.").format(**words)


def _known(value: Any, kind: Callable[[Any], T]) -> T | None:
    """The value as `kind`, None where it is null or NaN."""
    return None if pd.isna(value) else kind(value)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
