"""Gate records and candidate pointers as rows of the store.

Belongs here: reading and writing them inside a transaction. Does not: whether a candidate may be published
(`strata.governance.evidence`).
"""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from strata.governance.records import AsKnown, Candidate, GateRecord, StaleCandidateError, timestamp
from strata.governance.schema import CANDIDATE, GATE_RECORD
from strata.identity import canonical_json
from strata.partition import Partition


def add_gate_record(connection: Connection, record: GateRecord, at: datetime) -> None:
    """Store a record once per run."""
    same = (GATE_RECORD.c.record_id == record.record_id) & (GATE_RECORD.c.run_id == record.run_id)
    if connection.execute(select(GATE_RECORD.c.record_id).where(same)).first() is None:
        connection.execute(
            insert(GATE_RECORD).values(
                record_id=record.record_id,
                run_id=record.run_id,
                gate=record.gate,
                scope=record.scope,
                region=record.region,
                cycle=record.cycle,
                table_name=record.table,
                content_hash=record.content_hash,
                verdict=record.verdict,
                evaluated_rows=record.evaluated_rows,
                failed_rows=record.failed_rows,
                threshold=record.threshold,
                observed=record.observed,
                details=canonical_json(dict(record.details)).decode(),
                recorded_at=timestamp(at),
            )  # fmt: skip
        )


def gate_records(connection: Connection, run_id: str | None, partition: Partition | None) -> list[GateRecord]:
    """Records of a run, of a partition, or of both together, in the order of gate and scope."""
    query = select(GATE_RECORD).order_by(GATE_RECORD.c.gate, GATE_RECORD.c.scope, GATE_RECORD.c.record_id)
    if run_id is not None:
        query = query.where(GATE_RECORD.c.run_id == run_id)
    if partition is not None:
        query = query.where(GATE_RECORD.c.region == partition.region, GATE_RECORD.c.cycle == partition.cycle)
    return [_gate_record(row) for row in connection.execute(query).mappings()]


def candidate(connection: Connection, partition: Partition, as_known: AsKnown) -> Candidate | None:
    """The candidate that the pointer of a partition stands at."""
    query = select(CANDIDATE.c.body, CANDIDATE.c.generation).where(*_key(partition, as_known))
    row = connection.execute(query).first()
    return None if row is None else Candidate.from_json(json.loads(row.body), row.generation)


def point(
    connection: Connection, made: Candidate, expected_generation: int, at: datetime
) -> tuple[Candidate, Candidate | None]:
    """Move the pointer by compare-and-swap; returns where it stands now and where it stood.

    Raises:
        StaleCandidateError: the pointer does not stand at `expected_generation`.
    """
    partition, body = made.partition, made.as_json()
    known = candidate(connection, partition, made.as_known)
    if known is not None and known.as_json() == body:
        return known, known
    generation = known.generation if known else 0
    if generation != expected_generation:
        raise StaleCandidateError(
            f"candidate of {partition.key} stands at generation {generation}, not {expected_generation}: "
            f"run {known.run_id if known else '-'} was first; run {made.run_id} must start again"
        )
    values = {
        "generation": generation + 1, "run_id": made.run_id, "body": canonical_json(body).decode(),
        "pointed_at": timestamp(at),
    }  # fmt: skip
    if known is None:
        key = {"cycle": partition.cycle, "region": partition.region, "as_known": made.as_known}
        connection.execute(insert(CANDIDATE).values(**key, **values))
    else:
        connection.execute(update(CANDIDATE).where(*_key(partition, made.as_known)).values(**values))
    return Candidate.from_json(body, generation + 1), known


def _key(partition: Partition, as_known: AsKnown) -> tuple[Any, ...]:
    return (
        CANDIDATE.c.cycle == partition.cycle,
        CANDIDATE.c.region == partition.region,
        CANDIDATE.c.as_known == as_known,
    )


def _gate_record(row: RowMapping) -> GateRecord:
    return GateRecord(
        row["record_id"], row["gate"], row["scope"], row["region"], row["cycle"], row["run_id"], row["table_name"],
        row["content_hash"], row["verdict"], row["evaluated_rows"], row["failed_rows"], row["threshold"],
        row["observed"], json.loads(row["details"]),
    )  # fmt: skip
