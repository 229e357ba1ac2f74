"""Rules and overrides over a small company: who decides, what stays beside it, what it costs, and when it ends."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from strata.conformed import decide, profile
from strata.conformed.history import View
from strata.conformed.overrides import override_table
from strata.conformed.supply import inventory_policy, lead_time_profile
from strata.durable import write_parquet
from strata.review.overrides import STATES, totals
from strata.scheme.model import Scheme
from strata.tables import OVERRIDE
from tests.strata.conformed.past import demand_history
from tests.strata.lineage.world import World, company, schemas

GIVEN = [
    "override_id", "sku_id", "location_id", "value_class", "variability_class", "start_cycle", "end_cycle", "reason",
    "owner", "approved_by", "standing",
]  # fmt: skip


def rule(name: str, when: dict[str, Any], effect: dict[str, Any], **change: Any) -> dict[str, Any]:
    return {
        "id": name, "kind": "strategic", "when": when, "effect": effect, "priority": 10, "owner": "ann",
        "reason": "because it is so", "approved_by": "bob", "valid_from": "2026-01", "valid_until": "2026-06",
        "rationale": "only for a test of rules in a small company",
    } | change  # fmt: skip


def given(*rows: tuple[Any, ...]) -> pd.DataFrame:
    """Overrides of people: id, item, value class, variability class, and how they stand."""
    made = [
        (i, sku, "*", v, x, "2026-02", "2026-05", "a reason", "ann", "bob", stands) for i, sku, v, x, stands in rows
    ]
    return pd.DataFrame(made, columns=GIVEN, dtype=object)


@dataclass(frozen=True)
class Place:
    """A partition with its demand; classes are decided under any rules."""

    view: View
    files: Mapping[str, Path]
    folder: Path

    def under(
        self, rules: list[dict[str, Any]], overrides: pd.DataFrame, **scheme: Any
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Assignment and register."""
        content = self.view.scheme.model_dump(mode="json") | {"rules": rules} | scheme
        view = replace(self.view, scheme=Scheme.model_validate(content))
        table = decide.segment_assignment(view, self.files["profile"], None, overrides)
        assignment = self.written("assignment", table)
        register = override_table(view, overrides, assignment=assignment, **self.files)
        assert register.schema == OVERRIDE.schema
        return table.to_pandas().set_index("sku_id"), register.to_pandas()

    def written(self, name: str, table: pa.Table) -> Path:
        write_parquet(self.folder / f"{name}.parquet", table)
        return self.folder / f"{name}.parquet"

    def policies(self, segments: Mapping[str, str]) -> pd.DataFrame:
        """Policies if items had other segments, the slow way: the whole table over a changed assignment."""
        rows = decide.segment_assignment(self.view, self.files["profile"], None, given()).to_pandas()
        rows["segment"] = rows["sku_id"].map(segments).fillna(rows["segment"])
        assignment = self.written("other", pa.Table.from_pandas(rows, preserve_index=False))
        return inventory_policy(self.view, assignment=assignment, **self.files).to_pandas()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("place")
    tables = company()
    for name, schema in schemas().items():
        write_parquet(folder / name / f"{name}.parquet", pa.Table.from_pylist(tables[name], schema=schema))
    view = World(folder)._view(folder)
    place = Place(view, {}, folder)
    past, _ = demand_history(view)
    history = place.written("history", past)
    shape = place.written("profile", profile.demand_profile(view, past, None))
    forecast = place.written("forecast", decide.demand_forecast(view, history, shape))
    lanes = place.written("lanes", lead_time_profile(view))
    return replace(place, files={"profile": shape, "forecast": forecast, "lead_times": lanes})


FLOOR = rule("first_family", {"column": "family", "eq": "FAM0"}, {"value_class": {"at_least": "A"}}, priority=20)
CAP = rule("all_goods", {"column": "category", "eq": "GOODS"}, {"value_class": {"at_most": "B"}})


@pytest.mark.capability("3.5", part="a rule over the item master decides; the computed class stays beside it")
def test_a_rule_decides_and_the_computed_class_stays(here: Place) -> None:
    plain, _ = here.under([], given())
    ruled, register = here.under([FLOOR, CAP], given())
    assert ruled["computed_segment"].tolist() == plain["segment"].tolist()
    family = {f"I{number:02d}" for number in range(0, 12, 3)}
    for sku, row in ruled.iterrows():
        was = plain.loc[sku, "value_class"]
        wanted = "A" if sku in family else max(was, "B")
        assert row["value_class"] == wanted, sku
        name = "rule:first_family" if sku in family else "rule:all_goods"
        assert row["override_id"] == (name if wanted != was else None), sku
        assert row["decision_reason"].endswith(f";override:{name}") == (wanted != was)
    state = register.set_index(["override_id", "sku_id"])["state"]
    assert {sku for name, sku in state.index if name == "rule:first_family"} == family
    beaten = register[(register["override_id"] == "rule:all_goods") & register["sku_id"].isin(family)]
    assert set(beaten["state"]) == {"beaten"} and set(beaten["beaten_by"]) == {"rule:first_family"}
    assert set(beaten["decision_reason"]) == {"beaten:by_rule:first_family"} and beaten["cost_year"].isna().all()
    assert set(register.loc[register["is_in_effect"], "sku_id"]) == set(ruled.index[ruled["override_id"].notna()])
    assert set(register["cycles_left"]) == {2}


