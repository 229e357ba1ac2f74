{%- set keys = ['promotion_id', 'sku_id', 'location_id'] -%}
{%- set attributes = [
    'starts_on',
    'ends_on',
    'mechanic',
] -%}

{{ increment_versions(ref('stg_crm__promotions'), keys, attributes) }}
