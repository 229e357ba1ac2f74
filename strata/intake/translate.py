"""Native tables to the canonical columns of a feed, as one SQL view written from the mapping.

Belongs here: which columns to read of which native file, look-ups, value maps, constants, rows that are not of the
feed. Does not: the mapping's shape (`strata.intake.mapping`), types and faults (`strata.intake.casts`).

`landed` gets two texts per contract column: `x`, as it stands in the source, and `n_x`, its translation; and
`_unmapped`, with bit i set where the code of column i has no translation. A row keeps file and number of the row of
the driving table that it comes from, also where a looked-up value is at fault.
"""

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from strata.intake.casts import LANDED_COLUMNS, quoted
from strata.intake.contract import Column, ColumnType, Contract
from strata.intake.expressions import define_macros
from strata.intake.manifest import Manifest, ManifestFile
from strata.intake.mapping import (
    Branch,
    Join,
    MappedFeed,
    NativeTable,
    Total,
    identifier,
    join_fields,
    split,
)
from strata.intake.reasons import RefusedExtractError

# A mapping's SQL met data that it cannot digest; everything else DuckDB raises is not the extract's fault.
_DATA_ERRORS = (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException)


@dataclass(frozen=True, slots=True)
class Translation:
    """What translating an extract found.

    `excluded` counts rows that are not of the feed by reason, `totalled` rows that were added into another one.
    """

    excluded: dict[str, int]
    totalled: int
    warnings: tuple[str, ...]


def table_of(contract: Contract, file: ManifestFile) -> str:
    """The native table that a file holds; RefusedExtractError where neither manifest nor mapping says it."""
    source = _source(contract)
    known = sorted({table for branch in source.branches for table in branch.stored.values()})
    if file.table is None and len(known) == 1:
        return known[0]
    if file.table not in known:
        advice = f"table {file.table!r} beside the file is none of {known}; name one in the manifest"
        raise RefusedExtractError("table_unknown", advice, file=file.name)
    return str(file.table)


def native_contract(contract: Contract, table: str) -> Contract:
    """What a reader has to know of a native table: its columns as `c0`, `c1` …, by native name, and its key.

    The columns have the type of the contract column that they fill alone, else the one that the mapping states,
    else text; the readers take the type only to judge what a Parquet column is stored as.
    """
    source = _source(contract)
    fields = _fields(source, table)
    names = {field: f"c{index}" for index, field in enumerate(fields)}
    key = []
    kinds: dict[str, ColumnType] = {}
    for branch in source.branches:
        for column in contract.columns:
            spelling = branch.columns.get(column.name)
            if spelling is None or spelling.sql is not None or not spelling.fields:
                continue
            owner, field = split(spelling.fields[0], branch.tables, branch.table)
            if branch.stored[owner] == table:
                kinds.setdefault(field, column.type)
                if column.name in contract.key:
                    key.append(names[field])
    kinds |= source.tables.get(table, NativeTable()).types
    columns = tuple(
        Column.model_construct(
            name=names[field], native=field, type=kinds.get(field, "text"), nullable=True, meaning=f"{table}.{field}"
        )
        for field in fields
    )
    content = {name: getattr(contract, name) for name in Contract.model_fields}
    return Contract.model_construct(**(content | {"columns": columns, "key": tuple(dict.fromkeys(key))}))


def header_of(contract: Contract, table: str | None) -> list[str] | None:
    """Columns of a CSV file without a header, in file order; None where the file has one."""
    if contract.source is None or contract.source.layout.header == "present" or table is None:
        return None
    columns = contract.source.tables.get(table, NativeTable()).columns
    if columns is None:
        advice = f"mapping {contract.mapping} says files have no header; list the columns of table {table} there"
        raise RefusedExtractError("csv_malformed", advice)
    return list(columns)


def check_kind(contract: Contract, manifest: Manifest) -> None:
    """Refuse changes of a feed that is made of several tables: they have no common order."""
    if manifest.kind == "cdc" and any(branch.joins or branch.total for branch in _source(contract).branches):
        advice = f"mapping {contract.mapping} makes a row of several rows, whose changes have no common order"
        raise RefusedExtractError("mapping_needs_full", f"{advice}; send them as full extracts")


