"""Batches of raw/: typed even when empty, listed in order, and values survive every format."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.home import Home
from strata.intake.batches import accepted_batches, empty_rows, feed_batches, read_batch
from strata.intake.contract import Contract
from strata.intake.land import land
from tests.strata.intake.drops import (
    CONTRACTS,
    ITEM_HEADER,
    ITEMS,
    SALES,
    SALES_HEADER,
    drop,
    item,
    parquet,
    sale,
    text,
)


def test_empty_rows_have_the_schema_of_landed_rows(tmp_path: Path) -> None:
    home = Home(tmp_path)
    drop(home.landing, {"a.csv": text(SALES_HEADER, sale())}, 1)
    land(home, CONTRACTS)
    (batch,) = accepted_batches(home)
    assert pq.read_schema(batch.rows_file) == empty_rows(SALES).schema
    for contract in CONTRACTS.values():
        schema = empty_rows(contract).schema
        assert schema.names[: len(contract.names)] == contract.names
        assert schema.names[len(contract.names) :] == [
            "_batch_id",
            "_file",
            "_row",
            "_op",
            "_position",
            "_sequence",
            "_known_from",
            "_known_basis",
            "_origin",
            "_extract_kind",
            "_unchanged",
            "_refusal_reason",
            "_refusal_column",
            "_refused_value",
        ]


def test_batches_are_listed_by_system_feed_and_position(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert accepted_batches(home) == []
    for n, day in enumerate([3, 1, 2]):
        at = f"2017-05-0{day}T00:00:00Z"
        drop(
            home.landing,
            {"a.csv": text(SALES_HEADER, sale(quantity=str(n + 1)))},
            1,
            extract_id=f"x{n}",
            extracted_at=at,
        )
    drop(home.landing, {"a.csv": text(ITEM_HEADER, item())}, 1, contract=ITEMS)
    land(home, CONTRACTS)
    listed = [(batch.feed, batch.manifest.extracted_at.day) for batch in accepted_batches(home)]
    assert listed == [("items", 1), ("sales_order_lines", 1), ("sales_order_lines", 2), ("sales_order_lines", 3)]
    assert len(feed_batches(home, "erp", "sales_order_lines")) == 3
    batch = accepted_batches(home)[0]
    assert batch.contract_sha256 == ITEMS.sha256 and len(batch.rows_sha256) == 64


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "batch.json").write_text("{}")
    with pytest.raises(ValueError, match=r"batch\.json.*land the extract again"):
        read_batch(tmp_path)


MIXED = Contract.model_validate(
    {
        **SALES.model_dump(),
        "key": ["code"],
        "business_time": None,
        "personal_data": "none",
        "columns": [
            {"name": "code", "type": "text", "meaning": "The key of the row."},
            {"name": "note", "type": "text", "nullable": True, "verbatim": True, "meaning": "Free text of the source."},
            {"name": "number", "type": "integer", "nullable": True, "meaning": "A whole number."},
            {"name": "amount", "type": "decimal", "nullable": True, "meaning": "An amount of money."},
            {"name": "day", "type": "date", "nullable": True, "meaning": "A day of the calendar."},
            {"name": "instant", "type": "timestamp", "nullable": True, "meaning": "A point in time."},
            {"name": "flag", "type": "boolean", "nullable": True, "meaning": "A yes or a no."},
        ],
    }
)
CODES = st.text("ABCxyz0189-_./ äÄ€漢", min_size=1, max_size=12).filter(lambda code: code == code.strip())
NOTES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "code": CODES,
            "note": st.none() | NOTES,
            "number": st.none() | st.integers(-(10**18) + 1, 10**18 - 1),
            "amount": st.none() | st.integers(-(10**17), 10**17).map(lambda scaled: Decimal(scaled).scaleb(-4)),
            "day": st.none() | st.dates(date(1900, 1, 1), date(9999, 12, 31)),
            "instant": st.none()
            | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(lambda t: t.replace(tzinfo=UTC)),
            "flag": st.none() | st.booleans(),
        }
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row["code"],
)


def as_text(value: Any, zone: timedelta) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        sign, minutes = ("-" if zone < timedelta(0) else "+"), abs(zone) // timedelta(minutes=1)
        return f"{(value + zone).replace(tzinfo=None).isoformat()}{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return None if value is None else str(value)


def as_csv(texts: list[dict[str, str | None]]) -> bytes:
    def field(value: str | None) -> str:
        return "" if value is None else '"' + value.replace('"', '""') + '"'

    return text(",".join(MIXED.names), *(",".join(field(value) for value in row.values()) for row in texts))


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, zone=st.sampled_from([timedelta(0), timedelta(hours=5, minutes=30), timedelta(hours=-4)]))
def test_values_come_through_csv_json_lines_and_parquet_unchanged(rows: list[dict[str, Any]], zone: timedelta) -> None:
    rows = [{name: row[name] for name in MIXED.names} for row in rows]
    texts = [{name: as_text(value, zone) for name, value in row.items()} for row in rows]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        table = pa.Table.from_pylist(rows, schema=empty_rows(MIXED).schema.empty_table().select(MIXED.names).schema)
        files = {
            "csv": as_csv(texts),
            "jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in texts).encode(),
            "parquet": parquet(table, root / "table"),
        }
        for form, data in files.items():
            home = Home(root / form)
            drop(home.landing, {f"a.{form}": data}, len(rows), contract=MIXED, format=form)
            (extract,) = land(home, {("erp", "sales_order_lines"): MIXED}).extracts
            assert (extract.rows, extract.reasons) == (len(rows), {}), (form, extract.advice)
            landed = pq.read_table(accepted_batches(home)[0].rows_file).select(MIXED.names).to_pylist()
            assert landed == rows, form
