"""`strata explain`: every number that it says stands in the release, in its scheme, or follows from two of them."""

import re
from itertools import combinations
from typing import Any

import duckdb
import pytest

from strata.home import Home
from strata.scheme.load import SchemeRegister, parameters
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
