"""Which classification method suits the data: cost at equal service, stability, and how well it can be said in words.

Belongs here: what a division into classes costs downstream, the comparison of methods and the rule that recommends
one. Does not: the methods (`strata.classify`), cost and service of the policies in force (`strata.inventory.policy`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.classify.agreement import cohen_kappa
from strata.classify.surrogate import surrogate
from strata.inventory.distributions import demand

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]

_HALVINGS = 200  # of a bracket of positive doubles
_NEAREST = 1e-12  # relative width at which a price is settled


@dataclass(frozen=True, slots=True)
class StockTerms:
    """What safety stock costs and saves per item.

    Attributes:
        demand_units_year: D [n], above 0.
        order_units: Q, usual order quantity [n], above 0.
        protection_mean_units: mean demand over the protection time [n].
        protection_sd_units: sd of the forecast error over it [n], above 0.
        holding_cost_per_unit_year: h [n], above 0.
    """

    demand_units_year: Floats
    order_units: Floats
    protection_mean_units: Floats
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

    `table`: method, cost_year, regret_share (over the optimum per item), kappa (mean over resamples),
    share_explained, conditions (depth of the words), classes, is_stable, is_explained.
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
    the price is found by halving. A class per item gives the optimum per item.

    Args:
        value_class: class per item [n].
        terms: per item [n].
        fill_rate: share of all units to be delivered from stock, 0..1.
        least_cycle_service: no class gets less, 0..1.

    Raises:
        ValueError: lengths differ, a term is not above 0, or a share is out of bounds.

    Examples:
        >>> terms = StockTerms(*(np.array(part) for part in ([900.0, 100], [90.0, 10], [60.0, 8], [20.0, 5], [1.0, 9])))
        >>> one, two = (class_cost(np.array(list(names)), terms, fill_rate=0.98, least_cycle_service=0.5)
        ...             for names in ("AA", "AB"))
        >>> round(one.cost_year, 2), round(two.cost_year, 2), round(two.fill_rate, 6)
        (66.38, 40.88, 0.98)

    References:
        Teunter, Babai and Syntetos (2010), POM 19:343-352; Sherbrooke (1968), Operations Research 16:122-141.
    """
    _check(value_class, terms, fill_rate, least_cycle_service)
    from scipy.special import ndtri

    classes, coded = np.unique(value_class, return_inverse=True)
    cycles = terms.demand_units_year / terms.order_units
    holding = np.bincount(coded, terms.holding_cost_per_unit_year * terms.protection_sd_units)
    short = np.bincount(coded, cycles * terms.protection_sd_units)
    total = float(terms.demand_units_year.sum())
    allowed = (1.0 - fill_rate) * total
    spread = demand("normal", terms.protection_mean_units, terms.protection_sd_units**2)

    def levels(price: float) -> Floats:
        miss = np.minimum(holding / (price * short), 1.0 - least_cycle_service)
        return np.asarray(-ndtri(miss), dtype=np.float64)

    def units_short(z: Floats) -> float:
        order_up_to = terms.protection_mean_units + z[coded] * terms.protection_sd_units
        return float((cycles * spread.losses(order_up_to).first).sum())

    # At this price every class has the least level; double it until the service is there, then halve.
    low = float((holding / short).min()) / max(1.0 - least_cycle_service, _NEAREST)
    if units_short(levels(low)) <= allowed:
        z = levels(low)
    else:
        high = low * 2.0
        while units_short(levels(high)) > allowed:
            high *= 2.0
        for _ in range(_HALVINGS):
            middle = float(np.sqrt(low * high))
            low, high = (middle, high) if units_short(levels(middle)) > allowed else (low, middle)
            if high <= low * (1.0 + _NEAREST):
                break
        z = levels(high)
    from scipy.special import ndtr

    return ClassCost(
        cost_year=float((z * holding).sum()),
        cycle_service={str(name): float(level) for name, level in zip(classes, ndtr(z), strict=True)},
        fill_rate=1.0 - units_short(z) / total,
    )


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
) -> Selection:
    """Compare methods on the same items and recommend one, by a rule that is returned in words.

    Eligible is a method whose classes come back on resampled data (mean Cohen's kappa) and can be said in words
    (surrogate tree). Of the eligible the cheapest at equal service; of those whose cost exceeds its by no more than
    `equal_cost`, the most stable; then the shortest in words, then the name.

    Args:
        criteria: items x criteria, in their own units.
        terms: cost and service of stock per item, in the same order.
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

    Raises:
        ValueError: no method, no resample, or what `class_cost` and `surrogate` refuse.

    References:
        van Wingerden, Tan and van Houtum (2016), BETA working paper 494 (classes judged by cost at a target);
        docs/methods/selection.md.
    """
    if not methods or not resampled:
        raise ValueError(f"{len(methods)} methods, {len(resampled)} resamples: at least one of each")
    best = class_cost(
        np.arange(len(criteria)), terms, fill_rate=fill_rate, least_cycle_service=least_cycle_service
    ).cost_year
    rows = []
    for name, classify in methods.items():
        made = classify(criteria)
        cost = class_cost(made, terms, fill_rate=fill_rate, least_cycle_service=least_cycle_service).cost_year
        told = surrogate(
            criteria, made, names=names, most_depth=most_depth, least_items=least_items, least_share=least_explained
        )
        kappa = float(np.mean([cohen_kappa(made, classify(draw)) for draw in resampled]))
        rows.append(
            {
                "method": name,
                "cost_year": cost,
                "regret_share": cost / best - 1.0 if best > 0 else 0.0,
                "kappa": kappa,
                "share_explained": told.share_explained,
                "conditions": told.depth,
                "classes": len(np.unique(made)),
                "is_stable": kappa >= least_kappa,
                "is_explained": told.is_enough,
            }
        )
    table = pd.DataFrame(rows).sort_values(["cost_year", "method"], ignore_index=True)
    stable = [row for row in rows if row["is_stable"] and row["is_explained"]]
    bounds = f"kappa >= {least_kappa:g} on {len(resampled)} resamples and {least_explained:.0%} told in words"
    if not stable:
        return Selection(None, f"no method has {bounds}: classes that nobody can foresee or explain", table)
    cheapest = min(float(str(row["cost_year"])) for row in stable)
    near = [row for row in stable if float(str(row["cost_year"])) <= cheapest * (1.0 + equal_cost)]
    chosen = min(near, key=lambda row: (-float(str(row["kappa"])), int(str(row["conditions"])), str(row["method"])))
    rule = (
        f"{len(stable)} of {len(rows)} methods have {bounds}; least cost at fill rate {fill_rate:g} is "
        f"{cheapest:,.0f} a year; of {len(near)} within {equal_cost:.1%} of it {chosen['method']} is the most stable "
        f"(kappa {chosen['kappa']:.3f}, {chosen['regret_share']:.1%} above the optimum per item)"
    )
    return Selection(str(chosen["method"]), rule, table)


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
