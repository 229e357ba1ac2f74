"""The verdict over a report. Great Expectations passes empty frames, all-null columns and empty suites; this does not.

Belongs here: what a finding means for publication. Does not: running suites (`expectations.report`), storing gate
records (`strata.governance`), which rules exist (the stages).
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from expectations.report import Finding, Report

Outcome = Literal["pass", "warn", "quarantine", "suspend"]
# A candidate with these verdicts may go on; `quarantine` says that bad rows were kept out and the rest stands.
GOES_ON: frozenset[Outcome] = frozenset({"pass", "warn", "quarantine"})


@dataclass(frozen=True, slots=True)
class Failure:
    """One broken or unjudgeable expectation, with keys to look at."""

    expectation: str
    severity: Literal["error", "warn"]
    rationale: str
    threshold: str
    observed: str
    examples: tuple[str, ...]
    error: str | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "examples": list(self.examples)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says, over how many rows, and all failures (not the first)."""

    verdict: Outcome
    evaluated_rows: int
    failed_rows: int
    threshold: str
    observed: str
    failures: tuple[Failure, ...]


def judge(results: Report, *, min_evaluated_rows: int, min_expectations: int) -> Verdict:
    """Judge a report; whatever was not evaluated counts as failed.

    `suspend` if any error-severity expectation failed, any expectation of either severity raised, saw no value or
    saw a number that is not finite, or if too few rows or expectations were evaluated; else `quarantine` if rows
    are held out; else `warn` if a watch failed; else `pass`.

    Args:
        results: findings of one stage.
        min_evaluated_rows: fewest rows worth a verdict; zero only where a company may honestly have none.
        min_expectations: fewest expectations that must have been evaluated: a thinned suite does not pass.
    """
    failures: list[Failure] = []
    held_out = False
    for finding in results.findings:
        if (failure := _failure(finding)) is not None:
            failures.append(failure)
            held_out = held_out or finding.held_out
    evaluated = sum(finding.error is None and finding.evaluated > 0 for finding in results.findings)
    if results.rows < min_evaluated_rows:
        why = "A verdict over fewer rows than this says nothing."
        failures.append(_short("evaluated_rows", why, f">= {min_evaluated_rows}", str(results.rows)))
    if evaluated < max(min_expectations, 1):
        why = "A suite that lost expectations cannot vouch for what they looked at."
        failures.append(_short("evaluated_expectations", why, f">= {max(min_expectations, 1)}", str(evaluated)))
    failures.sort(key=lambda failure: (failure.severity != "error", failure.error is not None))
    verdict: Outcome = "pass"
    if any(failure.severity == "error" for failure in failures):
        verdict = "suspend"
    elif failures:
        verdict = "quarantine" if held_out else "warn"
    return Verdict(
        verdict,
        results.rows,
        results.failed_rows,
        "; ".join(f"{f.expectation} {f.threshold}" for f in failures) or f"{evaluated} expectations",
        "; ".join(f"{f.expectation} {f.observed}" for f in failures) or "all met",
        tuple(failures),
    )


def _failure(finding: Finding) -> Failure | None:
    """The failure that a finding amounts to, None if it truly passed."""
    error = finding.error
    if error is None and finding.evaluated < 1:
        error = "no value was evaluated: the fact is missing or null"
    if error is None and isinstance(finding.observed, float) and not math.isfinite(finding.observed):
        error = "the observed number is not finite"
    if error is None and finding.severity not in ("error", "warn"):
        error = f"the expectation has no severity error or warn, but {finding.severity!r}"
    if error is None and finding.success:
        return None
    severity: Literal["error", "warn"] = "warn" if error is None and finding.severity == "warn" else "error"
    shown = _text(finding) if error is None else f"not judged: {error}"
    return Failure(finding.fact, severity, finding.rationale, finding.bound, shown, finding.examples, error)


def _short(name: str, rationale: str, threshold: str, observed: str) -> Failure:
    return Failure(name, "error", rationale, threshold, observed, (), None)


def _text(finding: Finding) -> str:
    value = f"{finding.observed:.6g}" if isinstance(finding.observed, float) else str(finding.observed)
    return f"{value} ({', '.join(finding.examples)})" if finding.examples else value
