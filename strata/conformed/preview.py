"""A published partition decided again under another scheme: the same inputs, previous classes and overrides.

Belongs here: which stages a scheme changes, running those and reusing the rest. Does not: comparing two outcomes
(`strata.review.change`), reading releases (`strata.cli.preview`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from strata.classify.assign import MEMORY
from strata.conformed import decide, history, profile, supply
from strata.conformed.history import View
from strata.durable import write_parquet
from strata.inventory.policy import PERIOD_DAYS
from strata.review.change import Side
from strata.scheme.diff import decisive
from strata.scheme.model import Scheme

# What a stage does not read of a scheme. A part that is not named here is taken to be read: the stage runs again.
# The baseline of the history, which no later stage reads, stays as it was published.
_AFTER_HISTORY = frozenset({
    "class_level", "value", "variability", "demand_pattern", "hysteresis", "level", "lifecycle", "fallback", "shift",
    "cadence", "forecast_error", "seasonality", "forecast", "hierarchy", "inventory", "policies", "gates",
    "service", "kpis", "stability", "dossier", "customers", "outliers", "evidence", "rules",
})  # fmt: skip
_JUDGED = frozenset({
    "cadence", "gates", "hierarchy", "service", "kpis", "stability", "dossier", "customers", "outliers", "evidence",
})  # fmt: skip
_AFTER_CLASSES = _JUDGED | {"forecast", "inventory", "policies"}
_AFTER_PROFILE = _AFTER_CLASSES | {"hysteresis", "rules", "value.cuts", "variability.cuts"}
NOT_READ: Mapping[str, frozenset[str]] = {
    "demand_history": _AFTER_HISTORY,
    "demand_profile": _AFTER_PROFILE,
    "segment_assignment": _AFTER_CLASSES,
    "demand_forecast": _AFTER_PROFILE - {"forecast"},
    "lead_time_profile": frozenset(Scheme.model_fields) - {"inventory"},
    "inventory_policy": _JUDGED,
}
STAGES = tuple(NOT_READ)


@dataclass(frozen=True, slots=True)
class Published:
    """A partition as a release holds it.

    `view` has the scheme that decided it, `tables` the rows of `STAGES`, `previous` the effective classes of the cycle
    before, `overrides` those of people as a run gets them.
    """

    view: View
    tables: Mapping[str, pa.Table]
    previous: pa.Table | None
    overrides: pd.DataFrame


_MOVING = ("segment", *(name for name in MEMORY if name.endswith("pending")))
MOST_ROUNDS = 60  # a budget lets so few through at a time that more cycles than five years of them say nothing


def published_side(known: Published) -> Side:
    """What was published, as one side of a comparison."""
    return _side(known.view.scheme, known.tables)


def decided_again(known: Published, scheme: Scheme, scratch: Path, *, settled: bool) -> Side:
    """Decide the partition under `scheme`; stages that read the same of both schemes keep what was published.

    Args:
        known: the partition as it was published.
        scheme: the one to decide it by.
        scratch: folder for the tables in between; the caller removes it.
        settled: decide it cycle after cycle as if demand stayed what it is, until no class moves and none waits to:
            confirmations, dwell and budget let a new scheme through over several cycles.
    """
    view = replace(known.view, scheme=scheme)
    stale = {name for name in STAGES if reads(name, scheme) != reads(name, known.view.scheme)}
    if not stale and not settled:
        return _side(scheme, known.tables)
    tables: dict[str, Any] = dict(known.tables)

    def made(name: str, table: pa.Table) -> None:
        tables[name] = table

    def file(name: str) -> Path:
        path = scratch / f"{name}.parquet"
        write_parquet(path, tables[name])
        return path

    past: Path | pa.Table = tables["demand_history"]
    if "demand_history" in stale:
        past = scratch / "demand_history.parquet"
        history.demand_history(view, past)
    if "demand_profile" in stale:
        made("demand_profile", profile.demand_profile(view, past, known.previous))
    shape = file("demand_profile")
    made("segment_assignment", decide.segment_assignment(view, shape, known.previous, known.overrides))
    if settled:
        made("segment_assignment", _settled(view, shape, tables["segment_assignment"], known.overrides))
    if "demand_forecast" in stale:
        made("demand_forecast", decide.demand_forecast(view, past, shape))
    if "lead_time_profile" in stale:
        made("lead_time_profile", supply.lead_time_profile(view))
    files = {name: file(name) for name in ("demand_forecast", "segment_assignment", "lead_time_profile")}
    made(
        "inventory_policy",
        supply.inventory_policy(
            view, forecast=files["demand_forecast"], profile=shape, assignment=files["segment_assignment"],
            lead_times=files["lead_time_profile"],
        ),
    )  # fmt: skip
    return _side(scheme, tables)


def _settled(view: View, shape: Path, assignment: pa.Table, overrides: pd.DataFrame) -> pa.Table:
    """Where classes end if every cycle brought the same demand; reasons are those of the last cycle that moved one."""
    rule = view.scheme.hysteresis
    least = (rule.confirmations or 1) + (rule.dwell_cycles or 0)
    why = assignment["decision_reason"]
    for number in range(MOST_ROUNDS):  # a round per cycle, all items at once: each needs the classes before it
        after = decide.segment_assignment(view, shape, assignment, overrides)
        why = pc.if_else(pc.equal(after["segment"], assignment["segment"]), why, after["decision_reason"])
        is_still = after.select(_MOVING).equals(assignment.select(_MOVING))
        assignment = after
        if number >= least and is_still:
            break
    return assignment.set_column(assignment.schema.get_field_index("decision_reason"), "decision_reason", why)


def reads(stage: str, scheme: Scheme) -> dict[str, Any]:
    """What a stage, and those before it, read of a scheme."""
    skipped = NOT_READ[stage]
    found = {name: part for name, part in decisive(scheme).items() if name not in skipped}
    for name, part in found.items():
        if isinstance(part, dict):
            found[name] = {key: value for key, value in part.items() if f"{name}.{key}" not in skipped}
    return found


def _side(scheme: Scheme, tables: Mapping[str, pa.Table]) -> Side:
    forecast = tables["demand_forecast"].select(["sku_id", "location_id", "horizon", "mean_units"]).to_pandas()
    forecast = forecast[forecast["horizon"] == 1]
    year = 365 / PERIOD_DAYS[scheme.buckets.planning]
    policy = tables["inventory_policy"].to_pandas()
    profiled = (
        tables["demand_profile"].select(["sku_id", "location_id", "revenue", "margin", "demand_units"]).to_pandas()
    )
    money = ["revenue", "margin", "demand_units"]
    assigned = tables["segment_assignment"].select(["sku_id", "location_id", "decision_reason", *_MOVING]).to_pandas()
    return Side(
        at_region=scheme.class_level == "region",
        classes=assigned[["sku_id", "location_id", "segment", "decision_reason"]].assign(
            is_waiting=assigned[list(_MOVING[1:])].notna().any(axis=1)
        ),
        places=pd.DataFrame(
            {
                "sku_id": policy["sku_id"],
                "location_id": policy["location_id"],
                "holding_cost_year": policy["holding_cost_year"].astype(float),
                "stock_value": policy["holding_cost_year"].astype(float) / scheme.inventory.holding_rate_year,
                "fill_rate": policy["expected_fill_rate"].astype(float),
                "is_stocked": policy["policy_type"] != "none",
            }
        ),
        worth=profiled.assign(**{name: pd.to_numeric(profiled[name]).astype(float) for name in money}),
        demand=forecast[["sku_id", "location_id"]].assign(units_year=forecast["mean_units"].to_numpy() * year),
    )
