"""`strata import` as a function: a demand panel and its map into a home's configuration and landing extracts.

Belongs here: the order of the steps and what is reported. Does not: the steps.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from strata.durable import write_bytes
from strata.home import REPOSITORY, Home
from strata.intake.contract import Contract, load_contracts
from strata.panel.company import write_company
from strata.panel.landing import Written, write_extracts
from strata.panel.mapping import MapError, PanelMap
from strata.panel.reading import Panel, first_refused, read_panel, write_refused
from strata.partition import cycle_range, shifted

QUARANTINE = ("panel", "demand")


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import read, refused and wrote.

    `refused` counts refused rows by `column: reason`; `examples` are the first of them as (file, row, column, reason,
    value); `quarantine` holds all of them. `idle_item_locations` have rows, but no demand in any of them.
    """

    panel_id: str
    rows: int
    refused: Mapping[str, int]
    examples: tuple[tuple[str, int, str, str, str | None], ...]
    quarantine: Path | None
    exceeds_contract: bool
    duplicates: int
    dropped_rows: int
    dropped_units: Any
    zero_rows: int
    item_locations: int
    idle_item_locations: int
    regions: tuple[str, ...]
    first_day: date
    last_day: date
    cycles: tuple[str, ...]
    scheme_version: str
    extracts: tuple[Written, ...]
    warnings: tuple[str, ...]


def import_panel(home: Home, path: Path, panel: PanelMap, *, now: datetime) -> ImportReport:
    """Read a panel, write config/ and landing/ of a home; refused rows go to quarantine/. Safe to repeat.

    Args:
        home: data root; it has accepted nothing yet, or this same import.
        path: CSV or Parquet, or a folder of files of one kind.
        panel: its map.
        now: wall clock: rows dated later are refused.

    Raises:
        PanelError: the panel cannot be read, or has no good row with demand.
        MapError: the map and the panel do not fit together, or the home is another company's.
    """
    shipped = load_contracts(REPOSITORY / "config" / "feeds")
    sales, items = shipped["erp", "sales_order_lines"], shipped["erp", "items"]
    work = home.staging / "import-work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        with read_panel(path, panel, work, sales=sales, items=items, today=now.date()) as data:
            cycles = _cycles(data, panel)
            write_company(
                home, panel, panel_id=data.panel_id, regions=data.regions, first_cycle=cycles[0], what=path.name
            )
            quarantine = _quarantine(home, data, path)
            written = write_extracts(home, data, panel, home.calendar(), cycles, load_contracts(home.config / "feeds"))
            return _report(data, panel, cycles, quarantine, written, sales)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _cycles(data: Panel, panel: PanelMap) -> list[str]:
    """The planning months that are prepared: the newest one decides on everything up to the panel's end."""
    after = (data.last_day + timedelta(days=1)).strftime("%Y-%m")
    last = panel.last_cycle or after
    first = shifted(last, 1 - panel.cycles)
    earliest = shifted(data.first_day.strftime("%Y-%m"), 1)
    if last > after or first < earliest:
        raise MapError(
            f"cycles: the panel holds whole periods from {data.first_day} to {data.last_day}, which serve cycles "
            f"{earliest} to {after}; {panel.cycles} up to {last} begin in {first}: ask for fewer, or set last_cycle"
        )
    return cycle_range(first, last)


def _quarantine(home: Home, data: Panel, path: Path) -> Path | None:
    """Refused rows and what was counted, where refused rows of any feed are; None where all rows are good."""
    folder = home.quarantine.joinpath(*QUARANTINE, data.panel_id)
    if not data.refused:
        return None
    write_refused(data, folder / "rows.jsonl")
    record = {
        "panel": str(path),
        "files": list(data.files),
        "rows": data.rows,
        "refusals": {f"{column}: {reason}": count for (column, reason), count in data.refused.items()},
    }
    write_bytes(folder / "import.json", json.dumps(record, indent=2, sort_keys=True).encode())
    return folder / "rows.jsonl"


def _report(
    data: Panel, panel: PanelMap, cycles: list[str], quarantine: Path | None, written: list[Written], sales: Contract
) -> ImportReport:
    return ImportReport(
        panel_id=data.panel_id,
        rows=data.rows,
        refused={f"{column}: {reason}": count for (column, reason), count in data.refused.items()},
        examples=tuple(first_refused(data.connection)),
        quarantine=quarantine,
        exceeds_contract=data.refused_rows > sales.thresholds.suspend_refused_share * data.rows,
        duplicates=data.duplicates,
        dropped_rows=data.dropped[0],
        dropped_units=data.dropped[1],
        zero_rows=data.zeros,
        item_locations=data.item_locations,
        idle_item_locations=data.idle,
        regions=data.regions,
        first_day=data.first_day,
        last_day=data.last_day,
        cycles=tuple(cycles),
        scheme_version=f"{panel.name}.1",
        extracts=tuple(written),
        warnings=data.warnings,
    )
