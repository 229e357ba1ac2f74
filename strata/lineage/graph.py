"""All tables with their columns' origins, and the closure: from any column down to where values begin.

Belongs here: walking the graph. Does not: how the graph is made (`strata.lineage.flow`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from strata.lineage.origin import EVERY, NOTHING, Arm, Kind, LineageError, Origin, Ref, Relation, merged, through

_ARM = "#"


@dataclass(frozen=True, slots=True)
class Graph:
    """Relations by table; a table that is not in it is where values begin.

    Attributes:
        relations: what each table is computed from, one step up.
        begins: columns of the tables where values begin.
    """

    relations: Mapping[str, Relation]
    begins: Mapping[str, tuple[str, ...]]
    _seen: dict[Ref, Origin] = field(default_factory=dict)

    def columns(self, table: str) -> list[str]:
        """Names of a table's columns; LineageError where there is no such table."""
        if table in self.relations:
            return self.relations[table].names
        if table in self.begins:
            return list(self.begins[table])
        raise LineageError(f"there is no table {table!r}")

    def columns_or_none(self, table: str) -> list[str]:
        """Names of a computed table's columns; none where nothing says how it is computed."""
        return self.relations[table].names if table in self.relations else []

    def seen(self, table: str) -> Relation:
        """A table as a query that reads it sees it: its branches are told apart where a constant does."""
        own = self.relations.get(table)
        arms = own.arms if own is not None else (Arm({}),)
        names = self.columns(table)
        found = []
        for number, arm in enumerate(arms):
            label = f"{table}{_ARM}{number}" if len(arms) > 1 else table
            columns: dict[str, Origin] = {name: {Ref(label, name): Kind.COPY} for name in names}
            found.append(Arm(columns, NOTHING, {Ref(label, EVERY): Kind.COPY}, arm.constants))
        return Relation(tuple(found))

    def direct(self, table: str, column: str) -> dict[Ref, Kind]:
        """One step up: the columns that a column is computed from, without those that only decide about rows."""
        found = self.relations[table].whole().columns.get(column, NOTHING)
        return merged({Ref(plain(ref.table), ref.column): kind} for ref, kind in found.items())

    def sources(self, table: str, column: str) -> Origin:
        """Where a column begins: every reference that carries its value or decides it, rows included."""
        return self._closure(Ref(table, column))

    def nearest(self, table: str, column: str, stops: frozenset[str]) -> dict[Ref, Kind]:
        """The columns of the nearest tables of `stops` upstream whose values the column carries."""
        found: dict[Ref, Kind] = {}
        for ref, kind in self.direct(table, column).items():
            if ref.table in stops or kind is Kind.CONDITION:
                further: Origin = {ref: kind} if ref.table in stops else NOTHING
            elif ref.table in self.relations:
                further = through(self.nearest(ref.table, ref.column, stops), kind)
            else:
                further = NOTHING
            found = merged([found, further])
        return {ref: kind for ref, kind in found.items() if kind is not Kind.CONDITION and ref.column != EVERY}

    def upstream(self, table: str, column: str) -> set[Ref]:
        """Every column on the way to a column, itself included; branches under their table's own name."""
        waiting, found = [Ref(table, column)], set()
        while waiting:
            ref = waiting.pop()
            if ref in found:
                continue
            found.add(ref)
            waiting += self._step(ref)
        return {Ref(plain(ref.table), ref.column) for ref in found}

    def _step(self, ref: Ref) -> Origin:
        arms = self._arms(ref.table)
        return merged([origin for arm in arms for origin in (_of(arm, ref.column), through(arm.rows, Kind.CONDITION))])

    def _closure(self, ref: Ref) -> Origin:
        if ref in self._seen:
            return self._seen[ref]
        if (begin := plain(ref.table)) not in self.relations:
            known = self.columns(begin)
            if known and ref.column not in (EVERY, *known):
                raise LineageError(f"{ref} is computed from nothing that is known: {begin} has no such column")
            return {Ref(begin, ref.column): Kind.COPY}
        self._seen[ref] = NOTHING  # while it is looked at; the graph has no circle but through `previous`
        found = merged(through(self._closure(inner), kind) for inner, kind in self._step(ref).items())
        self._seen[ref] = found
        return found

    def _arms(self, table: str) -> tuple[Arm, ...]:
        name, _, number = table.partition(_ARM)
        relation = self.relations.get(name)
        if relation is None:
            return ()
        return (relation.arms[int(number)],) if number else relation.arms


def plain(table: str) -> str:
    """The table's name without the branch."""
    return table.partition(_ARM)[0]


def _of(arm: Arm, column: str) -> Origin:
    return arm.presence if column == EVERY else arm.columns.get(column, NOTHING)
