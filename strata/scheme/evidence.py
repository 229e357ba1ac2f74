"""Scheme part `evidence`: by which numbers the choice of criterion, dimension and method is judged every cycle.

Belongs here: candidates and bounds. Does not: what is measured of them (`strata.review`).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from strata.scheme.part import Part, Share

Criterion = Literal[
    "revenue", "margin", "demand_units", "order_lines", "variability", "unit_cost", "lead_time", "cost_ratio"
]
Method = Literal[
    "share_revenue", "share_margin", "share_demand_units", "cost_ratio", "breaks", "ng", "hadi_vencheh", "zhou_fan",
    "ramanathan", "edas", "kmeans"
]  # fmt: skip
ASKED_OF: dict[str, tuple[str, ...]] = {
    "share_revenue": ("revenue",),
    "share_margin": ("margin",),
    "share_demand_units": ("demand_units",),
    "cost_ratio": ("cost_ratio",),
}


class DimensionBounds(Part):
    """When a segmentation by product, customer, channel or both is too thin, and which one to take of the rest.

    A cell below `min_lines` order lines is thin; thin cells may hold `max_thin_share` of the lines. Of those that
    explain within `equal_variance` of the most, the one with the fewest cells is taken.
    """

    min_lines: int = Field(ge=2, le=10_000)
    max_thin_share: Share
    equal_variance: Annotated[float, Field(ge=0, lt=1)]


class MethodBounds(Part):
    """Methods that are compared, and when one can be explained.

    `criteria`: what methods of several criteria see, the most important first. `sample`: items that are compared, by
    chance where there are more. `draws`: how many of the draws are classed again by every method. A method is
    explained where a tree of at most `most_depth` conditions, each leaf of at least `least_items` items, names the
    class of `least_explained` of them. `balance`: share of the best weights in zhou_fan; `restarts` of k-means, whose
    features are logarithms beyond a skewness of `skew`.
    """

    names: tuple[Method, ...] = Field(min_length=2)
    criteria: tuple[Criterion, ...] = Field(min_length=2, max_length=6)
    sample: int = Field(ge=10, le=1_000_000)
    draws: int = Field(ge=2, le=1000)
    restarts: int = Field(ge=1, le=100)
    skew: float = Field(ge=0, le=10)
    balance: Annotated[float, Field(ge=0, le=1)]
    least_explained: Share
    most_depth: int = Field(ge=1, le=8)
    least_items: int = Field(ge=1, le=1000)


class Evidence(Part):
    """Candidate criteria, and the bounds that a criterion or method must meet before its cost counts.

    Costs are compared at `fill_rate`, a share of all demand by its value on the scheme's basis, no class below
    `least_cycle_service`. Eligible is what at least
    `least_completeness` of the items have and what gives the same classes with `least_kappa` on `draws` other samples
    of periods and items. Costs within `equal_cost` of the least are equal.
    """

    criteria: tuple[Criterion, ...] = Field(min_length=2)
    draws: int = Field(ge=2, le=1000)
    seed: int = Field(ge=0)
    fill_rate: Annotated[float, Field(ge=0.5, lt=1)]
    least_cycle_service: Share
    least_completeness: Share
    least_kappa: Share
    equal_cost: Annotated[float, Field(ge=0, lt=1)]
    dimensions: DimensionBounds | None = None
    methods: MethodBounds | None = None

    @model_validator(mode="after")
    def _methods_see_candidates(self) -> Self:
        if len(set(self.criteria)) != len(self.criteria):
            raise ValueError(f"evidence.criteria names one twice: {list(self.criteria)}")
        if self.methods is None:
            return self
        asked = {*self.methods.criteria, *(name for method in self.methods.names for name in ASKED_OF.get(method, ()))}
        if missing := sorted(asked - set(self.criteria)):
            raise ValueError(f"evidence.methods needs {missing}, which evidence.criteria does not list")
        if self.methods.draws > self.draws:
            raise ValueError(
                f"evidence.methods.draws {self.methods.draws} is more than evidence.draws {self.draws}: "
                "methods are classed on some of the same draws"
            )
        return self
