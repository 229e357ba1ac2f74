"""Items whose lines look booked in another unit than stated: found by the scheme's test, and set aside.

Belongs here: sales of a partition into the grid of the test, and its finding back into the sales. Does not: the test
(`strata.demand.unit_jump`), units that documents state (`queries/conversion.sql`).
"""

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from strata.calendar import Bucket
from strata.conformed.engine import query
from strata.demand.unit_jump import unit_jumps
from strata.scheme.model import UnitJump

REASON = "unit_jump"
_SET_ASIDE = f"""
update sales_as_known
set line = 'quarantined', reason = '{REASON}'
from unit_jump as j
where
    line = 'demand'
    and sales_as_known.sku_id = j.sku_id
    and local_date >= j.first_day
    and (
        revenue = 0
        or (revenue::double > j.threshold * demand_units::double) = j.is_dearer
    )
"""  # noqa: S608 - a word of ours


def set_aside_jumps(connection: duckdb.DuckDBPyConnection, rule: UnitJump, bucket: Bucket) -> None:
    """Take lines that are booked in another unit out of the demand of `sales_as_known`.

    From the period of the jump on (the one before it, where that holds both units) a line is set aside if its unit
    value lies on the new side of the geometric mean of both, or if it has none.

    Args:
        connection: holds `sales_as_known` and `unit_factor`.
        rule: test of the scheme.
        bucket: length of the test's periods.
    """
    rows = connection.execute(query("unit_value")).to_arrow_table()
    if not rows.num_rows:
        return
    skus = pc.unique(rows["sku_id"])
    series = pc.index_in(rows["sku_id"], value_set=skus).to_numpy(zero_copy_only=False).astype(np.int64)
    days = rows["period_start"].to_numpy(zero_copy_only=False).astype("datetime64[D]")
    starts = _periods(days.min(), days.max(), bucket)
    place = np.searchsorted(starts, days)
    grids = [np.zeros((len(skus), len(starts))) for _ in range(3)]
    for grid, name in zip(grids, ("units", "amounts", "lines"), strict=True):
        grid[series, place] = rows[name].to_numpy(zero_copy_only=False)
    stated = connection.execute("select distinct sku_id, factor::double as factor from unit_factor").to_arrow_table()
    known = pc.index_in(stated["sku_id"], value_set=skus)
    own = stated.append_column("series", known).filter(pc.is_valid(known))
    units, amounts, lines = grids
    found = unit_jumps(
        units,
        amounts,
        lines,
        own["series"].to_numpy(zero_copy_only=False).astype(np.int64),
        own["factor"].to_numpy(zero_copy_only=False),
        rule=rule,
    )
    jumped = np.flatnonzero((found.period >= 0) & ~np.isin(skus.to_numpy(zero_copy_only=False), rule.exempt))
    if not len(jumped):
        return
    first = starts[found.period[jumped] - found.changeover[jumped]]
    before, after = found.value_before[jumped], found.value_after[jumped]
    jumps = {
        "sku_id": skus.take(pa.array(jumped)),
        "first_day": pa.array(first),
        "threshold": np.sqrt(before * after),
        "is_dearer": after > before,
    }
    connection.register("unit_jump", pa.table(jumps))
    connection.execute(_SET_ASIDE)


def _periods(first: np.datetime64, last: np.datetime64, bucket: Bucket) -> np.ndarray:
    if bucket == "month":
        months = np.arange(first.astype("datetime64[M]"), last.astype("datetime64[M]") + 1)
        return months.astype("datetime64[D]")
    return np.arange(first, last + 1, 7 if bucket == "week" else 1)
