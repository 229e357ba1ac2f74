with source as (

    select * from {{ source('tms', 'lanes') }}

),

renamed as (

    select
        -- ids
        lane_id,
        mode,
        origin_id,
        destination_id,
        -- attributes
        origin_type,
        destination_type,
        status,
        -- numerics
        cast(distance_km as decimal(18, 4)) as distance_km,
        cast(planned_transit_hours as decimal(18, 4)) as planned_transit_hours,
        cast(departures_per_week as decimal(18, 4)) as departures_per_week,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
