"""Variability classes: the convention at the cuts and where nothing can be said."""

import numpy as np
import pytest

from strata.classify.variability import variability_classes
from strata.scheme.model import Variability

RULE = Variability(basis="cv", cuts={"X": 0.5, "Y": 1.0}, min_periods=4, rationale="customary cuts on raw CV")


@pytest.mark.capability("3.1", part="variability classes on raw CV")
@pytest.mark.parametrize(
    ("cv", "periods", "expected"),
    [(0.0, 12, "X"), (0.5, 12, "X"), (np.nextafter(0.5, 1), 12, "Y"), (1.0, 12, "Y"), (np.nextafter(1.0, 2), 12, "Z"),
     (0.2, 4, "X"), (0.2, 3, "U"), (np.nan, 12, "U"), (np.inf, 12, "U")],
)  # fmt: skip
def test_a_cv_at_a_cut_belongs_to_the_steadier_class(cv: float, periods: int, expected: str) -> None:
    assert variability_classes(np.array([cv]), np.array([periods]), variability=RULE).tolist() == [expected]


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        variability_classes(np.ones(2), np.ones(3, dtype=int), variability=RULE)
