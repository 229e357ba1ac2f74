with source as (

    select * from {{ source('erp', 'inventory_budget') }}

),

renamed as (

    select
        -- ids
        budget_version,
        region,
        scope_type,
        scope_value,
        -- attributes
        currency,
        status,
        -- numerics
        fiscal_year,
        fiscal_period,
        cast(budget_value as decimal(18, 4)) as budget_value,
        -- dates
        period_start,
        period_end,
        approved_on,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
