"""SQL of mappings: what it may call, and that it holds before there is data.

Belongs here: the macros of a mapping, binding its expressions to the fields that they declare. Does not: the shape of
a mapping (`strata.intake.mapping`), running it over rows (`strata.intake.translate`).
"""

import duckdb

from strata.intake.mapping import Branch, Mapping, identifier, join_fields, split


def check_sql(mapping: Mapping, path: str) -> None:
    """Refuse SQL that does not bind, or fields that it does not need; ValueError naming file, feed and column.

    Nothing is read: the connection has no access to files, and the tables are empty.
    """
    with duckdb.connect(config={"enable_external_access": "false"}) as engine:
        define_macros(engine)
        for feed, part in mapping.feeds.items():
            for branch in part.sources:
                _check_branch(engine, branch, f"{path}: {feed}")


def define_macros(engine: duckdb.DuckDBPyConnection) -> None:
    """What a mapping's SQL may call besides DuckDB's own functions.

    `quotient(a, b)`: a / b to four decimals; the text of `a` where either is no plain number or b is zero, so that
    the cast refuses it by name. `is_negative(a)`: with a minus before or behind.
    """
    engine.execute(
        "CREATE OR REPLACE TEMP MACRO plain(a) AS "
        "CASE WHEN trim(a) LIKE '%-' THEN '-' || rtrim(trim(a), '-') ELSE trim(a) END"
    )
    engine.execute("CREATE OR REPLACE TEMP MACRO is_negative(a) AS trim(a) LIKE '-%' OR trim(a) LIKE '%-'")
    engine.execute(
        "CREATE OR REPLACE TEMP MACRO quotient(a, b) AS coalesce(CAST(round(CAST(TRY_CAST(plain(a) AS DECIMAL(18, 4)) "
        "AS DECIMAL(28, 8)) / nullif(TRY_CAST(plain(b) AS DECIMAL(18, 4)), 0), 4) AS DECIMAL(18, 4))::VARCHAR, a)"
    )


def _check_branch(engine: duckdb.DuckDBPyConnection, branch: Branch, where: str) -> None:
    """Every expression binds to the declared fields, alone and among all others, and needs each of them."""
    every = tuple(f"{table}.{name}" for table, names in branch.used.items() for name in names)
    for name, spelling in branch.columns.items():
        if spelling.sql is None:
            continue
        place = f"{where}: column {name}"
        fault = _bind(engine, branch, spelling.sql, spelling.fields) or _bind(engine, branch, spelling.sql, every)
        if fault:
            raise ValueError(f"{place}: sql does not hold over native {list(spelling.fields)}: {fault}")
        for field in spelling.fields:
            rest = tuple(other for other in spelling.fields if other != field)
            if _bind(engine, branch, spelling.sql, rest) is None:
                raise ValueError(f"{place}: sql does not read {field}; take it out of native")
    if branch.where is not None:
        fault = _bind(engine, branch, branch.where, branch.fields) or _bind(engine, branch, branch.where, every)
        if fault:
            raise ValueError(f"{where}: where does not hold over fields {list(branch.fields)}: {fault}")
    for join in branch.joins:
        for what, text in (("where", join.where), ("pick", join.pick)):
            if text is None:
                continue
            listed = ", ".join(f"NULL::VARCHAR AS {identifier(f)}" for f in (*join.fields, *join_fields(join, "")))
            clause = f"WHERE {text}" if what == "where" else f"ORDER BY {text}"
            fault = _tried(engine, f"SELECT 1 FROM (SELECT {listed}) AS {identifier(join.name)} {clause}")  # noqa: S608
            if fault:
                raise ValueError(
                    f"{where}: join {join.table}: {what} does not hold over on and fields {list(join.fields)}: {fault}"
                )


def _bind(engine: duckdb.DuckDBPyConnection, branch: Branch, text: str, fields: tuple[str, ...]) -> str | None:
    """What DuckDB says against an expression over these fields; None where it binds."""
    found: dict[str, list[str]] = {table: [] for table in branch.tables}
    for field in fields:
        table, name = split(field, branch.tables, branch.table)
        found[table].append(f"NULL::VARCHAR AS {identifier(name)}")
    views = ", ".join(
        f"(SELECT {', '.join(names or ['NULL AS __none'])}) AS {identifier(table)}"  # noqa: S608 - names are quoted
        for table, names in found.items()
    )
    return _tried(engine, f"SELECT CAST(({text}) AS VARCHAR) FROM {views}")  # noqa: S608 - a reviewed mapping's SQL


def _tried(engine: duckdb.DuckDBPyConnection, sql: str) -> str | None:
    try:
        statements = engine.extract_statements(sql)
        if len(statements) != 1:
            return "it is more than one statement"
        engine.execute(f"EXPLAIN {sql}")
    except duckdb.Error as error:
        return " ".join(str(error).split())[:300]
    return None
