"""A file of items with their criteria into numbers, and classes into a file: bad rows are refused, one by one.

Belongs here: reading, refusing and writing for `strata classify --items`. Does not: methods (`strata.classify.items`),
panels of demand (`strata.panel.reading`).
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from strata.classify.items import ItemClasses
from strata.durable import write_file, write_parquet

REASONS: dict[str, str] = {
    "fields_differ": "another number of fields than the header; quote a value that holds the delimiter",
    "not_utf8": "bytes that are no UTF-8; save the file as UTF-8",
    "empty_key": "no item; name it",
    "control_character": "a control character in the item; remove it",
    "not_a_number": "no number with a decimal point; write 1234.5",
    "duplicate_key": "the item stands more than once with different values; keep the row that is right",
}
_NUMBER = (
    r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^[+-]?([nN][aA][nN]|[iI][nN][fF]([iI][nN][iI][tT][yY])?)$"
)
_BLOCK = 16 << 20
_LONGEST = 200  # of a refused value that is shown


class ItemsError(ValueError):
    """A file of items cannot be read; the message names file and column, and what to do."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused row: its line in a text file (1 = header), or its number in Parquet (1 = first row)."""

    line: int
    column: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Items:
    """Good rows in the order of the file: names, criteria (NaN where empty), and what was refused.

    `name_rank` is the place of each name in the order of all names, `repeats` the rows that equal an earlier one.
    """

    name: pa.Array
    name_rank: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    refusals: tuple[Refusal, ...]
    rows: int
    repeats: int


def read_items(path: Path, *, id_column: str, columns: Sequence[str], delimiter: str) -> Items:
    """Read items and their criteria; a row that cannot be read is refused, the others are kept.

    Names are trimmed. An empty criterion is unknown, not refused; `nan` and `inf` are numbers that the methods turn
    down. Equal rows are taken once; rows of one item that differ are refused, all of them.

    Args:
        path: CSV (`.csv`, `.csv.gz`; UTF-8, with header) or Parquet.
        id_column: column of the item's name.
        columns: columns of the criteria.
        delimiter: of a CSV.

    Raises:
        ItemsError: the file is missing, of no known kind, or lacks a column, or no row of it can be read.
    """
    twice = sorted({name for name in (id_column, *columns) if (id_column, *columns).count(name) > 1})
    if twice:
        raise ItemsError(f"{path}: columns {twice} are named twice in --id and --criteria")
    if not path.is_file():
        raise ItemsError(f"{path}: no such file of items")
    faults: list[Refusal] = []
    if path.name.endswith(".parquet"):
        table, line, rows = _parquet(path, id_column, columns)
    elif path.name.endswith((".csv", ".csv.gz")):
        table, line, rows = _csv(path, id_column, columns, delimiter, faults)
    else:
        raise ItemsError(f"{path}: items end in .csv, .csv.gz or .parquet")
    good = np.ones(len(table), dtype=bool)
    name = _names(table.column(id_column), id_column, line, good, faults)
    values = np.column_stack([_numbers(table.column(column), column, line, good, faults) for column in columns])
    repeats = _refuse_repeats(name, values, id_column, line, good, faults)
    kept = name.filter(pa.array(good))
    if rows and not len(kept):
        first = sorted(faults, key=lambda fault: fault.line)[0]
        raise ItemsError(
            f"{path}: no row can be read; line {first.line}, column {first.column}: {first.value!r}, "
            f"{REASONS[first.reason]}"
        )
    rank = pc.rank(kept, tiebreaker="dense").to_numpy().astype(np.int64) if len(kept) else np.zeros(0, np.int64)
    refusals = tuple(sorted(faults, key=lambda fault: (fault.line, fault.column)))
    return Items(kept, rank, values[good], refusals, rows, repeats)


def write_classes(path: Path, items: Items, made: ItemClasses) -> None:
    """Write item, score, rank, value_class and decision_reason, in the order of rank; items of class U last, by name.

    Raises:
        ItemsError: the file's ending is neither .csv nor .parquet.
    """
    order = np.lexsort((items.name_rank, np.where(made.rank > 0, made.rank, len(made.rank) + 1)))
    ranked = made.rank[order] > 0
    table = pa.table(
        {
            "item": items.name.take(pa.array(order)),
            "score": pa.array(made.score[order], mask=~ranked),
            "rank": pa.array(made.rank[order], mask=~ranked),
            "value_class": pa.array(made.value_class[order].astype(object), pa.string()),
            "decision_reason": made.reason.take(pa.array(order)),
        }
    )
    if path.name.endswith(".parquet"):
        write_parquet(path, table)
    elif path.name.endswith(".csv"):
        write_file(path, lambda temporary: arrow_csv.write_csv(table, str(temporary)))
    else:
        raise ItemsError(f"{path}: classes are written as .csv or .parquet")


