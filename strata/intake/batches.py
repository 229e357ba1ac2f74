"""Accepted batches: the schema of rows.parquet, and the list of what lies in raw/.

Belongs here: reading what landing has accepted. Does not: accepting (`strata.intake.land`).
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from strata.home import Home
from strata.intake.contract import Column, ColumnType, Contract
from strata.intake.manifest import Manifest

ROWS_NAME = "rows.parquet"
BATCH_NAME = "batch.json"
ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "boolean": pa.bool_(),
}
CONTROL_FIELDS: tuple[pa.Field, ...] = (
    pa.field("_batch_id", pa.string()),
    pa.field("_file", pa.string()),
    pa.field("_row", pa.int64()),
    pa.field("_op", pa.string()),
    pa.field("_position", pa.int64()),
    pa.field("_sequence", pa.int64()),
    pa.field("_known_from", pa.timestamp("us", tz="UTC")),
    pa.field("_known_basis", pa.string()),
    pa.field("_origin", pa.string()),
    pa.field("_extract_kind", pa.string()),
    pa.field("_unchanged", pa.list_(pa.string())),
    pa.field("_refusal_reason", pa.string()),
    pa.field("_refusal_column", pa.string()),
    pa.field("_refused_value", pa.string()),
)
# What intake adds to each row; lineage tells it of every feed.
CONTROL_MEANINGS = {
    "_batch_id": "Accepted batch that brought the row.",
    "_file": "File of the extract.",
    "_row": "Record within the file, 1 is the first.",
    "_op": "u (upsert) or d (delete).",
    "_position": "Place in the source's log: log position, or instant of extraction in epoch microseconds.",
    "_sequence": "Order inside one position.",
    "_known_from": "When the row could first be known.",
    "_known_basis": "extracted, source (change time of the source) or assumed (first load).",
    "_origin": "real or simulated, as the source declared it.",
    "_extract_kind": "cdc (changes), snapshot (a whole table as of a position of its log) or full.",
    "_unchanged": "Columns that the source left out of a change because they did not change.",
    "_refusal_reason": "Why the row was refused; null for a good row.",
    "_refusal_column": "Column that the row was refused for.",
    "_refused_value": "Value that the row was refused for.",
}


@dataclass(frozen=True, slots=True)
class Batch:
    """One accepted batch in raw/.

    `first_position` and `last_position` are the range of `_position` (null in an empty batch of changes);
    `refusals` counts refused rows by reason; `accepted_rows` are good rows, deletes included; `duplicate_rows` were
    equal to an earlier row of a full extract and are not in rows.parquet, `excluded_rows` are not of the feed as its
    mapping says, `totalled_rows` were added into another one; `assumed_known` are the first and last known time that
    a first load was given; `landed_at` is the wall clock, which decides nothing.
    """

    system: str
    feed: str
    batch_id: str
    folder: Path
    manifest: Manifest
    first_position: int | None
    last_position: int | None
    accepted_rows: int
    refused_rows: int
    duplicate_rows: int
    refusals: dict[str, int]
    control_totals: dict[str, dict[str, Any]]
    touched_locations: tuple[str, ...]
    touched_regions: tuple[str, ...]
    warnings: tuple[str, ...]
    contract_sha256: str
    rows_sha256: str
    assumed_known: tuple[str, str] | None = None
    excluded_rows: int = 0
    totalled_rows: int = 0
    landed_at: datetime | None = None

    @property
    def other_rows(self) -> dict[str, int]:
        """Delivered rows that are neither accepted nor refused, by what became of them; none are lost."""
        found = {"repeated": self.duplicate_rows, "excluded": self.excluded_rows, "totalled": self.totalled_rows}
        if self.manifest.kind == "full":
            # The rest stands in tables that rows of the feed were only looked up in.
            known = self.accepted_rows + self.refused_rows + sum(found.values())
            found["looked_up"] = self.manifest.rows - known
        return {what: count for what, count in found.items() if count}

    @property
    def rows_file(self) -> Path:
        """The typed rows."""
        return self.folder / ROWS_NAME

    @property
    def sort_key(self) -> tuple[str, str, int, int, str]:
        """Order of batches: feed by feed, then along the source position."""
        first = self.manifest.extracted_micros if self.first_position is None else self.first_position
        return self.system, self.feed, first, first if self.last_position is None else self.last_position, self.batch_id


def controls(batch: Batch) -> dict[str, dict[str, Any]]:
    """What an extract states beside what was accepted, refused and dropped as a repeat: its rows, and its sums.

    Changes and mapped extracts may make several rows, or none, of one that is delivered, and rows of tables that are
    only looked up in are delivered and no rows of the feed: their verdict is `translated` where the counts differ.
    """
    found = batch.accepted_rows + batch.refused_rows + batch.duplicate_rows
    looks_up = len({file.table for file in batch.manifest.files}) > 1
    made = batch.manifest.kind == "cdc" or batch.excluded_rows or batch.totalled_rows or looks_up
    unequal = "translated" if made else "differs"
    rows = {
        "stated": batch.manifest.rows,
        "accepted": batch.accepted_rows,
        "refused": batch.refused_rows,
        "repeated": batch.duplicate_rows,
        "verdict": "matched" if found == batch.manifest.rows else unequal,
    }
    names = ("stated", "accepted", "refused", "repeated", "verdict")
    sums = {name: {key: total.get(key, "0") for key in names} for name, total in batch.control_totals.items()}
    return {"rows": rows, **sums}


def rows_schema(contract: Contract) -> pa.Schema:
    """Schema of rows.parquet: the contract's columns (nullable, since refused rows stay), then control columns."""
    columns = [pa.field(column.name, arrow_type(column)) for column in contract.columns]
    return pa.schema([*columns, *CONTROL_FIELDS])


