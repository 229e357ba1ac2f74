"""A demand panel through the real path: import, landing, conforming, history, profile, classes; stage by stage.

Run `python benchmarks/scale.py [--quick] [--item-locations N]` from the project root. Prints seconds and peak memory
per stage and, last, one JSON line whose `ratio` is (profile + classes) seconds / baseline seconds: profiles hold trend,
season and de-seasonalised CV, so the budget is 5. `basics_ratio` is that of periods, raw CV, interval, sizes and both
classes alone, whose budget is 1.5. `hysteresis_seconds` holds every class against the cycle before: budget 3 s.
`cpu_ratio` is `ratio` in processor seconds, which other work on the machine changes least.

A region of 100,000 item-locations is a partition. As in `strata run --workers`, partitions are decided side by side in
`--workers` processes that share threads and memory (default: one per core, no more than regions).

Baseline "group-by": one DuckDB aggregation of the same panel file to a row per item-location (counts, sums, squares,
dates), same threads, warm cache, median of five; of three above 200,000 item-locations. Peak memory is that of this
process up to the stage's end, and of all workers together; dbt runs in a process of its own.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from orchestration import landing
from strata.classify.value import value_classes
from strata.classify.variability import variability_classes
from strata.conformed import decide, history, profile
from strata.conformed.build import load_snapshot
from strata.conformed.engine import MEMORY_VARIABLE, THREADS_VARIABLE, memory_limit, threads
from strata.conformed.history import View
from strata.demand.intermittency import demand_class, interval_and_size
from strata.durable import read_parquet, write_parquet
from strata.home import Home
from strata.panel.importing import import_panel
from strata.panel.mapping import as_map
from strata.partition import Partition
from strata.scheme.load import SchemeRegister

WEEKS = 104
ITEMS_PER_LOCATION = 5_000
LOCATIONS_PER_REGION = 20
CHUNK = 20_000
MEMORY_GB = 4  # DuckDB's, of all workers together
NO_OVERRIDES = pd.DataFrame(columns=["override_id", "sku_id", "location_id", "value_class", "variability_class"])
FIRST = date(2023, 12, 4)  # the 104 weeks end with a month, so that a cycle sees all of them
BASELINE = """
select sku_id, location_id, count(*), sum(q), sum(q * q), count(*) filter (q > 0), min(date), max(date), sum(q * price)
from (select sku_id, location_id, date, cast(quantity as double) as q, unit_price as price from '{panel}') group by 1, 2
"""


def write_panel(path: Path, item_locations: int) -> None:
    """A complete grid of weekly demand, two thirds of it zero, an item at one price; written block by block."""
    rng = np.random.default_rng(1)
    price = np.round(rng.lognormal(1.5, 0.8, ITEMS_PER_LOCATION) + 0.01, 2)
    days = pa.array([FIRST + timedelta(weeks=week) for week in range(WEEKS)], pa.date32())
    writer = None
    for start in range(0, item_locations, CHUNK):
        pairs = np.arange(start, min(start + CHUNK, item_locations))
        mean = rng.lognormal(-0.7, 1.3, (len(pairs), 1))
        shape = rng.choice([0.3, 1.0, 8.0], (len(pairs), 1))
        units = rng.poisson(rng.gamma(shape, mean / shape, (len(pairs), WEEKS))).astype(np.int64)
        location = pairs // ITEMS_PER_LOCATION
        rows = len(pairs) * WEEKS

        def text(prefix: str, numbers: np.ndarray) -> pa.Array:
            known, codes = np.unique(numbers, return_inverse=True)
            names = pa.array([f"{prefix}{number:05d}" for number in known])
            return pa.DictionaryArray.from_arrays(np.repeat(codes, WEEKS).astype(np.int32), names).dictionary_decode()

        table = pa.table(
            {
                "sku_id": text("I", pairs % ITEMS_PER_LOCATION),
                "location_id": text("L", location),
                "region": text("R", location // LOCATIONS_PER_REGION),
                "date": pa.DictionaryArray.from_arrays(
                    np.tile(np.arange(WEEKS, dtype=np.int32), len(pairs)), days
                ).dictionary_decode(),
                "quantity": pa.array(units.ravel()),
                "unit_price": pa.array(np.repeat(price[pairs % ITEMS_PER_LOCATION], WEEKS)),
            }
        )
        assert table.num_rows == rows
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def baseline(path: Path, times: int) -> tuple[float, float]:
    """Median seconds, and processor seconds, of some aggregations after a first one that is not counted."""
    took, used = [], []
    with duckdb.connect(config={"threads": threads(), "memory_limit": memory_limit()}) as connection:
        for _ in range(times + 1):
            began, cpu = time.perf_counter(), time.process_time()
            connection.execute(BASELINE.format(panel=path)).to_arrow_table()
            took.append(time.perf_counter() - began)
            used.append(time.process_time() - cpu)
    return statistics.median(took[1:]), statistics.median(used[1:])


@dataclass(frozen=True, slots=True)
class Region:
    """One partition of the benchmark: what a worker needs to compute any of its tables."""

    home: Home
    snapshot_id: str
    region: str
    cycle: str
    folder: Path

    @property
    def view(self) -> View:
        calendar = self.home.calendar()
        scheme = SchemeRegister.load(self.home.config / "schemes").for_cycle(self.cycle).scheme
        snapshot = load_snapshot(self.home, self.snapshot_id)
        partition, cutoff = Partition(self.region, self.cycle), calendar.cutoff(self.cycle, self.region)
        return View(snapshot, partition, cutoff, scheme, calendar)

    def file(self, table: str) -> Path:
        return self.folder / f"{table}.parquet"


def past(region: Region) -> None:
    history.demand_history(region.view, region.file("demand_history"))


def shape(region: Region) -> None:
    rows = profile.demand_profile(region.view, region.file("demand_history"), None)
    write_parquet(region.file("demand_profile"), rows)


def classes(region: Region) -> None:
    rows = decide.segment_assignment(region.view, region.file("demand_profile"), None, NO_OVERRIDES)
    write_parquet(region.file("segment_assignment"), rows)


def held(region: Region) -> int:
    before = read_parquet(region.file("segment_assignment"))
    return decide.segment_assignment(region.view, region.file("demand_profile"), before, NO_OVERRIDES).num_rows


def basics(region: Region) -> None:
    """Periods, mean, raw CV, interval and sizes of a region's item-locations, and classes by them; no rungs."""
    view = region.view
    scheme = view.scheme
    data = profile.panel(view, region.file("demand_history"), profile.Window("location", "week", WEEKS))
    seen = np.arange(len(data.periods))[None, :] >= data.launch_index[:, None]
    count = seen.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = data.units.sum(axis=1, where=seen) / count
        cv = np.sqrt(((data.units - mean[:, None]) ** 2).sum(axis=1, where=seen) / (count - 1)) / mean
    demand_class(interval_and_size(data.units, seen), pattern=scheme.demand_pattern)
    names = (data.keys["sku_id"] + data.keys["location_id"]).to_numpy(dtype=object)
    value_classes(data.keys["revenue"].astype(float).to_numpy(), names, cuts=dict(scheme.value.cuts))
    variability_classes(cv, count, variability=scheme.variability)


