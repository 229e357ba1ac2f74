"""Which promise to a customer binds the service target of an item, and whether it can be kept.

Belongs here: scope of terms, the strictest one per item, feasibility by the policy functions. Does not: reading
contracts and order lines (`strata.conformed.sla`), the risk of a breach (`strata.inventory.breach`), what is stocked
in the end (`strata.inventory.policy`).
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strata.calendar import Bucket
from strata.derivation import Derivation, Step, aggregated, computed, copies
from strata.inventory.policy import policies
from strata.partition import Partition
from strata.scheme.model import Scheme
from strata.scheme.targets import ServiceTargets
from strata.tables import SERVICE_TARGET

ALL = "*"
_SCOPES = ("category", "family")
TERM = (
    "sla_term.contract_id", "sla_term.term_id", "sla_term.metric", "sla_term.target_share", "sla_term.priority",
    "sla_term.scope_type", "sla_term.scope_value",
)  # fmt: skip
BOUGHT = ("sla_bought.lines", "sla_bought.holder_id", "sla_bought.sku_id", "sla_item.category", "sla_item.family")
_RULED = ("rule.service", "stocked_pair.segment", "rule.policies")
_SOLVED = ("stocked_pair.mean_units", "stocked_pair.error_sd_units", "lane_time.mean_days", "lane_time.sd_days",
           "supply_term.min_order_quantity", "supply_term.order_multiple")  # fmt: skip
STEPS: tuple[Step, ...] = (
    Derivation(
        "service_target",
        {
            **copies("stocked_pair", "sku_id", "location_id", "segment"),
            "service_metric": computed("rule.policies", "sla_term.metric", when=(*_RULED, *TERM, *BOUGHT)),
            "segment_target": computed("rule.policies", when=("stocked_pair.segment",)),
            **dict.fromkeys(
                ("service_target", "sla_target"),
                computed("sla_term.target_share", "rule.policies", when=(*_RULED, *TERM, *BOUGHT)),
            ),
            "binding_sla_id": computed("sla_term.contract_id", "sla_term.term_id", when=(*_RULED, *TERM, *BOUGHT)),
            "sla_line_share": aggregated("sla_bought.lines", when=(*_RULED, *TERM, *BOUGHT)),
            "promised_lead_time_days": computed("sla_term.target_hours", when=(*_RULED, *TERM, *BOUGHT)),
            "lead_time_days": computed("lane_time.mean_days"),
            **dict.fromkeys(
                ("required_csl", "holding_cost_year", "is_feasible"),
                computed(*_SOLVED, "supply_term.unit_cost", when=(*_RULED, *TERM, *BOUGHT)),
            ),
            "decision_reason": computed(*_RULED, when=(*TERM, *BOUGHT, *_SOLVED)),
        },
        rows=("stocked_pair.sku_id",),
    ),
)  # fmt: skip


def scoped(terms: pd.DataFrame, bought: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Items that terms are about: those of a scope that its customers ordered.

    Args:
        terms: scope_id (the same for terms of one holder and scope), holder_id, scope_type (total, category, family,
            item), scope_value; spelling of categories and families counts without case and outer blanks.
        bought: holder_id, sku_id, lines, revenue of the window; holder `*` is everybody.
        items: sku_id, category, family.

    Returns:
        scope_id, sku_id, lines, revenue, line_share (of all lines of the item); sorted.
    """
    everybody = bought.loc[bought["holder_id"] == ALL].set_index("sku_id")["lines"]
    scopes = terms.drop_duplicates("scope_id")[["scope_id", "holder_id", "scope_type", "scope_value"]]
    rows = scopes.merge(bought, on="holder_id", how="inner")
    kind, wanted = rows["scope_type"].to_numpy(object), _plain(rows["scope_value"])
    is_in = (kind == "total") | ((kind == "item") & (rows["scope_value"] == rows["sku_id"]).to_numpy())
    at = pd.Index(items["sku_id"]).get_indexer(pd.Index(rows["sku_id"]))
    for scope in _SCOPES:
        own = np.append(_plain(items[scope]), "")[at]
        is_in |= (kind == scope) & (own != "") & (own == wanted)
    found: pd.DataFrame = rows.loc[is_in, ["scope_id", "sku_id", "lines", "revenue"]]
    found["line_share"] = found["lines"].to_numpy() / everybody.reindex(found["sku_id"]).to_numpy()
    return found.sort_values(["scope_id", "sku_id"], ignore_index=True)


