"""Gathering what `strata scheme check` and `strata scheme diff` tell: schemes by name, a release, both outcomes.

Belongs here: reading the home. Does not: deciding again (`strata.conformed.preview`), comparing
(`strata.review.change`).
"""

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from orchestration.resources import Workspace
from strata.cli.output import end_progress, progress
from strata.conformed.build import load_snapshot
from strata.conformed.history import View
from strata.conformed.preview import STAGES, Published, decided_again, published_side
from strata.governance.effective import previous_rows
from strata.governance.records import PreviousSource
from strata.governance.releases import Manifest, current_manifest, lineage, published_table, region_rows
from strata.governance.store import GovernanceStore
from strata.home import REPOSITORY, Home
from strata.partition import Partition
from strata.review.change import Comparison, Side, compare, total
from strata.scheme.check import Finding, read
from strata.scheme.diff import changes, decisive
from strata.scheme.load import SchemeFile, SchemeRegister, load_scheme
from strata.scheme.model import Scheme
from strata.scheme.weak import weak, windows
from strata.strict_yaml import load_yaml


def findings(home: Home, file: Path) -> tuple[Scheme | None, list[Finding]]:
    """Every fault of a scheme file, what is weak in it, and what keeps it from joining this home's register."""
    sound = sorted((REPOSITORY / "config" / "schemes").glob("*.yml"))[-1]
    reading = read(file, load_yaml(sound))
    found = list(reading.faults)
    if reading.repaired is not None:
        judged = [*windows(reading.repaired), *weak(reading.repaired)]
        # What was put in for a faulty value is not the planner's.
        found += [
            one for one in judged if not any(path and path in f"{one.path} {one.allowed}" for path in reading.replaced)
        ]
    faulty = any(one.kind == "fault" for one in found)
    if reading.scheme is not None and not faulty:
        found += _standing(home, load_scheme(file))
    return (None if faulty else reading.scheme), found


def _standing(home: Home, file: SchemeFile) -> Iterable[Finding]:
    """What keeps a sound file from joining the register of this home as its next version."""
    folder = home.config / "schemes"
    if not any(folder.glob("*.yml")):
        return
    register, scheme = SchemeRegister.load(folder), file.scheme
    if any(known.sha256 == file.sha256 for known in register.files):
        return
    last = register.files[-1].scheme
    if any(known.scheme.version == scheme.version for known in register.files):
        yield Finding("weak", "version", scheme.version, "a version that this home does not have",
                      "an approved file is never edited; give the changed one a version of its own")  # fmt: skip
    if scheme.supersedes != last.version:
        yield Finding("weak", "supersedes", str(scheme.supersedes), last.version,
                      "this home's newest version; name it before the file joins config/schemes")  # fmt: skip
    if scheme.effective_from <= last.effective_from:
        yield Finding("weak", "effective_from", scheme.effective_from, f"a cycle after {last.effective_from}",
                      "each version begins after the one before it")  # fmt: skip
    current = current_manifest(home)
    if current is not None and scheme.effective_from <= current["cycle"]:
        yield Finding("weak", "effective_from", scheme.effective_from, f"a cycle after {current['cycle']}",
                      "that cycle is published; its classes stay those of the scheme that decided them")  # fmt: skip


def named_scheme(home: Home, name: str, cycle: str | None) -> SchemeFile:
    """A scheme by file, by version, or `current`: the one in force in the cycle (of the newest release, unless said).

    Raises:
        ValueError: there is no such file or version; the message names those there are.
    """
    if name.endswith((".yml", ".yaml")) or Path(name).is_file():
        return load_scheme(Path(name))
    register = SchemeRegister.load(home.config / "schemes")
    if name == "current":
        manifest = current_manifest(home)
        return register.for_cycle(
            cycle or (manifest["cycle"] if manifest else register.files[-1].scheme.effective_from)
        )
    if name not in {file.scheme.version for file in register.files}:
        versions = ", ".join(file.scheme.version for file in register.files)
        raise ValueError(f"{name!r} is no file and no version of this home; there are {versions}, and `current`")
    return register.version(name)


