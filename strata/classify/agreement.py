"""How well two divisions of the same items agree, and how well a division separates them.

Belongs here: adjusted Rand index, Cohen's kappa, silhouette. Does not: making divisions (`strata.classify.clusters`).
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_CELLS = 4_000_000  # distances held at once


def adjusted_rand(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]) -> float:
    """Share of pairs of items that two divisions treat alike, corrected for chance: 1 equal, about 0 unrelated.

    ARI = (S - E) / (M - E) with S the pairs together in both, E what chance expects of S, and M its most. Names of
    classes do not matter. Two divisions that both put all items together, or all apart, are equal: 1.

    Args:
        first: label per item [n].
        second: label per item [n].

    Raises:
        ValueError: lengths differ or there is no item.

    Examples:
        >>> round(adjusted_rand(np.array([0, 0, 1, 2]), np.array([0, 0, 1, 1])), 4)
        0.5714

    References:
        Hubert and Arabie (1985), Journal of Classification 2:193-218, equation 5.
    """
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"labels {first.shape} and {second.shape} must be two columns of one length, not empty")
    rows, row = np.unique(first, return_inverse=True)
    columns, column = np.unique(second, return_inverse=True)
    table = np.bincount(row * len(columns) + column, minlength=len(rows) * len(columns)).astype(np.float64)
    table = table.reshape(len(rows), len(columns))
    together, by_row, by_column, every = (
        float((counts * (counts - 1.0)).sum() / 2.0)
        for counts in (table, table.sum(axis=1), table.sum(axis=0), np.array([float(len(first))]))
    )
    expected = by_row * by_column / every if every else 0.0
    most = (by_row + by_column) / 2.0
    return 1.0 if most == expected else (together - expected) / (most - expected)


def cohen_kappa(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]) -> float:
    """Share of items that two assignments class alike, corrected for chance: 1 equal, 0 as good as chance.

    Names of classes matter: A and B exchanged is disagreement. Two assignments of one and the same single class are
    equal: 1.

    Args:
        first: class per item [n].
        second: class per item [n].

    Raises:
        ValueError: lengths differ or there is no item.

    Examples:
        >>> round(cohen_kappa(np.array(list("AABBC")), np.array(list("AABCC"))), 4)
        0.7059

    References:
        Cohen (1960), Educational and Psychological Measurement 20:37-46.
    """
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"classes {first.shape} and {second.shape} must be two columns of one length, not empty")
    classes, coded = np.unique(np.concatenate([first, second]), return_inverse=True)
    shares = [np.bincount(half, minlength=len(classes)) / len(first) for half in np.split(coded, 2)]
    alike, by_chance = float((first == second).mean()), float(shares[0] @ shares[1])
    return 1.0 if by_chance == 1.0 else (alike - by_chance) / (1.0 - by_chance)


def silhouette(points: Floats, label: npt.NDArray[np.int64]) -> Floats:
    """Silhouette of every item: (b - a) / max(a, b), from -1 (in the wrong cluster) to 1.

    a = mean Euclidean distance to the others of its cluster, b = least mean distance to the items of another. An item
    alone in its cluster has 0. Distances of all pairs: the caller samples (10,000 items take seconds).

    Args:
        points: items x features, in comparable units.
        label: cluster 0..k-1 per item [n], each with an item.

    Raises:
        ValueError: lengths differ, or there are fewer than two clusters.

    Examples:
        >>> silhouette(np.array([[0.0], [1], [10], [11]]), np.array([0, 0, 1, 1])).round(4).tolist()
        [0.9048, 0.8947, 0.8947, 0.9048]

    References:
        Rousseeuw (1987), Journal of Computational and Applied Mathematics 20:53-65.
    """
    count = int(label.max(initial=-1)) + 1
    if points.ndim != 2 or label.shape != (len(points),) or count < 2:
        raise ValueError(f"points {points.shape}, labels {label.shape}, {count} clusters: two clusters at least")
    size = np.bincount(label, minlength=count).astype(np.float64)
    member = (label[:, None] == np.arange(count)).astype(np.float64)
    found = np.empty(len(points))
    step = max(1, _CELLS // len(points))
    for start in range(0, len(points), step):  # a loop over blocks of items, so that not all pairs are held
        block, own = points[start : start + step], label[start : start + step]
        # Differences, not the expanded square: equal points must have distance 0.
        square = sum((block[:, None, at] - points[None, :, at]) ** 2 for at in range(points.shape[1]))
        totals = np.sqrt(square) @ member
        at = np.arange(len(own))
        alone = size[own] <= 1
        inside = totals[at, own] / np.maximum(size[own] - 1.0, 1.0)
        means = totals / size
        means[at, own] = np.inf
        outside = means.min(axis=1)
        larger = np.maximum(inside, outside)
        found[start : start + step] = np.where(
            alone | (larger == 0), 0.0, (outside - inside) / np.where(larger > 0, larger, 1.0)
        )
    return found
