"""What the store remembers, and what was known of it at a cut-off."""

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata.governance.alerts import MAX_ATTEMPTS, FileSink
from strata.governance.exceptions import standing
from strata.governance.records import (
    Alert,
    Candidate,
    GateRecord,
    GovernanceError,
    Override,
    PreviousSource,
    StaleCandidateError,
    timestamp,
    worst_verdict,
)
from strata.partition import Partition
from tests.strata.governance import factory
from tests.strata.governance.conftest import Company

EAST = Partition("EAST", "2017-10")
JUDGED = {
    "gate": "g", "scope": "region=EAST", "region": "EAST", "cycle": "2017-10", "table": "inventory_policy",
    "content_hash": "0" * 64, "verdict": "pass", "evaluated_rows": 1, "failed_rows": 0, "threshold": None,
    "observed": None, "details": {"keys": ["S1"]},
}  # fmt: skip


def test_equal_content_judged_equally_has_one_id_in_every_run(company: Company) -> None:
    first = company.store.record_gate(run_id="run-1", **JUDGED)
    again = company.store.record_gate(run_id="run-1", **JUDGED)
    other = company.store.record_gate(run_id="run-2", **JUDGED)
    assert first == again
    assert first.record_id == other.record_id
    assert company.store.gate_records(run_id="run-1") == [first]
    assert company.store.gate_records(partition=EAST) == [first, other]
    assert company.store.gate_records(run_id="run-1", partition=EAST.previous()) == []


@given(field=st.sampled_from(sorted(JUDGED)))
def test_every_judged_field_is_in_the_id(field: str) -> None:
    other = {
        "verdict": "warn",
        "region": "WEST",
        "cycle": "2017-11",
        "evaluated_rows": 2,
        "failed_rows": 2,
        "details": {},
    }
    changed = {**JUDGED, field: other.get(field, "another")}
    assert GateRecord.of(run_id="r", **JUDGED).record_id != GateRecord.of(run_id="r", **changed).record_id


def test_no_verdict_is_the_worst_verdict(company: Company) -> None:
    made = [GateRecord.of(run_id="r", **{**JUDGED, "verdict": verdict}) for verdict in ("pass", "quarantine", "warn")]
    assert worst_verdict([]) == "suspend"
    assert worst_verdict(made) == "quarantine"
    with pytest.raises(ValueError, match="verdict 'fine'"):
        company.store.record_gate(run_id="r", **{**JUDGED, "verdict": "fine"})


def test_the_pointer_moves_by_compare_and_swap(company: Company) -> None:
    previous = PreviousSource("release", "2017-09-g0001-00000000", "1" * 64)
    first = factory.make_candidate(company.store, company.home, "EAST", "2017-10", previous=previous)
    assert company.store.candidate(EAST) is None
    pointed = company.store.point_candidate(first, 0)
    assert pointed == dataclasses.replace(first, generation=1, gate_record_ids=tuple(sorted(first.gate_record_ids)))
    assert company.store.candidate(EAST) == pointed
    assert company.store.point_candidate(first, 0) == pointed, "a retry changes nothing"
    second = factory.make_candidate(company.store, company.home, "EAST", "2017-10", version=2)
    with pytest.raises(StaleCandidateError, match="stands at generation 1, not 0"):
        company.store.point_candidate(second, 0)
    assert company.store.point_candidate(second, 1).generation == 2
    with pytest.raises(ValueError, match="generation is given by the store"):
        company.store.point_candidate(pointed, 2)
    moves = [entry.after["run_id"] for entry in company.store.ledger_entries() if entry.action == "candidate.pointed"]
    assert moves == [first.run_id, second.run_id]


def test_a_restatement_never_replaces_the_candidate_of_the_cut_off(company: Company) -> None:
    cutoff = company.point("EAST", "2017-10", version=1)
    made = factory.make_candidate(company.store, company.home, "EAST", "2017-10", version=2, as_known="now")
    restated = company.store.point_candidate(made, 0)
    assert (company.store.candidate(EAST), company.store.restatement(EAST)) == (cutoff, restated)
    assert Candidate.from_json(restated.as_json(), 1) == restated


def test_a_region_has_one_open_suspension_and_may_be_suspended_again(company: Company) -> None:
    store = company.store
    first = store.suspend("EAST", "2017-10", "policy.bounds", "r1", run_id="run-1")
    assert store.suspend("EAST", "2017-11", "another", "r2", run_id="run-2") == first
    assert store.open_suspensions() == [first]
    closed = store.resume(first.suspension_id, "2017-12", reason="feed repaired", actor="steward")
    assert (closed.resumed_cycle, store.open_suspensions()) == ("2017-12", [])
    assert store.resume(first.suspension_id, "2018-01", reason="again", actor="steward") == closed
    second = store.suspend("EAST", "2017-10", "policy.bounds", "r1", run_id="run-1")
    assert second.suspension_id != first.suspension_id
    assert {alert.key for alert in store.alerts("pending")} == {
        f"suspension:{s.suspension_id}" for s in (first, second)
    }
    actions = [entry.action for entry in store.ledger_entries() if entry.action.startswith("suspension")]
    assert actions == ["suspension.opened", "suspension.closed", "suspension.opened"]
    with pytest.raises(GovernanceError, match="not known"):
        store.resume("nothing", "2017-12", reason="x", actor="steward")


