"""Any demand panel in the documented import format as demand of the sample company.

Belongs here: reading a long CSV or Parquet file with one row per item, location and date. Does not: the mapping of
foreign column names and this home's configuration (`strata import`).
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from strata.sample.demand import CUSTOMER_SCHEMA, ITEM_SCHEMA, PROMOTION_SCHEMA, SITE_SCHEMA, Demand, line_schema

REQUIRED = ("sku_id", "location_id", "date", "quantity", "unit_price", "region")
OPTIONAL = ("category", "customer_id", "channel", "order_id", "order_line", "currency", "promotion")


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelSpec:
    """What a panel does not say.

    Attributes:
        zone: time zone of its dates; sales are booked at `sales_hour` local time.
        currency: where the panel has no column `currency`.
        grain: finest time grain of the dates.
        sales_hour: hour of the day at which a row is booked.
        channel: where the panel has no column `channel`.
    """

    zone: str
    currency: str
    grain: str
    sales_hour: int
    channel: str


SHIPPED = PanelSpec(zone="America/New_York", currency="USD", grain="event", sales_hour=12, channel="panel")


class PanelError(ValueError):
    """A demand panel cannot be read; the message names file, column and row, and what to do."""


def read_panel(path: Path, *, spec: PanelSpec) -> Demand:
    """Demand from a long CSV or Parquet file.

    Needs `sku_id, location_id, date, quantity, unit_price, region`; `category, customer_id, channel, order_id,
    order_line, currency` are used where they are there. Rows of quantity 0 say "nothing asked for" and are left out;
    negative ones are returns of unknown reference and stay for the contract to refuse.

    Raises:
        PanelError: the file is missing or no CSV or Parquet, a column is missing, a value is no date or number, a key
            is empty, or a location lies in two regions.
    """
    if not path.is_file():
        raise PanelError(f"{path}: no such file; --demand takes completejourney, generator, or a panel file")
    with duckdb.connect() as connection:
        try:
            if path.suffix == ".parquet":
                connection.read_parquet(str(path)).create_view("panel")
            else:
                connection.read_csv(str(path), header=True, all_varchar=True).create_view("panel")
        except duckdb.Error as error:
            raise PanelError(f"{path}: neither Parquet nor CSV with a header: {error}") from error
        _check(connection, path)
        rows = _rows(connection, spec)
    if not rows.num_rows:
        raise PanelError(f"{path}: no row with a quantity other than 0")
    return _demand(path, rows, spec)


def _check(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    columns = {row[0] for row in connection.sql("describe panel").fetchall()}
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise PanelError(f"{path}: column {', '.join(missing)} is missing; the panel needs {', '.join(REQUIRED)}")
    absent = "".join(f", null::varchar as {name}" for name in OPTIONAL if name not in columns)
    connection.execute(f"create temp table numbered as select *{absent}, row_number() over () as row_number from panel")
    wrong = (
        ("date", "try_cast(date as date) is null", "write dates as YYYY-MM-DD"),
        ("quantity", "try_cast(quantity as decimal(18, 4)) is null", "write a number with a decimal point"),
        ("unit_price", "try_cast(unit_price as decimal(18, 4)) is null", "write a number with a decimal point"),
        ("sku_id", "coalesce(sku_id::varchar, '') = ''", "every row needs an item"),
        ("location_id", "coalesce(location_id::varchar, '') = ''", "every row needs a location"),
        ("region", "coalesce(region::varchar, '') = ''", "every row needs a region"),
    )
    for column, condition, advice in wrong:
        bad = connection.sql(
            f"select row_number, {column}::varchar from numbered where {condition} order by 1 limit 1"
        ).fetchone()
        if bad is not None:
            raise PanelError(f"{path}, row {bad[0]}, column {column}: {bad[1]!r}; {advice}")
    twice = connection.sql(
        "select location_id::varchar from numbered group by location_id having count(distinct region) > 1 order by 1"
    ).fetchone()
    if twice is not None:
        raise PanelError(f"{path}, column region: location {twice[0]!r} lies in two regions; give it one")


def _rows(connection: duckdb.DuckDBPyConnection, spec: PanelSpec) -> pa.Table:
    return connection.execute(
        """select coalesce(order_id::varchar, 'P' || lpad(row_number::varchar, 9, '0')) as order_id,
            coalesce(try_cast(order_line as bigint), 1) as order_line,
            sku_id::varchar as sku_id, location_id::varchar as location_id, region::varchar as region,
            coalesce(customer_id::varchar, 'C-' || location_id::varchar) as customer_id,
            coalesce(channel::varchar, $channel) as channel, category::varchar as category,
            date::date::timestamp + to_hours($hour) as moment,
            quantity::decimal(18, 4) as quantity,
            (quantity::decimal(18, 4) * unit_price::decimal(18, 4))::decimal(18, 4) as net_amount,
            coalesce(currency::varchar, $currency) as currency
        from numbered where quantity::decimal(18, 4) <> 0
        order by moment, order_id, order_line, location_id, sku_id""",
        {"channel": spec.channel, "currency": spec.currency, "hour": spec.sales_hour},
    ).to_arrow_table()


def _demand(path: Path, rows: pa.Table, spec: PanelSpec) -> Demand:
    size = rows.num_rows
    lines = pa.table(
        {
            "order_id": rows.column("order_id"),
            "order_line": rows.column("order_line"),
            "sku_id": rows.column("sku_id"),
            "location_id": rows.column("location_id"),
            "customer_id": rows.column("customer_id"),
            "channel": rows.column("channel"),
            "ordered_at": pc.assume_timezone(
                rows.column("moment"), spec.zone, ambiguous="earliest", nonexistent="latest"
            ),
            "quantity": rows.column("quantity"),
            "unit": pa.array(["EA"] * size),
            "net_amount": rows.column("net_amount"),
            "currency": rows.column("currency"),
            "line_type": pa.array(["sale"] * size),
            "promotion_id": pa.nulls(size, pa.string()),
        }
    ).cast(line_schema(spec.zone))
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        items = connection.sql(
            """select sku_id, null::varchar as item_name, min(category) as category, min(category) as family,
                null::date as launch_date, null::date as end_date from rows group by sku_id order by sku_id"""
        ).to_arrow_table()
        customers = connection.sql(
            """select customer_id, customer_id as customer_name, min(region) as region, min(channel) as channel,
                2::bigint as priority from rows group by customer_id order by customer_id"""
        ).to_arrow_table()
        sites = connection.execute(
            """select location_id, location_id as location_name, min(region) as region, 'dc' as location_type,
                $zone as time_zone from rows group by location_id order by location_id""",
            {"zone": spec.zone},
        ).to_arrow_table()
    days = np.unique(rows.column("moment").to_numpy().astype("datetime64[D]"))
    return Demand(
        name=path.name,
        origin="real",
        zone=spec.zone,
        currency=spec.currency,
        grain=spec.grain,
        first_day=days[0].astype(object),
        last_day=days[-1].astype(object),
        lines=lines,
        items=items.cast(ITEM_SCHEMA),
        customers=customers.cast(CUSTOMER_SCHEMA),
        sites=sites.cast(SITE_SCHEMA),
        promotions=PROMOTION_SCHEMA.empty_table(),
        not_stocked_categories=frozenset(),
        not_stocked_families=frozenset(),
        knows_life=False,
    )
