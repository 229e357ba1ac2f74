"""A contract that grew: extracts of an older schema version are read as they were agreed, and nothing else is."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from strata.conformed.build import FEEDS
from strata.home import Home
from strata.intake.batches import accepted_batches, arrow_type, empty_rows
from strata.intake.contract import Contract
from strata.intake.land import LandedExtract, land
from tests.strata.intake.drops import CONTRACTS, ITEMS, drop, item, text

CODES = "04012345000016,AB-1"
HEADER = ",".join(ITEMS.at_version(1).names)
LINE = ",".join(item().split(",")[: HEADER.count(",") + 1])


def landed(tmp_path: Path, header: str, line: str, version: int) -> tuple[Home, LandedExtract]:
    home = Home(tmp_path)
    drop(home.landing, {"a.csv": text(header, line)}, 1, contract=ITEMS, schema_version=version)
    (extract,) = land(home, CONTRACTS).extracts
    return home, extract


@pytest.mark.capability("2.2", part="a contract gains columns without refusing extracts agreed before")
def test_an_extract_of_the_older_version_comes_without_the_new_columns(tmp_path: Path) -> None:
    home, extract = landed(tmp_path, HEADER, LINE, 1)
    assert (extract.outcome, extract.warnings) == ("accepted", ())
    (batch,) = accepted_batches(home)
    assert "gtin" not in pq.read_schema(batch.rows_file).names
    assert "gtin" in empty_rows(ITEMS).column_names  # where readers join by name, it is null


def test_an_older_extract_that_has_the_column_all_the_same_warns(tmp_path: Path) -> None:
    _, extract = landed(tmp_path, f"{HEADER},gtin,manufacturer_part_number", f"{LINE},{CODES}", 1)
    assert extract.warnings == ("column_added: gtin", "column_added: manufacturer_part_number")


def test_the_new_version_has_to_bring_them(tmp_path: Path) -> None:
    home, extract = landed(tmp_path, ",".join(ITEMS.at_version(2).names), f"{LINE},{CODES}", 2)
    assert extract.outcome == "accepted"
    (batch,) = accepted_batches(home)
    assert pq.read_table(batch.rows_file)["gtin"].to_pylist() == ["04012345000016"]


@pytest.mark.parametrize(
    ("header", "line", "version", "reason"),
    [
        pytest.param(HEADER, LINE, 2, "column_missing", id="B34-removed-column"),
        pytest.param(
            HEADER.replace(",status", ""), LINE.removesuffix(",active"), 1, "column_missing", id="B34-older-version"
        ),
        pytest.param(HEADER, LINE, 4, "schema_version_unknown", id="B53-newer"),
    ],
)
def test_what_no_version_agreed_is_refused(tmp_path: Path, header: str, line: str, version: int, reason: str) -> None:
    _, extract = landed(tmp_path, header, line, version)
    assert (extract.outcome, list(extract.reasons)) == ("refused", [reason])


def test_a_contract_without_an_oldest_version_reads_its_own_only() -> None:
    sales = CONTRACTS["erp", "sales_order_lines"]
    assert [sales.accepts(version) for version in (1, 2)] == [True, False]
    assert [ITEMS.accepts(version) for version in (1, 2, 3, 4)] == [True, True, True, False]
    assert ITEMS.at_version(3) is ITEMS


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"oldest_schema_version": 4}, "younger than schema_version"),
        ({"schema_version": 1, "oldest_schema_version": 1}, "newer than schema_version 1; raise it"),
        ({"column": {"nullable": False}}, "must be nullable"),
        ({"column": {"places": 6}}, "only a decimal has places"),
    ],
)
def test_versions_that_contradict_themselves_do_not_load(change: dict[str, Any], fault: str) -> None:
    content = ITEMS.model_dump()
    columns = [dict(column) for column in content["columns"]]
    columns[-1] |= change.pop("column", {})
    with pytest.raises(ValueError, match=fault):
        Contract.model_validate({**content, "columns": columns, **change})


@pytest.mark.parametrize(("rate", "outcome"), [("0.0067123456", 1), ("0.00671234567", 0), ("162.5", 1)])
def test_a_rate_keeps_ten_places_and_no_more_are_cut_off(tmp_path: Path, rate: str, outcome: int) -> None:
    home, contract = Home(tmp_path), CONTRACTS["erp", "exchange_rates"]
    line = f"JPY,USD,M,2017-01-02,{rate},1"
    drop(home.landing, {"a.csv": text(",".join(contract.names), line)}, 1, contract=contract)
    (extract,) = land(home, CONTRACTS).extracts
    assert (extract.rows, extract.refused_rows) == (outcome, 1 - outcome)
    (batch,) = accepted_batches(home)
    stored = pq.read_table(batch.rows_file)
    assert stored.schema.field("rate").type == arrow_type(contract.column("rate"))
    if outcome:
        assert str(stored["rate"][0].as_py()) == str(rate) + "0" * (10 - len(rate.partition(".")[2]))


def test_feeds_of_this_part_are_conformed() -> None:
    assert {"erp__exchange_rates", "erp__item_units", "crm__item_hierarchy"} <= set(FEEDS)
