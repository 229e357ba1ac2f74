"""Classes from a ranking by any score: by share of the score, by numbers of items, by the score itself.

Belongs here: ranks, cuts and what they do to ties. Does not: the score (`strata.classify.criteria` and its
neighbours), value classes of the pipeline (`strata.classify.value`, whose conventions hold here too).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from strata.classify.value import UNVALUED, first_of_equals, ranking, running_shares

LETTERS = "ABCDEFGHIJKLMNOPQRST"  # before U, which is no class of a ranking

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where classes end, the highest first; there is one class more than bounds.

    `share`: ascending shares of the total score before the item (0.80, 0.95). `count`: ascending numbers of items
    before it (10, 24: ten A, fourteen B). `value`: descending least scores (1000, 100).
    """

    kind: Literal["share", "count", "value"]
    bounds: tuple[float, ...]

    def __post_init__(self) -> None:
        told = ", ".join(f"{bound:g}" for bound in self.bounds)
        if not 1 <= len(self.bounds) < len(LETTERS):
            raise ValueError(f"cuts: {len(self.bounds)} bounds; give 1 to {len(LETTERS) - 1}")
        falling = [-bound for bound in self.bounds] if self.kind == "value" else list(self.bounds)
        if any(second <= first for first, second in pairwise(falling)) or not np.isfinite(falling).all():
            order = "fall" if self.kind == "value" else "rise"
            raise ValueError(f"cuts: {told} do not {order} from class to class")
        if self.kind == "share" and not all(0 < bound < 1 for bound in self.bounds):
            raise ValueError(f"cuts: {told} are no shares between 0 and 1: write 0.8 for 80 %")
        if self.kind == "count" and not all(bound >= 1 and bound == int(bound) for bound in self.bounds):
            raise ValueError(f"cuts: {told} are no numbers of items")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, the highest first."""
        return tuple(LETTERS[: len(self.bounds) + 1])


@dataclass(frozen=True, slots=True)
class Ranked:
    """Per item, in input order: rank (1 = highest score; 0 for `U`), class, and what its class was judged by.

    `measure` is the share or number of items before it (of the first of its equals), or its score; NaN for `U`.
    """

    rank: npt.NDArray[np.int64]
    value_class: npt.NDArray[np.str_]
    measure: Floats


def ranked_classes(
    score: Floats, name_rank: npt.NDArray[np.int64], *, counted: npt.NDArray[np.bool_], cuts: Cuts
) -> Ranked:
    """Rank items by score and class them; who crosses a cut keeps the higher class, equals share a class.

    An item is judged by what stands *before* the first of its equals, so a single dominant item is in the first class
    and a name never decides a class; names decide ranks of equals only. Where all scores are 0, all items are equal
    and in the first class.

    Args:
        score: per item [n]; finite and not negative where counted.
        name_rank: place of the item's name in the order of all names [n]; breaks ties of rank.
        counted: items that take part; the others are `U`, without rank and without part in the total.
        cuts: where classes end.

    Raises:
        ValueError: lengths differ, or a counted score is negative or not finite.

    Examples:
        >>> score = np.array([5840.64, 5670.0, 5037.12, 4769.56, 0.0])
        >>> found = ranked_classes(score, np.arange(5), counted=score > 0, cuts=Cuts("share", (0.5, 0.8)))
        >>> found.rank.tolist(), "".join(found.value_class), found.measure[:3].round(4).tolist()
        ([1, 2, 3, 4, 0], 'AABBU', [0.0, 0.274, 0.54])
        >>> by_count = ranked_classes(score, np.arange(5), counted=score > 0, cuts=Cuts("count", (1, 3)))
        >>> "".join(by_count.value_class)
        'ABBCU'
    """
    if not score.shape == name_rank.shape == counted.shape or score.ndim != 1:
        raise ValueError(f"score {score.shape}, names {name_rank.shape} and counted {counted.shape} differ in length")
    if (bad := counted & ~(np.isfinite(score) & (score >= 0))).any():
        raise ValueError(f"score: item {int(bad.argmax())} is {score[bad.argmax()]}; leave it out of `counted`")
    order = ranking(score, name_rank, counted=counted)
    ranked = score[order]
    first = first_of_equals(ranked)
    if cuts.kind == "share":
        judged = np.concatenate([[0.0], running_shares(ranked)[:-1]])[: len(order)][first]
    else:
        judged = ranked if cuts.kind == "value" else first.astype(np.float64)
    rank, measure = np.zeros(len(score), dtype=np.int64), np.full(len(score), np.nan)
    value_class = np.full(len(score), UNVALUED, dtype="<U1")
    bounds = np.array(cuts.bounds)
    # A score that meets a least score exactly has reached it; a share or number that meets a cut is beyond it.
    place = np.searchsorted(-bounds, -judged) if cuts.kind == "value" else np.searchsorted(bounds, judged, side="right")
    rank[order], measure[order] = np.arange(1, len(order) + 1), judged
    value_class[order] = np.array(cuts.classes)[place]
    return Ranked(rank=rank, value_class=value_class, measure=measure)
