"""Writing one extract into the landing zone: data files first, manifest.json last, byte-identical on a rerun.

Belongs here: file formats, envelopes, manifests. Does not: what the sample company sends and when
(`strata.sample.build`), reading extracts back (`strata.intake`).
"""

import gzip
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from strata.durable import fsync_path, write_bytes
from strata.home import Home
from strata.identity import sha256_file

Format = Literal["csv", "jsonl", "parquet", "csv.gz"]
Origin = Literal["real", "simulated"]
ROWS_PER_FILE = 5_000_000
SCHEMA_VERSION = 1
CDC_COLUMNS = ("__op", "__ts_ms", "__lsn")
SUFFIXES: dict[Format, str] = {"csv": "csv", "jsonl": "jsonl", "parquet": "parquet", "csv.gz": "csv.gz"}


@dataclass(frozen=True, slots=True)
class Extract:
    """One extract on disk: its folder, manifest, and whether this call changed anything."""

    folder: Path
    manifest: Mapping[str, Any]
    rows: int
    bytes: int
    is_new: bool


def write_extract(
    home: Home,
    system: str,
    feed: str,
    extract_id: str,
    table: pa.Table,
    *,
    kind: Literal["full", "cdc"],
    envelope: Literal["plain", "debezium"],
    format: Format,
    grain: Literal["event", "day", "week", "month"],
    extracted_at: datetime,
    business_date: date,
    position: Mapping[str, str],
    initial_load: bool,
    origin: Origin,
    control_totals: Sequence[str],
    schema_version: int = SCHEMA_VERSION,
) -> Extract:
    """Write `table` as `landing/<system>/<feed>/<extract_id>/` with its manifest.

    Timestamp columns must carry a time zone: text formats write them as local ISO 8601 time with offset. A Debezium
    table has the columns `__op` (c, u, d), `__ts_ms` and `__lsn` beside those of the feed; rows are written in the
    order given. An extract already there with equal content is left untouched.

    Args:
        home: where the landing zone is.
        system: source system, such as `erp`.
        feed: feed of that system.
        extract_id: folder name of the extract.
        table: rows in the order in which the source sends them, columns named as in the contract.
        kind: `full` for rows as they are now, `cdc` for changes.
        envelope: `debezium` only with `cdc` and `jsonl`.
        format: file format; `csv.gz` is CSV in a gzip file without time stamp.
        grain: finest time grain of the rows.
        extracted_at: instant of extraction, with time zone.
        business_date: last day the extract covers.
        position: `from` and `to` of the source position.
        initial_load: whether this is the first load of the feed.
        origin: whether somebody observed these rows or the sample company invented them.
        control_totals: decimal columns whose exact sums go into the manifest.
        schema_version: of the contract that the rows are written for.

    Raises:
        ValueError: a timestamp has no zone, or envelope, kind and format do not go together.
    """
    if (envelope == "debezium") != (kind == "cdc") or (kind == "cdc" and format != "jsonl"):
        raise ValueError(f"{system}/{feed}: envelope {envelope!r} does not go with kind {kind!r} and format {format!r}")
    if extracted_at.tzinfo is None:
        raise ValueError(f"{system}/{feed}: extracted_at {extracted_at} has no time zone")
    folder = home.landing / system / feed / extract_id
    folder.mkdir(parents=True, exist_ok=True)
    files: list[dict[str, Any]] = []
    temporaries: list[tuple[Path, Path]] = []
    try:
        for number, start in enumerate(range(0, max(table.num_rows, 1), ROWS_PER_FILE)):
            part = table.slice(start, ROWS_PER_FILE)
            target = folder / f"part-{number}.{SUFFIXES[format]}"
            temporary = folder / f".{target.name}.{os.getpid()}.tmp"
            temporaries.append((temporary, target))
            _write_rows(temporary, part, envelope=envelope, format=format, feed=f"{system}.{feed}")
            size = temporary.stat().st_size
            files.append({"name": target.name, "sha256": sha256_file(temporary), "rows": part.num_rows, "bytes": size})
        manifest = {
            "system": system,
            "feed": feed,
            "extract_id": extract_id,
            "kind": kind,
            "envelope": envelope,
            "schema_version": schema_version,
            "initial_load": initial_load,
            "grain": grain,
            "extracted_at": extracted_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "position": dict(position),
            "format": "csv" if format == "csv.gz" else format,
            "encoding": "utf-8",
            "delimiter": ",",
            "business_date": business_date.isoformat(),
            "origin": origin,
            "files": files,
            "control_totals": {name: _total(table.column(name)) for name in control_totals},
        }
        is_new = _settle(folder, temporaries, (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode())
    finally:
        for temporary, _ in temporaries:
            temporary.unlink(missing_ok=True)
    return Extract(folder, manifest, table.num_rows, sum(file["bytes"] for file in files), is_new)


def _settle(folder: Path, temporaries: list[tuple[Path, Path]], manifest: bytes) -> bool:
    """Put files and manifest in place; False where they are there already. Without its manifest an extract is not."""
    manifest_file = folder / "manifest.json"
    is_same = manifest_file.exists() and manifest_file.read_bytes() == manifest
    if is_same and all(
        target.exists() and sha256_file(target) == sha256_file(temporary) for temporary, target in temporaries
    ):
        return False
    manifest_file.unlink(missing_ok=True)
    for temporary, target in temporaries:
        fsync_path(temporary)
        temporary.replace(target)
    write_bytes(manifest_file, manifest)
    return True


def _write_rows(path: Path, table: pa.Table, *, envelope: str, format: Format, feed: str) -> None:
    if format == "parquet":
        pq.write_table(table, path, compression="zstd", write_page_checksum=True)
        return
    text = _with_iso_times(table, feed)
    if format == "jsonl":
        _write_json_lines(path, text, is_change=envelope == "debezium", feed=feed)
        return
    pyarrow.csv.write_csv(text, path)
    if format == "csv.gz":
        plain = path.with_name(path.name + ".plain")
        path.rename(plain)
        try:
            with (
                plain.open("rb") as source,
                path.open("wb") as raw,
                gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0, compresslevel=6) as packed,
            ):
                shutil.copyfileobj(source, packed, 1 << 20)
        finally:
            plain.unlink()


