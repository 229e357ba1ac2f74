"""`strata scheme check` and `strata scheme diff`: what they answer, and that a preview is what a run really decides."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from orchestration import pipeline
from strata.cli.preview import preview, published_partition
from strata.conformed import decide, history, profile, supply
from strata.conformed.preview import STAGES, Published, decided_again
from strata.durable import read_parquet, write_parquet
from strata.governance.releases import current_manifest, published_table
from strata.governance.store import GovernanceStore
from strata.home import REPOSITORY, Home
from strata.identity import sha256_json
from strata.partition import Partition
from strata.scheme.load import load_scheme
from strata.scheme.model import Scheme
from strata.strict_yaml import load_yaml
from tests.golden.test_golden import HERE
from tests.orchestration import story
from tests.orchestration.story import Story
from tests.strata.cli.conftest import Strata

GOLDEN: dict[str, Any] = load_yaml(next((HERE / "config" / "schemes").glob("*.yml")))
SHIPPED = next((REPOSITORY / "config" / "schemes").glob("*.yml"))
REASON = "Twenty characters and more, so that it says something."
# Everything that a run of 2026-06 can feel: cuts, memory, targets, and a window that changes the profile.
OTHER = {
    "version": "golden.2", "effective_from": "2026-06", "supersedes": "golden.1",
    "value.cuts": {"A": 0.5, "B": 0.9}, "hysteresis.value_band": 0.0, "value.window_cycles": 2,
    "policies.AX.service_target": 0.9, "inventory.holding_rate_year": 0.3,
    "rules": [],  # the one of May has ended before
}  # fmt: skip
FLOOR = {
    "id": "floor", "kind": "contractual", "when": {"column": "sku_id", "eq": "I3"}, "priority": 1, "owner": "ann",
    "effect": {"value_class": {"at_least": "A"}}, "approved_by": "bob", "reason": "Promised to the plant",
    "valid_from": "2026-06", "valid_until": "2026-07", "rationale": REASON,
}  # fmt: skip
EDITS: list[dict[str, Any]] = [
    {"gates.min_items": 2}, {"policies.AX.service_target": 0.9}, {"variability.cuts": {"X": 0.1, "Y": 0.3}},
    {"value.window_cycles": 2},
    {"forecast.methods": dict.fromkeys(("smooth", "erratic", "intermittent", "lumpy", "none"), "mean_rate")},
    {"inventory.lead_time.min_receipts": 2}, {"class_level": "location"},
    {"rules": [FLOOR]},
    {"exclusions": [{"name": "one", "column": "sku_id", "values": ["I1"], "rationale": REASON}]},
]  # fmt: skip


def edited(edits: dict[str, Any]) -> dict[str, Any]:
    content = copy.deepcopy(GOLDEN)
    for path, value in edits.items():
        *parents, last = path.split(".")
        node = content
        for name in parents:
            node = node[name]
        node[last] = value
    return content


def written(folder: Path, edits: dict[str, Any], name: str = "other.yml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(edited(edits)), encoding="utf-8")
    return path


def known(home: Home, region: str) -> Published:
    manifest = current_manifest(home)
    assert manifest is not None
    return published_partition(home, manifest, region, {name: published_table(home, manifest, name) for name in STAGES})


def files(home: Home) -> str:
    """Everything that is in a home."""
    return sha256_json(sorted((str(path), path.stat().st_mtime_ns) for path in home.root.rglob("*")))


def test_check_names_every_fault_and_ends_with_one(lived: Story, tmp_path: Path, strata: Strata) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    bad = tmp_path / "bad.yml"
    bad.write_text(
        text.replace("service_target: 0.98", "service_target: 97.5").replace("window_cycles: 12", "window_cycles: 3"),
        encoding="utf-8",
    )
    said = strata(lived.end, "scheme", "check", str(bad))
    assert said.code == 1 and "0.975 is 97.5 %; write a share between 0 and 1" in said.out.lower()
    faults = strata(lived.end, "scheme", "check", str(bad), "--json").json["faults"]
    assert [one["path"] for one in faults] == [
        "policies.AX.service_target", "variability.min_periods", "fallback.min_periods"
    ]  # fmt: skip


def test_check_says_what_keeps_a_file_from_joining_the_home(lived: Story, tmp_path: Path, strata: Strata) -> None:
    good = strata(lived.end, "scheme", "check", str(written(tmp_path, OTHER)), "--json")
    joining = {"version", "supersedes", "effective_from"}
    assert good.code == 0 and [one["path"] for one in good.json["weak"] if one["path"] in joining] == ["effective_from"]
    stray = strata(lived.end, "scheme", "check", str(written(tmp_path, {"value.window_cycles": 2})), "--json")
    assert stray.code == 0
    found = [one["path"] for one in stray.json["weak"] if one["path"] in joining]
    assert found == ["version", "supersedes", *["effective_from"] * 2]
    own = next((lived.end.config / "schemes").glob("*.yml"))
    weak = strata(lived.end, "scheme", "check", str(own), "--json").json["weak"]
    assert not joining & {one["path"] for one in weak}


@pytest.mark.capability("7.2", part="a scheme against itself, or with another reason only, moves nothing")
def test_equal_schemes_move_nothing(lived: Story, tmp_path: Path, strata: Strata) -> None:
    before = files(lived.end)
    same = strata(lived.end, "scheme", "diff", "current", "golden.1", "--json")
    assert same.code == 0 and same.json["changes"] == [] and same.json["moved"] == []
    other = written(tmp_path, {"version": "golden.2", "value.rationale": REASON})
    said = strata(lived.end, "scheme", "diff", "current", str(other), "--json").json
    assert [one["parameter"] for one in said["changes"]] == ["version", "value.rationale"]
    assert said["moved_items"] == 0 and set(said["totals"]) == {"APAC", "EMEA", "total"}
    for one in said["totals"].values():
        assert all(value == one[f"{name[:-7]}_after"] for name, value in one.items() if name.endswith("_before"))
    assert files(lived.end) == before, "a preview writes nothing into the home"


@pytest.mark.capability("7.2", part="moves, stock and service of a preview are those of really running the cycle")
def test_a_preview_is_what_a_run_under_the_scheme_decides(lived: Story, tmp_path: Path, strata: Strata) -> None:
    file = written(tmp_path, OTHER)
    out = tmp_path / "moved.csv"
    arguments = ("scheme", "diff", "golden.1", str(file), "--region", "EMEA", "--out", str(out))
    said = strata(lived.end, *arguments, "--json").json
    home = story.copy_of(lived.closed, tmp_path / "home")
    written(home.config / "schemes", OTHER, "golden.2.yml")
    story.initialise(home.root, "trial")
    pipeline.run(home, ["2026-06"], regions=["EMEA"])
    candidate = GovernanceStore(home).candidate(Partition("EMEA", "2026-06"))
    assert candidate is not None and candidate.scheme_version == "golden.2"

    def rows(name: str) -> pd.DataFrame:
        return read_parquet(home.root / candidate.tables[name].path).to_pandas()

    current = current_manifest(lived.end)
    assert current is not None and said["release_id"] == current["release_id"]
    whole = {name: published_table(lived.end, current, name).to_pandas() for name in STAGES}
    stood = {name: table[table["region"] == "EMEA"] for name, table in whole.items()}
    was = stood["segment_assignment"].set_index("sku_id")["segment"]
    now = rows("segment_assignment").set_index("sku_id")["segment"]
    moves = {sku: (was[sku], now[sku]) for sku in was.index if was[sku] != now[sku]}
    assert moves and {row["sku_id"]: (row["from_segment"], row["to_segment"]) for row in said["moved"]} == moves
    assert set(pd.read_csv(out)["sku_id"]) == set(moves)
    totals = said["totals"]["total"]
    for name, table, rate in (("before", stood["inventory_policy"], 0.2), ("after", rows("inventory_policy"), 0.3)):
        assert totals[f"holding_cost_year_{name}"] == pytest.approx(table["holding_cost_year"].sum())
        assert totals[f"stock_value_{name}"] == pytest.approx(table["holding_cost_year"].sum() / rate)
        first = stood["demand_forecast"].query("horizon == 1")
        year = first.merge(stood["demand_profile"].query("location_id != '*'"), on=["sku_id", "location_id"])
        year["worth"] = (
            year["mean_units"] * 365 / 7 * year["revenue"].astype(float) / year["demand_units"].astype(float)
        )
        served = table.merge(year[["sku_id", "location_id", "worth"]], on=["sku_id", "location_id"])
        fill = (served["expected_fill_rate"].fillna(0) * served["worth"]).sum() / year["worth"].sum()
        assert totals[f"fill_rate_{name}"] == pytest.approx(fill)


@pytest.mark.parametrize("edits", EDITS, ids=[",".join(one) for one in EDITS])
def test_stages_that_are_kept_are_what_they_would_be(lived: Story, tmp_path: Path, edits: dict[str, Any]) -> None:
    """Whatever a scheme changes, reusing what it does not change gives what the whole chain gives."""
    base, scheme = known(lived.end, "EMEA"), Scheme.model_validate(edited(edits))
    view = replace(base.view, scheme=scheme)
    (tmp_path / "chain").mkdir()
    paths = {name: tmp_path / "chain" / f"{name}.parquet" for name in STAGES}
    history.demand_history(view, paths["demand_history"])
    write_parquet(paths["demand_profile"], profile.demand_profile(view, paths["demand_history"], base.previous))
    write_parquet(
        paths["segment_assignment"],
        decide.segment_assignment(view, paths["demand_profile"], base.previous, base.overrides),
    )
    write_parquet(
        paths["demand_forecast"], decide.demand_forecast(view, paths["demand_history"], paths["demand_profile"])
    )
    write_parquet(paths["lead_time_profile"], supply.lead_time_profile(view))
    policy = supply.inventory_policy(
        view, forecast=paths["demand_forecast"], profile=paths["demand_profile"],
        assignment=paths["segment_assignment"], lead_times=paths["lead_time_profile"],
    ).to_pandas()  # fmt: skip
    side = decided_again(base, scheme, tmp_path, settled=False)
    chain = read_parquet(paths["segment_assignment"]).to_pandas()
    names = ["sku_id", "location_id", "segment", "decision_reason"]
    pd.testing.assert_frame_equal(side.classes[names], chain[names])
    assert side.places["holding_cost_year"].tolist() == pytest.approx(policy["holding_cost_year"].tolist(), nan_ok=True)
    assert side.places["fill_rate"].tolist() == pytest.approx(policy["expected_fill_rate"].tolist(), nan_ok=True)


@pytest.mark.capability("7.2", part="a scheme that asks for confirmations is shown where it ends, too")
def test_moves_that_wait_are_told_and_settle(lived: Story, tmp_path: Path, strata: Strata) -> None:
    """Three runs in a row must propose a move: the next cycle shows none of those that one run would make."""
    band, cuts = {"hysteresis.value_band": 0.0}, {"value.cuts": {"A": 0.5, "B": 0.9}}
    three = {"hysteresis.confirmations": 3}

    def moves(old: dict[str, Any], new: dict[str, Any], *more: str) -> Any:
        pair = str(written(tmp_path, old, "old.yml")), str(written(tmp_path, new, "new.yml"))
        said = strata(lived.end, "scheme", "diff", *pair, "--region", "EMEA", "--json", *more).json
        return {(row["sku_id"], row["to_segment"]) for row in said["moved"]}, said["totals"]["EMEA"]

    at_once, _ = moves(band, band | cuts)
    none, totals = moves(band | three, band | three | cuts)
    assert at_once and none == set() and totals["waiting_items_after"] >= len(at_once)
    said = strata(lived.end, "scheme", "diff", str(tmp_path / "old.yml"), str(tmp_path / "new.yml"))
    assert "--settled" in said.out
    ended, totals = moves(band | three, band | three | cuts, "--settled")
    assert ended and ended == moves(band, band | cuts, "--settled")[0]
    assert totals["waiting_items_before"] == totals["waiting_items_after"] == 0


def test_a_diff_the_other_way_is_its_mirror(lived: Story, tmp_path: Path) -> None:
    a = load_scheme(written(tmp_path, OTHER)).scheme
    b = load_scheme(written(tmp_path, EDITS[-1], "b.yml")).scheme
    there, back = (
        preview(lived.end, *pair, cycle="2026-06", region=None, settled=False) for pair in ((a, b), (b, a))
    )  # fmt: skip
    columns = ["region", "sku_id", "location_id"]
    turned = back.moved.replace({"from_segment": {"new": "gone"}, "to_segment": {"gone": "new"}})
    forth = {tuple(row) for row in there.moved[[*columns, "from_segment", "to_segment"]].to_numpy().tolist()}
    assert forth == {tuple(row) for row in turned[[*columns, "to_segment", "from_segment"]].to_numpy().tolist()}
    assert "gone" in set(there.moved["to_segment"])
    for region, totals in there.totals.items():
        for name, value in totals.items():
            head, _, end = name.rpartition("_")
            other = {"before": f"{head}_after", "after": f"{head}_before"}.get(end, name)
            assert back.totals[region][other] == pytest.approx(value), name


def test_the_terminal_shows_changes_moves_and_money(lived: Story, tmp_path: Path, strata: Strata) -> None:
    file = written(tmp_path, OTHER)
    said = strata(lived.end, "scheme", "diff", "current", str(file), "--rows", "1")
    assert said.code == 0
    for words in (
        "value.cuts.A",
        "From segment to segment",
        "the 1 of most revenue",
        "Stock and service, EUR",
        "total",
    ):
        assert words in said.out
    for suffix, read in (
        (".parquet", pd.read_parquet),
        (".json", lambda path: pd.DataFrame(json.loads(path.read_text()))),
    ):
        out = tmp_path / f"moved{suffix}"
        assert strata(lived.end, "scheme", "diff", "current", str(file), "--out", str(out)).code == 0
        assert read(out)["region"].isin(["EMEA", "APAC"]).all()


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("current", "golden.9"), 1, "there are golden.1, and `current`"),
        (("current", "absent.yml"), 1, "absent.yml"),
        (("current", "current", "--cycle", "2026-03"), 1, "no release in force for cycle 2026-03"),
        (("current", "current", "--region", "MARS"), 1, "holds no region 'MARS'"),
        (("current", "current", "--out", "moved.xlsx"), 2, ".csv, .parquet or .json"),
        (("current",), 2, "Missing argument"),
    ],
)
def test_a_diff_of_what_is_not_there(
    lived: Story, strata: Strata, arguments: tuple[str, ...], code: int, why: str
) -> None:
    said = strata(lived.end, "scheme", "diff", *arguments)
    assert said.code == code and why in said.err


def test_a_home_without_a_release_shows_the_parameters(tmp_path: Path, strata: Strata) -> None:
    assert strata(tmp_path / "new", "init").code == 0
    said = strata(tmp_path / "new", "scheme", "diff", "current", str(written(tmp_path, {})), "--json")
    assert said.code == 0 and said.json["release_id"] is None and said.json["changes"]
    assert "Nothing was published yet" in strata(tmp_path / "new", "scheme", "diff", "current", str(SHIPPED)).out
