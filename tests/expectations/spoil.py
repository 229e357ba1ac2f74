"""One spoiled copy of the tiny company per expectation: a suite that cannot fail is not a check.

Belongs here: the smallest change that breaks exactly the rule it is named after (others may break with it). Does
not: asserting (`test_suites`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from expectations.gate import STAGES, Case
from strata.tables import TABLES
from tests.expectations import company

Change = Callable[[Case], Case]
AGE = "days_since_last_extract_erp_items"


@dataclass(frozen=True, slots=True)
class Spoil:
    """What to change and what the gate must then say."""

    change: Change
    verdict: str = "suspend"


def case(*, previous_exists: bool = True) -> Case:
    """The valid company."""
    return Case(
        company.tables(previous_exists=previous_exists),
        company.scheme(),
        company.PARTITION,
        company.intake_summary(),
        company.feeds(),
        pa.array(company.ITEMS, type=pa.string()),
        previous_exists,
    )


def with_table(case: Case, name: str, table: pa.Table) -> Case:
    """The case with another table."""
    return replace(case, tables={**case.tables, name: table})


def row(name: str, place: int, **values: Any) -> Change:
    """Other values in one row."""
    return lambda case: with_table(case, name, company.spoiled(case.tables[name], place, **values))


def at(name: str, key: dict[str, Any], **values: Any) -> Change:
    """Other values in the row with this key."""
    return lambda case: with_table(
        case, name, company.spoiled(case.tables[name], company.where(case.tables[name], **key), **values)
    )


def every(name: str, column: str, value: Any) -> Change:
    """One value in a whole column."""

    def change(case: Case) -> Case:
        table = case.tables[name]
        place = table.schema.get_field_index(column)
        kind = table.schema.field(column).type
        cells = pa.array([value] * table.num_rows, type=kind)
        return with_table(case, name, table.set_column(place, pa.field(column, kind), cells))

    return change


def drop(name: str, places: set[int]) -> Change:
    """Without some rows."""
    return lambda case: with_table(
        case, name, case.tables[name].filter(pa.array([i not in places for i in range(case.tables[name].num_rows)]))
    )


def drop_where(name: str, **values: Any) -> Change:
    """Without the rows that have these values."""

    def change(case: Case) -> Case:
        rows = case.tables[name].to_pylist()
        keep = [i for i, row in enumerate(rows) if any(row[column] != value for column, value in values.items())]
        return with_table(case, name, case.tables[name].take(keep))

    return change


def double(name: str, **values: Any) -> Change:
    """The first row again, with other values."""

    def change(case: Case) -> Case:
        table = case.tables[name]
        again = company.spoiled(table.slice(0, 1), 0, **values)
        return with_table(
            case, name, pa.concat_tables([table, again]).cast(table.schema) if not values else _joined(table, again)
        )

    return change


def summary(column: str, value: Any) -> Change:
    """Another number in the region's row of the intake summary."""

    def change(case: Case) -> Case:
        frame = case.intake_summary.astype({column: object}).copy()
        frame.loc[frame["region"] == "EMEA", column] = value
        return replace(case, intake_summary=frame)

    return change


def feed(**values: Any) -> Change:
    """Other figures of the first feed."""

    def change(case: Case) -> Case:
        frame = case.feeds.astype(object).copy()
        for column, value in values.items():
            frame.loc[0, column] = value
        return replace(case, feeds=frame)

    return change


def _joined(table: pa.Table, again: pa.Table) -> pa.Table:
    return pa.Table.from_pylist(
        [*table.to_pylist(), *again.to_pylist()], schema=pa.schema([(f.name, f.type) for f in table.schema])
    )


def _without_sales(case: Case) -> Case:
    return replace(case, intake_summary=case.intake_summary.drop(columns="sales_rows"))


