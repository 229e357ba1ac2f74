"""JSON lines to text columns: strict JSON, plain rows (with the columns of an envelope) or events.

Belongs here: one line, one object; numbers kept as the text that stands in the file. Does not: types
(`strata.intake.casts`), what an event means (`strata.intake.debezium`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from strata.intake.contract import Column, Contract
from strata.intake.debezium import UNAVAILABLE, Change, EnvelopeError, EventReader
from strata.intake.manifest import Manifest, distinct, no_constant
from strata.intake.reasons import RefusedExtractError

# A longer line is not a record of a table; DuckDB's CSV reader has the same bound.
MAX_LINE_BYTES = 2_000_000
# Lines per Arrow batch: 50,000 rows of 13 short texts are some 40 MB as Python objects.
_CHUNK = 50_000

CHANGE_SCHEMA: tuple[pa.Field, ...] = (
    pa.field("_row", pa.int64()),
    pa.field("_op", pa.string()),
    pa.field("_change_position", pa.int64()),
    pa.field("_change_sequence", pa.int64()),
    pa.field("_source_ms", pa.int64()),
    pa.field("_is_snapshot", pa.bool_()),
    pa.field("_unchanged", pa.list_(pa.string())),
)


class LineReader:
    """Reads one JSONL file; `rows` and `warnings` are complete when the batches have been taken.

    `marks` are columns that a tabular envelope adds to those of the contract.
    """

    def __init__(
        self, path: Path, name: str, contract: Contract, manifest: Manifest, marks: Sequence[Column] = ()
    ) -> None:
        self.rows = 0
        self.warnings: set[str] = set()
        self._path, self._name = path, name
        self._events = EventReader(contract, is_whole=manifest.kind == "full")
        self._is_events = manifest.envelope == "debezium"
        columns = [*contract.columns, *marks]
        self._names = [column.name for column in columns]
        self._natives = [column.source_name for column in columns]
        self._decoder = json.JSONDecoder(
            object_pairs_hook=distinct, parse_constant=no_constant, parse_float=str, parse_int=str
        )

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Text columns by canonical name, then `CHANGE_SCHEMA`; RefusedExtractError where a line is not right."""
        fields = [pa.field(name, pa.string()) for name in self._names]
        schema = pa.schema([*fields, *CHANGE_SCHEMA])
        rows: list[list[Any]] = []
        for row, content in self._objects():
            for change in self._changes(row, content):
                rows.append(self._texts(row, change))
            if len(rows) >= _CHUNK:
                yield _batch(rows, schema)
                rows = []
        yield _batch(rows, schema)

    def _objects(self) -> Iterator[tuple[int, Any]]:
        with self._path.open("rb") as handle:
            while line := handle.readline(MAX_LINE_BYTES + 1):
                self.rows += 1
                if len(line) > MAX_LINE_BYTES:
                    raise self._refused(self.rows, "json_malformed", f"the line has over {MAX_LINE_BYTES} bytes")
                try:
                    content = self._decoder.decode(line.decode("utf-8-sig" if self.rows == 1 else "utf-8").strip())
                except (ValueError, RecursionError) as error:
                    raise self._refused(self.rows, "json_malformed", f"no strict JSON: {error}") from error
                yield self.rows, content

    def _changes(self, row: int, content: Any) -> list[Change]:
        if content is None and self._is_events:
            return []
        if not isinstance(content, dict):
            raise self._refused(row, "json_malformed", "the line is not an object")
        if not self._is_events:
            return [Change("u", content, 0, None, 0, False)]
        try:
            return self._events.changes(content)
        except EnvelopeError as error:
            raise self._refused(row, error.reason, error.advice, error.column) from error

    def _texts(self, row: int, change: Change) -> list[Any]:
        values = change.values
        if change.op == "u" and len(values) != len(self._natives):
            self._compare_names(row, values)
        texts: list[Any] = []
        for native in self._natives:
            if native not in values:
                if change.op == "u":
                    self._compare_names(row, values)
                texts.append(None)
                continue
            value = values[native]
            if value is not None and not isinstance(value, str):
                if not isinstance(value, bool):
                    raise self._refused(row, "wrong_type", "the value is an object or a list; write one value", native)
                value = "true" if value else "false"
            elif value is not None and not value.isascii():
                self._check_unicode(row, native, value)
            texts.append(value)
        unchanged = None
        if change.unchanged:
            unchanged = [name for name, text in zip(self._names, texts, strict=True) if text == UNAVAILABLE]
            texts = [None if text == UNAVAILABLE else text for text in texts]
        return [*texts, row, change.op, *change[2:6], unchanged]

    def _check_unicode(self, row: int, native: str, value: str) -> None:
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self._refused(row, "json_malformed", f"half a surrogate pair: {error}", native) from error

    def _compare_names(self, row: int, values: Mapping[str, Any]) -> None:
        missing = [native for native in self._natives if native not in values]
        added = sorted(set(values) - set(self._natives))
        if missing:
            advice = f"columns {missing} are missing (found besides: {added}); write null where a value is unknown"
            raise self._refused(row, "column_missing", advice, missing[0])
        self.warnings.update(f"column_added: {name}" for name in added)

    def _refused(self, row: int, reason: str, advice: str, column: str | None = None) -> RefusedExtractError:
        return RefusedExtractError(reason, advice, file=self._name, row=row, column=column)


def _batch(rows: list[list[Any]], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
