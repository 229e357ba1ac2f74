"""The golden company through the whole chain, compared row by row with what semantics.md says, written by hand."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from orchestration import pipeline
from orchestration.landing import land
from orchestration.replay import replay
from strata.governance.publisher import rollback
from strata.governance.store import GovernanceStore
from strata.home import Home
from tests.golden import company

HERE = Path(__file__).parent
EXPECTED = HERE / "expected"
CYCLES = ["2026-04", "2026-05", "2026-06", "2026-07"]
SALES_BEFORE = {
    "2026-04": ["initial"],
    "2026-05": ["2026-04"],
    "2026-06": ["late-correction", "2026-05"],
    "2026-07": ["2026-05-repair", "2026-06"],
}


@dataclass(frozen=True)
class Golden:
    home: Home
    releases: list[str]  # release ids in the order they were made
    override_id: str

    def read(self, sql: str, release: int) -> pd.DataFrame:
        file = self.home.release(self.releases[release - 1]) / "strata.duckdb"
        with duckdb.connect(str(file), read_only=True) as connection:
            return connection.execute(sql).df()

    def manifest(self, release: int) -> dict:
        return json.loads((self.home.release(self.releases[release - 1]) / "manifest.json").read_text(encoding="utf-8"))


def make_home(root: Path) -> Home:
    shutil.copytree(HERE / "config", root / "config")
    company.write_contracts(Home(root / "none").config / "feeds", root / "config" / "feeds")
    home = Home(root)
    pipeline.initialise(home, profile="trial")
    return home


def live(root: Path, drop: Callable[[Home, str], None]) -> Golden:
    """Four months of the company: drop, run, publish; an override in April, a rollback in June."""
    home = make_home(root)
    store = GovernanceStore(home)
    releases: list[str] = []
    override_id = ""
    for cycle in CYCLES:
        drop(home, cycle)
        land(home)
        if cycle == "2026-05":
            override = store.add_override(
                region="EMEA", sku_id="I4", location_id="*", value_class="A", variability_class=None,
                start_cycle="2026-05", end_cycle="2026-06", reason="Spare part of the plant's only press",
                owner="ops.lead", approved_by="planner.two", known_from=datetime(2026, 4, 20, tzinfo=UTC),
            )  # fmt: skip
            override_id = override.override_id
        report = pipeline.run(home, [cycle], publish=True)
        releases.append(report.releases[0].release_id)
        if cycle == "2026-06":
            result = rollback(
                store, home, releases[1], reason="Steering committee: I5 is a data error", actor="steward"
            )
            releases.append(result.release_id)
    return Golden(home, releases, override_id)


def drop_in_time(home: Home, cycle: str) -> None:
    if cycle == CYCLES[0]:
        company.drop_master(home.landing)
    for extract_id in SALES_BEFORE[cycle]:
        company.drop_sales(home.landing, extract_id)


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Golden:
    return live(tmp_path_factory.mktemp("golden"), drop_in_time)


def expected_releases() -> pd.DataFrame:
    return pd.read_csv(EXPECTED / "releases.csv", dtype=str, keep_default_na=False)


@pytest.mark.parametrize("release", range(1, 6))
def test_manifest_says_what_the_release_holds(golden: Golden, release: int) -> None:
    expected = expected_releases().iloc[release - 1]
    manifest = golden.manifest(release)
    ids = {str(number): release_id for number, release_id in enumerate(golden.releases, 1)}
    assert manifest["cycle"] == expected["cycle"]
    assert manifest["regions"] == {"EMEA": expected["EMEA"], "APAC": expected["APAC"]}
    assert manifest["generation"] == release
    assert manifest["parent_release"] == ids.get(expected["parent"])
    assert manifest.get("rollback_of") == ids.get(expected["rollback_of"])
    assert [s["region"] for s in manifest["suspensions"]] == ([expected["suspended"]] if expected["suspended"] else [])
    assert manifest["profile"] == "trial"
    assert manifest["scheme"]["version"] == "golden.1"
    rows = {table["name"]: table["rows"] for table in manifest["tables"]}
    assert rows["segment_assignment"] == int(expected["assignments"])
    assert rows["demand_history"] == int(expected["history"])
    for region in ("EMEA", "APAC"):
        wanted = expected[f"previous_{region}"]
        if wanted:
            source = manifest["previous_sources"][region]
            assert source["kind"] == ("none" if wanted == "none" else "release")
            assert source["id"] == (None if wanted == "none" else ids[wanted])


@pytest.mark.parametrize("release", range(1, 6))
@pytest.mark.capability("3.2", part="every cycle decided on what was known at its cut-off")
def test_demand_history_row_by_row(golden: Golden, release: int) -> None:
    regions = golden.manifest(release)["regions"]
    sheet = pd.read_csv(EXPECTED / "demand_history.csv", dtype={"adjustment_reason": str}, keep_default_na=False)
    wanted = pd.concat(
        sheet[(sheet.region == region) & (sheet.first_cycle <= cycle) & (sheet.last_cycle >= cycle)].assign(cycle=cycle)
        for region, cycle in regions.items()
    ).drop(columns=["first_cycle", "last_cycle"])
    found = golden.read(
        "select region, sku_id, bucket, period_start::varchar as period_start, is_partial::int as is_partial, "
        "demand_units::double as demand_units, revenue::double as revenue, margin::double as margin, order_lines, "
        "is_promotion::int as is_promotion, is_censored::int as is_censored, "
        "coalesce(adjustment_reason, '') as adjustment_reason, cycle from demand_history",
        release,
    )
    keys = ["region", "sku_id", "bucket", "period_start"]
    pd.testing.assert_frame_equal(
        found.sort_values(keys, ignore_index=True),
        wanted[found.columns].sort_values(keys, ignore_index=True),
        check_dtype=False,
    )


@pytest.mark.parametrize("release", range(1, 6))
@pytest.mark.capability("3.2", part="every cycle decided on what was known at its cut-off")
def test_segment_assignment_row_by_row(golden: Golden, release: int) -> None:
    manifest = golden.manifest(release)
    sheet = pd.read_csv(EXPECTED / "segment_assignment.csv", dtype=str, keep_default_na=False)
    wanted = pd.concat(
        sheet[(sheet.region == region) & (sheet.cycle == cycle)] for region, cycle in manifest["regions"].items()
    )
    wanted["override_id"] = wanted.override.replace("1", golden.override_id)
    wanted["decision_reason"] += wanted["override_id"].map(lambda name: name and f";override:{name}")
    wanted["cumulative_share"] = (pd.to_numeric(wanted.share_units) / pd.to_numeric(wanted.share_total)).round(9)
    wanted = wanted.drop(columns=["share_units", "share_total", "override"])
    names = ", ".join(f"coalesce({c}, '') as {c}" for c in wanted.columns if c != "cumulative_share")
    found = golden.read(
        f"select {names}, round(cumulative_share, 9) as cumulative_share, location_id from segment_assignment", release
    )
    assert set(found.pop("location_id")) == {"*"}
    keys = ["region", "sku_id"]
    pd.testing.assert_frame_equal(
        found.sort_values(keys, ignore_index=True),
        wanted[found.columns].sort_values(keys, ignore_index=True),
        check_dtype=False,
    )


RULE = "rule:second_source"
# release: region, cycle, whose (`-`: the person's), item, computed, effective, state, cycles left
REGISTER: dict[int, list[tuple[Any, ...]]] = {
    1: [
        ("APAC", "2026-04", RULE, "*", None, None, "scheduled", 1),
        ("EMEA", "2026-04", RULE, "*", None, None, "scheduled", 1),
    ],
    2: [
        ("APAC", "2026-05", RULE, "I3", "CX", "CY", "in_effect", 0),
        ("EMEA", "2026-05", "-", "I4", "CX", "AX", "in_effect", 1),
        ("EMEA", "2026-05", RULE, "*", None, None, "no_item", 0),
    ],
    3: [  # APAC is suspended: its rows of May, the rule's among them
        ("APAC", "2026-05", RULE, "I3", "CX", "CY", "in_effect", 0),
        ("EMEA", "2026-06", "-", "I4", "CX", "AX", "in_effect", 0),
        ("EMEA", "2026-06", RULE, "*", None, None, "expired", 0),
    ],
    5: [
        ("APAC", "2026-07", RULE, "*", None, None, "expired", 0),
        ("EMEA", "2026-07", "-", "I4", None, None, "expired", 0),
        ("EMEA", "2026-07", RULE, "*", None, None, "expired", 0),
    ],
}


@pytest.mark.parametrize("release", REGISTER)
@pytest.mark.capability("3.5", part="register of overrides and rules, cycle by cycle, until they have expired")
def test_register_of_overrides_row_by_row(golden: Golden, release: int) -> None:
    found = golden.read(
        "select region, cycle, override_id, sku_id, computed_segment, segment, state, cycles_left, is_in_effect, "
        "cost_year, holding_difference_year - margin_difference_year as cost from override "
        "order by region, source, sku_id",
        release,
    ).replace(golden.override_id, "-")
    rows = found[["region", "cycle", "override_id", "sku_id", "computed_segment", "segment", "state", "cycles_left"]]
    assert [tuple(row) for row in rows.astype(object).where(rows.notna(), None).to_numpy()] == REGISTER[release]
    effective = found["state"] == "in_effect"
    assert found["is_in_effect"].tolist() == effective.tolist()
    assert found.loc[effective, "cost_year"].notna().all() and found.loc[~effective, "cost_year"].isna().all()
    assert found["cost_year"].dropna().tolist() == pytest.approx(found["cost"].dropna().tolist())


@pytest.mark.capability("7.6", part="a suspended region's last good rows, flagged, until it passes")
def test_the_bad_feed_freezes_one_region_only(golden: Golden) -> None:
    flags = golden.read(
        "select region, cycle, valid_for_cycle, is_suspended, suspended_since, suspension_reason is not null as told, "
        "count(*) as n from segment_assignment group by all order by region",
        3,
    )
    assert flags.astype(object).where(flags.notna(), None).values.tolist() == [
        ["APAC", "2026-05", "2026-06", True, "2026-06", True, 5],
        ["EMEA", "2026-06", "2026-06", False, None, False, 6],
    ]
    for table in ("demand_forecast", "inventory_policy"):
        assert set(golden.read(f"select distinct region, is_suspended from {table}", 3).itertuples(index=False)) == {
            ("APAC", True),
            ("EMEA", False),
        }
    assert golden.read("select bool_or(is_suspended) as any_left from segment_assignment", 5).any_left.item() is False


@pytest.mark.capability("2.2", part="reconciliation to the cent and unit")
def test_reconciliation_by_hand(golden: Golden) -> None:
    sheet = pd.read_csv(EXPECTED / "reconciliation.csv", dtype={"cycle": str})
    columns = ["line_count", "units", "amount"]
    for row in sheet.to_dict("records"):
        found = golden.read(
            f"select line_count, units::double as units, amount::double as amount from reconciliation "
            f"where cycle = '{row['cycle']}' and region = '{row['region']}' and line = '{row['line']}' "
            f"and reason = '{row['reason']}' and base_unit = '{row['base_unit']}' and bucket = 'month'",
            CYCLES.index(row["cycle"]) + 1,
        )
        assert found[columns].values.tolist() == [[row[column] for column in columns]], row


def content_hashes(golden: Golden) -> list[dict[str, str]]:
    return [
        {table["name"]: table["content_hash"] for table in golden.manifest(number)["tables"]}
        for number in range(1, len(golden.releases) + 1)
    ]


@pytest.mark.soak  # a whole life again: a minute and a half
@pytest.mark.capability("3.6", part="equal content from any order of files and threads")
def test_any_order_of_files_and_one_thread_give_the_same_content(
    golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything dropped at once before the first cycle, some of it twice, one thread: what was known decides."""

    def drop_all_at_once(home: Home, cycle: str) -> None:
        if cycle == CYCLES[0]:
            for extract_id in reversed(list(company.sales_extracts())):
                company.drop_sales(home.landing, extract_id)
            company.drop_sales(home.landing, "2026-04", as_extract="again")
            company.drop_master(home.landing)

    monkeypatch.setenv("STRATA_THREADS", "1")
    other = live(tmp_path / "home", drop_all_at_once)
    for number, (first, second) in enumerate(zip(content_hashes(golden), content_hashes(other), strict=True), 1):
        different = [name for name in first if first[name] != second[name] and name != "gate_result"]
        assert not different, f"release {number}: {different}"


# Half a minute each: the last release, of a restatement, stands for the others outside of soak.
@pytest.mark.parametrize("number", [*(pytest.param(at, marks=pytest.mark.soak) for at in range(4)), 4])
@pytest.mark.capability("3.6", part="a published class reproduced bit for bit")
def test_replay_of_every_release_is_bit_identical(golden: Golden, number: int) -> None:
    assert len(golden.releases) == 5
    assert replay(golden.home, golden.releases[number]).differences == []
