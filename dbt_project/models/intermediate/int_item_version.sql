{%- set keys = ['sku_id'] -%}
{%- set attributes = [
    'item_name',
    'category',
    'family',
    'base_unit',
    'standard_cost',
    'list_price',
    'currency',
    'supplier_id',
    'launch_date',
    'end_date',
    'status',
    'gtin',
    'manufacturer_part_number',
    'predecessor_sku_id',
] -%}

{{ state_versions(ref('stg_erp__items'), keys, attributes) }}
