-- What every customer bought of every item, by channel, place and closed classification period; orders and freight
-- beside it. Sales that name no customer or channel stand under `?`.
-- Variables: those of sales_as_known (buyers true), since, value_since (first periods looked at). Tables:
-- sales_as_known, currency_rate, snapshot.
create temp table customer_sale as
select
    coalesce(customer_id, '?') as customer_id,
    coalesce(channel, '?') as channel,
    sku_id,
    location_id,
    cast(date_trunc(getvariable('bucket_classification'), local_date) as date) as period_start,
    coalesce(sum(revenue) filter (where line = 'demand'), 0) as revenue,
    coalesce(sum(margin) filter (where line = 'demand'), 0) as margin,
    count(*) filter (where line = 'demand' and margin is null) as unknown_costs,
    count(*) filter (where line = 'demand') as order_lines,
    count(*) filter (where reason = 'return') as return_lines
from sales_as_known
where
    (line = 'demand' or reason = 'return')
    and local_date >= getvariable('since')
    and local_date < getvariable('open_classification')
group by all;

-- An order counts once per customer and channel, whatever it holds.
create temp table customer_order as
select
    coalesce(customer_id, '?') as customer_id,
    coalesce(channel, '?') as channel,
    count(distinct order_id) as orders
from sales_as_known
where
    line = 'demand'
    and local_date >= getvariable('value_since')
    and local_date < getvariable('open_classification')
group by all;

-- What carriers asked for (planned where they have not yet) to bring goods from this region to its customers.
create temp table customer_freight as
with place as (
    select location_id
    from int_location_version
    where
        known_from <= getvariable('known_at')
        and (known_to is null or known_to > getvariable('known_at'))
        and region = getvariable('region')
),

shipment as (
    select
        s.partner_id as customer_id,
        s.currency,
        coalesce(s.actual_cost, s.planned_cost) as cost,
        cast(
            timezone(getvariable('zone'), coalesce(s.actual_departure_at, s.planned_departure_at)) as date
        ) as local_date
    from fct_shipment as s
    inner join place as p on s.location_id = p.location_id
    where
        s.direction = 'outbound'
        and s.status <> 'cancelled'
        and s.known_from <= getvariable('known_at')
        and (s.known_to is null or s.known_to > getvariable('known_at'))
),

priced as (
    select
        s.customer_id,
        case when s.currency = getvariable('currency') then s.cost else converted(s.cost, r.rate) end as freight
    from shipment as s
    left join currency_rate as r on s.currency = r.currency and s.local_date = r.day
    where s.local_date >= getvariable('value_since') and s.local_date < getvariable('open_classification')
)

select
    customer_id,
    coalesce(sum(freight), 0) as freight,
    count(*) as shipments,
    count(*) filter (where freight is null) as unpriced_shipments
from priced
where customer_id is not null
group by all;
