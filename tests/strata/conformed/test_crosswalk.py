"""Hierarchy conflicts of a region as known at the cut-off, and master data that keep their history."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from strata.conformed.crosswalk import hierarchy_conflict
from strata.conformed.history import View, control_total
from strata.durable import write_parquet
from strata.review.conflict import conflict_lines, jump_lines
from tests.strata.conformed.past import demand_history
from tests.strata.conformed.place import Place

GTIN = "4012345000016"


@pytest.fixture
def here(tmp_path: Path) -> Place:
    here = Place(tmp_path)
    here.rows["int_item_version"].clear()
    here.item("I1", category="GROCERY", family="SWEETS", gtin=GTIN)
    here.item("I2", category="FUEL", item_name="Petrol 95")
    here.item("I3", category="GROCERY", item_name="Tea, 1 kg")
    here.item("I4", category="GROCERY", item_name="TEA 1 KG")
    here.item("I5", category="GROCERY", gtin="04012345000023")
    for number in range(1, 5):
        here.sale("2026-03-10T10:00:00Z", sku_id=f"I{number}", net_amount=Decimal(100 * number))
    return here


def queue(view: View, folder: Path, rung: str = "own") -> list[dict[str, Any]]:
    skus = ["I1", "I3", "I4"]
    shared = {"sku_id": skus, "location_id": ["*"] * 3}
    assignment = shared | {"value_class": ["C", "B", "A"], "revenue": [100.0, 300.0, 400.0]}
    write_parquet(folder / "a.parquet", pa.table(assignment))
    write_parquet(folder / "p.parquet", pa.table(shared | {"fallback_level": [rung] * 3}))
    rows = hierarchy_conflict(view, assignment=folder / "a.parquet", profile=folder / "p.parquet").to_pylist()
    return sorted(rows, key=lambda row: row["queue_rank"])


@pytest.mark.capability("2.3", part="conflict queue: what changes a decision stands first, with revenue and dates")
def test_conflicts_that_change_a_decision_stand_first(here: Place, tmp_path: Path) -> None:
    here.node("pim", "P1", "BAKERY", gtin="0" + GTIN, valid_from=date(2026, 2, 1))
    here.node("pim", "P2", "GROCERY", item_text="95 petrol", valid_from=date(2026, 3, 1))
    here.node("pim", "P3", "TEAS", item_text="Tea 1 kg")
    here.node("pim", "P4", "GROCERY", manufacturer_part_number="nobody")
    here.node("pim", "P5", "TOYS", gtin="04012345000023")  # an item that the region does not sell
    rows = queue(here.view("2026-04"), tmp_path)
    shown = [(row["sku_id"], row["conflict"], row["change"], row["candidate_classes"]) for row in rows]
    assert shown[0] == ("I2", "sources_disagree", "exclusion", "A|excluded")
    assert sorted(shown[1:3]) == [("I3", "ambiguous_match", "none", "-"), ("I4", "ambiguous_match", "none", "-")]
    assert shown[3] == ("I1", "sources_disagree", "none", "C")
    assert [row["resolution"] for row in rows[4:]] == ["unmatched:1 of 5", "unmatched:0 of 0"]
    first = rows[0]
    assert (first["since"], first["revenue_at_stake"], first["chosen_node"]) == (date(2026, 3, 1), 200, "FUEL")
    assert first["resolution"] == "precedence:item_master"
    (line,) = conflict_lines([first])
    assert "pim says GROCERY since 2026-03-01 (by text; value class A)" in line and "changes a decision" in line
    assert "not used" in conflict_lines([rows[1]])[0]


@pytest.mark.parametrize(
    ("change", "conflicts"),
    [
        ({}, ["I1"]),
        ({"known": "2026-04-10"}, []),
        ({"until": "2026-03-20"}, []),
        ({"valid_from": date(2026, 4, 4)}, []),
        ({"valid_to": date(2026, 3, 31)}, []),
        ({"valid_to": date(2026, 4, 3)}, ["I1"]),
    ],
)
def test_entries_count_while_they_are_known_and_valid(
    here: Place, tmp_path: Path, change: dict[str, Any], conflicts: list[str]
) -> None:
    entry = {"known": "", "until": ""} | change
    here.node("pim", "P1", "BAKERY", entry.pop("known"), entry.pop("until"), gtin=GTIN, **entry)
    rows = queue(here.view("2026-04"), tmp_path)
    assert [row["sku_id"] for row in rows if row["sku_id"] != "?"] == conflicts


def test_the_entry_that_began_last_speaks(here: Place, tmp_path: Path) -> None:
    here.node("pim", "P1", "BAKERY", gtin=GTIN)
    here.node("pim", "P1", "GROCERY", gtin=GTIN, valid_from=date(2026, 3, 1))
    assert [row["sku_id"] for row in queue(here.view("2026-04"), tmp_path)] == ["?", "?"]


def test_a_scheme_without_a_rule_says_that_nothing_was_looked_at(here: Place, tmp_path: Path) -> None:
    here.scheme["hierarchy"] = None
    here.node("pim", "P1", "BAKERY", gtin=GTIN)
    assert {row["resolution"] for row in queue(here.view("2026-04"), tmp_path)} == {"unmatched:0 of 0"}


@pytest.mark.capability("2.2", part="master data keep what was known then")
def test_an_item_that_changes_its_category_keeps_its_history_as_known_then(tmp_path: Path) -> None:
    """A grocery until mid-April, fuel since: in the plan of April, out of that of May, and in April's again."""
    here = Place(tmp_path)
    here.rows["int_item_version"].clear()
    here.item("I1", until="2026-04-15", category="GROCERY")
    here.item("I1", known="2026-04-15", category="FUEL")
    here.sale("2026-03-10T10:00:00Z")
    demanded = [demand_history(here.view(cycle))[0].num_rows > 0 for cycle in ("2026-04", "2026-05", "2026-04")]
    assert demanded == [True, False, True]


