"""A case of the bad-input catalogue: what a source delivers, and what must become of it.

Belongs here: the words of the catalogue (REJECT, QROW, NORM, NOOP, ACCEPT) as assertions. Does not: the cases
(`files`, `values`, `history`), outcomes that only a whole run shows (`test_runs`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from orchestration import landing
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.intake.batches import read_batch
from strata.intake.contract import Contract
from strata.intake.land import LandedExtract
from strata.intake.reasons import EXTRACT_REASONS, ROW_REASONS
from tests.strata.intake.drops import SALES, drop, tree

Outcome = Literal["REJECT", "QROW", "NORM", "NOOP", "ACCEPT"]


@dataclass(frozen=True)
class Place:
    """Where a fault is: 1 is the first record."""

    row: int | None = None
    column: str | None = None


@dataclass(frozen=True)
class Delivery:
    """One extract and its required outcome.

    Attributes:
        files: what the manifest describes; `as_written` lies in the folder instead where it is given.
        reason: of the refusal. places: of refused rows, or the one of a refused extract.
        words: what the advice must say. kept: columns of good rows, in order. normalised: counts per column.
        alert: kind of alert that people must get. manifest: what it says otherwise. extract_id: of the folder.
    """

    files: Mapping[str, bytes]
    rows: int | Sequence[int]
    outcome: Outcome
    reason: str | None = None
    places: Sequence[Place] = ()
    words: str = ""
    kept: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    good_rows: int | None = None
    duplicate_rows: int = 0
    normalised: Mapping[str, int] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    alert: str | None = None
    contract: Contract = SALES
    as_written: Mapping[str, bytes] | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    extract_id: str | None = None


@dataclass(frozen=True)
class Case:
    """One row of the catalogue: `id` as in the catalogue, and the deliveries in the order of their arrival."""

    id: str
    name: str
    make: Callable[[Path], Sequence[Delivery]]

    @property
    def label(self) -> str:
        return f"{self.id}-{self.name}"


def one(id: str, name: str, files: Mapping[str, bytes], rows: int, outcome: Outcome, **rest: Any) -> Case:
    """A case of one delivery that is at hand."""
    return Case(id, name, lambda _: [Delivery(files, rows, outcome, **rest)])


def deliver(home: Home, delivery: Delivery, number: int) -> LandedExtract:
    """Drop and land one extract of a home; its contract becomes the home's."""
    contract = delivery.contract
    file = home.root / "config" / "feeds" / contract.system / f"{contract.feed}.yml"
    file.write_text(json.dumps(contract.model_dump(mode="json", exclude_unset=True)), encoding="utf-8")
    id_ = delivery.extract_id or f"x{number}"
    written = delivery.files if delivery.as_written is None else delivery.as_written
    folder = drop(home.landing, delivery.files, delivery.rows, contract=contract, as_written=written, extract_id=id_)
    file, terms = folder / "manifest.json", {"schema_version": contract.schema_version, **delivery.manifest}
    file.write_text(json.dumps({**json.loads(file.read_bytes()), **terms}), encoding="utf-8")
    (extract,) = [one for one in landing.land(home).extracts if one.folder == folder.resolve()]
    return extract


def check(home: Home, delivery: Delivery, number: int) -> None:
    """Deliver and assert the outcome; whatever it is, nothing that was accepted or refused before changes."""
    raw, quarantine = tree(home.raw), tree(home.quarantine)
    extract = deliver(home, delivery, number)
    told = f"{extract.outcome} {extract.reasons} {extract.advice}"
    if delivery.outcome == "REJECT":
        assert tree(home.raw) == raw, told
        _check_refused(home, delivery, extract, told)
    elif delivery.outcome == "NOOP":
        assert extract.outcome == "duplicate" or (extract.outcome, extract.rows) == ("accepted", 0), told
        assert extract.touched_locations == ()
        assert extract.outcome != "duplicate" or tree(home.raw) == raw
    else:
        assert extract.outcome == "accepted", told
        _check_rows(home, delivery, extract, told)
    assert raw.items() <= tree(home.raw).items()
    assert quarantine.keys() <= tree(home.quarantine).keys()


def _folder(root: Path, extract: LandedExtract) -> Path:
    return root / extract.system / extract.feed / str(extract.batch_id)


def _check_refused(home: Home, delivery: Delivery, extract: LandedExtract, told: str) -> None:
    assert (extract.outcome, list(extract.reasons)) == ("refused", [delivery.reason]), told
    assert delivery.reason in EXTRACT_REASONS
    folder = _folder(home.quarantine, extract)
    refusal = json.loads((folder / "refusal.json").read_bytes())
    assert refusal["advice"] and delivery.words in refusal["advice"], refusal
    if delivery.places:
        (place,) = delivery.places
        assert (refusal["row"], refusal["column"]) == (place.row, place.column), refusal
        assert refusal["file"] in delivery.files, refusal
    assert (folder / "manifest.json").read_bytes(), "the refused extract is kept"
    alerts = [a.payload for a in GovernanceStore(home).alerts() if a.kind == "extract_refused"]
    (alert,) = [alert for alert in alerts if alert["batch_id"] == extract.batch_id]
    assert alert["reason"] == delivery.reason and alert["advice"]


def _check_rows(home: Home, delivery: Delivery, extract: LandedExtract, told: str) -> None:
    folder = _folder(home.raw, extract)
    batch = read_batch(folder)
    places = delivery.places if delivery.outcome == "QROW" else ()
    expected = {} if delivery.reason is None else {delivery.reason: len(places)}
    assert dict(extract.reasons) == expected, told
    assert batch.duplicate_rows == delivery.duplicate_rows
    assert list(batch.warnings) == list(delivery.warnings)
    rows = pq.read_table(batch.rows_file).to_pylist()
    good = [row for row in rows if row["_refusal_reason"] is None]
    assert delivery.good_rows in (None, len(good)), f"{len(good)} good rows"
    for name, values in delivery.kept.items():
        assert [row[name] for row in good] == list(values), name
    record = json.loads((folder / "batch.json").read_bytes())
    assert record["normalised"] == dict(delivery.normalised)
    _check_quarantined(home, delivery, extract, places)
    kinds = {a.kind for a in GovernanceStore(home).alerts() if a.payload.get("batch_id") == extract.batch_id}
    assert delivery.alert is None or delivery.alert in kinds, kinds


def _check_quarantined(home: Home, delivery: Delivery, extract: LandedExtract, places: Sequence[Place]) -> None:
    if not places:
        assert not _folder(home.quarantine, extract).exists()
        return
    assert delivery.reason in ROW_REASONS
    text = (_folder(home.quarantine, extract) / "rows.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["row"], line["column"]) for line in lines] == [(place.row, place.column) for place in places]
    assert {line["reason"] for line in lines} == {delivery.reason}
    assert {line["file"] for line in lines} <= set(delivery.files)
    assert all(line["record"] for line in lines), "the row is kept as it was delivered"