@pytest.mark.capability("3.5", part="cost of every override: difference of the policies of both segments")
def test_the_cost_is_that_of_both_policies_at_all_places(here: Place) -> None:
    overrides = given(("0a", "I01", "A", None, "in_force"), ("0b", "I02", "C", "Z", "in_force"))
    steady = rule("steady", {"column": "sku_id", "in": ["I01"]}, {"variability_class": {"set": "X"}})
    ruled, register = here.under([steady], overrides)
    assert ruled.loc["I01", "override_id"] == "0a+rule:steady" and ruled.loc["I01", "segment"] == "AX"
    computed = ruled["computed_segment"]
    rows = register.set_index(["override_id", "sku_id"])
    shape = pd.read_parquet(here.files["profile"]).query("location_id == '*'").set_index("sku_id")
    level = pd.read_parquet(here.files["forecast"]).query("horizon == 1").set_index(["sku_id", "location_id"])
    without = {
        ("0a", "I01"): computed["I01"][0] + "X",
        ("rule:steady", "I01"): "A" + computed["I01"][1],
        ("0b", "I02"): computed["I02"],
    }
    for (name, sku), other in without.items():
        row = rows.loc[(name, sku)]
        assert (row["segment_without"], row["state"]) == (other, "in_effect")
        found = []
        for segment in (ruled.loc[sku, "segment"], other):
            mine = here.policies({sku: segment}).query("sku_id == @sku").set_index(["sku_id", "location_id"])
            served = mine["expected_fill_rate"].fillna(0) * level["mean_units"].reindex(mine.index) * 365 / 7
            unit = float(shape.loc[sku, "margin"]) / float(shape.loc[sku, "demand_units"])
            found.append((mine["holding_cost_year"].fillna(0).sum(), served.sum() * unit))
        holding, margin = np.subtract(*found)
        assert row["holding_difference_year"] == pytest.approx(holding)
        assert row["margin_difference_year"] == pytest.approx(margin)
        assert row["cost_year"] == pytest.approx(holding - margin)
    summed = totals(register).set_index("override_id")
    assert summed.loc["0b", "cost_year"] == pytest.approx(rows.loc[("0b", "I02"), "cost_year"])
    assert register["cost_year"].abs().max() > 0


@pytest.mark.capability("3.5", part="what does not decide says why: unknown item, expired, scheduled, revoked, no item")
def test_everything_known_is_in_the_register(here: Place) -> None:
    overrides = given(
        ("01", "I01", "B", None, "in_force"),
        ("02", "I01", "C", None, "in_force"),
        ("03", "I99", "A", None, "in_force"),
        ("04", "I03", "A", None, "expired"),
        ("05", "I04", "A", None, "scheduled"),
        ("06", "I05", "A", None, "revoked"),
    )
    overrides.loc[len(overrides)] = [
        "07",
        "I06",
        "L1",
        "A",
        None,
        "2026-02",
        None,
        "a reason",
        "ann",
        "bob",
        "in_force",
    ]
    rules = [
        rule("over", {"column": "cv", "ge": 0}, {"value_class": {"set": "A"}}, valid_until="2026-03"),
        rule("later", {"column": "cv", "ge": 0}, {"value_class": {"set": "B"}}, valid_from="2026-06"),
        rule("nobody", {"column": "family", "eq": "NONE"}, {"value_class": {"set": "C"}}, priority=30),
        rule("within", {"column": "sku_id", "eq": "I02"}, {"value_class": {"at_least": "C"}}, priority=40),
    ]
    ruled, register = here.under(rules, overrides, effective_from="2026-01")
    rows = register.set_index("override_id")
    assert rows["state"].to_dict() == {
        "01": "beaten", "02": "in_effect", "03": "item_unknown", "04": "expired", "05": "scheduled", "06": "revoked",
        "07": "location_not_classed", "rule:over": "expired", "rule:later": "scheduled", "rule:nobody": "no_item",
        "rule:within": "not_binding",
    }  # fmt: skip
    assert set(rows["state"]) == set(STATES)
    assert rows["beaten_by"].dropna().to_dict() == {"01": "02"}
    assert rows["sku_id"].to_dict()["rule:nobody"] == "*" and rows["sku_id"]["03"] == "I99"
    assert rows["cycles_left"]["02"] == 1 and rows["cycles_left"]["04"] == 0 and pd.isna(rows["cycles_left"]["07"])
    assert rows["decision_reason"]["05"] == "scheduled:starts_in_2026-02"
    assert rows["decision_reason"]["rule:over"] == "expired:ended_with_2026-03"
    assert ruled["override_id"].dropna().to_dict() == {"I01": "02"}


@pytest.mark.capability("3.5", part="never lost on rerun: the same overrides and rules give the same rows")
def test_a_rerun_is_equal_and_nothing_is_priced_without_overrides(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = given(("0a", "I01", "A", None, "in_force"))
    once, register = here.under([FLOOR, CAP], overrides)
    again, same = here.under([CAP, FLOOR], overrides)
    pd.testing.assert_frame_equal(once, again)
    pd.testing.assert_frame_equal(register, same)
    monkeypatch.setattr("strata.conformed.overrides.stocked", None)  # not even read
    assert here.under([], given())[1].empty
    with pytest.raises(TypeError):
        here.under([FLOOR], given())


def test_where_nothing_is_claimed_the_register_still_tells_of_it(here: Place) -> None:
    plain, register = here.under([rule("later", {"column": "cv", "ge": 0}, {"value_class": {"set": "B"}},
                                       valid_from="2026-06")], given(("03", "I99", "A", None, "in_force")))  # fmt: skip
    assert plain["override_id"].isna().all()
    assert register.set_index("override_id")["state"].to_dict() == {"03": "item_unknown", "rule:later": "scheduled"}
    assert register[["cost_year", "segment", "revenue"]].isna().all(axis=None) and not register["is_in_effect"].any()
    assert totals(register)["items"].tolist() == [0, 0]
