"""Two companies that nobody here made, brought in by mappings alone: every row of theirs is accounted for."""

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from strata.home import Home
from strata.intake.land import LandedExtract, land
from strata.intake.stage import stage
from tests.strata.intake.natives import contracts, home, refused, rows

SHARED = Path(__file__).resolve().parents[3] / "../shared/data"
ADVENTURE_WORKS, SCMS = SHARED / "adventureworks", SHARED / "scms_delivery"


def landed(root: Path, mapping: str, folder: Path, *feeds: str) -> tuple[Home, dict[str, LandedExtract]]:
    """Stage and land feeds of a folder; every row of every manifest must be accounted for."""
    made = home(root, mapping)
    taken = datetime(2025, 12, 1, tzinfo=UTC)
    staged = stage(made, contracts(made), folder, extracted_at=taken, initial_load=True, feeds=feeds or None)
    found = {f"{e.system}/{e.feed}": e for e in land(made, contracts(made)).extracts}
    for extract in staged.extracts:
        result = found[f"{extract.system}/{extract.feed}"]
        assert result.outcome == "accepted", result.advice
        told = result.rows + result.refused_rows + sum(result.other_rows.values())
        assert told == sum(extract.rows.values()), result
    return made, found


@pytest.mark.capability("2.1", part="two companies by contracts and mappings only")
@pytest.mark.skipif(not SCMS.exists(), reason="shared data is not beside the project")
def test_every_delivery_is_accepted_excluded_or_refused_with_a_reason(tmp_path: Path) -> None:
    made, found = landed(tmp_path, "scms_delivery", SCMS)
    orders = found["erp/purchase_order_lines"]
    # 10,324 lines: 5,404 from distribution centres, 328 whose order date nobody captured, 4,592 (44 %) with a date.
    assert (orders.rows, orders.refused_rows, orders.other_rows) == (4592, 328, {"excluded": 5404})
    lines = refused(made, "erp/purchase_order_lines")
    assert {(r["file"], r["reason"], r["column"], r["value"]) for r in lines} == {
        ("scms_delivery_history.csv", "not_a_timestamp", "ordered_at", "Date Not Captured")
    }
    assert len({r["row"] for r in lines}) == 328
    assert all(r["native"] == ["scms.PO Sent to Vendor Date"] for r in lines)
    # The first data record of the file, whose order date is missing, and the fourth, one of the next.
    assert lines[0]["row"] == 1 and lines[0]["record"]["po_id"] == "SCMS-4"
    assert found["erp/goods_receipts"].rows == 4920
    assert found["erp/items"].rows == 184 and found["erp/items"].other_rows == {"repeated": 10140}
    assert (found["erp/suppliers"].rows, found["wms/sites"].rows) == (72, 43)
    shipments = found["tms/shipments"]
    assert (shipments.rows, shipments.refused_rows) == (10324, 0)
    moves = rows(made, "tms/shipments")
    # Freight is a number on 6,198 lines (60 %), weight on 6,372.
    assert sum("actual_cost" in row for row in moves) == 6198
    assert sum("weight_kg" in row for row in moves) == 6372
    assert Counter(row["mode"] for row in moves) == {"air": 6763, "ftl": 2830, "ocean": 371, "unknown": 360}
    lanes = found["tms/lanes"]
    assert lanes.refused_rows == 0 and lanes.other_rows["excluded"] == 360
    place = {row["location_id"]: row for row in rows(made, "wms/sites")}["Côte d'Ivoire"]
    assert (place["region"], place["time_zone"]) == ("AFRICA", "Africa/Abidjan")


@pytest.mark.capability("2.1", part="two companies by contracts and mappings only")
@pytest.mark.skipif(not ADVENTURE_WORKS.exists(), reason="shared data is not beside the project")
def test_adventure_works_arrives_as_an_erp(tmp_path: Path) -> None:
    feeds = [
        f"erp/{name}"
        for name in (
            "items",
            "item_units",
            "customers",
            "suppliers",
            "supplier_items",
            "sales_order_lines",
            "purchase_order_lines",
            "goods_receipts",
            "bill_of_materials",
            "planning_parameters",
        )
    ]
    made, found = landed(tmp_path, "adventureworks", ADVENTURE_WORKS, *feeds, "wms/sites")
    assert {feed.removeprefix("erp/"): (e.rows, e.refused_rows) for feed, e in found.items()} == {
        "items": (504, 0),
        "item_units": (1, 0),
        "customers": (18484 + 701, 0),
        # 104 vendors and the plant; 460 conditions of vendors and 239 products made in-house.
        "suppliers": (105, 0),
        "supplier_items": (699, 0),
        "sales_order_lines": (60398 + 60855, 0),
        "purchase_order_lines": (8845, 0),
        "goods_receipts": (8169, 0),
        # 2,679 positions, of which 103 are of no assembly.
        "bill_of_materials": (2576, 0),
        "planning_parameters": (504, 0),
        "wms/sites": (1, 0),
    }
    item = {row["sku_id"]: row for row in rows(made, "erp/items")}["HL-U509-R"]
    assert item == {
        "sku_id": "HL-U509-R",
        "item_name": "Sport-100 Helmet, Red",
        "category": "Accessories",
        "family": "Helmets",
        "base_unit": "EA",
        "standard_cost": Decimal("13.0863"),
        "list_price": Decimal("34.9900"),
        "currency": "USD",
        "supplier_id": "1520",
        "launch_date": date(2022, 5, 30),
        "status": "active",
    }
    first = {row["po_line"]: row for row in rows(made, "erp/purchase_order_lines")}[1]
    assert first == {
        "po_id": "1",
        "po_line": 1,
        "supplier_id": "1580",
        "sku_id": "AR-5381",
        "location_id": "BOTHELL",
        "ordered_at": datetime(2022, 4, 15, 7, tzinfo=UTC),
        "quantity": Decimal("4.0000"),
        "unit": "CS",
        "promised_date": date(2022, 4, 29),
        "status": "closed",
    }
    position = {row["bom_position"]: row for row in rows(made, "erp/bill_of_materials")}[2000]
    assert (position["sku_id"], position["component_sku_id"]) == ("BE-2349", "BA-8327")
    sales = rows(made, "erp/sales_order_lines")
    assert min(row["ordered_at"] for row in sales) == datetime(2022, 5, 30, 7, tzinfo=UTC)
    channels = Counter(row["channel"] for row in sales)
    assert channels == {"internet": 60398, "reseller": 60855}
    assert sum(row["net_amount"] for row in sales) == Decimal("109809274.2030")


@pytest.mark.soak
@pytest.mark.skipif(not ADVENTURE_WORKS.exists(), reason="shared data is not beside the project")
def test_balances_of_the_versions_of_a_product_are_added_up(tmp_path: Path) -> None:
    _, found = landed(tmp_path, "adventureworks", ADVENTURE_WORKS, "wms/stock_snapshots")
    stock = found["wms/stock_snapshots"]
    # 504 products on 1,281 days; a balance below zero is refused, by product and day.
    assert stock.rows + stock.refused_rows == 504 * 1281 - 504 * 1281 + 645_624
    assert stock.reasons == {"out_of_range": 2215}
