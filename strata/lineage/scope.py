"""Inside one select: what its names mean, which rows it is about, and what can be said of its clauses.

Belongs here: questions to one select's syntax tree. Does not: following it into other queries
(`strata.lineage.statement`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from strata.lineage.origin import Arm, LineageError, Origin, Relation, merged


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean inside one select: `sources` are the arms looked at, `whole` all of them (for windows)."""

    sources: Mapping[str, Arm]
    whole: Mapping[str, Arm]
    ctes: Mapping[str, Relation]
    outer: "Scope | None"
    windows: Mapping[str, exp.Expr]
    keys: Mapping[str, Sequence[exp.Column]] = field(default_factory=dict)  # columns that each source is joined by
    hidden: frozenset[str] = frozenset()  # sources of semi and anti joins: they decide and bring nothing
    aliases: dict[str, exp.Expr] = field(default_factory=dict)

    def column(self, column: exp.Column) -> Origin:
        """What a column reference comes from."""
        table, name = column.table.lower(), column.name.lower()
        scope: Scope | None = self
        while table and scope is not None:
            if table in scope.sources:
                return self._of(scope.sources[table], name, column)
            scope = scope.outer
        found = self._named(f"{table}.{name}") if table else None  # a field of the struct column `table`
        found = found if found is not None else self._named(table or name)
        if found is None:
            known = {alias: list(arm.columns) for alias, arm in self.sources.items()}
            raise LineageError(f"column {column.sql()} is in none of {known}")
        return found

    def _named(self, name: str) -> Origin | None:
        arms = self.seen().values()
        hits = [found[name] for arm in arms for found in (arm.columns, arm.fields) if name in found]
        if hits:
            return merged(hits)  # several only by `using`, where they are equal
        return self.outer._named(name) if self.outer else None

    def seen(self) -> dict[str, Arm]:
        """Sources whose columns stand in the result."""
        return {alias: arm for alias, arm in self.sources.items() if alias not in self.hidden}

    def _of(self, arm: Arm, name: str, column: exp.Column) -> Origin:
        if name not in arm.columns:
            raise LineageError(f"column {column.sql()} is none of {list(arm.columns)}")
        return arm.columns[name]

    def constant(self, node: exp.Expr) -> str | None:
        """The literal that an expression is, directly or by a column that holds one."""
        node = bare(node)
        if isinstance(node, exp.Literal):
            return str(node.this)
        if isinstance(node, exp.Column):
            name = node.name.lower()
            arms = [self.sources[node.table.lower()]] if node.table.lower() in self.sources else self.sources.values()
            return next((arm.constants[name] for arm in arms if name in arm.constants), None)
        return None

    def over_all(self) -> "Scope":
        """The same with every branch of every source: a window looks across branches."""
        return Scope(self.whole, self.whole, self.ctes, self.outer, self.windows, self.keys, self.hidden, self.aliases)


def bare(node: exp.Expr) -> exp.Expr:
    """The expression without casts, parentheses and alias."""
    while isinstance(node, exp.Cast | exp.Paren | exp.Alias):
        node = node.this
    return node


def fields_of(node: exp.Expr) -> tuple[dict[str, list[exp.Expr]], bool]:
    """Values per field of the structs that an expression packs, and whether something else decides which of them."""
    packed: list[exp.Expr] = [node]
    chosen = False
    while isinstance(packed[0], exp.Cast | exp.Paren | exp.Explode | exp.Window | exp.IgnoreNulls | exp.LastValue):
        chosen = chosen or not isinstance(packed[0], exp.Cast | exp.Paren | exp.Explode)
        packed = [packed[0].this]
    if isinstance(packed[0], exp.Array):
        packed = packed[0].expressions
    elif isinstance(packed[0], exp.Case):
        chosen = True
        chosen_from = [*(branch.args["true"] for branch in packed[0].args["ifs"]), packed[0].args.get("default")]
        packed = [value for value in chosen_from if value is not None]
    found: dict[str, list[exp.Expr]] = {}
    for struct in packed:
        for pair in struct.expressions if isinstance(struct, exp.Struct) else ():
            if isinstance(pair, exp.PropertyEQ):
                found.setdefault(str(pair.this.name).lower(), []).append(pair.expression)
    return found, chosen


def may_hold(condition: exp.Expr, scope: Scope) -> bool:
    """Whether a filter can be true, as far as equality with the literals of this branch tells."""
    if isinstance(condition, exp.And):
        return may_hold(condition.left, scope) and may_hold(condition.right, scope)
    if isinstance(condition, exp.Paren):
        return may_hold(condition.this, scope)
    if isinstance(condition, exp.EQ | exp.NEQ):
        left, right = scope.constant(condition.left), scope.constant(condition.right)
        return left is None or right is None or (left == right) == isinstance(condition, exp.EQ)
    if isinstance(condition, exp.In) and condition.expressions:
        value = scope.constant(condition.this)
        offered = [scope.constant(item) for item in condition.expressions]
        return value is None or None in offered or value in offered
    return True


def rows_of(node: exp.Expr, scope: Scope) -> list[str]:
    """Sources whose rows the rows of a select are: the first, and those of full and right joins."""
    aliases = list(scope.sources)
    kept = [f"{join.side}".upper() in ("FULL", "RIGHT") for join in node.args.get("joins") or ()]
    return [alias for alias, keep in zip(aliases, [True, *kept], strict=False) if keep and alias not in scope.hidden]


def bringing_nothing(node: exp.Select) -> frozenset[str]:
    """Aliases of semi and anti joins."""
    joins = node.args.get("joins") or ()
    return frozenset(join.this.alias_or_name.lower() for join in joins if join.kind in ("SEMI", "ANTI"))


def join_keys(node: exp.Select) -> dict[str, list[exp.Column]]:
    """Columns of each joined source that its join compares."""
    found: dict[str, list[exp.Column]] = {}
    for join in node.args.get("joins") or ():
        alias = join.this.alias_or_name
        if (on := join.args.get("on")) is not None:
            found[alias] = [column for column in on.find_all(exp.Column) if column.table == alias]
    return found


def of_change(condition: exp.Expr) -> exp.Expr:
    """`lag(x) over w is distinct from x` keeps rows that differ from the one before: that drops repetitions and no
    content, so x decides nothing; the order of w does.
    """
    if isinstance(condition, exp.NullSafeNEQ):
        for one, other in ((condition.left, condition.right), (condition.right, condition.left)):
            if isinstance(one, exp.Window) and isinstance(one.this, exp.Lag | exp.Lead) and one.this.this == other:
                return exp.Window(this=exp.Null(), **{name: one.args.get(name) for name in ("partition_by", "order")})
    return condition


def aggregates(node: exp.Select) -> bool:
    """Whether a select's rows stand for several of its sources' rows."""
    return node.args.get("group") is not None or any(holds_aggregate(item) for item in node.expressions)


def holds_aggregate(node: exp.Expr) -> bool:
    """An aggregate that is no window function, outside of subqueries."""
    if isinstance(node, exp.Window):
        parts = [node.this, *(node.args.get("partition_by") or ())]
        return any(holds_aggregate(inner) for part in parts for inner in part.iter_expressions())
    if isinstance(node, exp.Query):
        return False
    return isinstance(node, exp.AggFunc) or any(holds_aggregate(inner) for inner in node.iter_expressions())
