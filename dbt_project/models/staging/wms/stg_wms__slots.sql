with source as (

    select * from {{ source('wms', 'slots') }}

),

renamed as (

    select
        -- ids
        location_id,
        slot_id,
        sku_id,
        -- attributes
        zone,
        aisle,
        slot_type,
        temperature_class,
        is_golden_zone,
        status,
        -- numerics
        rack_level,
        cast(length_mm as decimal(18, 4)) as length_mm,
        cast(width_mm as decimal(18, 4)) as width_mm,
        cast(height_mm as decimal(18, 4)) as height_mm,
        cast(max_weight_kg as decimal(18, 4)) as max_weight_kg,
        cast(travel_m as decimal(18, 4)) as travel_m,
        cast(capacity_units as decimal(18, 4)) as capacity_units,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
