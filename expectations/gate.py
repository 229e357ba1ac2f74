"""All gates over one candidate: measure, let Great Expectations report, judge, and say so in one outcome per stage.

Belongs here: which stages there are, what each needs at least, and the outcome that becomes a gate record. Does not:
storing records or suspending a region (`strata.governance`), the rules of a stage (its module).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from expectations import (
    control_total,
    demand_forecast,
    demand_history,
    demand_profile,
    feeds,
    hierarchy_conflict,
    intake,
    inventory_policy,
    lead_time_profile,
    reconciliation,
    segment_assignment,
    segment_migration,
)
from expectations.measure import Facts
from expectations.report import Report, batch_definition, broken, report
from expectations.verdict import Outcome, Verdict, judge
from strata.identity import sha256_json
from strata.partition import Partition
from strata.scheme.model import Scheme
from strata.tables import GATE_RESULT

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.core.batch_definition import BatchDefinition


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged: a candidate's tables, and what they are judged against."""

    tables: Mapping[str, pa.Table]
    scheme: Scheme
    partition: Partition
    intake_summary: pd.DataFrame
    feeds: pd.DataFrame
    active_items: pa.Array
    previous_exists: bool

    def table(self, name: str) -> pa.Table:
        """A table of the candidate; LookupError where it was not built."""
        if name not in self.tables:
            raise LookupError(f"table {name} was not built; the stage that writes it must run before the gates")
        return self.tables[name]


