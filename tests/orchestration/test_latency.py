"""Latency and cadence of a company that lived: figures worked out again from what the home keeps."""

import json

import duckdb
import numpy as np
import pandas as pd
import pytest

from strata.durable import read_parquet
from strata.governance.releases import current_release
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.partition import Partition
from strata.tables import FEED_LATENCY, SEGMENT_CADENCE
from tests.orchestration.story import Story

HOUR = pd.Timedelta(hours=1)


def rows(home: Home, key: str, table: str) -> pd.DataFrame:
    candidate = GovernanceStore(home).candidate(Partition.from_key(key))
    assert candidate is not None
    return read_parquet(home.root / candidate.tables[table].path).to_pandas()


@pytest.mark.capability("2.7", part="source to class of a company that lived")
def test_hours_from_sale_to_class_are_those_of_the_snapshot(lived: Story) -> None:
    key = "2026-06|EMEA"
    candidate = lived.store.candidate(Partition.from_key(key))
    assert candidate is not None
    folder = lived.end.snapshot(candidate.snapshot_id)
    region = lived.end.calendar()
    cutoff, before = (pd.Timestamp(region.cutoff(cycle, "EMEA")) for cycle in ("2026-06", "2026-05"))
    zone = region.zone("EMEA")
    batches = json.loads((folder / "snapshot.json").read_bytes())["batches"]
    taken = {batch["batch_id"]: pd.Timestamp(batch["extracted_at"]) for batch in batches}
    sales = read_parquet(folder / "fct_sales_line" / "fct_sales_line.parquet").to_pandas()
    places = read_parquet(folder / "int_location_version" / "int_location_version.parquet").to_pandas()
    sales = sales[sales["location_id"].isin(places.loc[places["region"] == "EMEA", "location_id"])]
    sales = sales.sort_values("known_from").drop_duplicates(["order_id", "order_line"])
    month = sales["ordered_at"].dt.tz_convert(zone).dt.strftime("%Y-%m")
    fresh = (month == "2026-05") | ((month < "2026-05") & (sales["known_from"] > before))
    own = sales[fresh & (sales["known_from"] <= cutoff) & (sales["known_basis"] != "assumed")]
    assert len(own)
    known = own["known_from"] - own["ordered_at"]
    extracted = own["source_batch_id"].map(taken)
    found = rows(lived.end, key, "feed_latency").set_index("feed").loc["sales_order_lines"]
    assert found["measured_rows"] == len(own)
    for name, hours in (
        ("event_to_known", known / HOUR),
        ("event_to_class", (cutoff - own["ordered_at"]) / HOUR),
        ("extracted_to_class", (cutoff - extracted) / HOUR),
    ):
        for percent in (50, 95):
            wanted = np.quantile(hours, percent / 100, method="inverted_cdf")
            assert found[f"{name}_p{percent}_hours"] == pytest.approx(wanted, abs=2 / 60), name  # whole minutes
    late = known / HOUR > found["normal_lag_hours"]
    missed = (month[own.index] < "2026-05") | (extracted > cutoff)
    assert (found["late_share"], found["missed_share"]) == (pytest.approx(late.mean()), pytest.approx(missed.mean()))


@pytest.mark.capability("2.7", part="staleness of a company that lived")
def test_what_changed_in_a_month_is_what_the_cycles_decided(lived: Story) -> None:
    """Back-cast classes are those that were decided where nothing but the items' own data decided."""
    now, before = (rows(lived.end, f"{cycle}|EMEA", "segment_assignment") for cycle in ("2026-06", "2026-05"))
    both = now.merge(before, on=["sku_id", "location_id"], suffixes=("", "_before"))
    both = both[(both["fallback_level"] == "own") & (both["fallback_level_before"] == "own")]
    found = rows(lived.end, "2026-06|EMEA", "segment_cadence")
    every = found[(found["segment"] == "*") & (found["delay_days"] == 30)].iloc[0]
    assert every["items"] == len(both)
    # A day less is still in the same month: no class is another one.
    day = found[(found["delay_days"] == 1) & (found["pairs"] > 0)]
    assert len(day)
    assert (day["changed_share"] == 0).all() and (day["cost_share"].dropna() == 0).all()
    assert set(found["segment"]) == {"*", *(v + x for v in "ABCU" for x in "XYZU")}
    unseen = found[found["pairs"] == 0]
    assert unseen[["changed_share", "cost_share", "is_tolerated"]].isna().all(axis=None)
    nothing = found.groupby("segment")["pairs"].transform("sum") == 0
    assert (found.loc[nothing, "decision_reason"] == "insufficient_history:no_item_compared").all()
    assert found.loc[nothing, "recommended_cadence_days"].isna().all()


def test_both_tables_are_published_whole(lived: Story) -> None:
    release = current_release(lived.end)
    assert release is not None
    with duckdb.connect(str(lived.end.release(release) / "strata.duckdb"), read_only=True) as connection:
        for table in (FEED_LATENCY, SEGMENT_CADENCE):
            columns = [row[0] for row in connection.execute(f"describe {table.name}").fetchall()]
            assert columns == [*table.names, "release_id"]
        regions = connection.execute("select distinct region from feed_latency order by 1").fetchall()
    assert regions == [("APAC",), ("EMEA",)]
