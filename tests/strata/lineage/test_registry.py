"""The registry of the project: lineage written by hand for chosen columns, and what stops a build."""

import copy
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestration.definitions import build_definitions
from strata import tables
from strata.conformed.dbt_pass import parse_project
from strata.derivation import Derivation, Inputs, copied
from strata.home import REPOSITORY, Home
from strata.intake.contract import Contract, load_contracts
from strata.lineage import flow, registry
from strata.lineage.origin import LineageError
from strata.lineage.registry import CRITICAL, Registry, build_registry, registry_of

NO_HOME = Home(REPOSITORY / "docs" / "no-home")
SALES, STOCK, ITEMS = "erp.sales_order_lines", "wms.stock_snapshots", "erp.items"

# Written by hand from the SQL and the methods, not from the program. Field, how it comes about, feed columns.
ORACLE = [
    ("int_item_version.category", "copy", {f"{ITEMS}.category"}),
    ("fct_sales_line.net_amount", "copy", {f"{SALES}.net_amount"}),
    ("demand_history.demand_units", "aggregate", {f"{SALES}.quantity"}),
    ("demand_history.revenue", "aggregate", {f"{SALES}.net_amount"}),
    ("demand_history.margin", "aggregate", {f"{SALES}.net_amount", f"{SALES}.quantity", f"{ITEMS}.standard_cost"}),
    ("demand_history.order_lines", "aggregate", {f"{SALES}.*"}),
    (
        "demand_history.is_censored",
        "aggregate",
        {f"{STOCK}.{name}" for name in ("sku_id", "location_id", "snapshot_date", "stockout_days", "days_covered")},
    ),
    ("demand_profile.revenue", "aggregate", {f"{SALES}.net_amount"}),
    (
        "segment_assignment.value_class",
        "aggregate",
        {f"{SALES}.net_amount", f"{SALES}.quantity", f"{ITEMS}.standard_cost"},
    ),
    ("dim_item.item_name", "copy", {f"{ITEMS}.item_name"}),
    ("dim_location.location_type", "copy", {"wms.sites.location_type"}),
    ("lead_time_profile.supplier_id", "copy", {"erp.purchase_order_lines.supplier_id"}),
    (
        "lead_time_profile.mean_days",
        "aggregate",
        {"erp.purchase_order_lines.ordered_at", "erp.goods_receipts.received_at", "erp.goods_receipts.quantity"},
    ),
    ("inventory_policy.order_multiple_units", "compute", {"erp.supplier_items.order_multiple"}),
    ("reconciliation.amount", "aggregate", {f"{SALES}.net_amount"}),
]


@pytest.fixture(scope="module")
def found() -> Registry:
    return registry_of(NO_HOME)


@pytest.mark.capability("2.6", part="column lineage from the SQL itself and declared steps, down to feed columns")
@pytest.mark.parametrize(("name", "how", "sources"), ORACLE, ids=[name for name, _, _ in ORACLE])
def test_lineage_is_what_was_written_by_hand(found: Registry, name: str, how: str, sources: set[str]) -> None:
    table, column = name.split(".")
    field = found.by_name[table, column]
    assert set(field.source_columns) >= sources
    # What others add later (a conversion, a second source) may join, but never of a feed that has no part in it.
    assert {source.rsplit(".", 1)[0] for source in sources} <= {s.rsplit(".", 1)[0] for s in field.source_columns}
    assert field.transformation in (how, "compute", "aggregate")


@pytest.mark.parametrize(
    ("name", "decider"),
    [
        ("demand_history.demand_units", f"{SALES}.line_type"),
        ("demand_history.demand_units", f"{SALES}.unit"),
        ("demand_history.demand_units", f"{ITEMS}.status"),
        ("demand_history.demand_units", "wms.sites.region"),
        ("inventory_policy.safety_stock_units", "erp.purchase_order_lines.status"),
    ],
)
def test_what_only_decides_is_told_apart(found: Registry, name: str, decider: str) -> None:
    field = found.by_name[tuple(name.split("."))]  # type: ignore[index]
    assert decider in field.decided_by and decider not in field.source_columns


