"""Gate of the control totals: what extracts state is what was accepted, refused and dropped as a repeat.

Belongs here: rules and facts of the table. Does not: comparing while an extract is read (`strata.intake.accept`).
"""

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from expectations.measure import Facts, Measure
from expectations.rule import build, held_out, none_of, table_rules
from strata.partition import Partition
from strata.scheme.model import Scheme
from strata.tables import CONTROL_TOTAL

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

VERDICTS = ("matched", "unverified", "translated", "differs")


def suite(scheme: Scheme) -> "ExpectationSuite":
    """Rules over the facts of `measure`."""
    return build("control_total", [
        *table_rules(CONTROL_TOTAL, min_rows=1),
        none_of("verdict_outside_set", "A verdict that nobody declared is read as good by everybody."),
        none_of("unequal_totals", "Rows or sums between the extract and the facts were lost, or counted twice."),
        held_out("unverified_totals", "A sum with unreadable values in it cannot be compared; they are in quarantine."),
    ])  # fmt: skip


def measure(rows: pa.Table, *, scheme: Scheme, partition: Partition) -> Facts:
    """Facts of the candidate's control totals."""
    it = Measure(rows, CONTROL_TOTAL, scheme=scheme, partition=partition)
    if not it.complete:
        return it.facts()
    verdict = it.column("verdict")
    it.outside_set("verdict_outside_set", "verdict", VERDICTS)
    found = pc.add(pc.add(it.column("accepted"), it.column("refused")), it.column("repeated"))
    off = pc.greater(pc.abs(pc.subtract(found, it.column("stated")).cast(pa.float64())), 0.00005)
    claimed = pc.and_(pc.equal(verdict, "matched"), pc.fill_null(off, True))
    it.count("unequal_totals", pc.or_(pc.equal(verdict, "differs"), claimed))
    it.count("unverified_totals", pc.equal(verdict, "unverified"))
    return it.facts()
