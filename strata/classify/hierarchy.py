"""Which items the entries of a hierarchy mean, which node each item has, and which disagreements decide anything.

Belongs here: match rules, precedence of sources per level, the class under another node. Does not: reading versions
(`strata.conformed.crosswalk`), the hierarchy that the item master holds.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.classify.value import UNVALUED
from strata.scheme.model import Exclusion, Hierarchy, Scheme

ITEM_MASTER = "item_master"
UNKNOWN = "?"
EXCLUDED = "excluded"
RULES = ("item_number", "gtin", "part_number", "text")
# Rungs of the fallback ladder that borrow from the family of an item.
FAMILY_RUNGS = ("like_item", "family_region")
_GTIN = 14
_CONSEQUENCE = ["candidates", "current_class", "candidate_classes", "changes_decision", "change", "revenue_at_stake"]


@dataclass(frozen=True, slots=True)
class Matches:
    """What the rules found.

    `nodes` has a row per item, level and source: sku_id, level, hierarchy_source, node, valid_from, match_rule.
    `queue` has a row per entry that no item can be told for: hierarchy_source, source_item_id, level, node,
    match_rule (null where none found any), sku_ids (those that it may mean) and reason (`unmatched`,
    `ambiguous_match`, `rules_disagree`).
    """

    nodes: pd.DataFrame
    queue: pd.DataFrame


def gtin14(codes: "pd.Series[str]") -> "pd.Series[str]":
    """GTINs of any length as GTIN-14; null where the check digit is wrong (GS1 General Specifications, 7.9)."""
    plain = codes.astype("string").str.fullmatch(r"\d{8}|\d{12,14}").fillna(False).to_numpy(dtype=bool)
    padded = codes.where(plain).astype(object).map(lambda code: code.zfill(_GTIN), na_action="ignore")
    good = np.zeros(len(codes), dtype=bool)
    if plain.any():
        digits = np.array([list(code) for code in padded[plain]], dtype=np.int64)
        good[plain] = (digits * np.where(np.arange(_GTIN) % 2 == 0, 3, 1)).sum(axis=1) % 10 == 0
    return padded.where(good)


def part_number(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Part numbers without case and separators; null where nothing is left."""
    plain = texts.astype("string").str.upper().str.replace(r"[^0-9A-Z]", "", regex=True).astype(object)
    return plain.where(plain.notna() & (plain != ""))


