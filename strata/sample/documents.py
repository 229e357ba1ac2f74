"""Papers of purchasing: purchase order lines as a change log, and goods receipts.

Belongs here: document numbers, times of day, log positions. Does not: quantities and days
(`strata.sample.replenishment`), cutting the log into extracts (`strata.sample.feeds`).
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from strata.sample.demand import Demand, day_number, months_of
from strata.sample.extracts import as_decimal
from strata.sample.operations import Operations
from strata.sample.replenishment import NEVER, Ints

MINUTE = 60
HOUR = 3600
DAY = 86_400
FIRST_PO, FIRST_WITHDRAWN_PO, FIRST_RECEIPT = 4_500_000_001, 4_590_000_001, 5_000_000_001
FIRST_LSN = 24_000_000
LINE_STEP = 10


@dataclass(frozen=True, slots=True)
class Papers:
    """Change log of purchase order lines and goods receipts, each with the local month of every row.

    `changes` is in log order and has the columns `__op`, `__ts_ms`, `__lsn`. `is_overtaken` marks updates that the
    capture delivers after the delete which followed them.
    """

    changes: pa.Table
    changes_month: Ints
    is_overtaken: NDArray[np.bool_]
    receipts: pa.Table
    receipts_month: Ints


@dataclass(frozen=True, slots=True)
class _Lines:
    """Order lines in document order: keys, seconds since the first day's midnight, and what happened."""

    item_location: Ints
    po: Ints
    line: Ints
    ordered: Ints
    quantity: Ints
    promised: Ints
    first: Ints
    first_quantity: Ints
    second: Ints
    second_quantity: Ints
    cancelled: Ints


def papers(demand: Demand, operations: Operations, *, seed: int) -> Papers:
    """Number the documents, give them times of day, and write the change log.

    Every line is a `c` when ordered and a `u` when it is closed by its last receipt or cancelled. Each month one
    line is entered by mistake, changed, and deleted.
    """
    rng = np.random.default_rng([seed, 20])
    lines = _numbered(operations, rng)
    receipts, receipts_month, closed = _receipts(demand, operations, lines, rng)
    changes, month, is_overtaken = _changes(demand, operations, lines, closed, rng)
    return Papers(changes, month, is_overtaken, receipts, receipts_month)


def groups(*keys: Ints) -> tuple[Ints, Ints]:
    """Running group number, and running number inside the group, of rows already sorted by `keys`."""
    rows = len(keys[0])
    is_new = np.ones(rows, dtype=np.bool_)
    if rows:
        is_new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    group = np.cumsum(is_new) - 1
    within = np.arange(rows) - np.flatnonzero(is_new)[group] if rows else group
    return group, within


def _numbered(operations: Operations, rng: np.random.Generator) -> _Lines:
    """One order per supplier, location, day and kind (regular or emergency)."""
    orders = operations.orders
    cell = orders.item_location
    supplier, location = operations.supplier_of[cell], operations.location_of[cell]
    rush = orders.is_expedited.astype(np.int64)
    order = np.lexsort((operations.item_of[cell], location, supplier, rush, orders.ordered))
    group, within = groups(orders.ordered[order], rush[order], supplier[order], location[order])
    count = int(group[-1]) + 1 if len(group) else 0
    second_of_day = rng.integers(8 * HOUR, 17 * HOUR, count)
    return _Lines(
        item_location=cell[order],
        po=FIRST_PO + group,
        line=(within + 1) * LINE_STEP,
        ordered=orders.ordered[order] * DAY + second_of_day[group],
        quantity=orders.quantity[order],
        promised=orders.promised[order],
        first=orders.first[order],
        first_quantity=orders.first_quantity[order],
        second=orders.second[order],
        second_quantity=orders.second_quantity[order],
        cancelled=orders.cancelled[order],
    )


def _receipts(
    demand: Demand, operations: Operations, lines: _Lines, rng: np.random.Generator
) -> tuple[pa.Table, Ints, Ints]:
    """Receipts up to the last day, their months, and the second at which every line was closed (NEVER if open)."""
    rows = np.arange(len(lines.po))
    row = np.concatenate([rows, rows])
    day = np.concatenate([lines.first, lines.second])
    quantity = np.concatenate([lines.first_quantity, lines.second_quantity])
    happened = (day >= 0) & (day < demand.days)
    row, day, quantity = row[happened], day[happened], quantity[happened]
    cell = lines.item_location[row]
    supplier, location = operations.supplier_of[cell], operations.location_of[cell]
    order = np.lexsort((row, location, supplier, day))
    row, day, quantity, cell = row[order], day[order], quantity[order], cell[order]
    group, within = groups(day, supplier[order], location[order])
    count = int(group[-1]) + 1 if len(group) else 0
    received = day * DAY + rng.integers(5 * HOUR, 12 * HOUR, count)[group]
    table = pa.table(
        {
            "receipt_id": pa.array(FIRST_RECEIPT + group).cast(pa.string()),
            "receipt_line": pa.array(within + 1),
            "po_id": pa.array(lines.po[row]).cast(pa.string()),
            "po_line": pa.array(lines.line[row]),
            "sku_id": _skus(operations, cell),
            "location_id": _locations(demand, operations, cell),
            "received_at": _instants(demand, received),
            "quantity": as_decimal(quantity),
            "unit": pa.array(["EA"] * len(row), pa.string()),
        }
    )
    last = np.where(lines.second >= 0, lines.second, lines.first)
    closed = np.full(len(rows), NEVER, dtype=np.int64)
    is_last = last[row] == day
    closed[row[is_last]] = received[is_last]
    return table, months_of(day + day_number(demand.first_day)), closed


