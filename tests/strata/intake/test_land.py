"""Landing: idempotence, order, refusals, crashes."""

import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from strata.home import REPOSITORY, Home
from strata.intake.batches import accepted_batches
from strata.intake.land import LandResult, land, pending
from strata.intake.reasons import EXTRACT_REASONS, INTEGRITY_REASONS
from tests.strata.intake.drops import CONTRACTS, ITEM_HEADER, ITEMS, SALES, SALES_HEADER, drop, item, sale, text, tree

TWO = text(SALES_HEADER, sale(), sale(order_line="2", quantity="bad"))


def run(home: Home, folder: Path | None = None, now: datetime | None = None) -> LandResult:
    return land(home, CONTRACTS, folder, now=now)


def ledger(home: Home) -> dict[str, str]:
    return {**tree(home.raw), **tree(home.quarantine)}


def test_an_accepted_extract_leaves_rows_record_and_refused_rows(tmp_path: Path) -> None:
    home = Home(tmp_path)
    folder = drop(home.landing, {"a.csv": TWO}, 2, control_totals={"net_amount": 39.8})
    (extract,) = run(home).extracts
    assert (extract.outcome, extract.rows, extract.refused_rows) == ("accepted", 1, 1)
    assert extract.touched_locations == ("L1",) and extract.folder == folder
    (batch,) = accepted_batches(home)
    assert sorted(path.name for path in batch.folder.iterdir()) == ["batch.json", "files", "rows.parquet"]
    assert (batch.folder / "files" / "a.csv").read_bytes() == TWO == (folder / "a.csv").read_bytes()
    assert batch.refusals == {"not_a_number": 1}
    assert batch.control_totals["net_amount"]["verdict"] == "matched"
    assert (home.quarantine / "erp/sales_order_lines" / batch.batch_id / "rows.jsonl").is_file()


@pytest.mark.capability("2.2", part="strict readers and types, idempotent intake, refusals by row")
def test_b28_the_same_content_again_under_any_name_changes_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    drop(home.landing, {"a.csv": TWO}, 2)
    drop(home.landing, {"a.csv": b"junk\n"}, 1, extract_id="x2")
    assert run(home).counts == {"accepted": 1, "refused": 1}
    before = ledger(home)
    assert run(home).counts == {"duplicate": 2}
    drop(home.landing, {"renamed.csv": TWO}, 2, extract_id="x3")
    drop(home.landing, {"b.csv": b"junk\n"}, 1, extract_id="x4")
    again = run(home)
    assert again.counts == {"duplicate": 4} and not again.touched_locations
    assert ledger(home) == before
    shutil.rmtree(home.landing)
    assert run(home).extracts == () and ledger(home) == before


def test_any_order_of_arrival_and_files_gives_the_same_raw(tmp_path: Path) -> None:
    drops: list[dict[str, Any]] = [
        {
            "files": {"a.csv": TWO, "b.csv": text(SALES_HEADER, sale(order_line="9"))},
            "rows": [2, 1],
            "extract_id": "x1",
        },
        {
            "files": {"a.csv": text(SALES_HEADER, sale(quantity="5"))},
            "rows": 1,
            "extract_id": "x2",
            "extracted_at": "2017-05-01T00:00:00Z",
        },
        {"files": {"a.csv": text(ITEM_HEADER, item())}, "rows": 1, "contract": ITEMS},
    ]
    seen = []
    for number, order in enumerate(permutations(drops)):
        home = Home(tmp_path / str(number))
        for options in order:
            drop(home.landing, **options)
            run(home)
        seen.append(tree(home.raw))
    assert all(one == seen[0] for one in seen) and len(seen[0]) == 3 * 2 + 4


