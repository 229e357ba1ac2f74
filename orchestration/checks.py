"""Gates inside Dagster: judging a run, pointing at its candidate, and showing the stored verdicts as asset checks.

Belongs here: running `expectations` over a run's tables and storing what they say. Does not: rules and bounds. A check
in the UI only shows the durable gate record; nothing relies on Dagster to block (the publisher reads the record).
"""

from collections.abc import Iterator

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from expectations.gate import STAGES, gate_table, run_gates
from orchestration.partitions import Grid
from orchestration.resources import Workspace
from orchestration.standing import feed_standings
from strata.conformed.decide import active_items
from strata.conformed.history import intake_summary
from strata.conformed.units import REASON as UNIT_JUMP
from strata.durable import read_parquet
from strata.governance.records import GateRecord, TableRef, worst_verdict
from strata.partition import Partition
from strata.tables import GATE_RESULT, PARTITION_TABLES, TABLES

JUDGED = tuple(name for name in PARTITION_TABLES if name != GATE_RESULT.name)


def judge(workspace: Workspace, partition: Partition, run_id: str) -> pa.Table:
    """Run every gate over the tables of this run, store the records, and return the rows of `gate_result`."""
    view = workspace.view(partition, run_id)
    files = {name: workspace.input_file(name, partition, run_id) for name in JUDGED}
    tables = {name: read_parquet(file) for name, file in files.items()}
    kept = workspace.kept_sales(partition, run_id)
    summary = intake_summary(view, kept)
    kept.unlink(missing_ok=True)  # nobody after the gate reads it
    outcomes = run_gates(
        tables,
        scheme=view.scheme,
        partition=partition,
        run_id=run_id,
        content_hashes={name: TABLES[name].content_hash(rows) for name, rows in tables.items()},
        intake_summary=summary,
        feeds=feed_standings(workspace, view, summary),
        active_items=active_items(files["demand_history"]),
        previous_exists=workspace.previous_source(partition).kind != "none",
    )
    records = [GateRecord.of(**outcome.as_record()) for outcome in outcomes]
    if not workspace.lake_root:  # a replay leaves no trace in the store
        workspace.store.add_gate_records(records)
        _alert(workspace, records)
        _alert_jumps(workspace, partition, tables["demand_history"])
    named = [(outcome, record.record_id) for outcome, record in zip(outcomes, records, strict=True)]
    return GATE_RESULT.conform(gate_table(named, scheme=view.scheme))


def _alert(workspace: Workspace, records: list[GateRecord]) -> None:
    # Once per content: the region is suspended when its cycle is published, people should not learn of it only then.
    for record in records:
        if record.verdict == "suspend":
            names = ("gate", "region", "cycle", "run_id", "record_id", "threshold", "observed")
            payload = {name: getattr(record, name) for name in names}
            workspace.store.enqueue_alert("gate_failed", f"gate:{record.record_id}", payload)


def _alert_jumps(workspace: Workspace, partition: Partition, history: pa.Table) -> None:
    """One alert per item whose lines were set aside as booked in another unit, and per day it began."""
    jumped = history.filter(pc.equal(history["adjustment_reason"], UNIT_JUMP))
    firsts = jumped.group_by(["sku_id"], use_threads=False).aggregate([("period_start", "min")])
    for row in firsts.sort_by("sku_id").to_pylist():
        since = row["period_start_min"].isoformat()
        payload = {"sku_id": row["sku_id"], "region": partition.region, "cycle": partition.cycle, "since": since}
        advice = "send the unit and its factor (erp/item_units), corrected lines, or exempt the item in the scheme"
        key = f"unit_jump:{partition.region}:{row['sku_id']}:{since}"
        workspace.store.enqueue_alert("unit_jump", key, {**payload, "advice": advice})


def point(workspace: Workspace, partition: Partition, run_id: str) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Make this run's tables the candidate of its partition, whatever its verdict; a restatement keeps its own."""
    store, home = workspace.store, workspace.home
    before = store.candidate(partition) if workspace.as_known == "cutoff" else store.restatement(partition)
    refs = {}
    for name in PARTITION_TABLES:
        file = workspace.input_file(name, partition, run_id)
        rows = pq.read_metadata(file).num_rows
        refs[name] = TableRef(name, str(file.relative_to(home.root)), rows, TABLES[name].content_hash_file(file))
    records = store.gate_records(run_id=run_id, partition=partition)
    made = store.point_candidate(
        workspace.candidate(
            workspace.view(partition, run_id), run_id, refs, tuple(r.record_id for r in records), worst_verdict(records)
        ),
        before.generation if before else 0,
    )
    return dg.MaterializeResult(
        metadata={
            "verdict": made.verdict,
            "generation": made.generation,
            "snapshot_id": made.snapshot_id,
            "scheme_version": made.scheme_version,
            "previous": f"{made.previous.kind} {made.previous.id or ''}".strip(),
        }
    )


def gate_checks(grid: Grid) -> list[dg.AssetChecksDefinition]:
    """One check per gate, on the table it is bound to, that shows the stored record of the run; all in one step."""
    specs = {
        stage.name: dg.AssetCheckSpec(
            f"{stage.name}_gate",
            asset=stage.table,
            additional_deps=[dg.AssetDep(GATE_RESULT.name, partition_mapping=grid.same)],
            partitions_def=grid.region_cycle,
            description=f"Stored verdict of the {stage.name} gate; the publisher reads the same and fails closed.",
        )
        for stage in STAGES
    }

    # Subsets, so that one table can be materialized alone.
    @dg.multi_asset_check(name="show_verdicts", specs=list(specs.values()), can_subset=True)
    def show_verdicts(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> Iterator[dg.AssetCheckResult]:
        """Show what the gates of this run said."""
        partition = Partition.from_key(context.partition_key)
        records = {r.gate: r for r in workspace.store.gate_records(run_id=context.run.run_id, partition=partition)}
        for gate, spec in specs.items():
            if spec.key in context.selected_asset_check_keys:
                yield _shown(spec, records.get(gate))

    return [show_verdicts]


def _shown(spec: dg.AssetCheckSpec, record: GateRecord | None) -> dg.AssetCheckResult:
    """A suspension is an error; rows held out and watches that failed are warnings: neither is shown as good."""
    if record is None:
        return dg.AssetCheckResult(
            asset_key=spec.asset_key,
            check_name=spec.name,
            passed=False,
            metadata={"verdict": "this run stored no record of the gate; materialize gate_result in the same run"},
        )
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=record.verdict == "pass",
        severity=dg.AssetCheckSeverity.ERROR if record.verdict == "suspend" else dg.AssetCheckSeverity.WARN,
        metadata={
            "verdict": record.verdict,
            "evaluated_rows": record.evaluated_rows,
            "failed_rows": record.failed_rows,
            "threshold": record.threshold or "-",
            "observed": record.observed or "-",
            "record_id": record.record_id,
            "content_hash": record.content_hash,
            "details": dg.MetadataValue.json(dict(record.details)),
        },
    )
