"""Scheme part `rules`: classes set or bounded for all items that a declared condition picks, until the rule expires.

Belongs here: what a condition and an effect may say, and what is refused at load. Does not: looking at items
(`strata.classify.rules`).

A condition is data: named columns of `COLUMNS`, closed operators, and `all`, `any`, `not` around them. A comparison
with an unknown value is false, `ne` too; `not` of it is true, so whoever means the unknown says `is_null`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_serializer,
    model_validator,
)

from strata.partition import checked_cycle
from strata.scheme.part import Part

Kind = Literal["text", "number", "date", "flag"]
Operand = str | int | float | bool | date | tuple[str | int | float | date, ...]
Axis = Literal["value_class", "variability_class"]
PREFIX = "rule:"  # of override ids: those of people are hexadecimal, so no rule takes the id of one
ORDERS: Mapping[Axis, tuple[str, ...]] = {
    "value_class": ("A", "B", "C", "U"),
    "variability_class": ("X", "Y", "Z", "U"),
}
MOST_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a condition may name: where it comes from, its type, and its words where these are few."""

    source: Literal["item", "profile", "place"]
    kind: Kind
    meaning: str
    words: tuple[str, ...] = ()


def _columns(source: Literal["item", "profile", "place"], kind: Kind, **meanings: str) -> dict[str, Column]:
    return {name: Column(source, kind, meaning) for name, meaning in meanings.items()}