def test_what_has_no_part_in_a_class_is_not_critical(found: Registry) -> None:
    for name in ("item_name", "gtin"):  # a list price finds the like items of the ladder, a supplier those of a rule
        assert found.by_name[ITEMS, name].criticality != "segmentation", name
    for name in ("quantity", "net_amount", "line_type", "ordered_at", "unit", "currency"):
        assert found.by_name[SALES, name].criticality == "segmentation", name


@pytest.mark.capability("2.1", part="registry of every field: source, meaning, owner, steward, SLA, criticality")
def test_every_field_of_feeds_models_and_tables_is_registered(found: Registry) -> None:
    contracts = load_contracts(NO_HOME.config / "feeds")
    for (system, feed), contract in contracts.items():
        assert set(contract.names) < {field.column for field in found.of_table(f"{system}.{feed}")}
    for name, table in tables.TABLES.items():
        assert [field.column for field in found.of_table(name)] == table.names
    assert {"int_item_version", "fct_sales_line"} <= {field.table for field in found.fields}
    assert {field.table for field in found.fields if field.criticality == "segmentation"} >= {
        *CRITICAL,
        "demand_profile",
    }


@pytest.mark.capability("2.1", part="native fields of ready mappings beside each attribute")
@pytest.mark.parametrize(
    ("feed", "column", "native"),
    [
        (ITEMS, "sku_id", "sap:MARA.MATNR"),
        (SALES, "quantity", "sap:VBAP.KWMENG"),
        (SALES, "net_amount", "sap:VBAP.NETWR"),
    ],
)
def test_a_feed_column_is_told_as_the_source_system_spells_it(
    found: Registry, feed: str, column: str, native: str
) -> None:
    assert native in found.by_name[feed, column].spelled


