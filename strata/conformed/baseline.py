"""What of a partition's demand is usual: the classification periods of every item-location, judged as they are made.

Belongs here: periods into the grid of the tests, and their findings beside the demand. Does not: the tests
(`strata.demand.outliers`), the class without outliers, which rests on the series that is classed
(`strata.conformed.stability`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from strata.calendar import PERIODS_PER_YEAR, closed_periods
from strata.conformed.engine import query
from strata.demand.intermittency import interval_and_size
from strata.demand.outliers import PROMOTION, REASONS, USUAL, clean
from strata.demand.panel import unreported
from strata.demand.profile import in_bucket
from strata.derivation import Derivation, Step, aggregated, copied
from strata.scheme.model import Scheme
from strata.scheme.outliers import Outliers
from strata.tables import DEMAND_HISTORY

# Only the classification bucket of demand_history.sql: a table of that name hides the scheme's buckets from it.
_ASKED = """
with bucket as (select getvariable('bucket_classification') as bucket)

select
    sku_id, location_id, period_start, is_partial, demand_units::double as units, order_lines > 0 as is_sold,
    is_promotion, is_censored
from ({demand_history})
order by sku_id, location_id, period_start
"""
_ADDED = ("baseline_units", "is_outlier", "adjustment_reason")
_JUDGED = aggregated(
    "demand_asked.demand_units", "demand_asked.adjustment_reason",
    when=(
        *(f"demand_asked.{name}" for name in ("sku_id", "location_id", "bucket", "period_start", "is_partial",
                                              "order_lines", "is_promotion", "is_censored")),
        "rule.outliers", "rule.demand_pattern", "rule.fallback", "rule.buckets",
    ),
)  # fmt: skip
STEPS: tuple[Step, ...] = (
    Derivation(
        "demand_history",
        {name: _JUDGED if name in _ADDED else copied(f"demand_asked.{name}") for name in DEMAND_HISTORY.names},
        rows=("demand_asked.sku_id",),
    ),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """Every row of a partition's classification bucket in the order of its key: number in `REASONS`, usual demand."""

    bucket: str
    reason: npt.NDArray[np.int8]
    baseline: npt.NDArray[np.float64]


def judged(connection: duckdb.DuckDBPyConnection, *, scheme: Scheme, cutoff: datetime, zone: ZoneInfo) -> Judged | None:
    """Judge the demand of the closed classification periods; None where the scheme has no part `outliers`.

    A period is judged from the first one with a line on, unless demand was hidden in it: by a stock-out, by lines set
    aside, or because the location has stopped sending. The bounds of the scheme are of classification periods, so no
    other bucket is judged. A dip to nothing has no row in `demand_history`, as no period without demand has.

    Args:
        connection: holds what `demand_history.sql` reads.
        scheme: tests, cut between steady and intermittent demand, and when a place counts as silent.
        cutoff: instant that closes the periods.
        zone: of the region.
    """
    rule = scheme.outliers
    if rule is None:
        return None
    rows = connection.execute(_ASKED.format(demand_history=query("demand_history"))).to_arrow_table().combine_chunks()
    bucket, count = scheme.buckets.classification, rows.num_rows
    reason, baseline = np.zeros(count, dtype=np.int8), np.zeros(count)
    closed = np.flatnonzero(~rows["is_partial"].to_numpy(zero_copy_only=False)) if count else np.zeros(0, dtype=int)
    if len(closed):
        part = rows.take(pa.array(closed)) if len(closed) < count else rows
        reason[closed], baseline[closed] = _cleaned(part, rule, scheme, cutoff, zone)
    return Judged(bucket, reason, baseline)


def beside(batches: Iterable[pa.RecordBatch], found: Judged | None) -> Iterator[pa.RecordBatch]:
    """Rows of `demand_history` in the order of its key with what was found; other rows as they are.

    Raises:
        ValueError: there are more or fewer rows of the judged bucket than were judged.
    """
    done = 0
    for batch in batches:
        if found is None:
            yield batch
            continue
        own = np.flatnonzero(pc.equal(batch.column("bucket"), found.bucket).to_numpy(zero_copy_only=False))
        here = slice(done, done + len(own))
        done += len(own)
        if len(found.reason[here]) == len(own):
            yield _replaced(batch, own, found.reason[here], found.baseline[here])
    if found is not None and done != len(found.reason):
        raise ValueError(f"demand_history: {done} rows of bucket {found.bucket}, {len(found.reason)} were judged")


def _replaced(
    batch: pa.RecordBatch, own: npt.NDArray[np.intp], reason: npt.NDArray[np.int8], baseline: npt.NDArray[np.float64]
) -> pa.RecordBatch:
    off = np.flatnonzero(reason != USUAL)
    if not len(off):
        return batch
    mask = np.zeros(batch.num_rows, dtype=bool)
    mask[own[off]] = True
    values = {
        "baseline_units": pa.array(baseline[off].round(4)).cast(batch.schema.field("baseline_units").type),
        "is_outlier": pa.array(reason[off] > PROMOTION),
        "adjustment_reason": pa.array([REASONS[code] for code in reason[off]], pa.string()),
    }
    for name, new in values.items():
        at = batch.schema.get_field_index(name)
        column = pc.replace_with_mask(batch.column(at), pa.array(mask), new)
        batch = batch.set_column(at, batch.schema.field(at), column)
    return batch


def _cleaned(
    rows: pa.Table, rule: Outliers, scheme: Scheme, cutoff: datetime, zone: ZoneInfo
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    """Reason and usual demand of every row."""
    bucket = scheme.buckets.classification
    days = rows["period_start"].to_numpy().astype("datetime64[D]")
    periods = closed_periods(days.min().item(), cutoff, zone, bucket)
    series = _numbered(rows)
    at = series, np.searchsorted(np.array(periods.starts, dtype="datetime64[D]"), days)
    shape = (int(series[-1]) + 1, len(periods))
    units = np.zeros(shape)
    units[at] = rows["units"].to_numpy()
    sold, promoted, hidden = (np.zeros(shape, dtype=bool) for _ in range(3))
    for flags, name in ((sold, "is_sold"), (promoted, "is_promotion"), (hidden, "is_censored")):
        flags[at] = rows[name].to_numpy()
    begun = np.logical_or.accumulate(sold, axis=1)
    last = np.where(begun[:, -1], shape[1] - 1 - sold[:, ::-1].argmax(axis=1), -1)
    first = np.flatnonzero(np.diff(series, prepend=-1))  # a row of each series, for its location
    silent = unreported(
        rows["location_id"].take(pa.array(first)).to_numpy(), last, shape[1],
        stale_periods=in_bucket(scheme.fallback.stale_periods, scheme, bucket),
    )  # fmt: skip
    observed = begun & ~hidden & ~silent
    seldom = interval_and_size(units, observed).adi > scheme.demand_pattern.adi_cut
    found = clean(units, observed, promoted, seldom, rule=rule, season=PERIODS_PER_YEAR[bucket])
    return found.reason[at], found.baseline[at]


def _numbered(rows: pa.Table) -> npt.NDArray[np.int64]:
    """Number of the series of each row; rows of a series lie together."""
    new = np.zeros(rows.num_rows, dtype=bool)
    for name in ("sku_id", "location_id"):
        codes = rows[name].combine_chunks().dictionary_encode().indices.to_numpy()
        new[1:] |= codes[1:] != codes[:-1]
    return np.cumsum(new)
