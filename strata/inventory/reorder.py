"""Reorder points and the exact service they give, lots and multiples included.

Belongs here: fill rate, cycle service and stock of (s,Q) under continuous review and (R,s,nQ), (R,S) under periodic
review, the smallest reorder point that meets a target, lot sizes. Does not: moments of demand over the lead time and
which segment gets which target (`strata.inventory.policy`), the distributions themselves (`.distributions`).
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strata.inventory.distributions import Demand, FloatArray, Losses

Metric = Literal["fill_rate", "csl"]

_SLACK = 1e-8  # a miss within this part of the allowed miss, on the safe side of it, is a hit
_STEPS = 200  # halvings that any double-precision bracket can need; Newton steps need three or four
_NEWTON_STEPS = 8  # from here on the bracket is halved: the curve was not what Newton expects
# Inverse of the standard normal loss, rational approximation in sqrt(log(25 / G^2)) (Silver, Pyke and Thomas 2017,
# section 5.9). A first guess only.
_LOSS_TOP = (-5.3925569, 5.6211054, -3.8836830, 1.0897299)
_LOSS_BOTTOM = (1.0, -0.72496485, 0.507326622, 0.0669136868, -0.00329129114)


@dataclass(frozen=True, slots=True)
class Control:
    """How n rows of one demand family are replenished.

    Attributes:
        lead: demand over the lead time.
        protection: demand over lead time plus review interval; None: the position is watched all the time.
        lot: Q [n], units: orders are whole multiples of it; whole units for a count family.
    """

    lead: Demand
    protection: Demand | None
    lot: FloatArray

    def take(self, rows: NDArray[np.intp]) -> "Control":
        """The rows named by `rows`."""
        protection = None if self.protection is None else self.protection.take(rows)
        return Control(self.lead.take(rows), protection, self.lot[rows])

    @property
    def span(self) -> Demand:
        """Demand that the reorder point must outlast."""
        return self.lead if self.protection is None else self.protection


@dataclass(frozen=True, slots=True)
class Service:
    """What a reorder point gives [n]: fractions, and expected stock on hand in units."""

    fill_rate: FloatArray
    csl: FloatArray
    expected_stock: FloatArray


@dataclass(frozen=True, slots=True)
class Plan:
    """A reorder point [n] and the service it gives."""

    reorder_point: FloatArray
    service: Service


class _Miss(NamedTuple):
    value: FloatArray
    slope: FloatArray
    curve: FloatArray


class _Seen(NamedTuple):
    """Losses at s and at s + Q over the lead time, and over the whole span (the same where review is continuous)."""

    lead_low: Losses
    lead_high: Losses
    low: Losses
    high: Losses


def service(control: Control, reorder_point: ArrayLike) -> Service:
    """Fill rate, cycle service level and stock on hand of `reorder_point` s [n], averaged over positions.

    The position after ordering is uniform on (s, s + Q] (whole units s+1 .. s+Q for a count family). With ESC the
    expected shortage and m the mean demand of the review interval R:

        periodic:    fill rate = 1 - avg[ESC_{L+R}(y) - ESC_L(y)] / m,   csl = avg P(D_{L+R} <= y)
        continuous:  fill rate = 1 - [ESC_L(s) - ESC_L(s + Q)] / Q,      csl = P(D_L <= s)

    Stock on hand is the mean of the stock just after and just before a receipt (periodic), or at any time (continuous).
    Undershoot needs no correction: the position at a review is wherever demand left it.

    Examples:
        Normal lead-time demand 100 with sd 40, Q = 20, s = 140: 0.8920 exactly (the usual shortcut says 0.8334).

        >>> from strata.inventory.distributions import demand
        >>> control = Control(demand("normal", [100.0], [1600.0]), None, np.array([20.0]))
        >>> float(service(control, [140.0]).fill_rate[0].round(4))
        0.892

    Reference: Hadley and Whitin (1963), sections 4-2 and 5-2; docs/methods/reorder.md.
    """
    s = np.broadcast_to(np.asarray(reorder_point, dtype=np.float64), control.lot.shape)
    return _service(control, s, _look(control, s))


def solve_reorder_point(control: Control, *, metric: Metric, target: ArrayLike) -> FloatArray:
    """The smallest reorder point [n], not below zero, whose service meets `target` (a fraction); see `plan`."""
    return plan(control, metric=metric, target=target).reorder_point


def plan(control: Control, *, metric: Metric, target: ArrayLike) -> Plan:
    """The smallest reorder point, not below zero, whose service meets `target` [n] (a fraction), with that service.

    Newton steps of third order on the logarithm of the miss inside a bracket that is halved where they fail; whole
    units for a count family. The result meets its target: it is never on the short side of the bracket.

    Examples:
        Normal lead-time demand 900 with sd 208.8061, lots of 400, 98 % of units from stock: k = 1.3785.

        >>> from strata.inventory.distributions import demand
        >>> control = Control(demand("normal", [900.0], [43600.0]), None, np.array([400.0]))
        >>> float(plan(control, metric="fill_rate", target=0.98).reorder_point[0].round(2))
        1187.83

    Raises:
        ValueError: a target is not between 0 and 1, a lot is not positive (not whole for a count family), or demand
            in the review interval is zero.
    """
    goal = np.broadcast_to(np.asarray(target, dtype=np.float64), control.lot.shape)
    _check(control, goal)
    if metric == "csl" and control.protection is None:
        point = np.maximum(control.lead.quantile(goal), 0.0)
        return Plan(point, service(control, point))
    allowed = 1 - goal
    whole = control.lead.is_count
    sd = np.sqrt(control.span.variance)
    at = np.maximum(_guess(control, metric, allowed), 0.0)
    at = np.ceil(at) if whole else at
    low, high = np.full(at.shape, -1.0 if whole else -np.inf), np.full(at.shape, np.inf)
    given = Service(np.zeros(at.shape), np.zeros(at.shape), np.zeros(at.shape))
    rows, part = np.arange(at.size), control
    # One loop over refinements with arrays across rows; a row leaves it when its bracket is closed.
    for step in range(_STEPS):
        if not rows.size:
            return Plan(high, given)
        x = at[rows]
        seen = _look(part, x)
        miss = _miss(part, seen, metric)
        enough = miss.value <= allowed[rows]
        high[rows[enough]], low[rows[~enough]] = x[enough], x[~enough]
        _note(given, _service(part, x, seen), rows, enough)
        aim = _aim(x, miss, allowed[rows])
        lo, hi, width = low[rows], high[rows], sd[rows]
        if whole:
            x = _inside_whole(x, aim, lo, hi, width, step)
            closed = hi - lo <= 1
        else:
            close = enough & (miss.value >= allowed[rows] * (1 - 2 * _SLACK))
            closed = close | (hi <= 0) | (np.isfinite(hi) & (hi - lo <= 1e-12 * (hi + width)))
            x = _inside_real(x, aim, lo, hi, width, step)
        at[rows] = x
        left = np.flatnonzero(~closed)
        rows, part = rows[left], part.take(left)
    raise ArithmeticError("a reorder point did not close; the mean or the variance is beyond double precision")


def order_quantity(economic: ArrayLike, minimum: ArrayLike, multiple: ArrayLike) -> FloatArray:
    """Lot size [n]: the economic quantity raised to whole multiples, never below the minimum, itself in multiples.

    Examples:
        >>> order_quantity([87.0, 87.0], [0.0, 100.0], [24.0, 24.0]).tolist()
        [96.0, 120.0]
    """
    unit = np.asarray(multiple, dtype=np.float64)
    wanted = np.maximum(np.asarray(economic, dtype=np.float64), np.asarray(minimum, dtype=np.float64))
    return np.asarray(np.maximum(np.ceil(wanted / unit - 1e-9), 1.0) * unit)


def economic_order_quantity(
    annual_units: ArrayLike, order_cost: float, holding_cost_per_unit_year: ArrayLike
) -> FloatArray:
    """sqrt(2 D A / h) [n], units; infinite where holding costs nothing.

    Examples:
        Silver, Pyke and Thomas, chapter 4: 2400 units a year, 3.20 an order, 0.40 x 24 % a unit a year.

        >>> float(economic_order_quantity([2400.0], 3.20, [0.40 * 0.24])[0].round(6))
        400.0
    """
    with np.errstate(divide="ignore"):
        return np.asarray(np.sqrt(2 * np.asarray(annual_units) * order_cost / np.asarray(holding_cost_per_unit_year)))


def _check(control: Control, goal: FloatArray) -> None:
    lot = control.lot
    good = (lot >= 1) & (np.floor(lot) == lot) if control.lead.is_count else lot > 0
    need = control.span.mean if control.protection is None else control.span.mean - control.lead.mean
    for name, right in (
        ("target must lie between 0 and 1, both excluded (0.975 for 97.5 %)", (goal > 0) & (goal < 1)),
        ("lot must be above zero, and whole units for a count family", good),
        ("mean demand over the review interval must be above zero", need > 0),
    ):
        if not right.all():
            raise ValueError(f"row {int(np.flatnonzero(~right)[0])}: {name}")


def _look(control: Control, s: FloatArray) -> _Seen:
    top = s + control.lot
    lead = control.lead.losses(s), control.lead.losses(top)
    if control.protection is None:
        return _Seen(*lead, *lead)
    return _Seen(*lead, control.protection.losses(s), control.protection.losses(top))


def _service(control: Control, s: FloatArray, seen: _Seen) -> Service:
    lot, lead = control.lot, control.lead
    position = s + (lot + 1) / 2 if lead.is_count else s + lot / 2
    after = position - lead.mean + (seen.lead_low.second - seen.lead_high.second) / lot
    if control.protection is None:
        miss = (seen.low.first - seen.high.first) / lot
        return Service(np.clip(1 - miss, 0, 1), 1 - seen.low.survival, after)
    before = position - control.protection.mean + (seen.low.second - seen.high.second) / lot
    fill, cycle = 1 - _unit_miss(control, seen), 1 - _cycle_miss(control, seen)
    return Service(np.clip(fill, 0, 1), np.clip(cycle, 0, 1), (after + before) / 2)


def _unit_miss(control: Control, seen: _Seen) -> FloatArray:
    """Part of the review interval's demand that falls short: the shortage at its end less that at its start."""
    late = seen.low.second - seen.high.second - (seen.lead_low.second - seen.lead_high.second)
    return np.asarray(late / (control.lot * (control.span.mean - control.lead.mean)))


