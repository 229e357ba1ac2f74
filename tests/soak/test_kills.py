"""kill -9 of a whole command at random moments, two commands at once, readers during publications, full disks."""

import os
import random
import resource
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from strata.governance.publisher import rollback
from strata.governance.releases import current_release
from strata.governance.store import GovernanceStore
from strata.home import Home
from tests.orchestration import process, story
from tests.orchestration.story import Story
from tests.soak import command
from tests.soak.conftest import FIRST, SECOND, Undisturbed
from tests.strata.governance import process as readers
from tests.strata.governance.test_races import read_until_told

KILLS = 20
SEED = 20171
BAD = "WEST"
ROLLBACKS = 12

pytestmark = [pytest.mark.soak, pytest.mark.capability("7.6", part="a run killed at any moment is healed by the next")]


@pytest.fixture(scope="module")
def hits() -> Iterator[Counter[str]]:
    """In which stage the kills fell; printed at the end (`-s` shows it)."""
    found: Counter[str] = Counter()
    yield found
    print(f"\nkills by stage: {dict(found)}")


@pytest.mark.parametrize("number", range(KILLS))
def test_a_command_killed_at_a_random_moment_is_healed_by_the_next(
    undisturbed: Undisturbed, home: Home, hits: Counter[str], number: int
) -> None:
    share = (number + random.Random(SEED + number).random()) / KILLS  # one in every twentieth of the time
    before = current_release(home)
    running = command.start(home, SECOND)
    time.sleep(share * undisturbed.seconds)
    killed = command.kill(running)
    reached = command.stage(home, SECOND) if killed else "ended before"
    hits[reached] += 1
    print(f"kill {number} after {share * undisturbed.seconds:.1f} s of {undisturbed.seconds:.1f} s: {reached}")
    command.assert_whole(home, may_lack_last_word=True)
    assert (current_release(home) == before) == (not str(current_release(home)).startswith(SECOND))
    command.finish(command.start(home, SECOND))
    command.assert_converged(home, undisturbed.content, SECOND, BAD)


def test_two_commands_at_once_have_one_effect(undisturbed: Undisturbed, home: Home) -> None:
    """The loser of a race says so (1 or 3) or finds nothing to do (0); what is published is what one run publishes."""
    both = [command.start(home, SECOND) for _ in range(2)]
    codes = []
    for running in both:
        _, said = running.communicate(timeout=command.WAIT_SECONDS)
        codes.append(running.returncode)
        assert running.returncode in (0, 1, 3), said[-3000:]
        assert "Traceback" not in said, said[-3000:]
    print(f"exit codes of two commands at once: {codes}")
    assert 0 in codes
    command.assert_converged(home, undisturbed.content, SECOND, BAD)
    command.finish(command.start(home, SECOND))
    command.assert_converged(home, undisturbed.content, SECOND, BAD)


def test_readers_see_no_mix_while_releases_come_and_go(lived: Story, tmp_path: Path) -> None:
    home = story.copy_of(lived.end, tmp_path / "home")
    store, stop = GovernanceStore(home), tmp_path / "stop"
    first, last = lived.release("2026-05"), lived.release("2026-06")
    reading = [readers.start(read_until_told, home, stop) for _ in range(2)]
    try:
        for number in range(ROLLBACKS):
            target = first if number % 2 == 0 else last
            assert rollback(store, home, target, reason="soak", actor="tester").outcome == "published"
    finally:
        stop.touch()
    order = [release.release_id for release in store.releases()]
    for reader in reading:
        seen = reader.answer()
        assert isinstance(seen, list)
        positions = [order.index(release_id) for release_id in seen]
        assert positions == sorted(positions), "an older release was seen after a newer one"
        print(f"a reader read {len(seen)} times, {len(set(seen))} releases of {len(order)}")
        assert len(set(seen)) >= 3


def assert_old_or_new(home: Home, lived: Story) -> bool:
    """Whole, and either what was in force or what is to be; True where it is the new release."""
    current = current_release(home)
    assert current is not None
    command.assert_whole(home, may_lack_last_word=True)
    is_new = current.startswith("2026-06-")
    wanted = story.published_hashes(lived.end) if is_new else story.published_hashes(lived.closed)
    assert story.published_hashes(home) == wanted
    return is_new


def test_files_that_may_not_grow_stop_a_publication_cleanly(lived: Story, tmp_path: Path) -> None:
    """`ulimit -f` from a kilobyte up, until the publication gets through: each try is whole, the last converges."""
    home, tries = story.copy_of(lived.ready, tmp_path / "home"), 0
    for kilobytes in (1, 4, 16, 64, 256, 512, 1024, 2048, 4096, 16384, 65536):
        for name in ("dbt-marts", "publish"):
            shutil.rmtree(home.scratch("try") / name, ignore_errors=True)
        shutil.copytree(home.scratch("victim") / "dbt-marts", home.scratch("try") / "dbt-marts")
        code = process.exit_code("publish_within", home, "2026-06", "try", str(kilobytes * 1024))
        tries += 1
        is_new = assert_old_or_new(home, lived)
        assert is_new or code != 0
        if code == 0:
            break
    print(f"ulimit -f: {tries - 1} tries failed, then published within {kilobytes} kB a file")
    assert tries > 3 and story.published_hashes(home) == story.published_hashes(lived.end)
    assert process.exit_code("publish", home, "2026-06", "retry") == 0
    command.assert_suspended(home, "2026-06", "APAC")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own; skips where mounting is not allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def resize(disk: Path, free_bytes: int) -> None:
    """Leave so much free space."""
    usage = shutil.disk_usage(disk)
    subprocess.run(["mount", "-o", f"remount,size={usage.used + free_bytes}", str(disk)], check=True)


def test_a_full_disk_stops_a_publication_cleanly(lived: Story, small_disk: Path) -> None:
    """ENOSPC wherever the space ends: ledger, staging, rename, CURRENT."""
    home, failed = story.copy_of(lived.ready, small_disk / "home"), 0
    for free in (0, 8, 64, 128, 256, 512, 1024, 2048, 3072, 4096, 6144, 8192, 16384, 65536):
        resize(small_disk, free * 1024)
        code = process.exit_code("publish", home, "2026-06", "victim")
        resize(small_disk, 256 * 1024 * 1024)
        is_new = assert_old_or_new(home, lived)
        assert is_new or code != 0
        if code == 0:
            break
        failed += 1
        shutil.rmtree(home.scratch("victim") / "publish", ignore_errors=True)
    print(f"full disk: {failed} tries failed, then published with {free} kB free")
    assert failed >= 2 and current_release(home) != current_release(lived.closed)
    assert process.exit_code("publish", home, "2026-06", "retry") == 0
    assert story.published_hashes(home) == story.published_hashes(lived.end)
    command.assert_suspended(home, "2026-06", "APAC")


def test_the_limits_are_those_of_the_child_only() -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert FIRST < SECOND