def refusals_path(out: Path) -> Path:
    """The file beside `out` that takes the refused rows."""
    return out.with_name(f"{out.name.removesuffix('.csv').removesuffix('.parquet')}.refused.csv")


def write_refusals(out: Path, items: Items) -> Path | None:
    """Write every refused row with line, column, value and reason; a file that an earlier run left is removed."""
    path = refusals_path(out)
    if not items.refusals:
        path.unlink(missing_ok=True)
        return None

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(("line", "column", "value", "reason", "advice"))
            writer.writerows((r.line, r.column, r.value, r.reason, REASONS[r.reason]) for r in items.refusals)

    write_file(path, write)
    return path


def _csv(
    path: Path, id_column: str, columns: Sequence[str], delimiter: str, faults: list[Refusal]
) -> tuple[pa.Table, npt.NDArray[np.int64], int]:
    """Wanted columns as bytes, the line of every row, and the number of rows; rows of another width are refused."""
    header = _header(path, delimiter)
    _check_columns(path, header, id_column, columns)
    # Names of ours: a header may hold a name twice, as long as it is not a wanted one.
    names = [f"f{at}" for at in range(len(header))]
    wanted = {name: names[header.index(name)] for name in (id_column, *columns)}
    broken: list[tuple[int, str]] = []

    def refuse(row: arrow_csv.InvalidRow) -> str:
        broken.append((row.number, row.text))
        return "skip"

    try:
        table = arrow_csv.read_csv(
            path,
            # One thread: only then are rows numbered.
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=names),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=refuse
            ),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=list(wanted.values()), column_types=dict.fromkeys(wanted.values(), pa.binary())
            ),
        )
    except pa.ArrowInvalid as error:
        raise ItemsError(f"{path}: no CSV with delimiter {delimiter!r}: {error}") from error
    table = table.rename_columns([id_column, *columns]).slice(1)
    skipped = np.array(sorted(number for number, _ in broken), dtype=np.int64)
    # Record 1 is the header; records that were skipped are not in the table.
    record = np.setdiff1d(np.arange(2, len(table) + len(skipped) + 2), skipped)
    blank = np.ones(len(table), dtype=bool)
    for column in table.columns:
        blank &= pc.equal(pc.binary_length(column), 0).to_numpy()
    lines = _lines(path, delimiter, len(table) + len(skipped) + 1)
    table, record = table.filter(pa.array(~blank)), record[~blank]
    line = record if lines is None else lines[record - 1]
    for number, text in broken:
        at = number if lines is None or number > len(lines) else int(lines[number - 1])
        faults.append(Refusal(at, "*", text.strip()[:_LONGEST], "fields_differ"))
    return table, line, len(table) + len(skipped)


def _open(path: Path) -> pa.NativeFile:
    return pa.input_stream(path, compression="gzip" if path.name.endswith(".gz") else None)


def _header(path: Path, delimiter: str) -> list[str]:
    try:
        with _open(path) as handle:
            text = handle.read(1 << 20).decode("utf-8-sig", errors="replace")
    except (OSError, pa.ArrowException) as error:
        raise ItemsError(f"{path}: cannot be read: {error}") from error
    row = next(csv.reader(text.splitlines(keepends=True), delimiter=delimiter), None)
    if not row:
        raise ItemsError(f"{path}: the file is empty; write a header and a row per item")
    return [name.strip() for name in row]


def _check_columns(path: Path, header: Sequence[str], id_column: str, columns: Sequence[str]) -> None:
    for name in (id_column, *columns):
        if header.count(name) != 1:
            found = "stands more than once" if name in header else "is not there"
            hint = "; is --delimiter right?" if len(header) == 1 else ""
            raise ItemsError(f"{path}: column {name!r} {found}; the file has {', '.join(header)}{hint}")


def _lines(path: Path, delimiter: str, records: int) -> npt.NDArray[np.int64] | None:
    """First line of every record, where some value holds a line break; None where records and lines are the same."""
    with _open(path) as handle:
        breaks, last = 0, b"\n"
        while block := handle.read(_BLOCK):
            breaks += block.count(b"\n") or block.count(b"\r")
            last = block[-1:]
    if breaks + (last not in b"\r\n") <= records:
        return None
    with _open(path) as handle:
        text = handle.read().decode("utf-8", errors="replace")
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    starts = [1]
    for _ in reader:
        starts.append(reader.line_num + 1)
    # Where the two readers see other records (stray quotes), numbers of records are the better guess.
    return np.array(starts[:-1], dtype=np.int64) if len(starts) > records else None


