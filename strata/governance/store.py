"""The governance store: the control plane's memory, one object for everything that reads or changes it.

Belongs here: what may be asked of the store, each change in one transaction with its ledger entry. Does not: building
and publishing releases (`strata.governance.publisher`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from strata.failpoint import failpoint
from strata.governance import alerts, candidates, exceptions, ledger
from strata.governance.anchors import file_anchors, manifest_anchors, write_anchor
from strata.governance.database import Database
from strata.governance.ledger import Anchor, Entry
from strata.governance.lock import exclusive_lock
from strata.governance.records import (
    Actor,
    Alert,
    Candidate,
    GateRecord,
    GovernanceError,
    Override,
    Profile,
    PublishedPart,
    Release,
    SchemeApproval,
    Suspension,
    moment,
    timestamp,
)
from strata.home import Home
from strata.partition import Partition
from strata.scheme.load import SchemeRegister

SYSTEM = Actor("strata", "system", "process")
_STATUS = {ledger.PUBLISH_INTENT: "intent", ledger.PUBLISHED: "published", ledger.PUBLISH_ABORTED: "aborted"}


def utc_now() -> datetime:
    """The wall clock, for the ledger's times; nothing is decided by it."""
    return datetime.now(UTC)


class Transaction:
    """A write in progress: its connection, its time, and the ledger entries it adds."""

    def __init__(self, connection: Connection, at: datetime) -> None:
        """Take a connection that holds the write lock."""
        self.connection = connection
        self.at = at
        self.last: Entry | None = None

    def append(self, action: str, object: str, actor: str | Actor, **fields: Any) -> Entry:
        """Add a ledger entry; `fields` as in `ledger.append`."""
        self.last = ledger.append(
            self.connection, action=action, object=object, actor=Actor.of(actor), at=self.at, **fields
        )
        return self.last


