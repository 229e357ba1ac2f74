"""The same passes started by Dagster: names, owners, checks, and the snapshot that comes out."""

from functools import cache
from pathlib import Path

import dagster as dg
import pytest

from orchestration.columns import AssetColumns
from orchestration.dbt import ConformRequest, MartsRequest, ensure_manifest, make_conform_assets, make_marts_assets
from orchestration.partitions import grid as make_grid
from strata.conformed.build import MARTS, SNAPSHOT_KEYS
from strata.home import REPOSITORY, Home
from strata.lineage.registry import registry_of
from tests.dbt.batches import EMPTIES
from tests.dbt.conftest import Conformed

# The facts are marts to dbt, but they are conformed before anything is decided.
GROUPS = {
    "stg_erp__items": "staging",
    "int_item_version": "conformed",
    "fct_sales_line": "conformed",
    "dim_item": "marts",
}


@cache
def columns() -> AssetColumns:
    return AssetColumns(registry_of(Home(REPOSITORY / "docs" / "no-home")))


def never(context: dg.AssetExecutionContext) -> MartsRequest:
    raise AssertionError("nothing is materialized here")


def conform_assets(conformed: Conformed, home: Home, manifest_path: Path) -> dg.AssetsDefinition:
    request = ConformRequest(home, conformed.batches.records, conformed.batches.inputs, EMPTIES)
    return make_conform_assets(manifest_path, columns(), collect=lambda context: request)


# dagster-dbt 0.29.27 itself calls what dagster 1.13.27 deprecates
@pytest.mark.filterwarnings("ignore:AssetExecutionContext.op is deprecated:DeprecationWarning")
def test_a_run_gives_the_same_snapshot_as_the_command_line_and_its_tests_as_checks(
    conformed: Conformed, manifest_path: Path, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    assets = conform_assets(conformed, home, manifest_path)
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path / "dagster")) as instance:
        run = dg.materialize([assets], instance=instance)
    (built,) = home.conformed.glob("*")
    assert built.name == conformed.snapshot.snapshot_id
    made = {event.asset_key.path[-1]: event for event in run.asset_materializations_for_node("conform")}
    assert set(made) > set(SNAPSHOT_KEYS)
    for name, content in conformed.snapshot.tables.items():
        assert made[name].metadata["content_hash"].value == content.content_hash
        assert made[name].metadata["dagster/row_count"].value == content.rows
    checks = {check.check_name: check.passed for check in run.get_asset_check_evaluations()}
    assert set(checks) == {key.name for key in assets.check_keys}
    assert all(checks.values())
    assert "fct_sales_line_key" in checks


def test_a_snapshot_built_before_is_materialized_without_dbt_and_downstream_still_runs(
    conformed: Conformed, manifest_path: Path, tmp_path: Path
) -> None:
    @dg.asset(deps=["fct_sales_line"])
    def downstream() -> None:
        """Reads the snapshot."""

    assets = conform_assets(conformed, conformed.home, manifest_path)
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        run = dg.materialize([assets, downstream], instance=instance)
    made = {event.asset_key.path[-1]: event for event in run.asset_materializations_for_node("conform")}
    assert set(made) > set(SNAPSHOT_KEYS)
    assert {event.metadata["snapshot_id"].value for event in made.values()} == {conformed.snapshot.snapshot_id}
    assert run.asset_materializations_for_node("downstream")
    assert not conformed.home.scratch(run.run_id).exists()


def test_assets_are_named_grouped_and_owned(conformed: Conformed, manifest_path: Path) -> None:
    conform = conform_assets(conformed, conformed.home, manifest_path)
    grid = make_grid(conformed.home.calendar())
    marts = make_marts_assets(manifest_path, grid, columns(), collect=never)
    specs = {spec.key.to_user_string(): spec for spec in [*conform.specs, *marts.specs]}
    assert set(specs) > {*SNAPSHOT_KEYS, *MARTS}
    assert specs["int_item_version"].owners == ["team:master-data"]
    groups = {name: specs[name].group_name for name in GROUPS}
    assert groups == GROUPS
    assert all(spec.owners for spec in specs.values())
    assert conform.partitions_def is None
    assert marts.partitions_def == grid.cycles
    (lake,) = specs["stg_lake__demand_history"].deps
    assert (lake.asset_key, lake.partition_mapping) == (dg.AssetKey("demand_history"), grid.all_regions)
    assert dg.AssetKey("int_item_version") in {dep.asset_key for dep in specs["dim_item"].deps}


def test_the_manifest_is_parsed_once(manifest_path: Path) -> None:
    before = manifest_path.stat().st_mtime_ns
    assert ensure_manifest() == manifest_path
    assert manifest_path.stat().st_mtime_ns == before


def test_unit_tests_are_not_run_in_a_pass(conformed: Conformed) -> None:
    log = (conformed.home.scratch("first") / "dbt-conform" / "target" / "run_results.json").read_text()
    assert '"unit_test.' not in log


@pytest.mark.parametrize("name", ["fct_refused_row", "segment_kpi"])
def test_the_layers_meet_in_one_graph(manifest_path: Path, conformed: Conformed, name: str) -> None:
    definitions = dg.Definitions(
        assets=[
            conform_assets(conformed, conformed.home, manifest_path),
            make_marts_assets(manifest_path, make_grid(conformed.home.calendar()), columns(), collect=never),
        ]
    )
    graph = definitions.resolve_asset_graph()
    upstream = graph.get_ancestor_asset_keys(dg.AssetKey(name))
    assert any(key.path[-1].startswith("stg_") for key in upstream)