def binding(pairs: pd.DataFrame, terms: pd.DataFrame, *, rule: ServiceTargets) -> pd.DataFrame:
    """The strictest term of every item among those whose customers weigh enough, and the shortest promised lead time.

    Of equal targets the one of better priority binds, then the first by id.

    Args:
        pairs: result of `scoped`.
        terms: sla_id, scope_id, metric, target_share, target_hours, priority.
        rule: priorities, line share and metrics that bind.

    Returns:
        Indexed by sku_id: binding_sla_id, sla_metric (of the policy), sla_target, sla_line_share,
        promised_lead_time_days; null where nothing of the kind binds.
    """
    heavy = pairs.loc[pairs["line_share"] >= rule.min_share, ["scope_id", "sku_id", "line_share"]]
    terms = terms[terms["priority"] <= rule.max_priority].assign(sla_metric=terms["metric"].map(dict(rule.metrics)))
    # Terms in the order in which they would bind: of an item the first one that reaches it does.
    stock = terms[terms["sla_metric"].notna() & terms["target_share"].notna()]
    stock = stock.sort_values(["target_share", "priority", "sla_id"], ascending=[False, True, True], ignore_index=True)
    stock = stock.drop_duplicates("scope_id").assign(order=lambda rows: rows.index)
    reached = heavy.merge(stock[["scope_id", "order", "sla_id", "sla_metric", "target_share"]], on="scope_id")
    reached = reached.sort_values(["order"], kind="stable").drop_duplicates("sku_id").set_index("sku_id")
    quick = terms[(terms["metric"] == "lead_time") & terms["target_hours"].notna()]
    hours = quick.groupby("scope_id")["target_hours"].min()
    promised = (
        heavy.assign(hours=hours.reindex(heavy["scope_id"]).to_numpy(np.float64)).groupby("sku_id")["hours"].min()
    )
    found = pd.DataFrame(
        {
            "binding_sla_id": reached["sla_id"],
            "sla_metric": reached["sla_metric"],
            "sla_target": reached["target_share"].astype(float),
            "sla_line_share": reached["line_share"].astype(float),
        }
    )
    return found.join((promised.dropna() / 24).rename("promised_lead_time_days"), how="outer").sort_index()


