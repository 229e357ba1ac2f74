with source as (

    select * from {{ source('tms', 'rates') }}

),

renamed as (

    select
        -- ids
        lane_id,
        mode,
        carrier_id,
        weight_from_kg,
        -- attributes
        service_level,
        rate_basis,
        currency,
        -- numerics
        cast(rate as decimal(18, 4)) as rate,
        cast(minimum_charge as decimal(18, 4)) as minimum_charge,
        cast(fuel_surcharge_share as decimal(18, 4)) as fuel_surcharge_share,
        -- dates
        valid_from,
        valid_to,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
