"""Debezium change events: one event in, the upserts and deletes it means out.

Belongs here: the envelope of Debezium (op, before, after, source). Does not: lines and JSON (`strata.intake.lines`),
types (`strata.intake.casts`). Another envelope is one more function of the same shape in `ENVELOPES`.

Debezium promises every change at least once and a total order per table: the position of a change is `source.lsn`,
and changes with one position are ordered by `source.sequence` if that is an integer, else as they stand in the file.
A row's own LSNs rise in commit order, since a second writer waits for the first one's lock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from strata.intake.contract import Contract

UNAVAILABLE = "__debezium_unavailable_value"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one row: `op` is `u` (upsert) or `d` (delete); `values` are by native column name."""

    op: str
    values: Mapping[str, Any]
    position: int
    sequence: int | None
    source_ms: int
    is_snapshot: bool


class EnvelopeError(ValueError):
    """An event cannot be read; `reason` is one of `strata.intake.reasons.EXTRACT_REASONS`."""

    def __init__(self, reason: str, advice: str, column: str | None = None) -> None:
        self.reason, self.advice, self.column = reason, advice, column
        super().__init__(advice)


Envelope = Callable[[Mapping[str, Any], Contract], list[Change]]


def changes(event: Mapping[str, Any], contract: Contract) -> list[Change]:
    """What one Debezium event means, in order; none for a tombstone.

    A change of primary key is a delete of the old key and an upsert of the new one. `before` may be absent (the
    table's replica identity decides that) except on a delete, whose key is in it.

    Args:
        event: the event, with or without the `schema`/`payload` wrapper; numbers are text, as in the line.
        contract: names the columns and the key.

    Raises:
        EnvelopeError: unknown operation (truncate, message), no position or time, `after` missing on an upsert, or
            a value that the connector left out.
    """
    if set(event) == {"schema", "payload"}:
        if event["payload"] is None:
            return []
        event = _mapping(event["payload"], "payload")
    operation = event.get("op")
    if operation not in ("c", "u", "d", "r"):
        advice = f"op {operation!r} is none of c, u, d, r; after a truncate send the table as a full extract"
        raise EnvelopeError("unknown_operation", advice)
    source = _mapping(event.get("source"), "source")
    position = _whole(source.get("lsn"), "source.lsn", 18)
    source_ms = _whole(source.get("ts_ms"), "source.ts_ms", 14)
    sequence = source.get("sequence")
    order = int(sequence) if isinstance(sequence, str) and sequence.isdecimal() and len(sequence) <= 18 else None
    keys = [contract.column(name).source_name for name in contract.key]
    old_key = None
    if event.get("before") is not None:
        before = _mapping(event["before"], "before")
        old_key = {name: before.get(name) for name in keys}
    if operation == "d":
        if old_key is None or None in old_key.values():
            raise EnvelopeError("envelope_malformed", f"a delete needs its key {keys} in before", "before")
        return [Change("d", old_key, position, order, source_ms, False)]
    after = _mapping(event.get("after"), "after")
    for name, value in after.items():
        if value == UNAVAILABLE:
            advice = (
                f"the connector left {name} out because it did not change; set the table's REPLICA IDENTITY to FULL "
                "or send the table as a full extract"
            )
            raise EnvelopeError("unavailable_value", advice, name)
    upsert = Change("u", after, position, order, source_ms, operation == "r")
    if old_key is None or None in old_key.values() or all(old_key[name] == after.get(name) for name in keys):
        return [upsert]
    return [Change("d", old_key, position, order, source_ms, False), upsert]


ENVELOPES: dict[str, Envelope] = {"debezium": changes}


def _mapping(value: Any, part: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise EnvelopeError("envelope_malformed", f"{part} is {value!r}, not an object", part)
    return value


def _whole(value: Any, part: str, digits: int) -> int:
    # Numbers arrive as the text of the line, so that no digit is lost.
    if isinstance(value, str) and value.isdecimal() and len(value) <= digits:
        return int(value)
    raise EnvelopeError("envelope_malformed", f"{part} is {value!r}, not a whole number; order needs it", part)
