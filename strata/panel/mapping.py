"""The map of a demand panel: which of its columns mean what, and what the panel itself does not say.

Belongs here: shape and cross-field rules of MAP.yml, the panel's columns as a contract. Does not: reading the panel
(`strata.panel.reading`), what becomes of it (`strata.panel.landing`, `strata.panel.company`).
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from strata.calendar import Bucket
from strata.intake.contract import Contract
from strata.intake.mapping import Encoding
from strata.intake.terms import strictest
from strata.partition import checked_cycle, checked_region
from strata.strict_yaml import load_yaml

Grain = Literal["event", "day", "week", "month"]
Positive = Annotated[float, Field(gt=0)]
REQUIRED = ("sku_id", "location_id", "date", "quantity")
# Canonical columns of a panel, in the order in which they are read; where one comes from the contract of a feed, its
# type and bounds do too.
OPTIONAL = (
    "region", "customer_id", "channel", "order_id", "order_line", "unit_price", "unit_cost", "currency", "item_name",
    "category", "family", "promotion", "in_stock",
)  # fmt: skip
# Buckets that a grain can be summed to, the finest first: weeks do not nest in months.
SUMS: dict[Grain, tuple[Bucket, ...]] = {
    "event": ("day", "week", "month"),
    "day": ("day", "week", "month"),
    "week": ("week",),
    "month": ("month",),
}
ONE_REGION = "ALL"


class MapError(ValueError):
    """The map cannot be used; the message names file, key and what to write instead."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RegionMap(_Strict):
    """One region: its name, its time zone where it differs, and what belongs to it.

    `values` are values of the panel's region column (unsaid: the code itself), `locations` are location ids.
    """

    name: str | None = None
    time_zone: str | None = None
    values: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        return None if value is None else _zone(value)


class Drop(_Strict):
    """Rows that are no part of the import: dated before `before` or after `after` (incomplete first, last periods)."""

    before: date | None = None
    after: date | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.before is None and self.after is None:
            raise ValueError("say before, after or both, as YYYY-MM-DD; or leave drop out")
        if self.before is not None and self.after is not None and self.before > self.after:
            raise ValueError(f"nothing is left between before {self.before} and after {self.after}")
        return self


class ShareOfPrice(_Strict):
    """A panel without cost: an item costs this share of its mean price. An assumption, and marked as one."""

    share_of_price: float = Field(gt=0, lt=1)


class Constant(_Strict):
    """A panel without price: every unit is worth the same, so that value classes rank by volume. An assumption."""

    constant: Positive


class Format(_Strict):
    """How the file is written, where that is not comma-separated UTF-8 with ISO dates and decimal points."""

    delimiter: Literal[",", ";", "\t", "|"] = ","
    encoding: Encoding = "utf-8"
    date: str | None = None
    decimal: Literal["comma", "trailing_minus"] | None = None


