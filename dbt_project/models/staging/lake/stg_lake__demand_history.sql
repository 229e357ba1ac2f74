with source as (

    select * from {{ source('lake', 'demand_history') }}

),

renamed as (

    select
        -- ids
        sku_id,
        location_id,
        region,
        -- attributes
        cycle,
        bucket,
        is_partial,
        -- numerics
        cast(demand_units as decimal(18, 4)) as demand_units,
        cast(revenue as decimal(18, 4)) as revenue,
        -- dates
        period_start,
    from source

)

select * from renamed
