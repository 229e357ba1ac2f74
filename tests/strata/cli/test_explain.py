"""`strata explain`: every number that it says stands in the release, in its scheme, or follows from two of them."""

import re
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import pytest

from strata.governance.releases import current_manifest
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.review.explain import override_line
from strata.scheme.load import SchemeRegister, parameters
from tests.golden import company
from tests.orchestration import story
from tests.orchestration.story import Story
from tests.strata.cli.conftest import Strata

NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w-]|\.\d)")
ITEMS = [("I1", "EMEA"), ("I3", "EMEA"), ("I5", "EMEA"), ("I6", "EMEA"), ("I2", "APAC"), ("I6", "APAC")]


def rows_of(home: Home, release_id: str, sku: str, region: str) -> list[dict[str, Any]]:
    with duckdb.connect(str(home.release(release_id) / "strata.duckdb"), read_only=True) as connection:
        found: list[dict[str, Any]] = []
        for table in ("segment_assignment", "demand_profile", "inventory_policy"):
            sql = f"select * from {table} where sku_id = $1 and region = $2"
            found += connection.execute(sql, [sku, region]).to_arrow_table().to_pylist()
    return found


def backing(home: Home, release_id: str, sku: str, region: str) -> set[float]:
    """Numbers of the item's rows and of the scheme, as they are and in percent, and differences of any two."""
    rows = rows_of(home, release_id, sku, region)
    own = {float(value) for row in rows for value in row.values() if _is_number(value)}
    own |= {float(value) for row in rows for value in re.findall(r"\d+\.?\d*", str(row.get("suspension_reason") or ""))}
    scheme = SchemeRegister.load(home.config / "schemes").files[0].scheme
    rules = set()
    for _, value, _ in parameters(scheme):
        try:
            rules.add(float(value))
        except ValueError:
            continue
    plain = own | rules
    return plain | {100 * value for value in plain} | {abs(a - b) for a, b in combinations(sorted(plain), 2)}


def _is_number(value: object) -> bool:
    return value is not None and not isinstance(value, bool | str) and not hasattr(value, "year")


def spoken(lines: list[str], known: list[str]) -> list[str]:
    """Numbers in the text, without names, dates and version numbers."""
    text = " ".join(lines)
    for word in sorted(known, key=len, reverse=True):
        text = text.replace(word, " ")
    text = re.sub(r"\d{4}-\d{2}(-\d{2})?( \d{2}:\d{2}:\d{2}\S*)?", " ", text)
    return NUMBER.findall(text)


def is_backed(word: str, numbers: set[float]) -> bool:
    """The number as printed: rounded to the digits that are shown."""
    shown = float(word)
    digits = len(re.sub(r"[-.]|e.*$", "", word).lstrip("0")) or 1
    return any(abs(value - shown) <= max(abs(shown) * 10.0 ** (1 - max(digits, 2)) / 1.9, 1e-9) for value in numbers)


@pytest.mark.capability("2.6", part="explain says why an item has its class, with the numbers of the release")
@pytest.mark.parametrize(("sku", "region"), ITEMS)
def test_every_number_that_is_said_is_in_the_release(lived: Story, strata: Strata, sku: str, region: str) -> None:
    found = strata(lived.end, "explain", sku, "--region", region, "--json").json
    assert [part["region"] for part in found] == [region]
    numbers = backing(lived.end, found[0]["release_id"], sku, region)
    words = spoken(found[0]["lines"], [sku, found[0]["release_id"], "golden.1", "E1", "A1"])
    assert len(words) >= 5
    assert [word for word in words if not is_backed(word, numbers)] == []


@pytest.mark.parametrize(("sku", "region"), ITEMS)
def test_it_says_segment_class_and_policy_of_the_release(lived: Story, strata: Strata, sku: str, region: str) -> None:
    part = strata(lived.end, "explain", sku, "--region", region, "--json").json[0]
    row = rows_of(lived.end, part["release_id"], sku, region)[0]
    text = " ".join(part["lines"])
    assert f"segment {row['segment']}" in text
    assert row["demand_class"] in text and row["lifecycle_state"] in text.lower()
    assert part["segment"] == row["segment"] and part["cycle"] == row["cycle"]


