"""The whole company on disk: valid extracts, known time, late and corrected rows, exact stock."""

import hashlib
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from strata.home import REPOSITORY, Home
from strata.intake.contract import load_contracts
from strata.sample import build, generated, generator
from strata.sample.generator import generate
from tests.strata.sample.small import RULES, SPEC, digests, events, manifests, rows

FIRST, LAST = "2017-10", "2018-01"
CYCLES = ["2017-10", "2017-11", "2017-12", "2018-01"]


@pytest.fixture(scope="module")
def truth() -> generator.GroundTruth:
    return generate(replace(SPEC, dirty_share=0.02), seed=11)


@pytest.fixture(scope="module")
def company(truth: generator.GroundTruth) -> build.Company:
    return build.prepare(generated.as_demand(truth), RULES, seed=11)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, company: build.Company) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    for cycle in CYCLES:
        build.land_cycle(home, company, cycle, first_cycle=FIRST)
    return home


def test_a_second_build_gives_the_same_bytes(home: Home, truth: generator.GroundTruth, tmp_path: Path) -> None:
    again = build.land_generated(Home(tmp_path), truth, RULES, first_cycle=FIRST, through_cycle=LAST)
    assert digests(Home(tmp_path)) == digests(home)
    assert sum(feed.extracts for feed in again.feeds) == len(manifests(home))
    assert again.cycles == tuple(CYCLES)


def test_another_seed_gives_other_bytes_but_the_same_names(
    home: Home, truth: generator.GroundTruth, tmp_path: Path
) -> None:
    other = replace(truth, seed=12)
    build.land_generated(Home(tmp_path), other, RULES, first_cycle=FIRST, through_cycle=LAST)
    assert {name.split("/")[1] for name in digests(Home(tmp_path))} == {name.split("/")[1] for name in digests(home)}
    assert digests(Home(tmp_path)) != digests(home)


def test_landing_month_by_month_leaves_earlier_extracts_untouched(
    home: Home, company: build.Company, tmp_path: Path
) -> None:
    slow = Home(tmp_path)
    seen: dict[str, bytes] = {}
    for cycle in CYCLES:
        written = build.land_cycle(slow, company, cycle, first_cycle=FIRST)
        now = digests(slow)
        assert {name: now[name] for name in seen} == seen
        assert all(extract.is_new for extract in written)
        seen = now
    assert seen == digests(home)
    assert not any(e.is_new for cycle in CYCLES for e in build.land_cycle(slow, company, cycle, first_cycle=FIRST))


