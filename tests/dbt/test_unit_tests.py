"""dbt's own unit tests of the version logic, run once; and the compiled SQL against an oracle in plain Python.

Belongs here: the rule of versions. Does not: whole passes (`test_conform_pass`).
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strata.conformed.build import prepare_conform
from strata.conformed.dbt_pass import dbt, failure_message, selection
from strata.home import Home
from tests.dbt.batches import EMPTIES, PROJECT, Batches
from tests.dbt.conftest import Conformed

SHED = {"location_id": "E2", "region": "EAST", "location_type": "shed", "time_zone": "UTC"}
Change = dict[str, Any]
Version = tuple[str, int, datetime, datetime | None]
START = datetime(2017, 1, 1, tzinfo=UTC)
CHANGE_COLUMNS = (
    "change_type varchar, change_position bigint, change_sequence bigint, known_from timestamptz, known_basis varchar, "
    "source_batch_id varchar, source_file varchar, source_row bigint, origin varchar, "
    "extract_kind varchar, unchanged_columns varchar[], "
    "refusal_reason varchar"
)


@pytest.fixture(scope="session")
def spoiled(tmp_path_factory: pytest.TempPathFactory, manifest_path: Path) -> Path:
    """Scratch folder of a conform pass with unit tests, over a location of a type that does not exist."""
    home = Home(tmp_path_factory.mktemp("unit"))
    batches = Batches(home.raw)
    batches.full("wms__sites", "2017-02-01", [SHED])
    work = prepare_conform(
        home, run_id="unit", batches=batches.records, inputs=batches.inputs, empties=EMPTIES, project=PROJECT
    )
    done = dbt(work.folder, ["build", "--profiles-dir", ".", "--select", selection("conform")])
    assert done.returncode == 1, done.stdout
    return work.folder


@pytest.fixture(scope="session")
def compiled(conformed: Conformed) -> Path:
    """Folder of the SQL that the conform pass ran."""
    return conformed.home.scratch("first") / "dbt-conform" / "target" / "compiled"


@pytest.mark.capability("2.2", part="staging to marts, versions by known time, dbt unit tests")
def test_unit_tests_of_the_version_logic_pass(spoiled: Path) -> None:
    results = json.loads((spoiled / "target" / "run_results.json").read_bytes())["results"]
    declared = json.loads((spoiled / "target" / "manifest.json").read_bytes())["unit_tests"]
    statuses = {result["unique_id"]: result["status"] for result in results if result["unique_id"] in declared}
    assert statuses == dict.fromkeys(declared, "pass")
    assert len(declared) >= 9


def test_a_failing_data_test_is_named_in_the_error(spoiled: Path) -> None:
    message = failure_message(spoiled, "conform", "")
    assert "test.strata.int_location_version_values" in message
    assert "Got 1 result, configured to fail if != 0" in message


def instants() -> st.SearchStrategy[datetime]:
    return st.integers(min_value=0, max_value=5).map(lambda day: START + timedelta(days=day))


@st.composite
def increments(draw: st.DrawFn) -> list[Change]:
    """Changes of two keys in any order: repeats, deletes, equal positions, clocks gone back."""
    changes = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "key": st.sampled_from("AB"),
                    "value": st.integers(min_value=0, max_value=2),
                    "op": st.sampled_from("uud"),
                    "position": st.integers(min_value=0, max_value=4),
                    "sequence": st.integers(min_value=0, max_value=2),
                    "known_from": instants(),
                }
            ),
            max_size=8,
            unique_by=lambda change: (change["key"], change["position"], change["sequence"]),
        )
    )
    repeats = draw(st.lists(st.sampled_from(changes), max_size=3)) if changes else []
    return draw(st.permutations([*changes, *repeats]))


def expected_versions(changes: Sequence[Change]) -> list[Version]:
    """Play the changes of each key in source order; what stands at the end of an instant is what was known then."""
    versions: list[Version] = []
    for key in sorted({change["key"] for change in changes}):
        own = [change for change in changes if change["key"] == key]
        known: dict[datetime, int | None] = {}
        latest = START
        for change in sorted(own, key=lambda change: (change["position"], change["sequence"])):
            latest = max(latest, change["known_from"])
            known[latest] = change["value"] if change["op"] == "u" else None
        steps: list[tuple[datetime, int | None]] = []
        for instant in sorted(known):
            if known[instant] != (steps[-1][1] if steps else None):
                steps.append((instant, known[instant]))
        ends: list[datetime | None] = [*(instant for instant, _ in steps[1:]), None]
        versions += [
            (key, value, begin, end) for (begin, value), end in zip(steps, ends, strict=False) if value is not None
        ]
    return versions


def versions_in_sql(
    compiled: Path, model: str, feed: str, columns: str, rows: Sequence[Mapping[str, Any]]
) -> list[Any]:
    """Run a compiled model over staging rows in an empty DuckDB."""
    (sql,) = compiled.rglob(f"{model}.sql")
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("attach ':memory:' as dbt")
        connection.execute(f"create table dbt.main.{feed} ({columns}, {CHANGE_COLUMNS})")
        for row in rows:
            names = ", ".join(row)
            marks = ", ".join("?" for _ in row)
            connection.execute(f"insert into dbt.main.{feed} ({names}) values ({marks})", list(row.values()))
        return connection.execute(sql.read_text()).fetchall()


@pytest.mark.capability("2.2", part="staging to marts, versions by known time, dbt unit tests")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=increments())
def test_versions_of_changes_equal_playing_them_in_source_order(compiled: Path, changes: list[Change]) -> None:
    rows = [
        {
            "sku_id": change["key"],
            "price_list": "L",
            "valid_from": "2017-01-01",
            "unit_price": change["value"] if change["op"] == "u" else None,
            "change_type": change["op"],
            "change_position": change["position"],
            "change_sequence": change["sequence"],
            "known_from": change["known_from"],
            "known_basis": "source",
            "extract_kind": "cdc",
            "source_batch_id": "b",
            "source_file": "f",
            "source_row": 1,
            "origin": "real",
        }
        for change in changes
    ]
    columns = (
        "sku_id varchar, price_list varchar, valid_from date, valid_to date, unit_price decimal(18, 4), currency text"
    )
    found = versions_in_sql(compiled, "fct_price_condition", "stg_erp__price_conditions", columns, rows)
    assert [(row[0], int(row[4]), row[6], row[7]) for row in found] == expected_versions(changes)


@st.composite
def extracts(draw: st.DrawFn) -> list[dict[str, str | None]]:
    """Full extracts in source order: name by key; None is a refused row."""
    names = st.sampled_from(["x", "y", None])
    return draw(st.lists(st.dictionaries(st.sampled_from("ABC"), names, min_size=1), min_size=1, max_size=5))


@pytest.mark.capability("2.2", part="staging to marts, versions by known time, dbt unit tests")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=extracts(), data=st.data())
def test_versions_of_full_extracts_equal_the_table_of_each_day(
    compiled: Path, history: list[dict[str, str | None]], data: st.DataObject
) -> None:
    rows = [
        {
            "supplier_id": key,
            "supplier_name": name,
            "change_type": "u",
            "change_position": day,
            "change_sequence": 1,
            "known_from": START + timedelta(days=day),
            "known_basis": "extracted",
            "extract_kind": "full",
            "source_batch_id": f"b{day}",
            "source_file": "f",
            "source_row": 1,
            "origin": "real",
            "refusal_reason": None if name else "too_short",
        }
        for day, extract in enumerate(history)
        for key, name in extract.items()
    ]
    columns = "supplier_id varchar, supplier_name varchar, country varchar"
    shuffled = data.draw(st.permutations(rows))
    found = versions_in_sql(compiled, "int_supplier_version", "stg_erp__suppliers", columns, shuffled)
    assert all(a[:1] != b[:1] or a[1] != b[1] or a[4] != b[3] for a, b in itertools.pairwise(found))
    table: dict[str, str] = {}
    for day, extract in enumerate(history):
        kept = {key: table[key] for key, name in extract.items() if name is None and key in table}
        table = kept | {key: name for key, name in extract.items() if name is not None}
        cutoff = START + timedelta(days=day)
        as_known = {row[0]: row[1] for row in found if row[3] <= cutoff and (row[4] is None or row[4] > cutoff)}
        assert as_known == table
