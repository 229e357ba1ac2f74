"""The evidence about a boundary: figures worked out by hand on eight items."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from strata.home import REPOSITORY
from strata.partition import Partition
from strata.review.boundary import (
    BOUNDARIES,
    Region,
    alternatives,
    crossings,
    effects,
    in_band,
    near,
    sensitivity,
    tried,
)
from strata.scheme.load import load_scheme
from strata.scheme.model import Scheme

SHIPPED = load_scheme(next((REPOSITORY / "config" / "schemes").glob("*.yml"))).scheme
A_B, B_C, X_Y, Y_Z = BOUNDARIES
# share before, P(beyond A/B), P(beyond B/C), before, computed, in force, reason of the value axis, true shift
ROWS: list[tuple[Any, ...]] = [
    ("I1", 0.00, 0.01, 0.00, "AX", "AX", "AX", "unchanged", False),
    ("I2", 0.60, 0.30, 0.01, "BX", "AX", "AX", "moved", False),
    ("I3", 0.78, 0.45, 0.05, "AX", "AX", "AX", "unchanged", False),
    ("I4", 0.82, 0.60, 0.10, "AX", "AX", "AX", "held_posterior", False),
    ("I5", 0.90, 0.90, 0.20, "AX", "BX", "BX", "moved_shift", True),
    ("I6", 0.96, 0.99, 0.55, "AX", "CX", "CX", "moved", False),
    ("I7", 0.99, 1.00, 0.80, "CX", "CX", "AX", "unchanged", False),
    ("I8", np.nan, np.nan, np.nan, "UU", "UU", "UU", "no_value", False),
]
REVENUE = [800.0, 400.0, 200.0, 100.0, 50.0, 20.0, 10.0, 0.0]


def region(scheme: Scheme = SHIPPED) -> Region:
    """Items all of class X but the last; the override on I7 makes a C item an A; every item at one place."""
    names = ["sku_id", "value_metric", "value_beyond_0", "value_beyond_1", "previous_segment", "computed_segment",
             "segment", "value_reason", "is_true_shift"]  # fmt: skip
    items = pd.DataFrame(ROWS, columns=names)
    shares = items["value_metric"].to_numpy(float)
    proposed = np.where(np.isnan(shares), -1, np.searchsorted([0.80, 0.95], shares, side="right"))
    items = items.assign(
        location_id="*", revenue=REVENUE, value_proposed=proposed,
        variability_proposed=np.where(proposed < 0, -1, 0), variability_metric=0.3, variability_beyond_0=0.0,
        variability_beyond_1=0.0, variability_reason="unchanged",
        class_probability=[0.9, 0.5, 0.55, 0.4, 0.7, 0.5, 0.2, np.nan],
        draws=[10.0] * 7 + [np.nan], p_a=[1.0, 0.6, 0.5, 0.4, 0.1, 0.0, 0.0, np.nan],
        p_b=[0.0, 0.4, 0.5, 0.6, 0.7, 0.4, 0.2, np.nan], p_c=[0.0, 0.0, 0.0, 0.0, 0.2, 0.6, 0.8, np.nan],
        p_x=1.0, p_y=0.0, p_z=0.0,
    )  # fmt: skip
    for at, axis in enumerate(("value", "variability")):
        items[f"{axis}_held"], items[f"{axis}_now"] = items["computed_segment"].str[at], items["segment"].str[at]
        items[f"{axis}_before"] = items["previous_segment"].str[at]
        items[f"{axis}_fixed"] = items[f"{axis}_held"] != items[f"{axis}_now"]
    stock = pd.DataFrame(
        {
            "sku_id": items["sku_id"], "location_id": "L1", "segment": items["segment"], "demand_class": "smooth",
            "lifecycle_state": "mature", "unit_cost": 2.0, "min_order_quantity": np.nan, "order_multiple": np.nan,
            "mean_units": 10.0, "error_sd_units": 4.0, "lead_time_mean_days": 14.0, "lead_time_sd_days": 3.0,
            "lead_time_level": "lane", "revenue_year": 1000.0, "margin_year": 400.0,
        }
    )  # fmt: skip
    return Region(Partition("EMEA", "2026-06"), scheme, items, stock, stock)


@pytest.mark.capability("1.8", part="what lies on either side of a boundary and within its dead band")
def test_what_lies_near_a_boundary() -> None:
    found = near(region(), A_B)
    # Posterior 0.75: within the band is who is beyond with a probability between a quarter and three quarters.
    assert list(np.flatnonzero(in_band(region(), A_B))) == [1, 2, 3]
    assert (found["items"], found["above_items"], found["band_items"]) == (7, 3, 3)
    assert (found["above_revenue"], found["band_revenue"], found["revenue"]) == (1400, 700, 1580)
    assert list(np.flatnonzero(in_band(region(), B_C))) == [5]
    wide = SHIPPED.hysteresis.model_copy(update={"value_band": 0.03, "posterior": None})
    banded = region(SHIPPED.model_copy(update={"hysteresis": wide}))
    assert list(np.flatnonzero(in_band(banded, A_B))) == [2, 3]


def test_other_cuts_stay_between_their_neighbours() -> None:
    assert tried(A_B, SHIPPED) == [0.7, 0.75, 0.82, 0.84] and tried(B_C, SHIPPED) == [0.85, 0.9, 0.97, 0.99]
    assert tried(X_Y, SHIPPED) == [0.4, 0.45, 0.55, 0.6] and tried(Y_Z, SHIPPED) == [0.8, 0.9, 1.1, 1.2]
    assert SHIPPED.dossier is not None
    steps = SHIPPED.dossier.model_copy(update={"value_steps": (-0.2, -0.15, 0.05, 0.15)})
    other = SHIPPED.model_copy(update={"dossier": steps})
    assert tried(A_B, other) == [0.6, 0.65, 0.85] and tried(B_C, other) == []
    assert tried(A_B, SHIPPED.model_copy(update={"dossier": None})) == []


@pytest.mark.capability("1.8", part="alternatives tried, with items, revenue, stock, cost and service")
def test_another_cut_moves_the_items_between() -> None:
    found = alternatives(region()).set_index(["boundary", "tried"])
    at = {cut: found.loc[("A/B", cut)] for cut in (0.7, 0.75, 0.82, 0.84)}
    # I3 (0.78) falls to B at 0.70 and 0.75; I4 (0.82) rises to A only above 0.82: a share that meets the cut does not.
    assert [one["items"] for one in at.values()] == [1, 1, 0, 1]
    assert at[0.7]["revenue"] == 200 and at[0.84]["revenue"] == 100
    assert found.loc[("B/C", 0.97)]["items"] == 1 and found.loc[("B/C", 0.99)]["items"] == 1  # I6; I7 is overridden
    assert (found.loc["X/Y"]["items"] == 0).all()
    # An item more in A is stocked for 98 % instead of 96 %: it holds and serves more, and all of it costs a fifth.
    up, down = at[0.84], at[0.7]
    assert 0 < up["stock_value"] == pytest.approx(-down["stock_value"])
    assert up["holding_cost_year"] == pytest.approx(SHIPPED.inventory.holding_rate_year * up["stock_value"])
    assert 10 < up["revenue_served_year"] < 30 and up["margin_served_year"] == pytest.approx(
        0.4 * up["revenue_served_year"]
    )
    assert (found["unpriced_items"] == 0).all()


def test_an_item_without_a_cost_is_counted_and_not_summed() -> None:
    part = region()
    stock = part.stock.assign(unit_cost=np.where(part.stock["sku_id"] == "I3", np.nan, 2.0))
    found = alternatives(Region(part.partition, part.scheme, part.items, part.places, stock))
    row = found.set_index(["boundary", "tried"]).loc[("A/B", 0.7)]
    assert row["items"] == row["unpriced_items"] == 1 and row["stock_value"] == 0 and row["margin_served_year"] < 0


@pytest.mark.capability("1.8", part="how sure items are of their side of a boundary")
def test_how_sure_items_are() -> None:
    found = sensitivity(region(), A_B)
    # A and B by the data are I1 to I5; 0.6 is what the shipped scheme calls sure.
    assert (found["pair_items"], found["unsure_items"], found["drawn_items"]) == (5, 3, 7)
    # I1..I4 drawn below A: 0 + 0.4 + 0.5 + 0.6; I5..I7 drawn into A: 0.1 + 0 + 0.
    assert found["other_side"] == pytest.approx(1.6)
    assert np.isnan(sensitivity(region(SHIPPED.model_copy(update={"stability": None})), A_B)["unsure_items"])


@pytest.mark.capability("1.8", part="what crossed a boundary and what was held, by cause")
def test_what_crossed_and_what_was_held() -> None:
    found = crossings(region(), A_B)
    # I2 up by noise, I5 down by a shift, I6 down by noise over two boundaries, I7 up by an override; I4 is held.
    assert {name: found[name] for name in ("known_items", "crossed", "up", "down")} == {
        "known_items": 7, "crossed": 4, "up": 2, "down": 2,
    }  # fmt: skip
    assert (found["true_shift"], found["noise"], found["override"], found["held_posterior"]) == (1, 2, 1, 1)
    assert found["crossed_revenue"] == 400 + 50 + 20 + 10
    far = crossings(region(), B_C)
    assert (far["crossed"], far["noise"], far["override"]) == (2, 1, 1) and "held_posterior" not in far


def test_a_place_without_policy_holds_nothing_and_an_unknown_cost_stays_unknown() -> None:
    places = pd.DataFrame(
        {
            "policy_type": ["RS", "none", "RS"], "expected_stock_units": [10.0, np.nan, 4.0],
            "safety_stock_units": [6.0, np.nan, 2.0], "holding_cost_year": [4.0, np.nan, np.nan],
            "expected_fill_rate": [0.9, np.nan, 0.8], "unit_cost": [2.0, 3.0, np.nan],
            "revenue_year": [100.0, 50.0, 10.0], "margin_year": [40.0, np.nan, 4.0],
        }
    )  # fmt: skip
    found = effects(places)
    assert found.iloc[0].tolist() == [20.0, 12.0, 4.0, 90.0, 36.0] and found.iloc[1].tolist() == [0.0] * 5
    assert found.iloc[2].isna().tolist() == [True, True, True, False, False]
