"""Orders, receipts and terms as known at the cut-off, and which class an item-location inherits."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from strata.conformed import supply
from strata.conformed.decide import active_items
from strata.durable import write_parquet
from strata.tables import DEMAND_HISTORY
from tests.strata.conformed.place import COLUMNS, MONEY, Place, at
from tests.strata.conformed.test_profile import history_row

ORDERS = {
    "po_id": pa.string(), "po_line": pa.int64(), "supplier_id": pa.string(), "sku_id": pa.string(),
    "location_id": pa.string(), "ordered_at": pa.timestamp("us", tz="UTC"), "quantity": MONEY, "unit": pa.string(),
    "status": pa.string(),
}  # fmt: skip
RECEIPTS = {
    "receipt_id": pa.string(), "receipt_line": pa.int64(), "po_id": pa.string(), "po_line": pa.int64(),
    "received_at": pa.timestamp("us", tz="UTC"), "quantity": MONEY, "unit": pa.string(),
}  # fmt: skip


SUPPLIER_ITEMS = {
    "supplier_id": pa.string(), "sku_id": pa.string(), "min_order_quantity": MONEY, "order_multiple": MONEY,
    "planned_lead_time_days": pa.int64(), "unit_price": MONEY, "currency": pa.string(), "order_unit": pa.string(),
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setitem(COLUMNS, "fct_purchase_order_line", ORDERS)
    monkeypatch.setitem(COLUMNS, "fct_goods_receipt", RECEIPTS)
    monkeypatch.setitem(COLUMNS, "int_supplier_item_version", SUPPLIER_ITEMS)
    monkeypatch.setitem(COLUMNS["int_item_version"], "supplier_id", pa.string())
    return Place(tmp_path)


def order(here: Place, number: str, ordered_at: str, known: str = "", until: str = "", **change: object) -> None:
    row = {
        "po_id": number, "po_line": 1, "supplier_id": "S1", "sku_id": "I1", "location_id": "L1",
        "ordered_at": at(ordered_at), "quantity": Decimal(10), "unit": "EA", "status": "closed",
    }  # fmt: skip
    here.add("fct_purchase_order_line", known, until, **(row | change))


def receipt(here: Place, number: str, received_at: str, known: str = "", quantity: int = 10, unit: str = "EA") -> None:
    here.add(
        "fct_goods_receipt", known, receipt_id=f"R{number}{received_at}", receipt_line=1, po_id=number, po_line=1,
        received_at=at(received_at), quantity=Decimal(quantity), unit=unit,
    )  # fmt: skip


def lane(here: Place, cycle: str) -> dict[str, object]:
    rows = supply.lead_time_profile(here.view(cycle)).to_pylist()
    return next(row for row in rows if (row["supplier_id"], row["location_id"]) == ("S1", "L1"))


def test_lead_times_are_those_known_at_the_cutoff(here: Place) -> None:
    order(here, "P1", "2026-03-01T08:00:00Z")
    receipt(here, "P1", "2026-03-11T08:00:00Z", known="2026-03-12")
    order(here, "P2", "2026-03-02T08:00:00Z", until="2026-04-20", status="open")
    order(here, "P2", "2026-03-02T08:00:00Z", known="2026-04-20")
    receipt(here, "P2", "2026-03-22T08:00:00Z", known="2026-04-20")  # told late
    before, after = lane(here, "2026-04"), lane(here, "2026-05")
    assert (before["receipts"], before["open_lines"], before["mean_days"]) == (1, 1, 10)
    assert (after["receipts"], after["open_lines"], after["mean_days"]) == (2, 0, 15)


def test_a_partial_receipt_counts_by_quantity(here: Place) -> None:
    order(here, "P1", "2026-03-01T08:00:00Z")
    receipt(here, "P1", "2026-03-11T08:00:00Z", quantity=7)
    receipt(here, "P1", "2026-03-21T08:00:00Z", quantity=3)
    assert lane(here, "2026-04")["mean_days"] == 13


@pytest.mark.capability("2.2", part="orders, receipts and lots in the base unit")
def test_receipts_in_another_unit_than_their_order(here: Place) -> None:
    """10 CS of 12 ordered: 60 EA after 10 days and 5 CS after 30. Half and half: 20 days."""
    here.unit("CS", "12")
    order(here, "P1", "2026-03-01T08:00:00Z", unit="CS", status="open")
    receipt(here, "P1", "2026-03-11T08:00:00Z", quantity=60)
    receipt(here, "P1", "2026-03-31T08:00:00Z", quantity=5, unit="CS")
    found = lane(here, "2026-04")
    assert (found["receipts"], found["mean_days"], found["unconverted_lines"]) == (1, 20, 0)


def test_a_line_received_in_an_unknown_unit_is_set_aside(here: Place) -> None:
    for number in ("P1", "P2"):
        order(here, number, "2026-03-01T08:00:00Z", unit="CS")
    receipt(here, "P1", "2026-03-11T08:00:00Z", unit="CS")  # as ordered: nothing to convert
    receipt(here, "P2", "2026-03-11T08:00:00Z", unit="PAL")
    found = lane(here, "2026-04")
    assert (found["receipts"], found["unconverted_lines"]) == (1, 1)


@pytest.mark.parametrize(
    ("unit", "lots", "is_unknown"),
    [("CS", (24, 12), False), ("EA", (2, 1), False), (None, (2, 1), False), ("PAL", (None, None), True)],
)
def test_lots_and_costs_are_in_base_units_and_group_currency(
    here: Place, unit: str | None, lots: tuple[float | None, ...], is_unknown: bool
) -> None:
    here.rows["int_item_version"].clear()
    here.item("I1", supplier_id="S1", currency="USD")
    here.item("I2", supplier_id="S1", currency="GBP")
    here.unit("CS", "12")
    here.rate("USD/EUR", "2026-04-01", "0.5")
    here.add(
        "int_supplier_item_version", supplier_id="S1", sku_id="I1", min_order_quantity=Decimal(2),
        order_multiple=Decimal(1), planned_lead_time_days=14, unit_price=None, currency=None, order_unit=unit,
    )  # fmt: skip
    rows = supply.terms(here.view("2026-04")).set_index("sku_id").astype(object)
    rows = rows.where(rows.notna(), None)
    assert tuple(rows.loc["I1", ["min_order_quantity", "order_multiple"]]) == lots
    assert rows.loc["I1", "is_lot_unknown"] is is_unknown
    assert rows["unit_cost"].to_dict() == {"I1": 3.0, "I2": None}


def test_orders_of_another_region_are_not_seen(here: Place) -> None:
    here.add("int_location_version", location_id="L2", region="THERE")
    order(here, "P1", "2026-03-01T08:00:00Z", location_id="L2")
    receipt(here, "P1", "2026-03-11T08:00:00Z")
    assert supply.lead_time_profile(here.view("2026-04")).num_rows == 0


@pytest.mark.parametrize(("status", "open_lines"), [("open", 1), ("cancelled", 0)])
def test_an_order_not_received_is_open_unless_it_was_cancelled(here: Place, status: str, open_lines: int) -> None:
    order(here, "P0", "2026-03-01T08:00:00Z")
    receipt(here, "P0", "2026-03-11T08:00:00Z")
    order(here, "P1", "2026-03-05T08:00:00Z", status=status)
    assert lane(here, "2026-04")["open_lines"] == open_lines


def test_active_items_are_those_with_demand_in_a_closed_period(tmp_path: Path) -> None:
    rows = [
        history_row("I1", "L1", "month", date(2026, 3, 1), demand_units=Decimal(1), order_lines=1),
        history_row("I1", "L1", "week", date(2026, 3, 2), demand_units=Decimal(1), order_lines=1),
        history_row("I2", "L1", "month", date(2026, 4, 1), demand_units=Decimal(1), order_lines=1, is_partial=True),
        history_row("I3", "L1", "month", date(2026, 3, 1), is_promotion=True),
    ]
    table = DEMAND_HISTORY.conform(pd.DataFrame(rows))
    write_parquet(tmp_path / "history.parquet", table)
    assert active_items(table).to_pylist() == active_items(tmp_path / "history.parquet").to_pylist() == ["I1"]
