{%- set keys = ['sku_id'] -%}
{%- set attributes = [
    'length_mm',
    'width_mm',
    'height_mm',
    'weight_kg',
    'units_per_case',
    'units_per_layer',
    'units_per_pallet',
    'temperature_class',
    'hazard_class',
    'shelf_life_days',
    'is_stackable',
    'handling_unit',
    'velocity_code',
] -%}

{{ state_versions(ref('stg_wms__item_handling'), keys, attributes) }}
