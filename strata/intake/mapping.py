"""Mappings: how one source system spells the columns of the canonical feeds.

Belongs here: the shape of `config/mappings/<name>.yml` and of `config/systems.yml`, and what can be checked without
data. Does not: what a column means, its type, owner and range (`strata.intake.contract`); translating rows
(`strata.intake.translate`).
"""

from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from strata.strict_yaml import load_yaml

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Table = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.]{0,79}$")]
Native = Annotated[str, Field(min_length=1, max_length=200)]
Reason = Annotated[str, Field(min_length=20)]
FeedName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}/[a-z][a-z0-9_]{0,39}$")]
NativeType = Literal["text", "integer", "decimal", "date", "timestamp", "boolean"]
Encoding = Literal["utf-8", "latin-1", "cp1252", "utf-16"]
Model = TypeVar("Model", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Spelling(_Strict):
    """How one canonical column is made of native ones; a bare text in the file means `native` alone.

    Exactly one of: `native` (a field, or `TABLE.FIELD`), where `sql` may say what to make of the fields listed;
    `constant`, the same for every row; `manifest`, a date that only the manifest states. `nulls` are native texts
    that mean nothing; `values` translates codes, the key `""` standing for an empty field, and a code that is not
    listed refuses its row unless `unlisted: keep`. `format`, `sign` and `factor` go to the column (see
    `strata.intake.contract.Column`). `why` says on what an expression, constant or factor rests.
    """

    native: Native | tuple[Native, ...] | None = None
    sql: Annotated[str, Field(min_length=3)] | None = None
    constant: Annotated[str, Field(min_length=1)] | None = None
    manifest: Literal["business_date"] | None = None
    values: Annotated[dict[str, str], Field(min_length=1)] | None = None
    unlisted: Literal["refuse", "keep"] = "refuse"
    nulls: tuple[str, ...] = ()
    format: Annotated[str, Field(min_length=1)] | None = None
    sign: Literal["absolute", "negated"] | None = None
    factor: Decimal | None = Field(default=None, gt=0)
    why: Reason | None = None

    @field_validator("factor", mode="before")
    @classmethod
    def _exact(cls, value: object) -> object:
        return str(value) if isinstance(value, float) else value

    @property
    def fields(self) -> tuple[str, ...]:
        """Native fields as written."""
        return (self.native,) if isinstance(self.native, str) else self.native or ()

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if sum(given is not None for given in (self.constant, self.manifest, self.native)) != 1:
            raise ValueError("give one of native, constant, manifest; sql lists the fields it reads in native")
        if self.sql is not None and not self.fields:
            raise ValueError("sql lists the fields it reads in native")
        if self.sql is None and isinstance(self.native, tuple):
            raise ValueError(f"native lists {len(self.fields)} fields; say in sql how they become one value")
        needs = self.constant is not None or self.sql is not None or self.factor is not None
        if needs and self.why is None:
            raise ValueError("a constant, sql or factor needs a why of at least 20 characters beside it")
        if self.values is None and self.unlisted != "refuse":
            raise ValueError("unlisted goes with values")
        return self


class Join(_Strict):
    """A table looked up for every row of `from`; what is not found is null, so that no row gets lost.

    `on` names fields that are equal in both, or maps fields of this table to `TABLE.FIELD` of those before it.
    `where` keeps rows of this table. It must then hold one row per key, or `pick` says by which order the first of
    several is taken. A table that is looked up twice has a name of its own each time, given by `as`.
    """

    table: Table
    alias: Table | None = Field(default=None, alias="as")
    on: Annotated[tuple[Native, ...], Field(min_length=1)] | Annotated[dict[Native, Native], Field(min_length=1)]
    fields: tuple[Native, ...] = ()
    where: str | None = None
    pick: str | None = None
    why: Reason | None = None

    @property
    def name(self) -> str:
        """How the branch calls the table."""
        return self.alias or self.table

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if (self.where or self.pick) and self.why is None:
            raise ValueError(f"join {self.table}: where and pick need a why of at least 20 characters beside them")
        return self


class Total(_Strict):
    """Rows with equal keys become one: what is done with every column beside the key."""

    columns: Annotated[dict[Name, Literal["sum", "min", "max", "first"]], Field(min_length=1)]
    why: Reason


class Branch(_Strict):
    """One way to fill a feed: the rows of table `from`, looked up in `joins`, each a row of the feed.

    `where` tells which rows belong to the feed at all; the others are counted as excluded, with `where_why` as the
    reason. `fields` lists what `where` reads. `total` adds up the rows of one key where the source keeps them finer
    than the feed; such a row keeps the file and number of its first one.
    """

    table: Table = Field(alias="from")
    joins: tuple[Join, ...] = ()
    where: str | None = None
    where_why: Reason | None = None
    fields: tuple[Native, ...] = ()
    total: Total | None = None
    columns: Annotated[dict[Name, Spelling], Field(min_length=1)]

    @field_validator("columns", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: {"native": s} if isinstance(s, str) else s for name, s in value.items()}

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if (self.where is None) != (self.where_why is None):
            raise ValueError("where and where_why go together: say why these rows are not of the feed")
        twice = sorted({name for name in self.tables if self.tables.count(name) > 1})
        if twice:
            raise ValueError(f"table {twice[0]} stands twice; tell them apart by `as`")
        for join in self.joins:
            for mine, theirs in join_fields(join, self.table).items():
                table, _ = split(theirs, self.tables, self.table)
                if self.tables.index(table) >= self.tables.index(join.name):
                    raise ValueError(f"join {join.table}: on {mine} = {theirs} looks into a table that comes later")
        return self

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the driving table, then of those looked up."""
        return (self.table, *(join.name for join in self.joins))

    @property
    def stored(self) -> dict[str, str]:
        """Name in the branch → table of the source."""
        return {self.table: self.table} | {join.name: join.table for join in self.joins}

    @cached_property
    def used(self) -> dict[str, tuple[str, ...]]:
        """Native fields by name of the table, in the order of first use."""
        found: dict[str, dict[str, None]] = {table: {} for table in self.tables}
        for spelling in self.columns.values():
            for field in spelling.fields:
                self._note(found, field, self.table)
        for field in self.fields:
            self._note(found, field, self.table)
        for join in self.joins:
            for mine, theirs in join_fields(join, self.table).items():
                found[join.name].setdefault(mine)
                self._note(found, theirs, self.table)
            for field in join.fields:
                found[join.name].setdefault(field)
        return {table: tuple(fields) for table, fields in found.items()}

    def _note(self, found: dict[str, dict[str, None]], field: str, default: str) -> None:
        table, name = split(field, self.tables, default)
        found[table].setdefault(name)

    def sources(self, column: str) -> tuple[str, ...]:
        """`TABLE.FIELD` of everything a canonical column is made of; empty for a constant or an absent column."""
        spelling = self.columns.get(column)
        pairs = (split(field, self.tables, self.table) for field in (spelling.fields if spelling else ()))
        return tuple(f"{self.stored[table]}.{name}" for table, name in pairs)


def join_fields(join: Join, driving: str) -> dict[str, str]:
    """Field of the joined table → `TABLE.FIELD` that it equals."""
    return dict(join.on) if isinstance(join.on, dict) else {name: f"{driving}.{name}" for name in join.on}


def split(field: str, tables: tuple[str, ...], default: str) -> tuple[str, str]:
    """Table and field of a native name; a name without a known table is a field of `default`."""
    for table in sorted(tables, key=len, reverse=True):
        if field.startswith(f"{table}."):
            return table, field[len(table) + 1 :]
    return default, field


def identifier(name: str) -> str:
    """A native name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Layout(_Strict):
    """How the source writes its files; `delimiter` is what `strata stage` states in the manifest."""

    encoding: Encoding = "utf-8"
    delimiter: Literal[",", ";", "\t", "|"] = ","
    header: Literal["present", "absent"] = "present"
    quote: Literal["double", "none"] = "double"
    trim: bool = False


class NativeTable(_Strict):
    """A table of the source.

    `columns` in file order where files have no header, `types` of fields that only `sql` reads and that Parquet
    stores typed, `file` where the file is not called like the table (without its ending).
    """

    columns: tuple[Native, ...] | None = None
    types: dict[Native, NativeType] = Field(default_factory=dict)
    file: str | None = None

    @field_validator("columns")
    @classmethod
    def _distinct(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        lower = [name.lower() for name in value or ()]
        twice = sorted({name for name in lower if lower.count(name) > 1})
        if twice:
            raise ValueError(f"columns: {twice} stand twice")
        return value


class FeedMapping(_Strict):
    """One feed in one system. An extract brings the tables of one branch or of several; rows of all are united."""

    grain: Literal["event", "day", "week", "month"]
    time_zone: str | None = None
    note: str | None = None
    sources: Annotated[tuple[Branch, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        driving = [branch.table for branch in self.sources]
        twice = sorted({table for table in driving if driving.count(table) > 1})
        if twice:
            raise ValueError(f"sources: two are from {twice[0]}; one table fills a feed in one way")
        return self


class Mapping(_Strict):
    """One file of `config/mappings/`: a system's spelling of the feeds it can fill."""

    mapping: Name
    description: Reason
    time_zone: str | None = None
    layout: Layout = Layout()
    tables: dict[Table, NativeTable] = Field(default_factory=dict)
    feeds: Annotated[dict[FeedName, FeedMapping], Field(min_length=1)]

    @model_validator(mode="after")
    def _known_tables(self) -> Self:
        used = {t for feed in self.feeds.values() for branch in feed.sources for t in branch.stored.values()}
        unused = sorted(set(self.tables) - used)
        if unused:
            raise ValueError(f"tables: no feed reads {unused}; take them out")
        return self


class MappedFeed(_Strict):
    """What a contract takes over from a mapping: the part of the file that concerns one feed."""

    mapping: Name
    grain: Literal["event", "day", "week", "month"]
    layout: Layout
    tables: dict[Table, NativeTable]
    branches: tuple[Branch, ...]

    def sources(self, column: str) -> tuple[str, ...]:
        """`TABLE.FIELD` of everything a canonical column is made of, over all branches."""
        return tuple(dict.fromkeys(name for branch in self.branches for name in branch.sources(column)))


class _System(_Strict):
    mapping: Name


class _Systems(_Strict):
    systems: dict[Name, _System]


def load_mapping(path: Path) -> Mapping:
    """Read one mapping's shape (its SQL: `strata.intake.expressions`); ValueError naming file, place and fault."""
    mapping = _validated(Mapping, path)
    if mapping.mapping != path.stem:
        raise ValueError(f"{path}: says it is {mapping.mapping}; name the file {mapping.mapping}.yml")
    return mapping


def load_systems(path: Path) -> dict[str, str]:
    """Mapping by system from `systems.yml`; empty where the file is not there."""
    if not path.exists():
        return {}
    systems = _validated(_Systems, path)
    return {system: entry.mapping for system, entry in systems.systems.items()}


def mapped_feed(mapping: Mapping, feed: str) -> MappedFeed | None:
    """The part of a mapping about one feed (`erp/items`); None where it has none."""
    part = mapping.feeds.get(feed)
    if part is None:
        return None
    used = {table for branch in part.sources for table in branch.stored.values()}
    tables = {name: table for name, table in mapping.tables.items() if name in used}
    return MappedFeed(
        mapping=mapping.mapping, grain=part.grain, layout=mapping.layout, tables=tables, branches=part.sources
    )


def _validated(model: type[Model], path: Path) -> Model:
    try:
        return model.model_validate(load_yaml(path))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ValueError(f"{path}: {faults}") from error