def test_extracts_dropped_together_are_landed_in_the_order_of_extraction(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for extract_id, day, initial in (("a", 3, False), ("b", 2, False), ("c", 4, True)):
        data = text(ITEM_HEADER, item(list_price=str(day)))
        extracted = f"2017-04-0{day}T00:00:00Z" if not initial else "2017-04-01T00:00:00Z"
        drop(
            home.landing,
            {"a.csv": data},
            1,
            contract=ITEMS,
            extract_id=extract_id,
            extracted_at=extracted,
            initial_load=initial,
        )
    assert [extract.folder.name for extract in run(home).with_outcome("accepted")] == ["c", "b", "a"]
    positions = [batch.first_position for batch in accepted_batches(home)]
    assert positions == sorted(positions, key=int) and len(set(positions)) == 3


def test_feeds_landed_at_once_end_as_those_landed_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for at_once in (1, 4):
        monkeypatch.setattr("strata.intake.land.FEEDS_AT_ONCE", at_once)
        home = Home(tmp_path / str(at_once))
        for day in (1, 2, 3):
            stamp = {"extract_id": f"x{day}", "extracted_at": f"2017-03-0{day}T00:00:00Z"}
            drop(home.landing, {"a.csv": text(SALES_HEADER, sale(quantity=str(day)), sale(sku_id=""))}, 2, **stamp)
            drop(home.landing, {"a.csv": text(ITEM_HEADER, item(item_name=f"Bolt {day}"))}, 1, contract=ITEMS, **stamp)
        for feed in ("erp/items", "erp/sales_order_lines", "erp/nobody_knows"):  # of one content, so of one identity
            (home.landing / feed / "x9").mkdir(parents=True)
            (home.landing / feed / "x9" / "manifest.json").write_bytes(b"{}")
        result = run(home)
        assert result.counts == {"accepted": 6, "refused": 3}
        told = [(one.feed, one.outcome, one.folder.name) for one in result.extracts]
        found.append((told, {name: sha for name, sha in ledger(home).items() if "refusal" not in name}))
    assert found[0] == found[1]


def test_where_a_feed_cannot_be_written_no_other_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    monkeypatch.setenv("STRATA_FAILPOINT", "land.raw:enospc")
    for feed in (ITEMS, SALES):
        for number in range(5):
            day = text(ITEM_HEADER, item()) if feed is ITEMS else text(SALES_HEADER, sale())
            drop(home.landing, {"a.csv": day}, 1, contract=feed, extract_id=f"x{number}")
    with pytest.raises(OSError, match="no space left"):
        run(home)
    assert not accepted_batches(home) and [path.name for path in home.staging.iterdir()] == ["land.lock"]
    monkeypatch.delenv("STRATA_FAILPOINT")
    assert run(home).counts["accepted"] >= 2


def test_folders_without_a_manifest_are_left_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert run(home).extracts == ()
    folder = drop(home.landing, {"a.csv": TWO}, 2)
    (folder / "manifest.json").rename(folder / "manifest.json.tmp")
    (extract,) = run(home).extracts
    assert (extract.outcome, extract.system, extract.feed) == ("incomplete", "erp", "sales_order_lines")
    assert not home.raw.exists() and pending(home) == []
    (folder / "manifest.json.tmp").rename(folder / "manifest.json")
    assert pending(home) == [folder]
    assert run(home).counts == {"accepted": 1} and pending(home) == []


def test_pending_needs_no_index_and_survives_the_loss_of_staging(tmp_path: Path) -> None:
    home = Home(tmp_path)
    folders = [
        drop(home.landing, {"a.csv": text(SALES_HEADER, sale(quantity=str(n)))}, 1, extract_id=f"x{n}")
        for n in range(1, 4)
    ]
    assert pending(home) == folders
    run(home, folders[1])
    shutil.rmtree(home.staging)
    assert pending(home) == [folders[0], folders[2]]
    (batch,) = accepted_batches(home)
    shutil.rmtree(batch.folder)
    assert pending(home) == folders


def test_one_folder_outside_the_home_can_be_landed(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    folder = drop(tmp_path / "elsewhere", {"a.csv": TWO}, 2)
    assert run(home, folder).counts == {"accepted": 1}
    assert run(home, tmp_path / "elsewhere").counts == {"duplicate": 1}
    with pytest.raises(FileNotFoundError, match="laid out as"):
        run(home, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        pytest.param({"schema_version": 2}, "schema_version_unknown", id="B53-schema-version"),
        pytest.param({"system": "crm"}, "wrong_folder", id="B43-other-system"),
        pytest.param({"extracted_at": "2030-01-01T00:00:00Z"}, "extracted_in_future", id="B31-future"),
        pytest.param({"control_totals": {"quantity": 5}}, "totals_differ", id="total"),
        pytest.param({"control_totals": {"colour": 5}}, "totals_differ", id="total-of-nothing"),
        pytest.param({"control_totals": {"unit": 5}}, "totals_differ", id="total-of-text"),
        pytest.param({"surprise": 1}, "manifest_malformed", id="B43-extra-key"),
    ],
)
def test_terms_that_refuse_an_extract(tmp_path: Path, manifest: dict[str, Any], reason: str) -> None:
    home = Home(tmp_path)
    drop(home.landing, {"a.csv": text(SALES_HEADER, sale())}, 1, **manifest)
    (extract,) = run(home, now=datetime(2017, 4, 2, tzinfo=UTC)).extracts
    assert (extract.outcome, list(extract.reasons)) == ("refused", [reason]), extract.advice
    assert reason in EXTRACT_REASONS and extract.advice
    assert pending(home) == [] and not home.raw.exists()


def test_b31_a_clock_that_is_a_little_fast_is_tolerated(tmp_path: Path) -> None:
    home = Home(tmp_path)
    drop(home.landing, {"a.csv": TWO}, 2)
    assert run(home, now=datetime(2017, 4, 1, 2, tzinfo=UTC) - timedelta(minutes=59)).counts == {"accepted": 1}


def test_a_feed_without_contract_and_too_many_rows_are_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    drop(home.landing, {"a.csv": TWO}, 2)
    (extract,) = land(home, {}).extracts
    assert list(extract.reasons) == ["unknown_feed"] and "config/feeds/erp" in (extract.advice or "")
    drop(home.landing, {"a.csv": TWO}, 60_000_000, extract_id="x2")
    assert [list(e.reasons) for e in run(home).with_outcome("refused")] == [["too_many_rows"]]


def test_control_totals_count_refused_and_repeated_rows_and_admit_what_they_cannot_read(tmp_path: Path) -> None:
    home = Home(tmp_path)
    lines = [sale(), sale(), sale(order_line="2", quantity="-4"), sale(order_line="3", sku_id="")]
    drop(home.landing, {"a.csv": text(SALES_HEADER, *lines)}, 4, control_totals={"quantity": 2 + 2 - 4 + 2})
    lines.append(sale(order_line="4", quantity="1e3"))
    totals = {"quantity": 1002, "net_amount": 99.5}
    drop(home.landing, {"a.csv": text(SALES_HEADER, *lines)}, 5, extract_id="x2", control_totals=totals)
    assert run(home).counts == {"accepted": 2}
    verdicts = [{name: t["verdict"] for name, t in batch.control_totals.items()} for batch in accepted_batches(home)]
    assert sorted(verdicts, key=len) == [{"quantity": "matched"}, {"quantity": "unverified", "net_amount": "matched"}]


def test_b29_an_extract_id_with_other_content_must_say_that_it_supersedes(tmp_path: Path) -> None:
    home = Home(tmp_path)
    drop(home.landing, {"a.csv": TWO}, 2)
    run(home)
    changed = text(SALES_HEADER, sale(quantity="7"))
    drop(home.landing, {"a.csv": changed}, 1)
    (extract,) = run(home).extracts
    assert list(extract.reasons) == ["extract_id_reused"]
    drop(home.landing, {"a.csv": changed}, 1, supersedes="x1")
    assert run(home).counts == {"accepted": 1}
    assert len(accepted_batches(home)) == 2


def test_b32_an_older_state_after_a_newer_one_is_refused_an_older_increment_is_not(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for extract_id, day in (("new", "05"), ("old", "04"), ("same", "05")):
        data = text(ITEM_HEADER, item(item_name=extract_id))
        at = f"2017-04-{day}T00:00:00Z"
        drop(home.landing, {"a.csv": data}, 1, contract=ITEMS, extract_id=extract_id, extracted_at=at)
        drop(
            home.landing,
            {"a.csv": text(SALES_HEADER, sale(sku_id=extract_id))},
            1,
            extract_id=extract_id,
            extracted_at=at,
        )
        result = run(home)
    assert len(accepted_batches(home)) == 4
    refused = sorted(home.quarantine.rglob("refusal.json"))
    assert [json.loads(path.read_bytes())["reason"] for path in refused] == ["older_than_accepted"] * 2
    assert result.counts == {"duplicate": 4, "refused": 1, "accepted": 1}


def test_kinds_do_not_mix_and_history_is_back_dated_only_at_first(tmp_path: Path) -> None:
    home = Home(tmp_path)
    drop(home.landing, {"a.csv": TWO}, 2)
    run(home)
    changes = {"kind": "cdc", "envelope": "debezium", "format": "jsonl", "position": {"from": "1", "to": "2"}}
    drop(home.landing, {"a.jsonl": b""}, 0, extract_id="x2", **changes)
    drop(home.landing, {"a.csv": text(SALES_HEADER, sale(quantity="9"))}, 1, extract_id="x3", initial_load=True)
    reasons = {extract.folder.name: list(extract.reasons) for extract in run(home).with_outcome("refused")}
    assert reasons == {"x2": ["kind_mixed"], "x3": ["initial_load_late"]}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("B01-other-bytes", "sha256_differs"),
        ("B02-cut", "bytes_differ"),
        ("grown", "bytes_differ"),
        ("missing", "file_missing"),
        ("link", "not_a_regular_file"),
    ],
)
def test_files_that_are_not_those_of_the_manifest_are_refused_until_the_right_ones_come(
    tmp_path: Path, name: str, reason: str
) -> None:
    home = Home(tmp_path)
    wrong = {"B01-other-bytes": TWO.replace(b"EUR", b"USD"), "B02-cut": TWO[:-5], "grown": TWO + b"x"}.get(name)
    folder = drop(home.landing, {"a.csv": TWO}, 2, as_written={"a.csv": wrong} if wrong else {})
    if name == "link":
        (tmp_path / "secret.csv").write_bytes(TWO)
        (folder / "a.csv").symlink_to(tmp_path / "secret.csv")
    (extract,) = run(home).extracts
    assert list(extract.reasons) == [reason] and reason in INTEGRITY_REASONS
    assert run(home).counts == {"duplicate": 1} and pending(home) == []
    (folder / "a.csv").unlink(missing_ok=True)
    (folder / "a.csv").write_bytes(TWO)
    assert pending(home) == [folder]
    assert run(home).counts == {"accepted": 1} and pending(home) == []
    refusal = json.loads(
        (home.quarantine / "erp/sales_order_lines" / str(extract.batch_id) / "refusal.json").read_bytes()
    )
    assert refusal["reason"] == reason and len(refusal["deliveries"]) == 1


