"""Is a release still what was published? Bytes, content, database, ledger.

Belongs here: checks that anyone may run at any time, without a lock. Does not: judging candidates
(`strata.governance.evidence`).
"""

from strata.governance.records import GovernanceError
from strata.governance.releases import current_release, manifest_file, read_manifest
from strata.governance.staging import content_faults
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.identity import sha256_file


def verify_release(home: Home, store: GovernanceStore, release_id: str) -> list[str]:
    """Everything that is wrong with a published release; nothing if it may be trusted.

    The ledger is part of it: a release whose entry is gone, or whose ledger was changed, is unverified.
    """
    known = {release.release_id: release for release in store.publications()}
    release = known.get(release_id)
    if release is None:
        return [f"release {release_id} is not in the ledger; it was not published by Strata, or its entry was removed"]
    faults = [f"ledger: {fault}" for fault in store.verify_ledger()]
    if release.status != "published":
        faults.append(f"release {release_id} was not published: its last ledger entry is {release.status}")
    try:
        manifest = read_manifest(home, release_id)
    except GovernanceError as error:
        return [*faults, str(error)]
    if sha256_file(manifest_file(home, release_id)) != release.manifest_sha256:
        return [*faults, "manifest.json is not the one that the ledger names"]
    return [*faults, *content_faults(home.release(release_id), manifest)]


def verify_ledger(home: Home, store: GovernanceStore) -> list[str]:
    """Faults of the ledger, and releases on disk that it does not know or knows otherwise."""
    known = {release.release_id: release for release in store.publications()}
    faults = store.verify_ledger()
    for path in sorted(home.releases.glob("*/manifest.json")):
        release = known.get(path.parent.name)
        if release is None:
            faults.append(f"release {path.parent.name} is on disk but not in the ledger; its entry was removed")
        elif sha256_file(path) != release.manifest_sha256:
            faults.append(f"release {path.parent.name}: manifest.json is not the one that the ledger names")
    current = current_release(home)
    if current is not None and current in known and known[current].status != "published":
        faults.append(
            f"release {current} is current, but the ledger's last entry on it is {known[current].status}: "
            "its entry was removed, or a publisher died there and the next one adds it"
        )
    return faults
