"""All gates over a candidate: one outcome per stage, bound to content, failing closed, and fast."""

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from expectations import gate, intake
from expectations.gate import REQUIRED_GATES, Case, GateOutcome, gate_table, run_gates
from strata.governance.records import PASSING, GateRecord
from strata.tables import GATE_RESULT, TABLES
from tests.expectations import company
from tests.expectations.spoil import case, every, summary, with_table

HASHES = {name: f"{place:064d}" for place, name in enumerate(sorted(TABLES))}


def _run(valid: Case, **changes: Any) -> dict[str, GateOutcome]:
    arguments: dict[str, Any] = {
        "scheme": valid.scheme,
        "partition": valid.partition,
        "run_id": "run-1",
        "content_hashes": HASHES,
        "intake_summary": valid.intake_summary,
        "feeds": valid.feeds,
        "active_items": frozenset(valid.active_items.to_pylist()),
        "previous_exists": valid.previous_exists,
        **changes,
    }
    outcomes = run_gates(valid.tables, **arguments)
    assert {outcome.gate for outcome in outcomes} == REQUIRED_GATES
    assert len(outcomes) == len(REQUIRED_GATES)
    return {outcome.gate: outcome for outcome in outcomes}


@pytest.mark.capability("7.6", part="thresholds per stage, each seen to fail: warn, quarantine, suspend")
def test_a_valid_candidate_passes_all_gates_bound_to_its_content(definition: Any) -> None:
    outcomes = _run(case())
    assert {outcome.verdict for outcome in outcomes.values()} == {"pass"}
    for name, outcome in outcomes.items():
        assert outcome.content_hash == HASHES[outcome.table]
        assert (outcome.scope, outcome.region, outcome.cycle, outcome.run_id) == (
            "region=EMEA",
            "EMEA",
            "2026-07",
            "run-1",
        )
        assert outcome.table == ("demand_history" if name in ("feeds", "intake") else name)


def test_outcomes_have_exactly_the_fields_of_gate_records(definition: Any) -> None:
    assert {field.name for field in fields(GateRecord)} - {"record_id"} == {field.name for field in fields(GateOutcome)}
    records = [GateRecord.of(**outcome.as_record()) for outcome in _run(case()).values()]
    assert len({record.record_id for record in records}) == len(REQUIRED_GATES)


def test_verdicts_that_go_on_are_those_that_governance_lets_pass() -> None:
    from expectations.verdict import GOES_ON

    assert GOES_ON == PASSING


def test_outcomes_become_rows_of_gate_result(definition: Any) -> None:
    outcomes = list(_run(case()).values())
    table = GATE_RESULT.conform(
        gate_table([(outcome, f"id-{outcome.gate}") for outcome in outcomes], scheme=company.scheme())
    )
    assert table.num_rows == len(REQUIRED_GATES)
    assert set(table["verdict"].to_pylist()) == {"pass"}
    assert set(table["scheme_version"].to_pylist()) == {"2017.1"}


@pytest.mark.capability("7.6", part="thresholds per stage, each seen to fail: warn, quarantine, suspend")
def test_all_failing_gates_are_reported_not_only_the_first(definition: Any) -> None:
    spoiled = every("demand_profile", "confidence", 2.0)(every("demand_history", "order_lines", -1)(case()))
    outcomes = _run(spoiled)
    failing = {name for name, outcome in outcomes.items() if outcome.verdict == "suspend"}
    assert failing == {"demand_history", "demand_profile", "reconciliation"}
    failure = outcomes["demand_profile"].details["failures"][0]
    assert failure["expectation"] == "confidence_outside_0_1"
    assert failure["examples"] == [
        f"{sku}|{place}|EMEA|2026-07"
        for sku, place in (("00001", "*"), ("00001", "DC1"), ("00001", "DC2"), ("00002", "*"), ("00002", "DC1"))
    ]
    assert outcomes["demand_profile"].failed_rows == 36
    GateRecord.of(**outcomes["demand_profile"].as_record())


@pytest.mark.capability("7.6", part="thresholds per stage, each seen to fail: warn, quarantine, suspend")
def test_a_region_without_any_demand_is_suspended(definition: Any) -> None:
    empty = case()
    for name in ("demand_history", "demand_profile", "segment_assignment", "demand_forecast", "inventory_policy"):
        empty = with_table(empty, name, TABLES[name].empty())
    outcomes = _run(empty)
    for name in ("demand_history", "demand_profile", "segment_assignment", "demand_forecast", "inventory_policy"):
        assert outcomes[name].verdict == "suspend", name
        assert outcomes[name].evaluated_rows == 0


