"""How many items went from which segment to which, and how many of those moves were true shifts.

Belongs here: the migration table and the stability figures read from it. Does not: the level-shift test
(`strata.demand.shift`), gates on churn (`expectations`).
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from strata.derivation import Derivation, Step, aggregated, computed
from strata.partition import Partition
from strata.tables import SEGMENT_MIGRATION

NEW = "new"
GONE = "gone"
KEY = ["sku_id", "location_id"]
_PATH = ["from_segment", "to_segment"]
_KEYED = ("shifted.sku_id", "shifted.location_id", "previous.sku_id", "previous.location_id")
_BOTH = ("shifted.segment", "previous.segment")
STEPS: tuple[Step, ...] = (
    Derivation(
        "segment_migration",
        {
            "from_segment": computed("previous.segment", when=_KEYED),
            "to_segment": computed("shifted.segment", when=_KEYED),
            "items": aggregated("shifted.sku_id", "previous.sku_id", when=(*_KEYED, *_BOTH)),
            "revenue": aggregated("shifted.revenue", "previous.revenue", when=(*_KEYED, *_BOTH)),
            "true_shift_items": aggregated("shifted.is_true_shift", when=(*_KEYED, *_BOTH)),
            "noise_items": aggregated("shifted.is_true_shift", when=(*_KEYED, *_BOTH)),
        },
        rows=("shifted.sku_id", "previous.sku_id"),
    ),
)
_MONEY = pa.decimal128(38, 4)  # wide enough for any sum; the table's own type is checked when it is written


def migration(
    current: pd.DataFrame, previous: pd.DataFrame | None, *, partition: Partition, scheme_version: str
) -> pd.DataFrame:
    """Count items and revenue per path from the effective segment before to the one now.

    Args:
        current: rows of `segment_assignment` with `is_true_shift` of their profile joined: sku_id, location_id,
            segment, revenue, is_true_shift.
        previous: effective rows of the cycle before: sku_id, location_id, segment, and revenue where known; None in
            the first cycle, when every item comes from `new`.
        partition: region and cycle of the rows.
        scheme_version: version that decided `current`.

    Returns:
        Rows of `segment_migration`, sorted by path. Items no longer assigned go to `gone` with their former revenue.
        `true_shift_items` and `noise_items` split the items that moved between two segments; both are 0 elsewhere.

    Raises:
        ValueError: an item stands twice in one of the frames.
    """
    paths = _paths(current, previous)
    moved = _moved(paths)
    table = pa.table(
        {
            "from_segment": pa.array(paths["from_segment"], pa.string()),
            "to_segment": pa.array(paths["to_segment"], pa.string()),
            "revenue": _exact(paths),
            "items": np.ones(len(paths), dtype=np.int64),
            "true_shift_items": (moved & paths["is_true_shift"]).to_numpy(dtype=np.int64),
            "noise_items": (moved & ~paths["is_true_shift"]).to_numpy(dtype=np.int64),
        }
    )
    measures = ["items", "revenue", "true_shift_items", "noise_items"]
    summed = table.group_by(_PATH).aggregate([(name, "sum") for name in measures])
    frame = summed.rename_columns([name.removesuffix("_sum") for name in summed.column_names]).to_pandas()
    frame = frame.sort_values(_PATH, ignore_index=True)
    frame = frame.assign(
        region=partition.region,
        cycle=partition.cycle,
        valid_for_cycle=partition.cycle,
        scheme_version=scheme_version,
    )
    named: pd.DataFrame = frame[SEGMENT_MIGRATION.names]
    return named


@dataclass(frozen=True, slots=True)
class Mobility:
    """Figures of one migration table over the items that had a segment before and have one now.

    `moved_share` moved items / items; `kappa` Cohen's kappa of before and now; `shorrocks` (n - trace P)/(n - 1) over
    the n segments left or held; `true_shift_share` true shifts / moved items. NaN where a denominator is zero.
    """

    items: int
    moved_items: int
    moved_share: float
    kappa: float
    shorrocks: float
    true_shift_share: float


def mobility(table: pd.DataFrame) -> Mobility:
    """Read stability from a migration table.

    Examples:
        >>> table = pd.DataFrame({"from_segment": ["AX", "AX", "BX", "BX"], "to_segment": ["AX", "BX", "BX", "AX"],
        ...                       "items": [20, 5, 15, 10], "true_shift_items": [0, 1, 0, 2]})
        >>> figures = mobility(table)
        >>> round(figures.kappa, 4), round(figures.shorrocks, 4), figures.moved_share, figures.true_shift_share
        (0.4, 0.6, 0.3, 0.2)

    References:
        Cohen (1960), Educational and Psychological Measurement 20:37 (the 20/5/10/15 table is the usual example);
        Shorrocks (1978), Econometrica 46:1013.
    """
    real = table[(table["from_segment"] != NEW) & (table["to_segment"] != GONE)]
    matrix = real.pivot_table(index="from_segment", columns="to_segment", values="items", aggfunc="sum", fill_value=0)
    segments = sorted(set(matrix.index) | set(matrix.columns))
    counts = matrix.reindex(index=segments, columns=segments, fill_value=0).to_numpy(dtype=np.float64)
    total, kept = counts.sum(), np.trace(counts)
    moved = int(total - kept)
    by_chance = (counts.sum(axis=0) * counts.sum(axis=1)).sum() / total**2 if total else np.nan
    agreement = kept / total if total else np.nan
    left = counts.sum(axis=1)
    stay = np.diag(counts)[left > 0] / left[left > 0]
    return Mobility(
        items=int(total),
        moved_items=moved,
        moved_share=float(moved / total) if total else float("nan"),
        kappa=float((agreement - by_chance) / (1.0 - by_chance)) if total and by_chance < 1 else float("nan"),
        shorrocks=float((len(stay) - stay.sum()) / (len(stay) - 1)) if len(stay) > 1 else float("nan"),
        true_shift_share=float(real["true_shift_items"].sum() / moved) if moved else float("nan"),
    )


def top_movers(current: pd.DataFrame, previous: pd.DataFrame, *, count: int) -> pd.DataFrame:
    """The `count` items of largest revenue that moved between two segments, with whether their level truly shifted.

    Returns:
        sku_id, location_id, from_segment, to_segment, revenue, is_true_shift; revenue descending, then key.
    """
    paths = _paths(current, previous)
    movers = paths[_moved(paths)].drop(columns="revenue_before")
    return movers.sort_values(["revenue", *KEY], ascending=[False, True, True], ignore_index=True).head(count)


def _paths(current: pd.DataFrame, previous: pd.DataFrame | None) -> pd.DataFrame:
    """One row per item: from_segment, to_segment, revenue now, revenue_before, is_true_shift."""
    for frame, what in ((current, "current"), (previous, "previous")):
        if frame is not None and frame.duplicated(KEY).any():
            example = frame.loc[frame.duplicated(KEY), KEY].iloc[0].tolist()
            raise ValueError(f"{what}: sku_id, location_id {example} stands more than once; give one row per item")
    now = current[[*KEY, "segment", "revenue", "is_true_shift"]].rename(columns={"segment": "to_segment"})
    known = previous if previous is not None else current.iloc[:0]
    before = known[[*KEY, "segment"]].rename(columns={"segment": "from_segment"})
    if "revenue" in known.columns:
        before["revenue_before"] = known["revenue"]
    else:
        before["revenue_before"] = None
    both = now.merge(before, on=KEY, how="outer", validate="one_to_one")
    both["is_true_shift"] = both["is_true_shift"].eq(True)
    both["from_segment"] = both["from_segment"].astype(object).where(both["from_segment"].notna(), NEW)
    both["to_segment"] = both["to_segment"].astype(object).where(both["to_segment"].notna(), GONE)
    return both[[*KEY, *_PATH, "revenue", "revenue_before", "is_true_shift"]]


def _moved(paths: pd.DataFrame) -> "pd.Series[bool]":
    moved: pd.Series[bool] = (
        (paths["from_segment"] != NEW) & (paths["to_segment"] != GONE) & (paths["from_segment"] != paths["to_segment"])
    )
    return moved


def _exact(paths: pd.DataFrame) -> pa.Array:
    """Revenue per item as exact decimals: what it is now, for items that are gone what it was; zero where unknown."""
    now, before = (_money(paths[column]) for column in ("revenue", "revenue_before"))
    is_gone = pa.array((paths["to_segment"] == GONE).to_numpy(dtype=bool))
    return pc.fill_null(pc.if_else(is_gone, before, now), Decimal(0))


def _money(values: "pd.Series[Any]") -> pa.Array:
    if values.dtype.kind == "f":
        return pa.array(values.round(4), from_pandas=True).cast(_MONEY)
    return pa.array(values, _MONEY, from_pandas=True)
