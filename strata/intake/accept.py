"""One extract in staging: copied, verified against its manifest, read, typed, and written as a batch.

Belongs here: everything up to the folder that is renamed into raw/, and the checks that refuse an extract whole.
Does not: where extracts are found and what was processed before (`strata.intake.land`).
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from strata.durable import write_bytes, write_file
from strata.identity import canonical_json, sha256_file
from strata.intake.batches import BATCH_NAME, ROWS_NAME, Batch, read_batch, rows_schema
from strata.intake.casts import LANDED_COLUMNS, quoted, typed_sql
from strata.intake.changes import check_log, check_positions, check_range
from strata.intake.contract import Contract
from strata.intake.manifest import Manifest, ManifestFile, open_regular
from strata.intake.positions import is_log
from strata.intake.readers import open_engine, read_file
from strata.intake.reasons import RefusedExtractError
from strata.intake.repeats import refuse_repeats
from strata.intake.translate import Translation, check_kind, native_contract, table_of, translate

_BLOCK = 1 << 20
# Rows of one Parquet row group: 250,000 rows of 25 columns are some 60 MB in memory.
_ROW_GROUP = 250_000
# Half of the last decimal place: a total that was added up in floats may be off by less.
_HALF_STEP = Decimal("0.00005")


@dataclass(frozen=True, slots=True)
class Staged:
    """Folders of one extract below staging/: `batch` is renamed into place, `work` is thrown away."""

    batch: Path
    work: Path

    @property
    def files(self) -> Path:
        """Copies of the delivered files."""
        return self.batch / "files"


def copy_verified(source: Path, staged: Staged, manifest: Manifest) -> None:
    """Copy the files of a manifest out of landing and verify bytes and hash of every copy.

    What is read afterwards is the copy, so that nobody can change it in between.

    Raises:
        RefusedExtractError: a file is missing, is not a regular file, or is not what the manifest states.
    """
    for file in manifest.files:
        size, digest = _copy(source / file.name, staged.files / file.name, file.bytes)
        if size != file.bytes:
            found = f"more than {file.bytes}" if size > file.bytes else str(size)
            advice = f"{found} bytes found, {file.bytes} stated in the manifest; transfer it again"
            raise RefusedExtractError("bytes_differ", advice, file=file.name)
        if digest != file.sha256:
            advice = f"sha256 is {digest}, the manifest states {file.sha256}; transfer it again"
            raise RefusedExtractError("sha256_differs", advice, file=file.name)


def _copy(source: Path, target: Path, limit: int) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with os.fdopen(open_regular(source), "rb") as reader, target.open("wb") as writer:
        while size <= limit and (block := reader.read(_BLOCK)):
            digest.update(block)
            writer.write(block)
            size += len(block)
    return size, digest.hexdigest()


def check_terms(manifest: Manifest, contract: Contract, accepted: Sequence[Batch], now: datetime | None) -> None:
    """Refuse what contract or history does not allow, before any row is read.

    Args:
        manifest: the extract.
        contract: the contract of its feed.
        accepted: the feed's accepted batches.
        now: wall clock of landing, against which an extract from the future is refused; None does not look.
    """
    if not contract.accepts(manifest.schema_version):
        advice = f"schema version {manifest.schema_version}, the contract has {contract.schema_version}; agree a change"
        raise RefusedExtractError("schema_version_unknown", advice)
    if manifest.encoding != contract.encoding:
        advice = f"encoding {manifest.encoding}, the contract names {contract.encoding}; agree a change of contract"
        raise RefusedExtractError("encoding_refused", advice)
    if manifest.kind == "cdc" and manifest.envelope == "debezium" and manifest.format != "jsonl":
        advice = f"debezium events in {manifest.format} are not read; send them as jsonl, one event a line"
        raise RefusedExtractError("envelope_unknown", advice)
    limits = contract.thresholds
    if manifest.rows > limits.max_rows:
        advice = f"{manifest.rows} rows, the contract allows {limits.max_rows} in one extract; split it"
        raise RefusedExtractError("too_many_rows", advice)
    if manifest.rows == 0 and manifest.kind == "full" and (is_log(manifest) or not contract.allow_empty):
        advice = "no rows; if the source is truly empty the contract must say allow_empty"
        if is_log(manifest):
            advice = "no rows, which would end every key of a feed of changes; send its deletes"
        raise RefusedExtractError("empty_extract", advice)
    if now is not None and manifest.extracted_at > now + timedelta(minutes=limits.future_tolerance_minutes):
        advice = f"extracted_at {manifest.extracted_at.isoformat()} lies in the future; set the source's clock"
        raise RefusedExtractError("extracted_in_future", advice)
    _check_history(manifest, contract, accepted)


def _check_history(manifest: Manifest, contract: Contract, accepted: Sequence[Batch]) -> None:
    if manifest.supersedes != manifest.extract_id and any(
        batch.manifest.extract_id == manifest.extract_id for batch in accepted
    ):
        advice = f"{manifest.extract_id} came before with other content; give it a new id, or name it in supersedes"
        raise RefusedExtractError("extract_id_reused", advice)
    envelopes = {batch.manifest.envelope for batch in accepted}
    if envelopes and manifest.envelope not in envelopes:
        advice = f"accepted so far with the positions of {sorted(envelopes)[0]}; they do not compare: begin a new feed"
        raise RefusedExtractError("kind_mixed", advice)
    if is_log(manifest):
        check_log(manifest, [batch.manifest for batch in accepted])
        return
    if manifest.initial_load and any(not batch.manifest.initial_load for batch in accepted):
        advice = "the feed has ordinary extracts; send this one without initial_load"
        raise RefusedExtractError("initial_load_late", advice)
    if manifest.kind == "full" and contract.full_means == "state":
        newest = max((batch.manifest.extracted_at for batch in accepted), default=None)
        if newest is not None and manifest.extracted_at <= newest:
            advice = f"the state of {manifest.extracted_at.isoformat()} is not newer than that of {newest.isoformat()}"
            raise RefusedExtractError("older_than_accepted", advice)


def write_batch(
    staged: Staged,
    batch_id: str,
    manifest: Manifest,
    contract: Contract,
    quarantine: Path,
    landed_at: datetime | None,
) -> Batch:
    """Read and type the copied files, then write rows.parquet and batch.json into the staged folder.

    Args:
        staged: holds the verified copies.
        batch_id: identity of the manifest.
        manifest: the extract.
        contract: the contract of its feed.
        quarantine: folder of the batch in quarantine/, where refused rows are written readably.
        landed_at: the wall clock of landing, kept for the record only.

    Raises:
        RefusedExtractError: a file is not of its format, its columns or row count are wrong, or totals differ.
    """
    contract_sha256, contract = contract.sha256, contract.at_version(manifest.schema_version)
    with open_engine(staged.work, sum(file.bytes for file in manifest.files)) as engine:
        read = _read_all(engine, staged, manifest, contract)
        engine.execute(f"CREATE TABLE typed AS {typed_sql(contract, manifest, batch_id)}")
        totals = _control_totals(engine, manifest, contract)
        dropped = refuse_repeats(engine, contract) if manifest.kind == "full" else 0
        _split_totals(engine, totals)
        rows_file = staged.batch / ROWS_NAME
        write_file(rows_file, lambda temporary: _write_rows(engine, contract, temporary))
        refusals = dict(
            engine.execute(
                "SELECT _refusal_reason, count(*) FROM typed WHERE _refusal_reason IS NOT NULL GROUP BY 1 ORDER BY 1"
            ).fetchall()
        )
        found, first, last = _one(engine, "SELECT count(*), min(_position), max(_position) FROM typed")
        refused = sum(refusals.values())
        record = {
            "batch_id": batch_id,
            "landed_at": landed_at.isoformat() if landed_at else None,
            "manifest": manifest.as_json(),
            "accepted_rows": found - refused,
            "refused_rows": refused,
            "duplicate_rows": dropped,
            "refusals": refusals,
            "excluded": read.excluded,
            "totalled_rows": read.totalled,
            "control_totals": totals,
            "normalised": _normalised(engine, contract),
            "first_position": first,
            "last_position": last,
            "assumed_known": _assumed_known(engine, manifest, contract),
            "touched_locations": _distinct(engine, contract, "location_id"),
            "touched_regions": _distinct(engine, contract, "region"),
            "warnings": list(read.warnings),
            "contract_sha256": contract_sha256,
            "rows_sha256": sha256_file(rows_file),
        }
        if refused:
            lines = b"".join(canonical_json(row) + b"\n" for row in refused_rows(engine, contract))
            write_bytes(quarantine / "rows.jsonl", lines)
    write_bytes(staged.batch / BATCH_NAME, json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False).encode())
    return read_batch(staged.batch)


def _read_all(engine: duckdb.DuckDBPyConnection, staged: Staged, manifest: Manifest, contract: Contract) -> Translation:
    """Every file as a table, and the view `landed` over all of them."""
    if contract.source is not None:
        return _read_native(engine, staged, manifest, contract)
    parts = []
    for index, file in enumerate(manifest.files):
        parts.append(_read_one(engine, staged, index, file, contract, manifest))
    names = ", ".join([*contract.names, *LANDED_COLUMNS])
    union = " UNION ALL ".join(f"SELECT {names} FROM ({part.sql})" for part in parts)  # noqa: S608 - names of ours
    engine.execute(f"CREATE VIEW landed AS {union}")
    if manifest.kind == "cdc":
        check_range(engine, manifest)
        check_positions(engine, contract, parts)
    return Translation({}, 0, tuple(sorted({warning for part in parts for warning in part.warnings})))


def _read_native(
    engine: duckdb.DuckDBPyConnection, staged: Staged, manifest: Manifest, contract: Contract
) -> Translation:
    """`_read_all` of a feed that a mapping spells: native columns first, canonical ones made of them."""
    check_kind(contract, manifest)
    parts, unread = [], Counter[str]()
    for index, file in enumerate(manifest.files):
        table = table_of(contract, file)
        part = _read_one(engine, staged, index, file, native_contract(contract, table), manifest)
        parts.append((table, part))
        # A native table has far more columns than a feed; how many is enough to see one come or go.
        unread[table] = max(unread[table], len(part.warnings))
    if manifest.kind == "cdc":
        check_positions(engine, native_contract(contract, parts[0][0]), [part for _, part in parts])
    found = translate(engine, contract, manifest, [(table, part.sql) for table, part in parts])
    if manifest.kind == "cdc":
        check_range(engine, manifest)
    counts = (f"columns_unmapped: {table} has {count} that are not read" for table, count in unread.items() if count)
    gone = (f"rows_excluded: {count} ({why})" for why, count in found.excluded.items())
    added = (f"rows_totalled: {found.totalled} were added into others of their key",) if found.totalled else ()
    return Translation(found.excluded, found.totalled, tuple(sorted([*found.warnings, *counts, *gone, *added])))


def _read_one(
    engine: duckdb.DuckDBPyConnection,
    staged: Staged,
    index: int,
    file: ManifestFile,
    contract: Contract,
    manifest: Manifest,
) -> Any:
    return read_file(engine, staged.files / file.name, staged.work, index, file, contract, manifest)


def _control_totals(
    engine: duckdb.DuckDBPyConnection, manifest: Manifest, contract: Contract
) -> dict[str, dict[str, Any]]:
    """Stated and found sum of every column with a control total; refused where all was readable and they differ."""
    totals: dict[str, dict[str, Any]] = {}
    for name, stated in sorted(manifest.control_totals.items()):
        if name not in contract.names or contract.column(name).type not in ("integer", "decimal"):
            advice = f"the manifest has a control total of {name}, which is no number of the contract"
            raise RefusedExtractError("totals_differ", advice, column=name)
        bit = 1 << contract.names.index(name)
        total, unreadable = _one(
            engine,
            f"SELECT coalesce(sum({name}), 0), count(*) FILTER (WHERE (_unreadable & {bit}) <> 0) "  # noqa: S608
            "FROM typed WHERE _op = 'u'",
        )
        matched = abs(Decimal(total) - stated) < _HALF_STEP
        if not matched and not unreadable:
            advice = f"the sum of {name} is {total}, the manifest states {stated}; extract again"
            raise RefusedExtractError("totals_differ", advice, column=name)
        totals[name] = {
            "stated": str(stated),
            "found": str(total),
            "unreadable_rows": unreadable,
            "verdict": "matched" if matched else "unverified",
        }
    return totals


def _split_totals(engine: duckdb.DuckDBPyConnection, totals: dict[str, dict[str, Any]]) -> None:
    """Add to every control total what of it is in good rows, in refused ones and in dropped repeats."""
    for name, total in totals.items():
        accepted, refused = _one(
            engine,
            f"SELECT coalesce(sum({name}) FILTER (WHERE _refusal_reason IS NULL), 0), "  # noqa: S608
            f"coalesce(sum({name}) FILTER (WHERE _refusal_reason IS NOT NULL), 0) FROM typed WHERE _op = 'u'",
        )
        repeated = Decimal(total["found"]) - Decimal(accepted) - Decimal(refused)
        total |= {"accepted": str(accepted), "refused": str(refused), "repeated": str(repeated)}


def _write_rows(engine: duckdb.DuckDBPyConnection, contract: Contract, path: Path) -> None:
    schema = rows_schema(contract)
    sql = f"SELECT {', '.join(schema.names)} FROM typed ORDER BY _file_index, _row, _sequence, _op"  # noqa: S608
    reader = engine.execute(sql).to_arrow_reader(_ROW_GROUP)
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in reader:
            writer.write_batch(batch.cast(schema))


def refused_rows(engine: duckdb.DuckDBPyConnection, contract: Contract) -> Iterator[dict[str, Any]]:
    """Refused rows as they stood in the file, with reason, file, row, column and value."""
    raw = ", ".join(f"landed.{name}" for name in contract.names)
    cursor = engine.execute(
        "SELECT typed._file, typed._row, _refusal_reason, _refusal_column, _refused_value, "  # noqa: S608
        f"{raw} FROM typed JOIN landed USING (_file_index, _row, _op, _sequence) "
        "WHERE _refusal_reason IS NOT NULL ORDER BY _file_index, _row, _op"
    )
    while rows := cursor.fetchmany(10_000):
        for file, row, reason, column, value, *texts in rows:
            record = dict(zip(contract.names, texts, strict=True))
            found = {"file": file, "row": row, "reason": reason, "column": column, "value": value, "record": record}
            # Where the value stands in the source: several fields for SQL, none for a constant.
            yield found | ({"native": list(contract.source.sources(column))} if contract.source and column else {})


def _assumed_known(engine: duckdb.DuckDBPyConnection, manifest: Manifest, contract: Contract) -> tuple[str, str] | None:
    """Between which times a first load counts as having arrived row by row, though it came at once and later."""
    if not manifest.initial_load:
        return None
    if contract.business_time is None:
        return "1970-01-01T00:00:00+00:00", manifest.extracted_at.isoformat()
    first, last = _one(
        engine,
        "SELECT min(_known_from), max(_known_from) FROM typed "
        "WHERE _known_basis = 'assumed' AND _refusal_reason IS NULL",
    )
    return (first.astimezone(UTC).isoformat(), last.astimezone(UTC).isoformat()) if first else None


def _normalised(engine: duckdb.DuckDBPyConnection, contract: Contract) -> dict[str, int]:
    counts = [f"count(*) FILTER (WHERE (_normalised & {1 << i}) <> 0)" for i, _ in enumerate(contract.columns)]
    found = _one(engine, f"SELECT {', '.join(counts)} FROM typed WHERE _normalised <> 0")  # noqa: S608
    return {name: count for name, count in zip(contract.names, found, strict=True) if count}


def _distinct(engine: duckdb.DuckDBPyConnection, contract: Contract, column: str) -> list[str]:
    if column not in contract.names:
        return []
    sql = f"SELECT DISTINCT {column} FROM typed WHERE _refusal_reason IS NULL AND {column} IS NOT NULL ORDER BY 1"  # noqa: S608
    return [row[0] for row in engine.execute(sql).fetchall()]


def _one(engine: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    found = engine.execute(sql).fetchone()
    if found is None:
        raise RuntimeError(f"no row from {quoted(sql)}")
    return found
