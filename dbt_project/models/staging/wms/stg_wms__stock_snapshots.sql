with source as (

    select * from {{ source('wms', 'stock_snapshots') }}

),

renamed as (

    select
        -- ids
        location_id,
        sku_id,
        -- attributes
        unit,
        -- numerics
        cast(on_hand_units as decimal(18, 4)) as on_hand_units,
        stockout_days,
        days_covered,
        -- dates
        snapshot_date,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
