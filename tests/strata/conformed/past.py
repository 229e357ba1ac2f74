"""Demand history of a view as tables: written as in a run, then read back whole."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from strata.conformed import history
from strata.conformed.history import View
from strata.durable import read_parquet


def demand_history(view: View) -> tuple[pa.Table, pa.Table]:
    """Rows of `demand_history` and `reconciliation`."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "demand_history.parquet"
        reconciliation = history.demand_history(view, path)
        return read_parquet(path), reconciliation
