"""Several processes at once: one candidate, one publisher, and readers who never see a mix."""

from pathlib import Path

import duckdb
import pytest

from strata.durable import read_parquet
from strata.governance.plan import plan_release
from strata.governance.publisher import publish, rollback
from strata.governance.records import StaleCandidateError
from strata.governance.releases import current_release, manifest_file, read_manifest
from strata.governance.verify import verify_ledger, verify_release
from strata.home import Home
from strata.partition import Partition
from strata.tables import TABLES
from tests.strata.governance import factory, process
from tests.strata.governance.conftest import Company

pytestmark = pytest.mark.capability("7.6", part="no reader and no second publisher sees or makes a mix")


def race(
    company: Company, cycle: str, regions: dict[str, list[str] | None]
) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Publishers that planned on one parent and start together; their outcomes by run."""
    go = company.home.root / "go"
    started = {
        run: process.start(process.publish_cycle, company.home, cycle, wanted, run, True)
        for run, wanted in regions.items()
    }
    process.wait_for(*(company.home.root / f"ready-{run}" for run in regions))
    go.touch()
    return {run: step.answer() for run, step in started.items()}


def test_of_two_runs_of_one_partition_one_is_pointed_at(company: Company) -> None:
    started = [process.start(process.point, company.home, version) for version in (1, 2)]
    process.wait_for(*(company.home.root / f"ready-{version}" for version in (1, 2)))
    (company.home.root / "go").touch()
    assert sorted((step.answer() for step in started), key=str) == [1, None]
    candidate = company.store.candidate(Partition("EAST", "2017-10"))
    assert candidate is not None
    assert candidate.generation == 1


def test_of_two_publishers_whose_regions_overlap_one_wins_and_the_other_is_stale(tmp_path: Path) -> None:
    home, store = factory.make_home(tmp_path / "home", regions=("EAST", "NORTH", "WEST"))
    company = Company(home, store)
    for region in ("EAST", "NORTH", "WEST"):
        company.point(region, "2017-11")
    found = race(company, "2017-11", {"one": ["EAST", "NORTH"], "two": ["NORTH", "WEST"]})
    assert sorted(outcome for outcome, _, _ in found.values()) == ["published", "stale"], found
    assert any("changed ['NORTH'] too; plan again" in reason for _, _, reasons in found.values() for reason in reasons)
    assert len(store.releases()) == 1
    assert [alert.kind for alert in store.alerts()] == ["publish.stale"]
    assert verify_ledger(home, store) == []
    loser = next(
        ["EAST", "NORTH"] if run == "one" else ["NORTH", "WEST"] for run, (o, _, _) in found.items() if o == "stale"
    )
    assert company.publish("2017-11", loser).outcome == "published"
    assert len(read_manifest(home, current_release(home) or "")["regions"]) == 3


def test_of_two_publishers_of_the_same_content_one_finds_nothing_to_do(running: Company) -> None:
    running.point("EAST", "2017-11", version=2)
    found = race(running, "2017-11", {"one": ["EAST"], "two": ["EAST"]})
    assert sorted(outcome for outcome, _, _ in found.values()) == ["noop", "published"]
    assert len({release_id for _, release_id, _ in found.values()}) == 1


def test_two_publishers_of_different_regions_both_get_in(running: Company) -> None:
    running.point("EAST", "2017-11", version=2)
    running.point("WEST", "2017-11", version=3)
    found = race(running, "2017-11", {"one": ["EAST"], "two": ["WEST"]})
    assert [outcome for outcome, _, _ in found.values()] == ["published", "published"]
    current = current_release(running.home)
    assert current is not None
    assert read_manifest(running.home, current)["regions"] == {"EAST": "2017-11", "WEST": "2017-11"}
    assert verify_release(running.home, running.store, current) == []
    assert [release.generation for release in running.store.releases()] == [1, 2, 3]


def test_a_current_moved_by_something_that_ignores_the_lock_is_not_overwritten(running: Company) -> None:
    running.point("EAST", "2017-11", version=2)
    first = current_release(running.home)
    slow = process.start(
        process.publish_cycle, running.home, "2017-11", None, "slow", False, failpoint="publish.p4:sleep"
    )
    process.wait_for(running.home.root / "publisher.lock")
    while not list(running.home.releases.glob("2017-11-*")):
        assert slow.process.is_alive()
    running.home.current_file.write_text("2017-10-g0099-rogue\n")
    outcome, _, reasons = slow.answer()
    assert outcome == "stale"
    made = running.store.publications()[-1].release_id
    assert reasons == (f"CURRENT is 2017-10-g0099-rogue, but release {made} was made on {first}",)
    assert running.home.current_file.read_text() == "2017-10-g0099-rogue\n"
    assert running.store.publications()[-1].status == "aborted"


def test_a_zombie_cannot_replace_a_newer_candidate(company: Company) -> None:
    zombie = factory.make_candidate(company.store, company.home, "EAST", "2017-10", version=1)
    company.point("EAST", "2017-10", version=2)
    with pytest.raises(StaleCandidateError, match="was first"):
        company.store.point_candidate(zombie, 0)


def test_a_plan_whose_candidate_moved_is_stale(running: Company) -> None:
    running.point("EAST", "2017-11", version=2)
    plan = plan_release(running.store, running.home, "2017-11", None)
    running.point("EAST", "2017-11", version=3)
    result = publish(
        running.store, running.home, plan, factory.make_marts(running.home, "2017-11"), run_id="late", actor="tester",
        reason="test", required_gates=factory.REQUIRED,
    )  # fmt: skip
    assert (result.outcome, result.reasons) == (
        "stale",
        ("candidates of ['EAST'] moved after the plan was made; plan again",),
    )


def test_a_plan_on_a_release_that_was_rolled_back_is_stale(running: Company) -> None:
    first = current_release(running.home)
    assert first is not None
    running.everything("2017-11", version=2)
    running.point("EAST", "2017-12", version=3)
    plan = plan_release(running.store, running.home, "2017-12", None)
    assert rollback(running.store, running.home, first, reason="bad", actor="tester").outcome == "published"
    result = publish(
        running.store, running.home, plan, factory.make_marts(running.home, "2017-12"), run_id="late", actor="tester",
        reason="test", required_gates=factory.REQUIRED,
    )  # fmt: skip
    assert result.outcome == "stale"
    assert "was rolled back" in result.reasons[0]


def read_until_told(home: Home, stop: Path) -> list[str]:
    """A reader: CURRENT once, then every file of that release; returns the releases in the order they were seen."""
    seen: list[str] = []
    while not stop.exists() or len(seen) < 2:
        release_id = current_release(home)
        assert release_id is not None
        manifest = read_manifest(home, release_id)
        assert manifest_file(home, release_id).is_file()
        for entry in manifest["tables"]:
            rows = read_parquet(home.release(release_id) / f"{entry['name']}.parquet")
            assert TABLES[entry["name"]].content_hash(rows) == entry["content_hash"]
            assert set(rows["release_id"].to_pylist()) <= {release_id}
        with duckdb.connect(home.release(release_id) / "strata.duckdb", read_only=True) as connection:
            found = connection.execute("SELECT DISTINCT release_id FROM segment_assignment").fetchall()
        assert found == [(release_id,)]
        seen.append(release_id)
    return seen


def test_no_reader_sees_a_mix_and_none_sees_an_older_release_after_a_newer(running: Company) -> None:
    stop = running.home.root / "stop"
    reader = process.start(read_until_told, running.home, stop)
    first = current_release(running.home)
    assert first is not None
    for version, cycle in enumerate(("2017-11", "2017-12"), start=2):
        assert running.everything(cycle, version=version).outcome == "published"
    assert rollback(running.store, running.home, first, reason="bad", actor="tester").outcome == "published"
    stop.touch()
    seen = reader.answer()
    order = [release.release_id for release in running.store.releases()]
    positions = [order.index(release_id) for release_id in seen]
    assert positions == sorted(positions)
    assert len(seen) >= 2
