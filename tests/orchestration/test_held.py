"""Changes that wait for missing ones: people are told, nobody works on them, and they come in when they may."""

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration import landing, pipeline
from orchestration.resources import Workspace, newest_snapshot
from strata.conformed.history import intake_summary
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.partition import Partition
from tests.orchestration import story
from tests.orchestration.extracts import drop_changes
from tests.orchestration.story import Story
from tests.orchestration.test_sensors import tick
from tests.orchestration.test_touched import touched

pytestmark = pytest.mark.capability("2.4", part="only touched partitions are recomputed; held changes touch none")


@pytest.fixture
def home(lived: Story, tmp_path: Path) -> Home:
    """Decided up to 2026-06; one extract of changes is in, the one after the next has come."""
    home = story.copy_of(lived.end, tmp_path / "home")
    for root in (home.landing, home.raw):  # the story sends this feed as full extracts, which do not mix with changes
        shutil.rmtree(root / "erp" / "purchase_order_lines")
    drop_changes(home, 0, 100, extracted_at="2026-06-20T02:00:00+00:00", initial_load=True)
    drop_changes(home, 200, 300, extracted_at="2026-06-21T02:00:00+00:00")
    return home


def received(home: Home) -> dict[str, dict[str, Any]]:
    """Metadata of each feed as a landing in Dagster shows it."""
    results: Iterator[dg.MaterializeResult[Any]] = landing.receive(home, logging.getLogger())  # type: ignore[arg-type]
    return {"/".join(result.asset_key.path): dict(result.metadata or {}) for result in results if result.asset_key}


def test_held_changes_are_told_once_and_are_no_input_of_a_conform_pass(home: Home) -> None:
    shown = received(home)["erp/purchase_order_lines"]
    assert (shown["extracts"], shown["held_extracts"]) == (2, 1)
    received(home)
    alerts = [alert for alert in GovernanceStore(home).alerts() if alert.kind == "extract_held"]
    assert len(alerts) == 1 and "after 100 up to 200 are missing" in str(alerts[0].payload)
    request = landing.conform_request(home)
    assert len(request.inputs["erp__purchase_order_lines"]) == 1
    (held,) = request.held
    assert held["feed"] == "purchase_order_lines" and held["batch_id"] not in {b["batch_id"] for b in request.batches}
    drop_changes(home, 100, 200, extracted_at="2026-06-22T02:00:00+00:00")
    received(home)
    filled = landing.conform_request(home)
    assert len(filled.inputs["erp__purchase_order_lines"]) == 3 and filled.held == []


def test_nobody_is_asked_to_work_on_held_changes(home: Home) -> None:
    assert touched(home) == ["2026-07|EMEA"]  # of the changes that are in
    with pipeline.instance(home) as instance:
        assert len(tick(home, "landing", instance)) == 1  # they are not conformed yet
        _as_if_conformed(home)
        assert tick(home, "landing", instance) == []
        drop_changes(home, 100, 200, extracted_at="2026-06-22T02:00:00+00:00")
        (before,) = tick(home, "landing", instance)
        assert landing.land(home).released
        (after,) = tick(home, "landing", instance)
        assert before.run_key == after.run_key  # accepted and released, not conformed: the same work


def _as_if_conformed(home: Home) -> None:
    file = newest_snapshot(home).folder / "snapshot.json"
    record = json.loads(file.read_bytes())
    file.write_text(json.dumps(record | {"batches": landing.conform_request(home).batches}), encoding="utf-8")


def test_the_intake_gate_knows_what_was_held_at_the_cut_off(home: Home) -> None:
    landing.land(home)
    held = tuple(landing.conform_request(home).held)
    partition = Partition("EMEA", "2026-06")
    view = Workspace(root=str(home.root), snapshot_id=newest_snapshot(home).snapshot_id).view(partition, "none")
    early = tuple({**one, "extracted_at": "2026-05-20T02:00:00+00:00"} for one in held)
    counts = [
        intake_summary(replace(view, snapshot=replace(view.snapshot, held=waiting)))["held_extracts"].tolist()
        for waiting in ((), held, early)
    ]
    assert counts == [[0], [0], [1]]
