"""Facts of the real demand, and what is declared about it."""

from importlib import metadata
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from strata.home import REPOSITORY, Home
from strata.sample import build, completejourney
from strata.sample.completejourney import PACKAGE, SHIPPED, SampleSourceError, read_demand, source_file
from strata.sample.demand import Demand, local_days
from strata.sample.extracts import as_scaled
from strata.scheme.load import load_scheme
from tests.strata.sample.small import digests, rows


def is_installed() -> bool:
    try:
        metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        return False
    return True


real = pytest.mark.skipif(not is_installed(), reason=f"{PACKAGE} is not installed (extra demo)")


@pytest.fixture(scope="module")
def everything() -> Demand:
    return read_demand(items=None, seed=7, spec=SHIPPED)


def test_a_missing_package_is_named_with_its_extra() -> None:
    with pytest.raises(SampleSourceError, match=r"no-such-package.*pip install 'strata\[demo\]'"):
        source_file("transactions", package="no-such-package")
    with pytest.raises(SampleSourceError, match=r"pytest holds no transactions\.parquet"):
        source_file("transactions", package="pytest")


@real
def test_facts_of_the_data(everything: Demand) -> None:
    lines = everything.lines
    assert lines.num_rows == 1_469_307
    assert pc.count_distinct(lines["sku_id"]).as_py() == 68_509
    assert int((as_scaled(lines["quantity"]) <= 0).sum()) == 8_869
    known = pc.is_in(lines["sku_id"], value_set=everything.items["sku_id"].combine_chunks())
    assert pc.sum(pc.invert(known)).as_py() == 4_836
    assert everything.items.num_rows == 68_509 - 17
    assert everything.customers.num_rows == 457
    assert pc.count_distinct(lines["order_id"]).as_py() == 155_848
    keys = lines.group_by(["order_id", "order_line"]).aggregate([([], "count_all")])
    assert keys.num_rows == lines.num_rows
    with duckdb.connect() as connection:
        path = source_file("transactions", package=PACKAGE)
        total = connection.sql(f"select sum(round(sales_value * 100)::bigint) * 100 from '{path}'").fetchone()
    assert total is not None and int(as_scaled(lines["net_amount"]).sum()) == total[0]


@real
def test_time_stamps_are_utc_of_weeks_cut_at_new_york_midnight(everything: Demand) -> None:
    """The file's own week numbers are exactly the Monday weeks of local time; read as local time they are not."""
    path = source_file("transactions", package=PACKAGE)
    with duckdb.connect() as connection:
        raw = connection.sql(f"select week, transaction_timestamp as at from '{path}'").to_arrow_table()
    monday = np.datetime64(completejourney.FIRST_WEEK_MONDAY, "D")
    local = pc.assume_timezone(raw["at"], "UTC").cast(pa.timestamp("us", "America/New_York"))
    weeks = (local_days(local) - monday.astype(np.int64)) // 7 + 1
    assert (weeks == raw["week"].to_numpy()).all()
    naive = (raw["at"].to_numpy().astype("datetime64[D]") - monday).astype(np.int64) // 7 + 1
    assert (naive != raw["week"].to_numpy()).sum() > 10_000
    days = local_days(everything.lines["ordered_at"])
    assert (days.min(), days.max()) == (
        np.datetime64("2017-01-01").astype(int),
        np.datetime64("2017-12-31").astype(int),
    )


@real
def test_the_scheme_excludes_what_holds_nearly_all_units(everything: Demand) -> None:
    scheme = load_scheme(REPOSITORY / "config" / "schemes" / "2017.1.yml").scheme
    with duckdb.connect() as connection:
        connection.register("line", everything.lines)
        connection.register("item", everything.items)
        excluded = " or ".join(
            f"coalesce({rule.column} in ({', '.join(repr(value) for value in rule.values)}), false)"
            for rule in scheme.exclusions
        )
        share, left, misc = connection.sql(
            f"""select sum(quantity) filter ({excluded}) / sum(quantity), sum(quantity) filter (not ({excluded})),
                sum(quantity) filter (family = 'COUPON/MISC ITEMS') / sum(quantity)
            from line join item using (sku_id)"""
        ).fetchone() or (0, 0, 0)
    assert round(float(misc), 3) == 0.987
    assert 0.987 < float(share) < 0.988
    assert float(left) == pytest.approx(1.895e6, rel=0.002)
    values = {(rule.column, value) for rule in scheme.exclusions for value in rule.values}
    departments = {("category", value) for value in SHIPPED.not_stocked_departments}
    assert values == departments | {("family", value) for value in SHIPPED.not_stocked_categories}


