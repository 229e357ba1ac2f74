with source as (

    select * from {{ source('wms', 'stock_movements') }}

),

renamed as (

    select
        -- ids
        movement_id,
        movement_line,
        sku_id,
        location_id,
        reference_id,
        -- attributes
        movement_type,
        unit,
        stock_status,
        reference_type,
        reason_code,
        -- numerics
        cast(quantity as decimal(18, 4)) as quantity,
        -- dates
        moved_at,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
