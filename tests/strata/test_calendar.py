"""Cut-offs and periods: daylight saving, month ends in other zones, weeks that start on Monday."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from strata.calendar import (
    Bucket,
    Calendar,
    closed_periods,
    first_open_period,
    next_period,
    period_start,
)
from strata.home import REPOSITORY, Home

DAYS = st.dates(date(1990, 1, 1), date(2060, 12, 31))
BUCKETS: list[Bucket] = ["day", "week", "month"]
RATIONALE = "Third day of the month, early in the morning, local time."


def calendar(zone: str = "Europe/Berlin", day: int = 3, local_time: str = "06:00") -> Calendar:
    return Calendar(
        first_cycle="2026-01",
        cut_off={"day": day, "local_time": local_time},  # type: ignore[arg-type]
        currency="EUR",
        regions=[{"region": "HERE", "name": "Here", "time_zone": zone}],  # type: ignore[arg-type]
        rationale=RATIONALE,
    )


@pytest.mark.parametrize(
    ("zone", "cycle", "utc"),
    [
        ("Europe/Berlin", "2026-02", "2026-02-03T05:00"),  # winter
        ("Europe/Berlin", "2026-07", "2026-07-03T04:00"),  # summer
        ("Asia/Tokyo", "2026-07", "2026-07-02T21:00"),  # the day before in UTC
        ("Pacific/Auckland", "2026-01", "2026-01-02T17:00"),
        ("America/New_York", "2026-03", "2026-03-03T11:00"),  # five days before the clocks change
        ("America/New_York", "2026-04", "2026-04-03T10:00"),
    ],
)
def test_a_cutoff_is_a_local_time(zone: str, cycle: str, utc: str) -> None:
    assert calendar(zone).cutoff(cycle, "HERE") == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_a_cutoff_in_the_hour_that_does_not_exist() -> None:
    """02:30 on 8 March 2026 is skipped in New York: the instant is that of 03:30, as on a clock not yet put forward."""
    found = calendar("America/New_York", day=8, local_time="02:30").cutoff("2026-03", "HERE")
    assert found == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    assert found.astimezone(ZoneInfo("America/New_York")).hour == 3


def test_a_cutoff_in_the_hour_that_comes_twice_is_the_first() -> None:
    found = calendar("Europe/Berlin", day=25, local_time="02:30").cutoff("2026-10", "HERE")
    assert found == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@given(st.sampled_from(["Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Chatham"]), st.integers(1, 28))
def test_cutoffs_follow_each_other(zone: str, day: int) -> None:
    known = calendar(zone, day)
    moments = [known.cutoff(f"2026-{month:02d}", "HERE") for month in range(1, 13)]
    assert moments == sorted(set(moments))
    gaps = [later - earlier for earlier, later in zip(moments, moments[1:], strict=False)]
    assert all(timedelta(days=27, hours=22) < gap < timedelta(days=31, hours=2) for gap in gaps)


def test_month_end_is_judged_where_the_region_is() -> None:
    """B45: 31 October 23:30Z is November in Auckland and October in New York."""
    moment = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    assert first_open_period(moment, ZoneInfo("Pacific/Auckland"), "month") == date(2026, 11, 1)
    assert first_open_period(moment, ZoneInfo("America/New_York"), "month") == date(2026, 10, 1)


@pytest.mark.parametrize(
    ("bucket", "starts"),
    [
        ("month", [date(2026, 2, 1), date(2026, 3, 1)]),
        ("week", [date(2026, 2, 23), date(2026, 3, 2), date(2026, 3, 9), date(2026, 3, 16), date(2026, 3, 23)]),
    ],
)
def test_closed_periods_end_before_the_cutoff(bucket: Bucket, starts: list[date]) -> None:
    """29 March 2026 has 23 hours in Berlin; its week is closed on Monday 00:00 local time, 22:00Z on Sunday."""
    zone = ZoneInfo("Europe/Berlin")
    assert (
        list(closed_periods(date(2026, 2, 28), datetime(2026, 4, 3, 4, tzinfo=UTC), zone, bucket).starts)[:5] == starts
    )
    sunday = datetime(2026, 3, 29, 21, 59, tzinfo=UTC)
    assert closed_periods(date(2026, 3, 16), sunday, zone, "week").starts == (date(2026, 3, 16),)
    monday = datetime(2026, 3, 29, 22, 0, tzinfo=UTC)
    assert closed_periods(date(2026, 3, 16), monday, zone, "week").starts == (date(2026, 3, 16), date(2026, 3, 23))


def test_no_period_is_closed_before_the_first() -> None:
    assert len(closed_periods(date(2026, 5, 1), datetime(2026, 4, 3, tzinfo=UTC), ZoneInfo("UTC"), "month")) == 0


@given(DAYS, st.sampled_from(BUCKETS))
def test_a_day_lies_in_its_period(day: date, bucket: Bucket) -> None:
    start = period_start(day, bucket)
    assert start <= day < next_period(start, bucket)
    assert period_start(start, bucket) == start
    assert bucket != "week" or start.weekday() == 0


@given(DAYS, st.sampled_from(BUCKETS), st.integers(-200, 200))
def test_periods_forward_and_back(day: date, bucket: Bucket, count: int) -> None:
    start = period_start(day, bucket)
    assert next_period(next_period(start, bucket, count), bucket, -count) == start


def test_unknown_region_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="HERE"):
        calendar().zone("MARS")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"first_cycle": "2026-13"}, "YYYY-MM"),
        ({"currency": "Euro"}, "currency"),
        ({"cut_off": {"day": 29, "local_time": "06:00"}}, "28"),  # not every month has it
        ({"cut_off": {"day": 0, "local_time": "06:00"}}, "greater"),
        ({"rationale": "tbd"}, "20"),
        ({"regions": []}, "at least 1"),
        ({"regions": [{"region": "eu", "name": "x", "time_zone": "UTC"}]}, "A-Z"),
        ({"regions": [{"region": "EU", "name": "x", "time_zone": "Europe/Atlantis"}]}, "Atlantis"),
        ({"regions": [{"region": "EU", "name": "x", "time_zone": "UTC"}] * 2}, "twice"),
        ({"fiscal_year": 4}, "Extra"),
    ],
)
def test_a_calendar_that_cannot_be(change: dict[str, object], why: str) -> None:
    fields = calendar().model_dump() | change
    with pytest.raises((ValidationError, KeyError), match=why):
        Calendar(**fields)


def test_the_shipped_calendar_loads() -> None:
    assert Home(REPOSITORY / "absent").calendar().region_codes == ["CENTRAL", "EAST", "WEST"]


def test_a_home_whose_calendar_is_wrong_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "calendar.yml").write_text('first_cycle: "2026-01"\n', encoding="utf-8")
    (tmp_path / "config" / "regions.yml").write_text("regions: []\n", encoding="utf-8")
    with pytest.raises(ValueError, match="calendar.yml and regions.yml do not load"):
        Home(tmp_path).calendar()
