"""Contracts of feeds: what a source has promised to deliver, by whom it may be read, and how much may be wrong.

Belongs here: shape and cross-field rules of `config/feeds/<system>/<feed>.yml`, and the effective contract that it
becomes with a mapping. Does not: the shape of mappings (`strata.intake.mapping`), reading extracts
(`strata.intake.readers`), turning text into types (`strata.intake.casts`).
"""

import re
from datetime import date
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from strata.identity import sha256_json
from strata.intake.expressions import check_sql
from strata.intake.mapping import Branch, Encoding, MappedFeed, Mapping, load_mapping, load_systems, mapped_feed
from strata.intake.terms import Escalation, PersonalData, Rationale, Text, Thresholds, strictest
from strata.strict_yaml import load_yaml

NAME = r"^[a-z][a-z0-9_]{0,39}$"
Name = Annotated[str, Field(pattern=NAME)]
ColumnType = Literal["text", "integer", "decimal", "date", "timestamp", "boolean"]

# Rows are flagged with one bit a column in a 64-bit integer.
MAX_COLUMNS = 62
# Decimals of quantities and money wherever they are stored; rates need more.
PLACES = 4
DECIMAL_FORMATS = frozenset({"comma", "trailing_minus", "comma_trailing_minus", "bare_point"})
EPOCH_FORMATS: dict[str, frozenset[str]] = {
    "date": frozenset({"epoch_days"}),
    "timestamp": frozenset({"epoch_millis", "epoch_micros"}),
}


@cache
def _sql_words() -> frozenset[str]:
    """Words that cannot stand as a bare column name in DuckDB."""
    import duckdb

    query = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category IN ('reserved', 'type_function')"
    with duckdb.connect() as connection:
        return frozenset(word for (word,) in connection.execute(query).fetchall())


