"""Models of the dbt project as plain SQL, without a dbt run: the project's own files and macros, rendered by Jinja.

Belongs here: running the merge of one feed over batches. Does not: what a pass adds to it (contracts, data tests).
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
from jinja2 import Environment

from tests.dbt.batches import EMPTIES, PROJECT

MACROS = "".join((PROJECT / "macros" / f"{name}.sql").read_text() for name in ("change_columns", "versions"))


def rendered(text: str, relation: str = "staged") -> str:
    """A model's SQL; whatever it refers to is `relation`."""
    return (
        Environment(extensions=["jinja2.ext.do"])
        .from_string(MACROS + text)
        .render(ref=lambda *_: relation, source=lambda *_: relation)
    )


@lru_cache
def merge_sql(feed: str, model: str) -> tuple[str, str]:
    """Staging and versions of a feed (`erp__purchase_order_lines`) as SQL over `landed` and `staged`."""
    (staging,) = PROJECT.rglob(f"stg_{feed}.sql")
    (versions,) = PROJECT.rglob(f"{model}.sql")
    return rendered(staging.read_text(), "landed"), rendered(versions.read_text(), "staged")


def merged(connection: duckdb.DuckDBPyConnection, feed: str, model: str, files: Sequence[Path]) -> list[dict[str, Any]]:
    """Versions of a feed as the conform pass makes them of these rows.parquet."""
    staging, versions = merge_sql(feed, model)
    connection.execute("set TimeZone = 'UTC'")
    connection.register("no_rows", EMPTIES[feed])
    landed = "select * from no_rows"
    if files:
        listed = ", ".join(f"'{file}'" for file in files)
        landed += f" union all by name select * from read_parquet([{listed}], union_by_name = true)"
    connection.execute(f"create or replace temp view landed as {landed}")
    connection.execute(f"create or replace temp view staged as {staging}")
    rows: list[dict[str, Any]] = connection.execute(versions).to_arrow_table().to_pylist()
    return rows
