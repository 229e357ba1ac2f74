"""The command that writes the dossiers of a release."""

import difflib
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strata.cli.output import end_progress, progress, say, show_json, show_table
from strata.home import Home

if TYPE_CHECKING:
    from strata.governance.releases import Manifest
    from strata.review.document import Block
    from strata.review.dossier import Source

TABLES = ("scheme", "segment_migration", "class_agreement", "override", "service_target", "gate_result")


class Audience(StrEnum):
    """Who a dossier is for."""

    finance = "finance"
    operations = "operations"


def dossier(
    context: typer.Context,
    audience: Annotated[Audience, typer.Argument(help="Who it is for.")],
    release: Annotated[str | None, typer.Option(help="Release; else the current one.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path(),
    against: Annotated[
        str | None, typer.Option(help="Another release: show what its dossier says differently.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Machine output.")] = False,
) -> None:
    """Write the evidence of a release for finance or operations, as Markdown and HTML (docs/dossiers.md).

    Every boundary between classes with its reason, owner and approval, what lies around it, other cuts with what they
    would hold, cost and serve, how sure it is, and what crossed it. The same release gives the same bytes.
    """
    from hashlib import sha256

    from strata.durable import write_bytes

    home: Home = context.obj
    manifest = _manifest(home, release)
    content = files(home, manifest, audience)
    for name, text in content.items():
        write_bytes(out / name, text)
    written = [
        {"file": str(out / name), "bytes": len(text), "sha256": sha256(text).hexdigest()}
        for name, text in content.items()
    ]
    changes: list[str] = []
    if against is not None:
        name = f"dossier-{audience}.md"
        before, now = (
            text.decode("utf-8").splitlines()
            for text in (files(home, _manifest(home, against), audience)[name], content[name])
        )
        changes = list(difflib.unified_diff(before, now, against, str(manifest["release_id"]), n=0, lineterm=""))
    if json:
        show_json({"release_id": manifest["release_id"], "audience": audience, "files": written, "changes": changes})
        return
    show_table(f"Dossier for {audience}, release {manifest['release_id']}", written)
    for line in changes:
        say(line)


def files(home: Home, manifest: "Manifest", audience: str) -> dict[str, bytes]:
    """The files of a dossier by name: Markdown, HTML, and the pictures that the Markdown shows.

    Raises:
        ValueError: a boundary has no rationale, owner, approval or date.
    """
    from strata.conformed.boundaries import TABLES as READ
    from strata.review.document import Heading, Picture, html, markdown
    from strata.review.finance import finance
    from strata.review.operations import operations

    source = gathered(home, manifest)
    blocks: list[Block] = (finance if audience == "finance" else operations)(source, [*READ, *TABLES])
    title = next(block.text for block in blocks if isinstance(block, Heading))
    folder = f"dossier-{audience}"
    found = {f"{folder}.md": markdown(blocks, folder), f"{folder}.html": html(blocks, title)}
    found |= {f"{folder}/{block.name}": block.svg for block in blocks if isinstance(block, Picture)}
    return {name: text.encode("utf-8") for name, text in found.items()}


def gathered(home: Home, manifest: "Manifest") -> "Source":
    """What the dossiers of a release are made from."""
    from strata.cli.preview import held_region
    from strata.conformed.boundaries import TABLES as READ
    from strata.conformed.boundaries import region_evidence
    from strata.governance.releases import published_table
    from strata.review.dossier import Source

    whole = {name: published_table(home, manifest, name) for name in READ}
    regions = []
    for code in sorted(manifest["partitions"]):
        progress(f"{code}: gathering evidence")
        view, tables = held_region(home, manifest, code, whole)
        with tempfile.TemporaryDirectory(prefix="strata-dossier-") as scratch:
            regions.append(region_evidence(view, tables, Path(scratch)))
    end_progress()
    frames = {name: published_table(home, manifest, name).to_pandas(date_as_object=True) for name in TABLES}
    return Source(manifest, regions, frames)


def _manifest(home: Home, release: str | None) -> "Manifest":
    from strata.cli.releases import published_id
    from strata.governance.releases import current_manifest, read_manifest

    if release is not None:
        return read_manifest(home, published_id(home, release))
    manifest = current_manifest(home)
    if manifest is None:
        raise ValueError(f"{home.releases}: no release yet; run `strata run --publish`")
    return manifest
