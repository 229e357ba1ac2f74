"""One dbt build of the hand-made company and one of its marts, shared by the session.

The first attempt is killed at the rename, so that every test reads what the second one made of it.
"""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from strata.conformed.build import ITEM_VALUE, ReleasePart, Snapshot, build_marts, build_snapshot
from strata.conformed.dbt_pass import parse_project
from strata.home import REPOSITORY, Home
from strata.tables import TABLES
from tests.dbt.batches import EMPTIES, PROJECT, Batches, at
from tests.dbt.company import land

KILLED = """
import sys
from pathlib import Path
from strata.conformed.build import build_snapshot
from strata.home import Home
from tests.dbt.batches import EMPTIES, PROJECT, Batches
from tests.dbt.company import land

home = Home(Path(sys.argv[1]))
batches = Batches(home.raw)
land(batches)
build_snapshot(home, run_id="first", batches=batches.records, inputs=batches.inputs, empties=EMPTIES, project=PROJECT)
"""
NEUTRAL = {
    "text": "-",
    "int": 0,
    "float": 0.0,
    "bool": False,
    "date": date(2017, 1, 1),
    "timestamp": at("2017-01-01"),
    "decimal": Decimal(0),
}


@dataclass(frozen=True)
class Conformed:
    """A home with the hand-made batches, the snapshot built from them, and what the killed attempt left."""

    home: Home
    batches: Batches
    snapshot: Snapshot
    killed_with: int
    conformed_after_kill: list[Path]
    left_behind: Path

    def rows(self, table: str, *columns: str, **wanted: object) -> list[tuple[Any, ...]]:
        """Values of `columns` in the rows that have the wanted values, in stored order."""
        records = pq.read_table(self.snapshot.table(table)).to_pylist()
        kept = [record for record in records if all(record[name] == value for name, value in wanted.items())]
        return [tuple(record[name] for name in columns) for record in kept]


@pytest.fixture(scope="session")
def manifest_path() -> Path:
    """The parsed project; parsed once, so that every pass of the session starts warm."""
    return parse_project(PROJECT)


@pytest.fixture(scope="session")
def conformed(tmp_path_factory: pytest.TempPathFactory, manifest_path: Path) -> Conformed:
    """The snapshot of the hand-made batches."""
    base = tmp_path_factory.mktemp("dbt")
    home = Home(base / "home")
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(home.root)],
        cwd=REPOSITORY,
        env=os.environ | {"STRATA_FAILPOINT": "conform.promote:kill"},
        check=False,
    )
    after_kill = list(home.conformed.glob("*"))
    shutil.copytree(home.scratch("first") / "dbt-conform" / "outputs", base / "left")
    shutil.rmtree(home.raw)
    batches = Batches(home.raw)
    land(batches)
    snapshot = build_snapshot(
        home, run_id="first", batches=batches.records, inputs=batches.inputs, empties=EMPTIES, project=PROJECT
    )
    return Conformed(home, batches, snapshot, -signal.Signals(-died.returncode), after_kill, base / "left")


def candidate(folder: Path, table: str, region: str, rows: list[dict[str, Any]]) -> Path:
    """A candidate file of one region with these values, everything else neutral."""
    columns = TABLES[table].columns
    full = [
        {c.name: ({"region": region} | row).get(c.name, None if c.nullable else NEUTRAL[c.kind]) for c in columns}
        for row in rows
    ]
    file = folder / table / region / f"{table}.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(TABLES[table].conform(pa.Table.from_pylist(full, schema=TABLES[table].schema)), file)
    return file


@pytest.fixture(scope="session")
def marts(tmp_path_factory: pytest.TempPathFactory, conformed: Conformed) -> dict[str, list[dict[str, Any]]]:
    """The marts of a release of 2017-03: EAST of that cycle, WEST carried forward from 2017-02."""
    lake = tmp_path_factory.mktemp("lake")
    east = [
        {"cycle": "2017-03", "sku_id": "kept", "location_id": "*", "segment": "AX"},
        {"cycle": "2017-03", "sku_id": "corrected", "location_id": "*", "segment": "BY"},
        # the class of a location goes before the class of its region
        {"cycle": "2017-03", "sku_id": "corrected", "location_id": "E1", "segment": "CZ"},
        {"cycle": "2017-03", "sku_id": "returns", "location_id": "E1", "segment": "CX"},
    ]
    # a case held nine pieces until 20 February and holds four since; a pallet holds nobody knows what
    values = [
        ("kept", None, None, None, 1, 1),
        ("kept", "CS", date(2017, 1, 1), date(2017, 2, 20), 9, 1),
        ("kept", "CS", date(2017, 2, 20), date(9999, 12, 31), 4, 1),
        ("corrected", None, None, None, 1, 3),
        ("returns", None, None, None, 1, 1),
    ]
    west = [{"cycle": "2017-02", "sku_id": "kept", "location_id": "*", "segment": "AX"}]
    history = [
        _demand("kept", "month", date(2017, 1, 1), "2", "20"),
        _demand("kept", "month", date(2017, 2, 1), "5", "50"),
        _demand("kept", "week", date(2017, 2, 6), "5", "50"),
        _demand("kept", "month", date(2017, 3, 1), "1", "10") | {"is_partial": True},
    ]
    folder = build_marts(
        conformed.home,
        run_id="release",
        snapshot=conformed.snapshot,
        parts=[
            ReleasePart("EAST", "2017-03", "2017-03", at("2017-03-03 11:00"), "2017.2"),
            ReleasePart("WEST", "2017-02", "2017-03", at("2017-02-03 11:00"), "2017.1"),
        ],
        tables={
            "segment_assignment": [
                candidate(lake, "segment_assignment", "EAST", east),
                candidate(lake, "segment_assignment", "WEST", west),
            ],
            "demand_history": [candidate(lake, "demand_history", "EAST", history)],
            "item_value": [_values(lake / "item_value.parquet", values)],
        },
        project=PROJECT,
    )
    return {name: pq.read_table(folder / f"{name}.parquet").to_pylist() for name in _names(folder)}


def _names(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.parquet"))


def _values(file: Path, rows: list[tuple[Any, ...]]) -> Path:
    names = ("sku_id", "unit", "valid_from", "valid_until", "factor", "unit_cost")
    pq.write_table(
        pa.Table.from_pylist([dict(zip(names, row, strict=True)) | {"region": "EAST"} for row in rows], ITEM_VALUE),
        file,
    )
    return file


def _demand(sku_id: str, bucket: str, start: date, units: str, revenue: str) -> dict[str, Any]:
    return {
        "cycle": "2017-03",
        "sku_id": sku_id,
        "location_id": "E1",
        "bucket": bucket,
        "period_start": start,
        "demand_units": Decimal(units),
        "revenue": Decimal(revenue),
    }