@dataclass(frozen=True, slots=True)
class Preview:
    """Two schemes, and what a published cycle would be under the one and the other; no regions without a release."""

    changes: list[dict[str, Any]]
    release_id: str | None
    currency: str
    cycles: Mapping[str, str]
    regions: Mapping[str, Comparison]

    @property
    def totals(self) -> dict[str, dict[str, float]]:
        """Totals by region, and of all under `total`."""
        found = {region: one.totals for region, one in self.regions.items()}
        return found | ({"total": total(list(found.values()))} if found else {})

    @property
    def moved(self) -> pd.DataFrame:
        """Items that move, of all regions, the largest revenue first."""
        parts = [one.moved.assign(region=region) for region, one in self.regions.items()]
        rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["region", "sku_id", "revenue"])
        rows = rows.sort_values(["revenue", "region", "sku_id"], ascending=[False, True, True], ignore_index=True)
        first = ["region", "sku_id", *(name for name in rows.columns if name not in ("region", "sku_id"))]
        return rows[first]

    @property
    def matrix(self) -> pd.DataFrame:
        """Items and revenue per path, of all regions."""
        parts = [one.matrix for one in self.regions.values()]
        if not parts:
            return pd.DataFrame(columns=["from_segment", "to_segment", "items", "revenue"])
        return pd.concat(parts).groupby(["from_segment", "to_segment"], sort=True, as_index=False).sum()


def preview(
    home: Home, before: Scheme, after: Scheme, *, cycle: str | None, region: str | None, settled: bool
) -> Preview:
    """Decide a published cycle again under two schemes and compare; nothing is written to the home.

    `settled`: where both end if demand stays what it is (`strata.conformed.preview.decided_again`).

    Raises:
        ValueError: the cycle or the region is in no release in force.
    """
    told = [asdict(one) for one in changes(before, after)]
    manifest = _manifest(home, cycle)
    currency = home.calendar().currency
    if manifest is None:
        return Preview(told, None, currency, {}, {})
    held = sorted(manifest["partitions"])
    if region is not None and region not in held:
        raise ValueError(f"release {manifest['release_id']} holds no region {region!r}, only {held}")
    whole = {name: published_table(home, manifest, name) for name in STAGES}
    found: dict[str, Comparison] = {}
    for code in [region] if region else held:
        progress(f"{code}: deciding under both schemes")
        known = published_partition(home, manifest, code, whole)
        stands = published_side(known)
        sides: list[Side] = []
        for scheme in (before, after):
            if sides and decisive(before) == decisive(after):
                sides.append(sides[0])
                continue
            with tempfile.TemporaryDirectory(prefix="strata-preview-") as scratch:
                sides.append(decided_again(known, scheme, Path(scratch), settled=settled))
        found[code] = compare(sides[0], sides[1], stands)
    end_progress()
    cycles = {code: manifest["partitions"][code]["cycle"] for code in found}
    return Preview(told, manifest["release_id"], currency, cycles, found)


def _manifest(home: Home, cycle: str | None) -> Manifest | None:
    line = lineage(home)
    for manifest in line:
        if cycle in (None, manifest["cycle"]):
            return manifest
    if cycle is None:
        return None
    held = sorted({manifest["cycle"] for manifest in line})
    raise ValueError(f"no release in force for cycle {cycle}; there are {held or 'none'}")


def published_partition(home: Home, manifest: Manifest, region: str, whole: Mapping[str, Any]) -> Published:
    """One region of a release with everything that it was decided from."""
    view, tables = held_region(home, manifest, region, whole)
    source = manifest["partitions"][region]["previous"]
    previous = previous_rows(
        GovernanceStore(home),
        home,
        view.partition,
        PreviousSource(source["kind"], source["id"], source["content_hash"]),
    )
    return Published(view, tables, previous, Workspace(root=str(home.root)).overrides(view))


def held_region(
    home: Home, manifest: Manifest, region: str, whole: Mapping[str, Any]
) -> tuple[View, dict[str, pa.Table]]:
    """What a region of a release was read through, with the scheme that decided it, and its rows of `whole`.

    Raises:
        ValueError: the home's file of that scheme is not the one that decided it.
    """
    part, calendar = manifest["partitions"][region], home.calendar()
    partition = Partition(region, part["cycle"])
    scheme = SchemeRegister.load(home.config / "schemes").version(part["scheme"]["version"])
    if scheme.sha256 != part["scheme"]["sha256"]:
        raise ValueError(
            f"{scheme.path}: this is not the scheme that decided {partition.key}; put the approved file back, a change "
            "is a new version"
        )
    tables = {name: region_rows(table, region) for name, table in whole.items()}
    cutoff = calendar.cutoff(partition.cycle, region)
    view = View(load_snapshot(home, part["snapshot_id"]), partition, cutoff, scheme.scheme, calendar)
    # A restatement knew more than its cut-off; its rows say up to when.
    stamps = tables["segment_assignment"]["as_known_at"]
    if len(stamps):
        view = replace(view, known_at=max(cutoff, stamps[0].as_py()))
    return view, tables
