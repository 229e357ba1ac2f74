"""A small decision tree that says in words what a division of items amounts to, and how much of it the words say.

Belongs here: growing the tree and its sentences. Does not: the division itself (any method of this package).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Rule:
    """One leaf: `words` hold for `items` items, of which `share_right` have the class."""

    words: str
    value_class: str
    items: int
    share_right: float


@dataclass(frozen=True, slots=True)
class Surrogate:
    """Rules that together cover every item once; `share_explained`: items whose rule names their class.

    `is_enough`: whether that reaches the share asked for.
    """

    rules: tuple[Rule, ...]
    share_explained: float
    depth: int
    is_enough: bool


@dataclass(slots=True)
class _Node:
    """Rows of a node; `at` and `least` of its split where it has one: values of `least` and more go to `high`."""

    rows: npt.NDArray[np.intp]
    low: "_Node | None" = None
    high: "_Node | None" = None
    column: int | None = None
    least: float | None = None


def surrogate(
    criteria: Floats,
    value_class: Texts,
    *,
    names: Sequence[str],
    most_depth: int,
    least_items: int,
    least_share: float,
) -> Surrogate:
    """Grow the flattest tree (CART, Gini) whose rules name the class of at least `least_share` of the items.

    Splits are at values that occur: `annual_usage >= 1043.5` is exact. With no depth up to `most_depth` enough, the
    deepest tree is returned with `is_enough` False: the division cannot be told in so few words.

    Args:
        criteria: items x criteria as given, in their own units.
        value_class: class per item [n].
        names: of the criteria.
        most_depth: conditions a rule may have.
        least_items: a rule holds for at least so many items.
        least_share: share of items whose class the rules should name.

    Raises:
        ValueError: shapes do not fit together, no item, or a number is not finite.

    Examples:
        >>> usage = np.array([[5840.0, 2], [5670, 5], [1038, 7], [270, 7], [48, 3]])
        >>> told = surrogate(usage, np.array(list("AABBC")), names=["usage", "lead_time"], most_depth=2, least_items=1,
        ...                  least_share=0.95)
        >>> [f"{rule.value_class} if {rule.words}" for rule in told.rules], told.share_explained
        (['A if usage >= 5670', 'B if usage >= 270 and usage < 5670', 'C if usage < 270'], 1.0)

    References:
        Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, chapter 4.
    """
    if criteria.ndim != 2 or criteria.shape != (len(value_class), len(names)) or not len(criteria):
        raise ValueError(f"criteria {criteria.shape}, {len(value_class)} classes, {len(names)} names: one row per item")
    if not np.isfinite(criteria).all():
        raise ValueError("criteria: every number must be finite; leave out items of class U")
    classes, coded = np.unique(value_class, return_inverse=True)
    root = _Node(np.arange(len(criteria)))
    leaves, depth = [root], 0
    while _right(leaves, coded, len(classes)) < least_share and depth < most_depth:
        split = [child for leaf in leaves for child in _split(leaf, criteria, coded, len(classes), least_items)]
        if len(split) == len(leaves):
            break
        leaves, depth = split, depth + 1
    share = _right(leaves, coded, len(classes))
    rules = _rules(root, coded, classes, names, {})
    return Surrogate(tuple(rules), share, depth, share >= least_share)


def _right(leaves: Sequence[_Node], coded: npt.NDArray[np.intp], count: int) -> float:
    """Share of all items that have the commonest class of their leaf."""
    right = sum(int(np.bincount(coded[leaf.rows], minlength=count).max()) for leaf in leaves)
    return right / len(coded)


def _split(node: _Node, criteria: Floats, coded: npt.NDArray[np.intp], count: int, least_items: int) -> list[_Node]:
    """The two children of the best split of a node, or the node itself where none helps."""
    own = coded[node.rows]
    before = np.bincount(own, minlength=count).astype(np.float64)
    best = (before**2).sum() / len(own) * (1 + 1e-12)  # the sum of squared shares; Gini impurity falls as it rises
    if (before > 0).sum() < 2:
        return [node]
    for column in range(criteria.shape[1]):  # few criteria
        x = criteria[node.rows, column]
        order = np.argsort(x, kind="stable")
        x = x[order]
        below = np.cumsum(own[order][:, None] == np.arange(count), axis=0)[:-1].astype(np.float64)
        size = np.arange(1, len(x), dtype=np.float64)
        value = (below**2).sum(axis=1) / size + ((before - below) ** 2).sum(axis=1) / (len(x) - size)
        allowed = (x[1:] > x[:-1]) & (size >= least_items) & (len(x) - size >= least_items)
        if allowed.any() and (top := float(np.where(allowed, value, -np.inf).max())) > best:
            best, node.column = top, column
            node.least = float(x[1:][int(np.where(allowed, value, -np.inf).argmax())])
    if node.column is None or node.least is None:
        return [node]
    is_high = criteria[node.rows, node.column] >= node.least
    node.high, node.low = _Node(node.rows[is_high]), _Node(node.rows[~is_high])
    return [node.high, node.low]


def _rules(
    node: _Node,
    coded: npt.NDArray[np.intp],
    classes: Texts,
    names: Sequence[str],
    bounds: dict[int, tuple[float | None, float | None]],
) -> list[Rule]:
    """Sentences of the leaves below a node; twins of one class are one sentence."""
    counts = np.bincount(coded[node.rows], minlength=len(classes))
    whole = [Rule(_words(bounds, names), str(classes[counts.argmax()]), len(node.rows),
                  float(counts.max() / len(node.rows)))]  # fmt: skip
    if node.low is None or node.high is None or node.column is None:
        return whole
    low, high = bounds.get(node.column, (None, None))
    found = [
        *_rules(node.high, coded, classes, names, {**bounds, node.column: (node.least, high)}),
        *_rules(node.low, coded, classes, names, {**bounds, node.column: (low, node.least)}),
    ]
    return whole if len({rule.value_class for rule in found}) == 1 else found


def _words(bounds: dict[int, tuple[float | None, float | None]], names: Sequence[str]) -> str:
    said = []
    for column, (low, high) in bounds.items():
        said += [f"{names[column]} >= {low:.15g}"] if low is not None else []
        said += [f"{names[column]} < {high:.15g}"] if high is not None else []
    return " and ".join(said) or "always"
