"""The evidence about a boundary between two classes: what lies near it, what another cut would do, what crossed it.

Belongs here: the figures, per region of a release. Does not: reading the release (`strata.conformed.boundaries`), words
and pictures (`strata.review.dossier`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.classify.assign import AXES, proposals
from strata.inventory.policy import policies
from strata.partition import Partition
from strata.scheme.model import Scheme

KEY = ["sku_id", "location_id"]
EFFECTS = ("stock_value", "safety_stock_value", "holding_cost_year", "revenue_served_year", "margin_served_year")
_EDGE = 1e-9  # cuts plus steps are sums of decimals: 0.80 + 0.04 is 0.84

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Boundary:
    """One boundary of an axis: its name, the classes above it, and the parameter that sets it."""

    name: str
    axis: str
    position: int
    parameter: str

    @property
    def upper(self) -> tuple[str, ...]:
        """Classes above the boundary."""
        return AXES[self.axis][: self.position + 1]

    @property
    def pair(self) -> tuple[str, str]:
        """The classes that meet at it."""
        return AXES[self.axis][self.position], AXES[self.axis][self.position + 1]

    def cut(self, scheme: Scheme) -> float:
        """Where the scheme sets it, in units of the axis' metric."""
        return self.cuts(scheme)[self.position]

    def cuts(self, scheme: Scheme) -> tuple[float, float]:
        """Both cuts of the axis."""
        rule = scheme.value if self.axis == "value" else scheme.variability
        found: dict[str, float] = dict(rule.cuts.items())
        return found[AXES[self.axis][0]], found[AXES[self.axis][1]]

    def above(self, metric: Floats, cut: float) -> Booleans:
        """Whether a metric lies above the boundary; a share that meets the cut does not, a CV that meets it does."""
        return metric < cut if self.axis == "value" else metric <= cut


BOUNDARIES = tuple(
    Boundary(f"{classes[at]}/{classes[at + 1]}", axis, at, f"{axis}.cuts.{classes[at]}")
    for axis, classes in AXES.items()
    for at in range(2)
)


@dataclass(frozen=True, slots=True)
class Region:
    """One region of a release with what its evidence rests on.

    Attributes:
        partition: region, and the cycle whose rows the release holds.
        scheme: the one that decided it.
        items: `described` of it.
        places: `inventory_policy`, one row per item-location, with unit_cost, revenue_year, margin_year (NaN unknown).
        stock: what policies are computed from (`strata.inventory.policy.policies`), with revenue_year, margin_year.
    """

    partition: Partition
    scheme: Scheme
    items: pd.DataFrame
    places: pd.DataFrame
    stock: pd.DataFrame


def described(
    assignment: pd.DataFrame, profile: pd.DataFrame, stability: pd.DataFrame, *, scheme: Scheme
) -> pd.DataFrame:
    """Every item with its class and what a boundary is judged by.

    Args:
        assignment: rows of `segment_assignment` of a region.
        profile: rows of `demand_profile` at the class level.
        stability: rows of `class_stability`; may be empty.
        scheme: the one that decided them.

    Returns:
        The assignment with revenue as float, is_true_shift, what `stability` says, and per axis: `_held` (class before
        overrides), `_fixed` (an override decides it), `_proposed` (class position by the metric alone, -1 `U`),
        `_metric` and `_beyond_0`, `_beyond_1` (P(beyond the cut)).

    Raises:
        ValueError: an item stands twice, or a profile has no assignment.
    """
    found = profile[KEY].assign(is_true_shift=profile["is_true_shift"].to_numpy(dtype=bool))
    for name, axis in proposals(profile, scheme).items():
        found[f"{name}_proposed"], found[f"{name}_metric"] = axis.proposed, axis.metric
        found[f"{name}_beyond_0"], found[f"{name}_beyond_1"] = axis.beyond[:, 0], axis.beyond[:, 1]
    items = assignment.merge(found, on=KEY, how="left", validate="one_to_one", indicator=True)
    if (items["_merge"] != "both").any() or len(items) != len(profile):
        raise ValueError("segment_assignment and demand_profile hold different items; the release is damaged")
    tested = [name for name in stability.columns if name.startswith("p_")]
    tested += ["draws", "is_at_risk", "likeliest_segment"]
    items = items.drop(columns="_merge").merge(
        stability[[*KEY, *tested, "decision_reason"]].rename(columns={"decision_reason": "stability_reason"}),
        on=KEY,
        how="left",
        validate="one_to_one",
    )
    for at, name in enumerate(AXES):
        items[f"{name}_held"] = items["computed_segment"].str[at]
        items[f"{name}_now"] = items["segment"].str[at]
        items[f"{name}_before"] = items["previous_segment"].str[at]
        items[f"{name}_fixed"] = items[f"{name}_held"] != items[f"{name}_now"]
        items[f"{name}_reason"] = items["decision_reason"].str.extract(rf"{name}:([a-z_]+)", expand=False)
    return items.assign(revenue=pd.to_numeric(items["revenue"]).astype(float).fillna(0.0))


