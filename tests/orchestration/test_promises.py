"""Promised refreshes of the golden company: what its release says of them, and alerts that come once whoever looks."""

import re
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest

from orchestration import promises
from orchestration.resources import contracts, newest_snapshot
from orchestration.watch import promises as promise_sensor
from strata.governance.store import GovernanceStore
from strata.home import Home
from tests.orchestration import story
from tests.orchestration.story import Story
from tests.strata.governance import factory


def change(home: Home, feed: str, **fields: str) -> None:
    """Another value of some fields of a contract in the home."""
    file = home.root / "config" / "feeds" / f"{feed}.yml"
    text = file.read_text(encoding="utf-8")
    for name, value in fields.items():
        text = re.sub(rf"(?m)^{name}: .*$", f"{name}: {value}", text)
    file.write_text(text, encoding="utf-8")


@pytest.mark.capability("2.8", part="a release says which promised refreshes were kept")
def test_the_release_logs_every_extract_of_every_feed(lived: Story) -> None:
    rows = pq.read_table(lived.end.release(lived.release("2026-06")) / "feed_sla.parquet").to_pylist()
    # The golden company promises a refresh within a year, and its cut-off is on 2 June: each came in time, the promise
    # of the last is open.
    sales = [row for row in rows if row["feed"] == "sales_order_lines"]
    assert [(row["verdict"], row["extract_id"]) for row in sales] == [
        ("kept", "2026-04"), ("kept", "late-correction"), ("kept", "2026-05"), ("open", None),
    ]  # fmt: skip
    assert [row["attainment"] for row in sales] == [1.0] * 4
    feeds = {(row["system"], row["feed"]): row["verdict"] for row in rows if row["promise"] < 2}
    assert (
        feeds["erp", "items"] == "open"
        and feeds["tms", "shipments"] == "none"
        and set(feeds) == set(contracts(lived.end))
    )
    assert not [alert for alert in lived.store.alerts() if alert.kind.startswith(("refresh", "grant"))]


@pytest.mark.capability(
    "2.8", part="misses and grants that end are in the outbox once, however often a cycle is published"
)
def test_misses_and_ending_grants_are_told_once(lived: Story, tmp_path: Path) -> None:
    home = story.copy_of(lived.end, tmp_path / "home")
    change(home, "erp/sales_order_lines", refresh_sla_hours="240")
    change(home, "erp/items", expiry='"2026-08-01"')
    snapshot = newest_snapshot(home)
    assert promises.tell_at_cutoff(home, snapshot, "2026-06") == 3
    assert promises.tell_at_cutoff(home, snapshot, "2026-06") == 0
    told = {alert.key: alert for alert in GovernanceStore(home).alerts() if alert.kind.startswith(("refresh", "grant"))}
    # Promised ten days after 1 May and after 20 May; what was promised on 2 April came on 1 May, in the cycle before.
    assert {key: (alert.kind, alert.payload.get("late_hours")) for key, alert in told.items()} == {
        "sla:erp/sales_order_lines:2026-05-11T02:00:00+00:00": ("refresh_missed", 216.0),
        "sla:erp/sales_order_lines:2026-05-30T02:00:00+00:00": ("refresh_missed", 48.0),
        "grant_ending:erp/items:2026-08-01": ("grant_ending", None),
    }
    payload = told["sla:erp/sales_order_lines:2026-05-30T02:00:00+00:00"].payload
    assert (payload["owner"], payload["steward"]) == ("sales", "order-desk")
    assert [step["tell"] for step in payload["escalation"]] == [
        "data-engineering", "head-of-sales", "head-of-supply-chain",
    ]  # fmt: skip
    # The wall clock goes on where the cut-off stopped: the promise of 1 June is overdue, and two steps are called.
    assert promises.tell_now(home, datetime(2026, 6, 12, 6, tzinfo=UTC)) == 3
    assert promises.tell_now(home, datetime(2026, 6, 12, 7, tzinfo=UTC)) == 0


def test_the_sensor_looks_at_company_homes_only(tmp_path: Path) -> None:
    for profile, words in (("company", ["1 new alerts", "0 new alerts"]), ("trial", ["cut-offs only"] * 2)):
        home, store = factory.make_home(tmp_path / profile, profile=profile)
        change(home, "erp/items", expiry='"2020-01-01"')
        with dg.build_sensor_context() as context:
            for said in words:
                result = promise_sensor(home).evaluate_tick(context)
                assert said in str(result.skip_message)
        assert [alert.kind for alert in store.alerts()] == (["grant_ended"] if profile == "company" else [])
