"""Scheme part `outliers`: when a demand is judged to be no part of an item's usual demand.

Belongs here: the bounds of the tests. Does not: the tests (`strata.demand.outliers`).
"""

from typing import Self

from pydantic import Field, model_validator

from strata.scheme.part import Part, Share


class Outliers(Part):
    """Tests of demand against its surroundings.

    A period lies off where it is further than `z` robust standard deviations from the running median of
    `window_periods`; more than `max_run` such periods in a row on one side are a new level, and more than
    `max_share` of all are how the item varies: not outliers. At least
    `min_periods` periods without promotion are needed, for an intermittent item as many demands. A phase is held
    against other seasons where it was seen in `min_seasons`. Variation below `least_cv` counts as that much. A gap
    between demands is unusual where chance alone leaves one as long with a probability below `gap_tail`.
    """

    window_periods: int = Field(ge=5, le=105)
    z: float = Field(ge=2, le=10)
    max_run: int = Field(ge=1, le=8)
    max_share: Share
    min_periods: int = Field(ge=4, le=104)
    min_seasons: int = Field(ge=3, le=10)
    least_cv: Share
    gap_tail: Share

    @model_validator(mode="after")
    def _window_has_a_middle(self) -> Self:
        if self.window_periods % 2 == 0:
            raise ValueError(
                f"outliers.window_periods {self.window_periods} must be odd: the period tested is its middle"
            )
        if self.max_run > self.window_periods // 2:
            raise ValueError(
                f"outliers.max_run {self.max_run} exceeds half of window_periods {self.window_periods}: a running "
                "median follows what fills half of its window, so longer runs are never seen; lower max_run"
            )
        return self
