"""Rules of a scheme that load, and yet cannot work or do not do what they seem to.

Belongs here: relations between parameters that no reader of one parameter sees. Does not: types and bounds
(`strata.scheme.model`), how a finding is shown.
"""

from collections.abc import Iterator

from strata.calendar import PERIODS_PER_YEAR
from strata.scheme.check import Finding
from strata.scheme.model import RUNGS, VARIABILITY_CLASSES, Policy, Scheme


def windows(scheme: Scheme) -> Iterator[Finding]:
    """Faults: what asks for more periods than the scheme keeps would never be known of any item."""
    window = scheme.value.window_cycles
    kept = f"at most value.window_cycles, {window}: no more periods are looked at"
    for path, periods, what in (
        ("variability.min_periods", scheme.variability.min_periods, "every item would be U"),
        ("fallback.min_periods", scheme.fallback.min_periods, "no item would have a history of its own"),
    ):
        if periods > window:
            yield Finding("fault", path, str(periods), kept, f"{what}; ask for fewer periods or widen the window")
    error = scheme.forecast_error
    if error is not None and error.warm_up + error.min_forecasts > window:
        yield Finding(
            "fault" if scheme.variability.basis == "forecast_error" else "weak",
            "forecast_error.warm_up",
            f"{error.warm_up} and {error.min_forecasts} forecasts",
            kept,
            "no error would ever be known; begin earlier, ask for fewer forecasts or widen the window",
        )
    level = scheme.level
    if level is not None and level.min_before + level.min_after > level.window_periods:
        yield Finding(
            "fault",
            "level.min_before",
            f"{level.min_before} and {level.min_after} since",
            f"together at most level.window_periods, {level.window_periods}",
            "no shift could ever be found; ask for fewer periods or widen the window",
        )
    for name, (low, high) in sorted(scheme.gates.class_share.items()):
        if not 0 <= low < high <= 1:
            yield Finding(
                "fault",
                f"gates.class_share.{name}",
                f"{low:g}, {high:g}",
                "two shares from 0 to 1, the lower one first",
                "bounds that do not rise suspend every region",
            )


def weak(scheme: Scheme) -> Iterator[Finding]:
    """What holds and is weak: bands wider than a class, dwell longer than validity, targets the wrong way round."""
    yield from _controls(scheme)
    yield from _histories(scheme)
    yield from _policies(scheme)
    yield from _kpis(scheme)


def _controls(scheme: Scheme) -> Iterator[Finding]:
    rule, cuts = scheme.hysteresis, scheme.value.cuts
    gap = cuts["B"] - cuts["A"]
    if 2 * rule.value_band > gap:
        yield _found(
            "hysteresis.value_band", rule.value_band, f"at most {gap / 2:.4g}, half the width of class B",
            "the dead bands of both cuts meet inside B: an item may change between A and C and never be B",
        )  # fmt: skip
    low, high = scheme.variability.cuts["X"], scheme.variability.cuts["Y"]
    if low * (1 + rule.variability_band) > high * (1 - rule.variability_band):
        most = (high - low) / (high + low)
        yield _found(
            "hysteresis.variability_band", rule.variability_band, f"at most {most:.4g}, so that class Y keeps a core",
            "the dead bands of both cuts meet inside Y: an item may change between X and Z and never be Y",
        )  # fmt: skip
    if rule.posterior is not None and rule.bypass_posterior is not None and rule.bypass_posterior > rule.posterior:
        yield _found(
            "hysteresis.bypass_posterior", rule.bypass_posterior, f"at most hysteresis.posterior, {rule.posterior:g}",
            "after a true shift the door would be narrower than without one",
        )  # fmt: skip
    rung = scheme.fallback.rungs.get("last_class")
    if rule.dwell_cycles is not None and rung is not None and rule.dwell_cycles > rung.max_cycles:
        yield _found(
            "hysteresis.dwell_cycles", rule.dwell_cycles,
            f"at most fallback.rungs.last_class.max_cycles, {rung.max_cycles}",
            "a class would be held for longer than it is believed where nothing else is known",
        )  # fmt: skip
    if rule.dwell_cycles is not None and rule.dwell_cycles > scheme.value.window_cycles:
        yield _found(
            "hysteresis.dwell_cycles", rule.dwell_cycles, f"at most value.window_cycles, {scheme.value.window_cycles}",
            "a class would outlive every period that it rests on",
        )  # fmt: skip
    if rule.budget is not None and rule.budget.max_share > scheme.gates.max_class_churn:
        yield _found(
            "hysteresis.budget.max_share", rule.budget.max_share,
            f"at most gates.max_class_churn, {scheme.gates.max_class_churn:g}",
            "the gate suspends the region before the budget is spent",
        )  # fmt: skip


