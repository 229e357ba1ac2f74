"""Gate of the lead times: days within bounds, ordered quantiles, statistics where there are receipts.

Belongs here: rules and facts of the profile. A company without purchase orders has no rows: that warns, since
policies then rest on planned days or are none, but it does not suspend; what is evaluated then are the policies, none
of which may claim a lead time that nobody measured.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from expectations.measure import TOLERANCE, Facts, Measure, text_equals
from expectations.rule import build, held_out, none_of, table_rules
from strata.partition import Partition
from strata.scheme.model import Scheme
from strata.tables import LEAD_TIME_PROFILE

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

MEASURED_LEVELS = ("lane", "supplier", "region")
DAYS = ("mean_days", "sd_days", "p50_days", "p90_days")


def suite(scheme: Scheme) -> "ExpectationSuite":
    """Rules over the facts of `measure`."""
    return build("lead_time_profile", [
        *table_rules(LEAD_TIME_PROFILE, min_rows=1, severity="warn"),
        none_of("negative_counts", "Counts of receipts and open lines cannot be negative."),
        none_of("days_outside_range", scheme.inventory.lead_time.rationale),
        none_of("crossed_quantiles", "A 90 % quantile below the median is a fault of the estimate."),
        none_of("unmeasured_lanes", "A lane with receipts has a mean; a null would fall back without saying so."),
        held_out("unconverted_lines", "A line received in a unit without a factor has no lead time until one is sent."),
        none_of("spread_from_one_receipt", "One receipt has no spread; a zero in its place would erase safety stock."),
        none_of("lead_times_from_nowhere", "Without a single lane no policy can rest on a measured lead time."),
    ])  # fmt: skip


def measure(rows: pa.Table, *, policies: pa.Table, scheme: Scheme, partition: Partition) -> Facts:
    """Facts of the candidate's lead times; without any, `policies` are the rows that are looked at."""
    it = Measure(rows, LEAD_TIME_PROFILE, scheme=scheme, partition=partition)
    if not it.complete:
        return it.facts()
    receipts, mean, spread = it.floats("receipts"), it.floats("mean_days"), it.floats("sd_days")
    it.outside_range("negative_counts", ("receipts", "open_lines", "unconverted_lines"), 0, None)
    it.outside_range("days_outside_range", DAYS, 0, scheme.inventory.lead_time.max_days)
    rolled_up = text_equals(it.column("supplier_id"), "*") | text_equals(it.column("location_id"), "*")
    it.number("unconverted_lines", int(np.nansum(np.where(rolled_up, 0.0, it.floats("unconverted_lines")))))
    it.count("crossed_quantiles", it.floats("p50_days") > it.floats("p90_days") + TOLERANCE)
    it.count("unmeasured_lanes", (receipts >= 1) & np.isnan(mean))
    it.count("spread_from_one_receipt", (receipts < 2) & ~np.isnan(spread))
    claims = pc.is_in(policies["lead_time_level"], value_set=pa.array(MEASURED_LEVELS, type=pa.string()))
    it.number("lead_times_from_nowhere", 0 if rows.num_rows else pc.sum(claims).as_py() or 0)
    facts = it.facts()
    return facts if rows.num_rows else replace(facts, rows=policies.num_rows)
