"""What is doubted about an item's master data, in plain sentences: its hierarchy, and the unit its lines are booked in.

Belongs here: wording rows of `hierarchy_conflict` and `demand_history`. Does not: finding conflicts
(`strata.classify.hierarchy`) or jumps (`strata.demand.unit_jump`).
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]


def conflict_lines(rows: Iterable[Row]) -> list[str]:
    """One sentence group per level whose sources disagree: who says what, what follows, who is believed."""
    return [_conflict(row) for row in sorted(rows, key=lambda row: str(row["level"]))]


def _conflict(row: Row) -> str:
    if row["conflict"] != "sources_disagree":
        entries = ", ".join(f"{c['source']}/{c['source_item_id']}" for c in json.loads(row["candidates"]))
        return f"Hierarchy, {row['level']}: {row['conflict'].replace('_', ' ')} ({entries}); the entries are not used."
    said = "; ".join(
        f"{c['source']} says {c['node']} since {c['valid_from']} (by {c['match_rule']}; value class {c['value_class']})"
        for c in json.loads(row["candidates"])
    )
    believed = f"{row['chosen_source']} is believed first" if row["chosen_source"] else "no listed source is certain"
    weight = f"changes a decision ({row['change']})" if row["changes_decision"] else "changes no decision"
    return f"Hierarchy, {row['level']}: sources disagree since {row['since']}: {said}. {believed}; the choice {weight}."


def jump_lines(history: Iterable[Row]) -> list[str]:
    """A sentence where lines of the item were set aside because they look booked in another unit; else nothing."""
    days = sorted(row["period_start"] for row in history if row["adjustment_reason"] == "unit_jump")
    if not days:
        return []
    return [
        f"Unit: from {days[0]} on, lines are set aside: their size and unit value jumped by a pack factor in opposite "
        "directions, and no unit event says so. Their periods count as unknown, not as zero."
    ]
