"""Fixtures that several folders share: companies lived through once per session."""

import pytest
from hypothesis import settings

from tests.orchestration import story

# A busy machine is not a fault of the code: time is measured by benchmarks, not by properties.
settings.register_profile("strata", deadline=None)
settings.load_profile("strata")


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker for a folder, so that what it shares is made once; one for all that need the company lived through.

    The commands of the pages run first: at the end, one worker would do nothing else for a minute and a half.
    """
    items.sort(key=lambda item: item.path.name != "test_readme.py")
    for item in items:
        group = "lived" if "lived" in getattr(item, "fixturenames", ()) else str(item.path.parent)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> story.Story:
    """The golden company up to cycle 2026-06. Look at its homes; copy one (`story.copy_of`) to change it."""
    return story.live(tmp_path_factory.mktemp("lived"))
