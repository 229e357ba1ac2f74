"""Column lineage of one SQL statement, read from its syntax tree: what every column of its result comes from.

Stars (with `exclude`), CTEs, unions (by position and by name), joins (`using` included), windows, lateral aliases,
subqueries, structs and `unnest` are followed; a branch of a union whose literal contradicts a filter is left out, so
that `where feed = 'items'` over a union of all feeds comes from that feed only. Nothing is executed.

Belongs here: DuckDB's SQL as far as the project writes it. Does not: which statements make which table
(`strata.lineage.flow`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from math import prod

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from strata.lineage.origin import (
    EVERY,
    NOTHING,
    Arm,
    Kind,
    LineageError,
    Origin,
    Ref,
    Relation,
    distinct_arms,
    merged,
    through,
    united,
)
from strata.lineage.scope import (
    Scope,
    aggregates,
    bringing_nothing,
    fields_of,
    holds_aggregate,
    join_keys,
    may_hold,
    of_change,
    rows_of,
)

Catalog = Callable[[str], Relation]
RUN = "run"  # what a run is told: region, cycle, cut-off …, as `getvariable(…)` and named parameters read it
# Windows that take the value of one other row.
ONE_ROW = (exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue)
_MOST_ARMS = 64


def relation_of(sql: str, catalog: Catalog, name: str = "") -> Relation:
    """What the statement yields.

    Args:
        sql: a query, or `create table … as` one. Of several statements that counts which creates `name`, else the
            last one.
        catalog: the relation of a table by its name, of a Parquet path by `'<path>'`; raises LineageError.
        name: of the table that is wanted.

    Raises:
        LineageError: the text does not parse, or a column is in none of the tables it reads.
    """
    try:
        statements = [found for found in sqlglot.parse(sql, dialect="duckdb") if found is not None]
    except SqlglotError as error:
        raise LineageError(f"the statement does not parse: {error}") from error
    made = {found.this.name: found for found in statements if isinstance(found, exp.Create) and found.kind == "TABLE"}
    wanted = made.get(name, statements[-1])
    query = wanted.expression if isinstance(wanted, exp.Create) else wanted
    return _Reader(catalog).query(query, {}, None)


class _Reader:
    """Walks queries; holds nothing but the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def query(self, node: exp.Expr, ctes: Mapping[str, Relation], outer: Scope | None) -> Relation:
        known = dict(ctes)
        if (with_ := node.args.get("with_")) is not None:
            for cte in with_.expressions:
                known[cte.alias.lower()] = _renamed(self.query(cte.this, known, outer), cte.args.get("alias"))
        if isinstance(node, exp.Subquery):
            return self.query(node.this, known, outer)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, known, outer)
        if isinstance(node, exp.Select):
            return self._select(node, known, outer)
        raise LineageError(f"{type(node).__name__} is no query that can be traced: {node.sql()[:80]}")

    def _set_operation(self, node: exp.SetOperation, ctes: Mapping[str, Relation], outer: Scope | None) -> Relation:
        left, right = self.query(node.this, ctes, outer), self.query(node.expression, ctes, outer)
        if not isinstance(node, exp.Union):
            decides = merged([*right.whole().columns.values(), right.whole().rows])
            return Relation(tuple(_with_rows(arm, decides) for arm in left.arms))
        if node.args.get("by_name"):
            names = [*left.names, *(name for name in right.names if name not in left.names)]
            return distinct_arms([_reshaped(arm, names) for arm in (*left.arms, *right.arms)])
        if len(left.names) != len(right.names):
            raise LineageError(f"a union of {left.names} and {right.names}")
        positions = dict(zip(right.names, left.names, strict=True))
        moved = [
            Arm(
                {positions[name]: origin for name, origin in arm.columns.items()},
                arm.rows,
                arm.presence,
                {positions[name]: value for name, value in arm.constants.items()},
            )
            for arm in right.arms
        ]
        return distinct_arms([*left.arms, *moved])

    def _select(self, node: exp.Select, ctes: Mapping[str, Relation], outer: Scope | None) -> Relation:
        relations = self._sources(node, ctes, outer)
        whole = {alias: relation.whole() for alias, relation in relations.items()}
        windows = {str(window.this.name).lower(): window for window in node.args.get("windows") or ()}
        branches = [relation.arms for relation in relations.values()]
        if prod(map(len, branches)) > _MOST_ARMS:
            branches = [(arm,) for arm in whole.values()]
        keys, hidden = join_keys(node), bringing_nothing(node)
        scopes = [
            Scope(dict(zip(relations, arms, strict=True)), whole, ctes, outer, windows, keys, hidden)
            for arms in product(*branches)
        ]
        where = node.args.get("where")
        kept = [scope for scope in scopes if where is None or may_hold(where.this, scope)] or scopes
        if aggregates(node):
            sources = {alias: united([scope.sources[alias] for scope in kept]) for alias in relations}
            kept = [Scope(sources, whole, ctes, outer, windows, keys, hidden)]
        return distinct_arms([self._projected(node, scope) for scope in kept])

    def _sources(self, node: exp.Select, ctes: Mapping[str, Relation], outer: Scope | None) -> dict[str, Relation]:
        found: dict[str, Relation] = {}
        first = node.args.get("from_")
        items = [*([first.this] if first else []), *(join.this for join in node.args.get("joins") or ())]
        for number, item in enumerate(items):
            before = {alias: relation.whole() for alias, relation in found.items()}
            alias = (item.alias_or_name or f"_{number}").lower()
            found[alias] = self._source(item, ctes, Scope(before, before, ctes, outer, {}))
        return found

    def _source(self, item: exp.Expr, ctes: Mapping[str, Relation], scope: Scope) -> Relation:
        named = item.args.get("alias")
        if isinstance(item, exp.Subquery):
            return _renamed(self.query(item, ctes, scope), named)
        if isinstance(item, exp.Table):
            what = item.this
            if isinstance(what, exp.Identifier):
                name = what.name if "/" in what.name else what.name.lower()
                return _renamed(ctes[name] if name in ctes and not item.db else self.catalog(name), named)
            if isinstance(what, exp.ReadParquet) and isinstance(path := what.expressions[0], exp.Literal):
                return _renamed(self.catalog(f"'{path.this}'"), named)
            item = what
        names = [column.name.lower() for column in named.columns] if named is not None and named.columns else []
        label = named.name.lower() if named is not None and named.this is not None else type(item).__name__.lower()
        origin = through(merged(self._parts(item, scope)), Kind.COMPUTE)
        return Relation((Arm(dict.fromkeys(names or [label], origin), NOTHING, origin),))

    def _projected(self, node: exp.Select, scope: Scope) -> Arm:
        columns: dict[str, Origin] = {}
        fields: dict[str, Origin] = {}
        constants: dict[str, str] = {}
        for number, item in enumerate(node.expressions):
            if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
                for name, origin, constant in self._star(item, scope):
                    columns[name] = origin
                    constants |= {} if constant is None else {name: constant}
                for arm in scope.seen().values():
                    fields |= {name: found for name, found in arm.fields.items() if name.split(".")[0] in columns}
                continue
            name = item.alias_or_name.lower() if isinstance(item, exp.Alias | exp.Column) else f"_{number}"
            inner = item.this if isinstance(item, exp.Alias) else item
            columns[name] = self._origin(inner, scope)
            packed, chosen = fields_of(inner)
            for key, values in packed.items():
                own = merged(self._origin(value, scope) for value in values)
                decides = {ref: kind for ref, kind in columns[name].items() if kind is Kind.CONDITION}
                fields[f"{name}.{key}"] = merged([through(own, Kind.COMPUTE) if chosen else own, decides])
            scope.aliases[name] = inner
            if (constant := scope.constant(inner)) is not None:
                constants[name] = constant
        rows = merged([*self._row_conditions(node, scope), *(arm.rows for arm in scope.sources.values())])
        presence = merged(scope.sources[alias].presence for alias in rows_of(node, scope))
        counted = Kind.AGGREGATE if aggregates(node) else Kind.COPY
        where = node.args.get("where")
        tested = self._origin(where.this, scope) if where is not None else NOTHING
        return Arm(columns, through(rows, Kind.CONDITION), through(presence, counted), constants, fields, tested)

    def _star(self, item: exp.Expr, scope: Scope) -> Iterator[tuple[str, Origin, str | None]]:
        star = item if isinstance(item, exp.Star) else item.this
        left_out = {column.name.lower() for column in star.args.get("except_") or ()}
        replaced = {alias.alias.lower(): alias.this for alias in star.args.get("replace") or ()}
        only = item.table.lower() if isinstance(item, exp.Column) else None
        for alias, arm in scope.seen().items():
            if only is not None and alias != only:
                continue
            for name, origin in arm.columns.items():
                if name in replaced:
                    yield name, self._origin(replaced[name], scope), None
                elif name not in left_out:
                    yield name, origin, arm.constants.get(name)

    def _row_conditions(self, node: exp.Select, scope: Scope) -> Iterator[Origin]:
        for part in ("where", "having", "qualify"):
            if (clause := node.args.get(part)) is not None:
                yield self._origin(of_change(clause.this), scope)
        for join in node.args.get("joins") or ():
            if (on := join.args.get("on")) is not None:
                yield self._origin(on, scope)
            for column in join.args.get("using") or ():
                yield self._origin(exp.column(column.name), scope)
                yield scope.sources[join.this.alias_or_name.lower()].columns[column.name.lower()]
        group = node.args.get("group")
        keys = list(group.expressions) if group is not None else []
        if group is not None and group.args.get("all"):
            keys = [item for item in node.expressions if not holds_aggregate(item)]
        distinct = node.args.get("distinct")
        if distinct is not None and distinct.args.get("on") is not None:
            keys.append(distinct.args["on"])
        if node.args.get("limit") is not None and (order := node.args.get("order")) is not None:
            keys.append(order)
        for key in keys:
            inner = key.this if isinstance(key, exp.Alias) else key
            yield self._origin(inner, scope)

    def _origin(self, node: exp.Expr, scope: Scope) -> Origin:
        """What an expression comes from, each reference with how it gets there."""
        if isinstance(node, exp.Column):
            return self._column(node, scope)
        if isinstance(node, exp.Paren | exp.Cast | exp.TryCast | exp.Alias):
            return self._origin(node.this, scope)
        if isinstance(node, exp.Query):
            inner = self.query(node, scope.ctes, scope).whole()
            return merged([*inner.columns.values(), through(inner.rows, Kind.CONDITION)])
        if isinstance(node, exp.Exists):
            inner = self.query(node.this, scope.ctes, scope).whole()
            return through(merged([*inner.columns.values(), inner.rows, inner.presence]), Kind.CONDITION)
        if isinstance(node, exp.Is) and node.this in scope.keys.get(getattr(node.this, "table", ""), ()):
            return self._presence(node.this, scope)
        if isinstance(node, exp.Window):
            return self._window(node, scope)
        if isinstance(node, exp.Filter):
            decides = through(self._origin(node.expression.this, scope), Kind.CONDITION)
            return merged([self._origin(node.this, scope), decides])
        if isinstance(node, exp.Case):
            return self._case(node, scope)
        if isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
            rows = rows_of(node.parent_select, scope) if node.parent_select is not None else scope.sources
            return through(merged(scope.sources[alias].presence for alias in rows), Kind.AGGREGATE)
        if isinstance(node, exp.Anonymous) and str(node.this).lower() == "getvariable":
            return {Ref(RUN, str(node.expressions[0].this)): Kind.COPY}
        if isinstance(node, exp.Lambda):
            return self._origin(node.this, scope)
        aggregated = isinstance(node, exp.AggFunc) and not isinstance(node, ONE_ROW)
        kind = Kind.AGGREGATE if aggregated else Kind.COMPUTE
        return through(merged(self._parts(node, scope)), kind)

    def _parts(self, node: exp.Expr, scope: Scope) -> Iterator[Origin]:
        for value in node.args.values():
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, exp.Expr) and not isinstance(part, exp.TableAlias | exp.DataType):
                    yield self._origin(part, scope)

    def _column(self, node: exp.Column, scope: Scope) -> Origin:
        try:
            return scope.column(node)
        except LineageError:
            alias = scope.aliases.get(node.name.lower())
            if alias is None or node.table:
                raise
            return self._origin(alias, scope)

    def _presence(self, column: exp.Column, scope: Scope) -> Origin:
        """`x.key is null` where x is joined by key: whether x has a row, which its other keys and its filter tell."""
        source = scope.sources[column.table.lower()]
        joined = merged(self._origin(key, scope) for key in scope.keys[column.table])
        return through(merged([joined, source.tested]), Kind.COMPUTE)

    def _window(self, node: exp.Window, scope: Scope) -> Origin:
        across = scope.over_all()
        parts: list[exp.Expr] = [node]
        if (name := node.args.get("alias")) is not None:
            parts.append(scope.windows[name.name.lower()])
        decides: list[Origin] = []
        for part in parts:
            decides += [self._origin(key, across) for key in part.args.get("partition_by") or ()]
            if (order := part.args.get("order")) is not None:
                decides.append(self._origin(order, across))
        value = through(self._origin(node.this, across), Kind.COMPUTE)
        return merged([value, through(merged(decides), Kind.CONDITION)])

    def _case(self, node: exp.Case, scope: Scope) -> Origin:
        decides = [self._origin(branch.this, scope) for branch in node.args["ifs"]]
        values = [self._origin(branch.args["true"], scope) for branch in node.args["ifs"]]
        if node.this is not None:
            decides.append(self._origin(node.this, scope))
        if (default := node.args.get("default")) is not None:
            values.append(self._origin(default, scope))
        return merged([through(merged(values), Kind.COMPUTE), through(merged(decides), Kind.CONDITION)])


