"""Facts of a table, measured once over all rows: the one-row frame that a suite judges.

Belongs here: vectorised counting over Arrow columns, example keys, facts that every table has. Does not: bounds
(`expectations.rule` and the stages). Great Expectations never sees single rows: a candidate has millions of them,
and its results would copy values of the source into logs; facts are counts, and examples are keys only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from strata.partition import Partition
from strata.scheme.model import Scheme
from strata.tables import ARROW, Table

Mask = NDArray[np.bool_]
Fact = int | float | None
MAX_EXAMPLES = 5
# Room for float rounding only, far below any unit, share or day that a planner would notice.
TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured: rows looked at, distinct rows that broke a rule, one value and up to five keys per fact."""

    rows: int
    failed_rows: int
    values: Mapping[str, Fact]
    examples: Mapping[str, tuple[str, ...]]

    @property
    def frame(self) -> pd.DataFrame:
        """One row, one column per fact."""
        return pd.DataFrame({name: [value] for name, value in self.values.items()})


class Measure:
    """Collects the facts of one table. Build it, check `complete`, add facts, then take `facts()`."""

    def __init__(self, rows: pa.Table, table: Table, *, scheme: Scheme, partition: Partition) -> None:
        """Measure what every table has; the rest only makes sense if columns and types are as declared."""
        self.rows = rows.combine_chunks()
        self.table = table
        self._values: dict[str, Fact] = {}
        self._examples: dict[str, tuple[str, ...]] = {}
        self._failed: Mask = np.zeros(rows.num_rows, dtype=bool)
        self.number("rows", rows.num_rows)
        missing = [name for name in table.names if name not in rows.column_names]
        extra = [name for name in rows.column_names if name not in table.names]
        self.number("missing_columns", len(missing), missing)
        self.number("extra_columns", len(extra), extra)
        self.complete = sorted(rows.column_names) == sorted(table.names)
        if self.complete:
            self._types()
        if self.complete:
            self._every_table(scheme, partition)

    def column(self, name: str) -> pa.Array:
        """One column as a single array."""
        chunks = self.rows.column(name)
        return chunks.chunk(0) if chunks.num_chunks else pa.array([], type=chunks.type)

    def floats(self, name: str) -> NDArray[np.float64]:
        """One numeric column as floats, null as NaN: every comparison with it is False."""
        values: NDArray[np.float64] = self.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
        return values

    def count(self, fact: str, mask: Mask | pa.Array) -> None:
        """A fact that counts rows: those where `mask` is True (null is False), with the keys of the first five."""
        bad = mask if isinstance(mask, np.ndarray) else pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
        places = np.flatnonzero(bad)
        self._values[fact] = len(places)
        if len(places):
            self._failed |= bad
            keys = self.rows.select(list(self.table.keys)).take(pa.array(places[:MAX_EXAMPLES])).to_pylist()
            self._examples[fact] = tuple("|".join(str(value) for value in key.values()) for key in keys)

    def number(self, fact: str, value: Fact, examples: Iterable[str] = ()) -> None:
        """A fact that is no count of rows."""
        self._values[fact] = value
        if shown := tuple(examples)[:MAX_EXAMPLES]:
            self._examples[fact] = shown

    def outside_set(self, fact: str, column: str, allowed: Iterable[str]) -> None:
        """Count rows whose value is none of `allowed`; null is left to `nulls`."""
        values = self.column(column)
        known = pc.is_in(values, value_set=pa.array(sorted(allowed), type=pa.string()))
        self.count(fact, pc.and_(pc.is_valid(values), pc.invert(known)))

    def outside_range(self, fact: str, columns: Sequence[str], low: float | None, high: float | None) -> None:
        """Count rows where any of `columns` is below `low` or above `high`; null is not judged."""
        bad: Mask = np.zeros(self.rows.num_rows, dtype=bool)
        for column in columns:
            values = self.floats(column)
            if low is not None:
                bad |= values < low
            if high is not None:
                bad |= values > high
        self.count(fact, bad)

    def facts(self) -> Facts:
        """What was collected."""
        return Facts(self.rows.num_rows, int(self._failed.sum()), dict(self._values), dict(self._examples))

    def _types(self) -> None:
        declared = {column.name: ARROW[column.kind] for column in self.table.columns}
        wrong = [name for name, kind in declared.items() if self.rows.schema.field(name).type != kind]
        self.number("mistyped_columns", len(wrong), [f"{name}: {self.rows.schema.field(name).type}" for name in wrong])
        self.complete = not wrong

    def _every_table(self, scheme: Scheme, partition: Partition) -> None:
        size = self.rows.num_rows
        nulls, odd, foreign = (np.zeros(size, dtype=bool) for _ in range(3))
        for column in self.table.columns:
            values = self.column(column.name)
            if not column.nullable and values.null_count:
                nulls |= values.is_null().to_numpy(zero_copy_only=False)
            if column.kind == "float":
                odd |= pc.fill_null(pc.invert(pc.is_finite(values)), False).to_numpy(zero_copy_only=False)
        stamps = {
            "region": partition.region,
            "cycle": partition.cycle,
            "valid_for_cycle": partition.cycle,
            "scheme_version": scheme.version,
        }
        for name, expected in stamps.items():
            foreign |= pc.fill_null(pc.not_equal(self.column(name), expected), True).to_numpy(zero_copy_only=False)
        self.count("nulls", nulls)
        if any(column.kind == "float" for column in self.table.columns):
            self.count("non_finite", odd)
        self.count("duplicate_keys", repeated(self.rows, self.table.keys))
        self.count("foreign_rows", foreign)
        if self.table.decided:
            reasons = pc.utf8_trim_whitespace(self.column("decision_reason"))
            self.count("blank_reasons", pc.equal(pc.utf8_length(reasons), 0))
            self.count("suspended_rows", self.column("is_suspended"))


