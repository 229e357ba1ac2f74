"""Explanations name the numbers, the cuts, the distance and the reason of what was decided."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from strata.review.explain import explain
from tests.strata.banded import BANDED, SHIPPED

SCHEME = BANDED
ASSIGNMENT: dict[str, Any] = {
    "sku_id": "S1", "location_id": "*", "region": "EMEA", "cycle": "2026-06", "segment": "BX",
    "computed_segment": "BX", "previous_segment": "BX", "cumulative_share": 0.98, "override_id": None,
    "as_known_at": datetime(2026, 6, 2, 22, tzinfo=UTC), "scheme_version": "2017.1",
    "decision_reason": "value:held_margin;variability:moved", "is_suspended": False,
}  # fmt: skip
PROFILE: dict[str, Any] = {
    "cv": 0.31, "cv_deseasonalised": None, "demand_periods": 9, "demand_class": "smooth", "adi": 1.2,
    "cv2_nonzero": 0.1,
    "recent_ratio": 1.1, "shift_z": 0.4, "is_true_shift": False, "lifecycle_state": "mature",
    "periods_observed": 10, "periods_censored": 0, "last_sale": date(2026, 5, 1),
}  # fmt: skip
PREVIOUS: dict[str, Any] = {"value_class": "B", "variability_class": "Y", "segment": "BY"}
POLICY: dict[str, Any] = {
    "location_id": "L1", "policy_type": "RS", "service_metric": "fill_rate", "service_target": 0.96, "review_days": 7,
    "safety_stock_units": 12.3456, "reorder_point_units": None, "order_up_to_units": 40.0, "order_quantity_units": None,
    "expected_fill_rate": 0.9634, "binding_constraint": "service", "decision_reason": "segment BX",
}  # fmt: skip


def lines(
    assignment: dict[str, Any] | None = None,
    profile: dict[str, Any] | None = None,
    previous: dict[str, Any] | None = PREVIOUS,
    policies: list[dict[str, Any]] | None = None,
) -> list[str]:
    return explain(ASSIGNMENT | (assignment or {}), PROFILE | (profile or {}), previous, policies or [], scheme=SCHEME)


@pytest.mark.capability("2.6", part="why an item has its class, in words")
def test_the_whole_text_of_an_ordinary_item() -> None:
    assert lines(policies=[POLICY]) == [
        "S1 in region EMEA, cycle 2026-06: segment BX; the cycle before: BX. Decided by scheme 2017.1 on what was "
        "known at 2026-06-02 22:00:00+00:00.",
        "Value: computed class B by cumulative share of revenue: 0.98 with the item counted (0.18 above cut A = 0.8; "
        "0.03 above cut B = 0.95). The share before it is within 0.02 of the boundary, so B is held.",
        "Variability: computed class X by CV of demand per period: 0.31 (0.19 below cut X = 0.5; 0.69 below cut Y = "
        "1). It is beyond the boundary by at least 20 % of the cut, so it moved from Y.",
        "Demand class smooth: a demand every 1.2 periods (cut 1.32), squared CV of sizes 0.1 (cut 0.49), from 9 "
        "periods with demand.",
        "Lifecycle mature. Recent demand is 1.1 times those before, z = 0.4 (bounds 2 times and 3.5): no true shift.",
        "Observed: 10 closed periods since launch; last period with a sale: 2026-05-01.",
        "Policy at L1: RS for 96 % fill rate, review every 7 days, safety stock 12.35, order up to 40. Expected fill "
        "rate 96.3 %. Binding: service.",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"override_id": "OV1", "segment": "AX"},
            "Override OV1 is in force: the scheme alone says BX, the override makes it AX.",
        ),
        (
            {"is_suspended": True, "suspended_since": "2026-06", "suspension_reason": "volume fell"},
            "Suspended since 2026-06: volume fell.",
        ),
        ({"location_id": "L7"}, "S1 in L7 in EMEA"),
        ({"previous_segment": None}, "the cycle before: none (new item)"),
        (
            {"cumulative_share": float("nan"), "computed_segment": "UX", "decision_reason": "value:no_value"},
            "no positive value",
        ),
        (
            {"decision_reason": "value:unchanged;variability:moved"},
            "The item that crosses a cut keeps the higher class.",
        ),
        (
            {"decision_reason": "value:moved_shift;variability:new_item"},
            "its demand truly shifted, so it moved from B",
        ),
    ],
)
def test_what_the_assignment_says_is_said(change: dict[str, Any], said: str) -> None:
    assert said in "\n".join(lines(change))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"periods_censored": 2}, "2 periods left out as censored: stock was out for 25 % of the days or more"),
        ({"demand_periods": 1, "demand_class": "none"}, "Demand class none: 1 period with demand, and 3 are needed"),
        ({"shift_z": None}, "Too little was observed to test for a level shift"),
        ({"recent_ratio": float("nan"), "shift_z": 9.0, "is_true_shift": True}, "nothing was sold before, z = 9"),
        ({"cv": None}, "the CV of demand per period is unknown"),
        ({"last_sale": None}, "last period with a sale: none"),
    ],
)
def test_what_the_profile_says_is_said(change: dict[str, Any], said: str) -> None:
    assert said in "\n".join(lines(profile=change))


def test_no_policy_is_said_with_its_reason() -> None:
    none = POLICY | {"policy_type": "none", "decision_reason": "segment UU: no positive value in the window"}
    assert lines(policies=[none])[-1] == "Policy at L1: none. segment UU: no positive value in the window."


def test_another_version_of_the_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="pass the scheme of its cycle"):
        lines({"scheme_version": "2018.1"})


CONTROLLED = SHIPPED.model_copy(
    update={"hysteresis": SHIPPED.hysteresis.model_copy(update={"dwell_cycles": 4, "confirmations": 3})}
)


@pytest.mark.capability("3.3", part="every held or moved row says why in words")
@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("held_posterior", "less probable than 0.75, so B is held"),
        ("held_confirmation", "It is run 2 in a row of the 3 that a move needs, so B is held"),
        ("held_dwell", "It moved 2 cycles ago, and a class is kept for 4 cycles, so B is held"),
        ("held_budget", "went to items of larger value, so B is held for now"),
        ("moved_shift", "The controls alone would hold B, but its demand truly shifted"),
        ("last_class", "so B is kept as the last class that it earned"),
        ("moved", "beyond the boundary with probability 0.75 in 3 runs in a row, so it moved from B"),
    ],
)
def test_every_control_is_told_with_its_numbers(reason: str, said: str) -> None:
    row = ASSIGNMENT | {
        "decision_reason": f"value:{reason};variability:unchanged", "value_confirmations": 2, "class_probability": 0.81,
    }  # fmt: skip
    before = PREVIOUS | {"value_dwell_cycles": 1}
    text = explain(row, PROFILE | {"cv_level": 0.31, "level_periods": 5}, before, [], scheme=CONTROLLED)
    assert said in text[1]
    assert text[0].endswith("Computed BX with probability 0.81.")
    assert text[4].endswith("no true shift in the last 8 periods. The level rests on 5 periods.")
