"""A failed gate: the region is suspended, people are told, Dagster shows it, readers keep the last good rows.

And ways round the gates: each publishes nothing that was not judged.
"""

from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orchestration import pipeline
from orchestration.definitions import build_definitions
from orchestration.jobs import DECIDE, PUBLISH
from orchestration.partitions import partition_key
from orchestration.publication import publish_cycle
from orchestration.resources import Workspace
from strata.durable import read_parquet, write_parquet
from strata.governance.releases import current_release, read_manifest
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.partition import Partition
from strata.tables import PARTITION_TABLES, TABLES
from tests.orchestration import story
from tests.orchestration.story import Story

APAC, EMEA = Partition("APAC", "2026-06"), Partition("EMEA", "2026-06")
TABLES_ONLY = [name for name in PARTITION_TABLES if name != "gate_result"]


def select(home: Home, partition: Partition, names: list[str], instance: dg.DagsterInstance) -> bool:
    """Materialize some assets of a partition, as somebody may do in the UI; True where the run succeeded."""
    job = build_definitions(home).resolve_job_def(DECIDE)
    run = job.execute_in_process(
        instance=instance, partition_key=partition_key(partition.key), raise_on_error=False,
        asset_selection=[dg.AssetKey(name) for name in names],
    )  # fmt: skip
    return run.success


def publish_in_dagster(home: Home, cycle: str, instance: dg.DagsterInstance) -> bool:
    """Materialize the release asset alone."""
    job = build_definitions(home).resolve_job_def(PUBLISH)
    run = job.execute_in_process(
        instance=instance, partition_key=cycle, raise_on_error=False, asset_selection=[dg.AssetKey("release")]
    )
    return run.success


@pytest.mark.capability("7.6", part="a failed gate suspends the region and no other")
def test_the_bad_feed_suspends_its_region(lived: Story) -> None:
    verdicts = {decided.partition: decided.verdict for decided in lived.decided.decided}
    assert verdicts == {APAC: "suspend", EMEA: "pass"}
    assert lived.published.outcome == "published" and lived.published.suspended == ("APAC",)
    assert [(s.region, s.since_cycle) for s in lived.store.open_suspensions()] == [("APAC", "2026-06")]
    manifest = read_manifest(lived.end, lived.published.release_id or "")
    assert manifest["regions"] == {"APAC": "2026-05", "EMEA": "2026-06"}
    suspended = manifest["suspensions"][0]
    assert (suspended["region"], suspended["since_cycle"]) == ("APAC", "2026-06")
    records = {r.record_id: r for r in lived.store.gate_records(partition=APAC)}
    assert records[suspended["gate_record_id"]].verdict == "suspend"


@pytest.mark.capability("7.6", part="readers see the last good rows, flagged, and none of the failed ones")
def test_readers_see_the_last_good_rows_with_a_flag(lived: Story) -> None:
    now = lived.end.release(lived.published.release_id or "") / "strata.duckdb"
    before = lived.end.release(lived.release("2026-05")) / "strata.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{now}' AS now (READ_ONLY); ATTACH '{before}' AS before (READ_ONLY)")
        for table in ("segment_assignment", "demand_forecast", "inventory_policy"):
            same = ", ".join(
                name
                for name in TABLES[table].names
                if name not in ("valid_for_cycle", "is_suspended", "suspended_since", "suspension_reason")
            )
            flags = (
                f"select distinct is_suspended, suspended_since, valid_for_cycle from now.{table} where region = 'APAC'"
            )
            assert connection.execute(flags).fetchall() == [(True, "2026-06", "2026-06")]
            left = connection.execute(
                f"(select {same} from now.{table} where region = 'APAC') except "
                f"(select {same} from before.{table} where region = 'APAC')"
            ).fetchall()
            assert left == []
        suspended = "select bool_or(is_suspended) from now.segment_assignment where region = 'EMEA'"
        assert connection.execute(suspended).fetchone() == (False,)


