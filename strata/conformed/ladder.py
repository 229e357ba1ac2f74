"""What the ladder needs to know of a partition: heirs without history, silent places, waiting times, last classes.

Belongs here: reading and joining for `strata.demand.fallback`. Does not: which rung is taken.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from strata.calendar import PERIODS_PER_YEAR
from strata.conformed.engine import engine
from strata.conformed.history import View
from strata.demand.fallback import OWN, fall_back
from strata.demand.profile import in_bucket
from strata.derivation import Derivation, Query, Step, aggregated
from strata.partition import shifted

if TYPE_CHECKING:
    from strata.conformed.profile import Panel

_NO_HEIRS = pa.table({"sku_id": pa.array([], pa.string()), "location_id": pa.array([], pa.string())})
# Active items, launched or about to be, where the item that they replace was sold; what never sold has no other row.
_HEIRS = """
with item as (
    select i.*, f.first_known
    from int_item_version as i
    inner join (
        select sku_id, cast(min(known_from) as date) as first_known from int_item_version group by sku_id
    ) as f on i.sku_id = f.sku_id
    where i.known_from <= getvariable('known_at') and (i.known_to is null or i.known_to > getvariable('known_at'))
)

select distinct i.sku_id, h.location_id
from item as i
inner join demand_history as h on i.predecessor_sku_id = h.sku_id and h.order_lines > 0
where
    i.status = 'active'
    and (i.end_date is null or i.end_date > cast($until as date))
    and coalesce(i.launch_date, i.first_known) between cast($since as date) and cast($until as date)
    and not exists (
        select 1
        from exclusion as e
        where
            (e.column_name = 'category' and e.value = i.category)
            or (e.column_name = 'family' and e.value = i.family)
            or (e.column_name = 'status' and e.value = i.status)
            or (e.column_name = 'sku_id' and e.value = i.sku_id)
    )
"""

_OWN = ("panel.units", "panel.hidden", "panel.launch_index")
_MONEY = ("series_key.revenue", "series_key.margin", "series_key.demand_units")
_LENDER = (
    "series_key.sku_id", "series_key.location_id", "series_key.family", "series_key.price", "series_key.currency",
    "series_key.predecessor_sku_id", "demand_shape.lifecycle_state", "demand_shape.periods_observed",
    "panel.unreported", "panel.censored", "previous.sku_id", "previous.location_id", "previous.value_class",
    "previous.variability_class", "previous.fallback_level", "rule.fallback", "rule.value.basis",
    "rule.variability.basis",
)  # fmt: skip
_RUNG_OF = (
    "demand_shape.periods_observed", "panel.unreported", "series_key.predecessor_sku_id", "series_key.family",
    "previous.value_class", "previous.variability_class",
)  # fmt: skip
_RUNG = ("fallback_level", "fallback_reason", "fallback_source", "confidence", "fallback_valid_until_cycle")
STEPS: tuple[Step, ...] = (
    Query("heir", _HEIRS),
    Derivation(
        "rung",
        {
            **dict.fromkeys(_RUNG, aggregated(*_RUNG_OF, when=(*_OWN, *_MONEY, *_LENDER))),
            "expected_units_period": aggregated(*_OWN, when=_LENDER),
            "expected_cv": aggregated(
                "demand_shape.cv",
                "demand_shape.cv_deseasonalised",
                "demand_shape.forecast_error",
                "demand_level.cv_level",
                when=(*_OWN, *_LENDER),
            ),
            "expected_value": aggregated(*_OWN, *_MONEY, when=_LENDER),
        },
        rows=("series_key.series",),
    ),
)


def heirs(view: View, history: Path | pa.Table) -> pa.Table:
    """Pairs of item and location that a predecessor speaks for: launched lately, or within the cycle's month."""
    rungs = view.scheme.fallback.rungs
    if "predecessor" not in rungs:
        return _NO_HEIRS
    cycle = view.partition.cycle
    since, until = shifted(cycle, -rungs["predecessor"].max_cycles), shifted(cycle, 1)
    known = view.tables()
    tables = {"int_item_version": known["int_item_version"], "exclusion": known["exclusion"], "demand_history": history}
    with engine(tables, **view.variables()) as connection:
        return connection.execute(_HEIRS, {"since": f"{since}-01", "until": f"{until}-01"}).to_arrow_table()


def unreported(
    location_id: npt.NDArray[np.object_], last_sale: npt.NDArray[np.int64], count: int, *, stale_periods: int
) -> npt.NDArray[np.bool_]:
    """Periods of each series [n, count] since its place last sent any line, once there are `stale_periods` of them.

    Args:
        location_id: place of each series.
        last_sale: period of the series' last line; negative before the first one.
        count: number of periods.
        stale_periods: silence that is no coincidence any more.
    """
    places, at = np.unique(location_id.astype(str), return_inverse=True)
    last = np.full(len(places), -1, dtype=np.int64)
    np.maximum.at(last, at, np.minimum(last_sale, count - 1))
    silent = np.arange(count)[None, :] > last[:, None]
    silent &= (count - 1 - last >= stale_periods)[:, None]
    return np.asarray(silent[at])


