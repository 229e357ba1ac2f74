"""A table in a source system, small enough to be obviously right, and the extracts of it in three envelopes.

Belongs here: transactions, the state of the table after each, extracts of a range of them. Does not: what landing and
conforming make of those (`tests.cdc.machine`).

Transaction n commits at position n; its changes are numbered from 1. The rows of every second transaction were written
early: their own log numbers lie below those of the transaction before, as they do where transactions run side by side.
"""

import csv
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

Envelope = Literal["debezium", "sap", "fivetran"]
Kind = Literal["changes", "first", "table"]
Row = tuple[str, str, str]  # quantity, unit, status
START = datetime(2017, 4, 1, tzinfo=UTC)
STEP = 100
UNAVAILABLE = "__debezium_unavailable_value"


@dataclass(frozen=True)
class Change:
    """One change: `row` is what stands there afterwards (None: deleted), `moved_from` the key it had before."""

    position: int
    sequence: int
    op: Literal["c", "u", "d"]
    key: int
    row: Row | None
    moved_from: int | None = None
    leaves_unit_out: bool = False


@dataclass(frozen=True)
class Extract:
    """What a source sends: data, and what its manifest says of it beside the files."""

    data: bytes
    rows: int
    manifest: dict[str, Any]
    kind: Kind
    start: int
    to: int


@dataclass
class Source:
    """The table and its log."""

    live: dict[int, Row] = field(default_factory=dict)
    log: list[Change] = field(default_factory=list)
    head: int = 0
    has_new_column: bool = False

    def commit(self, actions: list[tuple[str, int, int, Row]]) -> None:
        """One transaction: put or touch a row, delete or move a key; what does not apply is left out."""
        changes: list[Change] = []
        position = self.head + 1
        for verb, key, other, row in actions:
            number = len(changes) + 1
            if verb in ("put", "touch") and key not in self.live:
                changes.append(Change(position, number, "c", key, row))
            elif verb in ("put", "touch"):
                kept = (row[0], self.live[key][1] if verb == "touch" else row[1], row[2])
                changes.append(Change(position, number, "u", key, kept, leaves_unit_out=verb == "touch"))
            elif verb == "delete" and key in self.live:
                changes.append(Change(position, number, "d", key, None))
            elif verb == "move" and key in self.live and other not in self.live:
                changes.append(Change(position, number, "u", other, self.live[key], moved_from=key))
            if len(changes) == number:
                _apply(self.live, changes[-1])
        if changes:
            self.log += changes
            self.head = position

    def state(self, position: int) -> dict[int, Row]:
        """The table after transaction `position`."""
        rows: dict[int, Row] = {}
        for change in self.log:
            if change.position <= position:
                _apply(rows, change)
        return rows

    def changes(self, envelope: Envelope, start: int, to: int) -> Extract:
        """Extract of the transactions after `start` up to `to`."""
        found = [change for change in self.log if start < change.position <= to]
        if envelope == "debezium":
            data, count = _lines([self._event(change) for change in found])
        else:
            rows = [row for change in found for row in _marked(envelope, change)]
            data, count = self._csv(rows, envelope)
        return self._extract("changes", data, count, envelope, start, to)

    def first_load(self, envelope: Envelope, to: int) -> Extract:
        """The table as it was found, read as a first load, after which changes follow."""
        live = sorted(self.state(to).items())
        if envelope == "debezium":
            source = {"lsn": to * STEP, "ts_ms": _millis(to), "snapshot": "true"}
            data, count = _lines([{"op": "r", "after": self._named(key, row), "source": source} for key, row in live])
        else:
            marks = _marks(envelope, "L", to)
            data, count = self._csv([_named(key, row) | marks for key, row in live], envelope)
        return self._extract("first", data, count, envelope, to, to)

    def table(self, envelope: Envelope, at: int) -> Extract:
        """The whole table as of transaction `at`."""
        rows = [self._named(key, row) for key, row in sorted(self.state(at).items())]
        data, count = _lines(rows)
        return self._extract("table", data, count, envelope, at, at)

    def _extract(
        self,
        kind: Kind,
        data: bytes,
        rows: int,
        envelope: Envelope,
        start: int,
        to: int,
    ) -> Extract:
        manifest = {
            "kind": "full" if kind == "table" else "cdc",
            "envelope": envelope,
            "format": "jsonl" if kind == "table" or envelope == "debezium" else "csv",
            "initial_load": kind == "first",
            "position": {"from": _position(envelope, start), "to": _position(envelope, to)},
            "extracted_at": (_instant(to) + timedelta(milliseconds=500)).isoformat(),
        }
        return Extract(data, rows, manifest, kind, start, to)

    def _event(self, change: Change) -> dict[str, Any]:
        committed, early = (change.position - 1) * STEP, change.position % 2 == 0
        own = change.position * STEP - (STEP + 50 if early else 50) + change.sequence
        after = None if change.row is None else self._named(change.key, change.row)
        if after is not None and change.leaves_unit_out:
            after["unit"] = UNAVAILABLE
        before = {"c": None, "u": change.moved_from, "d": change.key}[change.op]
        return {
            "op": change.op,
            "before": None if before is None else {"po_id": f"P{before}", "po_line": 10},
            "after": after,
            "source": {
                "lsn": own,
                "ts_ms": _millis(change.position),
                "sequence": json.dumps([str(committed), str(own)]),
            },
        }

    def _named(self, key: int, row: Row) -> dict[str, Any]:
        return _named(key, row) | ({"colour": "blue"} if self.has_new_column else {})

    def _csv(self, rows: list[dict[str, Any]], envelope: Envelope) -> tuple[bytes, int]:
        names = [*_named(0, ("", "", "")), *_marks(envelope, "I", 0), *(["colour"] if self.has_new_column else [])]
        out = io.StringIO()
        writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue().encode(), len(rows)


