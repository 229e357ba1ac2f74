"""What must hold before anything is published (P1): verdicts, hashes, approvals, the ledger. Fails closed.

Belongs here: re-reading and re-judging a plan from the store and the files, trusting neither the run nor the pointer.
Does not: writing a release.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from strata.durable import read_parquet
from strata.governance.plan import RegionPlan, ReleasePlan
from strata.governance.records import Candidate, GateRecord, GovernanceError, SchemeApproval
from strata.governance.releases import Manifest, manifest_file, published_table, region_rows
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.identity import sha256_file
from strata.scheme.load import SchemeRegister
from strata.tables import GATE_RESULT, PARTITION_TABLES, SUSPENSION_COLUMNS, TABLES, Table

RegionTables = Mapping[str, Mapping[str, pa.Table]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What P1 found: faults (any of them refuses the release), and what may be published if there are none."""

    faults: tuple[str, ...]
    rows: RegionTables
    gates: Mapping[str, Sequence[GateRecord]]
    approvals: Mapping[str, SchemeApproval]


def gather(
    store: GovernanceStore, home: Home, plan: ReleasePlan, parent: Manifest | None, required_gates: frozenset[str]
) -> Evidence:
    """Judge a plan anew and read the rows it would publish."""
    faults = _parent_faults(store, home, parent)
    if not required_gates:
        faults.append("no required gates were named; a release without any gate is never published")
    register = SchemeRegister.load(home.config / "schemes")
    rows: dict[str, Mapping[str, pa.Table]] = {}
    gates: dict[str, Sequence[GateRecord]] = {}
    approvals: dict[str, SchemeApproval] = {}
    for region in plan.regions:
        if region.kind == "candidate" and region.candidate is not None:
            candidate = region.candidate
            tables, found = _candidate_tables(home, candidate)
            hashes = {name: TABLES[name].content_hash(table) for name, table in tables.items()}
            found += _changed(candidate, tables, hashes)
            records, unproven = _records(store, candidate, hashes, required_gates)
            unproven += _result_faults(tables, records)
            approval, unapproved = _approval(store, register, candidate)
            faults += [
                f"{candidate.partition.key} run {candidate.run_id}: {f}" for f in (*found, *unproven, *unapproved)
            ]
            rows[region.region], gates[region.region] = tables, records
            if approval is not None:
                approvals[approval.version] = approval
    carried, damaged = _carried_tables(home, plan, parent)
    return Evidence((*faults, *damaged), {**rows, **carried}, gates, approvals)


def _parent_faults(store: GovernanceStore, home: Home, parent: Manifest | None) -> list[str]:
    if parent is None:
        return []
    release_id = parent["release_id"]
    published = {release.release_id: release.manifest_sha256 for release in store.releases()}
    if published.get(release_id) != sha256_file(manifest_file(home, release_id)):
        return [f"release {release_id} is current, but its manifest is not the one in the ledger; roll back to another"]
    return []


def _candidate_tables(home: Home, candidate: Candidate) -> tuple[dict[str, pa.Table], list[str]]:
    faults = [f"table {name} is missing" for name in PARTITION_TABLES if name not in candidate.tables]
    faults += [
        f"table {name} is not a table of a partition" for name in candidate.tables if name not in PARTITION_TABLES
    ]
    tables = {}
    for name in PARTITION_TABLES:
        if (ref := candidate.tables.get(name)) is None:
            continue
        path = (home.root / ref.path).resolve()
        if not path.is_relative_to(home.lake.resolve()):
            faults.append(f"table {name}: {ref.path} is not in the lake")
            continue
        try:
            tables[name] = TABLES[name].conform(read_parquet(path))
        except (OSError, ValueError) as error:
            faults.append(f"table {name}: {ref.path} cannot be read: {error}")
            continue
        faults += _row_faults(TABLES[name], tables[name], candidate)
    return tables, faults


def _changed(candidate: Candidate, tables: Mapping[str, pa.Table], hashes: Mapping[str, str]) -> list[str]:
    return [
        f"table {name}: {candidate.tables[name].path} was changed after it was judged"
        for name, found in hashes.items()
        if found != candidate.tables[name].content_hash or tables[name].num_rows != candidate.tables[name].rows
    ]


def _row_faults(table: Table, rows: pa.Table, candidate: Candidate) -> list[str]:
    cycle = candidate.partition.cycle
    expected = {
        "region": candidate.partition.region,
        "cycle": cycle,
        "valid_for_cycle": cycle,
        "scheme_version": candidate.scheme_version,
    }
    faults = [
        f"table {table.name}: column {column} must be {value} in every row"
        for column, value in expected.items()
        if not pc.all(pc.equal(rows[column], value)).as_py() and rows.num_rows
    ]
    if table.decided and pc.any(rows["is_suspended"]).as_py():
        faults.append(f"table {table.name}: only the publisher suspends rows, but is_suspended is set")
    return faults


