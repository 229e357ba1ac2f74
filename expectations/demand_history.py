"""Gate of the demand history: plausible quantities, whole buckets, nothing from the future.

Belongs here: rules over facts of millions of rows, measured in Arrow. Does not: the identity with the feed
(`expectations.reconciliation`).
"""

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from expectations.measure import Facts, Measure
from expectations.rule import at_least, build, held_out, none_of, table_rules
from strata.partition import Partition, shifted
from strata.scheme.model import Scheme
from strata.tables import ARROW, DEMAND_HISTORY

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

BUCKETS = ("day", "week", "month")
# 1970-01-01, day 0 of a date32, was a Thursday.
THURSDAY = 3


def suite(scheme: Scheme) -> "ExpectationSuite":
    """Rules over the facts of `measure`."""
    return build("demand_history", [
        *table_rules(DEMAND_HISTORY, min_rows=1),
        at_least("items", scheme.gates.min_items, scheme.gates.rationale),
        at_least("rows_with_demand", 1, "A region without any demand is a feed that broke, not a market that stopped."),
        none_of("bucket_outside_set", "A bucket that nobody declared is summed by nobody."),
        none_of("missing_buckets", "Classes need the classification bucket and policies the planning bucket."),
        none_of("unequal_buckets", "Each bucket holds all demand once: totals must agree to unit and cent."),
        none_of("misaligned_periods", "A week starts on Monday and a month on its first day, or joins miss it."),
        none_of("future_periods", "A period that starts after the cycle's month was not known at the cut-off."),
        none_of("negative_demand", "Demand is what was ordered; returns are excluded before it is summed."),
        none_of("negative_baseline", "A cleaned demand below zero would pull the forecast below what can be sold."),
        none_of("negative_order_lines", "A count of order lines cannot be negative."),
        held_out("unit_jump_items", "Lines booked in another unit are set aside until the source states the unit."),
        none_of("adjusted_without_reason", "Demand that was changed or censored without a reason cannot be contested."),
    ])  # fmt: skip


def measure(rows: pa.Table, *, scheme: Scheme, partition: Partition) -> Facts:
    """Facts of the candidate's demand history."""
    it = Measure(rows, DEMAND_HISTORY, scheme=scheme, partition=partition)
    if not it.complete:
        return it.facts()
    zero = pa.scalar(Decimal(0), type=ARROW["decimal"])
    demand, baseline, bucket = it.column("demand_units"), it.column("baseline_units"), it.column("bucket")
    start = it.column("period_start")
    it.number("items", pc.count_distinct(it.column("sku_id")).as_py())
    it.number("rows_with_demand", int(pc.sum(pc.greater(demand, zero)).as_py() or 0))
    it.outside_set("bucket_outside_set", "bucket", BUCKETS)
    present = set(pc.unique(bucket).to_pylist())
    wanted = {scheme.buckets.classification, scheme.buckets.planning}
    it.number("missing_buckets", len(wanted - present), sorted(wanted - present))
    unequal = _unequal_buckets(it.rows)
    it.number("unequal_buckets", len(unequal), unequal)
    weeks_off = pc.fill_null(start.cast(pa.int32()), -THURSDAY).to_numpy(zero_copy_only=False)
    is_week, is_month = (
        pc.fill_null(pc.equal(bucket, name), False).to_numpy(zero_copy_only=False) for name in ("week", "month")
    )
    first_day = pc.fill_null(pc.equal(pc.day(start), 1), True).to_numpy(zero_copy_only=False)
    it.count("misaligned_periods", (is_week & ((weeks_off + THURSDAY) % 7 != 0)) | (is_month & ~first_day))
    it.count(
        "future_periods", pc.greater_equal(start, pa.scalar(date.fromisoformat(f"{shifted(partition.cycle, 1)}-01")))
    )
    it.count("negative_demand", pc.less(demand, zero))
    it.count("negative_baseline", pc.less(baseline, zero))
    it.count("negative_order_lines", pc.less(it.column("order_lines"), 0))
    misbooked = pc.fill_null(pc.equal(it.column("adjustment_reason"), "unit_jump"), False)
    it.number(
        "unit_jump_items",
        pc.count_distinct(it.column("sku_id").filter(misbooked)).as_py(),
        sorted(set(it.column("sku_id").filter(misbooked).to_pylist())),
    )
    touched = pc.or_(pc.not_equal(baseline, demand), pc.or_(it.column("is_outlier"), it.column("is_censored")))
    it.count("adjusted_without_reason", pc.and_(touched, pc.is_null(it.column("adjustment_reason"))))
    return it.facts()


def totals(rows: pa.Table) -> dict[tuple[str, bool], tuple[int, Decimal, Decimal]]:
    """Exact totals per bucket and `is_partial`: order lines, units, revenue."""
    sums = rows.group_by(["bucket", "is_partial"], use_threads=False).aggregate(
        [("order_lines", "sum"), ("demand_units", "sum"), ("revenue", "sum")]
    )
    return {
        (row["bucket"], row["is_partial"]): (
            row["order_lines_sum"] or 0,
            row["demand_units_sum"] or Decimal(0),
            row["revenue_sum"] or Decimal(0),
        )
        for row in sums.to_pylist()
    }


def _unequal_buckets(rows: pa.Table) -> list[str]:
    """Buckets whose totals differ from those of the first one, open periods included."""
    parts = totals(rows)
    whole: dict[str, tuple[int, Decimal, Decimal]] = {}
    for (bucket, _), (lines, units, revenue) in sorted(parts.items(), key=str):
        before = whole.get(bucket, (0, Decimal(0), Decimal(0)))
        whole[bucket] = (before[0] + lines, before[1] + units, before[2] + revenue)
    first = next(iter(whole.values()), None)
    return [
        f"{bucket}: {lines} lines, {units} units, {revenue}"
        for bucket, (lines, units, revenue) in whole.items()
        if (lines, units, revenue) != first
    ]
