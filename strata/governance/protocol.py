"""Protocol P0 to P7: how a staged release becomes the current one, and what a killed publisher leaves is put right.

Belongs here: lock, intent, rename, compare-and-swap, pointer, completion, recovery. Does not: what is published
(`strata.governance.publisher`). The linearisation point is P6, the replacement of CURRENT: before it readers see the
old release, after it the new one, never neither.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from strata.durable import fsync_path, promote, write_bytes
from strata.failpoint import failpoint
from strata.governance import ledger
from strata.governance.alerts import enqueue
from strata.governance.lock import exclusive_lock
from strata.governance.records import Actor, GovernanceError, PublishedPart, Release
from strata.governance.releases import current_release, manifest_file
from strata.governance.staging import Staged
from strata.governance.store import SYSTEM, GovernanceStore, resume_in
from strata.home import Home
from strata.identity import sha256_file, sha256_json


@contextmanager
def publishing(store: GovernanceStore, home: Home, run_id: str) -> Iterator[tuple[str, ...]]:
    """P0: be the only publisher of this home, after putting right what an earlier one left.

    Yields the faults of the ledger. Where it has any, nothing is recovered and the caller publishes nothing: a chain
    that was tampered with is not continued.
    """
    with exclusive_lock(home.root / "publisher.lock", f"run {run_id}"):
        failpoint("publish.p0")
        faults = tuple(f"ledger: {fault}" for fault in store.verify_ledger())
        if not faults:
            recover(store, home)
        yield faults


def recover(store: GovernanceStore, home: Home) -> list[Release]:
    """Finish or abort every publication that was begun and not ended; the caller holds the publisher's lock.

    An intent whose release CURRENT names was published: only its last entry is missing. Any other is aborted, and
    its folder, if it got that far, is left for the garbage collector.
    """
    if home.releases.is_dir():
        for leftover in home.releases.glob(f".{home.current_file.name}.*.tmp"):
            leftover.unlink()
    open_ = [release for release in store.publications() if release.status == "intent"]
    current = current_release(home)
    for release in open_:
        if release.release_id == current:
            if sha256_file(manifest_file(home, current)) != release.manifest_sha256:
                raise GovernanceError(
                    f"CURRENT names {current}, but its manifest is not the one in the ledger; roll back"
                )
            _seal(home.release(current))
            _complete(store, release, SYSTEM, reason="recovered: the publisher died after CURRENT was replaced")
        else:
            _end(store, release, "the publisher died before CURRENT was replaced")
    return open_


def commit(
    store: GovernanceStore,
    home: Home,
    staged: Staged,
    *,
    run_id: str,
    actor: Actor,
    reason: str,
    resumes: Sequence[str],
) -> str | None:
    """P3 to P7 for a staged release, under the publisher's lock.

    Returns:
        None where it is published, else why it is stale; then nothing changed for readers.
    """
    manifest = staged.manifest
    release = Release(
        manifest["release_id"], manifest["generation"], manifest["parent_release"], manifest["cycle"],
        staged.manifest_sha256, manifest["rollback_of"], "intent", None, tuple(resumes),
        {region: _part(part) for region, part in manifest["partitions"].items()},
    )  # fmt: skip
    last = max((known.generation for known in store.publications()), default=0)
    with store.transaction() as change:  # P3
        change.append(
            ledger.PUBLISH_INTENT, _object(release), actor, reason=reason, run_id=run_id, after=_values(release),
            approvals=manifest["approvals"], code_version=manifest["code_version"],
            config_hash=manifest["scheme"]["sha256"], event_id=f"publish.intent:{release.release_id}",
        )  # fmt: skip
    failpoint("publish.p3")
    folder = home.release(release.release_id)
    if not promote(staged.folder, folder):  # P4
        _end(store, release, "a folder of this name exists")
        raise GovernanceError(f"{folder} exists already; a path is never used twice, see who made it")
    with contextlib.suppress(OSError):  # scratch of the run may hold more; the garbage collector has it later
        staged.folder.parent.rmdir()
    _seal(folder)
    failpoint("publish.p4")
    current = current_release(home)
    if current != release.parent or release.generation <= last:  # P5
        fault = f"CURRENT is {current}, but release {release.release_id} was made on {release.parent}"
        _end(store, release, fault)
        return fault
    failpoint("publish.p5")
    write_bytes(home.current_file, f"{release.release_id}\n".encode())  # P6
    failpoint("publish.p6")
    _complete(store, release, actor, reason=reason, run_id=run_id)  # P7
    failpoint("publish.p7")
    return None


def _complete(
    store: GovernanceStore, release: Release, actor: Actor, *, reason: str, run_id: str | None = None
) -> None:
    with store.transaction() as change:
        for suspension_id in release.resumes:
            resume_in(change, suspension_id, release.cycle, reason=f"passed in {release.release_id}", actor=SYSTEM)
        change.append(
            ledger.PUBLISHED, _object(release), actor, reason=reason, run_id=run_id, before={"current": release.parent},
            after=_values(release), event_id=f"publish.published:{release.release_id}",
        )  # fmt: skip


def _end(store: GovernanceStore, release: Release, fault: str) -> None:
    with store.transaction() as change:
        change.append(
            ledger.PUBLISH_ABORTED, _object(release), SYSTEM, reason=fault, after=_values(release),
            event_id=f"publish.aborted:{release.release_id}",
        )  # fmt: skip
        key = f"publish.aborted:{release.release_id}"
        enqueue(
            change.connection, "publish.aborted", key, {"release_id": release.release_id, "reason": fault}, change.at
        )


def _seal(folder: Path) -> None:
    """Make a release read-only; files first, so that a half-sealed one can be sealed again."""
    for path in sorted(folder.iterdir()):
        path.chmod(0o444)
    folder.chmod(0o555)
    fsync_path(folder)


def _part(part: Mapping[str, Any]) -> PublishedPart:
    hashes = {name: table["content_hash"] for name, table in part["tables"].items()}
    return PublishedPart(part["kind"], part["cycle"], sha256_json(hashes))


def _object(release: Release) -> str:
    return f"release:{release.release_id}"


def _values(release: Release) -> dict[str, object]:
    return {
        "release_id": release.release_id, "generation": release.generation, "parent": release.parent,
        "cycle": release.cycle, "manifest_sha256": release.manifest_sha256, "rollback_of": release.rollback_of,
        "resumes": list(release.resumes),
        "parts": {region: [part.kind, part.cycle, part.content] for region, part in sorted(release.parts.items())},
    }  # fmt: skip
