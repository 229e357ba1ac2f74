"""Rules of the dbt project read from its manifest, in the manner of dbt-project-evaluator.

Exceptions stand in exceptions.csv with a `why`; one that no longer applies fails as well.
"""

import csv
import itertools
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from strata.conformed.build import FEEDS, MARTS, MARTS_INPUTS, SNAPSHOT_KEYS
from strata.home import REPOSITORY
from strata.intake.contract import load_contracts
from strata.tables import TABLES
from tests.dbt.batches import PROJECT

HERE = Path(__file__).parent
PREFIX = {"staging": "stg_{source}__", "intermediate": "int_", "core": "fct_", "release": "dim_"}
PARQUET_TYPE = {
    "text": "varchar",
    "int": "bigint",
    "float": "double",
    "bool": "boolean",
    "date": "date",
    "timestamp": "timestamp with time zone",
    "decimal": "decimal(18,4)",
}
Node = dict[str, Any]


@pytest.fixture(scope="session")
def manifest(manifest_path: Path) -> Node:
    return json.loads(manifest_path.read_bytes())


def models(manifest: Node) -> list[Node]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]


def layer(node: Node) -> str:
    return node["fqn"][1]


def parents(node: Node, kind: str) -> list[str]:
    return [parent for parent in node["depends_on"]["nodes"] if parent.startswith(f"{kind}.")]


def has_prefix(manifest: Node, node: Node) -> bool:
    folder = node["fqn"][2] if layer(node) == "marts" else layer(node)
    return node["name"].startswith(PREFIX[folder].format(source=node["fqn"][2]))


def yml_stands_beside_sql(manifest: Node, node: Node) -> bool:
    sql = PROJECT / node["original_file_path"]
    return node["patch_path"] == f"strata://{Path(node['original_file_path']).with_suffix('.yml').as_posix()}" and (
        sql.with_suffix(".yml").is_file()
    )


def staging_reads_one_source_and_nothing_else(manifest: Node, node: Node) -> bool:
    if layer(node) != "staging":
        return True
    return len(parents(node, "source")) == 1 and not parents(node, "model")


def only_staging_reads_sources(manifest: Node, node: Node) -> bool:
    return layer(node) == "staging" or not parents(node, "source")


def external_has_a_unique_test(manifest: Node, node: Node) -> bool:
    if node["config"]["materialized"] != "external":
        return True
    tests = [
        test["test_metadata"]["name"]
        for test in manifest["nodes"].values()
        if test["resource_type"] == "test" and test["attached_node"] == node["unique_id"]
    ]
    return "unique_combination" in tests


def outside_staging_is_external_under_contract(manifest: Node, node: Node) -> bool:
    if layer(node) == "staging":
        return node["config"]["materialized"] == "view"
    return node["config"]["materialized"] == "external" and node["contract"]["enforced"]


def public_is_under_contract(manifest: Node, node: Node) -> bool:
    return node["access"] != "public" or node["contract"]["enforced"]


def marts_are_public(manifest: Node, node: Node) -> bool:
    return layer(node) != "marts" or node["access"] == "public"


def every_column_is_described(manifest: Node, node: Node) -> bool:
    return bool(node["columns"]) and all(column["description"].strip() for column in node["columns"].values())


def description_starts_with_the_grain(manifest: Node, node: Node) -> bool:
    return re.match(r"One row per [^.]+\.", " ".join(node["description"].split())) is not None


def owner_and_steward_are_named(manifest: Node, node: Node) -> bool:
    groups = {group["name"]: group for group in manifest["groups"].values()}
    meta = node["config"]["meta"]
    return (
        node["group"] in groups
        and groups[node["group"]]["owner"]["name"] == meta.get("owner")
        and bool(meta.get("steward"))
    )


def has_one_tag(manifest: Node, node: Node) -> bool:
    return node["tags"] in (["conform"], ["marts"])


RULES: dict[str, Callable[[Node, Node], bool]] = {
    "prefix_by_folder": has_prefix,
    "yml_beside_sql": yml_stands_beside_sql,
    "staging_reads_one_source": staging_reads_one_source_and_nothing_else,
    "only_staging_reads_sources": only_staging_reads_sources,
    "external_unique_test": external_has_a_unique_test,
    "external_under_contract": outside_staging_is_external_under_contract,
    "public_under_contract": public_is_under_contract,
    "marts_public": marts_are_public,
    "columns_described": every_column_is_described,
    "grain_first": description_starts_with_the_grain,
    "owner_and_steward": owner_and_steward_are_named,
    "one_pass": has_one_tag,
}


def exceptions() -> dict[tuple[str, str], str]:
    with (HERE / "exceptions.csv").open(newline="") as lines:
        return {(row["rule"], row["model"]): row["why"] for row in csv.DictReader(lines)}


@pytest.mark.parametrize("rule", RULES)
def test_models_keep_the_rule(manifest: Node, rule: str) -> None:
    allowed = {model for (name, model) in exceptions() if name == rule}
    broken = {node["name"] for node in models(manifest) if not RULES[rule](manifest, node)}
    assert broken == allowed


def test_exceptions_say_why() -> None:
    assert all(rule in RULES and len(why) > 20 for (rule, _), why in exceptions().items())


def spoiled(node: Node, **changes: Any) -> Node:
    return {**node, **changes}


