with source as (

    select * from {{ source('crm', 'sla_terms') }}

),

renamed as (

    select
        -- ids
        contract_id,
        term_id,
        account_id,
        customer_id,
        -- attributes
        scope_type,
        scope_value,
        metric,
        basis,
        measurement_window,
        penalty_type,
        currency,
        -- numerics
        cast(target_share as decimal(18, 4)) as target_share,
        cast(target_hours as decimal(18, 4)) as target_hours,
        priority,
        cast(penalty_share as decimal(18, 4)) as penalty_share,
        cast(penalty_amount as decimal(18, 4)) as penalty_amount,
        -- dates
        valid_from,
        valid_to,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