def plain_text(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Descriptions without case, accents, punctuation and the order of words; null where nothing is left."""
    bare = texts.astype("string").str.normalize("NFKD").str.replace(r"[\u0300-\u036f]", "", regex=True).str.casefold()
    words = bare.str.findall(r"[^\W_]+").map(lambda found: " ".join(sorted(found)), na_action="ignore").astype(object)
    return words.where(words.notna() & (words != ""))


def match(entries: pd.DataFrame, items: pd.DataFrame) -> Matches:
    """Find the item of every entry: by its item number, else GTIN, else part number, else equal normalised text.

    A rule speaks for an entry only if it names exactly one item; one that names several leaves the entry to people,
    as does a rule further down that names another item than the first one did. Nothing is matched by likeness.

    Args:
        entries: hierarchy_source, source_item_id, level, node_code, valid_from, sku_id, gtin,
            manufacturer_part_number, item_text; unique by the first three.
        items: sku_id, gtin, manufacturer_part_number, item_name; unique by sku_id.
    """
    count = len(entries)
    chosen, rule, several, others = (np.full(count, None, dtype=object) for _ in range(4))
    for name in RULES:
        # Texts only for entries that nothing stronger found: the weakest rule contradicts none.
        asked = pd.isna(rule) if name == "text" else np.ones(count, dtype=bool)
        if not asked.any():
            continue
        wanted = _code(entries, name).where(asked)
        skus = _held(wanted, _code(items, name), items["sku_id"])
        hits = wanted.map(skus, na_action="ignore").to_numpy(dtype=object)
        sizes = np.array([len(hit) if isinstance(hit, tuple) else 0 for hit in hits])
        first, one = (sizes > 0) & pd.isna(rule), sizes == 1
        rule[first] = name
        chosen[first & one] = [hit[0] for hit in hits[first & one]]
        several[first & ~one] = hits[first & ~one]
        against = np.flatnonzero(one & ~first & pd.notna(chosen) & pd.isna(others))
        against = against[[hits[place][0] != chosen[place] for place in against]] if len(against) else against
        others[against] = hits[against]
    disagree, told = pd.notna(others), pd.notna(chosen)
    found = entries.assign(node=entries["node_code"], match_rule=rule)
    # The stronger rule still gives the node: the queue says what spoke against it.
    nodes = found.assign(sku_id=chosen)[told]
    reason = np.select([~told & pd.isna(rule), ~told, disagree], ["unmatched", "ambiguous_match", "rules_disagree"], "")
    candidates = [
        tuple(hit or ()) if not is_told else (sku, *(other or ()))
        for hit, is_told, sku, other in zip(several, told, chosen, others, strict=True)
    ]
    queue = found.assign(sku_ids=pd.Series(candidates, index=entries.index, dtype=object), reason=reason)[reason != ""]
    names = ["hierarchy_source", "source_item_id", "level", "node", "match_rule", "sku_ids", "reason"]
    kept = ["sku_id", "level", "hierarchy_source", "node", "valid_from", "match_rule"]
    return Matches(nodes[kept].reset_index(drop=True), queue[names].reset_index(drop=True))


def _code(rows: pd.DataFrame, rule: str) -> "pd.Series[str]":
    """What a rule compares, of entries and items alike."""
    if rule == "item_number":
        return rows["sku_id"]
    if rule == "gtin":
        return gtin14(rows["gtin"])
    if rule == "part_number":
        return part_number(rows["manufacturer_part_number"])
    return plain_text(rows["item_text"] if "item_text" in rows else rows["item_name"])


def _held(wanted: "pd.Series[str]", held: "pd.Series[str]", skus: "pd.Series[str]") -> dict[str, tuple[str, ...]]:
    """Items, sorted, of every wanted code that an item has."""
    known = held.notna() & held.isin(wanted.dropna().unique())
    found: dict[str, tuple[str, ...]] = {}
    for code, sku in sorted(zip(held[known], skus[known], strict=True)):
        found[code] = (*found.get(code, ()), sku)
    return found


def disagreements(nodes: pd.DataFrame, rule: Hierarchy) -> pd.DataFrame:
    """Items whose sources do not name one node for a level, with the node that precedence chooses.

    The first source of the level's precedence that names exactly one node gives it; sources that the scheme does not
    list choose nothing. Nodes are compared without case and outer blanks.

    Args:
        nodes: sku_id, level, hierarchy_source, node, valid_from, match_rule; the item master is one of the sources.
        rule: precedence per level.

    Returns:
        sku_id, level, chosen_source, chosen_node (null where no listed source is certain), reason, since (first day on
        which a second node stood beside the first), and `candidates`: list of the rows of `nodes` as dictionaries.
    """
    told = nodes.assign(same=nodes["node"].astype(str).str.strip().str.casefold())
    told = told.sort_values(["sku_id", "level", "hierarchy_source", "same", "valid_from"], kind="stable")
    told = told.drop_duplicates(["sku_id", "level", "hierarchy_source", "same"])
    keys = ["sku_id", "level"]
    told = told[told.groupby(keys)["same"].transform("nunique") > 1]
    if told.empty:
        return pd.DataFrame(columns=[*keys, "chosen_source", "chosen_node", "reason", "since", "candidates"])
    own = [*keys, "hierarchy_source"]
    rank = {(level, source): place for level, names in rule.precedence.items() for place, source in enumerate(names)}
    pairs = zip(told["level"], told["hierarchy_source"], strict=True)
    told = told.assign(
        rank=[rank.get(pair, np.inf) for pair in pairs], certain=told.groupby(own)["same"].transform("size") == 1
    )
    listed = told[told["certain"] & np.isfinite(told["rank"])].sort_values([*keys, "rank"], kind="stable")
    first = listed.drop_duplicates(keys).set_index(keys)[["hierarchy_source", "node"]]
    begun = told.sort_values([*keys, "valid_from"], kind="stable").drop_duplicates([*keys, "same"])
    since = begun.groupby(keys)["valid_from"].agg(lambda days: sorted(days)[1])
    columns = ["hierarchy_source", "node", "valid_from", "match_rule"]
    records = {key: group[columns].to_dict("records") for key, group in told.groupby(keys)}
    candidates = pd.Series([records[key] for key in since.index], index=since.index, dtype=object)
    table = pd.DataFrame({"since": since, "candidates": candidates}).join(
        first.rename(columns={"hierarchy_source": "chosen_source", "node": "chosen_node"})
    )
    reasons = np.where(
        table["chosen_source"].notna(), "precedence:" + table["chosen_source"].astype(str), "no_certain_source"
    )
    return table.assign(reason=reasons).reset_index()


def class_beside(
    values: npt.NDArray[np.float64], others: npt.NDArray[np.float64], cuts: Mapping[Any, float]
) -> npt.NDArray[np.object_]:
    """Value class that each of `values` would get in a ranking of `others` and itself, U without positive value.

    Same convention as `value_classes`: the share before the item decides; equal values share the first one's class.
    """
    ranked = np.sort(others[np.isfinite(others) & (others > 0)])[::-1]
    total = np.concatenate([[0.0], np.cumsum(ranked)])
    place = np.searchsorted(-ranked, -values, side="left")
    counted = np.isfinite(values) & (values > 0)
    before = np.divide(total[place], total[-1] + values, where=counted, out=np.zeros(len(values)))
    classes = np.array([*cuts, "C"], dtype=object)
    found = classes[np.searchsorted(np.array([*cuts.values()]), np.round(before, 12), side="right")]
    return np.where(counted, found, UNVALUED)


def exclusion_of(category: str | None, family: str | None, exclusions: tuple[Exclusion, ...]) -> str | None:
    """Name of the first exclusion (by name) that a category and family fall under; None where none does."""
    held = {"category": category, "family": family}
    hits = [rule.name for rule in exclusions if rule.column in held and held[rule.column] in rule.values]
    return min(hits, default=None)


def consequences(conflicts: pd.DataFrame, items: pd.DataFrame, ranked: pd.DataFrame, *, scheme: Scheme) -> pd.DataFrame:
    """Class and family under every candidate node, and whether the choice between them decides anything.

    A node decides through the exclusions of the scheme (an item leaves the plan or enters it with a class), and,
    for the family, through the rungs of the fallback ladder that borrow from it.

    Args:
        conflicts: result of `disagreements`.
        items: sku_id, category, family (those that decisions were made with), revenue (over the value window, sales
            that an exclusion leaves out included), other_exclusion (true where status or item number keep it out).
        ranked: sku_id, value_class, revenue, fallback_level of the items that have a class, one region.
        scheme: exclusions and value cuts.

    Returns:
        `conflicts` with `candidates` as JSON (source, node, match_rule, valid_from, value_class, exclusion,
        fallback_family), current_class, candidate_classes (distinct, sorted, `|` between), changes_decision,
        change (exclusion, fallback_family or none) and revenue_at_stake.
    """
    facts = conflicts.merge(items, on="sku_id", how="left", validate="many_to_one")
    facts = facts.merge(ranked[["sku_id", "value_class", "fallback_level"]], on="sku_id", how="left")
    by_sku = pd.Series(ranked["revenue"].to_numpy(dtype=np.float64), index=ranked["sku_id"])
    entering = class_beside(
        facts["revenue"].to_numpy(dtype=np.float64), by_sku.to_numpy(dtype=np.float64), scheme.value.cuts
    )
    rows: list[dict[str, Any]] = []
    # Conflicts are hundreds, not millions, and each has its own few candidates: a loop over them, not over items.
    for fact, entering_class in zip(facts.to_dict("records"), entering, strict=True):
        current = fact["value_class"] if isinstance(fact["value_class"], str) else None
        shown, classes, families = [], set(), set()
        for candidate in fact["candidates"]:
            held = {"category": fact["category"], "family": fact["family"]} | {fact["level"]: candidate["node"]}
            out = exclusion_of(held["category"], held["family"], scheme.exclusions)
            kept_out = out is not None or bool(fact["other_exclusion"])
            value = EXCLUDED if kept_out else current or str(entering_class)
            classes.add(value)
            families.add(held["family"])
            shown.append(
                {
                    "source": candidate["hierarchy_source"], "node": candidate["node"],
                    "match_rule": candidate["match_rule"], "valid_from": str(candidate["valid_from"]),
                    "value_class": value, "exclusion": out, "fallback_family": held["family"],
                }
            )  # fmt: skip
        borrows = fact["level"] == "family" and fact["fallback_level"] in FAMILY_RUNGS and len(families) > 1
        change = "exclusion" if len(classes) > 1 else "fallback_family" if borrows else "none"
        rows.append(
            {
                "candidates": json.dumps(shown, sort_keys=True, ensure_ascii=False),
                "current_class": current or EXCLUDED,
                "candidate_classes": "|".join(sorted(classes)),
                "changes_decision": change != "none",
                "change": change,
                "revenue_at_stake": fact["revenue"],
            }
        )
    found = pd.DataFrame(rows, index=facts.index, columns=_CONSEQUENCE)
    return pd.concat([facts.drop(columns=["candidates", "revenue", "value_class"]), found], axis=1)
