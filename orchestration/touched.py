"""Which partitions a snapshot's news asks for.

Belongs here: from batches to regions, from known time to cycles. Does not: asking for runs (`orchestration.sensors`).

All is read from the snapshot and the governance store, nothing is remembered: after a crash, a restart or a failed run
the same question has the same answer, and what was decided drops out of it by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from strata.calendar import Calendar
from strata.conformed.build import SNAPSHOT_KEYS, Snapshot, load_snapshot
from strata.conformed.engine import engine
from strata.durable import read_parquet
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.intake.batches import Batch, accepted_batches
from strata.intake.contract import load_contracts
from strata.partition import Partition, cycle_range, shifted

# Facts whose location is no part of their key: a correction can move a row from one region to another.
MOVABLE = {
    ("erp", "sales_order_lines"): "fct_sales_line",
    ("erp", "purchase_order_lines"): "fct_purchase_order_line",
    ("erp", "goods_receipts"): "fct_goods_receipt",
}


@dataclass(frozen=True, slots=True)
class Decided:
    """The newest decided cycle of a region, and the batches that its candidate has seen."""

    cycle: str
    batch_ids: frozenset[str]


def open_cycles(calendar: Calendar, now: datetime) -> list[str]:
    """Every cycle that has a partition by now, as `orchestration.partitions` counts them."""
    return cycle_range(calendar.first_cycle, f"{now.year:04d}-{now.month:02d}")


def newest_decided(home: Home, region: str, cycles: list[str]) -> Decided | None:
    """What was decided last in a region; None where nothing was."""
    store = GovernanceStore(home)
    for cycle in reversed(cycles):
        candidate = store.candidate(Partition(region, cycle))
        if candidate is not None:
            return Decided(cycle, _batch_ids(load_snapshot(home, candidate.snapshot_id)))
    return None


def touched_partitions(home: Home, snapshot: Snapshot, now: datetime) -> list[Partition]:
    """The partition to decide next in every region that a snapshot brings news of.

    News belongs to the first cycle whose cut-off is not before it was known. A cycle that was followed by a decided
    one is closed and keeps what it knew; its late news goes into the newest. A region is decided cycle by cycle, since
    each looks at the classes of the one before, so a region has one partition here at a time, and cycles without news
    in between are not left out. News that is younger than the last cut-off waits for its cycle to begin.
    """
    calendar = home.calendar()
    cycles = open_cycles(calendar, now)
    decided = {region: newest_decided(home, region, cycles) for region in calendar.region_codes}
    wanted: dict[str, set[str]] = {}
    unseen = _unseen(snapshot, calendar, cycles, decided)
    accepted = {batch.batch_id: batch for batch in accepted_batches(home)} if unseen else {}
    for batch_id, firsts in unseen.items():
        for region in _regions(home, snapshot, accepted.get(batch_id)) & set(firsts):
            wanted.setdefault(region, set()).add(firsts[region])
    found = [Partition(region, _next(decided[region], firsts)) for region, firsts in wanted.items()]
    return sorted(found, key=lambda partition: (partition.cycle, partition.region))


def _unseen(
    snapshot: Snapshot, calendar: Calendar, cycles: list[str], decided: Mapping[str, Decided | None]
) -> dict[str, dict[str, str]]:
    """Batches that a region has not seen: per batch the first cycle that may know it, by region."""
    found: dict[str, dict[str, str]] = {}
    for record in snapshot.batches:
        batch_id, known = str(record["batch_id"]), datetime.fromisoformat(str(record["extracted_at"]))
        for region, newest in decided.items():
            first = next((cycle for cycle in cycles if calendar.cutoff(cycle, region) >= known), None)
            if first is not None and not _has_seen(newest, batch_id, first):
                found.setdefault(batch_id, {})[region] = first
    return found


def _has_seen(decided: Decided | None, batch_id: str, first: str) -> bool:
    return decided is not None and first <= decided.cycle and batch_id in decided.batch_ids


def _next(decided: Decided | None, firsts: set[str]) -> str:
    if decided is None:
        return min(firsts)
    # Late news for the newest cycle or a closed one: the newest is decided anew. Else the one after it.
    return decided.cycle if min(firsts) <= decided.cycle else shifted(decided.cycle, 1)


def _regions(home: Home, snapshot: Snapshot, batch: Batch | None) -> frozenset[str]:
    """Regions that a batch brings news of; all of them where that cannot be told."""
    everywhere = frozenset(home.calendar().region_codes)
    contract = load_contracts(home.config / "feeds").get((batch.system, batch.feed)) if batch else None
    if batch is None or contract is None or contract.full_means == "state":
        return everywhere  # what a state no longer holds has ended, wherever it was
    places: dict[str, set[str]] = {}
    for row in read_parquet(snapshot.table("int_location_version")).select(["location_id", "region"]).to_pylist():
        places.setdefault(row["location_id"], set()).add(row["region"])
    locations = {*batch.touched_locations, *_moved_from(snapshot, batch)}
    touched = {*batch.touched_regions, *(region for place in locations for region in places.get(place, everywhere))}
    return frozenset(touched & everywhere) or everywhere


def _moved_from(snapshot: Snapshot, batch: Batch) -> list[str]:
    """Locations that the keys of a batch had in other versions, and those of rows that it deletes."""
    name = MOVABLE.get((batch.system, batch.feed))
    if name is None or not batch.accepted_rows:
        return []
    keys = ", ".join(SNAPSHOT_KEYS[name][:-1])
    tables: dict[str, Path] = {"fact": snapshot.table(name), "delivered": batch.rows_file}
    with engine(tables) as connection:
        rows = connection.execute(f"SELECT DISTINCT location_id FROM fact SEMI JOIN delivered USING ({keys})")  # noqa: S608
        return [row[0] for row in rows.fetchall()]


def _batch_ids(snapshot: Snapshot) -> frozenset[str]:
    return frozenset(str(batch["batch_id"]) for batch in snapshot.batches)
