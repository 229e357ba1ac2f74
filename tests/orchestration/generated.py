"""A generated company with late, corrected and wrong lines, landed and conformed; and its landing files read plainly.

What the files say is worked out here a second time, in pandas and `Decimal`, from nothing but semantics.md.
"""

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from orchestration import landing
from strata.conformed.build import Snapshot
from strata.conformed.history import View
from strata.home import REPOSITORY, Home
from strata.partition import Partition
from strata.sample import generator
from strata.sample.build import land_generated
from strata.sample.extracts import write_extract
from strata.scheme.load import SchemeRegister
from tests.strata.sample.small import RULES, SPEC, manifests

CYCLES = ["2017-07", "2017-08", "2017-09"]
REGIONS = ["EAST", "WEST"]
ZONE = "America/New_York"
CURRENCY = "USD"
LEFT_OUT = "CATEGORY 2"  # the scheme of this home excludes it
LAG = timedelta(hours=24)
KEY = ["order_id", "order_line"]


def configure(root: Path) -> Home:
    """The shipped configuration with two regions, and a scheme that leaves out one category."""
    shutil.copytree(REPOSITORY / "config", root / "config")
    listed = "".join(f"  - {{region: {name}, name: {name}, time_zone: {ZONE}}}\n" for name in REGIONS)
    (root / "config" / "regions.yml").write_text(f"regions:\n{listed}", encoding="utf-8")
    scheme = next((root / "config" / "schemes").glob("*.yml"))
    text = scheme.read_text(encoding="utf-8")
    assert "values: [COUPON, FUEL, MISCELLANEOUS]" in text
    scheme.write_text(
        text.replace("values: [COUPON, FUEL, MISCELLANEOUS]", f"values: [COUPON, {LEFT_OUT}]"), encoding="utf-8"
    )
    return Home(root)


def land(home: Home, *, items: int, seed: int) -> None:
    """Drop the extracts of all cycles, and one with odd lines; land them."""
    truth = generator.generate(replace(SPEC, items=items), seed=seed)
    land_generated(home, truth, RULES, first_cycle=CYCLES[0], through_cycle=CYCLES[-1])
    drop_odd_lines(home)
    landing.land(home)


def drop_odd_lines(home: Home) -> None:
    """Wrong units, foreign money, unknown items, returns, a future order: known from 20 July."""
    base = {
        "order_line": 1, "sku_id": "G0000001", "location_id": "DC-EAST-1", "customer_id": None, "channel": None,
        "ordered_at": datetime(2017, 6, 15, 9, 30, tzinfo=UTC), "quantity": Decimal("7.5"), "unit": "EA",
        "net_amount": Decimal("31.25"), "currency": CURRENCY, "line_type": "sale", "promotion_id": None,
    }  # fmt: skip
    odd: list[dict[str, Any]] = [
        {"unit": "BOX"},
        {"currency": "EUR"},
        {"sku_id": "NOBODY"},
        {"line_type": "return"},
        {"line_type": "return", "location_id": "DC-WEST-1", "net_amount": Decimal("-4")},
        {"ordered_at": datetime(2017, 7, 1, 3, 59, 59, tzinfo=UTC)},  # still June in New York
        {"ordered_at": datetime(2017, 7, 19, 12, tzinfo=UTC), "quantity": Decimal("0.0001")},
        {"location_id": "DC-NOWHERE-1"},
    ]
    schema = pa.schema(
        [
            ("order_id", pa.string()), ("order_line", pa.int64()), ("sku_id", pa.string()),
            ("location_id", pa.string()), ("customer_id", pa.string()), ("channel", pa.string()),
            ("ordered_at", pa.timestamp("us", tz="UTC")), ("quantity", pa.decimal128(18, 4)), ("unit", pa.string()),
            ("net_amount", pa.decimal128(18, 4)), ("currency", pa.string()), ("line_type", pa.string()),
            ("promotion_id", pa.string()),
        ]
    )  # fmt: skip
    rows = [base | change | {"order_id": f"ODD{number}"} for number, change in enumerate(odd)]
    write_extract(
        home, "erp", "sales_order_lines", "odd", pa.Table.from_pylist(rows, schema=schema), kind="full",
        envelope="plain", format="csv", grain="event", extracted_at=datetime(2017, 7, 20, 2, tzinfo=UTC),
        business_date=date(2017, 7, 19), position={"from": "", "to": "2017-07-20"}, initial_load=False,
        origin="simulated", control_totals=["quantity"],
    )  # fmt: skip


