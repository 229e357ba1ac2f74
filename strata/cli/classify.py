"""The command that classes items or demand series of one file, without a home.

Belongs here: `strata classify`, what its options mean. Does not: methods (`strata.classify`), files
(`strata.panel.items`), what it says about a panel (`strata.cli.classify_panel`).
"""

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from strata.cli.classify_panel import check_out, classify_panel, scheme_or_shipped, tell_refusals
from strata.cli.output import say, show_json, show_table

if TYPE_CHECKING:
    from strata.classify.items import Criterion, Method, Settings
    from strata.classify.ranking import Cuts

# Options that mean something for one kind of file only.
_OF_ITEMS = ("id_", "criteria", "method", "cuts", "classes", "log", "balance", "skew", "least_ari", "sample", "seed")
_OF_PANEL = ("wide", "grain", "since", "until")


def classify(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="File to write: .csv or .parquet.")],
    items: Annotated[Path | None, typer.Option(help="Items with their criteria: .csv, .csv.gz or .parquet.")] = None,
    panel: Annotated[
        Path | None,
        typer.Option(
            help="Demand: sku_id, date, quantity, if any location_id, unit_price, unit_cost, category, in_stock."
        ),
    ] = None,
    wide: Annotated[
        str | None, typer.Option(metavar="KEY1,KEY2", help="--panel: item (and location), then a column per period.")
    ] = None,
    grain: Annotated[
        str | None, typer.Option(help="--panel: a row is of a day, week or month; else as dates show.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="--panel: leave out rows before.")
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="--panel: last day that the rows cover; later ones are left out."),
    ] = None,
    id_: Annotated[str | None, typer.Option("--id", metavar="COL", help="Column with the item.")] = None,
    criteria: Annotated[
        str | None,
        typer.Option(metavar="COL[:weight][:min|max],…", help="Criteria, the most important first; max unless said."),
    ] = None,
    method: Annotated[
        str, typer.Option(help="share, ng, hadi_vencheh, zhou_fan, ramanathan, edas, cost, breaks, kmeans or gmm.")
    ] = "share",
    cuts: Annotated[
        str | None,
        typer.Option(help="0.8,0.95 (shares of the score), counts:10,14,23 or values:1000,100; else the scheme's."),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="breaks, kmeans, gmm: number of classes, or auto; else as many as the cuts make.")
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="breaks: of logarithms.")] = False,
    balance: Annotated[float, typer.Option(help="zhou_fan: share of the best weights; 0.5 as published.")] = 0.5,
    skew: Annotated[float, typer.Option(help="kmeans, gmm: skewness from which on logarithms are taken.")] = 1.0,
    least_ari: Annotated[float, typer.Option(help="--classes auto: least agreement on resampled items.")] = 0.8,
    sample: Annotated[int, typer.Option(min=100, help="kmeans, gmm: items that clusters are fitted on.")] = 20_000,
    seed: Annotated[int, typer.Option(help="kmeans, gmm: seed of everything drawn.")] = 2017,
    delimiter: Annotated[str, typer.Option(help="Delimiter of a CSV.")] = ",",
    scheme: Annotated[Path | None, typer.Option(help="Scheme with the cuts; else the shipped one.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Machine output.")] = False,
) -> None:
    """Class the items of one file: by demand (--panel), or by one or several criteria (--items). No home is needed.

    --panel writes the columns of segment_assignment and demand_profile per item and location as of the last whole
    period, by the scheme (docs/methods/file.md). --items writes item, score, rank, value_class and decision_reason
    (docs/methods/multicriteria.md). Rows that cannot be read are refused by line, the others are classed; exit code 3
    then, and all refused rows are in a file beside the one written.
    """
    if (items is None) == (panel is None):
        raise typer.BadParameter("give --items FILE or --panel FILE, one of them")
    delimiter = delimiter.encode().decode("unicode_escape")
    if len(delimiter) != 1:
        raise typer.BadParameter("--delimiter is one character: , or ; or | or \\t")
    check_out(out, items or panel)
    if panel is not None:
        if given := _given(context, of_items=True):
            raise typer.BadParameter(f"{', '.join(given)}: for --items; a panel is classed by the scheme")
        classify_panel(
            panel, out, wide=wide, grain=grain, since=since, until=until, scheme=scheme, delimiter=delimiter, json=json
        )
        return
    if given := _given(context, of_items=False):
        raise typer.BadParameter(f"{', '.join(given)}: for --panel")
    if items is None or id_ is None or criteria is None:
        raise typer.BadParameter("--items needs --id COL and --criteria COL[:weight][:min|max],…")
    _classify_items(
        items, out, id_, criteria, method, cuts, classes, scheme, json,
        delimiter=delimiter,
        log=log, balance=balance, skew=skew, least_ari=least_ari, sample=sample, seed=seed,
    )  # fmt: skip


