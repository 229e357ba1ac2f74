"""The Dagster instance of a home. Belongs here: opening it. Does not: what is run in it."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from strata.home import Home


@contextmanager
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of a home."""
    with dg.DagsterInstance.from_config(str(home.dagster)) as ready:
        yield ready