def _cycle_miss(control: Control, seen: _Seen) -> FloatArray:
    """Average P(D > y) over the positions y; a count falls short from y + 1 on, hence the survival taken off."""
    miss = seen.low.first - seen.high.first
    if control.lead.is_count:
        miss = miss - (seen.low.survival - seen.high.survival)
    return np.asarray(miss / control.lot)


def _note(given: Service, found: Service, rows: NDArray[np.intp], enough: NDArray[np.bool_]) -> None:
    to = rows[enough]
    given.fill_rate[to] = found.fill_rate[enough]
    given.csl[to] = found.csl[enough]
    given.expected_stock[to] = found.expected_stock[enough]


def _miss(control: Control, seen: _Seen, metric: Metric) -> _Miss:
    """1 - service at s with its first two derivatives (in a count family: of the smooth curve through whole units)."""
    zeroth, first = seen.low.survival - seen.high.survival, seen.low.first - seen.high.first
    if metric == "csl" or control.protection is None:
        value = first / control.lot if control.protection is None else _cycle_miss(control, seen)
        slope = -zeroth / control.lot
        with np.errstate(all="ignore"):
            return _Miss(value, slope, slope**2 / value)  # no density at hand: a straight line on the log scale
    zeroth = zeroth - (seen.lead_low.survival - seen.lead_high.survival)
    first = first - (seen.lead_low.first - seen.lead_high.first)
    scale = control.lot * (control.protection.mean - control.lead.mean)
    half = 0.5 if control.lead.is_count else 0.0
    return _Miss(_unit_miss(control, seen), -(first - half * zeroth) / scale, zeroth / scale)


