-- One row: how much of the last closed month's sales arrived good, and how that compares with the month before.
-- Rows of locations that no region has may be any region's, so each one counts them.
-- Tables: sales_as_known, snapshot facts. Variables: region, cycle, cutoff, known_at, zone.
with month as (
    select
        date_trunc('month', cast(timezone(getvariable('zone'), getvariable('cutoff')) as date)) - interval 1 month
            as last_start
),

place as (
    select location_id
    from int_location_version
    where known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
),

unplaced as (
    select count(*) as unplaced_rows
    from fct_sales_line as l
    cross join month
    where
        l.known_from <= getvariable('known_at')
        and (l.known_to is null or l.known_to > getvariable('known_at'))
        and date_trunc('month', cast(timezone(getvariable('zone'), l.ordered_at) as date)) = last_start
        and l.location_id not in (select location_id from place)
)

select
    getvariable('region') as region,
    getvariable('cycle') as cycle,
    count(*) filter (where date_trunc('month', local_date) = last_start and reason is distinct from 'superseded')
        as sales_rows,
    count(*) filter (where date_trunc('month', local_date) = last_start and line = 'quarantined') as refused_rows,
    count(*) filter (where date_trunc('month', local_date) = last_start and reason = 'orphan_item') as orphan_rows,
    (select unplaced_rows from unplaced) as unplaced_rows,
    count(*) filter (where date_trunc('month', local_date) = last_start and line = 'demand') as last_month_rows,
    count(*) filter (where date_trunc('month', local_date) = last_start - interval 1 month and line = 'demand')
        as previous_month_rows
from sales_as_known
cross join month
