"""What joins criteria to methods: who can be ranked, directions, the sentence of each class."""

import numpy as np
import pytest

from strata.classify.breaks import natural_breaks
from strata.classify.envelope import best_scores
from strata.classify.items import METHODS, Criterion, ItemClasses, Method, Settings, item_classes
from strata.classify.ranking import Cuts
from tests.strata.classify.benchmark47 import ITEMS

SETTINGS = Settings(log=False, balance=0.5, skew=1.0, restarts=5, sample=10_000, seed=1)
SHARES = Cuts("share", (0.8, 0.95))


def classed(values: list[list[float]] | np.ndarray, method: Method, names: str, cuts: Cuts = SHARES) -> ItemClasses:
    array = np.array(values, dtype=float)
    criteria = [Criterion(name.rstrip("-"), None, not name.endswith("-")) for name in names.split()]
    return item_classes(array, np.arange(len(array)), criteria=criteria, method=method, cuts=cuts, settings=SETTINGS)


def test_the_cost_criterion_says_its_service_level() -> None:
    made = classed([[1200, 20, 2, 100], [60, 20, 2, 20], [24, 200, 50, 4], [5, 0, 1, 1]], "cost", "D b h Q")
    assert made.score[:3].tolist() == [120.0, 30.0, 24.0]
    assert made.reason.to_pylist() == [
        "share before 0 < 0.8; cycle service level 0.991667",
        "share before 0.689655172414 < 0.8; cycle service level 0.966667",
        "share before 0.862068965517 >= 0.8 and < 0.95; cycle service level 0.958333",
        "b: zero",
    ]


@pytest.mark.parametrize("method", [method for method in METHODS if method != "cost"])
def test_items_that_lack_a_number_are_u_and_change_nothing_for_others(method: Method) -> None:
    one = classed(ITEMS, method, "usage cost lead_time")
    more = classed(np.vstack([ITEMS, [np.nan, 1e9, 9], [1e9, np.inf, 9]]), method, "usage cost lead_time")
    assert more.value_class[:47].tolist() == one.value_class.tolist()
    np.testing.assert_array_equal(more.score[:47], one.score)
    assert more.value_class[47:].tolist() == ["U", "U"] and more.rank[47:].tolist() == [0, 0]
    assert more.reason.to_pylist()[47:] == ["usage: no value", "cost: not finite"]


@pytest.mark.parametrize("method", [method for method in METHODS if method != "cost"])
def test_less_of_a_loss_never_ranks_an_item_lower(method: Method) -> None:
    """Two items alike but for a criterion of which less matters more."""
    values = np.vstack([ITEMS, [500, 50, 2], [500, 50, 6]])
    made = classed(values, method, "usage cost lead_time-")
    assert made.rank[47] < made.rank[48] or made.score[47] == made.score[48]
    assert made.score[47] >= made.score[48]


@pytest.mark.parametrize("method", ["zhou_fan", "ramanathan", "edas"])
def test_a_negative_amount_has_no_part(method: Method) -> None:
    made = classed([[5, 1], [3, -1], [2, 4]], method, "usage margin")
    assert made.value_class[1] == "U" and made.reason.to_pylist()[1] == "margin: negative"


def test_a_loss_is_mirrored_between_its_ends() -> None:
    made = classed(ITEMS, "ramanathan", "usage cost lead_time-")
    np.testing.assert_array_equal(made.score, best_scores(np.column_stack([ITEMS[:, :2], 8 - ITEMS[:, 2]])))


def test_natural_breaks_take_the_number_of_classes_from_the_cuts_and_say_their_fit() -> None:
    made = classed(ITEMS[:, :1], "breaks", "usage", Cuts("count", (1, 2, 3)))
    least = natural_breaks(ITEMS[:, 0], classes=4, log=False).least
    assert made.value_class.tolist() == ["ABCD"[int(sum(usage < np.array(least)))] for usage in ITEMS[:, 0]]
    assert made.notes[0].startswith("natural breaks of the values explain 0.9")
    assert classed([[7.0], [7.0], [0.0]], "breaks", "usage").value_class.tolist() == ["A", "A", "U"]


def test_clusters_rank_by_cluster_and_take_a_sample_of_many() -> None:
    made = classed(ITEMS, "kmeans", "usage cost lead_time")
    assert made.value_class[np.argsort(made.rank)].tolist() == sorted(made.value_class.tolist())
    many = np.repeat(ITEMS, 40, axis=0)
    sampled = item_classes(
        many, np.arange(len(many)), criteria=[Criterion(name, None, True) for name in "abc"], method="kmeans",
        cuts=SHARES, settings=Settings(log=False, balance=0.5, skew=1.0, restarts=5, sample=500, seed=1),
    )  # fmt: skip
    assert "clusters were fitted on 500 of 1,880 items" in sampled.notes
    assert (sampled.value_class.reshape(47, 40) == sampled.value_class.reshape(47, 40)[:, :1]).all()


def test_criteria_that_do_not_suit_are_refused() -> None:
    with pytest.raises(ValueError, match="4 columns in this order: demand a year"):
        classed([[1, 2]], "cost", "D b")
    with pytest.raises(ValueError, match="no weights and directions"):
        classed([[1, 2, 3, 4]], "cost", "D b h Q-")
    with pytest.raises(ValueError, match="do not fit together"):
        classed([[1, 2]], "ng", "usage")
