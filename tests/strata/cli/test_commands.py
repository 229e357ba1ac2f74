"""Every command: what it answers in JSON, and its exit code (0 done, 1 failed, 2 wrong use, 3 refused)."""

import sqlite3
from pathlib import Path

import pytest

from strata.governance.releases import current_release
from strata.governance.store import GovernanceStore
from strata.home import REPOSITORY, Home
from tests.golden import company
from tests.orchestration import story
from tests.orchestration.story import Story
from tests.strata.cli.conftest import Strata

SCHEMES = REPOSITORY / "config" / "schemes"


def test_init_makes_a_home_once_and_keeps_its_profile(tmp_path: Path, strata: Strata) -> None:
    said = strata(tmp_path / "new", "init", "--json")
    assert (said.code, said.json) == (0, {"home": str(tmp_path / "new"), "profile": "trial"})
    assert (tmp_path / "new" / "config" / "calendar.yml").is_file()
    before = GovernanceStore(Home(tmp_path / "new")).ledger_head()
    assert strata(tmp_path / "new", "init").code == 0
    assert GovernanceStore(Home(tmp_path / "new")).ledger_head() == before
    refused = strata(tmp_path / "new", "init", "--profile", "company")
    assert refused.code == 1 and "is a trial home" in refused.err
    assert strata(tmp_path / "new", "init", "--profile", "toy").code == 2


def test_a_company_home_approves_no_scheme(tmp_path: Path, strata: Strata) -> None:
    assert strata(tmp_path, "init", "--profile", "company").code == 0
    assert [row["approved_by"] for row in strata(tmp_path, "scheme", "list", "--json").json] == [None]


def test_sample_build_and_land(tmp_path: Path, strata: Strata) -> None:
    arguments = (
        "sample",
        "build",
        "--demand",
        "generator",
        "--items",
        "5",
        "--first-cycle",
        "2017-07",
        "--cycles",
        "1",
    )
    said = strata(tmp_path, *arguments, "--json")
    assert said.code == 0 and said.json["items"] == 5
    assert {feed["feed"] for feed in said.json["feeds"]} >= {"erp/items", "erp/sales_order_lines", "wms/sites"}
    landed = strata(tmp_path, "land", "--json")
    assert landed.code == 0
    assert {row["outcome"] for row in landed.json} == {"accepted"}
    assert {row["outcome"] for row in strata(tmp_path, "land", "--json").json} == {"duplicate"}


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("sample", "build", "--demand", "generator", "--items", "none"), 2, "--items is a number"),
        (("sample", "build"), 2, "demand"),
        (("sample", "build", "--demand", "absent.csv"), 1, "absent.csv"),
        (("land", "absent-folder"), 1, "is not a folder"),
        (("run", "--as-known", "later"), 2, "cutoff or now"),
        (("run", "--cycle", "2026-13"), 2, "YYYY-MM"),
        (("run", "--cycle", "2026-06..2026-05"), 2, "before the first"),
        (("run", "--cycle", "2026-03"), 2, "first cycle of this home is 2026-04"),
        (("run", "--cycle", "2026-06", "--region", "MARS"), 2, "APAC, EMEA"),
        (("run", "--cycle", "2026-05", "--as-known", "now", "--publish"), 3, "approved proposal"),
        (("releases", "show", "nope"), 1, "was never published"),
        (("releases", "show", "../../etc"), 1, "was never published"),
        (("releases", "verify", "nope"), 1, ""),
        (("releases", "rollback", "nope", "--reason", "because"), 1, "was never published"),
        (("releases", "rollback", "nope"), 2, "--reason"),
        (("replay", "../x"), 1, "was never published"),
        (("replay",), 2, "Missing argument"),
        (("explain", "NOBODY"), 1, "has no class"),
        (("explain", "I5", "--cycle", "2030-01"), 1, "no release in force"),
        (("scheme", "check", "absent.yml"), 1, "absent.yml"),
        (("override", "add", "I1", "--region", "EMEA"), 2, "--start"),
        (("override", "revoke", "nope", "--reason", "because"), 1, "is not known"),
        (("suspension", "resume", "nope", "--cycle", "2026-07", "--reason", "because"), 1, "is not known"),
        (("ledger", "show", "--last", "0"), 2, "greater than or equal to 1"),
        (("frobnicate",), 2, "No such command"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else None,
)  # fmt: skip
def test_what_goes_wrong_says_so_and_changes_nothing(
    lived: Story, strata: Strata, arguments: tuple[str, ...], code: int, why: str
) -> None:
    known = GovernanceStore(lived.end).ledger_head()
    said = strata(lived.end, *arguments)
    assert said.code == code, said
    plain = " ".join((said.err + said.out).replace("│", " ").split())
    assert why in plain
    assert "Traceback" not in plain
    assert GovernanceStore(lived.end).ledger_head() == known