@pytest.mark.capability("2.2", part="rows and amounts of every extract against its control totals")
def test_control_totals_of_extracts_known_at_the_cutoff(here: Place) -> None:
    def batch(number: int, day: int, **totals: Any) -> dict[str, Any]:
        rows = {"stated": 5, "accepted": 3, "refused": 1, "repeated": 1, "verdict": "matched"}
        return {
            "system": "erp", "feed": "items", "batch_id": f"b{number}", "extract_id": f"x{number}",
            "extracted_at": datetime(2026, 4, day, tzinfo=UTC).isoformat(), "controls": {"rows": rows, **totals},
        }  # fmt: skip

    view = here.view("2026-04")
    total = {"stated": "10.5", "accepted": "9.5", "refused": "1", "repeated": "0", "verdict": "matched"}
    # Taken after the cut-off: one as news, two as first loads, of which one assumes rows known before it.
    past, future = ("2026-03-01T00:00:00+00:00", "2026-04-20T00:00:00+00:00"), ("2026-04-20T00:00:00+00:00",) * 2
    loads = ({**batch(3, 25), "assumed_known": past}, {**batch(4, 25), "assumed_known": future})
    batches = (batch(1, 2, quantity=total), batch(2, 4), *loads)
    object.__setattr__(view.snapshot, "batches", batches)
    rows = [
        (row["batch_id"], row["measure"], row["stated"], row["accepted"]) for row in control_total(view).to_pylist()
    ]
    assert rows == [("b1", "quantity", Decimal("10.5"), Decimal("9.5")), ("b1", "rows", 5, 3), ("b3", "rows", 5, 3)]


def test_a_jump_is_told_with_its_first_day() -> None:
    history = [
        {"period_start": date(2026, 3, 1), "adjustment_reason": "unit_jump"},
        {"period_start": date(2026, 2, 1), "adjustment_reason": "unit_jump"},
        {"period_start": date(2026, 1, 1), "adjustment_reason": "stockout"},
    ]
    assert jump_lines(history[2:]) == []
    assert jump_lines(history)[0].startswith("Unit: from 2026-02-01 on")
