"""Seconds to class 100,000 items again on 200 draws under other samples, forecast errors and biases, by shipped rules.

Run `python benchmarks/stability.py [--quick]` from the project root: 100,000 items (quick: 10,000) of 36 months, every
tenth shifted, in one ranking. Baseline: the bootstrap alone as a loop over draws that picks the drawn months and calls
the methods of a cycle on them (`value_classes`, `variability_classes`), extrapolated from 5 draws, whose classes must
be equal. Prints seconds per step, peak memory and, last, one JSON line; `ratio` = baseline / bootstrap.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from strata.classify.sampling import (
    Sample,
    ahead,
    at_level,
    forecast_worth,
    period_counts,
    within_levels,
)
from strata.classify.stability import (
    SEGMENTS,
    Items,
    Stability,
    agreement_tables,
    axis_tables,
    biased,
    drawn_again,
    kappa,
)
from strata.classify.value import value_classes
from strata.classify.variability import variability_classes
from strata.demand.level import UNBIASED, UNSOLD_UNITS, level_value, levels, log_units
from strata.scheme.load import load_scheme

BUDGET_SECONDS = 60.0
MONTHS = 36
BASELINE_DRAWS = 5
SCHEME = load_scheme(Path(__file__).resolve().parents[1] / "config/schemes/2017.1.yml").scheme
RULE, LEVEL = SCHEME.stability, SCHEME.level
assert RULE is not None and LEVEL is not None
CUTS, CV_CUTS = dict(SCHEME.value.cuts), dict(SCHEME.variability.cuts)


def panel(items: int) -> tuple[np.ndarray, np.ndarray]:
    """Negative binomial demand of log-normal means and prices, every tenth item times or over four at some month."""
    rng = np.random.default_rng(1)
    mean, size = rng.lognormal(3.0, 1.5, (items, 1)), rng.choice([0.5, 2.0, 8.0], (items, 1))
    shift = np.where(rng.random((items, 1)) < 0.1, rng.choice([4.0, 0.25], (items, 1)), 1.0)
    mean = mean * np.where(np.arange(MONTHS) >= rng.integers(6, MONTHS - 3, (items, 1)), shift, 1.0)
    units = rng.poisson(rng.gamma(size, mean / size)).astype(float)
    return units, rng.lognormal(2.0, 1.0, items)


def by_loop(
    units: np.ndarray, since: np.ndarray, before: np.ndarray, value: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Segments of every draw, draws x items, by the methods of a cycle on the months that were drawn."""
    names = np.char.zfill(np.arange(len(units)).astype(str), 7).astype(object)
    log = log_units(units, np.where(since | before, units, 0.0).sum(axis=1) / (since | before).sum(axis=1))
    now = np.where(since, units, 0.0).sum(axis=1)
    each = value / (np.where(now > 0, now, UNSOLD_UNITS) / since.sum(axis=1))
    found = []
    for draw in counts:
        month = np.repeat(np.arange(MONTHS), draw.astype(int))
        y, logs = units[:, month], log[:, month]
        spread, freedom = np.zeros(len(units)), np.zeros(len(units))
        for side in (since, before):
            here = side[:, month]
            count = here.sum(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                mean, level = ((part * here).sum(axis=1) / count for part in (y, logs))
                product = ((y - mean[:, None]) * (logs - level[:, None]) * here).sum(axis=1) / mean
                free = count - (side * draw**2).sum(axis=1) / count
            spread += np.where(mean > 0, np.maximum(product, 0.0), 0.0)
            freedom += np.where(mean > 0, free, 0.0)
            if side is since:
                total = np.where(here, y, 0.0).sum(axis=1)
                worth = each * np.where(total > 0, total, UNSOLD_UNITS) / np.where(count > 0, count, np.nan)
                says = np.nan_to_num(free) > 0.5
        with np.errstate(divide="ignore", invalid="ignore"):
            cv = np.where(freedom > 0.5, UNBIASED * np.sqrt(spread / freedom), np.nan)
        drawn = np.where(says, worth, value).round(4)
        classes = value_classes(drawn, names, cuts=CUTS).value_class
        steady = variability_classes(cv, np.full(len(units), MONTHS), variability=SCHEME.variability)
        found.append(np.where(says, np.char.add(classes, steady), ""))
    return np.array(found)


def timed(work: Callable[[], Stability]) -> tuple[float, Stability]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="10,000 items instead of 100,000")
    count = 10_000 if parser.parse_args().quick else 100_000
    units, price = panel(count)
    seen = np.ones(units.shape, dtype=bool)
    found = levels(units, seen, rule=LEVEL)
    since = np.arange(MONTHS)[None, :] >= MONTHS - found.periods[:, None]
    before = seen & ~since
    sold = units[:, -12:].sum(axis=1)
    value = level_value(sold * price, sold, found.units_period, periods=12)
    every = np.ones(count, dtype=bool)
    items = Items(value, found.cv, np.zeros(count, dtype=np.int64), is_ranked=every, is_drawn=every)
    rng = np.random.default_rng(RULE.seed)
    counts = period_counts(MONTHS, RULE.draws, block=RULE.block_periods, rng=rng)
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    def bootstrap() -> Stability:
        sample = Sample(at_level(value, units, since), within_levels(found.cv, units, since, before))
        return drawn_again(items, sample, counts, cuts=CUTS, cv_cuts=CV_CUTS)

    def forecast_error() -> Stability:
        made = ahead(units, since, alpha=RULE.benchmark_alpha, warm_up=RULE.warm_up_periods)
        none = np.zeros_like(made.judged)
        sample = Sample(
            forecast_worth(value, units, since, made), within_levels(found.cv, made.units, made.judged, none)
        )
        return drawn_again(items, sample, counts, cuts=CUTS, cv_cuts=CV_CUTS)

    def bias() -> Stability:
        family, steady = np.arange(count) % 50, np.zeros(count, dtype=np.int8)
        return biased(items, family, steady, draws=RULE.draws, bias=RULE.bias, cuts=CUTS, rng=rng)

    seconds: dict[str, float] = {}
    seconds["bootstrap"], drawn = timed(bootstrap)
    seconds["forecast_error"], _ = timed(forecast_error)
    seconds["bias"], _ = timed(bias)
    start = time.perf_counter()
    held = drawn.likeliest()[0].astype(np.int8)
    tables = agreement_tables(held, drawn.codes, classes=len(SEGMENTS))
    agreed = kappa(tables)[0]
    for axis in ("value", "variability"):
        kappa(axis_tables(tables, axis))
    seconds["kappa on three axes"] = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start = time.perf_counter()
    slow = by_loop(units, since, before, value, counts[:BASELINE_DRAWS])
    baseline = (time.perf_counter() - start) / BASELINE_DRAWS * RULE.draws
    names = np.array([*SEGMENTS, ""])
    assert (names[drawn.codes[:BASELINE_DRAWS]] == slow).all(), "the loop classes some item otherwise"
    total = sum(seconds.values())
    for name, one in {**seconds, "all": total}.items():
        print(f"{name:<48}{one:>10.2f} s")
    print(f"{'loop over draws, bootstrap alone, extrapolated':<48}{baseline:>10.2f} s")
    print(f"peak {peak:.2f} GiB, of which {idle:.2f} before the draws; kappa {np.nanmean(agreed):.3f}")
    result = {
        "benchmark": "stability", "items": count, "draws": RULE.draws, "seconds": round(total, 2),
        "bootstrap_seconds": round(seconds["bootstrap"], 2), "peak_gib": round(peak, 2),
        "baseline_seconds": round(baseline, 1), "ratio": round(baseline / seconds["bootstrap"], 2),
        "budget_seconds": BUDGET_SECONDS,
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
