"""Lifecycle states: the order of the rules, their bounds, and the flags of the item master."""

from datetime import date

import numpy as np
import pytest

from strata.demand.lifecycle import LIFECYCLE_STATES, ended, lifecycle_state
from strata.scheme.model import Lifecycle

RULE = Lifecycle(
    intro_periods=3, dead_periods=6, recent_periods=3, growth_ratio=1.5, decline_ratio=0.5, rationale="quarterly rhythm"
    " of planning",
)  # fmt: skip


def state(age: int, idle: int, ratio: float, is_ended: bool) -> str:
    named = lifecycle_state(np.array([age]), np.array([idle]), np.array([ratio]), np.array([is_ended]), lifecycle=RULE)
    return str(named[0])


@pytest.mark.capability("4.4", part="states from data and master flags")
@pytest.mark.parametrize(
    ("age", "idle", "ratio", "is_ended", "expected"),
    [
        (3, 0, 9.0, False, "intro"),
        (4, 0, 1.5, False, "growth"),
        (4, 0, float("inf"), False, "growth"),
        (40, 0, 1.49, False, "mature"),
        (40, 0, 0.51, False, "mature"),
        (40, 0, float("nan"), False, "mature"),
        (40, 1, 0.5, False, "decline"),
        (40, 5, 0.0, True, "eol"),
        (2, 0, 1.0, True, "eol"),
        (40, 6, 0.0, False, "dead"),
        (40, 6, 0.0, True, "dead"),
        (6, 6, float("nan"), False, "dead"),
        (-1, 0, float("nan"), False, "intro"),
    ],
)
def test_the_first_rule_that_applies_decides(age: int, idle: int, ratio: float, is_ended: bool, expected: str) -> None:
    assert state(age, idle, ratio, is_ended) == expected


def test_every_state_is_one_of_the_six() -> None:
    rng = np.random.default_rng(3)
    named = lifecycle_state(
        rng.integers(-2, 30, 500),
        rng.integers(0, 10, 500),
        rng.gamma(1.0, 1.0, 500),
        rng.random(500) < 0.1,
        lifecycle=RULE,
    )
    assert set(named.tolist()) == set(LIFECYCLE_STATES)


def test_the_item_master_ends_an_item_by_status_or_date() -> None:
    flags = ended(
        ["active", "phase_out", "blocked", "active", "active", None],
        [None, None, None, date(2026, 6, 30), date(2026, 7, 1), None],
        on=date(2026, 6, 30),
    )
    assert flags.tolist() == [False, True, True, True, False, False]
