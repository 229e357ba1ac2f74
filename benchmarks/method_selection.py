"""The selector on a year of Walmart's M5 in three states: criteria, methods, clusters, and how well words tell them.

Run `python benchmarks/method_selection.py [--data FOLDER] [--quick] [--out FILE.md]` from the project root, with the M5
data (monthly sales and prices) in FOLDER or in `../shared/data/m5`; without them it says so and ends. Items of a state
are ranked together, April 2015 to March 2016. Prints the document of `strata review criteria`, then per state the
number of k-means and mixture clusters with silhouette, bootstrap ARI and the share that a tree of at most five
conditions tells, and last one JSON line.

M5 has neither costs nor lots nor lead times. Assumed, and decisive for costs only: unit cost by category as a share of
price, economic lots at 2 dollars an order line in packs of 12, 6 and 4, a week of lead time and one of review.
`order_lines` are store-months with a sale.
"""

import argparse
import json
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from strata.classify.cluster_count import cluster_count
from strata.classify.clusters import cluster, features
from strata.classify.sampling import money_in, period_counts
from strata.classify.surrogate import surrogate
from strata.inventory.reorder import economic_order_quantity, order_quantity
from strata.review.criteria import Assortment, Candidate, criteria_report
from strata.review.evidence import evidence_document
from strata.review.methods import method_rows
from strata.review.selection import StockTerms
from strata.scheme.load import load_scheme
from strata.tables import CRITERIA_REPORT, METHOD_SELECTION, NOT_SUSPENDED

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "m5"
SCHEME = load_scheme(Path(__file__).resolve().parents[1] / "config/schemes/2017.1.yml").scheme
COST = {"FOODS": 0.75, "HOUSEHOLD": 0.65, "HOBBIES": 0.55}  # of price, assumed
PACK = {"FOODS": 12.0, "HOUSEHOLD": 6.0, "HOBBIES": 4.0}  # units, assumed
ORDER_COST = 2.0  # dollars a line, assumed
WEEK = 7 * 12 / 365  # months
MONTHS, LEAST_EXPLAINED, MOST_DEPTH, LEAST_ARI = 12, 0.95, 5, 0.8
SALES = """
with price as (
    select store_id, item_id, date_trunc('month', date::date)::date as month, avg(sell_price) as price
    from '{0}/sell_prices.parquet' inner join '{0}/calendar.parquet' using (wm_yr_wk)
    where date::date between date '2015-04-01' and date '2016-03-31'
    group by all
)
select s.state_id as state, s.item_id as item, split_part(s.item_id, '_', 1) as category,
    date_diff('month', date '2015-04-01', s.date::date) as month, sum(s.sales)::double as units,
    sum(s.sales * coalesce(p.price, 0)) as revenue, count(*) filter (where s.sales > 0)::double as lines
from '{0}/monthly_sales/*.parquet' as s
left join price as p on s.store_id = p.store_id and s.item_id = p.item_id and s.date = p.month
where s.date between date '2015-04-01' and date '2016-03-01' {1}
group by all
order by all
"""


