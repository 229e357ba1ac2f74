"""News asks for the partitions that it touches: those of its regions, in the first cycle that may know it, in order."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration import landing
from orchestration.resources import newest_snapshot
from orchestration.touched import touched_partitions
from strata.home import Home
from strata.intake.batches import accepted_batches
from strata.intake.chain import released
from tests.golden import company
from tests.orchestration import story
from tests.orchestration.extracts import drop_lines, line
from tests.orchestration.story import Story

LATE_2026 = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def home(lived: Story, tmp_path: Path) -> Home:
    """Decided up to 2026-06 in both regions; nothing is new."""
    return story.copy_of(lived.end, tmp_path / "home")


def touched(home: Home, now: datetime = LATE_2026) -> list[str]:
    """As if what has landed were conformed: the tables of the newest snapshot hold all that is asked of them here."""
    assert not landing.land(home).with_outcome("refused")
    batches = tuple(landing.batch_records(released(accepted_batches(home))))
    return [
        partition.key for partition in touched_partitions(home, replace(newest_snapshot(home), batches=batches), now)
    ]


def test_nothing_new_touches_nothing(home: Home) -> None:
    assert touched(home) == []


def test_the_same_content_under_another_name_touches_nothing(home: Home) -> None:
    company.drop_sales(home.landing, "2026-05", as_extract="again")
    assert touched(home) == []


@pytest.mark.capability("2.2", part="an extract asks for the partitions that it touches and for no others")
def test_an_extract_of_one_region_touches_that_region_only(home: Home) -> None:
    company.drop_sales(home.landing, "2026-05-repair")
    assert touched(home) == ["2026-07|APAC"]


def test_an_extract_of_both_regions_touches_both(home: Home) -> None:
    company.drop_sales(home.landing, "2026-06")
    assert touched(home) == ["2026-07|APAC", "2026-07|EMEA"]


def test_a_correction_that_moves_a_line_to_another_region_touches_the_one_it_leaves(home: Home) -> None:
    drop_lines(home, "moved", "2026-06-20T02:00:00Z", [line("EMEA-I1-03") | {"location_id": "A1"}])
    assert touched(home) == ["2026-07|APAC", "2026-07|EMEA"]


def test_news_known_before_the_newest_cut_off_decides_the_newest_cycle_anew(home: Home) -> None:
    drop_lines(home, "late", "2026-06-02T20:00:00Z", [line("EMEA-I1-03") | {"quantity": "9"}])
    assert touched(home) == ["2026-06|EMEA"]


def test_late_news_of_a_closed_cycle_goes_into_the_newest_one(home: Home) -> None:
    drop_lines(home, "very-late", "2026-04-20T02:00:00Z", [line("EMEA-I1-03") | {"quantity": "9"}])
    assert touched(home) == ["2026-06|EMEA"]


def test_cycles_without_news_in_between_are_not_left_out(home: Home) -> None:
    drop_lines(home, "autumn", "2026-09-20T02:00:00Z", [line("EMEA-I1-03") | {"quantity": "9"}])
    assert touched(home) == ["2026-07|EMEA"]


def test_news_after_the_last_cut_off_waits_for_its_cycle_to_begin(home: Home) -> None:
    company.drop_sales(home.landing, "2026-05-repair")
    assert touched(home, datetime(2026, 6, 30, 23, tzinfo=UTC)) == []
    assert touched(home, datetime(2026, 7, 1, tzinfo=UTC)) == ["2026-07|APAC"]


def test_regions_start_with_their_first_cycle_and_see_all_of_it(lived: Story, tmp_path: Path) -> None:
    home = story.copy_of(lived.conformed, tmp_path / "home")
    assert touched(home) == ["2026-04|APAC", "2026-04|EMEA"]


def test_a_state_feed_touches_every_region(home: Home) -> None:
    folder = home.landing / "wms" / "sites" / "initial"
    again = folder.with_name("again")
    story.copy_folder(folder, again)
    manifest = (again / "manifest.json").read_text(encoding="utf-8")
    changed = manifest.replace("2026-04-02T02:00:00Z", "2026-06-20T02:00:00Z").replace(
        '"initial_load": true', '"initial_load": false'
    )
    changed = changed.replace('"extract_id": "initial"', '"extract_id": "again"')
    (again / "manifest.json").write_text(changed, encoding="utf-8")
    assert touched(home) == ["2026-07|APAC", "2026-07|EMEA"]
