"""What makes two things the same: content hashes of tables, canonical JSON, file digests.

Belongs here: hashing. Does not: deciding what is published (`strata.governance`).
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def canonical_json(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys, no spaces, no NaN: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sha256_json(value: Any) -> str:
    """SHA-256 of `canonical_json(value)`, in hex."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def content_hash(table: pa.Table, keys: Sequence[str], leave_out: Collection[str] = ()) -> str:
    """SHA-256 of a table's content: rows sorted by key, columns by name, one canonical encoding per value.

    Each column adds its name, its type, one validity byte per row and its values: fixed-width little-endian
    numbers (null = 0, -0.0 = 0.0), decimals as 128-bit integers at their scale, text as 4-byte lengths and UTF-8.
    Neither row order, chunking, dictionary encoding nor the file's compression changes it.

    Args:
        table: rows with unique `keys`; floats must be finite or null.
        keys: the columns that identify a row.
        leave_out: columns that are not content (`release_id`, audit timestamps).

    Raises:
        ValueError: a float is NaN or infinite, or a column is of a type that no table has.
    """
    ordered = table if is_sorted(table.to_batches(), keys) else table.sort_by([(key, "ascending") for key in keys])
    return _digest(ordered.num_rows, ordered.schema, lambda name: ordered.column(name).chunks, leave_out)


def content_hash_file(path: Path, keys: Sequence[str], leave_out: Collection[str] = ()) -> str:
    """`content_hash` of a Parquet file, page checksums verified; a file sorted by key is never held whole in memory.

    Raises:
        ValueError: as `content_hash`.
    """
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        if not is_sorted(file.iter_batches(columns=list(keys)), keys):
            return content_hash(file.read(), keys, leave_out)

        def chunks(name: str) -> Iterator[pa.Array]:
            return (batch.column(0) for batch in file.iter_batches(columns=[name]))

        return _digest(file.metadata.num_rows, file.schema_arrow, chunks, leave_out)


def is_sorted(batches: Iterable[pa.RecordBatch], keys: Sequence[str], *, strictly: bool = False) -> bool:
    """Whether rows ascend by key over all batches; strictly: and no key stands twice. Keys hold no nulls."""
    last: pa.RecordBatch | None = None
    for batch in batches:
        rows = pa.Table.from_batches([batch] if last is None else [last, batch]).select(list(keys))
        if not batch.num_rows:
            continue
        same = np.ones(rows.num_rows - 1, dtype=bool)
        for key in keys:
            before, after = rows[key].slice(0, rows.num_rows - 1), rows[key].slice(1)
            if (same & pc.greater(before, after).to_numpy()).any():
                return False
            same &= pc.equal(before, after).to_numpy()
        if strictly and same.any():
            return False
        last = batch.slice(batch.num_rows - 1)
    return True


def _digest(
    rows: int, schema: pa.Schema, chunks: Callable[[str], Iterable[pa.Array]], leave_out: Collection[str]
) -> str:
    """Digest over columns that come in chunks; a column is asked for once per pass, so that none is held whole."""
    digest = hashlib.sha256(f"rows={rows}".encode())
    for name in sorted(set(schema.names) - set(leave_out)):
        kind = schema.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        kind = pa.string() if pa.types.is_large_string(kind) else kind
        digest.update(f"|{name}:{kind}|".encode())
        passes = (_validity, _lengths, _letters) if pa.types.is_string(kind) else (_validity, _values)
        for encoded in passes:
            for chunk in chunks(name):
                plain = chunk.dictionary_decode() if pa.types.is_dictionary(chunk.type) else chunk
                try:
                    digest.update(encoded(plain if plain.type == kind else plain.cast(kind)))
                except ValueError as error:
                    raise ValueError(f"column {name} {error}") from error
    return digest.hexdigest()


def _validity(column: pa.Array) -> Any:
    return pc.is_valid(column).to_numpy(zero_copy_only=False).astype(np.uint8).tobytes()


def _lengths(column: pa.Array) -> Any:
    lengths = pc.binary_length(pc.fill_null(column, "")).to_numpy(zero_copy_only=False)
    return lengths.astype("<i4").tobytes()


def _letters(column: pa.Array) -> Any:
    filled = pc.fill_null(column, "")
    start, stop = _string_span(filled)
    data = filled.buffers()[2]
    return memoryview(data)[start:stop] if data is not None else b""


def _values(column: pa.Array) -> Any:
    kind = column.type
    if pa.types.is_decimal(kind):
        filled = pc.fill_null(column, pa.scalar(Decimal(0), type=kind))
        wide = np.frombuffer(filled.buffers()[1], dtype="<u8").reshape(-1, 2)
        return np.ascontiguousarray(wide[filled.offset : filled.offset + len(filled)]).tobytes()
    if pa.types.is_boolean(kind):
        return pc.fill_null(column, False).to_numpy(zero_copy_only=False).astype(np.uint8).tobytes()
    if pa.types.is_floating(kind):
        values = pc.fill_null(column, 0.0).to_numpy(zero_copy_only=False).astype("<f8")
        if not np.isfinite(values).all():
            raise ValueError("holds NaN or infinity; content must be finite or null")
        return (values + 0.0).tobytes()
    if pa.types.is_date(kind):
        column = column.cast(pa.date32()).cast(pa.int32())
    elif pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
    elif not pa.types.is_integer(kind):
        raise ValueError(f"is of type {kind}, which has no canonical encoding; see strata.tables.ARROW")
    return pc.fill_null(column, 0).to_numpy(zero_copy_only=False).astype("<i8").tobytes()


def _string_span(column: pa.Array) -> tuple[int, int]:
    offsets = np.frombuffer(column.buffers()[1], dtype="<i4")
    return (int(offsets[column.offset]), int(offsets[column.offset + len(column)])) if len(column) else (0, 0)
