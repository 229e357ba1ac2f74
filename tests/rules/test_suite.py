"""The suite itself: what two workers share is made in one of them."""

import pytest


def test_a_group_stays_in_one_worker(request: pytest.FixtureRequest) -> None:
    """pytest-xdist tells groups by the end of a test's id; without it every worker makes every shared fixture."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("not distributed")
    assert request.node.nodeid.endswith(f"@{request.path.parent}")
