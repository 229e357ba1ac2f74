"""The level an item sells at now: since when, how much, and how much it varies round it.

Belongs here: the search for the last shift of level, the mean since, the variation within levels. Does not: the test
of the scheme part `shift` (`strata.demand.shift`), what a shift releases (`strata.classify.control`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.demand.intermittency import checked_matrix
from strata.derivation import Derivation, Step, aggregated
from strata.scheme.model import Level

_LOG_OFFSET = 0.05  # of the mean, added inside the logarithm, so that a period without demand has one
UNBIASED = 1.0 + _LOG_OFFSET / 2.0  # the offset lowers the slope of the logarithm by 1 / (1 + offset)
UNSOLD_UNITS = 0.5  # a level at which nothing was sold counts as this much in all: the posterior's median is near it
_CAUTION = 0.4  # a dispersion estimated from few skewed periods is too small, the more so the larger it is
_LEAST_DISPERSION = 0.02  # below it counts are Poisson for every purpose here
_BLOCK = 20_000

_SEEN = ("panel.units", "panel.hidden", "panel.launch_index")
STEPS: tuple[Step, ...] = (
    Derivation(
        "demand_level",
        dict.fromkeys(
            (
                "cv_level",
                "level_units_period",
                "level_periods",
                "level_cv_periods",
                "recent_ratio",
                "shift_z",
                "is_true_shift",
            ),
            aggregated(*_SEEN, when=("rule.level",)),
        ),
        rows=("panel.units",),
    ),
)

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Levels:
    """Per series, over its observed periods.

    `periods` since the last shift found (all of them where there is none), `units_period` the mean in them (half a unit
    in all where nothing was sold since: a series that died is small, not without a level), `cv` the coefficient of
    variation within levels (NaN below two periods, or nothing sold), `cv_periods` the periods behind it. `z` = signed
    square root of twice the log likelihood ratio at the likeliest change (NaN where untestable), `ratio` = mean after /
    mean before it, `is_shift` both beyond their bounds, `is_recent` a shift within `level.recent_periods`.
    """

    periods: Ints
    units_period: Floats
    cv: Floats
    cv_periods: Ints
    z: Floats
    ratio: Floats
    is_shift: Booleans
    is_recent: Booleans


def levels(units: Floats, observed: Booleans, *, rule: Level) -> Levels:
    """Find the last shift of level of every series, its level since, and its CV within levels.

    The change is looked for where the means of sqrt(y) on both sides differ most (least squares; the root evens out
    the variance of counts), and judged there by the likelihood ratio of the negative binomial with one dispersion a:
    2 [l(m1) + l(m0) - l(m)], l(m) = S log(m / (m + 1/a)) + n/a log(1/(1 + a m)). It needs no quotient of means, so a
    series that died is tested like one that fell. a is the CV^2 within both sides less the Poisson part 1/m, drawn to
    `rule.dispersion` as if that had been seen in `rule.prior_periods` periods.

    CV^2 within levels = cov(y, log(y + m/20)) / m, pooled over the levels by their degrees of freedom: the closed-form
    estimator of the gamma's 1/shape, as sharp as maximum likelihood: its log has the standard error 1/sqrt(2n), that
    of the usual sample CV is sqrt((1 + CV^2) / 2n). A level that was passed does not count as variation.

    Args:
        units: demand per period, series x periods; negative demand counts as zero.
        observed: same shape; other periods are in no sum.
        rule: bounds, least periods on either side, prior dispersion.

    Assumptions:
        Periods are independent and not seasonal; counts, or amounts whose Poisson part is small. The units of measure
        matter only where the mean per period is of the order of one unit.

    Examples:
        >>> rule = Level(window_periods=24, min_before=4, min_after=3, recent_periods=8, z=3.0, ratio=2.0,
        ...              dispersion=0.5, prior_periods=4, rationale="levels as in docs/methods/hysteresis.md")
        >>> y = np.array([[9, 16, 9, 16, 9, 16, 9, 16, 9, 64, 36, 64, 36.0]])
        >>> found = levels(y, np.ones_like(y, dtype=bool), rule=rule)
        >>> int(found.periods[0]), float(found.units_period[0]), bool(found.is_shift[0]), round(float(found.z[0]), 2)
        (4, 50.0, True, 5.46)
        >>> round(float(found.cv[0]), 3), round(float(y.std(ddof=1) / y.mean()), 3)
        (0.307, 0.847)

    References:
        Ye and Chen (2017), The American Statistician 71:177 (the estimator); Hinkley (1970), Biometrika 57:1 (the
        likelihood ratio at an unknown change).
    """
    checked_matrix(units, observed)
    parts = [
        _block(units[at], observed[at], rule)  # series are independent: blocks stay in the cache
        for at in (slice(start, start + _BLOCK) for start in range(0, max(len(units), 1), _BLOCK))
    ]
    names = Levels.__slots__
    return Levels(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _block(units: Floats, observed: Booleans, rule: Level) -> Levels:
    y = np.where(observed, np.maximum(units, 0.0), 0.0)
    count = observed.sum(axis=1).astype(np.float64)
    mean = _over(y.sum(axis=1), count)
    log = np.where(observed, log_units(y, mean), 0.0)
    cut, testable = _likeliest_cut(y, observed, rule)
    after = observed & (np.arange(y.shape[1])[None, :] >= cut[:, None])
    before, since, whole = (_Side.of(y, log, side) for side in (observed & ~after, after, observed))
    spread, freedom = before.spread + since.spread, before.freedom + since.freedom
    poisson = _over(before.freedom, before.mean) + _over(since.freedom, since.mean)
    excess = np.maximum(UNBIASED**2 * spread - poisson, 0.0)
    dispersion = (excess + rule.prior_periods * rule.dispersion) / (freedom + rule.prior_periods)
    dispersion = np.maximum(dispersion * (1.0 + _CAUTION * dispersion), _LEAST_DISPERSION)
    twice = 2.0 * (before.likelihood(dispersion) + since.likelihood(dispersion) - whole.likelihood(dispersion))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = since.mean / before.mean
    z = np.where(testable, np.sign(since.mean - before.mean) * np.sqrt(np.maximum(twice, 0.0)), np.nan)
    is_shift = testable & (np.abs(z) > rule.z) & ((ratio > rule.ratio) | (ratio < 1.0 / rule.ratio))
    periods = np.where(is_shift, since.count, whole.count).astype(np.int64)
    within = np.where(is_shift, _over(spread, freedom), _over(whole.spread, whole.freedom))
    known = (np.where(is_shift, freedom, whole.freedom) >= 1) & (mean > 0)
    # A level of nothing has no variation of its own to show: what is known is how it varied before.
    return Levels(
        periods=periods,
        units_period=np.where(count > 0, np.where(is_shift, _never_nothing(since), mean), np.nan),
        cv=np.where(known, UNBIASED * np.sqrt(np.maximum(within, 0.0)), np.nan),
        cv_periods=np.where(is_shift, freedom + 1.0, count).astype(np.int64),
        z=z,
        ratio=np.where(np.isfinite(ratio), ratio, np.nan),
        is_shift=is_shift,
        is_recent=is_shift & (since.count <= rule.recent_periods),
    )


def level_measures(units: Floats, observed: Booleans, *, rule: Level) -> pd.DataFrame:
    """The levels of every series as columns of `demand_profile`; the shift columns are those of this test."""
    found = levels(units, observed, rule=rule)
    return pd.DataFrame(
        {
            "cv_level": found.cv,
            "level_units_period": found.units_period,
            "level_periods": found.periods.astype(np.float64),
            "level_cv_periods": found.cv_periods.astype(np.float64),
            "recent_ratio": found.ratio,
            "shift_z": found.z,
            "is_true_shift": found.is_recent,
        }
    )


def log_units(units: Floats, mean: Floats) -> Floats:
    """Logarithm of demand, series x periods, offset by a part of the mean of each series."""
    found: Floats = np.log(units + np.where(mean > 0, _LOG_OFFSET * mean, 1.0)[:, None])
    return found


def level_value(money: Floats, units: Floats, units_period: Floats, *, periods: int) -> Floats:
    """Money that `periods` at the level bring at the mean value per unit of the window; zero where nothing was sold.

    Examples:
        >>> level_value(np.array([120.0, 0.0]), np.array([60.0, 0.0]), np.array([10.0, 3.0]), periods=12).tolist()
        [240.0, 0.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = np.where(units > 0, money / units, np.where(np.isnan(money), np.nan, 0.0))
    return np.asarray(unit * units_period * periods)


@dataclass(frozen=True, slots=True)
class _Side:
    """Sums of the periods on one side of a change; `spread` = degrees of freedom x squared CV, zero without demand."""

    count: Floats
    total: Floats
    mean: Floats
    spread: Floats
    freedom: Floats

    @classmethod
    def of(cls, y: Floats, log: Floats, side: Booleans) -> "_Side":
        count = side.sum(axis=1).astype(np.float64)
        total = np.einsum("ij,ij->i", y, side)
        mean = _over(total, count)
        covariance = np.einsum("ij,ij,ij->i", y, log, side) - mean * np.einsum("ij,ij->i", log, side)
        sold = mean > 0
        return cls(
            count, total, mean, np.maximum(np.where(sold, _over(covariance, mean), 0.0), 0.0),
            np.where(sold, np.maximum(count - 1.0, 0.0), 0.0),
        )  # fmt: skip

    def likelihood(self, dispersion: Floats) -> Floats:
        """Log likelihood of the negative binomial at the side's own mean, without the parts that cancel."""
        size = 1.0 / dispersion
        share = np.where(self.mean > 0, self.mean / (self.mean + size), 1.0)
        found: Floats = self.total * np.log(share) + self.count * size * np.log(size / (self.mean + size))
        return found


def _never_nothing(since: _Side) -> Floats:
    """Mean since a shift, as if half a unit had been sold where none was."""
    return np.where(since.total > 0, since.mean, _over(np.full(len(since.count), UNSOLD_UNITS), since.count))


def _likeliest_cut(y: Floats, observed: Booleans, rule: Level) -> tuple[Ints, Booleans]:
    """First period of the later level: the cut where the means of sqrt(y) differ most; whether there is any cut."""
    total_periods = y.shape[1]
    seen, roots = np.cumsum(observed, axis=1, dtype=np.float64), np.cumsum(np.sqrt(y), axis=1)
    if not total_periods:
        return np.zeros(len(y), dtype=np.int64), np.zeros(len(y), dtype=bool)
    n0, n1 = seen[:, :-1], seen[:, -1:] - seen[:, :-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = roots[:, :-1] / n0 - (roots[:, -1:] - roots[:, :-1]) / n1
        gain = np.where((n0 >= rule.min_before) & (n1 >= rule.min_after), gap * gap * (n0 * n1), -1.0)
    if not gain.shape[1]:
        return np.zeros(len(y), dtype=np.int64), np.zeros(len(y), dtype=bool)
    at = gain.argmax(axis=1)
    testable = gain[np.arange(len(y)), at] >= 0
    return np.where(testable, at + 1, 0).astype(np.int64), testable


def _over(part: Floats, whole: Floats) -> Floats:
    """Quotient, zero where the divisor is."""
    found: Floats = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
    return found
