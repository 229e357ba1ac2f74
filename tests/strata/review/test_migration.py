"""Migration: the golden company's June by hand, exact money, the split of shifts and noise, published kappa."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.partition import Partition
from strata.review.migration import migration, mobility, top_movers
from strata.tables import SEGMENT_MIGRATION

PARTITION = Partition("EMEA", "2026-06")


def rows(segments: dict[str, str], *, shifted: tuple[str, ...] = (), revenue: str = "10.0000") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sku_id": list(segments),
            "location_id": "*",
            "segment": list(segments.values()),
            "revenue": [Decimal(revenue)] * len(segments),
            "is_true_shift": [sku in shifted for sku in segments],
        }
    )


def run(current: pd.DataFrame, previous: pd.DataFrame | None) -> pd.DataFrame:
    return migration(current, previous, partition=PARTITION, scheme_version="v1")


@pytest.mark.capability("7.4", part="migration matrix, true shift against noise")
def test_paths_by_hand_with_new_and_gone_items() -> None:
    before = rows({"I1": "AX", "I2": "BX", "I3": "BX", "I4": "BX", "I9": "CZ"}, revenue="3.0000")
    now = rows({"I1": "AX", "I2": "AX", "I3": "AX", "I4": "BX", "I5": "CU"}, shifted=("I1", "I2", "I5"))
    frame = run(now, before)
    columns = ["from_segment", "to_segment", "items", "revenue", "true_shift_items", "noise_items"]
    assert frame[columns].values.tolist() == [
        ["AX", "AX", 1, Decimal("10.0000"), 0, 0],
        ["BX", "AX", 2, Decimal("20.0000"), 1, 1],
        ["BX", "BX", 1, Decimal("10.0000"), 0, 0],
        ["CZ", "gone", 1, Decimal("3.0000"), 0, 0],
        ["new", "CU", 1, Decimal("10.0000"), 0, 0],
    ]
    table = SEGMENT_MIGRATION.conform(frame)
    assert table.num_rows == 5
    assert set(table["scheme_version"].to_pylist()) == {"v1"}


def test_in_the_first_cycle_everything_is_new() -> None:
    frame = run(rows({"I1": "AX", "I2": "BX"}), None)
    assert frame["from_segment"].tolist() == ["new", "new"]
    assert frame[["true_shift_items", "noise_items"]].to_numpy().sum() == 0
    assert SEGMENT_MIGRATION.conform(run(rows({}), None)).num_rows == 0


def test_money_is_exact_and_former_revenue_may_be_unknown() -> None:
    many = rows({f"I{index}": "AX" for index in range(1000)}, revenue="0.1000")
    assert run(many, None)["revenue"].tolist() == [Decimal("100.0000")]
    gone = run(rows({}), rows({"I1": "AX"}).drop(columns="revenue"))
    assert gone[["to_segment", "revenue"]].values.tolist() == [["gone", Decimal("0.0000")]]
    binary = run(rows({"I1": "AX"}).assign(revenue=0.1), None)
    assert binary["revenue"].tolist() == [Decimal("0.1000")]


segments = st.dictionaries(st.sampled_from([f"I{i}" for i in range(12)]), st.sampled_from(["AX", "BY", "CZ"]))


@given(segments, segments, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_every_item_stands_on_one_path(now: dict[str, str], before: dict[str, str], random: object) -> None:
    shuffled = list(now.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    current, previous = rows(dict(shuffled), shifted=("I1", "I2")), rows(before)
    frame = run(current, previous)
    assert frame["items"].sum() == len(set(now) | set(before))
    moved = [sku for sku in now if sku in before and now[sku] != before[sku]]
    assert frame["true_shift_items"].sum() == len({"I1", "I2"} & set(moved))
    assert frame["true_shift_items"].sum() + frame["noise_items"].sum() == len(moved)
    pd.testing.assert_frame_equal(frame, run(rows(now, shifted=("I1", "I2")), previous))


@pytest.mark.capability("7.4", part="mobility index and kappa")
def test_mobility_of_a_published_table() -> None:
    """Cohen's kappa of 20/5/10/15 is 0.4; the 2 x 2 mobility index is 2 - trace of the transition matrix."""
    table = pd.DataFrame(
        {
            "from_segment": ["AX", "AX", "BX", "BX", "new", "BX"],
            "to_segment": ["AX", "BX", "BX", "AX", "AX", "gone"],
            "items": [20, 5, 15, 10, 7, 8],
            "true_shift_items": [0, 1, 0, 2, 0, 0],
        }
    )
    figures = mobility(table)
    assert (figures.items, figures.moved_items, figures.moved_share) == (50, 15, 0.3)
    assert figures.kappa == pytest.approx(0.4)
    assert figures.shorrocks == pytest.approx(2 - 0.8 - 0.6)
    assert figures.true_shift_share == 0.2


def test_mobility_where_nothing_can_be_compared() -> None:
    figures = mobility(run(rows({"I1": "AX"}), None))
    assert figures.items == 0
    assert np.isnan([figures.moved_share, figures.kappa, figures.shorrocks, figures.true_shift_share]).all()
    still = mobility(run(rows({"I1": "AX", "I2": "BX"}), rows({"I1": "AX", "I2": "BX"})))
    assert (still.kappa, still.shorrocks, still.moved_items) == (1.0, 0.0, 0)


@pytest.mark.capability("7.4", part="top movers by value")
def test_top_movers_are_the_largest_that_moved() -> None:
    now = rows({"I1": "AX", "I2": "AX", "I3": "BX", "I4": "CZ"}, shifted=("I2",))
    now["revenue"] = [Decimal(5), Decimal(7), Decimal(9), Decimal(100)]
    found = top_movers(now, rows({"I1": "BX", "I2": "BX", "I3": "AX", "I4": "CZ"}), count=2)
    assert found[["sku_id", "from_segment", "to_segment", "is_true_shift"]].values.tolist() == [
        ["I3", "AX", "BX", False],
        ["I2", "BX", "AX", True],
    ]


def test_an_item_that_stands_twice_is_refused() -> None:
    twice = pd.concat([rows({"I1": "AX"})] * 2)
    with pytest.raises(ValueError, match="previous: sku_id, location_id \\['I1', '\\*'\\]"):
        run(rows({"I1": "AX"}), twice)
