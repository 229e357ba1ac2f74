with source as (

    select * from {{ source('crm', 'promotions') }}

),

renamed as (

    select
        -- ids
        promotion_id,
        sku_id,
        location_id,
        -- attributes
        mechanic,
        -- dates
        starts_on,
        ends_on,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
