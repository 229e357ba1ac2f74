"""What the ladder needs to know of a partition: heirs without history, last classes.

Belongs here: reading and joining for `strata.demand.panel`. Does not: which rung is taken (`strata.demand.fallback`).
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from strata.conformed.engine import engine
from strata.conformed.history import View
from strata.demand.fallback import OWN
from strata.derivation import Derivation, Query, Step, aggregated
from strata.partition import shifted

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


def last_classes(keys: pd.DataFrame, previous: pa.Table | None) -> dict[str, npt.NDArray[np.object_]]:
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
