with source as (

    select * from {{ source('erp', 'exchange_rates') }}

),

renamed as (

    select
        -- ids
        from_currency,
        to_currency,
        -- attributes
        rate_type,
        -- numerics
        cast(rate as decimal(24, 10)) as rate,
        from_units,
        -- dates
        valid_from,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
