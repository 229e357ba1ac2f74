with source as (

    select * from {{ source('erp', 'item_sites') }}

),

renamed as (

    select
        -- ids
        sku_id,
        location_id,
        planner_id,
        buyer_id,
        supplier_id,
        supplying_location_id,
        successor_sku_id,
        -- attributes
        mrp_type,
        procurement_type,
        lot_size_rule,
        fulfilment_strategy,
        availability_group,
        is_critical,
        status,
        -- numerics
        planning_fence_days,
        -- dates
        status_from,
        discontinued_on,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
