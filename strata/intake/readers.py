"""Strict readers: a verified file to a DuckDB table of text columns, by column name.

Belongs here: gzip, encodings, CSV headers, Parquet footers. Does not: verifying hashes (`strata.intake.land`),
types (`strata.intake.casts`).
"""

import csv
import gzip
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from strata.intake.casts import quoted
from strata.intake.contract import Column, Contract
from strata.intake.lines import MAX_LINE_BYTES, LineReader
from strata.intake.manifest import Manifest, ManifestFile
from strata.intake.reasons import RefusedExtractError
from strata.intake.tabular import TABULAR, read_columns, selected
from strata.intake.translate import header_of, table_of

# Text of tables shrinks 5 to 50 times; 50 MB of zeros shrink a thousand times.
MAX_GZIP_RATIO = 200
# Below this a ratio says nothing.
_RATIO_FROM_BYTES = 1 << 20
# What one file may grow to: four times the 50 million rows x 160 bytes of the largest contract.
MAX_PLAIN_BYTES = 32 << 30
MAX_COLUMNS = 1000
_BLOCK = 1 << 20
_PARQUET_ROWS = 1 << 17
# Extracts of changes are small and many: below this a scratch database is not worth a file.
_IN_MEMORY_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """One file as a DuckDB table: `sql` selects the contract's columns and `LANDED_COLUMNS` of it.

    `by_file` is a condition over `sql`: rows whose order within their position is only that of the file.
    """

    sql: str
    rows: int
    warnings: tuple[str, ...]
    by_file: str = "true"


def open_engine(work: Path, size: int) -> duckdb.DuckDBPyConnection:
    """A scratch database for one batch of `size` bytes below `work`: UTC, no extensions, spilling beside itself."""
    connection = duckdb.connect(
        work / "work.duckdb" if size > _IN_MEMORY_BYTES else ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "temp_directory": str(work / "spill"),
            "preserve_insertion_order": "true",
        },
    )
    # Two are open at a time, half of what a small machine has together; a larger extract spills.
    connection.execute("SET memory_limit = '1GB'")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def read_file(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    work: Path,
    index: int,
    file: ManifestFile,
    contract: Contract,
    manifest: Manifest,
) -> Part:
    """Load one verified file into the table `part_<index>`.

    Args:
        connection: engine of the batch.
        path: the copied file, whose bytes are those of the manifest.
        work: folder for scratch files.
        index: its place among the manifest's files.
        file: its manifest entry.
        contract: columns to look for, by native name.
        manifest: format, encoding, delimiter, kind.

    Raises:
        RefusedExtractError: the file is not what its format, header or row count should be.
    """
    part = load_file(connection, path, work, index, file, contract, manifest)
    if part.rows != file.rows:
        advice = f"{part.rows} rows found, {file.rows} stated in the manifest; extract again"
        raise RefusedExtractError("rows_differ", advice, file=file.name)
    return part


def load_file(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    work: Path,
    index: int,
    file: ManifestFile,
    contract: Contract,
    manifest: Manifest,
) -> Part:
    """`read_file` for a text file of which nobody said how many rows it has; arguments and errors are the same."""
    # JSON lines have no header: no rows are no bytes.
    if path.stat().st_size == 0 and (manifest.format != "jsonl" or file.rows):
        raise RefusedExtractError("zero_bytes", "the file is empty; extract it again", file=file.name)
    if manifest.format == "parquet":
        return _read_parquet(connection, path, index, file, contract, manifest)
    plain = _plain_text(path, work, file, contract)
    read = _read_csv if manifest.format == "csv" else _read_lines
    return read(connection, plain, index, file, contract, manifest)


