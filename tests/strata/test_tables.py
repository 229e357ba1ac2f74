"""The one check that every published frame passes: what it refuses, and that the message says where."""

from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata.tables import PARTITION_TABLES, RELEASE_TABLES, SEGMENT_MIGRATION, TABLES, TableError, release_schema

ROW = {
    "from_segment": "AX",
    "to_segment": "BX",
    "region": "EMEA",
    "cycle": "2026-07",
    "items": 2,
    "revenue": Decimal("10.5000"),
    "true_shift_items": 1,
    "noise_items": 1,
    "valid_for_cycle": "2026-07",
    "scheme_version": "2017.1",
}
FLOATS = next(t for t in TABLES.values() if t.name == "demand_forecast")


def rows(*changes: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame([ROW | change for change in changes or ({},)])


def test_a_frame_becomes_the_table() -> None:
    frame = rows({"from_segment": "CX"}, {})
    table = SEGMENT_MIGRATION.conform(frame[sorted(frame.columns)])
    assert table.schema == SEGMENT_MIGRATION.schema
    assert table["from_segment"].to_pylist() == ["AX", "CX"]  # sorted by key
    assert SEGMENT_MIGRATION.conform(table).equals(table)


@given(st.permutations(range(6)))
def test_row_order_and_column_order_do_not_matter(order: list[int]) -> None:
    frame = rows(*({"from_segment": f"S{n}"} for n in order))
    straight = rows(*({"from_segment": f"S{n}"} for n in range(6)))
    assert SEGMENT_MIGRATION.conform(frame).equals(SEGMENT_MIGRATION.conform(straight))


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (rows().drop(columns="items"), r"missing columns \['items'\]"),
        (rows().assign(comment="x"), r"extra columns \['comment'\]"),
        (rows({"items": "two"}), "column items"),
        (rows({"items": 1.5}), "column items"),
        (rows({"items": None}), "column items: .*null in 1 rows, first .0."),
        (rows({"region": None}, {"to_segment": "CX"}), "column region: null in 1 rows"),
        (rows({"revenue": Decimal("0.00001")}), "column revenue"),
        (rows({"revenue": "ten"}), "column revenue"),
        (rows({}, {}), r"stands more than once, for example \[\{'from_segment': 'AX'"),
    ],
)
def test_what_does_not_fit(frame: pd.DataFrame, why: str) -> None:
    with pytest.raises(TableError, match=why) as error:
        SEGMENT_MIGRATION.conform(frame)
    assert "table segment_migration" in str(error.value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_refused_in_every_float_column(bad: float) -> None:
    """Fact 3: NaN passes every comparison, and tops every ranking."""
    floats = [column for column in FLOATS.columns if column.kind == "float"]
    assert len(floats) > 5
    for column in floats:
        arrays = [pa.array([bad if field.name == column.name else None], field.type) for field in FLOATS.schema]
        table = pa.Table.from_arrays(arrays, schema=pa.schema([pa.field(f.name, f.type) for f in FLOATS.schema]))
        filled = _filled(table, leave=column.name)
        with pytest.raises(TableError, match=f"column {column.name}: NaN or infinite in rows .0.; write null"):
            FLOATS.conform(filled)


def _filled(table: pa.Table, leave: str) -> pa.Table:
    values = {
        pa.string(): "x", pa.int64(): 1, pa.float64(): 1.0, pa.bool_(): False, pa.date32(): 0,
        pa.decimal128(18, 4): Decimal(1),
    }  # fmt: skip
    for number, field in enumerate(table.schema):
        if field.name != leave and field.type in values:
            table = table.set_column(number, field.name, pa.array([values[field.type]], field.type))
    return table


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_is_declared_whole(name: str) -> None:
    table = TABLES[name]
    assert table.name == name
    assert set(table.keys) <= set(table.names)
    assert len(set(table.names)) == len(table.names)
    by_name = {column.name: column for column in table.columns}
    assert not any(by_name[key].nullable for key in table.keys), "a key is never null"
    assert {"region", "valid_for_cycle", "scheme_version"} <= set(table.names)
    assert table.decided == ("decision_reason" in table.names) == ("is_suspended" in table.names)
    assert all(len(column.meaning) >= 5 for column in table.columns)
    assert table.conform(table.empty()).num_rows == 0
    assert release_schema(table).names == [*table.names, "release_id"]


def test_a_table_belongs_to_a_partition_or_to_a_release() -> None:
    assert set(PARTITION_TABLES) | set(RELEASE_TABLES) == set(TABLES)
    assert not set(PARTITION_TABLES) & set(RELEASE_TABLES)
    assert all({"region", "cycle"} <= set(TABLES[name].keys) for name in PARTITION_TABLES)


def test_release_id_is_not_content() -> None:
    table = SEGMENT_MIGRATION.conform(rows())
    stamped = table.append_column("release_id", pa.array(["r1"]))
    assert SEGMENT_MIGRATION.content_hash(stamped) == SEGMENT_MIGRATION.content_hash(table)


SEGMENTS = st.lists(st.sampled_from("ABCDE"), unique=True, min_size=1).map(sorted)


def batches_of(table: pa.Table, size: int) -> list[pa.RecordBatch]:
    return [table.slice(start, size).combine_chunks().to_batches()[0] for start in range(0, table.num_rows, size)]


@pytest.mark.capability("9.6", part="a table is checked batch by batch to the rows that it has when checked whole")
@given(SEGMENTS, st.integers(1, 3))
def test_batches_become_the_same_table(segments: list[str], size: int) -> None:
    frame = rows(*({"from_segment": segment} for segment in segments))
    given_rows = pa.Table.from_pandas(frame[sorted(frame.columns)], preserve_index=False)
    found = list(SEGMENT_MIGRATION.conform_batches(iter(batches_of(given_rows, size))))
    assert pa.Table.from_batches(found).equals(SEGMENT_MIGRATION.conform(frame))
    assert [batch.num_rows for batch in found] == [batch.num_rows for batch in batches_of(given_rows, size)]


@pytest.mark.parametrize("segments", ["BA", "ABA", "AA", "ABB"])
def test_batches_out_of_order_or_of_one_key_are_refused(segments: str) -> None:
    table = pa.Table.from_pandas(rows(*({"from_segment": one} for one in segments)), preserve_index=False)
    for size in (1, 2):
        with pytest.raises(TableError, match="rows do not ascend by key"):
            list(SEGMENT_MIGRATION.conform_batches(batches_of(table, size)))


def test_batches_are_of_the_declared_types() -> None:
    table = pa.Table.from_pandas(rows().assign(items="two"), preserve_index=False)
    with pytest.raises(TableError, match="column items"):
        list(SEGMENT_MIGRATION.conform_batches(table.to_batches()))
