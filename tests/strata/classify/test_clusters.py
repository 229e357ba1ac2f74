"""Clusters: every division tried on small sets, the likelihood written out, stable labels, and how many there are."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.classify.agreement import adjusted_rand
from strata.classify.cluster_count import cluster_count
from strata.classify.clusters import assigned, cluster, features

points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=7)


def fit(values: np.ndarray, clusters: int, *, method: str = "kmeans", seed: int = 1, restarts: int = 12):  # noqa: ANN201
    return cluster(values, method=method, clusters=clusters, restarts=restarts, rng=np.random.default_rng(seed))  # type: ignore[arg-type]


def groups(rng: np.random.Generator, *, far: float, each: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Three groups, the most important first, and the group of each item; `far` standard deviations apart."""
    truth = np.repeat([0, 1, 2], each)
    return rng.normal(0, 1, (3 * each, 2)) + far * (2 - truth)[:, None], truth


@pytest.mark.capability("3.1", part="k-means")
@given(points, st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_no_division_of_a_small_set_is_closer_to_its_centres(rows: list[tuple[int, int]], clusters: int) -> None:
    values = np.array(rows, dtype=float)
    used = min(clusters, len(set(rows)))
    least = min(
        sum(
            ((values[np.array(label) == at] - values[np.array(label) == at].mean(axis=0)) ** 2).sum()
            for at in set(label)
        )
        for label in product(range(used), repeat=len(rows))
    )
    found = fit(values, clusters, restarts=60)
    assert len(found.centre) == used == len(set(found.label.tolist()))
    assert found.deviance == pytest.approx(least, abs=1e-9)


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_labels_are_the_same_for_every_seed_and_order_of_rows(seed: int) -> None:
    """Cluster 0 is the most important one, whatever chance began with."""
    values, truth = groups(np.random.default_rng(4), far=12.0)
    assert fit(values, 3, seed=seed).label.tolist() == truth.tolist()
    order = np.random.default_rng(seed).permutation(len(values))
    assert fit(values[order], 3, seed=seed).label.tolist() == truth[order].tolist()
    assert fit(values, 3, seed=seed, method="gmm").label.tolist() == truth.tolist()


@pytest.mark.capability("3.1", part="Gaussian mixture")
def test_a_mixture_has_the_likelihood_of_its_parts_and_no_less_than_the_truth() -> None:
    """Density of every item by scipy, item by item; two crossing clouds, which k-means cannot tell apart."""
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(2)
    spreads = (np.array([[6.0, 0], [0, 0.05]]), np.array([[0.05, 0], [0, 6.0]]))
    values = np.concatenate(
        [rng.multivariate_normal([3.0, 0], spreads[0], 150), rng.multivariate_normal([0.0, 3], spreads[1], 150)]
    )
    truth = np.repeat([0, 1], 150)
    found = fit(values, 2, method="gmm")
    assert found.covariance is not None

    def likelihood(shares: np.ndarray, centres: np.ndarray, covariances: np.ndarray) -> float:
        parts = [
            s * multivariate_normal(c, v).pdf(values) for s, c, v in zip(shares, centres, covariances, strict=True)
        ]
        return float(-2 * np.log(np.sum(parts, axis=0)).sum())

    assert found.deviance == pytest.approx(likelihood(found.share, found.centre, found.covariance), rel=1e-9)
    assert found.deviance < likelihood(np.array([0.5, 0.5]), np.array([[3.0, 0], [0, 3]]), np.array(spreads))
    assert found.bic == pytest.approx(found.deviance + 11 * np.log(300))
    assert adjusted_rand(found.label, truth) > 0.8 > 0.6 > adjusted_rand(fit(values, 2).label, truth)
    np.testing.assert_array_equal(assigned(values, found), found.label)


def test_items_not_seen_go_to_the_nearest_centre() -> None:
    found = fit(np.array([[0.0], [1], [10], [11]]), 2)
    assert assigned(np.array([[9.0], [2.0]]), found).tolist() == [0, 1]


def test_one_item_and_equal_items_are_one_cluster() -> None:
    assert fit(np.array([[3.0, 1.0]]), 3).label.tolist() == [0]
    for method in ("kmeans", "gmm"):
        found = fit(np.ones((5, 2)), 3, method=method)
        assert found.label.tolist() == [0] * 5 and found.centre.tolist() == [[1.0, 1.0]]


@pytest.mark.capability("3.1", part="number of clusters by silhouette or BIC and bootstrap ARI")
@pytest.mark.parametrize("method", ["kmeans", "gmm"])
def test_three_groups_are_found_and_noise_is_not(method: str) -> None:
    arguments = {
        "method": method, "candidates": (2, 3, 4), "least_ari": 0.8, "resamples": 6, "sample": 150, "restarts": 4,
    }  # fmt: skip
    values, _ = groups(np.random.default_rng(8), far=8.0)
    found = cluster_count(values, **arguments, rng=np.random.default_rng(3))  # type: ignore[arg-type]
    again = cluster_count(values, **arguments, rng=np.random.default_rng(3))  # type: ignore[arg-type]
    assert found.clusters == 3 and found.reason == again.reason
    assert "3" in found.reason and "bootstrap ARI >= 0.8" in found.reason
    assert found.table["is_stable"].tolist()[1]
    noise = np.random.default_rng(9).normal(size=(150, 3))
    none = cluster_count(noise, **{**arguments, "least_ari": 0.95}, rng=np.random.default_rng(3))  # type: ignore[arg-type]
    assert none.clusters is None and "use cuts instead" in none.reason and not none.table["is_stable"].any()


def test_logarithms_are_taken_of_skewed_criteria_only_and_units_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    criteria = np.column_stack([rng.lognormal(3, 1.5, 500), rng.normal(50, 5, 500), np.full(500, 7.0)])
    made = features(criteria, is_gain=[True, True, True], skew=1.0)
    assert made.is_log == (True, False, False)
    np.testing.assert_allclose(made.values[:, :2].mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(made.values.std(axis=0), [1, 1, 0], atol=1e-9)
    np.testing.assert_allclose(made.values, features(criteria * 1000, is_gain=[True] * 3, skew=1.0).values, atol=1e-9)
    np.testing.assert_allclose(features(criteria, is_gain=[False] * 3, skew=1.0).values, -made.values, atol=1e-12)


def test_what_cannot_be_clustered_is_refused() -> None:
    with pytest.raises(ValueError, match="each at least 1"):
        fit(np.zeros((0, 2)), 2)
    with pytest.raises(ValueError, match="give numbers from 2 to the 1 distinct"):
        cluster_count(np.ones((4, 1)), method="kmeans", candidates=(2,), least_ari=0.8, resamples=2, sample=10,
                      restarts=2, rng=np.random.default_rng(1))  # fmt: skip