def _given(context: typer.Context, *, of_items: bool) -> list[str]:
    """Options given that are for the other kind of file."""
    said = {name for name in context.params if str(context.get_parameter_source(name)).endswith("COMMANDLINE")}
    names = [name for name in (_OF_ITEMS if of_items else _OF_PANEL) if name in said]
    return [f"--{name.rstrip('_').replace('_', '-')}" for name in names]


def _classify_items(
    path: Path,
    out: Path,
    id_column: str,
    criteria: str,
    method: str,
    cuts: str | None,
    classes: str | None,
    scheme: Path | None,
    json: bool,
    *,
    delimiter: str,
    log: bool,
    balance: float,
    skew: float,
    least_ari: float,
    sample: int,
    seed: int,
) -> None:
    import numpy as np

    from strata.classify.items import METHODS, Settings, item_classes
    from strata.panel.items import read_items, write_classes
    from strata.panel.records import write_refusals

    if method not in METHODS:
        raise typer.BadParameter(f"--method {method}: one of {', '.join(METHODS)}")
    told = _criteria(criteria)
    limits = _cuts(cuts, scheme)
    settings = Settings(log=log, balance=balance, skew=skew, restarts=10, sample=sample, seed=seed)
    found = read_items(path, id_column=id_column, columns=[one.name for one in told], delimiter=delimiter)
    notes: tuple[str, ...] = ()
    if classes is not None:
        limits, notes = _number(classes, method, limits, told, found.values, settings, least_ari)
    made = item_classes(
        found.values, found.name_rank, criteria=told, method=_method(method), cuts=limits, settings=settings
    )
    write_classes(out, found, made)
    refused = write_refusals(out, found.refusals)
    counts = Counter(made.value_class.tolist())
    notes += made.notes
    if found.repeats:
        notes += (f"{found.repeats:,} rows equal an earlier one and were taken once",)
    rules = _rules(found.values, made.value_class, [one.name for one in told]) if method in ("kmeans", "gmm") else None
    table: list[dict[str, Any]] = [
        {"class": name, "items": counts[name]} for name in (*limits.classes, "U") if counts[name]
    ]
    if json:
        show_json(
            {"out": str(out), "method": method, "rows": found.rows, "classed": len(found.name), "refused":
             len(found.refusals), "refusals": str(refused) if refused else None, "repeats": found.repeats,
             "classes": {str(row["class"]): row["items"] for row in table}, "notes": list(notes), "rules": rules}
        )  # fmt: skip
    else:
        total = float(np.nansum(made.score))
        for row in table if rules is None and total > 0 else ():
            row["share of score"] = float(np.nansum(made.score[made.value_class == row["class"]])) / total
        show_table(f"{len(found.name):,} items by {method}, in {out}", table)
        for note in notes:
            say(f"Note: {note}")
        for rule in (rules or {}).get("rules", ()):
            say(f"{rule['class']} if {rule['words']} ({rule['items']:,} items, {rule['share_right']:.0%} right)")
        if rules:
            say(f"These rules name the class of {rules['share_explained']:.1%} of {rules['items_seen']:,} items.")
            if not rules["is_enough"]:
                say("That is less than 95 %: no few words say what these clusters are.")
    tell_refusals(path, found.refusals, rows=found.rows, all_in=refused)


def _criteria(text: str) -> "list[Criterion]":
    """`usage:3,lead_time:min` as criteria."""
    from strata.classify.items import Criterion

    made = []
    for part in text.split(","):
        name, *said = part.split(":")
        weight, is_gain = None, True
        for word in said:
            if word in ("min", "max"):
                is_gain = word == "max"
                continue
            try:
                weight = float(word)
            except ValueError as error:
                raise typer.BadParameter(f"--criteria {part}: {word!r} is neither a weight nor min or max") from error
            if not 0 < weight < float("inf"):
                raise typer.BadParameter(f"--criteria {part}: a weight is above 0; leave out what weighs nothing")
        if not name.strip():
            raise typer.BadParameter(f"--criteria {text}: {part!r} names no column")
        made.append(Criterion(name.strip(), weight, is_gain))
    return made


