"""Gate of the demand profile: shapes within their mathematical range, known words, no active item without one.

Belongs here: rules and facts of the profile. Does not: classes drawn from it (`expectations.segment_assignment`).
"""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from expectations.measure import TOLERANCE, Facts, Measure, absent, text_equals
from expectations.rule import at_least, build, none_of, table_rules
from strata.demand.fallback import LEVELS, OWN
from strata.partition import Partition
from strata.scheme.model import DEMAND_CLASSES, Scheme
from strata.tables import DEMAND_PROFILE

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

LIFECYCLE_STATES = ("intro", "growth", "mature", "decline", "eol", "dead")
NOT_NEGATIVE = ("mean_units_period", "cv", "cv_deseasonalised", "forecast_error", "cv2_nonzero", "recent_ratio")
PERIOD_COUNTS = ("periods_observed", "periods_censored", "demand_periods", "order_lines")


def suite(scheme: Scheme) -> "ExpectationSuite":
    """Rules over the facts of `measure`."""
    return build("demand_profile", [
        *table_rules(DEMAND_PROFILE, min_rows=scheme.gates.min_items),
        at_least("rows_with_demand", 1, "If no profile saw demand, every class below it would be a guess."),
        none_of("unprofiled_items", "An active item without a profile cannot be classed."),
        none_of("wrong_buckets", "The class level is profiled in classification buckets, other rows in planning ones."),
        none_of("negative_counts", "Counts of periods and lines cannot be negative."),
        none_of("more_demand_than_periods", "Demand cannot have happened in more periods than were observed."),
        none_of("unmeasured_rows", "Where periods with demand were observed the mean is known; a null hides a fault."),
        none_of("negative_shapes", "Means and coefficients of variation cannot be negative."),
        none_of("adi_below_one", "A mean interval between demands below one period is impossible."),
        none_of("strength_outside_0_1", "Trend and seasonal strength are shares of variance."),
        none_of("confidence_outside_0_1", "Confidence is a share of periods."),
        none_of("demand_class_outside_set", "A demand class without a forecast method gets no forecast."),
        none_of("lifecycle_outside_set", "A lifecycle state that nobody declared is treated by nobody."),
        none_of("fallback_outside_set", "Readers must be able to tell an item's own history from anything else."),
        none_of("fallback_without_reason", "What does not rest on own history must say why."),
        none_of("expired_fallback", "A rung that has expired may not decide."),
        none_of("sales_out_of_order", "A first sale after the last one is a fault of the dates."),
        none_of("sold_without_value", "Sold without price or cost: class U, not C, till put right.", severity="warn"),
    ])  # fmt: skip


def measure(rows: pa.Table, *, scheme: Scheme, partition: Partition, active_items: pa.Array) -> Facts:
    """Facts of the candidate's profiles; `active_items` are distinct item numbers."""
    it = Measure(rows, DEMAND_PROFILE, scheme=scheme, partition=partition)
    if not it.complete:
        return it.facts()
    observed, with_demand = it.floats("periods_observed"), it.floats("demand_periods")
    whole_region = text_equals(it.column("location_id"), "*")
    level = it.rows.filter(pa.array(whole_region if scheme.class_level == "region" else ~whole_region))
    missing = absent(pa.table({"sku_id": active_items}), level, ["sku_id"])
    it.number("rows_with_demand", int((with_demand > 0).sum()))
    it.number("unprofiled_items", len(missing), missing)
    bucket = it.column("bucket")
    classed = whole_region if scheme.class_level == "region" else np.ones(len(whole_region), dtype=bool)
    fits = np.where(
        classed, text_equals(bucket, scheme.buckets.classification), text_equals(bucket, scheme.buckets.planning)
    )
    it.count("wrong_buckets", ~fits.astype(bool))
    it.outside_range("negative_counts", PERIOD_COUNTS, 0, None)
    it.count("more_demand_than_periods", with_demand > observed)
    it.count("unmeasured_rows", (with_demand > 0) & np.isnan(it.floats("mean_units_period")))
    it.outside_range("negative_shapes", NOT_NEGATIVE, 0, None)
    it.outside_range("adi_below_one", ("adi",), 1 - TOLERANCE, None)
    it.outside_range("strength_outside_0_1", ("trend_strength", "seasonal_strength"), -TOLERANCE, 1 + TOLERANCE)
    it.outside_range("confidence_outside_0_1", ("confidence",), 0, 1 + TOLERANCE)
    it.outside_set("demand_class_outside_set", "demand_class", DEMAND_CLASSES)
    it.outside_set("lifecycle_outside_set", "lifecycle_state", LIFECYCLE_STATES)
    it.outside_set("fallback_outside_set", "fallback_level", LEVELS)
    borrowed = ~text_equals(it.column("fallback_level"), OWN)
    it.count(
        "fallback_without_reason", borrowed & it.column("fallback_reason").is_null().to_numpy(zero_copy_only=False)
    )
    until = it.column("fallback_valid_until_cycle")
    it.count("expired_fallback", pc.less(until, partition.cycle))
    it.count("sales_out_of_order", pc.greater(it.column("first_sale"), it.column("last_sale")))
    classed = whole_region if scheme.class_level == "region" else ~whole_region
    # NaN, an unknown cost, is not above zero either.
    it.count("sold_without_value", classed & (it.floats("demand_units") > 0) & ~(it.floats(scheme.value.basis) > 0))
    return it.facts()
