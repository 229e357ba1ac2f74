"""The database comes up the same way on an empty file, again, and when several processes start at once."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from strata.governance.records import GovernanceError
from strata.governance.schema import METADATA
from strata.governance.store import GovernanceStore
from strata.home import Home
from tests.strata.governance import process
from tests.strata.governance.conftest import Company


def test_the_migrations_build_what_the_schema_declares(company: Company) -> None:
    with company.store._database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 3  # EXTRA: FULL and the folder
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "delete"


def test_initialising_again_adds_nothing(company: Company) -> None:
    before = company.store.ledger_entries()
    company.store.initialise("trial", "someone else")
    assert company.store.ledger_entries() == before


def test_initialising_as_the_other_profile_is_refused(company: Company) -> None:
    with pytest.raises(GovernanceError, match="is a trial home"):
        company.store.initialise("company", "tester")


def test_a_trial_home_approves_each_shipped_scheme_once_and_a_company_home_none(tmp_path: Path) -> None:
    for profile, approvals in (("trial", 1), ("company", 0)):
        store = GovernanceStore(Home(tmp_path / profile))
        store.initialise(profile, "tester")
        assert sum(entry.action == "scheme.approved" for entry in store.ledger_entries()) == approvals


def test_a_scheme_changed_after_its_approval_stays_unapproved(company: Company) -> None:
    path = company.home.config / "schemes" / "2017.1.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("A: 0.80", "A: 0.70"), encoding="utf-8")
    company.store.initialise("trial", "tester")
    assert sum(entry.action == "scheme.approved" for entry in company.store.ledger_entries()) == 1


def test_four_processes_initialise_one_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    started = [process.start(process.initialise, home) for _ in range(4)]
    (tmp_path / "go").touch()
    assert [running.answer() for running in started] == ["trial"] * 4
    store = GovernanceStore(home)
    assert [entry.action for entry in store.ledger_entries()] == ["home.initialised", "scheme.approved"]
    assert store.verify_ledger() == []


def test_the_database_itself_refuses_to_change_the_ledger(company: Company) -> None:
    path = company.home.root / "governance.db"
    for sql in ("DELETE FROM ledger_entry", "UPDATE ledger_entry SET actor_id = 'other'"):
        connection = sqlite3.connect(path)
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(sql)
        connection.close()


def test_a_store_that_was_never_initialised_says_so(tmp_path: Path) -> None:
    with pytest.raises(GovernanceError, match="strata init"):
        GovernanceStore(Home(tmp_path)).open_suspensions()
    (tmp_path / "governance.db").touch()
    with pytest.raises(GovernanceError, match="strata init"):
        GovernanceStore(Home(tmp_path)).open_suspensions()
