"""Profile and class of every series of one file of demand, as of its last period: the stages of a partition in one.

Belongs here: lines to the panel of `strata.demand.panel`, classes of items and of their locations, what was assumed.
Does not: reading files (`strata.panel.demand`), the measures, the classes themselves (`strata.classify.assign`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from strata.calendar import Bucket
from strata.classify.assign import assign
from strata.classify.keyed import KEY
from strata.classify.rules import resolve
from strata.demand.fallback import OWN
from strata.demand.lines import (
    NEVER,
    SCALE,
    Booked,
    Lines,
    Summed,
    book,
    decimals,
    first_days,
    grain_of,
    last_days,
    summed,
)
from strata.demand.panel import LAST, REGION_LEVEL, Panel, profile_columns, shape_periods, unreported
from strata.partition import Partition
from strata.scheme.model import Scheme
from strata.scheme.rules import COLUMNS, columns_of
from strata.tables import DEMAND_PROFILE, SEGMENT_ASSIGNMENT

REGION = "ALL"
_MONEY = ("revenue", "margin")
_NO_OVERRIDES = pd.DataFrame(columns=["override_id", *KEY, "value_class", "variability_class"])
Ints = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class PanelClasses:
    """`table`: a row per item and location with the columns of `segment_assignment` and `demand_profile`.

    `first` and `last` are the first days of the first and the last period that the value window has.
    """

    table: pa.Table
    bucket: Bucket
    first: date
    last: date
    cycle: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Stage:
    """What all levels of one file share."""

    booked: Booked
    scheme: Scheme
    partition: Partition
    cutoff: datetime
    periods: int

    @property
    def value_periods(self) -> int:
        return min(self.scheme.value.window_cycles, shape_periods(self.scheme), self.periods)


def panel_classes(
    lines: Lines, *, scheme: Scheme, grain: Bucket | None, since: date | None, until: date | None
) -> PanelClasses:
    """Profile and class every item (and location) of one file as of its last closed period.

    Windows are the scheme's, but no longer than the file. Where lines name locations, the scheme's `class_level` says
    whether each ranks its own items, or its items take the class that they have over all locations. Nothing was known
    before, so no class is held. Value is units where there are no prices, and revenue where the scheme asks for margin
    and there are no costs.

    Args:
        lines: demand; at least one line.
        scheme: windows, cuts, ladder, exclusions, rules.
        grain: period that a line stands for; None: as its days show.
        since: lines before this day are left out.
        until: last day that the lines cover; those after it are left out.

    Raises:
        ValueError: no line is left, the scheme's bucket is finer than the grain, or a sum has too many digits.
    """
    notes: list[str] = []
    lines = _included(lines, scheme, notes)
    grain = grain or grain_of(lines.day)
    booked = book(lines, grain=grain, bucket=scheme.buckets.classification, since=_number(since), until=_number(until))
    notes += _about_time(lines, booked, until)
    start = first_days(np.array([booked.stop]), booked.bucket).astype("datetime64[D]").tolist()[0]
    wanted = max(shape_periods(scheme), scheme.level.window_periods if scheme.level else 0)
    stage = _Stage(
        booked,
        scheme,
        Partition(REGION, f"{start:%Y-%m}"),
        datetime(start.year, start.month, start.day, tzinfo=UTC),
        max(min(wanted, booked.stop - booked.first), 1),
    )
    basis, word = _basis(booked.lines, scheme, notes)
    by_place = booked.lines.location_id is not None
    is_inherited = by_place and scheme.class_level == "region"
    profile, frame = _profile(stage, basis, by_place=by_place and not is_inherited)
    decided = _decided(stage, frame, booked.lines)
    assignment = SEGMENT_ASSIGNMENT.conform(decided.assign(revenue=profile["revenue"].to_pandas(types_mapper=_exact)))
    if is_inherited:
        names = profile["sku_id"]
        profile, _ = _profile(stage, basis, by_place=True)
        assignment = assignment.take(pc.index_in(profile["sku_id"], value_set=names.combine_chunks()))
        notes.append(
            "classes are those of the item over all locations (scheme: class_level region); with class_level location "
            "every location ranks its own items"
        )
    table = _joined(profile, assignment, word + (";inherited:*" if is_inherited else ""))
    if booked.lines.revenue is None:
        table = _without(table, _MONEY)
    elif booked.lines.margin is None:
        table = _without(table, ("margin",))
    notes += _about_rows(table)
    value = stage.booked.periods(stage.value_periods)
    return PanelClasses(table, booked.bucket, value.starts[0], value.starts[-1], stage.partition.cycle, tuple(notes))


def _number(day: date | None) -> int | None:
    return None if day is None else int(np.datetime64(day, "D").astype(np.int64))


def _day(number: int) -> str:
    return str(np.datetime64(number, "D"))


def _included(lines: Lines, scheme: Scheme, notes: list[str]) -> Lines:
    """Lines of items that no exclusion of the scheme names."""
    kept = np.ones(len(lines.sku_id), dtype=bool)
    for rule in scheme.exclusions:
        column = {"category": lines.family, "sku_id": lines.sku_id}.get(rule.column)
        if column is None:
            continue
        out = kept & np.isin(column.astype(str), rule.values) & ~pd.isna(column)
        if out.any():
            notes.append(f"exclusion {rule.name} of the scheme leaves out {int(out.sum()):,} items")
            kept &= ~out
    if kept.all():
        return lines
    if not kept[lines.item].any():
        raise ValueError("the scheme's exclusions leave no item; give another --scheme")
    return lines.only(kept[lines.item])


def _about_time(lines: Lines, booked: Booked, until: date | None) -> list[str]:
    """Which periods count, and what is left out of them."""
    notes = []
    if left := len(lines.day) - len(booked.lines.day):
        notes.append(f"{left:,} rows lie before --since or after --until")
    last = int(booked.booked.max())
    if not booked.is_whole:
        notes.append(f"rows cover no whole {booked.bucket}: the one up to {_day(last)} counts as it is")
        return notes
    if open_rows := int((booked.period >= booked.stop).sum()):
        start = _day(int(first_days(np.array([booked.stop]), booked.bucket)[0]))
        end = _day(int(last_days(np.array([last]), booked.bucket)[0]))
        hint = "" if until else f"; if they are complete, say --until {end}"
        notes.append(
            f"rows end on {_day(last)}: the {booked.bucket} from {start} on ({open_rows:,} rows) is not whole and does "
            f"not count{hint}"
        )
    return notes


def _basis(lines: Lines, scheme: Scheme, notes: list[str]) -> tuple[str, str]:
    """The sum that value rests on, and what of it stands in every reason."""
    wanted = scheme.value.basis
    if lines.revenue is None:
        notes.append("no column unit_price: value is counted in units")
        return "demand_units", ";value_basis:units"
    if wanted == "margin" and lines.margin is None:
        notes.append("no column unit_cost: value is revenue, although the scheme asks for margin")
        return "revenue", ";value_basis:revenue"
    return wanted, ""


def _profile(stage: _Stage, basis: str, *, by_place: bool) -> tuple[pa.Table, pd.DataFrame]:
    """`demand_profile` of all series of one level, and the same with money as floats, as `assign` takes it."""
    booked, scheme = stage.booked, stage.scheme
    lines = booked.lines
    places = len(lines.location_id) if by_place and lines.location_id is not None else 1
    code, series = _distinct(lines.item * places + (lines.place if by_place else 0), len(lines.sku_id) * places)
    item, place = code // places, code % places
    found = summed(
        booked,
        series,
        len(code),
        periods=stage.periods,
        value_periods=stage.value_periods,
        min_stockout_share=scheme.censoring.min_stockout_share,
    )
    location = np.full(len(code), REGION_LEVEL, dtype=object)
    if by_place and lines.location_id is not None:
        location = lines.location_id[place]
    silent = np.zeros(found.units.shape, dtype=bool)
    if by_place:
        silent = _silent(stage, location, found)
    panel = Panel(
        _keys(stage, lines, item, location, found, basis),
        found.units,
        found.censored,
        silent & ~found.censored,
        np.where(found.first_sale == NEVER, found.first_line, found.first_sale),
        booked.periods(stage.periods),
    )
    columns = profile_columns(
        panel,
        scheme=scheme,
        cycle=stage.partition.cycle,
        on=stage.cutoff.date(),
        length=shape_periods(scheme),
        value_length=scheme.value.window_cycles,
        level=scheme.level,
        last={name: np.full(len(code), None, dtype=object) for name in LAST},
    )
    stamp = {
        "region": stage.partition.region, "cycle": stage.partition.cycle, "bucket": booked.bucket,
        "valid_for_cycle": stage.partition.cycle, "scheme_version": scheme.version,
    }  # fmt: skip
    frame = pd.DataFrame({**columns, **stamp}, copy=False)
    none = np.zeros(len(code), dtype=np.int64)
    exact = {name: decimals(found.sums.get(name, none), name) for name in (*_MONEY, "demand_units")}
    known = pa.array(found.sums["unknown_margins"] == 0)
    exact["margin"] = pc.if_else(known, exact["margin"], pa.scalar(None, exact["margin"].type))
    money = {name: pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([part]))) for name, part in exact.items()}
    return DEMAND_PROFILE.conform(frame.assign(**money)), frame


def _distinct(code: Ints, most: int) -> tuple[Ints, Ints]:
    """Codes that occur, ascending, and the place of each row's among them; a table of all that may is faster."""
    if most > 20 * len(code):
        found, at = np.unique(code, return_inverse=True)
        return found, at.astype(np.int64)
    seen = np.zeros(most, dtype=bool)
    seen[code] = True
    return np.flatnonzero(seen).astype(np.int64), (np.cumsum(seen) - 1)[code]


