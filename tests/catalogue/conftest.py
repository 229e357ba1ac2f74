"""A home that already has a release, for every case of the catalogue its own."""

from pathlib import Path

import pytest

from strata.home import Home
from tests.orchestration.story import Story, copy_folder


@pytest.fixture
def standing(lived: Story, tmp_path: Path) -> Home:
    """The golden company with its releases, ledger and configuration; nothing in landing, raw or quarantine."""
    root = tmp_path / "home"
    root.mkdir()
    for name in ("releases", "conformed", "config"):
        copy_folder(lived.end.root / name, root / name)
    (root / "governance.db").write_bytes((lived.end.root / "governance.db").read_bytes())
    return Home(root)
