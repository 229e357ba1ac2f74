"""`strata reclassify`: what events since the release would do to the classes of the items that they touch."""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from strata.cli.output import end_progress, progress, say, show_json, show_table
from strata.home import Home


def reclassify(
    context: typer.Context,
    region: Annotated[str | None, typer.Option(help="One region only.")] = None,
    cycle: Annotated[
        str | None, typer.Option(help="Cycle to decide for; else the newest whose cut-off the extracts have passed.")
    ] = None,
    rows: Annotated[int, typer.Option(min=0, help="Items shown, those that move first; 0 is all.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Machine output.")] = False,
) -> None:
    """Launches, endings, hierarchy changes and drift since the release, and the classes that follow: a shadow.

    All extracts landed are conformed; items that an event touched are decided again under the scheme that decided the
    release, with what is known now, all others keep their published profile and class. Nothing is published and no
    candidate is made: `strata run` decides the cycle (docs/methods/events.md).
    """
    home: Home = context.obj
    found, release_id = _regions(home, region, cycle)
    told = [{"region": code, **row} for code, one in found.items() for row in one["rows"]]
    told.sort(key=lambda row: (not row["moves"], row["region"], row["sku_id"], row["location_id"]))
    shown = told if rows == 0 else told[:rows]
    if json:
        parts = {code: {name: value for name, value in one.items() if name != "rows"} for code, one in found.items()}
        moves = sum(row["moves"] for row in told)
        show_json({"release_id": release_id, "regions": parts, "touched": len(told), "moves": moves, "items": shown})
        return
    show_table(
        f"Since release {release_id}",
        [
            {"region": code, "published": one["published_cycle"], "decided for": one["cycle"],
             "known until": f"{one['known_at']:%Y-%m-%d %H:%M}", "touched": len(one["rows"]),
             "would move": sum(row["moves"] for row in one["rows"])}
            for code, one in found.items()
        ],
    )  # fmt: skip
    names = ("region", "sku_id", "location_id", "event", "published_segment", "segment", "detail", "decision_reason")
    more = f", the first {len(shown)}" if len(shown) < len(told) else ""
    show_table(f"{len(told):,} items touched{more}", [{name: row[name] for name in names} for row in shown])
    say("Nothing was published: a shadow of what `strata run` would decide for these items.")


def _regions(home: Home, region: str | None, cycle: str | None) -> tuple[dict[str, dict[str, Any]], str]:
    """Per region what it was decided for and the touched rows; the release that they are compared with."""
    from orchestration.landing import conform
    from orchestration.resources import Workspace
    from strata.cli.preview import published_partition
    from strata.conformed.events import newest_cycle, newest_known, reclassified
    from strata.conformed.history import View
    from strata.conformed.preview import STAGES
    from strata.governance.releases import current_manifest, published_table
    from strata.partition import Partition

    manifest = current_manifest(home)
    if manifest is None:
        raise ValueError("nothing was published yet: there is no class to compare with; `strata run --publish` first")
    held = sorted(manifest["partitions"])
    if region is not None and region not in held:
        raise ValueError(f"release {manifest['release_id']} holds no region {region!r}, only {held}")
    progress("conforming what was landed")
    run_id = f"reclassify-{uuid4().hex[:12]}"
    try:
        snapshot = conform(home, run_id)
    finally:
        shutil.rmtree(home.scratch(run_id), ignore_errors=True)
    known_at = newest_known(snapshot)
    whole = {name: published_table(home, manifest, name) for name in STAGES}
    calendar = home.calendar()
    found: dict[str, dict[str, Any]] = {}
    for code in [region] if region else held:
        progress(f"{code}: looking for events")
        known = published_partition(home, manifest, code, whole)
        published = known.view.partition.cycle
        wanted = cycle or newest_cycle(calendar, code, published=published, known_at=known_at)
        seen = max(known_at, known.view.known_at)
        view = View(snapshot, Partition(code, wanted), seen, known.view.scheme, calendar)
        with tempfile.TemporaryDirectory(prefix="strata-reclassify-") as scratch:
            rows = reclassified(
                known, snapshot, cycle=wanted, known_at=seen, overrides=Workspace(root=str(home.root)).overrides(view),
                scratch=Path(scratch),
            )  # fmt: skip
        found[code] = {
            "published_cycle": published, "cycle": wanted, "known_at": seen, "rows": rows.to_dict("records"),
        }  # fmt: skip
    end_progress()
    return found, str(manifest["release_id"])
