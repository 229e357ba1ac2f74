"""Ways round the gate, each refused by the publisher's own look at store and files (P1), none of them published."""

import dataclasses
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from strata.durable import read_parquet, write_parquet
from strata.governance.plan import plan_release
from strata.governance.publisher import publish
from strata.governance.records import Candidate, GateRecord, RestatementNeedsApproval, TableRef
from strata.governance.releases import current_release
from strata.partition import Partition
from strata.tables import TABLES
from tests.strata.governance import factory
from tests.strata.governance.conftest import Company

pytestmark = pytest.mark.capability("7.6", part="a gate cannot be passed by")
EAST = Partition("EAST", "2017-11")


def other_record(candidate: Candidate, **changes: object) -> GateRecord:
    values = {
        "gate": "policy.bounds", "scope": "region=EAST", "region": "EAST", "cycle": "2017-11",
        "run_id": candidate.run_id, "table": "inventory_policy", "verdict": "pass",
        "content_hash": candidate.tables["inventory_policy"].content_hash,
        "evaluated_rows": 3, "failed_rows": 0, "threshold": "9", "observed": "0.7", "details": {},
    }  # fmt: skip
    return GateRecord.of(**{**values, **changes})  # type: ignore[arg-type]


def with_records(company: Company, candidate: Candidate, *records: GateRecord) -> Candidate:
    company.store.add_gate_records(records)
    return dataclasses.replace(candidate, gate_record_ids=(*candidate.gate_record_ids, *(r.record_id for r in records)))


def no_record(company: Company, candidate: Candidate) -> Candidate:
    return dataclasses.replace(candidate, gate_record_ids=())


def invented_record(company: Company, candidate: Candidate) -> Candidate:
    return dataclasses.replace(candidate, gate_record_ids=(*candidate.gate_record_ids, "f" * 64))


def record_of_another_run(company: Company, candidate: Candidate) -> Candidate:
    return dataclasses.replace(candidate, run_id="another-run")


def without_required_gate(company: Company, candidate: Candidate) -> Candidate:
    kept = [r for r in company.store.gate_records(run_id=candidate.run_id) if r.gate != "policy.bounds"]
    return dataclasses.replace(candidate, gate_record_ids=tuple(record.record_id for record in kept))


def record_of_other_content(company: Company, candidate: Candidate) -> Candidate:
    return with_records(company, candidate, other_record(candidate, content_hash="0" * 64))


def nothing_evaluated(company: Company, candidate: Candidate) -> Candidate:
    return with_records(company, candidate, other_record(candidate, evaluated_rows=0))


def record_of_no_table(company: Company, candidate: Candidate) -> Candidate:
    return with_records(company, candidate, other_record(candidate, table="demand"))


def verdict_of_pointer_only(company: Company, candidate: Candidate) -> Candidate:
    return with_records(company, candidate, other_record(candidate, verdict="suspend"))


def bad_record_left_out(company: Company, candidate: Candidate) -> Candidate:
    company.store.add_gate_records([other_record(candidate, verdict="suspend")])
    return candidate


def record_changed_in_the_store(company: Company, candidate: Candidate) -> Candidate:
    connection = sqlite3.connect(company.home.root / "governance.db")
    connection.execute("UPDATE gate_record SET failed_rows = 0, evaluated_rows = 99 WHERE gate = 'policy.bounds'")
    connection.commit()
    connection.close()
    return candidate


def file_changed_after_the_gate(company: Company, candidate: Candidate) -> Candidate:
    other = factory.rows_of(TABLES["inventory_policy"], EAST, 3, 99)
    path = company.home.root / candidate.tables["inventory_policy"].path
    write_parquet(path, other)
    return candidate


def unjudged_file_changed(company: Company, candidate: Candidate) -> Candidate:
    path = company.home.root / candidate.tables["demand_forecast"].path
    write_parquet(path, factory.rows_of(TABLES["demand_forecast"], EAST, 3, 99))
    return candidate


def file_gone(company: Company, candidate: Candidate) -> Candidate:
    (company.home.root / candidate.tables["demand_forecast"].path).unlink()
    return candidate


def table_left_out(company: Company, candidate: Candidate) -> Candidate:
    tables = {name: ref for name, ref in candidate.tables.items() if name != "reconciliation"}
    return dataclasses.replace(candidate, tables=tables)


def file_outside_the_lake(company: Company, candidate: Candidate) -> Candidate:
    ref = candidate.tables["inventory_policy"]
    outside = company.home.root / "elsewhere.parquet"
    write_parquet(outside, read_parquet(company.home.root / ref.path))
    moved = TableRef(ref.name, "lake/../elsewhere.parquet", ref.rows, ref.content_hash)
    return dataclasses.replace(candidate, tables={**candidate.tables, ref.name: moved})


def rows_of_another_region(company: Company, candidate: Candidate) -> Candidate:
    rows = factory.rows_of(TABLES["demand_profile"], Partition("WEST", "2017-11"), 3, 1)
    path = company.home.root / candidate.tables["demand_profile"].path
    write_parquet(path, rows)
    ref = TableRef(
        "demand_profile", candidate.tables["demand_profile"].path, 3, TABLES["demand_profile"].content_hash(rows)
    )
    return dataclasses.replace(candidate, tables={**candidate.tables, "demand_profile": ref})


