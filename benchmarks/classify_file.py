"""Classes of one CSV of demand, from file to file, against plain pandas on the same file.

Run `python benchmarks/classify_file.py [--quick]` from the project root. Prints a table and, last, one JSON line
whose `ratio` is baseline seconds / strata seconds for the same rows.

Baseline "pandas-groupby": `read_csv`, months by `groupby`, revenue, mean and CV of the last twelve, ABC by `cumsum`,
XYZ by cuts, `to_csv`: none of the levels, tests of shift, seasons, ladder, probabilities, reasons and refusals that
Strata writes too. Both must find the same revenue per item and location.
"""

import argparse
import json
import resource
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

from strata.classify.panel import panel_classes
from strata.panel.demand import read_demand
from strata.panel.records import write_refusals, write_rows
from strata.scheme.load import load_scheme

SCHEME = load_scheme(Path(__file__).resolve().parents[1] / "config/schemes/2017.1.yml").scheme
TODAY = date(2025, 1, 1)
KEY = ["sku_id", "location_id"]


def company(path: Path, rows: int) -> None:
    """Order lines of three years: a fiftieth as many items as rows, ten locations, every thousandth row broken."""
    rng = np.random.default_rng(1)
    items = rows // 50
    sku, place = rng.integers(0, items, rows), rng.integers(0, 10, rows)
    price = rng.lognormal(2.0, 1.0, items).round(2)[sku]
    day = (np.datetime64("2022-01-01") + rng.integers(0, 1096, rows)).astype(str)
    quantity = (rng.poisson(rng.lognormal(1.5, 1.0, items)[sku]) + 1).astype(str).astype(object)
    quantity[::1000] = "n/a"
    table = pa.table(
        {
            "sku_id": pa.array(np.char.add("S", sku.astype(str))),
            "location_id": pa.array(np.char.add("L", place.astype(str))),
            "date": pa.array(day),
            "quantity": pa.array(quantity, pa.string()),
            "unit_price": pa.array(price),
            "category": pa.array(np.char.add("F", (sku % 50).astype(str))),
        }
    )
    arrow_csv.write_csv(table, str(path))


def strata(path: Path, out: Path) -> tuple[dict[str, float], pd.DataFrame, int]:
    """Seconds per step, and revenue per item and location."""
    seconds, start = {}, time.perf_counter()
    found = read_demand(path, wide=None, delimiter=",", today=TODAY)
    seconds["read and refuse"] = time.perf_counter() - start
    made = panel_classes(found.lines, scheme=SCHEME, grain="day", since=None, until=date(2024, 12, 31))
    seconds["profile and class"] = time.perf_counter() - start - seconds["read and refuse"]
    write_rows(out, made.table)
    write_refusals(out, found.refusals)
    seconds["whole"] = time.perf_counter() - start
    return seconds, made.table.select([*KEY, "revenue"]).to_pandas(), len(found.refusals)


def plain(path: Path, out: Path) -> tuple[float, pd.DataFrame]:
    start = time.perf_counter()
    rows = pd.read_csv(path, dtype={"sku_id": str, "location_id": str}, low_memory=False)
    rows["quantity"] = pd.to_numeric(rows["quantity"], errors="coerce")
    rows = rows.dropna(subset=["quantity"])
    rows["month"] = pd.to_datetime(rows["date"]).dt.to_period("M")
    rows["revenue"] = rows["quantity"] * rows["unit_price"]
    recent = rows[rows["month"] > rows["month"].max() - 12]
    months = recent.pivot_table(index="sku_id", columns="month", values="quantity", aggfunc="sum", fill_value=0)
    classes = pd.DataFrame({"mean": months.mean(axis=1), "cv": months.std(axis=1) / months.mean(axis=1)})
    classes["revenue"] = recent.groupby("sku_id")["revenue"].sum()
    classes = classes.sort_values("revenue", ascending=False)
    before = (classes["revenue"].cumsum() - classes["revenue"]) / classes["revenue"].sum()
    classes["value_class"] = pd.cut(before, [-1, 0.8, 0.95, 2], labels=["A", "B", "C"], right=False)
    classes["variability_class"] = pd.cut(classes["cv"], [-1, 0.5, 1.0, np.inf], labels=["X", "Y", "Z"])
    places = recent.groupby(KEY)["revenue"].sum().reset_index()
    places.merge(classes.drop(columns="revenue"), left_on="sku_id", right_index=True).to_csv(out, index=False)
    return time.perf_counter() - start, places


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="100,000 rows instead of a million")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "demand.csv", Path(folder) / "classes.csv"
        rows = 100_000 if quick else 1_000_000
        company(path, rows)
        seconds, mine, refused = strata(path, out)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        baseline, theirs = plain(path, Path(folder) / "plain.csv")
    both = mine.astype({"revenue": float}).query("revenue > 0").merge(theirs, on=KEY, how="outer")
    if refused != rows // 1000 or not np.allclose(both["revenue_x"], both["revenue_y"]):
        raise SystemExit(f"the two disagree on revenue, or {refused} rows were refused and not {rows // 1000}")
    print(f"{'step':<40}{'rows':>12}{'seconds':>10}{'rows/s':>14}")
    for name, took in {**seconds, "pandas-groupby (measured)": baseline}.items():
        print(f"{name:<40}{rows:>12,}{took:>10.2f}{rows / took:>14,.0f}")
    print(
        f"{len(mine):,} item-locations classed, {refused:,} rows refused, peak {peak / 1e6:.2f} GB with the generator"
    )
    result = {
        "benchmark": "classify_file",
        "rows": rows,
        "item_locations": len(mine),
        "strata_seconds": round(seconds["whole"], 3),
        "peak_gb": round(peak / 1e6, 2),
        "baseline": "pandas-groupby",
        "baseline_seconds": round(baseline, 3),
        "ratio": round(baseline / seconds["whole"], 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
