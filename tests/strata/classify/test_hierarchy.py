"""Crosswalk of hierarchies: what matches, who is believed, and what a disagreement decides."""

import json
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata.classify.hierarchy import (
    class_beside,
    consequences,
    disagreements,
    exclusion_of,
    gtin14,
    match,
    part_number,
    plain_text,
)  # fmt: skip
from strata.classify.value import value_classes
from strata.home import REPOSITORY
from strata.scheme.load import SchemeRegister
from strata.scheme.model import Hierarchy

GTIN, OTHER = "4012345000016", "04012345000023"
SCHEME = SchemeRegister.load(REPOSITORY / "config" / "schemes").for_cycle("2020-01").scheme
RULE = Hierarchy(precedence={"category": ("item_master", "pim")}, rationale="Precedence of the tests below.")


def entry(**change: Any) -> dict[str, Any]:
    return {
        "hierarchy_source": "pim", "source_item_id": "P1", "level": "category", "node_code": "TOYS",
        "valid_from": date(2020, 1, 1), "sku_id": None, "gtin": None, "manufacturer_part_number": None,
        "item_text": None,
    } | change  # fmt: skip


ITEMS = pd.DataFrame(
    [
        ["I1", GTIN, "AB-100/2", "Crème brûlée, 6 x 100 g"],
        ["I2", OTHER, "ab 200", "Sugar 1 kg"],
        ["I3", None, "AB200", "SUGAR, 1 KG"],
        ["I4", "4012345000017", None, None],  # the check digit should be 6
    ],
    columns=["sku_id", "gtin", "manufacturer_part_number", "item_name"],
    dtype=object,
)


def matched(**change: Any) -> tuple[list[tuple[str, str]], list[tuple[str, tuple[str, ...]]]]:
    found = match(pd.DataFrame([entry(**change)]), ITEMS)
    return (
        list(zip(found.nodes["sku_id"], found.nodes["match_rule"], strict=True)),
        list(zip(found.queue["reason"], found.queue["sku_ids"], strict=True)),
    )


@pytest.mark.capability("2.3", part="match rules: item number, GTIN, part number, normalised text; never by likeness")
@pytest.mark.parametrize(
    ("change", "nodes", "queue"),
    [
        ({"sku_id": "I1"}, [("I1", "item_number")], []),
        ({"gtin": GTIN}, [("I1", "gtin")], []),
        ({"gtin": "0" + GTIN}, [("I1", "gtin")], []),
        ({"gtin": "4012345000017"}, [], [("unmatched", ())]),
        ({"manufacturer_part_number": "ab1002"}, [("I1", "part_number")], []),
        ({"manufacturer_part_number": "AB-200"}, [], [("ambiguous_match", ("I2", "I3"))]),
        ({"manufacturer_part_number": "-"}, [], [("unmatched", ())]),
        ({"item_text": "6x100g: creme BRULEE"}, [], [("unmatched", ())]),
        ({"item_text": "100 g x 6 creme BRULEE"}, [("I1", "text")], []),
        ({"item_text": "Kg 1 sugar"}, [], [("ambiguous_match", ("I2", "I3"))]),
        ({"gtin": GTIN, "manufacturer_part_number": "x"}, [("I1", "gtin")], []),
        ({"gtin": GTIN, "item_text": "Sugar 1 kg"}, [("I1", "gtin")], []),
        ({"sku_id": "I9", "gtin": GTIN}, [("I1", "gtin")], []),
        ({"gtin": OTHER, "sku_id": "I1"}, [("I1", "item_number")], [("rules_disagree", ("I1", "I2"))]),
        ({}, [], [("unmatched", ())]),
    ],
)
def test_an_entry_means_an_item_only_if_a_rule_says_so(
    change: dict[str, Any], nodes: list[Any], queue: list[Any]
) -> None:
    assert matched(**change) == (nodes, queue)


@given(st.text("0123456789", min_size=13, max_size=13))
def test_of_ten_check_digits_one_is_right(digits: str) -> None:
    codes = pd.Series([f"{digits}{check}" for check in range(10)], dtype=object)
    assert gtin14(codes).notna().sum() == 1


def test_short_gtins_are_the_long_ones_with_zeros() -> None:
    assert gtin14(pd.Series(["96385074", "036000291452", "1", None], dtype=object)).tolist()[:2] == [
        "00000096385074", "00036000291452",
    ]  # fmt: skip


def test_texts_of_nothing_are_no_texts() -> None:
    nothing = pd.Series([None, "", "--", " . "], dtype=object)
    assert part_number(nothing).isna().all() and plain_text(nothing).isna().all()


