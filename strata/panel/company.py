"""The company that a panel makes: this home's regions, calendar, feed contracts and a variant of the shipped scheme.

Belongs here: what is written to the home's config/. Does not: reading the panel, what a scheme may say
(`strata.scheme.model`).
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from strata.calendar import PERIODS_PER_YEAR, Bucket
from strata.durable import promote, write_bytes
from strata.home import REPOSITORY, Home
from strata.panel.mapping import MapError, PanelMap
from strata.scheme.load import SchemeRegister, load_scheme
from strata.scheme.model import Fallback, Forecast, Lifecycle, Shift, Value, Variability
from strata.strict_yaml import load_yaml

RECORD = "import.json"
# Numbers of a scheme that count periods, by the bucket they count.
_CLASS_PERIODS: Mapping[str, tuple[type[BaseModel], tuple[str, ...]]] = {
    "value": (Value, ("window_cycles",)),
    "variability": (Variability, ("min_periods",)),
    "lifecycle": (Lifecycle, ("intro_periods", "dead_periods", "recent_periods")),
    "fallback": (Fallback, ("min_periods", "stale_periods")),
    "shift": (Shift, ("recent_periods",)),
}


def write_company(
    home: Home, panel: PanelMap, *, panel_id: str, regions: Sequence[str], first_cycle: str, what: str
) -> Path:
    """Write config/ of a home that has accepted nothing yet; what an equal import wrote before is left as it is.

    Args:
        home: data root.
        panel: the map.
        panel_id: identity of files and map.
        regions: region codes.
        first_cycle: first planning month.
        what: the panel's name, for the rationales.

    Raises:
        MapError: the home belongs to another company, or the scheme variant would not be valid.
    """
    config = home.root / "config"
    if _is_same(config, panel_id):
        return config
    if any(home.raw.glob("*/*/*/batch.json")):
        raise MapError(f"{home.root}: this home has accepted other extracts; import into a new one (--home DIR)")
    made = home.staging / f"import-{panel_id[:16]}"
    shutil.rmtree(made, ignore_errors=True)
    shipped = REPOSITORY / "config"
    shutil.copytree(shipped, made, ignore=shutil.ignore_patterns("schemes"))
    _write(made / "calendar.yml", _calendar(shipped, panel, first_cycle, what))
    _write(made / "regions.yml", {"regions": [_region(panel, code) for code in regions]})
    _write(made / "schemes" / f"{panel.name}.1.yml", scheme_variant(panel, what))
    load_scheme(made / "schemes" / f"{panel.name}.1.yml")  # says file, parameter and reason where it does not hold
    write_bytes(made / RECORD, json.dumps({"panel_id": panel_id, "panel": what}, sort_keys=True).encode())
    shutil.rmtree(config, ignore_errors=True)
    promote(made, config)
    home.calendar()
    return config


def _is_same(config: Path, panel_id: str) -> bool:
    record = config / RECORD
    return record.is_file() and json.loads(record.read_bytes())["panel_id"] == panel_id


def _write(path: Path, content: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=110)
    write_bytes(path, text.encode())


def _calendar(shipped: Path, panel: PanelMap, first_cycle: str, what: str) -> dict[str, Any]:
    return {
        **load_yaml(shipped / "calendar.yml"),
        "first_cycle": first_cycle,
        "currency": panel.currency,
        "rationale": f"Import of {what}: each planning month is decided on its third day, when the month before is in.",
    }


def _region(panel: PanelMap, code: str) -> dict[str, str]:
    told = panel.regions.get(code)
    return {"region": code, "name": (told.name if told else None) or code, "time_zone": panel.zone_of(code)}


def scheme_variant(panel: PanelMap, what: str) -> dict[str, Any]:
    """The newest shipped scheme with this panel's class level, buckets and value basis; periods keep their length.

    Raises:
        MapError: the classification bucket is a day: too short a period to judge variability by.
    """
    file = SchemeRegister.load(REPOSITORY / "config" / "schemes").files[-1]
    scheme: dict[str, Any] = load_yaml(file.path)
    shipped = file.scheme.buckets
    classification = panel.bucket(shipped.classification, panel.classification_bucket)
    planning = panel.bucket(shipped.planning, panel.planning_bucket)
    if classification == "day":
        raise MapError("classification_bucket: a day is too short a period for a class; choose week or month")
    scheme |= {
        "version": f"{panel.name}.1",
        "effective_from": "2000-01",
        "supersedes": None,
        "class_level": panel.class_level,
        "exclusions": [],
        "rationale": f"Import of {what}: scheme {file.scheme.version} as shipped, with the map's {_said(panel)}.",
        "buckets": {
            "classification": classification,
            "planning": planning,
            "planning_periods": _scaled(shipped.planning_periods, shipped.planning, planning, 520),
            "rationale": f"Demand comes by {panel.grain} and is never split; history of the shipped length.",
        },
    }
    for part, (model, names) in _CLASS_PERIODS.items():
        for name in names:
            most = _most(model, name)
            scheme[part][name] = _scaled(scheme[part][name], shipped.classification, classification, most)
    scheme["forecast"]["horizon_periods"] = _scaled(
        scheme["forecast"]["horizon_periods"], shipped.planning, planning, _most(Forecast, "horizon_periods")
    )
    scheme["value"]["basis"] = panel.value_basis
    scheme["value"]["rationale"] = f"{scheme['value']['rationale'].strip()} {_money(panel)}".strip()
    return scheme


def _said(panel: PanelMap) -> str:
    return f"class level {panel.class_level}, grain {panel.grain} and value basis {panel.value_basis}"


def _money(panel: PanelMap) -> str:
    """What was assumed about money, in words, for whoever reads the scheme."""
    told = []
    if panel.unit_cost is not None:
        told.append(f"Unit cost is assumed to be {panel.unit_cost.share_of_price:g} of an item's mean price.")
    if panel.unit_price is not None:
        told.append(f"Every unit is assumed to be worth {panel.unit_price.constant:g}: classes rank by volume.")
    return " ".join(told)


def _scaled(count: int, old: Bucket, new: Bucket, most: int) -> int:
    """A number of `old` periods as `new` ones of the same length in time, within what a scheme may say."""
    return min(most, max(1, round(count * PERIODS_PER_YEAR[new] / PERIODS_PER_YEAR[old])))


def _most(model: type[BaseModel], name: str) -> int:
    """Upper bound of a parameter as the scheme's model states it."""
    return next(int(bound.le) for bound in model.model_fields[name].metadata if hasattr(bound, "le"))
