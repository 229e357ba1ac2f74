"""How sure a class is: the same items classed again on other samples, on forecasts with errors, and with biased demand.

Belongs here: the classes that draws give, probabilities and agreement. Does not: what is drawn from
(`strata.classify.sampling`), reading history (`strata.conformed.stability`), what a class costs (`strata.inventory`).
Every draw ranks the whole set again, so the cuts move with the draw. Arrays lie draws x items, so that one ranking is
one contiguous row; nothing but the codes (one byte per item and draw) is held for all draws at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from strata.classify.sampling import Booleans, Floats, Ints, Sample
from strata.classify.value import SHARE_DECIMALS
from strata.scheme.model import VALUE_CLASSES, VARIABILITY_CLASSES

Codes = npt.NDArray[np.int8]

SEGMENTS = tuple(value + variability for value in VALUE_CLASSES for variability in VARIABILITY_CLASSES)
UNDRAWN = -1  # code of an item in a draw that says nothing of it
_WIDTH = len(VARIABILITY_CLASSES)
_CELLS = 1_000_000  # items x draws worked on at once: 8 MB an array, some ten of them
_ROUNDING = 10.0**-SHARE_DECIMALS
_MONEY_DECIMALS = 4  # equal values stay equal, whatever order a product summed in


@dataclass(frozen=True, slots=True)
class Items:
    """Items as they were decided, a row each, those of one ranking together.

    Attributes:
        value [n]: money that is ranked; not positive or NaN is `U`.
        metric [n]: variability on the scheme's basis; NaN is `U`.
        ranking [n]: number of the ranking, ascending.
        is_ranked [n]: the item's value is part of the ranking.
        is_drawn [n]: it stands on its own history and is drawn again; others keep their value in every draw.
    """

    value: Floats
    metric: Floats
    ranking: Ints
    is_ranked: Booleans
    is_drawn: Booleans


@dataclass(frozen=True, slots=True)
class Stability:
    """The classes of every draw and what they say of the decided ones.

    Attributes:
        codes [draws, n]: number in `SEGMENTS`, `UNDRAWN` where a draw says nothing of an item.
        draws [n]: draws that do.
        probability [n, 16]: share of those draws in each of `SEGMENTS`; NaN where there is none.
    """

    codes: Codes
    draws: Ints
    probability: Floats

    @property
    def value(self) -> Floats:
        """P(value class), n x `VALUE_CLASSES`."""
        summed: Floats = self.probability.reshape(-1, len(VALUE_CLASSES), _WIDTH).sum(axis=2)
        return summed

    @property
    def variability(self) -> Floats:
        """P(variability class), n x `VARIABILITY_CLASSES`."""
        summed: Floats = self.probability.reshape(-1, len(VALUE_CLASSES), _WIDTH).sum(axis=1)
        return summed

    def likeliest(self) -> tuple[Ints, Ints]:
        """The modal segment of every item and the next one; of equal ones the first of `SEGMENTS`."""
        known = np.nan_to_num(self.probability, nan=0.0)
        order = np.argsort(-known, axis=1, kind="stable")
        return order[:, 0], order[:, 1]


def proposed_codes(items: Items, *, cuts: Mapping[str, float], cv_cuts: Mapping[str, float]) -> Codes:
    """The segments that values and metrics alone say, in no draw; `UNDRAWN` where an item is not drawn."""
    value = _value_codes(items, items.value[None, :].round(_MONEY_DECIMALS), bounds=np.array([cuts["A"], cuts["B"]]))[0]
    found: Codes = np.where(items.is_drawn, value * _WIDTH + steady_codes(items.metric, cv_cuts), UNDRAWN).astype(
        np.int8
    )
    return found


def drawn_again(
    items: Items, sample: Sample, counts: Floats, *, cuts: Mapping[str, float], cv_cuts: Mapping[str, float]
) -> Stability:
    """Class all items on every draw of periods.

    Args:
        items: as decided.
        sample: what a draw of periods makes of them.
        counts: how often each period came up, draws x periods (`period_counts`).
        cuts: cumulative shares `{"A": .., "B": ..}` as for `strata.classify.value.value_classes`.
        cv_cuts: `{"X": .., "Y": ..}` as for `strata.classify.variability.variability_classes`.

    Returns:
        Classes per draw. A draw in which fewer than two observed periods of an item came up says nothing of it.
    """

    def drawn() -> Iterator[tuple[Floats, Codes, Booleans]]:
        step = max(1, _CELLS // max(len(items.value), 1))
        for start in range(0, len(counts), step):
            value, metric, valid = _resampled(items, sample, counts[start : start + step])
            yield value, steady_codes(metric, cv_cuts), valid

    return _classed(items, drawn(), len(counts), cuts=cuts)


def biased(
    items: Items,
    group: Ints,
    steady: Codes,
    *,
    draws: int,
    bias: float,
    cuts: Mapping[str, float],
    rng: np.random.Generator,
) -> Stability:
    """Class all items with the demand of every group over- or understated by `bias`, by the toss of a coin per draw.

    A bias that all items share changes no share and no coefficient of variation, and so no class; one of a group moves
    its items through the ranking. The variability class stays as it was decided.

    Args:
        items: as decided.
        group: number of the group of each item, from 0.
        steady: decided variability class per item, its number in `VARIABILITY_CLASSES`.
        draws: number of tosses.
        bias: part of demand that is over- or understated.
        cuts: as for `drawn_again`.
        rng: source of chance.

    Raises:
        ValueError: a group per item is not given.
    """
    if not group.shape == steady.shape == items.value.shape:
        raise ValueError(
            f"group {group.shape}, steady {steady.shape} and items {items.value.shape}: give one of each per item"
        )
    side = 2.0 * rng.integers(0, 2, size=(draws, int(group.max(initial=-1)) + 1)) - 1.0

    def drawn() -> Iterator[tuple[Floats, Codes, Booleans]]:
        step = max(1, _CELLS // max(len(items.value), 1))
        for start in range(0, draws, step):
            factor = np.where(items.is_drawn, 1.0 + bias * side[start : start + step][:, group], 1.0)
            shape = factor.shape
            yield factor * items.value, np.broadcast_to(steady, shape), np.broadcast_to(items.is_drawn, shape)

    return _classed(items, drawn(), draws, cuts=cuts)


def agreement_tables(decided: Codes, drawn: Codes, *, classes: int) -> Ints:
    """How many items have each decided class and each drawn one, draws x classes x classes.

    Args:
        decided: code per item, 0 .. classes - 1.
        drawn: codes, draws x items; negative where a draw says nothing of an item, which is then not counted.
        classes: number of classes.
    """
    size, step = classes * classes, max(1, _CELLS // max(len(decided), 1))
    tables = [np.zeros((0, classes, classes), dtype=np.int64)]
    for start in range(0, len(drawn), step):
        part = drawn[start : start + step]
        cell = decided.astype(np.int64) * classes + part + size * np.arange(len(part))[:, None]
        counted = np.bincount(cell[part >= 0], minlength=size * len(part))
        tables.append(counted.reshape(-1, classes, classes))
    return np.concatenate(tables)


def axis_tables(tables: Ints, axis: str) -> Ints:
    """Tables of `value`, `variability` or `segment` classes from those of segments."""
    if axis == "segment":
        return tables
    apart = tables.reshape(-1, len(VALUE_CLASSES), _WIDTH, len(VALUE_CLASSES), _WIDTH)
    return np.asarray(apart.sum(axis=(2, 4) if axis == "value" else (1, 3)))


def kappa(tables: Ints) -> tuple[Floats, Floats]:
    """Cohen's kappa and plain agreement of the decided classes with those of each draw.

    Args:
        tables: items by decided and drawn class, draws x classes x classes (`agreement_tables`).

    Returns:
        Kappa and share of items in agreement per draw, NaN where nothing was drawn. Where both have one and the same
        single class kappa is 1, as in `strata.classify.agreement.cohen_kappa`, which this is for many draws at once.

    Reference: Cohen (1960), Educational and Psychological Measurement 20:37.

    Examples:
        >>> tables = agreement_tables(np.array([0, 0, 1, 1], np.int8), np.array([[0, 0, 1, 0]], np.int8), classes=2)
        >>> [part.tolist() for part in kappa(tables)]
        [[0.5], [0.75]]
    """
    items = tables.sum(axis=(1, 2)).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        agreement = np.trace(tables, axis1=1, axis2=2) / items
        by_chance = (tables.sum(axis=2) * tables.sum(axis=1)).sum(axis=1) / items**2
        found = (agreement - by_chance) / (1.0 - by_chance)
    return np.where(by_chance == 1.0, 1.0, found), agreement


def segment_codes(segments: npt.NDArray[np.object_]) -> Codes:
    """Number in `SEGMENTS` of each segment's name.

    Raises:
        ValueError: a name is none of them.
    """
    numbers = {name: number for number, name in enumerate(SEGMENTS)}
    if unknown := sorted({str(name) for name in set(segments.tolist())} - set(numbers)):
        raise ValueError(f"segments {unknown} are none of {list(SEGMENTS)}")
    return np.array([numbers[name] for name in segments.tolist()], dtype=np.int8)


def axis_codes(codes: Codes, axis: str) -> tuple[Codes, int]:
    """Codes of `value`, `variability` or `segment` classes from those of segments, and how many classes there are."""
    if axis == "value":
        return np.where(codes < 0, UNDRAWN, codes // _WIDTH).astype(np.int8), len(VALUE_CLASSES)
    if axis == "variability":
        return np.where(codes < 0, UNDRAWN, codes % _WIDTH).astype(np.int8), _WIDTH
    return codes, len(SEGMENTS)


def cost_by_draw(codes: Codes, decided: Codes, cost: Floats) -> Floats:
    """What the policies of all items cost in each draw: every item by the policy of the segment drawn.

    Args:
        codes: draws x items; where a draw says nothing of an item it keeps its decided segment.
        decided: code per item.
        cost: money a year per item x `SEGMENTS`; NaN where unknown, which counts as nothing in every draw.
    """
    known = np.nan_to_num(cost, nan=0.0)
    rows = np.arange(len(decided))
    return np.array([known[rows, np.where(draw < 0, decided, draw)].sum() for draw in codes])


def steady_codes(metric: Floats, cv_cuts: Mapping[str, float]) -> Codes:
    """Variability class, its number in `VARIABILITY_CLASSES`; NaN is the last.

    A metric that meets a cut meets it in every order of summing.
    """
    found = (metric > cv_cuts["X"] + _ROUNDING).astype(np.int8) + (metric > cv_cuts["Y"] + _ROUNDING)
    found[np.isnan(metric)] = _WIDTH - 1
    return found


def _resampled(items: Items, sample: Sample, counts: Floats) -> tuple[Floats, Floats, Booleans]:
    """Value, variability and whether a draw says anything, draws x items."""
    value = sample.worth.drawn(counts)
    metric, says = sample.noise.drawn(counts)
    valid = says & np.isfinite(value) & items.is_drawn
    money = np.where(valid, value, items.value)
    return money.round(_MONEY_DECIMALS), metric, valid


def _classed(
    items: Items, drawn: Iterator[tuple[Floats, Codes, Booleans]], draws: int, *, cuts: Mapping[str, float]
) -> Stability:
    codes = np.full((draws, len(items.value)), UNDRAWN, dtype=np.int8)
    first = 0
    for value, steady, valid in drawn:
        ranked = _value_codes(items, value, bounds=np.array([cuts["A"], cuts["B"]]))
        codes[first : first + len(value)] = np.where(valid, ranked * _WIDTH + steady, UNDRAWN)
        first += len(value)
    said = (codes >= 0).sum(axis=0).astype(np.int64)
    counts = np.stack([(codes == number).sum(axis=0) for number in range(len(SEGMENTS))], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        probability = np.where(said[:, None] > 0, counts / said[:, None], np.nan)
    return Stability(codes, said, probability)


def _value_codes(items: Items, value: Floats, *, bounds: Floats) -> Codes:
    """Value class of every item in every draw: 0 A, 1 B, 2 C, 3 U.

    The classes of a ranking are bands of value, so it is enough to sort the values and find where each band ends.
    """
    positive = np.where(np.isfinite(value) & (value > 0), value, 0.0)
    found = np.where(positive > 0, 2, 3).astype(np.int8)
    edges = np.flatnonzero(np.diff(items.ranking, prepend=np.nan, append=np.nan))
    for start, stop in zip(edges[:-1], edges[1:], strict=True):  # one step per ranking (location), not per item
        part = positive[:, start:stop]
        ordered = -np.sort(-part[:, items.is_ranked[start:stop]], axis=1)
        running = np.cumsum(ordered, axis=1)
        if not running.shape[1]:
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            before = np.round((running[:, :-1] / running[:, -1:]), SHARE_DECIMALS)
        before = np.concatenate([np.zeros((len(part), 1)), before], axis=1)
        for code in (1, 0):
            inside = ((before < bounds[code]) & (ordered > 0)).sum(axis=1)
            least = ordered[np.arange(len(part)), np.maximum(inside - 1, 0)]
            found[:, start:stop][(part >= least[:, None]) & (inside > 0)[:, None]] = code
    return found