def translate(
    engine: duckdb.DuckDBPyConnection, contract: Contract, manifest: Manifest, parts: Sequence[tuple[str, str]]
) -> Translation:
    """Create the table `landed` of the parts that were read; the views that it is made of stay.

    Args:
        engine: engine of the batch.
        contract: the effective contract, with its `source`.
        manifest: kind of the extract.
        parts: table and SELECT of every file, as its reader gives them.

    Raises:
        RefusedExtractError: a table that a feed needs was not delivered, a look-up finds several rows for one, or
            SQL of the mapping fails on the data.
    """
    source = _source(contract)
    define_macros(engine)
    delivered = {table for table, _ in parts}
    views: dict[str, str] = {}
    for table in sorted(delivered):
        views[table] = f"native_{len(views)}"
        selects = [sql for name, sql in parts if name == table]
        engine.execute(f"CREATE VIEW {views[table]} AS {_native_view(source, table, selects)}")
    branches = [branch for branch in source.branches if branch.table in delivered]
    if not branches:
        wanted = [branch.table for branch in source.branches]
        raise RefusedExtractError("table_missing", f"no file is of table {' or '.join(wanted)}; deliver it")
    excluded: dict[str, int] = {}
    for branch in branches:
        missing = sorted(set(branch.stored.values()) - delivered)
        if missing:
            advice = f"{branch.table} needs {missing} beside it; deliver them in the same extract"
            raise RefusedExtractError("table_missing", advice)
        for join in branch.joins:
            _check_single(engine, branch, join, views)
    is_cdc = manifest.kind == "cdc"
    selects = [_branch_view(contract, branch, views, manifest) for branch in branches]
    engine.execute(f"CREATE VIEW translated AS {' UNION ALL '.join(selects)}")
    try:
        # A table, because look-ups and totals are dear and what follows reads it three times.
        engine.execute("CREATE TABLE landed AS SELECT * EXCLUDE (_rows) FROM translated")
    except _DATA_ERRORS as error:
        raise _blamed(engine, contract, error) from error
    added = engine.execute("SELECT coalesce(sum(_rows - 1), 0) FROM translated").fetchone()
    for branch in branches:
        if branch.where is not None and not is_cdc:
            gone = _count(engine, branch, views)
            if gone:
                excluded[f"{branch.table}: not {branch.where}"] = gone
    used = {table for branch in branches for table in branch.stored.values()}
    idle = tuple(f"table_unused: {table}" for table in sorted(delivered - used))
    return Translation(excluded, int(added[0]) if added else 0, idle)


def _blamed(engine: duckdb.DuckDBPyConnection, contract: Contract, error: duckdb.Error) -> Exception:
    """The refusal that names the column whose SQL met data that it cannot digest; else the error itself."""
    for name in contract.names:
        try:
            engine.execute(f"SELECT count({name}) FROM translated")  # noqa: S608 - a name of the contract's pattern
        except _DATA_ERRORS as fault:
            told = " ".join(str(fault).split())[:300]
            advice = f"sql of mapping {contract.mapping} fails on this data: {told}; use try_cast in it"
            return RefusedExtractError("mapping_failed", advice, column=name)
    return error


def _source(contract: Contract) -> MappedFeed:
    if contract.source is None:
        raise ValueError(f"{contract.system}/{contract.feed} has no mapping")
    return contract.source


def _fields(source: MappedFeed, table: str) -> list[str]:
    used = (branch.used[name] for branch in source.branches for name, its in branch.stored.items() if its == table)
    return list(dict.fromkeys(field for fields in used for field in fields))