def panel(folder: Path, only: str) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Items of every state, and months of units, revenue and store-months with sales."""
    rows = duckdb.sql(SALES.format(folder, only)).df()
    keys = rows[["state", "item", "category"]].drop_duplicates(ignore_index=True)
    at = pd.MultiIndex.from_frame(keys[["state", "item"]]).get_indexer(
        pd.MultiIndex.from_frame(rows[["state", "item"]])
    )
    months = {name: np.zeros((len(keys), MONTHS)) for name in ("units", "revenue", "lines")}
    for name, matrix in months.items():
        matrix[at, rows["month"]] = rows[name]
    sold = months["units"].sum(axis=1) > 0
    return keys[sold].reset_index(drop=True), {name: matrix[sold] for name, matrix in months.items()}


def assortment(keys: pd.DataFrame, months: dict[str, np.ndarray], draws: int) -> tuple[Assortment, np.ndarray]:
    """Terms of stock under the assumptions, weighed by revenue; and b D / (h Q)."""
    units, revenue = months["units"].sum(axis=1), months["revenue"].sum(axis=1)
    price = revenue / units
    pack, cost = keys["category"].map(PACK).to_numpy(), keys["category"].map(COST).to_numpy() * price
    spread = months["units"].std(axis=1, ddof=1) * np.sqrt(2 * WEEK)
    holding = cost * SCHEME.inventory.holding_rate_year
    lot = order_quantity(economic_order_quantity(units, ORDER_COST, holding), np.zeros(len(units)), pack)
    at = np.flatnonzero((spread > 0) & (price > 0))
    terms = StockTerms(*(part[at] for part in (price * units, price * lot, price * spread, holding / price)))
    _, ranking = np.unique(keys["state"].to_numpy(dtype=str), return_inverse=True)
    weight = np.random.default_rng(2).multinomial(len(units), np.full(len(units), 1 / len(units)), size=draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Assortment(ranking, weight.astype(float), terms, at), price * units / (holding * lot)


def candidates(keys: pd.DataFrame, months: dict[str, np.ndarray], ratio: np.ndarray, draws: int) -> list[Candidate]:
    """Criteria as they are, and on months drawn with replacement."""
    counts = period_counts(MONTHS, draws, block=1, rng=np.random.default_rng(1))
    margin = months["revenue"] * (1 - keys["category"].map(COST).to_numpy())[:, None]
    parts = {"revenue": months["revenue"], "margin": margin, "demand_units": months["units"],
             "order_lines": months["lines"]}  # fmt: skip
    seen = np.ones(margin.shape, dtype=bool)
    made = [
        Candidate(name, part.sum(axis=1), money_in(part.sum(axis=1), part, seen).drawn(counts))
        for name, part in parts.items()
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = counts @ months["units"].T / MONTHS
        square = counts @ (months["units"] ** 2).T / MONTHS - mean**2
        cv = months["units"].std(axis=1, ddof=1) / months["units"].mean(axis=1)
        again = np.sqrt(np.maximum(square, 0) * MONTHS / (MONTHS - 1)) / mean
    price = made[0].value / made[2].value
    cost = price * keys["category"].map(COST).to_numpy()
    drawn = np.where(made[0].value > 0, made[0].drawn / made[0].value, 1.0) * ratio
    return [*made, Candidate("variability", cv, np.where(np.isfinite(again), again, cv)),
            Candidate("unit_cost", cost, cost[None, :]), Candidate("cost_ratio", ratio, drawn)]  # fmt: skip


def clusters_of(state: str, values: np.ndarray, names: list[str], quick: bool) -> list[dict[str, object]]:
    """Number of clusters by both fits, and what a tree tells of their labels."""
    found: list[dict[str, object]] = []
    made = features(values, is_gain=[True] * values.shape[1], skew=1.0)
    for method in ("kmeans", "gmm"):
        chosen = cluster_count(
            made.values, method=method, candidates=range(2, 7), least_ari=LEAST_ARI, resamples=4 if quick else 10,
            sample=1_000 if quick else 2_000, restarts=5, rng=np.random.default_rng(3),
        )  # fmt: skip
        best = chosen.clusters or int(chosen.table.loc[chosen.table["bootstrap_ari"].idxmax(), "clusters"])
        row = chosen.table.set_index("clusters").loc[best]
        fit = cluster(made.values, method=method, clusters=best, restarts=5, rng=np.random.default_rng(3))
        label = np.array(list("ABCDEFGH"))[fit.label]
        told = surrogate(
            values, label, names=names, most_depth=MOST_DEPTH, least_items=10, least_share=LEAST_EXPLAINED
        )  # fmt: skip
        found.append({
            "state": state, "method": method, "clusters": best, "silhouette": round(float(row["silhouette"]), 3),
            "bootstrap_ari": round(float(row["bootstrap_ari"]), 3), "is_stable": bool(row["is_stable"]),
            "share_explained": round(told.share_explained, 4), "conditions": told.depth, "reason": chosen.reason,
            "words": [f"{rule.value_class} if {rule.words} ({rule.items})" for rule in told.rules],
        })  # fmt: skip
    return found


def document(report: pd.DataFrame, methods: pd.DataFrame, release: str) -> str:
    stamp = {"region": "US", "cycle": "2016-04", "valid_for_cycle": "2016-04", "scheme_version": SCHEME.version}
    tables = {
        table.name: table.conform(rows.assign(**stamp, **NOT_SUSPENDED))
        for table, rows in ((CRITERIA_REPORT, report), (METHOD_SELECTION, methods))
    }
    hashes = [
        {
            "name": table.name,
            "rows": tables[table.name].num_rows,
            "content_hash": table.content_hash(tables[table.name]),
        }
        for table in (CRITERIA_REPORT, METHOD_SELECTION)
    ]
    manifest = {"release_id": release, "cycle": "2016-04", "currency": "USD", "tables": hashes}
    return evidence_document(manifest, {name: rows.to_pylist() for name, rows in tables.items()}, ["US"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=SHARED, help="folder of the M5 data")
    parser.add_argument("--quick", action="store_true", help="California, fewer draws")
    parser.add_argument("--out", type=Path, help="file for the document; else standard output")
    options = parser.parse_args()
    if not (options.data / "sell_prices.parquet").is_file():
        print(f"the M5 data are not in {options.data}: nothing is measured")
        print(json.dumps({"benchmark": "method_selection", "skipped": True}))
        return
    if SCHEME.evidence is None or SCHEME.evidence.methods is None:
        raise SystemExit("the shipped scheme has no part evidence with methods")
    draws = 4 if options.quick else 20
    began = time.perf_counter()
    keys, months = panel(options.data, "and s.state_id = 'CA'" if options.quick else "")
    bounds = SCHEME.evidence.methods.model_copy(update={
        "sample": len(keys), "draws": draws, "criteria": ("margin", "order_lines", "variability"),
        "names": (*SCHEME.evidence.methods.names, "hadi_vencheh"),
    })  # fmt: skip
    rule = SCHEME.evidence.model_copy(update={"draws": draws, "methods": bounds})
    items, ratio = assortment(keys, months, draws)
    given = candidates(keys, months, ratio, draws)
    cuts = {str(name): cut for name, cut in SCHEME.value.cuts.items()}
    cv_cuts = {str(name): cut for name, cut in SCHEME.variability.cuts.items()}
    report = criteria_report(
        given, items, rule=rule, cuts=cuts, cv_cuts=cv_cuts, in_use=(SCHEME.value.basis, "variability")
    )
    methods = method_rows(
        given, items, rule=rule, cuts=cuts, basis=SCHEME.value.basis, rng=np.random.default_rng(rule.seed)
    )
    judged = time.perf_counter() - began
    text = document(report, methods, "M5 (no release)")
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text)
    seen = [one for one in given if one.name in ("revenue", "order_lines", "variability")]
    values, names = np.column_stack([one.value for one in seen]), [one.name for one in seen]
    whole = np.isfinite(values).all(axis=1)
    rows: list[dict[str, object]] = []
    for number, state in enumerate(sorted(keys["state"].unique())):
        rows += clusters_of(state, values[whole & (items.ranking == number)], names, options.quick)
    print(f"{len(keys):,} items in {keys['state'].nunique()} states; report {judged:.1f} s")
    print(f"{'state':<7}{'method':<8}{'clusters':>9}{'silhouette':>12}{'ARI':>8}{'told':>8}{'conditions':>12}  reason")
    for row in rows:
        print(
            f"{row['state']:<7}{row['method']:<8}{row['clusters']:>9}{row['silhouette']:>12}{row['bootstrap_ari']:>8}"
            f"{row['share_explained']:>8}{row['conditions']:>12}  {row['reason']}"
        )
    for row in rows:
        print(f"{row['state']} {row['method']}: {'; '.join(row.pop('words'))}")  # type: ignore[arg-type]
    best, cost = methods[methods["is_recommended"]]["method"].tolist(), methods.set_index("method")["cost_year"]
    used = f"share_{SCHEME.value.basis}"
    result = {
        "benchmark": "method_selection", "items": len(keys), "seconds": round(judged, 2), "recommended": best,
        "baseline": used, "ratio": round(float(cost[used] / cost.min()), 3),
        "criterion": report[report["is_recommended"]]["criterion"].tolist(),
        "kmeans_told": min(float(str(row["share_explained"])) for row in rows if row["method"] == "kmeans"),
        "kmeans_ari": min(float(str(row["bootstrap_ari"])) for row in rows if row["method"] == "kmeans"),
        "clusters": [{name: value for name, value in row.items() if name != "reason"} for row in rows],
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
