"""Releases on disk: the pointer, the manifests, the line of descent, the rows of a table.

Belongs here: reading what was published. Does not: writing it (`strata.governance.protocol`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from strata.durable import read_parquet
from strata.governance.records import GovernanceError
from strata.home import Home
from strata.identity import sha256_file
from strata.tables import TABLES

MANIFEST = "manifest.json"
DUCKDB_FILE = "strata.duckdb"

Manifest = Mapping[str, Any]


def current_release(home: Home) -> str | None:
    """Id of the release that `CURRENT` names; None before the first one."""
    try:
        return home.current_file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def manifest_file(home: Home, release_id: str) -> Path:
    """Path of a release's manifest."""
    return home.release(release_id) / MANIFEST


def read_manifest(home: Home, release_id: str) -> Manifest:
    """A release's manifest; GovernanceError where it is missing or damaged."""
    path = manifest_file(home, release_id)
    try:
        content: Manifest = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise GovernanceError(
            f"{path} cannot be read: {error}; release {release_id} is damaged, roll back to another"
        ) from error
    if not isinstance(content, dict) or content.get("release_id") != release_id:
        raise GovernanceError(
            f"{path} is not the manifest of {release_id}; the release is damaged, roll back to another"
        )
    return content


def current_manifest(home: Home) -> Manifest | None:
    """Manifest of the release that `CURRENT` names; None before the first one."""
    release_id = current_release(home)
    return None if release_id is None else read_manifest(home, release_id)


def lineage(home: Home) -> list[Manifest]:
    """Manifests from CURRENT back to the first release, newest first.

    A rollback is followed by the release that it restored and by that one's line; what was rolled back is skipped.
    """
    manifests: list[Manifest] = []
    release_id = current_release(home)
    while release_id is not None:
        manifest = read_manifest(home, release_id)
        manifests.append(manifest)
        release_id = manifest["rollback_of"] or manifest["parent_release"]
    return manifests


def published_table(home: Home, manifest: Manifest, name: str) -> pa.Table:
    """A table of a release without its `release_id`; GovernanceError where the file is not the one published."""
    release_id = manifest["release_id"]
    path = home.release(release_id) / f"{name}.parquet"
    sha256 = {table["name"]: table["sha256"] for table in manifest["tables"]}[name]
    if not path.is_file() or sha256_file(path) != sha256:
        raise GovernanceError(
            f"{path} is not the file that was published; release {release_id} is damaged, roll back to another"
        )
    return read_parquet(path).select(TABLES[name].names)


def region_rows(table: pa.Table, region: str) -> pa.Table:
    """Rows of one region."""
    return table.filter(pc.equal(table["region"], region))
