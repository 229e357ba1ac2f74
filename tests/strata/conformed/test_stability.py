"""The stability lab on a partition: what is drawn is what classes rest on, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from strata.conformed import decide, profile, stability
from strata.conformed.history import View
from strata.durable import write_parquet
from strata.scheme.model import Scheme
from strata.tables import TABLES
from tests.strata.conformed.past import demand_history
from tests.strata.conformed.place import COLUMNS, Place
from tests.strata.conformed.test_steady import write
from tests.strata.conformed.test_supply import SUPPLIER_ITEMS

CYCLE = "2026-05"
NONE = pd.DataFrame(columns=["override_id", "sku_id", "location_id", "value_class", "variability_class"])
BASES: dict[str, dict[str, Any]] = {
    "levels": {},
    "window": {"level": None, "variability": {"basis": "cv"}},
    "season": {"level": None, "variability": {"basis": "cv_deseasonalised"}, "value": {"window_cycles": 24}},
    "level_and_window": {"variability": {"basis": "cv"}},
    "margin_by_location": {"class_level": "location", "value": {"basis": "margin"}},
}


@dataclass(frozen=True)
class Company:
    """The company of `test_steady` as one cycle sees it, and where its tables go."""

    view: View
    past: pa.Table
    folder: Path

    def under(self, change: dict[str, Any]) -> tuple[View, dict[str, Path]]:
        """The partition decided under a changed scheme, without a cycle before: classes are what the metrics say."""
        scheme = self.view.scheme.model_dump()
        for part, values in change.items():
            scheme[part] = scheme[part] | values if isinstance(values, dict) else values
        view = View(
            self.view.snapshot, self.view.partition, self.view.known_at, Scheme.model_validate(scheme),
            self.view.calendar,
        )  # fmt: skip
        paths = {name: self.folder / f"{len(change)}-{name}.parquet" for name in TABLES}
        for name in ("demand_forecast", "lead_time_profile"):
            write_parquet(paths[name], TABLES[name].empty())
        write_parquet(paths["demand_history"], self.past)
        write_parquet(paths["demand_profile"], profile.demand_profile(view, self.past, None))
        write_parquet(paths["segment_assignment"], decide.segment_assignment(view, paths["demand_profile"], None, NONE))
        return view, {
            "history": paths["demand_history"], "profile": paths["demand_profile"],
            "forecast": paths["demand_forecast"], "assignment": paths["segment_assignment"],
            "lead_times": paths["lead_time_profile"],
        }  # fmt: skip


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(COLUMNS["int_item_version"], "supplier_id", pa.string())
        patch.setitem(COLUMNS, "int_supplier_item_version", SUPPLIER_ITEMS)
        folder = tmp_path_factory.mktemp("stability")
        place = Place(folder / "snapshot")
        place.rows["int_supplier_item_version"] = []
        write(place)
        view = place.view(CYCLE)
        past, _ = demand_history(view)
        yield Company(view, past, folder)


@pytest.mark.capability("3.7", part="draws are of the periods that value and variability rest on, on every basis")
@pytest.mark.parametrize("change", BASES.values(), ids=BASES)
def test_a_draw_of_every_period_once_gives_the_decided_class(
    company: Company, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    view, paths = company.under(change)
    monkeypatch.setattr(stability, "period_counts", lambda periods, draws, **_: np.ones((draws, periods)))
    rows = stability.class_stability(view, **paths)[0].to_pandas().set_index("sku_id")
    drawn = rows[rows["draws"] > 0]
    assert len(drawn) == 18 and (drawn["p_segment_held"] == 1).all()


@pytest.fixture(scope="module")
def shipped(company: Company) -> tuple[pd.DataFrame, pd.DataFrame, View, dict[str, Path]]:
    view, paths = company.under({})
    rows, summary = stability.class_stability(view, **paths)
    return rows.to_pandas().set_index("sku_id"), summary.to_pandas(), view, paths


def test_every_item_has_its_row_and_probabilities_add_up(shipped: tuple[Any, ...]) -> None:
    rows, summary, view, paths = shipped
    assert sorted(rows.index) == sorted(pd.read_parquet(paths["assignment"])["sku_id"])
    drawn = rows[rows["draws"] > 0]
    for names in (["p_a", "p_b", "p_c", "p_value_u"], ["p_x", "p_y", "p_z", "p_variability_u"]):
        assert drawn[names].sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert (drawn["p_segment_held"] <= drawn[["p_value_held", "p_variability_held"]].min(axis=1) + 1e-12).all()
    assert rows.loc["BIG1", "p_segment_held"] == 1.0
    assert len(summary) == 9 and set(summary["axis"]) == {"value", "variability", "segment"}
    again = stability.class_stability(view, **paths)[0].to_pandas().set_index("sku_id")
    pd.testing.assert_frame_equal(rows, again)


@pytest.mark.capability("3.7", part="a shift is not drawn across")
def test_a_shifted_item_is_drawn_from_its_new_level_alone(company: Company, shipped: tuple[Any, ...]) -> None:
    rows, _, _, paths = shipped
    found = pd.read_parquet(paths["profile"])
    level = found[found["location_id"] == "*"].set_index("sku_id")["level_periods"]
    assert level["DOUBLED"] == 4 and level["BIG1"] > 20  # cut-off in May: January to April
    # Drawn across the shift, its value would be anything between the old and the new one, its CV beyond the cut.
    view, paths = company.under({"level": None, "variability": {"basis": "cv"}})
    across = stability.class_stability(view, **paths)[0].to_pandas().set_index("sku_id")
    assert rows.loc["DOUBLED", "p_value_held"] > 0.85 > across.loc["DOUBLED", "p_value_held"]
    # A level of four periods comes up in most draws, but not in all.
    assert 100 < rows.loc["DOUBLED", "draws"] < 200 == rows.loc["BIG1", "draws"]


@pytest.mark.capability("3.4", part="the class without promotions and outliers stands beside the class")
def test_the_effect_of_cleaning_on_the_class_is_reported(company: Company, shipped: tuple[Any, ...]) -> None:
    rows = shipped[0]
    adjusted = rows[["promotion_periods", "outlier_periods"]]
    assert adjusted.loc["SPIKED"].tolist() == [1, 0]  # its January at five times the usual was promoted
    assert rows.loc["SPIKED", "baseline_share"] < 0.95
    assert adjusted.loc["DOUBLED"].tolist() == [0, 0]  # four months are a level
    assert (
        adjusted.loc["EMPTY"].tolist() == [0, 0] and rows.loc["EMPTY", "baseline_share"] == 1
    )  # out of stock: unknown
    assert rows["cleaned_segment"].equals(rows["proposed_segment"].rename("cleaned_segment"))  # levels need no cleaning
    # On raw CVs the promotion makes SPIKED vary as a Y or Z; without it it is the steady item that it was.
    view, paths = company.under({"level": None, "variability": {"basis": "cv"}})
    raw = stability.class_stability(view, **paths)[0].to_pandas().set_index("sku_id").loc["SPIKED"]
    assert raw["proposed_segment"][1] in "YZ" and raw["cleaned_segment"][1] == "X"
    assert f";cleaned:{raw['cleaned_segment']}" in raw["decision_reason"]
    view, paths = company.under({"outliers": None})
    unasked = stability.class_stability(view, **paths)[0].to_pandas()
    assert unasked["cleaned_segment"].isna().all() and not unasked["promotion_periods"].any()


def test_a_scheme_without_the_part_has_no_rows(company: Company) -> None:
    view, paths = company.under({"stability": None})
    assert [table.num_rows for table in stability.class_stability(view, **paths)] == [0, 0]
