-- Units, money and lines of every item per classification period, open ones included. Table: sales_as_known.
select
    sku_id,
    cast(date_trunc(getvariable('bucket_classification'), local_date) as date) as period_start,
    sum(demand_units)::double as units,
    sum(revenue)::double as amounts,
    count(*)::double as lines
from sales_as_known
where line = 'demand'
group by all
order by all
