"""The rows of the dbt tests: each key is one case of versions, refusals or key figures.

Belongs here: what the sources sent. Does not: what must come out of it.
"""

from typing import Any

from tests.dbt.batches import Batches


def item(sku_id: str, cost: str | None = "1", **more: Any) -> dict[str, Any]:
    """An active item in pieces."""
    return {"sku_id": sku_id, "base_unit": "EA", "standard_cost": cost, "status": "active"} | more


def order(order_id: str, sku_id: str, ordered_at: str, quantity: str, amount: str, **more: Any) -> dict[str, Any]:
    """A sales line at E1."""
    return {
        "order_id": order_id,
        "order_line": 1,
        "sku_id": sku_id,
        "location_id": "E1",
        "ordered_at": ordered_at,
        "quantity": quantity,
        "unit": "EA",
        "net_amount": amount,
        "currency": "EUR",
        "line_type": "sale",
    } | more


def purchase(op: str, position: int, sequence: int, ts: str, quantity: str | None, **more: Any) -> dict[str, Any]:
    """A change of purchase order P1 line 1; a delete carries its key alone."""
    change = {"po_id": "P1", "po_line": 1, "_op": op, "_position": position, "_sequence": sequence, "ts": ts}
    if op == "d":
        return change | more
    return (
        change
        | {
            "supplier_id": "S1",
            "sku_id": "kept",
            "location_id": "E1",
            "ordered_at": "2017-01-02",
            "quantity": quantity,
            "unit": "EA",
            "status": "open",
        }
        | more
    )


def stock(sku_id: str, day: str, units: str, stockout_days: int = 0, unit: str | None = None) -> dict[str, Any]:
    """A stock count at E1, a week after the one before."""
    return {
        "location_id": "E1",
        "sku_id": sku_id,
        "snapshot_date": day,
        "on_hand_units": units,
        "stockout_days": stockout_days,
        "days_covered": 7,
        "unit": unit,
    }


def land(batches: Batches) -> None:
    """Write every batch; the order of calls is not the order of positions."""
    refused = {"_refusal_reason": "out_of_range", "_refusal_column": "standard_cost", "_refused_value": "-1"}
    batches.full(
        "erp__items",
        "2017-01-01",
        [item("kept"), item("corrected"), item("gone"), item("returns"), item("spoiled")],
        initial=True,
    )
    batches.full(
        "erp__items",
        "2017-03-01",
        [item("kept"), item("corrected", "3"), item("returns"), item("spoiled"), item("new")],
    )
    # arrives last, belongs in the middle
    batches.full(
        "erp__items",
        "2017-02-01",
        [item("kept"), item("corrected", "2"), item("spoiled", None, **refused)],
    )
    batches.full("erp__suppliers", "2017-01-01", [{"supplier_id": "S1", "supplier_name": "One"}], initial=True)
    batches.full(
        "erp__customers",
        "2017-01-01",
        [{"customer_id": "C1", "customer_name": "First", "region": "EAST", "priority": 1}],
        initial=True,
    )
    site = {"location_name": "East", "region": "EAST", "location_type": "dc", "time_zone": "America/New_York"}
    batches.full("wms__sites", "2017-01-01", [{"location_id": "E1"} | site], initial=True)

    batches.full(
        "erp__sales_order_lines",
        "2017-02-02",
        [
            order("O1", "kept", "2017-01-05 10:00", "2", "20.00"),
            order("O2", "kept", "2017-02-01 10:00", "4", "40.00"),
        ],
        initial=True,
        known_from=["2017-01-06 10:00", "2017-02-02 10:00"],
    )
    batches.full(
        "erp__sales_order_lines",
        "2017-03-02",
        [
            # O1 again, unchanged; O2 corrected; a refused line beside a good one
            order("O1", "kept", "2017-01-05 10:00", "2", "20.00"),
            order("O2", "kept", "2017-02-01 10:00", "5", "50.00"),
            order("O3", "corrected", "2017-02-20 23:30", "1", "9.99"),
            order("O4", "kept", "2017-02-21 08:00", None, "7.50")
            | {"_refusal_reason": "not_positive", "_refusal_column": "quantity", "_refused_value": "-1"},
        ],
    )
    batches.cdc(
        "erp__purchase_order_lines",
        "2017-01-10",
        [
            # two changes at one position and instant: the second counts
            purchase("u", 100, 1, "2017-01-02 08:00", "10"),
            purchase("u", 100, 2, "2017-01-02 08:00", "11"),
            purchase("u", 300, 1, "2017-01-04 08:00", "13"),
            # the source's clock went back: known no sooner than the change before it
            purchase("u", 400, 1, "2017-01-03 08:00", "14"),
        ],
    )
    # a lower position that arrives later, replayed in part
    batches.cdc(
        "erp__purchase_order_lines",
        "2017-01-12",
        [purchase("u", 200, 1, "2017-01-03 08:00", "12"), purchase("u", 300, 1, "2017-01-04 08:00", "13")],
    )
    batches.cdc(
        "erp__purchase_order_lines",
        "2017-01-20",
        [
            purchase("d", 500, 1, "2017-01-15 08:00", None),
            purchase("d", 500, 2, "2017-01-15 08:00", None),
            purchase("u", 600, 1, "2017-01-18 08:00", "20"),
            # never there, deleted all the same
            purchase("d", 700, 1, "2017-01-19 08:00", None, po_id="P2"),
        ],
    )
    batches.full(
        "wms__stock_snapshots",
        "2017-03-01",
        [
            stock("kept", "2017-01-29", "99"),
            stock("kept", "2017-02-12", "10", stockout_days=2),
            stock("kept", "2017-02-26", "2", unit="CS"),
            stock("corrected", "2017-02-26", "4", stockout_days=7),
            stock("returns", "2017-02-26", "3", unit="PAL"),
        ],
    )
    _land_departments(batches)


