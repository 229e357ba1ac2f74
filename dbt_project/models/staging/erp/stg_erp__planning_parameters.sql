with source as (

    select * from {{ source('erp', 'planning_parameters') }}

),

renamed as (

    select
        -- ids
        sku_id,
        location_id,
        -- attributes
        abc_indicator,
        changed_by,
        -- numerics
        cast(safety_stock_units as decimal(18, 4)) as safety_stock_units,
        cast(reorder_point_units as decimal(18, 4)) as reorder_point_units,
        cast(max_stock_units as decimal(18, 4)) as max_stock_units,
        cast(min_lot_units as decimal(18, 4)) as min_lot_units,
        cast(max_lot_units as decimal(18, 4)) as max_lot_units,
        cast(fixed_lot_units as decimal(18, 4)) as fixed_lot_units,
        cast(rounding_units as decimal(18, 4)) as rounding_units,
        planned_delivery_days,
        goods_receipt_days,
        in_house_days,
        safety_time_days,
        review_days,
        cast(service_level as decimal(18, 4)) as service_level,
        -- dates
        changed_on,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
