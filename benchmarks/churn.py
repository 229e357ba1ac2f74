"""What churn control costs and gains on demand whose truth is known.

Run `python benchmarks/churn.py [--quick]` from the project root: 100,000 items (quick: 4,000), 48 months, 24 monthly
runs. It prints the process, uncontrolled and controlled runs on stationary demand, how fast a fourfold rise or fall of
every tenth item is followed, the frontier of noise churn against lag (drawn in `--picture FILE`), and one JSON line.

The process (`Company`). Mean units per month: log-normal, median exp(3.0), sigma 1.5. Demand: negative binomial with
size k, variance m + m^2/k; k = 0.5, 2 or 8 with probability 0.3, 0.4, 0.3, each times a log-normal factor of sigma
0.5. Price: log-normal, median exp(2), sigma 1. True CV = sqrt(1/m + 1/k). Cuts 80/95 % of value and CV 0.5/1.0. In the
moving company every tenth item sells four times as much, or a fourth, from month 31 on.

Runs are at the ends of months 24 to 47. Noise churn = share of the items that did not shift whose cell differs from
that of the run before; agreement = share of them in the cell of true mean x price and true CV (after the shift, of
those after it). Lag = runs from the first that saw a shifted month until the true value class after the shift is held;
counted are shifted items that stood in their true class before, and whose true class changed.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from strata.classify.control import Memory, weigh
from strata.classify.posterior import above_cuts, below_values
from strata.classify.value import value_classes
from strata.demand.level import levels
from strata.demand.shift import level_shift
from strata.review.tuning import CHURN, LAG, frontier_picture, on_frontier
from strata.scheme.load import load_scheme
from strata.scheme.model import Hysteresis, Level, Shift

SCHEME = load_scheme(Path(__file__).resolve().parents[1] / "config/schemes/2017.1.yml").scheme
MONTHS, FIRST, RUNS, SHIFT_AT = 48, 24, 24, 30
VALUE_CUTS = (SCHEME.value.cuts["A"], SCHEME.value.cuts["B"])
CV_CUTS = (SCHEME.variability.cuts["X"], SCHEME.variability.cuts["Y"])
WHY = "a control of the benchmark, not of a company"
assert SCHEME.level is not None


class Company:
    """Items with known mean, CV and price, and their demand per month."""

    def __init__(self, items: int, seed: int, *, moving: bool) -> None:
        rng = np.random.default_rng(seed)
        self.mean, self.price = rng.lognormal(3.0, 1.5, items), rng.lognormal(2.0, 1.0, items)
        size = rng.choice([0.5, 2.0, 8.0], items, p=[0.3, 0.4, 0.3]) * rng.lognormal(0.0, 0.5, items)
        self.shifted = rng.random(items) < (0.1 if moving else 0.0)
        factor = np.where(self.shifted, np.where(rng.random(items) < 0.5, 4.0, 0.25), 1.0)
        self.later = self.mean * factor
        level = np.where(np.arange(MONTHS)[None, :] < SHIFT_AT, self.mean[:, None], self.later[:, None])
        self.units = rng.poisson(rng.gamma(size[:, None], level / size[:, None])).astype(float)
        self.sku_id = np.array([f"S{number:06d}" for number in range(items)], dtype=object)
        self.size = size

    def cell(self, mean: np.ndarray) -> np.ndarray:
        """True value and variability class at a mean, items x 2."""
        value, _, _ = self.ranked(mean)
        return np.column_stack([value, np.searchsorted(CV_CUTS, np.sqrt(1 / mean + 1 / self.size))])

    def ranked(self, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value class, share before, and the least value above each cut."""
        value = mean * self.price
        found = value_classes(value, self.sku_id, cuts=SCHEME.value.cuts)
        code = np.full(len(value), 2)
        for position, name in enumerate("AB"):
            code[found.value_class == name] = position
        code[found.value_class == "U"] = -1
        bounds = [value[found.share_before < cut].min() for cut in VALUE_CUTS]
        return code, found.share_before, np.array(bounds)


@dataclass(frozen=True)
class Control:
    """What one line of the table does: a window or a level, how CV is taken, which controls, which bypass."""

    name: str
    rule: Hysteresis
    window: int = 12
    level: Level | None = None
    bypass: Shift | None = None


def off(**change: object) -> Hysteresis:
    """No control but those named."""
    return Hysteresis(**({"value_band": 0.0, "variability_band": 0.0, "rationale": WHY} | change))  # type: ignore[arg-type]