@pytest.mark.parametrize("arguments", [("releases", "list"), ("run",), ("ledger", "verify"), ("override", "list")])
def test_a_home_that_was_never_made(tmp_path: Path, strata: Strata, arguments: tuple[str, ...]) -> None:
    said = strata(tmp_path / "absent", *arguments, *(("--cycle", "2017-10") if arguments == ("run",) else ()))
    assert said.code == 1 and "run `strata init` first" in said.err
    assert not (tmp_path / "absent").exists()


def test_an_extract_that_is_refused_ends_with_1(home: Home, strata: Strata) -> None:
    company.drop_sales(home.landing, "2026-06", as_extract="broken")
    file = home.landing / "erp" / "sales_order_lines" / "broken" / "part-0.csv"
    file.write_bytes(file.read_bytes()[:-40])
    said = strata(home, "land", "--json")
    assert said.code == 1
    refused = [row for row in said.json if row["outcome"] == "refused"]
    assert [row["extract"] for row in refused] == ["erp/sales_order_lines/broken"]
    assert refused[0]["why"] and refused[0]["advice"]


def test_run_answers_in_json(lived: Story, home: Home, strata: Strata) -> None:
    """The run of a cycle that a later release has closed: computed, found equal, nothing published."""
    said = strata(home, "run", "--cycle", "2026-05", "--region", "EMEA", "--publish", "--json")
    assert said.code == 0
    answer = said.json
    assert answer["snapshot_id"] == lived.decided.snapshot_id
    assert [(d["partition"], d["verdict"]) for d in answer["decided"]] == [("2026-05|EMEA", "warn")]  # a free sample
    assert [(r["cycle"], r["outcome"]) for r in answer["releases"]] == [("2026-05", "noop")]
    assert {"accepted", "history"} <= {row["line"] for row in answer["reconciliation"]}
    assert set(answer["seconds"]) >= {"conform", "decide", "publish"}


def test_releases_list_and_show(lived: Story, strata: Strata) -> None:
    rows = strata(lived.end, "releases", "list", "--json").json
    assert [row["cycle"] for row in rows] == ["2026-04", "2026-05", "2026-06"]
    assert [row["current"] for row in rows] == [False, False, True]
    manifest = strata(lived.end, "releases", "show", rows[-1]["release"], "--json").json
    assert manifest["regions"] == {"APAC": "2026-05", "EMEA": "2026-06"}
    plain = strata(lived.end, "releases", "show", rows[-1]["release"])
    assert plain.code == 0 and "APAC" in plain.out and manifest["tables"][0]["content_hash"][:16] in plain.out
    assert strata(lived.end, "releases", "list").out.count("2026-0") >= 3


def test_verify_finds_a_changed_file(home: Home, strata: Strata) -> None:
    release = current_release(home) or ""
    assert strata(home, "releases", "verify", release, "--json").json == {"release_id": release, "faults": []}
    file = home.release(release) / "segment_assignment.parquet"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    said = strata(home, "releases", "verify", release, "--json")
    assert said.code == 1
    assert any("segment_assignment" in fault for fault in said.json["faults"])
    assert "segment_assignment" in strata(home, "releases", "verify", release).out


