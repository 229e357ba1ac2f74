"""Staging: plain files become extracts that landing accepts, and everything that is not there is said."""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from strata.home import Home
from strata.intake.land import land
from strata.intake.manifest import parse_manifest
from strata.intake.stage import stage
from tests.strata.intake.natives import contracts, home, rows

pytestmark = pytest.mark.capability("2.1", part="plain files of a source staged as extracts")
TAKEN = datetime(2024, 4, 1, 2, tzinfo=UTC)
VBAK = "MANDT,VBELN,VBTYP,AUDAT,KUNNR,VTWEG,WAERK\n100,4711,C,20240105,C1,10,EUR\n"
VBAP = "MANDT,VBELN,POSNR,MATNR,WERKS,KWMENG,VRKME,NETWR,ABGRU\n100,4711,{},42,1000,1.000,ST,9.90,\n"
LFA1 = 'MANDT,LIFNR,NAME1,LAND1\n100,S1,"Stahl\nund Eisen",AT\n100,S2,Holz,DE\n'


@pytest.fixture
def made(tmp_path: Path) -> Home:
    return home(tmp_path, "sap")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    (folder / "sd").mkdir(parents=True)
    (folder / "sd" / "vbak.csv").write_text(VBAK, encoding="utf-8")
    (folder / "sd" / "VBAP-0.csv").write_text(VBAP.format("10"), encoding="utf-8")
    (folder / "sd" / "VBAP-1.csv").write_text(VBAP.format("20"), encoding="utf-8")
    (folder / "LFA1.txt").write_text(LFA1, encoding="utf-8")
    (folder / "promotions.csv").write_text("promotion_id\nP1\n", encoding="utf-8")
    return folder


def test_files_called_like_tables_become_extracts_that_land(made: Home, files: Path) -> None:
    result = stage(made, contracts(made), files, extracted_at=TAKEN, initial_load=True, business_date=date(2024, 3, 31))
    found = {f"{e.system}/{e.feed}": e.rows for e in result.extracts}
    assert found == {
        "crm/promotions": {"promotions.csv": 1},
        "erp/sales_order_lines": {"VBAP-0.csv": 1, "VBAP-1.csv": 1, "vbak.csv": 1},
        # Two records, though three lines end.
        "erp/suppliers": {"LFA1.csv": 2},
    }
    assert result.skipped["erp/items"] == "no file is called MARA"
    manifest = parse_manifest((result.extracts[1].folder / "manifest.json").read_bytes())
    assert (manifest.grain, manifest.initial_load, manifest.extract_id) == ("day", True, "2024-04-01T0200Z")
    assert manifest.business_date == date(2024, 3, 31)
    assert [file.table for file in manifest.files] == ["VBAP", "VBAP", "VBAK"]
    landed = {f"{e.system}/{e.feed}": e.outcome for e in land(made, contracts(made)).extracts}
    assert landed["erp/sales_order_lines"] == landed["erp/suppliers"] == "accepted"
    assert [row["order_line"] for row in rows(made, "erp/sales_order_lines")] == [10, 20]


def test_parquet_and_feeds_without_mapping(tmp_path: Path) -> None:
    made = home(tmp_path, "odoo")
    folder = tmp_path / "export"
    folder.mkdir()
    pq.write_table(pa.table({"promotion_id": ["P1", "P2"]}), folder / "crm.promotions.parquet")
    (extract,) = stage(
        made, contracts(made), folder, extracted_at=TAKEN, initial_load=False, grain="week", extract_id="first"
    ).extracts
    manifest = parse_manifest((extract.folder / "manifest.json").read_bytes())
    assert (manifest.format, manifest.grain, manifest.rows, manifest.extract_id) == ("parquet", "week", 2, "first")


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ("mm/VBAK.csv", {}, "two files could be it"),
        (None, {"feeds": ["erp/invoices"]}, "no contract for erp/invoices"),
        (None, {"feeds": ["erp/items"]}, "no feed has all its files (erp/items: no file is called MARA)"),
        (None, {"extracted_at": datetime(2024, 4, 1)}, "needs an offset"),  # noqa: DTZ001 - that is the fault
        (None, {"extract_id": "../x"}, "use letters, digits"),
    ],
)
def test_what_cannot_be_staged_is_said(change: str | None, options: dict, words: str, made: Home, files: Path) -> None:
    if change:
        (files / change).parent.mkdir()
        (files / change).write_text(VBAK, encoding="utf-8")
    with pytest.raises(ValueError) as raised:
        stage(made, contracts(made), files, **({"extracted_at": TAKEN, "initial_load": True} | options))
    assert words in str(raised.value)


def test_an_extract_is_not_overwritten_and_a_table_that_is_missing_is_named(made: Home, files: Path) -> None:
    stage(made, contracts(made), files, extracted_at=TAKEN, initial_load=True, feeds=["erp/suppliers"])
    with pytest.raises(ValueError, match="is there already"):
        stage(made, contracts(made), files, extracted_at=TAKEN, initial_load=True, feeds=["erp/suppliers"])
    (files / "sd" / "vbak.csv").unlink()
    result = stage(made, contracts(made), files, extracted_at=TAKEN, initial_load=True, extract_id="again")
    assert result.skipped["erp/sales_order_lines"] == "no file is called VBAK"
    (files / "sd" / "VBAK.parquet").write_bytes(b"")
    mixed = stage(made, contracts(made), files, extracted_at=TAKEN, initial_load=True, extract_id="mixed")
    assert mixed.skipped["erp/sales_order_lines"] == "its files are csv and parquet; one extract has one format"
