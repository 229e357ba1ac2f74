"""Demand history and reconciliation in odd cases: clock changes, month ends, wrong units, late and future lines."""

from dataclasses import replace
from decimal import Decimal
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from expectations.reconciliation import SIGNS
from strata.conformed import grid, history, profile
from strata.conformed.history import View, intake_summary
from strata.durable import read_parquet, write_parquet
from strata.tables import DEMAND_HISTORY
from tests.strata.conformed.past import demand_history
from tests.strata.conformed.place import Place, at


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return Place(tmp_path)


def periods(view: View, bucket: str, column: str = "demand_units") -> dict[str, Any]:
    history, _ = demand_history(view)
    return {str(row["period_start"]): row[column] for row in history.to_pylist() if row["bucket"] == bucket}


def lines(view: View, bucket: str = "month") -> dict[str, tuple[int, Decimal, Decimal]]:
    _, reconciliation = demand_history(view)
    return {
        row["line"]
        + (":" + row["reason"] if row["reason"] != "-" else "")
        + (f":{row['currency']}" if row["currency"] != "EUR" else "")
        + (f":{row['base_unit']}" if row["base_unit"] != "EA" else ""): (row["line_count"], row["units"], row["amount"])
        for row in reconciliation.to_pylist()
        if row["bucket"] == bucket
    }


def assert_identity(view: View) -> None:
    """accepted - quarantined - excluded = history + open, in every currency and unit, in both buckets."""
    _, reconciliation = demand_history(view)
    left: dict[tuple[str, str, str], list[Decimal]] = {}
    for row in reconciliation.to_pylist():
        sign = SIGNS[row["line"]]
        key = (row["bucket"], row["currency"], row["base_unit"])
        total = left.setdefault(key, [Decimal(0)] * 3)
        for number, name in enumerate(("line_count", "units", "amount")):
            total[number] += sign * row[name]
    assert left and all(total == [0, 0, 0] for total in left.values()), left


@pytest.mark.parametrize(
    ("zone", "ordered_at", "week", "month"),
    [
        # the night in which Berlin loses an hour: Sunday ends at 22:00Z, not 23:00Z
        ("Europe/Berlin", "2026-03-29T21:59:59Z", "2026-03-23", "2026-03-01"),
        ("Europe/Berlin", "2026-03-29T22:00:00Z", "2026-03-30", "2026-03-01"),
        # the night in which it wins one back: Sunday has 25 hours
        ("Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-19", "2026-10-01"),
        ("Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-19", "2026-10-01"),
        ("Europe/Berlin", "2026-10-25T22:59:59Z", "2026-10-19", "2026-10-01"),
        ("Europe/Berlin", "2026-10-25T23:00:00Z", "2026-10-26", "2026-10-01"),
        ("America/New_York", "2026-03-09T03:59:59Z", "2026-03-02", "2026-03-01"),
        ("America/New_York", "2026-03-09T04:00:00Z", "2026-03-09", "2026-03-01"),
        # month ends elsewhere
        ("Pacific/Auckland", "2026-10-31T23:30:00Z", "2026-10-26", "2026-11-01"),
        ("America/New_York", "2026-11-01T03:59:00Z", "2026-10-26", "2026-10-01"),
        ("Europe/Berlin", "2026-03-31T22:30:00Z", "2026-03-30", "2026-04-01"),
        # the year ends inside a week
        ("Europe/Berlin", "2025-12-31T22:59:00Z", "2025-12-29", "2025-12-01"),
        ("Europe/Berlin", "2025-12-31T23:00:00Z", "2025-12-29", "2026-01-01"),
    ],
)  # fmt: skip
def test_a_line_falls_into_the_period_of_the_regions_clock(
    tmp_path: Path, zone: str, ordered_at: str, week: str, month: str
) -> None:
    here = Place(tmp_path, zone)
    here.sale(ordered_at)
    view = here.view("2026-12")
    assert periods(view, "week") == {week: 1}
    assert periods(view, "month") == {month: 1}


def test_each_bucket_holds_all_demand_once(here: Place) -> None:
    for day in range(1, 32):
        here.sale(f"2026-01-{day:02d}T12:00:00Z", quantity=Decimal(day))
    view = here.view("2026-03")
    assert sum(periods(view, "week").values()) == sum(periods(view, "month").values()) == 31 * 16


