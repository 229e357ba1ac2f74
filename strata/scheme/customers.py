"""Scheme part `customers`: how customers and channels are classed, what serving them costs, and what they may expect.

Belongs here: the numbers of the customer dimension. Does not: the classes (`strata.classify.customers`).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from strata.scheme.part import Part, Share

CUSTOMER_CLASSES = ("A", "B", "C", "U")
COST_CLASSES = ("L", "H", "U")
Money = Annotated[float, Field(ge=0, le=1_000_000)]


class ServiceFloors(Part):
    """Least fill rate that customers of a value class may expect of an item, whatever the item's own segment says."""

    fill_rate: dict[Literal["A", "B", "C", "U"], Share]


class Customers(Part):
    """Value and cost-to-serve classes of customers and channels; hysteresis is that of the scheme.

    Value is summed over the scheme's value window. The cost to serve is activities times their rates (group currency)
    and the freight of the customer's own shipments; a customer is dear (`H`) where it exceeds `max_cost_share` of the
    margin. `cost_band` is the dead band round that share.
    """

    basis: Literal["revenue", "margin"]
    cuts: dict[Literal["A", "B"], Share]
    cost_per_order: Money
    cost_per_line: Money
    cost_per_return_line: Money
    max_cost_share: float = Field(gt=0, le=10)
    cost_band: float = Field(ge=0, le=1)
    service_floors: ServiceFloors | None = None

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if set(self.cuts) != {"A", "B"} or not self.cuts["A"] < self.cuts["B"]:
            raise ValueError(f"customers.cuts must give A and B, A below B, not {self.cuts}")
        if self.cost_band >= self.max_cost_share:
            raise ValueError(
                f"customers.cost_band {self.cost_band} reaches down to a cost share of nothing: "
                f"choose it below max_cost_share {self.max_cost_share}"
            )
        return self
