"""Which rows the classes of a cycle see first, and where their instants come from: a snapshot written by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from strata.conformed.build import FEEDS, SNAPSHOT_KEYS
from strata.conformed.latency import FEED_TABLES, feed_latency
from strata.conformed.staleness import segment_cadence
from strata.durable import write_parquet
from strata.home import REPOSITORY
from strata.intake.contract import load_contracts
from strata.tables import TABLES
from tests.strata.conformed.place import COLUMNS, Place, at
from tests.strata.conformed.test_supply import SUPPLIER_ITEMS

TERMS = pd.DataFrame(
    [("erp", "sales_order_lines", 24, 30, None), ("crm", "promotions", 0, 192, None), ("erp", "items", 24, 192, None)],
    columns=["system", "feed", "normal_lag_hours", "refresh_sla_hours", "time_zone"],
)
EXTRACTS = {"b1": "2026-06-02T20:00+00:00", "b2": "2026-07-01T00:00+00:00", "b3": "2026-07-02T20:00+00:00"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name in ("fct_sales_line", "fct_promotion", "int_item_version"):
        monkeypatch.setitem(COLUMNS[name], "known_basis", pa.string())
        monkeypatch.setitem(COLUMNS[name], "source_batch_id", pa.string())
    monkeypatch.setitem(COLUMNS["fct_promotion"], "promotion_id", pa.string())
    return Place(tmp_path)


def sale(here: Place, ordered_at: str, known: str, batch: str = "b3", **change: Any) -> None:
    here.sale(ordered_at, known, **({"source_batch_id": batch, "known_basis": "extracted"} | change))


def rows(here: Place, cycle: str = "2026-07", feed: str = "sales_order_lines") -> dict[str, Any]:
    view = here.view(cycle)
    system = TERMS.set_index("feed").loc[feed, "system"]
    batches = tuple(
        {"system": system, "feed": feed, "batch_id": name, "extracted_at": taken} for name, taken in EXTRACTS.items()
    )
    table = feed_latency(replace(view, snapshot=replace(view.snapshot, batches=batches)), TERMS).to_pylist()
    return next(row for row in table if row["feed"] == feed)


@pytest.mark.capability("2.7", part="only what the classes of a cycle see first is measured")
def test_the_classes_see_first_what_closed_since_and_what_was_not_known_then(here: Place) -> None:
    # Cut-offs in Berlin: 3 June and 3 July, 06:00 local, 04:00 UTC.
    sale(
        here, "2026-06-10T00:00", "2026-06-11T00:00", "b2"
    )  # closed since: measured, extracted 49 h before the cut-off
    sale(here, "2026-05-20T00:00", "2026-07-02T20:00")  # of May, but known only now: missed
    sale(here, "2026-05-20T00:00", "2026-06-02T20:00", "b1")  # the classes of June saw it
    sale(here, "2026-07-01T12:00", "2026-07-02T20:00")  # its period is still open
    sale(here, "2026-06-10T00:00", "2026-07-04T00:00")  # not known yet
    sale(here, "2026-06-10T00:00", "2026-07-02T20:00", location_id="L9")  # another region's
    found = rows(here)
    assert (found["measured_rows"], found["missed_share"]) == (2, 0.5)
    assert (found["event_to_known_p50_hours"], found["event_to_known_p95_hours"]) == (24.0, 43 * 24 + 20)
    assert (found["known_to_extracted_p50_hours"], found["known_to_extracted_p95_hours"]) == (0.0, 20 * 24)
    assert (found["extracted_to_class_p50_hours"], found["extracted_to_class_p95_hours"]) == (8.0, 52.0)
    assert found["event_to_class_p50_hours"] == 23 * 24 + 4
    assert (found["needed_hours"], found["late_share"], found["verdict"]) == (54.0, 0.5, "late_rows")


def test_a_correction_is_no_late_arrival(here: Place) -> None:
    sale(here, "2026-05-20T00:00", "2026-06-02T20:00", "b1", order_id="A", until="2026-07-02T20:00")
    sale(here, "2026-05-20T00:00", "2026-07-02T20:00", "b3", order_id="A", quantity=2)
    sale(here, "2026-06-20T00:00", "2026-06-21T00:00", "b2", order_id="B", until="2026-07-02T20:00")
    sale(here, "2026-06-20T00:00", "2026-07-02T20:00", "b3", order_id="B", quantity=2)
    found = rows(here)
    assert (found["measured_rows"], found["missed_share"]) == (1, 0.0)
    assert found["event_to_known_p95_hours"] == 24.0


def test_a_first_load_measures_nothing_and_rows_without_event_only_their_last_hop(here: Place) -> None:
    sale(here, "2026-06-20T00:00", "2026-06-21T00:00", known_basis="assumed")
    here.item("I2", "2026-07-02T20:00", source_batch_id="b3", known_basis="extracted")
    here.item("I2", "2026-06-01T20:00", source_batch_id="b1", known_basis="extracted")
    sales, items = rows(here), rows(here, feed="items")
    assert (sales["assumed_rows"], sales["verdict"], sales["event_to_class_p50_hours"]) == (1, "not_measured", None)
    assert sales["reason"].startswith("first load")
    assert (items["undated_rows"], items["extracted_to_class_p95_hours"]) == (1, 8.0)


def test_a_day_belongs_to_its_own_month_in_every_zone(here: Place) -> None:
    here.zone = "America/New_York"
    for number, day in enumerate(("2026-06-01", "2026-06-30", "2026-07-01")):
        here.promotion(
            day, "2026-07-30", "2026-05-20T00:00", promotion_id=f"P{number}", source_batch_id="b1",
            known_basis="extracted",
        )  # fmt: skip
    found = rows(here, feed="promotions")
    assert found["measured_rows"] == 2  # the one of July is of the next cycle
    # Known before it takes effect; midnight of the day in UTC, as a first load would assume.
    assert found["event_to_known_p50_hours"] == -41 * 24
    assert found["event_to_class_p95_hours"] == 32 * 24 + 10


def test_instants_of_clocks_that_change_are_told_by_the_zone(here: Place) -> None:
    # Berlin's summer time ends on 25 October: from its close at 23:00 UTC to the cut-off at 05:00 UTC it is 54 h.
    sale(here, "2026-10-31T22:30", "2026-11-01T00:30")
    sale(here, "2026-10-31T23:30", "2026-11-01T00:30")  # local November
    view = here.view("2026-11")
    batches = (
        {"system": "erp", "feed": "sales_order_lines", "batch_id": "b3", "extracted_at": "2026-11-01T00:30+00:00"},
    )
    row = feed_latency(replace(view, snapshot=replace(view.snapshot, batches=batches)), TERMS).to_pylist()[2]
    assert (row["feed"], row["measured_rows"], row["needed_hours"]) == ("sales_order_lines", 1, 54.0)
    assert row["close_to_extracted_p95_hours"] == 1.5
    assert view.cutoff == datetime(2026, 11, 3, 5, tzinfo=UTC)
    assert at("2026-10-31T23:00").astimezone(view.calendar.zone("HERE")).date() == date(2026, 11, 1)


def test_every_feed_is_measured_by_the_event_time_of_its_contract() -> None:
    contracts = load_contracts(REPOSITORY / "config" / "feeds")
    assert {f"{system}__{feed}" for system, feed in FEED_TABLES} == set(FEEDS)
    for key, kept in FEED_TABLES.items():
        contract = contracts[key]
        assert kept.event == contract.business_time, key
        assert set(SNAPSHOT_KEYS[kept.table]) == {*contract.key, "known_from"}, key
        assert kept.place is None or kept.place in contract.names, key
        assert kept.place is not None or not {"location_id", "region"} & set(contract.names), key


@pytest.mark.capability("2.7", part="a region without sales has a reason and no number")
def test_a_region_without_sales_has_reasons_only(here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COLUMNS["int_item_version"], "supplier_id", pa.string())
    monkeypatch.setitem(COLUMNS, "int_supplier_item_version", SUPPLIER_ITEMS)
    here.rows["int_supplier_item_version"] = []
    names = ("demand_history", "demand_profile", "demand_forecast", "segment_assignment", "lead_time_profile")
    for name in names:
        write_parquet(tmp_path / f"{name}.parquet", TABLES[name].empty())
    history, profile, forecast, assignment, lead_times = (tmp_path / f"{name}.parquet" for name in names)
    parts = {"profile": profile, "forecast": forecast, "assignment": assignment, "lead_times": lead_times}
    rows = segment_cadence(here.view("2026-07"), history=history, **parts).to_pandas()
    assert set(rows["decision_reason"]) == {"insufficient_history:no_item_compared"}
    assert len(rows) == 17 * 5 and rows["recommended_cadence_days"].isna().all()
    del here.scheme["cadence"]
    assert segment_cadence(here.view("2026-07"), history=history, **parts).num_rows == 0
