"""A snapshot written by hand, row by row, and the view of one partition on it: what the queries of a partition read."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from strata.calendar import Calendar
from strata.conformed.build import SNAPSHOT_KEYS, Snapshot, TableContent
from strata.conformed.history import View
from strata.durable import write_parquet
from strata.home import REPOSITORY
from strata.partition import Partition
from strata.scheme.model import Scheme
from strata.strict_yaml import load_yaml

MONEY = pa.decimal128(18, 4)
MOMENT = pa.timestamp("us", tz="UTC")
SOURCE = {"source_batch_id": pa.string(), "source_file": pa.string(), "source_row": pa.int64()}
COLUMNS: dict[str, dict[str, pa.DataType]] = {
    "int_item_version": {
        "sku_id": pa.string(), "category": pa.string(), "family": pa.string(), "base_unit": pa.string(),
        "standard_cost": MONEY, "list_price": MONEY, "predecessor_sku_id": pa.string(), "currency": pa.string(),
        "launch_date": pa.date32(), "end_date": pa.date32(), "status": pa.string(), "item_name": pa.string(),
        "gtin": pa.string(), "manufacturer_part_number": pa.string(),
    },
    "int_hierarchy_version": {
        "hierarchy_source": pa.string(), "source_item_id": pa.string(), "level": pa.string(), "node_code": pa.string(),
        "valid_from": pa.date32(), "valid_to": pa.date32(), "sku_id": pa.string(), "gtin": pa.string(),
        "manufacturer_part_number": pa.string(), "item_text": pa.string(),
    },
    "int_location_version": {"location_id": pa.string(), "region": pa.string()},
    "fct_sales_line": {
        "order_id": pa.string(), "order_line": pa.int64(), "sku_id": pa.string(), "location_id": pa.string(),
        "ordered_at": MOMENT, "quantity": MONEY, "unit": pa.string(), "net_amount": MONEY, "currency": pa.string(),
        "line_type": pa.string(), "customer_id": pa.string(), "channel": pa.string(), **SOURCE,
    },
    "int_customer_version": {"customer_id": pa.string(), "priority": pa.int64()},
    "int_account_version": {
        "account_id": pa.string(), "customer_id": pa.string(), "tier": pa.string(), "status": pa.string(),
    },
    "fct_shipment": {
        "location_id": pa.string(), "partner_id": pa.string(), "direction": pa.string(), "status": pa.string(),
        "planned_departure_at": MOMENT, "actual_departure_at": MOMENT, "planned_cost": MONEY, "actual_cost": MONEY,
        "currency": pa.string(),
    },
    "int_item_unit_version": {
        "sku_id": pa.string(), "unit": pa.string(), "valid_from": pa.date32(), "valid_to": pa.date32(),
        "numerator": MONEY, "denominator": MONEY, "to_unit": pa.string(),
    },
    "fct_exchange_rate": {
        "from_currency": pa.string(), "to_currency": pa.string(), "rate_type": pa.string(), "valid_from": pa.date32(),
        "rate": pa.decimal128(24, 10), "from_units": pa.int64(),
    },
    "fct_promotion": {
        "sku_id": pa.string(), "location_id": pa.string(), "starts_on": pa.date32(), "ends_on": pa.date32(),
    },
    "fct_stock_snapshot": {
        "sku_id": pa.string(), "location_id": pa.string(), "snapshot_date": pa.date32(),
        "stockout_days": pa.int64(), "days_covered": pa.int64(),
    },
    "fct_refused_row": {
        "system": pa.string(), "feed": pa.string(), "reason": pa.string(), "sku_id": pa.string(),
        "location_id": pa.string(), "ordered_at": MOMENT, "quantity": MONEY, "net_amount": MONEY,
        "currency": pa.string(), **SOURCE,
    },
}  # fmt: skip
EXCHANGE = {
    "rate_type": "M", "pivot_currency": "USD", "max_age_days": 7,
    "rationale": "Rates of tests come weekly, crosses go through the dollar.",
}  # fmt: skip
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
ITEM = {
    "category": "GOODS", "family": "ALL", "base_unit": "EA", "standard_cost": Decimal(6), "currency": "EUR",
    "list_price": None, "predecessor_sku_id": None, "launch_date": None, "end_date": None, "status": "active",
    "item_name": None, "gtin": None, "manufacturer_part_number": None,
}  # fmt: skip
LINE = {
    "order_line": 1, "sku_id": "I1", "location_id": "L1", "quantity": Decimal(1), "unit": "EA",
    "net_amount": Decimal(10), "currency": "EUR", "line_type": "sale", "customer_id": None, "channel": None,
}  # fmt: skip
REFUSED = {
    "system": "erp", "feed": "sales_order_lines", "reason": "not_a_number", "sku_id": "I1", "location_id": "L1",
    "ordered_at": None, "quantity": None, "net_amount": None, "currency": "EUR",
}  # fmt: skip


def at(text: str) -> datetime:
    """An instant; UTC where no offset is written."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass
