with source as (

    select * from {{ source('crm', 'item_hierarchy') }}

),

renamed as (

    select
        -- ids
        source_item_id,
        sku_id,
        gtin,
        manufacturer_part_number,
        -- attributes
        hierarchy_source,
        level,
        item_text,
        node_code,
        node_name,
        -- dates
        valid_from,
        valid_to,
        -- change
        {{ change_columns() }}
    from source

)

select * from renamed