def _native_view(source: MappedFeed, table: str, selects: Sequence[str]) -> str:
    """All files of a table, columns under their native names."""
    fields = _fields(source, table)
    text = "nullif(trim(c{}), '')" if source.layout.trim else "c{}"
    named = ", ".join(f"{text.format(index)} AS {identifier(field)}" for index, field in enumerate(fields))
    united = " UNION ALL ".join(f"SELECT * FROM ({sql})" for sql in selects)  # noqa: S608 - written by the readers
    return f"SELECT {named}{', ' if named else ''}{', '.join(LANDED_COLUMNS)} FROM ({united})"  # noqa: S608


def _branch_view(contract: Contract, branch: Branch, views: Dict[str, str], manifest: Manifest) -> str:
    table, is_cdc = identifier(branch.table), manifest.kind == "cdc"
    texts = ", ".join(f"{_native(branch, column.name, manifest)} AS {column.name}" for column in contract.columns)
    # Changes: a row that is no longer of the feed ends there, so it is a delete; a delete may carry its key only.
    kept = f"({branch.where}) IS TRUE" if branch.where else "true"
    operation = f"CASE WHEN {kept} THEN {table}._op ELSE 'd' END AS _op" if is_cdc else f"{table}._op"
    control = ", ".join(operation if name == "_op" else f"{table}.{name}" for name in LANDED_COLUMNS)
    inner = f"SELECT {texts}, {control} FROM {_joined(branch, views)}"  # noqa: S608 - names are quoted or checked
    if branch.where and not is_cdc:
        inner += f" WHERE {kept}"
    translated = ", ".join(f"{_translated(branch, column.name)} AS n_{column.name}" for column in contract.columns)
    bits = [_unmapped(branch, column.name, 1 << index) for index, column in enumerate(contract.columns)]
    unmapped = " + ".join(bit for bit in bits if bit) or "0"
    names = ", ".join([*contract.names, *LANDED_COLUMNS])
    mask = f"CAST({unmapped} AS BIGINT) AS _unmapped, 1 AS _rows"
    rows = f"SELECT {names}, {translated}, {mask} FROM ({inner})"  # noqa: S608 - written above
    return rows if branch.total is None else _totalled(contract, branch.total, rows)


def _totalled(contract: Contract, total: Total, rows: str) -> str:
    """Rows of one key as one; rows without a whole key stay apart, to be refused one by one."""
    order = "ORDER BY fine._file_index, fine._row"

    def made(name: str, column: str) -> str:
        first, function = f"first(fine.{name} {order})", total.columns.get(column, "first")
        if function == "first":
            return f"{first} AS {name}"
        number = f"TRY_CAST(plain(fine.{name}) AS DECIMAL(38, 4))"
        # A row that is no number spoils the total, and its text is what the cast refuses.
        spoiled = f"{first} FILTER (fine.{name} IS NOT NULL AND {number} IS NULL)"
        result = f"regexp_replace(CAST({function}({number}) AS VARCHAR), '\\.0+$', '')"
        return f"coalesce({spoiled}, {result}) AS {name}"

    names = [made(name, name) for name in contract.names] + [made(f"n_{name}", name) for name in contract.names]
    names += [f"first(fine.{name} {order}) AS {name}" for name in LANDED_COLUMNS]
    names += ["bit_or(fine._unmapped) AS _unmapped", "count(*) AS _rows"]
    keys = ", ".join(f"fine.n_{name}" for name in contract.key)
    apart = " OR ".join(f"fine.n_{name} IS NULL" for name in contract.key)
    one = f"CASE WHEN {apart} THEN (fine._file_index, fine._row) END"
    translated = (f"n_{name}" for name in contract.names)
    outer = ", ".join([*contract.names, *LANDED_COLUMNS, *translated, "_unmapped", "_rows"])
    return f"SELECT {outer} FROM (SELECT {', '.join(names)} FROM ({rows}) AS fine GROUP BY {keys}, {one})"  # noqa: S608


def _joined(branch: Branch, views: Dict[str, str]) -> str:
    joins = [
        f"LEFT JOIN ({_looked_up(branch, join, views)}) AS {identifier(join.name)} ON {_condition(branch, join)}"
        for join in branch.joins
    ]
    return " ".join([f"{views[branch.table]} AS {identifier(branch.table)}", *joins])


