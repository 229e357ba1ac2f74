"""Churn of Walmart's 30,490 item-stores, month by month, with and without control, by items and by revenue.

Run `python benchmarks/churn_m5.py [--quick] [--picture FILE]` from the project root, with the M5 data (monthly sales
and prices) in `../shared/data/m5`; without them it says so and ends. Months 2011-02 to 2016-03, ranked per state; the
last 24 cut-offs (quick: 6, California only) are decided again under each control. There is no known truth: `wrong` is
the share of revenue in another segment than the one that hindsight gives (`strata.review.tuning`).
"""

import argparse
import json
import time
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from strata.calendar import Periods, next_period
from strata.partition import Partition
from strata.review.staleness import History
from strata.review.tuning import frontier_picture, tuning
from strata.scheme.load import load_scheme
from strata.scheme.model import Hysteresis, Scheme

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "m5"
SCHEME = load_scheme(Path(__file__).resolve().parents[1] / "config/schemes/2017.1.yml").scheme
FIRST, LAST = date(2011, 2, 1), date(2016, 3, 1)
WHY = "a control of the benchmark, not of a company"
SALES = """
with price as (
    select store_id, item_id, date_trunc('month', date::date)::date as month, avg(sell_price) as price
    from '{0}/sell_prices.parquet' inner join '{0}/calendar.parquet' using (wm_yr_wk)
    group by all
)
select s.item_id || '_' || s.store_id as sku_id, s.state_id as location_id, s.date as month,
    s.sales::double as units, s.sales * coalesce(p.price, 0) as value
from '{0}/monthly_sales/*.parquet' as s
left join price as p on s.store_id = p.store_id and s.item_id = p.item_id and s.date = p.month
where s.date between date '{1}' and date '{2}' {3}
order by all
"""


def history(quick: bool) -> History:
    """All item-stores by month; before its first sale an item-store is not launched."""
    only = "and s.state_id = 'CA'" if quick else ""
    rows = duckdb.sql(SALES.format(SHARED, FIRST, LAST, only)).df()
    count = (LAST.year - FIRST.year) * 12 + LAST.month - FIRST.month + 1
    keys = rows[["sku_id", "location_id"]].drop_duplicates().sort_values(["location_id", "sku_id"], ignore_index=True)
    months = pd.to_datetime(rows["month"])
    at = pd.MultiIndex.from_frame(keys).get_indexer(pd.MultiIndex.from_frame(rows[["sku_id", "location_id"]]))
    cell = at, ((months.dt.year - FIRST.year) * 12 + months.dt.month - FIRST.month).to_numpy()
    units, value = np.zeros((len(keys), count)), np.zeros((len(keys), count))
    units[cell], value[cell] = rows["units"], rows["value"]
    launch = np.where((units > 0).any(axis=1), (units > 0).argmax(axis=1), count).astype(np.int64)
    starts = tuple(next_period(FIRST, "month", index) for index in range(count))
    return History(keys, units, np.zeros(units.shape, dtype=bool), value, launch, Periods("month", starts))


def candidates() -> dict[str, Scheme]:
    """Uncontrolled, fixed bands, and the shipped scheme with other bounds."""
    off = Hysteresis(value_band=0.0, variability_band=0.0, rationale=WHY)
    band = Hysteresis(value_band=0.02, variability_band=0.20, rationale=WHY)
    raw = {"level": None, "variability": SCHEME.variability.model_copy(update={"basis": "cv"})}
    found = {
        "none, 12 months": SCHEME.model_copy(update=raw | {"hysteresis": off}),
        "band 20 %": SCHEME.model_copy(update=raw | {"hysteresis": band}),
        "band + 2": SCHEME.model_copy(update=raw | {"hysteresis": band.model_copy(update={"confirmations": 2})}),
        "level alone": SCHEME.model_copy(update={"hysteresis": off}),
    }
    for posterior in (0.6, 0.75, 0.9):
        for runs in (1, 2, 3):
            rule = SCHEME.hysteresis.model_copy(update={"posterior": posterior, "confirmations": runs})
            name = f"posterior {posterior}, {runs} runs"
            if rule == SCHEME.hysteresis:
                name = "shipped scheme"
            found[name] = SCHEME.model_copy(update={"hysteresis": rule})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="California, 6 cut-offs")
    parser.add_argument("--picture", type=Path, help="where to draw the frontier (SVG)")
    options = parser.parse_args()
    if not SHARED.is_dir():
        print("the M5 data are not here (../shared/data/m5): nothing is measured")
        print(json.dumps({"benchmark": "churn_m5", "skipped": True}))
        return
    began = time.perf_counter()
    past = history(options.quick)
    count = past.units.shape[1]
    stops = list(range(count - (6 if options.quick else 24) + 1, count + 1))
    table = tuning(
        past, stops, candidates(), chosen="shipped scheme", partition=Partition("US", "2016-04"),
        cutoff=datetime(2016, 4, 1, tzinfo=UTC),
    )  # fmt: skip
    print(f"{len(past.keys):,} item-stores, {len(stops)} cut-offs, {time.perf_counter() - began:.0f} s")
    print(f"{'control':<26}{'churn':>9}{'by value':>10}{'noise':>9}{'lag':>7}{'wrong':>8}{'by value':>10}")
    for row in table.to_dict("records"):
        print(
            f"{row['candidate']:<26}{row['churn']:>9.2%}{row['churn_value']:>10.2%}{row['noise_churn']:>9.2%}"
            f"{row['lag_cycles']:>7.1f}{row['wrong_share']:>8.1%}{row['wrong_value_share']:>10.1%}"
            f"{' *' if row['is_frontier'] else ''}"
        )
    if options.picture:
        options.picture.write_text(frontier_picture(table, title="M5: noise churn against lag"), encoding="utf-8")
    by = table.set_index("candidate")["churn_value"]
    ratio = by["none, 12 months"] / by["shipped scheme"]
    line = {"benchmark": "churn_m5", "item_stores": len(past.keys), "runs": len(stops) - 1, "ratio": round(ratio, 2)}
    print(json.dumps(line | {"churn": table.set_index("candidate")["churn"].round(4).to_dict()}))


if __name__ == "__main__":
    main()