def _plain_text(path: Path, work: Path, file: ManifestFile, contract: Contract) -> Path:
    """The file unpacked and in UTF-8; itself where it is so already."""
    plain = path
    if file.name.endswith(".gz"):
        plain = work / f"{path.name}.plain"
        _unpack(path, plain, file)
    if contract.encoding != "utf-8":
        source, plain = plain, work / f"{path.name}.utf8"
        try:
            with (
                source.open(encoding=contract.encoding, newline="") as reader,
                plain.open("w", encoding="utf-8", newline="") as writer,
            ):
                while block := reader.read(_BLOCK):
                    writer.write(block)
        except UnicodeError as error:
            advice = f"not {contract.encoding}: {error}"
            raise RefusedExtractError("encoding_refused", advice, file=file.name) from error
    return plain


def _unpack(path: Path, plain: Path, file: ManifestFile) -> None:
    """Decompress to the end, so that the checksum of the whole file is verified, within limits of size and ratio."""
    limit = min(MAX_PLAIN_BYTES, max(_RATIO_FROM_BYTES, path.stat().st_size * MAX_GZIP_RATIO))
    size = 0
    try:
        with gzip.open(path) as reader, plain.open("wb") as writer:
            while block := reader.read(_BLOCK):
                size += len(block)
                if size > limit:
                    advice = f"unpacks to more than {limit} bytes; split the file"
                    raise RefusedExtractError("gzip_bomb", advice, file=file.name)
                writer.write(block)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RefusedExtractError("gzip_damaged", f"{error}; transfer the file again", file=file.name) from error


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a name of ours
    return int(found[0]) if found else 0


def _read_csv(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    index: int,
    file: ManifestFile,
    contract: Contract,
    manifest: Manifest,
) -> Part:
    declared = header_of(contract, table_of(contract, file)) if contract.source else None
    has_quotes = contract.source is None or contract.source.layout.quote == "double"
    header = declared or _csv_header(path, file, manifest, has_quotes=has_quotes)
    _check_line_ends(path, file)
    wanted = read_columns(contract, manifest)
    warnings = _compare_header(header, wanted, file)
    by_native = {column.source_name: column.name for column in contract.columns}
    # Columns by position, after the header has said which position is which: DuckDB never looks at the names.
    names = [by_native.get(native, f"added_{place}__") for place, native in enumerate(header)]
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in names)
    quote = "'\"'" if has_quotes else "''"
    chosen = ", ".join(f"{names[header.index(column.source_name)]} AS {column.name}" for column in wanted)
    try:
        connection.execute(
            f"CREATE TABLE part_{index} AS SELECT {chosen} FROM read_csv(?, auto_detect = false, "  # noqa: S608
            f"header = {declared is None}, delim = {quoted(manifest.delimiter)}, "
            f"quote = {quote}, escape = {quote}, strict_mode = true, "
            "null_padding = false, ignore_errors = false, encoding = 'utf-8', compression = 'none', "
            f"max_line_size = {MAX_LINE_BYTES}, columns = {{{columns}}})",
            [str(path)],
        )
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        told = " ".join(str(error).split(" Possible ")[0].split())[:300]
        advice = f"not RFC 4180 in {contract.encoding} with delimiter {manifest.delimiter!r}: {told}"
        # The first line is the header, so line 2 is the first record.
        line = re.search(r"\bLine: ([0-9]+)", told)
        row = int(line[1]) - 1 if line and int(line[1]) > 1 else None
        raise RefusedExtractError("csv_malformed", advice, file=file.name, row=row) from error
    sql = selected(connection, contract, manifest, file, index)
    return Part(sql, _count(connection, f"part_{index}"), warnings)


def _csv_header(path: Path, file: ManifestFile, manifest: Manifest, *, has_quotes: bool) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as handle:
        try:
            # A header is a line; reading it bounded keeps a file without line ends from filling the memory.
            line = handle.read(_BLOCK).splitlines()[0]
            if "\ufffd" in line or "\x00" in line:
                raise csv.Error("it is not UTF-8")
            if not has_quotes:
                return line.split(manifest.delimiter)
            return next(csv.reader([line], delimiter=manifest.delimiter, strict=True))
        except (csv.Error, IndexError, StopIteration) as error:
            raise RefusedExtractError("csv_malformed", f"the header cannot be read: {error}", file=file.name) from error


