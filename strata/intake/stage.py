"""Plain files of a source to landing extracts: which file is which table, and the manifest that nobody wrote.

Belongs here: finding the files of every feed by name, copying them, writing manifests. Does not: accepting extracts
(`strata.intake.land`). A source that writes its own manifests needs none of this, and proves more: a manifest made
here states what the files hold now, so it cannot show that one was cut off on its way to this machine.
"""

import csv
import gzip
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, TextIO, cast

import pyarrow.parquet as pq

from strata.durable import write_bytes
from strata.home import Home
from strata.identity import sha256_file
from strata.intake.contract import Contract
from strata.intake.manifest import EXTRACT_ID, MANIFEST_NAME
from strata.intake.mapping import Branch, MappedFeed, NativeTable

Grain = Literal["event", "day", "week", "month"]
# Endings that files have in the world, and the format and ending that landing knows them by.
FORMATS: dict[str, tuple[str, str]] = {
    ".csv": ("csv", ".csv"),
    ".tsv": ("csv", ".csv"),
    ".tab": ("csv", ".csv"),
    ".txt": ("csv", ".csv"),
    ".csv.gz": ("csv", ".csv.gz"),
    ".jsonl": ("jsonl", ".jsonl"),
    ".jsonl.gz": ("jsonl", ".jsonl.gz"),
    ".parquet": ("parquet", ".parquet"),
}
_PART = r"(?:[-_.][0-9]+)?"


@dataclass(frozen=True, slots=True)
class StagedExtract:
    """One extract written to landing/: its folder, and rows by file."""

    system: str
    feed: str
    folder: Path
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class StageResult:
    """What became of every feed: an extract, or why there is none."""

    extracts: tuple[StagedExtract, ...]
    skipped: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    table: str | None
    format: str
    ending: str


def stage(
    home: Home,
    contracts: Mapping[tuple[str, str], Contract],
    folder: Path,
    *,
    extracted_at: datetime,
    initial_load: bool,
    feeds: Sequence[str] | None = None,
    business_date: date | None = None,
    grain: Grain = "event",
    extract_id: str | None = None,
) -> StageResult:
    """Write one extract per feed whose files lie below `folder`, ready for `strata land`.

    A file belongs to a table by its name without ending (`VBAP.csv`, parts as `VBAP-0.csv`, `VBAP-1.csv`), in any
    case and any sub-folder; a feed without mapping is looked for as `<feed>` or `<system>.<feed>`. The files are
    copied; nothing is read but their number of rows.

    Args:
        home: where landing/ is.
        contracts: effective contracts by (system, feed).
        folder: where the plain files are.
        extracted_at: when the source wrote them, with offset: from then on their content was known.
        initial_load: the feed's first load, whose rows were known by their business time.
        feeds: `system/feed` to look for; all there are contracts for if not given.
        business_date: last day the files cover.
        grain: time grain of feeds without mapping; a mapping states its own.
        extract_id: name of the extracts; made of `extracted_at` if not given.

    Raises:
        FileNotFoundError: `folder` is not there.
        ValueError: an unknown feed, two files for one table, an extract of that name, or nothing found at all.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder; name the one with the source's files")
    if extracted_at.tzinfo is None:
        raise ValueError(f"extracted_at {extracted_at} needs an offset, such as 2024-04-01T02:00:00Z")
    identity = extract_id or extracted_at.astimezone(UTC).strftime("%Y-%m-%dT%H%MZ")
    if not re.fullmatch(EXTRACT_ID, identity):
        raise ValueError(f"extract id {identity!r}: use letters, digits, dots, dashes and underscores")
    known = {"/".join(key): contract for key, contract in contracts.items()}
    unknown = sorted(set(feeds or ()) - set(known))
    if unknown:
        raise ValueError(f"no contract for {unknown[0]}; there are {sorted(known)}")
    files = _files(folder)
    extracts, skipped = [], {}
    for name in feeds or sorted(known):
        found, why = _of_feed(files, known[name])
        if why is not None:
            skipped[name] = why
            continue
        stated = {"initial_load": initial_load, "extracted_at": extracted_at, "business_date": business_date}
        extracts.append(_write(home, known[name], found, identity, grain, stated))
    if not extracts:
        told = "; ".join(f"{name}: {why}" for name, why in list(skipped.items())[:5])
        raise ValueError(f"{folder}: no feed has all its files ({told})")
    return StageResult(tuple(extracts), skipped)


def _files(folder: Path) -> list[tuple[str, Path, str, str]]:
    """Stem in lower case, path, format and landing's ending of every data file below a folder."""
    found = []
    for path in sorted(folder.rglob("*")):
        for ending in sorted(FORMATS, key=len, reverse=True):
            if path.is_file() and path.name.lower().endswith(ending):
                found.append((path.name[: -len(ending)].lower(), path, *FORMATS[ending]))
                break
    return found


