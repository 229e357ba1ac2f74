"""How many clusters: separation or likelihood, among numbers whose clusters come back on other samples.

Belongs here: the table of candidates and the rule that chooses. Does not: fitting (`strata.classify.clusters`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.classify.agreement import adjusted_rand, silhouette
from strata.classify.clusters import Method, assigned, cluster

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClusterCount:
    """The chosen number, or None, with the reason; and per candidate what was measured.

    `table`: clusters, silhouette (mean over the sample), bic, bootstrap_ari (mean over resamples), is_stable.
    """

    clusters: int | None
    reason: str
    table: pd.DataFrame


def cluster_count(
    values: Floats,
    *,
    method: Method,
    candidates: Sequence[int],
    least_ari: float,
    resamples: int,
    sample: int,
    restarts: int,
    rng: np.random.Generator,
) -> ClusterCount:
    """Choose the number of clusters: of those that come back on resampled items, the best separated (or likeliest).

    Stability: fit on a bootstrap resample, assign all items by that fit, compare with the fit on all items by the
    adjusted Rand index; its mean must reach `least_ari`. Among stable numbers k-means takes the largest mean
    silhouette, a mixture the least BIC; the smaller number wins a tie. With no stable number none is chosen: classes
    that change with the sample are no basis for policies.

    Args:
        values: items x features, comparable (`strata.classify.clusters.features`).
        method: kmeans or gmm.
        candidates: numbers to try, each at least 2 and at most the number of distinct items.
        least_ari: least mean adjusted Rand index.
        resamples: bootstrap resamples per candidate.
        sample: items of a sample without replacement on which all is measured, where there are more.
        restarts: starts of k-means per fit.
        rng: source of chance.

    Raises:
        ValueError: no candidate, or one that the items cannot be divided into.

    Examples:
        >>> rng = np.random.default_rng(7)
        >>> three = np.concatenate([rng.normal(at, 0.3, (40, 2)) for at in (0.0, 4.0, 9.0)])
        >>> found = cluster_count(three, method="kmeans", candidates=(2, 3, 4), least_ari=0.8, resamples=5,
        ...                       sample=1000, restarts=5, rng=rng)
        >>> found.clusters, found.reason
        (3, 'largest silhouette 0.920 among 2, 3, 4 with bootstrap ARI >= 0.8')

    References:
        Hennig (2007), Computational Statistics and Data Analysis 52:258-271 (bootstrap stability).
    """
    if len(values) > sample:
        values = values[np.sort(rng.choice(len(values), sample, replace=False))]
    distinct = len(np.unique(values, axis=0))
    if not candidates or not all(2 <= count <= distinct for count in candidates):
        raise ValueError(f"candidates {list(candidates)}: give numbers from 2 to the {distinct} distinct items")
    rows = []
    for count in candidates:
        fit = cluster(values, method=method, clusters=count, restarts=restarts, rng=rng)
        agreed = []
        for _ in range(resamples):
            drawn = values[rng.integers(len(values), size=len(values))]
            again = cluster(drawn, method=method, clusters=count, restarts=restarts, rng=rng)
            agreed.append(adjusted_rand(fit.label, assigned(values, again)))
        used = np.unique(fit.label, return_inverse=True)[1]
        apart = float(silhouette(values, used).mean()) if used.max() else 0.0
        rows.append((count, apart, fit.bic, float(np.mean(agreed))))
    table = pd.DataFrame(rows, columns=["clusters", "silhouette", "bic", "bootstrap_ari"])
    table["is_stable"] = table["bootstrap_ari"] >= least_ari
    stable = table[table["is_stable"]]
    if stable.empty:
        agreed_best = table["bootstrap_ari"].to_numpy(dtype=np.float64)
        reached, count = agreed_best.max(), list(candidates)[int(agreed_best.argmax())]
        return ClusterCount(
            None,
            f"no number of clusters comes back on resampled items: best bootstrap ARI {reached:.3f} with {count} "
            f"clusters, below {least_ari:g}; use cuts instead",
            table,
        )
    by, what = ("silhouette", "largest silhouette") if method == "kmeans" else ("bic", "least BIC")
    measured = stable[by].to_numpy(dtype=np.float64)
    at = int(measured.argmax() if method == "kmeans" else measured.argmin())
    among = ", ".join(str(count) for count in stable["clusters"])
    shown = f"{measured[at]:.3f}" if method == "kmeans" else f"{measured[at]:.1f}"
    chosen = int(stable["clusters"].to_numpy()[at])
    return ClusterCount(chosen, f"{what} {shown} among {among} with bootstrap ARI >= {least_ari:g}", table)
