"""Any demand panel: read, checked, and good enough for the same builder."""

from datetime import date
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from strata.home import Home
from strata.panel.reading import PanelError
from strata.sample import assumptions, build
from strata.sample.panel import read_demand
from tests.strata.sample.small import rows

HEADER = "sku_id,location_id,date,quantity,unit_price,region"
WEEKS = [f"2016-{month:02d}-{day:02d}" for month in range(1, 13) for day in (4, 11, 18, 25)]


def panel(tmp_path: Path, lines: list[str], header: str = HEADER) -> Path:
    path = tmp_path / "panel.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_a_panel_becomes_lines_items_and_sites(tmp_path: Path) -> None:
    rows = [f"0{item},L{place},{day},{item + 1},2.50,R{place}" for day in WEEKS for item in (1, 2) for place in (1, 2)]
    rows.append("01,L1,2016-12-31,0,2.50,R1")
    demand = read_demand(panel(tmp_path, rows))
    assert demand.lines.num_rows == len(rows) - 1
    assert demand.items["sku_id"].to_pylist() == ["01", "02"]
    assert demand.sites.select(["location_id", "region"]).to_pylist() == [
        {"location_id": "L1", "region": "R1"},
        {"location_id": "L2", "region": "R2"},
    ]
    assert (demand.first_day, demand.last_day) == (date(2016, 1, 4), date(2016, 12, 25))
    assert float(pc.sum(demand.lines["quantity"]).as_py()) == 48 * 2 * (2 + 3)
    assert float(pc.sum(demand.lines["net_amount"]).as_py()) == 48 * 2 * (2 + 3) * 2.5
    company = build.prepare(demand, assumptions.SHIPPED, seed=1)
    extracts = build.land_cycle(Home(tmp_path), company, "2016-10", first_cycle="2016-10")
    assert company.item_locations == 4
    assert {e.manifest["origin"] for e in extracts if e.manifest["feed"] == "sales_order_lines"} >= {"real"}


def test_parquet_and_optional_columns_are_read(tmp_path: Path) -> None:
    header = f"{HEADER},category,order_id,order_line,channel,currency"
    path = panel(tmp_path, ["A,L,2016-01-04,1.5,2,R,TOYS,O1,2,web,EUR"], header)
    pq.write_table(pyarrow.csv.read_csv(path), tmp_path / "panel.parquet")
    for source in (path, tmp_path / "panel.parquet"):
        demand = read_demand(source)
        (row,) = demand.lines.to_pylist()
        assert (row["order_id"], row["order_line"], row["channel"], row["currency"]) == ("O1", 2, "web", "EUR")
        assert (float(row["quantity"]), float(row["net_amount"])) == (1.5, 3.0)
        assert demand.items["category"].to_pylist() == ["TOYS"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["A,L,2016-01-04,1,2,R", "A,L,04.01.2016,1,2,R"], r"row 2, column date: '04\.01\.2016' is refused"),
        (["A,L,2016-01-04,\"1,5\",2,R", "B,L,2016-01-04,1,2,R"], r"row 1, column quantity: '1,5' is refused"),
        (["A,L,2016-01-04,1,x,R", "B,L,2016-01-04,1,2,R"], "row 1, column unit_price"),
        ([",L,2016-01-04,1,2,R", "B,L,2016-01-04,1,2,R"], r"row 1, column sku_id: None is refused \(empty_key"),
        (["A,L,2016-01-04,1,2,R", "B,L,2016-01-04,1,2,S"], r"row 1, column region: 'R' is refused \(region_differs"),
        (["A,L,2016-01-04,0,2,R"], "no row with a quantity above 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_row_and_column(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(PanelError, match=message):
        read_demand(panel(tmp_path, lines))


def test_a_missing_column_or_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PanelError, match="column unit_price, region is missing"):
        read_demand(panel(tmp_path, ["A,L,2016-01-04,1"], "sku_id,location_id,date,quantity"))
    with pytest.raises(PanelError, match="no such file"):
        read_demand(tmp_path / "nothing.csv")


def test_list_prices_are_those_of_the_month_before_the_extract(tmp_path: Path) -> None:
    lines = [f"A,L,{day},3,{int(day[5:7])}.00,R" for day in WEEKS]
    company = build.prepare(read_demand(panel(tmp_path, lines)), assumptions.SHIPPED, seed=1)
    for cycle in ("2016-10", "2016-11", "2016-12"):
        build.land_cycle(Home(tmp_path), company, cycle, first_cycle="2016-10")
    master = {row["extract"][:7]: float(row["list_price"]) for row in rows(Home(tmp_path), "erp/items").to_pylist()}
    assert master == {"2016-10": 9.0, "2016-11": 10.0, "2016-12": 11.0}
    prices = rows(Home(tmp_path), "erp/price_conditions", "2016-11-*").to_pylist()
    assert [(row["valid_from"], row["valid_to"], float(row["unit_price"])) for row in prices] == [
        ("2016-10-01", "2016-10-31", 10.0)
    ]
