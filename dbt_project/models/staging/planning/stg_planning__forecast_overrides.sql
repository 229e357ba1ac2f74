with source as (

    select * from {{ source('planning', 'forecast_overrides') }}

),

renamed as (

    select
        -- ids
        override_id,
        sku_id,
        location_id,
        evidence_id,
        planner_id,
        -- attributes
        region,
        bucket,
        reason_code,
        comment,
        status,
        -- numerics
        cast(baseline_units as decimal(18, 4)) as baseline_units,
        cast(override_units as decimal(18, 4)) as override_units,
        -- dates
        period_start,
        entered_at,
        expires_on,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
