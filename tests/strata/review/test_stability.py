"""What is said of the draws: reasons, items at risk and the spread of cost, by hand."""

import numpy as np
import pandas as pd
import pytest

from strata.classify.stability import SEGMENTS, Stability, segment_codes
from strata.review.stability import Proposed, agreement_rows, stability_lines, stability_rows
from strata.scheme.stability import Stability as Rule

RULE = Rule(
    draws=20, seed=1, block_periods=1, benchmark_alpha=0.2, warm_up_periods=3, bias=0.1, min_probability=0.6,
    confidence=0.9, rationale="bounds for the rows of this test",
)  # fmt: skip


def draws(*rows: str) -> Stability:
    """Draws as words, `-` where a draw says nothing."""
    codes = np.array([[-1 if name == "-" else SEGMENTS.index(name) for name in row.split()] for row in rows], np.int8)
    said = (codes >= 0).sum(axis=0)
    counts = np.stack([(codes == number).sum(axis=0) for number in range(len(SEGMENTS))], axis=1)
    with np.errstate(invalid="ignore"):
        return Stability(codes, said.astype(np.int64), np.where(said[:, None] > 0, counts / said[:, None], np.nan))


HELD = segment_codes(np.array(["AX", "BY", "CZ", "CZ", "AX"], dtype=object))
CODES = np.append(segment_codes(np.array(["AX", "BY", "CZ"], dtype=object)), np.int8([-1, SEGMENTS.index("BX")]))
CLEAN = np.where(np.arange(5) == 2, SEGMENTS.index("CY"), CODES).astype(np.int8)
PROPOSED = Proposed(
    CODES, CLEAN, np.array([0, 0, 1, 0, 0]), np.array([0, 0, 2, 0, 0]), np.array([1, 1, 0.8, np.nan, 1])
)
DRAWN = {
    "bootstrap": draws("AX BY CZ - BX", "AX BZ CZ - BX", "AX BY CZ - AX", "AX AY CZ - BX"),
    "forecast_error": draws("AX BY CY - -", "AX BY CY - -", "AX BY CZ - -", "AX BY CY - -"),
    "bias": draws("AX BY CZ - BX", "AX BY CZ - BX", "AX BY CZ - AX", "AX BY CZ - AX"),
}
DECIDED = pd.DataFrame(
    {
        "sku_id": list("abcde"), "location_id": "*", "revenue": [50.0, 20.0, 10.0, 5.0, 15.0],
        "computed_segment": [SEGMENTS[code] for code in HELD],
        "fallback_level": ["own", "own", "own", "like_item", "own"], "override_id": [None, "OV7", None, None, None],
    }
)  # fmt: skip


@pytest.mark.capability("3.7", part="items at risk, with the source of the risk in words")
def test_every_item_says_how_sure_it_is_and_why_it_is_at_risk() -> None:
    rows = stability_rows(DECIDED, HELD, PROPOSED, DRAWN, rule=RULE).set_index("sku_id")
    assert rows["decision_reason"].tolist() == [
        "likely",
        "at_risk:bootstrap:divided;override:OV7",
        "at_risk:forecast_error:likelier_CY;cleaned:CY",
        "not_drawn:like_item",
        "at_risk:bootstrap:likelier_BX;held_against:BX",
    ]
    assert rows["proposed_segment"].fillna("").tolist() == ["AX", "BY", "CZ", "", "BX"]
    assert rows["is_at_risk"].tolist() == [False, True, True, False, True]
    assert rows["p_segment_held"].tolist()[:3] == [1.0, 0.5, 1.0] and np.isnan(rows["p_segment_held"]["d"])
    assert rows["p_held_least"].tolist()[:3] == [1.0, 0.5, 0.25]
    assert rows.loc["b", ["p_a", "p_b", "p_c", "p_value_u"]].tolist() == [0.25, 0.75, 0.0, 0.0]
    assert rows.loc["b", ["p_x", "p_y", "p_z", "p_variability_u"]].tolist() == [0.0, 0.75, 0.25, 0.0]
    assert rows.loc["b", ["p_value_held", "p_variability_held"]].tolist() == [0.75, 0.75]
    assert rows.loc["e", ["likeliest_segment", "p_likeliest", "second_segment"]].tolist() == ["BX", 0.75, "AX"]
    assert rows["second_segment"].isna().tolist() == [True, False, True, True, False]
    # An item without two forecasts is judged by the other sources.
    assert np.isnan(rows["p_held_forecast_error"]["e"]) and rows["p_held_least"]["e"] == 0.25


