"""An export: the tables of a release as one role sees them, in a folder that appears whole or not at all.

Rows are read, filtered and written batch by batch, so memory does not grow with the table. The ledger says who took
what before the folder appears; what is refused is in the ledger too.

Belongs here: writing the folder and its record. Does not: who may see what (`strata.serving.sight`).
"""

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from strata.conformed.engine import engine
from strata.durable import promote, write_bytes
from strata.failpoint import failpoint
from strata.governance.ledger import EXPORT_FAILED, EXPORT_REFUSED, EXPORTED
from strata.governance.records import Actor, GovernanceError, timestamp
from strata.governance.releases import MANIFEST, Manifest, manifest_file, read_manifest
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.identity import sha256_file
from strata.intake.contract import load_contracts
from strata.serving.access import ROLES_FILE, AccessError, Role, Roles, load_roles
from strata.serving.neutral import neutralised
from strata.serving.pseudonym import Pseudonyms, pseudonyms
from strata.serving.sight import Carried, Sight, carried_by, sight
from strata.tables import LINEAGE_FIELD, TABLES

Format = Literal["csv", "parquet"]
BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Export:
    """What was written where; `manifest` is the manifest beside the files."""

    folder: Path
    manifest: Mapping[str, Any]


def export(
    home: Home,
    store: GovernanceStore,
    *,
    release_id: str,
    role: str,
    tables: Sequence[str] | None,
    file_format: Format,
    out: Path,
    actor: str,
    reason: str,
) -> Export:
    """Write what a role may see of a release into a new folder.

    Args:
        home: the home.
        store: its ledger.
        release_id: a published release.
        role: as declared in `config/roles.yml`.
        tables: which; None for all that the role may see, the others are listed with the reason.
        file_format: of the files; text in CSV is neutralised for spreadsheets.
        out: folder to make; it must not be there yet, or be empty.
        actor: who takes it.
        reason: what for; goes into the ledger.

    Raises:
        AccessError: the role is unknown or may not see a table that was asked for; the ledger keeps that.
        GovernanceError: a file of the release is not the one published.
        ValueError: roles, contracts or the key of pseudonyms do not hold, or `out` holds something.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} holds something already; name a folder that is not there yet")
    released = _published(home, store, release_id)
    contracts = load_contracts(home.config / "feeds")
    roles = load_roles(home.config / ROLES_FILE, contracts)
    wanted = list(TABLES) if tables is None else list(dict.fromkeys(tables))
    seen: list[Sight] = []
    refused: dict[str, str] = {}
    try:
        _check_regions(roles.role(role), role, home)
        lineage = _lineage(home, released)
        for name in wanted:
            try:
                if name in roles.role(role).tables:
                    _check_released(name, released)
                one = sight(name, role, roles, contracts, lineage.get(name, {}), store.now().date())
                seen.append(_as_released(one, released))
            except AccessError as error:
                if tables is not None:
                    raise
                refused[name] = str(error)
        if not seen:
            raise AccessError(f"role {role} may see no table: {next(iter(refused.values()))}")
    except AccessError as error:
        _note_refusal(store, release_id, role, wanted if tables is not None else [], actor, reason, str(error))
        raise
    return _Work(home, store, released, roles, role, file_format, Actor.of(actor), reason).carry_out(seen, refused, out)


@dataclass(frozen=True, slots=True)
class _Work:
    home: Home
    store: GovernanceStore
    released: Manifest
    roles: Roles
    role: str
    file_format: Format
    actor: Actor
    reason: str

    def carry_out(self, seen: Sequence[Sight], refused: Mapping[str, str], out: Path) -> Export:
        out = out.absolute()
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
        folder.mkdir(mode=0o700)
        try:
            hashed = any(column.treatment == "pseudonym" for one in seen for column in one.columns)
            names = pseudonyms(self.home.pseudonym_key) if hashed else None
            written = [self._table(one, folder, names) for one in seen]
            manifest = self._manifest(written, refused, names)
            data = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
            write_bytes(folder / MANIFEST, data)
            failpoint("export.written")
            self._note(manifest, sha256_file(folder / MANIFEST), out)
            self._appear(folder, out, str(manifest["export_id"]))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return Export(out, manifest)

    def _table(self, one: Sight, folder: Path, names: Pseudonyms | None) -> dict[str, Any]:
        file = folder / f"{one.table}.{self.file_format}"
        rows, cells = 0, dict[str, int]()
        batches = _shown(_release_file(self.home, self.released, one.table), one, names)
        if one.hidden_order:
            batches = _sorted(batches, one.hidden_order, folder)
        schema, first = next(batches), True
        with _writer(file, schema, self.file_format) as writer:
            for table in batches:
                if self.file_format == "csv":
                    table, found = neutralised(table)
                    cells = {name: cells.get(name, 0) + found.get(name, 0) for name in {**cells, **found}}
                if table.num_rows or first:
                    writer.write_table(table)
                rows, first = rows + table.num_rows, False
        return {
            "name": one.table,
            "file": file.name,
            "rows": rows,
            "sha256": sha256_file(file),
            "bytes": file.stat().st_size,
            "columns": [{"name": field.name, "type": str(field.type)} for field in schema],
            "pseudonymised": {c.name: c.reason for c in one.columns if c.treatment == "pseudonym"},
            "withheld": {c.name: c.reason for c in one.columns if c.treatment == "withheld"},
            "neutralised_cells": dict(sorted(cells.items())),
        }

    def _manifest(
        self, written: Sequence[Mapping[str, Any]], refused: Mapping[str, str], names: Pseudonyms | None
    ) -> dict[str, Any]:
        role = self.roles.role(self.role)
        return {
            "export_id": uuid.uuid4().hex,
            "made_at": timestamp(self.store.now()),
            "actor": self.actor.actor_id,
            "reason": self.reason,
            "role": self.role,
            "regions": list(role.regions),
            "shared_rows": role.shared_rows,
            "roles_sha256": sha256_file(self.home.config / ROLES_FILE),
            "release_id": self.released["release_id"],
            "cycle": self.released["cycle"],
            "format": self.file_format,
            "pseudonym_key": names.key_id if names else None,
            "tables": list(written),
            "tables_withheld": dict(refused),
        }

    def _note(self, manifest: Mapping[str, Any], sha256: str, out: Path) -> None:
        kept = ("name", "rows", "sha256", "pseudonymised", "withheld")
        after = {
            **{key: manifest[key] for key in ("role", "regions", "release_id", "format", "pseudonym_key")},
            "folder": str(out),
            "manifest_sha256": sha256,
            "tables": [{key: table[key] for key in kept} for table in manifest["tables"]],
            "tables_withheld": sorted(manifest["tables_withheld"]),
        }
        with self.store.transaction() as change:
            change.append(
                EXPORTED, f"release:{manifest['release_id']}", self.actor, reason=self.reason,
                event_id=f"export:{manifest['export_id']}", after=after, config_hash=manifest["roles_sha256"],
            )  # fmt: skip

    def _appear(self, folder: Path, out: Path, export_id: str) -> None:
        """Let the folder appear; where it cannot, the ledger says that nothing left after all."""
        try:
            failpoint("export.noted")
            if not promote(folder, out):
                raise FileExistsError(f"{out} holds something by now; name a folder that is not there yet")
        except OSError as error:
            with self.store.transaction() as change:
                change.append(EXPORT_FAILED, f"export:{export_id}", self.actor, reason=str(error))
            raise


def _shown(file: Path, one: Sight, names: Pseudonyms | None) -> Iterator[Any]:
    """The schema of what is seen, then its rows batch by batch."""
    hide = names.column if names else _no_pseudonym
    with pq.ParquetFile(file, page_checksum_verification=True) as source:
        wanted = [name for name in source.schema_arrow.names if name in {*one.names, "region"}]
        schema = pa.schema([source.schema_arrow.field(name) for name in wanted])
        yield one.apply(schema.empty_table(), hide).schema
        for batch in source.iter_batches(batch_size=BATCH_ROWS, columns=wanted):
            yield one.apply(pa.Table.from_batches([batch]), hide)


def _sorted(batches: Iterator[Any], order: Sequence[str], folder: Path) -> Iterator[Any]:
    """The schema, then the same rows in another order; what does not fit into memory waits on disk."""
    schema, work = next(batches), folder / ".sorting"
    yield schema
    work.mkdir()
    with _writer(work / "rows.parquet", schema, "parquet") as writer:
        for table in batches:
            writer.write_table(table)
    with engine({"shown": work / "rows.parquet"}) as connection:
        found = connection.execute(f"SELECT * FROM shown ORDER BY {', '.join(order)}")  # noqa: S608
        for batch in found.to_arrow_reader(BATCH_ROWS):
            yield pa.Table.from_batches([batch]).cast(schema)
    shutil.rmtree(work)


def _no_pseudonym(column: str, values: pa.Array) -> pa.Array:
    if len(values):
        raise AccessError(f"column {column}: there is no key to make pseudonyms with")
    return values


def _writer(file: Path, schema: pa.Schema, file_format: Format) -> Any:
    if file_format == "csv":
        return pa_csv.CSVWriter(file, schema)
    return pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True)


def _release_file(home: Home, released: Manifest, name: str) -> Path:
    release_id = released["release_id"]
    path = home.release(release_id) / f"{name}.parquet"
    sha256 = {table["name"]: table["sha256"] for table in released["tables"]}[name]
    if not path.is_file() or sha256_file(path) != sha256:
        raise GovernanceError(
            f"{path} is not the file that was published; release {release_id} is damaged, roll back to another"
        )
    return path


def _lineage(home: Home, released: Manifest) -> dict[str, dict[str, Carried]]:
    file = _release_file(home, released, LINEAGE_FIELD.name)
    columns = ["table_name", "column_name", "source_columns", "transformation", "personal_data"]
    return carried_by(pq.read_table(file, columns=columns, filters=[("layer", "==", "release")]).to_pylist())


def _published(home: Home, store: GovernanceStore, release_id: str) -> Manifest:
    """The manifest as the ledger knows it."""
    known = {release.release_id: release.manifest_sha256 for release in store.releases()}
    if release_id not in known:
        raise ValueError(f"release {release_id!r} was never published; `strata releases list` shows those that were")
    manifest = read_manifest(home, release_id)
    if sha256_file(manifest_file(home, release_id)) != known[release_id]:
        raise GovernanceError(f"the manifest of {release_id} is not the one in the ledger; roll back to another")
    return manifest


def _as_released(one: Sight, released: Manifest) -> Sight:
    """The sight of a table as the release has it: an older one may lack columns that came later."""
    (table,) = (table for table in released["tables"] if table["name"] == one.table)
    there = {column["name"] for column in table["columns"]}
    return replace(one, columns=tuple(column for column in one.columns if column.name in there))


def _check_released(name: str, released: Manifest) -> None:
    if name not in {table["name"] for table in released["tables"]}:
        raise AccessError(f"table {name}: release {released['release_id']} was published without it")


def _check_regions(role: Role, name: str, home: Home) -> None:
    known = set(home.calendar().region_codes)
    if strange := sorted(set(role.regions) - known - {"*"}):
        raise ValueError(
            f"{home.config / ROLES_FILE}: roles.{name}.regions: {strange} are not in regions.yml: {sorted(known)}"
        )


def _note_refusal(
    store: GovernanceStore, release_id: str, role: str, tables: Sequence[str], actor: str, reason: str, why: str
) -> None:
    after = {"role": role, "tables": list(tables), "why": why}
    with store.transaction() as change:
        change.append(EXPORT_REFUSED, f"release:{release_id}", actor, reason=reason, after=after)
