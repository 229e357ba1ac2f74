"""Whether feeds refreshed as often as their contracts promise, how late they were, and when their grants end.

An extract promises the next one within the contract's `refresh_sla_hours`. Extracts count by when their source took
them; one refused whole is none, one held for missing changes is one.

Belongs here: the log of promises at one instant, and what of it somebody must be told. Does not: the outbox and its
clock (`orchestration.promises`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from strata.intake.contract import Contract

Feed = tuple[str, str]
Notice = tuple[str, str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Arrival:
    """An extract that came: its feed, when its source took it, its name."""

    system: str
    feed: str
    extracted_at: datetime
    extract_id: str


@dataclass(frozen=True, slots=True)
class Promise:
    """One promised refresh of a feed, as it stands at an instant; columns of `feed_sla`.

    Attributes:
        number: 1 for the promise that the first extract makes; 0 where none came.
        made_at, due_at: when the extract that makes it was taken, when the next one was due; null for number 0.
        arrived_at, extract_id: of the next one, null where it has not come.
        verdict: kept, missed, overdue, open or none.
        late_hours: after `due_at`, 0 where kept, null where the promise is open.
        due, attainment: promises due in the window that ends with this one, and the share of them kept.
    """

    system: str
    feed: str
    number: int
    made_at: datetime | None = None
    due_at: datetime | None = None
    arrived_at: datetime | None = None
    extract_id: str | None = None
    verdict: str = "none"
    late_hours: float | None = None
    due: int | None = None
    attainment: float | None = None


def promises(arrivals: Iterable[Arrival], contract: Contract, as_of: datetime) -> list[Promise]:
    """Every promise of one feed by `as_of`, oldest first; a single one numbered 0 where nothing had come.

    Args:
        arrivals: extracts of this feed in any order; later ones than `as_of` are not looked at.
        contract: what the feed promises.
        as_of: a cut-off, or now.
    """
    by_time: dict[datetime, str] = {}
    for arrival in sorted(arrivals, key=lambda one: (one.extracted_at, one.extract_id)):
        if arrival.extracted_at <= as_of:
            by_time.setdefault(arrival.extracted_at, arrival.extract_id)
    times, found = list(by_time), []
    if not times:
        return [Promise(contract.system, contract.feed, 0)]
    window = timedelta(days=contract.escalation.attainment_days)
    closed: list[tuple[datetime, bool]] = []
    first = kept = 0
    # One pass along the feed: the window only moves forward.
    for number, made_at in enumerate(times, start=1):
        due_at = made_at + timedelta(hours=contract.refresh_sla_hours)
        arrived_at = times[number] if number < len(times) else None
        late = max(((arrived_at or as_of) - due_at).total_seconds() / 3600, 0.0)
        verdict = ("missed" if late else "kept") if arrived_at else "overdue" if late else "open"
        if verdict != "open":
            closed.append((due_at, not late))
            kept += not late
        while first < len(closed) and closed[first][0] <= due_at - window:
            kept -= closed[first][1]
            first += 1
        due = len(closed) - first
        found.append(
            Promise(
                contract.system,
                contract.feed,
                number,
                made_at,
                due_at,
                arrived_at,
                by_time[arrived_at] if arrived_at else None,
                verdict,
                None if verdict == "open" else late,
                due or None,
                kept / due if due else None,
            )
        )
    return found


def log(arrivals: Iterable[Arrival], contracts: Mapping[Feed, Contract], as_of: datetime) -> dict[Feed, list[Promise]]:
    """Promises of every feed that has a contract, by its name."""
    by_feed: dict[Feed, list[Arrival]] = {}
    for arrival in arrivals:
        by_feed.setdefault((arrival.system, arrival.feed), []).append(arrival)
    return {key: promises(by_feed.get(key, ()), contracts[key], as_of) for key in sorted(contracts)}


def rows(
    logged: Mapping[Feed, list[Promise]], contracts: Mapping[Feed, Contract], as_of: datetime
) -> list[dict[str, Any]]:
    """Rows of `feed_sla` but for the stamp of its release: of each feed, the promises of one attainment window."""
    made: list[dict[str, Any]] = []
    for key, found in logged.items():
        contract = contracts[key]
        terms = contract.escalation
        since = as_of - timedelta(days=terms.attainment_days)
        days = (contract.expiry - as_of.date()).days
        state = "ended" if days < 0 else "ending" if days <= terms.expiry_notice_days else "valid"
        for one in found:
            if one.due_at is not None and one.due_at <= since and one.verdict != "overdue":
                continue
            reached = [step.tell for step in terms.steps if (one.late_hours or 0.0) >= step.after_hours]
            made.append({
                "system": one.system, "feed": one.feed, "promise": one.number, "region": "*",
                "promised_hours": contract.refresh_sla_hours, "promised_from": one.made_at, "promised_by": one.due_at,
                "arrived_at": one.arrived_at, "extract_id": one.extract_id, "verdict": one.verdict,
                "is_attained": None if one.verdict in ("open", "none") else one.verdict == "kept",
                "lateness_hours": one.late_hours, "attainment_days": terms.attainment_days, "promises_due": one.due,
                "attainment": one.attainment, "owner": contract.owner, "steward": contract.steward,
                "grantor": contract.grantor, "escalated_to": reached[-1] if reached else None, "as_of": as_of,
                "expiry": contract.expiry, "days_to_expiry": days, "grant_state": state,
            })  # fmt: skip
    return made


def notices(
    logged: Mapping[Feed, list[Promise]], contracts: Mapping[Feed, Contract], *, since: datetime, as_of: datetime
) -> Iterator[Notice]:
    """What must be told: kind, key and payload; keys are per feed and promise, so that an outbox tells each once.

    Args:
        logged: promises at `as_of`.
        contracts: their contracts.
        since: promises that were put right before it are history and told no more.
        as_of: a cut-off, or now.
    """
    for key, found in logged.items():
        contract = contracts[key]
        for one in found:
            if one.verdict in ("missed", "overdue") and (one.arrived_at is None or one.arrived_at > since):
                yield from _missed(one, contract)
        yield from _ending(contract, as_of)


def _missed(one: Promise, contract: Contract) -> Iterator[Notice]:
    if one.made_at is None or one.due_at is None or one.late_hours is None:
        return
    name, due = f"{one.system}/{one.feed}", one.due_at.isoformat()
    payload = {
        **_parties(contract),
        "promised_by": due,
        "promised_hours": contract.refresh_sla_hours,
        "last_extract": one.made_at.isoformat(),
        "arrived_at": one.arrived_at.isoformat() if one.arrived_at else None,
        "late_hours": round(one.late_hours, 2),
        "attainment": one.attainment,
    }
    advice = f"ask {contract.steward} why it did not come" if one.arrived_at is None else "it came late; ask why"
    yield "refresh_missed", f"sla:{name}:{due}", {**payload, "advice": f"{advice}, and whether the next one will"}
    # A step is there to get the refresh moving: nobody is called for one that has come.
    for step in contract.escalation.steps if one.arrived_at is None else ():
        if one.late_hours >= step.after_hours:
            told = {"tell": step.tell, "after_hours": step.after_hours}
            advice = f"late for {step.after_hours} hours and more; {contract.owner} and {contract.steward} know of it"
            yield "refresh_escalated", f"sla:{name}:{due}:{step.after_hours}", {**payload, **told, "advice": advice}


def _ending(contract: Contract, as_of: datetime) -> Iterator[Notice]:
    days = (contract.expiry - as_of.date()).days
    name, expiry = f"{contract.system}/{contract.feed}", contract.expiry.isoformat()
    payload = {**_parties(contract), "expiry": expiry, "days": days}
    if days < 0:
        advice = f"{contract.grantor} has to renew the grant; until then the feed suspends whom it touches"
        yield "grant_ended", f"grant_ended:{name}:{expiry}", {**payload, "advice": advice}
    elif days <= contract.escalation.expiry_notice_days:
        advice = f"have {contract.grantor} renew the grant, and change `expiry` in the contract"
        yield "grant_ending", f"grant_ending:{name}:{expiry}", {**payload, "advice": advice}


def _parties(contract: Contract) -> dict[str, Any]:
    """Who is named in an alert: owner, steward, grantor, and who hears of it after how long."""
    steps = [{"after_hours": step.after_hours, "tell": step.tell} for step in contract.escalation.steps]
    return {
        "feed": f"{contract.system}/{contract.feed}",
        "owner": contract.owner,
        "steward": contract.steward,
        "grantor": contract.grantor,
        "escalation": steps,
    }
