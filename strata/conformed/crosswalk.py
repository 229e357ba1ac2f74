"""Hierarchies of all sources beside the item master: who disagrees about which item, and what that decides.

Belongs here: versions known at the cut-off and valid on its day, revenue at stake, the declared table. Does not:
match rules, precedence and consequences (`strata.classify.hierarchy`).
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from strata.calendar import first_open_period, next_period
from strata.classify.hierarchy import ITEM_MASTER, UNKNOWN, Matches, consequences, disagreements, match
from strata.conformed.engine import engine, query
from strata.conformed.history import View
from strata.derivation import Derivation, Step, aggregated, computed
from strata.tables import HIERARCHY_CONFLICT

LEVELS = ("category", "family")
EXAMPLES = 5
# What an entry of no certain item has not.
_OPTIONAL = ("changes_decision", "revenue_at_stake", "chosen_source", "chosen_node", "since")
_WORDS = {"change": "none", "current_class": "-", "candidate_classes": "-"}
_ENTRIES = """
select hierarchy_source, source_item_id, level, node_code, valid_from, sku_id, gtin, manufacturer_part_number, item_text
from int_hierarchy_version
where
    known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
    and valid_from <= $day and (valid_to is null or valid_to >= $day)
qualify row_number() over (partition by hierarchy_source, source_item_id, level order by valid_from desc) = 1
order by hierarchy_source, source_item_id, level
"""
_ITEMS = """
select
    sku_id, item_name, gtin, manufacturer_part_number, category, family,
    cast(timezone(getvariable('zone'), known_from) as date) as valid_from,
    exists (
        select 1 from exclusion as e
        where (e.column_name = 'status' and e.value = status) or (e.column_name = 'sku_id' and e.value = sku_id)
    ) as other_exclusion
from int_item_version
where known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
order by sku_id
"""
# Of the items in question only, whether they are in the plan or left out of it by an exclusion.
_REVENUE = """
select
    sku_id,
    coalesce(sum(revenue) filter (
        where local_date >= $begin and local_date < $stop
        and (reason is null or reason in (select name from exclusion))
    ), 0)::decimal(18, 4) as revenue
