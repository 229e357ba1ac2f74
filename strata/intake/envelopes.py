"""Envelopes whose changes are rows of a table: what its own columns say about operation and position, as SQL.

Belongs here: the shape of a tabular envelope, time stamps as positions in SQL, the refusal of rows without order. Does
not: which columns an envelope has (`strata.intake.sap`, `strata.intake.fivetran`), events (`strata.intake.debezium`).

A delete needs its key only: whatever else its row holds is left out.
"""

from dataclasses import dataclass

import duckdb

from strata.intake.casts import quoted
from strata.intake.contract import Column, Contract
from strata.intake.positions import ISO_STAMP, SAP_STAMP
from strata.intake.reasons import RefusedExtractError

_PREFIX = "change_mark__"


@dataclass(frozen=True, slots=True)
class Fault:
    """A condition (SQL) under which a row of changes cannot be read, and what to do about it."""

    condition: str
    reason: str
    column: Column
    advice: str


@dataclass(frozen=True, slots=True)
class TabularEnvelope:
    """One envelope: the columns that it adds to a table, and SQL over them.

    `operation` is `u` or `d` (null: unknown), `position` the time of the change in ticks of 100 nanoseconds (null:
    none), `is_read` whether the row was read from the table and not from its log.
    """

    name: str
    columns: tuple[Column, ...]
    operation: str
    position: str
    is_read: str
    faults: tuple[Fault, ...]


def mark(native: str, kind: str, meaning: str) -> Column:
    """A column of an envelope, named so that no column of a contract can be meant."""
    name = _PREFIX + native.strip("_")
    return Column.model_validate({"name": name, "native": native, "type": kind, "meaning": meaning, "nullable": True})


def ticks_sql(text: str) -> str:
    """SQL of `strata.intake.positions.stamp_ticks`: a column of text to ticks since 1970, null where it is no time."""
    fraction = f"CAST(rpad(regexp_extract({text}, '\\.([0-9]{{1,7}})', 1), 7, '0') AS BIGINT)"
    bare = f"regexp_replace(regexp_replace({text}, '\\.[0-9]+', ''), ' ?UTC$', 'Z')"
    zoned = f"CASE WHEN length({bare}) > 19 THEN {bare} ELSE {bare} || 'Z' END"
    iso = f"epoch_us(TRY_CAST({zoned} AS TIMESTAMPTZ))"
    compact = f"epoch_us(try_strptime(substr({text}, 1, 14), '%Y%m%d%H%M%S'))"
    return (
        f"CASE WHEN regexp_full_match({text}, {quoted(ISO_STAMP)}) THEN {iso} * 10 + {fraction} "
        f"WHEN regexp_full_match({text}, {quoted(SAP_STAMP)}) THEN {compact} * 10 + {fraction} END"
    )


def changes_sql(envelope: TabularEnvelope, contract: Contract, table: str) -> str:
    """SELECT of the contract's columns and of the change in every row of a loaded table, numbered within a position.

    The order of changes with one position is that of the file, counted anew for every position, so that the same
    changes sent again get the same numbers.
    """
    names = ", ".join(
        name if name in contract.key else f"CASE WHEN _op = 'u' THEN {name} END AS {name}" for name in contract.names
    )
    return (
        f"SELECT {names}, _row, _op, _position, _source_ms, _is_snapshot, "  # noqa: S608 - names of ours
        "row_number() OVER (PARTITION BY _position ORDER BY _row) AS _sequence "
        f"FROM (SELECT {', '.join(contract.names)}, rowid + 1 AS _row, "
        f"{envelope.operation} AS _op, {envelope.position} AS _position, "
        f"{envelope.position} // 10000 AS _source_ms, {envelope.is_read} AS _is_snapshot FROM {table})"
    )


def check_changes(connection: duckdb.DuckDBPyConnection, envelope: TabularEnvelope, table: str, file: str) -> None:
    """Refuse the extract where a row's operation or position cannot be read: without them nothing orders the rest."""
    for fault in envelope.faults:
        found = connection.execute(
            f"SELECT rowid + 1, {fault.column.name} FROM {table} WHERE {fault.condition} ORDER BY 1 LIMIT 1"  # noqa: S608
        ).fetchone()
        if found:
            native = fault.column.source_name
            advice = f"{native} is {found[1]!r}: {fault.advice}"
            raise RefusedExtractError(fault.reason, advice, file=file, row=found[0], column=native, value=found[1])
