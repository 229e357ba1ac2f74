"""A tiny valid company: 12 items x 2 locations of region EMEA in cycle 2026-07, one frame per judged table.

Belongs here: numbers that fit together, so that every gate passes. Does not: spoiling them (the tests). Weeks are
chosen inside one month each, so that week and month buckets hold the same closed and open demand.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa

from strata.partition import Partition
from strata.scheme.load import load_scheme
from strata.scheme.model import Scheme
from strata.tables import QUANTILE_COLUMNS, TABLES

PARTITION = Partition("EMEA", "2026-07")
ITEMS = tuple(f"{number:05d}" for number in range(1, 13))
LOCATIONS = ("DC1", "DC2")
SUPPLIERS = ("S1", "S2")
# Mondays whose week lies in one month; the last one is still open at the cut-off of 3 July, like its month.
WEEKS = tuple(date(2026, month, day) for month, day in ((1, 5), (2, 2), (3, 2), (4, 6), (5, 4), (6, 8)))
OPEN_WEEK = date(2026, 7, 6)
FIRST_FORECAST = date(2026, 6, 29)
SEGMENTS = ("AX", "AY", "BX", "BY", "BZ", "CX", "CX", "CY", "CY", "CZ", "CZ", "UX")
PREVIOUS = ("AX", "AX", "BX", "BY", "BZ", "CX", "CX", "CY", "CY", "CZ", "CZ", "UX")
PRICE = Decimal("2.5000")


@cache
def scheme() -> Scheme:
    """The shipped scheme."""
    return load_scheme(Path(__file__).resolve().parents[2] / "config" / "schemes" / "2017.1.yml").scheme


@cache
def tables(*, previous_exists: bool = True) -> Mapping[str, pa.Table]:
    """All judged tables, conformed; built once, since Arrow tables do not change."""
    frames = {
        "demand_history": _history(),
        "demand_profile": _profile(),
        "segment_assignment": _assignment(previous_exists=previous_exists),
        "demand_forecast": _forecast(),
        "lead_time_profile": _lead_times(),
        "inventory_policy": _policies(),
        "segment_migration": _migration(previous_exists=previous_exists),
        "reconciliation": _reconciliation(),
        "control_total": _control_totals(),
        "hierarchy_conflict": _conflicts(),
    }
    return MappingProxyType({name: conformed(name, rows) for name, rows in frames.items()})


def intake_summary() -> pd.DataFrame:
    """The region's row, and another region's that must not be looked at."""
    return pd.DataFrame(
        {
            "region": ["APAC", "EMEA"],
            "cycle": ["2026-07", "2026-07"],
            "sales_rows": [0, 24],
            "refused_rows": [9, 0],
            "orphan_rows": [9, 0],
            "unplaced_rows": [0, 0],
            "previous_month_rows": [0, 24],
            "last_month_rows": [0, 24],
            "held_extracts": [2, 0],
            "days_since_last_extract_erp_sales_order_lines": [400.0, 1.0],
            "days_since_last_extract_erp_items": [400.0, 3.0],
        }
    )


def feeds() -> pd.DataFrame:
    """Two feeds that keep their contracts."""
    kept = {
        "rows": 1000, "refused_rows": 0, "unknown_keys": 0, "warn_share": 0.001, "quarantine_share": 0.005,
        "suspend_share": 0.02,
        "age_hours": 12.0, "sla_hours": 30.0, "newest_rows": 100, "rows_before": 100, "max_volume_drop": 0.5,
        "max_volume_rise": 5.0, "expiry": "2030-12-31", "is_expired": False, "refusal": None, "shape_changed": False,
    }  # fmt: skip
    increments = {"newest_rows": None, "rows_before": None, "max_volume_drop": None, "max_volume_rise": None}
    return pd.DataFrame([{"feed": "erp/items", **kept}, {"feed": "wms/stock_snapshots", **kept, **increments}])


def conformed(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as the declared table: stamps and suspension columns are added, absent nullable columns are null."""
    table = TABLES[name]
    stamp: dict[str, Any] = {
        "region": "EMEA",
        "cycle": "2026-07",
        "valid_for_cycle": "2026-07",
        "scheme_version": "2017.1",
    }
    if table.decided:
        stamp |= {"is_suspended": False, "decision_reason": "rule"}
    full = [{**dict.fromkeys(table.names), **stamp, **row} for row in rows]
    return table.conform(pa.Table.from_pylist(full, schema=pa.schema([pa.field(f.name, f.type) for f in table.schema])))