def _of_every_table(name: str) -> dict[str, Spoil]:
    table = TABLES[name]
    number = next(column.name for column in table.columns if column.kind in ("int", "decimal", "float"))

    def mistyped(case: Case) -> Case:
        rows = case.tables[name]
        text = pa.array([str(value) for value in rows.column(number).to_pylist()])
        return with_table(case, name, rows.set_column(rows.schema.get_field_index(number), number, text))

    def extra(case: Case) -> Case:
        rows = case.tables[name]
        return with_table(case, name, rows.append_column("surprise", pa.array([1] * rows.num_rows)))

    required = next(column.name for column in table.columns if not column.nullable and column.name not in table.keys)
    spoils = {
        "facts_measured": Spoil(lambda case: with_table(case, name, case.tables[name].drop_columns([number]))),
        "rows": Spoil(lambda case: with_table(case, name, case.tables[name].slice(0, 0))),
        "missing_columns": Spoil(lambda case: with_table(case, name, case.tables[name].drop_columns([number]))),
        "extra_columns": Spoil(extra),
        "mistyped_columns": Spoil(mistyped),
        "nulls": Spoil(row(name, 0, **{required: None})),
        "duplicate_keys": Spoil(double(name)),
        "foreign_rows": Spoil(row(name, 0, valid_for_cycle="2026-08")),
    }
    if floats := [column.name for column in table.columns if column.kind == "float"]:
        spoils["non_finite"] = Spoil(row(name, 0, **{floats[0]: float("nan")}))
    if table.decided:
        spoils["blank_reasons"] = Spoil(row(name, 0, decision_reason="  "))
        spoils["suspended_rows"] = Spoil(row(name, 0, is_suspended=True))
    return spoils


