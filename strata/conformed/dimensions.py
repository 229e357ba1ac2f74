"""Order lines of a partition summed by the cells that each dimension makes of them, and by their members.

Belongs here: reading and summing. Does not: what the sums say (`strata.review.dimensions`).
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from strata.conformed.customers import value_since
from strata.conformed.engine import add_view, engine
from strata.conformed.history import View, sales
from strata.derivation import Query, Step
from strata.review.dimensions import DIMENSIONS, Cells, dimension_comparison
from strata.tables import DIMENSION_COMPARISON, NOT_SUSPENDED

# Decimals, so that a sum is the same whatever order its lines came in.
_LINES = """
with bought as (
    select
        sku_id,
        location_id,
        coalesce(customer_id, '?') as customer_id,
        coalesce(channel, '?') as channel,
        count(*) as lines,
        sum(ln(revenue::double)::decimal(18, 9)) as total,
        sum((ln(revenue::double) ** 2)::decimal(18, 9)) as squares
    from sales_as_known
    where
        line = 'demand'
        and revenue > 0
        and local_date >= getvariable('value_since')
        and local_date < getvariable('open_classification')
    group by all
)

select
    b.sku_id,
    b.customer_id,
    b.channel,
    a.segment as item_segment,
    c.segment as customer_segment,
    c.value_class as customer_class,
    h.segment as channel_segment,
    b.lines,
    b.total,
    b.squares
from bought as b
inner join segment_assignment as a on b.sku_id = a.sku_id and a.location_id in ('*', b.location_id)
left join customer_segment as c on b.customer_id = c.customer_id
left join channel_segment as h on b.channel = h.channel
"""
# Per dimension: what its cells and its members go by, and the column that must be known.
_BY = (
    ("product", "item_segment", "sku_id", "item_segment"),
    ("customer", "customer_segment", "customer_id", "customer_segment"),
    ("channel", "channel_segment", "channel", "channel_segment"),
    ("product_customer", "item_segment, customer_class", "sku_id, customer_id", "customer_class"),
)
_CELLS = (
    "\nunion all\n".join(
        f"""select '{name}' as dimension, {is_cell} as is_cell,
    sum(lines)::double as lines, sum(total)::double as total, sum(squares)::double as squares
from compared_line
where {known} is not null
group by {cells if is_cell else members}"""
        for is_cell in (True, False)
        for name, cells, members, known in _BY
    )
    + "\norder by dimension, is_cell, lines, total, squares"
)
STEPS: tuple[Step, ...] = (Query("compared_line", _LINES), Query("compared_cell", _CELLS))


def dimension_comparison_table(
    view: View, *, assignment: Path, customers: Path, channels: Path, kept: Path | None = None
) -> pa.Table:
    """`dimension_comparison` of a partition; no rows where the scheme has no such part.

    Args:
        view: partition, cut-off, scheme and snapshot.
        assignment: `segment_assignment` of the partition.
        customers: its `customer_segment`.
        channels: its `channel_segment`.
        kept: sales rows as `demand_history` left them in this run.
    """
    rule = view.scheme.evidence.dimensions if view.scheme.evidence else None
    if rule is None:
        return DIMENSION_COMPARISON.empty()
    is_kept = kept is not None and kept.is_file()
    classes = {"segment_assignment": assignment, "customer_segment": customers, "channel_segment": channels}
    tables = classes if is_kept else {**view.tables(), **classes}
    with engine(tables, **view.variables(), value_since=value_since(view)) as connection:
        if kept is not None and is_kept:
            add_view(connection, "sales_as_known", kept)
        else:
            sales(connection, view, None)
        connection.execute(f"create temp table compared_line as {_LINES}")
        found = connection.execute(_CELLS).to_arrow_table()
    if not found.num_rows:
        return DIMENSION_COMPARISON.empty()
    sums = {(name, is_cell): _sums(found, name, is_cell) for name in DIMENSIONS for is_cell in (True, False)}
    rows = dimension_comparison(
        {name: sums[name, True] for name in DIMENSIONS}, {name: sums[name, False] for name in DIMENSIONS}, rule=rule
    )
    return DIMENSION_COMPARISON.conform(rows.assign(**view.stamp, **NOT_SUSPENDED))


def _sums(found: pa.Table, name: str, is_cell: bool) -> Cells:
    here = found.filter(pc.and_(pc.equal(found["dimension"], name), pc.equal(found["is_cell"], is_cell)))
    return Cells(*(here[part].to_numpy() for part in ("lines", "total", "squares")))
