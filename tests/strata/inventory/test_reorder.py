"""Service of (s,Q) and (R,s,nQ) against exact published figures and simulation; solved points meet their target."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata.inventory.distributions import demand
from strata.inventory.reorder import Control, order_quantity, plan, service, solve_reorder_point

ORACLE = Path(__file__).resolve().parents[3] / "../shared/oracle/single_echelon"
needs_oracle = pytest.mark.skipif(not ORACLE.exists(), reason="shared oracles are not beside the project")
KINDS = ("normal", "gamma", "negative_binomial")


def continuous(kind: Any, mean: float, variance: float, lot: float) -> Control:
    return Control(demand(kind, [mean], [variance]), None, np.array([float(lot)]))


def periodic(kind: Any, mean: float, variance: float, lead: float, review: float, lot: float) -> Control:
    """Demand of `mean` and `variance` a period, fixed lead time and review in periods."""
    short = demand(kind, [mean * lead], [variance * lead])
    return Control(short, demand(kind, [mean * (lead + review)], [variance * (lead + review)]), np.array([float(lot)]))


@pytest.mark.capability("4.1", part="cycle service level: normal, gamma, negative binomial")
def test_safety_stock_for_a_cycle_service_level() -> None:
    """methods.md fixture: z sigma, SS 343.4555, ROP 1243.4555."""
    point = solve_reorder_point(continuous("normal", 900, 208.8061**2, 400), metric="csl", target=0.95)
    assert point[0] == pytest.approx(1243.4555, abs=2e-4)


@pytest.mark.capability("4.1", part="fill rate: normal, gamma, negative binomial, undershoot included")
def test_safety_stock_for_a_fill_rate_by_the_exact_formula() -> None:
    """Exact formula Q (1 - beta) = ESC(s) - ESC(s + Q): k 1.378454 (the shortcut without ESC(s + Q): 1.380005)."""
    point = solve_reorder_point(continuous("normal", 900, 43600, 400), metric="fill_rate", target=0.98)
    assert (point[0] - 900) / np.sqrt(43600) == pytest.approx(1.378454, abs=2e-6)
    assert point[0] - 900 == pytest.approx(287.83, abs=1e-2)
    skewed = solve_reorder_point(continuous("gamma", 900, 43600, 400), metric="fill_rate", target=0.98)
    assert skewed[0] == pytest.approx(1227.690, abs=1e-3)


def test_lumpy_demand_needs_its_own_distribution() -> None:
    """Exact (s,Q) formula, mean 4, variance 40, Q 6, 95 %: r 11.79, 13.82, 14; the normal's 12 delivers 0.9361."""
    found = {
        kind: solve_reorder_point(continuous(kind, 4, 40, 6), metric="fill_rate", target=0.95)[0] for kind in KINDS
    }
    assert found["normal"] == pytest.approx(11.79, abs=5e-3)
    assert found["gamma"] == pytest.approx(13.82, abs=5e-3)
    assert found["negative_binomial"] == 14
    delivered = service(continuous("negative_binomial", 4, 40, 6), [12.0]).fill_rate[0]
    assert delivered == pytest.approx(0.9361, abs=5e-5)


def test_exact_fill_rate_is_not_the_shortcut() -> None:
    """Normal 100/40, Q 20, s 140: shortcut 1 - ESC(s)/Q = .8334, exact .8920."""
    control = continuous("normal", 100, 1600, 20)
    assert 1 - control.lead.expected_shortage([140.0])[0] / 20 == pytest.approx(0.8334, abs=1e-4)
    assert service(control, [140.0]).fill_rate[0] == pytest.approx(0.8920, abs=5e-5)


