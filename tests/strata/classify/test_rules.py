"""Conditions and claims: truth tables, unknown values, and agreement with an evaluator that goes row by row."""

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.classify.rules import AXES, applied, joined, matches, resolve
from strata.scheme.rules import COLUMNS, OPERATORS, ORDERS, Comparison, Condition, Group, Rule, read_condition

CYCLE = "2026-06"
NAMES = ["override_id", "sku_id", "location_id", "value_class", "variability_class"]
NOBODY = pd.DataFrame(columns=NAMES, dtype=object)
ROWS: dict[str, list[Any]] = {
    "family": ["SEEDS", "SEED POTATOES", "TOYS", None],
    "revenue": [Decimal("10.5"), Decimal(0), Decimal(-3), None],
    "cv": [0.5, 1.0, np.nan, 2.0],
    "launch_date": [date(2026, 1, 31), date(9999, 12, 31), date(1999, 1, 1), None],
    "is_true_shift": [True, False, None, False],
}
TRUTH: dict[str, tuple[dict[str, Any], str]] = {
    "text eq": ({"column": "family", "eq": "SEEDS"}, "1000"),
    "text eq is exact": ({"column": "family", "eq": "seeds"}, "0000"),
    "text ne is false of the unknown": ({"column": "family", "ne": "SEEDS"}, "0110"),
    "text in": ({"column": "family", "in": ["TOYS", "SEEDS"]}, "1010"),
    "text starts_with": ({"column": "family", "starts_with": "SEED"}, "1100"),
    "text is_null": ({"column": "family", "is_null": True}, "0001"),
    "text is not null": ({"column": "family", "is_null": False}, "1110"),
    "decimal eq": ({"column": "revenue", "eq": 10.5}, "1000"),
    "decimal ne": ({"column": "revenue", "ne": 0}, "1010"),
    "decimal lt": ({"column": "revenue", "lt": 0}, "0010"),
    "decimal le": ({"column": "revenue", "le": 0}, "0110"),
    "decimal gt": ({"column": "revenue", "gt": 0}, "1000"),
    "decimal ge": ({"column": "revenue", "ge": 0}, "1100"),
    "decimal between holds at both ends": ({"column": "revenue", "between": [0, 10.5]}, "1100"),
    "decimal in": ({"column": "revenue", "in": [0, -3]}, "0110"),
    "float lt": ({"column": "cv", "lt": 1.5}, "1100"),
    "float is_null": ({"column": "cv", "is_null": True}, "0010"),
    "day eq": ({"column": "launch_date", "eq": "2026-01-31"}, "1000"),
    "day ne": ({"column": "launch_date", "ne": "2026-01-31"}, "0110"),
    "day gt reaches the year 9999": ({"column": "launch_date", "gt": "2026-01-31"}, "0100"),
    "day between": ({"column": "launch_date", "between": ["1999-01-01", "2026-01-31"]}, "1010"),
    "day in": ({"column": "launch_date", "in": ["9999-12-31"]}, "0100"),
    "day is_null": ({"column": "launch_date", "is_null": True}, "0001"),
    "flag": ({"column": "is_true_shift", "eq": False}, "0101"),
    "not of a comparison with the unknown": ({"not": {"column": "family", "eq": "TOYS"}}, "1101"),
    "all": ({"all": [{"column": "family", "starts_with": "SEED"}, {"column": "cv", "ge": 1}]}, "0100"),
    "any": ({"any": [{"column": "family", "eq": "TOYS"}, {"column": "cv", "ge": 2}]}, "0011"),
    "nested": (
        {"all": [{"not": {"any": [{"column": "cv", "is_null": True}, {"column": "family", "is_null": True}]}}]},
        "1100",
    ),
}  # fmt: skip


@pytest.mark.capability("3.5", part="what a condition picks, operator by operator; the unknown satisfies none")
@pytest.mark.parametrize(("node", "wanted"), TRUTH.values(), ids=list(TRUTH))
def test_truth_table(node: dict[str, Any], wanted: str) -> None:
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in ROWS.items()})
    condition = read_condition(node, "when", 4)
    assert "".join(str(int(flag)) for flag in matches(condition, frame)) == wanted
    typed = frame.assign(cv=frame["cv"].astype("float64"))
    assert matches(condition, typed).tolist() == matches(condition, frame).tolist()
    assert matches(condition, frame.iloc[:0]).tolist() == []