def _changes(
    demand: Demand, operations: Operations, lines: _Lines, closed: Ints, rng: np.random.Generator
) -> tuple[pa.Table, Ints, NDArray[np.bool_]]:
    rows = np.arange(len(lines.po))
    created = lines.ordered + rng.integers(1, 20, len(rows))
    is_closed = closed >= 0
    is_cancelled = (lines.cancelled >= 0) & (lines.cancelled < demand.days)
    ended = np.where(is_closed, closed + rng.integers(5 * MINUTE, HOUR, len(rows)), 0)
    ended = np.where(is_cancelled, lines.cancelled * DAY + rng.integers(9 * HOUR, 17 * HOUR, len(rows)), ended)
    updates = np.flatnonzero(is_closed | is_cancelled)
    mistaken = _mistaken(demand, lines)
    row = np.concatenate([rows, updates, mistaken, mistaken, mistaken])
    parts = (len(rows), len(updates), len(mistaken), len(mistaken), len(mistaken))
    kind = np.repeat(np.arange(5), parts)
    entered = lines.ordered[mistaken] + 2 * MINUTE
    second = np.concatenate([created, ended[updates], entered, entered + 4 * MINUTE, entered + 11 * MINUTE])
    status = np.where(kind != 1, 0, np.where(is_cancelled[row], 2, 1))
    count = np.arange(len(mistaken))
    withdrawn = FIRST_WITHDRAWN_PO + np.concatenate([np.zeros(len(rows) + len(updates), np.int64), count, count, count])
    po = np.where(kind >= 2, withdrawn, lines.po[row])
    line = np.where(kind >= 2, LINE_STEP, lines.line[row])
    quantity = lines.quantity[row] * np.where(kind >= 3, 2, 1)
    order = np.lexsort((kind, line, po, second))
    row, kind, second = row[order], kind[order], second[order]
    cell = lines.item_location[row]
    millisecond = second * 1000 + rng.integers(0, 1000, len(row))
    instants = _instants(demand, second).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    stamp = instants.to_numpy() // 1000 + millisecond % 1000
    stamp = np.maximum.accumulate(stamp) if len(stamp) else stamp
    table = pa.table(
        {
            "po_id": pa.array(po[order]).cast(pa.string()),
            "po_line": pa.array(line[order]),
            "supplier_id": operations.suppliers.column("supplier_id").take(pa.array(operations.supplier_of[cell])),
            "sku_id": _skus(operations, cell),
            "location_id": _locations(demand, operations, cell),
            "ordered_at": _instants(demand, lines.ordered[row]),
            "quantity": as_decimal(quantity[order]),
            "unit": pa.array(["EA"] * len(row), pa.string()),
            "promised_date": pa.array(np.datetime64(demand.first_day, "D") + lines.promised[row]),
            "status": pa.array(["open", "closed", "cancelled"]).take(pa.array(status[order])),
            "__op": pa.array(["c", "u", "c", "u", "d"]).take(pa.array(kind)),
            "__ts_ms": pa.array(stamp),
            "__lsn": pa.array(FIRST_LSN + np.cumsum(rng.integers(40, 400, len(row)))),
        }
    )
    return table, months_of(second // DAY + day_number(demand.first_day)), kind == 3


def _mistaken(demand: Demand, lines: _Lines) -> Ints:
    """The last line ordered in each month: the one that is entered a second time by mistake."""
    month = months_of(lines.ordered // DAY + day_number(demand.first_day))
    _, last = np.unique(month[::-1], return_index=True)
    rows: Ints = len(month) - 1 - last
    return rows


def _skus(operations: Operations, cell: Ints) -> pa.ChunkedArray:
    return operations.items.column("sku_id").take(pa.array(operations.item_of[cell]))


def _locations(demand: Demand, operations: Operations, cell: Ints) -> pa.ChunkedArray:
    return demand.sites.column("location_id").take(pa.array(operations.location_of[cell]))


def _instants(demand: Demand, second: Ints) -> pa.Array:
    """Local seconds since midnight of the first day as instants in the demand's zone."""
    local = pa.array((np.datetime64(demand.first_day, "s") + second).astype("datetime64[us]"))
    return pc.assume_timezone(local, demand.zone, ambiguous="earliest", nonexistent="latest")
