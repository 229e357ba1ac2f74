"""Tiny fabricated candidates, marts and homes for tests of the control plane: valid rows for every declared table."""

import datetime as dt
import json
import shutil
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from strata.durable import write_parquet
from strata.governance.content import MART_TABLES
from strata.governance.plan import plan_release
from strata.governance.publisher import PublishResult, publish
from strata.governance.records import NO_PREVIOUS, Candidate, GateRecord, PreviousSource, TableRef, worst_verdict
from strata.governance.store import GovernanceStore
from strata.home import REPOSITORY, Home
from strata.partition import Partition
from strata.scheme.load import SchemeRegister
from strata.tables import GATE_RESULT, PARTITION_TABLES, TABLES, Column, Table

REQUIRED = frozenset({"assignment.coverage", "policy.bounds"})
GATES = {"assignment.coverage": "segment_assignment", "policy.bounds": "inventory_policy"}
REGIONS = ("EAST", "WEST")
SNAPSHOT = "snap0001"
SCHEME = SchemeRegister.load(REPOSITORY / "config" / "schemes").files[0]


def make_home(root: Path, regions: Sequence[str] = REGIONS, profile: str = "trial") -> tuple[Home, GovernanceStore]:
    """An initialised home with its own regions and one snapshot record."""
    home = Home(root)
    shutil.copytree(REPOSITORY / "config", root / "config")
    listed = "\n".join(f"  - {{region: {region}, name: {region}, time_zone: Etc/UTC}}" for region in regions)
    (root / "config" / "regions.yml").write_text(f"regions:\n{listed}\n")
    batch = {
        "system": "erp",
        "feed": "items",
        "batch_id": "b1",
        "position": None,
        "extracted_at": "x",
        "sha256": "0" * 64,
    }
    home.snapshot(SNAPSHOT).mkdir(parents=True)
    (home.snapshot(SNAPSHOT) / "snapshot.json").write_text(json.dumps({"snapshot_id": SNAPSHOT, "batches": [batch]}))
    store = GovernanceStore(home)
    store.initialise(profile, "tester")
    return home, store


def rows_of(table: Table, partition: Partition, count: int, version: int) -> pa.Table:
    """`count` valid rows whose numbers depend on `version`."""
    fixed = {
        "region": partition.region, "cycle": partition.cycle, "valid_for_cycle": partition.cycle,
        "scheme_version": SCHEME.scheme.version, "location_id": "*", "is_suspended": False,
        "suspended_since": None, "suspension_reason": None,
    }  # fmt: skip
    if table.scope == "release":
        del fixed["location_id"]  # a key of its own there
    rows = [{c.name: fixed.get(c.name, _value(c, row, version)) for c in table.columns} for row in range(count)]
    return table.conform(pa.Table.from_pylist(rows, schema=table.schema))


def _value(column: Column, row: int, version: int) -> object:
    if column.nullable and row % 2:
        return None
    return {
        "text": f"{column.name}-{row}",
        "int": 10 * version + row,
        "float": version + row / 4,
        "bool": bool(row % 2),
        "date": dt.date(2017, 1, 2) + dt.timedelta(days=row),
        "timestamp": dt.datetime(2017, 1, 2, row % 24, tzinfo=dt.UTC),
        "decimal": Decimal(version * 100 + row) / 4,
    }[column.kind]


def make_candidate(
    store: GovernanceStore,
    home: Home,
    region: str,
    cycle: str,
    *,
    version: int = 1,
    run_id: str | None = None,
    count: int = 3,
    verdicts: Mapping[str, str] | None = None,
    as_known: str = "cutoff",
    previous: PreviousSource = NO_PREVIOUS,
) -> Candidate:
    """Write the tables of one partition to the lake, judge them, and return the candidate, not pointed at yet."""
    partition = Partition(region, cycle)
    run_id = run_id or f"run-{cycle}-{region}-v{version}"
    tables = {
        name: rows_of(TABLES[name], partition, count, version) for name in PARTITION_TABLES if name != GATE_RESULT.name
    }
    records = [
        GateRecord.of(
            gate=gate, scope=f"region={region}", region=region, cycle=cycle, run_id=run_id, table=table,
            content_hash=TABLES[table].content_hash(tables[table]), verdict=(verdicts or {}).get(gate, "pass"),
            evaluated_rows=count, failed_rows=0, threshold="0.5", observed="0.7", details={"keys": []},
        )
        for gate, table in GATES.items()
    ]  # fmt: skip
    store.add_gate_records(records)
    tables[GATE_RESULT.name] = gate_results(records)
    refs = {}
    for name, rows in tables.items():
        path = home.lake_file(name, partition, run_id)
        write_parquet(path, rows)
        refs[name] = TableRef(name, str(path.relative_to(home.root)), rows.num_rows, TABLES[name].content_hash(rows))
    return Candidate(
        partition, 0, run_id, SNAPSHOT, SCHEME.scheme.version, SCHEME.sha256, "code-1", as_known, previous, refs,
        tuple(record.record_id for record in records), worst_verdict(records),
    )  # fmt: skip


def gate_results(records: Sequence[GateRecord]) -> pa.Table:
    """The `gate_result` table of some records."""
    rows = [
        {
            "gate": record.gate, "scope": record.scope, "region": record.region, "cycle": record.cycle,
            "verdict": record.verdict, "evaluated_rows": record.evaluated_rows, "failed_rows": record.failed_rows,
            "threshold": record.threshold, "observed": record.observed, "record_id": record.record_id,
            "valid_for_cycle": record.cycle, "scheme_version": SCHEME.scheme.version,
        }
        for record in records
    ]  # fmt: skip
    return GATE_RESULT.conform(pa.Table.from_pylist(rows, schema=GATE_RESULT.schema))


def point(store: GovernanceStore, home: Home, region: str, cycle: str, **how: object) -> Candidate:
    """Make a candidate and point the partition at it."""
    known = store.candidate(Partition(region, cycle))
    return store.point_candidate(make_candidate(store, home, region, cycle, **how), known.generation if known else 0)


def make_marts(home: Home, cycle: str, version: int = 1) -> dict[str, Path]:
    """Release tables as dbt would write them."""
    marts = {}
    for name in MART_TABLES:
        marts[name] = home.staging / f"marts-{cycle}-{version}" / f"{name}.parquet"
        write_parquet(marts[name], rows_of(TABLES[name], Partition("EAST", cycle), 2, version))
    return marts


def publish_cycle(
    store: GovernanceStore, home: Home, cycle: str, regions: Sequence[str] | None = None, run_id: str = "publisher"
) -> PublishResult:
    """Plan and publish a cycle."""
    plan = plan_release(store, home, cycle, regions)
    return publish(
        store,
        home,
        plan,
        make_marts(home, cycle),
        run_id=run_id,
        actor="tester",
        reason="test",
        required_gates=REQUIRED,
    )


def everything(store: GovernanceStore, home: Home, cycle: str, **how: object) -> PublishResult:
    """Candidates for both regions, published."""
    for region in REGIONS:
        point(store, home, region, cycle, **how)
    return publish_cycle(store, home, cycle)
