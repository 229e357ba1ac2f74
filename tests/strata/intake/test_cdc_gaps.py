"""Feeds of changes: which extracts follow on each other, which are held, what releases them, what is too old."""

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from strata.home import Home
from strata.intake.batches import accepted_batches
from strata.intake.chain import as_of, chain, held_batches, released
from strata.intake.land import LandResult, land
from tests.strata.intake.drops import CONTRACTS, ORDERS, drop
from tests.strata.intake.test_debezium import LINE, event

LOG: dict[str, Any] = {"kind": "cdc", "envelope": "debezium", "format": "jsonl"}


def send(home: Home, start: int, to: int, **manifest: Any) -> None:
    """Changes after `start` up to `to`: one order line, created at `to`."""
    line = json.dumps(event("c", to, after={**LINE, "po_id": f"P{to}"})) + "\n"
    options = {**LOG, "position": {"from": str(start), "to": str(to)}, "extract_id": f"x{start}-{to}", **manifest}
    drop(home.landing, {"a.jsonl": line.encode()}, 1, contract=ORDERS, **options)


def send_table(home: Home, to: int, **manifest: Any) -> None:
    """The whole table as of position `to`."""
    data = (json.dumps(LINE) + "\n").encode()
    options = {**LOG, "kind": "full", "position": {"to": str(to)}, "extract_id": f"table-{to}", **manifest}
    drop(home.landing, {"a.jsonl": data}, 1, contract=ORDERS, **options)


def arrive(home: Home) -> LandResult:
    return land(home, CONTRACTS)


def reached(home: Home) -> int | None:
    return chain(accepted_batches(home)).reached


def waiting(home: Home) -> list[str]:
    return [one.batch.manifest.extract_id for one in held_batches(accepted_batches(home))]


@pytest.mark.capability("2.4", part="a gap holds what follows it until it is filled or a snapshot passes it")
def test_b49_changes_after_a_missing_extract_are_held_until_it_comes(tmp_path: Path) -> None:
    home = Home(tmp_path)
    send(home, 0, 100, initial_load=True)
    assert arrive(home).counts == {"accepted": 1}
    send(home, 200, 300)
    send(home, 300, 400)
    result = arrive(home)
    assert result.counts == {"duplicate": 1, "held": 2} and result.touched_locations == ()
    assert {extract.advice for extract in result.with_outcome("held")} == {
        "held: positions after 100 up to 200 are missing; send that extract again, or the table as a full extract at "
        "or past that position",
        "held: positions after 100 up to 300 are missing; send that extract again, or the table as a full extract at "
        "or past that position",
    }
    assert reached(home) == 100 and len(accepted_batches(home)) == 3
    assert [b.manifest.extract_id for b in released(accepted_batches(home))] == ["x0-100"]
    send(home, 100, 200)
    result = arrive(home)
    assert result.counts == {"duplicate": 3, "accepted": 1}
    assert [batch.manifest.extract_id for batch in result.released] == ["x200-300", "x300-400"]
    assert result.touched_locations == ("L1",)
    assert reached(home) == 400 and waiting(home) == [] and arrive(home).released == ()


@pytest.mark.capability("2.4", part="a gap holds what follows it until it is filled or a snapshot passes it")
def test_b49_a_table_at_or_past_the_gap_releases_what_follows_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    send(home, 0, 100, initial_load=True)
    send(home, 200, 300)
    send(home, 400, 500)
    arrive(home)
    send_table(home, 250)
    result = arrive(home)
    assert [batch.manifest.extract_id for batch in result.released] == ["x200-300"]
    assert reached(home) == 300 and waiting(home) == ["x400-500"]


@pytest.mark.capability("2.4", part="a gap holds what follows it until it is filled or a snapshot passes it")
def test_changes_before_any_first_load_wait_for_it_and_those_it_holds_already_never_count(tmp_path: Path) -> None:
    home = Home(tmp_path)
    send(home, 0, 50)
    send(home, 100, 200)
    assert {e.advice for e in arrive(home).with_outcome("held")} == {
        f"held: nothing came before position {start}; send the first load (initial_load: true), or the table as a "
        "full extract with a log position"
        for start in (0, 100)
    }
    send(home, 100, 100, initial_load=True)
    result = arrive(home)
    assert [batch.manifest.extract_id for batch in result.released] == ["x100-200"] and reached(home) == 200
    (obsolete,) = held_batches(accepted_batches(home))
    assert obsolete.is_obsolete and obsolete.advice == "ends at position 50, before the feed begins; nothing changes"
    send(home, 20, 80)
    (refused,) = arrive(home).with_outcome("refused")
    assert list(refused.reasons) == ["before_the_beginning"] and "position 100" in (refused.advice or "")


