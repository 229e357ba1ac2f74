"""Building the sample company: prepare it once, land its extracts cycle by cycle.

Belongs here: which extracts exist, their names and times. Does not: their rows (`strata.sample.feeds`). What a month
sends does not depend on how many months are built, so a later build leaves earlier extracts untouched.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from strata.home import Home
from strata.partition import cycle_range, shifted
from strata.sample import assumptions, completejourney, generated, generator, panel
from strata.sample.demand import Demand, month_first_day, month_number
from strata.sample.documents import papers
from strata.sample.extracts import Extract, write_extract
from strata.sample.feeds import Feed, feeds
from strata.sample.operations import operate

EXTRACT_DAY = 2
EXTRACT_HOUR = 20


@dataclass(frozen=True, slots=True)
class Company:
    """A prepared sample company: its feeds over the whole horizon, nothing written yet."""

    name: str
    feeds: tuple[Feed, ...]
    first_month: int
    last_month: int
    items: int
    item_locations: int
    sales_lines: int


@dataclass(frozen=True, slots=True)
class FeedCount:
    """What was written for one feed and origin."""

    system: str
    feed: str
    origin: str
    extracts: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class SampleReport:
    """What a build wrote: counts per feed, sizes of the company, wall-clock seconds."""

    name: str
    cycles: tuple[str, ...]
    items: int
    item_locations: int
    sales_lines: int
    feeds: tuple[FeedCount, ...]
    seconds: float


def build(
    home: Home, *, demand: str, items: int | None, seed: int, first_cycle: str, through_cycle: str
) -> SampleReport:
    """Build the sample company and land everything known before the cut-off of `through_cycle`.

    The first cycle gets an initial load of all months before it; every later cycle one extract per feed about the
    month before it, taken on its second day at 20:00 UTC.

    Args:
        home: where `landing/` is.
        demand: `completejourney`, `generator`, or the path of a demand panel.
        items: number of items; None for all there are (of the generator: its shipped number).
        seed: of everything drawn; the same seed gives the same bytes.
        first_cycle: cycle of the initial load.
        through_cycle: last cycle that gets an extract.

    Raises:
        ValueError: the cycles do not fit the span of the demand.
        completejourney.SampleSourceError: the package with the real demand is not installed.
    """
    began = time.perf_counter()
    company = prepare(open_demand(demand, items=items, seed=seed), assumptions.SHIPPED, seed=seed)
    written = [
        extract
        for cycle in cycle_range(first_cycle, through_cycle)
        for extract in land_cycle(home, company, cycle, first_cycle=first_cycle)
    ]
    return report(company, written, cycle_range(first_cycle, through_cycle), time.perf_counter() - began)


def open_demand(demand: str, *, items: int | None, seed: int) -> Demand:
    """Demand by name or from a panel file; ValueError where `items` is given for a panel."""
    if demand == "completejourney":
        return completejourney.read_demand(items=items, seed=seed, spec=completejourney.SHIPPED)
    if demand == "generator":
        spec = generator.SHIPPED if items is None else generator.resized(generator.SHIPPED, items)
        return generated.as_demand(generator.generate(spec, seed=seed))
    if items is not None:
        raise ValueError(f"--items does not go with the panel {demand}: cut the file to the items you want")
    return panel.read_demand(Path(demand))


def prepare(demand: Demand, spec: assumptions.OperationsSpec, *, seed: int) -> Company:
    """Simulate the operations around `demand`; writes nothing."""
    operations = operate(demand, spec, seed=seed)
    documents = papers(demand, operations, seed=seed)
    return Company(
        name=demand.name,
        feeds=tuple(feeds(demand, operations, documents, spec, seed=seed)),
        first_month=month_number(demand.first_day.strftime("%Y-%m")),
        last_month=month_number(demand.last_day.strftime("%Y-%m")),
        items=demand.items.num_rows,
        item_locations=len(operations.item_of),
        sales_lines=demand.lines.num_rows,
    )


def land_cycle(home: Home, company: Company, cycle: str, *, first_cycle: str) -> list[Extract]:
    """Write the extracts that reach `cycle` before its cut-off; those already there stay as they are.

    Raises:
        ValueError: `cycle` is before `first_cycle`, or the company's demand does not cover the month before it.
    """
    first, month = month_number(first_cycle), month_number(cycle)
    if not company.first_month < first <= month <= company.last_month + 1:
        span = [f"{m // 12}-{m % 12 + 1:02d}" for m in (company.first_month + 1, company.last_month + 1)]
        raise ValueError(
            f"cycle {cycle} with first cycle {first_cycle} does not fit the demand of {company.name}; "
            f"take cycles from {span[0]} to {span[1]}, none before the first cycle"
        )
    begin = company.first_month if month == first else month - 1
    return [
        extract
        for feed in company.feeds
        if (extract := _land(home, feed, company.first_month, begin, month, cycle=cycle)) is not None
    ]


def _land(home: Home, feed: Feed, first_month: int, begin: int, stop: int, *, cycle: str) -> Extract | None:
    is_initial = begin == first_month
    if stop in feed.missing and not is_initial:
        return None
    rows = feed.rows(begin, stop)
    if not rows.num_rows and (feed.delay or not (is_initial or feed.sends_empty)):
        return None
    taken = _extracted_at(cycle, feed.delay + (0 if is_initial else feed.late.get(stop, 0)))
    before = month_first_day(begin) if is_initial else _extracted_at(shifted(cycle, -1), feed.delay)
    position = {"from": before.strftime("%Y-%m-%dT%H:%M:%SZ"), "to": taken.strftime("%Y-%m-%dT%H:%M:%SZ")}
    if feed.is_change_log:
        # Changes after `from`, up to `to`: each extract begins where the one before it ended.
        start = 0 if is_initial else _log_end(feed.rows(first_month, begin), 0)
        position = {"from": str(start), "to": str(_log_end(rows, start))}
    return write_extract(
        home,
        feed.system,
        feed.feed,
        taken.strftime("%Y-%m-%dT%H%MZ"),
        rows,
        kind="cdc" if feed.is_change_log else "full",
        envelope="debezium" if feed.is_change_log else "plain",
        format=feed.format,
        grain=feed.grain,
        extracted_at=taken,
        business_date=month_first_day(stop) - timedelta(days=1),
        position=position,
        initial_load=is_initial,
        origin=feed.origin,
        control_totals=feed.totals,
        schema_version=feed.schema_version,
    )


def _log_end(rows: pa.Table, start: int) -> int:
    return int(pc.max(rows.column("__lsn")).as_py()) if rows.num_rows else start


def _extracted_at(cycle: str, delay_minutes: int) -> datetime:
    year, month = map(int, cycle.split("-"))
    return datetime(year, month, EXTRACT_DAY, EXTRACT_HOUR, tzinfo=UTC) + timedelta(minutes=delay_minutes)


def report(company: Company, written: list[Extract], cycles: list[str], seconds: float) -> SampleReport:
    """Counts per feed and origin of the extracts written."""
    groups: dict[tuple[str, str, str], list[Extract]] = {}
    for extract in written:
        key = (extract.manifest["system"], extract.manifest["feed"], extract.manifest["origin"])
        groups.setdefault(key, []).append(extract)
    counts = tuple(
        FeedCount(*key, len(group), sum(e.rows for e in group), sum(e.bytes for e in group))
        for key, group in groups.items()
    )
    return SampleReport(
        company.name, tuple(cycles), company.items, company.item_locations, company.sales_lines, counts, seconds
    )


def land_generated(
    home: Home,
    truth: generator.GroundTruth,
    spec: assumptions.OperationsSpec,
    *,
    first_cycle: str,
    through_cycle: str,
) -> SampleReport:
    """Land generated demand with operations around it, as `build` does; the seed is that of the truth."""
    began = time.perf_counter()
    company = prepare(generated.as_demand(truth), spec, seed=truth.seed)
    cycles = cycle_range(first_cycle, through_cycle)
    written = [extract for cycle in cycles for extract in land_cycle(home, company, cycle, first_cycle=first_cycle)]
    return report(company, written, cycles, time.perf_counter() - began)
