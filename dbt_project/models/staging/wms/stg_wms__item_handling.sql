with source as (

    select * from {{ source('wms', 'item_handling') }}

),

renamed as (

    select
        -- ids
        sku_id,
        -- attributes
        temperature_class,
        hazard_class,
        is_stackable,
        handling_unit,
        velocity_code,
        -- numerics
        cast(length_mm as decimal(18, 4)) as length_mm,
        cast(width_mm as decimal(18, 4)) as width_mm,
        cast(height_mm as decimal(18, 4)) as height_mm,
        cast(weight_kg as decimal(18, 4)) as weight_kg,
        cast(units_per_case as decimal(18, 4)) as units_per_case,
        cast(units_per_layer as decimal(18, 4)) as units_per_layer,
        cast(units_per_pallet as decimal(18, 4)) as units_per_pallet,
        shelf_life_days,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
