"""Clusters of items over several criteria: k-means and Gaussian mixtures, with labels that mean the same every run.

Belongs here: comparable features, the two fits, the order of clusters. Does not: how many clusters
(`strata.classify.cluster_count`), saying in words what a cluster is (`strata.classify.surrogate`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from strata.classify.criteria import checked_criteria

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Method = Literal["kmeans", "gmm"]

_ROUNDS = 200  # of Lloyd or EM; both stop when nothing moves any more
_STILL = 1e-6  # change of the log-likelihood per item, in nats, below which a mixture stands still
_RIDGE = 1e-6  # added to each variance of standardised features: a cluster of equal items has none


@dataclass(frozen=True, slots=True)
class Features:
    """Criteria made comparable: items x features with mean 0 and sd 1, higher = more important; which took logs."""

    values: Floats
    is_log: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Clusters:
    """A fit: cluster 0 is the most important, and label n belongs to it if its `centre` is highest in sum.

    Attributes:
        label: cluster per item [n].
        centre: clusters x features.
        deviance: k-means: sum of squared distances to the centres; mixture: -2 log-likelihood.
        bic: -2 log-likelihood + parameters x log n; of k-means as the mixture of equal spheres that it fits.
        covariance: clusters x features x features; None for k-means.
        share: share of items per cluster (mixture: expected).
    """

    label: Labels
    centre: Floats
    deviance: float
    bic: float
    covariance: Floats | None
    share: Floats


def features(criteria: Floats, *, is_gain: Sequence[bool], skew: float) -> Features:
    """Make criteria comparable: logarithms where skewed, then mean 0 and sd 1, turned so that more matters more.

    A criterion without negative values whose sample skewness exceeds `skew` becomes log(1 + x / median of its
    positive values): free of units, and 0 stays 0. A criterion that is the same for all is 0 for all.

    Args:
        criteria: items x criteria, finite.
        is_gain: per criterion, whether more of it makes an item more important.
        skew: skewness from which on logarithms are taken.

    Raises:
        ValueError: shapes do not fit together, or a number is not finite.

    Examples:
        >>> made = features(np.array([[1.0, 3], [2, 2], [900, 1]]), is_gain=[True, False], skew=0.5)
        >>> made.is_log, made.values.round(2).tolist()
        ((True, False), [[-0.76, -1.22], [-0.65, 0.0], [1.41, 1.22]])
    """
    checked_criteria(criteria, len(is_gain))
    if not len(criteria):
        return Features(criteria.copy(), tuple(False for _ in is_gain))
    centred = criteria - criteria.mean(axis=0)
    sd = criteria.std(axis=0)
    skewness = (centred**3).mean(axis=0) / np.where(sd > 0, sd, 1.0) ** 3
    is_log = (skewness > skew) & (criteria.min(axis=0) >= 0) & (sd > 0)
    made = criteria.copy()
    for at in np.flatnonzero(is_log):  # few criteria
        made[:, at] = np.log1p(made[:, at] / np.median(made[made[:, at] > 0, at]))
    made = made - made.mean(axis=0)
    sd = made.std(axis=0)
    is_told = sd > 1e-12 * np.abs(criteria).max(axis=0, initial=0.0)
    made = np.where(is_told, made / np.where(is_told, sd, 1.0), 0.0) * np.where(np.array(is_gain), 1.0, -1.0) + 0.0
    return Features(made, tuple(bool(taken) for taken in is_log))


def cluster(
    values: Floats,
    *,
    method: Method,
    clusters: int,
    restarts: int,
    rng: np.random.Generator,
    weights: Sequence[float] | None = None,
) -> Clusters:
    """Fit k-means or a Gaussian mixture and order its clusters by the (weighted) sum of their centres, highest first.

    k-means: seeds by k-means++, Lloyd's rounds until no label changes, the best of `restarts`. Mixture: full
    covariances, expectation and maximisation from the best k-means. Fewer distinct items than clusters give one
    cluster each. The same data and seed give the same labels; order of clusters does not depend on the seed.

    Args:
        values: items x features, comparable (`features`).
        method: kmeans or gmm.
        clusters: number of clusters, at least 1.
        restarts: independent starts of k-means.
        rng: source of chance.
        weights: per feature, for the order of clusters only; equal if left out.

    Raises:
        ValueError: no item, a number that is not finite, or no cluster asked for.

    Examples:
        >>> points = np.array([[0.0], [0.1], [5.0], [5.1], [9.0]])
        >>> found = cluster(points, method="kmeans", clusters=3, restarts=5, rng=np.random.default_rng(1))
        >>> found.label.tolist(), found.centre.ravel().round(2).tolist()
        ([2, 2, 1, 1, 0], [9.0, 5.05, 0.05])

    References:
        Lloyd (1982), IEEE Trans. Information Theory 28:129-137; Arthur and Vassilvitskii (2007), SODA 1027-1035;
        Dempster, Laird and Rubin (1977), JRSS B 39:1-38; Schwarz (1978), Annals of Statistics 6:461-464.
    """
    checked_criteria(values, values.shape[1] if values.ndim == 2 else 0)
    if not len(values) or clusters < 1 or restarts < 1:
        raise ValueError(f"{len(values)} items, {clusters} clusters, {restarts} restarts: each at least 1")
    clusters = min(clusters, len(np.unique(values, axis=0)))
    tried = [_lloyd(values, _seeds(values, clusters, rng)) for _ in range(restarts)]
    centre, label, deviance = min(tried, key=lambda fit: fit[2])
    share = np.bincount(label, minlength=clusters) / len(label)
    covariance, bic = None, _sphere_bic(deviance, share, values.shape)
    if method == "gmm":
        centre, covariance, share, deviance = _mixture(values, label, clusters)
        label = _log_density(values, centre, covariance, share).argmax(axis=1)
        dimensions = values.shape[1]
        free = clusters - 1 + clusters * dimensions + clusters * dimensions * (dimensions + 1) // 2
        bic = deviance + free * float(np.log(len(values)))
    weight = np.ones(values.shape[1]) if weights is None else np.array(weights, dtype=np.float64)
    order = np.lexsort((*centre.T[::-1], centre @ weight))[::-1]
    place = np.empty(clusters, dtype=np.int64)
    place[order] = np.arange(clusters)
    return Clusters(
        label=place[label],
        centre=centre[order],
        deviance=deviance,
        bic=bic,
        covariance=None if covariance is None else covariance[order],
        share=share[order],
    )


def assigned(values: Floats, fit: Clusters) -> Labels:
    """Cluster of items that a fit has not seen (or has): nearest centre, or likeliest component."""
    if fit.covariance is None:
        return np.asarray(_squares(values, fit.centre).argmin(axis=1), dtype=np.int64)
    return np.asarray(_log_density(values, fit.centre, fit.covariance, fit.share).argmax(axis=1), dtype=np.int64)


def _squares(values: Floats, centre: Floats) -> Floats:
    """Squared distance of every item to every centre; one centre at a time keeps differences exact and memory low."""
    return np.stack([((values - point) ** 2).sum(axis=1) for point in centre], axis=1)


def _seeds(values: Floats, clusters: int, rng: np.random.Generator) -> Floats:
    """k-means++: each next seed is drawn by squared distance to the nearest one so far."""
    chosen = [values[rng.integers(len(values))]]
    nearest = ((values - chosen[0]) ** 2).sum(axis=1)
    while len(chosen) < clusters:
        running = np.cumsum(nearest)
        at = min(int(np.searchsorted(running, rng.random() * running[-1], side="right")), len(values) - 1)
        at = at if nearest[at] > 0 else int(nearest.argmax())
        chosen.append(values[at])
        nearest = np.minimum(nearest, ((values - chosen[-1]) ** 2).sum(axis=1))
    return np.array(chosen)


def _lloyd(values: Floats, centre: Floats) -> tuple[Floats, Labels, float]:
    label = np.full(len(values), -1, dtype=np.int64)
    squares = _squares(values, centre)
    for _ in range(_ROUNDS):  # each round needs the one before
        new = squares.argmin(axis=1)
        size = np.bincount(new, minlength=len(centre))
        if (size == 0).any():
            # A centre that lost all its items starts anew where an item is worst served.
            far = np.argsort(-squares[np.arange(len(new)), new], kind="stable")[: int((size == 0).sum())]
            new[far] = np.flatnonzero(size == 0)
            size = np.bincount(new, minlength=len(centre))
        if np.array_equal(new, label):
            break
        label = new
        totals = [np.bincount(label, weights=column, minlength=len(centre)) for column in values.T]
        centre = np.stack(totals, axis=1) / np.maximum(size, 1)[:, None]
        squares = _squares(values, centre)
    return centre, label, float(squares[np.arange(len(label)), label].sum())


def _sphere_bic(deviance: float, share: Floats, shape: tuple[int, ...]) -> float:
    """BIC of hard clusters as spheres of one variance (Pelleg and Moore 2000, X-means)."""
    items, dimensions = shape
    variance = max(deviance / (items * dimensions), _RIDGE)
    fit = items * dimensions * (np.log(2 * np.pi * variance) + 1.0) - 2 * items * float((share * np.log(share)).sum())
    return float(fit + (len(share) * (dimensions + 1)) * np.log(items))


def _mixture(values: Floats, label: Labels, clusters: int) -> tuple[Floats, Floats, Floats, float]:
    """Expectation and maximisation from hard labels: centres, covariances, shares, -2 log-likelihood."""
    belongs = (label[:, None] == np.arange(clusters)).astype(np.float64)
    before = -np.inf
    for _ in range(_ROUNDS):  # each round needs the one before
        size = np.maximum(belongs.sum(axis=0), 1e-12)
        share, centre = size / size.sum(), (belongs.T @ values) / size[:, None]
        covariance = np.empty((clusters, values.shape[1], values.shape[1]))
        for at in range(clusters):
            away = values - centre[at]
            covariance[at] = (belongs[:, at, None] * away).T @ away / size[at] + _RIDGE * np.eye(values.shape[1])
        density = _log_density(values, centre, covariance, share)
        most = density.max(axis=1, keepdims=True)
        total = most + np.log(np.exp(density - most).sum(axis=1, keepdims=True))
        likelihood = float(total.sum())
        if likelihood - before < _STILL * len(values):
            break
        before, belongs = likelihood, np.exp(density - total)
    return centre, covariance, share, -2.0 * likelihood


def _log_density(values: Floats, centre: Floats, covariance: Floats, share: Floats) -> Floats:
    """Log of share times Gaussian density, items x clusters."""
    found = np.empty((len(values), len(centre)))
    for at in range(len(centre)):
        lower = np.linalg.cholesky(covariance[at])
        away = np.linalg.solve(lower, (values - centre[at]).T)
        found[:, at] = (
            np.log(share[at])
            - np.log(np.diag(lower)).sum()
            - 0.5 * (values.shape[1] * np.log(2 * np.pi) + (away**2).sum(axis=0))
        )
    return found
