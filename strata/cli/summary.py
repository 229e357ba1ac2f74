"""What a run prints about its result: the reconciliation per region and the class mix of a release."""

from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa

from strata.home import Home


def reconciliation_rows(table: pa.Table) -> list[dict[str, Any]]:
    """One row per region, currency and unit of the last cycle: both sides of the identity and what is left over."""
    if not table.num_rows:
        return []
    with duckdb.connect() as connection:
        connection.register("reconciliation", table)
        rows = (
            connection.execute(
                """
                select region, cycle, currency, base_unit, bucket,
                    coalesce(sum(units) filter (line = 'accepted'), 0) as accepted_units,
                    coalesce(sum(units) filter (line = 'quarantined'), 0) as quarantined_units,
                    coalesce(sum(units) filter (line = 'excluded'), 0) as excluded_units,
                    coalesce(sum(units) filter (line = 'history'), 0) as history_units,
                    coalesce(sum(units) filter (line = 'open'), 0) as open_units,
                    coalesce(sum(amount) filter (line = 'accepted'), 0) as accepted_amount,
                    coalesce(sum(amount) filter (line in ('quarantined', 'excluded', 'history', 'open')), 0) as explained_amount
                from reconciliation
                where cycle = (select max(cycle) from reconciliation)
                group by all
                having bucket = (select min(bucket) from reconciliation)
                order by region, currency, base_unit
                """
            )
            .to_arrow_table()
            .to_pylist()
        )
    for row in rows:
        del row["bucket"]
        explained = sum((row[f"{side}_units"] for side in ("quarantined", "excluded", "history", "open")), Decimal(0))
        row["difference_units"] = row["accepted_units"] - explained
        row["difference_amount"] = row["accepted_amount"] - row.pop("explained_amount")
    return rows


def class_mix(home: Home, release_id: str) -> list[dict[str, Any]]:
    """Items per value class (rows) and variability class (columns) of a release, with the share of revenue."""
    file = home.release(release_id) / "strata.duckdb"
    with duckdb.connect(str(file), read_only=True) as connection:
        rows = connection.execute(
            """
            select region, value_class,
                count(*) filter (variability_class = 'X') as X, count(*) filter (variability_class = 'Y') as Y,
                count(*) filter (variability_class = 'Z') as Z, count(*) filter (variability_class = 'U') as U,
                round(100 * sum(revenue) / sum(sum(revenue)) over (partition by region), 1)::double as revenue_percent,
                count(*) filter (is_suspended) as suspended
            from segment_assignment group by region, value_class order by region, value_class
            """
        ).to_arrow_table()
    return rows.to_pylist()
