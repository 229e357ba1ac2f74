"""The manifest of an extract: what a source says it delivers, and the identity that follows from it.

Belongs here: shape of `manifest.json`, names that are safe as paths, `batch_id`. Does not: comparing the manifest
with the files (`strata.intake.land`).
"""

import json
import os
import stat
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    field_validator,
    model_validator,
)

from strata.identity import sha256_json
from strata.intake.contract import Name
from strata.intake.reasons import RefusedExtractError

MANIFEST_NAME = "manifest.json"
# A manifest of 10,000 files has 2 MB; a larger one is no manifest.
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
# Sums of decimal(18,4) stay below 10^30; beyond it a number is a mistake or an attack.
MAX_TOTAL_EXPONENT = 30
EXTRACT_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
TABLE_NAME = r"^[A-Za-z][A-Za-z0-9_.]{0,79}$"
ENDINGS: dict[str, tuple[str, ...]] = {
    "csv": (".csv", ".csv.gz"),
    "jsonl": (".jsonl", ".jsonl.gz"),
    "parquet": (".parquet",),
}
_NO_FOLLOW = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class ManifestFile(BaseModel):
    """One data file: its name, and the bytes and rows that must be in it (rows = records, header not counted).

    `table` says which table of the source it holds, where a mapping makes the feed of several.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(pattern=EXTRACT_ID)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    rows: StrictInt = Field(ge=0)
    bytes: StrictInt = Field(ge=0)
    table: str | None = Field(default=None, pattern=TABLE_NAME)


class Position(BaseModel):
    """Range of source positions, as the source writes them: changes after `from`, up to and including `to`."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)
    start: str | None = Field(alias="from", default=None)
    to: str


class Manifest(BaseModel):
    """One extract. Keys that are not listed here are refused.

    A full extract with an envelope other than `plain` is the whole table as of `position.to` in that envelope's log.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    system: Name
    feed: Name
    extract_id: str = Field(pattern=EXTRACT_ID)
    kind: Literal["full", "cdc"]
    envelope: Literal["plain", "debezium", "sap", "fivetran"] = "plain"
    schema_version: StrictInt = Field(ge=1)
    initial_load: StrictBool = False
    grain: Literal["event", "day", "week", "month"]
    extracted_at: datetime
    position: Position | None = None
    format: Literal["csv", "jsonl", "parquet"]
    encoding: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,20}$")] = "utf-8"
    delimiter: Literal[",", ";", "\t", "|"] = ","
    business_date: date | None = None
    files: Annotated[tuple[ManifestFile, ...], Field(min_length=1)]
    control_totals: dict[Name, Decimal] = Field(default_factory=dict)
    origin: Literal["real", "simulated", "assumed"] = "real"
    supersedes: str | None = Field(default=None, pattern=EXTRACT_ID)

    @field_validator("extracted_at", "business_date", mode="before")
    @classmethod
    def _written_as_text(cls, value: object) -> object:
        if value is not None and not isinstance(value, str):
            raise ValueError("write dates and times as ISO 8601 text")
        return value

    @field_validator("encoding", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("extracted_at")
    @classmethod
    def _with_offset(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("extracted_at needs an offset, such as 2017-12-31T02:00:00Z")
        return value.astimezone(UTC)

    @field_validator("control_totals")
    @classmethod
    def _finite(cls, value: dict[str, Decimal]) -> dict[str, Decimal]:
        for column, total in value.items():
            if not total.is_finite() or abs(total.adjusted()) > MAX_TOTAL_EXPONENT:
                raise ValueError(f"control total of {column} is not a finite number of at most 30 digits")
        return value

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        names = [file.name for file in self.files]
        if len(set(names)) != len(names):
            raise ValueError(f"files: a name stands twice in {names}")
        for name in names:
            if not name.endswith(ENDINGS[self.format]):
                raise ValueError(f"files: {name!r} does not end in {' or '.join(ENDINGS[self.format])}")
        if self.kind == "cdc" and self.envelope == "plain":
            raise ValueError("a cdc extract has one of the envelopes debezium, sap, fivetran")
        return self

    @property
    def rows(self) -> int:
        """Rows of all files, as stated."""
        return sum(file.rows for file in self.files)

    @property
    def extracted_micros(self) -> int:
        """`extracted_at` in microseconds since 1970: the position of a full extract."""
        delta = self.extracted_at - datetime(1970, 1, 1, tzinfo=UTC)
        return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds

    def as_json(self) -> dict[str, Any]:
        """The manifest as plain JSON values, defaults written out."""
        return self.model_dump(mode="json", by_alias=True)


def batch_id(manifest: Manifest) -> str:
    """Identity of what a manifest promises: all it says but its extract id and the names and order of its files.

    So a re-delivery under another name is the same batch, and a corrected manifest is another one.
    """
    content = manifest.as_json()
    del content["extract_id"]
    content["control_totals"] = {name: _plain(Decimal(total)) for name, total in content["control_totals"].items()}
    content["files"] = sorted(
        [file.sha256, file.rows, file.bytes, *([file.table] if file.table else [])] for file in manifest.files
    )
    return sha256_json(content)


def open_regular(path: Path) -> int:
    """Descriptor of a regular file opened for reading, links not followed; RefusedExtractError otherwise."""
    try:
        descriptor = os.open(path, _NO_FOLLOW)
    except FileNotFoundError as error:
        advice = "deliver the file, then manifest.json last"
        raise RefusedExtractError("file_missing", advice, file=path.name) from error
    except OSError as error:
        if path.is_symlink():
            raise _irregular(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _irregular(path)
    return descriptor


def read_manifest_bytes(folder: Path) -> bytes:
    """The bytes of a folder's manifest.json; RefusedExtractError where it is no regular file or far too large."""
    with open(open_regular(folder / MANIFEST_NAME), "rb") as handle:
        data = handle.read(MAX_MANIFEST_BYTES + 1)
    if len(data) > MAX_MANIFEST_BYTES:
        raise _malformed(f"the manifest has more than {MAX_MANIFEST_BYTES} bytes; split the extract")
    return data


def parse_manifest(data: bytes) -> Manifest:
    """Strict JSON (no duplicate keys, no NaN) to a manifest; RefusedExtractError naming every fault otherwise."""
    try:
        content = json.loads(
            data.decode("utf-8-sig"), object_pairs_hook=distinct, parse_constant=no_constant, parse_float=Decimal
        )
    except (ValueError, RecursionError) as error:
        raise _malformed(f"the manifest is not strict JSON: {error}") from error
    if not isinstance(content, dict):
        raise _malformed("the manifest is not a JSON object")
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'manifest'}: {e['msg']}" for e in error.errors())
        raise _malformed(faults) from error


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """`object_pairs_hook` that refuses a key standing twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return found


def no_constant(word: str) -> Mapping[str, Any]:
    """`parse_constant` that refuses NaN and infinities."""
    raise ValueError(f"{word} is not a JSON number")


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _irregular(path: Path) -> RefusedExtractError:
    return RefusedExtractError("not_a_regular_file", "deliver a regular file, not a link or a folder", file=path.name)


def _malformed(advice: str) -> RefusedExtractError:
    return RefusedExtractError("manifest_malformed", advice, file=MANIFEST_NAME)
