"""What the next release would hold: per region new rows, carried rows or none, and why.

Belongs here: the plan, its identity, and whether a lost race may be rebased. Does not: checking evidence
(`strata.governance.evidence`), writing anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from strata.governance.effective import content_of, rolled_back
from strata.governance.records import (
    PASSING,
    AsKnown,
    Candidate,
    GateRecord,
    GovernanceError,
    RestatementNeedsApproval,
    Suspension,
)
from strata.governance.releases import Manifest, lineage
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.identity import sha256_json
from strata.partition import Partition, checked_cycle

Kind = Literal["candidate", "carried", "absent"]
Why = Literal["passed", "suspended", "missing", "rolled_back", "not_requested"]


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a region is held at its last good rows; becomes a suspension when the plan is carried out."""

    since_cycle: str
    reason: str
    gate_record_id: str

    def as_json(self) -> dict[str, str]:
        """For manifests."""
        return {"since_cycle": self.since_cycle, "reason": self.reason, "gate_record_id": self.gate_record_id}


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """One region of a plan.

    Attributes:
        candidate: whose rows are taken (`kind` candidate), or whose gates failed (`why` suspended).
        cycle: the cycle that computed the rows; None where the region is absent.
        hold: set where the rows, or their absence, are a suspension.
        resumes: suspension that ends when this is published.
        is_new: the region's content differs from the parent release's.
    """

    region: str
    kind: Kind
    why: Why
    candidate: Candidate | None
    cycle: str | None
    hold: Hold | None
    resumes: str | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """A release that could be published next to `parent`; it changes nothing until it is."""

    cycle: str
    generation: int
    parent: str | None
    requested: tuple[str, ...] | None
    regions: tuple[RegionPlan, ...]
    parent_cycle: str | None
    rollback_of: str | None = None

    @property
    def scopes(self) -> tuple[str, ...]:
        """Regions whose content this release changes."""
        return tuple(region.region for region in self.regions if region.is_new)

    @property
    def is_unchanged(self) -> bool:
        """Every region already says this in the parent release, for this cycle."""
        return self.rollback_of is None and self.parent_cycle == self.cycle and not self.scopes

    @property
    def is_publishable(self) -> bool:
        """There is something for readers: new rows, or a new flag beside rows that are not held.

        Where every region fails, the release that is there stays (semantics.md section 5).
        """
        unheld = any(region.kind == "carried" and region.hold is None for region in self.regions)
        return any(region.kind == "candidate" for region in self.regions) or (
            self.parent_cycle == self.cycle and unheld
        )

    @property
    def release_id(self) -> str:
        """Sortable: cycle, generation, and eight hex digits of what is in it."""
        identity = [self.cycle, self.generation, self.parent, self.rollback_of, [_identity(r) for r in self.regions]]
        return f"{self.cycle}-g{self.generation:04d}-{sha256_json(identity)[:8]}"


def plan_release(
    store: GovernanceStore, home: Home, cycle: str, regions: Sequence[str] | None, *, as_known: AsKnown = "cutoff"
) -> ReleasePlan:
    """Plan the release of a cycle from the candidates of `regions` (None: all), the others carried from CURRENT.

    Raises:
        RestatementNeedsApproval: `as_known` is `now`.
        GovernanceError: CURRENT serves a later cycle, or a region is not in regions.yml.
    """
    checked_cycle(cycle)
    if as_known == "now":
        raise RestatementNeedsApproval(
            f"cycle {cycle} as known now is a restatement: propose it and have it approved, "
            "or publish as known at the cut-off"
        )
    line = lineage(home)
    parent = line[0] if line else None
    if parent is not None and parent["cycle"] > cycle:
        raise GovernanceError(
            f"release {parent['release_id']} serves {parent['cycle']}; cycle {cycle} is closed. "
            "To go back, roll back to an older release"
        )
    known = sorted({*home.calendar().region_codes, *(parent["partitions"] if parent else ())})
    if unknown := sorted(set(regions or ()) - set(known)):
        raise GovernanceError(f"regions {unknown} are not in regions.yml, which has {known}")
    # A suspension since a later cycle (before a rollback) says nothing about this one.
    opened = {s.region: s for s in store.open_suspensions() if s.since_cycle <= cycle}
    taken_back = rolled_back(store, line)
    planned = []
    for region in known:
        asked = regions is None or region in regions
        candidate = store.candidate(Partition(region, cycle)) if asked else None
        open_ = opened.get(region)
        hold = Hold(open_.since_cycle, open_.reason, open_.gate_record_id) if open_ else None
        if candidate is None:
            found = _carried(parent, region, "missing" if asked else "not_requested", None, hold)
        elif candidate.verdict not in PASSING:
            found = _carried(parent, region, "suspended", candidate, hold or _failed(store, candidate))
        elif content_of(region, cycle, candidate.content()) in taken_back:
            found = _carried(parent, region, "rolled_back", candidate, hold)
        else:
            found = _taken(parent, region, candidate, open_)
        planned.append(found)
    return ReleasePlan(
        cycle=cycle,
        generation=next_generation(store, parent),
        parent=parent["release_id"] if parent else None,
        requested=None if regions is None else tuple(sorted(set(regions))),
        regions=tuple(planned),
        parent_cycle=parent["cycle"] if parent else None,
    )


