"""How often each rung of the ladder gives the class that an item later earns, against what it gets without one.

Run `python benchmarks/fallback.py [--quick] [--m5 DIR]` from the project root. Demand is the generator's (known truth),
or that of M5 (`monthly_sales`, `sell_prices.parquet`, `calendar.parquet`), by region and month. Launched: items judged
with 0 to 3 months of sales; the truth is their class over their first 12 months. Renumbered: established items under a
new number that names the old one. Held: established items not seen for 6 months. Prints a table and one JSON line.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from strata.classify.value import placed_classes, value_classes
from strata.classify.variability import variability_classes
from strata.demand.fallback import fall_back
from strata.sample import generator
from strata.scheme.load import load_scheme

SCHEME = load_scheme(Path(__file__).resolve().parents[1] / "config/schemes/2017.1.yml").scheme
RULE = SCHEME.fallback
YEAR = 12
HIDDEN = 6
_M5 = """
with sold as (
    select item_id as sku_id, any_value(dept_id) as family, state_id as region, date, sum(sales) as units
    from '{root}/monthly_sales/*.parquet' where date between '2011-02-01' and '2016-03-01'
    group by item_id, state_id, date
),
week as (
    select wm_yr_wk, date_trunc('month', min(cast(date as date))) as date
    from '{root}/calendar.parquet' group by wm_yr_wk
),
priced as (
    select item_id as sku_id, left(store_id, 2) as region, date, avg(sell_price) as price
    from '{root}/sell_prices.parquet' inner join week using (wm_yr_wk) group by all
)
select sold.*, price from sold left join priced using (sku_id, region, date)
"""


@dataclass(frozen=True)
class Region:
    """Units and prices, items x months, and the family of each item."""

    units: np.ndarray
    price: np.ndarray
    family: np.ndarray


def m5(root: Path) -> Iterator[Region]:
    rows = duckdb.sql(_M5.format(root=root)).df()
    for _, part in rows.groupby("region"):
        units = part.pivot_table(index="sku_id", columns="date", values="units", fill_value=0)
        price = part.pivot_table(index="sku_id", columns="date", values="price").reindex(units.index)
        price = price.reindex(columns=units.columns).bfill(axis=1).ffill(axis=1)
        family = part.groupby("sku_id")["family"].first().reindex(units.index)
        yield Region(units.to_numpy(float), price.to_numpy(float), family.to_numpy(object))


def generated(items: int) -> Iterator[Region]:
    """The generator's company with every fourth item launched inside the horizon; families are its patterns."""
    spec = replace(generator.resized(generator.SHIPPED, items), launch_share=0.25)
    made = generator.generate(spec, seed=5)
    truth = made.truth.to_pandas().drop_duplicates("sku_id").set_index("sku_id")
    rows = made.demand.to_pandas()
    rows["month"] = pd.to_datetime(rows["period_start"]).dt.to_period("M")
    rows["quantity"] = rows["quantity"].astype(float)
    for _, part in rows.groupby("region"):
        units = part.pivot_table(index="sku_id", columns="month", values="quantity", aggfunc="sum", fill_value=0)
        price = np.repeat(truth.loc[units.index, "price"].astype(float).to_numpy()[:, None], units.shape[1], axis=1)
        yield Region(units.to_numpy(float), price, truth.loc[units.index, "pattern"].to_numpy(object))