def test_every_operator_of_every_type_has_its_row() -> None:
    shown = {(COLUMNS[node["column"]].kind, name) for node, _ in TRUTH.values() if "column" in node for name in node}
    assert {(kind, name) for kind, names in OPERATORS.items() for name in names} - shown <= {
        ("date", "lt"), ("date", "le"), ("date", "ge"), ("flag", "is_null"),
    }  # fmt: skip


def test_a_column_that_is_not_passed_is_named() -> None:
    with pytest.raises(ValueError, match=r"columns \['family'\] that the rows lack"):
        matches(read_condition({"column": "family", "eq": "x"}, "when", 1), pd.DataFrame({"cv": [1.0]}))


def slowly(condition: Condition, row: dict[str, Any]) -> bool:
    """A condition over one row, as its words say."""
    if isinstance(condition, Group):
        parts = [slowly(member, row) for member in condition.members]
        return {"all": all(parts), "any": any(parts), "not": not parts[0]}[condition.word]
    value, operand = row[condition.column], condition.operand
    unknown = value is None or value != value
    if condition.operator == "is_null":
        return unknown == operand
    if unknown:
        return False
    tests = {
        "eq": lambda: value == operand, "ne": lambda: value != operand, "in": lambda: value in operand,
        "lt": lambda: value < operand, "le": lambda: value <= operand, "gt": lambda: value > operand,
        "ge": lambda: value >= operand, "between": lambda: operand[0] <= value <= operand[1],
        "starts_with": lambda: value.startswith(operand),
    }  # fmt: skip
    return bool(tests[condition.operator]())


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "family": st.sampled_from(["A", "AB", "B", "ABC"]),
    "revenue": st.sampled_from([-1, 0, 0.5, 2, 7]),
    "launch_date": st.sampled_from([date(2020, 1, 1), date(2026, 1, 1), date(9999, 12, 31)]),
    "is_true_shift": st.booleans(),
}


@st.composite
def comparisons(draw: st.DrawFn) -> Condition:
    name = draw(st.sampled_from(sorted(VALUES)))
    operator = draw(st.sampled_from(OPERATORS[COLUMNS[name].kind]))
    if operator == "is_null":
        return Comparison(name, operator, draw(st.booleans()))
    if operator == "in":
        return Comparison(name, operator, tuple(draw(st.lists(VALUES[name], min_size=1, max_size=3, unique=True))))
    if operator == "between":
        return Comparison(name, operator, tuple(sorted([draw(VALUES[name]), draw(VALUES[name])])))
    return Comparison(name, operator, draw(VALUES[name]))


CONDITIONS = st.recursive(
    comparisons(),
    lambda below: st.one_of(
        st.builds(lambda word, members: Group(word, tuple(members)), st.sampled_from(["all", "any"]),
                  st.lists(below, min_size=1, max_size=3)),
        st.builds(lambda member: Group("not", (member,)), below),
    ),
    max_leaves=6,
)  # fmt: skip
RECORDS = st.fixed_dictionaries({name: st.one_of(st.none(), values) for name, values in VALUES.items()})


def framed(records: list[dict[str, Any]]) -> pd.DataFrame:
    rows = pd.DataFrame(records, columns=sorted(VALUES), dtype=object)
    return rows.assign(sku_id=[f"I{n}" for n in range(len(rows))], location_id="*")


@pytest.mark.capability("3.5", part="conditions agree with an evaluator that goes row by row")
@settings(max_examples=60, deadline=None)
@given(CONDITIONS, st.lists(RECORDS, min_size=1, max_size=8))
def test_masks_agree_with_rows(condition: Condition, records: list[dict[str, Any]]) -> None:
    assert matches(condition, framed(records)).tolist() == [slowly(condition, row) for row in records]


def made(number: int, when: Condition, axis: str, word: str, name: str, priority: int, cycles: tuple[str, str]) -> Rule:
    return Rule.model_validate(
        {
            "id": f"rule_{number}", "kind": "strategic", "when": when, "effect": {axis: {word: name}},
            "priority": priority, "owner": "ann", "reason": "because it is so", "approved_by": "bob",
            "valid_from": cycles[0], "valid_until": cycles[1], "rationale": "only for a test of the order of claims",
        }
    )  # fmt: skip