class PanelMap(_Strict):
    """What `strata import FILE --map MAP.yml` reads in MAP.yml. Unknown keys are refused.

    Attributes:
        name: names the company's scheme version.
        columns: canonical name to the panel's own; `OPTIONAL` ones may be left out.
        currency: group currency, and that of every row where no column says it.
        grain: period that a row stands for.
        time_zone: in which its dates are meant, where a region does not say otherwise.
        unit: unit of all quantities.
        regions: regions by code. Left out: the values of the region column, else one region `ALL`.
        drop: rows that are no part of the import.
        cycles: planning months to prepare, counted back from `last_cycle`.
        last_cycle: newest planning month; unsaid: the month after the last row's period.
        class_level: whether classes are those of a region's items or of each location's.
        classification_bucket: period of classes; unsaid: the shipped one where the grain can be summed to it.
        planning_bucket: period of forecasts and policies, likewise.
        value_basis: what value classes rank by.
        unit_cost: cost where no column says it.
        unit_price: price where no column says it.
        lead_time_days: planned lead time of every item, where nothing says what suppliers take. An assumption.
        location_type: what the locations are.
        format: how the file is written.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,15}$")
    columns: dict[str, Annotated[str, Field(min_length=1)]]
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    grain: Grain
    time_zone: str
    unit: str = Field(pattern=r"^[A-Za-z0-9]{1,8}$")
    regions: dict[str, RegionMap] = {}
    drop: Drop | None = None
    cycles: int = Field(ge=1, le=120)
    last_cycle: str | None = None
    class_level: Literal["region", "location"]
    classification_bucket: Bucket | None = None
    planning_bucket: Bucket | None = None
    value_basis: Literal["revenue", "margin"] = "revenue"
    unit_cost: ShareOfPrice | None = None
    unit_price: Constant | None = None
    lead_time_days: int | None = Field(default=None, ge=1, le=365)
    location_type: Literal["dc", "plant", "store"] = "store"
    format: Format = Format()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return _zone(value)

    @field_validator("last_cycle")
    @classmethod
    def _cycle(cls, value: str | None) -> str | None:
        return None if value is None else checked_cycle(value)

    @field_validator("regions")
    @classmethod
    def _codes(cls, value: dict[str, RegionMap]) -> dict[str, RegionMap]:
        for code in value:
            checked_region(code)
        return value

    @model_validator(mode="after")
    def _columns_known(self) -> Self:
        known = (*REQUIRED, *OPTIONAL)
        if unknown := sorted(set(self.columns) - set(known)):
            raise ValueError(f"columns: {unknown} are none of {', '.join(known)}")
        if missing := [name for name in REQUIRED if name not in self.columns]:
            raise ValueError(f"columns: {', '.join(missing)} must be named; a panel has {', '.join(REQUIRED)} at least")
        own = list(self.columns.values())
        if twice := sorted({name for name in own if own.count(name) > 1}):
            raise ValueError(f"columns: {twice} is named for two things; copy the column if it means both")
        if ("order_line" in self.columns) != ("order_id" in self.columns):
            raise ValueError("columns: order_id and order_line identify a line together; name both or neither")
        return self

    @model_validator(mode="after")
    def _regions_told_apart(self) -> Self:
        by_column = "region" in self.columns
        for code, region in self.regions.items():
            if region.values and not by_column:
                raise ValueError(f"regions.{code}: values are those of a region column, and columns names none")
            if not by_column and not region.locations and len(self.regions) > 1:
                raise ValueError(f"regions.{code}: list its locations, or name a region column in columns")
        for what in ("values", "locations"):
            told = [name for region in self.regions.values() for name in getattr(region, what)]
            if twice := sorted({name for name in told if told.count(name) > 1}):
                raise ValueError(f"regions: {what} {twice} stand in two regions; give each to one")
        return self

    @model_validator(mode="after")
    def _money(self) -> Self:
        if ("unit_price" in self.columns) == (self.unit_price is not None):
            raise ValueError(
                "unit_price: name a price column in columns, or say unit_price: {constant: 1} to rank by volume; "
                "one of the two"
            )
        if "unit_cost" in self.columns and self.unit_cost is not None:
            raise ValueError("unit_cost: the panel has a cost column, so no share of the price is assumed")
        if self.value_basis == "margin" and "unit_cost" not in self.columns and self.unit_cost is None:
            raise ValueError(
                "value_basis: margin needs a cost: name a column unit_cost, say unit_cost: {share_of_price: 0.7} "
                "(marked assumed), or choose revenue"
            )
        return self

    @model_validator(mode="after")
    def _buckets_reachable(self) -> Self:
        reachable = SUMS[self.grain]
        for key in ("classification_bucket", "planning_bucket"):
            bucket = getattr(self, key)
            if bucket is not None and bucket not in reachable:
                raise ValueError(
                    f"{key}: {bucket} cannot be made of demand by {self.grain}, which is never split: "
                    f"choose {' or '.join(reachable)}, or import finer demand"
                )
        return self

    def bucket(self, shipped: Bucket, chosen: Bucket | None) -> Bucket:
        """The bucket chosen, else the shipped one where the grain can be summed to it, else the finest that can."""
        reachable = SUMS[self.grain]
        return chosen or (shipped if shipped in reachable else reachable[0])

    def zone_of(self, region: str) -> str:
        """Time zone of a region's dates."""
        told = self.regions.get(region)
        return (told.time_zone if told else None) or self.time_zone

    @property
    def is_keyed(self) -> bool:
        """Whether a row stands once: by its order line, or as the only one of its item, location and period."""
        return "order_id" in self.has or (self.grain != "event" and not self.has & {"customer_id", "channel"})

    @property
    def has(self) -> frozenset[str]:
        """Canonical columns that the panel has."""
        return frozenset(self.columns)


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"time_zone {value!r} is not an IANA time zone such as Europe/Berlin") from error
    return value


