"""What the conform pass makes of the hand-made rows, and what happens when it dies or fails."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from strata.conformed.build import SNAPSHOT_KEYS, ReleasePart, build_marts, build_snapshot, load_snapshot
from strata.conformed.dbt_pass import ConformError, prepare_folder, project_sha256, run_dbt
from strata.home import Home
from strata.identity import content_hash
from tests.dbt.batches import EMPTIES, EPOCH, PROJECT, Batches, at
from tests.dbt.company import item
from tests.dbt.conftest import Conformed

ITEM = ("standard_cost", "known_from", "known_to")
LINE = ("quantity", "known_from", "known_to")


@pytest.mark.capability("2.2", part="staging to marts, versions by known time, dbt unit tests")
def test_a_correction_ends_the_version_before_it_and_a_late_extract_falls_into_its_place(conformed: Conformed) -> None:
    assert conformed.rows("int_item_version", *ITEM, sku_id="corrected") == [
        (Decimal(1), EPOCH, at("2017-02-01")),
        (Decimal(2), at("2017-02-01"), at("2017-03-01")),
        (Decimal(3), at("2017-03-01"), None),
    ]


@pytest.mark.capability("2.2", part="staging to marts, versions by known time, dbt unit tests")
def test_a_key_absent_from_the_next_full_extract_ends_there_and_may_come_back(conformed: Conformed) -> None:
    assert conformed.rows("int_item_version", *ITEM, sku_id="gone") == [(Decimal(1), EPOCH, at("2017-02-01"))]
    assert conformed.rows("int_item_version", *ITEM, sku_id="returns") == [
        (Decimal(1), EPOCH, at("2017-02-01")),
        (Decimal(1), at("2017-03-01"), None),
    ]
    assert conformed.rows("int_item_version", *ITEM, sku_id="new") == [(Decimal(1), at("2017-03-01"), None)]


def test_an_unchanged_row_makes_no_version_and_keeps_its_source(conformed: Conformed) -> None:
    first_load = conformed.batches.records[0]["batch_id"]
    columns = ("known_from", "known_to", "known_basis", "source_batch_id", "source_row", "origin")
    assert conformed.rows("int_item_version", *columns, sku_id="kept") == [
        (EPOCH, None, "assumed", first_load, 1, "real")
    ]


@pytest.mark.capability("2.2", part="staging to marts, versions by known time, dbt unit tests")
def test_a_refused_row_is_kept_apart_and_ends_nothing(conformed: Conformed) -> None:
    assert conformed.rows("int_item_version", *ITEM, sku_id="spoiled") == [(Decimal(1), EPOCH, None)]
    assert conformed.rows("fct_sales_line", *LINE, order_id="O4") == []
    columns = ("system", "feed", "reason", "refused_column", "refused_value", "sku_id", "quantity", "net_amount")
    assert sorted(conformed.rows("fct_refused_row", *columns)) == [
        ("crm", "sla_terms", "out_of_range", "target_share", "97", None, None, None),
        ("erp", "items", "out_of_range", "standard_cost", "-1", "spoiled", None, None),
        ("erp", "sales_order_lines", "not_positive", "quantity", "-1", "kept", None, Decimal("7.5")),
    ]


@pytest.mark.capability("2.2", part="staging to marts, versions by known time, dbt unit tests")
def test_the_first_load_is_known_from_business_time_and_a_correction_from_its_extract(conformed: Conformed) -> None:
    columns = (*LINE, "known_basis")
    assert conformed.rows("fct_sales_line", *columns, order_id="O1") == [
        (Decimal(2), at("2017-01-06 10:00"), None, "assumed")
    ]
    assert conformed.rows("fct_sales_line", *columns, order_id="O2") == [
        (Decimal(4), at("2017-02-02 10:00"), at("2017-03-02"), "assumed"),
        (Decimal(5), at("2017-03-02"), None, "extracted"),
    ]


@pytest.mark.capability("2.2", part="staging to marts, versions by known time, dbt unit tests")
def test_changes_are_ordered_by_position_and_sequence_and_known_time_never_goes_back(conformed: Conformed) -> None:
    assert conformed.rows("fct_purchase_order_line", "po_id", *LINE) == [
        ("P1", Decimal(11), at("2017-01-02 08:00"), at("2017-01-03 08:00")),
        ("P1", Decimal(12), at("2017-01-03 08:00"), at("2017-01-04 08:00")),
        # 13 lasted no time: 14 has a higher position and an earlier clock
        ("P1", Decimal(14), at("2017-01-04 08:00"), at("2017-01-15 08:00")),
        ("P1", Decimal(20), at("2017-01-18 08:00"), None),
    ]


@pytest.mark.capability("2.2", part="all canonical feeds conformed: planning, warehouse, transport, promises")
def test_what_mrp_holds_is_kept_as_versions_so_that_old_and_new_stand_side_by_side(conformed: Conformed) -> None:
    columns = ("reorder_point_units", "safety_stock_units", "known_from", "known_to")
    table = "int_planning_parameter_version"
    assert conformed.rows(table, *columns, sku_id="kept") == [(Decimal(5), Decimal(2), EPOCH, None)]
    assert conformed.rows(table, *columns, sku_id="corrected") == [
        (Decimal(7), Decimal(2), EPOCH, at("2017-03-01")),
        (Decimal(9), Decimal(2), at("2017-03-01"), None),
    ]
    assert conformed.rows(table, *columns, sku_id="gone") == [(Decimal(1), None, EPOCH, at("2017-03-01"))]


@pytest.mark.capability("2.2", part="all canonical feeds conformed: planning, warehouse, transport, promises")
def test_a_shipment_that_comes_again_delivered_ends_the_version_that_was_under_way(conformed: Conformed) -> None:
    columns = ("status", "actual_arrival_at", "known_from", "known_to")
    assert conformed.rows("fct_shipment", *columns, shipment_id="SH1") == [
        ("under_way", None, at("2017-03-01"), at("2017-04-01")),
        ("delivered", at("2017-03-01 09:30"), at("2017-04-01"), None),
    ]
    assert conformed.rows("fct_shipment", *columns, shipment_id="SH2") == [("under_way", None, at("2017-03-01"), None)]


@pytest.mark.capability("2.2", part="all canonical feeds conformed: planning, warehouse, transport, promises")
def test_a_promise_whose_new_row_was_refused_stays_as_it_was(conformed: Conformed) -> None:
    columns = ("term_id", "target_share", "known_from", "known_to")
    assert conformed.rows("int_sla_term_version", *columns) == [
        ("fill", Decimal("0.97"), at("2017-02-01"), at("2017-03-01")),
        ("fill", Decimal("0.98"), at("2017-03-01"), None),
        ("otif", Decimal("0.95"), at("2017-02-01"), None),
    ]


@pytest.mark.capability("2.2", part="all canonical feeds conformed: planning, warehouse, transport, promises")
def test_a_budget_is_known_before_its_period_and_its_revision_from_when_it_came(conformed: Conformed) -> None:
    columns = ("period_start", "budget_value", "known_from", "known_to")
    assert conformed.rows("fct_inventory_budget", *columns) == [
        (date(2017, 1, 1), Decimal(100), at("2016-12-02"), None),
        (date(2017, 2, 1), Decimal(110), at("2017-01-02"), at("2017-03-01")),
        (date(2017, 2, 1), Decimal(90), at("2017-03-01"), None),
    ]


def test_quantities_and_money_are_decimal_and_instants_are_utc(conformed: Conformed) -> None:
    schema = pq.read_schema(conformed.snapshot.table("fct_sales_line"))
    assert {schema.field(name).type for name in ("quantity", "net_amount")} == {pa.decimal128(18, 4)}
    instants = {schema.field(name).type for name in ("ordered_at", "known_from", "known_to")}
    assert instants == {pa.timestamp("us", tz="UTC")}


def test_a_feed_that_never_came_is_an_empty_typed_table(conformed: Conformed) -> None:
    table = pq.read_table(conformed.snapshot.table("fct_promotion"))
    assert table.num_rows == 0
    assert table.schema.field("starts_on").type == pa.date32()


def test_a_killed_pass_leaves_no_snapshot_and_the_same_run_converges(conformed: Conformed) -> None:
    assert conformed.killed_with == -9
    assert conformed.conformed_after_kill == []
    for name, keys in SNAPSHOT_KEYS.items():
        left = pq.read_table(conformed.left_behind / name / f"{name}.parquet")
        assert content_hash(left, keys) == conformed.snapshot.tables[name].content_hash, name


def test_equal_batches_in_any_order_are_the_same_snapshot_and_build_nothing(conformed: Conformed) -> None:
    again = build_snapshot(
        conformed.home,
        run_id="second",
        batches=conformed.batches.records[::-1],
        inputs={feed: files[::-1] for feed, files in conformed.batches.inputs.items()},
        empties=EMPTIES,
        project=PROJECT,
    )
    assert again == conformed.snapshot == load_snapshot(conformed.home, conformed.snapshot.snapshot_id)
    assert not conformed.home.scratch("second").exists()


def test_the_record_names_batches_tables_and_project(conformed: Conformed) -> None:
    record = json.loads((conformed.snapshot.folder / "snapshot.json").read_bytes())
    assert set(record) == {
        "snapshot_id",
        "created_at",
        "batches",
        "held",
        "tables",
        "dbt_version",
        "project_sha256",
    }
    assert {batch["batch_id"] for batch in record["batches"]} == {
        batch["batch_id"] for batch in conformed.batches.records
    }
    assert record["tables"]["int_item_version"]["rows"] == 9
    assert set(record["tables"]) == set(SNAPSHOT_KEYS)
    with pytest.raises(KeyError, match="it has"):
        conformed.snapshot.table("dim_item")


def test_a_snapshot_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConformError, match="no such snapshot"):
        load_snapshot(Home(tmp_path), "0" * 16)


def test_inputs_must_be_those_of_the_batches(tmp_path: Path) -> None:
    home = Home(tmp_path)
    batches = Batches(home.raw)
    batches.full("erp__items", "2017-01-01", [item("kept")])
    with pytest.raises(ConformError, match="inputs and batches differ"):
        build_snapshot(home, run_id="r", batches=[], inputs=batches.inputs, empties=EMPTIES, project=PROJECT)
    with pytest.raises(ConformError, match="have no empty table"):
        build_snapshot(home, run_id="r", batches=batches.records, inputs=batches.inputs, empties={}, project=PROJECT)


def test_a_pass_without_its_project_file_fails_with_the_end_of_the_output(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "scratch", PROJECT, ())
    (tmp_path / "scratch" / "dbt_project.yml").unlink()
    with pytest.raises(ConformError, match="Not a dbt project|No dbt_project.yml found"):
        run_dbt(tmp_path / "scratch", "conform")
    with pytest.raises(ConformError, match="pass the folder of the dbt project"):
        project_sha256(tmp_path)


@pytest.mark.capability("2.2", part="staging to marts, versions by known time, dbt unit tests")
def test_dimensions_are_what_was_known_at_the_latest_cutoff(marts: dict[str, list[dict[str, object]]]) -> None:
    cost = {row["sku_id"]: row["standard_cost"] for row in marts["dim_item"]}
    assert cost == {
        "kept": Decimal(1),
        "corrected": Decimal(3),
        "new": Decimal(1),
        "returns": Decimal(1),
        "spoiled": Decimal(1),
    }
    stamps = {(row["region"], row["valid_for_cycle"], row["scheme_version"]) for row in marts["dim_item"]}
    assert stamps == {("*", "2017-03", "2017.2")}
    assert [(row["location_id"], row["region"]) for row in marts["dim_location"]] == [("E1", "EAST")]
    assert [(row["customer_id"], row["region"]) for row in marts["dim_customer"]] == [("C1", "EAST")]
    assert [(row["supplier_id"], row["region"]) for row in marts["dim_supplier"]] == [("S1", "*")]


def test_key_figures_are_those_of_the_last_closed_month_by_segment(marts: dict[str, list[dict[str, object]]]) -> None:
    rows = marts["segment_kpi"]
    figures = {(row["region"], row["segment"], row["kpi"]): row["actual"] for row in rows}
    # kept: 5 sold at cost 1; 2 cases of 4 in stock on 26 February; 2 of 14 days out of stock
    assert {kpi: value for (region, segment, kpi), value in figures.items() if (region, segment) == ("EAST", "AX")} == {
        "items": 1.0,
        "revenue": 50.0,
        "stock_value": 8.0,
        "unvalued_stocks": 0.0,
        "cover_days": 8 * 28 / 5,
        "turns": 12 * 5 / 8,
        "stockout_share": 2 / 14,
    }
    # corrected: 4 in stock at the cost of 3 known since 1 March, in the class of its location, nothing sold
    assert {kpi: value for (region, segment, kpi), value in figures.items() if (region, segment) == ("EAST", "CZ")} == {
        "items": 1.0,
        "revenue": 0.0,
        "stock_value": 12.0,
        "unvalued_stocks": 0.0,
        "cover_days": None,
        "turns": 0.0,
        "stockout_share": 1.0,
    }
    assert figures["EAST", "BY", "items"] == 1.0
    assert figures["EAST", "BY", "stock_value"] is None
    # returns: 3 pallets, and nobody said what a pallet holds: no value is made up, and the gap is counted
    assert (figures["EAST", "CX", "stock_value"], figures["EAST", "CX", "unvalued_stocks"]) == (None, 1.0)
    stamps = {
        (row["region"], str(row["period_start"]), row["valid_for_cycle"], row["scheme_version"], row["verdict"])
        for row in rows
    }
    assert stamps == {
        ("EAST", "2017-02-01", "2017-03", "2017.2", "no_target"),
        ("WEST", "2017-01-01", "2017-03", "2017.1", "no_target"),
    }


def test_marts_of_an_unknown_file_are_refused(conformed: Conformed, tmp_path: Path) -> None:
    with pytest.raises(ConformError, match="is not a file"):
        build_marts(
            conformed.home,
            run_id="lost",
            snapshot=conformed.snapshot,
            parts=[ReleasePart("EAST", "2017-03", "2017-03", at("2017-03-03"), "2017.1")],
            tables={"segment_assignment": [tmp_path / "nowhere.parquet"]},
            project=PROJECT,
        )
