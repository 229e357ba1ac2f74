with source as (

    select * from {{ source('erp', 'purchase_order_lines') }}

),

renamed as (

    select
        -- ids
        po_id,
        po_line,
        supplier_id,
        sku_id,
        location_id,
        -- attributes
        unit,
        status,
        -- numerics
        cast(quantity as decimal(18, 4)) as quantity,
        -- dates
        ordered_at,
        promised_date,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
