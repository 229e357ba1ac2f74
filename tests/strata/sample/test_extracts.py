"""Extracts on disk: formats, manifests, identity of reruns."""

import gzip
import hashlib
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata.home import Home
from strata.sample import extracts
from strata.sample.extracts import as_decimal, as_scaled, iso_text, write_extract

ZONE = "America/New_York"
TABLE = pa.table(
    {
        "key": ["a", 'b,"c"', None],
        "day": pa.array([date(2017, 1, 1), None, date(2017, 7, 1)]),
        "at": pa.array([datetime(2017, 1, 1, 12, tzinfo=UTC), None, datetime(2017, 7, 1, 12, tzinfo=UTC)]).cast(
            pa.timestamp("us", ZONE)
        ),
        "quantity": pa.array([Decimal("1.5"), Decimal("-2"), Decimal("1000000.0001")], pa.decimal128(18, 4)),
        "line": pa.array([1, None, 3]),
    }
)


def write(root: Path, table: pa.Table = TABLE, **changes: object) -> extracts.Extract:
    terms = {
        "kind": "full",
        "envelope": "plain",
        "format": "csv",
        "grain": "event",
        "extracted_at": datetime(2017, 7, 2, 2, tzinfo=UTC),
        "business_date": date(2017, 7, 1),
        "position": {"from": "0", "to": "9"},
        "initial_load": False,
        "origin": "simulated",
        "control_totals": ["quantity"],
    }
    return write_extract(Home(root), "erp", "things", "x1", table, **(terms | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("format", ["csv", "csv.gz", "jsonl", "parquet"])
def test_manifest_states_what_the_file_holds_and_a_rerun_changes_nothing(tmp_path: Path, format: str) -> None:
    first = write(tmp_path, format=format)
    (file,) = first.manifest["files"]
    path = first.folder / file["name"]
    data = path.read_bytes()
    assert (file["sha256"], file["bytes"], file["rows"]) == (hashlib.sha256(data).hexdigest(), len(data), 3)
    assert json.loads((first.folder / "manifest.json").read_text()) == first.manifest
    assert first.manifest["control_totals"] == {"quantity": 999999.5001}
    assert first.manifest["format"] == format.removesuffix(".gz")
    assert sorted(p.name for p in first.folder.iterdir()) == ["manifest.json", file["name"]]
    stamp = path.stat().st_mtime_ns
    second = write(tmp_path, format=format)
    assert (first.is_new, second.is_new) == (True, False)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (data, stamp)
    assert write(tmp_path / "elsewhere", format=format).manifest == first.manifest


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    first = write(tmp_path)
    path = first.folder / first.manifest["files"][0]["name"]
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert write(tmp_path).is_new
    assert path.read_bytes() == data


def test_a_crash_leaves_no_manifest_beside_new_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path).folder

    def fail(path: Path, data: bytes) -> None:
        raise OSError(f"no space left for {path.name}")

    monkeypatch.setattr(extracts, "write_bytes", fail)
    with pytest.raises(OSError, match=r"no space left for manifest\.json"):
        write(tmp_path, TABLE.slice(0, 2))
    assert [p.name for p in folder.iterdir()] == ["part-0.csv"]
    monkeypatch.undo()
    assert write(tmp_path).is_new


def test_csv_times_are_local_with_offset_and_nulls_are_empty(tmp_path: Path) -> None:
    lines = (write(tmp_path).folder / "part-0.csv").read_text().splitlines()
    assert lines[1] == '"a",2017-01-01,"2017-01-01T07:00:00-05:00",1.5000,1'
    assert lines[2] == '"b,""c""",,,-2.0000,'
    assert lines[3] == ',2017-07-01,"2017-07-01T08:00:00-04:00",1000000.0001,3'
    packed = gzip.decompress((write(tmp_path / "gz", format="csv.gz").folder / "part-0.csv.gz").read_bytes())
    assert packed.decode().splitlines() == lines


def test_parquet_keeps_instants_and_decimals(tmp_path: Path) -> None:
    back = pq.read_table(write(tmp_path, format="parquet").folder / "part-0.parquet")
    assert back.equals(TABLE)


def test_large_tables_are_split_into_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extracts, "ROWS_PER_FILE", 2)
    extract = write(tmp_path)
    assert [(file["name"], file["rows"]) for file in extract.manifest["files"]] == [
        ("part-0.csv", 2),
        ("part-1.csv", 1),
    ]
    assert pyarrow.csv.read_csv(extract.folder / "part-1.csv").num_rows == 1


def test_debezium_events_wrap_the_row(tmp_path: Path) -> None:
    table = TABLE.slice(0, 1)
    changes = pa.concat_tables([table, table, table]).append_column("__op", pa.array(["c", "u", "d"]))
    changes = changes.append_column("__ts_ms", pa.array([5, 6, 7])).append_column("__lsn", pa.array([10, 20, 30]))
    extract = write(tmp_path, changes, kind="cdc", envelope="debezium", format="jsonl", control_totals=[])
    created, updated, deleted = map(json.loads, (extract.folder / "part-0.jsonl").read_text().splitlines())
    row = {"key": "a", "day": "2017-01-01", "at": "2017-01-01T07:00:00-05:00", "quantity": "1.5000", "line": 1}
    assert (created["op"], created["before"], created["after"]) == ("c", None, row)
    assert (updated["op"], updated["before"], updated["after"]) == ("u", None, row)
    assert (deleted["op"], deleted["before"], deleted["after"]) == ("d", row, None)
    assert [e["source"]["lsn"] for e in (created, updated, deleted)] == [10, 20, 30]
    assert (deleted["ts_ms"], deleted["source"]["ts_ms"]) == (7, 7)


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="envelope 'debezium' does not go with kind 'full'"):
        write(tmp_path, envelope="debezium")
    with pytest.raises(ValueError, match="has no time zone"):
        write(tmp_path, extracted_at=datetime(2017, 7, 2, 2))
    naive = pa.table({"at": pa.array([datetime(2017, 1, 1)], pa.timestamp("us")), "quantity": TABLE["quantity"][:1]})
    with pytest.raises(ValueError, match=r"erp\.things: column at holds timestamps without a time zone"):
        write(tmp_path, naive)
    assert not list(tmp_path.rglob("manifest.json")) and not list(tmp_path.rglob("*.tmp"))


def test_iso_text_names_both_offsets_of_the_repeated_hour() -> None:
    instants = pa.chunked_array(
        [pa.array([datetime(2017, 11, 5, 5, 30, tzinfo=UTC), datetime(2017, 11, 5, 6, 30, tzinfo=UTC)])]
    ).cast(pa.timestamp("us", ZONE))
    assert iso_text(instants).to_pylist() == ["2017-11-05T01:30:00-04:00", "2017-11-05T01:30:00-05:00"]


@given(st.lists(st.integers(-(10**17), 10**17)))
def test_decimals_are_exact_both_ways(values: list[int]) -> None:
    scaled = np.array(values, dtype=np.int64)
    decimals = as_decimal(scaled)
    assert decimals.to_pylist() == [Decimal(value).scaleb(-4) for value in values]
    assert as_scaled(decimals).tolist() == values
    assert as_scaled(decimals.slice(1)).tolist() == values[1:]
