"""What the sample company is built around: demand lines, items, customers, locations, promotions.

Belongs here: the one shape that every source of demand (Complete Journey, a panel, the generator) is brought to.
Does not: the operations around it (`strata.sample.operations`), the sources themselves.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from strata.sample.extracts import Origin

DECIMAL = pa.decimal128(18, 4)


def line_schema(zone: str) -> pa.Schema:
    """Columns of `Demand.lines`; instants are shown in `zone`."""
    return pa.schema(
        [
            ("order_id", pa.string()),
            ("order_line", pa.int64()),
            ("sku_id", pa.string()),
            ("location_id", pa.string()),
            ("customer_id", pa.string()),
            ("channel", pa.string()),
            ("ordered_at", pa.timestamp("us", zone)),
            ("quantity", DECIMAL),
            ("unit", pa.string()),
            ("net_amount", DECIMAL),
            ("currency", pa.string()),
            ("line_type", pa.string()),
            ("promotion_id", pa.string()),
        ]
    )


ITEM_SCHEMA = pa.schema(
    [
        ("sku_id", pa.string()),
        ("item_name", pa.string()),
        ("category", pa.string()),
        ("family", pa.string()),
        ("launch_date", pa.date32()),
        ("end_date", pa.date32()),
    ]
)
CUSTOMER_SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("customer_name", pa.string()),
        ("region", pa.string()),
        ("channel", pa.string()),
        ("priority", pa.int64()),
    ]
)
SITE_SCHEMA = pa.schema(
    [
        ("location_id", pa.string()),
        ("location_name", pa.string()),
        ("region", pa.string()),
        ("location_type", pa.string()),
        ("time_zone", pa.string()),
    ]
)
PROMOTION_SCHEMA = pa.schema(
    [
        ("promotion_id", pa.string()),
        ("sku_id", pa.string()),
        ("location_id", pa.string()),
        ("starts_on", pa.date32()),
        ("ends_on", pa.date32()),
        ("mechanic", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Demand:
    """Demand of one company over `first_day` .. `last_day`.

    `lines` are sorted by `ordered_at`, then key; lines that a contract refuses (quantity 0, unknown item) stay in.
    Items of `not_stocked_categories` and `not_stocked_families` are sold without stock: they get no supplier, orders
    or stock. `knows_life` says that null launch and end dates mean "always there"; otherwise they are inferred from
    the sales. `grain` is the finest time grain of the lines.
    """

    name: str
    origin: Origin
    zone: str
    currency: str
    grain: str
    first_day: date
    last_day: date
    lines: pa.Table
    items: pa.Table
    customers: pa.Table
    sites: pa.Table
    promotions: pa.Table
    not_stocked_categories: frozenset[str]
    not_stocked_families: frozenset[str]
    knows_life: bool

    @property
    def days(self) -> int:
        """Number of days from the first to the last one."""
        return (self.last_day - self.first_day).days + 1

    def day_numbers(self) -> NDArray[np.int64]:
        """Local day of every line, counted from `first_day`."""
        return local_days(self.lines.column("ordered_at")) - day_number(self.first_day)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


def local_days(instants: pa.ChunkedArray) -> NDArray[np.int64]:
    """Local calendar day of instants that carry a zone, in days since 1970-01-01."""
    local = pc.local_timestamp(instants).cast(pa.int64()).to_numpy()
    days: NDArray[np.int64] = np.floor_divide(local, 86_400_000_000)
    return days


def months_of(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Month number (year x 12 + month - 1) of days since 1970-01-01."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + 1970 * 12


def month_number(cycle: str) -> int:
    """Month number of `2017-10`."""
    year, month = map(int, cycle.split("-"))
    return year * 12 + month - 1


def month_first_day(month: int) -> date:
    """First day of a month number."""
    return date(month // 12, month % 12 + 1, 1)


def positions(values: pa.ChunkedArray | pa.Array, known: pa.Array) -> NDArray[np.int64]:
    """Index of every value in `known`, -1 where it is not there."""
    found = pc.fill_null(pc.index_in(values, known), -1)
    whole = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    indices: NDArray[np.int64] = whole.to_numpy(zero_copy_only=False).astype(np.int64)
    return indices
