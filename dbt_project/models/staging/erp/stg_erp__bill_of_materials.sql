with source as (

    select * from {{ source('erp', 'bill_of_materials') }}

),

renamed as (

    select
        -- ids
        sku_id,
        location_id,
        alternative,
        bom_position,
        component_sku_id,
        -- attributes
        unit,
        is_phantom,
        -- numerics
        cast(quantity as decimal(18, 4)) as quantity,
        cast(base_quantity as decimal(18, 4)) as base_quantity,
        cast(scrap_share as decimal(18, 4)) as scrap_share,
        -- dates
        valid_from,
        valid_to,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
