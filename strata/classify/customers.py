"""Customers and channels as segments: what they are worth, what serving them costs, both held against flicker.

Belongs here: the two axes of a set of accounts (customers, or channels) and the service that a product x customer cell
may expect. Does not: what they bought and what it cost (`strata.conformed.customers`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.classify.control import REASONS, spend, weigh
from strata.classify.keyed import taken
from strata.classify.memory import CARRIED, carried, positions_of, remembered
from strata.classify.posterior import below_values, held_probability
from strata.classify.value import value_classes
from strata.demand.level import level_value, levels
from strata.demand.profile import mean_and_cv
from strata.scheme.customers import COST_CLASSES, CUSTOMER_CLASSES, Customers
from strata.scheme.model import Scheme

AXES = {"value": CUSTOMER_CLASSES[:-1], "cost": COST_CLASSES[:-1]}
MEMORY = tuple(f"{axis}_{name}" for axis in AXES for name in CARRIED)

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Accounts:
    """What a set of customers (or channels) bought and cost, a row each, in the order of distinct names.

    Attributes:
        names [n]: customer or channel.
        revenue [n], margin [n]: money of the value window; margin NaN where a cost of goods is unknown.
        cost [n]: what serving them cost in the window; NaN unknown.
        monthly [n, t]: revenue per classification period; the last `window` of them are the value window.
        observed [n, t]: from the first purchase on.
        window: periods of the value window.
        is_named [n]: False for what names nobody: it is shown, and in no ranking.
    """

    names: Objects
    revenue: Floats
    margin: Floats
    cost: Floats
    monthly: Floats
    observed: Booleans
    window: int
    is_named: Booleans

    def __post_init__(self) -> None:
        count = len(self.names)
        columns = (self.revenue, self.margin, self.cost)
        if any(len(column) != count for column in columns) or self.monthly.shape != self.observed.shape:
            raise ValueError(f"{count} names need as many revenues, margins and costs, and matrices of one shape")
        if self.monthly.shape[0] != count or self.window < 1:
            raise ValueError(f"monthly {self.monthly.shape} and window {self.window} do not fit {count} names")
        if len(set(self.names.tolist())) != count:
            raise ValueError("a name stands twice; sum its rows first")


def account_classes(
    accounts: Accounts, previous: pd.DataFrame | None, *, key: str, rule: Customers, scheme: Scheme
) -> pd.DataFrame:
    """Class accounts by cumulative share of value (A, B, C, U) and by cost to serve as a share of margin (L, H, U).

    Value is `rule.basis` over the window, at the level of revenue since the last shift where the scheme has a `level`.
    The cost class is `H` where the cost exceeds `rule.max_cost_share` of the margin, and wherever the margin is not
    positive; `U` where either is unknown, and of what names nobody. Both axes are held by `scheme.hysteresis`: the
    value axis with the posterior of its level, the cost axis with the dead band `rule.cost_band` and the
    confirmations, for its error is unknown.

    Args:
        accounts: what was bought.
        previous: rows of the cycle before with `key`, both classes, `segment` and `MEMORY`; None in the first cycle.
        key: column of `previous` that holds the names.
        rule: cuts, basis, bound.
        scheme: hysteresis and level.

    Returns:
        In the order of the names: `key`, `cost_share`, `cumulative_share`, both axes with their memory, `segment`,
        `previous_segment`, `class_probability` (of the value class) and `decision_reason`.

    Raises:
        ValueError: a name stands twice in `previous`, or a class there is unknown.
    """
    at = _rows_before(accounts.names, previous, key)
    before = {axis: remembered(previous, at, axis, classes) for axis, classes in AXES.items()}
    worth, spread, periods, is_shift = _worth(accounts, rule, scheme)
    worth = np.where(accounts.is_named, worth, np.nan)
    ranked = value_classes(worth, accounts.names, cuts=dict(rule.cuts.items()))
    cuts = (rule.cuts["A"], rule.cuts["B"])
    # Where nobody stands below a cut there is no boundary to fall through.
    above = [ranked.share_before < cut for cut in cuts]
    below = [ranked.share_before >= cut for cut in cuts]
    bounds = [worth[high].min(initial=np.inf) if low.any() else 0.0 for high, low in zip(above, below, strict=True)]
    beyond = below_values(worth, np.tile(bounds, (len(worth), 1)), spread, periods)
    value = weigh(
        positions_of(ranked.value_class, AXES["value"]), ranked.share_before, before["value"], cuts=cuts,
        band=np.full(len(cuts), scheme.hysteresis.value_band), beyond=beyond, is_shift=is_shift, rule=scheme.hysteresis,
    )  # fmt: skip
    share = np.where(accounts.is_named, _cost_share(accounts), np.nan)
    dear = weigh(
        np.where(np.isnan(share), -1, share > rule.max_cost_share).astype(np.int8), share, before["cost"],
        cuts=(rule.max_cost_share,), band=np.array([rule.cost_band]), beyond=np.full((len(share), 1), np.nan),
        is_shift=np.zeros(len(share), dtype=bool), rule=scheme.hysteresis,
    )  # fmt: skip
    decided = spend(
        (value, dear), (before["value"], before["cost"]), worth, accounts.names, np.zeros(len(worth), dtype=np.int64),
        budget=scheme.hysteresis.budget, rule=scheme.hysteresis,
    )  # fmt: skip
    held = dict(zip(AXES, decided, strict=True))
    columns: dict[str, Any] = {
        key: accounts.names,
        "cost_share": np.where(np.isfinite(share), share, np.nan),
        "cumulative_share": ranked.cumulative_share,
    }
    for axis, classes in AXES.items():
        columns |= carried(held[axis].memory, axis, classes)
    columns["segment"] = columns["value_class"] + columns["cost_class"]
    columns["previous_segment"] = (
        np.full(len(at), None, dtype=object) if previous is None else taken(previous["segment"], at)
    )
    columns["class_probability"] = held_probability(beyond, held["value"].held)
    words = np.array(REASONS, dtype=object)
    reasons = {axis: words[one.reason.astype(np.int64)] for axis, one in held.items()}
    reasons["value"] = np.where(reasons["value"] == "undefined", "no_value", reasons["value"])
    reason = "value:" + reasons["value"] + ";cost:" + reasons["cost"]
    columns["decision_reason"] = np.where(accounts.is_named, reason, "not_stated")
    return pd.DataFrame(columns)


def service_cells(cells: pd.DataFrame, *, rule: Customers, scheme: Scheme) -> pd.DataFrame:
    """The service that each product x customer cell may expect: the item's own target, or the customer's floor.

    A cell that the scheme plans by fill rate has the larger of both; the floor does not reach items that are planned
    by another metric or not at all, and the reason says so.

    Args:
        cells: `item_segment` and `customer_class` per row.
        rule: `service_floors`; None: nobody has a floor.
        scheme: `policies` by item segment.

    Returns:
        service_metric, segment_target, customer_floor, service_target (NaN and None where there is none) and
        `decision_reason`: `segment`, `customer_floor`, `metric_differs` or `no_policy`, in the order of the cells.
    """
    names = ("service_metric", "segment_target", "customer_floor", "service_target", "decision_reason")
    if cells.empty:
        return pd.DataFrame({name: [] for name in names})
    floors = rule.service_floors.fill_rate if rule.service_floors is not None else {}
    policy = [scheme.policies[segment] for segment in cells["item_segment"]]
    metric = np.array([one.service_metric for one in policy], dtype=object)
    own = np.array([np.nan if one.service_target is None else one.service_target for one in policy])
    floor = np.array([floors.get(name, np.nan) for name in cells["customer_class"]])
    binds = (metric == "fill_rate") & (np.nan_to_num(floor) > own)
    has_floor = ~np.isnan(floor)
    reason = np.select(
        [np.isnan(own), (metric != "fill_rate") & has_floor, binds],
        ["no_policy", "metric_differs", "customer_floor"],
        default="segment",
    )
    found = (metric, own, floor, np.where(binds, floor, own), reason.astype(object))
    return pd.DataFrame(dict(zip(names, found, strict=True)))


def _rows_before(names: Objects, previous: pd.DataFrame | None, key: str) -> npt.NDArray[np.int64]:
    if previous is None:
        return np.full(len(names), -1, dtype=np.int64)
    index = pd.Index(previous[key].to_numpy(dtype=object))
    if not index.is_unique:
        raise ValueError(f"previous: {key} {index[index.duplicated()][0]!r} stands more than once; give one row each")
    at: npt.NDArray[np.int64] = index.get_indexer(pd.Index(names)).astype(np.int64)
    return at


def _worth(accounts: Accounts, rule: Customers, scheme: Scheme) -> tuple[Floats, Floats, Floats, Booleans]:
    """Value of every account, its variation per period, the periods behind it, and whether its level truly changed."""
    money = accounts.margin if rule.basis == "margin" else accounts.revenue
    if scheme.level is None:
        monthly, seen = accounts.monthly[:, -accounts.window :], accounts.observed[:, -accounts.window :]
        _, spread = mean_and_cv(monthly, seen)
        return money, spread, seen.sum(axis=1).astype(np.float64), np.zeros(len(money), dtype=bool)
    found = levels(accounts.monthly, accounts.observed, rule=scheme.level)
    # What one period of the window brings is revenue itself: the level of revenue prices the money per unit of it.
    periods = min(accounts.window, accounts.monthly.shape[1])
    worth = level_value(money, accounts.revenue, found.units_period, periods=periods)
    return worth, found.cv, found.periods.astype(np.float64), found.is_recent


def _cost_share(accounts: Accounts) -> Floats:
    """Cost to serve / margin; infinite where the margin is not positive, NaN where either is unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(accounts.margin > 0, accounts.cost / accounts.margin, np.inf)
    return np.where(np.isnan(accounts.margin) | np.isnan(accounts.cost), np.nan, share)