def next_generation(store: GovernanceStore, parent: Manifest | None) -> int:
    """One more than any release that ever got as far as the ledger, so a release id and its path are never reused."""
    tried = [release.generation for release in store.publications()]
    return 1 + max([*tried, parent["generation"] if parent else 0])


def refuse_restatements(plan: ReleasePlan) -> None:
    """RestatementNeedsApproval where a plan holds a candidate that was computed with later knowledge."""
    for region in plan.regions:
        made = region.candidate
        if made is not None and made.as_known != "cutoff":
            raise RestatementNeedsApproval(
                f"candidate {made.partition.key} of run {made.run_id} is a restatement; it needs an approved proposal"
            )


def settled(store: GovernanceStore, home: Home, plan: ReleasePlan) -> tuple[ReleasePlan | None, str]:
    """The plan as it may be carried out now, under the publisher's lock; None and the reason where it may not.

    A plan whose parent is still current keeps its candidates; holds and generation are those of now. One that lost
    the race is planned again, once, if its scopes do not overlap those published since. A plan with a reason has
    nothing to do: another published the same.
    """
    line = lineage(home)
    current = line[0]["release_id"] if line else None
    if line and line[0]["cycle"] > plan.cycle:
        return None, f"release {current} serves {line[0]['cycle']} by now; cycle {plan.cycle} is closed"
    again = plan_release(store, home, plan.cycle, plan.requested)
    if current == plan.parent:
        judged = {region.region: region.candidate for region in plan.regions}
        if moved := [region.region for region in again.regions if judged.get(region.region) != region.candidate]:
            return None, f"candidates of {moved} moved after the plan was made; plan again"
        return again, ""
    since = []
    for manifest in line:
        if manifest["release_id"] == plan.parent:
            break
        since.append(manifest)
    if len(since) == len(line) and plan.parent is not None:
        return None, f"release {plan.parent}, on which the plan was made, was rolled back; plan again"
    overlap = {scope for manifest in since for scope in manifest["scopes"]} & set(plan.scopes)
    if not overlap:
        return again, ""
    if again.is_unchanged:
        return again, f"release {current} holds the same content already"
    return None, f"release {current} was first and changed {sorted(overlap)} too; plan again"


def failure(records: Sequence[GateRecord]) -> tuple[str, str]:
    """Reason and record id of a suspension: the first gate that suspended and what it saw."""
    for record in records:
        if record.verdict == "suspend":
            return (
                f"{record.gate} ({record.scope}): {record.observed or 'failed'}, bound {record.threshold or '-'}",
                record.record_id,
            )
    return "the candidate was suspended without a gate record that says so", ""


def _taken(parent: Manifest | None, region: str, candidate: Candidate, open_: Suspension | None) -> RegionPlan:
    part = parent["partitions"].get(region) if parent else None
    published = None
    if part is not None and part["cycle"] == candidate.partition.cycle and part["hold"] is None:
        published = {name: table["content_hash"] for name, table in part["tables"].items()}
    return RegionPlan(
        region, "candidate", "passed", candidate, candidate.partition.cycle, None,
        open_.suspension_id if open_ else None, published != candidate.content(),
    )  # fmt: skip


def _carried(
    parent: Manifest | None, region: str, why: Why, candidate: Candidate | None, hold: Hold | None
) -> RegionPlan:
    part = parent["partitions"].get(region) if parent else None
    noted = part["hold"] if part else None
    if part is None and parent is not None:
        noted = next(
            (
                Hold(s["since_cycle"], s["reason"], s["gate_record_id"]).as_json()
                for s in parent["suspensions"]
                if s["region"] == region
            ),
            None,
        )
    kind: Kind = "carried" if part else "absent"
    is_new = noted != (hold.as_json() if hold else None)
    return RegionPlan(region, kind, why, candidate, part["cycle"] if part else None, hold, None, is_new)


def _failed(store: GovernanceStore, candidate: Candidate) -> Hold:
    listed = set(candidate.gate_record_ids)
    records = store.gate_records(run_id=candidate.run_id, partition=candidate.partition)
    return Hold(candidate.partition.cycle, *failure([record for record in records if record.record_id in listed]))


def _identity(region: RegionPlan) -> list[Any]:
    content = region.candidate.content() if region.candidate and region.kind == "candidate" else None
    return [region.region, region.kind, region.cycle, content, region.hold.as_json() if region.hold else None]
