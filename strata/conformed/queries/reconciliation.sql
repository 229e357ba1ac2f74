-- The identity of semantics.md section 6: both sides, per bucket, currency and unit.
-- Tables: sales_as_known, demand_history (of this run), bucket(bucket).
with source as (
    select
        'accepted' as line,
        '-' as reason,
        currency,
        unit as base_unit,
        count(*) as line_count,
        sum(quantity) as units,
        sum(net_amount) as amount
    from sales_as_known
    group by all
    union all
    select line, reason, currency, unit, count(*), sum(quantity), sum(net_amount)
    from sales_as_known
    where line <> 'demand'
    group by all
),

-- Lines in another unit or currency leave their own group of the identity and enter that of the item's base unit and
-- the group currency. The reason names the other side.
converted as (
    select
        s.unit,
        s.currency,
        i.base_unit,
        getvariable('currency') as group_currency,
        count(*) as line_count,
        sum(s.quantity) as units,
        sum(s.net_amount) as amount,
        sum(s.demand_units) as demand_units,
        sum(s.revenue) as revenue
    from sales_as_known as s
    inner join int_item_version as i
        on
            s.sku_id = i.sku_id
            and i.known_from <= getvariable('known_at')
            and (i.known_to is null or i.known_to > getvariable('known_at'))
    where s.line = 'demand' and s.is_converted
    group by all
),

held as (
    select
        case when h.is_partial then 'open' else 'history' end as line,
        '-' as reason,
        h.bucket,
        getvariable('currency') as currency,
        coalesce(i.base_unit, '?') as base_unit,
        sum(h.order_lines) as line_count,
        sum(h.demand_units) as units,
        sum(h.revenue) as amount
    from demand_history as h
    left join int_item_version as i
        on
            h.sku_id = i.sku_id
            and i.known_from <= getvariable('known_at')
            and (i.known_to is null or i.known_to > getvariable('known_at'))
    group by all
),

place as (
    select location_id
    from int_location_version
    where known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
),

-- Rows of locations that no region has: no side of any region's identity, but never unsaid.
unplaced as (
    select
        'unplaced' as line,
        'orphan_location' as reason,
        currency,
        '?' as base_unit,
        count(*) as line_count,
        sum(quantity) as units,
        sum(net_amount) as amount
    from (
        select coalesce(location_id, '?') as location_id, currency, quantity, net_amount
        from fct_sales_line
        where known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
        union all
        select
            coalesce(location_id, '?'),
            coalesce(currency, '?'),
            coalesce(quantity, 0),
            coalesce(net_amount, 0)
        from fct_refused_row
        where system = 'erp' and feed = 'sales_order_lines' and known_from <= getvariable('known_at')
    )
    where location_id not in (select location_id from place)
    group by all
)

select
    line,
    reason,
    bucket,
    currency,
    base_unit,
    getvariable('region') as region,
    getvariable('cycle') as cycle,
    cast(line_count as bigint) as line_count,
    cast(units as decimal(18, 4)) as units,
    cast(amount as decimal(18, 4)) as amount,
    getvariable('cycle') as valid_for_cycle,
    getvariable('scheme_version') as scheme_version
from (
    select line, reason, bucket, currency, base_unit, line_count, units, amount
    from source
    cross join bucket
    union all
    select 'converted_out', base_unit || ' in ' || group_currency, bucket, currency, unit, line_count, units, amount
    from converted
    cross join bucket
    union all
    select 'converted_in', unit || ' in ' || currency, bucket, group_currency, base_unit, line_count, demand_units, revenue
    from converted
    cross join bucket
    union all
    select line, reason, bucket, currency, base_unit, line_count, units, amount
    from unplaced
    cross join bucket
    union all
    select line, reason, bucket, currency, base_unit, line_count, units, amount from held
)
