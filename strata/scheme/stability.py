"""Scheme part `stability`: how classes are put to the test of other samples, other forecasts and biased ones.

Belongs here: the numbers of the stability lab. Does not: the draws (`strata.classify.stability`).
"""

from pydantic import Field

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
