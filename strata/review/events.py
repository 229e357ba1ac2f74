"""What happened to items since they were last decided: launches, endings, hierarchy changes, drift.

Belongs here: telling events from two states of item master and profile, whose rows are decided again. Does not: reading
snapshots and deciding (`strata.conformed.events`), the test of drift (`strata.demand.level`, `strata.demand.shift`).
"""

from typing import Any

import numpy as np
import pandas as pd

KEY = ["sku_id", "location_id"]
LAUNCH, ENDING, HIERARCHY, DRIFT = "launch", "ending", "hierarchy", "drift"
# Columns of the item master whose change is an event.
WATCHED: dict[str, str] = {
    "category": HIERARCHY,
    "family": HIERARCHY,
    "launch_date": LAUNCH,
    "predecessor_sku_id": LAUNCH,
    "status": ENDING,
    "end_date": ENDING,
}
_NONE = "-"


def events(
    master_before: pd.DataFrame, master_now: pd.DataFrame, profile_before: pd.DataFrame, profile_now: pd.DataFrame
) -> pd.DataFrame:
    """Events between two states, one row per item (and location) that has any.

    launch: new in the master, another launch date or predecessor, or demand for the first time. ending: another status
    or end date, or gone from the master. hierarchy: another category or family. drift: the shift test fires and did
    not before.

    Args:
        master_before: sku_id and the columns of `WATCHED`, one row per item, as known then.
        master_now: the same as known now.
        profile_before: rows of `demand_profile` at the class level: sku_id, location_id, is_true_shift.
        profile_now: the same now, with recent_ratio and shift_z.

    Returns:
        sku_id, location_id, event (joined by `+`), detail (joined by `; `), sorted by key. An item without any profile
        has the location `*`.

    Examples:
        >>> master = pd.DataFrame({"sku_id": ["A", "B"], **{name: ["x", "x"] for name in WATCHED}})
        >>> profile = pd.DataFrame({"sku_id": ["A", "B"], "location_id": "*", "is_true_shift": False,
        ...                         "recent_ratio": [1.0, 2.5], "shift_z": [0.1, 4.0]})
        >>> now = profile.assign(is_true_shift=[False, True])
        >>> events(master, master.assign(family=["y", "x"]), profile, now).values.tolist()
        [['A', '*', 'hierarchy', 'family: x -> y'], ['B', '*', 'drift', 'level x 2.50, z 4.0']]
    """
    told = _of_master(master_before, master_now, profile_before, profile_now)
    found = pd.concat([told, _of_demand(profile_before, profile_now)], ignore_index=True)
    if found.empty:
        return pd.DataFrame(columns=[*KEY, "event", "detail"])
    order = {name: at for at, name in enumerate((LAUNCH, ENDING, HIERARCHY, DRIFT))}
    found = found.sort_values(by="event", key=lambda names: names.map(order), kind="stable")
    grouped = found.groupby(KEY, sort=True)
    return pd.DataFrame(
        {
            "event": grouped["event"].agg(lambda names: "+".join(dict.fromkeys(names))),
            "detail": grouped["detail"].agg("; ".join),
        }
    ).reset_index()


def touched_rows(before: pd.DataFrame, now: pd.DataFrame, touched: pd.DataFrame) -> pd.DataFrame:
    """Profile rows that a scoped decision looks at: those of touched items as they are now, all others as they were.

    A touched row that is no longer there (its item left the plan) is in neither.

    Args:
        before: rows of `demand_profile` when it was last decided.
        now: rows as they are now.
        touched: sku_id, location_id of the rows that are decided again.
    """
    keys = pd.MultiIndex.from_frame(touched[KEY])
    kept = before[~pd.MultiIndex.from_frame(before[KEY]).isin(keys)]
    new = now[pd.MultiIndex.from_frame(now[KEY]).isin(keys)]
    return pd.concat([part for part in (kept, new) if len(part)] or [kept], ignore_index=True)


def _of_master(
    before: pd.DataFrame, now: pd.DataFrame, profile_before: pd.DataFrame, profile_now: pd.DataFrame
) -> pd.DataFrame:
    both = before.merge(now, on="sku_id", how="outer", suffixes=("_before", "_now"), indicator="side")
    new, gone = (both["side"] == side for side in ("right_only", "left_only"))
    found = [
        pd.DataFrame({"sku_id": both.loc[new, "sku_id"], "event": LAUNCH, "detail": "new in the item master"}),
        pd.DataFrame({"sku_id": both.loc[gone, "sku_id"], "event": ENDING, "detail": "gone from the item master"}),
    ]
    for name, event in WATCHED.items():  # a step per watched column
        was, is_ = both[f"{name}_before"], both[f"{name}_now"]
        changed = ~new & ~gone & ~((was == is_) | (was.isna() & is_.isna()))
        pairs = zip(_shown(was[changed]), _shown(is_[changed]), strict=True)
        detail = [f"{name}: {old} -> {new_}" for old, new_ in pairs]
        found.append(pd.DataFrame({"sku_id": both.loc[changed, "sku_id"], "event": event, "detail": detail}))
    told = pd.concat(found, ignore_index=True)
    places = pd.concat([profile_before[KEY], profile_now[KEY]]).drop_duplicates()
    placed: pd.DataFrame = told.merge(places, on="sku_id", how="left")
    return placed.assign(location_id=placed["location_id"].fillna("*"))


def _of_demand(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    at = pd.MultiIndex.from_frame(before[KEY]).get_indexer(pd.MultiIndex.from_frame(now[KEY]))
    was = np.append(before["is_true_shift"].to_numpy(dtype=bool), False)[at]
    first, drifts = at < 0, now["is_true_shift"].to_numpy(dtype=bool) & ~was
    pairs = zip(now.loc[drifts, "recent_ratio"], now.loc[drifts, "shift_z"], strict=True)
    detail = [f"level x {ratio:.2f}, z {z:.1f}" for ratio, z in pairs]
    new: pd.DataFrame = now.loc[first, KEY].assign(event=LAUNCH, detail="demand for the first time")
    drifted: pd.DataFrame = now.loc[drifts, KEY].assign(event=DRIFT, detail=detail)
    return pd.concat([new, drifted], ignore_index=True)


def _shown(values: "pd.Series[Any]") -> list[str]:
    return [str(value) for value in values.astype(object).where(values.notna(), _NONE)]
