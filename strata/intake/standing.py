"""How every feed stands at a cut-off: rows refused since the one before, age, volume, refusals, expiry of its grant.

Belongs here: figures per feed as one region sees them, beside the bounds of the feed's contract. Does not: what they
mean for the region (`expectations.intake`).

All is told from accepted batches, refusal records and contracts; the wall clock has no part in it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

import duckdb
import pandas as pd

from strata.intake.batches import Batch
from strata.intake.contract import Contract
from strata.intake.reasons import SHAPE_REASONS
from strata.intake.terms import Thresholds

LOCATION = "location_id"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An extract that was refused whole: its feed, when its source took it, why."""

    system: str
    feed: str
    extracted_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class FeedStanding:
    """One feed at a cut-off, as one region sees it; column of a frame each.

    Attributes:
        feed: `<system>/<feed>`.
        rows, refused_rows: taken since the cut-off before; of the region where rows name a location, and a refused row
            whose location is unknown counts in every region.
        unknown_keys: of a feed of changes, deletes since the cut-off before of keys that never came, as one who missed
            their beginning sees them; of the whole feed.
        warn_share, quarantine_share, suspend_share: shares of refused rows that the contract tolerates.
        age_hours: since the youngest extract, null where none was taken by then; sla_hours: as the contract promises.
        newest_rows, rows_before: of the two youngest states, or of two business months; null where neither is known.
        max_volume_drop, max_volume_rise: bounds of one state against the one before, null where the contract has none.
        expiry, is_expired: last day of the grant, and whether the cut-off lies after it.
        refusal: reason of the youngest extract refused since the youngest accepted one, else null; shape_changed:
            whether that reason says that the source changed, so that what it sent before cannot stand in for it.
    """

    feed: str
    rows: int
    refused_rows: int
    unknown_keys: int
    warn_share: float
    quarantine_share: float
    suspend_share: float
    age_hours: float | None
    sla_hours: float
    newest_rows: int | None
    rows_before: int | None
    max_volume_drop: float | None
    max_volume_rise: float | None
    expiry: str
    is_expired: bool
    refusal: str | None
    shape_changed: bool


STANDING_COLUMNS = tuple(field.name for field in fields(FeedStanding))


def stand(
    batches: Iterable[Batch],
    refusals: Iterable[Refusal],
    contracts: Mapping[tuple[str, str], Contract],
    *,
    region: str,
    places: Collection[str],
    elsewhere: Collection[str],
    months: Mapping[tuple[str, str], tuple[int, int]],
    since: datetime,
    known_at: datetime,
) -> pd.DataFrame:
    """One row per feed that delivered anything to the region by `known_at`, in the order of their names.

    A feed whose rows name locations or regions, but never one of this region, does not touch it.

    Args:
        batches: accepted batches of the snapshot that is decided on.
        refusals: extracts refused whole.
        contracts: by (system, feed); a feed without one is not judged, since nothing is promised.
        region: who looks.
        places: its locations.
        elsewhere: those of all other regions.
        months: of feeds whose volume is that of business months: rows of the last closed one and of the one before.
        since: the cut-off before, from which rows are counted.
        known_at: the cut-off.
    """
    accepted: dict[tuple[str, str], list[Batch]] = {}
    for batch in batches:
        if _taken(batch, known_at) is not None:
            accepted.setdefault((batch.system, batch.feed), []).append(batch)
    refused: dict[tuple[str, str], list[Refusal]] = {}
    for refusal in refusals:
        if refusal.extracted_at <= known_at:
            refused.setdefault((refusal.system, refusal.feed), []).append(refusal)
    standings = []
    for key in sorted({*accepted, *refused} & contracts.keys()):
        known = sorted(accepted.get(key, ()), key=lambda batch: (_taken(batch, known_at), batch.batch_id))
        contract = contracts[key]
        if not _touches(known, contract, region, places):
            continue
        recent = [batch for batch in known if (_taken(batch, known_at) or since) > since]
        rows, bad = _counted(recent, contract, places, elsewhere)
        counts = rows, bad, _unknown_keys(recent, known, contract)
        standing = _standing(contract, known, refused.get(key, ()), counts, known_at)
        if key in months:
            standing = replace(standing, newest_rows=months[key][0], rows_before=months[key][1])
        standings.append(standing)
    return pd.DataFrame(standings, columns=list(STANDING_COLUMNS))


