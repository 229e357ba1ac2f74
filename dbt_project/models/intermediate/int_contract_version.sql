{%- set keys = ['contract_id'] -%}
{%- set attributes = [
    'account_id',
    'contract_type',
    'signed_on',
    'starts_on',
    'ends_on',
    'notice_days',
    'annual_value',
    'currency',
    'status',
    'service_text',
] -%}

{{ state_versions(ref('stg_crm__contracts'), keys, attributes) }}
