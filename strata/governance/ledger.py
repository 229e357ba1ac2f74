"""The ledger: what was done, by whom and why, in a hash chain that is only ever appended to.

Belongs here: entries, appending, and the check of the chain against anchors. Does not: where anchors are kept
(`strata.governance.anchors`). Order is by sequence, never by time; the time is recorded as it was read.
"""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select

from strata.governance.records import Actor, GovernanceError, timestamp
from strata.governance.schema import LEDGER
from strata.identity import canonical_json, sha256_json

FIRST_PREVIOUS = "0" * 64

HOME_INITIALISED = "home.initialised"
SCHEME_APPROVED = "scheme.approved"
CANDIDATE_POINTED = "candidate.pointed"
SUSPENSION_OPENED = "suspension.opened"
SUSPENSION_CLOSED = "suspension.closed"
OVERRIDE_ADDED = "override.added"
OVERRIDE_REVOKED = "override.revoked"
PUBLISH_INTENT = "publish.intent"
PUBLISHED = "publish.published"
PUBLISH_ABORTED = "publish.aborted"
PUBLISH_REFUSED = "publish.refused"
EXPORTED = "export.made"
EXPORT_REFUSED = "export.refused"
EXPORT_FAILED = "export.failed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; `body` holds every field but `hash`, which is the SHA-256 of its canonical JSON."""

    seq: int
    hash: str
    body: Mapping[str, Any]

    @property
    def action(self) -> str:
        """What was done, such as `publish.intent`."""
        return str(self.body["action"])

    @property
    def object(self) -> str:
        """What it was done to, such as `release:2026-07-g0003-0a1b2c3d`."""
        return str(self.body["object"])

    @property
    def after(self) -> Mapping[str, Any]:
        """The values after the action; empty where it set none."""
        return self.body["after_values"] or {}


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head of the ledger as it was seen once, and where that was written down."""

    seq: int
    hash: str
    place: str


def append(
    connection: Connection,
    *,
    action: str,
    object: str,
    actor: Actor,
    at: datetime,
    reason: str | None = None,
    run_id: str | None = None,
    event_id: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    approvals: Sequence[Mapping[str, Any]] = (),
    code_version: str | None = None,
    config_hash: str | None = None,
) -> Entry:
    """Add one entry behind the last one, inside the caller's write transaction.

    `event_id` makes an event unique (a release is published once); without it each call is its own event.

    Raises:
        GovernanceError: neither a reason (people give one) nor a run id (the system's reason) was given.
    """
    if not (reason and reason.strip()) and not run_id:
        raise GovernanceError(f"{action} of {object}: give a reason; only a run may act without one, by its run id")
    head = connection.execute(select(LEDGER.c.seq, LEDGER.c.hash).order_by(LEDGER.c.seq.desc()).limit(1)).first()
    seq, previous = (head.seq + 1, head.hash) if head else (1, FIRST_PREVIOUS)
    body = {
        "seq": seq,
        "event_id": event_id or uuid.uuid4().hex,
        "ts_utc": timestamp(at),
        "actor_id": actor.actor_id,
        "actor_role": actor.role,
        "auth_method": actor.auth_method,
        "action": action,
        "object": object,
        "before_values": before,
        "before_hash": None if before is None else sha256_json(before),
        "after_values": after,
        "after_hash": None if after is None else sha256_json(after),
        "reason": reason,
        "run_id": run_id,
        "code_version": code_version,
        "config_hash": config_hash,
        "approvals": list(approvals),
        "prev_hash": previous,
    }
    text = canonical_json(body).decode()
    entry = Entry(seq, sha256_json(body), json.loads(text))
    connection.execute(
        insert(LEDGER).values(
            seq=seq,
            event_id=body["event_id"],
            ts_utc=body["ts_utc"],
            actor_id=actor.actor_id,
            action=action,
            object=object,
            body=text,
            prev_hash=previous,
            hash=entry.hash,
        )  # fmt: skip
    )
    return entry


def entries(connection: Connection, *, actions: Iterable[str] | None = None, object: str | None = None) -> list[Entry]:
    """Entries in order, all or those of some actions and of one object."""
    query = select(LEDGER.c.seq, LEDGER.c.hash, LEDGER.c.body).order_by(LEDGER.c.seq)
    if actions is not None:
        query = query.where(LEDGER.c.action.in_(list(actions)))
    if object is not None:
        query = query.where(LEDGER.c.object == object)
    return [Entry(row.seq, row.hash, json.loads(row.body)) for row in connection.execute(query)]


def head(connection: Connection) -> Anchor | None:
    """The last entry's sequence and hash; None where the ledger is empty."""
    row = connection.execute(select(LEDGER.c.seq, LEDGER.c.hash).order_by(LEDGER.c.seq.desc()).limit(1)).first()
    return Anchor(row.seq, row.hash, "ledger") if row else None


def verify(connection: Connection, anchors: Iterable[Anchor]) -> list[str]:
    """Faults of the chain, and of the chain against heads that were written down elsewhere; none if it is whole.

    The chain alone shows an edit, a deletion, a new order and a duplicate. That the tail was cut off, that all of it
    was written anew, or that it is gone shows only against the anchors.
    """
    faults: list[str] = []
    hashes: dict[int, str] = {}
    events: set[str] = set()
    expected, previous = 1, FIRST_PREVIOUS
    for row in connection.execute(select(LEDGER).order_by(LEDGER.c.seq)).mappings():
        where = f"ledger entry {row['seq']}"
        if row["seq"] != expected:
            faults.append(f"{where}: entry {expected} should stand here; one was deleted, moved or added")
        faults += [f"{where}: {fault}" for fault in _entry_faults(row, previous)]
        if row["event_id"] in events:
            faults.append(f"{where}: event {row['event_id']} stands twice")
        events.add(row["event_id"])
        hashes[row["seq"]] = row["hash"]
        expected, previous = row["seq"] + 1, row["hash"]
    for anchor in anchors:
        if anchor.seq not in hashes:
            faults.append(
                f"{anchor.place}: entry {anchor.seq} was anchored but is gone; the ledger was cut off or emptied"
            )
        elif hashes[anchor.seq] != anchor.hash:
            faults.append(
                f"{anchor.place}: entry {anchor.seq} has another hash than when it was anchored; it was rewritten"
            )
    return faults


def _entry_faults(row: RowMapping, previous: str) -> list[str]:
    faults = []
    if row["prev_hash"] != previous:
        faults.append("does not continue the entry before it")
    try:
        body = json.loads(row["body"])
    except ValueError:
        return [*faults, "is not JSON"]
    if sha256_json(body) != row["hash"] or canonical_json(body).decode() != row["body"]:
        faults.append("was changed: its content does not give its hash")
    for name in ("seq", "event_id", "ts_utc", "actor_id", "action", "object", "prev_hash"):
        if not isinstance(body, dict) or body.get(name) != row[name]:
            faults.append(f"column {name} differs from what was hashed")
    return faults
