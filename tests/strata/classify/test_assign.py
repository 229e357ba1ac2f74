"""Segments of whole partitions: the golden company's June by hand, overrides, the bypass, and the declared table."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.classify.assign import assign
from strata.classify.rules import resolve
from strata.partition import Partition
from strata.scheme.model import Scheme
from strata.scheme.rules import Rule
from strata.tables import SEGMENT_ASSIGNMENT
from tests.strata.banded import BANDED

SCHEME = BANDED.model_copy(update={"variability": BANDED.variability.model_copy(update={"min_periods": 2})})
PARTITION = Partition("EMEA", "2026-06")
CUTOFF = datetime(2026, 6, 2, 22, 0, tzinfo=UTC)
NO_OVERRIDE = pd.DataFrame(columns=["override_id", "sku_id", "location_id", "value_class", "variability_class"])


def profile_rows(
    revenue: list[str | None], cv: list[float], *, shifted: tuple[int, ...] = (), location: str = "*"
) -> pd.DataFrame:
    count = len(revenue)
    return own(
        pd.DataFrame(
            {
                "sku_id": [f"I{index}" for index in range(1, count + 1)],
                "location_id": location,
                "revenue": [None if amount is None else Decimal(amount) for amount in revenue],
                "margin": [None if amount is None else Decimal(amount) / 2 for amount in revenue],
                "cv": cv,
                "cv_deseasonalised": np.full(count, np.nan),
                "periods_observed": 3,
                "demand_class": "smooth",
                "lifecycle_state": "mature",
                "is_true_shift": [index in shifted for index in range(1, count + 1)],
            }
        )
    )


def own(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows that rest on their own history."""
    return frame.assign(
        fallback_level="own", fallback_reason=None, confidence=0.5, fallback_valid_until_cycle=None,
        expected_cv=frame["cv"], expected_value=np.nan,
    )  # fmt: skip


def previous_rows(segments: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sku_id": list(segments),
            "location_id": "*",
            "value_class": [segment[0] for segment in segments.values()],
            "variability_class": [segment[1] for segment in segments.values()],
            "segment": list(segments.values()),
        }
    )


def run(
    profile: pd.DataFrame,
    previous: pd.DataFrame | None = None,
    overrides: pd.DataFrame = NO_OVERRIDE,
    scheme: Scheme = SCHEME,
) -> pd.DataFrame:
    return assign(profile, previous, overrides, scheme=scheme, partition=PARTITION, cutoff=CUTOFF)


def test_the_golden_company_in_june_by_hand() -> None:
    """Revenue March to May: 2400, 240, 120, 12, 390, 0; total 3162. I4 is overridden, I5 corrected, I6 silent."""
    june = profile_rows(["2400", "240", "120", "12", "390", "0"], [0.0, 0.0, 0.8660254, 0.0, 1.3323467, np.nan])
    before = previous_rows({"I1": "AX", "I2": "BX", "I3": "BZ", "I4": "AX", "I5": "CX", "I6": "UZ"})
    override = pd.DataFrame(
        {
            "override_id": ["OV1"],
            "sku_id": ["I4"],
            "location_id": ["*"],
            "value_class": ["A"],
            "variability_class": [None],
        }
    )
    frame = run(june, before, override)
    columns = ["segment", "computed_segment", "previous_segment", "override_id", "decision_reason"]
    assert frame[columns].values.tolist() == [
        ["AX", "AX", "AX", None, "value:unchanged;variability:unchanged"],
        ["BX", "BX", "BX", None, "value:unchanged;variability:unchanged"],
        ["BZ", "BZ", "BZ", None, "value:held_margin;variability:held_margin"],
        ["AX", "CX", "AX", "OV1", "value:moved;variability:unchanged;override:OV1"],
        ["AZ", "AZ", "CX", None, "value:moved;variability:moved"],
        ["UU", "UU", "UZ", None, "value:no_value;variability:undefined"],
    ]
    shares = frame["cumulative_share"].tolist()
    assert shares[:5] == pytest.approx([2400 / 3162, 3030 / 3162, 3150 / 3162, 1.0, 2790 / 3162])
    assert np.isnan(shares[5])


def test_the_frame_is_the_declared_table() -> None:
    frame = run(profile_rows(["80", "15", "5", "0"], [0.2, 0.7, 1.4, np.nan]))
    assert frame.columns.tolist() == SEGMENT_ASSIGNMENT.names
    rows = SEGMENT_ASSIGNMENT.conform(frame).to_pylist()
    assert [row["segment"] for row in rows] == ["AX", "BY", "CZ", "UU"]
    assert rows[0]["as_known_at"] == CUTOFF
    assert rows[0]["revenue"] == Decimal("80.0000")
    assert (rows[3]["cumulative_share"], rows[0]["previous_segment"], rows[0]["is_suspended"]) == (None, None, False)
    assert {row["cycle"] for row in rows} == {row["valid_for_cycle"] for row in rows} == {"2026-06"}
    assert SEGMENT_ASSIGNMENT.conform(run(profile_rows([], []))).num_rows == 0


