-- One row: how much of the last closed month's sales arrived good, and how that compares with the month before.
-- Tables: sales_as_known. Variables: region, cycle, cutoff, zone.
with month as (
    select
        date_trunc('month', cast(timezone(getvariable('zone'), getvariable('cutoff')) as date)) - interval 1 month
            as last_start
)

select
    getvariable('region') as region,
    getvariable('cycle') as cycle,
    count(*) filter (where date_trunc('month', local_date) = last_start and reason is distinct from 'superseded')
        as sales_rows,
    count(*) filter (where date_trunc('month', local_date) = last_start and line = 'quarantined') as refused_rows,
    count(*) filter (where date_trunc('month', local_date) = last_start and line = 'demand') as last_month_rows,
    count(*) filter (where date_trunc('month', local_date) = last_start - interval 1 month and line = 'demand')
        as previous_month_rows
from sales_as_known
cross join month
