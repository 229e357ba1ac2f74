"""The log of promised refreshes, worked out by hand, and what is told of it: each miss once, however often looked."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from strata.intake.contract import Contract
from strata.intake.promises import Arrival, Promise, log, notices, promises, rows
from strata.intake.terms import Escalation
from strata.tables import FEED_SLA
from tests.strata.intake.drops import CONTRACTS

START = datetime(2026, 3, 1, 2, tzinfo=UTC)
KEY = ("erp", "goods_receipts")
TERMS = {
    "steps": [{"after_hours": 4, "tell": "on-call"}, {"after_hours": 20, "tell": "head"}],
    "attainment_days": 3,
    "expiry_notice_days": 60,
    "rationale": "numbers that can be worked out on paper",
}
CONTRACT: Contract = CONTRACTS[KEY].model_copy(
    update={"refresh_sla_hours": 30, "escalation": Escalation.model_validate(TERMS)}
)


def arrivals(*hours: float) -> list[Arrival]:
    return [Arrival(*KEY, START + timedelta(hours=hour), f"x{hour}") for hour in hours]


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


@pytest.mark.capability("2.8", part="every promised refresh is logged as kept, missed, overdue or open")
def test_the_log_is_the_one_worked_out_by_hand() -> None:
    # Promised after 30 h: at 24 kept, at 59 (30 + 24 = 54) missed by 5, then 83 kept; due at 113, looked at 120.
    found = promises(arrivals(59, 0, 24, 83, 500), CONTRACT, at(120))
    assert [(one.number, one.verdict, one.late_hours) for one in found] == [
        (1, "kept", 0.0),
        (2, "missed", 5.0),
        (3, "kept", 0.0),
        (4, "overdue", 7.0),
    ]
    assert found[1].due_at == at(54) and found[1].arrived_at == at(59) and found[1].extract_id == "x59"
    # Three days before 113 h is 41 h: the promise due at 30 h has left the window, those of 54, 89 and 113 are in it.
    assert [one.due for one in found] == [1, 2, 3, 3]
    assert [one.attainment for one in found] == pytest.approx([1.0, 1 / 2, 2 / 3, 1 / 3])
    assert promises(arrivals(59, 0, 24, 83), CONTRACT, at(113))[-1].verdict == "open"
    assert promises([], CONTRACT, at(0)) == [Promise(*KEY, 0)]


@given(hours=st.lists(st.integers(0, 300), max_size=12), seed=st.randoms(), look=st.integers(0, 300))
def test_neither_order_nor_repeats_change_the_log_and_what_is_closed_stays(
    hours: list[int], seed: random.Random, look: int
) -> None:
    whole = promises(arrivals(*hours), CONTRACT, at(400))
    shuffled = [*hours, *hours[:3]]
    seed.shuffle(shuffled)
    assert promises(arrivals(*shuffled), CONTRACT, at(400)) == whole
    early = promises(arrivals(*hours), CONTRACT, at(look))
    closed = [one for one in early if one.verdict in ("kept", "missed")]
    assert closed == whole[: len(closed)]
    for one in whole:
        assert one.late_hours is None or (one.late_hours == 0) == (one.verdict == "kept")
        assert one.attainment is None or 0 <= one.attainment <= 1


@pytest.mark.capability("2.8", part="a miss and an ending grant are told exactly once per feed and promise")
@given(hours=st.sets(st.integers(0, 300), min_size=1, max_size=10), looks=st.lists(st.integers(0, 400), max_size=8))
def test_each_miss_has_one_alert_however_often_one_looks(hours: set[int], looks: list[int]) -> None:
    outbox: dict[str, str] = {}
    last = at(0)
    for look in sorted({*looks, 400}):
        logged = log(arrivals(*hours), {KEY: CONTRACT}, at(look))
        for kind, key, payload in notices(logged, {KEY: CONTRACT}, since=last, as_of=at(look)):
            assert payload["owner"] == "logistics" and payload["steward"] == "goods-in"
            assert [step["tell"] for step in payload["escalation"]] == ["on-call", "head"] and payload["advice"]
            outbox.setdefault(key, kind)
        last = at(look)
    late = [one for one in promises(arrivals(*hours), CONTRACT, at(400)) if one.late_hours]
    assert list(outbox.values()).count("refresh_missed") == len(late)
    steps = {
        (one.due_at, after)
        for one in late
        for after in (4, 20)
        for look in {*looks, 400}
        if one.due_at and at(look) >= one.due_at + timedelta(hours=after) and (one.arrived_at or at(401)) > at(look)
    }
    assert list(outbox.values()).count("refresh_escalated") == len(steps)


def test_history_that_was_put_right_before_the_last_look_is_not_told() -> None:
    logged = log(arrivals(0, 100, 120), {KEY: CONTRACT}, at(140))
    assert list(notices(logged, {KEY: CONTRACT}, since=at(110), as_of=at(140))) == []
    (told,) = notices(logged, {KEY: CONTRACT}, since=at(90), as_of=at(140))
    assert told[0] == "refresh_missed" and told[2]["late_hours"] == 70


@pytest.mark.parametrize(
    ("days", "kinds", "state"),
    [
        (61, [], "valid"),
        (60, ["grant_ending"], "ending"),
        (0, ["grant_ending"], "ending"),
        (-1, ["grant_ended"], "ended"),
    ],
)
def test_a_grant_is_told_of_from_its_notice_on(days: int, kinds: list[str], state: str) -> None:
    as_of = at(10)
    contract = CONTRACT.model_copy(update={"expiry": as_of.date() + timedelta(days=days)})
    logged = log(arrivals(0), {KEY: contract}, as_of)
    told = list(notices(logged, {KEY: contract}, since=at(0), as_of=as_of))
    assert [kind for kind, _, _ in told] == kinds
    assert all(payload["grantor"] == "head-of-logistics" and payload["days"] == days for _, _, payload in told)
    (row,) = rows(logged, {KEY: contract}, as_of)
    assert (row["grant_state"], row["days_to_expiry"]) == (state, days)


def test_rows_are_those_of_one_window_and_overdue_ones_stay() -> None:
    logged = log(arrivals(0, 24, 48, 200), {KEY: CONTRACT}, at(400))
    made = rows(logged, {KEY: CONTRACT}, at(400))
    assert [(row["promise"], row["verdict"], row["escalated_to"]) for row in made] == [(4, "overdue", "head")]
    assert set(made[0]) == {*FEED_SLA.names} - {"valid_for_cycle", "scheme_version"}


@pytest.mark.capability("2.8", part="every contract says who is told after how long")
def test_every_shipped_contract_escalates() -> None:
    for contract in CONTRACTS.values():
        terms = contract.escalation
        assert terms.steps[-1].tell not in (contract.owner, contract.steward)
        assert terms.attainment_days * 24 >= 4 * contract.refresh_sla_hours, "a rolling share of few promises"


@pytest.mark.parametrize(
    "broken",
    [
        {"steps": []},
        {"steps": [{"after_hours": 4, "tell": "one"}, {"after_hours": 4, "tell": "two"}]},
        {"expiry_notice_days": 0},
        {"rationale": "tbd"},
    ],
)
def test_terms_that_say_nothing_are_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Escalation.model_validate(TERMS | broken)