class GovernanceStore:
    """The store of one home. Making one opens nothing; every method is its own transaction."""

    def __init__(self, home: Home, clock: Callable[[], datetime] = utc_now) -> None:
        """Take the home, and a clock where time is to stand still."""
        self.home = home
        self._clock = clock
        self._database = Database(home.governance_url)

    def now(self) -> datetime:
        """The store's clock."""
        return self._clock()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Change things together: all is kept or nothing, and the ledger's new head is anchored after."""
        with self._database.write() as connection:
            change = Transaction(connection, self.now())
            yield change
        if change.last is not None:
            write_anchor(self.home, change.last.seq, change.last.hash)

    def initialise(self, profile: Profile, actor: str | Actor) -> None:
        """Make or upgrade the store. Safe to repeat, and safe when several processes do it at once.

        A `trial` home approves, as genesis, each scheme version in its configuration that has no approval yet; a
        version that was approved and then changed stays unapproved. A `company` home approves nothing.

        Raises:
            GovernanceError: the home was initialised with the other profile.
        """
        self.home.root.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(self.home.root / "governance.lock", "strata init"):
            self._database.migrate()
            with self.transaction() as change:
                known = _profile(change.connection)
                if known is None:
                    change.append(
                        ledger.HOME_INITIALISED, "home", actor, reason=f"initialised as {profile}",
                        after={"profile": profile}, event_id="home.initialised",
                    )  # fmt: skip
                elif known != profile:
                    raise GovernanceError(
                        f"{self.home.root} is a {known} home; it does not become {profile}: use another STRATA_HOME"
                    )
                if profile == "trial":
                    _approve_genesis(change, SchemeRegister.load(self.home.config / "schemes"), actor)

    def profile(self) -> Profile:
        """`trial` or `company`."""
        with self._database.read() as connection:
            known = _profile(connection)
        if known is None:
            raise GovernanceError(f"{self.home.root} is not initialised; run `strata init`")
        return known

    # -- gate records ------------------------------------------------------------------------------------------------

    def record_gate(
        self,
        *,
        gate: str,
        scope: str,
        region: str,
        cycle: str,
        run_id: str,
        table: str,
        content_hash: str,
        verdict: str,
        evaluated_rows: int,
        failed_rows: int,
        threshold: str | None,
        observed: str | None,
        details: Mapping[str, Any],
    ) -> GateRecord:
        """Store one verdict about one table of a candidate; the same verdict of the same run is stored once."""
        record = GateRecord.of(
            gate=gate, scope=scope, region=region, cycle=cycle, run_id=run_id, table=table, content_hash=content_hash,
            verdict=verdict, evaluated_rows=evaluated_rows, failed_rows=failed_rows, threshold=threshold,  # type: ignore[arg-type]
            observed=observed, details=details,
        )  # fmt: skip
        self.add_gate_records([record])
        return record

    def add_gate_records(self, records: Iterable[GateRecord]) -> None:
        """Store several records in one transaction."""
        with self.transaction() as change:
            for record in records:
                candidates.add_gate_record(change.connection, record, change.at)

    def gate_records(self, *, run_id: str | None = None, partition: Partition | None = None) -> list[GateRecord]:
        """Records of a run, of a partition, or of both together, in the order of gate and scope."""
        with self._database.read() as connection:
            return candidates.gate_records(connection, run_id, partition)

    # -- candidates --------------------------------------------------------------------------------------------------

    def point_candidate(self, candidate: Candidate, expected_generation: int) -> Candidate:
        """Make `candidate` (generation 0) the partition's, if its pointer still stands at `expected_generation`.

        A restatement (`as_known` `now`) has a pointer of its own. Pointing at what is pointed at already changes
        nothing, whatever generation is expected, so a retry is safe.

        Raises:
            StaleCandidateError: another run moved the pointer; this one's result must not replace it.
        """
        if candidate.generation:
            raise ValueError(f"candidate of {candidate.partition.key}: generation is given by the store; pass 0")
        failpoint("candidate.point")
        with self.transaction() as change:
            made, known = candidates.point(change.connection, candidate, expected_generation, change.at)
            if made is not known:
                change.append(
                    ledger.CANDIDATE_POINTED, f"candidate:{made.partition.key}:{made.as_known}", SYSTEM,
                    run_id=made.run_id, code_version=made.code_version, config_hash=made.scheme_sha256,
                    before=None if known is None else {"run_id": known.run_id, "content": known.content()},
                    after={"run_id": made.run_id, "content": made.content(), "verdict": made.verdict},
                )  # fmt: skip
        return made

    def candidate(self, partition: Partition) -> Candidate | None:
        """The candidate computed with what was known at the cut-off."""
        with self._database.read() as connection:
            return candidates.candidate(connection, partition, "cutoff")

    def restatement(self, partition: Partition) -> Candidate | None:
        """The candidate computed with what is known now."""
        with self._database.read() as connection:
            return candidates.candidate(connection, partition, "now")

    # -- suspensions and overrides -----------------------------------------------------------------------------------

    def suspend(
        self, region: str, since_cycle: str, reason: str, gate_record_id: str, *, run_id: str | None = None,
        actor: str | Actor = SYSTEM,
    ) -> Suspension:  # fmt: skip
        """Hold a region at its last good rows, with ledger entry and alert; one already held stays as it is."""
        with self.transaction() as change:
            made, new = exceptions.suspend(
                change.connection, region, since_cycle, reason, gate_record_id, timestamp(change.at)
            )
            if new:
                after = {"region": region, "since_cycle": since_cycle, "gate_record_id": gate_record_id}
                change.append(
                    ledger.SUSPENSION_OPENED,
                    f"suspension:{made.suspension_id}",
                    actor,
                    reason=reason,
                    run_id=run_id,
                    after=after,
                )
                payload = {**after, "reason": reason}
                alerts.enqueue(change.connection, "suspension", f"suspension:{made.suspension_id}", payload, change.at)
        return made

    def resume(self, suspension_id: str, resumed_cycle: str, *, reason: str, actor: str | Actor) -> Suspension:
        """End a suspension; one that has ended stays as it is."""
        with self.transaction() as change:
            return resume_in(change, suspension_id, resumed_cycle, reason=reason, actor=actor)

    def open_suspensions(self) -> list[Suspension]:
        """Suspensions that have not ended, by region."""
        with self._database.read() as connection:
            return exceptions.open_suspensions(connection)

    def add_override(
        self,
        *,
        region: str,
        sku_id: str,
        location_id: str,
        value_class: str | None,
        variability_class: str | None,
        start_cycle: str,
        end_cycle: str | None,
        reason: str,
        owner: str,
        approved_by: str,
        known_from: datetime,
        actor: str | Actor | None = None,
    ) -> Override:
        """Store an override, identified by what it says; the same one again changes nothing."""
        override = exceptions.make_override(
            region, sku_id, location_id, value_class, variability_class, start_cycle, end_cycle, reason, owner,
            approved_by, known_from, two_people=self.profile() == "company",
        )  # fmt: skip
        with self.transaction() as change:
            if exceptions.add_override(change.connection, override):
                change.append(
                    ledger.OVERRIDE_ADDED, f"override:{override.override_id}", actor or owner, reason=reason,
                    after=exceptions.override_values(override), approvals=[{"approved_by": approved_by}],
                )  # fmt: skip
        return override

    def revoke_override(self, override_id: str, revoked_at: datetime, *, reason: str, actor: str | Actor) -> Override:
        """Revoke an override from a moment on; cut-offs before it still see the override."""
        with self.transaction() as change:
            known, new = exceptions.revoke_override(change.connection, override_id, timestamp(revoked_at))
            if new:
                change.append(
                    ledger.OVERRIDE_REVOKED, f"override:{override_id}", actor, reason=reason,
                    before=exceptions.override_values(replace(known, revoked_at=None)),
                    after=exceptions.override_values(known),
                )  # fmt: skip
        return known

    def overrides(self) -> list[Override]:
        """All overrides, revoked ones too."""
        with self._database.read() as connection:
            return exceptions.overrides(connection)

    def overrides_in_force(self, partition: Partition, cutoff: datetime) -> list[Override]:
        """Overrides that cover the partition and were known and not revoked at the cut-off; of two, the later holds."""
        with self._database.read() as connection:
            return exceptions.overrides_in_force(connection, partition.region, partition.cycle, timestamp(cutoff))

    def overrides_known(self, partition: Partition, cutoff: datetime) -> list[Override]:
        """Overrides of the partition's region known at the cut-off, whatever cycles they are for, oldest first."""
        with self._database.read() as connection:
            return exceptions.overrides_known(connection, partition.region, timestamp(cutoff))

    # -- alerts ------------------------------------------------------------------------------------------------------

    def enqueue_alert(self, kind: str, key: str, payload: Mapping[str, Any]) -> bool:
        """Put an alert in the outbox, once per key; False where it was there already."""
        with self.transaction() as change:
            return alerts.enqueue(change.connection, kind, key, payload, change.at)

    def deliver_alerts(self, sink: alerts.Sink) -> alerts.Delivery:
        """Hand every pending alert to the sink; one that fails is tried again next time, and is dead in the end."""
        states = []
        for alert in self.alerts("pending"):
            failure: Exception | None = None
            try:
                sink(alert)
            except Exception as error:  # noqa: BLE001 - a sink may fail in any way; the outbox keeps the alert and the reason
                failure = error
            with self.transaction() as change:
                states.append(alerts.settle(change.connection, alert, failure, change.at))
        return alerts.Delivery(states.count("delivered"), states.count("pending"), states.count("dead"))

    def alerts(self, state: str | None = None) -> list[Alert]:
        """The outbox, all of it or alerts in one state (pending, delivered, dead)."""
        with self._database.read() as connection:
            return alerts.in_state(connection, state)

    # -- ledger ------------------------------------------------------------------------------------------------------

    def scheme_approval(self, sha256: str) -> SchemeApproval | None:
        """The approval of a scheme by the hash of its content; None where there is none."""
        with self._database.read() as connection:
            found = ledger.entries(connection, actions=[ledger.SCHEME_APPROVED], object=f"scheme:{sha256}")
        return None if not found else _approval(found[0])

    def releases(self) -> list[Release]:
        """Published releases, oldest first."""
        return [release for release in self.publications() if release.status == "published"]

    def publications(self) -> list[Release]:
        """Every attempt to publish that reached the ledger, with how it ended, in the order of intent."""
        with self._database.read() as connection:
            found = ledger.entries(connection, actions=_STATUS)
        known: dict[str, Release] = {}
        for entry in found:
            known[entry.after["release_id"]] = _release(entry)
        return list(known.values())

    def ledger_entries(self) -> list[Entry]:
        """The whole ledger in order."""
        with self._database.read() as connection:
            return ledger.entries(connection)

    def ledger_head(self) -> Anchor | None:
        """The last entry's sequence and hash."""
        with self._database.read() as connection:
            return ledger.head(connection)

    def verify_ledger(self) -> list[str]:
        """Faults of the ledger: its chain, and its chain against the anchor file and the manifests of all releases."""
        anchored, published = file_anchors(self.home), manifest_anchors(self.home)
        with self._database.read() as connection:
            faults = ledger.verify(connection, [*anchored, *published])
            if not anchored and ledger.head(connection):
                faults.append("the anchor file is gone or empty; restore it from where it was shipped to")
        return faults


