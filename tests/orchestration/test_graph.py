"""The graph in small: one partition computed, computed again, fed the same twice; and what late knowledge changes."""

from pathlib import Path

import dagster as dg
import pytest

from orchestration import landing, pipeline
from strata.cli.main import main
from strata.durable import read_parquet
from strata.governance.releases import read_manifest
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.partition import Partition
from strata.tables import GATE_RESULT, PARTITION_TABLES, TABLES
from tests.golden import company
from tests.orchestration import story
from tests.orchestration.story import Story

# Nobody promised the golden company's customers anything.
NO_ROWS = ("sla_register",)


def tables_of(home: Home, key: str) -> dict[str, object]:
    candidate = GovernanceStore(home).candidate(Partition.from_key(key))
    assert candidate is not None
    return {name: read_parquet(home.root / ref.path) for name, ref in candidate.tables.items()}


@pytest.mark.parametrize("name", PARTITION_TABLES)
def test_a_run_writes_every_table_of_its_partition_and_of_no_other(lived: Story, name: str) -> None:
    decided = lived.decided.decided[1]
    assert decided.partition.key == "2026-06|EMEA"
    file = lived.end.lake_file(name, decided.partition, decided.run_id)
    rows = read_parquet(file)
    assert rows.schema == TABLES[name].schema
    assert TABLES[name].conform(rows).equals(rows)
    found = 0 if name in NO_ROWS else rows.num_rows
    for column, value in (("region", "EMEA"), ("cycle", "2026-06"), ("valid_for_cycle", "2026-06")):
        assert set(rows[column].to_pylist()) == ({value} if found else set())
    assert decided.rows[name] == rows.num_rows and (rows.num_rows > 0) == (name not in NO_ROWS)


def test_the_candidate_says_what_it_was_made_of(lived: Story) -> None:
    candidate = lived.store.candidate(Partition("EMEA", "2026-06"))
    assert candidate is not None
    assert candidate.run_id == lived.decided.decided[1].run_id
    assert candidate.snapshot_id == lived.decided.snapshot_id
    assert (candidate.scheme_version, candidate.as_known, candidate.verdict) == ("golden.1", "cutoff", "pass")
    assert (candidate.previous.kind, candidate.previous.id) == ("release", lived.release("2026-05"))
    assert candidate.code_version.startswith("0.1.0+src.")


def test_dagster_shows_rows_hash_and_columns_of_every_table(lived: Story) -> None:
    with pipeline.instance(lived.end) as ready:
        for name in PARTITION_TABLES:
            event = ready.get_latest_materialization_event(dg.AssetKey(name))
            assert event is not None and event.asset_materialization is not None
            shown = event.asset_materialization.metadata
            assert {"dagster/row_count", "content_hash", "path", "dagster/column_schema"} <= set(shown)


@pytest.mark.capability("3.2", part="an old cycle recomputed on newer data, as known at its cut-off, is the same")
def test_an_old_cycle_recomputed_after_a_late_correction_is_bit_identical(lived: Story) -> None:
    assert lived.again.snapshot_id != lived.first.snapshot_id
    manifest = read_manifest(lived.end, lived.release("2026-05"))
    for region, part in manifest["partitions"].items():
        published = {name: table["content_hash"] for name, table in part["tables"].items()}
        assert story.candidate_hashes(lived.end, f"2026-05|{region}") == published
        candidate = lived.store.candidate(Partition(region, "2026-05"))
        assert candidate is not None and candidate.snapshot_id != part["snapshot_id"]
    assert [(p.outcome, p.release_id) for p in lived.again.releases] == [("noop", manifest["release_id"])]
    assert [r.cycle for r in lived.store.releases()] == ["2026-04", "2026-05", "2026-06"]


def march(table: object, bucket: str = "month") -> list[str]:
    return [
        f"{row['demand_units'].normalize():f}"
        for row in table.to_pylist()
        if (row["sku_id"], row["bucket"], str(row["period_start"])) == ("I5", bucket, "2026-03-01")
    ]


@pytest.mark.capability("3.2", part="a late correction shows in the next cycle and in a restatement")
def test_a_late_correction_shows_in_the_next_cycle_and_in_a_restatement(lived: Story) -> None:
    old = tables_of(lived.end, "2026-05|EMEA")
    assert march(old["demand_history"]) == ["3"]
    assert march(tables_of(lived.end, "2026-06|EMEA")["demand_history"]) == ["33"]
    restated = lived.store.restatement(Partition("EMEA", "2026-05"))
    assert restated is not None and restated.as_known == "now"
    assert march(read_parquet(lived.end.root / restated.tables["demand_history"].path)) == ["33"]
    different = {name for name, found in restated.content().items() if found != TABLES[name].content_hash(old[name])}
    assert {"demand_history", "demand_profile", "segment_assignment", "reconciliation"} <= different


def test_a_restatement_moves_neither_candidate_nor_release(lived: Story) -> None:
    candidate = lived.store.candidate(Partition("EMEA", "2026-05"))
    assert candidate is not None
    assert candidate.as_known == "cutoff"
    assert candidate.run_id == lived.again.decided[1].run_id
    assert lived.store.restatement(Partition("APAC", "2026-05")) is None


def test_publishing_a_restatement_is_refused_before_anything_is_computed(
    lived: Story, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = lived.store.ledger_head()
    arguments = ["--home", str(lived.end.root), "run", "--cycle", "2026-05", "--as-known", "now", "--publish"]
    monkeypatch.setattr("sys.argv", ["strata", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 3
    assert "approved proposal" in capsys.readouterr().err
    assert lived.store.ledger_head() == known


def test_the_same_extract_again_under_another_name_changes_nothing(lived: Story, tmp_path: Path) -> None:
    home = story.copy_of(lived.end, tmp_path / "home")
    before = sorted(str(path) for path in home.raw.rglob("*"))
    company.drop_sales(home.landing, "2026-05", as_extract="again")
    company.drop_sales(home.landing, "initial", as_extract="and-again")
    counts = landing.land(home).counts
    assert counts.get("accepted", 0) == 0 and counts["duplicate"] >= 2
    assert sorted(str(path) for path in home.raw.rglob("*")) == before
    known = lived.decided.snapshot_id
    assert landing.conform(home, "again").snapshot_id == known
    assert [folder.name for folder in home.staging.iterdir() if folder.name == "again"] == []


@pytest.mark.capability("3.2", part="a rerun gives equal content and publishes nothing new")
def test_a_rerun_gives_equal_content_and_publishes_nothing(lived: Story, tmp_path: Path) -> None:
    home = story.copy_of(lived.end, tmp_path / "home")
    known = story.candidate_hashes(home, "2026-06|EMEA")
    report = pipeline.run(home, ["2026-06"], regions=["EMEA"], publish=True)
    assert report.decided[0].run_id != lived.decided.decided[1].run_id
    assert story.candidate_hashes(home, "2026-06|EMEA") == known
    assert [(p.outcome, p.release_id) for p in report.releases] == [("noop", lived.published.release_id)]
    assert [r.generation for r in GovernanceStore(home).releases()] == [1, 2, 3]
    results = {TABLES[GATE_RESULT.name].content_hash(tables_of(home, "2026-06|EMEA")[GATE_RESULT.name])}
    assert results == {known[GATE_RESULT.name]}
