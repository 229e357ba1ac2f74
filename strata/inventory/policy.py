"""The stocking policy of every item-location: reorder levels, lots, and the service and cost they are expected to give.

Belongs here: moments of demand over the protection time, routing by segment and demand class, the reasons, the frame
of `tables.INVENTORY_POLICY`. Does not: solving a reorder point (`strata.inventory.reorder`), lead times
(`strata.inventory.lead_time`), the forecast.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from strata.calendar import PERIODS_PER_YEAR, Bucket
from strata.derivation import Derivation, Step, computed, copies
from strata.inventory.distributions import demand
from strata.inventory.reorder import Control, Metric, economic_order_quantity, order_quantity, plan
from strata.partition import Partition
from strata.scheme.model import DEMAND_CLASSES, DemandClass, Distribution, Scheme
from strata.tables import INVENTORY_POLICY

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Texts = NDArray[np.object_]
Rows = NDArray[np.intp]

PERIOD_DAYS: dict[Bucket, float] = {"day": 1.0, "week": 7.0, "month": 365 / 12}
_NO_DEMAND = 1e-9  # units a period: quantities have four decimals, so a smaller mean is what smoothing left over
_NO_COST = 1e-6  # currency a unit: costs have four decimals, so a smaller one is none
_CHUNK = 32_768  # rows solved at once: the arrays of one chunk stay in the processor's cache (measured 2026-11)
_NUMBERS = (
    "unit_cost", "min_order_quantity", "order_multiple", "mean_units", "error_sd_units",
    "lead_time_mean_days", "lead_time_sd_days",
)  # fmt: skip
_TEXTS = ("sku_id", "location_id", "segment", "demand_class", "lifecycle_state", "lead_time_level")
_RESULTS = ("reorder_point", "fill_rate", "csl", "expected_stock")

_RULE = ("stocked_pair.segment", "rule.policies")
_STOCKED = (
    *_RULE, "stocked_pair.lifecycle_state", "stocked_pair.mean_units", "stocked_pair.error_sd_units",
    "stocked_pair.demand_class", "lane_time.mean_days", "supply_term.is_lot_unknown",
    "rule.inventory",
)  # fmt: skip
_SPAN = ("stocked_pair.mean_units", "stocked_pair.error_sd_units", "lane_time.mean_days", "lane_time.sd_days")
_TERMS = ("unit_cost", "min_order_quantity", "order_multiple")
_LOT = ("stocked_pair.mean_units", *(f"supply_term.{name}" for name in _TERMS))
_ALL = tuple(dict.fromkeys((*_SPAN, *_LOT)))
_FROM: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("service_metric", "service_target", "review_days", "policy_type"), _RULE),
    **{f"lead_time_{name}": (f"lane_time.{name}",) for name in ("mean_days", "sd_days", "level")},
    "demand_distribution": ("stocked_pair.demand_class", "rule.inventory.distributions", *_SPAN),
    "protection_mean_units": ("stocked_pair.mean_units", "lane_time.mean_days"),
    "protection_sd_units": _SPAN,
    "order_multiple_units": ("supply_term.order_multiple",),
    "order_quantity_units": _LOT,
    **dict.fromkeys(
        ("binding_constraint", "safety_stock_units", "reorder_point_units", "order_up_to_units", "min_units",
         "max_units", "expected_fill_rate", "expected_csl", "expected_stock_units", "holding_cost_year"),
        _ALL,
    ),
    "decision_reason": (*_RULE, "stocked_pair.demand_class", "lane_time.level", *_LOT),
}  # fmt: skip
STEPS: tuple[Step, ...] = (
    Derivation(
        "inventory_policy",
        {
            **copies("stocked_pair", "sku_id", "location_id", "segment"),
            **{name: computed(*values, when=_STOCKED) for name, values in _FROM.items()},
            "effective_from": computed("run.cycle"),
        },
        rows=("stocked_pair.sku_id", "supply_term.sku_id"),
    ),
)


@dataclass(frozen=True, slots=True)
class _Rule:
    """The scheme's policy of each row's segment; targets and reviews are NaN where the type is none."""

    policy_type: Texts
    metric: Texts
    target: FloatArray
    review_days: FloatArray


def span_variance(
    mean_units: ArrayLike, error_sd_units: ArrayLike, periods: ArrayLike, lead_time_sd_periods: ArrayLike
) -> FloatArray:
    """Variance of demand over a span of random length: periods x sd^2 + mean^2 x (sd of the length)^2.

    Args:
        mean_units: mean demand per period [n].
        error_sd_units: sd of the one-period forecast error [n] (of the error, not of demand).
        periods: expected length of the span [n].
        lead_time_sd_periods: sd of its length [n].

    Assumes errors of different periods, and errors and lead times, to be independent.

    Examples:
        100 a period with error sd 20, lead time 9 periods with sd 2:

        >>> float(np.sqrt(span_variance(100.0, 20.0, 9.0, 2.0)).round(4))
        208.8061

    Reference: Silver, Pyke and Thomas (2017), equation 6.17; Prak, Teunter and Syntetos (2017), EJOR 256:454.
    """
    mean, sd = np.asarray(mean_units, np.float64), np.asarray(error_sd_units, np.float64)
    return np.asarray(np.asarray(periods) * sd**2 + mean**2 * np.asarray(lead_time_sd_periods) ** 2)


def policies(keys: pd.DataFrame, *, scheme: Scheme, partition: Partition, bucket: Bucket) -> pd.DataFrame:
    """Stocking policy of every item-location that its segment implies, with the service it is expected to give.

    Both types are reviewed every `review_days` and protect lead time plus review. `sQ` orders multiples of a lot (the
    economic one, raised to minimum and multiple) when the position is at or below s; `RS` fills up to S in whole
    multiples (at least the minimum), so s = S - that quantity.

    Args:
        keys: sku_id, location_id, segment, demand_class, lifecycle_state, unit_cost, min_order_quantity,
            order_multiple, mean_units, error_sd_units (per period of `bucket`), lead_time_mean_days,
            lead_time_sd_days, lead_time_level; any of them but the ids may be null. Optional: is_lot_unknown (true
            where lots are stated in a unit that cannot be converted).
        scheme: policy per segment, distribution per demand class, cost rates.
        partition: region and cycle of the rows.
        bucket: length of the period that mean and error refer to.

    Returns:
        The columns of `tables.INVENTORY_POLICY`, one row per row of `keys`, in their order. Rows without a policy have
        type `none`, nulls, and a `decision_reason` that begins with what is missing.

    Raises:
        ValueError: a column is missing, a number is negative or infinite, or a segment or demand class is unknown.
    """
    numbers, texts = _inputs(keys, scheme)
    rule = _rules(texts["segment"], scheme)
    why_none = _why_none(
        numbers,
        texts,
        rule,
        periods_year=PERIODS_PER_YEAR[bucket],
        least_year=scheme.inventory.min_demand_units_year,
    )
    live = np.flatnonzero(why_none == "")
    part = {name: values[live] for name, values in numbers.items()}
    days = PERIOD_DAYS[bucket]
    lead = part["lead_time_mean_days"] / days
    review = rule.review_days[live] / days
    lead_sd = np.nan_to_num(part["lead_time_sd_days"], nan=0.0) / days
    mean, sd = part["mean_units"], part["error_sd_units"]
    protection_mean = mean * (lead + review)
    protection_variance = span_variance(mean, sd, lead + review, lead_sd)
    kinds = _chosen(scheme.inventory.distributions, texts["demand_class"][live])
    # Skewed families: the lead time keeps the dispersion of the whole span. Fitted on its own it would get the fatter
    # tail of the two once lead times vary, and more than all demand would seem served (docs/methods/reorder.md).
    same = protection_variance * lead / (lead + review)
    lead_variance = np.where(kinds == "normal", span_variance(mean, sd, lead, lead_sd), same)
    lots = _lots(part, rule.policy_type[live], kinds, mean * review, mean * PERIODS_PER_YEAR[bucket], scheme)
    moments = (mean * lead, lead_variance, protection_mean, protection_variance)
    solved = _solve(kinds, rule.metric[live], rule.target[live], lots.quantity, moments)
    families = kinds.copy()
    families[(kinds == "negative_binomial") & (protection_variance <= protection_mean)] = "poisson"
    refills = rule.policy_type[live] == "RS"
    top = solved["reorder_point"] + lots.quantity
    safety = np.where(refills, top, solved["reorder_point"]) - protection_mean
    otherwise = np.where(solved["reorder_point"] > 0, "service", "none")
    results = {
        "lead_time_mean_days": part["lead_time_mean_days"],
        "lead_time_sd_days": part["lead_time_sd_days"],
        "protection_mean_units": protection_mean,
        "protection_sd_units": np.sqrt(protection_variance),
        "safety_stock_units": safety,
        "reorder_point_units": solved["reorder_point"],
        "order_up_to_units": np.where(refills, top, np.nan),
        "order_quantity_units": lots.quantity,
        "order_multiple_units": lots.multiple,
        "min_units": np.maximum(safety, 0.0),
        "max_units": top,
        "expected_fill_rate": solved["fill_rate"],
        "expected_csl": solved["csl"],
        "expected_stock_units": solved["expected_stock"],
        "holding_cost_year": solved["expected_stock"] * part["unit_cost"] * scheme.inventory.holding_rate_year,
    }
    labels = {
        "service_metric": rule.metric[live],
        "lead_time_level": texts["lead_time_level"][live],
        "demand_distribution": families,
        "binding_constraint": np.where(lots.binding == "", otherwise, lots.binding).astype(object),
    }
    reason = _reasons(texts, rule, why_none, live, families, part, lots)
    return _frame(texts, rule, live, results, labels, reason, scheme, partition)


def _inputs(keys: pd.DataFrame, scheme: Scheme) -> tuple[dict[str, FloatArray], dict[str, Texts]]:
    if missing := [name for name in (*_TEXTS, *_NUMBERS) if name not in keys.columns]:
        raise ValueError(f"policy keys lack columns {missing}; they need {[*_TEXTS, *_NUMBERS]}")
    numbers = {name: pd.to_numeric(keys[name]).to_numpy(dtype=np.float64, na_value=np.nan) for name in _NUMBERS}
    unknown = keys["is_lot_unknown"] if "is_lot_unknown" in keys.columns else pd.Series(0.0, index=keys.index)
    numbers["is_lot_unknown"] = pd.to_numeric(unknown).to_numpy(dtype=np.float64, na_value=0.0)
    for name, values in numbers.items():
        if (bad := np.isinf(values) | (values < 0)).any():
            row = int(np.flatnonzero(bad)[0])
            raise ValueError(
                f"policy keys, row {row}, column {name}: {values[row]} is negative or infinite; "
                f"write null where it is unknown"
            )
    texts = {name: keys[name].astype(object).where(keys[name].notna(), None).to_numpy(dtype=object) for name in _TEXTS}
    for name, known in (("segment", tuple(scheme.policies)), ("demand_class", DEMAND_CLASSES)):
        codes, values = pd.factorize(texts[name])
        if strange := set(values) - set(known):
            row = int(np.flatnonzero(codes == list(values).index(min(strange)))[0])
            raise ValueError(f"policy keys, row {row}, column {name}: {min(strange)!r} is not one of {known}")
    return numbers, texts


def _chosen(table: Mapping[DemandClass, Distribution], names: Texts) -> Texts:
    """The entry of `table` for each name; looked up once per distinct name."""
    codes, distinct = pd.factorize(names)
    chosen = np.array([table[name] for name in distinct] + [None], dtype=object)
    return np.asarray(chosen[codes], dtype=object)


def _rules(segments: Texts, scheme: Scheme) -> _Rule:
    codes, distinct = pd.factorize(segments)
    found = [scheme.policies[name] for name in distinct]
    types = np.array([policy.policy_type for policy in found] + ["none"], dtype=object)
    metrics = np.array([policy.service_metric for policy in found] + [None], dtype=object)
    targets = np.array([policy.service_target for policy in found] + [None], dtype=np.float64)
    reviews = np.array([policy.review_days for policy in found] + [None], dtype=np.float64)
    return _Rule(types[codes], metrics[codes], targets[codes], reviews[codes])


def _why_none(
    numbers: dict[str, FloatArray], texts: dict[str, Texts], rule: _Rule, *, periods_year: float, least_year: float
) -> Texts:
    """What keeps a row from having a policy, first of the list; empty where nothing does."""
    without = [
        (pd.isna(texts["segment"]), "no_policy:no_segment"),
        (np.isin(texts["lifecycle_state"], ["eol"]), "no_policy:lifecycle_eol"),
        (np.isin(texts["lifecycle_state"], ["dead"]), "no_policy:lifecycle_dead"),
        (rule.policy_type == "none", "no_policy:segment"),
        (np.isnan(numbers["mean_units"]), "no_policy:no_forecast"),
        (numbers["mean_units"] < _NO_DEMAND, "no_policy:zero_demand"),
        (numbers["mean_units"] * periods_year < least_year, "no_policy:demand_below_minimum"),
        (np.isnan(numbers["error_sd_units"]), "no_policy:no_forecast_error"),
        (pd.isna(texts["demand_class"]), "no_policy:no_demand_class"),
        (np.isnan(numbers["lead_time_mean_days"]), "no_policy:no_lead_time"),
        (numbers["is_lot_unknown"] > 0, "no_policy:missing_unit_factor"),
    ]
    return np.select([rows for rows, _ in without], [why for _, why in without], default="").astype(object)


@dataclass(frozen=True, slots=True)
class _Lots:
    quantity: FloatArray
    multiple: FloatArray
    binding: Texts
    note: Texts


def _lots(
    part: dict[str, FloatArray],
    policy_type: Texts,
    kinds: Texts,
    review_units: FloatArray,
    year_units: FloatArray,
    scheme: Scheme,
) -> _Lots:
    """Lot of each row, what it is bound by, and what was assumed for it."""
    given = part["order_multiple"] > 0
    multiple = np.where(given, part["order_multiple"], 1.0)
    minimum = np.nan_to_num(part["min_order_quantity"], nan=0.0)
    holding = part["unit_cost"] * scheme.inventory.holding_rate_year
    has_cost = part["unit_cost"] > _NO_COST
    economic = economic_order_quantity(year_units, scheme.inventory.order_cost, np.where(has_cost, holding, 1.0))
    fixed = policy_type == "sQ"
    # Without a cost there is no economic lot: one review's demand is the least that keeps one order per review.
    wanted = np.where(fixed, np.where(has_cost, economic, review_units), 0.0)
    whole = np.where(kinds == "negative_binomial", np.ceil(1 / multiple - 1e-9) * multiple, multiple)
    free = order_quantity(wanted, whole, multiple)
    quantity = order_quantity(wanted, np.maximum(minimum, whole), multiple)
    lot_needed = np.where(fixed, wanted, review_units)
    binding = np.select(
        [quantity > free, given & (multiple > lot_needed)], ["minimum_lot", "order_multiple"], default=""
    ).astype(object)
    note = np.where(given, "", ";multiple:assumed_1").astype(object)
    note += np.where(np.isnan(part["min_order_quantity"]), ";minimum:assumed_none", "").astype(object)
    note += np.where(fixed & ~has_cost, ";lot:review_demand", "").astype(object)
    return _Lots(quantity, multiple, binding, note)


def _solve(
    kinds: Texts, metrics: Texts, targets: FloatArray, lot: FloatArray, moments: tuple[FloatArray, ...]
) -> dict[str, FloatArray]:
    """Reorder point and service of each row, family by family and chunk by chunk."""
    out = {name: np.full(len(kinds), np.nan) for name in _RESULTS}
    families: tuple[Distribution, ...] = ("normal", "gamma", "negative_binomial")
    measures: tuple[Metric, ...] = ("fill_rate", "csl")
    for family in families:
        for metric in measures:
            members = np.flatnonzero((kinds == family) & (metrics == metric))
            for start in range(0, members.size, _CHUNK):
                rows: Rows = members[start : start + _CHUNK]
                lead_mean, lead_variance, mean, variance = (moment[rows] for moment in moments)
                size = np.floor(lot[rows]) if family == "negative_binomial" else lot[rows]
                control = Control(demand(family, lead_mean, lead_variance), demand(family, mean, variance), size)
                best = plan(control, metric=metric, target=targets[rows])
                given = best.service
                found = (best.reorder_point, given.fill_rate, given.csl, given.expected_stock)
                for name, values in zip(_RESULTS, found, strict=True):
                    out[name][rows] = values
    return out


def _reasons(
    texts: dict[str, Texts],
    rule: _Rule,
    why_none: Texts,
    live: Rows,
    families: Texts,
    part: dict[str, FloatArray],
    lots: _Lots,
) -> Texts:
    """`segment:AX;policy:RS;distribution:gamma;lead_time:lane` and what was assumed or is missing."""
    segment = texts["segment"]
    reason = np.full(len(why_none), None, dtype=object)
    out = np.flatnonzero(why_none != "")
    reason[out] = _joined((("", why_none[out]), (";segment:", segment[out])))
    level = texts["lead_time_level"][live]
    reason[live] = _joined(
        (
            ("segment:", segment[live]),
            (";policy:", rule.policy_type[live]),
            (";distribution:", families),
            (";lead_time:", level),
            ("", np.where(np.isnan(part["lead_time_sd_days"]), ";lead_time_sd:assumed_0", "").astype(object)),
            ("", lots.note),
            ("", np.where(np.isnan(part["unit_cost"]), ";holding_cost:unit_cost_unknown", "").astype(object)),
        )
    )
    return reason


def _joined(parts: tuple[tuple[str, Texts], ...]) -> Texts:
    """Each row's words behind their prefixes in one text; a text is built once per combination that occurs."""
    combined, choices = np.zeros(len(parts[0][1]), dtype=np.int64), []
    for prefix, words in parts:
        codes, distinct = pd.factorize(words)
        choices.append([f"{prefix}{word}" for word in distinct] + [f"{prefix}none"])
        combined = combined * (len(distinct) + 1) + np.where(codes < 0, len(distinct), codes)
    codes, present = pd.factorize(combined)
    built = []
    for code in present:
        text, rest = "", int(code)
        for options in reversed(choices):
            rest, at = divmod(rest, len(options))
            text = options[at] + text
        built.append(text)
    return np.asarray(np.array(built, dtype=object)[codes])


