"""A small company with one release, whose customers carry names, formulas and lineage to a feed of personal data."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from strata.durable import write_parquet
from strata.governance.plan import plan_release
from strata.governance.publisher import publish
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.partition import Partition
from strata.tables import DIM_CUSTOMER, LINEAGE_FIELD, TABLES
from tests.strata.governance import factory

CYCLE = "2017-10"
NAMES = ["=HYPERLINK(A1)", " @SUM(A1)", "-2+3", "\ttab", "＋1", 'Ann, "the" owner', "plain", None]
FROM_CUSTOMERS = ("customer_id", "region", "customer_name", "channel", "priority")


@dataclass(frozen=True)
class Company:
    """A home of its own, its store and its release."""

    home: Home
    store: GovernanceStore
    release_id: str


def _lineage() -> pa.Table:
    (like,) = factory.rows_of(LINEAGE_FIELD, Partition("EAST", CYCLE), 1, 1).to_pylist()
    stated = {
        "layer": "release", "region": "*", "transformation": "run", "source_columns": "", "personal_data": "none",
    }  # fmt: skip
    rows = [
        like | stated | {"table_name": name, "column_name": column}
        for name, table in TABLES.items()
        for column in table.names
    ]
    for row in rows:
        if row["table_name"] == DIM_CUSTOMER.name and row["column_name"] in FROM_CUSTOMERS:
            row |= {"transformation": "compute", "source_columns": f"erp.customers.{row['column_name']}"}
    return LINEAGE_FIELD.conform(pa.Table.from_pylist(rows, schema=LINEAGE_FIELD.schema))


def _customers() -> pa.Table:
    (like,) = factory.rows_of(DIM_CUSTOMER, Partition("EAST", CYCLE), 1, 1).to_pylist()
    rows = [
        like | {"customer_id": f"C{at}", "customer_name": name, "region": "EAST" if at % 2 else "WEST", "priority": at}
        for at, name in enumerate(NAMES)
    ]
    return DIM_CUSTOMER.conform(pa.Table.from_pylist(rows, schema=DIM_CUSTOMER.schema))


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Look at it only."""
    home, store = factory.make_home(tmp_path_factory.mktemp("serving") / "home")
    for region in factory.REGIONS:
        factory.point(store, home, region, CYCLE)
    marts = factory.make_marts(home, CYCLE)
    write_parquet(marts[LINEAGE_FIELD.name], _lineage())
    write_parquet(marts[DIM_CUSTOMER.name], _customers())
    result = publish(
        store, home, plan_release(store, home, CYCLE, None), marts,
        run_id="publisher", actor="tester", reason="test", required_gates=factory.REQUIRED,
    )  # fmt: skip
    assert result.outcome == "published", result.reasons
    return home.root


@pytest.fixture
def company(published: Path, tmp_path: Path) -> Company:
    """A copy to change."""
    root = tmp_path / "home"
    shutil.copytree(published, root)
    home = Home(root)
    return Company(home, GovernanceStore(home), home.current_file.read_text(encoding="utf-8").strip())
