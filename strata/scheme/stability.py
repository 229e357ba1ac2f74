"""Scheme parts that put decisions to the test: `stability` the classes, `dossier` the boundaries between them.

Belongs here: the numbers of the stability lab, and the alternatives that dossiers try. Does not: the draws
(`strata.classify.stability`), the effect of an alternative (`strata.review.boundary`).
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from strata.scheme.part import Part, Share


class Stability(Part):
    """How often classes are drawn again, and from when on a class is at risk.

    Periods are drawn in blocks of `block_periods`. The benchmark forecast is exponential smoothing with
    `benchmark_alpha`, started at the mean of the first `warm_up_periods`; errors are taken from there. `bias`: part by
    which the demand of a group is over- or understated. An item is at risk below `min_probability`; ranges over draws
    hold `confidence` of them.
    """

    draws: int = Field(ge=20, le=5000)
    seed: int = Field(ge=0)
    block_periods: int = Field(ge=1, le=26)
    benchmark_alpha: Share
    warm_up_periods: int = Field(ge=1, le=26)
    bias: Share
    min_probability: Share
    confidence: Share


Steps = Annotated[tuple[Annotated[float, Field(gt=-1, lt=1)], ...], Field(min_length=1)]


class Dossier(Part):
    """Where else each boundary is tried for its dossier.

    `value_steps` are added to a cut of the value axis (share points: 0.05 tries 0.85 beside 0.80);
    `variability_steps` are parts of a cut of the variability axis (0.2 tries 0.6 beside 0.5).
    """

    value_steps: Steps
    variability_steps: Steps

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for name, steps in (("value_steps", self.value_steps), ("variability_steps", self.variability_steps)):
            if 0 in steps or list(steps) != sorted(set(steps)):
                raise ValueError(f"dossier.{name} must ascend, each once and none of them 0, not {list(steps)}")
        return self
