"""The commands of the README and of docs/ do what they say: those marked `runs` are run, the make targets exist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from strata.home import REPOSITORY

PAGES = ("README.md", "docs/operations.md", "docs/access.md")  # in this order, in one home
MARKED = re.compile(r"<!-- runs: tests/test_readme\.py -->\n```\n(.*?)```", re.DOTALL)
BLOCKS = {page: MARKED.findall((REPOSITORY / page).read_text(encoding="utf-8")) for page in PAGES}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    commands = str(Path(sys.executable).parent)
    home = str(tmp_path_factory.mktemp("readme") / "data")
    return {**os.environ, "STRATA_HOME": home, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}


def test_the_commands_of_the_pages_run(environment: dict[str, str]) -> None:
    assert [(page, len(blocks)) for page, blocks in BLOCKS.items()] == list(zip(PAGES, (3, 1, 1), strict=True))
    for command in "".join(block for blocks in BLOCKS.values() for block in blocks).splitlines():
        done = subprocess.run(
            ["bash", "-c", command], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert done.stdout.strip() or ">" in command, f"{command} said nothing"


def test_every_make_target_that_pages_name_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set()
    for page in ("README.md", "CONTRIBUTING.md", "Makefile"):
        for command in re.findall(r"`make ([a-z ]+)|^make ([a-z]+)", (REPOSITORY / page).read_text(), re.MULTILINE):
            named |= set("".join(command).split())
    assert {"demo", "test", "lint", "docs"} <= named <= targets


def test_ci_runs_make_targets_only() -> None:
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    lines = [line for line in script.splitlines() if line and not line.startswith(("#", "set -", "cd "))]
    assert lines == ["make lint", "make test"]
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)
