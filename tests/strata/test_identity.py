"""Content hashes: what must not change them, what must, and one digest pinned for good."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata.identity import canonical_json, content_hash, content_hash_file, is_sorted, sha256_file, sha256_json

SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("text", pa.string()),
        pa.field("whole", pa.int64()),
        pa.field("real", pa.float64()),
        pa.field("flag", pa.bool_()),
        pa.field("day", pa.date32()),
        pa.field("moment", pa.timestamp("us", tz="UTC")),
        pa.field("amount", pa.decimal128(18, 4)),
    ]
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.none() | st.text(max_size=6),
            "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
            "real": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "flag": st.none() | st.booleans(),
            "day": st.none() | st.dates(),
            "moment": st.none() | st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)),
            "amount": st.none() | st.decimals(-(10**13), 10**13, places=4, allow_nan=False),
        }
    ),
    max_size=12,
).map(lambda rows: [{"key": f"k{number:02d}", **row} for number, row in enumerate(rows)])


def table(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def one(kind: pa.DataType, *values: object) -> str:
    return content_hash(pa.table({"k": pa.array(range(len(values))), "v": pa.array(values, kind)}), ["k"])


@given(ROWS, st.randoms(use_true_random=False), st.data())
def test_order_chunks_and_dictionaries_do_not_matter(
    rows: list[dict[str, object]], random, data: st.DataObject
) -> None:
    known = content_hash(table(rows), ["key"])
    shuffled = rows.copy()
    random.shuffle(shuffled)
    assert content_hash(table(shuffled), ["key"]) == known
    cut = data.draw(st.integers(0, len(rows)))
    chunked = pa.concat_tables([table(shuffled[:cut]), table(shuffled[cut:])])
    assert content_hash(chunked, ["key"]) == known
    encoded = chunked.set_column(1, "text", chunked["text"].dictionary_encode())
    assert content_hash(encoded, ["key"]) == known
    columns = SCHEMA.names.copy()
    random.shuffle(columns)
    assert content_hash(chunked.select(columns), ["key"]) == known
    sliced = pa.concat_tables([table([{"key": "k"}]), chunked]).combine_chunks().slice(1)
    assert content_hash(sliced, ["key"]) == known


@given(ROWS, st.data())
def test_any_other_value_has_another_hash(rows: list[dict[str, object]], data: st.DataObject) -> None:
    if not rows:
        rows = [{"key": "k00"}]
    number = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(SCHEMA.names[1:]))
    other = [dict(row) for row in rows]
    other[number][name] = None if other[number].get(name) is not None else {
        "text": "", "whole": 0, "real": 0.0, "flag": False, "day": date(1970, 1, 1),
        "moment": datetime(1970, 1, 1, tzinfo=UTC), "amount": Decimal(0),
    }[name]  # fmt: skip
    assert content_hash(table(other), ["key"]) != content_hash(table(rows), ["key"])


@given(ROWS)
def test_a_file_gives_back_the_hash(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]) -> None:
    file = tmp_path_factory.mktemp("f") / "t.parquet"
    pq.write_table(table(rows), file, compression="gzip", use_dictionary=True, row_group_size=3)
    assert content_hash(pq.read_table(file), ["key"]) == content_hash(table(rows), ["key"])


def test_the_digest_is_pinned() -> None:
    """A changed digest would make every manifest, gate record and replay of before unverifiable."""
    rows = [
        {
            "key": "B", "text": "é", "whole": -1, "real": 0.1, "flag": True, "day": date(2026, 3, 29),
            "moment": datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "amount": Decimal("-12.3400"),
        },
        {"key": "A"},
    ]  # fmt: skip
    assert content_hash(table(rows), ["key"]) == "f6ff881fe305952d9b2287276db05984fd9fbe6d736a536e0719103b90327a3b"
    assert content_hash(table([]), ["key"]) == "b4c08a4b0eac2268108f1ca487362a18d7dc655350321d4e1d00b125fafe9edb"


def test_minus_zero_is_zero() -> None:
    assert one(pa.float64(), -0.0) == one(pa.float64(), 0.0)


def test_null_is_not_empty_and_not_zero() -> None:
    assert one(pa.string(), None) != one(pa.string(), "")
    assert one(pa.int64(), None) != one(pa.int64(), 0)
    assert one(pa.float64(), None) != one(pa.float64(), 0.0)
    assert one(pa.bool_(), None) != one(pa.bool_(), False)
    assert one(pa.decimal128(18, 4), None) != one(pa.decimal128(18, 4), Decimal(0))
    assert one(pa.date32(), None) != one(pa.date32(), date(1970, 1, 1))


def test_where_a_text_ends_matters() -> None:
    assert one(pa.string(), "ab", "c") != one(pa.string(), "a", "bc")
    assert one(pa.string(), "1") != one(pa.int64(), 1)


def test_text_is_one_kind_whatever_its_offsets() -> None:
    assert one(pa.large_string(), "a", None, "b") == one(pa.string(), "a", None, "b")


def test_names_of_columns_are_content() -> None:
    assert content_hash(pa.table({"a": [1]}), ["a"]) != content_hash(pa.table({"b": [1]}), ["b"])


def test_columns_left_out_are_not_content() -> None:
    rows = pa.table({"k": [1, 2], "v": [3, 4]})
    stamped = rows.append_column("release_id", pa.array(["r1", "r1"]))
    assert content_hash(stamped, ["k"], {"release_id"}) == content_hash(rows, ["k"])
    assert content_hash(stamped, ["k"]) != content_hash(rows, ["k"])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_none_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="column v holds NaN or infinity"):
        one(pa.float64(), value)


def test_a_type_without_an_encoding_is_refused() -> None:
    with pytest.raises(ValueError, match="column v"):
        one(pa.list_(pa.int64()), [1])
    with pytest.raises(ValueError, match="column v"):
        one(pa.binary(), b"x")


def test_canonical_json_is_one_text_for_equal_values() -> None:
    assert canonical_json({"b": [1, None], "a": "é"}) == '{"a":"é","b":[1,null]}'.encode()
    assert sha256_json({"b": 1, "a": 2}) == sha256_json({"a": 2, "b": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(float("nan"))


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256_file(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.capability("9.6", part="a table's content hash is taken from its file, column by column and not held")
@given(ROWS, st.integers(1, 5), st.booleans())
def test_a_file_has_the_hash_of_its_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]], size: int, is_reversed: bool
) -> None:
    held = table(rows[::-1] if is_reversed else rows)
    path = tmp_path_factory.getbasetemp() / "hashed.parquet"
    pq.write_table(held, path, row_group_size=size)
    assert content_hash_file(path, ["key"]) == content_hash(held, ["key"])
    assert content_hash_file(path, ["key"], {"amount"}) == content_hash(held, ["key"], {"amount"})


def test_order_is_seen_across_batches() -> None:
    def batches(*values: tuple[str, int]) -> list[pa.RecordBatch]:
        return [pa.record_batch({"a": [a], "b": [b]}) for a, b in values]

    assert is_sorted(batches(("x", 1), ("x", 2), ("y", 1)), ["a", "b"], strictly=True)
    assert not is_sorted(batches(("x", 2), ("x", 1)), ["a", "b"])
    assert not is_sorted(batches(("y", 1), ("x", 2)), ["a", "b"])
    assert is_sorted(batches(("x", 1), ("x", 1)), ["a", "b"])
    assert not is_sorted(batches(("x", 1), ("x", 1)), ["a", "b"], strictly=True)