def _write_json_lines(path: Path, table: pa.Table, *, is_change: bool, feed: str) -> None:
    """Decimals go as text, so that no reader turns them into floats on the way."""
    names = [name for name in table.column_names if name not in CDC_COLUMNS]
    fields = ", ".join(f'"{name}": {_json_value(table.schema.field(name))}' for name in names)
    row = "{" + fields + "}"
    if is_change:
        system, _, name = feed.partition(".")
        select = f"""select case when __op <> 'd' then null else {row} end as "before",
            case when __op = 'd' then null else {row} end as "after",
            {{'connector': 'postgresql', 'db': '{system}', 'table': '{name}', 'ts_ms': __ts_ms, 'lsn': __lsn}}
                as source,
            __op as op, __ts_ms as ts_ms from rows"""
    else:
        select = "select " + ", ".join(f'{_json_value(table.schema.field(name))} as "{name}"' for name in names)
        select += " from rows"
    with duckdb.connect() as connection:
        connection.register("rows", table)
        connection.execute("set threads = 1")
        connection.execute(f"copy ({select}) to '{str(path).replace(chr(39), chr(39) * 2)}' (format json)")


def _json_value(field: pa.Field) -> str:
    return f'"{field.name}"' if pa.types.is_integer(field.type) else f'"{field.name}"::varchar'


def _with_iso_times(table: pa.Table, feed: str) -> pa.Table:
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            if field.type.tz is None:
                raise ValueError(f"{feed}: column {field.name} holds timestamps without a time zone")
            table = table.set_column(index, field.name, iso_text(table.column(index)))
    return table


def iso_text(instants: pa.ChunkedArray) -> pa.Array:
    """Instants as local ISO 8601 text with offset, such as `2017-07-01T08:00:00-04:00`, to the second."""
    values = pa.concat_arrays(instants.chunks) if instants.num_chunks else pa.array([], instants.type)
    local = pc.local_timestamp(values)
    utc = values.cast(pa.timestamp(values.type.unit, "UTC")).cast(pa.timestamp(values.type.unit))
    minutes = pc.divide(pc.subtract(local, utc).cast(pa.int64()), 60 * _per_second(values.type.unit))
    known = pc.unique(minutes.drop_null()).to_pylist()
    suffix = pa.array([f"{'-' if m < 0 else '+'}{abs(m) // 60:02d}:{abs(m) % 60:02d}" for m in known], pa.string())
    offsets = pc.take(suffix, pc.index_in(minutes, pa.array(known, pa.int64())))
    clock = pc.strftime(local.cast(pa.timestamp("s"), safe=False), "%Y-%m-%dT%H:%M:%S")
    return pc.binary_join_element_wise(clock, offsets, "")


def _per_second(unit: str) -> int:
    return {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[unit]


def _total(column: pa.ChunkedArray) -> float:
    total = pc.sum(column).as_py()
    return float(total) if total is not None else 0.0


def as_decimal(scaled: NDArray[np.int64], missing: NDArray[np.bool_] | None = None) -> pa.Array:
    """int64 in units of 0.0001 as decimal128(18, 4); exact, no float between. `missing` marks nulls."""
    wide = np.empty((len(scaled), 2), dtype="<i8")
    wide[:, 0] = scaled
    wide[:, 1] = np.where(scaled < 0, -1, 0)
    values = pa.Array.from_buffers(pa.decimal128(18, 4), len(scaled), [None, pa.py_buffer(wide)])
    return values if missing is None else pc.if_else(pa.array(missing), pa.scalar(None, values.type), values)


def as_scaled(column: pa.ChunkedArray | pa.Array) -> NDArray[np.int64]:
    """decimal128(18, 4) without nulls as int64 in units of 0.0001: the inverse of `as_decimal`."""
    values = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) and column.num_chunks else column
    if not len(values):
        return np.empty(0, dtype=np.int64)
    if values.null_count:
        raise ValueError("a decimal column with nulls has no integer form; fill it first")
    wide = np.frombuffer(values.buffers()[1], dtype="<i8").reshape(-1, 2)
    return wide[values.offset : values.offset + len(values), 0].copy()