def spoiled(table: pa.Table, row: int, **values: Any) -> pa.Table:
    """A copy with other values in one row; types stay, null is allowed anywhere."""
    for name, value in values.items():
        field = table.schema.field(name)
        cells = table.column(name).to_pylist()
        cells[row] = value
        place = table.schema.get_field_index(name)
        table = table.set_column(place, pa.field(name, field.type), pa.array(cells, type=field.type))
    return table


def where(table: pa.Table, **values: Any) -> int:
    """The first row with these values."""
    return next(
        i for i, row in enumerate(table.to_pylist()) if all(row[name] == value for name, value in values.items())
    )


def _units(item: int, location: str) -> Decimal:
    return Decimal(item + (10 if location == "DC1" else 20))


def _places() -> list[tuple[int, str, str]]:
    return [(item, sku, location) for item, sku in enumerate(ITEMS) for location in LOCATIONS]


def _history() -> list[dict[str, Any]]:
    rows = []
    for item, sku, location in _places():
        for week in (*WEEKS, OPEN_WEEK):
            units = _units(item, location)
            for bucket, start in (("week", week), ("month", week.replace(day=1))):
                rows.append({
                    "sku_id": sku, "location_id": location, "bucket": bucket, "period_start": start,
                    "is_partial": week == OPEN_WEEK, "demand_units": units, "baseline_units": units,
                    "revenue": units * PRICE, "margin": units, "order_lines": 1,
                    "is_promotion": False, "is_outlier": False, "is_censored": False,
                })  # fmt: skip
    return rows


def _profile() -> list[dict[str, Any]]:
    rows = []
    for item, sku, location in [*_places(), *((item, sku, "*") for item, sku in enumerate(ITEMS))]:
        rows.append({
            "sku_id": sku, "location_id": location, "bucket": "month" if location == "*" else "week",
            "periods_observed": 6, "periods_censored": 0, "periods_unreported": 0,
            "demand_periods": 6, "mean_units_period": 10.0 + item,
            "cv": 0.2, "adi": 1.0, "cv2_nonzero": 0.04, "trend_strength": 0.1, "seasonal_strength": 0.2,
            "demand_class": "smooth", "revenue": Decimal(100), "margin": Decimal(20), "demand_units": Decimal(60),
            "order_lines": 6, "launch": WEEKS[0], "first_sale": WEEKS[0], "last_sale": WEEKS[-1], "recent_ratio": 1.0,
            "shift_z": 0.0, "is_true_shift": False, "lifecycle_state": "mature", "fallback_level": "own",
            "confidence": 0.5,
        })  # fmt: skip
    return rows


def _assignment(*, previous_exists: bool) -> list[dict[str, Any]]:
    rows = []
    for item, sku in enumerate(ITEMS):
        segment = SEGMENTS[item]
        rows.append({
            "sku_id": sku, "location_id": "*", "value_class": segment[0], "variability_class": segment[1],
            "demand_class": "smooth", "lifecycle_state": "mature", "segment": segment, "computed_segment": segment,
            "previous_segment": PREVIOUS[item] if previous_exists else None,
            "cumulative_share": None if segment[0] == "U" else (item + 1) / 11,
            "as_known_at": datetime(2026, 7, 3, 4, tzinfo=UTC), "revenue": Decimal(100), "fallback_level": "own",
            "confidence": 0.5,
        })  # fmt: skip
    return rows


def _forecast() -> list[dict[str, Any]]:
    rows = []
    for item, sku, location in _places():
        for ahead in range(1, 14):
            mean = float(_units(item, location))
            quantiles = {name: mean * (0.5 + 0.1 * place) for place, name in enumerate(QUANTILE_COLUMNS)}
            rows.append({
                "sku_id": sku, "location_id": location, "period_start": FIRST_FORECAST + timedelta(weeks=ahead - 1),
                "bucket": "week", "horizon": ahead, "mean_units": mean, **quantiles, "error_sd_units": 2.0,
                "method": "ses", "forecast_level": "item",
            })  # fmt: skip
    return rows


def _lead_times() -> list[dict[str, Any]]:
    statistics = {"mean_days": 7.0, "sd_days": 1.0, "p50_days": 7.0, "p90_days": 9.0}
    lanes = [
        {
            "supplier_id": supplier,
            "location_id": location,
            "receipts": 12,
            "open_lines": 1,
            "unconverted_lines": 0,
            **statistics,
        }
        for supplier in SUPPLIERS
        for location in LOCATIONS
    ]
    single = {
        "supplier_id": "S3",
        "location_id": "DC1",
        "receipts": 1,
        "open_lines": 0,
        "unconverted_lines": 0,
        **statistics,
        "sd_days": None,
    }
    none = {"supplier_id": "S4", "location_id": "DC1", "receipts": 0, "open_lines": 2, "unconverted_lines": 0}
    return [*lanes, single, none]