COLUMNS: Mapping[str, Column] = {
    **_columns("place", "text", sku_id="Item number.", location_id="Place that is classed; `*` is the region.",
               region="Region of the partition."),
    **_columns("item", "text", category="Merchandise category.", family="Family below the category.",
               supplier_id="Main supplier.", base_unit="Unit of quantities.", currency="Currency of cost and price.",
               predecessor_sku_id="Item that this one replaces."),
    "status": Column("item", "text", "Planning status in the item master.", ("active", "phase_out", "blocked")),
    **_columns("item", "number", standard_cost="Cost per base unit, in the item's currency.",
               list_price="List price per base unit, in the item's currency."),
    **_columns("item", "date", launch_date="First day of sale, if stated.", end_date="Last day of sale, if stated."),
    "demand_class": Column("profile", "text", "Demand pattern.",
                           ("smooth", "erratic", "intermittent", "lumpy", "none")),
    "lifecycle_state": Column("profile", "text", "State from data.",
                              ("intro", "growth", "mature", "decline", "eol", "dead")),
    "fallback_level": Column("profile", "text", "What the class rests on.",
                             ("own", "predecessor", "like_item", "family_region", "last_class", "default")),
    **_columns("profile", "number", revenue="Revenue over the value window.", margin="Margin over the value window.",
               demand_units="Units over the value window.", order_lines="Order lines over the value window.",
               mean_units_period="Mean demand per observed period.", periods_observed="Observed periods.",
               cv="CV of demand per period.", adi="Mean interval between demands, periods.",
               confidence="How far the class may be trusted, 0 to 1."),
    **_columns("profile", "date", launch="Launch date, else first sale.", first_sale="First period with demand.",
               last_sale="Last closed period with demand."),
    **_columns("profile", "flag", is_true_shift="The level truly shifted."),
}  # fmt: skip
_ORDERED = ("lt", "le", "gt", "ge", "between")
OPERATORS: Mapping[Kind, tuple[str, ...]] = {
    "text": ("eq", "ne", "in", "starts_with", "is_null"),
    "number": ("eq", "ne", "in", *_ORDERED, "is_null"),
    "date": ("eq", "ne", "in", *_ORDERED, "is_null"),
    "flag": ("eq", "is_null"),
}
_ALL_OPERATORS = tuple(dict.fromkeys(name for names in OPERATORS.values() for name in names))
_GROUPS = ("all", "any", "not")
_EXAMPLE = {"text": "a word", "number": "a number", "date": "a day such as 2026-07-31", "flag": "true or false"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One column against a value of its own type."""

    column: str
    operator: str
    operand: Operand


@dataclass(frozen=True, slots=True)
class Group:
    """`all` or `any` of several conditions, or `not` of one."""

    word: Literal["all", "any", "not"]
    members: tuple["Condition", ...]


Condition = Comparison | Group


def columns_of(condition: Condition) -> set[str]:
    """Columns that a condition names."""
    if isinstance(condition, Comparison):
        return {condition.column}
    return {name for member in condition.members for name in columns_of(member)}


def read_condition(node: Any, where: str, depth: int) -> Condition:
    """The condition that a node of a file says; `depth` groups may still be nested in it.

    Raises:
        ValueError: naming the place in the file (`where`), what is wrong and what to write.
    """
    if isinstance(node, Comparison | Group):
        return node
    if not isinstance(node, dict) or not node:
        raise ValueError(f"{where}: {node!r} is no condition; write {{column: family, eq: ...}}, all, any or not")
    if words := [name for name in _GROUPS if name in node]:
        return _read_group(node, words[0], where, depth)
    return _read_comparison(node, where)


def _read_group(node: dict[str, Any], word: Any, where: str, depth: int) -> Group:
    if len(node) > 1:
        raise ValueError(f"{where}: {sorted(node)} stand side by side; {word} stands alone, nest the others in it")
    if not depth:
        raise ValueError(f"{where}: nested deeper than {MOST_DEPTH} groups; make two rules of it")
    below = f"{where}.{word}"
    if word == "not":
        return Group(word, (read_condition(node[word], below, depth - 1),))
    members = node[word]
    if not isinstance(members, list) or not members:
        raise ValueError(f"{below}: {members!r} is no list of conditions; list at least one")
    return Group(word, tuple(read_condition(m, f"{below}.{n}", depth - 1) for n, m in enumerate(members)))


def _read_comparison(node: dict[str, Any], where: str) -> Comparison:
    name: Any = node.get("column")
    if name not in COLUMNS:
        raise ValueError(f"{where}.column: {name!r} is no column that a rule may name; take one of {sorted(COLUMNS)}")
    column = COLUMNS[name]
    operators: list[str] = [key for key in node if key != "column"]
    if len(operators) != 1:
        raise ValueError(f"{where}: {name} has operators {operators}; give exactly one of {_ALL_OPERATORS}")
    operator = operators[0]
    if operator not in OPERATORS[column.kind]:
        word = "an operator" if operator not in _ALL_OPERATORS else f"an operator of {column.kind}"
        raise ValueError(f"{where}.{operator}: is not {word}; {name} takes one of {OPERATORS[column.kind]}")
    return Comparison(name, operator, _read_operand(node[operator], operator, name, column, f"{where}.{operator}"))


def _read_operand(value: Any, operator: str, name: str, column: Column, where: str) -> Operand:
    if operator == "is_null":
        if value is not True and value is not False:
            raise ValueError(f"{where}: {value!r} is not true or false")
        return bool(value)
    if operator not in ("in", "between"):
        single: Operand = _typed(value, operator, name, column, where)
        return single
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"{where}: {value!r} is no list; write [{_EXAMPLE[column.kind]}, ...]")
    several: tuple[Any, ...] = tuple(_typed(one, operator, name, column, where) for one in value)
    if operator == "between" and (len(several) != 2 or several[0] > several[1]):
        raise ValueError(f"{where}: {list(value)} is no range; write [lowest, highest], both are included")
    if len(set(several)) < len(several) and operator == "in":
        raise ValueError(f"{where}: {list(value)} names a value twice; take it out")
    return several


def _typed(value: Any, operator: str, name: str, column: Column, where: str) -> Any:
    wrong = f"{where}: {value!r} is not {_EXAMPLE[column.kind]}, as {name} holds"
    if column.kind == "date":
        try:
            return value if type(value) is date else date.fromisoformat(value)
        except (TypeError, ValueError) as error:
            raise ValueError(wrong) from error
    types: dict[Kind, tuple[type, ...]] = {"text": (str,), "number": (int, float), "flag": (bool,)}
    if not isinstance(value, types[column.kind]) or (isinstance(value, bool) and column.kind != "flag"):
        raise ValueError(wrong)
    if column.words and operator != "starts_with" and value not in column.words:
        raise ValueError(f"{where}: {name} is never {value!r}; it is one of {column.words}")
    if value == "":
        raise ValueError(f"{where}: an empty text is unknown here; write is_null: true")
    return value


def written_condition(condition: Condition) -> dict[str, Any]:
    """The condition as a file says it."""
    if isinstance(condition, Comparison):
        return {"column": condition.column, condition.operator: _plain(condition.operand)}
    members = [written_condition(member) for member in condition.members]
    return {condition.word: members[0] if condition.word == "not" else members}


def _plain(operand: Any) -> Any:
    if isinstance(operand, tuple):
        return [_plain(one) for one in operand]
    return operand.isoformat() if isinstance(operand, date) else operand


class Bound(BaseModel):
    """What a rule does to one axis: `set` a class, or leave `at_least` (that class or a better one) or `at_most`.

    Classes are ordered A, B, C, U and X, Y, Z, U; the first is the best.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    set: str | None = None
    at_least: str | None = None
    at_most: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.said) != 1:
            raise ValueError("give exactly one of set, at_least, at_most")
        return self

    @property
    def said(self) -> dict[str, str]:
        """What is given, by its word."""
        given = {"set": self.set, "at_least": self.at_least, "at_most": self.at_most}
        return {word: value for word, value in given.items() if value is not None}

    @model_serializer
    def _written(self) -> dict[str, str]:
        return self.said

    def span(self, axis: Axis) -> tuple[int, int]:
        """Positions of the best and of the worst class that it leaves."""
        order = ORDERS[axis]
        ((word, name),) = self.said.items()
        place = order.index(name)
        return (0 if word == "at_least" else place), (len(order) - 1 if word == "at_most" else place)


