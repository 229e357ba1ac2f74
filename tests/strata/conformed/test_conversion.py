"""Units and currencies of sales lines: rates and factors of the business date, known at the cut-off, never made up."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expectations.reconciliation import SIGNS
from strata.conformed.engine import engine, query
from strata.conformed.history import View
from strata.conformed.supply import item_values
from tests.strata.conformed.past import demand_history
from tests.strata.conformed.place import Place, at

DAY = "2026-03-10T10:00:00Z"


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return Place(tmp_path)


def demand(view: View) -> list[tuple[Decimal, Decimal, Decimal | None]]:
    """Units, revenue and margin of every month."""
    history, _ = demand_history(view)
    return [
        (row["demand_units"], row["revenue"], row["margin"])
        for row in history.to_pylist()
        if row["bucket"] == "month" and row["order_lines"]
    ]


def set_aside(view: View) -> dict[str, int]:
    _, reconciliation = demand_history(view)
    return {
        row["reason"]: row["line_count"]
        for row in reconciliation.to_pylist()
        if row["line"] == "quarantined" and row["bucket"] == "month"
    }


@pytest.mark.capability("2.2", part="quantities in the base unit by the factor of their business date")
def test_a_pack_counts_as_what_it_held_on_the_day(here: Place) -> None:
    """A case held 12 until the end of February and holds 10 since; both of it were known all along."""
    here.unit("CS", "12")
    here.unit("CS", "10", valid_from=date(2026, 3, 1))
    here.sale("2026-02-28T22:30:00Z", unit="CS", quantity=Decimal(2))  # 23:30 in Berlin: still February
    here.sale("2026-02-28T23:30:00Z", unit="CS", quantity=Decimal(2))
    here.sale(DAY, quantity=Decimal(5))
    assert [units for units, _, _ in demand(here.view("2026-04"))] == [24, 25]


@pytest.mark.capability("2.2", part="amounts in the group currency by the rate of their business date")
def test_money_is_worth_what_it_was_on_the_day(here: Place) -> None:
    here.rate("USD/EUR", "2026-03-09", "0.9")
    here.rate("USD/EUR", "2026-03-11", "0.8")
    here.sale(DAY, currency="USD", net_amount=Decimal("10.01"))
    here.sale("2026-03-11T10:00:00Z", currency="USD", net_amount=Decimal("-4"))
    here.sale(DAY)
    # 10.01 x 0.9 - 4 x 0.8 + 10; three units at a cost of 6
    assert demand(here.view("2026-04")) == [(3, Decimal("15.809"), Decimal("-2.191"))]


@pytest.mark.parametrize(
    ("rates", "worth"),
    [
        pytest.param({"CHF/EUR": "1.05"}, "10.5", id="direct"),
        pytest.param({"EUR/CHF": "0.9375"}, "10.6667", id="inverse"),
        pytest.param({"CHF/EUR": "1.05", "EUR/CHF": "0.9"}, "10.5", id="direct-before-inverse"),
        pytest.param({"CHF/USD": "1.25", "EUR/USD": "1.1"}, "11.3636", id="cross"),
        pytest.param({"CHF/EUR": "1.05", "CHF/USD": "1.25", "EUR/USD": "1.1"}, "10.5", id="direct-before-cross"),
        pytest.param({"CHF/USD": "1.25"}, None, id="half-a-cross"),
        pytest.param({"CHF/GBP": "0.9", "GBP/EUR": "1.1"}, None, id="no-cross-but-by-the-pivot"),
        pytest.param({}, None, id="none"),
    ],
)
def test_one_rule_finds_the_rate(here: Place, rates: dict[str, str], worth: str | None) -> None:
    for pair, rate in rates.items():
        here.rate(pair, "2026-03-10", rate)
    here.sale(DAY, currency="CHF")
    view = here.view("2026-04")
    assert [revenue for _, revenue, _ in demand(view)] == ([Decimal(worth)] if worth else [])
    assert set_aside(view) == ({} if worth else {"missing_rate": 1})


@pytest.mark.capability("2.2", part="a missing rate or factor sets the line aside, it is never one")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"rate": {"day": "2026-03-11"}}, "missing_rate", id="B25-rate-begins-later"),
        pytest.param({"rate": {"day": "2026-03-02"}}, "missing_rate", id="B25-rate-too-old"),
        pytest.param({"rate": {"known": "2026-04-10"}}, "missing_rate", id="B25-rate-known-later"),
        pytest.param({"rate": {"until": "2026-03-20"}}, "missing_rate", id="B25-rate-withdrawn"),
        pytest.param({"rate": {"rate_type": "X"}}, "missing_rate", id="B25-other-type"),
        pytest.param({"unit": {"valid_from": date(2026, 3, 11)}}, "missing_unit_factor", id="B24-factor-begins-later"),
        pytest.param({"unit": {"valid_to": date(2026, 3, 9)}}, "missing_unit_factor", id="B24-factor-ended"),
        pytest.param({"unit": {"known": "2026-04-10"}}, "missing_unit_factor", id="B24-factor-known-later"),
        pytest.param({"unit": {"to_unit": "KG"}}, "missing_unit_factor", id="B24-factor-to-a-former-base-unit"),
        pytest.param({"unit": {"sku_id": "I2"}}, "missing_unit_factor", id="B24-factor-of-another-item"),
    ],
)
def test_what_was_not_stated_is_not_made_up(here: Place, change: dict[str, Any], reason: str) -> None:
    rate = {"day": "2026-03-10", "rate": "0.9"} | change.get("rate", {})
    here.rate("USD/EUR", rate.pop("day"), rate.pop("rate"), rate.pop("known", ""), rate.pop("until", ""), **rate)
    unit = dict(change.get("unit", {}))
    here.unit("CS", "12", unit.pop("known", ""), **unit)
    here.sale(DAY, unit="CS", currency="USD")
    here.sale(DAY)
    view = here.view("2026-04")
    assert demand(view) == [(1, 10, 4)]
    assert set_aside(view) == {reason: 1}


def test_a_rate_that_came_late_counts_from_the_next_cycle(here: Place) -> None:
    here.rate("USD/EUR", "2026-03-10", "0.9", known="2026-04-10")
    here.sale(DAY, currency="USD")
    assert demand(here.view("2026-04")) == []
    assert [revenue for _, revenue, _ in demand(here.view("2026-05"))] == [9]


def test_a_corrected_factor_corrects_the_days_it_was_wrong_for(here: Place) -> None:
    here.unit("CS", "12", until="2026-04-10")
    here.unit("CS", "10", known="2026-04-10")
    here.sale(DAY, unit="CS")
    assert [units for units, _, _ in demand(here.view("2026-04"))] == [12]
    assert [units for units, _, _ in demand(here.view("2026-05"))] == [10]


def test_a_home_without_a_rule_for_money_uses_no_rate(here: Place) -> None:
    here.exchange = None
    here.rate("USD/EUR", "2026-03-10", "0.9", rate_type="M")
    here.sale(DAY, currency="USD")
    assert set_aside(here.view("2026-04")) == {"missing_rate": 1}


@pytest.mark.parametrize(
    ("cost_currency", "margin"),
    [("EUR", Decimal(18)), ("USD", Decimal("19.8")), ("GBP", None), (None, None)],
)
def test_a_cost_in_another_currency_is_converted_or_unknown(
    here: Place, cost_currency: str | None, margin: Decimal | None
) -> None:
    """Three units for 36 EUR; each costs 6 of its currency at the rate of the day of the sale, 0.9."""
    here.rows["int_item_version"].clear()
    here.item("I1", currency=cost_currency)
    here.rate("USD/EUR", "2026-03-10", "0.9")
    here.sale(DAY, quantity=Decimal(3), net_amount=Decimal(36))
    assert demand(here.view("2026-04")) == [(3, 36, margin)]


@pytest.mark.parametrize(("cost_currency", "cost"), [("EUR", Decimal(6)), ("USD", Decimal("5.4")), ("GBP", None)])
def test_stock_is_worth_its_cost_in_whatever_unit_it_is_counted(
    here: Place, cost_currency: str, cost: Decimal | None
) -> None:
    here.rows["int_item_version"].clear()
    here.item("I1", currency=cost_currency)
    here.rate("USD/EUR", "2026-03-31", "0.9")
    here.unit("CS", "12")
    found = {row["unit"]: (row["factor"], row["unit_cost"]) for row in item_values(here.view("2026-04")).to_pylist()}
    assert found == {None: (1, cost), "EA": (1, cost), "CS": (12, cost)}


@pytest.mark.capability("2.2", part="the identity shows every currency and unit as it came and as it was converted")
def test_lines_leave_their_currency_and_enter_the_groups(here: Place) -> None:
    here.unit("CS", "12")
    here.rate("USD/EUR", "2026-03-10", "0.9")
    here.sale(DAY, unit="CS", quantity=Decimal(2), currency="USD", net_amount=Decimal(20))
    here.sale(DAY, unit="CS", quantity=Decimal(3))
    here.sale(DAY, unit="CS", quantity=Decimal(1), currency="USD", line_type="return")
    here.sale(DAY)
    _, reconciliation = demand_history(here.view("2026-04"))
    found = {
        (row["line"], row["reason"], row["currency"], row["base_unit"]): (
            row["line_count"], int(row["units"]), row["amount"],
        )
        for row in reconciliation.to_pylist()
        if row["bucket"] == "month"
    }  # fmt: skip
    assert found == {
        ("accepted", "-", "USD", "CS"): (2, 3, 30),
        ("accepted", "-", "EUR", "CS"): (1, 3, 10),
        ("accepted", "-", "EUR", "EA"): (1, 1, 10),
        ("excluded", "return", "USD", "CS"): (1, 1, 10),
        ("converted_out", "EA in EUR", "USD", "CS"): (1, 2, 20),
        ("converted_in", "CS in USD", "EUR", "EA"): (1, 24, 18),
        ("converted_out", "EA in EUR", "EUR", "CS"): (1, 3, 10),
        ("converted_in", "CS in EUR", "EUR", "EA"): (1, 36, 10),
        ("history", "-", "EUR", "EA"): (3, 61, 38),
    }


@dataclass(frozen=True)
class Facts:
    """Rates, factors and lines of a few days; codes as the place has them."""

    rates: list[tuple[str, int, Decimal, int]]
    factors: list[tuple[str, int, int | None, Decimal, Decimal]]
    lines: list[tuple[int, str, str, Decimal, Decimal]]


START = date(2026, 3, 1)
MONEY = st.decimals("-99999", "999999", places=4, allow_nan=False)
AMOUNT = st.decimals("0.0001", "99999", places=4, allow_nan=False)
FACTS = st.builds(
    Facts,
    rates=st.lists(
        st.tuples(
            st.sampled_from(["USD/EUR", "EUR/USD", "CHF/EUR", "CHF/USD", "USD/CHF", "JPY/USD"]),
            st.integers(-9, 20),
            st.decimals("0.0000000001", "30000", places=10, allow_nan=False),
            st.sampled_from([1, 100]),
        ),
        max_size=8,
        unique_by=lambda rate: rate[:2],
    ),
    factors=st.lists(
        st.tuples(
            st.sampled_from(["CS", "PAL"]), st.integers(-9, 20), st.none() | st.integers(-9, 20),
            st.decimals("0.0001", "5000", places=4), st.decimals("0.0001", "50", places=4),
        ),
        max_size=5,
        unique_by=lambda factor: factor[:2],
    ),
    lines=st.lists(
        st.tuples(
            st.integers(0, 20), st.sampled_from(["EA", "CS", "PAL"]), st.sampled_from(["EUR", "USD", "CHF", "JPY"]),
            AMOUNT, MONEY,
        ),
        min_size=1,
        max_size=12,
    ),
)  # fmt: skip


EXACT = Context(prec=120)


def rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, EXACT)


def ratio(numerator: Decimal, denominator: Decimal | int) -> Decimal | None:
    """With 14 decimals; None where it does not fit its type, as if nobody had stated it."""
    found = rounded(EXACT.divide(numerator, Decimal(denominator)), 14)
    return found if found < 10**10 else None


def product(left: Decimal, right: Decimal, places: int, limit: int) -> Decimal | None:
    found = rounded(EXACT.multiply(left, right), places)
    return found if abs(found) < limit else None


def factor_of(facts: Facts, unit: str, day: int) -> Decimal | None:
    """Base units of a unit on a day, worked out from the words of docs/methods/conversion.md."""
    if unit == "EA":
        return Decimal(1)
    begun = [factor for factor in facts.factors if factor[0] == unit and factor[1] <= day]
    if not begun:
        return None
    _, _, last, numerator, denominator = max(begun, key=lambda factor: factor[1])
    return None if last is not None and last < day else ratio(numerator, denominator)


def stated(facts: Facts, pair: str, day: int) -> tuple[Decimal, int] | None:
    begun = [rate for rate in facts.rates if rate[0] == pair and rate[1] <= day]
    newest = max(begun, key=lambda rate: rate[1], default=None)
    return None if newest is None or day - newest[1] > 7 else newest[2:]


def leg(facts: Facts, source: str, target: str, day: int) -> Decimal | None:
    if (found := stated(facts, f"{source}/{target}", day)) and (direct := ratio(*found)) is not None:
        return direct
    found = stated(facts, f"{target}/{source}", day)
    return ratio(Decimal(found[1]), found[0]) if found else None


def rate_of(facts: Facts, currency: str, day: int) -> Decimal | None:
    if currency == "EUR":
        return Decimal(1)
    if (own := leg(facts, currency, "EUR", day)) is not None:
        return own
    there, back = leg(facts, currency, "USD", day), leg(facts, "USD", "EUR", day)
    return product(there, back, 14, 10**10) if currency != "USD" and there is not None and back is not None else None


def filled(place: Place, facts: Facts) -> None:
    for pair, day, rate, units in facts.rates:
        place.rate(pair, str(START + timedelta(days=day)), str(rate), from_units=units)
    for unit, day, last, numerator, denominator in facts.factors:
        place.unit(
            unit, str(numerator), denominator=denominator, valid_from=START + timedelta(days=day),
            valid_to=None if last is None else START + timedelta(days=last),
        )  # fmt: skip
    for day, unit, currency, quantity, amount in facts.lines:
        moment = f"{START + timedelta(days=day)}T12:00:00Z"
        place.sale(moment, unit=unit, currency=currency, quantity=quantity, net_amount=amount)


@pytest.mark.capability("2.2", part="the identity holds under any rates and factors, and any order of rows")
@given(facts=FACTS, shuffled=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_conversion_equals_a_second_computation_in_any_order(tmp_path: Path, facts: Facts, shuffled: Any) -> None:
    place = Place(tmp_path)
    filled(place, facts)
    view = place.view("2026-05", known_at="2026-05-03T04:00:00Z")
    wanted_units, wanted_revenue, wanted_aside = Decimal(0), Decimal(0), 0
    for day, unit, currency, quantity, amount in facts.lines:
        factor, rate = factor_of(facts, unit, day), rate_of(facts, currency, day)
        units = None if factor is None else product(quantity, factor, 4, 10**14)
        revenue = None if rate is None else product(amount, rate, 4, 10**14)
        if units is None or revenue is None:
            wanted_aside += 1
            continue
        wanted_units += units
        wanted_revenue += revenue
    for _ in range(2):
        sums = computed(place, view)
        assert (sums["units"], sums["revenue"], sums["aside"]) == (wanted_units, wanted_revenue, wanted_aside)
        assert all(left == [0, 0, 0] for left in sums["residuals"].values()), sums["residuals"]
        for rows in place.rows.values():
            shuffled.shuffle(rows)


def computed(place: Place, view: View) -> dict[str, Any]:
    tables = place.tables() | {name: table for name, table in view.tables().items() if name in ("exclusion", "bucket")}
    with engine(tables, **view.variables()) as connection:
        for name in ("conversion", "sales_as_known"):
            connection.execute(query(name))
        history = connection.execute(query("demand_history")).to_arrow_table()
        connection.register("demand_history", history)
        rows = connection.execute(query("reconciliation")).to_arrow_table().to_pylist()
    residuals: dict[tuple[str, str], list[Decimal]] = {}
    for row in rows:
        total = residuals.setdefault((row["bucket"] + row["currency"], row["base_unit"]), [Decimal(0)] * 3)
        for number, name in enumerate(("line_count", "units", "amount")):
            total[number] += SIGNS[row["line"]] * row[name]
    months = [row for row in history.to_pylist() if row["bucket"] == "month"]
    return {
        "units": sum((row["demand_units"] for row in months), Decimal(0)),
        "revenue": sum((row["revenue"] for row in months), Decimal(0)),
        "aside": sum(r["line_count"] for r in rows if r["line"] == "quarantined" and r["bucket"] == "month"),
        "residuals": residuals,
    }


def test_known_time_of_the_place_is_the_cutoff(here: Place) -> None:
    assert here.view("2026-05").known_at == at("2026-05-03T06:00:00+02:00")