def _policies() -> list[dict[str, Any]]:
    rows = []
    policies: Mapping[str, Any] = scheme().policies
    for item, sku, location in _places():
        segment = SEGMENTS[item]
        policy = policies[segment]
        row: dict[str, Any] = {
            "sku_id": sku, "location_id": location, "segment": segment, "policy_type": policy.policy_type,
            "effective_from": date(2026, 7, 1),
        }  # fmt: skip
        if policy.policy_type != "none":
            row |= {
                "service_metric": policy.service_metric, "service_target": policy.service_target,
                "review_days": policy.review_days, "lead_time_mean_days": 7.0, "lead_time_sd_days": 1.0,
                "lead_time_level": "lane", "demand_distribution": "normal", "protection_mean_units": 20.0,
                "protection_sd_units": 4.0, "safety_stock_units": 8.0, "order_up_to_units": 28.0,
                "order_quantity_units": 12.0, "order_multiple_units": 6.0, "min_units": 8.0, "max_units": 40.0,
                "expected_fill_rate": 0.99, "expected_csl": 0.97, "expected_stock_units": 14.0,
                "holding_cost_year": 3.0, "binding_constraint": "service",
            }  # fmt: skip
        rows.append(row)
    return rows


def _migration(*, previous_exists: bool) -> list[dict[str, Any]]:
    paths: dict[tuple[str, str], int] = {}
    for before, now in zip(PREVIOUS, SEGMENTS, strict=True):
        path = (before if previous_exists else "new", now)
        paths[path] = paths.get(path, 0) + 1
    if previous_exists:
        paths["CZ", "gone"] = 2
    quiet = ("new", "gone")
    return [
        {
            "from_segment": before, "to_segment": now, "items": items, "revenue": Decimal(100 * items),
            "true_shift_items": 0,
            "noise_items": 0 if before == now or before in quiet or now in quiet else items,
        }
        for (before, now), items in paths.items()
    ]  # fmt: skip


def _reconciliation() -> list[dict[str, Any]]:
    per_week = sum((_units(item, location) for item, _, location in _places()), Decimal(0))
    count = len(_places())
    rows = []
    for bucket in ("week", "month"):
        parts: dict[tuple[str, str], tuple[int, Decimal, Decimal]] = {
            ("history", "-"): (count * len(WEEKS), per_week * len(WEEKS), per_week * len(WEEKS) * PRICE),
            ("open", "-"): (count, per_week, per_week * PRICE),
            ("quarantined", "unit_unknown"): (2, Decimal("3.5"), Decimal("8.7500")),
            ("excluded", "coupon_misc"): (1, Decimal(1), Decimal("0.0100")),
        }
        sums = [sum((part[place] for part in parts.values()), Decimal(0)) for place in range(3)]
        for (line, reason), (lines, units, amount) in {
            **parts,
            ("accepted", "-"): (int(sums[0]), sums[1], sums[2]),
        }.items():
            rows.append({
                "line": line, "reason": reason, "bucket": bucket, "currency": "EUR", "base_unit": "EA",
                "line_count": lines, "units": units, "amount": amount,
            })  # fmt: skip
    return rows


def _control_totals() -> list[dict[str, Any]]:
    common = {
        "system": "erp", "feed": "sales_order_lines", "batch_id": "b1", "extract_id": "x1", "verdict": "matched",
        "extracted_at": datetime(2026, 7, 2, 2, tzinfo=UTC),
    }  # fmt: skip
    sums = {"rows": (10, 7, 2, 1), "quantity": (55, 40, 10, 5)}
    names = ("stated", "accepted", "refused", "repeated")
    return [
        common | {"measure": measure} | dict(zip(names, map(Decimal, values), strict=True))
        for measure, values in sums.items()
    ]


def _conflicts() -> list[dict[str, Any]]:
    row = {
        "level": "category", "conflict": "sources_disagree", "changes_decision": False, "change": "none",
        "revenue_at_stake": Decimal(5), "current_class": "A", "candidate_classes": "A", "chosen_source": "item_master",
        "chosen_node": "GOODS", "resolution": "precedence:item_master", "since": date(2026, 1, 1), "candidates": "[]",
    }  # fmt: skip
    return [row | {"sku_id": sku, "queue_rank": rank} for rank, sku in enumerate(ITEMS[:2], start=1)]
