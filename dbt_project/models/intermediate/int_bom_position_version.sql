{%- set keys = ['sku_id', 'location_id', 'alternative', 'bom_position'] -%}
{%- set attributes = [
    'component_sku_id',
    'quantity',
    'unit',
    'base_quantity',
    'scrap_share',
    'is_phantom',
    'valid_from',
    'valid_to',
] -%}

{{ state_versions(ref('stg_erp__bill_of_materials'), keys, attributes) }}
