"""How feeds stand at a cut-off: whose rows are counted, which refusals stand, what a state is compared with."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from strata.home import Home
from strata.intake.batches import accepted_batches
from strata.intake.contract import Contract
from strata.intake.land import land
from strata.intake.standing import STANDING_COLUMNS, Refusal, stand
from tests.strata.intake.drops import CONTRACTS, ITEM_HEADER, ITEMS, SALES, SALES_HEADER, drop, item, sale, text

BEFORE, AT = datetime(2017, 4, 3, tzinfo=UTC), datetime(2017, 5, 3, tzinfo=UTC)
MAY = "2017-05-01T02:00:00Z"


def sales(home: Home, *lines: str, extract_id: str = "x1", at: str = MAY) -> None:
    drop(home.landing, {"a.csv": text(SALES_HEADER, *lines)}, len(lines), extract_id=extract_id, extracted_at=at)


def items(home: Home, count: int, day: int) -> None:
    data = text(ITEM_HEADER, *(item(sku_id=f"I{n}") for n in range(count)))
    options = {"extract_id": f"x{day}", "extracted_at": f"2017-04-{day:02d}T02:00:00Z"}
    drop(home.landing, {"a.csv": data}, count, contract=ITEMS, **options)


def feeds(home: Home, *refusals: Refusal, **changes: Any) -> pd.DataFrame:
    land(home, CONTRACTS)
    given: dict[str, Any] = {
        "region": "NORTH", "places": {"L1"}, "elsewhere": {"L2"}, "months": {}, "since": BEFORE, "known_at": AT,
    }  # fmt: skip
    frame = stand(accepted_batches(home), refusals, CONTRACTS, **{**given, **changes})
    assert list(frame.columns) == list(STANDING_COLUMNS)
    return frame.set_index("feed")


def test_a_region_counts_its_own_rows_and_refused_rows_of_nobody_knows_whom(tmp_path: Path) -> None:
    home = Home(tmp_path)
    lines = [
        sale(),
        sale(order_line="2", quantity="bad"),
        sale(order_line="3", location_id="L2", quantity="bad"),
        sale(order_line="4", location_id="L2"),
        sale(order_line="5", location_id=""),
        sale(order_line="6", location_id="L9", quantity="bad"),
        sale(order_line="7", location_id="L9"),
    ]
    sales(home, *lines)
    sales(home, sale(quantity="bad"), extract_id="old", at="2017-04-02T02:00:00Z")
    row = feeds(home).loc["erp/sales_order_lines"]
    assert (row["rows"], row["refused_rows"]) == (4, 3), "L1: good and bad; of all: without a place, and of L9"
    assert (row["suspend_share"], row["age_hours"]) == (SALES.thresholds.suspend_refused_share, 46.0)


def test_a_feed_that_never_had_a_row_of_the_region_does_not_touch_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    sales(home, sale())
    items(home, 3, 20)
    assert list(feeds(home).index) == ["erp/items", "erp/sales_order_lines"]
    assert list(feeds(home, places={"L2"}, elsewhere={"L1"}).index) == ["erp/items"], "master data touches everyone"


def test_a_state_is_compared_with_the_one_before_and_sales_by_month(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for count, day in ((10, 10), (4, 20), (5, 21)):
        items(home, count, day)
    sales(home, sale())
    months = {("erp", "sales_order_lines"): (4, 10)}
    frame = feeds(home, months=months)
    assert tuple(frame.loc["erp/items", ["newest_rows", "rows_before"]]) == (5, 4)
    assert tuple(frame.loc["erp/sales_order_lines", ["newest_rows", "rows_before"]]) == (4, 10)
    earlier = feeds(home, known_at=datetime(2017, 4, 15, tzinfo=UTC))
    assert earlier.loc["erp/items", ["newest_rows", "rows_before"]].isna().all(), "there is nothing before the first"


def test_of_a_first_load_that_came_later_the_assumed_part_counts(tmp_path: Path) -> None:
    home = Home(tmp_path)
    lines = [sale(ordered_at=f"2017-0{month}-10T10:00:00Z", order_line=str(month)) for month in (3, 4, 6)]
    data = text(SALES_HEADER, *lines)
    drop(home.landing, {"a.csv": data}, 3, extracted_at="2017-07-01T00:00:00Z", initial_load=True)
    assert feeds(home).loc["erp/sales_order_lines", "age_hours"] == 0
    before = feeds(home, known_at=datetime(2017, 3, 1, tzinfo=UTC), since=datetime(2017, 2, 1, tzinfo=UTC))
    assert before.empty, "nothing of it was known in February"


def test_a_refusal_stands_until_a_younger_extract_is_accepted(tmp_path: Path) -> None:
    home = Home(tmp_path)
    sales(home, sale())

    def refused(day: int, reason: str) -> Refusal:
        return Refusal("erp", "sales_order_lines", datetime(2017, 5, day, 5, tzinfo=UTC), reason)

    before = Refusal("erp", "sales_order_lines", datetime(2017, 4, 30, tzinfo=UTC), "column_missing")
    after = refused(9, "column_missing")
    assert feeds(home, before, after)["refusal"].isna().all(), "one is made up for, one was not known"
    standing = feeds(home, refused(1, "column_missing"), refused(2, "gzip_damaged")).iloc[0]
    assert (standing["refusal"], bool(standing["shape_changed"])) == ("gzip_damaged", True)
    assert not feeds(home, refused(2, "gzip_damaged")).iloc[0]["shape_changed"]


def test_a_feed_that_was_only_refused_is_shown_without_an_age(tmp_path: Path) -> None:
    refusal = Refusal("erp", "items", AT, "gzip_damaged")
    unknown = Refusal("erp", "surprise", AT, "unknown_feed")
    frame = feeds(Home(tmp_path), refusal, unknown)
    assert list(frame.index) == ["erp/items"] and frame["age_hours"].isna().all()


def test_a_grant_holds_through_its_last_day(tmp_path: Path) -> None:
    home = Home(tmp_path)
    sales(home, sale())
    land(home, CONTRACTS)
    for expiry, is_expired in (("2017-05-03", False), ("2017-05-02", True)):
        contract = Contract.model_validate({**SALES.model_dump(), "expiry": expiry})
        terms = {("erp", "sales_order_lines"): contract}
        frame = stand(
            accepted_batches(home), [], terms, region="NORTH", places={"L1"}, elsewhere=set(), months={},
            since=BEFORE, known_at=AT,
        )  # fmt: skip
        assert bool(frame["is_expired"][0]) is is_expired
        assert frame["quarantine_share"][0] == SALES.thresholds.quarantine_refused_share
