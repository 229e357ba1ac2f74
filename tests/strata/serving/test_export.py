"""An export holds what the role may see, runs in no spreadsheet, is whole or absent, and stands in the ledger."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from strata.cli.main import app
from strata.failpoint import REGISTRY
from strata.governance.records import GovernanceError
from strata.governance.releases import manifest_file
from strata.identity import sha256_file
from strata.serving import export as exporting
from strata.serving.access import AccessError, load_roles
from strata.serving.export import export
from strata.tables import TABLES
from tests.strata.intake.drops import CONTRACTS
from tests.strata.serving.conftest import NAMES, Company


def take(company: Company, out: Path, role: str, *tables: str, **how: Any) -> dict[str, Any]:
    made = export(
        company.home, company.store, release_id=company.release_id, role=role, tables=tables or None,
        file_format=how.get("file_format", "csv"), out=out, actor="ann", reason="the monthly review",
    )  # fmt: skip
    assert made.folder == out
    return dict(made.manifest)


def read(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.mark.capability("2.8", part="an export shows a role its rows and columns, and the ledger who took them")
def test_two_roles_take_two_views_of_one_release(company: Company, tmp_path: Path) -> None:
    whole = take(company, tmp_path / "planner", "planner")
    granted = load_roles(company.home.config / "roles.yml", CONTRACTS).role("planner").tables
    assert {table["name"] for table in whole["tables"]} == set(granted) == set(TABLES) - set(whole["tables_withheld"])
    part = take(company, tmp_path / "east", "planner_east")
    assert {row["region"] for row in read(tmp_path / "planner" / "segment_assignment.csv")} == {"EAST", "WEST"}
    assert {row["region"] for row in read(tmp_path / "east" / "segment_assignment.csv")} == {"EAST"}
    assert "dim_customer" in part["tables_withheld"] and not (tmp_path / "east" / "dim_customer.csv").exists()
    for folder, manifest in ((tmp_path / "planner", whole), (tmp_path / "east", part)):
        assert json.loads((folder / "manifest.json").read_bytes()) == manifest
        assert {path.name for path in folder.iterdir()} == {"manifest.json", *(t["file"] for t in manifest["tables"])}
        for table in manifest["tables"]:
            assert sha256_file(folder / table["file"]) == table["sha256"]
            assert len(read(folder / table["file"])) == table["rows"]
    first, second = (entry for entry in company.store.ledger_entries() if entry.action == "export.made")
    assert (first.body["actor_id"], first.body["reason"]) == ("ann", "the monthly review")
    assert (first.after["role"], second.after["role"]) == ("planner", "planner_east")
    assert first.object == f"release:{company.release_id}" and second.after["regions"] == ["EAST"]
    assert second.after["manifest_sha256"] == sha256_file(tmp_path / "east" / "manifest.json")
    assert {t["name"]: t["rows"] for t in second.after["tables"]} == {t["name"]: t["rows"] for t in part["tables"]}
    assert company.store.verify_ledger() == []


def test_csv_runs_nothing_and_parquet_is_verbatim(company: Company, tmp_path: Path) -> None:
    manifest = take(company, tmp_path / "csv", "planner", "dim_customer", "demand_profile")
    names = [row["customer_name"] for row in read(tmp_path / "csv" / "dim_customer.csv")]
    assert names == ["'" + name if at < 5 else name or "" for at, name in enumerate(NAMES)]
    assert manifest["tables"][0]["neutralised_cells"] == {"customer_name": 5}
    take(company, tmp_path / "parquet", "planner", "dim_customer", file_format="parquet")
    table = pq.read_table(tmp_path / "parquet" / "dim_customer.parquet")
    assert table["customer_name"].to_pylist() == NAMES
    assert table.schema.names == [*TABLES["dim_customer"].names, "release_id"]


@pytest.mark.capability("2.8", part="pseudonyms are equal in every export, and neither values nor their order leave")
def test_personal_values_and_their_order_stay(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "BATCH_ROWS", 3)
    first = take(company, tmp_path / "one", "finance", "dim_customer")
    take(company, tmp_path / "two", "finance", "dim_customer")
    text = (tmp_path / "one" / "dim_customer.csv").read_text(encoding="utf-8")
    assert text == (tmp_path / "two" / "dim_customer.csv").read_text(encoding="utf-8")
    rows = read(tmp_path / "one" / "dim_customer.csv")
    ids = [row["customer_id"] for row in rows]
    assert len(ids) == len(NAMES) and all(re.fullmatch("p_[0-9a-f]{32}", one) for one in ids) and ids == sorted(ids)
    assert "owner" not in text and not re.search(r"\bC\d\b", text)
    (table,) = first["tables"]
    assert set(table["pseudonymised"]) == {"customer_id", "customer_name"}
    assert set(table["withheld"]) == {"channel", "priority"} and "channel" not in rows[0]
    assert first["pseudonym_key"] and company.home.pseudonym_key.read_bytes().hex() not in json.dumps(first)


def test_what_is_refused_is_in_the_ledger_too(company: Company, tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="not declared in config/roles.yml; it has"):
        take(company, tmp_path / "out", "root")
    with pytest.raises(AccessError, match=r"owner sales .*granted by data-protection-officer"):
        take(company, tmp_path / "out", "buyer", "dim_customer")
    with pytest.raises(AccessError, match="'dim_itm' is not published"):
        take(company, tmp_path / "out", "buyer", "dim_itm")
    assert not (tmp_path / "out").exists()
    refused = [entry.after for entry in company.store.ledger_entries() if entry.action == "export.refused"]
    assert [(after["role"], after["tables"]) for after in refused] == [
        ("root", []), ("buyer", ["dim_customer"]), ("buyer", ["dim_itm"]),
    ]  # fmt: skip


@pytest.mark.capability("2.8", part="half an export never looks whole, and none leaves without the ledger")
@pytest.mark.parametrize("name", [name for name in REGISTRY if name.startswith("export.")])
def test_a_fault_leaves_no_folder(name: str, company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATA_FAILPOINT", f"{name}:enospc")
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(OSError, match="no space"):
        take(company, tmp_path / "out", "planner", "scheme")
    assert {path.name for path in tmp_path.iterdir()} == before
    told = [entry.action for entry in company.store.ledger_entries() if entry.action.startswith("export.")]
    assert told == ([] if name == "export.written" else ["export.made", "export.failed"])
    monkeypatch.delenv("STRATA_FAILPOINT")
    take(company, tmp_path / "out", "planner", "scheme")


def test_nothing_is_written_over(company: Company, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("kept")
    with pytest.raises(ValueError, match="holds something already"):
        take(company, tmp_path / "out", "planner", "scheme")
    assert (tmp_path / "out" / "mine.txt").read_text() == "kept"


def test_a_folder_that_fills_meanwhile_is_left_and_the_ledger_says_so(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(name: str) -> None:
        if name == "export.noted":
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "mine.txt").write_text("kept")

    monkeypatch.setattr(exporting, "failpoint", fill)
    with pytest.raises(FileExistsError):
        take(company, tmp_path / "out", "planner", "scheme")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
    assert [entry.action for entry in company.store.ledger_entries()][-2:] == ["export.made", "export.failed"]


def test_a_damaged_release_and_a_region_that_is_not_there_are_refused(company: Company, tmp_path: Path) -> None:
    roles = company.home.config / "roles.yml"
    roles.write_text(roles.read_text(encoding="utf-8").replace("[EAST]", "[NORTH]"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"roles.planner_east.regions: \['NORTH'\] are not in regions.yml"):
        take(company, tmp_path / "out", "planner_east")
    file = company.home.release(company.release_id) / "dim_item.parquet"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(GovernanceError, match="not the file that was published"):
        take(company, tmp_path / "out", "planner", "dim_item")


def test_an_older_release_shows_what_it_has(company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = json.loads(manifest_file(company.home, company.release_id).read_bytes())
    released["tables"] = [table for table in released["tables"] if table["name"] != "feed_sla"]
    for table in released["tables"]:
        table["columns"] = [column for column in table["columns"] if column["name"] != "item_name"]
    monkeypatch.setattr(exporting, "_published", lambda *_: released)
    manifest = take(company, tmp_path / "out", "planner")
    assert "published without it" in manifest["tables_withheld"]["feed_sla"]
    assert "item_name" not in read(tmp_path / "out" / "dim_item.csv")[0]
    with pytest.raises(AccessError, match="published without it"):
        take(company, tmp_path / "no", "planner", "feed_sla")


def test_the_command(company: Company, tmp_path: Path) -> None:
    run = CliRunner()
    at = ["--home", str(company.home.root), "export", "--role"]
    done = run.invoke(app, [*at, "finance", "--out", str(tmp_path / "out"), "--as", "ann", "--format", "parquet"])
    assert done.exit_code == 0 and "customer_id, customer_name" in done.output and "Not for this role" in done.output
    assert (tmp_path / "out" / "inventory_policy.parquet").is_file()
    refused = run.invoke(app, [*at, "buyer", "--table", "dim_customer", "--out", str(tmp_path / "no"), "--as", "ann"])
    assert type(refused.exception).__name__ == "Refused"
    strange = run.invoke(app, [*at, "buyer", "--release", "../x", "--out", str(tmp_path / "no"), "--as", "ann"])
    assert "was never published" in str(strange.exception)
