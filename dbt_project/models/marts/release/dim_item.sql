with release_stamp as (

    {{ release_stamp() }}

),

items as (

    select * from {{ ref('int_item_version') }}

)

select
    items.sku_id,
    '*' as region,
    items.item_name,
    items.category,
    items.family,
    coalesce(items.base_unit, '?') as base_unit,
    items.standard_cost,
    items.list_price,
    items.currency,
    items.supplier_id,
    items.launch_date,
    items.end_date,
    items.status,
    items.known_from,
    items.known_basis,
    items.source_batch_id,
    items.origin,
    release_stamp.valid_for_cycle,
    release_stamp.scheme_version,
from items
inner join release_stamp on {{ as_known('items', 'release_stamp.cutoff') }}
order by items.sku_id
