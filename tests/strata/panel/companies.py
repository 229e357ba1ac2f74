"""Small panels and maps for the tests of `strata import`."""

from pathlib import Path
from typing import Any

import yaml

from strata.panel.mapping import PanelMap, as_map

BASE: dict[str, Any] = {
    "name": "shop",
    "columns": {
        "sku_id": "item", "location_id": "store", "date": "day", "quantity": "sold", "unit_price": "price",
        "region": "state",
    },
    "currency": "USD",
    "grain": "month",
    "time_zone": "America/Chicago",
    "unit": "EA",
    "cycles": 2,
    "class_level": "location",
}  # fmt: skip
HEADER = "item,store,day,sold,price,state"


def panel_map(**changes: Any) -> PanelMap:
    """The base map with some keys changed; None leaves a key out."""
    content = {key: value for key, value in (BASE | changes).items() if value is not None}
    return as_map(content, "MAP")


def write_map(path: Path, **changes: Any) -> Path:
    """`panel_map` as a file."""
    content = {key: value for key, value in (BASE | changes).items() if value is not None}
    path.write_text(yaml.safe_dump(content))
    return path


def months(first_year: int, count: int) -> list[str]:
    """First days of consecutive months from January on."""
    return [f"{first_year + index // 12}-{index % 12 + 1:02d}-01" for index in range(count)]


def write_panel(path: Path, lines: list[str], header: str = HEADER) -> Path:
    """A CSV with these lines."""
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def steady(count: int = 24, items: int = 4) -> list[str]:
    """Two stores in two states sell `items` items in every month; item i sells 10 + i, odd months one more."""
    return [
        f"I{item},S{place},{day},{10 + item + index % 2},{2 + item}.50,{'CA' if place == 1 else 'TX'}"
        for index, day in enumerate(months(2014, count))
        for place in (1, 2)
        for item in range(items)
    ]