@pytest.mark.capability("2.4", part="a gap holds what follows it until it is filled or a snapshot passes it")
def test_overlaps_replays_and_heartbeats_continue_the_chain(tmp_path: Path) -> None:
    home = Home(tmp_path)
    send(home, 0, 100, initial_load=True)
    send(home, 50, 150)
    send(home, 120, 180)
    beat = {**LOG, "extract_id": "beat", "position": {"from": "180", "to": "180"}}
    drop(home.landing, {"a.jsonl": b""}, 0, contract=ORDERS, **beat)
    beat = {**LOG, "extract_id": "beat2", "position": {"from": "180", "to": "250"}}
    drop(home.landing, {"a.jsonl": b""}, 0, contract=ORDERS, **beat)
    send(home, 250, 300)
    assert arrive(home).counts == {"accepted": 6} and reached(home) == 300


@pytest.mark.capability("2.4", part="a gap holds what follows it until it is filled or a snapshot passes it")
def test_the_order_of_arrival_has_no_part_in_what_is_held(tmp_path: Path) -> None:
    pieces = [(0, 100, True), (100, 200, False), (200, 300, False), (400, 500, False)]
    seen = []
    for number, order in enumerate(permutations(pieces)):
        home = Home(tmp_path / str(number))
        for start, to, first in order:
            send(home, start, to, initial_load=first)
            arrive(home)
        accepted = accepted_batches(home)
        seen.append((len(accepted), reached(home), waiting(home), [b.manifest.extract_id for b in released(accepted)]))
    assert set(map(str, seen)) == {str((4, 300, ["x400-500"], ["x0-100", "x100-200", "x200-300"]))}


@pytest.mark.parametrize(
    ("options", "reason", "words"),
    [
        ({"position": None}, "position_missing", "after `from`"),
        ({"position": {"to": "9"}}, "position_missing", "after `from`"),
        ({"position": {"from": "1", "to": "0/16B3748"}}, "position_malformed", "whole number"),
        ({"position": {"from": "200", "to": "100"}}, "position_malformed", "exchange"),
        (
            {"position": {"from": "0", "to": "99"}},
            "position_outside",
            "row 1: position 100 is not after 0 and up to 99",
        ),
        ({"position": {"from": "100", "to": "200"}}, "position_outside", "ending where a transaction ends"),
        ({"envelope": "sap", "position": {"from": "1", "to": "2"}}, "position_malformed", "write a time such as"),
    ],
)
@pytest.mark.capability("2.4", part="a gap holds what follows it until it is filled or a snapshot passes it")
def test_a_range_that_is_not_one_or_does_not_fit_its_changes_is_refused(
    tmp_path: Path, options: dict[str, Any], reason: str, words: str
) -> None:
    home = Home(tmp_path)
    send(home, 0, 100, **options)
    (extract,) = arrive(home).extracts
    assert list(extract.reasons) == [reason] and words in (extract.advice or ""), extract.advice


@pytest.mark.capability("2.4", part="a gap holds what follows it until it is filled or a snapshot passes it")
def test_b32_an_older_or_an_empty_table_and_a_late_first_load_are_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    send_table(home, 200)
    assert arrive(home).counts == {"accepted": 1}
    send_table(home, 150)
    send(home, 0, 100, initial_load=True)
    empty = {**LOG, "kind": "full", "extract_id": "empty", "position": {"to": "900"}}
    drop(home.landing, {"a.jsonl": b""}, 0, contract=ORDERS, **empty)
    plain = {"kind": "full", "envelope": "plain", "format": "jsonl", "extract_id": "plain"}
    drop(home.landing, {"a.jsonl": (json.dumps(LINE) + "\n").encode()}, 1, contract=ORDERS, **plain)
    refused = {e.folder.name: list(e.reasons) for e in arrive(home).with_outcome("refused")}
    assert refused == {
        "table-150": ["older_than_accepted"],
        "x0-100": ["initial_load_late"],
        "empty": ["empty_extract"],
        "plain": ["kind_mixed"],
    }


@pytest.mark.capability("2.4", part="replay to a watermark: whole extracts up to a position")
def test_as_of_a_position_takes_the_extracts_that_end_by_then(tmp_path: Path) -> None:
    home = Home(tmp_path)
    send(home, 0, 100, initial_load=True)
    send(home, 100, 200)
    send(home, 200, 300)
    arrive(home)
    feed = ("erp", "purchase_order_lines")
    names = {
        position: [b.manifest.extract_id for b in as_of(accepted_batches(home), {feed: position})]
        for position in ("99", "100", "250", "300")
    }
    assert names == {
        "99": [],
        "100": ["x0-100"],
        "250": ["x0-100", "x100-200"],
        "300": ["x0-100", "x100-200", "x200-300"],
    }
    with pytest.raises(ValueError, match="no position of a log"):
        as_of(accepted_batches(home), {feed: "2017-01-01"})
