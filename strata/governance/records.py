"""What the control plane remembers: frozen records of gates, candidates, suspensions, overrides and releases.

Belongs here: shapes and their canonical JSON. Does not: storing them (`strata.governance.store`) or deciding with them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from strata.identity import sha256_json
from strata.partition import Partition, checked_cycle, checked_region

Verdict = Literal["pass", "warn", "quarantine", "suspend"]
AsKnown = Literal["cutoff", "now"]
Profile = Literal["trial", "company"]
VERDICTS: tuple[Verdict, ...] = ("pass", "warn", "quarantine", "suspend")
# `quarantine` sets rows aside and goes on (reliability.md section 3); only `suspend` holds a scope back.
PASSING = frozenset({"pass", "warn", "quarantine"})


class GovernanceError(RuntimeError):
    """The control plane cannot or will not do this; the message says why and what to do."""


class StaleCandidateError(GovernanceError):
    """Another run moved the candidate pointer first: read it again, and do not overwrite a newer result."""


class RestatementNeedsApproval(GovernanceError):  # noqa: N818 - it names what is missing, not a fault
    """A candidate computed with later knowledge may only be published through an approved proposal (exit code 3)."""


def timestamp(moment: datetime) -> str:
    """UTC text of a moment, one width for all, so that text order is time order; ValueError for naive times."""
    if moment.tzinfo is None:
        raise ValueError(f"time {moment.isoformat()} has no offset; give it in UTC")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def moment(text: str) -> datetime:
    """The moment that `timestamp` wrote."""
    return datetime.fromisoformat(text)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, in which role, and how the system knows."""

    actor_id: str
    role: str
    auth_method: str

    @classmethod
    def of(cls, actor: "str | Actor") -> "Actor":
        """An actor named on this machine's command line, or the actor itself."""
        return actor if isinstance(actor, Actor) else cls(actor, "user", "local")


@dataclass(frozen=True, slots=True)
class TableRef:
    """A written table: its path relative to the home, its rows, and the content hash that gates judged."""

    name: str
    path: str
    rows: int
    content_hash: str


@dataclass(frozen=True, slots=True)
class GateRecord:
    """One verdict, bound to the content it judged.

    `record_id` is the hash of everything but the run, so equal content judged equally has one id in every run
    and replay; the store keeps the record once per run.
    """

    record_id: str
    gate: str
    scope: str
    region: str
    cycle: str
    run_id: str
    table: str
    content_hash: str
    verdict: Verdict
    evaluated_rows: int
    failed_rows: int
    threshold: str | None
    observed: str | None
    details: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        *,
        gate: str,
        scope: str,
        region: str,
        cycle: str,
        run_id: str,
        table: str,
        content_hash: str,
        verdict: Verdict,
        evaluated_rows: int,
        failed_rows: int,
        threshold: str | None,
        observed: str | None,
        details: Mapping[str, Any],
    ) -> "GateRecord":
        """A record with its id; ValueError where region, cycle or verdict cannot be."""
        checked_region(region)
        checked_cycle(cycle)
        if verdict not in VERDICTS:
            raise ValueError(f"gate {gate}: verdict {verdict!r} is not one of {VERDICTS}")
        judged = {
            "gate": gate, "scope": scope, "region": region, "cycle": cycle, "table": table,
            "content_hash": content_hash, "verdict": verdict, "evaluated_rows": evaluated_rows,
            "failed_rows": failed_rows, "threshold": threshold, "observed": observed, "details": dict(details),
        }  # fmt: skip
        return cls(
            sha256_json(judged), gate, scope, region, cycle, run_id, table, content_hash, verdict,
            evaluated_rows, failed_rows, threshold, observed, dict(details),
        )  # fmt: skip


def worst_verdict(records: Iterable[GateRecord]) -> Verdict:
    """The worst of the verdicts; no record at all is `suspend`, because nothing was judged."""
    return max((record.verdict for record in records), key=VERDICTS.index, default="suspend")


