"""The words of a surrogate tree: true of every item they cover, and a single split as good as any other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.classify.surrogate import surrogate

items = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from("ABC")), min_size=1, max_size=25)


def follows(words: str, row: dict[str, float]) -> bool:
    """Read a rule as a person would."""
    if words == "always":
        return True
    for part in words.split(" and "):
        name, sign, bound = part.split(" ")
        if not (row[name] >= float(bound) if sign == ">=" else row[name] < float(bound)):
            return False
    return True


@pytest.mark.capability("3.1", part="surrogate tree in words")
@given(items, st.integers(0, 3), st.integers(1, 4))
@settings(max_examples=80, deadline=None)
def test_every_item_follows_one_rule_and_the_share_is_counted(
    rows: list[tuple[int, int, str]], most_depth: int, least_items: int
) -> None:
    criteria, value_class = np.array([row[:2] for row in rows], dtype=float), np.array([row[2] for row in rows])
    told = surrogate(criteria, value_class, names=["usage", "lead_time"], most_depth=most_depth,
                     least_items=least_items, least_share=0.95)  # fmt: skip
    right = 0
    covered = dict.fromkeys(told.rules, 0)
    for (usage, lead_time), own in zip(criteria, value_class, strict=True):
        said = [rule for rule in told.rules if follows(rule.words, {"usage": usage, "lead_time": lead_time})]
        assert len(said) == 1
        covered[said[0]] += 1
        right += said[0].value_class == own
    assert told.share_explained == pytest.approx(right / len(rows))
    assert all(count == rule.items >= min(least_items, len(rows)) for rule, count in covered.items())
    assert told.is_enough == (told.share_explained >= 0.95) and told.depth <= most_depth


@given(items)
@settings(max_examples=60, deadline=None)
def test_the_first_split_leaves_the_least_impurity(rows: list[tuple[int, int, str]]) -> None:
    criteria, value_class = np.array([row[:2] for row in rows], dtype=float), np.array([row[2] for row in rows])

    def impurity(chosen: np.ndarray) -> float:
        shares = np.unique(value_class[chosen], return_counts=True)[1] / max(chosen.sum(), 1)
        return float(chosen.sum() * (1 - (shares**2).sum()))

    everything = impurity(np.ones(len(rows), bool))
    tried = [
        impurity(criteria[:, column] >= least) + impurity(criteria[:, column] < least)
        for column in (0, 1)
        for least in np.unique(criteria[:, column])[1:]
    ]
    told = surrogate(criteria, value_class, names=["a", "b"], most_depth=1, least_items=1, least_share=1.0)
    if told.depth:
        name, _, bound = told.rules[0].words.split(" ") if len(told.rules) > 1 else ("a", "", "nan")
        if len(told.rules) > 1:
            high = criteria[:, "ab".index(name)] >= float(bound)
            assert impurity(high) + impurity(~high) == pytest.approx(min(tried), abs=1e-9)
    else:
        assert everything == 0 or not tried or min(tried) >= everything - 1e-9


def test_a_division_by_two_cuts_is_told_whole_and_noise_is_not() -> None:
    rng = np.random.default_rng(1)
    criteria = np.column_stack([rng.lognormal(3, 1, 2000), rng.integers(1, 10, 2000)])
    by_cuts = np.where(criteria[:, 0] >= 50, "A", np.where(criteria[:, 1] >= 7, "B", "C"))
    arguments = {"names": ["usage", "lead_time"], "most_depth": 3, "least_items": 10, "least_share": 0.95}
    told = surrogate(criteria, by_cuts, **arguments)  # type: ignore[arg-type]
    assert (told.share_explained, told.depth, told.is_enough) == (1.0, 2, True)
    assert {rule.value_class for rule in told.rules} == set("ABC")
    assert not surrogate(criteria, rng.choice(list("ABC"), 2000), **arguments).is_enough  # type: ignore[arg-type]


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="class U"):
        surrogate(np.array([[np.nan]]), np.array(["A"]), names=["a"], most_depth=1, least_items=1, least_share=0.9)
    with pytest.raises(ValueError, match="one row per item"):
        surrogate(np.ones((2, 1)), np.array(["A"]), names=["a"], most_depth=1, least_items=1, least_share=0.9)
