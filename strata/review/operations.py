"""The dossier for operations: what moved and what was held, what service is expected, what is at risk.

Belongs here: churn and service by segment and region. Does not: boundaries (`strata.review.dossier`).
"""

from typing import Any

import numpy as np
import pandas as pd

from strata.review.document import Block, Grid, Heading, Paragraph, Picture, number, percent, share
from strata.review.dossier import Source, boundaries, heading, origins
from strata.review.migration import GONE, NEW
from strata.review.picture import bars

ABOUT = (
    "What changed class in this release and why, what was held, and the service that the policies of the classes are "
    "expected to give."
)
LONGEST = 10  # rows of a list in which the first ones matter most
AXES = ("value", "variability")


def operations(source: Source, tables: list[str]) -> list[Block]:
    """The document.

    Raises:
        ValueError: a boundary has no rationale, owner, approval or date.
    """
    return [
        *heading(source, "operations", ABOUT),
        Heading(2, "Churn"),
        _churn(source),
        _paths(source),
        _reasons(source),
        Heading(2, "Service"),
        *_service(source),
        *_promises(source),
        Heading(2, "Items at risk"),
        *_risk(source),
        Heading(2, "Overrides in force"),
        *_overrides(source),
        Heading(2, "Suspensions"),
        *_suspensions(source),
        *boundaries(source),
        *origins(source, tables),
    ]


def churn(source: Source) -> pd.DataFrame:
    """Per region of `segment_migration`: items, known (before and now), moved, true_shift, noise, new, gone."""
    table = source.tables["segment_migration"]
    is_new, is_gone = table["from_segment"] == NEW, table["to_segment"] == GONE
    moved = ~is_new & ~is_gone & (table["from_segment"] != table["to_segment"])
    counts = {
        "known": ~is_new & ~is_gone, "moved": moved, "new": is_new, "gone": is_gone,
    }  # fmt: skip
    found = pd.DataFrame({name: table["items"].where(rows, 0) for name, rows in counts.items()})
    found = found.assign(region=table["region"], true_shift=table["true_shift_items"], noise=table["noise_items"])
    return found.groupby("region", sort=True).sum().astype(float)


def _churn(source: Source) -> Block:
    found = churn(source)
    rows = [(str(name), *_churned(row)) for name, row in found.iterrows()]
    rows.append(("all", *_churned(found.sum())))
    columns = ("region", "items before and now", "changed segment", "share", "true shift", "noise", "new", "gone")
    return Grid("Changes of segment against the cycle before", columns, tuple(rows), labels=1, has_total=True)


def _churned(row: "pd.Series[float]") -> tuple[str, ...]:
    return (
        number(row["known"]), number(row["moved"]), share(row["moved"], row["known"]),
        *(number(row[name]) for name in ("true_shift", "noise", "new", "gone")),
    )  # fmt: skip


def _paths(source: Source) -> Block:
    table = source.tables["segment_migration"]
    table = table[(table["from_segment"] != table["to_segment"])]
    table = table.assign(revenue=pd.to_numeric(table["revenue"]).astype(float))
    measures = ["items", "revenue", "true_shift_items", "noise_items"]
    found = table.groupby(["from_segment", "to_segment"], sort=True, as_index=False)[measures].sum()
    found = found.sort_values(["revenue", "from_segment", "to_segment"], ascending=[False, True, True])
    rows = tuple(
        (str(row["from_segment"]), str(row["to_segment"]), *(number(row[name]) for name in measures))
        for row in found.head(LONGEST).to_dict("records")
    )
    columns = ("from", "to", "items", f"revenue, {source.currency}", "true shift", "noise")
    title = f"From segment to segment, all regions{_first(len(found))}"
    return Grid(title, columns, rows, labels=2)


def _first(count: int) -> str:
    return f", the {LONGEST} of most revenue of {number(count)}" if count > LONGEST else ""


def _reasons(source: Source) -> Block:
    """Items by the reason of their class on either axis."""
    items = pd.concat([region.items for region in source.regions])
    rows = []
    for axis in AXES:
        grouped = items.groupby(f"{axis}_reason", sort=True)["revenue"].agg(["size", "sum"])
        rows += [(axis, str(name), number(row["size"]), share(row["size"], len(items)), number(row["sum"]))
                 for name, row in grouped.iterrows()]  # fmt: skip
    columns = ("axis", "reason", "items", "share", f"revenue, {source.currency}")
    return Grid("Why items have the class they have", columns, tuple(rows), labels=2)


def service(source: Source) -> pd.DataFrame:
    """Per segment of stocked places: places, target, expected (both by revenue a year), below (places below target)."""
    parts = []
    for region in source.regions:
        rows = region.places[region.places["policy_type"] != "none"]
        is_fill = (rows["service_metric"] == "fill_rate").to_numpy()
        expected = np.where(is_fill, rows["expected_fill_rate"], rows["expected_csl"])
        parts.append(
            pd.DataFrame(
                {
                    "segment": rows["segment"], "metric": rows["service_metric"], "places": 1.0,
                    "weight": rows["revenue_year"].fillna(0.0).clip(lower=0.0),
                    "target": rows["service_target"], "expected": expected,
                    "below": (expected < rows["service_target"].to_numpy() - 1e-6).astype(float),
                }
            )
        )  # fmt: skip
    found = pd.concat(parts)
    found = found.assign(target=found["target"] * found["weight"], expected=found["expected"] * found["weight"])
    names = ["places", "weight", "target", "expected", "below"]
    sums = found.groupby(["segment", "metric"], sort=True, as_index=False)[names].sum()
    weight = sums["weight"].where(sums["weight"] > 0)
    return sums.assign(target=sums["target"] / weight, expected=sums["expected"] / weight)


