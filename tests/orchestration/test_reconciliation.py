"""The identity of semantics.md section 6 on a generated company, against the landing files read a second way.

And the same tables with one thread and with two.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from expectations.reconciliation import SIGNS
from orchestration import landing
from strata.conformed import decide, profile, supply
from strata.conformed.build import Snapshot
from strata.conformed.history import View
from strata.durable import write_parquet
from strata.home import Home
from strata.partition import Partition
from strata.tables import TABLES
from tests.orchestration import generated
from tests.strata.conformed.past import demand_history

PARTITIONS = [Partition(region, cycle) for cycle in generated.CYCLES for region in generated.REGIONS]


@dataclass(frozen=True)
class Company:
    home: Home
    snapshot: Snapshot

    def view(self, partition: Partition) -> View:
        return generated.view(self.home, self.snapshot, partition)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    home = generated.configure(tmp_path_factory.mktemp("generated") / "home")
    generated.land(home, items=40, seed=7)
    return Company(home, landing.conform(home, "conform"))


@pytest.fixture(params=PARTITIONS, ids=lambda partition: partition.key)
def partition(request: pytest.FixtureRequest) -> Partition:
    return request.param


def test_the_company_has_every_kind_of_trouble(company: Company) -> None:
    known = generated.as_known(company.home, Partition("EAST", "2017-08"))
    assert {
        "superseded", "out_of_range", "orphan_item", "missing_unit_factor", "missing_rate", "return",
        "no_stocked_goods",
    } <= set(known["reason"].dropna())  # fmt: skip
    assert len(known) > 1000


@pytest.mark.capability("2.2", part="rows and amounts of the sales feed tie to demand, to the cent and the unit")
def test_both_sides_are_what_the_landing_files_say(company: Company, partition: Partition) -> None:
    known = generated.as_known(company.home, partition)
    open_month = pd.Timestamp(partition.cycle).date()
    known.loc[known["line"].eq("demand"), "line"] = [
        "open" if month >= open_month else "history" for month in known.loc[known["line"].eq("demand"), "month"]
    ]
    wanted = _sums(known.assign(line="accepted", reason="-")) | _sums(known.fillna({"reason": "-"}))
    _, reconciliation = demand_history(company.view(partition))
    found = {
        (row["line"], row["reason"], row["currency"], row["base_unit"]): (
            row["line_count"],
            row["units"],
            row["amount"],
        )
        for row in reconciliation.to_pylist()
        if row["bucket"] == "month" and row["line"] != "unplaced"
    }
    assert found == wanted


def _sums(rows: pd.DataFrame) -> dict[tuple[str, ...], tuple[int, Decimal, Decimal]]:
    groups = rows.groupby(["line", "reason", "currency", "base_unit"])
    return {
        tuple(map(str, key)): (len(group), sum(group["quantity"], Decimal(0)), sum(group["net_amount"], Decimal(0)))
        for key, group in groups
    }


@pytest.mark.capability("2.2", part="rows and amounts of the sales feed tie to demand, to the cent and the unit")
def test_the_identity_holds_in_every_currency_and_unit(company: Company, partition: Partition) -> None:
    _, reconciliation = demand_history(company.view(partition))
    rows = reconciliation.to_pandas()
    rows = rows[rows["line"].ne("unplaced")]
    sign = rows["line"].map(SIGNS)
    for column in ("line_count", "units", "amount"):
        left = (rows[column] * sign).groupby([rows["bucket"], rows["currency"], rows["base_unit"]]).agg("sum")
        assert (left == 0).all(), left[left != 0]


def test_a_line_of_a_place_that_no_region_has_is_said_in_all(company: Company, partition: Partition) -> None:
    """One odd line names a location that does not exist; it is known from 20 July."""
    _, reconciliation = demand_history(company.view(partition))
    found = [
        (row["reason"], row["line_count"], row["units"], row["amount"])
        for row in reconciliation.to_pylist()
        if row["line"] == "unplaced" and row["bucket"] == "month"
    ]
    wanted = [("orphan_location", 1, Decimal("7.5"), Decimal("31.25"))]
    assert found == (wanted if partition.cycle > "2017-07" else [])


@pytest.mark.parametrize("bucket", ["month", "week"])
def test_demand_history_is_what_the_landing_files_say(company: Company, partition: Partition, bucket: str) -> None:
    known = generated.as_known(company.home, partition)
    wanted = {
        tuple(key): (sum(group["quantity"], Decimal(0)), sum(group["net_amount"], Decimal(0)), len(group))
        for key, group in known[known["line"].eq("demand")].groupby(["sku_id", "location_id", bucket])
    }
    history, _ = demand_history(company.view(partition))
    found = {
        (row["sku_id"], row["location_id"], row["period_start"]): (
            row["demand_units"],
            row["revenue"],
            row["order_lines"],
        )
        for row in history.to_pylist()
        if row["bucket"] == bucket and row["order_lines"]
    }
    assert found == wanted


def stages(view: View, folder: Path) -> Iterator[tuple[str, pa.Table]]:
    """Every table of a partition, each from the files of those before."""
    made: dict[str, Path] = {}

    def keep(name: str, rows: pa.Table) -> tuple[str, pa.Table]:
        made[name] = folder / f"{name}.parquet"
        write_parquet(made[name], rows)
        return name, rows

    history, reconciliation = demand_history(view)
    yield keep("demand_history", history)
    yield keep("reconciliation", reconciliation)
    yield keep("demand_profile", profile.demand_profile(view, made["demand_history"], None))
    overrides = pd.DataFrame(
        columns=["override_id", "sku_id", "location_id", "value_class", "variability_class"], dtype=object
    )
    yield keep("segment_assignment", decide.segment_assignment(view, made["demand_profile"], None, overrides))
    forecast = decide.demand_forecast(view, made["demand_history"], made["demand_profile"])
    yield keep("demand_forecast", forecast)
    yield keep("lead_time_profile", supply.lead_time_profile(view))
    policy = supply.inventory_policy(
        view, forecast=made["demand_forecast"], profile=made["demand_profile"], assignment=made["segment_assignment"],
        lead_times=made["lead_time_profile"],
    )  # fmt: skip
    yield keep("inventory_policy", policy)


@pytest.mark.capability("3.6", part="the number of threads does not change a decision")
def test_one_thread_and_two_give_equal_content(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partition = Partition("WEST", "2017-09")
    found = []
    for threads in ("1", "2", "2"):
        monkeypatch.setenv("STRATA_THREADS", threads)
        tables = stages(company.view(partition), tmp_path / f"{threads}-{len(found)}")
        found.append({name: TABLES[name].content_hash(rows) for name, rows in tables})
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 7