@pytest.mark.capability("3.7", part="explain says how sure the class is and why it is at risk")
def test_a_planner_is_told_how_sure_the_class_is() -> None:
    rows = stability_rows(DECIDED, HELD, PROPOSED, DRAWN, rule=RULE)
    said = {row["sku_id"]: " ".join(stability_lines(row)) for row in rows.to_dict("records")}
    assert said["a"] == (
        "Stability: by its metrics alone it is AX with probability 1.00 in 4 other samples of its periods (likeliest "
        "AX, 1.00); 1.00 where demand misses its level as forecasts missed it, 1.00 where the demand of families is "
        "misjudged."
    )
    assert "(likeliest BY, 0.50, then AY, 0.25)" in said["b"]
    assert said["b"].endswith("At risk: in other samples of its periods no segment is likelier.")
    assert said["c"].endswith(
        "At risk: where demand misses its level as forecasts missed it CY is likelier. Without 1 promoted and 2 "
        "outlying periods the metrics would say CY."
    )
    assert "rests on `like_item`" in said["d"]
    assert said["e"].endswith("The metrics say BX now; churn control holds AX.") and "forecasts" not in said["e"]


@pytest.mark.capability("3.7", part="kappa, items at risk and the spread of policy cost")
def test_agreement_and_spread_by_hand() -> None:
    holding = np.full((5, len(SEGMENTS)), np.nan)
    for item, segment, cost in ((0, "AX", 10.0), (1, "BY", 6.0), (1, "BZ", 8.0), (1, "AY", 7.0), (2, "CZ", 1.0),
                                (2, "CY", 0.5), (4, "AX", 4.0), (4, "BX", 3.0)):  # fmt: skip
        holding[item, SEGMENTS.index(segment)] = cost
    served = np.where(np.isnan(holding), np.nan, 100.0)
    served[0] = np.nan  # its margin is unknown: no part of the costs
    rows = agreement_rows(
        HELD, DRAWN, DECIDED["revenue"].to_numpy(), {"holding_cost": holding, "margin_served": served}, rule=RULE
    ).set_index(["source", "axis"])
    found = rows.loc[("bootstrap", "segment")]
    assert (found["draws"], found["items"], found["at_risk_items"], found["unpriced_items"]) == (4, 4, 2, 1)
    assert found["agreement"] == pytest.approx(np.mean([3, 2, 4, 2]) / 4)
    assert found["at_risk_revenue_share"] == pytest.approx(35 / 95)
    # Items b, c, e: 6 + 1 + 3, 8 + 1 + 3, 6 + 1 + 4, 7 + 1 + 3; decided 6 + 1 + 4.
    by_draw = np.array([10.0, 12.0, 11.0, 11.0])
    assert found["holding_cost_year"] == 11.0
    assert found["holding_cost_sd"] == pytest.approx(by_draw.std(ddof=1))
    assert found[["holding_cost_low", "holding_cost_high"]].tolist() == pytest.approx(
        np.quantile(by_draw, [0.05, 0.95]).tolist()
    )
    assert (found["margin_served_year"], found["margin_served_sd"]) == (300.0, 0.0)
    # First draw: a, b, c as decided, e not. Chance: AX 2/4 x 1/4, BY and CZ 1/4 x 1/4 each; the others' kappas 3/7..1.
    kappas = []
    for agreed, chance in ((3, 4 / 16), (2, 3 / 16), (4, 6 / 16), (2, 3 / 16)):
        kappas.append((agreed / 4 - chance) / (1 - chance))
    assert found["kappa"] == pytest.approx(np.mean(kappas))
    value = rows.loc[("bootstrap", "value")]
    assert value["at_risk_items"] == 1 and np.isnan(value["holding_cost_year"])
    bias = rows.loc[("bias", "variability")]
    assert (bias["agreement"], bias["kappa"], bias["at_risk_items"]) == (1.0, 1.0, 0)
    forecast = rows.loc[("forecast_error", "segment")]
    assert (forecast["items"], forecast["at_risk_items"]) == (3, 1)


def test_where_nothing_is_drawn_there_is_no_figure() -> None:
    silent = {name: draws("- -", "- -") for name in DRAWN}
    rows = agreement_rows(
        HELD[:2], silent, np.ones(2), dict.fromkeys(("holding_cost", "margin_served"), np.ones((2, 16))), rule=RULE
    )
    nothing = np.zeros(2, np.int64)
    unsaid = Proposed(HELD[:2], HELD[:2], nothing, nothing, np.full(2, np.nan))
    assert (rows["items"] == 0).all() and rows[["kappa", "agreement", "holding_cost_year"]].isna().all().all()
    assert stability_rows(DECIDED.iloc[:2], HELD[:2], unsaid, silent, rule=RULE)["is_at_risk"].tolist() == [
        False,
        False,
    ]
