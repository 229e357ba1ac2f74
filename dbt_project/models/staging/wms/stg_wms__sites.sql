with source as (

    select * from {{ source('wms', 'sites') }}

),

renamed as (

    select
        -- ids
        location_id,
        -- attributes
        location_name,
        region,
        location_type,
        time_zone,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