@st.composite
def rule_sets(draw: st.DrawFn) -> list[Rule]:
    """Rules of distinct priorities; some do not hold in the cycle."""
    found = []
    for number, priority in enumerate(draw(st.lists(st.integers(1, 30), max_size=5, unique=True))):
        axis = draw(st.sampled_from(AXES))
        word = draw(st.sampled_from(["set", "at_least", "at_most"]))
        order = ORDERS[axis]
        name = draw(st.sampled_from({"set": order, "at_least": order[:-1], "at_most": order[1:-1]}[word]))
        cycles = draw(st.sampled_from([("2026-01", "2026-12"), ("2026-01", "2026-12"), ("2026-07", "2026-12")]))
        found.append(made(number, draw(CONDITIONS), axis, word, name, priority, cycles))
    return found


@st.composite
def override_sets(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["I0", "I1", "I9"]), st.just("*"),
                st.sampled_from([None, *ORDERS["value_class"]]), st.sampled_from([None, *ORDERS["variability_class"]]),
            ),
            max_size=4,
        )
    )  # fmt: skip
    return pd.DataFrame([(f"{n:04x}", *row) for n, row in enumerate(rows)], columns=NAMES, dtype=object)


def claims_of(
    row: dict[str, Any], overrides: pd.DataFrame, rules: list[Rule], axis: Any
) -> list[tuple[str, set[int], bool]]:
    """(id, positions left, is set) of every claim on an axis of an item, in the order in which they go."""
    order = ORDERS[axis]
    mine = [
        (one["override_id"], {order.index(one[axis])}, True)
        for one in reversed(overrides.to_dict("records"))
        if one["sku_id"] == row["sku_id"] and one[axis] is not None
    ]
    for rule in sorted(rules, key=lambda rule: -rule.priority):
        if rule.holds_in(CYCLE) and axis in rule.effect.bounds and slowly(rule.when, row):
            ((word, name),) = rule.effect.bounds[axis].said.items()
            place = order.index(name)
            left = {"set": {place}, "at_least": set(range(place + 1)), "at_most": set(range(place, len(order)))}[word]
            mine.append((rule.override_id, left, word == "set"))
    return mine


