"""Contracts: the shipped ones load, and every rule has an example that breaks it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from strata.home import REPOSITORY
from strata.intake.contract import Contract, load_contract, load_contracts

SHIPPED = REPOSITORY / "config" / "feeds"
# What a company's systems can send: the feeds that the product has a place for.
CANONICAL = {
    *(("erp", name) for name in (
        "items", "item_sites", "customers", "suppliers", "supplier_items", "sales_order_lines", "purchase_order_lines",
        "goods_receipts", "bill_of_materials", "price_conditions", "exchange_rates", "inventory_budget",
        "planning_parameters",
    )),
    *(("wms", name) for name in (
        "sites", "stock_snapshots", "stock_movements", "pick_tasks", "slots", "item_handling",
    )),
    *(("tms", name) for name in ("lanes", "rates", "shipments")),
    *(("crm", name) for name in (
        "accounts", "contracts", "sla_terms", "promotions", "incentives", "item_hierarchy",
    )),
    *(("planning", name) for name in ("forecast_overrides", "consensus_decisions", "resource_plan")),
}  # fmt: skip
AWAITED: set[tuple[str, str]] = set()


def content() -> dict[str, Any]:
    text = (SHIPPED / "erp" / "sales_order_lines.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def test_every_shipped_contract_loads_under_its_own_name() -> None:
    contracts = load_contracts(SHIPPED)
    assert len(contracts) == len(list(SHIPPED.glob("*/*.yml"))) > 10
    assert set(contracts) >= CANONICAL - AWAITED
    assert AWAITED.isdisjoint(contracts), "a contract that was awaited is there: take it off the list"
    assert all(contract.columns and contract.thresholds.rationale for contract in contracts.values())
    assert contracts["erp", "items"].full_means == "state"
    assert contracts["erp", "sales_order_lines"].business_time == "ordered_at"


@pytest.mark.parametrize("feed", sorted(CANONICAL - AWAITED), ids="/".join)
def test_a_shipped_contract_says_who_answers_how_fresh_and_how_long(feed: tuple[str, str]) -> None:
    contract = load_contracts(SHIPPED)[feed]
    assert contract.owner != contract.grantor and contract.steward != contract.owner
    assert contract.refresh_sla_hours > 0 and contract.expiry.year > 2026
    assert 0 <= contract.thresholds.warn_refused_share < contract.thresholds.suspend_refused_share <= 0.05
    if contract.personal_data != "none":
        assert "analyst" in contract.roles or "finance" in contract.roles
    opaque = {c.name for c in contract.columns if c.name in ("planner_id", "picker_id", "manager_id", "beneficiary_id")}
    if opaque - {"planner_id"}:
        assert contract.personal_data == "pseudonymous", f"{opaque} name people"
    # a number that steers decisions has bounds and a unit
    for column in contract.columns:
        if column.type == "decimal":
            assert column.max is not None and column.unit, column.name


def test_hash_follows_content_not_layout(tmp_path: Path) -> None:
    folder = tmp_path / "erp"
    folder.mkdir()
    path = folder / "sales_order_lines.yml"
    source = (SHIPPED / "erp" / "sales_order_lines.yml").read_text(encoding="utf-8")
    path.write_text("# a comment\n\n" + source, encoding="utf-8")
    shipped = load_contract(SHIPPED / "erp" / "sales_order_lines.yml")
    assert load_contract(path).sha256 == shipped.sha256
    path.write_text(source.replace("refresh_sla_hours: 30", "refresh_sla_hours: 31"), encoding="utf-8")
    assert load_contract(path).sha256 != shipped.sha256


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ("escalation.steps", [], "at least 1 item"),
        ("personal_data", "none", "strictest of its columns is pseudonymous"),
        ("key", ["order_id", "order_no"], "'order_no' is not a column"),
        ("key", ["order_id", "customer_id"], "neither nullable"),
        ("key", ["order_id", "order_id"], "twice"),
        ("business_time", "sold_at", "is not a column"),
        ("business_time", "quantity", "must be a date or a timestamp"),
        ("rationale", "tbd", "at least 20"),
        ("time_zone", "Europe/Atlantis", "Atlantis"),
        ("extra", 1, "Extra inputs"),
        ("full_means", "delta", "'state' or 'increment'"),
        ("thresholds.warn_refused_share", 0.5, "may not exceed"),
        ("thresholds.rationale", "", "at least 20"),
        ("columns.7.rationale", None, "needs a rationale"),
        ("columns.7.min", 0, "not both"),
        ("columns.7.max", -5, "below the lower bound"),
        ("columns.7.format", "%d", "format of a decimal"),
        ("columns.1.format", "x", "one format only"),
        ("columns.2.format", "[A-Z", "is no pattern"),
        ("columns.2.max", 5, "bounds are for"),
        ("columns.1.allowed", ["1"], "text column"),
        ("columns.1.verbatim", True, "only text"),
        ("columns.6.format", "local", "strptime"),
        ("columns.6.format", "%d.%m.%Y %H:%M:%S", "needs the contract's time_zone"),
        ("columns.2.name", "order_id", "stands twice"),
        ("columns.2.name", "order", "words of SQL"),
        ("columns.2.name", "at", "words of SQL"),
        ("columns.2.native", "order_id", "stands twice"),
    ],
)
def test_a_contract_that_contradicts_itself_is_refused(where: str, value: Any, words: str, tmp_path: Path) -> None:
    broken = content()
    node: Any = broken
    *path, last = [int(part) if part.isdigit() else part for part in where.split(".")]
    for part in path:
        node = node[part]
    node[last] = value
    file = tmp_path / "erp" / "sales_order_lines.yml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump(broken), encoding="utf-8")
    with pytest.raises(ValueError, match=r"(?s)sales_order_lines\.yml.*" + words):
        load_contract(file)


def test_a_contract_in_the_wrong_place_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "wms" / "sales.yml"
    file.parent.mkdir()
    file.write_text((SHIPPED / "erp" / "sales_order_lines.yml").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ValueError, match="move it to erp/sales_order_lines.yml"):
        load_contract(file)


def test_a_folder_without_contracts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no contract"):
        load_contracts(tmp_path)


def test_column_names_the_known_ones_when_asked_for_another() -> None:
    contract = Contract.model_validate(content())
    assert contract.column("quantity").exclusive_min == 0
    with pytest.raises(KeyError, match="has no column 'qty'"):
        contract.column("qty")
