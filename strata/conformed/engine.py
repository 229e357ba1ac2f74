"""In-memory DuckDB with every setting that decides a result said aloud. Nothing here opens a database file."""

import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

THREADS_VARIABLE = "STRATA_THREADS"
MEMORY_VARIABLE = "STRATA_MEMORY_LIMIT"
SPILL_VARIABLE = "STRATA_SPILL"
MAX_SPILL = "40GB"
QUERIES = Path(__file__).parent / "queries"


def threads() -> int:
    """Threads per process: `STRATA_THREADS`, else the machine's cores."""
    return int(os.environ.get(THREADS_VARIABLE) or os.cpu_count() or 1)


def memory_limit() -> str:
    """DuckDB memory limit per process: `STRATA_MEMORY_LIMIT`, else 4 GB."""
    return os.environ.get(MEMORY_VARIABLE) or "4GB"


def spill() -> dict[str, str]:
    """Where DuckDB puts what does not fit: a folder of its own below `STRATA_SPILL`, else the system's temporary one.

    It makes the folder when it needs it and removes it when it closes. In memory it would spill into the folder that
    the command was started in.
    """
    root = os.environ.get(SPILL_VARIABLE) or tempfile.gettempdir()
    folder = Path(root) / f"strata-spill-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    return {"temp_directory": str(folder), "max_temp_directory_size": MAX_SPILL}


@contextmanager
def engine(tables: Mapping[str, Path | pa.Table], **parameters: Any) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with one view per table and one SQL variable per parameter (`getvariable('cutoff')`).

    Args:
        tables: view name to a Parquet file or an Arrow table.
        parameters: values of SQL variables.
    """
    settings: dict[str, Any] = {"threads": threads(), "memory_limit": memory_limit(), **spill()}
    with duckdb.connect(":memory:", config=settings) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET enable_progress_bar = false")  # a worker's output is its answers
        for name, source in tables.items():
            if isinstance(source, pa.Table):
                connection.register(name, source)
            else:
                add_view(connection, name, source)
        for name, value in parameters.items():
            connection.execute(f"SET VARIABLE {name} = $1", [value])
        yield connection


def add_view(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> None:
    """Show a Parquet file under a name of ours."""
    source = str(path).replace("'", "''")
    connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{source}')")


def query(name: str) -> str:
    """The text of `queries/<name>.sql`."""
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
