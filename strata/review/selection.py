"""Which classification method suits the data: cost at equal service, stability, and how well it can be said in words.

Belongs here: what a division into classes costs downstream, the comparison of methods and the rule that recommends
one. Does not: the methods (`strata.classify`), cost and service of the policies in force (`strata.inventory.policy`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.classify.agreement import cohen_kappa
from strata.classify.surrogate import surrogate

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]

Places = npt.NDArray[np.int64]

_STEPS = 200  # more than any bracket of positive doubles needs
_NEAREST = 1e-12  # part of the units short by which the service may be exceeded
_WIDER = 16.0  # factor by which a bracket grows


@dataclass(frozen=True, slots=True)
class StockTerms:
    """What safety stock costs and saves, a row per item or per place where an item is stocked.

    Attributes:
        demand_units_year: D [n], above 0.
        order_units: Q, usual order quantity [n], above 0.
        protection_sd_units: sd of the forecast error over it [n], above 0.
        holding_cost_per_unit_year: h [n], above 0.
    """

    demand_units_year: Floats
    order_units: Floats
    protection_sd_units: Floats
    holding_cost_per_unit_year: Floats


@dataclass(frozen=True, slots=True)
class ClassCost:
    """Least holding cost of safety stock a year under one cycle service level per class, levels, and service given."""

    cost_year: float
    cycle_service: Mapping[str, float]
    fill_rate: float


@dataclass(frozen=True, slots=True)
class Selection:
    """The recommended method, or None, the rule that chose it in words, and the table of all, the cheapest first.

    `table`: method, cost_year, regret_share (over the optimum per item),
    saved_share (of what a level per item saves over one level for all), kappa (mean over resamples),
    share_explained, conditions (depth of the words), classes, is_stable, is_explained, words, decision_reason.
    """

    recommended: str | None
    rule: str
    table: pd.DataFrame


def class_cost(
    value_class: npt.NDArray[np.generic], terms: StockTerms, *, fill_rate: float, least_cycle_service: float
) -> ClassCost:
    """Cost of the best service levels that a division into classes allows, at one fill rate over all items.

    Items of a class share a cycle service level P_c = Phi(z_c); safety stock is z_c x sd. Levels minimise
    sum h z sd such that units short a year, sum (D/Q) sd G(z), stay within (1 - fill rate) x sum D. With a price per
    unit short the best level of a class is closed: 1 - P_c = H_c / (price x S_c), H_c = sum h sd, S_c = sum (D/Q) sd;
    the price is found by false position. A class per item gives the optimum per item. Mean demand over the protection
    time cancels: demand is normal.

    Args:
        value_class: class per item [n].
        terms: per item [n].
        fill_rate: share of all units to be delivered from stock, 0..1.
        least_cycle_service: no class gets less, 0..1.

    Raises:
        ValueError: lengths differ, a term is not above 0, or a share is out of bounds.

    Examples:
        >>> terms = StockTerms(*(np.array(part) for part in ([900.0, 100], [90.0, 10], [20.0, 5], [1.0, 9])))
        >>> one, two = (class_cost(np.array(list(names)), terms, fill_rate=0.98, least_cycle_service=0.5)
        ...             for names in ("AA", "AB"))
        >>> round(one.cost_year, 2), round(two.cost_year, 2), round(two.fill_rate, 6)
        (66.38, 40.88, 0.98)

    References:
        Teunter, Babai and Syntetos (2010), POM 19:343-352; Sherbrooke (1968), Operations Research 16:122-141.
    """
    _check(value_class, terms, fill_rate, least_cycle_service)
    from scipy.special import ndtr, ndtri

    classes, coded = np.unique(value_class, return_inverse=True)
    cycles = terms.demand_units_year / terms.order_units
    holding = np.bincount(coded, terms.holding_cost_per_unit_year * terms.protection_sd_units)
    short = np.bincount(coded, cycles * terms.protection_sd_units)
    total = float(terms.demand_units_year.sum())
    allowed = (1.0 - fill_rate) * total

    def levels(price: float) -> Floats:
        miss = np.minimum(holding / (price * short), 1.0 - least_cycle_service)
        return np.asarray(-ndtri(miss), dtype=np.float64)

    def units_short(z: Floats) -> float:
        density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
        return float((short * (density - z * ndtr(-z))).sum())

    z = _dearest(levels, units_short, allowed, low=float((holding / short).min()) / (1.0 - least_cycle_service))
    return ClassCost(
        cost_year=float((z * holding).sum()),
        cycle_service={str(name): float(level) for name, level in zip(classes, ndtr(z), strict=True)},
        fill_rate=1.0 - units_short(z) / total,
    )


def _dearest(
    levels: Callable[[float], Floats], units_short: Callable[[Floats], float], allowed: float, *, low: float
) -> Floats:
    """Levels at the price where no more than `allowed` units are short, and hardly fewer; at `low` all are least.

    False position over the logarithms of price and of units short, which is nearly a line; an end that stays twice
    weighs half (Illinois), and from the middle of the steps on the bracket is halved.
    """
    z = levels(low)
    beyond = np.log(units_short(z) / allowed)
    if beyond <= 0:
        return z
    left, right, within = np.log(low), np.log(low), beyond
    while within > 0:
        left, beyond = right, within
        right += np.log(_WIDER)
        z = levels(float(np.exp(right)))
        within = np.log(max(units_short(z) / allowed, 1e-300))
    at_left, at_right, moved = beyond, within, 0
    for step in range(_STEPS):
        if within >= -_NEAREST:
            break
        middle = (left * at_right - right * at_left) / (at_right - at_left)
        if step > _STEPS // 2 or not left < middle < right:
            middle = 0.5 * (left + right)
        if not left < middle < right:
            break
        tried = levels(float(np.exp(middle)))
        found = np.log(max(units_short(tried) / allowed, 1e-300))
        if found > 0:
            left, at_left, at_right = middle, found, at_right * (0.5 if moved > 0 else 1.0)
        else:
            z, right, within = tried, middle, found
            at_right, at_left = found, at_left * (0.5 if moved < 0 else 1.0)
        moved = 1 if found > 0 else -1
    return z


def method_selection(
    criteria: Floats,
    terms: StockTerms,
    *,
    methods: Mapping[str, Callable[[Floats], Texts]],
    names: Sequence[str],
    resampled: Sequence[Floats],
    fill_rate: float,
    least_cycle_service: float,
    least_kappa: float,
    least_explained: float,
    most_depth: int,
    least_items: int,
    equal_cost: float,
    place: Places | None = None,
    in_use: str | None = None,
) -> Selection:
    """Compare methods on the same items and recommend one, by a rule that is returned in words.

    Eligible is a method whose classes come back on resampled data (mean Cohen's kappa) and can be said in words
    (surrogate tree). Of the eligible the cheapest at equal service; of those whose cost exceeds its by no more than
    `equal_cost` the one in use, for a change costs too; else the most stable, then the shortest in words, then the
    name.

    Args:
        criteria: items x criteria, in their own units.
        terms: cost and service of stock per item, in the same order, or per place.
        methods: name to a function of criteria that gives a class per item.
        names: of the criteria.
        resampled: criteria of the same items as another sample would have shown them, one matrix per draw.
        fill_rate: at which costs are compared.
        least_cycle_service: no class gets less.
        least_kappa: of an eligible method.
        least_explained: share of items that the words must name, of an eligible method.
        most_depth: conditions that a sentence may have.
        least_items: items that a sentence must cover.
        equal_cost: share of cost within which two methods cost the same.
        place: item of each row of `terms`, where items are stocked at several places or none.
        in_use: the method whose classes are in force, if it is one of them.

    Raises:
        ValueError: no method, no resample, or what `class_cost` and `surrogate` refuse.

    References:
        van Wingerden, Tan and van Houtum (2016), BETA working paper 494 (classes judged by cost at a target);
        docs/methods/selection.md.
    """
    if not methods or not resampled:
        raise ValueError(f"{len(methods)} methods, {len(resampled)} resamples: at least one of each")
    of = np.arange(len(criteria)) if place is None else place
    if len(of) != len(terms.demand_units_year) or (len(of) and not 0 <= of.min() <= of.max() < len(criteria)):
        raise ValueError(f"place {of.shape}, {len(terms.demand_units_year)} terms, {len(criteria)} items: an item each")
    bounds = {"fill_rate": fill_rate, "least_cycle_service": least_cycle_service}
    best, one_class = (class_cost(held, terms, **bounds).cost_year for held in (np.arange(len(of)), np.zeros(len(of))))
    rows = []
    for name, classify in methods.items():
        made = classify(criteria)
        cost = class_cost(made[of], terms, **bounds).cost_year
        told = surrogate(
            criteria, made, names=names, most_depth=most_depth, least_items=least_items, least_share=least_explained
        )
        kappa = float(np.mean([cohen_kappa(made, classify(draw)) for draw in resampled]))
        rows.append(
            {
                "method": name,
                "cost_year": cost,
                "regret_share": cost / best - 1.0 if best > 0 else 0.0,
                "saved_share": (one_class - cost) / (one_class - best) if one_class > best else None,
                "kappa": kappa,
                "share_explained": told.share_explained,
                "conditions": told.depth,
                "classes": len(np.unique(made)),
                "is_stable": kappa >= least_kappa,
                "is_explained": told.is_enough,
                "words": "; ".join(f"{rule.value_class} if {rule.words}" for rule in told.rules),
            }
        )
    table = pd.DataFrame(rows).sort_values(["cost_year", "method"], ignore_index=True)
    asked = f"kappa >= {least_kappa:g} on {len(resampled)} resamples and {least_explained:.0%} told in words"
    eligible = table[table["is_stable"] & table["is_explained"] & (table["classes"] > 1)]
    if eligible.empty:
        rule = f"no method has {asked}: classes that nobody can foresee or explain"
        return Selection(None, rule, table.assign(decision_reason=[_lacking(row) for row in _records(table)]))
    cheapest = eligible.iloc[0]
    near = eligible[eligible["cost_year"] <= cheapest["cost_year"] * (1.0 + equal_cost)]
    ordered = near.assign(is_new=near["method"] != in_use).sort_values(
        ["is_new", "kappa", "conditions", "method"], ascending=[True, False, True, True]
    )
    chosen = ordered.iloc[0]
    is_kept = chosen["method"] == in_use
    why = "is in use" if is_kept else "is the most stable"
    rule = (
        f"{len(eligible)} of {len(rows)} methods have {asked}; least cost at fill rate {fill_rate:g} is "
        f"{cheapest['cost_year']:,.0f} a year; of {len(near)} within {equal_cost:.1%} of it {chosen['method']} {why} "
        f"(kappa {chosen['kappa']:.3f}, {chosen['regret_share']:.1%} above the optimum per item)"
    )
    reasons = []
    for row in _records(table):
        if row["method"] == chosen["method"]:
            reasons.append(rule)
        elif lacking := _lacking(row):
            reasons.append(lacking)
        elif row["method"] in set(near["method"]):
            but = f"{in_use} is in use" if is_kept else f"kappa {row['kappa']:.3f} in {row['conditions']} conditions"
            reasons.append(f"within {equal_cost:.1%} of the least cost, but {but}")
        else:
            more = row["cost_year"] / cheapest["cost_year"] - 1.0
            reasons.append(f"costs {more:.1%} more than {cheapest['method']}")
    return Selection(str(chosen["method"]), rule, table.assign(decision_reason=reasons))


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _lacking(row: Mapping[str, Any]) -> str:
    """What an ineligible method lacks; empty where nothing."""
    lacks = [] if row["classes"] > 1 else ["says nothing: all items are in one class"]
    lacks += [] if row["is_stable"] else [f"not stable: kappa {row['kappa']:.3f}"]
    lacks += [] if row["is_explained"] else [f"{row['share_explained']:.0%} told in {row['conditions']} conditions"]
    return "; ".join(lacks)


def _check(
    value_class: npt.NDArray[np.generic], terms: StockTerms, fill_rate: float, least_cycle_service: float
) -> None:
    parts = {
        "demand_units_year": terms.demand_units_year,
        "order_units": terms.order_units,
        "protection_sd_units": terms.protection_sd_units,
        "holding_cost_per_unit_year": terms.holding_cost_per_unit_year,
    }
    for name, part in parts.items():
        if part.shape != value_class.shape or not len(part):
            raise ValueError(f"{name} {part.shape} and classes {value_class.shape}: one of each per item, one at least")
        if not (np.isfinite(part) & (part > 0)).all():
            raise ValueError(f"{name}: item {int((~(part > 0)).argmax())} is not above 0; leave it out")
    if not 0 < fill_rate < 1 or not 0 < least_cycle_service < 1:
        raise ValueError(f"fill_rate {fill_rate} and least_cycle_service {least_cycle_service} are fractions below 1")
