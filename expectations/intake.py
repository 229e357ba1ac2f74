"""Gate of the feeds: is what arrived for this region enough, fresh enough and clean enough to decide on?

Belongs here: rules over one summary row per region. Does not: accepting or refusing extracts (`strata.intake`).
The frame has one row per region: `region, sales_rows, refused_rows, orphan_rows, unplaced_rows, previous_month_rows,
last_month_rows, held_extracts` and one column `days_since_last_extract_<feed>` per feed. `held_extracts` are accepted
changes that wait for missing ones. `sales_rows` counts every sales row delivered for the last closed month, refused
ones included, `orphan_rows` those of unknown items; `unplaced_rows` name a location that no region has, so they may be
any region's; the two months are the last two closed ones; ages are at the cut-off.
"""

from typing import TYPE_CHECKING

import pandas as pd

from expectations.measure import Fact, Facts
from expectations.rule import at_least, at_most, build, held_out, none_of, within
from strata.partition import Partition
from strata.scheme.model import Scheme

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

AGE_PREFIX = "days_since_last_extract_"
COUNTS = (
    "sales_rows", "refused_rows", "orphan_rows", "unplaced_rows", "previous_month_rows", "last_month_rows",
    "held_extracts",
)  # fmt: skip


def suite(scheme: Scheme) -> "ExpectationSuite":
    """Rules over the facts of `measure`."""
    gates = scheme.gates
    return build("intake", [
        none_of("missing_columns", "A summary without a count cannot show that a feed broke."),
        within("region_rows", 1, 1, "No row means that nothing was looked at; two mean that one was picked by chance."),
        at_least("sales_rows", 1, "A region without a sales row has nothing to decide on."),
        at_least("refused_rows_counted", 0, "A negative count of refused rows is a fault of the summary itself."),
        held_out("refused_rows", "Refused rows are kept in quarantine; the rest may go on, and readers are told."),
        held_out("held_extracts", "Changes that wait for missing ones are kept out; the feed stands where it broke."),
        at_most("refused_share", gates.max_refused_share, gates.rationale),
        held_out("orphan_rows", "Sales of unknown items are no demand until the item master knows them."),
        at_most("unplaced_share", gates.max_refused_share, gates.rationale),
        at_least("last_month_rows", 1, "A closed month without a sale is a feed that stopped, not a market that did."),
        at_most("volume_drop", gates.max_volume_drop, gates.rationale),
        at_least("feeds", 1, "Without the age of any feed, staleness is unknown."),
        none_of("feeds_without_age", "A feed whose last extract is unknown may have stopped long ago."),
        at_least("youngest_feed_days", 0, "An extract from after the cut-off was not known at the cut-off."),
        at_most("oldest_feed_days", gates.max_feed_age_days, gates.rationale),
    ])  # fmt: skip


def measure(summary: pd.DataFrame, *, scheme: Scheme, partition: Partition) -> Facts:
    """Facts of the partition's region; rows are sales rows, failed rows are refused ones."""
    needed = ["region", *COUNTS]
    missing = [name for name in needed if name not in summary.columns]
    values: dict[str, Fact] = {"missing_columns": len(missing)}
    examples: dict[str, tuple[str, ...]] = {"missing_columns": tuple(missing)} if missing else {}
    if missing:
        return Facts(0, 0, values, examples)
    rows = summary.loc[summary["region"] == partition.region]
    values["region_rows"] = len(rows)
    if len(rows) != 1:
        return Facts(0, 0, values, examples)
    sales, refused, orphans, unplaced, before, last, held = (_number(rows[name].iloc[0]) for name in COUNTS)
    ages = {
        name.removeprefix(AGE_PREFIX): _number(rows[name].iloc[0])
        for name in rows.columns
        if name.startswith(AGE_PREFIX)
    }
    known = [age for age in ages.values() if age is not None]
    unknown = [feed for feed, age in ages.items() if age is None]
    stale = [
        f"{feed}: {age:g} days"
        for feed, age in ages.items()
        if age is not None and age > scheme.gates.max_feed_age_days
    ]
    values |= {
        "sales_rows": sales,
        "refused_rows_counted": refused,
        "refused_rows": refused,
        "held_extracts": held,
        "refused_share": None if refused is None or not sales else refused / sales,
        "orphan_rows": orphans,
        "unplaced_share": None if unplaced is None or not sales else unplaced / (unplaced + sales),
        "last_month_rows": last,
        "volume_drop": _drop(before, last),
        "feeds": len(ages),
        "feeds_without_age": len(unknown),
        "youngest_feed_days": min(known, default=None),
        "oldest_feed_days": max(known, default=None),
    }
    examples |= {
        fact: tuple(keys[:5]) for fact, keys in (("feeds_without_age", unknown), ("oldest_feed_days", stale)) if keys
    }
    return Facts(int(sales or 0), int(refused or 0), values, examples)


def _number(value: object) -> float | None:
    """The value as a float, None where it is null; infinity stays, for the verdict to refuse."""
    number = pd.to_numeric(pd.Series([value]), errors="coerce").iloc[0]
    return None if pd.isna(number) else float(number)


def _drop(before: float | None, last: float | None) -> float | None:
    """Share of volume lost from one month to the next; zero for a region that has only just begun."""
    if before is None or last is None:
        return None
    return max(0.0, 1 - last / before) if before > 0 else 0.0
