"""Rows of a loaded file as changes or as rows of a table: which columns to read, and the SELECT over them.

Belongs here: what kind and envelope make of the rows of one file. Does not: formats (`strata.intake.readers`), events
(`strata.intake.debezium`).
"""

import duckdb

from strata.intake.casts import quoted
from strata.intake.contract import Column, Contract
from strata.intake.envelopes import TabularEnvelope, changes_sql, check_changes
from strata.intake.fivetran import FIVETRAN
from strata.intake.manifest import Manifest, ManifestFile
from strata.intake.positions import is_snapshot, log_range
from strata.intake.sap import SAP

TABULAR: dict[str, TabularEnvelope] = {envelope.name: envelope for envelope in (SAP, FIVETRAN)}
# Rows of a whole table as of a position count after every change at that position, which they hold already.
AFTER_ALL_CHANGES = 1 << 62


def read_columns(contract: Contract, manifest: Manifest) -> list[Column]:
    """What to read of a file: the contract's columns and, of changes, those of the envelope."""
    tabular = TABULAR.get(manifest.envelope)
    return [*contract.columns, *(tabular.columns if tabular and manifest.kind == "cdc" else ())]


def selected(
    connection: duckdb.DuckDBPyConnection, contract: Contract, manifest: Manifest, file: ManifestFile, index: int
) -> str:
    """SELECT of one part: its changes, or rows numbered by their place in the table."""
    names = ", ".join(contract.names)
    place = f"{quoted(file.name)} AS _file, {index} AS _file_index"
    if manifest.kind == "cdc":
        table, tabular = f"part_{index}", TABULAR[manifest.envelope]
        check_changes(connection, tabular, table, file.name)
        return (
            f"SELECT {names}, {place}, _row, _op, _position, _sequence, _source_ms, _is_snapshot, "  # noqa: S608
            f"NULL::VARCHAR[] AS _unchanged FROM ({changes_sql(tabular, contract, table)})"
        )
    position, before = manifest.extracted_micros, 0
    if is_snapshot(manifest):
        position, before = log_range(manifest).to, AFTER_ALL_CHANGES
    return (
        f"SELECT {names}, {place}, rowid + 1 AS _row, 'u' AS _op, {position}::BIGINT AS _position, "  # noqa: S608
        f"rowid + 1 + {before} AS _sequence, NULL::BIGINT AS _source_ms, false AS _is_snapshot, "
        f"NULL::VARCHAR[] AS _unchanged FROM part_{index}"
    )
