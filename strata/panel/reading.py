"""A demand panel into typed rows, each good or with the reason why it is not: the same readers and casts as any feed.

Belongs here: rules across the rows of a panel (regions, prices, repeats), what is left out on purpose. Does not: what
a good row becomes (`strata.panel.landing`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from strata.calendar import Bucket, period_start
from strata.durable import write_file
from strata.identity import canonical_json, sha256_file, sha256_json
from strata.intake.accept import refused_rows
from strata.intake.casts import LANDED_COLUMNS, quoted, typed_sql
from strata.intake.contract import Contract
from strata.intake.manifest import Manifest, ManifestFile
from strata.intake.readers import load_file, open_engine
from strata.intake.reasons import RefusedExtractError
from strata.intake.repeats import refuse_repeats
from strata.panel.mapping import ONE_REGION, PanelMap, panel_contract

ENDINGS: dict[str, Literal["csv", "parquet"]] = {".csv": "csv", ".csv.gz": "csv", ".parquet": "parquet"}
REFUSED_SHOWN = 5


class PanelError(ValueError):
    """A demand panel cannot be read; the message names file, column and row, and what to do."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel in a scratch database: `demand` has its good rows, `typed` all of them.

    `demand` has the columns of the map (absent ones null), `region` (a code), `quantity` (above or equal zero),
    `period_end` (last day of the row's period), `_file`, `_file_index` and `_row` (1 = first record).

    Attributes:
        connection: open while the panel is read from.
        contract: the panel's columns.
        panel_id: hash of files and map.
        files: names of the files read.
        rows: rows in the files.
        refused: refused rows by (column, reason).
        duplicates: rows that equal an earlier one.
        dropped: rows outside the map's `drop`, and their quantity.
        zeros: good rows without demand.
        regions: region codes with good rows, sorted.
        first_day: first day of the first period with a good row; `last_day`: the last day of the last one.
        item_locations: distinct ones in good rows; `idle`: those of them without any demand.
    """

    connection: duckdb.DuckDBPyConnection
    contract: Contract
    panel_id: str
    files: tuple[str, ...]
    rows: int
    refused: Mapping[tuple[str, str], int]
    duplicates: int
    dropped: tuple[int, Any]
    zeros: int
    regions: tuple[str, ...]
    first_day: date
    last_day: date
    item_locations: int
    idle: int
    warnings: tuple[str, ...]

    @property
    def refused_rows(self) -> int:
        """All refused rows."""
        return sum(self.refused.values())


@contextmanager
def read_panel(
    path: Path, panel: PanelMap, work: Path, *, sales: Contract, items: Contract, today: date
) -> Iterator[Panel]:
    """A panel file (or a folder of files of one kind) read by its map; rows are streamed, memory stays bounded.

    Args:
        path: CSV (`.csv`, `.csv.gz`) or Parquet.
        panel: the map.
        work: empty folder for scratch files, gone when nobody needs the panel any more.
        sales: contract of erp/sales_order_lines.
        items: contract of erp/items.
        today: rows dated later are refused.

    Raises:
        PanelError: the file is missing or of no known kind, its format or header is wrong, or no row with demand is
            good.
    """
    files = _files(path)
    contract = panel_contract(panel, sales, items)
    # One core per thread of the machine, and a database on disk: what does not fit into memory goes there.
    with open_engine(work, sum(file.stat().st_size for file in files)) as connection:
        try:
            warnings = _load(connection, files, work, contract, panel)
        except RefusedExtractError as error:
            fault = error.fault
            where = f", column {fault.column}" if fault.column else ""
            raise PanelError(f"{path.parent / (fault.file or path.name)}{where}: {fault.advice}") from error
        _judge(connection, panel, today)
        duplicates = refuse_repeats(connection, contract) if panel.is_keyed else 0
        _demand_view(connection, contract, panel)
        yield _measured(connection, contract, files, path, panel, duplicates, warnings)


def write_refused(panel: Panel, target: Path) -> None:
    """Refused rows as they stood in the file, one JSON object a line: file, row, column, reason, value, record."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as handle:
            for row in refused_rows(panel.connection, panel.contract):
                handle.write(canonical_json(row) + b"\n")

    write_file(target, write)


def first_refused(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, int, str, str, str | None]]:
    """The first refused rows: file, row, column, reason, value."""
    return connection.execute(
        "SELECT _file, _row, _refusal_column, _refusal_reason, _refused_value FROM typed "
        f"WHERE _refusal_reason IS NOT NULL ORDER BY _file_index, _row LIMIT {REFUSED_SHOWN}"
    ).fetchall()