def near(region: Region, boundary: Boundary) -> dict[str, float]:
    """Items and revenue on either side of a boundary, and within its dead band.

    Within the dead band is what no control would move, whichever side it is on: nearer to the cut than the scheme's
    band, or beyond it with a probability between one minus the scheme's `posterior` and `posterior`.
    """
    items, metric = region.items, region.items[f"{boundary.axis}_metric"].to_numpy(np.float64)
    known = items[f"{boundary.axis}_proposed"].to_numpy() >= 0
    above = known & boundary.above(metric, boundary.cut(region.scheme))
    revenue, band = items["revenue"].to_numpy(), in_band(region, boundary)
    return {
        "cut": boundary.cut(region.scheme),
        "items": float(known.sum()), "revenue": float(revenue[known].sum()),
        "above_items": float(above.sum()), "above_revenue": float(revenue[above].sum()),
        "band_items": float(band.sum()), "band_revenue": float(revenue[band].sum()),
    }  # fmt: skip


def in_band(region: Region, boundary: Boundary) -> Booleans:
    """Items that the dead band would leave on either side."""
    rule, cut, items = region.scheme.hysteresis, boundary.cut(region.scheme), region.items
    metric = items[f"{boundary.axis}_metric"].to_numpy(np.float64)
    known = items[f"{boundary.axis}_proposed"].to_numpy() >= 0
    width = rule.value_band if boundary.axis == "value" else rule.variability_band * cut
    found = known & (np.abs(metric - cut) < width)
    if rule.posterior is not None:
        beyond = items[f"{boundary.axis}_beyond_{boundary.position}"].to_numpy(np.float64)
        found |= known & (beyond < rule.posterior) & (1.0 - beyond < rule.posterior)
    return np.asarray(found, dtype=np.bool_)


def tried(boundary: Boundary, scheme: Scheme) -> list[float]:
    """The other cuts that the scheme's `dossier` tries: those that leave the axis' other cut on its side."""
    if scheme.dossier is None:
        return []
    low, high = boundary.cuts(scheme)
    cut = boundary.cut(scheme)
    if boundary.axis == "value":
        found, least, most = [cut + step for step in scheme.dossier.value_steps], 0.0, 1.0
    else:
        found, least, most = [cut * (1 + step) for step in scheme.dossier.variability_steps], 0.0, np.inf
    least, most = (least, high) if boundary.position == 0 else (low, most)
    return [round(other, 6) for other in found if least + _EDGE < other < most - _EDGE]


