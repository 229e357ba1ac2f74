"""Demand history and its reconciliation, as known at a cut-off: set logic, so SQL over the snapshot's Parquet.

Belongs here: binding parameters to the queries. Does not: the shape of demand (`strata.conformed.profile`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from strata.calendar import Calendar, first_open_period
from strata.conformed.baseline import beside, judged
from strata.conformed.build import Snapshot
from strata.conformed.engine import QUERIES, add_view, engine, query
from strata.conformed.units import set_aside_jumps
from strata.derivation import Derivation, Query, Step, copied
from strata.durable import write_batches, write_file
from strata.partition import Partition
from strata.scheme.model import Scheme
from strata.tables import CONTROL_TOTAL, DEMAND_HISTORY, RECONCILIATION

STEPS: tuple[Step, ...] = (
    Derivation("exclusion", {name: copied("rule.exclusions") for name in ("column_name", "value", "name")}),
    Derivation("bucket", {"bucket": copied("rule.buckets")}),
    *(Query(name, QUERIES / "conversion.sql") for name in ("unit_factor", "currency_rate")),
    *(Query(name, QUERIES / f"{name}.sql") for name in ("sales_as_known", "reconciliation")),
    Query("demand_asked", QUERIES / "demand_history.sql"),  # `strata.conformed.baseline` says what of it is usual
)

# Rows of history that are held at once: 250,000 of 18 columns are some 50 MB.
BATCH_ROWS = 250_000


@dataclass(frozen=True, slots=True)
class View:
    """What a run looks at: one snapshot, one partition, one scheme, and knowledge up to one instant.

    `known_at` is the cut-off, but for a restatement, which sees what was learned since.
    """

    snapshot: Snapshot
    partition: Partition
    known_at: datetime
    scheme: Scheme
    calendar: Calendar

    @property
    def cutoff(self) -> datetime:
        """The cycle's cut-off: it closes the periods, whatever was learned later."""
        return self.calendar.cutoff(self.partition.cycle, self.partition.region)

    @property
    def stamp(self) -> dict[str, str]:
        """What every decided row of the partition carries: where, for which cycle, under which scheme."""
        return {
            "region": self.partition.region,
            "cycle": self.partition.cycle,
            "valid_for_cycle": self.partition.cycle,
            "scheme_version": self.scheme.version,
        }

    @property
    def buckets(self) -> list[str]:
        """Both buckets of the scheme, once each."""
        return sorted({self.scheme.buckets.classification, self.scheme.buckets.planning})

    def variables(self) -> dict[str, Any]:
        """The SQL variables that the queries name."""
        zone = self.calendar.zone(self.partition.region)
        buckets, exchange = self.scheme.buckets, self.calendar.exchange
        return {
            "region": self.partition.region,
            "cycle": self.partition.cycle,
            "cutoff": self.cutoff,
            "known_at": self.known_at,
            "zone": str(zone),
            "currency": self.calendar.currency,
            "rate_type": exchange.rate_type if exchange else "",
            "pivot_currency": exchange.pivot_currency if exchange else "",
            "max_rate_age_days": exchange.max_age_days if exchange else 0,
            "scheme_version": self.scheme.version,
            "min_stockout_share": self.scheme.censoring.min_stockout_share,
            "bucket_classification": buckets.classification,
            "open_classification": first_open_period(self.cutoff, zone, buckets.classification),
            "open_planning": first_open_period(self.cutoff, zone, buckets.planning),
            "buyers": self.scheme.customers is not None,
        }

    def only(self, *names: str) -> dict[str, Path | pa.Table]:
        """Some tables of the snapshot: a view costs a millisecond, and there are thirty."""
        return {name: self.snapshot.table(name) for name in names}

    def tables(self) -> dict[str, Path | pa.Table]:
        """Every table of the snapshot, the scheme's exclusions and its buckets."""
        rules = [(rule.column, value, rule.name) for rule in self.scheme.exclusions for value in rule.values]
        return {
            **{name: self.snapshot.table(name) for name in self.snapshot.tables},
            "exclusion": pa.table(
                {
                    "column_name": pa.array([rule[0] for rule in rules], pa.string()),
                    "value": pa.array([rule[1] for rule in rules], pa.string()),
                    "name": pa.array([rule[2] for rule in rules], pa.string()),
                }
            ),
            "bucket": pa.table({"bucket": self.buckets}),
        }


