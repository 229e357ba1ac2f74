"""Classes from a score: shares, numbers of items and least scores, each against the rule read word by word."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.classify.ranking import Cuts, ranked_classes
from strata.classify.value import value_classes
from tests.strata.classify.benchmark47 import ITEMS

CUTS = [
    Cuts("share", (0.8, 0.95)),
    Cuts("count", (2, 5)),
    Cuts("value", (30.0, 10.0)),
    Cuts("share", (0.25, 0.5, 0.75)),
]
scores = st.lists(st.one_of(st.integers(0, 60), st.none()), min_size=1, max_size=20)


def classes(score: list[float], cuts: Cuts) -> str:
    array = np.array(score, dtype=float)
    return "".join(ranked_classes(array, np.arange(len(array)), counted=array > 0, cuts=cuts).value_class)


def slow(score: list[int | None], cuts: Cuts) -> list[str]:
    """Item by item: what stands before it, in exact hundredths, decides."""
    known = [v for v in score if v is not None]
    found = []
    for v in score:
        larger = [w for w in known if v is not None and w > v]
        place = 0
        for bound in cuts.bounds:
            if cuts.kind == "share":
                beyond = 100 * sum(larger) >= round(100 * bound) * sum(known) and sum(known) > 0
            elif cuts.kind == "count":
                beyond = len(larger) >= bound
            else:
                beyond = v is not None and v < bound
            place += beyond
        found.append("U" if v is None else "ABCDEFG"[place])
    return found


@pytest.mark.capability("3.1", part="classes by share, by number of items and by least value")
@given(scores, st.sampled_from(CUTS))
@settings(max_examples=120, deadline=None)
def test_classes_agree_with_a_slow_exact_computation(score: list[int | None], cuts: Cuts) -> None:
    counted = np.array([v is not None for v in score])
    array = np.array([np.nan if v is None else float(v) for v in score])
    found = ranked_classes(array, np.arange(len(array)), counted=counted, cuts=cuts)
    assert found.value_class.tolist() == slow(score, cuts)
    by_rule = sorted(np.flatnonzero(counted), key=lambda item: (-array[item], item))
    assert found.rank[by_rule].tolist() == list(range(1, len(by_rule) + 1))
    assert (found.rank[~counted] == 0).all() and np.isnan(found.measure[~counted]).all()


@given(st.lists(st.integers(-5, 60), min_size=1, max_size=25))
@settings(max_examples=40, deadline=None)
def test_shares_are_those_of_the_value_classes(value: list[int]) -> None:
    array = np.array(value, dtype=float)
    names = np.array([f"S{index:02d}" for index in range(len(array))], dtype=object)
    expected = value_classes(array, names, cuts={"A": 0.8, "B": 0.95})
    found = ranked_classes(array, np.arange(len(array)), counted=array > 0, cuts=CUTS[0])
    assert found.value_class.tolist() == expected.value_class.tolist()
    np.testing.assert_array_equal(found.measure, expected.share_before)


@pytest.mark.capability("3.1", part="value classes by counts")
def test_ten_fourteen_and_the_rest_of_the_47_items() -> None:
    usage = ITEMS[:, 0]
    found = ranked_classes(usage, np.arange(47), counted=usage > 0, cuts=Cuts("count", (10, 24)))
    assert "".join(found.value_class) == "A" * 10 + "B" * 14 + "C" * 23


def test_equals_share_a_class_and_names_decide_their_ranks_only() -> None:
    found = ranked_classes(np.full(3, 7.0), np.array([2, 0, 1]), counted=np.ones(3, bool), cuts=Cuts("count", (1,)))
    assert ("".join(found.value_class), found.rank.tolist()) == ("AAA", [3, 1, 2])


def test_a_score_that_meets_a_least_score_has_reached_it() -> None:
    assert classes([30.0, 29.0, 10.0, 9.0, 0.0], Cuts("value", (30.0, 10.0))) == "ABBCU"


def test_one_item_none_and_all_zero() -> None:
    assert classes([3.0], CUTS[0]) == "A" and classes([], CUTS[0]) == ""
    zero = ranked_classes(np.zeros(2), np.arange(2), counted=np.ones(2, bool), cuts=CUTS[0])
    assert zero.value_class.tolist() == ["A", "A"]


@pytest.mark.parametrize(
    ("kind", "bounds", "why"),
    [("share", (0.9, 0.8), "rise"), ("share", (0.8, 1.2), "0.8 for 80 %"), ("count", (0.5,), "numbers of items"),
     ("value", (10.0, 30.0), "fall"), ("share", (), "give 1 to"), ("value", (np.nan,), "fall")],
)  # fmt: skip
def test_cuts_that_cannot_cut_are_refused(kind: str, bounds: tuple[float, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Cuts(kind, bounds)  # type: ignore[arg-type]


def test_a_score_that_is_no_score_is_refused_with_its_place() -> None:
    with pytest.raises(ValueError, match="item 1 is -1"):
        ranked_classes(np.array([1.0, -1.0]), np.arange(2), counted=np.ones(2, bool), cuts=CUTS[0])
    with pytest.raises(ValueError, match="differ in length"):
        ranked_classes(np.ones(2), np.arange(3), counted=np.ones(2, bool), cuts=CUTS[0])
