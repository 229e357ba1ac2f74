"""Lines booked in another unit: found where size and unit value jump by one pack, in opposite directions."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata.demand.unit_jump import Jumps, unit_jumps
from strata.home import REPOSITORY
from strata.sample import generator
from strata.scheme.load import SchemeRegister
from strata.scheme.model import UnitJump

NOTHING = (np.array([], dtype=np.int64), np.array([]))
FOUND = SchemeRegister.load(REPOSITORY / "config" / "schemes").for_cycle("2020-01").scheme.unit_jump
assert FOUND is not None
RULE: UnitJump = FOUND


def look(units: list[float], amounts: list[float], lines: list[float], **own: float) -> Jumps:
    series = np.zeros(len(own), dtype=np.int64)
    grids = (np.array([row], dtype=np.float64) for row in (units, amounts, lines))
    return unit_jumps(*grids, series, np.array(list(own.values())), rule=RULE)


PIECES, MONEY, LINES = [120.0, 96, 144, 132], [240.0, 192, 288, 264], [10.0, 9, 12, 11]


@pytest.mark.capability("2.2", part="a jump by a pack factor without a unit event is found and set aside")
@pytest.mark.parametrize("factor", [6.0, 12.0, 24.0])
@pytest.mark.parametrize("is_dearer", [True, False])
def test_a_switch_of_unit_is_found_from_its_first_period(factor: float, is_dearer: bool) -> None:
    after = [units / factor if is_dearer else units * factor for units in PIECES]
    found = look([*PIECES, *after], MONEY * 2, LINES * 2)
    assert (found.period[0], found.factor[0], found.changeover[0]) == (4, factor, False)
    assert (found.value_after[0] > found.value_before[0]) is np.bool_(is_dearer)


def test_a_period_that_holds_both_units_is_the_changeover() -> None:
    found = look([*PIECES, 60 + 5, *[units / 12 for units in PIECES]], [*MONEY, 240, *MONEY], [*LINES, 10, *LINES])
    assert (found.period[0], found.factor[0], found.changeover[0]) == (5, 12, True)


def test_a_pack_that_only_the_master_data_know() -> None:
    after = [units / 31 for units in PIECES]
    assert look([*PIECES, *after], MONEY * 2, LINES * 2).period[0] == -1
    found = look([*PIECES, *after], MONEY * 2, LINES * 2, case=31.0)
    assert (found.period[0], found.factor[0]) == (4, 31)
    assert look([*PIECES, *after], MONEY * 2, LINES * 2, piece=1 / 31).factor[0] == pytest.approx(31)


@pytest.mark.parametrize(
    ("units", "amounts", "lines"),
    [
        pytest.param([u / 12 for u in PIECES], [m / 12 for m in MONEY], LINES, id="demand-fell-at-one-price"),
        pytest.param([u / 12 for u in PIECES], [m / 12 for m in MONEY], [1.0] * 4, id="fewer-lines"),
        pytest.param(PIECES, [m * 12 for m in MONEY], LINES, id="price-alone"),
        pytest.param([u / 12 for u in PIECES], [0.0] * 4, LINES, id="no-money"),
        pytest.param([u / 16 for u in PIECES], MONEY, LINES, id="no-pack-of-sixteen"),
        pytest.param([u / 12 for u in PIECES], MONEY, [1.0, 0, 0, 1], id="too-few-lines"),
        pytest.param([u / 2 for u in PIECES], MONEY, LINES, id="below-the-least-factor"),
    ],
)
def test_what_is_no_switch_of_unit(units: list[float], amounts: list[float], lines: list[float]) -> None:
    assert look([*PIECES, *units], [*MONEY, *amounts], [*LINES, *lines]).period[0] == -1


def test_a_grid_has_one_shape() -> None:
    with pytest.raises(ValueError, match="pass one grid"):
        unit_jumps(np.ones((1, 3)), np.ones((1, 3)), np.ones((1, 2)), *NOTHING, rule=RULE)


@given(st.permutations(range(6)), st.integers(0, 5))
def test_series_do_not_touch_each_other(order: list[int], jumped: int) -> None:
    rng = np.random.default_rng(5)
    units = rng.integers(50, 150, (6, 9)).astype(np.float64)
    units[jumped, 5:] /= 12
    amounts, lines = np.full((6, 9), 200.0) * rng.uniform(0.95, 1.05, (6, 9)), np.full((6, 9), 10.0)
    amounts[:, :] = units * 2
    amounts[jumped, 5:] *= 12
    found = unit_jumps(units[order], amounts[order], lines[order], *NOTHING, rule=RULE)
    assert [order[place] for place in np.flatnonzero(found.period >= 0)] == [jumped]


def monthly(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Units, money and lines of generated items per four weeks, shifts, spikes, launches and ends planted in them."""
    spec = replace(generator.SHIPPED, items=count, first_monday=date(2014, 1, 6), chunk_items=count)
    truth = generator.item_truth(spec, seed=seed)
    (chunk,) = generator.demand_chunks(spec, truth, seed=seed)
    noise = np.random.default_rng(seed).uniform(0.7, 1.3, chunk.units.shape)  # discounts of every line
    amounts = chunk.units * noise * truth.cents[:, None, None] / 100
    months = chunk.units.shape[2] // 4
    parts = (chunk.units, amounts, chunk.units > 0)
    return tuple(
        part[:, :, : months * 4].sum(axis=1).reshape(count, months, 4).sum(axis=2).astype(np.float64) for part in parts
    )  # type: ignore[return-value]


def test_false_alarms_and_finds_on_the_generator() -> None:
    """1,000 items over 52 periods with 50 level shifts, 100 spiky items and discounts up to 30 %; 200 switched."""
    units, amounts, lines = monthly(1000, seed=11)
    clean = unit_jumps(units, amounts, lines, *NOTHING, rule=RULE)
    assert (clean.period >= 0).sum() == 0
    rng = np.random.default_rng(3)
    switched = np.flatnonzero((lines[:, 30:40] > 0).all(axis=1) & (lines[:, 40:] > 0).all(axis=1))[:200]
    factor = rng.choice([6, 12, 24, 48], len(switched))
    units[switched, 40:] /= factor[:, None]
    found = unit_jumps(units, amounts, lines, *NOTHING, rule=RULE)
    hit = np.isin(found.period[switched] - found.changeover[switched], [39, 40])
    assert hit.mean() >= 0.95 and (found.factor[switched[hit]] == factor[hit]).mean() >= 0.95
    others = np.setdiff1d(np.arange(1000), switched)
    assert (found.period[others] >= 0).sum() == 0