class Place:
    """One region HERE with location L1 and item I1, until told otherwise. Add rows, then take a view."""

    folder: Path
    zone: str = "Europe/Berlin"
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in COLUMNS})
    scheme: dict[str, Any] = field(default_factory=lambda: load_yaml(REPOSITORY / "config" / "schemes" / "2017.1.yml"))
    exchange: dict[str, Any] | None = field(default_factory=lambda: dict(EXCHANGE))
    taken: int = 0

    def __post_init__(self) -> None:
        self.item("I1")
        self.add("int_location_version", location_id="L1", region="HERE")

    def add(self, table: str, known: str = "", until: str = "", **row: Any) -> None:
        """A row of a table, known from a moment on (from the beginning) until another (for good)."""
        version = {"known_from": at(known) if known else ALWAYS, "known_to": at(until) if until else None}
        self.rows[table].append(row | version)

    def item(self, sku_id: str, known: str = "", until: str = "", **change: Any) -> None:
        self.add("int_item_version", known, until, sku_id=sku_id, **(ITEM | change))

    def sale(self, ordered_at: str, known: str = "", until: str = "", **change: Any) -> None:
        number = f"O{len(self.rows['fct_sales_line'])}"
        row = {"order_id": number} | LINE | change
        self.add("fct_sales_line", known, until, ordered_at=at(ordered_at), **row)

    def shipment(self, departed: str, customer_id: str, cost: str | None, known: str = "", **change: Any) -> None:
        row = {
            "location_id": "L1", "partner_id": customer_id, "direction": "outbound", "status": "delivered",
            "planned_departure_at": at(departed), "actual_departure_at": at(departed), "planned_cost": None,
            "actual_cost": None if cost is None else Decimal(cost), "currency": "EUR",
        }  # fmt: skip
        self.add("fct_shipment", known, **(row | change))

    def refused(self, known: str = "", **change: Any) -> None:
        self.add("fct_refused_row", known, **(REFUSED | change))

    def promotion(self, starts_on: str, ends_on: str, known: str = "", **change: Any) -> None:
        days = {"starts_on": date.fromisoformat(starts_on), "ends_on": date.fromisoformat(ends_on)}
        self.add("fct_promotion", known, **({"sku_id": "I1", "location_id": "L1"} | days | change))

    def count(self, day: str, out: int, covered: int, known: str = "", **change: Any) -> None:
        row = {"snapshot_date": date.fromisoformat(day), "stockout_days": out, "days_covered": covered}
        self.add("fct_stock_snapshot", known, **({"sku_id": "I1", "location_id": "L1"} | row | change))

    def unit(self, unit: str, numerator: str, known: str = "", until: str = "", **change: Any) -> None:
        row = {
            "sku_id": "I1", "unit": unit, "valid_from": date(1970, 1, 1), "valid_to": None,
            "numerator": Decimal(numerator), "denominator": Decimal(1), "to_unit": None,
        }  # fmt: skip
        self.add("int_item_unit_version", known, until, **(row | change))

    def node(self, source: str, entry: str, node: str, known: str = "", until: str = "", **change: Any) -> None:
        row = {
            "hierarchy_source": source, "source_item_id": entry, "level": "category", "node_code": node,
            "valid_from": date(2020, 1, 1), "valid_to": None, "sku_id": None, "gtin": None,
            "manufacturer_part_number": None, "item_text": None,
        }  # fmt: skip
        self.add("int_hierarchy_version", known, until, **(row | change))

    def rate(self, pair: str, day: str, rate: str, known: str = "", until: str = "", **change: Any) -> None:
        source, target = pair.split("/")
        row = {
            "from_currency": source, "to_currency": target, "rate_type": "M", "valid_from": date.fromisoformat(day),
            "rate": Decimal(rate), "from_units": 1,
        }  # fmt: skip
        self.add("fct_exchange_rate", known, until, **(row | change))

    def tables(self) -> dict[str, pa.Table]:
        """The rows so far as the tables of a snapshot."""
        version = {"known_from": MOMENT, "known_to": MOMENT}
        return {
            name: pa.Table.from_pylist(self.rows[name], schema=pa.schema(list((columns | version).items())))
            for name, columns in COLUMNS.items()
        }

    def view(self, cycle: str, *, known_at: str = "", region: str = "HERE") -> View:
        """What a run of the cycle sees; cut-off on its third day, 06:00 local time."""
        self.taken += 1
        folder = self.folder / str(self.taken)
        for name, table in self.tables().items():
            write_parquet(folder / name / f"{name}.parquet", table)
        tables = {name: TableContent(0, "") for name in SNAPSHOT_KEYS if name in COLUMNS}
        snapshot = Snapshot(str(self.taken), folder, "", (), tables, "", "")
        calendar = Calendar(
            first_cycle="2020-01",
            cut_off={"day": 3, "local_time": "06:00"},  # type: ignore[arg-type]
            currency="EUR",
            exchange=self.exchange,  # type: ignore[arg-type]
            regions=[{"region": "HERE", "name": "Here", "time_zone": self.zone}],  # type: ignore[arg-type]
            rationale="A calendar for tests, with one region in one time zone.",
        )
        partition = Partition(region, cycle)
        moment = at(known_at) if known_at else calendar.cutoff(cycle, region)
        return View(snapshot, partition, moment, Scheme.model_validate(self.scheme), calendar)
