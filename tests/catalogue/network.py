"""The golden company grown by six regions, each with one fault in its June, and faults in two feeds of the old ones.

Belongs here: what the sources deliver for cycle 2026-07. Does not: what must become of it (`test_runs`).
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from orchestration import landing
from strata.home import REPOSITORY, Home
from tests.golden import company
from tests.strata.intake.drops import CONTRACTS, drop

# Region to its only location. Named after the case that it shows.
PLACES = {"B22": "L22", "B37": "L37", "B39": "L39", "B40": "L40", "B41": "L41", "B42": "L42"}
ZONES = {"B22": "Pacific/Auckland"}
ITEMS = ("I1", "I2", "I3", "I5", "I6")
LINES_A_MONTH = 10
LANDED = "2026-07-01T03:00:00Z"
Line = dict[str, str]


def grow(home: Home) -> None:
    """Add the regions, drop and land everything that arrives before the cut-off of 2026-07."""
    zones = {"EMEA": "Europe/Berlin", "APAC": "Asia/Tokyo", **{name: zone(name) for name in PLACES}}
    listed = "".join(f"  - {{region: {name}, name: {name}, time_zone: {where}}}\n" for name, where in zones.items())
    (home.config / "regions.yml").write_text(f"regions:\n{listed}", encoding="utf-8")
    # Sales as strict as shipped; the golden company's own contract forgives more.
    shipped = REPOSITORY / "config" / "feeds" / "erp" / "sales_order_lines.yml"
    (home.config / "feeds" / "erp" / "sales_order_lines.yml").write_bytes(shipped.read_bytes())
    company.drop_sales(home.landing, "2026-05-repair")
    company.drop_sales(home.landing, "2026-06")
    sites = [",".join((place, place, region, "dc", zone(region))) for region, place in PLACES.items()]
    header, old = company.MASTER["wms", "sites"]
    deliver(home, "wms", "sites", "grown", [header, *old, *sites], "2026-06-15T02:00:00Z")
    deliver(home, "erp", "sales_order_lines", "grown", table(sales()), LANDED)
    deliver(home, "erp", "sales_order_lines", "late", table(late()), "2026-04-20T02:00:00Z")
    # B04 and B34: the only region with stock snapshots is EMEA, the only one with promotions APAC.
    deliver(home, "wms", "stock_snapshots", "empty", [company.MASTER["wms", "stock_snapshots"][0]], LANDED)
    header, rows = company.MASTER["crm", "promotions"]
    short = [",".join(line.split(",")[:4]) for line in (header, *rows)]
    deliver(home, "crm", "promotions", "short", short, LANDED)
    landing.land(home)


def zone(region: str) -> str:
    """Time zone of a new region."""
    return ZONES.get(region, "Europe/Berlin")


def sales() -> Iterable[Line]:
    """Ten good lines a month and region from January to May; June has the faults."""
    for region, place in PLACES.items():
        for month in range(1, 6):
            yield from month_of(region, place, month, LINES_A_MONTH)
        yield from june(region, place)
    yield line("NOWHERE", 0, "L99", "I1", "2026-06-10T10:00:00Z")


def june(region: str, place: str) -> Iterable[Line]:
    """The month that is wrong, each region in its way."""
    count = {"B40": 4, "B41": 100, "B42": 0}.get(region, LINES_A_MONTH)
    lines = list(month_of(region, place, 6, count))
    if region == "B22":
        # An item that was given away all along is worth nothing, not little; the other line is June in Auckland only.
        lines += [line(f"{region}-free-{m}", 0, place, "I4", f"2026-0{m}-20T10:00:00Z", amount="0") for m in (4, 5, 6)]
        lines.append(line(f"{region}-midnight", 0, place, "I6", "2026-05-31T13:30:00Z", quantity="77"))
    if region == "B37":
        lines[0]["quantity"] = "two"
    if region == "B39":
        for wrong in lines[:4]:
            wrong["sku_id"] = "NOBODY"
    yield from lines


def month_of(region: str, place: str, month: int, count: int) -> Iterable[Line]:
    """Lines spread over the items, I1 worth most."""
    for number in range(count):
        place_of_item = number % len(ITEMS)
        amount = str(100 // (1 + place_of_item))
        yield line(
            f"{region}-{month}", number, place, ITEMS[place_of_item], f"2026-0{month}-15T10:00:00Z", amount=amount
        )


def late() -> Iterable[Line]:
    """B30: a line of March, taken in April, that arrives when May and June are published."""
    yield line("LATE", 0, "E1", "I1", "2026-03-20T10:00:00Z", quantity="900", amount="90000")


def line(order: str, number: int, place: str, sku: str, at: str, *, quantity: str = "5", amount: str = "50") -> Line:
    """One sales line."""
    return {
        "order_id": order, "order_line": str(number), "sku_id": sku, "location_id": place, "customer_id": "",
        "channel": "direct", "ordered_at": at, "quantity": quantity, "unit": "EA", "net_amount": amount,
        "currency": "EUR", "line_type": "sale", "promotion_id": "",
    }  # fmt: skip


def table(lines: Iterable[Line]) -> list[str]:
    """Lines of a CSV file with its header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, company.SALES_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().splitlines()


def deliver(home: Home, system: str, feed: str, extract_id: str, lines: list[str], extracted_at: str) -> Path:
    """Drop one extract."""
    data = "".join(f"{line}\n" for line in lines).encode()
    return drop(
        home.landing, {"part-0.csv": data}, len(lines) - 1, contract=CONTRACTS[system, feed], extract_id=extract_id,
        extracted_at=extracted_at,
    )  # fmt: skip