def parameters(sku_id: str, reorder: str, safety: str | None = "2") -> dict[str, Any]:
    """What MRP holds of an item at E1."""
    return {
        "sku_id": sku_id,
        "location_id": "E1",
        "reorder_point_units": reorder,
        "safety_stock_units": safety,
        "planned_delivery_days": 5,
    }


def shipment(arrived: str | None, **more: Any) -> dict[str, Any]:
    """A delivery from E1 to C1."""
    return {
        "shipment_id": "SH1",
        "shipment_line": 0,
        "direction": "outbound",
        "location_id": "E1",
        "partner_id": "C1",
        "mode": "ltl",
        "planned_arrival_at": "2017-02-28 12:00",
        "actual_arrival_at": arrived,
        "status": "delivered" if arrived else "under_way",
        "weight_kg": "12.5",
    } | more


def term(share: str, **more: Any) -> dict[str, Any]:
    """A promise of contract K1."""
    return {
        "contract_id": "K1",
        "term_id": "fill",
        "account_id": "A1",
        "scope_type": "total",
        "metric": "fill_rate",
        "target_share": share,
        "basis": "line",
        "measurement_window": "month",
        "priority": 1,
        "penalty_type": "none",
        "valid_from": "2017-01-01",
    } | more


def budget(version: str, start: str, value: str) -> dict[str, Any]:
    """A line of the stock budget of EAST."""
    return {
        "budget_version": version,
        "region": "EAST",
        "scope_type": "total",
        "scope_value": "all",
        "period_start": start,
        "period_end": start,
        "fiscal_year": 2017,
        "fiscal_period": int(start[5:7]),
        "budget_value": value,
        "currency": "EUR",
        "status": "approved",
    }


def _land_departments(batches: Batches) -> None:
    """Planning, transport, customers' promises: states that change and end, events that come again."""
    batches.full(
        "erp__planning_parameters",
        "2017-02-01",
        [parameters("kept", "5"), parameters("corrected", "7"), parameters("gone", "1", None)],
        initial=True,
    )
    batches.full("erp__planning_parameters", "2017-03-01", [parameters("kept", "5"), parameters("corrected", "9")])
    batches.full("tms__shipments", "2017-03-01", [shipment(None), shipment(None, shipment_id="SH2")])
    batches.full("tms__shipments", "2017-04-01", [shipment("2017-03-01 09:30")])
    refused = {"_refusal_reason": "out_of_range", "_refusal_column": "target_share", "_refused_value": "97"}
    batches.full("crm__sla_terms", "2017-02-01", [term("0.97"), term("0.95", term_id="otif", metric="otif")])
    batches.full("crm__sla_terms", "2017-03-01", [term("0.98"), term("0", **refused, term_id="otif", metric="otif")])
    batches.full(
        "erp__inventory_budget",
        "2017-02-01",
        [budget("2017-plan", "2017-01-01", "100"), budget("2017-plan", "2017-02-01", "110")],
        initial=True,
        known_from=["2016-12-02", "2017-01-02"],
    )
    batches.full("erp__inventory_budget", "2017-03-01", [budget("2017-plan", "2017-02-01", "90")])
