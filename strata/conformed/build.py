"""Conformed snapshots and the marts of a release, each built whole by one dbt pass.

Belongs here: what a pass reads, the identity of a snapshot, its promotion, the shape of its output. Does not: how dbt
is started (`strata.conformed.dbt_pass`), the rules themselves (`dbt_project/`), choosing batches (`strata.intake`) or
candidates (`strata.governance`).
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from strata import tables as published
from strata.conformed.dbt_pass import (
    ConformError,
    link_input,
    prepare_folder,
    project_sha256,
    run_dbt,
    run_results,
)
from strata.derivation import Derivation, Step, copied
from strata.durable import promote, read_parquet, write_bytes, write_parquet
from strata.failpoint import failpoint
from strata.home import Home
from strata.identity import content_hash_file, sha256_json

FEEDS = (
    "crm__accounts",
    "crm__contracts",
    "crm__incentives",
    "crm__item_hierarchy",
    "crm__promotions",
    "crm__sla_terms",
    "erp__bill_of_materials",
    "erp__customers",
    "erp__exchange_rates",
    "erp__goods_receipts",
    "erp__inventory_budget",
    "erp__item_sites",
    "erp__item_units",
    "erp__items",
    "erp__planning_parameters",
    "erp__price_conditions",
    "erp__purchase_order_lines",
    "erp__sales_order_lines",
    "erp__supplier_items",
    "erp__suppliers",
    "planning__consensus_decisions",
    "planning__forecast_overrides",
    "planning__resource_plan",
    "tms__lanes",
    "tms__rates",
    "tms__shipments",
    "wms__item_handling",
    "wms__pick_tasks",
    "wms__sites",
    "wms__slots",
    "wms__stock_movements",
    "wms__stock_snapshots",
)
SNAPSHOT_KEYS: Mapping[str, tuple[str, ...]] = {
    "int_item_version": ("sku_id", "known_from"),
    "int_customer_version": ("customer_id", "known_from"),
    "int_supplier_version": ("supplier_id", "known_from"),
    "int_supplier_item_version": ("supplier_id", "sku_id", "known_from"),
    "int_location_version": ("location_id", "known_from"),
    "fct_sales_line": ("order_id", "order_line", "known_from"),
    "fct_purchase_order_line": ("po_id", "po_line", "known_from"),
    "fct_goods_receipt": ("receipt_id", "receipt_line", "known_from"),
    "fct_price_condition": ("sku_id", "price_list", "valid_from", "known_from"),
    "fct_stock_snapshot": ("location_id", "sku_id", "snapshot_date", "known_from"),
    "fct_promotion": ("promotion_id", "sku_id", "location_id", "known_from"),
    "int_item_unit_version": ("sku_id", "unit", "valid_from", "known_from"),
    "int_hierarchy_version": ("hierarchy_source", "source_item_id", "level", "valid_from", "known_from"),
    "fct_exchange_rate": ("from_currency", "to_currency", "rate_type", "valid_from", "known_from"),
    "int_item_site_version": ("sku_id", "location_id", "known_from"),
    "int_bom_position_version": ("sku_id", "location_id", "alternative", "bom_position", "known_from"),
    "fct_inventory_budget": ("budget_version", "region", "scope_type", "scope_value", "period_start", "known_from"),
    "int_planning_parameter_version": ("sku_id", "location_id", "known_from"),
    "fct_stock_movement": ("movement_id", "movement_line", "known_from"),
    "fct_pick_task": ("location_id", "task_id", "known_from"),
    "int_slot_version": ("location_id", "slot_id", "known_from"),
    "int_item_handling_version": ("sku_id", "known_from"),
    "int_lane_version": ("lane_id", "mode", "known_from"),
    "fct_freight_rate": ("lane_id", "mode", "carrier_id", "weight_from_kg", "valid_from", "known_from"),
    "fct_shipment": ("shipment_id", "shipment_line", "known_from"),
    "int_account_version": ("account_id", "known_from"),
    "int_contract_version": ("contract_id", "known_from"),
    "int_sla_term_version": ("contract_id", "term_id", "known_from"),
    "int_incentive_version": ("incentive_id", "known_from"),
    "fct_forecast_override": ("override_id", "known_from"),
    "fct_consensus_decision": ("decision_id", "known_from"),
    "fct_resource_plan": ("location_id", "resource_id", "period_start", "known_from"),
    "fct_refused_row": ("source_batch_id", "source_file", "source_row"),
}
MARTS = ("dim_item", "dim_location", "dim_customer", "dim_supplier", "segment_kpi")
MARTS_INPUTS = ("segment_assignment", "demand_history")
RELEASE_PART = pa.schema(
    [
        pa.field("region", pa.string(), nullable=False),
        pa.field("cycle", pa.string(), nullable=False),
        pa.field("valid_for_cycle", pa.string(), nullable=False),
        pa.field("cutoff", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("scheme_version", pa.string(), nullable=False),
    ]
)
# What one unit of an item holds in base units, and what a base unit costs in group currency, at a part's cut-off. A
# unit that is null is the base unit; a cost that is null has no rate or was never stated.
ITEM_VALUE = pa.schema(
    [
        pa.field("sku_id", pa.string(), nullable=False),
        pa.field("region", pa.string(), nullable=False),
        pa.field("unit", pa.string()),
        pa.field("valid_from", pa.date32()),
        pa.field("valid_until", pa.date32()),
        pa.field("factor", pa.decimal128(24, 14)),
        pa.field("unit_cost", pa.decimal128(18, 4)),
    ]
)
STEPS: tuple[Step, ...] = (Derivation("release_part", {name: copied(f"run.{name}") for name in RELEASE_PART.names}),)


@dataclass(frozen=True, slots=True)
class TableContent:
    """Rows and content hash of one conformed table."""

    rows: int
    content_hash: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One conformed snapshot: immutable, named by its inputs. `held` waited for changes when it was built."""

    snapshot_id: str
    folder: Path
    created_at: str
    batches: tuple[Mapping[str, Any], ...]
    tables: Mapping[str, TableContent]
    dbt_version: str
    project_sha256: str
    held: tuple[Mapping[str, Any], ...] = ()

    def table(self, name: str) -> Path:
        """The Parquet file of one table; KeyError naming the tables there are."""
        if name not in self.tables:
            raise KeyError(f"snapshot {self.snapshot_id} has no table {name!r}; it has {sorted(self.tables)}")
        return self.folder / name / f"{name}.parquet"


