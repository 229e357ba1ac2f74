"""Gate of the forecast: ordered quantiles, whole horizons, no negative demand.

Belongs here: rules and facts of the forecast. Does not: its accuracy, which is judged when actuals are known.
"""

from typing import TYPE_CHECKING, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from expectations.measure import TOLERANCE, Facts, Measure, codes, repeated
from expectations.rule import at_least, build, none_of, table_rules
from strata.forecast.forecast import LENT_METHOD
from strata.partition import Partition
from strata.scheme.model import RUNGS, ForecastMethod, Scheme
from strata.tables import DEMAND_FORECAST, QUANTILE_COLUMNS

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

ITEM_LEVEL = "item"
ITEM_LOCATION = ("sku_id", "location_id")


def suite(scheme: Scheme) -> "ExpectationSuite":
    """Rules over the facts of `measure`."""
    return build("demand_forecast", [
        *table_rules(DEMAND_FORECAST, min_rows=scheme.forecast.horizon_periods),
        at_least("rows_with_demand", 1, "A forecast of nothing for a whole region is a forecast that was not made."),
        none_of("incomplete_horizons", "A missing period is read as no demand by whoever sums over the lead time."),
        none_of("horizon_outside_range", "Periods ahead run from one to the scheme's horizon."),
        none_of("repeated_horizons", "A period ahead that stands twice is bought for twice."),
        none_of("wrong_buckets", "Forecasts are made in the planning bucket; another one would be scaled wrongly."),
        none_of("negative_units", "Demand, its quantiles and its error are never negative."),
        none_of("crossed_quantiles", "Where quantiles cross, a safety stock falls while its service level rises."),
        none_of("method_outside_scheme", "Only methods that the scheme knows can be explained to a planner."),
        none_of("level_outside_set", "Readers must be able to tell an item's own forecast from a shared one."),
    ])  # fmt: skip


def measure(rows: pa.Table, *, scheme: Scheme, partition: Partition) -> Facts:
    """Facts of the candidate's forecasts."""
    it = Measure(rows, DEMAND_FORECAST, scheme=scheme, partition=partition)
    if not it.complete:
        return it.facts()
    mean = it.floats("mean_units")
    quantiles = np.stack([it.floats(name) for name in QUANTILE_COLUMNS])
    periods = scheme.forecast.horizon_periods
    it.number("rows_with_demand", int((mean > 0).sum()))
    series, place = np.unique(codes(it.rows, ITEM_LOCATION), return_inverse=True)
    it.count("incomplete_horizons", (np.bincount(place, minlength=len(series)) != periods)[place])
    it.outside_range("horizon_outside_range", ("horizon",), 1, periods)
    it.count("repeated_horizons", repeated(it.rows, (*ITEM_LOCATION, "horizon")))
    it.count("wrong_buckets", pc.not_equal(it.column("bucket"), scheme.buckets.planning))
    low = np.minimum(np.minimum(mean, it.floats("error_sd_units")), np.fmin.reduce(quantiles, axis=0))
    it.count("negative_units", low < 0)
    room = TOLERANCE * np.maximum(1.0, np.abs(quantiles[1:]))
    it.count("crossed_quantiles", (quantiles[:-1] > quantiles[1:] + room).any(axis=0))
    it.outside_set("method_outside_scheme", "method", (*get_args(ForecastMethod), LENT_METHOD))
    it.outside_set("level_outside_set", "forecast_level", (ITEM_LEVEL, *RUNGS))
    return it.facts()