def _records(
    store: GovernanceStore, candidate: Candidate, hashes: Mapping[str, str], required_gates: frozenset[str]
) -> tuple[list[GateRecord], list[str]]:
    stored = store.gate_records(run_id=candidate.run_id, partition=candidate.partition)
    listed = [record for record in stored if record.record_id in candidate.gate_record_ids]
    missing = sorted(set(candidate.gate_record_ids) - {record.record_id for record in listed})
    faults = [f"gate record {record_id} is not in the store for this run and partition" for record_id in missing]
    if lacking := sorted(required_gates - {record.gate for record in listed}):
        faults.append(f"required gates {lacking} have no record")
    if candidate.verdict == "suspend":
        faults.append("the candidate is suspended")
    for record in stored:
        if record.record_id not in candidate.gate_record_ids:
            ref = candidate.tables.get(record.table)
            if record.verdict == "suspend" and ref is not None and ref.content_hash == record.content_hash:
                faults.append(
                    f"gate {record.gate} ({record.scope}) suspended this very content, but its record was left out"
                )
            continue
        where = f"gate {record.gate} ({record.scope})"
        if _identity(record) != record.record_id:
            faults.append(f"{where}: its record was changed in the store")
        if record.table not in hashes:
            faults.append(f"{where}: it judged {record.table!r}, which the candidate does not have")
        elif hashes[record.table] != record.content_hash:
            faults.append(f"{where}: it judged another content of {record.table} than the one to publish")
        if record.evaluated_rows <= 0:
            faults.append(f"{where}: it evaluated no rows")
        if record.verdict == "suspend":
            faults.append(f"{where}: its verdict is suspend")
    return listed, faults


def _identity(record: GateRecord) -> str:
    return GateRecord.of(
        gate=record.gate, scope=record.scope, region=record.region, cycle=record.cycle, run_id=record.run_id,
        table=record.table, content_hash=record.content_hash, verdict=record.verdict,
        evaluated_rows=record.evaluated_rows, failed_rows=record.failed_rows, threshold=record.threshold,
        observed=record.observed, details=record.details,
    ).record_id  # fmt: skip


def _result_faults(tables: Mapping[str, pa.Table], records: Sequence[GateRecord]) -> list[str]:
    if (results := tables.get(GATE_RESULT.name)) is None:
        return []
    known = {record.record_id: record.verdict for record in records}
    return [
        f"gate_result says {row['verdict']} for {row['gate']} ({row['scope']}), the store has no such record"
        for row in results.select(["gate", "scope", "verdict", "record_id"]).to_pylist()
        if known.get(row["record_id"]) != row["verdict"]
    ]


def _approval(
    store: GovernanceStore, register: SchemeRegister, candidate: Candidate
) -> tuple[SchemeApproval | None, list[str]]:
    faults = []
    in_force = register.for_cycle(candidate.partition.cycle)
    if in_force.sha256 != candidate.scheme_sha256 or in_force.scheme.version != candidate.scheme_version:
        faults.append(
            f"scheme {candidate.scheme_version} ({candidate.scheme_sha256[:8]}) decided, but {in_force.path.name} now "
            f"says {in_force.scheme.version} ({in_force.sha256[:8]}); an approved scheme is superseded, not edited"
        )
    approval = store.scheme_approval(candidate.scheme_sha256)
    if approval is None or approval.version != candidate.scheme_version:
        faults.append(
            f"scheme {candidate.scheme_version} ({candidate.scheme_sha256[:8]}) is not approved; "
            "propose it and have it approved"
        )
    return approval, faults


def _carried_tables(
    home: Home, plan: ReleasePlan, parent: Manifest | None
) -> tuple[dict[str, Mapping[str, pa.Table]], list[str]]:
    regions = [region for region in plan.regions if region.kind == "carried"]
    carried: dict[str, dict[str, pa.Table]] = {region.region: {} for region in regions}
    if not regions or parent is None:
        return {}, []
    try:
        for name in PARTITION_TABLES:
            whole = published_table(home, parent, name)
            for region in regions:
                carried[region.region][name] = carried_rows(
                    TABLES[name], region_rows(whole, region.region), plan.cycle, region
                )
    except GovernanceError as error:
        return {}, [str(error)]
    return {**carried}, []


def carried_rows(table: Table, rows: pa.Table, cycle: str, region: RegionPlan) -> pa.Table:
    """Last good rows as the next release shows them: serving its cycle, and flagged where the region is suspended.

    `gate_result` stays with the cycle that it judged.
    """
    values: dict[str, str | bool | None] = {}
    if table.name != GATE_RESULT.name:
        values["valid_for_cycle"] = cycle
    if table.decided:
        hold = region.hold
        flags = (hold is not None, hold.since_cycle if hold else None, hold.reason if hold else None)
        values.update(zip(SUSPENSION_COLUMNS, flags, strict=True))
    for column, value in values.items():
        field = table.schema.field(column)
        constant = pa.array([value] * rows.num_rows, type=field.type)
        rows = rows.set_column(rows.schema.get_field_index(column), field, constant)
    return table.conform(rows)


def read_mart(path: Path, table: Table) -> pa.Table:
    """A release table as dbt wrote it; ValueError where it is missing or does not fit its declaration."""
    try:
        return table.conform(read_parquet(path))
    except OSError as error:
        raise ValueError(f"table {table.name}: {path} cannot be read: {error}; run the marts again") from error
