"""Churn control: an independent slow computation item by item, properties of every control, and churn in simulation."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.classify.control import ABSENT, REASONS, UNDEFINED, Decision, Memory, displaced, keep, moved, spend, weigh
from strata.classify.posterior import above_cuts, below_values, held_probability
from strata.scheme.model import ChurnBudget, Hysteresis
from tests.strata.banded import SHIPPED

CUTS = (0.5, 1.0)
WHY = "a control of a test, not of a company"


def rule(**change: Any) -> Hysteresis:
    return Hysteresis(**({"value_band": 0.0, "variability_band": 0.0, "rationale": WHY} | change))


rules = st.builds(
    rule,
    posterior=st.sampled_from([None, 0.5, 0.8, 0.95]),
    bypass_posterior=st.sampled_from([None, 0.6]),
    confirmations=st.sampled_from([None, 1, 2, 3]),
    dwell_cycles=st.sampled_from([None, 1, 3]),
)
items = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 2), st.sampled_from([0.4, 0.5, 0.6, 1.0, 1.2]), st.just(math.nan)),
        st.sampled_from([ABSENT, UNDEFINED, 0, 1, 2]),  # class before
        st.sampled_from([-1, 0, 1, 2]),  # pending
        st.integers(0, 3),  # confirmations
        st.sampled_from([-1, 0, 1, 2, 5]),  # cycles since the last move
        st.one_of(st.just(math.nan), st.floats(0, 1)),  # P(beyond the first cut); beyond the second: its square
        st.booleans(),  # true shift
        st.sampled_from([0.0, 1.0, 1.0, 3.0, 50.0, math.nan]),  # money
    ),
    min_size=1, max_size=14,
)  # fmt: skip
bands = st.sampled_from([0.0, 0.1, 0.3])
budgets = st.one_of(
    st.none(),
    st.builds(
        ChurnBudget,
        max_share=st.sampled_from([0.05, 0.2, 0.5, 0.9]),
        of=st.sampled_from(["items", "value"]),
        rationale=st.just(WHY),
    ),
)


def proposed(metric: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(metric), UNDEFINED, np.searchsorted(CUTS, np.nan_to_num(metric))).astype(np.int8)


def arrays(rows: list[tuple[Any, ...]]) -> tuple[np.ndarray, Memory, np.ndarray, np.ndarray, np.ndarray]:
    metric, held, pending, count, rest, sure, shift, money = (np.array(part) for part in zip(*rows, strict=True))
    before = Memory(held.astype(np.int8), pending.astype(np.int8), count.astype(np.int64), rest.astype(np.int64))
    return metric.astype(float), before, np.column_stack([sure, sure**2]).astype(float), shift.astype(bool), money


def decide(rows: list[tuple[Any, ...]], band: float, of: Hysteresis) -> Decision:
    metric, before, beyond, shift, _ = arrays(rows)
    return weigh(
        proposed(metric), metric, before, cuts=CUTS, band=np.full(2, band), beyond=beyond, is_shift=shift, rule=of
    )


def slow(row: tuple[Any, ...], band: float, of: Hysteresis) -> tuple[str, int, int, int, int]:
    """Reason, class, pending, confirmations, cycles since the last move of one item, step by step."""
    metric, old, pending, count, rest, sure, shift, _ = row
    now = -1 if math.isnan(metric) else 0 if metric <= 0.5 else 1 if metric <= 1.0 else 2
    older = rest + 1 if rest >= 0 else -1
    if now == -1:
        return "undefined", -1, -1, 0, -1
    if old == ABSENT:
        return "new_item", now, -1, 0, -1
    if old == UNDEFINED:
        return "was_undefined", now, -1, 0, -1
    if old == now:
        return "unchanged", old, -1, 0, older
    up = now > old
    cut = old if up else old - 1
    gap = metric - CUTS[cut] if up else CUTS[cut] - metric
    chance = sure if cut == 0 else sure * sure
    chance = chance if up else 1.0 - chance
    far = gap >= band
    likely = of.posterior is None or math.isnan(chance) or chance >= of.posterior
    seen = (count if pending == now else 0) + 1 if far and likely else 0
    enough = seen >= (of.confirmations or 1)
    rested = rest < 0 or rest + 1 >= (of.dwell_cycles or 0)
    if far and likely and enough and rested:
        return "moved", now, -1, 0, 0
    if shift and (of.bypass_posterior is None or math.isnan(chance) or chance >= of.bypass_posterior):
        return "moved_shift", now, -1, 0, 0
    if not far:
        return "held_margin", old, -1, 0, older
    if not likely:
        return "held_posterior", old, -1, 0, older
    return ("held_dwell" if enough else "held_confirmation"), old, now, seen, older


def told(decision: Decision) -> list[tuple[str, int, int, int, int]]:
    memory = decision.memory
    parts = (memory.held, memory.pending, memory.confirmations, memory.dwell_cycles)
    return [
        (REASONS[code], *numbers)
        for code, *numbers in zip(decision.reason, *(part.tolist() for part in parts), strict=True)
    ]


@pytest.mark.capability(
    "3.3", part="band, posterior, confirmations, dwell, bypass agree with a slow second computation"
)
@given(items, bands, rules)
@settings(max_examples=200, deadline=None)
def test_every_item_is_decided_as_by_hand(rows: list[tuple[Any, ...]], band: float, of: Hysteresis) -> None:
    assert told(decide(rows, band, of)) == [slow(row, band, of) for row in rows]


@given(items, bands, rules, budgets)
@settings(max_examples=100, deadline=None)
def test_the_class_is_the_proposed_or_the_one_before(
    rows: list[tuple[Any, ...]], band: float, of: Hysteresis, budget: ChurnBudget | None
) -> None:
    metric, before, _, _, money = arrays(rows)
    found = spent(decide(rows, band, of), before, money, budget, of)
    assert ((found.held == proposed(metric)) | (found.held == before.held)).all()
    held = np.array([REASONS[code].startswith("held_") for code in found.reason])
    assert (found.held[held] == before.held[held]).all()
    waits = found.memory.pending >= 0
    assert (found.memory.pending[waits] == proposed(metric)[waits]).all()
    assert ((found.memory.confirmations > 0) == waits).all()


@given(items)
@settings(max_examples=40, deadline=None)
def test_without_any_control_the_metric_decides(rows: list[tuple[Any, ...]]) -> None:
    found = decide(rows, 0.0, rule())
    assert found.held.tolist() == proposed(arrays(rows)[0]).tolist()
    assert not any(REASONS[code].startswith("held_") for code in found.reason)


@given(items, rules)
@settings(max_examples=60, deadline=None)
def test_a_wider_band_a_higher_posterior_more_runs_or_a_longer_dwell_never_move_more(
    rows: list[tuple[Any, ...]], of: Hysteresis
) -> None:
    few = moved(decide(rows, 0.3, of).reason)
    assert (few <= moved(decide(rows, 0.1, of).reason)).all()
    base = moved(decide(rows, 0.1, of).reason)
    for change in ({"posterior": 0.99}, {"confirmations": 9}, {"dwell_cycles": 20}):
        assert (moved(decide(rows, 0.1, of.model_copy(update=change)).reason) <= base).all()


@pytest.mark.capability("3.3", part="a true shift passes every control and every budget at once")
@given(items, bands, rules, budgets)
@settings(max_examples=80, deadline=None)
def test_a_true_shift_always_passes(
    rows: list[tuple[Any, ...]], band: float, of: Hysteresis, budget: ChurnBudget | None
) -> None:
    of = of.model_copy(update={"bypass_posterior": None})
    metric, before, _, shift, money = arrays(rows)
    found = spent(decide(rows, band, of), before, money, budget, of)
    assert (found.held[shift] == proposed(metric)[shift]).all()


def spent(
    decision: Decision, before: Memory, money: np.ndarray, budget: ChurnBudget | None, of: Hysteresis
) -> Decision:
    names = np.array([f"I{number:02d}" for number in range(len(money))], dtype=object)
    nowhere = np.zeros(len(money), dtype=np.int64)
    return spend((decision,), (before,), money, names, nowhere, budget=budget, rule=of)[0]


@pytest.mark.capability(
    "3.3", part="churn budget: never exceeded, the largest values first, the rest held with its reason"
)
@given(items, rules, budgets.filter(bool))
@settings(max_examples=100, deadline=None)
def test_the_budget_is_never_exceeded_and_the_largest_go_first(
    rows: list[tuple[Any, ...]], of: Hysteresis, budget: ChurnBudget
) -> None:
    _, before, _, _, money = arrays(rows)
    free = decide(rows, 0.0, of)
    found = spent(free, before, money, budget, of)
    worth = np.nan_to_num(money)
    weight = worth if budget.of == "value" else np.ones(len(money))
    charged = moved(found.reason) & ~free.is_free
    held = np.array([REASONS[code] == "held_budget" for code in found.reason])
    assert weight[charged].sum() <= budget.max_share * weight.sum() * (1 + 1e-6)
    assert ((charged | held) == (moved(free.reason) & ~free.is_free)).all()
    order = sorted(np.flatnonzero(charged | held), key=lambda at: (-worth[at], at))
    assert [bool(held[at]) for at in order] == sorted(bool(held[at]) for at in order)
    if held.any():  # the first that waits did not fit
        first = next(at for at in order if held[at])
        assert weight[charged].sum() + weight[first] > budget.max_share * weight.sum()


def test_what_the_budget_held_is_released_in_the_next_run_by_value() -> None:
    of = rule(confirmations=2)
    budget = ChurnBudget(max_share=0.25, of="items", rationale=WHY)
    rows = [(0.9, 0, 1, 1, -1, math.nan, False, value) for value in (5.0, 9.0, 1.0, 7.0)]
    order = []
    metric, memory, beyond, shift, money = arrays(rows)
    for _ in range(4):
        decision = weigh(proposed(metric), metric, memory, cuts=CUTS, band=np.zeros(2), beyond=beyond,
                         is_shift=shift, rule=of)  # fmt: skip
        found = spent(decision, memory, money, budget, of)
        order.append(np.flatnonzero(moved(found.reason)).tolist())
        memory = found.memory
    assert order == [[1], [3], [0], [2]]


def test_each_axis_of_an_item_is_charged_once_and_each_place_has_its_own_budget() -> None:
    of, money = rule(), np.array([4.0, 3.0, 2.0, 1.0])
    rows = [(0.9, 0, -1, 0, -1, math.nan, False, value) for value in money]
    before, decision = arrays(rows)[1], decide(rows, 0.0, of)
    names = np.array(["a", "b", "a", "b"], dtype=object)
    budget = ChurnBudget(max_share=0.5, of="items", rationale=WHY)
    pair = spend((decision, decision), (before, before), money, names, np.array([0, 0, 1, 1]), budget=budget, rule=of)
    for one in pair:
        assert [REASONS[code] for code in one.reason] == ["moved", "held_budget", "moved", "held_budget"]


def test_a_run_without_the_proposal_begins_the_count_anew() -> None:
    of, memory, reasons = rule(confirmations=2), Memory.none(1), []
    for metric in (0.4, 0.9, 0.4, 0.9, 1.1, 1.1):
        found = weigh(proposed(np.array([metric])), np.array([metric]), memory, cuts=CUTS, band=np.zeros(2),
                      beyond=np.full((1, 2), np.nan), is_shift=np.zeros(1, bool), rule=of)  # fmt: skip
        memory, reasons = found.memory, [*reasons, REASONS[found.reason[0]]]
    assert reasons == ["new_item", "held_confirmation", "unchanged", "held_confirmation", "held_confirmation", "moved"]
    assert memory.held[0] == 2
    assert memory.dwell_cycles[0] == 0


def test_only_a_move_starts_the_dwell() -> None:
    of, memory, reasons = rule(dwell_cycles=3), Memory.none(1), []
    for metric in (0.4, 0.9, 0.4, 0.4, 0.4):
        found = weigh(proposed(np.array([metric])), np.array([metric]), memory, cuts=CUTS, band=np.zeros(2),
                      beyond=np.full((1, 2), np.nan), is_shift=np.zeros(1, bool), rule=of)  # fmt: skip
        memory, reasons = found.memory, [*reasons, REASONS[found.reason[0]]]
    assert reasons == ["new_item", "moved", "held_dwell", "held_dwell", "moved"]


def test_what_an_override_displaces_returns_at_once_when_it_ends() -> None:
    of = rule(confirmations=3)
    own = Memory(np.array([1], np.int8), np.array([-1], np.int8), np.array([0]), np.array([4]))
    carried = displaced(own, np.array([0], np.int8), np.array([True]), rule=of)
    assert (carried.held[0], carried.pending[0], carried.confirmations[0], carried.dwell_cycles[0]) == (0, 1, 3, -1)
    after = weigh(np.array([1], np.int8), np.array([0.7]), carried, cuts=CUTS, band=np.zeros(2),
                  beyond=np.full((1, 2), np.nan), is_shift=np.zeros(1, bool), rule=of)  # fmt: skip
    assert (after.held[0], REASONS[after.reason[0]]) == (1, "moved")
    same = displaced(own, np.array([1], np.int8), np.array([True]), rule=of)
    assert same.pending[0] == -1
    untouched = displaced(own, np.array([-1], np.int8), np.array([False]), rule=of)
    assert (untouched.held[0], untouched.dwell_cycles[0]) == (1, 4)


def test_a_class_that_is_kept_forgets_what_was_pending() -> None:
    rows = [(0.9, 0, 1, 1, 2, math.nan, False, 1.0), (0.9, ABSENT, -1, 0, -1, math.nan, False, 1.0)]
    before = arrays(rows)[1]
    found = keep(decide(rows, 0.0, rule()), before, np.array([True, True]))
    assert told(found) == [("last_class", 0, -1, 0, 3), ("new_item", 1, -1, 0, -1)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"proposed": np.array([3], np.int8)}, "proposed: codes run from -1 to 2"),
        ({"before": Memory(*(np.array([-3]) for _ in range(4)))}, "previous: codes run from -2 to 2"),
        ({"band": np.array([-0.1, 0.1])}, "band >= 0"),
        ({"cuts": (1.0, 0.5)}, "ascending cuts"),
        ({"metric": np.array([0.1])}, "row 0 is class 1 but its metric 0.1"),
        ({"metric": np.array([0.7, 0.7])}, "one length"),
    ],
)
def test_what_contradicts_itself_is_refused(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "proposed": np.array([1], np.int8), "metric": np.array([0.7]), "before": Memory.none(1), "cuts": CUTS,
        "band": np.zeros(2), "beyond": np.full((1, 2), np.nan), "is_shift": np.zeros(1, bool), "rule": rule(),
    } | change  # fmt: skip
    with pytest.raises(ValueError, match=message):
        weigh(given.pop("proposed"), given.pop("metric"), given.pop("before"), **given)


def test_the_probability_of_a_class_is_that_of_the_draws() -> None:
    """Log-normal draws round the estimates, counted, against the closed form."""
    rng = np.random.default_rng(5)
    value, cv, periods = np.array([80.0, 120.0]), np.array([0.9, 0.4]), np.array([12.0, 24.0])
    drawn = value[:, None] * np.exp(rng.normal(size=(2, 400_000)) * (cv / np.sqrt(periods))[:, None])
    below = below_values(value, np.tile([100.0, 60.0], (2, 1)), cv, periods)
    assert below == pytest.approx(np.stack([(drawn < bound).mean(axis=1) for bound in (100.0, 60.0)], axis=1), abs=3e-3)
    held = np.array([1, 0], np.int8)
    inside = [((drawn[0] < 100) & (drawn[0] >= 60)).mean(), (drawn[1] >= 100).mean()]
    assert held_probability(below, held) == pytest.approx(inside, abs=3e-3)
    assert np.isnan(held_probability(below, np.array([-1, -1], np.int8))).all()


def test_the_error_of_the_cv_is_that_of_gamma_samples() -> None:
    """At CV 0.5 and 1, 96 periods: the error of log CV drawn, against the closed form; in fewer periods it is less."""
    rng = np.random.default_rng(6)
    for shape, cv in ((4.0, 0.5), (1.0, 1.0)):
        sample = rng.gamma(shape, 1.0, (10_000, 96))
        found = sample.std(axis=1, ddof=1) / sample.mean(axis=1)
        assert np.std(np.log(found)) == pytest.approx(math.sqrt((1 + cv * cv) / 192), rel=0.1)
        assert np.std(np.log(found)) < math.sqrt((1 + cv * cv) / 192)
    sure = above_cuts(np.array([1.0]), np.array([96.0]), cuts=CUTS, is_sharp=False)
    assert sure[0, 0] == pytest.approx(0.5 * (1 + math.erf(math.log(2) / math.sqrt(2 / 192) / math.sqrt(2))))
    assert np.isnan(above_cuts(np.array([np.nan, 1.0]), np.array([9.0, 1.0]), cuts=CUTS, is_sharp=False)).all()


@pytest.mark.capability(
    "3.3", part="the shipped controls: churn below 1 % where it was 10 %, and closer to the true cell"
)
def test_the_shipped_controls_meet_their_target_on_stationary_demand() -> None:
    """1,500 items of the process of benchmarks/churn.py, 24 runs; the full size is the benchmark's."""
    from benchmarks.churn import CONTROLS, Company, cells, figures

    companies = (Company(1500, 3, moving=False), Company(1500, 4, moving=True))
    named = {control.name: control for control in CONTROLS}
    found = {
        name: figures(*(cells(company, named[name]) for company in companies), companies)
        for name in ("none, 12 months", "shipped scheme")
    }
    none, shipped = found["none, 12 months"], found["shipped scheme"]
    assert 0.08 < none["churn"] < 0.13
    assert shipped["churn"] < 0.01
    assert shipped["agreement"] > none["agreement"] + 0.05
    assert shipped["lag"] <= 4 < none["lag"]


def test_the_shipped_scheme_says_what_is_on() -> None:
    of = SHIPPED.hysteresis
    assert (of.posterior, of.confirmations, of.dwell_cycles, of.budget) == (0.75, 2, None, None)
