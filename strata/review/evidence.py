"""The evidence of a release as a document in Markdown: what the data speak for, the tables, what they mean.

Belongs here: words, formats, order. Does not: reading a release (`strata.cli.evidence`), measures and rules.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from strata.tables import CRITERIA_REPORT, DIMENSION_COMPARISON, METHOD_SELECTION, Table

Row = Mapping[str, Any]

PARTS: tuple[tuple[Table, str, str], ...] = (
    (CRITERIA_REPORT, "Criteria", "By which number should items be classed?"),
    (DIMENSION_COMPARISON, "Dimensions", "By what should one segment at all?"),
    (METHOD_SELECTION, "Methods", "By which method should classes be made?"),
)
_SHOWN: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    CRITERIA_REPORT.name: (
        ("criterion", "criterion", "name"), ("completeness", "known", "share"), ("gini", "Gini", "number"),
        ("top_items_share", "top items", "share"), ("separation", "separation", "number"),
        ("kappa", "kappa", "number"), ("correlated_with", "most like", "text"),
        ("correlation", "correlation", "number"), ("cost_year", "cost a year", "money"),
        ("regret_share", "above optimum", "share"), ("saved_share", "saved", "share"),
    ),
    DIMENSION_COMPARISON.name: (
        ("dimension", "dimension", "name"), ("members", "members", "count"), ("cells", "cells", "count"),
        ("lines", "lines", "count"), ("median_lines", "median lines", "count"),
        ("thin_cells_share", "thin cells", "share"), ("thin_lines_share", "lines in them", "share"),
        ("variance_explained", "explained", "share"), ("members_variance_explained", "by members", "share"),
    ),
    METHOD_SELECTION.name: (
        ("method", "method", "name"), ("items", "items", "count"), ("classes", "classes", "count"),
        ("cost_year", "cost a year", "money"), ("regret_share", "above optimum", "share"),
        ("saved_share", "saved", "share"), ("kappa", "kappa", "number"), ("share_explained", "in words", "share"),
        ("conditions", "conditions", "count"),
    ),
}  # fmt: skip
# What the names of rows stand for; the formulas are in docs/methods/criteria_report.md and multicriteria.md.
_NAMES: Mapping[str, str] = {
    "revenue, margin, demand_units, order_lines": "totals over the value window",
    "variability": "the coefficient of variation, as the scheme measures it",
    "unit_cost, lead_time": "what one unit costs; mean days from order to receipt",
    "cost_ratio": "value of the demand of a year / cost of holding one order for a year: where it is high, a unit in "
    "stock saves much for little",
    "share_…": "classes by cumulative share of one criterion",
    "breaks": "natural breaks of the logarithm of the criterion in use",
    "ng, hadi_vencheh, zhou_fan, ramanathan, edas": "one score of several criteria",
    "kmeans": "clusters of several criteria",
}
_LONG = re.compile(r"\d+\.\d{3,}")
_MARKS = (("is_recommended", "**recommended**"), ("is_in_use", "in use"))


def evidence_document(manifest: Mapping[str, Any], tables: Mapping[str, Sequence[Row]], regions: Sequence[str]) -> str:
    """Write the evidence of a release: one section per region, then the columns and the hashes of what was read.

    Equal releases give equal text: nothing is in it but the manifest's identity and the rows.

    Args:
        manifest: of the release.
        tables: rows of the three tables of `PARTS`, by name.
        regions: in the order in which they are told.
    """
    parts = [
        "# What the data speak for: criterion, dimension, method",
        f"Release `{manifest['release_id']}`, cycle {manifest['cycle']}; money in {manifest['currency']}. Recommended "
        "is what the scheme's rule chose of this cycle's data; no class follows it until a scheme says so.",
    ]
    for region in regions:
        found = {table.name: _of(tables.get(table.name, ()), region) for table, *_ in PARTS}
        parts += [f"## {region}", *_region(found)]
    parts += ["## What the columns mean", *(_meanings(table, title) for table, title, _ in PARTS)]
    parts.append("**Names**\n\n" + "\n".join(f"- `{name}`: {meaning}." for name, meaning in _NAMES.items()))
    parts += ["## What was read", _read(manifest)]
    return "\n\n".join(parts) + "\n"


def _of(rows: Sequence[Row], region: str) -> list[Row]:
    return sorted((row for row in rows if row["region"] == region), key=lambda row: int(row["rank"]))


def _region(found: Mapping[str, list[Row]]) -> list[str]:
    if not any(found.values()):
        return ["The scheme of this region's cycle has no part `evidence`: nothing was compared."]
    told = [_sentence(found)]
    some = next(row for rows in found.values() for row in rows)
    if some["cycle"] != some["valid_for_cycle"]:
        told.append(f"These are the rows of cycle {some['cycle']}: the region was carried forward.")
    for table, title, question in PARTS:
        rows = found[table.name]
        if not rows:
            continue
        best = rows[0]
        told += [f"### {title}", f"*{question}* {_capital(str(best['decision_reason']))}.", _grid(table, rows)]
        told.append(_why_not(table, rows[1:]))
        if best.get("words"):
            told.append(f"In words: {_LONG.sub(_shortened, best['words'])}.")
    return told


def _sentence(found: Mapping[str, list[Row]]) -> str:
    """The recommendation of a region in one sentence."""
    said = []
    criteria = found[CRITERIA_REPORT.name]
    chosen = {name: next((row for row in rows if row["is_recommended"]), None) for name, rows in found.items()}
    if (best := chosen[CRITERIA_REPORT.name]) is not None:
        used = [row for row in criteria if row["is_in_use"]]
        if best["is_in_use"]:
            said.append(f"keep classing items by `{best['criterion']}`")
        else:
            beside = [_beside(best, row) for row in used if row["cost_year"] and best["cost_year"]]
            told = f": its classes cost {', '.join(beside)} (in use)" if beside else ""
            said.append(f"class items by `{best['criterion']}`{told}")
    if (dimension := chosen[DIMENSION_COMPARISON.name]) is not None:
        name = str(dimension["dimension"]).replace("_", " x ")
        said.append(f"segment by {name} ({dimension['variance_explained']:.0%} of the variance of line value)")
    if (method := chosen[METHOD_SELECTION.name]) is not None:
        verb = "keep" if method["is_in_use"] else "take"
        said.append(f"{verb} the method `{method['method']}`")
    if not said:
        return "**In one sentence:** this cycle's data speak for no change; why stands below."
    return f"**In one sentence:** {'; '.join(said)}."


def _beside(best: Row, row: Row) -> str:
    less = 1 - best["cost_year"] / row["cost_year"]
    word = "less" if less >= 0 else "more"
    return f"{abs(less):.1%} {word} safety stock than those by `{row['criterion']}`"


def _grid(table: Table, rows: Sequence[Row]) -> str:
    shown = _SHOWN[table.name]
    lines = [
        "| " + " | ".join(["#", *(title for _, title, _ in shown), ""]) + " |",
        "|" + "|".join(["---:", *("---" if kind in ("name", "text") else "---:" for *_, kind in shown), "---"]) + "|",
    ]
    for row in rows:
        marks = ", ".join(word for name, word in _MARKS if row.get(name))
        cells = [str(row["rank"]), *(_cell(row[name], kind) for name, _, kind in shown), marks]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _why_not(table: Table, rows: Sequence[Row]) -> str:
    key = table.keys[0]
    return "\n".join(f"- `{row[key]}`: {row['decision_reason']}" for row in rows)


def _cell(value: Any, kind: str) -> str:
    if value is None or value != value:
        return "–"
    if kind in ("name", "text"):
        return f"`{value}`"
    return {"share": f"{value:.1%}", "number": f"{value:.2f}", "count": f"{value:,.0f}", "money": f"{value:,.0f}"}[kind]


def _meanings(table: Table, title: str) -> str:
    meaning = {column.name: column.meaning for column in table.columns}
    told = "\n".join(f"- {head}: {meaning[name]} (`{name}`)" for name, head, _ in _SHOWN[table.name])
    return f"**{title}** (`{table.name}`)\n\n{told}"


def _read(manifest: Mapping[str, Any]) -> str:
    known = {table["name"]: table for table in manifest["tables"]}
    rows = [
        f"| `{table.name}` | {known[table.name]['rows']:,} | `{known[table.name]['content_hash']}` |"
        for table, *_ in PARTS
        if table.name in known
    ]
    return "\n".join(["| table | rows | content hash |", "|---|---:|---|", *rows])


def _shortened(number: re.Match[str]) -> str:
    """Four digits are what a reader takes in; the table has all of them."""
    return f"{float(number[0]):.4g}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
