"""Exceptions to the scheme's rule: suspensions of regions and overrides of classes, as rows of the store.

Belongs here: opening, closing, finding them inside a transaction. Does not: flagging rows of a release
(`strata.governance.content`).
"""

import dataclasses
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from strata.governance.records import GovernanceError, Override, Suspension, moment, timestamp
from strata.governance.schema import OVERRIDE, SUSPENSION
from strata.identity import sha256_json
from strata.partition import checked_cycle, checked_region
from strata.scheme.model import VALUE_CLASSES, VARIABILITY_CLASSES

Standing = Literal["in_force", "scheduled", "expired", "revoked"]


def open_suspensions(connection: Connection) -> list[Suspension]:
    """Suspensions that have not ended, by region; a region has at most one."""
    query = select(SUSPENSION).where(SUSPENSION.c.resumed_cycle.is_(None)).order_by(SUSPENSION.c.region)
    return [_suspension(row) for row in connection.execute(query).mappings()]


def suspend(
    connection: Connection, region: str, since_cycle: str, reason: str, gate_record_id: str, at: str
) -> tuple[Suspension, bool]:
    """Open a suspension, unless the region has one; returns it and whether it is new."""
    for known in open_suspensions(connection):
        if known.region == region:
            return known, False
    before = connection.execute(
        select(func.count()).select_from(SUSPENSION).where(SUSPENSION.c.region == region)
    ).scalar_one()
    identity = sha256_json([checked_region(region), checked_cycle(since_cycle), gate_record_id, before])
    suspension = Suspension(identity, region, since_cycle, reason, gate_record_id, None)
    connection.execute(insert(SUSPENSION).values(**dataclasses.asdict(suspension), opened_at=at))
    return suspension, True


def resume(connection: Connection, suspension_id: str, resumed_cycle: str) -> tuple[Suspension, bool]:
    """Close a suspension; returns it and whether it was open. GovernanceError where there is none."""
    row = connection.execute(select(SUSPENSION).where(SUSPENSION.c.suspension_id == suspension_id)).mappings().first()
    if row is None:
        raise GovernanceError(f"suspension {suspension_id} is not known; `strata suspension list` shows the open ones")
    if row["resumed_cycle"] is not None:
        return _suspension(row), False
    connection.execute(
        update(SUSPENSION)
        .where(SUSPENSION.c.suspension_id == suspension_id)
        .values(resumed_cycle=checked_cycle(resumed_cycle))
    )
    return dataclasses.replace(_suspension(row), resumed_cycle=resumed_cycle), True


def add_override(connection: Connection, override: Override) -> bool:
    """Store an override once; False where the same one is there. GovernanceError where the id means another."""
    row = connection.execute(select(OVERRIDE).where(OVERRIDE.c.override_id == override.override_id)).mappings().first()
    if row is None:
        values = dataclasses.asdict(override)
        values["known_from"] = timestamp(override.known_from)
        values["revoked_at"] = None if override.revoked_at is None else timestamp(override.revoked_at)
        connection.execute(insert(OVERRIDE).values(**values))
        return True
    known = _override(row)
    if known != override:
        why = "was revoked; add it again with a later known_from" if known.revoked_at else "says something else already"
        raise GovernanceError(f"override {override.override_id} {why}")
    return False


def revoke_override(connection: Connection, override_id: str, revoked_at: str) -> tuple[Override, bool]:
    """End what is known of an override from a moment on; earlier cut-offs still see it."""
    row = connection.execute(select(OVERRIDE).where(OVERRIDE.c.override_id == override_id)).mappings().first()
    if row is None:
        raise GovernanceError(f"override {override_id} is not known; `strata override list` shows them all")
    known = _override(row)
    if known.revoked_at is not None:
        return known, False
    if revoked_at < row["known_from"]:
        raise GovernanceError(
            f"override {override_id} is known from {row['known_from']}; it cannot be revoked before that"
        )
    connection.execute(update(OVERRIDE).where(OVERRIDE.c.override_id == override_id).values(revoked_at=revoked_at))
    return dataclasses.replace(known, revoked_at=moment(revoked_at)), True


