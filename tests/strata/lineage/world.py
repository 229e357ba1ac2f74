"""A small company as a snapshot, every table and column of it, so that any one column can be changed."""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from strata.calendar import Calendar
from strata.classify.assign import AXES
from strata.conformed import decide, profile
from strata.conformed.build import SNAPSHOT_KEYS, Snapshot, TableContent
from strata.conformed.dbt_pass import parse_project
from strata.conformed.history import View
from strata.durable import write_parquet
from strata.home import REPOSITORY
from strata.lineage.flow import models
from strata.partition import Partition
from strata.scheme.model import Scheme
from strata.strict_yaml import load_yaml
from tests.strata.conformed.past import demand_history

CYCLE, BEGIN = "2026-04", date(2023, 1, 2)
ITEMS = [f"I{number:02d}" for number in range(12)]
PLACES = ["L1", "L2"]
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
LATE = datetime(2026, 4, 20, tzinfo=UTC)  # after the cut-off
ARROW = {
    "varchar": pa.string(), "bigint": pa.int64(), "integer": pa.int64(), "date": pa.date32(), "boolean": pa.bool_(),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
    "double": pa.float64(), "varchar[]": pa.list_(pa.string()),
}  # fmt: skip
Tables = dict[str, list[dict[str, Any]]]


@cache
def schemas() -> dict[str, pa.Schema]:
    """Columns and types of every table of a snapshot, as dbt's contracts say."""
    nodes = models(json.loads(parse_project(REPOSITORY / "dbt_project").read_bytes()))
    return {
        name: pa.schema([(column["name"], _arrow(column["data_type"])) for column in nodes[name]["columns"].values()])
        for name in SNAPSHOT_KEYS
    }


def _arrow(data_type: str) -> pa.DataType:
    if data_type.startswith("decimal"):
        precision, scale = data_type.removeprefix("decimal(").rstrip(")").split(",")
        return pa.decimal128(int(precision), int(scale))
    return ARROW[data_type]


def company(seed: int = 7) -> Tables:
    """Three years of a company of twelve items in two places, with everything that is left out of demand."""
    rng = np.random.default_rng(seed)
    tables: Tables = {name: [] for name in SNAPSHOT_KEYS}
    add = lambda name, **row: tables[name].append(_known(name, len(tables[name]), row))  # noqa: E731
    for number, place in enumerate(PLACES):
        add("int_location_version", location_id=place, region="HERE", location_type="dc", location_name=place)
        add("int_location_version", location_id=f"F{number}", region="FAR", location_type="dc", location_name="far")
    for quarter in range(16):
        day = BEGIN + timedelta(days=-30 + 80 * quarter)
        add("fct_exchange_rate", from_currency="USD", to_currency="EUR", rate_type="M", valid_from=day, from_units=1,
            rate=Decimal("0.9") + Decimal(quarter) / 100)  # fmt: skip
    for number, sku in enumerate(ITEMS):
        add("int_item_unit_version", sku_id=sku, unit="BX", numerator=Decimal(6), denominator=Decimal(1), to_unit="EA",
            valid_from=date(2022, 1, 1), valid_to=None)  # fmt: skip
        add(
            "int_item_version", sku_id=sku, item_name=f"item {number}", category="GOODS", family=f"FAM{number % 3}",
            base_unit="EA", standard_cost=Decimal(2 + number), list_price=Decimal(9), currency="EUR",
            supplier_id=f"S{number % 2}", status="phase_out" if number == 10 else "active",
            launch_date=date(2025, 11, 3) if number == 8 else None, end_date=date(2026, 3, 1) if number == 9 else None,
        )  # fmt: skip
        for place in PLACES:
            add("int_supplier_item_version", supplier_id=f"S{number % 2}", sku_id=sku, unit_price=Decimal(2),
                min_order_quantity=Decimal(number % 4), order_multiple=Decimal(1 + number % 3), currency="EUR",
                planned_lead_time_days=9 + number) if place == "L1" else None  # fmt: skip
            _sales(rng, tables, sku, number, place)
            for count in range(18):
                day = BEGIN + timedelta(days=900 + 14 * count)
                out = int(rng.integers(0, 15)) if rng.random() < 0.3 else 0
                add("fct_stock_snapshot", location_id=place, sku_id=sku, snapshot_date=day, on_hand_units=Decimal(5),
                    stockout_days=out, days_covered=14)  # fmt: skip
            add("fct_promotion", promotion_id=f"P{number}", sku_id=sku, location_id=place, mechanic="leaflet",
                starts_on=date(2025, 6, 2 + number), ends_on=date(2025, 6, 20 + number % 8))  # fmt: skip
            _orders(rng, tables, sku, number, place)
    return tables


