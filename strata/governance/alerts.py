"""The outbox of alerts: written with the change that causes them, delivered later, at least once each.

Belongs here: queueing, retrying, giving up. Does not: mail or chat; a sink is any function that raises when it fails.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from strata.durable import fsync_path
from strata.governance.records import Alert, moment, timestamp
from strata.governance.schema import ALERT
from strata.home import Home
from strata.identity import canonical_json

MAX_ATTEMPTS = 5

Sink = Callable[[Alert], None]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one round of delivery did, in numbers of alerts."""

    delivered: int
    failed: int
    dead: int


@dataclass(frozen=True, slots=True)
class FileSink:
    """Appends alerts to `<home>/alerts/alerts.jsonl`; one with a key that stands there already is a repeat."""

    home: Home

    def __call__(self, alert: Alert) -> None:
        """Append one line and flush it; OSError where that fails."""
        path = self.home.root / "alerts" / "alerts.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        line = {
            "key": alert.key,
            "kind": alert.kind,
            "at": timestamp(alert.enqueued_at),
            "payload": dict(alert.payload),
        }
        with path.open("ab") as handle:
            handle.write(canonical_json(line) + b"\n")
            handle.flush()
            os.fsync(handle.fileno())
        fsync_path(path.parent)


def enqueue(connection: Connection, kind: str, key: str, payload: Mapping[str, Any], at: datetime) -> bool:
    """Put an alert in the outbox, once per key; False where the key was there already."""
    if connection.execute(select(ALERT.c.key).where(ALERT.c.key == key)).first():
        return False
    connection.execute(
        insert(ALERT).values(
            key=key,
            kind=kind,
            payload=canonical_json(dict(payload)).decode(),
            enqueued_at=timestamp(at),
            attempts=0,
            state="pending",
            last_error=None,
            delivered_at=None,
        )  # fmt: skip
    )
    return True


def in_state(connection: Connection, state: str | None) -> list[Alert]:
    """Alerts in the order they were queued, all or of one state."""
    query = select(ALERT).order_by(ALERT.c.enqueued_at, ALERT.c.key)
    if state is not None:
        query = query.where(ALERT.c.state == state)
    return [_alert(row) for row in connection.execute(query).mappings()]


def settle(connection: Connection, alert: Alert, error: Exception | None, at: datetime) -> str:
    """Record one attempt at delivery and return the new state; the last failed attempt makes an alert dead."""
    attempts = alert.attempts + 1
    failed = "dead" if attempts >= MAX_ATTEMPTS else "pending"
    state = "delivered" if error is None else failed
    connection.execute(
        update(ALERT)
        .where(ALERT.c.key == alert.key)
        .values(
            attempts=attempts,
            state=state,
            last_error=None if error is None else repr(error),
            delivered_at=timestamp(at) if error is None else None,
        )
    )
    return state


def _alert(row: RowMapping) -> Alert:
    return Alert(
        row["key"], row["kind"], json.loads(row["payload"]), moment(row["enqueued_at"]), row["attempts"],
        row["state"], row["last_error"],
    )  # fmt: skip
