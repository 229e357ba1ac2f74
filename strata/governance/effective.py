"""Which classes were in force in the cycle before: the memory that hysteresis and migration read.

Belongs here: finding that source and loading its rows (semantics.md section 5). Does not: using them.
"""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from strata.durable import read_parquet
from strata.governance.records import NO_PREVIOUS, PASSING, GovernanceError, PreviousSource, Release
from strata.governance.releases import Manifest, lineage, published_table, read_manifest, region_rows
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.identity import sha256_json
from strata.partition import Partition
from strata.tables import SEGMENT_ASSIGNMENT, TABLES

Content = tuple[str, str, str]


def previous_source(store: GovernanceStore, home: Home, partition: Partition) -> PreviousSource:
    """Where the effective classes of the cycle before `partition` are.

    1. The newest release of that cycle in CURRENT's lineage that holds the region, rows carried forward included.
    2. Was the cycle published for the region and rolled back: what was in force instead, that is the newest release
       of an earlier cycle in the lineage.
    3. Was it never published: its candidate, if it passed its gates and was not rolled back.
    4. Otherwise none.
    """
    before = partition.previous()
    line = lineage(home)
    for manifest in line:
        if manifest["cycle"] == before.cycle and before.region in manifest["partitions"]:
            return _of_release(manifest, before.region)
    if _was_published(store, before):
        for manifest in line:
            if manifest["cycle"] < before.cycle and before.region in manifest["partitions"]:
                return _of_release(manifest, before.region)
        return NO_PREVIOUS
    candidate = store.candidate(before)
    if candidate is None or candidate.verdict not in PASSING:
        return NO_PREVIOUS
    if content_of(before.region, before.cycle, candidate.content()) in rolled_back(store, line):
        return NO_PREVIOUS
    return PreviousSource("candidate", candidate.run_id, candidate.tables[SEGMENT_ASSIGNMENT.name].content_hash)


def previous_rows(store: GovernanceStore, home: Home, partition: Partition, source: PreviousSource) -> pa.Table | None:
    """The `segment_assignment` rows that `source` names for the region of `partition`; None for source `none`.

    Raises:
        GovernanceError: the rows are gone or are not those whose hash was recorded.
    """
    return previous_table(store, home, partition, source, SEGMENT_ASSIGNMENT.name)


def previous_table(
    store: GovernanceStore, home: Home, partition: Partition, source: PreviousSource, name: str
) -> pa.Table | None:
    """Rows of a table from where `source` has the classes of the cycle before; None where it has no such table.

    Raises:
        GovernanceError: the rows are gone or are not those whose hash was recorded.
    """
    if source.kind == "none" or source.id is None:
        return None
    before = partition.previous()
    recorded: str | None = None
    if source.kind == "release":
        manifest = read_manifest(home, source.id)
        entry = manifest["partitions"][partition.region]["tables"].get(name)
        if entry is None:  # a release from before the table was
            return None
        recorded, rows = entry["content_hash"], region_rows(published_table(home, manifest, name), partition.region)
    else:
        path, candidate = home.lake_file(name, before, source.id), store.candidate(before)
        # Decided again since, the run's own file is read: it never changes, and stays until it is cleaned up.
        if candidate is not None and candidate.run_id == source.id:
            if (ref := candidate.tables.get(name)) is None:
                return None
            path, recorded = home.root / ref.path, ref.content_hash
        if not path.is_file():
            raise GovernanceError(f"{path}: rows of {name} before {partition.key} are gone; run that cycle again")
        rows = read_parquet(path)
    if name == SEGMENT_ASSIGNMENT.name:  # the source itself says which classes they were
        recorded = source.content_hash
    found = TABLES[name].content_hash(rows)
    if recorded is not None and found != recorded:
        raise GovernanceError(
            f"{name} before {partition.key} from {source.kind} {source.id} has hash {found}, recorded was {recorded}"
        )
    return rows


def content_of(region: str, cycle: str, hashes: Mapping[str, str]) -> Content:
    """What a candidate says, whichever run computed it."""
    return region, cycle, sha256_json(dict(hashes))


def rolled_back(store: GovernanceStore, line: Sequence[Manifest]) -> set[Content]:
    """Contents that were published, are no longer in the lineage, and so were taken back by a person."""
    in_line = {manifest["release_id"] for manifest in line}
    published = store.releases()
    kept = {content for release in published if release.release_id in in_line for content in _contents(release)}
    return {content for release in published for content in _contents(release)} - kept


def _contents(release: Release) -> set[Content]:
    return {(region, part.cycle, part.content) for region, part in release.parts.items() if part.kind == "candidate"}


def _was_published(store: GovernanceStore, partition: Partition) -> bool:
    return any(partition.region in release.parts for release in store.releases() if release.cycle == partition.cycle)


def _of_release(manifest: Manifest, region: str) -> PreviousSource:
    content = manifest["partitions"][region]["tables"][SEGMENT_ASSIGNMENT.name]["content_hash"]
    return PreviousSource("release", manifest["release_id"], content)
