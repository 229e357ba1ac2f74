"""Definitions of KPIs and the rule of the effective target: units and bases that fit, shares that are shares."""

from typing import Any

import pytest
from pydantic import ValidationError

from strata.scheme.check import examine
from strata.scheme.load import parameters
from strata.scheme.model import Scheme
from strata.scheme.targets import KPIS, Kpi, KpiTable
from tests.strata.test_scheme import REASON, SHIPPED, changed

FILL: dict[str, Any] = {
    "name": "fill_rate", "unit": "fraction", "basis": "line", "targets": {"AX": 0.98, "*": 0.95}, "tolerance": 0.01,
    "rationale": REASON,
}  # fmt: skip


def test_a_segment_without_its_own_target_has_that_of_the_rest() -> None:
    kpi = Kpi.model_validate(FILL)
    assert (kpi.target("AX"), kpi.target("CZ")) == (0.98, 0.95)
    assert Kpi.model_validate(FILL | {"targets": {"AX": 0.98}}).target("CZ") is None


@pytest.mark.capability(
    "1.4", part="a KPI whose unit or basis does not fit, or whose share is a percentage, is refused"
)
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"targets": {"AX": 97.5}}, "targets.AX 97.5: 0.975 is 97.5 %; write a share between 0 and 1"),
        ({"targets": {"AX": 1}}, "write a share between 0 and 1"),
        ({"unit": "days"}, "unit days does not fit fill_rate, which is counted in fraction"),
        ({"basis": "cycle"}, "basis cycle does not fit fill_rate, which is counted by line, unit, order, value"),
        ({"name": "turns", "unit": "fraction"}, "counted in per_year"),
        ({"name": "turns", "unit": "per_year", "basis": "value", "targets": {"*": 400}}, "another unit was meant"),
        ({"name": "lead_time", "unit": "days", "basis": "line", "targets": {"*": 4000}}, "more than 730 days"),
        ({"tolerance": 1}, "write 0.01 for one point"),
        ({"targets": {}}, "at least 1"),
        ({"targets": {"AX": 0}}, "greater than 0"),
    ],
)
def test_a_kpi_that_cannot_be_meant_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why.replace(".", r"\.")):
        Kpi.model_validate(FILL | change)


def test_every_kpi_stands_once_and_has_its_unit_and_basis() -> None:
    with pytest.raises(ValidationError, match="stand more than once"):
        KpiTable.model_validate({"definitions": [FILL, FILL], "rationale": REASON})
    for name, (unit, bases, _) in KPIS.items():
        for basis in bases:
            target = 0.9 if unit == "fraction" else 4
            Kpi.model_validate(FILL | {"name": name, "unit": unit, "basis": basis, "targets": {"*": target}})


def test_the_check_says_where_a_percentage_stands() -> None:
    definitions = [FILL | {"targets": {"AX": 97.5}}]
    (fault,) = examine(changed("kpis.definitions", definitions), SHIPPED).faults
    assert fault.path.startswith("kpis.definitions.0") and "0.975 is 97.5 %" in fault.advice
    (fault,) = examine(changed("service.min_share", 5), SHIPPED).faults
    assert (fault.path, fault.advice) == ("service.min_share", "0.05 is 5 %; write a share between 0 and 1")


def test_kpis_are_parameters_of_the_scheme() -> None:
    found = {path: value for path, value, _ in parameters(Scheme.model_validate(SHIPPED))}
    assert found["kpis.definitions.fill_rate.basis"] == "line" and found["service.max_csl"] == "0.999"
    assert Scheme.model_validate(changed("kpis", ...)).kpis is None
