"""Mean interval, size variation and demand class against published numbers, R and a slow second computation."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strata.demand.intermittency import Intermittency, demand_class, interval_and_size
from strata.scheme.model import DemandPattern

SHARED = Path(__file__).resolve().parents[3] / "../shared"
ORACLE = SHARED / "oracle/intermittent"
PATTERN = DemandPattern(adi_cut=1.32, cv2_cut=0.49, min_demands=3, rationale="as published in JORS 56, 2005")

matrices = hnp.arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 20)), elements=st.integers(0, 5))


def all_seen(units: np.ndarray) -> np.ndarray:
    return np.ones(units.shape, dtype=bool)


def slow(units: list[float], observed: list[bool]) -> tuple[float, float, int]:
    """The definition read word by word: intervals one after the other, the first from launch."""
    sizes, intervals, waited = [], [], 0
    for size, seen in zip(units, observed, strict=True):
        if not seen:
            continue
        waited += 1
        if size > 0:
            sizes.append(float(size))
            intervals.append(waited)
            waited = 0
    adi = sum(intervals) / len(intervals) if intervals else float("nan")
    cv2 = np.var(sizes, ddof=1) / np.mean(sizes) ** 2 if len(sizes) > 1 else float("nan")
    return adi, cv2, len(sizes)


@given(matrices, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
@pytest.mark.capability("3.1", part="Syntetos-Boylan classes")
def test_every_series_agrees_with_a_slow_second_computation(units: np.ndarray, seed: int) -> None:
    observed = np.random.default_rng(seed).random(units.shape) < 0.7
    result = interval_and_size(units.astype(float), observed)
    for row in range(len(units)):
        adi, cv2, demands = slow(units[row].tolist(), observed[row].tolist())
        np.testing.assert_allclose(result.adi[row], adi)
        np.testing.assert_allclose(result.cv2[row], cv2, atol=1e-12)
        assert result.demands[row] == demands


@given(matrices, st.floats(1e-3, 1e4))
@settings(max_examples=40, deadline=None)
def test_the_unit_of_measure_changes_nothing(units: np.ndarray, factor: float) -> None:
    first, second = (interval_and_size(units * scale, all_seen(units)) for scale in (1.0, factor))
    np.testing.assert_array_equal(first.adi, second.adi)
    np.testing.assert_allclose(first.cv2, second.cv2, atol=1e-9)


def test_leading_periods_before_launch_and_censored_periods_are_skipped() -> None:
    units = np.array([[0, 0, 0, 4, 0, 4, 4.0]])
    observed = np.array([[False, False, True, True, False, True, True]])
    result = interval_and_size(units, observed)
    assert result.adi[0] == 4 / 3  # positions 2, 3 and 4 among the observed
    assert result.cv2[0] == 0.0


def test_demand_in_a_censored_period_is_a_lower_bound_and_left_out() -> None:
    result = interval_and_size(np.array([[9.0, 1, 1, 1]]), np.array([[False, True, True, True]]))
    assert (result.demands[0], result.cv2[0]) == (3, 0.0)


@pytest.mark.parametrize("demands", [0, 1, 2])
def test_too_few_demands_are_neither_smooth_nor_intermittent(demands: int) -> None:
    units = np.zeros((1, 8))
    units[0, :demands] = 5.0
    assert demand_class(interval_and_size(units, all_seen(units)), pattern=PATTERN).tolist() == ["none"]


def test_a_number_that_is_not_finite_is_refused_with_its_place() -> None:
    units = np.array([[1.0, np.nan]])
    with pytest.raises(ValueError, match="series 0, period 1 is nan"):
        interval_and_size(units, all_seen(units))
    assert interval_and_size(units, np.array([[True, False]])).demands.tolist() == [1]


def test_no_series_and_no_periods_are_fine() -> None:
    for shape in ((0, 5), (2, 0)):
        result = interval_and_size(np.zeros(shape), np.zeros(shape, dtype=bool))
        assert demand_class(result, pattern=PATTERN).tolist() == ["none"] * shape[0]


@pytest.mark.skipif(not ORACLE.exists(), reason="oracle folder is not here")
class TestAgainstR:
    def test_published_categorisation_cases(self) -> None:
        """Its convention `mean_interval|ddof1` is ours; `none` differs by our least number of demands only."""
        cases = json.loads((ORACLE / "sbc_cases.json").read_text(encoding="utf-8"))
        for case in cases["cases"]:
            units = np.array([case["y"]], dtype=float)
            result, expected = interval_and_size(units, all_seen(units)), case["mean_interval|ddof1"]
            assert result.adi[0] == pytest.approx(expected["p"], rel=1e-12), case["series"]
            assert result.cv2[0] == pytest.approx(expected["cv2"], rel=1e-12), case["series"]
            assert demand_class(result, pattern=PATTERN)[0] == expected["SBC4"], case["series"]
        for point in cases["boundary_grid"]:
            shape = Intermittency(np.array([point["p"]]), np.array([point["cv2"]]), np.array([9]))
            assert demand_class(shape, pattern=PATTERN)[0] == point["expected"], point

    def test_one_series_of_the_r_package(self) -> None:
        with (ORACLE / "tsintermittent_ts_data2.csv").open() as handle:
            units = np.array([[float(row["V1"]) for row in csv.DictReader(handle)]])
        result = interval_and_size(units, all_seen(units))
        assert (result.adi[0], result.cv2[0]) == pytest.approx((2.85714285714286, 0.619791666666667), rel=1e-12)

    @pytest.mark.skipif(not (SHARED / "data/intermittent/carparts_wide.csv").exists(), reason="data is not here")
    def test_carparts_as_r_classified_them(self) -> None:
        """R counts the first interval from the first month on file, so every month counts as observed here.

        R classifies from two demands on; with fewer than three Strata says `none`.
        """
        panel = pd.read_csv(SHARED / "data/intermittent/carparts_wide.csv", dtype={"series_id": str})
        verdict = pd.read_csv(ORACLE / "carparts_tsintermittent_classes.csv", dtype={"series": str})
        joined = verdict.merge(panel, left_on="series", right_on="series_id", validate="one_to_one")
        assert len(joined) == 2644
        units = joined[panel.columns[1:]].to_numpy(dtype=float)
        seen = np.isfinite(units)
        result = interval_and_size(np.where(seen, units, 0.0), np.ones_like(seen))
        assert result.demands.tolist() == joined["nonzero"].tolist()
        np.testing.assert_allclose(result.adi, joined["p"], rtol=1e-9)
        np.testing.assert_allclose(result.cv2, joined["cv2"], rtol=1e-9, atol=1e-12)
        named, enough = demand_class(result, pattern=PATTERN), joined["nonzero"].to_numpy() >= PATTERN.min_demands
        assert (named[enough] == joined["SBC4"].to_numpy()[enough]).all()
        assert set(named[~enough]) == {"none"}

    @pytest.mark.skipif(not (SHARED / "data/intermittent/Auto.csv").exists(), reason="data is not here")
    def test_class_counts_of_the_automotive_panel(self) -> None:
        """Their count: smooth 1200, erratic 419, intermittent 1046, lumpy 335, by N / demands and four classes."""
        units = pd.read_csv(SHARED / "data/intermittent/Auto.csv").to_numpy(dtype=float)
        result = interval_and_size(units, all_seen(units))
        by_ratio = Intermittency(units.shape[1] / result.demands, result.cv2, result.demands)
        names, counts = np.unique(demand_class(by_ratio, pattern=PATTERN), return_counts=True)
        assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {
            "smooth": 1200, "erratic": 419, "intermittent": 1046, "lumpy": 335,
        }  # fmt: skip
