with source as (

    select * from {{ source('erp', 'suppliers') }}

),

renamed as (

    select
        -- ids
        supplier_id,
        -- attributes
        supplier_name,
        country,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