def unapproved_scheme(company: Company, candidate: Candidate) -> Candidate:
    return dataclasses.replace(candidate, scheme_sha256="a" * 64)


def edited_scheme(company: Company, candidate: Candidate) -> Candidate:
    path = company.home.config / "schemes" / "2017.1.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("A: 0.80", "A: 0.70"), encoding="utf-8")
    return candidate


def results_that_differ_from_the_store(company: Company, candidate: Candidate) -> Candidate:
    records = [other_record(candidate, observed="1.0"), other_record(candidate, gate="assignment.coverage")]
    rows = factory.gate_results(records)
    write_parquet(company.home.root / candidate.tables["gate_result"].path, rows)
    ref = TableRef(
        "gate_result", candidate.tables["gate_result"].path, rows.num_rows, TABLES["gate_result"].content_hash(rows)
    )
    return dataclasses.replace(candidate, tables={**candidate.tables, "gate_result": ref})


BYPASSES: dict[Callable[[Company, Candidate], Candidate], str] = {
    no_record: "required gates .* have no record",
    invented_record: "is not in the store",
    record_of_another_run: "is not in the store",
    without_required_gate: r"required gates \['policy.bounds'\] have no record",
    record_of_other_content: "judged another content",
    nothing_evaluated: "evaluated no rows",
    record_of_no_table: "which the candidate does not have",
    verdict_of_pointer_only: "verdict is suspend",
    bad_record_left_out: "its record was left out",
    record_changed_in_the_store: "its record was changed in the store",
    file_changed_after_the_gate: "changed after it was judged",
    unjudged_file_changed: "changed after it was judged",
    file_gone: "cannot be read",
    table_left_out: "table reconciliation is missing",
    file_outside_the_lake: "is not in the lake",
    rows_of_another_region: "column region must be EAST",
    unapproved_scheme: "is not approved",
    edited_scheme: "superseded, not edited",
    results_that_differ_from_the_store: "the store has no such record",
}


@pytest.mark.parametrize("bypass", BYPASSES, ids=lambda bypass: bypass.__name__)
def test_refused(bypass: Callable[[Company, Candidate], Candidate], running: Company) -> None:
    current = current_release(running.home)
    made = factory.make_candidate(running.store, running.home, "EAST", "2017-11", version=2)
    running.store.point_candidate(bypass(running, made), 0)
    result = running.publish("2017-11")
    assert result.outcome == "refused"
    assert any(re.search(BYPASSES[bypass], reason) for reason in result.reasons), result.reasons
    assert current_release(running.home) == current
    assert [path.name for path in running.home.releases.iterdir() if path.is_dir()] == [current]
    assert running.store.ledger_entries()[-1].action == "publish.refused"
    assert [alert.kind for alert in running.store.alerts("pending")] == ["publish.refused"]


def test_a_home_of_profile_company_publishes_nothing_unapproved(tmp_path: Path) -> None:
    home, store = factory.make_home(tmp_path / "home", profile="company")
    result = factory.everything(store, home, "2017-10")
    assert result.outcome == "refused"
    assert all("is not approved" in reason for reason in result.reasons)
    assert current_release(home) is None


def test_without_required_gates_nothing_is_published(running: Company) -> None:
    running.point("EAST", "2017-11", version=2)
    plan = plan_release(running.store, running.home, "2017-11", None)
    result = publish(
        running.store, running.home, plan, factory.make_marts(running.home, "2017-11"), run_id="r", actor="tester",
        reason="test", required_gates=frozenset(),
    )  # fmt: skip
    assert result.outcome == "refused"


def test_a_published_file_that_rotted_is_not_carried_on(running: Company) -> None:
    current = current_release(running.home)
    path = running.home.release(current) / "inventory_policy.parquet"  # type: ignore[arg-type]
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    running.point("EAST", "2017-11", version=2)
    result = running.publish("2017-11")
    assert result.outcome == "refused"
    assert "is damaged" in result.reasons[0]


def test_an_edited_manifest_of_the_current_release_is_not_built_upon(running: Company) -> None:
    path = running.home.release(current_release(running.home) or "") / "manifest.json"
    path.chmod(0o644)
    path.write_text(path.read_text(encoding="utf-8").replace('"code-1"', '"code-2"'), encoding="utf-8")
    running.point("EAST", "2017-11", version=2)
    result = running.publish("2017-11")
    assert result.outcome == "refused"
    assert "its manifest is not the one in the ledger" in result.reasons[0]


def test_a_restatement_needs_approval(running: Company) -> None:
    made = factory.make_candidate(running.store, running.home, "EAST", "2017-11", version=2, as_known="now")
    restated = running.store.point_candidate(made, 0)
    assert running.store.candidate(EAST) is None
    assert running.store.restatement(EAST) == restated
    with pytest.raises(RestatementNeedsApproval):
        plan_release(running.store, running.home, "2017-11", None, as_known="now")
    plan = plan_release(running.store, running.home, "2017-11", None)
    forged = dataclasses.replace(plan.regions[0], kind="candidate", why="passed", candidate=restated, is_new=True)
    plan = dataclasses.replace(plan, regions=(forged, *plan.regions[1:]))
    with pytest.raises(RestatementNeedsApproval):
        publish(
            running.store, running.home, plan, factory.make_marts(running.home, "2017-11"), run_id="r", actor="tester",
            reason="test", required_gates=factory.REQUIRED,
        )  # fmt: skip
