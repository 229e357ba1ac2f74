"""Gathering what `strata explain` tells: rows of a release, of the release before, and the source rows behind them."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from strata.classify.rules import BOTH
from strata.conformed import origins
from strata.conformed.build import SNAPSHOT_KEYS, load_snapshot
from strata.conformed.history import View
from strata.governance.releases import Manifest, current_manifest, lineage, read_manifest
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.intake.batches import read_batch
from strata.partition import Partition
from strata.review.conflict import conflict_lines, jump_lines
from strata.review.explain import explain, override_line, rule_line
from strata.review.origins import demand_of, left_out, revenue_of, sentences
from strata.review.stability import stability_lines
from strata.scheme.load import SchemeRegister

_SHOWN = (
    "order_id", "order_line", "location_id", "ordered_at", "quantity", "unit", "net_amount", "currency", "line",
    "reason", "known_from",
)  # fmt: skip


def explanations(home: Home, sku: str, *, region: str | None, cycle: str | None, rows: int) -> list[dict[str, Any]]:
    """One explanation per region and level that assigned the item, or that knows why it has no class.

    Args:
        home: data root.
        sku: item number.
        region: None: all of the release.
        cycle: None: that of the current release.
        rows: source rows per list, the largest first; 0 is all.

    Raises:
        ValueError: there is no release for the cycle, or nothing is known of the item.
    """
    manifest = _manifest(home, cycle)
    schemes = SchemeRegister.load(home.config / "schemes")
    found: list[dict[str, Any]] = []
    unassigned: list[dict[str, Any]] = []
    with _open(home, manifest) as connection:
        for code, part in sorted(manifest["partitions"].items()):
            if region is None or code == region:
                source = _Sources(home, schemes, part, code, sku, rows)
                assigned = _rows(connection, "segment_assignment", sku, code)
                found += [_assigned(home, manifest, connection, row, source) for row in assigned]
                unassigned += [] if assigned else _unassigned(manifest, source)
    # A region that never sold the item is told of only where nothing else is, or where it was asked for.
    found = found if found and region is None else found + unassigned
    if not found:
        where = f" in {region}" if region else ""
        raise ValueError(
            f"item {sku} has no class{where} in release {manifest['release_id']}, and no row of any feed that was "
            "known at the cut-off names it: look at its spelling, and into quarantine/ for extracts refused whole"
        )
    return found


class _Sources:
    """The source rows of an item in one partition of a release, as that partition knew them."""

    def __init__(
        self, home: Home, schemes: SchemeRegister, part: Mapping[str, Any], region: str, sku: str, rows: int
    ) -> None:
        self.home, self.part, self.sku, self.rows = home, part, sku, rows
        self.scheme = schemes.version(part["scheme"]["version"]).scheme
        calendar, partition = home.calendar(), Partition(region, part["cycle"])
        snapshot = load_snapshot(home, part["snapshot_id"])
        self.view = View(snapshot, partition, calendar.cutoff(partition.cycle, region), self.scheme, calendar)
        self.feeds = {str(batch["batch_id"]): (batch["system"], batch["feed"]) for batch in snapshot.batches}
        # A snapshot of an older version lacks tables that today's query reads: what it held is told, not judged again.
        self.lacking = sorted(set(SNAPSHOT_KEYS) - set(snapshot.tables))
        self.sales = [] if self.lacking else origins.sales_lines(self.view, sku)
        refused = origins.refused_rows(self.view, sku)
        self.why = {_place(row): f"{row.get('refused_column')} = {row.get('refused_value')}" for row in refused}
        shown = {_place(row) for row in self.sales}
        self.refused = [row for row in refused if _place(row) not in shown]
        self.records = origins.records(self.view, sku)

    def told(self, location_id: str, revenue: Decimal | None) -> dict[str, Any]:
        """Sums in words and figures, and the rows behind them, for one location or (`*`) the region."""
        lines = [row for row in self.sales if location_id in ("*", row["location_id"])]
        since, until = origins.window(self.view, location_id)
        demand = demand_of(lines, since=since, until=until, stated=revenue)
        groups = left_out(lines)
        kept = [row for row in lines if row["line"] == "demand"]
        counted = [row for row in kept if since <= row["local_date"] < until] or kept
        counted.sort(key=lambda row: (-revenue_of(row), row["local_date"], row["batch_id"], row["row"]))
        others = sorted(
            (row for row in lines if row["line"] != "demand"), key=lambda row: row["local_date"] or date.min
        )
        return {
            "sums": [_outdated(self.view.snapshot.snapshot_id, self.lacking)]
            if self.lacking
            else sentences(demand, groups),
            "demand": {**asdict(demand), "ties": demand.ties},
            "left_out": [asdict(group) for group in groups],
            "source_rows": [self.shown(row) for row in self.first(counted)],
            "left_out_rows": [self.shown(row) for row in self.first(others[::-1])],
            "refused_rows": [self.come(row) for row in self.first(self.refused)],
            "records": {
                name: {"rows": len(rows), "shown": [self.come(row) for row in self.first(rows)]}
                for name, rows in sorted(self.records.items())
            },
        }

    def first(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return rows[: self.rows] if self.rows else rows

    def shown(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A sales line with what decided about it and where it came from."""
        told = {name: row.get(name) for name in _SHOWN}
        if _place(row) in self.why:
            told["reason"] = f"{row['reason']}: {self.why[_place(row)]}"
        return self.come(told | {name: row[name] for name in ("batch_id", "file", "row")})

    def come(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row with its batch as system, feed and extract."""
        system, feed = self.feeds[row["batch_id"]]
        own = {name: value for name, value in row.items() if name not in ("batch_id", "file", "row")}
        return own | {
            "feed": f"{system}/{feed}",
            "extract_id": self._extract(system, feed, row["batch_id"]),
            "batch": row["batch_id"][:12],
            "file": row["file"],
            "row": row["row"],
        }

    def _extract(self, system: str, feed: str, batch_id: str) -> str | None:
        folder = self.home.raw / system / feed / batch_id
        return read_batch(folder).manifest.extract_id if folder.is_dir() else None


def _outdated(snapshot_id: str, lacking: list[str]) -> str:
    return (
        f"Source: snapshot {snapshot_id} was conformed before there was {', '.join(lacking)}, so its order lines "
        "cannot be judged as they were then; install the code version that the release names to see them."
    )


def _place(row: Mapping[str, Any]) -> tuple[str, str, int]:
    return row["batch_id"], row["file"], row["row"]


def _assigned(
    home: Home, manifest: Manifest, connection: DuckDBPyConnection, row: dict[str, Any], source: _Sources
) -> dict[str, Any]:
    region, place = row["region"], row["location_id"]
    profiles = _rows(connection, "demand_profile", row["sku_id"], region)
    profile = next(found for found in profiles if found["location_id"] == place)
    policies = _rows(connection, "inventory_policy", row["sku_id"], region)
    lines = explain(row, profile, _previous(home, source.part, row), policies, scheme=source.scheme)
    if row["override_id"] is not None:
        named = str(row["override_id"]).split(BOTH)
        lines += [override_line(one) for one in GovernanceStore(home).overrides() if one.override_id in named]
        lines += [rule_line(rule) for rule in source.scheme.rules if rule.override_id in named]
    lines += [text for found in _stability(connection, row) for text in stability_lines(found)]
    lines += conflict_lines(_rows(connection, "hierarchy_conflict", row["sku_id"], region))
    lines += jump_lines(_rows(connection, "demand_history", row["sku_id"], region))
    head = {"region": region, "location_id": place, "cycle": row["cycle"], "release_id": manifest["release_id"]}
    return {**head, "segment": row["segment"], "lines": lines, **source.told(place, profile["revenue"])}


def _unassigned(manifest: Manifest, source: _Sources) -> list[dict[str, Any]]:
    """Why an item that some feed names has no class in a region; nothing where none of them does."""
    if not (source.sales or source.refused or source.records):
        return []
    partition = source.view.partition
    told = source.told("*", None)
    if "int_item_version" not in source.records:
        why = "the item master did not know it at the cut-off"
    elif not any(row["line"] == "demand" for row in source.sales):
        why = "none of its order lines is demand" if source.sales else "nobody ordered it in the region"
    else:
        why = "its demand lies in periods that were still open at the cut-off, or before the window"
    head = {"region": partition.region, "location_id": "*", "cycle": partition.cycle}
    line = f"{source.sku} in region {partition.region}, cycle {partition.cycle}: no class, because {why}."
    return [{**head, "release_id": manifest["release_id"], "segment": None, "lines": [line], **told}]


def _manifest(home: Home, cycle: str | None) -> Manifest:
    current = current_manifest(home)
    if current is None:
        raise ValueError(f"{home.releases}: nothing was published yet; `strata run --publish` does")
    for manifest in lineage(home):
        if cycle is None or manifest["cycle"] == cycle:
            return manifest
    raise ValueError(f"no release in force for cycle {cycle}; `strata releases list` shows those there are")


def _open(home: Home, manifest: Manifest) -> DuckDBPyConnection:
    return duckdb.connect(str(home.release(manifest["release_id"]) / "strata.duckdb"), read_only=True)


def _rows(connection: DuckDBPyConnection, table: str, sku: str, region: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (
        connection.execute(f"select * from {table} where sku_id = $1 and region = $2 order by all", [sku, region])
        .to_arrow_table()
        .to_pylist()
    )
    return rows


def _stability(connection: DuckDBPyConnection, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How sure the row's class is; nothing in a release that is older than the table."""
    if ("class_stability",) not in connection.execute("select table_name from duckdb_tables()").fetchall():
        return []
    found = _rows(connection, "class_stability", row["sku_id"], row["region"])
    return [one for one in found if one["location_id"] == row["location_id"]]


def _previous(home: Home, part: Mapping[str, Any], row: dict[str, Any]) -> dict[str, Any] | None:
    if part["previous"]["kind"] != "release":
        return None
    with _open(home, read_manifest(home, part["previous"]["id"])) as connection:
        before = _rows(connection, "segment_assignment", row["sku_id"], row["region"])
    return next((old for old in before if old["location_id"] == row["location_id"]), None)
