"""Locks between processes of one machine that the kernel frees when their holder dies.

Belongs here: taking and naming them. Does not: deciding correctness; publishing compares and swaps as well.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strata.governance.records import GovernanceError

WAIT_SECONDS = 600.0
POLL_SECONDS = 0.02


@contextmanager
def exclusive_lock(path: Path, holder: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold `path` alone. `holder` is written into it, so that whoever waits too long can say for whom.

    Raises:
        GovernanceError: another process held it for `wait_seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(descriptor, path, wait_seconds)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{holder}, process {os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                owner = path.read_text(encoding="utf-8", errors="replace").strip() or "another process"
                raise GovernanceError(
                    f"{path} has been held for {wait_seconds:.0f} s by {owner}; see whether it hangs"
                ) from None
            time.sleep(POLL_SECONDS)
        else:
            return
