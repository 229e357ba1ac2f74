"""Regions decided at once: the same rows bit for bit, every run recorded, and nobody left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from orchestration import pipeline
from orchestration.workers import WORTHWHILE_PARTITIONS, workers_for
from strata.governance.releases import read_manifest
from strata.home import Home
from tests.orchestration import story
from tests.orchestration.story import Story

WAIT_SECONDS = 240
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def in_order(lived: Story) -> dict[str, dict[str, str]]:
    """Content hashes of 2026-04 as one process decided it, region after region."""
    manifest = read_manifest(lived.end, lived.release("2026-04"))
    return {
        region: {name: table["content_hash"] for name, table in part["tables"].items()}
        for region, part in manifest["partitions"].items()
    }


def decided(home: Home) -> dict[str, dict[str, str]]:
    return {region: story.candidate_hashes(home, f"2026-04|{region}") for region in home.calendar().region_codes}


@pytest.mark.capability("9.6", part="regions in parallel on one machine, bit for bit what one process computes")
def test_regions_decided_at_once_are_what_they_are_one_by_one(lived: Story, tmp_path: Path) -> None:
    home = story.copy_of(lived.conformed, tmp_path / "home")
    report = pipeline.run(home, ["2026-04"], workers=2)
    assert decided(home) == in_order(lived)
    with pipeline.instance(home) as ready:
        recorded = {run.run_id: run.status for run in ready.get_runs() if run.job_name == "decide"}
    assert recorded == {entry.run_id: dg.DagsterRunStatus.SUCCESS for entry in report.decided}
    assert [entry.partition.region for entry in report.decided] == home.calendar().region_codes


@pytest.mark.capability("9.6", part="a worker that dies is named, and a rerun ends where it would have")
def test_a_worker_that_dies_fails_the_run_and_a_rerun_heals_it(
    lived: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = story.copy_of(lived.conformed, tmp_path / "home")
    monkeypatch.setenv("STRATA_FAILPOINT", "lake.write:kill")
    with pytest.raises(dg.Failure, match="its process ended with code -9"):
        pipeline.run(home, ["2026-04"], workers=2)
    monkeypatch.delenv("STRATA_FAILPOINT")
    pipeline.run(home, ["2026-04"], workers=2)
    assert decided(home) == in_order(lived)


def test_what_goes_wrong_in_a_worker_is_told_with_its_partition(lived: Story, tmp_path: Path) -> None:
    home = story.copy_of(lived.conformed, tmp_path / "home")
    for file in home.conformed.glob("*/int_item_version/*.parquet"):
        file.write_bytes(b"PAR1 no more")
    with pytest.raises(dg.Failure, match=r"2026-04\|(EMEA|APAC): "):
        pipeline.run(home, ["2026-04"], workers=2)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.soak)])
@pytest.mark.capability("9.6", part="an interrupted command leaves no worker and no run without an end")
def test_workers_end_with_who_started_them(lived: Story, tmp_path: Path, number: signal.Signals) -> None:
    home = story.copy_of(lived.conformed, tmp_path / "home")
    command = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "strata.cli", "run", "--cycle", "2026-04", "--workers", "2"],
        env={**os.environ, "STRATA_HOME": str(home.root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where the tests are a background job
    )
    _until(lambda: any(home.lake.glob("demand_history/*/*/*/*.parquet")) or command.poll() is not None)
    assert workers_of(home)
    command.send_signal(number)
    assert command.wait(WAIT_SECONDS) != 0
    _until(lambda: not workers_of(home))
    with pipeline.instance(home) as ready:
        assert {run.status for run in ready.get_runs()} <= ENDED
    pipeline.run(home, ["2026-04"], workers=1)
    assert decided(home) == in_order(lived)


def test_processes_are_started_where_they_pay_off_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert workers_for(WORTHWHILE_PARTITIONS - 1, 3) == 1
    assert workers_for(WORTHWHILE_PARTITIONS, 1) == 1
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    # A third process keeps the second core busy while the third region runs; four regions are two full rounds.
    assert [workers_for(WORTHWHILE_PARTITIONS, regions) for regions in (2, 3, 4, 5)] == [2, 3, 2, 3]
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert workers_for(WORTHWHILE_PARTITIONS, 3) == 3


def workers_of(home: Home) -> list[int]:
    """Processes that work for a home."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:  # it has ended since
            continue
        if b"orchestration.workers" in words and str(home.root).encode() in words:
            found.append(int(entry.parent.name))
    return found


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)
