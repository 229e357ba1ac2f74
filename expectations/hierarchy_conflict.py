"""Gate of the hierarchy: what sources disagree about is a watch; a queue that contradicts itself is a fault.

Belongs here: rules and facts of the queue. Does not: the precedence of sources (the scheme's).
"""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from expectations.measure import Facts, Measure
from expectations.rule import build, none_of, table_rules
from strata.partition import Partition
from strata.scheme.model import Scheme
from strata.tables import HIERARCHY_CONFLICT

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

CONFLICTS = ("none", "sources_disagree", "unmatched", "ambiguous_match", "rules_disagree")
CHANGES = ("exclusion", "fallback_family", "none")


def suite(scheme: Scheme) -> "ExpectationSuite":
    """Rules over the facts of `measure`; a company whose sources agree has one row per level that says so."""
    return build("hierarchy_conflict", [
        *table_rules(HIERARCHY_CONFLICT, min_rows=1),
        none_of("conflict_outside_set", "A kind of conflict that nobody declared has nobody to solve it."),
        none_of("change_outside_set", "A consequence that nobody declared cannot be valued."),
        none_of("unranked_rows", "The queue is worked from the first rank on; a gap or a tie hides a row."),
        none_of(
            "decisions_at_stake", "The class of these items depends on which source is right: they are solved first.",
            severity="warn",
        ),
    ])  # fmt: skip


def measure(rows: pa.Table, *, scheme: Scheme, partition: Partition) -> Facts:
    """Facts of the candidate's conflicts."""
    it = Measure(rows, HIERARCHY_CONFLICT, scheme=scheme, partition=partition)
    if not it.complete:
        return it.facts()
    it.outside_set("conflict_outside_set", "conflict", CONFLICTS)
    it.outside_set("change_outside_set", "change", CHANGES)
    ranks = np.sort(it.floats("queue_rank"))
    it.number("unranked_rows", int((ranks != np.arange(1, len(ranks) + 1)).sum()))
    it.count("decisions_at_stake", pc.fill_null(it.column("changes_decision"), False))
    return it.facts()
