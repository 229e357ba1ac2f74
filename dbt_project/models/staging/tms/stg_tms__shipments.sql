with source as (

    select * from {{ source('tms', 'shipments') }}

),

renamed as (

    select
        -- ids
        shipment_id,
        shipment_line,
        location_id,
        partner_id,
        lane_id,
        carrier_id,
        reference_id,
        sku_id,
        -- attributes
        direction,
        mode,
        service_level,
        reference_type,
        unit,
        currency,
        status,
        -- numerics
        cast(quantity as decimal(18, 4)) as quantity,
        cast(weight_kg as decimal(18, 4)) as weight_kg,
        cast(volume_m3 as decimal(18, 4)) as volume_m3,
        cast(distance_km as decimal(18, 4)) as distance_km,
        cast(planned_cost as decimal(18, 4)) as planned_cost,
        cast(actual_cost as decimal(18, 4)) as actual_cost,
        -- dates
        planned_departure_at,
        actual_departure_at,
        planned_arrival_at,
        actual_arrival_at,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