def test_without_previous_every_item_is_new() -> None:
    frame = run(profile_rows(["80", "20"], [0.2, np.nan]), previous_rows({}))
    assert frame["decision_reason"].tolist() == [
        "value:new_item;variability:new_item",
        "value:new_item;variability:undefined",
    ]


def test_the_basis_of_value_and_of_variability_is_the_schemes() -> None:
    profile = profile_rows(["80", "20"], [0.2, 0.2]).assign(
        margin=[Decimal(1), Decimal(99)], cv_deseasonalised=[0.9, np.nan]
    )
    scheme = SCHEME.model_copy(
        update={
            "value": SCHEME.value.model_copy(update={"basis": "margin"}),
            "variability": SCHEME.variability.model_copy(update={"basis": "cv_deseasonalised"}),
        }
    )
    assert run(profile, scheme=scheme)["segment"].tolist() == ["CY", "AU"]


@pytest.mark.capability("3.3", part="a true shift is let through at once, and the reason says so")
def test_a_true_shift_opens_the_dead_band_on_both_axes() -> None:
    profile = profile_rows(["81", "10", "9"], [0.55, 0.55, 0.55], shifted=(2,))
    before = previous_rows({"I1": "AX", "I2": "AX", "I3": "BX"})
    frame = run(profile, before)
    assert frame["decision_reason"].tolist() == [
        "value:unchanged;variability:held_margin",
        "value:moved_shift;variability:moved_shift",
        "value:unchanged;variability:held_margin",
    ]
    assert frame["segment"].tolist() == ["AX", "BY", "BX"]


def test_an_override_changes_its_axis_only_and_computed_stays() -> None:
    override = pd.DataFrame(
        {
            "override_id": ["O1", "O2", "O3"],
            "sku_id": ["I1", "I2", "gone"],
            "location_id": "*",
            "value_class": ["C", None, "A"],
            "variability_class": [None, "Z", "X"],
        }
    )
    frame = run(profile_rows(["80", "20"], [0.2, 0.2]), overrides=override)
    assert frame["segment"].tolist() == ["CX", "BZ"]
    assert frame["computed_segment"].tolist() == ["AX", "BX"]
    assert frame["value_class"].tolist() == ["C", "B"]
    assert frame["decision_reason"].str.endswith(("override:O1", "override:O2")).all()


def test_locations_are_ranked_apart_where_the_scheme_classes_locations() -> None:
    both = pd.concat(
        [
            profile_rows(["80", "20"], [0.2, 0.2], location="L1"),
            profile_rows(["8000", "2000"], [0.2, 0.2], location="L2"),
        ],
        ignore_index=True,
    )
    assert run(both, scheme=SCHEME.model_copy(update={"class_level": "location"}))["value_class"].tolist() == [*"ABAB"]


