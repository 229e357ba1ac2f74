"""Dimensions compared: cells by hand, and the rule case by case."""

import numpy as np
import pandas as pd
import pytest

from strata.review.dimensions import Cells, dimension_comparison
from strata.scheme.evidence import DimensionBounds

RULE = DimensionBounds(
    min_lines=3, max_thin_share=0.1, equal_variance=0.02, rationale="Small cells, so that a test can hold them."
)


def summed(values: np.ndarray, group: np.ndarray) -> Cells:
    of = [values[group == one] for one in np.unique(group)]
    lines, total, squares = ([float(f(cell)) for cell in of] for f in (len, np.sum, lambda cell: (cell**2).sum()))
    return Cells(np.array(lines), np.array(total), np.array(squares))


def lines(seed: int = 1, count: int = 400) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Log values that differ by product (six), a little by customer (four), not by channel (two)."""
    rng = np.random.default_rng(seed)
    product, customer, channel = rng.integers(0, 6, count), rng.integers(0, 4, count), rng.integers(0, 2, count)
    value = rng.normal(product * 0.8 + customer * 0.05, 1.0)
    keys = {"product": product, "customer": customer, "channel": channel, "product_customer": product * 4 + customer}
    return value, keys


def compared(rule: DimensionBounds = RULE, **other: Cells) -> pd.DataFrame:
    value, keys = lines()
    cells = {name: summed(value, key) for name, key in keys.items()} | other
    return dimension_comparison(cells, cells, rule=rule).set_index("dimension")


@pytest.mark.capability("1.3", part="all four dimensions on the same lines, a recommendation with its rule")
def test_the_dimension_that_explains_with_the_fewest_cells_is_recommended() -> None:
    found = compared()
    value, keys = lines()
    product = found.loc["product"]
    means = np.array([value[keys["product"] == one].mean() for one in range(6)])[keys["product"]]
    within, between = ((value - means) ** 2).sum(), ((means - value.mean()) ** 2).sum()
    error = within / (400 - 6)
    assert product["variance_explained"] == pytest.approx((between - 5 * error) / (between + within + error))
    assert product["median_lines"] == np.median(np.bincount(keys["product"]))
    assert (product["cells"], product["lines"], product["thin_cells_share"]) == (6, 400, 0.0)
    assert found.index[found["is_recommended"]].tolist() == ["product"] and product["rank"] == 1
    assert "fewest cells (6" in product["decision_reason"]
    assert found.loc["product_customer", "decision_reason"].startswith("explains ")
    assert "not enough more" in found.loc["product_customer", "decision_reason"]
    assert "where another explains" in found.loc["channel", "decision_reason"]
    assert sorted(found["rank"]) == [1, 2, 3, 4]


def test_thin_cells_are_counted_and_keep_a_dimension_out() -> None:
    thin = Cells(np.array([2.0, 2, 6]), np.array([0.0, 40, 30]), np.array([1.0, 801, 151]))
    row = compared(product_customer=thin).loc["product_customer"]
    assert (row["thin_cells_share"], row["thin_lines_share"]) == (pytest.approx(2 / 3), pytest.approx(0.4))
    assert row["decision_reason"] == "thin: 40.0% of the lines in cells below 3"
    loose = RULE.model_copy(update={"max_thin_share": 0.5})
    assert compared(loose, product_customer=thin).loc["product_customer", "is_recommended"]


def test_one_cell_says_nothing_and_none_is_not_compared() -> None:
    one = Cells(np.array([400.0]), np.array([10.0]), np.array([900.0]))
    none = Cells(np.zeros(0), np.zeros(0), np.zeros(0))
    found = compared(channel=one, customer=none)
    assert found.loc["channel", "decision_reason"] == "says nothing: all lines are in one cell"
    assert found.loc["customer", "decision_reason"] == "not compared: the scheme does not class it"
    assert found.loc["customer", "lines"] == 0 and np.isnan(found.loc["customer", "median_lines"])
    alone = dict.fromkeys(("product", "customer", "channel", "product_customer"), one)
    nothing = dimension_comparison(alone, alone, rule=RULE)
    assert not nothing["is_recommended"].any() and len(nothing) == 4