from sales_as_known
group by sku_id
order by sku_id
"""
_RANKED = """
select a.sku_id, a.value_class, a.revenue::double as revenue, p.fallback_level
from segment_assignment as a
inner join demand_profile as p on a.sku_id = p.sku_id and a.location_id = p.location_id
where a.location_id = '*' or getvariable('level') = 'location'
order by a.sku_id
"""
_CODES = ("sku_id", "gtin", "manufacturer_part_number")
_MATCHED = (
    *(f"int_hierarchy_version.{name}" for name in (*_CODES, "item_text", "valid_from", "valid_to", "level")),
    *(f"int_item_version.{name}" for name in (*_CODES, "item_name")),
)
_NODES = ("int_hierarchy_version.node_code", "int_item_version.category", "int_item_version.family", "rule.hierarchy")
_CLASSES = (
    *("segment_assignment.value_class", "segment_assignment.revenue", "demand_profile.fallback_level"),
    *("sales_as_known.revenue", "int_item_version.status", "rule.exclusions", "rule.value"),
)
STEPS: tuple[Step, ...] = (
    Derivation(
        "hierarchy_conflict",
        {
            "sku_id": computed("int_item_version.sku_id", when=_MATCHED),
            "level": computed("int_hierarchy_version.level"),
            "queue_rank": computed(*_NODES, *_CLASSES, when=_MATCHED),
            "conflict": computed(*_NODES, when=_MATCHED),
            "changes_decision": computed(*_NODES, *_CLASSES, when=_MATCHED),
            "change": computed(*_NODES, *_CLASSES, when=_MATCHED),
            "revenue_at_stake": aggregated("sales_as_known.revenue", when=_MATCHED),
            "current_class": computed("segment_assignment.value_class", when=_MATCHED),
            "candidate_classes": computed(*_NODES, *_CLASSES, when=_MATCHED),
            "chosen_source": computed("int_hierarchy_version.hierarchy_source", *_NODES, when=_MATCHED),
            "chosen_node": computed(*_NODES, when=_MATCHED),
            "resolution": computed(*_NODES, when=_MATCHED),
            "since": computed("int_hierarchy_version.valid_from", "int_item_version.known_from", when=_MATCHED),
            "candidates": computed(*_NODES, *_CLASSES, when=_MATCHED),
        },
        rows=(*_MATCHED, *_NODES),
    ),
)


def hierarchy_conflict(view: View, *, assignment: Path, profile: Path) -> pa.Table:
    """`hierarchy_conflict` of a partition: items sold there whose sources disagree, those that decide most first.

    Entries that may mean several items are one row per item; those that mean none are counted under item `?`, which
    has a row per level even where none is left.
    """
    rule = view.scheme.hierarchy
    if rule is None:
        return _declared(view, _unmatched(pd.DataFrame(columns=["level"]), pd.DataFrame(columns=["level"])))
    zone, bucket = view.calendar.zone(view.partition.region), view.scheme.buckets.classification
    day = view.cutoff.astimezone(zone).date()
    with engine(view.tables(), **view.variables()) as connection:
        entries = connection.execute(_ENTRIES, {"day": day}).to_arrow_table().to_pandas(date_as_object=True)
        if entries.empty:
            return _declared(view, _unmatched(entries, entries))
        items = connection.execute(_ITEMS).to_arrow_table().to_pandas(date_as_object=True)
    found = match(entries, items)
    conflicts = disagreements(pd.concat([found.nodes, _own_nodes(items)], ignore_index=True), rule)
    uncertain = _uncertain(found)
    wanted = sorted({*conflicts["sku_id"], *uncertain["sku_id"]})
    stop = first_open_period(view.cutoff, zone, bucket)
    window = {"begin": next_period(stop, bucket, -view.scheme.value.window_cycles), "stop": stop}
    revenue = _revenue(view, wanted, window)
    with engine(
        {"segment_assignment": assignment, "demand_profile": profile}, level=view.scheme.class_level
    ) as connection:
        ranked = connection.execute(_RANKED).df().drop_duplicates("sku_id")
    facts = items.merge(revenue, on="sku_id", how="inner")[
        ["sku_id", "category", "family", "other_exclusion", "revenue"]
    ]
    rows = consequences(conflicts[conflicts["sku_id"].isin(facts["sku_id"])], facts, ranked, scheme=view.scheme)
    rows = rows.assign(conflict="sources_disagree").drop(
        columns=["category", "family", "other_exclusion", "fallback_level"]
    )
    taken = pd.MultiIndex.from_frame(rows[["sku_id", "level"]])
    left = uncertain[uncertain["sku_id"].isin(facts["sku_id"])]
    left = left[~pd.MultiIndex.from_frame(left[["sku_id", "level"]]).isin(taken)]
    left = left.merge(revenue, on="sku_id", how="left").rename(columns={"revenue": "revenue_at_stake"})
    unmatched = _unmatched(entries, found.queue[found.queue["reason"] == "unmatched"])
    return _declared(view, pd.concat([rows, left, unmatched], ignore_index=True))


def _own_nodes(items: pd.DataFrame) -> pd.DataFrame:
    """What the item master itself says, as one of the sources."""
    levels = [items[["sku_id", "valid_from"]].assign(level=name, node=items[name]) for name in LEVELS]
    own = pd.concat(levels, ignore_index=True)
    return own[own["node"].notna()].assign(hierarchy_source=ITEM_MASTER, match_rule="item_number")


def _uncertain(found: Matches) -> pd.DataFrame:
    """Entries that may mean several items, by item and level."""
    queue = found.queue[found.queue["reason"] != "unmatched"].explode("sku_ids").rename(columns={"sku_ids": "sku_id"})
    rows = [
        {
            "sku_id": sku,
            "level": level,
            "conflict": group["reason"].iloc[0],
            "reason": f"{group['reason'].iloc[0]}:{len(group)}",
            "candidates": _shown(group),
        }
        for (sku, level), group in queue.groupby(["sku_id", "level"], sort=True)
    ]
    return pd.DataFrame(rows, columns=["sku_id", "level", "conflict", "reason", "candidates"])


def _unmatched(entries: pd.DataFrame, left: pd.DataFrame) -> pd.DataFrame:
    """One row per level under item `?`: how many of its entries no rule found an item for, with examples."""
    counts = {level: (int((entries["level"] == level).sum()), left[left["level"] == level]) for level in LEVELS}
    rows = [
        {
            "sku_id": UNKNOWN,
            "level": level,
            "conflict": "unmatched" if len(none) else "none",
            "reason": f"unmatched:{len(none)} of {count}",
            "candidates": _shown(none) if len(none) else "[]",
        }
        for level, (count, none) in counts.items()
    ]
    return pd.DataFrame(rows)


def _shown(queue: pd.DataFrame) -> str:
    names = ["source", "node", "match_rule", "source_item_id"]
    return json.dumps(
        queue.rename(columns={"hierarchy_source": "source"})[names].head(EXAMPLES).to_dict("records"), sort_keys=True
    )


def _revenue(view: View, wanted: list[str], window: Mapping[str, object]) -> pd.DataFrame:
    tables = view.tables()
    lines = str(tables.pop("fct_sales_line")).replace("'", "''")
    tables["in_question"] = pa.table({"sku_id": pa.array(wanted, pa.string())})
    with engine(tables, **view.variables()) as connection:
        connection.execute(
            f"create view fct_sales_line as select * from read_parquet('{lines}') "  # noqa: S608 - a path of ours
            "where sku_id in (select sku_id from in_question)"
        )
        connection.execute(query("conversion"))
        connection.execute(query("sales_as_known"))
        rows: pd.DataFrame = connection.execute(_REVENUE, window).to_arrow_table().to_pandas()
    return rows[rows["sku_id"].isin(wanted)]


def _declared(view: View, rows: pd.DataFrame) -> pa.Table:
    """The rows as the declared table, ranked: what changes a decision first, then by revenue."""
    rows = rows.reindex(columns=sorted({*rows.columns, *_OPTIONAL, *_WORDS})).astype(object)
    rows = rows.where(rows.notna(), None)
    rows = rows.assign(
        changes_decision=rows["changes_decision"].map(bool),
        **{name: rows[name].where(rows[name].notna(), word) for name, word in _WORDS.items()},
    )
    stake = pd.to_numeric(rows["revenue_at_stake"]).fillna(0.0).to_numpy(dtype=np.float64)
    order = np.lexsort((rows["level"].astype(str), rows["sku_id"].astype(str), -stake, ~rows["changes_decision"]))
    rank = np.empty(len(rows), dtype=np.int64)
    rank[order] = np.arange(1, len(rows) + 1)
    stamped = rows.assign(queue_rank=rank, **view.stamp)
    return HIERARCHY_CONFLICT.conform(stamped.rename(columns={"reason": "resolution"})[HIERARCHY_CONFLICT.names])
