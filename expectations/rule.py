"""A rule over one measured fact, and the suite that Great Expectations runs over a stage's facts.

Belongs here: the shape of a rule and its translation into an expectation. Does not: which rules a stage has (the
module of the stage), how a fact is measured (`expectations.measure`), what a failure means (`expectations.verdict`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from strata.tables import Table

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

Severity = Literal["error", "warn"]
SHAPE_FACT = "facts_measured"


@dataclass(frozen=True, slots=True)
class Rule:
    """Bounds of one fact: between `low` and `high`, both included.

    `held_out` marks a watch over rows that are already kept out of the data: the verdict is then `quarantine`.
    """

    fact: str
    rationale: str
    severity: Severity
    low: float | None = None
    high: float | None = None
    held_out: bool = False

    @property
    def bound(self) -> str:
        """The rule's bound in words, for the gate record."""
        if self.low is not None and self.low == self.high:
            return f"= {self.low:g}"
        if self.low is None:
            return f"<= {self.high:g}"
        return f">= {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


def none_of(fact: str, rationale: str, *, severity: Severity = "error") -> Rule:
    """A count that must be zero: rows that break a rule, groups that do not balance, keys that are missing."""
    return Rule(fact, rationale, severity, low=0, high=0)


def at_least(fact: str, low: float, rationale: str, *, severity: Severity = "error") -> Rule:
    """A number with a lower bound."""
    return Rule(fact, rationale, severity, low=low)


def at_most(fact: str, high: float, rationale: str, *, severity: Severity = "error") -> Rule:
    """A number with an upper bound."""
    return Rule(fact, rationale, severity, high=high)


def within(fact: str, low: float, high: float, rationale: str, *, severity: Severity = "error") -> Rule:
    """A number with both bounds."""
    return Rule(fact, rationale, severity, low=low, high=high)


def held_out(fact: str, rationale: str) -> Rule:
    """A count of rows that are already in quarantine: above zero the rest goes on, and the verdict says so."""
    return Rule(fact, rationale, "warn", low=0, high=0, held_out=True)


def table_rules(table: Table, *, min_rows: int, severity: Severity = "error") -> list[Rule]:
    """Rules that hold for every table of a candidate.

    Args:
        table: its declaration.
        min_rows: fewest rows that are worth a verdict.
        severity: what too few rows mean; `warn` only where a company may honestly have none.
    """
    rules = [
        at_least(
            "rows", min_rows, "An empty table satisfies every other rule, so it must fail this one.", severity=severity
        ),
        none_of("missing_columns", "Readers bind to exactly these columns; a missing one is read as null."),
        none_of("extra_columns", "A column that nobody declared has no meaning, no owner and no rights on it."),
        none_of("mistyped_columns", "A text column where a number was declared makes every comparison below void."),
        none_of("nulls", "A null in a required column is an unknown that a sum would silently read as zero."),
        none_of("duplicate_keys", "A key that stands twice is counted twice by everyone who joins to it."),
        none_of("foreign_rows", "Rows of another region, cycle or scheme would be published under the wrong name."),
    ]
    if any(column.kind == "float" for column in table.columns):
        rules.append(none_of("non_finite", "NaN passes range checks and sorts first; infinity spoils every sum."))
    if table.decided:
        rules.append(none_of("blank_reasons", "Every decision carries its reason, or nobody can contest it."))
        rules.append(
            none_of("suspended_rows", "Suspension is decided at the release; a candidate that says so is a copy.")
        )
    return rules


def build(stage: str, rules: Sequence[Rule]) -> "ExpectationSuite":
    """The rules as a suite over the one-row frame of the stage's facts.

    Raises:
        ValueError: two rules name the same fact; the second verdict would hide the first.
    """
    import great_expectations as gx
    from great_expectations.expectations.core.expect_table_columns_to_match_set import ExpectTableColumnsToMatchSet

    facts = [rule.fact for rule in rules]
    if len(set(facts)) != len(facts):
        raise ValueError(f"suite {stage}: a fact has two rules: {sorted(f for f in facts if facts.count(f) > 1)}")
    shape_meta = {
        "rationale": "A fact without a rule, or a rule without a fact, means that suite and measurement drifted apart.",
        "severity": "error",
        "fact": SHAPE_FACT,
        "bound": f"exactly {len(facts)} facts",
    }
    shape = ExpectTableColumnsToMatchSet(column_set=facts, exact_match=True, meta=shape_meta)
    return gx.ExpectationSuite(name=stage, expectations=[shape, *_expectations(rules)])


def _expectations(rules: Iterable[Rule]) -> list[Any]:
    # Over one row the largest value is the value, at a quarter of the time of a rule on every value.
    from great_expectations.expectations.core.expect_column_max_to_be_between import ExpectColumnMaxToBeBetween

    expectations: list[Any] = []
    for rule in rules:
        meta = {"rationale": rule.rationale, "severity": rule.severity, "fact": rule.fact, "bound": rule.bound}
        if rule.held_out:
            meta["held_out"] = "yes"
        between = ExpectColumnMaxToBeBetween(column=rule.fact, min_value=rule.low, max_value=rule.high, meta=meta)
        expectations.append(between)
    return expectations
