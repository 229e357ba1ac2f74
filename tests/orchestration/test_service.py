"""Service targets in a run: without the scheme's part no rows, with it every item-location that has a policy row."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.resources import Workspace
from strata.conformed import sla
from strata.durable import read_parquet, write_parquet
from strata.governance.store import GovernanceStore
from strata.home import REPOSITORY
from strata.partition import Partition
from strata.scheme.load import load_scheme
from tests.orchestration.story import Story

SHIPPED = load_scheme(next((REPOSITORY / "config" / "schemes").glob("*.yml"))).scheme


@pytest.mark.capability("1.2", part="a run decides the targets of a partition and the register beside its policies")
def test_targets_of_a_run_are_those_of_its_policies_where_nothing_was_promised(lived: Story, tmp_path: Path) -> None:
    partition = Partition("EMEA", "2026-06")
    candidate = GovernanceStore(lived.end).candidate(partition)
    assert candidate is not None
    files = {name: lived.end.root / table.path for name, table in candidate.tables.items()}
    assert read_parquet(files["service_target"]).num_rows == read_parquet(files["sla_register"]).num_rows == 0
    view = Workspace(root=str(lived.end.root), snapshot_id=candidate.snapshot_id).view(partition, "look")
    view = replace(view, scheme=view.scheme.model_copy(update={"service": SHIPPED.service}))
    found = sla.service_target(
        view, forecast=files["demand_forecast"], profile=files["demand_profile"],
        assignment=files["segment_assignment"], lead_times=files["lead_time_profile"],
    )  # fmt: skip
    targets, policy = found.to_pandas(), read_parquet(files["inventory_policy"]).to_pandas()
    stocked = policy["policy_type"] != "none"
    assert stocked.any() and targets["sku_id"].tolist() == policy["sku_id"].tolist()
    assert targets.loc[stocked, "service_target"].tolist() == policy.loc[stocked, "service_target"].tolist()
    assert targets.loc[stocked, "required_csl"].tolist() == policy.loc[stocked, "expected_csl"].tolist()
    assert targets["binding_sla_id"].isna().all()
    write_parquet(tmp_path / "targets.parquet", found)
    assert sla.sla_register(view, targets=tmp_path / "targets.parquet", policy=files["inventory_policy"]).num_rows == 0