def _of_feed(files: Sequence[tuple[str, Path, str, str]], contract: Contract) -> tuple[list[_Found], str | None]:
    if contract.source is None:
        wanted: dict[str | None, str] = {None: rf"(?:{contract.system}[._-])?{contract.feed}"}
    else:
        wanted = _tables(files, contract.source)
        if not wanted:
            return [], f"no file is called {' or '.join(branch.table for branch in contract.source.branches)}"
    found: list[_Found] = []
    for table, pattern in wanted.items():
        matches = [
            _Found(path, table, form, ending)
            for stem, path, form, ending in files
            if re.fullmatch(f"(?:{pattern}){_PART}", stem, re.IGNORECASE)
        ]
        if not matches:
            return [], f"no file is called {table or contract.feed}"
        names = [match.path.name.lower() for match in matches]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            places = ", ".join(str(match.path) for match in matches if match.path.name.lower() == twice[0])
            raise ValueError(f"{contract.system}/{contract.feed}: two files could be it: {places}; take one away")
        found += matches
    formats = sorted({match.format for match in found})
    if len(formats) > 1:
        return [], f"its files are {' and '.join(formats)}; one extract has one format"
    return found, None


def _tables(files: Sequence[tuple[str, Path, str, str]], source: MappedFeed) -> dict[str | None, str]:
    """Pattern of file names by table, for the branches whose driving table is there."""

    def pattern(table: str) -> str:
        return re.escape(source.tables.get(table, NativeTable()).file or table)

    def is_there(branch: Branch) -> bool:
        return any(re.fullmatch(pattern(branch.table) + _PART, stem, re.IGNORECASE) for stem, *_ in files)

    used = dict.fromkeys(table for branch in source.branches if is_there(branch) for table in branch.stored.values())
    return {table: pattern(table) for table in used}


def _write(
    home: Home, contract: Contract, found: Sequence[_Found], identity: str, grain: Grain, stated: dict[str, Any]
) -> StagedExtract:
    folder = home.landing / contract.system / contract.feed / identity
    if (folder / MANIFEST_NAME).exists():
        raise ValueError(f"{folder} is there already; give another --extract-id, or delete the folder")
    folder.mkdir(parents=True, exist_ok=True)
    files, rows = [], {}
    for item in found:
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", item.path.name.split(".")[0])
        target = folder / f"{stem}{item.ending}"
        shutil.copyfile(item.path, target)
        rows[target.name] = _rows(target, contract, item.format)
        entry = {"name": target.name, "sha256": sha256_file(target), "rows": rows[target.name]}
        files.append(entry | {"bytes": target.stat().st_size} | ({"table": item.table} if item.table else {}))
    source = contract.source
    business_date = stated["business_date"]
    manifest = {
        "system": contract.system,
        "feed": contract.feed,
        "extract_id": identity,
        "kind": "full",
        "envelope": "plain",
        "schema_version": contract.schema_version,
        "initial_load": stated["initial_load"],
        "grain": source.grain if source else grain,
        "extracted_at": stated["extracted_at"].astimezone(UTC).isoformat(),
        "format": found[0].format,
        "encoding": contract.encoding,
        "delimiter": source.layout.delimiter if source else ",",
        **({"business_date": business_date.isoformat()} if business_date else {}),
        "files": files,
    }
    write_bytes(folder / MANIFEST_NAME, (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode())
    return StagedExtract(contract.system, contract.feed, folder, rows)


def _rows(path: Path, contract: Contract, form: str) -> int:
    """Records in a file, header not counted."""
    if form == "parquet":
        with pq.ParquetFile(path) as parquet:
            return cast(int, parquet.metadata.num_rows)
    layout = contract.source.layout if contract.source else None
    with _opened(path, contract.encoding) as lines:
        if form == "jsonl" or (layout is not None and layout.quote == "none"):
            count = sum(1 for line in lines if line.strip("\r\n"))
        else:
            # A quoted text may hold line ends, so records are not lines.
            try:
                count = sum(1 for record in csv.reader(lines, delimiter=layout.delimiter if layout else ",") if record)
            except csv.Error as error:
                raise ValueError(f"{path}: its records cannot be counted: {error}") from error
    has_header = form == "csv" and (layout is None or layout.header == "present")
    return count - 1 if has_header and count else count


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[TextIO]:
    # Counting needs no character to be right: landing judges the encoding.
    if path.name.endswith(".gz"):
        with gzip.open(path, "rt", encoding=encoding, errors="replace", newline="") as packed:
            yield cast(TextIO, packed)
    else:
        with path.open(encoding=encoding, errors="replace", newline="") as plain:
            yield plain