def demand_history(view: View, path: Path, kept: Path | None = None) -> pa.Table:
    """Write the demand history of a partition as declared in tables.py, `BATCH_ROWS` at a time; its reconciliation.

    Args:
        view: what is known of the partition.
        path: Parquet file that is written, whole or not at all.
        kept: where the judged sales rows are left for the later stages of the same run; None: nowhere.
    """
    with engine(view.tables(), **view.variables()) as connection:
        sales(connection, view, None)
        if kept is not None:
            _keep(connection, kept)
        zone = view.calendar.zone(view.partition.region)
        usual = judged(connection, scheme=view.scheme, cutoff=view.cutoff, zone=zone)
        found = connection.execute(query("demand_history")).to_arrow_reader(BATCH_ROWS)
        write_batches(path, DEMAND_HISTORY.schema, DEMAND_HISTORY.conform_batches(beside(found, usual)))
        add_view(connection, "demand_history", path)
        return RECONCILIATION.conform(connection.execute(query("reconciliation")).to_arrow_table())


def sales(connection: duckdb.DuckDBPyConnection, view: View, kept: Path | None) -> None:
    """Make `sales_as_known`: converted, and without lines that look booked in another unit than they state.

    Where the run kept it, it is read again: judging every row takes half a second for 300,000.
    """
    connection.execute(query("conversion"))
    if kept is not None and kept.is_file():
        add_view(connection, "sales_as_known", kept)
        return
    connection.execute(query("sales_as_known"))
    if view.scheme.unit_jump is not None:
        set_aside_jumps(connection, view.scheme.unit_jump, view.scheme.buckets.classification)


def _keep(connection: duckdb.DuckDBPyConnection, kept: Path) -> None:
    """Leave `sales_as_known` in scratch, whole or not at all."""
    rows = connection.table("sales_as_known").project("* exclude (document)")
    write_file(kept, lambda temporary: rows.write_parquet(str(temporary)))


def control_total(view: View) -> pa.Table:
    """Rows and sums that every extract known at the cut-off states, against what became of them.

    A first load counts from the first of the known times that it assumes: the cut-off sees rows of it from then on.
    """
    known = [batch for batch in view.snapshot.batches if _age_days(batch, view.known_at) is not None]
    rows = [
        {
            "system": batch["system"],
            "feed": batch["feed"],
            "batch_id": batch["batch_id"],
            "extract_id": batch["extract_id"],
            "extracted_at": datetime.fromisoformat(batch["extracted_at"]),
            "measure": measure,
            "verdict": total["verdict"],
            **{
                name: None if total[name] is None else Decimal(total[name])
                for name in ("stated", "accepted", "refused", "repeated")
            },
            **view.stamp,
        }
        for batch in known
        for measure, total in batch["controls"].items()
    ]
    return CONTROL_TOTAL.conform(pa.Table.from_pylist(rows, schema=CONTROL_TOTAL.schema))


def intake_summary(view: View, kept: Path | None = None) -> pd.DataFrame:
    """One row for the intake gate: last month's sales rows, those refused, the month before, the age of each feed.

    The age of a feed is that of its youngest extract taken by then (`days_since_last_extract_<feed>`); a feed that
    never came has none and fails the gate. A first load that came later counts as having arrived row by row, as its
    assumed known times say: it is of age 0 up to the last of them, and ages from there. `held_extracts` were taken by
    then and wait for changes that are missing.
    """
    with engine(view.tables(), **view.variables()) as connection:
        sales(connection, view, kept)
        summary: pd.DataFrame = connection.execute(query("intake_summary")).df()
    known = view.known_at
    for system, feed in sorted({(batch["system"], batch["feed"]) for batch in view.snapshot.batches}):
        batches = [batch for batch in view.snapshot.batches if (batch["system"], batch["feed"]) == (system, feed)]
        ages = [age for age in (_age_days(batch, known) for batch in batches) if age is not None]
        summary[f"days_since_last_extract_{system}_{feed}"] = min(ages) if ages else float("nan")
    held = [batch for batch in view.snapshot.held if datetime.fromisoformat(batch["extracted_at"]) <= known]
    summary["held_extracts"] = len(held)
    return summary


def _age_days(batch: Mapping[str, Any], known: datetime) -> float | None:
    """Days since a batch was taken; None where nothing of it was known by then."""
    taken = datetime.fromisoformat(batch["extracted_at"])
    if taken > known:
        first, last = map(datetime.fromisoformat, batch.get("assumed_known") or (batch["extracted_at"],) * 2)
        if first > known:
            return None
        taken = min(last, known)
    return (known - taken).total_seconds() / 86400


def locations(view: View) -> dict[str, str]:
    """Region of every location that was known."""
    tables: dict[str, Path | pa.Table] = {"location": view.snapshot.table("int_location_version")}
    with engine(tables, known_at=view.known_at) as connection:
        found = connection.execute(
            "SELECT location_id, region FROM location WHERE known_from <= getvariable('known_at') "
            "AND (known_to IS NULL OR known_to > getvariable('known_at'))"
        )
        return dict(found.fetchall())