def arrow_type(column: Column) -> pa.DataType:
    """How rows.parquet stores a column; a decimal has 14 digits before the point and its places after it."""
    return pa.decimal128(14 + column.places, column.places) if column.type == "decimal" else ARROW_TYPES[column.type]


def empty_rows(contract: Contract) -> pa.Table:
    """rows.parquet without rows, so that a feed that never came is typed all the same."""
    return rows_schema(contract).empty_table()


def read_batch(folder: Path) -> Batch:
    """Read one folder of raw/; ValueError naming the file where batch.json is damaged."""
    path = folder / BATCH_NAME
    try:
        content = json.loads(path.read_bytes())
        manifest = Manifest.model_validate(content["manifest"])
        return Batch(
            system=manifest.system,
            feed=manifest.feed,
            batch_id=content["batch_id"],
            folder=folder,
            manifest=manifest,
            first_position=content["first_position"],
            last_position=content["last_position"],
            accepted_rows=content["accepted_rows"],
            refused_rows=content["refused_rows"],
            duplicate_rows=content["duplicate_rows"],
            refusals=content["refusals"],
            control_totals=content["control_totals"],
            touched_locations=tuple(content["touched_locations"]),
            touched_regions=tuple(content["touched_regions"]),
            warnings=tuple(content["warnings"]),
            contract_sha256=content["contract_sha256"],
            rows_sha256=content["rows_sha256"],
            excluded_rows=sum(content.get("excluded", {}).values()),
            totalled_rows=content.get("totalled_rows", 0),
            landed_at=datetime.fromisoformat(content["landed_at"]) if content.get("landed_at") else None,
            assumed_known=tuple(content["assumed_known"]) if content.get("assumed_known") else None,
        )
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path}: no batch record ({error}); delete the folder, land the extract again") from error


def accepted_batches(home: Home) -> list[Batch]:
    """Everything accepted so far, sorted by system, feed, position and batch id."""
    folders = (path.parent for path in home.raw.glob(f"*/*/*/{BATCH_NAME}"))
    return sorted((read_batch(folder) for folder in folders), key=lambda batch: batch.sort_key)


def feed_batches(home: Home, system: str, feed: str) -> list[Batch]:
    """`accepted_batches` of one feed."""
    folders = (path.parent for path in (home.raw / system / feed).glob(f"*/{BATCH_NAME}"))
    return sorted((read_batch(folder) for folder in folders), key=lambda batch: batch.sort_key)
