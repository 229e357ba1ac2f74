{%- set keys = ['from_currency', 'to_currency', 'rate_type', 'valid_from'] -%}
{%- set attributes = [
    'rate',
    'from_units',
] -%}

{{ increment_versions(ref('stg_erp__exchange_rates'), keys, attributes) }}
