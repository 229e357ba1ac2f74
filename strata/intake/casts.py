"""Text to types: one SQL statement that casts every column of a feed and says what is wrong with every row.

Belongs here: patterns before casts, bounds, allowed values, normalisation of codes, `known_from`. Does not: reading
files (`strata.intake.readers`), rules across rows (`strata.intake.repeats`).

The statement reads `landed` (every contract column as text, and the columns of `LANDED_COLUMNS`) in three steps:
`v_` normalised text, `t_` the typed value where the text has the right shape, `f_` the reason where it has not.
"""

from collections.abc import Iterable
from datetime import datetime

from strata.intake.contract import PLACES, Column, Contract
from strata.intake.manifest import Manifest

SQL_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
    "boolean": "BOOLEAN",
}
# What every reader adds to the contract's columns.
LANDED_COLUMNS: dict[str, str] = {
    "_file": "VARCHAR",
    "_file_index": "INTEGER",
    "_row": "BIGINT",
    "_op": "VARCHAR",
    "_position": "BIGINT",
    "_sequence": "BIGINT",
    "_source_ms": "BIGINT",
    "_is_snapshot": "BOOLEAN",
    "_unchanged": "VARCHAR[]",
}

# Printable ASCII without outer blanks needs no normalising: the cheap test that 999 of 1,000 codes pass.
_CLEAN = r"[!-~](?:[ -~]*[!-~])?"
_OUTER_BLANKS = r"^[\s\p{Z}]+|[\s\p{Z}]+$"
# Marks that show nothing and mean nothing in a code: zero-width space and joiners, word joiner, byte order mark, soft
# hyphen. Other invisible characters (controls, changes of direction) are faults.
_ZERO_WIDTH = r"[\x{00AD}\x{200B}-\x{200D}\x{2060}\x{FEFF}]"
_INVISIBLE = r"[\p{Cc}\p{Cf}]"
_INTEGER = r"-?[0-9]{1,18}"
_DECIMAL = r"-?[0-9]{{1,14}}(\.[0-9]{{1,{places}}}0*)?"
_COMMA = r"-?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+)(,[0-9]+)?"
_DATE = r"[0-9]{4}-(0[1-9]|1[0-2])-[0-3][0-9]"
_LOCAL = _DATE + r"[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
_OFFSET = r"(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])"


