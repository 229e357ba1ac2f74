"""Every suite passes on the tiny company, and every one of its expectations fails on a spoiled copy."""

from dataclasses import replace
from typing import Any

import pytest

from expectations.gate import STAGES, judged
from tests.expectations.spoil import FIRST_CYCLE, SPOILED, STAGE, Spoil, case

SPOILS = [(stage, fact, spoil) for stage, spoils in SPOILED.items() for fact, spoil in spoils.items()]
FIRST = [(stage, fact, spoil) for stage, spoils in FIRST_CYCLE.items() for fact, spoil in spoils.items()]


def _ids(spoils: list[tuple[str, str, Spoil]]) -> list[str]:
    return [f"{stage}-{fact}" for stage, fact, _ in spoils]


@pytest.mark.parametrize("previous_exists", [True, False])
@pytest.mark.parametrize("name", list(STAGE))
def test_a_suite_passes_on_the_tiny_company(name: str, previous_exists: bool, definition: Any) -> None:
    verdict = judged(STAGE[name], case(previous_exists=previous_exists), definition)
    assert (verdict.verdict, verdict.failures, verdict.failed_rows) == ("pass", (), 0)
    assert verdict.evaluated_rows > 0


@pytest.mark.capability("7.6", part="thresholds per stage, each seen to fail: warn, quarantine, suspend")
@pytest.mark.parametrize(("name", "fact", "spoil"), SPOILS, ids=_ids(SPOILS))
def test_an_expectation_fails_on_a_spoiled_copy(name: str, fact: str, spoil: Spoil, definition: Any) -> None:
    verdict = judged(STAGE[name], spoil.change(case()), definition)
    failed = {failure.expectation: failure for failure in verdict.failures}
    assert fact in failed, verdict.observed
    assert failed[fact].error is None, "the rule must be broken, not left unjudged"
    assert verdict.verdict == spoil.verdict
    assert f"{fact} {failed[fact].threshold}" in verdict.threshold
    assert all(len(failure.examples) <= 5 for failure in verdict.failures)


@pytest.mark.parametrize(("name", "fact", "spoil"), FIRST, ids=_ids(FIRST))
def test_a_first_cycle_has_no_memory(name: str, fact: str, spoil: Spoil, definition: Any) -> None:
    verdict = judged(STAGE[name], spoil.change(case(previous_exists=False)), definition)
    assert fact in {failure.expectation for failure in verdict.failures}
    assert verdict.verdict == "suspend"


@pytest.mark.parametrize("name", list(STAGE))
def test_every_expectation_has_a_spoiled_copy_a_rationale_and_a_severity(name: str) -> None:
    suite = STAGE[name].suite(case())
    facts = [expectation.meta["fact"] for expectation in suite.expectations]
    assert set(facts) == set(SPOILED[name])
    assert len(facts) == len(set(facts))
    for expectation in suite.expectations:
        assert expectation.meta["severity"] in ("error", "warn")
        assert len(expectation.meta["rationale"]) >= 20


@pytest.mark.parametrize("previous_exists", [True, False])
def test_the_least_number_of_expectations_is_that_of_the_suite(previous_exists: bool) -> None:
    for stage in STAGES:
        valid = case(previous_exists=previous_exists)
        assert stage.min_expectations(valid) == len(stage.suite(valid).expectations), stage.name


@pytest.mark.capability("2.2", part="reconciliation to the cent and unit")
def test_the_identity_is_exact_to_a_ten_thousandth(definition: Any) -> None:
    """Control totals differ by 0.0001 of 2,000 units: a float would not see it, the gate names bucket and unit."""
    spoil = SPOILED["reconciliation"]["unbalanced_units"]
    verdict = judged(STAGE["reconciliation"], spoil.change(case()), definition)
    failure = next(failure for failure in verdict.failures if failure.expectation == "unbalanced_units")
    assert failure.examples == ("month/EUR/EA: -0.0001",)


def test_a_class_per_location_is_judged_by_location(definition: Any) -> None:
    """With class level location, a row of the whole region is the one that does not belong."""
    valid = case()
    by_location = valid.scheme.model_copy(update={"class_level": "location"})
    verdict = judged(STAGE["segment_assignment"], replace(valid, scheme=by_location), definition)
    assert [failure.expectation for failure in verdict.failures] == ["wrong_level"]