@pytest.mark.capability("3.6", part="one command goes back to an older release")
def test_rollback_is_one_command(lived: Story, home: Home, strata: Strata) -> None:
    target = lived.release("2026-05")
    said = strata(home, "releases", "rollback", target, "--reason", "I5 is a data error", "--as", "steward", "--json")
    assert said.code == 0 and said.json["outcome"] == "published"
    assert current_release(home) == said.json["release_id"]
    assert story.published_hashes(home) == story.published_hashes(lived.end, target)
    entry = strata(home, "ledger", "show", "--last", "1", "--json").json[0]
    assert entry["action"] == "publish.published"
    assert strata(home, "releases", "verify", said.json["release_id"]).code == 0
    again = strata(home, "releases", "rollback", target, "--reason", "again", "--json")
    assert again.json == {"outcome": "noop", "release_id": said.json["release_id"]}


@pytest.mark.capability("7.3", part="strata ledger verify finds a tampered entry")
def test_ledger_verify_finds_a_tampered_entry(home: Home, strata: Strata) -> None:
    assert strata(home, "ledger", "verify", "--json").json == {"faults": []}
    with sqlite3.connect(home.root / "governance.db") as connection:
        for (name,) in connection.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            connection.execute(f"drop trigger {name}")
        connection.execute("update ledger_entry set body = replace(body, 'genesis', 'somebody') where seq = 2")
    connection.close()
    said = strata(home, "ledger", "verify", "--json")
    assert said.code == 1 and any("ledger entry 2" in fault for fault in said.json["faults"])
    assert "ledger entry 2" in strata(home, "ledger", "verify").out


def test_schemes_are_listed_and_checked(lived: Story, tmp_path: Path, strata: Strata) -> None:
    rows = strata(lived.end, "scheme", "list", "--json").json
    assert [(row["version"], row["approved_by"]) for row in rows] == [("golden.1", "genesis")]
    file = next(SCHEMES.glob("*.yml"))
    good = strata(lived.end, "scheme", "check", str(file), "--json")
    assert good.code == 0 and good.json["parameters"] > 100
    bad = tmp_path / "bad.yml"
    bad.write_text(
        file.read_text(encoding="utf-8").replace("service_target: 0.98", "service_target: 98"), encoding="utf-8"
    )
    said = strata(lived.end, "scheme", "check", str(bad))
    assert said.code == 1 and "policies.AX" in said.out and "0.98 is 98 %" in said.out and str(bad) in said.out


@pytest.mark.capability("3.5", part="cost of every override by the last release, rules included")
def test_overrides_are_added_listed_and_revoked(home: Home, strata: Strata) -> None:
    arguments = ["I4", "--region", "EMEA", "--start", "2026-07", "--end", "2026-08", "--value-class", "A"]
    people = ["--reason", "Only spare part of the press", "--owner", "ops.lead", "--approved-by", "planner.two"]
    made = strata(home, "override", "add", *arguments, *people, "--json")
    assert made.code == 0
    rows = strata(home, "override", "list", "--json").json
    assert [(row["override_id"], row["sku_id"], row["revoked_at"], row["states"]) for row in rows] == [
        (made.json["override_id"], "I4", None, None),  # no release knows it yet
        ("rule:second_source", "*", None, "in_effect"),
        ("rule:second_source", "*", None, "expired"),
    ]
    rule = rows[1]
    assert (rule["region"], rule["kind"], rule["variability_class"], rule["end_cycle"], rule["cycles_left"]) == (
        "APAC", "critical", "at_most Y", "2026-05", 0,
    )  # fmt: skip
    assert (rule["items"], rule["items_in_effect"], rule["items_unpriced"]) == (1, 1, 0)
    cost = rule["holding_difference_year"] - rule["margin_difference_year"]
    assert rule["cost_year"] == pytest.approx(cost) and rule["revenue"] > 0
    assert "1 items decided by overrides" in strata(home, "override", "list").out
    revoke = ("override", "revoke", made.json["override_id"], "--reason", "The press was sold")
    assert strata(home, *revoke).code == 0
    assert strata(home, "override", "list", "--json").json[0]["revoked_at"] is not None
    assert "I4" in strata(home, "override", "list").out
    bad = strata(home, "override", "add", "I4", "--region", "EMEA", "--start", "2026-07", "--value-class", "Q", *people)
    assert bad.code == 1 and "value_class is one of" in bad.err


