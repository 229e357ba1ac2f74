"""Partitions and cycles: keys, folders, arithmetic, and what is not allowed in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata.partition import Partition, checked_cycle, checked_region, cycle_range, shifted

CYCLES = st.builds(lambda year, month: f"{year:04d}-{month:02d}", st.integers(1900, 2200), st.integers(1, 12))
REGIONS = st.text("ABCXYZ0189_-", min_size=1, max_size=16)


@given(REGIONS, CYCLES)
def test_key_and_back(region: str, cycle: str) -> None:
    partition = Partition(region, cycle)
    assert Partition.from_key(partition.key) == partition
    assert partition.key == f"{cycle}|{region}"
    assert partition.folder == f"cycle={cycle}/region={region}"


@given(CYCLES, st.integers(-600, 600))
def test_shifting_there_and_back(cycle: str, months: int) -> None:
    assert shifted(shifted(cycle, months), -months) == cycle
    assert (shifted(cycle, months) > cycle) == (months > 0)


@given(CYCLES, st.integers(0, 40))
def test_a_range_holds_every_month_once(first: str, months: int) -> None:
    cycles = cycle_range(first, shifted(first, months))
    assert len(cycles) == months + 1
    assert cycles == sorted(set(cycles))


def test_a_range_that_runs_backwards_is_empty() -> None:
    assert cycle_range("2026-02", "2026-01") == []


def test_the_year_turns() -> None:
    assert shifted("2025-12", 1) == "2026-01"
    assert Partition("EMEA", "2026-01").previous() == Partition("EMEA", "2025-12")


@pytest.mark.parametrize("cycle", ["2026-00", "2026-13", "2026-1", "26-01", "2026/01", "2026-01-01", "", "2026-01\n"])
def test_what_is_no_planning_month(cycle: str) -> None:
    with pytest.raises(ValueError, match="YYYY-MM"):
        checked_cycle(cycle)


@pytest.mark.parametrize("region", ["", "emea", "EU|2026", "../../etc", "A" * 17, "EU ", "É", "EU\n", "A/B", "*"])
def test_a_region_outside_the_allow_list_is_refused(region: str) -> None:
    """B43: what Dagster would take as a partition key."""
    with pytest.raises(ValueError, match="1 to 16 of A-Z"):
        checked_region(region)
    with pytest.raises(ValueError, match="1 to 16 of A-Z"):
        Partition(region, "2026-01")


@pytest.mark.parametrize("key", ["2026-07", "2026-07EMEA", "EMEA|2026-07", "2026-07|", "2026-07|EMEA|X"])
def test_a_key_that_is_none(key: str) -> None:
    with pytest.raises(ValueError, match="2026-07|1 to 16 of"):
        Partition.from_key(key)
