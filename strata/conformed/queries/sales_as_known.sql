-- One row per sales row that had reached the region by the cut-off, with the reason why it is not demand.
-- `quantity` of `unit` and `net_amount` of `currency` are the source's; `demand_units` of the base unit, `revenue` and
-- `margin` in the group currency are what demand is summed from.
-- Variables: region, cutoff (UTC), zone, currency, detail (true: say which document a row is), buyers (true: say who
-- bought).
-- Tables: exclusion(column_name, value, name), those of conversion.
create temp table sales_as_known as
with place as (
    select location_id
    from int_location_version
    where
        known_from <= getvariable('known_at')
        and (known_to is null or known_to > getvariable('known_at'))
        and region = getvariable('region')
),

item as (
    select
        i.sku_id,
        i.base_unit,
        -- a cost of zero is a cost that nobody entered: unknown, so that its margin is unknown too
        case when i.standard_cost > 0 then i.standard_cost end as standard_cost,
        i.currency as cost_currency,
        (
            select min(e.name)
            from exclusion as e
            where
                (e.column_name = 'category' and e.value = i.category)
                or (e.column_name = 'family' and e.value = i.family)
                or (e.column_name = 'status' and e.value = i.status)
                or (e.column_name = 'sku_id' and e.value = i.sku_id)
        ) as exclusion_name
    from int_item_version as i
    where i.known_from <= getvariable('known_at') and (i.known_to is null or i.known_to > getvariable('known_at'))
),

dated as (
    select
        l.* exclude (location_id),
        p.location_id,
        cast(timezone(getvariable('zone'), l.ordered_at) as date) as local_date
    from fct_sales_line as l
    inner join place as p on l.location_id = p.location_id
    where l.known_from <= getvariable('known_at')
),

line as (
    select
        l.sku_id,
        l.location_id,
        l.local_date,
        l.quantity,
        l.net_amount,
        case when i.sku_id is null then '?' else l.unit end as unit,
        l.currency,
        case when l.unit = i.base_unit then l.quantity else converted(l.quantity, u.factor) end as demand_units,
        case
            when l.currency = getvariable('currency') then l.net_amount else converted(l.net_amount, r.rate)
        end as revenue,
        case
            when i.cost_currency = getvariable('currency') then i.standard_cost
            else converted(i.standard_cost, c.rate)
        end as unit_cost,
        l.unit <> i.base_unit or l.currency <> getvariable('currency') as is_converted,
        case
            when l.known_to <= getvariable('known_at') then 'superseded'
            when i.sku_id is null then 'orphan_item'
            when demand_units is null then 'missing_unit_factor'
            when revenue is null then 'missing_rate'
            when l.line_type = 'return' then 'return'
            when l.ordered_at > getvariable('cutoff') then 'future_dated'
            else i.exclusion_name
        end as reason,
        -- which document the row is: for `strata explain` only, nothing in a run
        case
            when getvariable('detail')
                then {
                    'order_id': l.order_id, 'order_line': l.order_line, 'ordered_at': l.ordered_at,
                    'line_type': l.line_type, 'known_from': l.known_from, 'batch_id': l.source_batch_id,
                    'file': l.source_file, 'row': l.source_row
                }
        end as document,
        -- who bought: for customers and channels only, a million items need not carry it
        case when getvariable('buyers') then l.customer_id end as customer_id,
        case when getvariable('buyers') then l.channel end as channel,
        case when getvariable('buyers') then l.order_id end as order_id
    from dated as l
    left join item as i on l.sku_id = i.sku_id
    left join unit_factor as u
        on l.sku_id = u.sku_id and l.unit = u.unit and l.local_date >= u.valid_from and l.local_date < u.valid_until
    left join currency_rate as r on l.currency = r.currency and l.local_date = r.day
    left join currency_rate as c on i.cost_currency = c.currency and l.local_date = c.day
),

refused as (
    select
        coalesce(r.sku_id, '?') as sku_id,
        r.location_id,
        cast(timezone(getvariable('zone'), r.ordered_at) as date) as local_date,
        coalesce(r.quantity, 0) as quantity,
        coalesce(r.net_amount, 0) as net_amount,
        coalesce(i.base_unit, '?') as unit,
        coalesce(r.currency, '?') as currency,
        r.reason,
        case
            when getvariable('detail')
                then {
                    'order_id': null, 'order_line': null, 'ordered_at': r.ordered_at,
                    'line_type': null, 'known_from': r.known_from, 'batch_id': r.source_batch_id,
                    'file': r.source_file, 'row': r.source_row
                }
        end as document
    from fct_refused_row as r
    inner join place as p on r.location_id = p.location_id
    left join item as i on r.sku_id = i.sku_id
    where
        r.system = 'erp'
        and r.feed = 'sales_order_lines'
        and r.known_from <= getvariable('known_at')
)

select
    sku_id,
    location_id,
    local_date,
    quantity,
    net_amount,
    unit,
    currency,
    demand_units,
    revenue,
    cast(revenue - cast(demand_units as decimal(38, 4)) * unit_cost as decimal(18, 4)) as margin,
    is_converted,
    reason,
    case
        when reason is null then 'demand'
        when reason in ('orphan_item', 'missing_unit_factor', 'missing_rate') then 'quarantined'
        else 'excluded'
    end as line,
    document,
    customer_id,
    channel,
    order_id
from line
union all
select
    sku_id,
    location_id,
    local_date,
    quantity,
    net_amount,
    unit,
    currency,
    null as demand_units,
    null as revenue,
    null as margin,
    false as is_converted,
    reason,
    'quarantined' as line,
    document,
    null as customer_id,
    null as channel,
    null as order_id
from refused;