@given(st.lists(st.integers(0, 99), min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_order_of_rows_changes_nothing(revenue: list[int], random: object) -> None:
    profile = profile_rows([str(amount) for amount in revenue], [amount / 50 for amount in revenue])
    before = previous_rows(dict.fromkeys(profile["sku_id"], "BY"))
    order = list(range(len(revenue)))
    random.shuffle(order)  # type: ignore[attr-defined]
    first, second = run(profile, before), run(profile.iloc[order], before.iloc[order[::-1]])
    tables = [SEGMENT_ASSIGNMENT.conform(frame) for frame in (first, second)]
    assert tables[0].equals(tables[1])


def test_what_cannot_be_decided_is_refused() -> None:
    profile = profile_rows(["80", "20"], [0.2, 0.2])
    with pytest.raises(ValueError, match="previous: sku_id, location_id \\['I1', '\\*'\\] stands more than once"):
        run(profile, pd.concat([previous_rows({"I1": "AX"})] * 2))
    unknown = pd.DataFrame(
        {
            "override_id": ["O"],
            "sku_id": ["I1"],
            "location_id": ["*"],
            "value_class": ["S"],
            "variability_class": [None],
        }
    )
    with pytest.raises(ValueError, match="overrides: classes \\['S'\\]"):
        run(profile, overrides=unknown)
    with pytest.raises(ValueError, match="profile: columns \\['revenue'\\] are missing"):
        run(profile.drop(columns="revenue"))
    with pytest.raises(ValueError, match="no time zone"):
        assign(profile, None, NO_OVERRIDE, scheme=SCHEME, partition=PARTITION, cutoff=CUTOFF.replace(tzinfo=None))


def standing(profile: pd.DataFrame, row: int, level: str, value: float, cv: float) -> pd.DataFrame:
    """The profile with one row on another rung."""
    changed = profile.copy()
    at = changed.index[row]
    changed.loc[at, ["fallback_level", "fallback_reason", "expected_value", "expected_cv"]] = [level, "x", value, cv]
    return changed


@pytest.mark.capability("2.5", part="a class from the rung, and nobody else moves by it")
@settings(max_examples=60, deadline=None)
@given(
    revenue=st.lists(st.integers(0, 10_000), min_size=2, max_size=12),
    guess=st.floats(0, 50_000),
    level=st.sampled_from(["predecessor", "like_item", "family_region"]),
)
def test_a_borrowed_value_is_placed_and_moves_nobody(revenue: list[int], guess: float, level: str) -> None:
    base = profile_rows([str(amount) for amount in revenue], [0.2] * len(revenue))
    alone = run(base, None)
    more = pd.concat([base, base.iloc[:1].assign(sku_id="NEW", revenue=Decimal(1), cv=9.0)], ignore_index=True)
    found = run(standing(more, -1, level, guess, 0.7), None)
    columns = ["value_class", "cumulative_share", "segment", "decision_reason"]
    if any(revenue):
        pd.testing.assert_frame_equal(found[columns].iloc[:-1], alone[columns])
        larger = sum(amount for amount in revenue if amount > guess) / sum(revenue)
        wanted = "U" if guess == 0 else "A" if larger < 0.8 - 1e-9 else "B" if larger < 0.95 - 1e-9 else "C"
        if min(abs(larger - 0.8), abs(larger - 0.95)) > 1e-9:
            assert found["value_class"].iloc[-1] == wanted
    assert found["variability_class"].iloc[-1] == "Y"
    assert found["decision_reason"].iloc[-1].endswith(f";fallback:{level}")


@pytest.mark.capability("2.5", part="last good class held")
def test_the_last_class_is_held_whatever_was_seen_since() -> None:
    base = profile_rows(["9000", "500", "1"], [0.2, 0.2, 5.0])
    found = run(standing(base, 2, "last_class", np.nan, np.nan), previous_rows({"I1": "AX", "I3": "AY"}))
    last = found.iloc[2]
    assert (last["segment"], last["fallback_level"]) == ("AY", "last_class")
    assert last["decision_reason"] == "value:last_class;variability:last_class;fallback:last_class"
    assert np.isnan(last["cumulative_share"])


@pytest.mark.capability("2.5", part="default: observed rate, never a silent C")
def test_default_rests_on_the_rate_or_on_the_total_as_the_scheme_says() -> None:
    base = standing(profile_rows(["900", "500", "150"], [0.2, 0.2, 0.1]), 2, "default", 1000.0, np.nan)
    assert run(base, None)["segment"].tolist()[2] == "AU"
    total = SCHEME.model_copy(update={"fallback": SCHEME.fallback.model_copy(update={"default": "observed_total"})})
    assert run(base, None, scheme=total)["segment"].tolist()[2] == "BU"


def test_a_company_without_any_history_ranks_its_expectations() -> None:
    base = profile_rows(["1", "1"], [0.2, 0.2])
    both = standing(standing(base, 0, "default", 90.0, np.nan), 1, "default", 10.0, np.nan)
    assert run(both, None)["segment"].tolist() == ["AU", "BU"]


@pytest.mark.capability("3.5", part="auto-revert: the class computed all along is back in the first cycle after expiry")
def test_a_rule_ends_and_the_computed_class_is_back_at_once() -> None:
    rule = Rule.model_validate(
        {
            "id": "floor", "kind": "contractual", "when": {"column": "sku_id", "eq": "I3"},
            "effect": {"value_class": {"at_least": "A"}}, "priority": 1, "owner": "ann", "approved_by": "bob",
            "reason": "because it is so", "valid_from": "2026-02", "valid_until": "2026-03",
            "rationale": "for two cycles of a test, then no longer",
        }
    )  # fmt: skip
    scheme = SCHEME.model_copy(update={"hysteresis": SCHEME.hysteresis.model_copy(update={"confirmations": 3})})
    profile, before, told = profile_rows(["80", "15", "5"], [0.2, 0.2, 0.2]), None, []
    for cycle in ("2026-01", "2026-02", "2026-03", "2026-04", "2026-05"):
        bounds = resolve(profile, NO_OVERRIDE, [rule], cycle=cycle).bounds
        before = run(profile, before, bounds, scheme)
        row = before.iloc[2]
        told.append((row["segment"], row["computed_segment"], row["override_id"], row["previous_segment"]))
    name = "rule:floor"
    assert told == [
        ("CX", "CX", None, None), ("AX", "CX", name, "CX"), ("AX", "CX", name, "AX"), ("CX", "CX", None, "AX"),
        ("CX", "CX", None, "CX"),
    ]  # fmt: skip
    assert before is not None and before["value_pending"].tolist() == [None] * 3


@pytest.mark.capability("3.5", part="of two overrides of one item the later holds")
def test_two_overrides_of_one_item_do_not_end_the_run() -> None:
    overrides = pd.DataFrame(
        [("OV1", "I1", "*", "B", "Y"), ("OV2", "I1", "*", "C", None)], columns=NO_OVERRIDE.columns, dtype=object
    )
    row = run(profile_rows(["80", "20"], [0.2, 0.2]), None, overrides).iloc[0]
    assert (row["segment"], row["override_id"]) == ("CY", "OV2+OV1")
    assert row["decision_reason"].endswith(";override:OV2+OV1")