POLICY = "inventory_policy"
ASSIGNMENT = "segment_assignment"
PATH = {"from_segment": "AX", "to_segment": "AY"}
ACCEPTED = {"line": "accepted", "bucket": "week"}
SPOILED: dict[str, dict[str, Spoil]] = {
    "feeds": {
        "facts_measured": Spoil(lambda case: replace(case, feeds=case.feeds.drop(columns="rows"))),
        "missing_columns": Spoil(lambda case: replace(case, feeds=case.feeds.drop(columns="rows"))),
        "feeds": Spoil(lambda case: replace(case, feeds=case.feeds.iloc[:0])),
        "refused_rows": Spoil(feed(refused_rows=-1)),
        "over_suspend_share": Spoil(feed(refused_rows=21)),
        "over_quarantine_share": Spoil(feed(refused_rows=20), "quarantine"),
        "over_warn_share": Spoil(feed(refused_rows=5), "warn"),
        "unknown_keys": Spoil(feed(unknown_keys=20), "warn"),
        "too_many_unknown_keys": Spoil(feed(unknown_keys=21)),
        "shape_changed": Spoil(feed(refusal="column_missing", shape_changed=True)),
        "refused_extracts": Spoil(feed(refusal="gzip_damaged"), "warn"),
        "volume_changed": Spoil(feed(newest_rows=40)),
        "grants_expired": Spoil(feed(is_expired=True)),
        "past_sla": Spoil(feed(age_hours=30.5), "warn"),
        "never_accepted": Spoil(feed(age_hours=None, refusal="gzip_damaged"), "warn"),
    },
    "intake": {
        "facts_measured": Spoil(_without_sales),
        "missing_columns": Spoil(_without_sales),
        "region_rows": Spoil(lambda case: replace(case, intake_summary=case.intake_summary.iloc[:1])),
        "sales_rows": Spoil(summary("sales_rows", 0)),
        "refused_rows_counted": Spoil(summary("refused_rows", -1)),
        "refused_rows": Spoil(summary("refused_rows", 1), "quarantine"),
        "held_extracts": Spoil(summary("held_extracts", 1), "quarantine"),
        "refused_share": Spoil(summary("refused_rows", 2)),
        "orphan_rows": Spoil(summary("orphan_rows", 1), "quarantine"),
        "unplaced_share": Spoil(summary("unplaced_rows", 2)),
        "last_month_rows": Spoil(lambda case: summary("previous_month_rows", 0)(summary("last_month_rows", 0)(case))),
        "volume_drop": Spoil(summary("last_month_rows", 9)),
        "feeds": Spoil(
            lambda case: replace(case, intake_summary=case.intake_summary.iloc[:, :9])
        ),
        "feeds_without_age": Spoil(summary(AGE, None)),
        "youngest_feed_days": Spoil(summary(AGE, -1.0)),
        "oldest_feed_days": Spoil(summary(AGE, 46.0)),
    },
    "demand_history": _of_every_table("demand_history") | {
        "items": Spoil(lambda case: replace(case, scheme=_with_min_items(case, 13))),
        "rows_with_demand": Spoil(every("demand_history", "demand_units", Decimal(0))),
        "bucket_outside_set": Spoil(row("demand_history", 0, bucket="quarter")),
        "missing_buckets": Spoil(drop_where("demand_history", bucket="month")),
        "unequal_buckets": Spoil(row("demand_history", 0, demand_units=Decimal("10.0001"))),
        "misaligned_periods": Spoil(at("demand_history", {"bucket": "week"}, period_start=date(2026, 1, 6))),
        "future_periods": Spoil(at("demand_history", {"bucket": "month"}, period_start=date(2026, 8, 1))),
        "negative_demand": Spoil(row("demand_history", 0, demand_units=Decimal("-0.0001"))),
        "negative_baseline": Spoil(row("demand_history", 0, baseline_units=Decimal("-0.0001"))),
        "negative_order_lines": Spoil(row("demand_history", 0, order_lines=-1)),
        "unit_jump_items": Spoil(
            row("demand_history", 0, is_censored=True, adjustment_reason="unit_jump"), "quarantine"
        ),
        "adjusted_without_reason": Spoil(row("demand_history", 0, is_censored=True)),
    },
    "demand_profile": _of_every_table("demand_profile") | {
        "rows_with_demand": Spoil(every("demand_profile", "demand_periods", 0)),
        "sold_without_value": Spoil(at("demand_profile", {"location_id": "*"}, revenue=Decimal(0)), "warn"),
        "unprofiled_items": Spoil(drop_where("demand_profile", sku_id="00003", location_id="*")),
        "wrong_buckets": Spoil(at("demand_profile", {"location_id": "*"}, bucket="week")),
        "negative_counts": Spoil(row("demand_profile", 0, periods_censored=-1)),
        "more_demand_than_periods": Spoil(row("demand_profile", 0, demand_periods=7)),
        "unmeasured_rows": Spoil(row("demand_profile", 0, mean_units_period=None)),
        "negative_shapes": Spoil(row("demand_profile", 0, cv=-0.1)),
        "adi_below_one": Spoil(row("demand_profile", 0, adi=0.9)),
        "strength_outside_0_1": Spoil(row("demand_profile", 0, seasonal_strength=1.1)),
        "confidence_outside_0_1": Spoil(row("demand_profile", 0, confidence=-0.1)),
        "demand_class_outside_set": Spoil(row("demand_profile", 0, demand_class="steady")),
        "lifecycle_outside_set": Spoil(row("demand_profile", 0, lifecycle_state="old")),
        "fallback_outside_set": Spoil(row("demand_profile", 0, fallback_level="cousin")),
        "fallback_without_reason": Spoil(row("demand_profile", 0, fallback_level="default")),
        "expired_fallback": Spoil(row("demand_profile", 0, fallback_valid_until_cycle="2026-06")),
        "sales_out_of_order": Spoil(row("demand_profile", 0, first_sale=date(2026, 7, 1))),
    },
    "segment_assignment": _of_every_table(ASSIGNMENT) | {
        "active_items": Spoil(lambda case: replace(case, active_items=pa.array([], type=pa.string()))),
        "unassigned_items": Spoil(drop(ASSIGNMENT, {4})),
        "items_assigned_twice": Spoil(double(ASSIGNMENT, location_id="DC1")),
        "inactive_items": Spoil(lambda case: replace(case, active_items=case.active_items[1:]), "warn"),
        "wrong_level": Spoil(row(ASSIGNMENT, 0, location_id="DC1")),
        "value_class_outside_set": Spoil(row(ASSIGNMENT, 0, value_class="D")),
        "variability_class_outside_set": Spoil(row(ASSIGNMENT, 0, variability_class="W")),
        "demand_class_outside_set": Spoil(row(ASSIGNMENT, 0, demand_class="steady")),
        "lifecycle_outside_set": Spoil(row(ASSIGNMENT, 0, lifecycle_state="old")),
        "segment_outside_scheme": Spoil(row(ASSIGNMENT, 0, previous_segment="DX")),
        "share_outside_0_1": Spoil(row(ASSIGNMENT, 0, cumulative_share=1.01)),
        "ranked_without_value": Spoil(row(ASSIGNMENT, 11, cumulative_share=0.5)),
        "remembered_items": Spoil(every(ASSIGNMENT, "previous_segment", None)),
        "cut_offs": Spoil(row(ASSIGNMENT, 0, as_known_at=datetime(2026, 7, 4, tzinfo=UTC))),
        "share_A": Spoil(every(ASSIGNMENT, "value_class", "A")),
        "share_B": Spoil(every(ASSIGNMENT, "value_class", "B")),
        "share_C": Spoil(every(ASSIGNMENT, "value_class", "C")),
    },
    "demand_forecast": _of_every_table("demand_forecast") | {
        "rows_with_demand": Spoil(every("demand_forecast", "mean_units", 0.0)),
        "incomplete_horizons": Spoil(drop("demand_forecast", {5})),
        "horizon_outside_range": Spoil(row("demand_forecast", 0, horizon=14)),
        "repeated_horizons": Spoil(row("demand_forecast", 0, horizon=2)),
        "wrong_buckets": Spoil(row("demand_forecast", 0, bucket="month")),
        "negative_units": Spoil(row("demand_forecast", 0, q05=-0.1)),
        "crossed_quantiles": Spoil(row("demand_forecast", 0, q90=100.0)),
        "method_outside_scheme": Spoil(row("demand_forecast", 0, method="guess")),
        "level_outside_set": Spoil(row("demand_forecast", 0, forecast_level="galaxy")),
    },
    "lead_time_profile": _of_every_table("lead_time_profile") | {
        "negative_counts": Spoil(row("lead_time_profile", 0, open_lines=-1)),
        "days_outside_range": Spoil(row("lead_time_profile", 0, p90_days=366.0)),
        "crossed_quantiles": Spoil(row("lead_time_profile", 0, p50_days=10.0)),
        "unmeasured_lanes": Spoil(row("lead_time_profile", 0, mean_days=None)),
        "unconverted_lines": Spoil(row("lead_time_profile", 0, unconverted_lines=2), "quarantine"),
        "spread_from_one_receipt": Spoil(at("lead_time_profile", {"supplier_id": "S3"}, sd_days=0.0)),
        "lead_times_from_nowhere": Spoil(drop("lead_time_profile", set(range(100)))),
    },
    "inventory_policy": _of_every_table(POLICY) | {
        "policy_type_outside_set": Spoil(row(POLICY, 0, policy_type="minmax")),
        "service_metric_outside_set": Spoil(row(POLICY, 0, service_metric="otif")),
        "lead_time_level_outside_set": Spoil(row(POLICY, 0, lead_time_level="guess")),
        "demand_distribution_outside_set": Spoil(row(POLICY, 0, demand_distribution="uniform")),
        "binding_constraint_outside_set": Spoil(row(POLICY, 0, binding_constraint="mood")),
        "segment_outside_scheme": Spoil(row(POLICY, 0, segment="DX")),
        "planned_policies": Spoil(every(POLICY, "policy_type", "none")),
        "policies_not_of_scheme": Spoil(row(POLICY, 0, policy_type="sQ")),
        "targets_not_of_scheme": Spoil(row(POLICY, 0, service_target=0.5)),
        "incomplete_policies": Spoil(row(POLICY, 0, order_up_to_units=None)),
        "negative_numbers": Spoil(row(POLICY, 0, expected_stock_units=-1.0)),
        "lead_time_beyond_max": Spoil(row(POLICY, 0, lead_time_mean_days=366.0)),
        "rates_outside_0_1": Spoil(row(POLICY, 0, expected_csl=1.01)),
        "service_below_target": Spoil(row(POLICY, 0, expected_fill_rate=0.97)),
        "lots_not_multiple": Spoil(row(POLICY, 0, order_quantity_units=13.0)),
        "safety_stock_mismatch": Spoil(row(POLICY, 0, safety_stock_units=9.0)),
        "levels_reversed": Spoil(row(POLICY, 0, reorder_point_units=29.0)),
        "stock_without_policy": Spoil(at(POLICY, {"policy_type": "none"}, order_up_to_units=1.0)),
        "wrong_effective_date": Spoil(row(POLICY, 0, effective_from=date(2026, 8, 1))),
        "forecast_without_policy": Spoil(drop(POLICY, {0})),
        "segments_not_assigned": Spoil(row(POLICY, 0, segment="CX")),
    },
    "segment_migration": _of_every_table("segment_migration") | {
        "from_outside_scheme": Spoil(at("segment_migration", PATH, from_segment="gone")),
        "to_outside_scheme": Spoil(at("segment_migration", PATH, to_segment="new")),
        "paths_from_new_to_gone": Spoil(at("segment_migration", PATH, from_segment="new", to_segment="gone")),
        "negative_counts": Spoil(at("segment_migration", PATH, true_shift_items=-1)),
        "more_shifts_than_items": Spoil(at("segment_migration", PATH, true_shift_items=1)),
        "unequal_items": Spoil(at("segment_migration", PATH, items=2)),
        "kept_items": Spoil(every("segment_migration", "from_segment", "new")),
        "class_churn": Spoil(at("segment_migration", PATH, items=7)),
    },
    "reconciliation": _of_every_table("reconciliation") | {
        "line_outside_set": Spoil(at("reconciliation", ACCEPTED, line="lost")),
        "negative_counts": Spoil(at("reconciliation", ACCEPTED, line_count=-1)),
        "blank_reason_lines": Spoil(at("reconciliation", {"line": "excluded"}, reason="-")),
        "accepted_lines": Spoil(drop_where("reconciliation", line="accepted")),
        "missing_buckets": Spoil(drop_where("reconciliation", bucket="week")),
        "unbalanced_line_count": Spoil(at("reconciliation", ACCEPTED, line_count=1)),
        "unbalanced_units": Spoil(at("reconciliation", {"line": "quarantined"}, units=Decimal("3.5001"))),
        "unbalanced_amount": Spoil(at("reconciliation", {"line": "excluded"}, amount=Decimal("0.0101"))),
        "history_differs": Spoil(at("reconciliation", {"line": "history"}, units=Decimal(1))),
        "unequal_conversions": Spoil(double("reconciliation", line="converted_in", reason="CS in USD", line_count=2)),
        "unplaced_rows": Spoil(
            double("reconciliation", line="unplaced", reason="orphan_location", line_count=2), "quarantine"
        ),
    },
    "control_total": _of_every_table("control_total") | {
        "verdict_outside_set": Spoil(row("control_total", 0, verdict="fine")),
        "unequal_totals": Spoil(row("control_total", 0, accepted=Decimal(6))),
        "unverified_totals": Spoil(row("control_total", 0, verdict="unverified"), "quarantine"),
    },
    "hierarchy_conflict": _of_every_table("hierarchy_conflict") | {
        "conflict_outside_set": Spoil(row("hierarchy_conflict", 0, conflict="quarrel")),
        "change_outside_set": Spoil(row("hierarchy_conflict", 0, change="price")),
        "unranked_rows": Spoil(row("hierarchy_conflict", 0, queue_rank=2)),
        "decisions_at_stake": Spoil(
            row("hierarchy_conflict", 0, changes_decision=True, change="exclusion"), "warn"
        ),
    },
}  # fmt: skip
FIRST_CYCLE: dict[str, dict[str, Spoil]] = {
    "segment_assignment": {"remembered_items": Spoil(row(ASSIGNMENT, 0, previous_segment="AX"))},
    "segment_migration": {"kept_items": Spoil(row("segment_migration", 0, from_segment="AX"))},
}
STAGE = {stage.name: stage for stage in STAGES}


def _with_min_items(case: Case, items: int) -> Any:
    return case.scheme.model_copy(update={"gates": case.scheme.gates.model_copy(update={"min_items": items})})
