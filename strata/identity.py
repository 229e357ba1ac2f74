"""What makes two things the same: content hashes of tables, canonical JSON, file digests.

Belongs here: hashing. Does not: deciding what is published (`strata.governance`).
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


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
    ordered = table.sort_by([(key, "ascending") for key in keys]) if keys else table
    digest = hashlib.sha256(f"rows={ordered.num_rows}".encode())
    for name in sorted(set(table.column_names) - set(leave_out)):
        column = pa.chunked_array(ordered.column(name)).combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], type=column.type)
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        _update(digest, name, column)
    return digest.hexdigest()


def _update(digest: Any, name: str, column: pa.Array) -> None:
    kind = column.type
    if pa.types.is_large_string(kind):
        kind, column = pa.string(), column.cast(pa.string())
    digest.update(f"|{name}:{kind}|".encode())
    digest.update(pc.is_valid(column).to_numpy(zero_copy_only=False).astype(np.uint8).tobytes())
    if pa.types.is_string(kind):
        filled = pc.fill_null(column, "")
        lengths = pc.binary_length(filled).to_numpy(zero_copy_only=False).astype("<i4")
        digest.update(lengths.tobytes())
        start, stop = _string_span(filled)
        data = filled.buffers()[2]
        digest.update(memoryview(data)[start:stop] if data is not None else b"")
        return
    if pa.types.is_decimal(kind):
        filled = pc.fill_null(column, pa.scalar(Decimal(0), type=kind))
        wide = np.frombuffer(filled.buffers()[1], dtype="<u8").reshape(-1, 2)
        digest.update(np.ascontiguousarray(wide[filled.offset : filled.offset + len(filled)]).tobytes())
        return
    if pa.types.is_boolean(kind):
        digest.update(pc.fill_null(column, False).to_numpy(zero_copy_only=False).astype(np.uint8).tobytes())
        return
    if pa.types.is_floating(kind):
        values = pc.fill_null(column, 0.0).to_numpy(zero_copy_only=False).astype("<f8")
        if not np.isfinite(values).all():
            raise ValueError(f"column {name} holds NaN or infinity; content must be finite or null")
        digest.update((values + 0.0).tobytes())
        return
    if pa.types.is_date(kind):
        column = column.cast(pa.date32()).cast(pa.int32())
    elif pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
    elif not pa.types.is_integer(kind):
        raise ValueError(f"column {name} is of type {kind}, which has no canonical encoding; see strata.tables.ARROW")
    digest.update(pc.fill_null(column, 0).to_numpy(zero_copy_only=False).astype("<i8").tobytes())


def _string_span(column: pa.Array) -> tuple[int, int]:
    offsets = np.frombuffer(column.buffers()[1], dtype="<i4")
    return (int(offsets[column.offset]), int(offsets[column.offset + len(column)])) if len(column) else (0, 0)
