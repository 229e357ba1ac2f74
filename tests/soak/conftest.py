"""A generated company with one cycle in force and the extracts of the next waiting in its landing folder."""

import csv
import io
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from orchestration import landing, pipeline
from strata.home import Home
from strata.sample import generator
from strata.sample.build import land_generated
from strata.sample.extracts import write_extract
from tests.orchestration import generated, story
from tests.soak import command
from tests.strata.sample.small import RULES, SPEC, manifests

FIRST, SECOND = "2017-07", "2017-08"


@dataclass(frozen=True)
class Undisturbed:
    """Where every case starts, what the command publishes if nothing disturbs it, and how long that takes."""

    home: Home
    content: dict[str, str]
    seconds: float


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The feed of WEST is bad in the second cycle, so that a suspension is at stake in every case (I6)."""
    folder = tmp_path_factory.mktemp("soak")
    home = generated.configure(folder / "start")
    pipeline.initialise(home, profile="trial")
    truth = generator.generate(_resized(), seed=11)
    land_generated(home, truth, RULES, first_cycle=FIRST, through_cycle=FIRST)
    landing.land(home)
    report = pipeline.run(home, [FIRST], publish=True)
    assert [published.outcome for published in report.releases] == ["published"], report.releases
    land_generated(home, truth, RULES, first_cycle=FIRST, through_cycle=SECOND)
    _spoil(home, "WEST")
    whole = command.copy_of(home, folder / "whole")
    began = time.perf_counter()
    command.finish(command.start(whole, SECOND))
    seconds = time.perf_counter() - began
    command.assert_whole(whole)
    command.assert_suspended(whole, SECOND, "WEST")
    return Undisturbed(home, story.published_hashes(whole), seconds)


def _resized() -> generator.GeneratorSpec:
    from dataclasses import replace

    return replace(SPEC, items=40)


def _spoil(home: Home, region: str) -> None:
    """Send the last month's lines of a region again, now of items that nobody knows."""
    folder, manifest = manifests(home, "erp/sales_order_lines")[-1]
    rows: list[dict[str, Any]] = []
    for row in csv.DictReader(io.StringIO((folder / "part-0.csv").read_text(encoding="utf-8"))):
        if row["location_id"].startswith(f"DC-{region}"):
            rows.append({name: value or None for name, value in row.items()} | {"sku_id": "X" + row["sku_id"]})
    assert rows, "the region sold nothing"
    table = pa.Table.from_pylist(rows)
    fields = {"order_line": pa.int64(), "quantity": pa.decimal128(18, 4), "net_amount": pa.decimal128(18, 4)}
    for name, kind in fields.items():
        table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(kind))
    moments = pa.array(
        [datetime.fromisoformat(row["ordered_at"]).astimezone(UTC) for row in rows], pa.timestamp("us", "UTC")
    )
    table = table.set_column(table.schema.get_field_index("ordered_at"), "ordered_at", moments)
    for name in ("customer_id", "channel", "promotion_id"):
        table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(pa.string()))
    write_extract(
        home, "erp", "sales_order_lines", "bad", table, kind="full", envelope="plain", format="csv", grain="event",
        extracted_at=datetime(2017, 8, 2, 21, tzinfo=UTC), business_date=date(2017, 7, 31),
        position={"from": "", "to": str(manifest["extracted_at"])}, initial_load=False, origin="simulated",
        control_totals=[],
    )  # fmt: skip


@pytest.fixture
def home(undisturbed: Undisturbed, tmp_path: Path) -> Home:
    """A company of its own, ready for the command."""
    return command.copy_of(undisturbed.home, tmp_path / "home")
