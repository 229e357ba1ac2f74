"""What people are told after a landing: refused extracts, refused rows, held and late extracts, changed files.

Belongs here: which records of raw/ and quarantine/ are worth an alert. Does not: delivering it
(`strata.governance.alerts`), alerts of gates and runs.

All is read from the records, not from what one landing did: one that was killed right after accepting or refusing is
made up for by the next. The outbox keeps one alert per key.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from strata.conformed.build import load_snapshot
from strata.governance.records import GovernanceError
from strata.governance.releases import current_manifest
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.intake.batches import Batch
from strata.intake.chain import held_batches
from strata.intake.contract import Contract

Notice = tuple[str, str, dict[str, Any]]
COLLISIONS = ("key_collision", "key_look_alike")
ADDED = "column_added: "


def tell(
    home: Home,
    contracts: Mapping[tuple[str, str], Contract],
    batches: Sequence[Batch],
    refusals: Sequence[Mapping[str, Any]],
) -> int:
    """Put what is not there yet into the outbox; how many are new. A home that was never initialised has none."""
    store = GovernanceStore(home)
    try:
        known = {alert.key for alert in store.alerts()}
    except GovernanceError:
        return 0
    notices = [
        *_refused(refusals),
        *_rows(contracts, batches),
        *_held(batches),
        *_changed(batches),
        *_late(home, batches),
    ]
    return sum(store.enqueue_alert(kind, key, payload) for kind, key, payload in notices if key not in known)


def _refused(refusals: Sequence[Mapping[str, Any]]) -> Iterator[Notice]:
    for refusal in refusals:
        payload = {name: refusal[name] for name in ("batch_id", "reason", "advice", "folder")}
        key = f"extract:{refusal['batch_id']}:{refusal['deliveries']}"
        yield "extract_refused", key, {"feed": "/".join(refusal["feed"]), **payload}


def _rows(contracts: Mapping[tuple[str, str], Contract], batches: Sequence[Batch]) -> Iterator[Notice]:
    """Refused rows beyond what the contract lets pass unsaid, and keys that collide however few they are."""
    for batch in batches:
        contract = contracts.get((batch.system, batch.feed))
        rows = batch.accepted_rows + batch.refused_rows
        share = batch.refused_rows / rows if rows else 0.0
        too_many = contract is not None and share > contract.thresholds.warn_refused_share
        if too_many or any(reason in batch.refusals for reason in COLLISIONS):
            advice = "look into quarantine, have the rows put right at the source, and send them again"
            payload = {"reasons": batch.refusals, "refused_rows": batch.refused_rows, "rows": rows, "advice": advice}
            yield "rows_refused", f"rows:{batch.batch_id}", _of(batch, payload)


def _held(batches: Sequence[Batch]) -> Iterator[Notice]:
    """Changes that wait for missing ones; those before a feed's beginning wait for none."""
    for held in held_batches(batches):
        if not held.is_obsolete:
            yield "extract_held", f"held:{held.batch.batch_id}", _of(held.batch, {"advice": held.advice})


def _changed(batches: Sequence[Batch]) -> Iterator[Notice]:
    """A file with more columns than the contract knows: its owner may want them, so the contract should say."""
    for batch in batches:
        added = [warning.removeprefix(ADDED) for warning in batch.warnings if warning.startswith(ADDED)]
        if added:
            # Once per feed and set of columns: the source sends them every night.
            key = f"columns:{batch.system}/{batch.feed}:{','.join(added)}"
            advice = "the columns are left out; propose a contract with them, or have the source leave them out"
            yield "contract_change", key, _of(batch, {"added": added, "advice": advice})


def _late(home: Home, batches: Sequence[Batch]) -> Iterator[Notice]:
    """Extracts taken before the cut-off of what is published, but not part of it: they came too late for it."""
    manifest = current_manifest(home)
    if manifest is None:
        return
    seen = {
        str(batch["batch_id"])
        for part in manifest["partitions"].values()
        for batch in load_snapshot(home, part["snapshot_id"]).batches
    }
    calendar, cycle = home.calendar(), manifest["cycle"]
    cutoff: datetime = max(calendar.cutoff(cycle, region) for region in calendar.region_codes)
    for batch in batches:
        if batch.batch_id not in seen and batch.manifest.extracted_at <= cutoff:
            advice = (
                f"release {manifest['release_id']} does not know it; cycles before {cycle} stay as they are published, "
                "and only an approved restatement changes them"
            )
            yield "late_extract", f"late:{batch.batch_id}", _of(batch, {"advice": advice})


def _of(batch: Batch, payload: dict[str, Any]) -> dict[str, Any]:
    extracted = batch.manifest.extracted_at.isoformat()
    return {
        "feed": f"{batch.system}/{batch.feed}",
        "batch_id": batch.batch_id,
        "extract_id": batch.manifest.extract_id,
        "extracted_at": extracted,
        **payload,
    }