@pytest.mark.capability("7.6", part="a suspension raises an alert that is delivered")
def test_people_are_told_once(lived: Story, tmp_path: Path) -> None:
    told = [alert for alert in lived.store.alerts() if alert.kind == "suspension"]
    assert [alert.payload["region"] for alert in told] == ["APAC"]
    assert "X" in told[0].payload["reason"] or told[0].payload["reason"]
    home = story.copy_of(lived.end, tmp_path / "home")
    pipeline.run(home, [], publish=True)
    pipeline.run(home, [], publish=True)
    lines = (home.root / "alerts" / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum('"kind":"suspension"' in line for line in lines) == 1
    assert not GovernanceStore(home).alerts("pending")


def test_dagster_shows_the_gate_as_failed(lived: Story) -> None:
    shown: dict[tuple[str, str], bool] = {}
    with pipeline.instance(lived.end) as ready:
        for decided in lived.decided.decided:
            for entry in ready.all_logs(decided.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
                assert entry.dagster_event is not None
                check = entry.dagster_event.asset_check_evaluation_data
                shown[decided.partition.region, check.check_name] = check.passed
                assert check.metadata["verdict"].value in ("pass", "warn", "quarantine", "suspend")
    records = lived.store.gate_records(run_id=lived.decided.decided[0].run_id)
    for region in ("APAC", "EMEA"):
        assert {name for where, name in shown if where == region} == {f"{r.gate}_gate" for r in records}
    for record in records:
        assert shown["APAC", f"{record.gate}_gate"] == (record.verdict == "pass"), record.gate
    assert all(passed for (region, _), passed in shown.items() if region == "EMEA")


def test_the_ledger_is_whole_and_names_what_happened(lived: Story) -> None:
    assert lived.store.verify_ledger() == []
    actions = [entry.action for entry in lived.store.ledger_entries()]
    assert actions.count("publish.published") == 3
    assert actions.count("suspension.opened") == 1


@pytest.mark.capability("7.6", part="where every region fails, the release that is there stays")
def test_where_every_region_fails_nothing_is_published(lived: Story, tmp_path: Path) -> None:
    """A scheme that asks for more items than there are: both regions fail their gates in the first cycle."""
    root = tmp_path / "home"
    for folder in ("raw", "conformed", "config"):
        (root / folder).parent.mkdir(parents=True, exist_ok=True)
        story.copy_folder(lived.conformed.root / folder, root / folder)
    scheme = next((root / "config" / "schemes").glob("*.yml"))
    scheme.write_text(scheme.read_text(encoding="utf-8").replace("min_items: 1", "min_items: 1000"), encoding="utf-8")
    home = story.initialise(root)
    report = pipeline.run(home, ["2026-04"], publish=True)
    assert {decided.verdict for decided in report.decided} == {"suspend"}
    assert [(p.outcome, p.release_id) for p in report.releases] == [("refused", None)]
    assert current_release(home) is None
    assert [s.region for s in GovernanceStore(home).open_suspensions()] == ["APAC", "EMEA"]


@pytest.mark.capability("7.6", part="a release asset started alone publishes only what was judged")
def test_ways_round_the_gates_publish_nothing_unjudged(lived: Story, tmp_path: Path) -> None:
    """F22, one after the other on one home at which 2026-05 is published and 2026-06 not decided."""
    home = story.copy_of(lived.closed, tmp_path / "home")
    store, before = GovernanceStore(home), current_release(home)
    with dg.DagsterInstance.ephemeral() as instance:
        assert not publish_in_dagster(home, "2026-06", instance), "nothing was decided"
        assert select(home, EMEA, TABLES_ONLY, instance)
        assert store.candidate(EMEA) is None, "tables without a verdict are no candidate"
        assert not publish_in_dagster(home, "2026-06", instance)
        assert not select(home, EMEA, ["candidate"], instance), "there is nothing to point at"
        assert store.candidate(EMEA) is None
    assert current_release(home) == before
    assert not (home.releases / "2026-06").exists()


def test_a_candidate_whose_gates_were_left_out_is_held_back(lived: Story, tmp_path: Path) -> None:
    """Tables computed anew and pointed at without judging them: the old verdicts do not speak for the new run."""
    home = story.copy_of(lived.ready, tmp_path / "home")
    store = GovernanceStore(home)
    with dg.DagsterInstance.ephemeral() as instance:
        assert select(home, EMEA, [*TABLES_ONLY, "candidate"], instance)
    candidate = store.candidate(EMEA)
    assert candidate is not None and candidate.verdict == "suspend" and candidate.gate_record_ids == ()
    result = publish_cycle(Workspace(root=str(home.root)), "2026-06", "victim")
    assert result.outcome == "refused"
    assert current_release(home) == lived.release("2026-05")


def test_a_table_computed_again_alone_is_not_published(lived: Story, tmp_path: Path) -> None:
    home = story.copy_of(lived.ready, tmp_path / "home")
    known = story.candidate_hashes(home, EMEA.key)
    with dg.DagsterInstance.ephemeral() as instance:
        assert select(home, EMEA, ["inventory_policy"], instance)
    assert story.candidate_hashes(home, EMEA.key) == known
    result = publish_cycle(Workspace(root=str(home.root)), "2026-06", "victim")
    assert result.outcome == "published"
    assert story.published_hashes(home) == story.published_hashes(lived.end)


def test_a_table_changed_after_it_was_judged_is_refused(lived: Story, tmp_path: Path) -> None:
    home = story.copy_of(lived.ready, tmp_path / "home")
    candidate = GovernanceStore(home).candidate(EMEA)
    assert candidate is not None
    file = home.root / candidate.tables["segment_assignment"].path
    rows = read_parquet(file)
    better = rows.set_column(rows.schema.get_field_index("segment"), rows.schema.field("segment"), [["AX"] * len(rows)])
    write_parquet(file, better)
    result = publish_cycle(Workspace(root=str(home.root)), "2026-06", "victim")
    assert result.outcome == "refused"
    assert any("was changed after it was judged" in reason for reason in result.reasons)
    assert current_release(home) == lived.release("2026-05")


@pytest.mark.capability("7.1", part="a company home publishes nothing whose scheme is not approved")
def test_a_company_home_publishes_nothing_unapproved(
    lived: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from strata.cli.main import main

    root = tmp_path / "home"
    for folder in ("raw", "conformed", "config"):
        story.copy_folder(lived.conformed.root / folder, root / folder)
    home = story.initialise(root, "company")
    monkeypatch.setattr("sys.argv", ["strata", "--home", str(root), "run", "--cycle", "2026-04", "--publish", "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 3
    assert "is not approved" in capsys.readouterr().err
    assert current_release(home) is None
    assert not [path for path in home.releases.iterdir() if path.is_dir()]
    assert GovernanceStore(home).profile() == "company"
