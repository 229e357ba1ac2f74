"""What a release holds: new, carried and suspended regions, nothing for nothing, and the way back."""

import duckdb
import pyarrow.parquet as pq
import pytest

from strata.durable import read_parquet
from strata.governance.plan import plan_release
from strata.governance.publisher import publish, rollback
from strata.governance.records import GovernanceError
from strata.governance.releases import current_release, lineage, published_table, read_manifest, region_rows
from strata.governance.verify import verify_release
from strata.tables import GATE_RESULT, PARTITION_TABLES, TABLES, release_schema
from tests.strata.governance import factory
from tests.strata.governance.conftest import Company

SUSPEND = {"policy.bounds": "suspend"}


def manifest(company: Company) -> dict:
    return dict(read_manifest(company.home, current_release(company.home) or ""))


def column(company: Company, table: str, name: str, region: str) -> set[object]:
    rows = published_table(company.home, manifest(company), table)
    return set(region_rows(rows, region)[name].to_pylist())


def test_a_release_is_complete_and_says_where_it_comes_from(running: Company) -> None:
    found = manifest(running)
    release_id = found["release_id"]
    assert verify_release(running.home, running.store, release_id) == []
    assert release_id.startswith("2017-10-g0001-")
    assert found["regions"] == {"EAST": "2017-10", "WEST": "2017-10"}
    assert found["cutoffs"]["EAST"] == "2017-10-03T06:00:00.000000Z"
    assert (found["profile"], found["generation"], found["parent_release"], found["rollback_of"]) == (
        "trial",
        1,
        None,
        None,
    )
    assert found["scheme"] == {"version": factory.SCHEME.scheme.version, "sha256": factory.SCHEME.sha256}
    assert found["snapshot_ids"] == {"EAST": factory.SNAPSHOT, "WEST": factory.SNAPSHOT}
    assert found["previous_sources"]["EAST"] == {"kind": "none", "id": None, "content_hash": None}
    assert [source["feed"] for source in found["sources"]] == ["erp/items"]
    assert {gate["gate"] for gate in found["gates"]} == factory.REQUIRED
    assert [approval["approved_by"] for approval in found["approvals"]] == ["genesis"]
    assert (found["code_version"], found["suspensions"], found["currency"]) == ("code-1", [], "USD")
    assert [table["name"] for table in found["tables"]] == list(TABLES)
    entries = {entry.seq: entry.hash for entry in running.store.ledger_entries()}
    assert entries[found["ledger_head"]["seq"]] == found["ledger_head"]["hash"]


def test_the_database_holds_the_same_tables_with_their_meaning(running: Company) -> None:
    folder = running.home.release(manifest(running)["release_id"])
    with duckdb.connect(folder / "strata.duckdb", read_only=True) as connection:
        tables = dict(connection.execute("SELECT table_name, comment FROM duckdb_tables()").fetchall())
        assert tables == {table.name: table.meaning for table in TABLES.values()}
        for name in TABLES:
            count = connection.execute(f"SELECT count(*) FROM {name}").fetchone()
            assert count == (pq.read_metadata(folder / f"{name}.parquet").num_rows,)
            assert read_parquet(folder / f"{name}.parquet").schema.equals(release_schema(TABLES[name]))
    assert not (folder / "strata.duckdb.wal").exists()
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}
    assert folder.stat().st_mode & 0o777 == 0o555


def test_the_scheme_table_says_every_number_and_who_approved_it(running: Company) -> None:
    rows = published_table(running.home, manifest(running), "scheme").to_pylist()
    cut = next(row for row in rows if row["parameter"] == "value.cuts.A")
    assert (cut["value"], cut["approved_by"], cut["region"], cut["valid_for_cycle"]) == (
        "0.8",
        "genesis",
        "*",
        "2017-10",
    )
    assert len(cut["rationale"]) >= 20


