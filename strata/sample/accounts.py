"""Sales departments of the sample company: accounts, contracts, promises of service, incentives.

Belongs here: rows of the feeds of the customer system beyond promotions. Does not: customers and orders themselves,
the numbers behind promises and bonuses (`strata.sample.departments`).
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from strata.sample.activity import Activity, Rows, codes, decimals, picked
from strata.sample.demand import Demand, month_first_day
from strata.sample.departments import PlanningSpec, PromiseSpec
from strata.sample.operations import Operations
from strata.sample.replenishment import UNIT, Floats, Ints

STRATEGIC = "strategic"
OLDEST_DAYS, YOUNGEST_DAYS = 4000, 400
YEAR = 365


@dataclass(frozen=True, slots=True)
class Book:
    """Accounts: parents first, by region, then one per customer in their order; a customer's parent is an index.

    `value` is what the customers below bought per year, in currency; `tier` indexes `tiers`.
    """

    account_id: pa.Array
    customer_id: pa.Array
    region: list[str]
    parent: Ints
    tier: Ints
    tiers: tuple[str, ...]
    parents: int
    value: Floats


def open_book(demand: Demand, activity: Activity, spec: PromiseSpec, *, seed: int) -> Book:
    """Deal the customers of a region out to its parent accounts."""
    regions = demand.customers.column("region").to_pylist()
    names = sorted(set(regions))
    parents = len(names) * spec.banners
    rng = np.random.default_rng([seed, 60])
    home = np.array([names.index(region) for region in regions], dtype=np.int64)
    above = home * spec.banners + rng.integers(0, spec.banners, len(home))
    priority = pc.fill_null(demand.customers.column("priority"), len(spec.tiers)).to_numpy()
    tier = np.minimum(priority, len(spec.tiers))
    lines = activity.lines
    known = lines.customer >= 0
    bought = np.bincount(lines.customer[known], lines.amount[known] / UNIT, len(home)) * YEAR / demand.days
    ids = demand.customers.column("customer_id").combine_chunks()
    parent_ids = [f"P-{names[number // spec.banners]}-{number % spec.banners + 1}" for number in range(parents)]
    return Book(
        account_id=pa.concat_arrays([pa.array(parent_ids, pa.string()), pc.binary_join_element_wise("A", ids, "-")]),
        customer_id=pa.concat_arrays([pa.nulls(parents, pa.string()), ids]),
        region=[names[number // spec.banners] for number in range(parents)] + regions,
        parent=np.concatenate([np.full(parents, -1), above]),
        tier=np.concatenate([np.zeros(parents, dtype=np.int64), tier]),
        tiers=(STRATEGIC, *spec.tiers),
        parents=parents,
        value=np.concatenate([np.bincount(above, bought, parents), bought]),
    )


def account_rows(demand: Demand, book: Book, *, seed: int) -> pa.Table:
    """All accounts; they do not change."""
    size = len(book.parent)
    rng = np.random.default_rng([seed, 61])
    since = np.datetime64(demand.first_day, "D") - rng.integers(YOUNGEST_DAYS, OLDEST_DAYS, size)
    manager = np.where(book.parent >= 0, book.parent, np.arange(size)) + 1
    name = pc.binary_join_element_wise("Account", book.account_id, " ")
    return pa.table(
        {
            "account_id": book.account_id,
            "account_name": name,
            "customer_id": book.customer_id,
            "parent_account_id": book.account_id.take(pa.array(book.parent, mask=book.parent < 0)),
            "tier": picked(book.tiers, book.tier),
            "industry": pa.array(["retail"] * size, pa.string()),
            "region": pa.array(book.region, pa.string()),
            "manager_id": codes("KAM", manager, 2),
            "since": pa.array(since),
            "status": picked(("inactive", "active"), (book.value > 0).astype(np.int64)),
        }
    )


@dataclass(frozen=True, slots=True)
class _Contracts:
    """Contracts of parents and of customers of the first tier: account, first and last day."""

    account: Ints
    contract_id: pa.Array
    starts: np.ndarray
    ends: np.ndarray


def _contracts(demand: Demand, book: Book, seed: int) -> _Contracts:
    account = np.flatnonzero((book.tier <= 1) & (book.value > 0))
    rng = np.random.default_rng([seed, 62])
    starts = np.datetime64(demand.first_day, "D") - rng.integers(0, YEAR, len(account))
    starts = starts.astype("datetime64[M]").astype("datetime64[D]")
    ends = starts + YEAR * rng.integers(1, 3, len(account), endpoint=True) - 1
    number = pc.binary_join_element_wise("K", book.account_id.take(pa.array(account)), "-")
    return _Contracts(account, number, starts, ends)


def contracts(demand: Demand, book: Book, *, seed: int) -> Rows:
    """Contracts signed a month before they start; expired after their last day."""
    made = _contracts(demand, book, seed)
    value = np.round(book.value[made.account], -2)

    def rows(first: int, stop: int) -> pa.Table:
        expired = made.ends < np.datetime64(month_first_day(stop))
        framework = (book.parent[made.account] < 0).astype(np.int64)
        size = len(made.account)
        text = ["Deliveries as agreed in the terms of service."] * size
        return pa.table(
            {
                "contract_id": made.contract_id,
                "account_id": book.account_id.take(pa.array(made.account)),
                "contract_type": picked(("supply", "framework"), framework),
                "signed_on": pa.array(made.starts - 30),
                "starts_on": pa.array(made.starts),
                "ends_on": pa.array(made.ends),
                "notice_days": pa.array(np.full(size, 90)),
                "annual_value": decimals(value),
                "currency": pa.array([demand.currency] * size, pa.string()),
                "status": picked(("active", "expired"), expired.astype(np.int64)),
                "service_text": pa.array(text, pa.string()),
            }
        )

    return rows


def sla_term_rows(
    demand: Demand, activity: Activity, operations: Operations, book: Book, spec: PromiseSpec, *, seed: int
) -> pa.Table:
    """Fill rate, on-time and lead time by tier, and a higher fill rate of parents for the largest categories."""
    made = _contracts(demand, book, seed)
    tier = book.tier[made.account]
    largest = largest_categories(operations, activity.value.sum(axis=1))[: spec.category_promises]
    parts = []
    for name, metric, share, hours in (
        ("fill", "fill_rate", spec.fill_rate, {}),
        ("otif", "otif", spec.otif, {}),
        ("lead", "lead_time", {}, spec.lead_time_hours),
    ):
        promised = share or hours
        which = np.flatnonzero(np.isin(tier, [n for n, t in enumerate(book.tiers) if t in promised]))
        target = np.array([promised.get(name, 0) for name in book.tiers], dtype=np.float64)[tier[which]]
        parts.append(_terms(demand, book, made, which, name, metric, None, target, bool(share), spec))
    parents = np.flatnonzero(book.parent[made.account] < 0)
    for number, category in enumerate(largest):
        target = np.full(len(parents), spec.category_fill_rate)
        parts.append(_terms(demand, book, made, parents, f"cat{number + 1}", "fill_rate", category, target, True, spec))
    return pa.concat_tables(parts).sort_by([("contract_id", "ascending"), ("term_id", "ascending")])


def _terms(
    demand: Demand, book: Book, made: _Contracts, which: Ints, term: str, metric: str, category: str | None,
    target: Floats, is_share: bool, spec: PromiseSpec,
) -> pa.Table:  # fmt: skip
    account, size = made.account[which], len(which)
    take = pa.array(account)
    penalty = np.array([spec.penalty_share.get(name, 0) for name in book.tiers], dtype=np.float64)[book.tier[account]]
    fined = (penalty > 0) & (metric != "lead_time")
    none = np.ones(size, dtype=np.bool_)
    return pa.table(
        {
            "contract_id": made.contract_id.take(pa.array(which)),
            "term_id": pa.array([term] * size, pa.string()),
            "account_id": book.account_id.take(take),
            "customer_id": book.customer_id.take(take),
            "scope_type": pa.array(["total" if category is None else "category"] * size, pa.string()),
            "scope_value": pa.array([category] * size, pa.string()),
            "metric": pa.array([metric] * size, pa.string()),
            "target_share": decimals(target, ~none if is_share else none),
            "target_hours": decimals(target, none if is_share else ~none),
            "basis": pa.array(["order" if metric == "otif" else "line"] * size, pa.string()),
            "measurement_window": pa.array(["month"] * size, pa.string()),
            "priority": pa.array(book.tier[account] + 1),
            "penalty_type": picked(("none", "share_of_value"), fined.astype(np.int64)),
            "penalty_share": decimals(penalty, ~fined),
            "penalty_amount": pa.nulls(size, pa.decimal128(18, 4)),
            "currency": pa.array([demand.currency] * size, pa.string()),
            "valid_from": pa.array(made.starts[which]),
            "valid_to": pa.array(made.ends[which]),
        }
    )


def largest_categories(operations: Operations, value: Floats) -> list[str]:
    """Categories by value of their item-locations, largest first; items without one are left out."""
    names = operations.items.column("category").to_pylist()
    total: dict[str, float] = {}
    for item, worth in enumerate(np.bincount(operations.item_of, value, len(names))):
        if names[item] is not None and worth > 0:
            total[names[item]] = total.get(names[item], 0.0) + float(worth)
    return sorted(total, key=lambda name: (-total[name], name))


def incentive_rows(
    demand: Demand, operations: Operations, activity: Activity, book: Book, spec: PromiseSpec, planning: PlanningSpec
) -> pa.Table:
    """Bonuses on what sells least, a promise to each region's first parent, and planners' bonuses for accuracy."""
    regions = demand.sites.column("region").to_pylist()
    start, end = demand.first_day, demand.first_day + timedelta(days=YEAR - 1)
    region_of = np.array([sorted(set(regions)).index(region) for region in regions])[operations.location_of]
    records: list[dict[str, object]] = []
    for number, region in enumerate(sorted(set(regions))):
        value = np.where(region_of == number, activity.value.sum(axis=1), 0.0)
        small = largest_categories(operations, value)[-spec.bonus_categories :]
        records += [
            {
                "incentive_id": f"BON-{region}-{place + 1}", "incentive_type": "sales_bonus",
                "beneficiary_id": f"TEAM-{region}", "beneficiary_type": "team", "region": region,
                "scope_type": "category", "scope_value": category, "basis": "revenue", "rate": spec.bonus_share,
            }
            for place, category in enumerate(small)
        ]  # fmt: skip
    for parent in range(0, book.parents, spec.banners):
        records.append(
            {
                "incentive_id": f"PRO-{book.region[parent]}", "incentive_type": "service_promise",
                "beneficiary_id": book.account_id[parent].as_py(), "beneficiary_type": "account",
                "region": book.region[parent], "scope_type": "total", "basis": "service",
                "service": spec.category_fill_rate,
            }
        )  # fmt: skip
    for planner in range(1, planning.planners + 1):
        records.append(
            {
                "incentive_id": f"FCB-{planner:02d}", "incentive_type": "forecast_bonus",
                "beneficiary_id": f"PL-{planner:02d}", "beneficiary_type": "person", "scope_type": "total",
                "basis": "forecast_accuracy", "amount": spec.forecast_bonus,
            }
        )  # fmt: skip
    size = len(records)

    def text(name: str) -> pa.Array:
        return pa.array([record.get(name) for record in records], pa.string())

    def number_of(name: str) -> pa.Array:
        values = np.array([float(str(record.get(name, 0))) for record in records])
        return decimals(values, np.array([name not in record for record in records]))

    return pa.table(
        {
            **{name: text(name) for name in (
                "incentive_id", "incentive_type", "beneficiary_id", "beneficiary_type", "region", "scope_type",
                "scope_value", "basis",
            )},
            "rate_share": number_of("rate"),
            "rate_amount": number_of("amount"),
            "threshold_value": pa.nulls(size, pa.decimal128(18, 4)),
            "promised_service": number_of("service"),
            "currency": pa.array([demand.currency] * size, pa.string()),
            "starts_on": pa.array([start] * size, pa.date32()),
            "ends_on": pa.array([end] * size, pa.date32()),
        }
    )  # fmt: skip
