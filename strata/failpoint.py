"""Named places where a fault can be injected: `STRATA_FAILPOINT=publish.p5:kill|enospc|eio|sleep`.

The registry lists every name, so a test can enumerate them and a new step without a test is seen.
"""

import errno
import os
import signal
import time

REGISTRY: dict[str, str] = {
    "land.raw": "before an accepted batch is renamed into raw/",
    "land.ledger": "after an accepted batch was renamed into raw/",
    "land.quarantine": "before a refused extract is renamed into quarantine/",
    "conform.promote": "before a conformed snapshot is renamed whole",
    "lake.write": "before a lake table is renamed into place",
    "candidate.point": "before the candidate pointer of a partition moves",
    "publish.p0": "after the publisher lock is taken",
    "publish.p1": "after gate records and approvals were verified",
    "publish.p2": "after the staged release was read back and verified",
    "publish.p3": "after the intent is in the ledger",
    "publish.p4": "after the staged release was renamed into releases/",
    "publish.p5": "after CURRENT and generation were compared",
    "publish.p6": "after CURRENT was replaced",
    "publish.p7": "after `published` is in the ledger",
    "export.written": "all files of an export are in a hidden folder, the ledger does not know them",
    "export.noted": "the ledger knows the export, its folder has not appeared",
}
SLEEP_SECONDS = 3.0


def failpoint(name: str) -> None:
    """Do what `STRATA_FAILPOINT` asks for at `name`: kill the process, raise ENOSPC or EIO, or sleep; else nothing."""
    if name not in REGISTRY:
        raise KeyError(f"failpoint {name!r} is not in the registry")
    wanted, _, action = os.environ.get("STRATA_FAILPOINT", "").partition(":")
    if wanted != name:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "enospc":
        raise OSError(errno.ENOSPC, f"no space left (failpoint {name})")
    elif action == "eio":
        raise OSError(errno.EIO, f"input/output error (failpoint {name})")
    elif action == "sleep":
        time.sleep(SLEEP_SECONDS)
    else:
        raise ValueError(f"STRATA_FAILPOINT={wanted}:{action}: write kill, enospc, eio or sleep after the colon")
