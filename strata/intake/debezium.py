"""Debezium change events: one event in, the upserts and deletes it means out.

Belongs here: the envelope of Debezium (op, before, after, source, transaction). Does not: lines and JSON
(`strata.intake.lines`), types (`strata.intake.casts`), envelopes that are tables (`strata.intake.envelopes`).

Debezium promises every change at least once and a total order per table. The order used is that of commits:
- With `source.sequence` of PostgreSQL, `["<last commit>", "<lsn>"]`, a change lies right after that commit, and its own
  LSN orders it inside its transaction: the LSNs of transactions that run side by side interleave, commits do not.
- Else its position is `source.lsn`, and changes with one position are ordered by a whole `source.sequence`, else by
  `transaction.total_order`, else as they stand in the file. Per row that is the order of commits too, since a second
  writer of a row waits for the first one's lock.
- A row that a snapshot read (op r) is the state at `source.lsn`.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from strata.intake.contract import Contract

UNAVAILABLE = "__debezium_unavailable_value"


class Change(NamedTuple):
    """One change of one row: `op` is `u` (upsert) or `d` (delete); `values` are by native column name.

    `unchanged` are columns that the connector left out because the change did not touch them.
    """

    op: str
    values: Mapping[str, Any]
    position: int
    sequence: int | None
    source_ms: int
    is_snapshot: bool
    unchanged: tuple[str, ...] = ()


class EnvelopeError(ValueError):
    """An event cannot be read; `reason` is one of `strata.intake.reasons.EXTRACT_REASONS`."""

    def __init__(self, reason: str, advice: str, column: str | None = None) -> None:
        self.reason, self.advice, self.column = reason, advice, column
        super().__init__(advice)


class EventReader:
    """Reads the events of one table; `is_whole` where they are the whole table, not what changed in it."""

    def __init__(self, contract: Contract, *, is_whole: bool = False) -> None:
        self._columns = frozenset(column.source_name for column in contract.columns)
        self._keys = tuple(contract.column(name).source_name for name in contract.key)
        # What is carried over has the name of a column, which a mapping may make of several.
        self._is_mapped = contract.mapping is not None
        self._is_whole = is_whole

    def changes(self, event: Mapping[str, Any]) -> list[Change]:
        """What one event means, in order; none for a tombstone.

        A change of primary key is a delete of the old key and an upsert of the new one. `before` may be absent (the
        table's replica identity decides that) except on a delete, whose key is in it.

        Args:
            event: the event, with or without the `schema`/`payload` wrapper; numbers are text, as in the line. Of a
                whole table, rows may also stand there without an envelope.

        Raises:
            EnvelopeError: unknown operation (truncate, message), no position or time, `after` missing on an upsert,
                or a value left out that no earlier change can supply.
        """
        if event.keys() == {"schema", "payload"}:
            if event["payload"] is None:
                return []
            event = _mapping(event["payload"], "payload")
        operation = event.get("op")
        if self._is_whole:
            return [self._row_of_whole(event, operation)]
        if operation not in ("c", "u", "d", "r"):
            advice = (
                f"op {operation!r} is none of c, u, d, r; after a truncate send the table as a full extract with "
                "this envelope and a log position at or past it"
            )
            raise EnvelopeError("unknown_operation", advice)
        source = _mapping(event.get("source"), "source")
        position, sequence = _order(source, event.get("transaction"), operation)
        source_ms = _whole(source.get("ts_ms"), "source.ts_ms", 14)
        before = event.get("before")
        old_key = None if before is None else _mapping(before, "before")
        has_old_key = old_key is not None and all(old_key.get(name) is not None for name in self._keys)
        if operation == "d":
            if old_key is None or not has_old_key:
                advice = f"a delete needs its key {list(self._keys)} in before"
                raise EnvelopeError("envelope_malformed", advice, "before")
            return [Change("d", self._key_of(old_key), position, sequence, source_ms, False)]
        after = _mapping(event.get("after"), "after")
        is_moved = has_old_key and old_key is not None and any(old_key[name] != after.get(name) for name in self._keys)
        unchanged = self._unchanged(after, operation, is_moved=is_moved) if UNAVAILABLE in after.values() else ()
        upsert = Change("u", after, position, sequence, source_ms, operation == "r", unchanged)
        if not is_moved or old_key is None:
            return [upsert]
        return [Change("d", self._key_of(old_key), position, sequence, source_ms, False), upsert]

    def _key_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: row[name] for name in self._keys}

    def _row_of_whole(self, event: Mapping[str, Any], operation: Any) -> Change:
        row = event
        if "op" not in self._columns and operation is not None:
            if operation != "r":
                advice = (
                    f"op {operation!r} in the extract of a whole table, whose rows are read (r); send changes as cdc"
                )
                raise EnvelopeError("unknown_operation", advice)
            row = _mapping(event.get("after"), "after")
        if UNAVAILABLE in row.values():
            self._unchanged(row, "r", is_moved=False)
        return Change("u", row, 0, None, 0, True)

    def _unchanged(self, after: Mapping[str, Any], operation: str, *, is_moved: bool) -> tuple[str, ...]:
        """Columns of the contract that were left out of an update; of any other event they cannot be."""
        left_out = tuple(name for name, value in after.items() if value == UNAVAILABLE and name in self._columns)
        for name in left_out:
            if operation != "u" or is_moved or name in self._keys or self._is_mapped:
                advice = (
                    f"the connector left {name} out, and no earlier change of this key holds it; set the table's "
                    "REPLICA IDENTITY to FULL, or send the table as a full extract with a log position"
                )
                raise EnvelopeError("unavailable_value", advice, name)
        return left_out


def changes(event: Mapping[str, Any], contract: Contract) -> list[Change]:
    """What one event of a contract's table means; see `EventReader.changes`."""
    return EventReader(contract).changes(event)


def _order(source: Mapping[str, Any], transaction: Any, operation: str) -> tuple[int, int | None]:
    """Position of a change, and its place among the changes with that position (None: as in the file)."""
    position = _whole(source.get("lsn"), "source.lsn", 18)
    sequence = source.get("sequence")
    if operation == "r":
        return position, None
    if isinstance(sequence, str):
        if sequence[:1] == "[":
            return _commit_order(sequence)
        if sequence.isdecimal() and len(sequence) <= 18:
            return position, int(sequence)
    if isinstance(transaction, Mapping) and transaction.get("total_order") is not None:
        return position, _whole(transaction["total_order"], "transaction.total_order", 18)
    return position, None


def _commit_order(sequence: str) -> tuple[int, int]:
    try:
        committed, own = json.loads(sequence)
    except (ValueError, TypeError) as error:
        advice = f"source.sequence is {sequence!r}, not [last commit, lsn]"
        raise EnvelopeError("envelope_malformed", advice, "source.sequence") from error
    place = _whole(own, "source.sequence", 18)
    if committed is None:
        # Nothing was committed since the connector began, so the first transaction is alone in its place.
        return place, place
    return _whole(committed, "source.sequence", 18) + 1, place


def _mapping(value: Any, part: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise EnvelopeError("envelope_malformed", f"{part} is {value!r}, not an object", part)
    return value


def _whole(value: Any, part: str, digits: int) -> int:
    # Numbers arrive as the text of the line, so that no digit is lost.
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) <= digits:
        return int(value)
    raise EnvelopeError("envelope_malformed", f"{part} is {value!r}, not a whole number; order needs it", part)
