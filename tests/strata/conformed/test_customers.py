"""What customers bought and cost, from a snapshot written by hand."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from strata.conformed.customers import CustomerTables, customer_tables
from strata.durable import write_parquet
from strata.tables import SEGMENT_ASSIGNMENT
from tests.strata.conformed.place import Place


@pytest.fixture
def here(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    for number, tier in (("K1", "key"), ("K2", "standard")):
        place.add("int_customer_version", customer_id=number, priority=1 if tier == "key" else 3)
        place.add("int_account_version", account_id=f"A-{number}", customer_id=number, tier=tier, status="active")
    return place


def sale(here: Place, day: str, customer: str | None, channel: str | None = "store", **change: Any) -> None:
    here.sale(f"{day}T12:00", **({"customer_id": customer, "channel": channel} | change))


def decided(
    here: Place, cycle: str = "2026-07", known_at: str = "", segment: str = "AX", **previous: Any
) -> CustomerTables:
    view = here.view(cycle, known_at=known_at)
    row: dict[str, Any] = dict.fromkeys(SEGMENT_ASSIGNMENT.names)
    row |= {
        "sku_id": "I1", "location_id": "*", "region": "HERE", "cycle": cycle, "valid_for_cycle": cycle,
        "segment": segment, "computed_segment": segment, "value_class": segment[0], "variability_class": segment[1],
        "demand_class": "smooth", "lifecycle_state": "mature", "as_known_at": view.cutoff, "revenue": 0,
        "fallback_level": "own", "confidence": 1.0, "scheme_version": "2017.1", "decision_reason": "by hand",
        "is_suspended": False,
    }  # fmt: skip
    path = here.folder / f"assignment-{here.taken}.parquet"
    write_parquet(path, pa.Table.from_pylist([row], schema=SEGMENT_ASSIGNMENT.schema))
    return customer_tables(view, path, previous.get("customers"), previous.get("channels"))


def of(table: pa.Table, key: str, value: str) -> dict[str, Any]:
    return next(row for row in table.to_pylist() if row[key] == value)


@pytest.mark.capability("1.5", part="orders, lines, returns and freight of a customer at the rates of the scheme")
def test_sums_and_cost_to_serve_by_hand(here: Place) -> None:
    # Item cost 6 (place.py). K1: one order of two lines of 10, and a line sent back; freight 3 + 2 USD at 0.5.
    here.rate("USD/EUR", "2026-06-08", "0.5")
    for line in (1, 2):
        sale(here, "2026-06-10", "K1", order_id="O1", order_line=line)
    sale(here, "2026-06-11", "K1", order_id="R1", line_type="return")
    sale(here, "2026-06-12", "K2", order_id="O2", net_amount=100)
    here.shipment("2026-06-10T08:00", "K1", "3")
    here.shipment("2026-06-11T08:00", "K1", None, planned_cost=2, currency="USD")
    here.shipment("2026-06-11T08:00", "K1", "900", status="cancelled")
    here.shipment("2026-06-11T08:00", "K1", "900", direction="inbound")
    found = decided(here)
    row = of(found.customer_segment, "customer_id", "K1")
    assert (row["revenue"], row["margin"], row["orders"], row["order_lines"], row["return_lines"]) == (20, 8, 1, 2, 1)
    assert (row["shipments"], row["freight"], row["items"], row["channel"]) == (2, 4, 1, "store")
    # 1 order at 0.50, 2 lines at 0.05, 1 return at 1.00, freight 4.00
    assert float(row["cost_to_serve"]) == 5.6
    assert row["cost_share"] == pytest.approx(5.6 / 8)
    assert (row["sla_tier"], row["priority"], row["segment"]) == ("key", 1, "BH")
    channel = of(found.channel_segment, "channel", "store")
    assert (channel["revenue"], channel["customers"], channel["orders"], channel["freight"]) == (120, 2, 2, 4)


@pytest.mark.capability("1.5", part="freight of unknown cost makes the cost to serve unknown, never zero")
def test_freight_without_a_rate_is_unknown(here: Place) -> None:
    sale(here, "2026-06-10", "K1")
    here.shipment("2026-06-10T08:00", "K1", "3", currency="JPY")
    row = of(decided(here).customer_segment, "customer_id", "K1")
    assert (row["unpriced_shipments"], row["freight"], row["cost_to_serve"], row["cost_class"]) == (1, None, None, "U")


def test_freight_is_split_over_channels_by_revenue(here: Place) -> None:
    sale(here, "2026-06-10", "K1", "store", net_amount=30)
    sale(here, "2026-06-10", "K1", "web", net_amount=10)
    here.shipment("2026-06-10T08:00", "K1", "8")
    channels = decided(here).channel_segment
    assert float(of(channels, "channel", "store")["freight"]) == 6
    assert float(of(channels, "channel", "web")["freight"]) == 2


@pytest.mark.capability("1.3", part="customers as they were known at the cut-off, over the value window")
def test_nothing_open_nothing_learned_later_and_nothing_old(here: Place) -> None:
    sale(here, "2026-06-10", "K1")
    sale(here, "2026-07-01", "K1", net_amount=500)  # its period is open
    sale(here, "2025-06-30", "K1", net_amount=500)  # before the twelve months
    sale(here, "2026-06-20", "K1", known="2026-07-20T00:00", net_amount=500)  # learned later
    sale(here, "2026-06-10", None, None)
    found = decided(here).customer_segment
    assert of(found, "customer_id", "K1")["revenue"] == 10
    nobody = of(found, "customer_id", "?")
    assert (nobody["revenue"], nobody["segment"], nobody["decision_reason"]) == (10, "UU", "not_stated")
    later = decided(here, known_at="2026-08-01T00:00")
    assert of(later.customer_segment, "customer_id", "K1")["revenue"] == 510


def test_a_customer_without_purchases_in_the_window_stays_and_is_worth_nothing(here: Place) -> None:
    sale(here, "2025-05-10", "K2")
    sale(here, "2026-06-10", "K1")
    row = of(decided(here).customer_segment, "customer_id", "K2")
    assert (row["revenue"], row["value_class"], row["last_period"].isoformat()) == (0, "U", "2025-05-01")


def test_the_class_before_is_remembered(here: Place) -> None:
    for month in ("04", "05", "06"):
        sale(here, f"2026-{month}-10", "K1")
        sale(here, f"2026-{month}-10", "K2", net_amount=90)
    first = decided(here, "2026-06")
    second = decided(here, "2026-07", customers=first.customer_segment, channels=first.channel_segment)
    row = of(second.customer_segment, "customer_id", "K2")
    assert row["previous_segment"] == of(first.customer_segment, "customer_id", "K2")["segment"] == "AL"
    assert row["decision_reason"] == "value:unchanged;cost:unchanged"


@pytest.mark.capability("1.3", part="the product x customer matrix adds up to what named customers bought")
def test_the_matrix_adds_up(here: Place) -> None:
    sale(here, "2026-06-10", "K1", net_amount=10)
    sale(here, "2026-06-10", "K2", net_amount=40)
    cells = decided(here, segment="CZ").service_matrix.to_pylist()
    assert sum(cell["revenue"] for cell in cells) == 50
    assert {(cell["item_segment"], cell["customer_class"]): float(cell["revenue_share"]) for cell in cells} == {
        ("CZ", "A"): 0.8, ("CZ", "B"): 0.2,
    }  # fmt: skip
    assert [cell["decision_reason"] for cell in cells] == ["customer_floor", "customer_floor"]


def test_a_scheme_without_customers_has_no_rows(here: Place) -> None:
    del here.scheme["customers"]
    sale(here, "2026-06-10", "K1")
    found = decided(here)
    assert not found.customer_segment.num_rows + found.channel_segment.num_rows + found.service_matrix.num_rows


def test_the_account_that_is_active_names_the_tier(here: Place) -> None:
    here.add("int_account_version", account_id="A-0", customer_id="K1", tier="standard", status="inactive")
    here.add(
        "int_account_version", known="2026-07-20T00:00", account_id="A-1", customer_id="K2", tier="key", status="active"
    )
    sale(here, "2026-06-10", "K1")
    sale(here, "2026-06-10", "K2")
    tiers = {row["customer_id"]: row["sla_tier"] for row in decided(here).customer_segment.to_pylist()}
    assert tiers == {"K1": "key", "K2": "standard"}
