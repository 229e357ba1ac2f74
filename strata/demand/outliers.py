"""Demand that is no part of an item's usual demand: promotions by the calendar, spikes and dips by robust tests.

Belongs here: the tests, and the baseline that remains. Does not: hidden demand (a stock-out is censored, not an
outlier: the caller leaves it out of `observed`), new levels (`strata.demand.level`), classes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from strata.demand.intermittency import checked_matrix
from strata.scheme.outliers import Outliers

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

REASONS = ("", "promotion", "spike", "dip", "large_demand")
USUAL, PROMOTION, SPIKE, DIP, LARGE = range(len(REASONS))
_MAD = 1.4826  # robust standard deviations per median absolute deviation of normal data
_CELLS = 4_000_000  # values of all windows sorted at once: 32 MB


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Per series and period: what is usual demand, and why it is not what was asked for.

    Attributes:
        baseline: usual demand; equals demand where `reason` is `USUAL`.
        reason: number in `REASONS`.
        is_gap: the demand of an intermittent series that ended an unusually long silence. Nothing is changed by it:
            what nobody asked for is no outlier, but a stock-out that nobody recorded looks so.
    """

    baseline: Floats
    reason: npt.NDArray[np.int8]
    is_gap: Booleans

    @property
    def is_outlier(self) -> Booleans:
        """Judged by a test, not by the calendar."""
        return np.asarray(self.reason > PROMOTION)


