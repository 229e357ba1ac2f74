"""Adjusted Rand index and silhouette against recorded results of scikit-learn and against all pairs, one by one."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.classify.agreement import adjusted_rand, cohen_kappa, silhouette

ORACLE = Path(__file__).resolve().parents[3] / "../shared/oracle/stats_drift/stats_drift.json"
labels = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=12)


@pytest.mark.capability("3.1", part="agreement of clusters: adjusted Rand index and silhouette")
@pytest.mark.skipif(not ORACLE.exists(), reason="oracle folder is not here")
def test_recorded_results_of_scikit_learn() -> None:
    items = {item["id"]: item for item in json.loads(ORACLE.read_text(encoding="utf-8"))["items"]}
    compared = 0
    for item in items.values():
        if "labels_true" in item["inputs"]:
            found = adjusted_rand(np.array(item["inputs"]["labels_true"]), np.array(item["inputs"]["labels_pred"]))
            assert found == pytest.approx(item["recomputed"]["ARI"]), item["id"]
            compared += 1
    assert compared >= 6
    table = np.array(items["ARI_contingency"]["inputs"]["table"])
    rows, columns = (np.repeat(np.indices(table.shape)[axis].ravel(), table.ravel()) for axis in (0, 1))
    assert adjusted_rand(rows, columns) == pytest.approx(items["ARI_contingency"]["recomputed"]["ARI"])
    hand = items["silhouette_hand"]
    points = np.array(hand["inputs"]["X"], dtype=float)[:, None]
    np.testing.assert_allclose(silhouette(points, np.array(hand["inputs"]["labels"])), hand["recomputed"]["s"])


@given(labels)
@settings(max_examples=80, deadline=None)
def test_rand_index_counts_pairs(pairs: list[tuple[int, int]]) -> None:
    first, second = (np.array(column) for column in zip(*pairs, strict=True))
    together = [[a[0] == b[0], a[1] == b[1]] for a, b in combinations(pairs, 2)]
    both, one, two = (sum(map(rule, together)) for rule in (all, lambda t: t[0], lambda t: t[1]))
    expected, most = one * two / len(together), (one + two) / 2
    slow = 1.0 if most == expected else (both - expected) / (most - expected)
    assert adjusted_rand(first, second) == pytest.approx(slow, abs=1e-12)
    assert adjusted_rand(second, first) == pytest.approx(slow, abs=1e-12)
    assert adjusted_rand(np.array(list("wxyz"))[first], second) == pytest.approx(slow, abs=1e-12)


@given(labels)
@settings(max_examples=60, deadline=None)
def test_kappa_is_that_of_the_table_of_classes(pairs: list[tuple[int, int]]) -> None:
    first, second = (np.array(column) for column in zip(*pairs, strict=True))
    alike = sum(a == b for a, b in pairs) / len(pairs)
    chance = sum((first == k).mean() * (second == k).mean() for k in range(4))
    slow = 1.0 if chance == 1 else (alike - chance) / (1 - chance)
    assert cohen_kappa(first, second) == pytest.approx(slow, abs=1e-12)
    assert cohen_kappa(first, first) == 1.0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 2)), min_size=2, max_size=12))
@settings(max_examples=60, deadline=None)
def test_silhouette_is_that_of_loops(rows: list[tuple[int, int, int]]) -> None:
    points = np.array([row[:2] for row in rows], dtype=float)
    label = np.unique([row[2] for row in rows], return_inverse=True)[1]
    if label.max() == 0:
        with pytest.raises(ValueError, match="two clusters"):
            silhouette(points, label)
        return
    slow = []
    for item, own in enumerate(label):
        mean = {}
        for other in range(label.max() + 1):
            away = [
                np.hypot(*(points[item] - points[j])) for j in range(len(points)) if label[j] == other and j != item
            ]
            mean[other] = np.mean(away) if away else None
        a = mean.pop(int(own))
        b = min(mean.values())
        slow.append(0.0 if a is None or max(a, b) == 0 else (b - a) / max(a, b))
    np.testing.assert_allclose(silhouette(points, label), slow, atol=1e-12)


def test_labels_of_other_items_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        adjusted_rand(np.zeros(2), np.zeros(3))
