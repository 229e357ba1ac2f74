"""Kill the publisher, or fill its disk, at every step of the protocol; then invariants I1 to I6 of reliability.md."""

from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError

from strata.failpoint import REGISTRY
from strata.governance.anchors import anchor_file
from strata.governance.garbage import collect_garbage
from strata.governance.releases import current_release, read_manifest
from strata.governance.verify import verify_ledger, verify_release
from strata.partition import Partition
from tests.strata.governance import process
from tests.strata.governance.conftest import Company, copy_of

STEPS = sorted(name for name in REGISTRY if name.startswith("publish."))
REPLACED = {"publish.p6", "publish.p7"}  # CURRENT names the new release from here on

pytestmark = pytest.mark.capability("7.6", part="a suspension survives a publisher that dies or whose disk fails")


def contents(company: Company) -> dict[str, str]:
    current = current_release(company.home)
    assert current is not None
    return {table["name"]: table["content_hash"] for table in read_manifest(company.home, current)["tables"]}


def prepare(company: Company) -> dict[str, str]:
    """A cycle in which one region passes and the other fails a gate; returns what is current before."""
    company.point("EAST", "2017-11", version=2)
    company.point("WEST", "2017-11", version=2, verdicts={"policy.bounds": "suspend"})
    return contents(company)


def assert_invariants(company: Company, before: dict[str, str], failpoint: str) -> None:
    home, store = company.home, company.store
    current = current_release(home)
    assert current is not None
    # I1: CURRENT resolves to a complete release, the new one only after P6.
    assert current.startswith("2017-11" if failpoint in REPLACED else "2017-10")
    if failpoint not in REPLACED:
        assert contents(company) == before
    if failpoint != "publish.p6":  # there the ledger lacks its last word until the next publisher
        assert verify_ledger(home, store) == []
    # I5: outside scratch there are only whole releases.
    assert not list(home.releases.glob(".*"))
    for folder in home.releases.iterdir():
        if folder.is_dir():
            faults = verify_release(home, store, folder.name)
            assert [fault for fault in faults if "was not published" not in fault] == []


def assert_converges(company: Company, expected: dict[str, str]) -> None:
    """I3, I4, I6: the next publisher puts right what is left, and ends where an undisturbed one ends."""
    home, store = company.home, company.store
    again = company.publish("2017-11", run_id="retry")
    assert again.outcome in ("published", "noop")
    assert contents(company) == expected
    current = current_release(home)
    assert current is not None
    assert verify_release(home, store, current) == []
    assert verify_ledger(home, store) == []
    assert {release.status for release in store.publications()} <= {"published", "aborted"}
    assert store.releases()[-1].release_id == current
    assert [(s.region, s.since_cycle) for s in store.open_suspensions()] == [("WEST", "2017-11")]
    assert [alert.kind for alert in store.alerts()].count("suspension") == 1
    assert read_manifest(home, current)["regions"] == {"EAST": "2017-11", "WEST": "2017-10"}
    collect_garbage(store, home, live_runs=())
    assert sorted(path.name for path in home.releases.iterdir() if path.is_dir()) == sorted(
        release.release_id for release in store.releases()
    )
    assert list(home.staging.iterdir()) == []


@pytest.fixture(scope="module")
def undisturbed(published_template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    company = copy_of(published_template, tmp_path_factory.mktemp("undisturbed"))
    prepare(company)
    assert company.publish("2017-11").outcome == "published"
    return contents(company)


@pytest.mark.parametrize("failpoint", STEPS)
def test_a_publisher_killed_at(failpoint: str, running: Company, undisturbed: dict[str, str]) -> None:
    before = prepare(running)
    killed = process.start(
        process.publish_cycle, running.home, "2017-11", None, "victim", False, failpoint=f"{failpoint}:kill"
    )
    assert killed.ended() == -9
    assert_invariants(running, before, failpoint)
    assert_converges(running, undisturbed)


@pytest.mark.parametrize("fault", ["enospc", "eio"])
@pytest.mark.parametrize("failpoint", STEPS)
def test_a_publisher_whose_disk_fails_at(
    failpoint: str, fault: str, running: Company, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = prepare(running)
    monkeypatch.setenv("STRATA_FAILPOINT", f"{failpoint}:{fault}")
    with pytest.raises(OSError, match="failpoint"):
        running.publish("2017-11", run_id="victim")
    monkeypatch.delenv("STRATA_FAILPOINT")
    assert_invariants(running, before, failpoint)
    assert_converges(running, undisturbed)


def test_every_step_of_the_protocol_has_a_failpoint() -> None:
    assert [f"publish.p{step}" for step in range(8)] == STEPS


@pytest.mark.parametrize("failpoint", ["publish.p4", "publish.p6"])
def test_a_rollback_killed_at(failpoint: str, running: Company) -> None:
    first = current_release(running.home)
    assert running.everything("2017-11", version=2).outcome == "published"
    killed = process.start(process.roll_back, running.home, first, failpoint=f"{failpoint}:kill")
    assert killed.ended() == -9
    current = current_release(running.home)
    assert current is not None
    assert (read_manifest(running.home, current)["rollback_of"] == first) == (failpoint == "publish.p6")
    result = process.start(process.roll_back, running.home, first).answer()
    assert result[0] == ("noop" if failpoint == "publish.p6" else "published")
    assert verify_ledger(running.home, running.store) == []
    assert running.store.releases()[-1].rollback_of == first


def test_the_candidate_pointer_killed_before_it_moves_stays(company: Company) -> None:
    killed = process.start(process.point, company.home, 1, failpoint="candidate.point:kill")
    (company.home.root / "go").touch()
    assert killed.ended() == -9
    assert company.store.candidate(Partition("EAST", "2017-10")) is None
    assert company.point("EAST", "2017-10").generation == 1


def test_a_ledger_that_cannot_be_written_publishes_nothing(running: Company) -> None:
    before = prepare(running)
    with running.store.transaction() as change:
        change.connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON ledger_entry WHEN NEW.action = 'publish.intent' "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
    with pytest.raises(DatabaseError, match="disk is full"):
        running.publish("2017-11")
    assert contents(running) == before
    assert [release.generation for release in running.store.publications()] == [1]


def test_a_ledger_without_its_anchors_publishes_nothing(running: Company) -> None:
    before = prepare(running)
    anchor_file(running.home).unlink()
    assert running.publish("2017-11").outcome == "refused"
    assert contents(running) == before


def test_two_publishers_of_the_same_path_are_told_apart(running: Company) -> None:
    """An aborted release leaves its folder and its generation behind; neither is used again."""
    prepare(running)
    killed = process.start(
        process.publish_cycle, running.home, "2017-11", None, "victim", False, failpoint="publish.p4:kill"
    )
    assert killed.ended() == -9
    orphan = next(path for path in running.home.releases.glob("2017-11-*"))
    assert running.publish("2017-11").release_id != orphan.name
    assert orphan.is_dir()
    assert [(r.generation, r.status) for r in running.store.publications()] == [
        (1, "published"), (2, "aborted"), (3, "published"),
    ]  # fmt: skip
