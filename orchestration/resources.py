"""What the assets of a run share: the home, its schemes and calendar, the pinned snapshot, the governance store.

Belongs here: wiring of a run. Keep asset logic out of this module.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import dagster as dg
import pandas as pd
import pyarrow as pa

from orchestration.version import code_version
from strata.conformed.build import Snapshot, load_snapshot
from strata.conformed.history import View
from strata.governance.effective import previous_rows, previous_source, previous_table
from strata.governance.exceptions import standing
from strata.governance.records import Candidate, PreviousSource, TableRef
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.intake.contract import Contract, load_contracts
from strata.partition import Partition
from strata.scheme.load import SchemeFile, SchemeRegister

# What is told of an override of a person, from the governance store.
GIVEN = (
    "override_id", "sku_id", "location_id", "value_class", "variability_class", "start_cycle", "end_cycle", "reason",
    "owner", "approved_by",
)  # fmt: skip


@cache
def schemes(folder: Path) -> SchemeRegister:
    """The schemes of a configuration folder, read once per process."""
    return SchemeRegister.load(folder)


def contracts(home: Home) -> Mapping[tuple[str, str], Contract]:
    """The feed contracts of a home, read again when one of their files, or of the mappings, has changed."""
    files = sorted(
        [*home.config.glob("feeds/*/*.yml"), *home.config.glob("mappings/*.yml"), *home.config.glob("*.yml")]
    )
    stamps = ((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    return _contracts(home.config / "feeds", tuple(stamps))


@cache
def _contracts(folder: Path, stamps: tuple[tuple[str, int, int], ...]) -> Mapping[tuple[str, str], Contract]:
    return MappingProxyType(load_contracts(folder))


class Workspace(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One company's data root as the assets see it.

    Attributes:
        root: STRATA_HOME.
        as_known: `cutoff`, or `now` for a restatement.
        snapshot_id: conformed snapshot to use; empty: the newest when the run begins.
        snapshot_root: where conformed snapshots are; empty: this home. A replay reads those it built again.
        lake_root: where tables are written; empty: the home's lake. A replay writes elsewhere.
        previous: recorded source of the previous classes per region, for a replay: [kind, id, content hash].
    """

    root: str
    as_known: Literal["cutoff", "now"] = "cutoff"
    snapshot_id: str = ""
    snapshot_root: str = ""
    lake_root: str = ""
    previous: dict[str, list[str | None]] = {}

    @property
    def home(self) -> Home:
        return Home(Path(self.root))

    @property
    def store(self) -> GovernanceStore:
        return GovernanceStore(self.home)

    def scheme(self, cycle: str) -> SchemeFile:
        """The scheme in force in a cycle."""
        return schemes(self.home.config / "schemes").for_cycle(cycle)

    def snapshot(self, run_id: str) -> Snapshot:
        """The snapshot this run reads, pinned by the first step that asks."""
        if self.snapshot_id:
            return load_snapshot(Home(Path(self.snapshot_root)) if self.snapshot_root else self.home, self.snapshot_id)
        pin = self.home.scratch(run_id) / "snapshot_id"
        if not pin.is_file():
            pin.parent.mkdir(parents=True, exist_ok=True)
            pin.write_text(newest_snapshot(self.home).snapshot_id, encoding="utf-8")
        return load_snapshot(self.home, pin.read_text(encoding="utf-8"))

    def view(self, partition: Partition, run_id: str) -> View:
        """What a run of this partition may know."""
        snapshot, calendar = self.snapshot(run_id), self.home.calendar()
        cutoff = calendar.cutoff(partition.cycle, partition.region)
        known_at = cutoff if self.as_known == "cutoff" else last_extract(snapshot, at_least=cutoff)
        return View(snapshot, partition, known_at, self.scheme(partition.cycle).scheme, calendar)

    def lake_file(self, table: str, partition: Partition, run_id: str) -> Path:
        """Where this run writes a table of a partition."""
        home = Home(Path(self.lake_root)) if self.lake_root else self.home
        return home.lake_file(table, partition, run_id)

    def input_file(self, table: str, partition: Partition, run_id: str) -> Path:
        """A table as this run wrote it, else as the partition's candidate holds it."""
        own = self.lake_file(table, partition, run_id)
        if own.is_file():
            return own
        candidate = self.store.candidate(partition)
        if candidate is None or table not in candidate.tables:
            raise dg.Failure(f"{partition.key}: {table} was not computed yet; materialize it first")
        return self.home.root / candidate.tables[table].path

    def kept_sales(self, partition: Partition, run_id: str) -> Path:
        """Where a run leaves the judged sales rows of a partition for its later stages; the gate removes them."""
        return self.home.scratch(run_id) / f"sales_as_known-{partition.region}-{partition.cycle}.parquet"

    def previous_source(self, partition: Partition) -> PreviousSource:
        """Where the classes of the cycle before come from (semantics.md section 5), or as recorded for a replay."""
        if self.lake_root:
            kind, source_id, content = self.previous[partition.region]
            return PreviousSource(kind, source_id, content)  # type: ignore[arg-type]
        return previous_source(self.store, self.home, partition)

    def previous_classes(self, partition: Partition) -> pa.Table | None:
        """The effective classes of the cycle before, or None."""
        return previous_rows(self.store, self.home, partition, self.previous_source(partition))

    def previous_tables(self, partition: Partition, *names: str) -> list[pa.Table | None]:
        """Other tables from where the effective classes of the cycle before are; None where one was not there yet."""
        source = self.previous_source(partition)
        return [previous_table(self.store, self.home, partition, source, name) for name in names]

    def feed_terms(self) -> pd.DataFrame:
        """What the contracts promise about time: system, feed, normal lag, refresh SLA, time zone of their days."""
        names = ["system", "feed", "normal_lag_hours", "refresh_sla_hours", "time_zone"]
        found = contracts(self.home).values()
        return pd.DataFrame([[getattr(contract, name) for name in names] for contract in found], columns=names)

    def overrides(self, view: View) -> pd.DataFrame:
        """Overrides of people known for a region, the earliest first, and how each stands in the cycle."""
        found = self.store.overrides_known(view.partition, view.known_at)
        cycle = view.partition.cycle
        rows = [[getattr(row, name) for name in GIVEN] + [standing(row, cycle, view.known_at)] for row in found]
        return pd.DataFrame(rows, columns=[*GIVEN, "standing"], dtype=object)

    def candidate(
        self, view: View, run_id: str, tables: Mapping[str, TableRef], record_ids: tuple[str, ...], verdict: str
    ) -> Candidate:
        """The candidate of a finished run, not pointed at yet."""
        scheme = self.scheme(view.partition.cycle)
        return Candidate(
            partition=view.partition,
            generation=0,
            run_id=run_id,
            snapshot_id=view.snapshot.snapshot_id,
            scheme_version=scheme.scheme.version,
            scheme_sha256=scheme.sha256,
            code_version=code_version(),
            as_known=self.as_known,
            previous=self.previous_source(view.partition),
            tables=tables,
            gate_record_ids=record_ids,
            verdict=verdict,  # type: ignore[arg-type]
        )


def newest_snapshot(home: Home) -> Snapshot:
    """The conformed snapshot made last; Failure where there is none."""
    found = [load_snapshot(home, file.parent.name) for file in home.conformed.glob("*/snapshot.json")]
    if not found:
        raise dg.Failure(f"{home.conformed}: nothing was conformed yet; land extracts, then run the conform job")
    return newest_of(found)


def newest_of(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The snapshot made last."""
    return max(snapshots, key=lambda snapshot: (snapshot.created_at, snapshot.snapshot_id))


def last_extract(snapshot: Snapshot, *, at_least: datetime) -> datetime:
    """When the youngest extract of a snapshot was taken: what `now` means to a restatement, reproducibly."""
    return max([at_least, *(datetime.fromisoformat(batch["extracted_at"]) for batch in snapshot.batches)])
