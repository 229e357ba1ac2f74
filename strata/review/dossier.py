"""The dossier of a release for finance or for operations: every boundary with its evidence, and what each has to know.

Belongs here: which release, the boundaries, where everything comes from. Does not: what is only for one of both
(`strata.review.finance`, `strata.review.operations`), the figures (`strata.review.boundary`), the way a document is
written (`strata.review.document`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from strata.review.boundary import (
    BOUNDARIES,
    EFFECTS,
    Boundary,
    Region,
    alternatives,
    crossings,
    effects,
    in_band,
    near,
    sensitivity,
    summed,
)
from strata.review.document import Block, Facts, Grid, Heading, Paragraph, Picture, number, percent, share
from strata.review.picture import histogram, share_curve

REQUIRED = ("rationale", "owner", "approved_by")
BINS, TICKS = 50, 5
CV_TOP = 2.5  # right end of the drawing: CVs beyond are as irregular as can be, and stand in the last bar
_REASONS = {
    "held_margin": "dead band", "held_posterior": "not sure enough", "held_confirmation": "not confirmed yet",
    "held_dwell": "moved too lately", "held_budget": "churn budget spent",
}  # fmt: skip
_MEANING = {
    "value": "share of the value of all ranked items, the largest first, that is reached before an item",
    "variability": "coefficient of variation of demand per classification period",
}
_BASIS = {
    "cv": "as observed", "cv_level": "within levels of demand", "cv_deseasonalised": "without the season",
    "forecast_error": "of forecast errors, scaled",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """What a dossier is made from.

    Attributes:
        manifest: the release's.
        regions: its regions, in the order of their names.
        tables: rows of `scheme`, `segment_migration`, `class_agreement`, `override`, `service_target`, `gate_result`.
    """

    manifest: Mapping[str, Any]
    regions: Sequence[Region]
    tables: Mapping[str, pd.DataFrame]

    @property
    def currency(self) -> str:
        return str(self.manifest["currency"])

    def money(self, value: float, *, sign: bool = False) -> str:
        """An amount in whole units of the currency."""
        found = number(value, sign=sign)
        return f"{found} {self.currency}" if found[-1].isdigit() else found


def parameter(source: Source, boundary: Boundary, region: Region) -> dict[str, Any]:
    """The published row of a boundary, with `effective_from` of its scheme.

    Raises:
        ValueError: it has no value, rationale, owner, approval or date; the message names the boundary and what lacks.
    """
    rows = source.tables["scheme"]
    rows = rows[rows["scheme_version"] == region.scheme.version].set_index("parameter")
    named = f"boundary {boundary.name} ({boundary.parameter}) of scheme {region.scheme.version}"
    if boundary.parameter not in rows.index:
        raise ValueError(f"{named} is not in the published scheme of {region.partition.key}: no dossier without it")
    row = rows.loc[boundary.parameter].to_dict()
    lacking = [name for name in REQUIRED if not str(row[name] if row[name] is not None else "").strip()]
    since = rows["value"].get("effective_from")
    lacking += [] if since else ["effective_from"]
    if lacking:
        raise ValueError(f"{named} has no {', '.join(lacking)}: give the scheme a version that says it, and publish")
    return {str(name): value for name, value in row.items()} | {"effective_from": since}


def heading(source: Source, audience: str, about: str) -> list[Block]:
    """Title, what the document is about, which release."""
    manifest = source.manifest
    regions = ", ".join(f"{region.partition.region} {region.partition.cycle}" for region in source.regions)
    gates = source.tables["gate_result"]
    verdicts = ", ".join(
        f"{number(count)} {name}" for name, count in gates["verdict"].value_counts().sort_index().items()
    )
    held = {one["region"] for one in manifest["suspensions"]}
    rows = [
        ("Release", str(manifest["release_id"])),
        ("Cycle", str(manifest["cycle"])),
        ("Rows of each region are of cycle", regions),
        ("Suspended regions", ", ".join(sorted(held)) or "none"),
        ("Gates by verdict", verdicts or "none"),
        ("Profile of the home", str(manifest["profile"])),
        ("Money", f"in {source.currency}, whole units; costs and service are those of a year"),
        ("Revenue of an item", "of the value window of the scheme, as published"),
    ]
    return [Heading(1, f"Dossier for {audience}, cycle {manifest['cycle']}"), Paragraph(about), Facts(tuple(rows))]


def boundaries(source: Source) -> list[Block]:
    """Every boundary with its evidence.

    Raises:
        ValueError: see `parameter`.
    """
    found = pd.concat([alternatives(region).assign(region=region.partition.region) for region in source.regions])
    whole = _whole(source)
    blocks: list[Block] = [Heading(2, "Boundaries between the classes"), _curve(source)]
    for boundary in BOUNDARIES:
        rows = found[found["boundary"] == boundary.name] if len(found) else found
        blocks += [
            Heading(3, f"{boundary.axis.capitalize()}: boundary {boundary.name}"),
            *_identity(source, boundary),
            _near(source, boundary),
            _picture(source, boundary),
            *_alternatives(source, boundary, rows, whole),
            _sensitivity(source, boundary),
            _crossings(source, boundary),
        ]
    return blocks


def cut_text(boundary: Boundary, cut: float) -> str:
    """A cut as people say it."""
    return f"{100 * cut:g} % of value" if boundary.axis == "value" else f"CV {cut:g}"


def _identity(source: Source, boundary: Boundary) -> list[Block]:
    versions: dict[str, list[Region]] = {}
    for region in source.regions:
        versions.setdefault(region.scheme.version, []).append(region)
    blocks: list[Block] = []
    for version, regions in versions.items():
        scheme, row = regions[0].scheme, parameter(source, boundary, regions[0])
        rule = scheme.hysteresis
        basis = (
            f"{scheme.value.basis} over {scheme.value.window_cycles} cycles"
            + (", at the level of demand since its last shift" if scheme.level else "")
            if boundary.axis == "value"
            else _BASIS[scheme.variability.basis]
        )
        band = rule.value_band if boundary.axis == "value" else rule.variability_band
        width = f"{100 * band:g} share points" if boundary.axis == "value" else f"{100 * band:g} % of the cut"
        controls = [
            f"band {width}",
            f"probability {rule.posterior:g} to be beyond it" if rule.posterior else "no probability asked",
            f"{rule.confirmations} runs in a row" if (rule.confirmations or 1) > 1 else "one run",
            f"at least {rule.dwell_cycles} cycles between two moves" if rule.dwell_cycles else "no least stay",
        ]
        blocks.append(
            Facts(
                (
                    ("What is cut", f"{_MEANING[boundary.axis]} ({basis})"),
                    ("Cut", f"{cut_text(boundary, boundary.cut(scheme))} (parameter {boundary.parameter})"),
                    ("Scheme", f"{version}, for {', '.join(one.partition.region for one in regions)}"),
                    ("Why", str(row["rationale"])),
                    ("Owner", str(row["owner"])),
                    ("In force from cycle", str(row["effective_from"])),
                    ("Approved by", f"{row['approved_by']}{_entry(source, version)}"),
                    ("Left only with", "; ".join(controls)),
                    ("Why so", " ".join(rule.rationale.split())),
                )
            )
        )
    return blocks


def _entry(source: Source, version: str) -> str:
    found = [one for one in source.manifest["approvals"] if one["version"] == version]
    return "".join(f" (ledger entry {one['seq']}, {one['hash'][:16]})" for one in found)


def _near(source: Source, boundary: Boundary) -> Block:
    parts = {region.partition.region: near(region, boundary) for region in source.regions}
    rows = [(name, cut_text(boundary, one["cut"]), *_near_row(one)) for name, one in parts.items()]
    rows.append(("all", "", *_near_row(summed(parts.values(), keep=("cut",)))))
    columns = ("region", "cut", "items", f"of them {' and '.join(boundary.upper)}", "share of items",
               "share of revenue", "in the dead band", "band: share of items", "band: share of revenue")  # fmt: skip
    return Grid("Where the items lie, by the metric alone", columns, tuple(rows), labels=2, has_total=True)


def _near_row(one: Mapping[str, float]) -> tuple[str, ...]:
    return (
        number(one["items"]), number(one["above_items"]), share(one["above_items"], one["items"]),
        share(one["above_revenue"], one["revenue"]), number(one["band_items"]),
        share(one["band_items"], one["items"]), share(one["band_revenue"], one["revenue"]),
    )  # fmt: skip


def _curve(source: Source) -> Block:
    curves: dict[str, Any] = {}
    cuts: dict[str, float] = {}
    for region in source.regions:
        metric = region.items["value_metric"].to_numpy(np.float64)
        curves[region.partition.region] = np.sort(metric[region.items["value_proposed"].to_numpy() >= 0])
        cuts |= {one.name: one.cut(region.scheme) for one in BOUNDARIES if one.axis == "value"}
    parts = [
        f"in {name} {percent(float((curve < cuts['A/B']).mean()), 1)} of the items reach {100 * cuts['A/B']:g} %"
        for name, curve in curves.items()
        if len(curve)
    ]
    text = "Share of value that the largest items bring: " + ("; ".join(parts) or "no item has a value") + "."
    return Picture(
        "value-share.svg", text, share_curve(curves, cuts=cuts, title="What the largest items bring", text=text)
    )


def _picture(source: Source, boundary: Boundary) -> Block:
    metrics, bands, others = [], [], set()
    for region in source.regions:
        known = region.items[f"{boundary.axis}_proposed"].to_numpy() >= 0
        metrics.append(region.items[f"{boundary.axis}_metric"].to_numpy(np.float64)[known])
        bands.append(in_band(region, boundary)[known])
        others |= set(_tried(boundary, region))
    metric, band = np.concatenate(metrics), np.concatenate(bands)
    cut = boundary.cut(source.regions[0].scheme)
    is_value = boundary.axis == "value"
    text = (
        f"Items by {'share of value before them' if is_value else 'CV'}: {number(len(metric))} items, "
        f"{number(float(band.sum()))} of them within the dead band of the cut at {cut_text(boundary, cut)}."
    )
    drawn = histogram(
        metric, band, cut=cut, others=sorted(others), top=1.0 if is_value else CV_TOP, bins=BINS,
        ticks=TICKS,
        title=f"Items around the boundary {boundary.name}",
        axis="share of value before the item" if is_value else "coefficient of variation", text=text,
    )  # fmt: skip
    return Picture(f"boundary-{boundary.name.replace('/', '-').lower()}.svg", text, drawn)


def _tried(boundary: Boundary, region: Region) -> list[float]:
    from strata.review.boundary import tried

    return tried(boundary, region.scheme)


def _whole(source: Source) -> dict[str, float]:
    """What the published policies of all regions hold and serve."""
    found = summed(
        {name: float(worth[name].sum()) for name in EFFECTS}
        for worth in (effects(one.places) for one in source.regions)
    )
    year = sum(float(region.places["revenue_year"].sum()) for region in source.regions)
    items = sum(len(region.items) for region in source.regions)
    revenue = sum(float(region.items["revenue"].sum()) for region in source.regions)
    return found | {"revenue_year": year, "items": float(items), "revenue": revenue}


def _alternatives(source: Source, boundary: Boundary, rows: pd.DataFrame, whole: Mapping[str, float]) -> list[Block]:
    if rows.empty:
        return [
            Paragraph("No other cut was tried: the scheme names none (part `dossier`) that leaves the cuts in order.")
        ]
    fill = whole["revenue_served_year"] / whole["revenue_year"] if whole["revenue_year"] > 0 else float("nan")
    told = []
    for (_, label), group in rows.groupby(
        [rows["step"].round(6), rows["tried"].map(lambda at: cut_text(boundary, at))]
    ):
        one = group[["items", "revenue", "unpriced_items", *EFFECTS]].sum()
        after = fill + one["revenue_served_year"] / whole["revenue_year"] if whole["revenue_year"] > 0 else fill
        told.append(
            (
                str(label), number(one["items"]), share(one["items"], whole["items"]),
                share(one["revenue"], whole["revenue"]), number(one["stock_value"], sign=True),
                number(one["safety_stock_value"], sign=True), number(one["holding_cost_year"], sign=True),
                number(one["margin_served_year"], sign=True), percent(after, 2), number(one["unpriced_items"]),
            )
        )  # fmt: skip
    now = (
        cut_text(boundary, boundary.cut(source.regions[0].scheme)) + " (in force)", "0", "-", "-",
        *(number(whole[name]) for name in EFFECTS if name != "revenue_served_year"),
        percent(fill, 2), "",
    )  # fmt: skip
    columns = (
        "cut", "items move", "share of items", "share of revenue", f"stock value, {source.currency}",
        f"safety stock, {source.currency}", f"holding cost a year, {source.currency}",
        f"margin served a year, {source.currency}", "fill rate", "not priced",
    )  # fmt: skip
    return [
        Grid(
            "Other cuts tried, all regions: the first row as it is now, the others the change against it",
            columns,
            (now, *told),
            labels=1,
        ),
    ]


def _sensitivity(source: Source, boundary: Boundary) -> Block:
    one = summed(sensitivity(region, boundary) for region in source.regions)
    pair = " and ".join(boundary.pair)
    rows = [
        (f"Items of {pair}", f"{number(one['pair_items'])}, revenue {source.money(one['pair_revenue'])}"),
    ]
    rule = source.regions[0].scheme.stability
    if rule is not None:
        unsure = f"{number(one['unsure_items'])} ({share(one['unsure_items'], one['pair_items'])})"
        rows.append(
            (
                f"Segment, both axes together, less probable than {rule.min_probability:g}",
                f"{unsure}, {share(one['unsure_revenue'], one['pair_revenue'])} of their revenue",
            )
        )
        rows.append(
            (
                f"On the other side of {boundary.name} in another sample of the same periods",
                f"{number(one['other_side'])} of {number(one['drawn_items'])} items "
                f"({share(one['other_side'], one['drawn_items'])}), mean of the draws"
                if one["drawn_items"]
                else UNTESTED,
            )
        )
    else:
        rows.append(("In other samples of the same periods", UNTESTED))
    return Facts(tuple(rows))


UNTESTED = "not tested: the release has no draws"


def _crossings(source: Source, boundary: Boundary) -> Block:
    parts = {region.partition.region: crossings(region, boundary) for region in source.regions}
    total = summed(parts.values())
    held = [name for name in _REASONS if total.get(name)]
    rows = [
        (
            name, number(one["known_items"]), number(one["crossed"]), share(one["crossed"], one["known_items"]),
            number(one["up"]), number(one["down"]), number(one["true_shift"]), number(one["noise"]),
            number(one["override"]), number(one["crossed_revenue"]), *(number(one.get(reason, 0.0)) for reason in held),
        )
        for name, one in [*parts.items(), ("all", total)]
    ]  # fmt: skip
    columns = (
        "region", "items", "crossed", "share", "up", "down", "true shift", "noise", "override",
        f"their revenue, {source.currency}", *(f"held: {_REASONS[name]}" for name in held),
    )  # fmt: skip
    return Grid("Crossed in this cycle, and held from crossing", columns, tuple(rows), labels=1, has_total=True)


def origins(source: Source, names: Sequence[str]) -> list[Block]:
    """Data, code and scheme that the dossier rests on, by hash; `names` are the tables read."""
    manifest = source.manifest
    rows = [("Code", str(manifest["code_version"]))]
    for region in source.regions:
        part = manifest["partitions"][region.partition.region]
        name = region.partition.region
        rows += [
            (f"{name}: data", f"snapshot {part['snapshot_id']}, known at {manifest['cutoffs'][name]}"),
            (f"{name}: scheme", f"{part['scheme']['version']}, {part['scheme']['sha256']}"),
            (f"{name}: decided by code", str(part["code_version"])),
        ]
    tables = {one["name"]: one["content_hash"] for one in manifest["tables"]}
    rows += [(f"Table {name}", str(tables[name])) for name in sorted(names)]
    rows.append(("Ledger at publication", f"entry {manifest['ledger_head']['seq']}, {manifest['ledger_head']['hash']}"))
    return [
        Heading(2, "Where this comes from"),
        Paragraph("Content hashes of what was read; `strata replay` computes them again from what was delivered."),
        Facts(tuple(rows)),
    ]
