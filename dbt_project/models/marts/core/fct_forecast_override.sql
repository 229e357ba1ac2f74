{%- set keys = ['override_id'] -%}
{%- set attributes = [
    'sku_id',
    'location_id',
    'region',
    'period_start',
    'bucket',
    'baseline_units',
    'override_units',
    'reason_code',
    'evidence_id',
    'comment',
    'planner_id',
    'entered_at',
    'expires_on',
    'status',
] -%}

{{ increment_versions(ref('stg_planning__forecast_overrides'), keys, attributes) }}
