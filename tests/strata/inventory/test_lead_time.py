"""Lead times from orders and receipts: partials weighted, open and junk lines left out and counted, the ladder."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata.inventory.lead_time import junk_lines, lead_time_profile, line_lead_times, resolve_lead_time
from strata.partition import Partition
from strata.scheme.model import LeadTime
from strata.tables import LEAD_TIME_PROFILE

RULE = LeadTime(min_receipts=2, max_days=100, rationale="A rule small enough for the cases of this test.")
START = pd.Timestamp("2017-01-02T08:00Z")


def orders(*rows: tuple[str, str, str, float, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["po_id", "supplier_id", "location_id", "quantity", "status"])
    return frame.assign(po_line=1, sku_id="00042", ordered_at=START)


def receipts(*rows: tuple[str, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["po_id", "days", "quantity"])
    return frame.assign(po_line=1, received_at=START + pd.to_timedelta(frame["days"], unit="D")).drop(columns="days")


def profile_of(lines: pd.DataFrame) -> pd.DataFrame:
    return lead_time_profile(lines, rule=RULE, partition=Partition("EAST", "2017-05"), scheme_version="t")


@pytest.mark.capability("4.2", part="lead time from orders and receipts, by lane")
def test_partial_receipts_are_weighted_by_their_quantity() -> None:
    """10 units after 4 days and 30 after 12: (10 x 4 + 30 x 12) / 40 = 10 days."""
    lines = line_lead_times(orders(("p1", "s1", "d1", 40, "open")), receipts(("p1", 4, 10), ("p1", 12, 30)))
    assert lines["lead_time_days"].tolist() == [10.0]
    assert lines["line_state"].tolist() == ["complete"]


def test_open_cancelled_closed_and_junk_lines_are_told_apart() -> None:
    given_ = orders(
        ("full", "s1", "d1", 10, "open"), ("half", "s1", "d1", 10, "open"), ("nothing", "s1", "d1", 10, "open"),
        ("ended", "s1", "d1", 10, "closed"), ("dropped", "s1", "d1", 10, "cancelled"),
        ("early", "s1", "d1", 10, "closed"), ("late", "s1", "d1", 10, "open"),
    )  # fmt: skip
    arrived = receipts(
        ("full", 6, 10), ("half", 3, 5), ("ended", 8, 4), ("dropped", 2, 1), ("early", -1, 10), ("late", 300, 10),
        ("unknown", 5, 10),
    )  # fmt: skip
    lines = line_lead_times(given_, arrived).set_index("po_id")
    expected = ["complete", "open", "open", "complete", "cancelled", "unusable", "complete"]
    assert lines["line_state"].tolist() == expected
    assert junk_lines(lines, rule=RULE) == {
        "receipt_before_order": 1,
        "longer_than_max_days": 1,
        "no_usable_receipt": 1,
    }
    lane = profile_of(lines.reset_index()).set_index(["supplier_id", "location_id"]).loc[("s1", "d1")]
    assert (lane["receipts"], lane["open_lines"], lane["mean_days"]) == (2, 2, 7.0)


def test_profile_rolls_up_and_fits_its_table() -> None:
    given_ = orders(
        ("a", "s1", "d1", 1, "closed"), ("b", "s1", "d1", 1, "closed"), ("c", "s1", "d2", 1, "closed"),
        ("d", "s2", "d1", 1, "closed"), ("e", "s3", "d1", 1, "open"),
    )  # fmt: skip
    lines = line_lead_times(given_, receipts(("a", 4, 1), ("b", 8, 1), ("c", 9, 1), ("d", 19, 1)))
    found = profile_of(lines)
    table = LEAD_TIME_PROFILE.conform(found)
    assert table.num_rows == 4 + 3 + 1
    at = found.set_index(["supplier_id", "location_id"])
    assert at.loc[("s1", "d1"), ["receipts", "mean_days", "sd_days", "p50_days"]].tolist() == [2, 6.0, np.sqrt(8), 6.0]
    assert at.loc[("s1", "*"), "mean_days"] == 7.0
    assert at.loc[("*", "*"), ["receipts", "open_lines", "mean_days"]].tolist() == [4, 1, 10.0]
    assert np.isnan(at.loc[("s1", "d2"), "sd_days"])
    assert at.loc[("s3", "d1"), "receipts"] == 0 and np.isnan(at.loc[("s3", "d1"), "mean_days"])


@pytest.mark.capability("4.2", part="lead time from orders and receipts, by lane")
def test_the_ladder_falls_from_lane_to_none() -> None:
    given_ = orders(
        *[
            (f"{s}{d}{i}", s, d, 1, "closed")
            for s, d, n in (("s1", "d1", 2), ("s1", "d2", 1), ("s2", "d1", 1))
            for i in range(n)
        ]
    )
    lines = line_lead_times(given_, receipts(("s1d10", 4, 1), ("s1d11", 6, 1), ("s1d20", 11, 1), ("s2d10", 20, 1)))
    pairs = pd.DataFrame(
        {
            "sku_id": list("abcde"),
            "location_id": ["d1", "d2", "d1", "d9", "d1"],
            "supplier_id": ["s1", "s1", "s2", None, "s9"],
            "planned_lead_time_days": pd.array([None, 3, None, 5, None], dtype="Int64"),
        },
        index=[7, 3, 9, 1, 2],
    )
    found = resolve_lead_time(pairs, profile_of(lines), rule=RULE)
    assert found.index.tolist() == [7, 3, 9, 1, 2]
    assert found["level"].tolist() == ["lane", "supplier", "region", "region", "region"]
    assert found["mean_days"].tolist() == [5.0, 7.0, 10.25, 10.25, 10.25]
    nothing = profile_of(lines.iloc[:0])
    bare = resolve_lead_time(pairs, nothing, rule=RULE)
    assert bare["level"].tolist() == ["none", "planned", "none", "planned", "none"]
    assert bare["mean_days"].fillna(-1).tolist() == [-1, 3, -1, 5, -1] and bare["sd_days"].isna().all()


@given(st.lists(st.tuples(st.floats(0, 90), st.floats(0.1, 100)), min_size=1, max_size=8))
def test_lead_time_lies_between_its_first_and_last_receipt(parts: list[tuple[float, float]]) -> None:
    total = sum(quantity for _, quantity in parts)
    lines = line_lead_times(orders(("p", "s", "d", total, "open")), receipts(*[("p", days, q) for days, q in parts]))
    days = [day for day, _ in parts]
    assert lines["line_state"].tolist() == ["complete"]
    assert min(days) - 1e-6 <= lines["lead_time_days"][0] <= max(days) + 1e-6


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="orders lack columns.*status"):
        line_lead_times(orders(("p", "s", "d", 1, "open")).drop(columns="status"), receipts(("p", 1, 1)))
    twice = orders(("p", "s", "d", 1, "open"), ("p", "s", "d", 1, "open"))
    with pytest.raises(ValueError, match="more than once"):
        line_lead_times(twice, receipts(("p", 1, 1)))
