"""Back-cast classes against ABC and XYZ by hand, shares and costs against plain Python, and what never changes them."""

import math
from collections import defaultdict
from datetime import UTC, date, datetime
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from strata.calendar import closed_periods
from strata.partition import Partition
from strata.review.staleness import History, class_path, staleness, wilson
from strata.scheme.model import Cadence
from tests.strata.banded import BANDED

SCHEME = BANDED
NO_MEMORY = SCHEME.model_copy(
    update={"hysteresis": SCHEME.hysteresis.model_copy(update={"value_band": 0.0, "variability_band": 0.0})}
)
YEAR = closed_periods(date(2026, 1, 1), datetime(2027, 3, 2, tzinfo=UTC), UTC, "month")
PARTITION, CUTOFF = Partition("EMEA", "2027-03"), datetime(2027, 3, 3, tzinfo=UTC)
SEGMENTS = ("AX", "BX", "CX")
RULE = Cadence(
    delay_days=(1, 30, 61), lookback_cycles=3, max_cost_share=0.01, min_items=2, min_cutoffs=2, confidence=0.9,
    rationale="bounds for the rows of this test",
)  # fmt: skip
COLUMNS = ["item", "cutoff", "delay_days", "held", "right", "value", "revenue", "holding_excess", "margin_missed"]


def history(units: np.ndarray, launch: list[int] | None = None, hidden: np.ndarray | None = None) -> History:
    keys = pd.DataFrame({"sku_id": [f"I{n:02d}" for n in range(len(units))], "location_id": "*"})
    price = np.arange(1, len(units) + 1)[:, None]
    return History(
        keys, units, np.zeros(units.shape, bool) if hidden is None else hidden, units * price,
        np.array(launch or [-1] * len(units)), YEAR,
    )  # fmt: skip


def path(found: History, stops: list[int], scheme: Any = SCHEME) -> np.ndarray:
    return class_path(found, stops, scheme=scheme, partition=PARTITION, cutoff=CUTOFF)


def by_hand(units: np.ndarray, stop: int) -> list[str]:
    """ABC and XYZ without memory, item by item."""
    window = units[:, max(0, stop - 12) : stop]
    value = [float(row.sum()) * (n + 1) for n, row in enumerate(window)]
    order = sorted(range(len(value)), key=lambda n: -value[n])
    before, running, named = {}, 0.0, []
    for n in order:
        before[n] = running / sum(value)
        running += value[n]
    for n, row in enumerate(window.tolist()):
        cv = stdev(row) / fmean(row)
        named.append(
            ("A" if before[n] < 0.8 else "B" if before[n] < 0.95 else "C")
            + ("X" if cv <= 0.5 else "Y" if cv <= 1 else "Z")
        )
    return named


def test_the_path_is_the_class_of_each_cut_off_by_hand() -> None:
    units = np.random.default_rng(7).gamma(1.5, 10.0, (25, len(YEAR))) + 1.0
    found = path(history(units), [5, 9, 13, 14], NO_MEMORY)
    for row, stop in enumerate((5, 9, 13, 14)):
        assert found[row].tolist() == by_hand(units, stop)


def test_the_path_remembers_as_the_cycle_does() -> None:
    # A single item at a variability just beyond the cut: held where it was X, Y where it is new.
    steady, restless = [10.0] * 8, [10.0, 24.0, 4.0, 22.0, 3.0, 21.0]
    units = np.array([steady + restless])
    cv = stdev(units[0, 2:]) / fmean(units[0, 2:])
    assert 0.5 < cv < 0.6  # beyond the cut, inside its dead band
    assert path(history(units), [8, 14])[:, 0].tolist() == ["AX", "AX"]
    assert path(history(units), [14])[:, 0].tolist() == ["AY"]