def _files(path: Path) -> list[Path]:
    found = sorted(file for file in path.iterdir() if _kind(file)) if path.is_dir() else [path]
    if not path.exists() or not found:
        raise PanelError(f"{path}: no such panel; name a CSV or Parquet file, or a folder with files of one kind")
    kinds = {_kind(file) for file in found}
    if None in kinds:
        raise PanelError(f"{path}: a panel ends in {', '.join(ENDINGS)}")
    if len(kinds) > 1:
        raise PanelError(f"{path}: holds {' and '.join(sorted(map(str, kinds)))}; import one kind at a time")
    return found


def _kind(file: Path) -> Literal["csv", "parquet"] | None:
    return next((kind for ending, kind in ENDINGS.items() if file.name.endswith(ending)), None)


def _load(
    connection: duckdb.DuckDBPyConnection, files: list[Path], work: Path, contract: Contract, panel: PanelMap
) -> tuple[str, ...]:
    """Read and type all files into the table `typed`; `landed` shows the texts they held."""
    manifest = Manifest.model_construct(
        kind="full", envelope="plain", initial_load=False, grain=panel.grain, format=str(_kind(files[0])),
        extracted_at=datetime(1970, 1, 1, tzinfo=UTC), encoding=panel.format.encoding,
        delimiter=panel.format.delimiter, origin="real",
    )  # fmt: skip
    parts, warnings = [], set()
    for index, file in enumerate(files):
        rows = _stated_rows(file) if manifest.format == "parquet" else 0
        entry = ManifestFile.model_construct(name=file.name, sha256="", rows=rows, bytes=file.stat().st_size)
        part = load_file(connection, file, work, index, entry, contract, manifest)
        parts.append(f"SELECT {', '.join([*contract.names, *LANDED_COLUMNS])} FROM ({part.sql})")  # noqa: S608
        warnings |= {warning for warning in part.warnings if not warning.startswith("column_added")}
    connection.execute(f"CREATE VIEW landed AS {' UNION ALL '.join(parts)}")
    connection.execute(f"CREATE TABLE typed AS {typed_sql(contract, manifest, '-')}")
    return tuple(sorted(warnings))


def _stated_rows(file: Path) -> int:
    try:
        rows: int = pq.read_metadata(file).num_rows
    except (pa.ArrowException, OSError) as error:
        raise PanelError(f"{file}: no Parquet file that can be read: {error}") from error
    return rows


def region_sql(panel: PanelMap) -> str:
    """SQL of a row's region code; null where the map knows no region for it."""
    if not panel.regions:
        return "region" if "region" in panel.has else quoted(ONE_REGION)
    cases = []
    for code, region in sorted(panel.regions.items()):
        if region.locations:
            cases.append(f"WHEN location_id IN ({', '.join(map(quoted, region.locations))}) THEN {quoted(code)}")
    for code, region in sorted(panel.regions.items()):
        if "region" in panel.has and (region.values or not region.locations):
            values = region.values or (code,)
            cases.append(f"WHEN region IN ({', '.join(map(quoted, values))}) THEN {quoted(code)}")
        elif "region" not in panel.has and not region.locations:
            cases.append(f"WHEN true THEN {quoted(code)}")
    return f"CASE {' '.join(cases)} END"


def _judge(connection: duckdb.DuckDBPyConnection, panel: PanelMap, today: date) -> None:
    """Mark what no single column shows: unknown regions, rows of the future, sales without a price."""
    region, by = region_sql(panel), "region" if "region" in panel.has else "location_id"
    if panel.regions:
        _refuse(connection, f"({region}) IS NULL", by, "not_allowed")
    elif by == "region":
        _refuse(connection, "NOT regexp_full_match(region, '[A-Z0-9_-]{1,16}')", by, "format_mismatch")
    _refuse(connection, f"date > DATE {quoted(today.isoformat())}", "date", "out_of_range")
    if "unit_price" in panel.has:
        _refuse(connection, "quantity > 0 AND unit_price IS NULL", "unit_price", "missing_value")
    connection.execute(
        f"CREATE TABLE place AS SELECT location_id, arg_max(region, (n, region)) AS region, count(*) AS regions "  # noqa: S608
        f"FROM (SELECT location_id, {region} AS region, count(*) AS n FROM typed "
        "WHERE _refusal_reason IS NULL GROUP BY ALL) GROUP BY ALL"
    )
    torn = connection.execute("SELECT location_id, region FROM place WHERE regions > 1").fetchall()
    if torn:
        elsewhere = " OR ".join(
            f"(location_id = {quoted(location)} AND ({region}) <> {quoted(code)})" for location, code in torn
        )
        _refuse(connection, elsewhere, by, "region_differs")