def test_open_periods_are_partial(here: Place) -> None:
    """Cut-off on Friday 3 April: March is closed, the week of 30 March is not."""
    for ordered_at in ("2026-03-31T10:00:00Z", "2026-04-02T10:00:00Z"):
        here.sale(ordered_at)
    view = here.view("2026-04")
    assert periods(view, "month", "is_partial") == {"2026-03-01": False, "2026-04-01": True}
    assert periods(view, "week", "is_partial") == {"2026-03-30": True}
    assert lines(view, "week") == {"accepted": (2, 2, 20), "open": (2, 2, 20)}
    assert lines(view, "month") == {"accepted": (2, 2, 20), "open": (1, 1, 10), "history": (1, 1, 10)}


def test_rows_that_are_no_demand_each_say_why(here: Place) -> None:
    here.item("FUEL", category="FUEL")
    here.sale("2026-03-10T10:00:00Z")
    here.sale("2026-03-10T10:00:00Z", unit="CS", quantity=Decimal(2))
    here.sale("2026-03-10T10:00:00Z", currency="USD", quantity=Decimal(3))
    here.sale("2026-03-10T10:00:00Z", sku_id="NOBODY", quantity=Decimal(4))
    here.sale("2026-03-10T10:00:00Z", line_type="return", quantity=Decimal(5))
    here.sale("2026-03-10T10:00:00Z", sku_id="FUEL", quantity=Decimal(6))
    here.sale("2026-04-03T04:00:01Z", quantity=Decimal(7))  # ordered one second after the cut-off
    here.refused(ordered_at=at("2026-03-10T10:00:00Z"), quantity=Decimal(8), net_amount=Decimal(80))
    view = here.view("2026-04")
    assert periods(view, "month") == {"2026-03-01": 1}
    assert lines(view) == {
        "accepted": (5, 1 + 5 + 6 + 7 + 8, 120),
        "accepted:CS": (1, 2, 10),
        "accepted:?": (1, 4, 10),
        "accepted:USD": (1, 3, 10),
        "quarantined:missing_unit_factor:CS": (1, 2, 10),
        "quarantined:missing_rate:USD": (1, 3, 10),
        "quarantined:orphan_item:?": (1, 4, 10),
        "quarantined:not_a_number": (1, 8, 80),
        "excluded:return": (1, 5, 10),
        "excluded:no_stocked_goods": (1, 6, 10),
        "excluded:future_dated": (1, 7, 10),
        "history": (1, 1, 10),
    }
    assert_identity(view)


def test_a_line_of_another_region_is_not_seen(here: Place) -> None:
    here.add("int_location_version", location_id="L2", region="THERE")
    here.sale("2026-03-10T10:00:00Z", location_id="L2")
    assert demand_history(here.view("2026-04"))[0].num_rows == 0


@pytest.mark.capability("3.2", part="a past cycle is recomputed as it was known then")
def test_a_correction_counts_from_when_it_was_known(here: Place) -> None:
    here.sale("2026-03-10T10:00:00Z", known="2026-03-11", until="2026-05-01", quantity=Decimal(3), order_id="A")
    here.sale("2026-03-10T10:00:00Z", known="2026-05-01", quantity=Decimal(33), order_id="A")
    here.sale("2026-03-12T10:00:00Z", known="2026-04-20", quantity=Decimal(5), order_id="LATE")
    assert periods(here.view("2026-04"), "month") == {"2026-03-01": 3}
    assert periods(here.view("2026-05"), "month") == {"2026-03-01": 38}
    assert lines(here.view("2026-05")) == {
        "accepted": (3, 41, 30), "excluded:superseded": (1, 3, 10), "history": (2, 38, 20),
    }  # fmt: skip
    assert_identity(here.view("2026-05"))
    restated = here.view("2026-04", known_at="2026-05-02")
    assert periods(restated, "month") == {"2026-03-01": 38}
    assert_identity(restated)


def test_a_line_that_was_withdrawn_is_no_demand_any_more(here: Place) -> None:
    here.sale("2026-03-10T10:00:00Z", known="2026-03-11", until="2026-04-10")
    assert periods(here.view("2026-04"), "month") == {"2026-03-01": 1}
    assert periods(here.view("2026-05"), "month") == {}
    assert lines(here.view("2026-05")) == {"accepted": (1, 1, 10), "excluded:superseded": (1, 1, 10)}


def test_a_restatement_does_not_open_its_periods_again(here: Place) -> None:
    """Known later, but cut off when it was: what was ordered after the cut-off stays future-dated."""
    here.sale("2026-03-10T10:00:00Z")
    here.sale("2026-04-20T10:00:00Z", known="2026-04-21")
    view = here.view("2026-04", known_at="2026-06-01")
    assert periods(view, "month") == {"2026-03-01": 1}
    assert lines(view)["excluded:future_dated"] == (1, 1, 10)


