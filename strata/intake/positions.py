"""Positions in a source's log of changes as whole numbers, and the range of them that an extract covers.

Belongs here: how each envelope writes a position. Does not: which ranges follow each other (`strata.intake.chain`),
the position of one change (`strata.intake.debezium`, `strata.intake.envelopes`).

A Debezium position is the log's own number. SAP-style and Fivetran-style positions are times (UTC unless they say
otherwise), counted in ticks of 100 nanoseconds since 1970, which is what SAP's long time stamps resolve.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from strata.intake.manifest import Manifest
from strata.intake.reasons import RefusedExtractError

TICKS_PER_SECOND = 10_000_000
# Both patterns are read by Python and by DuckDB.
ISO_STAMP = (
    r"[0-9]{4}-(0[1-9]|1[0-2])-[0-3][0-9][T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,7}0*)?( ?UTC|Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)?"
)
SAP_STAMP = r"[0-9]{14}(\.[0-9]{1,7})?"
NUMBER = r"[0-9]{1,18}"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class LogRange:
    """An extract holds every change after position `start`, up to and including `to`."""

    start: int
    to: int


def position_number(envelope: str, text: str) -> int:
    """A position as the envelope writes it to a whole number; ValueError saying what is expected."""
    if envelope == "debezium":
        if not re.fullmatch(NUMBER, text):
            raise ValueError(f"{text!r} is no position of a log: write the LSN as a whole number of up to 18 digits")
        return int(text)
    return stamp_ticks(text)


def stamp_ticks(text: str) -> int:
    """A time stamp (ISO 8601, or SAP's YYYYMMDDhhmmss.fffffff) to ticks since 1970; ValueError where it is none."""
    whole, _, rest = text.partition(".")
    fraction = (re.match(r"[0-9]*", rest) or [""])[0]
    try:
        if re.fullmatch(SAP_STAMP, text):
            second = datetime.strptime(whole, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        elif re.fullmatch(ISO_STAMP, text):
            second = datetime.fromisoformat((whole + rest[len(fraction) :]).replace(" UTC", "Z").replace("UTC", "Z"))
        else:
            raise ValueError("unknown form")
    except ValueError as error:
        advice = "write a time such as 2017-03-01T10:00:00.000Z or 20170301100000.0000000"
        raise ValueError(f"{text!r} is no position: {advice}") from error
    since = second.replace(tzinfo=second.tzinfo or UTC) - _EPOCH
    return since // _SECOND * TICKS_PER_SECOND + int(fraction.ljust(7, "0")[:7])


def is_log(manifest: Manifest) -> bool:
    """Whether the extract speaks of a log of changes: changes, or the whole table as of a position of the log."""
    return manifest.envelope != "plain"


def is_snapshot(manifest: Manifest) -> bool:
    """Whether the extract is the whole table as of a position of its log."""
    return manifest.kind == "full" and is_log(manifest)


def log_range(manifest: Manifest) -> LogRange:
    """The range of positions that an extract of a log covers; a snapshot covers everything up to its position.

    Raises:
        RefusedExtractError: the manifest states no position, or none of its envelope.
    """
    if manifest.position is None or (manifest.position.start is None and manifest.kind == "cdc"):
        advice = 'state position {"from": …, "to": …}: the extract holds every change after `from`, up to `to`'
        raise RefusedExtractError("position_missing", advice, file="manifest.json")
    try:
        to = position_number(manifest.envelope, manifest.position.to)
        start = to
        if manifest.position.start is not None and manifest.kind == "cdc":
            start = position_number(manifest.envelope, manifest.position.start)
    except ValueError as error:
        raise RefusedExtractError("position_malformed", str(error), file="manifest.json") from error
    if start > to:
        advice = f"position goes from {manifest.position.start} back to {manifest.position.to}; exchange them"
        raise RefusedExtractError("position_malformed", advice, file="manifest.json")
    return LogRange(start, to)


def shown(envelope: str, position: int) -> str:
    """A position as people read it: the log's number, or the time."""
    if envelope == "debezium":
        return str(position)
    seconds, ticks = divmod(position, TICKS_PER_SECOND)
    return f"{(_EPOCH + timedelta(seconds=seconds)):%Y-%m-%dT%H:%M:%S}.{ticks:07d}Z"
