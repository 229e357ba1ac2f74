"""Profiles of whole matrices: against a loop over series, the declared table, and what censoring must do."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.calendar import Periods, next_period
from strata.classify.variability import variability_classes
from strata.demand.profile import in_bucket, profile
from strata.demand.scaled_error import scaled_error
from strata.scheme.load import load_scheme
from strata.scheme.model import ForecastError, Scheme
from strata.tables import TABLES

SCHEME = load_scheme(Path(__file__).resolve().parents[3] / "config/schemes/2017.1.yml").scheme


def months(count: int) -> Periods:
    return Periods("month", tuple(next_period(date(2024, 1, 1), "month", index) for index in range(count)))


def run(
    units: np.ndarray, censored: np.ndarray | None = None, launch: int | list[int] = 0, scheme: Scheme = SCHEME
) -> pd.DataFrame:
    matrix = np.asarray(units, dtype=float)
    return profile(
        matrix,
        np.zeros(matrix.shape, dtype=bool) if censored is None else censored,
        np.broadcast_to(np.asarray(launch), (len(matrix),)),
        scheme=scheme,
        periods=months(matrix.shape[1]),
        is_ended=np.zeros(len(matrix), dtype=bool),
    )


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_every_row_agrees_with_a_loop_over_its_periods(seed: int) -> None:
    rng = np.random.default_rng(seed)
    units = rng.poisson(rng.choice([0.1, 1.0, 8.0]), (3, 18)).astype(float)
    censored = rng.random(units.shape) < 0.15
    launch = rng.integers(-3, 20, 3)
    frame = profile(units, censored, launch, scheme=SCHEME, periods=months(18), is_ended=np.zeros(3, dtype=bool))
    for row in range(3):
        kept = [units[row, t] for t in range(18) if t >= launch[row] and not censored[row, t]]
        found = frame.iloc[row]
        assert found["periods_observed"] == len(kept)
        assert found["periods_censored"] == sum(censored[row, t] for t in range(18) if t >= launch[row])
        assert found["demand_periods"] == sum(size > 0 for size in kept)
        assert found["confidence"] == pytest.approx(len(kept) / 18)
        mean = np.mean(kept) if kept else np.nan
        np.testing.assert_allclose(found["mean_units_period"], mean)
        cv = np.std(kept, ddof=1) / mean if len(kept) > 1 and mean > 0 else np.nan
        np.testing.assert_allclose(found["cv"], cv)
        sold = [t for t in range(18) if units[row, t] > 0]
        assert found["first_sale"] == (months(18).starts[sold[0]] if sold else None)
        assert found["last_sale"] == (months(18).starts[sold[-1]] if sold else None)


def test_the_frame_fits_the_declared_table_with_nulls_where_nothing_is_known() -> None:
    frame = run(np.array([[0.0] * 6, [5, 0, 4, 0, 6, 7], [0, 0, 0, 0, 0, 3]]), launch=[0, 0, 5])
    keys = {"location_id": "*", "region": "EMEA", "cycle": "2024-07", "bucket": "month", "fallback_level": "own"}
    stamp = {"valid_for_cycle": "2024-07", "scheme_version": "2017.1", "fallback_reason": None, "launch": None}
    money = dict.fromkeys(("revenue", "margin"), Decimal(0)) | {"demand_units": Decimal(0), "order_lines": 0}
    ladder = {"fallback_source": None, "fallback_valid_until_cycle": None, "periods_unreported": 0}
    ladder |= dict.fromkeys(("expected_units_period", "expected_cv", "expected_value"), np.nan)
    ladder |= dict.fromkeys(
        ("cv_level", "level_units_period", "level_periods", "level_cv_periods", "level_value"), np.nan
    )
    rows = frame.assign(sku_id=["S1", "S2", "S3"], **keys, **stamp, **money, **ladder)
    table = TABLES["demand_profile"].conform(rows)
    first, second, third = table.to_pylist()
    assert [first[name] for name in ("cv", "adi", "cv2_nonzero", "first_sale", "cv_deseasonalised")] == [None] * 5
    assert (first["mean_units_period"], first["lifecycle_state"], first["demand_class"]) == (0.0, "dead", "none")
    assert second["demand_class"] == "intermittent"
    assert second["last_sale"] == date(2024, 6, 1)
    assert (third["periods_observed"], third["cv"], third["adi"], third["demand_class"]) == (1, None, 1.0, "none")
    assert third["lifecycle_state"] == "intro"


@pytest.mark.capability("2.5", part="stock-out periods are censored demand, not zero demand")
def test_an_empty_shelf_does_not_make_an_item_dead_or_variable() -> None:
    units = np.array([[6, 6, 6, 6, 6, 6, 0, 0, 0, 0, 0, 0.0]])
    empty = np.zeros(units.shape, dtype=bool)
    empty[0, 6:] = True
    with_flags, without = run(units, empty).iloc[0], run(units).iloc[0]
    assert (with_flags["lifecycle_state"], with_flags["cv"], with_flags["periods_censored"]) == ("mature", 0.0, 6)
    assert (without["lifecycle_state"], without["periods_censored"]) == ("dead", 0)
    assert without["cv"] > 1


def test_leading_periods_before_launch_do_not_count() -> None:
    units = np.array([[0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4.0]])
    launched, padded = run(units, launch=6).iloc[0], run(units, launch=0).iloc[0]
    assert (launched["adi"], launched["cv"], launched["demand_class"]) == (1.0, 0.0, "smooth")
    assert (padded["adi"], padded["demand_class"]) == (2.0, "intermittent")


def test_periods_of_the_scheme_are_converted_to_the_bucket() -> None:
    assert [in_bucket(count, SCHEME, "week") for count in (1, 3, 4, 6)] == [4, 13, 17, 26]
    assert in_bucket(4, SCHEME, "month") == 4
    starts = tuple(next_period(date(2024, 1, 1), "week", index) for index in range(20))
    units = np.zeros((1, 20))
    units[0, :8] = 5.0
    frame = profile(
        units, units < 0, np.array([0]), scheme=SCHEME, periods=Periods("week", starts), is_ended=np.array([False])
    )
    assert frame.loc[0, "lifecycle_state"] == "decline"  # 12 weeks without a sale are not six months


@given(st.permutations(list(range(6))), st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_the_order_of_series_changes_nothing(order: list[int], seed: int) -> None:
    units = np.random.default_rng(seed).poisson(2.0, (6, 26)).astype(float)
    straight = run(units).iloc[order].reset_index(drop=True)
    pd.testing.assert_frame_equal(straight, run(units[order]), check_exact=True)


def test_the_size_of_a_block_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    units = np.random.default_rng(9).poisson(1.0, (25, 26)).astype(float)
    units[:10] = 0.0
    whole = run(units)
    monkeypatch.setattr("strata.demand.profile._BLOCK", 10)
    pd.testing.assert_frame_equal(whole, run(units), check_exact=True)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="one row per series, one column per period"):
        profile(
            np.ones((2, 3)), np.zeros((2, 3), dtype=bool), np.zeros(1, dtype=int),
            scheme=SCHEME, periods=months(3), is_ended=np.zeros(2, dtype=bool),
        )  # fmt: skip
    with pytest.raises(ValueError, match="one shape"):
        run(np.ones((2, 3)), np.zeros((2, 2), dtype=bool))


def test_no_series_give_no_rows_with_all_columns() -> None:
    assert run(np.zeros((0, 5))).columns.tolist() == run(np.ones((1, 5))).columns.tolist()


@pytest.mark.capability("3.1", part="variability classes on scaled forecast error")
def test_the_scaled_forecast_error_is_measured_where_the_scheme_asks_for_it() -> None:
    """A purely seasonal item is Y by its CV and X by what a simple forecast misses; null without the scheme's part."""
    month = np.arange(48)
    units = np.array([100 + 90 * np.sin(2 * np.pi * month / 12), np.random.default_rng(1).gamma(1.0, 100, 48)])
    rule = ForecastError(alphas=(0.2,), warm_up=3, min_forecasts=12, rationale="one season of forecasts at least")
    asked = SCHEME.model_copy(
        update={
            "forecast_error": rule,
            "variability": SCHEME.variability.model_copy(update={"basis": "forecast_error"}),
        }
    )
    rows = run(units, scheme=asked)
    expected = scaled_error(units, np.ones(units.shape, bool), season=12, alphas=(0.2,), warm_up=3, min_forecasts=12)
    np.testing.assert_array_equal(rows["forecast_error"], expected.error)
    seen = rows["periods_observed"].to_numpy()
    by_cv, by_error = (
        variability_classes(rows[basis].to_numpy(), seen, variability=asked.variability).tolist()
        for basis in ("cv", "forecast_error")
    )
    assert (by_cv, by_error) == (["Y", "Z"], ["X", "Z"])
    assert run(units)["forecast_error"].isna().all()
    with pytest.raises(ValueError, match="basis forecast_error needs the part forecast_error"):
        Scheme.model_validate({**asked.model_dump(mode="json"), "forecast_error": None})
