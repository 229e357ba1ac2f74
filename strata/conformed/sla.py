"""What the service targets of a partition are computed from: terms in force at the cut-off, and who bought what.

Belongs here: as-known reads, accounts below an account, the window. Does not: which term binds and feasibility
(`strata.inventory.service`), risk (`strata.inventory.breach`).
"""

from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path

import pandas as pd
import pyarrow as pa

from strata.calendar import first_open_period, next_period
from strata.conformed.engine import engine, query
from strata.conformed.history import View
from strata.conformed.supply import stocked
from strata.derivation import Derivation, Query, Step, computed
from strata.durable import read_parquet
from strata.inventory import breach, service
from strata.tables import SERVICE_TARGET, SLA_REGISTER

_CONVERSION = ("fct_exchange_rate", "int_item_unit_version", "int_item_version")
READ = (
    *_CONVERSION, "int_sla_term_version", "int_contract_version", "int_account_version", "int_location_version",
    "fct_sales_line",
)  # fmt: skip
# A term of a contract that nobody sent is judged by its own days: a promise is not lost with the paper around it.
_TERMS = """
with today as (
    select cast(timezone(getvariable('zone'), getvariable('cutoff')) as date) as day
),

contract as (
    select contract_id, status, starts_on, ends_on
    from int_contract_version
    where known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
)

select
    t.contract_id,
    t.term_id,
    t.account_id,
    t.customer_id,
    t.scope_type,
    t.scope_value,
    t.metric,
    t.basis,
    t.measurement_window,
    t.priority,
    t.target_share::double as target_share,
    t.target_hours::double as target_hours,
    t.penalty_type,
    t.penalty_share::double as penalty_share,
    t.penalty_amount,
    t.currency,
    t.valid_from,
    coalesce(least(t.valid_to, c.ends_on), t.valid_to, c.ends_on) as valid_until
from int_sla_term_version as t
cross join today as d
left join contract as c on t.contract_id = c.contract_id
where
    t.known_from <= getvariable('known_at')
    and (t.known_to is null or t.known_to > getvariable('known_at'))
    and t.valid_from <= d.day
    and (t.valid_to is null or t.valid_to >= d.day)
    and (c.contract_id is null or (c.status = 'active' and c.starts_on <= d.day))
    and (c.ends_on is null or c.ends_on >= d.day)
order by t.contract_id, t.term_id
"""
_ACCOUNTS = """
select account_id, parent_account_id, customer_id, region
from int_account_version
where known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
order by account_id
"""
_ITEMS = """
select sku_id, category, family
from int_item_version
where known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
order by sku_id
"""
_LINES = """
with place as (
    select location_id
    from int_location_version
    where
        known_from <= getvariable('known_at')
        and (known_to is null or known_to > getvariable('known_at'))
        and region = getvariable('region')
),

line as (
    select
        l.sku_id,
        l.customer_id,
        l.net_amount,
        l.currency,
        l.ordered_at,
        -- a time zone costs more than all else here: only lines that need a rate need their local day
        case
            when l.currency <> getvariable('currency') then cast(timezone(getvariable('zone'), l.ordered_at) as date)
        end as rate_day
    from fct_sales_line as l
    inner join place as p on l.location_id = p.location_id
    where
        l.known_from <= getvariable('known_at')
        and (l.known_to is null or l.known_to > getvariable('known_at'))
        and l.line_type = 'sale'
        and l.ordered_at >= getvariable('since')
        and l.ordered_at < getvariable('until')
)

select
    l.sku_id,
    l.customer_id,
    count(*) as lines,
    min(l.ordered_at) as first_at,
    sum(
        case when l.currency = getvariable('currency') then l.net_amount else converted(l.net_amount, r.rate) end
    ) as revenue
from line as l
left join currency_rate as r on l.currency = r.currency and l.rate_day = r.day
group by l.sku_id, l.customer_id
"""
_BOUGHT = """
select
    h.holder_id,
    b.sku_id,
    sum(b.lines)::double as lines,
    sum(b.revenue)::double as revenue,
    min(b.first_at) as first_at
from sla_line as b
inner join sla_holder as h on b.customer_id = h.customer_id
group by h.holder_id, b.sku_id
union all by name
select
    '*' as holder_id,
    sku_id,
    sum(lines)::double as lines,
    sum(revenue)::double as revenue,
    min(first_at) as first_at
from sla_line
group by sku_id
order by holder_id, sku_id
"""
STEPS: tuple[Step, ...] = (
    Query("sla_term", _TERMS),
    Query("sla_account", _ACCOUNTS),
    Query("sla_item", _ITEMS),
    Query("sla_line", _LINES),
    Derivation(
        "sla_holder",
        {
            "holder_id": computed("sla_term.account_id", "sla_term.customer_id"),
            "customer_id": computed(
                "sla_account.customer_id", "sla_term.customer_id",
                when=("sla_account.account_id", "sla_account.parent_account_id"),
            ),
        },
        rows=("sla_term.account_id",),
    ),
    Query("sla_bought", _BOUGHT),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Promises:
    """Terms in force with `sla_id`, `holder_id` and `scope_id`, what each scope holds, and the years looked at."""

    terms: pd.DataFrame
    pairs: pd.DataFrame
    years: float


# Targets and register of a partition ask for the same one after the other: one answer is kept, a fifth of a second.
_KEPT: dict[tuple[object, ...], Promises] = {}


def promises(view: View) -> Promises:
    """Terms in force at the cut-off that concern the region: its accounts', or of customers who bought there.

    The window is the scheme's value window, or as much of it as there are order lines.
    """
    key = (view.snapshot.folder, view.partition, view.known_at, view.cutoff, view.scheme.value.window_cycles,
           view.scheme.buckets.classification, view.calendar)  # fmt: skip
    found = _KEPT.get(key) or _read(view)
    _KEPT.clear()
    _KEPT[key] = found
    return found


def _read(view: View) -> Promises:
    zone, bucket = view.calendar.zone(view.partition.region), view.scheme.buckets.classification
    until = first_open_period(view.cutoff, zone, bucket)
    since = next_period(until, bucket, -view.scheme.value.window_cycles)
    begin, end = (datetime.combine(day, time(), zone) for day in (since, until))
    with engine(view.only(*READ), **view.variables(), since=begin, until=end) as connection:
        connection.execute(query("conversion"))
        terms = connection.execute(_TERMS).df()
        accounts = connection.execute(_ACCOUNTS).df()
        items = connection.execute(_ITEMS).df()
        terms["sla_id"] = terms["contract_id"] + "/" + terms["term_id"]
        named = terms["customer_id"].notna()
        terms["holder_id"] = ("A:" + terms["account_id"]).where(~named, "C:" + terms["customer_id"].astype("string"))
        scope = ["holder_id", "scope_type", "scope_value"]
        terms["scope_id"] = terms.groupby(scope, dropna=False, sort=False).ngroup()
        connection.register("sla_line", connection.execute(_LINES).to_arrow_table())
        connection.register("sla_holder", pa.Table.from_pandas(holders(terms, accounts), preserve_index=False))
        bought = connection.execute(_BOUGHT).df()
    pairs = service.scoped(terms, bought, items)
    home = accounts.set_index("account_id")["region"].reindex(terms["account_id"]).to_numpy() == view.partition.region
    active = terms["holder_id"].isin(bought["holder_id"])
    terms = terms[active | home].reset_index(drop=True)
    first = bought["first_at"].min()
    begin = max(begin, first.to_pydatetime()) if pd.notna(first) else begin
    return Promises(terms, pairs, max((end - begin).total_seconds() / 86_400, 1.0) / 365)


def holders(terms: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """Customers that a promise covers: the one that it names, else those of its account and of all accounts below it.

    Args:
        terms: holder_id, account_id, customer_id (null: all of the account).
        accounts: account_id, parent_account_id, customer_id.

    Returns:
        holder_id, customer_id, each pair once.
    """
    named = terms.loc[terms["customer_id"].notna(), ["holder_id", "customer_id"]]
    under = terms.loc[terms["customer_id"].isna(), ["holder_id", "account_id"]].drop_duplicates()
    found, level = [under], under
    parents = accounts[["account_id", "parent_account_id"]].dropna()
    for _ in range(len(accounts)):  # a step per level of the tree; an account above itself adds nothing new
        level = level.rename(columns={"account_id": "parent_account_id"}).merge(parents, on="parent_account_id")
        level = level[["holder_id", "account_id"]]
        known = pd.MultiIndex.from_frame(pd.concat(found))
        level = level[~pd.MultiIndex.from_frame(level).isin(known)]
        if level.empty:
            break
        found.append(level)
    below = pd.concat(found).merge(accounts[["account_id", "customer_id"]].dropna(), on="account_id")
    rows = pd.concat([named, below[["holder_id", "customer_id"]]]).drop_duplicates()
    return rows.astype({"holder_id": "string", "customer_id": "string"}).sort_values(
        ["holder_id", "customer_id"], ignore_index=True
    )


def service_target(view: View, *, forecast: Path, profile: Path, assignment: Path, lead_times: Path) -> pa.Table:
    """`service_target` of a partition: a row for every item-location with a forecast; none without part `service`."""
    rule = view.scheme.service
    if rule is None:
        return SERVICE_TARGET.empty()
    known = promises(view)
    bound = service.binding(known.pairs, known.terms, rule=rule)
    places = stocked(view, forecast=forecast, profile=profile, assignment=assignment, lead_times=lead_times)
    bucket = view.scheme.buckets.planning
    rows = service.service_targets(places, bound, scheme=view.scheme, partition=view.partition, bucket=bucket)
    return SERVICE_TARGET.conform(rows)


def sla_register(view: View, *, targets: Path, policy: Path) -> pa.Table:
    """`sla_register` of a partition: the terms in force, and the risk of breaking them under the policy in force."""
    if view.scheme.service is None:
        return SLA_REGISTER.empty()
    known = promises(view)
    rows = breach.sla_register(
        known.terms, known.pairs, read_parquet(targets).to_pandas(), read_parquet(policy).to_pandas(),
        years=known.years, scheme=view.scheme, partition=view.partition,
    )  # fmt: skip
    return SLA_REGISTER.conform(rows)
