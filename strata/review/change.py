"""Two outcomes of one partition side by side: the items that move, from where to where, and what stock and service do.

Belongs here: comparing decided classes and policies by one yardstick. Does not: deciding
(`strata.conformed.preview`), parameters that differ (`strata.scheme.diff`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from strata.review.migration import GONE, NEW

KEY = ["sku_id", "location_id"]
REGION = "*"
MEASURES = ("stock_value", "holding_cost_year", "revenue_served_year", "margin_served_year")


@dataclass(frozen=True, slots=True)
class Side:
    """One outcome of a partition.

    Attributes:
        at_region: classes are those of the region (`location_id` `*`), not of locations.
        classes: sku_id, location_id, segment, decision_reason, is_waiting (a move waits for its confirmation).
        places: sku_id, location_id, holding_cost_year, stock_value (NaN: no policy, or no unit cost), fill_rate,
            is_stocked; one row per item-location.
        worth: sku_id, location_id, revenue, margin, demand_units of the profile's window, at both levels.
        demand: sku_id, location_id, units_year: expected demand of a year.
    """

    at_region: bool
    classes: pd.DataFrame
    places: pd.DataFrame
    worth: pd.DataFrame
    demand: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two outcomes of a partition.

    Attributes:
        moved: one row per item whose segment differs, the largest revenue first.
        matrix: items and revenue per path from segment to segment, all items.
        totals: of all items: items, moved_items, revenue, moved_revenue, revenue_year, waiting_items, places without
            a known cost or margin, and `_before` and `_after` of each of `MEASURES` and of fill_rate.
    """

    moved: pd.DataFrame
    matrix: pd.DataFrame
    totals: dict[str, float]


def compare(before: Side, after: Side, published: Side) -> Comparison:
    """Compare two outcomes of a partition.

    Demand a year, unit revenue and unit margin are those of `published` on both sides, so that a difference is the
    policy's and not the yardstick's; an item that is not in it is measured by the mean of the sides that know it. A
    place without a policy holds nothing and serves nothing from stock. Fill is weighted by revenue a year.

    Returns:
        The comparison; swapping `before` and `after` mirrors it.

    Raises:
        ValueError: an item stands twice in the classes of a side.
    """
    at_region = before.at_region and after.at_region
    worth = _yardstick([published.worth, before.worth, after.worth])
    demand = _yardstick([published.demand, before.demand, after.demand])
    items = _items(before, after, at_region=at_region)
    items["revenue"] = worth["revenue"].reindex(pd.MultiIndex.from_frame(items[KEY])).fillna(0.0).to_numpy()
    for name, side in (("before", before), ("after", after)):
        costs = _costs(side, worth, demand, at_region=at_region)
        found = costs.reindex(pd.MultiIndex.from_frame(items[KEY]))
        for column in found:
            items[f"{column}_{name}"] = found[column].fillna(0.0).to_numpy()
    year = place_worth(demand, worth)
    items["revenue_year"] = _by_item(year, "revenue_year", items, at_region=at_region)
    moves = (items["from_segment"] != items["to_segment"]).to_numpy()
    totals = _totals(items, moves)
    totals["places_without_margin"] = float((year["margin_year"].isna() & (year["units_year"] > 0)).sum())
    moved = items[moves].sort_values(["revenue", *KEY], ascending=[False, True, True], ignore_index=True)
    for name in ("before", "after"):
        moved[f"fill_rate_{name}"] = _ratio(moved[f"revenue_served_year_{name}"], moved["revenue_year"])
    matrix = items.groupby(["from_segment", "to_segment"], sort=True).agg(
        items=("sku_id", "size"), revenue=("revenue", "sum")
    )
    return Comparison(moved, matrix.reset_index(), totals)


def total(parts: list[dict[str, float]]) -> dict[str, float]:
    """Totals of several partitions; fill rates are weighted by revenue a year."""
    summed = {name: float(np.sum([part[name] for part in parts])) for name in parts[0]}
    return summed | _fill(summed)


def _totals(items: pd.DataFrame, moves: Any) -> dict[str, float]:
    totals = {
        "items": float(len(items)),
        "moved_items": float(moves.sum()),
        "revenue": float(items["revenue"].sum()),
        "moved_revenue": float(items.loc[moves, "revenue"].sum()),
        "revenue_year": float(items["revenue_year"].sum()),
        "waiting_items_before": float(items["from_waiting"].sum()),
        "waiting_items_after": float(items["to_waiting"].sum()),
    }
    for name in ("before", "after"):
        totals |= {f"{measure}_{name}": float(items[f"{measure}_{name}"].sum()) for measure in MEASURES}
        totals[f"unpriced_places_{name}"] = float(items[f"unpriced_places_{name}"].sum())
    return totals | _fill(totals)


