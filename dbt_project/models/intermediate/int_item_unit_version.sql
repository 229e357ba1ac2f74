{%- set keys = ['sku_id', 'unit', 'valid_from'] -%}
{%- set attributes = [
    'valid_to',
    'numerator',
    'denominator',
    'to_unit',
] -%}

{{ state_versions(ref('stg_erp__item_units'), keys, attributes) }}