def alternatives(region: Region) -> pd.DataFrame:
    """What every other cut would change: items that it proposes to move, and what their policies hold and serve.

    Other things stay as they are: items that the cut does not touch, the other axis' class in force, demand, costs,
    lead times. No dead band and no confirmation is in it: it is what all items near the cut come to in the end, not
    what moves in the next run (that is `strata scheme diff`). Items whose class an override decides do not move.

    Returns:
        Per boundary and cut: boundary, cut, tried, items, revenue, unpriced_items (stocked nowhere, or without a known
        cost or margin), and the change of each of `EFFECTS`, money, per year where it says so.
    """
    rows, wanted = [], []
    for boundary in BOUNDARIES:
        for other in tried(boundary, region.scheme):
            at, segments = _moved(region.items, boundary, boundary.cut(region.scheme), other)
            rows.append((boundary, other, at, segments))
            wanted += [pd.DataFrame({"item": at, "segment": one}) for one in segments]
    costs = _priced(region, pd.concat(wanted).drop_duplicates()) if wanted else pd.DataFrame(columns=list(EFFECTS))
    found = []
    for boundary, other, at, (held, right) in rows:
        before, after = (
            costs.reindex(pd.MultiIndex.from_arrays([at, one])).to_numpy(np.float64) for one in (held, right)
        )
        change = after - before
        found.append(
            {
                "boundary": boundary.name, "cut": boundary.cut(region.scheme), "tried": other,
                "step": other - boundary.cut(region.scheme), "items": float(len(at)),
                "revenue": float(region.items["revenue"].to_numpy()[at].sum()),
                "unpriced_items": float(np.isnan(change).any(axis=1).sum()),
                **dict(zip(EFFECTS, np.nansum(change, axis=0).tolist(), strict=True)),
            }
        )  # fmt: skip
    return pd.DataFrame(found)


def _moved(items: pd.DataFrame, boundary: Boundary, cut: float, other: float) -> tuple[Any, tuple[Any, Any]]:
    """Rows of the items between two cuts, and their segments by the one and by the other."""
    axis, metric = boundary.axis, items[f"{boundary.axis}_metric"].to_numpy(np.float64)
    before, after = boundary.above(metric, cut), boundary.above(metric, other)
    free = (items[f"{axis}_proposed"].to_numpy() >= 0) & ~items[f"{axis}_fixed"].to_numpy(dtype=bool)
    at = np.flatnonzero(free & (before != after))
    sides = [np.where(side[at], *boundary.pair).astype(object) for side in (before, after)]
    if axis == "value":
        rest = items["variability_now"].to_numpy(dtype=object)[at]
        return at, (sides[0] + rest, sides[1] + rest)
    rest = items["value_now"].to_numpy(dtype=object)[at]
    return at, (rest + sides[0], rest + sides[1])


def _priced(region: Region, wanted: pd.DataFrame) -> pd.DataFrame:
    """`EFFECTS` of items under segments, summed over their places; no row where an item is stocked nowhere."""
    at_region = region.scheme.class_level == "region"
    stock = region.stock.drop(columns="segment")
    keys = stock[KEY].assign(location_id="*") if at_region else stock[KEY]
    index = pd.MultiIndex.from_frame(region.items[KEY])
    stock = stock.assign(item=index.get_indexer(pd.MultiIndex.from_frame(keys)))
    rows = wanted.merge(stock, on="item", how="inner", validate="many_to_many").sort_values(
        ["item", "segment", "location_id"], ignore_index=True
    )
    if rows.empty:
        return pd.DataFrame(columns=list(EFFECTS), index=pd.MultiIndex.from_arrays([[], []]))
    bucket = region.scheme.buckets.planning
    found = policies(rows, scheme=region.scheme, partition=region.partition, bucket=bucket)
    worth = effects(found.assign(**{name: rows[name] for name in ("unit_cost", "revenue_year", "margin_year")}))
    return worth.groupby([rows["item"], rows["segment"]], sort=True).sum(min_count=1)


def effects(places: pd.DataFrame) -> pd.DataFrame:
    """`EFFECTS` of item-locations: stock at cost, safety stock at cost, holding cost, and what stock serves a year.

    A place without a policy holds nothing and serves nothing; NaN where a cost or margin is not known.

    Args:
        places: policy_type, expected_stock_units, safety_stock_units, holding_cost_year, expected_fill_rate,
            unit_cost, revenue_year, margin_year.
    """
    none = (places["policy_type"] == "none").to_numpy()
    cost, fill = (places[name].to_numpy(np.float64) for name in ("unit_cost", "expected_fill_rate"))
    return pd.DataFrame(
        {
            "stock_value": np.where(none, 0.0, places["expected_stock_units"].to_numpy(np.float64) * cost),
            "safety_stock_value": np.where(none, 0.0, places["safety_stock_units"].to_numpy(np.float64) * cost),
            "holding_cost_year": np.where(none, 0.0, places["holding_cost_year"].to_numpy(np.float64)),
            "revenue_served_year": np.where(none, 0.0, fill * places["revenue_year"].to_numpy(np.float64)),
            "margin_served_year": np.where(none, 0.0, fill * places["margin_year"].to_numpy(np.float64)),
        },
        index=places.index,
    )


