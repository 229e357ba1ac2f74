"""Rows of demand history into matrices: one pass over a file in the order of its key.

Belongs here: reading rows into series x periods, sums per series, both exact. Does not: what a series is planned with
(`strata.conformed.profile` joins the item master), statistics (`strata.demand`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from strata.demand.lines import decimals
from strata.demand.panel import REGION_LEVEL

Level = Literal["region", "location"]
Ints = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

MONEY = ("revenue", "margin", "demand_units")
_COLUMNS = (
    "sku_id", "location_id", "bucket", "period_start", "is_partial", "demand_units", "revenue", "margin",
    "order_lines", "is_censored",
)  # fmt: skip
BATCH_ROWS = 250_000
_NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True)
class Grid:
    """Every series of one level that has a row in the bucket, sorted by name, sold or not.

    `units[i, t]` is in ten-thousandths; `is_censored[i, t]`: the period has rows and all of them are censored. `totals`
    has a row per series: sku_id, location_id, first_sale, last_sale (null where no order line was seen), revenue,
    margin (null where one is unknown), demand_units and order_lines since `value_since`.
    """

    totals: pa.Table
    units: Ints
    is_censored: Booleans


@dataclass(slots=True)
class _Level:
    """What is gathered of one level; the last series of a batch may go on in the next."""

    key: tuple[str, ...]
    periods: int
    names: list[tuple[pa.Array, ...]] = field(default_factory=list)
    last: tuple[str, ...] | None = None
    count: int = 0
    units: list[tuple[int, Ints]] = field(default_factory=list)
    censored: list[tuple[int, Booleans]] = field(default_factory=list)
    open: list[tuple[int, Booleans]] = field(default_factory=list)
    sums: list[tuple[Ints, dict[str, npt.NDArray[Any]]]] = field(default_factory=list)

    def add(self, rows: "_Rows") -> None:
        codes = [rows.text[name] for name in self.key]
        begins = np.zeros(len(rows.period), dtype=bool)
        begins[0] = True
        for code in codes:
            begins[1:] |= code.indices[1:] != code.indices[:-1]
        starts = np.flatnonzero(begins)
        names = tuple(code.words.take(pa.array(code.indices[starts])) for code in codes)
        goes_on = self.last is not None and self.last == tuple(name[0].as_py() for name in names)
        base = self.count - 1 if goes_on else self.count
        local = np.cumsum(begins) - 1
        self.names.append(tuple(name.slice(1) for name in names) if goes_on else names)
        self.last = tuple(name[-1].as_py() for name in names)
        self.count = base + len(starts)
        self._cells(rows, base, local, len(starts))
        self.sums.append((base + np.arange(len(starts)), _segments(rows, starts)))

    def _cells(self, rows: "_Rows", base: int, local: Ints, series: int) -> None:
        inside = rows.period >= 0
        cell = local[inside] * self.periods + rows.period[inside]
        size = series * self.periods
        units, censored = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=bool)
        is_open = np.zeros(size, dtype=bool)
        np.add.at(units, cell, rows.numbers["demand_units"][inside])
        flag = rows.is_censored[inside]
        censored[cell[flag]] = True
        is_open[cell[~flag]] = True
        self.units.append((base, units.reshape(series, -1)))
        self.censored.append((base, censored.reshape(series, -1)))
        self.open.append((base, is_open.reshape(series, -1)))

    def grid(self) -> Grid:
        shape = (self.count, self.periods)
        censored = _joined(self.censored, np.zeros(shape, dtype=bool))
        censored &= ~_joined(self.open, np.zeros(shape, dtype=bool))
        return Grid(self._totals(), _joined(self.units, np.zeros(shape, dtype=np.int64)), censored)

    def _totals(self) -> pa.Table:
        words = [pa.chunked_array([part[i] for part in self.names], pa.string()) for i in range(len(self.key))]
        if len(self.key) == 1:
            words.append(pa.chunked_array([pa.repeat(pa.scalar(REGION_LEVEL), self.count)]))
        _check_order(words)
        sums: dict[str, npt.NDArray[Any]] = {}
        for name, start in (("first_sale", _NEVER), ("last_sale", -_NEVER)):
            sums[name] = np.full(self.count, start, dtype=np.int64)
        for name in (*MONEY, "order_lines", "unknown_margins"):
            exact = all(part[name].dtype != object for _, part in self.sums)
            sums[name] = np.zeros(self.count, dtype=np.int64 if exact else object)
        for at, part in self.sums:  # a series stands once in a batch
            sums["first_sale"][at] = np.minimum(sums["first_sale"][at], part["first_sale"])
            sums["last_sale"][at] = np.maximum(sums["last_sale"][at], part["last_sale"])
            for name in (*MONEY, "order_lines", "unknown_margins"):
                sums[name][at] += part[name]
        unsold = sums["first_sale"] == _NEVER
        days = {
            name: pa.array(np.where(unsold, 0, sums[name]).astype(np.int32), pa.int32(), mask=unsold).cast(pa.date32())
            for name in ("first_sale", "last_sale")
        }
        money = {name: decimals(sums[name], name) for name in MONEY}
        unknown = pa.array(sums["unknown_margins"] > 0)
        money["margin"] = pc.if_else(unknown, pa.scalar(None, money["margin"].type), money["margin"])
        return pa.table(
            {"sku_id": words[0], "location_id": words[1], **days, **money, "order_lines": pa.array(sums["order_lines"])}
        )


@dataclass(frozen=True, slots=True)
class _Text:
    indices: npt.NDArray[np.int32]
    words: pa.Array


@dataclass(frozen=True, slots=True)
class _Rows:
    """One batch: closed rows of the bucket. `period` is the column, negative before the first."""

    text: dict[str, _Text]
    period: npt.NDArray[np.int64]
    day: npt.NDArray[np.int32]
    numbers: dict[str, Ints]
    margin_known: Booleans
    is_valued: Booleans
    is_censored: Booleans


def read_grids(
    history: Path | pa.Table, *, bucket: str, starts: Sequence[date], value_since: date, levels: Sequence[Level]
) -> dict[Level, Grid]:
    """Matrices and totals of the closed rows of one bucket, one grid per level, read once.

    Args:
        history: `demand_history` of a partition, in the order of its key.
        bucket: period length whose rows are read.
        starts: first days of the periods wanted, ascending, without gaps; rows before them only count in totals.
        value_since: first day from which money, units and lines are summed.
        levels: `location` (one series per item-location) and `region` (one per item).

    Raises:
        ValueError: rows are not in the order of their key, a period is none of `starts`, or a sum has more than 18
            digits.
    """
    keys: dict[Level, tuple[str, ...]] = {"region": ("sku_id",), "location": ("sku_id", "location_id")}
    gathered = {level: _Level(keys[level], len(starts)) for level in levels}
    days = np.array(starts, dtype="datetime64[D]").astype(np.int64)
    since = int(np.datetime64(value_since, "D").astype(np.int64))
    for batch in _batches(history):
        rows = _closed(batch, bucket, days, since)
        if len(rows.period):
            for level in gathered.values():
                level.add(rows)
    return {name: level.grid() for name, level in gathered.items()}


def _batches(history: Path | pa.Table) -> Iterator[pa.RecordBatch]:
    if isinstance(history, pa.Table):
        yield from history.select(list(_COLUMNS)).to_batches(BATCH_ROWS)
        return
    with pq.ParquetFile(
        history, read_dictionary=["sku_id", "location_id", "bucket"], page_checksum_verification=True
    ) as file:
        yield from file.iter_batches(BATCH_ROWS, columns=list(_COLUMNS))


def _closed(batch: pa.RecordBatch, bucket: str, days: Ints, since: int) -> _Rows:
    wanted = pc.and_(pc.equal(batch["bucket"], bucket), pc.invert(batch["is_partial"]))
    if not pc.all(wanted).as_py():
        batch = batch.filter(wanted)
    day = batch["period_start"].cast(pa.int32()).to_numpy()
    period = np.searchsorted(days, day)
    if len(days):
        before = day < days[0]
        found = before | (days[np.minimum(period, len(days) - 1)] == day)
        if not found.all():
            stray = np.datetime64(int(day[~found][0]), "D")
            raise ValueError(f"demand_history: {bucket} {stray} is no closed period of the partition's calendar")
        period[before] = -1
    else:
        period[:] = -1
    return _Rows(
        text={name: _text(batch[name]) for name in ("sku_id", "location_id")},
        period=period,
        day=day,
        numbers={name: _whole(batch[name]) for name in MONEY} | {"order_lines": batch["order_lines"].to_numpy()},
        margin_known=batch["margin"].is_valid().to_numpy(zero_copy_only=False),
        is_valued=day >= since,
        is_censored=batch["is_censored"].to_numpy(zero_copy_only=False),
    )


def _text(column: pa.Array) -> _Text:
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return _Text(coded.indices.to_numpy(), coded.dictionary)


def _whole(column: pa.Array) -> Ints:
    """Decimals of 18 digits as whole ten-thousandths: the low half of their 128 bits; unknown ones are zero."""
    halves = np.frombuffer(column.buffers()[1], dtype=np.int64)[2 * column.offset :][: 2 * len(column) : 2]
    if column.null_count:
        return np.where(column.is_valid().to_numpy(zero_copy_only=False), halves, 0)
    return halves


def _segments(rows: _Rows, starts: Ints) -> dict[str, npt.NDArray[Any]]:
    """Sums per series of one batch."""
    valued = rows.is_valued
    sold = rows.numbers["order_lines"] > 0
    sums: dict[str, npt.NDArray[Any]] = {
        "first_sale": np.minimum.reduceat(np.where(sold, rows.day, _NEVER), starts),
        "last_sale": np.maximum.reduceat(np.where(sold, rows.day, -_NEVER), starts),
        "unknown_margins": np.add.reduceat((valued & ~rows.margin_known).astype(np.int64), starts),
    }
    for name in (*MONEY, "order_lines"):
        amount = np.where(valued, rows.numbers[name], 0)
        # Beyond 2^62 a sum of whole numbers could overflow; such money is summed as Python integers.
        large = len(amount) * max(abs(int(amount.max())), abs(int(amount.min()))) >= 2**62
        sums[name] = np.add.reduceat(amount.astype(object) if large else amount, starts)
    return sums


def _joined(parts: list[tuple[int, npt.NDArray[Any]]], whole: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Blocks of series into one matrix; a series that two blocks share is their sum. Blocks are let go as they go."""
    while parts:
        base, block = parts.pop()
        at = whole[base : base + len(block)]
        np.add(at, block, out=at) if whole.dtype != bool else np.logical_or(at, block, out=at)
    return whole


def _check_order(words: list[pa.ChunkedArray]) -> None:
    """Series ascend by name: each stood in one piece."""
    count = len(words[0])
    same = np.ones(max(count - 1, 0), dtype=bool)
    for name in words:
        before, after = name.slice(0, max(count - 1, 0)), name.slice(1)
        falls = same & pc.greater(before, after).to_numpy()
        if falls.any():
            raise ValueError(f"demand_history: {after[int(np.argmax(falls))]} is out of order; sort rows by their key")
        same &= pc.equal(before, after).to_numpy()
    if same.any():
        raise ValueError(f"demand_history: {words[0][int(np.argmax(same))]} stands in two pieces; sort rows by key")
