"""Promotions, spikes and dips by hand, against plain loops, and what must never be taken for an outlier."""

import math
from dataclasses import replace
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.demand.intermittency import interval_and_size
from strata.demand.outliers import REASONS, Cleaned, clean
from strata.sample import generator
from strata.scheme.outliers import Outliers

RULE = Outliers(
    window_periods=7, z=4.0, max_run=2, max_share=0.2, min_periods=8, min_seasons=3, least_cv=0.10, gap_tail=0.001,
    rationale="bounds for the series of this test",
)  # fmt: skip
SEASON = 12


def cleaned(units: np.ndarray, seldom: bool = False, rule: Outliers = RULE, **masks: np.ndarray) -> Cleaned:
    shape = units.shape
    observed = masks.get("observed", np.ones(shape, dtype=bool))
    promoted = masks.get("promoted", np.zeros(shape, dtype=bool))
    return clean(units, observed, promoted, np.full(shape[0], seldom), rule=rule, season=SEASON)


def named(found: Cleaned) -> list[dict[int, str]]:
    return [{at: REASONS[code] for at, code in enumerate(row) if code} for row in found.reason.tolist()]


def noise(seed: int, periods: int = 30, sd: float = 3.0) -> np.ndarray:
    return np.round(np.random.default_rng(seed).normal(100, sd, (1, periods)), 1)


@pytest.mark.capability("3.4", part="the promotion calendar first, then a robust test against the surroundings")
def test_a_promotion_a_spike_and_a_dip_by_hand() -> None:
    units = np.array([[100.0, 104, 98, 300, 101, 99, 400, 103, 97, 100, 5, 102, 100, 99, 101]])
    on = np.zeros(units.shape, dtype=bool)
    on[0, [3, 9]] = True  # in the second one nothing more was sold than usual
    found = cleaned(units, promoted=on)
    assert named(found) == [{3: "promotion", 6: "spike", 10: "dip"}]
    # Medians of the unpromoted periods within three on either side, the mean of the two middle roots where even:
    # of 98 99 100 101 104 400, of 97 99 101 103 400, of 5 97 99 100 102 103.
    assert found.baseline[0, [3, 6, 10]] == pytest.approx([100.5, 101.0, 99.5], abs=0.01)
    assert found.baseline[0, 9] == 100.0 and found.is_outlier.sum() == 2
    assert np.array_equal(found.baseline[found.reason == 0], units[found.reason == 0])


@pytest.mark.capability("3.4", part="intermittent demand: sizes among sizes, no demand is lost, gaps apart")
def test_intermittent_demand_is_not_held_against_its_zeros() -> None:
    units = np.zeros((1, 60))
    units[0, ::4] = [5, 6, 4, 5, 7, 5, 90, 6, 5, 4, 6, 5, 5, 6, 4]
    found = cleaned(units, seldom=True)
    assert named(found) == [{24: "large_demand"}]
    # Median log size ln 5, deviation of the others ln 6/5: the largest that passes is 5 x exp(4 x 1.4826 x ln 1.2).
    assert found.baseline[0, 24] == pytest.approx(5 * 1.2 ** (4 * 1.4826))
    assert not found.is_gap.any()
    quiet = np.zeros((1, 80))
    quiet[0, [*range(0, 30, 2), *range(60, 80, 2)]] = 5.0
    late = cleaned(quiet, seldom=True)
    assert np.flatnonzero(late.is_gap[0]).tolist() == [60] and not late.reason.any()


