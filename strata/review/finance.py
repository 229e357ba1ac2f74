"""The dossier for finance: what working capital the classes tie up, what it costs, and what other boundaries would do.

Belongs here: money by segment and region. Does not: boundaries (`strata.review.dossier`).
"""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from strata.review.boundary import effects
from strata.review.document import Block, Grid, Heading, Paragraph, Picture, number, share
from strata.review.dossier import Source, boundaries, heading, origins
from strata.review.picture import bars

ABOUT = (
    "What stock the policies of this release hold, what it costs, and what that would be with other boundaries "
    "between the classes."
)
MEASURES = ("places", "stocked", "stock_value", "safety_stock_value", "holding_cost_year", "unpriced")


def finance(source: Source, tables: list[str]) -> list[Block]:
    """The document.

    Raises:
        ValueError: a boundary has no rationale, owner, approval or date.
    """
    rows = capital(source)
    return [
        *heading(source, "finance", ABOUT),
        Heading(2, "Working capital and its cost"),
        Paragraph(
            "Stock value is the stock that the policies expect on hand, at standard cost; holding cost is that of a "
            "year, as in inventory_policy. Safety stock is the level that is filled up to (or ordered at) less the "
            "demand expected until the next order arrives: with minimum lots an order waits, so stock is below that "
            "level on average, and safety stock can exceed it. Not priced: stocked places without a known cost, which "
            "no sum holds."
        ),
        _picture(source, rows),
        _grid(source, rows, "segment"),
        _grid(source, rows, "region"),
        _grid(source, rows, "both"),
        *_ranges(source),
        *_overrides(source),
        *boundaries(source),
        *origins(source, tables),
    ]


def capital(source: Source) -> pd.DataFrame:
    """`MEASURES` by region and segment: region, segment, places, stocked, then money; sums leave out the unpriced."""
    parts = []
    for region in source.regions:
        worth = effects(region.places)
        stocked = (region.places["policy_type"] != "none").to_numpy()
        parts.append(
            pd.DataFrame(
                {
                    "region": region.partition.region, "segment": region.places["segment"], "places": 1.0,
                    "stocked": stocked.astype(float),
                    "unpriced": (stocked & worth["holding_cost_year"].isna().to_numpy()).astype(float),
                    **{name: worth[name] for name in MEASURES[2:5]},
                }
            )
        )  # fmt: skip
    return pd.concat(parts).groupby(["region", "segment"], sort=True, as_index=False)[list(MEASURES)].sum()


def _grid(source: Source, rows: pd.DataFrame, by: str) -> Block:
    keys = ["region", "segment"] if by == "both" else [by]
    found = rows.groupby(keys, sort=True, as_index=False)[list(MEASURES)].sum()
    whole = rows[list(MEASURES)].sum()
    told = [(*(str(row[key]) for key in keys), *_row(row, whole)) for row in found.to_dict("records")]
    told.append(("all", *[""] * (len(keys) - 1), *_row(whole.to_dict(), whole)))
    money = (f"stock value, {source.currency}", f"safety stock, {source.currency}",
             f"holding cost a year, {source.currency}", "share of stock")  # fmt: skip
    title = {"region": "By region", "segment": "By segment, all regions", "both": "By region and segment"}[by]
    return Grid(
        title, (*keys, "places", "stocked", "not priced", *money), tuple(told), labels=len(keys), has_total=True
    )


def _row(row: Mapping[Hashable, Any], whole: "pd.Series[float]") -> tuple[str, ...]:
    names = ("places", "stocked", "unpriced", "stock_value", "safety_stock_value", "holding_cost_year")
    return (*(number(row[name]) for name in names), share(row["stock_value"], float(whole["stock_value"])))


def _picture(source: Source, rows: pd.DataFrame) -> Block:
    held = rows.groupby("segment", sort=True)["stock_value"].sum()
    total = float(held.sum())
    text = f"Stock value by segment, {source.money(total)} in all: " + (
        ", ".join(f"{name} {number(value)}" for name, value in held.items() if value > 0) or "none"
    )
    drawn = bars(
        [(str(name), float(value), f"{number(value)} ({share(value, total)})") for name, value in held.items()
         if value > 0],
        title="Stock value by segment", axis=source.currency, text=text, low=0.0,
    )  # fmt: skip
    return Picture("stock-value.svg", text, drawn)


def _ranges(source: Source) -> list[Block]:
    """What the cost would be in other samples of the same history."""
    found = source.tables["class_agreement"]
    found = found[(found["axis"] == "segment") & found["holding_cost_low"].notna()]
    if found.empty:
        return []
    rows = tuple(
        (
            str(row["region"]), str(row["source"]).replace("_", " "), number(row["holding_cost_year"]),
            number(row["holding_cost_low"]), number(row["holding_cost_high"]), number(row["margin_served_year"]),
            number(row["margin_served_low"]), number(row["margin_served_high"]),
        )
        for row in found.sort_values(["region", "source"]).to_dict("records")
    )  # fmt: skip
    columns = ("region", "classes from", *(f"{name}, {source.currency} a year" for name in (
        "holding cost", "lowest", "highest", "margin served", "lowest", "highest")))  # fmt: skip
    return [
        Heading(2, "How far cost hangs on the classes"),
        Paragraph(
            "The same demand and policies under the classes of other samples, of forecast errors and of biased "
            "families; the range holds the share of draws that the scheme's part `stability` names."
        ),
        Grid("Holding cost and margin served", columns, rows, labels=2),
    ]


def _overrides(source: Source) -> list[Block]:
    found = source.tables["override"]
    found = found[found["is_in_effect"].eq(True)]
    blocks: list[Block] = [Heading(2, "What overrides cost")]
    if found.empty:
        return [*blocks, Paragraph("No override is in effect.")]
    cost = pd.to_numeric(found["cost_year"]).astype(float)
    grouped = found.assign(cost=cost, holding=pd.to_numeric(found["holding_difference_year"]).astype(float)).groupby(
        ["kind", "owner"], sort=True
    )
    rows = [
        (str(kind), str(owner), number(len(part)), number(part["holding"].sum()), number(part["cost"].sum()),
         number(float(part["cost"].isna().sum())))
        for (kind, owner), part in grouped
    ]  # fmt: skip
    columns = ("kind", "owner", "items", f"holding a year, {source.currency}", f"cost a year, {source.currency}",
               "not priced")  # fmt: skip
    return [*blocks, Grid("Overrides and rules in effect", columns, tuple(rows), labels=2)]
