"""The source rows behind one item: what was known of it at a cut-off, each row with batch, file and line.

Belongs here: as-known reads of a few rows of a snapshot. Does not: what they add up to (`strata.review.origins`).
"""

from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from strata.calendar import first_open_period, next_period
from strata.conformed.engine import engine, query
from strata.conformed.history import View

Row = dict[str, Any]
_SALES, _REFUSED = "fct_sales_line", "fct_refused_row"
_VERSION = ("known_from", "known_to", "known_basis", "source_batch_id", "source_file", "source_row", "origin")
_KNOWN = "known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))"
# The rows of one item are few: its own tables in memory instead of the whole company's.
_OF_ITEM = "create or replace temp view {0} as select * from read_parquet('{1}') where sku_id = getvariable('sku_id')"


def sales_lines(view: View, sku_id: str) -> list[Row]:
    """Every sales row of an item that had reached the region by the cut-off, as `demand_history` judged it.

    Returns:
        Columns of `sales_as_known` (with `line` and `reason`), and of its `document`: order_id, order_line,
        ordered_at, line_type, known_from, batch_id, file, row; refused rows have no order. By date and document.
    """
    tables = {name: source for name, source in view.tables().items() if name not in (_SALES, _REFUSED)}
    with engine(tables, **view.variables(), sku_id=sku_id, detail=True) as connection:
        for name in (_SALES, _REFUSED):
            connection.execute(_OF_ITEM.format(name, str(view.snapshot.table(name)).replace("'", "''")))
        connection.execute(query("conversion"))
        connection.execute(query("sales_as_known"))
        rows: list[Row] = (
            connection.execute(
                "select * exclude (document, customer_id, channel, order_id), unnest(document) from sales_as_known "
                "where sku_id = getvariable('sku_id')"
            )
            .to_arrow_table()
            .to_pylist()
        )
    return sorted(rows, key=lambda row: (row["local_date"] or date.min, row["batch_id"], row["file"], row["row"]))


def refused_rows(view: View, sku_id: str) -> list[Row]:
    """Rows of any feed that name the item and were refused, with column and value; of the region, or of none."""
    where = (
        "sku_id = $1 and known_from <= getvariable('known_at') "
        "and (location_id is null or location_id in (select location_id from place))"
    )
    return _read(view, _REFUSED, where, [sku_id])


def records(view: View, sku_id: str) -> dict[str, list[Row]]:
    """By table of the snapshot, the other rows that name the item and were known at the cut-off, newest first.

    A table with locations gives those of the region; a count of stock only where the shelf was empty for a day or
    more: the others say nothing that a class depends on. Keys and attributes, then the version columns.
    """
    found = {}
    for name in view.snapshot.tables:
        columns = pq.read_schema(view.snapshot.table(name)).names
        if name in (_SALES, _REFUSED) or not {"sku_id", "known_from", "known_to"} <= set(columns):
            continue
        where = [f"sku_id = $1 and {_KNOWN}"]
        if "location_id" in columns:
            where.append("location_id in (select location_id from place)")
        if "stockout_days" in columns:
            where.append("stockout_days > 0")
        if rows := _read(view, name, " and ".join(where), [sku_id]):
            found[name] = rows
    return found


def window(view: View, location_id: str) -> tuple[date, date]:
    """First day that the value of a class looks back to, and the first day after it."""
    buckets, scheme = view.scheme.buckets, view.scheme
    bucket, length = (
        (buckets.classification, scheme.value.window_cycles)
        if location_id == "*"
        else (buckets.planning, buckets.planning_periods)
    )
    stop = first_open_period(view.cutoff, view.calendar.zone(view.partition.region), bucket)
    return next_period(stop, bucket, -length), stop


def _read(view: View, table: str, where: str, parameters: list[str]) -> list[Row]:
    sources: dict[str, Any] = {
        "rows_of_table": view.snapshot.table(table),
        "int_location_version": view.snapshot.table("int_location_version"),
    }
    with engine(sources, **view.variables()) as connection:
        connection.execute(
            "create temp view place as select location_id from int_location_version "
            f"where region = getvariable('region') and {_KNOWN}"
        )
        found: pa.Table = connection.execute(
            f"select * from rows_of_table where {where} order by known_from desc, source_file, source_row",
            parameters,
        ).to_arrow_table()
    said = {column for column in found.column_names if found[column].null_count < found.num_rows}
    return [_split({name: value for name, value in row.items() if name in said}) for row in found.to_pylist()]


def _split(row: Row) -> Row:
    """Attributes first, then where the row came from under the names that sales lines have."""
    own = {name: value for name, value in row.items() if name not in _VERSION}
    come = {
        "known_from": row["known_from"],
        "batch_id": row["source_batch_id"],
        "file": row["source_file"],
        "row": row["source_row"],
    }
    return own | come
