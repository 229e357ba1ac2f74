"""Debezium events: what each means, in which order, and what is refused."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from strata.home import Home
from strata.intake.batches import accepted_batches
from strata.intake.debezium import changes
from strata.intake.land import LandedExtract, land
from tests.strata.intake.drops import CONTRACTS, ORDERS, drop, landed_rows

LINE: dict[str, Any] = {
    "po_id": "P1",
    "po_line": 10,
    "supplier_id": "S1",
    "sku_id": "I1",
    "location_id": "L1",
    "ordered_at": "2017-03-01T10:00:00Z",
    "quantity": "8.0000",
    "unit": "EA",
    "promised_date": "2017-03-10",
    "status": "open",
}
KEY = {"po_id": "P1", "po_line": 10}


def event(op: str, lsn: Any, *, before: Any = None, after: Any = None, **source: Any) -> dict[str, Any]:
    return {
        "before": before,
        "after": after,
        "source": {"connector": "postgresql", "lsn": lsn, "ts_ms": 1_488_362_400_000, **source},
        "op": op,
        "ts_ms": 1_488_362_400_100,
    }


CREATE = event("c", 100, after=LINE)
UPDATE = event("u", 101, before=LINE, after={**LINE, "status": "closed"})
DELETE = event("d", 102, before=LINE)


def landed(home: Home, *files: list[Any], **manifest: Any) -> LandedExtract:
    lines = {
        f"part-{n}.jsonl": "".join((e if isinstance(e, str) else json.dumps(e)) + "\n" for e in events).encode()
        for n, events in enumerate(files)
    }
    position = {"from": "0", "to": "1000"}
    options = {"kind": "cdc", "envelope": "debezium", "format": "jsonl", "position": position, **manifest}
    drop(home.landing, lines, [len(events) for events in files], contract=ORDERS, **options)
    (extract,) = land(home, CONTRACTS).extracts
    return extract


def told(home: Home, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in landed_rows(home)]


@pytest.mark.capability("2.4", part="Debezium envelope: ordered by source position, deletes honoured")
def test_create_update_delete_and_snapshot_reads_become_upserts_and_deletes(tmp_path: Path) -> None:
    home = Home(tmp_path)
    read = event("r", 99, after={**LINE, "po_id": "P0"})
    extract = landed(home, [read, CREATE, UPDATE, DELETE])
    assert (extract.rows, extract.refused_rows) == (4, 0), extract.advice
    assert told(home, "_op", "_position", "_sequence", "po_id", "po_line", "status") == [
        ("u", 99, 1, "P0", 10, "open"),
        ("u", 100, 1, "P1", 10, "open"),
        ("u", 101, 1, "P1", 10, "closed"),
        ("d", 102, 1, "P1", 10, None),
    ]
    known = {(row["_known_from"], row["_known_basis"]) for row in landed_rows(home)}
    assert known == {(datetime(2017, 3, 1, 10, tzinfo=UTC), "source")}
    assert extract.touched_locations == ("L1",)
    (batch,) = accepted_batches(home)
    assert (batch.first_position, batch.last_position) == (99, 102)


@pytest.mark.capability("2.4", part="Debezium envelope: ordered by source position, deletes honoured")
def test_b48_changes_at_one_position_are_ordered_by_the_file_and_by_a_sequence_where_there_is_one(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path)
    other = event("c", 101, after={**LINE, "po_id": "P2"})
    landed(home, [CREATE, UPDATE, other, event("u", 101, after={**LINE, "status": "cancelled"})])
    assert told(home, "_position", "_sequence") == [(100, 1), (101, 1), (101, 2), (101, 3)]
    home = Home(tmp_path / "sequenced")
    late = event("u", 100, after={**LINE, "status": "closed"}, sequence="8")
    landed(home, [late, event("c", 100, after=LINE, sequence="7")])
    assert told(home, "_position", "_sequence") == [(100, 8), (100, 7)]


def test_b46_the_same_changes_sent_again_in_another_file_get_the_same_order(tmp_path: Path) -> None:
    again = [event("c", 100, after=LINE), event("u", 100, after={**LINE, "status": "closed"})]
    first, second = Home(tmp_path / "1"), Home(tmp_path / "2")
    landed(first, again)
    landed(second, [event("c", 90, after={**LINE, "po_id": "P0"}), *again])
    wanted = ("po_id", "status", "_position", "_sequence")
    assert told(first, *wanted) == told(second, *wanted)[1:]


def test_b52_a_change_of_key_ends_the_old_key(tmp_path: Path) -> None:
    home = Home(tmp_path)
    extract = landed(home, [CREATE, event("u", 101, before=LINE, after={**LINE, "po_line": 20})])
    assert extract.rows == 3
    assert told(home, "_op", "po_line", "_row", "_position", "_sequence") == [
        ("u", 10, 1, 100, 1),
        ("d", 10, 2, 101, 1),
        ("u", 20, 2, 101, 2),
    ]


def test_b50_an_update_without_before_and_a_delete_of_an_unknown_key_are_taken(tmp_path: Path) -> None:
    home = Home(tmp_path)
    extract = landed(home, [event("u", 5, after=LINE), event("d", 6, before={"po_id": "P9", "po_line": 1})])
    assert extract.rows == 2 and told(home, "_op", "po_id") == [("u", "P1"), ("d", "P9")]


def test_tombstones_are_ignored_and_the_wrapper_of_kafka_is_opened(tmp_path: Path) -> None:
    home = Home(tmp_path)
    wrapped = {"schema": {"type": "struct"}, "payload": CREATE}
    extract = landed(home, [wrapped, "null", DELETE, {"schema": None, "payload": None}])
    assert extract.rows == 2 and told(home, "_op", "_row") == [("u", 1), ("d", 3)]


def test_b04_a_file_without_changes_is_a_heartbeat(tmp_path: Path) -> None:
    home = Home(tmp_path)
    extract = landed(home, [], initial_load=True)
    assert (extract.outcome, extract.rows, extract.touched_locations) == ("accepted", 0, ())
    (batch,) = accepted_batches(home)
    assert batch.first_position is None and landed_rows(home) == []


def test_bad_rows_are_refused_alone_and_a_delete_needs_its_key_only(tmp_path: Path) -> None:
    home = Home(tmp_path)
    bad = event("u", 101, after={**LINE, "quantity": "-1", "status": "lost"})
    extract = landed(home, [CREATE, bad, DELETE])
    assert (extract.rows, extract.reasons) == (2, {"out_of_range": 1})


@pytest.mark.capability("2.4", part="Debezium envelope: ordered by source position, deletes honoured")
@pytest.mark.parametrize(
    ("bad", "reason", "words"),
    [
        pytest.param(event("t", 1), "unknown_operation", "'t'", id="B51-truncate"),
        pytest.param(event("m", 1), "unknown_operation", "'m'", id="B51-message"),
        pytest.param(
            {k: v for k, v in CREATE.items() if k != "op"}, "unknown_operation", "None", id="B51-no-operation"
        ),
        pytest.param(event("u", 1, before=LINE), "envelope_malformed", "after", id="B51-null-after"),
        pytest.param(
            event("u", 1, before={**LINE, "po_id": "P7"}, after={**LINE, "unit": "__debezium_unavailable_value"}),
            "unavailable_value",
            "REPLICA",
            id="B51-unavailable-and-moved",
        ),
        pytest.param(event("d", 1), "envelope_malformed", "needs its key", id="delete-without-key"),
        pytest.param(
            event("d", 1, before={"po_id": "P1"}), "envelope_malformed", "needs its key", id="delete-with-half-a-key"
        ),
        pytest.param(event("c", None, after=LINE), "envelope_malformed", "source.lsn", id="no-position"),
        pytest.param(event("c", "0/16B", after=LINE), "envelope_malformed", "source.lsn", id="position-in-hex"),
        pytest.param({**CREATE, "source": None}, "envelope_malformed", "source", id="no-source"),
        pytest.param(
            event("c", 1, after={k: v for k, v in LINE.items() if k != "unit"}),
            "column_missing",
            "unit",
            id="B53-column-gone",
        ),
    ],
)
def test_an_event_that_cannot_be_understood_refuses_the_extract(
    tmp_path: Path, bad: dict[str, Any], reason: str, words: str
) -> None:
    extract = landed(Home(tmp_path), [CREATE, bad])
    assert list(extract.reasons) == [reason]
    assert "row 2" in (extract.advice or "") and words in (extract.advice or "")


def test_one_position_of_a_key_in_two_files_needs_a_sequence(tmp_path: Path) -> None:
    torn = landed(Home(tmp_path / "1"), [CREATE], [event("u", 100, after={**LINE, "status": "closed"})])
    assert list(torn.reasons) == ["position_ambiguous"]
    sequenced = [[event("c", 100, after=LINE, sequence="1")], [event("u", 100, after=LINE, sequence="2")]]
    assert landed(Home(tmp_path / "2"), *sequenced).rows == 2
    snapshot = [[event("r", 100, after=LINE)], [event("r", 100, after={**LINE, "po_id": "P2"})]]
    assert landed(Home(tmp_path / "3"), *snapshot).rows == 2


def test_a_snapshot_on_a_first_load_is_back_dated_and_a_change_is_not(tmp_path: Path) -> None:
    home = Home(tmp_path)
    landed(home, [event("r", 99, after={**LINE, "po_id": "P0"}), CREATE], initial_load=True)
    assert told(home, "_known_from", "_known_basis") == [
        (datetime(2017, 3, 1, 11, tzinfo=UTC), "assumed"),
        (datetime(2017, 3, 1, 10, tzinfo=UTC), "source"),
    ]


def test_events_come_as_json_lines_only(tmp_path: Path) -> None:
    options = {"kind": "cdc", "envelope": "debezium", "format": "csv", "position": {"from": "0", "to": "1"}}
    drop(tmp_path / "landing", {"a.csv": b"op\n"}, 0, contract=ORDERS, **options)
    (extract,) = land(Home(tmp_path), CONTRACTS).extracts
    assert list(extract.reasons) == ["envelope_unknown"] and "jsonl" in (extract.advice or "")


def test_changes_is_a_plain_function_of_one_event() -> None:
    texts = json.loads(json.dumps(UPDATE), parse_int=str)
    (change,) = changes(texts, ORDERS)
    assert (change.op, change.position, change.sequence, change.is_snapshot) == ("u", 101, None, False)