def weighed(work: Callable[[Region], Any], region: Region) -> tuple[Any, float, int, float]:
    """What the work gives, its processor seconds, and process and peak GB of the worker."""
    began = time.process_time()
    done = work(region)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return done, time.process_time() - began, os.getpid(), used


class Clock:
    """Seconds and peak memory of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.peak: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    def run(self, stage: str, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = work()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began
        self.peak[stage] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20,000 item-locations instead of 1,000,000")
    parser.add_argument("--item-locations", type=int, help="another number of them")
    parser.add_argument("--workers", type=int, help="processes that decide regions side by side")
    options = parser.parse_args()
    size = options.item_locations or (20_000 if options.quick else 1_000_000)
    with tempfile.TemporaryDirectory(prefix="strata-scale-", dir=Path.cwd()) as name:
        measure(Path(name), size, options.workers)


def decided(clock: Clock, regions: list[Region], workers: int) -> int:
    """Every table of every region, table by table; how many item-locations have a class."""
    os.environ[THREADS_VARIABLE] = str(max(1, threads() // workers))
    os.environ[MEMORY_VARIABLE] = f"{max(1, MEMORY_GB // workers)}GB"
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(weighed, repeat(len), [()] * workers))  # workers have started and imported before a clock runs

        def stage(name: str, work: Callable[[Region], Any]) -> list[Any]:
            done = clock.run(name, lambda: list(pool.map(weighed, repeat(work), regions)))
            own = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**30
            clock.peak[name] = own + sum({process: used for _, _, process, used in done}.values())
            clock.cpu[name] = sum(seconds for _, seconds, _, _ in done)
            return [result for result, *_ in done]

        stage("demand history", past)
        stage("(basics alone)", basics)
        stage("profile", shape)
        stage("classes, first cycle", classes)
        return sum(stage("classes, held against the cycle before", held))


def measure(root: Path, size: int, workers: int | None = None) -> None:
    clock, panel, home = Clock(), root / "panel.parquet", Home(root / "home")
    write_panel(panel, size)
    grid, all_threads = pq.read_metadata(panel).num_rows, threads()
    reference, reference_cpu = baseline(panel, 5 if size <= 200_000 else 3)
    columns = ("sku_id", "location_id", "region", "date", "quantity", "unit_price")
    told = {
        "name": "scale", "columns": {name: name for name in columns}, "currency": "USD", "grain": "week",
        "time_zone": "UTC", "unit": "EA", "cycles": 1, "class_level": "location",
    }  # fmt: skip
    report = clock.run(
        "import", lambda: import_panel(home, panel, as_map(told, "map"), now=datetime(2027, 1, 1, tzinfo=UTC))
    )
    landed = clock.run("land", lambda: landing.land(home))
    assert not landed.with_outcome("refused")
    snapshot = clock.run("conform", lambda: landing.conform(home, "scale"))
    dbt_peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    regions = [
        Region(home, snapshot.snapshot_id, code, report.cycles[-1], root / "lake" / code)
        for code in home.calendar().region_codes
    ]
    count = min(workers or os.cpu_count() or 1, len(regions))
    classed = decided(clock, regions, count)
    assert classed == report.item_locations - report.idle_item_locations
    print(f"{size:,} item-locations x {WEEKS} weeks = {grid:,} rows, {len(regions)} regions, {count} workers")
    print(f"{'stage':<42}{'seconds':>10}{'rows/s':>14}{'peak GB':>10}")
    for stage, seconds in clock.seconds.items():
        print(f"{stage:<42}{seconds:>10.1f}{grid / seconds:>14,.0f}{clock.peak[stage]:>10.2f}")
    print(f"{'(dbt, a process of its own)':<42}{'':>24}{dbt_peak:>10.2f}")
    print(f"{'baseline group-by':<42}{reference:>10.2f}{grid / reference:>14,.0f}")
    work = clock.seconds["profile"] + clock.seconds["classes, first cycle"]
    result = {
        "benchmark": "scale",
        "item_locations": size,
        "classified": classed,
        "rows": grid,
        "threads": all_threads,
        "workers": count,
        "seconds": {stage: round(seconds, 2) for stage, seconds in clock.seconds.items()},
        "peak_gb": round(max([dbt_peak, *clock.peak.values()]), 2),
        "baseline": "group-by",
        "baseline_seconds": round(reference, 3),
        "basics_ratio": round(clock.seconds["(basics alone)"] / reference, 2),
        "hysteresis_seconds": round(clock.seconds["classes, held against the cycle before"], 2),
        "cpu_ratio": round((clock.cpu["profile"] + clock.cpu["classes, first cycle"]) / reference_cpu, 2),
        "ratio": round(work / reference, 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