@dataclass(frozen=True, slots=True)
class ReleasePart:
    """One region of a release: the cycle that computed its rows, the cycle they serve, cut-off and scheme."""

    region: str
    cycle: str
    valid_for_cycle: str
    cutoff: datetime
    scheme_version: str


@dataclass(frozen=True, slots=True)
class ConformPass:
    """A prepared conform pass: run dbt in `folder`, then `promote_snapshot` it."""

    home: Home
    folder: Path
    snapshot_id: str
    batches: tuple[Mapping[str, Any], ...]
    project_sha256: str
    held: tuple[Mapping[str, Any], ...] = ()


def snapshot_id_of(batches: Sequence[Mapping[str, Any]], project: Path) -> str:
    """16 hex digits over the sorted batch ids and the dbt project: equal inputs, equal id."""
    ids = sorted(str(batch["batch_id"]) for batch in batches)
    return sha256_json({"batches": ids, "project": project_sha256(project)})[:16]


def load_snapshot(home: Home, snapshot_id: str) -> Snapshot:
    """Read a snapshot's record; ConformError naming the file where there is none."""
    return _snapshot_in(home.snapshot(snapshot_id))


def build_snapshot(
    home: Home,
    *,
    run_id: str,
    batches: Sequence[Mapping[str, Any]],
    inputs: Mapping[str, Sequence[Path]],
    empties: Mapping[str, pa.Table],
    project: Path,
    held: Sequence[Mapping[str, Any]] = (),
) -> Snapshot:
    """The snapshot of these batches: found where it was built before, else built by dbt and renamed into place.

    Args:
        home: data root.
        run_id: names the scratch folder; the same run may try again.
        batches: one record per batch (`system, feed, batch_id, position, extracted_at, sha256`), stored as they are.
        inputs: `rows.parquet` of those batches by `<system>__<feed>`, each in the folder named by its batch id.
        empties: a table without rows but with the present columns of the feed, by `<system>__<feed>`, for all `FEEDS`.
        project: folder of the dbt project.
        held: one record per accepted batch that is not among them (`system, feed, batch_id, extracted_at, advice`).

    Raises:
        ConformError: inputs do not fit the batches, dbt failed, or the result contradicts a snapshot of the same id.
    """
    found = find_snapshot(home, batches, project)
    if found is not None:
        return found
    work = prepare_conform(
        home, run_id=run_id, batches=batches, inputs=inputs, empties=empties, project=project, held=held
    )
    run_dbt(work.folder, "conform")
    return promote_snapshot(work)


