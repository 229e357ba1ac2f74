"""The one door to the governance database: connections, transactions, migrations.

Belongs here: how a transaction begins and how long it waits. Does not: what is in it.

SQLite keeps its rollback journal, not a write-ahead log: the store is one file that can be copied when idle, needs no
shared memory, and its writes are few and short. `synchronous=EXTRA` is FULL plus a sync of the folder after the journal
is unlinked, so a commit that returned survives a power cut. Every connection is closed after use (no pool), so a file
descriptor never crosses a fork.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from strata.governance.records import GovernanceError

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
BUSY_SECONDS = 30
# Any constant will do; it keeps writers of one PostgreSQL database in line, as BEGIN IMMEDIATE does in SQLite.
ADVISORY_LOCK = 0x5354524154


class Database:
    """One governance database. Making one opens nothing."""

    def __init__(self, url: str) -> None:
        """Take an SQLAlchemy URL: `sqlite:///path`, or PostgreSQL with a driver installed."""
        self.url = url
        self._sqlite = url.startswith("sqlite")
        self._engine = create_engine(
            url, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS} if self._sqlite else {}
        )
        if self._sqlite:
            event.listen(self._engine, "connect", _configure)
            event.listen(self._engine, "begin", _begin)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view."""
        self._exists()
        with self._ready(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """All or nothing, one writer at a time; waits up to `BUSY_SECONDS` for the others."""
        self._exists()
        with self._ready(), self._writing() as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the database to the newest revision in one transaction; nothing happens where it is there already."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with self._writing() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._engine.connect() as plain:
            connection = plain.execution_options(strata_write=True)
            with connection.begin():
                if not self._sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
                yield connection

    @contextmanager
    def _ready(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, ProgrammingError) as error:
            if "no such table" in str(error) or "does not exist" in str(error):
                raise GovernanceError(f"{self.url}: the governance store has no tables; run `strata init`") from error
            raise

    def _exists(self) -> None:
        database = self._engine.url.database
        if self._sqlite and database and not Path(database).is_file():
            raise GovernanceError(f"{database}: there is no governance store; run `strata init` first")


def _configure(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours to say, see _begin
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=EXTRA")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A writer that began as a reader could not wait its turn: two of them would deadlock and one would fail at once.
    writes = connection.get_execution_options().get("strata_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
