{%- set keys = ['location_id'] -%}
{%- set attributes = [
    'location_name',
    'region',
    'location_type',
    'time_zone',
] -%}

{{ state_versions(ref('stg_wms__sites'), keys, attributes) }}