@needs_oracle
def test_service_equals_the_exact_examples() -> None:
    """Hadley-Whitin exact (s,Q); Axsaeter 5.50-5.60 stock on hand; Poisson (r,Q); (R,S) without double counting."""
    examples = {e["id"]: e for e in json.loads((ORACLE / "textbook_and_exact_examples.json").read_text())}
    for name, example in examples.items():
        i, expected = example["inputs"], example.get("recomputed")
        if name.startswith(("normal_fill", "gamma_fill")):
            control = continuous(name.split("_")[0], i["mean_LTD"], i["sd_LTD"] ** 2, i["Q"])
            exact = expected.get("fill_exact", expected.get("fill_exact_overshootfree"))
            assert service(control, [i["s"]]).fill_rate[0] == pytest.approx(exact, rel=1e-9), name
        elif name.startswith("rQ_poisson"):
            control = continuous("negative_binomial", i["lam"] * i["L"], i["lam"] * i["L"], i["Q"])
            found = service(control, [i["r"]])
            assert found.fill_rate[0] == pytest.approx(expected["fill_rate"], rel=1e-9), name
            assert found.expected_stock[0] == pytest.approx(expected["expected_on_hand"], rel=1e-9), name
        elif name.startswith("RQ_normal"):
            found = service(continuous("normal", i["mu_LTD"], i["sd_LTD"] ** 2, i["Q"]), [i["R"]])
            assert found.fill_rate[0] == pytest.approx(expected["S2_fill"], rel=1e-9), name
            assert found.csl[0] == pytest.approx(expected["S1_prob_no_stockout_per_cycle"], rel=1e-9), name
            assert found.expected_stock[0] == pytest.approx(expected["expected_on_hand"], rel=1e-9), name
        elif name.startswith("RS_fill"):
            tiny = 1e-3
            control = periodic("normal", i["D"], i["sd"] ** 2, i["L"], i["R"], tiny)
            found = service(control, [i["S"] - tiny / 2])
            assert found.fill_rate[0] == pytest.approx(expected["fill_corrected"], abs=1e-6), name
            assert found.csl[0] == pytest.approx(expected["CSL"], abs=1e-6), name


@needs_oracle
def test_textbook_safety_stocks() -> None:
    """Chopra 12-4 (CSL), Silver-Pyke-Thomas P1, and Chopra periodic review, S as published."""
    examples = {e["id"]: e for e in json.loads((ORACLE / "textbook_and_exact_examples.json").read_text())}
    found = solve_reorder_point(continuous("normal", 5000, 500_000, 1), metric="csl", target=0.90)
    assert found[0] == pytest.approx(examples["chopra_12_4"]["recomputed"]["ROP"], abs=1e-3)
    found = solve_reorder_point(continuous("normal", 58.3, 13.1**2, 1), metric="csl", target=0.90)
    assert found[0] == pytest.approx(examples["spt_P1"]["recomputed"]["s"], abs=1e-5)
    found = solve_reorder_point(periodic("normal", 2500, 250_000, 2, 4, 1e-3), metric="csl", target=0.90)
    assert found[0] == pytest.approx(examples["chopra_periodic"]["recomputed"]["OUL"], abs=1e-2)


cases = st.tuples(
    st.sampled_from(KINDS), st.floats(0.05, 500), st.floats(0.2, 6), st.floats(0, 8), st.floats(0.3, 4),
    st.integers(1, 200),
)  # fmt: skip


@given(case=cases, target=st.floats(0.6, 0.995), metric=st.sampled_from(["fill_rate", "csl"]))
def test_the_solved_point_meets_its_target_and_is_the_smallest(case: Any, target: float, metric: Any) -> None:
    kind, mean, ratio, lead, review, lot = case
    control = periodic(kind, mean, (ratio * mean) ** 2 / max(1.0, mean), lead, review, lot)
    found = plan(control, metric=metric, target=target)
    given_ = found.service.fill_rate if metric == "fill_rate" else found.service.csl
    assert given_[0] >= target - 1e-12
    again = service(control, found.reorder_point)
    assert again.fill_rate[0] == pytest.approx(found.service.fill_rate[0], abs=1e-12)
    if found.reorder_point[0] > 0:
        step = 1.0 if control.lead.is_count else 1e-4 * np.sqrt(control.span.variance[0])
        less = service(control, np.maximum(found.reorder_point - step, 0))
        assert (less.fill_rate if metric == "fill_rate" else less.csl)[0] < target


