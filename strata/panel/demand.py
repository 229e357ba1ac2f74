"""A file of demand, long or wide, into lines: bad rows are refused, one by one, what is odd is counted.

Belongs here: what rows of demand must hold, for one-file commands. Does not: fields of files
(`strata.panel.records`), periods (`strata.demand.lines`), panels that become a company (`strata.panel.reading`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from strata.demand.lines import SCALE, Lines
from strata.panel.records import Records, RecordsError, Refusal, Words, read_header, read_records

KEYS = ("sku_id", "location_id")
NUMBERS = ("unit_price", "unit_cost")
OPTIONAL = ("location_id", "unit_price", "unit_cost", "category", "in_stock")
_FIRST_DAY = date(1900, 1, 1)
_TOO_LARGE = 1e14
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})(?:-([0-9]{2})(?:[T ][0-9:.,+\-Z ]*)?)?")
_TRUE, _FALSE = {"true", "t", "yes", "y", "1", "1.0"}, {"false", "f", "no", "n", "0", "0.0"}
_NO_DAY = np.iinfo(np.int64).min
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Demand:
    """Good rows of a file as lines; `rows` are all rows of it, `notes` what was found and is no fault."""

    lines: Lines
    refusals: tuple[Refusal, ...]
    rows: int
    notes: tuple[str, ...]


def read_demand(path: Path, *, wide: Sequence[str] | None, delimiter: str, today: date) -> Demand:
    """Read demand; a row that cannot be read is refused, the others are kept.

    Long: `sku_id, date, quantity`, and where there are such `location_id, unit_price, unit_cost, category, in_stock`.
    Wide: key columns (the item, then the location if there is one), a column per period start named by its day, and
    where there are such `unit_price, unit_cost, category`; an empty cell is no row. Rows of one item, location and day
    are order lines: they add up. A quantity below zero is a return, which is no demand.

    Args:
        path: CSV (`.csv`, `.csv.gz`; UTF-8, with header) or Parquet.
        wide: key columns of a wide file; None where it is long.
        delimiter: of a CSV.
        today: rows dated later are refused.

    Raises:
        RecordsError: the file is missing, of no known kind, lacks a column, has no row, or no good one.
    """
    if wide is None:
        records = read_records(
            path, ["sku_id", "date", "quantity"], delimiter=delimiter, what="demand", optional=OPTIONAL
        )
        sku_column, place_column = "sku_id", "location_id" if records.has("location_id") else None
        days, unused = None, records.unused
    else:
        records, days = _read_wide(path, wide, delimiter, today)
        sku_column, place_column = _keys(wide)
        unused = records.unused
    if not records.rows:
        raise RecordsError(f"{path}: the file has a header and no rows")
    sku = records.names(sku_column)
    place = records.names(place_column) if place_column else None
    if days is None:
        day, quantity = _days(records, today)[:, None], records.numbers("quantity")[:, None]
        _refuse_quantities(records, "quantity", quantity[:, 0], is_needed=True)
    else:
        day = np.broadcast_to(np.array(list(days.values())), (len(records.good), len(days)))
        quantity = np.column_stack([records.numbers(name) for name in days])
        for at, name in enumerate(days):  # a step per period column
            _refuse_quantities(records, name, quantity[:, at], is_needed=False)
    amounts = {name: _amounts(records, name) for name in NUMBERS if records.has(name)}
    if "unit_price" in amounts:
        sold = (np.nan_to_num(quantity) > 0).any(axis=1)
        records.refuse("unit_price", "no_price", sold & np.isnan(amounts["unit_price"]), None)
    most = np.nan_to_num(quantity, posinf=0.0).max(axis=1, initial=0.0)
    for name, amount in amounts.items():
        records.refuse(name, "out_of_range", most * np.nan_to_num(amount, posinf=0.0) >= _TOO_LARGE, None)
    is_out = ~_flags(records, "in_stock") if records.has("in_stock") else None
    family = records.words("category") if records.has("category") else None
    refusals = records.refusals()
    # From here on one entry per cell that says something.
    said = records.good[:, None] & ~np.isnan(quantity)
    row = np.flatnonzero(said) // quantity.shape[1]
    day, quantity = day[said], quantity[said]
    if not len(row):
        raise RecordsError(f"{path}: no row has a quantity; write 0 where nothing was asked for")
    notes = _notes(records, unused, sku.code[row], None if place is None else place.code[row], day, quantity)
    lines = _lines(
        sku, place, row, day, quantity, {name: part[row] for name, part in amounts.items()}, family,
        None if is_out is None else is_out[row],
    )  # fmt: skip
    return Demand(lines, refusals, records.rows, notes)


def _keys(wide: Sequence[str]) -> tuple[str, str | None]:
    """Columns of item and location: by their names, else in this order."""
    if "sku_id" in wide and len(wide) == 2:
        return "sku_id", next(name for name in wide if name != "sku_id")
    return wide[0], wide[1] if len(wide) == 2 else None


def _read_wide(path: Path, keys: Sequence[str], delimiter: str, today: date) -> tuple[Records, dict[str, int]]:
    """Records of a wide file, and the day of each of its period columns."""
    if len(keys) not in (1, 2) or len(set(keys)) != len(keys):
        raise RecordsError(f"--wide {','.join(keys)}: name the column of the item, and that of the location if any")
    header = read_header(path, delimiter=delimiter, what="demand")
    days: dict[str, int] = {}
    for name in header:
        found = _day_of(name, today)
        if isinstance(found, int) and name not in keys:
            days[name] = found
        elif found == "date_out_of_range":
            raise RecordsError(f"{path}: column {name!r} is before 1900 or after today; correct its name")
    if not days:
        raise RecordsError(
            f"{path}: no column is named by a day such as 2024-01-01 or a month such as 2024-01; the file has "
            f"{', '.join(header)}"
        )
    more = [name for name in ("unit_price", "unit_cost", "category") if name not in keys]
    return read_records(path, [*keys, *days], delimiter=delimiter, what="demand", optional=more), days


def _day_of(text: str, today: date) -> int | str:
    """Days since 1970-01-01 of a day (or of a month's first day), or the reason why there is none."""
    match = _DAY.fullmatch(text)
    try:
        found = date(*(int(part or 1) for part in match.groups())) if match else None
    except ValueError:
        found = None
    if found is None:
        return "not_a_date"
    if not _FIRST_DAY <= found <= today:
        return "date_out_of_range"
    return int(np.datetime64(found, "D").astype(np.int64))


def _days(records: Records, today: date) -> Ints:
    """Day of every row; dates and times are taken as they are written."""
    column = records.table.column("date")
    if pa.types.is_temporal(column.type):
        first, last = ((day - date(1970, 1, 1)).days for day in (_FIRST_DAY, today))
        number = pc.fill_null(column.cast(pa.date32()).cast(pa.int32()).cast(pa.int64()), _NO_DAY)
        stored: Ints = number.to_numpy().astype(np.int64)
        records.refuse("date", "not_a_date", stored == _NO_DAY, None)
        records.refuse("date", "date_out_of_range", (stored < first) | (stored > last), None)
        return stored
    words = records.words("date")
    told = [_day_of(text, today) for text in words.text.to_pylist()]  # a step per distinct date
    for reason in ("not_a_date", "date_out_of_range"):
        records.refuse("date", reason, words.rows(np.array([one == reason for one in told], dtype=bool)), words)
    records.refuse("date", "not_a_date", words.code < 0, words)
    number = np.array([one if isinstance(one, int) else _NO_DAY for one in told] + [_NO_DAY], dtype=np.int64)
    return np.asarray(number[words.code])


def _refuse_quantities(records: Records, column: str, quantity: Floats, *, is_needed: bool) -> None:
    words = None
    unknown = np.isnan(quantity)
    if unknown.any() and records.good.any():
        empty = _empty(records, column)
        if is_needed:
            records.refuse(column, "no_quantity", empty, words)
        records.refuse(column, "not_finite", unknown & ~empty, words)
    records.refuse(column, "not_finite", np.isinf(quantity), words)
    records.refuse(column, "out_of_range", np.abs(quantity) >= _TOO_LARGE, words)


def _empty(records: Records, column: str) -> Booleans:
    """Rows that hold nothing in a column, or blanks."""
    values = records.table.column(column)
    if pa.types.is_binary(values.type) or pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        words = records.words(column)
        blank = pc.equal(pc.utf8_length(words.text), 0).to_numpy(zero_copy_only=False)
        return np.asarray(words.rows(blank) | (words.code < 0))
    return np.asarray(values.is_null().to_numpy(), dtype=bool)


def _amounts(records: Records, column: str) -> Floats:
    """Money per unit, NaN where unknown; a cost of zero is one that nobody entered."""
    found = records.numbers(column)
    records.refuse(column, "not_finite", np.isinf(found), None)
    records.refuse(column, "negative", found < 0, None)
    records.refuse(column, "out_of_range", found >= _TOO_LARGE, None)
    return np.where(found == 0, np.nan, found) if column == "unit_cost" else found


def _flags(records: Records, column: str) -> Booleans:
    """True, but where a row says false; empty is true."""
    words = records.words(column)
    told = [text.lower() for text in words.text.to_pylist()]
    unknown = np.array([bool(text) and text not in _TRUE | _FALSE for text in told], dtype=bool)
    records.refuse(column, "not_true_or_false", words.rows(unknown), words)
    return ~words.rows(np.array([text in _FALSE for text in told], dtype=bool))


def _notes(
    records: Records, unused: Sequence[str], sku: Ints, place: Ints | None, day: Ints, quantity: Floats
) -> tuple[str, ...]:
    notes = []
    if unused:
        notes.append(f"columns that classes do not rest on: {', '.join(unused)}")
    returned = quantity < 0
    if returned.any():
        units = -quantity[returned].sum()
        notes.append(f"{int(returned.sum()):,} rows below zero are returns and no demand ({units:,.0f} units)")
    spot = sku if place is None else sku * (int(place.max()) + 1) + place
    since = day - day.min()
    code = np.sort(spot * (int(since.max()) + 1) + since)
    shared = int((code[1:] == code[:-1]).sum())
    if shared:
        notes.append(f"{shared:,} rows share item, location and day with an earlier one: their quantities add up")
    return tuple(notes)


def _lines(
    sku: Words,
    place: Words | None,
    row: Ints,
    day: Ints,
    quantity: Floats,
    amounts: dict[str, Floats],
    family: Words | None,
    is_out: Booleans | None,
) -> Lines:
    """Lines with names in their order; quantities and money as whole ten-thousandths."""
    names, item = _ordered(sku, row)
    places, at = _ordered(place, row) if place is not None else (None, np.zeros(len(row), dtype=np.int64))
    asked = np.maximum(quantity, 0.0)
    revenue, margin, has_margin = None, None, np.zeros(len(row), dtype=bool)
    price, cost = amounts.get("unit_price"), amounts.get("unit_cost")
    if price is not None:
        revenue = np.rint(asked * np.nan_to_num(price) * SCALE).astype(np.int64)
        if cost is not None:
            has_margin = ~np.isnan(cost)
            margin = revenue - np.rint(asked * np.nan_to_num(cost) * SCALE).astype(np.int64)
    latest = np.argsort(day, kind="stable")  # of two on one day the later row
    worth = np.full(len(names), np.nan)
    for given in (cost, price):  # a price goes before a cost
        if given is not None:
            known = latest[~np.isnan(given[latest])]
            worth[item[known]] = given[known]
    kind = np.full(len(names), None, dtype=object)
    if family is not None:
        code = family.code[row]
        words = np.array([*(text or None for text in family.text.to_pylist()), None], dtype=object)
        told = latest[~pd.isna(words)[code[latest]]]
        kind[item[told]] = words[code[told]]
    units = np.rint(asked * SCALE).astype(np.int64)
    return Lines(names, places, item, at, day, units, revenue, margin, has_margin, is_out, kind, worth)


def _ordered(words: Words, row: Ints) -> tuple[Objects, Ints]:
    """Names that rows hold, ascending, and the place of each row's name among them."""
    used, code = np.unique(words.code[row], return_inverse=True)
    text = words.text.take(pa.array(used))
    order = pc.array_sort_indices(text).to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    names = np.array(text.take(pa.array(order)).to_pylist(), dtype=object)
    return names, place[code]
