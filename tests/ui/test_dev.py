"""`strata dev` as a data engineer uses it: the UI answers on loopback, a dropped extract starts runs by itself."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.partition import Partition
from tests.golden import company
from tests.orchestration import story
from tests.orchestration.story import Story

pytestmark = pytest.mark.soak
WAIT_SECONDS = 300.0
RUNS = "{runsOrError{... on Runs{results{jobName status tags{key value}}}}}"


class Dev:
    """A running `strata dev`."""

    def __init__(self, home: Home) -> None:
        self.home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = home.root / "dev.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "strata.cli", "dev", "--port", str(self.port)],
                env={**os.environ, "STRATA_HOME": str(home.root)}, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def ask(self, query: str) -> Any:
        """Data of a GraphQL query; None while nobody answers."""
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
                return json.load(answer)["data"]
        except OSError:
            return None

    def runs(self) -> list[tuple[str, str, dict[str, str]]]:
        """Job, status and tags of every run."""
        answer = self.ask(RUNS)
        found = answer["runsOrError"]["results"] if answer else []
        return [(r["jobName"], r["status"], {t["key"]: t["value"] for t in r["tags"]}) for r in found]

    def wait(self, what: str, is_there: Callable[[], bool]) -> None:
        """Until it is there; the log where it does not come."""
        end = time.monotonic() + WAIT_SECONDS
        while not is_there():
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < end, f"no {what}: {self.runs()}\n{self.log.read_text()[-3000:]}"
            time.sleep(1)

    def stop(self) -> int:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)


@pytest.fixture
def dev(lived: Story, tmp_path: Path) -> Iterator[Dev]:
    """The UI and daemon of a home that is decided up to 2026-06."""
    started = Dev(story.copy_of(lived.end, tmp_path / "home"))
    try:
        yield started
    finally:
        if started.process.poll() is None:
            os.killpg(started.process.pid, signal.SIGKILL)
            started.process.wait()


def test_a_dropped_extract_is_landed_conformed_and_decided_by_itself(dev: Dev) -> None:
    dev.wait("UI", lambda: dev.ask("{version}") is not None)
    company.drop_sales(dev.home.landing, "2026-05-repair")

    def has_ended(job: str, sensor: str) -> bool:
        return any(
            name == job and status == "SUCCESS" and tags.get("dagster/sensor_name") == sensor
            for name, status, tags in dev.runs()
        )

    dev.wait("landing", lambda: has_ended("receive_extracts", "landing"))
    dev.wait("decision", lambda: has_ended("decide", "snapshot"))
    store = GovernanceStore(dev.home)
    assert store.candidate(Partition("APAC", "2026-07")) is not None
    assert store.candidate(Partition("EMEA", "2026-07")) is None  # the repair touches one region
    (decided,) = [tags for name, _, tags in dev.runs() if name == "decide" and "dagster/sensor_name" in tags]
    assert decided["strata/region"] == "APAC"
    second = Dev(dev.home)  # one daemon per home
    assert second.process.wait(timeout=60) != 0
    assert "strata dev" in second.log.read_text()
    assert dev.stop() == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", dev.port)) != 0  # nobody is left to answer
