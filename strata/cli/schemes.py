"""Commands about schemes."""

from pathlib import Path
from typing import Annotated

import typer

from strata.cli.output import say, show_json, show_table

app = typer.Typer(no_args_is_help=True, help="Schemes: every number a planner owns.")
Json = Annotated[bool, typer.Option("--json", help="Machine output.")]


@app.command("list")
def list_schemes(context: typer.Context, json: Json = False) -> None:
    """The schemes of this home, by the cycle from which they hold."""
    from strata.governance.store import GovernanceStore
    from strata.scheme.load import SchemeRegister

    store = GovernanceStore(context.obj)
    rows = []
    for file in SchemeRegister.load(context.obj.config / "schemes").files:
        approval = store.scheme_approval(file.sha256)
        rows.append(
            {
                "version": file.scheme.version,
                "effective_from": file.scheme.effective_from,
                "owner": file.scheme.owner,
                "sha256": file.sha256[:16],
                "approved_by": approval.approved_by if approval else None,
            }
        )
    show_json(rows) if json else show_table("Schemes", rows)


@app.command("check")
def check(file: Path, json: Json = False) -> None:
    """Read a scheme file as the pipeline would; name every fault."""
    from strata.scheme.load import load_scheme, parameters

    loaded = load_scheme(file)
    answer = {"version": loaded.scheme.version, "sha256": loaded.sha256, "parameters": len(parameters(loaded.scheme))}
    show_json(answer) if json else say(
        f"{file}: scheme {loaded.scheme.version}, {answer['parameters']} parameters, no fault"
    )