def test_a_home_that_has_a_mapping_names_its_own_fields(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    (tmp_path / "config" / "systems.yml").write_text("systems:\n  erp: {mapping: sap}\n", encoding="utf-8")
    field = registry_of(Home(tmp_path)).by_name["demand_history", "revenue"]
    assert "VBAP.NETWR" in field.source_fields


def test_every_published_column_says_what_it_is_computed_from(found: Registry) -> None:
    undeclared = [f"{f.table}.{f.column}" for f in found.fields if f.transformation == "undeclared"]
    assert undeclared == [], "declare a step beside the code that computes it (strata/derivation.py)"


def test_the_project_lacks_nothing(found: Registry) -> None:
    assert found.faults() == []


def test_the_published_table_holds_every_field_once(found: Registry) -> None:
    table = found.table(valid_for_cycle="2026-07", scheme_version="2017.1")
    assert table.num_rows == len(found.fields)
    row = next(
        row for row in table.to_pylist() if (row["table_name"], row["column_name"]) == ("demand_history", "revenue")
    )
    assert row["source_columns"].split("; ")[0] == f"{SALES}.net_amount"
    assert row["freshness_sla_hours"] >= 30 and row["steward"] == "demand-steward"


# What is taken away, and what the build then says.
Removal = tuple[str, Callable[[dict[str, Any], dict[str, Contract], pytest.MonkeyPatch], None], str]


def _contract(**change: Any) -> Callable[..., None]:
    def remove(manifest: dict[str, Any], contracts: dict[str, Contract], patch: pytest.MonkeyPatch) -> None:
        contracts[SALES] = contracts[SALES].model_copy(update=change)

    return remove


def _meaning(manifest: dict[str, Any], contracts: dict[str, Contract], patch: pytest.MonkeyPatch) -> None:
    columns = [c.model_copy(update={"meaning": " "}) if c.name == "net_amount" else c for c in contracts[SALES].columns]
    contracts[SALES] = contracts[SALES].model_copy(update={"columns": tuple(columns)})


def _model(name: str) -> Callable[..., None]:
    def remove(manifest: dict[str, Any], contracts: dict[str, Contract], patch: pytest.MonkeyPatch) -> None:
        manifest["nodes"]["model.strata.fct_sales_line"]["config"]["meta"].pop(name)

    return remove


def _description(manifest: dict[str, Any], contracts: dict[str, Contract], patch: pytest.MonkeyPatch) -> None:
    manifest["nodes"]["model.strata.fct_sales_line"]["columns"]["quantity"]["description"] = ""


def _table_steward(manifest: dict[str, Any], contracts: dict[str, Contract], patch: pytest.MonkeyPatch) -> None:
    patch.delitem(tables.STEWARDS, "segmentation")


def _instead(step: Derivation) -> Callable[..., None]:
    def replace(manifest: dict[str, Any], contracts: dict[str, Contract], patch: pytest.MonkeyPatch) -> None:
        steps = tuple(step if old.name == step.name else old for old in flow.STEPS)
        patch.setattr(registry, "build_graph", lambda m, c: flow.build_graph(m, c, steps))

    return replace


def _declared(name: str, **change: Inputs) -> Derivation:
    found = next(step for step in flow.STEPS if step.name == name)
    assert isinstance(found, Derivation)
    return dataclasses.replace(found, columns={**found.columns, **change})


NO_FEED = Derivation("segment_assignment", dict.fromkeys(tables.SEGMENT_ASSIGNMENT.names, copied("run.cycle")))


def _steps(name: str) -> Callable[..., None]:
    def remove(manifest: dict[str, Any], contracts: dict[str, Contract], patch: pytest.MonkeyPatch) -> None:
        kept = tuple(step for step in flow.STEPS if step.name != name)
        patch.setattr(registry, "build_graph", lambda m, c: flow.build_graph(m, c, kept))

    return remove


REMOVALS: list[Removal] = [
    ("owner of a contract", _contract(owner="  "), rf"{SALES}\.net_amount .* lacks an owner: .*sales_order_lines\.yml"),
    ("steward of a contract", _contract(steward=""), rf"{SALES}\.quantity .* lacks a steward"),
    ("definition of a contract's column", _meaning, rf"{SALES}\.net_amount .* lacks a definition"),
    ("owner of a model", _model("owner"), r"fct_sales_line\.quantity .* lacks an owner: .*fct_sales_line\.yml"),
    ("steward of a model", _model("steward"), r"fct_sales_line\.quantity .* lacks a steward"),
    ("description of a model's column", _description, r"fct_sales_line\.quantity .* lacks a definition"),
    ("steward of a table", _table_steward, r"segment_assignment\.value_class .* lacks a steward: .*strata/tables\.py"),
    (
        "inputs of a declared column",
        _instead(_declared("segment_assignment", value_class=Inputs("copy", ()))),
        r"segment_assignment\.value_class .* lacks lineage",
    ),
    ("every feed of a column", _instead(NO_FEED), r"segment_assignment\.segment .* lacks a freshness SLA"),
    (
        "column that a declaration reads",
        _instead(_declared("segment_assignment", value_class=copied("class_level.gone"))),
        r"class_level\.gone is declared as an input, but class_level has columns",
    ),
    ("step of the decision", _steps("segment_assignment"), r"segment_assignment.* is computed from"),
    ("step on the way", _steps("demand_shape"), r"table demand_shape: nothing says what it is computed from"),
]


@pytest.mark.capability(
    "2.6", part="nothing is built where a critical field lacks owner, steward, definition, SLA, lineage"
)
@pytest.mark.parametrize(("what", "remove", "message"), REMOVALS, ids=[what for what, _, _ in REMOVALS])
def test_the_build_stops_and_names_field_and_lack(
    monkeypatch: pytest.MonkeyPatch, what: str, remove: Callable[..., None], message: str
) -> None:
    parsed = json.loads(parse_project(REPOSITORY / "dbt_project").read_bytes())
    manifest = copy.deepcopy(parsed)
    contracts = {f"{c.system}.{c.feed}": c for c in load_contracts(NO_HOME.config / "feeds").values()}
    remove(manifest, contracts, monkeypatch)
    monkeypatch.setattr(
        "orchestration.definitions.registry_of", lambda home: build_registry(manifest, contracts.values())
    )
    with pytest.raises(LineageError, match=message):
        build_definitions(NO_HOME)


@pytest.mark.parametrize("line", ["owner: master-data", "steward: item-master", "refresh_sla_hours: 192"])
def test_a_contract_file_that_lacks_one_does_not_load(tmp_path: Path, line: str) -> None:
    text = (REPOSITORY / "config/feeds/erp/items.yml").read_text(encoding="utf-8")
    folder = tmp_path / "config" / "feeds" / "erp"
    folder.mkdir(parents=True)
    (folder / "items.yml").write_text(text.replace(f"{line}\n", ""), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"items\.yml: {line.split(':')[0]}: Field required"):
        registry_of(Home(tmp_path))