def overrides(connection: Connection) -> list[Override]:
    """All overrides, revoked ones too."""
    query = select(OVERRIDE).order_by(OVERRIDE.c.region, OVERRIDE.c.known_from, OVERRIDE.c.override_id)
    return [_override(row) for row in connection.execute(query).mappings()]


def overrides_known(connection: Connection, region: str, cutoff: str) -> list[Override]:
    """Overrides of a region that were known at the cut-off, oldest first, whatever has become of them."""
    query = (
        select(OVERRIDE)
        .where(OVERRIDE.c.region == region, OVERRIDE.c.known_from <= cutoff)
        .order_by(OVERRIDE.c.known_from, OVERRIDE.c.override_id)
    )
    return [_override(row) for row in connection.execute(query).mappings()]


def standing(override: Override, cycle: str, cutoff: datetime) -> Standing:
    """How an override known at a cut-off stands in a cycle: a later revocation is not known yet."""
    if override.revoked_at is not None and override.revoked_at <= cutoff:
        return "revoked"
    if cycle < override.start_cycle:
        return "scheduled"
    return "expired" if override.end_cycle is not None and override.end_cycle < cycle else "in_force"


def overrides_in_force(connection: Connection, region: str, cycle: str, cutoff: str) -> list[Override]:
    """Overrides of a region that cover `cycle` and were known, and not revoked, at the cut-off; oldest first."""
    at, found = moment(cutoff), overrides_known(connection, region, cutoff)
    return [one for one in found if standing(one, cycle, at) == "in_force"]


def make_override(
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
    *,
    two_people: bool,
) -> Override:
    """An override with its id, which is the hash of what it says; GovernanceError saying what is missing otherwise."""
    checked_region(region)
    checked_cycle(start_cycle)
    fault = None
    if value_class is None and variability_class is None:
        fault = "set value_class, variability_class or both"
    elif value_class not in (None, *VALUE_CLASSES) or variability_class not in (None, *VARIABILITY_CLASSES):
        fault = f"value_class is one of {VALUE_CLASSES}, variability_class one of {VARIABILITY_CLASSES}"
    elif not reason.strip() or not owner.strip() or not approved_by.strip():
        fault = "reason, owner and approved_by are needed"
    elif two_people and owner == approved_by:
        fault = f"{owner} cannot approve an override of their own in a company home"
    elif end_cycle is not None and checked_cycle(end_cycle) < start_cycle:
        fault = f"it ends in {end_cycle}, before it starts in {start_cycle}"
    if fault:
        raise GovernanceError(f"override of {sku_id} at {location_id} in {region}: {fault}")
    override = Override(
        "", region, sku_id, location_id, value_class, variability_class, start_cycle, end_cycle, reason, owner,
        approved_by, known_from, None,
    )  # fmt: skip
    return dataclasses.replace(override, override_id=sha256_json(override_values(override))[:16])


def override_values(override: Override) -> dict[str, str | None]:
    """What an override says, for ledger and identity."""
    values = {name: value for name, value in dataclasses.asdict(override).items() if name != "override_id"}
    values["known_from"] = timestamp(override.known_from)
    values["revoked_at"] = None if override.revoked_at is None else timestamp(override.revoked_at)
    return values


def _suspension(row: RowMapping) -> Suspension:
    return Suspension(**{field.name: row[field.name] for field in dataclasses.fields(Suspension)})


def _override(row: RowMapping) -> Override:
    values = {field.name: row[field.name] for field in dataclasses.fields(Override)}
    values["known_from"] = moment(values["known_from"])
    values["revoked_at"] = None if values["revoked_at"] is None else moment(values["revoked_at"])
    return Override(**values)