def test_a_second_wrong_delivery_is_added_to_the_record(tmp_path: Path) -> None:
    home = Home(tmp_path)
    folder = drop(home.landing, {"a.csv": TWO}, 2, as_written={"a.csv": TWO[:-5]})
    run(home)
    (folder / "a.csv").write_bytes(TWO[:-6])
    (extract,) = run(home).extracts
    refusal = json.loads(
        (home.quarantine / "erp/sales_order_lines" / str(extract.batch_id) / "refusal.json").read_bytes()
    )
    assert len(refusal["deliveries"]) == 2 and run(home).counts == {"duplicate": 1}


def test_what_is_read_is_the_copy(tmp_path: Path) -> None:
    home = Home(tmp_path)
    folder = drop(home.landing, {"a.csv": TWO}, 2)
    run(home)
    (batch,) = accepted_batches(home)
    (folder / "a.csv").write_bytes(b"changed afterwards")
    assert (batch.folder / "files" / "a.csv").read_bytes() == TWO
    assert run(home).counts == {"duplicate": 1}


def test_names_that_are_no_names_never_become_paths(tmp_path: Path) -> None:
    home = Home(tmp_path)
    folder = home.landing / "ERP;rm" / "Items" / "x"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    (extract,) = run(home).extracts
    assert (extract.system, extract.feed) == ("unknown", "unknown")
    assert (home.quarantine / "unknown" / "unknown" / str(extract.batch_id) / "manifest.json").is_file()


