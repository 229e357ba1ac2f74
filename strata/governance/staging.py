"""A release in the making: Parquet, one DuckDB file and the manifest, in scratch, read back before it is trusted (P2).

Belongs here: writing and re-reading files of a release. Does not: what is in them (`strata.governance.content`), moving
them into place (`strata.governance.protocol`).
"""

import json
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from strata.durable import read_parquet, write_bytes, write_parquet
from strata.governance.records import GovernanceError
from strata.governance.releases import DUCKDB_FILE, MANIFEST, Manifest
from strata.home import Home
from strata.identity import sha256_file
from strata.tables import TABLES, Table, release_schema

OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
PUBLISH_FOLDER = "publish"
THREADS = 2  # tables written or read back at once: each is held whole


@dataclass(frozen=True, slots=True)
class Staged:
    """A release written to scratch and read back: where it lies, and what its manifest says."""

    folder: Path
    manifest: Manifest
    manifest_sha256: str


def stage(home: Home, run_id: str, body: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> Staged:
    """Write a release into `staging/<run_id>/publish/<release_id>/` and verify what was written.

    Args:
        home: the home.
        run_id: whose scratch folder is used; what an earlier attempt left there is replaced.
        body: the manifest but for tables and files.
        tables: every published table without `release_id`, conformed.

    Raises:
        GovernanceError: what was read back is not what was written.
    """
    release_id = str(body["release_id"])
    folder = home.scratch(run_id) / PUBLISH_FOLDER / release_id
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with ThreadPoolExecutor(THREADS) as pool:  # hashing and compressing leave the interpreter free
        listed = list(pool.map(lambda name: _written(folder, name, tables[name], release_id), tables))
    write_duckdb(folder)
    manifest = {
        **body,
        "tables": listed,
        "files": [_file_entry(folder / DUCKDB_FILE)],
    }
    write_bytes(
        folder / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
    )
    if faults := content_faults(folder, manifest):
        raise GovernanceError(f"staged release {release_id} does not read back as it was written: {'; '.join(faults)}")
    return Staged(folder, manifest, sha256_file(folder / MANIFEST))


def with_release_id(table: Table, rows: pa.Table, release_id: str) -> pa.Table:
    """The rows as they stand in a release."""
    schema = release_schema(table)
    return pa.Table.from_arrays([*rows.columns, pa.array([release_id] * rows.num_rows, pa.string())], schema=schema)


def write_duckdb(folder: Path) -> None:
    """Build the database from the Parquet beside it, with tables and columns commented; leave no write-ahead log."""
    path = folder / DUCKDB_FILE
    connection = duckdb.connect(path, config=OFFLINE)
    try:
        connection.execute("BEGIN")  # one log flush instead of one per statement: 0.1 s instead of 1 s
        for table in TABLES.values():
            source = str(folder / f"{table.name}.parquet").replace("'", "''")
            connection.execute(
                f"CREATE TABLE {table.name} AS SELECT * FROM read_parquet('{source}', hive_partitioning = false)"
            )
            connection.execute(f"COMMENT ON TABLE {table.name} IS '{_quoted(table.meaning)}'")
            for column in table.columns:
                connection.execute(f"COMMENT ON COLUMN {table.name}.{column.name} IS '{_quoted(column.meaning)}'")
        connection.execute("COMMIT")
        connection.execute("CHECKPOINT")
    finally:
        connection.close()
    if path.with_name(f"{path.name}.wal").exists():
        raise GovernanceError(f"{path} left a write-ahead log; the database is not closed")


def content_faults(folder: Path, manifest: Manifest) -> list[str]:
    """What the files of a release say against its manifest: bytes, rows and content, Parquet and DuckDB alike."""
    release_id, faults = manifest["release_id"], []
    expected = {MANIFEST, *(f"{name}.parquet" for name in TABLES), *(file["name"] for file in manifest["files"])}
    present = {path.name for path in folder.iterdir()}
    faults += [f"file {name} is missing" for name in sorted(expected - present)]
    faults += [f"file {name} does not belong to the release" for name in sorted(present - expected)]
    if declared := {table["name"] for table in manifest["tables"]} ^ set(TABLES):
        faults.append(f"manifest and tables.py differ in tables {sorted(declared)}")
    if faults:
        return faults
    for file in manifest["files"]:
        if sha256_file(folder / file["name"]) != file["sha256"]:
            faults.append(f"file {file['name']} has other bytes than the manifest says")
    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(lambda entry: _file_faults(folder, entry, release_id), manifest["tables"]):
            faults += found
    return faults if faults else _duckdb_faults(folder / DUCKDB_FILE, manifest)


def _file_faults(folder: Path, entry: Mapping[str, Any], release_id: str) -> list[str]:
    path = folder / f"{entry['name']}.parquet"
    if sha256_file(path) != entry["sha256"]:
        return [f"file {path.name} has other bytes than the manifest says"]
    return _table_faults(path.name, read_parquet(path), entry, release_id)


def _duckdb_faults(path: Path, manifest: Manifest) -> list[str]:
    faults = []
    try:
        connection = duckdb.connect(path, read_only=True, config=OFFLINE)
    except duckdb.Error as error:
        return [f"{path.name} does not open: {error}"]
    try:
        connection.execute("SET TimeZone = 'UTC'")
        for entry in manifest["tables"]:
            rows = connection.execute(f"SELECT * FROM {entry['name']}").to_arrow_table()
            schema = release_schema(TABLES[entry["name"]])
            faults += _table_faults(f"{path.name} {entry['name']}", rows.cast(schema), entry, manifest["release_id"])
    except (duckdb.Error, pa.ArrowInvalid, ValueError) as error:
        faults.append(f"{path.name} cannot be read: {error}")
    finally:
        connection.close()
    return faults


def _table_faults(where: str, rows: pa.Table, entry: Mapping[str, Any], release_id: str) -> list[str]:
    faults = []
    if rows.num_rows != entry["rows"]:
        faults.append(f"{where}: {rows.num_rows} rows, the manifest says {entry['rows']}")
    elif TABLES[entry["name"]].content_hash(rows) != entry["content_hash"]:
        faults.append(f"{where}: its content is not the one in the manifest")
    if set(rows["release_id"].unique().to_pylist()) - {release_id}:
        faults.append(f"{where}: rows of another release")
    return faults


def _written(folder: Path, name: str, rows: pa.Table, release_id: str) -> dict[str, Any]:
    """Write one table; its entry in the manifest."""
    path = folder / f"{name}.parquet"
    write_parquet(path, with_release_id(TABLES[name], rows, release_id))
    columns = [{"name": field.name, "type": str(field.type)} for field in pq.read_schema(path)]
    return {
        "name": name, "rows": rows.num_rows, "columns": columns, "sha256": sha256_file(path),
        "content_hash": TABLES[name].content_hash(rows),
    }  # fmt: skip


def _file_entry(path: Path) -> dict[str, Any]:
    return {"name": path.name, "sha256": sha256_file(path), "bytes": path.stat().st_size}


def _quoted(text: str) -> str:
    return text.replace("'", "''")
