"""Items whose sizes jump by a pack factor while their unit value jumps the other way: booked in another unit.

Belongs here: the test over periods. Does not: units that documents state (`queries/conversion.sql` converts those),
setting lines aside (`strata.conformed.history`), level shifts of demand (`strata.demand.shift`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strata.scheme.model import UnitJump

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# A changeover must part the sides by a tenth better than none, or noise would shift every jump by a period.
_CHANGEOVER = float(np.log(1.1))


@dataclass(frozen=True, slots=True)
class Jumps:
    """One entry per series: period of the first lines in the other unit (-1: no jump), pack factor, unit values.

    `changeover` says that the period before `period` holds lines of both units. `value_before` and `value_after` are
    amounts per unit on either side, NaN without a jump.
    """

    period: IntArray
    changeover: NDArray[np.bool_]
    factor: FloatArray
    value_before: FloatArray
    value_after: FloatArray


def unit_jumps(
    units: FloatArray,
    amounts: FloatArray,
    lines: FloatArray,
    own_series: IntArray,
    own_factor: FloatArray,
    *,
    rule: UnitJump,
) -> Jumps:
    """Find the series that changed their unit without saying so.

    A switch from pieces to cases of f leaves the number of lines and the money alone: units per line fall to 1 / f,
    money per unit rises to f. Neither a level shift (same unit value) nor a price change (same size) does both. At
    every split the `window_periods` before are held against those after it, with and without a period of changeover
    between them; the split of the greatest contrast is the jump, if its ratio is that of a pack.

        |ln(value after / value before)| within ln(1 + value_tolerance) of ln f, and
        ln(size after / size before) within ln(1 + size_tolerance) of the opposite.

    Args:
        units: units per series and period [n, t], zero without demand.
        amounts: money [n, t]; series without money cannot be told apart and have no jump.
        lines: order lines [n, t].
        own_series: series of each pack factor that the master data state [m].
        own_factor: those factors, base units per unit, or its inverse where below one [m].
        rule: factors that are usual packs, windows and tolerances of the scheme.

    Returns:
        `Jumps`, one entry per series.

    Raises:
        ValueError: the matrices differ in shape.

    Examples:
        Cases of 12 from the fourth month on:

        >>> from strata.scheme.model import UnitJump
        >>> rule = UnitJump(window_periods=3, min_lines=3, value_tolerance=0.15, size_tolerance=1.0,
        ...                 least_factor=4, exempt=(), pack_factors=(6, 12),
        ...                 rationale="Worked example of the docstring.")
        >>> units = np.array([[120.0, 96, 144, 10, 9]])
        >>> found = unit_jumps(units, np.array([[120.0, 96, 144, 120, 108]]), np.full((1, 5), 9.0),
        ...                    np.array([], dtype=np.int64), np.array([]), rule=rule)
        >>> int(found.period[0]), float(found.factor[0])
        (3, 12.0)
    """
    if not units.shape == amounts.shape == lines.shape:
        raise ValueError(f"unit_jumps: shapes {units.shape}, {amounts.shape}, {lines.shape} differ; pass one grid")
    count, periods = units.shape
    sums = [
        np.concatenate([np.zeros((count, 1)), np.cumsum(matrix, axis=1)], axis=1) for matrix in (units, amounts, lines)
    ]
    least = np.log(rule.least_factor) - np.log1p(rule.value_tolerance)
    jump = np.zeros(count)
    period, changed_over = np.full(count, -1, dtype=np.int64), np.zeros(count, dtype=np.bool_)
    value_before, value_after = np.full(count, np.nan), np.full(count, np.nan)
    # One pass per split and changeover, arrays across series; few series pass the first test.
    for changeover in (0, 1):
        for split in range(1, periods - changeover):
            begin, stop = max(0, split - rule.window_periods), split + changeover
            before = [total[:, split] - total[:, begin] for total in sums]
            after = [total[:, min(periods, stop + rule.window_periods)] - total[:, stop] for total in sums]
            enough = (before[2] >= rule.min_lines) & (after[2] >= rule.min_lines)
            enough &= np.minimum(np.minimum(before[0], before[1]), np.minimum(after[0], after[1])) > 0
            value = np.zeros(count)
            np.log(np.divide(after[1] * before[0], before[1] * after[0], where=enough, out=np.ones(count)), out=value)
            rows = np.flatnonzero(np.abs(value) >= np.maximum(least, np.abs(jump) + changeover * _CHANGEOVER))
            size = np.log(after[0][rows] * before[2][rows] / (after[2][rows] * before[0][rows]))
            at = rows[np.abs(size + value[rows]) <= np.log1p(rule.size_tolerance)]
            jump[at], period[at], changed_over[at] = value[at], stop, bool(changeover)
            value_before[at] = before[1][at] / before[0][at]
            value_after[at] = after[1][at] / after[0][at]
    # The split of the greatest contrast parts the units; only its ratio is held against the packs.
    rows = np.flatnonzero(period >= 0)
    factor = np.full(count, np.nan)
    nearest, distance = _nearest(np.abs(jump[rows]), rows, own_series, own_factor, rule)
    fits = distance <= np.log1p(rule.value_tolerance)
    factor[rows[fits]] = nearest[fits]
    none = np.isnan(factor)
    return Jumps(
        np.where(none, -1, period),
        changed_over & ~none,
        factor,
        np.where(none, np.nan, value_before),
        np.where(none, np.nan, value_after),
    )


def _nearest(
    jump: FloatArray, rows: IntArray, own_series: IntArray, own_factor: FloatArray, rule: UnitJump
) -> tuple[FloatArray, FloatArray]:
    """The pack factor nearest to each jump (both as logarithms compared), and the distance."""
    usual = np.array(rule.pack_factors, dtype=np.float64)
    gaps = np.abs(jump[:, None] - np.log(usual)[None, :])
    best = gaps.argmin(axis=1)
    factor, distance = usual[best], gaps[np.arange(len(jump)), best]
    packs = np.where(own_factor < 1, 1 / np.where(own_factor > 0, own_factor, np.nan), own_factor)
    place = np.full(max(int(rows.max(initial=-1)), int(own_series.max(initial=-1))) + 1, -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    mine = np.flatnonzero((place[own_series] >= 0) & (packs >= rule.least_factor))
    gap = np.abs(jump[place[own_series[mine]]] - np.log(packs[mine]))
    # Widest gap first, so that the nearest of a series is written last.
    order = mine[np.argsort(-gap, kind="stable")]
    nearest = np.full(len(jump), np.inf)
    nearest[place[own_series[order]]] = np.sort(gap)[::-1]
    stated = np.ones(len(jump))
    stated[place[own_series[order]]] = packs[order]
    closer = nearest < distance
    return np.where(closer, stated, factor), np.where(closer, nearest, distance)