CHILD = """
import sys
from pathlib import Path
from strata.home import REPOSITORY, Home
from strata.intake.contract import load_contracts
from strata.intake.land import land
land(Home(Path(sys.argv[1])), load_contracts(REPOSITORY / "config" / "feeds"))
"""


def in_process(home: Home, failpoint: str) -> int:
    environment = {**os.environ, "STRATA_FAILPOINT": failpoint, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(home.root)], env=environment, cwd=REPOSITORY, capture_output=True, check=False
    )
    return done.returncode


@pytest.mark.parametrize("place", ["land.raw", "land.ledger", "land.quarantine"])
@pytest.mark.parametrize("action", ["kill", "enospc", "eio"])
def test_f01_landing_that_dies_at_any_failpoint_converges_when_run_again(
    tmp_path: Path, place: str, action: str
) -> None:
    clean, hurt = Home(tmp_path / "clean"), Home(tmp_path / "hurt")
    for home in (clean, hurt):
        drop(home.landing, {"a.csv": TWO}, 2)
        drop(home.landing, {"a.csv": text(SALES_HEADER, sale(quantity="9"))}, 1, extract_id="x2")
        drop(home.landing, {"a.csv": b"junk\n"}, 1, extract_id="x3", extracted_at="2017-03-01T00:00:00Z")
    run(clean)
    expected = {name: sha for name, sha in ledger(clean).items() if "refusal" not in name}
    code = in_process(hurt, f"{place}:{action}")
    assert code == (-signal.SIGKILL if action == "kill" else 1)
    whole = {path.parent for path in hurt.raw.rglob("batch.json")}
    assert all((folder / "rows.parquet").is_file() for folder in whole)
    assert len(whole) == (place == "land.ledger")
    assert len(list(hurt.quarantine.rglob("refusal.json"))) == (place != "land.quarantine")
    assert in_process(hurt, "") == 0
    assert {name: sha for name, sha in ledger(hurt).items() if "refusal" not in name} == expected
    assert len(list(hurt.quarantine.rglob("refusal.json"))) == 1
    assert [path.name for path in hurt.staging.iterdir()] == ["land.lock"]
    assert run(hurt).counts == {"duplicate": 3}


def test_two_landings_at_once_accept_everything_once(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for n in range(4):
        drop(home.landing, {"a.csv": text(SALES_HEADER, sale(order_line=str(n)))}, 1, extract_id=f"x{n}")
    command = [sys.executable, "-c", CHILD, str(home.root)]
    children = [
        subprocess.Popen(command, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}) for _ in range(2)
    ]
    assert [child.wait(60) for child in children] == [0, 0]
    assert len(accepted_batches(home)) == 4 and run(home).counts == {"duplicate": 4}
