{%- set keys = ['customer_id'] -%}
{%- set attributes = [
    'customer_name',
    'region',
    'channel',
    'priority',
] -%}

{{ state_versions(ref('stg_erp__customers'), keys, attributes) }}
