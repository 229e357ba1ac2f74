"""Fixtures that several folders share: companies lived through once per session."""

import pytest

from tests.orchestration import story


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> story.Story:
    """The golden company up to cycle 2026-06. Look at its homes; copy one (`story.copy_of`) to change it."""
    return story.live(tmp_path_factory.mktemp("lived"))
