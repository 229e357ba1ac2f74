"""Rules across the rows of a full extract: equal rows once, keys that contradict or mimic each other never.

Belongs here: duplicates, colliding keys, keys that look alike. Does not: faults of one row (`strata.intake.casts`);
changes (cdc), whose keys repeat by nature.
"""

import duckdb

from strata.intake.casts import quoted
from strata.intake.contract import Contract

# Letters of other scripts that read as a Latin letter or digit in most fonts (Unicode's confusables, the usual ones);
# full-width forms differ from ASCII by a constant.
_LIKE_LATIN = {
    "А": "A", "В": "B", "Е": "E", "Ѕ": "S", "І": "I", "Ј": "J", "К": "K", "М": "M", "Н": "H", "О": "O", "Р": "P",
    "С": "C", "Т": "T", "Х": "X", "У": "Y", "З": "3", "а": "a", "е": "e", "о": "o", "р": "p", "с": "c", "у": "y",
    "х": "x", "ѕ": "s", "і": "i", "ј": "j", "ԁ": "d", "һ": "h", "Α": "A", "Β": "B", "Ε": "E", "Ζ": "Z", "Η": "H",
    "Ι": "I", "Κ": "K", "Μ": "M", "Ν": "N", "Ο": "O", "Ρ": "P", "Τ": "T", "Υ": "Y", "Χ": "X", "ο": "o", "ν": "v",
    **{chr(code + 0xFEE0): chr(code) for code in range(0x21, 0x7F)},
}  # fmt: skip


def refuse_repeats(connection: duckdb.DuckDBPyConnection, contract: Contract) -> int:
    """Drop rows of `typed` that equal an earlier one; mark rows whose keys collide or contradict; count the dropped.

    Rows whose key differs in the source but not after normalising are `key_collision`; those of a master whose keys
    only look the same are `key_look_alike`; rows of one key with different values are `duplicate_key`, an unreadable
    row counted as a claim on its key. A row that is refused already keeps its own reason.
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
    if contract.full_means == "state":
        _refuse_look_alikes(connection, contract)
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
        "WHERE copy > 1 AND coalesce(_refusal_reason, '') NOT IN ('key_collision', 'key_look_alike')"
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


def _refuse_look_alikes(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Mark the keys of a master that read the same: whoever orders one of them may mean the other.

    Only keys with letters beyond ASCII can mimic another; without any nothing is compared.
    """
    texts = [name for name in contract.key if contract.column(name).type == "text"]
    beyond = " OR ".join(f"NOT regexp_full_match({name}, '[ -~]*')" for name in texts)
    if not texts or not _number(connection, f"SELECT count(*) FROM typed WHERE {beyond}"):  # noqa: S608
        return
    like, latin = (quoted("".join(letters)) for letters in (_LIKE_LATIN, _LIKE_LATIN.values()))
    seen = ", ".join(f"translate({name}, {like}, {latin})" if name in texts else name for name in contract.key)
    key = ", ".join(contract.key)
    connection.execute(
        f"CREATE TEMP TABLE mimicked AS SELECT {key} FROM (SELECT {key}, count(*) OVER (PARTITION BY {seen}) AS alike "  # noqa: S608
        f"FROM (SELECT DISTINCT {key} FROM typed WHERE {_all_there(contract)})) WHERE alike > 1"
    )
    _mark(connection, contract, "mimicked", "key_look_alike")


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
