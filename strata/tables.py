"""Every published table: columns, types, keys, grain, owner, one-line meaning. Names of columns live here only.

Belongs here: declarations and the check of a frame against them. Does not: how a table is computed or stored.
`docs/tables.md` is generated from this module.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from strata.identity import content_hash, content_hash_file, is_sorted

Kind = Literal["text", "int", "float", "bool", "date", "timestamp", "decimal"]
ARROW: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "decimal": pa.decimal128(18, 4),
}
NOT_CONTENT = frozenset({"release_id"})
# Who looks after the fields of each owner's tables; an owner without one fails the build where a class depends on it.
STEWARDS = {
    "data-engineering": "intake-steward",
    "demand-planning": "demand-steward",
    "inventory": "policy-steward",
    "logistics": "network-planning",
    "master-data": "item-master",
    "performance": "kpi-steward",
    "procurement": "purchasing-info",
    "sales": "customer-master",
    "segmentation": "scheme-steward",
}


class TableError(ValueError):
    """A frame does not fit its declared table; the message names table, column, rows and what to do."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its type, whether it may be null, and what it means (with its unit)."""

    name: str
    kind: Kind
    meaning: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One published table. `decided` tables carry reason and suspension columns; `scope` says who computes it."""

    name: str
    grain: str
    keys: tuple[str, ...]
    owner: str
    meaning: str
    columns: tuple[Column, ...]
    decided: bool
    scope: Literal["partition", "release"]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def steward(self) -> str:
        """Who looks after the fields; empty where the owner named nobody."""
        return STEWARDS.get(self.owner, "")

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, ARROW[c.kind], nullable=c.nullable) for c in self.columns])

    def conform(self, frame: pd.DataFrame | pa.Table) -> pa.Table:
        """The frame as this table: declared columns in order, declared types, sorted by key.

        Raises:
            TableError: a column is missing, extra or mistyped, a value is null where it may not be, a float is
                not finite, or a key stands twice.
        """
        rows = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
        table = self._typed(rows)
        if is_sorted(table.to_batches(), self.keys, strictly=True):
            return table
        self._check_keys(table)
        return table.sort_by([(key, "ascending") for key in self.keys])

    def conform_batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """`conform` of rows that come in the order of their key, batch by batch: none is held longer than its turn.

        Raises:
            TableError: as `conform`, or a key does not come after the one before it.
        """
        last: list[pa.RecordBatch] = []
        for batch in batches:
            if not batch.num_rows:
                continue
            rows = self._typed(pa.Table.from_batches([batch])).combine_chunks().to_batches()[0]
            if not is_sorted([*last, rows], self.keys, strictly=True):
                raise TableError(f"table {self.name}: rows do not ascend by key {self.keys}; sort them, each key once")
            last = [rows.slice(rows.num_rows - 1)]
            yield rows

    def content_hash(self, table: pa.Table) -> str:
        """Content hash of conformed rows, `release_id` left out."""
        return content_hash(table, self.keys, NOT_CONTENT)

    def content_hash_file(self, path: Path) -> str:
        """`content_hash` of conformed rows in a Parquet file, without holding them."""
        return content_hash_file(path, self.keys, NOT_CONTENT)

    def empty(self) -> pa.Table:
        """No rows, right columns."""
        return self.schema.empty_table()

    def _typed(self, rows: pa.Table) -> pa.Table:
        """The declared columns in order and of their types."""
        missing = [name for name in self.names if name not in rows.column_names]
        extra = [name for name in rows.column_names if name not in self.names]
        if missing or extra:
            raise TableError(
                f"table {self.name}: missing columns {missing}, extra columns {extra}; see strata/tables.py"
            )
        arrays = [self._cast(rows.column(column.name), column) for column in self.columns]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _cast(self, values: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
        where = f"table {self.name}, column {column.name}"
        if column.kind == "float" and pa.types.is_floating(values.type):
            bad = pc.invert(pc.is_finite(values)).fill_null(False)
            if pc.any(bad).as_py():
                rows = pc.indices_nonzero(bad).to_pylist()[:5]
                raise TableError(f"{where}: NaN or infinite in rows {rows}; write null where a value is unknown")
        try:
            cast = values.cast(ARROW[column.kind])
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise TableError(f"{where}: {values.type} does not fit {ARROW[column.kind]}: {error}") from error
        if not column.nullable and cast.null_count:
            rows = pc.indices_nonzero(cast.is_null()).to_pylist()[:5]
            raise TableError(f"{where}: null in {cast.null_count} rows, first {rows}; the column may not be null")
        return cast

    def _check_keys(self, table: pa.Table) -> None:
        if not table.num_rows:
            return
        groups = table.group_by(list(self.keys)).aggregate([([], "count_all")])
        if groups.num_rows != table.num_rows:
            twice = groups.filter(pc.greater(groups["count_all"], 1)).slice(0, 3).select(list(self.keys)).to_pylist()
            raise TableError(f"table {self.name}: key {self.keys} stands more than once, for example {twice}")


def _c(name: str, kind: Kind, meaning: str) -> Column:
    return Column(name, kind, meaning)


def _n(name: str, kind: Kind, meaning: str) -> Column:
    return Column(name, kind, meaning, nullable=True)


_SKU = _c("sku_id", "text", "Item number, exact text of the source.")
_LOCATION = _c("location_id", "text", "Stocking location; `*` is the whole region.")
_REGION = _c("region", "text", "Region code; `*` where a row belongs to no single region.")
_CYCLE = _c("cycle", "text", "Planning month that computed the row.")
_STAMP = (
    _c(
        "valid_for_cycle",
        "text",
        "Planning month that the row serves; later than `cycle` where it was carried forward.",
    ),
    _c("scheme_version", "text", "Version of the scheme that decided."),
)
_FALLBACK_LEVEL = _c(
    "fallback_level",
    "text",
    "What the class rests on: own, predecessor, like_item, family_region, last_class or default.",
)
_FALLBACK_REASON = _n("fallback_reason", "text", "Why not own history, and why none of the rungs above.")
_FALLBACK_UNTIL = _n(
    "fallback_valid_until_cycle",
    "text",
    "Last cycle in which this rung may be used if nothing more is observed; null where it does not expire.",
)
_CONFIDENCE = _c(
    "confidence",
    "float",
    "0 to 1. own: observed periods / window periods; else how often such a rung gave the segment earned later.",
)
_REASON = _c("decision_reason", "text", "Why the row says what it says.")
_SUSPENSION = (
    _c("is_suspended", "bool", "True: last good row, kept because the newer candidate failed a gate."),
    _n("suspended_since", "text", "First cycle of the suspension."),
    _n("suspension_reason", "text", "Gate and observation that caused the suspension."),
)
SUSPENSION_COLUMNS = ("is_suspended", "suspended_since", "suspension_reason")
# What a row says before any gate has judged it.
NOT_SUSPENDED = dict(zip(SUSPENSION_COLUMNS, (False, None, None), strict=True))
_KEY4 = ("sku_id", "location_id", "region", "cycle")


def _table(
    name: str,
    grain: str,
    keys: tuple[str, ...],
    owner: str,
    meaning: str,
    columns: tuple[Column, ...],
    *,
    decided: bool,
    scope: Literal["partition", "release"],
) -> Table:
    tail = (*_STAMP, _REASON, *_SUSPENSION) if decided else _STAMP
    return Table(name, grain, keys, owner, meaning, (*columns, *tail), decided, scope)


def _memory(axis: str) -> tuple[Column, ...]:
    """What churn control carries of one axis from cycle to cycle."""
    return (
        _n(f"{axis}_pending", "text", "Class that a move waits for; null where none waits."),
        _n(f"{axis}_confirmations", "int", "Runs in a row that proposed it; null where none waits."),
        _n(f"{axis}_dwell_cycles", "int", "Cycles since the class moved; null where it never did."),
    )


def _version_columns() -> tuple[Column, ...]:
    return (
        _c("known_from", "timestamp", "When the version could first be known."),
        _c("known_basis", "text", "`extracted`, `source` (change time of the source) or `assumed` (first load)."),
        _c("source_batch_id", "text", "Accepted batch that brought the version."),
        _c("origin", "text", "`real` or `simulated`, as the source declared it."),
    )


DEMAND_HISTORY = _table(
    "demand_history",
    "sku_id x location_id x region x cycle x bucket x period_start",
    (*_KEY4, "bucket", "period_start"),
    "demand-planning",
    "Demand per period as known at the cut-off; rows only for periods with demand, promotion or stock-out.",
    (
        _SKU, _LOCATION, _REGION, _CYCLE,
        _c("bucket", "text", "Period length: day, week or month; each bucket holds all demand once."),
        _c("period_start", "date", "First day of the period in the region's time zone; weeks start on Monday."),
        _c("is_partial", "bool", "The period was still open at the cut-off; kept out of profiles."),
        _c("demand_units", "decimal", "Demand in base units, as ordered."),
        _c("baseline_units", "decimal", "Demand without promotions, spikes, dips and large demands (scheme part "
           "`outliers`) in closed periods of the classification bucket; else equals demand."),
        _c("revenue", "decimal", "Net revenue in the group currency."),
        _n("margin", "decimal", "Revenue less units at standard cost as known at the cut-off; null without a cost."),
        _c("order_lines", "int", "Order lines behind the demand."),
        _c("is_promotion", "bool", "A promotion of the item at the location overlaps the period."),
        _c("is_outlier", "bool", "Demand was judged an outlier; `adjustment_reason` says how."),
        _c("is_censored", "bool", "Stock was out, or lines were set aside as another unit: demand is a lower bound."),
        _n("adjustment_reason", "text", "Why baseline differs (promotion, spike, dip, large_demand), or why the "
           "period is censored (stockout, unit_jump)."),
    ),
    decided=False, scope="partition",
)  # fmt: skip

DEMAND_PROFILE = _table(
    "demand_profile",
    "sku_id x location_id x region x cycle",
    _KEY4,
    "demand-planning",
    "Shape of demand over closed, uncensored periods: class level in classification buckets, else in planning ones.",
    (
        _SKU, _LOCATION, _REGION, _CYCLE,
        _c("bucket", "text", "Period length of this row."),
        _c("periods_observed", "int", "Closed, uncensored periods since launch within the window."),
        _c("periods_censored", "int", "Closed periods left out because stock was out."),
        _c("periods_unreported", "int", "Closed periods left out because the place had stopped reporting."),
        _c("demand_periods", "int", "Observed periods with demand above zero."),
        _n("mean_units_period", "float", "Mean demand per observed period, base units."),
        _n("cv", "float", "Sample standard deviation of demand per period / its mean, zero periods included."),
        _n("cv_deseasonalised", "float", "The same after trend and season are taken out; null below two full seasons."),
        _n("forecast_error", "float", "Error of the best simple forecast / mean; null where the scheme measures none."),
        _n("cv_level", "float", "CV within levels, by logarithms; null without the scheme part `level`."),
        _n("level_units_period", "float", "Mean demand per observed period since the last shift of level."),
        _n("level_periods", "int", "Observed periods since the last shift; all those looked at where there is none."),
        _n("level_cv_periods", "int", "Observed periods behind `cv_level`."),
        _n("level_value", "float", "Value of the window at the level since the last shift, on the scheme's basis."),
        _n("adi", "float", "Mean interval between demands in periods, the first counted from launch."),
        _n("cv2_nonzero", "float", "Squared coefficient of variation of the non-zero sizes, sample variance."),
        _n("trend_strength", "float", "0 to 1; null below two full seasons."),
        _n("seasonal_strength", "float", "0 to 1; null below two full seasons."),
        _c("demand_class", "text", "smooth, erratic, intermittent, lumpy or none, in this row's buckets."),
        _c("revenue", "decimal", "Revenue over the value window."),
        _n("margin", "decimal", "Margin over the value window; null where a cost is unknown."),
        _c("demand_units", "decimal", "Units over the value window."),
        _c("order_lines", "int", "Order lines over the value window."),
        _n("launch", "date", "Launch date of the item master, else first sale."),
        _n("first_sale", "date", "Start of the first period with demand."),
        _n("last_sale", "date", "Start of the last closed period with demand."),
        _n("recent_ratio", "float", "Mean of the recent periods / mean of those before; null where either is missing."),
        _n("shift_z", "float", "Level-shift statistic of the recent periods against those before."),
        _c("is_true_shift", "bool", "The level-shift test fired with the scheme's bounds."),
        _c("lifecycle_state", "text", "intro, growth, mature, decline, eol or dead."),
        _FALLBACK_LEVEL, _FALLBACK_REASON,
        _n("fallback_source", "text", "Who lends: an item (and how many more), a family, a segment."),
        _CONFIDENCE, _FALLBACK_UNTIL,
        _n("expected_units_period", "float", "Demand per period to plan with: own, or blended with what is lent."),
        _n("expected_cv", "float", "Coefficient of variation to class by: own, or the lender's; null on default."),
        _n("expected_value", "float", "Value (on the scheme's basis) that the item is expected to have in the window."),
    ),
    decided=False, scope="partition",
)  # fmt: skip

SEGMENT_ASSIGNMENT = _table(
    "segment_assignment",
    "sku_id x location_id x region x cycle",
    _KEY4,
    "segmentation",
    "Class of every item, held against flicker, with its reason; `location_id` `*` is the class of the region.",
    (
        _SKU, _LOCATION, _REGION, _CYCLE,
        _c("value_class", "text", "A, B, C, or U where value is missing or not positive."),
        _c("variability_class", "text", "X, Y, Z, or U where too little was observed."),
        _c("demand_class", "text", "smooth, erratic, intermittent, lumpy or none."),
        _c("lifecycle_state", "text", "intro, growth, mature, decline, eol or dead."),
        _c("segment", "text", "Effective segment: value and variability class, overrides applied."),
        _c("computed_segment", "text", "What the scheme alone would say, hysteresis included, overrides not."),
        _n("previous_segment", "text", "Effective segment of the cycle before; null for a new item."),
        _n("cumulative_share", "float", "Cumulative share of value up to and with this item, largest first."),
        _n("class_probability", "float", "Probability of the computed segment by the sampling error of both metrics."),
        _n("override_id", "text", "Override in force, if any."),
        _c("as_known_at", "timestamp", "Cut-off: nothing learned later is in the row."),
        _c("revenue", "decimal", "Revenue over the value window."),
        _FALLBACK_LEVEL, _FALLBACK_REASON, _CONFIDENCE, _FALLBACK_UNTIL,
        *_memory("value"),
        *_memory("variability"),
    ),
    decided=True, scope="partition",
)  # fmt: skip

_QUANTILES = (5, 10, 25, 50, 75, 90, 95, 99)
QUANTILE_COLUMNS = tuple(f"q{level:02d}" for level in _QUANTILES)
QUANTILE_LEVELS = tuple(level / 100 for level in _QUANTILES)

DEMAND_FORECAST = _table(
    "demand_forecast",
    "sku_id x location_id x region x cycle x period_start",
    (*_KEY4, "period_start"),
    "demand-planning",
    "Predictive distribution of demand per planning period, by the method that the demand class asks for.",
    (
        _SKU, _LOCATION, _REGION, _CYCLE,
        _c("period_start", "date", "First day of the forecast period."),
        _c("bucket", "text", "Period length."),
        _c("horizon", "int", "Periods ahead: 1 is the first period not closed at the cut-off."),
        _c("mean_units", "float", "Expected demand, base units."),
        *(
            _c(name, "float", f"{level} % quantile of demand in the period, base units.")
            for name, level in zip(QUANTILE_COLUMNS, _QUANTILES, strict=True)
        ),
        _c("error_sd_units", "float", "Standard deviation of the one-period forecast error, base units."),
        _c("method", "text", "ses, seasonal_naive, sba, tsb, mean_rate, zero, or lent_rate below own history."),
        _c("forecast_level", "text", "item: the series itself; else the rung of the ladder that lends its mean."),
    ),
    decided=True, scope="partition",
)  # fmt: skip

INVENTORY_POLICY = _table(
    "inventory_policy",
    "sku_id x location_id x region x cycle",
    _KEY4,
    "inventory",
    "Stocking policy of every item-location that its segment implies, with the service it is expected to give.",
    (
        _SKU, _LOCATION, _REGION, _CYCLE,
        _c("segment", "text", "Segment whose policy applies."),
        _c("policy_type", "text", "sQ, RS or none (with the reason)."),
        _n("service_metric", "text", "csl or fill_rate."),
        _n("service_target", "float", "Target of the segment, a fraction."),
        _n("review_days", "int", "Days between reviews."),
        _n("lead_time_mean_days", "float", "Mean lead time, days."),
        _n("lead_time_sd_days", "float", "Standard deviation of the lead time, days."),
        _n("lead_time_level", "text", "lane, supplier, region or planned: whose receipts were used."),
        _n("demand_distribution", "text", "normal, gamma, negative_binomial, or poisson where variance <= mean."),
        _n("protection_mean_units", "float", "Mean demand over lead time and review, base units."),
        _n("protection_sd_units", "float", "Standard deviation of demand over lead time and review, base units."),
        _n("safety_stock_units", "float", "Reorder point (RS: order-up-to level) less mean protection-time demand."),
        _n("reorder_point_units", "float", "Order when the inventory position is at or below it."),
        _n("order_up_to_units", "float", "Level that an order fills up to (RS)."),
        _n("order_quantity_units", "float", "Lot size after minimum and multiple."),
        _n("order_multiple_units", "float", "Lots are whole multiples of it."),
        _n("min_units", "float", "Lower planning bound of stock on hand: safety stock, not below zero."),
        _n("max_units", "float", "Upper planning bound of the inventory position."),
        _n("expected_fill_rate", "float", "Share of units served from stock under the policy, after rounding."),
        _n("expected_csl", "float", "Probability of no stock-out in a replenishment cycle under the policy."),
        _n("expected_stock_units", "float", "Expected stock on hand, base units."),
        _n("holding_cost_year", "float", "Expected stock x unit cost x holding rate, group currency a year."),
        _n("binding_constraint", "text", "service, minimum_lot, order_multiple or none."),
        _c("effective_from", "date", "First day of the cycle's month."),
    ),
    decided=True, scope="partition",
)  # fmt: skip

LEAD_TIME_PROFILE = _table(
    "lead_time_profile",
    "supplier_id x location_id x region x cycle",
    ("supplier_id", "location_id", "region", "cycle"),
    "procurement",
    "Lead time per lane from orders and receipts known at the cut-off, quantity-weighted over partial receipts.",
    (
        _c("supplier_id", "text", "Supplier; `*` is all suppliers of the region."),
        _c("location_id", "text", "Receiving location; `*` is all locations of the region."),
        _REGION, _CYCLE,
        _c("receipts", "int", "Completed order lines observed."),
        _c("open_lines", "int", "Order lines not yet received in full at the cut-off; left out."),
        _c("unconverted_lines", "int", "Order lines received in a unit without a known factor; left out."),
        _n("mean_days", "float", "Mean lead time, days."),
        _n("sd_days", "float", "Sample standard deviation, days; null below two lines."),
        _n("p50_days", "float", "Median, days."),
        _n("p90_days", "float", "90 % quantile, days."),
    ),
    decided=False, scope="partition",
)  # fmt: skip

SEGMENT_MIGRATION = _table(
    "segment_migration",
    "from_segment x to_segment x region x cycle",
    ("from_segment", "to_segment", "region", "cycle"),
    "segmentation",
    "How many items went from one segment to another since the cycle before, and how many of them truly shifted.",
    (
        _c("from_segment", "text", "Effective segment before; `new` where the item had none."),
        _c("to_segment", "text", "Effective segment now; `gone` where the item is no longer assigned."),
        _REGION, _CYCLE,
        _c("items", "int", "Items on this path."),
        _c("revenue", "decimal", "Their revenue over the value window."),
        _c("true_shift_items", "int", "Moved items whose level-shift test fired."),
        _c("noise_items", "int", "Moved items whose level-shift test did not fire."),
    ),
    decided=False, scope="partition",
)  # fmt: skip

RECONCILIATION = _table(
    "reconciliation",
    "line x bucket x currency x base_unit x region x cycle",
    ("line", "reason", "bucket", "currency", "base_unit", "region", "cycle"),
    "data-engineering",
    "Identity of the sales feed per currency and unit: accepted + converted - quarantined - excluded = history + open.",
    (
        _c("line", "text", "accepted, quarantined, excluded, converted_out, converted_in, history, open, or unplaced."),
        _c("reason", "text", "Why rows were kept out; unit and currency of the other side if converted; else `-`."),
        _c("bucket", "text", "Bucket of demand_history that this side was summed over."),
        _c("currency", "text", "Currency of the amounts."),
        _c("base_unit", "text", "Unit of the quantities, as delivered or as converted; `?` where the item is unknown."),
        _REGION, _CYCLE,
        _c("line_count", "int", "Source rows (order lines)."),
        _c("units", "decimal", "Quantity."),
        _c("amount", "decimal", "Net amount."),
    ),
    decided=False, scope="partition",
)  # fmt: skip

CONTROL_TOTAL = _table(
    "control_total",
    "system x feed x batch_id x measure x region x cycle",
    ("system", "feed", "batch_id", "measure", "region", "cycle"),
    "data-engineering",
    "What every extract known at the cut-off states, against what was accepted, refused and dropped as a repeat.",
    (
        _c("system", "text", "Source system."),
        _c("feed", "text", "Feed of the system."),
        _c("batch_id", "text", "Accepted batch."),
        _c("measure", "text", "`rows`, or the column whose sum the extract states."),
        _REGION, _CYCLE,
        _c("extract_id", "text", "Name of the extract in its manifest."),
        _c("extracted_at", "timestamp", "When the extract was taken."),
        _n("stated", "decimal", "Rows or sum that the manifest states."),
        _c("accepted", "decimal", "Rows or sum of the good rows."),
        _c("refused", "decimal", "Rows or sum of the rows in quarantine, as far as they could be read."),
        _c("repeated", "decimal", "Rows or sum of rows that repeat an earlier row of the extract to the letter."),
        _c("verdict", "text", "matched, unverified (unreadable values), translated (changes, mapped rows) or differs."),
    ),
    decided=False, scope="partition",
)  # fmt: skip

HIERARCHY_CONFLICT = _table(
    "hierarchy_conflict",
    "sku_id x level x region x cycle",
    ("sku_id", "level", "region", "cycle"),
    "master-data",
    "Items whose hierarchy sources disagree, with the class under each candidate; what decides stands first.",
    (
        _c("sku_id", "text", "Item number; `?` counts the entries of the level that mean no item."),
        _c("level", "text", "category or family."),
        _REGION, _CYCLE,
        _c("queue_rank", "int", "Place in the queue: decisions first, then revenue."),
        _c("conflict", "text", "sources_disagree, ambiguous_match, rules_disagree; of `?` unmatched or none."),
        _c("changes_decision", "bool", "The choice between candidates changes a class, an exclusion or a fallback."),
        _c("change", "text", "exclusion, fallback_family or none."),
        _n("revenue_at_stake", "decimal", "Revenue of the item over the value window, left-out sales included."),
        _c("current_class", "text", "Value class in force; `excluded`; `-` where no item is certain."),
        _c("candidate_classes", "text", "Distinct classes under the candidates, `|` between."),
        _n("chosen_source", "text", "First source of the scheme's precedence that names one node."),
        _n("chosen_node", "text", "Its node."),
        _c("resolution", "text", "Why that one: `precedence:<source>`, or what keeps the entry from being used."),
        _n("since", "date", "First day on which a second node stood beside the first."),
        _c("candidates", "text", "JSON list: source, node, match_rule, valid_from, value_class, exclusion, family."),
    ),
    decided=False, scope="partition",
)  # fmt: skip

FEED_LATENCY = _table(
    "feed_latency",
    "system x feed x region x cycle",
    ("system", "feed", "region", "cycle"),
    "data-engineering",
    "How long rows of each feed took from event to class, over the rows that the classes of the cycle see first.",
    (
        _c("system", "text", "Source system."),
        _c("feed", "text", "Feed of the system."),
        _REGION, _CYCLE,
        _c("measured_rows", "int", "First versions that these classes see first, with their own event and known time."),
        _c("assumed_rows", "int", "The same of a first load: their known time is assumed, so they measure nothing."),
        _c("undated_rows", "int", "The same without an event time: only their last hop is measured."),
        *(
            _n(f"{hop}_{level}_hours", "float", f"{name} quantile of {meaning}, hours.")
            for hop, meaning in (
                ("event_to_known", "known time (change or extraction) less event time"),
                ("known_to_extracted", "extraction less known time; 0 where the extraction is the known time"),
                ("extracted_to_class", "cut-off less extraction; negative where it came after the cut-off"),
                ("event_to_class", "cut-off less event time: source to class"),
            )
            for level, name in (("p50", "50 %"), ("p95", "95 %"))
        ),
        _c("normal_lag_hours", "int", "Hours from event to known that the contract calls normal."),
        _n("late_share", "float", "Measured rows that took longer than the normal lag / measured rows."),
        _c("needed_hours", "float", "Hours from the close of a classification period to the cut-off that decides it."),
        _n("close_to_extracted_p95_hours", "float", "95 % quantile of extraction less close of its period, hours."),
        _n("missed_share", "float", "Measured rows extracted after the cut-off that decided their period / measured."),
        _c("extracts", "int", "Extracts taken since the cut-off before."),
        _n("age_hours", "float", "Age of the youngest extract at the cut-off, hours; null where none was taken."),
        _n("refresh_p50_hours", "float", "50 % quantile of the time between extracts since the cut-off before, hours."),
        _n("refresh_p95_hours", "float", "95 % quantile of the same."),
        _c("refresh_sla_hours", "int", "Longest time between extracts that the contract promises."),
        _n("over_sla_share", "float", "Part of the time since the cut-off before that the feed was older than that."),
        _c("verdict", "text", "in_time, late_rows (p95 beyond what the cadence needs), not_measured."),
        _n("reason", "text", "Why nothing was measured, or what is late."),
    ),
    decided=False, scope="partition",
)  # fmt: skip

SERVICE_TARGET = _table(
    "service_target",
    "sku_id x location_id x region x cycle",
    _KEY4,
    "inventory",
    "Service that every item-location is to give, its segment's or a stricter promise, and whether it can.",
    (
        _SKU, _LOCATION, _REGION, _CYCLE,
        _c("segment", "text", "Segment whose policy applies."),
        _n("service_metric", "text", "What the target is counted in: fill_rate or csl; null without a target."),
        _n("segment_target", "float", "Target of the segment, a fraction."),
        _n("service_target", "float", "The effective one: the segment's, or the promise that binds."),
        _n("binding_sla_id", "text", "Term that sets it, contract and term; null where the segment's target does."),
        _n("sla_target", "float", "Strictest promise of customers that weigh enough, binding or not."),
        _n("sla_line_share", "float", "Order lines of those customers / all lines of the item in the region."),
        _n("promised_lead_time_days", "float", "Shortest lead time promised to customers that weigh enough."),
        _n("lead_time_days", "float", "Expected lead time of the item's own replenishment."),
        _n("required_csl", "float", "Cycle service level that the policy for the target comes to."),
        _n("holding_cost_year", "float", "What the policy for the target would hold, group currency a year."),
        _n("is_feasible", "bool", "Some policy meets it within the scheme's limits; null where none is asked."),
    ),
    decided=True, scope="partition",
)  # fmt: skip

SLA_REGISTER = _table(
    "sla_register",
    "contract_id x term_id x region x cycle",
    ("contract_id", "term_id", "region", "cycle"),
    "sales",
    "Terms of service in force at the cut-off, what they are about, and the risk of breaking them under the policies.",
    (
        _c("contract_id", "text", "Contract that holds the term."),
        _c("term_id", "text", "Term inside the contract."),
        _REGION, _CYCLE,
        _c("sla_id", "text", "Contract and term, as `binding_sla_id` names them."),
        _c("account_id", "text", "Account that it was promised to, with all accounts below it."),
        _n("customer_id", "text", "Customer that it is for; null is all of the account."),
        _c("scope_type", "text", "total, category, family or item."),
        _n("scope_value", "text", "Category, family or item."),
        _c("metric", "text", "What is promised: fill_rate, otif, availability, lead_time or response_time."),
        _c("basis", "text", "What is counted: line, unit, order or value."),
        _c("measurement_window", "text", "Time over which it is measured."),
        _c("priority", "int", "Order of importance; 1 goes first."),
        _n("target_share", "float", "Promised share, a fraction."),
        _n("target_hours", "float", "Promised hours."),
        _c("penalty_type", "text", "What a breach costs."),
        _n("penalty_share", "float", "Share of the value of a broken window."),
        _n("penalty_amount", "decimal", "Amount per unit, event or day."),
        _n("currency", "text", "Currency of the amount."),
        _c("valid_from", "date", "First day on which the term holds."),
        _n("valid_until", "date", "Last day of term and contract; null is open."),
        _c("items", "int", "Planned items of the scope that its customers ordered in the region."),
        _c("lines_year", "float", "Their order lines a year."),
        _c("revenue_year", "float", "Their value a year, group currency."),
        _c("bound_places", "int", "Item-locations whose target it sets."),
        _n("expected_service", "float", "Service that the policies in force are expected to give on those lines."),
        _n("unstocked_line_share", "float", "Lines of items that no place of the region stocks / lines."),
        _n("shortfall", "float", "Promised less expected service, not below 0."),
        _n("breach_probability", "float", "Chance that a window misses its target, lines failing one by one."),
        _n("expected_penalty_year", "float", "Expected penalties a year, in `currency` or the group's for a share."),
    ),
    decided=True, scope="partition",
)  # fmt: skip

SEGMENT_CADENCE = _table(
    "segment_cadence",
    "segment x delay_days x region x cycle",
    ("segment", "delay_days", "region", "cycle"),
    "segmentation",
    "What it costs to keep a class for so many days, by back-casting classes; and how long each segment may keep it.",
    (
        _c("segment", "text", "Segment in force at the beginning of the delay; `*` is all of them."),
        _c("delay_days", "int", "Days that the class is older than the cut-off it is used at."),
        _REGION, _CYCLE,
        _c("cutoffs", "int", "Cut-offs compared, each with the classes of so many days before."),
        _c("items", "int", "Items compared, each once."),
        _c("pairs", "int", "Items x cut-offs compared."),
        _n("changed_share", "float", "Pairs whose class had become another one / pairs."),
        _n("changed_low", "float", "Lower end of its interval (Wilson; items, not pairs, count as independent)."),
        _n("changed_high", "float", "Upper end of the same interval."),
        _n("changed_value_share", "float", "The same share, weighted by the value of the scheme's basis."),
        _n("holding_excess_year", "float", "Holding cost that the older class asks for beyond the right one, a year."),
        _n("margin_missed_year", "float", "Margin of units that only the right class serves, a year."),
        _c("unpriced_pairs", "int", "Changed pairs left out of the costs: stocked nowhere, or without a known margin."),
        _n("cost_share", "float", "Both costs / revenue a year of the items compared, unchanged ones included."),
        _c("max_cost_share", "float", "Tolerance of the scheme."),
        _n("is_tolerated", "bool", "This delay and every shorter one cost no more than the tolerance."),
        _n("tolerated_delay_days", "int", "Longest tolerated delay of the segment; 0 where none of the grid is."),
        _n("recommended_cadence_days", "int", "The same, but at least one classification period; null: not known."),
    ),
    decided=True, scope="partition",
)  # fmt: skip


def _account_columns(name: str) -> tuple[Column, ...]:
    """What `customer_segment` and `channel_segment` say alike."""
    return (
        _c("revenue", "decimal", f"Revenue of the {name} over the value window, returns not deducted."),
        _n("margin", "decimal", "Margin over it; null where the cost of an item sold is not known."),
        _c("orders", "int", "Orders in it."),
        _c("order_lines", "int", "Order lines in it."),
        _c("return_lines", "int", "Lines sent back in it."),
        _c("items", "int", "Different items bought in it."),
        _n("last_period", "date", "Last period with a purchase."),
        _c("shipments", "int", "Shipments to the customer from this region in the window."),
        _c("unpriced_shipments", "int", "Shipments of unknown cost: one of them makes the cost to serve unknown."),
        _n("freight", "decimal", "What they cost; a customer's freight is split over its channels by revenue."),
        _n("cost_to_serve", "decimal", "Orders, lines and returns at the scheme's rates, and freight."),
        _n("cost_share", "float", "Cost to serve / margin; null where either is unknown or the margin not positive."),
        _n("cumulative_share", "float", "Cumulative share of value up to and with this one, largest first."),
        _c("value_class", "text", "A, B, C, or U where value is unknown or not positive."),
        _c("cost_class", "text", "L, H where serving takes more of the margin than the scheme allows, U unknown."),
        _c("segment", "text", "Value and cost class, both held against flicker."),
        _n("previous_segment", "text", "Segment of the cycle before; null for a new one."),
        _n("class_probability", "float", "Probability of the value class by the sampling error of the value."),
        *_memory("value"),
        *_memory("cost"),
    )


CUSTOMER_SEGMENT = _table(
    "customer_segment",
    "customer_id x region x cycle",
    ("customer_id", "region", "cycle"),
    "sales",
    "Segment of every customer by its value and by what serving it costs; `?` stands for sales that name no customer.",
    (
        _c("customer_id", "text", "Customer number, exact text of the source."),
        _REGION, _CYCLE,
        _n("channel", "text", "Channel that it bought most through."),
        _n("sla_tier", "text", "Tier of its account; null where it has none."),
        _n("priority", "int", "Delivery priority of the customer master, 1 first."),
        *_account_columns("customer"),
    ),
    decided=True, scope="partition",
)  # fmt: skip

CHANNEL_SEGMENT = _table(
    "channel_segment",
    "channel x region x cycle",
    ("channel", "region", "cycle"),
    "sales",
    "Segment of every channel, by the same rules; `?` stands for sales that name no channel.",
    (
        _c("channel", "text", "Channel, as the sales line names it."),
        _REGION, _CYCLE,
        _c("customers", "int", "Customers that bought through it in the window."),
        *_account_columns("channel"),
    ),
    decided=True, scope="partition",
)  # fmt: skip

SERVICE_MATRIX = _table(
    "service_matrix",
    "item_segment x customer_class x region x cycle",
    ("item_segment", "customer_class", "region", "cycle"),
    "segmentation",
    "Product x customer: what each cell sells, and the service that it may expect.",
    (
        _c("item_segment", "text", "Effective segment of the items."),
        _c("customer_class", "text", "Value class of the customers."),
        _REGION, _CYCLE,
        _c("items", "int", "Items of the segment that customers of the class bought in the value window."),
        _c("customers", "int", "Customers of the class that bought them."),
        _c("order_lines", "int", "Their order lines."),
        _c("revenue", "decimal", "Their revenue."),
        _n("margin", "decimal", "Its margin; null where the cost of an item sold is not known."),
        _n("revenue_share", "float", "Revenue / revenue of all cells."),
        _n("service_metric", "text", "Metric of the item segment's policy; null where nothing is stocked."),
        _n("segment_target", "float", "Target of the item segment, a share."),
        _n("customer_floor", "float", "Least fill rate that the scheme promises the customer class."),
        _n("service_target", "float", "Target of the cell: the larger of both where both are fill rates."),
    ),
    decided=True, scope="partition",
)  # fmt: skip

OVERRIDE = _table(
    "override",
    "override_id x sku_id x location_id x region x cycle",
    ("override_id", "sku_id", "location_id", "region", "cycle"),
    "segmentation",
    "Every override of a person and every rule of the scheme, per item: whether it decides, until when, what it costs.",
    (
        _c("override_id", "text", "Override of a person; or `rule:` and the id of the rule."),
        _c("sku_id", "text", "Item number; `*` stands for a rule that claims no item."),
        _LOCATION, _REGION, _CYCLE,
        _c("source", "text", "manual (a person) or rule (the scheme)."),
        _c("kind", "text", "manual, or of the rule: strategic, critical, regulatory or contractual."),
        _n("priority", "int", "Of the rule: a larger one goes first; null for people, who go before all rules."),
        _c("owner", "text", "Who asked for it."),
        _c("reason", "text", "Why, in the words of the owner."),
        _c("approved_by", "text", "Who approved it."),
        _c("starts_cycle", "text", "First cycle in which it holds."),
        _n("expires_cycle", "text", "Last cycle in which it holds; null: until it is revoked."),
        _n("cycles_left", "int", "Cycles that follow in which it still holds; null: until it is revoked."),
        _n("value_effect", "text", "set, at_least or at_most and a class; null leaves the axis alone."),
        _n("variability_effect", "text", "The same for the variability class."),
        _n("computed_segment", "text", "What the scheme alone would say of the item; null where no item is claimed."),
        _n("segment", "text", "Effective segment of the item."),
        _n("segment_without", "text", "Segment with the axes that it decides as computed; null where it decides none."),
        _n("revenue", "decimal", "Revenue of the item over the value window."),
        _c("is_in_effect", "bool", "It decides the class of the item on at least one axis."),
        _c(
            "state",
            "text",
            "in_effect, not_binding, beaten, item_unknown, location_not_classed, no_item, scheduled, expired, revoked.",
        ),
        _n("beaten_by", "text", "Override that goes before it and contradicts it, on one axis at least."),
        _n("holding_difference_year", "float", "Holding cost of the segment less that of `segment_without`, a year."),
        _n("margin_difference_year", "float", "Margin of units served from stock, of the same two, a year."),
        _n("cost_year", "float", "Holding less margin difference: what it costs; null: not in effect or not priced."),
    ),
    decided=True, scope="partition",
)  # fmt: skip

CLASS_STABILITY = _table(
    "class_stability",
    "sku_id x location_id x region x cycle",
    _KEY4,
    "segmentation",
    "How sure the computed class of every item is: P(class) over other samples, forecasts with errors, biased demand.",
    (
        _SKU, _LOCATION, _REGION, _CYCLE,
        _c("segment", "text", "Segment put to the test: what the scheme alone says, overrides not applied."),
        _n("proposed_segment", "text", "Segment that the metrics alone say, without churn control; null: not drawn."),
        _n("cleaned_segment", "text", "What they would say without promotions and outliers; null: not looked for."),
        _c("promotion_periods", "int", "Promoted periods that sold beyond the usual."),
        _c("outlier_periods", "int", "Periods judged a spike, a dip or too large a demand."),
        _n("baseline_share", "float", "Demand without them / demand, over the periods that the class rests on."),
        _c("draws", "int", "Other samples of the same periods that say something of the item; 0: not drawn."),
        *(_n(f"p_{name}", "float", f"P(value class {name.upper()}).") for name in "abc"),
        _n("p_value_u", "float", "P(value not positive)."),
        *(_n(f"p_{name}", "float", f"P(variability class {name.upper()}).") for name in "xyz"),
        _n("p_variability_u", "float", "P(variability undefined)."),
        _n("p_value_held", "float", "P(value class of `segment`)."),
        _n("p_variability_held", "float", "P(variability class of `segment`)."),
        _n("p_segment_held", "float", "P(`segment`)."),
        _n("likeliest_segment", "text", "Segment of most draws."),
        _n("p_likeliest", "float", "P(likeliest segment)."),
        _n("second_segment", "text", "Segment of most of the other draws; null where all draws agree."),
        _n("p_second", "float", "P(second segment)."),
        _n("p_held_forecast_error", "float", "P(`segment`) where demand misses its level as forecasts missed demand."),
        _n("likeliest_forecast_error", "text", "Likeliest segment there."),
        _n("p_held_bias", "float", "P(`segment`) where the demand of each family is over- or understated."),
        _n("likeliest_bias", "text", "Likeliest segment there."),
        _n("p_held_least", "float", "Least of the three P(`segment`)."),
        _c("is_at_risk", "bool", "The least is below the bound of the scheme."),
        _c("revenue", "decimal", "Revenue over the value window."),
    ),
    decided=True, scope="partition",
)  # fmt: skip

CLASS_AGREEMENT = _table(
    "class_agreement",
    "source x axis x region x cycle",
    ("source", "axis", "region", "cycle"),
    "segmentation",
    "Agreement of the decided classes with those of every draw, items at risk, and the spread of what policies cost.",
    (
        _c("source", "text", "bootstrap, forecast_error or bias: what differs from draw to draw."),
        _c("axis", "text", "value, variability or segment."),
        _REGION, _CYCLE,
        _c("draws", "int", "Draws that said something of any item."),
        _c("items", "int", "Items drawn."),
        _n("kappa", "float", "Cohen's kappa of decided and drawn class, mean over the draws; null: one class only."),
        _n("kappa_low", "float", "Lower end of the range that holds the scheme's confidence of the draws."),
        _n("kappa_high", "float", "Upper end of the same range."),
        _n("agreement", "float", "Share of items whose drawn class is the decided one, mean over the draws."),
        _c("at_risk_items", "int", "Items whose decided class has less probability than the scheme's bound."),
        _n("at_risk_revenue_share", "float", "Their revenue / revenue of the items drawn."),
        _n("holding_cost_year", "float", "Holding cost of the decided policies a year; on axis segment only."),
        _n("holding_cost_sd", "float", "Standard deviation of it over the draws."),
        _n("holding_cost_low", "float", "Lower end of its range over the draws."),
        _n("holding_cost_high", "float", "Upper end of the same range."),
        _n("margin_served_year", "float", "Margin of the units that the decided policies serve from stock, a year."),
        _n("margin_served_sd", "float", "Standard deviation of it over the draws."),
        _n("margin_served_low", "float", "Lower end of its range over the draws."),
        _n("margin_served_high", "float", "Upper end of the same range."),
        _c("unpriced_items", "int", "Items drawn without a policy or a known margin: no part of the costs."),
    ),
    decided=False, scope="partition",
)  # fmt: skip

CRITERIA_REPORT = _table(
    "criteria_report",
    "criterion x region x cycle",
    ("criterion", "region", "cycle"),
    "segmentation",
    "Every criterion that items could be classed by: what it says, how sure it is, what its classes would cost.",
    (
        _c("criterion", "text", "Candidate criterion of the scheme part `evidence`."),
        _REGION, _CYCLE,
        _c("items", "int", "Items at the scheme's class level."),
        _c("completeness", "float", "Share of the items with a known number."),
        _n("gini", "float", "Gini coefficient, negative numbers as 0: 0 all alike, towards 1 one item has all."),
        _n("top_items_share", "float", "Least share of the items that hold the scheme's A share of the criterion."),
        _n("separation", "float", "Eta squared: variance of the criterion's logarithm that lies between its classes."),
        _n("kappa", "float", "Cohen's kappa with the classes on other samples of periods and items, mean over draws."),
        _n("correlation", "float", "Spearman's correlation with the most alike other criterion."),
        _n("correlated_with", "text", "That criterion."),
        _n("cost_year", "float", "Least safety stock cost a year of classes by it, at the scheme's fill rate."),
        _n("regret_share", "float", "That cost over the optimum per item, less 1."),
        _n("saved_share", "float", "Share that these classes save of what a level per item saves over one for all."),
        _c("priced_places", "int", "Item-locations with forecast, cost and lead time: those the cost is of."),
        _c("rank", "int", "1 is the best by the scheme's rule."),
        _c("is_in_use", "bool", "The scheme classes by it now."),
        _c("is_recommended", "bool", "The rule in `decision_reason` chose it."),
    ),
    decided=True, scope="partition",
)  # fmt: skip

DIMENSION_COMPARISON = _table(
    "dimension_comparison",
    "dimension x region x cycle",
    ("dimension", "region", "cycle"),
    "segmentation",
    "Segmenting by product, customer, channel, or product x customer, on the same order lines of the value window.",
    (
        _c("dimension", "text", "product, customer, channel or product_customer."),
        _REGION, _CYCLE,
        _c("members", "int", "Items, customers, channels or pairs of item and customer with lines."),
        _c("cells", "int", "Segments that they make: what has to be kept and explained."),
        _c("lines", "int", "Order lines of positive value."),
        _n("median_lines", "float", "Median of the lines of a cell."),
        _n("thin_cells_share", "float", "Share of the cells with fewer lines than the scheme's minimum."),
        _n("thin_lines_share", "float", "Share of the lines that lie in those cells."),
        _n("variance_explained", "float", "Omega squared of the logarithm of line value by cell; about 0 is chance."),
        _n("members_variance_explained", "float", "The same by member: more than any grouping of them can explain."),
        _c("rank", "int", "1 is the best by the scheme's rule."),
        _c("is_recommended", "bool", "The rule in `decision_reason` chose it."),
    ),
    decided=True, scope="partition",
)  # fmt: skip

METHOD_SELECTION = _table(
    "method_selection",
    "method x region x cycle",
    ("method", "region", "cycle"),
    "segmentation",
    "Classification methods compared on the same items: cost at equal service, stability, and words.",
    (
        _c("method", "text", "Method of the scheme part `evidence`."),
        _REGION, _CYCLE,
        _c("items", "int", "Items compared: those with every criterion and a priced place, a sample of them if many."),
        _c("cost_year", "float", "Least safety stock cost a year of its classes, at the scheme's fill rate."),
        _c("regret_share", "float", "That cost over the optimum per item, less 1."),
        _n("saved_share", "float", "Share that these classes save of what a level per item saves over one for all."),
        _c("kappa", "float", "Cohen's kappa with its classes on other samples of periods, mean over draws."),
        _c("share_explained", "float", "Share of the items whose class the words name."),
        _c("conditions", "int", "Conditions that a sentence needs at most."),
        _c("classes", "int", "Classes that it made."),
        _c("words", "text", "The classes in words: the rules of a small decision tree."),
        _c("rank", "int", "1 is the best by the scheme's rule."),
        _c("is_in_use", "bool", "The scheme's value classes are made by it now."),
        _c("is_recommended", "bool", "The rule in `decision_reason` chose it."),
    ),
    decided=True, scope="partition",
)  # fmt: skip

GATE_RESULT = _table(
    "gate_result",
    "gate x scope x cycle",
    ("gate", "scope", "region", "cycle"),
    "data-engineering",
    "Verdict of every gate over a candidate, bound to the content hash it judged.",
    (
        _c("gate", "text", "Gate: stage and check."),
        _c("scope", "text", "What was judged, such as `region=EMEA`."),
        _REGION, _CYCLE,
        _c("verdict", "text", "pass, warn, quarantine or suspend."),
        _c("evaluated_rows", "int", "Rows looked at."),
        _c("failed_rows", "int", "Rows that failed."),
        _n("threshold", "text", "Bound of the scheme or contract."),
        _n("observed", "text", "What was found."),
        _c("record_id", "text", "Gate record in the governance store."),
    ),
    decided=False, scope="partition",
)  # fmt: skip

SCHEME = _table(
    "scheme",
    "scheme_version x parameter",
    ("scheme_version", "parameter"),
    "segmentation",
    "Every parameter of the schemes in force, with rationale and approval.",
    (
        _c("parameter", "text", "Path of the parameter, such as `value.cuts.A`."),
        _REGION,
        _c("value", "text", "Resolved value."),
        _c("rationale", "text", "Why this value."),
        _c("owner", "text", "Who answers for it."),
        _c("approved_by", "text", "Approval in the ledger."),
    ),
    decided=False, scope="release",
)  # fmt: skip

LINEAGE_FIELD = _table(
    "lineage_field",
    "table_name x column_name",
    ("table_name", "column_name"),
    "data-engineering",
    "Every field from the feeds to the release: who answers for it, what it means, what it is computed from.",
    (
        _c("table_name", "text", "Table; a feed is `<system>.<feed>`."),
        _c("column_name", "text", "Column of the table."),
        _REGION,
        _c("layer", "text", "feed (as extracted), conformed (dbt) or release (published)."),
        _c("definition", "text", "What the field means."),
        _n("unit", "text", "Unit of the values, where the contract states one."),
        _c("owner", "text", "Team that answers for the field."),
        _c("steward", "text", "Who looks after it."),
        _c("criticality", "text", "segmentation: a class depends on it; planning: a forecast or policy; informative."),
        _c("transformation", "text", "source, copy, compute, aggregate, condition, constant, run, or undeclared."),
        _c("source_columns", "text", "Feed columns whose values it carries, `; ` between, first in precedence first."),
        _c("source_fields", "text", "The same as the source systems spell them in this home."),
        _c("spelled", "text", "How each ready mapping spells a feed's column, `<mapping>:<TABLE.FIELD>`; else empty."),
        _c("decided_by", "text", "Feed columns that only decide it: filters, joins, keys, cases."),
        _c("parameters", "text", "Scheme, run, override and previous-class inputs."),
        _c("personal_data", "text", "none, pseudonymous or personal: the strictest of the feed columns it carries."),
        _n("freshness_sla_hours", "int", "Longest refresh SLA of the feeds it comes from; null where none does."),
    ),
    decided=False, scope="release",
)  # fmt: skip

FEED_SLA = _table(
    "feed_sla",
    "system x feed x promise",
    ("system", "feed", "promise"),
    "data-engineering",
    "Every refresh that a feed's contract promised, whether it was kept, and how long the grant still runs.",
    (
        _c("system", "text", "Source system."),
        _c("feed", "text", "Feed of the system."),
        _c("promise", "int", "Number of the promise: the first extract makes promise 1; 0 where none came yet."),
        _REGION,
        _c("promised_hours", "int", "Hours within which the contract promises the next extract."),
        _n("promised_from", "timestamp", "When the extract that makes the promise was taken."),
        _n("promised_by", "timestamp", "When the next one was due."),
        _n("arrived_at", "timestamp", "When the next one was taken; null where it had not come by `as_of`."),
        _n("extract_id", "text", "Name of the next one in its manifest."),
        _c("verdict", "text", "kept, missed (came late), overdue (due and not come), open (not due yet) or none."),
        _n("is_attained", "bool", "The promise was kept; null while it is open."),
        _n("lateness_hours", "float", "Hours after `promised_by`, so far where it has not come; 0 if kept."),
        _c("attainment_days", "int", "Window of the rolling attainment, as the contract says."),
        _n("promises_due", "int", "Promises that came due in the window that ends with this one."),
        _n("attainment", "float", "Share of them that was kept."),
        _c("owner", "text", "Who owns the feed."),
        _c("steward", "text", "Who looks after it."),
        _c("grantor", "text", "Who granted its use."),
        _n("escalated_to", "text", "Last step of the contract's escalation that this lateness has reached."),
        _c("as_of", "timestamp", "Latest cut-off of the release: what was known then is judged."),
        _c("expiry", "date", "Last day of the grant."),
        _c("days_to_expiry", "int", "Days from `as_of` to the last day of the grant; negative where it has ended."),
        _c("grant_state", "text", "valid, ending (within the contract's notice) or ended."),
    ),
    decided=False, scope="release",
)  # fmt: skip

DIM_ITEM = _table(
    "dim_item",
    "sku_id",
    ("sku_id",),
    "master-data",
    "Items as known at the release's latest cut-off.",
    (
        _SKU, _REGION,
        _n("item_name", "text", "Description."),
        _n("category", "text", "Merchandise category."),
        _n("family", "text", "Family below the category."),
        _c("base_unit", "text", "Unit in which quantities are stated."),
        _n("standard_cost", "decimal", "Cost per base unit, group currency."),
        _n("list_price", "decimal", "List price per base unit, group currency."),
        _n("currency", "text", "Currency of cost and price."),
        _n("supplier_id", "text", "Main supplier."),
        _n("launch_date", "date", "First day of sale, if stated."),
        _n("end_date", "date", "Last day of sale, if stated."),
        _c("status", "text", "active, phase_out or blocked."),
        *_version_columns(),
    ),
    decided=False, scope="release",
)  # fmt: skip

DIM_LOCATION = _table(
    "dim_location",
    "location_id",
    ("location_id",),
    "logistics",
    "Stocking locations as known at the release's latest cut-off.",
    (
        _c("location_id", "text", "Location."), _REGION,
        _n("location_name", "text", "Name."),
        _c("location_type", "text", "dc, plant or store."),
        *_version_columns(),
    ),
    decided=False, scope="release",
)  # fmt: skip

DIM_CUSTOMER = _table(
    "dim_customer",
    "customer_id",
    ("customer_id",),
    "sales",
    "Customers as known at the release's latest cut-off.",
    (
        _c("customer_id", "text", "Ship-to customer."), _REGION,
        _n("customer_name", "text", "Name."),
        _n("channel", "text", "Sales channel."),
        _n("priority", "int", "1 is the most important."),
        *_version_columns(),
    ),
    decided=False, scope="release",
)  # fmt: skip

DIM_SUPPLIER = _table(
    "dim_supplier",
    "supplier_id",
    ("supplier_id",),
    "procurement",
    "Suppliers as known at the release's latest cut-off.",
    (
        _c("supplier_id", "text", "Supplier."), _REGION,
        _n("supplier_name", "text", "Name."),
        _n("country", "text", "Country code."),
        *_version_columns(),
    ),
    decided=False, scope="release",
)  # fmt: skip

SEGMENT_KPI = _table(
    "segment_kpi",
    "segment x region x period x kpi",
    ("segment", "region", "period_start", "kpi"),
    "performance",
    "What each segment did in the last closed month: actuals; targets come with the KPI definitions of the scheme.",
    (
        _c("segment", "text", "Effective segment."), _REGION,
        _c("period_start", "date", "First day of the month."),
        _c("kpi", "text", "items, revenue, stock_value, unvalued_stocks, cover_days, turns or stockout_share."),
        _c("unit", "text", "Unit of the value."),
        _n("actual", "float", "Observed value."),
        _n("target", "float", "Target, if the scheme sets one."),
        _n("tolerance", "float", "Tolerance, if the scheme sets one."),
        _c("verdict", "text", "on_target, off_target, or no_target."),
    ),
    decided=False, scope="release",
)  # fmt: skip

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        DIM_ITEM, DIM_LOCATION, DIM_CUSTOMER, DIM_SUPPLIER,
        DEMAND_HISTORY, DEMAND_PROFILE, SEGMENT_ASSIGNMENT, DEMAND_FORECAST, LEAD_TIME_PROFILE, INVENTORY_POLICY,
        SEGMENT_MIGRATION, SEGMENT_KPI, RECONCILIATION, CONTROL_TOTAL, HIERARCHY_CONFLICT, FEED_LATENCY,
        SEGMENT_CADENCE, CLASS_STABILITY, CLASS_AGREEMENT, CUSTOMER_SEGMENT, CHANNEL_SEGMENT, SERVICE_MATRIX,
        CRITERIA_REPORT, DIMENSION_COMPARISON, METHOD_SELECTION,
        OVERRIDE, SERVICE_TARGET, SLA_REGISTER, GATE_RESULT, SCHEME, LINEAGE_FIELD, FEED_SLA,
    )
}  # fmt: skip
# A suspended or missing region is carried forward with all of these; gate_result stays with the cycle it judged.
PARTITION_TABLES = tuple(name for name, table in TABLES.items() if table.scope == "partition")
RELEASE_TABLES = tuple(name for name, table in TABLES.items() if table.scope == "release")


def release_schema(table: Table) -> pa.Schema:
    """Schema of a table inside a release: its columns and `release_id`."""
    return table.schema.append(pa.field("release_id", pa.string(), nullable=False))