def view(home: Home, snapshot: Snapshot, partition: Partition) -> View:
    """What a run of the partition may know."""
    calendar = home.calendar()
    scheme = SchemeRegister.load(home.config / "schemes").for_cycle(partition.cycle).scheme
    cutoff = calendar.cutoff(partition.cycle, partition.region)
    return View(snapshot, partition, cutoff, scheme, calendar)


def delivered(home: Home) -> pd.DataFrame:
    """Every sales row of every extract, as text but for quantity and amount, with when it was known."""
    frames = []
    for folder, manifest in manifests(home, "erp/sales_order_lines"):
        for file in manifest["files"]:
            rows = pd.read_csv(folder / file["name"], dtype=str, keep_default_na=False)
            rows["taken"] = pd.Timestamp(manifest["extracted_at"])
            rows["row"] = range(len(rows))
            rows["ordered"] = pd.to_datetime(rows["ordered_at"], utc=True)
            rows["known"] = rows["ordered"] + LAG if manifest["initial_load"] else rows["taken"]
            frames.append(rows)
    found = pd.concat(frames, ignore_index=True)
    for name in ("quantity", "net_amount"):
        found[name] = found[name].map(Decimal)
    return found


def as_known(home: Home, partition: Partition) -> pd.DataFrame:
    """Sales rows of a region known at the cut-off, with `line` and `reason` as the reconciliation names them."""
    cutoff = pd.Timestamp(home.calendar().cutoff(partition.cycle, partition.region))
    rows = delivered(home)
    refused = rows[rows["quantity"] <= 0].assign(reason="out_of_range", line="quarantined")
    good = rows[rows["quantity"] > 0].sort_values(["taken", "row"], ignore_index=True)
    content = [name for name in good.columns if name not in ("taken", "row", "known", "ordered_at", "ordered")]
    stated = good[content].astype(str).agg("|".join, axis=1) + good["ordered"].astype(str)
    good = good[stated.ne(stated.groupby([good[name] for name in KEY]).shift())].copy()  # said before: no version
    good["known"] = good.groupby(KEY)["known"].cummax()
    good["until"] = good.groupby(KEY)["known"].shift(-1)
    good = good[good["until"].ne(good["known"])]
    items = _last_full(home, "erp/items", cutoff).set_index("sku_id")
    category = good["sku_id"].map(items["category"])
    good["reason"] = None
    for reason, applies in reversed(
        [
            ("superseded", good["until"].notna() & (good["until"] <= cutoff)),
            ("orphan_item", category.isna()),
            ("missing_unit_factor", good["unit"].ne(good["sku_id"].map(items["base_unit"]))),
            ("missing_rate", good["currency"].ne(CURRENCY)),
            ("return", good["line_type"].eq("return")),
            ("future_dated", good["ordered"] > cutoff),
            ("no_stocked_goods", category.eq(LEFT_OUT)),
        ]
    ):
        good.loc[applies, "reason"] = reason
    quarantined = good["reason"].isin(["orphan_item", "missing_unit_factor", "missing_rate"])
    good["line"] = "excluded"
    good.loc[quarantined, "line"] = "quarantined"
    good.loc[good["reason"].isna(), "line"] = "demand"
    known = pd.concat([good, refused], ignore_index=True)
    sites = _last_full(home, "wms/sites", cutoff).set_index("location_id")
    known = known[(known["known"] <= cutoff) & known["location_id"].map(sites["region"]).eq(partition.region)].copy()
    base = known["sku_id"].map(items["base_unit"])
    known["base_unit"] = known["unit"].where(base.notna(), "?")
    local = known["ordered"].dt.tz_convert(ZONE).dt.tz_localize(None).dt.normalize()
    known["month"] = local.dt.to_period("M").dt.start_time.dt.date
    known["week"] = local.dt.to_period("W-SUN").dt.start_time.dt.date
    return known


def _last_full(home: Home, feed: str, cutoff: pd.Timestamp) -> pd.DataFrame:
    """A state feed as its last extract before the cut-off says; the first load was true all along."""
    folder = None
    for path, manifest in manifests(home, feed):
        if manifest["initial_load"] or pd.Timestamp(manifest["extracted_at"]) <= cutoff:
            folder = path
    assert folder is not None
    return pd.read_csv(folder / "part-0.csv", dtype=str, keep_default_na=False)