def slow(
    units: list[float], observed: list[bool], promoted: list[bool], seldom: bool, rule: Outliers
) -> tuple[list[float], list[str]]:
    """One series by loops over lists."""
    count, baseline, reason = len(units), list(units), [""] * len(units)
    base = [o and not p for o, p in zip(observed, promoted, strict=True)]
    sold = [max(y, 0.0) for y in units]
    if seldom:
        logs = [math.log(y) for y, b in zip(sold, base, strict=True) if b and y > 0]
        if len(logs) < rule.min_periods:
            return baseline, reason
        middle = median(logs)
        spread = max(1.4826 * median(abs(log - middle) for log in logs), rule.least_cv)
        for at, y in enumerate(sold):
            if base[at] and y > math.exp(middle + rule.z * spread):
                baseline[at], reason[at] = math.exp(middle + rule.z * spread), "large_demand"
            elif observed[at] and promoted[at] and y > math.exp(middle):
                baseline[at], reason[at] = math.exp(middle), "promotion"
        return baseline, reason
    root = [y ** (1 / 3) for y in sold]
    half = rule.window_periods // 2
    around: list[float | None] = []
    for at in range(count):
        first = max(0, min(at - half, count - rule.window_periods))
        near = [root[t] for t in range(first, min(count, first + rule.window_periods)) if base[t]]
        around.append(median(near) if near else None)
    residual = {t: root[t] - around[t] for t in range(count) if base[t]}  # type: ignore[operator]
    if sum(base) < rule.min_periods:
        return baseline, reason
    spread = 1.4826 * median(abs(r) for r in residual.values())
    state = [""] * count
    for at in range(count):
        usual = around[at]
        if usual is None:
            continue
        bound = rule.z * max(spread, usual * rule.least_cv / 3)
        others = [residual[t] for t in range(at % SEASON, count, SEASON) if t != at and t in residual]
        if count > (rule.min_seasons - 1) * SEASON and len(others) >= rule.min_seasons - 1:
            others.sort()
            low, high = others[(len(others) - 1) // 2], others[len(others) // 2]
            peak = min(low, high, key=abs) if low * high > 0 else 0.0
            usual = max(usual + (peak if abs(peak) > bound else 0.0), 0.0)
        around[at] = usual
        if bound <= 0:
            continue
        gap = root[at] - usual
        if base[at] and abs(gap) > bound:
            state[at] = "spike" if gap > 0 else "dip"
        elif observed[at] and promoted[at] and gap > 0:
            state[at] = "promotion"
    tested = [t for t in range(count) if base[t]]
    for place, at in enumerate(tested):
        if state[at]:
            first = last = place
            while first and state[tested[first - 1]] == state[at]:
                first -= 1
            while last + 1 < len(tested) and state[tested[last + 1]] == state[at]:
                last += 1
            if last - first + 1 <= rule.max_run:
                reason[at] = state[at]
    if sum(word in ("spike", "dip") for word in reason) > rule.max_share * sum(base):
        reason = [""] * count
    for at in range(count):
        if state[at] == "promotion":
            reason[at] = "promotion"
        if reason[at]:
            baseline[at] = around[at] ** 3  # type: ignore[operator]
    return baseline, reason


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 100_000), seldom=st.booleans(), periods=st.integers(1, 60))
def test_every_period_is_judged_as_by_plain_loops(seed: int, seldom: bool, periods: int) -> None:
    rng = np.random.default_rng(seed)
    units = rng.gamma(rng.choice([0.8, 5, 40], (4, 1)), 10.0, (4, periods)) * rng.choice(
        [1, 1, 1, 1, 1, 8], (4, periods)
    )
    units = np.round(units * (rng.random(units.shape) < (0.4 if seldom else 0.95)), 2)
    observed, promoted = rng.random(units.shape) > 0.1, rng.random(units.shape) < 0.1
    found = cleaned(units, seldom, observed=observed, promoted=promoted)
    for row in range(4):
        baseline, reason = slow(*(m[row].tolist() for m in (units, observed, promoted)), seldom, RULE)
        assert [REASONS[code] for code in found.reason[row]] == reason
        assert found.baseline[row] == pytest.approx(baseline)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 100_000), times=st.sampled_from([0.001, 0.5, 12.0, 1e6]))
def test_another_unit_of_measure_changes_nothing_and_no_demand_is_lost(seed: int, times: float) -> None:
    rng = np.random.default_rng(seed)
    units = np.round(rng.lognormal(2, 1.2, (5, 50)), 1) * (rng.random((5, 50)) < 0.35)
    found, other = cleaned(units, seldom=True), cleaned(units * times, seldom=True)
    assert np.array_equal(found.reason, other.reason) and other.baseline == pytest.approx(found.baseline * times)
    assert ((found.baseline > 0) == (units > 0)).all() and (found.baseline <= units).all()
    steady = rng.lognormal(3, 0.4, (5, 50))
    assert np.array_equal(cleaned(steady).reason, cleaned(steady * times).reason)