def _histories(scheme: Scheme) -> Iterator[Finding]:
    window, year = scheme.value.window_cycles, PERIODS_PER_YEAR[scheme.buckets.classification]
    seasons = scheme.seasonality.min_seasons * year
    if scheme.variability.basis == "cv_deseasonalised" and scheme.class_level == "region" and seasons > window:
        yield _found(
            "variability.basis", scheme.variability.basis,
            f"value.window_cycles of {seasons} or more, or another basis",
            f"{scheme.seasonality.min_seasons} seasons do not fit into {window} periods: nothing is deseasonalised",
        )  # fmt: skip
    planned = scheme.seasonality.min_seasons * PERIODS_PER_YEAR[scheme.buckets.planning]
    if (
        scheme.forecast.seasonal_method not in scheme.forecast.methods.values()
        and planned > scheme.buckets.planning_periods
    ):
        yield _found(
            "buckets.planning_periods", scheme.buckets.planning_periods, f"{planned} or more",
            f"{scheme.forecast.seasonal_method} needs {scheme.seasonality.min_seasons} seasons and is never chosen",
        )  # fmt: skip
    if scheme.lifecycle.dead_periods > window:
        yield _found(
            "lifecycle.dead_periods", scheme.lifecycle.dead_periods, f"at most value.window_cycles, {window}",
            "an item is without value, and so without a policy, before it counts as dead",
        )  # fmt: skip
    for name in RUNGS:
        rung = scheme.fallback.rungs.get(name)  # type: ignore[call-overload]
        if rung is not None and rung.confidence < scheme.fallback.default_confidence:
            yield _found(
                f"fallback.rungs.{name}.confidence", rung.confidence,
                f"at least fallback.default_confidence, {scheme.fallback.default_confidence:g}",
                "the rung is trusted less than what is assumed when nothing is known; take it out",
            )  # fmt: skip


def _policies(scheme: Scheme) -> Iterator[Finding]:
    """A class of more value promises no less, at equal variability and metric."""
    for variability in VARIABILITY_CLASSES:
        ranked = [(name, scheme.policies[name + variability]) for name in ("A", "B", "C")]
        for (above, better), (below, worse) in zip(ranked, ranked[1:], strict=False):
            if _target(better) is not None and better.service_metric == worse.service_metric and _less(better, worse):
                yield _found(
                    f"policies.{above}{variability}.service_target", better.service_target,
                    f"at least that of {below}{variability}, {worse.service_target:g}",
                    "an item that rises in value would be served worse",
                )  # fmt: skip


def _kpis(scheme: Scheme) -> Iterator[Finding]:
    """A segment is judged by no more than its policy aims at."""
    for kpi in scheme.kpis.definitions if scheme.kpis else ():
        for segment, policy in sorted(scheme.policies.items()):
            judged, aimed = kpi.target(segment), _target(policy)
            if policy.service_metric == kpi.name and judged is not None and aimed is not None and judged > aimed:
                yield _found(
                    f"kpis.definitions.{kpi.name}.targets.{segment}", judged,
                    f"at most policies.{segment}.service_target, {aimed:g}",
                    "the segment would be judged by more than its policy aims at",
                )  # fmt: skip


def _target(policy: Policy) -> float | None:
    return policy.service_target


def _less(better: Policy, worse: Policy) -> bool:
    high, low = _target(better), _target(worse)
    return high is not None and low is not None and high < low


def _found(path: str, value: object, allowed: str, advice: str) -> Finding:
    return Finding("weak", path, f"{value:g}" if isinstance(value, float) else str(value), allowed, advice)
