"""Rows of a plain file, column by column, each with its line; what cannot be read is refused, one by one.

Belongs here: CSV and Parquet into names and numbers, lines of records, the file of refused rows. Does not: what columns
mean (`strata.panel.items`, `strata.panel.demand`), feeds with a contract (`strata.intake`).
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

from strata.durable import write_file, write_parquet

REASONS: dict[str, str] = {
    "fields_differ": "another number of fields than the header; quote a value that holds the delimiter",
    "not_utf8": "bytes that are no UTF-8; save the file as UTF-8",
    "empty_key": "no name; write one",
    "control_character": "a control character in the name; remove it",
    "not_a_number": "no number with a decimal point; write 1234.5",
    "duplicate_key": "the item stands more than once with different values; keep the row that is right",
    "no_quantity": "no quantity; write 0 where nothing was asked for",
    "no_price": "a sale without a price; write one, or leave the column out to rank by units",
    "not_finite": "no finite number; write an amount",
    "negative": "below zero; write what one unit costs",
    "out_of_range": "14 digits before the point are the most; correct it or count in larger units",
    "not_a_date": "no date; write YYYY-MM-DD, or YYYY-MM for a month",
    "date_out_of_range": "before 1900 or after today; correct the date",
    "not_true_or_false": "neither true nor false; write true or false",
}
ENDINGS = (".csv", ".csv.gz", ".parquet")
_NUMBER = (
    r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^[+-]?([nN][aA][nN]|[iI][nN][fF]([iI][nN][iI][tT][yY])?)$"
)
_BLOCK = 16 << 20
_LONGEST = 200  # of a refused value that is shown
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


class RecordsError(ValueError):
    """A file cannot be read; the message names file and column, and what to do."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused row: its line in a text file (1 = header), or its number in Parquet (1 = first row)."""

    line: int
    column: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Words:
    """A column of text: `text[code[i]]` is what row i holds, trimmed; -1 where it holds nothing."""

    code: Ints
    text: pa.StringArray

    def rows(self, bad: Booleans) -> Booleans:
        """Rows that hold one of the texts marked; empty rows do not."""
        found: Booleans = np.append(bad, False)[self.code]
        return found