@pytest.mark.parametrize(
    ("rule", "model", "changes"),
    [
        ("prefix_by_folder", "fct_sales_line", {"name": "sales_line"}),
        ("yml_beside_sql", "fct_sales_line", {"patch_path": "strata://models/marts/core/all.yml"}),
        ("staging_reads_one_source", "stg_erp__items", {"depends_on": {"nodes": ["source.a", "source.b"]}}),
        ("only_staging_reads_sources", "dim_item", {"depends_on": {"nodes": ["source.strata.erp.items"]}}),
        ("external_unique_test", "dim_item", {"unique_id": "model.strata.other"}),
        ("external_under_contract", "dim_item", {"contract": {"enforced": False}}),
        ("public_under_contract", "dim_item", {"contract": {"enforced": False}}),
        ("marts_public", "dim_item", {"access": "protected"}),
        ("columns_described", "dim_item", {"columns": {"sku_id": {"description": ""}}}),
        ("grain_first", "dim_item", {"description": "All items."}),
        ("owner_and_steward", "dim_item", {"group": None}),
        ("one_pass", "dim_item", {"tags": ["conform", "marts"]}),
    ],
)
def test_each_rule_can_fail(manifest: Node, rule: str, model: str, changes: Node) -> None:
    node = next(node for node in models(manifest) if node["name"] == model)
    assert RULES[rule](manifest, node)
    assert not RULES[rule](manifest, spoiled(node, **changes))


def test_data_tests_are_errors_except_relationships(manifest: Node) -> None:
    tests = [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    severities = {(test["test_metadata"]["name"], test["config"]["severity"].lower()) for test in tests}
    assert {name for name, severity in severities if severity == "warn"} == {"relationships"}
    assert ("relationships", "error") not in severities
    assert {"unique_combination", "expression_is_true", "row_count_between", "is_finite"} <= {n for n, _ in severities}


def test_keys_of_the_snapshot_are_the_keys_that_dbt_tests(manifest: Node) -> None:
    tested = {
        manifest["nodes"][test["attached_node"]]["name"]: tuple(test["test_metadata"]["kwargs"]["columns"])
        for test in manifest["nodes"].values()
        if test["resource_type"] == "test" and test["test_metadata"]["name"] == "unique_combination"
    }
    assert {name: tested[name] for name in SNAPSHOT_KEYS} == dict(SNAPSHOT_KEYS)
    assert {name: tested[name] for name in MARTS} == {name: TABLES[name].keys for name in MARTS}


def test_passes_build_exactly_the_tables_that_python_expects(manifest: Node) -> None:
    def external(tag: str) -> set[str]:
        return {
            node["name"]
            for node in models(manifest)
            if tag in node["tags"] and node["config"]["materialized"] == "external"
        }

    assert external("conform") == set(SNAPSHOT_KEYS)
    assert external("marts") == set(MARTS)


def test_sources_are_the_feeds_of_the_contracts_and_the_inputs_of_the_marts(manifest: Node) -> None:
    sources = [(source["source_name"], source["name"]) for source in manifest["sources"].values()]
    feeds = sorted(f"{system}__{name}" for system, name in sources if system != "lake")
    assert feeds == sorted(FEEDS)
    assert set(FEEDS) <= {f"{system}__{feed}" for system, feed in load_contracts(REPOSITORY / "config" / "feeds")}
    assert {name for system, name in sources if system == "lake"} == {*MARTS_INPUTS, "release_part", "item_value"}


CONTRACTS = load_contracts(REPOSITORY / "config" / "feeds")


@pytest.mark.parametrize("feed", sorted(FEEDS))
def test_models_of_a_feed_have_the_columns_of_its_contract(manifest: Node, feed: str) -> None:
    """Staging and the table of versions: every column of the contract, its type, and null where it may be."""
    system, _, name = feed.partition("__")
    contract = CONTRACTS[system, name]
    staging = manifest["nodes"][f"model.strata.stg_{feed}"]
    assert set(contract.names) <= set(staging["columns"])
    readers = [
        node
        for node in models(manifest)
        if staging["unique_id"] in node["depends_on"]["nodes"] and node["name"] != "fct_refused_row"
    ]
    (versions,) = (node for node in readers if node["config"]["tags"] == ["conform"])
    for column in contract.columns:
        declared = versions["columns"][column.name]
        kind = PARQUET_TYPE[{"integer": "int", "boolean": "bool"}.get(column.type, column.type)]
        exact = f"decimal({14 + column.places},{column.places})"
        assert declared["data_type"] == (exact if column.type == "decimal" else kind)
        assert not (declared["constraints"] and column.nullable), f"{column.name} may be null"
    assert {contract.owner, contract.steward} == {versions["config"]["meta"][who] for who in ("owner", "steward")}


@pytest.mark.parametrize("name", MARTS)
def test_contracts_of_the_marts_are_those_of_tables_py(manifest: Node, name: str) -> None:
    columns = manifest["nodes"][f"model.strata.{name}"]["columns"].values()
    declared = [(c.name, PARQUET_TYPE[c.kind], c.nullable) for c in TABLES[name].columns]
    assert [(c["name"], c["data_type"], not c["constraints"]) for c in columns] == declared


def sql_files() -> Iterable[Path]:
    return sorted((PROJECT / "models").rglob("*.sql"))


@pytest.mark.parametrize("file", sql_files(), ids=lambda file: file.stem)
def test_sql_is_lower_case_with_trailing_commas_and_marts_name_their_columns(file: Path) -> None:
    sql = re.sub(r"'[^']*'|--[^\n]*", "''", file.read_text())
    assert sql == sql.lower()
    lines = [line.strip() for line in sql.splitlines() if line.strip()]
    for before, line in itertools.pairwise(lines):
        assert not line.startswith(","), f"{file.name}: leading comma in {line!r}"
        if line.startswith("from "):
            assert before.endswith((",", "}}", "select *")), f"{file.name}: no trailing comma before {line!r}"
    if "marts" in file.parts:
        assert not re.search(r"select \*(?! from \{\{ ref)", sql), f"{file.name}: name the columns"