def _check_line_ends(path: Path, file: ManifestFile) -> None:
    """Refuse a file that mixes line ends: DuckDB refuses some of these and reads others.

    Where quotes are in use a line end may be text, and DuckDB's strict reader has the last word.
    """
    pairs = feeds = returns = quotes = 0
    with path.open("rb") as handle:
        last = b""
        while block := handle.read(_BLOCK):
            pairs += block.count(b"\r\n") + (last == b"\r" and block[:1] == b"\n")
            feeds, returns, quotes = (
                feeds + block.count(b"\n"),
                returns + block.count(b"\r"),
                quotes + block.count(b'"'),
            )
            last = block[-1:]
    kinds = (pairs > 0) + (feeds > pairs) + (returns > pairs)
    if kinds > 1 and not quotes:
        advice = f"line ends are mixed: {pairs} CRLF, {feeds - pairs} LF, {returns - pairs} CR; write one kind"
        raise RefusedExtractError("csv_malformed", advice, file=file.name)


def _compare_header(header: list[str], wanted: list[Column], file: ManifestFile) -> tuple[str, ...]:
    """Every wanted column once, in any order; columns that came in addition are left out with a warning."""
    if len(header) > MAX_COLUMNS:
        advice = f"{len(header)} columns, at most {MAX_COLUMNS} are read; is the delimiter right?"
        raise RefusedExtractError("csv_malformed", advice, file=file.name)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise RefusedExtractError("column_duplicate", f"columns {twice} stand twice", file=file.name, column=twice[0])
    natives = [column.source_name for column in wanted]
    missing = [name for name in natives if name not in header]
    added = [name for name in header if name not in natives]
    if missing:
        advice = f"columns {missing} are missing, {added} are not in the contract; renamed? Raise the schema version"
        raise RefusedExtractError("column_missing", advice, file=file.name, column=missing[0])
    return tuple(f"column_added: {name}" for name in added)


def _read_lines(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    index: int,
    file: ManifestFile,
    contract: Contract,
    manifest: Manifest,
) -> Part:
    marks = read_columns(contract, manifest)[len(contract.columns) :]
    reader = LineReader(path, file.name, contract, manifest, marks)
    _load(connection, index, reader.batches())
    by_file = "true"
    if manifest.kind == "cdc" and manifest.envelope not in TABULAR:
        # Order inside a position: the source's own, else that of the file, counted anew for every position, so that
        # the same changes sent again get the same numbers.
        sql = (
            f"SELECT {', '.join(contract.names)}, {quoted(file.name)} AS _file, {index} AS _file_index, _row, _op, "  # noqa: S608
            "_change_position AS _position, coalesce(_change_sequence, "
            "row_number() OVER (PARTITION BY _change_position ORDER BY rowid)) AS _sequence, "
            f"_source_ms, _is_snapshot, _unchanged FROM part_{index}"
        )
        by_file = f"_row IN (SELECT _row FROM part_{index} WHERE _change_sequence IS NULL)"  # noqa: S608
    else:
        sql = selected(connection, contract, manifest, file, index)
    return Part(sql, reader.rows, tuple(sorted(reader.warnings)), by_file)


def _load(connection: duckdb.DuckDBPyConnection, index: int, batches: Iterable[pa.RecordBatch]) -> None:
    """Arrow batches into `part_<index>`, in order; the first one makes the table."""
    verb = f"CREATE TABLE part_{index} AS"
    for batch in batches:
        connection.register("incoming", pa.Table.from_batches([batch]))
        connection.execute(f"{verb} SELECT * FROM incoming")
        connection.unregister("incoming")
        verb = f"INSERT INTO part_{index}"