def find_snapshot(home: Home, batches: Sequence[Mapping[str, Any]], project: Path) -> Snapshot | None:
    """The snapshot of these batches, if it was built before."""
    folder = home.snapshot(snapshot_id_of(batches, project))
    return _snapshot_in(folder) if (folder / "snapshot.json").is_file() else None


def prepare_conform(
    home: Home,
    *,
    run_id: str,
    batches: Sequence[Mapping[str, Any]],
    inputs: Mapping[str, Sequence[Path]],
    empties: Mapping[str, pa.Table],
    project: Path,
    held: Sequence[Mapping[str, Any]] = (),
) -> ConformPass:
    """Lay out the scratch folder of a conform pass; arguments as `build_snapshot`."""
    given = sorted(file.parent.name for files in inputs.values() for file in files)
    declared = sorted(str(batch["batch_id"]) for batch in batches)
    if given != declared:
        raise ConformError(
            f"inputs and batches differ: {sorted(set(given) ^ set(declared))[:5]}; pass the same batches"
        )
    missing = [feed for feed in FEEDS if feed not in empties]
    if missing:
        raise ConformError(f"feeds {missing} have no empty table; pass one per contract, rows or not")
    folder = home.scratch(run_id) / "dbt-conform"
    prepare_folder(folder, project, tuple(SNAPSHOT_KEYS))
    for feed, empty in empties.items():
        link_input(folder, feed, [(file.parent.name, file) for file in inputs.get(feed, ())])
        write_parquet(folder / "inputs" / feed / "no-rows.parquet", empty)
    return ConformPass(
        home, folder, snapshot_id_of(batches, project), tuple(batches), project_sha256(project), tuple(held)
    )


def promote_snapshot(work: ConformPass) -> Snapshot:
    """Write the record of a finished conform pass and rename its output to `conformed/<snapshot_id>`.

    Where another run was faster, its snapshot is taken if the content is equal.

    Raises:
        ConformError: a table is missing, breaks its key, or differs from a snapshot of the same id.
    """
    outputs = work.folder / "outputs"
    record = {
        "snapshot_id": work.snapshot_id,
        "created_at": run_results(work.folder)["metadata"]["generated_at"],
        "batches": [dict(batch) for batch in sorted(work.batches, key=lambda batch: str(batch["batch_id"]))],
        "held": [dict(batch) for batch in sorted(work.held, key=lambda batch: str(batch["batch_id"]))],
        "tables": {name: asdict(_content(outputs, name)) for name in SNAPSHOT_KEYS},
        "dbt_version": version("dbt-core"),
        "project_sha256": work.project_sha256,
    }
    write_bytes(outputs / "snapshot.json", json.dumps(record, indent=2, sort_keys=True).encode())
    failpoint("conform.promote")
    moved = promote(outputs, work.home.snapshot(work.snapshot_id))
    snapshot = load_snapshot(work.home, work.snapshot_id)
    differing = [name for name in SNAPSHOT_KEYS if asdict(snapshot.tables[name]) != record["tables"][name]]
    if not moved and differing:
        raise ConformError(
            f"snapshot {work.snapshot_id} exists with other content in {differing}; equal batches and project must "
            f"give equal tables: compare {snapshot.folder} with {outputs} before anything is published"
        )
    shutil.rmtree(work.folder / "inputs")
    (work.folder / "dbt.duckdb").unlink(missing_ok=True)
    return snapshot


