"""Overrides and rules of a partition: the items that they look at, what remains of each class, and what each costs.

Belongs here: reading the columns that conditions name, and pricing. Does not: conditions and their order
(`strata.classify.rules`), the register (`strata.review.overrides`), which overrides of people are known (governance).
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from strata.classify.keyed import KEY, floats
from strata.classify.rules import Resolution, resolve
from strata.conformed.engine import engine
from strata.conformed.history import View
from strata.conformed.staleness import policy_costs
from strata.conformed.supply import stocked
from strata.derivation import Derivation, Query, Step, computed, copied
from strata.review.overrides import changed, override_rows, placed, register
from strata.scheme.rules import COLUMNS, columns_of
from strata.tables import NOT_SUSPENDED, OVERRIDE

_MASTER = """
select
    sku_id, category, family, supplier_id, base_unit, currency, predecessor_sku_id, status, standard_cost, list_price,
    launch_date, end_date
from int_item_version
where known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
"""
_DECIDED = """
select p.*, a.segment, a.computed_segment, a.override_id
from demand_profile as p
inner join segment_assignment as a on p.sku_id = a.sku_id and p.location_id = a.location_id
where (p.location_id = '*') = (getvariable('level') = 'region')
order by p.sku_id, p.location_id
"""
_SOURCES = {"item": "item_master", "profile": "class_level"}
_PICKED = (
    *(f"{_SOURCES[column.source]}.{name}" for name, column in COLUMNS.items() if column.source in _SOURCES),
    *(f"class_level.{name}" for name in KEY), "run.region", "run.cycle",
)  # fmt: skip
_GIVEN = tuple(f"class_override.{name}" for name in ("sku_id", "location_id", "start_cycle", "end_cycle"))
_CLAIM = (*_PICKED, *_GIVEN, "rule.rules")
_CLASSES = ("class_override.value_class", "class_override.variability_class", "rule.rules")
_DECIDES = (*_CLAIM, *_CLASSES, "decided_item.override_id")
_COST = (
    "inventory_policy.holding_cost_year", "inventory_policy.expected_fill_rate", "stocked_pair.mean_units",
    "decided_item.margin", "decided_item.demand_units",
)  # fmt: skip
STEPS: tuple[Step, ...] = (
    Query("item_master", _MASTER),
    Query("decided_item", _DECIDED),
    Derivation(
        "override_bound",
        {
            **{name: computed(f"class_level.{name}", when=_CLAIM) for name in KEY},
            "value_class": computed("class_override.value_class", "rule.rules", when=_CLAIM),
            "variability_class": computed("class_override.variability_class", "rule.rules", when=_CLAIM),
            "override_id": computed("class_override.override_id", "rule.rules", when=_CLAIM),
        },
        rows=_CLAIM,
    ),
    Derivation(
        "override",
        {
            **{name: computed(f"class_override.{name}", f"class_level.{name}", when=_CLAIM) for name in KEY},
            "override_id": computed("class_override.override_id", "rule.rules"),
            **{name: computed("rule.rules", when=("class_override.override_id",)) for name in ("kind", "priority")},
            "source": computed("class_override.override_id", "rule.rules"),
            **{
                name: computed(f"class_override.{name}", "rule.rules") for name in ("owner", "reason", "approved_by")
            },
            "starts_cycle": computed("class_override.start_cycle", "rule.rules"),
            "expires_cycle": computed("class_override.end_cycle", "rule.rules"),
            "cycles_left": computed("class_override.end_cycle", "rule.rules", when=("run.cycle",)),
            "value_effect": computed("class_override.value_class", "rule.rules"),
            "variability_effect": computed("class_override.variability_class", "rule.rules"),
            "computed_segment": copied("decided_item.computed_segment"),
            "segment": copied("decided_item.segment"),
            "segment_without": computed("decided_item.segment", "decided_item.computed_segment", when=_DECIDES),
            "revenue": copied("decided_item.revenue"),
            "beaten_by": computed("class_override.override_id", "rule.rules", when=_DECIDES),
            **{name: computed(*_DECIDES) for name in ("state", "is_in_effect")},
            "holding_difference_year": computed(*_COST[:1], when=_DECIDES),
            "margin_difference_year": computed(*_COST[1:], when=_DECIDES),
            "cost_year": computed(*_COST, when=_DECIDES),
            "decision_reason": computed(*_DECIDES, when=_COST),
        },
        rows=_CLAIM,
    ),
)  # fmt: skip


def resolved(view: View, rows: pd.DataFrame, overrides: pd.DataFrame) -> Resolution:
    """Overrides in force and rules that hold, over the items of a partition.

    Args:
        view: scheme, cycle and what is known.
        rows: `demand_profile` at the class level.
        overrides: of people, the earliest known first; those whose `standing` is not `in_force` have no claim.
    """
    cycle = view.partition.cycle
    rules = [rule for rule in view.scheme.rules if rule.holds_in(cycle)]
    given = overrides[overrides["standing"].eq("in_force")] if "standing" in overrides.columns else overrides
    named = {name for rule in rules for name in columns_of(rule.when)}
    of = {source: sorted(name for name in named if COLUMNS[name].source == source) for source in ("item", "profile")}
    items = rows[[*KEY, *of["profile"]]].assign(region=view.partition.region)
    if of["item"]:
        items = items.merge(_master(view)[["sku_id", *of["item"]]], on="sku_id", how="left", validate="many_to_one")
    return resolve(items, given.reset_index(drop=True), rules, cycle=cycle)


def override_table(
    view: View, overrides: pd.DataFrame, *, profile: Path, forecast: Path, assignment: Path, lead_times: Path
) -> pa.Table:
    """`override` of a partition: every override known and every rule of the scheme, per item that it claims.

    Costs are those of the policies at the demand, lead times and costs of this cycle: what the segment decided holds
    and serves, less what the segment without the override would.
    """
    scheme, partition = view.scheme, view.partition
    if overrides.empty and not scheme.rules:
        return OVERRIDE.empty()
    tables = {"demand_profile": profile, "segment_assignment": assignment}
    with engine(tables, level=scheme.class_level) as connection:
        decided = connection.execute(_DECIDED).to_arrow_table().to_pandas(date_as_object=True)
    claims = resolved(view, decided, overrides).claims
    told = register(overrides, scheme.rules, cycle=partition.cycle)
    names = [*KEY, "segment", "computed_segment", "override_id", "revenue"]
    rows = placed(told, claims, decided[names])
    costs = pd.DataFrame({"holding": [], "served": []})
    if len(at := changed(rows)):
        pairs = [
            rows.iloc[at][["item", name]].set_axis(["item", "segment"], axis=1)
            for name in ("segment", "segment_without")
        ]
        keys = decided[KEY].assign(margin=floats(decided["margin"]), demand_units=floats(decided["demand_units"]))
        places = stocked(view, forecast=forecast, profile=profile, assignment=assignment, lead_times=lead_times)
        costs = policy_costs(view, pd.concat(pairs).drop_duplicates(ignore_index=True), keys, places)
    found = override_rows(rows, costs).assign(**view.stamp, **NOT_SUSPENDED)
    return OVERRIDE.conform(found.astype(object).where(found.notna(), None)[OVERRIDE.names])


def _master(view: View) -> pd.DataFrame:
    with engine(view.only("int_item_version"), known_at=view.known_at) as connection:
        frame: pd.DataFrame = connection.execute(_MASTER).to_arrow_table().to_pandas(date_as_object=True)
    return frame
