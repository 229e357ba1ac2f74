{%- set keys = ['supplier_id'] -%}
{%- set attributes = [
    'supplier_name',
    'country',
] -%}

{{ state_versions(ref('stg_erp__suppliers'), keys, attributes) }}
