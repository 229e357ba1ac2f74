"""Bad input from people: names of regions and cycles, configuration, and what our own files survive (B43, B55, B58)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.partitions import partition_key
from strata.calendar import Calendar
from strata.durable import read_parquet, write_parquet
from strata.governance.exceptions import make_override
from strata.governance.records import GovernanceError
from strata.home import Home
from strata.intake.batches import accepted_batches
from strata.intake.land import land
from strata.partition import Partition
from strata.strict_yaml import load_yaml
from tests.strata.intake.drops import CONTRACTS, SALES_HEADER, drop, sale, text

NAMES = ("../../etc", "EU|2026", "eu", "", "A" * 17, "EU\n", "\u0415U", "*", "EU/2026", "EU 1")
CYCLES = ("2026-13", "2026-1", "../../etc", "2026-07|EU", "", "2026-07\n", "\u0662\u0660\u0662\u0666-07")
CALENDAR = {"first_cycle": "2026-01", "cut_off": {"day": 3, "local_time": "06:00"}, "currency": "EUR",
            "rationale": "Long enough to be a rationale."}  # fmt: skip


def calendar(region: str) -> Any:
    """A calendar with one region."""
    return Calendar(**CALENDAR, regions=[{"region": region, "name": "x", "time_zone": "Europe/Berlin"}])


def override(region: str) -> Any:
    """An exception for one item of a region."""
    from datetime import UTC, datetime

    return make_override(
        region, "I1", "*", "A", None, "2026-01", None, "why", "ann", "bob", datetime(2026, 1, 1, tzinfo=UTC),
        two_people=True,
    )  # fmt: skip


ENTRANCES: dict[str, Callable[[str], Any]] = {
    "B43-region-of-a-partition": lambda name: Partition(name, "2026-07"),
    "B43-region-of-a-key": lambda name: Partition.from_key(f"2026-07|{name}"),
    "B43-region-of-a-dagster-key": lambda name: partition_key(f"2026-07|{name}"),
    "B43-region-of-the-calendar": calendar,
    "B43-region-of-an-override": override,
}


@pytest.mark.parametrize("entrance", ENTRANCES.values(), ids=ENTRANCES)
def test_a_region_has_a_name_that_is_a_name(entrance: Callable[[str], Any]) -> None:
    assert entrance("EU-1_A")
    for name in NAMES:
        with pytest.raises((ValueError, GovernanceError)):
            entrance(name)


@pytest.mark.parametrize("case", ["B43-cycle-that-is-none"])
def test_a_cycle_is_a_month(case: str, tmp_path: Path) -> None:
    from strata.governance.plan import plan_release
    from strata.governance.store import GovernanceStore

    for cycle in CYCLES:
        with pytest.raises(ValueError, match="planning month|not of the form"):
            Partition("EU", cycle)
        with pytest.raises(ValueError, match="planning month"):
            plan_release(GovernanceStore(Home(tmp_path)), Home(tmp_path), cycle, None)


@pytest.mark.parametrize("case", ["B43-region-on-the-command-line"])
def test_the_command_line_knows_only_regions_of_the_home(
    case: str, standing: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from strata.cli.main import main

    for option, value in (("--region", "../../etc"), ("--region", "MARS"), ("--cycle", "2026-13")):
        arguments = {"--cycle": "2026-07", "--region": "EMEA"} | {option: value}
        given = [word for pair in arguments.items() for word in pair]
        monkeypatch.setattr("sys.argv", ["strata", "--home", str(standing.root), "run", *given])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 2
        assert value in capsys.readouterr().err


@pytest.mark.parametrize("case", ["B55-bit-flip-in-our-own-file"])
def test_a_flipped_bit_in_our_own_parquet_is_an_error(case: str, tmp_path: Path) -> None:
    """Every kind of file that Strata writes for itself carries page checksums: lake tables and accepted rows."""
    home = Home(tmp_path / "home")
    drop(home.landing, {"a.csv": text(SALES_HEADER, *(sale(order_line=str(n)) for n in range(200)))}, 200)
    land(home, CONTRACTS)
    (batch,) = accepted_batches(home)
    ours = tmp_path / "lake.parquet"
    write_parquet(ours, pa.table({"units": list(range(5000)), "sku_id": [f"I{n}" for n in range(5000)]}))
    for file in (batch.rows_file, ours):
        good = file.read_bytes()
        group = pq.ParquetFile(file).metadata.row_group(0)
        chunks = [group.column(column) for column in range(group.num_columns)]
        ends = [(c.dictionary_page_offset or c.data_page_offset) + c.total_compressed_size for c in chunks]
        for end in ends[::3]:
            spoiled = bytearray(good)
            spoiled[end - 1] ^= 1
            file.write_bytes(spoiled)
            with pytest.raises(OSError, match="CRC|checksum|page header"):
                read_parquet(file)
        file.write_bytes(good)
        assert read_parquet(file).num_rows


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("a: &x [1]\nb: *x\n", "aliases", id="B58-alias"),
        pytest.param("a: 1\na: 2\n", "stands twice", id="B58-duplicate-key"),
        pytest.param("a: " + "x" * 300_000, "bytes", id="B58-too-large"),
        pytest.param("a: " + "[" * 5000, "nested|expected", id="B58-nested-too-deep"),
    ],
)
def test_configuration_that_is_not_strict_is_refused(content: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        load_yaml(file)


@pytest.mark.parametrize("case", ["B58-words-that-yaml-turns-into-others"])
def test_configuration_says_what_it_says(case: str, tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_text("country: NO\ncode: 012\nat: 1:30\nday: 2026-01-02\n", encoding="utf-8")
    assert load_yaml(file) == {"country": "NO", "code": "012", "at": "1:30", "day": "2026-01-02"}
