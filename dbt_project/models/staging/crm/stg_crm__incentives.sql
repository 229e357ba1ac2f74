with source as (

    select * from {{ source('crm', 'incentives') }}

),

renamed as (

    select
        -- ids
        incentive_id,
        beneficiary_id,
        -- attributes
        incentive_type,
        beneficiary_type,
        region,
        scope_type,
        scope_value,
        basis,
        currency,
        -- numerics
        cast(rate_share as decimal(18, 4)) as rate_share,
        cast(rate_amount as decimal(18, 4)) as rate_amount,
        cast(threshold_value as decimal(18, 4)) as threshold_value,
        cast(promised_service as decimal(18, 4)) as promised_service,
        -- dates
        starts_on,
        ends_on,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