@pytest.mark.capability("3.6", part="one release rolled back, by content hash")
def test_publishing_the_same_again_is_a_noop_even_from_another_run(running: Company) -> None:
    before = running.store.ledger_entries()
    result = running.publish("2017-10", run_id="again")
    assert (result.outcome, result.release_id) == ("noop", current_release(running.home))
    assert running.store.ledger_entries() == before
    running.point("EAST", "2017-10", version=1, run_id="zombie")
    assert running.publish("2017-10", run_id="zombie").outcome == "noop"
    assert len(running.store.releases()) == 1


def test_other_marts_are_other_content(running: Company) -> None:
    plan = plan_release(running.store, running.home, "2017-10", None)
    assert plan.is_unchanged
    marts = factory.make_marts(running.home, "2017-10", version=2)
    result = publish(
        running.store, running.home, plan, marts, run_id="m", actor="t", reason="t", required_gates=factory.REQUIRED
    )
    assert result.outcome == "published"
    del marts["dim_item"]
    again = plan_release(running.store, running.home, "2017-11", None)
    with pytest.raises(ValueError, match="dim_item"):
        running.point("EAST", "2017-11", version=2)
        again = plan_release(running.store, running.home, "2017-11", None)
        publish(
            running.store,
            running.home,
            again,
            marts,
            run_id="m",
            actor="t",
            reason="t",
            required_gates=factory.REQUIRED,
        )


@pytest.mark.capability("7.6", part="a suspended region's last good rows, flagged, until it passes")
def test_a_suspended_region_keeps_its_last_good_rows_flagged_until_it_passes(running: Company) -> None:
    running.point("EAST", "2017-11", version=2)
    running.point("WEST", "2017-11", version=2, verdicts=SUSPEND)
    result = running.publish("2017-11")
    assert (result.outcome, result.suspended) == ("published", ("WEST",))
    for table in ("segment_assignment", "demand_forecast", "inventory_policy"):
        assert column(running, table, "is_suspended", "WEST") == {True}
        assert column(running, table, "suspended_since", "WEST") == {"2017-11"}
        assert column(running, table, "suspension_reason", "WEST") == {"policy.bounds (region=WEST): 0.7, bound 0.5"}
        assert column(running, table, "is_suspended", "EAST") == {False}
    for table in PARTITION_TABLES:
        assert column(running, table, "cycle", "WEST") == {"2017-10"}
        served = "2017-10" if table == GATE_RESULT.name else "2017-11"
        assert column(running, table, "valid_for_cycle", "WEST") == {served}
    held = manifest(running)["suspensions"]
    assert [(s["region"], s["since_cycle"], s["rows"], s["last_good_cycle"]) for s in held] == [
        ("WEST", "2017-11", "carried", "2017-10")
    ]
    first = running.store.releases()[0]
    kept = read_manifest(running.home, first.release_id)["partitions"]["WEST"]["tables"]
    assert held[0]["previous_content"] == {name: table["content_hash"] for name, table in kept.items()}
    assert held[0]["previous_release"] == first.release_id

    running.point("EAST", "2017-12", version=3)
    running.publish("2017-12")
    assert column(running, "inventory_policy", "suspended_since", "WEST") == {"2017-11"}, "missing, but still suspended"

    running.point("WEST", "2017-12", version=3)
    assert running.publish("2017-12").outcome == "published"
    assert column(running, "segment_assignment", "is_suspended", "WEST") == {False}
    assert running.store.open_suspensions() == []
    closed = [entry for entry in running.store.ledger_entries() if entry.action == "suspension.closed"]
    assert [entry.after["resumed_cycle"] for entry in closed] == ["2017-12"]
    assert manifest(running)["suspensions"] == []


@pytest.mark.capability("7.6", part="a suspended region's last good rows, flagged, until it passes")
def test_if_everything_fails_the_release_stays(running: Company) -> None:
    current = current_release(running.home)
    for region in factory.REGIONS:
        running.point(region, "2017-11", version=2, verdicts=SUSPEND)
    result = running.publish("2017-11")
    assert result.outcome == "refused"
    assert current_release(running.home) == current
    assert [suspension.region for suspension in running.store.open_suspensions()] == ["EAST", "WEST"]
    assert len(running.store.alerts("pending")) == 3


