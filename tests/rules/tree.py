"""The project's files as the rules look at them: what git keeps, and the exceptions with their reasons."""

import ast
import csv
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from strata.home import REPOSITORY

PACKAGES = ("strata", "assets", "orchestration", "expectations")
PURE = ("demand", "classify", "forecast", "inventory", "review")
HERE = Path(__file__).parent
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def kept() -> tuple[Path, ...]:
    """Files that git keeps or would keep, relative to the repository; skips where there is no git."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git work tree: which files belong to the project is not known")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    return tuple(sorted(Path(name) for name in listed if name and (REPOSITORY / name).is_file()))


def modules(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    """Path and syntax tree of every Python file below the folders."""
    for folder in folders:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            yield path.relative_to(REPOSITORY).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def functions(module: ast.Module) -> Iterator[Function]:
    """Every function of a module, nested ones and methods too."""
    return (node for node in ast.walk(module) if isinstance(node, Function))


def exceptions(rule: str) -> set[str]:
    """Subjects that a rule does not hold for; exceptions.csv says why of each."""
    with (HERE / "exceptions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(len(row["why"]) >= 20 for row in rows), "an exception without a reason is a fault"
    return {row["subject"] for row in rows if row["rule"] == rule}


def check(rule: str, broken: set[str]) -> None:
    """The rule is broken exactly where an exception says so: new faults fail, and so do exceptions no longer needed."""
    excused = exceptions(rule)
    assert not broken - excused, f"{rule}: {sorted(broken - excused)}"
    assert not excused - broken, f"exceptions.csv excuses what no longer breaks {rule}: {sorted(excused - broken)}"
