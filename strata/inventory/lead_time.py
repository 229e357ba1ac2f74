"""Lead times from orders and receipts: per line, per lane, and which of them serves an item.

Belongs here: matching receipts to order lines, what counts as junk, profiles per supplier and location with their
roll-ups, the ladder from lane to planned days. Does not: demand over the lead time (`strata.inventory.policy`).
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strata.derivation import Derivation, Step, aggregated, computed, copies
from strata.partition import Partition
from strata.scheme.model import LeadTime
from strata.tables import LEAD_TIME_PROFILE

ALL = "*"
_LINE = ["po_id", "po_line"]
_SECONDS_A_DAY = 86_400.0
_WAITED = ("order_line.ordered_at", "receipt.received_at", "receipt.quantity")
_MATCHED = (
    "order_line.po_id", "order_line.po_line", "receipt.po_id", "receipt.po_line", "order_line.quantity",
    "order_line.status", "rule.inventory.lead_time",
)  # fmt: skip
_LANE = ("order_line.supplier_id", "order_line.location_id")
STEPS: tuple[Step, ...] = (
    Derivation(
        "lead_time_profile",
        {
            **copies("order_line", "supplier_id", "location_id"),
            "receipts": aggregated(*_WAITED, when=(*_MATCHED, *_LANE)),
            "open_lines": aggregated("order_line.status", when=(*_WAITED, *_MATCHED, *_LANE)),
            "unconverted_lines": aggregated("receipt.quantity", when=(*_MATCHED, *_LANE)),
            **{
                name: aggregated(*_WAITED, when=(*_MATCHED, *_LANE))
                for name in ("mean_days", "sd_days", "p50_days", "p90_days")
            },
        },
        rows=_LANE,
    ),
    Derivation(
        "lane_time",
        {
            name: computed(
                *(f"lead_time_profile.{source}" for source in sources),
                "supply_term.planned_lead_time_days",
                when=(
                    "lead_time_profile.supplier_id", "lead_time_profile.location_id", "lead_time_profile.receipts",
                    "supply_term.supplier_id", "stocked_pair.location_id", "rule.inventory.lead_time",
                ),
            )
            for name, sources in (
                ("mean_days", ("mean_days",)), ("sd_days", ("sd_days",)), ("level", ("receipts", "mean_days")),
            )
        },
        rows=("stocked_pair.sku_id",),
    ),
)  # fmt: skip


def line_lead_times(orders: pd.DataFrame, receipts: pd.DataFrame) -> pd.DataFrame:
    """Lead time of every order line, weighted by the quantity of each partial receipt.

    lead time = sum(quantity x (received_at - ordered_at)) / sum(quantity) over the line's receipts.

    A receipt dated before its order is junk: its date is dropped (counted in `early_receipts`), its quantity still
    completes the line. Receipts of unknown order lines have no lead time and are left out. A receipt whose quantity
    is null came in a unit that cannot be converted into that of its line; the whole line is `unconverted`.

    Args:
        orders: po_id, po_line, supplier_id, sku_id, location_id, ordered_at, quantity, status (open, closed,
            cancelled); one row per line.
        receipts: po_id, po_line, received_at, quantity; any number of rows per line.

    Returns:
        One row per order line, in the order of `orders`, with received_quantity, early_receipts, `line_state` and
        lead_time_days, longest_days (null without a usable receipt). `line_state` is complete (received in full, or
        closed with something received), open (not yet received in full, not closed), cancelled, unconverted, or
        unusable (closed or complete without a usable receipt date).

    Raises:
        ValueError: a column is missing, or a line stands twice in `orders`.
    """
    _need(orders, [*_LINE, "supplier_id", "sku_id", "location_id", "ordered_at", "quantity", "status"], "orders")
    _need(receipts, [*_LINE, "received_at", "quantity"], "receipts")
    if (twice := orders.duplicated(_LINE)).any():
        line = orders.loc[twice, _LINE].iloc[0].tolist()
        raise ValueError(f"orders: line {line} stands more than once; pass the version known at the cut-off only")
    lines = orders.assign(quantity=_float(orders["quantity"])).reset_index(drop=True)
    found = receipts[[*_LINE, "received_at", "quantity"]].assign(quantity=_float(receipts["quantity"]))
    found = found.merge(lines[[*_LINE, "ordered_at"]], on=_LINE, how="inner")
    waited = (found["received_at"] - found["ordered_at"]).dt.total_seconds().to_numpy(dtype=np.float64) / _SECONDS_A_DAY
    usable = waited >= 0
    quantity = np.nan_to_num(found["quantity"].to_numpy(), nan=0.0)
    weight = np.where(usable, quantity, 0.0)
    sums = pd.DataFrame(
        {
            "received_quantity": quantity,
            "unconverted": found["quantity"].isna().to_numpy().astype(np.int64),
            "early_receipts": (~usable).astype(np.int64),
            "weight": weight,
            "weighted": np.where(usable, waited * weight, 0.0),
            "longest_days": np.where(usable, waited, np.nan),
            "po_id": found["po_id"],
            "po_line": found["po_line"],
        }
    ).groupby(_LINE, sort=False)
    totals = sums[["received_quantity", "unconverted", "early_receipts", "weight", "weighted"]].sum()
    totals["longest_days"] = sums["longest_days"].max()
    lines = lines.join(totals, on=_LINE)
    lines["received_quantity"] = lines["received_quantity"].fillna(0.0)
    lines["early_receipts"] = lines["early_receipts"].fillna(0).astype(np.int64)
    lines["lead_time_days"] = (lines["weighted"] / lines["weight"].where(lines["weight"] > 0)).astype(np.float64)
    lines["line_state"] = _line_state(lines)
    return lines.drop(columns=["weight", "weighted", "unconverted"])


def lead_time_profile(
    lines: pd.DataFrame, *, rule: LeadTime, partition: Partition, scheme_version: str
) -> pd.DataFrame:
    """Lead time per supplier and location, with roll-ups supplier x `*` and `*` x `*`.

    Each completed line counts once. Lines with a receipt later than `rule.max_days` are junk and left out
    (`junk_lines` counts them). Open lines are counted, not used: the profile leans towards what already arrived.

    Args:
        lines: result of `line_lead_times`, one region.
        rule: largest lead time that is not an error.
        partition: region and cycle of the rows.
        scheme_version: version of the scheme that holds `rule`.

    Returns:
        The columns of `tables.LEAD_TIME_PROFILE`; a lane without a completed line still has a row.
    """
    usable = _usable(lines, rule).to_numpy()
    facts = pd.DataFrame(
        {
            "supplier_id": lines["supplier_id"],
            "location_id": lines["location_id"],
            "days": lines["lead_time_days"].where(usable),
            "open": (lines["line_state"] == "open").astype(np.int64),
            "unconverted": (lines["line_state"] == "unconverted").astype(np.int64),
        }
    )
    levels = (facts, facts.assign(location_id=ALL), facts.assign(supplier_id=ALL, location_id=ALL))
    profile = pd.concat([_summary(level) for level in levels], ignore_index=True)
    profile["region"], profile["cycle"] = partition.region, partition.cycle
    profile["valid_for_cycle"], profile["scheme_version"] = partition.cycle, scheme_version
    return profile[LEAD_TIME_PROFILE.names].sort_values(list(LEAD_TIME_PROFILE.keys), ignore_index=True)


def junk_lines(lines: pd.DataFrame, *, rule: LeadTime) -> dict[str, int]:
    """How many lines and receipts the profile leaves out as errors, by reason."""
    late = (lines["line_state"] == "complete") & ~_usable(lines, rule)
    return {
        "receipt_before_order": int(lines["early_receipts"].sum()),
        "longer_than_max_days": int(late.sum()),
        "no_usable_receipt": int((lines["line_state"] == "unusable").sum()),
    }


def resolve_lead_time(pairs: pd.DataFrame, profile: pd.DataFrame, *, rule: LeadTime) -> pd.DataFrame:
    """Lead time that serves each item-location: its lane's, else supplier's, else region's, else planned days.

    Args:
        pairs: sku_id, location_id, supplier_id (null: unknown), planned_lead_time_days (null: unknown).
        profile: result of `lead_time_profile` of the same region.
        rule: receipts that a level needs to speak for itself.

    Returns:
        mean_days, sd_days, level (lane, supplier, region, planned, none), with the index of `pairs`. Planned days have
        no standard deviation (null), `none` has neither.
    """
    _need(pairs, ["sku_id", "location_id", "supplier_id", "planned_lead_time_days"], "pairs")
    strong = profile[(profile["receipts"] >= rule.min_receipts) & profile["mean_days"].notna()]
    known = pd.MultiIndex.from_frame(strong[["supplier_id", "location_id"]])
    mean = _float(strong["mean_days"])
    sd = _float(strong["sd_days"])
    supplier = pairs["supplier_id"].astype(object)
    planned = _float(pairs["planned_lead_time_days"])
    found_mean, found_sd = np.where(planned >= 0, planned, np.nan), np.full(len(pairs), np.nan)
    level = np.where(planned >= 0, "planned", "none").astype(object)
    everywhere = np.full(len(pairs), ALL, dtype=object)
    steps = (
        ("region", everywhere, everywhere),
        ("supplier", supplier, everywhere),
        ("lane", supplier, pairs["location_id"]),
    )
    # Three levels, broadest first: a closer one overwrites it. Arrays across pairs.
    for name, first, second in steps:
        at = known.get_indexer(pd.MultiIndex.from_arrays([np.asarray(first, object), np.asarray(second, object)]))
        hit = at >= 0
        found_mean[hit], found_sd[hit], level[hit] = mean[at[hit]], sd[at[hit]], name
    return pd.DataFrame({"mean_days": found_mean, "sd_days": found_sd, "level": level}, index=pairs.index)


def _line_state(lines: pd.DataFrame) -> NDArray[np.object_]:
    full = lines["received_quantity"] >= lines["quantity"] * (1 - 1e-9)
    ended = full | (lines["status"] == "closed")
    dated = lines["lead_time_days"].notna()
    cancelled = lines["status"] == "cancelled"
    states = {"cancelled": cancelled, "unconverted": lines["unconverted"] > 0, "complete": ended & dated}
    return np.select([*states.values(), ended], [*states, "unusable"], default="open").astype(object)


def _usable(lines: pd.DataFrame, rule: LeadTime) -> "pd.Series[bool]":
    return (lines["line_state"] == "complete") & (lines["longest_days"] <= rule.max_days)


def _summary(facts: pd.DataFrame) -> pd.DataFrame:
    groups = facts.groupby(["supplier_id", "location_id"], sort=True)
    days = groups["days"]
    return pd.DataFrame(
        {
            "receipts": days.count().astype(np.int64),
            "open_lines": groups["open"].sum().astype(np.int64),
            "unconverted_lines": groups["unconverted"].sum().astype(np.int64),
            "mean_days": days.mean(),
            "sd_days": days.std(ddof=1),
            "p50_days": days.quantile(0.5),
            "p90_days": days.quantile(0.9),
        }
    ).reset_index()


def _need(frame: pd.DataFrame, columns: list[str], name: str) -> None:
    if missing := [column for column in columns if column not in frame.columns]:
        raise ValueError(f"{name} lack columns {missing}; they need {columns}")


def _float(values: "pd.Series[float]") -> NDArray[np.float64]:
    """Decimals, nullable integers and floats alike as float64, null as NaN."""
    return pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)
