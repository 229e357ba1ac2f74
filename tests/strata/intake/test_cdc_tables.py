"""Envelopes that are tables (SAP-style, Fivetran-style): what a row means, in three formats, and what is refused."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from strata.home import Home
from strata.intake.envelopes import ticks_sql
from strata.intake.land import LandedExtract, land
from strata.intake.positions import TICKS_PER_SECOND, shown, stamp_ticks
from tests.strata.intake.drops import CONTRACTS, ORDERS, drop, landed_rows, parquet
from tests.strata.intake.test_debezium import LINE

FORMATS = pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
RANGE = {"from": "2017-03-01T00:00:00Z", "to": "2017-03-02T00:00:00Z"}
AT = datetime(2017, 3, 1, 10, 0, 0, 500_000, tzinfo=UTC)
Row = dict[str, Any]


def sap(flag: str, stamp: str = "2017-03-01T10:00:00.5Z", **changes: Any) -> Row:
    deleted = "true" if flag == "D" else "false"
    return {**LINE, "recordstamp": stamp, "operation_flag": flag, "is_deleted": deleted, **changes}


def fivetran(deleted: str, synced: str = "2017-03-01T10:00:00.5Z", **changes: Any) -> Row:
    return {**LINE, "_fivetran_synced": synced, "_fivetran_deleted": deleted, **changes}


def landed(home: Home, envelope: str, form: str, rows: Sequence[Row], **manifest: Any) -> LandedExtract:
    if form == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        data = out.getvalue().encode()
    elif form == "jsonl":
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    else:
        home.root.mkdir(parents=True, exist_ok=True)
        data = parquet(pa.Table.from_pylist(list(rows)), home.root / "made.parquet")
    options = {"kind": "cdc", "envelope": envelope, "format": form, "position": RANGE, **manifest}
    drop(home.landing, {f"a.{form}": data}, len(rows), contract=ORDERS, **options)
    (extract,) = land(home, CONTRACTS).extracts
    return extract


def told(home: Home, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in landed_rows(home)]


@pytest.mark.capability("2.4", part="SAP-style envelope: recordstamp, operation_flag, is_deleted")
@FORMATS
def test_sap_rows_are_upserts_and_deletes_ordered_by_their_stamp(tmp_path: Path, form: str) -> None:
    home = Home(tmp_path)
    later = "2017-03-01T10:00:01Z"
    rows = [
        sap("I", status="open"),
        sap("U", status="closed"),
        sap("D", later, quantity="", status="", promised_date=""),
        sap("U", later, po_line=20),
    ]
    extract = landed(home, "sap", form, rows)
    assert (extract.outcome, extract.rows, extract.refused_rows) == ("held", 4, 0), extract.advice
    first, second = stamp_ticks("2017-03-01T10:00:00.5Z"), stamp_ticks(later)
    assert told(home, "_op", "_position", "_sequence", "po_line", "status") == [
        ("u", first, 1, 10, "open"),
        ("u", first, 2, 10, "closed"),
        ("d", second, 1, 10, None),
        ("u", second, 2, 20, "open"),
    ]
    known = told(home, "_known_from", "_known_basis", "_extract_kind")
    assert known[0] == (AT, "source", "cdc")


@pytest.mark.capability("2.4", part="Fivetran-style envelope: _fivetran_synced, _fivetran_deleted")
@FORMATS
def test_fivetran_rows_are_upserts_and_deletes_ordered_by_their_synchronisation(tmp_path: Path, form: str) -> None:
    home = Home(tmp_path)
    rows = [
        fivetran("false"),
        fivetran("true", "2017-03-01 11:00:00.123456 UTC", sku_id=""),
        fivetran("False", po_id="P2"),
    ]
    extract = landed(home, "fivetran", form, rows)
    assert (extract.rows, extract.refused_rows, extract.warnings) == (3, 0, ()), extract.advice
    assert told(home, "_op", "po_id", "sku_id", "_known_from") == [
        ("u", "P1", "I1", AT),
        ("d", "P1", None, datetime(2017, 3, 1, 11, 0, 0, 123_000, tzinfo=UTC)),
        ("u", "P2", "I1", AT),
    ]


@pytest.mark.capability("2.4", part="Fivetran-style envelope: _fivetran_synced, _fivetran_deleted")
def test_parquet_types_of_a_warehouse_are_read_as_they_are(tmp_path: Path) -> None:
    home = Home(tmp_path)
    rows = [fivetran("false", **{"_fivetran_synced": AT, "_fivetran_deleted": flag}) for flag in (False, True)]
    landed(home, "fivetran", "parquet", rows)
    assert told(home, "_op", "_position", "_sequence") == [
        ("u", stamp_ticks("2017-03-01T10:00:00.5Z"), 1),
        ("d", stamp_ticks("2017-03-01T10:00:00.5Z"), 2),
    ]


@pytest.mark.parametrize(
    ("envelope", "row", "reason", "words"),
    [
        pytest.param("sap", sap("X"), "unknown_operation", "operation_flag is 'X'", id="B51-sap-flag"),
        pytest.param("sap", sap(""), "unknown_operation", "full extract", id="B51-sap-no-flag"),
        pytest.param("sap", sap("U", "yesterday"), "envelope_malformed", "recordstamp", id="sap-stamp"),
        pytest.param("sap", sap("U", ""), "envelope_malformed", "recordstamp", id="sap-no-stamp"),
        pytest.param("sap", sap("U", is_deleted="true"), "envelope_malformed", "contradicts", id="sap-contradiction"),
        pytest.param("sap", sap("D", is_deleted="false"), "envelope_malformed", "contradicts", id="sap-undeleted"),
        pytest.param("sap", sap("U", "2017-03-05T00:00:00Z"), "position_outside", "row 2", id="sap-outside"),
        pytest.param("fivetran", fivetran("maybe"), "unknown_operation", "neither", id="B51-fivetran-flag"),
        pytest.param("fivetran", fivetran(""), "unknown_operation", "neither", id="B51-fivetran-no-flag"),
        pytest.param("fivetran", fivetran("false", ""), "envelope_malformed", "synced", id="fivetran-no-stamp"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.capability("2.4", part="SAP-style envelope: recordstamp, operation_flag, is_deleted")
@pytest.mark.capability("2.4", part="Fivetran-style envelope: _fivetran_synced, _fivetran_deleted")
def test_a_row_without_order_or_operation_refuses_the_extract(
    tmp_path: Path, envelope: str, row: Row, reason: str, words: str, form: str
) -> None:
    good = sap("I") if envelope == "sap" else fivetran("false")
    extract = landed(Home(tmp_path), envelope, form, [good, row])
    assert list(extract.reasons) == [reason] and words in (extract.advice or ""), extract.advice
    assert "row 2" in (extract.advice or "")


@pytest.mark.capability("2.4", part="SAP-style envelope: recordstamp, operation_flag, is_deleted")
@FORMATS
def test_b53_a_file_without_a_column_of_the_envelope_is_refused(tmp_path: Path, form: str) -> None:
    row = sap("I")
    del row["operation_flag"]
    extract = landed(Home(tmp_path), "sap", form, [row])
    assert list(extract.reasons) == ["column_missing"] and "operation_flag" in (extract.advice or "")


@pytest.mark.capability("2.4", part="SAP-style envelope: recordstamp, operation_flag, is_deleted")
def test_bad_rows_are_refused_alone_and_a_first_load_is_back_dated(tmp_path: Path) -> None:
    home = Home(tmp_path)
    rows = [sap("L"), sap("I", po_line=20), sap("I", po_line=30, quantity="-1")]
    extract = landed(home, "sap", "csv", rows, initial_load=True)
    assert (extract.outcome, extract.rows, extract.reasons) == ("accepted", 2, {"out_of_range": 1})
    assert told(home, "_known_basis", "_known_from")[:2] == [
        ("assumed", datetime(2017, 3, 1, 11, tzinfo=UTC)),
        ("source", AT),
    ]


@pytest.mark.capability("2.4", part="a whole table as of a position ends the keys that it does not hold")
@pytest.mark.parametrize("envelope", ["debezium", "sap", "fivetran"])
@FORMATS
def test_a_table_as_of_a_position_needs_no_envelope_columns(tmp_path: Path, envelope: str, form: str) -> None:
    home = Home(tmp_path)
    position = {"to": "500" if envelope == "debezium" else "2017-03-02T00:00:00Z"}
    extract = landed(home, envelope, form, [LINE, {**LINE, "po_line": 20}], kind="full", position=position)
    assert (extract.outcome, extract.rows) == ("accepted", 2), extract.advice
    last = 500 if envelope == "debezium" else stamp_ticks("2017-03-02T00:00:00Z")
    assert told(home, "_extract_kind", "_position", "_op", "_known_basis") == [("snapshot", last, "u", "extracted")] * 2
    assert min(told(home, "_sequence")) > (1 << 62,)


@pytest.mark.capability("2.4", part="SAP-style envelope: recordstamp, operation_flag, is_deleted")
@pytest.mark.parametrize(
    ("text", "seconds", "ticks"),
    [
        ("2017-03-01T10:00:00Z", 0, 0),
        ("2017-03-01 10:00:00", 0, 0),
        ("2017-03-01 10:00:00.25 UTC", 0, 2_500_000),
        ("2017-03-01T11:00:00.1234567+01:00", 0, 1_234_567),
        ("2017-03-01T11:00:00+0100", 0, 0),
        ("2017-03-01 11:00:00.5+01", 0, 5_000_000),
        ("20170301100001.1234567", 1, 1_234_567),
        ("20170301100000", 0, 0),
    ],
)
def test_stamps_are_ticks_alike_in_python_and_in_sql(text: str, seconds: int, ticks: int) -> None:
    base = 1_488_362_400 * TICKS_PER_SECOND
    assert stamp_ticks(text) == base + seconds * TICKS_PER_SECOND + ticks
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(f"SELECT {ticks_sql('t')} FROM (SELECT ? AS t)", [text]).fetchone()
    assert found == (stamp_ticks(text),)
    assert stamp_ticks(shown("sap", stamp_ticks(text))) == stamp_ticks(text)


@pytest.mark.parametrize("text", ["", "2017-13-01T10:00:00Z", "2017-02-30T10:00:00Z", "20170231100000", "1488362400"])
def test_what_is_no_stamp_has_no_position_in_python_or_in_sql(text: str) -> None:
    with pytest.raises(ValueError, match="no position"):
        stamp_ticks(text)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        assert connection.execute(f"SELECT {ticks_sql('t')} FROM (SELECT ? AS t)", [text]).fetchone() == (None,)
