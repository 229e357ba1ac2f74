{%- set keys = ['lane_id', 'mode'] -%}
{%- set attributes = [
    'origin_type',
    'origin_id',
    'destination_type',
    'destination_id',
    'distance_km',
    'planned_transit_hours',
    'departures_per_week',
    'status',
] -%}

{{ state_versions(ref('stg_tms__lanes'), keys, attributes) }}