def _taken(batch: Batch, known_at: datetime) -> datetime | None:
    """When the batch was taken, as seen from `known_at`; None where nothing of it was known by then.

    A first load is taken after the history that it brings: of what was assumed to be known by then, the youngest.
    """
    taken = batch.manifest.extracted_at
    if taken <= known_at:
        return taken
    if batch.assumed_known is None:
        return None
    first, last = map(datetime.fromisoformat, batch.assumed_known)
    return min(last, known_at) if first <= known_at else None


def _touches(known: Sequence[Batch], contract: Contract, region: str, places: Collection[str]) -> bool:
    if not known:
        return True  # nothing was accepted yet: it may be anyone's
    if LOCATION in contract.names:
        return any(place in places for batch in known for place in batch.touched_locations)
    return "region" not in contract.names or any(region in batch.touched_regions for batch in known)


def _standing(
    contract: Contract,
    known: Sequence[Batch],
    refused: Sequence[Refusal],
    counts: tuple[int, int, int],
    known_at: datetime,
) -> FeedStanding:
    limits = contract.thresholds
    newest = _taken(known[-1], known_at) if known else None
    open_ = [refusal for refusal in refused if newest is None or refusal.extracted_at > newest]
    last = max(open_, key=lambda refusal: refusal.extracted_at, default=None)
    states = [batch.accepted_rows + batch.refused_rows for batch in known] if contract.full_means == "state" else []
    return FeedStanding(
        feed=f"{contract.system}/{contract.feed}",
        rows=counts[0],
        refused_rows=counts[1],
        unknown_keys=counts[2],
        warn_share=limits.warn_refused_share,
        quarantine_share=_quarantine(limits),
        suspend_share=limits.suspend_refused_share,
        age_hours=None if newest is None else (known_at - newest).total_seconds() / 3600,
        sla_hours=float(contract.refresh_sla_hours),
        newest_rows=states[-1] if len(states) > 1 else None,
        rows_before=states[-2] if len(states) > 1 else None,
        max_volume_drop=limits.max_volume_drop,
        max_volume_rise=limits.max_volume_rise,
        expiry=contract.expiry.isoformat(),
        is_expired=known_at.date() > contract.expiry,
        refusal=last.reason if last else None,
        shape_changed=any(refusal.reason in SHAPE_REASONS for refusal in open_),
    )


def _quarantine(limits: Thresholds) -> float:
    shared = limits.quarantine_refused_share
    return limits.warn_refused_share if shared is None else shared


def _counted(
    batches: Sequence[Batch], contract: Contract, places: Collection[str], elsewhere: Collection[str]
) -> tuple[int, int]:
    """Rows and refused rows of the region; of the whole feed where rows name no location."""
    if LOCATION not in contract.names:
        return sum(b.accepted_rows + b.refused_rows for b in batches), sum(b.refused_rows for b in batches)
    if not batches:
        return 0, 0
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT {LOCATION}, count(*), count(_refusal_reason) FROM read_parquet(?) GROUP BY 1",  # noqa: S608
            [[str(batch.rows_file) for batch in batches]],
        ).fetchall()
    own, others = set(places), set(elsewhere)
    rows = sum(count for place, count, _ in found if place in own)
    bad = sum(refused for place, _, refused in found if place in own)
    unknown = sum(refused for place, _, refused in found if place not in own and place not in others)
    return rows + unknown, bad + unknown


def _unknown_keys(recent: Sequence[Batch], known: Sequence[Batch], contract: Contract) -> int:
    changes = [str(batch.rows_file) for batch in recent if batch.manifest.kind == "cdc"]
    if not changes:
        return 0
    key = ", ".join(contract.key)
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT count(*) FROM (SELECT {key} FROM read_parquet($1, union_by_name = true) "  # noqa: S608
            "WHERE _op = 'd' AND _refusal_reason IS NULL) AS d "
            f"ANTI JOIN (SELECT {key} FROM read_parquet($2, union_by_name = true) WHERE _op = 'u') AS u USING ({key})",
            [changes, [str(batch.rows_file) for batch in known]],
        ).fetchone()
    return int(found[0]) if found else 0
