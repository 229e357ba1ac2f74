with source as (

    select * from {{ source('erp', 'customers') }}

),

renamed as (

    select
        -- ids
        customer_id,
        -- attributes
        customer_name,
        region,
        channel,
        -- numerics
        priority,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
