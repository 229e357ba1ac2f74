"""Recomputing a release from raw as it was known then: the same graph over a scratch root, compared by content hash.

Belongs here: what is built again and what it is compared with. Does not: the graph (`orchestration.definitions`).
"""

import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from orchestration.dbt import DBT_PROJECT
from orchestration.definitions import build_definitions
from orchestration.execution import execute
from orchestration.jobs import DECIDE
from orchestration.landing import conform
from orchestration.partitions import partition_key
from orchestration.publication import item_value_files
from orchestration.resources import Workspace, newest_of, schemes
from orchestration.version import code_version
from strata.conformed.build import MARTS, MARTS_INPUTS, ReleasePart, Snapshot, build_marts, load_snapshot
from strata.durable import read_parquet, write_parquet
from strata.governance.evidence import carried_rows
from strata.governance.plan import Hold, RegionPlan
from strata.governance.releases import read_manifest
from strata.home import Home
from strata.partition import Partition
from strata.tables import PARTITION_TABLES, TABLES


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """A release recomputed: how many tables were compared, those whose content differs, and which code made each."""

    release_id: str
    compared: int
    differences: list[str]
    published_by: str
    replayed_by: str


def replay(home: Home, release_id: str) -> ReplayReport:
    """Recompute every table of a release from raw, as it was known then, and compare content hashes.

    Snapshots are built again from the batches that the release's own snapshots name, in a scratch root below
    `staging/`, which is removed; previous classes come from the source that the manifest records. Nothing else in the
    home changes. The `scheme` table is compared by the content hash of the scheme files it was made from.
    """
    manifest = read_manifest(home, release_id)
    root = home.scratch(f"replay-{release_id}-{uuid.uuid4().hex[:8]}")
    differences: list[str] = []
    try:
        scratch = _scratch_home(home, root)
        snapshots, rows = {}, {}
        for region, part in sorted(manifest["partitions"].items()):
            recorded = load_snapshot(home, part["snapshot_id"])
            snapshots[region] = conform(
                scratch,
                f"conform-{recorded.snapshot_id}",
                frozenset(str(b["batch_id"]) for b in recorded.batches),
                recorded.held,
            )
            differences += _changed(
                f"{region} conformed",
                {name: content.content_hash for name, content in recorded.tables.items()},
                {name: content.content_hash for name, content in snapshots[region].tables.items()},
            )
            rows[region] = _decide(home, scratch, region, part, snapshots[region], manifest["cycle"])
            wanted = {name: table["content_hash"] for name, table in part["tables"].items()}
            found = {name: TABLES[name].content_hash(table) for name, table in rows[region].items()}
            differences += _changed(region, wanted, found)
            if schemes(home.config / "schemes").version(part["scheme"]["version"]).sha256 != part["scheme"]["sha256"]:
                differences.append(f"{region} scheme {part['scheme']['version']}: the file has changed")
        differences += _changed(
            "release",
            {table["name"]: table["content_hash"] for table in manifest["tables"] if table["name"] in MARTS},
            _marts(home, scratch, manifest, snapshots, rows),
        )
    finally:
        shutil.rmtree(root, ignore_errors=True)
    compared = len(rows) * (len(PARTITION_TABLES) + 1) + len(MARTS)
    return ReplayReport(release_id, compared, differences, manifest["code_version"], code_version())


def _changed(scope: str, wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    return [f"{scope} {name}" for name in sorted({*wanted, *found}) if wanted.get(name) != found.get(name)]


def _scratch_home(home: Home, root: Path) -> Home:
    """A home below staging that reads this one's raw batches and configuration."""
    root.mkdir(parents=True)
    (root / "raw").symlink_to(home.raw, target_is_directory=True)
    shutil.copytree(home.config, root / "config")
    return Home(root)


def _decide(
    home: Home, scratch: Home, region: str, part: Mapping[str, Any], snapshot: Snapshot, cycle: str
) -> dict[str, pa.Table]:
    """The tables of one partition computed again, as the release of `cycle` shows them."""
    partition, source = Partition(region, part["cycle"]), part["previous"]
    workspace = Workspace(
        root=str(home.root),
        snapshot_root=str(scratch.root),
        snapshot_id=snapshot.snapshot_id,
        lake_root=str(scratch.root),
        previous={region: [source["kind"], source["id"], source["content_hash"]]},
    )
    with dg.DagsterInstance.ephemeral() as ready:
        run = execute(
            build_definitions(home, workspace).resolve_job_def(DECIDE),
            ready,
            partition_key(partition.key),
            scratch.root / "replay.log",
            asset_selection=[dg.AssetKey(name) for name in PARTITION_TABLES],
        )
    rows = {name: read_parquet(scratch.lake_file(name, partition, run.run_id)) for name in PARTITION_TABLES}
    if part["kind"] != "carried":
        return rows
    hold = Hold(**part["hold"]) if part["hold"] else None
    shown = RegionPlan(
        region=region, kind="carried", why=part["why"], candidate=None, cycle=part["cycle"], hold=hold, resumes=None,
        is_new=False,
    )  # fmt: skip
    return {name: carried_rows(TABLES[name], table, cycle, shown) for name, table in rows.items()}


def _marts(
    home: Home,
    scratch: Home,
    manifest: Mapping[str, Any],
    snapshots: Mapping[str, Snapshot],
    rows: Mapping[str, Mapping[str, pa.Table]],
) -> dict[str, str]:
    """Content hashes of the release's own tables, built again."""
    calendar, parts = home.calendar(), []
    tables: dict[str, list[Path]] = {name: [] for name in MARTS_INPUTS}
    for region, part in sorted(manifest["partitions"].items()):
        parts.append(
            ReleasePart(
                region=region,
                cycle=part["cycle"],
                valid_for_cycle=manifest["cycle"],
                cutoff=calendar.cutoff(part["cycle"], region),
                scheme_version=part["scheme"]["version"],
            )
        )
        for name in MARTS_INPUTS:
            file = scratch.root / "parts" / f"{name}-{region}.parquet"
            write_parquet(file, rows[region][name])
            tables[name].append(file)
    # The release took the newest of its parts' snapshots; which that is, the recorded ones say.
    recorded = {region: load_snapshot(home, part["snapshot_id"]) for region, part in manifest["partitions"].items()}
    newest = newest_of(recorded.values()).snapshot_id
    snapshot = next(snapshots[region] for region, known in recorded.items() if known.snapshot_id == newest)
    workspace = Workspace(root=str(home.root))
    tables["item_value"] = item_value_files(workspace, snapshot, parts, scratch.root / "parts")
    folder = build_marts(scratch, run_id="marts", snapshot=snapshot, parts=parts, tables=tables, project=DBT_PROJECT)
    return {name: TABLES[name].content_hash(read_parquet(folder / f"{name}.parquet")) for name in MARTS}