def classes(units: np.ndarray, price: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes that items `of` earn over a window, ranked among all."""
    value = (units * price).sum(axis=1)
    names = np.array([f"{n:07d}" for n in range(len(value))], dtype=object)
    found = value_classes(value, names, cuts=SCHEME.value.cuts).value_class[of]
    part = units[of]
    with np.errstate(invalid="ignore"):
        cv = part.std(axis=1, ddof=1) / part.mean(axis=1)
    return found, variability_classes(cv, np.full(len(of), units.shape[1]), variability=SCHEME.variability)


def series(region: Region, first: np.ndarray, at: int) -> pd.DataFrame:
    """Every item as the ladder sees it at the end of month `at` - 1."""
    begin = max(at - YEAR, 0)
    units, price = region.units[:, begin:at], region.price[:, begin:at]
    seen = np.clip(at - np.maximum(first, begin), 0, YEAR)
    mask = np.arange(begin, at)[None, :] >= first[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(seen > 0, units.sum(axis=1) / seen, np.nan)
        squares = np.where(mask, (units - mean[:, None]) ** 2, 0).sum(axis=1)
        cv = np.sqrt(squares / (seen - 1.0)) / mean
        money = np.where(seen > 0, (units * price).sum(axis=1) / seen, np.nan)
    return pd.DataFrame(
        {
            "sku_id": [f"{n:07d}" for n in range(len(units))], "location_id": "*", "family": region.family,
            "price": region.price[:, min(at, region.price.shape[1] - 1)], "predecessor_sku_id": None, "currency": None,
            "is_lender": (mean > 0) & (first < at), "periods_observed": seen, "periods_censored": 0,
            "periods_unreported": 0, "cycles_unobserved": 0, "units_period": mean, "units_period_alive": mean,
            "cv": np.where((seen > 1) & (mean > 0), cv, np.nan), "value_period": money,
            "last_value_class": None, "last_variability_class": None,
        }
    )  # fmt: skip


def judged(frame: pd.DataFrame, of: np.ndarray, rungs: tuple[str, ...]) -> pd.DataFrame:
    """Level and classes of items `of` where only `rungs` are offered."""
    rule = RULE.model_copy(update={"rungs": {name: RULE.rungs[name] for name in rungs}})
    found = fall_back(frame, rule=rule, min_periods=rule.min_periods, cycle="2020-01")
    own = (found["fallback_level"] == "own").to_numpy()
    value = YEAR * found["expected_value_period"].to_numpy(float)
    placed = placed_classes(value[of], value[own], cuts=SCHEME.value.cuts).value_class
    cv = found["expected_cv"].to_numpy(float)[of]
    variability = variability_classes(cv, np.full(len(of), YEAR), variability=SCHEME.variability)
    last = found["fallback_level"].to_numpy()[of] == "last_class"
    placed = np.where(last, frame["last_value_class"].to_numpy(object)[of], placed)
    variability = np.where(last, frame["last_variability_class"].to_numpy(object)[of], variability)
    level = found["fallback_level"].to_numpy(object)[of]
    return pd.DataFrame({"level": level, "value": placed, "variability": variability})


def scores(region: Region) -> Iterator[pd.DataFrame]:
    """One row per judgement: case, months seen, rung offered, level taken, and whether each axis came true."""
    units, price, months = region.units, region.price, region.units.shape[1]
    sold = units > 0
    first = np.where(sold.any(axis=1), sold.argmax(axis=1), months + YEAR)
    for at in range(YEAR + HIDDEN, months - YEAR, 3):
        now = series(region, first, at)
        for seen in range(RULE.min_periods):
            new = np.flatnonzero(first == at - seen)
            if not len(new):
                continue
            window = slice(at - seen, at - seen + YEAR)
            truth = classes(units[:, window], price[:, window], new)
            for rungs in (("like_item",), ("family_region",), ("like_item", "family_region"), ()):
                yield _told("launched", seen, "+".join(rungs) or "default", judged(now, new, rungs), truth)
            total = YEAR * now["value_period"].to_numpy(float)
            ranked = np.flatnonzero(now["periods_observed"] >= RULE.min_periods)
            summed = (now["value_period"] * now["periods_observed"]).to_numpy(float)[new]
            plain = placed_classes(summed, total[ranked], cuts=SCHEME.value.cuts).value_class
            nothing = pd.DataFrame({"level": "none", "value": plain, "variability": "U"})
            yield _told("launched", seen, "no ladder", nothing, truth)
        old = np.flatnonzero((first < at - YEAR - HIDDEN) & (now["units_period"].to_numpy() > 0))[::7]
        truth = classes(units[:, at : at + YEAR], price[:, at : at + YEAR], old)
        heirs = now.iloc[old].assign(
            sku_id=[f"N{n}" for n in old], predecessor_sku_id=now["sku_id"].iloc[old], periods_observed=0,
            units_period=np.nan, cv=np.nan, value_period=np.nan, units_period_alive=np.nan,
        )  # fmt: skip
        both = pd.concat([now, heirs], ignore_index=True)
        rows = np.arange(len(now), len(both))
        yield _told("renumbered", 0, "predecessor", judged(both, rows, ("predecessor",)), truth)
        yield _told("renumbered", 0, "like_item", judged(both, rows, ("like_item",)), truth)
        known = slice(at - HIDDEN - YEAR, at - HIDDEN)
        before = classes(units[:, known], price[:, known], old)
        hidden = now.copy()
        spot = hidden.index[old]
        hidden.loc[spot, ["periods_observed", "cycles_unobserved"]] = [0, HIDDEN]
        hidden.loc[spot, "last_value_class"], hidden.loc[spot, "last_variability_class"] = before
        for rung in ("last_class", "like_item", "family_region"):
            yield _told("held", 0, rung, judged(hidden, old, (rung,)), truth)


def _told(case: str, seen: int, offered: str, found: pd.DataFrame, truth: tuple[np.ndarray, ...]) -> pd.DataFrame:
    value, variability = (found[name].to_numpy(str) for name in ("value", "variability"))
    right = {"value": value == truth[0], "variability": variability == truth[1]}
    return pd.DataFrame(
        {"case": case, "seen": seen, "offered": offered, "stands": ~found["level"].isin(["default", "none"]), **right}
    ).assign(segment=right["value"] & right["variability"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="600 items instead of 3,000")
    parser.add_argument("--m5", type=Path, help="folder of the M5 data, instead of the generator")
    options = parser.parse_args()
    regions = m5(options.m5) if options.m5 else generated(600 if options.quick else 3000)
    rows = pd.concat([part for region in regions for part in scores(region)], ignore_index=True)
    table = rows.groupby(["case", "seen", "offered"], sort=False).agg(
        items=("value", "size"), stands=("stands", "mean"), value=("value", "mean"),
        variability=("variability", "mean"), segment=("segment", "mean"),
    )  # fmt: skip
    print(table.sort_index(level=[0, 1], sort_remaining=False).round(3).to_string())
    figures = {"/".join(map(str, key)): round(float(row.segment), 4) for key, row in table.iterrows()}
    print(json.dumps({"benchmark": "fallback", "demand": "m5" if options.m5 else "generator", "segment": figures}))


if __name__ == "__main__":
    main()
