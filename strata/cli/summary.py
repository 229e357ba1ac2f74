"""What a run prints about its result: the reconciliation per region and the class mix of a release."""

from typing import Any

import duckdb
import pyarrow as pa

from strata.home import Home

SIDES = ("accepted", "quarantined", "excluded", "history", "open")
CONVERTED = "sum(if(line = 'converted_out', -value, value)) filter (line in ('converted_in', 'converted_out'))"


def reconciliation_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Both sides of the identity and what is left over, per region, currency and unit, of the last cycle.

    `converted` is what came in from other units and currencies, less what went to the base unit and group currency.

    Each bucket of the history holds all demand once; the coarsest is shown, the gate looks at all.
    """
    if not table.num_rows:
        return []
    sums = ", ".join(f"coalesce(sum(value) filter (line = '{side}'), 0) as {side}" for side in SIDES)
    sums += f", coalesce({CONVERTED}, 0) as converted"
    with duckdb.connect() as connection:
        connection.register("reconciliation", table)
        rows: list[dict[str, Any]] = (
            connection.execute(
                f"""
                with long as (
                    unpivot (select region, cycle, bucket, base_unit, currency, line, units, amount from reconciliation)
                    on units, amount into name measure value value
                )
                select cycle, region, if(measure = 'units', base_unit, base_unit || ' in ' || currency) as of, {sums}
                from long
                where
                    cycle = (select max(cycle) from long)
                    and bucket = (select min(bucket) from long)
                group by all
                order by cycle, region, of
                """
            )
            .to_arrow_table()
            .to_pylist()
        )
    return [
        {**row, "difference": row["accepted"] + row["converted"] - sum(row[side] for side in SIDES[1:])} for row in rows
    ]


def class_mix(home: Home, release_id: str) -> list[dict[str, Any]]:
    """Items per value class (rows) and variability class (columns) of a release, with the share of revenue."""
    file = home.release(release_id) / "strata.duckdb"
    with duckdb.connect(str(file), read_only=True) as connection:
        rows: list[dict[str, Any]] = (
            connection.execute(
                """
            select region, value_class,
                count(*) filter (variability_class = 'X') as X, count(*) filter (variability_class = 'Y') as Y,
                count(*) filter (variability_class = 'Z') as Z, count(*) filter (variability_class = 'U') as U,
                round(100 * sum(revenue) / sum(sum(revenue)) over (partition by region), 1)::double as revenue_percent,
                count(*) filter (is_suspended) as suspended
            from segment_assignment group by region, value_class order by region, value_class
            """
            )
            .to_arrow_table()
            .to_pylist()
        )
    return rows
