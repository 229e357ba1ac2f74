"""Customers and channels: value against an independent ranking, cost to serve by hand, memory, service of the cells."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.classify.customers import Accounts, account_classes, service_cells
from strata.home import REPOSITORY
from strata.scheme.customers import Customers
from strata.scheme.model import Scheme
from strata.strict_yaml import load_yaml

SHIPPED: dict[str, Any] = load_yaml(REPOSITORY / "config" / "schemes" / "2017.1.yml")
WHY = "numbers of a test, chosen so that they are easy to check by hand"


def scheme(**change: Any) -> Scheme:
    return Scheme.model_validate(SHIPPED | change)


def rule(**change: Any) -> Customers:
    return Customers.model_validate(SHIPPED["customers"] | change)


def accounts(
    revenue: list[float], margin: list[float] | None = None, cost: list[float] | None = None, months: int = 12
) -> Accounts:
    """Customers K0, K1, ... that bought evenly."""
    money = np.array(revenue, dtype=float)
    count = len(money)
    return Accounts(
        names=np.array([f"K{number}" for number in range(count)], dtype=object),
        revenue=money,
        margin=money * 0.5 if margin is None else np.array(margin, dtype=float),
        cost=np.zeros(count) if cost is None else np.array(cost, dtype=float),
        monthly=np.repeat(money[:, None] / months, months, axis=1),
        observed=np.ones((count, months), dtype=bool),
        window=12,
        is_named=np.ones(count, dtype=bool),
    )


def first(given_: Accounts, **change: Any) -> pd.DataFrame:
    return account_classes(given_, None, key="customer_id", rule=rule(**change), scheme=scheme())


@pytest.mark.capability("1.3", part="customers by value and by what serving them costs")
def test_classes_of_five_customers_by_hand() -> None:
    # Margins 50, 30, 15, 5 and -1: shares before 0, 0.5, 0.8, 0.95; cost shares 0.2, 0.7, 0.6, 2 and infinite.
    found = first(accounts([100, 60, 30, 10, 10], [50, 30, 15, 5, -1], [10, 21, 9, 10, 1]))
    assert found["segment"].tolist() == ["AL", "AH", "BL", "CH", "UH"]
    assert found["cost_share"].round(3).tolist()[:4] == [0.2, 0.7, 0.6, 2.0]
    assert pd.isna(found["cost_share"].iloc[4])  # no share of a loss
    assert found["cumulative_share"].round(3).tolist()[:4] == [0.5, 0.8, 0.95, 1.0]
    assert found["decision_reason"].tolist() == ["value:new_item;cost:new_item"] * 4 + ["value:no_value;cost:new_item"]


@given(st.lists(st.integers(-20, 500), min_size=1, max_size=40), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_value_classes_equal_a_ranking_written_out(margins: list[int], seed: int) -> None:
    count = len(margins)
    order = np.random.default_rng(seed).permutation(count)
    names = np.array([f"K{number:02d}" for number in order], dtype=object)
    money = np.array(margins, dtype=float)
    steady = Accounts(
        names=names, revenue=np.full(count, 120.0), margin=money, cost=np.zeros(count),
        monthly=np.full((count, 12), 10.0), observed=np.ones((count, 12), dtype=bool), window=12,
        is_named=np.ones(count, dtype=bool),
    )  # fmt: skip
    found = first(steady)["value_class"].tolist()
    total = sum(margin for margin in margins if margin > 0)
    for margin, value_class in zip(margins, found, strict=True):
        # Ties share the place of the first of them; the account that crosses a cut keeps the higher class.
        before = sum(other for other in margins if other > margin)
        wanted = "U" if margin <= 0 else "A" if before * 100 < 80 * total else "B" if before * 100 < 95 * total else "C"
        assert value_class == wanted


@pytest.mark.capability("1.3", part="sales that name no customer are shown and rank nobody")
def test_what_names_nobody_ranks_nobody() -> None:
    known = accounts([100, 60, 30])
    with_unknown = accounts([100, 60, 30, 5000])
    with_unknown.is_named[3] = False
    found = first(with_unknown)
    pd.testing.assert_frame_equal(found.iloc[:3], first(known))
    assert found.iloc[3][["segment", "decision_reason"]].tolist() == ["UU", "not_stated"]


def test_an_unknown_cost_or_margin_has_no_class() -> None:
    found = first(accounts([100, 100], [50, float("nan")], [float("nan"), 1]))
    assert found["segment"].tolist() == ["AU", "UU"]


@pytest.mark.capability("3.3", part="customers keep their class in the dead band and leave it after confirmations")
def test_classes_are_held_against_flicker_and_let_go() -> None:
    before = first(accounts([100, 100, 100], cost=[29, 29, 29]))
    assert before["cost_class"].tolist() == ["L"] * 3
    # Bound 0.6, band 0.05: shares of 0.64 stay, of 0.70 wait for one more run, and leave then.
    now = accounts([100, 100, 100], cost=[29, 32, 35])
    held = account_classes(now, before, key="customer_id", rule=rule(), scheme=scheme())
    assert held["decision_reason"].str.split("cost:").str[1].tolist() == [
        "unchanged", "held_margin", "held_confirmation",
    ]  # fmt: skip
    assert held["cost_class"].tolist() == ["L"] * 3
    again = account_classes(now, held, key="customer_id", rule=rule(), scheme=scheme())
    assert again["cost_class"].tolist() == ["L", "L", "H"]
    assert again["previous_segment"].tolist() == held["segment"].tolist()
    assert again["decision_reason"].iloc[2].endswith("cost:moved")


@pytest.mark.capability("3.3", part="a customer whose purchases multiply moves at once")
def test_a_customer_that_truly_grew_is_let_through() -> None:
    rng = np.random.default_rng(5)
    monthly = rng.gamma(20, 5, size=(30, 24))
    monthly[3] *= 0.02
    seen = np.ones((30, 24), dtype=bool)

    def at(stop: int) -> Accounts:
        part = monthly[:, :stop]
        window = part[:, -12:].sum(axis=1)
        return Accounts(
            np.array([f"K{number:02d}" for number in range(30)], dtype=object), window, window * 0.5, window * 0.1,
            part, seen[:, :stop], 12, np.ones(30, dtype=bool),
        )  # fmt: skip

    before = account_classes(at(18), None, key="customer_id", rule=rule(), scheme=scheme())
    assert before["value_class"].iloc[3] == "C"
    monthly[3, 18:] *= 100
    for stop in (19, 20, 21, 22):
        before = account_classes(at(stop), before, key="customer_id", rule=rule(), scheme=scheme())
        if before["value_class"].iloc[3] != "C":
            break
    assert before["value_class"].iloc[3] == "A"
    assert before["decision_reason"].iloc[3].startswith("value:moved")


def test_without_levels_value_is_the_window_and_its_own_spread() -> None:
    plain = scheme(level=None, variability=SHIPPED["variability"] | {"basis": "cv"})
    found = account_classes(accounts([100, 60, 30]), None, key="customer_id", rule=rule(), scheme=plain)
    assert found["segment"].tolist() == ["AL", "AL", "BL"]


def test_a_name_that_stands_twice_is_refused() -> None:
    before = first(accounts([100, 60]))
    with pytest.raises(ValueError, match="customer_id 'K0' stands more than once"):
        account_classes(accounts([100]), pd.concat([before, before]), key="customer_id", rule=rule(), scheme=scheme())
    with pytest.raises(ValueError, match="a name stands twice"):
        Accounts(
            np.array(["K", "K"], dtype=object), np.ones(2), np.ones(2), np.ones(2), np.ones((2, 1)),
            np.ones((2, 1), dtype=bool), 12, np.ones(2, dtype=bool),
        )  # fmt: skip


@pytest.mark.capability("1.3", part="product x customer: each cell has the larger of target and floor, and says which")
def test_service_of_the_cells() -> None:
    cells = pd.DataFrame(
        [("AX", "A"), ("CZ", "A"), ("CZ", "B"), ("CZ", "C"), ("UU", "A")], columns=["item_segment", "customer_class"]
    )
    found = service_cells(cells, rule=rule(), scheme=scheme())
    assert found["service_target"].tolist()[:4] == [0.98, 0.95, 0.90, 0.85]
    assert found["decision_reason"].tolist() == ["segment", "customer_floor", "customer_floor", "segment", "no_policy"]
    assert pd.isna(found["service_target"].iloc[4]) and pd.isna(found["customer_floor"].iloc[3])
    policies = SHIPPED["policies"] | {"CZ": SHIPPED["policies"]["CZ"] | {"service_metric": "csl"}}
    other = service_cells(cells, rule=rule(), scheme=scheme(policies=policies))
    assert other["decision_reason"].tolist()[1] == "metric_differs"
    assert other["service_target"].tolist()[1] == 0.85


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cuts": {"A": 0.95, "B": 0.80}}, "A below B"),
        ({"cost_band": 0.7}, "reaches down to a cost share of nothing"),
        ({"basis": "units"}, "basis"),
        ({"cost_per_line": -1}, "cost_per_line"),
        ({"service_floors": {"fill_rate": {"A": 97.5}, "rationale": WHY}}, "fill_rate"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        rule(**change)
