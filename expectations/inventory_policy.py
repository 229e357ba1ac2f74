"""Gate of the policies: complete, as the scheme says, safe, and one for every item-location that is forecast.

Belongs here: rules and facts of the policies, alone and against forecast and assignment. Does not: sizing
(`strata.inventory`).
"""

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from expectations.measure import TOLERANCE, Facts, Mask, Measure, absent, lookup, text_equals
from expectations.rule import at_least, build, none_of, table_rules
from strata.partition import Partition
from strata.scheme.model import Scheme
from strata.tables import INVENTORY_POLICY

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

# Not the spread of the lead time: planned days have none, and the reason says that it was taken as zero.
NEEDED = (
    "service_target", "review_days", "lead_time_mean_days", "protection_mean_units",
    "protection_sd_units", "safety_stock_units", "min_units", "max_units", "expected_fill_rate", "expected_csl",
    "expected_stock_units",
)  # fmt: skip
NEEDED_WORDS = ("service_metric", "lead_time_level", "demand_distribution")
NOT_NEGATIVE = (
    "lead_time_mean_days", "lead_time_sd_days", "protection_mean_units", "protection_sd_units", "order_quantity_units",
    "order_multiple_units", "min_units", "max_units", "expected_stock_units", "holding_cost_year",
)  # fmt: skip
WORDS = {
    "policy_type": ("sQ", "RS", "none"),
    "service_metric": ("csl", "fill_rate"),
    "lead_time_level": ("lane", "supplier", "region", "planned"),
    "demand_distribution": ("normal", "gamma", "negative_binomial", "poisson"),
    "binding_constraint": ("service", "minimum_lot", "order_multiple", "none"),
}


def suite(scheme: Scheme) -> "ExpectationSuite":
    """Rules over the facts of `measure`."""
    return build("inventory_policy", [
        *table_rules(INVENTORY_POLICY, min_rows=1),
        *(none_of(f"{name}_outside_set", "A word that nobody declared is acted on by nobody.") for name in WORDS),
        none_of("segment_outside_scheme", "A segment without a policy plans nothing and says nothing."),
        at_least("planned_policies", 1, "No item is stocked: rows say why, but no size was tested.", severity="warn"),
        none_of("policies_not_of_scheme", "A policy type that its segment does not imply was decided by nobody."),
        none_of("targets_not_of_scheme", "Metric, target and review come from the approved scheme and nowhere else."),
        none_of("incomplete_policies", "A policy with a missing number cannot be executed or checked."),
        none_of("negative_numbers", "Times, spreads, lots, stock and cost are never negative."),
        none_of("lead_time_beyond_max", scheme.inventory.lead_time.rationale),
        none_of("rates_outside_0_1", "Fill rate and cycle service are fractions."),
        none_of("service_below_target", "Sizes were solved for the target; a plan below it is known to fall short."),
        none_of("lots_not_multiple", "A supplier ships whole multiples; another lot is rounded by someone else."),
        none_of("safety_stock_mismatch", "Safety stock is the level less mean demand over the protection time."),
        none_of("levels_reversed", "An upper level below the lower one orders without end or never."),
        none_of("stock_without_policy", "An item that is not planned must not carry an order level."),
        none_of("wrong_effective_date", "Policies of a cycle hold from the first day of its month."),
        none_of("forecast_without_policy", "A forecast item-location without a policy is bought by no rule."),
        none_of("segments_not_assigned", "A policy follows the segment that its item was assigned, not another."),
    ])  # fmt: skip


def measure(rows: pa.Table, *, forecast: pa.Table, assignment: pa.Table, scheme: Scheme, partition: Partition) -> Facts:
    """Facts of the candidate's policies; `forecast` and `assignment` are the candidate's other tables."""
    it = Measure(rows, INVENTORY_POLICY, scheme=scheme, partition=partition)
    if not it.complete:
        return it.facts()
    for name, words in WORDS.items():
        it.outside_set(f"{name}_outside_set", name, words)
    it.outside_set("segment_outside_scheme", "segment", scheme.policies)
    planned = ~text_equals(it.column("policy_type"), "none")
    it.number("planned_policies", int(planned.sum()))
    _against_scheme(it, scheme, planned)
    _sizes(it, scheme, planned)
    it.count(
        "wrong_effective_date",
        pc.not_equal(it.column("effective_from"), pa.scalar(date.fromisoformat(f"{partition.cycle}-01"))),
    )
    missing = absent(forecast, it.rows, ["sku_id", "location_id"])
    it.number("forecast_without_policy", len(missing), missing)
    keys = ["sku_id", "segment"] if scheme.class_level == "region" else ["sku_id", "location_id", "segment"]
    other = absent(it.rows, assignment, keys)
    it.number("segments_not_assigned", len(other), other)
    return it.facts()


