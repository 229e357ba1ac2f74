with source as (

    select * from {{ source('erp', 'price_conditions') }}

),

renamed as (

    select
        -- ids
        sku_id,
        price_list,
        -- attributes
        currency,
        -- numerics
        cast(unit_price as decimal(18, 4)) as unit_price,
        -- dates
        valid_from,
        valid_to,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
