"""Gate of the identity: accepted - quarantined - excluded - history - open = 0, to the line, the unit and the cent.

Belongs here: the identity per bucket x currency x unit, and that its history is the demand history that will be
published. Does not: computing the lines. Sums are decimals; nothing here is rounded.
"""

from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from expectations.demand_history import totals
from expectations.measure import Facts, Measure, text_equals
from expectations.rule import at_least, build, held_out, none_of, table_rules
from strata.partition import Partition
from strata.scheme.model import Scheme
from strata.tables import RECONCILIATION

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

# `unplaced` rows name a location that no region has: they are no region's, every region shows them.
# A line in another unit or currency leaves its own group (`converted_out`) for that of its demand (`converted_in`).
SIGNS = {
    "accepted": 1, "converted_in": 1, "converted_out": -1, "quarantined": -1, "excluded": -1, "history": -1, "open": -1,
    "unplaced": 0,
}  # fmt: skip
MEASURES = ("line_count", "units", "amount")
GROUP = ["bucket", "currency", "base_unit"]


def suite(scheme: Scheme) -> "ExpectationSuite":
    """Rules over the facts of `measure`."""
    return build("reconciliation", [
        *table_rules(RECONCILIATION, min_rows=1),
        none_of("line_outside_set", "A line that is no part of the identity hides rows from it."),
        none_of("negative_counts", "A count of source rows cannot be negative."),
        none_of("blank_reason_lines", "What was kept out has a reason, or nobody can put it right."),
        at_least("accepted_lines", 1, "Zero equals zero: an identity over no rows proves nothing."),
        none_of("missing_buckets", "Each bucket of the scheme is a side of its own and must balance by itself."),
        *(
            none_of(f"unbalanced_{name}", f"What came in is what is used, kept out or still open, in {words}.")
            for name, words in zip(MEASURES, ("source rows", "units", "money"), strict=True)
        ),
        none_of("unequal_conversions", "A line that leaves one currency or unit enters another one, or it was lost."),
        held_out("unplaced_rows", "Rows of unknown locations belong to no region; unsaid, they would be lost."),
        none_of("history_differs", "The identity must be about the demand history that is published."),
    ])  # fmt: skip


def measure(rows: pa.Table, *, history: pa.Table, scheme: Scheme, partition: Partition) -> Facts:
    """Facts of the candidate's reconciliation; `history` is its demand_history."""
    it = Measure(rows, RECONCILIATION, scheme=scheme, partition=partition)
    if not it.complete:
        return it.facts()
    it.outside_set("line_outside_set", "line", SIGNS)
    it.outside_range("negative_counts", ("line_count",), 0, None)
    kept_out = text_equals(it.column("line"), "quarantined") | text_equals(it.column("line"), "excluded")
    unsaid = text_equals(it.column("reason"), "-") | text_equals(it.column("reason"), "")
    it.count("blank_reason_lines", kept_out & unsaid)
    # Plain Decimals in a plain loop: a candidate has tens of these rows, and floats would hide a cent.
    accepted, moved, buckets = 0, dict[str, int](), set()
    residuals: dict[str, dict[tuple[str, ...], Decimal]] = {name: {} for name in MEASURES}
    for row in it.rows.to_pylist():
        accepted += (row["line_count"] or 0) if row["line"] == "accepted" else 0
        buckets.add(row["bucket"])
        if row["line"] in ("converted_in", "converted_out"):
            moved[row["bucket"]] = moved.get(row["bucket"], 0) + SIGNS[row["line"]] * (row["line_count"] or 0)
        group = tuple(str(row[name]) for name in GROUP)
        for name, residual in residuals.items():
            residual[group] = residual.get(group, Decimal(0)) + SIGNS.get(row["line"], 0) * (row[name] or 0)
    it.number("accepted_lines", accepted)
    lost = [f"{bucket}: {lines} lines" for bucket, lines in sorted(moved.items()) if lines]
    it.number("unequal_conversions", len(lost), lost)
    it.number(
        "unplaced_rows",
        max((row["line_count"] or 0 for row in it.rows.to_pylist() if row["line"] == "unplaced"), default=0),
    )
    missing = {scheme.buckets.classification, scheme.buckets.planning} - buckets
    it.number("missing_buckets", len(missing), sorted(missing))
    for name, residual in residuals.items():
        off = [f"{'/'.join(group)}: {value}" for group, value in sorted(residual.items()) if value]
        it.number(f"unbalanced_{name}", len(off), off)
    differing = _differing(it.rows, history)
    it.number("history_differs", len(differing), differing)
    return it.facts()


def _differing(rows: pa.Table, history: pa.Table) -> list[str]:
    """Buckets whose history or open line is not the total of demand_history's closed or open periods."""
    stated: dict[tuple[str, str], tuple[int, Decimal]] = {}
    for row in rows.filter(pc.is_in(rows["line"], value_set=pa.array(["history", "open"]))).to_pylist():
        lines, units = stated.get((row["bucket"], row["line"]), (0, Decimal(0)))
        stated[row["bucket"], row["line"]] = (lines + (row["line_count"] or 0), units + (row["units"] or 0))
    published = {
        (bucket, "open" if is_partial else "history"): (lines, units)
        for (bucket, is_partial), (lines, units, _) in totals(history).items()
    }
    nothing = (0, Decimal(0))
    sides = {
        key: (stated.get(key, nothing), published.get(key, nothing)) for key in sorted({*stated, *published}, key=str)
    }
    return [
        f"{bucket} {line}: {said[0]} lines {said[1]} units stated, {true[0]} lines {true[1]} units published"
        for (bucket, line), (said, true) in sides.items()
        if said != true
    ]
