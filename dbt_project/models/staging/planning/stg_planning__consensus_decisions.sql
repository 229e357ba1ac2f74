with source as (

    select * from {{ source('planning', 'consensus_decisions') }}

),

renamed as (

    select
        -- ids
        decision_id,
        owner_id,
        -- attributes
        region,
        scope_type,
        scope_value,
        decision,
        rationale,
        -- numerics
        cast(statistical_units as decimal(18, 4)) as statistical_units,
        cast(sales_units as decimal(18, 4)) as sales_units,
        cast(finance_units as decimal(18, 4)) as finance_units,
        cast(agreed_units as decimal(18, 4)) as agreed_units,
        -- dates
        meeting_date,
        period_start,
        due_on,
        decided_at,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
