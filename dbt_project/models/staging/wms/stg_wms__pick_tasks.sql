with source as (

    select * from {{ source('wms', 'pick_tasks') }}

),

renamed as (

    select
        -- ids
        location_id,
        task_id,
        wave_id,
        order_id,
        customer_id,
        sku_id,
        slot_id,
        picker_id,
        -- attributes
        unit,
        status,
        -- numerics
        order_line,
        priority,
        cast(quantity as decimal(18, 4)) as quantity,
        cast(picked_quantity as decimal(18, 4)) as picked_quantity,
        -- dates
        created_at,
        due_at,
        started_at,
        confirmed_at,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
