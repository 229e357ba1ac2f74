"""Walmart's M5 as a company: a map, one join of the prices, no code; every item-store in one segment or named."""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from strata.governance.releases import current_manifest
from strata.home import Home

SHARED = Path(__file__).resolve().parents[2] / "../shared/data/m5"
GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "import.md").read_text(encoding="utf-8")
ITEM_STORES = 30_490
UNITS = 65_695_409
CYCLES = ("2016-02", "2016-03", "2016-04")

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not SHARED.is_dir(), reason="the M5 data are not here")]


def fenced(language: str) -> str:
    """The one code block of this language in the guide: what a reader would copy."""
    return GUIDE.split(f"```{language}\n")[1].split("```")[0]


def strata(home: Path, *words: str) -> str:
    """A command to its end, with what it took."""
    began = time.perf_counter()
    command = [sys.executable, "-W", "ignore", "-m", "strata.cli", "--home", str(home), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"strata {words[0]}: {time.perf_counter() - began:.0f} s, peak so far {peak:,.0f} MB")
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.capability("9.6", part="a public panel of 30,490 item-stores: imported, three cycles published")
def test_every_item_store_is_in_exactly_one_segment_or_named(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"SET file_search_path = '{SHARED.resolve()}'")
        connection.execute(fenced("sql").replace("'m5.parquet'", f"'{tmp_path / 'm5.parquet'}'"))
    (tmp_path / "MAP.yml").write_text(fenced("yaml"))
    root = tmp_path / "home"
    report = json.loads(
        strata(root, "import", str(tmp_path / "m5.parquet"), "--map", str(tmp_path / "MAP.yml"), "--json")
    )
    assert report["refused"] == {}
    assert (report["rows"], report["item_locations"], report["cycles"]) == (1_951_360, ITEM_STORES, list(CYCLES))
    strata(root, "land")
    told = json.loads(strata(root, "run", "--cycle", f"{CYCLES[0]}..{CYCLES[-1]}", "--publish", "--json"))
    assert [release["outcome"] for release in told["releases"]] == ["published"] * len(CYCLES)
    in_history = sum(float(row["units"]) for row in told["reconciliation"] if row["cycle"] == CYCLES[-1]
                     and row["line"] == "history")  # fmt: skip
    assert in_history == UNITS - float(report["dropped_units"])
    home = Home(root)
    manifest = current_manifest(home)
    assert manifest is not None
    file = home.release(manifest["release_id"]) / "segment_assignment.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW assignment AS SELECT * FROM '{file}'")
        counted = connection.execute(
            "SELECT count(*), count(DISTINCT (sku_id, location_id)), count(segment), count(decision_reason) "
            "FROM assignment"
        ).fetchone()
        mix = dict(connection.execute("SELECT value_class, count(*) FROM assignment GROUP BY 1").fetchall())
        shares = connection.execute(
            "SELECT location_id, sum(revenue) FILTER (WHERE value_class = 'A') / sum(revenue) "
            "FROM assignment GROUP BY 1"
        ).fetchall()
    assert counted == (ITEM_STORES,) * 4
    print(mix)
    # Each store is ranked on its own; the dead band moves its A share a little off the cut.
    assert len(shares) == 10
    assert all(0.75 < float(share) < 0.86 for _, share in shares)
