"""`strata`: thin commands over the same functions that Dagster and the tests call. Heavy imports stay inside them.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused: by a gate, by an approval, or some rows of a file.
"""

import warnings
from pathlib import Path
from typing import Annotated

import typer

from strata.cli import (
    classify,
    dossiers,
    evidence,
    exceptions,
    exports,
    imports,
    latency,
    reclassification,
    releases,
    runs,
    schemes,
    staging,
)
from strata.cli.output import Refused, fail
from strata.home import Home

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(runs.sample, name="sample")
app.add_typer(releases.app, name="releases")
app.add_typer(schemes.app, name="scheme")
app.add_typer(evidence.app, name="review")
app.add_typer(exceptions.override, name="override")
app.add_typer(exceptions.suspension, name="suspension")
app.add_typer(exceptions.ledger, name="ledger")
for command in (runs.init, runs.demo, staging.stage, runs.land, runs.run, runs.dev, releases.replay, releases.explain):
    app.command()(command)
app.command()(exports.export)
app.command("import")(imports.import_)
app.command()(dossiers.dossier)
app.command()(latency.latency)
app.command()(classify.classify)
app.command()(reclassification.reclassify)


@app.callback()
def home_option(
    context: typer.Context,
    home: Annotated[Path | None, typer.Option(help="Data root; else STRATA_HOME, else ./data.")] = None,
) -> None:
    """Segmentation as governed, reproducible decisions."""
    context.obj = Home.from_environment(home)


def main() -> None:
    """Run a command; known errors end with one line that says what to do."""
    # Dagster marks the partition mappings we pin it for as beta on every load.
    warnings.filterwarnings("ignore", message=".*is currently in (beta|preview)")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    from strata.governance.records import GovernanceError, RestatementNeedsApproval

    try:
        app()
    except (Refused, RestatementNeedsApproval) as error:
        fail(str(error), code=3)
    except (GovernanceError, ValueError, OSError) as error:
        fail(str(error), code=1)
    except Exception as error:
        if type(error).__module__.startswith(("dagster", "strata", "orchestration")):
            fail(str(getattr(error, "description", None) or error), code=1)
        raise


if __name__ == "__main__":
    main()
