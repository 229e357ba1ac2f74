"""Gathering what `strata explain` tells: rows of a release, of the release before, and the source rows behind them."""

from datetime import datetime
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from strata.governance.releases import Manifest, current_manifest, lineage, read_manifest
from strata.home import Home
from strata.scheme.load import SchemeRegister

SOURCE_ROWS = 8


def explanations(home: Home, sku: str, *, region: str | None, cycle: str | None) -> list[dict[str, Any]]:
    """One explanation per region that assigned the item.

    Raises:
        ValueError: there is no release for the cycle, or the item is in none of its regions.
    """
    manifest = _manifest(home, cycle)
    schemes = SchemeRegister.load(home.config / "schemes")
    found = []
    with _open(home, manifest) as connection:
        for row in _rows(connection, "segment_assignment", sku, region):
            found.append(_one(home, manifest, connection, row, schemes))
    if not found:
        where = f" in {region}" if region else ""
        raise ValueError(
            f"item {sku} has no class{where} in release {manifest['release_id']}: it had no demand in a closed period, "
            "or a rule of the scheme excludes it (see the reconciliation table)"
        )
    return found


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


def _rows(connection: DuckDBPyConnection, table: str, sku: str, region: str | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (
        connection.execute(
            f"select * from {table} where sku_id = $1 and ($2 is null or region = $2) order by region, location_id",
            [sku, region],
        )
        .to_arrow_table()
        .to_pylist()
    )
    return rows


def _one(
    home: Home, manifest: Manifest, connection: DuckDBPyConnection, row: dict[str, Any], schemes: SchemeRegister
) -> dict[str, Any]:
    from strata.review.explain import explain

    region, place = row["region"], row["location_id"]
    profile = next(p for p in _rows(connection, "demand_profile", row["sku_id"], region) if p["location_id"] == place)
    policies = _rows(connection, "inventory_policy", row["sku_id"], region)
    scheme = schemes.version(row["scheme_version"]).scheme
    part = manifest["partitions"][region]
    lines = explain(row, profile, _previous(home, part, row), policies, scheme=scheme)
    return {
        "region": region,
        "cycle": row["cycle"],
        "release_id": manifest["release_id"],
        "segment": row["segment"],
        "lines": lines,
        "source_rows": _sources(home, part, row),
    }


def _previous(home: Home, part: dict[str, Any], row: dict[str, Any]) -> dict[str, Any] | None:
    if part["previous"]["kind"] != "release":
        return None
    with _open(home, read_manifest(home, part["previous"]["id"])) as connection:
        before = _rows(connection, "segment_assignment", row["sku_id"], row["region"])
    return next((old for old in before if old["location_id"] == row["location_id"]), None)


def _sources(home: Home, part: dict[str, Any], row: dict[str, Any]) -> list[dict[str, Any]]:
    folder = home.snapshot(part["snapshot_id"])
    cutoff: datetime = row["as_known_at"]
    with duckdb.connect() as connection:
        rows: list[dict[str, Any]] = (
            connection.execute(
                """
                select l.order_id, l.order_line, l.location_id, l.ordered_at::varchar as ordered_at, l.quantity,
                    l.net_amount, l.known_from::varchar as known_from, left(l.source_batch_id, 12) as batch,
                    l.source_file as file, l.source_row as row
                from read_parquet($1) as l
                inner join read_parquet($2) as p on l.location_id = p.location_id and p.region = $3
                where l.sku_id = $4 and l.known_from <= $5 and (l.known_to is null or l.known_to > $5)
                order by l.ordered_at desc, l.order_id, l.order_line
                limit $6
                """,
                [
                    str(folder / "fct_sales_line" / "fct_sales_line.parquet"),
                    str(folder / "int_location_version" / "int_location_version.parquet"),
                    row["region"],
                    row["sku_id"],
                    cutoff,
                    SOURCE_ROWS,
                ],
            )
            .to_arrow_table()
            .to_pylist()
        )
    return rows
