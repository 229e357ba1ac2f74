-- One row per sales row that had reached the region by the cut-off, with the reason why it is not demand.
-- Variables: region, cutoff (UTC), zone, currency. Table: exclusion(column_name, value, name).
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
        i.standard_cost,
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

line as (
    select
        l.sku_id,
        l.location_id,
        cast(timezone(getvariable('zone'), l.ordered_at) as date) as local_date,
        l.quantity,
        l.net_amount,
        l.currency,
        coalesce(i.base_unit, '?') as base_unit,
        i.standard_cost,
        case
            when l.known_to <= getvariable('known_at') then 'superseded'
            when i.sku_id is null then 'orphan_item'
            when l.unit <> i.base_unit then 'unit_mismatch'
            when l.currency <> getvariable('currency') then 'currency_mismatch'
            when l.line_type = 'return' then 'return'
            when l.ordered_at > getvariable('cutoff') then 'future_dated'
            else i.exclusion_name
        end as reason
    from fct_sales_line as l
    inner join place as p on l.location_id = p.location_id
    left join item as i on l.sku_id = i.sku_id
    where l.known_from <= getvariable('known_at')
),

refused as (
    select
        coalesce(r.sku_id, '?') as sku_id,
        r.location_id,
        cast(timezone(getvariable('zone'), r.ordered_at) as date) as local_date,
        coalesce(r.quantity, 0) as quantity,
        coalesce(r.net_amount, 0) as net_amount,
        coalesce(r.currency, '?') as currency,
        coalesce(i.base_unit, '?') as base_unit,
        null as standard_cost,
        r.reason
    from fct_refused_row as r
    inner join place as p on r.location_id = p.location_id
    left join item as i on r.sku_id = i.sku_id
    where
        r.system = 'erp'
        and r.feed = 'sales_order_lines'
        and r.known_from <= getvariable('known_at')
)

select
    *,
    case
        when reason is null then 'demand'
        when reason in ('orphan_item', 'unit_mismatch', 'currency_mismatch') then 'quarantined'
        else 'excluded'
    end as line
from line
union all
select
    *,
    'quarantined' as line
from refused;
