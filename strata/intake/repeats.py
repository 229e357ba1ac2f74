"""Rules across the rows of a full extract: equal rows once, keys that contradict each other never.

Belongs here: duplicates and colliding keys. Does not: faults of one row (`strata.intake.casts`); changes (cdc), whose
keys repeat by nature.
"""

import duckdb

from strata.intake.casts import quoted
from strata.intake.contract import Contract


def refuse_repeats(connection: duckdb.DuckDBPyConnection, contract: Contract) -> int:
    """Drop rows of `typed` that equal an earlier one; mark rows whose keys collide or contradict; count the dropped.

    Rows whose key differs in the source but not after normalising are `key_collision`; rows of one key with
    different values are `duplicate_key`, an unreadable row counted as a claim on its key. A row that is refused
    already keeps its own reason.
    """
    key = ", ".join(contract.key)
    mask = sum(1 << i for i, c in enumerate(contract.columns) if c.name in contract.key)
    if _number(connection, f"SELECT count(*) FROM typed WHERE (_normalised & {mask}) <> 0"):
        raw = ", ".join(f"landed.{name}" for name in contract.key)
        typed = ", ".join(f"typed.{name}" for name in contract.key)
        connection.execute(
            f"CREATE TEMP TABLE collided AS SELECT {typed} FROM typed JOIN landed USING (_file_index, _row) "  # noqa: S608
            f"WHERE {_all_there(contract, 'typed.')} GROUP BY ALL HAVING count(DISTINCT ({raw}, '')) > 1"
        )
        _mark(connection, contract, "collided", "key_collision")
    connection.execute(
        f"CREATE TEMP TABLE repeated AS SELECT {key} FROM typed WHERE {_all_there(contract)} "  # noqa: S608
        "GROUP BY ALL HAVING count(*) > 1"
    )
    if not _number(connection, "SELECT count(*) FROM repeated"):
        return 0
    content = ", ".join([*contract.names, "_refusal_reason", "_refused_value"])
    connection.execute(
        "CREATE TEMP TABLE surplus AS SELECT _file_index, _row FROM (SELECT _file_index, _row, _refusal_reason, "  # noqa: S608
        f"row_number() OVER (PARTITION BY {content} ORDER BY _file_index, _row) AS copy "
        f"FROM typed SEMI JOIN repeated USING ({key})) "
        "WHERE copy > 1 AND _refusal_reason IS DISTINCT FROM 'key_collision'"
    )
    dropped = _number(connection, "SELECT count(*) FROM surplus")
    if dropped:
        connection.execute(
            "DELETE FROM typed USING surplus "
            "WHERE typed._file_index = surplus._file_index AND typed._row = surplus._row"
        )
    connection.execute(
        f"CREATE TEMP TABLE contradicted AS SELECT {key} FROM typed SEMI JOIN repeated USING ({key}) "  # noqa: S608
        "GROUP BY ALL HAVING count(*) > 1"
    )
    _mark(connection, contract, "contradicted", "duplicate_key")
    return dropped


def _mark(connection: duckdb.DuckDBPyConnection, contract: Contract, keys: str, reason: str) -> None:
    same = " AND ".join(f"typed.{name} = {keys}.{name}" for name in contract.key)
    shown = " || ' | ' || ".join(f"CAST(typed.{name} AS VARCHAR)" for name in contract.key)
    connection.execute(
        f"UPDATE typed SET _refusal_reason = {quoted(reason)}, _refusal_column = {quoted(contract.key[0])}, "  # noqa: S608
        f"_refused_value = {shown} FROM {keys} WHERE {same} AND typed._refusal_reason IS NULL"
    )


def _all_there(contract: Contract, prefix: str = "") -> str:
    return " AND ".join(f"{prefix}{name} IS NOT NULL" for name in contract.key)


def _number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    found = connection.execute(sql).fetchone()
    return int(found[0]) if found else 0