@pytest.mark.capability("7.6", part="a suspended region's last good rows, flagged, until it passes")
def test_a_suspended_region_without_good_rows_is_absent_and_listed(company: Company) -> None:
    company.point("EAST", "2017-10")
    company.point("WEST", "2017-10", verdicts=SUSPEND)
    assert company.publish("2017-10").outcome == "published"
    found = manifest(company)
    assert found["regions"] == {"EAST": "2017-10"}
    assert found["absent"] == {"WEST": "suspended"}
    assert [(s["region"], s["rows"]) for s in found["suspensions"]] == [("WEST", "absent")]
    assert company.publish("2017-10").outcome == "noop"


def test_a_rerun_that_fails_in_the_same_cycle_keeps_the_rows_that_passed(running: Company) -> None:
    running.point("WEST", "2017-10", version=2, verdicts=SUSPEND)
    assert running.publish("2017-10").outcome == "published"
    assert column(running, "inventory_policy", "is_suspended", "WEST") == {True}
    assert column(running, "inventory_policy", "suspended_since", "WEST") == {"2017-10"}
    running.point("WEST", "2017-10", version=1)
    assert running.publish("2017-10").outcome == "published"
    assert column(running, "inventory_policy", "is_suspended", "WEST") == {False}


def test_a_suspension_found_while_the_release_stayed_ends_when_the_same_content_passes(company: Company) -> None:
    company.point("EAST", "2017-10")
    assert company.publish("2017-10").outcome == "published"
    company.point("EAST", "2017-10", version=2, verdicts=SUSPEND)
    assert company.publish("2017-10").outcome == "refused"
    assert len(company.store.open_suspensions()) == 1
    company.point("EAST", "2017-10")
    assert company.publish("2017-10").outcome == "noop"
    assert company.store.open_suspensions() == []


def test_one_region_alone_and_the_other_later(running: Company) -> None:
    running.point("EAST", "2017-11", version=2)
    running.point("WEST", "2017-11", version=2)
    assert running.publish("2017-11", ["EAST"]).outcome == "published"
    assert manifest(running)["regions"] == {"EAST": "2017-11", "WEST": "2017-10"}
    assert column(running, "segment_assignment", "is_suspended", "WEST") == {False}
    assert running.publish("2017-11", ["WEST"]).outcome == "published"
    assert manifest(running)["regions"] == {"EAST": "2017-11", "WEST": "2017-11"}
    assert manifest(running)["scopes"] == ["WEST"]


def test_a_plan_is_refused_where_it_makes_no_sense(running: Company) -> None:
    with pytest.raises(GovernanceError, match="cycle 2017-09 is closed"):
        plan_release(running.store, running.home, "2017-09", None)
    with pytest.raises(GovernanceError, match="not in regions.yml"):
        plan_release(running.store, running.home, "2017-11", ["NORTH"])
    result = running.publish("2017-11")
    assert result.outcome == "refused"
    assert "has no candidate for cycle 2017-11" in result.reasons[0]


@pytest.mark.capability("3.6", part="one release rolled back, by content hash")
def test_a_rollback_is_a_new_release_with_the_older_content(running: Company) -> None:
    first = manifest(running)
    running.everything("2017-11", version=2)
    second = manifest(running)
    result = rollback(running.store, running.home, first["release_id"], reason="wrong prices", actor="steward")
    assert result.outcome == "published"
    third = manifest(running)
    hashes = [{table["name"]: table["content_hash"] for table in found["tables"]} for found in (first, second, third)]
    assert hashes[2] == hashes[0] != hashes[1]
    assert (third["rollback_of"], third["parent_release"]) == (first["release_id"], second["release_id"])
    assert (third["generation"], third["cycle"], third["regions"]) == (3, "2017-10", first["regions"])
    assert verify_release(running.home, running.store, third["release_id"]) == []
    assert verify_release(running.home, running.store, second["release_id"]) == [], "what was rolled back is kept"
    entry = running.store.ledger_entries()[-1]
    assert (entry.action, entry.body["reason"], entry.body["actor_id"]) == (
        "publish.published",
        "wrong prices",
        "steward",
    )
    assert [found["release_id"] for found in lineage(running.home)] == [third["release_id"], first["release_id"]]


