"""What a column comes from: references with their kind, and how they add up along a chain of tables.

Belongs here: the algebra. Does not: reading SQL (`strata.lineage.statement`), walking tables (`strata.lineage.graph`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

EVERY = "*"  # as a column: that there is a row at all, as `count(*)` sees it


class LineageError(ValueError):
    """A column cannot be traced, or an important one lacks what it must have; names it and what to do."""


class Ref(NamedTuple):
    """A column of a table."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


class Kind(IntEnum):
    """How a value reaches another: `CONDITION` only decides (filter, join, group, case); the others carry it."""

    CONDITION = 0
    COPY = 1
    COMPUTE = 2
    AGGREGATE = 3


Origin = Mapping[Ref, Kind]
NOTHING: Origin = {}


def merged(origins: Iterable[Origin]) -> dict[Ref, Kind]:
    """All references; one that both carries and decides, carries."""
    found: dict[Ref, Kind] = {}
    for origin in origins:
        for ref, kind in origin.items():
            found[ref] = max(kind, found.get(ref, Kind.CONDITION))
    return found


def through(origin: Origin, kind: Kind) -> dict[Ref, Kind]:
    """The references as seen through one more step of this kind."""
    return {
        ref: Kind.CONDITION if Kind.CONDITION in (kind, inner) else max(kind, inner) for ref, inner in origin.items()
    }


@dataclass(frozen=True, slots=True)
class Arm:
    """One branch of a union, or the whole of a query that has one: per column what it comes from.

    Attributes:
        columns: origin by column name, in order.
        rows: what decides which rows there are.
        presence: whose rows these are (`count(*)`).
        constants: columns that hold one known text in this branch.
        tested: what the query's own filter looks at, with how.
        fields: origin of `<column>.<field>` for struct columns that the query itself packs.
    """

    columns: Mapping[str, Origin]
    rows: Origin = field(default_factory=dict)
    presence: Origin = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Origin] = field(default_factory=dict)
    tested: Origin = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Relation:
    """What a query yields: at least one arm, all with the same columns."""

    arms: tuple[Arm, ...]

    @property
    def names(self) -> list[str]:
        return list(self.arms[0].columns)

    def whole(self) -> Arm:
        """All arms as one."""
        return united(self.arms)


def united(arms: Sequence[Arm]) -> Arm:
    """Several arms with the same columns as one."""
    if len(arms) == 1:
        return arms[0]
    first = arms[0]
    same = {
        name: value
        for name, value in first.constants.items()
        if all(arm.constants.get(name) == value for arm in arms[1:])
    }
    return Arm(
        {name: merged(arm.columns[name] for arm in arms) for name in first.columns},
        merged(arm.rows for arm in arms),
        merged(arm.presence for arm in arms),
        same,
        {name: merged(arm.fields.get(name, NOTHING) for arm in arms) for name in first.fields},
        merged(arm.tested for arm in arms),
    )


def distinct_arms(arms: Sequence[Arm]) -> Relation:
    """Arms that hold the same constants are told apart by nothing and become one."""
    groups: dict[tuple[tuple[str, str], ...], list[Arm]] = {}
    for arm in arms:
        groups.setdefault(tuple(sorted(arm.constants.items())), []).append(arm)
    return Relation(tuple(united(group) for group in groups.values()))
