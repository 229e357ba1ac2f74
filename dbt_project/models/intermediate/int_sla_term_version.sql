{%- set keys = ['contract_id', 'term_id'] -%}
{%- set attributes = [
    'account_id',
    'customer_id',
    'scope_type',
    'scope_value',
    'metric',
    'target_share',
    'target_hours',
    'basis',
    'measurement_window',
    'priority',
    'penalty_type',
    'penalty_share',
    'penalty_amount',
    'currency',
    'valid_from',
    'valid_to',
] -%}

{{ state_versions(ref('stg_crm__sla_terms'), keys, attributes) }}
