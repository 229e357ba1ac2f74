"""Scheme files: one bad example per rule, the chain of versions, and what a scheme says of itself."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from strata.home import REPOSITORY
from strata.scheme.load import SchemeRegister, content_sha256, load_scheme, parameters
from strata.scheme.model import Scheme, Value
from strata.strict_yaml import load_yaml

SHIPPED: dict[str, Any] = load_yaml(REPOSITORY / "config" / "schemes" / "2017.1.yml")
REASON = "Twenty characters and more, so that it says something."


def changed(path: str, value: object) -> dict[str, Any]:
    """The shipped scheme with one value changed; `...` takes the key out."""
    content = copy.deepcopy(SHIPPED)
    *parents, last = path.split(".")
    node = content
    for name in parents:
        node = node[name]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return content


def written(folder: Path, content: dict[str, Any], name: str = "scheme.yml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def rs(target: object, **more: object) -> dict[str, object]:
    return {
        "policy_type": "RS", "service_metric": "fill_rate", "service_target": target, "review_days": 7,
        "rationale": REASON,
    } | more  # fmt: skip


@pytest.mark.capability("1.4", part="97.5 where 0.975 is meant is refused at load")
@pytest.mark.parametrize("percent", [97.5, 1.0, 1, 95, 0.0, 0.3, -0.95])
def test_a_service_target_that_is_no_fraction_is_refused(tmp_path: Path, percent: float) -> None:
    with pytest.raises(ValueError, match="write 0.975 for 97.5 %") as error:
        load_scheme(written(tmp_path, changed("policies.AX", rs(percent))))
    assert "policies.AX" in str(error.value) and "scheme.yml" in str(error.value)


BAD: list[tuple[str, object, str]] = [
    ("rationale", "tbd", "rationale: .*at least 20"),
    ("value.rationale", ..., "value.rationale: Field required"),
    ("policies.AX.rationale", "short", "policies.AX.rationale"),
    ("colour", "red", "colour: Extra inputs"),
    ("value.cut", 0.8, "value.cut: Extra inputs"),
    ("version", "", "version"),
    ("version", "../up", "version"),
    ("effective_from", "2026-13", "effective_from"),
    ("owner", "x", "owner"),
    ("class_level", "site", "class_level"),
    ("buckets.classification", "quarter", "buckets.classification"),
    ("buckets.planning_periods", 1, "buckets.planning_periods"),
    (
        "exclusions",
        [{"name": "Bad Name", "column": "family", "values": ["x"], "rationale": REASON}],
        "exclusions.0.name",
    ),
    ("exclusions", [{"name": "ok", "column": "price", "values": ["x"], "rationale": REASON}], "exclusions.0.column"),
    ("exclusions", [{"name": "ok", "column": "family", "values": [], "rationale": REASON}], "exclusions.0.values"),
    ("value.basis", "volume", "value.basis"),
    ("value.window_cycles", 0, "value.window_cycles"),
    ("value.cuts", {"A": 0.95, "B": 0.8}, "value: .*A < B"),
    ("value.cuts", {"A": 0.8, "B": 0.8}, "value: .*A < B"),
    ("value.cuts", {"A": 0.8}, "value: .*A and B"),
    ("value.cuts", {"A": 80, "B": 95}, "value.cuts.A"),
    ("variability.cuts", {"X": 1.0, "Y": 0.5}, "variability: .*X < Y"),
    ("variability.cuts", {"X": 0.5, "Z": 1.0}, "variability.cuts"),
    ("variability.min_periods", 1, "variability.min_periods"),
    ("demand_pattern.adi_cut", 1.0, "demand_pattern.adi_cut"),
    ("demand_pattern.min_demands", 2, "demand_pattern.min_demands"),
    ("hysteresis.value_band", 0.2, "hysteresis.value_band"),
    ("hysteresis.variability_band", -0.1, "hysteresis.variability_band"),
    ("lifecycle.growth_ratio", 1.0, "lifecycle.growth_ratio"),
    ("lifecycle.decline_ratio", 1.5, "lifecycle.decline_ratio"),
    ("censoring.min_stockout_share", 0, "censoring.min_stockout_share"),
    ("censoring.min_stockout_share", 25, "censoring.min_stockout_share"),
    ("shift.z", 1, "shift.z"),
    ("seasonality.min_seasons", 1, "seasonality.min_seasons"),
    ("forecast.horizon_periods", 0, "forecast.horizon_periods"),
    ("forecast.methods", {"smooth": "ses"}, "forecast: .*lacks demand classes"),
    ("forecast.methods.lumpy", "prophet", "forecast.methods.lumpy"),
    ("forecast.ses_alphas", [], "forecast.ses_alphas"),
    ("forecast.ses_alphas", [0.1, 1.2], "forecast.ses_alphas.1"),
    ("inventory.distributions", {"smooth": "normal"}, "inventory: .*lacks demand classes"),
    ("inventory.holding_rate_year", 20, "inventory.holding_rate_year"),
    ("inventory.lead_time.min_receipts", 1, "inventory.lead_time.min_receipts"),
    ("policies.AX", rs(None), "policies.AX: .*needs service_metric, service_target and review_days"),
    ("policies.AX", rs(0.95, review_days=None), "policies.AX: .*needs"),
    ("policies.AX", rs(0.95, review_days=0), "policies.AX.review_days"),
    ("policies.AX", rs(0.95, policy_type="none"), "policies.AX: .*type none has no service"),
    ("policies.AX", rs(0.95, policy_type="minmax"), "policies.AX.policy_type"),
    ("policies.AX", ..., r"lacks segments \['AX'\]: give each a policy"),
    ("policies.UU", ..., r"lacks segments \['UU'\]"),
    ("policies.DX", rs(0.9), r"segments that cannot occur: \['DX'\]"),
    ("gates.max_refused_share", 0, "gates.max_refused_share"),
    ("gates.min_items", 0, "gates.min_items"),
    ("gates.class_share", {"D": [0, 1]}, "gates.class_share"),
]


@pytest.mark.parametrize(("path", "value", "why"), BAD, ids=[f"{path}={value}"[:50] for path, value, _ in BAD])
def test_a_bad_example_of_every_rule(tmp_path: Path, path: str, value: object, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        load_scheme(written(tmp_path, changed(path, value)))
    assert str(tmp_path / "scheme.yml") in str(error.value)


@pytest.mark.parametrize("cell", sorted(SHIPPED["policies"]))
def test_every_cell_needs_a_policy_or_none_with_a_reason(tmp_path: Path, cell: str) -> None:
    with pytest.raises(ValueError, match=rf"lacks segments \['{cell}'\]"):
        load_scheme(written(tmp_path, changed(f"policies.{cell}", ...)))
    load_scheme(written(tmp_path, changed(f"policies.{cell}", {"policy_type": "none", "rationale": REASON})))


@pytest.mark.parametrize(
    "part", [name for name, value in SHIPPED.items() if isinstance(value, dict) and name != "policies"]
)
def test_numbers_without_a_reason_do_not_load(tmp_path: Path, part: str) -> None:
    with pytest.raises(ValueError, match=f"{part}.rationale: Field required"):
        load_scheme(written(tmp_path, changed(f"{part}.rationale", ...)))


def test_a_scheme_cannot_be_changed_once_it_is_read() -> None:
    scheme = Scheme.model_validate(SHIPPED)
    with pytest.raises(ValueError, match="frozen"):
        scheme.value.window_cycles = 3


def test_a_part_that_a_later_version_of_the_code_knows_changes_no_hash() -> None:
    """An approval holds for a hash: it must outlive an upgrade that adds an optional part."""

    class Later(Scheme):
        future: Value | None = None

    now, then = Scheme.model_validate(SHIPPED), Later.model_validate(SHIPPED)
    assert content_sha256(now) == content_sha256(then)
    assert content_sha256(Later.model_validate(SHIPPED | {"future": SHIPPED["value"]})) != content_sha256(now)
    assert content_sha256(Scheme.model_validate(changed("value.window_cycles", 6))) != content_sha256(now)


def version(number: str, start: str, supersedes: str | None) -> dict[str, Any]:
    return SHIPPED | {"version": number, "effective_from": start, "supersedes": supersedes}


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """Three versions; the file names say nothing about their order."""
    for name, content in (
        ("c.yml", version("1", "2016-01", None)),
        ("a.yml", version("2", "2017-01", "1")),
        ("b.yml", version("3", "2017-06", "2")),
    ):
        written(tmp_path, content, name)
    return tmp_path


@pytest.mark.parametrize(
    ("cycle", "expected"),
    [("2016-01", "1"), ("2016-12", "1"), ("2017-01", "2"), ("2017-05", "2"), ("2017-06", "3"), ("2030-01", "3")],
)
def test_a_cycle_resolves_to_the_version_in_force(chain: Path, cycle: str, expected: str) -> None:
    assert SchemeRegister.load(chain).for_cycle(cycle).scheme.version == expected


def test_no_version_holds_before_the_first(chain: Path) -> None:
    with pytest.raises(ValueError, match="no scheme holds in cycle 2015-12; the first starts in 2016-01"):
        SchemeRegister.load(chain).for_cycle("2015-12")


def test_a_version_that_is_not_there(chain: Path) -> None:
    assert SchemeRegister.load(chain).version("2").scheme.effective_from == "2017-01"
    with pytest.raises(ValueError, match="'9' is not in config/schemes"):
        SchemeRegister.load(chain).version("9")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (version("4", "2018-01", "2"), "supersedes '2', but the version before it is '3'"),
        (version("4", "2018-01", None), "supersedes None, but the version before it is '3'"),
        (version("0", "2015-01", None), "supersedes None, but the version before it is '0'"),
        (version("3", "2018-01", "3"), "each version and each effective_from may stand once"),
        (version("4", "2017-06", "3"), "each version and each effective_from may stand once"),
    ],
)
def test_a_broken_chain_does_not_load(chain: Path, content: dict[str, Any], why: str) -> None:
    written(chain, content, "d.yml")
    with pytest.raises(ValueError, match=why):
        SchemeRegister.load(chain)


def test_a_folder_without_schemes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no scheme file"):
        SchemeRegister.load(tmp_path)


@pytest.mark.capability("3.6", part="a scheme version is identified by the hash of its content")
def test_white_space_and_key_order_do_not_make_another_scheme(tmp_path: Path) -> None:
    known = load_scheme(REPOSITORY / "config" / "schemes" / "2017.1.yml").sha256
    assert load_scheme(written(tmp_path, dict(reversed(SHIPPED.items())))).sha256 == known
    assert load_scheme(written(tmp_path, changed("value.cuts.A", 0.81))).sha256 != known
    assert load_scheme(written(tmp_path, changed("value.rationale", REASON))).sha256 != known


@given(st.floats(0.5, 1, exclude_max=True))
def test_every_fraction_loads(target: float) -> None:
    Scheme.model_validate(changed("policies.AX", rs(target)))


def test_every_number_stands_in_the_table_of_parameters_with_its_reason() -> None:
    scheme = Scheme.model_validate(SHIPPED)
    rows = parameters(scheme)
    assert [path for path, _, _ in rows] == sorted({path for path, _, _ in rows})
    found = {path: (value, why) for path, value, why in rows}
    assert found["value.cuts.A"] == ("0.8", SHIPPED["value"]["rationale"].strip())
    assert found["inventory.lead_time.max_days"][1] == SHIPPED["inventory"]["lead_time"]["rationale"]
    assert found["policies.AX.service_target"][0] == "0.98"
    assert found["supersedes"][0] == "null"
    assert all(len(why) >= 20 for _, _, why in rows)
    assert count_leaves(SHIPPED) == len(rows)


def count_leaves(node: object) -> int:
    """Numbers and choices in a scheme as it is written, lists of plain values counted once, policies filled up."""
    count: Callable[[object], int] = count_leaves
    if isinstance(node, dict):
        missing = 3 if node.get("policy_type") == "none" else 0
        return missing + sum(count(child) for name, child in node.items() if name != "rationale")
    if isinstance(node, list) and node and isinstance(node[0], dict):
        return sum(count(child) for child in node)
    return 1