def test_master_data_is_that_of_the_cutoff(here: Place) -> None:
    here.rows["int_item_version"].clear()
    here.item("I1", until="2026-04-15", standard_cost=Decimal(6))
    here.item("I1", known="2026-04-15", standard_cost=Decimal(9))
    here.sale("2026-03-10T10:00:00Z")
    assert periods(here.view("2026-04"), "month", "margin") == {"2026-03-01": 4}
    assert periods(here.view("2026-05"), "month", "margin") == {"2026-03-01": 1}


def test_margin_is_null_as_soon_as_one_cost_is_unknown(here: Place) -> None:
    here.item("I2", standard_cost=None)
    here.sale("2026-03-10T10:00:00Z", sku_id="I2")
    history, _ = demand_history(here.view("2026-04"))
    assert set(history["margin"].to_pylist()) == {None}
    assert set(history["revenue"].to_pylist()) == {Decimal(10)}


@pytest.mark.parametrize(
    ("starts", "ends", "months", "weeks"),
    [
        ("2026-01-28", "2026-02-03", ["2026-01-01", "2026-02-01"], ["2026-01-26", "2026-02-02"]),
        ("2026-02-02", "2026-02-08", ["2026-02-01"], ["2026-02-02"]),
        ("2026-02-08", "2026-02-09", ["2026-02-01"], ["2026-02-02", "2026-02-09"]),
        ("2025-12-29", "2026-01-04", ["2025-12-01", "2026-01-01"], ["2025-12-29"]),
        ("2026-01-31", "2026-03-01", ["2026-01-01", "2026-02-01", "2026-03-01"],
         ["2026-01-26", "2026-02-02", "2026-02-09", "2026-02-16", "2026-02-23"]),
    ],
)  # fmt: skip
def test_a_promotion_flags_every_period_that_it_touches(
    here: Place, starts: str, ends: str, months: list[str], weeks: list[str]
) -> None:
    here.sale("2025-11-10T10:00:00Z")
    here.promotion(starts, ends)
    view = here.view("2026-04")
    assert [day for day, is_on in periods(view, "month", "is_promotion").items() if is_on] == months
    assert [day for day, is_on in periods(view, "week", "is_promotion").items() if is_on] == weeks
    assert sum(periods(view, "month").values()) == 1


def test_a_promotion_ends_at_the_cutoff_and_counts_when_known(here: Place) -> None:
    here.sale("2026-01-10T10:00:00Z")
    here.promotion("2026-03-20", "2026-06-30")
    here.promotion("2026-02-01", "2026-02-07", known="2026-04-20")
    here.promotion("2026-01-10", "2026-01-11", location_id="L9")
    promoted = [day for day, is_on in periods(here.view("2026-04"), "month", "is_promotion").items() if is_on]
    assert promoted == ["2026-03-01", "2026-04-01"]


@pytest.mark.capability("2.5", part="a period without stock is censored, not zero demand")
@pytest.mark.parametrize(
    ("day", "out", "covered", "weeks", "months"),
    [
        ("2026-03-15", 7, 7, ["2026-03-09"], []),  # Sunday: its own week
        ("2026-03-15", 2, 7, ["2026-03-09"], []),  # 2 of 7 days are above a quarter
        ("2026-03-15", 1, 7, [], []),
        ("2026-03-16", 7, 7, ["2026-03-09"], []),  # Monday: six of the seven days lie in the week before
        ("2026-03-01", 7, 7, ["2026-02-23"], []),  # over a month end
        ("2026-03-31", 10, 31, ["2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23"], ["2026-03-01"]),  # a month
        ("2026-03-31", 7, 31, [], []),
        ("2026-03-10", 1, 1, [], []),  # daily counts
    ],
)  # fmt: skip
def test_days_without_stock_belong_to_the_days_that_the_count_covers(
    here: Place, day: str, out: int, covered: int, weeks: list[str], months: list[str]
) -> None:
    here.sale("2026-03-10T10:00:00Z")
    here.count(day, out, covered)
    view = here.view("2026-05")
    assert [start for start, is_out in periods(view, "week", "is_censored").items() if is_out] == weeks
    assert [start for start, is_out in periods(view, "month", "is_censored").items() if is_out] == months


