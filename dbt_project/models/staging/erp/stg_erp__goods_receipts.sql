with source as (

    select * from {{ source('erp', 'goods_receipts') }}

),

renamed as (

    select
        -- ids
        receipt_id,
        receipt_line,
        po_id,
        po_line,
        sku_id,
        location_id,
        -- attributes
        unit,
        -- numerics
        cast(quantity as decimal(18, 4)) as quantity,
        -- dates
        received_at,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