@dataclass(slots=True)
class Records:
    """Wanted columns of a file, the line of every row, and which rows are good so far.

    `unused` are the columns that nobody wanted; `rows` counts those that could not be split into fields, too.
    """

    path: Path
    table: pa.Table
    line: Ints
    rows: int
    good: Booleans
    faults: list[Refusal]
    unused: tuple[str, ...]

    def has(self, column: str) -> bool:
        """Whether the file has an optional column."""
        return column in self.table.column_names

    def refuse(self, column: str, reason: str, bad: Booleans, words: Words | None) -> None:
        """Note the rows that are bad and were good so far: a row is refused for its first fault."""
        rows = np.flatnonzero(bad & self.good)
        if not len(rows):
            return
        if words is None:
            values = self.table.column(column).take(pa.array(rows)).cast(pa.string()).to_pylist()
        else:
            code = words.code[rows]
            values = words.text.take(pa.array(code, mask=code < 0)).to_pylist()
        lines = self.line[rows].tolist()
        self.faults += [Refusal(at, column, (v or "")[:_LONGEST], reason) for at, v in zip(lines, values, strict=True)]
        self.good[rows] = False

    def words(self, column: str) -> Words:
        """A column as text, each distinct one once; rows that are no UTF-8 are refused."""
        values = self.table.column(column).combine_chunks()
        if isinstance(values, pa.ChunkedArray):
            values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if not (pa.types.is_binary(values.type) or _is_text(values.type)):
            values = values.cast(pa.string())
        coded = values.dictionary_encode()
        text, broken = _decoded(coded.dictionary)
        trimmed = pc.utf8_trim_whitespace(text)
        once = trimmed.dictionary_encode()  # texts that differ in blanks around them are one
        code = np.append(once.indices.to_numpy(zero_copy_only=False).astype(np.int64), -1)
        raw = pc.fill_null(coded.indices, len(text)).to_numpy(zero_copy_only=False).astype(np.int64)
        found = Words(code[raw], once.dictionary)
        if broken.any():
            self.refuse(column, "not_utf8", np.append(broken, False)[raw], found)
        return found

    def names(self, column: str) -> Words:
        """A column of names: rows without one, or with control characters in it, are refused."""
        words = self.words(column)
        empty = pc.equal(pc.utf8_length(words.text), 0).to_numpy(zero_copy_only=False)
        self.refuse(column, "empty_key", words.rows(empty) | (words.code < 0), words)
        control = pc.match_substring_regex(words.text, r"\p{Cc}").to_numpy(zero_copy_only=False)
        self.refuse(column, "control_character", words.rows(control), words)
        return words

    def numbers(self, column: str) -> Floats:
        """A column of numbers, NaN where empty; rows that hold something else are refused."""
        kind = self.table.column(column).type
        if not (pa.types.is_binary(kind) or _is_text(kind) or pa.types.is_dictionary(kind)):
            try:
                plain = self.table.column(column).combine_chunks().cast(pa.float64(), safe=False)
            except pa.ArrowException as error:
                raise RecordsError(f"column {column!r} is stored as {kind}, which is no number") from error
            return np.asarray(plain.to_numpy(zero_copy_only=False), dtype=np.float64)
        words = self.words(column)
        text = pc.if_else(pc.equal(pc.utf8_length(words.text), 0), pa.scalar(None, pa.string()), words.text)
        is_number = pc.match_substring_regex(text, _NUMBER)
        wrong = pc.invert(pc.fill_null(is_number, True)).to_numpy(zero_copy_only=False)
        self.refuse(column, "not_a_number", words.rows(wrong), words)
        # Arrow reads no leading plus sign and no point without digits behind it.
        plain = pc.if_else(is_number, pc.replace_substring_regex(text, r"^\+|\.$", ""), pa.scalar(None, pa.string()))
        plain = pc.replace_substring_regex(plain, r"\.([eE])", r"\1")
        found = np.append(plain.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64), np.nan)
        return np.asarray(found[words.code])

    def refusals(self) -> tuple[Refusal, ...]:
        """What was refused so far, by line.

        Raises:
            RecordsError: the file has rows, and none of them is good.
        """
        faults = tuple(sorted(self.faults, key=lambda fault: (fault.line, fault.column)))
        if self.rows and faults and not self.good.any():
            first = faults[0]
            raise RecordsError(
                f"{self.path}: no row can be read; line {first.line}, column {first.column}: {first.value!r}, "
                f"{REASONS[first.reason]}"
            )
        return faults


def read_header(path: Path, *, delimiter: str, what: str) -> list[str]:
    """Names of a file's columns.

    Args:
        path: CSV (`.csv`, `.csv.gz`; UTF-8, with header) or Parquet.
        delimiter: of a CSV.
        what: what the file holds, for messages.

    Raises:
        RecordsError: the file is missing, of no known kind, empty, or cannot be read.
    """
    if not path.is_file():
        raise RecordsError(f"{path}: no such file of {what}")
    if not path.name.endswith(ENDINGS):
        raise RecordsError(f"{path}: {what} end in {', '.join(ENDINGS)}")
    if path.name.endswith(".parquet"):
        try:
            return list(pq.read_schema(path).names)
        except (pa.ArrowException, OSError) as error:
            raise RecordsError(f"{path}: no Parquet file that can be read: {error}") from error
    try:
        with _open(path) as handle:
            text = handle.read(1 << 20).decode("utf-8-sig", errors="replace")
    except (OSError, pa.ArrowException) as error:
        raise RecordsError(f"{path}: cannot be read: {error}") from error
    row = next(csv.reader(text.splitlines(keepends=True), delimiter=delimiter), None)
    if not row:
        raise RecordsError(f"{path}: the file is empty; write a header and a row per line of {what}")
    return [name.strip() for name in row]


