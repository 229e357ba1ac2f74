{%- set keys = ['sku_id', 'price_list', 'valid_from'] -%}
{%- set attributes = [
    'valid_to',
    'unit_price',
    'currency',
] -%}

{{ increment_versions(ref('stg_erp__price_conditions'), keys, attributes) }}
