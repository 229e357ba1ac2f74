"""The register of promises in force: what each term is about, and the risk of breaking it under the policies in force.

Belongs here: expected service of a term, breach probability, expected penalty. Does not: which term binds an item
(`strata.inventory.service`), reading contracts (`strata.conformed.sla`).
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strata.derivation import Derivation, Step, aggregated, computed, copies
from strata.inventory.service import BOUGHT, TERM
from strata.partition import Partition
from strata.scheme.model import Scheme
from strata.tables import SLA_REGISTER

WINDOWS_A_YEAR = {"week": 52, "month": 12, "quarter": 4, "year": 1}
_EXPECTED = ("inventory_policy.expected_fill_rate", "inventory_policy.expected_csl", "inventory_policy.policy_type",
             "inventory_policy.sku_id", "sla_bought.lines")  # fmt: skip
STEPS: tuple[Step, ...] = (
    Derivation(
        "sla_register",
        {
            **copies(
                "sla_term",
                "contract_id",
                "term_id",
                "account_id",
                "customer_id",
                "scope_type",
                "scope_value",
                "metric",
                "basis",
                "measurement_window",
                "priority",
                "target_share",
                "target_hours",
                "penalty_type",
                "penalty_share",
                "penalty_amount",
                "currency",
                "valid_from",
                "valid_until",
            ),
            "sla_id": computed("sla_term.contract_id", "sla_term.term_id"),
            "items": aggregated("sla_bought.sku_id", when=(*TERM, *BOUGHT)),
            "lines_year": aggregated("sla_bought.lines", when=(*TERM, *BOUGHT, "sla_bought.first_at")),
            "revenue_year": aggregated("sla_bought.revenue", when=(*TERM, *BOUGHT, "sla_bought.first_at")),
            "bound_places": aggregated("service_target.binding_sla_id", when=TERM),
            **dict.fromkeys(
                ("expected_service", "unstocked_line_share", "shortfall", "breach_probability"),
                aggregated(*_EXPECTED, when=(*TERM, *BOUGHT, "rule.service", "sla_term.measurement_window")),
            ),
            "expected_penalty_year": aggregated(
                *_EXPECTED,
                "sla_term.penalty_share",
                "sla_term.penalty_amount",
                "sla_bought.revenue",
                when=(*TERM, *BOUGHT, "rule.service", "sla_term.penalty_type", "sla_term.measurement_window"),
            ),
            "decision_reason": computed("rule.service", when=(*TERM, *BOUGHT)),
        },
        rows=("sla_term.contract_id", "sla_bought.holder_id"),
    ),
)


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
