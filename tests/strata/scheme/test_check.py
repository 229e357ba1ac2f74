"""Every fault of a scheme file at once, each with where it is, what stands there, what may, and what to do."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.scheme.check import Finding, examine, read
from strata.scheme.model import Scheme
from strata.scheme.weak import weak, windows
from tests.strata.test_scheme import BAD, REASON, SHIPPED, changed, rs


def faults(*edits: tuple[str, object]) -> list[Finding]:
    """Faults of the shipped scheme with values changed; `...` takes one out."""
    content: dict[str, Any] = copy.deepcopy(SHIPPED)
    for path, value in edits:
        *parents, last = path.split(".")
        node = content
        for name in parents:
            node = node[name]
        if value is ...:
            node.pop(last, None)
        else:
            node[last] = value
    return list(examine(content, SHIPPED).faults)


def test_the_shipped_scheme_has_no_fault_and_no_weak_rule() -> None:
    reading = examine(SHIPPED, SHIPPED)
    assert reading.scheme is not None and not reading.faults
    assert not [*windows(reading.scheme), *weak(reading.scheme)]


WORDS: list[tuple[str, object, str, str, str, str]] = [
    ("policies.AX.service_target", 97.5, "policies.AX.service_target", "97.5", "below 1",
     "0.975 is 97.5 %; write a share between 0 and 1"),
    ("policies.AX", rs(1), "policies.AX.service_target", "1", "below 1",
     "0.975 is 97.5 %; write a share between 0 and 1"),
    ("inventory.holding_rate_year", 20, "inventory.holding_rate_year", "20", "above 0 below 1",
     "0.2 is 20 %; write a share between 0 and 1"),
    ("value.cuts", {"A": 0.95, "B": 0.8}, "value.cuts", "{'A': 0.95, 'B': 0.8}", "cuts that rise", "A < B"),
    ("variability.cuts", {"X": 1.0, "Y": 0.5}, "variability.cuts", "{'X': 1.0, 'Y': 0.5}", "cuts that rise", "X < Y"),
    ("value.rationale", ..., "value.rationale", "nothing", "20 characters", "say why"),
    ("policies.AX.rationale", "tbd", "policies.AX.rationale", "tbd", "20 characters", "say why"),
    ("value.cut", 0.8, "value.cut", "0.8", "cuts", "did you mean cuts?"),
    ("colour", "red", "colour", "red", "class_level", "take it out"),
    ("class_level", "site", "class_level", "site", "one of region, location", "should be"),
    ("value.window_cycles", "twelve", "value.window_cycles", "twelve", "a whole number from 1 to 60", "integer"),
    ("value.window_cycles", 61, "value.window_cycles", "61", "to 60", "less than or equal to 60"),
    ("gates", ..., "gates", "nothing", "a block with", "missing"),
    ("policies.AX", ..., "policies", "", "", "lacks segments ['AX']"),
    ("level", ..., "variability.basis", "cv_level", "one of cv", "needs the part `level`"),
    ("fallback.min_periods", 2, "fallback.min_periods", "2", "whole number", "is below variability.min_periods"),
]  # fmt: skip


@pytest.mark.capability("7.2", part="every fault of a scheme file with path, value found, what is allowed, advice")
@pytest.mark.parametrize(
    ("path", "value", "at", "found", "allowed", "advice"), WORDS, ids=[f"{one[0]}={one[1]}"[:50] for one in WORDS]
)
def test_a_fault_says_what_a_planner_needs(
    path: str, value: object, at: str, found: str, allowed: str, advice: str
) -> None:
    (fault,) = faults((path, value))
    assert fault.path == at and fault.kind == "fault"
    assert fault.found.startswith(found) and allowed in fault.allowed and advice in fault.advice


def test_all_faults_are_named_not_only_the_first() -> None:
    found = faults(
        ("policies.AX.service_target", 97.5),
        ("policies.CZ.service_metric", "csi"),
        ("policies.BX", ...),
        ("value.cuts", {"A": 0.95, "B": 0.8}),
        ("variability.rationale", ...),
        ("fallback.min_periods", 2),
        ("inventory.holding_rate_year", 20),
        ("level.colour", "red"),
        ("effective_from", "2026-13"),
        ("gates", ...),
    )
    assert sorted(one.path for one in found) == [
        "effective_from", "fallback.min_periods", "gates", "inventory.holding_rate_year", "level.colour",
        "policies", "policies.AX.service_target", "policies.CZ.service_metric", "value.cuts", "variability.rationale",
    ]  # fmt: skip


def test_a_value_put_in_for_a_faulty_one_is_blamed_for_nothing() -> None:
    """A is refused as a percentage; that 0.7 for B would be below the sound A says nothing about the file."""
    assert [one.path for one in faults(("value.cuts", {"A": 80, "B": 0.7}))] == ["value.cuts.A"]
    assert [one.path for one in faults(("variability.min_periods", 99), ("fallback.min_periods", 2))] == [
        "variability.min_periods"
    ]


@pytest.mark.parametrize(("path", "value", "why"), BAD, ids=[f"{path}={value}"[:50] for path, value, _ in BAD])
def test_what_does_not_load_has_a_fault_where_it_stands(path: str, value: object, why: str) -> None:
    reading = examine(changed(path, value), SHIPPED)
    assert reading.scheme is None and reading.repaired is not None
    assert {one.path.split(".")[0] for one in reading.faults} == {path.split(".")[0]}


@settings(max_examples=30)
@given(st.lists(st.sampled_from(BAD), min_size=1, max_size=8, unique_by=lambda one: one[0].split(".")[0]))
def test_faults_in_several_parts_are_found_as_if_each_stood_alone(some: list[tuple[str, object, str]]) -> None:
    """Parts that others refer to may hide a rule between them; a fault of a part itself is never hidden."""
    alone = {one.path for path, value, _ in some for one in faults((path, value))}
    assert {one.path for one in faults(*((path, value) for path, value, _ in some))} == alone


@pytest.mark.parametrize(
    ("text", "why"), [("a: [1, 2", "line"), ("a: 1\na: 2", "stands twice"), ("[1, 2]", "shipped scheme"), ("", "copy")]
)
def test_a_file_that_is_no_scheme_is_one_fault(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "scheme.yml"
    file.write_text(text, encoding="utf-8")
    (fault,) = read(file, SHIPPED).faults
    assert fault.path == "file" and why in f"{fault.found} {fault.advice}"


RULES: list[tuple[dict[str, object], str, str, str]] = [
    ({"variability.min_periods": 13, "fallback.min_periods": 13}, "fault", "variability.min_periods", "12"),
    ({"variability.min_periods": 13, "fallback.min_periods": 13}, "fault", "fallback.min_periods", "12"),
    ({"level.window_periods": 6}, "fault", "level.min_before", "6"),
    ({"gates.class_share": {"A": [0.6, 0.1], "B": [0.0, 0.6], "C": [0.05, 1.0]}},
     "fault", "gates.class_share.A", "0 to 1"),
    ({"variability.basis": "forecast_error", "forecast_error": {
        "alphas": [0.1], "warm_up": 8, "min_forecasts": 6, "rationale": REASON}},
     "fault", "forecast_error.warm_up", "12"),
    ({"forecast_error": {"alphas": [0.1], "warm_up": 8, "min_forecasts": 6, "rationale": REASON}},
     "weak", "forecast_error.warm_up", "12"),
    ({"hysteresis.value_band": 0.08}, "weak", "hysteresis.value_band", "0.075"),
    ({"hysteresis.variability_band": 0.34}, "weak", "hysteresis.variability_band", "0.3333"),
    ({"hysteresis.bypass_posterior": 0.9}, "weak", "hysteresis.bypass_posterior", "0.75"),
    ({"hysteresis.dwell_cycles": 13}, "weak", "hysteresis.dwell_cycles", "12"),
    ({"hysteresis.budget": {"max_share": 0.4, "of": "items", "rationale": REASON}},
     "weak", "hysteresis.budget.max_share", "0.35"),
    ({"variability.basis": "cv_deseasonalised"}, "weak", "variability.basis", "24"),
    ({"buckets.planning_periods": 100}, "weak", "buckets.planning_periods", "104"),
    ({"lifecycle.dead_periods": 13}, "weak", "lifecycle.dead_periods", "12"),
    ({"fallback.default_confidence": 0.4}, "weak", "fallback.rungs.like_item.confidence", "0.4"),
    ({"policies.AX.service_target": 0.9}, "weak", "policies.AX.service_target", "0.96"),
    ({"policies.CY.service_target": 0.89}, "weak", "kpis.definitions.fill_rate.targets.CY", "0.89"),
]  # fmt: skip


@pytest.mark.capability("7.2", part="rules that hold and cannot work are named")
@pytest.mark.parametrize(("edits", "kind", "path", "allowed"), RULES, ids=[f"{one[2]}:{one[1]}" for one in RULES])
def test_rules_that_cannot_work_are_named(edits: dict[str, object], kind: str, path: str, allowed: str) -> None:
    content = copy.deepcopy(SHIPPED)
    for name, value in edits.items():
        *parents, last = name.split(".")
        node = content
        for part in parents:
            node = node[part]
        node[last] = value
    scheme = Scheme.model_validate(content)
    found = [one for one in [*windows(scheme), *weak(scheme)] if one.path == path]
    assert found and {one.kind for one in found} == {kind} and allowed in found[0].allowed


@pytest.mark.parametrize(
    "edits",
    [
        {"hysteresis.value_band": 0.07}, {"hysteresis.variability_band": 0.33}, {"hysteresis.dwell_cycles": 12},
        {"lifecycle.dead_periods": 12}, {"policies.AX.service_target": 0.98}, {"level.window_periods": 7},
    ],
)  # fmt: skip
def test_at_its_bound_a_rule_still_works(edits: dict[str, object]) -> None:
    (path, value), *_ = edits.items()
    scheme = Scheme.model_validate(changed(path, value))
    assert not [*windows(scheme), *weak(scheme)]
