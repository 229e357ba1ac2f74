"""Best and worst weights of all items by shared corners against one linear programme per item; exact natural breaks.

Run `python benchmarks/multicriteria.py [--quick]` from the project root. Prints a table and, last, one JSON line whose
`ratio` is baseline seconds / strata seconds for both programmes of the same number of items.

Baseline "linprog-per-item": scipy's `linprog` (HiGHS), one programme per item and side against all items, as the
papers write it; timed on a sample of items, scaled up by items, and compared with the scores.
"""

import argparse
import json
import time

import numpy as np

from strata.classify.breaks import natural_breaks
from strata.classify.envelope import best_scores, worst_scores

SAMPLE = 6


def company(items: int) -> np.ndarray:
    """Annual usage, unit cost, lead time in days: skewed, skewed, whole numbers."""
    rng = np.random.default_rng(47)
    return np.column_stack([rng.lognormal(6, 1.6, items), rng.lognormal(3, 1.0, items), rng.integers(1, 61, items)])


def programme(criteria: np.ndarray, item: int, *, best: bool) -> float:
    from scipy.optimize import linprog

    sign = 1.0 if best else -1.0
    solved = linprog(-sign * criteria[item], A_ub=sign * criteria, b_ub=np.full(len(criteria), sign))
    if solved.status:
        raise SystemExit(f"item {item}: {solved.message}")
    return float(-sign * solved.fun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="10,000 items instead of 100,000")
    items = 10_000 if parser.parse_args().quick else 100_000
    criteria = company(items)
    best_scores(criteria[:100])  # scipy's import is no part of the time
    start = time.perf_counter()
    scores = {True: best_scores(criteria), False: worst_scores(criteria)}
    own = time.perf_counter() - start
    chosen = np.random.default_rng(1).choice(items, SAMPLE, replace=False)
    start = time.perf_counter()
    solved = {best: [programme(criteria, int(item), best=best) for item in chosen] for best in scores}
    sampled = time.perf_counter() - start
    for best, found in solved.items():
        if not np.allclose(scores[best][chosen], found, rtol=1e-6):
            raise SystemExit(f"the two disagree: {scores[best][chosen]} and {found}")
    baseline = sampled * items / SAMPLE
    start = time.perf_counter()
    made = natural_breaks(criteria[:, 0], classes=3, log=True)
    breaks = time.perf_counter() - start
    print(f"{'code':<40}{'items':>10}{'seconds':>12}{'items/s':>14}")
    print(f"{'both programmes by shared corners':<40}{items:>10,}{own:>12.2f}{items / own:>14,.0f}")
    print(f"{'linprog-per-item (measured)':<40}{SAMPLE:>10,}{sampled:>12.2f}{SAMPLE / sampled:>14,.1f}")
    print(f"{'linprog-per-item (scaled)':<40}{items:>10,}{baseline:>12,.0f}{items / baseline:>14,.1f}")
    print(f"{'natural breaks, 3 classes, exact':<40}{items:>10,}{breaks:>12.2f}{items / breaks:>14,.0f}")
    result = {
        "benchmark": "multicriteria",
        "items": items,
        "criteria": criteria.shape[1],
        "strata_seconds": round(own, 3),
        "baseline": "linprog-per-item",
        "baseline_seconds": round(baseline, 1),
        "baseline_sample": SAMPLE,
        "breaks_seconds": round(breaks, 3),
        "breaks_fit": round(made.fit, 4),
        "ratio": round(baseline / own, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
