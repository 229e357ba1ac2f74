"""Native extracts written by hand and landed through a mapping.

Belongs here: a home whose systems are mapped, tables as a source would write them. Does not: what must come out.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from strata.home import REPOSITORY, Home
from strata.intake.batches import feed_batches
from strata.intake.contract import Contract, load_contracts
from strata.intake.land import LandedExtract, land

# What every good row has besides its content.
CONTROL = "_"


def home(root: Path, mapping: Mapping[str, Any] | str) -> Home:
    """A home all of whose systems have a shipped mapping (by name) or the given one."""
    made = Home(root / "home")
    shutil.copytree(REPOSITORY / "config" / "feeds", made.root / "config" / "feeds")
    mappings = made.root / "config" / "mappings"
    mappings.mkdir()
    name = mapping if isinstance(mapping, str) else str(mapping["mapping"])
    if isinstance(mapping, str):
        shutil.copy(REPOSITORY / "config" / "mappings" / f"{mapping}.yml", mappings)
    else:
        (mappings / f"{name}.yml").write_text(yaml.safe_dump(mapping), encoding="utf-8")
    content = yaml.safe_load((mappings / f"{name}.yml").read_text(encoding="utf-8"))
    systems = sorted({feed.split("/")[0] for feed in content["feeds"]})
    lines = "".join(f"  {system}: {{mapping: {name}}}\n" for system in systems)
    (made.root / "config" / "systems.yml").write_text(f"systems:\n{lines}", encoding="utf-8")
    return made


def contracts(made: Home) -> dict[tuple[str, str], Contract]:
    """The effective contracts of a home."""
    return load_contracts(made.config / "feeds")


def land_tables(made: Home, feed: str, tables: Mapping[str, str], **manifest: Any) -> LandedExtract:
    """Drop one extract with a file per table (its text; columns by blanks of two or more, or as it is) and land it."""
    contract = contracts(made)[tuple(feed.split("/"))]  # type: ignore[index]
    identity = manifest.pop("extract_id", "x1")
    folder = made.landing / contract.system / contract.feed / identity
    folder.mkdir(parents=True)
    ending = manifest.get("format", "csv")
    files = []
    for table, text in tables.items():
        data = text.encode()
        header = contract.source is None or contract.source.layout.header == "present"
        rows = len(text.splitlines()) - (1 if header and ending == "csv" else 0)
        name = f"{table}.{ending}"
        (folder / name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        files.append({"name": name, "table": table, "sha256": digest, "rows": rows, "bytes": len(data)})
    content = {
        "system": contract.system,
        "feed": contract.feed,
        "extract_id": identity,
        "kind": "full",
        "envelope": "plain",
        "schema_version": contract.schema_version,
        "grain": "event",
        "extracted_at": "2024-04-01T02:00:00Z",
        "format": "csv",
        "files": files,
        **manifest,
    }
    (folder / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    (result,) = land(made, contracts(made), folder).extracts
    return result


def table(text: str) -> str:
    """Columns written under each other, divided by `|`, as CSV."""
    lines = [line for line in text.strip("\n").splitlines() if line.strip()]
    return "".join(",".join(cell.strip() for cell in line.split("|")) + "\n" for line in lines)


def rows(made: Home, feed: str) -> list[dict[str, Any]]:
    """Good rows of the newest batch of a feed, without control columns and without empty ones."""
    system, name = feed.split("/")
    batch = feed_batches(made, system, name)[-1]
    found = pq.read_table(batch.rows_file).to_pylist()
    return [
        {k: v for k, v in row.items() if not k.startswith(CONTROL) and v is not None}
        for row in found
        if row["_refusal_reason"] is None
    ]


def refused(made: Home, feed: str) -> list[dict[str, Any]]:
    """Refused rows of the newest batch of a feed, as quarantine shows them."""
    system, name = feed.split("/")
    batch = feed_batches(made, system, name)[-1]
    file = made.quarantine / system / name / batch.batch_id / "rows.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def record(made: Home, feed: str) -> dict[str, Any]:
    """batch.json of the newest batch of a feed."""
    system, name = feed.split("/")
    found: dict[str, Any] = json.loads((feed_batches(made, system, name)[-1].folder / "batch.json").read_bytes())
    return found
