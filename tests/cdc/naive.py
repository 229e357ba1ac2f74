"""Merges that look right and are not: each lacks one thing that the real one has.

Belongs here: the wrong merges, named by their fault. Does not: what shows it (`tests.cdc.test_naive`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow.parquet as pq

from strata.home import Home
from strata.intake.batches import Batch, accepted_batches
from strata.intake.chain import released
from tests.cdc.machine import Merge, Table

Record = dict[str, Any]
ALL_KEYS = (1, 2, 3)


def place(record: Record) -> tuple[int, int]:
    """Position and sequence of a change."""
    return record["_position"], record["_sequence"]


def in_table(record: Record) -> tuple[int, tuple[str, str, str]]:
    """Key and content as the source has them."""
    return int(record["po_id"][1:]), (f"{record['quantity'] or 0:.0f}", record["unit"], record["status"])


class Naive(Merge):
    """Plays rows one after the other; subclasses say in which order and what a row may overwrite."""

    def batches(self, home: Home) -> list[Batch]:
        """The batches to play."""
        return released(accepted_batches(home))

    def records(self, home: Home, arrived: Sequence[str]) -> Iterator[Record]:
        """Rows in the order to play, batch by batch as they arrived."""
        # A landing that died has not told of what it accepted.
        number = {batch_id: index for index, batch_id in enumerate(arrived)}
        for batch in sorted(self.batches(home), key=lambda batch: number.get(batch.batch_id, len(number))):
            records = pq.read_table(batch.rows_file).to_pylist()
            yield from self.within([*self.absent(records), *records])

    def absent(self, records: list[Record]) -> list[Record]:
        """Deletes of the keys that a whole table does not hold."""
        if not records or records[0]["_extract_kind"] != "snapshot":
            return []
        held = {in_table(record)[0] for record in records}
        return [records[0] | {"po_id": f"P{key}", "_op": "d"} for key in ALL_KEYS if key not in held]

    def within(self, records: list[Record]) -> list[Record]:
        """Order inside one batch: that of the file."""
        return records

    def table(self, home: Home, arrived: Sequence[str]) -> Table:
        """The table when all is played."""
        standing: dict[int, Record] = {}
        for record in self.records(home, arrived):
            self.play(standing, in_table(record)[0], record)
        return dict(in_table(record) for record in standing.values() if record["_op"] == "u")

    def play(self, standing: dict[int, Record], key: int, record: Record) -> None:
        """One row onto the table: the last one counts."""
        standing[key] = self.whole(standing.get(key), record)

    def whole(self, before: Record | None, record: Record) -> Record:
        """The row with what it leaves out."""
        left_out = record["_unchanged"] or []
        return record | {name: before[name] for name in left_out if before is not None}


class ArrivalOrder(Naive):
    """Whatever arrives last counts."""


class SortedInsideTheFile(Naive):
    """Sorted by position, but file by file."""

    def within(self, records: list[Record]) -> list[Record]:
        """By position."""
        return sorted(records, key=place)


class WithoutTombstone(Naive):
    """Only higher positions overwrite; a delete takes the row and its position away."""

    def play(self, standing: dict[int, Record], key: int, record: Record) -> None:
        """Guarded by what stands there, and where nothing stands by nothing."""
        before = standing.get(key)
        if before is None or place(record) > place(before):
            standing[key] = self.whole(before, record)
            if record["_op"] == "d":
                del standing[key]


class WithoutSequence(Naive):
    """Only higher positions overwrite; inside a transaction the first change stays."""

    def play(self, standing: dict[int, Record], key: int, record: Record) -> None:
        """Guarded by position alone."""
        before = standing.get(key)
        if before is None or record["_position"] > before["_position"]:
            standing[key] = self.whole(before, record)


class _InOrder(Naive):
    def records(self, home: Home, arrived: Sequence[str]) -> Iterator[Record]:
        """All rows of all batches in the order of the source."""
        yield from sorted(super().records(home, arrived), key=place)


class PlaceholderAsValue(_InOrder):
    """In the order of the source, but what a change leaves out becomes empty."""

    def whole(self, before: Record | None, record: Record) -> Record:
        """The row as it came."""
        return record


class SnapshotAsUpserts(_InOrder):
    """In the order of the source, but a whole table only adds and changes rows."""

    def absent(self, records: list[Record]) -> list[Record]:
        """Nothing is said of other keys."""
        return []


class WithoutHold(_InOrder):
    """In the order of the source, but whatever was accepted is played, missing changes or not."""

    def batches(self, home: Home) -> list[Batch]:
        """Held ones too."""
        return accepted_batches(home)


NAIVE: tuple[type[Naive], ...] = (
    ArrivalOrder,
    SortedInsideTheFile,
    WithoutTombstone,
    WithoutSequence,
    PlaceholderAsValue,
    SnapshotAsUpserts,
    WithoutHold,
)
