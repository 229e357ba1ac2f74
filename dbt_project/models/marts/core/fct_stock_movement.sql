{%- set keys = ['movement_id', 'movement_line'] -%}
{%- set attributes = [
    'sku_id',
    'location_id',
    'movement_type',
    'moved_at',
    'quantity',
    'unit',
    'stock_status',
    'reference_type',
    'reference_id',
    'reason_code',
] -%}

{{ increment_versions(ref('stg_wms__stock_movements'), keys, attributes) }}
