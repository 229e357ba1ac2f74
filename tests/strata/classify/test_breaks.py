"""Natural breaks against every possible division, one after the other."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.classify.breaks import natural_breaks

numbers = st.lists(st.integers(-8, 20), min_size=1, max_size=9)


def slow(value: list[float], classes: int) -> float:
    """Least squared deviation within classes over all divisions of the sorted numbers, as a share explained."""
    distinct = sorted(set(value))

    def within(group: list[float]) -> float:
        mean = sum(group) / len(group)
        return sum((x - mean) ** 2 for x in group)

    least = min(
        sum(
            within([x for x in value if low <= x < high])
            for low, high in zip((-1e9, *breaks), (*breaks, 1e9), strict=True)
        )
        for breaks in combinations(distinct[1:], min(classes, len(distinct)) - 1)
    )
    whole = within(value)
    return 1.0 - least / whole if whole else 1.0


@pytest.mark.capability("3.1", part="natural breaks")
@given(numbers, st.integers(1, 6))
@settings(max_examples=80, deadline=None)
def test_no_other_division_has_less_deviation(value: list[int], classes: int) -> None:
    array = np.array(value, dtype=float)
    found = natural_breaks(array, classes=classes, log=False)
    assert found.fit == pytest.approx(slow(array.tolist(), classes), abs=1e-9)
    assert len(found.least) == min(classes, len(set(value))) - 1
    assert list(found.least) == sorted(found.least, reverse=True)
    parts = np.split(np.sort(array), np.searchsorted(np.sort(array), found.least[::-1]))
    deviation = sum(((part - part.mean()) ** 2).sum() for part in parts)
    whole = ((array - array.mean()) ** 2).sum()
    assert found.fit == pytest.approx(1 - deviation / whole if whole else 1.0, abs=1e-9)


@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=40), st.integers(2, 5))
@settings(max_examples=40, deadline=None)
def test_logarithms_are_those_of_the_values(value: list[int], classes: int) -> None:
    array = np.array(value, dtype=float)
    by_log, of_log = (
        natural_breaks(array, classes=classes, log=True),
        natural_breaks(np.log(array), classes=classes, log=False),
    )
    assert by_log.fit == pytest.approx(of_log.fit)
    np.testing.assert_allclose(np.log(by_log.least), of_log.least)


@given(numbers, st.integers(1, 5), st.sampled_from([1e-3, 7.0, 1e6]))
@settings(max_examples=40, deadline=None)
def test_the_unit_changes_nothing(value: list[int], classes: int, factor: float) -> None:
    one, other = (natural_breaks(np.array(value) * scale, classes=classes, log=False) for scale in (1.0, factor))
    assert one.fit == pytest.approx(other.fit, abs=1e-9)


def test_hundreds_of_values_are_divided_as_by_the_plain_recursion() -> None:
    """The recursion of the books, quadratic in the number of values, on 300 of them and one class more each time."""
    value = np.sort(np.random.default_rng(5).lognormal(3, 1.5, 300))
    sums = [np.concatenate([[0.0], np.cumsum(value**power)]) for power in (0, 1, 2)]
    cost = [[np.inf] * 301 for _ in range(6)]
    cost[0][0] = 0.0
    for classes in range(1, 6):
        for end in range(1, 301):
            starts = np.arange(end)
            weight, first, second = (total[end] - total[starts] for total in sums)
            cost[classes][end] = np.min(np.array(cost[classes - 1])[starts] + second - first**2 / weight)
    whole = cost[1][300]
    for classes in range(1, 6):
        assert natural_breaks(value, classes=classes, log=False).fit == pytest.approx(1 - cost[classes][300] / whole)


@pytest.mark.parametrize(
    ("value", "classes", "log"), [([], 3, False), ([1.0, np.nan], 2, False), ([0.0, 1.0], 2, True), ([1.0], 0, False)]
)
def test_what_has_no_breaks_is_refused(value: list[float], classes: int, log: bool) -> None:
    with pytest.raises(ValueError, match="natural breaks need finite numbers"):
        natural_breaks(np.array(value), classes=classes, log=log)