def _refuse(connection: duckdb.DuckDBPyConnection, condition: str, column: str, reason: str) -> None:
    connection.execute(
        f"UPDATE typed SET _refusal_reason = {quoted(reason)}, _refusal_column = {quoted(column)}, "  # noqa: S608
        f"_refused_value = CAST({column} AS VARCHAR) WHERE _refusal_reason IS NULL AND ({condition})"
    )


def period_end_sql(grain: str) -> str:
    """SQL of the last day of a row's period."""
    return {
        "week": "CAST(date_trunc('week', date) AS DATE) + 6",
        "month": "last_day(date)",
    }.get(grain, "date")


def _demand_view(connection: duckdb.DuckDBPyConnection, contract: Contract, panel: PanelMap) -> None:
    kept = [name for name in contract.names if name != "region"]
    outside = []
    if panel.drop and panel.drop.before:
        outside.append(f"date < DATE {quoted(panel.drop.before.isoformat())}")
    if panel.drop and panel.drop.after:
        outside.append(f"date > DATE {quoted(panel.drop.after.isoformat())}")
    connection.execute(
        f"CREATE VIEW good AS SELECT *, {' OR '.join(outside) or 'false'} AS is_dropped FROM typed "  # noqa: S608
        "WHERE _refusal_reason IS NULL"
    )
    connection.execute(
        f"CREATE VIEW demand AS SELECT {', '.join(kept)}, {region_sql(panel)} AS region, "  # noqa: S608
        f"{period_end_sql(panel.grain)} AS period_end, _file, _file_index, _row FROM good WHERE NOT is_dropped"
    )


def _measured(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    files: list[Path],
    path: Path,
    panel: PanelMap,
    duplicates: int,
    warnings: tuple[str, ...],
) -> Panel:
    rows = _one(connection, "SELECT count(*) FROM typed")[0] + duplicates
    refused = {
        (column, reason): count
        for column, reason, count in connection.execute(
            "SELECT _refusal_column, _refusal_reason, count(*) FROM typed "
            "WHERE _refusal_reason IS NOT NULL GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    }
    dropped = _one(connection, "SELECT count(*), coalesce(sum(quantity), 0) FROM good WHERE is_dropped")
    zeros, first, last = _one(
        connection, "SELECT count(*) FILTER (WHERE quantity = 0), min(date), max(period_end) FROM demand"
    )
    pairs, idle, demanded = _one(
        connection,
        "SELECT count(*), count(*) FILTER (WHERE units = 0), coalesce(sum(units), 0) "
        "FROM (SELECT sku_id, location_id, sum(quantity) AS units FROM demand GROUP BY ALL)",
    )
    if not demanded:
        told = "; ".join(
            f"{file}, row {row}, column {column}: {value!r}, {reason}"
            for file, row, column, reason, value in first_refused(connection)
        )
        raise PanelError(f"{path}: no row with a quantity above 0 is good{': ' + told if told else ''}")
    buckets: dict[str, Bucket] = {"week": "week", "month": "month"}
    regions = connection.execute("SELECT DISTINCT region FROM demand ORDER BY 1").fetchall()
    return Panel(
        connection=connection,
        contract=contract,
        panel_id=sha256_json({"files": [sha256_file(file) for file in files], "map": panel.model_dump(mode="json")}),
        files=tuple(file.name for file in files),
        rows=rows,
        refused=refused,
        duplicates=duplicates,
        dropped=(dropped[0], dropped[1]),
        zeros=zeros,
        regions=tuple(region for (region,) in regions),
        first_day=period_start(first, buckets.get(panel.grain, "day")),
        last_day=last,
        item_locations=pairs,
        idle=idle,
        warnings=warnings,
    )


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    found = connection.execute(sql).fetchone()
    if found is None:
        raise RuntimeError(f"no row from {quoted(sql)}")
    return found
