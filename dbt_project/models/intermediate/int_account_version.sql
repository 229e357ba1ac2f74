{%- set keys = ['account_id'] -%}
{%- set attributes = [
    'account_name',
    'customer_id',
    'parent_account_id',
    'tier',
    'industry',
    'region',
    'manager_id',
    'since',
    'status',
] -%}

{{ state_versions(ref('stg_crm__accounts'), keys, attributes) }}
