"""The shipped scheme with fixed dead bands round raw metrics and no other control: rules worked by hand."""

from strata.home import REPOSITORY
from strata.scheme.load import load_scheme
from strata.scheme.model import Hysteresis

SHIPPED = load_scheme(REPOSITORY / "config" / "schemes" / "2017.1.yml").scheme
BANDED = SHIPPED.model_copy(
    update={
        "level": None,
        "variability": SHIPPED.variability.model_copy(update={"basis": "cv"}),
        "hysteresis": Hysteresis(
            value_band=0.02, variability_band=0.20, rationale="Two share points and a fifth of the cut, by hand."
        ),
    }
)
