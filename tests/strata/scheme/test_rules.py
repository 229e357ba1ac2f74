"""Rules of a scheme: what is refused at load, by name and with advice, and what is kept of them."""

import copy
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from strata.home import REPOSITORY
from strata.scheme.load import SchemeFile, load_scheme, parameters
from strata.scheme.model import DEMAND_CLASSES, RUNGS, VALUE_CLASSES, VARIABILITY_CLASSES, Scheme
from strata.scheme.rules import COLUMNS, OPERATORS, ORDERS, Axis, read_condition, written_condition
from strata.strict_yaml import load_yaml
from strata.tables import DEMAND_PROFILE, DIM_ITEM

SHIPPED: dict[str, Any] = load_yaml(REPOSITORY / "config" / "schemes" / "2017.1.yml")
SEEDS: dict[str, Any] = {
    "id": "seed_grain",
    "kind": "regulatory",
    "when": {"all": [{"column": "family", "eq": "SEEDS"}, {"not": {"column": "status", "eq": "blocked"}}]},
    "effect": {"value_class": {"at_least": "B"}},
    "priority": 50,
    "owner": "regulatory affairs",
    "reason": "Seed must be in stock in spring by the supply act",
    "approved_by": "head of planning",
    "valid_from": "2017-01",
    "valid_until": "2017-12",
    "rationale": "The act asks for cover in spring; a B policy has given it.",
}


def rule(**change: Any) -> dict[str, Any]:
    """The rule on seeds with some fields changed; `...` takes one out."""
    made = copy.deepcopy(SEEDS) | change
    return {name: value for name, value in made.items() if value is not ...}


def loaded(folder: Path, *rules: dict[str, Any], **change: Any) -> SchemeFile:
    """The shipped scheme with rules, written to a file and read as the pipeline does."""
    path = folder / "scheme.yml"
    path.write_text(yaml.safe_dump(SHIPPED | {"rules": list(rules)} | change), encoding="utf-8")
    return load_scheme(path)


def when(**comparison: Any) -> dict[str, Any]:
    return rule(when=comparison)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown column": (when(column="colour", eq="red"), r"when\.column: 'colour' is no column .* take one of"),
    "no column": (when(eq="red"), r"when\.column: None is no column"),
    "SQL text": (rule(when="family = 'SEEDS'"), r"when: \"family = 'SEEDS'\" is no condition; write \{column"),
    "empty": (rule(when={}), "is no condition"),
    "unknown operator": (when(column="family", like="S%"), r"when\.like: is not an operator; family takes one of"),
    "operator of another type": (when(column="family", lt="S"), r"when\.lt: is not an operator of text"),
    "two operators": (when(column="cv", ge=1, lt=2), r"when: cv has operators \['ge', 'lt'\]; give exactly one"),
    "no operator": (when(column="cv"), "give exactly one"),
    "text for a number": (when(column="cv", gt="1.0"), r"when\.gt: '1.0' is not a number, as cv holds"),
    "flag for a number": (when(column="cv", gt=True), r"when\.gt: True is not a number"),
    "number for a text": (when(column="family", eq=12), r"when\.eq: 12 is not a word"),
    "no day": (when(column="launch", ge="01.03.2017"), r"when\.ge: '01.03.2017' is not a day such as 2026-07-31"),
    "no flag": (when(column="is_true_shift", eq="yes"), "'yes' is not true or false"),
    "a word that never occurs": (when(column="status", eq="gone"), r"when\.eq: status is never 'gone'; it is one of"),
    "an empty text": (when(column="family", eq=""), r"when\.eq: an empty text is unknown here; write is_null"),
    "null": (when(column="family", eq=None), r"when\.eq: None is not a word"),
    "no list": (when(column="family", **{"in": "SEEDS"}), r"when\.in: 'SEEDS' is no list"),
    "empty list": (when(column="family", **{"in": []}), "is no list"),
    "twice in a list": (when(column="cv", **{"in": [1, 1.0]}), "names a value twice"),
    "upside down": (when(column="cv", between=[2, 1]), r"when\.between: \[2, 1\] is no range; write \[lowest"),
    "half a range": (when(column="cv", between=[2]), "is no range"),
    "is_null of a word": (when(column="cv", is_null="no"), "'no' is not true or false"),
    "side by side": (rule(when={"all": [SEEDS["when"]], "column": "cv"}), "all stands alone"),
    "all of nothing": (rule(when={"all": []}), r"when\.all: \[\] is no list of conditions; list at least one"),
    "deep inside": (
        rule(when={"any": [SEEDS["when"], {"not": {"column": "size", "eq": 1}}]}),
        r"when\.any\.1\.not\.column: 'size'",
    ),
    "no expiry": (rule(valid_until=...), "valid_until: is missing; every rule states it"),
    "no month": (rule(valid_until="2017-13"), "valid_until: cycle '2017-13' is not a planning month"),
    "backwards": (rule(valid_until="2016-12", valid_from="2017-01"), "valid_until: 2016-12 is before valid_from"),
    "no reason": (rule(reason="because"), "reason: "),
    "own approval": (rule(approved_by="regulatory affairs"), "approved_by: regulatory affairs owns the rule"),
    "kind": (rule(kind="nice"), "kind: Input should be 'strategic', 'critical', 'regulatory' or 'contractual'"),
    "id of a person's override": (rule(id="9f3a"), "id: "),
    "unknown field": (rule(sql="select 1"), "sql: is no field of a rule; the fields are"),
    "no effect": (rule(effect={}), "effect: give value_class, variability_class or both"),
    "class of the other axis": (rule(effect={"value_class": {"set": "X"}}), r"value_class\.set: 'X' is none of"),
    "bound that bounds nothing": (rule(effect={"value_class": {"at_least": "U"}}), "'U' is none of"),
    "cap that caps nothing": (rule(effect={"value_class": {"at_most": "A"}}), "value_class.at_most: 'A' is none of"),
    "two bounds": (rule(effect={"value_class": {"at_least": "B", "at_most": "A"}}), "exactly one of set, at_least"),
    "priority": (rule(priority=0), "priority: "),
    "no rationale": (rule(rationale=...), "rationale: is missing"),
}  # fmt: skip


