"""Rows that are refused, each with reason, column and value, and values that are kept to the digit."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from strata.home import Home
from strata.intake.contract import Contract
from strata.intake.land import LandedExtract, land
from strata.intake.reasons import ROW_REASONS
from tests.strata.intake.drops import CONTRACTS, ITEMS, SALES, SALES_HEADER, drop, item, landed_rows, sale, text


def landed(home: Home, *lines: str, contract: Contract = SALES, **options: Any) -> LandedExtract:
    header = ",".join(contract.names)
    drop(home.landing, {"a.csv": text(header, *lines)}, len(lines), contract=contract, **options)
    (extract,) = land(home, {**CONTRACTS, (contract.system, contract.feed): contract}).extracts
    assert extract.outcome == "accepted", extract.advice
    return extract


@pytest.mark.capability("2.2", part="strict readers and types, idempotent intake, refusals by row")
@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        pytest.param("sku_id", "I\x001", "control_character", id="B08-nul"),
        pytest.param("sku_id", "I\x071", "control_character", id="B08-control"),
        pytest.param("sku_id", "I\u202e1", "control_character", id="B08-change-of-direction"),
        pytest.param("sku_id", "", "missing_value", id="B14-empty"),
        pytest.param("sku_id", " \u00a0 ", "missing_value", id="B15-only-blanks"),
        pytest.param("location_id", "*", "reserved_value", id="B43-star"),
        pytest.param("order_id", "", "empty_key", id="B14-empty-key"),
        pytest.param("order_line", "", "empty_key", id="B14-empty-integer-key"),
        pytest.param("order_line", "1e3", "not_an_integer", id="B19-exponent"),
        pytest.param("order_line", "0x1F", "not_an_integer", id="B19-hex"),
        pytest.param("order_line", "1_000", "not_an_integer", id="B19-underscore"),
        pytest.param("order_line", "1.0", "not_an_integer", id="B19-point"),
        pytest.param("order_line", " 1", "not_an_integer", id="B19-blank"),
        pytest.param("order_line", "\u0661", "not_an_integer", id="B19-arabic-digit"),
        pytest.param("order_line", "99999999999999999999", "out_of_range", id="B23-beyond-64-bits"),
        pytest.param("order_line", "-1", "out_of_range", id="below-min"),
        pytest.param("quantity", "", "missing_value", id="B17-null-is-not-zero"),
        pytest.param("quantity", "1e3", "not_a_number", id="B19-decimal-exponent"),
        pytest.param("quantity", "NaN", "not_a_number", id="B20-nan"),
        pytest.param("quantity", "inf", "not_a_number", id="B20-inf"),
        pytest.param("quantity", "-Infinity", "not_a_number", id="B20-minus-inf"),
        pytest.param("quantity", '"1,5"', "not_a_number", id="B17-comma"),
        pytest.param("quantity", '"1.234,50"', "not_a_number", id="B17-thousands"),
        pytest.param("quantity", "12-", "not_a_number", id="B18-trailing-minus"),
        pytest.param("quantity", "(12)", "not_a_number", id="B18-brackets"),
        pytest.param("quantity", "0", "out_of_range", id="B21-zero"),
        pytest.param("quantity", "-2", "out_of_range", id="B21-negative"),
        pytest.param("quantity", "1000000000000", "out_of_range", id="B23-beyond-max"),
        pytest.param("quantity", "9" * 40, "out_of_range", id="B23-beyond-decimal"),
        pytest.param("quantity", "0.00001", "too_precise", id="five-decimals"),
        pytest.param("ordered_at", "01/02/2026", "not_a_timestamp", id="B16-slashes"),
        pytest.param("ordered_at", "2017-02-30T10:00:00Z", "not_a_timestamp", id="B16-no-such-day"),
        pytest.param("ordered_at", "2017-02-01T24:00:00Z", "not_a_timestamp", id="B16-hour-24"),
        pytest.param("ordered_at", "2017-02-01", "not_a_timestamp", id="B16-date-only"),
        pytest.param("ordered_at", "2017-02-01T10:00:00", "offset_missing", id="B44-no-offset"),
        pytest.param("ordered_at", "2017-02-01T10:00:00+99:00", "not_a_timestamp", id="B44-impossible-offset"),
        pytest.param("currency", "Euro", "format_mismatch", id="B25-currency"),
        pytest.param("line_type", "Sale", "not_allowed", id="not-among-allowed"),
    ],
)
def test_a_bad_row_is_refused_alone_with_its_place(tmp_path: Path, column: str, value: str, reason: str) -> None:
    home = Home(tmp_path)
    bad = sale(**{"order_id": "SO2", column: value})
    extract = landed(home, sale(), bad, sale(order_id="SO3"))
    assert (extract.rows, extract.refused_rows, extract.reasons) == (2, 1, {reason: 1})
    assert reason in ROW_REASONS
    shown = value.strip('"') or None
    refused = landed_rows(home)[1]
    assert (refused["_refusal_reason"], refused["_refusal_column"], refused["_row"]) == (reason, column, 2)
    assert refused["_refused_value"] == shown
    quarantined = home.quarantine / "erp/sales_order_lines" / str(extract.batch_id) / "rows.jsonl"
    (line,) = quarantined.read_text(encoding="utf-8").splitlines()
    told = json.loads(line)
    assert (told["file"], told["row"], told["column"], told["reason"]) == ("a.csv", 2, column, reason)
    assert told["record"]["unit"] == "EA" and told["record"][column] == shown


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        pytest.param("sku_id", "00123", "00123", id="B12-leading-zeros"),
        pytest.param("sku_id", "1E5", "1E5", id="B13-looks-like-a-number"),
        pytest.param("sku_id", "NA", "NA", id="B14-na"),
        pytest.param("sku_id", "NULL", "NULL", id="B14-null"),
        pytest.param("sku_id", "\u0410BC", "\u0410BC", id="B15-cyrillic-is-another-letter"),
        pytest.param("sku_id", "\u00a0 I1 \t", "I1", id="B15-trimmed"),
        pytest.param("sku_id", "Cafe\u0301", "Caf\u00e9", id="B15-nfc"),
        pytest.param("sku_id", "I\u200b1", "I1", id="B15-zero-width"),
        pytest.param("sku_id", "\ufeff I1", "I1", id="B15-byte-order-mark-before-a-blank"),
        pytest.param("sku_id", "A  B", "A  B", id="B15-inner-blanks-stay"),
        pytest.param("channel", "", None, id="empty-is-null"),
        pytest.param("order_line", "007", 7, id="integer-with-zeros"),
        pytest.param("quantity", "0.0001", Decimal("0.0001"), id="four-decimals"),
        pytest.param("quantity", "1.50000000", Decimal("1.5"), id="trailing-zeros"),
        pytest.param("net_amount", "-0.01", Decimal("-0.01"), id="negative-amount"),
        pytest.param("net_amount", "999999999.9999", Decimal("999999999.9999"), id="all-digits"),
        pytest.param("ordered_at", "2017-10-31T23:30:00Z", datetime(2017, 10, 31, 23, 30, tzinfo=UTC), id="B45-utc"),
        pytest.param(
            "ordered_at", "2017-03-01 10:00:00.25+0130", datetime(2017, 3, 1, 8, 30, 0, 250000, UTC), id="offset"
        ),
    ],
)
def test_a_good_value_is_kept_exactly(tmp_path: Path, column: str, value: str, expected: Any) -> None:
    home = Home(tmp_path)
    assert landed(home, sale(**{column: value})).refused_rows == 0
    assert landed_rows(home)[0][column] == expected


def test_b60_a_description_is_stored_to_the_character(tmp_path: Path) -> None:
    home = Home(tmp_path)
    names = ["=HYPERLINK(1)", "\t@SUM(A1)", " -2+3 ", "Cafe\u0301\u200d"]
    lines = [item(sku_id=f"I{n}", item_name=name) for n, name in enumerate(names)]
    assert landed(home, *lines, contract=ITEMS).refused_rows == 0
    assert [row["item_name"] for row in landed_rows(home)] == names


def test_normalising_is_recorded(tmp_path: Path) -> None:
    home = Home(tmp_path)
    extract = landed(home, sale(sku_id=" I1"), sale(order_line="2", sku_id="I1", unit="EA "), sale(order_line="3"))
    record = json.loads((home.raw / "erp/sales_order_lines" / str(extract.batch_id) / "batch.json").read_bytes())
    assert record["normalised"] == {"sku_id": 1, "unit": 1}


def test_b15_keys_that_collide_after_normalising_are_both_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    extract = landed(home, item(sku_id="I1"), item(sku_id="I1 "), item(sku_id="I2 "), item(sku_id="I3"), contract=ITEMS)
    assert (extract.rows, extract.reasons) == (2, {"key_collision": 2})
    assert [row["sku_id"] for row in landed_rows(home) if row["_refusal_reason"] is None] == ["I2", "I3"]


def test_b26_rows_that_are_equal_are_kept_once_and_counted(tmp_path: Path) -> None:
    home = Home(tmp_path)
    extract = landed(home, sale(), sale(order_line="2"), sale(quantity="2.0"), sale())
    assert (extract.rows, extract.refused_rows) == (2, 0)
    record = json.loads((home.raw / "erp/sales_order_lines" / str(extract.batch_id) / "batch.json").read_bytes())
    assert record["duplicate_rows"] == 2
    assert [row["_row"] for row in landed_rows(home)] == [1, 2]


def test_b27_one_key_with_different_values_is_refused_every_time_it_stands(tmp_path: Path) -> None:
    home = Home(tmp_path)
    lines = [
        sale(),
        sale(quantity="3"),
        sale(),
        sale(order_line="2"),
        sale(order_line="2", quantity="x"),
        sale(order_line="3"),
    ]
    extract = landed(home, *lines)
    assert (extract.rows, extract.reasons) == (1, {"duplicate_key": 3, "not_a_number": 1})
    rows = landed_rows(home)
    assert [row["_row"] for row in rows] == [1, 2, 4, 5, 6]
    assert rows[0]["_refused_value"] == "SO1 | 1"


def probe(**changes: Any) -> Contract:
    """A contract with one column of every type and format."""
    columns = [
        {"name": "code", "type": "text", "meaning": "The key of the row."},
        {"name": "flag", "type": "boolean", "nullable": True, "meaning": "A yes or a no."},
        {"name": "comma", "type": "decimal", "format": "comma", "nullable": True, "meaning": "German notation."},
        {"name": "minus", "type": "decimal", "format": "trailing_minus", "nullable": True, "meaning": "ERP notation."},
        {"name": "day", "type": "date", "format": "%d.%m.%Y", "nullable": True, "meaning": "German notation."},
        {"name": "days", "type": "date", "format": "epoch_days", "nullable": True, "meaning": "Days since 1970."},
        {"name": "millis", "type": "timestamp", "format": "epoch_millis", "nullable": True, "meaning": "Since 1970."},
        {"name": "micros", "type": "timestamp", "format": "epoch_micros", "nullable": True, "meaning": "Since 1970."},
        {"name": "local", "type": "timestamp", "nullable": True, "meaning": "Local time of the plant."},
        {"name": "spoken", "type": "timestamp", "format": "%d.%m.%Y %H:%M", "nullable": True, "meaning": "Local time."},
    ]
    return Contract.model_validate(
        {**SALES.model_dump(), "key": ["code"], "business_time": None, "time_zone": "Europe/Berlin", "columns": columns}
        | {"personal_data": "none"}
        | changes
    )


def probe_line(column: str, value: str) -> str:
    names = probe().names
    return ",".join("K" if name == "code" else value if name == column else "" for name in names)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        pytest.param("flag", "true", True, id="true"),
        pytest.param("flag", "false", False, id="false"),
        pytest.param("comma", '"1.234,50"', Decimal("1234.5"), id="B17-thousands"),
        pytest.param("comma", '"-1,5"', Decimal("-1.5"), id="B17-comma"),
        pytest.param("comma", "1.234", Decimal(1234), id="B17-point-is-thousands"),
        pytest.param("minus", "12.5-", Decimal("-12.5"), id="B18-trailing-minus"),
        pytest.param("minus", "12.5", Decimal("12.5"), id="B18-plain"),
        pytest.param("day", "01.02.2026", date(2026, 2, 1), id="B16-contract-says-day-first"),
        pytest.param("days", "17532", date(2018, 1, 1), id="epoch-days"),
        pytest.param("millis", "1514764800123", datetime(2018, 1, 1, 0, 0, 0, 123000, UTC), id="epoch-millis"),
        pytest.param("micros", "1514764800000001", datetime(2018, 1, 1, 0, 0, 0, 1, UTC), id="epoch-micros"),
        pytest.param("local", "2017-07-01T10:00:00", datetime(2017, 7, 1, 8, tzinfo=UTC), id="B44-local"),
        pytest.param("local", "2017-07-01T10:00:00Z", datetime(2017, 7, 1, 10, tzinfo=UTC), id="B44-offset-wins"),
        pytest.param("local", "2017-10-29T02:30:00", datetime(2017, 10, 29, 1, 30, tzinfo=UTC), id="B44-second-of-two"),
        pytest.param("spoken", "01.07.2017 10:00", datetime(2017, 7, 1, 8, tzinfo=UTC), id="strptime"),
    ],
)
def test_formats_of_the_contract(tmp_path: Path, column: str, value: str, expected: Any) -> None:
    home = Home(tmp_path)
    assert landed(home, probe_line(column, value), contract=probe()).refused_rows == 0
    assert landed_rows(home)[0][column] == expected


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        pytest.param("flag", "1", "not_a_boolean", id="one-is-not-true"),
        pytest.param("comma", "1.5", "not_a_number", id="B17-point"),
        pytest.param("minus", "--5", "not_a_number", id="B18-two-signs"),
        pytest.param("day", "2026-02-01", "not_a_date", id="B16-iso"),
        pytest.param("day", "1.2.2026", "not_a_date", id="B16-short"),
        pytest.param("day", "30.02.2026", "not_a_date", id="B16-no-such-day"),
        pytest.param("days", "2018-01-01", "not_a_date", id="epoch-days"),
        pytest.param("millis", "1.5e12", "not_a_timestamp", id="epoch-millis"),
        pytest.param("local", "2017-03-26T02:30:00", "local_time_skipped", id="B44-gap"),
        pytest.param("spoken", "26.03.2017 02:30", "local_time_skipped", id="B44-gap-by-format"),
        pytest.param("spoken", "32.03.2017 02:30", "not_a_timestamp", id="B16-no-such-time"),
    ],
)
def test_values_that_misfit_the_format_of_the_contract(tmp_path: Path, column: str, value: str, reason: str) -> None:
    extract = landed(Home(tmp_path), probe_line(column, value), contract=probe())
    assert extract.reasons == {reason: 1}


@pytest.mark.capability("2.4", part="known time of every row")
def test_known_from_is_the_extraction_and_on_a_first_load_the_business_time_and_lag(tmp_path: Path) -> None:
    home = Home(tmp_path)
    lines = [sale(ordered_at="2017-03-01T10:00:00Z"), sale(order_line="2", ordered_at="2017-03-31T23:00:00Z")]
    landed(home, *lines, initial_load=True)
    assert [(row["_known_from"].isoformat(), row["_known_basis"]) for row in landed_rows(home)] == [
        ("2017-03-02T10:00:00+00:00", "assumed"),
        ("2017-04-01T02:00:00+00:00", "assumed"),  # at the latest when it was extracted
    ]
    other = Home(tmp_path / "other")
    landed(other, *lines)
    assert {(row["_known_from"].isoformat(), row["_known_basis"]) for row in landed_rows(other)} == {
        ("2017-04-01T02:00:00+00:00", "extracted")
    }
    assert {row["_position"] for row in landed_rows(other)} == {1_491_012_000_000_000}


def test_a_first_load_without_business_time_was_always_known(tmp_path: Path) -> None:
    home = Home(tmp_path)
    landed(home, item(), contract=ITEMS, initial_load=True)
    assert landed_rows(home)[0]["_known_from"] == datetime(1970, 1, 1, tzinfo=UTC)


def test_header_helper_matches_the_contract() -> None:
    assert SALES_HEADER.split(",") == SALES.names and len(sale().split(",")) == len(SALES.names)
