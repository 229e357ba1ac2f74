with source as (

    select * from {{ source('erp', 'sales_order_lines') }}

),

renamed as (

    select
        -- ids
        order_id,
        order_line,
        sku_id,
        location_id,
        customer_id,
        promotion_id,
        -- attributes
        channel,
        unit,
        currency,
        line_type,
        -- numerics
        cast(quantity as decimal(18, 4)) as quantity,
        cast(net_amount as decimal(18, 4)) as net_amount,
        -- dates
        ordered_at,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
