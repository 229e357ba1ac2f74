"""Seconds for the policies of a million item-locations, against a loop that solves them one by one with scipy.

Run `python benchmarks/policies.py` (`--quick`: 100,000 rows). The last line is JSON.
Baseline: a loop over rows with the closed forms over scipy.stats, the lot averaged numerically and the root found by
scipy.optimize.brentq (halving for counts), on a subsample scaled to all rows. It solves the same equation another
way, so the reorder points of the two are compared as well.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from strata.inventory.policy import policies, span_variance  # noqa: E402
from strata.partition import Partition  # noqa: E402
from strata.scheme.load import load_scheme  # noqa: E402
from strata.scheme.model import Scheme  # noqa: E402

SEED = 20170503
FULL, QUICK, SAMPLE = 1_000_000, 100_000, 400
TARGET_SECONDS = 10.0


def company(count: int, rng: np.random.Generator) -> pd.DataFrame:
    """Item-locations with the mix of a retailer: two thirds intermittent, lumpy or hardly sold."""
    mix = {"smooth": 0.18, "erratic": 0.12, "intermittent": 0.40, "lumpy": 0.20, "none": 0.10}
    classes = rng.choice(list(mix), count, p=list(mix.values()))
    steady = np.isin(classes, ["smooth", "erratic"])
    mean = np.exp(rng.normal(np.where(steady, 3.0, -0.7), 1.1))
    spread = np.where(classes == "smooth", rng.uniform(0.15, 0.6, count), rng.uniform(0.7, 2.0, count))
    count_sd = np.sqrt(mean * rng.uniform(0.9, 6.0, count))
    cells = [value + variability for value in "ABC" for variability in "XYZ"]
    return pd.DataFrame(
        {
            "sku_id": np.char.add("sku", np.arange(count).astype(str)).astype(object),
            "location_id": rng.choice(["DC1", "DC2", "DC3"], count).astype(object),
            "segment": rng.choice(cells, count).astype(object),
            "demand_class": classes.astype(object),
            "lifecycle_state": "mature",
            "unit_cost": np.exp(rng.normal(2.0, 1.2, count)),
            "min_order_quantity": np.where(rng.random(count) < 0.3, rng.integers(1, 50, count), np.nan),
            "order_multiple": np.where(rng.random(count) < 0.5, rng.choice([1, 6, 12, 24], count), np.nan),
            "mean_units": mean,
            "error_sd_units": np.where(steady, mean * spread, count_sd),
            "lead_time_mean_days": rng.uniform(2, 60, count),
            "lead_time_sd_days": rng.uniform(0, 12, count),
            "lead_time_level": "lane",
        }
    )


def shortage(kind: str, mean: float, variance: float, y: np.ndarray) -> np.ndarray:
    """E[(X - y)+] by the closed forms over scipy.stats, for one row at the positions `y`."""
    from scipy import stats

    if kind == "normal":
        sd = np.sqrt(variance)
        return sd * stats.norm.pdf((y - mean) / sd) - (y - mean) * stats.norm.sf((y - mean) / sd)
    if kind == "gamma":
        shape, scale = mean**2 / variance, variance / mean
        return mean * stats.gamma.sf(y, shape + 1, scale=scale) - y * stats.gamma.sf(y, shape, scale=scale)
    if variance <= mean:
        return mean * stats.poisson.sf(y - 1, mean) - y * stats.poisson.sf(y, mean)
    size, p = mean**2 / (variance - mean), mean / variance
    return mean * stats.nbinom.sf(y - 1, size + 1, p) - y * stats.nbinom.sf(y, size, p)


def one_by_one(row: pd.Series, target: float, review: float, kind: str, lot: float) -> float:
    """Reorder point of one row by root finding on the same service, averaged over positions by summing or Gauss."""
    from scipy import optimize

    lead, span = row["lead_time_mean_days"] / 7, (row["lead_time_mean_days"] + review) / 7
    mean, sd, spread = row["mean_units"], row["error_sd_units"], row["lead_time_sd_days"] / 7
    variance = float(span_variance(mean, sd, span, spread))
    before = float(span_variance(mean, sd, lead, spread)) if kind == "normal" else variance * lead / span
    nodes, weights = np.polynomial.legendre.leggauss(48)
    whole = kind == "negative_binomial"

    def excess(s: float) -> float:
        at = np.arange(s + 1, s + lot + 1) if whole else s + lot * (nodes + 1) / 2
        missed = shortage(kind, mean * span, variance, at) - shortage(kind, mean * lead, before, at)
        average = missed.mean() if whole else (weights * missed).sum() / 2
        return float(1 - average / (mean * (span - lead)) - target)

    if excess(0.0) >= 0:
        return 0.0
    low, high = 0.0, 1.0
    while excess(high) < 0:
        low, high = high, high * 2
    if not whole:
        return float(optimize.brentq(excess, low, high, xtol=1e-9 * high))
    while high - low > 1:
        middle = float(np.floor((low + high) / 2))
        low, high = (low, middle) if excess(middle) >= 0 else (middle, high)
    return high


def baseline(keys: pd.DataFrame, found: pd.DataFrame, scheme: Scheme) -> tuple[float, float]:
    """Seconds per row of the loop, and the largest relative difference of reorder points."""
    start, worst = time.perf_counter(), 0.0
    for i in range(len(keys)):
        row, policy = keys.iloc[i], scheme.policies[keys["segment"].iloc[i]]
        kind = scheme.inventory.distributions[row["demand_class"]]
        lot = float(found["order_quantity_units"].iloc[i])
        point = one_by_one(row, float(policy.service_target or 0), float(policy.review_days or 0), kind, lot)
        scale = max(1.0, float(found["protection_sd_units"].iloc[i]))
        worst = max(worst, abs(point - float(found["reorder_point_units"].iloc[i])) / scale)
    return (time.perf_counter() - start) / len(keys), worst


def main() -> None:
    """Print the figures, the last line as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} rows instead of {FULL}")
    count = QUICK if parser.parse_args().quick else FULL
    scheme = load_scheme(ROOT / "config" / "schemes" / "2017.1.yml").scheme
    partition = Partition("EAST", "2017-05")
    keys = company(count, np.random.default_rng(SEED))
    policies(keys.head(1000), scheme=scheme, partition=partition, bucket="week")
    start, start_cpu = time.perf_counter(), time.process_time()
    found = policies(keys, scheme=scheme, partition=partition, bucket="week")
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    met = (found["expected_fill_rate"] >= found["service_target"] - 1e-9).mean()
    per_row, difference = baseline(keys.head(SAMPLE), found.head(SAMPLE), scheme)
    print(f"{count} item-locations in {seconds:.2f} s; loop {per_row * count:.0f} s scaled from {SAMPLE} rows")
    report = {
        "benchmark": "policies",
        "rows": count,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
        "seconds_per_million": round(seconds * 1e6 / count, 3),
        "target_seconds_per_million": TARGET_SECONDS,
        "target_met_share": float(met),
        "baseline": "per-row scipy.stats closed forms and brentq loop",
        "baseline_seconds_scaled": round(per_row * count, 1),
        "ratio": round(per_row * count / seconds, 1),
        "largest_difference_sd": round(difference, 6),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
