"""What is in a release: its tables over all regions, and the manifest that describes them.

Belongs here: putting rows and provenance together. Does not: judging them (`strata.governance.evidence`), writing them
(`strata.governance.staging`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from strata.governance.evidence import Evidence, read_mart
from strata.governance.plan import RegionPlan, ReleasePlan
from strata.governance.records import GovernanceError, timestamp
from strata.governance.releases import Manifest, published_table
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.scheme.load import SchemeRegister, parameters
from strata.tables import PARTITION_TABLES, RELEASE_TABLES, SCHEME, TABLES

MART_TABLES = tuple(name for name in RELEASE_TABLES if name != SCHEME.name)


def release_tables(
    home: Home, plan: ReleasePlan, evidence: Evidence, parent: Manifest | None, marts: Mapping[str, Path]
) -> dict[str, pa.Table]:
    """Every table of the release without `release_id`, sorted by key.

    Raises:
        ValueError: a mart is missing, or rows do not fit their table.
    """
    if missing := [name for name in MART_TABLES if name not in marts]:
        raise ValueError(f"marts {missing} were not given; dbt's marts pass writes them")
    tables = {name: read_mart(marts[name], TABLES[name]) for name in MART_TABLES}
    tables[SCHEME.name] = _scheme_rows(home, plan, evidence, parent)
    for name in PARTITION_TABLES:
        parts = [evidence.rows[region][name] for region in sorted(evidence.rows)]
        tables[name] = TABLES[name].conform(pa.concat_tables([TABLES[name].empty(), *parts]))
    return {name: tables[name] for name in TABLES}


def _scheme_rows(home: Home, plan: ReleasePlan, evidence: Evidence, parent: Manifest | None) -> pa.Table:
    register = SchemeRegister.load(home.config / "schemes")
    rows = [
        {
            "parameter": path, "region": "*", "value": value, "rationale": rationale, "owner": scheme.owner,
            "approved_by": approval.approved_by, "valid_for_cycle": plan.cycle, "scheme_version": version,
        }
        for version, approval in sorted(evidence.approvals.items())
        for scheme in [register.version(version).scheme]
        for path, value, rationale in parameters(scheme)
    ]  # fmt: skip
    known = set(evidence.approvals)
    held = {part["scheme"]["version"] for part in _carried_parts(plan, parent).values()} - known
    if held and parent is not None:
        old = published_table(home, parent, SCHEME.name)
        old = old.filter(pc.is_in(old["scheme_version"], pa.array(sorted(held), pa.string())))
        rows += [{**row, "valid_for_cycle": plan.cycle} for row in old.to_pylist()]
    return SCHEME.conform(pa.Table.from_pylist(rows, schema=SCHEME.schema))


def release_manifest(
    store: GovernanceStore, home: Home, plan: ReleasePlan, evidence: Evidence, parent: Manifest | None
) -> dict[str, Any]:
    """The manifest but for its tables and files, which staging adds once they are written.

    Raises:
        GovernanceError: a snapshot's own record is gone, so the sources cannot be named.
    """
    partitions = _partitions(plan, evidence, parent)
    calendar = home.calendar()
    head = store.ledger_head()
    in_force = SchemeRegister.load(home.config / "schemes").for_cycle(plan.cycle)
    return {
        "release_id": plan.release_id,
        "generation": plan.generation,
        "parent_release": plan.parent,
        "created_at": timestamp(store.now()),
        "profile": store.profile(),
        "cycle": plan.cycle,
        "currency": calendar.currency,
        "rollback_of": None,
        "scopes": list(plan.scopes),
        "regions": {region: part["cycle"] for region, part in partitions.items()},
        "cutoffs": {region: timestamp(calendar.cutoff(part["cycle"], region)) for region, part in partitions.items()},
        "snapshot_ids": {region: part["snapshot_id"] for region, part in partitions.items()},
        "previous_sources": {region: part["previous"] for region, part in partitions.items()},
        "scheme": {"version": in_force.scheme.version, "sha256": in_force.sha256},
        "code_version": "+".join(sorted({part["code_version"] for part in partitions.values()})),
        "partitions": partitions,
        "sources": _sources(home, partitions, parent),
        "gates": _gates(store, plan, evidence, parent),
        "approvals": _approvals(evidence, plan, parent),
        "suspensions": [_suspension(region, parent) for region in plan.regions if region.hold is not None],
        "absent": {region.region: region.why for region in plan.regions if region.kind == "absent"},
        "ledger_head": {"seq": head.seq, "hash": head.hash} if head else None,
    }


def _carried_parts(plan: ReleasePlan, parent: Manifest | None) -> dict[str, Any]:
    if parent is None:
        return {}
    return {r.region: parent["partitions"][r.region] for r in plan.regions if r.kind == "carried"}


def _partitions(plan: ReleasePlan, evidence: Evidence, parent: Manifest | None) -> dict[str, Any]:
    before = _carried_parts(plan, parent)
    parts: dict[str, Any] = {}
    for region in plan.regions:
        if region.kind == "absent":
            continue
        if region.kind == "candidate" and region.candidate is not None:
            made = region.candidate
            hashes = made.content()  # P1 found the rows to have them
            origin = {
                "run_id": made.run_id, "cycle": made.partition.cycle, "snapshot_id": made.snapshot_id,
                "scheme": {"version": made.scheme_version, "sha256": made.scheme_sha256},
                "code_version": made.code_version, "previous": made.previous.as_json(),
            }  # fmt: skip
        else:
            kept = ("run_id", "cycle", "snapshot_id", "scheme", "code_version", "previous")
            origin = {name: before[region.region][name] for name in kept}
            hashes = {name: TABLES[name].content_hash(rows) for name, rows in evidence.rows[region.region].items()}
        tables = {
            name: {"rows": rows.num_rows, "content_hash": hashes[name]}
            for name, rows in sorted(evidence.rows[region.region].items())
        }
        hold = region.hold.as_json() if region.hold else None
        parts[region.region] = {**origin, "kind": region.kind, "why": region.why, "hold": hold, "tables": tables}
    return parts


def _suspension(region: RegionPlan, parent: Manifest | None) -> dict[str, Any]:
    kept = parent["partitions"][region.region] if parent and region.kind == "carried" else None
    return {
        "region": region.region,
        **(region.hold.as_json() if region.hold else {}),
        "rows": region.kind,
        "last_good_cycle": region.cycle,
        "previous_release": parent["release_id"] if parent and kept else None,
        "previous_content": {name: table["content_hash"] for name, table in kept["tables"].items()} if kept else {},
    }


def _gates(
    store: GovernanceStore, plan: ReleasePlan, evidence: Evidence, parent: Manifest | None
) -> list[dict[str, Any]]:
    carried = _carried_parts(plan, parent)
    kept = [
        gate
        for gate in (parent["gates"] if parent else [])
        if gate["region"] in carried
        and gate["cycle"] == carried[gate["region"]]["cycle"]
        and gate["verdict"] != "suspend"
    ]
    records = [record for found in evidence.gates.values() for record in found]
    for region in plan.regions:
        if region.why == "suspended" and region.candidate is not None:
            listed = set(region.candidate.gate_record_ids)
            failed = store.gate_records(run_id=region.candidate.run_id, partition=region.candidate.partition)
            records += [record for record in failed if record.record_id in listed and record.verdict == "suspend"]
    fresh = [
        {
            "gate": record.gate, "scope": record.scope, "region": record.region, "cycle": record.cycle,
            "verdict": record.verdict, "record_id": record.record_id,
        }
        for record in records
    ]  # fmt: skip
    return sorted([*kept, *fresh], key=lambda gate: (gate["region"], gate["gate"], gate["scope"], gate["record_id"]))


def _approvals(evidence: Evidence, plan: ReleasePlan, parent: Manifest | None) -> list[dict[str, Any]]:
    found = {
        approval.sha256: {
            "object": f"scheme:{approval.sha256}", "version": version, "approved_by": approval.approved_by,
            "seq": approval.seq, "hash": approval.hash,
        }
        for version, approval in evidence.approvals.items()
    }  # fmt: skip
    needed = {part["scheme"]["sha256"] for part in _carried_parts(plan, parent).values()}
    for approval in parent["approvals"] if parent else []:
        sha256 = approval["object"].removeprefix("scheme:")
        if sha256 in needed:
            found.setdefault(sha256, approval)
    return [found[sha256] for sha256 in sorted(found)]


def _sources(home: Home, partitions: Mapping[str, Any], parent: Manifest | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for snapshot_id in sorted({part["snapshot_id"] for part in partitions.values()}):
        path = home.snapshot(snapshot_id) / "snapshot.json"
        inherited = [source for source in (parent["sources"] if parent else []) if source["snapshot_id"] == snapshot_id]
        if path.is_file():
            found += [_source(batch, snapshot_id) for batch in json.loads(path.read_bytes())["batches"]]
        elif inherited:
            found += inherited
        else:
            raise GovernanceError(f"{path} is gone, so the sources of the release cannot be named; conform again")
    return sorted(found, key=lambda source: (source["snapshot_id"], source["feed"], source["batch_id"]))


def _source(batch: Mapping[str, Any], snapshot_id: str) -> dict[str, Any]:
    return {
        "feed": f"{batch['system']}/{batch['feed']}",
        "position": batch.get("position"),
        "sha256": batch.get("sha256"),
        "batch_id": batch["batch_id"],
        "extracted_at": batch.get("extracted_at"),
        "snapshot_id": snapshot_id,
    }