@pytest.mark.capability("3.5", part="order of claims: people before rules, priority among rules, losers named")
@settings(max_examples=60, deadline=None)
@given(rule_sets(), override_sets(), st.lists(RECORDS, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_claims_agree_with_taking_them_one_by_one(
    rules: list[Rule], overrides: pd.DataFrame, records: list[dict[str, Any]], random: Any
) -> None:
    items = framed(records)
    found = resolve(items, overrides, rules, cycle=CYCLE)
    random.shuffle(rules)
    again = resolve(items, overrides, rules, cycle=CYCLE)
    pd.testing.assert_frame_equal(found.bounds, again.bounds)
    pd.testing.assert_frame_equal(found.claims, again.claims)
    bounds = found.bounds.set_index("sku_id")
    for number, row in enumerate(items.to_dict("records")):
        for axis in AXES:
            left, kept, beaten = set(range(4)), [], {}
            for name, span, is_set in claims_of(row, overrides, rules, axis):
                if left & span:
                    left &= span
                    kept.append((name, span, is_set))
                else:
                    beaten[name] = {other for other, theirs, _ in kept if not theirs & span}
            told = found.claims[found.claims["item"] == number].set_index("override_id")[f"{axis}_beaten_by"]
            assert {name for name, by in told.items() if by is not None} == set(beaten)
            assert all(told[name] in winners for name, winners in beaten.items())
            if row["sku_id"] not in bounds.index:
                assert not kept
                continue
            mine = bounds.loc[row["sku_id"]]
            assert set(range(mine[f"{axis}_best"], mine[f"{axis}_worst"] + 1)) == left
            first_set = next((name for name, _, is_set in kept if is_set), None)
            assert mine[f"{axis}_set_by"] == first_set
            for end, edge in (("raised", max(left)), ("lowered", min(left))):
                at = max if end == "raised" else min
                narrowing = [name for name, span, _ in kept if at(span) == edge]
                untouched = edge == (3 if end == "raised" else 0)
                assert mine[f"{axis}_{end}_by"] == (None if untouched else narrowing[0])


@pytest.mark.parametrize(("word", "wanted"), [("at_least", "ABBB"), ("at_most", "BBCU"), ("set", "BBBB")])
@pytest.mark.capability("3.5", part="a floor raises, a cap lowers, and what is within stays as computed")
def test_floor_cap_and_set_of_every_class(word: str, wanted: str) -> None:
    items = framed([dict.fromkeys(VALUES)] * 4)
    rule = made(1, Comparison("family", "is_null", True), "value_class", word, "B", 5, ("2026-01", "2026-06"))
    bounds = resolve(items, NOBODY, [rule], cycle=CYCLE).bounds
    held = np.array([0, 1, 2, -1], dtype=np.int8)  # A, B, C, U
    found = applied(held, bounds, np.arange(4), "value_class", undefined=-1)
    assert "".join("ABCU"[code] for code in found.held) == wanted
    changed = [before != after for before, after in zip("ABCU", wanted, strict=True)]
    assert found.given.tolist() == ([True] * 4 if word == "set" else changed)
    assert [name for name in found.override_id if name] == ["rule:rule_1"] * int(found.given.sum())
    free = applied(held, bounds, np.arange(4), "variability_class", undefined=-1)
    assert free.held.tolist() == held.tolist() and not free.given.any()


@pytest.mark.capability("3.5", part="the narrower scope goes first, then the later of two people")
def test_an_override_of_a_place_goes_before_one_of_the_region() -> None:
    items = pd.DataFrame({"sku_id": ["I1", "I1", "I2"], "location_id": ["L1", "L2", "L1"]})
    overrides = pd.DataFrame(
        [("01", "I1", "*", "A", None), ("02", "I1", "L2", "B", None), ("03", "I1", "*", "C", "X")],
        columns=NAMES, dtype=object,
    )  # fmt: skip
    found = resolve(items, overrides, [], cycle=CYCLE)
    rows = found.bounds.set_index("location_id")
    assert rows.index.tolist() == ["L1", "L2"]
    assert rows["value_class_set_by"].to_dict() == {"L1": "03", "L2": "02"}
    assert rows["variability_class_set_by"].to_dict() == {"L1": "03", "L2": "03"}
    beaten = {(row.override_id, row.item): row.value_class_beaten_by for row in found.claims.itertuples()}
    assert beaten == {("01", 0): "03", ("01", 1): "02", ("02", 1): None, ("03", 0): None, ("03", 1): "02"}


def test_ids_of_both_axes_are_told_once_or_joined() -> None:
    value, variability = (
        np.array(ids, dtype=object) for ids in (["a", "a", None, None, "a"], ["a", None, "b", None, "b"])
    )
    assert joined(value, variability).tolist() == ["a", "a", "b", None, "a+b"]


def test_without_overrides_and_rules_nothing_is_claimed() -> None:
    found = resolve(framed([dict.fromkeys(VALUES)]), NOBODY, [], cycle=CYCLE)
    assert found.bounds.empty and found.claims.empty
    assert {f"{axis}_best" for axis in AXES} < set(found.bounds.columns)


def test_the_worked_example() -> None:
    """docs/methods/overrides.md: a floor beats what goes after it, and a person decides the other axis."""
    items = pd.DataFrame({"sku_id": ["I1"], "location_id": ["*"], "family": ["SEEDS"]})
    cycles = ("2026-01", "2026-12")
    floor = made(1, Comparison("family", "eq", "SEEDS"), "value_class", "at_least", "B", 50, cycles)
    low = made(2, Comparison("family", "is_null", False), "value_class", "set", "C", 20, cycles)
    person = pd.DataFrame([("9f", "I1", "*", None, "X")], columns=NAMES, dtype=object)
    found = resolve(items, person, [low, floor], cycle=CYCLE)
    value, variability = (
        applied(np.array([2], dtype=np.int8), found.bounds, np.array([0]), axis, undefined=-1) for axis in AXES
    )
    assert (value.held.tolist(), variability.held.tolist()) == ([1], [0])  # B and X
    assert joined(value.override_id, variability.override_id).tolist() == ["rule:rule_1+9f"]
    beaten = found.claims.set_index("override_id")["value_class_beaten_by"].to_dict()
    assert beaten == {"9f": None, "rule:rule_1": None, "rule:rule_2": "rule:rule_1"}
