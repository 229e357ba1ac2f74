"""Files that are refused whole, each with the reason, and those that are accepted after all (reliability.md 3)."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from strata.home import Home
from strata.intake import readers
from strata.intake.contract import Contract
from strata.intake.land import LandedExtract, land
from tests.strata.intake.drops import (
    CONTRACTS,
    ITEM_HEADER,
    ITEMS,
    SALES,
    SALES_HEADER,
    drop,
    item,
    landed_rows,
    parquet,
    sale,
    text,
)

GOOD = text(SALES_HEADER, *(sale(order_line=str(line)) for line in range(1, 6)))
ROW = dict(zip(SALES.names, sale().split(","), strict=True)) | {"promotion_id": None}


def landed(home: Home, files: dict[str, bytes], rows: int, **options: Any) -> LandedExtract:
    contract = options.get("contract", SALES)
    drop(home.landing, files, rows, **options)
    (extract,) = land(home, {**CONTRACTS, (contract.system, contract.feed): contract}).extracts
    return extract


def jsonl(*rows: Any) -> bytes:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows).encode()


@pytest.mark.capability("2.2", part="strict readers and types, idempotent intake, refusals by row")
@pytest.mark.parametrize(
    ("files", "rows", "reason", "words"),
    [
        pytest.param(
            {"a.csv": text(SALES_HEADER, sale())}, 2, "rows_differ", "1 rows found, 2 stated", id="B02-cut-at-line-end"
        ),
        pytest.param({"a.csv": GOOD[:-40]}, 5, "csv_malformed", "Line: 6", id="B02-cut-inside-a-line"),
        pytest.param({"a.csv": b""}, 1, "zero_bytes", "a.csv", id="B03-zero-bytes"),
        pytest.param({"a.csv": text(SALES_HEADER)}, 0, "empty_extract", "allow_empty", id="B04-header-only"),
        pytest.param(
            {"a.csv": text(SALES_HEADER, sale(sku_id='"I1'))}, 1, "csv_malformed", "quote", id="B05-unclosed-quote"
        ),
        pytest.param(
            {"a.csv": text(SALES_HEADER, sale() + ",x")},
            1,
            "csv_malformed",
            "Columns: 13 Found: 14",
            id="B06-extra-field",
        ),
        pytest.param({"a.csv": text(SALES_HEADER, "SO1,1")}, 1, "csv_malformed", "Found: 2", id="B06-missing-field"),
        pytest.param(
            {"a.csv": text(SALES_HEADER, sale(sku_id="Käse")).decode().encode("latin-1")},
            1,
            "csv_malformed",
            "utf-8",
            id="B09-latin-1",
        ),
        pytest.param({"a.csv": GOOD.decode().encode("utf-16")}, 5, "csv_malformed", "not UTF-8", id="B09-utf-16"),
        pytest.param(
            {"a.csv": GOOD.replace(b"\n", b"\r\n", 2)}, 5, "csv_malformed", "2 CRLF, 4 LF", id="B11-mixed-line-ends"
        ),
        pytest.param(
            {"a.csv": GOOD.replace(b"quantity,", b"")}, 5, "column_missing", "quantity", id="B34-column-removed"
        ),
        pytest.param(
            {"a.csv": GOOD.replace(b"quantity", b"qty")}, 5, "column_missing", "renamed", id="B35-column-renamed"
        ),
        pytest.param(
            {"a.csv": GOOD.replace(b"unit", b"quantity")}, 5, "column_duplicate", "quantity", id="B38-duplicate-header"
        ),
        pytest.param(
            {"a.csv": text(SALES_HEADER, sale(sku_id="x" * 3_000_000))},
            1,
            "csv_malformed",
            "a.csv",
            id="B61-field-of-3-MB",
        ),
        pytest.param({"a.csv": GOOD.replace(b",", b";")}, 5, "column_missing", "order_id", id="wrong-delimiter"),
        pytest.param({"a.csv.gz": gzip.compress(GOOD)[:-10]}, 5, "gzip_damaged", "transfer", id="B01-truncated-gzip"),
        pytest.param(
            {"a.csv.gz": gzip.compress(GOOD)[:-8] + bytes(8)}, 5, "gzip_damaged", "CRC", id="B01-gzip-checksum"
        ),
        pytest.param({"a.csv.gz": GOOD}, 5, "gzip_damaged", "transfer", id="B01-not-gzip"),
        pytest.param({"a.csv.gz": gzip.compress(b"a" * (20 << 20))}, 5, "gzip_bomb", "split", id="B57-gzip-bomb"),
    ],
)
def test_a_csv_file_that_is_wrong_as_a_whole(
    tmp_path: Path, files: dict[str, bytes], rows: int, reason: str, words: str
) -> None:
    home = Home(tmp_path)
    extract = landed(home, files, rows)
    assert (extract.outcome, list(extract.reasons)) == ("refused", [reason])
    assert words in (extract.advice or "")
    refusal = json.loads(
        (home.quarantine / "erp/sales_order_lines" / str(extract.batch_id) / "refusal.json").read_bytes()
    )
    assert refusal["reason"] == reason and refusal["advice"]
    assert not list(home.raw.rglob("*.json"))
    assert [path.name for path in home.staging.iterdir()] == ["land.lock"]


@pytest.mark.parametrize(
    "name",
    ["B04", "B10", "B11", "B36", "gzip", "quoted-line-end", "lone-cr"],
)
def test_files_that_look_odd_and_are_right(tmp_path: Path, name: str) -> None:
    home = Home(tmp_path)
    columns = SALES.names[::-1]
    swapped = text(",".join(columns), *(",".join(sale(order_line=str(n)).split(",")[::-1]) for n in range(1, 6)))
    data = {
        "B04": text(",".join(CONTRACTS["crm", "promotions"].names)),
        "B10": b"\xef\xbb\xbf" + GOOD,
        "B11": GOOD.replace(b"\n", b"\r\n"),
        "B36": swapped,
        "gzip": gzip.compress(GOOD),
        "quoted-line-end": GOOD.replace(b"store", b'"sto\nre"', 1),
        "lone-cr": GOOD.replace(b"\n", b"\r"),
    }[name]
    contract = CONTRACTS["crm", "promotions"] if name == "B04" else SALES
    rows = 0 if name == "B04" else 5
    extract = landed(home, {"a.csv.gz" if name == "gzip" else "a.csv": data}, rows, contract=contract)
    assert extract.outcome == "accepted", extract.advice
    if name == "quoted-line-end":
        assert extract.reasons == {"control_character": 1}
        return
    assert (extract.rows, extract.refused_rows) == (rows, 0)
    if rows:
        assert [row["order_line"] for row in landed_rows(home)] == [1, 2, 3, 4, 5]
        assert landed_rows(home)[0]["quantity"] == Decimal(2)
        assert landed_rows(home)[0]["currency"] == "EUR"


def test_b33_an_added_column_is_left_out_with_a_warning(tmp_path: Path) -> None:
    lines = [sale(order_line="1") + ",x", sale(order_line="2") + ",y"]
    extract = landed(Home(tmp_path), {"a.csv": text(SALES_HEADER + ",colour", *lines)}, 2)
    assert (extract.rows, extract.warnings) == (2, ("column_added: colour",))


def test_b09_an_encoding_that_the_contract_names_is_read(tmp_path: Path) -> None:
    home = Home(tmp_path)
    contract = Contract.model_validate({**ITEMS.model_dump(), "encoding": "latin-1"})
    data = text(ITEM_HEADER, item(item_name="Käse")).decode().encode("latin-1")
    extract = landed(home, {"a.csv": data}, 1, contract=contract, encoding="latin-1")
    assert extract.outcome == "accepted", extract.advice
    assert landed_rows(home)[0]["item_name"] == "Käse"


def test_b09_an_encoding_that_only_the_manifest_names_is_refused(tmp_path: Path) -> None:
    extract = landed(Home(tmp_path), {"a.csv": GOOD}, 5, encoding="latin-1")
    assert list(extract.reasons) == ["encoding_refused"]


def test_native_names_are_mapped_to_canonical_ones(tmp_path: Path) -> None:
    home = Home(tmp_path)
    columns = [column.model_dump(mode="json") for column in ITEMS.columns]
    columns[0]["native"] = "MATNR"
    contract = Contract.model_validate({**ITEMS.model_dump(mode="json"), "columns": columns})
    data = text(ITEM_HEADER.replace("sku_id", "MATNR"), item(sku_id="000123"))
    assert landed(home, {"a.csv": data}, 1, contract=contract).rows == 1
    assert landed_rows(home)[0]["sku_id"] == "000123"


@pytest.mark.parametrize(
    ("data", "rows", "reason", "words"),
    [
        pytest.param(jsonl(ROW).replace(b'"2"', b"NaN"), 1, "json_malformed", "row 1", id="B59-nan"),
        pytest.param(
            jsonl(ROW).replace(b'"unit"', b'"quantity"'), 1, "json_malformed", "twice", id="B59-duplicate-key"
        ),
        pytest.param(jsonl(ROW) + b'{"order_id": ', 2, "json_malformed", "row 2", id="B02-cut"),
        pytest.param(
            jsonl({**ROW, "sku_id": "\ud800"}), 1, "json_malformed", "surrogate", id="B09-half-a-surrogate-pair"
        ),
        pytest.param(jsonl(ROW) + b"\n", 2, "json_malformed", "row 2", id="blank-line"),
        pytest.param(jsonl(ROW, [1]), 2, "json_malformed", "not an object", id="a-list"),
        pytest.param(
            jsonl({k: v for k, v in ROW.items() if k != "unit"}), 1, "column_missing", "unit", id="B34-removed"
        ),
        pytest.param(jsonl({**ROW, "quantity": {"amount": 2}}), 1, "wrong_type", "quantity", id="nested"),
        pytest.param(jsonl(ROW), 2, "rows_differ", "1 rows found", id="B02-rows"),
        pytest.param(jsonl({**ROW, "sku_id": "x" * 2_100_000}), 1, "json_malformed", "2000000 bytes", id="B61-3-MB"),
        pytest.param(jsonl(ROW).replace(b"store", b"\xff"), 1, "json_malformed", "utf-8", id="B09-encoding"),
    ],
)
def test_json_lines_that_are_wrong_as_a_whole(tmp_path: Path, data: bytes, rows: int, reason: str, words: str) -> None:
    extract = landed(Home(tmp_path), {"a.jsonl": data}, rows, format="jsonl")
    assert list(extract.reasons) == [reason]
    assert words in (extract.advice or "")


def test_json_numbers_are_read_to_the_digit_and_never_as_floats(tmp_path: Path) -> None:
    home = Home(tmp_path)
    line = jsonl({**ROW, "colour": "red"}).replace(b'"2"', b"12345678.1000").replace(b'"19.90"', b"1e3")
    extract = landed(home, {"a.jsonl": line}, 1, format="jsonl")
    assert extract.reasons == {"out_of_range": 1}
    assert extract.warnings == ("column_added: colour",)
    (row,) = landed_rows(home)
    assert (row["quantity"], row["net_amount"]) == (Decimal("12345678.1000"), None)


def sales_table(**changes: Any) -> pa.Table:
    return pa.table({**{name: [value] for name, value in ROW.items()}, **changes})


def test_parquet_types_are_read_exactly(tmp_path: Path) -> None:
    home = Home(tmp_path)
    when = pa.array([1_490_000_000_000_000_000], pa.timestamp("ns", tz="America/New_York"))
    table = sales_table(
        order_line=pa.array([7], pa.int16()),
        quantity=pa.array([0.1 + 0.2]),
        net_amount=pa.array([Decimal("19.90")], pa.decimal128(12, 2)),
        ordered_at=when,
        sku_id=pa.array([12], pa.int64()),
        channel=pa.array(["store"]).dictionary_encode(),
    )
    extract = landed(home, {"a.parquet": parquet(table, tmp_path / "x")}, 1, format="parquet")
    assert extract.outcome == "accepted", extract.advice
    (row,) = landed_rows(home)
    assert (row["order_line"], row["quantity"], row["net_amount"]) == (7, Decimal("0.3000"), Decimal("19.9000"))
    assert (row["sku_id"], row["channel"], row["ordered_at"].isoformat()) == (
        "12",
        "store",
        "2017-03-20T08:53:20+00:00",
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("B54-truncated", "parquet_malformed"),
        ("B54-zero-bytes", "zero_bytes"),
        ("B55-bit-flip", "parquet_malformed"),
        ("B55-name-no-utf-8", "parquet_malformed"),
        ("B56-more-rows-in-the-footer", "rows_differ"),
        ("B34-removed", "column_missing"),
        ("B37-float-key", "wrong_type"),
        ("nested", "wrong_type"),
        ("binary", "wrong_type"),
    ],
)
def test_parquet_that_is_wrong_as_a_whole(tmp_path: Path, name: str, reason: str) -> None:
    spoiled = {
        "B37-float-key": {"sku_id": pa.array([1.0])},
        "nested": {"quantity": pa.array([[1]])},
        "binary": {"sku_id": pa.array([b"I1"])},
    }
    table = sales_table(**spoiled.get(name, {}))
    path = tmp_path / "x"
    pq.write_table(table.drop_columns(["unit"]) if name.startswith("B34") else table, path, write_page_checksum=True)
    data = bytearray(path.read_bytes())
    if name == "B55-bit-flip":
        place = data.index(b"store")
        data[place] ^= 1
    if name == "B55-name-no-utf-8":
        data = data.replace(b"channel", b"\xffhannel")
    if name == "B54-truncated":
        data = data[:-20]
    if name == "B54-zero-bytes":
        data = bytearray()
    rows = 2 if name.startswith("B56") else 1
    extract = landed(Home(tmp_path / "home"), {"a.parquet": bytes(data)}, rows, format="parquet")
    assert list(extract.reasons) == [reason], extract.advice


def test_b20_parquet_floats_that_are_not_finite_are_refused_rows(tmp_path: Path) -> None:
    home = Home(tmp_path)
    table = pa.concat_tables(
        sales_table(order_line=[str(n)], net_amount=[value])
        for n, value in enumerate([1.5, float("nan"), float("inf"), float("-inf"), 1e300])
    )
    extract = landed(home, {"a.parquet": parquet(table, tmp_path / "x")}, 5, format="parquet")
    assert (extract.rows, extract.reasons) == (1, {"not_a_number": 4})


def test_a_file_grows_at_most_to_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MAX_PLAIN_BYTES", 100)
    extract = landed(Home(tmp_path), {"a.csv.gz": gzip.compress(GOOD)}, 5)
    assert list(extract.reasons) == ["gzip_bomb"]
