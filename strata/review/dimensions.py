"""Whether to segment by product, customer, channel, or product x customer: what the cells of each explain and hold.

Belongs here: cells of one dimension from sums of its lines, the rule that recommends one. Does not: the segments,
reading lines (`strata.conformed.dimensions`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.derivation import Derivation, Step, aggregated, copied
from strata.review.measures import omega_squared
from strata.scheme.evidence import DimensionBounds

Floats = npt.NDArray[np.float64]

DIMENSIONS = ("product", "customer", "channel", "product_customer")
_LINE = ("compared_cell.lines", "compared_cell.total", "compared_cell.squares")
STEPS: tuple[Step, ...] = (
    Derivation(
        "dimension_comparison",
        {
            "dimension": copied("compared_cell.dimension"),
            **{
                name: aggregated(*_LINE, when=("compared_cell.dimension", "compared_cell.is_cell", "rule.evidence"))
                for name in (
                    "members", "cells", "lines", "median_lines", "thin_cells_share", "thin_lines_share",
                    "variance_explained", "members_variance_explained", "rank", "is_recommended", "decision_reason",
                )
            },
        },
        rows=("compared_cell.dimension", "rule.evidence"),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cells:
    """Order lines summed per cell [k]: how many, the sum of the logarithm of their value, the sum of its square."""

    lines: Floats
    total: Floats
    squares: Floats


def dimension_comparison(
    cells: Mapping[str, Cells], members: Mapping[str, Cells], *, rule: DimensionBounds
) -> pd.DataFrame:
    """Compare segmentations of the same order lines and recommend one.

    Variance explained is that of the logarithm of line value, omega squared: many cells do not win by their number.
    Beside it stands what the single members (items, customers, channels, pairs) would explain: no grouping of them
    explains more. Eligible is a dimension of two cells at least whose thin cells hold few of the lines; of those that
    explain within `equal_variance` of the most, the one with the fewest cells, then the one that explains more, then
    the order of `DIMENSIONS`.

    Args:
        cells: per dimension, its segments; a dimension that cannot be compared is left out.
        members: per dimension, what the segments are made of.
        rule: bounds.

    Returns:
        The columns of `tables.DIMENSION_COMPARISON` but for the stamp, a row per dimension of `DIMENSIONS`.

    Examples:
        >>> same = Cells(np.array([50.0, 50]), np.array([50.0, 150]), np.array([60.0, 460]))
        >>> bounds = DimensionBounds(min_lines=20, max_thin_share=0.05, equal_variance=0.01, rationale="x" * 20)
        >>> made = dimension_comparison({"product": same}, {"product": same}, rule=bounds)
        >>> first = made.iloc[0]
        >>> print(first["dimension"], first["cells"], first["is_recommended"], round(first["variance_explained"], 2))
        product 2 True 0.83

    References:
        docs/methods/criteria_report.md.
    """
    rows = [_measured(name, cells.get(name), members.get(name), rule) for name in DIMENSIONS]
    told = [row for row in rows if row["cells"] >= 2 and np.isfinite(row["variance_explained"])]
    able = [row for row in told if row["thin_lines_share"] <= rule.max_thin_share]
    most = max((row["variance_explained"] for row in able), default=0.0)
    near = [row for row in able if row["variance_explained"] >= most - rule.equal_variance]
    chosen = min(near, key=lambda row: (row["cells"], -row["variance_explained"]), default=None)
    thin = f"{rule.max_thin_share:.0%} of the lines in cells of fewer than {rule.min_lines}"
    why = f"nothing is recommended: no dimension has two cells and at most {thin}"
    if chosen is not None:
        why = (
            f"{len(able)} of {len(rows)} dimensions have two cells and at most {thin}; of {len(near)} that explain "
            f"within {100 * rule.equal_variance:.1f} points of the most ({most:.1%}) {chosen['dimension']} has the "
            f"fewest cells ({chosen['cells']}, {chosen['variance_explained']:.1%} explained)"
        )
    for row in rows:
        row["is_recommended"] = row is chosen
        if row is chosen:
            row["decision_reason"] = why
        elif not row["lines"]:
            row["decision_reason"] = "not compared: the scheme does not class it"
        elif not _within(row, told):
            row["decision_reason"] = "says nothing: all lines are in one cell"
        elif not _within(row, able):
            row["decision_reason"] = f"thin: {row['thin_lines_share']:.1%} of the lines in cells below {rule.min_lines}"
        elif chosen is not None and _within(row, near):
            row["decision_reason"] = (
                f"explains {row['variance_explained']:.1%} with {row['cells']} cells: not enough more for cells that "
                f"{chosen['dimension']} does not need"
            )
        else:
            row["decision_reason"] = f"explains {row['variance_explained']:.1%} where another explains {most:.1%}"
    ranked = sorted(
        rows,
        key=lambda row: (row is not chosen, not _within(row, able), -np.nan_to_num(row["variance_explained"], nan=-9)),
    )
    for at, row in enumerate(ranked):
        row["rank"] = at + 1
    return pd.DataFrame(ranked)


def _within(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    return any(row is one for one in rows)


def _measured(name: str, cells: Cells | None, members: Cells | None, rule: DimensionBounds) -> dict[str, Any]:
    if cells is None or members is None or not len(cells.lines):
        return {
            "dimension": name, "members": 0, "cells": 0, "lines": 0, "median_lines": np.nan,
            "thin_cells_share": np.nan, "thin_lines_share": np.nan, "variance_explained": np.nan,
            "members_variance_explained": np.nan,
        }  # fmt: skip
    thin = cells.lines < rule.min_lines
    return {
        "dimension": name,
        "members": len(members.lines),
        "cells": len(cells.lines),
        "lines": int(cells.lines.sum()),
        "median_lines": float(np.median(cells.lines)),
        "thin_cells_share": float(thin.mean()),
        "thin_lines_share": float(cells.lines[thin].sum() / cells.lines.sum()),
        "variance_explained": omega_squared(cells.lines, cells.total, cells.squares),
        "members_variance_explained": omega_squared(members.lines, members.total, members.squares),
    }
