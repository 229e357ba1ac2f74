"""A small generated company and readers of its landing zone, shared by the tests of this folder."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from strata.home import Home
from strata.sample import assumptions
from strata.sample.generator import SHIPPED, GeneratorSpec

SPEC: GeneratorSpec = replace(
    SHIPPED, items=12, regions=("EAST", "WEST"), locations_per_region=1, first_monday=date(2016, 1, 4), weeks=104
)
# many late and wrong lines, so that a few items show all of them
# and everything in one unit and currency, so that sums can be taken as they come
RULES = replace(
    assumptions.SHIPPED, late_share=0.05, misbooked_share=0.04, restated_second_month_share=0.5, troubles=None
)


def manifests(home: Home, feed: str = "*/*") -> list[tuple[Path, dict[str, Any]]]:
    """Folder and manifest of every extract of a feed, by extract id."""
    files = sorted(home.landing.glob(f"{feed}/*/manifest.json"))
    return [(file.parent, json.loads(file.read_text())) for file in files]


def rows(home: Home, feed: str, extract: str = "*") -> pa.Table:
    """Rows of a plain feed's extracts, all as text in CSV, with the extract's id in the column `extract`."""
    folder = home.landing / feed
    first = next(folder.glob(f"{extract}/part-0.*"))
    kind = first.name.split(".")[-1]
    reader = {"csv": "read_csv", "jsonl": "read_json", "parquet": "read_parquet"}[kind]
    option = ", all_varchar = true" if kind == "csv" else ""
    with duckdb.connect() as connection:
        return connection.sql(
            f"""select * exclude (filename), split_part(filename, '/', -2) as extract
            from {reader}('{folder}/{extract}/part-*.{kind}', filename = true{option})"""
        ).to_arrow_table()


def events(home: Home) -> list[tuple[str, dict[str, Any]]]:
    """Extract id and change event of every purchase order change, in file order."""
    found = []
    for folder, _ in manifests(home, "erp/purchase_order_lines"):
        for line in (folder / "part-0.jsonl").read_text().splitlines():
            found.append((folder.name, json.loads(line)))
    return found


def digests(home: Home) -> dict[str, bytes]:
    """Bytes of every file in the landing zone, by path."""
    return {str(p.relative_to(home.landing)): p.read_bytes() for p in sorted(home.landing.rglob("*")) if p.is_file()}