@pytest.mark.capability("2.6", part="explain goes down to the source rows")
def test_source_rows_are_those_known_at_the_cutoff(lived: Story, strata: Strata) -> None:
    """Cycle 2026-05 knew three pieces in March, 2026-06 the corrected 33; each row names file and line."""

    def march(cycle: str) -> list[str]:
        part = strata(lived.end, "explain", "I5", "--region", "EMEA", "--cycle", cycle, "--json").json[0]
        rows = [row for row in part["source_rows"] if row["ordered_at"].startswith("2026-03")]
        assert all(row["file"] == "part-0.csv" and row["row"] > 0 and row["batch"] for row in rows)
        return [row["quantity"] for row in rows]

    assert march("2026-05") == ["3.0000"]
    assert march("2026-06") == ["33.0000"]


def test_an_item_in_two_regions_is_explained_twice(lived: Story, strata: Strata) -> None:
    said = strata(lived.end, "explain", "I1")
    assert said.code == 0
    assert "I1 in APAC" in said.out and "I1 in EMEA" in said.out and "Source rows" in said.out


def test_the_class_before_is_that_of_the_release_before(lived: Story, strata: Strata) -> None:
    text = " ".join(strata(lived.end, "explain", "I5", "--region", "EMEA", "--json").json[0]["lines"])
    assert "the cycle before: CX" in text


def test_a_suspended_region_says_so(lived: Story, strata: Strata) -> None:
    text = " ".join(strata(lived.end, "explain", "I1", "--region", "APAC", "--json").json[0]["lines"])
    assert "suspended" in text.lower()


@pytest.mark.capability("2.6", part="the order lines behind a class add up to its revenue, to the last decimal")
def test_the_lines_of_every_item_add_up_to_its_revenue(lived: Story, strata: Strata) -> None:
    """Against the profile, and against the extracts themselves as the golden company wrote them."""
    released = published(lived.end)
    assert len(released) >= 10
    for row in released:
        (part,) = strata(lived.end, "explain", row["sku_id"], "--region", row["region"], "--rows", "0", "--json").json
        assert part["demand"]["ties"] and Decimal(part["demand"]["revenue"]) == row["revenue"], row
        assert part["demand"]["order_lines"] == row["order_lines"]
        if not row["order_lines"]:  # nothing in the window: what was before it is shown, and said to be
            assert part["demand"]["lines_before"] == len(part["source_rows"]) and "more before" in part["sums"][0]
            continue
        assert sum(Decimal(line["net_amount"]) for line in part["source_rows"]) == row["revenue"], row
        assert len(part["source_rows"]) == row["order_lines"]
        sent = sent_lines()
        for line in part["source_rows"]:
            source = sent[line["extract_id"], line["file"], line["row"]]
            assert (source["order_id"], source["sku_id"]) == (line["order_id"], row["sku_id"])
            assert Decimal(source["net_amount"]) == Decimal(line["net_amount"])


def published(home: Home) -> list[dict[str, Any]]:
    manifest = current_manifest(home)
    assert manifest is not None
    with duckdb.connect(str(home.release(manifest["release_id"]) / "strata.duckdb"), read_only=True) as connection:
        sql = "select sku_id, region, revenue, order_lines from demand_profile where location_id = '*'"
        return connection.execute(sql).to_arrow_table().to_pylist()


def sent_lines() -> dict[tuple[str, str, int], dict[str, str]]:
    """Every line that the company sent, by extract, file and number."""
    return {
        (extract, "part-0.csv", number): line
        for extract, (_, _, lines) in company.sales_extracts().items()
        for number, line in enumerate(lines, start=1)
    }