def _silent(stage: _Stage, location: Objects, found: Summed) -> npt.NDArray[np.bool_]:
    """Periods since a place last had a line; the one that had the last of all speaks for the end of the file."""
    last = np.where(found.last_line == found.last_line.max(), stage.periods - 1, found.last_line)
    return unreported(location, last, stage.periods, stale_periods=stage.scheme.fallback.stale_periods)


def _keys(stage: _Stage, lines: Lines, item: Ints, location: Objects, found: Summed, basis: str) -> pd.DataFrame:
    """What is known of every series beside its periods; money as floats, on the basis that there is."""
    nothing = np.full(len(item), None, dtype=object)
    money = {name: found.sums[name] / SCALE if name in found.sums else np.full(len(item), np.nan) for name in _MONEY}
    if "margin" in found.sums:
        money["margin"] = np.where(found.sums["unknown_margins"] > 0, np.nan, money["margin"])
    money[stage.scheme.value.basis] = money[basis] if basis in money else found.sums[basis] / SCALE
    start = stage.booked.stop - stage.periods
    sales = {
        name: _dates(np.where(np.abs(at) == NEVER, 0, at) + start, stage.booked.bucket, np.abs(at) == NEVER)
        for name, at in (("first_sale", found.first_sale), ("last_sale", found.last_sale))
    }
    return pd.DataFrame(
        {
            "series": np.arange(len(item)),
            "sku_id": lines.sku_id[item],
            "location_id": location,
            "launch": sales["first_sale"],
            **sales,
            "end_date": nothing,
            "status": nothing,
            "family": lines.family[item],
            "price": lines.price[item],
            "currency": nothing,
            "predecessor_sku_id": nothing,
            **money,
            "demand_units": found.sums["demand_units"] / SCALE,
            "order_lines": found.sums["order_lines"],
        },
        copy=False,
    )


