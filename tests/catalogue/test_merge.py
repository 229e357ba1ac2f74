"""Bad input that shows when rows are merged, converted or dated: B24, B25, B46-B53. Land, merge by dbt's own SQL."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.feeds import measure
from orchestration import landing
from orchestration.resources import contracts
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.intake.batches import accepted_batches
from strata.intake.chain import released
from strata.intake.land import LandedExtract
from strata.intake.standing import stand
from tests.dbt.rendered import merged
from tests.strata.conformed.past import demand_history
from tests.strata.conformed.place import Place
from tests.strata.intake.drops import ORDERS, drop, tree
from tests.strata.intake.test_debezium import LINE, event

DAY = "2026-03-10T10:00:00Z"
CHANGES: dict[str, Any] = {"kind": "cdc", "envelope": "debezium", "format": "jsonl"}
BEGIN = [event("c", 10, after=LINE)]
CLOSED = {**LINE, "status": "closed"}
MOVED = {**LINE, "po_id": "P2"}


@dataclass(frozen=True)
class Log:
    """Changes as files of one feed, in the order of arrival, and the order lines that must then stand.

    `refused` is the reason of the last file, `held` says that it waits, `lines` are (po_id, status) that stand.
    """

    files: Sequence[tuple[int, int, list[Any]]]
    lines: Sequence[tuple[str, str]] = (("P1", "open"),)
    refused: str | None = None
    held: bool = False
    unknown_keys: int = 0


LOGS: dict[str, Log] = {
    "B46-out-of-order-in-a-file": Log([(0, 100, [event("u", 60, after=CLOSED), event("c", 10, after=LINE)])],
                                      [("P1", "closed")]),
    "B46-out-of-order-across-files": Log([(0, 20, BEGIN), (60, 100, [event("u", 90, after=CLOSED)]),
                                          (20, 60, [event("u", 40, after={**LINE, "status": "cancelled"})])],
                                         [("P1", "closed")]),
    "B47-older-version-after-the-delete": Log([(0, 20, BEGIN), (20, 100, [event("d", 60, before=LINE),
                                                                          event("u", 40, after=CLOSED)])], []),
    "B47-replayed-after-the-delete": Log([(0, 20, BEGIN), (20, 60, [event("d", 50, before=LINE)]), (0, 70, BEGIN)], []),
    "B48-two-changes-at-one-position": Log([(0, 20, BEGIN), (20, 100, [
        event("u", 50, after=CLOSED, sequence="2"), event("u", 50, after={**LINE, "status": "open"}, sequence="1")])],
        [("P1", "closed")]),
    "B49-missing-file": Log([(0, 20, BEGIN), (60, 100, [event("u", 90, after=CLOSED)])], held=True),
    "B50-update-of-a-key-never-seen": Log([(0, 20, BEGIN), (20, 60, [event("u", 50, after={**CLOSED, "po_id": "P9"})])],
                                          [("P1", "open"), ("P9", "closed")]),
    "B50-delete-of-a-key-never-seen": Log([(0, 20, BEGIN), (20, 60, [event("d", 50, before={**LINE, "po_id": "P9"})])],
                                          unknown_keys=1),
    "B51-truncate": Log([(0, 20, BEGIN), (20, 60, [event("t", 50)])], refused="unknown_operation"),
    "B51-message": Log([(0, 20, BEGIN), (20, 60, [event("m", 50)])], refused="unknown_operation"),
    "B51-update-without-after": Log([(0, 20, BEGIN), (20, 60, [event("u", 50)])], refused="envelope_malformed"),
    "B51-value-left-out": Log([(0, 20, BEGIN), (20, 60, [
        event("u", 50, after={**LINE, "status": "__debezium_unavailable_value", "quantity": "9"})])]),
    "B52-key-changed": Log([(0, 20, BEGIN), (20, 60, [event("u", 50, before=LINE, after=MOVED)])], [("P2", "open")]),
    "B52-key-changed-as-a-pair": Log([(0, 20, BEGIN), (20, 60, [event("d", 50, before=LINE),
                                                                event("c", 51, after=MOVED)])], [("P2", "open")]),
    "B53-column-lost-inside-a-file": Log([(0, 20, BEGIN), (20, 60, [
        event("u", 50, after=CLOSED), event("u", 51, after={k: v for k, v in LINE.items() if k != "unit"})])],
        refused="column_missing"),
    "B53-another-schema-version": Log([(0, 20, BEGIN), (20, 60, [event("u", 50, after=CLOSED)])],
                                      refused="schema_version_unknown"),
}  # fmt: skip


def arrive(home: Home, number: int, start: int, to: int, events: list[Any], **manifest: Any) -> LandedExtract:
    """Land one file of changes."""
    data = "".join(f"{json.dumps(one)}\n" for one in events).encode()
    options = {**CHANGES, "position": {"from": str(start), "to": str(to)}, "extract_id": f"x{number}", **manifest}
    folder = drop(home.landing, {"a.jsonl": data}, len(events), contract=ORDERS, **options)
    (extract,) = [one for one in landing.land(home).extracts if one.folder == folder.resolve()]
    return extract


def standing_lines(home: Home) -> list[tuple[str, str, Decimal]]:
    """Order lines that stand after the merge, by key."""
    files = [batch.rows_file for batch in released(accepted_batches(home))]
    with duckdb.connect() as connection:
        rows = merged(connection, "erp__purchase_order_lines", "fct_purchase_order_line", files)
    keys = [(row["po_id"], row["known_from"]) for row in rows]
    assert len(keys) == len(set(keys)), "a version stands once"
    return sorted((row["po_id"], row["status"], row["quantity"]) for row in rows if row["known_to"] is None)


@pytest.mark.capability("2.4", part="what a log can do wrong, and the release that stays")
@pytest.mark.parametrize("name", LOGS)
def test_changes(name: str, standing: Home) -> None:
    log, before = LOGS[name], tree(standing.releases)
    for number, (start, to, events) in enumerate(log.files):
        version = {"schema_version": 99} if "schema-version" in name and number else {}
        extract = arrive(standing, number, start, to, events, initial_load=number == 0, **version)
    told = f"{extract.outcome} {extract.reasons} {extract.advice}"
    alerts = {alert.kind for alert in GovernanceStore(standing).alerts()}
    if log.refused:
        assert (extract.outcome, list(extract.reasons)) == ("refused", [log.refused]), told
        assert extract.advice and "extract_refused" in alerts
    else:
        assert extract.outcome == ("held" if log.held else "accepted"), told
        assert not log.held or "extract_held" in alerts
    lines = standing_lines(standing)
    assert [(order, status) for order, status, _ in lines] == list(log.lines)
    if name == "B51-value-left-out":
        assert lines[0][2] == 9, "what came counts, what was left out stays"
    (feed,) = feeds(standing)
    assert feed["unknown_keys"] == log.unknown_keys
    assert tree(standing.releases) == before


def feeds(home: Home) -> list[dict[str, Any]]:
    """The feeds as the gate of a later cycle sees them."""
    frame = stand(
        released(accepted_batches(home)), [], contracts(home), region="EMEA", places={"L1"}, elsewhere=set(),
        months={}, since=datetime(2016, 1, 1, tzinfo=UTC), known_at=datetime(2026, 7, 1, tzinfo=UTC),
    )  # fmt: skip
    rows: list[dict[str, Any]] = frame.to_dict("records")
    assert bool(measure(frame).values["too_many_unknown_keys"]) == (rows[0]["unknown_keys"] > 0)
    return rows


CONVERSIONS: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "B24-unit-with-a-factor": ({"unit": "CS"}, {}),
    "B24-unit-without-a-factor": ({"unit": "PAL"}, {"missing_unit_factor": 1}),
    "B25-currency-with-a-rate": ({"currency": "USD"}, {}),
    "B25-currency-without-a-rate": ({"currency": "CHF"}, {"missing_rate": 1}),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_conversions(name: str, tmp_path: Path) -> None:
    change, reasons = CONVERSIONS[name]
    here = Place(tmp_path)
    here.unit("CS", "12")
    here.rate("USD/EUR", "2026-03-10", "0.5")
    here.sale(DAY)
    here.sale(DAY, **change)
    history, reconciliation = demand_history(here.view("2026-04"))
    (month,) = [row for row in history.to_pylist() if row["bucket"] == "month" and row["order_lines"]]
    units, revenue = {"CS": (13, 20), "USD": (2, 15)}.get(next(iter(change.values())), (1, 10))
    assert (month["demand_units"], month["revenue"]) == (units, revenue), "converted or set aside, never taken as 1.0"
    aside = {r["reason"]: r["line_count"] for r in reconciliation.to_pylist() if r["line"] == "quarantined"}
    assert aside == reasons
