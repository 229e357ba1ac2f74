"""The ladder against a plain reading of its rules, one series at a time, and its rungs one by one."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.demand.fallback import LEVELS, NEEDED, fall_back
from strata.partition import shifted
from strata.scheme.model import RUNGS, Fallback, Rung

WHY = "a number for tests, chosen so that every rung can be reached"
MIN = 3
CYCLE = "2026-06"


def rule(**change: Any) -> Fallback:
    limits = {"predecessor": 12, "like_item": 4, "family_region": 6, "last_class": 9}
    values: dict[str, Any] = {
        "min_periods": MIN, "stale_periods": 1, "max_stale_cycles": 2, "prior_periods": 0.5, "like_items": 3,
        "max_price_ratio": 2.0, "min_peers": 2, "default": "observed_rate", "default_confidence": 0.1,
        "rungs": {name: Rung(max_cycles=most, confidence=0.4, rationale=WHY) for name, most in limits.items()},
        "rationale": WHY,
    }  # fmt: skip
    return Fallback(**(values | change))


def row(sku_id: str, **change: Any) -> dict[str, Any]:
    """A series of own history: 12 periods, 10 a period, CV 0.3, 100 in money."""
    plain: dict[str, Any] = {
        "sku_id": sku_id, "location_id": "*", "family": None, "price": np.nan, "currency": "EUR",
        "predecessor_sku_id": None,
        "is_lender": True, "periods_observed": 12, "periods_censored": 0, "periods_unreported": 0,
        "cycles_unobserved": 0, "units_period": 10.0, "units_period_alive": 10.0, "cv": 0.3, "value_period": 100.0,
        "last_value_class": None, "last_variability_class": None,
    }  # fmt: skip
    assert set(change) <= set(plain), set(change) - set(plain)
    return plain | change


UNSEEN = {"periods_observed": 0, "units_period": np.nan, "units_period_alive": np.nan, "cv": np.nan,
          "value_period": np.nan}  # fmt: skip


def climb(*rows: dict[str, Any], by: Fallback | None = None) -> pd.DataFrame:
    found = fall_back(pd.DataFrame(list(rows)), rule=by or rule(), min_periods=MIN, cycle=CYCLE)
    return found.set_axis([one["sku_id"] for one in rows])


@pytest.mark.capability("2.5", part="own history first")
def test_own_history_needs_nobody() -> None:
    found = climb(row("I1"), row("I2", periods_observed=MIN)).loc["I2"]
    assert (found.fallback_level, found.fallback_reason, found.fallback_valid_until_cycle) == ("own", None, None)
    assert (found.expected_units_period, found.expected_cv, found.expected_value_period) == (10.0, 0.3, 100.0)


@pytest.mark.capability("2.5", part="predecessor")
def test_a_predecessor_lends_what_it_sold_while_it_lived_and_is_shared_among_heirs() -> None:
    old = row("OLD", units_period=6.0, units_period_alive=12.0, value_period=60.0, is_lender=False)
    heirs = [row(name, predecessor_sku_id="OLD", **UNSEEN) for name in ("N1", "N2")]
    found = climb(old, *heirs)
    assert found.fallback_level.tolist() == ["own", "predecessor", "predecessor"]
    assert found.loc["N1", ["expected_units_period", "expected_cv", "expected_value_period"]].tolist() == [6, 0.3, 60]
    assert found.loc["N1", "fallback_source"] == "OLD"
    assert found.loc["N1", "fallback_valid_until_cycle"] == "2027-06"


@pytest.mark.capability("2.5", part="predecessor")
def test_a_chain_of_predecessors_is_followed_and_a_ring_ends() -> None:
    found = climb(
        row("A"),
        row("B", predecessor_sku_id="A", **UNSEEN),
        row("C", predecessor_sku_id="B", **UNSEEN),
        row("R1", predecessor_sku_id="R2", **UNSEEN),
        row("R2", predecessor_sku_id="R1", **UNSEEN),
    )
    assert found.loc["C", "fallback_source"] == "A"
    assert found.loc[["R1", "R2"], "fallback_level"].tolist() == ["default", "default"]
    assert found.loc["R1", "fallback_reason"].startswith("short_history:0_of_3_periods;predecessor:no_history;")


@pytest.mark.capability("2.5", part="like item by family and price")
def test_like_items_are_the_nearest_prices_of_the_family() -> None:
    lenders = [
        row(f"L{price}", family="F", price=float(price), units_period=float(price)) for price in (10, 11, 13, 19, 50)
    ]
    found = climb(*lenders, row("G12", family="G", price=12.0), row("NEW", family="F", price=12.0, **UNSEEN))
    assert found.loc["NEW", "expected_units_period"] == 11.0  # the median of 11, 13 and 10
    assert found.loc["NEW", "fallback_source"] == "L13+2"
    alone = climb(*lenders, row("NEW", family="F", price=120.0, **UNSEEN))
    assert alone.loc["NEW", "fallback_level"] == "family_region"
    assert "like_item:none_near" in alone.loc["NEW", "fallback_reason"]


@pytest.mark.capability("2.5", part="family x region")
def test_family_lends_its_median_and_needs_enough_peers() -> None:
    peers = [row(f"P{n}", family="F", units_period=float(n)) for n in (1, 2, 9)]
    found = climb(*peers, row("NEW", family="F", **UNSEEN), row("LONE", family="G", **UNSEEN))
    assert found.loc["NEW", ["fallback_level", "expected_units_period"]].tolist() == ["family_region", 2.0]
    assert found.loc["NEW", "fallback_source"] == "family:F/3_series"
    assert "family_region:peers_0_of_2" in found.loc["LONE", "fallback_reason"]


@pytest.mark.capability("2.5", part="last good class held, then default")
def test_the_last_class_lends_the_rate_of_its_segment_until_it_expires() -> None:
    peers = [row(f"P{n}", units_period=float(n), last_value_class="A", last_variability_class="X") for n in (4, 6)]
    out = {"periods_censored": 12, "last_value_class": "A", "last_variability_class": "X"} | UNSEEN
    found = climb(*peers, row("OUT", cycles_unobserved=9, **out), row("LATE", cycles_unobserved=10, **out))
    assert found.loc["OUT", ["fallback_level", "expected_units_period"]].tolist() == ["last_class", 5.0]
    assert found.loc["OUT", "fallback_valid_until_cycle"] == CYCLE
    assert found.loc["OUT", "fallback_reason"].startswith("stockout:12_periods;predecessor:none;like_item:expired")
    assert found.loc["LATE", "fallback_level"] == "default"
    assert found.loc["LATE", "fallback_reason"].endswith(";last_class:expired")
    assert np.isnan(found.loc["LATE", ["expected_units_period", "expected_cv"]].astype(float)).all()


@pytest.mark.capability("2.5", part="a stale feed is not zero demand, and its history expires")
def test_a_silent_place_keeps_its_history_for_a_while() -> None:
    stale = {"periods_unreported": 2}
    found = climb(row("S1", cycles_unobserved=2, **stale), row("S2", cycles_unobserved=3, **stale))
    assert found.loc["S1", ["fallback_level", "fallback_reason", "fallback_valid_until_cycle"]].tolist() == [
        "own", "stale_feed:2_periods", CYCLE,
    ]  # fmt: skip
    assert found.loc["S2", "fallback_level"] == "default"
    assert found.loc["S2", "fallback_reason"].startswith("stale_feed:2_periods;")


@pytest.mark.capability("2.5", part="own observations count beside what is lent")
def test_what_was_seen_is_blended_by_credibility() -> None:
    seen = row("NEW", predecessor_sku_id="OLD", periods_observed=2, units_period=40.0, value_period=800.0, cv=1.4)
    found = climb(row("OLD"), seen).loc["NEW"]
    assert found.expected_units_period == pytest.approx(40 * 0.8 + 10 * 0.2)
    assert found.expected_value_period == pytest.approx(800 * 0.8 + 100 * 0.2)
    assert found.expected_cv == 0.3


measure = st.floats(0.5, 500)
classes = st.sampled_from([None, "A", "B", "U"])


@st.composite
def companies(draw: st.DrawFn) -> list[dict[str, Any]]:
    size = draw(st.integers(1, 14))
    names = [f"I{number:02d}" for number in range(size)]
    prices = draw(st.lists(st.integers(1, 4000), min_size=size, max_size=size, unique=True))
    rows = []
    for name, price in zip(names, prices, strict=True):
        seen = draw(st.integers(0, 6))
        value = draw(classes)
        rows.append(
            row(
                name,
                location_id=draw(st.sampled_from(["L1", "L2"])),
                family=draw(st.sampled_from([None, "F", "G"])),
                price=draw(st.sampled_from([float(price), float(price), np.nan])),
                predecessor_sku_id=draw(st.sampled_from([None, None, *names, "GONE"])),
                is_lender=draw(st.booleans()),
                periods_observed=seen,
                periods_censored=draw(st.integers(0, 4)),
                periods_unreported=draw(st.sampled_from([0, 0, 2])),
                cycles_unobserved=draw(st.integers(0, 13)),
                units_period=draw(measure) if seen else np.nan,
                units_period_alive=draw(measure) if seen else np.nan,
                cv=draw(measure) if seen > 1 else np.nan,
                value_period=draw(measure) if seen else np.nan,
                last_value_class=value,
                last_variability_class=None if value is None else draw(st.sampled_from(["X", "Z", "U"])),
            )
        )
    return rows


def plain(rows: list[dict[str, Any]], by: Fallback) -> list[tuple[str, float, float]]:
    """Rung, units and CV of every series, read off the rules one series at a time."""
    own = {
        id(r): r["periods_observed"] >= MIN
        and not (r["periods_unreported"] > 0 and r["cycles_unobserved"] > by.max_stale_cycles)
        for r in rows
    }
    at = {(r["location_id"], r["sku_id"]): r for r in rows}

    def median(some: list[dict[str, Any]], name: str) -> float:
        known = [r[name] for r in some if not np.isnan(r[name])]
        return float(np.median(known)) if known else float("nan")

    def predecessor(r: dict[str, Any]) -> tuple[float, float] | None:
        one = at.get((r["location_id"], r["predecessor_sku_id"]))
        for _ in range(20):
            if one is None or own[id(one)]:
                break
            one = at.get((one["location_id"], one["predecessor_sku_id"]))
        if one is None or not own[id(one)]:
            return None
        heirs = sum(
            other["predecessor_sku_id"] == one["sku_id"] and other["location_id"] == one["location_id"]
            for other in rows
        )
        return one["units_period_alive"] / heirs, one["cv"]

    def like(r: dict[str, Any]) -> tuple[float, float] | None:
        if r["family"] is None or np.isnan(r["price"]):
            return None
        near = [
            (abs(np.log(other["price"] / r["price"])), other["price"], other)
            for other in rows
            if own[id(other)] and other["is_lender"] and not np.isnan(other["price"])
            and (other["family"], other["location_id"]) == (r["family"], r["location_id"])
        ]  # fmt: skip
        near = sorted((d, p, o["sku_id"]) for d, p, o in near if d <= np.log(by.max_price_ratio))[: by.like_items]
        chosen = [at[(r["location_id"], sku_id)] for _, _, sku_id in near]
        return (median(chosen, "units_period"), median(chosen, "cv")) if chosen else None

    def group(r: dict[str, Any], key: Any, least: int) -> tuple[float, float] | None:
        some = [o for o in rows if own[id(o)] and o["is_lender"] and key(o) is not None and key(o) == key(r)]
        return (median(some, "units_period"), median(some, "cv")) if len(some) >= least else None

    def segment(r: dict[str, Any]) -> str | None:
        known = r["last_value_class"] not in (None, "U") and r["last_variability_class"] is not None
        return r["last_value_class"] + r["last_variability_class"] if known else None

    answers = []
    for r in rows:
        if own[id(r)]:
            answers.append(("own", r["units_period"], r["cv"]))
            continue
        offers = {
            "predecessor": lambda r=r: predecessor(r),
            "like_item": lambda r=r: like(r),
            "family_region": lambda r=r: group(r, lambda o: o["family"], by.min_peers),
            "last_class": lambda r=r: (
                None if segment(r) is None else group(r, segment, 1) or (float("nan"), float("nan"))
            ),
        }
        for name in RUNGS:
            if name in by.rungs and r["cycles_unobserved"] <= by.rungs[name].max_cycles:
                offer = offers[name]()
                if offer is not None:
                    n, k = r["periods_observed"], by.prior_periods
                    blended = (n * r["units_period"] + k * offer[0]) / (n + k) if n else offer[0]
                    units = r["units_period"] if n and np.isnan(offer[0]) else blended
                    answers.append((name, units, offer[1]))
                    break
        else:
            answers.append(("default", r["units_period"], float("nan")))
    return answers


@pytest.mark.capability("2.5", part="the ladder in its order, against a plain reading of the rules")
@settings(max_examples=300, deadline=None)
@given(rows=companies(), offered=st.sets(st.sampled_from(RUNGS)))
def test_every_series_stands_where_the_rules_say(rows: list[dict[str, Any]], offered: set[str]) -> None:
    by = rule(rungs={name: rung for name, rung in rule().rungs.items() if name in offered})
    found = fall_back(pd.DataFrame(rows), rule=by, min_periods=MIN, cycle=CYCLE)
    wanted = plain(rows, by)
    assert found["fallback_level"].tolist() == [level for level, _, _ in wanted]
    for name, position in (("expected_units_period", 1), ("expected_cv", 2)):
        np.testing.assert_allclose(found[name].to_numpy(float), [answer[position] for answer in wanted], rtol=1e-9)


@settings(max_examples=100, deadline=None)
@given(rows=companies())
def test_a_rung_says_why_how_sure_and_until_when(rows: list[dict[str, Any]]) -> None:
    by = rule()
    found = fall_back(pd.DataFrame(rows), rule=by, min_periods=MIN, cycle=CYCLE)
    below = found[found["fallback_level"] != "own"]
    assert below["fallback_reason"].notna().all()
    assert below["confidence"].between(0, 1).all()
    lent = below[below["fallback_level"] != "default"]
    waited = pd.DataFrame(rows).loc[lent.index, "cycles_unobserved"]
    until = [
        shifted(CYCLE, by.rungs[level].max_cycles - n) for level, n in zip(lent["fallback_level"], waited, strict=True)
    ]
    assert lent["fallback_valid_until_cycle"].tolist() == until
    assert (lent["fallback_valid_until_cycle"] >= CYCLE).all()
    assert set(found["fallback_level"]) <= set(LEVELS)


@settings(max_examples=60, deadline=None)
@given(rows=companies(), seed=st.integers(0, 999))
def test_the_order_of_the_rows_changes_nothing(rows: list[dict[str, Any]], seed: int) -> None:
    frame = pd.DataFrame(rows)
    order = np.random.default_rng(seed).permutation(len(frame))
    found = fall_back(frame, rule=rule(), min_periods=MIN, cycle=CYCLE)
    mixed = fall_back(frame.iloc[order].reset_index(drop=True), rule=rule(), min_periods=MIN, cycle=CYCLE)
    pd.testing.assert_frame_equal(found.iloc[order].reset_index(drop=True), mixed)


def test_what_is_missing_or_twice_is_named() -> None:
    with pytest.raises(ValueError, match=r"\['price'\] are missing"):
        fall_back(pd.DataFrame([row("I1")]).drop(columns="price"), rule=rule(), min_periods=MIN, cycle=CYCLE)
    with pytest.raises(ValueError, match="stands more than once"):
        climb(row("I1"), row("I1"))
    assert set(row("I1")) == set(NEEDED)
