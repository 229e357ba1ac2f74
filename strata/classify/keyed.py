"""Rows of one frame found in another by item and location, fast enough for a million of them.

Belongs here: joining frames of a row per item in the order of one of them. Does not: what the columns mean.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

KEY = ["sku_id", "location_id"]
Ints = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]


def checked(frame: pd.DataFrame, what: str, columns: list[str]) -> None:
    """Refuse a frame that lacks a column or names a key twice.

    Raises:
        ValueError: it does.
    """
    if missing := [column for column in columns if column not in frame.columns]:
        raise ValueError(f"{what}: columns {missing} are missing; it has {sorted(frame.columns)}")
    code = _codes([frame])[0]
    if len(code) and np.bincount(code).max() > 1:
        twice = np.flatnonzero(np.bincount(code)[code] > 1)[0]
        example = frame[KEY].iloc[twice].tolist()
        raise ValueError(f"{what}: sku_id, location_id {example} stands more than once; give one row per item")


def positions(of: pd.DataFrame, rows: pd.DataFrame) -> Ints:
    """Row of `rows` that has the key of each row of `of`; -1 where there is none. Keys of `rows` are distinct."""
    if len(of) == len(rows) and all(np.array_equal(_objects(of[name]), _objects(rows[name])) for name in KEY):
        return np.arange(len(of), dtype=np.int64)
    wanted, given = _codes([of, rows])
    place = np.full(int(max(wanted.max(initial=-1), given.max(initial=-1))) + 1, -1, dtype=np.int64)
    place[given] = np.arange(len(given))
    return place[wanted]


def taken(column: "pd.Series[Any]", position: Ints) -> Objects:
    """Values of a column at the positions found; None where there is none, or the value is null."""
    values = _objects(column)
    found = np.full(len(position), None, dtype=object)
    there = position >= 0
    found[there] = values[position[there]]
    found[pd.isna(found)] = None
    return found


def numbers(column: "pd.Series[Any]", position: Ints) -> Floats:
    """Values of a numeric column at the positions found; NaN where there is none, or the value is null."""
    values = floats(column)
    found = np.full(len(position), np.nan)
    there = position >= 0
    found[there] = values[position[there]]
    return found


def floats(column: "pd.Series[Any]") -> Floats:
    """A column of decimals, floats or nulls as float64, NaN where null."""
    if column.dtype == np.float64:
        direct: Floats = column.to_numpy()
        return direct
    values: Floats = pd.to_numeric(column, errors="raise").to_numpy(dtype=np.float64, na_value=np.nan) \
        if column.dtype != object else column.where(column.notna(), np.nan).to_numpy(dtype=np.float64)  # fmt: skip
    return values


def _objects(column: "pd.Series[Any]") -> Objects:
    return column.to_numpy(dtype=object)


def _codes(frames: list[pd.DataFrame]) -> list[Ints]:
    """One number per distinct key, shared by the frames."""
    code: Ints = np.zeros(sum(len(frame) for frame in frames), dtype=np.int64)
    for name in KEY:  # a step per key column
        part, distinct = pd.factorize(np.concatenate([_objects(frame[name]) for frame in frames]))
        code = code * max(len(distinct), 1) + part
    code = pd.factorize(code)[0].astype(np.int64)
    return np.split(code, np.cumsum([len(frame) for frame in frames])[:-1])