@given(case=cases, low=st.floats(0.6, 0.9), more=st.floats(0.005, 0.09))
def test_reorder_point_rises_with_the_target(case: Any, low: float, more: float) -> None:
    kind, mean, ratio, lead, review, lot = case
    control = periodic(kind, mean, (ratio * mean) ** 2 / max(1.0, mean), lead, review, lot)
    points = [solve_reorder_point(control, metric="fill_rate", target=target)[0] for target in (low, low + more)]
    assert points[0] <= points[1] + 1e-9


@given(
    kind=st.sampled_from(("normal", "gamma")), mean=st.floats(1, 500), cv=st.floats(0.1, 1.2), more=st.floats(1.05, 2)
)
def test_safety_stock_rises_with_the_spread(kind: Any, mean: float, cv: float, more: float) -> None:
    points = [
        solve_reorder_point(
            periodic(kind, mean, (mean * cv * factor) ** 2, 2, 1, mean), metric="fill_rate", target=0.97
        )[0]
        for factor in (1.0, more)
    ]
    assert points[0] <= points[1] + 1e-6 * mean


@given(
    kind=st.sampled_from(("normal", "gamma")),
    mean=st.floats(0.5, 100),
    cv=st.floats(0.1, 1.5),
    factor=st.floats(0.01, 100),
)
def test_reorder_point_scales_with_the_unit(kind: Any, mean: float, cv: float, factor: float) -> None:
    one = solve_reorder_point(periodic(kind, mean, (mean * cv) ** 2, 3, 1, mean), metric="fill_rate", target=0.95)[0]
    other = periodic(kind, mean * factor, (mean * cv * factor) ** 2, 3, 1, mean * factor)
    assert solve_reorder_point(other, metric="fill_rate", target=0.95)[0] == pytest.approx(
        one * factor, rel=1e-5, abs=1e-5 * mean * factor
    )


def simulated(
    kind: str, s: float, lot: float, lead: tuple[int, ...], review: int, rows: int, days: int, refills: bool = False
) -> Any:
    """(R,s,nQ) by day with full backlog: fill rate per row, csl, stock after and before receipts. 3 units/day, var 12.

    `refills`: an order fills up to s + lot exactly, and is left out while it would be below `lot` (a minimum).
    """
    rng = np.random.default_rng(11)
    mean, variance = 3.0, {"normal": 0.5, "gamma": 12.0, "negative_binomial": 12.0, "poisson": 3.0}[kind]
    draw = {
        "normal": lambda: rng.normal(mean, np.sqrt(variance), rows),
        "gamma": lambda: rng.gamma(mean**2 / variance, variance / mean, rows),
        "negative_binomial": lambda: rng.negative_binomial(mean**2 / 9, mean / variance, rows).astype(float),
        "poisson": lambda: rng.poisson(mean, rows).astype(float),
    }[kind]
    stock = np.full(rows, s + lot)
    position = stock.copy()
    due = np.zeros((days + max(lead) + 2, rows))
    missed, total, start = np.zeros(rows), np.zeros(rows), days // 10
    after, before, safe = [], [], []
    everyone = np.arange(rows)
    for day in range(days):  # one loop over days: stock of a day is the input of the next
        units = draw()
        if day >= start:
            missed += np.minimum(np.maximum(units - np.maximum(stock, 0), 0), np.maximum(units, 0))
            total += units
        stock = stock - units
        position = position - units
        if len(lead) == 1 and day >= start and (day - lead[0]) % review == 0:
            before.append(np.maximum(stock, 0).mean())
            safe.append((stock >= 0).mean())
        stock = stock + due[day]
        if len(lead) == 1 and day >= start and (day - lead[0]) % review == 0:
            after.append(np.maximum(stock, 0).mean())
        if day % review == 0:
            need = np.maximum(np.ceil((s - position) / lot + 1e-12), 0) * lot
            need = np.where((position <= s) & (need <= 0), lot, need)
            if refills:
                need = np.where(position <= s, s + lot - position, 0)
            position = position + need
            due[day + rng.choice(lead, rows), everyone] += need
    return 1 - missed / total, np.mean(safe) if safe else None, (np.mean(after or [0]) + np.mean(before or [0])) / 2


