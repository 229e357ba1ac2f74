"""Seconds per cycle to rank, hold, override and name the segments of a million items under the shipped controls.

Run `python benchmarks/hysteresis.py [--quick]` from the project root: 1,000,000 items (quick: 100,000), the second
cycle, so that memory is read and carried, all controls on (a budget beside the shipped ones), three rules in force.
Prints seconds per step and, last, one JSON line; `ratio` = budget of 3 s per million items / measured. Churn itself:
benchmarks/churn.py.
"""

import argparse
import json
import resource
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from strata.classify.assign import assign
from strata.classify.rules import resolve
from strata.demand.level import level_measures
from strata.partition import Partition
from strata.scheme.load import load_scheme
from strata.scheme.model import ChurnBudget
from strata.scheme.rules import Rule
from strata.tables import SEGMENT_ASSIGNMENT

BUDGET_SECONDS = 3.0
MONTHS = 36
SHIPPED = load_scheme(Path(__file__).resolve().parents[1] / "config/schemes/2017.1.yml").scheme
assert SHIPPED.level is not None
SCHEME = SHIPPED.model_copy(
    update={
        "hysteresis": SHIPPED.hysteresis.model_copy(
            update={
                "dwell_cycles": 3,
                "budget": ChurnBudget(max_share=0.01, of="items", rationale="a budget that binds, for its time"),
            }
        )
    }
)

PICKED: tuple[tuple[str, dict[str, object], dict[str, object]], ...] = (
    ("floor", {"column": "sku_id", "starts_with": "S0001"}, {"value_class": {"at_least": "B"}}),
    (
        "cap",
        {"all": [{"column": "revenue", "lt": 500}, {"column": "cv", "ge": 0.6}]},
        {"value_class": {"at_most": "B"}},
    ),
    ("steady", {"not": {"column": "lifecycle_state", "eq": "mature"}}, {"variability_class": {"set": "X"}}),
)
RULES = [
    Rule.model_validate(
        {
            "id": f"rule_{name}", "kind": "strategic", "when": when, "effect": effect, "priority": number,
            "owner": "benchmark", "reason": "time of the rules", "approved_by": "nobody else", "valid_from": "2026-01",
            "valid_until": "2026-12", "rationale": "three rules of the usual kinds, for their time",
        }
    )
    for number, (name, when, effect) in enumerate(PICKED, start=1)
]  # fmt: skip


def profile_rows(items: int, end: int, units: np.ndarray) -> tuple[pd.DataFrame, float]:
    """Rows of `demand_profile` at the end of a month, and the seconds that the levels took."""
    rng = np.random.default_rng(2)
    price = rng.lognormal(2.0, 1.0, items)
    seen = units[:, end - MONTHS : end]
    start = time.perf_counter()
    rows = level_measures(seen, np.ones(seen.shape, dtype=bool), rule=SCHEME.level)
    seconds = time.perf_counter() - start
    value = rows["level_units_period"] * price * 12
    return rows.assign(
        sku_id=np.char.add("S", np.char.zfill(np.arange(items).astype(str), 7)).astype(object), location_id="*",
        region="EMEA",
        demand_class="smooth", lifecycle_state="mature", revenue=value, margin=value / 3, level_value=value,
        cv=rows["cv_level"], cv_deseasonalised=np.nan, periods_observed=MONTHS, fallback_level="own",
        fallback_reason=None, confidence=1.0, fallback_valid_until_cycle=None, expected_cv=np.nan,
        expected_value=np.nan,
    ), seconds  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="100,000 items instead of a million")
    items = 100_000 if parser.parse_args().quick else 1_000_000
    rng = np.random.default_rng(1)
    mean, size = rng.lognormal(3.0, 1.5, (items, 1)), rng.choice([0.5, 2.0, 8.0], (items, 1))
    units = rng.poisson(rng.gamma(size, mean / size, (items, MONTHS + 2))).astype(float)
    none = pd.DataFrame(columns=["override_id", "sku_id", "location_id", "value_class", "variability_class"])
    previous, frame, timed = None, None, []
    for month, cycle in enumerate(("2026-01", "2026-02", "2026-03")):
        rows, levels_seconds = profile_rows(items, MONTHS + month, units)
        start = time.perf_counter()
        bounds = resolve(rows, none, RULES, cycle=cycle).bounds
        rules_seconds = time.perf_counter() - start
        frame = assign(
            rows, previous, bounds, scheme=SCHEME, partition=Partition("EMEA", cycle),
            cutoff=datetime(2026, 1 + month, 3, tzinfo=UTC),
        )  # fmt: skip
        timed.append(time.perf_counter() - start)
        start = time.perf_counter()
        table = SEGMENT_ASSIGNMENT.conform(frame)
        conform_seconds = time.perf_counter() - start
        previous = table.to_pandas(date_as_object=True)
    assert frame is not None
    reasons = frame["decision_reason"].str.extract(r"value:(\w+)")[0].value_counts()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{'step':<48}{'seconds':>10}")
    print(f"{'rules, rank, controls, segments, reasons':<48}{timed[-1]:>10.2f}")
    print(f"{f'  of it rules: {len(bounds):,} items bounded':<48}{rules_seconds:>10.2f}")
    print(f"{'first cycle, nothing before':<48}{timed[0]:>10.2f}")
    print(f"{'into the declared table':<48}{conform_seconds:>10.2f}")
    print(f"{'levels of 36 months (part of the profile)':<48}{levels_seconds:>10.2f}")
    print(f"peak {peak:.1f} GiB; value reasons: {reasons.to_dict()}")
    result = {
        "benchmark": "hysteresis", "items": items, "seconds": round(timed[-1], 3),
        "rules_seconds": round(rules_seconds, 3), "conform_seconds": round(conform_seconds, 3),
        "levels_seconds": round(levels_seconds, 3),
        "ratio": round(BUDGET_SECONDS * items / 1e6 / timed[-1], 2),
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
