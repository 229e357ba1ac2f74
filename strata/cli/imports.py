"""`strata import`: any demand panel as this home's company."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from strata.cli.output import end_progress, progress, say, show_json, show_table
from strata.home import Home


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Long CSV or Parquet, or a folder with files of one kind.")],
    map_: Annotated[Path, typer.Option("--map", help="MAP.yml: which column means what (docs/import.md).")],
    json: Annotated[bool, typer.Option("--json", help="Machine output.")] = False,
) -> None:
    """Turn a demand panel into landing extracts, and this home's regions, calendar and scheme."""
    from orchestration.pipeline import initialise
    from strata.governance.store import GovernanceStore
    from strata.panel.importing import import_panel
    from strata.panel.mapping import load_map

    home: Home = context.obj
    panel = load_map(map_)
    progress(f"read {file}")
    report = import_panel(home, file, panel, now=GovernanceStore(home).now())
    initialise(home, profile="trial")
    end_progress()
    if json:
        show_json(asdict(report))
        return
    show_table(
        f"{file.name}: {report.first_day} to {report.last_day}, regions {', '.join(report.regions)}",
        [
            {"rows": "read", "number": report.rows, "why": ""},
            *({"rows": "refused", "number": count, "why": why} for why, count in report.refused.items()),
            {"rows": "equal to an earlier one", "number": report.duplicates, "why": "taken once"},
            {"rows": "dropped by the map", "number": report.dropped_rows, "why": f"{report.dropped_units:f} units"},
            {"rows": "without demand", "number": report.zero_rows, "why": "say that nothing was asked for"},
            {"rows": "item-locations", "number": report.item_locations, "why": ""},
            {"rows": "  of them never sold", "number": report.idle_item_locations, "why": "no demand, so no class"},
        ],
    )
    if report.quarantine:
        say("")
        show_table(
            "First refused rows",
            [dict(zip(("file", "row", "column", "reason", "value"), row, strict=True)) for row in report.examples],
        )
        say(f"All of them: {report.quarantine}")
    for warning in report.warnings:
        say(f"Note: {warning}")
    if report.exceeds_contract:
        say("More rows were refused than the contract of erp/sales_order_lines tolerates: look at them before you run.")
    say("")
    feeds: dict[str, dict[str, int]] = {}
    for extract in report.extracts:
        counted = feeds.setdefault(f"{extract.system}/{extract.feed}", {"extracts": 0, "rows": 0})
        counted["extracts"] += 1
        counted["rows"] += extract.rows
    show_table("Extracts written", [{"feed": feed, **counted} for feed, counted in feeds.items()])
    say("")
    say(f"Scheme {report.scheme_version} in {home.config / 'schemes'}. Now:  strata land")
    say(f"Then:  strata run --cycle {report.cycles[0]}..{report.cycles[-1]} --publish")