def _parquet(path: Path, id_column: str, columns: Sequence[str]) -> tuple[pa.Table, npt.NDArray[np.int64], int]:
    try:
        names = pq.read_schema(path).names
        _check_columns(path, names, id_column, columns)
        table = pq.read_table(path, columns=[id_column, *columns], partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise ItemsError(f"{path}: no Parquet file that can be read: {error}") from error
    return table, np.arange(1, len(table) + 1), len(table)


def _names(
    column: pa.ChunkedArray, title: str, line: npt.NDArray[np.int64], good: npt.NDArray[np.bool_], faults: list[Refusal]
) -> pa.Array:
    text = pc.utf8_trim_whitespace(_decoded(column, title, line, good, faults))
    _refuse(pc.fill_null(pc.equal(pc.utf8_length(text), 0), True), text, title, "empty_key", line, good, faults)
    control = pc.fill_null(pc.match_substring_regex(text, r"\p{Cc}"), False)
    _refuse(control, text, title, "control_character", line, good, faults)
    return text


def _numbers(
    column: pa.ChunkedArray, title: str, line: npt.NDArray[np.int64], good: npt.NDArray[np.bool_], faults: list[Refusal]
) -> npt.NDArray[np.float64]:
    if not (
        pa.types.is_binary(column.type) or pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    ):
        try:
            plain = column.combine_chunks().cast(pa.float64(), safe=False)
        except pa.ArrowException as error:
            raise ItemsError(f"column {title!r} is stored as {column.type}, which is no number") from error
        return np.asarray(plain.to_numpy(zero_copy_only=False), dtype=np.float64)
    text = pc.utf8_trim_whitespace(_decoded(column, title, line, good, faults))
    text = pc.if_else(pc.equal(pc.utf8_length(text), 0), pa.scalar(None, pa.string()), text)
    is_number = pc.match_substring_regex(text, _NUMBER)
    _refuse(pc.invert(pc.fill_null(is_number, True)), text, title, "not_a_number", line, good, faults)
    # Arrow reads no leading plus sign and no point without digits behind it.
    plain = pc.if_else(is_number, pc.replace_substring_regex(text, r"^\+|\.$", ""), pa.scalar(None, pa.string()))
    plain = pc.replace_substring_regex(plain, r"\.([eE])", r"\1")
    return np.asarray(plain.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _decoded(
    column: pa.ChunkedArray, title: str, line: npt.NDArray[np.int64], good: npt.NDArray[np.bool_], faults: list[Refusal]
) -> pa.Array:
    """Bytes as text; rows that are no UTF-8 are refused. What is no bytes becomes the text of it."""
    flat = column.combine_chunks()
    if isinstance(flat, pa.ChunkedArray):
        flat = pa.concat_arrays(flat.chunks) if flat.num_chunks else pa.array([], flat.type)
    try:
        text = flat.cast(pa.string())
        text.validate(full=True)
    except pa.ArrowInvalid:
        if not pa.types.is_binary(flat.type):
            raise
        shown = [value.decode("utf-8", errors="replace") for value in flat.to_pylist()]
        text = pa.array(shown, pa.string())
        broken = pc.match_substring(text, "\ufffd")
        _refuse(broken, text, title, "not_utf8", line, good, faults)
    return text


def _refuse(
    bad: pa.Array,
    text: pa.Array,
    column: str,
    reason: str,
    line: npt.NDArray[np.int64],
    good: npt.NDArray[np.bool_],
    faults: list[Refusal],
) -> None:
    """Note the rows that are bad and were good so far: a row is refused for its first fault."""
    rows = np.flatnonzero(bad.to_numpy(zero_copy_only=False) & good)
    if len(rows):
        values = text.take(pa.array(rows)).to_pylist()
        lines = line[rows].tolist()
        faults += [Refusal(at, column, (v or "")[:_LONGEST], reason) for at, v in zip(lines, values, strict=True)]
        good[rows] = False


def _refuse_repeats(
    name: pa.Array,
    values: npt.NDArray[np.float64],
    title: str,
    line: npt.NDArray[np.int64],
    good: npt.NDArray[np.bool_],
    faults: list[Refusal],
) -> int:
    """Take equal rows once, refuse rows of one item that differ; how many were taken for an earlier one."""
    code = name.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    code = np.where(np.isfinite(code), code, -1).astype(np.int64)
    rows = np.flatnonzero(good)
    rows = rows[np.argsort(code[rows], kind="stable")]
    same_name = code[rows][1:] == code[rows][:-1]
    if not same_name.any():
        return 0
    first = np.maximum.accumulate(np.where(np.concatenate([[True], ~same_name]), np.arange(len(rows)), 0))
    mine, leader = values[rows], values[rows[first]]
    differs = ((mine != leader) & ~(np.isnan(mine) & np.isnan(leader))).any(axis=1)
    torn = np.isin(code[rows], np.unique(code[rows][differs]))
    bad = np.zeros(len(good), dtype=bool)
    bad[rows[torn]] = True
    _refuse(pa.array(bad), name, title, "duplicate_key", line, good, faults)
    surplus = rows[~torn & (first != np.arange(len(rows)))]
    good[surplus] = False
    return len(surplus)
