{%- set keys = ['lane_id', 'mode', 'carrier_id', 'weight_from_kg', 'valid_from'] -%}
{%- set attributes = [
    'valid_to',
    'service_level',
    'rate_basis',
    'rate',
    'minimum_charge',
    'fuel_surcharge_share',
    'currency',
] -%}

{{ increment_versions(ref('stg_tms__rates'), keys, attributes) }}