def read_records(
    path: Path, columns: Sequence[str], *, delimiter: str, what: str, optional: Sequence[str] = ()
) -> Records:
    """Read columns of a file; rows of another width than the header are refused, blank ones are none.

    Args:
        path: CSV (`.csv`, `.csv.gz`; UTF-8, with header) or Parquet.
        columns: those that must be there.
        delimiter: of a CSV.
        what: what the file holds, for messages.
        optional: those that are read where they are there.

    Raises:
        RecordsError: as `read_header`; or a column is missing or stands twice.
    """
    header = read_header(path, delimiter=delimiter, what=what)
    wanted = [*columns, *(name for name in optional if name in header and name not in columns)]
    _check_columns(path, header, wanted)
    faults: list[Refusal] = []
    if path.name.endswith(".parquet"):
        try:
            table = pq.read_table(path, columns=wanted, partitioning=None)
        except (pa.ArrowException, OSError) as error:
            raise RecordsError(f"{path}: no Parquet file that can be read: {error}") from error
        line, rows = np.arange(1, len(table) + 1), len(table)
    else:
        table, line, rows = _csv(path, header, wanted, delimiter, faults)
    unused = tuple(name for name in header if name not in wanted)
    return Records(path, table, line, rows, np.ones(len(table), dtype=bool), faults, unused)


def write_rows(path: Path, table: pa.Table) -> None:
    """Write a table as its ending says.

    Raises:
        RecordsError: the ending is neither .csv nor .parquet.
    """
    if path.name.endswith(".parquet"):
        write_parquet(path, table)
    elif path.name.endswith(".csv"):
        write_file(path, lambda temporary: arrow_csv.write_csv(table, str(temporary)))
    else:
        raise RecordsError(f"{path}: classes are written as .csv or .parquet")


def write_refusals(out: Path, refusals: Sequence[Refusal]) -> Path | None:
    """Write refused rows beside `out`: line, column, value, reason, advice; the file of an earlier run is removed."""
    path = out.with_name(f"{out.name.removesuffix('.csv').removesuffix('.parquet')}.refused.csv")
    if not refusals:
        path.unlink(missing_ok=True)
        return None

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(("line", "column", "value", "reason", "advice"))
            writer.writerows((r.line, r.column, r.value, r.reason, REASONS[r.reason]) for r in refusals)

    write_file(path, write)
    return path


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _csv(
    path: Path, header: Sequence[str], wanted: Sequence[str], delimiter: str, faults: list[Refusal]
) -> tuple[pa.Table, Ints, int]:
    """Wanted columns as bytes, the line of every row, and the number of rows; rows of another width are refused."""
    # Names of ours: a header may hold a name twice, as long as it is not a wanted one.
    names = [f"f{at}" for at in range(len(header))]
    chosen = [names[header.index(name)] for name in wanted]
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
                include_columns=chosen, column_types=dict.fromkeys(chosen, pa.binary())
            ),
        )
    except pa.ArrowInvalid as error:
        raise RecordsError(f"{path}: no CSV with delimiter {delimiter!r}: {error}") from error
    table = table.rename_columns(list(wanted)).slice(1)
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


def _check_columns(path: Path, header: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if header.count(name) != 1:
            found = "stands more than once" if name in header else "is not there"
            hint = "; is --delimiter right?" if len(header) == 1 else ""
            raise RecordsError(f"{path}: column {name!r} {found}; the file has {', '.join(header)}{hint}")


def _lines(path: Path, delimiter: str, records: int) -> Ints | None:
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


def _decoded(distinct: pa.Array) -> tuple[pa.StringArray, Booleans]:
    """Distinct bytes as text, and which of them are no UTF-8."""
    try:
        text = distinct.cast(pa.string())
        text.validate(full=True)
        return text, np.zeros(len(text), dtype=bool)
    except pa.ArrowInvalid:
        if not pa.types.is_binary(distinct.type):
            raise
    shown = [value.decode("utf-8", errors="replace") for value in distinct.to_pylist()]
    broken = np.array(["\ufffd" in value for value in shown], dtype=bool)
    return pa.array(shown, pa.string()), broken
