"""Files that are damaged, cut, of another encoding or another shape: B01-B11, B33-B38, B54-B57, B59, B61."""

import gzip
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from strata.intake.contract import Contract
from tests.catalogue.case import Case, Delivery, Place, one
from tests.strata.intake.drops import CONTRACTS, ITEM_HEADER, ITEMS, ORDERS, SALES, SALES_HEADER, item, sale, text

LINES = [sale(order_line=str(line)) for line in range(1, 6)]
GOOD = text(SALES_HEADER, *LINES)
FILE = {"a.csv": GOOD}
ROW = dict(zip(SALES.names, sale().split(","), strict=True)) | {"promotion_id": None}
PROMOTIONS = CONTRACTS["crm", "promotions"]
PARQUET = {"format": "parquet"}
JSON = {"format": "jsonl"}
CDC = {
    "kind": "cdc",
    "envelope": "debezium",
    "format": "jsonl",
    "position": {"from": "0", "to": "9"},
    "initial_load": True,
}
NUMBERED = list(range(1, 6))


def rejected(id: str, name: str, data: bytes, reason: str, *, rows: int = 5, words: str = "", **rest: Any) -> Case:
    """A file that is refused though its bytes are those of the manifest."""
    file = {rest.pop("file", "a.csv"): data}
    return one(id, name, file, rows, "REJECT", reason=reason, words=words, **rest)


def jsonl(*rows: Any) -> bytes:
    """Lines of JSON; a text stands as it is."""
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows).encode()


def sales_table(count: int = 1, **changes: Any) -> pa.Table:
    """Good sales as an Arrow table, all text but for `changes`."""
    columns = {name: [value] * count for name, value in ROW.items()}
    return pa.table({**columns, "order_line": [str(n) for n in range(1, count + 1)], **changes})


def written(path: Path, table: pa.Table, **options: Any) -> bytes:
    """The table as a Parquet file with page checksums."""
    pq.write_table(table, path / "x.parquet", write_page_checksum=True, **options)
    return (path / "x.parquet").read_bytes()


def parquet(id: str, name: str, spoil: Any, reason: str, column: str | None = None, **rest: Any) -> Case:
    """A Parquet file that is refused; `spoil` makes its bytes."""

    def make(path: Path) -> Sequence[Delivery]:
        given = {"rows": 1, "places": [Place(column=column)], **rest}
        return [Delivery({"a.parquet": spoil(path)}, outcome="REJECT", reason=reason, manifest=PARQUET, **given)]

    return Case(id, name, make)


def flipped(path: Path) -> bytes:
    """One bit of a value is another one."""
    data = bytearray(written(path, sales_table()))
    data[data.index(b"store")] ^= 1
    return bytes(data)


def bomb(path: Path) -> bytes:
    """Few bytes, many rows: one value that repeats."""
    columns = {name: pa.array([value]).cast(pa.string()).dictionary_encode() for name, value in ROW.items()}
    indices = pa.array([0] * 2_000_000, pa.int32())
    repeated = {
        name: pa.DictionaryArray.from_arrays(indices, column.dictionary)
        for name, column in columns.items()
        if len(column.dictionary)
    }
    data = written(path, pa.table({**repeated, "promotion_id": pa.nulls(2_000_000, pa.string())}), compression="zstd")
    assert len(data) < 2_000_000
    return data


def parquet_good(path: Path) -> Sequence[Delivery]:
    """Reordered columns, exact types: what a good file looks like beside the bad ones."""
    table = sales_table(2, quantity=pa.array([Decimal("1.5"), Decimal("2.5")]))
    reversed_columns = table.select(table.column_names[::-1])
    kept = {"quantity": [Decimal("1.5"), Decimal("2.5")], "unit": ["EA", "EA"]}
    files = {"a.parquet": written(path, reversed_columns)}
    return [Delivery(files, 2, "ACCEPT", kept=kept, manifest=PARQUET)]


def retyped(_: Path) -> Sequence[Delivery]:
    """30,000 good rows, then the column holds words."""
    lines = [sale(order_id=f"SO{n}") for n in range(30_000)]
    lines += [sale(order_id=f"SO{n}", quantity="two") for n in range(30_000, 30_400)]
    places = [Place(row, "quantity") for row in range(30_001, 30_401)]
    files = {"a.csv": text(SALES_HEADER, *lines)}
    return [Delivery(files, 30_400, "QROW", "not_a_number", places, good_rows=30_000)]