def test_suspensions_are_listed_and_ended(home: Home, strata: Strata) -> None:
    rows = strata(home, "suspension", "list", "--json").json
    assert [(row["region"], row["since"]) for row in rows] == [("APAC", "2026-06")]
    resume = (
        "suspension",
        "resume",
        rows[0]["suspension_id"],
        "--cycle",
        "2026-07",
        "--reason",
        "The feed was repaired",
    )
    assert strata(home, *resume).code == 0
    assert strata(home, "suspension", "list", "--json").json == []
    assert strata(home, "suspension", "list").code == 0


def test_replay_of_an_old_release_is_bit_identical(lived: Story, strata: Strata) -> None:
    """Known more since, decided again in other runs since: the release comes out as it was published."""
    before = {path.name for path in lived.end.root.iterdir()}
    head = lived.store.ledger_head()
    said = strata(lived.end, "replay", lived.release("2026-04"), "--json")
    assert said.code == 0, said
    assert said.json["differences"] == [] and said.json["compared"] > 20
    assert said.json["published_by"] == said.json["replayed_by"] != ""
    assert {path.name for path in lived.end.root.iterdir()} == before
    assert not [path for path in lived.end.staging.iterdir() if path.name.startswith("replay-")]
    assert lived.store.ledger_head() == head


@pytest.mark.capability("3.6", part="replay names what does not come out as published")
def test_replay_finds_what_was_changed_since(lived: Story, home: Home, strata: Strata) -> None:
    """A scheme edited after the release: the file has another hash, and other classes come out."""
    scheme = next((home.config / "schemes").glob("*.yml"))
    text = scheme.read_text(encoding="utf-8")
    scheme.write_text(text.replace("cuts: {A: 0.80, B: 0.95}", "cuts: {A: 0.50, B: 0.95}"), encoding="utf-8")
    said = strata(home, "replay", lived.release("2026-04"), "--json")
    assert said.code == 1
    differences = " ".join(said.json["differences"])
    assert "scheme golden.1: the file has changed" in differences
    assert "APAC segment_assignment" in differences and "APAC demand_history" not in differences


def test_help_names_every_command(tmp_path: Path, strata: Strata) -> None:
    said = strata(tmp_path, "--help")
    assert said.code == 0
    commands = (
        "init",
        "demo",
        "sample",
        "land",
        "run",
        "releases",
        "replay",
        "explain",
        "scheme",
        "override",
        "ledger",
    )
    assert all(f" {command} " in said.out for command in (*commands, "suspension", "dev"))


@pytest.mark.capability("2.7", part="shown with the wall clock beside what was recorded")
def test_latency_shows_feeds_segments_and_the_wall_clock(lived: Story, strata: Strata) -> None:
    said = strata(lived.end, "latency", "--region", "EMEA", "--json").json
    assert {row["region"] for row in [*said["feeds"], *said["segments"], *said["wall_clock"]]} == {"EMEA"}
    sales = next(row for row in said["feeds"] if row["feed"] == "sales_order_lines")
    assert sales["measured_rows"] > 0 and sales["event_to_class_p50_hours"] > 0
    # Whether they landed before or after their cut-off is a matter of the day this test runs on.
    clock = next(row for row in said["wall_clock"] if row["feed"] == "sales_order_lines")
    assert clock["unstamped"] == 0 and clock["live"] + clock["back_cast"] > 0
    spoken = strata(lived.end, "latency")
    assert spoken.code == 0
    assert "From event to class" in spoken.out and "decide_every_days" in spoken.out
    assert strata(lived.end, "latency", "--region", "MARS").code == 1
    assert "no release of 1999-01" in strata(lived.end, "latency", "--cycle", "1999-01").err
