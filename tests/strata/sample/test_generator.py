"""The generator: what it says it planted is there, and simple statistics find it."""

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.sample import generated, generator
from strata.sample.extracts import as_scaled
from strata.sample.generator import SHIPPED, GeneratorSpec, demand_chunks, generate, item_truth
from tests.strata.sample.small import SPEC

PLAIN: GeneratorSpec = replace(
    SHIPPED, items=300, locations_per_region=1, seasonal_share=0.0, trend_share=0.0, shift_share=0.0, spike_share=0.0,
    launch_share=0.0, end_share=0.0,
)  # fmt: skip


def units_of(spec: GeneratorSpec, seed: int) -> np.ndarray:
    truth = item_truth(spec, seed=seed)
    return np.concatenate([chunk.units for chunk in demand_chunks(spec, truth, seed=seed)])


def test_same_seed_same_truth_and_another_seed_another() -> None:
    first, second, third = generate(SPEC, seed=5), generate(SPEC, seed=5), generate(SPEC, seed=6)
    assert first.demand.equals(second.demand) and first.truth.equals(second.truth)
    assert not first.demand.equals(third.demand)


def test_patterns_are_found_by_interval_and_variation_of_sizes() -> None:
    """ADI and CV2 per series against the customary cuts recover the planted pattern of nearly all items."""
    truth = item_truth(PLAIN, seed=1)
    units = units_of(PLAIN, 1).astype(float)
    hit = units > 0
    adi = units.shape[2] / hit.sum(axis=2)
    mean = units.sum(axis=2) / hit.sum(axis=2)
    cv2 = ((units - mean[:, :, None]) ** 2 * hit).sum(axis=2) / (hit.sum(axis=2) - 1) / mean**2
    found = np.select([(adi <= 1.32) & (cv2 <= 0.49), adi <= 1.32, cv2 <= 0.49], [0, 1, 2], 3)
    agreement = (found == truth.pattern[:, None]).mean()
    assert agreement > 0.93
    assert abs(np.median(adi / truth.interval[:, None]) - 1) < 0.03
    assert abs(np.median(mean / (truth.mean_size[:, None] * truth.location_factor)) - 1) < 0.03
    assert abs(np.median(cv2 / truth.size_cv2[:, None]) - 1) < 0.15


def test_value_classes_are_those_of_realised_revenue() -> None:
    truth = item_truth(PLAIN, seed=2)
    revenue = units_of(PLAIN, 2).sum(axis=(1, 2)) * truth.cents
    order = np.argsort(-revenue, kind="stable")
    before = (np.cumsum(revenue[order]) - revenue[order]) / revenue.sum()
    found = np.empty(len(revenue), dtype="<U1")
    found[order] = np.array(["A", "B", "C"])[np.searchsorted([0.80, 0.95], before, side="right")]
    assert (found == truth.value_class).mean() > 0.9
    assert set(truth.value_class) == {"A", "B", "C"}


def test_shifts_spikes_launches_and_ends_are_where_the_truth_says() -> None:
    spec = replace(PLAIN, items=400, shift_share=0.3, spike_share=0.2, launch_share=0.2, end_share=0.2)
    truth, units = item_truth(spec, seed=3), units_of(spec, 3)
    week = np.arange(spec.weeks)
    for item in range(spec.items):
        series = units[item].sum(axis=0)
        if truth.launch_week[item] >= 0:
            assert series[: truth.launch_week[item]].sum() == 0
        if truth.end_week[item] >= 0:
            assert series[truth.end_week[item] :].sum() == 0
        for spike in truth.spikes[item][truth.spikes[item] >= 0]:
            expected = truth.mean_size[item] * truth.location_factor[item].sum() * truth.spike_factor[item]
            assert abs(series[spike] / expected - 1) < 0.05
    steady = (truth.shift_week >= 0) & (truth.pattern == 0)
    ratios = [
        units[i][:, week >= truth.shift_week[i]].mean() / units[i][:, week < truth.shift_week[i]].mean()
        for i in np.flatnonzero(steady)
    ]
    assert len(ratios) > 10
    assert np.allclose(ratios, truth.shift_factor[steady], rtol=0.15)