def nodes(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """(source, node, valid from) of item I1."""
    return pd.DataFrame(
        [
            {"sku_id": "I1", "level": "category", "hierarchy_source": source, "node": node,
             "valid_from": date.fromisoformat(day), "match_rule": "gtin"}
            for source, node, day in rows
        ]
    )  # fmt: skip


@pytest.mark.capability("2.3", part="precedence per level; a source that contradicts itself is not believed")
@pytest.mark.parametrize(
    ("rows", "chosen", "reason", "since"),
    [
        ([("pim", "B", "2020-05-01"), ("item_master", "A", "2020-01-01")], "A", "precedence:item_master", "2020-05-01"),
        ([("pim", "B", "2020-05-01"), ("other", "A", "2020-06-01")], "B", "precedence:pim", "2020-06-01"),
        ([("x", "B", "2020-05-01"), ("y", "A", "2020-01-01")], None, "no_certain_source", "2020-05-01"),
        (
            [("item_master", "A", "2020-01-01"), ("item_master", "B", "2020-01-02"), ("pim", "C", "2020-01-03")],
            "C", "precedence:pim", "2020-01-02",
        ),
    ],
)  # fmt: skip
def test_precedence_chooses(rows: list[Any], chosen: str | None, reason: str, since: str) -> None:
    (found,) = disagreements(nodes(*rows), RULE).to_dict("records")
    assert (found["chosen_node"] if chosen else None, found["reason"]) == (chosen, reason)
    assert str(found["since"]) == since
    assert [c["node"] for c in found["candidates"]] == [n for _, n, _ in sorted(rows)]


def test_sources_that_agree_are_no_conflict() -> None:
    agreeing = nodes(("pim", " toys", "2020-05-01"), ("item_master", "TOYS", "2020-01-01"))
    assert disagreements(agreeing, RULE).empty
    assert disagreements(agreeing.head(0), RULE).empty


@given(st.lists(st.integers(0, 40).map(float), min_size=1, max_size=12), st.integers(0, 60).map(float))
def test_the_class_beside_others_is_that_of_a_ranking_with_it(others: list[float], value: float) -> None:
    cuts = {"A": 0.8, "B": 0.95}
    everything = np.array([*others, value])
    names = np.array([f"S{number:02d}" for number in range(len(everything))], dtype=object)
    wanted = value_classes(everything, names, cuts=cuts).value_class[-1]
    assert class_beside(np.array([value]), np.array(others), cuts)[0] == wanted


def test_exclusions_look_at_the_node() -> None:
    assert exclusion_of("FUEL", None, SCHEME.exclusions) == "no_stocked_goods"
    assert exclusion_of("GROCERY", "COUPON", SCHEME.exclusions) == "coupon_misc"
    assert exclusion_of("GROCERY", None, SCHEME.exclusions) is None


def decided(level: str, held: dict[str, Any], *rows: tuple[str, str, str]) -> dict[str, Any]:
    facts = {"sku_id": "I1", "category": "GROCERY", "family": "SWEETS", "revenue": 500.0, "other_exclusion": False}
    ranked = pd.DataFrame(
        [{"sku_id": f"R{n}", "value_class": "B", "revenue": 100.0, "fallback_level": "own"} for n in range(10)]
        + ([{"sku_id": "I1", "value_class": "C", "revenue": 500.0} | held] if held else [])
    )
    found = disagreements(
        nodes(*rows).assign(level=level),
        Hierarchy(precedence={level: ("item_master",)}, rationale="Precedence of the test below."),
    )
    (row,) = consequences(found, pd.DataFrame([facts]), ranked, scheme=SCHEME).to_dict("records")
    return row


@pytest.mark.capability("2.3", part="the class under each candidate; conflicts that change a decision are told apart")
def test_a_node_that_leaves_the_item_out_changes_its_class() -> None:
    own = {"value_class": "C", "fallback_level": "own"}
    row = decided("category", own, ("item_master", "GROCERY", "2020-01-01"), ("pim", "FUEL", "2020-02-01"))
    assert (row["changes_decision"], row["change"], row["current_class"]) == (True, "exclusion", "C")
    assert row["candidate_classes"] == "C|excluded"
    shown = {c["source"]: (c["value_class"], c["exclusion"]) for c in json.loads(row["candidates"])}
    assert shown == {"item_master": ("C", None), "pim": ("excluded", "no_stocked_goods")}


def test_an_item_that_is_left_out_would_get_a_class() -> None:
    """500 beside ten items of 100: it would be the largest, so A."""
    row = decided("category", {}, ("item_master", "FUEL", "2020-01-01"), ("pim", "GROCERY", "2020-02-01"))
    assert (row["current_class"], row["candidate_classes"], row["changes_decision"]) == ("excluded", "A|excluded", True)


def test_another_category_that_no_rule_names_changes_nothing() -> None:
    own = {"value_class": "C", "fallback_level": "own"}
    row = decided("category", own, ("item_master", "GROCERY", "2020-01-01"), ("pim", "BAKERY", "2020-02-01"))
    assert (row["changes_decision"], row["change"], row["candidate_classes"]) == (False, "none", "C")


@pytest.mark.parametrize(("rung", "changes"), [("own", False), ("family_region", True), ("like_item", True)])
def test_another_family_matters_where_history_is_borrowed_from_it(rung: str, changes: bool) -> None:
    held = {"value_class": "C", "fallback_level": rung}
    row = decided("family", held, ("item_master", "SWEETS", "2020-01-01"), ("pim", "CAKES", "2020-02-01"))
    assert (row["changes_decision"], row["change"]) == (changes, "fallback_family" if changes else "none")