def load_map(path: Path) -> PanelMap:
    """Read one MAP.yml; MapError naming file, key and what to write instead."""
    if not path.is_file():
        raise MapError(f"{path}: no such map; write one as docs/import.md shows")
    try:
        content = load_yaml(path)
    except ValueError as error:
        raise MapError(str(error)) from error
    return as_map(content, str(path))


def as_map(content: Any, name: str) -> PanelMap:
    """A map from its content; MapError beginning with `name`."""
    try:
        return PanelMap.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'map'}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
        )
        raise MapError(f"{name}: {faults}") from error


def panel_contract(panel: PanelMap, sales: Contract, items: Contract) -> Contract:
    """The panel's columns as a contract, so that intake's readers, casts and refusals hold for it as for any feed.

    Args:
        panel: the map.
        sales: contract of erp/sales_order_lines: types and bounds of what becomes a sales line.
        items: contract of erp/items: those of what becomes an item.
    """
    columns = [_column(name, panel, sales, items) for name in (*REQUIRED, *OPTIONAL) if name in panel.columns]
    key = ["order_id", "order_line"] if "order_id" in panel.has else ["sku_id", "location_id", "date"]
    return Contract.model_validate(
        {
            **sales.model_dump(mode="json"),
            "system": "panel",
            "feed": "demand",
            "description": "A demand panel as its map reads it; one row per item, location and period.",
            "key": key,
            "business_time": "date",
            "time_zone": panel.time_zone,
            "encoding": panel.format.encoding,
            "personal_data": strictest(column.get("personal_data", "none") for column in columns),
            "columns": columns,
        }
    )


def _column(name: str, panel: PanelMap, sales: Contract, items: Contract) -> dict[str, Any]:
    own: dict[str, dict[str, Any]] = {
        "date": {"type": "date", "meaning": "Day within the period that the row stands for."},
        "region": {"type": "text", "meaning": "Region as the panel names it."},
        "promotion": {"type": "text", "nullable": True, "meaning": "Promotion of the item in the period."},
        "in_stock": {"type": "text", "nullable": True, "meaning": "Whether the item could be had.",
                     "allowed": ["true", "false", "True", "False", "1", "0"]},
    }  # fmt: skip
    if name in own:
        column: dict[str, Any] = dict(own[name])
    elif name in ("unit_price", "unit_cost"):
        like = "list_price" if name == "unit_price" else "standard_cost"
        column = items.column(like).model_dump(mode="json")
    elif name in ("item_name", "category", "family"):
        column = items.column(name).model_dump(mode="json")
    else:
        column = sales.column(name).model_dump(mode="json")
    if name == "quantity":
        # A period without demand is a row like any other; negative demand is none.
        column |= {"min": "0", "exclusive_min": None}
    column |= {"name": name, "native": panel.columns[name]}
    if name == "date":
        column["format"] = panel.format.date
    elif column["type"] == "decimal":
        column["format"] = panel.format.decimal
    return column