def test_the_path_knows_no_class_before_an_item_has_its_own_history() -> None:
    units = np.full((2, len(YEAR)), 10.0)
    hidden = np.zeros(units.shape, bool)
    hidden[1, 9:] = True
    found = path(history(units, [8, -1], hidden), [10, 12])
    assert found[0].tolist() == [None, "AX"]  # launched in period 8: four periods at stop 12
    assert found[1].tolist() == ["AX", "AX"]
    with pytest.raises(ValueError, match="must ascend"):
        path(history(units), [12, 10])
    with pytest.raises(ValueError, match="within 0 and 14"):
        path(history(units), [15])


@given(st.integers(0, 60), st.integers(1, 60))
def test_wilson_is_that_of_statsmodels(changed: int, more: int) -> None:
    count = changed + more
    low, high = wilson(np.array([changed / count]), np.array([count]), confidence=0.9)
    wanted = proportion_confint(changed, count, alpha=0.1, method="wilson")
    assert (low[0], high[0]) == pytest.approx(wanted, abs=1e-12)


PAIR = st.tuples(
    st.integers(0, 5), st.integers(0, 2), st.sampled_from(RULE.delay_days), st.sampled_from(SEGMENTS),
    st.sampled_from(SEGMENTS), st.integers(0, 500), st.integers(0, 5), st.integers(0, 5), st.booleans(),
)  # fmt: skip


