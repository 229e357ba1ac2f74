"""What classes are drawn from again: other samples of the same periods, or a window missed as forecasts missed it.

Belongs here: how often periods come up, what a draw of periods makes of value and variability. Does not: the classes
that follow (`strata.classify.stability`), where the last shift lies (`strata.demand.level`). Matrices that are given
lie items x periods; those that are kept lie periods x items, so that a draw is a product with counts of periods.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from strata.demand.level import UNBIASED, UNSOLD_UNITS, log_units

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

LEAST_PERIODS = 2  # that a variance needs
_ROUNDING = 1e-12  # part of the largest number below which a deviation is rounding
_FREE = 0.5  # degrees of freedom of a draw are 0 where one period came up only, and at least 1 else


@dataclass(frozen=True, slots=True)
class Worth:
    """Value in a draw: `kept` + `scale` x mean of what was drawn of `each`.

    Attributes:
        kept [n]: money that is the same in every draw.
        scale [n]: money per unit of the mean.
        each [periods, n]: what a period holds, 0 where it is not counted.
        counted [periods, n]: 1 where a period can be drawn.
        least: what stands for a total that is not positive; None leaves it.
    """

    kept: Floats
    scale: Floats
    each: Floats
    counted: Floats
    least: float | None

    def drawn(self, counts: Floats) -> Floats:
        """Value per draw and item; NaN where no period that counts came up."""
        total, seen = counts @ self.each, counts @ self.counted
        if self.least is not None:
            total[total <= 0] = self.least
        with np.errstate(divide="ignore", invalid="ignore"):
            total /= seen
            total *= self.scale
        total += self.kept
        total[seen <= 0] = np.nan
        return total


@dataclass(frozen=True, slots=True)
class Spread:
    """Variability in a draw: `scale` x sd of the drawn `spread` / mean of the drawn `units`; all [periods, n]."""

    scale: Floats
    spread: Floats
    units: Floats
    observed: Floats

    def drawn(self, counts: Floats) -> tuple[Floats, Booleans]:
        """Metric per draw and item, NaN where undefined; whether two periods of the item came up."""
        seen, freedom = _seen(counts, self.observed)
        with np.errstate(divide="ignore", invalid="ignore"):
            squares = counts @ self.spread**2 - (counts @ self.spread) ** 2 / seen
            mean = counts @ self.units / seen
            metric = self.scale * np.sqrt(np.maximum(squares, 0.0) / freedom) / mean
        says = freedom > _FREE
        metric[~((mean > 0) & says)] = np.nan
        return metric, says


@dataclass(frozen=True, slots=True)
class _Side:
    """One level: `units`, their logarithm about its mean, the product of both, `observed`; all [periods, n]."""

    units: Floats
    logarithm: Floats
    product: Floats
    observed: Floats

    def drawn(self, counts: Floats) -> tuple[Floats, Floats, Booleans]:
        """Spread and degrees of freedom as `strata.demand.level` pools them; whether two periods came up."""
        seen, freedom = _seen(counts, self.observed)
        total = counts @ self.units
        with np.errstate(divide="ignore", invalid="ignore"):
            covariance = counts @ self.product - total * (counts @ self.logarithm) / seen
            spread = covariance * (seen / total)
        sold, says = total > 0, freedom > _FREE
        spread[~sold | (spread < 0)] = 0.0
        return spread, freedom * sold, says


@dataclass(frozen=True, slots=True)
class WithinLevels:
    """Variability in a draw: CV within levels, as `strata.demand.level` measures it, of the drawn periods.

    `before` holds the columns `moved`: items of which a shift was found.
    """

    since: _Side
    before: _Side
    moved: Ints
    known: Booleans

    def drawn(self, counts: Floats) -> tuple[Floats, Booleans]:
        """Metric per draw and item, NaN where undefined; whether two periods since the shift came up."""
        spread, freedom, says = self.since.drawn(counts)
        if len(self.moved):
            earlier, free, _ = self.before.drawn(counts)
            spread[:, self.moved] += earlier
            freedom[:, self.moved] += free
        with np.errstate(divide="ignore", invalid="ignore"):
            metric = UNBIASED * np.sqrt(spread / freedom)
        metric[~((freedom > _FREE) & self.known)] = np.nan
        return metric, says


@dataclass(frozen=True, slots=True)
class Sample:
    """What a draw of periods makes of the items: their value and their variability."""

    worth: Worth
    noise: Spread | WithinLevels


@dataclass(frozen=True, slots=True)
class Ahead:
    """A window with errors: `units` in the judged periods, items x periods, and which items have any."""

    units: Floats
    judged: Booleans
    can: Booleans


def period_counts(periods: int, draws: int, *, block: int, rng: np.random.Generator) -> Floats:
    """How often each period comes up in each draw, draws x periods: blocks of `block` periods, joined at both ends.

    The same periods are drawn for all items (a cross-sectional bootstrap): what moves items together, a season, a
    price round, a lost week, moves them together in every draw, and so cancels in shares of value as it does in life.
    Drawing each item by itself would take common movement for noise of the item.

    Raises:
        ValueError: there is no period, or a block is longer than all of them.

    References:
        Politis and Romano (1992), A circular block-resampling procedure for stationary data; block 1: Efron (1979),
        Annals of Statistics 7:1.

    Examples:
        >>> counts = period_counts(12, 3, block=4, rng=np.random.default_rng(1))
        >>> counts.sum(axis=1).tolist()
        [12.0, 12.0, 12.0]
    """
    if periods < 1 or not 1 <= block <= periods:
        raise ValueError(f"{periods} periods cannot be drawn in blocks of {block}: 1 <= block <= periods")
    starts = rng.integers(0, periods, size=(draws, -(-periods // block)))
    index = ((starts[:, :, None] + np.arange(block)) % periods).reshape(draws, -1)[:, :periods]
    flat = (np.arange(draws)[:, None] * periods + index).ravel()
    return np.bincount(flat, minlength=draws * periods).reshape(draws, periods).astype(np.float64)


def money_in(value: Floats, money: Floats, counted: Booleans) -> Worth:
    """Value as money of a window: its periods are drawn, what was sold in others stays as it is.

    Args:
        value: per item, money over the window.
        money: the same per period, items x periods; NaN where unknown, which is then not drawn.
        counted: same shape; periods of the window in which demand was seen.

    Raises:
        ValueError: shapes differ.
    """
    _check(value, money=money, counted=counted)
    counted = counted & np.isfinite(money)
    each = np.where(counted, money, 0.0)
    return Worth(
        value - each.sum(axis=1), counted.sum(axis=1).astype(np.float64), _turned(each), _turned(counted), None
    )


def at_level(value: Floats, units: Floats, counted: Booleans) -> Worth:
    """Value as money that a level brings: its periods are drawn, money per unit stays.

    Args:
        value: per item, money at the level.
        units: demand per period, items x periods; negative demand counts as zero.
        counted: same shape; periods of the level.

    Raises:
        ValueError: shapes differ.
    """
    _check(value, units=units, counted=counted)
    sold = np.where(counted, np.maximum(units, 0.0), 0.0)
    total, periods = sold.sum(axis=1), counted.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = value / (np.where(total > 0, total, UNSOLD_UNITS) / periods)
    scale = np.where(periods > 0, scale, 0.0)
    return Worth(np.zeros(len(value)), scale, _turned(sold), _turned(counted), UNSOLD_UNITS)


def about_mean(metric: Floats, units: Floats, spread: Floats, observed: Booleans) -> Spread:
    """Variability as sd of `spread` over mean demand, on the scale of the decided metric.

    A draw's variance has sum of w - (sum of w^2) / (sum of w) degrees of freedom, w = how often each period came up:
    what makes it unbiased for the variance that the periods come from. Divided by their number, every draw would lean
    to the steadier class. A draw of every period once has n - 1 and gives the decided metric.

    Args:
        metric: per item, as decided; NaN is undefined in every draw.
        units: demand per period, items x periods.
        spread: what the variability is of: `units`, or their remainder without trend and season.
        observed: same shape; False before launch and where demand is hidden.

    Raises:
        ValueError: shapes differ.
    """
    _check(metric, units=units, spread=spread, observed=observed)
    mean, sd, about = _mean(units, observed), _sd(spread, observed), _mean(spread, observed)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(np.isnan(metric), np.nan, np.where(sd > 0, metric * mean / sd, 0.0))
    # About the mean, squares lose no digits; it changes no variance.
    centred = np.where(observed, spread - np.nan_to_num(about)[:, None], 0.0)
    return Spread(scale, _turned(centred), _turned(np.where(observed, units, 0.0)), _turned(observed))


def within_levels(metric: Floats, units: Floats, since: Booleans, before: Booleans) -> WithinLevels:
    """Variability as CV within levels; where the last shift lies, and the offset in the logarithm, stay as they are.

    Args:
        metric: per item, as decided; only whether it is known matters.
        units: demand per period, items x periods; negative demand counts as zero.
        since: same shape; periods since the last shift, all observed ones where there is none.
        before: same shape; observed periods before it.

    Raises:
        ValueError: shapes differ.
    """
    _check(metric, units=units, since=since, before=before)
    sold = np.where(since | before, np.maximum(units, 0.0), 0.0)
    logarithm = log_units(sold, np.nan_to_num(_mean(sold, since | before)))
    moved = np.flatnonzero(before.any(axis=1))
    return WithinLevels(
        _side(sold, logarithm, since), _side(sold[moved], logarithm[moved], before[moved]), moved, ~np.isnan(metric)
    )


def ahead(units: Floats, observed: Booleans, *, alpha: float, warm_up: int) -> Ahead:
    """A window that misses the present level as forecasts missed demand: mean of `units` x (1 + error).

    Benchmark: simple exponential smoothing, one step ahead, whose weight of the newest period is 1/n until that falls
    to `alpha`: no first period weighs more than another. An error is (demand - forecast) / mean forecast of the item,
    so that a forecast near zero weighs no more than another. The mean error of the item, as a trend leaves it, counts
    as far as it stands out of its own standard error: x max(0, 1 - variance / (n x mean^2)), James and Stein's factor.

    Args:
        units: demand per period, items x periods.
        observed: same shape; periods since the last shift, or since launch, in which demand was seen.
        alpha: smoothing constant.
        warm_up: observed periods before the first error.

    Examples:
        >>> made = ahead(np.array([[10.0, 10, 16, 4]]), np.ones((1, 4), dtype=bool), alpha=0.5, warm_up=2)
        >>> made.units.round(3).tolist(), made.judged.tolist()  # errors 6 and -9 of 10 and 13; their mean: noise
        ([[0.0, 0.0, 16.522, 3.478]], [[False, False, True, True]])
    """
    rank = np.cumsum(observed, axis=1)
    judged = observed & (rank > warm_up)
    level, forecast = np.zeros(len(units)), np.zeros(units.shape)
    for period in range(units.shape[1]):  # smoothing is a recursion over periods; each step takes all items at once
        forecast[:, period] = level
        step = np.where(observed[:, period], np.maximum(alpha, 1.0 / np.maximum(rank[:, period], 1)), 0.0)
        level = level + step * (units[:, period] - level)
    usual, now = _mean(forecast, judged), _mean(units, observed)
    can = (judged.sum(axis=1) >= LEAST_PERIODS) & (usual > 0) & (now > 0)
    judged = judged & can[:, None]
    error = np.where(judged, units - forecast, 0.0) / np.where(can, usual, 1.0)[:, None]
    bias, spread = np.nan_to_num(_mean(error, judged)), np.nan_to_num(_sd(error, judged))
    with np.errstate(divide="ignore", invalid="ignore"):
        sure = np.maximum(0.0, 1.0 - spread**2 / (judged.sum(axis=1) * bias**2))
    error -= np.where(bias != 0, bias * (1.0 - np.nan_to_num(sure)), 0.0)[:, None]
    return Ahead(np.where(judged, np.where(can, now, 0.0)[:, None] * (1.0 + error), 0.0), judged, can)


def forecast_worth(value: Floats, units: Floats, counted: Booleans, made: Ahead) -> Worth:
    """Value where demand comes as `made`: money per unit and length of the window as decided.

    Args:
        value: per item, money, as decided.
        units: demand per period that the value is of, items x periods.
        counted: same shape; periods that it is of.
        made: what comes instead.
    """
    now = at_level(value, units, counted)
    return Worth(now.kept, now.scale, _turned(made.units), _turned(made.judged), UNSOLD_UNITS)


def _check(vector: Floats, **matrices: Floats | Booleans) -> None:
    shapes = {name: matrix.shape for name, matrix in matrices.items()}
    if len({*shapes.values()}) != 1 or len(next(iter(shapes.values()))) != 2:
        raise ValueError(f"{shapes} must be matrices of one shape, items x periods")
    if len(vector) != next(iter(shapes.values()))[0]:
        raise ValueError(f"{len(vector)} items and matrices {shapes} do not fit: give one row per item")


def _side(sold: Floats, logarithm: Floats, here: Booleans) -> _Side:
    about = np.nan_to_num(_mean(logarithm, here))[:, None]
    units, log = np.where(here, sold, 0.0), np.where(here, logarithm - about, 0.0)
    return _Side(_turned(units), _turned(log), _turned(units * log), _turned(here))


def _seen(counts: Floats, observed: Floats) -> tuple[Floats, Floats]:
    """Periods drawn, and the degrees of freedom that a variance of them has."""
    seen = counts @ observed
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = seen - (counts**2 @ observed) / seen
    return seen, np.nan_to_num(freedom)


def _turned(matrix: Floats | Booleans) -> Floats:
    return np.ascontiguousarray(matrix.T, dtype=np.float64)


def _mean(matrix: Floats, observed: Booleans) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(observed, matrix, 0.0).sum(axis=1) / observed.sum(axis=1)
    return found


def _sd(matrix: Floats, observed: Booleans) -> Floats:
    """Sample standard deviation; 0 where rounding is all there is."""
    mean, count = _mean(matrix, observed), observed.sum(axis=1)
    squares = np.where(observed, (matrix - np.nan_to_num(mean)[:, None]) ** 2, 0.0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.sqrt(squares / (count - 1.0))
    size = np.where(observed, np.abs(matrix), 0.0).max(axis=1, initial=0.0)
    return np.where(found > size * _ROUNDING, found, 0.0)
