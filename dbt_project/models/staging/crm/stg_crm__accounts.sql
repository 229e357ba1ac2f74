with source as (

    select * from {{ source('crm', 'accounts') }}

),

renamed as (

    select
        -- ids
        account_id,
        customer_id,
        parent_account_id,
        manager_id,
        -- attributes
        account_name,
        tier,
        industry,
        region,
        status,
        -- dates
        since,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