def _native(branch: Branch, column: str, manifest: Manifest) -> str:
    spelling = branch.columns.get(column)
    if spelling is None:
        return "CAST(NULL AS VARCHAR)"
    if spelling.manifest is not None:
        if manifest.business_date is None:
            advice = f"{column} is the manifest's business_date; state it there"
            raise RefusedExtractError("manifest_malformed", advice, column=column)
        return quoted(manifest.business_date.isoformat())
    if spelling.constant is not None:
        return quoted(spelling.constant)
    if spelling.sql is not None:
        return f"CAST(({spelling.sql}) AS VARCHAR)"
    return _reference(branch, spelling.fields[0])


def _reference(branch: Branch, field: str) -> str:
    table, name = split(field, branch.tables, branch.table)
    return f"{identifier(table)}.{identifier(name)}"


def _translated(branch: Branch, column: str) -> str:
    spelling = branch.columns.get(column)
    cases = []
    if spelling is not None and spelling.nulls:
        cases.append(f"WHEN trim({column}) IN ({', '.join(map(quoted, spelling.nulls))}) THEN NULL")
    if spelling is not None and spelling.values:
        code = f"coalesce(trim({column}), '')"
        cases += [f"WHEN {code} = {quoted(native)} THEN {quoted(word)}" for native, word in spelling.values.items()]
    return f"CASE {' '.join(cases)} ELSE {column} END" if cases else column


def _unmapped(branch: Branch, column: str, bit: int) -> str | None:
    spelling = branch.columns.get(column)
    if spelling is None or spelling.values is None or spelling.unlisted == "keep":
        return None
    known = ", ".join(map(quoted, ("", *spelling.nulls, *spelling.values)))
    return f"CASE WHEN coalesce(trim({column}), '') NOT IN ({known}) THEN {bit} ELSE 0 END"


def _looked_up(branch: Branch, join: Join, views: Dict[str, str]) -> str:
    fields = ", ".join(identifier(field) for field in branch.used[join.name])
    where = f" WHERE ({join.where}) IS TRUE" if join.where else ""
    table = f"{views[join.table]} AS {identifier(join.name)}"
    if join.pick is None:
        return f"SELECT DISTINCT {fields} FROM {table}{where}"  # noqa: S608 - fields are quoted identifiers
    key = ", ".join(identifier(field) for field in join_fields(join, branch.table))
    place = f"row_number() OVER (PARTITION BY {key} ORDER BY {join.pick}, _file_index, _row) AS _place"
    return f"SELECT {fields} FROM (SELECT *, {place} FROM {table}{where}) WHERE _place = 1"  # noqa: S608


def _condition(branch: Branch, join: Join) -> str:
    pairs = join_fields(join, branch.table).items()
    return " AND ".join(
        f"{identifier(join.name)}.{identifier(mine)} = {_reference(branch, other)}" for mine, other in pairs
    )


def _check_single(engine: duckdb.DuckDBPyConnection, branch: Branch, join: Join, views: Dict[str, str]) -> None:
    """A look-up finds one row or none: with several, rows of the feed would multiply."""
    fields = list(join_fields(join, branch.table))
    key = ", ".join(map(identifier, fields))
    there = " AND ".join(f"{identifier(field)} IS NOT NULL" for field in fields)
    several = engine.execute(
        f"SELECT {key} FROM ({_looked_up(branch, join, views)}) WHERE {there} "  # noqa: S608
        "GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
    ).fetchone()
    if several:
        found = ", ".join(f"{field} {value}" for field, value in zip(fields, several, strict=True))
        advice = f"table {join.table} has several rows for {found}; narrow its where or say in pick which one counts"
        raise RefusedExtractError("lookup_ambiguous", advice, column=fields[0], value=several[0])


def _count(engine: duckdb.DuckDBPyConnection, branch: Branch, views: Dict[str, str]) -> int:
    found = engine.execute(
        f"SELECT count(*) FROM {_joined(branch, views)} WHERE ({branch.where}) IS NOT TRUE"  # noqa: S608
    ).fetchone()
    return int(found[0]) if found else 0
