"""What a panel has to say in the words of each canonical feed: SQL over its good rows.

Belongs here: rows of the feeds. Does not: which extracts they are cut into (`strata.panel.landing`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from strata.intake.casts import quoted
from strata.intake.contract import Contract
from strata.panel.mapping import Grain, PanelMap
from strata.panel.reading import Panel

# A row stands for its whole period, so its sales are booked on the last day, at an hour that no clock change skips.
BOOKED_AT_HOUR = 12
ASSUMED_SUPPLIER = "ASSUMED"
# order_id says the file and the million, order_line the rest: together the row of the panel, in two short columns.
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class PanelFeed:
    """One feed: `sql` selects the canonical columns it fills, with `{known}` for the rows that an extract holds."""

    system: str
    feed: str
    grain: Grain
    sql: str
    is_assumed: bool


def feeds(data: Panel, panel: PanelMap, sales: Contract) -> list[PanelFeed]:
    """Every feed that the panel has something for; master data is summed up once, sales stay a view.

    Makes the view `line`: rows with the instant at which they were `booked` and from which they were `known`.
    """
    booked = f"timezone({_zone(panel, data.regions)}, period_end + INTERVAL {BOOKED_AT_HOUR} HOUR)"
    data.connection.execute(
        f"CREATE VIEW line AS SELECT *, {booked} AS booked, "  # noqa: S608 - codes and zones are checked
        f"{booked} + INTERVAL ({sales.normal_lag_hours}) HOUR AS known FROM demand"
    )
    has, found = panel.has, [_sales(panel)]
    assumes = panel.unit_cost is not None or panel.lead_time_days is not None
    found.append(_state(data, "erp", "items", _items(panel), is_assumed=assumes))
    found.append(_state(data, "wms", "sites", _sites(panel)))
    if "customer_id" in has:
        found.append(_state(data, "erp", "customers", _customers(panel)))
    if panel.lead_time_days is not None:
        supplier = quoted(ASSUMED_SUPPLIER)
        named = f"SELECT {supplier} AS supplier_id, 'lead time assumed by the import map' AS supplier_name"
        found.append(_state(data, "erp", "suppliers", named, is_assumed=True))
        terms = (
            f"SELECT DISTINCT {supplier} AS supplier_id, sku_id, "
            f"{panel.lead_time_days} AS planned_lead_time_days FROM demand ORDER BY sku_id"
        )
        found.append(_state(data, "erp", "supplier_items", terms, is_assumed=True))
    if "promotion" in has:
        found.append(PanelFeed("crm", "promotions", "day", _promotions(panel), is_assumed=False))
    if "in_stock" in has:
        found.append(PanelFeed("wms", "stock_snapshots", "day", _stockouts(panel), is_assumed=False))
    return found


def _state(data: Panel, system: str, feed: str, sql: str, *, is_assumed: bool = False) -> PanelFeed:
    data.connection.execute(f"CREATE TABLE of_{feed} AS {sql}")
    return PanelFeed(system, feed, "day", f"SELECT * FROM of_{feed}", is_assumed)  # noqa: S608 - a name of ours


def _zone(panel: PanelMap, regions: Iterable[str]) -> str:
    zones = "".join(f" WHEN {quoted(code)} THEN {quoted(panel.zone_of(code))}" for code in sorted(regions))
    return f"CASE region{zones} ELSE {quoted(panel.time_zone)} END" if zones else quoted(panel.time_zone)


def _price(panel: PanelMap) -> str:
    if panel.unit_price is None:
        return "unit_price"
    return f"CAST({panel.unit_price.constant!r} AS DECIMAL(18, 4))"


def _currency(panel: PanelMap) -> str:
    own = quoted(panel.currency)
    return f"coalesce(currency, {own})" if "currency" in panel.has else own


def _column(panel: PanelMap, name: str) -> str:
    return name if name in panel.has else "NULL"


def _sales(panel: PanelMap) -> PanelFeed:
    number = f"lpad(CAST(_row // {_MILLION} AS VARCHAR), 4, '0')"
    order = (
        ("order_id", "order_line") if "order_id" in panel.has else (f"_file || '#' || {number}", f"_row % {_MILLION}")
    )
    sql = f"""SELECT {order[0]} AS order_id, {order[1]} AS order_line, sku_id, location_id,
        {_column(panel, "customer_id")} AS customer_id, {_column(panel, "channel")} AS channel, booked AS ordered_at,
        quantity, {quoted(panel.unit)} AS unit, CAST(quantity * {_price(panel)} AS DECIMAL(18, 4)) AS net_amount,
        {_currency(panel)} AS currency, 'sale' AS line_type
        FROM line WHERE quantity > 0 AND {{known}}"""  # noqa: S608 - names of ours, values are quoted
    return PanelFeed("erp", "sales_order_lines", panel.grain, sql, is_assumed=panel.unit_price is not None)


def _items(panel: PanelMap) -> str:
    """One row per item; a text that differs between rows is that of most rows, a cost the mean of those stated."""
    texts = [name for name in ("item_name", "category", "family") if name in panel.has]
    most = "".join(
        f" LEFT JOIN (SELECT sku_id, arg_max({name}, (n, {name})) AS {name} FROM (SELECT sku_id, {name}, count(*) AS n "
        f"FROM demand WHERE {name} IS NOT NULL GROUP BY ALL) GROUP BY sku_id) AS of_{name} USING (sku_id)"
        for name in texts
    )
    cost = "NULL"
    if "unit_cost" in panel.has:
        cost = "CAST(avg(unit_cost) AS DECIMAL(18, 4))"
    elif panel.unit_cost is not None:
        price = f"sum(quantity * {_price(panel)}) / nullif(sum(quantity), 0)"
        cost = f"CAST({panel.unit_cost.share_of_price!r} * {price} AS DECIMAL(18, 4))"
    supplier = "NULL" if panel.lead_time_days is None else quoted(ASSUMED_SUPPLIER)
    return (
        f"SELECT item.*{''.join(f', {name}' for name in texts)} FROM (SELECT sku_id, "  # noqa: S608 - names of ours
        f"{quoted(panel.unit)} AS base_unit, {cost} AS standard_cost, min({_currency(panel)}) AS currency, "
        f"{supplier} AS supplier_id, 'active' AS status FROM demand GROUP BY sku_id) AS item{most} ORDER BY sku_id"
    )


def _sites(panel: PanelMap) -> str:
    return (
        f"SELECT location_id, location_id AS location_name, region, {quoted(panel.location_type)} AS location_type, "  # noqa: S608
        f"{_zone(panel, panel.regions)} AS time_zone "
        "FROM (SELECT DISTINCT location_id, region FROM demand) ORDER BY location_id"
    )


def _customers(panel: PanelMap) -> str:
    channel = "max(channel)" if "channel" in panel.has else "NULL"
    each = (
        f"SELECT customer_id, region, {channel} AS channel, count(*) AS n FROM demand "  # noqa: S608 - names of ours
        "WHERE customer_id IS NOT NULL GROUP BY customer_id, region"
    )
    return (
        "SELECT customer_id, arg_max(region, (n, region)) AS region, max(channel) AS channel "  # noqa: S608
        f"FROM ({each}) GROUP BY customer_id ORDER BY customer_id"
    )


def _days(panel: PanelMap) -> str:
    return {"week": "7", "month": "day(period_end)"}.get(panel.grain, "1")


def _promotions(panel: PanelMap) -> str:
    name = "CASE WHEN lower(promotion) IN ('1', 'true', 'yes') THEN 'panel' ELSE promotion END"
    return f"""SELECT {name} || '@' || CAST(period_end AS VARCHAR) AS promotion_id, sku_id, location_id,
        min(period_end - CAST({_days(panel)} - 1 AS INTEGER)) AS starts_on, max(period_end) AS ends_on
        FROM line WHERE lower(promotion) NOT IN ('0', 'false', 'no') AND {{known}}
        GROUP BY ALL ORDER BY ALL"""  # noqa: S608 - names of ours


def _stockouts(panel: PanelMap) -> str:
    return f"""SELECT location_id, sku_id, period_end AS snapshot_date, 0 AS on_hand_units,
        {_days(panel)} AS stockout_days, {_days(panel)} AS days_covered
        FROM line WHERE in_stock IN ('false', 'False', '0') AND {{known}} ORDER BY ALL"""  # noqa: S608 - names of ours
