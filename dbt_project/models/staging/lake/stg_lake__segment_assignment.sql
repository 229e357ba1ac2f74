with source as (

    select * from {{ source('lake', 'segment_assignment') }}

),

renamed as (

    select
        -- ids
        sku_id,
        location_id,
        region,
        -- attributes
        cycle,
        segment,
    from source

)

select * from renamed