def quoted(value: str) -> str:
    """A text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def instant(value: datetime) -> str:
    """A UTC time as an SQL literal."""
    return f"TIMESTAMPTZ {quoted(value.strftime('%Y-%m-%d %H:%M:%S.%f+00'))}"


def typed_sql(contract: Contract, manifest: Manifest, batch_id: str) -> str:
    """SELECT over `landed` giving the columns of rows.parquet, `_file_index`, `_normalised` and `_unreadable`.

    `_extract_kind` is `cdc` for changes, `snapshot` for a whole table as of a position of its log, else `full`.
    `_unchanged` names columns that a change leaves as they were: they are empty and not at fault.

    `_normalised` has bit i set where the text of contract column i was changed by trimming, zero-width marks or NFC,
    `_unreadable` where column i holds a text that could not be typed.
    """
    columns = contract.columns
    cdc = manifest.kind == "cdc"
    kind = "full" if manifest.envelope == "plain" else "cdc" if cdc else "snapshot"
    native = {column.name: f"n_{column.name}" if contract.source else column.name for column in columns}
    texts = ", ".join(f"{_text(column, native[column.name])} AS v_{column.name}" for column in columns)
    values = ", ".join(f"{_value(column, contract.time_zone)} AS t_{column.name}" for column in columns)
    faults = ", ".join(f"{_fault(column, contract, cdc=cdc)} AS f_{column.name}" for column in columns)
    typed = ", ".join(f"{_kept(column)} AS {column.name}" for column in columns)
    changed = _bits(f"v_{c.name} <> {native[c.name]}" if _is_code(c) else None for c in columns)
    unreadable = _bits(f"v_{c.name} IS NOT NULL AND t_{c.name} IS NULL" if c.type != "text" else None for c in columns)
    known_from, basis = _known(contract, manifest)
    reason = ", ".join(f"f_{column.name}" for column in columns)
    blamed = " ".join(f"WHEN f_{column.name} IS NOT NULL THEN {quoted(column.name)}" for column in columns)
    value = " ".join(f"WHEN f_{column.name} IS NOT NULL THEN {column.name}" for column in columns)
    return f"""
        WITH texts AS (SELECT *, {texts} FROM landed),
        parsed AS (SELECT *, {values} FROM texts),
        judged AS (SELECT *, {faults} FROM parsed)
        SELECT {typed}, {quoted(batch_id)} AS _batch_id, _file, _row, _op, _position, _sequence,
               {known_from} AS _known_from, {basis} AS _known_basis, {quoted(manifest.origin)} AS _origin,
               {quoted(kind)} AS _extract_kind, _unchanged,
               coalesce({reason}) AS _refusal_reason, CASE {blamed} END AS _refusal_column,
               CASE {value} END AS _refused_value,
               _file_index, {changed} AS _normalised, {unreadable} AS _unreadable
        FROM judged"""  # noqa: S608 - names come from the contract's pattern, values are quoted


def _bits(conditions: Iterable[str | None]) -> str:
    bits = [f"CASE WHEN {test} THEN {1 << i} ELSE 0 END" for i, test in enumerate(conditions) if test is not None]
    return f"CAST({' + '.join(bits) or '0'} AS BIGINT)"


def _is_code(column: Column) -> bool:
    return column.type == "text" and not column.verbatim


def _text(column: Column, name: str) -> str:
    """Normalised text of the column `name` (a translated one where there is a mapping); empty is null."""
    if _is_code(column):
        seen = f"regexp_replace({name}, {quoted(_ZERO_WIDTH)}, '', 'g')"
        tidy = f"nfc_normalize(regexp_replace({seen}, {quoted(_OUTER_BLANKS)}, '', 'g'))"
        return f"CASE WHEN regexp_full_match({name}, {quoted(_CLEAN)}) THEN {name} ELSE nullif({tidy}, '') END"
    if column.type == "decimal" and column.format == "comma":
        plain = f"replace(replace({name}, '.', ''), ',', '.')"
        text = f"CASE WHEN regexp_full_match({name}, {quoted(_COMMA)}) THEN {plain} ELSE '?' || nullif({name}, '') END"
    elif column.type == "decimal" and column.format in ("trailing_minus", "comma_trailing_minus"):
        text = _before_minus(name, has_comma=column.format == "comma_trailing_minus")
    elif column.type == "decimal" and column.format == "bare_point":
        text = f"regexp_replace(nullif({name}, ''), '^(-?)\\.([0-9])', '\\10.\\2')"
    else:
        text = f"nullif({name}, '')"
    return _signed(column, text)


def _before_minus(name: str, *, has_comma: bool) -> str:
    """A number with its minus behind and blanks around, as its plain text."""
    number = f"trim({name})"
    pattern = f"{_COMMA[2:]}-?" if has_comma else "[0-9.]+-?"
    digits = f"rtrim({number}, '-')"
    if has_comma:
        digits = f"replace(replace({digits}, '.', ''), ',', '.')"
    signed = f"CASE WHEN {number} LIKE '%-' THEN '-' ELSE '' END || {digits}"
    # A minus before the number is not this format's, but means the same; with a comma format it is refused.
    other = f"'?' || nullif({number}, '')" if has_comma else f"nullif({number}, '')"
    return f"CASE WHEN regexp_full_match({number}, {quoted(pattern)}) THEN {signed} ELSE {other} END"


def _signed(column: Column, text: str) -> str:
    """The text of a number after `sign` and `factor`; what is no number stays as it is and is refused later."""
    if column.sign is not None:
        bare = f"CASE WHEN {text} LIKE '-%' THEN ({text})[2:] "
        negated = f"WHEN regexp_full_match({text}, '[0-9.]*[1-9][0-9.]*') THEN '-' || ({text}) ELSE {text} END"
        text = bare + (f"ELSE {text} END" if column.sign == "absolute" else negated)
    if column.factor is not None:
        product = f"CAST(TRY_CAST({text} AS DECIMAL(18, 4)) * {column.factor:f} AS VARCHAR)"
        shape = quoted(_DECIMAL.format(places=PLACES))
        text = f"CASE WHEN regexp_full_match({text}, {shape}) THEN {product} ELSE {text} END"
    return text


def _value(column: Column, time_zone: str | None) -> str:
    """The typed value where the text has the right shape, else null."""
    text = f"v_{column.name}"
    if column.type == "text":
        return text
    if column.type == "boolean":
        return f"CASE {text} WHEN 'true' THEN true WHEN 'false' THEN false END"
    if column.type == "timestamp":
        return _timestamp(column, text, time_zone)
    if column.type == "date" and column.format == "epoch_days":
        day = f"DATE '1970-01-01' + CAST({text} AS INTEGER)"
        return f"CASE WHEN regexp_full_match({text}, '-?[0-9]{{1,6}}') THEN {day} END"
    if column.type == "date" and column.format is not None:
        return f"CAST({_by_format(text, column.format)} AS DATE)"
    pattern = {"integer": _INTEGER, "decimal": _DECIMAL.format(places=column.places), "date": _DATE}[column.type]
    typed = f"TRY_CAST({text} AS {_sql_type(column)})"
    return f"CASE WHEN regexp_full_match({text}, {quoted(pattern)}) THEN {typed} END"


def _by_format(text: str, form: str) -> str:
    """Parsed by a strptime format, and only if printing it again gives the same text."""
    parsed = f"try_strptime({text}, {quoted(form)})"
    if "%z" in form:
        return parsed
    return f"CASE WHEN strftime({parsed}, {quoted(form)}) = {text} THEN {parsed} END"


def _timestamp(column: Column, text: str, time_zone: str | None) -> str:
    if column.format in ("epoch_millis", "epoch_micros"):
        factor = 1000 if column.format == "epoch_millis" else 1
        digits = 14 if column.format == "epoch_millis" else 17
        micros = f"CAST({text} AS BIGINT) * {factor}"
        return f"CASE WHEN regexp_full_match({text}, '-?[0-9]{{1,{digits}}}') THEN make_timestamptz({micros}) END"
    if column.format is not None:
        parsed = _by_format(text, column.format)
        return parsed if "%z" in column.format else _in_zone(parsed, str(time_zone))
    iso = f"WHEN regexp_full_match({text}, {quoted(_LOCAL + _OFFSET)}) THEN TRY_CAST({text} AS TIMESTAMPTZ)"
    if time_zone is not None:
        local = _in_zone(f"TRY_CAST({text} AS TIMESTAMP)", time_zone)
        iso += f" WHEN regexp_full_match({text}, {quoted(_LOCAL)}) THEN {local}"
    return f"CASE {iso} END"


def _in_zone(local: str, time_zone: str) -> str:
    """Local time to an instant; null where the clock skips it (there and back is then another local time)."""
    zone = quoted(time_zone)
    there = f"timezone({zone}, {local})"
    return f"CASE WHEN timezone({zone}, {there}) = {local} THEN {there} END"


def _fault(column: Column, contract: Contract, *, cdc: bool) -> str:
    """Reason code where the column is at fault, else null. A delete carries its key only."""
    text, value = f"v_{column.name}", f"t_{column.name}"
    is_key = column.name in contract.key
    missing = "NULL" if column.nullable else "'empty_key'" if is_key else "'missing_value'"
    cases = [f"WHEN {text} IS NULL THEN {missing}"]
    if column.type == "text":
        cases += _text_faults(column, text)
    else:
        cases.append(f"WHEN {value} IS NULL THEN {_diagnosis(column, text, contract.time_zone)}")
        bounds = ((column.min, "<"), (column.exclusive_min, "<="), (column.max, ">"))
        beyond = " OR ".join(f"{value} {operator} {bound:f}" for bound, operator in bounds if bound is not None)
        if beyond:
            cases.append(f"WHEN {beyond} THEN 'out_of_range'")
    if contract.source is not None:
        bit = 1 << contract.names.index(column.name)
        cases.insert(0, f"WHEN (_unmapped & {bit}) <> 0 THEN 'unmapped_code'")
    if cdc and not is_key:
        cases.insert(0, f"WHEN _op = 'd' OR list_contains(_unchanged, {quoted(column.name)}) THEN NULL")
    return f"CASE {' '.join(cases)} END"


def _text_faults(column: Column, text: str) -> list[str]:
    if column.verbatim:
        return [f"WHEN contains({text}, chr(0)) THEN 'control_character'"]
    unseen = f"NOT regexp_full_match({text}, '[ -~]*') AND regexp_matches({text}, {quoted(_INVISIBLE)})"
    cases = [f"WHEN {unseen} THEN 'control_character'", f"WHEN {text} = '*' THEN 'reserved_value'"]
    if column.format is not None:
        cases.append(f"WHEN NOT regexp_full_match({text}, {quoted(column.format)}) THEN 'format_mismatch'")
    if column.allowed is not None:
        cases.append(f"WHEN {text} NOT IN ({', '.join(map(quoted, column.allowed))}) THEN 'not_allowed'")
    return cases


def _diagnosis(column: Column, text: str, time_zone: str | None) -> str:
    """Why a text that is there could not be typed."""
    if column.type == "integer":
        return f"CASE WHEN regexp_full_match({text}, '-?[0-9]+') THEN 'out_of_range' ELSE 'not_an_integer' END"
    if column.type == "decimal":
        return (
            f"CASE WHEN NOT regexp_full_match({text}, '-?[0-9]+(\\.[0-9]+)?') THEN 'not_a_number' "
            f"WHEN regexp_full_match({text}, '-?[0-9]{{1,14}}(\\.[0-9]+)?') THEN 'too_precise' ELSE 'out_of_range' END"
        )
    if column.type == "timestamp" and column.format not in ("epoch_millis", "epoch_micros"):
        local = f"regexp_full_match({text}, {quoted(_LOCAL)})"
        if column.format is not None:
            local = f"strftime(try_strptime({text}, {quoted(column.format)}), {quoted(column.format)}) = {text}"
        elif time_zone is not None:
            local += f" AND TRY_CAST({text} AS TIMESTAMP) IS NOT NULL"
        reason = "offset_missing" if time_zone is None else "local_time_skipped"
        return f"CASE WHEN {local} THEN '{reason}' ELSE 'not_a_timestamp' END"
    return {"date": "'not_a_date'", "timestamp": "'not_a_timestamp'", "boolean": "'not_a_boolean'"}[column.type]


def _kept(column: Column) -> str:
    """What rows.parquet shows: the typed value, but no text that holds control characters."""
    if column.type == "text":
        return f"CASE WHEN f_{column.name} IS DISTINCT FROM 'control_character' THEN t_{column.name} END"
    return f"CAST(t_{column.name} AS {_sql_type(column)})"


def _sql_type(column: Column) -> str:
    return f"DECIMAL({14 + column.places},{column.places})" if column.type == "decimal" else SQL_TYPES[column.type]


def _known(contract: Contract, manifest: Manifest) -> tuple[str, str]:
    """SQL of `_known_from` and `_known_basis` (semantics: change time, else extraction, else assumed on a first load).

    An assumed time is never later than the extraction, at which the row was known for certain.
    """
    extracted = instant(manifest.extracted_at)
    usual, basis = (extracted, "'extracted'")
    if manifest.kind == "cdc":
        usual, basis = f"coalesce(make_timestamptz(_source_ms * 1000), {extracted})", "'source'"
    if not manifest.initial_load:
        return usual, basis
    if contract.business_time is None:
        assumed = "TIMESTAMPTZ '1970-01-01 00:00:00+00'"
    else:
        business = f"t_{contract.business_time}"
        if contract.column(contract.business_time).type == "date":
            business = f"timezone({quoted(contract.time_zone or 'UTC')}, CAST({business} AS TIMESTAMP))"
        lagged = f"{business} + INTERVAL ({contract.normal_lag_hours}) HOUR"
        assumed = f"least({extracted}, coalesce({lagged}, {extracted}))"
    if manifest.kind == "full":
        return assumed, "'assumed'"
    return (
        f"CASE WHEN _is_snapshot THEN {assumed} ELSE {usual} END",
        f"CASE WHEN _is_snapshot THEN 'assumed' ELSE {basis} END",
    )
