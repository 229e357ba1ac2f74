"""Evidence of a run: which criterion, method and dimension its data speak for, as published."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from orchestration.resources import Workspace
from strata.conformed import dimensions, evidence
from strata.conformed.engine import THREADS_VARIABLE
from strata.durable import read_parquet, write_parquet
from strata.governance.releases import current_manifest
from strata.governance.store import GovernanceStore
from strata.partition import Partition
from strata.tables import DEMAND_FORECAST
from tests.orchestration.story import Story


@pytest.mark.capability("1.1", part="a row per candidate criterion in every release, one of them recommended")
@pytest.mark.capability("1.3", part="a row per dimension in every release")
@pytest.mark.capability("3.1", part="a row per method in every release")
def test_a_release_says_what_its_data_speak_for(lived: Story) -> None:
    manifest = current_manifest(lived.end)
    assert manifest is not None
    path = lived.end.release(manifest["release_id"]) / "strata.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        for table, key, count in (
            ("criteria_report", "criterion", 8),
            ("dimension_comparison", "dimension", 4),
            ("method_selection", "method", 3),
        ):
            found = connection.execute(
                f"select region, count(distinct {key}), max(rank), count(*) filter (where is_recommended), "
                f"bool_and(length(decision_reason) > 10) from {table} group by region order by region"
            ).fetchall()
            assert [(region, keys, last, told) for region, keys, last, _, told in found] == [
                ("APAC", count, count, True), ("EMEA", count, count, True),
            ], table  # fmt: skip
            assert all(chosen <= 1 for _, _, _, chosen, _ in found)
        # Gini once more, from the published profile: half the mean difference of pairs over the mean.
        apart = connection.execute(
            "with sold as (select region, revenue::double as x from demand_profile where location_id = '*'), "
            "pair as (select a.region, avg(abs(a.x - b.x)) / (2 * avg(a.x)) as gini "
            "from sold as a inner join sold as b on a.region = b.region group by a.region) "
            "select max(abs(p.gini - c.gini)) from pair as p "
            "inner join criteria_report as c on p.region = c.region and c.criterion = 'revenue'"
        ).fetchone()
    assert apart is not None and apart[0] < 1e-9


def test_the_same_rows_with_one_thread_and_with_two_and_none_without_the_part(
    lived: Story, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    partition = Partition("EMEA", "2026-06")
    candidate = GovernanceStore(lived.end).candidate(partition)
    assert candidate is not None
    files = {name: lived.end.root / table.path for name, table in candidate.tables.items()}
    view = Workspace(root=str(lived.end.root), snapshot_id=candidate.snapshot_id).view(partition, "look")
    inputs = {
        "history": files["demand_history"], "profile": files["demand_profile"], "forecast": files["demand_forecast"],
        "assignment": files["segment_assignment"], "lead_times": files["lead_time_profile"],
    }  # fmt: skip
    sold = {
        "assignment": files["segment_assignment"], "customers": files["customer_segment"],
        "channels": files["channel_segment"],
    }  # fmt: skip
    for threads in ("1", "2"):
        monkeypatch.setenv(THREADS_VARIABLE, threads)
        report, methods = evidence.evidence(view, **inputs)
        assert report.equals(read_parquet(files["criteria_report"]))
        assert methods.equals(read_parquet(files["method_selection"]))
        found = dimensions.dimension_comparison_table(view, **sold)
        assert found.equals(read_parquet(files["dimension_comparison"]))
    without = replace(view, scheme=view.scheme.model_copy(update={"evidence": None}))
    assert [table.num_rows for table in evidence.evidence(without, **inputs)] == [0, 0]
    assert dimensions.dimension_comparison_table(without, **sold).num_rows == 0
    # Without a forecast nothing has a price: criteria are measured all the same, and nothing is recommended.
    write_parquet(tmp_path / "forecast.parquet", DEMAND_FORECAST.empty())
    unpriced, none = evidence.evidence(view, **inputs | {"forecast": tmp_path / "forecast.parquet"})
    found = unpriced.to_pandas()
    assert none.num_rows == 0 and len(found) == 8
    assert not found["is_recommended"].any() and found["cost_year"].isna().all()
    assert found["decision_reason"].str.contains("no class has a price").all()
