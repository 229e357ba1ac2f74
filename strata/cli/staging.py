"""The command that turns plain files of a source into landing extracts.

Belongs here: `strata stage`. Does not: what it does (`strata.intake.stage`).
"""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from strata.cli.output import say, show_json, show_table


def stage(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder with the source's files, called like its tables.")],
    extracted_at: Annotated[str, typer.Option(help="When the source wrote them, with offset: 2024-04-01T02:00:00Z.")],
    initial_load: Annotated[
        bool, typer.Option("--initial-load", help="First load of a feed: rows were known by their business time.")
    ] = False,
    feed: Annotated[
        list[str] | None, typer.Option(help="system/feed; again for more. Else all that are there.")
    ] = None,
    business_date: Annotated[str | None, typer.Option(help="Last day that the files cover, YYYY-MM-DD.")] = None,
    grain: Annotated[str, typer.Option(help="event, day, week or month, of feeds without mapping.")] = "event",
    extract_id: Annotated[str | None, typer.Option(help="Name of the extracts; else the time of extraction.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Machine output.")] = False,
) -> None:
    """Copy plain files into landing/ and write the manifests that their source did not."""
    from strata.intake.contract import load_contracts
    from strata.intake.stage import stage as stage_files

    if grain not in ("event", "day", "week", "month"):
        raise typer.BadParameter("--grain is event, day, week or month")
    contracts = load_contracts(context.obj.config / "feeds")
    result = stage_files(
        context.obj,
        contracts,
        folder,
        extracted_at=datetime.fromisoformat(extracted_at),
        initial_load=initial_load,
        feeds=feed,
        business_date=date.fromisoformat(business_date) if business_date else None,
        grain=grain,  # type: ignore[arg-type]
        extract_id=extract_id,
    )
    rows = [
        {"extract": "/".join(found.folder.parts[-3:]), "files": len(found.rows), "rows": sum(found.rows.values())}
        for found in result.extracts
    ]
    if json:
        show_json({"extracts": rows, "skipped": result.skipped})
        return
    show_table("Staged", rows)
    mapped = {"/".join(key) for key, contract in contracts.items() if contract.source}
    for name in sorted(mapped & set(result.skipped)):
        say(f"{name}: {result.skipped[name]}")
    if rest := sorted(set(result.skipped) - mapped):
        say(f"No file for the feeds without mapping: {', '.join(rest)}")
    say("Accept them:  strata land")