def _service(source: Source) -> list[Block]:
    found = service(source)
    rows = tuple(
        (
            str(row["segment"]), str(row["metric"]).replace("_", " "), number(row["places"]), percent(row["target"], 2),
            percent(row["expected"], 2), percent(row["expected"] - row["target"], 2, sign=True), number(row["below"]),
        )
        for row in found.to_dict("records")
    )  # fmt: skip
    columns = ("segment", "metric", "places", "target", "expected", "difference", "places below target")
    told = ", ".join(f"{row[0]} {row[4]} (target {row[3]})" for row in rows) or "no place is stocked"
    text = f"Expected service by segment: {told}"
    drawn = bars(
        [(row[0], float(value), f"{row[4]} (target {row[3]})") for row, value in
         zip(rows, found["expected"].fillna(0.0), strict=True)],
        title="Expected service by segment", axis="share served from stock; bars begin at 50 %", text=text, low=0.5,
    )  # fmt: skip
    note = "Service that the policies are expected to give, weighted by the revenue that a year's demand is worth."
    return [Paragraph(note), Picture("service.svg", text, drawn),
            Grid("Expected service against the target of the segment", columns, rows, labels=2)]  # fmt: skip


def _promises(source: Source) -> list[Block]:
    """Targets that a promise to a customer sets above those of the segment."""
    found = source.tables["service_target"]
    if found.empty:
        return [Paragraph("No service target was published (scheme part `service`).")]
    bound = found["binding_sla_id"].notna()
    grouped = found.assign(bound=bound, infeasible=found["is_feasible"].eq(False)).groupby("region", sort=True)
    sums = grouped[["bound", "infeasible"]].sum().assign(places=grouped.size())
    rows = [(str(name), *_promised(row)) for name, row in sums.iterrows()]
    rows.append(("all", *_promised(sums.sum())))
    columns = ("region", "places", "bound by a promise", "share", "target out of reach")
    return [Grid("Promises to customers that set the target", columns, tuple(rows), labels=1, has_total=True)]


def _promised(row: "pd.Series[Any]") -> tuple[str, ...]:
    return number(row["places"]), number(row["bound"]), share(row["bound"], row["places"]), number(row["infeasible"])


def _risk(source: Source) -> list[Block]:
    items = pd.concat([region.items.assign(region=region.partition.region) for region in source.regions])
    drawn = items[items["draws"].notna()]
    if drawn.empty:
        return [Paragraph("Not tested: the scheme has no part `stability`, or nothing could be drawn.")]
    risky = drawn[drawn["is_at_risk"].eq(True)]
    grouped = [(str(name), part, risky[risky["region"] == name]) for name, part in drawn.groupby("region", sort=True)]
    rows = [
        (name, number(len(part)), number(len(at)), share(len(at), len(part)),
         share(at["revenue"].sum(), part["revenue"].sum()))
        for name, part, at in [*grouped, ("all", drawn, risky)]
    ]  # fmt: skip
    top = risky.sort_values(["revenue", "region", "sku_id", "location_id"], ascending=[False, True, True, True])
    listed = tuple(
        (
            str(row["region"]), str(row["sku_id"]), _place(row["location_id"]), str(row["segment"]),
            _words(row["stability_reason"]),
            percent(row["p_segment_held"], 0), number(row["revenue"]),
        )
        for row in top.head(LONGEST).to_dict("records")
    )  # fmt: skip
    return [
        Paragraph(
            "An item is at risk where its class falls below the scheme's probability in other samples of its periods, "
            "under forecast errors, or under a biased family."
        ),
        Grid("Items at risk", ("region", "items tested", "at risk", "share of items", "share of revenue"),
             tuple(rows), labels=1, has_total=True),
        Grid(f"Items at risk{_first(len(top))}", ("region", "item", "location", "segment", "why", "held in draws",
             f"revenue, {source.currency}"), listed, labels=5),
    ]  # fmt: skip


def _overrides(source: Source) -> list[Block]:
    found = source.tables["override"]
    found = found[found["is_in_effect"].eq(True)]
    if found.empty:
        return [Paragraph("None.")]
    names = ("region", "override_id", "sku_id", "location_id", "computed_segment", "segment", "owner", "approved_by",
             "expires_cycle")  # fmt: skip
    found = found.sort_values(["expires_cycle", "region", "override_id", "sku_id", "location_id"])
    left = pd.to_numeric(found["cycles_left"]).astype(float)
    rows = tuple((*(_place(row[name]) for name in names), number(cycles)) for row, cycles in
                 zip(found.to_dict("records"), left, strict=True))  # fmt: skip
    columns = ("region", "override", "item", "location", "by the data", "in force", "owner", "approved by",
               "expires after cycle", "cycles left")  # fmt: skip
    return [Grid("Overrides and rules that decide a class", columns, rows, labels=9)]


def _text(value: Any) -> str:
    return "-" if value is None or value != value else str(value)


def _words(reason: Any) -> str:
    """A reason code as words."""
    return str(reason).removeprefix("at_risk:").replace("_", " ").replace(":", " ").replace(";", ", ")


def _place(value: Any) -> str:
    """Text; the location `*` is the whole region."""
    return "all" if value == "*" else _text(value)


def _suspensions(source: Source) -> list[Block]:
    names = ("region", "since_cycle", "reason")
    rows = tuple(tuple(_text(one.get(name)) for name in names) for one in source.manifest["suspensions"])
    if not rows:
        return [Paragraph("None: no region keeps older rows.")]
    return [Grid("Regions that keep their last good rows", ("region", "since cycle", "why"), rows, labels=3)]
