"""Who may see which rows and columns of a release: config/roles.yml and the feeds' contracts, denied unless said.

`roles.yml` says which tables, columns and regions a role has. A contract says which roles may read its feed: a
published column that carries one of the feed's personal columns, or repeats what one feed says, follows the contract by
lineage, whatever `roles.yml` says.

Belongs here: the policy. Does not: applying it to rows (`strata.serving.sight`), writing files
(`strata.serving.export`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from strata.intake.contract import Contract
from strata.partition import checked_region
from strata.strict_yaml import load_yaml
from strata.tables import TABLES

ALL_REGIONS = "*"
ROLES_FILE = "roles.yml"
Rationale = Annotated[str, Field(min_length=20)]
Contracts = Mapping[tuple[str, str], Contract]


class AccessError(ValueError):
    """A role is unknown or may not see what was asked for; the message names no forbidden value."""


class Except(BaseModel):
    """All columns of a table but those denied; those pseudonymised show a keyed hash."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    denied: tuple[str, ...] = ()
    pseudonymised: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if twice := sorted(set(self.denied) & set(self.pseudonymised)):
            raise ValueError(f"{twice} cannot be both denied and pseudonymised")
        return self


Grant = Literal["all"] | tuple[str, ...] | Except


class Role(BaseModel):
    """What a role may see. A table grants `all` its columns, those listed, or all but some.

    Attributes:
        contract_role: as which role the contracts know it; else by its own name.
        regions: whose rows it sees, `*` for all.
        shared_rows: whether it sees rows that belong to no single region.
        personal_data: what becomes of personal values that no contract grants it.
        tables: what it sees of which table.
        rationale: why so much and no more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    contract_role: str | None = None
    regions: Annotated[tuple[str, ...], Field(min_length=1)]
    shared_rows: bool
    personal_data: Literal["withhold", "pseudonymise"]
    tables: dict[str, Grant]
    rationale: Rationale

    @model_validator(mode="after")
    def _known(self) -> Self:
        if ALL_REGIONS not in self.regions:
            for region in self.regions:
                checked_region(region)
        elif len(self.regions) > 1 or not self.shared_rows:
            raise ValueError("regions: `*` is all of them, shared rows too; name nothing beside it")
        for name, grant in self.tables.items():
            if name not in TABLES:
                raise ValueError(f"tables: {name!r} is not published; see docs/tables.md")
            table, withheld = TABLES[name], isinstance(grant, Except)
            named = _named(grant)
            if unknown := sorted(set(named) - set(table.names)):
                raise ValueError(f"tables.{name}: columns {unknown} do not exist; see docs/tables.md")
            lacking = set(table.keys) & set(grant.denied if isinstance(grant, Except) else ())
            if not withheld and grant != "all":
                lacking = set(table.keys) - set(named)
            if lacking:
                raise ValueError(f"tables.{name}: without its keys {sorted(lacking)} rows mean nothing; leave it out")
            kinds = {column.name: column.kind for column in table.columns}
            hashed = grant.pseudonymised if isinstance(grant, Except) else ()
            if wrong := sorted(column for column in hashed if kinds[column] != "text"):
                raise ValueError(f"tables.{name}: {wrong} are no text, so they have no pseudonym; deny them")
        return self


class Roles(BaseModel):
    """All roles of a company."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    roles: Annotated[dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")], Role], Field(min_length=1)]
    rationale: Rationale

    def role(self, name: str) -> Role:
        """The role of this name; AccessError where nobody declared it."""
        if name not in self.roles:
            raise AccessError(f"role {name!r} is not declared in config/{ROLES_FILE}; it has {sorted(self.roles)}")
        return self.roles[name]

    def known_as(self, name: str) -> str:
        """The name by which contracts know a role."""
        return self.role(name).contract_role or name


def _named(grant: Grant) -> tuple[str, ...]:
    if isinstance(grant, Except):
        return (*grant.denied, *grant.pseudonymised)
    return () if grant == "all" else tuple(grant)


def load_roles(path: Path, contracts: Contracts) -> Roles:
    """Read the roles and hold them against the contracts.

    Raises:
        ValueError: naming file, key and fault; also where a contract grants a role that is not declared, or a role
            goes by a name that no contract grants.
    """
    if not path.is_file():
        raise ValueError(f"{path} is not there; copy config/{ROLES_FILE} of the project and say who may see what")
    try:
        roles = Roles.model_validate(load_yaml(path))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'roles'}: {e['msg']}" for e in error.errors())
        raise ValueError(f"{path}: {faults}") from error
    granted = {role for contract in contracts.values() for role in contract.roles}
    known = {roles.known_as(name) for name in roles.roles}
    for name, role in roles.roles.items():
        if role.contract_role is not None and role.contract_role not in granted:
            raise ValueError(
                f"{path}: roles.{name}.contract_role: no contract grants {role.contract_role!r}; they have "
                f"{sorted(granted)}"
            )
    if missing := sorted(granted - known):
        feeds = sorted("/".join(key) for key, contract in contracts.items() if set(contract.roles) & set(missing))
        raise ValueError(f"{path}: roles: the contracts of {feeds[:3]} grant {missing}, which is not declared")
    return roles
