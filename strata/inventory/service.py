"""Which promise to a customer binds the service target of an item, whether it can be kept, and what a breach risks.

Belongs here: scope of terms, the strictest one per item, feasibility by the policy functions, risk per term. Does not:
reading contracts and order lines (`strata.conformed.sla`), what is stocked in the end (`strata.inventory.policy`).
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
from strata.tables import SERVICE_TARGET, SLA_REGISTER

ALL = "*"
WINDOWS_A_YEAR = {"week": 52, "month": 12, "quarter": 4, "year": 1}
_SCOPES = ("category", "family")
_TERM = (
    "sla_term.contract_id", "sla_term.term_id", "sla_term.metric", "sla_term.target_share", "sla_term.priority",
    "sla_term.scope_type", "sla_term.scope_value",
)  # fmt: skip
_BOUGHT = ("sla_bought.lines", "sla_bought.holder_id", "sla_bought.sku_id", "sla_item.category", "sla_item.family")
_RULED = ("rule.service", "stocked_pair.segment", "rule.policies")
_SOLVED = ("stocked_pair.mean_units", "stocked_pair.error_sd_units", "lane_time.mean_days", "lane_time.sd_days",
           "supply_term.min_order_quantity", "supply_term.order_multiple")  # fmt: skip
_EXPECTED = ("inventory_policy.expected_fill_rate", "inventory_policy.expected_csl", "inventory_policy.policy_type",
             "inventory_policy.sku_id", "sla_bought.lines")  # fmt: skip
STEPS: tuple[Step, ...] = (
    Derivation(
        "service_target",
        {
            **copies("stocked_pair", "sku_id", "location_id", "segment"),
            "service_metric": computed("rule.policies", "sla_term.metric", when=(*_RULED, *_TERM, *_BOUGHT)),
            "segment_target": computed("rule.policies", when=("stocked_pair.segment",)),
            **dict.fromkeys(
                ("service_target", "sla_target"),
                computed("sla_term.target_share", "rule.policies", when=(*_RULED, *_TERM, *_BOUGHT)),
            ),
            "binding_sla_id": computed("sla_term.contract_id", "sla_term.term_id", when=(*_RULED, *_TERM, *_BOUGHT)),
            "sla_line_share": aggregated("sla_bought.lines", when=(*_RULED, *_TERM, *_BOUGHT)),
            "promised_lead_time_days": computed("sla_term.target_hours", when=(*_RULED, *_TERM, *_BOUGHT)),
            "lead_time_days": computed("lane_time.mean_days"),
            **dict.fromkeys(
                ("required_csl", "holding_cost_year", "is_feasible"),
                computed(*_SOLVED, "supply_term.unit_cost", when=(*_RULED, *_TERM, *_BOUGHT)),
            ),
            "decision_reason": computed(*_RULED, when=(*_TERM, *_BOUGHT, *_SOLVED)),
        },
        rows=("stocked_pair.sku_id",),
    ),
    Derivation(
        "sla_register",
        {
            **copies(
                "sla_term", "contract_id", "term_id", "account_id", "customer_id", "scope_type", "scope_value",
                "metric",
                "basis", "measurement_window", "priority", "target_share", "target_hours", "penalty_type",
                "penalty_share", "penalty_amount", "currency", "valid_from", "valid_until",
            ),
            "sla_id": computed("sla_term.contract_id", "sla_term.term_id"),
            "items": aggregated("sla_bought.sku_id", when=(*_TERM, *_BOUGHT)),
            "lines_year": aggregated("sla_bought.lines", when=(*_TERM, *_BOUGHT, "sla_bought.first_at")),
            "revenue_year": aggregated("sla_bought.revenue", when=(*_TERM, *_BOUGHT, "sla_bought.first_at")),
            "bound_places": aggregated("service_target.binding_sla_id", when=_TERM),
            **dict.fromkeys(
                ("expected_service", "unstocked_line_share", "shortfall", "breach_probability"),
                aggregated(*_EXPECTED, when=(*_TERM, *_BOUGHT, "rule.service", "sla_term.measurement_window")),
            ),
            "expected_penalty_year": aggregated(
                *_EXPECTED, "sla_term.penalty_share", "sla_term.penalty_amount", "sla_bought.revenue",
                when=(*_TERM, *_BOUGHT, "rule.service", "sla_term.penalty_type", "sla_term.measurement_window"),
            ),
            "decision_reason": computed("rule.service", when=(*_TERM, *_BOUGHT)),
        },
        rows=("sla_term.contract_id", "sla_bought.holder_id"),
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


def sla_register(
    terms: pd.DataFrame,
    pairs: pd.DataFrame,
    targets: pd.DataFrame,
    policy: pd.DataFrame,
    *,
    years: float,
    scheme: Scheme,
    partition: Partition,
) -> pd.DataFrame:
    """The terms in force, what they are about, and the risk of breaking them under the policy in force.

    expected service p = sum(lines x expected service of the item) / sum(lines); of an item, the mean over its places
    by demand; a place without a policy serves nothing from stock. Items that are no part of the plan (the scheme
    leaves them out, or nothing closed was sold) are left out here too. With n lines in a window and target t the term
    is broken with probability P(Bin(n, p) < t n). Lines are taken to fail one by one: a stock-out that hits many lines
    at once makes breaches rarer and deeper than this, or more frequent where p is above t.

    Args:
        terms: those in force: sla_id, scope_id and the columns of the register that a contract states.
        pairs: result of `scoped`.
        targets: result of `service_targets`.
        policy: rows of `inventory_policy`.
        years: length of the window that `pairs` counts.
        scheme: its part `service` says which measure of a policy answers a metric.
        partition: region and cycle of the rows.

    Returns:
        The columns of `tables.SLA_REGISTER`, sorted by id. Risk is null where the metric is none of stock's, or no
        line was ordered; `expected_penalty_year` where the penalty cannot be valued.
    """
    rule = scheme.service
    if rule is None:
        return pd.DataFrame(columns=SLA_REGISTER.names)
    rows = terms.sort_values("sla_id", ignore_index=True)
    pairs = pairs[pairs["sku_id"].isin(policy["sku_id"])]
    at = _by_item(policy).reindex(pairs["sku_id"])
    lines = pairs["lines"].to_numpy()
    found = pairs[["scope_id", "lines", "revenue"]].assign(
        items=1, **{name: at[name].to_numpy() * lines for name in ("fill_rate", "csl", "unstocked")}
    )
    sums = found.groupby("scope_id").sum().reindex(rows["scope_id"]).fillna(0.0)
    mean = sums[["fill_rate", "csl", "unstocked"]].div(sums["lines"].where(sums["lines"] > 0), axis=0)
    measure = rows["metric"].map(dict(rule.metrics))
    service = np.select([measure == "fill_rate", measure == "csl"], [mean["fill_rate"], mean["csl"]], default=np.nan)
    target = pd.to_numeric(rows["target_share"]).to_numpy(np.float64, na_value=np.nan)
    windows = rows["measurement_window"].map(WINDOWS_A_YEAR).to_numpy()
    lines_year, revenue_year = (sums[name].to_numpy(np.float64) / years for name in ("lines", "revenue"))
    breach = breach_probability(service, target, np.round(lines_year / windows))
    bound = targets["binding_sla_id"].value_counts().reindex(rows["sla_id"]).fillna(0)
    why = np.select(
        [measure.isna(), sums["lines"].to_numpy() == 0, rows["priority"] > rule.max_priority],
        ["metric_not_of_stock", "nothing_ordered_in_scope", "priority_below_rule"],
        default="in_force",
    )
    none = np.full(len(rows), None, dtype=object)
    columns: dict[str, Any] = {name: rows[name].to_numpy() for name in rows.columns if name in SLA_REGISTER.names}
    columns |= {
        "region": partition.region,
        "cycle": partition.cycle,
        "items": sums["items"].to_numpy(np.int64),
        "lines_year": lines_year,
        "revenue_year": revenue_year,
        "bound_places": bound.to_numpy(np.int64),
        "expected_service": service,
        "unstocked_line_share": mean["unstocked"].to_numpy(),
        "shortfall": np.maximum(target - service, 0.0),
        "breach_probability": breach,
        "expected_penalty_year": _penalty(rows, breach, revenue_year, windows.astype(np.float64)),
        "valid_for_cycle": partition.cycle,
        "scheme_version": scheme.version,
        "decision_reason": why.astype(object),
        "is_suspended": False,
        "suspended_since": none,
        "suspension_reason": none,
    }
    return pd.DataFrame({name: columns[name] for name in SLA_REGISTER.names}, index=pd.RangeIndex(len(rows)))


def breach_probability(
    service: NDArray[np.float64], target: NDArray[np.float64], lines: NDArray[np.float64]
) -> NDArray[np.float64]:
    """P(Bin(n, p) < t n): a window of n lines, each served with probability p, falls short of the share t [n].

    Examples:
        Two lines at 90 %, both promised: 1 - 0.9 x 0.9. Ten lines, 90 % promised: 1 - P(9) - P(10).

        >>> breach_probability(np.array([0.9, 0.9]), np.array([1.0, 0.9]), np.array([2.0, 10.0])).round(4).tolist()
        [0.19, 0.2639]
    """
    from scipy import special

    known = ~np.isnan(service) & ~np.isnan(target) & (lines > 0)
    count, share = np.where(known, lines, 1.0), np.where(known, target, 0.5)
    most = np.ceil(share * count - 1e-9) - 1
    risk = special.bdtr(np.maximum(most, 0.0), count.astype(np.int64), np.where(known, service, 0.5))
    return np.where(known, np.where(most < 0, 0.0, risk), np.nan)


def _penalty(
    rows: pd.DataFrame, breach: NDArray[np.float64], revenue_year: NDArray[np.float64], windows: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What breaches are expected to cost a year: a share of the value of each broken window, or an amount for each."""
    share, amount = (
        pd.to_numeric(rows[name]).to_numpy(np.float64, na_value=np.nan) for name in ("penalty_share", "penalty_amount")
    )
    kind = rows["penalty_type"].to_numpy(object)
    return np.select(
        [kind == "none", kind == "share_of_value", kind == "per_event"],
        [np.where(np.isnan(breach), np.nan, 0.0), breach * share * revenue_year, breach * amount * windows],
        default=np.nan,
    )


def _by_item(policy: pd.DataFrame) -> pd.DataFrame:
    """Expected service of an item over its places, by their daily demand; a place without a policy serves nothing."""
    stocked = (policy["policy_type"] != "none").to_numpy()
    days = policy["lead_time_mean_days"].astype(float) + policy["review_days"].astype(float)
    daily = (policy["protection_mean_units"].astype(float) / days).to_numpy()
    weight = np.where(stocked, np.nan_to_num(daily), 0.0)
    frame = pd.DataFrame(
        {
            "sku_id": policy["sku_id"],
            "weight": weight,
            "fill_rate": weight * np.nan_to_num(policy["expected_fill_rate"].to_numpy(np.float64)),
            "csl": weight * np.nan_to_num(policy["expected_csl"].to_numpy(np.float64)),
        }
    ).groupby("sku_id", sort=True).sum()  # fmt: skip
    served = frame["weight"] > 0
    found = frame[["fill_rate", "csl"]].div(frame["weight"].where(served), axis=0).fillna(0.0)
    return found.assign(unstocked=(~served).astype(float))


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