@pytest.mark.parametrize("lot", [1.0, 60.0])
@pytest.mark.parametrize("kind", ["normal", "gamma", "negative_binomial", "poisson"])
@pytest.mark.capability("4.1", part="fill rate: normal, gamma, negative binomial, undershoot included")
def test_simulated_service_reproduces_the_formula(kind: Any, lot: float) -> None:
    lead, review, variance = 10, 7, {"normal": 0.5, "poisson": 3.0}.get(kind, 12.0)
    family = "negative_binomial" if kind == "poisson" else kind
    control = periodic(family, 3.0, variance, lead, review, lot)
    s = solve_reorder_point(control, metric="fill_rate", target=0.90)
    expected = service(control, s)
    fill, csl, stock = simulated(kind, s[0], lot, (lead,), review, rows=300, days=4000)
    half_width = 4 * fill.std() / np.sqrt(fill.size)
    assert abs(fill.mean() - expected.fill_rate[0]) < half_width + 2e-4
    assert half_width < 6e-3
    assert csl == pytest.approx(expected.csl[0], abs=0.01)
    assert stock == pytest.approx(expected.expected_stock[0], rel=0.02)


@pytest.mark.parametrize("kind", ["gamma", "negative_binomial"])
def test_random_lead_times_do_not_break_the_promise(kind: Any) -> None:
    """Lead time 7 or 13 days (orders cannot cross at a review of 7): the promised fill rate is met, nearly exactly."""
    mean, variance, lead, review, spread = 3.0, 12.0, 10, 7, 3.0
    over = variance * (lead + review) + mean**2 * spread**2
    control = Control(
        demand(kind, [mean * lead], [over * lead / (lead + review)]),
        demand(kind, [mean * (lead + review)], [over]),
        np.array([1.0]),
    )
    s = solve_reorder_point(control, metric="fill_rate", target=0.95)
    fill, _, _ = simulated(kind, s[0], 1.0, (7, 13), review, rows=300, days=4000)
    error = 4 * fill.std() / np.sqrt(fill.size)
    expected = service(control, s).fill_rate[0]
    assert expected - error < fill.mean() < expected + 0.012 + error


@pytest.mark.parametrize("minimum", [20.0, 60.0])
@pytest.mark.parametrize("kind", ["gamma", "negative_binomial"])
def test_a_minimum_in_a_refill_policy_is_planned_on_the_safe_side(kind: Any, minimum: float) -> None:
    """Positions are taken as uniform below S; filling up leaves them higher, so more is served than promised."""
    control = periodic(kind, 3.0, 12.0, 10, 7, minimum)
    s = solve_reorder_point(control, metric="fill_rate", target=0.95)
    fill, _, _ = simulated(kind, s[0], minimum, (10,), 7, rows=300, days=4000, refills=True)
    error = 4 * fill.std() / np.sqrt(fill.size)
    assert 0.95 - error < fill.mean() < 0.99


@given(wanted=st.floats(0, 1e5), minimum=st.floats(0, 1e4), multiple=st.sampled_from([0.5, 1.0, 6.0, 24.0]))
def test_lot_is_whole_multiples_and_not_below_the_minimum(wanted: float, minimum: float, multiple: float) -> None:
    lot = order_quantity([wanted], [minimum], [multiple])[0]
    assert lot >= max(wanted, minimum, multiple) - 1e-6
    assert lot / multiple == pytest.approx(round(lot / multiple), abs=1e-9)
    assert lot < max(wanted, minimum, multiple) + multiple


@pytest.mark.parametrize(
    ("lot", "target", "complaint"), [(0.0, 0.9, "lot"), (2.5, 0.9, "lot"), (2.0, 97.5, "target"), (2.0, 1.0, "target")]
)
def test_what_cannot_be_solved_is_refused(lot: float, target: float, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        solve_reorder_point(continuous("negative_binomial", 4, 40, lot), metric="fill_rate", target=target)
