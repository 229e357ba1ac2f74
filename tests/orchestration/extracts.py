"""Extracts of the golden company that its story does not have: sales lines, and changes of purchase orders."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from strata.home import Home
from tests.golden.company import SALES_COLUMNS, month_lines


def line(order_id: str) -> dict[str, str]:
    """A line of the story by its order id, such as `EMEA-I1-03`, to be sent again with something changed."""
    return next(found for found in month_lines(int(order_id[-2:])) if found["order_id"] == order_id)


def drop_lines(
    home: Home, extract_id: str, extracted_at: str, lines: Sequence[Mapping[str, str]], *, missing_bytes: int = 0
) -> None:
    """Write an extract of sales lines, its file shorter than promised where `missing_bytes` says so."""
    text = io.StringIO()
    writer = csv.DictWriter(text, SALES_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    data = text.getvalue().encode()
    folder = home.landing / "erp" / "sales_order_lines" / extract_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "part-0.csv").write_bytes(data[: len(data) - missing_bytes])
    manifest = {
        "system": "erp", "feed": "sales_order_lines", "extract_id": extract_id, "kind": "full", "envelope": "plain",
        "schema_version": 1, "initial_load": False, "grain": "event", "extracted_at": extracted_at,
        "format": "csv", "files": [
            {
                "name": "part-0.csv", "sha256": hashlib.sha256(data).hexdigest(), "rows": len(lines),
                "bytes": len(data),
            }
        ],
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def drop_changes(home: Home, start: int, to: int, *, extracted_at: str, initial_load: bool = False) -> None:
    """Write the changes of purchase order lines after position `start` up to `to`: one line, created at `to`."""
    row = {
        "po_id": f"P{to}", "po_line": 10, "supplier_id": "S1", "sku_id": "I1", "location_id": "E1",
        "ordered_at": extracted_at, "quantity": "8", "unit": "EA", "promised_date": None, "status": "open",
    }  # fmt: skip
    moment = int(datetime.fromisoformat(extracted_at).timestamp() * 1000)
    event = {"op": "c", "before": None, "after": row, "source": {"lsn": to, "ts_ms": moment}, "ts_ms": moment}
    data = (json.dumps(event) + "\n").encode()
    folder = home.landing / "erp" / "purchase_order_lines" / f"x{start}-{to}"
    folder.mkdir(parents=True)
    (folder / "part-0.jsonl").write_bytes(data)
    manifest = {
        "system": "erp", "feed": "purchase_order_lines", "extract_id": folder.name, "kind": "cdc",
        "envelope": "debezium", "schema_version": 1, "initial_load": initial_load, "grain": "event",
        "extracted_at": extracted_at, "position": {"from": str(start), "to": str(to)}, "format": "jsonl",
        "files": [
            {"name": "part-0.jsonl", "sha256": hashlib.sha256(data).hexdigest(), "rows": 1, "bytes": len(data)}
        ],
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
