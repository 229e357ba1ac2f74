"""A file of items with their criteria into numbers, and classes into a file: bad rows are refused, one by one.

Belongs here: what rows of items must hold, for `strata classify --items`. Does not: methods
(`strata.classify.items`), fields of files (`strata.panel.records`), demand (`strata.panel.demand`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from strata.classify.items import ItemClasses
from strata.panel.records import Records, RecordsError, Refusal, Words, read_records, write_rows


@dataclass(frozen=True, slots=True)
class Items:
    """Good rows in the order of the file: names, criteria (NaN where empty), and what was refused.

    `name_rank` is the place of each name in the order of all names, `repeats` the rows that equal an earlier one.
    """

    name: pa.Array
    name_rank: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    refusals: tuple[Refusal, ...]
    rows: int
    repeats: int


def read_items(path: Path, *, id_column: str, columns: Sequence[str], delimiter: str) -> Items:
    """Read items and their criteria; a row that cannot be read is refused, the others are kept.

    Names are trimmed. An empty criterion is unknown, not refused; `nan` and `inf` are numbers that the methods turn
    down. Equal rows are taken once; rows of one item that differ are refused, all of them.

    Args:
        path: CSV (`.csv`, `.csv.gz`; UTF-8, with header) or Parquet.
        id_column: column of the item's name.
        columns: columns of the criteria.
        delimiter: of a CSV.

    Raises:
        RecordsError: the file is missing, of no known kind, or lacks a column, or no row of it can be read.
    """
    twice = sorted({name for name in (id_column, *columns) if (id_column, *columns).count(name) > 1})
    if twice:
        raise RecordsError(f"{path}: columns {twice} are named twice in --id and --criteria")
    records = read_records(path, [id_column, *columns], delimiter=delimiter, what="items")
    names = records.names(id_column)
    values = np.column_stack([records.numbers(column) for column in columns])
    repeats = _refuse_repeats(records, names, values, id_column)
    refusals = records.refusals()
    code = names.code[records.good]
    kept = names.text.take(pa.array(code))
    rank = pc.rank(names.text, tiebreaker="dense").to_numpy().astype(np.int64) if len(kept) else np.zeros(0, np.int64)
    return Items(kept, rank[code], values[records.good], refusals, records.rows, repeats)


def write_classes(path: Path, items: Items, made: ItemClasses) -> None:
    """Write item, score, rank, value_class and decision_reason, in the order of rank; items of class U last, by name.

    Raises:
        RecordsError: the file's ending is neither .csv nor .parquet.
    """
    order = np.lexsort((items.name_rank, np.where(made.rank > 0, made.rank, len(made.rank) + 1)))
    ranked = made.rank[order] > 0
    table = pa.table(
        {
            "item": items.name.take(pa.array(order)),
            "score": pa.array(made.score[order], mask=~ranked),
            "rank": pa.array(made.rank[order], mask=~ranked),
            "value_class": pa.array(made.value_class[order].astype(object), pa.string()),
            "decision_reason": made.reason.take(pa.array(order)),
        }
    )
    write_rows(path, table)


def _refuse_repeats(records: Records, names: Words, values: npt.NDArray[np.float64], title: str) -> int:
    """Take equal rows once, refuse rows of one item that differ; how many were taken for an earlier one."""
    rows = np.flatnonzero(records.good)
    rows = rows[np.argsort(names.code[rows], kind="stable")]
    code = names.code[rows]
    same_name = code[1:] == code[:-1]
    if not same_name.any():
        return 0
    first = np.maximum.accumulate(np.where(np.concatenate([[True], ~same_name]), np.arange(len(rows)), 0))
    mine, leader = values[rows], values[rows[first]]
    differs = ((mine != leader) & ~(np.isnan(mine) & np.isnan(leader))).any(axis=1)
    torn = np.isin(code, np.unique(code[differs]))
    bad = np.zeros(len(records.good), dtype=bool)
    bad[rows[torn]] = True
    records.refuse(title, "duplicate_key", bad, names)
    surplus = rows[~torn & (first != np.arange(len(rows)))]
    records.good[surplus] = False
    return len(surplus)