def clean(
    units: Floats, observed: Booleans, promoted: Booleans, is_intermittent: Booleans, *, rule: Outliers, season: int
) -> Cleaned:
    """Find promotions, spikes and dips of every series, and what it would have sold without them.

    The calendar comes first: promoted periods are in no median and no deviation, and what they sold beyond the usual
    is `promotion`. Then, where demand comes nearly every period, the Hampel identifier: with x = cube root of demand
    and r = x - running median, a period lies off where |r| > z x 1.4826 median|r|. The cube root of a gamma is nearly
    normal whatever its shape (Wilson and Hilferty), so skewed demand raises no alarms by its skew. Where the same phase
    lies off in the median of the other seasons as well it is a season's peak, which is then expected. The baseline is
    the cube of what was expected. More than `rule.max_run` periods in a row off on one side are a new level and stay,
    as do more than `rule.max_share` of all: half of the periods alike and the others not is no outlier.

    Intermittent demand is never held against its zeros: sizes are tested among sizes, on the log scale, and only for
    being too large; a `large_demand` comes down to the largest size that passes, so no demand is lost. Silence is
    tested as such (`Cleaned.is_gap`): as long a gap has the probability (1 - 1/a)^(gap - 1), a = mean of the others.

    Args:
        units: demand per period, series x periods, finite where observed; negative demand counts as zero.
        observed: same shape; False before launch and where demand is hidden: neither tested nor learnt from.
        promoted: same shape; a promotion overlaps the period.
        is_intermittent: per series, by the mean interval between demands (scheme part `demand_pattern`).
        rule: bounds.
        season: periods per season.

    Raises:
        ValueError: shapes differ, or an observed period is not finite.

    Examples:
        >>> rule = Outliers(window_periods=5, z=3.5, max_run=2, max_share=0.2, min_periods=6, min_seasons=3,
        ...                 least_cv=0.05, gap_tail=0.001, rationale="bounds as in docs/methods/outliers.md")
        >>> y = np.array([[10.0, 11, 9, 10, 60, 10, 11, 30, 9, 10], [0, 5, 0, 6, 4, 0, 90, 0, 5, 6]])
        >>> on = np.zeros(y.shape, dtype=bool)
        >>> on[0, 7] = True
        >>> found = clean(y, np.ones(y.shape, dtype=bool), on, np.array([False, True]), rule=rule, season=12)
        >>> [[REASONS[code] for code in row if code] for row in found.reason.tolist()]
        [['spike', 'promotion'], ['large_demand']]
        >>> found.baseline.round(1)[:, [4, 6, 7]].tolist()
        [[10.0, 11.0, 10.0], [4.0, 8.8, 0.0]]

    References:
        Hampel (1974), JASA 69:383; Davies and Gather (1993), JASA 88:782 (the identifier); Wilson and Hilferty (1931),
        PNAS 17:684 (the cube root).
    """
    checked_matrix(units, observed)
    if promoted.shape != units.shape or is_intermittent.shape != units.shape[:1]:
        raise ValueError(
            f"promoted {promoted.shape} and is_intermittent {is_intermittent.shape} must fit units {units.shape}: "
            "one flag per period, and one per series"
        )
    sold = np.where(observed, np.maximum(units, 0.0), 0.0)
    baseline, reason = np.array(units, dtype=np.float64), np.zeros(units.shape, dtype=np.int8)
    step = max(1, _CELLS // max(units.shape[1] * rule.window_periods, 1))
    for start in range(0, len(units), step):  # blocks of series, so that not all windows are held
        rows = np.arange(start, min(start + step, len(units)))
        steady = rows[~is_intermittent[rows]]
        usual, off = _against_surroundings(sold[steady], observed[steady], promoted[steady], rule, season)
        _apply(baseline, reason, steady, usual, off)
        seldom = rows[is_intermittent[rows]]
        usual, off = _against_sizes(sold[seldom], observed[seldom], promoted[seldom], rule)
        _apply(baseline, reason, seldom, usual, off)
    return Cleaned(baseline, reason, _long_gaps(sold, observed, rule) & is_intermittent[:, None])


def _apply(
    baseline: Floats, reason: npt.NDArray[np.int8], rows: npt.NDArray[np.intp], usual: Floats, off: npt.NDArray[np.int8]
) -> None:
    baseline[rows] = np.where(off != USUAL, usual, baseline[rows])
    reason[rows] = off


def _against_surroundings(
    sold: Floats, observed: Booleans, promoted: Booleans, rule: Outliers, season: int
) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Usual demand and what lies off it, for series with demand in nearly every period."""
    base = observed & ~promoted
    root = np.where(base, np.cbrt(sold), np.nan)
    around = _running_median(root, rule.window_periods)
    spread = _MAD * _median(np.abs(root - around))
    least = around * rule.least_cv / 3.0  # the cube root has a third of the relative deviation
    bound = rule.z * np.maximum(np.nan_to_num(spread)[:, None], least)
    with np.errstate(invalid="ignore"):
        peak = _other_seasons(root - around, base, rule, season)
        around = np.maximum(around + np.where(np.abs(peak) > bound, peak, 0.0), 0.0)
        gap = np.cbrt(sold) - around
        known = (base.sum(axis=1) >= rule.min_periods)[:, None] & np.isfinite(around) & (bound > 0)
        high, low = known & base & (gap > bound), known & base & (gap < -bound)
    off = np.zeros(sold.shape, dtype=np.int8)
    high, low = (_isolated(flags, base, rule.max_run) for flags in (high, low))
    few = ((high | low).sum(axis=1) <= rule.max_share * base.sum(axis=1))[:, None]
    off[high & few], off[low & few] = SPIKE, DIP
    off[known & observed & promoted & (gap > 0)] = PROMOTION
    return np.nan_to_num(around) ** 3, off


def _against_sizes(
    sold: Floats, observed: Booleans, promoted: Booleans, rule: Outliers
) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Usual size and what lies off it, for series with many periods without demand."""
    asked = observed & (sold > 0)
    base = asked & ~promoted
    log = np.where(base, np.log(np.where(sold > 0, sold, 1.0)), np.nan)
    middle = _median(log)
    spread = np.maximum(np.nan_to_num(_MAD * _median(np.abs(log - middle[:, None]))), rule.least_cv)
    enough = base.sum(axis=1) >= rule.min_periods
    size, largest = (np.exp(np.where(enough, part, 0.0))[:, None] for part in (middle, middle + rule.z * spread))
    off = np.zeros(sold.shape, dtype=np.int8)
    off[enough[:, None] & base & (sold > largest)] = LARGE
    off[enough[:, None] & asked & promoted & (sold > size)] = PROMOTION
    return np.where(off == LARGE, largest, size), off


def _other_seasons(residual: Floats, base: Booleans, rule: Outliers, season: int) -> Floats:
    """What the same phase showed in most of the other seasons; zero where too few of them were seen.

    A season's own period has no part in it: a median of three or four that it takes part in would follow it. Of the two
    middle ones of an even number the lesser counts, none where they disagree: one spike makes no season.
    """
    series, count = residual.shape
    seasons = -(-count // season)
    if seasons < rule.min_seasons or not series:
        return np.zeros(residual.shape)
    fill = ((0, 0), (0, seasons * season - count))
    by_season = np.pad(residual, fill, constant_values=np.nan).reshape(series, seasons, season).transpose(0, 2, 1)
    seen = np.pad(base, fill).reshape(series, seasons, season).sum(axis=1)
    found = np.zeros((series, seasons, season))
    for at in range(seasons):  # a step per season, of which there are few
        low, high = _middles(np.delete(by_season, at, axis=2))
        least = np.where(low * high > 0, np.where(low > 0, low, high), 0.0)
        enough = seen - np.isfinite(by_season[:, :, at]) >= rule.min_seasons - 1
        found[:, at, :] = np.where(enough, least, 0.0)
    return found.reshape(series, -1)[:, :count]


def _running_median(values: Floats, window: int) -> Floats:
    """Median of the known values of the window round each period, at both ends of the first and last whole window."""
    count = values.shape[1]
    if count <= window:
        return np.repeat(_median(values)[:, None], count, axis=1)
    whole = _median(np.lib.stride_tricks.sliding_window_view(values, window, axis=1))
    return whole[:, np.clip(np.arange(count) - window // 2, 0, count - window)]


def _median(values: Floats) -> Floats:
    """Median over the last axis of what is not NaN; NaN where all of it is. Faster than `numpy.nanmedian`."""
    low, high = _middles(values)
    return (low + high) / 2.0


def _middles(values: Floats) -> tuple[Floats, Floats]:
    """The middle one or two of what is not NaN, over the last axis; NaN where all of it is."""
    count, width = np.isfinite(values).sum(axis=-1), values.shape[-1]
    if not width:
        return np.full(count.shape, np.nan), np.full(count.shape, np.nan)
    ordered = np.sort(values, axis=-1)  # NaN stands last
    low, high = (
        np.take_along_axis(ordered, np.clip(at, 0, width - 1)[..., None], axis=-1)[..., 0]
        for at in ((count - 1) // 2, count // 2)
    )
    return low, high


def _isolated(off: Booleans, base: Booleans, max_run: int) -> Booleans:
    """Those in runs of at most `max_run` tested periods; periods that are not tested neither end nor lengthen a run."""
    length, longest = np.zeros(len(off), dtype=np.int64), np.zeros(off.shape, dtype=np.int64)
    for at in range(off.shape[1]):  # a run is a recursion over periods; each step takes all series at once
        length = np.where(base[:, at], np.where(off[:, at], length + 1, 0), length)
        longest[:, at] = length
    ahead = np.zeros(len(off), dtype=np.int64)
    for at in range(off.shape[1] - 1, -1, -1):  # back again: the length of the whole run
        ahead = np.where(base[:, at], np.where(off[:, at], np.maximum(ahead, longest[:, at]), 0), ahead)
        longest[:, at] = np.maximum(longest[:, at], ahead)
    return np.asarray(off & (longest <= max_run))


def _long_gaps(sold: Floats, observed: Booleans, rule: Outliers) -> Booleans:
    """Demands that ended a silence which chance would hardly leave; intervals count observed periods."""
    asked = observed & (sold > 0)
    position = np.cumsum(observed, axis=1)
    last = np.maximum.accumulate(np.where(asked, position, 0), axis=1)
    before = np.concatenate([np.zeros((len(sold), 1), dtype=last.dtype), last[:, :-1]], axis=1)
    interval = np.where(asked, position - before, 0)
    demands, total = asked.sum(axis=1)[:, None], interval.sum(axis=1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        others = (total - interval) / (demands - 1.0)
        tail = (1.0 - 1.0 / others) ** (interval - 1.0)
    return np.asarray(asked & (demands >= rule.min_periods) & (tail < rule.gap_tail))