SWAPPED = text(",".join(SALES.names[::-1]), *(",".join(line.split(",")[::-1]) for line in LINES))
LATIN_ITEMS = Contract.model_validate({**ITEMS.model_dump(exclude_unset=True), "encoding": "latin-1"})
KAESE = text(ITEM_HEADER, item(item_name="Käse")).decode().encode("latin-1")
LONG = "x" * 3_000_000

CASES: list[Case] = [
    one("B01", "truncated-in-transfer", {"a.csv.gz": gzip.compress(GOOD)}, 5, "REJECT", reason="bytes_differ",
        as_written={"a.csv.gz": gzip.compress(GOOD)[:-10]}, places=[Place()]),
    rejected("B01", "truncated-at-the-source", gzip.compress(GOOD)[:-10], "gzip_damaged", file="a.csv.gz",
             places=[Place()], words="transfer"),
    rejected("B01", "wrong-checksum", gzip.compress(GOOD)[:-8] + bytes(8), "gzip_damaged", file="a.csv.gz",
             places=[Place()], words="CRC"),
    one("B01", "other-bytes", FILE, 5, "REJECT", reason="sha256_differs", places=[Place()],
        as_written={"a.csv": GOOD.replace(b"store", b"depot")}),
    one("B02", "cut-at-a-line-end-in-transfer", FILE, 5, "REJECT", reason="bytes_differ", places=[Place()],
        as_written={"a.csv": GOOD[: GOOD.rindex(b"\n", 0, -1) + 1]}),
    rejected("B02", "cut-at-a-line-end-at-the-source", GOOD[: GOOD.rindex(b"\n", 0, -1) + 1], "rows_differ",
             places=[Place()], words="4 rows found, 5 stated"),
    rejected("B02", "cut-after-a-separator", GOOD[: GOOD.rindex(b"EUR,")] + b"EUR,", "csv_malformed",
             places=[Place(row=5)]),
    one("B02", "last-field-lost", {"a.csv": text(SALES_HEADER, sale(promotion_id="P1"))}, 1, "REJECT",
        reason="bytes_differ", as_written={"a.csv": text(SALES_HEADER, sale())}, places=[Place()]),
    rejected("B02", "json-cut", jsonl(ROW) + b'{"order_id": ', "json_malformed", rows=2, file="a.jsonl",
             places=[Place(row=2)], manifest=JSON),
    rejected("B03", "zero-bytes", b"", "zero_bytes", places=[Place()], words="extract it again"),
    parquet("B03", "zero-bytes-of-parquet", lambda _: b"", "zero_bytes"),
    rejected("B03", "zero-bytes-of-json", b"", "zero_bytes", file="a.jsonl", places=[Place()],
             manifest=JSON),
    rejected("B04", "header-only", text(SALES_HEADER), "empty_extract", rows=0, words="allow_empty"),
    one("B04", "empty-and-allowed", {"a.csv": text(",".join(PROMOTIONS.names))}, 0, "NOOP", contract=PROMOTIONS),
    one("B04", "heartbeat-of-changes", {"a.jsonl": b""}, 0, "NOOP", contract=ORDERS, manifest=CDC),
    rejected("B05", "unclosed-quote", text(SALES_HEADER, sale(), sale(sku_id='"I1')), "csv_malformed", rows=2,
             places=[Place(row=2)], words="quote"),
    rejected("B06", "extra-field", text(SALES_HEADER, sale(), sale() + ",x"), "csv_malformed", rows=2,
             places=[Place(row=2)], words="Found: 14"),
    rejected("B06", "missing-fields", text(SALES_HEADER, sale(), "SO1,1"), "csv_malformed", rows=2,
             places=[Place(row=2)], words="Found: 2"),
    rejected("B09", "latin-1", text(SALES_HEADER, sale(sku_id="Käse")).decode().encode("latin-1"), "csv_malformed",
             rows=1, places=[Place(row=1)], words="utf-8"),
    rejected("B09", "utf-16", GOOD.decode().encode("utf-16"), "csv_malformed", places=[Place()], words="UTF-8"),
    rejected("B09", "only-the-manifest-names-it", GOOD, "encoding_refused", manifest={"encoding": "latin-1"},
             words="agree a change of contract"),
    rejected("B09", "json", jsonl(ROW).replace(b"store", b"\xff"), "json_malformed", rows=1, file="a.jsonl",
             places=[Place(row=1)], manifest=JSON),
    one("B09", "the-contract-names-it", {"a.csv": KAESE}, 1, "ACCEPT", contract=LATIN_ITEMS,
        manifest={"encoding": "latin-1"}, kept={"item_name": ["Käse"]}),
    one("B10", "byte-order-mark", {"a.csv": b"\xef\xbb\xbf" + GOOD}, 5, "ACCEPT", kept={"order_line": NUMBERED}),
    rejected("B11", "mixed-line-ends", GOOD.replace(b"\n", b"\r\n", 2), "csv_malformed", places=[Place()],
             words="2 CRLF, 4 LF"),
    one("B11", "one-kind-of-line-end", {"a.csv": GOOD.replace(b"\n", b"\r\n")}, 5, "ACCEPT",
        kept={"order_line": NUMBERED, "promotion_id": [None] * 5}),
    one("B33", "added-column", {"a.csv": text(f"colour,{SALES_HEADER}", *(f"red,{line}" for line in LINES))}, 5,
        "ACCEPT", kept={"order_line": NUMBERED, "order_id": ["SO1"] * 5}, warnings=["column_added: colour"],
        alert="contract_change"),
    one("B33", "added-field-of-json", {"a.jsonl": jsonl({**ROW, "colour": "red"})}, 1, "ACCEPT",
        kept={"unit": ["EA"]}, warnings=["column_added: colour"], alert="contract_change",
        manifest=JSON),
    rejected("B34", "removed-column", GOOD.replace(b"quantity,", b""), "column_missing",
             places=[Place(column="quantity")]),
    rejected("B34", "removed-from-json", jsonl({k: v for k, v in ROW.items() if k != "unit"}), "column_missing",
             rows=1, file="a.jsonl", places=[Place(row=1, column="unit")], manifest=JSON),
    rejected("B35", "renamed-column", GOOD.replace(b"quantity", b"qty"), "column_missing", words="renamed",
             places=[Place(column="quantity")]),
    one("B36", "reordered-columns", {"a.csv": SWAPPED}, 5, "ACCEPT",
        kept={"order_line": NUMBERED, "quantity": [Decimal(2)] * 5, "currency": ["EUR"] * 5}),
    Case("B36", "reordered-columns-of-parquet", parquet_good),
    Case("B37", "words-from-row-30001-on", retyped),
    parquet("B37", "key-stored-as-float", lambda p: written(p, sales_table(sku_id=pa.array([1.0]))), "wrong_type",
            "sku_id"),
    rejected("B38", "duplicate-header", GOOD.replace(b"unit", b"quantity"), "column_duplicate",
             places=[Place(column="quantity")]),
    parquet("B54", "truncated", lambda p: written(p, sales_table())[:-20], "parquet_malformed", words="transfer"),
    parquet("B54", "not-parquet", lambda _: GOOD, "parquet_malformed"),
    parquet("B55", "bit-flip-under-a-page-checksum", flipped, "parquet_malformed", words="transfer"),
    Case("B55", "bit-flip-in-transfer", lambda p: [
        Delivery({"a.parquet": written(p, sales_table())}, 1, "REJECT", "sha256_differs", [Place()],
                 as_written={"a.parquet": flipped(p)}, manifest=PARQUET)]),
    parquet("B56", "more-rows-than-stated", bomb, "rows_differ", rows=1000, words="2000000 rows in the footer"),
    parquet("B56", "more-rows-than-the-contract-allows",
            lambda p: written(p, sales_table()), "too_many_rows", rows=SALES.thresholds.max_rows + 1, places=(),
            words="split"),
    rejected("B57", "gzip-bomb", gzip.compress(bytes(50 << 20)), "gzip_bomb", file="a.csv.gz", places=[Place()],
             words="split"),
    rejected("B57", "gzip-bomb-inside-the-ratio", gzip.compress(GOOD)[:-4] + b"\xff\xff\xff\x7f", "gzip_damaged",
             file="a.csv.gz", places=[Place()]),
    rejected("B59", "nan", jsonl(ROW).replace(b'"2"', b"NaN"), "json_malformed", rows=1, file="a.jsonl",
             places=[Place(row=1)], words="NaN", manifest=JSON),
    rejected("B59", "duplicate-key", jsonl(ROW, ROW).replace(b'"unit"', b'"quantity"'), "json_malformed", rows=2,
             file="a.jsonl", places=[Place(row=1)], words="twice", manifest=JSON),
    rejected("B61", "field-of-3-mb", text(SALES_HEADER, sale(), sale(sku_id=LONG)), "csv_malformed", rows=2,
             places=[Place(row=2)]),
    rejected("B61", "json-field-of-3-mb", jsonl(ROW, {**ROW, "sku_id": LONG}), "json_malformed", rows=2,
             file="a.jsonl", places=[Place(row=2)], words="2000000 bytes", manifest=JSON),
    parquet("B61", "parquet-field-of-3-mb", lambda p: written(p, sales_table(sku_id=[LONG])), "value_too_long",
            "sku_id", words="2000000"),
]  # fmt: skip
