"""Gate of the contracts: does every feed keep what its own contract promises, as far as it touches this region?

Belongs here: rules over one row per feed (`strata.intake.standing`), each judged by the bounds of its own contract.
Does not: sales against the scheme's bounds (`expectations.intake`), accepting or refusing extracts (`strata.intake`).
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from expectations.measure import MAX_EXAMPLES, Fact, Facts
from expectations.rule import at_least, build, held_out, none_of

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

COLUMNS = (
    "feed", "rows", "refused_rows", "unknown_keys", "warn_share", "quarantine_share", "suspend_share", "age_hours",
    "sla_hours",
    "newest_rows", "rows_before", "max_volume_drop", "max_volume_rise", "expiry", "is_expired", "refusal",
    "shape_changed",
)  # fmt: skip

SHARE = "{refused_rows} of {rows} rows refused; warned above {warn_share:.2%}, suspended above {suspend_share:.2%}"
UNKNOWN = "{unknown_keys} deletes of keys that never came, of {rows} rows"
WORDS = {
    "over_suspend_share": SHARE,
    "over_quarantine_share": SHARE,
    "over_warn_share": SHARE,
    "unknown_keys": UNKNOWN,
    "too_many_unknown_keys": UNKNOWN,
    "shape_changed": "refused as {refusal}",
    "refused_extracts": "refused as {refusal}",
    "volume_changed": "{newest_rows:.0f} rows after {rows_before:.0f}",
    "grants_expired": "expired on {expiry}",
    "past_sla": "{age_hours:.1f} h old, {sla_hours:.0f} h promised",
    "never_accepted": "refused as {refusal}",
}


def suite() -> "ExpectationSuite":
    """Rules over the facts of `measure`; the bounds are those of each feed's contract."""
    return build("feeds", [
        none_of("missing_columns", "A feed whose figures are not there has not been looked at."),
        at_least("feeds", 1, "A region that no feed reaches has nothing to decide on."),
        at_least("refused_rows", 0, "A negative count of refused rows is a fault of the figures themselves."),
        none_of("over_suspend_share", "So many rows of a feed are missing that what rests on it cannot be trusted."),
        held_out("over_quarantine_share", "Refused rows are set aside; the rest may go on, and readers are told."),
        none_of("over_warn_share", "More refused rows than usual: the source wants a look.", severity="warn"),
        none_of("unknown_keys", "Deletes of keys that never came: was the beginning missed?", severity="warn"),
        none_of("too_many_unknown_keys", "So many keys are unknown that the feed must have lost its beginning."),
        none_of("shape_changed", "The source no longer sends what the contract says; no state before can stand in."),
        none_of("refused_extracts", "An extract was refused; the state before is used so long.", severity="warn"),
        none_of("volume_changed", "A feed that shrinks or grows beyond its bounds is broken until someone says why."),
        none_of("grants_expired", "The grant to use the feed has ended; its grantor must renew it."),
        none_of("past_sla", "A feed is older at the cut-off than its contract promises.", severity="warn"),
        none_of("never_accepted", "Every extract of the feed was refused so far.", severity="warn"),
    ])  # fmt: skip


def measure(feeds: pd.DataFrame) -> Facts:
    """Facts of the feeds that touch a region; rows are feeds, failed rows those that break a rule.

    A share, a volume or an age that is not known breaks no rule here: a feed without rows has no share, a first state
    nothing before it, and one that was never accepted has a rule of its own.
    """
    missing = [name for name in COLUMNS if name not in feeds.columns]
    if missing:
        return Facts(0, 0, {"missing_columns": len(missing)}, {"missing_columns": tuple(missing)})
    broken: dict[str, list[str]] = {fact: [] for fact in WORDS}
    failed = refused = 0
    # A plain loop: there are tens of feeds, and every one has bounds of its own.
    for row in feeds.to_dict("records"):
        feed: dict[str, Any] = {str(name): None if pd.isna(value) else value for name, value in row.items()}
        found = list(_broken(feed))
        failed += bool(found)
        refused += int(feed["refused_rows"])
        for fact in found:
            broken[fact].append(f"{feed['feed']}: {WORDS[fact].format(**feed)}")
    values: dict[str, Fact] = {"missing_columns": 0, "feeds": len(feeds), "refused_rows": refused}
    values |= {fact: len(said) for fact, said in broken.items()}
    examples = {fact: tuple(said[:MAX_EXAMPLES]) for fact, said in broken.items() if said}
    return Facts(len(feeds), failed, values, examples)


def _broken(feed: Mapping[str, Any]) -> Iterator[str]:
    """Facts that one feed counts for; of the three shares the worst alone."""
    share = feed["refused_rows"] / feed["rows"] if feed["rows"] else 0.0
    if (word := next((w for w in ("suspend", "quarantine", "warn") if share > feed[f"{w}_share"]), None)) is not None:
        yield f"over_{word}_share"
    unknown = feed["unknown_keys"] / feed["rows"] if feed["rows"] else 0.0
    if unknown > feed["warn_share"]:
        yield "too_many_unknown_keys" if unknown > feed["suspend_share"] else "unknown_keys"
    if feed["refusal"] is not None:
        yield "shape_changed" if feed["shape_changed"] else "refused_extracts"
    if feed["newest_rows"] is not None and feed["rows_before"]:
        ratio = feed["newest_rows"] / feed["rows_before"]
        drop, rise = feed["max_volume_drop"], feed["max_volume_rise"]
        if (drop is not None and 1 - ratio > drop) or (rise is not None and ratio > rise):
            yield "volume_changed"
    if feed["is_expired"]:
        yield "grants_expired"
    if feed["age_hours"] is None:
        yield "never_accepted"
    elif feed["age_hours"] > feed["sla_hours"]:
        yield "past_sla"
