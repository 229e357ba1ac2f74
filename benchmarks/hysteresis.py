"""What memory of classes costs and gains on demand whose truth is known.

Run `python benchmarks/hysteresis.py [--quick]` from the project root. 4,000 (quick: 1,000) negative binomial items,
ABC by 80/95 % and XYZ by CV 0.5/1.0, 12 monthly runs. Prints churn and agreement on stationary demand, then how fast
a fourfold rise or fall of every tenth item is followed (value axis), and last one JSON line.
"""

import argparse
import json
from itertools import pairwise
from pathlib import Path

import numpy as np

from strata.classify.hysteresis import hold_classes
from strata.classify.value import value_classes
from strata.classify.variability import variability_classes
from strata.demand.shift import level_shift
from strata.scheme.load import load_scheme

SCHEME = load_scheme(Path(__file__).resolve().parents[1] / "config/schemes/2017.1.yml").scheme
RUNS = 24
VALUE_CUTS = (SCHEME.value.cuts["A"], SCHEME.value.cuts["B"])
CV_CUTS = (SCHEME.variability.cuts["X"], SCHEME.variability.cuts["Y"])


class Company:
    """Items with known mean, CV and price, and their demand per month."""

    def __init__(self, items: int, months: int, shift_at: int | None) -> None:
        rng = np.random.default_rng(2026)
        self.mean, cv = rng.lognormal(3.5, 1.0, items), rng.uniform(0.3, 1.3, items)
        self.price = rng.lognormal(2.0, 1.0, items)
        size = self.mean**2 / np.maximum((cv * self.mean) ** 2 - self.mean, 0.01 * self.mean)
        self.cv = np.sqrt(1 / self.mean + 1 / size)
        self.shifted = np.zeros(items, dtype=bool)
        factor = np.ones((items, months))
        if shift_at is not None:
            self.shifted = rng.random(items) < 0.1
            self.factor = np.where(rng.random(items) < 0.5, 4.0, 0.25)
            factor[:, shift_at:] = np.where(self.shifted, self.factor, 1.0)[:, None]
            self.later = self.mean * np.where(self.shifted, self.factor, 1.0)
        level = self.mean[:, None] * factor
        self.units = rng.poisson(rng.gamma(size[:, None], level / size[:, None])).astype(float)
        self.sku_id = np.array([f"S{index:06d}" for index in range(items)], dtype=object)

    def value_class(self, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = value_classes(mean * self.price, self.sku_id, cuts=SCHEME.value.cuts)
        return found.value_class, found.share_before

    def variability_class(self, cv: np.ndarray) -> np.ndarray:
        return variability_classes(cv, np.full(len(cv), 12), variability=SCHEME.variability)


def cells(company: Company, *, window: int, first: int, banded: bool, bypass: bool) -> list[np.ndarray]:
    """Value and variability class per run, items x 2."""
    history, value, variability = [], None, None
    value_width, cv_width = (
        np.full(2, SCHEME.hysteresis.value_band * banded),
        SCHEME.hysteresis.variability_band * np.array(CV_CUTS) * banded,
    )
    for end in range(first, first + RUNS):
        seen = company.units[:, end - window : end]
        open_band = np.zeros(len(seen), dtype=bool)
        if bypass:
            open_band = level_shift(seen, np.ones(seen.shape, dtype=bool), shift=SCHEME.shift).is_shift
        widths = [np.where(open_band[:, None], 0.0, width[None, :]) for width in (value_width, cv_width)]
        proposed, share = company.value_class(seen.mean(axis=1))
        held = hold_classes(proposed, value, share, cuts=VALUE_CUTS, classes=("A", "B", "C"), band=widths[0]).held
        with np.errstate(divide="ignore", invalid="ignore"):
            cv = seen.std(axis=1, ddof=1) / seen.mean(axis=1)
        steady = hold_classes(
            company.variability_class(cv), variability, cv, cuts=CV_CUTS, classes=("X", "Y", "Z"), band=widths[1]
        ).held
        value, variability = held.astype(object), steady.astype(object)
        history.append(np.column_stack([held, steady]))
    return history


def churn(history: list[np.ndarray]) -> float:
    return float(np.mean([np.any(a != b, axis=1).mean() for a, b in pairwise(history)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1,000 items instead of 4,000")
    items = 1000 if parser.parse_args().quick else 4000
    controls = {
        "none, 12 months": {"window": 12, "banded": False, "bypass": False},
        "none, 24 months": {"window": 24, "banded": False, "bypass": False},
        "band, 12 months": {"window": 12, "banded": True, "bypass": False},
        "band + bypass, 12 months": {"window": 12, "banded": True, "bypass": True},
        "band + bypass, 24 months": {"window": 24, "banded": True, "bypass": True},
    }
    still, moving = Company(items, 60, None), Company(items, 60, 30)
    true_cell = np.column_stack([still.value_class(still.mean)[0], still.variability_class(still.cv)])
    old, new = moving.value_class(moving.mean)[0], moving.value_class(moving.later)[0]
    print(f"{'control':<28}{'cells changed':>15}{'agreement':>12}{'months to true class':>22}{'within 4':>10}")
    result = {}
    for name, control in controls.items():
        history = cells(still, first=24, **control)
        agreement = float(np.mean([np.all(now == true_cell, axis=1).mean() for now in history]))
        followed = np.array([now[:, 0] for now in cells(moving, first=30, **control)])
        judged = moving.shifted & (old != new) & (followed[0] == old)
        reached = (followed == new[None, :])[:, judged]
        months = np.where(reached.any(axis=0), reached.argmax(axis=0), RUNS)
        figures = [churn(history), agreement, float(np.median(months)), float(np.mean(months <= 4))]
        print(f"{name:<28}{figures[0]:>14.2%}{figures[1]:>12.1%}{figures[2]:>22.1f}{figures[3]:>10.0%}")
        result[name] = [round(figure, 4) for figure in figures]
    ratio = result["none, 12 months"][0] / result["band + bypass, 12 months"][0]
    print(json.dumps({"benchmark": "hysteresis", "items": items, "controls": result, "ratio": round(ratio, 2)}))


if __name__ == "__main__":
    main()
