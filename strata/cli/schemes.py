"""Commands about schemes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strata.cli.output import say, show_json, show_table

if TYPE_CHECKING:
    from strata.cli.preview import Preview

app = typer.Typer(no_args_is_help=True, help="Schemes: every number a planner owns.")
Json = Annotated[bool, typer.Option("--json", help="Machine output.")]
LONG = 60  # characters of a value or reason on the terminal; --json has all of them


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
def check(context: typer.Context, file: Path, json: Json = False) -> None:
    """Name every fault of a scheme file, and what holds and is weak; exit code 1 where there is a fault."""
    from dataclasses import asdict

    from strata.cli.preview import findings
    from strata.scheme.load import load_scheme, parameters

    scheme, found = findings(context.obj, file)
    faults = [asdict(one) for one in found if one.kind == "fault"]
    weak = [asdict(one) for one in found if one.kind == "weak"]
    answer: dict[str, Any] = {"file": str(file), "faults": faults, "weak": weak}
    if scheme is not None:
        answer |= {"version": scheme.version, "sha256": load_scheme(file).sha256}
        answer |= {"parameters": len(parameters(scheme))}
    if json:
        show_json(answer)
    else:
        for one in found:
            say(f"{one.kind}: {one.path}: found {one.found}; allowed: {one.allowed}. {_sentence(one.advice)}")
        weakly = f", {len(weak)} weak" if weak else ""
        if scheme is None:
            say(f"{file}: {len(faults)} faults{weakly}; the pipeline would not take it")
        else:
            say(f"{file}: scheme {scheme.version}, {answer['parameters']} parameters, no fault{weakly}")
    if scheme is None:
        raise SystemExit(1)


@app.command("diff")
def diff(
    context: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help="Scheme file, version of this home, or current.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    cycle: Annotated[str | None, typer.Option(help="Published cycle; else that of the current release.")] = None,
    region: Annotated[str | None, typer.Option(help="One region only.")] = None,
    settled: Annotated[bool, typer.Option("--settled", help="Where classes end if demand stays what it is.")] = False,
    out: Annotated[Path | None, typer.Option(help="Items that move: .csv, .parquet or .json.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="Items shown, the largest revenue first; 0 is all.")] = 20,
    json: Json = False,
) -> None:
    """What two schemes say differently, and what a published cycle would be under either (docs/methods/preview.md).

    The cycle is decided again under both, from what it was decided from: the items that move, what stock and service
    would cost and give, per region and in all. Nothing is written to the home and nothing is published.
    """
    from strata.cli.preview import named_scheme, preview

    if out is not None and out.suffix not in (".csv", ".parquet", ".json"):
        raise typer.BadParameter(f"--out {out}: .csv, .parquet or .json")
    files = [named_scheme(context.obj, name, cycle) for name in (a, b)]
    found = preview(context.obj, files[0].scheme, files[1].scheme, cycle=cycle, region=region, settled=settled)
    moved = found.moved
    if out is not None:
        _write(out, moved)
    shown = moved if rows == 0 else moved.head(rows)
    if json:
        names = [{"version": file.scheme.version, "sha256": file.sha256, "file": str(file.path)} for file in files]
        answer = {
            "a": names[0], "b": names[1], "changes": found.changes, "release_id": found.release_id, "settled": settled,
            "currency": found.currency, "cycles": found.cycles, "totals": _plain(found.totals),
            "matrix": _records(found.matrix), "moved_items": len(moved), "moved": _records(shown),
        }  # fmt: skip
        show_json(answer)
        return
    _tell(found, [file.scheme.version for file in files], shown, len(moved), settled=settled)
    if out is not None:
        say(f"{out}: {len(moved):,} items that move")


def _tell(found: "Preview", versions: list[str], shown: Any, moved: int, *, settled: bool) -> None:
    show_table(
        f"From {versions[0]} to {versions[1]}",
        [_change(change) for change in found.changes],
    )
    if found.release_id is None:
        say("Nothing was published yet: what the change does to items is not known. `strata run --publish` publishes.")
        return
    totals, currency = found.totals, found.currency
    until = ", cycle after cycle until no class moves" if settled else ""
    say(f"Decided again{until}, from release {found.release_id}; money in {currency}, costs and service a year.")
    show_table("Items", [_moves(name, one) for name, one in totals.items()])
    show_table(f"Stock and service, {currency}", [_effect(name, one) for name, one in totals.items()])
    if moved:
        paths = found.matrix[found.matrix["from_segment"] != found.matrix["to_segment"]]
        show_table("From segment to segment", _records(paths.sort_values("revenue", ascending=False)))
        names = ["region", "sku_id", "location_id", "from_segment", "to_segment", "revenue", "stock_value_before",
                 "stock_value_after", "fill_rate_before", "fill_rate_after", "to_reason"]  # fmt: skip
        more = f", the {len(shown)} of most revenue" if len(shown) < moved else ""
        show_table(f"{moved:,} items move{more}", _records(shown[names]))
    else:
        say("No item moves.")
    waiting = [totals["total"][f"waiting_items_{name}"] for name in ("before", "after")]
    if any(waiting) and not settled:
        say(
            f"{waiting[0]:,.0f} items wait to move under {versions[0]}, {waiting[1]:,.0f} under {versions[1]}: later "
            "cycles confirm a move. --settled shows where classes end if demand stays what it is."
        )
    unpriced = max(totals["total"][f"unpriced_places_{name}"] for name in ("before", "after"))
    unknown = totals["total"]["places_without_margin"]
    if unpriced or unknown:
        say(
            f"Left out of the money: {unpriced:,.0f} stocked places without a unit cost, {unknown:,.0f} without margin."
        )


def _change(change: dict[str, Any]) -> dict[str, Any]:
    told = {name: _short(value) for name, value in change.items()}
    if change["rationale_before"] == change["rationale_after"]:
        told["rationale_after"] = "the same"
    return told


def _moves(region: str, one: dict[str, float]) -> dict[str, Any]:
    return {
        "region": region,
        "items": int(one["items"]),
        "move": int(one["moved_items"]),
        "share_of_items": _share(one["moved_items"], one["items"]),
        "revenue": round(one["revenue"]),
        "share_of_revenue": _share(one["moved_revenue"], one["revenue"]),
    }


def _effect(region: str, one: dict[str, float]) -> dict[str, Any]:
    told: dict[str, Any] = {"region": region}
    for name, label in (("stock_value", "stock"), ("holding_cost_year", "holding"), ("margin_served_year", "margin")):
        before, after = one[f"{name}_before"], one[f"{name}_after"]
        told |= {label: round(before), f"{label}_then": round(after), f"{label}_change": f"{after - before:+,.0f}"}
    for name, label in (("before", "fill"), ("after", "fill_then")):
        told[label] = f"{one[f'fill_rate_{name}']:.2%}"
    return told


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.2%}" if whole else "-"


def _records(frame: Any) -> list[dict[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def _plain(totals: dict[str, dict[str, float]]) -> dict[str, dict[str, float | None]]:
    """NaN is no JSON."""
    return {name: {key: None if v != v else v for key, v in one.items()} for name, one in totals.items()}


def _write(path: Path, moved: Any) -> None:
    if path.suffix == ".csv":
        moved.to_csv(path, index=False)
    elif path.suffix == ".json":
        moved.to_json(path, orient="records", indent=2)
    else:
        moved.to_parquet(path, index=False)


def _short(value: Any) -> Any:
    text = " ".join(str(value).split()) if value is not None else None
    return text if text is None or len(text) <= LONG else text[: LONG - 1] + "…"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
