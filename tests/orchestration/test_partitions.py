"""How partitions meet: asked of Dagster itself, with assets that only note which partitions they were given."""

from pathlib import Path

import dagster as dg
import pytest

from orchestration.partitions import Grid, grid, partition_key
from strata.home import Home
from strata.partition import Partition
from tests.golden.test_golden import HERE

Seen = dict[str, set[str]]


@pytest.fixture(scope="module")
def golden_grid(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    return grid(Home(HERE).calendar())


def given(golden: Grid, upstream: dg.PartitionsDefinition, mapping: dg.PartitionMapping, key: str) -> Seen:
    """Upstream partitions that Dagster hands to the partition `key` of an asset downstream."""
    seen: Seen = {}

    class Noting(dg.IOManager):
        def handle_output(self, context: dg.OutputContext, obj: object) -> None:
            """Nothing is kept."""

        def load_input(self, context: dg.InputContext) -> None:
            seen["before"] = set(context.asset_partition_keys) if context.has_asset_partitions else set()

    downstream = golden.region_cycle if "|" in key else golden.cycles

    @dg.asset(partitions_def=upstream)
    def before() -> int:
        return 1

    @dg.asset(partitions_def=downstream, ins={"before": dg.AssetIn(partition_mapping=mapping)})
    def after(context: dg.AssetExecutionContext, before: object) -> None:
        seen["asked"] = set(context.asset_partition_keys_for_input("before"))

    run_key = partition_key(key) if "|" in key else key
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize(
            [before, after], selection=[after], partition_key=run_key, resources={"io_manager": Noting()},
            instance=instance,
        )  # fmt: skip
    return seen


def test_hysteresis_looks_at_the_same_region_one_cycle_earlier(golden_grid: Grid) -> None:
    seen = given(golden_grid, golden_grid.region_cycle, golden_grid.previous_cycle, "2026-06|EMEA")
    assert seen == {"asked": {"2026-05|EMEA"}, "before": {"2026-05|EMEA"}}


def test_the_first_cycle_has_none_before_it(golden_grid: Grid) -> None:
    seen = given(golden_grid, golden_grid.region_cycle, golden_grid.previous_cycle, "2026-04|EMEA")
    assert seen["asked"] == set()


def test_a_stage_looks_at_its_own_partition(golden_grid: Grid) -> None:
    seen = given(golden_grid, golden_grid.region_cycle, golden_grid.same, "2026-05|APAC")
    assert seen["asked"] == {"2026-05|APAC"}


def test_a_release_takes_all_regions_of_its_cycle_and_no_other(golden_grid: Grid) -> None:
    """Dagster's own default between these two would take all cycles of a region."""
    seen = given(golden_grid, golden_grid.region_cycle, golden_grid.all_regions, "2026-05")
    assert seen["asked"] == {"2026-05|APAC", "2026-05|EMEA"}


def test_keys_of_dagster_are_those_of_partitions(golden_grid: Grid) -> None:
    keys = golden_grid.region_cycle.get_partition_keys()
    assert keys[:2] == ["2026-04|APAC", "2026-04|EMEA"]
    assert all(partition_key(Partition.from_key(key).key) == key for key in keys)
    assert golden_grid.cycles.get_first_partition_key() == "2026-04"


def test_a_new_region_in_the_configuration_is_a_new_partition(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    for name in ("calendar.yml", "regions.yml"):
        (folder / name).write_text((HERE / "config" / name).read_text(encoding="utf-8"), encoding="utf-8")
    with (folder / "regions.yml").open("a", encoding="utf-8") as file:
        file.write("  - {region: LATAM, name: Latin America, time_zone: America/Sao_Paulo}\n")
    assert "2026-04|LATAM" in grid(Home(tmp_path).calendar()).region_cycle.get_partition_keys()