@pytest.mark.capability("3.5", part="a rule that cannot be applied is refused at load by name, field and advice")
@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=list(REFUSED))
def test_a_faulty_rule_is_refused_by_name(tmp_path: Path, content: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        loaded(tmp_path, content)
    assert f"rule {content['id']!r}" in str(error.value) and "scheme.yml" in str(error.value)


@pytest.mark.capability("3.5", part="no code in a condition: nesting is bounded")
def test_conditions_are_nested_so_deep_and_no_deeper(tmp_path: Path) -> None:
    node: dict[str, Any] = {"column": "cv", "gt": 1}
    for _ in range(8):
        node = {"not": node}
    assert loaded(tmp_path, rule(when=node)).scheme.rules[0].when
    with pytest.raises(ValueError, match="nested deeper than 8 groups; make two rules of it"):
        loaded(tmp_path, rule(when={"not": node}))


def clash(**change: Any) -> dict[str, Any]:
    return rule(id="low_spend", effect={"value_class": {"set": "C"}}, **change)


@pytest.mark.capability("3.5", part="two rules of one priority that clash are refused at load")
def test_rules_of_one_priority_may_not_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rule 'low_spend': priority: 50 is also that of rule 'seed_grain'.*larger"):
        loaded(tmp_path, rule(), clash())
    with pytest.raises(ValueError, match="rule 'seed_grain': id: stands twice"):
        loaded(tmp_path, rule(), rule(priority=9))
    fine = (
        (rule(), clash(priority=49)),
        (rule(valid_until="2017-06"), clash(valid_from="2017-07")),
        (rule(), rule(id="top_seed", effect={"value_class": {"at_least": "A"}})),
        (rule(), rule(id="steady", effect={"variability_class": {"set": "X"}})),
    )
    for rules in fine:
        assert len(loaded(tmp_path, *rules).scheme.rules) == 2


@pytest.mark.capability("3.5", part="a rule that expired before its scheme begins is refused at load")
def test_an_expired_rule_does_not_load(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rule 'seed_grain': valid_until: 2017-12 is over before scheme 2017.1 begins"):
        loaded(tmp_path, rule(), effective_from="2018-01")
    assert loaded(tmp_path, rule(), effective_from="2017-12").scheme.rules


@pytest.mark.capability("3.5", part="every field of a rule is a published parameter of the scheme")
def test_a_rule_is_read_back_as_it_was_written_and_published_as_parameters(tmp_path: Path) -> None:
    file = loaded(tmp_path, rule())
    dumped = file.scheme.model_dump(mode="json")
    assert dumped["rules"] == [rule()]
    assert Scheme.model_validate(dumped) == file.scheme
    rows = {path: (value, why) for path, value, why in parameters(file.scheme)}
    assert rows["rules.seed_grain.effect.value_class.at_least"] == ("B", rule()["rationale"])
    assert rows["rules.seed_grain.when.all.1.not.eq"][0] == "blocked"
    assert rows["rules.seed_grain.valid_until"][0] == "2017-12"
    assert not any(value == "null" for path, (value, _) in rows.items() if path.startswith("rules."))
    other = loaded(tmp_path, rule(when={"column": "family", "eq": "GRAIN"}))
    assert other.sha256 != file.sha256


def test_a_condition_is_written_as_it_was_read() -> None:
    node = {
        "any": [
            {"column": "launch_date", "between": ["2017-01-01", "2017-06-30"]},
            {"all": [{"column": "family", "in": ["A", "B"]}, {"column": "margin", "is_null": False}]},
            {"not": {"column": "sku_id", "starts_with": "9"}},
        ]
    }
    read = read_condition(node, "when", 3)
    assert written_condition(read) == node
    assert read_condition(read, "when", 3) is read


def test_the_registry_is_of_columns_that_there_are() -> None:
    kinds = {"text": {"text"}, "number": {"float", "decimal", "int"}, "date": {"date"}, "flag": {"bool"}}
    for table, source in ((DEMAND_PROFILE, "profile"), (DIM_ITEM, "item")):
        types = {column.name: column.kind for column in table.columns}
        own = {name: column for name, column in COLUMNS.items() if column.source == source}
        assert own
        for name, column in own.items():
            assert name == "predecessor_sku_id" or types[name] in kinds[column.kind], name
    assert set(OPERATORS) == {column.kind for column in COLUMNS.values()}
    assert (ORDERS["value_class"], ORDERS["variability_class"]) == (VALUE_CLASSES, VARIABILITY_CLASSES)
    assert set(get_args(Axis)) == set(ORDERS)
    assert COLUMNS["demand_class"].words == DEMAND_CLASSES
    assert set(RUNGS) < set(COLUMNS["fallback_level"].words)
    assert SHIPPED.get("rules") is None, "no business rule without grounds of the company's own"