def _against_scheme(it: Measure, scheme: Scheme, planned: Mask) -> None:
    """Type, metric, target and review of every row against its segment's policy."""
    segment, kind, metric = it.column("segment"), it.column("policy_type"), it.column("service_metric")
    policies = scheme.policies
    wrong_type, wrong_metric = np.zeros((2, it.rows.num_rows), dtype=bool)
    for name in sorted({policy.policy_type for policy in policies.values()}):
        mine = lookup(segment, {key: float(policy.policy_type == name) for key, policy in policies.items()}) == 1
        wrong_type |= mine & planned & ~text_equals(kind, name)
    for word in ("csl", "fill_rate"):
        mine = lookup(segment, {key: float(policy.service_metric == word) for key, policy in policies.items()}) == 1
        wrong_metric |= mine & planned & ~text_equals(metric, word)
    target = lookup(segment, {key: policy.service_target for key, policy in policies.items()})
    review = lookup(segment, {key: policy.review_days for key, policy in policies.items()})
    it.count("policies_not_of_scheme", wrong_type)
    other_target = np.abs(it.floats("service_target") - target) > TOLERANCE
    it.count("targets_not_of_scheme", planned & (wrong_metric | other_target | (it.floats("review_days") != review)))


def _sizes(it: Measure, scheme: Scheme, planned: Mask) -> None:
    """Arithmetic of levels, lots and service."""
    number = {
        name: it.floats(name)
        for name in (
            *NEEDED,
            "reorder_point_units",
            "order_up_to_units",
            "order_quantity_units",
            "order_multiple_units",
        )
    }
    fills_up = text_equals(it.column("policy_type"), "RS")
    level = np.where(fills_up, number["order_up_to_units"], number["reorder_point_units"])
    lot = number["order_quantity_units"]
    gaps = np.isnan(level) | (~fills_up & np.isnan(lot))
    for name in NEEDED:
        gaps |= np.isnan(number[name])
    for name in NEEDED_WORDS:
        gaps |= it.column(name).is_null().to_numpy(zero_copy_only=False)
    it.count("incomplete_policies", planned & gaps)
    it.outside_range("negative_numbers", NOT_NEGATIVE, -TOLERANCE, None)
    it.outside_range("lead_time_beyond_max", ("lead_time_mean_days",), None, scheme.inventory.lead_time.max_days)
    it.outside_range("rates_outside_0_1", ("expected_fill_rate", "expected_csl"), -TOLERANCE, 1 + TOLERANCE)
    by_fill = text_equals(it.column("service_metric"), "fill_rate")
    service = np.where(by_fill, number["expected_fill_rate"], number["expected_csl"])
    it.count("service_below_target", planned & (service < number["service_target"] - TOLERANCE))
    multiple = np.where(number["order_multiple_units"] > 0, number["order_multiple_units"], np.nan)
    lots = lot / multiple
    it.count("lots_not_multiple", planned & (np.abs(lots - np.round(lots)) > TOLERANCE * np.maximum(1.0, lots)))
    safety = level - number["protection_mean_units"]
    room = TOLERANCE * np.maximum(1.0, np.abs(level))
    it.count("safety_stock_mismatch", planned & (np.abs(safety - number["safety_stock_units"]) > room))
    upside_down = (number["order_up_to_units"] < number["reorder_point_units"] - room) | (
        number["max_units"] < number["min_units"] - room
    )
    it.count("levels_reversed", planned & upside_down)
    # fmax: null counts as nothing ordered.
    ordered = np.fmax(np.fmax(number["reorder_point_units"], number["order_up_to_units"]), lot)
    it.count("stock_without_policy", ~planned & (ordered > 0))
