"""The golden company: 6 items x 2 regions x 4 cycles, small enough to work out on paper.

One late correction (I5, March, known from 20 May), one bad feed (APAC, May: three of four lines name unknown
items; repaired on 10 June), one override (I4 in EMEA, cycles 2026-05 and 2026-06), one rollback (of the release of
2026-06). Only what a source would send is here; what must come out stands in `expected/`, written by hand.
"""

import csv
import hashlib
import io
import json
import re
from pathlib import Path

ITEMS = ["I1", "I2", "I3", "I4", "I5", "I6"]
COST = {"I1": "60", "I2": "6", "I3": "6", "I4": "0.5", "I5": "6", "I6": "1"}
PRICE = {"I1": 100, "I2": 10, "I3": 10, "I4": 1, "I5": 10, "I6": 10}

# item: units per month, January to June; None = no order
EMEA = {
    "I1": [8, 8, 8, 8, 8, 8],
    "I2": [8, 8, 8, None, 8, 8],
    "I3": [6, None, 6, None, 6, None],
    "I4": [4, 4, 4, 4, 4, 4],
    "I5": [None, None, 3, 3, 3, 3],
}
APAC = {
    "I1": [2, 2, 2, 2, 2, 2],
    "I2": [5, 5, 5, 5, 5, 5],
    "I3": [1, 1, 1, 1, 1, 1],
    "I4": [100, 100, 100, 100, 100, 100],
    "I6": [1, None, None, None, None, None],
}

SALES_COLUMNS = [
    *("order_id", "order_line", "sku_id", "location_id", "customer_id", "channel", "ordered_at", "quantity", "unit"),
    *("net_amount", "currency", "line_type", "promotion_id"),
]


def _line(
    order_id: str, sku_id: str, region: str, ordered_at: str, quantity: int, amount: int, line_type: str = "sale"
) -> dict[str, str]:
    return {
        "order_id": order_id,
        "order_line": "1",
        "sku_id": sku_id,
        "location_id": {"EMEA": "E1", "APAC": "A1"}[region],
        "customer_id": f"CUST-{region}",
        "channel": "direct",
        "ordered_at": ordered_at,
        "quantity": str(quantity),
        "unit": "EA",
        "net_amount": str(amount),
        "currency": "EUR",
        "line_type": line_type,
        "promotion_id": "",
    }


def month_lines(month: int) -> list[dict[str, str]]:
    """Orders of one month, all on the 10th at 10:00Z but for the two that test the time zones."""
    lines = []
    for region, plan in (("EMEA", EMEA), ("APAC", APAC)):
        for sku_id, units in plan.items():
            quantity = units[month - 1]
            if quantity is None:
                continue
            ordered_at = f"2026-{month:02d}-10T10:00:00Z"
            if (region, sku_id, month) == ("EMEA", "I1", 4):
                ordered_at = "2026-03-31T23:30:00Z"  # 01:30 on 1 April in Berlin
            if (region, sku_id, month) == ("APAC", "I2", 2):
                ordered_at = "2026-01-31T20:00:00Z"  # 05:00 on 1 February in Tokyo
            lines.append(
                _line(f"{region}-{sku_id}-{month:02d}", sku_id, region, ordered_at, quantity, quantity * PRICE[sku_id])
            )
    return lines


def sales_extracts() -> dict[str, tuple[str, bool, list[dict[str, str]]]]:
    """extract_id -> (extracted_at, initial_load, lines)."""
    first = [line for month in (1, 2, 3) for line in month_lines(month)]
    first += [
        _line("EMEA-I6-02", "I6", "EMEA", "2026-02-10T10:00:00Z", 1, 0),  # a free sample: units, no value
        _line("EMEA-I1-R", "I1", "EMEA", "2026-02-12T10:00:00Z", 1, 100, "return"),
        _line("EMEA-I2-Q", "I2", "EMEA", "2026-01-11T10:00:00Z", 0, 0),  # quantity 0: refused by contract
        _line("EMEA-I2-04a", "I2", "EMEA", "2026-04-01T08:00:00Z", 2, 20),  # in April, still open at the cut-off
    ]
    april = [*month_lines(4), _line("EMEA-I2-04b", "I2", "EMEA", "2026-04-10T10:00:00Z", 6, 60)]
    may = month_lines(5)
    for line in may:
        if line["location_id"] == "A1" and line["sku_id"] != "I3":
            line["sku_id"] = "X" + line["sku_id"]  # the bad feed: items nobody knows
    repaired = [line for line in month_lines(5) if line["location_id"] == "A1" and line["sku_id"] != "I3"]
    correction = [_line("EMEA-I5-03", "I5", "EMEA", "2026-03-10T10:00:00Z", 33, 330)]
    return {
        "initial": ("2026-04-02T02:00:00Z", True, first),
        "2026-04": ("2026-05-01T02:00:00Z", False, april),
        "late-correction": ("2026-05-20T02:00:00Z", False, correction),
        "2026-05": ("2026-06-01T02:00:00Z", False, may),
        "2026-05-repair": ("2026-06-10T02:00:00Z", False, repaired),
        "2026-06": ("2026-07-01T02:00:00Z", False, month_lines(6)),
    }


