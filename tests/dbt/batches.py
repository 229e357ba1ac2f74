"""Accepted batches made by hand for the dbt tests: rows.parquet as intake writes it, without intake.

Belongs here: writing rows. Does not: what must come out (the tests say that beside the rows).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from strata.home import REPOSITORY
from strata.intake.batches import empty_rows
from strata.intake.contract import load_contracts

PROJECT = REPOSITORY / "dbt_project"
EMPTIES = {
    f"{system}__{feed}": empty_rows(contract)
    for (system, feed), contract in load_contracts(REPOSITORY / "config" / "feeds").items()
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    """`2017-02-01` or `2017-02-01 06:00` as an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def micros(instant: datetime) -> int:
    """Epoch microseconds, the position of a full extract."""
    return (instant - EPOCH) // (datetime.resolution)


@dataclass
class Batches:
    """Writes batches below a raw folder and collects what `build_snapshot` wants."""

    raw: Path
    records: list[dict[str, Any]] = field(default_factory=list)
    inputs: dict[str, list[Path]] = field(default_factory=dict)

    def full(
        self,
        feed: str,
        extracted: str,
        rows: Sequence[Mapping[str, Any]],
        *,
        initial: bool = False,
        known_from: Sequence[str] = (),
    ) -> str:
        """A full extract; an initial load takes `known_from` per row, else 1970."""
        position = micros(at(extracted))
        default = EPOCH if initial else at(extracted)
        changes = [
            {
                "_op": "u",
                "_position": position,
                "_sequence": number + 1,
                "_known_from": at(known_from[number]) if known_from else default,
                "_known_basis": "assumed" if initial else "extracted",
                "_extract_kind": "full",
            }
            | dict(row)
            for number, row in enumerate(rows)
        ]
        return self._write(feed, extracted, changes)

    def cdc(self, feed: str, extracted: str, rows: Sequence[Mapping[str, Any]]) -> str:
        """Changes with a log position: each row says `_op`, `_position`, `_sequence` and `ts`."""
        changes = []
        for row in rows:
            change = dict(row)
            known = {"_known_from": at(change.pop("ts")), "_known_basis": "source", "_extract_kind": "cdc"}
            changes.append(change | known)
        return self._write(feed, extracted, [{k: v for k, v in change.items() if k != "ts"} for change in changes])

    def _write(self, feed: str, extracted: str, changes: Sequence[Mapping[str, Any]]) -> str:
        batch_id = hashlib.sha256(f"{feed}|{extracted}|{changes}".encode()).hexdigest()
        schema = EMPTIES[feed].schema
        common = {"_batch_id": batch_id, "_file": "part-0.csv", "_origin": "real"}
        rows = [
            common
            | {"_row": number + 1}
            | {name: _typed(value, schema.field(name).type) for name, value in row.items()}
            for number, row in enumerate(changes)
        ]
        folder = self.raw / feed.replace("__", "/") / batch_id
        folder.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "rows.parquet")
        system, _, name = feed.partition("__")
        self.records.append(
            {
                "system": system,
                "feed": name,
                "batch_id": batch_id,
                "position": {"from": None, "to": None},
                "extracted_at": extracted,
                "sha256": batch_id,
            }
        )
        self.inputs.setdefault(feed, []).append(folder / "rows.parquet")
        return batch_id


def _typed(value: Any, kind: pa.DataType) -> Any:
    if value is None or not isinstance(value, str):
        return Decimal(value) if isinstance(value, int) and pa.types.is_decimal(kind) else value
    if pa.types.is_decimal(kind):
        return Decimal(value)
    if pa.types.is_date(kind):
        return date.fromisoformat(value)
    if pa.types.is_timestamp(kind):
        return at(value)
    return value
