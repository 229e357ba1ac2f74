"""The command that hands out what a role may see of a release.

Belongs here: `strata export`. Does not: what it does (`strata.serving.export`).
"""

from pathlib import Path
from typing import Annotated

import typer

from strata.cli.output import Refused, say, show_json, show_table
from strata.home import Home


def export(
    context: typer.Context,
    role: Annotated[str, typer.Option(help="Role of config/roles.yml that the files are for.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    table: Annotated[list[str] | None, typer.Option(help="Table; again for more. Else all that the role sees.")] = None,
    format: Annotated[str, typer.Option(help="csv (safe to open in a spreadsheet) or parquet.")] = "csv",
    release: Annotated[str | None, typer.Option(help="Release; else the current one.")] = None,
    reason: Annotated[str, typer.Option(help="What for; goes into the ledger.")] = "asked for on the command line",
    actor: Annotated[str, typer.Option("--as", envvar="USER", help="Who takes it; goes into the ledger.")] = "operator",
    json: Annotated[bool, typer.Option("--json", help="Machine output.")] = False,
) -> None:
    """Write the rows and columns that a role may see of a release, and note in the ledger who took them."""
    from strata.governance.releases import current_release
    from strata.governance.store import GovernanceStore
    from strata.serving.access import AccessError
    from strata.serving.export import export as write

    if format not in ("csv", "parquet"):
        raise typer.BadParameter("--format is csv or parquet")
    home: Home = context.obj
    release_id = release or current_release(home)
    if release_id is None:
        raise ValueError(f"{home.releases}: nothing was published yet; `strata run --publish` publishes")
    try:
        made = write(
            home, GovernanceStore(home), release_id=release_id, role=role, tables=table,
            file_format=format, out=out, actor=actor, reason=reason,  # type: ignore[arg-type]
        )  # fmt: skip
    except AccessError as error:
        raise Refused(str(error)) from error
    if json:
        show_json(made.manifest)
        return
    rows = [
        {"table": one["name"], "rows": one["rows"], "columns": len(one["columns"]),
         "pseudonymised": ", ".join(one["pseudonymised"]) or "-", "withheld": ", ".join(one["withheld"]) or "-"}
        for one in made.manifest["tables"]
    ]  # fmt: skip
    show_table(f"Release {release_id} as role {role} sees it, in {made.folder}", rows)
    if refused := made.manifest["tables_withheld"]:
        say(f"Not for this role: {', '.join(sorted(refused))}")
