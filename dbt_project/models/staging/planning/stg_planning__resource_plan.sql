with source as (

    select * from {{ source('planning', 'resource_plan') }}

),

renamed as (

    select
        -- ids
        location_id,
        resource_id,
        -- attributes
        resource_type,
        temperature_class,
        capacity_unit,
        currency,
        -- numerics
        cast(available_quantity as decimal(18, 4)) as available_quantity,
        cast(planned_quantity as decimal(18, 4)) as planned_quantity,
        cast(overtime_quantity as decimal(18, 4)) as overtime_quantity,
        cast(unit_cost as decimal(18, 4)) as unit_cost,
        -- dates
        period_start,
        period_end,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
