# ruff: noqa: E501 - exports are read as rows
"""Odoo: small exports, written by hand, land as the canonical rows that stand beside them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.strata.intake.natives import home, land_tables, record, refused, rows, table

pytestmark = pytest.mark.capability("2.1", part="ready mapping of Odoo models, by hand-written exports")


def test_products_by_variant_with_category_path_and_false_for_empty(tmp_path: Path) -> None:
    made = home(tmp_path, "odoo")
    products = table("""
        default_code | name       | type    | categ_id                    | uom_id | standard_price | lst_price | currency_id | active | sale_ok | purchase_ok
        FURN_001     | Desk       | product | All / Saleable / Furniture  | Units  | 120.5          | 199.0     | EUR         | True   | True    | True
        FURN_002     | Old chair  | product | All / Saleable / Furniture  | Units  | 20.0           | 35.0      | EUR         | True   | True    | False
        SERV_001     | Assembly   | service | All / Services              | Hours  | 0.0            | 50.0      | EUR         | True   | True    | False
        False        | No number  | product | All                         | Units  | 1.0            | 2.0       | False       | True   | True    | True
        CONS_001     | Archived   | consu   | All                         | kg     | 1.0            | 2.0       | EUR         | False  | True    | True
    """)
    assert land_tables(made, "erp/items", {"product.product": products}).outcome == "accepted"
    desk = {
        "sku_id": "FURN_001",
        "item_name": "Desk",
        "category": "Saleable",
        "family": "Furniture",
        "base_unit": "Units",
        "standard_cost": Decimal("120.5000"),
        "list_price": Decimal("199.0000"),
        "currency": "EUR",
        "status": "active",
    }
    chair = desk | {
        "sku_id": "FURN_002",
        "item_name": "Old chair",
        "standard_cost": Decimal("20.0000"),
        "list_price": Decimal("35.0000"),
        "status": "phase_out",
    }
    archived = desk | {
        "sku_id": "CONS_001",
        "item_name": "Archived",
        "category": "All",
        "family": "All",
        "base_unit": "kg",
        "standard_cost": Decimal("1.0000"),
        "list_price": Decimal("2.0000"),
        "status": "blocked",
    }
    assert rows(made, "erp/items") == [desk, chair, archived]
    assert [(r["row"], r["reason"], r["value"], r["native"]) for r in refused(made, "erp/items")] == [
        (4, "empty_key", "False", ["product.product.default_code"])
    ]
    assert sum(record(made, "erp/items")["excluded"].values()) == 1


def test_sales_lines_in_utc_with_returns_as_negative_quantities(tmp_path: Path) -> None:
    made = home(tmp_path, "odoo")
    lines = table("""
        .id | order_id/name | product_id/default_code | order_id/warehouse_id/code | order_id/partner_shipping_id/.id | order_id/team_id | order_id/date_order | product_uom_qty | product_uom | price_subtotal | currency_id | state  | display_type
        101 | S00012        | FURN_001                | WH                         | 14                               | Website          | 2024-03-31 22:30:00 | 2.0             | Units       | 398.0          | EUR         | sale   | False
        102 | S00012        | False                   | WH                         | 14                               | Website          | 2024-03-31 22:30:00 | 0.0             | False       | 0.0            | EUR         | sale   | line_section
        103 | S00013        | FURN_001                | WH                         | 15                               | False            | 2024-04-01 08:00:00 | -1.0            | Units       | -199.0         | EUR         | done   | False
        104 | S00014        | FURN_001                | WH                         | 15                               | False            | 2024-04-01 09:00:00 | 5.0             | Units       | 995.0          | EUR         | cancel | False
        105 | S00015        | False                   | WH                         | 15                               | False            | 2024-04-01 09:00:00 | 1.0             | Units       | 10.0           | EUR         | sale   | False
    """)
    assert land_tables(made, "erp/sales_order_lines", {"sale.order.line": lines}).outcome == "accepted"
    first = {
        "order_id": "S00012",
        "order_line": 101,
        "sku_id": "FURN_001",
        "location_id": "WH",
        "customer_id": "14",
        "channel": "Website",
        "ordered_at": datetime(2024, 3, 31, 22, 30, tzinfo=UTC),
        "quantity": Decimal("2.0000"),
        "unit": "Units",
        "net_amount": Decimal("398.0000"),
        "currency": "EUR",
        "line_type": "sale",
    }
    back = {k: v for k, v in first.items() if k != "channel"} | {
        "order_id": "S00013",
        "order_line": 103,
        "customer_id": "15",
        "ordered_at": datetime(2024, 4, 1, 8, tzinfo=UTC),
        "quantity": Decimal("1.0000"),
        "net_amount": Decimal("-199.0000"),
        "line_type": "return",
    }
    assert rows(made, "erp/sales_order_lines") == [first, back]
    assert [(r["row"], r["column"]) for r in refused(made, "erp/sales_order_lines")] == [(5, "sku_id")]
    assert sum(record(made, "erp/sales_order_lines")["excluded"].values()) == 2


def test_purchases_and_their_receipts(tmp_path: Path) -> None:
    made = home(tmp_path, "odoo")
    lines = table("""
        .id | order_id/name | partner_id/.id | product_id/default_code | order_id/picking_type_id/warehouse_id/code | order_id/date_approve | product_qty | qty_received | product_uom | date_planned        | state    | display_type
        31  | P00007        | 9              | FURN_001                | WH                                         | 2024-02-01 10:00:00   | 20.0        | 20.0         | Units       | 2024-02-15 12:00:00 | purchase | False
        32  | P00007        | 9              | FURN_002                | WH                                         | 2024-02-01 10:00:00   | 5.0         | 1.0          | Units       | False               | purchase | False
        33  | P00008        | 9              | FURN_002                | WH                                         | False                 | 5.0         | 0.0          | Units       | 2024-02-15 12:00:00 | draft    | False
        34  | P00009        | 9              | FURN_002                | WH                                         | 2024-02-02 10:00:00   | 5.0         | 0.0          | Units       | 2024-02-15 12:00:00 | cancel   | False
    """)
    assert land_tables(made, "erp/purchase_order_lines", {"purchase.order.line": lines}).outcome == "accepted"
    first = {
        "po_id": "P00007",
        "po_line": 31,
        "supplier_id": "9",
        "sku_id": "FURN_001",
        "location_id": "WH",
        "ordered_at": datetime(2024, 2, 1, 10, tzinfo=UTC),
        "quantity": Decimal("20.0000"),
        "unit": "Units",
        "promised_date": date(2024, 2, 15),
        "status": "closed",
    }
    part = first | {"po_line": 32, "sku_id": "FURN_002", "quantity": Decimal("5.0000"), "status": "open"}
    del part["promised_date"]
    gone = first | {
        "po_id": "P00009",
        "po_line": 34,
        "sku_id": "FURN_002",
        "ordered_at": datetime(2024, 2, 2, 10, tzinfo=UTC),
        "quantity": Decimal("5.0000"),
        "status": "cancelled",
    }
    assert rows(made, "erp/purchase_order_lines") == [first, part, gone]
    moves = table("""
        .id | picking_id/name | move_id/purchase_line_id/order_id/name | move_id/purchase_line_id/.id | product_id/default_code | location_id/usage | location_dest_id/usage | location_dest_id/warehouse_id/code | date                | quantity | product_uom_id | state
        71  | WH/IN/00004     | P00007                                 | 31                           | FURN_001                | supplier          | internal               | WH                                 | 2024-02-14 07:15:00 | 20.0     | Units          | done
        72  | WH/OUT/00009    | False                                  | False                        | FURN_001                | internal          | customer               | False                              | 2024-02-14 09:15:00 | 2.0      | Units          | done
        73  | WH/IN/00005     | P00007                                 | 32                           | FURN_002                | supplier          | internal               | WH                                 | 2024-02-20 07:15:00 | 4.0      | Units          | assigned
    """)
    assert land_tables(made, "erp/goods_receipts", {"stock.move.line": moves}).outcome == "accepted"
    assert rows(made, "erp/goods_receipts") == [
        {
            "receipt_id": "WH/IN/00004",
            "receipt_line": 71,
            "po_id": "P00007",
            "po_line": 31,
            "sku_id": "FURN_001",
            "location_id": "WH",
            "received_at": datetime(2024, 2, 14, 7, 15, tzinfo=UTC),
            "quantity": Decimal("20.0000"),
            "unit": "Units",
        }
    ]


def test_partners_conditions_warehouses_and_quants(tmp_path: Path) -> None:
    made = home(tmp_path, "odoo")
    partners = table("""
        .id | name        | country_id/code | customer_rank | supplier_rank | team_id
        14  | Deco Addict | US              | 3             | 0             | Website
        9   | Wood Corner | False           | 0             | 2             | False
        3   | Administrator | US            | 0             | 0             | False
    """)
    assert land_tables(made, "erp/customers", {"res.partner": partners}).outcome == "accepted"
    assert rows(made, "erp/customers") == [
        {"customer_id": "14", "customer_name": "Deco Addict", "region": "US", "channel": "Website"}
    ]
    assert land_tables(made, "erp/suppliers", {"res.partner": partners}).outcome == "accepted"
    assert rows(made, "erp/suppliers") == [{"supplier_id": "9", "supplier_name": "Wood Corner"}]
    conditions = table("""
        partner_id/.id | product_id/default_code | product_tmpl_id/default_code | min_qty | delay | price | currency_id
        9              | False                   | FURN_001                     | 50.0    | 12    | 90.0  | EUR
        9              | False                   | FURN_001                     | 10.0    | 14    | 95.0  | EUR
        9              | FURN_002                | False                        | 0.0     | 3     | 20.0  | EUR
    """)
    assert land_tables(made, "erp/supplier_items", {"product.supplierinfo": conditions}).outcome == "accepted"
    found = {row["sku_id"]: row for row in rows(made, "erp/supplier_items")}
    assert found["FURN_001"] == {
        "supplier_id": "9",
        "sku_id": "FURN_001",
        "min_order_quantity": Decimal("10.0000"),
        "planned_lead_time_days": 14,
        "unit_price": Decimal("95.0000"),
        "currency": "EUR",
    }
    assert found["FURN_002"]["planned_lead_time_days"] == 3
    warehouses = table("""
        code | name    | partner_id/country_id/code | partner_id/tz
        WH   | Chicago | US                         | America/Chicago
        W2   | Nowhere | US                         | False
    """)
    assert land_tables(made, "wms/sites", {"stock.warehouse": warehouses}).outcome == "accepted"
    assert [(row["location_id"], row["time_zone"]) for row in rows(made, "wms/sites")] == [("WH", "America/Chicago")]
    assert [(r["row"], r["reason"], r["column"]) for r in refused(made, "wms/sites")] == [
        (2, "missing_value", "time_zone")
    ]
    quants = table("""
        location_id/warehouse_id/code | location_id/usage | product_id/default_code | quantity
        WH                            | internal          | FURN_001                | 3.0
        WH                            | internal          | FURN_001                | 4.5
        False                         | customer          | FURN_001                | 2.0
    """)
    assert land_tables(made, "wms/stock_snapshots", {"stock.quant": quants}, business_date="2024-03-31").rows == 1
    (stock,) = rows(made, "wms/stock_snapshots")
    assert (stock["on_hand_units"], stock["stockout_days"]) == (Decimal("7.5000"), 0)


def test_moves_and_order_points(tmp_path: Path) -> None:
    made = home(tmp_path, "odoo")
    moves = table("""
        .id | reference   | product_id/default_code | location_id/usage | location_dest_id/usage | location_id/warehouse_id/code | location_dest_id/warehouse_id/code | date                | quantity | product_uom_id | state
        71  | WH/IN/00004 | FURN_001                | supplier          | internal               | False                         | WH                                 | 2024-02-14 07:15:00 | 20.0     | Units          | done
        72  | WH/OUT/0009 | FURN_001                | internal          | customer               | WH                            | False                              | 2024-02-14 09:15:00 | 2.0      | Units          | done
        73  | WH/INT/0001 | FURN_001                | internal          | internal               | WH                            | WH                                 | 2024-02-14 10:15:00 | 2.0      | Units          | done
        74  | WH/POS/0001 | FURN_001                | view              | internal               | WH                            | WH                                 | 2024-02-14 10:15:00 | 2.0      | Units          | done
    """)
    assert land_tables(made, "wms/stock_movements", {"stock.move.line": moves}).outcome == "accepted"
    found = rows(made, "wms/stock_movements")
    assert [(r["movement_line"], r["movement_type"], r["location_id"], r["quantity"]) for r in found] == [
        (71, "receipt", "WH", 20),
        (72, "issue_sale", "WH", 2),
    ]
    assert [(r["row"], r["reason"], r["value"]) for r in refused(made, "wms/stock_movements")] == [
        (4, "unmapped_code", "view>internal")
    ]
    points = table("""
        product_id/default_code | warehouse_id/code | product_min_qty | product_max_qty | qty_multiple
        FURN_001                | WH                | 5.0             | 20.0            | 0.0
        FURN_002                | WH                | 1.0             | 4.0             | 2.0
    """)
    assert land_tables(made, "erp/planning_parameters", {"stock.warehouse.orderpoint": points}).outcome == "accepted"
    one, two = rows(made, "erp/planning_parameters")
    assert (one["reorder_point_units"], one["max_stock_units"], one.get("rounding_units")) == (5, 20, None)
    assert two["rounding_units"] == 2