def build_marts(
    home: Home,
    *,
    run_id: str,
    snapshot: Snapshot,
    parts: Sequence[ReleasePart],
    tables: Mapping[str, Sequence[Path]],
    project: Path,
) -> Path:
    """Build the tables that only a whole release can have (`MARTS`) from its parts.

    Args:
        home: data root.
        run_id: names the scratch folder.
        snapshot: conformed tables that dimensions and stock come from.
        parts: the regions of the release, each once.
        tables: candidate files per table of `MARTS_INPUTS` and of `item_value`, one per region; other tables are
            linked as well.
        project: folder of the dbt project.

    Returns:
        Folder in the scratch of the run that holds `<table>.parquet` for each of `MARTS`, checked by
        `strata.tables` and sorted by key.

    Raises:
        ConformError: dbt failed. TableError: a result does not fit its declared table.
    """
    folder = prepare_marts(home, run_id=run_id, snapshot=snapshot, parts=parts, tables=tables, project=project)
    run_dbt(folder, "marts")
    return finish_marts(folder)


def prepare_marts(
    home: Home,
    *,
    run_id: str,
    snapshot: Snapshot,
    parts: Sequence[ReleasePart],
    tables: Mapping[str, Sequence[Path]],
    project: Path,
) -> Path:
    """Lay out the scratch folder of a marts pass; arguments as `build_marts`."""
    folder = home.scratch(run_id) / "dbt-marts"
    prepare_folder(folder, project, ())
    rows = pa.Table.from_pylist([asdict(part) for part in parts], schema=RELEASE_PART)
    write_parquet(folder / "inputs" / "release_part" / "release_part.parquet", rows)
    empties = {"item_value": ITEM_VALUE.empty_table()}
    for name in sorted({*MARTS_INPUTS, *empties, *tables}):
        files = tables.get(name, ())
        link_input(folder, name, [(f"part-{number:04d}", file) for number, file in enumerate(files)])
        if not files:
            empty = empties[name] if name in empties else published.TABLES[name].empty()
            write_parquet(folder / "inputs" / name / "no-rows.parquet", empty)
    (folder / "inputs" / "snapshot").mkdir()
    for name in SNAPSHOT_KEYS:
        link_input(folder, f"snapshot/{name}", [(name, snapshot.table(name))])
    return folder


def finish_marts(folder: Path) -> Path:
    """Check the output of a finished marts pass against its declared tables; return the folder of the files."""
    outputs = folder / "outputs"
    for name in MARTS:
        write_parquet(
            outputs / f"{name}.parquet", published.TABLES[name].conform(read_parquet(outputs / f"{name}.parquet"))
        )
    return outputs


def _content(outputs: Path, name: str) -> TableContent:
    file = outputs / name / f"{name}.parquet"
    if not file.is_file():
        raise ConformError(f"table {name}: dbt wrote no {file}; select every conformed table in the pass")
    try:
        return TableContent(pq.read_metadata(file).num_rows, content_hash_file(file, SNAPSHOT_KEYS[name]))
    except ValueError as error:
        raise ConformError(f"table {name}: {error}") from error


def _snapshot_in(folder: Path) -> Snapshot:
    file = folder / "snapshot.json"
    if not file.is_file():
        raise ConformError(f"{file} is missing: no such snapshot; build it again from the same batches")
    record = json.loads(file.read_bytes())
    tables = {name: TableContent(**content) for name, content in record["tables"].items()}
    return Snapshot(
        snapshot_id=record["snapshot_id"],
        folder=folder,
        created_at=record["created_at"],
        batches=tuple(record["batches"]),
        tables=tables,
        dbt_version=record["dbt_version"],
        project_sha256=record["project_sha256"],
        held=tuple(record["held"]),
    )