def test_seasons_and_trends_are_found() -> None:
    spec = replace(PLAIN, seasonal_share=0.5, trend_share=0.5)
    truth, units = item_truth(spec, seed=4), units_of(spec, 4).sum(axis=1).astype(float)
    week = np.arange(spec.weeks)
    wave = np.exp(-2j * np.pi * week / 52)
    relative = units / units.mean(axis=1, keepdims=True) - 1
    amplitude = 2 * np.abs((relative * wave).mean(axis=1))
    slope = (relative * (week - week.mean())).sum(axis=1) / ((week - week.mean()) ** 2).sum() * 52
    seasonal, trending = truth.amplitude > 0, (truth.trend != 0) & (truth.pattern == 0)
    assert seasonal.sum() > 30 and trending.sum() > 20
    assert np.median(np.abs(amplitude[seasonal] - truth.amplitude[seasonal])) < 0.06
    assert np.allclose(slope[trending], truth.trend[trending], atol=0.06)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(1, 30),
    st.integers(1, 3),
    st.integers(60, 120),
    st.floats(0, 0.25),
)
def test_generated_rows_are_sane_at_any_size(seed: int, items: int, locations: int, weeks: int, share: float) -> None:
    spec = replace(
        SPEC, items=items, locations_per_region=locations, weeks=weeks, shift_share=share, spike_share=share,
        launch_share=share, end_share=share, chunk_items=7,
    )  # fmt: skip
    truth = generate(spec, seed=seed)
    rows = truth.demand
    assert truth.truth.num_rows == items * locations * len(spec.regions)
    assert (as_scaled(rows["quantity"]) > 0).all() and (as_scaled(rows["net_amount"]) > 0).all()
    key = rows.group_by(["sku_id", "location_id", "period_start"]).aggregate([([], "count_all")])
    assert key.num_rows == rows.num_rows
    days = rows["period_start"].to_pylist()
    assert all(day.weekday() == 0 and 0 <= (day - spec.first_monday).days < 7 * weeks for day in days)


def test_chunks_can_be_drawn_one_at_a_time() -> None:
    spec = replace(SPEC, items=20, chunk_items=6)
    truth = item_truth(spec, seed=8)
    chunks = list(demand_chunks(spec, truth, seed=8))
    assert [len(chunk.units) for chunk in chunks] == [6, 6, 6, 2]
    tables = [generator.chunk_table(spec, truth, chunk) for chunk in chunks]
    assert pa.concat_tables(tables).combine_chunks().equals(generate(spec, seed=8).demand)


def test_a_spec_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="shares of the patterns sum to 0.35"):
        replace(SPEC, patterns=SPEC.patterns[:1])
    with pytest.raises(ValueError, match="is no Monday"):
        replace(SPEC, first_monday=date(2016, 1, 5))
    with pytest.raises(ValueError, match="longer than twice quiet_weeks"):
        replace(SPEC, weeks=52)


def test_lines_carry_the_demand_and_the_dirty_ones_are_counted() -> None:
    spec = replace(SPEC, dirty_share=0.1)
    truth = generate(spec, seed=9)
    lines = generated.as_demand(truth).lines
    assert pc.sum(lines["quantity"]) == pc.sum(truth.demand["quantity"])
    assert pc.sum(lines["net_amount"]) == pc.sum(truth.demand["net_amount"])
    dirty = lines.num_rows - truth.demand.num_rows
    assert 0.05 < dirty / truth.demand.num_rows < 0.15
    at = lines["ordered_at"].to_pylist()
    assert at == sorted(at) and all(8 <= moment.hour < 18 and moment.weekday() < 6 for moment in at)
    assert lines.group_by(["order_id", "order_line"]).aggregate([([], "count_all")]).num_rows == lines.num_rows