def _apply(rows: dict[int, Row], change: Change) -> None:
    if change.moved_from is not None:
        del rows[change.moved_from]
    if change.row is None:
        del rows[change.key]
    else:
        rows[change.key] = change.row


def _marked(envelope: Envelope, change: Change) -> list[dict[str, Any]]:
    """Rows of a tabular envelope; a changed key is a delete and an insert."""
    gone = change.key if change.op == "d" else change.moved_from
    rows = []
    if gone is not None:
        rows.append(_named(gone, ("", "", "")) | _marks(envelope, "D", change.position))
    if change.row is not None:
        flag = "I" if change.op == "c" or change.moved_from is not None else "U"
        rows.append(_named(change.key, change.row) | _marks(envelope, flag, change.position))
    return rows


def _marks(envelope: Envelope, flag: str, position: int) -> dict[str, Any]:
    deleted = "true" if flag == "D" else "false"
    if envelope == "sap":
        return {"recordstamp": _position(envelope, position), "operation_flag": flag, "is_deleted": deleted}
    return {"_fivetran_synced": _position(envelope, position), "_fivetran_deleted": deleted}


def _named(key: int, row: Row) -> dict[str, Any]:
    quantity, unit, status = row
    return {
        "po_id": f"P{key}", "po_line": 10, "supplier_id": "S1", "sku_id": "I1", "location_id": "L1",
        "ordered_at": "2017-03-01T10:00:00Z", "quantity": quantity, "unit": unit, "promised_date": "2017-03-10",
        "status": status,
    }  # fmt: skip


def _lines(rows: list[dict[str, Any]]) -> tuple[bytes, int]:
    return "".join(json.dumps(row) + "\n" for row in rows).encode(), len(rows)


def _instant(position: int) -> datetime:
    return START + timedelta(seconds=position)


def _millis(position: int) -> int:
    return int(_instant(position).timestamp() * 1000)


def _position(envelope: Envelope, position: int) -> str:
    return str(position * STEP) if envelope == "debezium" else f"{_instant(position):%Y-%m-%dT%H:%M:%S}Z"