def _read_parquet(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    index: int,
    file: ManifestFile,
    contract: Contract,
    manifest: Manifest,
) -> Part:
    wanted = read_columns(contract, manifest)
    texts = ", ".join(f"{column.name} VARCHAR" for column in wanted)
    connection.execute(f"CREATE TABLE part_{index} ({texts})")
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            footer, schema = parquet.metadata, parquet.schema_arrow
            rows = sum(footer.row_group(group).num_rows for group in range(footer.num_row_groups))
            if {rows, footer.num_rows} != {file.rows}:
                # Looked at before any page is: a megabyte of Parquet can hold 200 million rows.
                advice = f"{max(rows, footer.num_rows)} rows in the footer, {file.rows} stated; extract again"
                raise RefusedExtractError("rows_differ", advice, file=file.name)
            warnings = _compare_header(list(schema.names), wanted, file)
            stored = [_stored(column, schema.field(column.source_name).type, file) for column in wanted]
            target = pa.schema([pa.field(c.name, t) for c, (t, _) in zip(wanted, stored, strict=True)])
            texts = ", ".join(text for _, text in stored)
            natives = [column.source_name for column in wanted]
            for batch in parquet.iter_batches(batch_size=_PARQUET_ROWS, columns=natives):
                table = pa.Table.from_batches([batch]).select(natives).rename_columns(target.names)
                table = table.cast(target)
                table.validate(full=True)
                _refuse_long_values(table, contract, file)
                connection.register("incoming", table)
                connection.execute(f"INSERT INTO part_{index} SELECT {texts} FROM incoming")  # noqa: S608
                connection.unregister("incoming")
    except (pa.ArrowException, OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise RefusedExtractError("parquet_malformed", f"{error}; transfer the file again", file=file.name) from error
    return Part(selected(connection, contract, manifest, file, index), rows, warnings)


def _refuse_long_values(table: pa.Table, contract: Contract, file: ManifestFile) -> None:
    """Text files refuse a longer line; a Parquet value has no line."""
    for column in contract.columns:
        values = table.column(column.name)
        if pa.types.is_string(values.type) and (pc.max(pc.binary_length(values)).as_py() or 0) > MAX_LINE_BYTES:
            advice = f"a value has more than {MAX_LINE_BYTES} bytes; that is no value of a table"
            raise RefusedExtractError("value_too_long", advice, file=file.name, column=column.source_name)


def _stored(column: Column, kind: pa.DataType, file: ManifestFile) -> tuple[pa.DataType, str]:
    """Arrow type to read a Parquet column as, and the SQL that writes it as the text a CSV would hold."""
    name = column.name
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return pa.string(), name
    if pa.types.is_integer(kind):
        return kind, f"CAST({name} AS VARCHAR)"
    numeric = column.type in ("integer", "decimal")
    if pa.types.is_floating(kind) and numeric:
        # 15 digits are what a double holds: 0.1 + 0.2 is written 0.3, NaN and 1e+16 stay what no pattern accepts.
        return pa.float64(), f"format('{{:.15g}}', {name})"
    if pa.types.is_decimal128(kind) and numeric:
        return kind, f"CAST({name} AS VARCHAR)"
    if pa.types.is_boolean(kind) and column.type == "boolean":
        return kind, f"CAST({name} AS VARCHAR)"
    if column.format is None and column.type == "date" and pa.types.is_date(kind):
        return pa.date32(), f"strftime({name}, '%Y-%m-%d')"
    if column.format is None and column.type == "date" and pa.types.is_timestamp(kind) and kind.tz is None:
        whole = f"CAST({name} AS DATE)"
        return pa.timestamp("us"), f"CASE WHEN {whole} = {name} THEN strftime({whole}, '%Y-%m-%d') ELSE '?' END"
    if column.format is None and column.type == "timestamp" and pa.types.is_timestamp(kind):
        if kind.tz is None:
            return pa.timestamp("us"), f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%f')"
        return pa.timestamp("us", tz="UTC"), f"strftime(timezone('UTC', {name}), '%Y-%m-%dT%H:%M:%S.%fZ')"
    advice = f"stored as {kind}; write text, or a Parquet type that holds {column.type} exactly"
    raise RefusedExtractError("wrong_type", advice, file=file.name, column=column.source_name)
