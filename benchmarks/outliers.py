"""Planted spikes found and demands wrongly taken for outliers, by pattern of demand, against a filter of three sigma.

Run `python benchmarks/outliers.py [--quick]` from the project root: weekly demand of the sample generator (16,000
series, quick: 2,400; 208 weeks) with planted spikes of 6 to 12 times the usual size. Recall = planted spikes found;
false = periods taken for outliers per 1,000 periods without a spike, of series without a shift of level. Prints a table
and, last, one JSON line; `ratio` = seconds of pandas' running median on the same matrix / seconds of the whole test.
"""

import argparse
import json
import time
from dataclasses import replace

import numpy as np
import pandas as pd

from strata.demand.intermittency import interval_and_size
from strata.demand.outliers import clean
from strata.sample import generator
from strata.scheme.outliers import Outliers

RULE = Outliers(
    window_periods=13, z=4.0, max_run=3, max_share=0.2, min_periods=13, min_seasons=3, least_cv=0.10, gap_tail=0.0001,
    rationale="A quarter of weeks; the bounds of docs/methods/outliers.md.",
)  # fmt: skip
ADI_CUT = 1.32
SIGMAS = 3.0
SEASON = 52


def planted(items: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Units and spikes [series, week], pattern and whether the level shifts [series]."""
    spec = replace(generator.resized(generator.SHIPPED, items), launch_share=0.0, end_share=0.0)
    truth = generator.item_truth(spec, seed=seed)
    chunks = list(generator.demand_chunks(spec, truth, seed=seed))
    units = np.concatenate([chunk.units for chunk in chunks]).astype(np.float64)
    spikes = np.concatenate([chunk.is_spike for chunk in chunks])
    names = np.array([pattern.name for pattern in spec.patterns])[truth.pattern]
    places = units.shape[1]
    return (
        units.reshape(-1, spec.weeks), spikes.reshape(-1, spec.weeks), np.repeat(names, places),
        np.repeat(truth.shift_week >= 0, places),
    )  # fmt: skip


def three_sigma(units: np.ndarray) -> np.ndarray:
    """What a filter on mean and standard deviation of all periods takes for an outlier."""
    mean, sd = units.mean(axis=1, keepdims=True), units.std(axis=1, ddof=1, keepdims=True)
    return np.asarray(np.abs(units - mean) > SIGMAS * sd)


def judged(found: np.ndarray, spikes: np.ndarray, of: np.ndarray, shifts: np.ndarray) -> tuple[float, float]:
    """Recall, and false alarms per 1,000 periods."""
    rows, calm = spikes[of], of & ~shifts
    recall = float(found[of][rows].mean()) if rows.any() else float("nan")
    return recall, 1000.0 * float(found[calm][~spikes[calm]].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="400 items instead of 2,700")
    units, spikes, names, shifts = planted(400 if parser.parse_args().quick else 2_700, seed=5)
    seen = np.ones(units.shape, dtype=bool)
    seldom = interval_and_size(units, seen).adi > ADI_CUT
    start = time.perf_counter()
    found = clean(units, seen, np.zeros_like(seen), seldom, rule=RULE, season=SEASON)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    pd.DataFrame(units.T).rolling(RULE.window_periods, center=True, min_periods=1).median()
    baseline = time.perf_counter() - start
    sigma = three_sigma(units)
    print(f"{'pattern':<14}{'spikes':>8}{'recall':>9}{'false':>8}{'3 sigma: recall':>18}{'false':>8}")
    result: dict[str, object] = {"benchmark": "outliers", "series": len(units), "weeks": units.shape[1]}
    for name in [*dict.fromkeys(names), "all"]:
        of = names == name if name != "all" else np.ones(len(names), dtype=bool)
        recall, false = judged(found.is_outlier, spikes, of, shifts)
        naive, wrong = judged(sigma, spikes, of, shifts)
        print(f"{name:<14}{spikes[of].sum():>8}{recall:>9.1%}{false:>8.2f}{naive:>18.1%}{wrong:>8.2f}")
        result |= {f"{name}_recall": round(recall, 3), f"{name}_false": round(false, 2)}
    lost = int(((found.baseline <= 0) & (units > 0))[seldom].sum())
    print(f"demands of intermittent series lost: {lost}; unusual gaps: {int(found.is_gap.sum())}; {seconds:.2f} s")
    result |= {"lost": lost, "seconds": round(seconds, 2), "ratio": round(baseline / seconds, 2)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
