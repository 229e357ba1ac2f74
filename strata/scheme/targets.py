"""What service a scheme aims at: which promises to customers bind an item, and the KPIs that segments are judged by.

Belongs here: the rule of the effective target, definitions of KPIs with unit, basis and targets. Does not: the policy
of a segment with its own target (`strata.scheme.model`), finding what binds (`strata.inventory.service`).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from strata.scheme.part import Part

Metric = Literal["fill_rate", "csl"]
Promise = Literal["fill_rate", "availability"]
Name = Literal["fill_rate", "csl", "otif", "lead_time", "turns", "cover"]
# What each KPI is counted in, what it may be counted by, and the largest number that is not an error of unit.
KPIS: dict[str, tuple[str, tuple[str, ...], float]] = {
    "fill_rate": ("fraction", ("line", "unit", "order", "value"), 1),
    "csl": ("fraction", ("cycle",), 1),
    "otif": ("fraction", ("line", "order"), 1),
    "lead_time": ("days", ("line", "order"), 730),
    "turns": ("per_year", ("unit", "value"), 365),
    "cover": ("days", ("unit", "value"), 3650),
}
REST = "*"


class ServiceTargets(Part):
    """Which promises bind the target of an item, and when a target counts as out of reach.

    A term of priority `max_priority` or better binds an item where its customers place at least `min_share` of the
    order lines of the item in the region. `metrics` says which measure of the policy answers which promised metric;
    what is not named sets no target of stock. A target is out of reach where its policy would need a cycle service
    level above `max_csl`.
    """

    metrics: Annotated[dict[Promise, Metric], Field(min_length=1)]
    max_priority: int = Field(ge=1, le=9)
    min_share: float = Field(ge=0, lt=1)
    max_csl: float = Field(ge=0.5, lt=1)


class Kpi(Part):
    """One KPI: its unit, what is counted, the target of each segment (`*`: all others), and the tolerance around it.

    Shares are fractions: 0.975 is 97.5 %. The tolerance is in the unit of the KPI.
    """

    name: Name
    unit: Literal["fraction", "days", "per_year"]
    basis: Literal["line", "unit", "order", "value", "cycle"]
    targets: Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)]
    tolerance: float = Field(ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        unit, bases, most = KPIS[self.name]
        if self.unit != unit:
            raise ValueError(f"unit {self.unit} does not fit {self.name}, which is counted in {unit}")
        if self.basis not in bases:
            raise ValueError(f"basis {self.basis} does not fit {self.name}, which is counted by {', '.join(bases)}")
        for segment, target in sorted(self.targets.items()):
            if unit == "fraction" and target >= 1:
                told = f"{target / 100:.10g} is {target:g} %" if 1 < target < 100 else "0.975 is 97.5 %"
                raise ValueError(f"targets.{segment} {target:g}: {told}; write a share between 0 and 1")
            if target > most:
                raise ValueError(f"targets.{segment} {target:g} is more than {most:g} {unit}: another unit was meant")
        if unit == "fraction" and self.tolerance >= 1:
            raise ValueError(f"tolerance {self.tolerance:g} is a share too: write 0.01 for one point")
        return self

    def target(self, segment: str) -> float | None:
        """Target of a segment; None where none is stated for it."""
        return self.targets.get(segment, self.targets.get(REST))


class KpiTable(Part):
    """All KPIs of a scheme, each once."""

    definitions: Annotated[tuple[Kpi, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _once(self) -> Self:
        names = [kpi.name for kpi in self.definitions]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"definitions: {twice} stand more than once; one definition per KPI")
        return self
