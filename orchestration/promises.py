"""Promised refreshes of the feeds: the table of a release, and alerts on misses and grants that end.

A release judges at its latest cut-off; the sensor of a company home looks at the wall clock in between. Both use the
same keys, so the outbox holds one alert per feed and promise whoever comes first.

Belongs here: what came, and whom to tell. Does not: the judgement (`strata.intake.promises`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from orchestration.resources import contracts
from strata.conformed.build import Snapshot
from strata.durable import write_parquet
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.intake.batches import accepted_batches
from strata.intake.promises import Arrival, Feed, Promise, log, notices, rows
from strata.partition import shifted
from strata.tables import FEED_SLA


def write_feed_sla(home: Home, snapshot: Snapshot, cycle: str, scheme_version: str, file: Path) -> None:
    """Write `feed_sla` of a release, from the extracts that its snapshot took in or held."""
    as_of = _cutoff(home, cycle)
    terms = contracts(home)
    stamp = {"valid_for_cycle": cycle, "scheme_version": scheme_version}
    found = [row | stamp for row in rows(log(_of_snapshot(snapshot), terms, as_of), terms, as_of)]
    write_parquet(file, FEED_SLA.conform(pa.Table.from_pylist(found, schema=FEED_SLA.schema)))


def tell_at_cutoff(home: Home, snapshot: Snapshot, cycle: str) -> int:
    """Put misses since the cut-off before, and grants that end, into the outbox; how many are new there."""
    as_of = _cutoff(home, cycle)
    return _tell(home, log(_of_snapshot(snapshot), contracts(home), as_of), _cutoff(home, shifted(cycle, -1)), as_of)


def tell_now(home: Home, now: datetime) -> int:
    """The same by the wall clock: refreshes that are overdue now; how many alerts are new."""
    arrivals = [
        Arrival(batch.system, batch.feed, batch.manifest.extracted_at, batch.manifest.extract_id)
        for batch in accepted_batches(home)
    ]
    return _tell(home, log(arrivals, contracts(home), now), now, now)


def _tell(home: Home, logged: Mapping[Feed, list[Promise]], since: datetime, as_of: datetime) -> int:
    store = GovernanceStore(home)
    known = {alert.key for alert in store.alerts()}
    found = notices(logged, contracts(home), since=since, as_of=as_of)
    return sum(store.enqueue_alert(kind, key, payload) for kind, key, payload in found if key not in known)


def _of_snapshot(snapshot: Snapshot) -> list[Arrival]:
    taken: Sequence[Mapping[str, object]] = [*snapshot.batches, *snapshot.held]
    return [
        Arrival(
            str(batch["system"]),
            str(batch["feed"]),
            datetime.fromisoformat(str(batch["extracted_at"])),
            # A held batch is recorded without the name of its extract.
            str(batch.get("extract_id") or batch["batch_id"]),
        )
        for batch in taken
    ]


def _cutoff(home: Home, cycle: str) -> datetime:
    calendar = home.calendar()
    return max(calendar.cutoff(cycle, region) for region in calendar.region_codes)
