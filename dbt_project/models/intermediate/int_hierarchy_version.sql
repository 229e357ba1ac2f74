{%- set keys = ['hierarchy_source', 'source_item_id', 'level', 'valid_from'] -%}
{%- set attributes = [
    'valid_to',
    'sku_id',
    'gtin',
    'manufacturer_part_number',
    'item_text',
    'node_code',
    'node_name',
] -%}

{{ state_versions(ref('stg_crm__item_hierarchy'), keys, attributes) }}
