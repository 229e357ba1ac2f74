"""The feeds of the sample company: which rows of which month, in which format, real or simulated.

Belongs here: what a source system sends about a span of months. Does not: extract names, times and the order of
cycles (`strata.sample.build`), how a file is written (`strata.sample.extracts`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from strata.sample import accounts, consensus, planning, transport, troubles, warehouse
from strata.sample.activity import Activity, Bools, Rows, observe
from strata.sample.assumptions import OperationsSpec
from strata.sample.demand import Demand, day_number, month_first_day, months_of, positions
from strata.sample.documents import Papers
from strata.sample.extracts import SCHEMA_VERSION, Format, Origin, as_decimal, as_scaled
from strata.sample.operations import CENT, Operations, is_stocked, life_status
from strata.sample.replenishment import Ints

ITEM_SCHEMA_VERSION = 3
DAY_MINUTES = 1440
PRICE_LIST = "STORE"
DAYS_COVERED = 7


@dataclass(frozen=True, slots=True)
class Feed:
    """One stream of extracts. `rows(first, stop)` gives what it sends about months `first` .. `stop - 1`.

    A state feed ignores `first` and gives everything as it is at the beginning of month `stop`. `delay` minutes
    part extracts of one feed that are taken in the same night. A feed that `sends_empty` says so when there is nothing
    new, as a job does that runs every month; the others stay silent. The extract with the state of a month in
    `missing` never comes, one of a month in `late` so many minutes late.
    """

    system: str
    feed: str
    origin: Origin
    format: Format
    grain: Literal["event", "day", "week", "month"]
    rows: Rows
    is_state: bool = False
    is_change_log: bool = False
    delay: int = 0
    totals: tuple[str, ...] = ()
    sends_empty: bool = False
    schema_version: int = SCHEMA_VERSION
    missing: frozenset[int] = frozenset()
    late: Mapping[int, int] = field(default_factory=dict)


def feeds(demand: Demand, operations: Operations, papers: Papers, spec: OperationsSpec, *, seed: int) -> list[Feed]:
    """All feeds of the company, in the order in which they are written."""
    activity = observe(demand, operations)
    desk = planning.staff(demand, operations, activity, spec.planning, seed=seed)
    handling = warehouse.handle(demand, operations, spec.warehouse, seed=seed)
    express = troubles.expressed(demand, operations, activity, handling, spec.troubles, seed=seed)
    sales, misbooked = (_through(express, rows) for rows in _sales(demand, spec, seed))
    grain: Literal["event", "day", "week", "month"] = demand.grain  # type: ignore[assignment]
    promotions_month = months_of(demand.promotions.column("starts_on").cast(pa.int32()).to_numpy().astype(np.int64))
    # a promotion that started just before the data belongs to its first month
    promotions_month = np.maximum(promotions_month, demand.first_day.year * 12 + demand.first_day.month - 1)
    others = _departments(demand, operations, papers, activity, desk, handling, spec, seed)
    found = [
        Feed(
            "erp", "items", "simulated", "csv", "event", _items(demand, operations, desk), is_state=True,
            schema_version=ITEM_SCHEMA_VERSION,
        ),
        Feed("erp", "customers", "simulated", "jsonl", "event", _whole(demand.customers), is_state=True),
        Feed("erp", "suppliers", "simulated", "csv", "event", _whole(operations.suppliers), is_state=True),
        Feed("erp", "supplier_items", "simulated", "csv", "event", _whole(operations.supplier_items), is_state=True),
        Feed("wms", "sites", "simulated", "csv", "event", _whole(demand.sites), is_state=True),
        Feed("erp", "sales_order_lines", demand.origin, "csv", grain, sales, totals=("quantity", "net_amount")),
        Feed(
            "erp", "sales_order_lines", "simulated", "csv", grain, misbooked, delay=5, totals=("quantity", "net_amount")
        ),
        Feed(
            "erp", "purchase_order_lines", "simulated", "jsonl", "event", _changes(papers, spec, seed),
            is_change_log=True,
        ),
        Feed(
            "erp", "goods_receipts", "simulated", "parquet", "event", _of_month(papers.receipts, papers.receipts_month),
            totals=("quantity",),
        ),
        Feed("erp", "price_conditions", "simulated", "csv", "month", _prices(demand, operations)),
        Feed(
            "wms", "stock_snapshots", "simulated", "parquet", "week", _snapshots(demand, operations),
            totals=("on_hand_units",),
        ),
        Feed("crm", "promotions", demand.origin, "parquet", "week", _of_month(demand.promotions, promotions_month)),
        *others,
    ]  # fmt: skip
    return [_troubled(feed, demand, spec) for feed in found]


def _troubled(feed: Feed, demand: Demand, spec: OperationsSpec) -> Feed:
    """The feed with what goes wrong in it on purpose."""
    trouble, name = spec.troubles, f"{feed.system}/{feed.feed}"
    if trouble is None:
        return feed
    if name == trouble.stale_feed:
        feed = replace(feed, missing=frozenset({troubles.month_back(demand, trouble.stale_month) + 1}))
    if name == trouble.late_feed:
        feed = replace(
            feed, late={troubles.month_back(demand, trouble.late_month) + 1: trouble.late_days * DAY_MINUTES}
        )
    if name == trouble.drift_feed:
        feed = replace(feed, rows=troubles.drifted(feed.rows, demand, trouble))
    return feed


def _through(express: troubles.Express, rows: Rows) -> Rows:
    return lambda first, stop: express(rows(first, stop))


def _departments(
    demand: Demand, operations: Operations, papers: Papers, activity: Activity, desk: planning.Desk,
    handling: warehouse.Handling, spec: OperationsSpec, seed: int,
) -> list[Feed]:  # fmt: skip
    """What planning, warehouses, transport and sales send about the same demand and operations."""
    layout = warehouse.lay_out(demand, operations, handling, spec.warehouse, seed=seed)
    lanes = transport.connect(demand, operations, activity, spec.transport, seed=seed)
    book = accounts.open_book(demand, activity, spec.promises, seed=seed)

    def state(system: str, feed: str, rows: Rows, format: Format) -> Feed:
        return Feed(system, feed, "simulated", format, "event", rows, is_state=True)

    def news(
        system: str, feed: str, rows: Rows, format: Format, grain: Literal["event", "week", "month"],
        totals: tuple[str, ...] = (),
    ) -> Feed:  # fmt: skip
        return Feed(system, feed, "simulated", format, grain, rows, totals=totals, sends_empty=True)

    return [
        news("erp", "exchange_rates", troubles.exchange_rates(demand, spec.troubles, seed=seed), "csv", "event"),
        state(
            "erp", "item_units",
            _whole(troubles.item_unit_rows(demand, operations, activity, handling, spec.troubles)), "csv",
        ),
        state(
            "crm", "item_hierarchy",
            _whole(troubles.hierarchy_rows(demand, operations, activity, spec.troubles, seed=seed)), "parquet",
        ),
        state("erp", "item_sites", planning.item_sites(demand, operations, activity, desk), "parquet"),
        state(
            "erp", "planning_parameters",
            planning.planning_parameters(demand, operations, activity, desk, spec.planning, seed=seed), "parquet",
        ),
        state("erp", "bill_of_materials", planning.bill_of_materials(demand, operations, activity, desk), "csv"),
        news(
            "erp", "inventory_budget", planning.inventory_budget(demand, operations, spec.planning), "csv", "month",
            ("budget_value",),
        ),
        news(
            "wms", "stock_movements",
            warehouse.movements(demand, operations, activity, papers, spec.warehouse, seed=seed), "parquet", "event",
            ("quantity",),
        ),
        news(
            "wms", "pick_tasks", warehouse.pick_tasks(demand, operations, activity, layout, spec.warehouse, seed=seed),
            "parquet", "event", ("quantity",),
        ),
        state(
            "wms", "slots",
            warehouse.slots(demand, operations, activity, handling, layout, spec.warehouse, seed=seed), "parquet",
        ),
        state(
            "wms", "item_handling", warehouse.item_handling(demand, operations, activity, handling, spec.planning),
            "csv",
        ),
        state("tms", "lanes", _whole(transport.lane_rows(demand, lanes, spec.transport)), "csv"),
        news("tms", "rates", transport.rates(demand, lanes, spec.transport), "csv", "month"),
        news(
            "tms", "shipments",
            transport.shipments(
                demand, operations, activity, papers, lanes, handling, spec.transport, seed=seed
            ),
            "parquet", "event", ("weight_kg",),
        ),
        state("crm", "accounts", _whole(accounts.account_rows(demand, book, seed=seed)), "jsonl"),
        state("crm", "contracts", accounts.contracts(demand, book, seed=seed), "csv"),
        state(
            "crm", "sla_terms",
            _whole(accounts.sla_term_rows(demand, activity, operations, book, spec.promises, seed=seed)), "csv",
        ),
        state(
            "crm", "incentives",
            _whole(accounts.incentive_rows(demand, operations, activity, book, spec.promises, spec.planning)), "csv",
        ),
        news(
            "planning", "forecast_overrides",
            consensus.forecast_overrides(demand, operations, activity, desk, spec.planning, seed=seed), "csv",
            "month",
        ),
        news(
            "planning", "consensus_decisions",
            consensus.consensus_decisions(demand, operations, activity, spec.planning, seed=seed), "csv", "month",
        ),
        news(
            "planning", "resource_plan",
            consensus.resource_plan(
                demand, operations, activity, handling, spec.planning, spec.warehouse, seed=seed
            ),
            "csv", "week",
        ),
    ]  # fmt: skip


def _whole(table: pa.Table) -> Rows:
    return lambda first, stop: table


def _of_month(table: pa.Table, month: Ints) -> Rows:
    return lambda first, stop: table.filter(pa.array((month >= first) & (month < stop)))


def _sales(demand: Demand, spec: OperationsSpec, seed: int) -> tuple[Rows, Rows]:
    """Sales lines as they are, and lines first booked wrong.

    A wrong line is sent, marked as simulated, with its own month; the real line follows with the extract of the
    month after (or the next). Late lines come with the extract of the month after. The last month of data has
    neither, so that in the end every real line has arrived as it is.
    """
    rng = np.random.default_rng([seed, 16])
    month = months_of(demand.day_numbers() + day_number(demand.first_day))
    last = int(month.max()) if len(month) else 0
    stocked = demand.items.filter(pa.array(is_stocked(demand)))
    quantity, amount = as_scaled(demand.lines.column("quantity")), as_scaled(demand.lines.column("net_amount"))
    known = positions(demand.lines.column("sku_id"), stocked.column("sku_id").combine_chunks()) >= 0
    draw, kind, wait = rng.random((3, len(month)))
    is_closed = month < last
    is_late = is_closed & (draw < spec.late_share)
    is_wrong = (draw >= spec.late_share) & (draw < spec.late_share + spec.misbooked_share)
    is_wrong &= is_closed & known & (quantity > 0) & (amount > 0)
    restated = np.minimum(month + np.where(wait < spec.restated_second_month_share, 2, 1), last)
    arrives = np.where(is_wrong, restated, month + is_late)

    wrong = np.flatnonzero(is_wrong)
    only_amount = kind[wrong] < spec.misbooked_amount_share
    half = np.maximum(amount[wrong] // (2 * CENT), 1) * CENT
    lines = demand.lines.take(pa.array(wrong))
    lines = lines.set_column(7, "quantity", as_decimal(quantity[wrong] * np.where(only_amount, 1, 2)))
    lines = lines.set_column(9, "net_amount", as_decimal(np.where(only_amount, half, amount[wrong] * 2)))

    def misbooked(first: int, stop: int) -> pa.Table:
        sent = (month[wrong] >= first) & (month[wrong] < stop) & (arrives[wrong] >= stop)
        return lines.filter(pa.array(sent))

    return _of_month(demand.lines, arrives), misbooked


def _items(demand: Demand, operations: Operations, desk: planning.Desk) -> Rows:
    items = operations.items
    codes = troubles.gtins(items.num_rows)
    predecessor = np.full(items.num_rows, -1, dtype=np.int64)
    replaced = np.flatnonzero(desk.successor >= 0)
    predecessor[desk.successor[replaced]] = replaced
    skus = items.column("sku_id").combine_chunks()
    price_item = positions(operations.prices.column("sku_id"), skus)
    price_month = operations.prices.column("month").to_numpy()
    price = as_scaled(operations.prices.column("unit_price"))

    def known_before(predecessor: Ints, as_of: date) -> Bools:
        """What an item follows is known once that has ended."""
        day = (as_of - demand.first_day).days
        return (predecessor >= 0) & (desk.end[np.maximum(predecessor, 0)] <= day)

    def rows(first: int, stop: int) -> pa.Table:
        as_of = month_first_day(stop)
        known = price_month < stop
        latest = np.full(len(skus), -1, dtype=np.int64)
        latest[price_item[known]] = price[known]  # prices are sorted by month: the last one stays
        priced = pa.array((latest >= 0) | items.column("standard_cost").is_valid().to_numpy())
        ended = pc.less_equal(items.column("end_date"), pa.scalar(as_of))
        return pa.table(
            {
                "sku_id": skus,
                "item_name": items.column("item_name"),
                "category": items.column("category"),
                "family": items.column("family"),
                "base_unit": pa.array(["EA"] * len(skus), pa.string()),
                "standard_cost": items.column("standard_cost"),
                "list_price": as_decimal(latest, latest < 0),
                "currency": pc.if_else(priced, demand.currency, None),
                "supplier_id": items.column("supplier_id"),
                "launch_date": items.column("launch_date"),
                "end_date": pc.if_else(ended, items.column("end_date"), None),
                "status": pa.array(life_status(items, as_of), pa.string()),
                "gtin": codes,
                "manufacturer_part_number": pa.nulls(len(skus), pa.string()),
                "predecessor_sku_id": skus.take(pa.array(predecessor, mask=~known_before(predecessor, as_of))),
            }
        )

    return rows


def _prices(demand: Demand, operations: Operations) -> Rows:
    month = operations.prices.column("month").to_numpy()
    starts = (month - 1970 * 12).astype("datetime64[M]")
    table = pa.table(
        {
            "sku_id": operations.prices.column("sku_id"),
            "price_list": pa.array([PRICE_LIST] * len(month), pa.string()),
            "valid_from": pa.array(starts.astype("datetime64[D]")),
            "valid_to": pa.array((starts + 1).astype("datetime64[D]") - np.timedelta64(1, "D")),
            "unit_price": operations.prices.column("unit_price"),
            "currency": pa.array([demand.currency] * len(month), pa.string()),
        }
    )
    return _of_month(table, month)


def _changes(papers: Papers, spec: OperationsSpec, seed: int) -> Rows:
    """The log in order, but overtaken updates behind the delete that follows them, and some events twice."""

    def rows(first: int, stop: int) -> pa.Table:
        sent = np.flatnonzero((papers.changes_month >= first) & (papers.changes_month < stop))
        if not len(sent):
            return papers.changes.slice(0, 0)
        overtaken = papers.is_overtaken[sent]
        rng = np.random.default_rng([seed, 21, stop])
        twice = rng.choice(sent, min(spec.duplicate_events, len(sent)), replace=False)
        return papers.changes.take(pa.array(np.concatenate([sent[~overtaken], sent[overtaken], np.sort(twice)])))

    return rows


def _snapshots(demand: Demand, operations: Operations) -> Rows:
    """Rows are built per extract: over the whole horizon they would not fit beside everything else."""
    stock = operations.stock
    month = months_of(stock.days + day_number(demand.first_day))
    skus, sites = operations.items.column("sku_id"), demand.sites.column("location_id")
    order = np.lexsort((operations.item_of, operations.location_of))

    def rows(first: int, stop: int) -> pa.Table:
        taken = np.flatnonzero((month >= first) & (month < stop))
        on_hand = stock.on_hand[taken][:, order]
        which, cell = np.nonzero(on_hand >= 0)
        item, location = operations.item_of[order][cell], operations.location_of[order][cell]
        dates = np.datetime64(demand.first_day, "D") + stock.days[taken]
        return pa.table(
            {
                "location_id": sites.take(pa.array(location)),
                "sku_id": skus.take(pa.array(item)),
                "snapshot_date": pa.array(dates[which]),
                "on_hand_units": as_decimal(on_hand[which, cell]),
                "stockout_days": pa.array(stock.stockout_days[taken][:, order][which, cell].astype(np.int64)),
                "days_covered": pa.array(np.full(len(which), DAYS_COVERED)),
            }
        )

    return rows