def resume_in(
    change: Transaction, suspension_id: str, resumed_cycle: str, *, reason: str, actor: str | Actor
) -> Suspension:
    """End a suspension inside a transaction, with its ledger entry."""
    closed, new = exceptions.resume(change.connection, suspension_id, resumed_cycle)
    if new:
        change.append(
            ledger.SUSPENSION_CLOSED, f"suspension:{suspension_id}", actor, reason=reason,
            after={"region": closed.region, "since_cycle": closed.since_cycle, "resumed_cycle": resumed_cycle},
        )  # fmt: skip
    return closed


def _profile(connection: Connection) -> Profile | None:
    found = ledger.entries(connection, actions=[ledger.HOME_INITIALISED], object="home")
    return found[0].after["profile"] if found else None


def _approve_genesis(change: Transaction, register: SchemeRegister, actor: str | Actor) -> None:
    approved = {entry.after["version"] for entry in ledger.entries(change.connection, actions=[ledger.SCHEME_APPROVED])}
    for file in register.files:
        if file.scheme.version not in approved:
            change.append(
                ledger.SCHEME_APPROVED, f"scheme:{file.sha256}", actor, reason="genesis approval of a trial home",
                config_hash=file.sha256, event_id=f"scheme.approved:{file.sha256}",
                after={"version": file.scheme.version, "sha256": file.sha256, "approved_by": "genesis"},
            )  # fmt: skip


def _approval(entry: Entry) -> SchemeApproval:
    after = entry.after
    return SchemeApproval(after["sha256"], after["version"], after["approved_by"], entry.seq, entry.hash)


def _release(entry: Entry) -> Release:
    after = entry.after
    return Release(
        after["release_id"], after["generation"], after["parent"], after["cycle"], after["manifest_sha256"],
        after["rollback_of"], _STATUS[entry.action],  # type: ignore[arg-type]
        moment(entry.body["ts_utc"]) if entry.action == ledger.PUBLISHED else None, tuple(after["resumes"]),
        {region: PublishedPart(*part) for region, part in after["parts"].items()},
    )  # fmt: skip
