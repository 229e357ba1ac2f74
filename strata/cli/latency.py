"""The command that shows how long data takes, and how old classes may grow."""

from typing import Annotated, Any

import typer

from strata.cli.output import say, show_json, show_table
from strata.home import Home
from strata.partition import shifted

Json = Annotated[bool, typer.Option("--json", help="Machine output.")]
_FEED = (
    "region", "system", "feed", "measured_rows", "event_to_class_p50_hours", "event_to_class_p95_hours", "late_share",
    "needed_hours", "missed_share", "verdict",
)  # fmt: skip


def latency(
    context: typer.Context,
    cycle: Annotated[str | None, typer.Option(help="Cycle of the release; else the current one.")] = None,
    region: Annotated[str | None, typer.Option(help="One region only.")] = None,
    json: Json = False,
) -> None:
    """Hours from event to class per feed, what an old class costs per segment, and the wall clock of the release."""
    home: Home = context.obj
    manifest = _manifest(home, cycle)
    held = sorted(manifest["partitions"])
    regions = [region] if region else held
    if region is not None and region not in held:
        raise ValueError(f"release {manifest['release_id']} holds no region {region!r}, only {held}")
    feeds, segments = (_rows(home, manifest, name, regions) for name in ("feed_latency", "segment_cadence"))
    clock = [row for one in regions for row in _wall(home, manifest, one)]
    if json:
        answer = {"release_id": manifest["release_id"], "feeds": feeds, "segments": segments, "wall_clock": clock}
        show_json(answer)
        return
    say(f"Release {manifest['release_id']}")
    measured = [row for row in feeds if row["measured_rows"]]
    show_table("From event to class", [{name: _short(row[name]) for name in _FEED} for row in measured])
    show_table("Cost of an old class, part of revenue", _by_segment(segments))
    live = [{name: _short(value) for name, value in row.items()} for row in clock if row["live"]]
    show_table("By the wall clock, hours", live)
    if passed := sum(row["back_cast"] for row in clock):
        say(f"{passed} extracts landed after their cut-off: a back-cast cycle, whose wall clock measures nothing.")


def _manifest(home: Home, cycle: str | None) -> dict[str, Any]:
    from strata.governance.releases import lineage

    line = lineage(home)
    for manifest in line:
        if cycle in (None, manifest["cycle"]):
            return dict(manifest)
    raise ValueError(f"{home.releases}: no release of {cycle or 'any cycle'} yet; run `strata run --publish`")


def _rows(home: Home, manifest: dict[str, Any], table: str, regions: list[str]) -> list[dict[str, Any]]:
    from strata.governance.releases import published_table, region_rows

    whole = published_table(home, manifest, table)
    found: list[dict[str, Any]] = []
    for region in regions:
        found += region_rows(whole, region).to_pylist()
    return found


def _by_segment(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line per segment with any item: its cost at each delay, and what is recommended."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    days = sorted({row["delay_days"] for row in rows})
    for row in rows:
        empty = {
            "region": row["region"],
            "segment": row["segment"],
            "items": 0,
            **{f"after_{n}_days": None for n in days},
        }
        line = found.setdefault((row["region"], row["segment"]), empty)
        line["items"] = max(line["items"], row["items"])
        line[f"after_{row['delay_days']}_days"] = _short(row["cost_share"])
        line["decide_every_days"] = row["recommended_cadence_days"]
        line["why"] = row["decision_reason"]
    return [line for line in found.values() if line["items"]]


def _wall(home: Home, manifest: dict[str, Any], region: str) -> list[dict[str, Any]]:
    """Hops by the clocks of landing record, snapshot and ledger, of the extracts taken for this cycle."""
    import pandas as pd

    from strata.conformed.build import load_snapshot
    from strata.governance.store import GovernanceStore
    from strata.intake.batches import accepted_batches
    from strata.review.latency import wall_latency

    part = manifest["partitions"][region]
    calendar, snapshot = home.calendar(), load_snapshot(home, part["snapshot_id"])
    since, cutoff = (calendar.cutoff(shifted(part["cycle"], back), region) for back in (-1, 0))
    published = next(
        (one.published_at for one in GovernanceStore(home).releases() if one.release_id == manifest["release_id"]), None
    )
    known = {str(batch["batch_id"]) for batch in snapshot.batches}
    rows = [
        {
            "system": batch.system,
            "feed": batch.feed,
            "extracted": batch.manifest.extracted_at.timestamp(),
            "landed": batch.landed_at.timestamp() if batch.landed_at else None,
            "conformed": pd.Timestamp(snapshot.created_at).timestamp(),
            "published": published.timestamp() if published else None,
        }
        for batch in accepted_batches(home)
        if batch.batch_id in known and since < batch.manifest.extracted_at <= cutoff
    ]
    names = ["system", "feed", "extracted", "landed", "conformed", "published"]
    found = wall_latency(
        pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[2:], "float64")), cutoff=cutoff.timestamp()
    )
    found.insert(0, "region", region)
    plain = found.astype(object).where(found.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def _short(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