@pytest.mark.parametrize(
    ("sku", "reason", "said"),
    [
        ("I1", "return", "they are returns, not demand"),
        ("I2", "out_of_range: quantity = 0", "quarantined (out_of_range)"),
        ("I5", "superseded", "a later version of the line took their place"),
    ],
)
def test_lines_that_are_no_demand_are_shown_with_their_reason(
    lived: Story, strata: Strata, sku: str, reason: str, said: str
) -> None:
    (part,) = strata(lived.end, "explain", sku, "--region", "EMEA", "--json").json
    assert [row["reason"][: len(reason)] for row in part["left_out_rows"]] == [reason]
    assert said in " ".join(part["sums"])
    assert part["left_out_rows"][0]["row"] > 0


def test_master_data_is_told_with_its_row(lived: Story, strata: Strata) -> None:
    (part,) = strata(lived.end, "explain", "I3", "--region", "EMEA", "--json").json
    (item,) = part["records"]["int_item_version"]["shown"]
    assert (item["standard_cost"], item["feed"], item["extract_id"], item["file"], item["row"]) == (
        "6.0000", "erp/items", "initial", "part-0.csv", 3,
    )  # fmt: skip
    (stock,) = part["records"]["fct_stock_snapshot"]["shown"]
    assert (stock["stockout_days"], stock["feed"]) == (6, "wms/stock_snapshots")


def test_an_override_is_told_with_reason_owner_and_approval(lived: Story, tmp_path: Path, strata: Strata) -> None:
    home = story.copy_of(lived.end, tmp_path / "home")
    people = ("--reason", "Only spare part of the press", "--owner", "ops.lead", "--approved-by", "planner.two")
    assert (
        strata(
            home, "override", "add", "I4", "--region", "EMEA", "--start", "2026-07", "--value-class", "A", *people
        ).code
        == 0
    )
    said = override_line(GovernanceStore(home).overrides()[0])
    assert "sets value A from 2026-07 until revoked" in said
    assert all(word in said for word in ("Only spare part of the press", "ops.lead", "planner.two"))


@pytest.mark.capability("3.5", part="explain names the rule that decides, with reason, owner and approval")
def test_a_rule_is_told_with_reason_owner_and_approval(lived: Story, strata: Strata) -> None:
    said = strata(lived.end, "explain", "I3", "--region", "APAC").out
    assert "Override rule:second_source is in force: the scheme alone says CX, the override makes it CY" in said
    assert "Rule second_source (critical, priority 10): variability at_most Y from 2026-05 until 2026-05" in said
    assert "nobody knows how much (owner category.lead, approved by planner.two)" in said


def test_an_item_that_a_region_never_sold_says_why_it_has_no_class(lived: Story, strata: Strata) -> None:
    (part,) = strata(lived.end, "explain", "I5", "--region", "APAC", "--json").json
    assert part["segment"] is None
    assert "no class, because nobody ordered it in the region" in part["lines"][0]
    assert [found["region"] for found in strata(lived.end, "explain", "I5", "--json").json] == ["EMEA"]


def test_an_item_that_nobody_knows_is_an_error(lived: Story, strata: Strata) -> None:
    said = strata(lived.end, "explain", "NONE")
    assert said.code == 1 and "no row of any feed" in said.err


def test_what_became_known_after_the_cutoff_is_not_told(lived: Story, strata: Strata) -> None:
    """The orphans of May reached APAC after the cut-off of its last good cycle."""
    assert strata(lived.end, "explain", "XI1", "--region", "APAC").code == 1


def test_rows_bound_what_is_shown_and_not_what_is_counted(lived: Story, strata: Strata) -> None:
    (part,) = strata(lived.end, "explain", "I1", "--region", "EMEA", "--rows", "2", "--json").json
    assert len(part["source_rows"]) == 2 < part["demand"]["order_lines"]
    amounts = [Decimal(row["net_amount"]) for row in part["source_rows"]]
    assert amounts == sorted(amounts, reverse=True)
