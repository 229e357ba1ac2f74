-- Demand per item, location and period, in both buckets of the scheme, with promotion and stock-out flags.
-- Variables: those of sales_as_known, min_stockout_share. Tables: sales_as_known, bucket(bucket), snapshot facts.
with demand as (
    select
        sku_id,
        location_id,
        b.bucket,
        cast(date_trunc(b.bucket, local_date) as date) as period_start,
        sum(demand_units) as demand_units,
        sum(revenue) as revenue,
        sum(margin) as margin,
        count(*) filter (where margin is null) as unknown_costs,
        count(*) as order_lines
    from sales_as_known
    cross join bucket as b
    where line = 'demand'
    group by all
),

place as (
    select location_id
    from int_location_version
    where
        known_from <= getvariable('known_at')
        and (known_to is null or known_to > getvariable('known_at'))
        and region = getvariable('region')
),

pair as (select distinct sku_id, location_id from demand),

promotion as (
    select distinct
        f.sku_id,
        f.location_id,
        b.bucket,
        cast(unnest(generate_series(
            date_trunc(b.bucket, f.starts_on),
            cast(least(f.ends_on, cast(timezone(getvariable('zone'), getvariable('cutoff')) as date)) as timestamp),
            case b.bucket when 'day' then interval 1 day when 'week' then interval 7 day else interval 1 month end
        )) as date) as period_start
    from fct_promotion as f
    inner join pair as p on f.sku_id = p.sku_id and f.location_id = p.location_id
    cross join bucket as b
    where f.known_from <= getvariable('known_at') and (f.known_to is null or f.known_to > getvariable('known_at'))
),

-- A count says how many of the days since the one before were without stock, not which: they are spread evenly over
-- the days it covers, so that a count taken on a Monday speaks of the week before, and one over a month end of both.
covered as (
    select
        s.sku_id,
        s.location_id,
        s.stockout_days,
        s.days_covered,
        s.snapshot_date,
        s.snapshot_date - cast(s.days_covered - 1 as integer) as first_day,
        b.bucket,
        cast(unnest(generate_series(
            date_trunc(b.bucket, s.snapshot_date - cast(s.days_covered - 1 as integer)),
            cast(s.snapshot_date as timestamp),
            case b.bucket when 'day' then interval 1 day when 'week' then interval 7 day else interval 1 month end
        )) as date) as period_start
    from fct_stock_snapshot as s
    inner join pair as p on s.sku_id = p.sku_id and s.location_id = p.location_id
    cross join bucket as b
    where
        s.stockout_days > 0
        and s.known_from <= getvariable('known_at')
        and (s.known_to is null or s.known_to > getvariable('known_at'))
),

stockout as (
    select
        sku_id,
        location_id,
        bucket,
        period_start,
        sum(cast(
            stockout_days * (1 + date_diff(
                'day',
                greatest(first_day, period_start),
                least(snapshot_date, case bucket
                    when 'day' then period_start
                    when 'week' then period_start + 6
                    else last_day(period_start)
                end)
            )) / days_covered as decimal(18, 6)
        )) as stockout_days
    from covered
    group by all
),

censored as (
    select sku_id, location_id, bucket, period_start
    from stockout
    where
        stockout_days >= getvariable('min_stockout_share') * case bucket
            when 'day' then 1
            when 'week' then 7
            else date_diff('day', period_start, period_start + interval 1 month)
        end
),

-- Lines set aside as booked in another unit: what was asked for in their period is not known.
misbooked as (
    select distinct
        s.sku_id,
        s.location_id,
        b.bucket,
        cast(date_trunc(b.bucket, s.local_date) as date) as period_start
    from sales_as_known as s
    cross join bucket as b
    where s.reason = 'unit_jump'
),

period as (
    select sku_id, location_id, bucket, period_start from demand
    union
    select sku_id, location_id, bucket, period_start from promotion
    union
    select sku_id, location_id, bucket, period_start from censored
    union
    select sku_id, location_id, bucket, period_start from misbooked
)

select
    p.sku_id,
    p.location_id,
    getvariable('region') as region,
    getvariable('cycle') as cycle,
    p.bucket,
    p.period_start,
    p.period_start >= case p.bucket
        when getvariable('bucket_classification') then getvariable('open_classification')
        else getvariable('open_planning')
    end as is_partial,
    cast(coalesce(d.demand_units, 0) as decimal(18, 4)) as demand_units,
    cast(coalesce(d.demand_units, 0) as decimal(18, 4)) as baseline_units,
    cast(coalesce(d.revenue, 0) as decimal(18, 4)) as revenue,
    cast(case when coalesce(d.unknown_costs, 0) = 0 then coalesce(d.margin, 0) end as decimal(18, 4)) as margin,
    cast(coalesce(d.order_lines, 0) as bigint) as order_lines,
    promotion.sku_id is not null as is_promotion,
    false as is_outlier,
    censored.sku_id is not null or misbooked.sku_id is not null as is_censored,
    case
        when misbooked.sku_id is not null then 'unit_jump'
        when censored.sku_id is not null then 'stockout'
    end as adjustment_reason,
    getvariable('cycle') as valid_for_cycle,
    getvariable('scheme_version') as scheme_version
from period as p
left join demand as d
    on p.sku_id = d.sku_id and p.location_id = d.location_id and p.bucket = d.bucket and p.period_start = d.period_start
left join promotion
    on p.sku_id = promotion.sku_id and p.location_id = promotion.location_id
    and p.bucket = promotion.bucket and p.period_start = promotion.period_start
left join censored
    on p.sku_id = censored.sku_id and p.location_id = censored.location_id
    and p.bucket = censored.bucket and p.period_start = censored.period_start
left join misbooked
    on p.sku_id = misbooked.sku_id and p.location_id = misbooked.location_id
    and p.bucket = misbooked.bucket and p.period_start = misbooked.period_start
-- the order of the table's key, in which it is written
order by p.sku_id, p.location_id, p.bucket, p.period_start
