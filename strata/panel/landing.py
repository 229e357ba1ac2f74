"""A panel's good rows as the landing extracts that an ERP would have sent: one set per planning month, back-dated.

Belongs here: which extracts, their times and rows. Does not: judging rows (`strata.panel.reading`), accepting extracts
(`strata.intake.land`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from strata.calendar import Calendar
from strata.durable import fsync_path, write_bytes
from strata.home import Home
from strata.identity import sha256_file
from strata.intake.casts import instant, quoted
from strata.intake.contract import Contract
from strata.intake.manifest import MANIFEST_NAME, Manifest
from strata.panel.feeds import PanelFeed, feeds
from strata.panel.mapping import PanelMap
from strata.panel.reading import Panel, PanelError

# An extract is taken this long before the cut-off that it is for.
BEFORE_CUTOFF = timedelta(hours=1)
# Rows of one extract: below the contract's limit, and what one landing types at once on disk.
ROWS_PER_EXTRACT = 20_000_000


@dataclass(frozen=True, slots=True)
class Written:
    """One extract in landing/."""

    system: str
    feed: str
    extract_id: str
    rows: int


def extraction_times(calendar: Calendar, cycles: Sequence[str]) -> list[datetime]:
    """When the extracts of each cycle were taken: before the first region's cut-off."""
    return [min(calendar.cutoff(cycle, region) for region in calendar.region_codes) - BEFORE_CUTOFF for cycle in cycles]


def write_extracts(
    home: Home,
    data: Panel,
    panel: PanelMap,
    calendar: Calendar,
    cycles: Sequence[str],
    contracts: Mapping[tuple[str, str], Contract],
) -> list[Written]:
    """Write every extract of a panel; what is there already is written anew to the same content.

    The first cycle's extract holds all that was known by then, every later one what became known since, and a last one
    what came after the last cut-off. All are first loads: known at business time + the feed's normal lag, assumed.

    Args:
        home: where landing/ is.
        data: the panel.
        panel: its map.
        calendar: cut-offs and regions of the home.
        cycles: planning months, in order.
        contracts: the home's feed contracts.

    Raises:
        PanelError: a contract asks for a column that no panel can fill.
    """
    sales = contracts["erp", "sales_order_lines"]
    found = feeds(data, panel, sales)
    times = extraction_times(calendar, cycles)
    (last,) = data.connection.execute("SELECT max(known) FROM line").fetchone() or (None,)
    if last is not None and last > times[-1]:
        times.append(last.replace(second=0, microsecond=0) + timedelta(minutes=1))
    written = []
    for before, taken in zip([None, *times], times, strict=False):
        known = f"known <= {instant(taken)}" + (f" AND known > {instant(before)}" if before else "")
        for feed in found:
            written += _extract(home, data, contracts[feed.system, feed.feed], feed, known, taken)
    return written


def _gone(moment: datetime) -> str:
    return f"TIMESTAMPTZ {quoted(moment.isoformat())}"


def _extract(
    home: Home, data: Panel, contract: Contract, feed: PanelFeed, known: str, taken: datetime
) -> list[Written]:
    """Write one feed's rows as extracts of at most `ROWS_PER_EXTRACT` rows; none where there is no row."""
    sql = feed.sql.replace("{known}", known)
    filled = [row[0] for row in data.connection.execute(f"DESCRIBE {sql}").fetchall()]
    lacking = [c.name for c in contract.columns if c.name not in filled and not c.nullable]
    if lacking:
        raise PanelError(
            f"{contract.system}/{contract.feed}: the contract asks for {lacking}, which no panel has; "
            "make them nullable in this home's contract, or bring the feed by an extract of your own"
        )
    columns = ", ".join(
        f'{c.name if c.name in filled else "CAST(NULL AS VARCHAR)"} AS "{c.source_name}"' for c in contract.columns
    )
    limit = min(ROWS_PER_EXTRACT, contract.thresholds.max_rows)
    data.connection.execute(f"CREATE OR REPLACE TEMP TABLE outgoing AS SELECT {columns} FROM ({sql})")  # noqa: S608
    count = _count(data)
    written = []
    for number, start in enumerate(range(0, count, limit)):
        extract_id = taken.strftime("%Y-%m-%dT%H%MZ") + (f"-{number}" if number else "")
        rows = min(limit, count - start)
        _write_one(home, data, contract, feed, extract_id, start, rows, taken)
        written.append(Written(contract.system, contract.feed, extract_id, rows))
    data.connection.execute("DROP TABLE outgoing")
    return written


def _count(data: Panel) -> int:
    found = data.connection.execute("SELECT count(*) FROM outgoing").fetchone()
    return int(found[0]) if found else 0


def _write_one(
    home: Home,
    data: Panel,
    contract: Contract,
    feed: PanelFeed,
    extract_id: str,
    start: int,
    rows: int,
    taken: datetime,
) -> None:
    folder = home.landing / contract.system / contract.feed / extract_id
    folder.mkdir(parents=True, exist_ok=True)
    manifest_file, file = folder / MANIFEST_NAME, folder / "part-0.parquet"
    manifest_file.unlink(missing_ok=True)  # without its manifest an extract is not there
    part = f"SELECT * FROM outgoing WHERE rowid >= {start} AND rowid < {start + rows}"  # noqa: S608 - numbers of ours
    data.connection.execute(f"COPY ({part}) TO {quoted(str(file))} (FORMAT parquet, COMPRESSION zstd)")
    fsync_path(file)
    sums = [c for c in contract.columns if c.name in ("quantity", "net_amount")]
    added = ", ".join(f'sum("{c.source_name}")' for c in sums) or "1"
    totals = data.connection.execute(f"SELECT {added} FROM ({part})").fetchone()  # noqa: S608
    manifest = Manifest.model_validate(
        {
            "system": contract.system,
            "feed": contract.feed,
            "extract_id": extract_id,
            "kind": "full",
            "schema_version": contract.schema_version,
            "initial_load": True,
            "grain": feed.grain,
            "extracted_at": taken.isoformat(),
            "business_date": data.last_day.isoformat(),
            "format": "parquet",
            "encoding": contract.encoding,
            "files": [{"name": file.name, "sha256": sha256_file(file), "rows": rows, "bytes": file.stat().st_size}],
            "control_totals": {c.name: str(total) for c, total in zip(sums, totals or (), strict=False)},
            "origin": "assumed" if feed.is_assumed else "real",
        }
    )
    write_bytes(manifest_file, json.dumps(manifest.as_json(), indent=2, sort_keys=True).encode())