class Column(BaseModel):
    """One column of a feed.

    `format` reads: text, a pattern that the whole value must match; decimal, `comma` (1.234,50), `trailing_minus`
    (12.5-) or `comma_trailing_minus` (1.234,50-), both with blanks around, `bare_point` (.50); date and timestamp, a
    strptime format or `epoch_days|epoch_millis|epoch_micros`. Without it numbers have a decimal point, dates and
    timestamps are ISO 8601. A `verbatim` text (a description) is kept to the character; every other text is a code
    and is trimmed and brought to Unicode NFC. `sign` drops (`absolute`) or turns (`negated`) the sign of a number,
    `factor` multiplies a decimal from the source's unit to the contract's. `places` are the decimals that a decimal
    keeps; one with more is refused. `personal_data` says whether values tell of a person, plainly or by a code.
    `since` is the schema version that brought the column: extracts of an older version come without it, and it is null
    there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Name
    type: ColumnType
    meaning: Annotated[str, Field(min_length=10)]
    native: Annotated[str, Field(min_length=1)] | None = None
    nullable: bool = False
    min: Decimal | None = None
    max: Decimal | None = None
    exclusive_min: Decimal | None = None
    allowed: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    format: Annotated[str, Field(min_length=1)] | None = None
    unit: str | None = None
    places: Annotated[int, Field(ge=PLACES, le=10)] = PLACES
    since: int = Field(default=1, ge=1)
    verbatim: bool = False
    personal_data: PersonalData = "none"
    sign: Literal["absolute", "negated"] | None = None
    factor: Decimal | None = Field(default=None, gt=0, max_digits=18)
    rationale: Rationale | None = None

    @field_validator("min", "max", "exclusive_min", "factor", mode="before")
    @classmethod
    def _exact(cls, value: object) -> object:
        return str(value) if isinstance(value, float) else value

    @property
    def source_name(self) -> str:
        """Name of the column in the extract."""
        return self.native or self.name

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        bounds = [bound for bound in (self.min, self.max, self.exclusive_min) if bound is not None]
        if bounds and self.type not in ("integer", "decimal"):
            raise ValueError(f"column {self.name}: bounds are for integer and decimal, not {self.type}")
        if bounds and self.rationale is None:
            raise ValueError(f"column {self.name}: a bound needs a rationale of at least 20 characters beside it")
        if self.min is not None and self.exclusive_min is not None:
            raise ValueError(f"column {self.name}: give min or exclusive_min, not both")
        if self.max is not None and any(bound > self.max for bound in bounds):
            raise ValueError(f"column {self.name}: max {self.max} is below the lower bound")
        if self.allowed is not None and (self.type != "text" or len(set(self.allowed)) != len(self.allowed)):
            raise ValueError(f"column {self.name}: allowed lists distinct values of a text column")
        if self.places != PLACES and self.type != "decimal":
            raise ValueError(f"column {self.name}: only a decimal has places")
        if self.since > 1 and not self.nullable:
            raise ValueError(f"column {self.name}: older extracts come without it, so it must be nullable")
        if self.verbatim and self.type != "text":
            raise ValueError(f"column {self.name}: only text can be verbatim")
        if (self.sign and self.type not in ("integer", "decimal")) or (self.factor and self.type != "decimal"):
            raise ValueError(f"column {self.name}: sign is for numbers, factor for decimals, not {self.type}")
        self._check_format()
        return self

    def _check_format(self) -> None:
        if self.format is None:
            return
        if self.type == "text":
            try:
                re.compile(self.format)
            except re.error as error:
                raise ValueError(f"column {self.name}: format {self.format!r} is no pattern: {error}") from error
            return
        if self.type in ("integer", "boolean"):
            raise ValueError(f"column {self.name}: {self.type} has one format only; leave format out")
        if self.type == "decimal" and self.format not in DECIMAL_FORMATS:
            raise ValueError(f"column {self.name}: format of a decimal is one of {sorted(DECIMAL_FORMATS)}")
        if self.type in EPOCH_FORMATS and "%" not in self.format and self.format not in EPOCH_FORMATS[self.type]:
            known = sorted(EPOCH_FORMATS[self.type])
            raise ValueError(f"column {self.name}: write a strptime format such as %d.%m.%Y, or one of {known}")


class Contract(BaseModel):
    """One feed. `full_means`: a full extract is the whole table (`state`) or rows to upsert by key (`increment`).

    `normal_lag_hours` is what usually passes between the business time of a row and its arrival; an initial load is
    back-dated by it. It is negative where a row is known before it takes effect. `time_zone` is that of timestamps
    without an offset; in the hour that occurs twice such a time is the second one, in the hour that is skipped it
    is refused. `mapping` names a file of `config/mappings/`; `source` is what it says of this feed, and no contract
    file holds it. Extracts state their schema version; those from `oldest_schema_version` (else `schema_version`) on
    are accepted, each with the columns that its version had.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    system: Name
    feed: Name
    schema_version: int = Field(ge=1)
    oldest_schema_version: int | None = Field(default=None, ge=1)
    owner: Text
    steward: Text
    grantor: Text
    description: Rationale
    purpose: Rationale
    personal_data: PersonalData
    roles: Annotated[tuple[Name, ...], Field(min_length=1)]
    full_means: Literal["state", "increment"]
    key: Annotated[tuple[Name, ...], Field(min_length=1)]
    business_time: Name | None
    normal_lag_hours: int = Field(ge=-24 * 366, le=24 * 366)
    refresh_sla_hours: int = Field(ge=1, le=24 * 366)
    expiry: date
    escalation: Escalation
    rationale: Rationale
    time_zone: str | None
    encoding: Encoding = "utf-8"
    mapping: Name | None = None
    source: MappedFeed | None = None
    allow_empty: bool
    thresholds: Thresholds
    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=MAX_COLUMNS)]

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise ValueError(f"time_zone {value!r} is not an IANA time zone such as Europe/Berlin") from error
        return value

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if words := sorted(set(self.names) & _sql_words()):
            raise ValueError(
                f"columns {words}: words of SQL cannot be column names; name the meaning, keep it as native"
            )
        for what, names in (("name", self.names), ("native name", [c.source_name for c in self.columns])):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"columns: {what} {twice} stands twice")
        for name in self.key:
            if name not in self.names:
                raise ValueError(f"key: {name!r} is not a column")
            if self.column(name).nullable or self.column(name).verbatim:
                raise ValueError(f"key: column {name!r} may be neither nullable nor verbatim")
            if self.column(name).type == "boolean":
                raise ValueError(f"key: column {name!r} is a boolean and identifies nothing")
        if (found := strictest(column.personal_data for column in self.columns)) != self.personal_data:
            raise ValueError(f"personal_data: {self.personal_data}, but the strictest of its columns is {found}")
        if (self.oldest_schema_version or 1) > self.schema_version:
            raise ValueError("oldest_schema_version: it is younger than schema_version")
        if late := [column.name for column in self.columns if column.since > self.schema_version]:
            raise ValueError(f"columns {late} are newer than schema_version {self.schema_version}; raise it")
        if len(set(self.key)) != len(self.key):
            raise ValueError(f"key: {list(self.key)} names a column twice")
        for column in self.columns:
            local = column.type == "timestamp" and "%" in (column.format or "") and "%z" not in (column.format or "")
            if local and self.time_zone is None:
                raise ValueError(f"column {column.name}: a format without %z needs the contract's time_zone")
        if self.business_time is not None:
            if self.business_time not in self.names:
                raise ValueError(f"business_time: {self.business_time!r} is not a column")
            if self.column(self.business_time).type not in ("date", "timestamp"):
                raise ValueError(f"business_time: column {self.business_time!r} must be a date or a timestamp")
            if self.column(self.business_time).nullable:
                raise ValueError(f"business_time: column {self.business_time!r} may not be nullable")
        return self

    @cached_property
    def names(self) -> list[str]:
        """Canonical column names, in contract order."""
        return [column.name for column in self.columns]

    @cached_property
    def sha256(self) -> str:
        """Hash of the contract's content (not of its white space)."""
        return sha256_json(self.model_dump(mode="json"))

    def accepts(self, schema_version: int) -> bool:
        """Whether extracts of this schema version are read."""
        return (self.oldest_schema_version or self.schema_version) <= schema_version <= self.schema_version

    def at_version(self, schema_version: int) -> "Contract":
        """The contract as extracts of an older schema version meet it: without the columns that came later.

        A mapped one stays as it is: what its source has is the mapping's to say.
        """
        if self.source is not None or all(column.since <= schema_version for column in self.columns):
            return self
        columns = tuple(column for column in self.columns if column.since <= schema_version)
        kept = {"columns": [column.model_dump() for column in columns]}
        personal = strictest(column.personal_data for column in columns)
        return Contract.model_validate({**self.model_dump(), **kept, "personal_data": personal})

    def column(self, name: str) -> Column:
        """The column with this canonical name; KeyError naming the known ones otherwise."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.system}/{self.feed} has no column {name!r}; it has {self.names}")

    def mapped(self, mapping: Mapping, feed: MappedFeed) -> "Contract":
        """The effective contract: types, owners and ranges from here, spelling from the mapping.

        Raises:
            ValueError: the mapping names a column that the contract has not, leaves out one that may not be null, or
                spells it in two ways.
        """
        place = f"mapping {mapping.mapping}, {self.system}/{self.feed}"
        for branch in feed.branches:
            unknown = sorted(set(branch.columns) - set(self.names))
            if unknown:
                raise ValueError(
                    f"{place}, from {branch.table}: the contract has no columns {unknown}; it has {self.names}"
                )
            absent = [c.name for c in self.columns if not c.nullable and c.name not in branch.columns]
            if absent:
                advice = "give each a native, sql or constant"
                raise ValueError(f"{place}, from {branch.table}: columns {absent} may not be null; {advice}")
            self._check_total(branch, place)
        columns = [self._spelled(column, feed, place) for column in self.columns]
        content = self.model_dump() | {
            "columns": columns,
            "mapping": mapping.mapping,
            "source": feed.model_dump(by_alias=True),
            "encoding": feed.layout.encoding,
            "time_zone": mapping.feeds[f"{self.system}/{self.feed}"].time_zone or mapping.time_zone or self.time_zone,
        }
        try:
            return Contract.model_validate(content)
        except ValidationError as error:
            raise ValueError(f"{place}: {_faults(error)}") from error

    def _check_total(self, branch: Branch, place: str) -> None:
        if branch.total is None:
            return
        wanted = {name for name in branch.columns if name not in self.key}
        if wanted != set(branch.total.columns):
            advice = f"total says what becomes of {sorted(wanted)}, the columns beside the key"
            raise ValueError(f"{place}, from {branch.table}: {advice}")
        for name, function in branch.total.columns.items():
            column = self.column(name)
            if function != "first" and column.type not in ("integer", "decimal"):
                raise ValueError(f"{place}: column {name}: {function} is for numbers; take first")
            if function != "first" and "comma" in str(branch.columns[name].format):
                raise ValueError(f"{place}: column {name}: turn the comma into a point in sql to add it up")

    def _spelled(self, column: Column, feed: MappedFeed, place: str) -> dict[str, Any]:
        spellings = [b.columns[column.name] for b in feed.branches if column.name in b.columns]
        found: dict[str, Any] = {}
        for name in ("format", "sign", "factor"):
            values = {getattr(spelling, name) for spelling in spellings if spelling.constant is None}
            if len(values) > 1:
                raise ValueError(f"{place}: column {column.name}: {name} differs between sources; write one in sql")
            value = next(iter(values), None)
            if value is not None:
                if name == "format" and column.type == "text":
                    raise ValueError(f"{place}: column {column.name}: the format of a text is the contract's to set")
                found[name] = value
        return column.model_dump() | {"native": None} | found


def load_contract(path: Path) -> Contract:
    """Read one contract file as it stands; ValueError naming file, field and what is wrong."""
    content = load_yaml(path)
    if isinstance(content, dict) and "source" in content:
        raise ValueError(f"{path}: source comes from a mapping; write `mapping: <name>` instead")
    try:
        contract = Contract.model_validate(content)
    except ValidationError as error:
        raise ValueError(f"{path}: {_faults(error)}") from error
    if (path.parent.name, path.stem) != (contract.system, contract.feed):
        place = f"{contract.system}/{contract.feed}"
        raise ValueError(f"{path}: says it is {place}; move it to {place}.yml")
    return contract


def load_contracts(folder: Path) -> dict[tuple[str, str], Contract]:
    """All contracts below `folder` (`<system>/<feed>.yml`) by (system, feed), each with its mapping.

    A contract's own `mapping` wins; else `systems.yml` beside `folder` says which mapping a system's feeds have, and
    a feed that this mapping leaves out stays as its contract spells it. Mappings lie in `mappings/` beside `folder`.

    Raises:
        ValueError: there is no contract, or contract and mapping do not fit; the message names file, feed, column.
    """
    contracts = {(c.system, c.feed): c for c in map(load_contract, sorted(folder.glob("*/*.yml")))}
    if not contracts:
        raise ValueError(f"{folder}: no contract; write one as <system>/<feed>.yml")
    systems = load_systems(folder.parent / "systems.yml")
    stray = sorted(set(systems) - {system for system, _ in contracts})
    if stray:
        raise ValueError(f"{folder.parent / 'systems.yml'}: no contract is of system {stray[0]}")
    read: dict[str, Mapping] = {}
    for key, contract in contracts.items():
        name = contract.mapping or systems.get(contract.system)
        if name is None:
            continue
        path = folder.parent / "mappings" / f"{name}.yml"
        if not path.is_file():
            raise ValueError(f"{path} is not there, but {key[0]}/{key[1]} is mapped by {name}")
        if name not in read:
            read[name] = load_mapping(path)
            check_sql(read[name], str(path))
        mapping = read[name]
        feed = mapped_feed(mapping, "/".join(key))
        if feed is not None:
            contracts[key] = contract.mapped(mapping, feed)
        elif contract.mapping is not None:
            raise ValueError(f"{path}: has nothing for {key[0]}/{key[1]}, whose contract names it")
    return contracts


def _faults(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'contract'}: {e['msg']}" for e in error.errors())