def _renamed(relation: Relation, alias: exp.Expr | None) -> Relation:
    """The relation with the column names of its alias, `t(a, b)`, where there are any."""
    columns: Sequence[exp.Expr] = alias.columns if isinstance(alias, exp.TableAlias) else ()
    if not columns:
        return relation
    names = dict(zip(relation.names, [column.name.lower() for column in columns], strict=False))
    return Relation(
        tuple(
            Arm(
                {names.get(name, name): origin for name, origin in arm.columns.items()},
                arm.rows,
                arm.presence,
                {names.get(name, name): value for name, value in arm.constants.items()},
            )
            for arm in relation.arms
        )
    )


def _reshaped(arm: Arm, names: Sequence[str]) -> Arm:
    return Arm({name: arm.columns.get(name, NOTHING) for name in names}, arm.rows, arm.presence, arm.constants)


def _with_rows(arm: Arm, decides: Origin) -> Arm:
    rows = merged([arm.rows, through(decides, Kind.CONDITION)])
    return Arm(arm.columns, rows, arm.presence, arm.constants)


def table(name: str, columns: Sequence[str]) -> Relation:
    """A table as those that read it see it: every column comes from itself."""
    own: dict[str, Origin] = {column: {Ref(name, column): Kind.COPY} for column in columns}
    return Relation((Arm(own, NOTHING, {Ref(name, EVERY): Kind.COPY}),))
