"""Commands about what was published: releases, replay, explain."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from strata.cli.output import Refused, say, show_json, show_table
from strata.home import Home

app = typer.Typer(no_args_is_help=True, help="Published releases.")
Json = Annotated[bool, typer.Option("--json", help="Machine output.")]


@app.command("list")
def list_releases(context: typer.Context, json: Json = False) -> None:
    """Every published release, the current one marked."""
    from strata.governance.releases import current_release
    from strata.governance.store import GovernanceStore

    home: Home = context.obj
    current = current_release(home)
    rows = [
        {
            "release": release.release_id,
            "cycle": release.cycle,
            "generation": release.generation,
            "parent": release.parent,
            "rollback_of": release.rollback_of,
            "published_at": release.published_at,
            "current": release.release_id == current,
        }
        for release in GovernanceStore(home).publications()
    ]
    show_json(rows) if json else show_table("Releases", rows)


@app.command("show")
def show_release(context: typer.Context, release_id: str, json: Json = False) -> None:
    """The manifest of a release."""
    from strata.governance.releases import read_manifest

    manifest = read_manifest(context.obj, published_id(context.obj, release_id))
    if json:
        show_json(manifest)
        return
    for name in (
        "release_id",
        "cycle",
        "generation",
        "parent_release",
        "rollback_of",
        "created_at",
        "profile",
        "code_version",
    ):
        say(f"{name:16} {manifest.get(name)}")
    show_table("Regions", [{"region": r, "cycle": c} for r, c in sorted(manifest["regions"].items())])
    show_table(
        "Suspensions",
        [
            {"region": s["region"], "since": s.get("since_cycle"), "why": s.get("reason")}
            for s in manifest["suspensions"]
        ],
    )
    show_table(
        "Tables",
        [{"table": t["name"], "rows": t["rows"], "content_hash": t["content_hash"][:16]} for t in manifest["tables"]],
    )


@app.command("verify")
def verify(context: typer.Context, release_id: str, json: Json = False) -> None:
    """Read every file of a release again and compare it with manifest and ledger."""
    from strata.governance.store import GovernanceStore
    from strata.governance.verify import verify_release

    faults = verify_release(context.obj, GovernanceStore(context.obj), release_id)
    show_json({"release_id": release_id, "faults": faults}) if json else say(
        "\n".join(faults) or f"{release_id}: intact"
    )
    if faults:
        raise SystemExit(1)


@app.command("rollback")
def roll_back(
    context: typer.Context,
    release_id: str,
    reason: Annotated[str, typer.Option(help="Why; goes into the ledger.")],
    actor: Annotated[str, typer.Option("--as", envvar="USER", help="Who does it.")] = "operator",
    json: Json = False,
) -> None:
    """Publish the content of an older release again, as a new release."""
    from strata.governance.publisher import rollback
    from strata.governance.store import GovernanceStore

    result = rollback(GovernanceStore(context.obj), context.obj, release_id, reason=reason, actor=actor)
    if result.outcome in ("refused", "stale"):
        raise Refused("; ".join(result.reasons))
    answer = {"outcome": result.outcome, "release_id": result.release_id}
    show_json(answer) if json else say(f"{result.outcome}: {result.release_id}")


def published_id(home: Home, release_id: str) -> str:
    """The id if the ledger knows it: what is typed never becomes a path by itself."""
    from strata.governance.store import GovernanceStore

    if release_id not in {release.release_id for release in GovernanceStore(home).releases()}:
        raise ValueError(f"release {release_id!r} was never published; `strata releases list` shows those that were")
    return release_id


def replay(context: typer.Context, release_id: str, json: Json = False) -> None:
    """Recompute a release from raw as it was known then; exit 0 only if every content hash is equal."""
    from orchestration.replay import replay as replay_release

    report = replay_release(context.obj, published_id(context.obj, release_id))
    if json:
        show_json(asdict(report))
    elif report.differences:
        differing = ", ".join(report.differences)
        say(f"{release_id}: {len(report.differences)} of {report.compared} tables differ: {differing}")
    else:
        say(f"{release_id}: {report.compared} tables recomputed from raw, every content hash equal")
    if report.published_by != report.replayed_by and not json:
        say(f"published by code {report.published_by}, replayed by {report.replayed_by}")
        if report.differences:
            say("check that code out to see whether data or code made the difference")
    if report.differences:
        raise SystemExit(1)


def explain(
    context: typer.Context,
    sku: str,
    region: Annotated[str | None, typer.Option(help="Region; else all.")] = None,
    cycle: Annotated[str | None, typer.Option(help="Cycle; else that of the current release.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="Source rows per list, largest first; 0 for all.")] = 8,
    json: Json = False,
) -> None:
    """Why an item has its class and policy: inputs, boundaries, rule, previous class, source rows."""
    from strata.cli.explanation import explanations

    found: list[dict[str, Any]] = explanations(context.obj, sku, region=region, cycle=cycle, rows=rows)
    if json:
        show_json(found)
        return
    for part in found:
        say(f"\n{sku} in {part['region']}, cycle {part['cycle']}, release {part['release_id']}")
        for line in [*part["lines"], *part["sums"]]:
            say(f"  {line}")
        show_table("  Source rows: order lines behind its demand (largest first)", part["source_rows"])
        for title, name in (("Order lines left out (newest first)", "left_out_rows"), ("Refused rows", "refused_rows")):
            if part[name]:
                show_table(f"  {title}", part[name])
        for table, record in part["records"].items():
            more = record["rows"] - len(record["shown"])
            show_table(f"  {table}, known at the cut-off{f' ({more:,} more)' if more else ''}", record["shown"])
