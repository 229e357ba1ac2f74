"""Any demand panel in the documented import format as demand of the sample company.

Belongs here: good rows of a panel as the shape that operations are simulated around. Does not: reading and judging
panels (`strata.panel.reading`), importing one as a company of its own (`strata import`).
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from strata.home import REPOSITORY
from strata.intake.contract import load_contract
from strata.panel.mapping import OPTIONAL, REQUIRED, PanelMap, as_map
from strata.panel.reading import Panel, PanelError, first_refused, read_panel
from strata.sample.demand import CUSTOMER_SCHEMA, ITEM_SCHEMA, PROMOTION_SCHEMA, SITE_SCHEMA, Demand, line_schema

# What a sample's panel does not say; a company's own says it in its map.
SHIPPED: dict[str, Any] = {
    "name": "sample",
    "currency": "USD",
    "grain": "event",
    "time_zone": "America/New_York",
    "unit": "EA",
    "cycles": 1,
    "class_level": "region",
}
NEEDED = (*REQUIRED, "unit_price", "region")
SALES_HOUR = 12
CHANNEL = "panel"


def sample_map(columns: Sequence[str]) -> PanelMap:
    """The map of a panel whose columns have canonical names already."""
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise PanelError(f"column {', '.join(missing)} is missing; the panel needs {', '.join(NEEDED)}")
    known = [name for name in (*REQUIRED, *OPTIONAL) if name in columns]
    return as_map({**SHIPPED, "columns": {name: name for name in known}}, "the sample's map")


def read_demand(path: Path) -> Demand:
    """Demand from a long CSV or Parquet file.

    Needs `sku_id, location_id, date, quantity, unit_price, region`; `category, customer_id, channel, order_id,
    order_line, currency` are used where they are there. Rows of quantity 0 say "nothing asked for" and are left out.

    Raises:
        PanelError: the file is missing or no CSV or Parquet, a column is missing, or a row is refused: a sample is
            built of good rows only.
    """
    if not path.is_file():
        raise PanelError(f"{path}: no such file; --demand takes completejourney, generator, or a panel file")
    feeds = REPOSITORY / "config" / "feeds" / "erp"
    sales, items = load_contract(feeds / "sales_order_lines.yml"), load_contract(feeds / "items.yml")
    panel = sample_map(_columns(path))
    with (
        TemporaryDirectory(prefix="strata-panel-") as work,
        read_panel(path, panel, Path(work), sales=sales, items=items, today=date.max) as data,
    ):
        for file, row, column, reason, value in first_refused(data.connection):
            raise PanelError(f"{path.with_name(file)}, row {row}, column {column}: {value!r} is refused ({reason})")
        return _demand(data, panel, path.name)


def _columns(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return list(pq.read_schema(path).names)
    with path.open(encoding="utf-8-sig") as handle:
        return [name.strip('"') for name in handle.readline().rstrip("\r\n").split(",")]


def _demand(data: Panel, panel: PanelMap, name: str) -> Demand:
    has = panel.has
    data.connection.execute(
        f"""CREATE VIEW sold AS SELECT
            {"order_id" if "order_id" in has else "'P' || lpad(CAST(_row AS VARCHAR), 9, '0')"} AS order_id,
            {"order_line" if "order_line" in has else "CAST(1 AS BIGINT)"} AS order_line,
            sku_id, location_id, region,
            {"coalesce(customer_id, 'C-' || location_id)" if "customer_id" in has else "'C-' || location_id"}
                AS customer_id,
            {f"coalesce(channel, '{CHANNEL}')" if "channel" in has else f"'{CHANNEL}'"} AS channel,
            {"category" if "category" in has else "CAST(NULL AS VARCHAR)"} AS category,
            timezone('{panel.time_zone}', CAST(date AS TIMESTAMP) + INTERVAL {SALES_HOUR} HOUR) AS ordered_at,
            date, quantity, CAST(quantity * unit_price AS DECIMAL(18, 4)) AS net_amount,
            {f"coalesce(currency, '{panel.currency}')" if "currency" in has else f"'{panel.currency}'"} AS currency
        FROM demand WHERE quantity > 0"""  # noqa: S608 - words of the shipped map
    )
    lines = _table(
        data,
        f"""SELECT order_id, order_line, sku_id, location_id, customer_id, channel, ordered_at, quantity,
            '{panel.unit}' AS unit, net_amount, currency, 'sale' AS line_type, CAST(NULL AS VARCHAR) AS promotion_id
        FROM sold ORDER BY ordered_at, order_id, order_line, location_id, sku_id""",
        line_schema(panel.time_zone),
    )
    first, last = data.connection.execute("SELECT min(date), max(date) FROM sold").fetchone() or (date.min, date.min)
    return Demand(
        name=name,
        origin="real",
        zone=panel.time_zone,
        currency=panel.currency,
        grain=panel.grain,
        first_day=first,
        last_day=last,
        lines=lines,
        items=_table(
            data,
            """SELECT sku_id, CAST(NULL AS VARCHAR) AS item_name, min(category) AS category, min(category) AS family,
                CAST(NULL AS DATE) AS launch_date, CAST(NULL AS DATE) AS end_date
            FROM sold GROUP BY sku_id ORDER BY sku_id""",
            ITEM_SCHEMA,
        ),
        customers=_table(
            data,
            """SELECT customer_id, customer_id AS customer_name, min(region) AS region, min(channel) AS channel,
                CAST(2 AS BIGINT) AS priority FROM sold GROUP BY customer_id ORDER BY customer_id""",
            CUSTOMER_SCHEMA,
        ),
        sites=_table(
            data,
            f"""SELECT location_id, location_id AS location_name, min(region) AS region, 'dc' AS location_type,
                '{panel.time_zone}' AS time_zone FROM sold GROUP BY location_id ORDER BY location_id""",
            SITE_SCHEMA,
        ),
        promotions=PROMOTION_SCHEMA.empty_table(),
        not_stocked_categories=frozenset(),
        not_stocked_families=frozenset(),
        knows_life=False,
    )


def _table(data: Panel, sql: str, schema: pa.Schema) -> pa.Table:
    return data.connection.execute(sql).to_arrow_table().cast(schema)
