with source as (

    select * from {{ source('erp', 'items') }}

),

renamed as (

    select
        -- ids
        sku_id,
        supplier_id,
        -- attributes
        item_name,
        category,
        family,
        base_unit,
        currency,
        status,
        gtin,
        manufacturer_part_number,
        predecessor_sku_id,
        -- numerics
        cast(standard_cost as decimal(18, 4)) as standard_cost,
        cast(list_price as decimal(18, 4)) as list_price,
        -- dates
        launch_date,
        end_date,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