def _known(table: str, number: int, row: dict[str, Any]) -> dict[str, Any]:
    control = {
        "known_from": ALWAYS, "known_to": None, "known_basis": "assumed", "source_batch_id": "b", "source_file": "f",
        "source_row": number + 1, "origin": "real",
    }  # fmt: skip
    return control | row


def _sales(rng: np.random.Generator, tables: Tables, sku: str, number: int, place: str) -> None:
    rate, size = 0.3 + 0.06 * number, 2.0 + 3 * (number % 5)
    start = 1050 if number == 8 else 0
    for week in range(start // 7, 168):
        if rng.random() > rate:
            continue
        swing = 1 + 0.6 * np.sin(2 * np.pi * week / 52) + (2.5 if number == 4 and week > 155 else 0)
        quantity = Decimal(max(1, int(rng.gamma(2.0, size * swing / 2))))
        at = datetime(2023, 1, 2, 9, tzinfo=UTC) + timedelta(days=7 * week + int(rng.integers(0, 7)))
        line = {
            "order_id": f"O{sku}{place}{week}", "order_line": 1, "sku_id": sku, "location_id": place,
            "customer_id": f"C{week % 5}", "channel": "direct", "ordered_at": at, "quantity": quantity, "unit": "EA",
            "net_amount": quantity * (3 + number) + Decimal("0.37"), "currency": "EUR", "line_type": "sale",
            "promotion_id": None, "known_from": at + timedelta(days=1),
        }  # fmt: skip
        if week % 4 == 1:
            line |= {"unit": "BX", "quantity": Decimal(1 + week % 3)}
        if week % 4 == 2:
            line |= {"currency": "USD"}
        odd = rng.random()
        if odd < 0.03:
            line |= {"line_type": "return"}
        elif odd < 0.05:
            line |= {"known_to": at + timedelta(days=9)}
        elif odd < 0.06:
            line |= {"known_from": LATE}
        if odd > 0.98:
            reason = {"system": "erp", "feed": "sales_order_lines", "reason": "out_of_range", "refused_value": "0"}
            kept = {name: line[name] for name in ("sku_id", "location_id", "ordered_at", "net_amount", "currency")}
            row = kept | reason | {"refused_column": "quantity", "quantity": Decimal(0), "known_from": at}
            tables["fct_refused_row"].append(_known("fct_refused_row", len(tables["fct_refused_row"]), row))
            continue
        tables["fct_sales_line"].append(_known("fct_sales_line", len(tables["fct_sales_line"]), line))


def _orders(rng: np.random.Generator, tables: Tables, sku: str, number: int, place: str) -> None:
    for order in range(6):
        at = datetime(2025, 1, 6, 8, tzinfo=UTC) + timedelta(days=60 * order)
        key = {"po_id": f"P{sku}{place}{order}", "po_line": 1}
        common = {"sku_id": sku, "location_id": place, "quantity": Decimal(10), "unit": "EA"}
        status = "open" if order == 5 else "closed"
        line = key | common | {
            "supplier_id": f"S{number % 2}", "ordered_at": at, "promised_date": at.date(), "status": status,
            "known_from": at,
        }  # fmt: skip
        tables["fct_purchase_order_line"].append(_known("fct_purchase_order_line", order, line))
        if status == "closed":
            came = at + timedelta(days=float(rng.integers(4, 20)))
            receipt = key | common | {
                "receipt_id": f"R{sku}{place}{order}", "receipt_line": 1, "received_at": came, "known_from": came,
            }  # fmt: skip
            tables["fct_goods_receipt"].append(_known("fct_goods_receipt", order, receipt))


def before(seed: int = 7) -> pd.DataFrame:
    """Classes of the cycle before, not those that anything would compute."""
    rng = np.random.default_rng(seed)
    value, variability = rng.choice(list("ABC"), len(ITEMS)), rng.choice(list("XYZ"), len(ITEMS))
    return pd.DataFrame(
        {
            "sku_id": ITEMS, "location_id": "*", "fallback_level": "own", "value_class": value,
            "variability_class": variability,
            "segment": [a + b for a, b in zip(value, variability, strict=True)],
            "revenue": [Decimal(100 + number) for number in range(len(ITEMS))],
            "value_pending": rng.choice(list("ABC"), len(ITEMS)),
            "variability_pending": rng.choice(list("XYZ"), len(ITEMS)),
            **{f"{axis}_confirmations": [1 + number % 2 for number in range(len(ITEMS))] for axis in AXES},
            **{f"{axis}_dwell_cycles": [number % 5 for number in range(len(ITEMS))] for axis in AXES},
        }
    )  # fmt: skip


def overrides() -> pd.DataFrame:
    """One override in force."""
    row = {"override_id": "OV1", "sku_id": "I03", "location_id": "*", "value_class": "A", "variability_class": "X"}
    return pd.DataFrame([row])


@dataclass
class World:
    """A company under one scheme; `published` computes what a run computes, up to the classes and who moved."""

    folder: Path
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: int = 0
    kept: dict[str, tuple[list[dict[str, Any]], Path]] = field(default_factory=dict)

    def published(self, tables: Tables, previous: pd.DataFrame, override: pd.DataFrame) -> dict[str, pd.DataFrame]:
        """The tables on the way to a class, by name."""
        self.made += 1
        folder = self.folder / str(self.made)
        for name, schema in schemas().items():
            file = folder / name / f"{name}.parquet"
            rows, first = self.kept.setdefault(name, (tables[name], file))
            if file != first and rows == tables[name]:
                file.parent.mkdir(parents=True)
                file.symlink_to(first)
            else:
                write_parquet(file, pa.Table.from_pylist(tables[name], schema=schema))
        view = self._view(folder)
        held = pa.Table.from_pandas(previous, preserve_index=False)
        past, reconciliation = demand_history(view)
        shape = profile.demand_profile(view, past, held)
        assignment = decide.segment_assignment(view, self._file(folder, "profile", shape), held, override)
        moved = decide.segment_migration(
            view, self._file(folder, "assignment", assignment), folder / "profile.parquet", held
        )
        found = {
            "demand_history": past, "reconciliation": reconciliation, "demand_profile": shape,
            "segment_assignment": assignment, "segment_migration": moved,
        }  # fmt: skip
        return {name: table.to_pandas(date_as_object=True) for name, table in found.items()}

    def _file(self, folder: Path, name: str, table: pa.Table) -> Path:
        write_parquet(folder / f"{name}.parquet", table)
        return folder / f"{name}.parquet"

    def _view(self, folder: Path) -> View:
        scheme = load_yaml(REPOSITORY / "config" / "schemes" / "2017.1.yml")
        scheme |= {part: scheme.get(part, {}) | change for part, change in self.changes.items()}
        snapshot = Snapshot(str(self.made), folder, "", (), dict.fromkeys(SNAPSHOT_KEYS, TableContent(0, "")), "", "")
        calendar = Calendar(
            first_cycle="2020-01",
            cut_off={"day": 3, "local_time": "06:00"},  # type: ignore[arg-type]
            currency="EUR",
            regions=[{"region": "HERE", "name": "Here", "time_zone": "Europe/Berlin"}],  # type: ignore[arg-type]
            exchange={
                "rate_type": "M",
                "pivot_currency": "USD",
                "max_age_days": 120,
                "rationale": "Rates by the quarter.",
            },  # type: ignore[arg-type]
            rationale="A calendar for tests, with one region in one time zone.",
        )
        partition = Partition("HERE", CYCLE)
        return View(snapshot, partition, calendar.cutoff(CYCLE, "HERE"), Scheme.model_validate(scheme), calendar)