def test_daily_counts_add_up(here: Place) -> None:
    here.sale("2026-03-10T10:00:00Z")
    for day in ("2026-03-12", "2026-03-14"):
        here.count(day, 1, 1)
    view = here.view("2026-05")
    assert [start for start, is_out in periods(view, "week", "is_censored").items() if is_out] == ["2026-03-09"]
    history, _ = demand_history(view)
    reasons = {row["adjustment_reason"] for row in history.to_pylist() if row["is_censored"]}
    assert reasons == {"stockout"}


def test_the_reason_of_a_count_that_came_later_is_not_known_before(here: Place) -> None:
    here.sale("2026-03-10T10:00:00Z")
    here.count("2026-03-15", 7, 7, known="2026-04-10")
    assert not any(periods(here.view("2026-04"), "week", "is_censored").values())
    assert any(periods(here.view("2026-05"), "week", "is_censored").values())


def test_intake_summary_counts_last_month_and_the_age_of_feeds(here: Place) -> None:
    for day in (5, 6, 7):
        here.sale(f"2026-03-{day:02d}T10:00:00Z")
    here.sale("2026-02-10T10:00:00Z")
    here.sale("2026-03-08T10:00:00Z", sku_id="NOBODY")
    here.refused(ordered_at=at("2026-03-10T10:00:00Z"), quantity=Decimal(0), net_amount=Decimal(0))
    row = intake_summary(here.view("2026-04")).iloc[0]
    assert row[["sales_rows", "refused_rows", "last_month_rows", "previous_month_rows"]].tolist() == [5, 2, 3, 1]


def test_sales_rows_that_a_run_kept_say_the_same(here: Place, tmp_path: Path) -> None:
    for day in (5, 6, 7):
        here.sale(f"2026-03-{day:02d}T10:00:00Z", customer_id="K1")
    here.sale("2026-03-08T10:00:00Z", sku_id="NOBODY")
    view, kept = here.view("2026-04"), tmp_path / "scratch" / "sales.parquet"
    history.demand_history(view, tmp_path / "history.parquet", kept)
    pd.testing.assert_frame_equal(intake_summary(view, kept), intake_summary(view))
    # What was kept is what is read: with other rows in its place the answer is another one.
    rows = read_parquet(kept)
    write_parquet(kept, rows.slice(0, 1))
    assert intake_summary(view, kept)["sales_rows"].item() == 1


@pytest.mark.parametrize(
    ("first", "last", "age"),
    [
        (None, None, None),
        ("2026-01-01", "2026-11-30", 0),
        ("2026-01-01", "2026-03-20", 10),
        ("2026-05-01", "2026-11-30", None),
    ],
)
def test_a_first_load_that_came_later_counts_as_having_arrived_row_by_row(
    first: str | None, last: str | None, age: int | None, here: Place
) -> None:
    here.sale("2026-03-05T10:00:00Z")
    view = replace(here.view("2026-04"), known_at=at("2026-03-30T00:00:00Z"))
    known = [f"{day}T00:00:00+00:00" for day in (first, last)] if first else None
    batch = {"system": "erp", "feed": "items", "extracted_at": "2026-12-01T00:00:00+00:00", "assumed_known": known}
    found = intake_summary(replace(view, snapshot=replace(view.snapshot, batches=(batch,))))
    (value,) = found["days_since_last_extract_erp_items"]
    assert (None if isnan(value) else value) == age


@pytest.mark.capability("9.6", part="history is written and read in batches, so a partition's size is no bound")
def test_history_and_profile_do_not_depend_on_the_size_of_batches(
    here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sku in ("S1", "S2", "S3"):
        here.item(sku)
    for number, sku in enumerate(["S1", "S2", "S1", "S3", "S2", "S1"]):
        here.sale(f"2026-0{1 + number % 3}-1{number}T10:00:00Z", quantity=Decimal(1 + number), sku_id=sku)
    view, found = here.view("2026-04"), {}
    for size in (history.BATCH_ROWS, 2):
        for module in (history, grid):
            monkeypatch.setattr(module, "BATCH_ROWS", size)
        path = tmp_path / f"{size}.parquet"
        history.demand_history(view, path)
        groups = pq.read_metadata(path)
        assert max(groups.row_group(group).num_rows for group in range(groups.num_row_groups)) <= size
        assert groups.num_rows > 2
        found[size] = DEMAND_HISTORY.content_hash_file(path), profile.demand_profile(view, path, None)
    whole, parts = found.values()
    assert whole[0] == parts[0]
    assert whole[1].num_rows > 3
    assert whole[1].equals(parts[1])
