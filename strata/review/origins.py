"""What the source rows of an item add up to, in plain sentences: demand, what was left out, and whether it ties.

Belongs here: summing and wording rows. Does not: reading them (`strata.conformed.origins`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]

LEFT_OUT = {
    "superseded": "a later version of the line took their place",
    "orphan_item": "the item was not in the item master",
    "unit_mismatch": "their unit is not the item's base unit",
    "currency_mismatch": "their currency is not the group's",
    "missing_unit_factor": "nothing says how many base units their unit holds on that day",
    "missing_rate": "no rate converts their currency on that day",
    "return": "they are returns, not demand",
    "future_dated": "they are dated after the cut-off",
}


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that were treated alike: how many, their units and amount as the source states them."""

    line: str
    reason: str
    order_lines: int
    units: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Demand:
    """What the demand lines of an item add up to inside the window of its value, and outside of it."""

    since: date
    until: date
    order_lines: int
    units: Decimal
    revenue: Decimal
    lines_before: int
    lines_open: int
    batches: int
    stated: Decimal | None

    @property
    def ties(self) -> bool:
        """Whether the rows give the revenue that the profile states, to the last decimal."""
        return self.stated is not None and self.revenue == self.stated


def demand_of(rows: Sequence[Row], *, since: date, until: date, stated: Decimal | None) -> Demand:
    """Add up the demand lines of an item (one location, or all of a region).

    Args:
        rows: sales lines as `strata.conformed.origins.sales_lines` gives them.
        since: first day of the window.
        until: first day after it.
        stated: revenue of the item's row of `demand_profile`; None where it has none.
    """
    lines = [row for row in rows if row["line"] == "demand"]
    inside = [row for row in lines if since <= row["local_date"] < until]
    return Demand(
        since=since,
        until=until,
        order_lines=len(inside),
        units=sum((units_of(row) for row in inside), Decimal(0)),
        revenue=sum((revenue_of(row) for row in inside), Decimal(0)),
        lines_before=sum(row["local_date"] < since for row in lines),
        lines_open=sum(row["local_date"] >= until for row in lines),
        batches=len({row["batch_id"] for row in inside}),
        stated=stated,
    )


def left_out(rows: Sequence[Row]) -> list[Group]:
    """Rows that are no demand, by what was done with them and why; largest group first."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["line"] != "demand":
            groups.setdefault((row["line"], row["reason"]), []).append(row)
    found = [
        Group(
            line,
            reason,
            len(group),
            sum((row["quantity"] for row in group), Decimal(0)),
            sum((row["net_amount"] for row in group), Decimal(0)),
        )
        for (line, reason), group in groups.items()
    ]
    return sorted(found, key=lambda group: (-group.order_lines, group.line, group.reason))


def units_of(row: Row) -> Decimal:
    """Base units of a line."""
    return Decimal(row["demand_units"] if row.get("demand_units") is not None else row["quantity"])


def revenue_of(row: Row) -> Decimal:
    """Group currency of a line."""
    return Decimal(row["revenue"] if row.get("revenue") is not None else row["net_amount"])


def sentences(demand: Demand, groups: Sequence[Group]) -> list[str]:
    """The sums in words, one sentence group per line."""
    lines = [_demand(demand)]
    for group in groups:
        why = LEFT_OUT.get(group.reason, f"reason {group.reason}")
        verb = "was" if group.order_lines == 1 else "were"
        lines.append(
            f"Left out: {_count(group.order_lines)} over {_exact(group.units)} units and {_exact(group.amount)} {verb} "
            f"{group.line} ({group.reason}): {why}."
        )
    return lines


def _demand(demand: Demand) -> str:
    outside = [
        f"{count:,} more {what}"
        for count, what in (
            (demand.lines_before, f"before {demand.since}"),
            (demand.lines_open, f"from {demand.until} on, in a period still open"),
        )
        if count
    ]
    rest = f" Besides: {'; '.join(outside)}." if outside else ""
    if not demand.order_lines:
        return f"Source: no order line from {demand.since} until before {demand.until} is demand.{rest}"
    extracts = f"{demand.batches:,} extract{'' if demand.batches == 1 else 's'}"
    tie = "that is the profile's revenue to the last decimal"
    if demand.stated is None:
        tie = "there is no profile to compare with"
    elif not demand.ties:
        tie = f"the profile says {_exact(demand.stated)}, which differs by {_exact(demand.stated - demand.revenue)}"
    return (
        f"Source: {_count(demand.order_lines)} from {demand.since} until before {demand.until}, out of {extracts}, "
        f"give {_exact(demand.units)} units and revenue {_exact(demand.revenue)}: {tie}.{rest}"
    )


def _exact(number: Decimal) -> str:
    """All its digits, without trailing zeros."""
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _count(number: int) -> str:
    return f"{number:,} order line{'' if number == 1 else 's'}"
