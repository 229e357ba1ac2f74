with source as (

    select * from {{ source('erp', 'supplier_items') }}

),

renamed as (

    select
        -- ids
        supplier_id,
        sku_id,
        -- attributes
        currency,
        order_unit,
        -- numerics
        cast(min_order_quantity as decimal(18, 4)) as min_order_quantity,
        cast(order_multiple as decimal(18, 4)) as order_multiple,
        planned_lead_time_days,
        cast(unit_price as decimal(18, 4)) as unit_price,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
