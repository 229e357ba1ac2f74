"""What churn control carries from cycle to cycle, read from the rows before and written as columns of the rows now.

Belongs here: codes of classes and back, the columns of an axis. Does not: holding a class (`strata.classify.control`).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.classify.control import ABSENT, NO_MOVE, UNDEFINED, UNKNOWN, Memory
from strata.classify.keyed import numbers, taken

CARRIED = ("pending", "confirmations", "dwell_cycles")

Codes = npt.NDArray[np.int8]
Ints = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]


def remembered(previous: pd.DataFrame | None, at: Ints, axis: str, classes: tuple[str, ...]) -> Memory:
    """What the rows before carry of one axis.

    Args:
        previous: rows before with `<axis>_class` and, where they have them, the columns `<axis>_` + `CARRIED`.
        at: row before of every item, -1 where it had none.
        axis: name of the axis.
        classes: its classes in order, without `U`.

    Raises:
        ValueError: a class before is none of them.
    """
    if previous is None:
        return Memory.none(len(at))
    names = [f"{axis}_{name}" for name in CARRIED]
    held = coded(taken(previous[f"{axis}_class"], at), classes, "previous")
    pending, count, rest = (previous[name] if name in previous.columns else None for name in names)
    waiting = np.full(len(at), NO_MOVE, np.int8) if pending is None else coded(taken(pending, at), classes, "pending")
    return Memory(
        held=np.where(at < 0, ABSENT, held).astype(np.int8),
        pending=waiting,
        confirmations=_whole(count, at, 0),
        dwell_cycles=_whole(rest, at, UNKNOWN),
    )


def _whole(column: "pd.Series[Any] | None", at: Ints, missing: int) -> Ints:
    if column is None:
        return np.full(len(at), missing, dtype=np.int64)
    values = numbers(column, at)
    return np.where(np.isnan(values), missing, values).astype(np.int64)


def coded(named: Objects, classes: tuple[str, ...], what: str) -> Codes:
    """Position of each class on its axis; -1 for `U` and where there is none.

    Raises:
        ValueError: a name is none of the classes; `what` says whose.
    """
    known = [*classes, "U"]
    codes = pd.Categorical(named, categories=known).codes.astype(np.int8)
    if (unknown := (codes < 0) & ~pd.isna(named)).any():
        raise ValueError(
            f"{what}: classes {sorted(set(named[unknown].tolist()))[:3]} are none of {known}; correct them first"
        )
    return np.where(codes == len(known) - 1, UNDEFINED, codes).astype(np.int8)


def positions_of(named: npt.NDArray[np.str_], classes: tuple[str, ...]) -> Codes:
    """Position of each class on its axis, `UNDEFINED` for any other name."""
    codes = np.full(len(named), UNDEFINED, dtype=np.int8)
    for position, name in enumerate(classes):  # one step per class, not per item
        codes[named == name] = position
    return codes


def carried(memory: Memory, axis: str, classes: tuple[str, ...]) -> dict[str, Any]:
    """The class in force and what is carried to the next cycle, as columns of an axis."""
    named = np.array([*classes, "U"], dtype=object)
    waiting = np.array([*classes, None], dtype=object)
    count, rest = memory.confirmations.astype(np.float64), memory.dwell_cycles.astype(np.float64)
    return {
        f"{axis}_class": named[memory.held],
        f"{axis}_pending": waiting[memory.pending],
        f"{axis}_confirmations": np.where(memory.pending == NO_MOVE, np.nan, count),
        f"{axis}_dwell_cycles": np.where(rest == UNKNOWN, np.nan, rest),
    }
