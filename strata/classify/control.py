"""Churn control: which proposed moves of an item's class take effect this cycle, and why the others wait.

Belongs here: dead band, posterior gate, confirmations, dwell, drift bypass and budget on arrays of class codes. Does
not: metrics and proposed classes (`strata.classify.value`, `.variability`), their certainty (`.posterior`).

A class is its position in the axis' order; `UNDEFINED` is `U`, `ABSENT` is an item without a row before.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from strata.scheme.model import ChurnBudget, Hysteresis

UNDEFINED, ABSENT = -1, -2
NO_MOVE = -1  # no move is pending
UNKNOWN = -1  # cycles since a move that nobody saw
REASONS = (
    "undefined", "new_item", "was_undefined", "unchanged", "held_margin", "held_posterior", "held_confirmation",
    "held_dwell", "held_budget", "moved", "moved_shift", "last_class",
)  # fmt: skip
REASON = {name: np.int8(code) for code, name in enumerate(REASONS)}
_EXACT = 1e-9  # shares of a budget are compared to rounding: 0.1 of 30 items are 3

Codes = npt.NDArray[np.int8]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Memory:
    """What is carried from cycle to cycle, per item of one axis.

    `held` class in force; `pending` the class that a waiting move goes to (`NO_MOVE`); `confirmations` runs in a row
    that proposed it; `dwell_cycles` cycles since the axis moved (`UNKNOWN` where it never did: nothing to wait for).
    """

    held: Codes
    pending: Codes
    confirmations: Ints
    dwell_cycles: Ints

    @classmethod
    def none(cls, items: int) -> "Memory":
        """Of items that are all new."""
        return cls(
            held=np.full(items, ABSENT, np.int8),
            pending=np.full(items, NO_MOVE, np.int8),
            confirmations=np.zeros(items, np.int64),
            dwell_cycles=np.full(items, UNKNOWN, np.int64),
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """Per item the memory to carry on, the reason (position in `REASONS`), and whether a true shift freed it."""

    memory: Memory
    reason: Codes
    is_free: Booleans

    @property
    def held(self) -> Codes:
        """The class in force now."""
        return self.memory.held


def weigh(
    proposed: Codes,
    metric: Floats,
    before: Memory,
    *,
    cuts: tuple[float, ...],
    band: Floats,
    beyond: Floats,
    is_shift: Booleans,
    rule: Hysteresis,
) -> Decision:
    """Decide every item of one axis by all controls but the budget.

    The boundary is the one through which the item leaves its class: the upper cut where the metric grew, the lower one
    where it fell. A move waits for, in this order, the dead band (`held_margin`), the posterior (`held_posterior`),
    the confirmations (`held_confirmation`) and the dwell (`held_dwell`). A run counts as a confirmation if it proposes
    the move pending and passes band and posterior; another class, or a run that does not, begins anew. What passes
    goes to the proposed class, also where that is more than one step away. A true shift passes all of them if it is
    beyond the boundary with `rule.bypass_posterior`. An item of unknown posterior is judged without it.

    Args:
        proposed: class by the metric alone, `UNDEFINED` where there is none.
        metric: the number that was cut; may be NaN where proposed is undefined.
        before: memory of the cycle before.
        cuts: ascending boundaries.
        band: width of the dead band per cut, in units of the metric.
        beyond: P(the true metric is above the cut), items x cuts, NaN unknown.
        is_shift: the level truly changed.
        rule: which controls are on.

    Returns:
        Reasons, the first that applies: undefined, new_item, was_undefined, unchanged, held_*, moved_shift (only the
        bypass let it through), moved.

    Raises:
        ValueError: lengths differ, a code is unknown, or a proposed class contradicts its metric.

    Examples:
        >>> rule = Hysteresis(value_band=0.02, variability_band=0.2, confirmations=2,
        ...                   rationale="two runs in a row must agree")
        >>> begun = Memory(np.array([0, 0], np.int8), np.array([-1, 1], np.int8), np.array([0, 1]), np.array([-1, -1]))
        >>> found = weigh(np.array([1, 1], np.int8), np.array([0.85, 0.85]), begun, cuts=(0.8, 0.95),
        ...               band=np.array([0.02, 0.02]), beyond=np.full((2, 2), np.nan),
        ...               is_shift=np.zeros(2, dtype=bool), rule=rule)
        >>> [REASONS[code] for code in found.reason], found.held.tolist(), found.memory.confirmations.tolist()
        (['held_confirmation', 'moved'], [0, 1], [1, 0])
    """
    _check(proposed, metric, before, cuts, band)
    old, rows = before.held, np.arange(len(proposed))
    compared = (proposed >= 0) & (old >= 0)
    rises, falls = compared & (proposed > old), compared & (proposed < old)
    wants = rises | falls
    cut = np.where(rises, old, np.where(falls, old - 1, 0)).astype(np.int64)
    bounds = np.asarray(cuts, dtype=np.float64)[cut]
    margin = np.where(rises, metric - bounds, bounds - metric)
    sure = beyond[rows, cut]
    sure = np.where(rises, sure, 1.0 - sure)
    outside = ~(margin < band[cut])
    likely = _at_least(sure, rule.posterior)
    agrees = wants & outside & likely
    count = np.where(agrees, np.where(before.pending == proposed, before.confirmations, 0) + 1, 0)
    confirmed = count >= (rule.confirmations or 1)
    rested = (before.dwell_cycles == UNKNOWN) | (before.dwell_cycles + 1 >= (rule.dwell_cycles or 0))
    free = wants & is_shift & _at_least(sure, rule.bypass_posterior)
    reason = np.select(
        [
            proposed < 0, old == ABSENT, old < 0, ~wants, agrees & confirmed & rested, free, ~outside, ~likely,
            ~confirmed,
        ],
        [
            REASON[name]
            for name in ("undefined", "new_item", "was_undefined", "unchanged", "moved", "moved_shift", "held_margin",
                         "held_posterior", "held_confirmation")
        ],
        default=REASON["held_dwell"],
    ).astype(np.int8)  # fmt: skip
    moves = moved(reason)
    waits = agrees & ~moves
    rest = np.where(compared & (before.dwell_cycles != UNKNOWN), before.dwell_cycles + 1, UNKNOWN)
    memory = Memory(
        held=np.where(wants & ~moves, old, proposed).astype(np.int8),
        pending=np.where(waits, proposed, NO_MOVE).astype(np.int8),
        confirmations=np.where(waits, count, 0).astype(np.int64),
        dwell_cycles=np.where(moves, 0, rest).astype(np.int64),
    )
    return Decision(memory, reason, free)


def spend(
    decisions: tuple[Decision, ...],
    before: tuple[Memory, ...],
    value: Floats,
    names: npt.NDArray[np.object_],
    group: Ints,
    *,
    budget: ChurnBudget | None,
    rule: Hysteresis,
) -> tuple[Decision, ...]:
    """Let the moves of largest value through while the budget lasts; the others keep class and confirmations.

    An item is charged once, whichever of its axes move, and by its value where the budget is one of value. Moves that
    a true shift frees, new items and items without a class before are not charged. Of equal value the lesser name goes
    first. The first item that does not fit ends the run: nobody smaller overtakes it, so it is first again next time.

    Args:
        decisions: per axis.
        before: per axis, the memory that they were decided against.
        value: money per item; NaN or negative counts as zero.
        names: distinct per item within a group, to break ties.
        group: number of the ranking that an item is in; each has its own budget.
        budget: None is no budget.
        rule: how many confirmations a held move keeps.

    Examples:
        >>> rule = Hysteresis(value_band=0, variability_band=0, rationale="nothing but the budget is on")
        >>> begun = Memory(np.zeros(4, np.int8), np.full(4, -1, np.int8), np.zeros(4, int), np.full(4, -1))
        >>> one = weigh(np.ones(4, np.int8), np.full(4, 0.9), begun, cuts=(0.8,), band=np.zeros(1),
        ...             beyond=np.full((4, 1), np.nan), is_shift=np.zeros(4, dtype=bool), rule=rule)
        >>> names = np.array(["a", "b", "c", "d"], dtype=object)
        >>> half = ChurnBudget(max_share=0.5, of="items", rationale="half of the items a run at most")
        >>> value, everywhere = np.array([1.0, 9.0, 5.0, 5.0]), np.zeros(4, int)
        >>> found = spend((one,), (begun,), value, names, everywhere, budget=half, rule=rule)
        >>> found[0].held.tolist()
        [0, 1, 1, 0]
    """
    if budget is None:
        return decisions
    charged = np.zeros(len(value), dtype=bool)
    for one in decisions:
        charged |= moved(one.reason) & ~one.is_free
    worth = np.where(np.isfinite(value), np.maximum(value, 0.0), 0.0)
    weight = worth if budget.of == "value" else np.ones(len(value))
    late = np.zeros(len(value), dtype=bool)
    for location in np.unique(group[charged]):  # a step per ranking, not per item
        here = group == location
        rows = np.flatnonzero(charged & here)
        order = rows[np.lexsort((names[rows].astype(str), -worth[rows]))]
        limit = budget.max_share * weight[here].sum()
        late[order[np.cumsum(weight[order]) > limit * (1.0 + _EXACT)]] = True
    return tuple(
        _put_off(one, memory, late & moved(one.reason) & ~one.is_free, rule)
        for one, memory in zip(decisions, before, strict=True)
    )


def moved(reason: Codes) -> Booleans:
    """Whether the class changed from one defined class to another."""
    found: Booleans = (reason == REASON["moved"]) | (reason == REASON["moved_shift"])
    return found


def keep(decision: Decision, before: Memory, kept: Booleans) -> Decision:
    """The decision, but for items that hold the class before whatever was seen since (`last_class`)."""
    kept = kept & (before.held != ABSENT)
    memory = decision.memory
    rest = np.where(before.dwell_cycles != UNKNOWN, before.dwell_cycles + 1, UNKNOWN)
    return Decision(
        Memory(
            np.where(kept, before.held, memory.held).astype(np.int8),
            np.where(kept, NO_MOVE, memory.pending).astype(np.int8),
            np.where(kept, 0, memory.confirmations),
            np.where(kept, rest, memory.dwell_cycles),
        ),
        np.where(kept, REASON["last_class"], decision.reason).astype(np.int8),
        decision.is_free & ~kept,
    )


def displaced(memory: Memory, wanted: Codes, given: Booleans, *, rule: Hysteresis) -> Memory:
    """The memory to carry where an override sets the class: what it displaces waits as a move fully confirmed.

    So an item returns to its own class in the first cycle after the override if its metric still says so.

    Args:
        memory: as decided without overrides.
        wanted: class that the override sets.
        given: whether there is an override on this axis.
        rule: how many confirmations are enough.
    """
    away = given & (wanted != memory.held) & (memory.held >= 0)
    return Memory(
        np.where(given, wanted, memory.held).astype(np.int8),
        np.where(away, memory.held, memory.pending).astype(np.int8),
        np.where(away, rule.confirmations or 1, memory.confirmations),
        np.where(given, UNKNOWN, memory.dwell_cycles),
    )


def _put_off(decision: Decision, before: Memory, late: Booleans, rule: Hysteresis) -> Decision:
    """The decision with some moves held for want of budget."""
    memory = decision.memory
    count = np.where(before.pending == memory.held, before.confirmations, 0) + 1
    rest = np.where(before.dwell_cycles != UNKNOWN, before.dwell_cycles + 1, UNKNOWN)
    return replace(
        decision,
        memory=Memory(
            np.where(late, before.held, memory.held).astype(np.int8),
            np.where(late, memory.held, memory.pending).astype(np.int8),
            np.where(late, np.maximum(count, rule.confirmations or 1), memory.confirmations),
            np.where(late, rest, memory.dwell_cycles),
        ),
        reason=np.where(late, REASON["held_budget"], decision.reason).astype(np.int8),
    )


def _at_least(sure: Floats, least: float | None) -> Booleans:
    if least is None:
        return np.ones(len(sure), dtype=bool)
    return np.asarray(np.isnan(sure) | (sure >= least))


def _check(proposed: Codes, metric: Floats, before: Memory, cuts: tuple[float, ...], band: Floats) -> None:
    bounds = np.asarray(cuts, dtype=np.float64)
    if not len(proposed) == len(metric) == len(before.held):
        raise ValueError(
            f"proposed {len(proposed)}, metric {len(metric)} and memory {len(before.held)} must be of one length"
        )
    if (np.diff(bounds) <= 0).any() or len(band) != len(bounds) or not (band >= 0).all():
        raise ValueError(f"{bounds.tolist()} with bands {band.tolist()}: give ascending cuts, and a band >= 0 for each")
    for codes, least, what in ((proposed, UNDEFINED, "proposed"), (before.held, ABSENT, "previous")):
        if ((codes < least) | (codes > len(bounds))).any():
            raise ValueError(f"{what}: codes run from {least} to {len(bounds)}; map old classes first")
    low = np.concatenate([[-np.inf], bounds])[np.maximum(proposed, 0)]
    high = np.concatenate([bounds, [np.inf]])[np.maximum(proposed, 0)]
    wrong = (proposed >= 0) & ~((metric >= low) & (metric <= high))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"proposed: row {row} is class {proposed[row]} but its metric {metric[row]} is outside {low[row]} to "
            f"{high[row]}; propose by the same cuts as you hold by"
        )
