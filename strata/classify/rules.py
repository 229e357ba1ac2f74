"""Who is picked by a rule, and what overrides and rules leave of the classes of each item.

Belongs here: conditions as masks over a frame, the order in which claims on an item's class go, the bounds that remain,
and applying them. Does not: what a rule may say (`strata.scheme.rules`), computed classes (`strata.classify.assign`),
which overrides of people are in force (`strata.governance` says at the cut-off).

On an axis classes are positions from the best to `U`. A claim leaves a span of them: `set` one, `at_least` all from the
best to its class, `at_most` all from its class on. Claims come in order: overrides of people before rules, one for a
place before one for the region, the later known before the earlier; rules by priority, then id. Each narrows what those
before it left; one that would leave nothing is beaten by the claim that it meets there. Rules of one priority never
contradict each other (refused at load), so their order in the file is of no effect.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.classify.keyed import KEY, floats, positions
from strata.scheme.rules import COLUMNS, ORDERS, Axis, Comparison, Condition, Rule, columns_of

AXES: tuple[Axis, ...] = ("value_class", "variability_class")
EVERYWHERE = "*"
NOBODY = -1
OF_PEOPLE = "manual"
OF_RULES = "rule"
BOTH = "+"  # between the two ids of an item whose axes are decided by different overrides

Booleans = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]
Ints = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]
Values = npt.NDArray[Any]
_TESTS: Mapping[str, Callable[..., Any]] = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
                                            "gt": np.greater, "ge": np.greater_equal}  # fmt: skip


def matches(condition: Condition, frame: pd.DataFrame) -> Booleans:
    """Rows that a condition picks.

    A comparison with an unknown value (None, NaN, NaT) is false whatever the operator, `is_null` apart; `not` turns it
    into true. `between` holds at both ends.

    Args:
        condition: from a scheme's rule.
        frame: the columns that it names: text as objects, numbers as any numeric or decimal, days as `date` or
            datetime64, flags as booleans.

    Raises:
        ValueError: a column that it names is missing.

    Examples:
        >>> from strata.scheme.rules import read_condition
        >>> frame = pd.DataFrame({"family": ["SEEDS", None, "TOYS"], "revenue": [5.0, 9.0, np.nan]})
        >>> matches(read_condition({"column": "family", "ne": "TOYS"}, "when", 1), frame).tolist()
        [True, False, False]
        >>> matches(read_condition({"not": {"column": "revenue", "lt": 6}}, "when", 1), frame).tolist()
        [False, True, True]
    """
    if missing := sorted(columns_of(condition) - set(frame.columns)):
        raise ValueError(f"condition names columns {missing} that the rows lack; pass them")
    return _matches(condition, frame, {})


def _matches(condition: Condition, frame: pd.DataFrame, known: dict[str, Values]) -> Booleans:
    if isinstance(condition, Comparison):
        if condition.column not in known:
            known[condition.column] = _typed(frame[condition.column], COLUMNS[condition.column].kind)
        return _compared(known[condition.column], condition)
    parts = [_matches(member, frame, known) for member in condition.members]
    if condition.word == "not":
        return ~parts[0]
    gathered = np.logical_and if condition.word == "all" else np.logical_or
    return np.asarray(gathered.reduce(parts), dtype=np.bool_)


def _typed(column: "pd.Series[Any]", kind: str) -> Values:
    """A column as float64, days, or objects."""
    if kind == "number":
        return floats(column)
    if kind == "date":
        code, distinct = pd.factorize(column.to_numpy(dtype=object))
        # Not as pandas' own instants: the year 9999 is a day, too. The last one is unknown.
        days = np.append(np.asarray(distinct, dtype="datetime64[D]"), np.datetime64("NaT", "D"))
        return days[code]
    return column.to_numpy(dtype=object)


def _compared(values: Values, how: Comparison) -> Booleans:
    unknown = np.asarray(pd.isna(values), dtype=np.bool_)
    operator, operand = how.operator, how.operand
    if operator == "is_null":
        return unknown if operand else ~unknown
    is_date = COLUMNS[how.column].kind == "date"
    many: tuple[Any, ...] = operand if isinstance(operand, tuple) else (operand,)
    given = [np.datetime64(one, "D") for one in many] if is_date else list(many)
    if operator == "starts_with":
        found = pd.Series(values, dtype=object).str.startswith(str(operand), na=False).to_numpy(dtype=np.bool_)
        return np.asarray(found)
    if operator == "in":
        found = pd.Series(values).isin(given).to_numpy(dtype=np.bool_)
    elif operator == "between":
        found = (values >= given[0]) & (values <= given[1])
    else:
        found = _TESTS[operator](values, given[0])
    return np.asarray(found, dtype=np.bool_) & ~unknown


@dataclass(frozen=True, slots=True)
class Resolution:
    """What is claimed on the classes of a partition's items.

    Attributes:
        bounds: a row per item with any accepted claim: sku_id, location_id, and per axis `_best` and `_worst`
            (positions that are left), `_raised_by`, `_lowered_by`, `_set_by` (override ids; None where nobody's).
        claims: a row per override and item: override_id, source, item (row of the items), and per axis `_beaten_by`
            (id of the claim that goes before it and leaves it nothing; None where it is not beaten).
    """

    bounds: pd.DataFrame
    claims: pd.DataFrame


@dataclass(frozen=True, slots=True)
class _Claims:
    """Claims of which no item has two: rows of the items, whose they are (a number), and what they leave per axis."""

    rows: Ints
    owner: Ints
    best: dict[Axis, Codes]
    worst: dict[Axis, Codes]
    is_set: dict[Axis, Booleans]


def resolve(items: pd.DataFrame, overrides: pd.DataFrame, rules: Sequence[Rule], *, cycle: str) -> Resolution:
    """Resolve the overrides in force and the rules that hold in a cycle over the items of a partition.

    Args:
        items: sku_id, location_id, and the columns that conditions of the rules in force name; each item once.
        overrides: those of people in force, the earliest known first: override_id, sku_id, location_id (`*` is every
            place of the item), value_class, variability_class (null leaves the axis alone).
        rules: of the scheme, in any order.
        cycle: only rules that hold in it have a claim.

    Raises:
        ValueError: a condition names a column that `items` lacks, or an override an unknown class.
    """
    names = [*overrides["override_id"], *(rule.override_id for rule in _in_order(rules, cycle))]
    ids = np.array([*names, None], dtype=object)  # NOBODY is the last
    spans = {axis: _Span.all(len(items), len(ORDERS[axis])) for axis in AXES}
    owners, rows = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    beaten: dict[Axis, list[Ints]] = {axis: [np.zeros(0, np.int64)] for axis in AXES}
    for claims in (*_of_people(items, overrides), *_of_rules(items, rules, cycle, len(overrides))):
        owners.append(claims.owner)
        rows.append(claims.rows)
        for axis in AXES:
            beaten[axis].append(spans[axis].narrow(claims, axis))
    whose = np.concatenate(owners)
    found = pd.DataFrame(
        {
            "override_id": ids[whose],
            "source": np.array([OF_PEOPLE, OF_RULES], dtype=object)[(whose >= len(overrides)).astype(np.int64)],
            "item": np.concatenate(rows),
            **{f"{axis}_beaten_by": ids[np.concatenate(parts)] for axis, parts in beaten.items()},
        }
    )
    touched = np.flatnonzero(np.logical_or.reduce([span.is_touched for span in spans.values()]))
    bounds = items[KEY].iloc[touched].reset_index(drop=True)
    for axis, span in spans.items():
        for name, values in (("best", span.best), ("worst", span.worst)):
            bounds[f"{axis}_{name}"] = values[touched]
        for name, owner in (("raised_by", span.raised), ("lowered_by", span.lowered), ("set_by", span.set)):
            bounds[f"{axis}_{name}"] = ids[owner[touched]]
    return Resolution(bounds, found)


@dataclass(slots=True)
class _Span:
    """What is left of one axis while claims come in; whose claim narrowed it last, from below, from above, to one."""

    best: Codes
    worst: Codes
    raised: Ints
    lowered: Ints
    set: Ints

    @classmethod
    def all(cls, items: int, classes: int) -> "_Span":
        """Nothing is claimed yet."""
        nobody = [np.full(items, NOBODY, np.int64) for _ in range(3)]
        return cls(np.zeros(items, np.int8), np.full(items, classes - 1, np.int8), *nobody)

    @property
    def is_touched(self) -> Booleans:
        """Items with an accepted claim."""
        return np.asarray(np.maximum(np.maximum(self.raised, self.lowered), self.set) != NOBODY)

    def narrow(self, claims: _Claims, axis: Axis) -> Ints:
        """Take claims in; whose claim beats each of them, `NOBODY` where it stands."""
        rows, best, worst = claims.rows, claims.best[axis], claims.worst[axis]
        too_low, too_high = best > self.worst[rows], worst < self.best[rows]
        by = np.where(too_low, self.raised[rows], np.where(too_high, self.lowered[rows], NOBODY))
        kept = ~too_low & ~too_high
        for mine, theirs, whose, narrower in (
            (self.worst, worst, self.raised, worst < self.worst[rows]),
            (self.best, best, self.lowered, best > self.best[rows]),
        ):
            now = kept & narrower
            mine[rows[now]], whose[rows[now]] = theirs[now], claims.owner[now]
        given = kept & claims.is_set[axis] & (self.set[rows] == NOBODY)
        self.set[rows[given]] = claims.owner[given]
        return by.astype(np.int64)


def _in_order(rules: Sequence[Rule], cycle: str) -> list[Rule]:
    return sorted((rule for rule in rules if rule.holds_in(cycle)), key=lambda rule: (-rule.priority, rule.id))


def _of_rules(items: pd.DataFrame, rules: Sequence[Rule], cycle: str, first: int) -> Iterator[_Claims]:
    for number, rule in enumerate(_in_order(rules, cycle), start=first):  # a step per rule, not per item
        rows = np.flatnonzero(matches(rule.when, items)).astype(np.int64)
        bounds = rule.effect.bounds
        spans = {axis: bounds[axis].span(axis) if axis in bounds else (0, len(ORDERS[axis]) - 1) for axis in AXES}
        yield _Claims(
            rows,
            np.full(len(rows), number, np.int64),
            {axis: np.full(len(rows), span[0], np.int8) for axis, span in spans.items()},
            {axis: np.full(len(rows), span[1], np.int8) for axis, span in spans.items()},
            {axis: np.full(len(rows), axis in bounds and "set" in bounds[axis].said) for axis in AXES},
        )


def _of_people(items: pd.DataFrame, overrides: pd.DataFrame) -> Iterator[_Claims]:
    """Claims of overrides, a round for each that an item has: nearly always one."""
    if overrides.empty:
        return
    given = overrides.reset_index(drop=True)
    of_place = positions_of(items, given)
    wanted = given[KEY].assign(owner=given.index)
    whole = wanted[wanted["location_id"].eq(EVERYWHERE) & (of_place == NOBODY)]
    places = items[KEY].assign(item=np.arange(len(items)))
    everywhere = whole.drop(columns="location_id").merge(places, on="sku_id", how="inner")
    here = of_place != NOBODY
    rows = np.concatenate([of_place[here], everywhere["item"].to_numpy(np.int64)])
    owner = np.concatenate([np.flatnonzero(here), everywhere["owner"].to_numpy(np.int64)])
    is_wide = np.repeat([False, True], [int(here.sum()), len(everywhere)])
    order = np.lexsort((-owner, is_wide, rows))
    rows, owner = rows[order], owner[order]
    turn = pd.Series(rows).groupby(rows).cumcount().to_numpy(dtype=np.int64)
    place = {axis: _class_codes(given, axis) for axis in AXES}
    for now in range(int(turn.max(initial=-1)) + 1):
        mine = owner[turn == now]
        said = {axis: place[axis][mine] for axis in AXES}
        yield _Claims(
            rows[turn == now],
            mine,
            {axis: np.maximum(code, 0).astype(np.int8) for axis, code in said.items()},
            {axis: np.where(code < 0, len(ORDERS[axis]) - 1, code).astype(np.int8) for axis, code in said.items()},
            {axis: code >= 0 for axis, code in said.items()},
        )


def positions_of(items: pd.DataFrame, overrides: pd.DataFrame) -> Ints:
    """Row of the items that each override names by item and place; `NOBODY` where there is none."""
    return positions(overrides, items) if len(overrides) else np.zeros(0, np.int64)


def _class_codes(overrides: pd.DataFrame, axis: Axis) -> Codes:
    named = overrides[axis].to_numpy(dtype=object)
    codes = pd.Categorical(named, categories=list(ORDERS[axis])).codes.astype(np.int8)
    if (unknown := (codes < 0) & ~pd.isna(named)).any():
        raise ValueError(
            f"overrides: classes {sorted(set(named[unknown].tolist()))[:3]} are none of {ORDERS[axis]}; correct them"
        )
    return codes


@dataclass(frozen=True, slots=True)
class Applied:
    """One axis after overrides: class codes (`U` and absent as they came), whether one decides it, and whose (None)."""

    held: Codes
    given: Booleans
    override_id: Objects


def applied(held: Codes, bounds: pd.DataFrame, at: Ints, axis: Axis, *, undefined: int) -> Applied:
    """Bring computed classes within what overrides leave of an axis.

    A class within the bounds stays as it is, and no override decides it, but for one that sets the very class.

    Args:
        held: computed position per item, `undefined` for `U`.
        bounds: `Resolution.bounds`.
        at: row of `bounds` per item, -1 where it has none.
        axis: which.
        undefined: code of `U` in `held`.
    """
    there = np.flatnonzero(at >= 0)
    rows = bounds.iloc[at[there]]
    last = len(ORDERS[axis]) - 1
    place = np.where(held[there] == undefined, last, held[there])
    best, worst = (rows[f"{axis}_{name}"].to_numpy(dtype=np.int8) for name in ("best", "worst"))
    wanted = np.clip(place, best, worst)
    raised, lowered, exact = (rows[f"{axis}_{name}_by"].to_numpy(dtype=object) for name in ("raised", "lowered", "set"))
    by = np.where(wanted < place, raised, np.where(wanted > place, lowered, exact))
    override_id = np.full(len(held), None, dtype=object)
    override_id[there] = by
    given = np.zeros(len(held), dtype=np.bool_)
    given[there] = ~pd.isna(by)
    classes = held.copy()
    classes[there] = np.where(wanted == last, undefined, wanted)
    return Applied(classes, given, override_id)


def joined(value: Objects, variability: Objects) -> Objects:
    """Override ids of both axes as one text: one id where they agree or only one is there; None without any."""
    found = np.where(pd.isna(value), variability, value).astype(object)
    two = np.flatnonzero(~pd.isna(value) & ~pd.isna(variability) & (value != variability))
    found[two] = value[two] + BOTH + variability[two]
    return found
