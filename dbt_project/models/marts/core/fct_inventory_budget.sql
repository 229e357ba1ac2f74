{%- set keys = ['budget_version', 'region', 'scope_type', 'scope_value', 'period_start'] -%}
{%- set attributes = [
    'period_end',
    'fiscal_year',
    'fiscal_period',
    'budget_value',
    'currency',
    'status',
    'approved_on',
] -%}

{{ increment_versions(ref('stg_erp__inventory_budget'), keys, attributes) }}
