"""Files that survive a crash whole: write beside, fsync, rename, fsync the folder."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def fsync_path(path: Path) -> None:
    """Flush a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Make `path` appear whole or not at all; `write` fills a temporary file in the same folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        fsync_path(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_path(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """`write_file` for bytes at hand."""
    write_file(path, lambda temporary: temporary.write_bytes(data))


def write_parquet(path: Path, table: pa.Table) -> None:
    """Parquet with page checksums, whole or absent (a flipped bit is then an error, not a wrong number)."""
    write_file(path, lambda temporary: pq.write_table(table, temporary, compression="zstd", write_page_checksum=True))


def write_batches(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """`write_parquet` of rows that come in batches, each one row group: no more than one is held."""

    def write(temporary: Path) -> None:
        with pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as writer:
            for batch in batches:
                writer.write_batch(batch)

    write_file(path, write)


def read_parquet(path: Path) -> pa.Table:
    """Read what `write_parquet` wrote, page checksums verified."""
    return pq.read_table(path, page_checksum_verification=True, partitioning=None)


def promote(source: Path, target: Path) -> bool:
    """Rename a finished folder into place with everything in it flushed; False if `target` was there already."""
    for folder, _, files in os.walk(source):
        for name in files:
            fsync_path(Path(folder) / name)
        fsync_path(Path(folder))
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError:
        if target.is_dir():
            return False
        raise
    fsync_path(target.parent)
    return True