def _dates(number: Ints, bucket: Bucket, unknown: npt.NDArray[np.bool_]) -> "pd.Series[date]":
    days = pa.array(first_days(number, bucket).astype(np.int32), pa.int32(), mask=unknown).cast(pa.date32())
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([days])))


def _exact(kind: pa.DataType) -> pd.ArrowDtype | None:
    return pd.ArrowDtype(kind) if pa.types.is_decimal(kind) else None


def _decided(stage: _Stage, frame: pd.DataFrame, lines: Lines) -> pd.DataFrame:
    """Classes of all series of one level; rules of the scheme see what the file knows of an item."""
    scheme, cycle = stage.scheme, stage.partition.cycle
    rules = [rule for rule in scheme.rules if rule.holds_in(cycle)]
    bounds = _NO_OVERRIDES
    if rules:
        named = {name for rule in rules for name in columns_of(rule.when)}
        items = frame[[*KEY, *sorted(name for name in named if COLUMNS[name].source == "profile")]]
        known = pd.Series(lines.family, index=lines.sku_id)
        for name in sorted(name for name in named if COLUMNS[name].source == "item"):
            items = items.assign(**{name: known.reindex(items["sku_id"]).to_numpy() if name == "category" else None})
        bounds = resolve(items.assign(region=REGION), _NO_OVERRIDES, rules, cycle=cycle).bounds
    return assign(frame, None, bounds, scheme=scheme, partition=stage.partition, cutoff=stage.cutoff)


def _joined(profile: pa.Table, assignment: pa.Table, word: str) -> pa.Table:
    """Columns of both: what both have is the series' own; keys first, then the class, then the shape."""
    assignment = assignment.set_column(
        assignment.column_names.index("decision_reason"),
        "decision_reason",
        pc.binary_join_element_wise(assignment["decision_reason"], word, ""),
    )
    names = dict.fromkeys([*SEGMENT_ASSIGNMENT.names, *DEMAND_PROFILE.names])
    return pa.table({name: (profile if name in profile.column_names else assignment)[name] for name in names})


def _without(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """The table with columns that nobody knows left empty."""
    for name in names:
        at = table.column_names.index(name)
        table = table.set_column(at, name, pa.nulls(len(table), table.schema.field(name).type))
    return table


def _about_rows(table: pa.Table) -> list[str]:
    """What a planner should know before the classes are believed."""
    notes = []
    counts = [
        (pc.is_null(table["last_sale"]), "{} rows have no demand in a whole period"),
        (pc.greater(table["periods_censored"], 0), "{} rows have periods out of stock: unknown demand, not zero"),
        (pc.greater(table["periods_unreported"], 0), "{} rows are of places that stopped reporting"),
        (
            pc.not_equal(table["fallback_level"], OWN),
            "{} rows have too little history of their own; fallback_reason says what their class rests on",
        ),
    ]
    for mask, text in counts:
        if number := pc.sum(mask).as_py():
            notes.append(text.format(f"{number:,}"))
    return notes