@pytest.mark.capability("3.4", part="a new level is no outlier")
def test_a_new_level_stays_and_what_is_a_spike_today_is_a_level_when_it_lasts() -> None:
    units = noise(1)
    units[0, 27:] += 100
    for seen, expected in ((28, {27: "spike"}), (29, {27: "spike", 28: "spike"}), (30, {})):
        assert named(cleaned(units[:, :seen])) == [expected]


def test_a_peak_of_every_year_is_no_outlier_and_one_of_this_year_is() -> None:
    units = noise(3, periods=48)
    units[0, 11::12] *= 4
    units[0, 30] *= 4
    assert named(cleaned(units)) == [{30: "spike"}]
    units[0, 47] = 100.0  # a December without its peak
    assert named(cleaned(units)) == [{30: "spike", 47: "dip"}]


def test_what_is_hidden_is_neither_tested_nor_learnt_from() -> None:
    units, seen = noise(5), np.ones((1, 30), dtype=bool)
    before = cleaned(units)
    units[0, 8], seen[0, 8] = 0.0, False  # out of stock: unknown, not a dip
    units[0, 20], seen[0, 20] = 900.0, False
    found = cleaned(units, observed=seen)
    assert not before.reason.any() and not found.reason.any() and np.array_equal(found.baseline, units)


def test_what_lies_off_too_often_is_how_the_item_varies() -> None:
    units = np.array([[4.0, 4, 4, 9, 4, 4, 1, 4, 4, 9, 4, 4, 1, 4, 4, 9, 4, 4, 4, 1]])
    assert not cleaned(units).reason.any()  # six of twenty
    units[0, [3, 12]] = 4.0
    assert list(named(cleaned(units))[0].values()) == ["dip", "spike", "spike", "dip"]


def test_little_noise_and_little_history_raise_no_alarm() -> None:
    units = np.full((1, 20), 50.0)
    units[0, 9] = 55.0  # beyond four deviations of nothing, within those of a tenth
    assert not cleaned(units).reason.any()
    assert not cleaned(np.array([[5.0, 5, 5, 90, 5, 5, 5]])).reason.any()
    always = cleaned(noise(7), promoted=np.ones((1, 30), dtype=bool))
    assert not always.reason.any()  # where every period is promoted there is no usual one to compare with


@pytest.mark.capability("3.4", part="planted spikes are found, with few false alarms")
def test_planted_spikes_are_found() -> None:
    spec = replace(generator.resized(generator.SHIPPED, 250), launch_share=0.0, end_share=0.0, shift_share=0.0)
    truth = generator.item_truth(spec, seed=5)
    chunk = next(iter(generator.demand_chunks(spec, truth, seed=5)))
    units, spikes = (part.reshape(-1, spec.weeks) for part in (chunk.units.astype(float), chunk.is_spike))
    pattern = np.repeat(truth.pattern, chunk.units.shape[1])
    seen = np.ones(units.shape, dtype=bool)
    rule = RULE.model_copy(update={"window_periods": 13, "max_run": 3, "min_periods": 13, "min_seasons": 3})
    seldom = interval_and_size(units, seen).adi > 1.32
    found = clean(units, seen, np.zeros_like(seen), seldom, rule=rule, season=52)
    names = [kind.name for kind in spec.patterns]
    for name, recall in (("smooth", 0.95), ("intermittent", 0.95), ("erratic", 0.15)):
        of = pattern == names.index(name)
        assert found.is_outlier[of][spikes[of]].mean() >= recall, name
        assert found.is_outlier[of][~spikes[of]].mean() <= 0.002, name
    assert (found.baseline[seldom] > 0).sum() == (units[seldom] > 0).sum()


def test_what_does_not_fit_is_refused() -> None:
    square = np.ones((2, 9))
    seen = np.ones(square.shape, dtype=bool)
    with pytest.raises(ValueError, match="one flag per period, and one per series"):
        clean(square, seen, seen[:, :4], np.ones(2, dtype=bool), rule=RULE, season=SEASON)
    values = RULE.model_dump()
    with pytest.raises(ValueError, match="must be odd"):
        Outliers.model_validate(values | {"window_periods": 8})
    with pytest.raises(ValueError, match="exceeds half"):
        Outliers.model_validate(values | {"max_run": 4})
