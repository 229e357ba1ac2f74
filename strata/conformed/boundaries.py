"""A region of a release as its dossier needs it: items with their evidence, places with what their stock is worth.

Belongs here: reading and joining. Does not: the figures (`strata.review.boundary`), the document
(`strata.review.dossier`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from strata.conformed.history import View
from strata.conformed.supply import STOCKED, stocked
from strata.durable import write_parquet
from strata.inventory.policy import PERIOD_DAYS
from strata.review.boundary import KEY, Region, described
from strata.review.change import place_worth

TABLES = (*STOCKED, "inventory_policy", "class_stability")
_NUMBERS = (
    "service_target", "safety_stock_units", "expected_fill_rate", "expected_csl", "expected_stock_units",
    "holding_cost_year",
)  # fmt: skip


def region_evidence(view: View, tables: Mapping[str, pa.Table], scratch: Path) -> Region:
    """Items and places of a region.

    Args:
        view: what the region was decided from.
        tables: its rows of `TABLES`.
        scratch: folder for files in between; the caller removes it.
    """
    files: dict[str, Path] = {}
    for name in STOCKED:
        files[name] = scratch / f"{name}.parquet"
        write_parquet(files[name], tables[name])
    stock = stocked(
        view, forecast=files["demand_forecast"], profile=files["demand_profile"],
        assignment=files["segment_assignment"], lead_times=files["lead_time_profile"],
    )  # fmt: skip
    profile = tables["demand_profile"].to_pandas(date_as_object=True)
    stock = stock.assign(**_year(stock, profile, view))
    at_level = (profile["location_id"] == "*") == (view.scheme.class_level == "region")
    items = described(
        tables["segment_assignment"].to_pandas(date_as_object=True),
        profile[at_level].reset_index(drop=True),
        tables["class_stability"].to_pandas(date_as_object=True),
        scheme=view.scheme,
    )
    places = tables["inventory_policy"].to_pandas(date_as_object=True)
    places = places.assign(**{name: pd.to_numeric(places[name]).astype(float) for name in _NUMBERS})
    places = places.merge(
        stock[[*KEY, "unit_cost", "revenue_year", "margin_year"]], on=KEY, how="left", validate="one_to_one"
    )
    return Region(view.partition, view.scheme, items, places, stock)


def _year(stock: pd.DataFrame, profile: pd.DataFrame, view: View) -> dict[str, Any]:
    """Revenue and margin that the expected demand of a year is worth at every place."""
    money = {name: pd.to_numeric(profile[name]).astype(float) for name in ("revenue", "margin", "demand_units")}
    worth = profile[KEY].assign(**money).set_index(KEY)
    units = stock["mean_units"].astype(float) * 365 / PERIOD_DAYS[view.scheme.buckets.planning]
    year = place_worth(stock[KEY].assign(units_year=units.to_numpy()).set_index(KEY), worth)
    return {name: year[name].to_numpy() for name in ("revenue_year", "margin_year")}
