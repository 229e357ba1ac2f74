"""Two outcomes of a partition side by side: figures worked out by hand, mirrors, and what is left out."""

from dataclasses import replace

import pandas as pd
import pytest

from strata.review.change import Side, compare, total

KEY = ["sku_id", "location_id"]


def side(segments: dict[str, str], policies: dict[tuple[str, str], tuple[float | None, float | None]]) -> Side:
    """Classes of a region; per item-location stock value and fill rate, (None, None) where there is no policy.

    Two items: I1 sells 100 a year at L1 and 300 at L2 for 10 each with a margin of 4, I2 200 at L1 for 5 each; nobody
    knows the margin of I2. Holding costs a fifth of the stock's value a year.
    """
    places = pd.DataFrame(
        [(*key, *value) for key, value in policies.items()], columns=[*KEY, "stock_value", "fill_rate"]
    )
    places[["stock_value", "fill_rate"]] = places[["stock_value", "fill_rate"]].astype(float)
    return Side(
        at_region=True,
        classes=pd.DataFrame({
            "sku_id": list(segments), "location_id": "*", "segment": list(segments.values()), "decision_reason": "why",
            "is_waiting": False,
        }),
        places=places.assign(holding_cost_year=places["stock_value"] / 5, is_stocked=places["fill_rate"].notna()),
        worth=pd.DataFrame(
            [("I1", "*", 4000.0, 1600.0, 400.0), ("I2", "*", 1000.0, None, 200.0)],
            columns=[*KEY, "revenue", "margin", "demand_units"],
        ).astype({"margin": float}),
        demand=pd.DataFrame(
            [("I1", "L1", 100.0), ("I1", "L2", 300.0), ("I2", "L1", 200.0)], columns=[*KEY, "units_year"]
        ),
    )  # fmt: skip


OLD = side({"I1": "AX", "I2": "CX"}, {("I1", "L1"): (50, 0.9), ("I1", "L2"): (150, 0.95), ("I2", "L1"): (20, 0.8)})
NEW = side({"I1": "AY", "I2": "CX"}, {("I1", "L1"): (70, 1.0), ("I1", "L2"): (170, 0.95), ("I2", "L1"): (None, None)})


@pytest.mark.capability("7.2", part="stock and service of two schemes by one yardstick, by hand")
def test_items_that_move_with_stock_and_service() -> None:
    found = compare(OLD, NEW, OLD)
    (row,) = found.moved.to_dict("records")
    assert (row["sku_id"], row["from_segment"], row["to_segment"], row["revenue"]) == ("I1", "AX", "AY", 4000.0)
    assert (row["stock_value_before"], row["stock_value_after"]) == (200.0, 240.0)
    assert (row["holding_cost_year_before"], row["holding_cost_year_after"]) == (40.0, 48.0)
    # 100 of 1,000 a year at L1, 300 of 3,000 at L2: (0.9 x 1,000 + 0.95 x 3,000) / 4,000.
    assert row["fill_rate_before"] == pytest.approx(0.9375) and row["fill_rate_after"] == pytest.approx(0.9625)
    assert row["margin_served_year_after"] - row["margin_served_year_before"] == pytest.approx(0.1 * 100 * 4)
    totals = found.totals
    assert (totals["items"], totals["moved_items"], totals["revenue"], totals["moved_revenue"]) == (2, 1, 5000, 4000)
    assert (totals["stock_value_before"], totals["stock_value_after"]) == (220.0, 240.0)
    # I2 is no longer stocked: it holds and serves nothing, its 1,000 a year stay in what could be served.
    assert totals["fill_rate_before"] == pytest.approx((3750 + 800) / 5000)
    assert totals["fill_rate_after"] == pytest.approx(3850 / 5000)
    assert totals["places_without_margin"] == 1
    assert found.matrix.to_dict("records") == [
        {"from_segment": "AX", "to_segment": "AY", "items": 1, "revenue": 4000.0},
        {"from_segment": "CX", "to_segment": "CX", "items": 1, "revenue": 1000.0},
    ]


def test_swapped_sides_are_mirrored() -> None:
    there, back = compare(OLD, NEW, OLD), compare(NEW, OLD, OLD)
    swap = {"before": "after", "after": "before", "from": "to", "to": "from"}

    def swapped(name: str) -> str:
        head, _, tail = name.rpartition("_")
        if tail in swap:
            return f"{head}_{swap[tail]}"
        first, _, rest = name.partition("_")
        return f"{swap[first]}_{rest}" if first in swap else name

    mirrored = there.moved.rename(columns=swapped)[back.moved.columns]
    pd.testing.assert_frame_equal(mirrored, back.moved)
    assert {swapped(name): value for name, value in there.totals.items()} == back.totals


def test_a_side_against_itself_moves_nothing() -> None:
    found = compare(NEW, NEW, OLD)
    assert found.moved.empty and found.totals["moved_items"] == 0
    assert found.totals["stock_value_before"] == found.totals["stock_value_after"] == 240.0


def test_an_item_that_one_scheme_leaves_out_comes_and_goes() -> None:
    without = replace(OLD, classes=OLD.classes[:1], places=OLD.places[:2], worth=OLD.worth[:1], demand=OLD.demand[:2])
    gone, new = compare(OLD, without, OLD), compare(without, OLD, OLD)
    assert gone.moved[["sku_id", "from_segment", "to_segment"]].values.tolist() == [["I2", "CX", "gone"]]
    assert new.moved[["sku_id", "from_segment", "to_segment"]].values.tolist() == [["I2", "new", "CX"]]
    # Known to one side only, it is still measured: by that side.
    unknown = compare(without, OLD, without)
    assert unknown.moved["revenue"].tolist() == [1000.0] and unknown.totals["revenue_year"] == 5000.0


def test_classes_of_a_region_are_compared_at_the_locations_of_the_other_side() -> None:
    places = pd.DataFrame(
        [("I1", "L1", "AX", "why", True), ("I1", "L2", "BX", "why", False), ("I2", "L1", "CX", "why", False)],
        columns=[*KEY, "segment", "decision_reason", "is_waiting"],
    )
    found = compare(OLD, replace(OLD, at_region=False, classes=places), OLD)
    assert found.moved[[*KEY, "from_segment", "to_segment"]].values.tolist() == [["I1", "L2", "AX", "BX"]]
    assert (found.totals["waiting_items_before"], found.totals["waiting_items_after"]) == (0, 1)
    assert found.totals["items"] == 3 and found.totals["stock_value_after"] == 220.0


def test_an_item_that_stands_twice_is_refused() -> None:
    twice = replace(OLD, classes=pd.concat([OLD.classes, OLD.classes[:1]]))
    with pytest.raises(ValueError, match=r"\['I1', '\*'\] stands more than once"):
        compare(OLD, twice, OLD)


def test_totals_of_regions_weigh_service_by_revenue() -> None:
    parts = [compare(OLD, NEW, OLD).totals, compare(NEW, NEW, OLD).totals]
    both = total(parts)
    assert both["items"] == 4 and both["stock_value_after"] == 480.0
    assert both["fill_rate_before"] == pytest.approx((4550 + 3850) / 10000)
