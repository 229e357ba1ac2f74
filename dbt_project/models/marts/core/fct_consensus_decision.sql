{%- set keys = ['decision_id'] -%}
{%- set attributes = [
    'meeting_date',
    'region',
    'scope_type',
    'scope_value',
    'period_start',
    'decision',
    'statistical_units',
    'sales_units',
    'finance_units',
    'agreed_units',
    'owner_id',
    'due_on',
    'decided_at',
    'rationale',
] -%}

{{ increment_versions(ref('stg_planning__consensus_decisions'), keys, attributes) }}
