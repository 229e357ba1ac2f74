"""Extracts dropped into a landing folder by hand.

Belongs here: writing files and manifests as a source would. Does not: what must become of them (the tests say that).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from strata.home import REPOSITORY, Home
from strata.intake.batches import accepted_batches
from strata.intake.contract import Contract, load_contracts

CONTRACTS = load_contracts(REPOSITORY / "config" / "feeds")
ITEMS = CONTRACTS["erp", "items"]
SALES = CONTRACTS["erp", "sales_order_lines"]
ORDERS = CONTRACTS["erp", "purchase_order_lines"]
SALES_HEADER = ",".join(SALES.names)
ITEM_HEADER = ",".join(ITEMS.names)


def sale(**changes: str) -> str:
    """One CSV line of sales_order_lines, good but for `changes`."""
    values = {
        "order_id": "SO1",
        "order_line": "1",
        "sku_id": "I1",
        "location_id": "L1",
        "customer_id": "C1",
        "channel": "store",
        "ordered_at": "2017-03-01T10:00:00+01:00",
        "quantity": "2",
        "unit": "EA",
        "net_amount": "19.90",
        "currency": "EUR",
        "line_type": "sale",
        "promotion_id": "",
    }
    return ",".join({**values, **changes}.values())


def item(**changes: str) -> str:
    """One CSV line of items, good but for `changes`."""
    values = {
        "sku_id": "I1",
        "item_name": "Bolt",
        "category": "hardware",
        "family": "",
        "base_unit": "EA",
        "standard_cost": "1.5",
        "list_price": "2.5",
        "currency": "EUR",
        "supplier_id": "S1",
        "launch_date": "2016-01-01",
        "end_date": "",
        "status": "active",
        "gtin": "",
        "manufacturer_part_number": "",
        "predecessor_sku_id": "",
    }
    return ",".join({**values, **changes}.values())


def text(header: str, *lines: str) -> bytes:
    """A CSV file."""
    return "".join(f"{line}\n" for line in (header, *lines)).encode()


def drop(
    landing: Path,
    files: Mapping[str, bytes],
    rows: int | Sequence[int],
    *,
    contract: Contract = SALES,
    extract_id: str = "x1",
    as_written: Mapping[str, bytes] | None = None,
    **manifest: Any,
) -> Path:
    """Write an extract whose manifest fits `files`; `as_written` is what lies in the folder instead."""
    folder = landing / contract.system / contract.feed / extract_id
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in (files if as_written is None else as_written).items():
        (folder / name).write_bytes(data)
    counts = [rows] if isinstance(rows, int) else list(rows)
    content = {
        "system": contract.system,
        "feed": contract.feed,
        "extract_id": extract_id,
        "kind": "full",
        "envelope": "plain",
        "schema_version": 1,
        "initial_load": False,
        "grain": "event",
        "extracted_at": "2017-04-01T02:00:00Z",
        "format": "csv",
        "files": [
            {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "rows": count, "bytes": len(data)}
            for (name, data), count in zip(files.items(), counts, strict=True)
        ],
        **manifest,
    }
    (folder / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def landed_rows(home: Home) -> list[dict[str, Any]]:
    """Rows of the only accepted batch."""
    (batch,) = accepted_batches(home)
    rows: list[dict[str, Any]] = pq.read_table(batch.rows_file).to_pylist()
    return rows


def parquet(table: pa.Table, path: Path) -> bytes:
    """The table as the bytes of a Parquet file."""
    pq.write_table(table, path)
    return path.read_bytes()


def tree(root: Path) -> dict[str, str]:
    """Hash of every file below a folder."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
