"""Gate of the moves: class churn within the scheme's bound, and every assigned item on exactly one path.

Belongs here: rules and facts of the moves between two cycles. Does not: whether a single move is right.
"""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from expectations.measure import Facts, Measure, text_equals
from expectations.rule import at_least, at_most, build, none_of, table_rules
from strata.partition import Partition
from strata.review.migration import GONE, NEW
from strata.scheme.model import Scheme
from strata.tables import SEGMENT_MIGRATION

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite


def suite(scheme: Scheme, *, previous_exists: bool) -> "ExpectationSuite":
    """Rules over the facts of `measure`; without a previous cycle there is no churn to judge."""
    gates = scheme.gates
    if previous_exists:
        memory = [
            at_least("kept_items", 1, "There is a previous cycle; if no item comes from it, it was not read."),
            at_most("class_churn", gates.max_class_churn, gates.rationale),
        ]
    else:
        memory = [at_most("kept_items", 0, "There is no previous cycle, so no item can come from it.")]
    return build("segment_migration", [
        *table_rules(SEGMENT_MIGRATION, min_rows=1),
        none_of("from_outside_scheme", "Items come from a segment of the scheme or are new."),
        none_of("to_outside_scheme", "Items go to a segment of the scheme or are gone."),
        none_of("paths_from_new_to_gone", "An item that never was cannot leave."),
        none_of("negative_counts", "Counts of items cannot be negative."),
        none_of("more_shifts_than_items", "True shifts and noise are parts of the items that moved."),
        none_of("unequal_items", "Paths that do not end in `gone` carry exactly the items that are assigned now."),
        *memory,
    ])  # fmt: skip


def measure(
    rows: pa.Table, *, assignment: pa.Table, scheme: Scheme, partition: Partition, previous_exists: bool
) -> Facts:
    """Facts of the candidate's moves; `kept_items` had a segment in both cycles, moved or not."""
    it = Measure(rows, SEGMENT_MIGRATION, scheme=scheme, partition=partition)
    if not it.complete:
        return it.facts()
    items, shifts, noise = it.floats("items"), it.floats("true_shift_items"), it.floats("noise_items")
    start, end = it.column("from_segment"), it.column("to_segment")
    is_new, is_gone = text_equals(start, NEW), text_equals(end, GONE)
    it.outside_set("from_outside_scheme", "from_segment", [*scheme.policies, NEW])
    it.outside_set("to_outside_scheme", "to_segment", [*scheme.policies, GONE])
    it.count("paths_from_new_to_gone", is_new & is_gone)
    it.outside_range("negative_counts", ("items", "true_shift_items", "noise_items"), 0, None)
    it.count("more_shifts_than_items", shifts + noise > items)
    assigned_now = float(np.nansum(items[~is_gone]))
    difference = int(abs(assigned_now - assignment.num_rows))
    it.number(
        "unequal_items",
        difference,
        [f"{assigned_now:g} on paths, {assignment.num_rows} assigned"] if difference else [],
    )
    both = ~is_new & ~is_gone
    kept = float(np.nansum(items[both]))
    it.number("kept_items", kept)
    if previous_exists:
        stayed = np.array([a == b for a, b in zip(start.to_pylist(), end.to_pylist(), strict=True)], dtype=bool)
        it.number("class_churn", float(np.nansum(items[both & ~stayed])) / kept if kept else None)
    return it.facts()
