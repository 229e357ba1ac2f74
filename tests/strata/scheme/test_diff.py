"""What two schemes say differently."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata.scheme.diff import Change, changes, decisive
from strata.scheme.model import Scheme
from tests.strata.test_scheme import REASON, SHIPPED, changed, rs

BASE = Scheme.model_validate(SHIPPED)
EDITS: list[tuple[str, Any]] = [
    ("value.cuts", {"A": 0.7, "B": 0.95}), ("value.window_cycles", 6), ("hysteresis.dwell_cycles", 3),
    ("policies.CZ", rs(0.88)), ("policies.UX", rs(0.9)), ("level.rationale", REASON), ("unit_jump", ...),
    ("exclusions", []), ("gates.max_class_churn", 0.2), ("forecast.ses_alphas", [0.1]), ("effective_from", "2026-01"),
]  # fmt: skip


def edited(path: str, value: Any) -> Scheme:
    return Scheme.model_validate(changed(path, value))


@pytest.mark.capability("7.2", part="semantic diff: changed parameters by path with both values and reasons")
def test_a_changed_value_has_both_values_and_both_reasons() -> None:
    content = changed("value.cuts", {"A": 0.7, "B": 0.95})
    content["value"]["rationale"] = REASON
    (change,) = changes(BASE, Scheme.model_validate(content))
    old = SHIPPED["value"]["rationale"].strip()
    assert change == Change("value.cuts.A", "0.8", "0.7", old, REASON)


def test_what_one_scheme_does_not_have_is_none_on_its_side() -> None:
    found = {one.parameter: (one.before, one.after) for one in changes(BASE, edited("policies.UX", rs(0.9)))}
    assert found["policies.UX.service_target"] == ("null", "0.9") and found["policies.UX.policy_type"] == ("none", "RS")
    gone = {one.parameter: (one.before, one.after) for one in changes(BASE, edited("unit_jump", ...))}
    assert gone["unit_jump.min_lines"] == ("5", None) and all(name.startswith("unit_jump") for name in gone)
    dropped = changes(BASE, edited("exclusions", []))
    assert "exclusions.coupon_misc.column" in {one.parameter for one in dropped}


def test_another_reason_alone_is_a_change_that_decides_nothing() -> None:
    other = edited("value.rationale", REASON)
    (change,) = changes(BASE, other)
    assert (change.parameter, change.after) == ("value.rationale", REASON)
    assert decisive(BASE) == decisive(other)
    assert decisive(BASE) == decisive(edited("effective_from", "2026-01"))
    assert decisive(BASE) != decisive(edited("gates.max_class_churn", 0.2))


@given(st.sampled_from(EDITS), st.sampled_from(EDITS))
def test_a_diff_is_the_mirror_of_the_diff_the_other_way(one: tuple[str, Any], other: tuple[str, Any]) -> None:
    a, b = edited(*one), edited(*other)
    assert changes(a, a) == []
    assert [change.mirrored for change in changes(a, b)] == changes(b, a)
    assert bool(changes(a, b)) == (a != b)
