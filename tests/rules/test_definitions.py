"""Definitions load anywhere, and say of every dependency how its partitions meet.

Which assets there are, with groups, owners, partitions, dependencies and checks, is snapshot in docs/assets.md, which
test_docs.py compares.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from orchestration.definitions import build_definitions
from strata.home import REPOSITORY, Home
from tests.rules.tree import modules

HEAVY = ("great_expectations", "statsmodels", "scipy", "sklearn", "altair", "matplotlib")
# Imported by Python itself at start, in the loading process and in every process that it starts.
NO_NETWORK = """
import socket

def refuse(*arguments, **options):
    raise OSError(f"no network here: {arguments[:2]}")

socket.getaddrinfo = refuse
socket.create_connection = refuse
socket.socket.connect = refuse
"""
LOAD = """
import json, os, sys
import orchestration.definitions as module
import dagster as dg

assert not any(name == "defs" for name in vars(module)), "importing the module must not build anything"
dg.Definitions.validate_loadable(module.defs)
print(json.dumps({"loaded": sorted(sys.modules), "home": os.listdir(os.environ["STRATA_HOME"])}))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What a process without network and data, in a foreign HOME, has loaded after the definitions."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "sitecustomize.py").write_text(NO_NETWORK, encoding="utf-8")
    (folder / "data").mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "nobody"),
            "STRATA_HOME": str(folder / "data"),
            "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (folder / "nobody").exists(), "loading wrote into the home folder of the user"
    return json.loads(done.stdout)


def test_definitions_load_without_network_data_or_a_home_folder(loaded: dict[str, list[str]]) -> None:
    assert loaded["home"] == [], "loading made something in STRATA_HOME"


@pytest.mark.parametrize("library", HEAVY)
def test_definitions_load_nothing_heavy(loaded: dict[str, list[str]], library: str) -> None:
    assert library not in loaded["loaded"]


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_definitions(Home(tmp_path_factory.mktemp("home") / "absent"))


def test_every_dependency_of_a_partitioned_asset_says_how_partitions_meet(definitions: dg.Definitions) -> None:
    implicit = [
        f"{spec.key.to_user_string()} <- {dep.asset_key.to_user_string()}"
        for spec in definitions.resolve_all_asset_specs()
        if spec.partitions_def is not None
        for dep in spec.deps
        if dep.partition_mapping is None
    ]
    assert not implicit


def test_mappings_and_partitions_are_made_in_one_module() -> None:
    for path, _ in modules("assets", "orchestration"):
        text = (REPOSITORY / path).read_text(encoding="utf-8")
        if path != "orchestration/partitions.py":
            assert "PartitionMapping(" not in text, path
            assert "PartitionsDefinition(" not in text, path


def test_every_asset_we_make_has_an_owner_a_group_and_a_description(definitions: dg.Definitions) -> None:
    made = {key for asset in definitions.assets or [] for key in getattr(asset, "keys", [])}
    assert len(made) > 30
    for spec in definitions.resolve_all_asset_specs():
        if spec.key in made:
            assert spec.owners and spec.group_name and (spec.description or "").strip(), spec.key


def test_every_gate_check_is_partitioned_like_its_table(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    gates = [key for key in graph.asset_check_keys if key.name.endswith("_gate")]
    assert len(gates) >= 8
    for key in gates:
        assert graph.get(key).partitions_def == graph.get(key.asset_key).partitions_def, key


def test_every_pass_has_a_job_and_no_schedule_starts_unasked(definitions: dg.Definitions) -> None:
    assert {"conform_extracts", "decide", "publish"} <= {job.name for job in definitions.jobs or []}
    assert definitions.sensors
    for schedule in definitions.schedules or []:
        assert isinstance(schedule, dg.ScheduleDefinition)
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_workspace_and_project_name_the_same_definitions() -> None:
    workspace = (REPOSITORY / "workspace.yaml").read_text(encoding="utf-8")
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert "module_name: orchestration.definitions" in workspace and "attribute: defs" in workspace
    assert 'code_location_target_module = "orchestration.definitions"' in project


def test_telemetry_is_off() -> None:
    settings = (REPOSITORY / "orchestration" / "dagster.yaml").read_text(encoding="utf-8")
    assert "telemetry:\n  enabled: false" in settings
    flags = (REPOSITORY / "dbt_project" / "dbt_project.yml").read_text(encoding="utf-8")
    assert "send_anonymous_usage_stats: false" in flags


def test_folders_of_dbt_and_python_do_not_name_a_table_twice(definitions: dg.Definitions) -> None:
    keys = [spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()]
    assert len(keys) == len(set(keys))
    systems = ("erp/", "wms/", "tms/", "crm/", "planning/")
    assert all(Path(key).name == key for key in keys if not key.startswith(systems))