def frame(found: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Pairs with one row per item, cut-off and delay; a changed pair may lack its costs."""
    once = {row[:3]: row for row in found}
    rows = []
    for item, cutoff, delay, held, right, value, excess, missed, unknown in once.values():
        costs = (0.0, 0.0) if held == right else (math.nan, math.nan) if unknown else (float(excess), float(missed))
        rows.append((item, cutoff, delay, held, right, float(value), 100.0 * (item + 1), *costs))
    return pd.DataFrame(rows, columns=COLUMNS).astype({"item": "int64", "cutoff": "int64", "delay_days": "int64"})


def judged(pairs: pd.DataFrame, rule: Cadence = RULE) -> pd.DataFrame:
    return staleness(pairs, segments=SEGMENTS, rule=rule, least_days=30, expected_cutoffs=3)


@pytest.mark.capability("2.7", part="staleness cost")
@settings(max_examples=25)
@given(st.lists(PAIR, max_size=40), st.randoms(use_true_random=False))
def test_shares_and_costs_are_those_of_plain_python_whatever_the_order(found: list[Any], chance: Any) -> None:
    pairs = frame(found)
    table = judged(pairs).set_index(["segment", "delay_days"])
    assert list(table.index) == [(s, d) for s in ("*", *SEGMENTS) for d in RULE.delay_days]
    groups: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for row in pairs.to_dict("records"):
        groups[row["held"], row["delay_days"]].append(row)
        groups["*", row["delay_days"]].append(row)
    for key, line in table.iterrows():
        rows = groups.get(key, [])
        moved = [r for r in rows if r["held"] != r["right"]]
        priced = [r for r in rows if not math.isnan(r["holding_excess"])]
        cost = sum(r["holding_excess"] + r["margin_missed"] for r in priced)
        cutoffs = len({r["cutoff"] for r in rows})
        assert (line["pairs"], line["items"], line["cutoffs"]) == (len(rows), len({r["item"] for r in rows}), cutoffs)
        assert line["unpriced_pairs"] == len(rows) - len(priced)
        if not rows:
            assert line[["changed_share", "changed_low", "cost_share"]].isna().all()
            continue
        assert line["changed_share"] == pytest.approx(len(moved) / len(rows))
        assert line["changed_low"] <= line["changed_share"] <= line["changed_high"]
        if value := sum(r["value"] for r in rows):
            assert line["changed_value_share"] == pytest.approx(sum(r["value"] for r in moved) / value)
        if priced:
            both = line["holding_excess_year"] + line["margin_missed_year"]
            assert both == pytest.approx(cost / cutoffs)
            assert line["cost_share"] == pytest.approx(cost / sum(r["revenue"] for r in priced))
    order = list(range(len(pairs)))
    chance.shuffle(order)
    pd.testing.assert_frame_equal(judged(pairs.iloc[order]), judged(pairs))


@pytest.mark.capability("2.7", part="recommended cadence per segment")
@settings(max_examples=25)
@given(st.lists(PAIR, max_size=40), st.sampled_from([0.001, 0.01, 0.05]))
def test_a_wider_tolerance_never_asks_for_a_faster_cadence(found: list[Any], tolerance: float) -> None:
    pairs = frame(found)
    narrow = judged(pairs, RULE.model_copy(update={"max_cost_share": tolerance}))
    wide = judged(pairs, RULE.model_copy(update={"max_cost_share": tolerance * 3}))
    assert (narrow["recommended_cadence_days"].isna() == wide["recommended_cadence_days"].isna()).all()
    known = narrow["recommended_cadence_days"].notna()
    assert (narrow["recommended_cadence_days"][known] <= wide["recommended_cadence_days"][known]).all()
    assert (narrow["recommended_cadence_days"][known] >= 30).all()
    for _, rows in narrow.groupby("segment"):  # what is tolerated is a beginning of the grid
        tolerated = rows["is_tolerated"].fillna(False).tolist()
        assert tolerated == sorted(tolerated, reverse=True)


def grown(*costs: float) -> pd.DataFrame:
    """Two items at two cut-offs, each changed, with these costs per delay: revenue 100 each."""
    return pd.DataFrame(
        [
            (item, cutoff, delay, "AX", "BX", 1.0, 100.0, cost, 0.0)
            for item in (0, 1) for cutoff in (0, 1) for delay, cost in zip(RULE.delay_days, costs, strict=False)
        ],
        columns=COLUMNS,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("costs", "tolerated", "recommended", "reason"),
    [
        ((0.0, 0.5, 2.0), 30, 30, "longest_tolerated"),
        ((0.0, 0.5, 1.0), 61, 61, "longest_of_grid_tolerated"),
        ((0.0, 2.0, 0.5), 1, 30, "every_period:one_period_costs_more_than_tolerated"),
        ((2.0, 2.0, 2.0), 0, 30, "every_period:one_period_costs_more_than_tolerated"),
        ((0.0, 0.5), 30, 30, "longest_measured_tolerated"),
    ],
)
def test_the_cadence_is_the_longest_delay_that_costs_no_more_than_is_tolerated(
    costs: tuple[float, ...], tolerated: int, recommended: int, reason: str
) -> None:
    row = judged(grown(*costs)).set_index("segment").loc["AX"].iloc[0]
    assert (row["tolerated_delay_days"], row["recommended_cadence_days"], row["decision_reason"]) == (
        tolerated, recommended, reason,
    )  # fmt: skip


def test_little_history_gives_a_reason_and_no_number() -> None:
    pairs = grown(0.0, 0.5, 2.0)
    for few in (pairs[pairs["item"] == 0], pairs[pairs["cutoff"] == 0]):
        row = judged(few).set_index("segment").loc["AX"].iloc[0]
        assert row["decision_reason"] == "insufficient_history:below_2_items_or_2_of_3_cutoffs"
        assert row[["is_tolerated", "tolerated_delay_days", "recommended_cadence_days"]].isna().all()
    row = judged(pairs.assign(revenue=0.0)).set_index("segment").loc["AX"].iloc[0]
    assert row["decision_reason"] == "not_priced:no_revenue_or_no_policy"
    row = judged(pairs).set_index("segment").loc["CX"].iloc[0]
    assert row["decision_reason"] == "insufficient_history:no_item_compared"


def test_pairs_that_stand_twice_or_are_not_of_the_scheme_are_refused() -> None:
    pairs = grown(0.0, 0.5, 2.0)
    with pytest.raises(ValueError, match="once per cut-off"):
        judged(pd.concat([pairs, pairs]))
    with pytest.raises(ValueError, match="'ZZ'.*are no segments"):
        judged(pairs.assign(held="ZZ"))
