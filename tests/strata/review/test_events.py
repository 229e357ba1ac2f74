"""Events between two states: each kind by hand, against a loop over items, and whose rows are decided again."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.review.events import KEY, WATCHED, events, touched_rows


def master(**items: dict[str, object]) -> pd.DataFrame:
    base = {"category": "FOOD", "family": "SALT", "launch_date": None, "predecessor_sku_id": None, "status": "active",
            "end_date": None}  # fmt: skip
    rows = [{"sku_id": sku, **base, **given} for sku, given in items.items()]
    return pd.DataFrame(rows, columns=["sku_id", *WATCHED])


def profile(**shifts: bool) -> pd.DataFrame:
    rows = [(sku, "*", shift, 2.5 if shift else 1.0, 4.0 if shift else 0.0) for sku, shift in shifts.items()]
    return pd.DataFrame(rows, columns=[*KEY, "is_true_shift", "recent_ratio", "shift_z"])


@pytest.mark.capability("3.2", part="events told apart: launch, ending, hierarchy change, drift")
def test_every_kind_of_event_by_hand() -> None:
    before = master(A={}, B={"family": None}, C={}, D={}, E={}, G={})
    now = master(A={}, B={"family": "SUGAR"}, C={"status": "blocked", "category": "X"}, D={}, E={}, F={})
    found = events(before, now, profile(A=False, B=False, C=False, D=False, G=True),
                   profile(A=False, B=False, C=False, D=True, E=False, G=True))  # fmt: skip
    assert found.to_numpy().tolist() == [
        ["B", "*", "hierarchy", "family: - -> SUGAR"],
        ["C", "*", "ending+hierarchy", "status: active -> blocked; category: FOOD -> X"],
        ["D", "*", "drift", "level x 2.50, z 4.0"],
        ["E", "*", "launch", "demand for the first time"],
        ["F", "*", "launch", "new in the item master"],
        ["G", "*", "ending", "gone from the item master"],
    ]


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_events_are_those_of_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"I{at}" for at in range(6)]

    def state() -> tuple[pd.DataFrame, pd.DataFrame]:
        items = {n: {"family": rng.choice(["F", "G", None])} for n in names if rng.random() < 0.8}
        places = [(n, p) for n in names for p in ("L1", "L2") if rng.random() < 0.6]
        shift = rng.random(len(places)) < 0.3
        rows = pd.DataFrame(places, columns=KEY).assign(is_true_shift=shift, recent_ratio=3.0, shift_z=5.0)
        return master(**items), rows

    (then, past), (now, present) = state(), state()
    told = {tuple(row[:2]): set(row[2].split("+")) for row in events(then, now, past, present).to_numpy().tolist()}
    expected: dict[tuple[str, str], set[str]] = {}
    was, is_ = ({row["sku_id"]: row["family"] for row in one.to_dict("records")} for one in (then, now))
    shifts, shifted = ({(r["sku_id"], r["location_id"]): r["is_true_shift"] for r in one.to_dict("records")} for one in (past, present))  # fmt: skip # noqa: E501
    for name in names:
        kinds = set()
        if name in is_ and name not in was:
            kinds.add("launch")
        if name in was and name not in is_:
            kinds.add("ending")
        if name in was and name in is_ and was[name] != is_[name]:
            kinds.add("hierarchy")
        places = {p for n, p in (*shifts, *shifted) if n == name} or {"*"}
        for place in places:
            own = set(kinds)
            if (name, place) in shifted:
                own |= {"launch"} if (name, place) not in shifts else set()
                own |= {"drift"} if shifted[name, place] and not shifts.get((name, place), False) else set()
            if own:
                expected[name, place] = own
    assert told == expected


def test_only_touched_rows_are_as_they_are_now() -> None:
    before, now = profile(A=False, B=False, C=False), profile(A=True, B=True, D=True)
    rows = touched_rows(before, now, pd.DataFrame({"sku_id": ["B", "C", "D"], "location_id": "*"}))
    assert rows[["sku_id", "is_true_shift"]].to_numpy().tolist() == [["A", False], ["B", True], ["D", True]]
    nothing = touched_rows(before, now, pd.DataFrame(columns=KEY))
    pd.testing.assert_frame_equal(nothing, before)
