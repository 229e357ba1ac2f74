with source as (

    select * from {{ source('erp', 'item_units') }}

),

renamed as (

    select
        -- ids
        sku_id,
        -- attributes
        unit,
        to_unit,
        -- numerics
        cast(numerator as decimal(18, 4)) as numerator,
        cast(denominator as decimal(18, 4)) as denominator,
        -- dates
        valid_from,
        valid_to,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
