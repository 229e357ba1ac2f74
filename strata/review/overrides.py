"""The register of overrides of a cycle: what each claims, whether it decides, why not, until when, and what it costs.

Belongs here: the rows of `tables.OVERRIDE`. Does not: resolving claims (`strata.classify.rules`), reading and pricing
(`strata.conformed.overrides`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.classify.rules import AXES, BOTH, EVERYWHERE, OF_PEOPLE, OF_RULES, Booleans, Ints, Objects
from strata.partition import months
from strata.scheme.rules import Rule

Floats = npt.NDArray[np.float64]

IN_EFFECT, NOT_BINDING, BEATEN, NO_ITEM = "in_effect", "not_binding", "beaten", "no_item"
UNKNOWN_ITEM, OTHER_LEVEL = "item_unknown", "location_not_classed"
STATES = (IN_EFFECT, NOT_BINDING, BEATEN, UNKNOWN_ITEM, OTHER_LEVEL, NO_ITEM, "scheduled", "expired", "revoked")
_WHY = {
    IN_EFFECT: "in_effect",
    NOT_BINDING: "not_binding:class_is_within_the_bound",
    UNKNOWN_ITEM: "item_unknown:no_class_in_the_region",
    OTHER_LEVEL: "location_not_classed:item_is_classed_elsewhere",
    NO_ITEM: "no_item:nobody_meets_the_condition",
}
_TOLD = (
    "override_id", "source", "kind", "priority", "owner", "reason", "approved_by", "starts_cycle", "expires_cycle",
    "cycles_left", "value_effect", "variability_effect", "standing",
)  # fmt: skip
_PLACED = ("sku_id", "location_id", "computed_segment", "segment", "segment_without", "beaten_by", "revenue")


def register(overrides: pd.DataFrame, rules: Sequence[Rule], *, cycle: str) -> pd.DataFrame:
    """What every override of people and every rule says, one row each.

    Args:
        overrides: override_id, sku_id, location_id, value_class, variability_class, start_cycle, end_cycle, reason,
            owner, approved_by, standing (in_force, scheduled, expired or revoked).
        rules: of the scheme.
        cycle: in which they are looked at.

    Returns:
        override_id, source, kind, priority, owner, reason, approved_by, starts_cycle, expires_cycle, cycles_left,
        value_effect, variability_effect, standing, and sku_id, location_id (of rules `*`).
    """
    rows: list[dict[str, Any]] = [
        {
            **{name: one[name] for name in ("override_id", "owner", "reason", "approved_by", "standing")},
            "source": OF_PEOPLE, "kind": OF_PEOPLE, "priority": None, "sku_id": one["sku_id"],
            "location_id": one["location_id"], "starts_cycle": one["start_cycle"], "expires_cycle": one["end_cycle"],
            "value_effect": _set(one["value_class"]), "variability_effect": _set(one["variability_class"]),
        }
        for one in overrides.to_dict("records")
    ]  # fmt: skip
    for rule in sorted(rules, key=lambda rule: rule.id):
        bounds = rule.effect.bounds
        effects = [
            " ".join(f"{word} {name}" for word, name in bounds[axis].said.items()) if axis in bounds else None
            for axis in AXES
        ]
        standing = "in_force" if rule.holds_in(cycle) else "scheduled" if cycle < rule.valid_from else "expired"
        rows.append(
            {
                "override_id": rule.override_id, "source": OF_RULES, "kind": rule.kind, "priority": rule.priority,
                "owner": rule.owner, "reason": rule.reason, "approved_by": rule.approved_by, "standing": standing,
                "sku_id": EVERYWHERE, "location_id": EVERYWHERE, "starts_cycle": rule.valid_from,
                "expires_cycle": rule.valid_until, "value_effect": effects[0], "variability_effect": effects[1],
            }
        )  # fmt: skip
    found = pd.DataFrame(
        rows, columns=[*(n for n in _TOLD if n != "cycles_left"), "sku_id", "location_id"], dtype=object
    )
    left = [_cycles_left(row["expires_cycle"], row["standing"], cycle) for row in rows]
    return found.assign(cycles_left=pd.Series(left, index=found.index, dtype=object))


def _set(name: str | None) -> str | None:
    return None if name is None else f"set {name}"


def _cycles_left(expires: str | None, standing: str, cycle: str) -> int | None:
    """Cycles that follow in which it still holds; None where nothing but a revocation ends it."""
    if standing in ("expired", "revoked"):
        return 0
    return None if expires is None else months(expires) - months(cycle)


def placed(told: pd.DataFrame, claims: pd.DataFrame, decided: pd.DataFrame) -> pd.DataFrame:
    """One row per override and item, and one for each override that claims nothing.

    Args:
        told: `register`.
        claims: `strata.classify.rules.Resolution.claims`.
        decided: the items that the claims number: sku_id, location_id, segment, computed_segment, override_id, revenue.

    Returns:
        The columns of `register` and those of the items, `item` (row of `decided`, -1 for none), segment_without (the
        segment if the axes that this override decides were as computed; null where it decides none), beaten_by, state.
    """
    item = claims["item"].to_numpy(dtype=np.int64)
    here = {name: decided[name].to_numpy(dtype=object)[item] for name in decided.columns}
    mine = claims["override_id"].to_numpy(dtype=object)
    of_value, of_variability = _deciders(here["override_id"], mine)
    losers = [claims[f"{axis}_beaten_by"].to_numpy(dtype=object) for axis in AXES]
    beaten_by = np.where(pd.isna(losers[0]), losers[1], losers[0])
    effective = of_value | of_variability
    states = np.select([effective, ~pd.isna(beaten_by)], [IN_EFFECT, BEATEN], default=NOT_BINDING)
    rows = pd.DataFrame(
        {
            "override_id": mine, "item": item, "beaten_by": beaten_by, "state": states.astype(object),
            **{name: here[name] for name in ("sku_id", "location_id", "computed_segment", "segment", "revenue")},
            "segment_without": _without(here["segment"], here["computed_segment"], of_value, of_variability),
        }
    )  # fmt: skip
    said = told.drop(columns=["sku_id", "location_id"])
    rows = rows.merge(said, on="override_id", how="left", validate="many_to_one")
    idle = told[~told["override_id"].isin(rows["override_id"])]
    known = set(decided["sku_id"])
    named = np.where(idle["sku_id"].isin(known), OTHER_LEVEL, UNKNOWN_ITEM)
    why = np.where(idle["source"].eq(OF_RULES), NO_ITEM, named)
    idle = idle.assign(state=np.where(idle["standing"].eq("in_force"), why, idle["standing"]), item=-1)
    return pd.concat([rows, idle.astype({"item": "int64"})], ignore_index=True) if len(idle) else rows


def _deciders(ids: Objects, mine: Objects) -> tuple[Booleans, Booleans]:
    """Whether an override decides the value class, and the variability class, of its item."""
    several = np.array([text is not None and BOTH in text for text in ids], dtype=bool)
    value, variability = (ids == mine) & ~several, (ids == mine) & ~several
    for row in np.flatnonzero(several):  # few: items whose axes are decided by two overrides
        first, second = ids[row].split(BOTH)
        value[row], variability[row] = first == mine[row], second == mine[row]
    return np.asarray(value, dtype=bool), np.asarray(variability, dtype=bool)


def _without(segment: Objects, computed: Objects, of_value: Booleans, of_variability: Booleans) -> Objects:
    """The segment if the axes decided by an override were as computed; None where it decides none."""
    found = np.full(len(segment), None, dtype=object)
    for row in np.flatnonzero(of_value & of_variability):
        found[row] = computed[row]
    for row in np.flatnonzero(of_value ^ of_variability):
        value = computed[row][0] if of_value[row] else segment[row][0]
        found[row] = value + (computed[row][1] if of_variability[row] else segment[row][1])
    return found


def changed(rows: pd.DataFrame) -> Ints:
    """Rows of `placed` whose override puts the item into another segment: only these have a cost."""
    without = rows["segment_without"]
    return np.flatnonzero((without.notna() & (without != rows["segment"])).to_numpy())


def override_rows(rows: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """The columns of `tables.OVERRIDE` but for region, cycle, stamp and suspension.

    Args:
        rows: `placed`.
        costs: what policies hold (`holding`) and serve (`served`, margin) a year, by item and segment, of the rows that
            `changed` names; an item without a policy or a known margin is absent or NaN.
    """
    difference = {name: np.where(rows["state"].eq(IN_EFFECT), 0.0, np.nan) for name in ("holding", "served")}
    at = changed(rows)
    for name, values in difference.items():
        values[at] = np.nan
        if len(costs):
            values[at] = _cost(rows, costs, at, name, "segment") - _cost(rows, costs, at, name, "segment_without")
    unpriced = np.isnan(difference["holding"] - difference["served"]) & rows["state"].eq(IN_EFFECT).to_numpy()
    state = rows["state"]
    reason = state.map(_WHY).where(state.isin(list(_WHY)), state)
    reason = reason.where(state != BEATEN, "beaten:by_" + rows["beaten_by"].fillna("").astype(str))
    reason = reason.where(state != "scheduled", "scheduled:starts_in_" + rows["starts_cycle"].astype(str))
    reason = reason.where(state != "expired", "expired:ended_with_" + rows["expires_cycle"].fillna("").astype(str))
    reason = reason + np.where(unpriced, ";not_priced:stocked_nowhere_or_margin_unknown", "")
    return rows[[name for name in (*_TOLD, *_PLACED) if name != "standing"]].assign(
        state=state,
        is_in_effect=state.eq(IN_EFFECT),
        holding_difference_year=difference["holding"],
        margin_difference_year=difference["served"],
        cost_year=difference["holding"] - difference["served"],
        decision_reason=reason,
    )


def _cost(rows: pd.DataFrame, costs: pd.DataFrame, at: Ints, name: str, segment: str) -> Floats:
    index = pd.MultiIndex.from_arrays([rows["item"].to_numpy()[at], rows[segment].to_numpy(dtype=object)[at]])
    found: Floats = costs[name].reindex(index).to_numpy(dtype=np.float64)
    return found


def totals(rows: pd.DataFrame) -> pd.DataFrame:
    """What each override decides and costs in all, by override and region, dearest first.

    Args:
        rows: of `tables.OVERRIDE`, one cycle; a rule that claims no item has one with item `*`.

    Returns:
        override_id, region, states (`|` between), items that it claims, items_in_effect, items_unpriced (in effect,
        cost unknown), revenue of those in effect, and their costs: null where none is priced.
    """
    mine = rows["is_in_effect"].astype(bool)
    claims = ~rows["state"].isin([NO_ITEM, UNKNOWN_ITEM, OTHER_LEVEL, "scheduled", "expired", "revoked"])
    costs = ["holding_difference_year", "margin_difference_year", "cost_year"]
    counted = rows[["override_id", "region", "state"]].assign(
        items=claims.astype("int64"),
        items_in_effect=mine.astype("int64"),
        items_unpriced=(mine & rows["cost_year"].isna()).astype("int64"),
        revenue=pd.to_numeric(rows["revenue"]).astype("float64").where(mine, 0.0).fillna(0.0),
        **{name: rows[name].astype("float64") for name in costs},
    )
    by = counted.groupby(["override_id", "region"], sort=True)
    found = by[["items", "items_in_effect", "items_unpriced", "revenue"]].sum()
    found = found.join(by[costs].sum(min_count=1)).join(
        by["state"].agg(lambda s: "|".join(sorted(set(s)))).rename("states")
    )
    return found.reset_index().sort_values(
        ["cost_year", "override_id", "region"], ascending=[False, True, True], ignore_index=True
    )
