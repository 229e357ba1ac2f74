"""What Great Expectations found about a stage's facts, freed from its types. It reports; it does not judge.

Belongs here: the one in-memory context, running a suite, reading its results without trusting them. Does not: the
verdict (`expectations.verdict`). Nothing is written to disk and nothing is sent anywhere: no store, no checkpoint,
no data docs, no telemetry.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from expectations.measure import Fact, Facts
from expectations.rule import SHAPE_FACT

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.core.batch_definition import BatchDefinition


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation after its run. `evaluated` counts values that were looked at, nulls left out."""

    fact: str
    severity: str
    rationale: str
    bound: str
    success: bool
    evaluated: int
    observed: Fact
    examples: tuple[str, ...]
    held_out: bool
    error: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one stage over the rows that its facts were measured on."""

    stage: str
    rows: int
    failed_rows: int
    findings: tuple[Finding, ...]


def batch_definition() -> "BatchDefinition[Any]":
    """A fresh in-memory context that takes any frame; about 3 to 5 s at first use, for the import alone."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    context.variables.analytics_enabled = False
    return (
        context.data_sources.add_pandas("facts")
        .add_dataframe_asset("facts")
        .add_batch_definition_whole_dataframe("facts")
    )


def report(definition: "BatchDefinition[Any]", stage: str, suite: "ExpectationSuite", facts: Facts) -> Report:
    """Run a suite over the facts; an expectation that raises is a finding with an error, never a pass."""
    batch = definition.get_batch(batch_parameters={"dataframe": facts.frame})
    results = batch.validate(suite, result_format="BASIC").results
    findings = [_finding(result.to_json_dict(), facts) for result in results]
    order = {SHAPE_FACT: -1, **{fact: place for place, fact in enumerate(facts.values)}}
    findings.sort(key=lambda finding: (order.get(finding.fact, len(order)), finding.fact))
    return Report(stage, facts.rows, facts.failed_rows, tuple(findings))


def broken(stage: str, rows: int, error: str) -> Report:
    """The report of a stage that could not be measured or run at all."""
    rationale = "What could not be looked at has not passed."
    finding = Finding("gate", "error", rationale, "runs without an exception", False, 0, None, (), False, error)
    return Report(stage, rows, 0, (finding,))


def _finding(result: Mapping[str, Any], facts: Facts) -> Finding:
    config = result["expectation_config"]
    meta = config.get("meta") or {}
    column = config["kwargs"].get("column")
    fact = str(meta.get("fact") or column or config["type"])
    outcome = result.get("result") or {}
    observed: Fact = len(facts.values) if column is None else facts.values.get(column)
    return Finding(
        fact=fact,
        severity=str(meta.get("severity", "")),
        rationale=str(meta.get("rationale", "")),
        bound=str(meta.get("bound", "")),
        success=result.get("success") is True,
        evaluated=0 if outcome.get("observed_value") is None else 1,
        observed=observed,
        examples=facts.examples.get(fact, ()),
        held_out=meta.get("held_out") == "yes",
        error=_exception(result.get("exception_info") or {}),
    )


def _exception(info: Mapping[str, Any]) -> str | None:
    """The exception inside GX, if any: its info is flat, or one entry per metric when a metric failed."""
    entries = [info] if "raised_exception" in info else [entry for entry in info.values() if isinstance(entry, Mapping)]
    raised = [
        str(entry.get("exception_message") or "exception without a message")
        for entry in entries
        if entry.get("raised_exception")
    ]
    return raised[0] if raised else None