@pytest.mark.capability("3.6", part="one release rolled back, by content hash")
def test_what_was_rolled_back_comes_back_only_by_a_person(running: Company) -> None:
    first = current_release(running.home) or ""
    running.everything("2017-11", version=2)
    second = current_release(running.home) or ""
    rollback(running.store, running.home, first, reason="wrong prices", actor="steward")
    result = running.publish("2017-11", run_id="retry")
    assert result.outcome == "refused"
    assert all("was rolled back with this very content" in reason for reason in result.reasons)
    running.point("EAST", "2017-11", version=2, run_id="zombie")
    assert running.publish("2017-11", run_id="zombie").outcome == "refused"
    assert (
        rollback(running.store, running.home, second, reason="prices were right", actor="steward").outcome
        == "published"
    )
    assert manifest(running)["regions"] == {"EAST": "2017-11", "WEST": "2017-11"}
    running.point("EAST", "2017-12", version=3)
    assert running.publish("2017-12").outcome == "published"


@pytest.mark.capability("3.6", part="one release rolled back, by content hash")
def test_a_rollback_that_cannot_be(running: Company) -> None:
    first = current_release(running.home) or ""
    with pytest.raises(GovernanceError, match="needs a reason"):
        rollback(running.store, running.home, first, reason=" ", actor="steward")
    with pytest.raises(GovernanceError, match="was never published"):
        rollback(running.store, running.home, "../../etc", reason="x", actor="steward")
    assert rollback(running.store, running.home, first, reason="x", actor="steward").outcome == "noop"
    running.everything("2017-11", version=2)
    path = running.home.release(first) / "dim_item.parquet"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"x")
    result = rollback(running.store, running.home, first, reason="x", actor="steward")
    assert (result.outcome, result.reasons) == (
        "refused",
        ("file dim_item.parquet has other bytes than the manifest says",),
    )


@pytest.mark.capability("3.6", part="one release rolled back, by content hash")
def test_a_damaged_current_release_can_be_left_by_a_rollback(running: Company) -> None:
    first = current_release(running.home) or ""
    running.everything("2017-11", version=2)
    broken = running.home.release(current_release(running.home) or "") / "manifest.json"
    broken.chmod(0o644)
    broken.write_bytes(b"{}")
    assert rollback(running.store, running.home, first, reason="bit rot", actor="steward").outcome == "published"
    assert verify_release(running.home, running.store, current_release(running.home) or "") == []
    running.point("EAST", "2017-12", version=3)
    assert running.publish("2017-12").outcome == "published"


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        ("inventory_policy.parquet", "inventory_policy.parquet has other bytes"),
        ("strata.duckdb", "strata.duckdb has other bytes"),
        ("manifest.json", "manifest.json is not the one that the ledger names"),
    ],
)
def test_verification_finds_bit_rot(running: Company, spoil: str, fault: str) -> None:
    release_id = current_release(running.home) or ""
    path = running.home.release(release_id) / spoil
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert any(
        fault in found or "damaged" in found for found in verify_release(running.home, running.store, release_id)
    )


def test_verification_finds_a_missing_and_a_foreign_file(running: Company) -> None:
    release_id = current_release(running.home) or ""
    folder = running.home.release(release_id)
    folder.chmod(0o755)
    (folder / "dim_item.parquet").unlink()
    (folder / "notes.txt").write_text("x")
    assert verify_release(running.home, running.store, release_id) == [
        "file dim_item.parquet is missing", "file notes.txt does not belong to the release",
    ]  # fmt: skip
    assert "is not in the ledger" in verify_release(running.home, running.store, "2017-10-g0009-00000000")[0]
