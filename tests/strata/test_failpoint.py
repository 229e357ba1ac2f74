"""Failpoints do what they are asked for, at the place that is named, and nothing else."""

import errno
import multiprocessing
import os
import signal
import time

import pytest

from strata import failpoint as module
from strata.failpoint import REGISTRY, failpoint


def test_nothing_happens_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRATA_FAILPOINT", raising=False)
    for name in REGISTRY:
        failpoint(name)


def test_only_the_place_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATA_FAILPOINT", "publish.p5:eio")
    failpoint("publish.p4")
    with pytest.raises(OSError, match=r"publish\.p5") as error:
        failpoint("publish.p5")
    assert error.value.errno == errno.EIO


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATA_FAILPOINT", "lake.write:enospc")
    with pytest.raises(OSError, match=r"lake\.write") as error:
        failpoint("lake.write")
    assert error.value.errno == errno.ENOSPC


def test_a_kill_cannot_be_caught() -> None:
    process = multiprocessing.get_context("fork").Process(target=_killed)
    process.start()
    process.join(20)
    assert process.exitcode == -signal.SIGKILL


def _killed() -> None:
    os.environ["STRATA_FAILPOINT"] = "land.raw:kill"
    try:
        failpoint("land.raw")
    finally:
        os._exit(0)


def test_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATA_FAILPOINT", "land.raw:sleep")
    monkeypatch.setattr(module, "SLEEP_SECONDS", 0.05)
    began = time.monotonic()
    failpoint("land.raw")
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize("action", ["", "explode", "kill9"])
def test_an_action_that_is_none_says_what_to_write(action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATA_FAILPOINT", f"land.raw:{action}")
    with pytest.raises(ValueError, match="kill, enospc, eio or sleep"):
        failpoint("land.raw")


def test_a_place_outside_the_registry() -> None:
    with pytest.raises(KeyError, match="not in the registry"):
        failpoint("publish.p9")
