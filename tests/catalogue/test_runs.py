"""Bad input that only a whole run shows (reliability.md section 3): one landing, one conform pass, one release.

Eight regions are decided in one cycle. What the faulty ones sent never reaches a reader: a region with good rows of an
earlier cycle keeps them, flagged; a new one is absent and listed; the releases that were there do not change.
"""

from dataclasses import dataclass

import duckdb
import pytest

from orchestration import pipeline
from orchestration.pipeline import RunReport
from strata.governance.records import PASSING, RestatementNeedsApproval
from strata.governance.releases import Manifest, current_manifest
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.partition import Partition
from tests.catalogue import network
from tests.orchestration.story import Story, copy_of
from tests.strata.intake.drops import tree

CYCLE = "2026-07"


@dataclass(frozen=True)
class Ran:
    """The company after its run; `before` are the files of the releases that stood before it."""

    home: Home
    before: dict[str, str]
    old: Manifest
    new: Manifest
    closed: RunReport
    report: RunReport

    @property
    def store(self) -> GovernanceStore:
        return GovernanceStore(self.home)

    def told(self, region: str) -> dict[str, tuple[str, str]]:
        """Verdict and what was observed, by gate."""
        run = next(d.run_id for d in self.report.decided if d.partition == Partition(region, CYCLE))
        return {r.gate: (r.verdict, r.observed or "") for r in self.store.gate_records(run_id=run)}

    def read(self, manifest: Manifest, sql: str) -> list[tuple]:
        """Rows of a release."""
        file = self.home.release(manifest["release_id"]) / "strata.duckdb"
        with duckdb.connect(str(file), read_only=True) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def ran(lived: Story, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Land all faults at once, try to publish a closed cycle again, then run and publish 2026-07."""
    home = copy_of(lived.end, tmp_path_factory.mktemp("catalogue") / "home")
    before, old = tree(home.releases), current_manifest(home)
    network.grow(home)
    closed = pipeline.run(home, ["2026-05"], regions=["EMEA"], publish=True)
    assert tree(home.releases) == before
    report = pipeline.run(home, [CYCLE], publish=True)
    new = current_manifest(home)
    assert old is not None and new is not None
    return Ran(home, before, old, new, closed, report)


# case: (region, gate, what it must say)
SUSPENDED = {
    "B04-empty-extract-of-a-feed": ("EMEA", "feeds", "wms/stock_snapshots: refused as empty_extract"),
    "B34-column-removed-from-a-feed": ("APAC", "feeds", "crm/promotions: refused as column_missing"),
    "B37-cast-failures-beyond-the-contract": ("B37", "feeds", "erp/sales_order_lines: 1 of 60 rows refused"),
    "B39-orphans-beyond-the-threshold": ("B39", "intake", "orphan_rows 4"),
    "B40-60-percent-fewer-rows": ("B40", "feeds", "erp/sales_order_lines: 4 rows after 10"),
    "B41-ten-times-the-rows": ("B41", "feeds", "erp/sales_order_lines: 100 rows after 10"),
    "B42-one-source-is-missing": ("B42", "intake", "last_month_rows 0"),
}
GROWN = {region for region, _, _ in SUSPENDED.values()} & set(network.PLACES)


@pytest.mark.capability("7.6", part="each feed is judged by its own contract, and suspends only what it touches")
@pytest.mark.parametrize(("region", "gate", "words"), SUSPENDED.values(), ids=SUSPENDED)
def test_bad_input_suspends_its_region(ran: Ran, region: str, gate: str, words: str) -> None:
    verdict, observed = ran.told(region)[gate]
    assert verdict == "suspend" and words in observed, observed
    assert region in {s["region"] for s in ran.new["suspensions"]}
    assert region in {s.region for s in ran.store.open_suspensions()}
    alerts = [a.payload for a in ran.store.alerts() if a.kind == "gate_failed" and a.payload["cycle"] == CYCLE]
    assert (gate, region) in {(alert["gate"], alert["region"]) for alert in alerts}
    now = tree(ran.home.releases)
    assert {name: now[name] for name in ran.before if name != "CURRENT"} == {
        name: file for name, file in ran.before.items() if name != "CURRENT"
    }, "releases that were there are what they were, byte for byte"
    segments = f"select sku_id, segment, cycle from segment_assignment where region = '{region}' order by all"
    kept = ran.read(ran.new, segments)
    assert kept == ran.read(ran.old, segments)
    assert bool(kept) == (region not in GROWN)
    flags = f"select distinct is_suspended from segment_assignment where region = '{region}'"
    assert ran.read(ran.new, flags) == ([(True,)] if kept else [])


def test_the_region_without_a_fault_goes_on(ran: Ran) -> None:
    assert [p.outcome for p in ran.report.releases] == ["published"]
    decided = {d.partition.region: d.verdict for d in ran.report.decided}
    assert [region for region, verdict in decided.items() if verdict in PASSING] == ["B22"]
    assert ran.new["regions"]["B22"] == CYCLE


@pytest.mark.parametrize("case", ["B22-sold-without-a-price"])
def test_what_has_no_value_is_undefined_and_counted(ran: Ran, case: str) -> None:
    classes = dict(ran.read(ran.new, "select sku_id, value_class from segment_assignment where region = 'B22'"))
    assert classes["I4"] == "U" and "U" not in {classes[sku] for sku in network.ITEMS}
    verdict, observed = ran.told("B22")["demand_profile"]
    assert verdict == "warn" and observed.startswith("sold_without_value 1 (I4|*|B22"), observed


@pytest.mark.parametrize("case", ["B45-month-end-in-another-zone"])
def test_a_month_ends_where_the_region_is(ran: Ran, case: str) -> None:
    sql = """
        select strftime(period_start, '%Y-%m-%d'), demand_units from demand_history
        where region = 'B22' and sku_id = 'I6' and bucket = 'month' and period_start >= '2026-05-01' order by 1
    """
    assert [(day, int(units)) for day, units in ran.read(ran.new, sql)] == [("2026-05-01", 10), ("2026-06-01", 87)]


@pytest.mark.parametrize("case", ["B39-orphans-below-the-threshold"])
def test_rows_of_an_unknown_location_are_counted_everywhere(ran: Ran, case: str) -> None:
    verdict, observed = ran.told("B22")["reconciliation"]
    assert (verdict, observed) == ("quarantine", "unplaced_rows 1")


@pytest.mark.parametrize("case", ["B30-late-extract-for-a-closed-cycle"])
def test_a_late_extract_waits_for_an_approved_restatement(ran: Ran, case: str) -> None:
    (closed,) = ran.closed.releases
    assert closed.outcome == "refused" and "2026-05 is closed, and its content changed in EMEA" in closed.reasons[0]
    assert "late_extract" in {alert.kind for alert in ran.store.alerts()}
    with pytest.raises(RestatementNeedsApproval):
        pipeline.run(ran.home, ["2026-05"], regions=["EMEA"], as_known="now", publish=True)
    sql = "select sum(revenue) from demand_history where region = 'EMEA' and bucket = 'month'"
    assert ran.read(ran.new, sql) == ran.read(ran.old, sql)
