"""Landing: every complete extract is accepted into raw/, refused into quarantine/, or found to be there already.

Belongs here: walking landing/, the order of extracts, and the ledger of processed content, which is the folders of
raw/ and quarantine/ themselves. Does not: what is in an extract (`strata.intake.accept`), which changes wait for
others (`strata.intake.chain`): an extract that is held is accepted and not conformed. Landing files are read only
and stay where they are: content decides, so one that was processed is never looked into again.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal

from strata.durable import promote, write_bytes
from strata.failpoint import failpoint
from strata.home import Home
from strata.identity import sha256_json
from strata.intake.accept import Staged, check_terms, copy_verified, write_batch
from strata.intake.batches import BATCH_NAME, Batch, feed_batches
from strata.intake.chain import held_batches
from strata.intake.contract import NAME, Contract
from strata.intake.manifest import MANIFEST_NAME, Manifest, batch_id, parse_manifest, read_manifest_bytes
from strata.intake.reasons import INTEGRITY_REASONS, Fault, RefusedExtractError

REFUSAL_NAME = "refusal.json"
# Each in an engine of its own (`readers.open_engine`), whose memory is bounded. DuckDB and hashing leave Python free.
FEEDS_AT_ONCE = 2
Outcome = Literal["accepted", "held", "refused", "duplicate", "incomplete"]


@dataclass(frozen=True, slots=True)
class LandedExtract:
    """What became of one folder of landing/.

    `rows` are good rows, `refused_rows` those in quarantine, `reasons` counts refused rows by reason or holds the
    reason why the extract was refused whole, `other_rows` are repeats and what a mapping leaves out, adds up or looks
    up, so that all rows of the manifest are accounted for; `advice` says what to do. Only an accepted extract touches
    anything: one that is held is in raw/ and waits for changes that are missing.
    """

    folder: Path
    outcome: Outcome
    system: str
    feed: str
    batch_id: str | None = None
    rows: int = 0
    refused_rows: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    other_rows: dict[str, int] = field(default_factory=dict)
    advice: str | None = None
    warnings: tuple[str, ...] = ()
    touched_locations: tuple[str, ...] = ()
    touched_regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LandResult:
    """One landing: every folder looked at, in the order of processing.

    `released` are batches that an earlier landing held and this one no longer does.
    """

    extracts: tuple[LandedExtract, ...]
    released: tuple[Batch, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Extracts by outcome."""
        return dict(Counter(extract.outcome for extract in self.extracts))

    @property
    def touched_locations(self) -> tuple[str, ...]:
        """Locations with rows newly accepted or released, sorted."""
        touched: list[LandedExtract | Batch] = [*self.with_outcome("accepted"), *self.released]
        return tuple(sorted({location for one in touched for location in one.touched_locations}))

    @property
    def touched_regions(self) -> tuple[str, ...]:
        """Regions named by rows newly accepted or released, sorted."""
        touched: list[LandedExtract | Batch] = [*self.with_outcome("accepted"), *self.released]
        return tuple(sorted({region for one in touched for region in one.touched_regions}))

    def with_outcome(self, outcome: Outcome) -> tuple[LandedExtract, ...]:
        """The extracts with this outcome."""
        return tuple(extract for extract in self.extracts if extract.outcome == outcome)


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A folder with a manifest: who it is from (the folder says), what it promises, and what is wrong with that."""

    folder: Path
    system: str
    feed: str
    identity: str
    data: bytes
    manifest: Manifest | None
    fault: Fault | None

    @property
    def sort_key(self) -> tuple[str, str, bool, int, str]:
        if self.manifest is None:
            return self.system, self.feed, True, 0, str(self.folder)
        manifest = self.manifest
        return self.system, self.feed, not manifest.initial_load, manifest.extracted_micros, manifest.extract_id

    def signature(self) -> str:
        """What the delivered files look like from outside; changes when one is delivered anew."""
        found: list[Any] = []
        for file in self.manifest.files if self.manifest else ():
            path = self.folder / file.name
            stat = path.lstat() if path.exists() or path.is_symlink() else None
            found.append([file.sha256, stat and [stat.st_size, stat.st_mtime_ns, stat.st_mode]])
        return sha256_json(found)


def land(
    home: Home,
    contracts: Mapping[tuple[str, str], Contract],
    folder: Path | None = None,
    *,
    now: datetime | None = None,
) -> LandResult:
    """Process every extract below `folder` (else the home's landing/) that has a manifest.

    Of a feed, initial loads come first, then extracts by `extracted_at`; feeds know nothing of each other, so
    `FEEDS_AT_ONCE` are landed at a time. A batch appears in raw/ whole or not at all; killed at any point and run
    again, landing converges to the same raw/. One process lands at a time.

    Args:
        home: the data root.
        contracts: contracts by (system, feed).
        folder: a folder laid out as `<system>/<feed>/<extract_id>/`, or one extract of it.
        now: wall clock, against which extracts from the future are refused; None does not look.

    Raises:
        FileNotFoundError: `folder` is given and is not there.
    """
    if folder is not None and not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder; name one laid out as <system>/<feed>/<extract_id>/")
    deliveries, incomplete = _walk(folder or home.landing)
    results = [LandedExtract(path, "incomplete", *_origin(path)) for path in incomplete]
    feeds: dict[tuple[str, str], list[_Delivery]] = {}
    for delivery in deliveries:
        feeds.setdefault((delivery.system, delivery.feed), []).append(delivery)
    is_stopped = threading.Event()

    def land_feed(feed: tuple[str, str]) -> list[LandedExtract]:
        contract = contracts.get(feed)
        try:
            return [
                _land_one(home, contract, delivery, accepted[feed], now)
                for delivery in feeds[feed]
                if not is_stopped.is_set()
            ]
        except BaseException:
            is_stopped.set()
            raise

    with _landing_lock(home), ThreadPoolExecutor(FEEDS_AT_ONCE) as pool:
        accepted = {feed: feed_batches(home, *feed) for feed in feeds}
        waited = {held.batch.batch_id for batches in accepted.values() for held in held_batches(batches)}
        try:
            for landed in pool.map(land_feed, feeds):
                results += landed
        except BaseException:  # an interrupt comes to this thread: what is under way ends, nothing else begins
            is_stopped.set()
            raise
    held = {held.batch.batch_id: held.advice for batches in accepted.values() for held in held_batches(batches)}
    return LandResult(
        tuple(_with_hold(result, held) for result in results),
        tuple(b for batches in accepted.values() for b in batches if b.batch_id in waited - held.keys()),
    )


def _with_hold(result: LandedExtract, held: Mapping[str, str]) -> LandedExtract:
    """What became of an extract once everything of this landing is there: it may have to wait for another one."""
    advice = held.get(result.batch_id or "")
    if advice is None:
        return result
    return replace(result, outcome="held" if result.outcome == "accepted" else result.outcome, advice=advice)


def pending(home: Home, folder: Path | None = None) -> list[Path]:
    """Folders whose content was neither accepted nor refused yet; reads manifests only, no data."""
    deliveries, _ = _walk(folder or home.landing)
    return [delivery.folder for delivery in deliveries if _processed(home, delivery) is None]


def _walk(root: Path) -> tuple[list[_Delivery], list[Path]]:
    """Extracts with a manifest in the order to land them, and folders still without one. Links are not followed."""
    deliveries, incomplete = [], []
    for name, subfolders, files in os.walk(root, followlinks=False):
        path = Path(name)
        if MANIFEST_NAME in files:
            deliveries.append(_delivery(path.resolve()))
            subfolders.clear()
        elif not subfolders and path != root:
            incomplete.append(path.resolve())
    return sorted(deliveries, key=lambda delivery: delivery.sort_key), sorted(incomplete)


def _origin(folder: Path) -> tuple[str, str]:
    """System and feed as the folder says; a name that is not allowed is not used as a path."""
    names = [name if re.fullmatch(NAME, name) else "unknown" for name in folder.parts[-3:-1]]
    return (names[0], names[1]) if len(names) == 2 else ("unknown", "unknown")


def _delivery(folder: Path) -> _Delivery:
    system, feed = _origin(folder)
    data = b""
    try:
        data = read_manifest_bytes(folder)
        manifest = parse_manifest(data)
    except RefusedExtractError as error:
        # Nothing to take an identity from but the bytes themselves.
        identity = hashlib.sha256(data or str(folder).encode()).hexdigest()
        return _Delivery(folder, system, feed, identity, data, None, error.fault)
    fault = None
    if (manifest.system, manifest.feed) != (system, feed):
        advice = f"the manifest says {manifest.system}/{manifest.feed}; put it below {manifest.system}/{manifest.feed}/"
        fault = Fault("wrong_folder", advice, file=MANIFEST_NAME)
    return _Delivery(folder, system, feed, batch_id(manifest), data, manifest, fault)


def _place(root: Path, delivery: _Delivery) -> Path:
    return root / delivery.system / delivery.feed / delivery.identity


def _processed(home: Home, delivery: _Delivery) -> str | None:
    """How the content was processed before, in words; None where it is to be processed now.

    A refusal because files were not those of the manifest holds until other files are delivered with it.
    """
    if (_place(home.raw, delivery) / BATCH_NAME).is_file():
        return "accepted before; nothing changes"
    path = _place(home.quarantine, delivery) / REFUSAL_NAME
    if not path.is_file():
        return None
    refusal = json.loads(path.read_bytes())
    if refusal["reason"] in INTEGRITY_REASONS and delivery.signature() not in refusal["deliveries"]:
        return None
    return f"refused before as {refusal['reason']}; delete {path.parent} to have it judged again"


@contextmanager
def _landing_lock(home: Home) -> Iterator[None]:
    """One landing at a time (the kernel frees the lock of a killed one), beginning without leftovers."""
    home.staging.mkdir(parents=True, exist_ok=True)
    with (home.staging / "land.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for leftover in home.staging.glob("land-*"):
            shutil.rmtree(leftover)
        yield


def _land_one(
    home: Home, contract: Contract | None, delivery: _Delivery, accepted: list[Batch], now: datetime | None
) -> LandedExtract:
    processed = _processed(home, delivery)
    if processed is not None:
        return LandedExtract(
            delivery.folder, "duplicate", delivery.system, delivery.feed, delivery.identity, advice=processed
        )
    root = Path(mkdtemp(prefix="land-", dir=home.staging))
    staged = Staged(root / "batch", root / "work")
    for folder in (staged.files, staged.work):
        folder.mkdir(parents=True)
    try:
        batch = _accept(home, contract, delivery, accepted, now, staged)
    except RefusedExtractError as error:
        return _refuse(home, contract, delivery, error.fault, staged, now)
    finally:
        shutil.rmtree(root)
    accepted.append(batch)
    return LandedExtract(
        folder=delivery.folder,
        outcome="accepted",
        system=batch.system,
        feed=batch.feed,
        batch_id=batch.batch_id,
        rows=batch.accepted_rows,
        refused_rows=batch.refused_rows,
        reasons=batch.refusals,
        other_rows=batch.other_rows,
        warnings=batch.warnings,
        touched_locations=batch.touched_locations,
        touched_regions=batch.touched_regions,
    )


def _accept(
    home: Home,
    contract: Contract | None,
    delivery: _Delivery,
    accepted: list[Batch],
    now: datetime | None,
    staged: Staged,
) -> Batch:
    if delivery.manifest is None or delivery.fault is not None:
        fault = delivery.fault or Fault("manifest_malformed", "no manifest", file=MANIFEST_NAME)
        raise RefusedExtractError(fault.reason, fault.advice, file=fault.file)
    copy_verified(delivery.folder, staged, delivery.manifest)
    if contract is None:
        advice = f"write config/feeds/{delivery.system}/{delivery.feed}.yml, or stop sending it"
        raise RefusedExtractError("unknown_feed", advice)
    check_terms(delivery.manifest, contract, accepted, now)
    quarantine = _place(home.quarantine, delivery)
    batch = write_batch(staged, delivery.identity, delivery.manifest, contract, quarantine, now)
    failpoint("land.raw")
    target = _place(home.raw, delivery)
    promote(staged.batch, target)
    failpoint("land.ledger")
    return replace(batch, folder=target)


def _refuse(
    home: Home,
    contract: Contract | None,
    delivery: _Delivery,
    fault: Fault,
    staged: Staged,
    now: datetime | None,
) -> LandedExtract:
    target = _place(home.quarantine, delivery)
    signature = delivery.signature()
    refusal = {
        **fault.as_json(),
        "batch_id": delivery.identity,
        "manifest": delivery.manifest.as_json() if delivery.manifest else None,
        "contract_sha256": contract.sha256 if contract else None,
        "deliveries": [signature],
        "refused_at": now.isoformat() if now else None,
    }
    write_bytes(staged.batch / MANIFEST_NAME, delivery.data)
    write_bytes(staged.batch / REFUSAL_NAME, _readable(refusal))
    failpoint("land.quarantine")
    if not promote(staged.batch, target):
        # Refused before with other files, or left by a landing that was killed: the record is brought up to date.
        earlier = target / REFUSAL_NAME
        if earlier.is_file():
            before = json.loads(earlier.read_bytes())
            refusal |= {"deliveries": [*before["deliveries"], signature], "refused_at": before["refused_at"]}
        write_bytes(earlier, _readable(refusal))
    return LandedExtract(
        folder=delivery.folder,
        outcome="refused",
        system=delivery.system,
        feed=delivery.feed,
        batch_id=delivery.identity,
        reasons={fault.reason: 1},
        advice=_where(fault),
    )


def _where(fault: Fault) -> str:
    parts = (("file", fault.file), ("row", fault.row), ("column", fault.column))
    where = ", ".join(f"{name} {value}" for name, value in parts if value is not None)
    return f"{where}: {fault.advice}" if where else fault.advice


def _readable(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False).encode()
