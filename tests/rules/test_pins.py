"""The lock fits pyproject.toml, is pinned by hash, and names no index."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from strata.home import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCK = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
LOCKED = re.findall(
    r"^([A-Za-z0-9._-]+)==([^ ]+)(?: ;[^\\]*)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", LOCK, re.M
)
DECLARED = [*PROJECT["dependencies"], *EXTRAS["demo"], *EXTRAS["dev"]]


def test_every_line_of_the_lock_is_a_pin_with_hashes() -> None:
    lines = sum(1 + hashes.count("\n") for _, _, hashes in LOCKED)
    assert lines == LOCK.count("\n"), "the lock holds something that is not a hashed pin: compile it with `make lock`"
    assert "//" not in LOCK


@pytest.mark.parametrize("line", DECLARED)
def test_what_pyproject_declares_is_in_the_lock(line: str) -> None:
    requirement = Requirement(line)
    versions = {canonicalize_name(name): Version(version) for name, version, _ in LOCKED}
    name = canonicalize_name(requirement.name)
    assert name in versions, f"{name} is not in requirements.lock: run `make lock`"
    assert requirement.specifier.contains(versions[name]), f"{line}, but the lock has {versions[name]}: run `make lock`"


@pytest.mark.parametrize("line", PROJECT["dependencies"])
def test_what_the_product_needs_has_an_upper_bound(line: str) -> None:
    assert any(part.operator in {"==", "<", "~="} for part in Requirement(line).specifier), line