class Effect(BaseModel):
    """What a rule does to the classes of the items that it picks; an axis that is left out stays as computed."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    value_class: Bound | None = None
    variability_class: Bound | None = None

    @model_validator(mode="after")
    def _classes(self) -> Self:
        if not self.bounds:
            raise ValueError("give value_class, variability_class or both")
        for axis, bound in self.bounds.items():
            ((word, name),) = bound.said.items()
            # At most the best class, or at least `U`, would bound nothing.
            allowed = {"set": ORDERS[axis], "at_least": ORDERS[axis][:-1], "at_most": ORDERS[axis][1:-1]}[word]
            if name not in allowed:
                raise ValueError(f"{axis}.{word}: {name!r} is none of {allowed}")
        return self

    @property
    def bounds(self) -> dict[Axis, Bound]:
        """The axes that it touches."""
        found: dict[Axis, Bound | None] = {
            "value_class": self.value_class,
            "variability_class": self.variability_class,
        }
        return {axis: bound for axis, bound in found.items() if bound is not None}

    @model_serializer
    def _written(self) -> dict[str, dict[str, str]]:
        return {axis: bound.said for axis, bound in self.bounds.items()}


_Cycle = Annotated[str, AfterValidator(checked_cycle)]
_When = Annotated[
    Condition,
    PlainValidator(lambda node: read_condition(node, "when", MOST_DEPTH)),
    PlainSerializer(written_condition),
]


class Rule(Part):
    """A class that holds for every item that `when` picks, from `valid_from` to `valid_until`, both included.

    Overrides of people go before rules, a larger `priority` before a smaller one.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{2,39}$")
    kind: Literal["strategic", "critical", "regulatory", "contractual"]
    when: _When
    effect: Effect
    priority: int = Field(ge=1, le=1000)
    owner: str = Field(min_length=3)
    reason: str = Field(min_length=10)
    approved_by: str = Field(min_length=3)
    valid_from: _Cycle
    valid_until: _Cycle

    @property
    def override_id(self) -> str:
        """Id under which it stands where overrides are told."""
        return PREFIX + self.id

    def holds_in(self, cycle: str) -> bool:
        """Whether a cycle is within its validity."""
        return self.valid_from <= cycle <= self.valid_until

    @model_validator(mode="wrap")
    @classmethod
    def _named(cls, content: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Faults named by the rule's id, with what to do."""
        try:
            rule = handler(content)
        except ValidationError as error:
            name = content.get("id") if isinstance(content, dict) else None
            faults = "; ".join(_told(dict(fault)) for fault in error.errors())
            raise ValueError(f"rule {name!r}: {faults}") from error
        if rule.owner == rule.approved_by:
            raise ValueError(f"rule {rule.id!r}: approved_by: {rule.owner} owns the rule; someone else approves it")
        if rule.valid_until < rule.valid_from:
            raise ValueError(
                f"rule {rule.id!r}: valid_until: {rule.valid_until} is before valid_from {rule.valid_from}; swap them"
            )
        return rule


def _told(fault: Mapping[str, Any]) -> str:
    where = ".".join(map(str, fault["loc"]))
    said = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "missing":
        said = "is missing; every rule states it"
    if fault["type"] == "extra_forbidden":
        said = f"is no field of a rule; the fields are {sorted(Rule.model_fields)}"
    return said if said.startswith(f"{where}.") or said.startswith(f"{where}:") or not where else f"{where}: {said}"


def _agreeing(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The rules, if no two of one priority would ever decide the same axis differently."""
    for number, rule in enumerate(rules):
        for other in rules[:number]:
            if rule.id == other.id:
                raise ValueError(f"rule {rule.id!r}: id: stands twice; give each rule its own")
            together = rule.priority == other.priority and max(rule.valid_from, other.valid_from) <= min(
                rule.valid_until, other.valid_until
            )
            for axis, bound in rule.effect.bounds.items() if together else ():
                if axis in other.effect.bounds and not _meet(bound.span(axis), other.effect.bounds[axis].span(axis)):
                    raise ValueError(
                        f"rule {rule.id!r}: priority: {rule.priority} is also that of rule {other.id!r}, and both "
                        f"decide {axis} differently ({bound.said} and {other.effect.bounds[axis].said}); "
                        "give the one that goes first a larger priority"
                    )
    return rules


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return max(one[0], other[0]) <= min(one[1], other[1])


Rules = Annotated[tuple[Rule, ...], AfterValidator(_agreeing)]


def refuse_expired(rules: tuple[Rule, ...], version: str, effective_from: str) -> None:
    """Refuse a rule that has expired before its scheme begins.

    Raises:
        ValueError: naming the rule.
    """
    for rule in rules:
        if rule.valid_until < effective_from:
            raise ValueError(
                f"rule {rule.id!r}: valid_until: {rule.valid_until} is over before scheme {version} begins in "
                f"{effective_from}; extend it with a new approval, or take the rule out"
            )
