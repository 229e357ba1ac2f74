"""What `strata classify` does with a panel, and what both kinds of file share: scheme, refused rows.

Belongs here: from file to file by the functions of a run, and what is said about it. Does not: options
(`strata.cli.classify`).
"""

import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import typer

from strata.calendar import Bucket
from strata.cli.output import Refused, say, show_json, show_table

if TYPE_CHECKING:
    from strata.panel.records import Refusal
    from strata.scheme.model import Scheme

SHOWN = 20  # refused rows that are named on standard error; the file names all


def scheme_or_shipped(path: Path | None) -> "Scheme":
    """The scheme of a file, else the one that is shipped."""
    from strata.home import REPOSITORY
    from strata.scheme.load import load_scheme

    return load_scheme(path or sorted((REPOSITORY / "config" / "schemes").glob("*.yml"))[-1]).scheme


def check_out(out: Path, path: Path | None) -> None:
    """Refuse a file to write that has no known ending, or is the one that is read."""
    if not out.name.endswith((".csv", ".parquet")):
        raise typer.BadParameter(f"--out {out}: classes are written as .csv or .parquet")
    if path is not None and out.resolve() == path.resolve():
        raise typer.BadParameter(f"--out {out}: that is the file that is read; write another one")


def tell_refusals(path: Path, refusals: "Sequence[Refusal]", *, rows: int, all_in: Path | None) -> None:
    """Name the first refused rows on standard error and end with code 3; nothing where there is none."""
    if not refusals:
        return
    for fault in refusals[:SHOWN]:
        print(f"{path}: line {fault.line}, column {fault.column}: {fault.value!r}, {fault.reason}", file=sys.stderr)
    more = f"; the first {SHOWN} are named above" if len(refusals) > SHOWN else ""
    raise Refused(f"{len(refusals):,} of {rows:,} rows were refused{more}; all with reasons: {all_in}")


def classify_panel(
    path: Path,
    out: Path,
    *,
    wide: str | None,
    grain: str | None,
    since: datetime | None,
    until: datetime | None,
    scheme: Path | None,
    delimiter: str,
    json: bool,
) -> None:
    """Class every item and location of a file of demand, and say how and as of when."""
    from strata.classify.panel import panel_classes
    from strata.governance.store import utc_now
    from strata.panel.demand import read_demand
    from strata.panel.records import write_refusals, write_rows

    if grain is not None and grain not in get_args(Bucket):
        raise typer.BadParameter(f"--grain {grain}: one of {', '.join(get_args(Bucket))}")
    rule = scheme_or_shipped(scheme)
    today = utc_now().date()
    if until is not None and until.date() > today:
        raise typer.BadParameter(f"--until {until:%Y-%m-%d}: that day is still to come")
    keys = None if wide is None else [name.strip() for name in wide.split(",")]
    found = read_demand(path, wide=keys, delimiter=delimiter, today=today)
    made = panel_classes(
        found.lines,
        scheme=rule,
        grain=next((known for known in get_args(Bucket) if known == grain), None),
        since=since.date() if since else None,
        until=until.date() if until else None,
    )
    write_rows(out, made.table)
    refused = write_refusals(out, found.refusals)
    counts = Counter(made.table["segment"].to_pylist())
    notes = [*found.notes, *made.notes]
    if json:
        show_json(
            {"out": str(out), "scheme": rule.version, "rows": found.rows, "refused": len(found.refusals),
             "refusals": str(refused) if refused else None, "classed": len(made.table), "bucket": made.bucket,
             "first_period": made.first, "last_period": made.last, "cycle": made.cycle,
             "segments": dict(sorted(counts.items())), "notes": notes}
        )  # fmt: skip
    else:
        what = "items" if made.table["location_id"][0].as_py() == "*" else "item-locations"
        show_table(
            f"{len(made.table):,} {what} by scheme {rule.version}, value of the {made.bucket}s from {made.first} to "
            f"{made.last}, in {out}",
            _segments(made.table, counts),
        )
        for note in notes:
            say(f"Note: {note}")
    tell_refusals(path, found.refusals, rows=found.rows, all_in=refused)


def _segments(table: Any, counts: "Counter[str]") -> list[dict[str, Any]]:
    """Rows, units and revenue per segment, as far as the file knows them."""
    sums = table.group_by("segment").aggregate([("demand_units", "sum"), ("revenue", "sum")]).to_pylist()
    known = {row["segment"]: row for row in sums}
    made = []
    for segment, number in sorted(counts.items()):
        row = {"segment": segment, "rows": number, "units": known[segment]["demand_units_sum"]}
        if known[segment]["revenue_sum"] is not None:
            row["revenue"] = known[segment]["revenue_sum"]
        made.append(row)
    return made
