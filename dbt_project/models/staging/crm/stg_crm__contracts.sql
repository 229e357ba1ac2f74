with source as (

    select * from {{ source('crm', 'contracts') }}

),

renamed as (

    select
        -- ids
        contract_id,
        account_id,
        -- attributes
        contract_type,
        currency,
        status,
        service_text,
        -- numerics
        notice_days,
        cast(annual_value as decimal(18, 4)) as annual_value,
        -- dates
        signed_on,
        starts_on,
        ends_on,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