def test_manifests_hold_what_they_state(home: Home) -> None:
    contracts = load_contracts(REPOSITORY / "config" / "feeds")
    for folder, manifest in manifests(home):
        contract = contracts[manifest["system"], manifest["feed"]].at_version(manifest["schema_version"])
        assert folder.parts[-3:] == (manifest["system"], manifest["feed"], manifest["extract_id"])
        for file in manifest["files"]:
            data = (folder / file["name"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == file["sha256"] and len(data) == file["bytes"]
            if file["name"].endswith("csv"):
                table = pyarrow.csv.read_csv(folder / file["name"])
            elif file["name"].endswith("parquet"):
                table = pq.read_table(folder / file["name"])
            else:
                assert data.count(b"\n") == file["rows"]
                continue
            assert table.num_rows == file["rows"]
            assert table.column_names == contract.names
            for name, total in manifest["control_totals"].items():
                assert float(pc.sum(pc.cast(table[name], "double")).as_py() or 0) == pytest.approx(total, abs=0.001)


def test_every_feed_begins_with_one_initial_load_and_is_known_before_the_cut_off(home: Home) -> None:
    feeds = {(m["system"], m["feed"]) for _, m in manifests(home)}
    assert feeds == set(load_contracts(REPOSITORY / "config" / "feeds"))
    for system, feed in feeds:
        found = [m for _, m in manifests(home, f"{system}/{feed}")]
        assert {m["extract_id"][:7] for m in found if m["initial_load"]} == {FIRST}
        for manifest in found:
            taken = datetime.fromisoformat(manifest["extracted_at"])
            assert (taken.day, taken.hour, taken.tzinfo) == (2, build.EXTRACT_HOUR, UTC)
            assert manifest["business_date"] < manifest["extracted_at"][:10]
    assert {m["origin"] for _, m in manifests(home)} == {"simulated"}


def test_late_and_wrong_lines_arrive_as_declared(home: Home, truth: generator.GroundTruth) -> None:
    demand = generated.as_demand(truth)
    sent = rows(home, "erp/sales_order_lines")
    with duckdb.connect() as connection:
        connection.register("sent", sent)
        connection.register("expected", demand.lines)
        late = connection.sql(
            """select count(*) from sent where extract like '%2000Z' and extract > '2017-10-03'
            and ordered_at::timestamptz < (left(extract, 8) || '01')::date - interval 1 month"""
        ).fetchone()
        wrong = connection.sql("select count(*) from sent where extract like '%2005Z'").fetchone()
        # the last version of every line is the real one
        different = connection.sql(
            """with last as (
                select * from sent
                qualify row_number() over (partition by order_id, order_line order by extract desc) = 1
            )
            select count(*) from last full join expected using (order_id, order_line)
            where last.quantity::decimal(18, 4) is distinct from expected.quantity
               or last.net_amount::decimal(18, 4) is distinct from expected.net_amount
               or last.ordered_at::timestamptz is distinct from expected.ordered_at"""
        ).fetchone()
        corrected = connection.sql(
            """select count(*) from sent as wrong join sent as right_one using (order_id, order_line)
            where wrong.extract like '%2005Z' and right_one.extract like '%2000Z' and right_one.extract > wrong.extract
            and (wrong.quantity <> right_one.quantity or wrong.net_amount <> right_one.net_amount)"""
        ).fetchone()
    assert late is not None and wrong is not None and different is not None and corrected is not None
    assert different[0] == 0
    assert wrong[0] == corrected[0] > 0
    month_lines = demand.lines.num_rows / 24
    assert 0.4 < late[0] / (3 * month_lines * (RULES.late_share + RULES.misbooked_share)) < 1.8


def test_stock_is_stock_before_plus_receipts_less_sales(home: Home) -> None:
    """From the landed files alone, to the unit, for every item-location and week."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'America/New_York'")
        connection.register("sent", rows(home, "erp/sales_order_lines"))
        connection.register("receipt", rows(home, "erp/goods_receipts"))
        connection.register("snapshot", rows(home, "wms/stock_snapshots"))
        wrong, weeks, empty, contradicted = connection.sql(
            """with sale as (
                select * from sent
                qualify row_number() over (partition by order_id, order_line order by extract desc) = 1
            ), move as (
                select sku_id, location_id, ordered_at::timestamptz::date as day, -quantity::decimal(18, 4) as units
                from sale
                union all select sku_id, location_id, received_at::date, quantity from receipt
            ), week as (
                select sku_id, location_id, snapshot_date, on_hand_units, stockout_days,
                    lag(on_hand_units) over (partition by sku_id, location_id order by snapshot_date) as before
                from snapshot
            ), change as (
                select week.*, coalesce(sum(units), 0) as moved,
                    7 - count(distinct day) filter (units < 0) as free_days
                from week left join move on move.sku_id = week.sku_id and move.location_id = week.location_id
                    and move.day > snapshot_date - 7 and move.day <= snapshot_date
                where before is not null group by all
            )
            select count(*) filter (on_hand_units <> before + moved), count(*), avg((stockout_days > 0)::int),
                count(*) filter (stockout_days > free_days) from change"""
        ).fetchone() or (1, 0, 0, 1)
    assert (wrong, contradicted) == (0, 0)
    assert weeks > 2000 and 0 < empty < 0.06


def test_order_changes_close_duplicate_delete_and_arrive_late(home: Home) -> None:
    found = events(home)
    by_key: dict[tuple[str, int], dict[int, dict]] = {}
    for _, event in found:
        row = event["after"] or event["before"]
        by_key.setdefault((row["po_id"], row["po_line"]), {})[event["source"]["lsn"]] = event
    distinct = sum(len(log) for log in by_key.values())
    assert len(found) - distinct == RULES.duplicate_events * len(CYCLES)
    ops = Counter("".join(log[lsn]["op"] for lsn in sorted(log)) for log in by_key.values())
    assert set(ops) == {"c", "cu", "cud"} and ops["cu"] > 20 * ops["c"] / 10
    # within each extract the update that the delete overtook stands behind it
    for extract in {name for name, _ in found}:
        log = [event for name, event in found if name == extract]
        position = {(e["op"], (e["after"] or e["before"])["po_id"]): i for i, e in reversed(list(enumerate(log)))}
        withdrawn = [key[1] for key in position if key[0] == "d"]
        assert withdrawn and all(position["u", po] > position["d", po] for po in withdrawn)
    moments = [(e["source"]["lsn"], e["ts_ms"]) for log in by_key.values() for e in log.values()]
    assert sorted(moments) == sorted(moments, key=lambda pair: (pair[1], pair[0]))
    last = {key: log[max(log)] for key, log in by_key.items()}
    receipts = rows(home, "erp/goods_receipts").to_pylist()
    arrived: Counter[tuple[str, int]] = Counter()
    for row in receipts:
        arrived[row["po_id"], row["po_line"]] += row["quantity"]
    for key, event in last.items():
        if event["op"] == "d":
            assert key not in arrived
        elif event["after"]["status"] == "closed":
            assert float(arrived[key]) == float(event["after"]["quantity"])
        elif event["after"]["status"] == "cancelled":
            assert key not in arrived
        else:
            assert float(arrived[key]) < float(event["after"]["quantity"])


def test_item_master_says_nothing_that_could_not_be_known(home: Home) -> None:
    """End dates have passed, and the list price is the price condition of the last month before the extract."""
    masters: dict[str, dict[str, dict]] = {}
    for row in rows(home, "erp/items").to_pylist():
        masters.setdefault(row["extract"], {})[row["sku_id"]] = row
        assert (row["status"] == "phase_out") == (row["end_date"] is not None)
        assert row["end_date"] is None or row["end_date"] <= row["extract"][:8] + "01"
    assert len(masters) == 4 and all(len(known) == SPEC.items for known in masters.values())
    conditions = sorted(rows(home, "erp/price_conditions").to_pylist(), key=lambda row: row["valid_from"])
    for extract, known in masters.items():
        price = {row["sku_id"]: row["unit_price"] for row in conditions if row["valid_from"] < extract[:8] + "01"}
        assert {sku: row["list_price"] for sku, row in known.items() if row["list_price"]} == price


def test_cycles_outside_the_demand_are_refused(company: build.Company, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="take cycles from 2016-02 to 2018-01"):
        build.land_cycle(Home(tmp_path), company, "2018-02", first_cycle=FIRST)
    with pytest.raises(ValueError, match="does not fit the demand"):
        build.land_cycle(Home(tmp_path), company, "2017-09", first_cycle=FIRST)


def test_build_by_name_reports_what_it_wrote(tmp_path: Path) -> None:
    found = build.build(
        Home(tmp_path), demand="generator", items=3, seed=1, first_cycle="2017-12", through_cycle="2017-12"
    )
    assert (found.items, found.item_locations, found.cycles) == (3, 18, ("2017-12",))
    for feed in found.feeds:
        on_disk = [m for _, m in manifests(Home(tmp_path), f"{feed.system}/{feed.feed}")]
        assert feed.rows == sum(file["rows"] for m in on_disk for file in m["files"])
    with pytest.raises(ValueError, match="--items does not go with the panel"):
        build.open_demand("some.csv", items=3, seed=1)
    assert json.loads(next(tmp_path.rglob("manifest.json")).read_text())["initial_load"] is True
