with source as (

    select * from {{ source('lake', 'item_value') }}

),

renamed as (

    select
        -- ids
        sku_id,
        region,
        -- attributes
        unit,
        -- numerics
        factor,
        unit_cost,
        -- dates
        valid_from,
        valid_until,
    from source

)

select * from renamed
