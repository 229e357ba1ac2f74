"""In-memory DuckDB with every setting that decides a result said aloud. Nothing here opens a database file."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

QUERIES = Path(__file__).parent / "queries"


def threads() -> int:
    """Threads per process: `STRATA_THREADS`, else the machine's cores."""
    return int(os.environ.get("STRATA_THREADS") or os.cpu_count() or 1)


def memory_limit() -> str:
    """DuckDB memory limit per process: `STRATA_MEMORY_LIMIT`, else 4 GB."""
    return os.environ.get("STRATA_MEMORY_LIMIT") or "4GB"


@contextmanager
def engine(tables: Mapping[str, Path | pa.Table], **parameters: Any) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with one view per table and one SQL variable per parameter (`getvariable('cutoff')`).

    Args:
        tables: view name to a Parquet file or an Arrow table.
        parameters: values of SQL variables.
    """
    with duckdb.connect(":memory:", config={"threads": threads(), "memory_limit": memory_limit()}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = false")
        for name, source in tables.items():
            if isinstance(source, pa.Table):
                connection.register(name, source)
            else:
                path = str(source).replace("'", "''")
                connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{path}')")
        for name, value in parameters.items():
            connection.execute(f"SET VARIABLE {name} = $1", [value])
        yield connection


def query(name: str) -> str:
    """The text of `queries/<name>.sql`."""
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
