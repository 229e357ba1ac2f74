"""What one role sees of one table: each column plain, as a pseudonym or not at all, with the reason; and which rows.

Belongs here: the policy applied to a table by its lineage. Does not: the policy itself (`strata.serving.access`),
reading and writing files (`strata.serving.export`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from strata.intake.contract import Contract
from strata.serving.access import ALL_REGIONS, AccessError, Contracts, Except, Role, Roles
from strata.tables import TABLES

RELEASE_ID = "release_id"
REGION = "region"
Treatment = Literal["plain", "pseudonym", "withheld"]
Pseudonymise = Callable[[str, pa.Array], pa.Array]


@dataclass(frozen=True, slots=True)
class Source:
    """A feed column whose values a published column carries."""

    system: str
    feed: str
    column: str

    @property
    def key(self) -> tuple[str, str]:
        return self.system, self.feed

    @property
    def is_control(self) -> bool:
        """What intake adds to every row (`_file`, `*` for its being there) tells of deliveries, not of the feed."""
        return self.column.startswith(("_", "*"))


@dataclass(frozen=True, slots=True)
class Carried:
    """Where a published column comes from, as `lineage_field` of the release says."""

    sources: tuple[Source, ...]
    transformation: str
    personal_data: str

    @property
    def repeats_a_feed(self) -> bool:
        """Row by row what one feed says, not something that Strata decided, put together or summed up."""
        told = [source for source in self.sources if not source.is_control]
        return len({source.key for source in told}) == 1 and self.transformation in ("copy", "compute")


@dataclass(frozen=True, slots=True)
class Shown:
    """One column as a role sees it; `reason` says why not plain."""

    name: str
    treatment: Treatment
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """One table as a role sees it; rows of `regions` (None: all of them)."""

    table: str
    columns: tuple[Shown, ...]
    regions: tuple[str, ...] | None

    @property
    def names(self) -> list[str]:
        """Columns that are seen, in order."""
        return [column.name for column in self.columns if column.treatment != "withheld"]

    @property
    def hidden_order(self) -> list[str]:
        """Columns to sort by where pseudonyms stand, so that the order of rows does not tell the values."""
        hashed = [column.name for column in self.columns if column.treatment == "pseudonym"]
        return hashed and [*hashed, *(name for name in TABLES[self.table].keys if name not in hashed)]

    def apply(self, rows: pa.Table, pseudonymise: Pseudonymise) -> pa.Table:
        """Rows and columns that the role sees, pseudonyms in place of values; `pseudonymise(column, values)`."""
        if self.regions is not None:
            rows = rows.filter(pc.is_in(rows[REGION], value_set=pa.array(self.regions, pa.string())))
        shown = rows.select(self.names)
        for column in self.columns:
            if column.treatment == "pseudonym":
                at = shown.schema.get_field_index(column.name)
                values = pseudonymise(column.name, shown.column(at).combine_chunks())
                shown = shown.set_column(at, shown.schema.field(at), values)
        return shown


def carried_by(lineage: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Carried]]:
    """By table and column, from the rows of a release's `lineage_field`."""
    found: dict[str, dict[str, Carried]] = {}
    for row in lineage:
        names = [name for name in row["source_columns"].split("; ") if name]
        sources = tuple(Source(*name.split(".", 2)) for name in names)
        carried = Carried(sources, row["transformation"], row["personal_data"])
        found.setdefault(row["table_name"], {})[row["column_name"]] = carried
    return found


def sight(
    name: str, role_name: str, roles: Roles, contracts: Contracts, lineage: Mapping[str, Carried], today: date
) -> Sight:
    """What a role sees of a table.

    Args:
        name: the table.
        role_name: who looks.
        roles: all of them.
        contracts: as in force: a grant that has ended grants nothing.
        lineage: of the table's columns; a column without any is withheld.
        today: the day on which somebody looks.

    Raises:
        AccessError: the role is unknown or may not see the table; it says who grants it.
    """
    role, known_as = roles.role(role_name), roles.known_as(role_name)
    if name not in TABLES:
        raise AccessError(f"table {name!r} is not published; the tables are {sorted(TABLES)}")
    table = TABLES[name]
    if name not in role.tables:
        raise AccessError(
            f"table {name}: role {role_name} may not see it; its owner {table.owner} (steward {table.steward}) grants "
            f"it in config/roles.yml{_grantors(lineage, contracts)}; role {role_name} sees {sorted(role.tables)}"
        )
    columns = []
    for column in table.columns:
        shown = _column(column.name, column.kind, name, role, known_as, contracts, lineage, today)
        if shown.treatment == "withheld" and column.name in table.keys:
            raise AccessError(f"table {name}: role {role_name} may not see its key {column.name}: {shown.reason}")
        columns.append(shown)
    columns.append(Shown(RELEASE_ID, "plain"))
    regions = None if ALL_REGIONS in role.regions else (*role.regions, *((ALL_REGIONS,) if role.shared_rows else ()))
    return Sight(name, tuple(columns), regions)


def _column(
    column: str, kind: str, table: str, role: Role, known_as: str, contracts: Contracts,
    lineage: Mapping[str, Carried], today: date,
) -> Shown:  # fmt: skip
    grant = role.tables[table]
    if (isinstance(grant, tuple) and column not in grant) or (isinstance(grant, Except) and column in grant.denied):
        return Shown(column, "withheld", f"not granted in config/roles.yml; {TABLES[table].owner} grants it")
    carried = lineage.get(column)
    if carried is None or carried.transformation == "undeclared":
        return Shown(column, "withheld", "its lineage is not known, so nobody can say whose values it carries")
    personal = [source for source in carried.sources if _is_personal(source, carried, contracts)]
    refused = [why for source in personal if (why := _refusal(contracts.get(source.key), source, known_as, today))]
    if refused and (role.personal_data == "withhold" or kind != "text"):
        return Shown(column, "withheld", f"personal data: {refused[0]}")
    if refused:
        return Shown(column, "pseudonym", f"personal data: {refused[0]}")
    if carried.repeats_a_feed and column != REGION:  # the company's own word, in every table
        reasons = [_refusal(contracts.get(source.key), source, known_as, today) for source in carried.sources]
        if all(reasons):
            return Shown(column, "withheld", f"repeats a feed: {reasons[0]}")
    if isinstance(grant, Except) and column in grant.pseudonymised:
        return Shown(column, "pseudonym", "pseudonymised in config/roles.yml")
    return Shown(column, "plain")


def _is_personal(source: Source, carried: Carried, contracts: Contracts) -> bool:
    """By the contract in force; where it has no such column any more, as the release recorded it."""
    contract = contracts.get(source.key)
    if contract is None:
        return carried.personal_data != "none"
    if source.column in contract.names:
        return contract.column(source.column).personal_data != "none"
    return not source.is_control and carried.personal_data != "none"


def _refusal(contract: Contract | None, source: Source, role: str, today: date) -> str | None:
    """Why a contract does not let a role read a feed, and who may change that; None where it does."""
    where = f"{source.system}/{source.feed}"
    if contract is None:
        return f"{where} has no contract that could grant it"
    if role not in contract.roles:
        return f"{where} is not granted to {role}; its grantor is {contract.grantor}"
    if today > contract.expiry:
        return f"the grant of {where} ended on {contract.expiry}; {contract.grantor} has to renew it"
    return None


def _grantors(lineage: Mapping[str, Carried], contracts: Contracts) -> str:
    keys = {source.key for carried in lineage.values() for source in carried.sources}
    found = sorted({contracts[key].grantor for key in keys if key in contracts})
    return f"; the feeds behind it are granted by {', '.join(found)}" if found else ""
