"""The command under fire, in a process group of its own, and what must hold whenever it is looked at."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from strata.governance.releases import current_release, read_manifest
from strata.governance.store import GovernanceStore
from strata.governance.verify import verify_ledger, verify_release
from strata.home import Home
from strata.intake.land import pending
from strata.partition import Partition
from tests.orchestration import story

STRATA = f"'{sys.executable}' -W ignore -m strata.cli"
WAIT_SECONDS = 600


def start(home: Home, cycle: str) -> subprocess.Popen[str]:
    """Land what waits, then decide and publish a cycle: two processes, one group."""
    return subprocess.Popen(
        ["/bin/sh", "-c", f"{STRATA} land >/dev/null && exec {STRATA} run --cycle {cycle} --publish"],
        env={**os.environ, "STRATA_HOME": str(home.root)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for success."""
    _, said = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, said[-3000:]


def kill(process: subprocess.Popen[str]) -> bool:
    """Kill the whole group; False where it had ended by itself."""
    ended = process.poll() is not None
    if not ended:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return not ended


def copy_of(home: Home, root: Path) -> Home:
    """A home of its own."""
    shutil.copytree(home.root, root, symlinks=True)
    return Home(root)


def stage(home: Home, cycle: str) -> str:
    """How far a run got, by what it left."""
    store = GovernanceStore(home)
    current = current_release(home)
    if current is not None and read_manifest(home, current)["cycle"] == cycle:
        is_told = any(r.release_id == current and r.status == "published" for r in store.publications())
        return "after publication" if is_told else "publishing"
    if pending(home):
        return "landing"
    if len(list(home.conformed.glob("*/snapshot.json"))) < 2:
        return "conforming"
    regions = home.calendar().region_codes
    if any(store.candidate(Partition(region, cycle)) is None for region in regions):
        return "deciding"
    return "publishing"


def assert_whole(home: Home, *, may_lack_last_word: bool = False) -> None:
    """I1 CURRENT verifies; I3 so does the ledger, which knows it; I5 only whole releases lie in releases/."""
    store = GovernanceStore(home)
    current = current_release(home)
    faults = verify_ledger(home, store)
    # Between P6 and P7 the ledger lacks its last word, which the next publisher adds.
    assert [fault for fault in faults if not (may_lack_last_word and "or a publisher died there" in fault)] == []
    assert current is not None
    for folder in home.releases.iterdir():
        if folder.is_dir():
            faults = verify_release(home, store, folder.name)
            assert [fault for fault in faults if "was not published" not in fault] == []
    assert (home.release(current) / "manifest.json").is_file()


def assert_suspended(home: Home, cycle: str, region: str) -> None:
    """I6: the region is held and told of once; CURRENT has none of its new rows."""
    store, current = GovernanceStore(home), current_release(home)
    assert current is not None
    assert read_manifest(home, current)["regions"][region] < cycle
    assert [(s.region, s.since_cycle) for s in store.open_suspensions()] == [(region, cycle)]
    assert [alert.kind for alert in store.alerts()].count("suspension") == 1


def assert_converged(home: Home, content: dict[str, str], cycle: str, region: str) -> None:
    """I4 with all the others: the content of an undisturbed run, in exactly one release of the cycle."""
    assert_whole(home)
    assert story.published_hashes(home) == content
    assert_suspended(home, cycle, region)
    store = GovernanceStore(home)
    assert {release.status for release in store.publications()} <= {"published", "aborted"}
    assert [release.cycle for release in store.releases()].count(cycle) == 1