BANDS = {"value_band": 0.02, "variability_band": 0.20}
OLD_SHIFT = Shift(recent_periods=4, z=3.5, ratio=2.0, rationale=WHY)
CONTROLS = (
    Control("none, 12 months", off()),
    Control("none, 24 months", off(), 24),
    Control("2 confirmations", off(confirmations=2)),
    Control("band 20 %", off(**BANDS)),
    Control("band + 2 confirmations", off(**BANDS, confirmations=2)),
    Control("24 months, band + 2", off(**BANDS, confirmations=2), 24),
    Control("12 months, band + 2, old bypass", off(**BANDS, confirmations=2), 12, None, OLD_SHIFT),
    Control("posterior 0.9, 24 months", off(posterior=0.9), 24),
    Control("level alone", off(), 36, SCHEME.level),
    Control("shipped, no bypass", SCHEME.hysteresis.model_copy(update={"bypass_posterior": 0.999}), 36, SCHEME.level),
    Control("shipped scheme", SCHEME.hysteresis, 36, SCHEME.level),
)


def measures(company: Company, control: Control) -> Iterator[dict[str, np.ndarray]]:
    """Per run what the classes rest on: mean, periods behind it, CV, periods behind that, and true shifts."""
    for end in range(FIRST, FIRST + RUNS):
        length = control.level.window_periods if control.level else control.window
        seen = company.units[:, max(0, end - length) : end]
        everything = np.ones(seen.shape, dtype=bool)
        if control.level:
            found = levels(seen, everything, rule=control.level)
            yield {
                "mean": found.units_period, "periods": found.periods.astype(float), "cv": found.cv,
                "cv_periods": found.cv_periods.astype(float), "is_shift": found.is_recent, "alarm": found.is_shift,
            }  # fmt: skip
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            cv = seen.std(axis=1, ddof=1) / seen.mean(axis=1)
        shift = np.zeros(len(seen), dtype=bool)
        if control.bypass:
            recent = company.units[:, end - 16 : end]
            shift = level_shift(recent, np.ones(recent.shape, dtype=bool), shift=control.bypass).is_shift
        count = np.full(len(seen), float(seen.shape[1]))
        yield {
            "mean": seen.mean(axis=1), "periods": count, "cv": cv, "cv_periods": count, "is_shift": shift,
            "alarm": shift,
        }  # fmt: skip


def cells(company: Company, control: Control, taken: list[dict[str, np.ndarray]] | None = None) -> np.ndarray:
    """Value and variability class per run, runs x items x 2."""
    items = len(company.mean)
    memory = [Memory.none(items), Memory.none(items)]
    history = []
    for now in taken if taken is not None else measures(company, control):
        value, share, bounds = company.ranked(np.nan_to_num(now["mean"]))
        cv = now["cv"]
        proposed = np.where(np.isfinite(cv), np.searchsorted(CV_CUTS, np.nan_to_num(cv)), -1)
        below = below_values(now["mean"] * company.price, np.tile(bounds, (items, 1)), cv, now["periods"])
        above = above_cuts(cv, now["cv_periods"], cuts=CV_CUTS, is_sharp=control.level is not None)
        axes = (
            (value, share, VALUE_CUTS, np.full(2, control.rule.value_band), below),
            (proposed, cv, CV_CUTS, control.rule.variability_band * np.array(CV_CUTS), above),
        )
        memory = [
            weigh(code.astype(np.int8), metric, before, cuts=cuts, band=band, beyond=beyond,
                  is_shift=now["is_shift"], rule=control.rule).memory
            for before, (code, metric, cuts, band, beyond) in zip(memory, axes, strict=True)
        ]  # fmt: skip
        history.append(np.column_stack([axis.held for axis in memory]))
    return np.array(history)


def figures(still: np.ndarray, moving: np.ndarray, companies: tuple[Company, Company]) -> dict[str, float]:
    """Churn and agreement on stationary demand; noise churn, lag and share followed within 4 runs on the moving one."""
    quiet, busy = companies
    right = np.all(still == quiet.cell(quiet.mean)[None], axis=2).mean()
    old, new = busy.cell(busy.mean)[:, 0], busy.cell(busy.later)[:, 0]
    unmoved = ~busy.shifted
    at = SHIFT_AT - FIRST  # the last run before the shift
    judged = busy.shifted & (old != new) & (moving[at, :, 0] == old)
    reached = moving[at + 1 :, judged, 0] == new[judged][None]
    lag = np.where(reached.any(axis=0), reached.argmax(axis=0) + 1, RUNS)
    whole, target = moving[at + 1 :], busy.cell(busy.later)
    stood = busy.shifted & (old != new) & np.all(moving[at] == busy.cell(busy.mean), axis=1)
    there = np.all(whole[:, stood] == target[stood][None], axis=2)
    cell_lag = np.where(there.any(axis=0), there.argmax(axis=0) + 1, RUNS)
    return {
        "churn": float(np.mean([np.any(a != b, axis=1).mean() for a, b in pairwise(still)])),
        "agreement": float(right),
        "noise_churn_moving": float(np.mean([np.any(a != b, axis=1)[unmoved].mean() for a, b in pairwise(moving)])),
        "lag": float(np.median(lag)),
        "mean_lag": float(np.mean(lag)),
        "within_4": float(np.mean(lag <= 4)),
        "cell_lag": float(np.median(cell_lag)),
        "judged": int(judged.sum()),
    }


