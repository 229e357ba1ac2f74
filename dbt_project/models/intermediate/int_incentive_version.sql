{%- set keys = ['incentive_id'] -%}
{%- set attributes = [
    'incentive_type',
    'beneficiary_id',
    'beneficiary_type',
    'region',
    'scope_type',
    'scope_value',
    'basis',
    'rate_share',
    'rate_amount',
    'threshold_value',
    'promised_service',
    'currency',
    'starts_on',
    'ends_on',
] -%}

{{ state_versions(ref('stg_crm__incentives'), keys, attributes) }}
