"""Publishing a planned release, and going back to an older one.

Belongs here: the order of the steps and their outcomes. Does not: the steps (`plan`, `evidence`, `content`, `staging`,
`protocol` in this package).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from strata.failpoint import failpoint
from strata.governance import ledger
from strata.governance.alerts import enqueue
from strata.governance.content import MART_TABLES, release_manifest, release_tables
from strata.governance.evidence import gather, read_mart
from strata.governance.plan import ReleasePlan, next_generation, refuse_restatements, settled
from strata.governance.protocol import commit, publishing
from strata.governance.records import Actor, GovernanceError, Release, timestamp
from strata.governance.releases import Manifest, current_manifest, current_release, published_table, read_manifest
from strata.governance.staging import stage
from strata.governance.store import SYSTEM, GovernanceStore
from strata.governance.verify import verify_release
from strata.home import Home
from strata.identity import sha256_json
from strata.tables import TABLES

Outcome = Literal["published", "noop", "stale", "refused"]


@dataclass(frozen=True, slots=True)
class PublishResult:
    """How a publication ended.

    Attributes:
        outcome: published; noop (the current release says this already); stale (another was first); refused (a gate,
            an approval or the ledger forbids it).
        release_id: the release that is current for these regions afterwards, or None where none was made.
        reasons: why it is stale or refused, one sentence each.
        suspended: regions that this publication found suspended.
        plan: what was carried out, rebased where the race was lost.
    """

    outcome: Outcome
    release_id: str | None
    reasons: tuple[str, ...]
    suspended: tuple[str, ...]
    plan: ReleasePlan


def publish(
    store: GovernanceStore,
    home: Home,
    plan: ReleasePlan,
    marts: Mapping[str, Path],
    *,
    run_id: str,
    actor: str | Actor,
    reason: str,
    required_gates: frozenset[str],
) -> PublishResult:
    """Carry out a plan by protocol P0 to P7.

    Args:
        store: the governance store.
        home: its home.
        plan: from `plan_release`.
        marts: Parquet file per release table (dims and `segment_kpi`); `scheme` is built here.
        run_id: run that publishes; its scratch folder is used.
        actor: who publishes.
        reason: why, for the ledger.
        required_gates: gates without whose record nothing is published.

    Raises:
        RestatementNeedsApproval: a candidate of the plan was computed with later knowledge.
        ValueError: a mart is missing or does not fit its table.
        OSError: a file could not be written; readers still see the release before, or already this one.
    """
    who = Actor.of(actor)
    refuse_restatements(plan)
    with publishing(store, home, run_id) as broken:
        if broken:
            return _distrusted(store, plan, run_id, broken)
        ready, obstacle = settled(store, home, plan)
        if ready is None:
            return _stale(store, plan, who, run_id, obstacle)
        suspended = _suspend(store, ready, run_id)
        parent = current_manifest(home)
        if obstacle:
            return _unchanged(store, ready, suspended, obstacle)
        evidence = gather(store, home, ready, parent, required_gates)
        if evidence.faults:
            return _refused(store, ready, who, run_id, evidence.faults, suspended)
        failpoint("publish.p1")
        if ready.is_unchanged and _same_marts(parent, marts):
            return _unchanged(store, ready, suspended)
        if not ready.is_publishable:
            return _refused(store, ready, who, run_id, _nothing_to_publish(ready), suspended)
        body = release_manifest(store, home, ready, evidence, parent)
        staged = stage(home, run_id, body, release_tables(home, ready, evidence, parent, marts))
        failpoint("publish.p2")
        resumes = [region.resumes for region in ready.regions if region.resumes]
        fault = commit(store, home, staged, run_id=run_id, actor=who, reason=reason, resumes=resumes)
        if fault:
            return PublishResult("stale", None, (fault,), suspended, ready)
        return PublishResult("published", ready.release_id, (), suspended, ready)


def rollback(store: GovernanceStore, home: Home, release_id: str, *, reason: str, actor: str | Actor) -> PublishResult:
    """Publish the content of an older release again, as a new release with its own ledger entry.

    Raises:
        GovernanceError: no reason was given, or the release was never published.
    """
    if not reason.strip():
        raise GovernanceError("a rollback needs a reason")
    known = {release.release_id: release for release in store.releases()}
    if release_id not in known:
        raise GovernanceError(
            f"release {release_id!r} was never published; `strata releases list` shows those that were"
        )
    seen = current_release(home)
    run_id = f"rollback-{release_id}-{timestamp(store.now())}".replace(":", "")
    who = Actor.of(actor)
    with publishing(store, home, run_id) as broken:
        plan = _rollback_plan(store, known[release_id], current_release(home))
        if broken:
            return _distrusted(store, plan, run_id, broken)
        if plan.parent != seen:
            return _stale(store, plan, who, run_id, "CURRENT moved after the rollback was asked for; look again")
        faults = verify_release(home, store, release_id)
        old = read_manifest(home, release_id) if not faults else {"approvals": []}
        faults += _unapproved(store, old)
        if faults:
            return _refused(store, plan, who, run_id, tuple(faults), ())
        failpoint("publish.p1")
        if _says_the_same(store, home, plan.parent, old):
            return PublishResult("noop", plan.parent, (), (), plan)
        head = store.ledger_head()
        body = {
            **{name: value for name, value in old.items() if name not in ("tables", "files")},
            "release_id": plan.release_id, "generation": plan.generation, "parent_release": plan.parent,
            "created_at": timestamp(store.now()), "rollback_of": release_id, "scopes": sorted(old["partitions"]),
            "ledger_head": {"seq": head.seq, "hash": head.hash} if head else None,
        }  # fmt: skip
        staged = stage(home, run_id, body, {name: published_table(home, old, name) for name in TABLES})
        failpoint("publish.p2")
        fault = commit(store, home, staged, run_id=run_id, actor=who, reason=reason, resumes=())
        if fault:
            return PublishResult("stale", None, (fault,), (), plan)
        return PublishResult("published", plan.release_id, (), (), plan)


def _rollback_plan(store: GovernanceStore, old: Release, current: str | None) -> ReleasePlan:
    # From the ledger, not from CURRENT's manifest: that one may be what is damaged.
    before = next((release for release in store.publications() if release.release_id == current), None)
    return ReleasePlan(
        cycle=old.cycle, generation=next_generation(store, None), parent=current, requested=None, regions=(),
        parent_cycle=before.cycle if before else None, rollback_of=old.release_id,
    )  # fmt: skip


def _says_the_same(store: GovernanceStore, home: Home, current: str | None, old: Manifest) -> bool:
    if current is None or verify_release(home, store, current):
        return False  # a damaged release is replaced, whatever its manifest says
    now = read_manifest(home, current)
    return _hashes(now) == _hashes(old) and now["cycle"] == old["cycle"]


def _unchanged(store: GovernanceStore, plan: ReleasePlan, suspended: tuple[str, ...], why: str = "") -> PublishResult:
    for region in plan.regions:
        if region.resumes:
            store.resume(region.resumes, plan.cycle, reason=f"passed its gates as in {plan.parent}", actor=SYSTEM)
    return PublishResult("noop", plan.parent, (why,) if why else (), suspended, plan)


def _distrusted(store: GovernanceStore, plan: ReleasePlan, run_id: str, faults: tuple[str, ...]) -> PublishResult:
    store.enqueue_alert("ledger.broken", f"ledger.broken:{run_id}", {"cycle": plan.cycle, "reasons": list(faults)})
    return PublishResult("refused", None, faults, (), plan)


def _suspend(store: GovernanceStore, plan: ReleasePlan, run_id: str) -> tuple[str, ...]:
    held = [region for region in plan.regions if region.why == "suspended" and region.hold is not None]
    for region in held:
        if region.hold is not None:
            hold = region.hold
            store.suspend(region.region, hold.since_cycle, hold.reason, hold.gate_record_id, run_id=run_id)
    return tuple(region.region for region in held)


def _same_marts(parent: Manifest | None, marts: Mapping[str, Path]) -> bool:
    published = _hashes(parent) if parent else {}
    given = {
        name: TABLES[name].content_hash(read_mart(marts[name], TABLES[name])) for name in MART_TABLES if name in marts
    }
    return all(published.get(name) == found for name, found in given.items())


def _hashes(manifest: Manifest) -> dict[str, str]:
    return {table["name"]: table["content_hash"] for table in manifest["tables"]}


def _unapproved(store: GovernanceStore, manifest: Manifest) -> list[str]:
    return [
        f"{approval['object']} has no approval in the ledger"
        for approval in manifest["approvals"]
        if store.scheme_approval(approval["object"].removeprefix("scheme:")) is None
    ]


def _nothing_to_publish(plan: ReleasePlan) -> tuple[str, ...]:
    stays = f"release {plan.parent} stays" if plan.parent else "there is no release yet"
    why = {
        "suspended": "failed its gates",
        "missing": f"has no candidate for cycle {plan.cycle}",
        "rolled_back": "was rolled back with this very content: compute it anew, or roll back to that release",
        "not_requested": "was not asked for",
        "passed": "passed",
    }
    return tuple(f"region {region.region} {why[region.why]}; {stays}" for region in plan.regions)


def _stale(store: GovernanceStore, plan: ReleasePlan, who: Actor, run_id: str, why: str) -> PublishResult:
    _note(store, "stale", plan, who, run_id, (why,))
    return PublishResult("stale", None, (why,), (), plan)


def _refused(
    store: GovernanceStore,
    plan: ReleasePlan,
    who: Actor,
    run_id: str,
    faults: tuple[str, ...],
    suspended: tuple[str, ...],
) -> PublishResult:
    _note(store, "refused", plan, who, run_id, faults)
    return PublishResult("refused", None, faults, suspended, plan)


def _note(
    store: GovernanceStore, outcome: Outcome, plan: ReleasePlan, who: Actor, run_id: str, faults: tuple[str, ...]
) -> None:
    """Put a publication that did not happen into the ledger and the outbox, together."""
    payload: dict[str, Any] = {"cycle": plan.cycle, "parent": plan.parent, "outcome": outcome, "reasons": list(faults)}
    with store.transaction() as change:
        change.append(
            ledger.PUBLISH_REFUSED,
            f"cycle:{plan.cycle}",
            who,
            reason=f"{outcome}: {faults[0]}",
            run_id=run_id,
            after=payload,
        )
        key = f"publish.{outcome}:{run_id}:{sha256_json(payload)[:16]}"
        enqueue(change.connection, f"publish.{outcome}", key, payload, change.at)
