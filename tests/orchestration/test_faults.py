"""Kill -9 at every named place of the real pipeline; then invariants I1 to I6 of reliability.md, and convergence.

In these cycles one region fails its gates, so that I6 is at stake each time.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from strata.failpoint import REGISTRY
from strata.governance.garbage import collect_garbage
from strata.governance.releases import current_release, read_manifest
from strata.governance.store import GovernanceStore
from strata.governance.verify import verify_ledger, verify_release
from strata.home import Home
from strata.intake.batches import accepted_batches
from strata.partition import Partition
from tests.golden import company
from tests.orchestration import process, story
from tests.orchestration.story import Story

PUBLISH_STEPS = sorted(name for name in REGISTRY if name.startswith("publish."))
REPLACED = {"publish.p6", "publish.p7"}  # CURRENT names the new release from here on
KILLED = -9

pytestmark = pytest.mark.capability(
    "7.6", part="a run that is killed leaves no mix, and a rerun ends where it would have"
)


def assert_whole(home: Home, current: str, *, is_sealed: bool = True) -> None:
    """I1, I3, I5: CURRENT is that release, all that lies in releases/ is whole, the ledger is intact."""
    store = GovernanceStore(home)
    assert current_release(home) == current
    if is_sealed:  # after P6 the ledger lacks its last word until the next publisher
        assert verify_ledger(home, store) == []
    assert not list(home.releases.glob(".*"))
    for folder in home.releases.iterdir():
        if folder.is_dir():
            faults = verify_release(home, store, folder.name)
            assert [fault for fault in faults if "was not published" not in fault] == []
    published = [release.release_id for release in store.releases()]
    assert all((home.releases / release_id / "manifest.json").is_file() for release_id in published)


def assert_converged(home: Home, lived: Story) -> None:
    """I3, I4, I6: the content of an undisturbed life, one suspension, one alert, nothing left over."""
    store, release_id = GovernanceStore(home), current_release(home)
    assert release_id is not None
    assert_whole(home, release_id)
    assert story.published_hashes(home) == story.published_hashes(lived.end)
    assert read_manifest(home, release_id)["regions"] == {"APAC": "2026-05", "EMEA": "2026-06"}
    assert [(s.region, s.since_cycle) for s in store.open_suspensions()] == [("APAC", "2026-06")]
    assert [alert.kind for alert in store.alerts()].count("suspension") == 1
    assert {release.status for release in store.publications()} <= {"published", "aborted"}
    collect_garbage(store, home, live_runs=())
    assert list(home.staging.iterdir()) == []
    folders = sorted(path.name for path in home.releases.iterdir() if path.is_dir())
    assert folders == sorted(release.release_id for release in store.releases())


@pytest.mark.parametrize("step", PUBLISH_STEPS)
def test_a_publisher_killed_at(step: str, lived: Story, tmp_path: Path) -> None:
    home = story.copy_of(lived.ready, tmp_path / "home")
    before, hashes = current_release(home), story.published_hashes(home)
    assert process.exit_code("publish", home, "2026-06", "victim", failpoint=f"{step}:kill") == KILLED
    current = current_release(home)
    assert current is not None
    if step in REPLACED:
        assert current.startswith("2026-06-")
        assert read_manifest(home, current)["regions"]["APAC"] == "2026-05"  # I6
    else:
        assert current == before and story.published_hashes(home) == hashes
    assert_whole(home, current, is_sealed=step != "publish.p6")
    assert process.exit_code("publish", home, "2026-06", "retry") == 0
    assert_converged(home, lived)


@dataclass(frozen=True)
class Survivor:
    """A home whose steps were killed one after the other, and what was seen after each."""

    home: Home
    codes: dict[str, int]
    raw_after_kill: list[Path]
    conformed_after_kill: list[Path]
    lake_after_kill: list[Path]
    pointed_after_kill: bool


@pytest.fixture(scope="module")
def survivor(lived: Story, tmp_path_factory: pytest.TempPathFactory) -> Survivor:
    """From the first drop on: every step before publication is killed once, then done again."""
    home = story.make_home(tmp_path_factory.mktemp("survivor") / "home")
    company.drop_master(home.landing)
    for extract_id in ("initial", "2026-04"):
        company.drop_sales(home.landing, extract_id)
    codes = {"land.raw": process.exit_code("land", home, failpoint="land.raw:kill")}
    raw = sorted(home.raw.glob("*/*/*/batch.json"))
    assert process.exit_code("land", home) == 0
    codes["conform.promote"] = process.exit_code("conform", home, failpoint="conform.promote:kill")
    conformed = list(home.conformed.iterdir())
    assert process.exit_code("conform", home) == 0
    partition = ("2026-04", "EMEA")
    codes["lake.write"] = process.exit_code("decide", home, *partition, failpoint="lake.write:kill")
    lake = [path for path in home.lake.rglob("*") if path.is_file()]
    codes["candidate.point"] = process.exit_code("decide", home, *partition, failpoint="candidate.point:kill")
    pointed = GovernanceStore(home).candidate(Partition("EMEA", "2026-04")) is not None
    assert process.exit_code("decide", home, *partition) == 0
    return Survivor(home, codes, raw, conformed, lake, pointed)


def test_every_place_before_publication_was_killed(survivor: Survivor) -> None:
    assert survivor.codes == dict.fromkeys(("land.raw", "conform.promote", "lake.write", "candidate.point"), KILLED)
    # tests/strata/intake, tests/cdc and tests/strata/serving kill them
    others = {"land.quarantine", "land.ledger", "export.written", "export.noted"}
    assert set(survivor.codes) | set(PUBLISH_STEPS) | others == set(REGISTRY)


def test_nothing_half_done_is_visible(survivor: Survivor) -> None:
    assert survivor.raw_after_kill == []
    assert survivor.conformed_after_kill == []
    assert survivor.lake_after_kill == []
    assert not survivor.pointed_after_kill


def test_the_survivor_has_the_batches_and_the_snapshot_of_an_undisturbed_life(survivor: Survivor, lived: Story) -> None:
    found = {(batch.feed, batch.batch_id) for batch in accepted_batches(survivor.home)}
    assert found == {(batch.feed, batch.batch_id) for batch in accepted_batches(lived.conformed)}
    folders = [path.name for path in survivor.home.conformed.iterdir()]
    assert folders == [lived.first.snapshot_id]


def test_the_survivor_decides_what_an_undisturbed_life_decides(survivor: Survivor, lived: Story) -> None:
    wanted = read_manifest(lived.end, lived.release("2026-04"))["partitions"]["EMEA"]["tables"]
    found = story.candidate_hashes(survivor.home, "2026-04|EMEA")
    assert found == {name: table["content_hash"] for name, table in wanted.items()}
    candidate = GovernanceStore(survivor.home).candidate(Partition("EMEA", "2026-04"))
    assert candidate is not None and candidate.generation == 1


def test_killed_runs_leave_nothing_that_is_read(survivor: Survivor) -> None:
    """What a dead run wrote lies under its own id; nothing points there, and its scratch goes with the garbage."""
    store = GovernanceStore(survivor.home)
    candidate = store.candidate(Partition("EMEA", "2026-04"))
    assert candidate is not None
    runs = {path.name for path in survivor.home.lake.glob("*/*/*/run=*")}
    assert f"run={candidate.run_id}" in runs and len(runs) == 2
    assert not list(survivor.home.lake.rglob(".*"))
    collect_garbage(store, survivor.home, live_runs=())
    assert list(survivor.home.staging.iterdir()) == []
    assert list(survivor.home.releases.iterdir()) == []