def _cuts(text: str | None, scheme: Path | None) -> "Cuts":
    """`0.8,0.95`, `counts:10,14,23` or `values:1000,100`; else the value cuts of a scheme."""
    from strata.classify.ranking import Cuts

    if text is None:
        return Cuts("share", tuple(scheme_or_shipped(scheme).value.cuts.values()))
    kind, _, rest = text.rpartition(":")
    if kind not in ("", "counts", "values"):
        raise typer.BadParameter(f"--cuts {text}: write 0.8,0.95 or counts:10,14,23 or values:1000,100")
    try:
        numbers = [float(part) for part in rest.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"--cuts {text}: {rest!r} are no numbers with commas between") from error
    try:
        if kind == "counts":
            if any(number < 1 or number != int(number) for number in numbers):
                raise ValueError(f"{rest} are no numbers of items")
            # What three or more counts leave over belongs to the last class; after one or two, to the next.
            sizes = numbers[:-1] if len(numbers) >= 3 else numbers
            return Cuts("count", tuple(float(sum(sizes[: at + 1])) for at in range(len(sizes))))
        return Cuts("value" if kind == "values" else "share", tuple(numbers))
    except ValueError as error:
        raise typer.BadParameter(f"--cuts {text}: {error}") from error


def _number(
    text: str, method: str, cuts: "Cuts", criteria: "list[Criterion]", values: Any, settings: "Settings", least: float
) -> "tuple[Cuts, tuple[str, ...]]":
    """Cuts with as many classes as `--classes` says, and how an automatic number was chosen."""
    from strata.classify.ranking import LETTERS, Cuts

    if method not in ("breaks", "kmeans", "gmm"):
        raise typer.BadParameter(f"--classes is for breaks, kmeans and gmm; {method} takes --cuts")
    notes: tuple[str, ...] = ()
    if text == "auto" and method != "breaks":
        count, reason = _auto(method, criteria, values, settings, least)
        notes = (reason,)
    elif text.isdecimal() and 2 <= int(text) < len(LETTERS):
        count = int(text)
    else:
        also = "" if method == "breaks" else ", or auto"
        raise typer.BadParameter(f"--classes {text}: a number from 2 to {len(LETTERS) - 1}{also}")
    # Where they end is the method's business: only how many there are is read from these.
    return Cuts("count", tuple(float(at + 1) for at in range(count - 1))), notes


def _auto(method: str, criteria: "list[Criterion]", values: Any, settings: "Settings", least: float) -> tuple[int, str]:
    import numpy as np

    from strata.classify.cluster_count import cluster_count
    from strata.classify.clusters import features

    known = values[np.isfinite(values).all(axis=1)]
    made = features(known, is_gain=[one.is_gain for one in criteria], skew=settings.skew)
    most = min(8, len(np.unique(made.values, axis=0)))
    if most < 2:
        raise ValueError("--classes auto: all items are equal; there is nothing to divide")
    found = cluster_count(
        made.values, method="gmm" if method == "gmm" else "kmeans", candidates=range(2, most + 1), least_ari=least,
        resamples=10, sample=min(settings.sample, 2_000), restarts=settings.restarts,
        rng=np.random.default_rng(settings.seed),
    )  # fmt: skip
    if found.clusters is None:
        raise ValueError(f"--classes auto: {found.reason}")
    return found.clusters, f"{found.clusters} classes: {found.reason}"


def _rules(values: Any, value_class: Any, names: list[str]) -> dict[str, Any] | None:
    """What the clusters amount to in words, from a tree of at most four conditions."""
    import numpy as np

    from strata.classify.surrogate import surrogate

    ranked = np.flatnonzero(value_class != "U")
    if not len(ranked):
        return None
    step = max(1, len(ranked) // 50_000)
    seen = ranked[::step]
    told = surrogate(
        values[seen], value_class[seen], names=names, most_depth=4, least_items=1, least_share=0.95
    )  # fmt: skip
    return {
        "items_seen": len(seen),
        "share_explained": told.share_explained,
        "is_enough": told.is_enough,
        "rules": [
            {"class": rule.value_class, "words": rule.words, "items": rule.items, "share_right": rule.share_right}
            for rule in told.rules
        ],
    }


def _method(name: str) -> "Method":
    from strata.classify.items import Method

    return next(known for known in get_args(Method) if known == name)