def codes(rows: pa.Table, names: Sequence[str]) -> NDArray[np.int64]:
    """One integer per row, equal exactly where all of `names` are equal: text, dates and whole numbers.

    Mixed radix over dictionary codes; 1.9 million rows of six key columns take a fifth of the time of a hash
    aggregation over text (measured November 2026).
    """
    total = np.zeros(rows.num_rows, dtype=np.int64)
    if not rows.num_rows:
        return total
    size = 1
    for name in names:
        digits, radix = _digits(rows.column(name))
        if size * radix >= 2**62:
            total = np.unique(total, return_inverse=True)[1].astype(np.int64)
            size = int(total.max()) + 1
        total = total * radix + digits
        size *= radix
    return total


def repeated(rows: pa.Table, names: Sequence[str]) -> Mask:
    """True for every row whose key stands more than once."""
    key = codes(rows, names)
    ordered = np.sort(key)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.isin(key, np.unique(twice)) if len(twice) else np.zeros(rows.num_rows, dtype=bool)


def distinct(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """The different combinations of `names`."""
    return rows.select(list(names)).group_by(list(names), use_threads=False).aggregate([])


def absent(wanted: pa.Table, present: pa.Table, names: Sequence[str]) -> list[str]:
    """Combinations of `names` that `wanted` has and `present` lacks, as sorted `a|b` keys."""
    keys = list(names)
    missing = distinct(wanted, keys).join(distinct(present, keys), keys=keys, join_type="left anti")
    return sorted("|".join(str(value) for value in row.values()) for row in missing.to_pylist())


def lookup(values: pa.Array, mapping: Mapping[str, float | None]) -> NDArray[np.float64]:
    """`mapping[value]` per row as float; NaN where the value is null, unknown or maps to None."""
    encoded = values.dictionary_encode()
    numbers = [mapping.get(value) for value in encoded.dictionary.to_pylist()]
    table = np.array([*(np.nan if number is None else number for number in numbers), np.nan], dtype=np.float64)
    place: NDArray[np.int64] = pc.fill_null(encoded.indices.cast(pa.int64()), len(numbers)).to_numpy(
        zero_copy_only=False
    )
    found: NDArray[np.float64] = table[place]
    return found


def text_equals(values: pa.Array, word: str) -> Mask:
    """True where the text is `word`; null is False."""
    equal: Mask = pc.fill_null(pc.equal(values, word), False).to_numpy(zero_copy_only=False)
    return equal


def _digits(values: pa.ChunkedArray) -> tuple[NDArray[np.int64], int]:
    if pa.types.is_string(values.type):
        encoded = pa.concat_arrays(values.chunks).dictionary_encode()
        indices = pc.fill_null(encoded.indices.cast(pa.int64()), len(encoded.dictionary))
        return indices.to_numpy(zero_copy_only=False), len(encoded.dictionary) + 1
    if pa.types.is_date32(values.type):
        values = values.cast(pa.int32())
    numbers = pc.fill_null(values.cast(pa.int64()), 0).to_numpy()
    low = int(numbers.min())
    return numbers - low, int(numbers.max()) - low + 1