def sensitivity(region: Region, boundary: Boundary) -> dict[str, float]:
    """How sure items are of their side: by their own probability, and in the other samples that were drawn.

    `unsure_items`: items of the two classes that meet here whose class is less probable than the scheme's
    `stability.min_probability` (NaN without that part). `other_side`: items that a draw puts on the other side of the
    boundary, in the mean of the draws.
    """
    items, rule = region.items, region.scheme.stability
    pair = items[f"{boundary.axis}_held"].isin(boundary.pair).to_numpy()
    probability, revenue = items["class_probability"].to_numpy(np.float64), items["revenue"].to_numpy()
    unsure = pair & (probability < rule.min_probability) if rule else np.zeros(len(items), dtype=bool)
    drawn = (pd.to_numeric(items["draws"]).fillna(0) > 0).to_numpy() & (
        items[f"{boundary.axis}_held"] != "U"
    ).to_numpy()
    above = items[f"{boundary.axis}_held"].isin(boundary.upper).to_numpy()
    names = [f"p_{name.lower()}" for name in AXES[boundary.axis]]
    split = boundary.position + 1
    up, down = (items[part].astype(float).sum(axis=1).to_numpy() for part in (names[:split], names[split:]))
    return {
        "pair_items": float(pair.sum()), "pair_revenue": float(revenue[pair].sum()),
        "unsure_items": float(unsure.sum()) if rule else float("nan"),
        "unsure_revenue": float(revenue[unsure].sum()) if rule else float("nan"),
        "drawn_items": float(drawn.sum()),
        "other_side": float(np.where(above, down, up)[drawn].sum()),
    }  # fmt: skip


def crossings(region: Region, boundary: Boundary) -> dict[str, float]:
    """Items that crossed a boundary in this cycle, and those that would have and were held.

    Only items that have a class on this axis before and now; an item that jumps two classes crosses both boundaries.
    `true_shift`: the item's level truly changed; `override`: it crossed only because an override began or ended;
    `noise`: the others. `held_<reason>`: the metric proposes the other side and a control keeps the item.
    """
    items, axis = region.items, boundary.axis
    before, now = items[f"{axis}_before"], items[f"{axis}_now"]
    known = (before.isin(AXES[axis]) & now.isin(AXES[axis])).to_numpy()
    was, stands = before.isin(boundary.upper).to_numpy(), now.isin(boundary.upper).to_numpy()
    moved = items[f"{axis}_reason"].isin(["moved", "moved_shift", "last_class"]).to_numpy()
    crossed, shift = known & (was != stands), items["is_true_shift"].to_numpy(dtype=bool)
    found = {
        "known_items": known.sum(), "crossed": crossed.sum(), "up": (crossed & stands).sum(),
        "down": (crossed & was).sum(), "crossed_revenue": items["revenue"].to_numpy()[crossed].sum(),
        "override": (crossed & ~moved).sum(), "true_shift": (crossed & moved & shift).sum(),
        "noise": (crossed & moved & ~shift).sum(),
    }  # fmt: skip
    proposed = items[f"{axis}_proposed"].to_numpy()
    held = items[f"{axis}_held"].isin(boundary.upper).to_numpy()
    waits = (proposed >= 0) & (items[f"{axis}_held"] != "U").to_numpy() & ((proposed <= boundary.position) != held)
    reasons = items[f"{axis}_reason"].where(waits & items[f"{axis}_reason"].str.startswith("held_"))
    return {name: float(value) for name, value in found.items()} | {
        str(reason): float(count) for reason, count in sorted(reasons.value_counts().items())
    }


def summed(parts: Iterable[dict[str, float]], *, keep: tuple[str, ...] = ()) -> dict[str, float]:
    """Figures of several regions added up; those of `keep` are left out."""
    found: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            if name not in keep:
                found[name] = found.get(name, 0.0) + value
    return found
