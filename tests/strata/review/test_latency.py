"""Hops of feeds: against numpy and a row-by-row computation in plain Python, and what must never change a figure."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.review.latency import FEED, HOPS, feed_latency, wall_latency, weighted_quantiles

HOUR = 3600.0
SINCE, CUTOFF, NEEDED = 0.0, 744 * HOUR, 54.0
CLOSE = CUTOFF - NEEDED * HOUR
TERMS = pd.DataFrame(
    {"system": ["erp", "wms"], "feed": ["sales", "stock"], "normal_lag_hours": [24, -6], "refresh_sla_hours": [30, 192]}
)
WEIGHTED = st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 9), st.integers(0, 2)), min_size=1, max_size=40)
ROW = st.fixed_dictionaries(
    {
        "feed_at": st.integers(0, 1),
        "event": st.one_of(st.none(), st.integers(-200, 690)),
        "lag": st.integers(-10, 900),
        "wait": st.integers(0, 100),
        "is_assumed": st.booleans(),
        "count": st.integers(1, 5),
    }
)


def frame(found: list[dict[str, Any]]) -> pd.DataFrame:
    rows = pd.DataFrame(found, columns=["feed_at", "event", "lag", "wait", "is_assumed", "count"])
    event = rows["event"].astype("float64") * HOUR
    known = event.fillna(0.0) + rows["lag"].astype("float64") * HOUR
    is_overdue = event < SINCE
    return pd.DataFrame(
        {
            "system": TERMS["system"].to_numpy()[rows["feed_at"].astype(int)],
            "feed": TERMS["feed"].to_numpy()[rows["feed_at"].astype(int)],
            "event": event,
            "known": known,
            "extracted": known + rows["wait"].astype("float64") * HOUR,
            "close": np.where(event.isna(), np.nan, np.where(is_overdue, SINCE - NEEDED * HOUR, CLOSE)),
            "is_assumed": rows["is_assumed"].astype(bool),
            "is_overdue": is_overdue,
            "count": rows["count"].astype("int64"),
        }
    )


def extracts(*taken: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame([(s, f, at * HOUR) for s, f, at in taken], columns=[*FEED, "taken"])


def latency(rows: pd.DataFrame, taken: pd.DataFrame | None = None, terms: pd.DataFrame = TERMS) -> pd.DataFrame:
    return feed_latency(
        rows, extracts() if taken is None else taken, terms, since=SINCE, cutoff=CUTOFF, needed=NEEDED
    ).set_index(FEED)


@settings(max_examples=50)
@given(WEIGHTED)
def test_quantiles_are_those_of_every_row_written_out(rows: list[tuple[int, int, int]]) -> None:
    values, weights, groups = (np.array(column) for column in zip(*rows, strict=True))
    for percent in (1, 50, 95, 100):
        found = weighted_quantiles(values.astype(float), weights, groups, percent=percent, count=4)
        for group in range(4):
            spread = np.repeat(values[groups == group], weights[groups == group])
            wanted = np.quantile(spread, percent / 100, method="inverted_cdf") if len(spread) else math.nan
            assert found[group] == wanted or (math.isnan(wanted) and np.isnan(found[group]))


@pytest.mark.parametrize(
    ("values", "weights", "message"),
    [([1.0], [1, 1], "one length"), ([1.0], [-1], "zero rows"), ([np.nan], [1], "NaN")],
)
def test_quantiles_refuse_what_has_no_order(values: list[float], weights: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        weighted_quantiles(np.array(values), np.array(weights), np.zeros(1, np.int64), percent=50, count=1)


def in_plain_python(rows: pd.DataFrame, feed: str) -> dict[str, float]:
    """The same by a list of rows, one for each."""
    spread = [r for r in rows.to_dict("records") for _ in range(r["count"]) if r["feed"] == feed]
    own = [r for r in spread if not r["is_assumed"] and not math.isnan(r["event"])]
    normal = {"sales": 24, "stock": -6}[feed]

    def quantile(values: list[float], share: float) -> float:
        return sorted(values)[max(math.ceil(round(share * len(values), 9)) - 1, 0)] if values else math.nan

    found: dict[str, float] = {
        "measured_rows": len(own),
        "assumed_rows": sum(r["is_assumed"] for r in spread),
        "undated_rows": sum(math.isnan(r["event"]) and not r["is_assumed"] for r in spread),
    }
    for hop, start, end in HOPS:
        among = [r for r in spread if not r["is_assumed"]] if start == "extracted" else own
        hours = [(({"decided": CUTOFF} | r)[end] - r[start]) / HOUR for r in among]
        found |= {f"{hop}_p{p}_hours": quantile(hours, p / 100) for p in (50, 95)}
    share = lambda what: sum(what) / len(own) if own else math.nan  # noqa: E731
    found["late_share"] = share([(r["known"] - r["event"]) / HOUR > normal for r in own])
    found["missed_share"] = share([r["is_overdue"] or r["extracted"] > CUTOFF for r in own])
    found["close_to_extracted_p95_hours"] = quantile([(r["extracted"] - r["close"]) / HOUR for r in own], 0.95)
    return found


@pytest.mark.capability("2.7", part="latency per feed")
@settings(max_examples=25)
@given(st.lists(ROW, max_size=25), st.randoms(use_true_random=False))
def test_hops_are_those_of_plain_python_whatever_the_order(found: list[dict[str, Any]], chance: Any) -> None:
    rows = frame(found)
    table = latency(rows)
    for system, feed in zip(TERMS["system"], TERMS["feed"], strict=True):
        for name, value in in_plain_python(rows, feed).items():
            assert table.loc[(system, feed), name] == pytest.approx(value, nan_ok=True), name
    order = list(range(len(rows)))
    chance.shuffle(order)
    pd.testing.assert_frame_equal(latency(rows.iloc[order]), table)
    split = pd.concat([rows.assign(count=1), rows.assign(count=rows["count"] - 1)])
    pd.testing.assert_frame_equal(latency(split), table)


@settings(max_examples=25)
@given(st.lists(ROW, min_size=1, max_size=25), st.integers(1, 400))
def test_a_later_extraction_never_looks_better(found: list[dict[str, Any]], hours: int) -> None:
    rows = frame([{**row, "is_assumed": False} for row in found])
    before, after = latency(rows), latency(rows.assign(extracted=rows["extracted"] + hours * HOUR))
    assert (after["missed_share"].fillna(0) >= before["missed_share"].fillna(0)).all()
    moved = after["close_to_extracted_p95_hours"] - before["close_to_extracted_p95_hours"]
    assert moved.dropna().to_numpy() == pytest.approx(hours)
    assert not ((before["verdict"] == "late_rows") & (after["verdict"] == "in_time")).any()


@settings(max_examples=25)
@given(st.lists(ROW, min_size=1, max_size=40))
def test_late_rows_are_more_than_five_in_a_hundred_missed(found: list[dict[str, Any]]) -> None:
    # Rows of older periods were not known by their own cut-off, or they would not be new.
    rows = frame([row for row in found if row["event"] is None or row["event"] >= 0 or row["event"] + row["lag"] > 0])
    table = latency(rows)
    measured = table[table["measured_rows"] > 0]
    assert ((measured["missed_share"] > 0.05) == (measured["verdict"] == "late_rows")).all()
    assert measured.loc[measured["verdict"] == "late_rows", "reason"].str.contains("the cut-off is 54.0 h after").all()


def test_a_feed_that_was_not_measured_says_why() -> None:
    base = {"feed_at": 0, "event": 10, "lag": 1, "wait": 0, "is_assumed": False, "count": 1}
    for change, reason in (
        ([{**base, "is_assumed": True}], "first load"),
        ([{**base, "event": None}], "no event time"),
        ([], "nothing new"),
    ):
        row = latency(frame(change)).loc[("erp", "sales")]
        assert (row["verdict"], row["measured_rows"]) == ("not_measured", 0)
        assert reason in row["reason"]
    assert latency(frame([base])).loc[("erp", "sales"), "reason"] is None


def test_refreshes_are_gaps_between_extracts_and_time_beyond_the_promise() -> None:
    # Extracts 10 h before the window, and 20, 120 and 700 h into it; the promise is 30 h.
    taken = extracts(*(("erp", "sales", at) for at in (700, -10, 120, 20)), ("wms", "stock", 740))
    table = latency(frame([]), taken)
    sales, stock = table.loc[("erp", "sales")], table.loc[("wms", "stock")]
    assert (sales["extracts"], sales["age_hours"]) == (3, 44.0)
    assert (sales["refresh_p50_hours"], sales["refresh_p95_hours"]) == (100.0, 580.0)
    assert sales["over_sla_share"] == pytest.approx((0 + 70 + 550 + 14) / 744)
    # A feed that began in the window is not missed before; one extract has no gap.
    assert (stock["extracts"], stock["over_sla_share"]) == (1, 0.0)
    assert np.isnan(stock["refresh_p50_hours"])
    assert latency(frame([])).loc[("erp", "sales"), ["age_hours", "over_sla_share"]].isna().all()


def test_a_feed_without_contract_or_with_two_is_refused() -> None:
    rows = frame([{"feed_at": 1, "event": 1, "lag": 1, "wait": 0, "is_assumed": False, "count": 1}])
    with pytest.raises(ValueError, match="no contract among the terms"):
        latency(rows, terms=TERMS.head(1))
    with pytest.raises(ValueError, match="more than once"):
        latency(rows, terms=pd.concat([TERMS, TERMS]))


def test_the_wall_clock_measures_live_extracts_only() -> None:
    found = pd.DataFrame(
        [
            ("erp", "sales", -10.0, -9.0, -2.0, 1.0),
            ("erp", "sales", -8.0, -5.0, -2.0, 1.0),
            ("erp", "sales", -8.0, 20.0, 21.0, 22.0),  # landed after the cut-off: the cycle had passed
            ("wms", "stock", -8.0, math.nan, -2.0, 1.0),
        ],
        columns=[*FEED, "extracted", "landed", "conformed", "published"],
    )
    found[["extracted", "landed", "conformed", "published"]] *= HOUR
    table = wall_latency(found, cutoff=0.0).set_index(FEED)
    sales, stock = table.loc[("erp", "sales")], table.loc[("wms", "stock")]
    assert (sales["live"], sales["back_cast"], sales["unstamped"]) == (2, 1, 0)
    assert (sales["extracted_to_landed_p50_hours"], sales["extracted_to_landed_p95_hours"]) == (1.0, 3.0)
    assert (sales["landed_to_conformed_p50_hours"], sales["landed_to_conformed_p95_hours"]) == (3.0, 7.0)
    assert (sales["conformed_to_published_p50_hours"], sales["extracted_to_published_p95_hours"]) == (3.0, 11.0)
    assert (stock["live"], stock["unstamped"]) == (0, 1)
    assert np.isnan(stock["extracted_to_published_p50_hours"])
    assert wall_latency(found.head(0), cutoff=0.0).empty