def add(company: Company, known_from: datetime, **changes: object) -> Override:
    values = {
        "region": "EAST", "sku_id": "S1", "location_id": "*", "value_class": "A", "variability_class": None,
        "start_cycle": "2017-10", "end_cycle": "2017-12", "reason": "launch", "owner": "anna", "approved_by": "ben",
        "known_from": known_from,
    }  # fmt: skip
    return company.store.add_override(**{**values, **changes})


@pytest.mark.capability("7.3", part="overrides judged at the cut-off, in the ledger, approved by another person")
def test_overrides_are_judged_at_the_cut_off(company: Company) -> None:
    known, cutoff = datetime(2017, 10, 2, tzinfo=UTC), datetime(2017, 11, 3, 6, tzinfo=UTC)
    override = add(company, known)
    assert add(company, known) == override, "the same one again changes nothing"
    late = add(company, datetime(2017, 11, 3, 6, 0, 1, tzinfo=UTC), sku_id="S2")
    at = datetime(2017, 11, 3, 6, tzinfo=UTC)
    same_instant = add(company, at, sku_id="S3")
    ended = add(company, known, sku_id="S4", end_cycle="2017-10")
    not_yet = add(company, known, sku_id="S5", start_cycle="2017-12")
    elsewhere = add(company, known, sku_id="S6", region="WEST")
    november = Partition("EAST", "2017-11")
    assert company.store.overrides_in_force(november, cutoff) == [override, same_instant]
    assert {o.override_id for o in (late, ended, not_yet, elsewhere)} <= {
        o.override_id for o in company.store.overrides()
    }
    revoked = company.store.revoke_override(
        override.override_id, datetime(2017, 11, 20, tzinfo=UTC), reason="over", actor="anna"
    )
    assert company.store.overrides_in_force(november, cutoff) == [revoked, same_instant], "not revoked then"
    december = datetime(2017, 12, 3, tzinfo=UTC)
    stood = {
        at: {one.sku_id: standing(one, "2017-11", at) for one in company.store.overrides_known(november, at)}
        for at in (cutoff, december)
    }
    assert stood[cutoff] == {"S1": "in_force", "S3": "in_force", "S4": "expired", "S5": "scheduled"}
    assert stood[december] == stood[cutoff] | {"S1": "revoked", "S2": "in_force"}
    assert override.override_id not in {o.override_id for o in company.store.overrides_in_force(november, december)}
    with pytest.raises(GovernanceError, match="was revoked"):
        add(company, known)
    entry = company.store.ledger_entries()[-1]
    assert (entry.action, entry.body["before_values"]["revoked_at"], entry.body["reason"]) == (
        "override.revoked",
        None,
        "over",
    )


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"value_class": None}, "set value_class"),
        ({"value_class": "D"}, "is one of"),
        ({"reason": " "}, "reason, owner and approved_by"),
        ({"end_cycle": "2017-09"}, "before it starts"),
    ],
)
def test_an_incomplete_override_is_refused(company: Company, changes: dict[str, object], fault: str) -> None:
    with pytest.raises(GovernanceError, match=fault):
        add(company, datetime(2017, 10, 2, tzinfo=UTC), **changes)
    assert company.store.overrides() == []


@pytest.mark.capability("7.3", part="overrides judged at the cut-off, in the ledger, approved by another person")
def test_in_a_company_home_nobody_approves_their_own_override(tmp_path: Path) -> None:
    home, store = factory.make_home(tmp_path / "home", profile="company")
    with pytest.raises(GovernanceError, match="cannot approve an override of their own"):
        add(Company(home, store), datetime(2017, 10, 2, tzinfo=UTC), approved_by="anna")
    with pytest.raises(ValueError, match="no offset"):
        add(Company(home, store), datetime(2017, 10, 2))


def test_an_alert_is_queued_once_and_delivered_to_the_file(company: Company) -> None:
    store = company.store
    assert store.enqueue_alert("test", "key-1", {"region": "ÉAST"})
    assert not store.enqueue_alert("test", "key-1", {"other": True})
    assert store.deliver_alerts(FileSink(company.home)).delivered == 1
    assert store.deliver_alerts(FileSink(company.home)).delivered == 0
    lines = (company.home.root / "alerts" / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["payload"] for line in lines] == [{"region": "ÉAST"}]


def test_an_alert_whose_sink_is_down_is_kept_retried_and_in_the_end_dead(company: Company) -> None:
    def down(alert: Alert) -> None:
        if alert.key == "bad":
            raise ConnectionError("sink is down")

    store = company.store
    store.enqueue_alert("test", "bad", {})
    store.enqueue_alert("test", "good", {})
    first = store.deliver_alerts(down)
    assert (first.delivered, first.failed, first.dead) == (1, 1, 0)
    for _ in range(MAX_ATTEMPTS - 2):
        assert store.deliver_alerts(down).failed == 1
    assert store.deliver_alerts(down).dead == 1
    assert store.deliver_alerts(down) == type(first)(0, 0, 0)
    assert [
        (alert.key, alert.attempts, "sink is down" in (alert.last_error or "")) for alert in store.alerts("dead")
    ] == [("bad", MAX_ATTEMPTS, True)]


@given(first=st.datetimes(timezones=st.just(UTC)), second=st.datetimes(timezones=st.just(UTC)))
def test_the_text_order_of_times_is_their_order(first: datetime, second: datetime) -> None:
    assert (timestamp(first) < timestamp(second)) == (first < second)
