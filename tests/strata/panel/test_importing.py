"""A panel becomes landing extracts, this home's configuration, and named refusals."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from strata.home import Home
from strata.intake.contract import load_contracts
from strata.intake.land import land
from strata.panel.importing import ImportReport, import_panel
from strata.panel.mapping import MapError
from strata.panel.reading import PanelError
from strata.scheme.load import SchemeRegister
from tests.strata.panel.companies import BASE, HEADER, panel_map, steady, write_panel

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REGIONS = {"CA": {"name": "California", "time_zone": "America/Los_Angeles"}, "TX": {"name": "Texas"}}


def imported(tmp_path: Path, lines: list[str], header: str = HEADER, **changes: object) -> tuple[Home, ImportReport]:
    home = Home(tmp_path / "home")
    return home, import_panel(home, write_panel(tmp_path / "panel.csv", lines, header), panel_map(**changes), now=NOW)


def landed(home: Home) -> dict[str, pa.Table]:
    """Good rows of every feed after landing, all extracts together."""
    result = land(home, load_contracts(home.config / "feeds"), now=NOW)
    assert result.counts == {"accepted": len(result.extracts)}
    assert sum(extract.refused_rows for extract in result.extracts) == 0
    found: dict[str, list[pa.Table]] = {}
    for extract in result.extracts:
        folder = home.raw / extract.system / extract.feed / str(extract.batch_id)
        found.setdefault(f"{extract.system}/{extract.feed}", []).append(pq.read_table(folder / "rows.parquet"))
    return {feed: pa.concat_tables(tables) for feed, tables in found.items()}


@pytest.mark.capability("2.2", part="any demand panel becomes landing extracts by a map")
def test_every_row_arrives_with_its_money_its_time_and_its_place_in_the_file(tmp_path: Path) -> None:
    home, report = imported(tmp_path, steady(), regions=REGIONS)
    assert (report.rows, report.refused, report.item_locations, report.idle_item_locations) == (192, {}, 8, 0)
    assert report.cycles == ("2015-12", "2016-01")
    rows = landed(home)
    sales = rows["erp/sales_order_lines"].sort_by([("order_line", "ascending")]).to_pylist()
    assert [row["order_line"] for row in sales] == list(range(1, 193))
    source = [line.split(",") for line in steady()]
    for row, line in zip(sales, source, strict=True):
        assert (row["sku_id"], row["location_id"], row["order_id"]) == (line[0], line[1], "panel.csv#0000")
        assert row["quantity"] == Decimal(line[3])
        assert row["net_amount"] == Decimal(line[3]) * Decimal(line[4])
    january = [row for row in sales if row["ordered_at"].strftime("%Y-%m") == "2014-01"]
    # A row stands for its whole month: it is known a day after the month, by the clock of its region.
    assert {(row["location_id"], row["ordered_at"].isoformat(), row["_known_from"].isoformat()) for row in january} == {
        ("S1", "2014-01-31T20:00:00+00:00", "2014-02-01T20:00:00+00:00"),
        ("S2", "2014-01-31T18:00:00+00:00", "2014-02-01T18:00:00+00:00"),
    }
    assert {row["_known_basis"] for row in sales} == {"assumed"}
    sites = {row["location_id"]: row["region"] for row in rows["wms/sites"].to_pylist()}
    assert sites == {"S1": "CA", "S2": "TX"}


def test_extracts_come_before_the_cut_off_of_their_cycle_and_hold_what_was_known(tmp_path: Path) -> None:
    home, report = imported(tmp_path, steady(), regions=REGIONS)
    manifests = {
        path.parent.name: json.loads(path.read_bytes())
        for path in sorted((home.landing / "erp" / "sales_order_lines").glob("*/manifest.json"))
    }
    # The cut-off is 06:00 of the third in each region; Texas comes first.
    assert list(manifests) == ["2015-12-03T1100Z", "2016-01-03T1100Z"]
    assert [m["files"][0]["rows"] for m in manifests.values()] == [184, 8]
    assert {m["initial_load"] for m in manifests.values()} == {True}
    assert {m["grain"] for m in manifests.values()} == {"month"}
    assert {(e.system, e.feed) for e in report.extracts} == {
        ("erp", "sales_order_lines"), ("erp", "items"), ("wms", "sites"),
    }  # fmt: skip


def test_the_home_gets_regions_calendar_feeds_and_a_scheme_of_its_own(tmp_path: Path) -> None:
    home, _ = imported(tmp_path, steady(), regions=REGIONS)
    assert home.config == home.root / "config"
    calendar = home.calendar()
    assert calendar.first_cycle == "2015-12"
    assert {r.region: (r.name, r.time_zone) for r in calendar.regions} == {
        "CA": ("California", "America/Los_Angeles"), "TX": ("Texas", "America/Chicago"),
    }  # fmt: skip
    (file,) = SchemeRegister.load(home.config / "schemes").files
    assert (file.scheme.version, file.scheme.class_level) == ("shop.1", "location")
    assert ("erp", "sales_order_lines") in load_contracts(home.config / "feeds")


@pytest.mark.capability("2.2", part="a bad row of a panel is kept with file, row, column and reason; the rest goes on")
def test_bad_rows_go_to_quarantine_and_no_file_is_lost_for_one(tmp_path: Path) -> None:
    bad = {
        "I0,S1,2014-13-01,5,2.50,CA": ("day", "not_a_date"),
        "I0,S1,01.02.2014,5,2.50,CA": ("day", "not_a_date"),
        'I1,S1,2014-03-01,"1,5",2.50,CA': ("sold", "not_a_number"),
        "I1,S1,2014-04-01,-3,2.50,CA": ("sold", "out_of_range"),
        "I1,S1,2014-05-01,NaN,2.50,CA": ("sold", "not_a_number"),
        "I2,S1,2014-06-01,5,,CA": ("price", "missing_value"),
        ",S1,2014-07-01,5,2.50,CA": ("item", "empty_key"),
        "I3,S1,2014-08-01,5,2.50,NY": ("state", "not_allowed"),
        "I3,S1,2014-09-01,5,2.50,TX": ("state", "region_differs"),
        "I3,S1,2031-09-01,5,2.50,CA": ("day", "out_of_range"),
        "I9,S1,2014-10-01,5,2.50,CA": ("item", "duplicate_key"),
        "I9,S1,2014-10-01,6,2.50,CA": ("item", "duplicate_key"),
    }
    good = [f"I{item},S1,{line[6:16]},7,2.50,CA" for item in (5, 6) for line in steady(items=1) if "S1" in line]
    lines = [*list(bad), *good, good[-1]]
    home, report = imported(tmp_path, lines, regions=REGIONS)
    assert (report.rows, report.duplicates) == (len(lines), 1)
    assert sum(report.refused.values()) == len(bad)
    assert report.quarantine is not None
    told = [json.loads(line) for line in report.quarantine.read_text().splitlines()]
    assert [(row["row"], BASE["columns"][row["column"]], row["reason"]) for row in told] == [
        (number, column, reason) for number, (column, reason) in enumerate(bad.values(), start=1)
    ]
    assert {row["file"] for row in told} == {"panel.csv"}
    assert told[2]["record"]["quantity"] == "1,5"
    assert report.quarantine.is_relative_to(home.quarantine)
    assert landed(home)["erp/sales_order_lines"].num_rows == len(good)


def test_incomplete_periods_are_dropped_and_zeros_say_that_nothing_was_asked_for(tmp_path: Path) -> None:
    lines = [*steady(), "I7,S1,2015-12-01,0,2.50,CA", "I0,S1,2016-01-01,3,2.50,CA"]
    home, report = imported(tmp_path, lines, drop={"before": "2014-02-01", "after": "2015-12-31"})
    assert (report.dropped_rows, report.zero_rows, report.idle_item_locations) == (9, 1, 1)
    assert report.dropped_units == 2 * sum(10 + item for item in range(4)) + 3
    rows = landed(home)["erp/sales_order_lines"]
    assert rows.num_rows == 192 - 8
    assert report.first_day.isoformat() == "2014-02-01"
    assert "I7" in landed_items(home)


def landed_items(home: Home) -> list[str]:
    files = (home.raw / "erp" / "items").glob("*/rows.parquet")
    return sorted({sku for file in files for sku in pq.read_table(file)["sku_id"].to_pylist()})


def test_a_cost_that_is_assumed_is_marked_assumed(tmp_path: Path) -> None:
    home, _ = imported(tmp_path, steady(), unit_cost={"share_of_price": 0.6}, lead_time_days=9)
    rows = landed(home)
    items = {row["sku_id"]: row for row in rows["erp/items"].to_pylist()}
    assert items["I1"]["standard_cost"] == Decimal("2.1000")  # 0.6 x 3.50
    assert {row["_origin"] for row in items.values()} == {"assumed"}
    assert {row["_origin"] for row in rows["erp/sales_order_lines"].to_pylist()} == {"real"}
    terms = rows["erp/supplier_items"].to_pylist()
    assert {(row["supplier_id"], row["planned_lead_time_days"], row["_origin"]) for row in terms} == {
        ("ASSUMED", 9, "assumed")
    }


def test_stock_outs_promotions_and_customers_become_feeds_of_their_own(tmp_path: Path) -> None:
    header = f"{HEADER},here,deal,buyer"
    lines = [
        f"{line},{'0' if '2014-03' in line else '1'},{'SPRING' if '2014-05' in line else ''},B1" for line in steady()
    ]
    columns = BASE["columns"] | {"in_stock": "here", "promotion": "deal", "customer_id": "buyer"}
    home, _ = imported(tmp_path, lines, header, columns=columns)
    rows = landed(home)
    empty = rows["wms/stock_snapshots"].to_pylist()
    assert len(empty) == 8
    assert {(str(r["snapshot_date"]), r["stockout_days"], r["days_covered"]) for r in empty} == {("2014-03-31", 31, 31)}
    deals = rows["crm/promotions"].to_pylist()
    assert {(r["promotion_id"], str(r["starts_on"]), str(r["ends_on"])) for r in deals} == {
        ("SPRING@2014-05-31", "2014-05-01", "2014-05-31")
    }
    assert {r["customer_id"] for r in rows["erp/customers"].to_pylist()} == {"B1"}


def test_parquet_folders_and_foreign_formats_are_read_alike(tmp_path: Path) -> None:
    csv = write_panel(tmp_path / "panel.csv", steady())
    table = pyarrow.csv.read_csv(csv)
    (tmp_path / "parts").mkdir()
    for number in range(2):
        pq.write_table(table.slice(number * 96, 96), tmp_path / "parts" / f"part {number}.parquet")
    cells = [line.split(",") for line in steady()]
    german = [
        ";".join([item, store, ".".join(reversed(day.split("-"))), sold, price.replace(".", ","), state])
        for item, store, day, sold, price, state in cells
    ]
    write_panel(tmp_path / "german.csv", german, HEADER.replace(",", ";"))
    form = {"delimiter": ";", "date": "%d.%m.%Y", "decimal": "comma"}
    sums = []
    for name, changes in (("panel.csv", {}), ("parts", {}), ("german.csv", {"format": form})):
        home = Home(tmp_path / f"home-{name}")
        report = import_panel(home, tmp_path / name, panel_map(**changes), now=NOW)
        assert (report.rows, report.refused) == (192, {}), name
        keys = ["sku_id", "location_id", "ordered_at"]
        rows = landed(home)["erp/sales_order_lines"].sort_by([(key, "ascending") for key in keys])
        sums.append(rows.select([*keys, "quantity", "net_amount"]).to_pydict())
    assert sums[0] == sums[1] == sums[2]


def test_an_import_may_be_repeated_but_not_into_another_company(tmp_path: Path) -> None:
    home, first = imported(tmp_path, steady())
    landed(home)
    again = import_panel(home, tmp_path / "panel.csv", panel_map(), now=NOW)
    assert again == first
    assert land(home, load_contracts(home.config / "feeds"), now=NOW).counts == {"duplicate": len(first.extracts)}
    with pytest.raises(MapError, match="has accepted other extracts; import into a new one"):
        import_panel(home, tmp_path / "panel.csv", panel_map(currency="EUR"), now=NOW)


@pytest.mark.parametrize(
    ("lines", "header", "changes", "told"),
    [
        (steady(), "item,store,day,sold,price,country", {}, r"column state: columns \['state'\] are missing"),
        (["I0,S1,2014-01-01,0,1.00,CA"], HEADER, {}, "no row with a quantity above 0 is good"),
        (["I0,S1,nonsense,1,1.00,CA"], HEADER, {}, "row 1, column date: 'nonsense', not_a_date"),
        (steady(2), HEADER, {"cycles": 3}, "serve cycles 2014-02 to 2014-03; 3 up to 2014-03 begin in 2014-01"),
        (steady(), HEADER, {"last_cycle": "2016-05"}, "2 up to 2016-05 begin in 2016-04: ask for fewer"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_is_said_in_a_sentence(
    lines: list[str], header: str, changes: dict[str, object], told: str, tmp_path: Path
) -> None:
    with pytest.raises((PanelError, MapError), match=told):
        imported(tmp_path, lines, header, **changes)
    assert not (tmp_path / "home" / "config").exists()


def test_a_file_that_is_no_panel_is_named(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with pytest.raises(PanelError, match="no such panel"):
        import_panel(home, tmp_path / "none.csv", panel_map(), now=NOW)
    (tmp_path / "panel.xlsx").write_text("x")
    with pytest.raises(PanelError, match=r"a panel ends in \.csv"):
        import_panel(home, tmp_path / "panel.xlsx", panel_map(), now=NOW)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(PanelError, match=r"broken\.parquet"):
        import_panel(home, tmp_path / "broken.parquet", panel_map(), now=NOW)
