"""`strata classify --items`: what it writes, what it refuses and where, and that a home is not needed."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strata.classify.items import METHODS
from strata.panel.items import read_items
from tests.strata.classify.benchmark47 import ITEMS
from tests.strata.cli.conftest import Said, Strata

TEXTS = ["1", "2.50", "", "x", "-1", "+3", ".5", "7."]
NAMES = [f"S{at}" for at in range(1, 48)]


@pytest.fixture
def items(tmp_path: Path) -> Path:
    path = tmp_path / "items.csv"
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["sku", "usage", "cost", "lead_time"])
        writer.writerows([name, *row] for name, row in zip(NAMES, ITEMS, strict=True))
    return path


def classify(strata: Strata, file: Path, criteria: str, *more: str, out: str = "out.csv") -> tuple[Said, list[dict]]:
    target = file.parent / out
    said = strata(
        file.parent / "no-home", "classify", "--items", str(file), "--id", "sku", "--criteria", criteria,
        "--out", str(target), *more,
    )  # fmt: skip
    if not target.exists():
        return said, []
    if out.endswith(".parquet"):
        return said, pq.read_table(target).to_pylist()
    with target.open(newline="", encoding="utf-8") as handle:
        return said, list(csv.DictReader(handle))


def by_item(rows: list[dict]) -> dict[str, str]:
    return {row["item"]: row["value_class"] for row in rows}


@pytest.mark.capability("3.1", part="items of one file by one command")
def test_published_counts_of_the_benchmark(items: Path, strata: Strata) -> None:
    said, rows = classify(strata, items, "usage", "--cuts", "counts:10,14,23")
    assert said.code == 0 and not (items.parent / "no-home").exists()
    assert list(rows[0]) == ["item", "score", "rank", "value_class", "decision_reason"]
    assert [row["item"] for row in rows] == NAMES  # the benchmark stands in the order of usage
    assert "".join(row["value_class"] for row in rows) == "A" * 10 + "B" * 14 + "C" * 23
    assert rows[10] == {
        "item": "S11", "score": "1075.2", "rank": "11", "value_class": "B",
        "decision_reason": "items before 10 >= 10 and < 24",
    }  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_every_method_classes_every_item_whatever_the_order_of_rows(method: str, items: Path, strata: Strata) -> None:
    criteria = "usage,cost,lead_time,usage2" if method == "cost" else "usage,cost,lead_time"
    lines = items.read_text().splitlines()
    if method == "cost":
        lines = [f"{line},{at if at else 'usage2'}" for at, line in enumerate(lines)]
    written = []
    for order in (lines[1:], lines[:0:-1]):
        items.write_text("\n".join([lines[0], *order]) + "\n")
        said, rows = classify(strata, items, criteria, "--method", method, "--cuts", "0.5,0.8")
        assert said.code == 0, said.err
        assert sorted(by_item(rows)) == sorted(NAMES) and set(by_item(rows).values()) == set("ABC")
        assert [int(row["rank"]) for row in rows] == list(range(1, 48))
        classes = [row["value_class"] for row in rows]
        assert classes == sorted(classes) and all(row["decision_reason"] for row in rows)
        written.append(rows)
    assert by_item(written[0]) == by_item(written[1])


def test_cuts_are_the_schemes_where_nobody_says_them(items: Path, strata: Strata) -> None:
    assert by_item(classify(strata, items, "usage")[1]) == by_item(
        classify(strata, items, "usage", "--cuts", "0.8,0.95")[1]
    )
    other = items.parent / "scheme.yml"
    shipped = (Path(__file__).resolve().parents[3] / "config/schemes/2017.1.yml").read_text()
    other.write_text(shipped.replace("cuts: {A: 0.80, B: 0.95}", "cuts: {A: 0.50, B: 0.80}"))
    _, rows = classify(strata, items, "usage", "--scheme", str(other))
    assert by_item(rows) == by_item(classify(strata, items, "usage", "--cuts", "0.5,0.8")[1])


def test_weights_and_directions_change_the_order(items: Path, strata: Strata) -> None:
    first = []
    for spec in ("usage:99,lead_time", "usage,lead_time:99"):
        first.append(classify(strata, items, spec, "--method", "edas")[1][0]["item"])
    assert first == ["S1", "S13"]
    _, rows = classify(strata, items, "cost:min", "--method", "ng")
    assert (rows[0]["item"], rows[-1]["item"]) == ("S11", "S2")
    said, _ = classify(strata, items, "usage:3,cost", "--method", "ng", "--json")
    assert said.json["notes"] == ["ng finds its own weights: those of usage were not used"]


@pytest.mark.capability("3.1", part="bad rows of an items file refused by line")
def test_bad_rows_are_refused_by_line_and_the_rest_is_classed(tmp_path: Path, strata: Strata) -> None:
    dirty = tmp_path / "items.csv"
    dirty.write_bytes(
        b'\xef\xbb\xbfsku,note,usage\r\nA,x,50\r\nB,x,"1,5"\r\nC,x\r\n"D ","two\r\nlines",30\r\n'
        b"E,,\r\nF,x,-3\r\n,x,4\r\nA,y,50\r\nG,x,7\r\nG,x,8\r\nH,x,NaN\r\n\r\nI,x,\xff\r\nJ\x07,x,1\r\nK,x,1e1\r\nL,x,0\r\n"
    )
    said, rows = classify(strata, dirty, "usage", "--cuts", "0.8,0.95")
    assert said.code == 3
    assert [(row["item"], row["value_class"], row["decision_reason"]) for row in rows] == [
        ("A", "A", "share before 0 < 0.8"),
        ("D", "A", "share before 0.555555555556 < 0.8"),
        ("K", "B", "share before 0.888888888889 >= 0.8 and < 0.95"),
        ("E", "U", "usage: no value"), ("F", "U", "usage: negative"), ("H", "U", "usage: no value"),
        ("L", "U", "usage: zero"),
    ]  # fmt: skip
    with (tmp_path / "out.refused.csv").open(newline="", encoding="utf-8") as handle:
        refused = [(int(row["line"]), row["column"], row["value"], row["reason"]) for row in csv.DictReader(handle)]
    assert refused == [
        (3, "usage", "1,5", "not_a_number"), (4, "*", "C,x", "fields_differ"), (9, "sku", "", "empty_key"),
        (11, "sku", "G", "duplicate_key"), (12, "sku", "G", "duplicate_key"), (15, "usage", "�", "not_utf8"),
        (16, "sku", "J\x07", "control_character"),
    ]  # fmt: skip
    for line, column, _, reason in refused:
        assert f"line {line}, column {column}: " in said.err and reason in said.err
    assert "7 of 15 rows were refused" in said.err and "out.refused.csv" in said.err
    dirty.write_text("sku,usage\nA,1\n")
    assert classify(strata, dirty, "usage")[0].code == 0
    assert not (tmp_path / "out.refused.csv").exists()


@given(
    st.lists(
        st.tuples(st.sampled_from(["A", "B", " B", "", "C\t", "Ü"]), st.sampled_from(TEXTS)),
        min_size=1, max_size=8,
    )
)  # fmt: skip
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reading_agrees_with_a_row_by_row_reader(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    path = tmp_path / "items.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([("sku", "usage"), *rows])
    good: dict[str, list[float | None]] = {}
    torn: set[str] = set()
    bad = 0
    for name, text in rows:
        if not name.strip() and not text:
            continue
        try:
            value = float(text) if text else None
        except ValueError:
            value, bad = "bad", bad + 1  # type: ignore[assignment]
        if value == "bad" or not name.strip():
            bad += value != "bad"
            continue
        good.setdefault(name.strip(), []).append(value)
    torn = {name for name, values in good.items() if len(set(values)) > 1}
    expected = {name: values[0] for name, values in good.items() if name not in torn}
    if not expected:
        return
    found = read_items(path, id_column="sku", columns=["usage"], delimiter=",")
    values = [None if np.isnan(value) else value for value in found.values[:, 0].tolist()]
    assert dict(zip(found.name.to_pylist(), values, strict=True)) == expected
    assert len(found.refusals) == bad + sum(len(good[name]) for name in torn)
    names = found.name.to_pylist()
    assert [names[at] for at in np.argsort(found.name_rank)] == sorted(names)


def test_parquet_in_and_out_and_another_delimiter(items: Path, strata: Strata) -> None:
    table = pa.table(
        {"sku": pa.array(range(1, 48)), "usage": ITEMS[:, 0], "lead_time": pa.array(ITEMS[:, 2].astype(int))}
    )
    source = items.parent / "items.parquet"
    pq.write_table(table, source)
    said, rows = classify(strata, source, "usage,lead_time", "--method", "ng", out="out.parquet")
    assert said.code == 0 and [row["rank"] for row in rows] == list(range(1, 48))
    other = items.parent / "semicolon.csv"
    other.write_text(items.read_text().replace(",", ";"))
    _, same = classify(strata, other, "usage,lead_time", "--method", "ng", "--delimiter", ";")
    assert [row["item"] for row in same] == [f"S{row['item']}" for row in rows]


def test_one_item_is_a(tmp_path: Path, strata: Strata) -> None:
    path = tmp_path / "items.csv"
    path.write_text("sku,usage,cost,lead_time,lot\nA,5,6,7,8")
    for method in METHODS:
        criteria = "usage,cost,lead_time,lot" if method == "cost" else "usage" if method == "share" else "usage,cost"
        said, rows = classify(strata, path, criteria, "--method", method)
        assert (said.code, by_item(rows), rows[0]["rank"]) == (0, {"A": "A"}, "1"), method


def test_clusters_are_said_in_words(items: Path, strata: Strata) -> None:
    said, rows = classify(strata, items, "usage,cost,lead_time", "--method", "gmm", "--classes", "3", "--json")
    assert said.json["rules"]["share_explained"] >= 0.95
    assert {rule["class"] for rule in said.json["rules"]["rules"]} == set("ABC")
    assert "usage >= 2407.5" in [rule["words"] for rule in said.json["rules"]["rules"]]
    auto, _ = classify(
        strata, items, "usage", "--method", "kmeans", "--classes", "auto", "--least-ari", "0.5", "--json"
    )
    assert auto.code == 0 and "bootstrap ARI >= 0.5" in auto.json["notes"][0]
    none, _ = classify(strata, items, "usage,cost", "--method", "kmeans", "--classes", "auto", "--least-ari", "0.999")
    assert none.code == 1 and "use cuts instead" in none.err


@pytest.mark.parametrize(
    ("criteria", "more", "code", "why"),
    [
        ("usage", ("--method", "abc"), 2, "one of share, ng"),
        ("usage", ("--cuts", "0.95,0.8"), 2, "do not rise"),
        ("usage", ("--cuts", "counts:1.5"), 2, "no numbers of items"),
        ("usage", ("--cuts", "top:3"), 2, "write 0.8,0.95"),
        ("usage", ("--cuts", "a,b"), 2, "no numbers with commas"),
        ("usage:heavy", (), 2, "neither a weight nor min or max"),
        ("usage:0", (), 2, "a weight is above 0"),
        (",usage", (), 2, "names no column"),
        ("price", (), 1, "column 'price' is not there; the file has sku, usage, cost, lead_time"),
        ("usage,usage", (), 1, "named twice"),
        ("usage", ("--method", "cost"), 1, "cost needs 4 columns in this order"),
        ("usage", ("--delimiter", ";"), 1, "is --delimiter right?"),
        ("usage", ("--classes", "3"), 2, "is for breaks, kmeans and gmm"),
        ("usage", ("--method", "breaks", "--classes", "auto"), 2, "a number from 2"),
        ("usage", ("--panel", "x.csv"), 2, "one of them"),
    ],
)
def test_wrong_use_is_told_what_is_right(
    criteria: str, more: tuple[str, ...], code: int, why: str, items: Path, strata: Strata
) -> None:
    said, rows = classify(strata, items, criteria, *more)
    assert (said.code, rows) == (code, []) and why in " ".join(said.err.replace("│", " ").split())


def test_files_that_are_none_are_refused(tmp_path: Path, strata: Strata) -> None:
    for name, content, why in (
        ("absent.csv", None, "no such file"),
        ("items.xlsx", b"x", "items end in"),
        ("items.csv", b"", "the file is empty"),
        ("bad.csv", b"sku,usage\nA,x\n", "no row can be read; line 2, column usage: 'x'"),
        ("items.parquet", b"PAR1", "no Parquet file"),
        ("twice.csv", b"sku,usage,usage\nA,1,2\n", "stands more than once"),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        said, rows = classify(strata, path, "usage")
        assert (said.code, rows) == (1, []) and why in said.err, name