def on_ladder(
    view: View, data: "Panel", measures: pd.DataFrame, previous: pa.Table | None, *, value_periods: int
) -> pd.DataFrame:
    """The rung of every series of a panel, and what it is expected to sell.

    Args:
        view: partition and scheme.
        data: the series' periods.
        measures: their profile, in order.
        previous: effective classes of the cycle before at this level; None where there are none.
        value_periods: periods of the value window that the panel has.

    Returns:
        What `fall_back` returns, with `expected_value` over the value window instead of per period.
    """
    scheme, count, bucket = view.scheme, len(data.periods), data.periods.bucket
    observed = ~data.hidden & (np.arange(count)[None, :] >= data.launch_index[:, None])
    seen = np.where(observed, np.arange(count)[None, :], -1).max(axis=1, initial=-1)
    begun = np.clip(data.launch_index, 0, count)
    waited = np.where(seen >= 0, count - 1 - seen, count - begun) * PERIODS_PER_YEAR["month"]
    mean = measures["mean_units_period"].to_numpy(dtype=np.float64)
    last = _last_classes(data.keys, previous)
    series = pd.DataFrame(
        {
            "sku_id": data.keys["sku_id"],
            "location_id": data.keys["location_id"],
            "family": data.keys["family"],
            "price": data.keys["price"],
            "currency": data.keys["currency"],
            "predecessor_sku_id": data.keys["predecessor_sku_id"],
            "is_lender": ~measures["lifecycle_state"].isin(["eol", "dead"]),
            "periods_observed": measures["periods_observed"],
            "periods_censored": measures["periods_censored"],
            "periods_unreported": measures["periods_unreported"],
            "cycles_unobserved": waited // PERIODS_PER_YEAR[bucket],
            "units_period": mean,
            "units_period_alive": _alive(data.units, observed),
            # Levels are looked for in classification periods only.
            "cv": measures[scheme.variability.basis if scheme.variability.basis in measures else "cv"],
            "value_period": mean * _unit_value(data.keys, scheme.value.basis),
            **last,
        }
    )
    least = in_bucket(scheme.fallback.min_periods, scheme, bucket)
    lent = fall_back(series, rule=scheme.fallback, min_periods=least, cycle=view.partition.cycle)
    return lent.assign(expected_value=lent["expected_value_period"] * value_periods).drop(
        columns="expected_value_period"
    )


def _alive(units: npt.NDArray[np.float64], observed: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Mean per observed period up to the last one with demand; NaN where nothing was sold."""
    at = np.arange(units.shape[1])[None, :]
    last = np.where(observed & (units > 0), at, -1).max(axis=1, initial=-1)
    lived = observed & (at <= last[:, None])
    with np.errstate(invalid="ignore"):
        mean: npt.NDArray[np.float64] = np.where(lived, units, 0.0).sum(axis=1) / lived.sum(axis=1)
    return mean


def money(keys: pd.DataFrame, basis: str) -> npt.NDArray[np.float64]:
    """Money of each series in the window; NaN where it is unknown."""
    return keys[basis].astype(object).where(keys[basis].notna(), np.nan).to_numpy(dtype=np.float64)


def _unit_value(keys: pd.DataFrame, basis: str) -> npt.NDArray[np.float64]:
    """Money per unit sold in the window; zero where nothing was sold, NaN where the money is unknown."""
    units = keys["demand_units"].astype(np.float64).to_numpy()
    earned = money(keys, basis)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(units > 0, earned / units, np.where(np.isnan(earned), np.nan, 0.0))


def _last_classes(keys: pd.DataFrame, previous: pa.Table | None) -> dict[str, npt.NDArray[np.object_]]:
    """Last classes that each item earned by its own history, None where the cycle before had borrowed or no class."""
    names = ("value_class", "variability_class")
    empty = {f"last_{name}": np.full(len(keys), None, dtype=object) for name in names}
    if previous is None or not previous.num_rows:
        return empty
    before = previous.to_pandas()
    if "fallback_level" in before:
        before = before[before["fallback_level"].isin([OWN, "last_class"])]
    key = ["sku_id", "location_id"]
    found = pd.MultiIndex.from_frame(before[key]).get_indexer(pd.MultiIndex.from_frame(keys[key]))
    for name in names:
        values = before[name].to_numpy(dtype=object)
        empty[f"last_{name}"][found >= 0] = values[found[found >= 0]]
    return empty