@dataclass(frozen=True, slots=True)
class PreviousSource:
    """Where the classes of the cycle before came from: a release id, a run id, or nothing. An input of replay."""

    kind: Literal["release", "candidate", "none"]
    id: str | None
    content_hash: str | None

    def as_json(self) -> dict[str, str | None]:
        """For manifests and the store."""
        return {"kind": self.kind, "id": self.id, "content_hash": self.content_hash}


NO_PREVIOUS = PreviousSource("none", None, None)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one run computed for one partition. `generation` counts the moves of the pointer; 0 = not pointed at yet."""

    partition: Partition
    generation: int
    run_id: str
    snapshot_id: str
    scheme_version: str
    scheme_sha256: str
    code_version: str
    as_known: AsKnown
    previous: PreviousSource
    tables: Mapping[str, TableRef]
    gate_record_ids: tuple[str, ...]
    verdict: Verdict

    def content(self) -> dict[str, str]:
        """Content hash per table."""
        return {name: ref.content_hash for name, ref in sorted(self.tables.items())}

    def as_json(self) -> dict[str, Any]:
        """Everything but the generation, for the store."""
        return {
            "partition": self.partition.key, "run_id": self.run_id, "snapshot_id": self.snapshot_id,
            "scheme_version": self.scheme_version, "scheme_sha256": self.scheme_sha256,
            "code_version": self.code_version, "as_known": self.as_known, "previous": self.previous.as_json(),
            "tables": {name: [ref.path, ref.rows, ref.content_hash] for name, ref in sorted(self.tables.items())},
            "gate_record_ids": sorted(self.gate_record_ids), "verdict": self.verdict,
        }  # fmt: skip

    @classmethod
    def from_json(cls, body: Mapping[str, Any], generation: int) -> "Candidate":
        """The candidate that `as_json` described."""
        return cls(
            partition=Partition.from_key(body["partition"]),
            generation=generation,
            run_id=body["run_id"],
            snapshot_id=body["snapshot_id"],
            scheme_version=body["scheme_version"],
            scheme_sha256=body["scheme_sha256"],
            code_version=body["code_version"],
            as_known=body["as_known"],
            previous=PreviousSource(**body["previous"]),
            tables={name: TableRef(name, *ref) for name, ref in body["tables"].items()},
            gate_record_ids=tuple(body["gate_record_ids"]),
            verdict=body["verdict"],
        )


@dataclass(frozen=True, slots=True)
class Suspension:
    """A region held at its last good rows since a cycle; open while `resumed_cycle` is None."""

    suspension_id: str
    region: str
    since_cycle: str
    reason: str
    gate_record_id: str
    resumed_cycle: str | None


@dataclass(frozen=True, slots=True)
class Override:
    """A class set by a person: in force from `start_cycle` to `end_cycle`, as far as it was known at a cut-off."""

    override_id: str
    region: str
    sku_id: str
    location_id: str
    value_class: str | None
    variability_class: str | None
    start_cycle: str
    end_cycle: str | None
    reason: str
    owner: str
    approved_by: str
    known_from: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SchemeApproval:
    """The ledger entry by which a scheme, identified by its content hash, may be published."""

    sha256: str
    version: str
    approved_by: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class PublishedPart:
    """One region of a release as the ledger knows it: new or carried rows, of which cycle, with which content."""

    kind: str
    cycle: str
    content: str


@dataclass(frozen=True, slots=True)
class Release:
    """A release as the ledger knows it, so that a damaged manifest cannot hide what was published."""

    release_id: str
    generation: int
    parent: str | None
    cycle: str
    manifest_sha256: str
    rollback_of: str | None
    status: Literal["intent", "published", "aborted"]
    published_at: datetime | None
    resumes: tuple[str, ...]
    parts: Mapping[str, PublishedPart]


@dataclass(frozen=True, slots=True)
class Alert:
    """A row of the outbox."""

    key: str
    kind: str
    payload: Mapping[str, Any]
    enqueued_at: datetime
    attempts: int
    state: Literal["pending", "delivered", "dead"]
    last_error: str | None
