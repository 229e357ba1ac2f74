"""A fresh company per test, copied from one that was initialised once (migrations cost more than the tests)."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from strata.governance.publisher import PublishResult
from strata.governance.records import Candidate
from strata.governance.store import GovernanceStore
from strata.home import Home
from tests.strata.governance import factory


@dataclass(frozen=True)
class Company:
    """A home and its store."""

    home: Home
    store: GovernanceStore

    def point(self, region: str, cycle: str, **how: object) -> Candidate:
        return factory.point(self.store, self.home, region, cycle, **how)

    def publish(self, cycle: str, regions: list[str] | None = None, run_id: str = "publisher") -> PublishResult:
        return factory.publish_cycle(self.store, self.home, cycle, regions, run_id)

    def everything(self, cycle: str, **how: object) -> PublishResult:
        return factory.everything(self.store, self.home, cycle, **how)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "home"
    factory.make_home(root)
    return root


@pytest.fixture(scope="session")
def published_template(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("published") / "home"
    shutil.copytree(template, root)
    company = Company(Home(root), GovernanceStore(Home(root)))
    assert company.everything("2017-10").outcome == "published"
    return root


@pytest.fixture
def company(template: Path, tmp_path: Path) -> Company:
    """Nothing published yet."""
    return copy_of(template, tmp_path)


@pytest.fixture
def running(published_template: Path, tmp_path: Path) -> Company:
    """Cycle 2017-10 is published for both regions."""
    return copy_of(published_template, tmp_path)


def copy_of(source: Path, tmp_path: Path) -> Company:
    """A company of its own that starts where another one stood."""
    root = tmp_path / "home"
    shutil.copytree(source, root)
    return Company(Home(root), GovernanceStore(Home(root)))
