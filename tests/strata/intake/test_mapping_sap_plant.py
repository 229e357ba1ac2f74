# ruff: noqa: E501 - tables are read as rows
"""SAP, plant views and movements: small native extracts, written by hand, land as the rows that stand beside them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.strata.intake.natives import contracts, home, land_tables, refused, rows, table

pytestmark = pytest.mark.capability("2.1", part="ready mapping of SAP tables, by hand-written extracts")

PLANT_VIEW = """
    MANDT MATNR WERKS LVORM DISMM DISPO EKGRP BESKZ SOBSL DISLS FXHOR STRGR MTVFP KZKRI MMSTA MMSTD NFMAT AUSDT MAABC
    EISBE MINBE MABST BSTMI BSTMA BSTFE BSTRF PLIFZ WEBAZ DZEIT SHFLG SHZET LGRAD
"""
MARC = PLANT_VIEW.split()


def test_the_plant_view_gives_planning_and_its_parameters(tmp_path: Path) -> None:
    made = home(tmp_path, "sap")

    def view(**changes: str) -> str:
        good = dict.fromkeys(MARC, "") | {
            "MANDT": "100", "MATNR": "42", "WERKS": "1000", "DISMM": "VB", "BESKZ": "F", "DISLS": "HB", "FXHOR": "5",
            "MMSTD": "00000000", "AUSDT": "20241231", "NFMAT": "43", "KZKRI": "X", "MAABC": "A", "EISBE": "10.000",
            "MINBE": "25.500", "MABST": "100.000", "BSTMI": "5.000", "BSTMA": "0.000", "BSTFE": "0.000",
            "BSTRF": "0.000", "PLIFZ": "14", "WEBAZ": "1", "DZEIT": "0", "SHFLG": "", "SHZET": "3", "LGRAD": "97.5",
        }  # fmt: skip
        return ",".join((good | changes).values())

    lines = [
        ",".join(MARC),
        view(),
        view(MATNR="43", SOBSL="40", SHFLG="1", DISMM="PD", DISLS="", NFMAT="", AUSDT="00000000", KZKRI=""),
        view(MATNR="44", LVORM="X"),
        view(MATNR="45", DISMM="Z1", LGRAD="197.5"),
    ]
    text = "".join(f"{line}\n" for line in lines)
    assert land_tables(made, "erp/item_sites", {"MARC": text}).outcome == "accepted"
    first, second = rows(made, "erp/item_sites")
    assert first == {
        "sku_id": "42",
        "location_id": "1000",
        "mrp_type": "reorder_point",
        "procurement_type": "external",
        "lot_size_rule": "replenish_to_max",
        "planning_fence_days": 5,
        "fulfilment_strategy": "to_stock",
        "is_critical": True,
        "status": "active",
        "successor_sku_id": "43",
        "discontinued_on": date(2024, 12, 31),
    }
    assert (second["mrp_type"], second["procurement_type"], second["is_critical"]) == ("mrp", "transfer", False)
    assert [(r["row"], r["reason"], r["value"]) for r in refused(made, "erp/item_sites")] == [
        (4, "unmapped_code", "Z1")
    ]
    assert land_tables(made, "erp/planning_parameters", {"MARC": text}).outcome == "accepted"
    first, second = rows(made, "erp/planning_parameters")
    assert first == {
        "sku_id": "42",
        "location_id": "1000",
        "abc_indicator": "A",
        "safety_stock_units": Decimal("10.0000"),
        "reorder_point_units": Decimal("25.5000"),
        "max_stock_units": Decimal("100.0000"),
        "min_lot_units": Decimal("5.0000"),
        "planned_delivery_days": 14,
        "goods_receipt_days": 1,
        "in_house_days": 0,
        "service_level": Decimal("0.9750"),
    }
    assert second["safety_time_days"] == 3
    assert [(r["row"], r["reason"], r["value"]) for r in refused(made, "erp/planning_parameters")] == [
        (4, "out_of_range", "197.5")
    ]
    marm = table("""
        MANDT | MATNR | MEINH | UMREZ | UMREN
        100   | 42    | KAR   | 12    | 1
        100   | 42    | DR    | 1     | 3
    """)
    assert land_tables(made, "erp/item_units", {"MARM": marm}).outcome == "accepted"
    assert [(r["unit"], r["numerator"], r["denominator"]) for r in rows(made, "erp/item_units")] == [
        ("KAR", 12, 1),
        ("DR", 1, 3),
    ]


def test_movements_of_both_releases_are_told_by_type_and_sign(tmp_path: Path) -> None:
    made = home(tmp_path, "sap")
    mkpf = table("""
        MANDT | MBLNR      | MJAHR | BUDAT
        100   | 5000000001 | 2024  | 20240115
    """)
    mseg = table("""
        MANDT | MBLNR      | MJAHR | ZEILE | MATNR | WERKS | BWART | SHKZG | KZBEW | MENGE  | MEINS | INSMK | EBELN      | GRUND
        100   | 5000000001 | 2024  | 0001  | 42    | 1000  | 101   | S     | B     | 60.000 | ST    |       | 4500000001 | 0000
        100   | 5000000001 | 2024  | 0002  | 42    | 1000  | 101   | S     | F     | 5.000  | ST    | X     |            | 0000
        100   | 5000000001 | 2024  | 0003  | 42    | 1000  | 551   | H     |       | 1.000  | ST    |       |            | 0004
        100   | 5000000001 | 2024  | 0004  | 42    | 1000  | 999   | H     |       | 1.000  | ST    |       |            |
        100   | 5000000001 | 2024  | 0005  |       |       | 101   | S     | B     | 0.000  |       |       | 4500000001 |
    """)
    assert land_tables(made, "wms/stock_movements", {"MSEG": mseg, "MKPF": mkpf}).outcome == "accepted"
    found = rows(made, "wms/stock_movements")
    assert [(r["movement_line"], r["movement_type"], r["stock_status"], r.get("reason_code")) for r in found] == [
        (1, "receipt", "unrestricted", None),
        (2, "receipt_production", "quality", None),
        (3, "scrap", "unrestricted", "0004"),
    ]
    assert found[0]["reference_id"] == "4500000001" and found[0]["moved_at"] == datetime(2024, 1, 14, 23, tzinfo=UTC)
    assert [(r["row"], r["value"]) for r in refused(made, "wms/stock_movements")] == [(4, "999H")]
    matdoc = table("""
        RECORD_TYPE | MBLNR      | MJAHR | BUDAT    | ZEILE | MATNR | WERKS | BWART | SHKZG | KZBEW | MENGE | MEINS | INSMK | EBELN | GRUND
        MDOC        | 4900000001 | 2024  | 20240116 | 0001  | 42    | 1000  | 601   | H     | L     | 2.000 | ST    |       |       | 0000
        MDOC_CP     | 4900000001 | 2024  | 20240116 | 0001  | 42    | 1000  | 601   | H     | L     | 2.000 | ST    |       |       | 0000
    """)
    landed = land_tables(
        made, "wms/stock_movements", {"MATDOC": matdoc}, extract_id="s4", extracted_at="2024-05-01T00:00:00Z"
    )
    assert (landed.outcome, landed.rows, landed.other_rows) == ("accepted", 1, {"excluded": 1})
    assert rows(made, "wms/stock_movements")[0]["movement_type"] == "issue_sale"


CLAIMED = """
    MARA.MATNR MARA.MATKL MARA.PRDHA MARA.MEINS MARA.MSTAE MAKT.MAKTX MARM.MEINH MARM.UMREZ MARM.UMREN
    MARC.MAABC MARC.KZKRI MARC.DISMM MARC.DISPO MARC.DISLS MARC.MINBE MARC.EISBE MARC.LGRAD MARC.SHFLG MARC.SHZET
    MARC.BSTMI MARC.BSTMA MARC.BSTFE MARC.BSTRF MARC.MABST MARC.PLIFZ MARC.WEBAZ MARC.DZEIT MARC.FXHOR MARC.BESKZ
    MARC.SOBSL MARC.STRGR MARC.MTVFP MARC.MMSTA MARC.MMSTD MARC.AUSDT MARC.NFMAT
    MBEW.STPRS MBEW.VERPR MBEW.PEINH MARD.LABST
    VBAK.KUNNR VBAK.AUDAT VBAP.KWMENG VBAP.NETWR VBAP.MATNR VBAP.WERKS
    MSEG.BWART MSEG.SHKZG MSEG.MENGE MSEG.WERKS MKPF.BUDAT MATDOC.BWART MATDOC.SHKZG MATDOC.MENGE MATDOC.BUDAT
    EKPO.EBELN EKPO.MATNR EKPO.MENGE EKPO.ELIKZ EKKO.BEDAT EKKO.LIFNR EKET.EINDT EKBE.BUDAT EKBE.MENGE
    EINE.APLFZ EINE.MINBM KNA1.LAND1 KNVV.LPRIO LFA1.LIFNR
"""


def test_the_fields_that_planning_needs_reach_a_canonical_column(tmp_path: Path) -> None:
    effective = contracts(home(tmp_path, "sap"))
    reached = {
        native
        for contract in effective.values()
        if contract.source
        for column in contract.names
        for native in contract.source.sources(column)
    }
    assert not set(CLAIMED.split()) - reached