def _fill(totals: dict[str, float]) -> dict[str, float]:
    year = totals["revenue_year"]
    return {
        f"fill_rate_{name}": totals[f"revenue_served_year_{name}"] / year if year > 0 else float("nan")
        for name in ("before", "after")
    }


def _items(before: Side, after: Side, *, at_region: bool) -> pd.DataFrame:
    """One row per item of either side with both segments and reasons; `new` and `gone` where a side has none."""
    sides = []
    for name, side in (("from", before), ("to", after)):
        rows = side.classes
        if side.at_region and not at_region:
            rows = _spread(rows, [one for one in (before, after) if not one.at_region])
        if rows.duplicated(KEY).any():
            example = rows.loc[rows.duplicated(KEY), KEY].iloc[0].tolist()
            raise ValueError(f"classes: sku_id, location_id {example} stands more than once; give one row per item")
        named = {"segment": f"{name}_segment", "decision_reason": f"{name}_reason", "is_waiting": f"{name}_waiting"}
        sides.append(rows.rename(columns=named))
    items = sides[0].merge(sides[1], on=KEY, how="outer", validate="one_to_one").sort_values(KEY, ignore_index=True)
    items["from_segment"] = items["from_segment"].astype(object).where(items["from_segment"].notna(), NEW)
    items["to_segment"] = items["to_segment"].astype(object).where(items["to_segment"].notna(), GONE)
    for name in ("from_waiting", "to_waiting"):
        items[name] = items[name].eq(True)
    for name in ("from_reason", "to_reason"):
        items[name] = items[name].astype(object).where(items[name].notna(), None)
    return items


def _spread(rows: pd.DataFrame, sides: list[Side]) -> pd.DataFrame:
    """Classes of a region at the locations that the other side classes; those that it does not know stay."""
    places = pd.concat([side.classes[KEY] for side in sides]).drop_duplicates()
    found = rows.drop(columns="location_id").merge(places, on="sku_id", how="left")
    found["location_id"] = found["location_id"].fillna(REGION)
    return found


def _yardstick(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """The first frame by key; of keys that it lacks, the mean of the others."""
    first, *others = (frame.set_index(KEY) for frame in frames)
    rest = pd.concat(others)
    rest = rest[~rest.index.isin(first.index)]
    return pd.concat([first, rest.groupby(level=KEY, sort=True).mean()]) if len(rest) else first


def place_worth(demand: pd.DataFrame, worth: pd.DataFrame) -> pd.DataFrame:
    """Revenue and margin of a year's demand at every place: its own value per unit, else its region's."""
    at_region = worth[worth.index.get_level_values("location_id") == REGION].droplevel("location_id")
    found = demand.copy()
    for name in ("revenue", "margin"):
        own = (worth[name] / worth["demand_units"].where(worth["demand_units"] > 0)).reindex(demand.index)
        wide = at_region[name] / at_region["demand_units"].where(at_region["demand_units"] > 0)
        per_unit = own.fillna(wide.reindex(demand.index.get_level_values("sku_id")).set_axis(demand.index))
        found[f"{name}_year"] = per_unit * demand["units_year"]
    return found


def _costs(side: Side, worth: pd.DataFrame, demand: pd.DataFrame, *, at_region: bool) -> pd.DataFrame:
    """Sums over the places of every item; a place without a policy adds nothing."""
    places = side.places.set_index(KEY)
    year = place_worth(demand, worth).reindex(places.index)
    fill = places["fill_rate"].where(places["is_stocked"], 0.0).fillna(0.0)
    found = pd.DataFrame(
        {
            "stock_value": places["stock_value"].fillna(0.0),
            "holding_cost_year": places["holding_cost_year"].fillna(0.0),
            "revenue_served_year": (fill * year["revenue_year"]).fillna(0.0),
            "margin_served_year": (fill * year["margin_year"]).fillna(0.0),
            "unpriced_places": (places["is_stocked"] & places["holding_cost_year"].isna()).astype(float),
        }
    ).reset_index()
    if at_region:
        found["location_id"] = REGION
    return found.groupby(KEY, sort=True).sum()


def _by_item(year: pd.DataFrame, column: str, items: pd.DataFrame, *, at_region: bool) -> Any:
    rows = year[[column]].fillna(0.0).reset_index()
    if at_region:
        rows["location_id"] = REGION
    return rows.groupby(KEY)[column].sum().reindex(pd.MultiIndex.from_frame(items[KEY])).fillna(0.0).to_numpy()


def _ratio(part: "pd.Series[float]", whole: "pd.Series[float]") -> "pd.Series[float]":
    return part / whole.where(whole > 0)
