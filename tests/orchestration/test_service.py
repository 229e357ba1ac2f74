"""Service targets in a run: without the scheme's part no rows, with it every item-location that has a policy row."""

from dataclasses import replace

import pytest

from orchestration.resources import Workspace
from strata.conformed import sla
from strata.durable import read_parquet
from strata.governance.store import GovernanceStore
from strata.partition import Partition
from tests.orchestration.story import Story


@pytest.mark.capability("1.2", part="a run decides the targets of a partition and the register beside its policies")
def test_targets_of_a_run_are_those_of_its_policies_where_nothing_was_promised(lived: Story) -> None:
    partition = Partition("EMEA", "2026-06")
    candidate = GovernanceStore(lived.end).candidate(partition)
    assert candidate is not None
    files = {name: lived.end.root / table.path for name, table in candidate.tables.items()}
    view = Workspace(root=str(lived.end.root), snapshot_id=candidate.snapshot_id).view(partition, "look")
    without = replace(view, scheme=view.scheme.model_copy(update={"service": None}))
    inputs = {
        "forecast": files["demand_forecast"], "profile": files["demand_profile"],
        "assignment": files["segment_assignment"], "lead_times": files["lead_time_profile"],
    }  # fmt: skip
    assert sla.service_target(without, **inputs).num_rows == 0
    found = read_parquet(files["service_target"])
    assert found.equals(sla.service_target(view, **inputs))
    targets, policy = found.to_pandas(), read_parquet(files["inventory_policy"]).to_pandas()
    stocked = policy["policy_type"] != "none"
    assert stocked.any() and targets["sku_id"].tolist() == policy["sku_id"].tolist()
    assert targets.loc[stocked, "service_target"].tolist() == policy.loc[stocked, "service_target"].tolist()
    assert targets.loc[stocked, "required_csl"].tolist() == policy.loc[stocked, "expected_csl"].tolist()
    assert targets["binding_sla_id"].isna().all()
    assert read_parquet(files["sla_register"]).num_rows == 0
