# ruff: noqa: E501 - tables are read as rows
"""SAP: small native extracts, written by hand, land as the canonical rows that stand beside them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.strata.intake.natives import home, land_tables, record, refused, rows, table

pytestmark = pytest.mark.capability("2.1", part="ready mapping of SAP tables, by hand-written extracts")


def test_sales_lines_are_items_with_their_headers(tmp_path: Path) -> None:
    made = home(tmp_path, "sap")
    vbak = table("""
        MANDT | VBELN      | VBTYP | AUDAT    | KUNNR      | VTWEG | WAERK | ERNAM
        100   | 0000004711 | C     | 20240105 | 0000100001 | 10    | EUR   | MILLER
        100   | 0000004712 | H     | 20240106 | 0000100001 | 10    | EUR   | MILLER
        100   | 0000004713 | B     | 20240106 | 0000100002 | 20    | EUR   | MILLER
        100   | 0000004714 | Z     | 20240107 | 0000100002 | 20    | EUR   | MILLER
        100   | 0000004715 | C     | 00000000 | 0000100002 | 20    | EUR   | MILLER
    """)
    vbap = table("""
        MANDT | VBELN      | POSNR  | MATNR              | WERKS | KWMENG   | VRKME | NETWR    | ABGRU
        100   | 0000004711 | 000010 | 000000000000000042 | 1000  | 12.000   | ST    | 1250.50  |
        100   | 0000004711 | 000020 | 000000000000000043 | 1000  | 5.000    | ST    | 99.90    | 50
        100   | 0000004712 | 000010 | 000000000000000042 | 1000  | 2.000    | ST    | 208.42   |
        100   | 0000004713 | 000010 | 000000000000000042 | 1000  | 7.000    | ST    | 700.00   |
        100   | 0000004714 | 000010 | 000000000000000042 | 1000  | 1.000    | ST    | 100.00   |
        100   | 0000004715 | 000010 | 000000000000000042 | 1000  | 1.000    | ST    | 100.00   |
        100   | 0000004716 | 000010 | 000000000000000042 | 1000  | 3.000-   | ST    | 100.00-  |
    """)
    landed = land_tables(made, "erp/sales_order_lines", {"VBAP": vbap, "VBAK": vbak})
    assert landed.outcome == "accepted", landed.advice
    line = {
        "order_id": "0000004711",
        "order_line": 10,
        "sku_id": "000000000000000042",
        "location_id": "1000",
        "customer_id": "0000100001",
        "channel": "10",
        # Midnight in Berlin.
        "ordered_at": datetime(2024, 1, 4, 23, tzinfo=UTC),
        "quantity": Decimal("12.0000"),
        "unit": "ST",
        "net_amount": Decimal("1250.5000"),
        "currency": "EUR",
        "line_type": "sale",
    }
    credit = line | {
        "order_id": "0000004712",
        "ordered_at": datetime(2024, 1, 5, 23, tzinfo=UTC),
        "quantity": Decimal("2.0000"),
        "net_amount": Decimal("-208.4200"),
        "line_type": "return",
    }
    assert rows(made, "erp/sales_order_lines") == [line, credit]
    # Row numbers are those of VBAP; a line without its header and one with an unknown category are told apart.
    assert [
        (r["row"], r["reason"], r["column"], r["value"], r["native"]) for r in refused(made, "erp/sales_order_lines")
    ] == [
        (5, "unmapped_code", "line_type", "Z", ["VBAK.VBTYP"]),
        (6, "missing_value", "ordered_at", "00000000", ["VBAK.AUDAT"]),
        (7, "missing_value", "ordered_at", None, ["VBAK.AUDAT"]),
    ]
    # The rejected item and the contract.
    assert sum(record(made, "erp/sales_order_lines")["excluded"].values()) == 2


def test_items_take_text_cost_and_status_from_three_tables(tmp_path: Path) -> None:
    made = home(tmp_path, "sap")
    mara = table("""
        MANDT | MATNR              | MATKL | PRDHA | MEINS | MSTAE | LVORM
        100   | 000000000000000042 | 00107 | 00100 | ST    |       |
        100   | 000000000000000043 | 00107 | 00101 | KG    | 01    |
        100   | 000000000000000044 | 00107 | 00101 | KG    |       | X
        100   | 000000000000000045 | 00107 | 00101 | KG    | Z9    |
        100   | 000000000000000046 | 00107 |       | ST    | BP    |
    """)
    makt = table("""
        MANDT | MATNR              | SPRAS | MAKTX
        100   | 000000000000000042 | D     | Schraube
        100   | 000000000000000042 | E     | Screw M4
        100   | 000000000000000043 | E     | Paint
    """)
    mbew = table("""
        MANDT | MATNR              | BWKEY | BWTAR | VPRSV | STPRS  | VERPR  | PEINH
        100   | 000000000000000042 | 2000  |       | S     | 9.99   | 0.00   | 1
        100   | 000000000000000042 | 1000  |       | S     | 12.50  | 0.00   | 100
        100   | 000000000000000043 | 1000  |       | V     | 1.00   | 3.3333 | 1
        100   | 000000000000000046 | 1000  |       | S     | 1.00   | 0.00   | 0
    """)
    landed = land_tables(made, "erp/items", {"MARA": mara, "MAKT": makt, "MBEW": mbew})
    assert landed.outcome == "accepted", landed.advice
    assert rows(made, "erp/items") == [
        {
            "sku_id": "000000000000000042",
            "item_name": "Screw M4",
            "category": "00107",
            "family": "00100",
            "base_unit": "ST",
            "standard_cost": Decimal("0.1250"),
            "currency": "EUR",
            "status": "active",
        },
        {
            "sku_id": "000000000000000043",
            "item_name": "Paint",
            "category": "00107",
            "family": "00101",
            "base_unit": "KG",
            "standard_cost": Decimal("3.3333"),
            "currency": "EUR",
            "status": "blocked",
        },
        {
            "sku_id": "000000000000000046",
            "category": "00107",
            "base_unit": "ST",
            "standard_cost": Decimal("1.0000"),
            "currency": "EUR",
            "status": "phase_out",
        },
    ]
    assert [(r["row"], r["reason"], r["value"]) for r in refused(made, "erp/items")] == [(4, "unmapped_code", "Z9")]


def test_purchase_lines_know_their_promise_and_their_end(tmp_path: Path) -> None:
    made = home(tmp_path, "sap")
    ekko = table("""
        MANDT | EBELN      | BSTYP | BEDAT    | LIFNR
        100   | 4500000001 | F     | 20240102 | 0000200001
        100   | 4600000001 | K     | 20240102 | 0000200001
    """)
    ekpo = table("""
        MANDT | EBELN      | EBELP | MATNR | WERKS | MENGE   | MEINS | LOEKZ | ELIKZ | RETPO
        100   | 4500000001 | 00010 | 42    | 1000  | 100.000 | ST    |       |       |
        100   | 4500000001 | 00020 | 43    | 1000  | 10.500  | KG    |       | X     |
        100   | 4500000001 | 00030 | 43    | 1000  | 10.000  | KG    | L     |       |
        100   | 4500000001 | 00040 | 43    | 1000  | 10.000  | KG    |       |       | X
        100   | 4500000001 | 00050 |       | 1000  | 1.000   | LE    |       |       |
        100   | 4600000001 | 00010 | 42    | 1000  | 9000.00 | ST    |       |       |
    """)
    eket = table("""
        MANDT | EBELN      | EBELP | ETENR | EINDT
        100   | 4500000001 | 00010 | 0001  | 20240110
        100   | 4500000001 | 00010 | 0002  | 20240117
        100   | 4500000001 | 00020 | 0001  | 00000000
    """)
    landed = land_tables(made, "erp/purchase_order_lines", {"EKPO": ekpo, "EKKO": ekko, "EKET": eket})
    assert landed.outcome == "accepted", landed.advice
    first = {
        "po_id": "4500000001",
        "po_line": 10,
        "supplier_id": "0000200001",
        "sku_id": "42",
        "location_id": "1000",
        "ordered_at": datetime(2024, 1, 1, 23, tzinfo=UTC),
        "quantity": Decimal("100.0000"),
        "unit": "ST",
        "promised_date": date(2024, 1, 17),
        "status": "open",
    }
    second = {k: v for k, v in first.items() if k != "promised_date"}
    second |= {"po_line": 20, "sku_id": "43", "quantity": Decimal("10.5000"), "unit": "KG", "status": "closed"}
    third = second | {"po_line": 30, "quantity": Decimal("10.0000"), "status": "cancelled"}
    assert rows(made, "erp/purchase_order_lines") == [first, second, third]
    assert sum(record(made, "erp/purchase_order_lines")["excluded"].values()) == 3


def test_receipts_are_debits_of_the_order_history(tmp_path: Path) -> None:
    made = home(tmp_path, "sap")
    ekpo = table("""
        MANDT | EBELN      | EBELP | MEINS
        100   | 4500000001 | 00010 | ST
    """)
    ekbe = table("""
        MANDT | EBELN      | EBELP | BEWTP | SHKZG | GJAHR | BELNR      | BUZEI | BUDAT    | MENGE  | MATNR | WERKS
        100   | 4500000001 | 00010 | E     | S     | 2024  | 5000000001 | 0001  | 20240115 | 60.000 | 42    | 1000
        100   | 4500000001 | 00010 | E     | H     | 2024  | 5000000002 | 0001  | 20240115 | 10.000 | 42    | 1000
        100   | 4500000001 | 00010 | Q     | S     | 2024  | 5100000001 | 0001  | 20240120 | 60.000 | 42    | 1000
    """)
    assert land_tables(made, "erp/goods_receipts", {"EKBE": ekbe, "EKPO": ekpo}).outcome == "accepted"
    assert rows(made, "erp/goods_receipts") == [
        {
            "receipt_id": "2024-5000000001",
            "receipt_line": 1,
            "po_id": "4500000001",
            "po_line": 10,
            "sku_id": "42",
            "location_id": "1000",
            "received_at": datetime(2024, 1, 14, 23, tzinfo=UTC),
            "quantity": Decimal("60.0000"),
            "unit": "ST",
        }
    ]


def test_stock_of_a_plant_is_the_sum_over_its_storage_locations(tmp_path: Path) -> None:
    made = home(tmp_path, "sap")
    mard = table("""
        MANDT | MATNR | WERKS | LGORT | LABST
        100   | 42    | 1000  | 0001  | 10.000
        100   | 42    | 1000  | 0002  | 0.500
        100   | 42    | 2000  | 0001  | 0.000
        100   | 43    | 1000  | 0001  | ten
        100   | 43    | 1000  | 0002  | 5.000
        100   | 44    | 1000  | 0001  | 3.000-
        100   | 44    | 1000  | 0002  | 8.000
    """)
    landed = land_tables(made, "wms/stock_snapshots", {"MARD": mard}, business_date="2024-03-31")
    assert landed.outcome == "accepted", landed.advice
    day = {"snapshot_date": date(2024, 3, 31), "days_covered": 1}
    assert sorted(rows(made, "wms/stock_snapshots"), key=lambda row: (row["sku_id"], row["location_id"])) == [
        {"location_id": "1000", "sku_id": "42", **day, "on_hand_units": Decimal("10.5000"), "stockout_days": 0},
        {"location_id": "2000", "sku_id": "42", **day, "on_hand_units": Decimal("0.0000"), "stockout_days": 1},
        {"location_id": "1000", "sku_id": "44", **day, "on_hand_units": Decimal("5.0000"), "stockout_days": 0},
    ]
    # Not ten plus five: one row that is no number spoils its sum, and the row is named.
    assert [(r["row"], r["reason"], r["value"]) for r in refused(made, "wms/stock_snapshots")] == [
        (4, "not_a_number", "ten")
    ]
    assert record(made, "wms/stock_snapshots")["totalled_rows"] == 3


def test_partners_sites_prices_and_conditions(tmp_path: Path) -> None:
    made = home(tmp_path, "sap")
    kna1 = table("""
        MANDT | KUNNR      | NAME1   | LAND1 | LOEVM
        100   | 0000100001 | Meier   | DE    |
        100   | 0000100002 | Gone    | DE    | X
        100   | 0000100003 | Dupont  | FR    |
    """)
    knvv = table("""
        MANDT | KUNNR      | VKORG | VTWEG | SPART | LPRIO
        100   | 0000100001 | 2000  | 20    | 00    | 01
        100   | 0000100001 | 1000  | 10    | 00    | 02
        100   | 0000100003 | 1000  | 10    | 00    | 00
    """)
    assert land_tables(made, "erp/customers", {"KNA1": kna1, "KNVV": knvv}).outcome == "accepted"
    assert rows(made, "erp/customers") == [
        {"customer_id": "0000100001", "customer_name": "Meier", "region": "DE", "channel": "10", "priority": 2},
        {"customer_id": "0000100003", "customer_name": "Dupont", "region": "FR", "channel": "10"},
    ]
    lfa1 = table("""
        MANDT | LIFNR      | NAME1 | LAND1
        100   | 0000200001 | Stahl | AT
    """)
    assert land_tables(made, "erp/suppliers", {"LFA1": lfa1}).outcome == "accepted"
    assert rows(made, "erp/suppliers") == [{"supplier_id": "0000200001", "supplier_name": "Stahl", "country": "AT"}]
    eina = table("""
        MANDT | INFNR      | LIFNR      | MATNR | LOEKZ | UMREZ | UMREN
        100   | 5300000001 | 0000200001 | 42    |       | 10    | 1
        100   | 5300000002 | 0000200001 | 43    | X     | 1     | 1
    """)
    eine = table("""
        MANDT | INFNR      | EKORG | WERKS | ESOKZ | LOEKZ | MINBM   | APLFZ | NETPR  | PEINH | WAERS
        100   | 5300000001 | 1000  |       | 0     |       | 500.000 | 14    | 250.00 | 10    | EUR
        100   | 5300000001 | 2000  |       | 0     |       | 900.000 | 30    | 300.00 | 10    | EUR
    """)
    assert land_tables(made, "erp/supplier_items", {"EINA": eina, "EINE": eine}).outcome == "accepted"
    (found,) = rows(made, "erp/supplier_items")
    # 250.00 per 10 boxes of 10 pieces.
    assert found | {"unit_price": Decimal("2.5000"), "planned_lead_time_days": 14, "currency": "EUR"} == found
    sites = table("""
        WERKS | NAME1 | LAND1 | VLFKZ
        1000  | Hall  | DE    | B
        2000  | Werk  | IN    |
        3000  | Shop  | XX    | A
    """)
    assert land_tables(made, "wms/sites", {"T001W": sites}).outcome == "accepted"
    assert rows(made, "wms/sites") == [
        {
            "location_id": "1000",
            "location_name": "Hall",
            "region": "DE",
            "location_type": "dc",
            "time_zone": "Europe/Berlin",
        },
        {
            "location_id": "2000",
            "location_name": "Werk",
            "region": "IN",
            "location_type": "plant",
            "time_zone": "Asia/Kolkata",
        },
    ]
    assert [(r["row"], r["reason"], r["column"]) for r in refused(made, "wms/sites")] == [
        (3, "unmapped_code", "time_zone")
    ]
    a004 = table("""
        MANDT | KAPPL | KSCHL | VKORG | VTWEG | MATNR | DATAB    | DATBI    | KNUMH
        100   | V     | PR00  | 1000  | 10    | 42    | 20240101 | 99991231 | 0000000001
        100   | V     | K004  | 1000  | 10    | 42    | 20240101 | 99991231 | 0000000002
    """)
    konp = table("""
        MANDT | KNUMH      | KOPOS | LOEVM_KO | KBETR  | KPEIN | KONWA
        100   | 0000000001 | 01    |          | 49.90  | 10    | EUR
        100   | 0000000002 | 01    |          | 100.00-| 1     | %
    """)
    assert land_tables(made, "erp/price_conditions", {"A004": a004, "KONP": konp}).outcome == "accepted"
    assert rows(made, "erp/price_conditions") == [
        {
            "sku_id": "42",
            "price_list": "1000/10",
            "valid_from": date(2024, 1, 1),
            "unit_price": Decimal("4.9900"),
            "currency": "EUR",
        }
    ]
