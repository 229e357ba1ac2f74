"""What must not move a class and what must: months of a small company, from its lines to its segments.

Eighteen items, two years of history, then eight cycles in which one item each is promoted, runs out of stock, is booked
ten times too large and corrected, is overridden for two cycles, is launched, dies, and doubles.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from strata.conformed import decide, profile
from strata.durable import write_parquet
from strata.partition import shifted
from tests.strata.conformed.past import demand_history
from tests.strata.conformed.place import Place

FIRST, CYCLES = "2023-12", [shifted("2026-01", step) for step in range(8)]
MONTHS = [shifted(FIRST, step) for step in range(32)]  # up to 2026-07
BASE = {"BIG1": 2000, "BIG2": 1300, "SPIKED": 108, "EMPTY": 106, "WRONG": 104, "PINNED": 102, "DYING": 100,
        "DOUBLED": 58, **{f"SMALL{number:02d}": 15 for number in range(9)}}  # fmt: skip


@dataclass
class Story:
    """Every cycle's rows of `segment_assignment`."""

    cycles: dict[str, pd.DataFrame]

    def told(self, item: str, column: str) -> list[str]:
        return [frame.set_index("sku_id")[column].get(item) for frame in self.cycles.values()]

    def reasons(self, item: str, axis: str) -> list[str]:
        parts = [dict(part.split(":", 1) for part in text.split(";")) for text in self.told(item, "decision_reason")]
        return [part[axis] for part in parts]


def write(place: Place) -> None:
    """The company's lines and counts."""
    rng = np.random.default_rng(4)
    place.rows["int_item_version"].clear()
    for item in [*BASE, "NEW"]:
        place.item(item)
    for month in MONTHS:
        for item, base in (BASE | {"NEW": 300}).items():
            units = round(base * rng.uniform(0.9, 1.1))
            known = until = ""
            if item == "NEW" and month < "2025-12":
                continue
            if item == "DYING" and month >= "2025-12":
                continue
            if item == "DOUBLED" and month >= "2026-01":
                units = round(2.1 * units)
            if item == "SPIKED" and month == "2026-01":
                units *= 5
                place.promotion("2026-01-05", "2026-01-25", sku_id=item)
            if item == "EMPTY" and month == "2026-01":
                units = 3
                place.count("2026-01-31", 28, 31, sku_id=item)
            if item == "WRONG" and month == "2026-01":
                until = "2026-02-20"
                place.sale(f"{month}-15", until=until, sku_id=item, quantity=10 * units, net_amount=100 * units)
                known, until = until, ""
            place.sale(f"{month}-15", known, until, sku_id=item, quantity=units, net_amount=10 * units)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("steady")
    place = Place(folder / "snapshot")
    write(place)
    pinned = pd.DataFrame(
        [{"override_id": "OV1", "sku_id": "PINNED", "location_id": "*", "value_class": "A", "variability_class": None}]
    )
    found: dict[str, pd.DataFrame] = {}
    previous: pa.Table | None = None
    for cycle in CYCLES:
        view = place.view(cycle)
        past, _ = demand_history(view)
        shape = profile.demand_profile(view, past, previous)
        write_parquet(folder / f"{cycle}.parquet", shape)
        in_force = pinned if cycle in ("2026-02", "2026-03") else pinned.iloc[:0]
        previous = decide.segment_assignment(view, Path(folder / f"{cycle}.parquet"), previous, in_force)
        found[cycle] = previous.to_pandas()
    yield Story(found)


@pytest.mark.capability(
    "3.3", part="a stationary item keeps its class through a promotion spike, a stock-out, a correction"
)
@pytest.mark.parametrize("item", ["SPIKED", "EMPTY", "WRONG", "BIG1", "SMALL00"])
def test_a_stationary_item_keeps_its_class(story: Story, item: str) -> None:
    segments = story.told(item, "segment")
    assert len(set(segments)) == 1, (segments, story.told(item, "decision_reason"))
    assert not {"moved", "moved_shift"} & {*story.reasons(item, "value"), *story.reasons(item, "variability")}


def test_a_booking_ten_times_too_large_is_held_until_it_is_corrected(story: Story) -> None:
    assert story.reasons("WRONG", "value")[:4] == ["new_item", "held_posterior", "unchanged", "unchanged"]
    assert story.told("WRONG", "class_probability")[1] < 0.6


@pytest.mark.capability("3.3", part="an override's expiry leaves the item in its own class")
def test_the_item_returns_to_its_own_class_when_the_override_ends(story: Story) -> None:
    assert story.told("PINNED", "segment") == ["BX", "AX", "AX", *["BX"] * 5]
    assert story.told("PINNED", "computed_segment") == ["BX"] * 8
    assert story.reasons("PINNED", "value")[2:5] == ["moved", "moved", "unchanged"]


@pytest.mark.capability("3.3", part="a launched, a dying and a doubled item each move, with the right reason")
def test_what_truly_changed_moves_with_its_reason(story: Story) -> None:
    assert story.told("DYING", "segment")[0] == "BX"
    assert story.told("DYING", "value_class")[-1] == "C"
    assert story.reasons("DYING", "value").index("moved_shift") <= 3
    assert story.told("DOUBLED", "value_class")[0] == "C"
    assert story.told("DOUBLED", "value_class")[-1] == "B"
    assert story.reasons("DOUBLED", "value").index("moved_shift") <= 4
    launched = story.told("NEW", "decision_reason")
    assert launched[0].startswith("value:new_item")
    assert story.told("NEW", "fallback_level")[-1] == "own"
    assert story.told("NEW", "segment")[-1] == "BX"


def test_every_class_says_how_probable_it_is(story: Story) -> None:
    last = story.cycles[CYCLES[-1]].set_index("sku_id")
    own = last[last["fallback_level"] == "own"]
    assert own["class_probability"].between(0, 1).all()
    assert own.loc["BIG1", "class_probability"] > 0.99
