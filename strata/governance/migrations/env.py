"""Alembic's entry: run the migrations on the connection that `strata.governance.database` hands over.

Importing this module elsewhere (a test runner collecting doctests) does nothing.
"""

from alembic import context

from strata.governance.schema import METADATA


def run() -> None:
    """Migrate on the given connection, or print SQL for the dialect named in the configuration."""
    if context.is_offline_mode():
        context.configure(dialect_name=context.config.get_main_option("dialect"), target_metadata=METADATA)
    else:
        context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name under which Alembic loads this file
    run()