@real
def test_stores_are_dealt_out_evenly_and_promotions_lie_in_local_weeks(everything: Demand) -> None:
    with duckdb.connect() as connection:
        connection.register("line", everything.lines)
        connection.register("promotion", everything.promotions)
        per_location = connection.sql(
            "select location_id, count(distinct customer_id), sum(net_amount) from line group by 1 order by 1"
        ).fetchall()
        wrong = connection.sql(
            "select count(*) from promotion where isodow(starts_on) <> 1 or ends_on <> starts_on + 6"
        ).fetchone()
    assert [row[0] for row in per_location] == [f"DC-{r}-{n}" for r in ("CENTRAL", "EAST", "WEST") for n in (1, 2)]
    assert {row[1] for row in per_location} <= {76, 77}
    revenue = [float(row[2]) for row in per_location]
    assert max(revenue) / min(revenue) < 1.25
    assert wrong == (0,)


@real
def test_fewer_items_are_the_top_with_a_tail_of_every_stratum() -> None:
    demand = read_demand(items=200, seed=7, spec=SHIPPED)
    with duckdb.connect() as connection:
        connection.register("line", demand.lines)
        connection.register("item", demand.items)
        stocked = connection.sql(
            """select sku_id, sum(net_amount) as revenue, count(distinct date_trunc('week', ordered_at)) as weeks
            from line join item using (sku_id) where quantity > 0
            and category not in ('FUEL', 'MISCELLANEOUS', 'COUPON')
            and coalesce(family not in ('COUPON/MISC ITEMS', 'COUPON'), true)
            group by sku_id order by revenue desc"""
        ).fetchall()
    assert len(stocked) == 200
    tail = [row[2] for row in stocked[160:]]
    # in all the data 38 % of items sell in one week, 11 % in more than twenty
    assert 8 <= sum(weeks == 1 for weeks in tail) <= 22
    assert all(any(low < weeks <= high for weeks in tail) for low, high in ((0, 1), (1, 3), (3, 8), (8, 20), (20, 54)))
    other = read_demand(items=200, seed=8, spec=SHIPPED)
    assert not demand.items.equals(other.items)
    shares = (as_scaled(demand.lines["quantity"]) <= 0).mean()
    assert shares < 0.008
    with pytest.raises(ValueError, match="ask for at least one item"):
        read_demand(items=0, seed=7, spec=SHIPPED)


@real
def test_a_small_company_on_real_demand(tmp_path: Path) -> None:
    """Everything real arrives, marked as real; stock-outs are rare but there; a rerun gives the same bytes."""
    first, second = Home(tmp_path / "a"), Home(tmp_path / "b")
    terms = {"demand": "completejourney", "items": 60, "seed": 3, "first_cycle": "2017-10", "through_cycle": "2018-01"}
    report = build.build(first, **terms)  # type: ignore[arg-type]
    build.build(second, **terms)  # type: ignore[arg-type]
    assert digests(first) == digests(second)
    origins = {(feed.feed, feed.origin) for feed in report.feeds}
    assert {feed for feed, origin in origins if origin == "real"} == {"sales_order_lines", "promotions"}
    assert ("sales_order_lines", "simulated") in origins
    real_lines = next(f for f in report.feeds if (f.feed, f.origin) == ("sales_order_lines", "real"))
    assert real_lines.rows == report.sales_lines == read_demand(items=60, seed=3, spec=SHIPPED).lines.num_rows
    snapshots = rows(first, "wms/stock_snapshots")
    empty = (snapshots["stockout_days"].to_numpy() > 0).mean()
    assert 0.002 < empty < 0.05
    assert pc.min(snapshots["on_hand_units"]).as_py() == 0
