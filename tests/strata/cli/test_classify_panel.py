"""`strata classify --panel`: classes of one file of demand, against the golden company and by hand; what it refuses."""

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest

from strata.tables import DEMAND_PROFILE, SEGMENT_ASSIGNMENT
from tests.golden import company
from tests.strata.cli.conftest import Said, Strata

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
SHIPPED = Path(__file__).resolve().parents[3] / "config/schemes/2017.1.yml"
HEADER = "sku_id,date,quantity"


def classify(
    strata: Strata, file: Path, *more: str, out: str = "out.csv"
) -> tuple[Said, dict[tuple[str, str], dict[str, Any]]]:
    target = file.parent / out
    said = strata(file.parent / "no-home", "classify", "--panel", str(file), "--out", str(target), *more)
    if not target.exists():
        return said, {}
    if out.endswith(".parquet"):
        rows = pq.read_table(target).to_pylist()
    else:
        with target.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
    return said, {(row["sku_id"], row["location_id"]): row for row in rows}


def written(folder: Path, *lines: str, name: str = "panel.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def months(sku: str, units: list[int | str], *, more: str = "", first: int = 1, year: int = 2024) -> list[str]:
    """A row per month of a year."""
    return [f"{sku},{year}-{first + at:02d}-01,{value}{more}" for at, value in enumerate(units) if value != ""]


def scheme(folder: Path, **change: str) -> str:
    text = SHIPPED.read_text()
    for old, new in change.values():
        assert old in text
        text = text.replace(old, new)
    path = folder / "scheme.yml"
    path.write_text(text)
    return str(path)


@pytest.mark.capability("3.1", part="a demand panel of one file by one command")
@pytest.mark.parametrize("region", ["EMEA", "APAC"])
def test_the_golden_company_is_classed_as_by_its_runs(region: str, tmp_path: Path, strata: Strata) -> None:
    lines = [row for month in (1, 2, 3) for row in company.month_lines(month)]
    lines += [row for row in company.sales_extracts()["initial"][2] if row["order_id"] in ("EMEA-I6-02", "EMEA-I1-R")]
    place = {"EMEA": "E1", "APAC": "A1"}[region]
    rows = ["sku_id,location_id,date,quantity,unit_price,unit_cost,in_stock"]
    for line in lines:
        if line["location_id"] == place:
            units, amount = float(line["quantity"]), float(line["net_amount"])
            quantity = -units if line["line_type"] == "return" else units
            day = line["ordered_at"][:10]
            rows.append(
                f"{line['sku_id']},{place},{day},{quantity:g},{amount / units:g},{company.COST[line['sku_id']]},"
            )
    day_less = [row.replace("2026-01-31", "2026-02-01") for row in rows]  # 05:00 on 1 February in Tokyo
    file = written(tmp_path, *day_less)
    said, found = classify(
        strata, file, "--scheme", str(GOLDEN / "config/schemes/golden.yml"), "--until", "2026-03-31", "--grain", "day",
        "--json",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert (said.json["cycle"], said.json["bucket"], said.json["last_period"]) == ("2026-04", "month", "2026-03-01")
    with (GOLDEN / "expected/segment_assignment.csv").open(newline="") as handle:
        expected = {
            row["sku_id"]: row for row in csv.DictReader(handle) if (row["cycle"], row["region"]) == ("2026-04", region)
        }
    assert {sku for sku, _ in found} == set(expected)
    for (sku, _), row in found.items():
        # The stock-out of I4 in March is not in the file.
        names = ["value_class", "variability_class", "demand_class", "segment", "computed_segment"]
        assert {name: row[name] for name in names} == {name: expected[sku][name] for name in names}, sku
        assert row["decision_reason"] == expected[sku]["decision_reason"] + ";inherited:*"
        if expected[sku]["share_units"]:
            share = float(expected[sku]["share_units"]) / float(expected[sku]["share_total"])
            assert float(row["cumulative_share"]) == pytest.approx(share, abs=1e-9)


def test_three_items_by_hand(tmp_path: Path, strata: Strata) -> None:
    # S: 10 a month at 8, the last of 12 within the year; I: 30 every third month at 1; R: new in November, two months.
    rows = months("S", [10] * 12, more=",8") + months("I", [0, 0, 30] * 4, more=",1")
    rows += months("R", [4, 6], more=",2", first=11)
    said, found = classify(strata, written(tmp_path, HEADER + ",unit_price", *rows), "--json")
    assert said.code == 0 and not (tmp_path / "no-home").exists()
    assert set(SEGMENT_ASSIGNMENT.names) | set(DEMAND_PROFILE.names) == set(next(iter(found.values())))
    steady, lumpy, new = (found[sku, "*"] for sku in "SIR")
    # A year at the level: S 960, I 120 in ten months = 144. R is placed by its rate (2 x 5 x 12 = 120), moving nobody.
    assert (steady["segment"], float(steady["cumulative_share"])) == ("AX", pytest.approx(960 / 1104))
    assert (steady["revenue"], steady["mean_units_period"], steady["cv"], steady["adi"]) == ("960.0000", "10", "0", "1")
    # Its first two months lie before the first sale: ten count, four with demand; zeros after launch do.
    assert (lumpy["periods_observed"], lumpy["demand_periods"], lumpy["launch"]) == ("10", "4", "2024-03-01")
    assert (lumpy["value_class"], float(lumpy["adi"])) == ("B", 2.5)
    assert (lumpy["demand_class"], lumpy["variability_class"]) == ("intermittent", "Z")
    assert (new["segment"], new["lifecycle_state"], new["fallback_level"]) == ("CU", "intro", "default")
    assert new["decision_reason"] == "value:new_item;variability:undefined"
    assert new["fallback_reason"].startswith("short_history:2_of_4_periods;")
    assert said.json["first_period"] == "2024-01-01" and said.json["cycle"] == "2025-01"
    assert "1 rows have too little history" in " ".join(said.json["notes"])


@pytest.mark.capability("3.1", part="bad rows of a demand panel refused by line")
def test_bad_rows_are_refused_by_line_and_the_rest_is_classed(tmp_path: Path, strata: Strata) -> None:
    dirty = tmp_path / "panel.csv"
    dirty.write_bytes(
        b"\xef\xbb\xbfsku_id,date,quantity,unit_price,unit_cost,in_stock,note\r\n"
        b"A,2024-01-01,5,2,1,true,x\r\n"
        b"A,01/02/2024,5,2,1,true,x\r\n"
        b"A,2024-02-30,5,2,1,true,x\r\n"
        b'A,2024-02-01,"1,5",2,1,true,x\r\n'
        b"A,2024-02-01,,2,1,true,x\r\n"
        b"A,2024-02-01,inf,2,1,true,x\r\n"
        b"A,2024-02-01,nan,2,1,true,x\r\n"
        b"A,2024-02-01,1e15,2,1,true,x\r\n"
        b"A,2024-02-01,5,,1,true,x\r\n"
        b"A,2024-02-01,5,2,-1,true,x\r\n"
        b"A,2024-02-01,5,2,1,maybe,x\r\n"
        b",2024-02-01,5,2,1,true,x\r\n"
        b'"A\x01",2024-02-01,5,2,1,true,x\r\n'
        b"\xff,2024-02-01,5,2,1,true,x\r\n"
        b'A,2024-02-01,4,2,1,,"two\r\nlines"\r\n'
        b"A,2024-02-01,5\r\n"
        b"A,2999-01-01,5,2,1,true,x\r\n"
        b"A,1899-12-30,5,2,1,true,x\r\n"
        b"\r\n"
        b"A,2024-03-01T14:30:00+02:00,0,,0,no,x\r\n"
        b"A,2024-03,3,2,,yes,x\r\n"
    )
    said, found = classify(strata, dirty)
    assert said.code == 3
    row = found["A", "*"]
    assert (row["demand_units"], row["revenue"], row["periods_observed"]) == ("12.0000", "24.0000", "2")
    assert (row["periods_censored"], row["margin"]) == ("1", "")  # no cost of the last row
    with (tmp_path / "out.refused.csv").open(newline="", encoding="utf-8") as handle:
        refused = [(int(line["line"]), line["column"], line["reason"]) for line in csv.DictReader(handle)]
    assert refused == [
        (3, "date", "not_a_date"), (4, "date", "not_a_date"), (5, "quantity", "not_a_number"),
        (6, "quantity", "no_quantity"), (7, "quantity", "not_finite"), (8, "quantity", "not_finite"),
        (9, "quantity", "out_of_range"), (10, "unit_price", "no_price"), (11, "unit_cost", "negative"),
        (12, "in_stock", "not_true_or_false"), (13, "sku_id", "empty_key"), (14, "sku_id", "control_character"),
        (15, "sku_id", "not_utf8"), (18, "*", "fields_differ"), (19, "date", "date_out_of_range"),
        (20, "date", "date_out_of_range"),
    ]  # fmt: skip
    for line, column, reason in refused:
        assert f"line {line}, column {column}: " in said.err and reason in said.err
    assert "16 of 20 rows were refused" in said.err
    assert "columns that classes do not rest on: note" in " ".join(said.out.split())


def test_wide_equals_long_and_parquet_equals_csv(tmp_path: Path, strata: Strata) -> None:
    cells = {("A", "L1"): [5, 0, 7, 9, 6], ("A", "L2"): ["", 3, 4, 2, 2], ("B", "L1"): [1, "", "", 8, -2]}
    rows = [
        f"{sku},{place},2024-{at + 1:02d}-01,{value},F,2.5"
        for (sku, place), values in cells.items() for at, value in enumerate(values) if value != ""
    ]  # fmt: skip
    long = written(tmp_path, "sku_id,location_id,date,quantity,category,unit_price", *rows)
    names = [f"2024-{at:02d}" for at in range(1, 6)]
    wide = written(
        tmp_path, ",".join(["store", "category", "unit_price", *names, "sku_id"]),
        *(",".join([place, "F", "2.5", *map(str, values), sku]) for (sku, place), values in cells.items()),
        name="wide.csv",
    )  # fmt: skip
    table = arrow_csv.read_csv(long)
    assert pa.types.is_date32(table.schema.field("date").type) and pa.types.is_int64(
        table.schema.field("quantity").type
    )
    pq.write_table(table, tmp_path / "panel.parquet")
    expected = classify(strata, long)[1]
    assert len(expected) == 3
    assert classify(strata, wide, "--wide", "store,sku_id")[1] == expected
    assert classify(strata, tmp_path / "panel.parquet")[1] == expected
    semicolon = written(tmp_path, *(line.replace(",", ";") for line in long.read_text().splitlines()), name="s.csv")
    assert classify(strata, semicolon, "--delimiter", ";")[1] == expected
    said, typed = classify(strata, tmp_path / "panel.parquet", "--json", out="out.parquet")
    assert {key: row["segment"] for key, row in typed.items()} == {key: row["segment"] for key, row in expected.items()}
    assert str(typed["A", "L1"]["revenue"]) == expected["A", "L1"]["revenue"]
    assert "1 rows below zero are returns and no demand (2 units)" in said.json["notes"]


def test_a_location_ranks_its_own_items_where_the_scheme_says_so(tmp_path: Path, strata: Strata) -> None:
    # A is 900 of 1000 at L1 and 10 of 110 at L2.
    units = {("A", "L1"): 90, ("B", "L1"): 10, ("A", "L2"): 1, ("B", "L2"): 10}
    rows = [
        line for (sku, place), count in units.items() for line in months(f"{sku},{place}", [count] * 6, more=",10")
    ]  # fmt: skip
    file = written(tmp_path, "sku_id,location_id,date,quantity,unit_price", *rows)
    said, inherited = classify(strata, file, "--json")
    assert [row["value_class"] for row in inherited.values()] == ["A", "A", "B", "B"]  # A: 91 of 111
    assert inherited["A", "L2"]["decision_reason"].endswith(";inherited:*")
    assert (inherited["A", "L1"]["mean_units_period"], inherited["A", "L2"]["mean_units_period"]) == ("90", "1")
    assert "class_level location" in " ".join(said.json["notes"])
    own = scheme(tmp_path, level=("class_level: region", "class_level: location"))
    said, found = classify(strata, file, "--scheme", own)
    assert {key: row["value_class"] for key, row in found.items()} == {
        ("A", "L1"): "A", ("B", "L1"): "B", ("A", "L2"): "B", ("B", "L2"): "A",
    }  # fmt: skip
    assert found["A", "L2"]["decision_reason"] == "value:new_item;variability:new_item"


def test_what_value_rests_on_is_said(tmp_path: Path, strata: Strata) -> None:
    rows = months("A", [10] * 5) + months("B", [1] * 5)
    said, found = classify(strata, written(tmp_path, HEADER, *rows))
    assert found["A", "*"]["decision_reason"] == "value:new_item;variability:new_item;value_basis:units"
    assert (found["A", "*"]["revenue"], found["A", "*"]["margin"], found["A", "*"]["value_class"]) == ("", "", "A")
    assert "value is counted in units" in said.out
    margin = scheme(tmp_path, basis=("basis: revenue", "basis: margin"))
    priced = months("A", [10] * 5, more=",2") + months("B", [1] * 5, more=",30")
    said, found = classify(strata, written(tmp_path, HEADER + ",unit_price", *priced), "--scheme", margin)
    assert found["B", "*"]["decision_reason"].endswith(";value_basis:revenue")
    assert found["B", "*"]["value_class"] == "A" and "value is revenue" in said.out
    costed = months("A", [10] * 5, more=",2,1") + months("B", [1] * 5, more=",30,29.9")
    said, found = classify(strata, written(tmp_path, HEADER + ",unit_price,unit_cost", *costed), "--scheme", margin)
    assert (found["B", "*"]["value_class"], found["B", "*"]["margin"]) == ("C", "0.5000")
    assert "value_basis" not in found["B", "*"]["decision_reason"]


def test_the_last_period_counts_once_it_is_whole(tmp_path: Path, strata: Strata) -> None:
    days = [f"A,2024-{month:02d}-{day:02d},1" for month in range(1, 7) for day in (3, 11, 20)]
    file = written(tmp_path, HEADER, *days, "B,2024-06-20,5")
    said, found = classify(strata, file, "--json")
    assert (said.json["last_period"], found["A", "*"]["demand_units"]) == ("2024-05-01", "15.0000")
    assert "say --until 2024-06-30" in " ".join(said.json["notes"])
    assert found["B", "*"]["segment"] == "UU"  # sold in the open month only
    said, found = classify(strata, file, "--until", "2024-06-30", "--json")
    assert (said.json["last_period"], found["A", "*"]["demand_units"]) == ("2024-06-01", "18.0000")
    said, found = classify(strata, file, "--until", "2024-03-31", "--since", "2024-02-01", "--json")
    assert (said.json["first_period"], said.json["last_period"], set(found)) == (
        "2024-02-01", "2024-03-01", {("A", "*")},
    )  # fmt: skip
    # Weeks are booked on their last day: the one from 29 April ends in May.
    weeks = [f"A,{day},7" for day in ("2024-04-08", "2024-04-15", "2024-04-22", "2024-04-29")]
    said, found = classify(strata, written(tmp_path, HEADER, *weeks), "--json")
    assert (said.json["last_period"], found["A", "*"]["demand_units"]) == ("2024-04-01", "21.0000")


def test_order_lines_of_a_day_add_up(tmp_path: Path, strata: Strata) -> None:
    once = classify(strata, written(tmp_path, HEADER, *months("A", [6, 6, 6, 6, 6])))[1]["A", "*"]
    said, found = classify(strata, written(tmp_path, HEADER, *months("A", [3, 3, 3, 3, 3]) * 2), "--json")
    twice = found["A", "*"]
    assert (twice.pop("order_lines"), once.pop("order_lines")) == ("10", "5") and twice == once
    assert any(note.startswith("5 rows share item, location and day") for note in said.json["notes"])


@pytest.mark.parametrize(
    ("rows", "segment"),
    [
        (months("A", [4] * 12), "AX"),
        (months("A", [0] * 12), "UU"),
        (months("A", [4]), "AU"),
        (["A,2024-05-07,4"], "AU"),
        (months("A", [-4] * 6), "UU"),
    ],
    ids=["one item", "only zeros", "one month", "one day", "only returns"],
)
def test_small_files_have_a_clear_result(rows: list[str], segment: str, tmp_path: Path, strata: Strata) -> None:
    said, found = classify(strata, written(tmp_path, HEADER, *rows))
    assert (said.code, [row["segment"] for row in found.values()]) == (0, [segment]), said.err
    if len(rows) == 1 and "05-07" in rows[0]:
        assert "rows cover no whole month" in said.out


def test_exclusions_and_rules_of_the_scheme_hold(tmp_path: Path, strata: Strata) -> None:
    rule = (
        "gates:\n",
        "rules:\n  - {id: seeds, kind: strategic, when: {column: category, eq: SEEDS}, "
        "effect: {variability_class: {set: Z}}, priority: 10, owner: planning.lead, "
        "reason: Seeds are planned apart from all others, approved_by: head.plan, "
        "valid_from: '2024-01', valid_until: '2024-12', rationale: A season of seeds says nothing about the next.}\n"
        "gates:\n",
    )
    rows = months("A", [4] * 6, more=",SEEDS") + months("B", [4] * 6, more=",COUPON") + months("C", [4] * 6, more=",")
    file = written(tmp_path, HEADER + ",category", *rows)
    said, found = classify(strata, file, "--scheme", scheme(tmp_path, rule=rule), "--json")
    assert said.code == 0, said.err
    assert "exclusion no_stocked_goods of the scheme leaves out 1 items" in said.json["notes"]
    assert {sku: (row["segment"], row["computed_segment"]) for (sku, _), row in found.items()} == {
        "A": ("AZ", "AX"), "C": ("AX", "AX"),
    }  # fmt: skip
    assert ";override:rule:seeds" in found["A", "*"]["decision_reason"]


@pytest.mark.parametrize(
    ("lines", "more", "code", "why"),
    [
        ([], (), 1, "the file is empty"),
        ([HEADER], (), 1, "a header and no rows"),
        (["item,day,units", "A,2024-01-01,1"], (), 1, "column 'sku_id' is not there; the file has item, day, units"),
        ([HEADER + ",quantity", "A,2024-01-01,1,1"], (), 1, "column 'quantity' stands more than once"),
        ([HEADER.replace(",", ";"), "A;2024-01-01;1"], (), 1, "is --delimiter right?"),
        ([HEADER, "A,01.02.2024,1"], (), 1, "no row can be read; line 2, column date: '01.02.2024', no date; write"),
        (["sku_id,x,y", "A,1,2"], ("--wide", "sku_id"), 1, "no column is named by a day"),
        (["sku_id,2024-01,2999-01", "A,1,2"], ("--wide", "sku_id"), 1, "column '2999-01' is before 1900 or after"),
        (["sku_id,2024-01", "A,1"], ("--wide", "sku_id,a,b"), 1, "name the column of the item"),
        (["sku_id,2024-01", "A,"], ("--wide", "sku_id"), 1, "no row has a quantity"),
        ([HEADER, "A,2024-01-01,1"], ("--since", "2024-02-01"), 1, "no row is left between --since and --until"),
        ([HEADER, "A,2024-01-01,1"], ("--until", "2999-01-01"), 2, "still to come"),
        ([HEADER, "A,2024-01-01,1"], ("--grain", "year"), 2, "one of day, week, month"),
        ([HEADER, "A,2024-01-01,1"], ("--cuts", "0.8,0.9"), 2, "--cuts: for --items"),
        ([HEADER, "A,2024-01-01,1"], ("--out", "x.xlsx"), 2, "written as .csv or .parquet"),
    ],
)  # fmt: skip
def test_wrong_files_and_wrong_use_are_told_what_is_right(
    lines: list[str], more: tuple[str, ...], code: int, why: str, tmp_path: Path, strata: Strata
) -> None:
    file = tmp_path / "panel.csv"
    file.write_text("".join(f"{line}\n" for line in lines))
    said, rows = classify(strata, file, *more)
    assert (said.code, rows) == (code, {}) and why in " ".join(said.err.replace("│", " ").split()), said.err


def test_a_finer_bucket_than_the_rows_is_refused(tmp_path: Path, strata: Strata) -> None:
    weekly = scheme(tmp_path, bucket=("classification: month", "classification: week"))
    said, _ = classify(strata, written(tmp_path, HEADER, *months("A", [4] * 3)), "--scheme", weekly)
    assert said.code == 1 and "demand is summed, never split; give a scheme with month" in said.err