@dataclass(frozen=True, slots=True)
class Stage:
    """One gate: the table it is bound to, its suite, its facts, and the least that makes a verdict.

    `min_expectations` is stated here and not counted from the suite, so that a suite that loses a rule fails.
    """

    name: str
    table: str
    suite: Callable[[Case], "ExpectationSuite"]
    measure: Callable[[Case], Facts]
    min_evaluated_rows: Callable[[Case], int]
    min_expectations: Callable[[Case], int]


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """What a gate record holds; the governance store adds its id."""

    gate: str
    scope: str
    region: str
    cycle: str
    run_id: str
    table: str
    content_hash: str
    verdict: Outcome
    evaluated_rows: int
    failed_rows: int
    threshold: str
    observed: str
    details: dict[str, Any]

    def as_record(self) -> dict[str, Any]:
        """Keyword arguments of a gate record."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


STAGES: tuple[Stage, ...] = (
    Stage(
        "feeds", "demand_history",  # the feeds have no table: the verdict binds to what was made from them
        lambda c: feeds.suite(),
        lambda c: feeds.measure(c.feeds),
        lambda c: 1, lambda c: 15,
    ),
    Stage(
        "intake", "demand_history",
        lambda c: intake.suite(c.scheme),
        lambda c: intake.measure(c.intake_summary, scheme=c.scheme, partition=c.partition),
        lambda c: 1, lambda c: 16,
    ),
    Stage(
        "demand_history", "demand_history",
        lambda c: demand_history.suite(c.scheme),
        lambda c: demand_history.measure(c.table("demand_history"), scheme=c.scheme, partition=c.partition),
        lambda c: 1, lambda c: 20,
    ),
    Stage(
        "demand_profile", "demand_profile",
        lambda c: demand_profile.suite(c.scheme),
        lambda c: demand_profile.measure(
            c.table("demand_profile"), scheme=c.scheme, partition=c.partition, active_items=c.active_items
        ),
        lambda c: c.scheme.gates.min_items, lambda c: 26,
    ),
    Stage(
        "segment_assignment", "segment_assignment",
        lambda c: segment_assignment.suite(c.scheme, previous_exists=c.previous_exists),
        lambda c: segment_assignment.measure(
            c.table("segment_assignment"), scheme=c.scheme, partition=c.partition, active_items=c.active_items
        ),
        lambda c: c.scheme.gates.min_items, lambda c: 25 + len(c.scheme.gates.class_share),
    ),
    Stage(
        "demand_forecast", "demand_forecast",
        lambda c: demand_forecast.suite(c.scheme),
        lambda c: demand_forecast.measure(c.table("demand_forecast"), scheme=c.scheme, partition=c.partition),
        lambda c: c.scheme.forecast.horizon_periods, lambda c: 20,
    ),
    Stage(
        "lead_time_profile", "lead_time_profile",
        lambda c: lead_time_profile.suite(c.scheme),
        lambda c: lead_time_profile.measure(
            c.table("lead_time_profile"), policies=c.table("inventory_policy"), scheme=c.scheme, partition=c.partition
        ),
        lambda c: 1, lambda c: 16,  # no purchase orders, no rows: its row count warns, the policies are looked at
    ),
    Stage(
        "inventory_policy", "inventory_policy",
        lambda c: inventory_policy.suite(c.scheme),
        lambda c: inventory_policy.measure(
            c.table("inventory_policy"), forecast=c.table("demand_forecast"),
            assignment=c.table("segment_assignment"), scheme=c.scheme, partition=c.partition,
        ),
        lambda c: 1, lambda c: 32,
    ),
    Stage(
        "segment_migration", "segment_migration",
        lambda c: segment_migration.suite(c.scheme, previous_exists=c.previous_exists),
        lambda c: segment_migration.measure(
            c.table("segment_migration"), assignment=c.table("segment_assignment"), scheme=c.scheme,
            partition=c.partition, previous_exists=c.previous_exists,
        ),
        lambda c: 1, lambda c: 16 if c.previous_exists else 15,
    ),
    Stage(
        "reconciliation", "reconciliation",
        lambda c: reconciliation.suite(c.scheme),
        lambda c: reconciliation.measure(
            c.table("reconciliation"), history=c.table("demand_history"), scheme=c.scheme, partition=c.partition
        ),
        lambda c: 1, lambda c: 19,
    ),
    Stage(
        "control_total", "control_total",
        lambda c: control_total.suite(c.scheme),
        lambda c: control_total.measure(c.table("control_total"), scheme=c.scheme, partition=c.partition),
        lambda c: 1, lambda c: 11,
    ),
    Stage(
        "hierarchy_conflict", "hierarchy_conflict",
        lambda c: hierarchy_conflict.suite(c.scheme),
        lambda c: hierarchy_conflict.measure(c.table("hierarchy_conflict"), scheme=c.scheme, partition=c.partition),
        lambda c: 1, lambda c: 12,
    ),
)  # fmt: skip
REQUIRED_GATES: frozenset[str] = frozenset(stage.name for stage in STAGES)


def run_gates(
    tables: Mapping[str, pa.Table],
    *,
    scheme: Scheme,
    partition: Partition,
    run_id: str,
    content_hashes: Mapping[str, str],
    intake_summary: pd.DataFrame,
    feeds: pd.DataFrame,
    active_items: frozenset[str] | pa.Array,
    previous_exists: bool,
) -> list[GateOutcome]:
    """Judge a candidate by all gates; one gate's failure stops no other.

    Args:
        tables: the candidate's tables by name, conformed; one that is missing suspends its gate.
        scheme: bounds of the cycle's scheme.
        partition: region and cycle.
        run_id: the run that computed the candidate.
        content_hashes: content hash of each of `tables`; the verdicts are bound to them.
        intake_summary: one row per region, as described in `expectations.intake`.
        feeds: one row per feed, as described in `strata.intake.standing`.
        active_items: item numbers that must have a profile and a class.
        previous_exists: a previous cycle's classes were an input of this candidate.

    Returns:
        One outcome per stage, in the order of `STAGES`.

    Raises:
        ValueError: a table was given without its content hash: a verdict that is bound to nothing can be moved.
    """
    if unhashed := sorted({stage.table for stage in STAGES} & set(tables) - set(content_hashes)):
        raise ValueError(f"no content hash for tables {unhashed}: pass tables.TABLES[name].content_hash(table)")
    items = sorted(set(active_items.to_pylist() if isinstance(active_items, pa.Array) else active_items))
    case = Case(tables, scheme, partition, intake_summary, feeds, pa.array(items, type=pa.string()), previous_exists)
    looked_at = {"feeds": feeds, "intake": intake_summary}
    definition = batch_definition()
    outcomes = []
    for stage in STAGES:
        verdict = judged(stage, case, definition)
        details: dict[str, Any] = {"failures": [failure.as_dict() for failure in verdict.failures]}
        if stage.name in looked_at:
            details["summary_sha256"] = _sha256_frame(looked_at[stage.name])
        outcomes.append(
            GateOutcome(
                stage.name, f"region={partition.region}", partition.region, partition.cycle, run_id, stage.table,
                content_hashes.get(stage.table, ""), verdict.verdict, verdict.evaluated_rows, verdict.failed_rows,
                verdict.threshold, verdict.observed, details,
            )
        )  # fmt: skip
    return outcomes


def judged(stage: Stage, case: Case, definition: "BatchDefinition[Any]") -> Verdict:
    """The verdict of one stage. Whatever goes wrong on the way is a finding, and it suspends."""
    rows = case.tables[stage.table].num_rows if stage.table in case.tables else 0
    try:
        results: Report = report(definition, stage.name, stage.suite(case), stage.measure(case))
    except Exception as error:  # noqa: BLE001 - a gate that cannot look must not let pass, whatever the reason
        results = broken(stage.name, rows, f"{type(error).__name__}: {error}")
    least, expectations = stage.min_evaluated_rows(case), stage.min_expectations(case)
    return judge(results, min_evaluated_rows=least, min_expectations=expectations)


def gate_table(records: Iterable[tuple[GateOutcome, str]], *, scheme: Scheme) -> pd.DataFrame:
    """Outcomes and the ids of their records as rows of `gate_result`."""
    rows = [
        {
            **outcome.as_record(),
            "record_id": record_id,
            "valid_for_cycle": outcome.cycle,
            "scheme_version": scheme.version,
        }
        for outcome, record_id in records
    ]
    return pd.DataFrame(rows, columns=GATE_RESULT.names)


def _sha256_frame(frame: pd.DataFrame) -> str:
    return sha256_json(
        frame.astype(object).where(frame.notna(), None).map(lambda v: None if v is None else str(v)).to_dict("records")
    )