@pytest.mark.capability("7.6", part="thresholds per stage, each seen to fail: warn, quarantine, suspend")
@pytest.mark.parametrize("name", sorted(set(company.tables()) - {"lead_time_profile"}))
def test_a_table_of_nulls_is_suspended(name: str, definition: Any) -> None:
    valid = case()
    rows = valid.tables[name]
    nulls = pa.table({field.name: pa.nulls(rows.num_rows, field.type) for field in rows.schema})
    assert _judged(name, with_table(valid, name, nulls), definition) == "suspend"


def test_a_company_without_purchase_orders_is_warned_not_suspended(definition: Any) -> None:
    """What was looked at are the policies then: evidence without a row would be no evidence to the publisher."""
    empty = with_table(case(), "lead_time_profile", TABLES["lead_time_profile"].empty())
    planned = every("inventory_policy", "lead_time_level", "planned")(empty)
    assert _judged("lead_time_profile", planned, definition) == "warn"
    assert _run(planned)["lead_time_profile"].evaluated_rows == planned.tables["inventory_policy"].num_rows > 0
    assert _judged("lead_time_profile", empty, definition) == "suspend"  # they claim lanes that nobody measured


def test_a_region_that_stocks_nothing_is_warned_and_never_passes(definition: Any) -> None:
    """A company without lead times still gets classes and forecasts, but no sizing rule looked at anything."""
    bare = every("inventory_policy", "policy_type", "none")(case())
    for level in ("order_up_to_units", "order_quantity_units"):
        bare = every("inventory_policy", level, None)(bare)
    assert _judged("inventory_policy", bare, definition) == "warn"


def test_a_missing_table_suspends_its_gates_and_says_what_to_run(definition: Any) -> None:
    valid = case()
    tables = {name: table for name, table in valid.tables.items() if name != "demand_forecast"}
    outcomes = _run(replace(valid, tables=tables))
    suspended = {name for name, outcome in outcomes.items() if outcome.verdict == "suspend"}
    assert suspended == {"demand_forecast", "inventory_policy"}
    assert "table demand_forecast was not built" in outcomes["inventory_policy"].observed


def test_an_exception_while_measuring_suspends(definition: Any) -> None:
    def fall(_: Case) -> Any:
        raise RuntimeError("disk on fire")

    stage = replace(gate.STAGES[1], measure=fall)
    verdict = gate.judged(stage, case(), definition)
    assert verdict.verdict == "suspend"
    assert "RuntimeError: disk on fire" in verdict.observed


def test_a_suite_that_lost_a_rule_suspends(definition: Any) -> None:
    from expectations.rule import at_least, build

    stage = replace(
        gate.STAGES[1], suite=lambda case: build("demand_history", [at_least("rows", 1, "Rows are needed.")])
    )
    assert gate.judged(stage, case(), definition).verdict == "suspend"


def test_a_table_without_its_content_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="no content hash for tables"):
        _run(case(), content_hashes={})


def test_the_intake_of_a_region_that_is_not_listed_suspends(definition: Any) -> None:
    outcomes = _run(case(), intake_summary=pd.DataFrame({name: [] for name in case().intake_summary.columns}))
    assert outcomes["intake"].verdict == "suspend"


@pytest.mark.parametrize("column", [*intake.COUNTS, "days_since_last_extract_erp_items"])
def test_an_intake_count_that_is_unknown_suspends(column: str, definition: Any) -> None:
    assert _judged("intake", summary(column, None)(case()), definition) == "suspend"


def test_importing_the_gates_does_not_import_great_expectations_and_running_writes_nothing(tmp_path: Path) -> None:
    """In a process of its own: a home that is not ours, an empty working folder, and no network."""
    root = Path(__file__).resolve().parents[2]
    program = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('network')\n"
        "socket.getaddrinfo = refuse; socket.socket.connect = refuse\n"
        "from tests.expectations.test_gate import _run\n"
        "from tests.expectations.spoil import case\n"
        "import expectations.gate\n"
        "assert not [name for name in sys.modules if name.startswith('great_expectations')]\n"
        "assert {o.verdict for o in _run(case()).values()} == {'pass'}\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(root), "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def _judged(name: str, spoiled: Case, definition: Any) -> str:
    stage = next(stage for stage in gate.STAGES if stage.name == name)
    return gate.judged(stage, spoiled, definition).verdict