def _aim(x: FloatArray, miss: _Miss, allowed: FloatArray) -> FloatArray:
    """Halley's step on log(miss) towards a miss a hair below the allowed one; NaN where the curve gives no step."""
    with np.errstate(all="ignore"):
        gap = np.log(miss.value / (allowed * (1 - _SLACK)))
        slope = miss.slope / miss.value
        curve = miss.curve / miss.value - slope**2
        return np.asarray(x - 2 * gap * slope / (2 * slope**2 - gap * curve))


def _inside_real(
    x: FloatArray, aim: FloatArray, lo: FloatArray, hi: FloatArray, sd: FloatArray, step: int
) -> FloatArray:
    halved = np.where(np.isinf(hi), x + sd * 2.0 ** min(step, 60), np.where(lo < 0, 0.0, (lo + hi) / 2))
    lost = ~((aim > lo) & (aim < hi)) & ~((aim <= 0) & (lo < 0)) | (step >= _NEWTON_STEPS)
    return np.maximum(np.where(lost, halved, aim), 0.0)


def _inside_whole(
    x: FloatArray, aim: FloatArray, lo: FloatArray, hi: FloatArray, sd: FloatArray, step: int
) -> FloatArray:
    away = np.ceil(sd) * 2.0 ** min(step, 60)
    halved = np.where(np.isinf(hi), x + away, np.floor((lo + hi) / 2))
    lost = ~np.isfinite(aim) | (np.abs(aim - x) > 1e15) | (step >= _NEWTON_STEPS)
    return np.asarray(np.clip(np.where(lost, halved, np.ceil(aim)), lo + 1, np.maximum(hi - 1, lo + 1)))


def _guess(control: Control, metric: Metric, allowed: FloatArray) -> FloatArray:
    """A first reorder point from the normal loss with a correction for skew."""
    from scipy import special

    span, lot = control.span, control.lot
    sd = np.sqrt(span.variance)
    if metric == "csl":
        k = special.ndtri(1 - allowed)
    else:
        need = lot if control.protection is None else span.mean - control.lead.mean
        short = np.clip(allowed * need / sd * (1 + lot / sd), 1e-12, 4.9)
        z = np.sqrt(np.log(25 / short**2))
        k = np.polynomial.polynomial.polyval(z, _LOSS_TOP) / np.polynomial.polynomial.polyval(z, _LOSS_BOTTOM)
    skew = 0.0 if span.kind == "normal" else 2 * span.dispersion / sd
    return np.asarray(span.mean + sd * (k + (k**2 - 1) * skew / 6) - np.minimum(lot, sd) / 2)
