"""Commands that write what a release is evidence for, as documents that people read.

Belongs here: reading a release, where a document goes. Does not: its words (`strata.review.evidence`).
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from strata.cli.output import say
from strata.home import Home

app = typer.Typer(no_args_is_help=True, help="Documents of a release: what its data speak for.")


@app.callback()
def documents() -> None:
    """Documents of a release: what its data speak for."""


@app.command("criteria")
def criteria(
    context: typer.Context,
    release: Annotated[str | None, typer.Option(help="Release id; else the newest of the cycle.")] = None,
    cycle: Annotated[str | None, typer.Option(help="Cycle of the release; else the current one.")] = None,
    region: Annotated[str | None, typer.Option(help="One region only.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write, .md; else standard output.")] = None,
) -> None:
    """Which criterion, dimension and method a release recommends, by which rule (docs/methods/criteria_report.md).

    Markdown. The same release gives the same bytes.
    """
    from strata.durable import write_bytes

    if out is not None and out.suffix != ".md":
        raise typer.BadParameter(f"--out {out}: .md")
    text = _document(context.obj, release, cycle, region)
    if out is None:
        typer.echo(text, nl=False)
        return
    write_bytes(out, text.encode())
    say(f"{out}: {len(text.splitlines())} lines")


def _document(home: Home, release: str | None, cycle: str | None, region: str | None) -> str:
    from strata.governance.releases import published_table
    from strata.review.evidence import PARTS, evidence_document

    manifest = _manifest(home, release, cycle)
    held = sorted(manifest["partitions"])
    if region is not None and region not in held:
        raise ValueError(f"release {manifest['release_id']} holds no region {region!r}, only {held}")
    names = [table.name for table, *_ in PARTS]
    if missing := sorted(set(names) - {table["name"] for table in manifest["tables"]}):
        raise ValueError(f"release {manifest['release_id']} is older than {missing}; name a later one")
    tables = {name: published_table(home, manifest, name).to_pylist() for name in names}
    return evidence_document(manifest, tables, [region] if region else held)


def _manifest(home: Home, release: str | None, cycle: str | None) -> dict[str, Any]:
    from strata.cli.releases import published_id
    from strata.governance.releases import lineage, read_manifest

    if release is not None:
        found = dict(read_manifest(home, published_id(home, release)))
        if cycle not in (None, found["cycle"]):
            raise ValueError(f"release {release} is of cycle {found['cycle']}, not {cycle}")
        return found
    for manifest in lineage(home):
        if cycle in (None, manifest["cycle"]):
            return dict(manifest)
    raise ValueError(f"{home.releases}: no release of {cycle or 'any cycle'} yet; run `strata run --publish`")
