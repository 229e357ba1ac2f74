"""Mappings: what they may say, what contract and mapping make together, and that no row gets lost on the way."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from strata.home import REPOSITORY
from strata.intake.batches import accepted_batches, controls, feed_batches
from strata.intake.contract import load_contract, load_contracts
from strata.intake.mapping import load_mapping
from tests.strata.intake.natives import contracts, home, land_tables, record, refused, rows, table

pytestmark = pytest.mark.capability("2.1", part="mappings laid over contracts")
WHY = "A reason of at least twenty characters."


def suppliers(**changes: Any) -> dict[str, Any]:
    """A mapping of one feed from table S, good but for `changes` to its only source."""
    source = {"from": "S", "columns": {"supplier_id": "NR", "country": "LAND"}}
    return {
        "mapping": "mine",
        "description": "A system that exists in this test only.",
        "feeds": {"erp/suppliers": {"grain": "event", "sources": [source | changes]}},
    }


def items(**columns: Any) -> dict[str, Any]:
    spelled = {"sku_id": "NR", "base_unit": "UNIT", "status": "STATE", **columns}
    source = {"from": "I", "columns": spelled}
    return suppliers() | {"feeds": {"erp/items": {"grain": "event", "sources": [source]}}}


def test_spelling_comes_from_the_mapping_and_everything_else_from_the_contract(tmp_path: Path) -> None:
    made = home(tmp_path, suppliers())
    plain = load_contract(made.config / "feeds" / "erp" / "suppliers.yml")
    mapped = contracts(made)["erp", "suppliers"]
    assert mapped.mapping == "mine" and mapped.source is not None
    assert mapped.source.sources("country") == ("S.LAND",) and mapped.source.sources("supplier_name") == ()
    assert (mapped.owner, mapped.thresholds, mapped.key) == (plain.owner, plain.thresholds, plain.key)
    assert [(c.name, c.type, c.nullable) for c in mapped.columns] == [
        (c.name, c.type, c.nullable) for c in plain.columns
    ]
    # A feed that the mapping leaves out stays as its contract spells it.
    assert contracts(made)["erp", "items"].source is None
    assert mapped.sha256 != plain.sha256
    changed = suppliers(columns={"supplier_id": "NR", "country": "CTRY"})
    (made.config / "mappings" / "mine.yml").write_text(yaml.safe_dump(changed), encoding="utf-8")
    assert contracts(made)["erp", "suppliers"].sha256 != mapped.sha256


def test_a_contract_names_its_own_mapping_and_it_wins(tmp_path: Path) -> None:
    made = home(tmp_path, suppliers())
    other = suppliers(columns={"supplier_id": "OTHER"}) | {"mapping": "other"}
    (made.config / "mappings" / "other.yml").write_text(yaml.safe_dump(other), encoding="utf-8")
    file = made.config / "feeds" / "erp" / "suppliers.yml"
    file.write_text(file.read_text(encoding="utf-8") + "mapping: other\n", encoding="utf-8")
    source = contracts(made)["erp", "suppliers"].source
    assert source is not None and source.sources("supplier_id") == ("S.OTHER",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"columns": {"supplier_id": "NR", "colour": "C"}}, "has no columns ['colour']"),
        ({"columns": {"country": "LAND"}}, "columns ['supplier_id'] may not be null; give each a native"),
        ({"columns": {"supplier_id": {"constant": "S1"}}}, "columns.supplier_id: Value error, a constant, sql"),
        ({"columns": {"supplier_id": {"native": "NR", "constant": "S1", "why": WHY}}}, "give one of native"),
        ({"columns": {"supplier_id": {"native": ["A", "B"]}}}, "say in sql how they become one value"),
        (
            {"columns": {"supplier_id": {"native": ["NR"], "sql": "NR || ART", "why": WHY}}},
            "erp/suppliers: column supplier_id: sql does not hold over native ['NR']",
        ),
        (
            {"columns": {"supplier_id": {"native": ["NR", "ART"], "sql": "NR || 'x'", "why": WHY}}},
            "sql does not read ART; take it out of native",
        ),
        (
            {"columns": {"supplier_id": {"native": ["NR"], "sql": "(SELECT NR FROM read_csv('x'))", "why": WHY}}},
            "sql does not hold",
        ),
        (
            {
                "columns": {"supplier_id": {"native": ["NR"], "sql": "upper(NR)", "why": WHY}},
                "joins": [{"table": "T", "on": ["NR"]}],
            },
            "Ambiguous reference",
        ),
        ({"columns": {"supplier_id": {"native": "NR", "format": "[0-9]+"}}}, "format of a text is the contract's"),
        ({"columns": {"supplier_id": {"native": "NR", "factor": 2, "why": WHY}}}, "sign is for numbers, factor for"),
        ({"where": "NR > 1"}, "where and where_why go together"),
        ({"where": "NR > 1", "where_why": WHY}, "where does not hold over fields []"),
        ({"joins": [{"table": "T", "on": ["NR"], "pick": "TAG"}]}, "where and pick need a why"),
        ({"joins": [{"table": "T", "on": ["NR"], "pick": "TAG", "why": WHY}]}, "join T: pick does not hold over on"),
        ({"joins": [{"table": "S", "on": ["NR"]}]}, "table S stands twice"),
        ({"joins": [{"table": "T", "on": {"NR": "U.NR"}}, {"table": "U", "on": ["NR"]}]}, "comes later"),
        ({"total": {"columns": {"country": "sum"}, "why": WHY}}, "column country: sum is for numbers; take first"),
        ({"total": {"columns": {"supplier_name": "first"}, "why": WHY}}, "total says what becomes of ['country']"),
        ({"filter": "x"}, "Extra inputs"),
    ],
)
def test_a_mapping_that_cannot_hold_is_refused_naming_file_feed_and_column(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    made = home(tmp_path, suppliers(**changes))
    with pytest.raises(ValueError) as raised:
        contracts(made)
    assert words in str(raised.value) and "mine" in str(raised.value) and "suppliers" in str(raised.value)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("systems.yml", "systems: {erp: {mapping: gone}}\n", "gone.yml is not there"),
        ("systems.yml", "systems: {mes: {mapping: mine}}\n", "no contract is of system mes"),
        ("systems.yml", "systems: {erp: mine}\n", "systems.yml"),
        ("mappings/mine.yml", "mapping: other\n", "mine.yml"),
        ("feeds/erp/items.yml", "+mapping: mine\n", "has nothing for erp/items, whose contract names it"),
        ("feeds/erp/suppliers.yml", "+source: {}\n", "source comes from a mapping"),
    ],
)
def test_a_home_that_points_nowhere_is_told_so(file: str, text: str, words: str, tmp_path: Path) -> None:
    made = home(tmp_path, suppliers())
    path = made.config / file
    before = path.read_text(encoding="utf-8") if text.startswith("+") else ""
    path.write_text(before + text.removeprefix("+"), encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        contracts(made)


def test_numbers_and_codes_are_translated_as_the_mapping_says(tmp_path: Path) -> None:
    mapping = items(
        status={"native": "STATE", "values": {"A": "active", "": "blocked"}},
        standard_cost={"native": "COST", "format": "comma_trailing_minus", "sign": "absolute", "nulls": ["-"]},
        list_price={"native": "CENTS", "factor": "0.01", "why": WHY},
        currency={"constant": "EUR", "why": WHY},
        launch_date={"native": "BORN", "format": "%d.%m.%Y", "nulls": ["00.00.0000"]},
    )
    made = home(tmp_path, mapping)
    text = "NR;UNIT;STATE;COST;CENTS;BORN;MORE\n" + "".join(
        f"{line}\n"
        for line in (
            "1;EA;A;1.234,50-;1999;01.02.2024;x",
            "2;EA; ;12,5;1;00.00.0000;x",
            "3;EA;B;-;5;01.02.2024;x",
            "4;EA;A;1.2;5;01.02.2024;x",
            "5;EA;A;1,2;0.001;01.02.2024;x",
        )
    )
    assert land_tables(made, "erp/items", {"I": text}, delimiter=";").outcome == "accepted"
    good = [{k: str(v) for k, v in row.items()} for row in rows(made, "erp/items")]
    assert good == [
        {"sku_id": "1", "base_unit": "EA", "status": "active", "standard_cost": "1234.5000", "list_price": "19.9900",
         "currency": "EUR", "launch_date": "2024-02-01"},
        {"sku_id": "2", "base_unit": "EA", "status": "blocked", "standard_cost": "12.5000", "list_price": "0.0100",
         "currency": "EUR"},
    ]  # fmt: skip
    assert [(r["row"], r["reason"], r["column"], r["value"]) for r in refused(made, "erp/items")] == [
        (3, "unmapped_code", "status", "B"),
        (4, "not_a_number", "standard_cost", "1.2"),
        (5, "too_precise", "list_price", "0.001"),
    ]
    assert record(made, "erp/items")["warnings"] == ["columns_unmapped: I has 1 that are not read"]


def test_files_without_header_and_quotes_are_read_in_the_stated_order(tmp_path: Path) -> None:
    mapping = items(item_name="NAME") | {
        "layout": {"header": "absent", "delimiter": "\t", "quote": "none"},
        "tables": {"I": {"columns": ["NR", "NAME", "UNIT", "STATE"]}},
    }
    made = home(tmp_path, mapping)
    text = '1\tFork 26"\tEA \tactive\n2\t"Best, wheel\tEA\tactive\n'
    assert land_tables(made, "erp/items", {"I": text}, delimiter="\t").outcome == "accepted"
    assert [(r["sku_id"], r["item_name"], r["base_unit"]) for r in rows(made, "erp/items")] == [
        ("1", 'Fork 26"', "EA"),
        ("2", '"Best, wheel', "EA"),
    ]


def test_a_feed_may_come_from_one_of_several_tables_or_from_all(tmp_path: Path) -> None:
    mapping = suppliers()
    mapping["feeds"]["erp/suppliers"]["sources"] = [
        {"from": "OLD", "columns": {"supplier_id": "NR"}},
        {"from": "NEW", "columns": {"supplier_id": "ID", "country": "ISO"}},
    ]
    made = home(tmp_path, mapping)
    tables = {"OLD": "NR\n1\n", "NEW": "ID,ISO\n2,DE\n"}
    assert land_tables(made, "erp/suppliers", tables).outcome == "accepted"
    assert rows(made, "erp/suppliers") == [{"supplier_id": "1"}, {"supplier_id": "2", "country": "DE"}]
    later = land_tables(
        made, "erp/suppliers", {"NEW": "ID,ISO\n3,DE\n"}, extract_id="x2", extracted_at="2024-05-01T00:00:00Z"
    )
    assert later.outcome == "accepted" and later.rows == 1


@pytest.mark.capability("2.2", part="rows that were only looked up in are delivered and no difference")
def test_tables_that_are_looked_up_in_leave_no_difference(tmp_path: Path) -> None:
    mapping = suppliers()
    mapping["feeds"]["erp/suppliers"]["sources"] = [
        {
            "from": "S",
            "joins": [{"table": "T", "on": {"KEY": "S.NR"}}],
            "columns": {"supplier_id": "NR", "country": "T.LAND"},
        }
    ]
    made = home(tmp_path, mapping)
    land_tables(made, "erp/suppliers", {"S": "NR\n1\n2\n", "T": "KEY,LAND\n1,DE\n7,FR\n8,IT\n"})
    told = controls(accepted_batches(made)[0])["rows"]
    assert (told["stated"], told["accepted"], told["verdict"]) == (5, 2, "translated")


def test_every_row_is_accepted_refused_excluded_totalled_or_a_repeat(tmp_path: Path) -> None:
    source = {
        "from": "S",
        "joins": [{"table": "T", "on": {"KEY": "S.NR"}}],
        "where": "ART IS DISTINCT FROM 'X'",
        "where_why": WHY,
        "fields": ["ART"],
        "columns": {"supplier_id": "NR", "country": "T.LAND"},
    }
    mapping = suppliers()
    mapping["feeds"]["erp/suppliers"]["sources"] = [source]
    made = home(tmp_path, mapping)
    s = table("""
        NR | ART
        1  |
        1  |
        2  | X
        3  |
        4  |
           |
    """)
    t = table("""
        KEY | LAND
        1   | DE
        1   | DE
        3   | Germany
        9   | FR
    """)
    landed = land_tables(made, "erp/suppliers", {"S": s, "T": t})
    assert (landed.outcome, landed.rows, landed.refused_rows) == ("accepted", 2, 2)
    assert landed.other_rows == {"repeated": 1, "excluded": 1, "looked_up": 4}
    assert [(r["row"], r["column"], r["native"]) for r in refused(made, "erp/suppliers")] == [
        (4, "country", ["T.LAND"]),
        (6, "supplier_id", ["S.NR"]),
    ]
    assert {row["supplier_id"]: row.get("country") for row in rows(made, "erp/suppliers")} == {"1": "DE", "4": None}


@pytest.mark.parametrize(
    ("tables", "reason", "words"),
    [
        ({"S": "NR,LAND\n1,DE\n", "U": "NR\n1\n"}, "table_unknown", "'U' beside the file is none of"),
        ({"S": "NR,LAND\n1,DE\n"}, "table_missing", "S needs ['T'] beside it"),
        ({"T": "NR,TAG\n1,1\n"}, "table_missing", "no file is of table S"),
        ({"S": "NR,LAND\n1,DE\n", "T": "NR,TAG\n1,1\n1,2\n"}, "lookup_ambiguous", "several rows for NR 1"),
        ({"S": "NR,LAND\n1,DE\n", "T": "NR,TAG\n1,no number\n"}, "mapping_failed", "use try_cast"),
        ({"S": "NR,LAENDER\n1,DE\n", "T": "NR,TAG\n1,1\n"}, "column_missing", "['LAND'] are missing"),
    ],
)
def test_an_extract_that_the_mapping_cannot_read_is_refused_whole(
    tables: dict[str, str], reason: str, words: str, tmp_path: Path
) -> None:
    columns = {
        "supplier_id": "NR",
        "country": "LAND",
        "supplier_name": {"native": ["T.TAG"], "sql": "CAST(T.TAG AS INTEGER) + 1", "why": WHY},
    }
    made = home(tmp_path, suppliers(joins=[{"table": "T", "on": ["NR"]}], columns=columns))
    landed = land_tables(made, "erp/suppliers", tables)
    assert (landed.outcome, set(landed.reasons)) == ("refused", {reason})
    assert words in (landed.advice or "")


def test_changes_of_one_table_are_mapped_and_those_of_several_refused(tmp_path: Path) -> None:
    source = {
        "from": "S",
        "where": "KIND = 'V'",
        "where_why": WHY,
        "fields": ["KIND"],
        "columns": {"supplier_id": "NR", "supplier_name": "NAME", "country": {"native": "LAND", "values": {"D": "DE"}}},
    }
    mapping = suppliers()
    mapping["feeds"]["erp/suppliers"]["sources"] = [source]
    made = home(tmp_path, mapping)

    def event(op: str, lsn: int, key: str, **row: str) -> str:
        content = {"NR": key, "NAME": "n", "LAND": "D", "KIND": "V"} | row
        after, before = (None, {"NR": key}) if op == "d" else (content, None)
        stamp = {"lsn": lsn, "ts_ms": 1700000000000 + lsn}
        return json.dumps({"op": op, "before": before, "after": after, "source": stamp, "ts_ms": 1}) + "\n"

    events = [
        event("c", 1, "1", NAME="one"),
        event("c", 2, "2"),
        event("c", 3, "3", LAND="F"),
        event("u", 4, "1", NAME="uno"),
        # No longer a supplier: the row ends here.
        event("u", 5, "2", KIND="K"),
        event("d", 6, "3"),
    ]
    landed = land_tables(
        made,
        "erp/suppliers",
        {"S": "".join(events)},
        kind="cdc",
        envelope="debezium",
        format="jsonl",
        position={"from": "0", "to": "6"},
        initial_load=True,
    )
    assert landed.outcome in ("accepted", "held"), landed.advice
    (batch,) = feed_batches(made, "erp", "suppliers")
    found = pq.read_table(batch.rows_file).to_pylist()
    assert [(r["supplier_id"], r["_op"], r["country"], r["_refusal_reason"]) for r in found] == [
        ("1", "u", "DE", None),
        ("2", "u", "DE", None),
        ("3", "u", "F", "unmapped_code"),
        ("1", "u", "DE", None),
        ("2", "d", "DE", None),
        ("3", "d", None, None),
    ]
    source["joins"] = [{"table": "T", "on": ["NR"]}]
    (made.config / "mappings" / "mine.yml").write_text(yaml.safe_dump(mapping), encoding="utf-8")
    refusal = land_tables(
        made,
        "erp/suppliers",
        {"S": events[0]},
        extract_id="x2",
        kind="cdc",
        envelope="debezium",
        format="jsonl",
        position={"from": "6", "to": "7"},
    )
    assert set(refusal.reasons) == {"mapping_needs_full"}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "config" / "mappings").glob("*.yml")), ids=lambda path: path.stem)
def test_every_shipped_mapping_fits_the_shipped_contracts(path: Path, tmp_path: Path) -> None:
    mapping = load_mapping(path)
    effective = contracts(home(tmp_path, path.stem))
    for feed in mapping.feeds:
        system, name = feed.split("/")
        assert effective[system, name].mapping == path.stem, feed


def test_without_systems_nothing_is_mapped() -> None:
    assert not [c for c in load_contracts(REPOSITORY / "config" / "feeds").values() if c.source]
