"""Every way to falsify the ledger is found: by the chain, or against the heads that were written down elsewhere."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from strata.governance.anchors import anchor_file
from strata.governance.records import Actor, GovernanceError
from strata.governance.store import GovernanceStore
from strata.governance.verify import verify_ledger, verify_release
from strata.home import Home
from strata.identity import sha256_json
from tests.strata.governance import process
from tests.strata.governance.conftest import Company

# No lone surrogates: they are no text and have no UTF-8.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(str.strip)
pytestmark = pytest.mark.capability("7.3", part="append-only hash chain; every way to falsify it is found")


def falsify(company: Company, *statements: str | Callable[[sqlite3.Connection], None]) -> None:
    """Change the ledger as someone with the file and without scruples would."""
    connection = sqlite3.connect(company.home.root / "governance.db")
    for trigger in ("ledger_entry_no_update", "ledger_entry_no_delete"):
        connection.execute(f"DROP TRIGGER {trigger}")
    for statement in statements:
        if isinstance(statement, str):
            connection.execute(statement)
        else:
            statement(connection)
    connection.commit()
    connection.close()


def rewrite(connection: sqlite3.Connection) -> None:
    """Another actor in entry 3, and every hash after it made to fit."""
    previous = "0" * 64
    for seq, text in connection.execute("SELECT seq, body FROM ledger_entry ORDER BY seq").fetchall():
        body = {**json.loads(text), "prev_hash": previous}
        if seq == 3:
            body["actor_id"] = "nobody"
        encoded = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        previous_before, previous = previous, sha256_json(body)
        connection.execute(
            "UPDATE ledger_entry SET body = ?, actor_id = ?, prev_hash = ?, hash = ? WHERE seq = ?",
            (encoded, body["actor_id"], previous_before, previous, seq),
        )


def swap(connection: sqlite3.Connection) -> None:
    for old, new in ((3, 1000), (4, 3), (1000, 4)):
        connection.execute("UPDATE ledger_entry SET seq = ? WHERE seq = ?", (new, old))


def duplicate(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO ledger_entry SELECT seq + 1000, event_id || '-again', ts_utc, actor_id, action, object, body, "
        "prev_hash, hash FROM ledger_entry WHERE seq = 4"
    )


CHAIN = {
    "edit of a column": "UPDATE ledger_entry SET actor_id = 'nobody' WHERE seq = 3",
    "edit of the body": "UPDATE ledger_entry SET body = replace(body, '\"tester\"', '\"nobody\"') WHERE seq = 2",
    "other spelling of the same body": "UPDATE ledger_entry SET body = body || ' ' WHERE seq = 2",
    "deletion": "DELETE FROM ledger_entry WHERE seq = 3",
    "deletion of the first": "DELETE FROM ledger_entry WHERE seq = 1",
    "other order": swap,
    "duplicate": duplicate,
}
ANCHOR = {
    "tail cut off": "DELETE FROM ledger_entry WHERE seq = (SELECT max(seq) FROM ledger_entry)",
    "all of it written anew": rewrite,
    "empty": "DELETE FROM ledger_entry",
}


@pytest.mark.parametrize("how", CHAIN)
def test_the_chain_shows(how: str, running: Company) -> None:
    anchor_file(running.home).write_bytes(b"")
    for path in running.home.releases.glob("*/manifest.json"):
        path.unlink()
    assert running.store.verify_ledger() == [
        "the anchor file is gone or empty; restore it from where it was shipped to"
    ]
    falsify(running, CHAIN[how])
    assert len(running.store.verify_ledger()) > 1


@pytest.mark.parametrize("how", ANCHOR)
@pytest.mark.parametrize("left", ["file", "manifests"])
def test_only_the_anchors_show(how: str, left: str, running: Company) -> None:
    assert running.store.verify_ledger() == []
    running.publish("2017-10")
    if left == "manifests":
        running.point("EAST", "2017-11", version=2)
        assert running.publish("2017-11").outcome == "published"
        anchor_file(running.home).write_bytes(anchor_file(running.home).read_bytes().splitlines(keepends=True)[0])
    falsify(running, ANCHOR[how])
    assert verify_ledger(running.home, running.store)


@pytest.mark.parametrize("how", [*CHAIN, *ANCHOR])
def test_nothing_is_published_and_nothing_appended_on_a_falsified_ledger(how: str, running: Company) -> None:
    running.point("EAST", "2017-11", version=2)
    falsify(running, {**CHAIN, **ANCHOR}[how])
    before, current = running.store.ledger_entries(), running.home.current_file.read_text()
    result = running.publish("2017-11")
    assert result.outcome == "refused"
    assert all(reason.startswith("ledger: ") for reason in result.reasons)
    assert running.store.ledger_entries() == before
    assert running.home.current_file.read_text() == current
    assert [alert.kind for alert in running.store.alerts()] == ["ledger.broken"]


def test_a_release_whose_entry_was_removed_is_unverified(running: Company) -> None:
    release_id = running.home.current_file.read_text().strip()
    assert verify_release(running.home, running.store, release_id) == []
    falsify(running, "DELETE FROM ledger_entry WHERE action LIKE 'publish.%'")
    assert verify_release(running.home, running.store, release_id)
    assert f"release {release_id} is on disk but not in the ledger; its entry was removed" in verify_ledger(
        running.home, running.store
    )


def test_two_processes_append_one_chain(company: Company) -> None:
    before = len(company.store.ledger_entries())
    started = [process.start(process.append, company.home, name, 15) for name in ("one", "two")]
    (company.home.root / "go").touch()
    assert [running.answer() for running in started] == [15, 15]
    assert len(company.store.ledger_entries()) == before + 30
    assert company.store.verify_ledger() == []


def test_a_torn_anchor_is_closed_off_and_an_edited_one_is_found(company: Company) -> None:
    path = anchor_file(company.home)
    with path.open("ab") as handle:
        handle.write(b'{"hash":"ab')
    company.store.suspend("EAST", "2017-10", "test", "r1", actor="tester")
    assert company.store.verify_ledger() == []
    assert path.read_bytes().count(b"\n") == 3
    with path.open("ab") as handle:
        handle.write(b'{"hash":1}\n')
    with pytest.raises(GovernanceError, match="is no anchor"):
        company.store.verify_ledger()


def test_an_action_needs_a_reason_or_a_run(company: Company) -> None:
    with pytest.raises(GovernanceError, match="give a reason"), company.store.transaction() as change:
        change.append("test", "object", "tester", reason="  ")


def test_order_is_by_sequence_even_if_the_clock_is_set_back(company: Company) -> None:
    earlier = GovernanceStore(company.home, clock=lambda: company.store.now() - timedelta(days=3))
    earlier.suspend("EAST", "2017-10", "clock", "r1", actor="tester")
    entries = company.store.ledger_entries()
    assert entries[-1].body["ts_utc"] < entries[0].body["ts_utc"]
    assert company.store.verify_ledger() == []


def test_the_same_event_cannot_be_appended_twice(company: Company) -> None:
    for attempt in range(2):
        if attempt:
            with pytest.raises(IntegrityError), company.store.transaction() as change:
                change.append("test", "object", "tester", reason="twice", event_id="once")
        else:
            with company.store.transaction() as change:
                change.append("test", "object", "tester", reason="twice", event_id="once")
    assert company.store.verify_ledger() == []


@pytest.fixture(scope="module")
def company_of_texts(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Company:
    root = tmp_path_factory.mktemp("texts") / "home"
    shutil.copytree(template, root)
    return Company(Home(root), GovernanceStore(Home(root)))


@settings(max_examples=20, deadline=None)
@given(actor=TEXT, reason=TEXT)
def test_any_text_keeps_the_chain_whole(actor: str, reason: str, company_of_texts: Company) -> None:
    with company_of_texts.store.transaction() as change:
        change.append("test", "object", Actor(actor, "steward", "token"), reason=reason, before={"a": reason})
    assert company_of_texts.store.verify_ledger() == []