def frontier(companies: tuple[Company, Company]) -> pd.DataFrame:
    """Noise churn and mean lag of the shipped controls with other bounds, and of the plain ones, as candidates."""
    found = []

    def judge(name: str, of: Control, taken: list[list[dict[str, np.ndarray]]]) -> None:
        one = figures(*(cells(c, of, t) for c, t in zip(companies, taken, strict=True)), companies)
        found.append({"candidate": name, "is_chosen": of.rule == SCHEME.hysteresis and of.level == SCHEME.level} | one)

    assert SCHEME.level is not None
    for z in sorted({2.4, 2.7, SCHEME.level.z, 3.3, 3.6, 4.0}):
        base = Control("", SCHEME.hysteresis, 36, SCHEME.level.model_copy(update={"z": z}))
        taken = [list(measures(company, base)) for company in companies]
        for posterior, runs in ((0.6, 1), (0.75, 1), (0.75, 2), (0.9, 1), (0.9, 2)):
            rule = SCHEME.hysteresis.model_copy(update={"posterior": posterior, "confirmations": runs})
            chosen = rule == SCHEME.hysteresis and base.level == SCHEME.level
            name = "shipped scheme" if chosen else f"z {z}, posterior {posterior}, {runs} runs"
            judge(name, replace(base, rule=rule), taken)
    for control in CONTROLS[:6]:
        judge(control.name, control, [list(measures(company, control)) for company in companies])
    table = pd.DataFrame(found).rename(columns={"noise_churn_moving": CHURN, "mean_lag": LAG})
    return table.assign(is_frontier=on_frontier(table[CHURN].to_numpy(), table[LAG].to_numpy()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="4,000 items instead of 100,000")
    parser.add_argument("--picture", type=Path, help="where to draw the frontier (SVG)")
    options = parser.parse_args()
    items = 4_000 if options.quick else 100_000
    companies = (Company(items, 2026, moving=False), Company(items, 2027, moving=True))
    print(f"{items:,} items, {MONTHS} months, {RUNS} runs; process in the docstring of benchmarks/churn.py")
    print(f"{'control':<34}{'churn':>8}{'agree':>8}{'moving':>8}{'lag':>6}{'mean':>6}{'<= 4':>6}{'cell':>6}")
    result = {}
    for control in CONTROLS:
        one = figures(*(cells(company, control) for company in companies), companies)
        result[control.name] = one
        print(
            f"{control.name:<34}{one['churn']:>8.2%}{one['agreement']:>8.1%}{one['noise_churn_moving']:>8.2%}"
            f"{one['lag']:>6.1f}{one['mean_lag']:>6.1f}{one['within_4']:>6.0%}{one['cell_lag']:>6.1f}",
            flush=True,
        )
    line = {name: {key: round(value, 4) for key, value in one.items()} for name, one in result.items()}
    table = frontier(
        companies if options.quick else (Company(20_000, 5, moving=False), Company(20_000, 6, moving=True))
    )
    print(f"\n{'frontier (noise churn, mean and median lag)':<44}")
    for row in table[table["is_frontier"] | table["is_chosen"]].sort_values(LAG).to_dict("records"):
        mark = " <- in force" if row["is_chosen"] else ""
        print(
            f"{row['candidate']:<34}{row[CHURN]:>8.2%}{row[LAG]:>8.1f}{row['lag']:>6.1f}{row['agreement']:>8.1%}{mark}"
        )
    if options.picture:
        title = "Noise churn against lag after a true shift"
        options.picture.write_text(frontier_picture(table, title=title), encoding="utf-8")
    ratio = result["none, 12 months"]["churn"] / result["shipped scheme"]["churn"]
    print(json.dumps({"benchmark": "churn", "items": items, "controls": line, "ratio": round(ratio, 2)}))


if __name__ == "__main__":
    main()
