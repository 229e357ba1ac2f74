"""Great Expectations reports, the verdict judges: what was not looked at never passes."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from expectations.measure import Facts
from expectations.report import Finding, Report, report
from expectations.rule import at_least, build, held_out, none_of
from expectations.verdict import GOES_ON, judge

GOOD = Finding("rows", "error", "An empty table must fail.", ">= 1", True, 1, 12, (), False, None)
WATCH = replace(GOOD, fact="odd_rows", severity="warn", bound="= 0", observed=0)


def _judge(*findings: Finding, rows: int = 12, least: int = 1, expectations: int = 1) -> Any:
    return judge(Report("stage", rows, 0, findings), min_evaluated_rows=least, min_expectations=expectations)


def test_all_expectations_met_is_a_pass() -> None:
    verdict = _judge(GOOD, WATCH, expectations=2)
    assert (verdict.verdict, verdict.evaluated_rows, verdict.failures) == ("pass", 12, ())


@pytest.mark.capability("7.6", part="thresholds per stage, each seen to fail: warn, quarantine, suspend")
def test_a_failed_watch_warns_and_an_error_beside_it_suspends() -> None:
    broken = replace(WATCH, success=False, observed=3, examples=("00001|*",))
    assert _judge(GOOD, broken).verdict == "warn"
    both = _judge(broken, replace(GOOD, success=False, observed=0))
    assert both.verdict == "suspend"
    assert [failure.expectation for failure in both.failures] == ["rows", "odd_rows"]
    assert both.observed == "rows 0; odd_rows 3 (00001|*)"


@pytest.mark.capability("7.6", part="thresholds per stage, each seen to fail: warn, quarantine, suspend")
def test_rows_that_are_held_out_quarantine_and_the_rest_goes_on() -> None:
    verdict = _judge(GOOD, replace(WATCH, success=False, held_out=True))
    assert verdict.verdict == "quarantine"
    assert frozenset({"pass", "warn", "quarantine"}) == GOES_ON


@pytest.mark.parametrize(
    ("finding", "why"),
    [
        (replace(WATCH, error="boom"), "boom"),
        (replace(WATCH, success=False, error="boom"), "boom"),
        (replace(WATCH, evaluated=0), "no value was evaluated"),
        (replace(WATCH, observed=float("inf")), "not finite"),
        (replace(WATCH, observed=float("nan")), "not finite"),
        (replace(WATCH, severity=""), "no severity"),
        (replace(WATCH, severity="info"), "no severity"),
    ],
)
def test_what_cannot_be_judged_is_an_error_even_where_it_says_success(finding: Finding, why: str) -> None:
    verdict = _judge(GOOD, finding)
    assert verdict.verdict == "suspend"
    (failure,) = verdict.failures
    assert failure.severity == "error"
    assert why in str(failure.error)


def test_an_empty_report_never_passes() -> None:
    assert _judge(expectations=0).verdict == "suspend"


def test_too_few_rows_or_expectations_never_pass() -> None:
    assert _judge(GOOD, rows=0).verdict == "suspend"
    assert _judge(GOOD, rows=4, least=5).verdict == "suspend"
    assert _judge(GOOD, expectations=2).verdict == "suspend"


def _run(definition: Any, rules: list[Any], values: dict[str, Any], *, expectations: int = 1) -> Any:
    results = report(definition, "stage", build("stage", rules), Facts(12, 0, values, {}))
    return judge(results, min_evaluated_rows=1, min_expectations=expectations)


RULES = [at_least("rows", 1, "An empty table must fail."), none_of("odd_rows", "Odd rows are wrong.")]


def test_the_chain_from_facts_to_verdict_passes_on_good_facts(definition: Any) -> None:
    assert _run(definition, RULES, {"rows": 12, "odd_rows": 0}, expectations=3).verdict == "pass"


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_fact_that_is_null_or_infinite_suspends(definition: Any, value: float | None) -> None:
    """Great Expectations alone reports success for null, and for infinity under an open upper bound."""
    verdict = _run(definition, RULES, {"rows": value, "odd_rows": 0})
    assert verdict.verdict == "suspend"
    assert verdict.failures[0].expectation == "rows"


def test_an_expectation_that_raises_suspends_and_says_why(definition: Any) -> None:
    verdict = _run(definition, RULES, {"rows": 12})
    failure = next(failure for failure in verdict.failures if failure.expectation == "odd_rows")
    assert verdict.verdict == "suspend"
    assert "odd_rows" in str(failure.error)


def test_text_where_a_number_belongs_suspends(definition: Any) -> None:
    assert _run(definition, RULES, {"rows": "many", "odd_rows": 0}).verdict == "suspend"


def test_an_empty_suite_suspends(definition: Any) -> None:
    import great_expectations as gx

    results = report(definition, "stage", gx.ExpectationSuite(name="stage"), Facts(12, 0, {"rows": 12}, {}))
    assert judge(results, min_evaluated_rows=1, min_expectations=0).verdict == "suspend"


def test_an_empty_frame_of_facts_suspends(definition: Any) -> None:
    class NoRow(Facts):
        @property
        def frame(self) -> pd.DataFrame:
            return pd.DataFrame({"rows": [], "odd_rows": []}, dtype="float64")

    results = report(definition, "stage", build("stage", RULES), NoRow(12, 0, {"rows": 12, "odd_rows": 0}, {}))
    assert judge(results, min_evaluated_rows=1, min_expectations=1).verdict == "suspend"


def test_a_fact_without_a_rule_suspends(definition: Any) -> None:
    assert _run(definition, RULES, {"rows": 12, "odd_rows": 0, "new_fact": 1}).verdict == "suspend"


def test_a_held_out_watch_quarantines_through_great_expectations(definition: Any) -> None:
    rules = [*RULES[:1], held_out("odd_rows", "Odd rows are in quarantine already.")]
    assert _run(definition, rules, {"rows": 12, "odd_rows": 2}).verdict == "quarantine"


def test_two_rules_over_one_fact_are_refused() -> None:
    with pytest.raises(ValueError, match="a fact has two rules"):
        build("stage", [*RULES, *RULES])
