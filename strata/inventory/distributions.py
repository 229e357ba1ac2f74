"""Distributions of demand over a span of time: what is left over, what falls short, and how much covers a share.

Belongs here: two-moment families over many rows at once, their survival, first- and second-order loss and quantiles.
Does not: control rules that use them (`strata.inventory.reorder`), finding the moments (`strata.inventory.policy`).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strata.scheme.model import Distribution

FloatArray = NDArray[np.float64]

# A spread below these parts of the mean cannot be told from none in double precision; it keeps divisions finite.
_LEAST_SPREAD = {"normal": 1e-8, "gamma": 1e-4, "negative_binomial": 0.0}
_STIRLING_FROM = 1e4  # the series after 1/(12 n) is below 1e-14 from here; log-gamma differences lose digits instead
_NO_DEMAND = 1e-12  # units in a whole span; below it there is none, and its square still fits double precision
_COUNT_STEPS = 200  # halvings and doublings that any double-precision bracket can need


class Losses(NamedTuple):
    """P(X > x), E[(X - x)+] and the shortage still above x: the integral (count: sum) of E[(X - y)+] over y > x."""

    survival: FloatArray
    first: FloatArray
    second: FloatArray


@dataclass(frozen=True, slots=True)
class Demand:
    """Demand of n rows over a span, one family, by mean and variance. Build it with `demand`.

    `dispersion` is variance / mean; `shape` is alpha of the gamma, n of the negative binomial (infinite: Poisson).
    """

    kind: Distribution
    mean: FloatArray
    variance: FloatArray
    dispersion: FloatArray
    shape: FloatArray

    @property
    def is_count(self) -> bool:
        """Whether demand comes in whole units."""
        return self.kind == "negative_binomial"

    def take(self, rows: NDArray[np.intp]) -> "Demand":
        """The rows named by `rows`."""
        parts = (self.mean, self.variance, self.dispersion, self.shape)
        return Demand(self.kind, *(part[rows] for part in parts))

    def losses(self, x: ArrayLike) -> Losses:
        """Survival, first- and second-order loss at `x` [n] (units; whole units for a count family)."""
        at = np.broadcast_to(np.asarray(x, dtype=np.float64), self.mean.shape)
        above = np.maximum(at, 0.0) if self.kind != "normal" else at
        if self.kind == "normal":
            found = _normal_losses(self, above)
        elif self.kind == "gamma":
            found = _gamma_losses(self, above)
        else:
            found = _count_losses(self, above)
        # Below zero every unit of demand counts, and without demand none does: both are plain arithmetic.
        simple = (at < 0) & (self.kind != "normal") | (self.mean <= 0)
        return _plain_losses(self, at, found, simple) if simple.any() else found

    def cdf(self, x: ArrayLike) -> FloatArray:
        """P(X <= x), [n]."""
        at = np.asarray(x, dtype=np.float64)
        return 1.0 - self.losses(np.floor(at) if self.is_count else at).survival

    def expected_shortage(self, x: ArrayLike) -> FloatArray:
        """Expected units short E[(X - x)+] of a stock of `x` units, [n].

        Examples:
            Normal demand of 2500 a week with sd 500 over two weeks, reorder point 6000 (Chopra and Meindl,
            example 12-1, published rounded as 25):

            >>> two_weeks = demand("normal", [5000.0], [2 * 500.0**2])
            >>> float(two_weeks.expected_shortage([6000.0])[0].round(2))
            25.13

        Reference: Burgin (1975), Operational Research Quarterly 26:507; docs/methods/loss_functions.md.
        """
        return self.losses(x).first

    def quantile(self, p: ArrayLike) -> FloatArray:
        """The stock that covers demand with probability `p` [n], 0 < p < 1; the least whole number for a count."""
        from scipy import special

        share = np.broadcast_to(np.asarray(p, dtype=np.float64), self.mean.shape)
        if not ((share > 0) & (share < 1)).all():
            raise ValueError("quantile takes probabilities between 0 and 1, both excluded; 97.5 % is 0.975")
        if self.kind == "normal":
            found = self.mean + np.sqrt(self.variance) * special.ndtri(share)
        elif self.kind == "gamma":
            found = self.dispersion * special.gammaincinv(self.shape, share)
        else:
            found = _count_quantile(self, share)
        return np.where(self.mean > 0, found, 0.0)


def demand(kind: Distribution, mean: ArrayLike, variance: ArrayLike) -> Demand:
    """Demand over a span by family and two moments; negative binomial rows with variance <= mean are Poisson.

    Args:
        kind: normal, gamma or negative_binomial.
        mean: expected units in the span [n], finite and not negative; 0 is no demand at all.
        variance: units squared [n], finite and not negative.

    Raises:
        ValueError: a moment is negative, missing or infinite; the message names the first row.
    """
    if kind not in _LEAST_SPREAD:
        raise ValueError(f"distribution {kind!r} is not one of {sorted(_LEAST_SPREAD)}; see inventory.distributions")
    means, variances = np.broadcast_arrays(np.asarray(mean, np.float64), np.asarray(variance, np.float64))
    for name, values in (("mean", means), ("variance", variances)):
        if not (good := np.isfinite(values) & (values >= 0)).all():
            row = int(np.flatnonzero(~good)[0])
            raise ValueError(f"demand {name} in row {row} is {values[row]}; it must be finite and not negative")
    means = np.where(means < _NO_DEMAND, 0.0, means)
    some = np.where(means > 0, means, 1.0)
    variances = np.maximum(variances, (_LEAST_SPREAD[kind] * some) ** 2)
    dispersion = variances / some
    if kind == "negative_binomial":
        dispersion = np.maximum(dispersion, 1.0)
        variances = dispersion * some
        with np.errstate(divide="ignore"):
            shape = some / (dispersion - 1.0)
    else:
        shape = some / dispersion
    return Demand(kind, means, variances, dispersion, shape)


def _plain_losses(demand: Demand, x: FloatArray, found: Losses, simple: NDArray[np.bool_]) -> Losses:
    none = demand.mean <= 0
    short = np.where(none, np.maximum(-x, 0.0), demand.mean - x)
    spread = np.where(none, 0.0, demand.variance)
    twice = short**2 + spread - (short if demand.is_count else 0.0)
    return Losses(
        np.where(simple, (x < 0).astype(np.float64), found.survival),
        np.where(simple, short, found.first),
        np.where(simple, twice / 2, found.second),
    )


def _normal_losses(demand: Demand, x: FloatArray) -> Losses:
    from scipy import special

    sd = np.sqrt(demand.variance)
    z = (x - demand.mean) / sd
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    survival = special.ndtr(-z)
    return Losses(survival, sd * (density - z * survival), 0.5 * sd**2 * ((z**2 + 1) * survival - z * density))


def _gamma_losses(demand: Demand, x: FloatArray) -> Losses:
    from scipy import special

    u = x / demand.dispersion
    survival = 1.0 - special.gammainc(demand.shape, u)
    step = np.exp(_log_gamma_step(demand.shape, u))  # survival with shape + 1, less survival
    mean, over = demand.mean, demand.mean - x
    first = over * survival + mean * step
    twice = (over**2 + demand.variance) * survival + mean * (over + demand.dispersion) * step
    return Losses(survival, first, twice / 2)


def _log_gamma_step(shape: FloatArray, u: FloatArray) -> FloatArray:
    """Log of u^shape e^-u / Gamma(shape + 1)."""
    from scipy import special

    small = special.xlogy(shape, u) - u - special.gammaln(shape + 1)
    if not (large := shape > _STIRLING_FROM).any():
        return np.asarray(small)
    with np.errstate(divide="ignore"):
        away = u / shape - 1.0
        series = shape * (np.log1p(away) - away) - 0.5 * np.log(2 * np.pi * shape) - 1 / (12 * shape)
    return np.where(large, series, small)


def _count_losses(demand: Demand, k: FloatArray) -> Losses:
    survival, mass = _count_tail(demand, k)
    over, excess = demand.mean - k, demand.dispersion - 1.0
    weight = (demand.mean + excess * k) * mass
    first = over * survival + weight
    twice = (demand.variance + over**2 - over) * survival + weight * (over + excess)
    return Losses(survival, first, twice / 2)


def _count_tail(demand: Demand, k: FloatArray) -> tuple[FloatArray, FloatArray]:
    """P(X > k) and P(X = k), by the regularised incomplete beta (Poisson: gamma) function, for k >= 0."""
    from scipy import special

    poisson = np.isinf(demand.shape)
    mean = np.where(demand.mean > 0, demand.mean, 1.0)
    if poisson.all():
        return special.gammainc(k + 1, mean), np.exp(special.xlogy(k, mean) - mean - special.gammaln(k + 1))
    n = np.where(poisson, 1.0, demand.shape)
    excess = np.where(poisson, 1.0, demand.dispersion - 1.0)
    survival = special.betainc(k + 1, n, excess / (1 + excess))
    small = special.gammaln(k + n) - special.gammaln(n) - n * np.log1p(excess)
    small += k * (np.log(excess) - np.log1p(excess))
    if (large := n > _STIRLING_FROM).any():
        series = n * np.log1p((k - mean) / (n + mean)) - 0.5 * np.log1p(k / n) + (1 / (n + k) - 1 / n) / 12
        series += k * (np.log(mean + k * excess) - np.log1p(excess) - 1)
        small = np.where(large, series, small)
    mass = np.exp(small - special.gammaln(k + 1))
    if poisson.any():
        survival = np.where(poisson, special.gammainc(k + 1, mean), survival)
        mass = np.where(poisson, np.exp(special.xlogy(k, mean) - mean - special.gammaln(k + 1)), mass)
    return survival, mass


def _count_quantile(demand: Demand, share: FloatArray) -> FloatArray:
    """Least k with P(X <= k) >= share: a gamma guess, a doubling bracket, then halving; arrays across rows."""
    from scipy import special

    allowed = 1.0 - share
    mean = np.where(demand.mean > 0, demand.mean, 1.0)
    guess = demand.dispersion * special.gammaincinv(mean / demand.dispersion, share)
    low = np.full(mean.shape, -1.0)  # always too little: P(X > -1) = 1
    high = np.full(mean.shape, np.inf)
    at, step = np.floor(guess), np.ones(mean.shape)
    open_rows = np.flatnonzero(demand.mean > 0)
    high[demand.mean <= 0] = 0.0
    # One loop over halvings with arrays across rows; rows leave it once low and high are neighbours.
    for _ in range(_COUNT_STEPS):
        if not open_rows.size:
            return high
        enough = _count_tail(demand.take(open_rows), at[open_rows])[0] <= allowed[open_rows]
        high[open_rows[enough]] = at[open_rows[enough]]
        low[open_rows[~enough]] = at[open_rows[~enough]]
        open_rows = open_rows[high[open_rows] - low[open_rows] > 1]
        lo, hi, width = low[open_rows], high[open_rows], step[open_rows]
        downward = np.where(width > 4, np.floor((lo + hi) / 2), hi - width)
        at[open_rows] = np.maximum(np.where(np.isinf(hi), lo + width, downward), lo + 1)
        step[open_rows] = width * 2
    raise ArithmeticError("a count quantile did not close; the mean or the variance is beyond double precision")
