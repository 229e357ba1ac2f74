{%- set keys = ['location_id', 'slot_id'] -%}
{%- set attributes = [
    'zone',
    'aisle',
    'rack_level',
    'slot_type',
    'temperature_class',
    'length_mm',
    'width_mm',
    'height_mm',
    'max_weight_kg',
    'travel_m',
    'is_golden_zone',
    'sku_id',
    'capacity_units',
    'status',
] -%}

{{ state_versions(ref('stg_wms__slots'), keys, attributes) }}