# number, (month ordered on the 2nd, day received, location)
ORDERS = list(
    enumerate([(1, 16, "E1"), (2, 14, "E1"), (3, 18, "E1"), (1, 16, "A1"), (2, 16, "A1"), (3, 16, "A1")], start=1)
)

# (system, feed) -> header and rows, all sent once with the first load
MASTER: dict[tuple[str, str], tuple[str, list[str]]] = {
    ("erp", "items"): (
        "sku_id,item_name,category,family,base_unit,standard_cost,list_price,currency,supplier_id,launch_date,end_date,status",
        [f"{sku},Item {sku},GOODS,ALL,EA,{COST[sku]},{PRICE[sku]},EUR,S1,,,active" for sku in ITEMS],
    ),
    ("erp", "customers"): (
        "customer_id,customer_name,region,channel,priority",
        ["CUST-EMEA,Customer E,EMEA,direct,1", "CUST-APAC,Customer A,APAC,direct,2"],
    ),
    ("erp", "suppliers"): ("supplier_id,supplier_name,country", ["S1,Supplier one,DE"]),
    ("erp", "supplier_items"): (
        "supplier_id,sku_id,min_order_quantity,order_multiple,planned_lead_time_days,unit_price,currency",
        [f"S1,{sku},2,2,14,{COST[sku]},EUR" for sku in ITEMS],
    ),
    ("wms", "sites"): (
        "location_id,location_name,region,location_type,time_zone",
        ["E1,Europe DC,EMEA,dc,Europe/Berlin", "A1,Asia DC,APAC,dc,Asia/Tokyo"],
    ),
    ("erp", "purchase_order_lines"): (
        "po_id,po_line,supplier_id,sku_id,location_id,ordered_at,quantity,unit,promised_date,status",
        [
            f"P{i},1,S1,I1,{loc},2026-0{m}-02T08:00:00Z,8,EA,2026-0{m}-16,closed"
            for i, (m, _, loc) in ORDERS
        ],
    ),
    ("erp", "goods_receipts"): (
        "receipt_id,receipt_line,po_id,po_line,sku_id,location_id,received_at,quantity,unit",
        [f"R{i},1,P{i},1,I1,{loc},2026-0{m}-{day}T08:00:00Z,8,EA" for i, (m, day, loc) in ORDERS],
    ),
    ("erp", "price_conditions"): (
        "sku_id,price_list,valid_from,valid_to,unit_price,currency",
        [f"{sku},BASE,2026-01-01,,{PRICE[sku]},EUR" for sku in ITEMS],
    ),
    ("wms", "stock_snapshots"): (
        "location_id,sku_id,snapshot_date,on_hand_units,stockout_days,days_covered",
        ["E1,I4,2026-03-15,0,7,7", "E1,I3,2026-02-22,0,6,7", "E1,I1,2026-03-29,16,0,7"],
    ),
    ("crm", "promotions"): (
        "promotion_id,sku_id,location_id,starts_on,ends_on,mechanic",
        ["PR1,I2,A1,2026-03-09,2026-03-15,leaflet"],
    ),
}  # fmt: skip


def write_contracts(source: Path, target: Path) -> None:
    """The shipped contracts, as wide as the company's gates: master data comes once, and one bad line is many.

    One refused line of sixteen is more than any real feed may have; here it is one of the things to be shown.
    """
    for file in source.glob("*/*.yml"):
        text = re.sub(r"(?m)^refresh_sla_hours: .*$", "refresh_sla_hours: 8784", file.read_text(encoding="utf-8"))
        text = re.sub(r"(?m)^  suspend_refused_share: .*$", "  suspend_refused_share: 0.30", text)
        (target / file.parent.name).mkdir(parents=True, exist_ok=True)
        (target / file.parent.name / file.name).write_text(text, encoding="utf-8")


def _write(landing: Path, system: str, feed: str, extract_id: str, extracted_at: str, initial: bool, text: str) -> None:
    folder = landing / system / feed / extract_id
    folder.mkdir(parents=True)
    data = text.encode()
    (folder / "part-0.csv").write_bytes(data)
    rows = text.count("\n") - 1
    manifest = {
        "system": system, "feed": feed, "extract_id": extract_id, "kind": "full", "envelope": "plain",
        "schema_version": 1, "initial_load": initial, "grain": "event", "extracted_at": extracted_at,
        "position": {"from": "", "to": extracted_at}, "format": "csv", "encoding": "utf-8", "delimiter": ",",
        "business_date": extracted_at[:10], "control_totals": {},
        "files": [{"name": "part-0.csv", "sha256": hashlib.sha256(data).hexdigest(), "rows": rows, "bytes": len(data)}],
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def drop_master(landing: Path) -> None:
    """Write the first load of every feed but sales."""
    for (system, feed), (header, rows) in MASTER.items():
        text = "\n".join([header, *rows]) + "\n"
        _write(landing, system, feed, "initial", "2026-04-02T02:00:00Z", True, text)


def drop_sales(landing: Path, extract_id: str, as_extract: str | None = None) -> None:
    """Write one sales extract, under another extract id where `as_extract` says so."""
    extracted_at, initial, lines = sales_extracts()[extract_id]
    text = io.StringIO()
    writer = csv.DictWriter(text, SALES_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    _write(landing, "erp", "sales_order_lines", as_extract or extract_id, extracted_at, initial, text.getvalue())
