"""Commands about exceptions and their trail: overrides, suspensions, the ledger."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from strata.cli.output import say, show_json, show_table

override = typer.Typer(no_args_is_help=True, help="Classes set by a person, with reason and expiry.")
suspension = typer.Typer(no_args_is_help=True, help="Regions held at their last good rows.")
ledger = typer.Typer(no_args_is_help=True, help="The hash-chained audit trail.")
_TOTALS = (
    "states", "items", "items_in_effect", "items_unpriced", "revenue", "holding_difference_year",
    "margin_difference_year", "cost_year",
)  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="Machine output.")]


@override.command("add")
def add(
    context: typer.Context,
    sku: str,
    region: Annotated[str, typer.Option(help="Region code.")],
    start: Annotated[str, typer.Option(help="First cycle in which it holds.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    owner: Annotated[str, typer.Option(help="Who asked for it.")],
    approved_by: Annotated[str, typer.Option(help="Who approved it; not the owner.")],
    end: Annotated[str | None, typer.Option(help="Last cycle; else until revoked.")] = None,
    value_class: Annotated[str | None, typer.Option(help="A, B or C.")] = None,
    variability_class: Annotated[str | None, typer.Option(help="X, Y or Z.")] = None,
    location: Annotated[str, typer.Option(help="Location, or * for the region's class.")] = "*",
    json: Json = False,
) -> None:
    """Set the class of an item from now on; it takes effect in cycles cut off later than this moment."""
    from strata.governance.store import GovernanceStore

    store = GovernanceStore(context.obj)
    made = store.add_override(
        region=region, sku_id=sku, location_id=location, value_class=value_class, variability_class=variability_class,
        start_cycle=start, end_cycle=end, reason=reason, owner=owner, approved_by=approved_by, known_from=store.now(),
    )  # fmt: skip
    show_json({"override_id": made.override_id}) if json else say(f"override {made.override_id}")


@override.command("list")
def list_overrides(context: typer.Context, json: Json = False) -> None:
    """All overrides, revoked ones too, and the rules of the scheme, with what each costs by the last release."""
    from strata.governance.releases import current_manifest, published_table
    from strata.governance.store import GovernanceStore
    from strata.tables import OVERRIDE

    given, manifest = GovernanceStore(context.obj).overrides(), current_manifest(context.obj)
    told = {table["name"] for table in manifest["tables"]} if manifest else set()
    found = published_table(context.obj, manifest, OVERRIDE.name) if manifest and OVERRIDE.name in told else None
    rows = _listed(given, OVERRIDE.empty() if found is None else found)
    if json:
        show_json(rows)
        return
    show_table("Overrides", [{name: _short(value) for name, value in row.items()} for row in rows])
    if manifest and rows:
        cost, items = (sum(row[name] or 0 for row in rows) for name in ("cost_year", "items_in_effect"))
        unpriced = sum(row["items_unpriced"] or 0 for row in rows)
        say(
            f"Release {manifest['release_id']}, cycle {manifest['cycle']}: {items} items decided by overrides, which "
            f"cost {cost:,.2f} {manifest['currency']} a year in holding less margin served; {unpriced} not priced."
        )


def _listed(given: Sequence[Any], published: Any) -> list[dict[str, Any]]:
    """Overrides of people as the store has them, then rules as published, each with its totals by region."""
    from strata.classify.rules import OF_RULES
    from strata.review.overrides import totals

    rows = published.to_pandas()
    summed = {(row["override_id"], row["region"]): row for row in totals(rows).to_dict("records")}
    names = (
        "value_class",
        "variability_class",
        "start_cycle",
        "end_cycle",
        "owner",
        "approved_by",
        "revoked_at",
        "reason",
    )
    listed = [
        {
            "override_id": one.override_id, "source": "manual", "kind": "manual", "region": one.region,
            "sku_id": one.sku_id, "location_id": one.location_id, **{name: getattr(one, name) for name in names},
        }
        for one in given
    ]  # fmt: skip
    first = rows[rows["source"] == OF_RULES].drop_duplicates(["override_id", "region"]).to_dict("records")
    for row in sorted(first, key=lambda row: (row["override_id"], row["region"])):
        said = dict(zip(names, ("value_effect", "variability_effect", "starts_cycle", "expires_cycle"), strict=False))
        listed.append(
            {
                **{name: row[name] for name in ("override_id", "source", "kind", "region")},
                "sku_id": "*", "location_id": "*", **{name: row[column] for name, column in said.items()},
                "owner": row["owner"], "approved_by": row["approved_by"], "revoked_at": None, "reason": row["reason"],
            }
        )  # fmt: skip
    left = {(row["override_id"], row["region"]): row["cycles_left"] for row in rows.to_dict("records")}
    for row in listed:
        of = (row["override_id"], row["region"])
        sums = summed.get(of, {})
        row["cycles_left"] = None if of not in left or left[of] != left[of] else int(left[of])
        row |= {name: None if sums.get(name) != sums.get(name) else sums.get(name) for name in _TOTALS}
    return listed


def _short(value: Any) -> Any:
    return round(value, 2) if isinstance(value, float) else value


@override.command("revoke")
def revoke(
    context: typer.Context,
    override_id: str,
    reason: Annotated[str, typer.Option(help="Why.")],
    actor: Annotated[str, typer.Option("--as", envvar="USER", help="Who does it.")] = "operator",
) -> None:
    """End an override for cycles cut off later than this moment."""
    from strata.governance.store import GovernanceStore

    store = GovernanceStore(context.obj)
    store.revoke_override(override_id, store.now(), reason=reason, actor=actor)
    say(f"override {override_id} revoked")


@suspension.command("list")
def list_suspensions(context: typer.Context, json: Json = False) -> None:
    """Open suspensions."""
    from strata.governance.store import GovernanceStore

    rows = [
        {"suspension_id": s.suspension_id, "region": s.region, "since": s.since_cycle, "reason": s.reason}
        for s in GovernanceStore(context.obj).open_suspensions()
    ]
    show_json(rows) if json else show_table("Open suspensions", rows)


@suspension.command("resume")
def resume(
    context: typer.Context,
    suspension_id: str,
    cycle: Annotated[str, typer.Option(help="Cycle in which the region is trusted again.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    actor: Annotated[str, typer.Option("--as", envvar="USER", help="Who does it.")] = "operator",
) -> None:
    """End a suspension by hand; a candidate that passes its gates ends it by itself."""
    from strata.governance.store import GovernanceStore

    GovernanceStore(context.obj).resume(suspension_id, cycle, reason=reason, actor=actor)
    say(f"suspension {suspension_id} ended")


@ledger.command("show")
def show(context: typer.Context, last: Annotated[int, typer.Option(min=1)] = 20, json: Json = False) -> None:
    """The newest entries."""
    from strata.governance.store import GovernanceStore

    entries = GovernanceStore(context.obj).ledger_entries()[-last:]
    rows = [{"seq": e.seq, "action": e.action, "object": e.object, "hash": e.hash[:16]} for e in entries]
    show_json(rows) if json else show_table("Ledger", rows)


@ledger.command("verify")
def verify(context: typer.Context, json: Json = False) -> None:
    """Follow the chain and compare it with its anchors; exit 1 names what was tampered with."""
    from strata.governance.store import GovernanceStore
    from strata.governance.verify import verify_ledger

    faults = verify_ledger(context.obj, GovernanceStore(context.obj))
    show_json({"faults": faults}) if json else say("\n".join(faults) or "ledger: intact")
    if faults:
        raise SystemExit(1)
