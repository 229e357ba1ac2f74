"""Every series gets its horizon of rows: method by class, reasons where the plain rule does not hold."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strata.forecast.forecast import forecast
from strata.forecast.smoothing import sba, ses
from strata.partition import Partition
from strata.scheme.load import load_scheme
from strata.tables import DEMAND_FORECAST, QUANTILE_COLUMNS

SCHEME = load_scheme(Path(__file__).resolve().parents[3] / "config/schemes/2017.1.yml").scheme
EAST = Partition("EAST", "2017-05")
HORIZON = SCHEME.forecast.horizon_periods


def keys(*rows: dict[str, Any]) -> pd.DataFrame:
    plain = {"location_id": "d1", "demand_class": "smooth", "lifecycle_state": "mature", "seasonal_strength": None,
             "fallback_level": "own", "expected_units_period": np.nan, "expected_cv": np.nan}  # fmt: skip
    return pd.DataFrame([{"sku_id": f"{i:05d}", **plain, **row} for i, row in enumerate(rows)])


def run(
    units: np.ndarray, frame: pd.DataFrame, censored: np.ndarray | None = None, launch: Any = None, **more: Any
) -> pd.DataFrame:
    return forecast(
        units,
        np.zeros(units.shape, bool) if censored is None else censored,
        np.zeros(len(units), np.int64) if launch is None else np.asarray(launch),
        frame,
        **{"scheme": SCHEME, "partition": EAST, "first_period": date(2017, 5, 1), "bucket": "week", **more},
    )


def history(*rates: float, periods: int = 52) -> np.ndarray:
    return np.random.default_rng(2).poisson(np.array(rates)[:, None], (len(rates), periods)).astype(float)


def test_one_row_per_series_and_period_ahead_in_the_declared_columns() -> None:
    classes = ["smooth", "erratic", "intermittent", "lumpy", "none"]
    found = run(history(20, 9, 0.5, 0.3, 0.04), keys(*[{"demand_class": name} for name in classes]))
    table = DEMAND_FORECAST.conform(found)
    assert table.num_rows == 5 * HORIZON
    assert found.columns.tolist() == DEMAND_FORECAST.names
    first = found[found["sku_id"] == "00000"]
    assert first["horizon"].tolist() == list(range(1, HORIZON + 1))
    assert first["period_start"].tolist()[:2] == [date(2017, 5, 1), date(2017, 5, 8)]
    ahead = found.groupby("sku_id").first()
    assert ahead["method"].tolist() == ["ses", "ses", "sba", "tsb", "mean_rate"]
    assert ahead["decision_reason"].iloc[2] == "demand_class:intermittent;method:sba"
    quantiles = found[list(QUANTILE_COLUMNS)].to_numpy()
    assert np.isfinite(quantiles).all() and (quantiles >= 0).all() and (np.diff(quantiles, axis=1) >= 0).all()


@pytest.mark.capability("5.1", part="SES, seasonal naive, Croston, SBA and TSB by demand class")
def test_the_methods_are_the_ones_named() -> None:
    units = history(20, 0.5)
    found = run(units, keys({}, {"demand_class": "intermittent"})).groupby("sku_id").first()
    seen = np.ones((1, 52), bool)
    steady = ses(units[:1], seen, alphas=SCHEME.forecast.ses_alphas)
    slow = sba(units[1:], seen, alpha=SCHEME.forecast.sba_alpha)
    assert found["mean_units"].tolist() == [steady.mean[0], slow.mean[0]]
    assert found["error_sd_units"].tolist() == [steady.error_sd[0], slow.error_sd[0]]


def test_uncertainty_of_smoothing_grows_and_that_of_counts_does_not() -> None:
    found = run(history(20, 0.5), keys({}, {"demand_class": "intermittent"}))
    steady, slow = (found[found["sku_id"] == sku]["q95"].to_numpy() for sku in ("00000", "00001"))
    assert (np.diff(steady) > 0).all()
    assert len(set(slow)) == 1 and slow[0] == np.floor(slow[0])


@pytest.mark.parametrize("state", ["dead", "eol"])
def test_an_ended_item_is_zero(state: str) -> None:
    found = run(history(5), keys({"lifecycle_state": state}))
    assert found["method"].unique().tolist() == ["zero"]
    assert (found[["mean_units", "error_sd_units", *QUANTILE_COLUMNS]] == 0).all().all()
    assert found["decision_reason"][0] == f"demand_class:smooth;method:zero;lifecycle:{state}"


def test_stock_outs_and_the_time_before_launch_do_not_count() -> None:
    units = np.full((2, 20), 10.0)
    units[0, 12:] = 0  # out of stock: unknown, not zero
    units[1, :15] = 0  # not launched
    censored = np.zeros(units.shape, bool)
    censored[0, 12:] = True
    found = run(units, keys({}, {}), censored, [0, 15])
    assert found["mean_units"].tolist() == [10.0] * 2 * HORIZON


def test_a_series_never_observed_is_zero_and_says_so() -> None:
    found = run(np.zeros((1, 4)), keys({"demand_class": "none"}), np.ones((1, 4), bool))
    assert found["decision_reason"][0] == "demand_class:none;method:zero;fallback:no_observed_period"


def test_a_season_is_used_when_two_were_seen_and_falls_back_when_not() -> None:
    phase = 10 + 8 * np.sin(2 * np.pi * np.arange(36) / 12)
    units = np.vstack([phase, phase])
    frame = keys({"seasonal_strength": 0.9}, {"seasonal_strength": 0.9})
    found = run(units, frame, launch=[0, 20], bucket="month")
    assert found.groupby("sku_id")["method"].first().tolist() == ["seasonal_naive", "ses"]
    np.testing.assert_allclose(found["mean_units"][:HORIZON], phase[np.arange(24, 24 + HORIZON) % 12 + 24])
    assert found["decision_reason"][HORIZON].endswith("method:ses;fallback:seasonal_naive_needs_24_observed_periods")
    weak = run(units[:1], keys({"seasonal_strength": 0.1}), bucket="month")
    assert weak["method"][0] == "ses"


def test_a_region_without_a_closed_period_is_zero() -> None:
    assert run(np.zeros((2, 0)), keys({}, {}))["method"].unique().tolist() == ["zero"]


def test_the_mean_is_never_above_the_largest_demand_observed() -> None:
    classes = ["smooth", "erratic", "intermittent", "lumpy", "none"]
    units = history(*np.tile([9, 4, 0.5, 0.3, 0.05], 40))
    found = run(units, keys(*[{"demand_class": name} for name in classes * 40]))
    assert (found.groupby("sku_id")["mean_units"].max().to_numpy() <= units.max(axis=1) + 1e-9).all()


def test_no_series_give_no_rows() -> None:
    found = run(np.zeros((0, 4)), keys({}).iloc[:0])
    assert len(found) == 0 and DEMAND_FORECAST.conform(found).num_rows == 0


def test_input_that_cannot_be_is_named() -> None:
    with pytest.raises(ValueError, match="row 0, column demand_class: 'wild'"):
        run(np.zeros((1, 4)), keys({"demand_class": "wild"}))
    with pytest.raises(ValueError, match="lack columns.*seasonal_strength"):
        run(np.zeros((1, 4)), keys({}).drop(columns="seasonal_strength"))
    with pytest.raises(ValueError, match="must describe the same series"):
        run(np.zeros((2, 4)), keys({}))


def test_a_seller_gone_silent_does_not_keep_the_errors_of_its_old_level() -> None:
    """Six busy weeks in summer, then twenty-two without a sale: the mean goes to zero, so must the error."""
    units = np.array([[2.0, 6, 23, 10, 7, 2] + [0.0] * 22])
    rows = run(units, keys({"demand_class": "erratic"}))
    first = rows.iloc[0]
    assert first.mean_units < 1.0
    assert first.error_sd_units <= np.sqrt(first.mean_units * (23 - first.mean_units)) + 1e-12
    assert first.decision_reason.endswith(";bounded:error_sd")
    assert first.q99 <= 23


@pytest.mark.parametrize("units", [[8.0] * 30, list(range(1, 31)), [0.0, 4, 0, 0, 7] * 6])
def test_ordinary_errors_are_left_alone(units: list[float]) -> None:
    assert "bounded:error_sd" not in run(np.array([units], dtype=float), keys({})).iloc[0].decision_reason


@pytest.mark.capability("2.5", part="the rung's rate is forecast, not zero")
def test_a_lent_rate_is_forecast_whatever_was_sold_so_far() -> None:
    lent = {"demand_class": "none", "fallback_level": "predecessor", "expected_units_period": 7.0, "expected_cv": 0.5}
    found = run(np.zeros((2, 6)), keys(lent, {"demand_class": "none"}))
    heir, other = found[found.sku_id == found.sku_id.iloc[0]], found[found.sku_id == found.sku_id.iloc[-1]]
    assert set(heir.mean_units) == {7.0}
    assert set(heir.error_sd_units) == {3.5}
    assert set(heir.forecast_level) == {"predecessor"}
    assert heir.decision_reason.iloc[0] == "demand_class:none;method:lent_rate;fallback:predecessor"
    assert heir.q95.iloc[0] > 7.0
    assert set(other.mean_units) == {0.0}
    ended = run(np.zeros((1, 6)), keys(lent | {"lifecycle_state": "eol"}))
    assert set(ended.mean_units) == {0.0}
