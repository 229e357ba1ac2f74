"""Gate of the classes: every active item exactly once, a class mix within the scheme's bounds, memory not lost.

Belongs here: rules and facts of the assignment. Does not: moves between cycles (`expectations.segment_migration`).
"""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from expectations.demand_profile import LIFECYCLE_STATES
from expectations.measure import TOLERANCE, Facts, Measure, absent, repeated, text_equals
from expectations.rule import at_least, at_most, build, none_of, table_rules, within
from strata.demand.fallback import OWN
from strata.partition import Partition
from strata.scheme.model import DEMAND_CLASSES, VALUE_CLASSES, VARIABILITY_CLASSES, Scheme
from strata.tables import SEGMENT_ASSIGNMENT

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

SEGMENT_COLUMNS = ("segment", "computed_segment", "previous_segment")


def suite(scheme: Scheme, *, previous_exists: bool) -> "ExpectationSuite":
    """Rules over the facts of `measure`; `previous_exists` says whether hysteresis had a cycle to remember."""
    gates = scheme.gates
    memory = (
        at_least("remembered_items", 1, "There is a previous cycle; without it every class would be free to flicker.")
        if previous_exists
        else at_most("remembered_items", 0, "There is no previous cycle, so a previous class comes from nowhere.")
    )
    mix = [within(f"share_{name}", low, high, gates.rationale) for name, (low, high) in gates.class_share.items()]
    return build("segment_assignment", [
        *table_rules(SEGMENT_ASSIGNMENT, min_rows=gates.min_items),
        at_least("active_items", gates.min_items, gates.rationale),
        none_of("unassigned_items", "Every active item has a class, or it has no policy and no stock."),
        none_of("items_assigned_twice", "An item with two classes gets two policies."),
        none_of("inactive_items", "An item without demand or lender has no class; it harms nobody.", severity="warn"),
        none_of("wrong_level", "The scheme classes either the region or its locations; both count items twice."),
        none_of("value_class_outside_set", "A value class that the scheme does not know has no policy."),
        none_of("variability_class_outside_set", "A variability class that the scheme does not know has no policy."),
        none_of("demand_class_outside_set", "A demand class without a forecast method gets no forecast."),
        none_of("lifecycle_outside_set", "A lifecycle state that nobody declared is treated by nobody."),
        none_of("segment_outside_scheme", "A segment without a policy plans nothing and says nothing."),
        none_of("share_outside_0_1", "Cumulative share and class probability are fractions."),
        none_of("ranked_without_value", "Only a positive value earns a rank; U by rule has no share."),
        memory,
        at_most("cut_offs", 1, "All classes of a candidate are judged at one cut-off, or they cannot be compared."),
        *mix,
    ])  # fmt: skip


def measure(rows: pa.Table, *, scheme: Scheme, partition: Partition, active_items: pa.Array) -> Facts:
    """Facts of the candidate's classes; `active_items` are the distinct item numbers that must have one."""
    it = Measure(rows, SEGMENT_ASSIGNMENT, scheme=scheme, partition=partition)
    if not it.complete:
        return it.facts()
    of_region = scheme.class_level == "region"
    active = pa.table({"sku_id": active_items})
    unassigned = absent(active, it.rows, ["sku_id"])
    it.number("active_items", len(active_items))
    it.number("unassigned_items", len(unassigned), unassigned)
    it.count("items_assigned_twice", repeated(it.rows, ["sku_id"] if of_region else ["sku_id", "location_id"]))
    inactive = pc.invert(pc.is_in(it.column("sku_id"), value_set=active_items)).to_numpy(zero_copy_only=False)
    it.count("inactive_items", inactive & text_equals(it.column("fallback_level"), OWN))
    whole_region = text_equals(it.column("location_id"), "*")
    it.count("wrong_level", ~whole_region if of_region else whole_region)
    it.outside_set("value_class_outside_set", "value_class", VALUE_CLASSES)
    it.outside_set("variability_class_outside_set", "variability_class", VARIABILITY_CLASSES)
    it.outside_set("demand_class_outside_set", "demand_class", DEMAND_CLASSES)
    it.outside_set("lifecycle_outside_set", "lifecycle_state", LIFECYCLE_STATES)
    unknown = np.zeros(it.rows.num_rows, dtype=bool)
    known = pa.array(sorted(scheme.policies))
    for name in SEGMENT_COLUMNS:
        values = it.column(name)
        unknown |= pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, value_set=known))).to_numpy(
            zero_copy_only=False
        )
    it.count("segment_outside_scheme", unknown)
    it.outside_range("share_outside_0_1", ("cumulative_share", "class_probability"), 0, 1 + TOLERANCE)
    value_class = it.column("value_class")
    by_rule = it.column("override_id").is_null().to_numpy(zero_copy_only=False)
    it.count("ranked_without_value", by_rule & text_equals(value_class, "U") & (it.floats("cumulative_share") > 0))
    it.number("remembered_items", len(it.column("previous_segment").drop_null()))
    it.number("cut_offs", pc.count_distinct(it.column("as_known_at")).as_py())
    members = {name: int(text_equals(value_class, name).sum()) for name in scheme.gates.class_share}
    # U carries no value and has no bound: shares are among the items that were ranked.
    ranked = sum(members.values())
    for name, items in members.items():
        it.number(f"share_{name}", items / ranked if ranked else None)
    return it.facts()
