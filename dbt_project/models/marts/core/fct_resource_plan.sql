{%- set keys = ['location_id', 'resource_id', 'period_start'] -%}
{%- set attributes = [
    'resource_type',
    'temperature_class',
    'period_end',
    'capacity_unit',
    'available_quantity',
    'planned_quantity',
    'overtime_quantity',
    'unit_cost',
    'currency',
] -%}

{{ increment_versions(ref('stg_planning__resource_plan'), keys, attributes) }}
