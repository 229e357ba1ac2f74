"""Why an extract or a row was refused: the one list of reason codes, and the exception that carries one.

Belongs here: codes and their meaning. Does not: the checks themselves.
"""

from dataclasses import asdict, dataclass
from typing import Any

ROW_REASONS: dict[str, str] = {
    "missing_value": "empty, though the contract does not allow it",
    "empty_key": "a column of the key is empty",
    "control_character": "a control or invisible character in a code",
    "reserved_value": "`*` stands for `all` in Strata and cannot name one thing",
    "format_mismatch": "text that does not match the contract's format",
    "not_allowed": "text that is not among the contract's allowed values",
    "unmapped_code": "a code of the source that the mapping does not translate",
    "not_an_integer": "no plain integer (1e3, 0x1F and 1_000 are none)",
    "not_a_number": "no plain decimal number (NaN, infinity and exponents are none)",
    "too_precise": "more than four decimal places",
    "out_of_range": "outside the contract's bounds, or too large for its type",
    "not_a_date": "no date of the contract's format",
    "not_a_timestamp": "no timestamp of the contract's format",
    "offset_missing": "a timestamp without offset, and the contract names no time zone",
    "local_time_skipped": "a local time that the change to summer time skips",
    "not_a_boolean": "neither true nor false",
    "duplicate_key": "the key stands more than once in the extract with different values",
    "key_collision": "keys that differ in the source and are equal after trimming, zero-width marks and Unicode NFC",
    "key_look_alike": "keys that read the same in letters of different scripts, such as Latin and Cyrillic A",
    "region_differs": "the location lies in another region in most rows of a panel",
}

EXTRACT_REASONS: dict[str, str] = {
    "manifest_malformed": "manifest.json is not strict JSON or not a manifest",
    "wrong_folder": "the folder is not <system>/<feed>/ of the manifest",
    "unknown_feed": "there is no contract for the feed",
    "schema_version_unknown": "the contract has another schema version",
    "envelope_unknown": "there is no reader for the envelope in this format",
    "encoding_refused": "the contract does not name the encoding",
    "extracted_in_future": "extracted_at lies in the future by more than the contract tolerates",
    "extract_id_reused": "the extract id was accepted before with other content",
    "older_than_accepted": "a newer full state was accepted before",
    "initial_load_late": "the feed has ordinary extracts already, so its history can no longer be back-dated",
    "kind_mixed": "the feed was accepted with other positions (a log, or times of extraction); they do not compare",
    "position_missing": "changes, or a table as of a position of its log, without that position in the manifest",
    "position_malformed": "a position in the manifest that the envelope does not write so, or that goes backwards",
    "position_outside": "a change that lies outside the range of positions that the manifest states",
    "before_the_beginning": "changes from before the feed's first load; what became of their keys is not known",
    "file_missing": "a file of the manifest is not there",
    "not_a_regular_file": "a link, device or folder where a file should be",
    "bytes_differ": "another number of bytes than the manifest states",
    "sha256_differs": "other content than the manifest states",
    "rows_differ": "another number of rows than the manifest states",
    "totals_differ": "another sum of a column than the manifest states",
    "too_many_rows": "more rows than the contract allows in one extract",
    "empty_extract": "no rows, and the contract does not allow that",
    "zero_bytes": "an empty file, without even a header",
    "gzip_damaged": "a truncated or damaged gzip file",
    "gzip_bomb": "a gzip file that grows beyond all measure",
    "csv_malformed": "not RFC 4180 in the stated encoding and delimiter",
    "json_malformed": "a line that is not one strict JSON object",
    "parquet_malformed": "a damaged Parquet file",
    "table_unknown": "a file of which neither manifest nor mapping says which table it holds",
    "table_missing": "a table that the mapping needs is not in the extract",
    "lookup_ambiguous": "a table to look up has several rows for one key, and the mapping does not choose",
    "mapping_needs_full": "changes of a feed that the mapping makes of several tables",
    "mapping_failed": "SQL of the mapping fails on the data",
    "column_missing": "a column of the contract is not in the file",
    "column_duplicate": "a column stands twice in the file",
    "value_too_long": "a text that no record of a table holds",
    "wrong_type": "a column whose stored type cannot hold the contract's type exactly",
    "envelope_malformed": "an event that is not of the stated envelope",
    "unknown_operation": "an event with an operation other than create, update, delete, read",
    "unavailable_value": "an event in which the connector left out a value that no earlier change can supply",
    "position_ambiguous": "one source position in several files, without a sequence to order it",
}
# Delivered content is not what the manifest promised: the same manifest may come again with the right files.
INTEGRITY_REASONS = frozenset({"file_missing", "not_a_regular_file", "bytes_differ", "sha256_differs"})
# What the source sends is no longer what its contract says: what it sent before cannot stand in for it.
SHAPE_REASONS = frozenset(
    {"empty_extract", "column_missing", "column_duplicate", "schema_version_unknown", "wrong_type"}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason to refuse an extract, where it was found and what to do about it."""

    reason: str
    advice: str
    file: str | None = None
    row: int | None = None
    column: str | None = None
    value: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fault as plain JSON values."""
        return asdict(self)


class RefusedExtractError(ValueError):
    """The extract is refused whole; `fault` says why, where, and what to do."""

    def __init__(
        self,
        reason: str,
        advice: str,
        *,
        file: str | None = None,
        row: int | None = None,
        column: str | None = None,
        value: str | None = None,
    ) -> None:
        if reason not in EXTRACT_REASONS:
            raise KeyError(f"{reason!r} is not in EXTRACT_REASONS")
        self.fault = Fault(reason, advice, file, row, column, value)
        where = ", ".join(f"{k} {v}" for k, v in (("file", file), ("row", row), ("column", column)) if v is not None)
        super().__init__(f"{reason}{f' ({where})' if where else ''}: {advice}")
