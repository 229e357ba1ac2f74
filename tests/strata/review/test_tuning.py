"""Tuning on a company's own past: churn, lag and wrong classes counted by hand, the frontier by enumeration."""

from datetime import UTC, date, datetime
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from strata.calendar import Periods, next_period
from strata.partition import Partition
from strata.review.staleness import History, class_path
from strata.review.tuning import frontier_picture, on_frontier, tuning
from tests.strata.banded import BANDED, SHIPPED

MONTHS, STOPS = 30, list(range(20, 31))
NAMED = {"partition": Partition("EMEA", "2026-01"), "cutoff": datetime(2026, 1, 2, tzinfo=UTC)}
OFF = SHIPPED.hysteresis.model_copy(update={"posterior": None, "confirmations": None, "bypass_posterior": None})
FREE = SHIPPED.model_copy(update={"hysteresis": OFF})


def past() -> History:
    """Sixty items; the first six sell four times as much from month 24 on."""
    rng = np.random.default_rng(8)
    mean = np.repeat(rng.lognormal(4.0, 1.0, 60)[:, None], MONTHS, axis=1)
    mean[:6, 24:] *= 4.0
    units = rng.poisson(rng.gamma(6.0, mean / 6.0)).astype(float)
    keys = pd.DataFrame({"sku_id": [f"I{number:02d}" for number in range(60)], "location_id": "*"})
    starts = tuple(next_period(date(2023, 1, 1), "month", index) for index in range(MONTHS))
    return History(keys, units, np.zeros(units.shape, bool), units * 3.0, np.full(60, -1), Periods("month", starts))


@pytest.mark.capability(
    "3.3", part="tuning on the company's own history: churn, lag, wrong class, frontier, choice marked"
)
def test_every_candidate_is_counted_as_by_hand() -> None:
    history = past()
    candidates = {"none": FREE, "shipped": SHIPPED}
    table = tuning(history, STOPS, candidates, chosen="shipped", **NAMED).set_index("candidate")
    right = class_path(history, STOPS, scheme=FREE, **NAMED)[-1]
    for name, scheme in candidates.items():
        path = class_path(history, STOPS, scheme=scheme, **NAMED)
        changed = [a != b for one, two in pairwise(path.tolist()) for a, b in zip(one, two, strict=True)]
        assert table.loc[name, "churn"] == pytest.approx(sum(changed) / len(changed))
        moved = worth = 0.0
        for stop, one, two in zip(STOPS[1:], path[:-1], path[1:], strict=True):
            value = history.value[:, stop - 12 : stop].sum(axis=1)
            moved, worth = moved + value[one != two].sum(), worth + value.sum()
        assert table.loc[name, "churn_value"] == pytest.approx(moved / worth)
        lags = []
        for item in range(6):  # shifted in period 24: the first stop that saw it is 25, number 5
            if path[4, item] == right[item]:
                continue
            reached = [stop for stop in range(5, len(STOPS)) if path[stop, item] == right[item]]
            lags.append((reached[0] if reached else len(STOPS)) - 5 + 1)
        assert table.loc[name, "shifted"] >= len(lags) > 0
        assert table.loc[name, "lag_cycles"] == pytest.approx(np.mean(lags), abs=1.5)
    assert table.loc["shipped", "noise_churn"] < table.loc["none", "noise_churn"]
    assert table["is_chosen"].tolist() == [False, True]
    assert table.loc["none", "wrong_value_share"] >= 0


def test_the_frontier_is_what_nobody_beats() -> None:
    churn, lag = np.array([0.1, 0.01, 0.02, 0.02, np.nan]), np.array([2.0, 6.0, 6.0, 4.0, 1.0])
    assert on_frontier(churn, lag).tolist() == [True, True, False, True, False]


def test_the_picture_is_a_picture_with_the_choice_ringed() -> None:
    rows = pd.DataFrame(
        {
            "candidate": ["a & b", "mine"], "is_chosen": [False, True], "is_frontier": [True, True],
            "noise_churn": [0.1, 0.008], "lag_cycles": [3.0, 4.0],
        }
    )  # fmt: skip
    root = ElementTree.fromstring(frontier_picture(rows, title="A < B"))
    rings = [node for node in root.iter() if node.tag.endswith("circle") and node.get("fill") == "none"]
    assert len(rings) == 1
    assert "mine: 0.80 % a run, lag 4.0" in [node.text for node in root.iter()]
    none = frontier_picture(rows.iloc[:0], title="nothing")
    assert ElementTree.fromstring(none) is not None


def test_what_cannot_be_tuned_is_refused() -> None:
    with pytest.raises(ValueError, match="two stops or more"):
        tuning(past(), [20], {"a": SHIPPED}, chosen="a", **NAMED)
    with pytest.raises(ValueError, match="a choice among candidates"):
        tuning(past(), STOPS, {"a": SHIPPED}, chosen="b", **NAMED)
    with pytest.raises(ValueError, match="no part `level`"):
        tuning(past(), STOPS, {"a": BANDED}, chosen="a", **NAMED)