def _frame(
    texts: dict[str, Texts],
    rule: _Rule,
    live: Rows,
    results: dict[str, FloatArray],
    labels: dict[str, Texts],
    reason: Texts,
    scheme: Scheme,
    partition: Partition,
) -> pd.DataFrame:
    count = len(reason)
    columns: dict[str, object] = {name: texts[name] for name in ("sku_id", "location_id")}
    for name, values in (results | labels).items():
        column = np.full(count, None if values.dtype == object else np.nan, dtype=values.dtype)
        column[live] = values
        columns[name] = column
    segment = texts["segment"]
    kept = np.zeros(count, dtype=bool)
    kept[live] = True
    review = pd.array(np.where(kept, rule.review_days, np.nan), dtype="Int64")
    year, month = (int(part) for part in partition.cycle.split("-"))
    columns |= {
        "region": partition.region,
        "cycle": partition.cycle,
        "segment": np.where(pd.isna(segment), "none", segment),
        "policy_type": np.where(kept, rule.policy_type, "none"),
        "service_target": np.where(kept, rule.target, np.nan),
        "review_days": review,
        "effective_from": date(year, month, 1),
        "valid_for_cycle": partition.cycle,
        "scheme_version": scheme.version,
        "decision_reason": reason,
        "is_suspended": False,
        "suspended_since": None,
        "suspension_reason": None,
    }
    ordered = {name: columns[name] for name in INVENTORY_POLICY.names}
    return pd.DataFrame(ordered, index=pd.RangeIndex(count), copy=False)