def service_targets(
    places: pd.DataFrame, bound: pd.DataFrame, *, scheme: Scheme, partition: Partition, bucket: Bucket
) -> pd.DataFrame:
    """The effective target of every item-location: that of its segment, or of the promise that binds if it is stricter.

    A promise by another metric than the segment's binds where the policy at the segment's target is expected to give
    less than it. The target is feasible where the policy functions find a policy for it, with the lead time, lots and
    costs of the place, and that policy needs no cycle service level above `max_csl`. A place without stock is served
    in its lead time: it keeps a promised lead time only if its own is no longer.

    Args:
        places: as the keys of `strata.inventory.policy.policies`.
        bound: result of `binding`.
        scheme: policies per segment; its part `service`, without which nothing binds.
        partition: region and cycle of the rows.
        bucket: period that mean and error refer to.

    Returns:
        The columns of `tables.SERVICE_TARGET`, one row per place, in their order.
    """
    rule = scheme.service
    if rule is None or places.empty:
        return pd.DataFrame(columns=SERVICE_TARGET.names)
    mine = bound.reindex(places["sku_id"]).reset_index(drop=True)
    own = _own(places["segment"], scheme)
    metric, segment_target = own["metric"], own["target"]
    sla_target = mine["sla_target"].to_numpy(np.float64)
    sla_metric = mine["sla_metric"].to_numpy(object)
    is_bound = (sla_target > segment_target) | (np.isnan(segment_target) & ~np.isnan(sla_target))
    other = ~np.isnan(sla_target) & ~np.isnan(segment_target) & (metric != sla_metric)
    if other.any():
        given = _given(places[other], metric[other], segment_target[other], scheme, partition, bucket)
        names = {"fill_rate": "expected_fill_rate", "csl": "expected_csl"}
        expected = [given[names[name]].iloc[at] for at, name in enumerate(sla_metric[other])]
        is_bound[other] = ~(np.array(expected, dtype=np.float64) >= sla_target[other])
    target = np.where(is_bound, sla_target, segment_target)
    metric = np.where(is_bound, sla_metric, metric)
    found = _given(places, metric, target, scheme, partition, bucket)
    stocked = (found["policy_type"] != "none").to_numpy()
    required = found["expected_csl"].to_numpy(np.float64)
    lead = pd.to_numeric(places["lead_time_mean_days"]).to_numpy(np.float64, na_value=np.nan)
    promised = mine["promised_lead_time_days"].to_numpy(np.float64)
    late = ~stocked & ~np.isnan(promised) & ~(lead <= promised)
    why = np.select(
        [~stocked & is_bound, late, stocked & (required > rule.max_csl)],
        [
            "not_stocked:" + found["decision_reason"].str.extract(r"no_policy:([a-z_]+)")[0].fillna("unknown"),
            "lead_time_above_promise",
            "csl_above_maximum",
        ],
        default="",
    ).astype(object)
    asked = ~np.isnan(target) | ~np.isnan(promised)
    source = np.select([is_bound, ~np.isnan(segment_target)], ["sla", "segment"], default="none").astype(object)
    held = np.where(~is_bound & ~np.isnan(sla_target), ";sla:below_segment", "").astype(object)
    refused = np.array([f";infeasible:{word}" if word else "" for word in why], dtype=object)
    none = np.full(len(places), None, dtype=object)
    columns: dict[str, Any] = {
        **{name: places[name].to_numpy() for name in ("sku_id", "location_id")},
        "region": partition.region,
        "cycle": partition.cycle,
        "segment": places["segment"].astype(object).where(places["segment"].notna(), "none").to_numpy(),
        "service_metric": np.where(np.isnan(target), none, metric),
        "segment_target": segment_target,
        "service_target": target,
        "binding_sla_id": np.where(is_bound, mine["binding_sla_id"].to_numpy(object), none),
        "sla_target": sla_target,
        "sla_line_share": mine["sla_line_share"].to_numpy(np.float64),
        "promised_lead_time_days": promised,
        "lead_time_days": lead,
        "required_csl": required,
        "holding_cost_year": found["holding_cost_year"].to_numpy(np.float64),
        "is_feasible": np.where(asked, why == "", none),
        "valid_for_cycle": partition.cycle,
        "scheme_version": scheme.version,
        "decision_reason": source + held + refused,
        "is_suspended": False,
        "suspended_since": none,
        "suspension_reason": none,
    }
    return pd.DataFrame({name: columns[name] for name in SERVICE_TARGET.names}, index=pd.RangeIndex(len(places)))


def _own(segments: "pd.Series[Any]", scheme: Scheme) -> dict[str, Any]:
    """Metric and target of each row's segment; None and NaN where it has none."""
    codes, distinct = pd.factorize(segments)
    found = [scheme.policies[name] for name in distinct]
    metrics = np.array([one.service_metric for one in found] + [None], dtype=object)
    targets = np.array([one.service_target for one in found] + [None], dtype=np.float64)
    return {"metric": metrics[codes], "target": targets[codes]}


def _given(
    places: pd.DataFrame,
    metric: NDArray[np.object_],
    target: NDArray[np.float64],
    scheme: Scheme,
    partition: Partition,
    bucket: Bucket,
) -> pd.DataFrame:
    """The policies that these targets would ask for: those of the segments, with another metric and target."""
    segments = places["segment"].astype(object).where(places["segment"].notna(), None).to_numpy()
    wanted = pd.DataFrame({"segment": segments, "metric": metric, "target": target})
    number, distinct = pd.factorize(pd.MultiIndex.from_frame(wanted))
    named, table = np.full(len(distinct), None, dtype=object), dict(scheme.policies)
    for at, (segment, kind, share) in enumerate(distinct):  # a step per combination, not per item
        if segment is None or pd.isna(segment):
            continue
        own = scheme.policies[segment]
        named[at] = f"{segment}|{kind}|{share}"
        is_stocked = own.policy_type != "none" and not pd.isna(share)
        table[named[at]] = (
            own.model_copy(update={"service_metric": kind, "service_target": share}) if is_stocked else own
        )
    asked = places.assign(segment=named[number])
    return policies(asked, scheme=scheme.model_copy(update={"policies": table}), partition=partition, bucket=bucket)


def _plain(values: "pd.Series[Any]") -> NDArray[np.object_]:
    """Names without case and outer blanks, empty where unknown; each distinct one once."""
    codes, distinct = pd.factorize(values)
    plain = np.array([str(name).strip().casefold() for name in distinct] + [""], dtype=object)
    found: NDArray[np.object_] = plain[codes]
    return found
