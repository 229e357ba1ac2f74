"""No role sees a row or a column that was not granted to it, by config/roles.yml or by the contract of a feed."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.home import REPOSITORY
from strata.intake.contract import Contract
from strata.serving.access import AccessError, Role, Roles, load_roles
from strata.serving.pseudonym import Pseudonyms, pseudonyms
from strata.serving.sight import Carried, Sight, Source, sight
from strata.tables import TABLES
from tests.strata.intake.drops import CONTRACTS

WHY = "a role of tests, which sees what a test lets it see"
TODAY = date(2026, 3, 1)
NAMES = Pseudonyms(bytes(32))
SHIPPED = REPOSITORY / "config" / "roles.yml"
CUSTOMERS = ("erp", "customers")


def role(**said: Any) -> Role:
    return Role.model_validate(
        {"regions": ["*"], "shared_rows": True, "personal_data": "pseudonymise", "tables": {}, "rationale": WHY} | said
    )


def look(
    name: str,
    one: Role,
    *,
    contracts: Mapping[tuple[str, str], Contract] = CONTRACTS,
    lineage: Mapping[str, Carried] | None = None,
    as_role: str = "planner",
) -> Sight:
    known = lineage if lineage is not None else {c: Carried((), "run", "none") for c in TABLES[name].names}
    return sight(name, as_role, Roles(roles={as_role: one}, rationale=WHY), contracts, known, TODAY)


@pytest.mark.capability("2.8", part="rows of other regions and columns not granted never leave")
@settings(max_examples=200)
@given(data=st.data())
def test_nothing_that_was_not_granted_is_visible(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(TABLES)))
    declared = TABLES[name]
    rows = data.draw(st.lists(st.sampled_from(["EMEA", "APAC", "*"]), max_size=6))
    cells = {column: rows if column == "region" else ["x"] * len(rows) for column in declared.names}
    table = pa.table({column: pa.array(values, pa.string()) for column, values in cells.items()})
    table = table.append_column("release_id", pa.array(["r"] * len(rows), pa.string()))
    granted = data.draw(st.sets(st.sampled_from(declared.names))) | set(declared.keys)
    regions = data.draw(st.sampled_from([["EMEA"], ["APAC"], ["EMEA", "APAC"], ["*"]]))
    shared = regions == ["*"] or data.draw(st.booleans())
    one = role(regions=regions, shared_rows=shared, tables={name: sorted(granted)})
    seen = look(name, one).apply(table, NAMES.column)
    assert set(seen.column_names) == granted | {"release_id"}
    allowed = {"EMEA", "APAC", "*"} if regions == ["*"] else {*regions, *(["*"] if shared else [])}
    assert seen.num_rows == len([region for region in rows if region in allowed])
    other = next(one for one in TABLES if one != name)
    with pytest.raises(AccessError, match=f"owner {TABLES[other].owner} .*grants it in config/roles.yml"):
        look(other, one)


def customers(transformation: str = "compute") -> dict[str, Carried]:
    own = {name: Carried((Source("erp", "customers", name),), transformation, "none") for name in CUSTOMER_COLUMNS}
    return {name: own.get(name, Carried((), "run", "none")) for name in TABLES["dim_customer"].names}


CUSTOMER_COLUMNS = ("customer_id", "customer_name", "region", "channel", "priority")


@pytest.mark.capability("2.8", part="what carries personal data is hidden from roles that its contract does not name")
def test_personal_columns_follow_the_contract_of_their_feed() -> None:
    grant = role(tables={"dim_customer": "all"})
    assert "buyer" not in CONTRACTS[CUSTOMERS].roles and "planner" in CONTRACTS[CUSTOMERS].roles
    plain = look("dim_customer", grant, lineage=customers())
    assert {column.treatment for column in plain.columns} == {"plain"}
    hidden = {c.name: c for c in look("dim_customer", grant, lineage=customers(), as_role="buyer").columns}
    assert {name for name, c in hidden.items() if c.treatment == "pseudonym"} == {"customer_id", "customer_name"}
    # what else the feed says row by row is not the role's to read either; the region is the company's own word
    assert {name for name, c in hidden.items() if c.treatment == "withheld"} == {"channel", "priority"}
    assert "data-protection-officer" in str(hidden["customer_id"].reason)
    # summed up it is no longer what the feed says, but a person is still a person
    summed = {c.name: c for c in look("dim_customer", grant, lineage=customers("aggregate"), as_role="buyer").columns}
    assert summed["priority"].treatment == "plain" and summed["customer_name"].treatment == "pseudonym"
    with pytest.raises(AccessError, match=r"key customer_id: .*grantor is data-protection-officer"):
        strict = role(tables={"dim_customer": "all"}, personal_data="withhold")
        look("dim_customer", strict, lineage=customers(), as_role="buyer")


def test_a_grant_that_has_ended_and_a_contract_that_is_gone_grant_nothing() -> None:
    grant = role(tables={"dim_customer": "all"})
    ended = CONTRACTS[CUSTOMERS].model_copy(update={"expiry": date(2026, 2, 28)})
    seen = look("dim_customer", grant, lineage=customers(), contracts={**CONTRACTS, CUSTOMERS: ended})
    assert next(c for c in seen.columns if c.name == "customer_name").treatment == "pseudonym"
    gone = {key: contract for key, contract in CONTRACTS.items() if key != CUSTOMERS}
    recorded = {
        name: Carried(c.sources, c.transformation, "personal" if c.sources else "none")
        for name, c in customers().items()
    }
    seen = look("dim_customer", grant, lineage=recorded, contracts=gone)
    treated = {c.name: c.treatment for c in seen.columns}
    assert treated["customer_name"] == "pseudonym" and treated["priority"] == "withheld"


def test_a_column_whose_lineage_is_not_known_is_withheld() -> None:
    lineage = {name: carried for name, carried in customers().items() if name != "channel"}
    seen = look("dim_customer", role(tables={"dim_customer": "all"}), lineage=lineage)
    assert "channel" not in seen.names and "customer_name" in seen.names


@pytest.mark.capability("2.8", part="an undeclared role is refused")
def test_a_role_that_nobody_declared_is_refused() -> None:
    with pytest.raises(AccessError, match="not declared"):
        Roles(roles={"planner": role()}, rationale=WHY).role("root")


def test_the_shipped_roles_are_those_of_the_contracts() -> None:
    roles = load_roles(SHIPPED, CONTRACTS)
    assert {roles.known_as(name) for name in roles.roles} == {name for c in CONTRACTS.values() for name in c.roles}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"roles.buyer.tables.dim_itm": "all"}, "roles.buyer: .*'dim_itm' is not published"),
        ({"roles.buyer.tables.dim_item": {"denied": ["cost"]}}, r"tables.dim_item: columns \['cost'\] do not exist"),
        ({"roles.buyer.tables.dim_item": {"denied": ["sku_id"]}}, r"tables.dim_item: without its keys \['sku_id'\]"),
        ({"roles.buyer.tables.dim_item": ["item_name"]}, r"tables.dim_item: without its keys \['sku_id'\]"),
        ({"roles.buyer.tables.dim_item": {"pseudonymised": ["list_price"]}}, "no text"),
        ({"roles.buyer.regions": ["east"]}, "roles.buyer: .*region 'east' is not allowed"),
        ({"roles.buyer.regions": ["*", "EAST"]}, "roles.buyer: .*all of them"),
        ({"roles.buyer.personal_data": "show"}, "roles.buyer.personal_data"),
        ({"roles.buyer.rationale": "tbd"}, "roles.buyer.rationale"),
        ({"roles.buyer.extra": 1}, "roles.buyer.extra"),
        ({"roles.buyer.contract_role": "driver"}, "roles.buyer.contract_role: no contract grants 'driver'"),
        ({"roles.buyer.contract_role": "planner"}, r"grant \['buyer'\], which is not declared"),
    ],
)
def test_faults_of_the_file_name_file_and_key(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    content = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    for where, value in change.items():
        node: Any = content
        *path, last = where.split(".")
        for part in path:
            node = node[part]
        node[last] = value
    file = tmp_path / "roles.yml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ValueError, match=r"(?s)roles\.yml: .*" + words):
        load_roles(file, CONTRACTS)


def test_without_a_file_nobody_sees_anything(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="copy config/roles.yml"):
        load_roles(tmp_path / "roles.yml", CONTRACTS)


@pytest.mark.capability("2.8", part="pseudonyms are stable under one key, and the key is its owner's alone")
def test_pseudonyms_need_the_key(tmp_path: Path) -> None:
    key = tmp_path / "secrets" / "pseudonym.key"
    values = pa.array(["C1", "C2", None, "C1"])
    first = pseudonyms(key).column("customer_id", values).to_pylist()
    assert first == pseudonyms(key).column("customer_id", values).to_pylist()
    assert first[0] == first[3] != first[1] and first[2] is None
    assert first[0] != pseudonyms(key).column("account_id", values)[0].as_py()
    assert first != pseudonyms(tmp_path / "other.key").column("customer_id", values).to_pylist()
    assert key.stat().st_mode & 0o777 == 0o600 and key.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in key.parent.iterdir()] == [key.name]
    key.chmod(0o644)
    with pytest.raises(ValueError, match="chmod 600"):
        pseudonyms(key)
    key.chmod(0o600)
    key.write_bytes(b"short")
    with pytest.raises(ValueError, match="5 bytes"):
        pseudonyms(key)
